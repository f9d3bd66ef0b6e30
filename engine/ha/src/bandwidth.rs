//! Measured bandwidth (rule 20): both directions and their sum, over a sliding interval.

use std::collections::VecDeque;
use std::time::Duration;

use twinline_time::Time;

/// Into how many samples the interval is cut.
const SAMPLES: u32 = 10;

/// A sliding measurement over byte counters.
#[derive(Clone, Debug)]
pub struct Meter {
    interval: Duration,
    samples: VecDeque<(Time, [u64; 2])>,
}

/// Bits per second by direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// From LAN to WAN.
    pub lan_to_wan_bps: u64,
    /// From WAN to LAN.
    pub wan_to_lan_bps: u64,
}

impl Rates {
    /// Both directions in sum.
    #[must_use]
    pub fn sum_bps(self) -> u64 {
        self.lan_to_wan_bps.saturating_add(self.wan_to_lan_bps)
    }
}

impl Meter {
    /// A meter over `interval`.
    #[must_use]
    pub fn new(interval: Duration) -> Self {
        Self {
            interval,
            samples: VecDeque::new(),
        }
    }

    /// Changes the interval; what was measured stays.
    pub fn set_interval(&mut self, interval: Duration) {
        self.interval = interval;
    }

    /// Takes a reading of the byte counters `[LAN, WAN]` received; most readings cost a comparison.
    pub fn sample(&mut self, now: Time, bytes: [u64; 2]) {
        let due = self
            .samples
            .back()
            .is_none_or(|&(at, _)| now.since(at) >= self.interval / SAMPLES);
        if !due {
            return;
        }
        // The sample before the interval's start is kept: it is the interval's other end.
        while self
            .samples
            .get(1)
            .is_some_and(|&(at, _)| now.since(at) >= self.interval)
        {
            self.samples.pop_front();
        }
        self.samples.push_back((now, bytes));
    }

    /// Forgets what was measured: a tenure begins.
    pub fn restart(&mut self) {
        self.samples.clear();
    }

    /// A whole interval was measured.
    #[must_use]
    pub fn whole(&self) -> bool {
        match (self.samples.front(), self.samples.back()) {
            (Some(&(start, _)), Some(&(end, _))) => end.since(start) >= self.interval,
            _ => false,
        }
    }

    /// The rates over what of the interval was measured.
    #[must_use]
    pub fn rates(&self) -> Rates {
        let (Some(&(start, first)), Some(&(end, last))) =
            (self.samples.front(), self.samples.back())
        else {
            return Rates::default();
        };
        let nanos = end.since(start).as_nanos();
        if nanos == 0 {
            return Rates::default();
        }
        let bps = |first: u64, last: u64| {
            let bits = u128::from(last.saturating_sub(first)) * 8;
            u64::try_from(bits * 1_000_000_000 / nanos).unwrap_or(u64::MAX)
        };
        Rates {
            lan_to_wan_bps: bps(first[0], last[0]),
            wan_to_lan_bps: bps(first[1], last[1]),
        }
    }
}

/// Rule 21: when the bandwidth asks for a hand-over.
#[derive(Clone, Debug, Default)]
pub struct Monitor {
    armed: bool,
    failed_at: Option<Time>,
}

impl Monitor {
    /// A tenure begins: unarmed, and nothing of before counts.
    pub fn begin_tenure(&mut self) {
        self.armed = false;
    }

    /// Whether a whole interval at or above the minimum was seen in this tenure.
    #[must_use]
    pub fn armed(&self) -> bool {
        self.armed
    }

    /// Looks at the meter. True when, armed, the average of a whole interval is below the minimum.
    pub fn falls_short(&mut self, meter: &Meter, minimum_bps: u64) -> bool {
        if !meter.whole() {
            return false;
        }
        let enough = meter.rates().sum_bps() >= minimum_bps;
        self.armed |= enough;
        self.armed && !enough
    }

    /// This instance handed over for want of bandwidth.
    pub fn failed(&mut self, now: Time) {
        self.failed_at = Some(now);
    }

    /// Whether it did so within `window`.
    #[must_use]
    pub fn failed_within(&self, now: Time, window: Duration) -> bool {
        self.failed_at.is_some_and(|at| now.since(at) < window)
    }

    /// An operator cleared what counted.
    pub fn clear(&mut self) {
        self.failed_at = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_20_measures_each_direction_and_the_sum() {
        let mut meter = Meter::new(Duration::from_secs(10));
        for s in 0..=30u64 {
            let bytes = if s <= 15 { s * 1000 } else { 15_000 };
            meter.sample(Time::ZERO + Duration::from_secs(s), [bytes, s * 500]);
            if s == 15 {
                assert_eq!(meter.rates().lan_to_wan_bps, 8000);
                assert_eq!(meter.rates().wan_to_lan_bps, 4000);
                assert_eq!(meter.rates().sum_bps(), 12_000);
            }
        }
        assert_eq!(
            meter.rates().lan_to_wan_bps,
            0,
            "the window slid past the traffic"
        );
        assert!(meter.samples.len() <= 12);
    }

    #[test]
    fn nothing_measured_is_zero() {
        let mut meter = Meter::new(Duration::from_secs(10));
        assert_eq!(meter.rates(), Rates::default());
        meter.sample(Time::ZERO, [u64::MAX, 0]);
        assert_eq!(meter.rates(), Rates::default());
        // A counter that went back (a port was reset) is no negative bandwidth.
        meter.sample(Time::ZERO + Duration::from_secs(1), [0, 0]);
        assert_eq!(meter.rates(), Rates::default());
    }

    #[test]
    fn rule_21_armed_by_a_whole_good_interval_and_not_before() {
        let mut meter = Meter::new(Duration::from_secs(10));
        let mut monitor = Monitor::default();
        let mut bytes = 0;
        let mut short_at = None;
        for s in 0..60u64 {
            // Good from 9 s to 29 s: 8000 bit/s.
            if (10..30).contains(&s) {
                bytes += 1000;
            }
            meter.sample(Time::ZERO + Duration::from_secs(s), [bytes, 0]);
            let short = monitor.falls_short(&meter, 7900);
            assert!(s >= 19 || !monitor.armed(), "armed after {s} s");
            if short && short_at.is_none() {
                short_at = Some(s);
            }
        }
        // The traffic ends at 29 s: the average over 10 s is below at the first second without.
        assert_eq!(short_at, Some(30));
        monitor.begin_tenure();
        meter.restart();
        assert!(!monitor.falls_short(&meter, 7900));
        assert!(!monitor.armed());
    }

    #[test]
    fn rule_21_a_failure_counts_within_the_window() {
        let mut monitor = Monitor::default();
        let window = Duration::from_secs(900);
        assert!(!monitor.failed_within(Time::ZERO, window));
        monitor.failed(Time::ZERO);
        assert!(monitor.failed_within(Time::ZERO + Duration::from_secs(899), window));
        assert!(!monitor.failed_within(Time::ZERO + Duration::from_secs(900), window));
        monitor.failed(Time::ZERO);
        monitor.clear();
        assert!(!monitor.failed_within(Time::ZERO, window));
    }
}
