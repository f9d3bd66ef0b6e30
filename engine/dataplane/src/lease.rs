//! The forwarding lease (rule 11): the right to forward, with an end in TSC time.
//!
//! The management core renews it each time it has sent its heartbeat; a worker compares it with
//! the TSC after each burst that it received. A process that did not run long enough for its peer
//! to take over finds the lease expired on waking, and forwards nothing that it received since.
//!
//! What remains: a worker that is stopped in the few nanoseconds between this check and its
//! transmit sends that one burst (at most [`BURST`](crate::BURST) frames of one direction, all
//! received while the lease held) when it is continued. No software check can be later than the
//! last one.

use crossbeam_utils::CachePadded;
use std::sync::atomic::{AtomicU64, Ordering};

/// The forwarding lease of an engine; one for all of its workers. Starts revoked.
///
/// Written by the management core alone, read by every worker once per burst.
#[derive(Debug)]
pub struct Lease {
    until_tsc: CachePadded<AtomicU64>,
}

impl Lease {
    /// A lease that does not hold.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            until_tsc: CachePadded::new(AtomicU64::new(0)),
        }
    }

    /// The lease holds while the TSC is below `until_tsc` (ticks of `dpdk::clock`). An earlier
    /// end than the present one shortens the lease.
    pub fn renew(&self, until_tsc: u64) {
        self.until_tsc.store(until_tsc, Ordering::Release);
    }

    /// Ends the lease now.
    pub fn revoke(&self) {
        self.renew(0);
    }

    /// A lease without end, for an instance without a peer (`ha.mode` standalone and
    /// active-active).
    pub fn forever(&self) {
        self.renew(u64::MAX);
    }

    /// The first tick at which the lease does not hold any more.
    #[inline(always)]
    #[must_use]
    pub fn until(&self) -> u64 {
        self.until_tsc.load(Ordering::Acquire)
    }

    /// True while the lease holds at `now_tsc`.
    #[inline(always)]
    #[must_use]
    pub fn holds(&self, now_tsc: u64) -> bool {
        now_tsc < self.until()
    }
}

impl Default for Lease {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_11_holds_until_its_end_and_not_a_tick_longer() {
        let lease = Lease::new();
        assert!(!lease.holds(0));
        lease.renew(1000);
        assert!(lease.holds(0));
        assert!(lease.holds(999));
        assert!(!lease.holds(1000));
        assert!(!lease.holds(u64::MAX));
    }

    #[test]
    fn rule_11_a_revoked_lease_does_not_hold() {
        let lease = Lease::new();
        lease.forever();
        assert!(lease.holds(u64::MAX - 1));
        lease.revoke();
        assert!(!lease.holds(0));
    }

    #[test]
    fn an_earlier_end_shortens_the_lease() {
        let lease = Lease::default();
        lease.renew(5000);
        lease.renew(100);
        assert!(!lease.holds(100));
    }
}
