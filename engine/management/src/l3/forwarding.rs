//! What the workers forward by: prefixes, local addresses and neighbours, written into the
//! forwarding tables and the array of adjacencies.
//!
//! A number of the array that is free again is used last of all that are free, so that a worker that
//! looked it up a moment ago finds at worst that the next hop is not resolved.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use twinline_dataplane::l3::{Adjacencies, Adjacency};
use twinline_l3::{InterfaceId, Prefix};
use twinline_wire::Mac;

use super::plan::Plan;

/// The tables that workers read.
pub trait Tables {
    /// Adds a prefix, or changes its number; false when there is no room.
    fn add(&mut self, network: IpAddr, length: u8, number: u16) -> bool;
    /// Removes a prefix.
    fn remove(&mut self, network: IpAddr, length: u8);
    /// Changes what a number means.
    fn set(&mut self, number: u16, adjacency: Adjacency);
}

/// A next hop that has a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Hop {
    number: u16,
    /// Static routes lead to it, so that it keeps its number when it is not resolved.
    routed: bool,
    /// It has a prefix of its own in the table.
    host_route: bool,
}

/// A static or connected route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Where to.
    pub prefix: Prefix,
    /// By which next hop; `None`: connected.
    pub via: Option<IpAddr>,
    /// The way out.
    pub interface: InterfaceId,
}

impl Known {
    /// The prefix without the bits behind it.
    #[must_use]
    pub fn network(&self) -> Prefix {
        Prefix::new(network(&self.prefix), self.prefix.length()).unwrap_or(self.prefix)
    }
}

/// What is written, so that it can be changed.
#[derive(Debug, Default)]
pub struct Forwarding {
    hops: BTreeMap<(InterfaceId, IpAddr), Hop>,
    /// The next hop behind each number.
    by_number: BTreeMap<u16, (InterfaceId, IpAddr)>,
    free: VecDeque<u16>,
    routes: Vec<Known>,
    local: Vec<IpAddr>,
    /// Prefixes for which the tables had no room.
    pub refused: u64,
}

fn whole(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { 32 } else { 128 }
}

/// The first address of a prefix.
fn network(prefix: &Prefix) -> IpAddr {
    let length = u32::from(prefix.length());
    match prefix.address() {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            IpAddr::V4((ip.to_bits() & mask).into())
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
            IpAddr::V6((ip.to_bits() & mask).into())
        }
    }
}

/// Whether the workers' tables know nothing of it: link-local addresses are of one link each.
fn is_link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}

impl Forwarding {
    /// How many numbers a plan needs at most.
    #[must_use]
    pub fn numbers(plan: &Plan) -> usize {
        let connected: usize = plan.interfaces.iter().map(|i| i.own.len()).sum();
        usize::from(Adjacencies::FIRST_FREE)
            + connected
            + 1
            + plan.routes.len()
            + plan.limits.neighbours
    }

    /// Writes what a plan says into empty tables that have `numbers` numbers.
    pub fn new(plan: &Plan, numbers: usize, tables: &mut dyn Tables) -> Self {
        let last = u16::try_from(numbers).unwrap_or(u16::MAX);
        let mut this = Self {
            free: (Adjacencies::FIRST_FREE..last).collect(),
            ..Self::default()
        };
        let ids = (0..).map(InterfaceId);
        for (id, interface) in ids.zip(&plan.interfaces) {
            for own in &interface.own {
                this.connect(id, own, tables);
            }
        }
        for route in &plan.routes {
            this.route(route, tables);
        }
        let virtuals = plan.routers.iter().flat_map(|r| &r.settings.addresses);
        for &address in virtuals {
            this.make_local(address, tables);
        }
        this
    }

    fn connect(&mut self, interface: InterfaceId, own: &Prefix, tables: &mut dyn Tables) {
        self.make_local(own.address(), tables);
        if is_link_local(own.address()) || own.length() == whole(own.address()) {
            return;
        }
        let prefix = Known {
            prefix: *own,
            via: None,
            interface,
        };
        self.routes.push(prefix);
        let Some(number) = self.free.pop_front() else {
            self.refused += 1;
            return;
        };
        let InterfaceId(out) = interface;
        tables.set(number, Adjacency::Connected { interface: out });
        self.add(network(own), own.length(), number, tables);
        if let Some(broadcast) = own.broadcast()
            && let Some(discard) = self.free.pop_front()
        {
            tables.set(discard, Adjacency::Discard);
            for ip in [IpAddr::V4(broadcast), network(own)] {
                self.add(ip, 32, discard, tables);
            }
        }
    }

    fn make_local(&mut self, ip: IpAddr, tables: &mut dyn Tables) {
        if is_link_local(ip) || self.local.contains(&ip) {
            return;
        }
        self.local.push(ip);
        self.add(ip, whole(ip), Adjacencies::LOCAL, tables);
    }

    fn route(&mut self, route: &twinline_l3::Route, tables: &mut dyn Tables) {
        self.routes.push(Known {
            prefix: route.prefix,
            via: Some(route.via),
            interface: route.interface,
        });
        let key = (route.interface, route.via);
        let number = match self.hops.get_mut(&key) {
            Some(hop) => {
                hop.routed = true;
                Some(hop.number)
            }
            None => self.number(key, true),
        };
        let Some(number) = number else {
            self.refused += 1;
            return;
        };
        let InterfaceId(interface) = route.interface;
        tables.set(number, Adjacency::Unresolved { interface });
        self.add(
            network(&route.prefix),
            route.prefix.length(),
            number,
            tables,
        );
    }

    fn number(&mut self, key: (InterfaceId, IpAddr), routed: bool) -> Option<u16> {
        let number = self.free.pop_front()?;
        let hop = Hop {
            number,
            routed,
            host_route: false,
        };
        self.hops.insert(key, hop);
        self.by_number.insert(number, key);
        Some(number)
    }

    fn add(&mut self, ip: IpAddr, length: u8, number: u16, tables: &mut dyn Tables) -> bool {
        let done = tables.add(ip, length, number);
        self.refused += u64::from(!done);
        done
    }

    /// A neighbour's MAC address is known, or is not any more.
    pub fn neighbour(
        &mut self,
        interface: InterfaceId,
        ip: IpAddr,
        mac: Option<Mac>,
        tables: &mut dyn Tables,
    ) {
        let key = (interface, ip);
        match mac {
            Some(mac) => self.resolved(key, mac, tables),
            None => self.lost(key, tables),
        }
    }

    fn resolved(&mut self, key: (InterfaceId, IpAddr), mac: Mac, tables: &mut dyn Tables) {
        let (InterfaceId(interface), ip) = key;
        // Where it is no next hop of a route, it is one for itself alone, on a connected prefix.
        let connected = !is_link_local(ip) && !self.local.contains(&ip) && self.connected(key);
        let number = match self.hops.get(&key) {
            Some(hop) => hop.number,
            None if connected => match self.number(key, false) {
                Some(number) => number,
                None => {
                    self.refused += 1;
                    return;
                }
            },
            None => return,
        };
        let mac = mac.0;
        tables.set(number, Adjacency::Resolved { interface, mac });
        let has_route = self.hops.get(&key).is_some_and(|hop| hop.host_route);
        if connected && !has_route {
            let done = self.add(ip, whole(ip), number, tables);
            if let Some(hop) = self.hops.get_mut(&key) {
                hop.host_route = done;
            }
        }
    }

    fn lost(&mut self, key: (InterfaceId, IpAddr), tables: &mut dyn Tables) {
        let (InterfaceId(interface), ip) = key;
        let Some(hop) = self.hops.get_mut(&key) else {
            return;
        };
        let number = hop.number;
        if std::mem::take(&mut hop.host_route) {
            tables.remove(ip, whole(ip));
        }
        if hop.routed {
            tables.set(number, Adjacency::Unresolved { interface });
            return;
        }
        // For a worker that has just looked it up: the packet's destination is the next hop.
        tables.set(number, Adjacency::Connected { interface });
        self.hops.remove(&key);
        self.by_number.remove(&number);
        self.free.push_back(number);
    }

    fn connected(&self, (interface, ip): (InterfaceId, IpAddr)) -> bool {
        let mut on = self.routes.iter();
        on.any(|r| r.via.is_none() && r.interface == interface && r.prefix.contains(ip))
    }

    /// The next hop behind a number, for a packet to this destination.
    #[must_use]
    pub fn next_hop(&self, number: u16, destination: IpAddr) -> IpAddr {
        self.by_number
            .get(&number)
            .map_or(destination, |&(_, ip)| ip)
    }

    /// The way to a destination by the longest prefix: the interface and the next hop.
    #[must_use]
    pub fn way_to(&self, destination: IpAddr) -> Option<(InterfaceId, IpAddr)> {
        let fits = self
            .routes
            .iter()
            .filter(|r| r.prefix.contains(destination));
        let best = fits.max_by_key(|r| r.prefix.length())?;
        Some((best.interface, best.via.unwrap_or(destination)))
    }

    /// Static and connected routes.
    pub fn routes(&self) -> impl Iterator<Item = &Known> {
        self.routes.iter()
    }

    /// Numbers that are free.
    #[must_use]
    pub fn free(&self) -> usize {
        self.free.len()
    }
}
