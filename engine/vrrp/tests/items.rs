//! The checklist of RFC 9568: what is logged and not dropped (18 to 20), and the state machine (22
//! to 32). Items 1 to 17 and 21 are the wire's.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests count as tests

mod common;

use common::*;
use twinline_vrrp::timers::{active_down, skew};
use twinline_vrrp::{Action, Input, Note, Reason, Router, Settings, State, Time};
use twinline_wire::vrrp::{Addresses, Advert, Family, Version, Vrid};

/// Three intervals of 100 ms and the skew of priority 100.
fn down_100() -> std::time::Duration {
    active_down(Version::V3, prio(100), centis(10))
}

#[test]
fn item_18_an_interval_mismatch_is_noted_and_not_dropped() {
    let mut router = started(settings(100));
    let slow = Advert {
        interval: centis(50),
        ..heard(LOWER, 150)
    };
    let actions = router.step(at(100), Input::Advert(slow));
    let note = Note::IntervalMismatch {
        source: ip(LOWER),
        heard: centis(50),
    };
    assert_eq!(notes(&actions), [note]);
    let expected = at(100) + active_down(Version::V3, prio(100), centis(50));
    assert_eq!(router.next_deadline(at(100)), Some(expected), "adopted");

    // Told once in ten seconds, and then how many were not.
    for n in 1..100 {
        assert_eq!(router.step(at(100 + n * 100), Input::Advert(slow)), []);
    }
    let actions = router.step(at(10_100), Input::Advert(slow));
    let told = twinline_vrrp::Event::Noted { note, untold: 99 };
    assert_eq!(actions, [Action::Event(told)]);
}

#[test]
fn item_19_an_address_mismatch_is_noted_and_not_dropped() {
    let mut router = started(settings(100));
    let addresses = Addresses::new(Family::V4, &[10, 0, 0, 253]);
    let other = Advert {
        addresses,
        ..heard(LOWER, 150)
    };
    let actions = router.step(at(100), Input::Advert(other));
    assert_eq!(
        notes(&actions),
        [Note::AddressesMismatch { source: ip(LOWER) }]
    );
    assert_eq!(router.next_deadline(at(100)), Some(at(100) + down_100()));
}

#[test]
fn item_20_the_owner_notes_others_and_does_not_discard_them() {
    let (mut owner, now) = active(settings(255));
    let actions = hear(&mut owner, now + ms(10), GREATER, 254);
    let note = Note::OwnerContested {
        source: ip(GREATER),
        priority: 254,
    };
    assert!(notes(&actions).contains(&note));
    assert_eq!(sent(&actions), [255], "asserts itself");
    // Not discarded: another owner of a greater address is heard, and told of.
    let actions = hear(&mut owner, now + ms(20), GREATER, 255);
    assert_eq!(
        notes(&actions),
        [Note::TwoOwners {
            source: ip(GREATER)
        }]
    );
    assert_eq!(owner.state(), State::Backup);
}

#[test]
fn item_22_skew_and_active_down_are_finer_than_a_centisecond() {
    assert_eq!(skew(Version::V3, prio(100), centis(100)), us(609_375));
    assert_eq!(
        active_down(Version::V3, prio(100), centis(100)),
        us(3_609_375)
    );
    // At 10 ms, in nanoseconds: never 0, and another one for each priority.
    assert_eq!(
        skew(Version::V3, prio(100), centis(1)).as_nanos(),
        6_093_750
    );
    assert_eq!(skew(Version::V3, prio(255), centis(1)).as_nanos(), 39_062);
    let all: Vec<_> = (1..=255)
        .map(|p| skew(Version::V3, prio(p), centis(1)))
        .collect();
    assert!(all.windows(2).all(|pair| pair[0] > pair[1]));
    // The timer of a router is as fine.
    let quick = Settings {
        interval: centis(1),
        ..settings(254)
    };
    let router = started(quick);
    let deadline = router.next_deadline(Time::ZERO).unwrap();
    assert_eq!(deadline.as_nanos(), 30_078_125);
}

#[test]
fn item_23_the_owner_starts_active_and_others_backup() {
    let mut owner = Router::new(settings(255)).unwrap();
    owner.step(Time::ZERO, Input::Start);
    let actions = owner.step(Time::ZERO, Input::InterfaceUp);
    assert_eq!(sent(&actions), [255]);
    assert_eq!(announced(&actions), [ip("10.0.0.254")]);
    let why = (State::Initialize, State::Active, Reason::InterfaceUp);
    assert_eq!(changes(&actions), [why]);
    assert_eq!(owner.next_deadline(Time::ZERO), Some(at(100)));
    for priority in [1, 100, 254] {
        let router = started(settings(priority));
        assert_eq!(router.state(), State::Backup);
        let deadline = active_down(Version::V3, prio(priority), centis(10));
        assert_eq!(
            router.next_deadline(Time::ZERO),
            Some(Time::ZERO + deadline)
        );
    }
}

#[test]
fn item_24_active_down_advertises_announces_and_starts_the_advert_timer() {
    let addresses = vec![ip("10.0.0.254"), ip("10.0.0.253")];
    let mut router = started(Settings {
        addresses: addresses.clone(),
        ..settings(100)
    });
    let now = Time::ZERO + down_100();
    assert_eq!(router.step(now - us(1), Input::Tick), []);
    let actions = router.step(now, Input::Tick);
    assert_eq!(
        actions[0],
        Action::TakeVirtualMac,
        "adverts are sent from it"
    );
    let to = Family::V4.group();
    assert_eq!(actions[1], Action::SendAdvert { priority: 100, to });
    assert_eq!(announced(&actions[2..4]), addresses);
    let why = (State::Backup, State::Active, Reason::NoActiveHeard);
    assert_eq!(changes(&actions), [why]);
    assert_eq!(router.next_deadline(now), Some(now + ms(100)));
    let later = run(&mut router, now, now + ms(500));
    assert_eq!(later.len(), 5, "an advert each 100 ms");
}

#[test]
fn item_24_over_ipv6_too() {
    let addresses = vec![ip("fe80::254"), ip("2001:db8::254")];
    let vrid = Vrid::new(7).unwrap();
    let six = Settings::new(vrid, centis(10), ip("fe80::5"), addresses.clone());
    let mut router = started(six);
    let actions = router.step(Time::ZERO + down_100(), Input::Tick);
    let to = ip("ff02::12");
    assert_eq!(actions[1], Action::SendAdvert { priority: 100, to });
    assert_eq!(announced(&actions), addresses);
}

#[test]
fn item_25_backup_hears_priority_zero_and_waits_for_its_skew() {
    let mut router = started(settings(100));
    assert_eq!(hear(&mut router, at(50), LOWER, 0), []);
    let now = at(50) + skew(Version::V3, prio(100), centis(10));
    assert_eq!(router.next_deadline(at(50)), Some(now));
    let actions = router.step(now, Input::Tick);
    let why = (State::Backup, State::Active, Reason::ActiveResigned);
    assert_eq!(changes(&actions), [why]);
}

#[test]
fn item_26_backup_adopts_the_interval_and_resets() {
    let equal_or_better = [100, 101, 254, 255];
    for (preempt, priorities) in [(true, &equal_or_better[..]), (false, &[1, 99, 100, 255])] {
        for priority in priorities {
            let mut router = started(Settings {
                preempt,
                ..settings(100)
            });
            let slow = Advert {
                interval: centis(400),
                ..heard(LOWER, *priority)
            };
            router.step(at(200), Input::Advert(slow));
            let deadline = at(200) + active_down(Version::V3, prio(100), centis(400));
            assert_eq!(
                router.next_deadline(at(200)),
                Some(deadline),
                "{preempt} {priority}"
            );
            assert_eq!(router.state(), State::Backup);
        }
    }
}

#[test]
fn item_27_backup_that_preempts_discards_a_lower_priority() {
    let mut router = started(settings(100));
    let deadline = router.next_deadline(Time::ZERO);
    let slow = Advert {
        interval: centis(400),
        ..heard(GREATER, 99)
    };
    router.step(at(200), Input::Advert(slow));
    assert_eq!(router.next_deadline(at(200)), deadline, "untouched");
    assert_eq!(router.counters().discarded, 1);
    let actions = router.step(deadline.unwrap(), Input::Tick);
    let why = (State::Backup, State::Active, Reason::Preempted);
    assert_eq!(changes(&actions), [why]);
}

#[test]
fn item_28_backup_shut_down_initializes_without_a_word() {
    let mut router = started(settings(100));
    let actions = router.step(at(10), Input::Shutdown);
    let why = (State::Backup, State::Initialize, Reason::Stopped);
    assert_eq!((changes(&actions), actions.len()), (vec![why], 1));
    assert_eq!(router.next_deadline(at(10)), None);
    assert_eq!(hear(&mut router, at(20), LOWER, 0), []);
}

#[test]
fn item_29_active_shut_down_sends_priority_zero() {
    let (mut router, now) = active(settings(100));
    let actions = router.step(now + ms(10), Input::Shutdown);
    assert_eq!(sent(&actions), [0]);
    assert_eq!(
        actions[2],
        Action::DropVirtualMac,
        "after the advert that is sent from it"
    );
    let why = (State::Active, State::Initialize, Reason::Stopped);
    assert_eq!(changes(&actions), [why]);
    assert_eq!(router.next_deadline(now + ms(10)), None);
    assert!(!router.holds_virtual_mac());
}

#[test]
fn item_30_active_hears_priority_zero_and_advertises() {
    let (mut router, now) = active(settings(100));
    let actions = hear(&mut router, now + ms(40), GREATER, 0);
    assert_eq!(sent(&actions), [100]);
    assert_eq!((router.state(), actions.len()), (State::Active, 1));
    assert_eq!(
        router.next_deadline(now + ms(40)),
        Some(now + ms(140)),
        "reset"
    );
}

#[test]
fn item_31_active_hears_a_better_one_and_steps_back() {
    let better = [
        (LOWER, 101, Reason::HigherPriority),
        (GREATER, 255, Reason::HigherPriority),
        (GREATER, 100, Reason::GreaterAddress),
    ];
    for (source, priority, why) in better {
        let (mut router, now) = active(settings(100));
        let slow = Advert {
            interval: centis(200),
            ..heard(source, priority)
        };
        let actions = router.step(now + ms(10), Input::Advert(slow));
        assert_eq!(changes(&actions), [(State::Active, State::Backup, why)]);
        assert!(actions.contains(&Action::DropVirtualMac));
        assert_eq!(sent(&actions), []);
        let deadline = now + ms(10) + active_down(Version::V3, prio(100), centis(200));
        assert_eq!(
            router.next_deadline(now),
            Some(deadline),
            "its interval is adopted"
        );
    }
    // Unsigned, in network order: 200 is more than 100 in the first byte too.
    let high = Settings {
        source: ip("100.0.0.1"),
        ..settings(100)
    };
    let (mut router, now) = active(high);
    hear(&mut router, now, "200.0.0.1", 100);
    assert_eq!(router.state(), State::Backup);
    let low = Settings {
        source: ip("200.0.0.1"),
        ..settings(100)
    };
    let (mut router, now) = active(low);
    hear(&mut router, now, "100.255.255.255", 100);
    assert_eq!(router.state(), State::Active);
}

#[test]
fn item_32_active_hears_a_losing_advert_and_asserts_itself_at_once() {
    for (source, priority) in [(LOWER, 100), (GREATER, 99), (LOWER, 1)] {
        let (mut router, now) = active(settings(100));
        let deadline = router.next_deadline(now);
        let actions = hear(&mut router, now + ms(10), source, priority);
        assert_eq!(sent(&actions), [100]);
        assert_eq!(router.state(), State::Active);
        assert_eq!(
            router.next_deadline(now + ms(10)),
            deadline,
            "the timer is not touched"
        );
        let source = ip(source);
        assert_eq!(notes(&actions), [Note::TwoActive { source, priority }]);
    }
}

#[test]
fn item_32_a_flood_is_answered_four_times_an_interval() {
    let (mut router, now) = active(settings(100));
    let mut answers = 0;
    for n in 0..1000 {
        answers += sent(&hear(&mut router, now + us(n * 100), LOWER, 99)).len();
        answers += sent(&hear(&mut router, now + us(n * 100), LOWER, 0)).len();
    }
    assert_eq!(answers, 4);
}
