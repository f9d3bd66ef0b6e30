//! The two-instance role logic under a model checker: real nodes, every order of a few faults.
//!
//! A pair that has settled is given up to [`Pair::faults`] faults, each at any quarter of an
//! interval within [`Pair::troubled`] of them; then it is left alone until [`Pair::horizon`]. All
//! of these runs are made (a breadth-first search over the real [`Node::step`]), and in each state:
//!
//! - a: the two never carry everything at one time, if no heartbeat was lost. The lease counts from
//!   what was sent and the peer from what it heard (rule 11), so `n` heartbeats lost just before a
//!   standstill allow `n` intervals of it, and no more. While the HA link is parted two may (there
//!   is no second path in the model), and until two intervals after it;
//! - b: at the horizon exactly one is ACTIVE and carries;
//! - e: roles change at most [`Pair::CHANGES`] times per fault, so nothing bounces.
//!
//! Times in the states are absolute, so two runs are one state only when they agree at the same
//! moment: the search is exhaustive up to the horizon and says nothing beyond it.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use stateright::{Model, Property};
use twinline_ha::events::Subject;
use twinline_ha::link_pairs::PairLinks;
use twinline_ha::message::Body;
use twinline_ha::{
    Action, GateMode, Message, Mode, Node, NodeConfig, Observation, Path, Request, Role,
    SavedState, Settings, Time, Topology, WorkerProgress,
};

/// A quarter of an interval: the lease's guard (rule 11), and one step of the model.
const QUARTER: Duration = Duration::from_millis(5);
const INTERVAL: Duration = Duration::from_millis(20);
const THRESHOLD: u8 = 3;
/// Quarters of an interval.
const INTERVAL_QUARTERS: u16 = 4;
/// Quarters of a failure window.
const WINDOW: u16 = 12;
/// How long a process that was killed is away, in quarters.
const AWAY: u16 = 6;
/// How long a stalled process stands still, in quarters: until after its lease.
const STANDS: u16 = WINDOW + 2;
/// How long a data cable is out, in quarters.
const OUT: u16 = 6;

/// How long the HA link is parted, in quarters: until both are ACTIVE.
const PARTED: u16 = WINDOW + 6;
/// Rule 9 heals within an interval of the first heartbeat that is heard again.
const HEALS: u16 = 2 * INTERVAL_QUARTERS;

/// What goes wrong in one quarter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Nothing.
    None,
    /// What this instance sends in this quarter is lost.
    Lose(usize),
    /// SIGKILL; it is started again [`AWAY`] quarters later with its state file.
    Kill(usize),
    /// SIGSTOP, and SIGCONT [`STANDS`] quarters later.
    Stall(usize),
    /// Its LAN cable is pulled, and plugged [`OUT`] quarters later.
    Unplug(usize),
    /// An operator's switch-over.
    Switchover(usize),
    /// The HA link carries nothing for [`PARTED`] quarters; there is no second path.
    Part,
}

#[derive(Clone, Debug)]
struct Host {
    node: Option<Node>,
    /// [`Node::fingerprint`] of it, made once a step.
    print: u64,
    saved: SavedState,
    boots: u64,
    lease_until: Option<Time>,
    adopted: GateMode,
    wanted: Option<GateMode>,
    back_at: u16,
    runs_at: u16,
    plugged_at: u16,
    inbox: Vec<Message>,
    iterations: u64,
}

/// The pair at one moment.
#[derive(Clone, Debug)]
pub struct State {
    quarter: u16,
    faults: u8,
    lost: u16,
    parted_until: u16,
    /// Quarters in a row in which both carried everything.
    overlap: u16,
    changes: u16,
    hosts: [Host; 2],
}

impl Hash for State {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.quarter, self.faults, self.changes).hash(state);
        (self.lost, self.parted_until, self.overlap).hash(state);
        for host in &self.hosts {
            host.print.hash(state);
            (host.boots, host.lease_until, host.adopted, host.wanted).hash(state);
            (host.back_at, host.runs_at, host.plugged_at).hash(state);
            for message in &host.inbox {
                (message.boot, message.seq).hash(state);
            }
        }
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        let key = |s: &Self| {
            let mut hasher = std::hash::DefaultHasher::new();
            s.hash(&mut hasher);
            hasher.finish()
        };
        key(self) == key(other)
    }
}

impl State {
    /// Both roles; a process that is away is DOWN.
    #[must_use]
    pub fn roles(&self) -> [Role; 2] {
        let role = |host: &Host| host.node.as_ref().map_or(Role::Down, Node::role);
        [role(&self.hosts[0]), role(&self.hosts[1])]
    }

    /// Which of the two carry everything now.
    #[must_use]
    pub fn carries(&self) -> [bool; 2] {
        let now = at(self.quarter);
        let carries = |host: &Host| {
            let open = matches!(host.adopted, GateMode::Forward | GateMode::HandingOver);
            open && host.node.is_some() && host.lease_until.is_some_and(|until| now < until)
        };
        [carries(&self.hosts[0]), carries(&self.hosts[1])]
    }
}

fn at(quarter: u16) -> Time {
    Time::ZERO + Duration::from_secs(100) + QUARTER * u32::from(quarter)
}

fn settings(primary: bool) -> Settings {
    Settings {
        mode: Mode::ActivePassive,
        primary,
        topology: Topology::Parallel,
        in_band: false,
        interval: INTERVAL,
        failure_threshold: THRESHOLD,
        recovery_threshold: 2,
        max_flaps: 0,
        flap_window: Duration::from_secs(60),
        on_max_flaps: None,
        kick_every: None,
        preempt: false,
        preempt_delay: Duration::ZERO,
        links_interval: INTERVAL,
        minimum_active_links: 1,
        propagate: false,
        settle: INTERVAL,
        bandwidth_interval: Duration::from_secs(10),
        bandwidth_enabled: false,
        bandwidth_minimum_bps: 1,
    }
}

/// The model, and how far it is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    /// Faults in one run, at most.
    pub faults: u8,
    /// Quarters after settling in which faults happen.
    pub troubled: u16,
    /// Quarters after settling at which the run ends.
    pub horizon: u16,
    /// Called before each step of a node: switches a deliberate fault on in the thread that steps.
    pub before_step: fn(),
}

impl Pair {
    /// Role changes of both instances together that one fault may cause.
    pub const CHANGES: u16 = 6;
    /// Quarters in which the pair settles.
    const SETTLE: u16 = 6 * WINDOW;

    fn settled(&self) -> State {
        let host = || Host {
            node: None,
            print: 0,
            saved: SavedState::default(),
            boots: 100,
            lease_until: None,
            adopted: GateMode::Block,
            wanted: None,
            back_at: 0,
            runs_at: 0,
            plugged_at: 0,
            inbox: Vec::new(),
            iterations: 0,
        };
        let mut state = State {
            quarter: 0,
            faults: 0,
            lost: 0,
            parted_until: 0,
            overlap: 0,
            changes: 0,
            hosts: [host(), host()],
        };
        for _ in 0..Self::SETTLE {
            state = self.step(state, Fault::None);
        }
        state.changes = 0;
        state
    }

    /// One quarter: the fault, then both instances, in order.
    fn step(&self, mut state: State, fault: Fault) -> State {
        state.quarter += 1;
        let quarter = state.quarter;
        let now = at(quarter);
        let mut asked = None;
        match fault {
            Fault::None | Fault::Lose(_) => {}
            Fault::Kill(i) => {
                state.hosts[i].node = None;
                state.hosts[i].print = 0;
                state.hosts[i].back_at = quarter + AWAY;
            }
            Fault::Stall(i) => state.hosts[i].runs_at = quarter + STANDS,
            Fault::Unplug(i) => state.hosts[i].plugged_at = quarter + OUT,
            Fault::Switchover(i) => asked = Some(i),
            Fault::Part => state.parted_until = quarter + PARTED,
        }
        state.faults += u8::from(fault != Fault::None);
        state.lost += u16::from(matches!(fault, Fault::Lose(_)));
        let mut sent: [Vec<Message>; 2] = [Vec::new(), Vec::new()];
        for (i, host) in state.hosts.iter_mut().enumerate() {
            if host.node.is_none() && quarter >= host.back_at {
                start(host, i, now);
            }
            // The workers run whatever the management core does.
            if let Some(mode) = host.wanted.take() {
                host.adopted = mode;
            }
            host.iterations += 1;
            if quarter < host.runs_at {
                continue;
            }
            let Some(node) = host.node.as_mut() else {
                continue;
            };
            let plugged = quarter >= host.plugged_at;
            let links = [PairLinks {
                lan: plugged,
                wan: true,
            }];
            let messages = std::mem::take(&mut host.inbox);
            let requests = [(1, Request::Switchover)];
            let requests: &[_] = if asked == Some(i) { &requests } else { &[] };
            (self.before_step)();
            let actions = node.step(&Observation {
                messages: &messages,
                links: Some(&links),
                workers: &[WorkerProgress {
                    iterations: host.iterations,
                    idle_iterations: host.iterations,
                }],
                requests,
                ..Observation::quiet(now, 1_700_000_000_000)
            });
            let instance = node.instance();
            host.print = node.fingerprint();
            for action in actions {
                match action {
                    Action::Send {
                        seq,
                        heartbeat,
                        lease_until,
                    } => {
                        host.lease_until = lease_until.or(host.lease_until);
                        sent[i].push(Message {
                            instance,
                            boot: host.boots,
                            seq,
                            path: Path::HaPort,
                            body: Body::Heartbeat(heartbeat),
                        });
                    }
                    Action::SetGates(mode) => host.wanted = Some(mode),
                    Action::RevokeLease => host.lease_until = None,
                    Action::Persist(saved) => host.saved = saved,
                    Action::Event(event) => {
                        state.changes += u16::from(matches!(event.subject, Subject::Role { .. }));
                    }
                    _ => {}
                }
            }
        }
        for (from, messages) in sent.into_iter().enumerate() {
            let to = &mut state.hosts[1 - from];
            let cut = quarter < state.parted_until || fault == Fault::Lose(from);
            if !cut && to.node.is_some() {
                to.inbox.extend(messages);
            }
        }
        // Two that do not hear each other are rule 12's business, and rule 9's a moment later.
        let parted = state.parted_until > 0 && quarter <= state.parted_until + HEALS;
        let both = state.carries() == [true, true] && !parted;
        state.overlap = if both { state.overlap + 1 } else { 0 };
        state
    }
}

fn start(host: &mut Host, index: usize, now: Time) {
    host.boots += 1;
    host.adopted = GateMode::Block;
    host.wanted = None;
    host.lease_until = None;
    host.inbox.clear();
    let config = NodeConfig {
        instance: if index == 0 { 1 } else { 2 },
        boot: host.boots,
        pairs: 1,
        config_digest: 7,
        settings: settings(index == 0),
        saved: host.saved.clone(),
        state_file_problem: None,
    };
    host.node = Some(Node::new(config, now, 1_700_000_000_000));
}

impl Model for Pair {
    type State = State;
    type Action = Fault;

    fn init_states(&self) -> Vec<State> {
        vec![self.settled()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Fault>) {
        let since = state.quarter - Self::SETTLE;
        if since >= self.horizon {
            return;
        }
        actions.push(Fault::None);
        if state.faults >= self.faults || since >= self.troubled {
            return;
        }
        if state.quarter >= state.parted_until {
            actions.push(Fault::Part);
        }
        for (i, host) in state.hosts.iter().enumerate() {
            actions.push(Fault::Lose(i));
            if host.node.is_some() && state.quarter >= host.runs_at {
                actions.push(Fault::Kill(i));
                actions.push(Fault::Stall(i));
                actions.push(Fault::Switchover(i));
            }
            if state.quarter >= host.plugged_at {
                actions.push(Fault::Unplug(i));
            }
        }
    }

    fn next_state(&self, last: &State, fault: Fault) -> Option<State> {
        Some(self.step(last.clone(), fault))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("a: never two forwarders", |_, s: &State| {
                s.overlap <= s.lost * INTERVAL_QUARTERS
            }),
            Property::always(
                "b: exactly one ACTIVE at the horizon",
                |m: &Self, s: &State| {
                    let over = s.quarter - Self::SETTLE >= m.horizon;
                    let active = s.roles().iter().filter(|r| **r == Role::Active).count();
                    let carry = s.carries().iter().filter(|c| **c).count();
                    !over || (active == 1 && carry == 1)
                },
            ),
            Property::always("e: no bouncing", |_, s: &State| {
                s.changes <= Self::CHANGES * u16::from(s.faults)
            }),
        ]
    }
}
