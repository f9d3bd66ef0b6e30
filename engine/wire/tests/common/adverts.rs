//! Virtual routers that speak, and how to damage what they say.
#![allow(dead_code)] // each test file uses its part

use std::net::IpAddr;

use twinline_wire::vrrp::{
    Addressing, Advert, ChecksumRule, DropCause, EmitError, Expect, Interval, MAX_FRAME_LEN, Repr,
    Target, Version, Vrid, parse,
};

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub fn vrid(id: u8) -> Vrid {
    Vrid::new(id).unwrap()
}

/// A virtual router with what it says and how.
#[derive(Clone)]
pub struct Speaker {
    pub version: Version,
    pub priority: u8,
    pub interval: Interval,
    pub addresses: Vec<IpAddr>,
    pub addressing: Addressing,
}

impl Speaker {
    fn new(version: Version, interval: Interval, source: &str, addresses: &[&str]) -> Speaker {
        Speaker {
            version,
            priority: 100,
            interval,
            addresses: addresses.iter().map(|text| ip(text)).collect(),
            addressing: Addressing {
                source: ip(source),
                target: Target::Group,
                vlan: 0,
                checksum: ChecksumRule::Rfc9568,
            },
        }
    }

    pub fn v4() -> Speaker {
        let interval = Interval::from_centis(100).unwrap();
        Speaker::new(
            Version::V3,
            interval,
            "10.0.0.1",
            &["10.0.0.254", "10.0.0.253"],
        )
    }

    pub fn v6() -> Speaker {
        let interval = Interval::from_centis(100).unwrap();
        Speaker::new(
            Version::V3,
            interval,
            "fe80::1",
            &["fe80::254", "2001:db8::254"],
        )
    }

    pub fn v2() -> Speaker {
        let interval = Interval::from_secs(1).unwrap();
        Speaker::new(Version::V2, interval, "10.0.0.1", &["10.0.0.254"])
    }

    pub fn repr(&self) -> Repr<'_> {
        Repr {
            version: self.version,
            vrid: vrid(7),
            priority: self.priority,
            interval: self.interval,
            addresses: &self.addresses,
        }
    }

    pub fn emit(&self) -> Result<Vec<u8>, EmitError> {
        let mut frame = [0xaa; MAX_FRAME_LEN];
        let length = self.repr().emit(&self.addressing, &mut frame)?;
        Ok(frame[..length].to_vec())
    }

    pub fn frame(&self) -> Vec<u8> {
        self.emit().unwrap()
    }

    pub fn expect(&self) -> Expect<'static> {
        Expect {
            version: self.version,
            checksum: self.addressing.checksum,
            peers: &[],
        }
    }

    /// Where the VRRP message starts.
    pub fn message_at(&self) -> usize {
        if self.addressing.source.is_ipv4() {
            34
        } else {
            54
        }
    }

    /// Received by a router set up alike, whose only id is 7.
    pub fn receive<'a>(&self, frame: &'a [u8]) -> Result<Advert<'a>, DropCause> {
        parse(frame, |_, id| (id == vrid(7)).then(|| self.expect()))
    }

    /// A good frame with its VRRP message changed, all lengths and checksums right again.
    pub fn changed(&self, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let frame = self.frame();
        let at = self.message_at();
        let mut message = frame[at..].to_vec();
        change(&mut message);
        let mut frame = frame[..at].to_vec();
        frame.extend(message);
        self.repair(&mut frame);
        frame
    }

    /// Makes all lengths and checksums right again.
    pub fn repair(&self, frame: &mut [u8]) {
        let at = self.message_at();
        let length = (frame.len() - at) as u16;
        let mut pseudo = Vec::new();
        if self.addressing.source.is_ipv4() {
            frame[16..18].copy_from_slice(&(length + 20).to_be_bytes());
            frame[24..26].fill(0);
            let sum = internet(&frame[14..34]);
            frame[24..26].copy_from_slice(&sum.to_be_bytes());
            if self.addressing.checksum == ChecksumRule::PseudoHeader {
                pseudo.extend(&frame[26..34]);
                pseudo.extend([0, 112]);
                pseudo.extend(length.to_be_bytes());
            }
        } else {
            frame[18..20].copy_from_slice(&length.to_be_bytes());
            pseudo.extend(&frame[22..54]);
            pseudo.extend(u32::from(length).to_be_bytes());
            pseudo.extend([0, 0, 0, 112]);
        }
        if frame.len() >= at + 8 {
            frame[at + 6..at + 8].fill(0);
            pseudo.extend(&frame[at..]);
            let sum = internet(&pseudo);
            frame[at + 6..at + 8].copy_from_slice(&sum.to_be_bytes());
        }
    }
}

/// The internet checksum, written down once more, so that ours does not judge itself.
pub fn internet(bytes: &[u8]) -> u16 {
    let mut sum = 0u64;
    for pair in bytes.chunks(2) {
        sum += u64::from(pair[0]) << 8 | pair.get(1).map_or(0, |b| u64::from(*b));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
