//! `[[virtual_router]]`: what RFC 9568 and RFC 3768 ask of its keys, and what they must agree on
//! with the interface.

use super::l3::{ReadInterface, element, find, special, unicast_ip};
use super::{Reader, Seen, name, small};
use crate::l3::{Checksum, Version, VirtualRouter, is_link_local};
use crate::read::{Section, Spot, Val};
use crate::schema::MAX_VIRTUAL_ROUTERS;
use crate::types::{Ha, Mode};
use std::collections::HashMap;
use std::net::IpAddr;

/// The priority of a primary instance for which none is given.
const PRIMARY: u8 = 150;
/// That of the others (RFC 9568, section 6.1).
const DEFAULT: u8 = 100;
/// The longest interval of version 3: twelve bits of centiseconds (RFC 9568, section 5.2.7).
const MAX_INTERVAL_V3_MS: i64 = 40_950;

pub(super) struct ReadRouter {
    pub(super) router: VirtualRouter,
    name: Val<Option<String>>,
    interface: Val<Option<String>>,
    vrid: Val<i64>,
    version: Val<i64>,
    addresses: Val<Vec<(IpAddr, Spot)>>,
    priority: Val<i64>,
    interval: Val<i64>,
    checksum: Val<Option<&'static str>>,
    peers: Val<Vec<(IpAddr, Spot)>>,
}

impl Reader<'_, '_> {
    pub(super) fn virtual_routers(
        &mut self,
        root: &Section<'_, '_>,
        interfaces: &[ReadInterface],
        ha: &Ha,
    ) -> Vec<ReadRouter> {
        let sections = root.each(self.sink, "virtual_router", MAX_VIRTUAL_ROUTERS);
        let routers: Vec<ReadRouter> = sections
            .iter()
            .map(|s| self.virtual_router(s, ha.primary))
            .collect();
        let mut names = Seen::default();
        let mut ids = HashMap::new();
        let mut taken = HashMap::new();
        for r in &routers {
            let (whose, at) = ("another virtual router", r.name.at.as_ref());
            names.check(self.sink, "virtual_router.name", whose, r.name.some(), at);
            self.interface_exists("virtual_router.interface", &r.interface, interfaces);
            self.check_family(r);
            self.check_interval(r);
            self.check_id(r, &mut ids);
            self.check_taken_addresses(r, &mut taken);
            self.check_peers(r);
            if let Some(interface) = find(interfaces, r.interface.some()) {
                self.check_on_interface(r, interface);
                self.check_owner(r, interface, ha.mode);
                self.check_elsewhere(r, interface, interfaces);
            }
        }
        routers
    }

    fn virtual_router(&mut self, s: &Section<'_, '_>, primary: bool) -> ReadRouter {
        let sink = &mut *self.sink;
        let name = s.text(sink, "virtual_router.name", name);
        let interface = s.text(sink, "virtual_router.interface", crate::load::name);
        let vrid = s.int(sink, "virtual_router.vrid");
        let version = s.int(sink, "virtual_router.version");
        let mut addresses = s.list(sink, "virtual_router.addresses", |value| {
            Ok(unicast_ip(element(value)?)?)
        });
        let priority = s.int(sink, "virtual_router.priority");
        let interval = s.int(sink, "virtual_router.interval_ms");
        let preempt = s.flag(sink, "virtual_router.preempt");
        let preempt_delay = s.int(sink, "virtual_router.preempt_delay_s");
        let accept = s.flag(sink, "virtual_router.accept");
        let checksum = s.choice(sink, "virtual_router.checksum");
        let peers = s.list(sink, "virtual_router.peers", |value| {
            Ok(unicast_ip(element(value)?)?)
        });
        let count = s.int(sink, "virtual_router.announce_count");
        let every = s.int(sink, "virtual_router.announce_every_ms");
        self.refuse_empty("virtual_router.addresses", &mut addresses);
        let router = VirtualRouter {
            name: name.v.clone().unwrap_or_default(),
            interface: interface.v.clone().unwrap_or_default(),
            vrid: small(vrid.v),
            version: if version.v == 2 {
                Version::V2
            } else {
                Version::V3
            },
            addresses: addresses.v.iter().map(|(address, _)| *address).collect(),
            priority: match (priority.at.is_some(), primary) {
                (true, _) => small(priority.v),
                (false, true) => PRIMARY,
                (false, false) => DEFAULT,
            },
            interval_ms: small(interval.v),
            preempt: preempt.v,
            preempt_delay_s: small(preempt_delay.v),
            accept: accept.v,
            checksum: match checksum.v {
                Some("rfc9568") => Checksum::Rfc9568,
                Some("pseudo-header") => Checksum::PseudoHeader,
                _ => Checksum::Any,
            },
            peers: peers.v.iter().map(|(peer, _)| *peer).collect(),
            announce_count: small(count.v),
            announce_every_ms: small(every.v),
        };
        ReadRouter {
            router,
            name,
            interface,
            vrid,
            version,
            addresses,
            priority,
            interval,
            checksum,
            peers,
        }
    }

    /// Addresses of one family, over IPv6 a link-local one first, and not with version 2.
    fn check_family(&mut self, r: &ReadRouter) {
        const KEY: &str = "virtual_router.addresses";
        let Some((first, at)) = r.addresses.v.first() else {
            return;
        };
        for (index, (address, at)) in r.addresses.v.iter().enumerate() {
            if address.is_ipv4() != first.is_ipv4() {
                let problem = format!(
                    "is not of the family of {first}: IPv4 and IPv6 are two virtual routers, which \
                     may have one vrid"
                );
                self.sink.contradiction(KEY, Some(at), problem);
            }
            let mut before = r.addresses.v.iter().take(index);
            if before.any(|(other, _)| other == address) {
                self.sink
                    .contradiction(KEY, Some(at), "is in the list twice");
            }
        }
        if first.is_ipv4() {
            return;
        }
        // valid ones may stand behind a faulty first
        if r.addresses.ok && !is_link_local(*first) {
            self.sink.reject(KEY, Some(at), "is not link-local");
        }
        if r.version.ok && r.version.v == 2 {
            let problem = "version 2 is for IPv4 only, and the addresses are IPv6";
            let at = r.version.at.as_ref();
            self.sink
                .contradiction("virtual_router.version", at, problem);
        }
        self.warn_of_checksum(r, "the addresses are IPv6");
    }

    fn check_interval(&mut self, r: &ReadRouter) {
        let two = r.version.v == 2;
        if two {
            self.warn_of_checksum(r, "version 2 has one rule only");
        }
        if !r.interval.ok || !r.version.ok {
            return;
        }
        let ms = r.interval.v;
        let (problem, accepted) = if two && ms % 1000 != 0 {
            ("is not whole seconds", "1000 to 255000, in steps of 1000")
        } else if !two && ms > MAX_INTERVAL_V3_MS {
            ("is out of range", "10 to 40950, in steps of 10")
        } else if ms % 10 != 0 {
            ("is not whole centiseconds", "10 to 40950, in steps of 10")
        } else {
            return;
        };
        let at = r.interval.at.as_ref();
        let (line, written) = (at.map(|a| a.line), at.map(|a| a.written.clone()));
        let accepted = format!("{accepted} with version {}", r.version.v);
        let key = "virtual_router.interval_ms";
        self.sink.error(key, line, written, problem, Some(accepted));
    }

    fn warn_of_checksum(&mut self, r: &ReadRouter, why: &str) {
        if r.checksum.ok && r.router.checksum != Checksum::Any {
            let at = r.checksum.at.as_ref();
            let message = format!("is not used: {why}");
            self.sink.warn("virtual_router.checksum", at, message);
        }
    }

    /// (interface, vrid, family) once.
    fn check_id(&mut self, r: &ReadRouter, ids: &mut HashMap<(String, i64, bool), usize>) {
        let (Some(interface), true, Some(at)) = (r.interface.some(), r.vrid.ok, r.vrid.at.as_ref())
        else {
            return;
        };
        let Some((first, _)) = r.addresses.v.first() else {
            return;
        };
        let id = (interface.clone(), r.vrid.v, first.is_ipv6());
        if let Some(line) = ids.get(&id) {
            let family = if first.is_ipv6() { "IPv6" } else { "IPv4" };
            let problem = format!(
                "is used by another virtual router with {family} on the interface {interface} \
                 already, on line {line}"
            );
            self.sink
                .contradiction("virtual_router.vrid", Some(at), problem);
        } else {
            ids.insert(id, at.line);
        }
    }

    /// An address in one virtual router only; link-local ones once on each interface.
    fn check_taken_addresses(
        &mut self,
        r: &ReadRouter,
        taken: &mut HashMap<(IpAddr, Option<String>), usize>,
    ) {
        let mut own = Vec::new();
        for (address, at) in &r.addresses.v {
            let scope = is_link_local(*address).then(|| r.router.interface.clone());
            let place = (*address, scope);
            if let Some(line) = taken.get(&place) {
                let problem =
                    format!("is an address of another virtual router already, on line {line}");
                self.sink
                    .contradiction("virtual_router.addresses", Some(at), problem);
            }
            own.push((place, at.line));
        }
        for (place, line) in own {
            taken.entry(place).or_insert(line);
        }
    }

    fn check_peers(&mut self, r: &ReadRouter) {
        const KEY: &str = "virtual_router.peers";
        for (index, (peer, at)) in r.peers.v.iter().enumerate() {
            if let Some((first, _)) = r.addresses.v.first()
                && first.is_ipv4() != peer.is_ipv4()
            {
                let problem = format!("is not of the family of virtual_router.addresses {first}");
                self.sink.contradiction(KEY, Some(at), problem);
            } else if peer.is_ipv6() && !is_link_local(*peer) {
                // the source of adverts over IPv6 (RFC 9568, section 5.1.2.1)
                self.sink.reject(KEY, Some(at), "is not link-local");
            }
            if r.router.addresses.contains(peer) {
                let problem = "is one of virtual_router.addresses: a peer's own address is needed";
                self.sink.contradiction(KEY, Some(at), problem);
            }
            if r.peers.v.iter().take(index).any(|(other, _)| other == peer) {
                self.sink
                    .contradiction(KEY, Some(at), "is in the list twice");
            }
        }
    }

    /// What the interface's own addresses have to say.
    fn check_on_interface(&mut self, r: &ReadRouter, i: &ReadInterface) {
        let name = &i.interface.name;
        for (peer, at) in &r.peers.v {
            if i.interface.owns(*peer) {
                let problem = format!("is an own address of the interface {name}");
                self.sink
                    .contradiction("virtual_router.peers", Some(at), problem);
            } else if peer.is_ipv4() && i.addresses.ok && i.network_of(*peer).is_none() {
                // adverts never pass a router: their TTL says so
                let problem = format!("is on no network of the interface {name}");
                self.sink.reject("virtual_router.peers", Some(at), problem);
            }
        }
        let ipv4 = r.addresses.v.iter().any(|(address, _)| address.is_ipv4());
        if ipv4 && i.addresses.ok && i.interface.primary_v4().is_none() {
            let problem = format!(
                "the interface {name} has no IPv4 address, from which adverts would be sent"
            );
            let at = r.interface.at.as_ref();
            self.sink
                .contradiction("virtual_router.interface", at, problem);
            return;
        }
        for (address, at) in &r.addresses.v {
            let owns = i.interface.owns(*address);
            let network = i.network_of(*address);
            if let Some(what) = network.and_then(|network| special(&network, *address)) {
                let problem = format!("is {what} of a network of the interface {name}");
                self.sink
                    .contradiction("virtual_router.addresses", Some(at), problem);
            } else if network.is_none() && !owns && !is_link_local(*address) && i.addresses.ok {
                let message = format!(
                    "{address} is on no network of the interface {name}: hosts there would not ask \
                     for it"
                );
                self.sink
                    .warn("virtual_router.addresses", Some(at), message);
            }
        }
    }

    /// Priority 255 is the owner's: of the router that has the addresses as its own (RFC 9568,
    /// section 5.2.4). Where a role moves, nobody is.
    fn check_owner(&mut self, r: &ReadRouter, i: &ReadInterface, mode: Mode) {
        if !r.priority.ok || !i.addresses.ok {
            return;
        }
        let name = &i.interface.name;
        let at = r.priority.at.as_ref();
        if r.router.priority == VirtualRouter::OWNER {
            let strange = r.router.addresses.iter().find(|a| !i.interface.owns(**a));
            if let Some(strange) = strange {
                let problem = format!(
                    "is the owner's priority, and {strange} is no own address of the interface \
                     {name}"
                );
                let (line, written) = (at.map(|a| a.line), at.map(|a| a.written.clone()));
                let accepted = Some("1 to 254".to_owned());
                self.sink
                    .error("virtual_router.priority", line, written, problem, accepted);
            } else if mode == Mode::ActivePassive {
                let problem = "is the owner's priority, which never gives way; with ha.mode = \
                    \"active-passive\" the role decides: take addresses that are nobody's own, and \
                    1 to 254";
                self.sink
                    .contradiction("virtual_router.priority", at, problem);
            }
        } else if let Some((owned, at)) = r
            .addresses
            .v
            .iter()
            .find(|(address, _)| i.interface.owns(*address))
        {
            let problem = format!(
                "{owned} is an own address of the interface {name}: only with \
                 virtual_router.priority = 255, and when all of them are"
            );
            self.sink
                .contradiction("virtual_router.addresses", Some(at), problem);
        }
    }

    /// No address is the own one of another interface.
    fn check_elsewhere(&mut self, r: &ReadRouter, i: &ReadInterface, all: &[ReadInterface]) {
        for (address, at) in &r.addresses.v {
            let other = all.iter().find(|other| {
                !std::ptr::eq(*other, i)
                    && !is_link_local(*address)
                    && other.interface.owns(*address)
            });
            if let Some(other) = other {
                let problem = format!(
                    "is an own address of the interface {}",
                    other.interface.name
                );
                self.sink
                    .contradiction("virtual_router.addresses", Some(at), problem);
            }
        }
    }
}
