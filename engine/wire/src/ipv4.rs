//! IPv4 headers (RFC 791). [`Packet`] is for what is spoken to us: 20 bytes, neither options nor
//! fragments. [`Header`] is for what others speak about: any header that is one.

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

/// Any well-formed header, with options or of a fragment too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the header, options included: 20 to 60.
    pub header_len: usize,
    /// Bytes of the packet, header included; all of them are there.
    pub total_len: usize,
    /// Type of service: DSCP and ECN.
    pub tos: u8,
    /// DF: it must not be fragmented.
    pub dont_fragment: bool,
    /// MF: more fragments follow.
    pub more_fragments: bool,
    /// Where the fragment belongs, in units of 8 bytes; 0 for the first one, and for a whole packet.
    pub fragment_offset: u16,
    /// Hops left.
    pub ttl: u8,
    /// What the payload is.
    pub protocol: u8,
    /// Whether the header's checksum is right.
    pub checksum_ok: bool,
    /// Who sent it.
    pub source: Ipv4Addr,
    /// Where it goes.
    pub destination: Ipv4Addr,
}

impl Header {
    /// Reads a header, Ethernet padding allowed behind the packet.
    ///
    /// # Errors
    /// By the first of: too short, not version 4, IHL below 5, a total length shorter than the
    /// header, a total length beyond the bytes.
    pub fn read(packet: &[u8]) -> Result<Header, Error> {
        let bytes = packet.first_chunk::<HEADER_LEN>().ok_or(Error::Truncated)?;
        let [version_ihl] = get(bytes, field::VERSION_IHL..field::VERSION_IHL + 1);
        if version_ihl >> 4 != 4 {
            return Err(Error::Version);
        }
        let header_len = usize::from(version_ihl & 0x0f) * 4;
        if header_len < HEADER_LEN {
            return Err(Error::HeaderLength);
        }
        let total_len = usize::from(u16::from_be_bytes(get(bytes, field::TOTAL_LENGTH)));
        if total_len < header_len {
            return Err(Error::Length);
        }
        if total_len > packet.len() {
            return Err(Error::Truncated);
        }
        let header = packet.get(..header_len).ok_or(Error::Truncated)?;
        let fragment = u16::from_be_bytes(get(bytes, field::FLAGS_FRAGMENT));
        let [tos] = get(bytes, field::TOS);
        let [ttl] = get(bytes, field::TTL..field::TTL + 1);
        Ok(Header {
            header_len,
            total_len,
            tos,
            dont_fragment: fragment & DONT_FRAGMENT != 0,
            more_fragments: fragment & MORE_FRAGMENTS != 0,
            fragment_offset: fragment & FRAGMENT_OFFSET,
            ttl,
            protocol: protocol(bytes),
            checksum_ok: checksum::internet(header) == 0,
            source: Ipv4Addr::from(get::<4>(bytes, field::SOURCE)),
            destination: Ipv4Addr::from(get::<4>(bytes, field::DESTINATION)),
        })
    }

    /// Whether it is a part of a packet only.
    #[must_use]
    pub const fn is_fragment(&self) -> bool {
        self.more_fragments || self.fragment_offset != 0
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn emitted() -> [u8; 32] {
        let mut packet = [0; 32];
        let repr = Repr {
            source: Ipv4Addr::new(10, 0, 0, 1),
            destination: Ipv4Addr::new(10, 0, 0, 2),
            ttl: 7,
            protocol: UDP,
            payload_len: 12,
        };
        repr.emit_with_tos(&mut packet, INTERNETWORK_CONTROL)
            .unwrap();
        packet
    }

    #[test]
    fn any_header_that_is_one_is_read() {
        let mut packet = emitted();
        let header = Header::read(&packet).unwrap();
        assert_eq!((header.header_len, header.total_len), (20, 32));
        assert_eq!((header.ttl, header.protocol, header.tos), (7, UDP, 0xc0));
        assert!(header.checksum_ok && header.dont_fragment && !header.is_fragment());
        packet[0] = 0x46;
        packet[6..8].copy_from_slice(&[0x20, 3]);
        let header = Header::read(&packet).unwrap();
        assert_eq!((header.header_len, header.fragment_offset), (24, 3));
        assert!(header.is_fragment() && header.more_fragments && !header.checksum_ok);
        packet[0] = 0x44;
        assert_eq!(Header::read(&packet), Err(Error::HeaderLength));
        packet[0] = 0x49;
        assert_eq!(Header::read(&packet), Err(Error::Length));
        packet[0] = 0x65;
        assert_eq!(Header::read(&packet), Err(Error::Version));
        for length in 0..32 {
            assert_eq!(Header::read(&emitted()[..length]), Err(Error::Truncated));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged_as_etherparse_does(
            bytes in prop::collection::vec(any::<u8>(), 0..80), ihl in 0..16u8, total in 0..100u16,
        ) {
            let mut bytes = bytes;
            if bytes.len() >= 4 {
                bytes[0] = 0x40 | ihl;
                bytes[2..4].copy_from_slice(&total.to_be_bytes());
            }
            let theirs = etherparse::Ipv4HeaderSlice::from_slice(&bytes);
            match Header::read(&bytes) {
                Ok(header) => {
                    let theirs = theirs.unwrap();
                    prop_assert_eq!(header.header_len, theirs.slice().len());
                    prop_assert_eq!(header.total_len, usize::from(theirs.total_len()));
                    prop_assert_eq!(header.source, theirs.source_addr());
                    prop_assert_eq!(header.is_fragment(), theirs.is_fragmenting_payload());
                    prop_assert!(header.total_len <= bytes.len());
                    let sum = theirs.to_header().calc_header_checksum();
                    prop_assert_eq!(header.checksum_ok, sum == theirs.header_checksum());
                }
                Err(_) => prop_assert!(theirs.is_err() || usize::from(total) > bytes.len() || total < u16::from(ihl) * 4),
            }
        }
    }
}
