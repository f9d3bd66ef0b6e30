//! A token bucket (RFC 4443, section 2.4 f).

use crate::Time;

/// What one message costs: a rate per second then fills it by its number every nanosecond.
const COST: u64 = 1_000_000_000;

/// So many messages per second, and a tenth of them (at least one) at once.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    per_second: u64,
    level: u64,
    filled: Option<Time>,
}

impl Bucket {
    pub(super) fn new(per_second: u32) -> Bucket {
        let per_second = u64::from(per_second);
        let mut bucket = Bucket {
            per_second,
            level: 0,
            filled: None,
        };
        bucket.level = bucket.depth();
        bucket
    }

    fn depth(&self) -> u64 {
        match self.per_second {
            0 => 0,
            rate => (rate / 10).max(1) * COST,
        }
    }

    /// Whether one more may go now; if so, it went.
    pub(super) fn take(&mut self, now: Time) -> bool {
        let elapsed = self.filled.map_or(0, |filled| {
            u64::try_from(now.since(filled).as_nanos()).unwrap_or(u64::MAX)
        });
        self.filled = Some(self.filled.map_or(now, |filled| filled.max(now)));
        let gain = elapsed.saturating_mul(self.per_second);
        self.level = self.level.saturating_add(gain).min(self.depth());
        let enough = self.level >= COST;
        if enough {
            self.level -= COST;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn so_many_per_second() {
        let mut bucket = Bucket::new(100);
        let mut now = Time::ZERO;
        assert_eq!((0..50).filter(|_| bucket.take(now)).count(), 10, "at once");
        let mut taken = 0;
        for _ in 0..1000 {
            now = now + Duration::from_millis(1);
            taken += usize::from(bucket.take(now));
        }
        assert_eq!(taken, 100);
        // A clock that went back gives nothing, and a rest of years no more than the depth.
        assert!(!bucket.take(Time::ZERO));
        now = now + Duration::from_secs(1 << 40);
        assert_eq!((0..50).filter(|_| bucket.take(now)).count(), 10);
    }

    #[test]
    fn none_and_one_per_second() {
        let mut never = Bucket::new(0);
        assert!(!never.take(Time::ZERO) && !never.take(Time::ZERO + Duration::from_secs(9)));
        let mut slow = Bucket::new(1);
        assert!(slow.take(Time::ZERO));
        assert!(!slow.take(Time::ZERO + Duration::from_millis(999)));
        assert!(slow.take(Time::ZERO + Duration::from_millis(1000)));
    }
}
