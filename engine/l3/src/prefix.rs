//! An address and how long its network's part is.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address with the length of its prefix. As an interface's address, the bits behind the prefix
/// are the host's; as a route's, they do not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

impl Prefix {
    /// An address and a length, 0 to 32 (IPv4) or 128 (IPv6) bits; `None` beyond that.
    #[must_use]
    pub const fn new(address: IpAddr, length: u8) -> Option<Prefix> {
        let longest = match address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        };
        if length > longest {
            return None;
        }
        Some(Prefix { address, length })
    }

    /// The address, host bits included.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// Bits of the network's part.
    #[must_use]
    pub const fn length(&self) -> u8 {
        self.length
    }

    /// Whether an address is in it; one of the other family never is.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => (own.to_bits() ^ other.to_bits())
                .checked_shr(32 - u32::from(self.length))
                .is_none_or(|differing| differing == 0),
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits() ^ other.to_bits())
                .checked_shr(128 - u32::from(self.length))
                .is_none_or(|differing| differing == 0),
            _ => false,
        }
    }

    /// The directed broadcast address: the last of an IPv4 network of at least four addresses
    /// (RFC 919, RFC 3021).
    #[must_use]
    pub fn broadcast(&self) -> Option<Ipv4Addr> {
        match self.address {
            IpAddr::V4(address) if self.length < 31 => {
                Some(Ipv4Addr::from_bits(address.to_bits() | self.host_mask()))
            }
            _ => None,
        }
    }

    /// Whether an address is the network itself, or its directed broadcast: nobody has it.
    #[must_use]
    pub fn is_reserved(&self, address: Ipv4Addr) -> bool {
        let Some(broadcast) = self.broadcast() else {
            return false;
        };
        let network = broadcast.to_bits() & !self.host_mask();
        address == broadcast || address.to_bits() == network
    }

    fn host_mask(&self) -> u32 {
        u32::MAX.checked_shr(u32::from(self.length)).unwrap_or(0)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

/// The link-local address that an interface derives from its MAC address: fe80::/64 and the
/// modified EUI-64 (RFC 4291, section 2.5.6 and appendix A).
#[must_use]
pub const fn link_local(mac: twinline_wire::Mac) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac.0;
    Ipv6Addr::new(
        0xfe80,
        0,
        0,
        0,
        u16::from_be_bytes([a ^ 2, b]),
        u16::from_be_bytes([c, 0xff]),
        u16::from_be_bytes([0xfe, d]),
        u16::from_be_bytes([e, f]),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use twinline_wire::Mac;

    fn prefix(address: &str, length: u8) -> Prefix {
        Prefix::new(address.parse().unwrap(), length).unwrap()
    }

    #[test]
    fn what_is_in_it() {
        let net = prefix("192.0.2.2", 24);
        assert!(net.contains("192.0.2.255".parse().unwrap()));
        assert!(!net.contains("192.0.3.2".parse().unwrap()));
        assert!(!net.contains("2001:db8::1".parse().unwrap()));
        assert!(prefix("0.0.0.0", 0).contains("255.1.2.3".parse().unwrap()));
        assert!(prefix("::", 0).contains("2001:db8::1".parse().unwrap()));
        assert!(!prefix("192.0.2.2", 32).contains("192.0.2.3".parse().unwrap()));
        assert!(prefix("2001:db8::1", 64).contains("2001:db8::2".parse().unwrap()));
        assert!(!prefix("2001:db8::1", 64).contains("2001:db8:0:1::2".parse().unwrap()));
        assert_eq!(Prefix::new("10.0.0.1".parse().unwrap(), 33), None);
        assert_eq!(Prefix::new("::1".parse().unwrap(), 129), None);
    }

    #[test]
    fn addresses_that_nobody_has() {
        let net = prefix("192.0.2.130", 25);
        assert_eq!(net.broadcast(), Some("192.0.2.255".parse().unwrap()));
        assert!(net.is_reserved("192.0.2.128".parse().unwrap()));
        assert!(!net.is_reserved("192.0.2.129".parse().unwrap()));
        // RFC 3021: both addresses of a /31 are hosts'.
        assert_eq!(prefix("192.0.2.0", 31).broadcast(), None);
        assert!(!prefix("192.0.2.0", 31).is_reserved("192.0.2.0".parse().unwrap()));
        assert_eq!(prefix("::1", 64).broadcast(), None);
    }

    #[test]
    fn link_local_of_a_mac() {
        let mac = Mac([0x00, 0x1b, 0x21, 0xab, 0xcd, 0xef]);
        assert_eq!(link_local(mac).to_string(), "fe80::21b:21ff:feab:cdef");
    }
}
