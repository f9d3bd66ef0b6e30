//! Wall time for the time stamp counter.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dpdk::clock::{TscClock, tsc_now};

/// By how much the wall clock may be away from what was reckoned before it is taken anew: somebody
/// set it, or the two rates have drifted apart.
const AWAY: Duration = Duration::from_millis(1);
/// A reading that took longer was interrupted, and is worth nothing.
const INTERRUPTED: Duration = Duration::from_micros(50);

/// Reckons Unix time in nanoseconds from the counter: even steps, as long as nobody sets the clock.
pub(super) struct WallClock {
    clock: TscClock,
    ticks: u64,
    unix_ns: u64,
}

impl WallClock {
    pub(super) fn new(clock: TscClock) -> Self {
        let (ticks, unix_ns) = (tsc_now(), unix_ns());
        Self {
            clock,
            ticks,
            unix_ns,
        }
    }

    /// When the counter stood at `ticks`.
    pub(super) fn at(&self, ticks: u64) -> u64 {
        let ns = |ticks| {
            let nanos = self.clock.duration_of(ticks).as_nanos();
            u64::try_from(nanos).unwrap_or(u64::MAX)
        };
        if ticks >= self.ticks {
            self.unix_ns.saturating_add(ns(ticks - self.ticks))
        } else {
            self.unix_ns.saturating_sub(ns(self.ticks - ticks))
        }
    }

    /// Compares with the system's clock; to be called now and then.
    pub(super) fn check(&mut self) {
        let before = tsc_now();
        let unix_ns = unix_ns();
        let after = tsc_now();
        let took = self.clock.duration_of(after.saturating_sub(before));
        let away = Duration::from_nanos(self.at(before).abs_diff(unix_ns));
        if took < INTERRUPTED && away > AWAY {
            (self.ticks, self.unix_ns) = (before, unix_ns);
        }
    }
}

fn unix_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_by_the_counter_and_back_to_before_the_start() {
        let clock = WallClock {
            clock: TscClock::with_hz(2_000_000_000),
            ticks: 1000,
            unix_ns: 5_000_000_000,
        };
        assert_eq!(clock.at(1000), 5_000_000_000);
        assert_eq!(clock.at(3001), 5_000_001_000);
        assert_eq!(clock.at(0), 4_999_999_500);
        assert!(clock.at(u64::MAX) > 5_000_000_000);
    }

    #[test]
    fn a_clock_that_was_set_is_taken_anew() {
        let mut clock = WallClock::new(TscClock::with_hz(2_000_000_000));
        clock.unix_ns = 7;
        for _ in 0..1000 {
            clock.check();
        }
        assert!(clock.unix_ns > 7);
    }
}
