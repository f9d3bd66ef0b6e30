//! What operators ask for, and the end of a process.

use super::cluster::{Cluster, ms, quick};
use crate::action::CardCommand;
use crate::events::Reason;
use crate::link_pairs::PairLinks;
use crate::message::Role;
use crate::observation::Request;
use crate::settings::Settings;

const NO_CABLES: PairLinks = PairLinks {
    lan: false,
    wan: false,
};
const SUSPEND: Request = Request::Suspend { force: false };
const FORCE: Request = Request::Suspend { force: true };

fn refused(c: &mut Cluster, i: usize, request: Request, because: &str) {
    let role = c.roles()[i];
    let answer = c.answer(i, request);
    assert!(
        answer.as_ref().is_err_and(|e| e.contains(because)),
        "{request:?}: {answer:?}"
    );
    assert_eq!(
        c.roles()[i],
        role,
        "{request:?} was refused and did something"
    );
}

#[test]
fn rule_08_refusals_say_why() {
    let mut c = Cluster::new(&[quick(true), quick(false)]);
    c.start(0);
    refused(&mut c, 0, Request::Switchover, "listening");
    c.run(ms(100));
    refused(&mut c, 0, Request::Switchover, "no peer was ever heard");
    refused(&mut c, 0, SUSPEND, "--force");
    refused(&mut c, 0, Request::Resume, "not suspended");
    c.start(1);
    c.run(ms(5));
    refused(
        &mut c,
        0,
        Request::Switchover,
        "instance 2 is not HEALTHY yet",
    );
    c.run(ms(200));
    c.hosts[1].cables[0] = NO_CABLES;
    c.run(ms(50));
    refused(
        &mut c,
        0,
        Request::Switchover,
        "instance 2 is not fit: fewer link pairs",
    );
    refused(&mut c, 1, Request::Switchover, "not fit");
    c.ask(1, SUSPEND);
    c.run(ms(50));
    refused(&mut c, 0, SUSPEND, "instance 2 is SUSPENDED");
    refused(&mut c, 1, Request::Switchover, "resume");
    refused(&mut c, 1, SUSPEND, "suspended already");
    c.kill(1);
    c.run(ms(100));
    refused(&mut c, 0, Request::Switchover, "instance 2 is UNHEALTHY");
    c.start(1);
    c.run(ms(100));
    c.ask(1, Request::Stop);
    c.run(ms(100));
    refused(&mut c, 0, Request::Switchover, "instance 2 was stopped");
}

#[test]
fn rule_08_only_one_handover_at_a_time() {
    let mut c = Cluster::settled();
    assert!(c.answer(0, Request::Switchover).is_ok());
    refused(&mut c, 0, Request::Switchover, "under way");
    refused(&mut c, 0, SUSPEND, "under way");
    c.run(ms(300));
    assert_eq!(c.roles(), [Role::Passive, Role::Active]);
}

#[test]
fn rule_08_a_switchover_is_refused_at_one_that_is_not_heard() {
    let mut c = Cluster::settled();
    c.cut.insert((1, 0));
    c.run(ms(300));
    refused(&mut c, 1, Request::Switchover, "does not hear us");
}

#[test]
fn rule_08_an_asked_switchover_that_nobody_answers_ends() {
    let mut c = Cluster::settled();
    // From the first request on, nothing of ours arrives.
    c.cut.insert((1, 0));
    assert!(c.answer(1, Request::Switchover).is_ok());
    c.run(ms(65));
    c.mend();
    c.run(ms(1000));
    assert_eq!(
        c.roles(),
        [Role::Active, Role::Passive],
        "the request does not linger"
    );
    let said = c.hosts[1]
        .events
        .iter()
        .any(|e| e.why == Reason::HandoverTimedOut);
    assert!(said, "{:?}", c.hosts[1].events);
}

#[test]
fn rule_06_a_switchover_holds_preemption_until_cleared() {
    for asked_at in [0, 1] {
        let mut c = Cluster::settled();
        assert!(c.answer(asked_at, Request::Switchover).is_ok());
        c.run(ms(5000));
        assert_eq!(c.roles(), [Role::Passive, Role::Active]);
        assert!(c.node(0).preemption_held());
        c.ask(0, Request::Clear);
        c.run(ms(600));
        assert_eq!(c.roles(), [Role::Active, Role::Passive]);
        assert!(!c.node(0).preemption_held());
    }
}

#[test]
fn rule_06_the_hold_ends_with_the_next_failover() {
    let mut c = Cluster::settled();
    c.ask(0, Request::Switchover);
    c.run(ms(200));
    c.kill(1);
    c.run(ms(100));
    assert_eq!(c.active(), [0]);
    assert!(!c.node(0).preemption_held());
}

/// A switch-over that did not take place holds nothing.
#[test]
fn rule_06_a_failed_switchover_does_not_hold_preemption_later() {
    let mut c = Cluster::settled();
    c.ask(0, Request::Switchover);
    c.stall(1, ms(300));
    c.run(ms(500));
    assert_eq!(c.active(), [0]);
    c.hosts[0].cables[0] = NO_CABLES;
    c.run(ms(200));
    assert_eq!(c.active(), [1]);
    c.hosts[0].cables[0] = PairLinks {
        lan: true,
        wan: true,
    };
    c.run(ms(1500));
    assert_eq!(c.active(), [0], "the primary takes its role back");
}

#[test]
fn rule_08_suspend_resume_and_force() {
    let mut c = Cluster::settled();
    assert!(c.answer(1, SUSPEND).is_ok());
    assert_eq!(c.roles(), [Role::Active, Role::Suspended]);
    assert!(c.answer(0, FORCE).is_ok());
    c.run(ms(200));
    assert_eq!(c.roles(), [Role::Suspended, Role::Suspended]);
    assert_eq!((c.raised(0, "no_active"), c.raised(1, "no_active")), (1, 1));
    assert_eq!((c.carries(0), c.carries(1)), (None, None));
    assert!(c.answer(1, Request::Resume).is_ok());
    c.run(ms(50));
    assert_eq!(c.roles(), [Role::Suspended, Role::Active]);
    assert!(c.alarms(0).is_empty() && c.alarms(1).is_empty());
    assert!(c.answer(0, Request::Resume).is_ok());
    c.run(ms(1000));
    assert_eq!(c.roles(), [Role::Active, Role::Passive]);
}

#[test]
fn rule_08_suspended_survives_a_stop_and_a_crash() {
    for stop in [true, false] {
        let mut c = Cluster::settled();
        c.ask(1, SUSPEND);
        c.run(ms(20));
        if stop {
            c.ask(1, Request::Stop);
            c.run(ms(100));
            assert!(c.hosts[1].exited);
        }
        c.kill(1);
        c.run(ms(20));
        c.start(1);
        c.run(ms(500));
        assert_eq!(c.roles(), [Role::Active, Role::Suspended]);
        c.kill(0);
        c.run(ms(500));
        assert_eq!(c.roles(), [Role::Down, Role::Suspended]);
    }
}

/// Resumed before it has listened, it must not think that nobody is there.
#[test]
fn rule_06_resumed_right_after_its_start_it_listens_first() {
    let mut c = Cluster::settled();
    c.ask(1, SUSPEND);
    c.run(ms(20));
    c.kill(1);
    c.run(ms(100));
    c.forget();
    c.start(1);
    assert!(c.answer(1, Request::Resume).is_ok());
    assert_eq!(c.roles(), [Role::Active, Role::Init]);
    c.run(ms(500));
    assert_eq!(c.roles(), [Role::Active, Role::Passive]);
    assert_eq!(c.role_changes(0), []);
    assert_eq!(c.doubled, 0);
    assert_eq!(
        c.hosts[1].cards,
        [CardCommand::Inline],
        "and its card is in the way"
    );
}

#[test]
fn rule_08_stop_hands_over_and_ends() {
    let mut c = Cluster::settled();
    let unhurried = c.now;
    assert!(c.answer(0, Request::Stop).is_ok());
    c.run_until(ms(100), |c| c.hosts[0].exited);
    assert!(c.now.since(unhurried) < ms(60));
    assert_eq!(c.active(), [1]);
    c.run(ms(500));
    assert_eq!((c.dark, c.doubled), (0, 0));
    assert_eq!(c.role_changes(1), [(Role::Active, Reason::PeerHandsOver)]);
    assert!(!c.hosts[0].saved.active);
}

#[test]
fn rule_08_stop_without_a_peer_ends_too() {
    let mut c = Cluster::new(&[quick(true)]);
    c.settle();
    c.ask(0, Request::Stop);
    c.run_until(ms(50), |c| c.hosts[0].exited);
    // In every other phase as well, and with a worker that hangs.
    for after in [0, 10, 29, 60] {
        let mut c = Cluster::new(&[quick(true)]);
        c.start(0);
        c.run(ms(after));
        c.hosts[0].worker_hangs = true;
        c.ask(0, Request::Stop);
        c.run_until(ms(150), |c| c.hosts[0].exited);
    }
}

#[test]
fn rule_08_stop_with_a_successor_that_does_not_answer_ends_in_bounds() {
    let mut c = Cluster::settled();
    c.stall(1, ms(10_000));
    c.ask(0, Request::Stop);
    let took = c.run_until(ms(500), |c| c.hosts[0].exited);
    assert!(took < ms(200), "two windows, and the goodbye: {took:?}");
}

#[test]
fn rule_08_stop_during_a_handover_ends() {
    for after in 0..40 {
        for other in [0, 1] {
            let mut c = Cluster::settled();
            c.ask(0, Request::Switchover);
            c.run(ms(after));
            c.ask(other, Request::Stop);
            c.run(ms(400));
            assert!(c.hosts[other].exited, "{other} after {after} ms");
            assert_eq!(c.active(), [1 - other], "{other} after {after} ms");
            assert_eq!(c.doubled, 0);
        }
    }
}

#[test]
fn rule_08_stopping_lets_the_peer_drop_its_view_at_once() {
    let mut c = Cluster::settled();
    c.ask(1, Request::Stop);
    c.run(ms(8));
    let peer = c.node(0).peers().next().expect("known");
    assert!(peer.said_goodbye() && !peer.present());
    // And an incumbent that could not hand over is succeeded without a threshold.
    let slow = |primary| Settings {
        failure_threshold: 100,
        ..quick(primary)
    };
    let mut c = Cluster::new(&[slow(true), slow(false)]);
    c.settle();
    c.hosts[1].cables[0] = NO_CABLES;
    c.run(ms(50));
    c.ask(0, Request::Stop);
    c.run(ms(20));
    assert_eq!(c.roles(), [Role::Down, Role::Active]);
    assert_eq!(c.doubled, 0);
}

#[test]
fn rule_24_a_reload_keeps_the_role() {
    let mut c = Cluster::settled();
    for interval in [5, 40, 10] {
        for i in [0, 1] {
            let settings = Settings {
                interval: ms(interval),
                ..quick(i == 0)
            };
            c.hosts[i].config.settings = settings.clone();
            c.node_mut(i).apply(settings, interval);
            c.run(ms(5));
        }
        c.run(ms(1000));
        assert_eq!(c.roles(), [Role::Active, Role::Passive]);
    }
    assert_eq!((c.dark, c.doubled), (0, 0));
    assert_eq!((c.role_changes(0).len(), c.role_changes(1).len()), (0, 0));
    let health =
        |e: &&crate::events::Event| matches!(e.subject, crate::events::Subject::Health { .. });
    assert_eq!(c.hosts[0].events.iter().filter(health).count(), 0);
    // Each pair of reloads differed for a moment.
    assert_eq!(c.raised(0, "configuration_differs"), 3);
    assert!(c.alarms(0).is_empty() && c.alarms(1).is_empty());
}

/// Rule 23: whatever changes is an event, and what does not change is none.
#[test]
fn rule_23_a_settled_cluster_is_silent() {
    let mut c = Cluster::settled();
    c.run(ms(20_000));
    assert_eq!((&c.hosts[0].events, &c.hosts[1].events), (&vec![], &vec![]));
    assert_eq!(c.hosts[0].gates_told, []);
}
