//! Frames that tests make themselves, byte by byte, by code that shares nothing with the engine's.

use super::frame::Mac;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// EtherType of IPv4.
pub const IPV4: u16 = 0x0800;
/// EtherType of ARP.
pub const ARP: u16 = 0x0806;
/// EtherType of a VLAN tag.
pub const VLAN: u16 = 0x8100;
/// EtherType of IPv6.
pub const IPV6: u16 = 0x86dd;
/// IP protocol of ICMP.
pub const ICMP: u8 = 1;
/// IP protocol of UDP.
pub const UDP: u8 = 17;
/// IP protocol of ICMPv6.
pub const ICMPV6: u8 = 58;
/// IP protocol of VRRP.
pub const VRRP: u8 = 112;
/// All stations.
pub const BROADCAST: Mac = [0xff; 6];

/// An Ethernet frame, padded to the shortest that there is.
#[must_use]
pub fn ethernet(to: Mac, from: Mac, vlan: Option<u16>, kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = [to, from].concat();
    if let Some(vlan) = vlan {
        frame.extend(VLAN.to_be_bytes());
        frame.extend(vlan.to_be_bytes());
    }
    frame.extend(kind.to_be_bytes());
    frame.extend(payload);
    frame.resize(frame.len().max(60), 0);
    frame
}

/// A frame with an IP packet, whose version says the EtherType.
#[must_use]
pub fn carry(to: Mac, from: Mac, vlan: Option<u16>, packet: &[u8]) -> Vec<u8> {
    let kind = if packet.first().is_some_and(|first| first >> 4 == 6) {
        IPV6
    } else {
        IPV4
    };
    ethernet(to, from, vlan, kind, packet)
}

/// The ones' complement sum of all bytes, inverted: 0 over what has a good checksum in it.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in bytes.chunks(2) {
        let low = pair.get(1).copied().unwrap_or(0);
        sum += u32::from(u16::from_be_bytes([pair[0], low]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// An IP packet of either family; IPv4 has "don't fragment" set. Empty when the ends are of two
/// families.
#[must_use]
pub fn ip(from: IpAddr, to: IpAddr, protocol: u8, ttl: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() + 20).unwrap_or(u16::MAX);
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let mut packet = vec![0x45, 0];
            packet.extend(length.to_be_bytes());
            packet.extend([0, 1, 0x40, 0, ttl, protocol, 0, 0]);
            packet.extend(from.octets());
            packet.extend(to.octets());
            packet.extend(body);
            fix(&mut packet);
            packet
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let mut packet = vec![0x60, 0, 0, 0];
            packet.extend((length - 20).to_be_bytes());
            packet.extend([protocol, ttl]);
            packet.extend(from.octets());
            packet.extend(to.octets());
            packet.extend(body);
            packet
        }
        _ => Vec::new(),
    }
}

/// Makes the checksum of an IPv4 header right again.
pub fn fix(packet: &mut [u8]) {
    let length = usize::from(packet[0] & 15) * 4;
    packet[10..12].fill(0);
    let value = checksum(&packet[..length]);
    packet[10..12].copy_from_slice(&value.to_be_bytes());
}

/// The checksum of a message that has zeros in its place, with the pseudo-header.
#[must_use]
pub fn checksum_with_ends(from: IpAddr, to: IpAddr, protocol: u8, message: &[u8]) -> u16 {
    let mut bytes = Vec::new();
    for end in [from, to] {
        match end {
            IpAddr::V4(end) => bytes.extend(end.octets()),
            IpAddr::V6(end) => bytes.extend(end.octets()),
        }
    }
    bytes.extend((message.len() as u32).to_be_bytes());
    bytes.extend([0, 0, 0, protocol]);
    bytes.extend(message);
    checksum(&bytes)
}

/// A UDP packet from port 4000.
#[must_use]
pub fn udp(from: IpAddr, to: IpAddr, port: u16, ttl: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() + 8) as u16;
    let mut message = Vec::new();
    for word in [4000, port, length, 0] {
        message.extend(word.to_be_bytes());
    }
    message.extend(body);
    let value = checksum_with_ends(from, to, UDP, &message);
    message[6..8].copy_from_slice(&value.to_be_bytes());
    ip(from, to, UDP, ttl, &message)
}

/// An ICMP or ICMPv6 packet of this type, with code 0 and `rest` behind the checksum.
#[must_use]
pub fn icmp(from: IpAddr, to: IpAddr, kind: u8, ttl: u8, rest: &[u8]) -> Vec<u8> {
    let mut message = vec![kind, 0, 0, 0];
    message.extend(rest);
    let (protocol, value) = match from {
        IpAddr::V4(_) => (ICMP, checksum(&message)),
        IpAddr::V6(_) => (ICMPV6, checksum_with_ends(from, to, ICMPV6, &message)),
    };
    message[2..4].copy_from_slice(&value.to_be_bytes());
    ip(from, to, protocol, ttl, &message)
}

/// An echo request with this sequence number.
#[must_use]
pub fn echo_request(from: IpAddr, to: IpAddr, sequence: u16) -> Vec<u8> {
    let kind = if from.is_ipv4() { 8 } else { 128 };
    let mut rest = vec![0, 7];
    rest.extend(sequence.to_be_bytes());
    rest.extend(b"twinline");
    icmp(from, to, kind, 64, &rest)
}

/// The sequence number of an echo reply.
#[must_use]
pub fn echo_reply(packet: &Ip<'_>) -> Option<u16> {
    let wanted = if packet.from.is_ipv4() {
        (ICMP, 0)
    } else {
        (ICMPV6, 129)
    };
    let body = packet.body;
    let is_one = (packet.protocol, *body.first()?) == wanted;
    is_one.then(|| u16::from_be_bytes([body[6], body[7]]))
}

/// An ARP packet: operation 1 asks, 2 answers.
#[must_use]
pub fn arp(operation: u16, sender: (Mac, Ipv4Addr), target: (Mac, Ipv4Addr)) -> Vec<u8> {
    let mut packet = vec![0, 1, 8, 0, 6, 4];
    packet.extend(operation.to_be_bytes());
    for (mac, ip) in [sender, target] {
        packet.extend(mac);
        packet.extend(ip.octets());
    }
    packet
}

/// A neighbour solicitation for `target`, to its group.
#[must_use]
pub fn solicitation(mac: Mac, from: Ipv6Addr, target: Ipv6Addr) -> Vec<u8> {
    let mut rest = vec![0; 4];
    rest.extend(target.octets());
    rest.extend([1, 1]);
    rest.extend(mac);
    icmp(from.into(), solicited_node(target).into(), 135, 255, &rest)
}

/// A solicited neighbour advertisement: `from` is at `mac`.
#[must_use]
pub fn advertisement(mac: Mac, from: Ipv6Addr, to: Ipv6Addr) -> Vec<u8> {
    let mut rest = vec![0x60, 0, 0, 0];
    rest.extend(from.octets());
    rest.extend([2, 1]);
    rest.extend(mac);
    icmp(from.into(), to.into(), 136, 255, &rest)
}

/// The group of the stations whose address ends like this one's.
#[must_use]
pub fn solicited_node(target: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = target.octets();
    let low = u16::from_be_bytes([0xff, a]);
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, low, u16::from_be_bytes([b, c]))
}

/// The MAC address of an IPv6 group.
#[must_use]
pub fn group_mac(group: Ipv6Addr) -> Mac {
    let [.., a, b, c, d] = group.octets();
    [0x33, 0x33, a, b, c, d]
}

/// A VRRPv3 advert of 1 s, to the group, with the checksum of RFC 9568.
#[must_use]
pub fn advert(from: IpAddr, vrid: u8, priority: u8, addresses: &[IpAddr]) -> Vec<u8> {
    let mut message = vec![0x31, vrid, priority, addresses.len() as u8, 0, 100, 0, 0];
    for address in addresses {
        match address {
            IpAddr::V4(address) => message.extend(address.octets()),
            IpAddr::V6(address) => message.extend(address.octets()),
        }
    }
    let group: IpAddr = match from {
        IpAddr::V4(_) => [224, 0, 0, 18].into(),
        IpAddr::V6(_) => Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12).into(),
    };
    let mut packet = ip(from, group, VRRP, 255, &message);
    fix_advert(&mut packet);
    packet
}

/// Makes the checksum of an advert right again, and that of an IPv4 header.
pub fn fix_advert(packet: &mut [u8]) {
    let at = if packet[0] >> 4 == 6 { 40 } else { 20 };
    packet[at + 6..at + 8].fill(0);
    let value = if at == 40 {
        let end = |from: usize| {
            let bytes: [u8; 16] = packet[from..from + 16].try_into().unwrap_or([0; 16]);
            IpAddr::from(bytes)
        };
        checksum_with_ends(end(8), end(24), VRRP, &packet[at..])
    } else {
        fix(packet);
        checksum(&packet[at..])
    };
    packet[at + 6..at + 8].copy_from_slice(&value.to_be_bytes());
}

/// A frame taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Destination MAC address.
    pub to: Mac,
    /// Source MAC address.
    pub from: Mac,
    /// The VLAN of its tag.
    pub vlan: Option<u16>,
    /// EtherType behind the tag.
    pub kind: u16,
    /// What is behind that.
    pub payload: &'a [u8],
}

/// Takes a frame apart; `None`: too short.
#[must_use]
pub fn open(frame: &[u8]) -> Option<Frame<'_>> {
    let (to, from) = (
        *frame.first_chunk::<6>()?,
        *frame.get(6..)?.first_chunk::<6>()?,
    );
    let word = |at: usize| Some(u16::from_be_bytes(*frame.get(at..)?.first_chunk::<2>()?));
    let tagged = word(12)? == VLAN;
    let at = if tagged { 16 } else { 12 };
    Some(Frame {
        to,
        from,
        vlan: if tagged {
            Some(word(14)? & 0xfff)
        } else {
            None
        },
        kind: word(at)?,
        payload: frame.get(at + 2..)?,
    })
}

/// An IP packet taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ip<'a> {
    /// Source.
    pub from: IpAddr,
    /// Destination.
    pub to: IpAddr,
    /// Protocol, or next header.
    pub protocol: u8,
    /// TTL, or hop limit.
    pub ttl: u8,
    /// What is behind the header, without padding.
    pub body: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The IP packet in it, whose IPv4 header has a good checksum.
    #[must_use]
    pub fn ip(&self) -> Option<Ip<'a>> {
        let bytes = self.payload;
        match self.kind {
            IPV4 => {
                let header = usize::from(bytes.first()? & 15) * 4;
                let total = usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]));
                if checksum(bytes.get(..header)?) != 0 {
                    return None;
                }
                Some(Ip {
                    from: IpAddr::from(*bytes.get(12..)?.first_chunk::<4>()?),
                    to: IpAddr::from(*bytes.get(16..)?.first_chunk::<4>()?),
                    protocol: *bytes.get(9)?,
                    ttl: *bytes.get(8)?,
                    body: bytes.get(header..total)?,
                })
            }
            IPV6 => {
                let length = usize::from(u16::from_be_bytes([*bytes.get(4)?, *bytes.get(5)?]));
                Some(Ip {
                    from: IpAddr::from(*bytes.get(8..)?.first_chunk::<16>()?),
                    to: IpAddr::from(*bytes.get(24..)?.first_chunk::<16>()?),
                    protocol: *bytes.get(6)?,
                    ttl: *bytes.get(7)?,
                    body: bytes.get(40..40 + length)?,
                })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::{self, Checksum, Heard};
    use super::*;

    #[test]
    fn what_is_made_is_read_as_such() {
        for (from, to) in [("10.0.0.1", "10.0.0.2"), ("fd00::1", "fd00::2")] {
            let (from, to): (IpAddr, IpAddr) = (from.parse().unwrap(), to.parse().unwrap());
            let frame = carry([2; 6], [4; 6], Some(7), &udp(from, to, 9, 64, b"x"));
            let open = open(&frame).unwrap();
            assert_eq!((open.to, open.from, open.vlan), ([2; 6], [4; 6], Some(7)));
            let ip = open.ip().unwrap();
            assert_eq!((ip.from, ip.to, ip.ttl, ip.body.len()), (from, to, 64, 9));
            assert_eq!(checksum_with_ends(from, to, UDP, ip.body), 0);
            let good = advert(from, 5, 200, &[to]);
            let Heard::Advert(heard) = frame::read(&carry([2; 6], [4; 6], None, &good)) else {
                panic!("no advert");
            };
            let wanted = if from.is_ipv4() {
                Checksum::Message
            } else {
                Checksum::PseudoHeader
            };
            assert_eq!((heard.checksum, heard.vrid), (wanted, 5));
        }
        let target: Ipv6Addr = "fd00::12:3456".parse().unwrap();
        assert_eq!(solicited_node(target).to_string(), "ff02::1:ff12:3456");
    }
}
