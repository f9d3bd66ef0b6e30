//! A point on the monotonic clock, shared by the crates that decide without reading a clock
//! themselves (high availability, VRRP, the slow path of layer 3).
#![forbid(unsafe_code)]

use std::ops::{Add, Sub};
use std::time::Duration;

/// Nanoseconds on a monotonic clock whose zero is the caller's choice.
///
/// Signed, so that something that happened before this process started (a flap read back from the
/// state file) still has its place on the line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

impl Time {
    /// The zero of the clock.
    pub const ZERO: Self = Self(0);

    /// A time from nanoseconds since the clock's zero.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the clock's zero.
    #[must_use]
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// How long ago `earlier` was; zero when it is in the future.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        let nanos = self.0.saturating_sub(earlier.0).max(0);
        Duration::from_nanos(nanos.unsigned_abs())
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos(duration)))
    }
}

impl Sub<Duration> for Time {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(duration)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_never_goes_below_zero() {
        let early = Time::from_nanos(5);
        let late = early + Duration::from_nanos(7);
        assert_eq!(late.since(early), Duration::from_nanos(7));
        assert_eq!(early.since(late), Duration::ZERO);
    }

    #[test]
    fn the_past_before_zero_has_a_place() {
        let past = Time::ZERO - Duration::from_secs(800);
        assert_eq!(Time::ZERO.since(past), Duration::from_secs(800));
    }

    #[test]
    fn nothing_overflows() {
        let end = Time::from_nanos(i64::MAX);
        assert_eq!(end + Duration::MAX, end);
        assert_eq!(
            Time::from_nanos(i64::MIN) - Duration::MAX,
            Time::from_nanos(i64::MIN)
        );
    }
}
