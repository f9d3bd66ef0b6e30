//! Conditions that somebody should look at (rule 23).

use std::ops::Bound;
use std::time::Duration;

use crate::events::{Alarm, Reason};
use crate::message::{Flags, Role};
use crate::observation::Reject;
use crate::settings::Mode;
use twinline_time::Time;

use super::{HA_PORT_GRACE, Node, Phase};

/// How long an alarm about foreign frames stands after the last of them.
const REJECT_STANDS: Duration = Duration::from_secs(10);
/// A peer that was silent for so long is gone: what it said last is no alarm any more.
const GONE: Duration = Duration::from_secs(60);
/// How many foreign stacks are named at once.
const NAMED_STACKS: usize = 8;

impl Node {
    pub(super) fn take_rejects(&mut self, rejects: &[Reject]) {
        for reject in rejects {
            let alarm = match reject {
                Reject::OtherStack(name) => Alarm::OtherStack(name.clone()),
                Reject::BadKey => Alarm::BadKey,
                Reject::Twin => Alarm::TwinInstance,
            };
            let known = self.reject_until.contains_key(&alarm);
            if !known && self.reject_until.len() >= NAMED_STACKS + 2 {
                continue;
            }
            self.reject_until
                .insert(alarm.clone(), self.now + REJECT_STANDS);
            self.alarm(alarm, true);
        }
        let over: Vec<Alarm> = self
            .reject_until
            .iter()
            .filter(|&(_, &until)| self.now >= until)
            .map(|(alarm, _)| alarm.clone())
            .collect();
        for alarm in over {
            self.reject_until.remove(&alarm);
            self.alarm(alarm, false);
        }
    }

    pub(super) fn check_alarms(&mut self) {
        if self.settings.mode == Mode::Standalone {
            return;
        }
        let grace: Time = self.started + HA_PORT_GRACE;
        self.alarm(Alarm::HaPortDown, !self.ha_link_up && self.now >= grace);
        let mut last = None;
        while let Some(id) = self.peer_after(last) {
            self.check_peer_alarms(id);
            last = Some(id);
        }
        self.watch_paths();
        if self.settings.mode != Mode::ActivePassive {
            return;
        }
        let degraded = matches!(self.phase, Phase::Active { .. }) && !self.fit();
        self.alarm(Alarm::Degraded, degraded);
        self.alarm(Alarm::Latched, self.phase == Phase::Latched);
        let standby = matches!(self.phase, Phase::Standby { .. });
        self.alarm(
            Alarm::HeardByAdvertsOnly,
            standby && self.peer_on_the_wire(),
        );
        let nobody = !self.carrying()
            && self.active_peer().is_none()
            && !self.routers.carried_by_another
            && !matches!(
                self.phase,
                Phase::Init { .. } | Phase::Stopping { .. } | Phase::Stopped
            );
        let since = match (nobody, self.no_active_since) {
            (false, _) => None,
            (true, None) => Some(self.now),
            (true, since) => since,
        };
        self.no_active_since = since;
        let window = self.settings.failure_window();
        let long = since.is_some_and(|since| self.now.since(since) >= window);
        self.alarm(Alarm::NoActive, long);
    }

    /// The peer after this one, in the order of their ids.
    pub(super) fn peer_after(&self, last: Option<u16>) -> Option<u16> {
        let from = last.map_or(Bound::Unbounded, Bound::Excluded);
        let mut after = self.peers.range((from, Bound::Unbounded));
        after.next().map(|(&id, _)| id)
    }

    fn check_peer_alarms(&mut self, id: u16) {
        let Some(peer) = self.peers.get(&id) else {
            return;
        };
        let heartbeat = peer.heartbeat();
        let fresh = self.fresh_heartbeat(peer).map(|h| h.role);
        let digest = heartbeat.map(|h| h.config_digest);
        let primary = heartbeat.map(|h| h.flags.has(Flags::PRIMARY));
        let pairwise = self.settings.mode == Mode::ActivePassive;
        // Without a heartbeat an alarm about what it says stays as it was, for a while.
        if peer.last().is_some_and(|r| self.now.since(r.at) >= GONE) {
            self.alarm(Alarm::ConfigurationDiffers(id), false);
            self.alarm(Alarm::TwoPrimaries(id), false);
            self.alarm(Alarm::NoPrimary(id), false);
        }
        if let Some(digest) = digest {
            self.alarm(
                Alarm::ConfigurationDiffers(id),
                digest != self.config_digest,
            );
        }
        if let (Some(primary), true) = (primary, pairwise) {
            self.alarm(Alarm::TwoPrimaries(id), primary && self.settings.primary);
            let lonely = self.peers.len() == 1;
            self.alarm(
                Alarm::NoPrimary(id),
                lonely && !primary && !self.settings.primary,
            );
        }
        self.alarm(Alarm::OneWay(id), self.deaf(id));

        let dual = pairwise
            && fresh == Some(Role::Active)
            && matches!(self.phase, Phase::Active { taking_over: None });
        let stood = self.log.alarms().any(|(a, _)| *a == Alarm::DualActive(id));
        self.alarm(Alarm::DualActive(id), dual);
        if stood && !dual && matches!(self.phase, Phase::Active { .. }) {
            // Rule 9: the winner re-announces, once the other has gone.
            let text = format!("instance {id} has yielded");
            self.event(crate::events::Subject::Note(text), Reason::DualActiveStayed);
            self.begin_announcing();
        }
    }
}
