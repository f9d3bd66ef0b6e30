//! Who is ACTIVE (rules 6, 7, 9, 10 and 11).

use std::time::Duration;

use crate::action::{Action, CardCommand, GateMode};
use crate::claim::{ActiveClaim, Candidacy};
use crate::events::{Alarm, Reason, Subject};
use crate::faults::{self, Fault};
use crate::message::{Flags, Health, Heartbeat, Role};
use crate::peer::Peer;
use crate::settings::Mode;
use twinline_time::Time;

use super::fitness::reason_of;
use super::handover::{Drain, LONGEST_DRAIN, Then};
use super::{Asking, HA_PORT_GRACE, LISTEN_AGAIN, Node, Phase, TakingOver};

/// A successor does not wait for longer than this until its workers find their queues empty: what
/// the old ACTIVE carried last is forwarded or dropped by then, however much comes in.
const EMPTIES: Duration = Duration::from_millis(10);

impl Node {
    pub(super) fn decide(&mut self) {
        match self.phase.clone() {
            Phase::Init { listen_from } => self.decide_init(listen_from),
            Phase::Standby { listen_until } => self.decide_standby(listen_until),
            Phase::Active { taking_over } => self.decide_active(taking_over),
            Phase::HandingOver(state) => self.progress_handover(state),
            Phase::Stopping { since, goodbyes } => self.decide_stopping(since, goodbyes),
            Phase::Suspended | Phase::Latched | Phase::Stopped => {}
        }
        if !matches!(self.phase, Phase::Standby { .. }) {
            self.asking = None;
            self.preempt_at = None;
        }
    }

    /// Rule 6: listening for one whole failure window after the HA port passes frames.
    fn decide_init(&mut self, listen_from: Option<Time>) {
        if self.settings.mode != Mode::ActivePassive {
            self.listened = true;
            self.tell_cards(CardCommand::Inline);
            self.become_active(Reason::NoPeerByMode, None);
            return;
        }
        let Some(from) = listen_from else {
            let grace_over = self.now.since(self.started) >= HA_PORT_GRACE;
            if (self.ha_link_up || grace_over) && !self.cards_on_the_way() {
                self.phase = Phase::Init {
                    listen_from: Some(self.now),
                };
            }
            return;
        };
        let window = self.settings.failure_window();
        if self.slept() {
            let listen_from = Some(self.now);
            self.phase = Phase::Init { listen_from };
            return;
        }
        if (self.now.since(from) < window && !faults::on(Fault::StartsDeaf))
            || self.link_fitness.fit().is_none()
        {
            return;
        }
        if !self.ready_behind_cards() {
            return;
        }
        self.listened = true;
        if !self.promote_if_right() {
            let why = if self.active_peer().is_some() {
                Reason::PeerIsActive
            } else {
                Reason::PeerIsPreferred
            };
            let why = if self.fit() {
                why
            } else {
                self.unfit.map_or(why, reason_of)
            };
            self.enter(Phase::Standby { listen_until: None }, why);
        }
    }

    fn decide_standby(&mut self, listen_until: Option<Time>) {
        if let Some(until) = listen_until {
            if self.slept() {
                let listen_until = Some(self.now + self.settings.failure_window());
                self.phase = Phase::Standby { listen_until };
                return;
            }
            if self.now < until {
                return;
            }
            self.phase = Phase::Standby { listen_until: None };
            self.urgent = true;
        }
        if self.settings.mode != Mode::ActivePassive {
            self.become_active(Reason::NoPeerByMode, None);
            return;
        }
        if self.promote_if_right() {
            return;
        }
        self.consider_preemption();
    }

    /// Our own loop was late, so what runs of a listening is worth nothing: it begins again.
    fn slept(&mut self) -> bool {
        let again = self.lateness.now_late && self.listened_again < LISTEN_AGAIN;
        self.listened_again += u8::from(again);
        again
    }

    /// Becomes ACTIVE when it is ours to be (rules 6, 7 and 10).
    fn promote_if_right(&mut self) -> bool {
        // Rule 7: the peer says that it hands over, to us.
        let handed = self.peers.values().find_map(|p| {
            let h = p.heartbeat()?;
            let to_us = h.role == Role::Active
                && h.flags.has(Flags::HANDING_OVER)
                && h.successor == self.instance;
            let spent = self.offers_spent_at >= p.last().map(|last| last.at);
            (to_us && !spent).then_some(p.instance())
        });
        if let Some(from) = handed {
            // Not where we would yield in the next step (rule 9): to a third one that is ACTIVE, or
            // to one whose gate is closed already, so that nothing is left to be taken over.
            let open = self
                .peers
                .get(&from)
                .is_some_and(|p| p.says(Flags::GATE_OPEN));
            let ours = self.epoch.saturating_add(1);
            // With the lease of the new tenure, workers that have not closed yet since the last one
            // would carry everything again.
            let closed = self.gates_adopted || !self.settings.leased();
            if self.fit() && closed && self.better_rival(ours, open.then_some(from)).is_none() {
                let taking = self.taking_over_from(from);
                self.become_active(Reason::PeerHandsOver, Some(taking));
                return true;
            }
            return false;
        }
        if let Some(peer) = self.active_peer() {
            if faults::on(Fault::HaPathMovesRole) && self.ha_path_broken(peer) {
                self.become_active(Reason::PeerUnhealthy, None);
                return true;
            }
            self.nobody_active_since = None;
            return false;
        }
        let since = *self.nobody_active_since.get_or_insert(self.now);
        let mut present = self
            .peers
            .values()
            .filter_map(|p| p.heartbeat().map(|h| (p, h)))
            .peekable();
        if present.peek().is_none() {
            // Rule 12: the heartbeats' path is dead, and the adverts of its virtual routers are not.
            if self.cut_off() || self.peer_on_the_wire() {
                return false;
            }
            let silent = self.peers.values().any(|p| p.last().is_some());
            let why = if silent {
                Reason::PeerUnhealthy
            } else {
                Reason::NoPeerHeard
            };
            self.become_active(why, None);
            return true;
        }
        let ours = Candidacy::new(self.fit(), self.settings.primary, self.instance);
        let better = present.any(|(p, h)| {
            stands(h)
                && Candidacy::new(
                    h.flags.has(Flags::FIT),
                    h.flags.has(Flags::PRIMARY),
                    p.instance(),
                ) > ours
        });
        // A better candidate that does not move is no reason to have nobody ACTIVE.
        let patience = HA_PORT_GRACE + self.settings.failure_window() * 2;
        if better && self.now.since(since) < patience {
            return false;
        }
        self.become_active(Reason::NoActivePeer, None);
        true
    }

    /// The primary asks for its role back, after a delay that doubles with each recent flap.
    fn consider_preemption(&mut self) {
        if let Some(Asking::Operator { until }) = self.asking {
            if self.now < until {
                return;
            }
            self.asking = None;
            let text = "the ACTIVE peer did not hand over when asked".into();
            self.event(Subject::Note(text), Reason::HandoverTimedOut);
        }
        let holder = self.active_peer().and_then(|id| self.peers.get(&id));
        let wanted = self.settings.preempt
            && self.settings.primary
            && !self.operator_hold
            // Where the traffic failed us lately it is not taken back on a timer.
            && !self.bandwidth_failed()
            && self.fit()
            && holder.is_some_and(|p| p.health() == Health::Healthy && !p.says(Flags::PRIMARY))
            && !holder.is_some_and(|p| self.frozen(p.instance()));
        if !wanted {
            self.preempt_at = None;
            self.asking = None;
            return;
        }
        let flaps = self
            .flaps
            .count(self.now, self.settings.flap_window)
            .min(16);
        let delay = self.settings.preempt_delay.saturating_mul(2u32.pow(flaps));
        let mut delay = delay.min(self.settings.flap_window.max(self.settings.preempt_delay));
        if faults::on(Fault::PreemptDelayIgnored) {
            delay = Duration::ZERO;
        }
        let at = *self.preempt_at.get_or_insert(self.now + delay);
        if self.now < at {
            self.asking = None;
        } else if self.asking.is_none() {
            self.asking = Some(Asking::Preempt);
            self.urgent = true;
        }
    }

    fn decide_active(&mut self, taking_over: Option<TakingOver>) {
        if self.settings.mode != Mode::ActivePassive {
            return;
        }
        if self.yield_to_better(taking_over.as_ref()) {
            return;
        }
        if let Some(state) = taking_over {
            self.progress_takeover(state);
            return;
        }
        if let Some(from) = self.handed_late() {
            // Rule 8: as long as both gates are open, ours carries what the switches send our way.
            let taking_over = Some(self.taking_over_from(from));
            self.phase = Phase::Active { taking_over };
            self.set_gates(GateMode::TakingOver);
            self.urgent = true;
            return;
        }
        if let Some((peer, why)) = self.asked_to_hand_over() {
            self.begin_handover(peer, why, Then::Standby);
            return;
        }
        if faults::on(Fault::UnfitLeaves)
            && let Some(unfit) = self.unfit
        {
            self.leave_active(reason_of(unfit), Then::Standby);
            return;
        }
        // Rule 18, and rule 10: without a fit successor the incumbent stays.
        if let Some(unfit) = self.unfit
            && self.now >= self.retry_handover_at
            && !faults::on(Fault::UnfitStays)
            && let Some(successor) = self.best_successor()
        {
            self.begin_handover(successor, reason_of(unfit), Then::Standby);
            return;
        }
        self.watch_bandwidth();
    }

    fn taking_over_from(&self, from: u16) -> TakingOver {
        // Short windows are shorter than what the old ACTIVE needs to empty its queues.
        let window = self.failure_window_with(from);
        let twice = window.saturating_mul(2);
        let patience = twice
            .saturating_mul(2)
            .max(twice.saturating_add(LONGEST_DRAIN));
        TakingOver {
            from,
            deadline: self.now + patience,
            drain: None,
        }
    }

    /// Rule 21: too little traffic comes our way, and a peer may find more.
    fn watch_bandwidth(&mut self) {
        let minimum_bps = self.settings.bandwidth_minimum_bps;
        let short = self.monitor.falls_short(&self.meter, minimum_bps);
        if !(self.settings.bandwidth_enabled && short) || self.now < self.retry_handover_at {
            return;
        }
        let Some(successor) = self.best_successor() else {
            return;
        };
        let failed_too = self
            .peers
            .get(&successor)
            .is_some_and(|p| p.says(Flags::BANDWIDTH_FAILED));
        if !failed_too && !self.frozen(successor) {
            self.begin_handover(successor, Reason::BandwidthBelowMinimum, Then::Standby);
        }
    }

    /// Rule 8, the successor's side: from TakingOver to Forward when the old gate is closed.
    fn progress_takeover(&mut self, mut state: TakingOver) {
        let still_open = self
            .peers
            .get(&state.from)
            .is_some_and(|p| p.present() && p.says(Flags::GATE_OPEN));
        if !still_open {
            // Switches flooded to us as well what the old one carried last: what lies in our queues
            // from then must not be carried a second time.
            let drain = state.drain.get_or_insert_with(|| Drain::begin(self.now));
            let opens = !self.settings.leased()
                || drain.over(self.now, &self.idle, Duration::ZERO)
                || drain.overlong(self.now, EMPTIES);
            if !opens {
                self.phase = Phase::Active {
                    taking_over: Some(state),
                };
                return;
            }
            self.phase = Phase::Active { taking_over: None };
            if self.settings.leased() {
                self.set_gates(GateMode::Forward);
                self.begin_announcing();
            }
            return;
        }
        if self.now >= state.deadline {
            self.offers_spent_at = Some(self.now);
            // It is there, it hears us or not, and it does not close: two open gates would be a
            // loop, so we are the one who steps back.
            self.leave_active(Reason::HandoverTimedOut, Then::Standby);
        }
    }

    /// Who was ACTIVE beside us, as neither could know, hands over to us and is still open: it closes
    /// when its queues are empty, which two gates that carry everything never let them be.
    fn handed_late(&self) -> Option<u16> {
        if !self.settings.leased() || self.gates != GateMode::Forward {
            return None;
        }
        self.peers.values().find_map(|peer| {
            let h = self.fresh_heartbeat(peer)?;
            let leaves = h.role == Role::Active
                && h.flags.has(Flags::HANDING_OVER | Flags::GATE_OPEN)
                && h.successor == self.instance;
            leaves.then_some(peer.instance())
        })
    }

    fn asked_to_hand_over(&self) -> Option<(u16, Reason)> {
        self.peers.values().find_map(|p| {
            let h = p.heartbeat()?;
            let able = p.health() == Health::Healthy
                && h.role == Role::Passive
                && h.flags.has(Flags::FIT)
                && h.flags.has(Flags::REQUEST_ACTIVE);
            if !able || self.now < self.retry_handover_at {
                return None;
            }
            if h.flags.has(Flags::OPERATOR) {
                return Some((p.instance(), Reason::OperatorSwitchover));
            }
            let preferred = h.flags.has(Flags::PRIMARY) && !self.settings.primary;
            (preferred && !self.frozen(p.instance())).then_some((p.instance(), Reason::Preempted))
        })
    }

    /// Rule 9: of two ACTIVE instances that hear each other, the lesser claim yields at once.
    fn yield_to_better(&mut self, taking_over: Option<&TakingOver>) -> bool {
        let from = taking_over.map(|t| t.from);
        let Some((peer, why)) = self.better_rival(self.tenure, from) else {
            return false;
        };
        self.alarm(Alarm::DualActive(peer), true);
        self.leave_active(why, Then::Standby);
        true
    }

    /// The ACTIVE peer to which we, with this tenure, yield or would yield, and why. The one from
    /// which the role is taken over is none.
    fn better_rival(&self, tenure: u64, taking_from: Option<u16>) -> Option<(u16, Reason)> {
        if faults::on(Fault::NobodyYields) {
            return None;
        }
        let ours = ActiveClaim::new(
            self.fit(),
            self.pairs_up(),
            tenure,
            self.settings.primary,
            self.instance,
        );
        self.peers.values().find_map(|peer| {
            // An UNHEALTHY peer that is heard again is a rival from its first heartbeat on.
            let h = self.fresh_heartbeat(peer)?;
            let leaving = h.flags.has(Flags::HANDING_OVER) && h.successor == self.instance;
            let ours_to_take = leaving && taking_from == Some(peer.instance());
            if h.role != Role::Active || ours_to_take {
                return None;
            }
            let theirs = ActiveClaim::new(
                h.flags.has(Flags::FIT),
                h.pairs_up,
                h.epoch,
                h.flags.has(Flags::PRIMARY),
                peer.instance(),
            );
            let why = if theirs > ours {
                Reason::DualActiveYielded
            } else if self.deaf(peer.instance()) {
                Reason::DualActivePeerDeaf
            } else {
                return None;
            };
            Some((peer.instance(), why))
        })
    }

    /// This peer is heard, was heard for long enough to have heard us, and does not echo us.
    pub(super) fn deaf(&self, peer: u16) -> bool {
        let Some(peer) = self.peers.get(&peer) else {
            return false;
        };
        let Some(heard_since) = peer.heard_since().filter(|_| peer.present()) else {
            return false;
        };
        // It can only have heard us since this session of it is there, and while we ourselves ran.
        let since = peer
            .hears_us_at()
            .map_or(heard_since, |at| at.max(heard_since))
            .max(self.on_time_since);
        let patience = self
            .failure_window_with(peer.instance())
            .saturating_add(self.settings.interval * 2);
        let heard_enough = peer.unechoed() > u32::from(self.settings.failure_threshold) + 2;
        heard_enough && self.now.since(since) >= patience
    }

    /// The last heartbeat of a peer that is there, if it is less than two slots old.
    pub(super) fn fresh_heartbeat<'a>(&self, peer: &'a Peer) -> Option<&'a Heartbeat> {
        let last = peer.last().filter(|_| peer.present())?;
        let two = peer.interval(self.settings.interval).saturating_mul(2);
        (self.now.since(last.at) < two).then_some(&last.heartbeat)
    }

    pub(super) fn become_active(&mut self, why: Reason, taking_over: Option<TakingOver>) {
        self.meter.restart();
        self.monitor.begin_tenure();
        self.epoch = self.epoch.saturating_add(1);
        self.tenure = self.epoch;
        self.operator_hold = false;
        self.nobody_active_since = None;
        self.retry_handover_at = self.now;
        let mode = match taking_over {
            Some(_) if self.settings.leased() => GateMode::TakingOver,
            _ => GateMode::Forward,
        };
        self.set_gates(mode);
        self.enter(Phase::Active { taking_over }, why);
        self.begin_announcing();
    }

    /// Rule 11: an ACTIVE that did not run finds its lease expired on waking.
    pub(super) fn check_lease(&mut self) {
        let expired =
            self.settings.leased() && self.lease_until.is_some_and(|until| self.now > until);
        if !(expired && self.carrying()) {
            return;
        }
        // A forced suspension or a stop that was under way is not forgotten by that.
        let then = match &self.phase {
            Phase::HandingOver(state) if state.insists() => state.then,
            _ => Then::Standby,
        };
        self.leave_active(Reason::LeaseExpired, then);
        if faults::on(Fault::LeaseExpiryDeaf) {
            return;
        }
        let listen_until = Some(self.now + self.settings.failure_window());
        self.deaf_until = listen_until;
        if matches!(self.phase, Phase::Standby { .. }) {
            self.phase = Phase::Standby { listen_until };
        }
    }

    fn decide_stopping(&mut self, since: Time, goodbyes: u8) {
        let closed = self.gates_adopted || self.now.since(since) >= Duration::from_millis(100);
        if !closed {
            return;
        }
        if goodbyes >= 3 {
            self.phase = Phase::Stopped;
            self.why = Reason::Stopped;
            // Rule 14: announced; then the wire without us.
            if self.cards.wanted == Some(CardCommand::Inline) {
                self.tell_cards(self.path_without_us());
            }
            self.out.push(Action::Exit);
            return;
        }
        self.phase = Phase::Stopping {
            since,
            goodbyes: goodbyes + 1,
        };
        self.urgent = true;
    }

    /// A peer that is present and ACTIVE.
    pub(super) fn active_peer(&self) -> Option<u16> {
        self.peers
            .values()
            .find(|p| p.role() == Some(Role::Active))
            .map(Peer::instance)
    }

    /// The failure window by which this peer judges us, as far as we know its settings.
    pub(super) fn failure_window_with(&self, peer: u16) -> Duration {
        let own = self.settings.failure_window();
        let Some(h) = self
            .peers
            .get(&peer)
            .and_then(|p| p.last())
            .map(|r| &r.heartbeat)
        else {
            return own;
        };
        let interval = h.interval.max(self.settings.interval);
        own.max(interval.saturating_mul(u32::from(h.failure_threshold.max(1))))
    }
}

/// Whether a peer that is not ACTIVE stands for the office.
fn stands(h: &Heartbeat) -> bool {
    match h.role {
        Role::Init => true,
        Role::Passive | Role::Down => !h.flags.has(Flags::LISTENING),
        Role::Active | Role::Bypass | Role::Suspended => false,
    }
}
