//! Counters: what a worker did, per pair and side, for the management core to read.
//!
//! One writer each (the worker), lines of their own, plain loads and stores without a lock
//! prefix: a read sees each figure whole, though not all of them at one instant.

use crate::l3::{L3Figures, L3PortSnapshot};
use std::sync::atomic::{AtomicU64, Ordering};
use twinline_wire::Side;

/// A figure that only one thread writes.
#[derive(Debug, Default)]
pub(crate) struct Figure(AtomicU64);

impl Figure {
    /// Adds `n`. Only the owning worker may call this: a second writer would lose counts.
    #[inline(always)]
    pub(crate) fn add(&self, n: u64) {
        // Load and store, not fetch_add: one writer, so no lock prefix is needed.
        self.0.store(
            self.0.load(Ordering::Relaxed).wrapping_add(n),
            Ordering::Relaxed,
        );
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Figures of one side of a pair. 128-byte aligned: two lines, for the adjacent-line prefetcher.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct SideFigures {
    pub rx_packets: Figure,
    pub rx_bytes: Figure,
    pub tx_packets: Figure,
    pub tx_bytes: Figure,
    pub dropped_gate: Figure,
    pub dropped_lease: Figure,
    pub dropped_overlap: Figure,
    pub dropped_announce: Figure,
    pub dropped_tx_full: Figure,
    pub in_band: Figure,
    pub in_band_bytes: Figure,
    pub in_band_full: Figure,
}

/// Figures of one pair.
#[derive(Debug)]
pub(crate) struct PairFigures {
    index: u16,
    sides: [SideFigures; 2],
}

impl PairFigures {
    #[inline(always)]
    pub(crate) fn side(&self, side: Side) -> &SideFigures {
        match side {
            Side::Lan => &self.sides[0],
            Side::Wan => &self.sides[1],
        }
    }
}

/// Figures of the worker itself.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct WorkerFigures {
    pub iterations: Figure,
    pub busy_iterations: Figure,
    pub busy_cycles: Figure,
    pub injected: Figure,
    pub inject_refused: Figure,
    pub learn_dropped: Figure,
}

/// The counters of one worker: shared with the management core, which takes snapshots.
#[derive(Debug)]
pub struct Counters {
    pub(crate) worker: WorkerFigures,
    pub(crate) pairs: Box<[PairFigures]>,
    pub(crate) l3: Box<[L3Figures]>,
}

impl Counters {
    pub(crate) fn new(
        pairs: impl Iterator<Item = u16>,
        l3_ports: impl Iterator<Item = u16>,
    ) -> Self {
        let pairs = pairs.map(|index| PairFigures {
            index,
            sides: Default::default(),
        });
        Self {
            worker: WorkerFigures::default(),
            pairs: pairs.collect(),
            l3: l3_ports.map(L3Figures::new).collect(),
        }
    }

    /// The worker's loop iterations so far: the progress that the watchdog looks at (rule 15).
    /// Cheaper than a whole snapshot.
    #[must_use]
    pub fn iterations(&self) -> u64 {
        self.worker.iterations.get()
    }

    /// All figures as plain numbers.
    #[must_use]
    pub fn snapshot(&self) -> WorkerSnapshot {
        WorkerSnapshot {
            iterations: self.worker.iterations.get(),
            busy_iterations: self.worker.busy_iterations.get(),
            busy_cycles: self.worker.busy_cycles.get(),
            injected: self.worker.injected.get(),
            inject_refused: self.worker.inject_refused.get(),
            learn_dropped: self.worker.learn_dropped.get(),
            pairs: self
                .pairs
                .iter()
                .map(|pair| PairSnapshot {
                    index: pair.index,
                    lan: pair.side(Side::Lan).snapshot(),
                    wan: pair.side(Side::Wan).snapshot(),
                })
                .collect(),
            l3: self.l3.iter().map(L3Figures::snapshot).collect(),
        }
    }
}

impl SideFigures {
    fn snapshot(&self) -> SideSnapshot {
        SideSnapshot {
            rx_packets: self.rx_packets.get(),
            rx_bytes: self.rx_bytes.get(),
            tx_packets: self.tx_packets.get(),
            tx_bytes: self.tx_bytes.get(),
            dropped_gate: self.dropped_gate.get(),
            dropped_lease: self.dropped_lease.get(),
            dropped_overlap: self.dropped_overlap.get(),
            dropped_announce: self.dropped_announce.get(),
            dropped_tx_full: self.dropped_tx_full.get(),
            in_band: self.in_band.get(),
            in_band_bytes: self.in_band_bytes.get(),
            in_band_full: self.in_band_full.get(),
        }
    }
}

/// Counters of one side of a link pair since the worker was made. Bytes are those of the frames
/// without FCS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SideSnapshot {
    /// Frames received on this side's port.
    pub rx_packets: u64,
    /// Their bytes.
    pub rx_bytes: u64,
    /// Frames sent from this side's port (forwarded from the other side, or injected).
    pub tx_packets: u64,
    /// Their bytes.
    pub tx_bytes: u64,
    /// Received here, dropped because the gate was closed.
    pub dropped_gate: u64,
    /// Received here, dropped because the lease did not hold (rule 11).
    pub dropped_lease: u64,
    /// Received here, dropped by the rules of an overlap of two open gates (rule 8).
    pub dropped_overlap: u64,
    /// Received here, dropped because it was an announcement of an instance (rule 8).
    pub dropped_announce: u64,
    /// To be sent from this side's port, dropped because its transmit queue was full.
    pub dropped_tx_full: u64,
    /// Received here, and no traffic: in-band heartbeats, for the management core (rule 12).
    pub in_band: u64,
    /// Their bytes.
    pub in_band_bytes: u64,
    /// Of these, freed because the management core had not read the ones before.
    pub in_band_full: u64,
}

impl SideSnapshot {
    /// Bytes received here that were traffic.
    #[must_use]
    pub const fn traffic_bytes(&self) -> u64 {
        self.rx_bytes.saturating_sub(self.in_band_bytes)
    }

    /// What was counted since `from`, an earlier snapshot.
    #[must_use]
    pub const fn since(&self, from: &Self) -> Self {
        Self {
            rx_packets: self.rx_packets.saturating_sub(from.rx_packets),
            rx_bytes: self.rx_bytes.saturating_sub(from.rx_bytes),
            tx_packets: self.tx_packets.saturating_sub(from.tx_packets),
            tx_bytes: self.tx_bytes.saturating_sub(from.tx_bytes),
            dropped_gate: self.dropped_gate.saturating_sub(from.dropped_gate),
            dropped_lease: self.dropped_lease.saturating_sub(from.dropped_lease),
            dropped_overlap: self.dropped_overlap.saturating_sub(from.dropped_overlap),
            dropped_announce: self.dropped_announce.saturating_sub(from.dropped_announce),
            dropped_tx_full: self.dropped_tx_full.saturating_sub(from.dropped_tx_full),
            in_band: self.in_band.saturating_sub(from.in_band),
            in_band_bytes: self.in_band_bytes.saturating_sub(from.in_band_bytes),
            in_band_full: self.in_band_full.saturating_sub(from.in_band_full),
        }
    }

    /// Frames received here and not forwarded, of whatever cause.
    #[must_use]
    pub const fn dropped_on_receipt(&self) -> u64 {
        self.dropped_gate + self.dropped_lease + self.dropped_overlap + self.dropped_announce
    }
}

/// Counters of one link pair.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PairSnapshot {
    /// The pair's index, as in [`PairQueues`](crate::PairQueues).
    pub index: u16,
    /// Its LAN side.
    pub lan: SideSnapshot,
    /// Its WAN side.
    pub wan: SideSnapshot,
}

impl PairSnapshot {
    /// One side's counters.
    #[must_use]
    pub const fn side(&self, side: Side) -> &SideSnapshot {
        match side {
            Side::Lan => &self.lan,
            Side::Wan => &self.wan,
        }
    }
}

/// Counters of one worker and its pairs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkerSnapshot {
    /// Loop iterations: it makes progress while this grows.
    pub iterations: u64,
    /// Iterations that received or injected at least one frame.
    pub busy_iterations: u64,
    /// Ticks of the time stamp counter spent in these: an estimate from a sample of them.
    pub busy_cycles: u64,
    /// Frames of the management core that were handed to a port.
    pub injected: u64,
    /// Frames of the management core that no port took, because it was full or because this
    /// worker does not carry the pair: freed. With `injected` every frame is accounted for.
    pub inject_refused: u64,
    /// Learned addresses that were not reported because the ring was full (they come again).
    pub learn_dropped: u64,
    /// Its link pairs, in the order of the worker's configuration.
    pub pairs: Vec<PairSnapshot>,
    /// Its L3 ports, in the order of the worker's configuration.
    pub l3: Vec<L3PortSnapshot>,
}

impl WorkerSnapshot {
    /// Frames received, on all pairs and L3 ports.
    #[must_use]
    pub fn rx_packets(&self) -> u64 {
        let pairs = self.pairs.iter();
        let pairs = pairs.map(|p| p.lan.rx_packets.wrapping_add(p.wan.rx_packets));
        let l3 = self.l3.iter().map(|port| port.rx_packets);
        pairs.chain(l3).fold(0, u64::wrapping_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_two_sides_share_no_pair_of_lines() {
        assert_eq!(align_of::<SideFigures>(), 128);
        assert_eq!(size_of::<SideFigures>() % 128, 0);
        assert_eq!(align_of::<WorkerFigures>(), 128);
        assert_eq!(size_of::<WorkerFigures>() % 128, 0);
    }

    #[test]
    fn a_snapshot_says_what_was_added_and_where() {
        let counters = Counters::new([3, 9].into_iter(), [].into_iter());
        counters.worker.iterations.add(7);
        counters.worker.learn_dropped.add(1);
        counters.pairs[1].side(Side::Wan).rx_bytes.add(60);
        counters.pairs[1].side(Side::Wan).rx_bytes.add(4);
        counters.pairs[0].side(Side::Lan).dropped_lease.add(2);
        let snapshot = counters.snapshot();
        assert_eq!((snapshot.iterations, snapshot.learn_dropped), (7, 1));
        assert_eq!(snapshot.pairs[0].index, 3);
        assert_eq!(snapshot.pairs[0].lan.dropped_on_receipt(), 2);
        assert_eq!(snapshot.pairs[0].wan, SideSnapshot::default());
        counters.pairs[0].side(Side::Wan).rx_packets.add(3);
        counters.pairs[1].side(Side::Lan).rx_packets.add(4);
        assert_eq!(counters.snapshot().rx_packets(), 7);
        assert_eq!(snapshot.pairs[1].side(Side::Wan).rx_bytes, 64);
        assert_eq!(snapshot.pairs[1].lan, SideSnapshot::default());
        assert_eq!(counters.iterations(), 7);
        let lan = snapshot.pairs[0].lan;
        assert_eq!(lan.since(&lan), SideSnapshot::default());
        assert_eq!(lan.since(&SideSnapshot::default()), lan);
    }

    #[test]
    fn a_figure_wraps_and_does_not_panic() {
        let figure = Figure::default();
        figure.add(u64::MAX);
        figure.add(2);
        assert_eq!(figure.get(), 1);
    }

    #[test]
    fn a_reader_sees_each_figure_grow_and_end_at_its_sum() {
        let counters = Counters::new([0].into_iter(), [].into_iter());
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for _ in 0..200_000 {
                    counters.worker.iterations.add(1);
                    counters.pairs[0].side(Side::Lan).rx_bytes.add(64);
                }
            });
            let mut last = counters.snapshot();
            while !writer.is_finished() {
                let now = counters.snapshot();
                assert!(now.iterations >= last.iterations);
                assert!(now.pairs[0].lan.rx_bytes >= last.pairs[0].lan.rx_bytes);
                assert_eq!(now.pairs[0].lan.rx_bytes % 64, 0);
                last = now;
            }
        });
        let end = counters.snapshot();
        assert_eq!(
            (end.iterations, end.pairs[0].lan.rx_bytes),
            (200_000, 200_000 * 64)
        );
    }
}
