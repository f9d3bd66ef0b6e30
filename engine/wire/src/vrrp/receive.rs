use core::net::IpAddr;

use super::{
    ADVERTISEMENT, AUTH_LEN, Addresses, Advert, ChecksumRule, DropCause, Family, HEADER_LEN,
    Interval, PROTOCOL, TTL, Version, Vrid, is_group,
};
use crate::bytes::Reader;
use crate::{Error, checksum, ethernet, ipv4, ipv6, vlan};

/// What a virtual router takes: looked up by family and id, on the interface that received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expect<'a> {
    /// The version that it speaks.
    pub version: Version,
    /// Its rule for the checksum of version 3 over IPv4.
    pub checksum: ChecksumRule,
    /// Its configured peers, whose adverts come to us alone; empty where adverts go to the group.
    pub peers: &'a [IpAddr],
}

/// The bits of version 3's interval; those above are reserved, and ignored.
const INTERVAL_BITS: u16 = 0x0fff;

/// Reads a frame, at most one VLAN tag in it. Any bytes are accepted.
///
/// `lookup` says what the virtual router of this family and id takes, on the interface (and the
/// VLAN) that received the frame.
///
/// # Errors
/// The first cause for which it is not taken.
pub fn parse<'a, 'e>(
    frame: &'a [u8],
    lookup: impl FnOnce(Family, Vrid) -> Option<Expect<'e>>,
) -> Result<Advert<'a>, DropCause> {
    let frame = vlan::open(frame).map_err(|_| DropCause::Truncated)?;
    read(frame.ethertype, frame.payload, lookup)
}

/// Reads what an Ethernet frame of `ethertype` carries; otherwise as [`parse`].
///
/// # Errors
/// The first cause for which it is not taken.
pub fn read<'a, 'e>(
    ethertype: u16,
    packet: &'a [u8],
    lookup: impl FnOnce(Family, Vrid) -> Option<Expect<'e>>,
) -> Result<Advert<'a>, DropCause> {
    let packet = match ethertype {
        ethernet::IPV4 => Carrier::ipv4(packet)?,
        ethernet::IPV6 => Carrier::ipv6(packet)?,
        _ => return Err(DropCause::NotOurs),
    };
    packet.advert(lookup)
}

/// What of the IP packet matters to an advert.
struct Carrier<'a> {
    source: IpAddr,
    destination: IpAddr,
    ttl: u8,
    message: &'a [u8],
}

impl<'a> Carrier<'a> {
    fn ipv4(bytes: &'a [u8]) -> Result<Carrier<'a>, DropCause> {
        // Before anything else: other protocols' packets may well have options (IGMP has).
        if bytes.len() >= ipv4::HEADER_LEN && ipv4::protocol(bytes) != PROTOCOL {
            return Err(DropCause::NotOurs);
        }
        let ip = ipv4::Packet::new_checked(bytes).map_err(cause)?;
        if !ip.verify_checksum() {
            return Err(DropCause::BadIpChecksum);
        }
        Ok(Carrier {
            source: ip.source().into(),
            destination: ip.destination().into(),
            ttl: ip.ttl(),
            message: bytes
                .get(ipv4::HEADER_LEN..ip.total_len())
                .unwrap_or_default(),
        })
    }

    fn ipv6(bytes: &'a [u8]) -> Result<Carrier<'a>, DropCause> {
        let ip = ipv6::Packet::new_checked(bytes).map_err(cause)?;
        if ip.next_header() != PROTOCOL {
            return Err(DropCause::NotOurs);
        }
        Ok(Carrier {
            source: ip.source().into(),
            destination: ip.destination().into(),
            ttl: ip.hop_limit(),
            message: bytes
                .get(ipv6::HEADER_LEN..ip.total_len())
                .unwrap_or_default(),
        })
    }

    /// The checks of RFC 9568, section 7.1, and RFC 3768, section 7.1. The id comes before the
    /// checksum, whose rule is the router's.
    fn advert<'e>(
        &self,
        lookup: impl FnOnce(Family, Vrid) -> Option<Expect<'e>>,
    ) -> Result<Advert<'a>, DropCause> {
        if self.ttl != TTL {
            return Err(DropCause::BadTtl);
        }
        let family = Family::of(self.source);
        let mut from = Reader::new(self.message);
        let [version_type, vrid, priority, count] = from.array().ok_or(DropCause::BadLength)?;
        let interval = from.u16().ok_or(DropCause::BadLength)?;
        let _checksum = from.u16().ok_or(DropCause::BadLength)?;
        let version = match (version_type >> 4, family) {
            (3, _) => Version::V3,
            (2, Family::V4) => Version::V2,
            _ => return Err(DropCause::BadVersion),
        };
        if version_type & 0x0f != ADVERTISEMENT {
            return Err(DropCause::BadType);
        }
        let (vrid, expect) = Vrid::new(vrid)
            .and_then(|vrid| lookup(family, vrid).map(|expect| (vrid, expect)))
            .ok_or(DropCause::UnknownVrid)?;
        if version != expect.version {
            return Err(DropCause::BadVersion);
        }
        self.check_addressing(&expect)?;
        if count == 0 {
            return Err(DropCause::NoAddresses);
        }
        let addresses_end = HEADER_LEN + usize::from(count) * family.address_len();
        let shortest = match version {
            Version::V2 => addresses_end + AUTH_LEN,
            Version::V3 => addresses_end,
        };
        if self.message.len() < shortest {
            return Err(DropCause::BadLength);
        }
        if !self.verify_checksum(family, version, expect.checksum) {
            return Err(DropCause::BadChecksum);
        }
        let interval = match version {
            Version::V3 => Interval::from_centis(interval & INTERVAL_BITS),
            Version::V2 => {
                let [auth_type, secs] = interval.to_be_bytes();
                if auth_type != 0 {
                    return Err(DropCause::BadAuth);
                }
                Interval::from_secs(secs)
            }
        };
        let interval = interval.ok_or(DropCause::ZeroInterval)?;
        let bytes = self
            .message
            .get(HEADER_LEN..addresses_end)
            .unwrap_or_default();
        let addresses = Addresses::new(family, bytes);
        if let Some(IpAddr::V6(first)) = addresses.iter().next()
            && !ipv6::is_link_local(first)
        {
            return Err(DropCause::NoLinkLocal);
        }
        Ok(Advert {
            source: self.source,
            destination: self.destination,
            version,
            vrid,
            priority,
            interval,
            addresses,
        })
    }

    /// Where peers are configured, only they are heard, and only what they send to us: an advert
    /// to the group there is of somebody who is set up otherwise.
    fn check_addressing(&self, expect: &Expect<'_>) -> Result<(), DropCause> {
        if is_group(self.destination) != expect.peers.is_empty() {
            return Err(DropCause::BadDestination);
        }
        if !expect.peers.is_empty() && !expect.peers.contains(&self.source) {
            return Err(DropCause::UnknownPeer);
        }
        Ok(())
    }

    fn verify_checksum(&self, family: Family, version: Version, rule: ChecksumRule) -> bool {
        let length = self.message.len();
        let plain = || checksum::internet(self.message) == 0;
        let pseudo = || {
            let start = checksum::pseudo(self.source, self.destination, PROTOCOL, length);
            checksum::finish(checksum::add(start, self.message)) == 0
        };
        match (family, version, rule) {
            (Family::V6, ..) => pseudo(),
            (Family::V4, Version::V2, _) => plain(),
            (Family::V4, Version::V3, ChecksumRule::Rfc9568) => plain(),
            (Family::V4, Version::V3, ChecksumRule::PseudoHeader) => pseudo(),
            (Family::V4, Version::V3, ChecksumRule::Any) => plain() || pseudo(),
        }
    }
}

fn cause(error: Error) -> DropCause {
    match error {
        Error::Truncated => DropCause::Truncated,
        Error::Version | Error::HeaderLength | Error::Length | Error::Fragment => DropCause::BadIp,
    }
}
