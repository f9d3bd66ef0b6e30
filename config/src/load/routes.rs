//! `[[route]]`: static routes, and the interfaces that they go through.

use super::l3::{ReadInterface, find, unicast_ip};
use super::virtual_routers::ReadRouter;
use super::{Reader, name};
use crate::l3::{Prefix, Route, is_link_local};
use crate::read::{Section, Spot, Val};
use crate::schema::MAX_ROUTES;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

struct ReadRoute {
    prefix: Val<Option<Prefix>>,
    via: Val<Option<IpAddr>>,
    interface: Val<Option<String>>,
}

impl Reader<'_, '_> {
    /// The valid routes, each with its interface.
    pub(super) fn routes(
        &mut self,
        root: &Section<'_, '_>,
        interfaces: &[ReadInterface],
        routers: &[ReadRouter],
    ) -> Vec<Route> {
        let sections = root.each(self.sink, "route", MAX_ROUTES);
        let mut seen: HashMap<Prefix, usize> = HashMap::new();
        let mut out = Vec::new();
        for s in &sections {
            let read = ReadRoute {
                prefix: s.text(self.sink, "route.prefix", destination),
                via: s.text(self.sink, "route.via", unicast_ip),
                interface: s.text(self.sink, "route.interface", name),
            };
            if let (Some(prefix), Some(at)) = (read.prefix.some(), read.prefix.at.as_ref()) {
                self.check_prefix(prefix, at, interfaces, routers);
                if let Some(first) = seen.get(prefix) {
                    let problem = format!("has a route already, on line {first}");
                    self.sink.contradiction("route.prefix", Some(at), problem);
                } else {
                    seen.insert(*prefix, at.line);
                }
            }
            self.interface_exists("route.interface", &read.interface, interfaces);
            out.extend(self.next_hop(&read, interfaces, routers));
        }
        out
    }

    fn check_prefix(
        &mut self,
        prefix: &Prefix,
        at: &Spot,
        interfaces: &[ReadInterface],
        routers: &[ReadRouter],
    ) {
        let ours = |address: IpAddr| {
            interfaces.iter().any(|i| i.interface.owns(address))
                || routers
                    .iter()
                    .any(|r| r.router.addresses.contains(&address))
        };
        if prefix.is_host() && ours(prefix.address()) {
            let problem = "is an address of this instance: it needs no route";
            self.sink.contradiction("route.prefix", Some(at), problem);
            return;
        }
        let connected = interfaces.iter().find(|i| {
            i.addresses.v.iter().any(|(own, _)| {
                own.network() == prefix.network() && own.length() == prefix.length()
            })
        });
        if let Some(i) = connected {
            let problem = format!(
                "is a network of the interface {}: it needs no route",
                i.interface.name
            );
            self.sink.contradiction("route.prefix", Some(at), problem);
        }
    }

    fn next_hop(
        &mut self,
        read: &ReadRoute,
        interfaces: &[ReadInterface],
        routers: &[ReadRouter],
    ) -> Option<Route> {
        let via = *read.via.some()?;
        let at = read.via.at.as_ref();
        if let Some(prefix) = read.prefix.some()
            && prefix.address().is_ipv4() != via.is_ipv4()
        {
            let problem = format!("is not of the family of route.prefix {prefix}");
            self.sink.contradiction("route.via", at, problem);
            return None;
        }
        let named = find(interfaces, read.interface.some());
        if read.interface.given() && named.is_none() {
            return None;
        }
        let interface = if is_link_local(via) {
            if named.is_none() {
                let problem = "is link-local: route.interface is needed";
                self.sink.contradiction("route.via", at, problem);
            }
            named?
        } else {
            let mut candidates = interfaces
                .iter()
                .filter(|i| named.is_none_or(|named| std::ptr::eq(*i, named)));
            let Some(found) = candidates.find(|i| i.network_of(via).is_some()) else {
                let problem = match named {
                    Some(named) => {
                        format!("is on no network of the interface {}", named.interface.name)
                    }
                    None => "is on no network of an interface".to_owned(),
                };
                self.sink.reject("route.via", at, problem);
                return None;
            };
            found
        };
        let name = &interface.interface.name;
        if interface.interface.owns(via) {
            let problem = format!("is an own address of the interface {name}");
            self.sink.contradiction("route.via", at, problem);
        } else if let Some(router) = routers
            .iter()
            .find(|r| r.router.interface == *name && r.router.addresses.contains(&via))
        {
            let problem = format!(
                "is an address of the virtual router {}: packets would be sent to ourselves",
                router.router.name
            );
            self.sink.contradiction("route.via", at, problem);
        }
        Some(Route {
            prefix: *read.prefix.some()?,
            via,
            interface: name.clone(),
        })
    }
}

/// Where packets can be forwarded to: no bits behind the prefix, and not a network whose packets
/// never leave their link.
fn destination(text: &str) -> Result<Prefix, &'static str> {
    let prefix: Prefix = text.parse()?;
    if prefix.network() != prefix.address() {
        return Err("has bits behind the prefix");
    }
    let on_the_link = match prefix.network() {
        _ if prefix.length() == 0 => false,
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_link_local() || v4 >= FIRST_MULTICAST,
        IpAddr::V6(v6) => v6.is_multicast() || v6.is_unicast_link_local() || v6.is_loopback(),
    };
    if on_the_link {
        return Err("is no network that packets are forwarded to");
    }
    Ok(prefix)
}

/// Here multicast begins, and behind it what is reserved.
const FIRST_MULTICAST: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 0);
