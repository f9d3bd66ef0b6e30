//! Rule 6: who becomes ACTIVE at a start.

use super::cluster::{Cluster, ms, quick};
use crate::action::CardCommand;
use crate::events::Reason;
use crate::link_pairs::PairLinks;
use crate::message::Role;
use crate::node::HA_PORT_GRACE;
use crate::settings::Settings;

fn pair() -> Cluster {
    Cluster::new(&[quick(true), quick(false)])
}

#[test]
fn rule_06_both_start_and_the_primary_becomes_active() {
    let mut c = pair();
    c.start(0);
    c.start(1);
    c.run(ms(30));
    assert_eq!(
        c.roles(),
        [Role::Init, Role::Init],
        "a whole window is listened to"
    );
    c.run(ms(5));
    assert_eq!(c.roles(), [Role::Active, Role::Passive]);
    assert_eq!(
        c.role_changes(1),
        [(Role::Passive, Reason::PeerIsPreferred)]
    );
    c.run(ms(2000));
    assert_eq!(c.roles(), [Role::Active, Role::Passive]);
    assert_eq!(c.hosts[0].cards, [CardCommand::Inline]);
    assert_eq!(c.doubled, 0);
}

#[test]
fn rule_06_primary_first() {
    let mut c = pair();
    c.start(0);
    c.run(ms(100));
    assert_eq!(c.roles(), [Role::Active, Role::Down]);
    c.start(1);
    c.run(ms(2000));
    assert_eq!(c.roles(), [Role::Active, Role::Passive]);
    assert_eq!(c.role_changes(0), [(Role::Active, Reason::NoPeerHeard)]);
    assert_eq!((c.doubled, c.node(0).flaps()), (0, 0));
}

#[test]
fn rule_06_secondary_first_and_the_primary_preempts_after_its_delay() {
    let mut c = pair();
    c.start(1);
    c.run(ms(100));
    assert_eq!(c.roles(), [Role::Down, Role::Active]);
    c.start(0);
    c.run(ms(500));
    assert_eq!(c.roles(), [Role::Passive, Role::Active]);
    c.dark = 0;
    c.run(ms(200));
    assert_eq!(c.roles(), [Role::Active, Role::Passive]);
    assert_eq!((c.dark, c.doubled), (0, 0));
    assert_eq!(
        c.role_changes(1).last(),
        Some(&(Role::Passive, Reason::Preempted))
    );
    assert_eq!(c.node(1).flaps(), 0, "preemption is the operator's wish");
}

#[test]
fn rule_06_preempt_off_leaves_the_role_where_it_is() {
    let mut c = pair();
    c.hosts[0].config.settings.preempt = false;
    c.start(1);
    c.run(ms(100));
    c.start(0);
    c.run(ms(5000));
    assert_eq!(c.roles(), [Role::Passive, Role::Active]);
    assert_eq!(c.node(0).preempt_at(), None);
}

#[test]
fn rule_06_the_order_of_the_starts_within_the_window_does_not_matter() {
    for lead in 0..40 {
        for first in [0, 1] {
            let mut c = pair();
            c.start(first);
            c.run(ms(lead));
            c.start(1 - first);
            c.run(ms(1000));
            assert_eq!(
                c.roles(),
                [Role::Active, Role::Passive],
                "{first} leads by {lead}"
            );
            assert_eq!(c.doubled, 0);
            assert_eq!(c.node(0).flaps() + c.node(1).flaps(), 0);
        }
    }
}

#[test]
fn rule_06_listening_begins_when_the_ha_port_passes_frames() {
    let mut c = pair();
    c.hosts[0].ha_carrier = false;
    c.start(0);
    c.run(ms(1000));
    assert_eq!(c.roles()[0], Role::Init);
    c.hosts[0].ha_carrier = true;
    c.run(ms(30));
    assert_eq!(c.roles()[0], Role::Init);
    c.run(ms(5));
    assert_eq!(c.roles()[0], Role::Active);
}

#[test]
fn rule_06_a_dead_ha_port_does_not_hold_a_start_for_ever() {
    let mut c = pair();
    c.hosts[1].ha_carrier = false;
    c.start(1);
    c.run(HA_PORT_GRACE + ms(25));
    assert_eq!(c.roles()[1], Role::Init);
    assert_eq!(c.raised(1, "ha_port_down"), 1);
    c.run(ms(10));
    assert_eq!(c.role_changes(1), [(Role::Active, Reason::NoPeerHeard)]);
}

#[test]
fn rule_06_a_start_without_links_is_unfit_but_not_undecided() {
    let mut c = pair();
    c.hosts[0].cables[0] = PairLinks::default();
    c.start(0);
    c.start(1);
    c.run(ms(100));
    assert_eq!(c.roles(), [Role::Down, Role::Active]);
    assert_eq!(
        c.role_changes(0).last(),
        Some(&(Role::Down, Reason::LinksBelowMinimum))
    );
}

#[test]
fn rule_06_two_primaries_and_no_primary_alarm_and_have_one_active() {
    for primary in [true, false] {
        let mut c = Cluster::new(&[quick(primary), quick(primary)]);
        c.start(0);
        c.start(1);
        c.run(ms(5000));
        assert_eq!(c.active(), [0]);
        let alarm = if primary {
            "two_primaries"
        } else {
            "no_primary"
        };
        assert_eq!((c.raised(0, alarm), c.raised(1, alarm)), (1, 1));
        assert_eq!((c.role_changes(0).len(), c.role_changes(1).len()), (1, 1));
        assert_eq!(c.doubled, 0);
    }
}

#[test]
fn rule_06_three_instances_have_one_active() {
    let mut c = Cluster::new(&[quick(false), quick(true), quick(false)]);
    for i in 0..3 {
        c.start(i);
    }
    c.run(ms(200));
    assert_eq!(c.active(), [1]);
    c.kill(1);
    c.run(ms(60));
    assert_eq!(c.active(), [0]);
    assert_eq!(c.doubled, 0);
}

/// The peer hears us for the first time, so it cannot have echoed us yet.
#[test]
fn rule_23_a_peer_that_starts_or_restarts_raises_no_alarm() {
    let mut c = Cluster::settled();
    for _ in 0..3 {
        c.kill(1);
        c.run(ms(100));
        c.start(1);
        c.run(ms(300));
    }
    for name in ["one_way", "dual_active", "no_active", "degraded"] {
        assert_eq!((c.raised(0, name), c.raised(1, name)), (0, 0), "{name}");
    }
}

/// The starter listens for less than the ACTIVE's interval.
#[test]
fn rule_06_the_active_one_answers_a_listener_at_once() {
    let slow = Settings {
        interval: ms(100),
        ..quick(true)
    };
    let fast = Settings {
        interval: ms(2),
        ..quick(false)
    };
    for phase in 0..20 {
        let mut c = Cluster::new(&[slow.clone(), fast.clone()]);
        c.start(0);
        c.run(ms(1000 + phase * 5));
        c.start(1);
        c.run(ms(1000));
        assert_eq!(c.roles(), [Role::Active, Role::Passive]);
        assert_eq!(c.role_changes(1).len(), 1, "{:?}", c.role_changes(1));
        assert_eq!(c.doubled, 0);
    }
}

/// Found by the simulation (seed 2010714): the peer still sent by the threshold that it knew.
#[test]
fn rule_24_a_lower_failure_threshold_is_not_held_against_a_peer_that_does_not_know_it_yet() {
    for ticks in 0..12 {
        let mut c = Cluster::settled();
        c.run(c.tick * ticks);
        c.lose.insert((0, 1), 1);
        c.run(ms(11));
        let settings = Settings {
            failure_threshold: 1,
            ..quick(false)
        };
        c.hosts[1].node.as_mut().unwrap().apply(settings, 7);
        c.run(ms(500));
        assert_eq!(c.roles(), [Role::Active, Role::Passive]);
        assert_eq!((c.role_changes(0).len(), c.role_changes(1).len()), (0, 0));
        c.kill(0);
        let took = c.run_until(ms(50), |c| c.roles()[1] == Role::Active);
        assert!(took <= ms(11), "{took:?}");
    }
}
