//! Version 2, and what is beside the RFC: standing, hand-over, lateness, delay, announcements.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests count as tests

mod common;

use common::*;
use std::net::IpAddr;
use twinline_vrrp::router::MAX_GRACES;
use twinline_vrrp::timers::{active_down, skew};
use twinline_vrrp::{
    Action, Announcing, Input, Note, Reason, Router, Settings, SettingsError, Standing, State, Time,
};
use twinline_wire::vrrp::{Advert, Interval, Version};

fn v2(priority: u8) -> Settings {
    Settings {
        version: Version::V2,
        interval: Interval::from_secs(2).unwrap(),
        ..settings(priority)
    }
}

fn heard_v2(source: &str, priority: u8, secs: u8) -> Input<'static> {
    Input::Advert(Advert {
        version: Version::V2,
        interval: Interval::from_secs(secs).unwrap(),
        ..heard(source, priority)
    })
}

#[test]
fn version_2_has_its_own_skew() {
    let interval = Interval::from_secs(2).unwrap();
    assert_eq!(skew(Version::V2, prio(100), interval), us(609_375));
    assert_eq!(active_down(Version::V2, prio(100), interval), us(6_609_375));
}

#[test]
fn version_2_discards_another_interval_and_never_adopts_one() {
    let mut router = started(v2(100));
    let deadline = router.next_deadline(Time::ZERO);
    let actions = router.step(at(500), heard_v2(LOWER, 200, 1));
    assert_eq!(notes(&actions).len(), 1);
    assert_eq!(router.next_deadline(at(500)), deadline);
    router.step(at(600), heard_v2(LOWER, 200, 2));
    assert_eq!(router.next_deadline(at(600)), Some(at(600) + us(6_609_375)));
    // An advert of version 3 is of no router that speaks version 2.
    hear(&mut router, at(700), LOWER, 200);
    assert_eq!(router.next_deadline(at(700)), Some(at(600) + us(6_609_375)));
}

#[test]
fn version_2_discards_a_losing_advert_without_a_word() {
    let (mut router, now) = active(v2(100));
    let actions = router.step(now + ms(2500), heard_v2(LOWER, 100, 2));
    assert_eq!((sent(&actions), router.state()), (vec![], State::Active));
    assert_eq!(announced(&actions).len(), 1, "the split has healed");
    let actions = router.step(now + ms(2600), heard_v2(GREATER, 100, 2));
    let why = (State::Active, State::Backup, Reason::GreaterAddress);
    assert_eq!(changes(&actions), [why]);
}

#[test]
fn version_2_resigns_and_takes_over_by_the_skew() {
    let (mut router, now) = active(v2(100));
    assert_eq!(sent(&router.step(now, Input::Shutdown)), [0]);
    let mut router = started(v2(200));
    router.step(at(100), heard_v2(LOWER, 0, 2));
    assert_eq!(router.next_deadline(at(100)), Some(at(100) + us(218_750)));
}

#[test]
fn nothing_is_sent_before_the_interface_passes_frames() {
    let mut router = Router::new(settings(255)).unwrap();
    assert_eq!(router.step(at(1), Input::Start), []);
    assert_eq!(router.next_deadline(at(1)), None);
    assert_eq!(router.step(at(2), Input::Tick), []);
    assert_eq!(
        router.step(at(3), Input::InterfaceUp)[0],
        Action::TakeVirtualMac
    );
    let actions = router.step(at(4), Input::InterfaceDown);
    assert_eq!(sent(&actions), [], "nothing would arrive");
    assert!(actions.contains(&Action::DropVirtualMac));
}

#[test]
fn resigning_says_priority_zero_and_holds_the_mac_until_the_successor_is_heard() {
    let (mut router, now) = active(settings(100));
    let actions = router.step(now, Input::Standing(Standing::Resigning));
    assert_eq!(sent(&actions), [0]);
    let why = (State::Active, State::Initialize, Reason::Resigned);
    assert_eq!(changes(&actions), [why]);
    assert!(router.holds_virtual_mac(), "no frame finds nobody");
    assert_eq!(
        hear(&mut router, now + ms(5), LOWER, 0),
        [],
        "not a successor"
    );
    let actions = hear(&mut router, now + ms(20), LOWER, 50);
    assert_eq!(actions, [Action::DropVirtualMac]);
    assert_eq!(router.next_deadline(now + ms(20)), None);
    assert_eq!(hear(&mut router, now + ms(120), LOWER, 50), []);
    // Fit again: as at start.
    let actions = router.step(now + ms(300), Input::Standing(Standing::Eligible));
    let why = (State::Initialize, State::Backup, Reason::Eligible);
    assert_eq!(changes(&actions), [why]);
}

#[test]
fn resigning_without_a_successor_lets_go_after_two_intervals() {
    let (mut router, now) = active(settings(100));
    router.step(now, Input::Standing(Standing::Resigning));
    assert_eq!(router.next_deadline(now), Some(now + ms(200)));
    assert_eq!(
        router.step(now + ms(200), Input::Tick),
        [Action::DropVirtualMac]
    );
    // A backup resigns without a word.
    let mut router = started(settings(100));
    let actions = router.step(at(10), Input::Standing(Standing::Resigning));
    assert_eq!((sent(&actions), actions.len()), (vec![], 1));
    assert_eq!(router.next_deadline(at(10)), None);
}

#[test]
fn silence_is_silent_and_lets_go_at_once() {
    let (mut router, now) = active(settings(100));
    let actions = router.step(now, Input::Standing(Standing::Silent));
    assert_eq!(sent(&actions), []);
    assert!(actions.contains(&Action::DropVirtualMac));
    assert_eq!(router.state(), State::Initialize);
    let (mut router, now) = active(settings(100));
    router.step(now, Input::Standing(Standing::Resigning));
    let actions = router.step(now, Input::Standing(Standing::Silent));
    assert_eq!(
        actions,
        [Action::DropVirtualMac],
        "in the middle of a hand-over"
    );
}

#[test]
fn a_preempt_delay_is_waited_for() {
    let delayed = Settings {
        preempt_delay: ms(1000),
        ..settings(100)
    };
    let mut router = started(delayed);
    let mut now = Time::ZERO;
    let mut last = Time::ZERO;
    for n in 1..=30 {
        let next = at(n * 100);
        for (when, action) in run(&mut router, now, next - us(1)) {
            if matches!(action, Action::TakeVirtualMac) {
                last = when;
            }
        }
        now = next;
        if router.state() == State::Active {
            break;
        }
        hear(&mut router, now, LOWER, 50);
    }
    // The delay from the first one heard (100 ms), then Active_Down_Interval from the last one
    // before its end (1000 ms).
    assert_eq!(
        last,
        at(1000) + active_down(Version::V3, prio(100), centis(10))
    );
}

#[test]
fn a_better_one_in_between_starts_the_preempt_delay_again() {
    let delayed = Settings {
        preempt_delay: ms(250),
        ..settings(100)
    };
    let mut router = started(delayed);
    hear(&mut router, at(100), LOWER, 50);
    hear(&mut router, at(200), LOWER, 150);
    hear(&mut router, at(300), LOWER, 50);
    hear(&mut router, at(400), LOWER, 50);
    assert_eq!(router.counters().discarded, 0);
    hear(&mut router, at(550), LOWER, 50);
    assert_eq!(router.counters().discarded, 1);
}

#[test]
fn the_owner_preempts_whatever_is_set() {
    let stubborn = Settings {
        preempt: false,
        preempt_delay: ms(60_000),
        ..settings(255)
    };
    let (mut owner, now) = active(stubborn);
    hear(&mut owner, now, GREATER, 255);
    assert_eq!(owner.state(), State::Backup);
    hear(&mut owner, now + ms(100), GREATER, 254);
    assert_eq!(owner.counters().discarded, 1);
}

#[test]
fn a_late_active_down_timer_starts_again_a_few_times() {
    let mut router = started(settings(100));
    let mut now = router.next_deadline(Time::ZERO).unwrap() + ms(51);
    let actions = router.step(now, Input::Tick);
    assert_eq!(notes(&actions), [Note::LateTimer { by: ms(51) }]);
    assert_eq!(router.state(), State::Backup);
    let again = ms(100) + skew(Version::V3, prio(100), centis(10));
    assert_eq!(router.next_deadline(now), Some(now + again));
    // An Active Router that lives is heard by then.
    hear(&mut router, now + ms(90), LOWER, 150);
    now = router.next_deadline(now).unwrap();
    for _ in 0..MAX_GRACES {
        now = now + ms(60);
        router.step(now, Input::Tick);
        assert_eq!(router.state(), State::Backup);
        now = router.next_deadline(now).unwrap();
    }
    router.step(now + ms(60), Input::Tick);
    assert_eq!(
        router.state(),
        State::Active,
        "a loop that is always late takes over too"
    );
    assert_eq!(router.counters().late, 2 + u64::from(MAX_GRACES));
    assert_eq!(router.counters().latest, ms(60));
}

#[test]
fn a_late_timer_takes_over_when_the_active_one_has_resigned() {
    let mut router = started(settings(100));
    hear(&mut router, at(50), LOWER, 0);
    router.step(at(1000), Input::Tick);
    assert_eq!(router.state(), State::Active);
}

#[test]
fn a_queue_read_first_keeps_a_stalled_backup_quiet() {
    let mut router = started(settings(100));
    for _ in 0..9 {
        hear(&mut router, at(1000), LOWER, 150);
    }
    assert_eq!(router.step(at(1000), Input::Tick), []);
    assert_eq!(router.state(), State::Backup);
}

#[test]
fn a_stalled_active_that_was_replaced_steps_back() {
    for (stall, expected) in [(299, State::Active), (300, State::Backup)] {
        let (mut router, now) = active(settings(100));
        let actions = hear(&mut router, now + ms(stall), LOWER, 50);
        assert_eq!(router.state(), expected, "{stall}");
        if expected == State::Backup {
            let why = (State::Active, State::Backup, Reason::OwnStall);
            assert_eq!(changes(&actions), [why]);
        }
    }
    let (mut owner, now) = active(settings(255));
    hear(&mut owner, now + ms(1000), LOWER, 50);
    assert_eq!(owner.state(), State::Active);
}

#[test]
fn a_stalled_active_that_nobody_replaced_goes_on_and_announces() {
    let (mut router, now) = active(Settings {
        announcing: Announcing {
            count: 1,
            every: ms(1),
        },
        ..settings(100)
    });
    let actions = router.step(now + ms(5000), Input::Tick);
    assert_eq!(sent(&actions), [100]);
    assert_eq!(announced(&actions).len(), 1);
    assert_eq!(notes(&actions), [Note::LateTimer { by: ms(4900) }]);
    assert_eq!(router.next_deadline(now), Some(now + ms(5100)));
}

#[test]
fn announcements_repeat_as_configured_and_after_a_healed_split() {
    let repeated = Settings {
        announcing: Announcing {
            count: 3,
            every: ms(30),
        },
        ..settings(100)
    };
    let (mut router, now) = active(repeated);
    let announcements = |actions: Vec<(Time, Action)>| -> Vec<Time> {
        let announced = |(when, action)| matches!(action, Action::Announce { .. }).then_some(when);
        actions.into_iter().filter_map(announced).collect()
    };
    let seen = announcements(run(&mut router, now, now + ms(99)));
    assert_eq!(seen, [now + ms(30), now + ms(60)]);
    let healed = now + ms(150);
    run(&mut router, now, healed);
    let actions = hear(&mut router, healed, LOWER, 50);
    assert_eq!(announced(&actions).len(), 1);
    let seen = announcements(run(&mut router, healed, healed + ms(200)));
    assert_eq!(seen, [healed + ms(30), healed + ms(60)]);
}

#[test]
fn our_own_frame_come_back_is_not_answered() {
    let (mut router, now) = active(settings(100));
    let actions = hear(&mut router, now + ms(50), OURS, 100);
    assert_eq!(
        notes(&actions),
        [Note::OwnAddressHeard { source: ip(OURS) }]
    );
    assert_eq!((actions.len(), router.state()), (1, State::Active));
}

#[test]
fn a_new_priority_is_told_at_once_and_moves_the_timer() {
    let (mut router, now) = active(settings(100));
    let actions = router.step(now + ms(30), Input::Priority(prio(50)));
    assert_eq!(sent(&actions), [50]);
    assert_eq!(router.next_deadline(now), Some(now + ms(130)));
    assert_eq!(router.step(now + ms(40), Input::Priority(prio(50))), []);
    let mut router = started(settings(100));
    router.step(at(10), Input::Priority(prio(254)));
    let deadline = active_down(Version::V3, prio(254), centis(10));
    assert_eq!(router.next_deadline(at(10)), Some(Time::ZERO + deadline));
}

#[test]
fn unicast_goes_to_each_peer() {
    let peers: Vec<IpAddr> = vec![ip(LOWER), ip(GREATER)];
    let (mut router, now) = active(Settings {
        peers: peers.clone(),
        ..settings(100)
    });
    let actions = router.step(now + ms(100), Input::Tick);
    let to_each = |to| Action::SendAdvert { priority: 100, to };
    let expected: Vec<_> = peers.into_iter().map(to_each).collect();
    assert_eq!(actions, expected);
}

#[test]
fn packets_to_the_address_are_ours_if_owner_or_told_to_accept() {
    let (router, _) = active(settings(100));
    assert!(router.holds_virtual_mac() && !router.accepts_local());
    let (router, _) = active(Settings {
        accept: true,
        ..settings(100)
    });
    assert!(router.accepts_local());
    let (router, _) = active(settings(255));
    assert!(router.accepts_local());
    assert!(
        !started(Settings {
            accept: true,
            ..settings(100)
        })
        .accepts_local()
    );
}

#[test]
fn a_source_of_another_family_is_not_taken() {
    let mut router = started(settings(100));
    router.step(at(1), Input::Source(ip("fe80::1")));
    assert_eq!(router.settings().source, ip(OURS));
    router.step(at(1), Input::Source(ip(GREATER)));
    assert_eq!(router.settings().source, ip(GREATER));
}

#[test]
fn settings_that_cannot_run_are_refused() {
    let refused = |change: fn(&mut Settings)| {
        let mut settings = settings(100);
        change(&mut settings);
        Router::new(settings).unwrap_err()
    };
    assert_eq!(refused(|s| s.addresses.clear()), SettingsError::Count(0));
    let six = ip("2001:db8::1");
    assert_eq!(
        refused(|s| s.addresses.push(ip("2001:db8::1"))),
        SettingsError::Family(six)
    );
    assert_eq!(
        refused(|s| s.peers.push(ip("2001:db8::1"))),
        SettingsError::Family(six)
    );
    let version = refused(|s| {
        (s.version, s.source, s.addresses) = (Version::V2, ip("fe80::1"), vec![ip("fe80::2")]);
    });
    assert_eq!(version, SettingsError::Version);
    let global = refused(|s| (s.source, s.addresses) = (ip("fe80::1"), vec![ip("2001:db8::1")]));
    assert_eq!(global, SettingsError::NoLinkLocal(six));
    assert_eq!(
        refused(|s| s.version = Version::V2),
        SettingsError::Interval(10)
    );
    let long = refused(|s| s.interval = Interval::from_secs(41).unwrap());
    assert_eq!(long, SettingsError::Interval(4100));
    assert_eq!(
        refused(|s| s.announcing.count = 0),
        SettingsError::Announcing
    );
    assert_eq!(
        refused(|s| s.announcing.every = us(1)),
        SettingsError::Announcing
    );
}

/// Rule 12: the heartbeats' verdict moves the virtual routers too, without a wait.
#[test]
fn rule_12_a_backup_that_is_told_to_take_over_does() {
    let mut router = started(settings(100));
    hear(&mut router, at(50), LOWER, 150);
    let actions = router.step(at(60), Input::TakeOver);
    let why = (State::Backup, State::Active, Reason::InstanceTookOver);
    assert_eq!(changes(&actions), [why]);
    assert_eq!(
        (actions[0], sent(&actions)),
        (Action::TakeVirtualMac, vec![100])
    );
    // Told again, it is Active already.
    assert_eq!(router.step(at(61), Input::TakeOver), []);
    // Whoever is there with a better priority keeps the addresses.
    let actions = hear(&mut router, at(62), LOWER, 150);
    let why = (State::Active, State::Backup, Reason::HigherPriority);
    assert_eq!(changes(&actions), [why]);
    assert!(!router.holds_virtual_mac());
}

#[test]
fn rule_12_what_may_not_run_takes_nothing_over() {
    for standing in [Standing::Silent, Standing::Resigning] {
        let mut router = started(settings(100));
        router.step(at(10), Input::Standing(standing));
        assert_eq!(router.step(at(20), Input::TakeOver), []);
        assert_eq!(router.state(), State::Initialize);
    }
}

#[test]
fn rule_24_a_reload_moves_no_state() {
    use twinline_vrrp::Live;
    use twinline_wire::vrrp::ChecksumRule;
    let (mut router, now) = active(settings(100));
    let announcing = Announcing {
        count: 2,
        every: ms(20),
    };
    let live = Live {
        preempt: false,
        preempt_delay: ms(500),
        accept: true,
        checksum: ChecksumRule::Any,
        announcing,
    };
    router.adjust(live);
    assert!(router.accepts_local());
    assert_eq!(
        (router.state(), router.settings().preempt),
        (State::Active, false)
    );
    let never = Announcing {
        count: 0,
        ..announcing
    };
    router.adjust(Live {
        announcing: never,
        ..live
    });
    assert_eq!(router.settings().announcing, announcing);
    assert_eq!(
        router.step(now + ms(1), Input::Priority(prio(120))).len(),
        1
    );
}

#[test]
fn our_own_frame_come_back_is_no_successor_of_a_stalled_active() {
    let (mut router, now) = active(settings(100));
    let later = now + ms(500);
    let actions = hear(&mut router, later, OURS, 100);
    assert_eq!((changes(&actions), sent(&actions)), (vec![], vec![]));
    assert_eq!(notes(&actions).len(), 1);
    assert_eq!(router.state(), State::Active);
    // Another one's is.
    let actions = hear(&mut router, later, LOWER, 100);
    let why = (State::Active, State::Backup, Reason::OwnStall);
    assert_eq!(changes(&actions), [why]);
}

#[test]
fn our_own_frame_come_back_is_no_successor_of_one_that_resigned() {
    let (mut router, now) = active(settings(100));
    router.step(now, Input::Standing(Standing::Resigning));
    assert_eq!(hear(&mut router, now + ms(1), OURS, 100), []);
    assert!(router.holds_virtual_mac());
    let actions = hear(&mut router, now + ms(2), LOWER, 100);
    assert_eq!(actions, [Action::DropVirtualMac]);
}

#[test]
fn an_advert_of_the_other_family_is_of_another_virtual_router() {
    let (mut router, now) = active(settings(100));
    let heard_before = router.counters();
    assert_eq!(hear(&mut router, now + ms(1), "fe80::1", 200), []);
    assert_eq!(router.state(), State::Active);
    assert_eq!(router.counters(), heard_before);
}
