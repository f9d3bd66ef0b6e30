//! What is wrong with a card is told by its name.

use twinline_bypass::model::silicom::{Fault, Model, Parameters};
use twinline_bypass::silicom::Adapter;
use twinline_bypass::{Card, CardError, Path, Source};

use crate::rig::{BOARDS, I350, board, inline, ms, open};
use twinline_bypass::silicom::{Family, Media};

#[test]
fn a_card_without_a_signature_is_none() {
    for board in BOARDS {
        let model = Model::new(board, &Parameters::default());
        model.fail(Fault::Signature(0xCC));
        let found = Adapter::probe(model.clone(), board);
        let wrong = CardError::NoSignature {
            found: 0xCC,
            wanted: 0xCD,
        };
        assert_eq!(found, Err(wrong));
        model.repair();
        assert_eq!(Adapter::probe(model, board).unwrap().version(), 0xA9);
    }
}

#[test]
fn firmware_a0_and_a1_has_no_signature() {
    for extension in [0, 1] {
        let parameters = Parameters::with_extension(extension);
        let model = Model::new(I350, &parameters);
        model.fail(Fault::Signature(0));
        assert!(Adapter::probe(model, I350).is_ok());
    }
    // The same extension under another version is checked.
    let other = Parameters {
        version: 0xB1,
        ..Parameters::default()
    };
    let probed = Adapter::probe(Model::new(I350, &other), I350);
    assert!(matches!(probed, Err(CardError::NoSignature { .. })));
}

#[test]
fn a_card_that_is_gone_says_so_in_every_verb() {
    for board in BOARDS {
        let (model, mut card) = inline(board, &Parameters::default());
        model.fail(Fault::Gone);
        assert_eq!(card.observe(), Err(CardError::Gone));
        assert_eq!(card.kick(), Err(CardError::Gone));
        assert_eq!(card.set_path(Path::Bypass), Err(CardError::Gone));
        assert_eq!(card.arm_watchdog(ms(100)), Err(CardError::Gone));
        assert_eq!(card.inhibit(true), Err(CardError::Gone));
        let probed = Adapter::probe(model.clone(), board);
        assert_eq!(probed, Err(CardError::Gone));
        model.repair();
        assert_eq!(card.observe().unwrap().path, Some(Path::Inline));
    }
}

#[test]
fn a_command_that_was_lost_is_found_by_the_pins() {
    for board in BOARDS {
        let only_bypass = Parameters {
            capabilities: 0b0001,
            ..Parameters::default()
        };
        let (model, mut card) = inline(board, &only_bypass);
        model.fail(Fault::FramesLost(2));
        let wrong = CardError::Verify {
            want: Path::Bypass,
            got: Path::Inline,
        };
        assert_eq!(card.set_path(Path::Bypass), Err(wrong));
        card.set_path(Path::Bypass).unwrap();
        assert_eq!(model.path(), Path::Bypass);
    }
}

#[test]
fn relays_that_do_not_move_contradict_their_controller() {
    for board in BOARDS {
        let only_bypass = Parameters {
            capabilities: 0b0001,
            ..Parameters::default()
        };
        let (model, mut card) = inline(board, &only_bypass);
        model.fail(Fault::RelaysStuck);
        let done = card.set_path(Path::Bypass);
        assert!(matches!(done, Err(CardError::NotKept { .. })), "{done:?}");
        assert_eq!(card.observe().unwrap().path, None);
    }
}

#[test]
fn a_stuck_sense_pin_is_not_believed() {
    for board in BOARDS {
        let only_bypass = Parameters {
            capabilities: 0b0001,
            ..Parameters::default()
        };
        for (level, truth) in [(true, Path::Bypass), (false, Path::Inline)] {
            let (model, mut card) = open(board, &only_bypass);
            card.set_path(truth).unwrap();
            model.fail(Fault::SenseStuck(level));
            assert_eq!(card.observe().unwrap().path, None, "{board:?} {level}");
            // Not even when it has shown what is wanted all along, and the command is lost.
            let want = if level { Path::Inline } else { Path::Bypass };
            model.fail(Fault::FramesLost(3));
            assert!(card.set_path(want).is_err(), "{board:?} {level}");
            assert_eq!(model.path(), truth);
        }
    }
}

#[test]
fn a_controller_that_is_silent_is_not_read_as_a_value() {
    for floating in [false, true] {
        for board in BOARDS {
            let parameters = Parameters {
                floating,
                ..Parameters::default()
            };
            let (model, mut card) = inline(board, &parameters);
            model.fail(Fault::Busy(ms(500)));
            let seen = card.observe();
            assert!(matches!(seen, Err(CardError::Timeout(_))), "{seen:?}");
            model.advance(ms(500));
            assert_eq!(card.observe().unwrap().path, Some(Path::Inline));
        }
    }
}

#[test]
fn stuck_lines_are_errors_and_not_values() {
    for board in BOARDS {
        for fault in [
            Fault::ClockStuck(false),
            Fault::ClockStuck(true),
            Fault::DataStuck(false),
            Fault::DataStuck(true),
        ] {
            let (model, mut card) = inline(board, &Parameters::default());
            model.fail(fault);
            assert!(card.observe().is_err(), "{board:?} {fault:?}");
            assert!(card.arm_watchdog(ms(100)).is_err(), "{board:?} {fault:?}");
            let probed = Adapter::probe(model.clone(), board);
            assert!(probed.is_err(), "{board:?} {fault:?}");
            model.repair();
            model.advance(ms(5));
            assert_eq!(card.observe().unwrap().path, Some(model.path()));
        }
    }
}

#[test]
fn a_nic_reset_costs_nothing_but_a_frame() {
    for board in BOARDS {
        let (model, mut card) = inline(board, &Parameters::default());
        model.nic_reset();
        let seen = card.observe().unwrap();
        assert_eq!(seen.path, Some(Path::Inline), "{board:?}");
        card.arm_watchdog(ms(400)).unwrap();
        model.nic_reset();
        model.advance(ms(300));
        card.kick().unwrap();
        model.advance(ms(300));
        assert_eq!(
            model.path(),
            Path::Inline,
            "the kick drives its pins: {board:?}"
        );
    }
}

#[test]
fn one_pin_for_two_paths_is_told_apart_by_flags() {
    let (model, mut card) = inline(board(Family::I350, Media::Fiber), &Parameters::default());
    for path in [Path::Tap, Path::Disconnect] {
        card.set_path(path).unwrap();
        let seen = card.observe().unwrap();
        assert_eq!((seen.path, seen.source), (Some(path), Source::Reported));
        assert_eq!(model.path(), path);
    }
}

#[test]
fn a_window_that_is_too_short_is_an_error() {
    let short = Parameters {
        command_window: Some(ms(1)),
        ..Parameters::default()
    };
    let (model, mut card) = open(I350, &short);
    let done = card.set_path(Path::Inline);
    let (want, got) = (Path::Inline, Path::Bypass);
    assert_eq!(done, Err(CardError::Verify { want, got }));
    assert_eq!(model.path(), Path::Bypass);
}
