//! The run: events in the order of virtual time, and the checks between and after them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use twinline_ha::{GateMode, Message, Request, Role, Side};

use crate::bounds::Bounds;
use crate::checks::election::{self, Candidate};
use crate::checks::{Check, Violation, frames};
use crate::clock::{MS, Ns, SEC, US, text};
use crate::host::Host;
use crate::network::{BROADCAST, Frame, Ledger, ROUND, STATIONS, Switch, home, index};
use crate::random::Random;
use crate::scenario::{Change, Deed, Scenario, StateFile};
use crate::wire::Wire;
use crate::worker::Verdict;

/// A worker that serves its queues within this: the rules for group-addressed frames hold only
/// then (see [`frames::judge`]).
const QUICK: Ns = 20 * US;

/// What may happen.
#[derive(Clone, Copy, Debug)]
pub(crate) enum What {
    /// The next deed.
    Deed(usize),
    /// A process starts.
    Start(usize, StateFile),
    /// A turn of a management core; the number tells it from turns that were planned before.
    Turn(usize, u64),
    /// A message arrives at this host.
    Arrive(usize, u64),
    /// A worker of this boot adopts the gate of that number.
    Adopt(usize, u64, u64),
    /// A worker of this boot sends an announcement of a station out of a side.
    Announce(usize, u64, Side, u8),
    /// A station sends.
    Send(usize, u64),
    /// A frame reaches a switch by a port.
    Switch(Side, u8, Frame),
    /// A frame reaches an instance's port.
    Port(usize, Side, Frame),
    /// A worker of this boot looks at a frame.
    Serve(usize, u64, Side, Frame),
    /// The ports of an instance may have got or lost carrier.
    Carrier(usize, Side),
    /// Time to look at old frames, and at whether all is as it should be.
    Look,
}

#[derive(Clone, Copy, Debug)]
struct Planned(Ns, u64, What);

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        (self.0, self.1) == (other.0, other.1)
    }
}
impl Eq for Planned {}
impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Planned {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}

/// What a run was like.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Steps of the nodes.
    pub steps: u64,
    /// Events of all kinds.
    pub events: u64,
    /// Frames that were judged.
    pub frames: u64,
    /// Role changes.
    pub changes: u64,
    /// Orderly hand-overs that were seen through in a healthy network.
    pub handovers: u64,
    /// Virtual time in which the election was judged.
    pub settled: Ns,
    /// Virtual time in which two carried everything, within the bound.
    pub doubled: Ns,
}

/// A run under way.
pub struct World {
    pub(crate) now: Ns,
    queue: BinaryHeap<Reverse<Planned>>,
    planned: u64,
    pub(crate) scenario: Scenario,
    pub(crate) bounds: Bounds,
    pub(crate) hosts: [Host; 2],
    pub(crate) wire: Wire,
    switches: [Switch; 2],
    pub(crate) ledger: Ledger,
    pub(crate) jitter: [Random; 2],
    traffic: Random,
    stations: [(u64, u64); STATIONS],
    dense_until: Ns,
    pub(crate) load: (u64, Ns),
    pub(crate) next_request: u64,
    pub(crate) captures: [Vec<Message>; 2],
    /// The last time that the wire lost something, or was otherwise not to be relied on.
    pub(crate) wire_bad: Ns,
    /// The last time that somebody did not run.
    pub(crate) not_run: Ns,
    /// The last time that the network was not healthy.
    pub(crate) disturbed: Ns,
    /// The last time that anything at all was done to the cluster.
    pub(crate) touched: Ns,
    pub(crate) moving_since: Option<Ns>,
    pub(crate) moved: Ns,
    pub(crate) calm_changes: u64,
    /// When somebody was last let back into the election, and the time before.
    let_in: [Ns; 2],
    unfit_since: Option<Ns>,
    /// The last request of an operator.
    asked: Ns,
    pub(crate) tally: Tally,
    pub(crate) violation: Option<Violation>,
    pub(crate) traced: Option<Vec<String>>,
}

impl World {
    /// A run of the first `deeds` deeds of a scenario. `trace`: keep a line for what happens.
    #[must_use]
    pub fn new(scenario: &Scenario, deeds: usize, trace: bool) -> Self {
        let mut scenario = scenario.clone();
        scenario.deeds.truncate(deeds);
        let seed = scenario.seed;
        let hosts = [Host::new(&scenario.hosts[0]), Host::new(&scenario.hosts[1])];
        let mut world = Self {
            now: 0,
            queue: BinaryHeap::new(),
            planned: 0,
            bounds: scenario.bounds.clone(),
            wire: Wire::new(seed, scenario.wire),
            hosts,
            switches: Default::default(),
            ledger: Ledger::default(),
            jitter: [Random::new(seed, 20), Random::new(seed, 21)],
            traffic: Random::new(seed, 22),
            stations: [(0, 0); STATIONS],
            dense_until: 0,
            load: (2_000_000, 5 * US),
            next_request: 0,
            captures: [Vec::new(), Vec::new()],
            wire_bad: 0,
            not_run: 0,
            disturbed: 0,
            touched: 0,
            moving_since: None,
            moved: 0,
            calm_changes: 0,
            let_in: [0; 2],
            unfit_since: None,
            asked: 0,
            tally: Tally::default(),
            violation: None,
            traced: trace.then(Vec::new),
            scenario,
        };
        for i in 0..2 {
            world.plan(
                world.scenario.hosts[i].starts,
                What::Start(i, StateFile::Kept),
            );
        }
        for i in 0..world.scenario.deeds.len() {
            world.plan(world.scenario.deeds[i].0, What::Deed(i));
        }
        for i in 0..2 {
            let plan = &world.scenario.hosts[i];
            let (s, clock) = (&plan.settings, &plan.clock);
            let said = format!(
                "primary {}, {:?} every {:?}, failure {}, recovery {}, max_flaps {}, preempt {} \
                 after {:?}, links {}, bandwidth {}, clock {} ppm, workers adopt in {} us",
                s.primary,
                s.topology,
                s.interval,
                s.failure_threshold,
                s.recovery_threshold,
                s.max_flaps,
                s.preempt,
                s.preempt_delay,
                s.minimum_active_links,
                s.bandwidth_enabled,
                clock.ppm,
                plan.adopts / US
            );
            world.trace(Some(i), || said);
        }
        if world.leased() {
            for station in 0..STATIONS {
                world.plan(MS, What::Send(station, 0));
            }
        }
        world.plan(100 * MS, What::Look);
        world
    }

    /// Runs to the end, or to the first violation.
    pub fn run(&mut self) {
        while let Some(Reverse(Planned(at, _, what))) = self.queue.pop() {
            if at > self.scenario.end || self.violation.is_some() {
                break;
            }
            self.check_forwarders(at);
            self.now = at;
            self.tally.events += 1;
            self.happen(what);
        }
        self.tally.changes = self.hosts.iter().map(|h| h.watch.changes).sum();
    }

    /// Virtual time now.
    #[must_use]
    pub fn now(&self) -> Ns {
        self.now
    }

    /// The violation that ended the run, if one did.
    #[must_use]
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// What the run was like.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The lines of the trace.
    #[must_use]
    pub fn trace_lines(&self) -> &[String] {
        self.traced.as_deref().unwrap_or_default()
    }

    pub(crate) fn leased(&self) -> bool {
        self.scenario.hosts.iter().all(|h| h.settings.leased())
    }

    pub(crate) fn trace(&mut self, host: Option<usize>, line: impl FnOnce() -> String) {
        let Some(lines) = &mut self.traced else {
            return;
        };
        let who = match host {
            Some(i) => format!("instance {}", self.hosts[i].instance),
            None => "cluster   ".into(),
        };
        lines.push(format!("{} {who}  {}", text(self.now), line()));
    }

    pub(crate) fn fail(&mut self, host: Option<usize>, check: Check, said: String) {
        let who = host.map_or(String::new(), |i| {
            format!("instance {}: ", self.hosts[i].instance)
        });
        if self.violation.is_none() {
            self.trace(host, || format!("VIOLATION {}: {said}", check.name()));
            self.violation = Some(Violation {
                at: self.now,
                check,
                text: format!("{who}{said}"),
            });
        }
    }

    pub(crate) fn plan(&mut self, at: Ns, what: What) {
        self.planned += 1;
        self.queue.push(Reverse(Planned(at, self.planned, what)));
    }

    /// The network has been healthy for so long that hand-overs must go without a scratch.
    pub(crate) fn calm(&self) -> bool {
        self.now > self.disturbed + self.bounds.settled
    }

    /// Nothing at all was done for so long that nothing may move.
    pub(crate) fn settled(&self) -> bool {
        self.now > self.touched + self.bounds.settled
    }

    /// Something is wrong until then.
    pub(crate) fn disturb(&mut self, until: Ns) {
        self.disturbed = self.disturbed.max(until);
        self.touch(until);
        for host in &mut self.hosts {
            if let Some(process) = &mut host.process {
                process.owed.disturbed();
            }
        }
    }

    /// Somebody did something that ends then.
    pub(crate) fn touch(&mut self, until: Ns) {
        self.touched = self.touched.max(until);
        self.calm_changes = 0;
    }

    /// A turn of this management core is wanted at `at`: it comes within a tick of it, unless it
    /// is stalled.
    pub(crate) fn wake(&mut self, i: usize, at: Ns) {
        let tick = self.hosts[i].tick();
        let late = self.jitter[i].below(tick);
        let host = &mut self.hosts[i];
        let at = at.max(self.now).max(host.stalled_until) + late;
        let Some(process) = &mut host.process else {
            return;
        };
        if process.wake.is_some_and(|(planned, _)| planned <= at) {
            return;
        }
        host.wakes += 1;
        process.wake = Some((at, host.wakes));
        let number = host.wakes;
        self.plan(at, What::Turn(i, number));
    }

    fn happen(&mut self, what: What) {
        match what {
            What::Deed(n) => {
                let deed = self.scenario.deeds[n].1;
                self.trace(None, || format!("deed {}: {deed:?}", n + 1));
                self.inflict(deed);
            }
            What::Start(i, file) => self.start(i, file),
            What::Turn(i, number) => {
                self.note_blind();
                let host = &self.hosts[i];
                let due = host.process.as_ref().and_then(|p| p.wake);
                if due.is_none_or(|(_, planned)| planned != number) {
                    return;
                }
                let stalled = host.stalled_until;
                if let Some(process) = &mut self.hosts[i].process {
                    process.wake = None;
                }
                if self.now < stalled {
                    self.wake(i, stalled);
                } else {
                    self.turn(i);
                }
            }
            What::Arrive(i, name) => self.arrive(i, name),
            What::Adopt(i, boot, number) => self.adopt(i, boot, number),
            What::Announce(i, boot, side, station) => {
                let Some(process) = self.hosts[i].process.as_mut().filter(|p| p.boot == boot)
                else {
                    return;
                };
                if self.now < process.worker.hung_until {
                    let at = process.worker.hung_until;
                    self.plan(at, What::Announce(i, boot, side, station));
                    return;
                }
                process.announcing = process.announcing.saturating_sub(1);
                if process.announcing == 0 {
                    self.wake(i, self.now);
                }
                let (src, dst) = (station, BROADCAST);
                let frame = Frame {
                    number: u32::MAX,
                    src,
                    dst,
                    announcement: true,
                    hops: 0,
                };
                self.to_switch(i, side, frame);
            }
            What::Send(station, number) => self.send_frame(station, number),
            What::Switch(side, port, frame) => self.switch(side, port, frame),
            What::Port(i, side, frame) => self.port(i, side, frame),
            What::Serve(i, boot, side, frame) => self.serve(i, boot, side, frame),
            What::Carrier(i, side) => {
                if !self.hosts[i].carrier(side, self.now) {
                    self.switches[index(side)].flush(u8::from(i == 1));
                }
            }
            What::Look => self.look(),
        }
    }

    fn start(&mut self, i: usize, file: StateFile) {
        if self.hosts[i].process.is_some() {
            return;
        }
        self.disturb(self.now);
        self.hosts[i].start(i, self.now, file);
        if self.hosts[i].older_boot {
            // Its peer cannot tell it from a replay until it has shown that it hears the peer, nor
            // before the session before it misses a slot.
            self.wire_bad = self.wire_bad.max(self.now + self.bounds.window);
        }
        self.trace(Some(i), || format!("starts, state file {file:?}"));
        self.wake(i, self.now);
    }

    /// With mixed settings, one that starts with the shorter window cannot know how long the lease
    /// of a stopped one is that it never heard (rule 11 binds those that heard each other).
    fn note_blind(&mut self) {
        let mixed = self.bounds.shortest_window != self.bounds.window;
        let blind = |i: usize| {
            self.hosts[i].role() == Role::Init && self.hosts[1 - i].stalled_until > self.now
        };
        if mixed && (blind(0) || blind(1)) {
            self.wire_bad = self.wire_bad.max(self.now);
        }
    }

    fn arrive(&mut self, i: usize, name: u64) {
        let Some(message) = self.wire.take(name) else {
            return;
        };
        let up = self.wire.carrier(self.now);
        let Some(process) = self.hosts[i].process.as_mut().filter(|_| up) else {
            return;
        };
        if process.inbox.len() >= 1024 {
            self.wire_bad = self.now;
            return;
        }
        process.inbox.push(message);
        self.wake(i, self.now);
    }

    fn adopt(&mut self, i: usize, boot: u64, number: u64) {
        let now = self.now;
        let Some(process) = self.hosts[i].process.as_mut().filter(|p| p.boot == boot) else {
            return;
        };
        if now < process.worker.hung_until {
            let at = process.worker.hung_until;
            self.plan(at, What::Adopt(i, boot, number));
            return;
        }
        if process.worker.adopt(number) {
            let mode = process.worker.adopted;
            self.trace(Some(i), || format!("gate adopted: {mode:?}"));
            self.wake(i, now);
            self.make_dense();
        }
    }

    // --- frames ---

    /// Frames come close together while gates move.
    pub(crate) fn make_dense(&mut self) {
        if !self.leased() {
            return;
        }
        let was = self.dense_until > self.now;
        self.dense_until = self.now + 30 * MS;
        if !was {
            for station in 0..STATIONS {
                self.stations[station].0 += 1;
                let number = self.stations[station].0;
                self.plan(self.now, What::Send(station, number));
            }
        }
    }

    fn send_frame(&mut self, station: usize, number: u64) {
        if self.stations[station].0 != number {
            return;
        }
        let dense = self.now < self.dense_until;
        let gap = if dense { 500 * US } else { 250 * MS };
        let gap = gap + self.traffic.below(gap);
        self.plan(self.now + gap, What::Send(station, number));
        let src = u8::try_from(station).unwrap_or(0);
        self.stations[station].1 += 1;
        let dst = if self.stations[station].1.is_multiple_of(6) {
            BROADCAST
        } else {
            (src + 2 + u8::from(self.traffic.coin())) % 4
        };
        let dst = if dst == src { BROADCAST } else { dst };
        let due = self.hosts.iter().any(|h| h.role() == Role::Active);
        let number = self.ledger.send(self.now, src, dst, due);
        let frame = Frame {
            number,
            src,
            dst,
            announcement: false,
            hops: 0,
        };
        self.switch(home(station), 2 + src % 2, frame);
    }

    fn switch(&mut self, side: Side, port: u8, frame: Frame) {
        let frame = Frame {
            hops: frame.hops + 1,
            ..frame
        };
        if frame.hops > ROUND {
            // Where two carried everything a moment ago, frames that went round have taught
            // switches and instances wrong ways, for as long as stations keep quiet.
            if self.calm() {
                let said = format!("frame {} of {} goes round", frame.number, frame.src);
                self.fail(None, Check::Frames, said);
            }
            return;
        }
        let carrier = [0, 1].map(|i| self.hosts[i].carrier(side, self.now));
        let out = self.switches[index(side)].forward(port, &frame, carrier);
        for i in 0..2 {
            if out.hosts[i] {
                self.plan(self.now + 4 * US, What::Port(i, side, frame));
            }
            let station = index(side) * 2 + i;
            let meant = frame.dst == BROADCAST || usize::from(frame.dst) == station;
            if out.stations[i] && meant && !frame.announcement {
                self.ledger.reached(frame.number, station);
            }
        }
    }

    #[allow(clippy::wrong_self_convention, reason = "the frame goes to the switch")]
    fn to_switch(&mut self, i: usize, side: Side, frame: Frame) {
        if self.hosts[i].carrier(side, self.now) {
            let port = u8::from(i == 1);
            self.plan(self.now + 4 * US, What::Switch(side, port, frame));
        }
    }

    fn port(&mut self, i: usize, side: Side, frame: Frame) {
        let latency = self.load.1;
        if !self.hosts[i].carrier(side, self.now) {
            return;
        }
        let Some(process) = &mut self.hosts[i].process else {
            return;
        };
        if let Some(at) = process.worker.queue(self.now, latency) {
            let boot = process.boot;
            self.plan(at, What::Serve(i, boot, side, frame));
        }
    }

    fn serve(&mut self, i: usize, boot: u64, side: Side, frame: Frame) {
        let (now, local) = (self.now, self.hosts[i].clock.local(self.now));
        let Some(process) = self.hosts[i].process.as_mut().filter(|p| p.boot == boot) else {
            return;
        };
        if now < process.worker.hung_until {
            let at = process.worker.hung_until;
            self.plan(at, What::Serve(i, boot, side, frame));
            return;
        }
        let verdict = process.worker.serve(now, local, side, frame);
        let learned = !process.worker.learned.is_empty();
        if learned {
            self.wake(i, now);
        }
        match verdict {
            Verdict::Carry(frame) => self.to_switch(i, side.other(), frame),
            Verdict::Drop(why) => {
                if self.traced.is_some() && self.hosts[i].role() == Role::Active {
                    self.trace(Some(i), || format!("drops frame {}: {why}", frame.number));
                }
            }
        }
    }

    // --- checks ---

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
        since + self.bounds.two_forwarders + longer
    }

    /// Check (a), from the last event to the next one: nothing but leases changes in between.
    fn check_forwarders(&mut self, next: Ns) {
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

    fn look(&mut self) {
        self.plan(self.now + 100 * MS, What::Look);
        let old = self.now.saturating_sub(60 * MS);
        while let Some((number, sent)) = self.ledger.due(old) {
            let healthy = sent.at > self.disturbed + self.bounds.settled;
            if !healthy || !sent.due {
                continue;
            }
            self.tally.frames += 1;
            let steady = sent.at > self.moved + 5 * MS + 2 * self.adoption_at_most();
            if let Err((check, said)) = frames::judge(number, &sent, steady, self.load.1 <= QUICK) {
                self.fail(None, check, said);
            }
        }
        self.check_unfit();
        self.check_election();
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
                peer.is_some_and(|p| p.health == twinline_ha::Health::Healthy)
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
            }
        });
        let longest = self.bounds.handover + self.bounds.interval;
        if let Err((check, said)) = election::judge(now, &pair, self.moving_since, longest) {
            self.fail(None, check, said);
        }
    }

    // --- deeds ---

    fn inflict(&mut self, deed: Deed) {
        let now = self.now;
        match deed {
            Deed::Ask(i, request) => return self.ask(i, request),
            Deed::Reload(i, change) => return self.reload(i, change),
            Deed::Load(bps, latency) => {
                self.load = (bps, latency);
                return self.touch(now);
            }
            Deed::SetWall(i, by) => {
                self.hosts[i].clock.wall_ms += by;
                return self.touch(now);
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
                self.disturb(now + length + slow);
            }
            Deed::Wire(_, direction, quality, length) => {
                for i in [0, 1] {
                    if direction.is_none_or(|d| d == i) {
                        self.wire.spoil(i, quality, now + length);
                    }
                }
                self.disturb(now + length + quality.longest());
            }
            Deed::PullHaCable(length) => {
                self.wire.pull(now + length);
                self.disturb(now + length);
            }
            Deed::PullCable(i, side, length) => {
                let pulled = &mut self.hosts[i].pulled[index(side)];
                *pulled = (*pulled).max(now + length);
                self.plan(now, What::Carrier(i, side));
                self.disturb(now + length);
            }
            Deed::Replay(i) => {
                for message in self.captures[1 - i].clone() {
                    let name = self.wire.keep(message);
                    self.plan(now, What::Arrive(i, name));
                }
            }
            _ => {}
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
        let before = settings.failure_window();
        match change {
            Change::FailureThreshold(n) => settings.failure_threshold = n,
            Change::IntervalMs(ms) => settings.interval = std::time::Duration::from_millis(ms),
            Change::Preempt(on) => settings.preempt = on,
            Change::MaxFlaps(n) => settings.max_flaps = n,
        }
        if settings.failure_window() < before {
            // The peer's lease counts with the window that it was told last.
            self.wire_bad = self.wire_bad.max(self.now);
        }
        let settings = settings.clone();
        host.watch.reloaded = self.now;
        if let Some(process) = &mut host.process {
            process.node.apply(settings, 7);
            self.wake(i, self.now);
        }
        self.touch(self.now + SEC);
    }
}
