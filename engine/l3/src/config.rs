//! What a [`crate::Host`] is made from.

use std::net::IpAddr;
use std::time::Duration;

use twinline_wire::{Mac, ipv6};

use crate::{InterfaceId, Prefix};

/// One layer 3 interface: a port, or a VLAN of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceConfig {
    /// The port's own MAC address.
    pub mac: Mac,
    /// Bytes of the largest IP packet, 576 (1280 where there is an IPv6 address) to 65535.
    pub mtu: u16,
    /// The VLAN of its frames, 1 to 4094; `None` for untagged ones.
    pub vlan: Option<u16>,
    /// Own addresses, the instance's and not virtual. Where there is an IPv6 address, the list has a
    /// link-local one too ([`crate::prefix::link_local`] derives it).
    pub addresses: Vec<Prefix>,
    /// Whether it has an exception device: what is not answered here goes there.
    pub kernel: bool,
    /// Whether own IPv4 addresses are probed before they are used (RFC 5227, section 2.1.1). Own IPv6
    /// addresses always are (RFC 4862, section 5.4).
    pub probe_ipv4: bool,
}

/// A static route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where to.
    pub prefix: Prefix,
    /// The next hop, of the same family.
    pub via: IpAddr,
    /// Where the next hop is.
    pub interface: InterfaceId,
}

/// Bounds of what a host keeps and sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// ICMP and ICMPv6 errors per second, and as many echo replies, over all interfaces (RFC 1812,
    /// section 4.3.2.8; RFC 4443, section 2.4 f). 0 sends none.
    pub icmp_per_second: u32,
    /// Neighbours that are remembered, over all interfaces; at least 1.
    pub neighbours: usize,
    /// Packets that wait for one neighbour's MAC address; more push out the oldest (RFC 4861, section
    /// 7.2.2).
    pub resolve_queue: usize,
    /// Packets that wait for MAC addresses, over all neighbours.
    pub pending: usize,
    /// How long a neighbour counts as reachable after it has answered (RFC 4861, REACHABLE_TIME).
    pub neighbour_age: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            icmp_per_second: 1000,
            neighbours: 4096,
            resolve_queue: 4,
            pending: 1024,
            neighbour_age: Duration::from_secs(30),
        }
    }
}

/// What a host is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostConfig {
    /// The interfaces; [`InterfaceId`] is the index.
    pub interfaces: Vec<InterfaceConfig>,
    /// Static routes. Those of the interfaces' own prefixes are not among them.
    pub routes: Vec<Route>,
    /// Whether packets are forwarded between interfaces: what neighbour advertisements of own
    /// addresses say in R (RFC 4861, section 4.4).
    pub forwarding: bool,
    /// Bounds.
    pub limits: Limits,
}

/// Why no host can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// More interfaces than an [`InterfaceId`] counts.
    #[error("more than 65535 interfaces")]
    TooManyInterfaces,
    /// A MAC address that is no station's.
    #[error("interface {0}: MAC address is zero or a group")]
    Mac(usize),
    /// An MTU below what the families need.
    #[error("interface {0}: MTU is below 576, or below 1280 with IPv6")]
    Mtu(usize),
    /// A VLAN of no number.
    #[error("interface {0}: VLAN is not 1 to 4094")]
    Vlan(usize),
    /// An own address that nobody can have.
    #[error("interface {0}: an address is unspecified, loopback, multicast or broadcast")]
    Address(usize),
    /// IPv6 addresses without a link-local one.
    #[error("interface {0}: IPv6 needs a link-local address")]
    NoLinkLocal(usize),
    /// A route to an interface that there is not, or via an address of another family.
    #[error("route {0}: no such interface, or next hop of another family")]
    Route(usize),
    /// Room for no neighbour.
    #[error("limits: room for no neighbour")]
    NoNeighbours,
}

impl HostConfig {
    /// Whether a host can be made from it.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.interfaces.len() > usize::from(u16::MAX) {
            return Err(ConfigError::TooManyInterfaces);
        }
        for (at, interface) in self.interfaces.iter().enumerate() {
            interface.check(at)?;
        }
        for (at, route) in self.routes.iter().enumerate() {
            let known = usize::from(route.interface.0) < self.interfaces.len();
            if !known || route.via.is_ipv4() != route.prefix.address().is_ipv4() {
                return Err(ConfigError::Route(at));
            }
        }
        if self.limits.neighbours == 0 {
            return Err(ConfigError::NoNeighbours);
        }
        Ok(())
    }
}

impl InterfaceConfig {
    fn check(&self, at: usize) -> Result<(), ConfigError> {
        if self.mac.is_group() || self.mac.is_zero() {
            return Err(ConfigError::Mac(at));
        }
        if self.vlan.is_some_and(|vlan| !(1..=4094).contains(&vlan)) {
            return Err(ConfigError::Vlan(at));
        }
        let (mut six, mut link_local) = (false, false);
        for prefix in &self.addresses {
            let bad = match prefix.address() {
                IpAddr::V4(address) => {
                    address.is_unspecified()
                        || address.is_loopback()
                        || address.is_multicast()
                        || address.is_broadcast()
                        || prefix.is_reserved(address)
                }
                IpAddr::V6(address) => {
                    six = true;
                    link_local |= ipv6::is_link_local(address);
                    address.is_unspecified() || address.is_loopback() || address.is_multicast()
                }
            };
            if bad {
                return Err(ConfigError::Address(at));
            }
        }
        if six && !link_local {
            return Err(ConfigError::NoLinkLocal(at));
        }
        if self.mtu < if six { 1280 } else { 576 } {
            return Err(ConfigError::Mtu(at));
        }
        Ok(())
    }
}
