//! Rule 5: sessions whose boot ids do not grow.

use super::cluster::{Cluster, ms};
use crate::message::Role;
use crate::observation::Request;

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
