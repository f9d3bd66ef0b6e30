//! Rule 13: flaps, the latch, and what survives a restart.

use super::cluster::{Cluster, ms, quick};
use crate::action::CardCommand;
use crate::events::{Reason, Subject};
use crate::link_pairs::PairLinks;
use crate::message::Role;
use crate::observation::Request;
use crate::settings::{OnMaxFlaps, Settings, Topology};

const NO_CABLES: PairLinks = PairLinks {
    lan: false,
    wan: false,
};
const CABLES: PairLinks = PairLinks {
    lan: true,
    wan: true,
};

fn with_max(max_flaps: u32) -> Cluster {
    let with = |primary| Settings {
        max_flaps,
        preempt: false,
        ..quick(primary)
    };
    let mut c = Cluster::new(&[with(true), with(false)]);
    c.settle();
    c
}

/// Makes the ACTIVE host lose its links, and gives them back.
fn flap(c: &mut Cluster) {
    let active = c.active()[0];
    c.hosts[active].cables[0] = NO_CABLES;
    c.run(ms(150));
    c.hosts[active].cables[0] = CABLES;
    c.run(ms(150));
}

#[test]
fn rule_13_max_flaps_are_allowed_and_the_next_one_latches() {
    let mut c = with_max(2);
    for _ in 0..4 {
        flap(&mut c);
    }
    assert_eq!(c.roles(), [Role::Active, Role::Passive]);
    assert_eq!((c.node(0).flaps(), c.node(1).flaps()), (2, 2));
    c.forget();
    flap(&mut c);
    assert_eq!(c.roles(), [Role::Bypass, Role::Active]);
    assert_eq!(c.role_changes(0), [(Role::Bypass, Reason::MaxFlaps)]);
    assert_eq!(c.hosts[0].cards, [CardCommand::Disconnect]);
    assert!(c.hosts[0].saved.latched);
    assert_eq!(c.raised(0, "latched"), 1);
    assert_eq!(
        (c.doubled, c.dark),
        (0, 0),
        "the latch comes after the hand-over"
    );
    // Nobody is left to take over: the incumbent stays (rule 10), and does not flap any more.
    flap(&mut c);
    assert_eq!(c.roles(), [Role::Bypass, Role::Active]);
    assert_eq!(c.node(1).flaps(), 2);
}

#[test]
fn rule_13_a_secondary_is_suspended_and_its_card_left_alone() {
    let mut c = with_max(1);
    flap(&mut c);
    flap(&mut c);
    c.ask(0, Request::Clear);
    flap(&mut c);
    c.forget();
    flap(&mut c);
    assert_eq!(c.roles(), [Role::Active, Role::Suspended]);
    assert!(c.node(1).latched());
    assert_eq!(c.hosts[1].cards, []);
}

#[test]
fn rule_14_the_card_by_topology_or_as_the_operator_set_it() {
    let cases = [
        (Topology::Series, None, CardCommand::Bypass),
        (Topology::Parallel, None, CardCommand::Disconnect),
        (
            Topology::Parallel,
            Some(OnMaxFlaps::Bypass),
            CardCommand::Bypass,
        ),
        (
            Topology::Series,
            Some(OnMaxFlaps::Disconnect),
            CardCommand::Disconnect,
        ),
        (Topology::Series, Some(OnMaxFlaps::Tap), CardCommand::Tap),
    ];
    for (topology, on_max_flaps, expected) in cases {
        let with = |primary| Settings {
            max_flaps: 1,
            preempt: false,
            topology,
            on_max_flaps,
            ..quick(primary)
        };
        let mut c = Cluster::new(&[with(true), with(false)]);
        c.settle();
        for _ in 0..3 {
            flap(&mut c);
        }
        assert_eq!(c.roles(), [Role::Bypass, Role::Active]);
        assert_eq!(c.hosts[0].cards, [expected]);
    }
}

#[test]
fn rule_13_zero_is_no_limit() {
    let mut c = with_max(0);
    for _ in 0..20 {
        flap(&mut c);
    }
    assert_eq!(c.roles(), [Role::Active, Role::Passive]);
    assert_eq!(c.node(0).flaps(), 10);
}

#[test]
fn rule_13_the_count_and_the_latch_survive_a_restart() {
    let mut c = with_max(2);
    for _ in 0..4 {
        flap(&mut c);
    }
    c.ask(0, Request::Stop);
    c.run(ms(300));
    assert!(c.hosts[0].exited);
    c.start(0);
    c.run(ms(300));
    assert_eq!(c.node(0).flaps(), 2);
    c.ask(1, Request::Switchover);
    c.run(ms(100));
    flap(&mut c);
    assert_eq!(c.roles(), [Role::Bypass, Role::Active]);
    c.kill(0);
    c.run(ms(100));
    c.forget();
    c.start(0);
    c.run(ms(500));
    assert_eq!(c.roles(), [Role::Bypass, Role::Active]);
    assert_eq!(c.hosts[0].cards, [CardCommand::Disconnect]);
    // And without its state file it begins anew.
    c.kill(0);
    c.hosts[0].saved = crate::state::SavedState::default();
    c.start(0);
    c.run(ms(500));
    assert_eq!((c.roles()[0], c.node(0).flaps()), (Role::Passive, 0));
}

#[test]
fn rule_13_to_die_while_active_is_a_flap() {
    let mut c = with_max(2);
    for died in 1..=2 {
        c.kill(0);
        c.run(ms(100));
        c.forget();
        c.start(0);
        c.run(ms(300));
        assert_eq!(c.node(0).flaps(), died);
        let counted = |e: &&crate::events::Event| {
            matches!(e.subject, Subject::Flap { .. }) && e.why == Reason::DiedWhileActive
        };
        assert_eq!(c.hosts[0].events.iter().filter(counted).count(), 1);
        assert!(c.answer(0, Request::Switchover).is_ok());
        c.run(ms(200));
        assert_eq!(c.roles(), [Role::Active, Role::Passive]);
    }
    c.kill(0);
    c.run(ms(100));
    c.start(0);
    c.run(ms(300));
    assert_eq!(c.roles(), [Role::Bypass, Role::Active]);
}

#[test]
fn rule_13_to_die_while_passive_or_stopped_in_order_is_none() {
    let mut c = with_max(2);
    c.kill(1);
    c.run(ms(100));
    c.start(1);
    c.run(ms(300));
    c.ask(0, Request::Stop);
    c.run(ms(300));
    c.start(0);
    c.run(ms(300));
    assert_eq!((c.node(0).flaps(), c.node(1).flaps()), (0, 0));
}

#[test]
fn rule_13_operators_and_preemption_do_not_count() {
    let mut c = Cluster::settled();
    c.ask(0, Request::Switchover);
    c.run(ms(200));
    c.ask(0, Request::Clear);
    c.run(ms(1000));
    assert_eq!(c.roles(), [Role::Active, Role::Passive], "preempted");
    c.ask(0, Request::Suspend { force: false });
    c.run(ms(200));
    c.ask(0, Request::Resume);
    c.run(ms(1000));
    assert_eq!(c.roles(), [Role::Active, Role::Passive], "preempted");
    c.ask(0, Request::Suspend { force: true });
    c.run(ms(200));
    assert_eq!((c.node(0).flaps(), c.node(1).flaps()), (0, 0));
}

#[test]
fn rule_16_clear_lets_it_back_in_and_it_listens_first() {
    let mut c = with_max(1);
    for _ in 0..3 {
        flap(&mut c);
    }
    assert_eq!(c.roles(), [Role::Bypass, Role::Active]);
    c.forget();
    assert!(c.answer(0, Request::Clear).is_ok());
    assert_eq!(c.roles()[0], Role::Init);
    assert_eq!(c.hosts[0].cards, [CardCommand::Inline]);
    c.run(ms(25));
    assert_eq!(c.roles()[0], Role::Init);
    c.run(ms(100));
    assert_eq!(c.roles(), [Role::Passive, Role::Active]);
    assert_eq!((c.node(0).flaps(), c.hosts[0].saved.latched), (0, false));
    assert_eq!(c.alarms(0), []);
}

/// To stop while the flap that latches is being carried out.
#[test]
fn rule_13_stop_during_the_last_allowed_flap_still_exits() {
    for after in 0..30 {
        let with = |primary| Settings {
            max_flaps: 1,
            preempt: false,
            ..quick(primary)
        };
        let mut c = Cluster::new(&[with(true), with(false)]);
        c.settle();
        flap(&mut c);
        flap(&mut c);
        assert_eq!((c.roles()[0], c.node(0).flaps()), (Role::Active, 1));
        c.hosts[0].cables[0] = NO_CABLES;
        c.run(ms(after));
        c.ask(0, Request::Stop);
        c.run(ms(300));
        assert!(c.hosts[0].exited, "asked after {after} ms");
        assert_eq!(c.active(), [1]);
    }
}

#[test]
fn rule_13_alone_and_latched_says_that_nobody_is_active() {
    let mut c = with_max(1);
    for _ in 0..3 {
        flap(&mut c);
    }
    c.kill(1);
    c.run(ms(500));
    assert_eq!(c.roles(), [Role::Bypass, Role::Down]);
    assert_eq!(c.raised(0, "no_active"), 1);
}

#[test]
fn rule_06_the_preemption_delay_doubles_with_each_recent_flap() {
    for flaps in 0..4u32 {
        let mut c = Cluster::settled();
        let unix = 1_700_000_000_000;
        c.ask(0, Request::Stop);
        c.run(ms(200));
        c.hosts[0].saved.flaps_unix_ms = vec![unix; flaps as usize];
        c.start(0);
        c.run_until(ms(200), |c| c.roles()[0] == Role::Passive);
        let took = c.run_until(ms(10_000), |c| c.roles()[0] == Role::Active);
        let delay = ms(500) * 2u32.pow(flaps);
        assert!(
            took >= delay && took < delay + ms(60),
            "{flaps} flaps: {took:?}"
        );
    }
}

#[test]
fn rule_13_a_flap_that_leaves_the_window_as_another_is_counted_is_still_written() {
    let window = |primary| Settings {
        flap_window: ms(1000),
        preempt: false,
        ..quick(primary)
    };
    let mut c = Cluster::new(&[window(true), window(false)]);
    c.settle();
    for _ in 0..20 {
        flap(&mut c);
        for i in [0, 1] {
            let saved = c.hosts[i].saved.flaps_unix_ms.len();
            assert_eq!(u32::try_from(saved).unwrap(), c.node(i).flaps());
        }
    }
}

/// Found by the simulation (seed 1012193): a clear let back in what an operator had suspended.
#[test]
fn rule_16_clear_does_not_undo_a_suspension() {
    let mut c = Cluster::settled();
    c.answer(0, Request::Suspend { force: false }).unwrap();
    c.run(ms(100));
    assert_eq!(c.roles()[0], Role::Suspended);
    // Too many flaps are in its state file as well.
    c.hosts[0].saved.latched = true;
    c.kill(0);
    let saved = c.hosts[0].saved.clone();
    c.hosts[0].config.saved = saved;
    c.start(0);
    c.run(ms(50));
    assert!(c.node(0).latched());
    assert!(c.answer(0, Request::Clear).unwrap().contains("suspended"));
    c.run(ms(200));
    assert_eq!(c.roles()[0], Role::Suspended);
    c.answer(0, Request::Resume).unwrap();
    c.run(ms(200));
    assert_eq!(c.roles()[0], Role::Passive);
}
