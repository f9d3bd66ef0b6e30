//! What routers say on a wire, read by code that shares nothing with the engine's: the judge.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// A MAC address.
pub type Mac = [u8; 6];

/// What a frame is to the tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A VRRP advert (RFC 3768, RFC 9568).
    Advert(Advert),
    /// An ARP request or reply (RFC 826).
    Arp(Arp),
    /// A neighbour advertisement (RFC 4861, section 4.4).
    Neighbour(Neighbour),
    /// Anything else.
    Other,
}

/// How a VRRP checksum was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// Over the message alone.
    Message,
    /// Over the message and a pseudo-header.
    PseudoHeader,
    /// Neither.
    Wrong,
}

/// A VRRP advert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advert {
    /// Source MAC address of the frame.
    pub source_mac: Mac,
    /// Destination MAC address of the frame.
    pub destination_mac: Mac,
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// TTL or hop limit.
    pub ttl: u8,
    /// Version, 2 or 3.
    pub version: u8,
    /// Type; 1.
    pub kind: u8,
    /// The virtual router's id.
    pub vrid: u8,
    /// Priority; 0 resigns.
    pub priority: u8,
    /// The interval that it says.
    pub interval: Duration,
    /// The four reserved bits (version 3), or the authentication type (version 2).
    pub reserved: u8,
    /// The addresses.
    pub addresses: Vec<IpAddr>,
    /// The checksum.
    pub checksum: Checksum,
}

/// An ARP packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arp {
    /// Source MAC address of the frame.
    pub source_mac: Mac,
    /// Destination MAC address of the frame.
    pub destination_mac: Mac,
    /// 1 request, 2 reply.
    pub operation: u16,
    /// Sender's MAC address.
    pub sender_mac: Mac,
    /// Sender's address.
    pub sender: Ipv4Addr,
    /// Target's address.
    pub target: Ipv4Addr,
}

impl Arp {
    /// Gratuitous: sender and target are the same address.
    #[must_use]
    pub fn is_gratuitous(&self) -> bool {
        self.sender == self.target
    }
}

/// A neighbour advertisement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// Source MAC address of the frame.
    pub source_mac: Mac,
    /// Destination address.
    pub destination: Ipv6Addr,
    /// Target's address.
    pub target: Ipv6Addr,
    /// Target link-layer address.
    pub mac: Option<Mac>,
    /// R flag.
    pub router: bool,
    /// S flag.
    pub solicited: bool,
    /// O flag.
    pub overriding: bool,
}

/// Reads a whole frame, with or without one VLAN tag.
#[must_use]
pub fn read(frame: &[u8]) -> Heard {
    parse(frame).unwrap_or(Heard::Other)
}

fn parse(frame: &[u8]) -> Option<Heard> {
    let destination_mac = bytes(frame, 0)?;
    let source_mac = bytes(frame, 6)?;
    let mut kind = word(frame, 12)?;
    let mut rest = frame.get(14..)?;
    if kind == 0x8100 {
        kind = word(rest, 2)?;
        rest = rest.get(4..)?;
    }
    match kind {
        0x0806 => {
            let sender: [u8; 4] = bytes(rest, 14)?;
            let target: [u8; 4] = bytes(rest, 24)?;
            Some(Heard::Arp(Arp {
                source_mac,
                destination_mac,
                operation: word(rest, 6)?,
                sender_mac: bytes(rest, 8)?,
                sender: sender.into(),
                target: target.into(),
            }))
        }
        0x0800 => {
            let header = usize::from(rest.first()? & 15) * 4;
            let total = usize::from(word(rest, 2)?);
            if *rest.get(9)? != 112 {
                return None;
            }
            let source: [u8; 4] = bytes(rest, 12)?;
            let destination: [u8; 4] = bytes(rest, 16)?;
            let message = rest.get(header..total)?;
            let mut pseudo = [source, destination].concat();
            pseudo.extend([0, 112]);
            pseudo.extend(u16::try_from(message.len()).ok()?.to_be_bytes());
            let mut advert = vrrp(message, &pseudo, 4)?;
            (advert.source_mac, advert.destination_mac) = (source_mac, destination_mac);
            (advert.source, advert.destination) =
                (IpAddr::V4(source.into()), IpAddr::V4(destination.into()));
            advert.ttl = *rest.get(8)?;
            Some(Heard::Advert(advert))
        }
        0x86dd => {
            let length = usize::from(word(rest, 4)?);
            let next = *rest.get(6)?;
            let source: [u8; 16] = bytes(rest, 8)?;
            let destination: [u8; 16] = bytes(rest, 24)?;
            let message = rest.get(40..40 + length)?;
            match next {
                112 => {
                    let mut pseudo = [source, destination].concat();
                    pseudo.extend(u32::try_from(message.len()).ok()?.to_be_bytes());
                    pseudo.extend([0, 0, 0, 112]);
                    let mut advert = vrrp(message, &pseudo, 16)?;
                    (advert.source_mac, advert.destination_mac) = (source_mac, destination_mac);
                    (advert.source, advert.destination) =
                        (IpAddr::V6(source.into()), IpAddr::V6(destination.into()));
                    advert.ttl = *rest.get(7)?;
                    Some(Heard::Advert(advert))
                }
                58 if message.first() == Some(&136) => {
                    let flags = *message.get(4)?;
                    let target: [u8; 16] = bytes(message, 8)?;
                    // option 2: target link-layer address
                    let option = message.get(24..26) == Some(&[2, 1]);
                    Some(Heard::Neighbour(Neighbour {
                        source_mac,
                        destination: destination.into(),
                        target: target.into(),
                        mac: if option { bytes(message, 26) } else { None },
                        router: flags & 0x80 != 0,
                        solicited: flags & 0x40 != 0,
                        overriding: flags & 0x20 != 0,
                    }))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

fn vrrp(message: &[u8], pseudo: &[u8], address_len: usize) -> Option<Advert> {
    let version = *message.first()? >> 4;
    let count = usize::from(*message.get(3)?);
    let interval = word(message, 4)?;
    let (interval, reserved) = if version == 2 {
        let seconds = Duration::from_secs(u64::from(interval & 0xff));
        (seconds, (interval >> 8) as u8)
    } else {
        let centiseconds = u64::from(interval & 0xfff);
        (
            Duration::from_millis(centiseconds * 10),
            (interval >> 12) as u8,
        )
    };
    let mut addresses = Vec::new();
    for chunk in message.get(8..8 + count * address_len)?.chunks(address_len) {
        addresses.push(match address_len {
            4 => IpAddr::V4(bytes::<4>(chunk, 0)?.into()),
            _ => IpAddr::V6(bytes::<16>(chunk, 0)?.into()),
        });
    }
    let checksum = if sum(&[message]) == 0xffff {
        Checksum::Message
    } else if sum(&[pseudo, message]) == 0xffff {
        Checksum::PseudoHeader
    } else {
        Checksum::Wrong
    };
    Some(Advert {
        source_mac: [0; 6],
        destination_mac: [0; 6],
        source: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        destination: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        ttl: 0,
        version,
        kind: *message.first()? & 15,
        vrid: *message.get(1)?,
        priority: *message.get(2)?,
        interval,
        reserved,
        addresses,
        checksum,
    })
}

/// The ones' complement sum; all parts but the last are of even length.
fn sum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0_u32;
    for part in parts {
        for pair in part.chunks(2) {
            let low = pair.get(1).copied().unwrap_or(0);
            sum += u32::from(u16::from_be_bytes([pair[0], low]));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(self::bytes(bytes, at)?))
}

fn bytes<const N: usize>(from: &[u8], at: usize) -> Option<[u8; N]> {
    from.get(at..at + N)?.try_into().ok()
}

/// A MAC address in its usual form.
#[must_use]
pub fn mac_text(mac: Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// The virtual MAC address of a virtual router (RFC 9568, section 7.3).
#[must_use]
pub fn virtual_mac(vrid: u8, ipv6: bool) -> Mac {
    [0, 0, 0x5e, 0, if ipv6 { 2 } else { 1 }, vrid]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An advert of keepalived 2.2.7: version 3, id 51, priority 150, 1 s, 10.77.0.254; its
    /// checksum has the pseudo-header.
    fn advert() -> Vec<u8> {
        let mut frame = vec![
            0x01, 0x00, 0x5e, 0x00, 0x00, 0x12, 0x02, 0, 0, 0, 0, 1, 0x08, 0x00,
        ];
        frame.extend([
            0x45, 0xc0, 0, 32, 0, 1, 0, 0, 255, 112, 0, 0, 10, 77, 0, 11, 224, 0, 0, 18,
        ]);
        let mut message = vec![0x31, 51, 150, 1, 0, 100, 0, 0, 10, 77, 0, 254];
        let pseudo = [10, 77, 0, 11, 224, 0, 0, 18, 0, 112, 0, 12];
        let check = !sum(&[&pseudo, &message]);
        message[6..8].copy_from_slice(&check.to_be_bytes());
        frame.extend(message);
        frame
    }

    #[test]
    fn an_advert_is_read() {
        let Heard::Advert(advert) = read(&advert()) else {
            panic!("no advert");
        };
        assert_eq!((advert.version, advert.vrid, advert.priority), (3, 51, 150));
        assert_eq!(advert.interval, Duration::from_secs(1));
        assert_eq!(advert.checksum, Checksum::PseudoHeader);
        assert_eq!(advert.ttl, 255);
        assert_eq!(advert.addresses, ["10.77.0.254".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn a_changed_byte_is_a_wrong_checksum_and_a_short_frame_is_nothing() {
        let mut frame = advert();
        frame[14 + 20 + 2] ^= 1;
        let Heard::Advert(advert) = read(&frame) else {
            panic!("no advert");
        };
        assert_eq!(advert.checksum, Checksum::Wrong);
        for length in 0..self::advert().len() {
            assert_eq!(read(&frame[..length]), Heard::Other);
        }
    }
}
