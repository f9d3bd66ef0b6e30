//! Layer 3: forwarding between the interfaces of L3 ports, on the same workers that carry link
//! pairs.
//!
//! A plain packet is read, looked up and rewritten in one go, while its header is in registers; what
//! is not plain, or has no next hop yet, is gone over again once its burst is through. Then all are
//! sent by outgoing port. What the fast path does not carry is dropped and counted ([`L3Drop`]) or
//! goes to the management core ([`Punt`]).
//!
//! ```text
//!   Tables (Fib, Adjacencies, Held)     L3Inject
//!                │                         │
//!   RxQueue ─▶ plain: read, look up, rewrite ─▶ TxQueue
//!                │                               ▲
//!                └▶ others: decide ──────────────┤
//!                                                └─▶ Punt (protocols | exceptions)
//! ```
//!
//! What is sent to the port's own address is forwarded whatever the role is; what is sent to a
//! virtual MAC, only while that is [`Held`], the L3 [`Gate`] is [`GateMode::Forward`] and the
//! lease holds (rule 11). The destination address is looked up first: what is local is punted in
//! any case.

mod counters;
mod inject;
mod parse;
mod punt;
mod rewrite;
mod setup;
mod tables;

pub use counters::{L3Drop, L3PortSnapshot, L3Punt};
pub use punt::{L3Inject, Punt, PuntReason};
pub use rewrite::{decrement_hop_limit, decrement_ttl};
pub use setup::{L3Config, L3Links, L3Port};
pub use tables::{
    Adjacencies, Adjacency, Family, Held, Interface, MAX_INTERFACES, Tables, virtual_mac,
};

use crate::MacBytes;
use crate::counters::Counters;
use crate::gate::{Gate, GateMode};
use crate::lease::Lease;
use crate::transmit::send_rest;
pub(crate) use counters::L3Figures;
use dpdk::{Burst, Fib6Reader, Mbuf, RxQueue, TxQueue, clock};
use parse::{Fate, PortView, Seen, Stations};
use rewrite::{Header, Source};
use std::sync::Arc;
use tables::{AdjacencyWord, mac_word};

const ETHERNET: usize = 14;
/// Frames that a worker takes from a queue at once: more than from a link pair's, since more is done
/// once a burst, and a burst of 64 is still small beside a core's first cache.
pub const BURST: usize = 64;

/// No port of this worker.
const NO_SLOT: u8 = u8::MAX;

/// How an interface sends.
#[derive(Debug, Clone, Copy)]
struct Egress {
    /// The port's place in this worker.
    slot: u8,
    vlan: Option<u16>,
    mtu: u16,
}

struct Port {
    index: u16,
    rx: Option<RxQueue>,
    tx: TxQueue,
    mac: MacBytes,
    view: PortView,
    last: Last,
    out: Burst<BURST>,
}

/// What the last burst of a port ended with: most likely, the next one begins so.
#[derive(Debug, Clone, Copy, Default)]
struct Last {
    /// The virtual MAC that it was sent to; 0: none.
    to: u64,
    /// The next hop.
    next: AdjacencyWord,
}

/// A burst's results between the stages. Each frame's are at its place in the burst.
struct Scratch {
    burst: Burst<BURST>,
    trash: Burst<BURST>,
    /// A plain packet's length; [`NOT_PLAIN`]: see `seen`.
    size: [u32; BURST],
    /// What was read of the frames that are not plain; what it says of others is old.
    seen: [Seen; BURST],
    /// What the table said for a packet that is not ready to leave.
    next: [u64; BURST],
    /// The place of the port by which a frame is ready to leave, or [`NO_SLOT`].
    slot: [u8; BURST],
    /// Only for [`lookup6`].
    to6: [[u8; 16]; BURST],
    next6: [u64; BURST],
}

/// Longer than any MTU.
const NOT_PLAIN: u32 = u32::MAX;

/// How plain packets to one interface leave.
#[derive(Debug, Clone, Copy)]
struct Way {
    /// What their adjacencies have in common.
    way: u16,
    slot: u8,
    mtu: u32,
    /// The source address that they get.
    from: Source,
}

impl Way {
    /// A way that nothing goes: no packet is so short.
    const NONE: Self = Self {
        way: 0,
        slot: NO_SLOT,
        mtu: 0,
        from: Source::new(0),
    };
}

/// Whether what came to a virtual MAC may be forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    Open,
    Closed(L3Drop),
}

/// A worker's L3 part.
pub(crate) struct L3 {
    ports: Box<[Port]>,
    egress: Box<[Egress]>,
    tables: Arc<Tables>,
    gate: Arc<Gate>,
    word: u64,
    protocols: rtrb::Producer<Punt>,
    exceptions: rtrb::Producer<Punt>,
    inject: rtrb::Consumer<L3Inject>,
    scratch: Box<Scratch>,
}

impl L3 {
    pub(crate) fn port_indices(&self) -> impl Iterator<Item = u16> + '_ {
        self.ports.iter().map(|port| port.index)
    }

    /// Sends what is to be injected, then carries at most one burst from each port. True if there
    /// was any frame. Never inlined: a worker without L3 ports has but a test for it in its loop.
    #[inline(never)]
    pub(crate) fn poll(&mut self, lease: &Lease, counters: &Counters) -> bool {
        let mut busy = false;
        if !self.inject.is_empty() {
            busy = self.send_injected(lease, counters);
        }
        let mode = self.gate.adopt(&mut self.word);
        for (slot, figures) in counters.l3.iter().enumerate() {
            busy |= self.carry(slot, mode, figures, lease, &counters.l3);
        }
        busy
    }

    /// One burst of one port, through all stages. True if there was any frame.
    #[inline(always)]
    fn carry(
        &mut self,
        slot: usize,
        mode: GateMode,
        figures: &L3Figures,
        lease: &Lease,
        all: &[L3Figures],
    ) -> bool {
        let scratch = &mut *self.scratch;
        let ports = self.ports.len();
        let Some(port) = self.ports.get_mut(slot) else {
            return false;
        };
        let Some(rx) = &mut port.rx else {
            return false;
        };
        if rx.burst(&mut scratch.burst) == 0 {
            return false;
        }
        let tables = &*self.tables;
        let count = scratch.burst.len();
        // The lease before the clock, the clock after receiving and before sending (rule 11).
        let until = lease.until();
        let pass = if mode != GateMode::Forward {
            Pass::Closed(L3Drop::Gate)
        } else if clock::tsc_now() >= until {
            Pass::Closed(L3Drop::Lease)
        } else {
            Pass::Open
        };
        let forwarding = tables.forwarding();
        // If not all may pass, each is looked at.
        let short = forwarding && pass == Pass::Open;
        let Carried {
            bytes,
            left,
            ways,
            way,
        } = if short {
            let short = Short {
                view: &port.view,
                tables,
                egress: &self.egress,
                ports,
            };
            short.carry(scratch, &mut port.last)
        } else {
            read_all(scratch, &port.view, tables)
        };
        figures.rx_packets.add(count as u64);
        figures.rx_bytes.add(bytes);
        figures.forwarded4.add((count - left) as u64);
        // The common case: all go one way, and no length has changed.
        if left == 0
            && ways == 1
            && let Some(port) = self.ports.get_mut(usize::from(way.slot))
            && let Some(to) = all.get(usize::from(way.slot))
        {
            send(&mut port.tx, &mut scratch.burst, bytes, to);
            return true;
        }
        self.carry_each(slot, forwarding, pass, all);
        true
    }

    /// Carries the frames of a burst that do not all go the same short way.
    #[inline(never)]
    fn carry_each(&mut self, slot: usize, forwarding: bool, pass: Pass, all: &[L3Figures]) {
        let scratch = &mut *self.scratch;
        let tables = &*self.tables;
        let Some(figures) = all.get(slot) else {
            return;
        };
        let mut forwarded = [0; 2];
        let places = scratch.slot.iter().zip(&scratch.size);
        let places = places.zip(scratch.next.iter().zip(&scratch.seen));
        for (mut mbuf, ((&ready, &size), (&next, seen))) in scratch.burst.drain().zip(places) {
            if let Some(out) = self.ports.get_mut(usize::from(ready)) {
                // It has as many places as the burst that they come from.
                let _ = out.out.push(mbuf);
                continue;
            }
            let Some(port) = self.ports.get(slot) else {
                continue;
            };
            let index = port.index;
            let again;
            let seen = if size == NOT_PLAIN {
                seen
            } else {
                again = parse::read(mbuf.data(), &port.view, &tables.held);
                &again
            };
            let next = match seen.fate {
                Fate::V4 | Fate::V6 => {
                    let adjacency = tables.adjacencies.get(next);
                    route(seen, next, adjacency, forwarding, pass, &self.egress)
                }
                Fate::Drop(cause) => Next::Drop(cause),
                Fate::Punt(reason) => Next::Punt(PuntReason::of_frame(reason)),
            };
            let cause = match next {
                Next::Send {
                    egress,
                    interface,
                    mac,
                } => match self.ports.get_mut(usize::from(egress.slot)) {
                    Some(out) => {
                        let family = if seen.fate == Fate::V4 {
                            Family::V4
                        } else {
                            Family::V6
                        };
                        let header = Header {
                            to: mac_word(mac),
                            from: tables.held.source(interface, family),
                            vlan: egress.vlan,
                        };
                        if rewrite(&mut mbuf, seen, family, header) {
                            if let Some(forwarded) = forwarded.get_mut(family as usize) {
                                *forwarded += 1;
                            }
                            let _ = out.out.push(mbuf);
                            continue;
                        }
                        L3Drop::NoRoom
                    }
                    None => L3Drop::NoPort,
                },
                Next::Punt(reason) => {
                    let ring = if reason.is_protocol() {
                        &mut self.protocols
                    } else {
                        &mut self.exceptions
                    };
                    punt(ring, index, seen, reason, mbuf, figures);
                    continue;
                }
                Next::Drop(cause) => cause,
            };
            figures.drop_n(cause, 1);
            let _ = scratch.trash.push(mbuf);
        }
        let [forwarded4, forwarded6] = forwarded;
        figures.forwarded4.add(forwarded4);
        figures.forwarded6.add(forwarded6);
        scratch.trash.clear();
        for (port, figures) in self.ports.iter_mut().zip(all) {
            if !port.out.is_empty() {
                let bytes = port.out.bytes();
                send(&mut port.tx, &mut port.out, bytes, figures);
            }
        }
    }
}

/// What became of a burst.
#[derive(Debug, Clone, Copy)]
struct Carried {
    bytes: u64,
    /// Frames that are not ready to leave.
    left: usize,
    /// How often the way changed.
    ways: u32,
    /// The last one.
    way: Way,
}

/// How a burst of one port is carried the short way.
#[derive(Clone, Copy)]
struct Short<'a> {
    view: &'a PortView,
    tables: &'a Tables,
    egress: &'a [Egress],
    /// How many ports the worker has.
    ports: usize,
}

impl Short<'_> {
    fn way(&self, adjacency: AdjacencyWord) -> Way {
        way_of(adjacency, self.egress, self.ports, &self.tables.held)
    }

    /// Reads the frames of a burst; looks up and rewrites those that are plain and have a next hop,
    /// and says by which port they leave.
    #[inline(always)]
    fn carry(self, scratch: &mut Scratch, last: &mut Last) -> Carried {
        for mbuf in &scratch.burst {
            mbuf.prefetch();
        }
        let stations = Stations::new(self.view, last.to, &self.tables.held);
        let way = self.way(last.next);
        let frames = scratch.burst.as_mut_slice();
        let (first, bytes) = carry_alike(frames, stations, self.tables, way);
        let carried = Carried {
            bytes,
            left: 0,
            ways: u32::from(first > 0),
            way,
        };
        if first == frames.len() {
            return carried;
        }
        self.carry_mixed(scratch, first, carried, stations, last)
    }

    /// The frames of a burst from the first one that is not like the last burst's.
    #[inline(never)]
    fn carry_mixed(
        self,
        scratch: &mut Scratch,
        first: usize,
        mut carried: Carried,
        mut stations: Stations,
        last: &mut Last,
    ) -> Carried {
        let (adjacencies, fib4) = (self.tables.adjacencies.view(), self.tables.fib4.view());
        let mut odd = Odd::NONE;
        let Scratch {
            burst,
            size,
            seen,
            next,
            slot,
            ..
        } = scratch;
        for (slot, size) in slot.iter_mut().zip(&mut *size).take(first) {
            (*slot, *size) = (carried.way.slot, 0);
        }
        let places = slot.iter_mut().zip(size).zip(next);
        let frames = burst.iter_mut().zip(places).enumerate().skip(first);
        for (n, (mbuf, ((slot, size), next))) in frames {
            carried.bytes += u64::from(mbuf.len());
            let frame = mbuf.data_mut();
            let length = frame.len();
            if let Some(head) = frame.first_chunk_mut()
                && let Some(plain) = parse::plain(head, length, stations)
            {
                let number = u64::from(fib4.lookup(plain.to));
                let adjacency = adjacencies.word(number);
                if adjacency.way() != carried.way.way {
                    carried.way = self.way(adjacency);
                    carried.ways += 1;
                    last.next = adjacency;
                } else if carried.ways == 0 {
                    carried.ways = 1;
                }
                *size = u32::from(plain.size);
                if *size <= carried.way.mtu {
                    rewrite::plain(head, adjacency.mac(), carried.way.from);
                    *slot = carried.way.slot;
                    continue;
                }
                *next = number;
            } else {
                *size = NOT_PLAIN;
                *next = read_odd(mbuf.data(), n, self.view, self.tables, seen, &mut odd);
                if let Some(found) = odd.found {
                    stations.add(found);
                    last.to = found;
                }
            }
            *slot = NO_SLOT;
            carried.left += 1;
        }
        if odd.any6 {
            lookup6(scratch, &self.tables.fib6);
        }
        carried
    }
}

/// Carries frames for as long as they are plain and go one way, as nearly all do in most bursts.
/// Nothing is written down for them: returns how many there were, and their bytes.
#[inline(never)]
fn carry_alike(frames: &mut [Mbuf], stations: Stations, tables: &Tables, way: Way) -> (usize, u64) {
    let (adjacencies, fib4) = (tables.adjacencies.view(), tables.fib4.view());
    let longest = way.mtu as usize + ETHERNET;
    let (mut count, mut bytes) = (0, 0);
    for mbuf in frames {
        let frame = mbuf.data_mut();
        let length = frame.len();
        let Some(head) = frame.first_chunk_mut() else {
            break;
        };
        let Some(plain) = parse::plain(head, length, stations) else {
            break;
        };
        let adjacency = adjacencies.word(u64::from(fib4.lookup(plain.to)));
        if adjacency.way() != way.way || length > longest {
            break;
        }
        rewrite::plain(head, adjacency.mac(), way.from);
        count += 1;
        bytes += length as u64;
    }
    (count, bytes)
}

/// Reads the frames of a burst that may not all pass, and looks all of them up.
#[inline(never)]
fn read_all(scratch: &mut Scratch, view: &PortView, tables: &Tables) -> Carried {
    let mut odd = Odd::NONE;
    let mut bytes = 0;
    for (n, mbuf) in scratch.burst.iter().enumerate() {
        bytes += u64::from(mbuf.len());
        let number = read_odd(mbuf.data(), n, view, tables, &mut scratch.seen, &mut odd);
        if let Some(next) = scratch.next.get_mut(n) {
            *next = number;
        }
    }
    scratch.size.fill(NOT_PLAIN);
    scratch.slot.fill(NO_SLOT);
    if odd.any6 {
        lookup6(scratch, &tables.fib6);
    }
    Carried {
        bytes,
        left: scratch.burst.len(),
        ways: 0,
        way: Way::NONE,
    }
}

/// What is known of a burst's frames that are not plain. In memory, to leave the registers to the
/// others.
#[derive(Debug, Clone, Copy)]
struct Odd {
    any6: bool,
    /// The virtual MAC that the last of them to one was sent to, if untagged.
    found: Option<u64>,
}

impl Odd {
    const NONE: Self = Self {
        any6: false,
        found: None,
    };
}

/// Reads a frame that is not plain, the burst's `n`th; returns what the table says of it if it is
/// an IPv4 packet.
#[inline(never)]
fn read_odd(
    frame: &[u8],
    n: usize,
    view: &PortView,
    tables: &Tables,
    places: &mut [Seen; BURST],
    odd: &mut Odd,
) -> u64 {
    let Some(place) = places.get_mut(n) else {
        return 0;
    };
    *place = parse::read(frame, view, &tables.held);
    odd.any6 |= place.fate == Fate::V6;
    if let Some(found) = parse::held_address(frame, place, view) {
        odd.found = Some(found);
    }
    u64::from(tables.fib4.lookup(place.to4))
}

/// How plain packets with this adjacency leave. If they are not the short way's, nothing is short
/// enough for it.
#[inline(never)]
fn way_of(adjacency: AdjacencyWord, egress: &[Egress], ports: usize, held: &Held) -> Way {
    let none = Way {
        way: adjacency.way(),
        ..Way::NONE
    };
    match egress.get(usize::from(adjacency.interface())) {
        Some(egress)
            if adjacency.is_resolved()
                && egress.vlan.is_none()
                && usize::from(egress.slot) < ports =>
        {
            Way {
                slot: egress.slot,
                mtu: u32::from(egress.mtu),
                from: Source::new(held.source(adjacency.interface(), Family::V4)),
                ..none
            }
        }
        _ => none,
    }
}

/// Looks up the IPv6 packets of a burst.
#[inline(never)]
fn lookup6(scratch: &mut Scratch, fib6: &Fib6Reader) {
    let frames = scratch.burst.as_slice();
    let is_6 = |size: u32, seen: &Seen| size == NOT_PLAIN && seen.fate == Fate::V6;
    let mut count = 0;
    for (mbuf, (&size, seen)) in frames.iter().zip(scratch.size.iter().zip(&scratch.seen)) {
        if is_6(size, seen)
            && let Some(place) = scratch.to6.get_mut(count)
        {
            // It was read as sound: there is one.
            *place = parse::destination6(mbuf.data(), seen.l3).unwrap_or_default();
            count += 1;
        }
    }
    let (Some(to), Some(found)) = (scratch.to6.get_mut(..count), scratch.next6.get_mut(..count))
    else {
        return;
    };
    fib6.lookup(to, found);
    let mut found = found.iter();
    let places = scratch.next.iter_mut().zip(&scratch.size);
    for ((next, &size), seen) in places.zip(&scratch.seen).take(frames.len()) {
        if is_6(size, seen) {
            *next = found.next().copied().unwrap_or_default();
        }
    }
}

/// Where a packet goes.
#[derive(Debug, Clone, Copy)]
enum Next {
    Send {
        egress: Egress,
        interface: u16,
        mac: MacBytes,
    },
    Drop(L3Drop),
    Punt(PuntReason),
}

/// Decides about a packet that was looked up.
#[inline]
fn route(
    seen: &Seen,
    number: u64,
    adjacency: Adjacency,
    forwarding: bool,
    pass: Pass,
    egress: &[Egress],
) -> Next {
    if adjacency == Adjacency::Local {
        return Next::Punt(PuntReason::of_frame(seen.local));
    }
    if !forwarding {
        return Next::Drop(L3Drop::ForwardingOff);
    }
    if let (true, Pass::Closed(cause)) = (seen.to_virtual, pass) {
        return Next::Drop(cause);
    }
    if seen.from_link_local {
        return Next::Drop(L3Drop::LinkLocal);
    }
    if adjacency == Adjacency::Discard {
        return Next::Drop(L3Drop::Discard);
    }
    if seen.options {
        return Next::Punt(PuntReason::Options);
    }
    if seen.life <= 1 {
        return Next::Punt(PuntReason::TimeExceeded);
    }
    match adjacency {
        Adjacency::Resolved { interface, mac } => {
            let Some(&egress) = egress.get(usize::from(interface)) else {
                return Next::Drop(L3Drop::NoPort);
            };
            if seen.size > egress.mtu {
                let mtu = egress.mtu;
                return Next::Punt(if seen.whole {
                    PuntReason::TooBig { interface, mtu }
                } else {
                    PuntReason::WouldFragment { interface, mtu }
                });
            }
            Next::Send {
                egress,
                interface,
                mac,
            }
        }
        Adjacency::Connected { interface } | Adjacency::Unresolved { interface } => {
            Next::Punt(PuntReason::Unresolved {
                // At most MAX_NEXT_HOP.
                adjacency: number as u16,
                interface,
            })
        }
        _ => Next::Punt(PuntReason::NoRoute),
    }
}

/// Makes the frame the one to send; false if that cannot be done.
#[inline(always)]
fn rewrite(mbuf: &mut Mbuf, seen: &Seen, family: Family, header: Header) -> bool {
    let l3 = usize::from(seen.l3);
    rewrite::trailer(mbuf, l3, seen.size);
    let Some(packet) = mbuf.data_mut().get_mut(l3..) else {
        return false;
    };
    let counted = match family {
        Family::V4 => decrement_ttl(packet),
        Family::V6 => decrement_hop_limit(packet),
    };
    counted && rewrite::ethernet(mbuf, l3, header)
}

/// Hands a frame to the management core, or frees it if that does not keep up.
#[cold]
#[inline(never)]
fn punt(
    ring: &mut rtrb::Producer<Punt>,
    port: u16,
    seen: &Seen,
    reason: PuntReason,
    mbuf: Mbuf,
    figures: &L3Figures,
) {
    let punt = Punt {
        port,
        interface: seen.interface,
        reason,
        l3_offset: seen.l3,
        mbuf,
    };
    match ring.push(punt) {
        Ok(()) => figures.punt(reason.counter()),
        Err(_) => figures.drop_n(L3Drop::PuntFull, 1),
    }
}

/// Gives a burst of `bytes` to a port, and counts. What the port does not take after a few tries
/// is freed. Returns how many frames were sent; the burst is empty.
#[inline(always)]
fn send(tx: &mut TxQueue, burst: &mut Burst<BURST>, mut bytes: u64, figures: &L3Figures) -> u64 {
    let mut packets = burst.len() as u64;
    tx.burst(burst);
    if !burst.is_empty() {
        let (left, left_bytes) = send_rest(tx, burst);
        figures.drop_n(L3Drop::TxFull, left);
        packets = packets.saturating_sub(left);
        bytes = bytes.saturating_sub(left_bytes);
    }
    figures.tx_packets.add(packets);
    figures.tx_bytes.add(bytes);
    packets
}
