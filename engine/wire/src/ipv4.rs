//! IPv4 headers of 20 bytes: neither options nor fragments are accepted (RFC 791).

use core::net::Ipv4Addr;

use crate::bytes::{get, put};
use crate::{Error, Mac, checksum};

mod field {
    use core::ops::Range;
    pub const VERSION_IHL: usize = 0;
    pub const TOS: Range<usize> = 1..2;
    pub const TOTAL_LENGTH: Range<usize> = 2..4;
    pub const FLAGS_FRAGMENT: Range<usize> = 6..8;
    pub const TTL: usize = 8;
    pub const PROTOCOL: usize = 9;
    pub const CHECKSUM: Range<usize> = 10..12;
    pub const SOURCE: Range<usize> = 12..16;
    pub const DESTINATION: Range<usize> = 16..20;
}

/// Bytes of the header.
pub const HEADER_LEN: usize = 20;
/// Protocol number of UDP.
pub const UDP: u8 = 17;

/// Class selector 6 in the type-of-service or traffic-class byte (RFC 2474, RFC 4594).
pub const INTERNETWORK_CONTROL: u8 = 0xc0;

/// Version 4, header of five 32-bit words.
const VERSION_4_IHL_5: u8 = 0x45;
const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
const FRAGMENT_OFFSET: u16 = 0x1fff;

/// An IPv4 packet.
#[derive(Debug, Clone, Copy)]
pub struct Packet<T: AsRef<[u8]>> {
    buffer: T,
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// Wraps the bytes of a packet, Ethernet padding allowed behind it.
    ///
    /// The checksum is not looked at: see [`Packet::verify_checksum`].
    ///
    /// # Errors
    /// By the first of: too short, not version 4, IHL not 5, a total length shorter than the
    /// header, a total length beyond the buffer, a fragment.
    pub fn new_checked(buffer: T) -> Result<Packet<T>, Error> {
        let bytes = buffer.as_ref();
        let version_ihl = *bytes.get(field::VERSION_IHL).ok_or(Error::Truncated)?;
        if bytes.len() < HEADER_LEN {
            return Err(Error::Truncated);
        }
        if version_ihl >> 4 != 4 {
            return Err(Error::Version);
        }
        if version_ihl != VERSION_4_IHL_5 {
            return Err(Error::HeaderLength);
        }
        let packet = Packet { buffer };
        if packet.total_len() < HEADER_LEN {
            return Err(Error::Length);
        }
        if packet.total_len() > packet.buffer.as_ref().len() {
            return Err(Error::Truncated);
        }
        let fragment = u16::from_be_bytes(get(packet.buffer.as_ref(), field::FLAGS_FRAGMENT));
        if fragment & (MORE_FRAGMENTS | FRAGMENT_OFFSET) != 0 {
            return Err(Error::Fragment);
        }
        Ok(packet)
    }

    /// Bytes of the packet, header included.
    pub fn total_len(&self) -> usize {
        usize::from(u16::from_be_bytes(get(
            self.buffer.as_ref(),
            field::TOTAL_LENGTH,
        )))
    }

    /// Hops left.
    pub fn ttl(&self) -> u8 {
        self.buffer.as_ref().get(field::TTL).copied().unwrap_or(0)
    }

    /// What the payload is.
    pub fn protocol(&self) -> u8 {
        protocol(self.buffer.as_ref())
    }

    /// Who sent it.
    pub fn source(&self) -> Ipv4Addr {
        Ipv4Addr::from(get::<4>(self.buffer.as_ref(), field::SOURCE))
    }

    /// Where it goes.
    pub fn destination(&self) -> Ipv4Addr {
        Ipv4Addr::from(get::<4>(self.buffer.as_ref(), field::DESTINATION))
    }

    /// Whether the header's checksum is right.
    pub fn verify_checksum(&self) -> bool {
        self.buffer
            .as_ref()
            .first_chunk::<HEADER_LEN>()
            .is_some_and(|header| checksum::internet(header) == 0)
    }

    /// What follows the header, without Ethernet padding.
    pub fn payload(&self) -> &[u8] {
        self.buffer
            .as_ref()
            .get(HEADER_LEN..self.total_len())
            .unwrap_or_default()
    }
}

/// The protocol of what may be an IPv4 header, before anything of it is checked; 0 if too short.
pub(crate) fn protocol(bytes: &[u8]) -> u8 {
    bytes.get(field::PROTOCOL).copied().unwrap_or(0)
}

/// The fields of a header. Identification and DSCP are 0, "don't fragment" is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repr {
    /// Who sends it.
    pub source: Ipv4Addr,
    /// Where it goes.
    pub destination: Ipv4Addr,
    /// Hops left.
    pub ttl: u8,
    /// What the payload is.
    pub protocol: u8,
    /// Bytes behind the header; header and payload together at most 65535.
    pub payload_len: usize,
}

impl Repr {
    /// Writes the header, checksum included, into the first [`HEADER_LEN`] bytes of `packet`.
    ///
    /// # Errors
    /// [`Error::Truncated`] when `packet` is shorter than that, [`Error::Length`] when the payload
    /// is too long for the length field; nothing is written then.
    pub fn emit(&self, packet: &mut [u8]) -> Result<(), Error> {
        self.emit_with_tos(packet, 0)
    }

    /// As [`Repr::emit`], with a type of service: routing protocols send
    /// [`INTERNETWORK_CONTROL`], so that their frames wait in no queue behind the traffic.
    ///
    /// # Errors
    /// Those of [`Repr::emit`].
    pub fn emit_with_tos(&self, packet: &mut [u8], tos: u8) -> Result<(), Error> {
        let total = u16::try_from(self.payload_len.saturating_add(HEADER_LEN))
            .map_err(|_| Error::Length)?;
        let header = packet
            .first_chunk_mut::<HEADER_LEN>()
            .ok_or(Error::Truncated)?;
        *header = [0; HEADER_LEN];
        put(
            header,
            field::VERSION_IHL..field::VERSION_IHL + 1,
            [VERSION_4_IHL_5],
        );
        put(header, field::TOS, [tos]);
        put(header, field::TOTAL_LENGTH, total.to_be_bytes());
        put(header, field::FLAGS_FRAGMENT, DONT_FRAGMENT.to_be_bytes());
        put(header, field::TTL..field::TTL + 1, [self.ttl]);
        put(
            header,
            field::PROTOCOL..field::PROTOCOL + 1,
            [self.protocol],
        );
        put(header, field::SOURCE, self.source.octets());
        put(header, field::DESTINATION, self.destination.octets());
        let checksum = checksum::internet(header);
        put(header, field::CHECKSUM, checksum.to_be_bytes());
        Ok(())
    }
}

/// The MAC address of an IPv4 multicast group: `01:00:5e` and the group's low 23 bits
/// (RFC 1112, section 6.4).
#[must_use]
pub const fn multicast_mac(group: Ipv4Addr) -> Mac {
    let [_, b, c, d] = group.octets();
    Mac([0x01, 0x00, 0x5e, b & 0x7f, c, d])
}
