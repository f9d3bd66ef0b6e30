//! What a worker learns and tells, and what the management core lets it send.
// Helpers of tests are tests: clippy.toml's exception reaches test functions only.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{BROADCAST, Bed, CLIENT, MULTICAST, Make, SERVER, frame};
use twinline_dataplane::{GateMode, LEARN_ALL_UP_TO, Side};

#[test]
fn a_station_is_reported_once_with_its_side() {
    let mut bed = Bed::in_mode(GateMode::Forward);
    for n in 0..20 {
        bed.pass(Side::Lan, &[frame(SERVER, CLIENT, n)]);
        bed.pass(Side::Wan, &[frame(CLIENT, SERVER, n)]);
    }
    assert_eq!(
        bed.learned(),
        [(0, Side::Lan, CLIENT), (0, Side::Wan, SERVER)]
    );
}

#[test]
fn a_station_that_moves_is_reported_again_at_once() {
    let mut bed = Bed::in_mode(GateMode::Forward);
    bed.pass(Side::Lan, &[frame(SERVER, CLIENT, 1)]);
    bed.pass(Side::Wan, &[frame(SERVER, CLIENT, 2)]);
    assert_eq!(
        bed.learned(),
        [(0, Side::Lan, CLIENT), (0, Side::Wan, CLIENT)]
    );
}

#[test]
fn a_station_is_reported_again_after_about_a_second() {
    let mut bed = Bed::in_mode(GateMode::Forward);
    bed.pass(Side::Lan, &[frame(SERVER, CLIENT, 1)]);
    assert_eq!(bed.learned().len(), 1);
    std::thread::sleep(std::time::Duration::from_millis(1300));
    bed.pass(Side::Lan, &[frame(SERVER, CLIENT, 2)]);
    assert_eq!(bed.learned(), [(0, Side::Lan, CLIENT)]);
}

#[test]
fn group_and_zero_sources_and_short_frames_teach_nothing() {
    let mut bed = Bed::in_mode(GateMode::Forward);
    let frames = [
        frame(SERVER, BROADCAST, 1),
        frame(SERVER, MULTICAST, 2),
        frame(SERVER, [0; 6], 3),
        frame(SERVER, CLIENT, 4)[..11].to_vec(),
    ];
    assert_eq!(
        bed.pass(Side::Lan, &frames),
        frames,
        "they pass nevertheless"
    );
    assert_eq!(bed.learned(), []);
}

#[test]
fn a_small_burst_is_learned_from_whole_a_big_one_by_samples() {
    let station = |n: u32| [0x02, 0xaa, 0, 0, (n >> 8) as u8, n as u8];
    let mut bed = Bed::in_mode(GateMode::Forward);
    let small: Vec<_> = (0..LEARN_ALL_UP_TO as u32)
        .map(|n| frame(SERVER, station(n), n))
        .collect();
    bed.pass(Side::Lan, &small);
    assert_eq!(bed.learned().len(), LEARN_ALL_UP_TO);

    let big: Vec<_> = (100..132).map(|n| frame(SERVER, station(n), n)).collect();
    bed.pass(Side::Lan, &big);
    assert_eq!(bed.learned().len(), 1, "one sample of a burst");
    // The sample rotates: a few hundred bursts find everybody.
    for _ in 0..256 {
        bed.pass(Side::Lan, &big);
    }
    let mut all: Vec<_> = bed.learned().into_iter().map(|(_, _, mac)| mac).collect();
    all.sort_unstable();
    all.dedup();
    assert!(all.len() >= 31, "{}", all.len());
}

#[test]
fn a_full_ring_drops_and_the_station_comes_again() {
    let make = Make {
        adjust: |config| config.learn_capacity = 2,
        ..Make::default()
    };
    let mut bed = Bed::make(make);
    bed.pairs[0].gate.set(GateMode::Forward);
    let station = |n: u8| [0x02, 0xbb, 0, 0, 0, n];
    for n in 0..3 {
        bed.pass(Side::Lan, &[frame(SERVER, station(n), 0)]);
    }
    assert_eq!(bed.snapshot().learn_dropped, 1);
    assert_eq!(
        bed.learned(),
        [(0, Side::Lan, station(0)), (0, Side::Lan, station(1))]
    );
    bed.pass(Side::Lan, &[frame(SERVER, station(2), 0)]);
    assert_eq!(bed.learned(), [(0, Side::Lan, station(2))]);
}

#[test]
fn injected_frames_are_sent_whatever_gate_and_lease_say() {
    let modes = [
        GateMode::Block,
        GateMode::Forward,
        GateMode::HandingOver,
        GateMode::TakingOver,
        GateMode::Wire,
    ];
    for mode in modes {
        let mut bed = Bed::in_mode(mode);
        bed.lease.revoke();
        // More than one burst, to both sides in turn: each side's order is kept.
        let frames: Vec<_> = (0..80).map(|n| frame(BROADCAST, CLIENT, n)).collect();
        for (n, frame) in frames.iter().enumerate() {
            bed.inject(0, [Side::Wan, Side::Lan][n % 2], frame);
        }
        bed.settle();
        let of = |odd: usize| -> Vec<_> { frames.iter().skip(odd).step_by(2).cloned().collect() };
        assert_eq!(bed.pairs[0].received(Side::Wan), of(0), "{mode:?}");
        assert_eq!(bed.pairs[0].received(Side::Lan), of(1), "{mode:?}");
        let snapshot = bed.snapshot();
        assert_eq!((snapshot.injected, snapshot.inject_refused), (80, 0));
        assert_eq!(snapshot.pairs[0].wan.tx_packets, 40);
        assert_eq!(snapshot.pairs[0].lan.tx_bytes, 40 * 60);
        assert_eq!(bed.learned(), [], "our own frames teach nothing");
        bed.assert_no_frame_is_out();
    }
}

#[test]
fn a_frame_for_another_workers_pair_is_freed_and_counted() {
    let mut bed = Bed::in_mode(GateMode::Forward);
    bed.inject(9, Side::Lan, &frame(CLIENT, SERVER, 1));
    bed.settle();
    let snapshot = bed.snapshot();
    assert_eq!((snapshot.injected, snapshot.inject_refused), (0, 1));
    bed.assert_no_frame_is_out();
}

#[test]
fn injected_frames_that_a_full_port_does_not_take_are_counted() {
    let mut bed = Bed::make(Make {
        cable: 16,
        ..Make::default()
    });
    for n in 0..20 {
        bed.inject(0, Side::Wan, &frame(SERVER, CLIENT, n));
    }
    bed.settle();
    assert_eq!(bed.pairs[0].received(Side::Wan).len(), 15);
    let snapshot = bed.snapshot();
    assert_eq!(
        (snapshot.injected, snapshot.pairs[0].wan.dropped_tx_full),
        (15, 5)
    );
    bed.assert_no_frame_is_out();
}
