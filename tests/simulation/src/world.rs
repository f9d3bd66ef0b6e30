//! The run: events in the order of virtual time, and the checks between and after them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use twinline_ha::{Message, Side};

use crate::bounds::Bounds;
use crate::checks::{Check, Violation};
use crate::clock::{MS, Ns, US, text};
use crate::host::Host;
use crate::network::{BROADCAST, Frame, Ledger, STATIONS, Switch, index};
use crate::paths::PathWatch;
use crate::random::Random;
use crate::scenario::{Scenario, StateFile};
use crate::wire::Wire;

/// What may happen.
#[derive(Clone, Copy, Debug)]
pub(crate) enum What {
    /// The next deed.
    Deed(usize),
    /// A process starts.
    Start(usize, StateFile),
    /// A turn of a management core; the number tells it from turns that were planned before.
    Turn(usize, u64),
    /// A message arrives at this host's HA port.
    Arrive(usize, usize),
    /// A worker of this boot sends an in-band message that waited for it.
    Inject(usize, u64, Side, usize),
    /// A worker of this host comes to an in-band message that came in on this side.
    Divert(usize, Side, usize),
    /// A worker of this boot adopts the gate of that number.
    Adopt(usize, u64, u64),
    /// A worker of this boot sends an announcement of a station out of a side.
    Announce(usize, u64, Side, u8),
    /// A station sends.
    Send(usize, u64),
    /// A frame reaches a switch by a port.
    Switch(Side, u8, Frame),
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
    /// Virtual time in which the network was healthy by one of two paths only.
    pub one_path: Ns,
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
    pub(crate) paths: PathWatch,
    pub(crate) switches: [Switch; 2],
    pub(crate) ledger: Ledger,
    pub(crate) jitter: [Random; 2],
    pub(crate) traffic: Random,
    pub(crate) stations: [(u64, u64); STATIONS],
    pub(crate) dense_until: Ns,
    pub(crate) load: (u64, Ns),
    /// Frames that were sent before this may wait long for their worker.
    pub(crate) slow_until: Ns,
    /// A worker that takes so long to adopt a gate, until then.
    pub(crate) slow_worker: (Ns, Ns),
    pub(crate) next_request: u64,
    pub(crate) captures: [Vec<Message>; 2],
    /// The last time that something was lost on every path, or was otherwise not to be relied on.
    pub(crate) wire_bad: Ns,
    /// The last time that somebody did not run.
    pub(crate) not_run: Ns,
    /// The last start or reload: alarms begin anew.
    pub(crate) unsteady: Ns,
    /// The last time that the network was not healthy.
    pub(crate) disturbed: Ns,
    /// The last time that anything at all was done to the cluster.
    pub(crate) touched: Ns,
    pub(crate) moving_since: Option<Ns>,
    pub(crate) moved: Ns,
    pub(crate) calm_changes: u64,
    /// When somebody was last let back into the election, and the time before.
    pub(crate) let_in: [Ns; 2],
    pub(crate) unfit_since: Option<Ns>,
    /// The last request of an operator.
    pub(crate) asked: Ns,
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
            wire: Wire::new(seed, scenario.wires),
            paths: PathWatch::default(),
            hosts,
            switches: Default::default(),
            ledger: Ledger::default(),
            jitter: [Random::new(seed, 20), Random::new(seed, 21)],
            traffic: Random::new(seed, 22),
            stations: [(0, 0); STATIONS],
            dense_until: 0,
            load: (2_000_000, 5 * US),
            slow_until: 0,
            slow_worker: (0, 0),
            next_request: 0,
            captures: [Vec::new(), Vec::new()],
            wire_bad: 0,
            not_run: 0,
            unsteady: 0,
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
                 after {:?}, links {}, bandwidth {}, in-band {}, clock {} ppm, workers adopt in {} us",
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
                s.in_band,
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
                self.note_paths();
                self.inflict(deed);
                self.note_paths();
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
            What::Inject(i, boot, side, name) => self.inject(i, boot, side, name),
            What::Divert(i, side, name) => self.divert(i, side, name),
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
            What::Serve(i, boot, side, frame) => self.serve(i, boot, side, frame),
            What::Carrier(i, side) => {
                if !self.hosts[i].carrier(side, self.now) {
                    self.switches[index(side)].flush(u8::from(i == 1));
                }
                self.note_paths();
            }
            What::Look => self.look(),
        }
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
}
