//! What the lcores do with their time, over about the last second.

use std::time::Duration;

use dpdk::clock::{TscClock, tsc_now};
use twinline_control::LcoreStatus;
use twinline_dataplane::WorkerSnapshot;

/// Between two samples that are kept.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// What one lcore had done at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Turns of its loop.
    pub iterations: u64,
    /// Those that found frames.
    pub busy_iterations: u64,
    /// Ticks spent in these.
    pub busy_cycles: u64,
    /// Frames received.
    pub packets: u64,
}

impl From<&WorkerSnapshot> for Work {
    fn from(of: &WorkerSnapshot) -> Self {
        Self {
            iterations: of.iterations,
            busy_iterations: of.busy_iterations,
            busy_cycles: of.busy_cycles,
            packets: of.rx_packets(),
        }
    }
}

/// All lcores at a moment, the management core first.
#[derive(Clone, Debug, Default)]
struct Sample {
    ticks: u64,
    work: Vec<Work>,
}

/// Samples of all lcores, a second apart.
#[derive(Debug)]
pub struct Lcores {
    every: u64,
    /// The management core's own.
    own: Work,
    last: Sample,
    before: Sample,
}

/// Share of the time that was busy, and ticks for a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// 0 to 1.
    pub busy: f64,
    /// `None` without packets.
    pub cycles_per_packet: Option<f64>,
}

impl Lcores {
    /// Nothing was measured yet.
    #[must_use]
    pub fn new(clock: TscClock) -> Self {
        let sample = Sample {
            ticks: tsc_now(),
            work: Vec::new(),
        };
        Self {
            every: clock.ticks_from(SAMPLE_EVERY),
            own: Work::default(),
            last: sample.clone(),
            before: sample,
        }
    }

    /// A turn of the management core ends: when it began, and how many heartbeats it took.
    pub fn own_turn(&mut self, begun: u64, packets: usize) {
        self.own.iterations += 1;
        self.own.busy_iterations += u64::from(packets > 0);
        self.own.packets += packets as u64;
        self.own.busy_cycles += tsc_now().saturating_sub(begun);
    }

    /// Keeps a sample when it is time for one.
    pub fn sample(&mut self, workers: impl Iterator<Item = Work>) {
        let now = tsc_now();
        if now.saturating_sub(self.last.ticks) < self.every {
            return;
        }
        let work = std::iter::once(self.own).chain(workers).collect();
        let new = Sample { ticks: now, work };
        self.before = std::mem::replace(&mut self.last, new);
    }

    /// The management core's work so far.
    #[must_use]
    pub fn own(&self) -> Work {
        self.own
    }

    /// The rates of an lcore that has done so much by now; 0 is the management core.
    #[must_use]
    pub fn rates(&self, lcore: usize, now: Work) -> Rates {
        let from = self.before.work.get(lcore).copied().unwrap_or_default();
        rates(from, now, tsc_now().saturating_sub(self.before.ticks))
    }
}

fn rates(from: Work, now: Work, ticks: u64) -> Rates {
    let busy = now.busy_cycles.saturating_sub(from.busy_cycles) as f64;
    let packets = now.packets.saturating_sub(from.packets);
    Rates {
        busy: (busy / ticks.max(1) as f64).min(1.0),
        cycles_per_packet: (packets > 0).then(|| busy / packets as f64),
    }
}

/// An lcore's line.
#[must_use]
pub fn line(lcore: u32, cpu: usize, role: &str, work: Work, rates: Rates) -> LcoreStatus {
    LcoreStatus {
        lcore,
        cpu: u32::try_from(cpu).ok(),
        role: role.into(),
        serves: Vec::new(),
        iterations: work.iterations,
        busy_iterations: work.busy_iterations,
        packets: work.packets,
        busy_ratio: rates.busy,
        cycles_per_packet: rates.cycles_per_packet,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_of_the_time_between() {
        let from = Work {
            iterations: 5,
            busy_iterations: 1,
            busy_cycles: 1000,
            packets: 10,
        };
        let now = Work {
            busy_cycles: 1500,
            packets: 12,
            ..from
        };
        let seen = rates(from, now, 1000);
        assert_eq!((seen.busy, seen.cycles_per_packet), (0.5, Some(250.0)));
        let idle = rates(now, now, 1000);
        assert_eq!((idle.busy, idle.cycles_per_packet), (0.0, None));
        assert_eq!(rates(from, now, 0).busy, 1.0, "an estimate has its limit");
    }

    #[test]
    fn samples_are_a_second_apart() {
        let mut lcores = Lcores::new(TscClock::with_hz(u64::MAX / 4));
        lcores.own_turn(tsc_now(), 3);
        lcores.sample(std::iter::once(Work::default()));
        assert!(lcores.last.work.is_empty(), "not yet");
        lcores.every = 0;
        lcores.sample(std::iter::once(Work::default()));
        assert_eq!(lcores.last.work.len(), 2);
        assert_eq!(lcores.last.work[0].packets, 3);
    }
}
