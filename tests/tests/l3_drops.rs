//! What a router of ours does not carry, it counts, each frame by its cause: bad frames go in at the
//! LAN, the causes are read from `show ports`, `show interfaces` and `show virtual-routers`, to the
//! last frame, and nothing of them comes out.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, not excepted"
)]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::process::Command;
use std::time::{Duration, Instant};
use twinline_tests::l3::frame::{Mac, virtual_mac};
use twinline_tests::l3::ours::{Interface, Mode, Plan, Virtual};
use twinline_tests::l3::packet::{self, Frame};
use twinline_tests::l3::router::Vrrp;
use twinline_tests::l3::wires::{LAN_MAC, Wires};
use twinline_tests::sys::HeldThread;
use twinline_tests::topology::{SERVER_MAC, Side, routed};
use twinline_tests::{engine, netns};

/// Each bad frame is sent so many times.
const TIMES: u64 = 3;
const HOST_MAC: Mac = [2, 0x77, 0, 0, 0, 1];
const WAN_MTU: u32 = 1400;
/// UDP port of everything that must not pass.
const BAD: u16 = 666;
/// UDP port of what may.
const GOOD: u16 = 9;
/// The virtual address that takes no packets.
const DEAF_VIP: &str = "10.77.0.253";

type Counts = BTreeMap<String, u64>;

fn a(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn six(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

fn server_mac() -> Mac {
    let bytes: Vec<u8> = SERVER_MAC
        .split(':')
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect();
    bytes.try_into().unwrap()
}

/// Two legs without kernel devices, virtual routers on the LAN: one of each family, and one more
/// that takes no packets.
fn plan(mode: Mode) -> Plan {
    let leg = |name, mtu| Interface {
        kernel: false,
        mtu,
        ..Plan::leg(Side::A, name)
    };
    let mut plan = Plan::alone(Side::A, &Vrrp::default());
    plan.mode = mode;
    plan.interfaces = vec![leg("lan", None), leg("wan", Some(WAN_MTU))];
    let like = plan.routers.remove(0);
    let router = |name: &str, vrid, ipv6, addresses: &[&str], accept| Virtual {
        name: name.into(),
        vrrp: Vrrp {
            vrid,
            ipv6,
            checksum: "rfc9568",
            ..Vrrp::default()
        },
        addresses: addresses.iter().map(|&a| a.to_owned()).collect(),
        accept,
        ..like.clone()
    };
    plan.routers = vec![
        router("four", 51, false, &[routed::LAN_VIP], true),
        router(
            "six",
            51,
            true,
            &[routed::LINK_LOCAL_VIP, routed::LAN_VIP6],
            true,
        ),
        router("deaf", 53, false, &[DEAF_VIP], false),
    ];
    plan
}

/// A frame to the router's LAN port.
fn to_router(packet: &[u8]) -> Vec<u8> {
    packet::carry(LAN_MAC, HOST_MAC, None, packet)
}

/// A packet that must not pass, from the host to `to`.
fn bad(to: &str) -> Vec<u8> {
    let from = if to.contains(':') {
        "fd77::1"
    } else {
        "10.77.0.1"
    };
    packet::udp(a(from), a(to), BAD, 64, b"bad")
}

fn bad_from(from: &str, to: &str) -> Vec<u8> {
    to_router(&packet::udp(a(from), a(to), BAD, 64, b"bad"))
}

/// Changes an IPv4 packet and makes its header's checksum right again.
fn but(mut packet: Vec<u8>, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    change(&mut packet);
    packet::fix(&mut packet);
    packet
}

/// Changes a packet and leaves its checksums as they were.
fn spoilt(mut packet: Vec<u8>, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    change(&mut packet);
    packet
}

/// Cause, what is wrong in words, and the frame.
type Case = (&'static str, &'static str, Vec<u8>);

/// What the worker drops itself: `show ports`.
fn dropped_by_the_worker() -> Vec<Case> {
    let to = routed::SERVER_IP;
    let to6 = routed::SERVER_IP6;
    let server: IpAddr = a(to);
    let other: Mac = [2, 0x77, 0, 0, 9, 9];
    let group: Mac = [1, 0, 0x5e, 1, 1, 1];
    vec![
        (
            "truncated",
            "half a header",
            to_router(&bad(to))[..24].to_vec(),
        ),
        (
            "truncated",
            "shorter than it says",
            to_router(&but(bad(to), |p| p[2..4].copy_from_slice(&[0, 200]))),
        ),
        (
            "truncated",
            "IPv6 shorter than it says",
            to_router(&spoilt(bad(to6), |p| p[4..6].copy_from_slice(&[2, 0]))),
        ),
        (
            "no-interface",
            "a VLAN of no interface",
            packet::carry(LAN_MAC, HOST_MAC, Some(77), &bad(to)),
        ),
        (
            "not-for-us",
            "another station's",
            packet::carry(other, HOST_MAC, None, &bad(to)),
        ),
        (
            "not-for-us",
            "another virtual router's",
            packet::carry(virtual_mac(99, false), HOST_MAC, None, &bad(to)),
        ),
        (
            "group",
            "broadcast",
            packet::carry(packet::BROADCAST, HOST_MAC, None, &bad("255.255.255.255")),
        ),
        (
            "group",
            "multicast beyond the link",
            packet::carry(group, HOST_MAC, None, &bad("239.1.1.1")),
        ),
        (
            "group",
            "one station's packet in a frame to all",
            packet::carry(packet::BROADCAST, HOST_MAC, None, &bad(to)),
        ),
        (
            "ether-type",
            "neither IP nor ARP",
            packet::ethernet(LAN_MAC, HOST_MAC, None, 0x1234, &bad(to)),
        ),
        (
            "header",
            "version 5",
            packet::ethernet(
                LAN_MAC,
                HOST_MAC,
                None,
                packet::IPV4,
                &but(bad(to), |p| p[0] = 0x55),
            ),
        ),
        (
            "header",
            "header of 16 bytes",
            to_router(&spoilt(bad(to), |p| p[0] = 0x44)),
        ),
        (
            "header",
            "shorter than its header",
            to_router(&but(bad(to), |p| p[2..4].copy_from_slice(&[0, 19]))),
        ),
        (
            "header",
            "version 4 as IPv6",
            packet::ethernet(LAN_MAC, HOST_MAC, None, packet::IPV6, &[0x40; 60]),
        ),
        (
            "checksum",
            "a flipped bit",
            to_router(&spoilt(bad(to), |p| p[10] ^= 1)),
        ),
        (
            "checksum",
            "a changed TTL",
            to_router(&spoilt(bad(to), |p| p[8] = 63)),
        ),
        ("martian", "from loopback", bad_from("127.0.0.1", to)),
        ("martian", "from a group", bad_from("224.0.0.9", to)),
        ("martian", "from nobody", bad_from("0.0.0.0", to)),
        ("martian", "from all", bad_from("255.255.255.255", to)),
        ("martian", "to loopback", to_router(&bad("127.0.0.1"))),
        (
            "martian",
            "a group in a frame to one",
            to_router(&bad("239.1.1.1")),
        ),
        ("martian", "from ::1", bad_from("::1", to6)),
        ("martian", "from ::", bad_from("::", to6)),
        ("martian", "from an IPv6 group", bad_from("ff02::5", to6)),
        ("martian", "to ::1", to_router(&bad("::1"))),
        (
            "link-local",
            "link-local beyond its link",
            bad_from("fe80::1", to6),
        ),
        (
            "discard",
            "directed broadcast",
            to_router(&bad("10.88.0.255")),
        ),
        (
            "discard",
            "the network's own address",
            to_router(&bad("10.88.0.0")),
        ),
        (
            "truncated",
            "options beyond the packet",
            to_router(&packet::ip(a("10.77.0.1"), server, 17, 64, &[0; 4]))[..38]
                .iter()
                .enumerate()
                .map(|(at, &byte)| if at == 14 { 0x4f } else { byte })
                .collect(),
        ),
    ]
}

/// What the worker hands on for this reason, and the slow path drops for that cause (`-`: it answers
/// or forwards instead).
type Handed = (&'static str, &'static str, &'static str, Vec<u8>);

/// Fragments are not among them: the kernel puts those together that come to an af_packet port (its
/// fan-out is made so), and `engine/l3` tests what becomes of them.
fn dropped_by_the_slow_path() -> Vec<Handed> {
    let (host, own) = (a("10.77.0.1"), a("10.77.0.11"));
    let (host6, own6) = (six("fd77::1"), six("fd77::11"));
    let server = a(routed::SERVER_IP);
    let routers: Mac = [1, 0, 0x5e, 0, 0, 5];
    let to_group = |packet: &[u8]| packet::carry(routers, HOST_MAC, None, packet);
    let ospf = || packet::ip(host, a("224.0.0.5"), 89, 1, &[2; 44]);
    let echo = || packet::echo_request(host, own, 1);
    let v4 = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip,
        IpAddr::V6(_) => [0; 4].into(),
    };
    let arp = || packet::arp(1, (HOST_MAC, v4(host)), ([0; 6], v4(own)));
    let arp_frame =
        |packet: &[u8]| packet::ethernet(packet::BROADCAST, HOST_MAC, None, packet::ARP, packet);
    let solicited = packet::group_mac(packet::solicited_node(own6));
    let ask = || packet::solicitation(HOST_MAC, host6, own6);
    let nd = |packet: &[u8]| packet::carry(solicited, HOST_MAC, None, packet);
    let nd_fixed = |mut packet: Vec<u8>| {
        let length = packet.len() as u16 - 40;
        packet[4..6].copy_from_slice(&length.to_be_bytes());
        packet[42..44].fill(0);
        let end = |from: usize| {
            let bytes: [u8; 16] = packet[from..from + 16].try_into().unwrap();
            IpAddr::from(bytes)
        };
        let value = packet::checksum_with_ends(end(8), end(24), 58, &packet[40..]);
        packet[42..44].copy_from_slice(&value.to_be_bytes());
        nd(&packet)
    };
    let large = |length: usize| packet::udp(host, server, BAD, 64, &vec![7; length - 28]);
    vec![
        // errors that no error may answer
        (
            "time-exceeded",
            "no_error_allowed",
            "an error with TTL 1",
            to_router(&packet::icmp(host, server, 3, 1, &[0; 36])),
        ),
        (
            "no-route",
            "no_error_allowed",
            "an error to nowhere",
            to_router(&packet::icmp(host, a("203.0.113.1"), 3, 64, &[0; 36])),
        ),
        (
            "would-fragment",
            "not_fragmented",
            "too big, and may be fragmented",
            to_router(&but(large(1450), |p| p[6] = 0)),
        ),
        // answered
        (
            "time-exceeded",
            "-",
            "TTL 1",
            to_router(&packet::udp(host, server, BAD, 1, b"bad")),
        ),
        (
            "time-exceeded",
            "-",
            "TTL 0",
            to_router(&packet::udp(host, server, BAD, 0, b"bad")),
        ),
        (
            "time-exceeded",
            "-",
            "hop limit 1",
            to_router(&packet::udp(
                host6.into(),
                a(routed::SERVER_IP6),
                BAD,
                1,
                b"bad",
            )),
        ),
        (
            "no-route",
            "-",
            "to nowhere",
            to_router(&bad("203.0.113.1")),
        ),
        (
            "no-route",
            "-",
            "to nowhere",
            to_router(&bad("2001:db8::1")),
        ),
        (
            "too-big",
            "-",
            "too big, and whole",
            to_router(&large(1450)),
        ),
        // to the router itself
        (
            "local",
            "bad_icmp_checksum",
            "echo with a flipped bit",
            to_router(&spoilt(echo(), |p| p[30] ^= 1)),
        ),
        (
            "local",
            "bad_icmp",
            "four bytes of ICMP",
            to_router(&packet::ip(host, own, 1, 64, &[8, 0, 0, 0])),
        ),
        (
            "local",
            "icmp_unwanted",
            "a timestamp request",
            to_router(&packet::icmp(host, own, 13, 64, &[0; 16])),
        ),
        (
            "local",
            "no_listener",
            "UDP to nobody",
            to_router(&packet::udp(host, own, BAD, 64, b"bad")),
        ),
        (
            "local",
            "not_accepted",
            "to a virtual address that takes nothing",
            to_router(&packet::echo_request(host, a(DEAF_VIP), 1)),
        ),
        (
            "local",
            "martian",
            "from our own address",
            to_router(&packet::echo_request(own, own, 1)),
        ),
        (
            "local",
            "martian",
            "from the network's broadcast address",
            to_router(&packet::echo_request(a("10.77.0.255"), own, 1)),
        ),
        (
            "local",
            "bad_extension",
            "an extension header beyond the packet",
            to_router(&packet::ip(
                host6.into(),
                own6.into(),
                60,
                64,
                &[58, 9, 0, 0, 0, 0, 0, 0],
            )),
        ),
        // to groups of the link
        ("link-scope", "group", "OSPF", to_group(&ospf())),
        (
            "link-scope",
            "bad_ip_header",
            "version 5 to a group",
            packet::ethernet(
                routers,
                HOST_MAC,
                None,
                packet::IPV4,
                &spoilt(ospf(), |p| p[0] = 0x55),
            ),
        ),
        (
            "link-scope",
            "bad_ip_checksum",
            "a flipped bit to a group",
            to_group(&spoilt(ospf(), |p| p[10] ^= 1)),
        ),
        // ARP
        (
            "arp",
            "arp_bad_kind",
            "not for IPv4",
            arp_frame(&spoilt(arp(), |p| p[1] = 6)),
        ),
        (
            "arp",
            "arp_bad_operation",
            "operation 3",
            arp_frame(&spoilt(arp(), |p| p[7] = 3)),
        ),
        (
            "arp",
            "arp_bad_sender",
            "from MAC address zero",
            arp_frame(&spoilt(arp(), |p| p[8..14].fill(0))),
        ),
        (
            "arp",
            "arp_truncated",
            "half of it",
            arp_frame(&arp())[..30].to_vec(),
        ),
        (
            "arp",
            "bad_source_mac",
            "from a group",
            packet::ethernet(packet::BROADCAST, [3; 6], None, packet::ARP, &arp()),
        ),
        (
            "arp",
            "looped",
            "our own frame come back",
            packet::ethernet(packet::BROADCAST, LAN_MAC, None, packet::ARP, &arp()),
        ),
        // neighbour discovery
        (
            "neighbour",
            "ndp_bad_hop_limit",
            "from beyond the link",
            nd(&spoilt(ask(), |p| p[7] = 254)),
        ),
        (
            "neighbour",
            "ndp_bad_checksum",
            "a flipped bit",
            nd(&spoilt(ask(), |p| p[42] ^= 1)),
        ),
        (
            "neighbour",
            "ndp_bad_code",
            "code 1",
            nd_fixed(spoilt(ask(), |p| p[41] = 1)),
        ),
        (
            "neighbour",
            "ndp_bad_target",
            "for a group",
            nd_fixed(spoilt(ask(), |p| p[48] = 0xff)),
        ),
        (
            "neighbour",
            "ndp_bad_option",
            "an option of length 0",
            nd_fixed(spoilt(ask(), |p| p[65] = 0)),
        ),
        (
            "neighbour",
            "ndp_bad_length",
            "half of it",
            nd_fixed(spoilt(ask(), |p| p.truncate(52))),
        ),
        (
            "neighbour",
            "ndp_bad_probe",
            "from nobody, but with a MAC address",
            nd_fixed(spoilt(ask(), |p| p[8..24].fill(0))),
        ),
        (
            "neighbour",
            "not_local",
            "for another station",
            nd(&packet::solicitation(HOST_MAC, host6, six("fd77::99"))),
        ),
    ]
}

/// Adverts: `show virtual-routers`.
fn dropped_adverts() -> Vec<Case> {
    let router = a("10.77.0.9");
    // a better router than ours, if it were heard
    let good = || packet::advert(router, 51, 254, &[a(routed::LAN_VIP)]);
    let good6 = || {
        packet::advert(
            a("fe80::9"),
            51,
            254,
            &[a(routed::LINK_LOCAL_VIP), a(routed::LAN_VIP6)],
        )
    };
    let fixed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut packet = good();
        change(&mut packet);
        packet::fix_advert(&mut packet);
        packet
    };
    let group: Mac = [1, 0, 0x5e, 0, 0, 0x12];
    let group6: Mac = [0x33, 0x33, 0, 0, 0, 0x12];
    let from = virtual_mac(51, false);
    let frame = |packet: &[u8]| packet::carry(group, from, None, packet);
    let frame6 = |packet: &[u8]| packet::carry(group6, virtual_mac(51, true), None, packet);
    vec![
        ("bad_ttl", "TTL 254", frame(&fixed(&|p| p[8] = 254))),
        ("bad_version", "version 2", frame(&fixed(&|p| p[20] = 0x21))),
        ("bad_version", "version 4", frame(&fixed(&|p| p[20] = 0x41))),
        ("bad_type", "type 2", frame(&fixed(&|p| p[20] = 0x32))),
        ("unknown_vrid", "another id", frame(&fixed(&|p| p[21] = 77))),
        ("unknown_vrid", "id 0", frame(&fixed(&|p| p[21] = 0))),
        (
            "no_addresses",
            "no addresses",
            frame(&fixed(&|p| p[23] = 0)),
        ),
        (
            "bad_length",
            "nine addresses of one",
            frame(&fixed(&|p| p[23] = 9)),
        ),
        ("zero_interval", "interval 0", frame(&fixed(&|p| p[25] = 0))),
        (
            "bad_checksum",
            "a flipped bit",
            frame(&spoilt(good(), |p| p[26] ^= 0x55)),
        ),
        (
            "bad_ip_checksum",
            "a flipped bit in the header",
            frame(&spoilt(good(), |p| p[10] ^= 1)),
        ),
        (
            "bad_destination",
            "to us alone",
            packet::carry(
                LAN_MAC,
                from,
                None,
                &fixed(&|p| {
                    p[16..20].copy_from_slice(&[10, 77, 0, 11]);
                }),
            ),
        ),
        (
            "no_link_local",
            "no link-local address first",
            frame6(&packet::advert(
                a("fe80::9"),
                51,
                254,
                &[a(routed::LAN_VIP6), a(routed::LINK_LOCAL_VIP)],
            )),
        ),
        (
            "bad_checksum",
            "a flipped bit over IPv6",
            frame6(&spoilt(good6(), |p| p[46] ^= 0x55)),
        ),
        (
            "bad_ttl",
            "hop limit 1",
            frame6(&spoilt(good6(), |p| p[7] = 1)),
        ),
        ("bad_version", "version 2 over IPv6", {
            let mut packet = good6();
            packet[40] = 0x21;
            packet::fix_advert(&mut packet);
            frame6(&packet)
        }),
    ]
}

fn counts(value: &serde_json::Value) -> Counts {
    let Some(map) = value.as_object() else {
        return Counts::new();
    };
    map.iter()
        .map(|(name, count)| (name.clone(), count.as_u64().unwrap()))
        .collect()
}

/// Everything that is counted of the LAN port and of the slow path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Counted {
    drops: Counts,
    punted: Counts,
    slow: Counts,
    adverts: Counts,
}

impl Counted {
    fn read(wires: &Wires) -> Self {
        let ports = wires.engine.ctl("show ports").unwrap();
        let lan = ports
            .as_array()
            .unwrap()
            .iter()
            .find(|port| port["name"] == "lan")
            .unwrap()
            .clone();
        let interfaces = wires.engine.ctl("show interfaces").unwrap();
        let routers = wires.engine.ctl("show virtual-routers").unwrap();
        Self {
            drops: counts(&lan["drops"]),
            punted: counts(&lan["punted"]),
            slow: counts(&interfaces["slow_path_drops"]),
            adverts: counts(&routers["advert_drops"]),
        }
    }

    fn less(&self, before: &Self) -> Self {
        let less = |now: &Counts, before: &Counts| {
            now.iter()
                .map(|(name, count)| (name.clone(), count - before.get(name).unwrap_or(&0)))
                .filter(|(_, count)| *count > 0)
                .collect()
        };
        Self {
            drops: less(&self.drops, &before.drops),
            punted: less(&self.punted, &before.punted),
            slow: less(&self.slow, &before.slow),
            adverts: less(&self.adverts, &before.adverts),
        }
    }
}

fn more(counts: &mut Counts, cause: &str, by: u64) {
    if cause != "-" {
        *counts.entry(cause.to_owned()).or_default() += by;
    }
}

/// Host and server say where they are, so that nothing waits; then a packet passes.
fn acquaint(wires: &Wires) {
    let (host, own) = ("10.77.0.1".parse().unwrap(), "10.77.0.11".parse().unwrap());
    let hello = packet::arp(1, (HOST_MAC, host), ([0; 6], own));
    let hello = packet::ethernet(packet::BROADCAST, HOST_MAC, None, packet::ARP, &hello);
    wires.lan.send(&hello).unwrap();
    let ask = packet::solicitation(HOST_MAC, six("fd77::1"), six("fd77::11"));
    let group = packet::group_mac(packet::solicited_node(six("fd77::11")));
    let ask = packet::carry(group, HOST_MAC, None, &ask);
    wires.lan.send(&ask).unwrap();
    for (from, to) in [
        ("10.77.0.1", routed::SERVER_IP),
        ("fd77::1", routed::SERVER_IP6),
    ] {
        let packet = packet::udp(a(from), a(to), GOOD, 64, b"good");
        let router = virtual_mac(51, to.contains(':'));
        wires
            .lan
            .send(&packet::carry(router, HOST_MAC, None, &packet))
            .unwrap();
        let answered = wires
            .wan
            .answer((server_mac(), a(to)), None, Duration::from_secs(5));
        assert!(answered.unwrap(), "nobody asks for {to}");
        let passed = wires.wan.wait(Duration::from_secs(5), |frame| {
            let ip = frame.ip()?;
            (port_of(frame) == Some(GOOD)).then_some((frame.to, ip.ttl))
        });
        assert_eq!(passed.unwrap(), Some((server_mac(), 63)), "to {to}");
    }
}

/// The UDP port that a packet goes to.
fn port_of(frame: &Frame<'_>) -> Option<u16> {
    let ip = frame.ip().filter(|ip| ip.protocol == packet::UDP)?;
    Some(u16::from_be_bytes([*ip.body.get(2)?, *ip.body.get(3)?]))
}

/// How often each ICMP error came out.
fn errors(frames: &[Vec<u8>]) -> BTreeMap<(u8, u8), u64> {
    let mut found = BTreeMap::new();
    for frame in frames {
        let Some(ip) = packet::open(frame).and_then(|frame| frame.ip()) else {
            continue;
        };
        let error = match ip.protocol {
            packet::ICMP => matches!(ip.body[0], 3 | 11),
            packet::ICMPV6 => matches!(ip.body[0], 1..=4),
            _ => false,
        };
        if error {
            *found.entry((ip.body[0], ip.body[1])).or_default() += 1;
        }
    }
    found
}

fn nothing_bad_passed(wires: &Wires) {
    let out = wires.wan.all(Duration::from_millis(200)).unwrap();
    let bad = |frame: &&Vec<u8>| {
        packet::open(frame).is_some_and(|frame| {
            // large packets too, and errors about them
            port_of(&frame) == Some(BAD) || frame.ip().is_some_and(|ip| ip.body.len() > 500)
        })
    };
    let bad: Vec<_> = out.iter().filter(bad).collect();
    assert!(bad.is_empty(), "these came out: {bad:02x?}");
}

/// Waits until what is counted is this.
fn expect(wires: &Wires, before: &Counted, wanted: &Counted) {
    let begin = Instant::now();
    loop {
        let found = Counted::read(wires).less(before);
        if found == *wanted {
            return;
        }
        assert!(
            begin.elapsed() < Duration::from_secs(10),
            "counted\n{found:#?}\nwanted\n{wanted:#?}\n{}",
            wires.engine.log_tail(20)
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn plain(wires: &Wires, words: &str) -> String {
    let socket = wires.run().directory().join("a.sock");
    let mut command = Command::new(engine::find(None).unwrap());
    command.args(["ctl", "--socket"]).arg(&socket);
    let output = command.args(words.split(' ')).output().unwrap();
    netns::checked(words, &output).unwrap()
}

#[test]
fn every_cause_is_counted_and_nothing_of_it_passes() {
    let wires = Wires::lay(&plan(Mode::Standalone)).unwrap();
    wires.settle("active").unwrap();
    acquaint(&wires);
    wires.lan.all(Duration::from_millis(300)).unwrap();
    let before = Counted::read(&wires);

    let mut wanted = Counted::default();
    let (worker, slow, adverts) = (
        dropped_by_the_worker(),
        dropped_by_the_slow_path(),
        dropped_adverts(),
    );
    for _ in 0..TIMES {
        for (cause, _, frame) in &worker {
            wires.lan.send(frame).unwrap();
            more(&mut wanted.drops, cause, 1);
        }
        for (reason, cause, _, frame) in &slow {
            wires.lan.send(frame).unwrap();
            more(&mut wanted.punted, reason, 1);
            more(&mut wanted.slow, cause, 1);
        }
        for (cause, _, frame) in &adverts {
            wires.lan.send(frame).unwrap();
            more(&mut wanted.punted, "vrrp", 1);
            more(&mut wanted.adverts, cause, 1);
        }
    }
    expect(&wires, &before, &wanted);
    nothing_bad_passed(&wires);

    // Those that are owed an error got one: TTL and hop limit, no route, too big, no listener.
    let back = wires.lan.all(Duration::from_millis(200)).unwrap();
    let owed = [
        ((1, 0), 1),
        // "net unreachable", and ICMPv6's "hop limit exceeded"
        ((3, 0), 2),
        ((3, 3), 1),
        ((3, 4), 1),
        ((11, 0), 2),
    ];
    let owed: BTreeMap<(u8, u8), u64> = owed.map(|(kind, n)| (kind, n * TIMES)).into();
    assert_eq!(errors(&back), owed);
    let routers = wires.engine.ctl("show virtual-routers").unwrap();
    for router in routers["routers"].as_array().unwrap() {
        assert_eq!(router["state"], "active", "{router}");
        assert_eq!(router["heard"], serde_json::Value::Null, "{router}");
    }

    // An operator sees the same words.
    let text = plain(&wires, "show ports");
    for (cause, count) in &wanted.drops {
        assert!(
            text.contains(&format!("{cause} {count}")),
            "{cause}: {text}"
        );
    }
    let text = plain(&wires, "show interfaces");
    for (cause, count) in &wanted.slow {
        assert!(
            text.contains(&format!("{cause} {count}")),
            "{cause}: {text}"
        );
    }

    // Options: not dropped, but carried by the slow path.
    let before = Counted::read(&wires);
    let mut packet = packet::udp(a("10.77.0.1"), a(routed::SERVER_IP), GOOD, 64, b"good");
    packet.splice(20..20, [148, 4, 0, 0]);
    packet[0] = 0x46;
    let length = packet.len() as u16;
    packet[2..4].copy_from_slice(&length.to_be_bytes());
    packet::fix(&mut packet);
    wires.lan.send(&to_router(&packet)).unwrap();
    let passed = wires.wan.wait(Duration::from_secs(3), |frame| {
        (port_of(frame) == Some(GOOD)).then(|| frame.ip().map(|ip| ip.ttl))
    });
    assert_eq!(passed.unwrap(), Some(Some(63)), "options");
    let mut wanted = Counted::default();
    more(&mut wanted.punted, "options", 1);
    expect(&wires, &before, &wanted);

    // Nobody there: asked for, then told so.
    let before = Counted::read(&wires);
    wires.lan.send(&to_router(&bad("10.88.0.77"))).unwrap();
    let mut wanted = Counted::default();
    more(&mut wanted.punted, "unresolved", 1);
    more(&mut wanted.slow, "unreachable", 1);
    expect(&wires, &before, &wanted);

    // Not held any more: frames to the virtual MAC address are not ours, its address is not.
    wires.engine.ctl("ha suspend --force").unwrap();
    let begin = Instant::now();
    let held = || {
        let shown = wires.engine.ctl("show virtual-routers").unwrap();
        let routers = shown["routers"].as_array().unwrap().clone();
        routers
            .iter()
            .any(|router| router["holds_virtual_mac"] == true)
    };
    while held() {
        assert!(begin.elapsed() < Duration::from_secs(10), "still held");
        std::thread::sleep(Duration::from_millis(50));
    }
    let before = Counted::read(&wires);
    let mut wanted = Counted::default();
    let vip = packet::echo_request(a("10.77.0.1"), a(routed::LAN_VIP), 1);
    let vip6 = packet::echo_request(a("fd77::1"), a(routed::LAN_VIP6), 1);
    for (six, packet) in [(false, &vip), (true, &vip6)] {
        let frame = packet::carry(virtual_mac(51, six), HOST_MAC, None, packet);
        wires.lan.send(&frame).unwrap();
        more(&mut wanted.drops, "not-for-us", 1);
        wires.lan.send(&to_router(packet)).unwrap();
        more(&mut wanted.punted, "local", 1);
        more(&mut wanted.slow, "not_held", 1);
    }
    expect(&wires, &before, &wanted);
}

#[test]
fn with_forwarding_off_nothing_passes_and_that_is_counted() {
    let mut plan = plan(Mode::Standalone);
    plan.more = "\n[l3]\nip_forward = false\nicmp_per_second = 2\n".into();
    let wires = Wires::lay(&plan).unwrap();
    wires.settle("active").unwrap();
    let before = Counted::read(&wires);
    let mut wanted = Counted::default();
    for to in [routed::SERVER_IP, routed::SERVER_IP6] {
        for mac in [LAN_MAC, virtual_mac(51, to.contains(':'))] {
            let frame = packet::carry(mac, HOST_MAC, None, &bad(to));
            wires.lan.send(&frame).unwrap();
            more(&mut wanted.drops, "forwarding-off", 1);
        }
    }
    expect(&wires, &before, &wanted);
    nothing_bad_passed(&wires);
    // The router itself answers, but no more than it is allowed to.
    let before = Counted::read(&wires);
    for n in 0..50 {
        let echo = packet::echo_request(a("10.77.0.1"), a("10.77.0.11"), n);
        wires.lan.send(&to_router(&echo)).unwrap();
    }
    let begin = Instant::now();
    loop {
        let found = Counted::read(&wires).less(&before);
        let limited = found.slow.get("rate_limited").copied().unwrap_or(0);
        if found.punted.get("local") == Some(&50) && limited >= 40 {
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(10), "{found:#?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Rule 11: while the management core does not run, its lease ends, and what comes to the virtual
/// MAC address is dropped and counted; and so is what it had no room for.
#[test]
fn rule_11_without_a_lease_nothing_to_the_virtual_mac_passes() {
    let wires = Wires::lay(&plan(Mode::ActivePassive)).unwrap();
    wires.settle("active").unwrap();
    acquaint(&wires);
    let before = Counted::read(&wires);
    let frames: Vec<Vec<u8>> = [routed::SERVER_IP, routed::SERVER_IP6]
        .iter()
        .map(|to| packet::carry(virtual_mac(51, to.contains(':')), HOST_MAC, None, &bad(to)))
        .collect();
    // The threads of the management core, and nobody else's.
    let main = wires.engine.pid().unwrap();
    let held = HeldThread::hold(main).unwrap();
    std::thread::sleep(Duration::from_millis(600));
    for frame in &frames {
        wires.lan.send(frame).unwrap();
    }
    // To the port's own address it is a plain router: that passes whatever the role is.
    let good = packet::udp(a("10.77.0.1"), a(routed::SERVER_IP), GOOD, 64, b"good");
    wires.lan.send(&to_router(&good)).unwrap();
    let passed = wires.wan.wait(Duration::from_secs(3), |frame| {
        (port_of(frame) == Some(GOOD)).then_some(())
    });
    // One ring takes 512.
    let dying = to_router(&packet::udp(
        a("10.77.0.1"),
        a(routed::SERVER_IP),
        BAD,
        1,
        b"",
    ));
    for n in 0..700 {
        wires.lan.send(&dying).unwrap();
        if n % 50 == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    std::thread::sleep(Duration::from_millis(200));
    drop(held);
    assert_eq!(passed.unwrap(), Some(()), "to the port's own address");
    let begin = Instant::now();
    loop {
        let found = Counted::read(&wires).less(&before);
        let of = |counts: &Counts, cause: &str| counts.get(cause).copied().unwrap_or(0);
        let (full, taken) = (
            of(&found.drops, "punt-full"),
            of(&found.punted, "time-exceeded"),
        );
        let all = of(&found.drops, "lease") == frames.len() as u64 && full + taken == 700;
        if all && taken == 512 {
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(10), "{found:#?}");
        std::thread::sleep(Duration::from_millis(50));
    }
    nothing_bad_passed(&wires);
}

/// Rule 11: adverts that the management core handed to the worker while the lease held are not sent
/// any more when the worker comes to it after the lease: another may be Active by then.
#[test]
fn rule_11_adverts_that_lay_in_the_ring_die_with_the_lease() {
    let wires = Wires::lay(&plan(Mode::ActivePassive)).unwrap();
    wires.settle("active").unwrap();
    let before = Counted::read(&wires);
    // the worker sleeps, and the management core goes on for some adverts of 100 ms
    let worker = HeldThread::hold(wires.engine.worker_thread().unwrap()).unwrap();
    std::thread::sleep(Duration::from_millis(350));
    let main = HeldThread::hold(wires.engine.pid().unwrap()).unwrap();
    std::thread::sleep(Duration::from_millis(600));
    wires.lan.all(Duration::ZERO).unwrap();
    drop(worker);
    let sent = wires.lan.all(Duration::from_millis(300)).unwrap();
    drop(main);
    let adverts = |frames: &[Vec<u8>]| {
        let is_one = |frame: &&Vec<u8>| {
            let ip = packet::open(frame).and_then(|frame| frame.ip());
            ip.is_some_and(|ip| ip.protocol == packet::VRRP && ip.body[2] > 0)
        };
        frames.iter().filter(is_one).count()
    };
    assert_eq!(adverts(&sent), 0, "sent after the lease");
    wires.settle("active").unwrap();
    let found = Counted::read(&wires).less(&before);
    // three virtual routers, three adverts each or so
    let dropped = found.drops.get("inject-lease").copied().unwrap_or(0);
    assert!(dropped >= 3, "{found:#?}");
    // with a new lease they are sent again
    let sent = wires.lan.all(Duration::from_millis(500)).unwrap();
    assert!(adverts(&sent) >= 3, "{} adverts", adverts(&sent));
}

/// A neighbour whose checksums are made the other way: an alarm says so, and how to mend it.
#[test]
fn an_advert_whose_checksum_is_made_otherwise_is_an_alarm() {
    for (ours, its_pseudo, words) in [
        ("rfc9568", true, "checksum = \"pseudo-header\""),
        ("pseudo-header", false, "checksum = \"rfc9568\""),
        ("any", true, "refuses ours"),
    ] {
        let mut plan = plan(Mode::Standalone);
        plan.routers.truncate(1);
        plan.routers[0].vrrp.checksum = ours;
        let wires = Wires::lay(&plan).unwrap();
        wires.settle("active").unwrap();
        let alarm = || {
            let status = wires.engine.ctl("show ha").unwrap().to_string();
            status.contains("advert_checksum").then_some(status)
        };
        assert_eq!(alarm(), None, "{ours}");
        // each interval of 100 ms, and worse than ours
        let source = a("10.77.0.12");
        let mut packet = packet::advert(source, 51, 50, &[a(routed::LAN_VIP)]);
        packet[24..26].copy_from_slice(&[0, 10]);
        packet::fix_advert(&mut packet);
        if its_pseudo {
            packet[26..28].fill(0);
            let group = a("224.0.0.18");
            let value = packet::checksum_with_ends(source, group, packet::VRRP, &packet[20..]);
            packet[26..28].copy_from_slice(&value.to_be_bytes());
        }
        let group: Mac = [1, 0, 0x5e, 0, 0, 0x12];
        let frame = packet::carry(group, virtual_mac(51, false), None, &packet);
        let begin = Instant::now();
        let said = loop {
            wires.lan.send(&frame).unwrap();
            std::thread::sleep(Duration::from_millis(100));
            if let Some(said) = alarm() {
                break said;
            }
            assert!(
                begin.elapsed() < Duration::from_secs(10),
                "{ours}: no alarm"
            );
        };
        let said = said.replace("\\\"", "\"");
        assert!(
            said.contains("10.77.0.12") && said.contains(words),
            "{said}"
        );
        // it has ceased
        let begin = Instant::now();
        while alarm().is_some() {
            assert!(
                begin.elapsed() < Duration::from_secs(10),
                "{ours}: it stays"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
