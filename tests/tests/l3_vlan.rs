//! A router of ours on a VLAN, beside an untagged network on the same port: adverts, ARP, neighbour
//! discovery, echo, and forwarding between tagged and untagged networks, with frames that the test
//! makes and reads tag by tag. No VLAN interface of the kernel's is in it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, not excepted"
)]

use std::net::IpAddr;
use std::time::{Duration, Instant};
use twinline_tests::l3::frame::{Mac, virtual_mac};
use twinline_tests::l3::ours::{Interface, Plan, Virtual};
use twinline_tests::l3::packet;
use twinline_tests::l3::router::Vrrp;
use twinline_tests::l3::wires::{LAN_MAC, WAN_MAC, Wire, Wires};
use twinline_tests::topology::{Side, routed};

/// The VLAN on the LAN port.
const VLAN: u16 = 100;
/// Bytes of a packet there at most.
const VLAN_MTU: u16 = 1400;
/// The virtual router there.
const TAGGED: u8 = 61;
/// The virtual router of the untagged network.
const PLAIN: u8 = 51;
const SOON: Duration = Duration::from_secs(3);
/// How long to wait for what must not come.
const NOT_COMING: Duration = Duration::from_millis(400);

fn a(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A host at the far end of a wire.
#[derive(Debug, Clone, Copy)]
struct Host {
    mac: Mac,
    vlan: Option<u16>,
    four: &'static str,
    six: &'static str,
}

impl Host {
    fn address(&self, ipv6: bool) -> IpAddr {
        a(if ipv6 { self.six } else { self.four })
    }
}

const IN_VLAN: Host = Host {
    mac: [2, 0x77, 0, 0, 1, 0],
    vlan: Some(VLAN),
    four: "10.99.0.1",
    six: "fd99::1",
};
const ON_LAN: Host = Host {
    mac: [2, 0x77, 0, 0, 0, 1],
    vlan: None,
    four: "10.77.0.1",
    six: "fd77::1",
};
const ON_WAN: Host = Host {
    mac: [2, 0x77, 0, 0, 0, 2],
    vlan: None,
    four: routed::SERVER_IP,
    six: routed::SERVER_IP6,
};

fn plan() -> Plan {
    let mut plan = Plan::alone(Side::A, &Vrrp::default());
    let leg = |name| Interface {
        kernel: false,
        ..Plan::leg(Side::A, name)
    };
    let tagged = Interface {
        name: "lan100".into(),
        vlan: Some(VLAN),
        mtu: Some(u32::from(VLAN_MTU)),
        addresses: vec!["10.99.0.11/24".into(), "fd99::11/64".into()],
        ..leg("lan")
    };
    plan.interfaces = vec![leg("lan"), tagged, leg("wan")];
    let like = plan.routers.remove(0);
    let router = |name: &str, on: &str, vrid, ipv6, addresses: &[&str]| Virtual {
        name: name.into(),
        interface: on.into(),
        vrrp: Vrrp {
            vrid,
            ipv6,
            checksum: "rfc9568",
            ..Vrrp::default()
        },
        addresses: addresses.iter().map(|&a| a.to_owned()).collect(),
        ..like.clone()
    };
    plan.routers = vec![
        router("tagged4", "lan100", TAGGED, false, &["10.99.0.254"]),
        router(
            "tagged6",
            "lan100",
            TAGGED,
            true,
            &["fe80::5e:61", "fd99::254"],
        ),
        router("plain4", "lan0", PLAIN, false, &[routed::LAN_VIP]),
        router(
            "plain6",
            "lan0",
            PLAIN,
            true,
            &[routed::LINK_LOCAL_VIP, routed::LAN_VIP6],
        ),
    ];
    plan
}

/// The MAC address that the router gives for `target` to a host, and in which VLAN it says so.
fn who_has(
    wire: &Wire,
    host: Host,
    vlan: Option<u16>,
    target: &str,
    wait: Duration,
) -> Option<(Mac, Option<u16>)> {
    match (host.address(target.contains(':')), a(target)) {
        (IpAddr::V4(from), IpAddr::V4(target)) => {
            let ask = packet::arp(1, (host.mac, from), ([0; 6], target));
            let ask = packet::ethernet(packet::BROADCAST, host.mac, vlan, packet::ARP, &ask);
            wire.send(&ask).unwrap();
            wire.wait(wait, |frame| {
                let p = frame.payload;
                let answer = frame.kind == packet::ARP
                    && frame.to == host.mac
                    && p.get(6..8) == Some(&[0, 2])
                    && p.get(14..18) == Some(&target.octets()[..]);
                let mac = *p.get(8..)?.first_chunk::<6>()?;
                assert!(!answer || mac == frame.from, "{frame:02x?}");
                answer.then_some((mac, frame.vlan))
            })
        }
        (IpAddr::V6(from), IpAddr::V6(target)) => {
            let ask = packet::solicitation(host.mac, from, target);
            let group = packet::group_mac(packet::solicited_node(target));
            wire.send(&packet::carry(group, host.mac, vlan, &ask))
                .unwrap();
            wire.wait(wait, |frame| {
                let ip = frame.ip().filter(|ip| ip.protocol == packet::ICMPV6)?;
                let answer = frame.to == host.mac
                    && ip.body.first() == Some(&136)
                    && ip.body.get(8..24) == Some(&target.octets()[..]);
                let mac = *ip.body.get(26..)?.first_chunk::<6>()?;
                answer.then_some((mac, frame.vlan))
            })
        }
        ends => panic!("{ends:?}"),
    }
    .unwrap()
}

/// A UDP packet from one host to another, through the router's address `by`: how it arrives, and
/// whether the router asked for the host before.
fn carried(
    (near, from): (&Wire, Host),
    (far, to): (&Wire, Host),
    by: Mac,
    ipv6: bool,
    body: &[u8],
) -> Option<(Mac, Mac, Option<u16>, u8)> {
    let sent = packet::udp(from.address(ipv6), to.address(ipv6), 9, 64, body);
    near.send(&packet::carry(by, from.mac, from.vlan, &sent))
        .unwrap();
    let end = Instant::now() + SOON;
    let length = body.len() + 8;
    while Instant::now() < end {
        let heard = far.wait(Duration::from_millis(20), |frame| {
            let ip = frame.ip().filter(|ip| ip.protocol == packet::UDP)?;
            let whole = ip.body.len() == length && ip.body.ends_with(body);
            let mine = ip.from == from.address(ipv6) && ip.to == to.address(ipv6);
            (whole && mine).then_some((frame.to, frame.from, frame.vlan, ip.ttl))
        });
        if let Some(heard) = heard.unwrap() {
            return Some(heard);
        }
        // a next hop that is not known yet is asked for again and again
        let host = (to.mac, to.address(ipv6));
        if far
            .answer(host, to.vlan, Duration::from_millis(300))
            .unwrap()
        {
            continue;
        }
    }
    None
}

fn state(wires: &Wires, name: &str) -> String {
    let shown = wires.engine.ctl("show virtual-routers").unwrap();
    let routers = shown["routers"].as_array().unwrap();
    let found = routers.iter().find(|router| router["name"] == name);
    found.unwrap()["state"].as_str().unwrap().to_owned()
}

fn wait_for_state(wires: &Wires, name: &str, wanted: &str) {
    let begin = Instant::now();
    while state(wires, name) != wanted {
        assert!(
            begin.elapsed() < Duration::from_secs(10),
            "{name} is {}",
            state(wires, name)
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_vlan_is_a_network_of_its_own() {
    let wires = Wires::lay(&plan()).unwrap();
    wires.settle("active").unwrap();
    let (lan, wan) = (&wires.lan, &wires.wan);

    // Adverts: each in its own network, from its own virtual MAC address.
    lan.all(Duration::ZERO).unwrap();
    let mut heard = std::collections::BTreeSet::new();
    for bytes in lan.all(Duration::from_millis(600)).unwrap() {
        let frame = packet::open(&bytes).unwrap();
        if let Some(ip) = frame.ip().filter(|ip| ip.protocol == packet::VRRP) {
            let vrid = ip.body[1];
            assert_eq!(frame.from, virtual_mac(vrid, ip.from.is_ipv6()));
            assert_eq!(ip.ttl, 255);
            heard.insert((vrid, ip.from.is_ipv6(), frame.vlan));
        }
    }
    let wanted = [
        (PLAIN, false, None),
        (PLAIN, true, None),
        (TAGGED, false, Some(VLAN)),
        (TAGGED, true, Some(VLAN)),
    ];
    assert_eq!(heard, wanted.into());

    // ARP and neighbour discovery: answered in the network that asked, for its own addresses.
    for (host, target, mac) in [
        (IN_VLAN, "10.99.0.254", virtual_mac(TAGGED, false)),
        (IN_VLAN, "10.99.0.11", LAN_MAC),
        (IN_VLAN, "fd99::254", virtual_mac(TAGGED, true)),
        (IN_VLAN, "fe80::5e:61", virtual_mac(TAGGED, true)),
        (IN_VLAN, "fd99::11", LAN_MAC),
        (ON_LAN, routed::LAN_VIP, virtual_mac(PLAIN, false)),
        (ON_LAN, routed::LAN_VIP6, virtual_mac(PLAIN, true)),
    ] {
        let found = who_has(lan, host, host.vlan, target, SOON);
        assert_eq!(found, Some((mac, host.vlan)), "{target}");
    }
    for (host, vlan, target) in [
        (IN_VLAN, None, "10.99.0.254"),
        (IN_VLAN, None, "fd99::254"),
        (ON_LAN, Some(VLAN), routed::LAN_VIP),
        (ON_LAN, Some(VLAN), routed::LAN_VIP6),
        (IN_VLAN, Some(VLAN + 1), "10.99.0.254"),
    ] {
        let found = who_has(lan, host, vlan, target, NOT_COMING);
        assert_eq!(found, None, "{target} in VLAN {vlan:?}");
    }
    // A tag with a priority and no VLAN is the untagged network's.
    let found = who_has(lan, ON_LAN, Some(0), routed::LAN_VIP, SOON);
    assert_eq!(found, Some((virtual_mac(PLAIN, false), None)));

    // Echo on the virtual address.
    for (n, (vip, ipv6)) in [("10.99.0.254", false), ("fd99::254", true)]
        .into_iter()
        .enumerate()
    {
        let n = n as u16 + 1;
        let vmac = virtual_mac(TAGGED, ipv6);
        let echo = packet::echo_request(IN_VLAN.address(ipv6), a(vip), n);
        lan.send(&packet::carry(vmac, IN_VLAN.mac, Some(VLAN), &echo))
            .unwrap();
        let answer = lan.wait(SOON, |frame| {
            let ip = frame.ip()?;
            let reply = packet::echo_reply(&ip)? == n && ip.from == a(vip);
            reply.then_some((frame.to, frame.vlan))
        });
        assert_eq!(answer.unwrap(), Some((IN_VLAN.mac, Some(VLAN))), "{vip}");
        // to the VLAN's virtual MAC address, but untagged: nobody's
        lan.send(&packet::carry(vmac, IN_VLAN.mac, None, &echo))
            .unwrap();
        let answer = lan.wait(NOT_COMING, |frame| packet::echo_reply(&frame.ip()?));
        assert_eq!(answer.unwrap(), None, "{vip} untagged");
    }

    // Forwarding, both families, short packets and full ones: tagged to untagged and back, on
    // another port and on the same one.
    let full = vec![0x5a; usize::from(VLAN_MTU) - 28];
    let full6 = vec![0x5a; usize::from(VLAN_MTU) - 48];
    for ipv6 in [false, true] {
        let full = if ipv6 { &full6 } else { &full };
        let (tagged, plain) = (virtual_mac(TAGGED, ipv6), virtual_mac(PLAIN, ipv6));
        for body in [&b"x"[..], full] {
            for ((near, from), (far, to), by, out) in [
                ((lan, IN_VLAN), (wan, ON_WAN), tagged, WAN_MAC),
                ((wan, ON_WAN), (lan, IN_VLAN), WAN_MAC, tagged),
                ((lan, IN_VLAN), (lan, ON_LAN), tagged, plain),
                ((lan, ON_LAN), (lan, IN_VLAN), plain, tagged),
                ((lan, ON_LAN), (lan, IN_VLAN), LAN_MAC, tagged),
            ] {
                let arrived = carried((near, from), (far, to), by, ipv6, body);
                let what = format!("{} to {}", from.address(ipv6), to.address(ipv6));
                let arrived = arrived.unwrap_or_else(|| panic!("{what} did not arrive"));
                assert_eq!(
                    (arrived.0, arrived.2, arrived.3),
                    (to.mac, to.vlan, 63),
                    "{what}"
                );
                // the router's own address there, or the virtual one that it holds
                assert!(
                    arrived.1 == out || arrived.1 == LAN_MAC,
                    "{what} came from {:02x?}",
                    arrived.1
                );
            }
        }
    }

    // Too big for the VLAN: its MTU is told.
    for ipv6 in [false, true] {
        let packet = packet::udp(
            ON_WAN.address(ipv6),
            IN_VLAN.address(ipv6),
            9,
            64,
            &[0; 1400],
        );
        wan.send(&packet::carry(WAN_MAC, ON_WAN.mac, None, &packet))
            .unwrap();
        let told = wan.wait(SOON, |frame| {
            let body = frame.ip()?.body;
            // "fragmentation needed", "packet too big": both have the MTU in bytes 6 and 7
            let kind = if ipv6 { [2, 0] } else { [3, 4] };
            let mtu = u16::from_be_bytes([*body.get(6)?, *body.get(7)?]);
            body.starts_with(&kind).then_some((frame.to, mtu))
        });
        assert_eq!(told.unwrap(), Some((ON_WAN.mac, VLAN_MTU)));
    }

    // A better router in the VLAN: heard there alone.
    let stranger = |vlan: Option<u16>| {
        let advert = packet::advert(a("10.99.0.9"), TAGGED, 254, &[a("10.99.0.254")]);
        let group = [1, 0, 0x5e, 0, 0, 0x12];
        let from = virtual_mac(TAGGED, false);
        lan.send(&packet::carry(group, from, vlan, &advert))
            .unwrap();
    };
    for vlan in [None, Some(VLAN + 1)] {
        stranger(vlan);
    }
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(state(&wires, "tagged4"), "active", "not in that VLAN");
    stranger(Some(VLAN));
    wait_for_state(&wires, "tagged4", "backup");
    assert_eq!(state(&wires, "plain4"), "active");
    assert_eq!(state(&wires, "tagged6"), "active");
    // silent there now, until the stranger's adverts (one a second) have ceased
    let found = who_has(lan, IN_VLAN, Some(VLAN), "10.99.0.254", NOT_COMING);
    assert_eq!(found, None, "a backup answers");
    wait_for_state(&wires, "tagged4", "active");
    let found = who_has(lan, IN_VLAN, Some(VLAN), "10.99.0.254", SOON);
    assert_eq!(found, Some((virtual_mac(TAGGED, false), Some(VLAN))));
}
