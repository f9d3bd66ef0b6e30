//! Bytes as what happens to the slow path of a router: frames, packets that cannot be forwarded, the
//! kernel's frames, virtual addresses taken and given back, links, time.
//!
//! The first byte sets the router up; then come operations, each a byte and what it needs. Another
//! host stands on the same wire and hears all that the router says there. Broken promises are panics:
//! - no frame is without a verdict: it is answered, given on, learned from, or counted;
//! - [`twinline_wire::slow_path::read`] takes all ARP and neighbour discovery that a host says;
//! - the two hosts never answer each other without end;
//! - the table is bounded, and what the fast path was told is what is known;
//! - left alone, the router comes to rest.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use twinline_l3::prefix::link_local;
use twinline_l3::{
    Host, HostConfig, IcmpKind, InterfaceConfig, InterfaceId, Limits, Output, Prefix, Route, Time,
};
use twinline_wire::slow_path::{self, Seen};
use twinline_wire::vrrp::{ChecksumRule, Expect, Version};
use twinline_wire::{Mac, checksum, ethernet, icmp, ipv4, ipv6, vlan};

mod seeds;

pub use seeds::seeds;

/// Operations of one script, at most.
const MAX_OPS: usize = 64;
/// Neighbours of the router under judgement.
const NEIGHBOURS: usize = 6;
/// Frames between the two hosts after one operation, at most: a wait repeats questions.
const STORM: usize = 2000;
const LAN: InterfaceId = InterfaceId(0);
const WAN: InterfaceId = InterfaceId(1);
const ROUTER: Mac = Mac([2, 0, 0, 0, 0, 0xa]);
const ROUTER_WAN: Mac = Mac([2, 0, 0, 0, 0, 0xb]);
const OTHER: Mac = Mac([2, 0, 0, 0, 0, 0xc]);
const VMAC: Mac = Mac([0, 0, 0x5e, 0, 1, 10]);
const VMAC6: Mac = Mac([0, 0, 0x5e, 0, 2, 10]);
const VIP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 254);
const NET6: [u16; 4] = [0x2001, 0xdb8, 0, 0];

fn six(last: u16) -> Ipv6Addr {
    let [a, b, c, d] = NET6;
    Ipv6Addr::new(a, b, c, d, 0, 0, 0, last)
}

fn vips6() -> [IpAddr; 2] {
    let virtual_link_local = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x254);
    [virtual_link_local.into(), six(0x254).into()]
}

/// What an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A frame from the LAN: a length and its bytes.
    Frame,
    /// The same, its checksums made right.
    Repaired,
    /// A packet without next hop's MAC address: last byte of the next hop, a length, its bytes.
    Unresolved,
    /// A packet that cannot be forwarded: why, a length, its bytes.
    Error,
    /// A frame from the kernel: a length and its bytes.
    Kernel,
    /// Virtual addresses: bit 0 held, bit 1 accept, bit 2 IPv6.
    Hold,
    /// A neighbour of the peer instance: last bytes of its addresses.
    Heard,
    /// The LAN's link: bit 0.
    Link,
    /// Time: two bytes, in units of 10 ms.
    Wait,
    /// An announcement of the virtual address: bit 0 IPv6.
    Announce,
}

impl Kind {
    const ALL: [Kind; 10] = [
        Kind::Frame,
        Kind::Repaired,
        Kind::Unresolved,
        Kind::Error,
        Kind::Kernel,
        Kind::Hold,
        Kind::Heard,
        Kind::Link,
        Kind::Wait,
        Kind::Announce,
    ];
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// A length, and so many bytes; fewer at the end.
    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(self.byte()?).min(self.0.len());
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        Some(taken)
    }
}

fn interface(mac: Mac, four: [u8; 4], six: Ipv6Addr) -> InterfaceConfig {
    let addresses = [
        (IpAddr::from(four), 24),
        (six.into(), 64),
        (link_local(mac).into(), 64),
    ];
    InterfaceConfig {
        mac,
        mtu: 1500,
        vlan: None,
        addresses: addresses
            .iter()
            .filter_map(|(address, length)| Prefix::new(*address, *length))
            .collect(),
        kernel: false,
        probe_ipv4: false,
    }
}

fn host(lan: InterfaceConfig) -> Host {
    let wan_v6 = Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, 1);
    let default = Prefix::new(Ipv4Addr::UNSPECIFIED.into(), 0).expect("a prefix");
    let config = HostConfig {
        interfaces: vec![lan, interface(ROUTER_WAN, [198, 51, 100, 1], wan_v6)],
        routes: vec![Route {
            prefix: default,
            via: Ipv4Addr::new(198, 51, 100, 254).into(),
            interface: WAN,
        }],
        forwarding: true,
        limits: Limits {
            neighbours: NEIGHBOURS,
            pending: 8,
            ..Limits::default()
        },
    };
    Host::new(config).expect("a configuration")
}

/// The router, the other host, and what the fast path was told.
struct Trial {
    now: Time,
    router: Host,
    other: Host,
    out: Vec<Output>,
    told: BTreeMap<(InterfaceId, IpAddr), Mac>,
}

/// Plays the bytes.
///
/// # Panics
/// When a promise is broken.
pub fn judge(data: &[u8]) {
    let mut reader = Reader(data);
    let Some(first) = reader.byte() else {
        return;
    };
    let mut lan = interface(ROUTER, [192, 0, 2, 1], six(1));
    lan.kernel = first & 1 != 0;
    lan.probe_ipv4 = first & 2 != 0;
    lan.vlan = (first & 4 != 0).then_some(100);
    let other = InterfaceConfig {
        vlan: lan.vlan,
        ..if first & 8 != 0 {
            // One that is set up with the router's addresses.
            interface(OTHER, [192, 0, 2, 1], six(1))
        } else {
            interface(OTHER, [192, 0, 2, 9], six(9))
        }
    };
    let now = Time::ZERO + Duration::from_secs(1000);
    let mut trial = Trial {
        now,
        router: host(lan),
        other: host(other),
        out: Vec::new(),
        told: BTreeMap::new(),
    };
    trial.router.start(now, &mut trial.out);
    trial.router.link(now, WAN, true, &mut trial.out);
    trial.router.link(now, LAN, true, &mut trial.out);
    trial.other.link(now, LAN, true, &mut Vec::new());
    trial.settle();
    if first & 16 != 0 {
        trial.wait(Duration::from_secs(6));
    }
    for _ in 0..MAX_OPS {
        if trial.operate(&mut reader).is_none() {
            break;
        }
        trial.settle();
    }
    // Nobody there any more.
    trial.other.link(trial.now, LAN, false, &mut Vec::new());
    for _ in 0..30 {
        trial.wait(Duration::from_secs(10));
    }
    assert_eq!(
        trial.router.next_deadline(trial.now),
        None,
        "it does not come to rest"
    );
}

impl Trial {
    fn operate(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        let (now, out) = (self.now, &mut self.out);
        let kind = usize::from(reader.byte()?) % Kind::ALL.len();
        match Kind::ALL[kind] {
            Kind::Frame => self.frame(reader.bytes()?),
            Kind::Repaired => {
                let mut frame = reader.bytes()?.to_vec();
                repair(&mut frame);
                self.frame(&frame);
            }
            Kind::Unresolved => {
                let last = reader.byte()?;
                let packet = reader.bytes()?;
                let hop = match packet.first().map_or(0, |first| first >> 4) {
                    6 => six(u16::from(last)).into(),
                    _ => IpAddr::from([192, 0, 2, last]),
                };
                self.router.unresolved(now, LAN, hop, packet, out);
            }
            Kind::Error => {
                let kind = match reader.byte()? & 3 {
                    0 => IcmpKind::TimeExceeded,
                    1 => IcmpKind::NoRoute,
                    2 => IcmpKind::HostUnreachable,
                    _ => IcmpKind::TooBig { mtu: 1000 },
                };
                self.router.error(now, LAN, kind, reader.bytes()?, out);
            }
            Kind::Kernel => self.router.from_kernel(now, LAN, reader.bytes()?, out),
            Kind::Hold => {
                let bits = reader.byte()?;
                let (held, accept) = (bits & 1 != 0, bits & 2 != 0);
                let (vmac, addresses) = if bits & 4 != 0 {
                    (VMAC6, vips6().to_vec())
                } else {
                    (VMAC, vec![VIP.into()])
                };
                self.router
                    .virtual_addresses(now, LAN, vmac, &addresses, held, accept, out);
            }
            Kind::Heard => {
                let ip = IpAddr::from([192, 0, 2, reader.byte()?]);
                let mac = Mac([2, 0, 0, 0, 9, reader.byte()?]);
                self.router.neighbour_heard(now, LAN, ip, mac, out);
            }
            Kind::Link => {
                let up = reader.byte()? & 1 != 0;
                self.router.link(now, LAN, up, out);
            }
            Kind::Wait => {
                let units = u16::from_be_bytes([reader.byte()?, reader.byte()?]);
                self.wait(Duration::from_millis(u64::from(units) * 10));
            }
            Kind::Announce => {
                let (vmac, address) = match reader.byte()? & 1 {
                    0 => (VMAC, VIP.into()),
                    _ => (VMAC6, six(0x254).into()),
                };
                self.router.announce(LAN, vmac, address, out);
            }
        }
        Some(())
    }

    /// A frame to the router.
    fn frame(&mut self, frame: &[u8]) {
        let read = slow_path::read(frame, |_, _| {
            Some(Expect {
                version: Version::V3,
                checksum: ChecksumRule::Any,
                peers: &[],
            })
        });
        let before = *self.router.counters();
        self.router.frame(self.now, LAN, frame, &mut self.out);
        let after = self.router.counters();
        assert_eq!(after.frames, before.frames + 1);
        let dropped = after.drops.total() - before.drops.total();
        let malformed = after.malformed.total() - before.malformed.total();
        assert!(malformed <= 1);
        if matches!(read, Err(slow_path::DropCause::Truncated)) {
            assert!(self.out.is_empty() && dropped + malformed == 1);
        }
        if !matches!(read, Ok((_, Seen::Arp(_) | Seen::Ndp(_)))) {
            // What is no discovery leaves a trace: an output, or a counter.
            assert!(!self.out.is_empty() || dropped + malformed > 0 || *after != before);
            // And nobody is learned from it.
            let learned =
                |output: &Output| matches!(output, Output::Neighbour { mac: Some(_), .. });
            assert!(!self.out.iter().any(learned));
        }
        assert!(self.out.len() <= 16, "{} outputs", self.out.len());
    }

    /// Carries what the two say until nobody says anything, and looks at the promises.
    fn settle(&mut self) {
        let mut carried = 0;
        let mut to_router = Vec::new();
        loop {
            let said = self.check();
            let mut answers = Vec::new();
            for frame in said {
                carried += 1;
                self.other.frame(self.now, LAN, &frame, &mut answers);
            }
            to_router.extend(answers.into_iter().filter_map(|output| match output {
                Output::Send {
                    interface: LAN,
                    frame,
                } => Some(frame),
                _ => None,
            }));
            if to_router.is_empty() {
                return;
            }
            for frame in to_router.drain(..) {
                carried += 1;
                self.router.frame(self.now, LAN, &frame, &mut self.out);
            }
            assert!(carried < STORM, "they talk for ever");
        }
    }

    /// Takes the router's outputs; returns its frames to the LAN.
    fn check(&mut self) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        for output in std::mem::take(&mut self.out) {
            match output {
                Output::Neighbour { interface, ip, mac } => match mac {
                    Some(mac) => {
                        assert!(!mac.is_group() && !mac.is_zero());
                        self.told.insert((interface, ip), mac);
                    }
                    None => assert!(self.told.remove(&(interface, ip)).is_some()),
                },
                Output::Send { interface, frame } => {
                    let opened = vlan::open(&frame).expect("a header");
                    assert!(!opened.link.source.is_group());
                    if opened.ethertype == ethernet::ARP {
                        slow_path::read(&frame, |_, _| None).expect("ARP of ours");
                    }
                    if interface == LAN {
                        frames.push(frame);
                    }
                }
                Output::ToKernel { frame, .. } => {
                    assert_eq!(vlan::open(&frame).expect("a header").link.vlan, 0);
                }
                Output::Join { .. } | Output::Leave { .. } | Output::Note(_) => {}
            }
        }
        assert!(self.router.neighbours().count() <= NEIGHBOURS);
        let known: BTreeMap<_, _> = self
            .router
            .neighbours()
            .filter_map(|n| Some(((n.interface, n.ip), n.mac?)))
            .collect();
        assert_eq!(known, self.told, "the fast path was told otherwise");
        frames
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let next = self.router.next_deadline(self.now);
            let next = next.into_iter().chain(self.other.next_deadline(self.now));
            let Some(at) = next.min().filter(|at| *at <= end) else {
                break;
            };
            self.now = at;
            self.router.tick(at, &mut self.out);
            let mut said = Vec::new();
            self.other.tick(at, &mut said);
            for output in said {
                if let Output::Send {
                    interface: LAN,
                    frame,
                } = output
                {
                    self.router.frame(at, LAN, &frame, &mut self.out);
                }
            }
            self.settle();
            let due = [&self.router, &self.other].map(|host| host.next_deadline(at));
            // Hearing each other may make something due at once; a tick then serves it.
            assert!(due.iter().flatten().all(|due| *due >= at));
        }
        self.now = end;
    }
}

/// Makes the checksums of a frame's IPv4 header and ICMP message right.
fn repair(frame: &mut [u8]) {
    let Ok(opened) = vlan::open(frame) else {
        return;
    };
    let at = frame.len() - opened.payload.len();
    match opened.ethertype {
        ethernet::IPV4 => {
            let Ok(header) = ipv4::Header::read(opened.payload) else {
                return;
            };
            let (body, end) = (at + header.header_len, at + header.total_len);
            frame[at + 10..at + 12].fill(0);
            let sum = checksum::internet(&frame[at..body]);
            frame[at + 10..at + 12].copy_from_slice(&sum.to_be_bytes());
            if header.protocol == icmp::PROTOCOL
                && let Some(message) = frame.get_mut(body..end)
            {
                reseal(message, |repr, message| repr.emit_v4(message).is_ok());
            }
        }
        ethernet::IPV6 => {
            let (Ok(ip), Ok(upper)) = (
                ipv6::Packet::new_checked(opened.payload),
                ipv6::upper(opened.payload),
            ) else {
                return;
            };
            let (source, destination) = (ip.source(), ip.destination());
            let (body, end) = (at + upper.at, at + ip.total_len());
            if upper.protocol == ipv6::ICMPV6
                && let Some(message) = frame.get_mut(body..end)
            {
                reseal(message, |repr, message| {
                    repr.emit_v6(message, source, destination).is_ok()
                });
            }
        }
        _ => {}
    }
}

fn reseal(message: &mut [u8], emit: impl Fn(icmp::Repr, &mut [u8]) -> bool) {
    if let Some([kind, code, _, _, a, b, c, d]) = message.first_chunk::<8>().copied() {
        let repr = icmp::Repr {
            kind,
            code,
            rest: [a, b, c, d],
        };
        emit(repr, message);
    }
}
