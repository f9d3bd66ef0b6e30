//! The checks between the events, and those of every tenth of a second.

use twinline_ha::{GateMode, Health, Path, Role};

use crate::checks::election::{self, Candidate};
use crate::checks::{Check, frames, paths};
use crate::clock::{MS, Ns, SEC, US, text};
use crate::host::Host;
use crate::world::{What, World};

/// A worker that serves its queues within this: the rules for group-addressed frames hold only
/// then (see [`frames::judge`]).
const QUICK: Ns = 20 * US;
/// How often frames, the election and the alarms are looked at.
const LOOK: Ns = 100 * MS;

impl World {
    /// With mixed settings, one that starts with the shorter window cannot know how long the lease
    /// of a stopped one is that it never heard (rule 11 binds those that heard each other).
    pub(crate) fn note_blind(&mut self) {
        let mixed = self.bounds.shortest_window != self.bounds.window;
        let blind = |i: usize| {
            self.hosts[i].role() == Role::Init && self.hosts[1 - i].stalled_until > self.now
        };
        // The window of the exemption for a smaller boot id is one in which the other one runs.
        let asleep = |i: usize| {
            let woke = self.hosts[1 - i].stalled_until;
            self.hosts[i].older_boot && self.now <= woke + self.bounds.window
        };
        let late = |i: usize| asleep(i) && self.mistaken(1 - i);
        if mixed && (blind(0) || blind(1)) || late(0) || late(1) {
            self.wire_bad = self.wire_bad.max(self.now);
        }
    }

    /// Until when two may carry everything (see [`Bounds::two_forwarders`]); 0 = never.
    fn dual_allowed_until(&self) -> Ns {
        let [before, last] = self.let_in;
        let mut since = self.wire_bad;
        if last - before <= self.bounds.two_forwarders && before > 0 {
            since = since.max(last);
        }
        // Each decided before the other's word could arrive.
        let [a, b] = [0, 1].map(|i| self.hosts[i].watch.active_since);
        if a.abs_diff(b) <= self.bounds.crossing && a.min(b) > 0 {
            since = since.max(a.max(b));
        }
        if since == 0 {
            return 0;
        }
        let longer = if self.not_run >= since {
            self.bounds.window
        } else {
            0
        };
        let (slow, until) = self.slow_worker;
        let slow = if self.now <= until { slow } else { 0 };
        since + self.bounds.two_forwarders + longer + slow
    }

    /// Check (a), from the last event to the next one: nothing but leases changes in between.
    pub(crate) fn check_forwarders(&mut self, next: Ns) {
        let from = self.now;
        let group = |h: &Host| {
            let mode = h.carries(from);
            matches!(mode, Some(GateMode::Forward | GateMode::HandingOver))
        };
        if next == from || !self.leased() || !self.hosts.iter().all(group) {
            return;
        }
        let ends = |h: &Host| match h.process.as_ref().map(|p| p.worker.lease) {
            Some(crate::worker::Lease::Until(until)) => h.clock.virtually(until),
            _ => Ns::MAX,
        };
        let end = ends(&self.hosts[0]).min(ends(&self.hosts[1])).min(next);
        self.tally.doubled += end - from;
        let allowed = self.dual_allowed_until();
        if end > allowed && end > from {
            let modes = [0, 1].map(|i| self.hosts[i].carries(from));
            let said = format!(
                "both carry everything until {} ({modes:?}); the bound ended at {}",
                text(end),
                text(allowed)
            );
            self.fail(None, Check::Forwarders, said);
        }
    }

    fn adoption_at_most(&self) -> Ns {
        self.scenario
            .hosts
            .iter()
            .map(|h| h.adopts)
            .max()
            .unwrap_or(0)
    }

    pub(crate) fn look(&mut self) {
        self.plan(self.now + LOOK, What::Look);
        let old = self.now.saturating_sub(60 * MS);
        while let Some((number, sent)) = self.ledger.due(old) {
            let healthy = sent.at > self.disturbed + self.bounds.settled;
            if !healthy || !sent.due {
                continue;
            }
            self.tally.frames += 1;
            let quick = self.load.1 <= QUICK && sent.at > self.slow_until;
            let steady = sent.at > self.moved + 5 * MS + 2 * self.adoption_at_most();
            if let Err((check, said)) = frames::judge(number, &sent, steady, quick) {
                self.fail(None, check, said);
            }
        }
        self.note_paths();
        if self.two_paths() && self.calm() && self.paths.good_since.contains(&None) {
            self.tally.one_path += LOOK;
        }
        self.check_unfit();
        self.check_election();
        self.check_paths();
    }

    /// Rule 12: who is told what of the paths.
    fn check_paths(&mut self) {
        let stopping = self.hosts.iter().any(|h| h.watch.stopping);
        if !self.two_paths() || stopping {
            return;
        }
        let mut findings = Vec::new();
        for i in 0..2 {
            let Some(process) = &self.hosts[i].process else {
                continue;
            };
            let peer = self.hosts[1 - i].instance;
            if self.hosts[1 - i].process.is_none() {
                continue;
            }
            for path in Path::ALL {
                let p = path.index();
                let heard = process.oracle.peer(peer);
                let mut since = self.not_run.max(self.unsteady);
                if path == Path::InBand {
                    since = since.max(self.paths.unlinked + self.bounds.word);
                }
                let seen = paths::Seen {
                    now: self.now,
                    node: &process.node,
                    peer,
                    path,
                    good: self.paths.good_since[p],
                    dead: [i, 1 - i].map(|from| self.paths.dead_since(path, from)),
                    plain: self.paths.plain_since(path),
                    elsewhere: self.paths.good_since[1 - p],
                    since,
                    tried: heard.is_some_and(|peer| peer.heard_by(path)),
                };
                findings.extend(paths::judge(&seen, &self.bounds).err().map(|f| (i, f)));
            }
        }
        for (i, (check, said)) in findings {
            self.fail(Some(i), check, said);
        }
    }

    /// Since when the HA path has been dead in some direction, as far as both may know of it.
    fn ha_dead_since(&self) -> Option<Ns> {
        let dead = [0, 1].map(|from| self.paths.dead_since(Path::HaPort, from));
        let since = dead.into_iter().flatten().min()?;
        let known = self.paths.good_since[Path::InBand.index()]?;
        Some(since.max(known).max(self.not_run).max(self.unsteady))
    }

    /// Rule 12: the HA path has been dead for so long that nothing may be begun that can wait, and
    /// what was begun before is over.
    pub(crate) fn frozen(&self) -> bool {
        let since = self.ha_dead_since();
        since.is_some_and(|since| self.now > since + self.bounds.frozen)
    }

    /// Rule 12: both know that the HA path is dead.
    pub(crate) fn ha_known_dead(&self) -> bool {
        let since = self.ha_dead_since();
        since.is_some_and(|since| self.now > since + self.bounds.known)
    }

    /// Rule 18: an unfit ACTIVE does not stay while a fit peer stands by that it hears.
    fn check_unfit(&mut self) {
        let patience = 4 * self.bounds.window + self.bounds.handover + SEC;
        let ran = self.not_run.max(self.wire_bad) + self.bounds.window * 2;
        let stays = |i: usize| {
            let (host, other) = (&self.hosts[i], &self.hosts[1 - i]);
            let fit = |h: &Host| h.process.as_ref().is_some_and(|p| p.node.is_fit());
            let heard = host.process.as_ref().is_some_and(|p| {
                let peer = p.oracle.peer(other.instance);
                peer.is_some_and(|p| p.health == Health::Healthy)
            });
            let waits = other.role() == Role::Passive && fit(other) && other.stands();
            host.role() == Role::Active && !fit(host) && heard && waits && self.now > ran
        };
        if !(stays(0) || stays(1)) {
            self.unfit_since = None;
        } else if self.now - *self.unfit_since.get_or_insert(self.now) > patience {
            let said = "an unfit instance stays ACTIVE beside a fit one".into();
            self.fail(None, Check::Election, said);
        }
    }

    /// Check (b).
    pub(crate) fn check_election(&mut self) {
        if !self.settled() {
            return;
        }
        self.tally.settled = self.now.saturating_sub(self.touched + self.bounds.settled);
        let now = self.now;
        let pair = [0, 1].map(|i| {
            let host = &self.hosts[i];
            Candidate {
                stands: host.stands(),
                role: host.role(),
                fit: host.process.as_ref().is_some_and(|p| p.node.is_fit()),
                moving: host.moving(),
                carries: host.carries(now).is_some(),
                cut_off: host.cut_off(self.hosts[1 - i].instance),
            }
        });
        let longest = self.bounds.handover + self.bounds.interval;
        if let Err((check, said)) = election::judge(now, &pair, self.moving_since, longest) {
            self.fail(None, check, said);
        }
    }
}
