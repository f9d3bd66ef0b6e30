//! What consoles see of a node.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::action::GateMode;
use crate::bandwidth::Rates;
use crate::events::{Alarm, Event, Reason};
use crate::link_pairs::LinkPair;
use crate::message::{Role, Side, UnfitReason};
use crate::peer::Peer;
use crate::settings::Settings;
use twinline_time::Time;

use super::{Node, Phase};

/// How late our own loop was (rule 3): what a peer must not be blamed for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lateness {
    /// The largest lateness of this run.
    pub max: Duration,
    /// Steps that came more than half an interval late.
    pub late_steps: u64,
    /// The step that runs is one of them.
    pub(super) now_late: bool,
}

impl Lateness {
    pub(super) fn note(&mut self, by: Duration, late: bool) {
        self.max = self.max.max(by);
        self.late_steps += u64::from(late);
        self.now_late = late;
    }
}

/// What part a node plays, as far as its virtual routers go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// Started, and nothing decided.
    Listening,
    /// Leaves the traffic to others.
    Standby,
    /// Carries the traffic.
    Active,
    /// Carries it, and is about to leave it to a successor.
    HandingOver,
    /// Out of the election: suspended, latched, or about to end.
    Out,
}

impl Node {
    /// What part it plays.
    #[must_use]
    pub fn part(&self) -> Part {
        match &self.phase {
            Phase::Init { .. } => Part::Listening,
            Phase::Standby { .. } => Part::Standby,
            Phase::Active { .. } => Part::Active,
            Phase::HandingOver(_) => Part::HandingOver,
            Phase::Suspended | Phase::Latched | Phase::Stopping { .. } | Phase::Stopped => {
                Part::Out
            }
        }
    }

    /// This instance's id.
    #[must_use]
    pub fn instance(&self) -> u16 {
        self.instance
    }

    /// Since when the role is what it is.
    #[must_use]
    pub fn role_since(&self) -> Time {
        self.shown_since
    }

    /// Why the role is what it is.
    #[must_use]
    pub fn role_reason(&self) -> Reason {
        self.why
    }

    /// To whom we are handing over, if we are.
    #[must_use]
    pub fn handing_over_to(&self) -> Option<u16> {
        match &self.phase {
            Phase::HandingOver(state) => Some(state.successor),
            _ => None,
        }
    }

    /// Fit to carry the traffic.
    #[must_use]
    pub fn is_fit(&self) -> bool {
        self.fit()
    }

    /// Fewer link pairs up than the minimum (rule 18), whatever else makes it unfit.
    #[must_use]
    pub fn links_below_minimum(&self) -> bool {
        self.link_fitness.fit() == Some(false)
    }

    /// Why not, where that is known.
    #[must_use]
    pub fn unfit_reason(&self) -> Option<UnfitReason> {
        self.unfit
    }

    /// ACTIVE although not fit (rule 10).
    #[must_use]
    pub fn degraded(&self) -> bool {
        self.carrying() && !self.fit()
    }

    /// Latched by too many flaps.
    #[must_use]
    pub fn latched(&self) -> bool {
        self.phase == Phase::Latched
    }

    /// Suspended by an operator.
    #[must_use]
    pub fn suspended(&self) -> bool {
        self.phase == Phase::Suspended
    }

    /// Preemption waits because an operator switched over.
    #[must_use]
    pub fn preemption_held(&self) -> bool {
        self.operator_hold
    }

    /// When the role will be taken back, if that is planned.
    #[must_use]
    pub fn preempt_at(&self) -> Option<Time> {
        self.preempt_at
    }

    /// The takeover epoch: our own while we carry the traffic, else the largest seen.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        if self.carrying() {
            self.tenure
        } else {
            self.epoch
        }
    }

    /// Flaps within the window.
    #[must_use]
    pub fn flaps(&self) -> u32 {
        self.flaps.count(self.now, self.settings.flap_window)
    }

    /// For how long each flap within the window has been past, newest first.
    pub fn flaps_ago(&self) -> impl Iterator<Item = Duration> {
        let window = self.settings.flap_window;
        let ago = self.flaps.times().map(|at| self.now.since(at));
        ago.rev().take_while(move |&ago| ago < window)
    }

    /// Who would take over, were this instance to hand over now; or why nobody can, in words.
    ///
    /// # Errors
    /// Nobody can.
    pub fn successor(&self) -> Result<u16, String> {
        self.best_successor().ok_or_else(|| self.why_no_successor())
    }

    /// Links of virtual routers' ports that pass frames: they count beside link pairs (rule 18).
    #[must_use]
    pub fn router_links_up(&self) -> u16 {
        self.routers.links_up
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The digest that heartbeats carry.
    #[must_use]
    pub fn config_digest(&self) -> u64 {
        self.config_digest
    }

    /// The end of the lease, where one is held.
    #[must_use]
    pub fn lease_until(&self) -> Option<Time> {
        self.lease_until
    }

    /// What the gates were told last.
    #[must_use]
    pub fn gates(&self) -> GateMode {
        self.gates
    }

    /// Every peer that was heard in this run.
    pub fn peers(&self) -> impl Iterator<Item = &Peer> {
        self.peers.values()
    }

    /// Whether we hear this peer and it does not hear us.
    #[must_use]
    pub fn peer_is_deaf(&self, peer: u16) -> bool {
        self.deaf(peer)
    }

    /// The link pairs, in the order of the configuration.
    #[must_use]
    pub fn link_pairs(&self) -> &[LinkPair] {
        &self.pairs
    }

    /// Addresses known on a side of a pair.
    #[must_use]
    pub fn macs_known(&self, pair: usize, side: Side) -> usize {
        self.macs.get(pair).map_or(0, |t| t.count(side))
    }

    /// Measured bandwidth (rule 20).
    #[must_use]
    pub fn bandwidth(&self) -> Rates {
        self.meter.rates()
    }

    /// This instance handed over for want of bandwidth within the flap window (rule 21).
    #[must_use]
    pub fn bandwidth_failed(&self) -> bool {
        self.monitor
            .failed_within(self.now, self.settings.flap_window)
    }

    /// How late our own loop was.
    #[must_use]
    pub fn lateness(&self) -> Lateness {
        self.lateness
    }

    /// How long after it was due the heartbeat was sent that the last step sent; `None` when it sent
    /// none, or one before it was due.
    #[must_use]
    pub fn heartbeat_lateness(&self) -> Option<Duration> {
        self.sent_late_by
    }

    /// Recent events, oldest first.
    pub fn events(&self) -> impl DoubleEndedIterator<Item = &Event> + ExactSizeIterator {
        self.log.iter()
    }

    /// The alarms that stand.
    pub fn alarms(&self) -> impl Iterator<Item = (&Alarm, Time)> {
        self.log.alarms()
    }

    /// Messages refused after their key was verified, by cause.
    #[must_use]
    pub fn refused(&self) -> &BTreeMap<&'static str, u64> {
        &self.refused
    }

    /// The role last shown.
    #[must_use]
    pub fn shown_role(&self) -> Role {
        self.shown
    }

    /// Writes a note of the management core's into the event log.
    pub fn record_note(&mut self, text: String, why: Reason) {
        self.event(crate::events::Subject::Note(text), why);
    }

    /// Writes a virtual router's change of state into the event log. `now` and `unix_ms` are when it
    /// happened, which is later than the last step.
    pub fn record_router(
        &mut self,
        now: Time,
        unix_ms: u64,
        subject: crate::events::Subject,
        why: Reason,
    ) {
        let event = self.log.push(now, unix_ms, subject, why);
        self.out.push(crate::action::Action::Event(event));
    }

    /// Raises or clears an alarm that the management core watches.
    pub fn set_alarm(&mut self, alarm: Alarm, on: bool) {
        self.alarm(alarm, on);
    }
}
