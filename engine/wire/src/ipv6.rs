//! IPv6 headers, without extension headers: what adverts and neighbour discovery have (RFC 8200).

use core::net::Ipv6Addr;

use crate::bytes::{get, put};
use crate::{Error, Mac};

mod field {
    use core::ops::Range;
    pub const VERSION_CLASS_FLOW: Range<usize> = 0..4;
    pub const PAYLOAD_LENGTH: Range<usize> = 4..6;
    pub const NEXT_HEADER: usize = 6;
    pub const HOP_LIMIT: usize = 7;
    pub const SOURCE: Range<usize> = 8..24;
    pub const DESTINATION: Range<usize> = 24..40;
}

/// Bytes of the header.
pub const HEADER_LEN: usize = 40;
/// Next header of ICMPv6.
pub const ICMPV6: u8 = 58;
/// All nodes on the link.
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// An IPv6 packet.
#[derive(Debug, Clone, Copy)]
pub struct Packet<T: AsRef<[u8]>> {
    buffer: T,
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// Wraps the bytes of a packet, Ethernet padding allowed behind it.
    ///
    /// # Errors
    /// By the first of: too short, not version 6, a payload length beyond the buffer.
    pub fn new_checked(buffer: T) -> Result<Packet<T>, Error> {
        let bytes = buffer.as_ref();
        if bytes.len() < HEADER_LEN {
            return Err(Error::Truncated);
        }
        if bytes.first().is_none_or(|first| first >> 4 != 6) {
            return Err(Error::Version);
        }
        let packet = Packet { buffer };
        if packet.total_len() > packet.buffer.as_ref().len() {
            return Err(Error::Truncated);
        }
        Ok(packet)
    }

    /// Bytes of the packet, header included.
    pub fn total_len(&self) -> usize {
        let payload = u16::from_be_bytes(get(self.buffer.as_ref(), field::PAYLOAD_LENGTH));
        HEADER_LEN + usize::from(payload)
    }

    /// What the payload is, or which extension header comes first.
    pub fn next_header(&self) -> u8 {
        self.byte(field::NEXT_HEADER)
    }

    /// Hops left.
    pub fn hop_limit(&self) -> u8 {
        self.byte(field::HOP_LIMIT)
    }

    /// Who sent it.
    pub fn source(&self) -> Ipv6Addr {
        Ipv6Addr::from(get::<16>(self.buffer.as_ref(), field::SOURCE))
    }

    /// Where it goes.
    pub fn destination(&self) -> Ipv6Addr {
        Ipv6Addr::from(get::<16>(self.buffer.as_ref(), field::DESTINATION))
    }

    /// What follows the header, without Ethernet padding.
    pub fn payload(&self) -> &[u8] {
        self.buffer
            .as_ref()
            .get(HEADER_LEN..self.total_len())
            .unwrap_or_default()
    }

    fn byte(&self, at: usize) -> u8 {
        self.buffer.as_ref().get(at).copied().unwrap_or(0)
    }
}

/// The next header of what may be an IPv6 header, before anything of it is checked; 0 if too short.
pub(crate) fn next_header(bytes: &[u8]) -> u8 {
    bytes.get(field::NEXT_HEADER).copied().unwrap_or(0)
}

/// The fields of a header. The flow label is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repr {
    /// Who sends it.
    pub source: Ipv6Addr,
    /// Where it goes.
    pub destination: Ipv6Addr,
    /// Hops left.
    pub hop_limit: u8,
    /// What the payload is.
    pub next_header: u8,
    /// DSCP and ECN.
    pub traffic_class: u8,
    /// Bytes behind the header, at most 65535.
    pub payload_len: usize,
}

impl Repr {
    /// Writes the header into the first [`HEADER_LEN`] bytes of `packet`.
    ///
    /// # Errors
    /// [`Error::Truncated`] when `packet` is shorter than that, [`Error::Length`] when the payload
    /// is too long for the length field; nothing is written then.
    pub fn emit(&self, packet: &mut [u8]) -> Result<(), Error> {
        let payload = u16::try_from(self.payload_len).map_err(|_| Error::Length)?;
        let header = packet
            .first_chunk_mut::<HEADER_LEN>()
            .ok_or(Error::Truncated)?;
        let first = 6 << 28 | u32::from(self.traffic_class) << 20;
        put(header, field::VERSION_CLASS_FLOW, first.to_be_bytes());
        put(header, field::PAYLOAD_LENGTH, payload.to_be_bytes());
        put(header, 6..8, [self.next_header, self.hop_limit]);
        put(header, field::SOURCE, self.source.octets());
        put(header, field::DESTINATION, self.destination.octets());
        Ok(())
    }
}

/// The MAC address of an IPv6 multicast group: `33:33` and the group's low 32 bits
/// (RFC 2464, section 7).
#[must_use]
pub const fn multicast_mac(group: Ipv6Addr) -> Mac {
    let [.., a, b, c, d] = group.octets();
    Mac([0x33, 0x33, a, b, c, d])
}

/// The solicited-node group of an address (RFC 4291, section 2.7.1).
#[must_use]
pub const fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = address.octets();
    let low = u16::from_be_bytes([b, c]);
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | a as u16, low)
}

/// Whether an address is link-local unicast, fe80::/10 (RFC 4291, section 2.5.6).
#[must_use]
pub const fn is_link_local(address: Ipv6Addr) -> bool {
    let [first, ..] = address.segments();
    first & 0xffc0 == 0xfe80
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_map_to_groups_and_macs() {
        let address: Ipv6Addr = "2001:db8::12:3456".parse().unwrap();
        let group: Ipv6Addr = "ff02::1:ff12:3456".parse().unwrap();
        assert_eq!(solicited_node(address), group);
        assert_eq!(multicast_mac(group).to_string(), "33:33:ff:12:34:56");
        assert!(is_link_local("febf::1".parse().unwrap()));
        assert!(!is_link_local("fec0::1".parse().unwrap()));
    }

    #[test]
    fn short_and_foreign_packets_are_refused() {
        let mut packet = [0; 50];
        let repr = Repr {
            source: ALL_NODES,
            destination: ALL_NODES,
            hop_limit: 255,
            next_header: 112,
            traffic_class: 0xc0,
            payload_len: 8,
        };
        repr.emit(&mut packet).unwrap();
        for length in 0..packet.len() {
            let read = Packet::new_checked(&packet[..length]);
            assert_eq!(read.is_ok(), length >= 48, "{length}");
        }
        let read = Packet::new_checked(&packet).unwrap();
        assert_eq!(read.payload().len(), 8, "padding is not payload");
        packet[0] = 0x40;
        assert_eq!(Packet::new_checked(&packet).unwrap_err(), Error::Version);
        assert_eq!(repr.emit(&mut [0; 39]), Err(Error::Truncated));
        let long = Repr {
            payload_len: 65_536,
            ..repr
        };
        assert_eq!(long.emit(&mut packet), Err(Error::Length));
    }

    proptest! {
        #[test]
        fn what_we_emit_etherparse_reads(
            addresses in any::<(u128, u128)>(),
            bytes in any::<(u8, u8, u8)>(),
            payload in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let repr = Repr {
                source: Ipv6Addr::from(addresses.0),
                destination: Ipv6Addr::from(addresses.1),
                hop_limit: bytes.0,
                next_header: bytes.1,
                traffic_class: bytes.2,
                payload_len: payload.len(),
            };
            let mut packet = vec![0xaa; HEADER_LEN];
            packet.extend(&payload);
            repr.emit(&mut packet).unwrap();
            let (theirs, rest) = etherparse::Ipv6Header::from_slice(&packet).unwrap();
            prop_assert_eq!(Ipv6Addr::from(theirs.source), repr.source);
            prop_assert_eq!(Ipv6Addr::from(theirs.destination), repr.destination);
            prop_assert_eq!(theirs.hop_limit, repr.hop_limit);
            prop_assert_eq!(theirs.next_header.0, repr.next_header);
            prop_assert_eq!(theirs.traffic_class, repr.traffic_class);
            prop_assert_eq!(usize::from(theirs.payload_length), rest.len());
            let ours = Packet::new_checked(&packet).unwrap();
            prop_assert_eq!(ours.source(), repr.source);
            prop_assert_eq!(ours.destination(), repr.destination);
            prop_assert_eq!((ours.hop_limit(), ours.next_header()), (bytes.0, bytes.1));
            prop_assert_eq!(ours.payload(), &payload[..]);
        }

        #[test]
        fn any_bytes_are_judged_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(packet) = Packet::new_checked(&bytes) {
                prop_assert!(packet.payload().len() + HEADER_LEN <= bytes.len());
            }
        }
    }
}
