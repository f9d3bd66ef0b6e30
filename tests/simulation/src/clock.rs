//! Virtual time, and what each instance takes for it.

use std::time::Duration;
use twinline_ha::Time;

/// Virtual time in nanoseconds since the run began.
pub type Ns = u64;

/// A microsecond.
pub const US: Ns = 1_000;
/// A millisecond.
pub const MS: Ns = 1_000_000;
/// A second.
pub const SEC: Ns = 1_000_000_000;

/// A duration in nanoseconds; the largest number where it does not fit.
#[must_use]
pub fn ns(duration: Duration) -> Ns {
    Ns::try_from(duration.as_nanos()).unwrap_or(Ns::MAX)
}

/// Virtual time as an operator reads it: seconds with microseconds.
#[must_use]
pub fn text(at: Ns) -> String {
    format!("{:>3}.{:06}", at / SEC, at % SEC / US)
}

/// One appliance's clocks: the monotonic one with its own zero and rate, the wall with its jumps.
#[derive(Clone, Copy, Debug)]
pub struct HostClock {
    /// What the monotonic clock reads at virtual zero.
    pub zero: i64,
    /// Parts per million by which it is fast.
    pub ppm: i64,
    /// Unix milliseconds on the wall at virtual zero.
    pub wall_ms: i64,
}

impl HostClock {
    /// The monotonic clock's reading.
    #[must_use]
    pub fn local(&self, at: Ns) -> Time {
        let at = i64::try_from(at).unwrap_or(i64::MAX / 4);
        Time::from_nanos(self.zero + at + at * self.ppm / 1_000_000)
    }

    /// The first virtual time at which the clock reads `local` or more.
    #[must_use]
    pub fn virtually(&self, local: Time) -> Ns {
        let since = local.as_nanos() - self.zero;
        let mut at = since - since / 1_000_000 * self.ppm;
        // The guess is off by the square of the rate and by rounding: mend it.
        at += since - (at + at * self.ppm / 1_000_000);
        while at + at * self.ppm / 1_000_000 < since {
            at += 1;
        }
        Ns::try_from(at).unwrap_or(0)
    }

    /// The wall's reading, Unix milliseconds.
    #[must_use]
    pub fn unix_ms(&self, at: Ns) -> u64 {
        let ms = i64::try_from(at / MS).unwrap_or(i64::MAX / 4);
        u64::try_from(self.wall_ms + ms).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for ppm in [-200, -1, 0, 3, 200] {
            let clock = HostClock {
                zero: 77 * 1_000_000_000,
                ppm,
                wall_ms: 1,
            };
            for at in [0, 1, 999, 12 * MS, 59 * SEC + 123_456_789] {
                let back = clock.virtually(clock.local(at));
                assert!(back.abs_diff(at) < 3, "{ppm} {at} {back}");
                assert!(clock.local(back) >= clock.local(at));
            }
        }
    }
}
