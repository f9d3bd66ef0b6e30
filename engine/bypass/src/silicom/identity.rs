//! Who a card is: its firmware's version, and what that version can do.

use std::time::Duration;

use crate::{Path, Paths, PowerEvent, WatchdogPeriods};

/// Extension versions from which on a firmware can do something.
mod since {
    pub const CAPABILITY_WORD: u8 = 1;
    pub const QUIET_FRAMES: u8 = 4;
    pub const POWER_OFF: u8 = 6;
    pub const DISCONNECT: u8 = 8;
    pub const TRANSMITTERS: u8 = 9;
}

/// Bits of the capability word.
mod word {
    pub const BYPASS: u8 = 1 << 0;
    pub const TAP: u8 = 1 << 1;
    pub const INLINE_UNSUPPORTED: u8 = 1 << 2;
    pub const DISCONNECT: u8 = 1 << 3;
    pub const TWO_PORT_LINK: u8 = 1 << 4;
}

/// Firmware versions that have no signature.
const UNSIGNED: [u8; 2] = [0xA0, 0xA1];

/// Exponents of the watchdog: its periods are 100 ms x 2^n.
const EXPONENTS: u32 = 16;
/// The watchdog's shortest period.
const SHORTEST: Duration = Duration::from_millis(100);

/// Who a card is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    version: u8,
    word: u8,
}

impl Identity {
    pub(super) const fn new(version: u8, word: u8) -> Self {
        let word = if Self::has_capability_word(version) {
            word
        } else {
            word::BYPASS
        };
        Self { version, word }
    }

    pub(super) const fn is_signed(version: u8) -> bool {
        version != UNSIGNED[0] && version != UNSIGNED[1]
    }

    pub(super) const fn has_capability_word(version: u8) -> bool {
        version & 0xF >= since::CAPABILITY_WORD
    }

    /// The firmware's version.
    #[must_use]
    pub const fn version(self) -> u8 {
        self.version
    }

    /// The version of its extensions, 0 to 15: what it can do grows with it.
    #[must_use]
    pub const fn extension(self) -> u8 {
        self.version & 0xF
    }

    /// Whether every frame counts as a kick. A look at such a card keeps its watchdog quiet, so a
    /// supervisor must not look at an armed one by frames.
    #[must_use]
    pub const fn frames_kick(self) -> bool {
        self.extension() < since::QUIET_FRAMES
    }

    /// The paths that can be commanded.
    #[must_use]
    pub fn paths(self) -> Paths {
        let paths: Vec<Path> = Path::ALL.into_iter().filter(|&p| self.can(p)).collect();
        Paths::of(&paths)
    }

    fn can(self, path: Path) -> bool {
        match path {
            Path::Inline => !self.has(word::INLINE_UNSUPPORTED),
            Path::Bypass => self.has(word::BYPASS),
            Path::Tap => self.has(word::TAP),
            Path::Disconnect => self.since(since::DISCONNECT) && self.has(word::DISCONNECT),
        }
    }

    /// The paths that the card's events can lead to.
    #[must_use]
    pub fn events(self) -> Vec<(PowerEvent, Paths)> {
        let only = |which: fn(Path) -> bool| {
            let paths: Vec<Path> = self.paths().iter().filter(|&p| which(p)).collect();
            Paths::of(&paths)
        };
        let mut events = vec![
            (PowerEvent::PowerUp, self.paths()),
            (PowerEvent::WatchdogExpired, only(|p| p != Path::Inline)),
        ];
        if self.since(since::POWER_OFF) {
            let two = only(|p| matches!(p, Path::Inline | Path::Bypass));
            events.push((PowerEvent::PowerOff, two));
        }
        events
    }

    /// The watchdog's periods; the place of one is its exponent.
    #[must_use]
    pub fn watchdog(self) -> WatchdogPeriods {
        WatchdogPeriods::new((0..EXPONENTS).map(|n| SHORTEST * (1 << n)).collect())
    }

    /// Two-port link.
    #[must_use]
    pub const fn two_port_link(self) -> bool {
        self.since(since::DISCONNECT) && self.has(word::TWO_PORT_LINK)
    }

    /// Whether the controller switches the transmitters; before, the NIC's own pins do.
    #[must_use]
    pub const fn switches_transmitters(self) -> bool {
        self.since(since::TRANSMITTERS)
    }

    const fn since(self, extension: u8) -> bool {
        self.extension() >= extension
    }

    const fn has(self, bit: u8) -> bool {
        self.word & bit != 0
    }
}

/// The watchdog's period with this exponent.
pub(super) fn period(exponent: u8) -> Duration {
    SHORTEST * (1 << (u32::from(exponent) % EXPONENTS))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: u8 = 0b11_1011;

    #[test]
    fn a_firmware_can_do_no_more_than_its_extensions() {
        use Path::{Bypass, Inline, Tap};
        let paths = |version, word| Identity::new(version, word).paths();
        assert_eq!(paths(0xA0, ALL), Paths::of(&[Inline, Bypass]));
        assert_eq!(paths(0xA1, ALL), Paths::of(&[Inline, Bypass, Tap]));
        assert_eq!(paths(0xA7, ALL), Paths::of(&[Inline, Bypass, Tap]));
        assert_eq!(paths(0xA8, ALL), Paths::of(&Path::ALL));
        assert_eq!(paths(0xA8, 0b0001), Paths::of(&[Inline, Bypass]));
        assert_eq!(paths(0xA8, 0b0111), Paths::of(&[Bypass, Tap]), "no inline");
        let two_port = |version| Identity::new(version, ALL).two_port_link();
        assert!(!two_port(0xA7) && two_port(0xA8));
        let transmitters = |version| Identity::new(version, ALL).switches_transmitters();
        assert!(!transmitters(0xA8) && transmitters(0xA9));
        let power_off = |version| {
            let events = Identity::new(version, ALL).events();
            events.iter().any(|&(e, _)| e == PowerEvent::PowerOff)
        };
        assert!(!power_off(0xA5) && power_off(0xA6));
        assert!(Identity::new(0xA3, ALL).frames_kick());
        assert!(!Identity::new(0xA4, ALL).frames_kick());
    }

    #[test]
    fn the_ladder_is_100_ms_times_a_power_of_two() {
        let ladder = Identity::new(0xA8, ALL).watchdog();
        let ms = Duration::from_millis;
        assert_eq!(ladder.as_slice().len(), 16);
        assert_eq!(ladder.round_up(ms(5_000)).unwrap(), (6, ms(6_400)));
        assert_eq!(ladder.round_up(ms(3_276_800)).unwrap(), (15, ms(3_276_800)));
        assert!(ladder.round_up(ms(3_276_801)).is_err());
        for (n, &wanted) in ladder.as_slice().iter().enumerate() {
            assert_eq!(period(u8::try_from(n).unwrap()), wanted);
        }
    }
}
