//! Rates from counters, between two polls.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use twinline_control::{LinkPairStatus, PortStatus};

/// How many polls the charts look back.
const HISTORY: usize = 240;
/// Two polls nearer than this say nothing.
const SHORTEST: Duration = Duration::from_millis(10);

/// What passed in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rate {
    /// Bits.
    pub bits: u64,
    /// Packets.
    pub packets: u64,
}

/// Of a port: received and sent. Of a link pair: what left it towards WAN and towards LAN.
pub type Both = [Rate; 2];

/// A reading: bytes and packets of both directions.
type Counters = [(u64, u64); 2];

/// A row of samples, oldest first; `None` where nothing is known.
pub type Samples = VecDeque<Option<u64>>;

/// Rates of ports and link pairs, and how they were.
#[derive(Debug, Clone, Default)]
pub struct Rates {
    at: Option<Duration>,
    counters: BTreeMap<String, Counters>,
    rates: BTreeMap<String, Both>,
    /// All together, by direction.
    pub total: [Samples; 2],
    /// What the engine compares with its minimum.
    pub measured: Samples,
}

impl Rates {
    /// Takes what a poll at `at` brought. Rates need two readings of one run of the engine; a
    /// counter that went back (it was cleared) gives none until the next one.
    pub fn take(
        &mut self,
        at: Duration,
        ports: &[PortStatus],
        pairs: &[LinkPairStatus],
        measured: Option<u64>,
    ) {
        let mut counters = BTreeMap::new();
        for port in ports {
            let c = &port.counters;
            let reading = [(c.rx_bytes, c.rx_packets), (c.tx_bytes, c.tx_packets)];
            counters.insert(port_key(&port.name), reading);
        }
        for pair in pairs {
            let out = [&pair.lan_to_wan, &pair.wan_to_lan];
            counters.insert(
                pair_key(&pair.name),
                out.map(|d| (d.tx_bytes, d.tx_packets)),
            );
        }
        let passed = self.at.map(|before| at.saturating_sub(before));
        self.rates = match passed {
            Some(passed) if passed >= SHORTEST => counters
                .iter()
                .filter_map(|(key, now)| {
                    let before = self.counters.get(key)?;
                    Some((key.clone(), rates(before, now, passed)?))
                })
                .collect(),
            _ => BTreeMap::new(),
        };
        self.counters = counters;
        self.at = Some(at);
        let keys: Vec<String> = if pairs.is_empty() {
            let data = ports.iter().filter(|port| port.used_for != "ha");
            data.map(|port| port_key(&port.name)).collect()
        } else {
            pairs.iter().map(|pair| pair_key(&pair.name)).collect()
        };
        let known: Option<Vec<&Both>> = keys.iter().map(|key| self.rates.get(key)).collect();
        for (direction, samples) in self.total.iter_mut().enumerate() {
            let bits = known.as_ref().map(|known| {
                let bits = known.iter().filter_map(|both| both.get(direction));
                bits.fold(0u64, |sum, rate| sum.saturating_add(rate.bits))
            });
            push(samples, bits.filter(|_| !keys.is_empty()));
        }
        push(&mut self.measured, measured);
    }

    /// A poll that brought nothing: a gap in the charts.
    pub fn gap(&mut self) {
        self.at = None;
        self.rates.clear();
        for samples in self.total.iter_mut().chain([&mut self.measured]) {
            push(samples, None);
        }
    }

    /// The engine started anew, and so did its counters.
    pub fn restart(&mut self) {
        self.at = None;
    }

    /// A port's: received, sent.
    pub fn port(&self, name: &str) -> Option<&Both> {
        self.rates.get(&port_key(name))
    }

    /// A link pair's: LAN to WAN, WAN to LAN.
    pub fn pair(&self, name: &str) -> Option<&Both> {
        self.rates.get(&pair_key(name))
    }
}

fn port_key(name: &str) -> String {
    format!("port {name}")
}

fn pair_key(name: &str) -> String {
    format!("pair {name}")
}

fn push(samples: &mut Samples, sample: Option<u64>) {
    if samples.len() >= HISTORY {
        samples.pop_front();
    }
    samples.push_back(sample);
}

fn rates(before: &Counters, now: &Counters, passed: Duration) -> Option<Both> {
    let mut both = Both::default();
    for ((rate, before), now) in both.iter_mut().zip(before).zip(now) {
        let bytes = now.0.checked_sub(before.0)?;
        let packets = now.1.checked_sub(before.1)?;
        let a_second = |count: u128| {
            let nanos = passed.as_nanos().max(1);
            u64::try_from(count * 1_000_000_000 / nanos).unwrap_or(u64::MAX)
        };
        *rate = Rate {
            bits: a_second(u128::from(bytes) * 8),
            packets: a_second(u128::from(packets)),
        };
    }
    Some(both)
}

#[cfg(test)]
mod tests {
    use super::*;
    use twinline_control::{DirectionStatus, PortCounters};

    fn port(name: &str, rx_bytes: u64) -> PortStatus {
        PortStatus {
            name: name.into(),
            counters: PortCounters {
                rx_bytes,
                rx_packets: rx_bytes / 100,
                ..PortCounters::default()
            },
            ..PortStatus::default()
        }
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_rate_takes_two_readings() {
        let mut rates = Rates::default();
        rates.take(ms(0), &[port("p", 1000)], &[], None);
        assert_eq!(rates.port("p"), None);
        rates.take(ms(500), &[port("p", 2000)], &[], Some(7));
        let rate = Rate {
            bits: 16_000,
            packets: 20,
        };
        assert_eq!(rates.port("p"), Some(&[rate, Rate::default()]));
        assert_eq!(rates.total[0], [None, Some(16_000)]);
        assert_eq!(rates.measured, [None, Some(7)]);
        // cleared, and once more the same
        rates.take(ms(1000), &[port("p", 10)], &[], None);
        assert_eq!(rates.port("p"), None);
        rates.take(ms(2000), &[port("p", 20)], &[], None);
        assert_eq!(rates.port("p").unwrap()[0].bits, 80);
    }

    #[test]
    fn a_gap_and_a_restart_give_no_rate_over_them() {
        let mut rates = Rates::default();
        rates.take(ms(0), &[port("p", 0)], &[], None);
        rates.gap();
        rates.take(ms(1000), &[port("p", 1000)], &[], None);
        assert_eq!(rates.port("p"), None);
        rates.restart();
        rates.take(ms(2000), &[port("p", 9000)], &[], None);
        assert_eq!(rates.port("p"), None);
        assert_eq!(rates.total[0], [None; 4]);
    }

    #[test]
    fn the_total_is_that_of_the_pairs_or_of_the_ports_that_carry_data() {
        let pair = |tx_bytes| LinkPairStatus {
            name: "p".into(),
            wan_to_lan: DirectionStatus {
                tx_bytes,
                ..DirectionStatus::default()
            },
            ..LinkPairStatus::default()
        };
        let mut rates = Rates::default();
        rates.take(ms(0), &[port("p", 0)], &[pair(0)], None);
        rates.take(ms(1000), &[port("p", 9)], &[pair(100)], None);
        assert_eq!(rates.pair("p").unwrap()[1].bits, 800);
        assert_eq!(
            (rates.total[0].back(), rates.total[1].back()),
            (Some(&Some(0)), Some(&Some(800)))
        );
        let mut heartbeats = port("h", 0);
        heartbeats.used_for = "ha".into();
        let mut rates = Rates::default();
        rates.take(ms(0), &[port("p", 0), heartbeats.clone()], &[], None);
        heartbeats.counters.rx_bytes = 1 << 30;
        rates.take(ms(1000), &[port("p", 1), heartbeats], &[], None);
        assert_eq!(rates.total[0].back(), Some(&Some(8)));
    }

    #[test]
    fn huge_counters_do_not_overflow() {
        let mut rates = Rates::default();
        rates.take(ms(0), &[port("p", 0)], &[], None);
        rates.take(ms(10), &[port("p", u64::MAX)], &[], Some(u64::MAX));
        assert_eq!(rates.port("p").unwrap()[0].bits, u64::MAX);
        for round in 0..2 * HISTORY as u64 {
            rates.take(ms(1000 + round), &[], &[], None);
        }
        assert_eq!(rates.total[0].len(), HISTORY);
    }
}
