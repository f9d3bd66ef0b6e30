//! The MAC table of a link pair: which station lives on which side.
//!
//! The management core writes it (from what the workers learned, and from what the peer shared);
//! workers read it during the short overlap of a hand-over (rule 8). Fixed memory: 8192 words of
//! 64 bits in 1024 lines of one cache line each. A MAC may live in either of two lines, picked by
//! a hash that is keyed anew in each process, so a sender cannot aim at one line; a look-up reads
//! at most those two. An entry is one word, so a reader sees an entry whole or not at all, and
//! neither inserting nor removing ever moves another entry.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use twinline_wire::Side;

/// A MAC address as it stands in a frame. (`twinline_wire::Mac` converts both ways.)
pub type MacBytes = [u8; 6];

/// Entries that the table has room for at most.
pub const MAC_TABLE_SLOTS: usize = 8192;

const SLOTS_PER_LINE: usize = 8;
const LINES: usize = MAC_TABLE_SLOTS / SLOTS_PER_LINE;

const MAC_BITS: u64 = (1 << 48) - 1;
const WAN_BIT: u64 = 1 << 48;
const VALID_BIT: u64 = 1 << 49;

/// The 48 bits of a MAC as a number.
#[inline(always)]
pub(crate) const fn mac_bits(mac: MacBytes) -> u64 {
    let [a, b, c, d, e, f] = mac;
    u64::from_be_bytes([0, 0, a, b, c, d, e, f])
}

/// True for a group address (multicast or broadcast).
#[inline(always)]
#[must_use]
pub const fn is_group(mac: MacBytes) -> bool {
    mac[0] & 1 == 1
}

const fn entry(mac: MacBytes, side: Side) -> u64 {
    let side = match side {
        Side::Lan => 0,
        Side::Wan => WAN_BIT,
    };
    mac_bits(mac) | side | VALID_BIT
}

const fn entry_side(word: u64) -> Side {
    if word & WAN_BIT == 0 {
        Side::Lan
    } else {
        Side::Wan
    }
}

const fn entry_mac(word: u64) -> MacBytes {
    let [_, _, a, b, c, d, e, f] = (word & MAC_BITS).to_be_bytes();
    [a, b, c, d, e, f]
}

/// What an insertion did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Insertion {
    /// The MAC is new.
    New,
    /// The MAC was known on the other side and has moved.
    Moved,
    /// The MAC was known there already.
    Known,
    /// Both lines of this MAC are full: not inserted. (With 200 random keys, the first refusal
    /// came between the 5458th and the 6849th station.)
    Full,
    /// A group address has no side: not inserted.
    Group,
}

#[derive(Debug)]
#[repr(align(64))]
struct Line([AtomicU64; SLOTS_PER_LINE]);

/// Which side each known station of a link pair lives on. One writer (the management core), any
/// number of readers.
#[derive(Debug)]
pub struct MacTable {
    lines: Box<[Line; LINES]>,
    key: u64,
    len: AtomicUsize,
}

impl MacTable {
    /// An empty table (64 KiB, the only allocation that it ever makes).
    #[must_use]
    pub fn new() -> Self {
        Self::with_key(RandomState::new().hash_one(MAC_TABLE_SLOTS))
    }

    fn with_key(key: u64) -> Self {
        let lines =
            Box::new([const { Line([const { AtomicU64::new(0) }; SLOTS_PER_LINE]) }; LINES]);
        Self {
            lines,
            key,
            len: AtomicUsize::new(0),
        }
    }

    /// The two lines where `mac` may live (sometimes the same one twice).
    #[inline(always)]
    fn lines_of(&self, mac: MacBytes) -> [&[AtomicU64; SLOTS_PER_LINE]; 2] {
        // Two rounds of multiply and fold (the high half carries what the low half mixed), with
        // the key before each, so that the lines are not to be foreseen from outside.
        let fold = |x: u64| {
            let wide = u128::from(x) * 0x9e37_79b9_7f4a_7c15_u128;
            (wide >> 64) as u64 ^ wide as u64
        };
        let hash = fold(fold(mac_bits(mac) ^ self.key).wrapping_add(self.key.rotate_left(32)));
        let line = |n: u64| &self.lines[n as usize % LINES].0;
        [line(hash), line(hash >> 32)]
    }

    #[inline(always)]
    fn find(&self, mac: MacBytes) -> Option<(&AtomicU64, u64)> {
        let wanted = mac_bits(mac) | VALID_BIT;
        for line in self.lines_of(mac) {
            for slot in line {
                let word = slot.load(Ordering::Relaxed);
                if word & !WAN_BIT == wanted {
                    return Some((slot, word));
                }
            }
        }
        None
    }

    /// The side on which `mac` lives, if it is known. At most two cache lines, no lock, no
    /// allocation.
    #[inline]
    #[must_use]
    pub fn side_of(&self, mac: MacBytes) -> Option<Side> {
        self.find(mac).map(|(_, word)| entry_side(word))
    }

    /// Notes that `mac` lives on `side`. Management core only.
    pub fn insert(&self, mac: MacBytes, side: Side) -> Insertion {
        if is_group(mac) {
            return Insertion::Group;
        }
        let word = entry(mac, side);
        if let Some((slot, old)) = self.find(mac) {
            if old == word {
                return Insertion::Known;
            }
            slot.store(word, Ordering::Release);
            return Insertion::Moved;
        }
        // The emptier of the two lines: this is what lets the table fill far before it refuses.
        let free = |line: &[AtomicU64; SLOTS_PER_LINE]| {
            line.iter()
                .filter(|slot| slot.load(Ordering::Relaxed) == 0)
                .count()
        };
        let [first, second] = self.lines_of(mac);
        let line = if free(second) > free(first) {
            second
        } else {
            first
        };
        match line.iter().find(|slot| slot.load(Ordering::Relaxed) == 0) {
            Some(slot) => {
                slot.store(word, Ordering::Release);
                self.len.store(self.len() + 1, Ordering::Relaxed);
                Insertion::New
            }
            None => Insertion::Full,
        }
    }

    /// Forgets `mac`; says where it lived. Management core only.
    pub fn remove(&self, mac: MacBytes) -> Option<Side> {
        let (slot, word) = self.find(mac)?;
        slot.store(0, Ordering::Release);
        self.len
            .store(self.len().saturating_sub(1), Ordering::Relaxed);
        Some(entry_side(word))
    }

    /// Forgets everything. Management core only; not during an overlap, when a worker relies on
    /// the entries.
    pub fn clear(&self) {
        for slot in self.lines.iter().flat_map(|line| &line.0) {
            slot.store(0, Ordering::Release);
        }
        self.len.store(0, Ordering::Relaxed);
    }

    /// How many stations are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// True when no station is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All known stations, in no order. For the management core: announcing them after a
    /// take-over, sharing them with the peer (rule 8).
    pub fn iter(&self) -> impl Iterator<Item = (MacBytes, Side)> + '_ {
        self.lines
            .iter()
            .flat_map(|line| &line.0)
            .map(|slot| slot.load(Ordering::Relaxed))
            .filter(|word| word & VALID_BIT != 0)
            .map(|word| (entry_mac(word), entry_side(word)))
    }
}

impl Default for MacTable {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    fn station(n: u32) -> MacBytes {
        let [a, b, c, d] = n.to_be_bytes();
        [0x02, 0x10, a, b, c, d]
    }

    #[test]
    fn a_line_is_a_cache_line() {
        assert_eq!((size_of::<Line>(), align_of::<Line>()), (64, 64));
    }

    #[test]
    fn inserts_moves_and_removes() {
        let table = MacTable::new();
        let mac = station(1);
        assert_eq!(table.side_of(mac), None);
        assert_eq!(table.insert(mac, Side::Lan), Insertion::New);
        assert_eq!(table.insert(mac, Side::Lan), Insertion::Known);
        assert_eq!(table.side_of(mac), Some(Side::Lan));
        assert_eq!(table.insert(mac, Side::Wan), Insertion::Moved);
        assert_eq!(table.side_of(mac), Some(Side::Wan));
        assert_eq!(table.len(), 1);
        assert_eq!(table.remove(mac), Some(Side::Wan));
        assert_eq!(table.remove(mac), None);
        assert!(table.is_empty());
    }

    #[test]
    fn the_all_zero_address_is_not_an_empty_slot() {
        let table = MacTable::new();
        assert_eq!(table.side_of([0; 6]), None);
        assert_eq!(table.insert([0; 6], Side::Lan), Insertion::New);
        assert_eq!(table.side_of([0; 6]), Some(Side::Lan));
    }

    #[test]
    fn group_addresses_are_refused() {
        let table = MacTable::new();
        assert_eq!(table.insert([0xff; 6], Side::Lan), Insertion::Group);
        assert_eq!(
            table.insert([0x01, 0, 0x5e, 0, 0, 1], Side::Wan),
            Insertion::Group
        );
        assert!(table.is_empty());
    }

    #[test]
    fn takes_half_its_slots_without_a_refusal() {
        for key in [1, 0xdead_beef, u64::MAX, 0x0123_4567_89ab_cdef] {
            let table = MacTable::with_key(key);
            for n in 0..(MAC_TABLE_SLOTS as u32 / 2) {
                assert_eq!(
                    table.insert(station(n), Side::Lan),
                    Insertion::New,
                    "key {key:#x}"
                );
            }
        }
    }

    #[test]
    fn a_flood_of_addresses_ends_in_refusals_not_in_growth() {
        let table = MacTable::new();
        let mut kept = 0;
        for n in 0..100_000 {
            match table.insert(station(n), Side::Wan) {
                Insertion::New => kept += 1,
                Insertion::Full => {}
                other => panic!("{other:?}"),
            }
        }
        assert!(kept <= MAC_TABLE_SLOTS);
        assert_eq!((table.len(), table.iter().count()), (kept, kept));
        table.clear();
        assert_eq!((table.len(), table.iter().count()), (0, 0));
    }

    #[derive(Debug, Clone)]
    enum Op {
        Insert(MacBytes, Side),
        Remove(MacBytes),
        Look(MacBytes),
        Clear,
    }

    fn ops() -> impl Strategy<Value = Vec<Op>> {
        // A small set of addresses, so that operations meet; any address, so that nothing is
        // special about the small set.
        let mac = prop_oneof![(0u32..600).prop_map(station), any::<MacBytes>()];
        let side = prop_oneof![Just(Side::Lan), Just(Side::Wan)];
        let op = prop_oneof![
            50 => (mac.clone(), side).prop_map(|(mac, side)| Op::Insert(mac, side)),
            20 => mac.clone().prop_map(Op::Remove),
            29 => mac.prop_map(Op::Look),
            1 => Just(Op::Clear),
        ];
        prop::collection::vec(op, 0..2000)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn behaves_as_a_hash_map(ops in ops()) {
            let table = MacTable::new();
            let mut model: HashMap<MacBytes, Side> = HashMap::new();
            for op in ops {
                match op {
                    Op::Insert(mac, side) => {
                        let expected = match model.get(&mac) {
                            _ if is_group(mac) => Insertion::Group,
                            None => Insertion::New,
                            Some(old) if *old == side => Insertion::Known,
                            Some(_) => Insertion::Moved,
                        };
                        prop_assert_eq!(table.insert(mac, side), expected);
                        if expected != Insertion::Group {
                            model.insert(mac, side);
                        }
                    }
                    Op::Remove(mac) => prop_assert_eq!(table.remove(mac), model.remove(&mac)),
                    Op::Look(mac) => prop_assert_eq!(table.side_of(mac), model.get(&mac).copied()),
                    Op::Clear => { table.clear(); model.clear(); }
                }
                prop_assert_eq!(table.len(), model.len());
            }
            let all: HashMap<MacBytes, Side> = table.iter().collect();
            prop_assert_eq!(all, model);
        }
    }

    /// A reader beside a busy writer: entries that stay are always found, entries that were never
    /// there never are, and an entry that moves is on one of its two sides at every moment.
    #[test]
    fn readers_beside_the_writer_see_whole_entries() {
        let table = Arc::new(MacTable::new());
        for n in 0..1000 {
            table.insert(station(n), Side::Lan);
        }
        let stop = Arc::new(AtomicBool::new(false));
        let reader = {
            let (table, stop) = (table.clone(), stop.clone());
            std::thread::spawn(move || {
                let mut rounds = 0u32;
                while !stop.load(Ordering::Relaxed) || rounds == 0 {
                    for n in 0..1000 {
                        let side = table.side_of(station(n));
                        match n {
                            0 => assert!(side.is_some(), "a moving entry is never absent"),
                            _ => assert_eq!(side, Some(Side::Lan)),
                        }
                        assert_eq!(table.side_of(station(1_000_000 + n)), None);
                    }
                    rounds += 1;
                }
            })
        };
        for round in 0..200u32 {
            let side = if round % 2 == 0 { Side::Wan } else { Side::Lan };
            assert_eq!(table.insert(station(0), side), Insertion::Moved);
            for n in 2000..3000 {
                assert_eq!(table.insert(station(n), Side::Wan), Insertion::New);
            }
            for n in 2000..3000 {
                assert_eq!(table.remove(station(n)), Some(Side::Wan));
            }
        }
        stop.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    }
}
