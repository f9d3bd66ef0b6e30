//! Flaps: exits from ACTIVE that no operator asked for (rule 13).

use std::collections::VecDeque;
use std::time::Duration;

use twinline_time::Time;

/// The flaps of the recent past.
#[derive(Clone, Debug, Default)]
pub struct Flaps {
    times: VecDeque<Time>,
}

/// More than the largest `max_flaps`: what the list keeps at most.
const KEPT: usize = 1024;

impl Flaps {
    /// The flaps read back from the state file, placed on this clock by their age.
    ///
    /// A stamp in the future (the wall clock was set back) counts as now: a flap is never lost by
    /// a clock that was wrong.
    #[must_use]
    pub fn restore(stamps_unix_ms: &[u64], now: Time, now_unix_ms: u64) -> Self {
        let mut times: Vec<Time> = stamps_unix_ms
            .iter()
            .map(|&stamp| now - Duration::from_millis(now_unix_ms.saturating_sub(stamp)))
            .collect();
        times.sort_unstable();
        let skip = times.len().saturating_sub(KEPT);
        Self {
            times: times.into_iter().skip(skip).collect(),
        }
    }

    /// The same flaps as wall-clock stamps, for the state file.
    #[must_use]
    pub fn stamps(&self, now: Time, now_unix_ms: u64) -> Vec<u64> {
        self.times
            .iter()
            .map(|&at| {
                let age_ms = u64::try_from(now.since(at).as_millis()).unwrap_or(u64::MAX);
                now_unix_ms.saturating_sub(age_ms)
            })
            .collect()
    }

    /// Counts one more.
    pub fn record(&mut self, now: Time) {
        if self.times.len() == KEPT {
            self.times.pop_front();
        }
        self.times.push_back(now);
    }

    /// When each of those that are kept was, oldest first.
    pub fn times(&self) -> impl DoubleEndedIterator<Item = Time> + '_ {
        self.times.iter().copied()
    }

    /// How many are kept: after [`Self::prune`] those within the window.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.times.len()
    }

    /// How many lie within `window`.
    #[must_use]
    pub fn count(&self, now: Time, window: Duration) -> u32 {
        let n = self
            .times
            .iter()
            .filter(|&&at| now.since(at) < window)
            .count();
        u32::try_from(n).unwrap_or(u32::MAX)
    }

    /// Forgets those older than `window`.
    pub fn prune(&mut self, now: Time, window: Duration) {
        while self
            .times
            .front()
            .is_some_and(|&at| now.since(at) >= window)
        {
            self.times.pop_front();
        }
    }

    /// An operator cleared the count.
    pub fn clear(&mut self) {
        self.times.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(900);

    #[test]
    fn rule_13_flaps_count_within_the_window_only() {
        let mut flaps = Flaps::default();
        let start = Time::ZERO;
        flaps.record(start);
        flaps.record(start + Duration::from_secs(100));
        assert_eq!(
            flaps.times().next_back(),
            Some(start + Duration::from_secs(100))
        );
        assert_eq!(flaps.count(start + Duration::from_secs(899), WINDOW), 2);
        assert_eq!(flaps.count(start + Duration::from_secs(900), WINDOW), 1);
        flaps.prune(start + Duration::from_secs(1000), WINDOW);
        assert_eq!(flaps.times.len(), 0);
    }

    #[test]
    fn rule_13_flaps_survive_a_restart_by_their_age() {
        let mut flaps = Flaps::default();
        let now = Time::from_nanos(5_000_000_000);
        flaps.record(now);
        let stamps = flaps.stamps(now + Duration::from_secs(10), 1_000_000);
        assert_eq!(stamps, vec![990_000]);
        // The new process starts its own clock at zero, 50 s later on the wall.
        let restored = Flaps::restore(&stamps, Time::ZERO, 1_040_000);
        assert_eq!(
            restored.count(Time::ZERO + Duration::from_secs(849), WINDOW),
            1
        );
        assert_eq!(
            restored.count(Time::ZERO + Duration::from_secs(850), WINDOW),
            0
        );
    }

    #[test]
    fn rule_13_a_stamp_from_the_future_counts_as_now() {
        let restored = Flaps::restore(&[2_000_000], Time::ZERO, 1_000_000);
        assert_eq!(
            restored.count(Time::ZERO + Duration::from_secs(899), WINDOW),
            1
        );
    }

    #[test]
    fn a_damaged_list_stays_bounded() {
        let stamps = vec![1; 100_000];
        assert_eq!(Flaps::restore(&stamps, Time::ZERO, 1).times.len(), KEPT);
    }
}
