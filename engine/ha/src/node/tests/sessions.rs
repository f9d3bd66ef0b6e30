//! What the simulation found: sessions whose boot ids do not grow (rule 5), and exits from ACTIVE in
//! the midst of something else.

use super::cluster::{Cluster, ms, quick};
use crate::message::Role;
use crate::observation::Request;
use crate::settings::Settings;

/// Found by the simulation: the clock of one was set back, so the other refuses its new boot id;
/// and that one finds the other's session in its state file, so as nothing new.
#[test]
fn rule_05_two_that_refuse_each_other_still_find_together() {
    let mut c = Cluster::settled();
    c.ask(1, Request::Stop);
    c.run(ms(200));
    assert!(c.hosts[1].exited);
    c.hosts[1].boots -= 50;
    c.forget();
    c.start(1);
    c.run(ms(300));
    assert_eq!(c.roles(), [Role::Active, Role::Passive]);
    assert_eq!(c.doubled, 0, "never two forwarders");
}

/// The same, restarted so soon that the session before still counts as there.
#[test]
fn rule_05_a_quick_restart_with_a_smaller_boot_id_hears_the_active() {
    let mut c = Cluster::settled();
    c.kill(1);
    c.hosts[1].boots -= 50;
    c.forget();
    c.start(1);
    c.run(ms(300));
    assert_eq!(c.roles(), [Role::Active, Role::Passive]);
    assert_eq!(c.doubled, 0, "never two forwarders");
}

/// Rule 23: what else comes to light in the step in which the lease ran out is not why it left.
#[test]
fn rule_23_an_exit_from_active_keeps_its_reason() {
    let mut c = Cluster::settled();
    c.stall(0, ms(100));
    c.hosts[0].cables[0].lan = false;
    c.run(ms(200));
    let changes = c.role_changes(0);
    assert_eq!(
        changes.first().map(|c| c.1),
        Some(crate::events::Reason::LeaseExpired)
    );
}

/// A forced suspension whose hand-over is cut short by a stall is a suspension all the same.
#[test]
fn rule_11_a_lease_that_runs_out_does_not_undo_a_suspension() {
    let mut c = Cluster::settled();
    assert!(c.answer(0, Request::Suspend { force: true }).is_ok());
    c.stall(0, ms(300));
    c.run(ms(500));
    assert_eq!(c.roles(), [Role::Suspended, Role::Active]);
}

/// Found by the simulation (seed 6802): started again and then frozen for longer than its window, an
/// instance took its sleep for listening, and what had come meanwhile for a capture of the past,
/// since it echoed nothing recent.
#[test]
fn rule_06_a_window_that_was_slept_through_is_no_listening() {
    for secondary in [0, 1] {
        let mut c = Cluster::settled();
        let other = 1 - secondary;
        c.kill(secondary);
        c.run_until(ms(200), |c| c.roles()[other] == Role::Active);
        c.run(ms(100));
        c.start(secondary);
        c.run(ms(2));
        c.forget();
        c.stall(secondary, ms(200));
        c.run(ms(400));
        assert_eq!(c.active(), [other], "{secondary}");
        assert_eq!(c.doubled, 0);
    }
}

/// Found by the simulation (seed 9320): resumed in the very step in which its lease ran out.
#[test]
fn rule_11_a_resume_does_not_end_the_listening_after_a_lease_that_ran_out() {
    let mut c = Cluster::settled();
    c.stall(0, ms(100));
    c.ask(0, Request::Suspend { force: true });
    c.ask(0, Request::Resume);
    c.run(ms(105));
    assert_eq!(c.roles()[0], Role::Passive);
    assert!(
        c.answer(0, Request::Switchover)
            .unwrap_err()
            .contains("listening")
    );
}

/// Found by the simulation (seed 7010676): with a threshold of 1 the slot that a restarted ACTIVE had
/// to wait for was the one after which nobody was there.
#[test]
fn rule_05_a_restarted_peer_that_waits_for_a_slot_is_there_when_it_ends() {
    let patient = Settings {
        failure_threshold: 1,
        interval: ms(100),
        ..quick(false)
    };
    let mut c = Cluster::new(&[quick(true), patient]);
    c.settle();
    c.forget();
    c.run(ms(1000));
    assert_eq!(c.roles(), [Role::Active, Role::Passive]);
    c.cut.insert((1, 0));
    c.kill(0);
    c.run(ms(20));
    c.start(0);
    c.run(ms(60));
    assert_eq!(c.roles(), [Role::Active, Role::Passive]);
    c.run(ms(15));
    c.cut.clear();
    c.run(ms(300));
    assert_eq!(c.roles(), [Role::Active, Role::Passive]);
    assert!(c.role_changes(1).is_empty(), "{:?}", c.role_changes(1));
}
