//! The two clocks by which a commit's time to confirm is told across a restart.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What the clocks say at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Clocks {
    /// The wall clock, in milliseconds since 1970 (UTC). It may be set, forwards and backwards.
    pub unix_ms: u64,
    /// Names this boot of the machine; empty where the kernel does not say.
    pub boot: String,
    /// Since that boot. It is never set, and it tells nothing of another boot.
    pub uptime_ms: u64,
}

impl Clocks {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let uptime = read("/proc/uptime");
        let seconds = uptime.split(' ').next().and_then(|s| s.parse::<f64>().ok());
        let boot = match seconds {
            Some(_) => read("/proc/sys/kernel/random/boot_id").trim().to_owned(),
            None => String::new(),
        };
        Self {
            unix_ms: u64::try_from(wall.as_millis()).unwrap_or(u64::MAX),
            boot,
            // a float that is too large or negative becomes the nearest number
            uptime_ms: (seconds.unwrap_or_default() * 1000.0) as u64,
        }
    }

    /// How long ago `earlier` was. Within one boot by the clock that nobody sets. Across a boot by
    /// the wall clock; where that has gone backwards, how long is not known: for ever.
    #[must_use]
    pub fn since(&self, earlier: &Clocks) -> Duration {
        let span = |now: u64, then: u64| now.checked_sub(then).map(Duration::from_millis);
        let passed = if !self.boot.is_empty() && self.boot == earlier.boot {
            span(self.uptime_ms, earlier.uptime_ms)
        } else {
            span(self.unix_ms, earlier.unix_ms)
        };
        passed.unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clocks(unix_ms: u64, boot: &str, uptime_ms: u64) -> Clocks {
        Clocks {
            unix_ms,
            boot: boot.into(),
            uptime_ms,
        }
    }

    #[test]
    fn a_clock_that_is_set_changes_no_span() {
        let then = clocks(1_000_000, "a", 5000);
        let ms = Duration::from_millis;
        assert_eq!(clocks(1_000_700, "a", 5700).since(&then), ms(700));
        assert_eq!(clocks(0, "a", 5700).since(&then), ms(700));
        assert_eq!(clocks(u64::MAX, "a", 5700).since(&then), ms(700));
        // another boot
        assert_eq!(clocks(1_060_000, "b", 100).since(&then), ms(60_000));
        assert_eq!(clocks(999_999, "b", 100).since(&then), Duration::MAX);
        // a kernel that says nothing
        assert_eq!(
            clocks(1_000_001, "", 0).since(&clocks(1_000_000, "", 0)),
            ms(1)
        );
    }

    #[test]
    fn this_machine_has_both() {
        let (then, now) = (Clocks::now(), Clocks::now());
        assert!(!now.boot.is_empty() && now.uptime_ms > 0);
        assert!(now.since(&then) < Duration::from_secs(60));
    }
}
