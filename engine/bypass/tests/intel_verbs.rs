//! The driver's verbs against the model: what they do, what they cost, what they refuse.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use twinline_bypass::intel::{Adapter, Family, LogEvent, WORD_TIME};
use twinline_bypass::model::Cable;
use twinline_bypass::model::intel::{Fault, Line, Model, Params, Power};
use twinline_bypass::{Card, CardError, Path, PowerEvent, PowerOff, Side, Source};

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

fn open(model: &Model, family: Family) -> Adapter<Model> {
    let clock = model.clone();
    let second = move || 1000 + u32::try_from(clock.now().as_secs()).unwrap();
    Adapter::with_clock(model.clone(), family, "0000:03:00.0", second).unwrap()
}

fn card() -> (Model, Adapter<Model>) {
    let model = Model::new(Params::default());
    let card = open(&model, Family::Intel82599);
    (model, card)
}

/// What a verb took on the virtual clock.
fn cost<T>(model: &Model, verb: impl FnOnce() -> T) -> (T, Duration) {
    let before = model.now();
    let result = verb();
    (result, model.now() - before)
}

#[test]
fn both_families_answer_and_do_what_they_are_told() {
    for family in [Family::Intel82599, Family::X540] {
        let model = Model::new(Params {
            family,
            esdp: 1 << 11 | 1 << 3,
            ..Params::default()
        });
        let mut card = open(&model, family);
        assert_eq!(card.name(), format!("{}, firmware 5", family.name()));
        for (path, cables) in [
            (Path::Bypass, Cable::Joined),
            (Path::Disconnect, Cable::Open),
            (Path::Inline, Cable::Ports),
        ] {
            let (result, took) = cost(&model, || card.set_path(path));
            assert_eq!(result, Ok(()));
            assert_eq!(took, WORD_TIME * 6, "the facts say 0.79 s at best");
            assert_eq!(model.cable(), cables);
            assert_eq!(model.settings() & 3, 0, "events work again");
            let seen = card.observe().unwrap();
            assert_eq!((seen.path, seen.source), (Some(path), Source::Reported));
        }
        assert_eq!(model.foreign_writes(), 0);
        assert_eq!(model.foreign_bits(), 1 << 11 | 1 << 3);
        assert_eq!(model.worst_unflushed(), 1);
    }
}

#[test]
fn a_path_that_is_there_is_not_commanded_again() {
    let (model, mut card) = card();
    let (result, took) = cost(&model, || card.set_path(Path::Inline));
    assert_eq!((result, took), (Ok(()), WORD_TIME));
    assert_eq!(model.eeprom_writes(), 0);
}

#[test]
fn policies_are_read_written_and_kept_without_wear() {
    let (model, mut card) = card();
    assert_eq!(card.policy(PowerEvent::PowerOff), Ok(Path::Bypass));
    assert_eq!(card.policy(PowerEvent::OsOn), Ok(Path::Inline));
    // The factory left the watchdog's action on auto, which is no path.
    let auto = card.policy(PowerEvent::WatchdogExpired);
    assert!(matches!(auto, Err(CardError::Range { .. })), "{auto:?}");
    for (event, shift) in [
        (PowerEvent::PowerUp, 4),
        (PowerEvent::OsOn, 6),
        (PowerEvent::OsOff, 8),
        (PowerEvent::PowerOff, 10),
        (PowerEvent::WatchdogExpired, 12),
    ] {
        for (path, action) in [(Path::Bypass, 2), (Path::Disconnect, 3), (Path::Inline, 1)] {
            let before = model.settings();
            let (result, took) = cost(&model, || card.set_policy(event, path));
            assert_eq!(result, Ok(()));
            let now = model.settings();
            assert_eq!(now >> shift & 3, action, "{event} {path}");
            assert_eq!((now ^ before) & !(3 << shift), 0, "no other event");
            assert_eq!(card.policy(event), Ok(path));
            let words = if now == before { 1 } else { 3 };
            assert_eq!(took, WORD_TIME * words, "the facts say 0.40 s at best");
        }
    }
    let writes = model.eeprom_writes();
    for event in PowerEvent::ALL {
        assert_eq!(card.set_policy(event, Path::Inline), Ok(()));
    }
    assert_eq!(
        model.eeprom_writes(),
        writes,
        "nothing new, nothing written"
    );
    let tap = card.set_policy(PowerEvent::PowerOff, Path::Tap);
    assert!(matches!(tap, Err(CardError::NotCapable(_))));
}

#[test]
fn power_events_lead_where_the_policies_say() {
    let (model, mut card) = card();
    card.set_policy(PowerEvent::OsOff, Path::Disconnect)
        .unwrap();
    card.set_policy(PowerEvent::PowerUp, Path::Bypass).unwrap();
    for (power, path) in [
        (Power::MainOff, Path::Disconnect),
        (Power::SupplyOff, Path::Bypass),
        (Power::SupplyOn, Path::Bypass),
    ] {
        model.power(power);
        model.advance(SECOND);
        assert_eq!(model.path(), path, "{power:?}");
        assert_eq!(
            card.observe(),
            Err(CardError::Gone),
            "no host, no registers"
        );
    }
    model.power(Power::MainOn);
    model.advance(SECOND);
    // ESDP has been reset with the machine: the pins are made outputs again.
    let seen = card.observe().unwrap();
    assert_eq!((seen.path, seen.changed), (Some(Path::Inline), false));
}

#[test]
fn the_ladder_is_climbed_and_the_real_period_is_told() {
    let (model, mut card) = card();
    for (wanted, real, step) in [
        (1, 1000, 0),
        (1001, 1500, 1),
        (2000, 2000, 2),
        (2500, 3000, 3),
        (3500, 4000, 4),
        (5000, 8000, 5),
        (9000, 16_000, 6),
        (32_000, 32_000, 7),
    ] {
        assert_eq!(card.arm_watchdog(MS * wanted), Ok(MS * real));
        assert_eq!(model.settings() >> 16 & 7, step);
        assert_eq!(model.settings() >> 14 & 1, 1);
        assert_eq!(model.settings() >> 12 & 3, 2, "its action is bypass");
        assert_eq!(card.observe().unwrap().watchdog, Some(MS * real));
        assert_eq!(card.disarm_watchdog(), Ok(()));
        assert_eq!(card.observe().unwrap().watchdog, None);
    }
    let (result, took) = cost(&model, || card.arm_watchdog(SECOND * 4));
    assert_eq!((result, took), (Ok(SECOND * 4), WORD_TIME * 3));
    let long = card.arm_watchdog(MS * 32_001);
    assert!(matches!(long, Err(CardError::Range { .. })), "{long:?}");
    let (result, took) = cost(&model, || card.disarm_watchdog());
    assert_eq!((result, took), (Ok(()), WORD_TIME * 3));
    model.advance(SECOND * 60);
    assert_eq!(model.path(), Path::Inline);
}

#[test]
fn kicks_keep_it_inline_and_a_late_one_brings_nothing_back() {
    for disables in [false, true] {
        let model = Model::new(Params {
            expiry_disables: disables,
            ..Params::default()
        });
        let mut card = open(&model, Family::Intel82599);
        card.arm_watchdog(SECOND * 4).unwrap();
        for _ in 0..5 {
            model.advance(SECOND * 3);
            let (result, took) = cost(&model, || card.kick());
            assert_eq!((result, took), (Ok(()), WORD_TIME * 2), "0.26 s at best");
        }
        let seen = card.observe().unwrap();
        assert_eq!((seen.path, seen.expired), (Some(Path::Inline), false));

        model.advance(SECOND * 5);
        assert_eq!(model.cable(), Cable::Joined);
        assert_eq!(card.kick(), Ok(()));
        let seen = card.observe().unwrap();
        assert_eq!(seen.path, Some(Path::Bypass));
        assert!(seen.expired && seen.changed);
        card.clear_changed().unwrap();
        let seen = card.observe().unwrap();
        assert!(!seen.expired && !seen.changed);

        card.set_path(Path::Inline).unwrap();
        assert_eq!(card.arm_watchdog(SECOND * 4), Ok(SECOND * 4));
        assert_eq!(model.path(), Path::Inline);
        model.advance(SECOND * 5);
        assert_eq!(model.path(), Path::Bypass, "armed again, it counts again");
        assert!(card.observe().unwrap().expired);
    }
}

#[test]
fn a_watchdog_that_is_armed_just_so_counts_from_now_on() {
    let (model, mut card) = card();
    card.arm_watchdog(SECOND * 4).unwrap();
    model.advance(SECOND * 3);
    let writes = model.eeprom_writes();
    card.arm_watchdog(SECOND * 4).unwrap();
    assert_eq!(model.eeprom_writes(), writes);
    model.advance(SECOND * 3);
    assert_eq!(model.path(), Path::Inline);
    model.advance(SECOND * 2);
    assert_eq!(model.path(), Path::Bypass);
    // Left on after it expired: it counts only when it was off before.
    card.arm_watchdog(SECOND * 4).unwrap();
    card.set_path(Path::Inline).unwrap();
    assert_eq!(model.path(), Path::Inline);
    model.advance(SECOND * 5);
    assert_eq!(model.path(), Path::Bypass);
}

#[test]
fn the_watchdogs_action_is_kept_where_somebody_chose_it() {
    let (model, mut card) = card();
    let event = PowerEvent::WatchdogExpired;
    card.set_policy(event, Path::Disconnect).unwrap();
    card.arm_watchdog(SECOND).unwrap();
    assert_eq!(card.policy(event), Ok(Path::Disconnect));
    card.set_policy(event, Path::Inline).unwrap();
    card.disarm_watchdog().unwrap();
    card.arm_watchdog(SECOND).unwrap();
    assert_eq!(card.policy(event), Ok(Path::Inline));
    // Another session finds "normal" and knows of no choice.
    let mut card = open(&model, Family::Intel82599);
    card.disarm_watchdog().unwrap();
    card.arm_watchdog(SECOND).unwrap();
    assert_eq!(card.policy(event), Ok(Path::Bypass));
}

#[test]
fn expiry_is_seen_by_a_driver_that_starts_later() {
    let (model, mut card) = card();
    card.arm_watchdog(SECOND).unwrap();
    drop(card);
    model.advance(SECOND * 2);
    let seen = open(&model, Family::Intel82599).observe().unwrap();
    assert_eq!((seen.path, seen.expired), (Some(Path::Bypass), true));
}

#[test]
fn inhibited_it_stays_inline_whatever_happens() {
    let (model, mut card) = card();
    card.set_path(Path::Bypass).unwrap();
    assert_eq!(card.inhibit(true), Ok(()));
    assert_eq!(model.path(), Path::Inline);
    assert_eq!(card.set_path(Path::Bypass), Err(CardError::Inhibited));
    assert_eq!(card.set_path(Path::Inline), Ok(()));
    card.arm_watchdog(SECOND).unwrap();
    card.set_policy(PowerEvent::OsOff, Path::Bypass).unwrap();
    model.advance(SECOND * 3);
    assert_eq!(model.path(), Path::Inline);
    assert_eq!(card.inhibit(false), Ok(()));
    assert_eq!(card.set_path(Path::Bypass), Ok(()));
    assert_eq!(model.path(), Path::Bypass);
}

#[test]
fn a_mode_that_somebody_left_behind_is_no_inhibition() {
    let model = Model::new(Params {
        settings: 0b1010_0101_0001,
        ..Params::default()
    });
    let mut card = open(&model, Family::Intel82599);
    card.arm_watchdog(SECOND).unwrap();
    model.advance(SECOND * 2);
    assert_eq!(model.path(), Path::Bypass);
}

#[test]
fn the_log_tells_what_happened_newest_first() {
    let (model, mut card) = card();
    assert_eq!(card.log(9), Ok(vec![]));
    card.set_path(Path::Disconnect).unwrap();
    card.set_path(Path::Inline).unwrap();
    card.arm_watchdog(SECOND).unwrap();
    card.kick().unwrap();
    model.advance(SECOND * 2);
    let (log, took) = cost(&model, || card.log(9));
    let log = log.unwrap();
    let told: Vec<_> = log.iter().map(|e| (e.event, e.path)).collect();
    let wanted = [
        (LogEvent::Watchdog, Some(Path::Bypass)),
        (LogEvent::User, Some(Path::Inline)),
        (LogEvent::User, Some(Path::Disconnect)),
    ];
    assert_eq!(told, wanted);
    assert!(log[0].unread && log[0].second >= 1000);
    assert_eq!(log[1].second, 0, "nobody had told the card the time yet");
    assert!(took < SECOND * 6, "{took:?}");
    // More events than the log has places: the newest 43 are there.
    for _ in 0..25 {
        card.set_path(Path::Inline).unwrap();
        card.set_path(Path::Bypass).unwrap();
    }
    let log = card.log(usize::MAX).unwrap();
    assert_eq!(log.len(), 43);
    let noted = model.noted();
    for (entry, noted) in log.iter().zip(noted.iter().rev()) {
        let action = entry.path.map_or(0, |path| 1 + path as u8);
        assert_eq!((action, entry.second), (noted.action, noted.second));
    }
}

#[test]
fn a_slow_card_is_waited_for_and_a_card_that_is_too_slow_is_not() {
    for (rereads, slow) in [(2, 100), (4, 300), (6, 600)] {
        let model = Model::new(Params {
            eeprom_time: MS * slow,
            ..Params::default()
        });
        let mut card = open(&model, Family::Intel82599);
        let (result, took) = cost(&model, || {
            card.set_policy(PowerEvent::OsOff, Path::Disconnect)
        });
        assert_eq!((result, took), (Ok(()), WORD_TIME * (2 + rereads)));
        let (result, took) = cost(&model, || card.set_path(Path::Bypass));
        assert_eq!(result, Ok(()));
        assert!(took <= card.capabilities().longest_verb, "{took:?}");
    }
    let model = Model::new(Params {
        eeprom_time: SECOND * 3,
        ..Params::default()
    });
    let mut card = open(&model, Family::Intel82599);
    let (result, took) = cost(&model, || card.set_path(Path::Bypass));
    assert!(
        matches!(result, Err(CardError::NotKept { .. })),
        "{result:?}"
    );
    assert!(took <= card.capabilities().longest_verb, "{took:?}");
}

#[test]
fn faults_are_told_by_their_names() {
    let (model, mut card) = card();
    model.inject(Fault::Gone);
    assert_eq!(card.observe(), Err(CardError::Gone));
    assert_eq!(card.kick(), Err(CardError::Gone));
    model.mend();
    assert!(card.observe().is_ok());

    model.inject(Fault::RelaysStuck);
    let wrong = CardError::Verify {
        want: Path::Bypass,
        got: Path::Inline,
    };
    assert_eq!(card.set_path(Path::Bypass), Err(wrong));
    model.advance(SECOND);
    assert_eq!(model.settings() & 3, 0, "events work all the same");
    model.mend();

    model.inject(Fault::EepromWornOut);
    let kept = card.arm_watchdog(SECOND);
    assert!(
        matches!(
            kept,
            Err(CardError::NotKept {
                what: "the watchdog",
                ..
            })
        ),
        "{kept:?}"
    );
    assert_eq!(
        card.set_path(Path::Disconnect),
        Ok(()),
        "a mode is no setting"
    );
    model.mend();

    model.inject(Fault::Stuck(Line::Sdo, true));
    let (result, took) = cost(&model, || card.observe());
    assert_eq!(
        (result, took),
        (Err(CardError::Timeout(took)), WORD_TIME * 8)
    );
    let (result, took) = cost(&model, || card.kick());
    assert_eq!(
        (result, took),
        (Err(CardError::Timeout(took)), WORD_TIME * 12)
    );
    model.mend();

    // Busy for two words: a verb waits; for long: it says so.
    model.inject(Fault::Busy(MS * 250));
    assert_eq!(card.set_path(Path::Inline), Ok(()));
    model.inject(Fault::Busy(SECOND * 9));
    assert!(matches!(card.observe(), Err(CardError::Timeout(_))));
    model.mend();

    // The word that is lost is the write itself (after the read).
    card.observe().unwrap();
    model.schedule(MS * 100, lose(1));
    let lost = card.set_policy(PowerEvent::OsOn, Path::Disconnect);
    assert!(matches!(lost, Err(CardError::NotKept { .. })), "{lost:?}");
    model.advance(SECOND * 2);
    // A lost pet shows in the second that the card still has.
    card.kick().unwrap();
    model.advance(SECOND * 2);
    model.inject(Fault::LoseWords(1));
    assert!(matches!(card.kick(), Err(CardError::Timeout(_))));
}

fn lose(words: u32) -> twinline_bypass::model::intel::Disturbance {
    twinline_bypass::model::intel::Disturbance::Fault(Fault::LoseWords(words))
}

#[test]
fn what_it_cannot_do() {
    let (model, mut card) = card();
    let words = model.words();
    assert!(matches!(
        card.set_path(Path::Tap),
        Err(CardError::NotCapable(_))
    ));
    assert!(matches!(
        card.set_tx(Side::A, false),
        Err(CardError::NotCapable(_))
    ));
    assert!(matches!(
        card.set_two_port_link(true),
        Err(CardError::NotCapable(_))
    ));
    assert_eq!(model.words(), words, "nothing was said to the card");
    let can = card.capabilities();
    assert_eq!(can.power_off, PowerOff::Claimed);
    assert_eq!(can.longest_verb, MS * 2112);
    assert_eq!(can.watchdog.as_slice().len(), 8);
    assert!(!can.tx_switch && !can.two_port_link && !can.paths.has(Path::Tap));
    for event in PowerEvent::ALL {
        assert!(can.on(event).has(Path::Bypass), "{event}");
    }
}
