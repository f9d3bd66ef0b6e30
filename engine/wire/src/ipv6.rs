//! IPv6 headers (RFC 8200). [`Packet`] is the first header alone, all that adverts and neighbour
//! discovery have; [`upper`] walks the extension headers of others.

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

/// Next header of hop-by-hop options.
const HOP_BY_HOP: u8 = 0;
/// Next header of a routing header.
const ROUTING: u8 = 43;
/// Next header of a fragment header.
const FRAGMENT: u8 = 44;
/// Next header of the authentication header (RFC 4302).
const AUTHENTICATION: u8 = 51;
/// Next header of destination options.
const DESTINATION_OPTIONS: u8 = 60;
/// Extension headers that are walked, at most: RFC 8200, section 4.1, has seven.
const MAX_EXTENSIONS: usize = 8;

/// What is behind the extension headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upper {
    /// What it is: an upper layer's protocol, or 59 for nothing.
    pub protocol: u8,
    /// Where it starts, in bytes from the start of the packet.
    pub at: usize,
    /// Where the byte stands that names it: what a parameter problem points to.
    pub named_at: usize,
    /// Whether the packet is a fragment; an atomic one (RFC 6946) is none.
    pub fragment: bool,
    /// Where a fragment belongs, in units of 8 bytes. Of one that is not the first, what starts at
    /// [`Upper::at`] is the middle of something.
    pub fragment_offset: u16,
    /// Whether there are hop-by-hop options.
    pub hop_by_hop: bool,
}

/// Walks the extension headers of a packet to what is behind them.
///
/// # Errors
/// Those of [`Packet::new_checked`]; [`Error::Truncated`] when an extension header goes beyond the
/// packet, [`Error::HeaderLength`] when hop-by-hop options are not the first, or when there are more
/// than eight headers.
pub fn upper(packet: &[u8]) -> Result<Upper, Error> {
    let ip = Packet::new_checked(packet)?;
    let packet = packet.get(..ip.total_len()).ok_or(Error::Truncated)?;
    let mut found = Upper {
        protocol: ip.next_header(),
        at: HEADER_LEN,
        named_at: field::NEXT_HEADER,
        fragment: false,
        fragment_offset: 0,
        hop_by_hop: false,
    };
    for _ in 0..=MAX_EXTENSIONS {
        let kind = found.protocol;
        if !matches!(
            kind,
            HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION_OPTIONS
        ) {
            return Ok(found);
        }
        let header = packet.get(found.at..).unwrap_or_default();
        let [next, length, a, b] = *header.first_chunk::<4>().ok_or(Error::Truncated)?;
        let length = match kind {
            FRAGMENT => 8,
            AUTHENTICATION => (usize::from(length) + 2) * 4,
            _ => (usize::from(length) + 1) * 8,
        };
        if header.len() < length {
            return Err(Error::Truncated);
        }
        if kind == HOP_BY_HOP {
            if found.at != HEADER_LEN {
                return Err(Error::HeaderLength);
            }
            found.hop_by_hop = true;
        }
        found.protocol = next;
        found.named_at = found.at;
        found.at += length;
        if kind == FRAGMENT {
            let field = u16::from_be_bytes([a, b]);
            found.fragment |= field & !6 != 0;
            found.fragment_offset = field >> 3;
            if found.fragment_offset != 0 {
                return Ok(found);
            }
        }
    }
    Err(Error::HeaderLength)
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

    /// A packet with these extension headers and two bytes behind them.
    fn extended(first: u8, rest: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; HEADER_LEN];
        packet.extend(rest);
        packet.extend([7, 7]);
        let repr = Repr {
            source: ALL_NODES,
            destination: ALL_NODES,
            hop_limit: 1,
            next_header: first,
            traffic_class: 0,
            payload_len: rest.len() + 2,
        };
        repr.emit(&mut packet).unwrap();
        packet
    }

    #[test]
    fn extension_headers_are_walked() {
        let plain = upper(&extended(17, &[])).unwrap();
        assert_eq!((plain.protocol, plain.at, plain.named_at), (17, 40, 6));
        // hop-by-hop, then destination options of 16 bytes
        let mut two = vec![60, 0, 5, 2, 0, 0, 1, 0, 58, 1];
        two.resize(24, 0);
        let found = upper(&extended(0, &two)).unwrap();
        assert_eq!((found.protocol, found.at, found.named_at), (58, 64, 48));
        assert!(found.hop_by_hop && !found.fragment);
        // a first and a later fragment, and an atomic one
        let fragment = |field: u16| {
            let [a, b] = field.to_be_bytes();
            upper(&extended(44, &[58, 0, a, b, 0, 0, 0, 1])).unwrap()
        };
        assert_eq!(
            (fragment(1).fragment, fragment(1).fragment_offset),
            (true, 0)
        );
        assert_eq!(
            (fragment(16).fragment, fragment(16).fragment_offset),
            (true, 2)
        );
        assert!(!fragment(0).fragment);
        // authentication counts in four bytes
        let found = upper(&extended(51, &[6, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])).unwrap();
        assert_eq!((found.protocol, found.at), (6, 52));
    }

    #[test]
    fn bad_extension_headers_are_refused() {
        let late = [0, 0, 0, 0, 0, 0, 0, 0, 58, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(upper(&extended(60, &late)), Err(Error::HeaderLength));
        assert_eq!(upper(&extended(60, &[58, 1])), Err(Error::Truncated));
        assert_eq!(upper(&extended(60, &[])), Err(Error::Truncated));
        let many: Vec<u8> = [60, 0, 0, 0, 0, 0, 0, 0].repeat(9);
        assert_eq!(upper(&extended(60, &many)), Err(Error::HeaderLength));
    }

    proptest! {
        #[test]
        fn any_extension_headers_are_judged(
            first in prop_oneof![Just(0u8), Just(43), Just(44), Just(51), Just(60), any::<u8>()],
            rest in prop::collection::vec(prop_oneof![Just(0u8), Just(44), Just(60), any::<u8>()], 0..80),
        ) {
            let packet = extended(first, &rest);
            if let Ok(found) = upper(&packet) {
                prop_assert!(found.at >= HEADER_LEN && found.at <= packet.len());
                prop_assert_eq!(packet[found.named_at], found.protocol);
            }
        }

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
