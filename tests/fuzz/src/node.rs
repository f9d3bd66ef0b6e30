//! Bytes as the life of one HA node (rules 1, 2, 5, 11 and 23).
//!
//! [`crate::script`] makes operations of them; here they are played on a real node, and after every
//! step these promises are looked at. A broken one is a panic.
//! - No panic, and no arithmetic that overflows (the fuzz profile checks it).
//! - Rule 5: a message with a boot id or sequence of the past changes nothing (but, with the boot
//!   id, what is echoed): a clone of the node that never heard it does the same and looks the same.
//!   It is counted. An echo to a peer that is there is of its session.
//! - Rules 1 and 2: a peer is HEALTHY never before its heartbeats in sequence are enough, UNHEALTHY
//!   never a slot early, and, while our loop is on time, never a slot late.
//! - Rule 11: no lease is longer than the most impatient peer allows, nobody carries the traffic
//!   without one, and no gate is open in any role but ACTIVE (parallel).
//! - Rule 23 and house rules: peers, events, alarms, addresses and actions are bounded, requests are
//!   answered once, sequence numbers grow, and what the node says is what the wire takes.
//! - Left alone, the node comes to rest.

use std::collections::BTreeMap;
use std::time::Duration;

use twinline_ha::events::Subject;
use twinline_ha::link_pairs::PairLinks;
use twinline_ha::macs::MAX_MACS;
use twinline_ha::message::{Body, Echo, Heartbeat, MAX_PEERS, MacChunk, Message, Path, Paths};
use twinline_ha::peer::Peer;
use twinline_ha::{
    Action, Flags, GateMode, Health, Learned, Mode, Node, NodeConfig, Observation, Reason, Reject,
    Request, RequestId, Role, Settings, Time, WorkerProgress,
};
use twinline_wire::heartbeat as frame;

use crate::script::{self, MAX_OPS, OWN_BOOT, OWN_INSTANCE, Op, Reader, Say, Start};
use crate::sessions::{Sessions, Verdict};
use crate::{seal, wire};

/// Messages that wait for one step, at most: the HA queue is drained in bounded shares.
const BATCH: usize = 64;
/// Role changes of a node that is left alone, at most: INIT or DOWN, ACTIVE, and one for the lease.
const RESTING: usize = 4;

/// A node under judgement, and what is around it.
struct Trial {
    start: Start,
    settings: Settings,
    node: Node,
    /// What the clock shows.
    clock: Time,
    /// The node's time, which never goes back.
    now: Time,
    /// When the node was stepped last.
    stepped: Time,
    /// The largest threshold of a reload since the last step, and until when a threshold that a
    /// reload lowered may still count as it was (rule 24).
    eased: u8,
    eased_until: Time,
    unix_ms: u64,
    sessions: Sessions,
    /// Boot id and sequence number of each peer that counts as it should.
    peers: BTreeMap<u16, (u64, u64)>,

    messages: Vec<Message>,
    requests: Vec<(RequestId, Request)>,
    rejects: Vec<Reject>,
    learned: Vec<Learned>,
    links: Vec<PairLinks>,
    bytes: [u64; 2],
    machine: u8,
    iterations: u64,

    /// Addresses known.
    known: usize,
    next_request: RequestId,
    last_seq: u64,
    last_event: u64,
    exited: bool,
    role_changes: usize,
}

/// Plays the bytes.
///
/// # Panics
/// When a promise is broken.
pub fn judge(data: &[u8]) {
    let mut from = Reader::new(data);
    let mut trial = Trial::new(Start::read(&mut from));
    for _ in 0..MAX_OPS {
        let Some(op) = Op::read(&mut from) else { break };
        trial.play(op);
    }
    trial.rest();
}

fn heartbeat(settings: &Settings, now: Time) -> Heartbeat {
    Heartbeat {
        role: Role::Passive,
        flags: Flags::FIT,
        successor: 0,
        epoch: 1,
        unfit: None,
        pairs_up: 1,
        pairs_total: 1,
        bandwidth_bps: 0,
        flaps: 0,
        interval: settings.interval,
        failure_threshold: settings.failure_threshold,
        config_digest: 7,
        tx_time: now,
        echoes: Vec::new(),
    }
}

fn peer_id(byte: u8) -> u16 {
    // Mostly one peer, sometimes more than a stack may have.
    u16::from(byte % 20) + 2
}

impl Trial {
    fn new(start: Start) -> Self {
        let (now, unix_ms) = (Time::ZERO + Duration::from_secs(10), 1_700_000_000_000);
        let settings = start.settings(start.knobs);
        let saved = start.saved(unix_ms);
        let sessions = Sessions::new(saved.boots.clone());
        let config = NodeConfig {
            instance: OWN_INSTANCE,
            boot: OWN_BOOT,
            pairs: start.pairs(),
            config_digest: 7,
            settings: settings.clone(),
            saved,
            state_file_problem: None,
        };
        let up = PairLinks {
            lan: true,
            wan: true,
        };
        Self {
            start,
            settings,
            node: Node::new(config, now, unix_ms),
            clock: now,
            now,
            stepped: now,
            eased: 0,
            eased_until: now,
            unix_ms,
            sessions,
            peers: BTreeMap::new(),
            messages: Vec::new(),
            requests: Vec::new(),
            rejects: Vec::new(),
            learned: Vec::new(),
            links: vec![up; usize::from(start.pairs())],
            bytes: [0; 2],
            machine: 0,
            iterations: 0,
            known: 0,
            next_request: 1,
            last_seq: 0,
            last_event: 0,
            exited: false,
            role_changes: 0,
        }
    }

    fn play(&mut self, op: Op) {
        match op {
            Op::Step(units) => self.advance(script::wait(units)),
            Op::Hear(message) => self.hear(message),
            Op::Say(say) => self.say(say),
            Op::Share {
                peer,
                pair,
                first,
                many,
            } => {
                let chunk = MacChunk {
                    pair: u16::from(pair & 127),
                    side: script::side(pair),
                    macs: script::addresses(first, many % 13).collect(),
                };
                let message = self.count(peer, 1, Body::Macs(chunk));
                self.hear(message);
            }
            Op::Replay { peer, back } => self.replay(peer, back),
            Op::Restart { peer, by } => {
                let id = peer_id(peer);
                let (boot, seq) = self.peers.entry(id).or_insert((100, 0));
                let change = u64::from(by & 127);
                *boot = if by & 128 == 0 {
                    boot.saturating_add(change)
                } else {
                    boot.saturating_sub(change)
                };
                *seq = 0;
            }
            Op::Ask(what) => {
                self.requests
                    .push((self.next_request, script::request(what)));
                self.next_request += 1;
            }
            Op::Links(bits) => {
                for (index, pair) in self.links.iter_mut().enumerate() {
                    pair.lan = bits >> (index * 2) & 1 == 0;
                    pair.wan = bits >> (index * 2) & 2 == 0;
                }
            }
            Op::Machine(bits) => self.machine = bits,
            Op::Learn { pair, first, many } => {
                let (pair, side) = (u16::from(pair & 127), script::side(pair));
                let seen = script::addresses(first, many);
                self.learned
                    .extend(seen.map(|mac| Learned { pair, side, mac }));
                if self.learned.len() > 8192 {
                    self.advance(Duration::ZERO);
                }
            }
            Op::Bytes(count) => {
                let side = usize::from(count >> 31 == 1);
                let more = u64::from(count & 0x7fff_ffff);
                self.bytes[side] = self.bytes[side].saturating_add(more);
            }
            Op::Reject(what) => self.rejects.push(match what % 3 {
                0 => Reject::BadKey,
                1 => Reject::Twin,
                _ => Reject::OtherStack(format!("stack {what}")),
            }),
            Op::Reload(knobs) => {
                let before = self.settings.failure_threshold;
                self.settings = self.start.settings(knobs);
                self.eased = self.eased.max(before);
                self.node.apply(self.settings.clone(), 7);
                self.sessions.reload(&self.settings);
            }
        }
    }

    /// A message of a peer that counts as it should, after `lost` others.
    fn count(&mut self, peer: u8, more: u64, body: Body) -> Message {
        let instance = peer_id(peer);
        let (boot, seq) = self.peers.entry(instance).or_insert((100, 0));
        *seq = seq.saturating_add(more);
        Message {
            instance,
            boot: *boot,
            seq: *seq,
            path: Path::HaPort,
            body,
        }
    }

    fn say(&mut self, say: Say) {
        let on = |bit: u8| say.how & bit != 0;
        let mut said = heartbeat(&self.settings, self.now);
        said.role = script::role(say.role);
        said.flags = Flags(say.flags);
        said.successor = u16::from(say.successor);
        said.epoch = u64::from(say.epoch & 127);
        if say.epoch & 128 != 0 {
            said.epoch = self.node.epoch().saturating_add(said.epoch);
        }
        if on(4) {
            said.echoes.push(Echo {
                instance: OWN_INSTANCE,
                boot: OWN_BOOT,
                seq: if on(32) { 1 } else { self.last_seq },
                tx_time: self.now - Duration::from_millis(1),
                hold: Duration::ZERO,
                health: Health::Healthy,
                paths: Paths(1),
            });
        }
        if on(8) {
            said.config_digest = 8;
        }
        if on(16) {
            said.pairs_up = 0;
        }
        if on(64) {
            said.failure_threshold = 1;
        }
        if on(128) {
            said.interval = self.settings.interval * 3;
        }
        let message = self.count(say.peer, 1 + u64::from(say.how & 3), Body::Heartbeat(said));
        self.hear(message);
    }

    fn replay(&mut self, peer: u8, back: u8) {
        let instance = peer_id(peer);
        let &mut (boot, seq) = self.peers.entry(instance).or_insert((100, 0));
        let mut said = heartbeat(&self.settings, self.now);
        // What would do the most harm.
        said.role = Role::Active;
        said.flags = Flags(u16::from(back) << 2) | Flags::FIT | Flags::PRIMARY;
        said.successor = OWN_INSTANCE;
        said.epoch = u64::MAX;
        let far = u64::from(back & 127);
        let (boot, seq) = if back & 128 == 0 {
            (boot, seq.saturating_sub(far))
        } else {
            (boot.saturating_sub(far + 1), u64::MAX)
        };
        self.hear(Message {
            instance,
            boot,
            seq,
            path: Path::HaPort,
            body: Body::Heartbeat(said),
        });
    }

    fn hear(&mut self, message: Message) {
        self.messages.push(message);
        if self.messages.len() >= BATCH {
            self.advance(Duration::ZERO);
        }
    }

    /// Time passes, and the node steps with all that waits for it.
    fn advance(&mut self, by: Duration) {
        self.clock = self.clock + by;
        self.now = self.now.max(self.clock - self.set_back());
        let ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.unix_ms = self.unix_ms.saturating_add(ms);
        self.sessions.begin();
        let mut batch = Vec::new();
        let mut verdicts = Vec::new();
        for message in std::mem::take(&mut self.messages) {
            let verdict = if self.settings.mode == Mode::Standalone {
                Verdict::Ignored
            } else {
                self.sessions.judge(&message, self.now, &self.settings)
            };
            if verdict != Verdict::Open {
                verdicts.push(verdict);
                batch.push(message);
                continue;
            }
            self.step(&std::mem::take(&mut batch), &std::mem::take(&mut verdicts));
            self.step_open(message);
        }
        self.step(&batch, &verdicts);
    }

    /// Another boot id, alone. An older one is taken only when no session is alive that showed that it
    /// hears us, unless the node slept through a slot and cannot tell.
    fn step_open(&mut self, message: Message) {
        let (instance, boot) = (message.instance, message.boot);
        let of = |node: &Node| {
            let peer = node.peers().find(|p| p.instance() == instance);
            let alive = |p: &Peer| p.present() && p.missed() == 0 && p.hears_us_at().is_some();
            peer.map(|p| (p.boot(), alive(p), p.highest_boot()))
        };
        let slept = self.now.since(self.stepped) >= self.settings.interval;
        let refusals = |node: &Node| node.refused().values().sum::<u64>();
        let before = of(&self.node);
        let alive = before.is_some_and(|(_, heard, highest)| heard && boot <= highest && !slept);
        self.sessions.begin();
        let messages = [message];
        // Whether it is taken is found out on a clone, so that the oracle knows before the step.
        let mut probe = self.node.clone();
        probe.step(&self.observe(&messages, &[], &[], &[]));
        let taken = of(&probe).is_some_and(|(now, ..)| now == boot);
        let waited = refusals(&probe) > refusals(&self.node);
        if taken {
            assert!(
                !alive,
                "a live session of {instance} was displaced by an older boot id"
            );
            let [message] = &messages;
            self.sessions.settle(message, self.now, &self.settings);
        } else {
            let [message] = &messages;
            self.sessions.wait(message);
        }
        let verdict = match (taken, waited) {
            (true, false) => Verdict::Taken,
            (true, true) => Verdict::Waited,
            (false, _) => Verdict::Refused,
        };
        self.step(&messages, &[verdict]);
        self.sessions.begin();
    }

    /// By how much the clock is set back just now.
    fn set_back(&self) -> Duration {
        Duration::from_millis(if self.machine & 8 == 0 { 0 } else { 700 })
    }

    fn observe<'a>(
        &self,
        messages: &'a [Message],
        requests: &'a [(RequestId, Request)],
        rejects: &'a [Reject],
        learned: &'a [Learned],
    ) -> Observation<'a> {
        Observation {
            messages,
            rejects,
            learned,
            requests,
            ha_link_up: self.machine & 1 == 0,
            gates_adopted: self.machine & 2 == 0,
            announcements_pending: usize::from(self.machine >> 4) * 8,
            bytes: self.bytes,
            ..Observation::quiet(self.clock - self.set_back(), self.unix_ms)
        }
    }

    /// One step of the node, and all that is promised of it.
    fn step(&mut self, messages: &[Message], verdicts: &[Verdict]) {
        let requests = std::mem::take(&mut self.requests);
        let rejects = std::mem::take(&mut self.rejects);
        let learned = std::mem::take(&mut self.learned);
        let links = self.links.clone();
        self.iterations += u64::from(self.machine & 4 == 0);
        let workers = [WorkerProgress {
            iterations: self.iterations,
            idle_iterations: self.iterations,
        }];
        let observation = Observation {
            links: Some(&links),
            workers: &workers,
            ..self.observe(messages, &requests, &rejects, &learned)
        };
        let known_before = self.known;
        let refused_before: u64 = self.node.refused().values().sum();
        let late_before = self.node.lateness().late_steps;

        let refused = |v: &Verdict| matches!(v, Verdict::Refused | Verdict::Replayed);
        let bad = verdicts.iter().filter(|v| refused(v)).count();
        let twin = (bad > 0).then(|| {
            let kept: Vec<Message> = messages
                .iter()
                .zip(verdicts)
                .filter(|(_, verdict)| !refused(verdict))
                .map(|(message, _)| message.clone())
                .collect();
            let mut twin = self.node.clone();
            let actions = twin.step(&Observation {
                messages: &kept,
                ..observation
            });
            (twin, actions)
        });
        let actions = self.node.step(&observation);
        self.stepped = self.now;
        let eased = u32::from(std::mem::take(&mut self.eased));
        let until = self.now + self.settings.interval * eased;
        self.eased_until = self.eased_until.max(until);
        let node = &self.node;
        let boot_of = |id: u16| node.peers().find(|p| p.instance() == id).map(Peer::boot);
        self.sessions
            .settle_waiting(self.now, &self.settings, boot_of);
        if let Some((twin, mut without)) = twin {
            let mut with = actions.clone();
            if verdicts.contains(&Verdict::Refused) {
                forget_echoes(&mut with);
                forget_echoes(&mut without);
            }
            // One that listens is answered at once, believed or not: it must not miss that we are here.
            let answered = messages.iter().zip(verdicts).any(|(m, v)| {
                let listens =
                    matches!(&m.body, Body::Heartbeat(h) if h.flags.has(Flags::LISTENING));
                *v == Verdict::Refused && listens
            });
            if answered {
                let sends = |a: &Action| matches!(a, Action::Send { .. } | Action::SendMacs { .. });
                with.retain(|a| !sends(a));
                without.retain(|a| !sends(a));
            }
            assert_eq!(with, without, "a refused message changed what is done");
            let (ours, its) = (view(&self.node), view(&twin));
            assert!(
                answered || ours == its,
                "a refused message changed the node"
            );
        }
        let refused_now: u64 = self.node.refused().values().sum();
        let waited = verdicts.iter().filter(|v| **v == Verdict::Waited).count();
        let counted = (bad + waited) as u64;
        assert_eq!(refused_now - refused_before, counted, "refusals counted");
        if self.node.lateness().late_steps != late_before {
            self.sessions.late();
        }

        if !learned.is_empty() || actions.iter().any(|a| matches!(a, Action::SetMac { .. })) {
            self.known = self.macs_known();
        }

        let shared: usize = messages
            .iter()
            .map(|m| match &m.body {
                Body::Macs(chunk) => chunk.macs.len(),
                Body::Heartbeat(_) | Body::Neighbours(_) => 0,
            })
            .sum();
        self.check_amounts(
            &actions,
            messages.len() + rejects.len() + requests.len() * 2,
            known_before + shared + learned.len(),
        );
        self.check_actions(&actions, &requests);
        self.check_health();
        self.check_gates();
    }

    fn macs_known(&self) -> usize {
        (0..usize::from(self.start.pairs()))
            .map(|pair| {
                let both = [twinline_ha::Side::Lan, twinline_ha::Side::Wan];
                both.map(|side| self.node.macs_known(pair, side))
                    .iter()
                    .sum::<usize>()
            })
            .sum()
    }

    /// Nothing grows without a bound.
    fn check_amounts(&self, actions: &[Action], inputs: usize, addresses: usize) {
        let pairs = usize::from(self.start.pairs());
        let count = |kind: fn(&Action) -> bool| actions.iter().filter(|a| kind(a)).count();
        let set_macs = count(|a| matches!(a, Action::SetMac { .. }));
        let announced = count(|a| matches!(a, Action::Announce { .. }));
        let chunks = count(|a| matches!(a, Action::SendMacs { .. }));
        let others = actions.len() - set_macs - announced - chunks;
        assert!(set_macs <= addresses, "{set_macs} addresses set");
        assert!(announced <= 64, "{announced} announcements");
        assert!(chunks <= pairs * (MAX_MACS / 200 + 2), "{chunks} chunks");
        let bound = 64 + 8 * inputs + 8 * MAX_PEERS + 4 * pairs;
        assert!(others <= bound, "{others} actions after {inputs} inputs");
        let peers = self.node.peers().count();
        assert!(peers <= MAX_PEERS, "{peers} peers");
        assert!(self.node.events().len() <= 1024);
        let alarms = self.node.alarms().count();
        assert!(alarms <= 5 * MAX_PEERS + 18, "{alarms} alarms");
        assert!(self.known <= pairs * MAX_MACS);
        assert!(self.node.flaps() <= 1024);
        assert!(self.node.next_deadline() >= self.now);
    }

    fn check_actions(&mut self, actions: &[Action], requests: &[(RequestId, Request)]) {
        let mut answered = Vec::new();
        // The first chunk of a step stands for all: the hash takes its time.
        let mut shared = false;
        for action in actions {
            match action {
                Action::Send {
                    seq,
                    heartbeat,
                    lease_until,
                } => {
                    assert!(!self.exited, "spoke after its exit");
                    self.check_seq(*seq);
                    self.check_said(heartbeat, *seq);
                    self.check_lease(*lease_until);
                }
                Action::SendMacs { seq, chunk, .. } => {
                    self.check_seq(*seq);
                    if std::mem::replace(&mut shared, true) {
                        continue;
                    }
                    let mut buffer = [0; frame::MAX_FRAME_LEN];
                    let sent = wire::macs(chunk).emit(
                        &mut buffer,
                        &header(*seq),
                        &addressing(),
                        &frame::Auth::insecure(),
                    );
                    assert!(sent.is_ok(), "{sent:?}");
                }
                Action::Event(event) => {
                    assert!(event.seq > self.last_event);
                    self.last_event = event.seq;
                    match &event.subject {
                        Subject::Role { .. } => self.role_changes += 1,
                        Subject::Health { peer, to, .. } => {
                            self.check_change(*peer, *to, event.why);
                        }
                        _ => {}
                    }
                }
                Action::Answer { id, .. } => answered.push(*id),
                Action::Persist(saved) => assert!(saved.boots.len() <= MAX_PEERS + 2),
                Action::Exit => {
                    assert!(!self.exited, "two exits");
                    self.exited = true;
                }
                _ => {}
            }
        }
        assert!(answered.iter().eq(requests.iter().map(|(id, _)| id)));
    }

    fn check_seq(&mut self, seq: u64) {
        assert!(seq > self.last_seq);
        self.last_seq = seq;
    }

    /// What the node says is what the wire takes, and means the same there.
    fn check_said(&self, said: &Heartbeat, seq: u64) {
        for peer in self.node.peers().filter(|p| p.present()) {
            // An unproven session may be echoed beside it, never in its place.
            let of_it = |e: &&Echo| e.instance == peer.instance();
            let boots: Vec<u64> = said.echoes.iter().filter(of_it).map(|e| e.boot).collect();
            let full = said.echoes.len() == MAX_PEERS;
            assert!(boots.contains(&peer.boot()) || full || peer.last().is_none());
        }
        let auth = frame::Auth::insecure();
        let said = wire::heartbeat(said);
        let mut buffer = [0; frame::MAX_FRAME_LEN];
        let length = said
            .emit(&mut buffer, &header(seq), &addressing(), &auth)
            .expect("the wire takes what a node says");
        let stack = frame::StackName::new(seal::STACK).expect("a name");
        let expect = frame::Expect {
            udp_port: seal::PORT,
            stack: &stack,
            own_instance: OWN_INSTANCE + 1,
            auth: &auth,
        };
        let heard = frame::parse(&buffer[..length], &expect).expect("and reads it");
        assert_eq!(heard.body, frame::Body::Heartbeat(said));
    }

    /// Rule 11: the lease ends before the most impatient peer takes over.
    fn check_lease(&self, lease_until: Option<Time>) {
        let Some(until) = lease_until else { return };
        let mut window = self.settings.interval * u32::from(self.settings.failure_threshold);
        for peer in self.node.peers() {
            let Some(last) = peer.last() else { continue };
            let slot = last.heartbeat.interval.max(self.settings.interval);
            let threshold = u32::from(last.heartbeat.failure_threshold.max(1));
            window = window.min(slot.saturating_mul(threshold));
        }
        let guard = self.settings.interval / 4;
        assert!(until <= self.now + window - guard, "too long a lease");
    }

    /// Rules 1 and 2, never early.
    fn check_change(&self, peer: u16, to: Health, why: Reason) {
        let session = self.sessions.get(peer).expect("a peer that was accepted");
        match (to, why) {
            (Health::Healthy, _) => {
                let enough = u64::from(self.settings.recovery_threshold);
                let good = session.best_good;
                assert!(good >= enough, "HEALTHY after {good} of {enough}");
            }
            (Health::Unhealthy, Reason::HeartbeatsMissed) => {
                let last = session.heard_at.expect("it was heard");
                let (heard, slot) = session.before.unwrap_or((last, session.shortest_slot));
                let silent = self.now.since(heard);
                let threshold = u32::from(self.settings.failure_threshold);
                let window = slot.saturating_mul(threshold);
                assert!(silent >= window, "UNHEALTHY after {silent:?} of {window:?}");
            }
            _ => {}
        }
    }

    /// Rule 1, never late while our own loop is on time.
    fn check_health(&self) {
        for peer in self.node.peers() {
            let session = self.sessions.get(peer.instance());
            let session = session.expect("a peer that was accepted");
            assert_eq!(peer.boot(), session.boot);
            let Some(heard) = session.heard_at.filter(|_| session.steady) else {
                continue;
            };
            let threshold = u32::from(self.settings.failure_threshold);
            let window = session.shortest_slot.saturating_mul(threshold);
            // What was counted by the larger threshold is judged at the end of a slot.
            let eased = self.now < self.eased_until + session.shortest_slot;
            if self.now.since(heard) >= window && !eased {
                assert_eq!(peer.health(), Health::Unhealthy, "{window:?} of silence");
            }
        }
        assert_eq!(self.node.peers().count(), self.sessions.iter().count());
    }

    fn check_gates(&self) {
        let active = self.node.role() == Role::Active;
        let gates = self.node.gates();
        let open = !matches!(gates, GateMode::Block | GateMode::Wire);
        assert_eq!(open, active, "gates {gates:?} while {}", self.node.role());
        assert!(!(self.exited && open));
        if self.settings.leased() {
            assert_ne!(gates, GateMode::Wire);
            let lease = self.node.lease_until();
            assert_eq!(lease.is_some(), active, "a lease and the role go together");
            assert!(lease.is_none_or(|until| until >= self.now));
        }
    }

    /// Left alone, with all in order around it, the node comes to rest.
    fn rest(&mut self) {
        self.machine = 0;
        self.advance(Duration::ZERO);
        self.role_changes = 0;
        self.clock = self.now;
        for _ in 0..64 {
            // Well within the shortest lease, three quarters of a millisecond.
            let soon = self.now + Duration::from_micros(20);
            let next = self.node.next_deadline().max(soon);
            self.advance(next.since(self.now));
        }
        let changes = self.role_changes;
        assert!(
            changes <= RESTING,
            "{changes} role changes of a node left alone: {:#?}",
            self.node.events().rev().take(40).collect::<Vec<_>>()
        );
    }
}

fn header(seq: u64) -> frame::Header {
    frame::Header {
        path: frame::Path::HaPort,
        stack: frame::StackName::new(seal::STACK).expect("a name"),
        instance: OWN_INSTANCE,
        boot: OWN_BOOT,
        seq,
    }
}

fn addressing() -> frame::Addressing {
    let mac = twinline_wire::Mac([2, 0, 0, 0, 0, 0x0a]);
    let (ip, group) = ([169, 254, 0, 1].into(), [239, 255, 43, 203].into());
    frame::Addressing::multicast(mac, ip, group, seal::PORT)
}

fn forget_echoes(actions: &mut [Action]) {
    for action in actions {
        if let Action::Send { heartbeat, .. } = action {
            heartbeat.echoes.clear();
        }
    }
}

/// All that consoles and peers can see of a node, but for the count of refusals.
fn view(node: &Node) -> String {
    let peers: Vec<_> = node
        .peers()
        .map(|p| {
            (
                (p.instance(), p.boot(), p.highest_boot(), p.health()),
                (p.missed(), p.heartbeats(), p.lost(), p.failed_checks()),
                (p.rtt(), p.present(), p.heard_since(), p.unechoed()),
                (p.hears_us_at(), p.said_goodbye(), p.last().map(|r| r.at)),
                p.echo(Time::ZERO),
            )
        })
        .collect();
    let alarms: Vec<_> = node.alarms().collect();
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {} {peers:?} {alarms:?}",
        node.role(),
        node.role_reason(),
        node.gates(),
        node.lease_until(),
        node.next_deadline(),
        node.epoch(),
        node.events().len(),
    )
}
