//! Any bytes and any order of things: no panic, bounded memory, no storm.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests count as tests

mod common;

use std::net::IpAddr;
use std::time::Duration;

use common::*;
use proptest::prelude::*;
use twinline_l3::{Host, HostConfig, IcmpKind, InterfaceId, Output};
use twinline_wire::Mac;
use twinline_wire::ndp::Advertisement;

/// Frames and packets that mean something.
fn good_frames() -> Vec<Vec<u8>> {
    let news = |target| Advertisement::unsolicited(v6("fe80::9"), v6(target), C);
    let all_nodes = Mac([0x33, 0x33, 0, 0, 0, 1]);
    let mut frames = vec![
        arp_request(C, "192.0.2.9", "192.0.2.1"),
        arp_request(C, "192.0.2.9", "192.0.2.254"),
        arp_request(C, "0.0.0.0", "192.0.2.1"),
        arp_reply(C, "192.0.2.9", A, "192.0.2.1"),
        arp_reply(C, "192.0.2.1", A, "192.0.2.9"),
        solicitation(C, "2001:db8::9", "2001:db8::1"),
        solicitation(C, "::", "2001:db8::1"),
        solicitation(C, "fe80::9", "2001:db8::254"),
        advertisement(&news("2001:db8::9"), all_nodes, C),
        advertisement(&news("2001:db8::1"), all_nodes, C),
        framed(all_nodes, C, &ping("fe80::9", "ff02::1")),
        framed(
            all_nodes,
            C,
            &packet("::", "ff02::16", 0, &[58, 0, 5, 2, 0, 0, 1, 0, 143, 0]),
        ),
    ];
    for (from, to) in [
        ("192.0.2.9", "192.0.2.1"),
        ("192.0.2.9", "192.0.2.254"),
        ("203.0.113.9", "198.51.100.1"),
        ("192.0.2.9", "203.0.113.9"),
        ("192.0.2.9", "192.0.2.255"),
        ("2001:db8::9", "2001:db8::1"),
        ("2001:db8::9", "2001:db8::254"),
        ("2001:db8:9::9", "2001:db8:1::1"),
    ] {
        frames.push(framed(A, C, &ping(from, to)));
        frames.push(framed(VMAC, C, &packet(from, to, 17, b"12345678abcd")));
        frames.push(framed(A, C, &packet(from, to, 6, b"12345678abcd")));
        let extended = [60, 0, 0, 0, 0, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4];
        frames.push(framed(VMAC6, C, &packet(from, to, 60, &extended)));
        frames.push(framed(A, C, &icmp_packet(from, to, 3, &ping(to, from))));
    }
    frames
}

#[derive(Debug, Clone)]
enum Step {
    Good(prop::sample::Index),
    Damaged(prop::sample::Index, Vec<(prop::sample::Index, u8)>),
    Bytes(Vec<u8>),
    Unresolved(prop::sample::Index, u8),
    Error(prop::sample::Index, u8),
    Kernel(prop::sample::Index),
    Hold(bool, bool, bool),
    Announce,
    Heard(u8, u8),
    Link(bool),
    Wait(u16),
}

fn step() -> impl Strategy<Value = Step> {
    let index = || any::<prop::sample::Index>();
    let damage = prop::collection::vec((index(), any::<u8>()), 1..4);
    prop_oneof![
        4 => index().prop_map(Step::Good),
        4 => (index(), damage).prop_map(|(at, damage)| Step::Damaged(at, damage)),
        1 => prop::collection::vec(any::<u8>(), 0..100).prop_map(Step::Bytes),
        3 => (index(), any::<u8>()).prop_map(|(at, hop)| Step::Unresolved(at, hop)),
        2 => (index(), any::<u8>()).prop_map(|(at, kind)| Step::Error(at, kind)),
        2 => index().prop_map(Step::Kernel),
        1 => any::<(bool, bool, bool)>().prop_map(|(held, accept, six)| Step::Hold(held, accept, six)),
        1 => Just(Step::Announce),
        2 => any::<(u8, u8)>().prop_map(|(ip, mac)| Step::Heard(ip, mac)),
        1 => any::<bool>().prop_map(Step::Link),
        3 => any::<u16>().prop_map(Step::Wait),
    ]
}

fn small(kernel: bool) -> HostConfig {
    let mut config = router_config();
    config.interfaces[0].kernel = kernel;
    config.limits.neighbours = 8;
    config.limits.pending = 10;
    config
}

fn frame_of(step: &Step) -> Option<Vec<u8>> {
    let frames = good_frames();
    match step {
        Step::Good(at) | Step::Kernel(at) => Some(frames[at.index(frames.len())].clone()),
        Step::Damaged(at, damage) => {
            let mut frame = frames[at.index(frames.len())].clone();
            for (at, value) in damage {
                let at = at.index(frame.len());
                frame[at] = *value;
            }
            Some(frame)
        }
        Step::Bytes(bytes) => Some(bytes.clone()),
        _ => None,
    }
}

fn play(station: &mut Station, step: &Step) {
    let frames = good_frames();
    let inner = |at: &prop::sample::Index| frames[at.index(frames.len())][14..].to_vec();
    let (host, now, out) = (&mut station.host, station.now, &mut station.out);
    match step {
        Step::Good(_) | Step::Damaged(..) | Step::Bytes(_) => {
            host.frame(now, LAN, &frame_of(step).unwrap(), out);
        }
        Step::Kernel(_) => host.from_kernel(now, LAN, &frame_of(step).unwrap(), out),
        Step::Unresolved(at, hop) => {
            let packet = inner(at);
            let hop = match packet[0] >> 4 {
                6 => ip(&format!("2001:db8::{hop:x}")),
                _ => ip(&format!("192.0.2.{hop}")),
            };
            host.unresolved(
                now,
                InterfaceId(u16::from(packet[1] & 3)),
                hop,
                &packet,
                out,
            );
        }
        Step::Error(at, kind) => {
            let kind = match kind & 3 {
                0 => IcmpKind::TimeExceeded,
                1 => IcmpKind::NoRoute,
                2 => IcmpKind::HostUnreachable,
                _ => IcmpKind::TooBig { mtu: 1000 },
            };
            host.error(now, LAN, kind, &inner(at), out);
        }
        Step::Hold(held, accept, six) => {
            let (vmac, addresses) = if *six {
                (VMAC6, vec![ip("fe80::254"), ip("2001:db8::254")])
            } else {
                (VMAC, vec![ip("192.0.2.254")])
            };
            host.virtual_addresses(now, LAN, vmac, &addresses, *held, *accept, out);
        }
        Step::Announce => host.announce(LAN, VMAC, ip("192.0.2.254"), out),
        Step::Heard(address, mac) => {
            let address: IpAddr = ip(&format!("192.0.2.{address}"));
            host.neighbour_heard(now, LAN, address, Mac([2, 0, 0, 0, 9, *mac]), out);
        }
        Step::Link(up) => host.link(now, LAN, *up, out),
        Step::Wait(millis) => station.run(Duration::from_millis(u64::from(*millis))),
    }
}

/// What must hold at any time. Returns who the fast path would think is there.
fn check(
    host: &Host,
    out: &[Output],
    adjacencies: &mut std::collections::BTreeMap<(InterfaceId, IpAddr), Mac>,
) {
    assert!(host.neighbours().count() <= 8);
    for output in out {
        match output {
            Output::Neighbour { interface, ip, mac } => match mac {
                Some(mac) => {
                    assert!(!mac.is_group() && !mac.is_zero());
                    adjacencies.insert((*interface, *ip), *mac);
                }
                None => assert!(
                    adjacencies.remove(&(*interface, *ip)).is_some(),
                    "{ip} twice"
                ),
            },
            Output::Send { frame, .. } | Output::ToKernel { frame, .. } => {
                assert!((14..=1518).contains(&frame.len()));
            }
            _ => {}
        }
    }
    // What the fast path was told is what is known.
    let known: std::collections::BTreeMap<_, _> = host
        .neighbours()
        .filter_map(|n| Some(((n.interface, n.ip), n.mac?)))
        .collect();
    assert_eq!(&known, adjacencies);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_life_is_lived(steps in prop::collection::vec(step(), 0..60), kernel in any::<bool>()) {
        let mut station = Station::new(small(kernel));
        let mut adjacencies = station
            .host
            .neighbours()
            .filter_map(|n| Some(((n.interface, n.ip), n.mac?)))
            .collect();
        for step in &steps {
            let mut before = station.host.counters().drops.total();
            play(&mut station, step);
            let out = station.take();
            let counters = station.host.counters();
            check(&station.host, &out, &mut adjacencies);
            if let Some(frame) = frame_of(step) {
                // One frame in: an answer to it, what waited for it, and a defence; never a flood.
                prop_assert!(out.len() <= 16, "{} outputs for {frame:?}", out.len());
                before = counters.drops.total() - before;
                prop_assert!(before <= 16);
            }
        }
        // Left alone without neighbours that answer, it comes to rest.
        station.run(Duration::from_secs(300));
        let out = station.take();
        check(&station.host, &out, &mut adjacencies);
        let due = station.host.next_deadline(station.now);
        prop_assert_eq!(due, None, "{:?}", station.host.neighbours().collect::<Vec<_>>());
    }

    /// Whatever is thrown at two hosts on a wire, they come to rest: each frame that was injected
    /// makes them say so much, and no more.
    #[test]
    fn two_hosts_on_a_wire_come_to_rest(
        steps in prop::collection::vec((any::<bool>(), step()), 1..40), same in any::<bool>(),
    ) {
        let mut other = small(false);
        other.interfaces[0].mac = C;
        if !same {
            other.interfaces[0] = interface(C, &["192.0.2.9/24", "2001:db8::9/64"]);
        }
        let mut ends = [Station::new(small(false)), Station::new(other)];
        for (which, step) in &steps {
            play(&mut ends[usize::from(*which)], step);
            let mut carried = 0;
            loop {
                let mut quiet = true;
                for from in 0..2 {
                    for (interface, frame) in sent(&ends[from].take()) {
                        if interface != LAN {
                            continue;
                        }
                        quiet = false;
                        carried += 1;
                        let to = &mut ends[1 - from];
                        to.host.frame(to.now, LAN, &frame, &mut to.out);
                    }
                }
                if quiet {
                    break;
                }
                // A wait of a minute repeats questions; at one time there is no more than a few.
                prop_assert!(carried < 1000, "a storm after {step:?}");
            }
        }
    }
}
