//! The worker: the loop that carries frames.
//!
//! Run to completion: a worker owns the queues of both ports of its link pairs, and what it takes
//! from one side it gives to the other (or frees) before it looks at anything else. On this path
//! there is no allocation, no lock, no system call (an adaptive worker that is idle may sleep), no
//! log, and no cache line that two cores write, other than the rings' own.
//!
//! One iteration, for each pair: adopt the gate's word; for each direction: receive, count, read
//! the lease and the clock, decide, learn, send. The clock is read *after* receiving and *before*
//! sending, so a process that slept before it received finds its lease expired (rule 11).

use crate::counters::{Counters, PairFigures, SideFigures};
use crate::divert::{Diverted, Targets, divert};
use crate::gate::{Gate, GateMode};
use crate::idle::Polling;
use crate::l3::{L3, L3Config, L3Links, L3Port};
use crate::learn::{
    Filter, LEARN_ALL_UP_TO, Learned, Rotor, destination_of, key_of, mac_of, source_of,
};
use crate::lease::Lease;
use crate::mac_table::{MacBytes, MacTable, is_group};
use crate::transmit::send_rest;
use crate::turns::Turns;
use crate::{BURST, Side};
use dpdk::clock::{self, TscClock};
use dpdk::{Burst, Mbuf, RxQueue, TxQueue};
use std::sync::Arc;
use twinline_wire::announce::is_announcement;

/// A link pair's part in a worker: its queues, its gate, its stations.
pub struct PairQueues {
    /// The pair's index: names it in [`Learned`], [`Inject`] and the counters.
    pub index: u16,
    /// Queues of the LAN side's port.
    pub lan: (RxQueue, TxQueue),
    /// Queues of the WAN side's port.
    pub wan: (RxQueue, TxQueue),
    /// The LAN port's own address: the source of frames sent while the gate is HandingOver.
    pub lan_mac: MacBytes,
    /// The WAN port's own address.
    pub wan_mac: MacBytes,
    /// What to do with its frames.
    pub gate: Arc<Gate>,
    /// Where its stations live: read in the modes of an overlap only.
    pub mac_table: Arc<MacTable>,
}

/// A frame of the management core, to be sent whatever the gate and the lease say.
pub struct Inject {
    /// The link pair's index.
    pub pair: u16,
    /// The side whose port sends it.
    pub side: Side,
    /// The frame.
    pub mbuf: Mbuf,
}

/// What a worker is made of.
pub struct WorkerConfig {
    /// The core to be pinned to; `None` leaves it to the kernel.
    pub core: Option<usize>,
    /// What to do when idle.
    pub polling: Polling,
    /// The pairs that it carries.
    pub pairs: Vec<PairQueues>,
    /// The engine's forwarding lease.
    pub lease: Arc<Lease>,
    /// The machine's clock.
    pub clock: TscClock,
    /// Room for learned addresses that the management core has not read yet.
    pub learn_capacity: usize,
    /// Room for frames to inject that the worker has not sent yet.
    pub inject_capacity: usize,
    /// In-band heartbeats are taken off the wire (rule 12).
    pub in_band: bool,
    /// Room for in-band heartbeats that the management core has not read yet.
    pub divert_capacity: usize,
    /// The L3 ports that it carries; `None`: none.
    pub l3: Option<L3Config>,
}

impl WorkerConfig {
    /// A busy, unpinned worker with rings of 1024 addresses and 256 frames.
    #[must_use]
    pub fn new(pairs: Vec<PairQueues>, lease: Arc<Lease>, clock: TscClock) -> Self {
        Self {
            core: None,
            polling: Polling::Busy,
            pairs,
            lease,
            clock,
            learn_capacity: 1024,
            inject_capacity: 256,
            in_band: false,
            divert_capacity: 64,
            l3: None,
        }
    }
}

/// The management core's ends of what it shares with a worker.
pub struct WorkerLinks {
    /// What the worker counts.
    pub counters: Arc<Counters>,
    /// Addresses that the worker saw.
    pub learned: rtrb::Consumer<Learned>,
    /// Frames for the worker to send.
    pub inject: rtrb::Producer<Inject>,
    /// In-band heartbeats that the worker took off the wire.
    pub diverted: rtrb::Consumer<Diverted>,
    /// The ends of its L3 part, if it has one.
    pub l3: Option<L3Links>,
}

/// One direction of a pair: receives on one side, sends on the other.
struct Way {
    rx: RxQueue,
    tx: TxQueue,
    /// The address of the port that sends.
    tx_mac: MacBytes,
}

struct Pair {
    index: u16,
    to_wan: Way,
    to_lan: Way,
    gate: Arc<Gate>,
    /// The gate's word that this worker adopted last.
    word: u64,
    mac_table: Arc<MacTable>,
    filter: Filter,
    rotor: Rotor,
}

/// What all pairs of a worker use.
struct Common {
    lease: Arc<Lease>,
    learned: rtrb::Producer<Learned>,
    /// `None`: heartbeats are not sent in-band, and no frame is looked at for them.
    diverted: Option<rtrb::Producer<Diverted>>,
    burst: Burst<BURST>,
}

/// A worker: [`Worker::poll_once`] is one iteration of its loop, [`Worker::spawn`] runs the loop
/// on a thread of its own.
pub struct Worker {
    pub(crate) core: Option<usize>,
    pub(crate) polling: Polling,
    pairs: Box<[Pair]>,
    pub(crate) counters: Arc<Counters>,
    inject: rtrb::Consumer<Inject>,
    common: Common,
    l3: Option<Box<L3>>,
    turns: Turns,
}

impl Worker {
    /// A worker and the management core's ends of it. Allocates everything that it will ever use.
    #[must_use]
    pub fn new(config: WorkerConfig) -> (Self, WorkerLinks) {
        let (l3, l3_links) = config.l3.map(L3::new).unzip();
        let counters = Arc::new(Counters::new(
            config.pairs.iter().map(|pair| pair.index),
            l3.iter().flat_map(L3::port_indices),
        ));
        let pairs = config.pairs.into_iter().map(|pair| Pair {
            index: pair.index,
            to_wan: Way {
                rx: pair.lan.0,
                tx: pair.wan.1,
                tx_mac: pair.wan_mac,
            },
            to_lan: Way {
                rx: pair.wan.0,
                tx: pair.lan.1,
                tx_mac: pair.lan_mac,
            },
            gate: pair.gate,
            word: Gate::first_word(),
            mac_table: pair.mac_table,
            filter: Filter::new(config.clock.hz()),
            rotor: Rotor::default(),
        });
        let (learned, learned_end) = rtrb::RingBuffer::new(config.learn_capacity);
        let (inject_end, inject) = rtrb::RingBuffer::new(config.inject_capacity);
        let (diverted, diverted_end) = rtrb::RingBuffer::new(config.divert_capacity);
        let worker = Self {
            core: config.core,
            polling: config.polling,
            pairs: pairs.collect(),
            counters: counters.clone(),
            inject,
            common: Common {
                lease: config.lease,
                learned,
                diverted: config.in_band.then_some(diverted),
                burst: Burst::new(),
            },
            l3: l3.map(Box::new),
            turns: Turns::new(config.clock),
        };
        (
            worker,
            WorkerLinks {
                counters,
                learned: learned_end,
                inject: inject_end,
                diverted: diverted_end,
                l3: l3_links,
            },
        )
    }

    /// One iteration of the loop: sends what is to be injected, then carries at most one burst
    /// each way for each pair, and one from each L3 port. True if there was any frame.
    #[inline(always)]
    pub fn poll_once(&mut self) -> bool {
        let mut busy = false;
        self.turns.begin();
        if !self.inject.is_empty() {
            busy = self.send_injected();
        }
        let counters = &*self.counters;
        for (pair, figures) in self.pairs.iter_mut().zip(&*counters.pairs) {
            busy |= pair.carry(figures, &mut self.common, counters);
        }
        if let Some(l3) = &mut self.l3 {
            busy |= l3.poll(&self.common.lease, counters);
        }
        counters.worker.iterations.add(1);
        counters.worker.busy_iterations.add(u64::from(busy));
        let ticks = self.turns.end(busy);
        if ticks > 0 {
            counters.worker.busy_cycles.add(ticks);
        }
        busy
    }

    /// Sends up to a burst of injected frames, in their order. True if there was any.
    #[cold]
    #[inline(never)]
    fn send_injected(&mut self) -> bool {
        let mut any = false;
        for _ in 0..BURST {
            let Ok(Inject { pair, side, mbuf }) = self.inject.pop() else {
                break;
            };
            any = true;
            let mut pairs = self.pairs.iter_mut().zip(&*self.counters.pairs);
            let Some((pair, figures)) = pairs.find(|(found, _)| found.index == pair) else {
                self.counters.worker.inject_refused.add(1);
                continue;
            };
            let way = match side {
                Side::Lan => &mut pair.to_lan,
                Side::Wan => &mut pair.to_wan,
            };
            let burst = &mut self.common.burst;
            let bytes = u64::from(mbuf.len());
            // The burst is empty between two directions: there is room.
            let sent = match burst.push(mbuf) {
                Ok(()) => send(&mut way.tx, burst, 1, bytes, figures.side(side)),
                Err(_) => 0,
            };
            // One of the two for each frame: the management core waits for the sum.
            self.counters.worker.injected.add(sent);
            self.counters.worker.inject_refused.add(1 - sent.min(1));
        }
        any
    }

    /// Sends everything that was injected before now, then gives the queues back. Those of L3
    /// ports are dropped, which their ports take as given back.
    #[must_use]
    pub fn into_pairs(self) -> Vec<PairQueues> {
        self.into_parts().0
    }

    /// The same, with the queues of L3 ports.
    #[must_use]
    pub fn into_parts(mut self) -> (Vec<PairQueues>, Vec<L3Port>) {
        let counters = self.counters.clone();
        let l3 = self.l3.take();
        let l3 = l3.map_or_else(Vec::new, |l3| l3.into_ports(&self.common.lease, &counters));
        for _ in 0..=self.inject.buffer().capacity() / BURST {
            self.send_injected();
        }
        let back = |pair: Pair| PairQueues {
            index: pair.index,
            lan: (pair.to_wan.rx, pair.to_lan.tx),
            wan: (pair.to_lan.rx, pair.to_wan.tx),
            lan_mac: pair.to_lan.tx_mac,
            wan_mac: pair.to_wan.tx_mac,
            gate: pair.gate,
            mac_table: pair.mac_table,
        };
        (self.pairs.into_iter().map(back).collect(), l3)
    }
}

impl Pair {
    /// Both directions, one burst each. True if there was any frame.
    #[inline(always)]
    fn carry(&mut self, figures: &PairFigures, common: &mut Common, counters: &Counters) -> bool {
        let mode = self.gate.adopt(&mut self.word);
        let to_wan = self.carry_way(Side::Lan, mode, figures, common, counters);
        let to_lan = self.carry_way(Side::Wan, mode, figures, common, counters);
        to_wan | to_lan
    }

    #[inline(always)]
    fn carry_way(
        &mut self,
        from: Side,
        mode: GateMode,
        figures: &PairFigures,
        common: &mut Common,
        counters: &Counters,
    ) -> bool {
        let (way, back) = match from {
            Side::Lan => (&mut self.to_wan, &self.to_lan),
            Side::Wan => (&mut self.to_lan, &self.to_wan),
        };
        let burst = &mut common.burst;
        if way.rx.burst(burst) == 0 {
            return false;
        }
        let (ingress, egress) = (figures.side(from), figures.side(from.other()));
        let mut packets = burst.len() as u64;
        let mut bytes = burst.bytes();
        ingress.rx_packets.add(packets);
        ingress.rx_bytes.add(bytes);

        if let Some(ring) = &mut common.diverted {
            // What comes in here is addressed to the port that sends the other way.
            let targets = Targets::of(back.tx_mac);
            if targets.any(burst) {
                let (taken, dropped) = divert(burst, targets, ring, self.index, from);
                ingress.in_band.add(taken);
                ingress.in_band_full.add(dropped);
                packets = burst.len() as u64;
                ingress.in_band_bytes.add(bytes - burst.bytes());
                bytes = burst.bytes();
                if burst.is_empty() {
                    return true;
                }
            }
        }

        if mode != GateMode::Wire {
            if mode == GateMode::Block {
                ingress.dropped_gate.add(packets);
                burst.clear();
                return true;
            }
            // The lease before the clock: whatever delays us between the two lets it expire.
            // (Reading the clock costs about 9 ns, a fifth of our own share of a burst's time.
            // One reading for both directions was tried: no gain over net_null.)
            let until = common.lease.until();
            let now = clock::tsc_now();
            if now >= until {
                ingress.dropped_lease.add(packets);
                burst.clear();
                return true;
            }
            if mode != GateMode::Forward {
                filter_overlap(mode, from, &self.mac_table, burst, ingress);
                if burst.is_empty() {
                    return true;
                }
                packets = burst.len() as u64;
                bytes = burst.bytes();
            }
            let mut learner = Learner {
                pair: self.index,
                from,
                now,
                filter: &mut self.filter,
                learned: &mut common.learned,
                counters,
            };
            learner.read(burst, &mut self.rotor);
            if mode == GateMode::HandingOver {
                write_source(burst, way.tx_mac);
            }
        }
        send(&mut way.tx, burst, packets, bytes, egress);
        true
    }
}

/// The rules of an overlap of two open gates (rule 8): frees what may not pass. Reads every frame.
#[cold]
#[inline(never)]
fn filter_overlap(
    mode: GateMode,
    from: Side,
    stations: &MacTable,
    burst: &mut Burst<BURST>,
    ingress: &SideFigures,
) {
    let egress = from.other();
    let lives_across =
        |mac: Option<_>| mac.is_some_and(|mac| stations.side_of(mac) == Some(egress));
    let (mut overlap, mut announcements) = (0, 0);
    burst.retain(|mbuf| {
        let frame = mbuf.data();
        if mode == GateMode::HandingOver && is_announcement(frame) {
            announcements += 1;
            return false;
        }
        // A source that lives across has sent this frame there: it has been round already.
        let passes = !lives_across(source_of(frame))
            && (mode == GateMode::HandingOver
                || destination_of(frame)
                    .is_some_and(|mac| !is_group(mac) && lives_across(Some(mac))));
        overlap += u64::from(!passes);
        passes
    });
    ingress.dropped_overlap.add(overlap);
    ingress.dropped_announce.add(announcements);
}

/// Sends under the port's own address (rule 8): the switches have been told that these stations
/// are to be found behind the new ACTIVE, and the last frames that the old one carries must not
/// teach them the old way again. Hosts do not look at the source address of what they receive.
#[cold]
#[inline(never)]
fn write_source(burst: &mut Burst<BURST>, mac: MacBytes) {
    for mbuf in burst.iter_mut() {
        if let Some(source) = mbuf.data_mut().get_mut(6..12) {
            source.copy_from_slice(&mac);
        }
    }
}

/// Gives a burst of `packets` frames and `bytes` bytes to a port, and counts. What the port does
/// not take after a few tries is freed. Returns how many frames were sent; the burst is empty.
#[inline(always)]
fn send(
    tx: &mut TxQueue,
    burst: &mut Burst<BURST>,
    packets: u64,
    bytes: u64,
    egress: &SideFigures,
) -> u64 {
    tx.burst(burst);
    let (mut packets, mut bytes) = (packets, bytes);
    if !burst.is_empty() {
        let (left, left_bytes) = send_rest(tx, burst);
        egress.dropped_tx_full.add(left);
        packets = packets.saturating_sub(left);
        bytes = bytes.saturating_sub(left_bytes);
    }
    egress.tx_packets.add(packets);
    egress.tx_bytes.add(bytes);
    packets
}

/// Tells the management core which stations send.
struct Learner<'a> {
    pair: u16,
    from: Side,
    now: u64,
    filter: &'a mut Filter,
    learned: &'a mut rtrb::Producer<Learned>,
    counters: &'a Counters,
}

impl Learner<'_> {
    /// Reads all frames of a small burst, one of a big one.
    #[inline(always)]
    fn read(&mut self, burst: &Burst<BURST>, rotor: &mut Rotor) {
        let packets = burst.len();
        if packets > LEARN_ALL_UP_TO {
            if let Some(mbuf) = burst.as_slice().get(rotor.next(packets)) {
                self.read_one(mbuf);
            }
        } else {
            for mbuf in burst.iter() {
                self.read_one(mbuf);
            }
        }
    }

    #[inline(always)]
    fn read_one(&mut self, mbuf: &Mbuf) {
        let Some(key) = key_of(mbuf.data(), self.from) else {
            return;
        };
        if self.filter.is_due(key, self.now) {
            self.report(key);
        }
    }

    #[cold]
    #[inline(never)]
    fn report(&mut self, key: u64) {
        let learned = Learned {
            pair: self.pair,
            side: self.from,
            mac: mac_of(key),
        };
        match self.learned.push(learned) {
            Ok(()) => self.filter.reported(key, self.now),
            // It is not noted as reported, so it comes again with the station's next frame.
            Err(rtrb::PushError::Full(_)) => self.counters.worker.learn_dropped.add(1),
        }
    }
}
