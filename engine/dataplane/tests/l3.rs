//! The L3 fast path: what it forwards and how it changes that, what it drops, what it punts.
// Helpers of tests are tests: clippy.toml's exception reaches test functions only.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::l3::{A, B, HOST, L3Bed, NEXT, PORT_A, PORT_B, V4, V6, checksum, ethernet, v4, v6};
use std::net::Ipv4Addr;
use twinline_dataplane::GateMode;
use twinline_dataplane::l3::{Adjacency, Family, L3Drop, L3Punt, PuntReason, virtual_mac};

const NOTHING: Vec<Vec<u8>> = Vec::new();

/// What the frame of a packet is to be when it leaves.
fn expect4(packet: &V4, to: [u8; 6], from: [u8; 6], vlan: Option<u16>) -> Vec<u8> {
    let mut frame = ethernet(to, from, vlan, 0x0800);
    let ttl = packet.ttl - 1;
    frame.extend(
        V4 {
            ttl,
            ..packet.clone()
        }
        .packet(),
    );
    frame
}

fn expect6(packet: &V6, to: [u8; 6], from: [u8; 6], vlan: Option<u16>) -> Vec<u8> {
    let mut frame = ethernet(to, from, vlan, 0x86dd);
    let hops = packet.hops - 1;
    frame.extend(
        V6 {
            hops,
            ..packet.clone()
        }
        .packet(),
    );
    frame
}

#[test]
fn an_ipv4_packet_gets_new_addresses_a_lower_ttl_and_a_right_checksum() {
    let mut bed = L3Bed::routed();
    let packet = v4([10, 1, 2, 3]);
    let out = bed.pass(&packet.frame(PORT_A, None));
    assert_eq!(out, [expect4(&packet, NEXT, PORT_B, None)]);
    assert_eq!(checksum(&out[0][14..34]), 0);
    let (a, b) = (bed.port(A), bed.port(B));
    assert_eq!((a.rx_packets, a.rx_bytes, a.forwarded4), (1, 60, 1));
    assert_eq!((b.tx_packets, b.tx_bytes, b.forwarded4), (1, 60, 0));
    bed.assert_accounted();
}

#[test]
fn an_ipv6_packet_gets_new_addresses_and_a_lower_hop_limit() {
    let mut bed = L3Bed::routed();
    let packet = v6("2001:db8:7::9");
    let out = bed.pass(&packet.frame(PORT_A, None));
    assert_eq!(out, [expect6(&packet, NEXT, PORT_B, None)]);
    assert_eq!(bed.port(A).forwarded6, 1);
    bed.assert_accounted();
}

#[test]
fn a_tag_is_put_on_taken_off_and_changed() {
    let mut bed = L3Bed::routed();
    let plain = v4([10, 1, 2, 3]);
    let tagged = v4([10, 20, 2, 3]);
    let six = v6("2001:db8:20::1");
    // On, off, changed, and a tag of VLAN 0, which is none.
    for (packet, came, leaves) in [
        (&tagged, None, Some(20)),
        (&plain, Some(30), None),
        (&tagged, Some(30), Some(20)),
        (&plain, Some(0xe000), None),
    ] {
        let out = bed.pass(&packet.frame(PORT_A, came));
        assert_eq!(out, [expect4(packet, NEXT, PORT_B, leaves)], "{came:?}");
    }
    for came in [None, Some(30)] {
        let out = bed.pass(&six.frame(PORT_A, came));
        assert_eq!(out, [expect6(&six, NEXT, PORT_B, Some(20))]);
    }
    // The priority bits are not carried on.
    let out = bed.pass(&tagged.frame(PORT_A, Some(0xe000 | 30)));
    assert_eq!(out, [expect4(&tagged, NEXT, PORT_B, Some(20))]);
    // A VLAN of no interface, and one of the other port.
    assert_eq!(bed.pass(&plain.frame(PORT_A, Some(31))), NOTHING);
    assert_eq!(bed.pass(&plain.frame(PORT_A, Some(20))), NOTHING);
    assert_eq!(bed.drops(A, L3Drop::NoInterface), 2);
    bed.assert_accounted();
}

#[test]
fn padding_stays_and_a_trailer_is_cut_off() {
    let mut bed = L3Bed::routed();
    let short = V4 {
        payload: 1,
        ..v4([10, 1, 2, 3])
    };
    let mut frame = short.frame(PORT_A, None);
    frame.resize(60, 0xee);
    let mut expected = expect4(&short, NEXT, PORT_B, None);
    expected.resize(60, 0xee);
    assert_eq!(bed.pass(&frame), [expected.clone()]);
    frame.resize(1514, 0xee);
    assert_eq!(bed.pass(&frame), [expected]);
    bed.assert_accounted();
}

#[test]
fn a_burst_of_both_families_keeps_its_order_by_family_and_port() {
    let mut bed = L3Bed::routed();
    let mut frames = Vec::new();
    let mut expected = Vec::new();
    for n in 0..100u8 {
        if n % 3 == 0 {
            let packet = v6(&format!("2001:db8:5::{n:x}"));
            frames.push(packet.frame(PORT_A, None));
            expected.push(expect6(&packet, NEXT, PORT_B, None));
        } else {
            let packet = v4([10, n, 0, n]);
            frames.push(packet.frame(PORT_A, None));
            let vlan = (n == 20).then_some(20);
            expected.push(expect4(&packet, NEXT, PORT_B, vlan));
        }
    }
    bed.feed(A, &frames);
    assert_eq!(bed.out(B), expected);
    bed.assert_accounted();
}

/// Rule 11, item 33: what came to the virtual MAC passes only while that is held, the gate is
/// open and the lease holds. What came to the port's own address passes always.
#[test]
fn rule_11_virtual_macs_need_holding_gate_and_lease() {
    let mut bed = L3Bed::routed();
    let packet = v4([10, 1, 2, 3]);
    let to_virtual = packet.frame(virtual_mac(Family::V4, 10), None);
    let to_own = packet.frame(PORT_A, None);
    let passed = |bed: &mut L3Bed| bed.pass(&to_virtual).len();
    assert_eq!(passed(&mut bed), 0);
    assert_eq!(bed.drops(A, L3Drop::NotForUs), 1);
    bed.tables.held.set(0, Family::V4, 10, true);
    assert_eq!(passed(&mut bed), 1);

    for mode in [
        GateMode::Block,
        GateMode::Wire,
        GateMode::HandingOver,
        GateMode::TakingOver,
    ] {
        let epoch = bed.gate.set(mode);
        let before = bed.drops(A, L3Drop::Gate);
        assert_eq!(passed(&mut bed), 0, "{mode}");
        assert!(bed.gate.is_adopted(epoch));
        assert_eq!(bed.drops(A, L3Drop::Gate), before + 1);
        assert_eq!(bed.pass(&to_own).len(), 1);
    }
    bed.gate.set(GateMode::Forward);
    bed.lease.revoke();
    assert_eq!(passed(&mut bed), 0);
    assert_eq!(bed.drops(A, L3Drop::Lease), 1);
    assert_eq!(bed.pass(&to_own).len(), 1);
    bed.lease.forever();
    assert_eq!(passed(&mut bed), 1);

    bed.tables.held.set(0, Family::V4, 10, false);
    assert_eq!(passed(&mut bed), 0);
    // Held on another interface of the same port.
    bed.tables.held.set(3, Family::V4, 10, true);
    assert_eq!(passed(&mut bed), 0);
    let tagged = packet.frame(virtual_mac(Family::V4, 10), Some(30));
    assert_eq!(bed.pass(&tagged).len(), 1);
    bed.assert_accounted();
}

#[test]
fn what_leaves_by_an_interface_with_a_virtual_mac_leaves_under_it() {
    let mut bed = L3Bed::routed();
    bed.tables.held.set(1, Family::V4, 3, true);
    let four = v4([10, 1, 2, 3]);
    let six = v6("2001:db8:7::9");
    let out = bed.pass(&four.frame(PORT_A, None));
    let vmac = virtual_mac(Family::V4, 3);
    assert_eq!(out, [expect4(&four, NEXT, vmac, None)]);
    let out = bed.pass(&six.frame(PORT_A, None));
    assert_eq!(out, [expect6(&six, NEXT, PORT_B, None)], "the other family");
    bed.assert_accounted();
}

#[track_caller]
fn punted(bed: &mut L3Bed, frame: &[u8], reason: PuntReason) {
    assert_eq!(bed.pass(frame), NOTHING);
    let punts = bed.punts();
    assert_eq!(punts.len(), 1, "{reason:?}");
    let punt = &punts[0];
    assert_eq!(punt.reason, reason);
    assert_eq!(punt.port, A);
    assert_eq!(punt.mbuf.data(), frame, "as it was received");
    let tagged = frame[12..14] == [0x81, 0x00];
    assert_eq!(punt.interface, if tagged { 3 } else { 0 });
    assert_eq!(punt.packet(), &frame[if tagged { 18 } else { 14 }..]);
}

#[track_caller]
fn dropped(bed: &mut L3Bed, frame: &[u8], cause: L3Drop) {
    let before = bed.port(A);
    assert_eq!(bed.pass(frame), NOTHING);
    assert!(bed.punts().is_empty());
    let after = bed.port(A);
    for other in L3Drop::ALL.iter().copied() {
        let more = after.drops(other) - before.drops(other);
        assert_eq!(more, u64::from(other == cause), "{other} of {cause}");
    }
}

#[test]
fn what_concerns_this_host_or_needs_an_answer_is_punted() {
    let mut bed = L3Bed::routed();
    let bed = &mut bed;
    for vlan in [None, Some(30)] {
        let local = v4([192, 0, 2, 1]);
        punted(bed, &local.frame(PORT_A, vlan), PuntReason::Local);
        // Also with the last TTL, with options, and to be forwarded by nobody.
        let last = V4 {
            ttl: 1,
            options: 4,
            ..local.clone()
        };
        punted(bed, &last.frame(PORT_A, vlan), PuntReason::Local);
        let advert = V4 {
            protocol: 112,
            ..local
        };
        punted(bed, &advert.frame(PORT_A, vlan), PuntReason::Vrrp);
        let far = v4([10, 1, 2, 3]);
        for ttl in [0, 1] {
            let dying = V4 { ttl, ..far.clone() };
            punted(bed, &dying.frame(PORT_A, vlan), PuntReason::TimeExceeded);
        }
        let options = V4 { options: 8, ..far };
        punted(bed, &options.frame(PORT_A, vlan), PuntReason::Options);
        let no_route = v4([11, 1, 2, 3]);
        punted(bed, &no_route.frame(PORT_A, vlan), PuntReason::NoRoute);
        let neighbour = v4([192, 0, 2, 9]);
        let unresolved = PuntReason::Unresolved {
            adjacency: 4,
            interface: 0,
        };
        punted(bed, &neighbour.frame(PORT_A, vlan), unresolved);
        let six = v6("2001:db8::1");
        punted(bed, &six.frame(PORT_A, vlan), PuntReason::Local);
        let solicit = V6 {
            next: 58,
            payload: vec![135; 24],
            ..six
        };
        punted(bed, &solicit.frame(PORT_A, vlan), PuntReason::Neighbour);
        let link_local = v6("fe80::1");
        punted(bed, &link_local.frame(PORT_A, vlan), PuntReason::Local);
        let hop_by_hop = V6 {
            next: 0,
            ..v6("2001:db8:7::9")
        };
        punted(bed, &hop_by_hop.frame(PORT_A, vlan), PuntReason::Options);
        let dying = V6 {
            hops: 1,
            ..v6("2001:db8:7::9")
        };
        punted(bed, &dying.frame(PORT_A, vlan), PuntReason::TimeExceeded);
        let no_route = v6("2002::1");
        punted(bed, &no_route.frame(PORT_A, vlan), PuntReason::NoRoute);
    }
    bed.assert_accounted();
}

#[test]
fn group_frames_of_the_links_protocols_are_punted_and_others_dropped() {
    let mut bed = L3Bed::routed();
    let bed = &mut bed;
    let arp = |to| {
        let mut frame = ethernet(to, HOST, None, 0x0806);
        frame.resize(60, 0);
        frame
    };
    punted(bed, &arp([0xff; 6]), PuntReason::Arp);
    punted(bed, &arp(PORT_A), PuntReason::Arp);
    dropped(bed, &arp(NEXT), L3Drop::NotForUs);
    let advert = V4 {
        protocol: 112,
        ttl: 255,
        ..v4([224, 0, 0, 18])
    };
    let group = [0x01, 0, 0x5e, 0, 0, 0x12];
    punted(bed, &advert.frame(group, None), PuntReason::Vrrp);
    punted(
        bed,
        &v4([224, 0, 0, 1]).frame(group, None),
        PuntReason::LinkScope,
    );
    dropped(bed, &v4([224, 0, 1, 1]).frame(group, None), L3Drop::Group);
    dropped(bed, &v4([255; 4]).frame([0xff; 6], None), L3Drop::Group);
    let group = [0x33, 0x33, 0, 0, 0, 0x12];
    let advert = V6 {
        next: 112,
        ..v6("ff02::12")
    };
    punted(bed, &advert.frame(group, None), PuntReason::Vrrp);
    let solicit = V6 {
        next: 58,
        payload: vec![135; 24],
        from: "::".parse().unwrap(),
        ..v6("ff02::1:ff00:1")
    };
    punted(bed, &solicit.frame(group, None), PuntReason::Neighbour);
    punted(
        bed,
        &v6("ff02::fb").frame(group, None),
        PuntReason::LinkScope,
    );
    dropped(bed, &v6("ff05::2").frame(group, None), L3Drop::Group);
    dropped(bed, &ethernet(group, HOST, None, 0x88cc), L3Drop::Group);
    bed.assert_accounted();
}

#[test]
fn what_is_not_sound_is_dropped_with_its_cause() {
    let mut bed = L3Bed::routed();
    let bed = &mut bed;
    let good = v4([10, 1, 2, 3]).frame(PORT_A, None);
    let changed = |at: usize, value: u8| {
        let mut frame = good.clone();
        frame[at] = value;
        frame
    };
    // 0 bytes cannot be sent over a ring port's cable as a frame; 1 can.
    for length in [1, 13, 14, 33, 59] {
        dropped(bed, &good[..length], L3Drop::Truncated);
    }
    dropped(bed, &changed(14, 0x55), L3Drop::Header);
    dropped(bed, &changed(14, 0x44), L3Drop::Header);
    dropped(bed, &changed(14, 0x4f), L3Drop::Truncated);
    dropped(bed, &changed(17, 19), L3Drop::Header);
    dropped(bed, &changed(17, 200), L3Drop::Truncated);
    dropped(bed, &changed(24, 0xaa), L3Drop::Checksum);
    dropped(bed, &changed(13, 0x99), L3Drop::EtherType);
    for (from, to) in [
        ([127, 0, 0, 1], [10, 1, 2, 3]),
        ([0, 0, 0, 0], [10, 1, 2, 3]),
        ([224, 0, 0, 1], [10, 1, 2, 3]),
        ([255, 255, 255, 255], [10, 1, 2, 3]),
        ([10, 0, 0, 1], [127, 0, 0, 1]),
        ([10, 0, 0, 1], [0, 1, 2, 3]),
        ([10, 0, 0, 1], [224, 0, 0, 18]),
        ([10, 0, 0, 1], [240, 0, 0, 1]),
    ] {
        let packet = V4 { from, ..v4(to) };
        dropped(bed, &packet.frame(PORT_A, None), L3Drop::Martian);
    }
    let good = v6("2001:db8:7::9");
    let mut frame = good.frame(PORT_A, None);
    frame[14] = 0x50;
    dropped(bed, &frame, L3Drop::Header);
    let frame = good.frame(PORT_A, None);
    dropped(bed, &frame[..frame.len() - 1], L3Drop::Truncated);
    dropped(bed, &frame[..53], L3Drop::Truncated);
    for (from, to) in [
        ("::1", "2001:db8:7::9"),
        ("::", "2001:db8:7::9"),
        ("ff02::1", "2001:db8:7::9"),
        ("2001:db8::7", "::1"),
        ("2001:db8::7", "ff02::1"),
    ] {
        let packet = V6 {
            from: from.parse().unwrap(),
            ..v6(to)
        };
        dropped(bed, &packet.frame(PORT_A, None), L3Drop::Martian);
    }
    let leaving = V6 {
        from: "fe80::7".parse().unwrap(),
        ..good
    };
    dropped(bed, &leaving.frame(PORT_A, None), L3Drop::LinkLocal);
    bed.assert_accounted();
}

#[test]
fn switched_off_it_forwards_nothing_and_still_hears_what_is_for_it() {
    let mut bed = L3Bed::routed();
    bed.tables.set_forwarding(false);
    let far = v4([10, 1, 2, 3]).frame(PORT_A, None);
    dropped(&mut bed, &far, L3Drop::ForwardingOff);
    let local = v4([192, 0, 2, 1]).frame(PORT_A, None);
    punted(&mut bed, &local, PuntReason::Local);
    bed.tables.set_forwarding(true);
    assert_eq!(bed.pass(&far).len(), 1);
    bed.assert_accounted();
}

#[test]
fn what_is_larger_than_the_way_out_is_punted_with_its_mtu() {
    let mut bed = L3Bed::routed();
    let of = |payload, dont_fragment| {
        V4 {
            payload,
            dont_fragment,
            ..v4([10, 1, 2, 3])
        }
        .frame(PORT_A, None)
    };
    let (interface, mtu) = (1, 1400);
    assert_eq!(bed.pass(&of(1380, true)).len(), 1, "1400 bytes fit");
    let too_big = PuntReason::TooBig { interface, mtu };
    punted(&mut bed, &of(1381, true), too_big);
    let would = PuntReason::WouldFragment { interface, mtu };
    punted(&mut bed, &of(1381, false), would);
    let six = V6 {
        payload: vec![1; 1361],
        ..v6("2001:db8:7::9")
    };
    punted(&mut bed, &six.frame(PORT_A, None), too_big);
    // VLAN 20 of the same port takes 1500.
    let other = V4 {
        payload: 1480,
        ..v4([10, 20, 2, 3])
    };
    assert_eq!(bed.pass(&other.frame(PORT_A, None)).len(), 1);
    bed.assert_accounted();
}

#[test]
fn the_tables_are_followed_as_they_change() {
    let mut bed = L3Bed::routed();
    let packet = v4([192, 0, 2, 9]);
    let frame = packet.frame(PORT_B, None);
    let through = |bed: &mut L3Bed| {
        bed.feed(B, std::slice::from_ref(&frame));
        (bed.out(A), bed.punts().len())
    };
    assert_eq!(through(&mut bed), (NOTHING, 1), "connected, not resolved");
    // The neighbour is resolved: its own adjacency and /32.
    let mac = [2, 9, 9, 9, 9, 9];
    let resolved = Adjacency::Resolved { interface: 0, mac };
    assert!(bed.tables.adjacencies.set(5, resolved));
    bed.route4([192, 0, 2, 9], 32, 5);
    let expected = expect4(&packet, mac, PORT_A, None);
    assert_eq!(through(&mut bed), (vec![expected.clone()], 0));
    let unresolved = Adjacency::Unresolved { interface: 0 };
    bed.tables.adjacencies.set(5, unresolved);
    assert_eq!(through(&mut bed), (NOTHING, 1));
    bed.tables.adjacencies.set(5, Adjacency::Discard);
    assert_eq!(through(&mut bed), (NOTHING, 0));
    assert_eq!(bed.drops(B, L3Drop::Discard), 1);
    let elsewhere = Adjacency::Resolved { interface: 4, mac };
    bed.tables.adjacencies.set(5, elsewhere);
    assert_eq!(through(&mut bed), (NOTHING, 0));
    assert_eq!(bed.drops(B, L3Drop::NoPort), 1, "a port of another worker");
    bed.fib4.remove(Ipv4Addr::new(192, 0, 2, 9), 32).unwrap();
    assert_eq!(through(&mut bed), (NOTHING, 1), "connected again");
    assert!(bed.fib4.remove(Ipv4Addr::new(192, 0, 2, 9), 32).is_err());
    bed.assert_accounted();
}

#[test]
fn a_flood_of_exceptions_is_bounded_and_leaves_room_for_the_protocols() {
    let mut bed = L3Bed::routed();
    let junk: Vec<_> = (0..100)
        .map(|n| v4([11, 1, 2, n]).frame(PORT_A, None))
        .collect();
    bed.feed(A, &junk);
    let mut arp = ethernet([0xff; 6], HOST, None, 0x0806);
    arp.resize(60, 0);
    bed.feed(A, &[arp]);
    let figures = bed.port(A);
    assert_eq!(figures.punts(L3Punt::NoRoute), 64);
    assert_eq!(figures.drops(L3Drop::PuntFull), 36);
    assert_eq!(figures.punts(L3Punt::Arp), 1);
    let punts = bed.punts();
    assert_eq!(punts.len(), 65);
    assert_eq!(punts[0].reason, PuntReason::Arp);
    drop(punts);
    bed.assert_accounted();
}

#[test]
fn injected_frames_leave_as_they_are_whatever_the_gate_says() {
    let mut bed = L3Bed::routed();
    bed.gate.set(GateMode::Block);
    bed.lease.revoke();
    let frame = v4([224, 0, 0, 18]).frame([1, 0, 0x5e, 0, 0, 0x12], Some(20));
    for _ in 0..40 {
        bed.inject(B, &frame);
    }
    bed.inject(5, &frame);
    bed.feed(A, &[]);
    assert_eq!(bed.out(B), vec![frame; 40]);
    let snapshot = bed.links.counters.snapshot();
    assert_eq!((snapshot.injected, snapshot.inject_refused), (40, 1));
    assert_eq!(bed.port(B).tx_packets, 40);
    bed.assert_accounted();
}

/// What speaks for a virtual router is not sent by one whose lease ran out while it lay in the ring;
/// the rest is.
#[test]
fn rule_11_injected_frames_of_a_virtual_router_need_the_lease() {
    let mut bed = L3Bed::routed();
    let advert = v4([224, 0, 0, 18]).frame([1, 0, 0x5e, 0, 0, 0x12], None);
    let plain = v4([224, 0, 0, 5]).frame([1, 0, 0x5e, 0, 0, 5], None);
    bed.lease.revoke();
    for _ in 0..3 {
        bed.inject_under(true, B, &advert);
    }
    bed.inject_under(false, B, &plain);
    bed.feed(A, &[]);
    assert_eq!(bed.out(B), vec![plain.clone()]);
    assert_eq!(bed.drops(B, L3Drop::InjectLease), 3);
    // Both ends count: the management core waits for the sum.
    let snapshot = bed.links.counters.snapshot();
    assert_eq!((snapshot.injected, snapshot.inject_refused), (1, 3));
    bed.lease.forever();
    bed.inject_under(true, B, &advert);
    bed.feed(A, &[]);
    assert_eq!(bed.out(B), vec![advert]);
    assert_eq!(bed.drops(B, L3Drop::InjectLease), 3);
    bed.assert_accounted();
}

/// A priority-0 advert that was injected before the worker was told to stop leaves the port.
#[test]
fn what_was_injected_before_the_end_is_sent() {
    let mut bed = L3Bed::routed();
    let frame = v4([224, 0, 0, 18]).frame([1, 0, 0x5e, 0, 0, 0x12], None);
    bed.inject(B, &frame);
    let L3Bed {
        worker,
        mut outside,
        links,
        ..
    } = bed;
    let (pairs, ports) = worker.into_parts();
    assert!(pairs.is_empty());
    let indices: Vec<_> = ports.iter().map(|port| port.index).collect();
    assert_eq!(indices, [A, B]);
    let mut burst: dpdk::Burst<32> = dpdk::Burst::new();
    assert_eq!(outside[1].rx.burst(&mut burst), 1);
    assert_eq!(burst.as_slice()[0].data(), frame);
    assert_eq!(links.counters.snapshot().injected, 1);
}

#[test]
fn a_full_port_drops_and_counts() {
    let mut bed = L3Bed::with_cable(64);
    bed.routes();
    let frames = |n| vec![v4([10, 1, 2, 3]).frame(PORT_A, None); n];
    bed.feed(A, &frames(60));
    bed.feed(A, &frames(60));
    let (a, b) = (bed.port(A), bed.port(B));
    assert_eq!(a.forwarded4, 120);
    assert!(b.drops(L3Drop::TxFull) > 0);
    assert_eq!(b.tx_packets + b.drops(L3Drop::TxFull), 120);
    assert_eq!(bed.out(B).len() as u64, b.tx_packets);
    bed.assert_accounted();
}

/// The tables of [`L3Bed::routed`] as a list, searched for the longest prefix: what the packet's
/// fate is to be, said a second time and in another way.
mod model {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Fate {
        Sent(Vec<u8>),
        Punted(PuntReason),
        Dropped(L3Drop),
    }

    pub fn fate(packet: &V4, to_virtual: bool, held: bool, open: bool) -> Fate {
        let martian = |address: [u8; 4]| {
            let address = Ipv4Addr::from(address);
            address.octets()[0] == 0
                || address.is_loopback()
                || address.is_multicast()
                || address.octets()[0] >= 240
        };
        if to_virtual && !held {
            return Fate::Dropped(L3Drop::NotForUs);
        }
        if martian(packet.from) || martian(packet.to) {
            return Fate::Dropped(L3Drop::Martian);
        }
        let routes = [
            ([192, 0, 2, 1], 32, 1),
            ([192, 0, 2, 0], 24, 4),
            ([10, 20, 0, 0], 16, 3),
            ([10, 0, 0, 0], 8, 2),
        ];
        let matches = |(prefix, length, _): &([u8; 4], u32, u16)| {
            let shift = 32 - length;
            u32::from_be_bytes(packet.to) >> shift == u32::from_be_bytes(*prefix) >> shift
        };
        let next = routes.iter().find(|route| matches(route));
        let next = next.map_or(0, |(.., next)| *next);
        if next == 1 {
            return Fate::Punted(if packet.protocol == 112 {
                PuntReason::Vrrp
            } else {
                PuntReason::Local
            });
        }
        if to_virtual && !open {
            return Fate::Dropped(L3Drop::Gate);
        }
        if packet.options > 0 {
            return Fate::Punted(PuntReason::Options);
        }
        if packet.ttl <= 1 {
            return Fate::Punted(PuntReason::TimeExceeded);
        }
        let (interface, mtu, out_vlan) = match next {
            0 => return Fate::Punted(PuntReason::NoRoute),
            4 => {
                return Fate::Punted(PuntReason::Unresolved {
                    adjacency: 4,
                    interface: 0,
                });
            }
            2 => (1, 1400, None),
            _ => (2, 1500, Some(20)),
        };
        if 20 + packet.payload > usize::from(mtu) {
            return Fate::Punted(if packet.dont_fragment {
                PuntReason::TooBig { interface, mtu }
            } else {
                PuntReason::WouldFragment { interface, mtu }
            });
        }
        Fate::Sent(expect4(packet, NEXT, PORT_B, out_vlan))
    }
}

mod property {
    use super::*;
    use model::Fate;
    use proptest::prelude::*;

    fn address() -> impl Strategy<Value = [u8; 4]> {
        prop_oneof![
            any::<[u8; 4]>(),
            any::<[u8; 2]>().prop_map(|[a, b]| [10, 20, a, b]),
            any::<[u8; 3]>().prop_map(|[a, b, c]| [10, a, b, c]),
            (0..4u8).prop_map(|last| [192, 0, 2, last]),
        ]
    }

    fn packet() -> impl Strategy<Value = V4> {
        (
            address(),
            address(),
            prop_oneof![0..3u8, any::<u8>()],
            prop_oneof![Just(17u8), Just(112)],
            any::<bool>(),
            prop_oneof![4 => Just(0usize), 1 => (1..=10usize).prop_map(|words| words * 4)],
            prop_oneof![0..64usize, 1370..1390usize, 1440..1460usize],
        )
            .prop_map(
                |(from, to, ttl, protocol, dont_fragment, options, payload)| V4 {
                    from,
                    to,
                    ttl,
                    protocol,
                    dont_fragment,
                    options,
                    payload,
                },
            )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Whole bursts, so that packets of every fate stand beside each other.
        #[test]
        fn every_packet_meets_the_models_fate(
            packets in proptest::collection::vec((packet(), any::<bool>(), any::<bool>()), 1..80),
            held: bool,
            open: bool,
        ) {
            let mut bed = L3Bed::routed();
            bed.gate.set(if open { GateMode::Forward } else { GateMode::Block });
            bed.tables.held.set(0, Family::V4, 10, held);
            bed.tables.held.set(3, Family::V4, 10, held);
            let (mut sent, mut punts) = (Vec::new(), Vec::new());
            let mut drops = vec![0u64; L3Drop::COUNT];
            let mut frames = Vec::new();
            for (packet, to_virtual, tagged) in &packets {
                let to = if *to_virtual { virtual_mac(Family::V4, 10) } else { PORT_A };
                let vlan = tagged.then_some(30);
                frames.push(packet.frame(to, vlan));
                match model::fate(packet, *to_virtual, held, open) {
                    Fate::Sent(frame) => sent.push(frame),
                    Fate::Punted(reason) => punts.push(reason),
                    Fate::Dropped(cause) => drops[cause as usize] += 1,
                }
            }
            bed.feed(A, &frames);
            prop_assert_eq!(bed.out(B), sent);
            // The bed's ring of exceptions has 64 places.
            let full = punts.iter().filter(|why| !why.is_protocol()).count().saturating_sub(64);
            drops[L3Drop::PuntFull as usize] += full as u64;
            if full == 0 {
                let found: Vec<_> = bed.punts().iter().map(|punt| punt.reason).collect();
                punts.sort_by_key(|why| !why.is_protocol());
                prop_assert_eq!(found, punts);
            }
            prop_assert_eq!(bed.port(A).dropped.to_vec(), drops);
            bed.assert_accounted();
        }

        /// Whatever the bytes: nothing panics, nothing is lost, and what leaves is no longer.
        #[test]
        fn hostile_frames_are_accounted_for(
            frames in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..120), 1..60),
            kind in prop_oneof![Just([8u8, 0]), Just([0x86, 0xdd]), Just([0x81, 0]), Just([8, 6])],
        ) {
            let mut bed = L3Bed::routed();
            bed.route4([0, 0, 0, 0], 0, 2);
            let mut frames = frames;
            for (n, frame) in frames.iter_mut().enumerate() {
                if n % 4 != 0 && let Some(head) = frame.first_chunk_mut::<14>() {
                    head[..6].copy_from_slice(&PORT_A);
                    head[12..].copy_from_slice(&kind);
                }
            }
            bed.feed(A, &frames);
            bed.assert_accounted();
        }
    }
}
