//! Modes without an election, and workers that hang.

use super::cluster::{Cluster, ms, quick};
use crate::action::GateMode;
use crate::events::Reason;
use crate::message::{Role, UnfitReason};
use crate::observation::Request;
use crate::settings::{Mode, Settings};

fn mode(mode: Mode) -> Cluster {
    let with = |primary| Settings {
        mode,
        ..quick(primary)
    };
    Cluster::new(&[with(true), with(false)])
}

#[test]
fn rule_06_standalone_is_active_at_once_and_says_nothing() {
    let mut c = mode(Mode::Standalone);
    c.start(0);
    c.run(ms(5));
    assert_eq!(c.carries(0), Some(GateMode::Forward));
    c.run(ms(5000));
    assert_eq!(c.role_changes(0), [(Role::Active, Reason::NoPeerByMode)]);
    assert!(c.alarms(0).is_empty());
    c.ask(0, Request::Stop);
    c.run_until(ms(50), |c| c.hosts[0].exited);
}

#[test]
fn rule_22_active_active_carries_everywhere_and_comes_back_after_a_suspension() {
    let mut c = mode(Mode::ActiveActive);
    c.start(0);
    c.start(1);
    c.run(ms(500));
    assert_eq!(c.roles(), [Role::Active, Role::Active]);
    assert!(c.answer(0, Request::Suspend { force: true }).is_ok());
    c.run(ms(100));
    assert_eq!(c.roles(), [Role::Suspended, Role::Active]);
    assert!(c.answer(0, Request::Resume).is_ok());
    c.run(ms(500));
    assert_eq!(c.roles(), [Role::Active, Role::Active]);
    assert_eq!(c.carries(0), Some(GateMode::Forward));
    c.kill(0);
    c.run(ms(500));
    assert_eq!(c.roles()[1], Role::Active);
}

#[test]
fn rule_10_a_hung_worker_makes_unfit_and_hands_over() {
    let mut c = Cluster::settled();
    c.hosts[0].worker_hangs = true;
    // One that waits its turn for a moment is not hung.
    c.run(ms(900));
    assert_eq!(c.roles(), [Role::Active, Role::Passive]);
    c.run(ms(400));
    assert_eq!(c.roles(), [Role::Down, Role::Active]);
    assert_eq!(c.node(0).unfit_reason(), Some(UnfitReason::WorkerStalled));
    assert_eq!(c.carries(1), Some(GateMode::Forward));
    assert_eq!(c.doubled, 0, "its lease is gone, whatever gate it hangs in");
    c.hosts[0].worker_hangs = false;
    c.run(ms(50));
    assert_eq!(c.roles()[0], Role::Passive);
    assert_eq!(
        c.role_changes(0).last(),
        Some(&(Role::Passive, Reason::WorkersRecovered))
    );
}
