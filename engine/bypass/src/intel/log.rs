//! The card's event log: up to 43 entries of 5 bytes in its EEPROM, a ring.

use std::fmt;

use super::words::Action;
use crate::{CardError, Path};

/// Where the EEPROM says where the log begins.
pub const BASE_AT: u8 = 1;
/// The log's entries.
pub const ENTRIES: u8 = 43;
/// Bytes of an entry.
pub const ENTRY_SIZE: u8 = 5;

/// What the card noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LogEvent {
    /// The machine was switched on.
    MainOn,
    /// Its supply came.
    AuxOn,
    /// The machine was switched off.
    MainOff,
    /// Its supply went.
    AuxOff,
    /// The watchdog was not petted in time.
    Watchdog,
    /// Somebody commanded it.
    User,
}

impl LogEvent {
    const fn of(bits: u32) -> Option<Self> {
        Some(match bits {
            1 => Self::MainOn,
            2 => Self::AuxOn,
            3 => Self::MainOff,
            4 => Self::AuxOff,
            5 => Self::Watchdog,
            6 => Self::User,
            _ => return None,
        })
    }
}

impl fmt::Display for LogEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::MainOn => "main power on",
            Self::AuxOn => "supply on",
            Self::MainOff => "main power off",
            Self::AuxOff => "supply off",
            Self::Watchdog => "watchdog expired",
            Self::User => "command",
        })
    }
}

/// One entry of the card's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// The second of the year, UTC, as far as somebody told the card: DPDK's driver always tells it
    /// 0, and then these times mean nothing.
    pub second: u32,
    /// What happened.
    pub event: LogEvent,
    /// The path that the card took; `None` when it is none that we know.
    pub path: Option<Path>,
    /// Nobody has marked it as read. (We do not either: that would be one more write to the
    /// EEPROM.)
    pub unread: bool,
}

impl LogEntry {
    /// What the bytes say (lowest byte first: a guess); `None` for a place without an entry.
    pub fn of(bytes: [u8; ENTRY_SIZE as usize]) -> Option<Self> {
        let [a, b, c, d, action] = bytes;
        let word = u32::from_le_bytes([a, b, c, d]);
        if word >> 25 & 1 == 0 {
            return None;
        }
        Some(Self {
            second: word & ((1 << 25) - 1),
            event: LogEvent::of(word >> 28)?,
            path: Action::of(u32::from(action)).path(),
            unread: word >> 27 & 1 != 0,
        })
    }
}

/// Where the log's entries begin, from the newest on.
///
/// # Errors
/// [`CardError::Range`] when the card's own words about it make no sense.
pub fn places(base: u8, head: u8) -> Result<impl Iterator<Item = u8>, CardError> {
    let length = ENTRIES * ENTRY_SIZE;
    let from_base = head.wrapping_sub(base);
    let fits = base.checked_add(length - 1).is_some();
    if !fits || from_base >= length || !from_base.is_multiple_of(ENTRY_SIZE) {
        return Err(CardError::Range {
            what: "the card's event log",
            got: format!("base {base}, head {head}"),
            accepted: format!("{ENTRIES} entries of {ENTRY_SIZE} bytes in 256"),
        });
    }
    let newest = from_base / ENTRY_SIZE;
    Ok((0..ENTRIES).map(move |back| base + (newest + ENTRIES - back) % ENTRIES * ENTRY_SIZE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_by_hand() {
        // 2 s, valid, head, unread, watchdog; bypass
        let entry = LogEntry::of([0x02, 0, 0, 0x5E, 2]).unwrap();
        assert_eq!(entry.second, 2);
        assert_eq!(entry.event, LogEvent::Watchdog);
        assert_eq!(entry.path, Some(Path::Bypass));
        assert!(entry.unread);
        assert_eq!(LogEntry::of([0x02, 0, 0, 0x5C, 2]), None); // not valid
        assert_eq!(LogEntry::of([0xFF; 5]), None); // erased: no such event
    }

    #[test]
    fn the_ring_is_walked_backwards_and_a_senseless_one_is_refused() {
        let places_of = |base, head| places(base, head).map(|p| p.collect::<Vec<_>>());
        let walked = places_of(16, 21).unwrap();
        assert_eq!(walked.len(), 43);
        assert_eq!(walked[..3], [21, 16, 16 + 42 * 5]);
        for (base, head) in [(16, 22), (16, 11), (42, 42), (0, 215)] {
            assert!(places_of(base, head).is_err(), "{base} {head}");
        }
        assert!(places_of(41, 251).is_ok());
    }
}
