//! The gate: what a worker does with the frames of one link pair.
//!
//! Two words, each with exactly one writer, each in cache lines of its own: the management core
//! writes what it wants, the worker writes what it has adopted. A word is a mode and an epoch, so
//! "the old gate is closed" (rule 8) is a fact that the worker states, not a guess after a wait.

use crossbeam_utils::CachePadded;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a worker does with the frames of a link pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum GateMode {
    /// Receive and drop: queues stay drained and the link stays up (rule 19).
    Block = 0,
    /// Forward every frame, both directions, while the lease holds (rule 11).
    Forward = 1,
    /// The old ACTIVE while the new one opens (rule 8, parallel topology): forward everything,
    /// group-addressed frames too, except Twinline's announcements and frames whose source the
    /// MAC table knows on the egress side (such a frame has been here already: a loop). What is
    /// carried is sent under the port's own address, so that it teaches the switches nothing.
    HandingOver = 2,
    /// The new ACTIVE while the old one is still open (rule 8, parallel topology): forward only
    /// unicast to a destination known on the egress side, from a source not known there.
    TakingOver = 3,
    /// Software wire: pass everything unseen, whatever the lease says.
    Wire = 4,
}

impl std::fmt::Display for GateMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Block => "block",
            Self::Forward => "forward",
            Self::HandingOver => "handing over",
            Self::TakingOver => "taking over",
            Self::Wire => "wire",
        })
    }
}

impl GateMode {
    /// The mode of a word's low byte. A byte that no mode has closes the gate.
    const fn from_bits(bits: u8) -> Self {
        match bits {
            1 => Self::Forward,
            2 => Self::HandingOver,
            3 => Self::TakingOver,
            4 => Self::Wire,
            _ => Self::Block,
        }
    }
}

/// Mode and epoch in one word: epoch in the upper 32 bits, mode in the low byte.
const fn pack(mode: GateMode, epoch: u32) -> u64 {
    ((epoch as u64) << 32) | mode as u64
}

const fn unpack(word: u64) -> (GateMode, u32) {
    (
        GateMode::from_bits((word & 0xff) as u8),
        (word >> 32) as u32,
    )
}

/// The gate of one link pair. Starts as [`GateMode::Block`], epoch 0, adopted.
#[derive(Debug)]
pub struct Gate {
    /// Written by the management core only.
    wanted: CachePadded<AtomicU64>,
    /// Written by the pair's worker only.
    acked: CachePadded<AtomicU64>,
}

impl Gate {
    /// A closed gate.
    #[must_use]
    pub const fn new() -> Self {
        let closed = pack(GateMode::Block, 0);
        Self {
            wanted: CachePadded::new(AtomicU64::new(closed)),
            acked: CachePadded::new(AtomicU64::new(closed)),
        }
    }

    /// Asks the worker for `mode` and returns the epoch that it will acknowledge. To be called by
    /// the management core alone. The worker adopts the word at its next loop iteration.
    pub fn set(&self, mode: GateMode) -> u32 {
        let (_, epoch) = unpack(self.wanted.load(Ordering::Relaxed));
        let epoch = epoch.wrapping_add(1);
        self.wanted.store(pack(mode, epoch), Ordering::Release);
        epoch
    }

    /// What was asked for last.
    #[must_use]
    pub fn wanted(&self) -> (GateMode, u32) {
        unpack(self.wanted.load(Ordering::Acquire))
    }

    /// What the worker has adopted. Once this says `Block`, every frame that the worker passed
    /// under an earlier word has been given to its port (or freed), and none will follow.
    #[must_use]
    pub fn acked(&self) -> (GateMode, u32) {
        unpack(self.acked.load(Ordering::Acquire))
    }

    /// True once the worker has adopted the word of `epoch` or a later one.
    #[must_use]
    pub fn is_adopted(&self, epoch: u32) -> bool {
        let (_, acked) = self.acked();
        // Serial-number arithmetic: right across the wrap of the epoch.
        (acked.wrapping_sub(epoch) as i32) >= 0
    }

    /// Worker side, once per loop iteration: the mode to apply now. `last` is the word that this
    /// worker adopted before (see [`Gate::first_word`]); the acknowledgement is written only when
    /// the word is a new one, so that the worker's line is not dirtied in vain.
    #[inline(always)]
    pub(crate) fn adopt(&self, last: &mut u64) -> GateMode {
        // Acquire: what the management core wrote before `set` (the MAC table, the lease) is seen.
        let word = self.wanted.load(Ordering::Acquire);
        if word != *last {
            *last = word;
            // Release: everything done under the earlier word comes before the acknowledgement.
            self.acked.store(word, Ordering::Release);
        }
        unpack(word).0
    }

    /// The value to start a worker's `last` with: one that no gate can hold, so that the first
    /// iteration acknowledges.
    pub(crate) const fn first_word() -> u64 {
        u64::MAX
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    const MODES: [GateMode; 5] = [
        GateMode::Block,
        GateMode::Forward,
        GateMode::HandingOver,
        GateMode::TakingOver,
        GateMode::Wire,
    ];

    #[test]
    fn every_mode_survives_its_word() {
        for mode in MODES {
            for epoch in [0, 1, u32::MAX] {
                assert_eq!(unpack(pack(mode, epoch)), (mode, epoch));
            }
        }
    }

    #[test]
    fn an_unknown_byte_closes_the_gate() {
        for bits in 5..=u8::MAX {
            assert_eq!(GateMode::from_bits(bits), GateMode::Block);
        }
    }

    #[test]
    fn starts_closed_and_adopted() {
        let gate = Gate::new();
        assert_eq!(gate.acked(), (GateMode::Block, 0));
        assert!(gate.is_adopted(0));
        assert!(!gate.is_adopted(1));
    }

    #[test]
    fn a_word_is_adopted_only_when_the_worker_has_read_it() {
        let gate = Gate::new();
        let mut last = Gate::first_word();
        let epoch = gate.set(GateMode::Forward);
        assert!(!gate.is_adopted(epoch));
        assert_eq!(gate.acked().0, GateMode::Block);
        assert_eq!(gate.adopt(&mut last), GateMode::Forward);
        assert!(gate.is_adopted(epoch));
        assert_eq!(gate.acked(), (GateMode::Forward, epoch));
        // A repeated set of the same mode is a new epoch.
        let again = gate.set(GateMode::Forward);
        assert!(!gate.is_adopted(again));
        assert_eq!(gate.adopt(&mut last), GateMode::Forward);
        assert!(gate.is_adopted(again));
    }

    #[test]
    fn adoption_holds_across_the_wrap_of_the_epoch() {
        let gate = Gate::new();
        gate.wanted
            .store(pack(GateMode::Block, u32::MAX - 1), Ordering::Relaxed);
        let mut last = Gate::first_word();
        let before = gate.set(GateMode::Forward);
        gate.adopt(&mut last);
        let after = gate.set(GateMode::Block);
        assert_eq!((before, after), (u32::MAX, 0));
        assert!(gate.is_adopted(before));
        assert!(!gate.is_adopted(after));
        gate.adopt(&mut last);
        assert!(gate.is_adopted(after));
        assert!(gate.is_adopted(before));
    }

    /// Rule 8: once `Block` is acknowledged, nothing passes any more. The "worker" here counts
    /// what it passes while open; after the acknowledgement the count must stand still.
    #[test]
    fn rule_08_nothing_passes_after_the_acknowledged_block() {
        let gate = Arc::new(Gate::new());
        let passed = Arc::new(AtomicU64::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let worker = {
            let (gate, passed, stop) = (gate.clone(), passed.clone(), stop.clone());
            std::thread::spawn(move || {
                let mut last = Gate::first_word();
                while !stop.load(Ordering::Relaxed) {
                    if gate.adopt(&mut last) == GateMode::Forward {
                        let n = passed.load(Ordering::Relaxed);
                        passed.store(n + 1, Ordering::Relaxed);
                    }
                    std::hint::spin_loop();
                }
            })
        };
        let wait = |epoch| {
            while !gate.is_adopted(epoch) {
                std::thread::yield_now();
            }
        };
        for _ in 0..300 {
            wait(gate.set(GateMode::Forward));
            let open = passed.load(Ordering::Relaxed);
            while passed.load(Ordering::Relaxed) == open {
                std::thread::yield_now();
            }
            wait(gate.set(GateMode::Block));
            let closed = passed.load(Ordering::Relaxed);
            for _ in 0..200 {
                std::hint::spin_loop();
                assert_eq!(passed.load(Ordering::Relaxed), closed);
            }
        }
        stop.store(true, Ordering::Relaxed);
        worker.join().unwrap();
    }
}
