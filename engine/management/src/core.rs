//! The management core's loop: look, step, obey.
//!
//! Each tick it drains the HA queue, reads counters and links, makes one [`Observation`], hands it
//! to [`Node::step`], and carries out what comes back, in order. It sleeps between ticks: a peer's
//! heartbeat waits a millisecond at most, and the core is free for others.

mod asked;
mod bypass;
mod changes;
mod ports;
mod reload;
mod waiting;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam_channel::Receiver;
use dpdk::clock::tsc_now;
use twinline_config::Config;
use twinline_control::{Call, Payload, Reply, Request as Command};
use twinline_dataplane::Inject;
use twinline_ha::events::{Alarm, Subject};
use twinline_ha::link_pairs::PairLinks;
use twinline_ha::{
    Action, Event, Learned, Node, NodeConfig, Observation, Reason, Request, RoutersSeen, Side,
    Time, WorkerProgress,
};
use twinline_wire::announce;

use crate::appliance::{Appliance, StartError, load_auth};
use crate::capture::Captures;
use crate::card_finder;
use crate::cards::CardHandle;
use crate::commits::Past;
use crate::convert;
use crate::in_band::Outgoing;
use crate::l3::{Around, Layer3};
use crate::lcores::{Lcores, Work};
use crate::outlets::{self, Identity, Outlets};
use crate::state_file::{self, StateWriter};
use crate::status;
use crate::tally::Tally;
use crate::telemetry::Feed;
use crate::vitals::Vitals;
use bypass::CardLook;
use changes::Changes;
use ports::{LinkWish, ShownFromByPort};
pub(crate) use reload::live_part;

/// The longest and the shortest sleep between two ticks.
const TICK_MAX: Duration = Duration::from_millis(1);
const TICK_MIN: Duration = Duration::from_micros(100);
/// The sleep after a tick that could not drain the HA queue. It is there so that a flood never takes
/// all of a core: a real-time thread that does is stopped by the kernel for 50 ms in each second
/// (sched_rt_runtime_us), and those cost the lease.
const BREATH: Duration = Duration::from_micros(300);
/// The management core's real-time priority: above kernel threads that handle interrupts (50)
/// nothing of ours belongs.
const PRIORITY: u8 = 40;
/// Addresses taken from a worker in one tick.
const LEARN_A_TICK: usize = 256;
/// In-band heartbeats taken from a worker in one tick.
const DIVERTED_A_TICK: usize = 64;
/// Requests taken in one tick from the socket on which one may only look.
const READS_A_TICK: usize = 2;
/// How long the end of the process waits for the cards: their slowest verb, twice.
const CARD_PATIENCE: Duration = Duration::from_secs(5);
/// How long the end of the process waits for captures' files to be closed.
const CAPTURE_PATIENCE: Duration = Duration::from_secs(2);
/// The request id of an orderly stop: no client waits for it.
const STOP_ID: u64 = 0;

/// What signals tell the loop. Set by handlers, read once a tick.
#[derive(Debug, Default)]
pub struct Signals {
    /// SIGTERM and SIGINT so far: the first hands over and exits, the second exits at once.
    pub stops: AtomicUsize,
    /// SIGHUP: reload.
    pub reload: AtomicBool,
    /// Set by the loop: from now on it looks at the other two.
    pub running: AtomicBool,
}

/// What the loop needs besides the appliance.
pub struct Surroundings {
    /// Where the configuration came from, for reloads.
    pub config_path: PathBuf,
    /// Requests of the control socket.
    pub calls: Receiver<Call>,
    /// Requests of the socket on which one may only look, where there is one.
    pub read_calls: Option<Receiver<Call>>,
    /// What signals say.
    pub signals: Arc<Signals>,
    /// What other threads may see at any time.
    pub vitals: Arc<Vitals>,
    /// What stands before the words of `events.notify`: it leads to [`become_program`] in a process
    /// of its own. Empty: the program is started as it is.
    pub notify_launcher: Vec<OsString>,
}

/// The management core.
pub struct ManagementCore {
    pub(crate) config: Config,
    pub(crate) around: Surroundings,
    pub(crate) appliance: Appliance,
    pub(crate) node: Node,
    pub(crate) boot: u64,
    /// By pair; `None` without a card.
    pub(crate) cards: Vec<Option<CardHandle>>,
    /// What was last seen of them.
    cards_seen: Vec<CardLook>,
    cards_shown: bool,
    /// Links to be taken down or let up once their card's serial lines are quiet.
    links_waiting: Vec<LinkWish>,
    /// From where on the ports' counters are shown.
    pub(crate) shown_from: ShownFromByPort,
    pub(crate) captures: Captures,
    pub(crate) lcores: Lcores,
    pub(crate) changes: Changes,
    state: StateWriter,
    /// Why states cannot be written: an alarm that stands.
    state_failure: Option<String>,
    pub(crate) zero: Instant,
    pub(crate) outlets: Outlets,
    identity: Identity,
    /// The outlets that fail, and why: alarms that stand.
    outlet_failures: BTreeMap<&'static str, String>,
    links_due: Time,
    next_request: u64,
    waiting: BTreeMap<u64, Call>,
    gate_epochs: Vec<Option<u32>>,
    injected: Vec<u64>,
    /// `None` without interfaces.
    pub(crate) l3: Option<Layer3>,
    l3_links_due: Time,
    pub(crate) tally: Tally,
    /// `None` without DPDK's telemetry.
    telemetry: Option<Feed>,
    exit: bool,
}

/// A boot id that grows with the wall clock: seconds above, their fraction below, so that two
/// starts within a second never go backwards.
#[must_use]
pub fn new_boot_id() -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    // 2^32 parts of a second: a quarter of a nanosecond each.
    let fraction = (u64::from(now.subsec_nanos()) << 32) / 1_000_000_000;
    (now.as_secs() << 32) | fraction
}

fn unix_ms() -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

impl ManagementCore {
    /// Brings the appliance up and makes the node, as the configuration says.
    ///
    /// # Errors
    /// [`StartError`]
    pub fn start(config: Config, past: Past, around: Surroundings) -> Result<Self, StartError> {
        let auth = load_auth(&config)?;
        let path = &config.instance.state_file;
        let loaded = state_file::load(path);
        let state = StateWriter::spawn(path.clone())
            .map_err(|error| StartError::Other(format!("state file's thread: {error}")))?;
        // Before the EAL pins this thread: the outlets' threads, and the program, run on all cores.
        let outlets = Outlets::spawn(config.events.clone(), around.notify_launcher.clone())
            .map_err(|error| StartError::Other(format!("the events' thread: {error}")))?;
        let changes = Changes::begin(past)
            .map_err(|error| StartError::Other(format!("the commits' thread: {error}")))?;
        let boot = new_boot_id();
        let identity = Identity {
            boot: format!("{boot:016x}"),
            instance: config.instance.name.clone(),
            id: config.instance.id,
            stack: config.instance.stack.clone(),
        };
        let mut appliance = Appliance::bring_up(&config, boot, auth)?;
        let l3 = appliance
            .l3
            .take()
            .map(|parts| Layer3::new(parts, Time::ZERO));
        let l3 = l3
            .transpose()
            .map_err(|error| StartError::Other(format!("layer 3: {error}")))?;
        let zero = Instant::now();
        let node = Node::new(
            NodeConfig {
                instance: config.instance.id,
                boot,
                pairs: u16::try_from(config.link_pairs.len()).unwrap_or(u16::MAX),
                config_digest: convert::digest(&config),
                settings: convert::settings(&config),
                saved: loaded.state,
                state_file_problem: loaded.problem,
            },
            Time::ZERO,
            unix_ms(),
        );
        let lan_port = |pair: usize| {
            let port = appliance.pairs.get(pair)?.ports[0];
            Some(appliance.ports.get(port)?.handle().clone())
        };
        let cards = card_finder::start(&config, lan_port)
            .map_err(|error| StartError::Other(format!("a bypass card's thread: {error}")))?;
        let telemetry = config.eal.telemetry.then(|| {
            Feed::new(|name, help, source| appliance.register_telemetry(name, help, source))
        });
        let telemetry = telemetry.and_then(|feed| {
            feed.inspect_err(|error| log::warn!("{error}; dpdk-telemetry.py will not have /ha/*"))
                .ok()
        });
        let lcores = Lcores::new(appliance.clock);
        Ok(Self {
            gate_epochs: vec![None; appliance.pairs.len()],
            injected: vec![0; appliance.workers.len()],
            config,
            around,
            appliance,
            node,
            boot,
            cards_seen: cards.iter().map(|c| CardLook::none(c.is_some())).collect(),
            cards_shown: false,
            links_waiting: Vec::new(),
            shown_from: ShownFromByPort::new(),
            captures: Captures::default(),
            lcores,
            cards,
            changes,
            state,
            state_failure: None,
            outlets,
            identity,
            outlet_failures: BTreeMap::new(),
            zero,
            links_due: Time::ZERO,
            l3,
            l3_links_due: Time::ZERO,
            next_request: STOP_ID,
            waiting: BTreeMap::new(),
            tally: Tally::default(),
            telemetry,
            exit: false,
        })
    }

    /// Runs until the node says that it may exit, or a second stop signal says that it must.
    pub fn run(mut self) {
        // It sleeps most of the time, and what it does cannot wait behind others: a heartbeat, a
        // lease. (Late timers under load are what splits the peers' pairs.)
        if let Err(error) = dpdk::lcore::run_before_others(PRIORITY) {
            log::warn!("the management core runs at ordinary priority: {error}");
        }
        let mut stopping = false;
        self.tell_of_the_past();
        self.around.signals.running.store(true, Ordering::Relaxed);
        while !self.exit {
            let stops = self.around.signals.stops.load(Ordering::Relaxed);
            if stops > 1 {
                log::warn!("second stop signal: exiting without waiting for the hand-over");
                break;
            }
            let mut requests = Vec::new();
            if stops == 1 && !stopping {
                stopping = true;
                log::info!("stop signal: handing over, then exiting");
                requests.push((STOP_ID, Request::Stop));
            }
            if self.around.signals.reload.swap(false, Ordering::Relaxed) {
                self.changes.want_reload();
            }
            self.follow_changes();
            self.take_calls(&mut requests);
            let drained = self.tick(&requests);
            std::thread::sleep(if drained { self.pause() } else { BREATH });
        }
        self.around.vitals.end();
        self.l3_do(|l3, now, around| l3.shut_down(now, around));
        for (_, call) in std::mem::take(&mut self.waiting) {
            call.answer(Reply::Error {
                message: "the engine has stopped".into(),
            });
        }
        std::mem::take(&mut self.captures).finish(CAPTURE_PATIENCE);
        // Beside the cards and the ports: a program that does not read holds nothing up.
        self.outlets.close();
        // Rule 14: what the cards were told last is done before the ports go.
        let patience = if self.exit {
            CARD_PATIENCE
        } else {
            Duration::ZERO
        };
        for card in self.cards.drain(..).flatten() {
            card.finish(patience);
        }
        self.changes.end();
        self.appliance.take_down();
        self.outlets.finish(self.exit);
    }

    /// A tick, or less where the node wants to see the world sooner.
    fn pause(&self) -> Duration {
        let tick = (self.node.settings().interval / 10).clamp(TICK_MIN, TICK_MAX);
        let now = self.now();
        let wanted = self.node.next_deadline().since(now);
        let l3 = self
            .l3
            .as_ref()
            .map_or(Duration::MAX, |l3| l3.patience(now));
        wanted.min(l3).clamp(TICK_MIN, tick)
    }

    /// Now, on the node's clock.
    pub(crate) fn now(&self) -> Time {
        Time::ZERO + self.zero.elapsed()
    }

    /// One turn; false when the HA queue still holds frames.
    fn tick(&mut self, requests: &[(u64, Request)]) -> bool {
        let begun = tsc_now();
        let mut messages = Vec::new();
        let mut rejects = Vec::new();
        // Rule 3: the queue is drained before anything is judged, and the clock read after it.
        let mut drained = true;
        if let Some(ha) = &mut self.appliance.ha {
            drained = ha.receive(&mut messages, &mut rejects);
        }
        self.receive_in_band(&mut messages, &mut rejects);
        let mut learned = Vec::new();
        let mut progress = Vec::with_capacity(self.appliance.workers.len());
        let mut work = Vec::with_capacity(self.appliance.workers.len());
        let mut bytes = [0u64; 2];
        let mut announcements_pending = 0;
        for (worker, injected) in self.appliance.workers.iter_mut().zip(&self.injected) {
            for _ in 0..LEARN_A_TICK {
                let Ok(seen) = worker.links.learned.pop() else {
                    break;
                };
                let side = convert::side_in(seen.side);
                learned.push(Learned {
                    pair: seen.pair,
                    side,
                    mac: seen.mac,
                });
            }
            let counted = worker.links.counters.snapshot();
            work.push(Work::from(&counted));
            progress.push(WorkerProgress {
                iterations: counted.iterations,
                idle_iterations: counted.iterations.saturating_sub(counted.busy_iterations),
            });
            let done = counted.injected.saturating_add(counted.inject_refused);
            let pending = injected.saturating_sub(done);
            announcements_pending += usize::try_from(pending).unwrap_or(usize::MAX);
            for pair in &counted.pairs {
                // Rule 20 measures traffic: heartbeats are none.
                bytes[0] = bytes[0].saturating_add(pair.lan.traffic_bytes());
                bytes[1] = bytes[1].saturating_add(pair.wan.traffic_bytes());
            }
        }
        let ha_link_up = match self.appliance.ha_index {
            Some(index) => self
                .appliance
                .ports
                .get_mut(index)
                .is_some_and(|p| p.carrier()),
            None => true,
        };
        self.set_waiting_links();
        self.poll_l3_links();
        let leased = self.appliance.lease.holds(tsc_now());
        self.l3_do(|l3, now, around| l3.turn(now, leased, around));
        let links = self.poll_links();
        let cards = self.look_at_cards();
        let gates_adopted = self
            .appliance
            .pairs
            .iter()
            .zip(&self.gate_epochs)
            .all(|(pair, epoch)| epoch.is_some_and(|epoch| pair.gate.is_adopted(epoch)))
            && self.l3.as_ref().is_none_or(Layer3::gate_adopted);
        // The counter before the clock: a lease computed from a later `now` would end too late.
        let tsc = tsc_now();
        let now = self.now();
        let routers = match &self.l3 {
            Some(l3) => l3.seen(now, &self.node),
            None => RoutersSeen::NONE,
        };
        let actions = self.node.step(&Observation {
            now,
            unix_ms: unix_ms(),
            messages: &messages,
            rejects: &rejects,
            ha_link_up,
            links: links.as_deref(),
            cards: cards.as_deref(),
            gates_adopted,
            announcements_pending,
            workers: &progress,
            learned: &learned,
            routers,
            bytes,
            requests,
        });
        for action in actions {
            self.carry_out(action, now, tsc);
        }
        self.l3_do(|l3, now, around| l3.follow(now, around));
        while let Some(report) = self.state.report() {
            if let Some(over) = self.state_failure.take() {
                self.node.set_alarm(Alarm::StateFile(over), false);
            }
            if let Err(failure) = report {
                self.node.set_alarm(Alarm::StateFile(failure.clone()), true);
                self.state_failure = Some(failure);
            }
        }
        self.captures.tend();
        self.lcores.sample(work.into_iter());
        self.lcores.own_turn(begun, messages.len());
        self.look_at_outlets();
        self.tally.look(&self.node);
        self.publish(now);
        self.around.vitals.stepped(&progress);
        drained
    }

    /// What DPDK's telemetry shows, from time to time.
    fn publish(&mut self, now: Time) {
        let Some(mut feed) = self.telemetry.take() else {
            return;
        };
        if feed.is_due(now) {
            let last = self.node.events().next_back().map_or(0, |event| event.seq);
            let ha = status::ha(self);
            feed.publish(ha, last, |most| {
                status::events(self, u32::try_from(most).ok(), None)
            });
        }
        self.telemetry = Some(feed);
    }

    /// Something about layer 3, with what it needs.
    fn l3_do(&mut self, act: impl FnOnce(&mut Layer3, Time, &mut Around<'_>)) {
        let now = self.now();
        let Some(l3) = &mut self.l3 else {
            return;
        };
        let mut around = Around {
            workers: &mut self.appliance.workers,
            injected: &mut self.injected,
            pool: &self.appliance.pool,
            node: &mut self.node,
            unix_ms: unix_ms(),
        };
        act(l3, now, &mut around);
    }

    /// The ports of layer 3 are polled as often as link pairs are.
    fn poll_l3_links(&mut self) {
        let now = self.now();
        let Some(l3) = &self.l3 else {
            return;
        };
        if now < self.l3_links_due {
            return;
        }
        self.l3_links_due = now + self.node.settings().links_interval;
        let ports = &mut self.appliance.ports;
        let carriers: Vec<(usize, bool)> = l3
            .ports()
            .map(|port| (port, ports.get_mut(port).is_some_and(|p| p.carrier())))
            .collect();
        let recovery = self.node.settings().recovery_threshold;
        self.l3_do(|l3, now, around| l3.poll_links(now, recovery, &carriers, around));
    }

    fn poll_links(&mut self) -> Option<Vec<PairLinks>> {
        let now = self.now();
        if now < self.links_due {
            return None;
        }
        self.links_due = now + self.node.settings().links_interval;
        let ports = &mut self.appliance.ports;
        let mut carrier = |index: usize| ports.get_mut(index).is_some_and(|p| p.carrier());
        let pairs = self.appliance.pairs.iter();
        Some(
            pairs
                .map(|p| PairLinks {
                    lan: carrier(p.ports[0]),
                    wan: carrier(p.ports[1]),
                })
                .collect(),
        )
    }

    fn carry_out(&mut self, action: Action, now: Time, tsc: u64) {
        match action {
            Action::Send {
                seq,
                heartbeat,
                lease_until,
            } => {
                if let Some(late) = self.node.heartbeat_lateness() {
                    // The node's, and what the actions before this one took.
                    self.tally.sent_late_by(late + self.now().since(now));
                }
                if let Some(ha) = &mut self.appliance.ha {
                    ha.send_heartbeat(seq, &heartbeat);
                    if let Some(in_band) = &mut self.appliance.in_band {
                        let out = in_band.heartbeat(now, seq, &heartbeat, ha.auth());
                        self.send_in_band(out);
                    }
                }
                // Rule 11: renewed once it was sent, counted from before it was.
                if let Some(until) = lease_until {
                    let ticks = self.appliance.clock.ticks_from(until.since(now));
                    self.appliance.lease.renew(tsc.saturating_add(ticks));
                }
            }
            Action::SendMacs {
                seq,
                chunk,
                in_band,
            } => {
                if let Some(ha) = &mut self.appliance.ha {
                    ha.send_macs(seq, &chunk);
                    if let Some(path) = self.appliance.in_band.as_mut().filter(|_| in_band) {
                        let out = path.macs(now, seq, &chunk, ha.auth());
                        self.send_in_band(out);
                    }
                }
            }
            Action::SendNeighbours {
                seq,
                chunk,
                in_band,
            } => {
                if let Some(ha) = &mut self.appliance.ha {
                    ha.send_neighbours(seq, &chunk);
                    if let Some(path) = self.appliance.in_band.as_mut().filter(|_| in_band) {
                        let out = path.neighbours(now, seq, &chunk, ha.auth());
                        self.send_in_band(out);
                    }
                }
            }
            Action::TakeNeighbours(chunk) => {
                if let Some(l3) = &mut self.l3 {
                    l3.take_neighbours(now, &chunk);
                }
            }
            Action::SetGates(mode) => {
                if let Some(l3) = &mut self.l3 {
                    l3.set_gate(mode);
                }
                let mode = convert::gate_mode(mode);
                for (pair, epoch) in self.appliance.pairs.iter().zip(&mut self.gate_epochs) {
                    *epoch = Some(pair.gate.set(mode));
                }
            }
            Action::RevokeLease => self.appliance.lease.revoke(),
            Action::LeaseForever => self.appliance.lease.forever(),
            Action::SetPort { pair, side, up } => self.propagate(pair, side, up),
            Action::SetMac { pair, mac, side } => {
                let Some(pair) = self.appliance.pairs.get(usize::from(pair)) else {
                    return;
                };
                match side {
                    // A full table forgets nothing that it knows; the rest is learnt by switches.
                    Some(side) => drop(pair.stations.insert(mac, convert::side_out(side))),
                    None => drop(pair.stations.remove(mac)),
                }
            }
            Action::Announce {
                pair,
                from,
                mac,
                epoch,
            } => self.announce(pair, from, mac, epoch),
            Action::Card { pair, command } => self.command_card(pair, command),
            Action::Kick => self.cards.iter().flatten().for_each(CardHandle::kick),
            Action::Persist(state) => self.state.write(state),
            Action::Event(event) => {
                self.tally.happened(&event);
                self.around.vitals.happened(&event);
                self.tell(&event);
            }
            Action::Answer { id, result } => self.answer(id, result),
            Action::Exit => self.exit = true,
        }
    }

    /// The heartbeats that workers took off the data ports (rule 12).
    fn receive_in_band(
        &mut self,
        messages: &mut Vec<twinline_ha::Message>,
        rejects: &mut Vec<twinline_ha::Reject>,
    ) {
        let now = self.now();
        let (Some(in_band), Some(ha)) = (&mut self.appliance.in_band, &self.appliance.ha) else {
            return;
        };
        for worker in &mut self.appliance.workers {
            for _ in 0..DIVERTED_A_TICK {
                let Ok(diverted) = worker.links.diverted.pop() else {
                    break;
                };
                let at = (diverted.pair, convert::side_in(diverted.side));
                let frame = diverted.mbuf.data();
                in_band.receive(now, at, frame, ha.auth(), messages, rejects);
            }
        }
    }

    fn send_in_band(&mut self, frames: Vec<Outgoing>) {
        for Outgoing { pair, side, frame } in frames {
            let sent = self.inject(pair, side, &frame);
            if let Some(in_band) = &mut self.appliance.in_band {
                in_band.count_sent(sent);
            }
        }
    }

    fn announce(&mut self, pair: u16, from: Side, mac: [u8; 6], epoch: u64) {
        let mut frame = [0; announce::FRAME_LEN];
        announce::emit(mac.into(), self.config.instance.id, epoch, &mut frame);
        self.inject(pair, from, &frame);
    }

    /// Hands a frame to the worker that carries this pair, to be sent from this side's port; false
    /// when it cannot be.
    fn inject(&mut self, pair: u16, from: Side, frame: &[u8]) -> bool {
        let index = usize::from(pair);
        let found = self
            .appliance
            .workers
            .iter_mut()
            .zip(&mut self.injected)
            .find(|(w, _)| w.pairs.contains(&index));
        let Some((worker, injected)) = found else {
            return false;
        };
        let Some(mut mbuf) = self.appliance.pool.alloc() else {
            return false;
        };
        if mbuf.append(frame).is_err() {
            return false;
        }
        let inject = Inject {
            pair,
            side: convert::side_out(from),
            mbuf,
        };
        let sent = worker.links.inject.push(inject).is_ok();
        *injected += u64::from(sent);
        sent
    }

    fn tell(&mut self, event: &Event) {
        let shown = status::event(&self.config, event);
        let line = shown.line();
        match &event.subject {
            Subject::Alarm(_) if event.why == Reason::AlarmRaised => log::warn!("{line}"),
            _ => log::info!("{line}"),
        }
        let record = outlets::record(&self.identity, &self.config, event, shown);
        self.outlets.send(record);
    }

    /// An outlet that fails is an alarm until it works again.
    fn look_at_outlets(&mut self) {
        while let Some(report) = self.outlets.report() {
            let outlet = report.outlet;
            if let Some(text) = self.outlet_failures.remove(outlet) {
                let alarm = Alarm::EventOutlet { outlet, text };
                self.node.set_alarm(alarm, false);
            }
            if let Some(text) = report.failure {
                self.outlet_failures.insert(outlet, text.clone());
                let alarm = Alarm::EventOutlet { outlet, text };
                self.node.set_alarm(alarm, true);
            }
        }
    }

    // --- operators ---

    fn take_calls(&mut self, requests: &mut Vec<(u64, Request)>) {
        while let Ok(call) = self.around.calls.try_recv() {
            self.take_call(call, requests);
        }
        // Whoever may only look does not take the loop's time from those who may do more.
        for _ in 0..READS_A_TICK {
            let call = self.around.read_calls.as_ref().map(Receiver::try_recv);
            let Some(Ok(call)) = call else {
                break;
            };
            self.take_call(call, requests);
        }
    }

    fn take_call(&mut self, call: Call, requests: &mut Vec<(u64, Request)>) {
        if call.is_abandoned() {
            return;
        }
        let request = match call.request() {
            Command::HaSwitchover {} => Request::Switchover,
            Command::HaSuspend { force } => Request::Suspend { force: *force },
            Command::HaResume => Request::Resume,
            Command::HaClear => Request::Clear,
            Command::SetBypass { .. }
            | Command::SetBypassEvent { .. }
            | Command::SetBypassWatchdog { .. } => {
                if let Some((request, call)) = self.bypass_call(call) {
                    self.wait_for_node(request, call, requests);
                }
                return;
            }
            Command::ShowCommits
            | Command::ShowCommit { .. }
            | Command::DiffConfig { .. }
            | Command::SetSetting { .. }
            | Command::Commit { .. }
            | Command::Confirm
            | Command::Rollback { .. }
            | Command::SaveConfig => {
                self.change_call(call);
                return;
            }
            Command::SetLink { .. }
            | Command::SetPromiscuous { .. }
            | Command::ClearPortStats { .. }
            | Command::CaptureStart { .. }
            | Command::CaptureStop { .. } => {
                self.port_call(call);
                return;
            }
            Command::ShowOutlets => {
                self.outlets.show(call);
                return;
            }
            _ => {
                let payload = status::payload(self, call.request());
                call.answer(payload.map_or_else(
                    || Reply::Error {
                        message: "this engine does not know that".into(),
                    },
                    Reply::Ok,
                ));
                return;
            }
        };
        self.wait_for_node(request, call, requests);
    }

    fn wait_for_node(&mut self, request: Request, call: Call, requests: &mut Vec<(u64, Request)>) {
        self.next_request += 1;
        requests.push((self.next_request, request));
        self.waiting.insert(self.next_request, call);
    }

    fn answer(&mut self, id: u64, result: Result<String, String>) {
        let Some(call) = self.waiting.remove(&id) else {
            return;
        };
        call.answer(match result {
            Ok(message) => Reply::Ok(Payload::Done { message }),
            Err(reason) => Reply::Refused { reason },
        });
    }
}
