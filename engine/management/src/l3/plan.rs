//! The configuration's layer 3, with what only the machine knows (the ports' MAC addresses), in the
//! words of those who work by it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use twinline_config as config;
use twinline_config::Config;
use twinline_l3 as l3;
use twinline_l3::InterfaceId;
use twinline_vrrp as vrrp;
use twinline_wire::Mac;
use twinline_wire::vrrp::{ChecksumRule, Interval, Version, Vrid};

/// Packets that wait for MAC addresses, over all neighbours.
const PENDING: usize = 1024;

/// One interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Index of its port in the configuration.
    pub port: usize,
    /// Its VLAN there.
    pub vlan: Option<u16>,
    /// The port's MAC address.
    pub mac: Mac,
    /// Bytes of the largest packet.
    pub mtu: u16,
    /// Own addresses, the IPv6 link-local one among them where there is any of IPv6.
    pub own: Vec<l3::Prefix>,
    /// The name of its exception device.
    pub kernel: Option<String>,
    /// Names it towards the other instances.
    pub digest: u32,
}

impl Interface {
    /// From where adverts over IPv4 are sent.
    #[must_use]
    pub fn primary_v4(&self) -> Option<Ipv4Addr> {
        self.own.iter().find_map(|own| match own.address() {
            IpAddr::V4(ip) => Some(ip),
            IpAddr::V6(_) => None,
        })
    }

    /// From where adverts over IPv6 are sent.
    #[must_use]
    pub fn link_local(&self) -> Option<Ipv6Addr> {
        self.own.iter().find_map(|own| match own.address() {
            IpAddr::V6(ip) if ip.is_unicast_link_local() => Some(ip),
            _ => None,
        })
    }
}

/// One virtual router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualRouter {
    /// Its name.
    pub name: String,
    /// Its interface.
    pub interface: InterfaceId,
    /// The rest.
    pub settings: vrrp::Settings,
}

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// By [`InterfaceId`].
    pub interfaces: Vec<Interface>,
    /// Static routes.
    pub routes: Vec<l3::Route>,
    /// In the order of the configuration.
    pub routers: Vec<VirtualRouter>,
    /// Whether packets are forwarded.
    pub forwarding: bool,
    /// Bounds.
    pub limits: l3::Limits,
}

/// What the configuration promised and cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A name that leads nowhere.
    #[error("{what} \"{name}\" has no {lacks}")]
    Lost {
        /// What has the name.
        what: &'static str,
        /// The name.
        name: String,
        /// What is not there.
        lacks: &'static str,
    },
    /// A virtual router that cannot run so.
    #[error("virtual router {name}: {why}")]
    Router {
        /// Its name.
        name: String,
        /// Why.
        why: String,
    },
}

fn lost(what: &'static str, name: &str, lacks: &'static str) -> PlanError {
    PlanError::Lost {
        what,
        name: name.to_owned(),
        lacks,
    }
}

/// A digest of an interface's name, by which the instances of a stack name it to each other.
#[must_use]
pub fn digest_of(name: &str) -> u32 {
    let hash = blake3::hash(name.as_bytes());
    let mut first = [0; 4];
    first.copy_from_slice(&hash.as_bytes()[..4]);
    u32::from_be_bytes(first)
}

/// A digest by which the ACTIVE names an interface when it tells its own addresses there, in place of
/// neighbours'.
#[must_use]
pub fn own_digest_of(name: &str) -> u32 {
    digest_of(&format!("own addresses of {name}"))
}

impl Plan {
    /// The plan of a configuration; `mac` tells the MAC address of a port by its index.
    ///
    /// # Errors
    /// [`PlanError`]
    pub fn new(of: &Config, mac: impl Fn(usize) -> Option<Mac>) -> Result<Self, PlanError> {
        let mut interfaces = Vec::new();
        for interface in &of.interfaces {
            interfaces.push(plan_interface(of, interface, &mac)?);
        }
        let id_of = |what, owner: &str, name: &str| {
            let found = of
                .interface(name)
                .and_then(|(at, _)| u16::try_from(at).ok());
            found
                .map(InterfaceId)
                .ok_or_else(|| lost(what, owner, "interface"))
        };
        let mut routes = Vec::new();
        for route in &of.routes {
            let name = route.prefix.to_string();
            routes.push(l3::Route {
                prefix: prefix(&route.prefix).ok_or_else(|| lost("route", &name, "prefix"))?,
                via: route.via,
                interface: id_of("route", &name, &route.interface)?,
            });
        }
        let mut routers = Vec::new();
        for router in &of.virtual_routers {
            let id = id_of("virtual router", &router.name, &router.interface)?;
            let interface = interfaces
                .get(usize::from(id.0))
                .ok_or_else(|| lost("virtual router", &router.name, "interface"))?;
            let settings = settings(router, interface).map_err(|why| PlanError::Router {
                name: router.name.clone(),
                why,
            })?;
            routers.push(VirtualRouter {
                name: router.name.clone(),
                interface: id,
                settings,
            });
        }
        Ok(Self {
            interfaces,
            routes,
            routers,
            forwarding: of.l3.ip_forward,
            limits: l3::Limits {
                icmp_per_second: of.l3.icmp_per_second,
                neighbours: usize::try_from(of.l3.neighbours).unwrap_or(usize::MAX),
                resolve_queue: usize::from(of.l3.resolve_queue),
                pending: PENDING,
                neighbour_age: of.l3.neighbour_age(),
            },
        })
    }

    /// The interface of that number.
    #[must_use]
    pub fn interface(&self, id: InterfaceId) -> Option<&Interface> {
        self.interfaces.get(usize::from(id.0))
    }

    /// What the slow path's host is made from.
    #[must_use]
    pub fn host(&self) -> l3::HostConfig {
        l3::HostConfig {
            interfaces: self
                .interfaces
                .iter()
                .map(|interface| l3::InterfaceConfig {
                    mac: interface.mac,
                    mtu: interface.mtu,
                    vlan: interface.vlan,
                    addresses: interface.own.clone(),
                    kernel: interface.kernel.is_some(),
                    probe_ipv4: false,
                })
                .collect(),
            routes: self.routes.clone(),
            forwarding: self.forwarding,
            limits: self.limits,
        }
    }
}

fn prefix(of: &config::Prefix) -> Option<l3::Prefix> {
    l3::Prefix::new(of.address(), of.length())
}

fn plan_interface(
    of: &Config,
    interface: &config::Interface,
    mac: impl Fn(usize) -> Option<Mac>,
) -> Result<Interface, PlanError> {
    let lacks = |what| lost("interface", &interface.name, what);
    let port = of.ports.iter().position(|port| port.name == interface.port);
    let port = port.ok_or_else(|| lacks("port"))?;
    let mac = mac(port).ok_or_else(|| lacks("port with a MAC address"))?;
    let own = interface.addresses.iter().map(prefix);
    let mut own: Vec<l3::Prefix> = own.collect::<Option<_>>().ok_or_else(|| lacks("prefix"))?;
    let six = own.iter().any(|own| own.address().is_ipv6());
    if six && interface.link_local().is_none() {
        let made = IpAddr::V6(l3::prefix::link_local(mac));
        own.extend(l3::Prefix::new(made, 64));
    }
    Ok(Interface {
        name: interface.name.clone(),
        port,
        vlan: interface.vlan,
        mac,
        mtu: interface.mtu,
        own,
        kernel: interface.kernel.clone(),
        digest: digest_of(&interface.name),
    })
}

/// The rule for the checksum, in the wire's words.
fn checksum(of: config::Checksum) -> ChecksumRule {
    match of {
        config::Checksum::Rfc9568 => ChecksumRule::Rfc9568,
        config::Checksum::PseudoHeader => ChecksumRule::PseudoHeader,
        config::Checksum::Any => ChecksumRule::Any,
    }
}

fn priority(of: &config::VirtualRouter) -> vrrp::Priority {
    vrrp::Priority::backup(of.priority).unwrap_or(vrrp::Priority::OWNER)
}

/// How a virtual router's addresses are announced.
fn announcing(of: &config::VirtualRouter) -> vrrp::Announcing {
    vrrp::Announcing {
        count: of.announce_count,
        every: of.announce_every(),
    }
}

fn settings(of: &config::VirtualRouter, on: &Interface) -> Result<vrrp::Settings, String> {
    let vrid = Vrid::new(of.vrid).ok_or("vrid is 1 to 255")?;
    let source = if of.is_ipv6() {
        on.link_local().map(IpAddr::V6)
    } else {
        on.primary_v4().map(IpAddr::V4)
    };
    let source = source.ok_or("its interface has no address of this family")?;
    let (version, interval) = match of.version {
        config::Version::V2 => {
            let secs = u8::try_from(of.interval().as_secs()).ok();
            (Version::V2, secs.and_then(Interval::from_secs))
        }
        config::Version::V3 => (Version::V3, Interval::from_centis(of.interval_centis())),
    };
    let settings = vrrp::Settings {
        version,
        vrid,
        addresses: of.addresses.clone(),
        source,
        priority: priority(of),
        interval: interval.ok_or("its interval does not fit the version")?,
        preempt: of.preempt,
        preempt_delay: of.preempt_delay(),
        accept: of.accept,
        peers: of.peers.clone(),
        checksum: checksum(of.checksum),
        announcing: announcing(of),
    };
    settings.check().map_err(|error| error.to_string())?;
    Ok(settings)
}

/// What of a virtual router a reload can change while it runs.
#[must_use]
pub fn live(of: &config::VirtualRouter) -> (vrrp::Priority, vrrp::Live) {
    let live = vrrp::Live {
        preempt: of.preempt,
        preempt_delay: of.preempt_delay(),
        accept: of.accept,
        checksum: checksum(of.checksum),
        announcing: announcing(of),
    };
    (priority(of), live)
}

/// For how long an advert of this interval speaks for its sender: three intervals and the longest
/// skew there is (RFC 9568, section 6.1).
#[must_use]
pub fn speaks_for(interval: Interval) -> Duration {
    interval.duration() * 4
}
