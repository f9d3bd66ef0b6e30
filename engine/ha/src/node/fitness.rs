//! Links, workers and addresses: what makes an instance fit (rules 17 to 19), and what it learns.

use crate::action::Action;
use crate::events::{Reason, Subject};
use crate::link_pairs::LinkCommand;
use crate::macs::{MacChange, MacTable};
use crate::message::{Role, UnfitReason};
use crate::observation::{Learned, LegState, WorkerProgress};

use super::{Node, Phase};

/// For how long a worker may make no progress before it counts as hung.
const WORKER_PATIENCE: std::time::Duration = std::time::Duration::from_secs(1);

impl Node {
    pub(super) fn watch_links(&mut self, links: Option<&[LegState]>) {
        let Some(links) = links else { return };
        let (propagate, settle) = (self.settings.propagate, self.settings.settle);
        for index in 0..self.pairs.len() {
            let (Some(pair), Some(&seen)) = (self.pairs.get_mut(index), links.get(index)) else {
                continue;
            };
            let off = self.cards.off_the_cables(index);
            if off {
                pair.taken_off(self.now, settle);
            }
            let seen = if off { LegState::default() } else { seen };
            let was_up = pair.up();
            let command = pair.poll(self.now, seen, propagate, settle);
            let up = pair.up();
            let number = u16::try_from(index).unwrap_or(u16::MAX);
            if up != was_up {
                let why = if up {
                    Reason::CarrierBack
                } else {
                    Reason::CarrierLost
                };
                self.event(Subject::LinkPair { pair: number, up }, why);
            }
            if let Some(command) = command {
                let (side, up, why) = match command {
                    LinkCommand::TakeDown(side) => (side, false, Reason::PartnerDown),
                    LinkCommand::LetUp(side) => (side, true, Reason::PartnerUp),
                };
                self.out.push(Action::SetPort {
                    pair: number,
                    side,
                    up,
                });
                self.event(
                    Subject::Port {
                        pair: number,
                        side,
                        up,
                    },
                    why,
                );
            }
        }
        let (minimum, recovery) = (
            self.settings.minimum_active_links,
            self.settings.recovery_threshold,
        );
        let up = self.pairs_up().saturating_add(self.routers.links_up);
        self.link_fitness.poll(up, minimum, recovery);
    }

    /// A worker that hangs makes us unfit.
    pub(super) fn watch_workers(&mut self, workers: &[WorkerProgress]) {
        self.workers.resize(workers.len(), (u64::MAX, self.now));
        self.idle.resize(workers.len(), 0);
        // A worker that shares its core may wait its turn for long, and a hand-over would not
        // help it: only one that hangs is stalled.
        let patience = WORKER_PATIENCE.max(self.settings.failure_window() * 2);
        let mut stalled = false;
        for ((known, idle), seen) in self
            .workers
            .iter_mut()
            .zip(self.idle.iter_mut())
            .zip(workers.iter())
        {
            *idle = seen.idle_iterations;
            if known.0 != seen.iterations || self.lateness.now_late {
                *known = (seen.iterations, self.now);
            } else if self.now.since(known.1) >= patience {
                stalled = true;
            }
        }
        self.worker_stalled = stalled;
    }

    pub(super) fn update_fitness(&mut self) {
        let before = self.unfit;
        self.unfit = if self.worker_stalled {
            Some(UnfitReason::WorkerStalled)
        } else if self.link_fitness.fit() == Some(false) {
            Some(UnfitReason::LinksBelowMinimum)
        } else if self.card_away() {
            Some(UnfitReason::CardNotInline)
        } else if !self.routers.interfaces_up {
            Some(UnfitReason::InterfaceDown)
        } else {
            None
        };
        if self.unfit != before {
            self.urgent = true;
            // The role shown moves between PASSIVE and DOWN without a change of phase.
            // An exit from ACTIVE in this very step keeps its own reason.
            let shown = self.shown != Role::Active;
            if matches!(self.phase, Phase::Standby { .. }) && shown {
                self.why = match (before, self.unfit) {
                    (_, Some(unfit)) => reason_of(unfit),
                    (Some(UnfitReason::WorkerStalled), None) => Reason::WorkersRecovered,
                    (_, None) => Reason::LinksRecovered,
                };
            }
        }
    }

    pub(super) fn learn(&mut self, learned: &[Learned]) {
        if self.carrying() {
            for l in learned {
                let now = self.now;
                self.learn_mac(l.pair, |table| table.learn(l.mac, l.side, now));
            }
        }
        if self.now >= self.next_ageing {
            self.next_ageing = self.now + std::time::Duration::from_secs(1);
            for pair in 0..self.macs.len() {
                let Some(table) = self.macs.get_mut(pair) else {
                    continue;
                };
                let number = u16::try_from(pair).unwrap_or(u16::MAX);
                for change in table.age(self.now) {
                    let action = Action::SetMac {
                        pair: number,
                        mac: change.mac,
                        side: change.side,
                    };
                    self.out.push(action);
                }
            }
        }
    }

    pub(super) fn learn_mac(
        &mut self,
        pair: u16,
        learn: impl FnOnce(&mut MacTable) -> Option<MacChange>,
    ) {
        let Some(table) = self.macs.get_mut(usize::from(pair)) else {
            return;
        };
        if let Some(change) = learn(table) {
            self.out.push(Action::SetMac {
                pair,
                mac: change.mac,
                side: change.side,
            });
        }
    }
}

/// The event's reason for an unfitness.
pub(super) fn reason_of(unfit: UnfitReason) -> Reason {
    match unfit {
        UnfitReason::LinksBelowMinimum => Reason::LinksBelowMinimum,
        UnfitReason::WorkerStalled => Reason::WorkerStalled,
        UnfitReason::CardNotInline => Reason::CardNotInline,
        UnfitReason::InterfaceDown => Reason::InterfaceDown,
    }
}
