//! Neighbours that the ACTIVE shares with its peers ahead of time, so that a new ACTIVE forwards
//! from its first packet on.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use twinline_ha::{NeighbourChunk, Time};
use twinline_l3::{Host, InterfaceId};
use twinline_wire::Mac;
use twinline_wire::heartbeat::MAX_NEIGHBOURS;

use super::plan::Plan;

/// Between two shares of what has changed.
const DELTA: Duration = Duration::from_millis(200);
/// Between two shares of everything: a peer that was restarted has it by then.
const FULL: Duration = Duration::from_secs(5);
/// Chunks in one turn: the rest goes with the next.
const CHUNKS_A_TURN: usize = 8;

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
        if now >= self.next_full {
            self.next_full = now + FULL;
            let known = host.neighbours().filter(|n| n.mac.is_some());
            self.changed.extend(known.map(|n| (n.interface, n.ip)));
        }
        if self.changed.is_empty() || now < self.next_delta {
            return Vec::new();
        }
        self.next_delta = now + DELTA;
        let mut groups: BTreeMap<(InterfaceId, bool), Vec<(IpAddr, [u8; 6])>> = BTreeMap::new();
        for neighbour in host.neighbours() {
            let key = (neighbour.interface, neighbour.ip);
            if let Some(mac) = neighbour.mac
                && self.changed.contains(&key)
            {
                let group = groups.entry((key.0, key.1.is_ipv6())).or_default();
                group.push((neighbour.ip, mac.0));
            }
        }
        let mut chunks = Vec::new();
        let mut told = Vec::new();
        for ((interface, _), neighbours) in groups {
            let Some(named) = plan.interface(interface) else {
                continue;
            };
            for part in neighbours.chunks(MAX_NEIGHBOURS) {
                if chunks.len() == CHUNKS_A_TURN {
                    break;
                }
                told.extend(part.iter().map(|(ip, _)| (interface, *ip)));
                chunks.push(NeighbourChunk {
                    interface: named.digest,
                    neighbours: part.to_vec(),
                });
            }
        }
        if chunks.len() < CHUNKS_A_TURN {
            self.changed.clear();
        }
        for key in told {
            self.changed.remove(&key);
        }
        chunks
    }
}
