use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Family, Interval, Version, Vrid};
use crate::bytes::get;

/// A received advert, all checks of one frame alone passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advert<'a> {
    /// Who sent it: the primary IPv4 address, or the IPv6 link-local address, of its interface.
    pub source: IpAddr,
    /// The group, or us.
    pub destination: IpAddr,
    /// Version 3, or 2.
    pub version: Version,
    /// Of which virtual router.
    pub vrid: Vrid,
    /// 0 when the Active Router resigns, 255 when it owns the addresses.
    pub priority: u8,
    /// The sender's interval.
    pub interval: Interval,
    /// The addresses of the virtual router, as the sender has them.
    pub addresses: Addresses<'a>,
}

/// The addresses in an advert; their family is the packet's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses<'a> {
    family: Family,
    bytes: &'a [u8],
}

impl<'a> Addresses<'a> {
    /// Addresses as they stand in a message: what is left over of `bytes` at the end is no address.
    #[must_use]
    pub const fn new(family: Family, bytes: &'a [u8]) -> Addresses<'a> {
        Addresses { family, bytes }
    }

    /// How many.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len() / self.family.address_len()
    }

    /// Whether there is none; an advert that was taken has one at least.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Each, in the sender's order.
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> + 'a {
        let family = self.family;
        self.bytes
            .chunks_exact(family.address_len())
            .map(move |bytes| match family {
                Family::V4 => Ipv4Addr::from(get::<4>(bytes, 0..4)).into(),
                Family::V6 => Ipv6Addr::from(get::<16>(bytes, 0..16)).into(),
            })
    }

    /// Whether they are the same addresses, in whatever order (RFC 9568, section 5.2.9, demands
    /// none but that an IPv6 link-local one is first).
    #[must_use]
    pub fn same_set(&self, others: &[IpAddr]) -> bool {
        self.iter().all(|address| others.contains(&address))
            && others
                .iter()
                .all(|other| self.iter().any(|address| address == *other))
    }
}
