//! VRRP adverts: version 3 for IPv4 and IPv6 (RFC 9568), version 2 for IPv4 (RFC 3768).
//!
//! | bytes | version 3 (RFC 9568, section 5.1) | version 2 (RFC 3768, section 5.1) |
//! |---|---|---|
//! | 1 | version 3, type 1 | version 2, type 1 |
//! | 1 | virtual router id | the same |
//! | 1 | priority: 0 resigns, 255 owns the addresses | the same |
//! | 1 | count of addresses | the same |
//! | 2 | 4 bits reserved, 12 bits interval in centiseconds | authentication type (0), interval in seconds |
//! | 2 | checksum | the same |
//! | .. | addresses, of the family of the packet | IPv4 addresses |
//! | 8 | - | authentication data: sent 0, ignored |
//!
//! The **checksum** of version 3 over IPv4 is where implementations disagree: RFC 9568 (section
//! 5.2.8) takes the message alone, and several daemons add a pseudo-header as for IPv6. Hence
//! [`ChecksumRule`], per virtual router. Over IPv6 it always has the pseudo-header, and in version
//! 2 never.
//!
//! [`parse`] takes any bytes and gives an [`Advert`] or the one [`DropCause`] to count; it does
//! what section 7.1 of RFC 9568 asks of a receiver. [`Repr::emit`] makes a whole frame as section
//! 7.2 and 7.3 ask of a sender.

mod advert;
mod drops;
mod emit;
mod receive;

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use crate::{Mac, ipv4, ipv6};

pub use advert::{Addresses, Advert};
pub use drops::{DropCause, DropCounters};
pub use emit::{Addressing, EmitError, Repr, Target};
pub use receive::{Expect, parse, read};

/// IP protocol number, and IPv6 next header, of VRRP.
pub const PROTOCOL: u8 = 112;
/// Where adverts over IPv4 go (RFC 9568, section 5.1.1.2).
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// Where adverts over IPv6 go (RFC 9568, section 5.1.2.2).
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);
/// TTL and hop limit, sent and demanded: nothing comes from beyond the link.
pub const TTL: u8 = 255;
/// Bytes of an untagged frame with the most that fits Ethernet's usual MTU, plus a tag: a buffer of
/// this size does for every advert that goes without fragments.
pub const MAX_FRAME_LEN: usize = 1518;

/// Bytes before the addresses.
const HEADER_LEN: usize = 8;
/// Bytes of version 2's authentication data.
const AUTH_LEN: usize = 8;
/// The only type of message that there is.
const ADVERTISEMENT: u8 = 1;

/// Which version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Version {
    /// RFC 3768; IPv4 only.
    V2 = 2,
    /// RFC 9568.
    V3 = 3,
}

/// Which family of addresses. The virtual routers of the two are independent of each other, even
/// with the same id (RFC 9568, section 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub const fn of(address: IpAddr) -> Family {
        match address {
            IpAddr::V4(_) => Family::V4,
            IpAddr::V6(_) => Family::V6,
        }
    }

    /// The group to which adverts go.
    #[must_use]
    pub const fn group(self) -> IpAddr {
        match self {
            Family::V4 => IpAddr::V4(GROUP_V4),
            Family::V6 => IpAddr::V6(GROUP_V6),
        }
    }

    /// The MAC address of that group.
    #[must_use]
    pub const fn group_mac(self) -> Mac {
        match self {
            Family::V4 => ipv4::multicast_mac(GROUP_V4),
            Family::V6 => ipv6::multicast_mac(GROUP_V6),
        }
    }

    /// Bytes of an address.
    #[must_use]
    pub const fn address_len(self) -> usize {
        match self {
            Family::V4 => 4,
            Family::V6 => 16,
        }
    }
}

/// Whether an address is one of the groups of adverts: they are never forwarded, whatever their
/// TTL is (RFC 9568, sections 5.1.1.2 and 5.1.2.2).
#[must_use]
pub fn is_group(address: IpAddr) -> bool {
    address == IpAddr::V4(GROUP_V4) || address == IpAddr::V6(GROUP_V6)
}

/// A virtual router id: 1 to 255 (RFC 9568, section 5.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vrid(u8);

impl Vrid {
    /// The id of a number; `None` for 0.
    #[must_use]
    pub const fn new(id: u8) -> Option<Vrid> {
        if id == 0 { None } else { Some(Vrid(id)) }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The virtual MAC address (RFC 9568, section 7.3): the same on every router that backs the
    /// id, and another one for each family.
    #[must_use]
    pub const fn mac(self, family: Family) -> Mac {
        match family {
            Family::V4 => Mac([0x00, 0x00, 0x5e, 0x00, 0x01, self.0]),
            Family::V6 => Mac([0x00, 0x00, 0x5e, 0x00, 0x02, self.0]),
        }
    }
}

impl fmt::Display for Vrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// How often adverts are sent: 1 to 4095 centiseconds in version 3 (RFC 9568, section 5.2.7), 1 to
/// 255 whole seconds in version 2 (RFC 3768, section 5.3.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval {
    centis: u16,
}

impl Interval {
    /// What twelve bits hold.
    pub const MAX_CENTIS: u16 = 4095;

    /// Version 3's: `None` for 0 and above 4095.
    #[must_use]
    pub const fn from_centis(centis: u16) -> Option<Interval> {
        match centis {
            1..=Interval::MAX_CENTIS => Some(Interval { centis }),
            _ => None,
        }
    }

    /// Version 2's: `None` for 0.
    #[must_use]
    pub const fn from_secs(secs: u8) -> Option<Interval> {
        match secs {
            0 => None,
            secs => Some(Interval {
                centis: secs as u16 * 100,
            }),
        }
    }

    /// In centiseconds.
    #[must_use]
    pub const fn centis(self) -> u16 {
        self.centis
    }

    /// As a time.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.centis as u64 * 10)
    }

    /// The field of twelve bits in version 3; `None` where it does not fit.
    const fn to_v3(self) -> Option<u16> {
        match self.centis {
            1..=Interval::MAX_CENTIS => Some(self.centis),
            _ => None,
        }
    }

    /// The byte in version 2; `None` where it is no whole number of seconds.
    #[allow(clippy::cast_possible_truncation)] // at most 25500 / 100
    const fn to_v2(self) -> Option<u8> {
        match (self.centis % 100, self.centis / 100) {
            (0, secs @ 1..=255) => Some(secs as u8),
            _ => None,
        }
    }
}

/// Over what the checksum of version 3 goes on IPv4 (RFC 9568, section 5.2.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ChecksumRule {
    /// The message alone, as RFC 9568 says; sent and demanded.
    #[default]
    Rfc9568,
    /// A pseudo-header and the message, as several daemons do by default; sent and demanded.
    PseudoHeader,
    /// Either is taken; what is sent is RFC 9568's.
    Any,
}
