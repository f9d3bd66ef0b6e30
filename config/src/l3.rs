//! Layer 3 as the engine uses it: interfaces, static routes, virtual routers.

use serde::{Serialize, Serializer};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::time::Duration;

/// An address and the length of its network's prefix: `192.0.2.2/24`. The bits behind the prefix
/// are kept: of an interface they are the host's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

impl Prefix {
    /// `address/length`; none when `length` is above 32 (IPv4) or 128 (IPv6).
    #[must_use]
    pub fn new(address: IpAddr, length: u8) -> Option<Self> {
        (length <= max_length(address)).then_some(Self { address, length })
    }

    /// The address as written.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Length of the prefix in bits, 0 to 32 or 128.
    #[must_use]
    pub fn length(&self) -> u8 {
        self.length
    }

    /// The whole address is the prefix: /32 or /128.
    #[must_use]
    pub fn is_host(&self) -> bool {
        self.length == max_length(self.address)
    }

    /// The first address of the network: the bits behind the prefix are 0.
    #[must_use]
    pub fn network(&self) -> IpAddr {
        match self.address {
            IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits() & self.mask4()).into(),
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & self.mask6()).into(),
        }
    }

    /// The network's directed broadcast address; none over IPv6, nor with /31 and /32 (RFC 3021).
    #[must_use]
    pub fn broadcast(&self) -> Option<Ipv4Addr> {
        match self.address {
            IpAddr::V4(v4) if self.length < 31 => {
                Some(Ipv4Addr::from_bits(v4.to_bits() | !self.mask4()))
            }
            _ => None,
        }
    }

    /// `address` is in the network.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()) & self.mask4() == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()) & self.mask6() == 0
            }
            _ => false,
        }
    }

    /// The two networks have an address in common.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.network()) || other.contains(self.network())
    }

    fn mask4(&self) -> u32 {
        let behind = 32u32.saturating_sub(self.length.into());
        u32::MAX.checked_shl(behind).unwrap_or(0)
    }

    fn mask6(&self) -> u128 {
        let behind = 128u32.saturating_sub(self.length.into());
        u128::MAX.checked_shl(behind).unwrap_or(0)
    }
}

fn max_length(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

impl FromStr for Prefix {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, length) = text.split_once('/').ok_or("has no /length")?;
        let address: IpAddr = address.parse().map_err(|_| "is not an IP address")?;
        let digits = length.bytes().all(|b| b.is_ascii_digit());
        let leading_zero = length.len() > 1 && length.starts_with('0');
        if !digits || leading_zero {
            return Err("has a prefix length that is not a number");
        }
        length
            .parse()
            .ok()
            .and_then(|length| Self::new(address, length))
            .ok_or("has a prefix length that is out of range")
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

impl Serialize for Prefix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Link-local over IPv6: `fe80::/10` (RFC 4291, section 2.5.6).
pub(crate) fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

/// `[l3]`: what all interfaces share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct L3 {
    /// Packets are forwarded between interfaces.
    pub ip_forward: bool,
    /// ICMP and ICMPv6 messages that we send in a second at most, 0 (none) to 1000000.
    pub icmp_per_second: u32,
    /// Neighbours that are kept, of all interfaces together: 16 to 1048576.
    pub neighbours: u32,
    /// Packets that wait for one neighbour to be resolved, 1 to 64.
    pub resolve_queue: u8,
    /// How long a neighbour counts as reachable after it was heard, 1 to 86400 s.
    pub neighbour_age_s: u32,
}

impl L3 {
    /// `neighbour_age_s`
    #[must_use]
    pub fn neighbour_age(&self) -> Duration {
        Duration::from_secs(self.neighbour_age_s.into())
    }
}

/// `[[interface]]`: layer 3 on a port, or on a VLAN of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Interface {
    /// Name, unique.
    pub name: String,
    /// Name of its port: in no link pair, and not the HA port. Several interfaces may have one.
    pub port: String,
    /// Its VLAN there, 1 to 4094; none: untagged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
    /// Own addresses, at least one. The first of IPv4 is the primary one. Over IPv6 there may be
    /// no link-local one: then it is made from the port's MAC address.
    pub addresses: Vec<Prefix>,
    /// Largest packet in bytes, 576 (1280 with IPv6) to 9600.
    pub mtu: u16,
    /// Name of the kernel's interface that gets what is for the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
}

impl Interface {
    /// The primary IPv4 address: the source of adverts over IPv4.
    #[must_use]
    pub fn primary_v4(&self) -> Option<Ipv4Addr> {
        self.addresses.iter().find_map(|own| match own.address() {
            IpAddr::V4(v4) => Some(v4),
            IpAddr::V6(_) => None,
        })
    }

    /// The IPv6 link-local address that is given; none: it is made from the port's MAC address.
    #[must_use]
    pub fn link_local(&self) -> Option<Ipv6Addr> {
        self.addresses.iter().find_map(|own| match own.address() {
            IpAddr::V6(v6) if v6.is_unicast_link_local() => Some(v6),
            _ => None,
        })
    }

    /// `address` is an own one.
    #[must_use]
    pub fn owns(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|own| own.address() == address)
    }
}

/// `[[route]]`: a static route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Route {
    /// Where to: no bits behind the prefix. No two routes have one.
    pub prefix: Prefix,
    /// The next hop, of the same family: on a network of `interface`, or link-local.
    pub via: IpAddr,
    /// Name of the interface towards it; filled in when the file does not say it.
    pub interface: String,
}

/// `virtual_router.version`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// RFC 3768, IPv4 only.
    V2,
    /// RFC 9568.
    V3,
}

impl Version {
    /// 2 or 3.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Version::V2 => 2,
            Version::V3 => 3,
        }
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.number())
    }
}

/// `virtual_router.checksum`: that of version 3 over IPv4. Everything else has one rule only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Checksum {
    /// Over the message alone (RFC 9568, section 5.2.8).
    Rfc9568,
    /// With a pseudo-header, as over IPv6.
    PseudoHeader,
    /// Either is taken; sent is that of RFC 9568.
    Any,
}

/// `[[virtual_router]]`: a virtual router of one family on one interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VirtualRouter {
    /// Name, unique.
    pub name: String,
    /// Name of its interface.
    pub interface: String,
    /// 1 to 255; once for each interface and family.
    pub vrid: u8,
    /// Version; 3 over IPv6.
    pub version: Version,
    /// Virtual addresses, 1 to 64, all of one family; over IPv6 the first is link-local.
    pub addresses: Vec<IpAddr>,
    /// 1 to 254; 255 when the addresses are the interface's own.
    pub priority: u8,
    /// Time between adverts: multiples of 10, 10 to 40950 ms; in version 2 whole seconds, 1000 to
    /// 255000 ms.
    pub interval_ms: u32,
    /// A better priority takes over from a worse one.
    pub preempt: bool,
    /// For how long the worse one has to be heard before, 0 to 86400 s.
    pub preempt_delay_s: u32,
    /// Packets to the virtual addresses are for us while we are Active, though we do not own them.
    pub accept: bool,
    /// The checksum of version 3 over IPv4.
    pub checksum: Checksum,
    /// Unicast peers, of the addresses' family, over IPv6 link-local; empty: multicast.
    pub peers: Vec<IpAddr>,
    /// How often a new Active announces each address, 1 to 255.
    pub announce_count: u8,
    /// Time between two announcements, 1 to 60000 ms.
    pub announce_every_ms: u32,
}

impl VirtualRouter {
    /// The priority of the owner of the addresses.
    pub const OWNER: u8 = 255;

    /// Its addresses are IPv6.
    #[must_use]
    pub fn is_ipv6(&self) -> bool {
        self.addresses.first().is_some_and(IpAddr::is_ipv6)
    }

    /// `interval_ms`
    #[must_use]
    pub fn interval(&self) -> Duration {
        Duration::from_millis(self.interval_ms.into())
    }

    /// `interval_ms` in centiseconds, the unit of version 3.
    #[must_use]
    pub fn interval_centis(&self) -> u16 {
        u16::try_from(self.interval_ms / 10).unwrap_or(u16::MAX)
    }

    /// `preempt_delay_s`
    #[must_use]
    pub fn preempt_delay(&self) -> Duration {
        Duration::from_secs(self.preempt_delay_s.into())
    }

    /// `announce_every_ms`
    #[must_use]
    pub fn announce_every(&self) -> Duration {
        Duration::from_millis(self.announce_every_ms.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[test]
    fn prefixes_are_read_and_shown() {
        for text in [
            "192.0.2.2/24",
            "0.0.0.0/0",
            "10.0.0.1/32",
            "::/0",
            "2001:db8::2/64",
            "fe80::1/128",
        ] {
            assert_eq!(prefix(text).to_string(), text);
        }
        for bad in [
            "",
            "192.0.2.2",
            "192.0.2.2/",
            "192.0.2.2/33",
            "192.0.2.2/-1",
            "192.0.2.2/+8",
            "192.0.2.2/024",
            "192.0.2.2/256",
            "192.0.2/24",
            "192.0.2.2/24/8",
            "2001:db8::2/129",
            "2001:db8::2%1/64",
            "x/8",
        ] {
            assert!(bad.parse::<Prefix>().is_err(), "{bad}");
        }
    }

    #[test]
    fn networks_and_broadcasts() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(prefix("192.0.2.130/25").network(), address("192.0.2.128"));
        assert_eq!(
            prefix("192.0.2.130/25").broadcast(),
            Some(Ipv4Addr::new(192, 0, 2, 255))
        );
        assert_eq!(prefix("192.0.2.1/0").network(), address("0.0.0.0"));
        assert_eq!(prefix("192.0.2.1/31").broadcast(), None);
        assert_eq!(prefix("192.0.2.1/32").network(), address("192.0.2.1"));
        assert_eq!(
            prefix("2001:db8:1::5/47").network(),
            address("2001:db8:0::")
        );
        assert_eq!(prefix("2001:db8::5/0").network(), address("::"));
        assert_eq!(prefix("2001:db8::5/64").broadcast(), None);
    }

    #[test]
    fn what_is_in_a_network() {
        let lan = prefix("192.0.2.2/24");
        assert!(lan.contains("192.0.2.255".parse().unwrap()));
        assert!(!lan.contains("192.0.3.0".parse().unwrap()));
        assert!(!lan.contains("::192.0.2.1".parse().unwrap()));
        assert!(prefix("0.0.0.0/0").contains("255.1.2.3".parse().unwrap()));
        assert!(!prefix("0.0.0.0/0").contains("::1".parse().unwrap()));
        let v6 = prefix("2001:db8::2/64");
        assert!(v6.contains("2001:db8::ffff:0:0:1".parse().unwrap()));
        assert!(!v6.contains("2001:db8:0:1::1".parse().unwrap()));
        assert!(lan.overlaps(&prefix("192.0.0.0/16")));
        assert!(prefix("192.0.0.0/16").overlaps(&lan));
        assert!(!lan.overlaps(&prefix("192.0.3.0/24")));
        assert!(!lan.overlaps(&prefix("::/0")));
    }
}
