//! A deterministic cluster: nodes, a virtual clock, an HA wire that delays, loses and parts, and
//! workers that adopt gates some ticks after they were told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::action::{Action, CardCommand, GateMode};
use crate::events::{Alarm, Event, Reason, Subject};
use crate::link_pairs::PairLinks;
use crate::message::{Body, Message, Path, Role};
use crate::node::{Node, NodeConfig};
use crate::observation::{CardSeen, Learned, Observation, Request, RequestId, WorkerProgress};
use crate::settings::Settings;
use crate::state::SavedState;
use twinline_time::Time;

/// Milliseconds, for short.
pub(crate) const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Settings that make short tests: 10 ms slots, a window of 30 ms.
pub(crate) fn quick(primary: bool) -> Settings {
    Settings {
        primary,
        interval: ms(10),
        links_interval: ms(10),
        preempt_delay: ms(500),
        settle: ms(50),
        ..crate::settings::tests::settings()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lease {
    None,
    Until(Time),
    Forever,
}

/// A bypass card: what it does is its own business, whether the process runs or not.
#[derive(Clone, Debug)]
pub(crate) struct BypassCard {
    pub path: CardCommand,
    /// How long it takes to do what it is told.
    pub takes: Duration,
    /// It does nothing that it is told.
    pub stuck: bool,
    /// No kick reaches it.
    pub deaf: bool,
    pub period: Duration,
    pub expires_to: CardCommand,
    pub error: Option<String>,
    pub kicks: u32,
    pub expired: bool,
    told: Option<(CardCommand, Time)>,
    expires: Option<Time>,
    next_look: Time,
}

impl BypassCard {
    pub fn new(path: CardCommand) -> Self {
        Self {
            path,
            takes: ms(30),
            stuck: false,
            deaf: false,
            period: ms(200),
            expires_to: CardCommand::Disconnect,
            error: None,
            kicks: 0,
            expired: false,
            told: None,
            expires: None,
            next_look: Time::ZERO,
        }
    }

    fn tell(&mut self, command: CardCommand, now: Time) {
        self.told = Some((command, now + self.takes));
    }

    fn kick(&mut self, now: Time) {
        self.kicks += 1;
        if self.expires.is_some() && !self.deaf {
            self.expires = Some(now + self.period);
        }
    }

    fn pass(&mut self, now: Time) {
        if let Some((command, at)) = self.told
            && now >= at
            && !self.stuck
        {
            self.told = None;
            self.path = command;
            let inline = command == CardCommand::Inline;
            self.expires = inline.then(|| now + self.period);
            self.expired &= !inline;
        }
        if self.expires.is_some_and(|at| now >= at) {
            self.expires = None;
            self.expired = true;
            self.path = self.expires_to;
        }
    }

    fn look(&mut self, now: Time) -> Option<CardSeen> {
        (now >= self.next_look).then(|| {
            self.next_look = now + ms(20);
            CardSeen {
                present: true,
                path: Some(self.path),
                expired: self.expired,
                error: self.error.clone(),
            }
        })
    }
}

/// One appliance.
pub(crate) struct Host {
    pub config: NodeConfig,
    /// `None` = the process does not run.
    pub node: Option<Node>,
    /// The state file.
    pub saved: SavedState,
    /// SIGSTOP until then, on the cluster's clock.
    pub stalled_until: Time,
    /// Ticks from `SetGates` until the workers adopt it.
    pub adopt_after: u32,
    /// The worker does not turn.
    pub worker_hangs: bool,
    pub ha_carrier: bool,
    /// The cables; a port that was taken down reads down whatever the cable.
    pub cables: Vec<PairLinks>,
    pub events: Vec<Event>,
    pub answers: BTreeMap<RequestId, Result<String, String>>,
    /// What the cards were told.
    pub cards: Vec<CardCommand>,
    /// The role that the last heartbeat before each of these said.
    pub told_before_cards: Vec<Role>,
    said: Role,
    /// The card of the only pair.
    pub card: Option<BypassCard>,
    pub announced: Vec<(Time, u64)>,
    pub exited: bool,
    /// Traffic through this host while it is ACTIVE, in bits per second.
    pub traffic_bps: u64,
    bytes: u64,
    pub gates_told: Vec<GateMode>,
    /// This host's clock reads this much more than the cluster's.
    offset: Duration,
    admin_down: BTreeSet<(u16, crate::message::Side)>,
    inbox: Vec<Message>,
    requests: Vec<(RequestId, Request)>,
    learned: Vec<Learned>,
    adopted: GateMode,
    wanted: Option<(GateMode, u32)>,
    lease: Lease,
    pub neighbours: Vec<crate::message::NeighbourChunk>,
    /// What its virtual routers see.
    pub routers: crate::observation::RoutersSeen,
    pending: usize,
    progress: WorkerProgress,
    next_links: Time,
    pub boots: u64,
}

impl Host {
    /// What the workers carry: the adopted gate, as far as the lease holds.
    fn carries(&self, now: Time) -> Option<GateMode> {
        self.node.as_ref()?;
        let leased = match self.lease {
            Lease::None => false,
            Lease::Until(until) => now + self.offset < until,
            Lease::Forever => true,
        };
        (leased && self.adopted != GateMode::Block).then_some(self.adopted)
    }
}

struct Flying {
    at: Time,
    from: usize,
    to: usize,
    message: Message,
}

pub(crate) struct Cluster {
    pub hosts: Vec<Host>,
    pub now: Time,
    pub tick: Duration,
    pub delay: Duration,
    /// Directions of the HA wire that pass nothing.
    pub cut: BTreeSet<(usize, usize)>,
    /// Directions of the in-band path that pass nothing.
    pub cut_in_band: BTreeSet<(usize, usize)>,
    /// Messages to lose, by direction; heartbeats and address shares alike.
    pub lose: BTreeMap<(usize, usize), u32>,
    /// Ticks in which more than one host carried group-addressed frames.
    pub doubled: u32,
    /// Ticks in which nobody carried frames to known addresses.
    pub dark: u32,
    flying: Vec<Flying>,
    next_request: RequestId,
}

impl Cluster {
    /// Hosts 0, 1, ... with the instance ids 1, 2, ...; none of them runs yet.
    pub fn new(settings: &[Settings]) -> Self {
        let hosts = settings
            .iter()
            .zip(1u16..)
            .map(|(settings, instance)| Host {
                config: NodeConfig {
                    instance,
                    boot: 0,
                    pairs: 1,
                    config_digest: 7,
                    settings: settings.clone(),
                    saved: SavedState::default(),
                    state_file_problem: None,
                },
                node: None,
                saved: SavedState::default(),
                stalled_until: Time::ZERO,
                adopt_after: 1,
                worker_hangs: false,
                ha_carrier: true,
                cables: vec![PairLinks {
                    lan: true,
                    wan: true,
                }],
                events: Vec::new(),
                answers: BTreeMap::new(),
                cards: Vec::new(),
                told_before_cards: Vec::new(),
                said: Role::Init,
                card: None,
                announced: Vec::new(),
                exited: false,
                traffic_bps: 0,
                bytes: 0,
                gates_told: Vec::new(),
                offset: Duration::from_secs(1000 * u64::from(instance)),
                admin_down: BTreeSet::new(),
                inbox: Vec::new(),
                requests: Vec::new(),
                learned: Vec::new(),
                adopted: GateMode::Block,
                wanted: None,
                lease: Lease::None,
                pending: 0,
                neighbours: Vec::new(),
                routers: crate::observation::RoutersSeen::NONE,
                progress: WorkerProgress::default(),
                next_links: Time::ZERO,
                boots: 100,
            });
        Self {
            hosts: hosts.collect(),
            now: Time::ZERO,
            tick: ms(1),
            delay: Duration::from_micros(100),
            cut: BTreeSet::new(),
            cut_in_band: BTreeSet::new(),
            lose: BTreeMap::new(),
            doubled: 0,
            dark: 0,
            flying: Vec::new(),
            next_request: 0,
        }
    }

    /// A primary and a secondary with [`quick`] settings, both running, settled, an address known
    /// on each side, the primary ACTIVE.
    pub fn settled() -> Self {
        let mut cluster = Self::new(&[quick(true), quick(false)]);
        cluster.settle();
        cluster
    }

    /// Starts every host, and waits until the first one is ACTIVE and all are HEALTHY.
    pub fn settle(&mut self) {
        for i in 0..self.hosts.len() {
            self.start(i);
        }
        let window = self
            .hosts
            .iter()
            .map(|h| h.config.settings.failure_window());
        self.run(window.max().unwrap_or_default() * 4 + ms(20));
        assert_eq!(self.roles()[0], Role::Active);
        self.learn(0, crate::message::Side::Lan, [2, 0, 0, 0, 0, 1]);
        self.learn(0, crate::message::Side::Wan, [2, 0, 0, 0, 0, 2]);
        self.run(ms(50));
        self.forget();
    }

    /// Forgets what was counted and logged so far.
    pub fn forget(&mut self) {
        self.doubled = 0;
        self.dark = 0;
        for host in &mut self.hosts {
            host.events.clear();
            host.cards.clear();
            host.announced.clear();
            host.gates_told.clear();
        }
    }

    /// Forgets only what was carried twice.
    pub fn forget_doubled(&mut self) {
        self.doubled = 0;
    }

    /// Starts a process; its state file is what the last one left.
    pub fn start(&mut self, i: usize) {
        let unix = self.unix_ms();
        let host = &mut self.hosts[i];
        host.boots += 1;
        host.config.boot = host.boots;
        host.config.saved = host.saved.clone();
        host.node = Some(Node::new(host.config.clone(), self.now + host.offset, unix));
        host.exited = false;
        host.adopted = GateMode::Block;
        host.wanted = None;
        host.lease = Lease::None;
        host.pending = 0;
        host.inbox.clear();
        host.admin_down.clear();
        host.next_links = self.now;
        host.stalled_until = Time::ZERO;
    }

    /// kill -9.
    pub fn kill(&mut self, i: usize) {
        self.hosts[i].node = None;
        self.hosts[i].lease = Lease::None;
    }

    /// SIGSTOP now, SIGCONT after `length`.
    pub fn stall(&mut self, i: usize, length: Duration) {
        self.hosts[i].stalled_until = self.now + length;
    }

    /// An operator's request; the answer comes with the next tick.
    pub fn ask(&mut self, i: usize, request: Request) -> RequestId {
        self.next_request += 1;
        self.hosts[i].requests.push((self.next_request, request));
        self.next_request
    }

    /// An operator's request, and its answer.
    pub fn answer(&mut self, i: usize, request: Request) -> Result<String, String> {
        let id = self.ask(i, request);
        self.run(self.tick);
        self.hosts[i].answers[&id].clone()
    }

    /// A frame with this source came in.
    pub fn learn(&mut self, i: usize, side: crate::message::Side, mac: [u8; 6]) {
        self.hosts[i].learned.push(Learned { pair: 0, side, mac });
    }

    /// Parts the HA wire in both directions.
    pub fn part(&mut self) {
        for from in 0..self.hosts.len() {
            for to in 0..self.hosts.len() {
                self.cut.insert((from, to));
            }
        }
    }

    /// Parts the in-band path in both directions.
    pub fn part_in_band(&mut self) {
        self.cut_in_band = (0..self.hosts.len())
            .flat_map(|from| (0..self.hosts.len()).map(move |to| (from, to)))
            .collect();
    }

    /// Mends the HA wire.
    pub fn mend(&mut self) {
        self.cut.clear();
    }

    pub fn node(&self, i: usize) -> &Node {
        self.hosts[i].node.as_ref().expect("runs")
    }

    pub fn node_mut(&mut self, i: usize) -> &mut Node {
        self.hosts[i].node.as_mut().expect("runs")
    }

    /// Every host's role; a process that does not run is DOWN.
    pub fn roles(&self) -> Vec<Role> {
        self.hosts
            .iter()
            .map(|h| h.node.as_ref().map_or(Role::Down, Node::role))
            .collect()
    }

    pub fn active(&self) -> Vec<usize> {
        let roles = self.roles();
        (0..roles.len())
            .filter(|&i| roles[i] == Role::Active)
            .collect()
    }

    /// What host `i` carries now.
    pub fn carries(&self, i: usize) -> Option<GateMode> {
        self.hosts[i].carries(self.now)
    }

    /// Role changes of a host since [`Self::forget`], with their reasons.
    pub fn role_changes(&self, i: usize) -> Vec<(Role, Reason)> {
        self.hosts[i]
            .events
            .iter()
            .filter_map(|e| match e.subject {
                Subject::Role { to, .. } => Some((to, e.why)),
                _ => None,
            })
            .collect()
    }

    pub fn alarms(&self, i: usize) -> Vec<Alarm> {
        self.node(i).alarms().map(|(a, _)| a.clone()).collect()
    }

    /// How often an alarm was raised since [`Self::forget`].
    pub fn raised(&self, i: usize, name: &str) -> usize {
        let raised = |e: &&Event| {
            e.why == Reason::AlarmRaised
                && matches!(&e.subject, Subject::Alarm(a) if a.name() == name)
        };
        self.hosts[i].events.iter().filter(raised).count()
    }

    pub fn run(&mut self, length: Duration) {
        let until = self.now + length;
        while self.now < until {
            self.step();
        }
    }

    /// Runs until `done`, at most for `limit`; how long it took.
    pub fn run_until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> Duration {
        let start = self.now;
        while !done(self) {
            assert!(
                self.now.since(start) < limit,
                "not within {limit:?}: {:?}",
                self.roles()
            );
            self.step();
        }
        self.now.since(start)
    }

    pub fn step(&mut self) {
        self.now = self.now + self.tick;
        let now = self.now;
        let (due, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.flying)
            .into_iter()
            .partition(|f| f.at <= now);
        self.flying = rest;
        for f in due {
            let cut = match f.message.path {
                Path::HaPort => &self.cut,
                Path::InBand => &self.cut_in_band,
            };
            if !cut.contains(&(f.from, f.to)) && self.hosts[f.to].node.is_some() {
                self.hosts[f.to].inbox.push(f.message);
            }
        }
        for card in self.hosts.iter_mut().filter_map(|h| h.card.as_mut()) {
            card.pass(now);
        }
        for i in 0..self.hosts.len() {
            if self.hosts[i].node.is_some() && self.hosts[i].stalled_until <= now {
                self.step_host(i);
            }
        }
        let carried: Vec<GateMode> = self.hosts.iter().filter_map(|h| h.carries(now)).collect();
        let all = |m: &&GateMode| matches!(m, GateMode::Forward | GateMode::HandingOver);
        self.doubled += u32::from(carried.iter().filter(all).count() > 1);
        self.dark += u32::from(carried.is_empty());
    }

    fn unix_ms(&self) -> u64 {
        1_700_000_000_000 + u64::try_from(self.now.as_nanos() / 1_000_000).unwrap_or(0)
    }

    fn step_host(&mut self, i: usize) {
        let unix_ms = self.unix_ms();
        let now = self.now;
        let host = &mut self.hosts[i];
        if !host.worker_hangs {
            host.progress.iterations += 10;
            host.progress.idle_iterations += 5;
            host.pending = 0;
            if let Some((mode, left)) = host.wanted {
                host.wanted = (left > 1).then(|| (mode, left - 1));
                if left <= 1 {
                    host.adopted = mode;
                }
            }
        }
        let path = host.card.as_ref().map(|c| c.path);
        let inline = path.is_none_or(|p| p == CardCommand::Inline);
        let links: Vec<PairLinks> = host
            .cables
            .iter()
            .zip(0u16..)
            .map(|(cable, pair)| PairLinks {
                lan: cable.lan
                    && inline
                    && !host.admin_down.contains(&(pair, crate::message::Side::Lan)),
                wan: cable.wan
                    && inline
                    && !host.admin_down.contains(&(pair, crate::message::Side::Wan)),
            })
            .collect();
        let polled = now >= host.next_links;
        if polled {
            host.next_links = now + host.config.settings.links_interval;
        }
        if host.carries(now).is_some() {
            let nanos = u64::try_from(self.tick.as_nanos()).unwrap();
            host.bytes += host.traffic_bps / 8 * nanos / 1_000_000_000;
        }
        let card = host.card.as_mut().and_then(|card| card.look(now));
        let messages = std::mem::take(&mut host.inbox);
        let requests = std::mem::take(&mut host.requests);
        let learned = std::mem::take(&mut host.learned);
        let observation = Observation {
            messages: &messages,
            ha_link_up: host.ha_carrier,
            links: polled.then_some(links.as_slice()),
            cards: card.as_ref().map(std::slice::from_ref),
            gates_adopted: host.wanted.is_none(),
            announcements_pending: host.pending,
            workers: &[host.progress],
            learned: &learned,
            routers: host.routers,
            bytes: [host.bytes, 0],
            requests: &requests,
            ..Observation::quiet(now + host.offset, unix_ms)
        };
        let actions = host
            .node
            .as_mut()
            .map(|n| n.step(&observation))
            .unwrap_or_default();
        for action in actions {
            self.act(i, action);
        }
    }

    fn act(&mut self, i: usize, action: Action) {
        let now = self.now;
        let host = &mut self.hosts[i];
        match action {
            Action::Send {
                seq,
                heartbeat,
                lease_until,
            } => {
                if let Some(until) = lease_until {
                    host.lease = Lease::Until(until);
                }
                host.said = heartbeat.role;
                let in_band = host.config.settings.in_band;
                self.send(i, seq, &Body::Heartbeat(heartbeat), in_band);
            }
            Action::SendMacs {
                seq,
                chunk,
                in_band,
            } => self.send(i, seq, &Body::Macs(chunk), in_band),
            Action::SendNeighbours {
                seq,
                chunk,
                in_band,
            } => self.send(i, seq, &Body::Neighbours(chunk), in_band),
            Action::TakeNeighbours(chunk) => host.neighbours.push(chunk),
            Action::SetGates(mode) => {
                host.gates_told.push(mode);
                host.wanted = Some((mode, host.adopt_after));
            }
            Action::RevokeLease => host.lease = Lease::None,
            Action::LeaseForever => host.lease = Lease::Forever,
            Action::SetPort { pair, side, up } => {
                if up {
                    host.admin_down.remove(&(pair, side));
                } else {
                    host.admin_down.insert((pair, side));
                }
            }
            Action::SetMac { .. } => {}
            Action::Announce { epoch, .. } => {
                host.pending += 1;
                host.announced.push((now, epoch));
            }
            Action::Card { command, .. } => {
                host.cards.push(command);
                host.told_before_cards.push(host.said);
                if let Some(card) = &mut host.card {
                    card.tell(command, now);
                }
            }
            Action::Kick => {
                if let Some(card) = &mut host.card {
                    card.kick(now);
                }
            }
            Action::Persist(saved) => host.saved = saved,
            Action::Event(event) => host.events.push(event),
            Action::Answer { id, result } => {
                host.answers.insert(id, result);
            }
            Action::Exit => {
                host.exited = true;
                host.node = None;
                host.lease = Lease::None;
            }
        }
    }

    fn send(&mut self, from: usize, seq: u64, body: &Body, in_band: bool) {
        let sender = &self.hosts[from].config;
        let message = Message {
            instance: sender.instance,
            boot: sender.boot,
            seq,
            path: Path::HaPort,
            body: body.clone(),
        };
        let copy = Message {
            path: Path::InBand,
            ..message.clone()
        };
        let wired = |host: &Host| host.cables.iter().any(|c| c.lan || c.wan);
        for to in 0..self.hosts.len() {
            let carried = wired(&self.hosts[from]) && wired(&self.hosts[to]);
            let cut = self.cut_in_band.contains(&(from, to));
            if in_band && carried && !cut && to != from {
                // A little later than on the HA path.
                self.flying.push(Flying {
                    at: self.now + self.delay * 2,
                    from,
                    to,
                    message: copy.clone(),
                });
            }
        }
        for to in 0..self.hosts.len() {
            let lost = self.lose.get_mut(&(from, to)).is_some_and(|left| {
                let lost = *left > 0;
                *left = left.saturating_sub(1);
                lost
            });
            if to == from || lost || self.cut.contains(&(from, to)) {
                continue;
            }
            self.flying.push(Flying {
                at: self.now + self.delay,
                from,
                to,
                message: message.clone(),
            });
        }
    }
}
