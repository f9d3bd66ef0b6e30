//! The orderly hand-over (rule 8), the old ACTIVE's side of it.
//!
//! ```text
//!  old ACTIVE (A)                               successor (B)
//!  gates -> HandingOver, adopted by workers
//!  heartbeat HANDING_OVER, successor = B  ───►  gates -> TakingOver, lease, announcements
//!                                         ◄───  heartbeat ACTIVE, GATE_OPEN (workers adopted, sent)
//!  drains: carries on until its workers
//!  found their queues empty
//!  gates -> Block, lease revoked
//!  heartbeat PASSIVE, no GATE_OPEN        ───►  its workers found their queues empty
//!                                               gates -> Forward
//! ```
//!
//! Between the two heartbeats in the middle both gates are open. The old one alone carries
//! group-addressed and unknown frames; the new one carries only what the switches were just told
//! to send its way. So nothing is carried twice, and nothing known is lost.

use std::time::Duration;

use crate::action::{Action, GateMode};
use crate::events::{Reason, Subject};
use crate::faults::{self, Fault};
use crate::message::{Flags, Health, Role};
use twinline_time::Time;

use super::{Node, Phase};

/// Frames that left a switch before it learnt the new way are in our queues by then.
const DRAIN: Duration = Duration::from_millis(10);

/// Workers whose queues never seem to be empty are not waited for longer than this, or a failure
/// window if that is longer.
pub(super) const LONGEST_DRAIN: Duration = Duration::from_millis(50);

/// What the old ACTIVE becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    Standby,
    Suspended { force: bool },
    Exit,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HandingOver {
    pub successor: u16,
    pub why: Reason,
    pub then: Then,
    pub started: Time,
    pub deadline: Time,
    /// The workers have adopted the gate, so the hand-over may be announced.
    pub announced: bool,
    drain: Option<Drain>,
}

/// Waiting for the workers to find their queues empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Drain {
    since: Time,
    /// Idle turns of each worker when the minimum drain time was over.
    idle_at_minimum: Option<Vec<u64>>,
}

impl HandingOver {
    /// Leaves even if the successor does not answer.
    pub(super) fn insists(&self) -> bool {
        matches!(self.then, Then::Exit | Then::Suspended { force: true })
    }
}

impl Node {
    /// The best peer that could take over now: healthy, fit, standing by.
    pub(super) fn best_successor(&self) -> Option<u16> {
        self.peers
            .values()
            .filter(|p| p.health() == Health::Healthy)
            .filter_map(|p| p.heartbeat().map(|h| (p.instance(), h)))
            .filter(|(_, h)| {
                h.role == Role::Passive && h.flags.has(Flags::FIT) && !h.flags.has(Flags::LISTENING)
            })
            .max_by_key(|(id, h)| {
                crate::claim::Candidacy::new(true, h.flags.has(Flags::PRIMARY), *id)
            })
            .map(|(id, _)| id)
    }

    pub(super) fn begin_handover(&mut self, successor: u16, why: Reason, then: Then) {
        let patience = self.failure_window_with(successor).saturating_mul(2);
        self.event(Subject::Handover { successor }, why);
        if self.settings.leased() {
            self.set_gates(GateMode::HandingOver);
        }
        self.phase = Phase::HandingOver(HandingOver {
            successor,
            why,
            then,
            started: self.now,
            deadline: self.now + patience,
            announced: false,
            drain: None,
        });
        self.announce_queue.clear();
        self.announce_rounds.clear();
        self.urgent = true;
    }

    pub(super) fn progress_handover(&mut self, mut state: HandingOver) {
        if !state.announced {
            let waited = self.now.since(state.started) >= self.settings.interval;
            state.announced = self.gates_adopted || waited || !self.settings.leased();
            self.urgent |= state.announced;
        }
        let successor_open = self
            .peers
            .get(&state.successor)
            .and_then(|p| p.heartbeat())
            .is_some_and(|h| h.role == Role::Active && h.flags.has(Flags::GATE_OPEN));
        if successor_open && state.drain.is_none() {
            state.drain = Some(Drain::begin(self.now));
        }
        if state.announced && faults::on(Fault::HandoverClosesAtOnce) {
            self.leave_active(state.why, state.then);
            return;
        }
        // It was open, and says now that it is not: it was restarted, or stepped back. Our gate is the
        // only one.
        let closed_again = self
            .peers
            .get(&state.successor)
            .and_then(|p| p.heartbeat())
            .is_some_and(|h| h.role != Role::Active);
        if state.drain.is_some() && closed_again && !state.insists() {
            self.handover_failed(state);
            return;
        }
        if let Some(drain) = &mut state.drain {
            let drained = !self.settings.leased()
                || drain.over(self.now, &self.idle, DRAIN)
                || drain.overlong(self.now, self.settings.failure_window().max(LONGEST_DRAIN));
            if drained {
                self.leave_active(state.why, state.then);
                return;
            }
            self.phase = Phase::HandingOver(state);
            return;
        }
        let gone = !self
            .peers
            .get(&state.successor)
            .is_some_and(|p| p.present());
        if gone || self.now >= state.deadline {
            self.handover_failed(state);
            return;
        }
        self.phase = Phase::HandingOver(state);
    }

    fn handover_failed(&mut self, state: HandingOver) {
        let subject = Subject::Handover {
            successor: state.successor,
        };
        self.event(subject, Reason::HandoverTimedOut);
        if state.insists() {
            self.leave_active(state.why, state.then);
            return;
        }
        self.retry_handover_at = self.now + self.settings.failure_window() * 2;
        self.phase = Phase::Active { taking_over: None };
        self.set_gates(GateMode::Forward);
        // The successor may have told the switches already: they learn the way back.
        self.begin_announcing();
        self.urgent = true;
    }

    /// Closes the gates and leaves ACTIVE; counts the flap unless an operator asked.
    pub(super) fn leave_active(&mut self, why: Reason, then: Then) {
        self.set_gates(self.idle_gate());
        if self.settings.leased() {
            self.out.push(Action::RevokeLease);
            self.lease_until = None;
        }
        self.announce_queue.clear();
        self.announce_rounds.clear();
        let phase = match then {
            Then::Standby => Phase::Standby { listen_until: None },
            Then::Suspended { .. } => Phase::Suspended,
            Then::Exit => Phase::Stopping {
                since: self.now,
                goodbyes: 0,
            },
        };
        self.enter(phase, why);
        self.nobody_active_since = None;
        // Only a switch-over that took place holds preemption back.
        self.operator_hold |=
            why == Reason::OperatorSwitchover && !faults::on(Fault::OperatorHoldIgnored);
        if why == Reason::BandwidthBelowMinimum {
            self.monitor.failed(self.now);
        }
        if is_flap(why) {
            self.flap(why);
        }
    }
}

impl Drain {
    pub(super) fn begin(now: Time) -> Self {
        Self {
            since: now,
            idle_at_minimum: None,
        }
    }

    /// `minimum` has passed, and since then every worker found its queues empty.
    pub(super) fn over(&mut self, now: Time, idle: &[u64], minimum: Duration) -> bool {
        if now.since(self.since) < minimum {
            return false;
        }
        match &self.idle_at_minimum {
            None => {
                self.idle_at_minimum = Some(idle.to_vec());
                idle.is_empty()
            }
            // Two empty turns: the second one began after the first reading.
            Some(at_minimum) => idle
                .iter()
                .zip(at_minimum)
                .all(|(now, then)| now.saturating_sub(*then) >= 2),
        }
    }

    /// It took so long that the queues never seem to be empty.
    pub(super) fn overlong(&self, now: Time, most: Duration) -> bool {
        now.since(self.since) >= most
    }
}

/// Rule 13: an exit from ACTIVE that no operator asked for. Preemption is the operator's setting.
fn is_flap(why: Reason) -> bool {
    !matches!(
        why,
        Reason::OperatorSwitchover
            | Reason::OperatorSuspended
            | Reason::Stopped
            | Reason::Preempted
            | Reason::HandoverTimedOut
    )
}
