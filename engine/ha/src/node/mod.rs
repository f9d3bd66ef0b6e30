//! The node: puts peers, links, flaps and the lease together, and decides.
//!
//! ```text
//!                    listened, nobody better
//!   INIT ──────────────────────────────────────────────► ACTIVE ◄─────────┐
//!     │ listened, a peer is ACTIVE or better               │ stop, suspend,│ nobody left,
//!     ▼                                                    │ unfit, asked  │ or handed to us
//!   PASSIVE ◄── fit / unfit ──► DOWN                       ▼               │
//!     ▲                                              handing over          │
//!     │        gate closed                                 │               │
//!     ├────────────────────────────────────────────────────┘               │
//!     │        lease expired, or the lesser of two ACTIVE                  │
//!     ├───────────────────────────────────────────────── ACTIVE            │
//!     └────────────────────────────────────────────────────────────────────┘
//!   SUSPENDED, BYPASS: out of the election until an operator says otherwise
//! ```

mod alarms;
mod cards;
mod fingerprint;
mod fitness;
mod handover;
mod hearing;
mod operator;
mod paths;
mod roles;
mod sending;
mod view;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::action::{Action, GateMode};
use crate::bandwidth::{Meter, Monitor};
use crate::events::{Alarm, Event, EventLog, Reason, Subject};
use crate::faults::{self, Fault};
use crate::flaps::Flaps;
use crate::link_pairs::{LinkFitness, LinkPair};
use crate::macs::MacTable;
use crate::message::{Echo, Message, Path, Role, Side, UnfitReason};
use crate::observation::{Observation, RequestId, RoutersSeen};
use crate::peer::{OwnSession, Peer, Thresholds};
use crate::settings::{Mode, Settings, Topology};
use crate::state::SavedState;
use twinline_time::Time;

use cards::Cards;
use handover::{Drain, HandingOver};
use paths::Broken;
pub use view::{Lateness, Part};

/// How long a start waits for the HA port to find its carrier. A peer at the other end of a direct
/// cable that is switched off never gives one.
pub const HA_PORT_GRACE: Duration = Duration::from_secs(3);

/// How often a listening begins again when our own loop was late: a window that we slept through
/// is no listening, but a loop that is always late shall not listen for ever.
const LISTEN_AGAIN: u8 = 8;

/// How often a node in the middle of a hand-over, or of its end, wants to see its workers and to
/// hear the other side: meanwhile nobody carries what is addressed to all.
const MOVING: Duration = Duration::from_micros(250);

/// Who this instance is, and what it remembers.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// The instance id, 1 to 65535.
    pub instance: u16,
    /// This run's boot id: larger than those of earlier runs, as far as the clock allows.
    pub boot: u64,
    /// Number of link pairs.
    pub pairs: u16,
    /// Digest of what must agree within the stack.
    pub config_digest: u64,
    /// The operator's settings.
    pub settings: Settings,
    /// What the state file held.
    pub saved: SavedState,
    /// What was wrong with the state file, if anything.
    pub state_file_problem: Option<String>,
}

/// Taking over from an ACTIVE that is still open.
#[derive(Clone, Debug, PartialEq, Eq)]
struct TakingOver {
    from: u16,
    deadline: Time,
    /// The old gate is closed: what it carried last may still lie in our queues.
    drain: Option<Drain>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    Init { listen_from: Option<Time> },
    Standby { listen_until: Option<Time> },
    Active { taking_over: Option<TakingOver> },
    HandingOver(HandingOver),
    Suspended,
    Latched,
    Stopping { since: Time, goodbyes: u8 },
    Stopped,
}

/// What we ask an ACTIVE peer for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asking {
    Preempt,
    Operator { until: Time },
}

/// One instance's decisions.
#[derive(Clone, Debug)]
pub struct Node {
    instance: u16,
    boot: u64,
    config_digest: u64,
    settings: Settings,
    /// A reload lowered the failure threshold: the one before counts for as long as the peers need to
    /// hear of it; `None`: the step after the reload sets the end.
    eased: Option<(u8, Option<Time>)>,

    phase: Phase,
    epoch: u64,
    /// The epoch of our own tenure.
    tenure: u64,
    suspended: bool,
    latched: bool,
    no_active_since: Option<Time>,
    shown: Role,
    shown_since: Time,
    why: Reason,
    flaps: Flaps,
    asking: Option<Asking>,
    preempt_at: Option<Time>,
    operator_hold: bool,
    nobody_active_since: Option<Time>,
    retry_handover_at: Time,
    /// When a takeover led to nothing in time: an offer of the role that came before it, of that peer
    /// or of another one, is not taken up any more.
    offers_spent_at: Option<Time>,

    peers: BTreeMap<u16, Peer>,
    highest_boots: BTreeMap<u16, u64>,
    refused: BTreeMap<&'static str, u64>,
    /// Sessions that could not show yet that they are alive: the last heartbeat of each, echoed so
    /// that they can (rule 5). Nothing else of them is believed.
    unproven: BTreeMap<u16, (Echo, Time)>,
    /// The last heartbeat of each session with a larger boot id that has to wait until the one before
    /// misses a slot, and when it came.
    waiting: BTreeMap<u16, (Message, Time)>,
    /// Paths that are not good both ways, of peers that are there (rule 12).
    broken_paths: BTreeMap<(u16, Path), Broken>,

    pairs: Vec<LinkPair>,
    link_fitness: LinkFitness,
    cards: Cards,
    workers: Vec<(u64, Time)>,
    idle: Vec<u64>,
    worker_stalled: bool,
    unfit: Option<UnfitReason>,
    meter: Meter,
    monitor: Monitor,
    macs: Vec<MacTable>,

    gates: GateMode,
    gates_set_at: Time,
    gates_adopted: bool,
    lease_until: Option<Time>,
    /// The lease ran out: until then we listen, whatever an operator says meanwhile (rule 11).
    deaf_until: Option<Time>,
    /// How often the listening under way began again because we slept.
    listened_again: u8,

    seq: u64,
    /// Recent heartbeats of ours: sequence number, and when.
    sent: VecDeque<(u64, Time)>,
    next_send: Time,
    urgent: bool,
    sent_gate_open: bool,
    next_mac_delta: Time,
    next_mac_full: Time,
    next_ageing: Time,
    announce_queue: VecDeque<(u16, Side, [u8; 6])>,
    announce_rounds: Vec<Time>,
    announcements_pending: usize,

    started: Time,
    now: Time,
    /// Between the step before and this one.
    slept: Duration,
    unix_ms: u64,
    promised: Option<Time>,
    lateness: Lateness,
    sent_late_by: Option<Duration>,
    log: EventLog,
    reject_until: BTreeMap<Alarm, Time>,
    saved: Option<SavedState>,
    ha_link_up: bool,
    routers: RoutersSeen,
    /// Since when our own loop has been on time: what came before says nothing of the peers.
    on_time_since: Time,
    /// The start's listening is over, and the card was told to be inline.
    listened: bool,
    /// The gates of this tenure were known open, and the switches told.
    opened: bool,
    flaps_changed: bool,
    out: Vec<Action>,
}

impl Node {
    /// A node that starts now. Its first step emits what the start requires.
    #[must_use]
    pub fn new(config: NodeConfig, now: Time, unix_ms: u64) -> Self {
        let NodeConfig {
            instance,
            boot,
            pairs,
            config_digest,
            settings,
            saved,
            ..
        } = &config;
        let flaps = Flaps::restore(&saved.flaps_unix_ms, now, unix_ms);
        let meter = Meter::new(settings.bandwidth_interval);
        let pair_states = (0..*pairs)
            .map(|_| LinkPair::new(now, settings.settle))
            .collect::<Vec<_>>();
        let mut node = Self {
            instance: *instance,
            boot: *boot,
            config_digest: *config_digest,
            settings: settings.clone(),
            eased: None,
            phase: Phase::Init { listen_from: None },
            epoch: saved.epoch,
            tenure: 0,
            suspended: saved.suspended,
            latched: false,
            no_active_since: None,
            shown: Role::Init,
            shown_since: now,
            why: Reason::Started,
            flaps,
            asking: None,
            preempt_at: None,
            operator_hold: false,
            nobody_active_since: None,
            retry_handover_at: now,
            offers_spent_at: None,
            peers: BTreeMap::new(),
            highest_boots: saved.boots.clone(),
            refused: BTreeMap::new(),
            unproven: BTreeMap::new(),
            waiting: BTreeMap::new(),
            broken_paths: BTreeMap::new(),
            pairs: pair_states,
            link_fitness: LinkFitness::default(),
            cards: Cards::default(),
            workers: Vec::new(),
            idle: Vec::new(),
            worker_stalled: false,
            unfit: None,
            meter,
            monitor: Monitor::default(),
            macs: (0..*pairs).map(|_| MacTable::default()).collect(),
            gates: GateMode::Block,
            gates_set_at: now,
            gates_adopted: false,
            lease_until: None,
            deaf_until: None,
            listened_again: 0,
            seq: 0,
            sent: VecDeque::new(),
            next_send: now,
            urgent: false,
            sent_gate_open: false,
            next_mac_delta: now,
            next_mac_full: now,
            next_ageing: now,
            announce_queue: VecDeque::new(),
            announce_rounds: Vec::new(),
            announcements_pending: 0,
            started: now,
            now,
            slept: Duration::ZERO,
            unix_ms,
            promised: None,
            lateness: Lateness::default(),
            sent_late_by: None,
            log: EventLog::default(),
            reject_until: BTreeMap::new(),
            saved: None,
            ha_link_up: false,
            routers: RoutersSeen::NONE,
            on_time_since: now,
            listened: false,
            opened: false,
            flaps_changed: false,
            out: Vec::new(),
        };
        node.start(&config);
        node
    }

    fn start(&mut self, config: &NodeConfig) {
        self.note(
            Subject::Note(format!("instance {} starts", self.instance)),
            Reason::Started,
        );
        if let Some(problem) = &config.state_file_problem {
            self.alarm(Alarm::StateFile(problem.clone()), true);
        }
        self.set_gates(self.idle_gate());
        if self.settings.leased() {
            self.out.push(Action::RevokeLease);
        } else {
            self.out.push(Action::LeaseForever);
        }
        if config.saved.suspended {
            self.enter(Phase::Suspended, Reason::OperatorSuspended);
        }
        if config.saved.active && !faults::on(Fault::DeathNotCounted) {
            self.flap(Reason::DiedWhileActive);
        }
        if config.saved.latched && self.settings.mode == Mode::ActivePassive {
            self.latch();
        }
    }

    /// One step: takes what happened, returns what to do, in order.
    pub fn step(&mut self, observation: &Observation<'_>) -> Vec<Action> {
        self.slept = observation.now.since(self.now);
        self.now = observation.now.max(self.now);
        self.unix_ms = observation.unix_ms;
        self.ha_link_up = observation.ha_link_up;
        self.routers = observation.routers;
        self.gates_adopted = observation.gates_adopted && self.gates_set_at < self.now;
        self.announcements_pending = observation.announcements_pending;
        let late = self.note_lateness();
        self.note_eased();

        self.check_lease();
        for message in observation.messages {
            self.take_message(message);
        }
        self.judge_peers(late);
        self.take_waiting();
        self.take_rejects(observation.rejects);
        self.watch_cards(observation.cards);
        self.watch_links(observation.links);
        self.watch_workers(observation.workers);
        self.learn(observation.learned);
        self.meter.sample(self.now, observation.bytes);
        self.update_fitness();
        for &(id, request) in observation.requests {
            self.operator(id, request);
        }
        self.decide();
        self.open_loops();
        self.bring_cards_back();
        self.check_alarms();
        self.announce();
        self.send_due();
        self.obey_cards();
        self.kick_watchdogs();
        self.show_role();
        self.persist();
        self.promised = Some(self.next_deadline());
        std::mem::take(&mut self.out)
    }

    /// By when [`Self::step`] wants to be called again, at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> Time {
        let peers = self
            .peers
            .values()
            .filter_map(|p| p.next_deadline(self.settings.interval));
        let mut next = peers.fold(self.next_send, Time::min);
        let moving = match self.phase {
            Phase::HandingOver(_)
            | Phase::Active {
                taking_over: Some(_),
            }
            | Phase::Stopping { .. } => Some(self.now + MOVING),
            Phase::Init { listen_from } => {
                listen_from.map(|from| from + self.settings.failure_window())
            }
            Phase::Standby { listen_until } => listen_until,
            _ => None,
        };
        for other in [moving, self.next_kick()].into_iter().flatten() {
            next = next.min(other);
        }
        if let Some(lease) = self.lease_until {
            next = next.min(lease);
        }
        next.max(self.now)
    }

    /// Applies a reload (rule 24): thresholds and intervals, without losing the role. The caller
    /// records what changed ([`Node::record_note`]).
    pub fn apply(&mut self, settings: Settings, config_digest: u64) {
        let watched = |s: &Settings| {
            (
                s.bandwidth_enabled,
                s.bandwidth_minimum_bps,
                s.bandwidth_interval,
            )
        };
        if watched(&settings) != watched(&self.settings) {
            // Rule 21: armed by a whole interval under these very settings.
            self.meter.restart();
            self.monitor.begin_tenure();
        }
        self.meter.set_interval(settings.bandwidth_interval);
        // Rule 24: what the peers do by the threshold that they know must not be held against them.
        let before = self.thresholds().failure;
        self.eased = (settings.failure_threshold < before).then_some((before, None));
        self.settings = settings;
        self.config_digest = config_digest;
        self.next_send = self.next_send.min(self.now + self.settings.interval);
        self.preempt_at = None;
        self.urgent = true;
    }

    // --- small helpers that every part uses ---

    fn note_eased(&mut self) {
        let now = self.now;
        match self.eased {
            Some((before, None)) => {
                let until = now + self.settings.interval * u32::from(before);
                self.eased = Some((before, Some(until)));
            }
            Some((_, Some(until))) if now >= until => self.eased = None,
            _ => {}
        }
    }

    fn thresholds(&self) -> Thresholds {
        Thresholds {
            interval: self.settings.interval,
            failure: match self.eased {
                Some((before, _)) => before.max(self.settings.failure_threshold),
                None => self.settings.failure_threshold,
            },
            recovery: self.settings.recovery_threshold,
        }
    }

    fn own_session(&self) -> OwnSession {
        let recent = |at: Time| self.now.since(at) < self.recent_for();
        let oldest = self.sent.iter().find(|&&(_, at)| recent(at));
        let recent_seq = oldest.map_or(self.seq.saturating_add(1), |&(seq, _)| seq);
        OwnSession {
            instance: self.instance,
            boot: self.boot,
            recent_seq,
        }
    }

    /// For how long what we sent is recent, so that an echo of it shows a session that is alive. At
    /// least three slots: with a threshold of 1 an echo is as old as the window.
    fn recent_for(&self) -> Duration {
        self.settings
            .failure_window()
            .max(self.settings.interval * 3)
    }

    fn fit(&self) -> bool {
        self.unfit.is_none() && self.link_fitness.fit() == Some(true)
    }

    fn pairs_up(&self) -> u16 {
        u16::try_from(self.pairs.iter().filter(|p| p.up()).count()).unwrap_or(u16::MAX)
    }

    fn event(&mut self, subject: Subject, why: Reason) {
        let event: Event = self.log.push(self.now, self.unix_ms, subject, why);
        self.out.push(Action::Event(event));
    }

    fn note(&mut self, subject: Subject, why: Reason) {
        self.event(subject, why);
    }

    fn alarm(&mut self, alarm: Alarm, on: bool) {
        // The usual case, many times a step.
        if !on && self.log.no_alarms() {
            return;
        }
        if let Some(event) = self.log.set_alarm(self.now, self.unix_ms, alarm, on) {
            self.out.push(Action::Event(event));
        }
    }

    fn answer(&mut self, id: RequestId, result: Result<String, String>) {
        self.out.push(Action::Answer { id, result });
    }

    fn set_gates(&mut self, mode: GateMode) {
        if matches!(mode, GateMode::Block | GateMode::Wire) {
            self.opened = false;
        }
        self.gates = mode;
        self.gates_set_at = self.now;
        self.gates_adopted = false;
        self.out.push(Action::SetGates(mode));
    }

    /// The gate of an instance that is not ACTIVE: in series it lets frames through.
    fn idle_gate(&self) -> GateMode {
        match (self.settings.mode, self.settings.topology) {
            (Mode::ActivePassive, Topology::Series) => GateMode::Wire,
            _ => GateMode::Block,
        }
    }

    fn enter(&mut self, phase: Phase, why: Reason) {
        self.suspended |= phase == Phase::Suspended;
        self.listened_again = 0;
        self.phase = phase;
        self.why = why;
        self.urgent = true;
    }

    /// The role shown to operators.
    #[must_use]
    pub fn role(&self) -> Role {
        match &self.phase {
            Phase::Init { .. } => Role::Init,
            Phase::Standby { .. } if self.fit() => Role::Passive,
            Phase::Standby { .. } | Phase::Stopping { .. } | Phase::Stopped => Role::Down,
            Phase::Active { .. } | Phase::HandingOver(_) => Role::Active,
            Phase::Suspended => Role::Suspended,
            Phase::Latched if self.settings.primary => Role::Bypass,
            Phase::Latched => Role::Suspended,
        }
    }

    fn show_role(&mut self) {
        let role = self.role();
        if role != self.shown {
            let from = self.shown;
            self.shown = role;
            self.shown_since = self.now;
            self.event(Subject::Role { from, to: role }, self.why);
        }
    }

    fn persist(&mut self) {
        self.flaps.prune(self.now, self.settings.flap_window);
        let suspended = self.suspended && !faults::on(Fault::SuspensionNotPersisted);
        let active = self.carrying();
        let flaps_changed = std::mem::take(&mut self.flaps_changed);
        let forgotten = faults::on(Fault::FlapsNotPersisted);
        let flaps = if forgotten { 0 } else { self.flaps.kept() };
        // The stamps wobble with the wall clock: compare what they stand for, not the stamps.
        let unchanged = !flaps_changed
            && self.saved.as_ref().is_some_and(|last| {
                last.flaps_unix_ms.len() == flaps
                    && (last.latched, last.suspended, last.active, last.epoch)
                        == (self.latched, suspended, active, self.epoch)
                    && last.boots == self.highest_boots
            });
        if unchanged {
            return;
        }
        let stamps = self.flaps.stamps(self.now, self.unix_ms);
        let saved = SavedState {
            flaps_unix_ms: if forgotten { Vec::new() } else { stamps },
            latched: self.latched,
            suspended,
            active,
            epoch: self.epoch,
            boots: self.highest_boots.clone(),
        };
        self.saved = Some(saved.clone());
        self.out.push(Action::Persist(saved));
    }

    fn note_lateness(&mut self) -> bool {
        let Some(promised) = self.promised else {
            return false;
        };
        let by = self.now.since(promised);
        let late = by > self.settings.interval / 2 && !faults::on(Fault::LatenessIgnored);
        if late {
            self.on_time_since = self.now;
        }
        self.lateness.note(by, late);
        late
    }

    /// Carrying the traffic: ACTIVE, or handing over.
    fn carrying(&self) -> bool {
        matches!(self.phase, Phase::Active { .. } | Phase::HandingOver(_))
    }

    // --- flaps (rule 13) ---

    /// Counts an exit from ACTIVE that no operator asked for; true when it was one too many.
    fn flap(&mut self, why: Reason) -> bool {
        self.flaps.record(self.now);
        self.flaps_changed = true;
        let count = self.flaps.count(self.now, self.settings.flap_window);
        self.event(Subject::Flap { count }, why);
        let too_many = self.settings.mode == Mode::ActivePassive
            && self.settings.max_flaps > 0
            && count > self.settings.max_flaps
            && !faults::on(Fault::LatchIgnored);
        if too_many {
            self.latch();
        }
        too_many
    }

    fn latch(&mut self) {
        self.latched = true;
        self.set_gates(self.idle_gate());
        if self.settings.leased() {
            self.out.push(Action::RevokeLease);
            self.lease_until = None;
        }
        if matches!(self.phase, Phase::Stopping { .. }) {
            // The next process finds it in the state file.
            return;
        }
        self.enter(Phase::Latched, Reason::MaxFlaps);
        self.alarm(Alarm::Latched, true);
        if self.settings.primary {
            self.tell_cards(self.path_when_latched());
        }
    }
}
