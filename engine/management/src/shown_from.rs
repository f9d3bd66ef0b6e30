//! From where on `show` counts: what `clear port stats` leaves out.
//!
//! Nothing is set to 0: the meters (rules 20 and 21) and whoever reads totals go on with counters
//! that only grow.

use std::collections::BTreeMap;

use dpdk::{Stats, XStat};
use twinline_dataplane::SideSnapshot;
use twinline_dataplane::l3::L3PortSnapshot;

/// What a port had counted when it was cleared last.
#[derive(Clone, Debug, Default)]
pub struct ShownFrom {
    /// The driver's common counters.
    pub stats: Stats,
    /// Those by the driver's own names.
    pub xstats: BTreeMap<String, u64>,
    /// The worker's, where it is a side of a link pair.
    pub side: SideSnapshot,
    /// The worker's, where it has interfaces of layer 3.
    pub l3: L3PortSnapshot,
}

/// Which of the two counts are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Since the port was cleared: what operators are shown.
    SinceClear,
    /// Since the engine's start: totals that only grow, for metrics.
    SinceStart,
}

impl ShownFrom {
    /// What of the common counters is shown.
    #[must_use]
    pub fn stats(&self, now: Stats) -> Stats {
        let from = &self.stats;
        Stats {
            rx_packets: now.rx_packets.saturating_sub(from.rx_packets),
            tx_packets: now.tx_packets.saturating_sub(from.tx_packets),
            rx_bytes: now.rx_bytes.saturating_sub(from.rx_bytes),
            tx_bytes: now.tx_bytes.saturating_sub(from.tx_bytes),
            rx_missed: now.rx_missed.saturating_sub(from.rx_missed),
            rx_errors: now.rx_errors.saturating_sub(from.rx_errors),
            tx_errors: now.tx_errors.saturating_sub(from.tx_errors),
            rx_no_mbuf: now.rx_no_mbuf.saturating_sub(from.rx_no_mbuf),
        }
    }

    /// What of the driver's own counters is shown. One that went back (some are levels, no counts)
    /// is shown as it is.
    #[must_use]
    pub fn xstats(&self, now: Vec<XStat>) -> Vec<(String, u64)> {
        now.into_iter()
            .map(|XStat { name, value }| {
                let from = self.xstats.get(&name).copied().unwrap_or(0);
                let shown = value.checked_sub(from).unwrap_or(value);
                (name, shown)
            })
            .collect()
    }

    /// What of a side of a link pair is shown.
    #[must_use]
    pub fn side(&self, now: &SideSnapshot) -> SideSnapshot {
        now.since(&self.side)
    }

    /// What of a port of layer 3 is shown.
    #[must_use]
    pub fn l3(&self, now: &L3PortSnapshot) -> L3PortSnapshot {
        now.since(&self.l3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_starts_from_nothing_and_goes_on() {
        let mut stats = Stats {
            rx_packets: 5,
            rx_bytes: 500,
            tx_errors: 1,
            ..Stats::default()
        };
        let xstat = |value| XStat {
            name: "rx_good".into(),
            value,
        };
        let never = ShownFrom::default();
        assert_eq!(never.stats(stats), stats);
        let from = ShownFrom {
            stats,
            xstats: [("rx_good".into(), 5)].into(),
            ..ShownFrom::default()
        };
        assert_eq!(from.stats(stats), Stats::default());
        stats.rx_packets += 2;
        assert_eq!(from.stats(stats).rx_packets, 2);
        assert_eq!(from.stats(stats).rx_bytes, 0);
        assert_eq!(from.xstats(vec![xstat(9)]), [("rx_good".to_owned(), 4)]);
        assert_eq!(from.xstats(vec![xstat(3)]), [("rx_good".to_owned(), 3)]);
    }
}
