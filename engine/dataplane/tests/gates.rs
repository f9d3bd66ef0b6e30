//! What each gate mode lets pass, what it drops, and how that is counted.
// Helpers of tests are tests: clippy.toml's exception reaches test functions only.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{
    BROADCAST, Bed, CLIENT, LAN_PORT, MULTICAST, Make, SERVER, STRANGER, WAN_PORT, frame, under,
};
use dpdk::clock;
use twinline_dataplane::{GateMode, Side, SideSnapshot};
use twinline_wire::{Mac, announce};

const NOTHING: Vec<Vec<u8>> = Vec::new();

fn announcement(mac: [u8; 6]) -> Vec<u8> {
    let mut frame = [0; announce::FRAME_LEN];
    announce::emit(Mac(mac), 7, 1, &mut frame);
    frame.to_vec()
}

/// Rule 19: a passive instance keeps its links up, so its queues are drained.
#[test]
fn rule_19_block_receives_and_drops() {
    let mut bed = Bed::in_mode(GateMode::Block);
    let frames: Vec<_> = (0..100).map(|n| frame(SERVER, CLIENT, n)).collect();
    assert_eq!(bed.pass(Side::Lan, &frames), NOTHING);
    assert_eq!(bed.pass(Side::Wan, &frames[..3]), NOTHING);
    let pair = bed.pair();
    let expected = |n| SideSnapshot {
        rx_packets: n,
        rx_bytes: n * 60,
        dropped_gate: n,
        ..SideSnapshot::default()
    };
    assert_eq!(pair.lan, expected(100));
    assert_eq!(pair.wan, expected(3));
    assert_eq!(bed.learned(), [], "what is not forwarded is not learned");
    bed.assert_no_frame_is_out();
}

#[test]
fn forward_carries_every_frame_in_order_both_ways() {
    let mut bed = Bed::in_mode(GateMode::Forward);
    let to_wan: Vec<_> = (0..100)
        .map(|n| {
            frame(
                [SERVER, BROADCAST, MULTICAST, STRANGER][n as usize % 4],
                CLIENT,
                n,
            )
        })
        .collect();
    let mut to_lan: Vec<_> = (0..70).map(|n| frame(CLIENT, SERVER, n)).collect();
    to_lan.push(announcement(SERVER));
    to_lan.push(vec![0x02; 1514]);
    bed.send(Side::Lan, &to_wan);
    bed.send(Side::Wan, &to_lan);
    bed.settle();
    assert_eq!(bed.pairs[0].received(Side::Wan), to_wan);
    assert_eq!(bed.pairs[0].received(Side::Lan), to_lan);
    let (lan_bytes, wan_bytes) = (100 * 60, 71 * 60 + 1514);
    let pair = bed.pair();
    assert_eq!(
        pair.lan,
        SideSnapshot {
            rx_packets: 100,
            rx_bytes: lan_bytes,
            tx_packets: 72,
            tx_bytes: wan_bytes,
            ..SideSnapshot::default()
        }
    );
    assert_eq!(
        pair.wan,
        SideSnapshot {
            rx_packets: 72,
            rx_bytes: wan_bytes,
            tx_packets: 100,
            tx_bytes: lan_bytes,
            ..SideSnapshot::default()
        }
    );
    bed.assert_no_frame_is_out();
}

#[test]
fn rule_11_without_a_lease_nothing_is_forwarded() {
    for mode in [
        GateMode::Forward,
        GateMode::HandingOver,
        GateMode::TakingOver,
    ] {
        let mut bed = Bed::in_mode(mode);
        bed.pairs[0].table.insert(SERVER, Side::Wan);
        let frames: Vec<_> = (0..40).map(|n| frame(SERVER, CLIENT, n)).collect();
        assert_eq!(bed.pass(Side::Lan, &frames).len(), 40, "{mode:?}");

        bed.lease.revoke();
        assert_eq!(bed.pass(Side::Lan, &frames), NOTHING, "{mode:?}");
        let lan = bed.pair().lan;
        assert_eq!((lan.rx_packets, lan.dropped_lease), (80, 40));
        assert_eq!(lan.dropped_on_receipt(), 40);
        assert_eq!(bed.pair().wan.tx_packets, 40);

        // A lease that has ended is as good as none; one that has not is good again.
        bed.lease.renew(clock::tsc_now());
        assert_eq!(bed.pass(Side::Lan, &frames), NOTHING, "{mode:?}");
        bed.lease.renew(u64::MAX);
        assert_eq!(bed.pass(Side::Lan, &frames).len(), 40, "{mode:?}");
        bed.assert_no_frame_is_out();
    }
}

/// Rule 11: frames that came while the process did not run are not forwarded when it wakes.
#[test]
fn rule_11_frames_that_waited_for_a_sleeper_are_dropped() {
    let mut bed = Bed::in_mode(GateMode::Forward);
    let frames: Vec<_> = (0..64).map(|n| frame(SERVER, CLIENT, n)).collect();
    let hz = clock::TscClock::new(common::eal()).hz();
    bed.lease.renew(clock::tsc_now() + hz / 50);
    bed.send(Side::Lan, &frames);
    // The worker does not run for longer than the 20 ms of its lease.
    std::thread::sleep(std::time::Duration::from_millis(30));
    bed.settle();
    assert_eq!(bed.pairs[0].received(Side::Wan), NOTHING);
    assert_eq!(bed.pair().lan.dropped_lease, 64);
    bed.assert_no_frame_is_out();
}

#[test]
fn wire_passes_everything_unseen_without_the_lease() {
    let mut bed = Bed::in_mode(GateMode::Wire);
    bed.lease.revoke();
    bed.pairs[0].table.insert(CLIENT, Side::Wan);
    let frames = [
        frame(SERVER, CLIENT, 1),
        frame(BROADCAST, CLIENT, 2),
        announcement(CLIENT),
        vec![1],
    ];
    assert_eq!(bed.pass(Side::Lan, &frames), frames);
    assert_eq!(bed.learned(), [], "unseen");
    let pair = bed.pair();
    assert_eq!(
        (pair.lan.rx_packets, pair.wan.tx_packets, pair.wan.tx_bytes),
        (4, 4, 181)
    );
}

#[test]
fn rule_08_handing_over_forwards_all_but_announcements_and_what_has_been_here() {
    let mut bed = Bed::in_mode(GateMode::HandingOver);
    bed.pairs[0].table.insert(SERVER, Side::Wan);
    bed.pairs[0].table.insert(CLIENT, Side::Lan);
    let good = [
        frame(SERVER, CLIENT, 1),
        frame(BROADCAST, CLIENT, 2),
        frame(MULTICAST, STRANGER, 3),
        frame(STRANGER, STRANGER, 4),
        vec![0xff; 3],
    ];
    // From the LAN, a frame of the server: it lives on the WAN, so this one has been round.
    let looped = [frame(BROADCAST, SERVER, 5), frame(CLIENT, SERVER, 6)];
    let announced = [
        announcement(CLIENT),
        announcement(STRANGER),
        announcement(SERVER),
    ];
    let mixed: Vec<_> = [
        &good[..2],
        &looped[..1],
        &announced[..2],
        &good[2..],
        &looped[1..],
        &announced[2..],
    ]
    .concat();
    assert_eq!(bed.pass(Side::Lan, &mixed), under(WAN_PORT, &good));
    let pair = bed.pair();
    assert_eq!((pair.lan.rx_packets, pair.lan.dropped_overlap), (10, 2));
    assert_eq!(pair.lan.dropped_announce, 3);
    assert_eq!((pair.wan.tx_packets, pair.wan.tx_bytes), (5, 4 * 60 + 3));

    // The other way the other side counts.
    assert_eq!(bed.pass(Side::Wan, &[frame(BROADCAST, CLIENT, 7)]), NOTHING);
    assert_eq!(bed.pass(Side::Wan, &looped), under(LAN_PORT, &looped));
    assert_eq!(bed.pair().wan.dropped_overlap, 1);
    bed.assert_no_frame_is_out();
}

#[test]
fn rule_08_taking_over_forwards_known_unicast_only() {
    let mut bed = Bed::in_mode(GateMode::TakingOver);
    bed.pairs[0].table.insert(SERVER, Side::Wan);
    bed.pairs[0].table.insert(CLIENT, Side::Lan);
    let good = [frame(SERVER, CLIENT, 1), frame(SERVER, STRANGER, 2)];
    let bad = [
        frame(BROADCAST, CLIENT, 3),
        frame(MULTICAST, CLIENT, 4),
        frame(STRANGER, CLIENT, 5),
        frame(CLIENT, STRANGER, 6), // lives on the side that it came from
        frame(SERVER, SERVER, 7),   // a source from across: it has been round
        announcement(CLIENT),
        SERVER[..5].to_vec(), // too short for a destination
        vec![],
    ];
    let mixed: Vec<_> = [&bad[..4], &good[..1], &bad[4..], &good[1..]].concat();
    assert_eq!(bed.pass(Side::Lan, &mixed), good);
    let pair = bed.pair();
    assert_eq!(
        (pair.lan.dropped_overlap, pair.lan.dropped_announce),
        (8, 0)
    );
    assert_eq!(pair.lan.dropped_on_receipt(), 8);
    assert_eq!(pair.wan.tx_packets, 2);
    assert_eq!(bed.pass(Side::Wan, &[frame(CLIENT, SERVER, 8)]).len(), 1);
    assert_eq!(bed.pass(Side::Wan, &[frame(SERVER, SERVER, 9)]), NOTHING);
    bed.assert_no_frame_is_out();
}

/// Rule 8: while two gates are open, each group-addressed frame is carried by exactly one of them.
#[test]
fn rule_08_of_two_open_gates_one_carries_a_flooded_frame() {
    let (mut old, mut new) = (
        Bed::in_mode(GateMode::HandingOver),
        Bed::in_mode(GateMode::TakingOver),
    );
    for bed in [&old, &new] {
        bed.pairs[0].table.insert(SERVER, Side::Wan);
        bed.pairs[0].table.insert(CLIENT, Side::Lan);
    }
    let flooded = [frame(BROADCAST, CLIENT, 1), frame(STRANGER, CLIENT, 2)];
    let through_old = old.pass(Side::Lan, &flooded);
    assert_eq!(through_old, under(WAN_PORT, &flooded));
    assert_eq!(new.pass(Side::Lan, &flooded), NOTHING);
    // What the old one put on the far side comes to the new one's far side, and stays there.
    assert_eq!(new.pass(Side::Wan, &through_old), NOTHING);
    // What went round under the station's own address (carried before the hand-over began) ends
    // at the old one, too.
    assert_eq!(old.pass(Side::Wan, &flooded), NOTHING);
}

/// Rule 8: the switches have just learned the new path. What the old ACTIVE still carries comes
/// from its port's own address, so that it does not teach them the old path again; the stations
/// are learned under their own.
#[test]
fn rule_08_handing_over_sends_under_the_ports_own_address() {
    let mut bed = Bed::in_mode(GateMode::HandingOver);
    let to_wan = [
        frame(SERVER, CLIENT, 1),
        frame(BROADCAST, CLIENT, 2),
        vec![7; 11],
        vec![],
    ];
    let to_lan = [frame(CLIENT, SERVER, 3)];
    assert_eq!(bed.pass(Side::Lan, &to_wan), under(WAN_PORT, &to_wan));
    assert_eq!(bed.pass(Side::Wan, &to_lan), under(LAN_PORT, &to_lan));
    assert_eq!(
        bed.learned(),
        [(0, Side::Lan, CLIENT), (0, Side::Wan, SERVER)]
    );
    // In every other mode a frame leaves as it came.
    for mode in [GateMode::Forward, GateMode::Wire] {
        bed.pairs[0].gate.set(mode);
        assert_eq!(bed.pass(Side::Lan, &to_wan), to_wan, "{mode}");
    }
    bed.pairs[0].table.insert(SERVER, Side::Wan);
    bed.pairs[0].gate.set(GateMode::TakingOver);
    assert_eq!(bed.pass(Side::Lan, &to_wan), to_wan[..1]);
}

#[test]
fn the_gate_is_acknowledged_by_the_iteration_that_adopts_it() {
    let mut bed = Bed::new();
    let gate = bed.pairs[0].gate.clone();
    let epoch = gate.set(GateMode::Forward);
    assert!(!gate.is_adopted(epoch));
    bed.worker.poll_once();
    assert!(gate.is_adopted(epoch));
    assert_eq!(gate.acked(), (GateMode::Forward, epoch));
}

#[test]
fn each_pair_has_its_own_gate_and_counters() {
    let mut bed = Bed::make(Make {
        pairs: 2,
        ..Make::default()
    });
    bed.pairs[1].gate.set(GateMode::Forward);
    let frames = [frame(SERVER, CLIENT, 1)];
    let pool = bed.pool.clone();
    for pair in &mut bed.pairs {
        pair.send(&pool, Side::Lan, &frames);
    }
    bed.settle();
    assert_eq!(bed.pairs[0].received(Side::Wan), NOTHING);
    assert_eq!(bed.pairs[1].received(Side::Wan), frames);
    let snapshot = bed.snapshot();
    assert_eq!((snapshot.pairs[0].index, snapshot.pairs[1].index), (0, 1));
    assert_eq!(
        (
            snapshot.pairs[0].lan.dropped_gate,
            snapshot.pairs[1].lan.dropped_gate
        ),
        (1, 0)
    );
    assert_eq!(snapshot.pairs[1].wan.tx_packets, 1);
    assert_eq!(bed.learned(), [(1, Side::Lan, CLIENT)]);
}

#[test]
fn what_a_full_port_does_not_take_is_freed_and_counted() {
    // A cable of 64 places holds 63 frames.
    let mut bed = Bed::make(Make {
        cable: 64,
        ..Make::default()
    });
    bed.pairs[0].gate.set(GateMode::Forward);
    let frames: Vec<_> = (0..90).map(|n| frame(SERVER, CLIENT, n)).collect();
    for part in frames.chunks(30) {
        bed.send(Side::Lan, part);
        bed.settle();
    }
    assert_eq!(bed.pairs[0].received(Side::Wan), frames[..63]);
    let pair = bed.pair();
    assert_eq!((pair.wan.tx_packets, pair.wan.tx_bytes), (63, 63 * 60));
    assert_eq!(
        (pair.wan.dropped_tx_full, pair.lan.dropped_on_receipt()),
        (27, 0)
    );
    bed.assert_no_frame_is_out();
}

/// The management core says "my gate is open" only when each announcement has been accounted for:
/// one that a full port refused must not be waited for until the end of days.
#[test]
fn rule_08_an_injected_frame_that_a_full_port_refuses_is_accounted_for() {
    let mut bed = Bed::make(Make {
        cable: 64,
        ..Make::default()
    });
    for _ in 0..70 {
        bed.inject(0, Side::Wan, &announcement(CLIENT));
    }
    bed.settle();
    let snapshot = bed.snapshot();
    assert_eq!((snapshot.injected, snapshot.inject_refused), (63, 7));
    assert_eq!(bed.pair().wan.dropped_tx_full, 7);
    assert_eq!(bed.pairs[0].received(Side::Wan).len(), 63);
    bed.assert_no_frame_is_out();
}
