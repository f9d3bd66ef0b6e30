//! Any frames, of any length, in any mode: never a panic, never a lost or doubled buffer, and each
//! frame is accounted for.
// Helpers of tests are tests: clippy.toml's exception reaches test functions only.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{BROADCAST, Bed, CLIENT, SERVER, STRANGER, frame};
use proptest::prelude::*;
use std::cell::RefCell;
use twinline_dataplane::{GateMode, Side};
use twinline_wire::{Mac, announce};

const MODES: [GateMode; 5] = [
    GateMode::Block,
    GateMode::Forward,
    GateMode::HandingOver,
    GateMode::TakingOver,
    GateMode::Wire,
];

#[derive(Debug, Clone)]
enum Step {
    Mode(GateMode),
    Lease(bool),
    Learn([u8; 6], Side),
    Send(Side, Vec<Vec<u8>>),
    Inject(u16, Side, Vec<u8>),
}

fn any_side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Lan), Just(Side::Wan)]
}

fn any_mac() -> impl Strategy<Value = [u8; 6]> {
    prop_oneof![
        Just(CLIENT),
        Just(SERVER),
        Just(STRANGER),
        Just(BROADCAST),
        any::<[u8; 6]>()
    ]
}

/// Noise, real frames, announcements; cut anywhere, with some bytes changed.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let announcement = any_mac().prop_map(|mac| {
        let mut frame = [0; announce::FRAME_LEN];
        announce::emit(Mac(mac), 3, 9, &mut frame);
        frame.to_vec()
    });
    let whole = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        (any_mac(), any_mac(), any::<u32>()).prop_map(|(d, s, tag)| frame(d, s, tag)),
        announcement,
        (any::<u8>(), 0usize..1800).prop_map(|(byte, length)| vec![byte; length]),
    ];
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    (
        whole,
        changes,
        prop::option::weighted(0.3, any::<prop::sample::Index>()),
    )
        .prop_map(|(mut frame, changes, cut)| {
            if !frame.is_empty() {
                for (at, byte) in changes {
                    let at = at.index(frame.len());
                    frame[at] = byte;
                }
                if let Some(cut) = cut {
                    frame.truncate(cut.index(frame.len()));
                }
            }
            frame
        })
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..MODES.len()).prop_map(|n| Step::Mode(MODES[n])),
        1 => any::<bool>().prop_map(Step::Lease),
        2 => (any_mac(), any_side()).prop_map(|(mac, side)| Step::Learn(mac, side)),
        8 => (any_side(), prop::collection::vec(any_frame(), 0..70))
            .prop_map(|(side, frames)| Step::Send(side, frames)),
        1 => (0u16..2, any_side(), any_frame()).prop_map(|(p, s, f)| Step::Inject(p, s, f)),
    ]
}

fn take(bed: &mut Bed, steps: Vec<Step>) {
    for step in steps {
        match step {
            Step::Mode(mode) => {
                bed.pairs[0].gate.set(mode);
            }
            Step::Lease(true) => bed.lease.forever(),
            Step::Lease(false) => bed.lease.revoke(),
            Step::Learn(mac, side) => {
                bed.pairs[0].table.insert(mac, side);
            }
            Step::Inject(pair, side, frame) => {
                bed.inject(pair, side, &frame);
                bed.settle();
                let sent = bed.pairs[0].received(side);
                // The bed has no pair 1.
                assert_eq!(sent, if pair == 0 { vec![frame] } else { vec![] });
                assert_eq!(bed.pairs[0].received(side.other()).len(), 0);
            }
            Step::Send(side, frames) => {
                let before = bed.snapshot();
                let out = bed.pass(side, &frames);
                check(bed, &before, side, &frames, &out);
            }
        }
    }
    bed.assert_no_frame_is_out();
    for (pair, _, mac) in bed.learned() {
        assert_eq!((pair, mac[0] & 1), (0, 0), "a group address has no side");
    }
}

/// What came in is what went out and what was counted as dropped.
fn check(
    bed: &Bed,
    before: &twinline_dataplane::WorkerSnapshot,
    side: Side,
    frames: &[Vec<u8>],
    out: &[Vec<u8>],
) {
    let after = bed.snapshot();
    let (then, now) = (before.pairs[0].side(side), after.pairs[0].side(side));
    let (far_then, far_now) = (
        before.pairs[0].side(side.other()),
        after.pairs[0].side(side.other()),
    );
    let bytes = |frames: &[Vec<u8>]| frames.iter().map(|frame| frame.len() as u64).sum::<u64>();
    assert_eq!(now.rx_packets - then.rx_packets, frames.len() as u64);
    assert_eq!(now.rx_bytes - then.rx_bytes, bytes(frames));
    assert_eq!(far_now.tx_packets - far_then.tx_packets, out.len() as u64);
    assert_eq!(far_now.tx_bytes - far_then.tx_bytes, bytes(out));
    let dropped = now.dropped_on_receipt() - then.dropped_on_receipt();
    assert_eq!(out.len() as u64 + dropped, frames.len() as u64);
    assert_eq!(far_now.dropped_tx_full, far_then.dropped_tx_full);
}

#[test]
fn any_frames_in_any_mode_are_carried_or_counted() {
    // One bed for all cases: state left by one is as good as any for the next.
    let bed = RefCell::new(Bed::new());
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    runner
        .run(&prop::collection::vec(any_step(), 0..12), |steps| {
            take(&mut bed.borrow_mut(), steps);
            Ok(())
        })
        .unwrap();
}

#[test]
fn every_short_length_in_every_mode() {
    let mut bed = Bed::new();
    for mode in MODES {
        bed.pairs[0].gate.set(mode);
        let whole = frame(SERVER, CLIENT, 7);
        let frames: Vec<_> = (0..=whole.len())
            .map(|length| whole[..length].to_vec())
            .collect();
        bed.pass(Side::Lan, &frames);
        bed.pass(Side::Wan, &frames);
    }
    bed.assert_no_frame_is_out();
}
