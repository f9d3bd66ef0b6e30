//! What the RFCs ask of a router's slow path, by section; and the items of the VRRP checklist
//! (design/vrrp-and-heartbeat.md) that are a host's.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests count as tests

mod common;

use std::time::Duration;

use common::*;
use twinline_l3::{
    DropCause, Host, IcmpKind, Limits, NeighbourState, Note, Output, prefix::link_local,
};
use twinline_wire::ndp::Advertisement;
use twinline_wire::{Mac, arp, ipv6, ndp, vlan};

// RFC 826, RFC 5227

#[test]
fn rfc_826_a_request_is_answered_and_remembered() {
    let mut a = Station::router();
    let out = a.frame(&arp_request(C, "192.0.2.9", "192.0.2.1"));
    let (link, reply) = read_arp(&only(&out));
    assert_eq!((link.destination, link.source), (C, A));
    assert_eq!(reply.operation, arp::Operation::Reply);
    assert_eq!((reply.sender_mac, reply.sender_ip), (A, v4("192.0.2.1")));
    assert_eq!(a.neighbour("192.0.2.9").unwrap().mac, Some(C));
    // For others, and from beyond the link, nothing.
    assert_eq!(a.frame(&arp_request(C, "192.0.2.9", "192.0.2.7")), []);
    assert_eq!(a.frame(&arp_request(C, "192.0.2.8", "192.0.2.7")), []);
    assert_eq!(a.state("192.0.2.8"), None, "it did not ask us");
    a.frame(&arp_request(C, "203.0.113.9", "192.0.2.1"));
    assert_eq!(a.state("203.0.113.9"), None, "not on this link");
    a.frame(&arp_request(C, "192.0.2.255", "192.0.2.1"));
    assert_eq!(a.state("192.0.2.255"), None, "nobody's address");
}

#[test]
fn rfc_826_a_known_station_that_moves_is_followed() {
    let mut a = Station::router();
    a.knows(LAN, "192.0.2.9", C);
    let moved = arp_frame(&arp::Repr::gratuitous(v4("192.0.2.9"), VMAC));
    let out = a.frame(&moved);
    let expected = Output::Neighbour {
        interface: LAN,
        ip: ip("192.0.2.9"),
        mac: Some(VMAC),
    };
    assert_eq!(out, [expected]);
    assert_eq!(a.state("192.0.2.9"), Some(NeighbourState::Stale));
}

#[test]
fn rfc_5227_a_probe_is_answered_and_a_claim_is_defended_once() {
    let mut a = Station::router();
    let probe = arp_request(C, "0.0.0.0", "192.0.2.1");
    let (_, reply) = read_arp(&only(&a.frame(&probe)));
    assert_eq!((reply.sender_ip, reply.sender_mac), (v4("192.0.2.1"), A));
    let claim = arp_frame(&arp::Repr::gratuitous(v4("192.0.2.1"), C));
    let out = a.frame(&claim);
    assert!(read_arp(&sent(&out)[0].1).1.is_gratuitous());
    assert!(matches!(
        out[1],
        Output::Note(Note::Conflict { mac: C, .. })
    ));
    assert_eq!(a.frame(&claim), [], "once in ten seconds");
    a.run(Duration::from_secs(10));
    a.out.clear();
    assert_eq!(sent(&a.frame(&claim)).len(), 1);
    assert_eq!(a.host.counters().conflicts, 3);
}

#[test]
fn rfc_5227_own_addresses_are_probed_and_announced() {
    let mut probed = interface(A, &["192.0.2.1/24"]);
    probed.probe_ipv4 = true;
    let mut a = Station::without_link(config(vec![probed]));
    assert_eq!(sent(&a.take()), []);
    a.host.link(a.now, LAN, true, &mut a.out);
    a.run(Duration::from_secs(6));
    let said: Vec<_> = sent(&a.take()).iter().map(|(_, f)| read_arp(f).1).collect();
    let probes = said.iter().filter(|arp| arp.sender_ip.is_unspecified());
    assert_eq!(probes.count(), 3);
    assert_eq!(said.iter().filter(|arp| arp.is_gratuitous()).count(), 2);
    assert_eq!(said.len(), 5);
}

// RFC 1122, RFC 4861: resolution

#[test]
fn rfc_1122_3_2_2_1_packets_wait_in_a_short_queue() {
    let mut a = Station::router();
    for n in 0..6u8 {
        let packet = packet("198.51.100.9", "192.0.2.9", 17, &[n; 12]);
        a.host
            .unresolved(a.now, LAN, ip("192.0.2.9"), &packet, &mut a.out);
    }
    let asked = sent(&a.take());
    assert_eq!(asked.len(), 1, "one question for six packets");
    let (link, question) = read_arp(&asked[0].1);
    assert_eq!(
        (link.destination, question.target_ip),
        (Mac::BROADCAST, v4("192.0.2.9"))
    );
    assert_eq!(
        (question.sender_ip, question.sender_mac),
        (v4("192.0.2.1"), A)
    );
    assert_eq!(a.drops(DropCause::QueueFull), 2);
    let out = a.frame(&arp_reply(C, "192.0.2.9", A, "192.0.2.1"));
    let frames = sent(&out);
    assert_eq!(frames.len(), 4);
    for (n, (_, frame)) in frames.iter().enumerate() {
        assert_eq!(frame[..12], [C.0, A.0].concat());
        assert_eq!(usize::from(frame[34]), n + 2, "the newest four, in order");
    }
    assert_eq!(a.state("192.0.2.9"), Some(NeighbourState::Reachable));
}

#[test]
fn rfc_1812_and_4861_who_does_not_answer_is_unreachable() {
    for (source, target) in [
        ("198.51.100.9", "192.0.2.9"),
        ("2001:db8:1::9", "2001:db8::9"),
    ] {
        let mut a = Station::router();
        a.knows(WAN, source, C);
        let lost = packet(source, target, 17, b"12345678");
        a.host.unresolved(a.now, LAN, ip(target), &lost, &mut a.out);
        let failed = a.host.counters().failed;
        a.run(Duration::from_millis(2999));
        assert_eq!(sent(&a.take()).len(), 3, "asked three times");
        a.run(Duration::from_millis(2));
        let out = a.take();
        let error = read_icmp(&only(&out));
        let expected = if ip(source).is_ipv4() { (3, 1) } else { (1, 3) };
        assert_eq!((error.kind, error.code), expected);
        assert_eq!((error.destination, error.link.destination), (ip(source), C));
        assert_eq!(error.body, lost, "the whole packet is quoted");
        assert_eq!(a.state(target), None);
        assert_eq!(a.drops(DropCause::Unreachable), 1);
        assert_eq!(a.host.counters().failed, failed + 1);
    }
}

#[test]
fn rfc_4861_7_2_5_advertisements_change_what_is_known() {
    let mut a = Station::router();
    let news = |solicited, override_cached, mac| Advertisement {
        source: v6("2001:db8::9"),
        destination: v6("2001:db8::1"),
        target: v6("2001:db8::9"),
        target_mac: mac,
        router: false,
        solicited,
        override_cached,
    };
    let hear = |a: &mut Station, n: &Advertisement| a.frame(&advertisement(n, A, C));
    assert_eq!(hear(&mut a, &news(true, true, Some(C))), []);
    assert_eq!(a.state("2001:db8::9"), None, "nobody waited for it");
    a.host.resolve(a.now, LAN, ip("2001:db8::9"), &mut a.out);
    hear(&mut a, &news(true, true, None));
    assert_eq!(a.state("2001:db8::9"), Some(NeighbourState::Incomplete));
    hear(&mut a, &news(true, false, Some(C)));
    assert_eq!(a.state("2001:db8::9"), Some(NeighbourState::Reachable));
    // Another MAC address without override: doubt, and nothing else.
    assert_eq!(hear(&mut a, &news(true, false, Some(B))), []);
    let known = a.neighbour("2001:db8::9").unwrap();
    assert_eq!((known.mac, known.state), (Some(C), NeighbourState::Stale));
    // Confirmed without an address; moved, unasked.
    hear(&mut a, &news(true, true, None));
    assert_eq!(a.state("2001:db8::9"), Some(NeighbourState::Reachable));
    assert_eq!(hear(&mut a, &news(false, true, Some(B))).len(), 1);
    let known = a.neighbour("2001:db8::9").unwrap();
    assert_eq!((known.mac, known.state), (Some(B), NeighbourState::Stale));
}

#[test]
fn rfc_4861_7_2_3_a_solicitation_is_answered() {
    let mut a = Station::router();
    let out = a.frame(&solicitation(C, "2001:db8::9", "2001:db8::1"));
    let (link, ndp::Message::Advertisement(answer)) = ndp::parse(&only(&out)).unwrap() else {
        panic!("an answer");
    };
    assert_eq!((link.destination, link.source), (C, A));
    assert_eq!(
        (answer.target_mac, answer.source),
        (Some(A), v6("2001:db8::1"))
    );
    assert!(answer.router && answer.solicited && answer.override_cached);
    assert_eq!(a.neighbour("2001:db8::9").unwrap().mac, Some(C));
    a.dropped(
        &solicitation(C, "2001:db8::9", "2001:db8::7"),
        DropCause::NotLocal,
    );
    a.dropped(
        &solicitation(C, "2001:db8:9::9", "2001:db8::1"),
        DropCause::Martian,
    );
    let mut hosts = router_config();
    hosts.forwarding = false;
    let out = Station::new(hosts).frame(&solicitation(C, "fe80::9", "2001:db8::1"));
    let (_, ndp::Message::Advertisement(answer)) = ndp::parse(&only(&out)).unwrap() else {
        panic!("an answer");
    };
    assert!(!answer.router, "R says whether it forwards");
}

#[test]
fn rfc_4862_5_4_own_ipv6_addresses_are_probed() {
    let mut a = Station::without_link(config(vec![interface(A, &["2001:db8::1/64"])]));
    let groups = a
        .take()
        .iter()
        .filter(|o| matches!(o, Output::Join { .. }))
        .count();
    assert_eq!(groups, 3, "all nodes, and two solicited-node groups");
    a.host.link(a.now, LAN, true, &mut a.out);
    let probes = sent(&a.take());
    assert_eq!(probes.len(), 2);
    let (link, ndp::Message::Solicitation(probe)) = ndp::parse(&probes[0].1).unwrap() else {
        panic!("a probe");
    };
    assert!(probe.source.is_unspecified() && probe.source_mac.is_none());
    assert_eq!(
        link.destination,
        ipv6::multicast_mac(ipv6::solicited_node(probe.target))
    );
    // Until a second has passed it answers nobody.
    let question = solicitation(C, "2001:db8::9", "2001:db8::1");
    a.dropped(&question, DropCause::Tentative);
    a.run(Duration::from_millis(1100));
    assert_eq!(sent(&a.frame(&question)).len(), 1);
    // Another one that probes for it later is answered before all.
    let out = a.frame(&solicitation(C, "::", "2001:db8::1"));
    let (link, ndp::Message::Advertisement(answer)) = ndp::parse(&only(&out)).unwrap() else {
        panic!("an answer");
    };
    assert_eq!(link.destination, ipv6::multicast_mac(ipv6::ALL_NODES));
    assert!(!answer.solicited && answer.override_cached);
}

#[test]
fn rfc_4862_5_4_3_two_that_probe_at_once_both_give_up() {
    let mut a = Station::without_link(config(vec![interface(A, &["2001:db8::1/64"])]));
    a.host.link(a.now, LAN, true, &mut a.out);
    let out = a.frame(&solicitation(C, "::", "2001:db8::1"));
    assert!(matches!(
        out[..],
        [Output::Note(Note::DuplicateAddress { mac: C, .. })]
    ));
    a.run(Duration::from_secs(5));
    a.out.clear();
    a.dropped(
        &solicitation(C, "2001:db8::9", "2001:db8::1"),
        DropCause::Tentative,
    );
}

// RFC 792, RFC 4443: echo

#[test]
fn rfc_1122_3_2_2_6_and_4443_4_echo_is_answered() {
    for (from, own, kind) in [
        ("192.0.2.9", "192.0.2.1", 0),
        ("2001:db8::9", "2001:db8::1", 129),
    ] {
        let mut a = Station::router();
        a.knows(LAN, from, C);
        let reply = read_icmp(&only(&a.frame(&framed(A, C, &ping(from, own)))));
        assert_eq!((reply.source, reply.destination), (ip(own), ip(from)));
        assert_eq!(
            (reply.kind, reply.code, reply.rest),
            (kind, 0, [0, 7, 0, 1])
        );
        assert_eq!(reply.body, b"0123456789abcdef");
        assert_eq!((reply.link.source, reply.link.destination), (A, C));
        // An address of another interface is ours as well.
        let other = if kind == 0 {
            "198.51.100.1"
        } else {
            "2001:db8:1::1"
        };
        let reply = read_icmp(&only(&a.frame(&framed(A, C, &ping(from, other)))));
        assert_eq!(reply.source, ip(other));
        let answer = icmp_packet(from, own, kind, b"x");
        a.dropped(&framed(A, C, &answer), DropCause::IcmpUnwanted);
    }
}

#[test]
fn rfc_4443_4_2_a_groups_echo_is_answered_from_a_stations_address() {
    let mut a = Station::router();
    a.knows(LAN, "fe80::9", C);
    let frame = framed(
        Mac([0x33, 0x33, 0, 0, 0, 1]),
        C,
        &ping("fe80::9", "ff02::1"),
    );
    let reply = read_icmp(&only(&a.frame(&frame)));
    assert_eq!(reply.source, link_local(A));
    // Before all, IPv4 says nothing (RFC 1122, section 3.2.2.6).
    let shouted = framed(Mac::BROADCAST, C, &ping("192.0.2.9", "192.0.2.255"));
    a.dropped(&shouted, DropCause::Group);
    let astray = framed(Mac::BROADCAST, C, &ping("192.0.2.9", "192.0.2.1"));
    a.dropped(&astray, DropCause::LinkGroup);
}

#[test]
fn echo_beyond_the_link_goes_by_the_route() {
    let mut a = Station::router();
    a.knows(WAN, "198.51.100.254", B.0.map(|b| b ^ 0x40).into());
    let mut out = Vec::new();
    let request = framed(B, C, &ping("203.0.113.5", "198.51.100.1"));
    a.host.frame(a.now, WAN, &request, &mut out);
    assert_eq!(sent(&out)[0].0, WAN);
    assert_eq!(read_icmp(&only(&out)).destination, ip("203.0.113.5"));
}

// RFC 1812, RFC 4443: errors

fn error(a: &mut Station, kind: IcmpKind, packet: &[u8]) -> Vec<Output> {
    a.out.clear();
    a.host.error(a.now, LAN, kind, packet, &mut a.out);
    a.take()
}

#[test]
fn rfc_1812_4_3_and_4443_3_errors_quote_the_packet_from_the_right_address() {
    let kinds = [
        (IcmpKind::TimeExceeded, (11, 0, 0), (3, 0, 0)),
        (IcmpKind::NoRoute, (3, 0, 0), (1, 0, 0)),
        (IcmpKind::HostUnreachable, (3, 1, 0), (1, 3, 0)),
        (IcmpKind::TooBig { mtu: 1400 }, (3, 4, 1400), (2, 0, 1400)),
    ];
    for (kind, four, six) in kinds {
        for (from, to, own, expected) in [
            ("192.0.2.9", "203.0.113.1", "192.0.2.1", four),
            ("2001:db8::9", "2001:db8:9::1", "2001:db8::1", six),
        ] {
            let mut a = Station::router();
            a.knows(LAN, from, C);
            let lost = packet(from, to, 17, &[5; 40]);
            let heard = read_icmp(&only(&error(&mut a, kind, &lost)));
            let rest = u32::from_be_bytes(heard.rest);
            assert_eq!((heard.kind, heard.code, rest), expected, "{kind:?}");
            assert_eq!((heard.source, heard.destination), (ip(own), ip(from)));
            assert_eq!(heard.body, lost);
        }
    }
    // RFC 8200, section 5: never below 1280.
    let mut a = Station::router();
    a.knows(LAN, "2001:db8::9", C);
    let lost = packet("2001:db8::9", "2001:db8:9::1", 17, &[5; 1300]);
    let heard = read_icmp(&only(&error(&mut a, IcmpKind::TooBig { mtu: 600 }, &lost)));
    assert_eq!(heard.rest, 1280u32.to_be_bytes());
    assert_eq!(heard.body.len(), 1280 - 48, "RFC 4443, section 2.4 c");
    a.knows(LAN, "192.0.2.9", C);
    let lost = packet("192.0.2.9", "203.0.113.1", 17, &[5; 1300]);
    let heard = read_icmp(&only(&error(&mut a, IcmpKind::NoRoute, &lost)));
    assert_eq!(heard.body.len(), 576 - 28, "RFC 1812, section 4.3.2.3");
}

#[test]
fn rfc_1812_4_3_2_7_no_error_about_these() {
    let mut a = Station::router();
    a.knows(LAN, "192.0.2.9", C);
    let mut never = |what: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut lost = packet("192.0.2.9", "203.0.113.1", 17, &[5; 40]);
        change(&mut lost);
        let before = a.drops(DropCause::NoErrorAllowed);
        assert_eq!(error(&mut a, IcmpKind::TimeExceeded, &lost), [], "{what}");
        assert_eq!(a.drops(DropCause::NoErrorAllowed), before + 1, "{what}");
    };
    never("a later fragment", &|p| p[7] = 1);
    never("to a group", &|p| p[16] = 224);
    never("to all", &|p| p[16..20].fill(255));
    never("to all of a network", &|p| {
        p[16..20].copy_from_slice(&[198, 51, 100, 255])
    });
    never("from a group", &|p| p[12] = 230);
    never("from loopback", &|p| p[12] = 127);
    never("from nobody", &|p| p[12..16].fill(0));
    never("from a broadcast address", &|p| p[15] = 255);
    never("from ourselves", &|p| p[15] = 1);
    for kind in [3, 4, 5, 11, 12] {
        never("an error", &move |p| {
            p[9] = 1;
            p[20] = kind;
        });
    }
    // An echo request and a first fragment are answered.
    let mut first = ping("192.0.2.9", "203.0.113.1");
    first[6] = 0x20;
    assert_eq!(
        sent(&error(&mut a, IcmpKind::TimeExceeded, &first)).len(),
        1
    );
    // Without DF, a packet that is too big would be fragmented, which is not done.
    let mut big = packet("192.0.2.9", "203.0.113.1", 17, &[5; 1400]);
    big[6] = 0;
    assert_eq!(error(&mut a, IcmpKind::TooBig { mtu: 1000 }, &big), []);
    assert_eq!(a.drops(DropCause::NotFragmented), 1);
}

#[test]
fn rfc_4443_2_4_e_no_error_about_these() {
    let mut a = Station::router();
    a.knows(LAN, "2001:db8::9", C);
    let source = "2001:db8::9";
    let never = [
        icmp_packet(source, "2001:db8:9::1", 1, b""),
        icmp_packet(source, "2001:db8:9::1", 137, b""),
        packet(source, "2001:db8:9::1", 58, b""),
        packet(source, "ff0e::1", 17, b"12345678"),
        packet("ff02::9", "2001:db8:9::1", 17, b"12345678"),
        packet("::", "2001:db8:9::1", 17, b"12345678"),
        // the middle of something that may be an error
        packet(
            source,
            "2001:db8:9::1",
            44,
            &[58, 0, 0, 8, 0, 0, 0, 1, 9, 9],
        ),
        packet(source, "2001:db8:9::1", 60, b"cut"),
    ];
    for (at, lost) in never.iter().enumerate() {
        let out = error(&mut a, IcmpKind::NoRoute, lost);
        assert_eq!(out, [], "{at}");
        assert_eq!(a.drops(DropCause::NoErrorAllowed), at as u64 + 1);
    }
    // Packet too big is told of groups too, for path MTU discovery.
    let big = packet(source, "ff0e::1", 17, &[5; 1400]);
    assert_eq!(
        sent(&error(&mut a, IcmpKind::TooBig { mtu: 1280 }, &big)).len(),
        1
    );
}

#[test]
fn rfc_4443_2_4_f_errors_and_echoes_are_limited_each_by_its_own() {
    let mut config = router_config();
    config.limits = Limits {
        icmp_per_second: 100,
        ..Limits::default()
    };
    let mut a = Station::new(config);
    a.knows(LAN, "192.0.2.9", C);
    let lost = packet("192.0.2.9", "203.0.113.1", 17, &[5; 40]);
    let mut count = 0;
    for _ in 0..1000 {
        a.now = a.now + Duration::from_millis(1);
        count += sent(&error(&mut a, IcmpKind::NoRoute, &lost)).len();
    }
    assert!((100..=110).contains(&count), "{count}");
    assert_eq!(a.drops(DropCause::RateLimited), 1000 - count as u64);
    let request = framed(A, C, &ping("192.0.2.9", "192.0.2.1"));
    assert_eq!(sent(&a.frame(&request)).len(), 1, "echo has its own");
}

#[test]
fn rfc_1122_3_2_2_1_and_4443_3_who_has_no_listener_says_so() {
    let mut a = Station::router();
    for (from, to, udp, other) in [
        ("192.0.2.9", "192.0.2.1", (3, 3), (3, 2)),
        ("2001:db8::9", "2001:db8::1", (1, 4), (4, 1)),
    ] {
        a.knows(LAN, from, C);
        let heard = read_icmp(&only(&a.frame(&framed(
            A,
            C,
            &packet(from, to, 17, b"12345678"),
        ))));
        assert_eq!((heard.kind, heard.code), udp);
        let heard = read_icmp(&only(&a.frame(&framed(
            A,
            C,
            &packet(from, to, 6, b"12345678"),
        ))));
        assert_eq!((heard.kind, heard.code), other);
        if other.0 == 4 {
            assert_eq!(heard.rest, [0, 0, 0, 6], "where the next header stands");
        }
    }
    assert_eq!(a.host.counters().unreachable, 3);
    assert_eq!(a.host.counters().parameter_problem, 1);
}

// The checklist's items for virtual addresses (RFC 9568, section 8)

#[test]
fn items_33_and_34_only_the_active_answers_and_only_with_the_virtual_mac() {
    let mut a = Station::router();
    a.knows(LAN, "192.0.2.9", C);
    a.knows(LAN, "2001:db8::9", C);
    let vips6 = ["fe80::5e00:210", "2001:db8::254"];
    let arp_question = arp_request(C, "192.0.2.9", "192.0.2.254");
    let ndp_question = solicitation(C, "2001:db8::9", "2001:db8::254");
    let pings = [
        framed(VMAC, C, &ping("192.0.2.9", "192.0.2.254")),
        framed(VMAC6, C, &ping("2001:db8::9", "2001:db8::254")),
    ];
    a.hold(VMAC, &["192.0.2.254"], false, true);
    a.hold(VMAC6, &vips6, false, true);
    for out in [a.take(), a.frame(&arp_question)] {
        assert_eq!(out, [], "backup");
    }
    a.dropped(&ndp_question, DropCause::NotHeld);
    for frame in &pings {
        a.dropped(frame, DropCause::OtherStation);
        let mut to_port = frame.clone();
        to_port[..6].copy_from_slice(&A.0);
        a.dropped(&to_port, DropCause::NotHeld);
    }
    a.hold(VMAC, &["192.0.2.254"], true, true);
    a.hold(VMAC6, &vips6, true, true);
    let joined = a
        .take()
        .iter()
        .filter(|o| matches!(o, Output::Join { .. }))
        .count();
    assert_eq!(joined, 2);
    let (link, reply) = read_arp(&only(&a.frame(&arp_question)));
    assert_eq!((link.source, reply.sender_mac), (VMAC, VMAC));
    let answer = only(&a.frame(&ndp_question));
    let (link, ndp::Message::Advertisement(answer)) = ndp::parse(&answer).unwrap() else {
        panic!("an answer");
    };
    assert_eq!((link.source, answer.target_mac), (VMAC6, Some(VMAC6)));
    assert!(answer.router);
    for (frame, vmac) in pings.iter().zip([VMAC, VMAC6]) {
        let reply = read_icmp(&only(&a.frame(frame)));
        assert_eq!(
            reply.link.source, vmac,
            "the port's MAC address is never named"
        );
    }
    a.hold(VMAC6, &vips6, false, true);
    let left = a
        .take()
        .iter()
        .filter(|o| matches!(o, Output::Leave { .. }))
        .count();
    assert_eq!(left, 2);
    a.dropped(&ndp_question, DropCause::NotHeld);
}

#[test]
fn item_34_an_owner_too_answers_with_the_virtual_mac_and_only_while_active() {
    let mut a = Station::router();
    let question = arp_request(C, "192.0.2.9", "192.0.2.1");
    a.hold(VMAC, &["192.0.2.1"], false, true);
    assert_eq!(sent(&a.frame(&question)), []);
    a.hold(VMAC, &["192.0.2.1"], true, true);
    a.out.clear();
    assert_eq!(read_arp(&only(&a.frame(&question))).1.sender_mac, VMAC);
}

#[test]
fn item_36_without_accept_mode_only_ndp_and_arp_are_answered() {
    let mut a = Station::router();
    a.knows(LAN, "2001:db8::9", C);
    a.hold(VMAC6, &["fe80::254", "2001:db8::254"], true, false);
    a.out.clear();
    let request = framed(VMAC6, C, &ping("2001:db8::9", "2001:db8::254"));
    a.dropped(&request, DropCause::NotAccepted);
    let question = solicitation(C, "2001:db8::9", "2001:db8::254");
    assert_eq!(sent(&a.frame(&question)).len(), 1);
}

#[test]
fn items_24_and_37_announcements() {
    let mut a = Station::router();
    a.host.announce(LAN, VMAC, ip("192.0.2.254"), &mut a.out);
    assert_eq!(a.out, []);
    assert_eq!(a.drops(DropCause::NotHeld), 1, "not before it is held");
    a.hold(VMAC, &["192.0.2.254"], true, true);
    a.hold(VMAC6, &["fe80::254", "2001:db8::254"], true, true);
    a.out.clear();
    a.host.announce(LAN, VMAC, ip("192.0.2.254"), &mut a.out);
    let (link, news) = read_arp(&only(&a.take()));
    assert!(news.is_gratuitous());
    assert_eq!((link.source, news.sender_mac), (VMAC, VMAC));
    a.host.announce(LAN, VMAC6, ip("2001:db8::254"), &mut a.out);
    let news = only(&a.take());
    let (link, ndp::Message::Advertisement(news)) = ndp::parse(&news).unwrap() else {
        panic!("news");
    };
    assert_eq!((link.source, news.target_mac), (VMAC6, Some(VMAC6)));
    assert!(news.router && !news.solicited && news.override_cached);
    assert_eq!(news.source, v6("fe80::254"));
}

#[test]
fn item_38_an_active_router_asks_with_the_virtual_mac() {
    let mut a = Station::router();
    a.hold(VMAC6, &["fe80::254", "2001:db8::254"], true, true);
    a.out.clear();
    a.host.resolve(a.now, LAN, ip("2001:db8::9"), &mut a.out);
    let question = only(&a.take());
    let (link, ndp::Message::Solicitation(question)) = ndp::parse(&question).unwrap() else {
        panic!("a question");
    };
    assert_eq!((link.source, question.source_mac), (VMAC6, Some(VMAC6)));
    assert_eq!(question.source, v6("fe80::254"));
    // The answer goes to the virtual MAC address, and is taken.
    let answer = Advertisement::answer_to(&question, C);
    a.frame(&advertisement(&answer, VMAC6, C));
    assert_eq!(a.state("2001:db8::9"), Some(NeighbourState::Reachable));
}

/// The peer instance that is Active asks in the name of its virtual addresses, and is answered.
#[test]
fn who_holds_a_virtual_address_is_a_neighbour() {
    let mut b = Station::new(config(vec![interface(
        B,
        &["192.0.2.2/24", "2001:db8::2/64"],
    )]));
    b.hold(VMAC, &["192.0.2.254"], false, true);
    b.hold(VMAC6, &["fe80::254", "2001:db8::254"], false, true);
    let mut a = Station::router();
    a.hold(VMAC6, &["fe80::254", "2001:db8::254"], true, true);
    a.out.clear();
    a.host.resolve(a.now, LAN, ip("2001:db8::2"), &mut a.out);
    let question = only(&a.take());
    let answer = only(&b.frame(&question));
    a.frame(&answer);
    assert_eq!(a.neighbour("2001:db8::2").unwrap().mac, Some(B));
    assert_eq!(b.neighbour("fe80::254").unwrap().mac, Some(VMAC6));
    let reply = only(&b.frame(&arp_request(VMAC, "192.0.2.254", "192.0.2.2")));
    assert_eq!(read_arp(&reply).0.destination, VMAC);
    assert_eq!(b.neighbour("192.0.2.254").unwrap().mac, Some(VMAC));
    let reply = read_icmp(&only(&b.frame(&framed(
        B,
        VMAC,
        &ping("192.0.2.254", "192.0.2.2"),
    ))));
    assert_eq!(reply.link.destination, VMAC);
    assert_eq!(b.host.counters().conflicts, 0);
    // Held here, it is a neighbour no more, and the fast path is told.
    b.out.clear();
    b.hold(VMAC, &["192.0.2.254"], true, true);
    let gone = Output::Neighbour {
        interface: LAN,
        ip: ip("192.0.2.254"),
        mac: None,
    };
    assert_eq!(b.take(), [gone]);
    assert_eq!(b.state("192.0.2.254"), None);
}

#[test]
fn what_waits_on_its_way_through_is_not_sent_after_resigning() {
    let mut a = Station::router();
    a.hold(VMAC, &["192.0.2.254"], true, true);
    let through = packet("198.51.100.9", "192.0.2.9", 17, b"12345678");
    a.host
        .unresolved(a.now, LAN, ip("192.0.2.9"), &through, &mut a.out);
    a.hold(VMAC, &["192.0.2.254"], false, true);
    assert_eq!(a.drops(DropCause::NotHeld), 1);
    let out = a.frame(&arp_reply(C, "192.0.2.9", A, "192.0.2.1"));
    assert_eq!(sent(&out), []);
}

// Exception device

#[test]
fn the_kernel_gets_the_rest_and_no_questions() {
    let mut config = router_config();
    config.interfaces[0].kernel = true;
    config.interfaces[0].vlan = Some(100);
    let mut a = Station::new(config);
    a.hold(VMAC, &["192.0.2.254"], true, true);
    a.out.clear();
    let tagged = |frame: &[u8]| {
        let mut tagged = frame[..12].to_vec();
        tagged.extend([0x81, 0, 0, 100]);
        tagged.extend(&frame[12..]);
        tagged
    };
    let syn = framed(VMAC, C, &packet("192.0.2.9", "192.0.2.254", 6, &[7; 30]));
    a.dropped(&syn, DropCause::WrongVlan);
    let out = a.frame(&tagged(&syn));
    let mut expected = syn.clone();
    expected[..6].copy_from_slice(&A.0);
    expected.resize(expected.len().max(60), 0);
    assert_eq!(
        out,
        [Output::ToKernel {
            interface: LAN,
            frame: expected
        }]
    );
    let question = a.frame(&tagged(&arp_request(C, "192.0.2.9", "192.0.2.254")));
    assert!(
        !question
            .iter()
            .any(|o| matches!(o, Output::ToKernel { .. }))
    );
    let answer = a.frame(&tagged(&arp_reply(C, "192.0.2.8", A, "192.0.2.1")));
    assert!(matches!(answer[..], [Output::ToKernel { .. }]));
}

#[test]
fn the_kernel_speaks_but_does_not_answer() {
    let mut config = router_config();
    config.interfaces[0].kernel = true;
    config.interfaces[0].vlan = Some(100);
    let mut a = Station::new(config);
    a.hold(VMAC, &["192.0.2.254"], true, true);
    a.hold(VMAC6, &["fe80::254", "2001:db8::254"], false, true);
    a.out.clear();
    let mut say = |frame: &[u8]| {
        a.host.from_kernel(a.now, LAN, frame, &mut a.out);
        a.take()
    };
    let said = only(&say(&framed(
        C,
        A,
        &packet("192.0.2.1", "192.0.2.9", 6, &[7; 30]),
    )));
    let opened = vlan::open(&said).unwrap();
    assert_eq!((opened.link.source, opened.link.vlan), (A, 100));
    let said = only(&say(&framed(
        C,
        A,
        &packet("192.0.2.254", "192.0.2.9", 6, &[7; 30]),
    )));
    assert_eq!(
        vlan::open(&said).unwrap().link.source,
        VMAC,
        "held: the virtual MAC address"
    );
    let said = only(&say(&arp_request(A, "192.0.2.254", "192.0.2.9")));
    assert_eq!(read_arp(&said).1.sender_mac, VMAC);
    for refused in [
        arp_frame(&arp::Repr::gratuitous(v4("192.0.2.254"), A)),
        arp_reply(A, "192.0.2.254", C, "192.0.2.9"),
        solicitation(A, "::", "2001:db8::1"),
    ] {
        assert_eq!(say(&refused), []);
    }
    assert_eq!(say(&solicitation(A, "2001:db8::254", "2001:db8::9")), []);
    assert_eq!(
        say(&framed(
            C,
            A,
            &packet("2001:db8::254", "2001:db8::9", 6, &[7; 30])
        )),
        []
    );
    assert_eq!(a.drops(DropCause::KernelAnswer), 3);
    assert_eq!(a.drops(DropCause::KernelRefused), 2);
}

// Bounds, and the peer instance

#[test]
fn the_table_is_bounded_and_who_is_there_stays() {
    let mut config = router_config();
    config.limits.neighbours = 8;
    let mut a = Station::new(config);
    let first = a.host.neighbours().count();
    a.frame(&arp_request(C, "192.0.2.9", "192.0.2.1"));
    a.run(Duration::from_secs(6));
    a.frame(&arp_reply(C, "192.0.2.9", A, "192.0.2.1"));
    assert_eq!(a.state("192.0.2.9"), Some(NeighbourState::Reachable));
    // A scan of the network.
    for host in 10..250 {
        let lost = packet("198.51.100.9", &format!("192.0.2.{host}"), 17, b"12345678");
        a.host.unresolved(
            a.now,
            LAN,
            ip(&format!("192.0.2.{host}")),
            &lost,
            &mut a.out,
        );
        assert!(a.host.neighbours().count() <= 8);
    }
    assert!(a.drops(DropCause::TableFull) > 200, "{first}");
    // A crowd that asks.
    for host in 10..250 {
        a.frame(&arp_request(C, &format!("192.0.2.{host}"), "192.0.2.1"));
        assert!(a.host.neighbours().count() <= 8);
    }
    assert_eq!(a.state("192.0.2.9"), Some(NeighbourState::Reachable));
}

#[test]
fn what_the_peer_knows_is_used_at_once_and_asked_for_soon() {
    let mut a = Station::router();
    a.knows(LAN, "192.0.2.9", C);
    assert_eq!(a.state("192.0.2.9"), Some(NeighbourState::Stale));
    let through = packet("198.51.100.9", "192.0.2.9", 17, b"12345678");
    a.host
        .unresolved(a.now, LAN, ip("192.0.2.9"), &through, &mut a.out);
    assert_eq!(only(&a.take())[..6], C.0);
    a.run(Duration::from_millis(5100));
    let (link, question) = read_arp(&only(&a.take()));
    assert_eq!((link.destination, question.target_ip), (C, v4("192.0.2.9")));
    a.frame(&arp_reply(C, "192.0.2.9", A, "192.0.2.1"));
    // What was confirmed here stands against what the peer says.
    a.host
        .neighbour_heard(a.now, LAN, ip("192.0.2.9"), B, &mut a.out);
    assert_eq!(a.out, []);
    assert_eq!(a.neighbour("192.0.2.9").unwrap().mac, Some(C));
}

#[test]
fn a_table_that_ages_together_is_probed_in_shares() {
    let mut a = Station::router();
    for host in 2..202 {
        a.knows(LAN, &format!("192.0.2.{host}"), Mac([2, 0, 0, 0, 1, host]));
    }
    a.host.tick(a.now, &mut a.out);
    a.now = a.now + Duration::from_secs(5);
    a.host.tick(a.now, &mut a.out);
    assert_eq!(sent(&a.take()).len(), 64);
    a.run(Duration::from_millis(40));
    assert_eq!(sent(&a.take()).len(), 136);
}

#[test]
fn without_a_link_nothing_is_sent_and_mac_addresses_are_kept() {
    let mut a = Station::router();
    a.knows(LAN, "192.0.2.9", C);
    a.host.link(a.now, LAN, false, &mut a.out);
    a.run(Duration::from_secs(300));
    assert!(sent(&a.take()).iter().all(|(id, _)| *id == WAN));
    assert_eq!(a.neighbour("192.0.2.9").unwrap().mac, Some(C));
    a.dropped(&arp_request(C, "192.0.2.9", "192.0.2.1"), DropCause::NoLink);
    a.host.link(a.now, LAN, true, &mut a.out);
    a.run(Duration::from_millis(5100));
    let asked = sent(&a.take());
    let asked = asked.iter().filter(|(_, f)| f[..6] == C.0);
    assert_eq!(asked.count(), 1, "asked again when the link is back");
}

#[test]
fn headers_against_the_rules_are_dropped_by_cause() {
    let mut a = Station::router();
    let good = framed(A, C, &ping("192.0.2.9", "192.0.2.1"));
    let mut broken = |at: usize, value: u8, cause| {
        let mut frame = good.clone();
        frame[at] = value;
        a.dropped(&frame, cause);
    };
    broken(0, 4, DropCause::OtherStation);
    broken(6, 1, DropCause::BadSourceMac);
    broken(12, 9, DropCause::UnknownEthertype);
    broken(14, 0x65, DropCause::BadIpHeader);
    broken(17, 19, DropCause::BadIpHeader);
    broken(16, 9, DropCause::BadIpHeader);
    broken(24, 0, DropCause::BadIpChecksum);
    broken(36, 0, DropCause::BadIcmpChecksum);
    let drop = |packet: Vec<u8>| framed(A, C, &packet);
    a.dropped(
        &drop(packet("192.0.2.9", "192.0.2.1", 1, b"short")),
        DropCause::BadIcmp,
    );
    a.dropped(
        &drop(packet("127.0.0.1", "192.0.2.1", 17, b"")),
        DropCause::Martian,
    );
    a.dropped(
        &drop(packet("192.0.2.255", "192.0.2.1", 17, b"")),
        DropCause::Martian,
    );
    a.dropped(
        &drop(packet("192.0.2.1", "192.0.2.1", 17, b"")),
        DropCause::Martian,
    );
    a.dropped(
        &drop(packet("192.0.2.9", "203.0.113.1", 17, b"")),
        DropCause::NotLocal,
    );
    a.dropped(
        &drop(packet("::", "2001:db8::1", 17, b"")),
        DropCause::Martian,
    );
    a.dropped(
        &drop(packet("2001:db8::9", "2001:db8::1", 60, b"")),
        DropCause::BadExtension,
    );
    let fragment = packet("2001:db8::9", "2001:db8::1", 44, &[17, 0, 0, 1, 0, 0, 0, 1]);
    a.dropped(&drop(fragment), DropCause::Fragment);
    a.dropped(
        &framed(A, A, &ping("192.0.2.9", "192.0.2.1")),
        DropCause::Looped,
    );
    a.frame(&good[..10]);
    assert_eq!(a.host.counters().malformed.truncated, 1);
    a.frame(&arp_request(C, "192.0.2.9", "192.0.2.1")[..30]);
    assert_eq!(a.host.counters().malformed.arp.total(), 1);
    let mut question = solicitation(C, "2001:db8::9", "2001:db8::1");
    question[21] = 254;
    a.frame(&question);
    assert_eq!(a.host.counters().malformed.ndp.total(), 1);
}

#[test]
fn bad_configurations_are_refused() {
    let refused = |change: fn(&mut twinline_l3::HostConfig)| {
        let mut config = router_config();
        change(&mut config);
        Host::new(config).unwrap_err().to_string()
    };
    assert!(refused(|c| c.interfaces[0].mtu = 1279).contains("MTU"));
    assert!(refused(|c| c.interfaces[0].vlan = Some(4095)).contains("VLAN"));
    assert!(refused(|c| c.interfaces[1].mac = Mac::BROADCAST).contains("MAC"));
    assert!(
        refused(|c| c.interfaces[0].addresses[0] = prefix("192.0.2.255/24")).contains("address")
    );
    assert!(refused(|c| c.interfaces[0].addresses.truncate(2)).contains("link-local"));
    assert!(refused(|c| c.routes[0].via = ip("2001:db8::1")).contains("route"));
    assert!(refused(|c| c.limits.neighbours = 0).contains("neighbour"));
}
