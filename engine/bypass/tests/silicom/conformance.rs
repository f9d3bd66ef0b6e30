//! Every verb on every board and every extension version.

use twinline_bypass::model::silicom::Parameters;
use twinline_bypass::model::{Cable, Point};
use twinline_bypass::silicom::{Adapter, Board, Family, Media};
use twinline_bypass::{Card, CardError, Path, Paths, PowerEvent, PowerOff, Side, Source};

use crate::rig::{BOARDS, I350, board, inline, ms, open};

/// Each board with each extension version, able to do all that the version knows.
pub fn everyone() -> impl Iterator<Item = (Board, u8, Parameters)> {
    BOARDS.into_iter().flat_map(|board| {
        (0..10).map(move |extension| (board, extension, Parameters::with_extension(extension)))
    })
}

/// The paths that a version knows.
fn known(extension: u8) -> &'static [Path] {
    match extension {
        0 => &[Path::Inline, Path::Bypass],
        1..8 => &[Path::Inline, Path::Bypass, Path::Tap],
        _ => &Path::ALL,
    }
}

/// Whether a board that can do everything tells this path by its pins alone.
pub fn has_pin(board: Board, extension: u8, path: Path) -> bool {
    let copper = board.media == Media::Copper;
    if extension < 8 {
        let pin = board.family == Family::Classic && copper;
        // Without a pin for TAP, inline and TAP look alike.
        return pin && (path == Path::Bypass || path == Path::Inline && extension == 0);
    }
    match (board.family, path) {
        (Family::Classic, _) if copper => true,
        // One pin for TAP and disconnect.
        (Family::Classic | Family::I350 | Family::X82598, _) => {
            matches!(path, Path::Inline | Path::Bypass)
        }
        // None for TAP.
        _ => matches!(path, Path::Bypass | Path::Disconnect),
    }
}

#[test]
fn capabilities_follow_the_extension_version() {
    for (board, extension, parameters) in everyone() {
        let (_, card) = open(board, &parameters);
        let can = card.capabilities();
        assert_eq!(can.paths, Paths::of(known(extension)), "{extension}");
        assert_eq!(can.two_port_link, extension >= 8);
        let off = can.on(PowerEvent::PowerOff);
        assert_eq!(off == Paths::NONE, extension < 6, "{extension}");
        assert_eq!(can.on(PowerEvent::OsOn), Paths::NONE);
        assert_eq!(can.power_off, PowerOff::Claimed);
        assert_eq!(card.identity().frames_kick(), extension < 4);
    }
}

#[test]
fn power_off_is_verified_only_by_an_operator() {
    let (model, card) = open(I350, &Parameters::default());
    assert_eq!(card.capabilities().power_off, PowerOff::Claimed);
    let card = Adapter::open(model, I350, true).unwrap();
    assert_eq!(card.capabilities().power_off, PowerOff::Verified);
}

#[test]
fn every_path_is_taken_from_every_other_and_told_as_pins_can() {
    for (board, extension, parameters) in everyone() {
        let (model, mut card) = inline(board, &parameters);
        for &from in known(extension) {
            for &to in known(extension) {
                card.set_path(from).unwrap();
                card.set_path(to).unwrap();
                assert_eq!(model.path(), to, "{board:?} {extension}");
                assert_eq!(model.cable(), Cable::of(to));
                let seen = card.observe().unwrap();
                assert_eq!(seen.path, Some(to), "{board:?} {extension}");
                let source = if has_pin(board, extension, to) {
                    Source::Sensed
                } else {
                    Source::Reported
                };
                assert_eq!(seen.source, source, "{board:?} {extension} {to}");
            }
        }
        let before = model.path();
        for path in Path::ALL {
            if !known(extension).contains(&path) {
                let refused = card.set_path(path);
                assert!(matches!(refused, Err(CardError::NotCapable(_))));
            }
        }
        assert_eq!(model.path(), before);
    }
}

#[test]
fn the_capability_word_decides_what_a_new_firmware_can_do() {
    let parameters = Parameters {
        capabilities: 0b0001,
        ..Parameters::default()
    };
    for board in BOARDS {
        let (model, mut card) = inline(board, &parameters);
        let two = Paths::of(&[Path::Inline, Path::Bypass]);
        assert_eq!(card.capabilities().paths, two);
        // With two paths one pin is enough on every family.
        assert_eq!(card.observe().unwrap().source, Source::Sensed, "{board:?}");
        assert!(!card.capabilities().two_port_link);
        assert!(card.set_two_port_link(true).is_err());
        assert!(card.set_path(Path::Tap).is_err());
        assert_eq!(model.path(), Path::Inline);
    }
    let no_inline = Parameters {
        capabilities: 0b0111,
        ..Parameters::default()
    };
    let (_, mut card) = open(I350, &no_inline);
    let refused = card.set_path(Path::Inline);
    assert!(matches!(refused, Err(CardError::NotCapable(_))));
    assert!(matches!(card.inhibit(true), Err(CardError::NotCapable(_))));
}

#[test]
fn an_inhibited_card_stays_inline_until_it_is_allowed_again() {
    for (board, extension, parameters) in everyone() {
        let (model, mut card) = open(board, &parameters);
        assert_eq!(model.path(), Path::Bypass);
        card.inhibit(true).unwrap();
        assert_eq!(model.path(), Path::Inline, "{board:?} {extension}");
        for &path in known(extension) {
            let wanted = match path {
                Path::Inline => Ok(()),
                _ => Err(CardError::Inhibited),
            };
            assert_eq!(card.set_path(path), wanted, "{board:?} {extension} {path}");
        }
        card.arm_watchdog(ms(100)).unwrap();
        model.advance(ms(200));
        assert_eq!(model.path(), Path::Inline);
        let writes = model.eeprom_writes();
        card.inhibit(true).unwrap();
        assert_eq!(
            model.eeprom_writes(),
            writes,
            "written without a difference"
        );
        card.inhibit(false).unwrap();
        card.set_path(Path::Bypass).unwrap();
        assert_eq!(model.path(), Path::Bypass);
    }
}

#[test]
fn a_transmitter_is_switched_by_command_or_by_pin() {
    for (board, extension, parameters) in everyone() {
        let (model, mut card) = inline(board, &parameters);
        for (side, other) in [(Side::A, Side::B), (Side::B, Side::A)] {
            card.set_tx(side, false).unwrap();
            assert!(!model.transmits(side), "{board:?} {extension} {side:?}");
            assert!(model.transmits(other), "{board:?} {extension} {side:?}");
            assert_eq!(card.observe().unwrap().path, Some(Path::Inline));
            card.set_tx(side, true).unwrap();
            assert!(model.transmits(side));
        }
    }
}

#[test]
fn two_port_link_needs_extension_8() {
    for (board, extension, parameters) in everyone() {
        let (model, mut card) = open(board, &parameters);
        let done = card.set_two_port_link(true);
        if extension < 8 {
            assert!(matches!(done, Err(CardError::NotCapable(_))));
            continue;
        }
        done.unwrap();
        assert!(model.eeprom().two_port_link);
        card.set_two_port_link(true).unwrap();
        assert_eq!(model.eeprom_writes(), 1);
        card.set_two_port_link(false).unwrap();
        assert!(!model.eeprom().two_port_link);
    }
}

#[test]
fn a_change_is_remembered_until_it_is_cleared() {
    for (board, extension, parameters) in everyone() {
        for &path in known(extension) {
            let (_, mut card) = inline(board, &parameters);
            card.clear_changed().unwrap();
            assert!(!card.observe().unwrap().changed);
            card.set_path(path).unwrap();
            let changed = path != Path::Inline;
            assert_eq!(card.observe().unwrap().changed, changed, "{board:?}");
            card.clear_changed().unwrap();
            assert!(!card.observe().unwrap().changed);
            assert_eq!(card.observe().unwrap().path, Some(path));
        }
    }
}

#[test]
fn the_cables_see_what_the_relays_do() {
    let (model, mut card) = inline(board(Family::X540, Media::Copper), &Parameters::default());
    let (lan, wan, port) = (Point::CableA, Point::CableB, Point::PortA);
    assert!(model.cable().carries(lan, port) && !model.cable().carries(lan, wan));
    card.set_path(Path::Bypass).unwrap();
    assert!(model.cable().carries(lan, wan) && !model.cable().carries(lan, port));
}
