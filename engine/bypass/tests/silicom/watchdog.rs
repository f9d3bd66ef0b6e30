//! Armed, kicked, expired.

use twinline_bypass::model::silicom::Parameters;
use twinline_bypass::{Card, CardError, Path, Source};

use crate::conformance::everyone;
use crate::rig::{BOARDS, I350, inline, ms};

#[test]
fn a_period_is_rounded_up_and_the_card_runs_with_what_is_reported() {
    for (board, extension, parameters) in everyone() {
        let (model, mut card) = inline(board, &parameters);
        for (wanted, actual) in [
            (0, 100),
            (100, 100),
            (101, 200),
            (5_000, 6_400),
            (3_276_800, 3_276_800),
        ] {
            let before = model.now();
            assert_eq!(card.arm_watchdog(ms(wanted)), Ok(ms(actual)));
            let left = model.watchdog_left().unwrap();
            assert!(left <= ms(actual) && left + (model.now() - before) >= ms(actual));
            let seen = card.observe().unwrap();
            assert_eq!(seen.watchdog, Some(ms(actual)), "{board:?} {extension}");
            assert!(!seen.expired);
        }
        let refused = card.arm_watchdog(ms(3_276_801));
        assert!(matches!(refused, Err(CardError::Range { .. })));
        card.disarm_watchdog().unwrap();
        assert_eq!(model.watchdog_left(), None);
        assert_eq!(card.observe().unwrap().watchdog, None);
    }
}

#[test]
fn kicks_keep_it_inline_and_their_absence_is_found_without_an_access() {
    for (board, extension, parameters) in everyone() {
        let (model, mut card) = inline(board, &parameters);
        card.arm_watchdog(ms(100)).unwrap();
        for _ in 0..20 {
            model.advance(ms(60));
            card.kick().unwrap();
        }
        assert_eq!(model.path(), Path::Inline, "{board:?} {extension}");
        model.advance(ms(99));
        assert_eq!(model.path(), Path::Inline);
        model.advance(ms(6));
        assert_eq!(model.path(), Path::Bypass, "{board:?} {extension}");
    }
}

#[test]
fn a_look_is_no_kick_on_any_version() {
    for (board, extension, parameters) in everyone() {
        let (model, mut card) = inline(board, &parameters);
        card.arm_watchdog(ms(800)).unwrap();
        let armed = model.now();
        while model.path() == Path::Inline {
            card.observe().unwrap();
            model.advance(ms(50));
            let since = model.now() - armed;
            assert!(
                since < ms(1_000),
                "{board:?} {extension}: looks keep it inline"
            );
        }
    }
}

#[test]
fn before_extension_4_frames_are_kicks() {
    for (extension, kicked) in [(3, true), (4, false)] {
        let (model, mut card) = inline(I350, &Parameters::with_extension(extension));
        card.arm_watchdog(ms(1_600)).unwrap();
        model.advance(ms(1_000));
        card.set_path(Path::Inline).unwrap();
        let left = model.watchdog_left().unwrap();
        assert_eq!(left > ms(1_000), kicked, "{extension}");
    }
}

#[test]
fn expiry_is_reported_until_armed_again() {
    for disarms in [false, true] {
        for arming_clears_expired in [false, true] {
            let parameters = Parameters {
                expiry_disarms: disarms,
                arming_clears_expired,
                ..Parameters::default()
            };
            for board in BOARDS {
                let (model, mut card) = inline(board, &parameters);
                for _ in 0..2 {
                    card.arm_watchdog(ms(200)).unwrap();
                    assert!(!card.observe().unwrap().expired);
                    model.advance(ms(300));
                    let seen = card.observe().unwrap();
                    assert_eq!(seen.path, Some(Path::Bypass));
                    assert_eq!((seen.expired, seen.watchdog), (true, None));
                    card.clear_changed().unwrap();
                    let seen = card.observe().unwrap();
                    assert_eq!((seen.expired, seen.changed), (false, false));
                    assert_eq!(seen.watchdog, None, "{board:?} {disarms}");
                    card.set_path(Path::Inline).unwrap();
                }
            }
        }
    }
}

#[test]
fn a_kick_after_expiry_never_brings_it_back_inline() {
    for kick_restores in [false, true] {
        for (board, extension, parameters) in everyone() {
            let parameters = Parameters {
                kick_restores,
                ..parameters
            };
            let (model, mut card) = inline(board, &parameters);
            card.arm_watchdog(ms(100)).unwrap();
            model.advance(ms(110));
            assert_eq!(model.path(), Path::Bypass);
            let has_pin = card.observe().unwrap().source == Source::Sensed;
            for _ in 0..3 {
                let kicked = card.kick();
                model.advance(ms(10));
                if !kick_restores || has_pin {
                    assert_eq!(model.path(), Path::Bypass, "{board:?} {extension}");
                }
                if has_pin {
                    let (want, got) = (Path::Inline, Path::Bypass);
                    assert_eq!(kicked, Err(CardError::Verify { want, got }));
                }
            }
        }
    }
}

#[test]
fn a_new_process_does_not_kick_an_expired_card_back_inline() {
    let parameters = Parameters {
        kick_restores: true,
        ..Parameters::default()
    };
    let (model, mut card) = inline(I350, &parameters);
    card.arm_watchdog(ms(100)).unwrap();
    model.advance(ms(200));
    let mut next = twinline_bypass::silicom::Adapter::open(model.clone(), I350, false).unwrap();
    assert!(next.kick().is_err());
    model.advance(ms(50));
    assert_eq!(model.path(), Path::Bypass);
}

#[test]
fn armed_first_and_inline_then_is_the_way_to_start() {
    let (model, mut card) = crate::rig::open(I350, &Parameters::default());
    card.arm_watchdog(ms(400)).unwrap();
    card.kick().unwrap();
    assert_eq!(
        model.path(),
        Path::Bypass,
        "armed in bypass, it stays there"
    );
    card.set_path(Path::Inline).unwrap();
    card.kick().unwrap();
    assert_eq!(model.path(), Path::Inline);
    assert!(model.watchdog_left().is_some());
}

#[test]
fn armed_again_in_bypass_it_is_armed_and_may_be_kicked() {
    for (board, extension, parameters) in everyone() {
        let (model, mut card) = inline(board, &parameters);
        card.arm_watchdog(ms(100)).unwrap();
        model.advance(ms(200));
        assert_eq!(model.path(), Path::Bypass);
        card.observe().unwrap();
        card.arm_watchdog(ms(400)).unwrap();
        let seen = card.observe().unwrap();
        assert_eq!(seen.watchdog, Some(ms(400)), "{board:?} {extension}");
        assert!(!seen.expired);
        if seen.source != Source::Shadow {
            assert_eq!(card.kick(), Ok(()), "{board:?} {extension}");
            assert!(model.watchdog_left().unwrap() > ms(399));
        }
    }
}

#[test]
fn flags_of_different_moments_do_not_make_up_a_path() {
    for (board, extension, parameters) in everyone().filter(|e| e.1 >= 4) {
        for early in (0..24).map(ms) {
            let (model, mut card) = inline(board, &parameters);
            card.set_path(Path::Tap).unwrap();
            card.arm_watchdog(ms(100)).unwrap();
            // It expires in the middle of a look, and leaves TAP for bypass.
            model.advance(model.watchdog_left().unwrap().saturating_sub(early));
            let seen = card.observe().unwrap();
            assert_ne!(
                seen.path,
                Some(Path::Inline),
                "{board:?} {extension} {early:?}"
            );
        }
    }
}
