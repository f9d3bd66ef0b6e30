//! Hosts on a wire, with a clock.
#![allow(dead_code)] // each test file uses its part
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests count as tests

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use twinline_l3::prefix::link_local;
use twinline_l3::{
    DropCause, Host, HostConfig, InterfaceConfig, InterfaceId, Limits, Neighbour, NeighbourState,
    Output, Prefix, Route, Time,
};
use twinline_wire::icmp::{self, Repr};
use twinline_wire::vlan::Link;
use twinline_wire::{Mac, arp, ethernet, ipv4, ipv6, ndp, vlan};

pub const LAN: InterfaceId = InterfaceId(0);
pub const WAN: InterfaceId = InterfaceId(1);
pub const A: Mac = Mac([2, 0, 0, 0, 0, 0xa]);
pub const B: Mac = Mac([2, 0, 0, 0, 0, 0xb]);
pub const C: Mac = Mac([2, 0, 0, 0, 0, 0xc]);
pub const VMAC: Mac = Mac([0, 0, 0x5e, 0, 1, 10]);
pub const VMAC6: Mac = Mac([0, 0, 0x5e, 0, 2, 10]);

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub fn v4(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

pub fn v6(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

pub fn prefix(text: &str) -> Prefix {
    let (address, length) = text.split_once('/').unwrap();
    Prefix::new(ip(address), length.parse().unwrap()).unwrap()
}

pub fn interface(mac: Mac, addresses: &[&str]) -> InterfaceConfig {
    let mut addresses: Vec<_> = addresses.iter().map(|text| prefix(text)).collect();
    if addresses.iter().any(|prefix| prefix.address().is_ipv6()) {
        addresses.push(Prefix::new(link_local(mac).into(), 64).unwrap());
    }
    InterfaceConfig {
        mac,
        mtu: 1500,
        vlan: None,
        addresses,
        kernel: false,
        probe_ipv4: false,
    }
}

pub fn config(interfaces: Vec<InterfaceConfig>) -> HostConfig {
    HostConfig {
        interfaces,
        routes: Vec::new(),
        forwarding: true,
        limits: Limits::default(),
    }
}

/// A host, its clock, and what it said last.
pub struct Station {
    pub host: Host,
    pub now: Time,
    pub out: Vec<Output>,
}

impl Station {
    /// With links, and own addresses in use.
    pub fn new(config: HostConfig) -> Station {
        let links = config.interfaces.len();
        let mut station = Station::without_link(config);
        for id in 0..links {
            station.host.link(
                station.now,
                InterfaceId(id.try_into().unwrap()),
                true,
                &mut station.out,
            );
        }
        station.run(Duration::from_secs(6));
        station.out.clear();
        station
    }

    pub fn without_link(config: HostConfig) -> Station {
        let mut station = Station {
            host: Host::new(config).unwrap(),
            now: Time::ZERO + Duration::from_secs(100),
            out: Vec::new(),
        };
        station.host.start(station.now, &mut station.out);
        station
    }

    /// 192.0.2.1 and 2001:db8::1 on the LAN, 198.51.100.1 and 2001:db8:1::1 on the WAN, a default
    /// route of each family.
    pub fn router() -> Station {
        Station::new(router_config())
    }

    /// Lets time pass, and serves the timers.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.host.next_deadline(self.now).filter(|at| *at <= end) {
            self.now = at;
            self.host.tick(self.now, &mut self.out);
            assert!(
                self.host
                    .next_deadline(self.now)
                    .is_none_or(|next| next > self.now),
                "something is due right after a tick"
            );
        }
        self.now = end;
    }

    pub fn frame(&mut self, frame: &[u8]) -> Vec<Output> {
        self.out.clear();
        self.host.frame(self.now, LAN, frame, &mut self.out);
        self.take()
    }

    pub fn take(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.out)
    }

    /// A frame that goes no further, for this cause.
    pub fn dropped(&mut self, frame: &[u8], cause: DropCause) {
        let before = self.host.counters().drops;
        let out = self.frame(frame);
        assert_eq!(out, [], "{cause}");
        let after = self.host.counters().drops;
        assert_eq!(
            after.get(cause),
            before.get(cause) + 1,
            "{cause}: {after:?}"
        );
        assert_eq!(after.total(), before.total() + 1);
    }

    pub fn drops(&self, cause: DropCause) -> u64 {
        self.host.counters().drops.get(cause)
    }

    pub fn neighbour(&self, address: &str) -> Option<Neighbour> {
        let wanted = ip(address);
        self.host.neighbours().find(|n| n.ip == wanted)
    }

    pub fn state(&self, address: &str) -> Option<NeighbourState> {
        self.neighbour(address).map(|n| n.state)
    }

    /// Makes a neighbour known.
    pub fn knows(&mut self, interface: InterfaceId, address: &str, mac: Mac) {
        let mut out = Vec::new();
        self.host
            .neighbour_heard(self.now, interface, ip(address), mac, &mut out);
        assert_eq!(out.len(), 1, "{address}");
    }

    pub fn hold(&mut self, vmac: Mac, addresses: &[&str], held: bool, accept: bool) {
        let addresses: Vec<_> = addresses.iter().map(|text| ip(text)).collect();
        self.host
            .virtual_addresses(self.now, LAN, vmac, &addresses, held, accept, &mut self.out);
    }
}

pub fn router_config() -> HostConfig {
    let mut config = config(vec![
        interface(A, &["192.0.2.1/24", "2001:db8::1/64"]),
        interface(B, &["198.51.100.1/24", "2001:db8:1::1/64"]),
    ]);
    config.routes = vec![
        Route {
            prefix: prefix("0.0.0.0/0"),
            via: ip("198.51.100.254"),
            interface: WAN,
        },
        Route {
            prefix: prefix("::/0"),
            via: ip("2001:db8:1::254"),
            interface: WAN,
        },
    ];
    config
}

/// The frames among outputs.
pub fn sent(out: &[Output]) -> Vec<(InterfaceId, Vec<u8>)> {
    out.iter()
        .filter_map(|output| match output {
            Output::Send { interface, frame } => Some((*interface, frame.clone())),
            _ => None,
        })
        .collect()
}

/// The only frame.
pub fn only(out: &[Output]) -> Vec<u8> {
    let mut sent = sent(out);
    assert_eq!(sent.len(), 1, "{out:?}");
    sent.remove(0).1
}

pub fn arp_frame(repr: &arp::Repr) -> Vec<u8> {
    let mut frame = [0; arp::MAX_FRAME_LEN];
    let length = repr.emit_frame(0, &mut frame).unwrap();
    frame[..length].to_vec()
}

pub fn arp_request(mac: Mac, from: &str, target: &str) -> Vec<u8> {
    arp_frame(&arp::Repr::request(mac, v4(from), v4(target)))
}

pub fn arp_reply(mac: Mac, from: &str, to_mac: Mac, to: &str) -> Vec<u8> {
    arp_frame(&arp::Repr {
        operation: arp::Operation::Reply,
        sender_mac: mac,
        sender_ip: v4(from),
        target_mac: to_mac,
        target_ip: v4(to),
    })
}

pub fn read_arp(frame: &[u8]) -> (Link, arp::Repr) {
    arp::parse(frame).unwrap()
}

pub fn solicitation(mac: Mac, from: &str, target: &str) -> Vec<u8> {
    let mut question = ndp::Solicitation::ask(v6(from), mac, v6(target));
    if question.source.is_unspecified() {
        question.source_mac = None;
    }
    let link = Link {
        destination: ipv6::multicast_mac(question.destination),
        source: mac,
        vlan: 0,
    };
    let mut frame = [0; ndp::MAX_FRAME_LEN];
    let length = question.emit_frame(&link, &mut frame).unwrap();
    frame[..length].to_vec()
}

pub fn advertisement(news: &ndp::Advertisement, to: Mac, from: Mac) -> Vec<u8> {
    let link = Link {
        destination: to,
        source: from,
        vlan: 0,
    };
    let mut frame = [0; ndp::MAX_FRAME_LEN];
    let length = news.emit_frame(&link, &mut frame).unwrap();
    frame[..length].to_vec()
}

/// An IP packet in a frame.
pub fn framed(to: Mac, from: Mac, packet: &[u8]) -> Vec<u8> {
    let link = Link {
        destination: to,
        source: from,
        vlan: 0,
    };
    let ethertype = if packet[0] >> 4 == 4 {
        ethernet::IPV4
    } else {
        ethernet::IPV6
    };
    let mut frame = vec![0; ethernet::HEADER_LEN];
    link.emit(ethertype, &mut frame).unwrap();
    frame.extend(packet);
    frame
}

/// An IP packet of either family.
pub fn packet(from: &str, to: &str, protocol: u8, payload: &[u8]) -> Vec<u8> {
    match (ip(from), ip(to)) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let mut packet = vec![0; ipv4::HEADER_LEN];
            packet.extend(payload);
            let header = ipv4::Repr {
                source,
                destination,
                ttl: 9,
                protocol,
                payload_len: payload.len(),
            };
            header.emit(&mut packet).unwrap();
            packet
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let mut packet = vec![0; ipv6::HEADER_LEN];
            packet.extend(payload);
            let header = ipv6::Repr {
                source,
                destination,
                hop_limit: 9,
                next_header: protocol,
                traffic_class: 0,
                payload_len: payload.len(),
            };
            header.emit(&mut packet).unwrap();
            packet
        }
        _ => panic!("two families"),
    }
}

/// An ICMP or ICMPv6 packet.
pub fn icmp_packet(from: &str, to: &str, kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut message = vec![0; icmp::HEADER_LEN];
    message.extend(payload);
    let repr = Repr {
        kind,
        code: 0,
        rest: [0, 7, 0, 1],
    };
    match (ip(from), ip(to)) {
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            repr.emit_v6(&mut message, source, destination).unwrap();
            packet(from, to, ipv6::ICMPV6, &message)
        }
        _ => {
            repr.emit_v4(&mut message).unwrap();
            packet(from, to, icmp::PROTOCOL, &message)
        }
    }
}

pub fn ping(from: &str, to: &str) -> Vec<u8> {
    let kind = if ip(from).is_ipv4() { 8 } else { 128 };
    icmp_packet(from, to, kind, b"0123456789abcdef")
}

/// An ICMP message of either family, read by etherparse: lengths and checksums are right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    pub link: Link,
    pub source: IpAddr,
    pub destination: IpAddr,
    pub kind: u8,
    pub code: u8,
    pub rest: [u8; 4],
    pub body: Vec<u8>,
}

pub fn read_icmp(frame: &[u8]) -> Heard {
    let opened = vlan::open(frame).unwrap();
    let (source, destination, message) = if opened.ethertype == ethernet::IPV4 {
        let header = etherparse::Ipv4HeaderSlice::from_slice(opened.payload).unwrap();
        assert_eq!(
            header.header_checksum(),
            header.to_header().calc_header_checksum()
        );
        let total = usize::from(header.total_len());
        let message = opened.payload[20..total].to_vec();
        assert_eq!(twinline_wire::checksum::internet(&message), 0);
        assert!(opened.payload.len() == total || frame.len() == 60);
        let (from, to) = (header.source_addr(), header.destination_addr());
        (IpAddr::V4(from), IpAddr::V4(to), message)
    } else {
        let (header, rest) = etherparse::Ipv6Header::from_slice(opened.payload).unwrap();
        let message = rest[..usize::from(header.payload_length)].to_vec();
        let icmp = etherparse::Icmpv6Slice::from_slice(&message).unwrap();
        assert!(icmp.is_checksum_valid(header.source, header.destination));
        let (from, to) = (header.source_addr(), header.destination_addr());
        (IpAddr::V6(from), IpAddr::V6(to), message)
    };
    Heard {
        link: opened.link,
        source,
        destination,
        kind: message[0],
        code: message[1],
        rest: message[4..8].try_into().unwrap(),
        body: message[8..].to_vec(),
    }
}
