//! `[l3]` and `[[interface]]`, and what they must agree on with ports and with each other.

use super::{ReadPair, ReadPort, Reader, Seen, interface, name, small};
use crate::devices::Vdev;
use crate::l3::{Interface, L3, Prefix, Route, is_link_local};
use crate::read::{Section, Spot, Val, a_type};
use crate::schema::MAX_INTERFACES;
use crate::types::{Device, Port};
use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use toml::de::DeValue;

/// The MTU of Ethernet (RFC 894).
const ETHERNET_MTU: u16 = 1500;
/// The least MTU of an interface: what every host takes (RFC 791, section 3.1).
const LEAST_MTU: u16 = 576;
/// The same with IPv6 (RFC 8200, section 5).
const LEAST_MTU_IPV6: u16 = 1280;
/// The largest that the schema takes.
const MOST_MTU: u16 = 9600;

pub(super) struct ReadInterface {
    pub(super) interface: Interface,
    pub(super) name: Val<Option<String>>,
    pub(super) addresses: Val<Vec<(Prefix, Spot)>>,
    port: Val<Option<String>>,
    vlan: Val<i64>,
    mtu: Val<i64>,
    kernel: Val<Option<String>>,
}

impl ReadInterface {
    /// The own network that `address` is in; host addresses have none.
    pub(super) fn network_of(&self, address: IpAddr) -> Option<Prefix> {
        let mut own = self.addresses.v.iter().map(|(own, _)| *own);
        own.find(|own| !own.is_host() && own.contains(address))
    }
}

/// The interfaces of that name; more than one is an error that has been noted.
pub(super) fn find<'i>(
    interfaces: &'i [ReadInterface],
    wanted: Option<&String>,
) -> Option<&'i ReadInterface> {
    interfaces
        .iter()
        .find(|i| wanted.is_some() && i.name.some() == wanted)
}

/// The ports that have interfaces.
pub(super) fn ports_of(interfaces: &[ReadInterface]) -> BTreeSet<&String> {
    interfaces.iter().filter_map(|i| i.port.some()).collect()
}

impl Reader<'_, '_> {
    pub(super) fn l3(&mut self, root: &Section<'_, '_>) -> L3 {
        let s = root.sub(self.sink, "l3");
        let ip_forward = s.flag(self.sink, "l3.ip_forward");
        let icmp = s.int(self.sink, "l3.icmp_per_second");
        let neighbours = s.int(self.sink, "l3.neighbours");
        let queue = s.int(self.sink, "l3.resolve_queue");
        let age = s.int(self.sink, "l3.neighbour_age_s");
        L3 {
            ip_forward: ip_forward.v,
            icmp_per_second: small(icmp.v),
            neighbours: small(neighbours.v),
            resolve_queue: small(queue.v),
            neighbour_age_s: small(age.v),
        }
    }

    pub(super) fn interfaces(&mut self, root: &Section<'_, '_>) -> Vec<ReadInterface> {
        let sections = root.each(self.sink, "interface", MAX_INTERFACES);
        sections.iter().map(|s| self.interface(s)).collect()
    }

    fn interface(&mut self, s: &Section<'_, '_>) -> ReadInterface {
        let name = s.text(self.sink, "interface.name", name);
        let port = s.text(self.sink, "interface.port", crate::load::name);
        let vlan = s.int(self.sink, "interface.vlan");
        let mut addresses = s.list(self.sink, "interface.addresses", own_address);
        let mtu = s.int(self.sink, "interface.mtu");
        let kernel = s.text(self.sink, "interface.kernel", interface);
        self.refuse_empty("interface.addresses", &mut addresses);
        ReadInterface {
            interface: Interface {
                name: name.v.clone().unwrap_or_default(),
                port: port.v.clone().unwrap_or_default(),
                vlan: vlan.at.is_some().then(|| small(vlan.v)),
                addresses: addresses.v.iter().map(|(own, _)| *own).collect(),
                // the default by `check_mtus`, when the ports are known
                mtu: small(mtu.v),
                kernel: kernel.v.clone(),
            },
            name,
            addresses,
            port,
            vlan,
            mtu,
            kernel,
        }
    }

    /// A list that has to have an element.
    pub(super) fn refuse_empty<T>(&mut self, key: &str, list: &mut Val<Vec<(T, Spot)>>) {
        if list.ok && list.v.is_empty() {
            self.sink.reject(key, list.at.as_ref(), "is empty");
            list.ok = false;
        }
    }

    /// Names, places on the ports and addresses are unique.
    pub(super) fn check_interfaces(
        &mut self,
        interfaces: &[ReadInterface],
        ports: &[ReadPort],
        pairs: &[ReadPair],
    ) {
        let mut names = Seen::default();
        let mut kernels = Seen::default();
        let mut places = HashMap::new();
        for i in interfaces {
            let whose = "another interface";
            let at = i.name.at.as_ref();
            names.check(self.sink, "interface.name", whose, i.name.some(), at);
            let at = i.kernel.at.as_ref();
            kernels.check(self.sink, "interface.kernel", whose, i.kernel.some(), at);
            self.check_kernel_name(i, ports);
            self.check_port(i, ports, pairs);
            self.check_place(i, &mut places);
        }
        self.check_own_addresses(interfaces);
    }

    /// The TAP device gets a name that no port sits on.
    fn check_kernel_name(&mut self, i: &ReadInterface, ports: &[ReadPort]) {
        let Some(wanted) = i.kernel.some() else {
            return;
        };
        let under = |port: &Port| match &port.device {
            Device::Vdev(vdev) => Vdev::kernel_interface(vdev).map(str::to_owned),
            Device::Pci(_) => None,
        };
        let taken = ports.iter().find(|p| {
            p.kernel_interface.some() == Some(wanted) || under(&p.port).as_ref() == Some(wanted)
        });
        if let Some(port) = taken {
            let problem = format!(
                "is the kernel's interface of the port {}: a name of its own is needed",
                port.port.name
            );
            let at = i.kernel.at.as_ref();
            self.sink.contradiction("interface.kernel", at, problem);
        }
    }

    fn check_port(&mut self, i: &ReadInterface, ports: &[ReadPort], pairs: &[ReadPair]) {
        let Some(wanted) = i.port.some() else { return };
        self.port_exists("interface.port", &i.port, ports);
        let pair = pairs
            .iter()
            .find(|p| p.pair.lan == *wanted || p.pair.wan == *wanted);
        if let Some(pair) = pair {
            let problem = format!("is in the link pair {}", pair.pair.name);
            self.sink
                .reject("interface.port", i.port.at.as_ref(), problem);
        }
    }

    /// Once untagged, and once for each VLAN.
    fn check_place(&mut self, i: &ReadInterface, places: &mut HashMap<(String, i64), usize>) {
        let (Some(port), Some(at), true) = (i.port.some(), i.port.at.as_ref(), i.vlan.ok) else {
            return;
        };
        let place = (port.clone(), i.vlan.v);
        let Some(first) = places.get(&place) else {
            places.insert(place, at.line);
            return;
        };
        match &i.vlan.at {
            Some(vlan) => {
                let problem = format!(
                    "the port {port} has an interface on this VLAN already, on line {first}"
                );
                self.sink
                    .contradiction("interface.vlan", Some(vlan), problem);
            }
            None => {
                let problem = format!(
                    "the port has an untagged interface already, on line {first}: give \
                     interface.vlan"
                );
                self.sink.contradiction("interface.port", Some(at), problem);
            }
        }
    }

    /// An address once, a network on one interface only: otherwise nobody knows where to send.
    fn check_own_addresses(&mut self, interfaces: &[ReadInterface]) {
        let mut before: Vec<(usize, Prefix, usize)> = Vec::new();
        for (index, i) in interfaces.iter().enumerate() {
            for (own, at) in &i.addresses.v {
                let local = is_link_local(own.address());
                let clash = before.iter().find(|(other, prefix, _)| {
                    let same_interface = *other == index;
                    if same_interface || local {
                        same_interface && prefix.address() == own.address()
                    } else {
                        !is_link_local(prefix.address()) && prefix.overlaps(own)
                    }
                });
                if let Some((other, prefix, line)) = clash {
                    let problem = if prefix.address() == own.address() {
                        format!("is an own address already, on line {line}")
                    } else {
                        let name = interfaces.get(*other).map(|i| i.interface.name.as_str());
                        format!(
                            "has addresses in common with {prefix} of the interface {}, on line \
                             {line}",
                            name.unwrap_or_default()
                        )
                    };
                    let key = "interface.addresses";
                    self.sink.contradiction(key, Some(at), problem);
                }
                before.push((index, *own, at.line));
            }
        }
    }

    /// Fills in the MTUs that are not given. `ipv6`: the interfaces that virtual routers and routes
    /// use with IPv6, beside those that have such an address.
    pub(super) fn check_mtus(
        &mut self,
        interfaces: &mut [ReadInterface],
        ports: &[ReadPort],
        ipv6: &BTreeSet<String>,
    ) {
        for i in interfaces {
            let own_v6 = i.addresses.v.iter().any(|(own, _)| own.address().is_ipv6());
            let (least, why) = if own_v6 || ipv6.contains(&i.interface.name) {
                (LEAST_MTU_IPV6, " for an interface with IPv6")
            } else {
                (LEAST_MTU, " for an interface")
            };
            let port = ports.iter().find(|p| p.name.some() == i.port.some());
            // 0 after a fault
            let of_port = port.and_then(|p| p.port.mtu).filter(|mtu| *mtu > 0);
            let most = of_port.unwrap_or(MOST_MTU);
            if of_port.is_some_and(|mtu| mtu < least) {
                let problem = format!("the port's mtu is {most}, too small{why}");
                let at = i.port.at.as_ref();
                let (line, written) = (at.map(|a| a.line), at.map(|a| a.written.clone()));
                let accepted = Some(format!("a port whose mtu is at least {least}"));
                self.sink
                    .error("interface.port", line, written, problem, accepted);
            } else if let Some(at) = i.mtu.at.as_ref().filter(|_| i.mtu.ok) {
                let mtu: u16 = small(i.mtu.v);
                let problem = if mtu < least {
                    format!("is too small{why}")
                } else if mtu > most {
                    "is more than the port's mtu".to_owned()
                } else {
                    continue;
                };
                let accepted = Some(format!("{least} to {most}"));
                let (line, written) = (Some(at.line), Some(at.written.clone()));
                self.sink
                    .error("interface.mtu", line, written, problem, accepted);
            }
            if i.mtu.at.is_none() {
                i.interface.mtu = of_port.unwrap_or(ETHERNET_MTU);
            }
        }
    }

    /// There is an interface of that name.
    pub(super) fn interface_exists(
        &mut self,
        key: &str,
        wanted: &Val<Option<String>>,
        interfaces: &[ReadInterface],
    ) {
        if wanted.some().is_none() || find(interfaces, wanted.some()).is_some() {
            return;
        }
        let mut known: Vec<&str> = interfaces
            .iter()
            .filter_map(|i| i.name.some().map(String::as_str))
            .collect();
        known.sort_unstable();
        known.dedup();
        let accepted = if known.is_empty() {
            "the name of an [[interface]]; there is none".to_owned()
        } else {
            format!("one of {}", known.join(", "))
        };
        let at = wanted.at.as_ref();
        let (line, written) = (at.map(|s| s.line), at.map(|s| s.written.clone()));
        let problem = "there is no such interface";
        self.sink.error(key, line, written, problem, Some(accepted));
    }
}

/// The interfaces towards next hops of IPv6.
pub(super) fn with_ipv6_routes(routes: &[Route]) -> impl Iterator<Item = String> {
    routes
        .iter()
        .filter(|route| route.via.is_ipv6())
        .map(|route| route.interface.clone())
}

/// The string that an element of a list has to be.
pub(super) fn element<'v>(value: &'v DeValue<'_>) -> Result<&'v str, String> {
    match value {
        DeValue::String(text) => Ok(text.as_ref()),
        other => Err(format!("must be a string, not {}", a_type(other))),
    }
}

/// An address that one host can have.
pub(super) fn unicast_ip(text: &str) -> Result<IpAddr, &'static str> {
    let address: IpAddr = text.parse().map_err(|_| "is not an IP address")?;
    if is_unicast(address) {
        Ok(address)
    } else {
        Err("is not unicast")
    }
}

fn is_unicast(address: IpAddr) -> bool {
    match address {
        // 0/8, 127/8, and 224/4 upwards (multicast, reserved, broadcast)
        IpAddr::V4(v4) => !matches!(v4.octets(), [0 | 127 | 224..=255, ..]),
        // IPv4 in IPv6 is never on a wire (RFC 4291, section 2.5.5)
        IpAddr::V6(v6) => {
            let mapped = v6.to_ipv4_mapped().is_some();
            !(v6 == Ipv6Addr::UNSPECIFIED
                || v6 == Ipv6Addr::LOCALHOST
                || mapped
                || v6.is_multicast())
        }
    }
}

fn own_address(value: &DeValue<'_>) -> Result<Prefix, String> {
    let own: Prefix = element(value)?.parse()?;
    if !is_unicast(own.address()) {
        return Err("is not unicast".into());
    }
    if own.length() == 0 {
        return Err("has a prefix length of 0".into());
    }
    match special(&own, own.address()) {
        Some(what) => Err(format!("is {what} of its network")),
        None => Ok(own),
    }
}

/// What `address` means to all of `network`: no host has it.
///
/// RFC 1122, section 3.2.1.3 (IPv4); the Subnet-Router anycast address of RFC 4291, section 2.6.1
/// (IPv6). Not in networks of one or two addresses (RFC 3021, RFC 6164).
pub(super) fn special(network: &Prefix, address: IpAddr) -> Option<&'static str> {
    let (all, length) = if address.is_ipv4() {
        (32, network.length())
    } else {
        (128, network.length())
    };
    if length + 1 >= all {
        return None;
    }
    if network.broadcast().map(IpAddr::from) == Some(address) {
        return Some("the broadcast address");
    }
    (network.network() == address).then_some("the first address")
}
