//! Learning: which stations send, and on which side they live.
//!
//! The worker reads the source address of what it forwards and tells the management core, which
//! keeps the MAC tables and shares them with the peer (rule 8). Two bounds keep this off the
//! data path's back: of a burst of more than [`LEARN_ALL_UP_TO`] frames one rotating sample is
//! read, and a direct-mapped filter keeps an address that was reported within about the last
//! second from being reported again (two busy stations that share a place in it evict each other
//! and are reported more often: harmless, and bounded by the sampling and the ring). A busy station is found within a few bursts; a quiet one
//! comes in small bursts, all of which are read.

use crate::mac_table::MacBytes;
use twinline_wire::Side;

/// Bursts of up to this many frames are learned from whole; of bigger ones, one sample is read.
pub const LEARN_ALL_UP_TO: usize = 4;

/// A source address that a worker saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Learned {
    /// The link pair's index.
    pub pair: u16,
    /// The side on which the station lives: the one its frame came in on.
    pub side: Side,
    /// The station.
    pub mac: MacBytes,
}

const SLOTS: usize = 1024;
/// Bits of an entry that name the station: 48 of its address, one of its side.
const KEY_BITS: u32 = 49;
const KEY_MASK: u64 = (1 << KEY_BITS) - 1;
const ADDRESS_MASK: u64 = (1 << 48) - 1;
/// Bits left for the time stamp. It wraps after two hours or so; an entry that old and met in the
/// very second of the wrap is held back for that second.
const STAMP_MASK: u64 = (1 << (64 - KEY_BITS)) - 1;

/// A frame's source address and side as a filter entry without its stamp; `None` for what is never
/// learned: group addresses (no station sends from one), all zeroes, and frames too short.
///
/// The address is one load of the eight bytes that end with it: byte for byte it costs several
/// times as much, which shows on the data path.
#[inline(always)]
pub(crate) fn key_of(frame: &[u8], side: Side) -> Option<u64> {
    let header = frame.first_chunk::<12>()?;
    let address = u64::from_le_bytes(*header.last_chunk::<8>()?) >> 16;
    // The first byte of the address is the lowest: its bit 0 says group.
    if address & 1 == 1 || address == 0 {
        return None;
    }
    Some(address | (side as u64) << 48)
}

/// The address of an entry that [`key_of`] made.
pub(crate) fn mac_of(key: u64) -> MacBytes {
    let [a, b, c, d, e, f, _, _] = key.to_le_bytes();
    [a, b, c, d, e, f]
}

/// The source address of a frame; `None` if it is too short to have one.
#[inline(always)]
pub(crate) fn source_of(frame: &[u8]) -> Option<MacBytes> {
    let [_, _, _, _, _, _, a, b, c, d, e, f] = *frame.first_chunk::<12>()?;
    Some([a, b, c, d, e, f])
}

/// The destination address of a frame; `None` if it is too short to be one.
#[inline(always)]
pub(crate) fn destination_of(frame: &[u8]) -> Option<MacBytes> {
    frame.first_chunk::<6>().copied()
}

/// Holds back what was reported within about a second. 8 KiB, one for each pair of a worker.
#[derive(Debug)]
pub(crate) struct Filter {
    slots: Box<[u64; SLOTS]>,
    /// TSC ticks to stamps: the power of two next below a quarter of a second.
    shift: u32,
    /// An entry this many stamps old or older is reported again.
    lifetime: u64,
}

impl Filter {
    /// A filter for a TSC of `tsc_hz` ticks a second (0 is taken as 1).
    pub(crate) fn new(tsc_hz: u64) -> Self {
        let shift = (tsc_hz / 4).max(1).ilog2();
        let lifetime = (tsc_hz >> shift).clamp(1, STAMP_MASK);
        Self {
            slots: Box::new([0; SLOTS]),
            shift,
            lifetime,
        }
    }

    #[inline(always)]
    fn stamp(&self, now_tsc: u64) -> u64 {
        (now_tsc >> self.shift) & STAMP_MASK
    }

    #[inline(always)]
    fn slot(key: u64) -> usize {
        // By the address alone: a station that moves replaces its own entry, so that it is
        // reported again when it moves back. Fibonacci hashing: the top ten bits of the product.
        ((key & ADDRESS_MASK).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as usize % SLOTS
    }

    /// True if `key` is to be reported at `now_tsc`.
    #[inline(always)]
    pub(crate) fn is_due(&self, key: u64, now_tsc: u64) -> bool {
        let entry = self.slots[Self::slot(key)];
        let age = self.stamp(now_tsc).wrapping_sub(entry >> KEY_BITS) & STAMP_MASK;
        entry & KEY_MASK != key || age >= self.lifetime
    }

    /// Notes that `key` was reported at `now_tsc`.
    #[inline]
    pub(crate) fn reported(&mut self, key: u64, now_tsc: u64) {
        self.slots[Self::slot(key)] = self.stamp(now_tsc) << KEY_BITS | key;
    }
}

/// Picks one frame of each burst, a different place each time.
#[derive(Debug, Default)]
pub(crate) struct Rotor(u8);

impl Rotor {
    /// An index below `n` (0 when `n` is 0). A step of 97/256 of the burst: every place of a
    /// burst of up to 256 frames has its turn, without a division.
    #[inline(always)]
    pub(crate) fn next(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(97);
        (usize::from(self.0) * n) >> 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HZ: u64 = 2_596_000_000;

    /// The key of a frame from `mac`.
    fn key(mac: MacBytes, side: Side) -> Option<u64> {
        let mut frame = [0xee; 14];
        frame[6..12].copy_from_slice(&mac);
        key_of(&frame, side)
    }

    #[test]
    fn a_key_holds_the_source_address_of_its_frame() {
        for mac in [[2, 0, 0, 0, 0, 1], [0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54]] {
            let (lan, wan) = (key(mac, Side::Lan).unwrap(), key(mac, Side::Wan).unwrap());
            assert_eq!((mac_of(lan), mac_of(wan)), (mac, mac));
            assert_ne!(lan, wan);
            assert!(lan <= KEY_MASK && wan <= KEY_MASK);
        }
        for length in 0..12 {
            assert_eq!(key_of(&[2; 14][..length], Side::Lan), None);
        }
        assert!(key_of(&[2; 12], Side::Lan).is_some());
    }

    #[test]
    fn reports_once_a_second() {
        let mut filter = Filter::new(HZ);
        let key = key([2, 0, 0, 0, 0, 1], Side::Lan).unwrap();
        let start = 77 * HZ;
        assert!(filter.is_due(key, start));
        filter.reported(key, start);
        let mut now = start;
        while !filter.is_due(key, now) {
            now += HZ / 1000;
        }
        let held_ms = (now - start) * 1000 / HZ;
        assert!((600..=1200).contains(&held_ms), "{held_ms} ms");
    }

    #[test]
    fn a_station_that_changes_sides_is_reported_at_once() {
        let mut filter = Filter::new(HZ);
        let mac = [2, 0, 0, 0, 0, 1];
        let (lan, wan) = (key(mac, Side::Lan).unwrap(), key(mac, Side::Wan).unwrap());
        filter.reported(lan, HZ);
        assert!(!filter.is_due(lan, HZ));
        assert!(filter.is_due(wan, HZ));
        filter.reported(wan, HZ);
        assert!(!filter.is_due(wan, HZ));
        assert!(filter.is_due(lan, HZ), "and when it moves back");
    }

    #[test]
    fn group_and_zero_sources_are_never_learned() {
        assert_eq!(key([0xff; 6], Side::Lan), None);
        assert_eq!(key([0x01, 0, 0x5e, 1, 2, 3], Side::Wan), None);
        assert_eq!(key([0; 6], Side::Wan), None);
        assert!(key([0, 0, 0, 0, 0, 1], Side::Lan).is_some());
    }

    #[test]
    fn short_frames_have_no_addresses() {
        let frame: Vec<u8> = (0..14).collect();
        for length in 0..frame.len() {
            assert_eq!(destination_of(&frame[..length]).is_some(), length >= 6);
            assert_eq!(source_of(&frame[..length]).is_some(), length >= 12);
        }
        assert_eq!(destination_of(&frame), Some([0, 1, 2, 3, 4, 5]));
        assert_eq!(source_of(&frame), Some([6, 7, 8, 9, 10, 11]));
    }

    #[test]
    fn odd_clocks_do_not_break_the_filter() {
        for hz in [0, 1, 3, 1000, u64::MAX] {
            let mut filter = Filter::new(hz);
            let key = key([2, 0, 0, 0, 0, 9], Side::Wan).unwrap();
            assert!(filter.is_due(key, 5));
            filter.reported(key, 5);
            assert!(!filter.is_due(key, 5), "{hz}");
        }
    }

    #[test]
    fn the_rotor_visits_every_place_and_never_leaves_the_burst() {
        for n in [1, 5, 31, 32] {
            let mut rotor = Rotor::default();
            let mut seen = vec![false; n];
            for _ in 0..256 {
                seen[rotor.next(n)] = true;
            }
            assert!(seen.iter().all(|seen| *seen), "{n}");
        }
        assert_eq!(Rotor(200).next(0), 0);
    }
}
