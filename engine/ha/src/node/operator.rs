//! What operators ask for: done, begun, or refused with a reason.

use crate::action::CardCommand;
use crate::events::{Alarm, Reason};
use crate::faults::{self, Fault};
use crate::message::{Flags, Health, Role};
use crate::observation::{Request, RequestId};
use crate::settings::Mode;

use super::handover::Then;
use super::{Asking, Node, Phase};

impl Node {
    pub(super) fn operator(&mut self, id: RequestId, request: Request) {
        let result = match request {
            Request::Switchover => self.switchover(),
            Request::Suspend { force } => self.suspend(force),
            Request::Resume => self.resume(),
            Request::Clear => Ok(self.clear()),
            Request::Stop => Ok(self.stop()),
            Request::Bypass { pair, path, force } => self.set_bypass(pair, path, force),
        };
        self.answer(id, result);
    }

    fn switchover(&mut self) -> Result<String, String> {
        if self.settings.mode != Mode::ActivePassive {
            return Err("only an active-passive stack can switch over".into());
        }
        match &self.phase {
            Phase::Active { taking_over: None } => {
                let successor = self
                    .best_successor()
                    .ok_or_else(|| self.why_no_successor())?;
                self.begin_handover(successor, Reason::OperatorSwitchover, Then::Standby);
                Ok(format!("handing over to instance {successor}"))
            }
            Phase::Active { .. } | Phase::HandingOver(_) => {
                Err("a hand-over is under way already".into())
            }
            Phase::Standby { listen_until: None } => self.ask_for_the_role(),
            Phase::Standby { .. } | Phase::Init { .. } => {
                Err("still listening for peers: try again in a moment".into())
            }
            Phase::Suspended => Err("suspended: `ha resume` first".into()),
            Phase::Latched => Err("latched by too many flaps: `ha clear` first".into()),
            Phase::Stopping { .. } | Phase::Stopped => Err("the engine is stopping".into()),
        }
    }

    fn ask_for_the_role(&mut self) -> Result<String, String> {
        if let Some(unfit) = self.unfit {
            return Err(format!("not fit: {unfit}"));
        }
        let Some(holder) = self.active_peer() else {
            return Err("no peer is ACTIVE: there is nothing to take over".into());
        };
        let healthy = self
            .peers
            .get(&holder)
            .is_some_and(|p| p.health() == Health::Healthy);
        if !healthy {
            return Err(format!(
                "instance {holder} is not HEALTHY yet: try again in a moment"
            ));
        }
        if self.deaf(holder) {
            return Err(format!(
                "instance {holder} does not hear us: check the HA cable"
            ));
        }
        let until = self.now + self.failure_window_with(holder).saturating_mul(2);
        self.asking = Some(Asking::Operator { until });
        self.urgent = true;
        Ok(format!("asked instance {holder} to hand over"))
    }

    fn suspend(&mut self, force: bool) -> Result<String, String> {
        match &self.phase {
            Phase::Suspended => Err("suspended already".into()),
            Phase::Latched => {
                Err("latched by too many flaps, so out of the election already".into())
            }
            Phase::HandingOver(_)
            | Phase::Active {
                taking_over: Some(_),
            } => Err("a hand-over is under way: try again in a moment".into()),
            Phase::Stopping { .. } | Phase::Stopped => Err("the engine is stopping".into()),
            Phase::Active { taking_over: None } => match self.best_successor() {
                Some(successor) => {
                    let then = Then::Suspended { force };
                    self.begin_handover(successor, Reason::OperatorSuspended, then);
                    Ok(format!(
                        "handing over to instance {successor}, then suspended"
                    ))
                }
                None if force || faults::on(Fault::SuspendUnasked) => {
                    self.leave_active(Reason::OperatorSuspended, Then::Suspended { force });
                    Ok("suspended by force: nobody carries the traffic".into())
                }
                None => Err(format!(
                    "{}; add --force to stop the traffic",
                    self.why_no_successor()
                )),
            },
            Phase::Init { .. } | Phase::Standby { .. } => {
                self.enter(Phase::Suspended, Reason::OperatorSuspended);
                Ok("suspended".into())
            }
        }
    }

    fn resume(&mut self) -> Result<String, String> {
        match self.phase {
            Phase::Suspended => {
                self.operator_hold = false;
                self.suspended = false;
                self.nobody_active_since = None;
                // Suspended since its start, it has not listened yet, nor is its card inline.
                let phase = if self.listened {
                    let listen_until = self.deaf_until.filter(|&until| self.now < until);
                    Phase::Standby { listen_until }
                } else {
                    Phase::Init { listen_from: None }
                };
                self.enter(phase, Reason::OperatorResumed);
                Ok("resumed".into())
            }
            Phase::Latched => Err("latched by too many flaps: `ha clear` lets it back in".into()),
            _ => Err("not suspended".into()),
        }
    }

    fn clear(&mut self) -> String {
        let flaps = self.flaps.count(self.now, self.settings.flap_window);
        if !faults::on(Fault::ClearKeepsFlaps) {
            self.flaps.clear();
        }
        self.flaps_changed = true;
        self.monitor.clear();
        self.operator_hold = false;
        self.latched = false;
        self.alarm(Alarm::Latched, false);
        if self.phase == Phase::Latched {
            // Rule 16: the card inline, then listening as at start.
            self.tell_cards(CardCommand::Inline);
            if self.suspended {
                // By an operator, before or while it was latched: only a resume ends that.
                self.enter(Phase::Suspended, Reason::OperatorCleared);
                return format!(
                    "latch and {flaps} flaps cleared; suspended: `ha resume` lets it back in"
                );
            }
            self.enter(Phase::Init { listen_from: None }, Reason::OperatorCleared);
            return format!("latch and {flaps} flaps cleared; listening as at start");
        }
        format!("{flaps} flaps cleared")
    }

    fn stop(&mut self) -> String {
        match &mut self.phase {
            Phase::Active { .. } => {
                if self.settings.mode == Mode::ActivePassive
                    && let Some(successor) = self.best_successor()
                {
                    self.begin_handover(successor, Reason::Stopped, Then::Exit);
                    return format!("handing over to instance {successor}, then stopping");
                }
                self.leave_active(Reason::Stopped, Then::Exit);
            }
            Phase::HandingOver(state) => state.then = Then::Exit,
            Phase::Stopping { .. } | Phase::Stopped => {}
            // The others carry nothing: goodbye at once.
            _ => self.leave_active(Reason::Stopped, Then::Exit),
        }
        "stopping".into()
    }

    /// Why nobody can take over, in the operator's words.
    pub(super) fn why_no_successor(&self) -> String {
        if self.peers.is_empty() {
            return "no peer was ever heard".into();
        }
        let mut reasons = Vec::new();
        for peer in self.peers.values() {
            let id = peer.instance();
            let reason = match peer.heartbeat() {
                None if peer.said_goodbye() => format!("instance {id} was stopped"),
                None => format!("instance {id} is UNHEALTHY"),
                // Before its fitness: to mend that would help nobody.
                Some(h) if matches!(h.role, Role::Suspended | Role::Bypass) => {
                    format!("instance {id} is {}", h.role)
                }
                Some(_) if peer.health() != Health::Healthy => {
                    format!("instance {id} is not HEALTHY yet")
                }
                Some(h) if h.flags.has(Flags::LISTENING) => format!("instance {id} still listens"),
                Some(h) => match h.unfit {
                    Some(unfit) => format!("instance {id} is not fit: {unfit}"),
                    None => format!("instance {id} is {}", h.role),
                },
            };
            reasons.push(reason);
        }
        format!("nobody can take over: {}", reasons.join("; "))
    }
}
