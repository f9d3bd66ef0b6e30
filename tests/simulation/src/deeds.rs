//! What is done to the cluster.

use twinline_ha::{Request, Role, Side};

use crate::clock::{MS, Ns, SEC};
use crate::network::index;
use crate::paths::other;
use crate::scenario::{Change, Deed, StateFile};
use crate::wire::PathId;
use crate::world::{What, World};

impl World {
    pub(crate) fn start(&mut self, i: usize, file: StateFile) {
        if self.hosts[i].process.is_some() {
            return;
        }
        self.disturb(self.now);
        self.hosts[i].start(i, self.now, file);
        self.unsteady = self.now + self.bounds.window;
        if self.hosts[i].older_boot {
            // Its peer cannot tell it from a replay until it has shown that it hears the peer, nor
            // before the session before it misses a slot.
            self.wire_bad = self.wire_bad.max(self.now + self.bounds.window);
        }
        self.trace(Some(i), || format!("starts, state file {file:?}"));
        self.wake(i, self.now);
    }

    pub(crate) fn inflict(&mut self, deed: Deed) {
        let now = self.now;
        match deed {
            Deed::Ask(i, request) => return self.ask(i, request),
            Deed::Reload(i, change) => return self.reload(i, change),
            Deed::Load(bps, latency) => {
                self.slow_until = now + self.load.1;
                self.load = (bps, latency);
                return self.touch(now);
            }
            Deed::SetWall(i, by) => {
                self.hosts[i].clock.wall_ms += by;
                return self.touch(now);
            }
            Deed::Wire(path, direction, quality, length) => {
                for i in [0, 1] {
                    if direction.is_none_or(|d| d == i) {
                        self.wire.spoil(path, i, quality, now + length);
                    }
                }
                return self.disturb_path(path, now + length + quality.longest());
            }
            Deed::PullHaCable(length) => {
                self.wire.pull(now + length);
                if !self.established(PathId::InBand) {
                    // What was under way is lost.
                    self.wire_bad = self.wire_bad.max(now);
                }
                return self.disturb_path(PathId::HaPort, now + length);
            }
            _ => {}
        }
        self.disturb(now);
        match deed {
            Deed::Crash { host, down, file } if self.hosts[host].process.take().is_some() => {
                self.plan(now + down.max(MS), What::Start(host, file));
            }
            Deed::StallManagement(i, length) | Deed::Freeze(i, length) => {
                self.stall(i, now + length);
                if let (Deed::Freeze(..), Some(p)) = (deed, &mut self.hosts[i].process) {
                    p.worker.hang(now, now + length);
                }
            }
            Deed::HangWorker(i, length) => {
                if let Some(p) = &mut self.hosts[i].process {
                    p.worker.hang(now, now + length);
                }
                self.disturb(now + length);
            }
            Deed::SlowWorker(i, slow, length) => {
                let usual = self.hosts[i].adopts.0;
                self.hosts[i].adopts = (usual, slow, now + length);
                // A gate that was asked for meanwhile is adopted as late as this.
                self.wire_bad = self.wire_bad.max(now);
                let (most, until) = self.slow_worker;
                let most = if now < until { most.max(slow) } else { slow };
                self.slow_worker = (most, until.max(now + length + slow));
                self.disturb(now + length + slow);
            }
            Deed::PullCable(i, side, length) => {
                let pulled = &mut self.hosts[i].pulled[index(side)];
                *pulled = (*pulled).max(now + length);
                self.plan(now, What::Carrier(i, side));
                self.disturb(now + length);
            }
            Deed::Replay(i) => {
                // What it holds may have been lost on its way: now it has come by that path.
                for ways in &mut self.paths.ways {
                    ways[1 - i].1 = now;
                }
                for message in self.captures[1 - i].clone() {
                    let path = message.path;
                    let name = self.wire.keep(message, 1);
                    let what = match path {
                        PathId::HaPort => What::Arrive(i, name),
                        PathId::InBand => What::Divert(i, Side::Lan, name),
                    };
                    self.plan(now, what);
                }
            }
            _ => {}
        }
    }

    /// Rule 12: beside a path that is good both ways nothing that befalls the other one is a
    /// disturbance. A preemption that waited for the HA path may come when it is good again.
    fn disturb_path(&mut self, path: PathId, until: Ns) {
        if self.established(other(path)) {
            self.calm_changes = 0;
        } else {
            self.disturb(until);
        }
    }

    fn stall(&mut self, i: usize, until: Ns) {
        let host = &mut self.hosts[i];
        if host.process.is_none() {
            return;
        }
        let from = host.stalled_until.max(self.now);
        host.stalled += until.saturating_sub(from);
        host.stalled_until = host.stalled_until.max(until);
        self.not_run = self.not_run.max(until);
        self.disturb(until);
    }

    fn ask(&mut self, i: usize, request: Request) {
        self.next_request += 1;
        let id = self.next_request;
        let leaving = matches!(request, Request::Stop | Request::Suspend { .. });
        let both = self
            .hosts
            .iter()
            .all(|h| h.stands() && h.process.as_ref().is_some_and(|p| p.node.is_fit()));
        // So soon after another request that its hand-over may not have begun yet.
        let soon = self.now < self.asked + 20 * MS;
        self.asked = self.now;
        let moving = self.moving_since.is_some() || self.now < self.moved + 20 * MS || soon;
        let carried = self.hosts.iter().any(|h| h.role() == Role::Active);
        let harmless = carried && (!leaving || (both && !moving));
        if matches!(request, Request::Resume | Request::Clear) {
            // Two that are let back in at the same moment both find nobody there.
            self.let_in = [self.let_in[1], self.now];
        }
        if harmless {
            self.touch(self.now);
        } else {
            self.disturb(self.now);
        }
        if let Some(process) = &mut self.hosts[i].process {
            process.requests.push((id, request));
            self.wake(i, self.now);
            self.make_dense();
        }
    }

    fn reload(&mut self, i: usize, change: Change) {
        let host = &mut self.hosts[i];
        let settings = &mut host.settings;
        let before = settings.clone();
        match change {
            Change::FailureThreshold(n) => settings.failure_threshold = n,
            Change::IntervalMs(ms) => settings.interval = std::time::Duration::from_millis(ms),
            Change::Preempt(on) => settings.preempt = on,
            Change::MaxFlaps(n) => settings.max_flaps = n,
        }
        if settings.failure_window() < before.failure_window() {
            // The peer's lease counts with the window that it was told last.
            self.wire_bad = self.wire_bad.max(self.now);
        }
        let settings = settings.clone();
        host.watch.reloaded = self.now;
        self.unsteady = self.now;
        if let Some(process) = &mut host.process {
            process.oracle.reloaded(&before, &settings);
            process.node.apply(settings, 7);
            self.wake(i, self.now);
        }
        self.touch(self.now + SEC);
    }
}
