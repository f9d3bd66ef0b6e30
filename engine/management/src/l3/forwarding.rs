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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::l3::plan::Interface;
    use std::collections::BTreeMap;

    /// Tables that look up by trying each prefix.
    #[derive(Default)]
    struct Model {
        prefixes: BTreeMap<(IpAddr, u8), u16>,
        numbers: BTreeMap<u16, Adjacency>,
        full: bool,
    }

    impl Tables for Model {
        fn add(&mut self, ip: IpAddr, length: u8, number: u16) -> bool {
            if !self.full {
                self.prefixes.insert((ip, length), number);
            }
            !self.full
        }

        fn remove(&mut self, ip: IpAddr, length: u8) {
            assert!(self.prefixes.remove(&(ip, length)).is_some(), "{ip}");
        }

        fn set(&mut self, number: u16, adjacency: Adjacency) {
            assert!(number >= Adjacencies::FIRST_FREE);
            self.numbers.insert(number, adjacency);
        }
    }

    impl Model {
        fn lookup(&self, to: &str) -> (u16, Adjacency) {
            let to: IpAddr = to.parse().unwrap();
            let fits = self
                .prefixes
                .iter()
                .filter(|((ip, length), _)| Prefix::new(*ip, *length).unwrap().contains(to));
            let best = fits.max_by_key(|((_, length), _)| *length);
            let number = best.map_or(0, |(_, number)| *number);
            let adjacency = match number {
                Adjacencies::NO_ROUTE => Adjacency::None,
                Adjacencies::LOCAL => Adjacency::Local,
                number => self.numbers[&number],
            };
            (number, adjacency)
        }

        fn adjacency(&self, to: &str) -> Adjacency {
            self.lookup(to).1
        }
    }

    const LAN: InterfaceId = InterfaceId(0);
    const WAN: InterfaceId = InterfaceId(1);
    const MAC: Mac = Mac([2, 0, 0, 0, 0, 9]);

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn prefix(text: &str) -> Prefix {
        let (address, length) = text.split_once('/').unwrap();
        Prefix::new(ip(address), length.parse().unwrap()).unwrap()
    }

    fn plan(routes: &[(&str, &str, InterfaceId)]) -> Plan {
        let interface = |own: &[&str], port| Interface {
            name: format!("i{port}"),
            port,
            vlan: None,
            mac: Mac([2, 0, 0, 0, 0, 1]),
            mtu: 1500,
            own: own.iter().map(|own| prefix(own)).collect(),
            kernel: None,
            digest: 0,
        };
        Plan {
            interfaces: vec![
                interface(&["192.0.2.2/24", "2001:db8::2/64", "fe80::2/64"], 0),
                interface(&["198.51.100.2/31"], 1),
            ],
            routes: routes
                .iter()
                .map(|&(to, via, interface)| twinline_l3::Route {
                    prefix: prefix(to),
                    via: ip(via),
                    interface,
                })
                .collect(),
            routers: Vec::new(),
            forwarding: true,
            limits: twinline_l3::Limits::default(),
        }
    }

    fn resolved(InterfaceId(interface): InterfaceId) -> Adjacency {
        Adjacency::Resolved {
            interface,
            mac: MAC.0,
        }
    }

    #[test]
    fn what_is_connected_is_local_discarded_or_asked_for() {
        let mut model = Model::default();
        let plan = plan(&[]);
        let numbers = Forwarding::numbers(&plan);
        Forwarding::new(&plan, numbers, &mut model);
        for local in ["192.0.2.2", "2001:db8::2", "198.51.100.2"] {
            assert_eq!(model.adjacency(local), Adjacency::Local, "{local}");
        }
        for nobody in ["192.0.2.0", "192.0.2.255"] {
            assert_eq!(model.adjacency(nobody), Adjacency::Discard, "{nobody}");
        }
        let lan = Adjacency::Connected { interface: 0 };
        assert_eq!(model.adjacency("192.0.2.9"), lan);
        assert_eq!(model.adjacency("2001:db8::9"), lan);
        // RFC 3021: a /31 has no broadcast address.
        let wan = Adjacency::Connected { interface: 1 };
        assert_eq!(model.adjacency("198.51.100.3"), wan);
        assert_eq!(model.adjacency("203.0.113.1"), Adjacency::None);
        assert_eq!(model.adjacency("fe80::9"), Adjacency::None, "of each link");
    }

    #[test]
    fn item_40_virtual_addresses_are_local_whether_held_or_not() {
        let mut model = Model::default();
        let mut plan = plan(&[]);
        let vrid = twinline_wire::vrrp::Vrid::new(1).unwrap();
        let interval = twinline_wire::vrrp::Interval::from_centis(10).unwrap();
        plan.routers.push(crate::l3::plan::VirtualRouter {
            name: "gw".into(),
            interface: LAN,
            settings: twinline_vrrp::Settings::new(
                vrid,
                interval,
                ip("192.0.2.2"),
                vec![ip("192.0.2.1")],
            ),
        });
        Forwarding::new(&plan, 1000, &mut model);
        assert_eq!(model.adjacency("192.0.2.1"), Adjacency::Local);
    }

    #[test]
    fn neighbours_come_and_go() {
        let mut model = Model::default();
        let mut forwarding = Forwarding::new(&plan(&[]), 1000, &mut model);
        let free = forwarding.free();
        let neighbour = ip("192.0.2.9");
        forwarding.neighbour(LAN, neighbour, Some(MAC), &mut model);
        let (number, adjacency) = model.lookup("192.0.2.9");
        assert_eq!(adjacency, resolved(LAN));
        assert_eq!(forwarding.next_hop(number, ip("1.1.1.1")), neighbour);
        // Heard again, and with another MAC address: the same number.
        forwarding.neighbour(LAN, neighbour, Some(MAC), &mut model);
        assert_eq!(
            (model.lookup("192.0.2.9").0, forwarding.free()),
            (number, free - 1)
        );
        forwarding.neighbour(LAN, neighbour, None, &mut model);
        assert_eq!(
            model.adjacency("192.0.2.9"),
            Adjacency::Connected { interface: 0 }
        );
        // A worker that looked it up a moment ago asks for the destination.
        assert_eq!(
            model.numbers[&number],
            Adjacency::Connected { interface: 0 }
        );
        assert_eq!(
            forwarding.next_hop(number, ip("192.0.2.77")),
            ip("192.0.2.77")
        );
        assert_eq!(forwarding.free(), free);
        // The number is the last to be used again.
        assert_eq!(forwarding.free.back(), Some(&number));
        forwarding.neighbour(LAN, neighbour, None, &mut model);
    }

    #[test]
    fn whoever_is_on_no_network_of_ours_gets_no_route() {
        let mut model = Model::default();
        let mut forwarding = Forwarding::new(&plan(&[]), 1000, &mut model);
        let before = model.prefixes.clone();
        // Of another interface's network, link-local, our own: none is a way for others' packets.
        for (on, who) in [(WAN, "192.0.2.9"), (LAN, "fe80::9"), (LAN, "192.0.2.2")] {
            forwarding.neighbour(on, ip(who), Some(MAC), &mut model);
            assert_eq!(model.prefixes, before, "{who}");
        }
    }

    #[test]
    fn routes_share_a_next_hop_that_keeps_its_number() {
        let mut model = Model::default();
        let routes = [
            ("0.0.0.0/0", "192.0.2.9", LAN),
            ("203.0.113.7/24", "192.0.2.9", LAN),
            ("::/0", "fe80::9", LAN),
        ];
        let mut forwarding = Forwarding::new(&plan(&routes), 1000, &mut model);
        let free = forwarding.free();
        let unresolved = Adjacency::Unresolved { interface: 0 };
        let (number, adjacency) = model.lookup("8.8.8.8");
        assert_eq!(adjacency, unresolved);
        assert_eq!(model.lookup("203.0.113.1"), (number, unresolved));
        assert_eq!(forwarding.next_hop(number, ip("8.8.8.8")), ip("192.0.2.9"));
        let (six, _) = model.lookup("2001:db8:9::1");
        assert_eq!(forwarding.next_hop(six, ip("2001:db8:9::1")), ip("fe80::9"));

        forwarding.neighbour(LAN, ip("192.0.2.9"), Some(MAC), &mut model);
        forwarding.neighbour(LAN, ip("fe80::9"), Some(MAC), &mut model);
        for to in ["8.8.8.8", "203.0.113.1", "192.0.2.9", "2001:db8:9::1"] {
            assert_eq!(model.adjacency(to), resolved(LAN), "{to}");
        }
        forwarding.neighbour(LAN, ip("192.0.2.9"), None, &mut model);
        assert_eq!(model.lookup("8.8.8.8"), (number, unresolved));
        assert_eq!(
            model.adjacency("192.0.2.9"),
            Adjacency::Connected { interface: 0 }
        );
        assert_eq!(forwarding.free(), free);
    }

    #[test]
    fn the_slow_way_is_the_longest_prefix() {
        let mut model = Model::default();
        let routes = [
            ("0.0.0.0/0", "192.0.2.9", LAN),
            ("203.0.113.0/24", "198.51.100.3", WAN),
        ];
        let forwarding = Forwarding::new(&plan(&routes), 1000, &mut model);
        let way = |to| forwarding.way_to(ip(to));
        assert_eq!(way("8.8.8.8"), Some((LAN, ip("192.0.2.9"))));
        assert_eq!(way("203.0.113.1"), Some((WAN, ip("198.51.100.3"))));
        assert_eq!(way("192.0.2.77"), Some((LAN, ip("192.0.2.77"))));
        assert_eq!(way("2001:db9::1"), None);
    }

    #[test]
    fn tables_without_room_are_counted_and_break_nothing() {
        let mut model = Model::default();
        let plan = plan(&[]);
        let mut forwarding = Forwarding::new(&plan, 1000, &mut model);
        model.full = true;
        forwarding.neighbour(LAN, ip("192.0.2.9"), Some(MAC), &mut model);
        assert_eq!(forwarding.refused, 1);
        // It never had a route: none is removed.
        forwarding.neighbour(LAN, ip("192.0.2.9"), None, &mut model);
        // No numbers at all.
        let mut model = Model::default();
        let mut none = Forwarding::new(&plan, 2, &mut model);
        none.neighbour(LAN, ip("192.0.2.9"), Some(MAC), &mut model);
        assert!(none.refused > 0);
    }
}
