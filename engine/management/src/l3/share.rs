//! Neighbours that the ACTIVE shares with its peers ahead of time, so that a new ACTIVE forwards
//! from its first packet on.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use twinline_ha::{NeighbourChunk, Time};
use twinline_l3::{Host, InterfaceId};
use twinline_wire::Mac;
use twinline_wire::heartbeat::MAX_NEIGHBOURS;

use super::plan::{Plan, own_digest_of};

/// Between two shares of what has changed.
const DELTA: Duration = Duration::from_millis(200);
/// Between two shares of everything: a peer that was restarted has it by then.
const FULL: Duration = Duration::from_secs(5);
/// Chunks in one turn: the rest goes with the next.
const CHUNKS_A_TURN: usize = 8;

/// A neighbour's addresses.
type Known = (IpAddr, [u8; 6]);

/// What is shared when.
#[derive(Debug, Default)]
pub struct Share {
    changed: BTreeSet<(InterfaceId, IpAddr)>,
    next_delta: Time,
    next_full: Time,
}

/// The MAC address of a neighbour.
#[must_use]
pub fn mac_of(host: &Host, interface: InterfaceId, ip: IpAddr) -> Option<Mac> {
    let mut all = host.neighbours();
    all.find(|n| n.interface == interface && n.ip == ip)?.mac
}

impl Share {
    /// A neighbour was found, or lost. Losses are not shared: the peer finds out for itself.
    pub fn changed(&mut self, interface: InterfaceId, ip: IpAddr, mac: Option<Mac>) {
        if mac.is_some() {
            self.changed.insert((interface, ip));
        } else {
            self.changed.remove(&(interface, ip));
        }
    }

    /// What is to be shared now.
    pub fn due(&mut self, now: Time, host: &Host, plan: &Plan) -> Vec<NeighbourChunk> {
        let mut chunks = Vec::new();
        if now >= self.next_full {
            self.next_full = now + FULL;
            chunks = own_addresses(plan);
            let known = host.neighbours().filter(|n| n.mac.is_some());
            self.changed.extend(known.map(|n| (n.interface, n.ip)));
        }
        if self.changed.is_empty() || now < self.next_delta {
            return chunks;
        }
        self.next_delta = now + DELTA;
        let most = chunks.len() + CHUNKS_A_TURN;
        let mut groups: BTreeMap<(InterfaceId, bool), Vec<Known>> = BTreeMap::new();
        for neighbour in host.neighbours() {
            let key = (neighbour.interface, neighbour.ip);
            if let Some(mac) = neighbour.mac
                && self.changed.contains(&key)
            {
                let group = groups.entry((key.0, key.1.is_ipv6())).or_default();
                group.push((neighbour.ip, mac.0));
            }
        }
        let mut told = Vec::new();
        for ((interface, _), neighbours) in groups {
            let Some(named) = plan.interface(interface) else {
                continue;
            };
            for part in neighbours.chunks(MAX_NEIGHBOURS) {
                if chunks.len() >= most {
                    break;
                }
                told.extend(part.iter().map(|(ip, _)| (interface, *ip)));
                chunks.push(NeighbourChunk {
                    interface: named.digest,
                    neighbours: part.to_vec(),
                });
            }
        }
        if chunks.len() < most {
            self.changed.clear();
        }
        for key in told {
            self.changed.remove(&key);
        }
        chunks
    }
}

/// Where we ourselves are found: a peer knows by it whose adverts it hears.
fn own_addresses(plan: &Plan) -> Vec<NeighbourChunk> {
    let mut chunks = Vec::new();
    for interface in &plan.interfaces {
        for ipv6 in [false, true] {
            let own = interface.own.iter().map(|own| own.address());
            let own = own.filter(|ip| ip.is_ipv6() == ipv6);
            let neighbours: Vec<Known> = own
                .map(|ip| (ip, interface.mac.0))
                .take(MAX_NEIGHBOURS)
                .collect();
            if !neighbours.is_empty() {
                chunks.push(NeighbourChunk {
                    interface: own_digest_of(&interface.name),
                    neighbours,
                });
            }
        }
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::l3::plan::Interface;
    use twinline_l3::Limits;

    const LAN: InterfaceId = InterfaceId(0);

    fn plan() -> Plan {
        let own = ["192.0.2.2", "fe80::2"].map(|ip| (ip.parse::<IpAddr>().unwrap(), 16));
        let own = own.map(|(ip, length)| twinline_l3::Prefix::new(ip, length).unwrap());
        Plan {
            interfaces: vec![Interface {
                name: "lan0".into(),
                port: 0,
                vlan: None,
                mac: Mac([2, 0, 0, 0, 0, 1]),
                mtu: 1500,
                own: own.to_vec(),
                kernel: None,
                digest: 77,
            }],
            routes: Vec::new(),
            routers: Vec::new(),
            forwarding: true,
            limits: Limits::default(),
        }
    }

    fn at(ms: u64) -> Time {
        Time::ZERO + Duration::from_millis(ms)
    }

    #[test]
    fn rule_08_what_changed_is_shared_soon_and_everything_again() {
        let plan = plan();
        let mut host = Host::new(plan.host()).unwrap();
        let mut out = Vec::new();
        host.link(at(0), LAN, true, &mut out);
        let mut share = Share::default();
        // Our own addresses are told first, and again with everything.
        let first = share.due(at(0), &host, &plan);
        let own = own_digest_of("lan0");
        assert!(first.iter().all(|chunk| chunk.interface == own));
        let told: Vec<IpAddr> = first
            .iter()
            .flat_map(|c| &c.neighbours)
            .map(|n| n.0)
            .collect();
        assert_eq!(
            told,
            ["192.0.2.2", "fe80::2"].map(|ip| ip.parse::<IpAddr>().unwrap())
        );
        let count = 100;
        for n in 0..count {
            let mac = Mac([2, 0, 0, 0, 1, n]);
            for ip in [format!("192.0.3.{n}"), format!("fe80::1:{n}")] {
                let ip: IpAddr = ip.parse().unwrap();
                host.neighbour_heard(at(1), LAN, ip, mac, &mut out);
                share.changed(LAN, ip, Some(mac));
                assert_eq!(mac_of(&host, LAN, ip), Some(mac));
            }
        }
        let chunks = share.due(at(10), &host, &plan);
        let sizes: Vec<usize> = chunks.iter().map(|c| c.neighbours.len()).collect();
        assert_eq!(sizes, [54, 46, 54, 46], "a family each, and as many as fit");
        assert!(chunks.iter().all(|chunk| chunk.interface == 77));
        // Nothing is told twice, until everything is.
        assert_eq!(share.due(at(1000), &host, &plan), []);
        share.changed(LAN, "192.0.3.1".parse().unwrap(), Some(Mac([2; 6])));
        assert_eq!(share.due(at(1500), &host, &plan)[0].neighbours.len(), 1);
        share.changed(LAN, "192.0.3.1".parse().unwrap(), Some(Mac([2; 6])));
        assert_eq!(share.due(at(1600), &host, &plan), [], "not too often");
        let all = share.due(at(5000), &host, &plan);
        assert_eq!(all.iter().filter(|chunk| chunk.interface == own).count(), 2);
        let all = all.iter().filter(|chunk| chunk.interface == 77);
        let told: usize = all.map(|chunk| chunk.neighbours.len()).sum();
        assert_eq!(told, 2 * usize::from(count));
    }
}
