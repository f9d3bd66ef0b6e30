//! Whether a virtual router runs: it was started, its interface passes frames, and the instance may
//! carry addresses. When all three hold it is the RFC's Startup event, when one ends its Shutdown.

use super::{Active, Backup, Phase, Router};
use crate::action::Action;
use crate::event::Reason;
use crate::input::Standing;
use twinline_time::Time;

/// A router that resigned keeps the virtual MAC address for so many intervals at most: a backup
/// takes over after its skew, which is less than one.
const LET_GO_INTERVALS: u32 = 2;

impl Router {
    pub(super) fn start(&mut self, now: Time, out: &mut Vec<Action>) {
        self.started = true;
        self.startup(now, Reason::Started, out);
    }

    pub(super) fn interface_up(&mut self, now: Time, out: &mut Vec<Action>) {
        self.interface_up = true;
        self.startup(now, Reason::InterfaceUp, out);
    }

    pub(super) fn shutdown(&mut self, out: &mut Vec<Action>) {
        self.started = false;
        self.resign(Reason::Stopped, out);
        self.let_go(out);
    }

    pub(super) fn interface_down(&mut self, out: &mut Vec<Action>) {
        self.interface_up = false;
        // Nothing that is sent now arrives.
        self.stop(Reason::InterfaceDown, out);
        self.let_go(out);
    }

    pub(super) fn standing(&mut self, now: Time, standing: Standing, out: &mut Vec<Action>) {
        self.standing = standing;
        match standing {
            Standing::Eligible => self.startup(now, Reason::Eligible, out),
            Standing::Resigning => {
                let was_active = matches!(self.phase, Phase::Active(_));
                self.resign(Reason::Resigned, out);
                if was_active {
                    let longest = LET_GO_INTERVALS * self.settings.interval.duration();
                    self.let_go_at = Some(now + longest);
                }
            }
            Standing::Silent => {
                self.stop(Reason::Silenced, out);
                self.let_go(out);
            }
        }
    }

    /// As if Active_Down_Timer had fired, where it runs.
    pub(super) fn take_over(&mut self, now: Time, out: &mut Vec<Action>) {
        if matches!(self.phase, Phase::Backup(_)) {
            self.become_active(now, Reason::InstanceTookOver, out);
        }
    }

    /// RFC 9568, section 6.4.1.
    fn startup(&mut self, now: Time, why: Reason, out: &mut Vec<Action>) {
        let may_run = self.started && self.interface_up && self.standing == Standing::Eligible;
        if !may_run || !matches!(self.phase, Phase::Initialize) {
            return;
        }
        if self.settings.priority.is_owner() {
            self.become_active(now, why, out);
        } else {
            self.let_go(out);
            let backup = Backup::new(&self.settings, self.settings.interval, now);
            self.become_phase(Phase::Backup(backup), why, out);
        }
    }

    /// The Shutdown event: an Active Router says priority 0 (RFC 9568, section 6.4.3).
    fn resign(&mut self, why: Reason, out: &mut Vec<Action>) {
        if matches!(self.phase, Phase::Active(_)) {
            self.send(0, out);
        }
        self.stop(why, out);
    }

    fn stop(&mut self, why: Reason, out: &mut Vec<Action>) {
        self.become_phase(Phase::Initialize, why, out);
    }

    /// The virtual MAC address first, since the advert is sent from it; then the RFC's order.
    pub(super) fn become_active(&mut self, now: Time, why: Reason, out: &mut Vec<Action>) {
        self.take_mac(out);
        self.send(self.settings.priority.get(), out);
        self.announce(out);
        self.counters.became_active = self.counters.became_active.saturating_add(1);
        let active = Active::new(&self.settings, now);
        self.become_phase(Phase::Active(active), why, out);
    }
}
