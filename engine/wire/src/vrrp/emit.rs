use core::net::IpAddr;

use super::{
    ADVERTISEMENT, AUTH_LEN, ChecksumRule, Family, HEADER_LEN, Interval, PROTOCOL, TTL, Version,
    Vrid,
};
use crate::bytes::{Writer, put};
use crate::vlan::Link;
use crate::{Error, Mac, checksum, ethernet, ipv4, ipv6};

/// An advert to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repr<'a> {
    /// Version 3, or 2 (IPv4 only).
    pub version: Version,
    /// Of which virtual router.
    pub vrid: Vrid,
    /// 0 resigns, 255 owns the addresses.
    pub priority: u8,
    /// Our interval.
    pub interval: Interval,
    /// The virtual addresses: 1 to 255, all of the source's family, over IPv6 a link-local first.
    pub addresses: &'a [IpAddr],
}

/// Where an advert goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// To the group of all virtual routers.
    Group,
    /// To one configured peer.
    Peer {
        /// Its address.
        address: IpAddr,
        /// Its MAC address.
        mac: Mac,
    },
}

/// From where an advert goes where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addressing {
    /// The primary IPv4 address, or the IPv6 link-local address, of the interface. Never a virtual
    /// one: the election compares these.
    pub source: IpAddr,
    /// Where it goes.
    pub target: Target,
    /// The interface's VLAN; 0 for none.
    pub vlan: u16,
    /// The rule for the checksum of version 3 over IPv4.
    pub checksum: ChecksumRule,
}

/// Why an advert could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EmitError {
    /// The buffer is too short.
    #[error("advert needs {need} bytes and the buffer has {have}")]
    BufferTooSmall {
        /// Bytes that the frame takes.
        need: usize,
        /// Bytes that the buffer has.
        have: usize,
    },
    /// A virtual router has 1 to 255 addresses.
    #[error("an advert has 1 to 255 addresses, not {0}")]
    Count(usize),
    /// Addresses of two families, or version 2 on IPv6.
    #[error("addresses are not all of the family that carries the advert")]
    Family,
    /// Over IPv6 the first address, and the source, are link-local.
    #[error("over IPv6 the first address and the source have to be link-local")]
    NoLinkLocal,
    /// The interval does not fit the version's field.
    #[error("interval does not fit the version's field")]
    Interval,
}

impl Repr<'_> {
    /// Writes the whole frame to the start of `frame`; returns its length in bytes.
    ///
    /// The source MAC address is the virtual one (RFC 9568, section 7.3), so that switches learn
    /// from every advert where the Active Router is.
    ///
    /// # Errors
    /// See [`EmitError`]; what the buffer then holds is undefined.
    pub fn emit(&self, addressing: &Addressing, frame: &mut [u8]) -> Result<usize, EmitError> {
        let family = self.family(addressing)?;
        let (destination, mac) = match addressing.target {
            Target::Group => (family.group(), family.group_mac()),
            Target::Peer { address, mac } => (address, mac),
        };
        let message_len = self.message_len(family);
        let (ethertype, ip_len) = match family {
            Family::V4 => (ethernet::IPV4, ipv4::HEADER_LEN),
            Family::V6 => (ethernet::IPV6, ipv6::HEADER_LEN),
        };
        let link = Link {
            destination: mac,
            source: self.vrid.mac(family),
            vlan: addressing.vlan,
        };
        let have = frame.len();
        let too_small = |need| EmitError::BufferTooSmall { need, have };
        let shortest = ethernet::HEADER_LEN + ip_len + message_len;
        let ip_at = link
            .emit(ethertype, frame)
            .map_err(|_| too_small(shortest))?;
        let message_at = ip_at + ip_len;
        let end = message_at + message_len;
        let packet = frame.get_mut(ip_at..end).ok_or(too_small(end))?;
        // All fits: the packet has room for header and message, and is shorter than 64 KiB.
        emit_ip(addressing.source, destination, message_len, packet).map_err(|_| too_small(end))?;
        let message = frame.get_mut(message_at..end).ok_or(too_small(end))?;
        self.emit_message(addressing, destination, message)?;
        Ok(end)
    }

    /// The family that carries the advert, all that it says checked against it.
    fn family(&self, addressing: &Addressing) -> Result<Family, EmitError> {
        let family = Family::of(addressing.source);
        let target_fits = match addressing.target {
            Target::Group => true,
            Target::Peer { address, .. } => Family::of(address) == family,
        };
        let all_fit = self
            .addresses
            .iter()
            .all(|address| Family::of(*address) == family);
        let version_fits = self.version == Version::V3 || family == Family::V4;
        if !(target_fits && all_fit && version_fits) {
            return Err(EmitError::Family);
        }
        if !(1..=255).contains(&self.addresses.len()) {
            return Err(EmitError::Count(self.addresses.len()));
        }
        let link_local = |address: IpAddr| match address {
            IpAddr::V4(_) => true,
            IpAddr::V6(address) => ipv6::is_link_local(address),
        };
        let first_is = self.addresses.first().copied().is_some_and(link_local);
        if first_is && link_local(addressing.source) {
            Ok(family)
        } else {
            Err(EmitError::NoLinkLocal)
        }
    }

    fn message_len(&self, family: Family) -> usize {
        let addresses = self.addresses.len() * family.address_len();
        match self.version {
            Version::V2 => HEADER_LEN + addresses + AUTH_LEN,
            Version::V3 => HEADER_LEN + addresses,
        }
    }

    fn emit_message(
        &self,
        addressing: &Addressing,
        destination: IpAddr,
        message: &mut [u8],
    ) -> Result<(), EmitError> {
        let interval = match self.version {
            // The authentication type's byte is 0: none.
            Version::V2 => self.interval.to_v2().map(u16::from),
            // The reserved bits are 0.
            Version::V3 => self.interval.to_v3(),
        };
        let mut out = Writer::new(message);
        out.u8((self.version as u8) << 4 | ADVERTISEMENT);
        out.u8(self.vrid.get());
        out.u8(self.priority);
        out.u8(u8::try_from(self.addresses.len()).unwrap_or(u8::MAX));
        out.u16(interval.ok_or(EmitError::Interval)?);
        out.u16(0);
        for address in self.addresses {
            match address {
                IpAddr::V4(address) => out.bytes(address.octets()),
                IpAddr::V6(address) => out.bytes(address.octets()),
            }
        }
        if self.version == Version::V2 {
            out.bytes([0; AUTH_LEN]);
        }
        let with_pseudo = match (Family::of(destination), self.version) {
            (Family::V6, _) => true,
            (Family::V4, Version::V2) => false,
            (Family::V4, Version::V3) => addressing.checksum == ChecksumRule::PseudoHeader,
        };
        let start = if with_pseudo {
            checksum::pseudo(addressing.source, destination, PROTOCOL, message.len())
        } else {
            0
        };
        let sum = checksum::finish(checksum::add(start, message));
        put(message, 6..8, sum.to_be_bytes());
        Ok(())
    }
}

/// The IP header. Adverts are sent as internetwork control, so that they do not wait behind the
/// traffic in a switch's queues: a late advert is a false failover.
fn emit_ip(
    source: IpAddr,
    destination: IpAddr,
    payload_len: usize,
    packet: &mut [u8],
) -> Result<(), Error> {
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => ipv4::Repr {
            source,
            destination,
            ttl: TTL,
            protocol: PROTOCOL,
            payload_len,
        }
        .emit_with_tos(packet, ipv4::INTERNETWORK_CONTROL),
        (IpAddr::V6(source), IpAddr::V6(destination)) => ipv6::Repr {
            source,
            destination,
            hop_limit: TTL,
            next_header: PROTOCOL,
            traffic_class: ipv4::INTERNETWORK_CONTROL,
            payload_len,
        }
        .emit(packet),
        _ => Err(Error::Version),
    }
}
