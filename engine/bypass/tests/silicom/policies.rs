//! Where events lead, and what the EEPROM keeps.

use twinline_bypass::model::silicom::{Fault, Parameters};
use twinline_bypass::silicom::Adapter;
use twinline_bypass::{Card, CardError, Path, PowerEvent, Source};

use crate::conformance::everyone;
use crate::rig::{I350, inline, ms, open};

#[test]
fn a_policy_is_kept_and_written_only_when_it_differs() {
    for (board, extension, parameters) in everyone() {
        let (model, mut card) = open(board, &parameters);
        for (event, paths) in card.capabilities().events {
            for path in paths.iter() {
                card.set_policy(event, path).unwrap();
                assert_eq!(
                    card.policy(event),
                    Ok(path),
                    "{board:?} {extension} {event}"
                );
                let writes = model.eeprom_writes();
                card.set_policy(event, path).unwrap();
                assert_eq!(model.eeprom_writes(), writes, "{board:?} {event} {path}");
            }
            for path in Path::ALL.into_iter().filter(|&p| !paths.has(p)) {
                let refused = card.set_policy(event, path);
                assert!(matches!(refused, Err(CardError::NotCapable(_))));
            }
        }
        for event in [PowerEvent::OsOn, PowerEvent::OsOff] {
            let refused = card.policy(event);
            assert!(matches!(refused, Err(CardError::NotCapable(_))));
        }
    }
}

#[test]
fn power_off_and_power_up_lead_where_they_were_told() {
    for (board, extension, parameters) in everyone() {
        let (model, mut card) = inline(board, &parameters);
        let events = card.capabilities();
        for up in events.on(PowerEvent::PowerUp).iter() {
            card.set_policy(PowerEvent::PowerUp, up).unwrap();
            let mut off = Path::Bypass;
            for wanted in events.on(PowerEvent::PowerOff).iter() {
                card.set_policy(PowerEvent::PowerOff, wanted).unwrap();
                off = wanted;
            }
            model.power_off();
            model.advance(ms(50));
            assert_eq!(model.path(), off, "{board:?} {extension}");
            assert_eq!(card.observe(), Err(CardError::Gone));
            model.power_on();
            model.advance(ms(50));
            assert_eq!(model.path(), up, "{board:?} {extension}");
            // A new process finds what is there.
            card = Adapter::open(model.clone(), board, false).unwrap();
            assert_eq!(card.observe().unwrap().path, Some(up));
            assert_eq!(card.policy(PowerEvent::PowerUp), Ok(up));
        }
    }
}

#[test]
fn expiry_leads_where_it_was_told() {
    for (board, extension, parameters) in everyone() {
        let (model, mut card) = inline(board, &parameters);
        let paths = card.capabilities().on(PowerEvent::WatchdogExpired);
        // Each after each other, so that the flag of the one before is cleared.
        for path in paths.iter().chain(paths.iter()) {
            card.set_policy(PowerEvent::WatchdogExpired, path).unwrap();
            card.set_path(Path::Inline).unwrap();
            card.arm_watchdog(ms(100)).unwrap();
            model.advance(ms(150));
            assert_eq!(model.path(), path, "{board:?} {extension}");
            let seen = card.observe().unwrap();
            // Armed before extension 4 and without a pin: only what was commanded is known.
            if seen.source != Source::Shadow {
                assert_eq!(seen.path, Some(path), "{board:?} {extension}");
            }
        }
    }
}

#[test]
fn an_eeprom_that_takes_no_write_is_noticed() {
    let (model, mut card) = open(I350, &Parameters::default());
    model.fail(Fault::EepromFails);
    let kept = |result| matches!(result, Err(CardError::NotKept { .. }));
    assert!(kept(card.set_policy(PowerEvent::PowerUp, Path::Inline)));
    assert!(kept(card.set_policy(PowerEvent::PowerOff, Path::Inline)));
    assert!(kept(
        card.set_policy(PowerEvent::WatchdogExpired, Path::Tap)
    ));
    assert!(kept(card.set_two_port_link(true)));
    assert!(kept(card.inhibit(true)));
    assert_eq!(model.eeprom_writes(), 0);
    model.repair();
    card.set_policy(PowerEvent::PowerUp, Path::Inline).unwrap();
    assert_eq!(model.eeprom().power_up, Path::Inline);
}

#[test]
fn a_setting_that_power_took_before_it_was_written_is_not_kept() {
    let slow = Parameters {
        eeprom_time: ms(60),
        ..Parameters::default()
    };
    let (model, mut card) = open(I350, &slow);
    let done = card.set_policy(PowerEvent::PowerUp, Path::Inline);
    assert!(matches!(done, Err(CardError::NotKept { .. })), "{done:?}");
    model.power_off();
    model.advance(ms(100));
    model.power_on();
    assert_eq!(model.eeprom().power_up, Path::Bypass);
}
