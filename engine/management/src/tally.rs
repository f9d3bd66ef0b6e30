//! What monitoring counts and nothing else needs: changes of the role, missed check slots, and two
//! distributions. Filled in each step, without allocation but for a peer's or a change's first time.

use std::collections::BTreeMap;
use std::time::Duration;

use twinline_control as control;
use twinline_ha::events::Subject;
use twinline_ha::{Event, Node, Reason, Role};

/// Upper bounds of how late heartbeats are sent, in microseconds: from what a sleeping loop costs
/// to what loses the role.
const LATENESS_US: [u64; 12] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 1_000_000,
];
/// Upper bounds of round trips, in microseconds: from a cable to a network that is far too long.
const ROUND_TRIP_US: [u64; 12] = [
    25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 1_000_000,
];

/// A distribution with fixed bounds.
#[derive(Debug, Clone)]
pub(crate) struct Histogram<const N: usize> {
    bounds_us: &'static [u64; N],
    /// Of each bucket alone; the last one's bound is none.
    counts: [u64; N],
    count: u64,
    sum: Duration,
}

impl<const N: usize> Histogram<N> {
    const fn new(bounds_us: &'static [u64; N]) -> Self {
        Self {
            bounds_us,
            counts: [0; N],
            count: 0,
            sum: Duration::ZERO,
        }
    }

    fn note(&mut self, time: Duration) {
        let within = |&bound: &u64| time <= Duration::from_micros(bound);
        if let Some(slot) = self.bounds_us.iter().position(within) {
            self.counts[slot] += 1;
        }
        self.count += 1;
        self.sum = self.sum.saturating_add(time);
    }

    fn status(&self) -> control::Histogram {
        let mut so_far = 0;
        let buckets = self.bounds_us.iter().zip(self.counts).map(|(bound, n)| {
            so_far += n;
            (Duration::from_micros(*bound).as_secs_f64(), so_far)
        });
        control::Histogram {
            buckets: buckets.collect(),
            count: self.count,
            sum_seconds: self.sum.as_secs_f64(),
        }
    }
}

/// What is counted of one peer.
#[derive(Debug, Clone)]
struct OfPeer {
    round_trips: Histogram<12>,
    heartbeats: u64,
    missed: u32,
    checks_failed: u64,
}

/// The counts.
#[derive(Debug, Clone)]
pub(crate) struct Tally {
    role_changes: BTreeMap<(Role, Role, Reason), u64>,
    last_role_change_unix_ms: Option<u64>,
    lateness: Histogram<12>,
    peers: BTreeMap<u16, OfPeer>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            role_changes: BTreeMap::new(),
            last_role_change_unix_ms: None,
            lateness: Histogram::new(&LATENESS_US),
            peers: BTreeMap::new(),
        }
    }
}

impl Tally {
    pub(crate) fn happened(&mut self, event: &Event) {
        if let Subject::Role { from, to } = event.subject {
            *self.role_changes.entry((from, to, event.why)).or_default() += 1;
            self.last_role_change_unix_ms = Some(event.unix_ms);
        }
    }

    /// A heartbeat was sent so long after it was due.
    pub(crate) fn sent_late_by(&mut self, time: Duration) {
        self.lateness.note(time);
    }

    /// After a step: what it made of the peers.
    pub(crate) fn look(&mut self, node: &Node) {
        for peer in node.peers() {
            self.note_peer(
                peer.instance(),
                peer.missed(),
                peer.heartbeats(),
                peer.rtt(),
            );
        }
    }

    fn note_peer(&mut self, id: u16, missed: u32, heartbeats: u64, rtt: Option<Duration>) {
        let of = self.peers.entry(id).or_insert_with(|| OfPeer {
            round_trips: Histogram::new(&ROUND_TRIP_US),
            heartbeats: 0,
            missed: 0,
            checks_failed: 0,
        });
        // Misses in a row: fewer than before means that a heartbeat came in between.
        let new = if missed >= of.missed {
            missed - of.missed
        } else {
            missed
        };
        of.checks_failed += u64::from(new);
        of.missed = missed;
        // Each heartbeat measures it; of several in one step the last one counts.
        if heartbeats != of.heartbeats {
            of.heartbeats = heartbeats;
            if let Some(rtt) = rtt {
                of.round_trips.note(rtt);
            }
        }
    }

    pub(crate) fn role_changes(&self) -> Vec<control::RoleChanges> {
        let all = self.role_changes.iter();
        all.map(|((from, to, why), &count)| control::RoleChanges {
            from: from.to_string(),
            to: to.to_string(),
            reason: why.name().into(),
            count,
        })
        .collect()
    }

    pub(crate) fn last_role_change_unix_ms(&self) -> Option<u64> {
        self.last_role_change_unix_ms
    }

    pub(crate) fn heartbeat_lateness(&self) -> control::Histogram {
        self.lateness.status()
    }

    pub(crate) fn round_trips(&self) -> BTreeMap<u16, control::Histogram> {
        let all = self.peers.iter();
        all.map(|(&id, of)| (id, of.round_trips.status())).collect()
    }

    pub(crate) fn checks_failed(&self) -> BTreeMap<u16, u64> {
        let all = self.peers.iter();
        all.map(|(&id, of)| (id, of.checks_failed)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use twinline_ha::Time;

    #[test]
    fn a_histogram_counts_what_is_at_most_so_long() {
        static BOUNDS: [u64; 3] = [10, 100, 1000];
        let mut of = Histogram::new(&BOUNDS);
        for us in [0, 10, 11, 100, 999, 5000] {
            of.note(Duration::from_micros(us));
        }
        let status = of.status();
        assert_eq!(status.buckets, [(1e-5, 2), (1e-4, 4), (1e-3, 5)]);
        assert_eq!(status.count, 6);
        assert!((status.sum_seconds - 0.00612).abs() < 1e-9);
    }

    #[test]
    fn misses_in_a_row_add_up_over_the_rows() {
        let mut tally = Tally::default();
        for missed in [0, 1, 2, 2, 0, 1, 3, 1] {
            tally.note_peer(2, missed, 0, None);
        }
        assert_eq!(tally.checks_failed()[&2], 2 + 3 + 1);
        let rtt = Some(Duration::from_micros(30));
        for heartbeats in [1, 1, 2, 5, 5] {
            tally.note_peer(2, 0, heartbeats, rtt);
        }
        assert_eq!(tally.round_trips()[&2].count, 3);
    }

    #[test]
    fn rule_23_changes_of_the_role_are_counted_by_their_reason() {
        let mut tally = Tally::default();
        let mut change = |from, to, why| {
            tally.happened(&Event {
                seq: 1,
                at: Time::ZERO,
                unix_ms: 77,
                subject: Subject::Role { from, to },
                why,
            });
        };
        change(Role::Init, Role::Passive, Reason::PeerIsActive);
        change(Role::Passive, Role::Active, Reason::PeerUnhealthy);
        change(Role::Init, Role::Passive, Reason::PeerIsActive);
        let said: Vec<_> = tally.role_changes();
        let said: Vec<_> = said
            .iter()
            .map(|c| (c.from.as_str(), c.to.as_str(), c.reason.as_str(), c.count))
            .collect();
        assert_eq!(
            said,
            [
                ("INIT", "PASSIVE", "peer_is_active", 2),
                ("PASSIVE", "ACTIVE", "peer_unhealthy", 1)
            ]
        );
        assert_eq!(tally.last_role_change_unix_ms(), Some(77));
    }
}
