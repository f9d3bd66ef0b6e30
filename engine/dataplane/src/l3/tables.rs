//! What the management core writes and the workers read: adjacencies, virtual MACs held,
//! interfaces. Without locks: every fact is one word.

use crate::MacBytes;
use crossbeam_utils::CachePadded;
use dpdk::{Fib4Reader, Fib6Reader, MAX_NEXT_HOP};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Where a packet is to go: what the number means that a forwarding table gives for its
/// destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Adjacency {
    /// Nowhere: punted as [`PuntReason::NoRoute`](super::PuntReason::NoRoute).
    #[default]
    None,
    /// To this host: an own address, or a virtual one, whether held or not. Punted as
    /// [`PuntReason::Local`](super::PuntReason::Local).
    Local,
    /// A connected prefix: the destination itself is the next hop, and not resolved. Punted as
    /// [`PuntReason::Unresolved`](super::PuntReason::Unresolved).
    Connected {
        /// The interface that it is on.
        interface: u16,
    },
    /// A next hop whose address is not resolved. Punted in the same way.
    Unresolved {
        /// The interface that it is on.
        interface: u16,
    },
    /// A next hop with its address.
    Resolved {
        /// The interface to send on.
        interface: u16,
        /// Its MAC address.
        mac: MacBytes,
    },
    /// Dropped and counted, without an answer: a directed broadcast, a blackhole route.
    Discard,
}

/// An interface's number is twelve bits of an adjacency's word.
pub const MAX_INTERFACES: usize = 1 << 12;

const KIND_BITS: u32 = 4;
const INTERFACE_BITS: u32 = 12;
const MAC_SHIFT: u32 = KIND_BITS + INTERFACE_BITS;
const INTERFACE_MASK: u64 = (1 << INTERFACE_BITS) - 1;

/// The six bytes of an address as the low bits of a word, as a frame's first eight bytes have
/// them in little-endian order.
#[inline(always)]
pub(crate) const fn mac_word(mac: MacBytes) -> u64 {
    let [a, b, c, d, e, f] = mac;
    u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
}

#[inline(always)]
pub(crate) const fn word_mac(word: u64) -> MacBytes {
    let [a, b, c, d, e, f, _, _] = word.to_le_bytes();
    [a, b, c, d, e, f]
}

impl Adjacency {
    /// MAC, interface and kind in one word, so that a reader never sees half a change.
    const fn pack(self) -> u64 {
        let (kind, interface, mac) = match self {
            Self::None => (0, 0, 0),
            Self::Local => (1, 0, 0),
            Self::Connected { interface } => (2, interface, 0),
            Self::Unresolved { interface } => (3, interface, 0),
            Self::Resolved { interface, mac } => (4, interface, mac_word(mac)),
            Self::Discard => (5, 0, 0),
        };
        mac << MAC_SHIFT | (interface as u64 & INTERFACE_MASK) << KIND_BITS | kind
    }

    const fn unpack(word: u64) -> Self {
        let interface = (word >> KIND_BITS & INTERFACE_MASK) as u16;
        match word & ((1 << KIND_BITS) - 1) {
            1 => Self::Local,
            2 => Self::Connected { interface },
            3 => Self::Unresolved { interface },
            4 => Self::Resolved {
                interface,
                mac: word_mac(word >> MAC_SHIFT),
            },
            5 => Self::Discard,
            _ => Self::None,
        }
    }
}

/// An adjacency that is not taken apart: six bytes in an enumeration go through memory, which the
/// hot loop would wait for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct AdjacencyWord(u64);

impl AdjacencyWord {
    #[inline(always)]
    pub(super) const fn is_resolved(self) -> bool {
        self.0 & ((1 << KIND_BITS) - 1) == 4
    }

    #[inline(always)]
    pub(super) const fn interface(self) -> u16 {
        (self.0 >> KIND_BITS & INTERFACE_MASK) as u16
    }

    /// Its kind and interface, without the address: the same for all next hops that are resolved
    /// on one interface.
    #[inline(always)]
    pub(super) const fn way(self) -> u16 {
        self.0 as u16
    }

    /// The MAC address in the low 48 bits, if it is resolved.
    #[inline(always)]
    pub(super) const fn mac(self) -> u64 {
        self.0 >> MAC_SHIFT
    }

    pub(super) const fn unpack(self) -> Adjacency {
        Adjacency::unpack(self.0)
    }
}

/// The array that the forwarding tables' numbers index. Fixed in size, never freed.
///
/// Written by the management core alone, read by every worker for each packet.
#[derive(Debug)]
pub struct Adjacencies {
    words: Box<[AtomicU64]>,
}

impl Adjacencies {
    /// The number that a table gives for what it has no route for: [`Adjacency::None`], always.
    pub const NO_ROUTE: u16 = 0;
    /// The number for local addresses: [`Adjacency::Local`], always.
    pub const LOCAL: u16 = 1;
    /// The first number that the management core may use as it likes.
    pub const FIRST_FREE: u16 = 2;

    /// An array of `len` places (at most [`MAX_NEXT_HOP`] + 1, at least 3 are made).
    #[must_use]
    pub fn new(len: usize) -> Self {
        let len = len.clamp(
            usize::from(Self::FIRST_FREE) + 1,
            usize::from(MAX_NEXT_HOP) + 1,
        );
        let word = |n| {
            let local = n == usize::from(Self::LOCAL);
            AtomicU64::new(
                if local {
                    Adjacency::Local
                } else {
                    Adjacency::None
                }
                .pack(),
            )
        };
        Self {
            words: (0..len).map(word).collect(),
        }
    }

    /// Its places: numbers below this may be set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Never: there are at least three places.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Changes a place; false if `index` is none that may be changed. To be called by the
    /// management core alone. A worker sees it with its next packet.
    pub fn set(&self, index: u16, adjacency: Adjacency) -> bool {
        if index < Self::FIRST_FREE {
            return false;
        }
        match self.words.get(usize::from(index)) {
            Some(word) => {
                word.store(adjacency.pack(), Ordering::Release);
                true
            }
            None => false,
        }
    }

    /// A place; [`Adjacency::None`] beyond the end.
    #[must_use]
    pub fn get(&self, index: u64) -> Adjacency {
        self.word(index).unpack()
    }

    /// The same, as it is packed.
    #[inline(always)]
    fn word(&self, index: u64) -> AdjacencyWord {
        self.view().word(index)
    }

    /// The array, to be read more than once.
    #[inline(always)]
    pub(super) fn view(&self) -> AdjacencyView<'_> {
        AdjacencyView(&self.words)
    }
}

/// The array's place and length, for the hot loop to have them in registers.
#[derive(Debug, Clone, Copy)]
pub(super) struct AdjacencyView<'a>(&'a [AtomicU64]);

impl AdjacencyView<'_> {
    /// A place; that of no adjacency beyond the end.
    #[inline(always)]
    pub(super) fn word(self, index: u64) -> AdjacencyWord {
        let word = self.0.get(index as usize);
        // Acquire costs nothing on x86; the word holds all there is to know.
        AdjacencyWord(word.map_or(0, |word| word.load(Ordering::Acquire)))
    }
}

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Family {
    /// IPv4.
    V4 = 0,
    /// IPv6.
    V6 = 1,
}

/// The virtual MAC of a virtual router (RFC 9568 section 7.3): 00-00-5E-00-01-VRID for IPv4,
/// 00-00-5E-00-02-VRID for IPv6.
#[must_use]
pub const fn virtual_mac(family: Family, vrid: u8) -> MacBytes {
    [0x00, 0x00, 0x5e, 0x00, 1 + family as u8, vrid]
}

/// The first five bytes of a virtual MAC as a frame's first word has them; byte 4 is 1 or 2.
const VIRTUAL_PREFIX: u64 = mac_word([0x00, 0x00, 0x5e, 0x00, 0, 0]);
const VIRTUAL_PREFIX_MASK: u64 = 0xffff_ffff;

/// An interface's virtual MACs, and the source address that it sends under.
#[derive(Debug)]
struct HeldHere {
    own: MacBytes,
    /// Per family: a bit for each VRID.
    bits: [[AtomicU64; 4]; 2],
    /// Per family: the MAC as a word.
    source: [AtomicU64; 2],
}

/// Which virtual MACs this instance holds, per interface: what comes for one of them is forwarded.
///
/// Written by the management core alone. A change is adopted by a worker at its next iteration;
/// to know when it has, set its L3 gate anew after the change and wait for that epoch.
#[derive(Debug)]
pub struct Held {
    interfaces: Box<[CachePadded<HeldHere>]>,
}

impl Held {
    /// Nothing held, on interfaces of these port addresses.
    #[must_use]
    pub fn new(own: impl Iterator<Item = MacBytes>) -> Self {
        let here = |own: MacBytes| {
            CachePadded::new(HeldHere {
                own,
                bits: Default::default(),
                source: [AtomicU64::new(mac_word(own)), AtomicU64::new(mac_word(own))],
            })
        };
        Self {
            interfaces: own.map(here).collect(),
        }
    }

    /// Takes or drops a virtual MAC; false if there is no such interface. What an interface
    /// forwards is sent under the lowest virtual MAC that it holds in the packet's family, or
    /// under the port's address.
    pub fn set(&self, interface: u16, family: Family, vrid: u8, held: bool) -> bool {
        let Some(here) = self.interfaces.get(usize::from(interface)) else {
            return false;
        };
        let (Some(words), Some(source)) = (
            here.bits.get(family as usize),
            here.source.get(family as usize),
        ) else {
            return false;
        };
        if let Some(word) = words.get(usize::from(vrid / 64)) {
            let bit = 1 << (vrid % 64);
            // One writer: no read-modify-write that could race with another.
            let now = word.load(Ordering::Relaxed);
            word.store(if held { now | bit } else { now & !bit }, Ordering::Release);
        }
        let lowest = (0..=u8::MAX).find(|&vrid| self.is_held(interface, family, vrid));
        let mac = lowest.map_or(here.own, |vrid| virtual_mac(family, vrid));
        source.store(mac_word(mac), Ordering::Release);
        true
    }

    /// Whether a virtual MAC is held.
    #[must_use]
    pub fn is_held(&self, interface: u16, family: Family, vrid: u8) -> bool {
        self.interfaces
            .get(usize::from(interface))
            .and_then(|here| here.bits.get(family as usize))
            .and_then(|words| words.get(usize::from(vrid / 64)))
            .is_some_and(|word| word.load(Ordering::Acquire) >> (vrid % 64) & 1 == 1)
    }

    /// Whether a frame's destination (the low 48 bits) is a virtual MAC that is held.
    #[inline(always)]
    pub(crate) fn holds(&self, interface: u16, destination: u64) -> bool {
        let [_, _, _, _, family, vrid, _, _] = destination.to_le_bytes();
        let family = match family {
            1 => Family::V4,
            2 => Family::V6,
            _ => return false,
        };
        destination & VIRTUAL_PREFIX_MASK == VIRTUAL_PREFIX & VIRTUAL_PREFIX_MASK
            && self.is_held(interface, family, vrid)
    }

    /// The source address of what is forwarded out of an interface, as a word.
    #[inline(always)]
    pub(crate) fn source(&self, interface: u16, family: Family) -> u64 {
        self.interfaces
            .get(usize::from(interface))
            .and_then(|here| here.source.get(family as usize))
            .map_or(0, |source| source.load(Ordering::Acquire))
    }
}

/// An L3 interface: a port, or a VLAN of it. Its index in [`Tables::interfaces`] is its number
/// everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interface {
    /// The port's number, as in [`L3Port`](super::L3Port).
    pub port: u16,
    /// The VLAN, 1 to 4094; `None`: untagged (and tagged with VLAN 0).
    pub vlan: Option<u16>,
    /// The port's own address.
    pub mac: MacBytes,
    /// Largest IP packet, in bytes.
    pub mtu: u16,
}

/// All that the workers' L3 parts share, and the management core writes.
#[derive(Debug)]
pub struct Tables {
    /// The interfaces. Fixed; at most [`MAX_INTERFACES`].
    pub interfaces: Box<[Interface]>,
    /// IPv4 routes, connected prefixes, neighbours and local addresses, to adjacencies.
    pub fib4: Fib4Reader,
    /// The same for IPv6.
    pub fib6: Fib6Reader,
    /// What the tables' numbers mean.
    pub adjacencies: Adjacencies,
    /// Virtual MACs held.
    pub held: Held,
    forwarding: CachePadded<AtomicBool>,
}

impl Tables {
    /// Tables with `adjacencies` places, nothing held, forwarding switched on.
    #[must_use]
    pub fn new(
        interfaces: Vec<Interface>,
        fib4: Fib4Reader,
        fib6: Fib6Reader,
        adjacencies: usize,
    ) -> Self {
        Self {
            held: Held::new(interfaces.iter().map(|interface| interface.mac)),
            interfaces: interfaces.into(),
            fib4,
            fib6,
            adjacencies: Adjacencies::new(adjacencies),
            forwarding: CachePadded::new(AtomicBool::new(true)),
        }
    }

    /// Switches forwarding on or off (`l3.ip_forward`). What is for local addresses is punted
    /// either way.
    pub fn set_forwarding(&self, on: bool) {
        self.forwarding.store(on, Ordering::Release);
    }

    /// Whether packets are forwarded.
    #[must_use]
    pub fn forwarding(&self) -> bool {
        self.forwarding.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn adjacency() -> impl Strategy<Value = Adjacency> {
        let interface = 0..MAX_INTERFACES as u16;
        prop_oneof![
            Just(Adjacency::None),
            Just(Adjacency::Local),
            Just(Adjacency::Discard),
            interface
                .clone()
                .prop_map(|interface| Adjacency::Connected { interface }),
            interface
                .clone()
                .prop_map(|interface| Adjacency::Unresolved { interface }),
            (interface, any::<MacBytes>())
                .prop_map(|(interface, mac)| Adjacency::Resolved { interface, mac }),
        ]
    }

    proptest! {
        #[test]
        fn an_adjacency_survives_its_word(adjacency in adjacency()) {
            prop_assert_eq!(Adjacency::unpack(adjacency.pack()), adjacency);
            let table = Adjacencies::new(8);
            prop_assert!(table.set(5, adjacency));
            prop_assert_eq!(table.get(5), adjacency);
            prop_assert_eq!(table.get(4), Adjacency::None);
        }

        #[test]
        fn no_word_is_read_as_more_than_it_is(word: u64) {
            if let Adjacency::Resolved { interface, .. } = Adjacency::unpack(word) {
                prop_assert!(usize::from(interface) < MAX_INTERFACES);
            }
        }
    }

    #[test]
    fn the_fixed_adjacencies_cannot_be_changed_and_the_end_is_no_route() {
        let table = Adjacencies::new(4);
        assert!(!table.set(Adjacencies::NO_ROUTE, Adjacency::Discard));
        assert!(!table.set(Adjacencies::LOCAL, Adjacency::Discard));
        assert!(!table.set(4, Adjacency::Discard));
        assert!(table.set(3, Adjacency::Discard));
        assert_eq!(table.get(0), Adjacency::None);
        assert_eq!(table.get(1), Adjacency::Local);
        assert_eq!(table.get(u64::MAX), Adjacency::None);
        assert_eq!(Adjacencies::new(usize::MAX).len(), 1 << 15);
    }

    #[test]
    fn a_virtual_mac_is_held_on_its_interface_in_its_family_alone() {
        let own = [2, 0, 0, 0, 0, 1];
        let held = Held::new([own, own].into_iter());
        let word = |family, vrid| mac_word(virtual_mac(family, vrid));
        assert!(held.set(1, Family::V4, 200, true));
        assert!(!held.set(2, Family::V4, 200, true));
        assert!(held.holds(1, word(Family::V4, 200)));
        assert!(!held.holds(0, word(Family::V4, 200)));
        assert!(!held.holds(1, word(Family::V6, 200)));
        assert!(!held.holds(1, word(Family::V4, 136)), "another word's bit");
        assert!(!held.holds(1, mac_word([0, 0, 0x5e, 1, 1, 200])));
        assert!(!held.holds(1, mac_word([0, 0, 0x5e, 0, 3, 200])));
        assert!(held.set(1, Family::V4, 200, false));
        assert!(!held.holds(1, word(Family::V4, 200)));
    }

    #[test]
    fn sends_under_the_lowest_virtual_mac_held_or_its_own() {
        let own = [2, 0, 0, 0, 0, 1];
        let held = Held::new([own].into_iter());
        let source = |family| word_mac(held.source(0, family));
        assert_eq!(source(Family::V4), own);
        held.set(0, Family::V4, 9, true);
        held.set(0, Family::V4, 7, true);
        assert_eq!(source(Family::V4), [0, 0, 0x5e, 0, 1, 7]);
        assert_eq!(source(Family::V6), own);
        held.set(0, Family::V4, 7, false);
        assert_eq!(source(Family::V4), [0, 0, 0x5e, 0, 1, 9]);
        held.set(0, Family::V4, 9, false);
        assert_eq!(source(Family::V4), own);
    }
}
