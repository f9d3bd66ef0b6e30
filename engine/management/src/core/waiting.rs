//! A commit that is rolled back unless it is confirmed.

use std::sync::Arc;
use std::time::Duration;

use twinline_config::Config;
use twinline_ha::events::Alarm;
use twinline_ha::{Reason, Time};
use twinline_wire::heartbeat::Auth;

use super::{ManagementCore, live_part, unix_ms};
use crate::convert;

/// A commit that waits to be confirmed.
pub(super) struct WaitingNow {
    /// Until then, on the node's clock: nobody sets that one.
    pub(super) until: Time,
    /// When what is left was noted last.
    pub(super) noted: Time,
    pub(super) former: Arc<Config>,
    /// Its keys; those in use stay where they could not be had.
    pub(super) auth: Option<Auth>,
    pub(super) alarm: Alarm,
}

impl ManagementCore {
    pub(super) fn wait_for_confirmation(
        &mut self,
        former: Arc<Config>,
        auth: Option<Auth>,
        left: Duration,
    ) {
        let left_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        let alarm = Alarm::CommitUnconfirmed {
            until_unix_ms: unix_ms().saturating_add(left_ms),
        };
        self.node.set_alarm(alarm.clone(), true);
        self.changes.waiting = Some(WaitingNow {
            until: self.now() + left,
            noted: self.now(),
            former,
            auth,
            alarm,
        });
    }

    pub(super) fn wait_longer(&mut self, within: Duration) {
        if let Some(waiting) = self.changes.waiting.take() {
            self.node.set_alarm(waiting.alarm, false);
            self.wait_for_confirmation(waiting.former, waiting.auth, within);
        }
    }

    /// It is confirmed, or replaced by what does not wait.
    pub(super) fn no_longer_waiting(&mut self) {
        if let Some(waiting) = self.changes.waiting.take() {
            self.node.set_alarm(waiting.alarm, false);
        }
    }

    /// The time is over. What was before comes back whatever it means for the roles: it was in force
    /// before, and nobody was there to say otherwise.
    pub(super) fn not_confirmed(&mut self) {
        let Some(waiting) = self.changes.waiting.take() else {
            return;
        };
        self.node.set_alarm(waiting.alarm, false);
        let merged = live_part(&self.config, &waiting.former);
        let digest = convert::digest(&merged);
        let in_use = self.appliance.ha.as_ref().map(|ha| ha.auth().clone());
        let auth = waiting.auth.or(in_use).unwrap_or_default();
        self.put_in_force(merged, digest, auth);
        self.changes.history.not_confirmed(unix_ms());
        self.changes.committed = waiting.former;
        let text = "the commit was not confirmed in time: what was before it is in force again";
        log::warn!("{text}");
        self.node
            .record_note(text.into(), Reason::CommitNotConfirmed);
        self.changes.keep(None);
    }
}
