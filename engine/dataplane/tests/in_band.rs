//! Rule 12: in-band heartbeats are taken off the wire, and nothing else is.

#![allow(clippy::unwrap_used)]

mod common;

use common::{BROADCAST, Bed, CLIENT, LAN_PORT, Make, SERVER, STRANGER, WAN_PORT, frame};
use twinline_dataplane::{GateMode, Side};
use twinline_wire::in_band;

const GROUP: [u8; 6] = [0x03, 0x54, 0x57, 0x4c, 0x48, 0x42];

fn heartbeat(destination: [u8; 6], tags: usize) -> Vec<u8> {
    let mut frame = Vec::from(destination);
    frame.extend([0x02, 0, 0, 0, 9, 9]);
    for _ in 0..tags {
        frame.extend([0x81, 0, 0, 7]);
    }
    frame.extend([0x88, 0xb5]);
    frame.extend(*b"TWNL\x02\x01\x00\x64");
    frame.resize(frame.len() + 92, 0xab);
    frame
}

fn bed(mode: GateMode) -> Bed {
    let bed = Bed::make(Make {
        adjust: |config| config.in_band = true,
        ..Make::default()
    });
    bed.pairs[0].gate.set(mode);
    bed
}

fn diverted(bed: &mut Bed) -> Vec<(u16, Side, Vec<u8>)> {
    let mut all = Vec::new();
    while let Ok(one) = bed.links.diverted.pop() {
        all.push((one.pair, one.side, one.mbuf.data().to_vec()));
    }
    all
}

const MODES: [GateMode; 5] = [
    GateMode::Block,
    GateMode::Forward,
    GateMode::HandingOver,
    GateMode::TakingOver,
    GateMode::Wire,
];

#[test]
fn rule_12_heartbeats_are_diverted_whatever_the_gate_and_the_lease_say() {
    for mode in MODES {
        for leased in [true, false] {
            let mut bed = bed(mode);
            if !leased {
                bed.lease.revoke();
            }
            for (side, own) in [(Side::Lan, LAN_PORT), (Side::Wan, WAN_PORT)] {
                for said in [heartbeat(GROUP, 0), heartbeat(own, 0), heartbeat(own, 2)] {
                    assert!(bed.pass(side, std::slice::from_ref(&said)).is_empty());
                    assert_eq!(diverted(&mut bed), [(0, side, said)], "{mode:?}");
                }
            }
            let counted = bed.pair();
            assert_eq!((counted.lan.in_band, counted.lan.in_band_full), (3, 0));
            assert_eq!(counted.lan.traffic_bytes(), 0);
            assert_eq!(counted.lan.rx_packets, 3);
            assert_eq!(counted.lan.dropped_on_receipt(), 0);
            assert!(bed.learned().is_empty(), "a peer's port is no station");
            bed.assert_no_frame_is_out();
        }
    }
}

#[test]
fn rule_12_the_frames_around_a_heartbeat_pass_in_their_order() {
    let mut bed = bed(GateMode::Forward);
    let traffic = |n| frame(SERVER, CLIENT, n);
    let frames = [
        traffic(1),
        heartbeat(GROUP, 0),
        traffic(2),
        heartbeat(LAN_PORT, 1),
        traffic(3),
    ];
    let passed = bed.pass(Side::Lan, &frames);
    assert_eq!(passed, [traffic(1), traffic(2), traffic(3)]);
    assert_eq!(diverted(&mut bed).len(), 2);
    let counted = bed.pair();
    assert_eq!(counted.lan.traffic_bytes(), 180);
    assert_eq!(counted.wan.tx_packets, 3);
    bed.assert_no_frame_is_out();
}

#[test]
fn rule_12_what_only_looks_like_a_heartbeat_passes() {
    let mut bed = bed(GateMode::Forward);
    let mut other_type = heartbeat(LAN_PORT, 0);
    other_type[13] = 0xb6;
    let mut other_magic = heartbeat(GROUP, 0);
    other_magic[14] = b't';
    let frames = [
        heartbeat(STRANGER, 0),
        // The address of the other side's port is nobody's here.
        heartbeat(WAN_PORT, 0),
        heartbeat(BROADCAST, 0),
        other_type,
        other_magic,
        frame(LAN_PORT, CLIENT, 5),
        heartbeat(GROUP, 0)[..13].to_vec(),
        GROUP.to_vec(),
    ];
    let sent = frames.len();
    assert_eq!(bed.pass(Side::Lan, &frames).len(), sent);
    assert!(diverted(&mut bed).is_empty());
}

#[test]
fn rule_12_switched_off_nothing_is_diverted() {
    let mut bed = Bed::in_mode(GateMode::Forward);
    let said = [heartbeat(GROUP, 0), heartbeat(LAN_PORT, 0)];
    assert_eq!(bed.pass(Side::Lan, &said), said);
    assert!(diverted(&mut bed).is_empty());
    assert_eq!(bed.pair().lan.in_band, 0);
}

#[test]
fn rule_12_a_full_ring_costs_heartbeats_and_nothing_else() {
    let mut bed = bed(GateMode::Forward);
    let said = vec![heartbeat(GROUP, 0); 100];
    assert!(bed.pass(Side::Lan, &said).is_empty());
    let counted = bed.pair();
    assert_eq!((counted.lan.in_band, counted.lan.in_band_full), (100, 36));
    assert_eq!(diverted(&mut bed).len(), 64);
    bed.assert_no_frame_is_out();
    let traffic = [frame(SERVER, CLIENT, 1)];
    assert_eq!(bed.pass(Side::Lan, &traffic), traffic);
}

#[test]
fn the_frame_of_these_tests_is_one() {
    assert!(in_band::payload(&heartbeat(GROUP, 2)).is_some());
}
