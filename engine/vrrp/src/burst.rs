//! The announcements of the virtual addresses: some after each takeover, and again after a split
//! has healed, since a switch or a host may have learnt the other router meanwhile.

use crate::settings::Announcing;
use twinline_time::Time;

/// A round of announcements; at most one is sent per [`Announcing::every`], however often a new
/// round is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Burst {
    announcing: Announcing,
    last: Time,
    left: u8,
}

impl Burst {
    /// A new Active Router's: the first announcement is sent now.
    pub(crate) fn start(announcing: Announcing, now: Time) -> Self {
        Self {
            announcing,
            last: now,
            left: announcing.count.saturating_sub(1),
        }
    }

    /// A new round. `true` when its first announcement is to be sent now; otherwise one was sent a
    /// short while ago, and all of the round follow.
    pub(crate) fn again(&mut self, now: Time) -> bool {
        if now < self.last + self.announcing.every {
            self.left = self.announcing.count;
            return false;
        }
        *self = Self::start(self.announcing, now);
        true
    }

    /// Whether one is to be sent now.
    pub(crate) fn due(&mut self, now: Time) -> bool {
        if self.next().is_none_or(|at| now < at) {
            return false;
        }
        self.last = now;
        self.left -= 1;
        true
    }

    /// When the next one is to be sent.
    pub(crate) fn next(&self) -> Option<Time> {
        (self.left > 0).then(|| self.last + self.announcing.every)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_flood_of_splits_sends_one_announcement_per_period() {
        let every = Duration::from_millis(100);
        let mut burst = Burst::start(Announcing { count: 1, every }, Time::ZERO);
        assert_eq!(burst.next(), None);
        let mut sent = 0;
        for ms in 1..1000 {
            let now = Time::ZERO + Duration::from_millis(ms);
            sent += u32::from(burst.due(now));
            sent += u32::from(burst.again(now));
        }
        assert_eq!(sent, 9);
    }
}
