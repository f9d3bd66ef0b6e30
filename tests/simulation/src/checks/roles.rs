//! Checks (a, rule 11), (d, rule 8) and (e): what each instance does with its role, flaps, lease
//! and gates, held against what was done to it.

use std::time::Duration;
use twinline_ha::events::{Event, Subject};
use twinline_ha::{Flags, GateMode, Heartbeat, Node, Reason, Request, Role, Settings, Time};

use super::Check;
use super::health::Oracle;
use crate::clock::{MS, Ns, SEC, ns};

/// What the state file ought to hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Flaps within the window (900 s: none ages within a run).
    pub flaps: u32,
    /// One too many.
    pub latched: bool,
    /// By an operator.
    pub suspended: bool,
    /// ACTIVE when last seen.
    pub active: bool,
}

/// What one instance did, and may do. Lives on over restarts.
#[derive(Clone, Debug)]
pub struct Watch {
    /// What it must remember.
    pub memory: Memory,
    /// An operator moved the role away from here; preemption waits.
    pub hold: bool,
    /// That was so when it became ACTIVE.
    pub held: bool,
    /// A stop was asked for.
    pub stopping: bool,
    /// When it last became ACTIVE.
    pub active_since: Ns,
    /// When it last stopped being ACTIVE, or started.
    pub standing_since: Ns,
    /// When its configuration was last reloaded.
    pub reloaded: Ns,
    /// The last requests that were granted: switch-over, suspension, stop.
    pub granted: [Option<Ns>; 3],
    /// Role changes in all.
    pub changes: u64,
    /// Nothing but listening before this.
    deaf_until: Option<Time>,
    /// When the step before was, by the instance's clock, and how often its listening began again.
    last_local: Option<Time>,
    listened_again: u8,
    init_since: Time,
    /// Since when it has been handing over.
    handing_since: Option<Ns>,
    /// [`Self::standing_since`] of the process before this one, and when this one started.
    pub before_start: (Ns, Ns),
    /// The epoch of its last heartbeat as ACTIVE.
    tenure: u64,
    pairs_up: u16,
}

/// How things stood before a step.
#[derive(Clone, Copy, Debug)]
pub struct Before {
    /// The role.
    pub role: Role,
    /// To whom it was handing over.
    pub handing_over_to: Option<u16>,
    /// Its lease had run out: whatever else the step did, it left ACTIVE for that.
    pub lapsed: bool,
}

/// What is true of the other instance.
#[derive(Clone, Debug)]
pub struct Other {
    /// What its workers carry.
    pub carries: Option<GateMode>,
    /// Its settings.
    pub settings: Settings,
    /// Its flaps.
    pub flaps: u32,
    /// Its hold.
    pub hold: bool,
    /// When it last stopped being ACTIVE, or started.
    pub standing_since: Ns,
    /// The same of the process before, and when the one that runs started.
    pub before_start: (Ns, Ns),
    /// When it was last reloaded.
    pub reloaded: Ns,
    /// When a switch-over was last granted there.
    pub switchover: Option<Ns>,
}

/// One step, as it was made.
pub struct Turn<'a> {
    /// When, virtually.
    pub now: Ns,
    /// When, by the instance's clock.
    pub local: Time,
    /// The node after it.
    pub node: &'a Node,
    /// Before it.
    pub before: Before,
    /// The settings in force.
    pub settings: &'a Settings,
    /// What the rules say of the peers.
    pub oracle: &'a Oracle,
    /// The events that it wrote.
    pub events: &'a [Event],
    /// The heartbeats that it sent, with the leases.
    pub sent: &'a [(Heartbeat, Option<Time>)],
    /// What its workers had adopted when it began.
    pub adopted: GateMode,
    /// The other instance.
    pub other: &'a Other,
    /// The other's id.
    pub peer: u16,
    /// The longest that a granted request may take to show.
    pub patience: Ns,
    /// The network has been healthy for long.
    pub calm: bool,
    /// The HA path has been dead for long, and in-band is good (rule 12).
    pub frozen: bool,
    /// An operator cleared the flaps in this step.
    pub cleared: bool,
}

impl Turn<'_> {
    /// Rule 12: without links of its own, who hears nobody on either path is likely to be cut off.
    fn cut_off(&self) -> bool {
        self.settings.in_band && self.node.links_below_minimum()
    }
}

type Finding = Result<(), (Check, String)>;

fn find(check: Check, text: String) -> Finding {
    Err((check, text))
}

impl Watch {
    /// Of an instance that never ran.
    #[must_use]
    pub fn new() -> Self {
        Self {
            memory: Memory::default(),
            hold: false,
            held: false,
            stopping: false,
            active_since: 0,
            standing_since: 0,
            reloaded: 0,
            granted: [None; 3],
            changes: 0,
            deaf_until: None,
            last_local: None,
            listened_again: 0,
            init_since: Time::ZERO,
            handing_since: None,
            before_start: (0, 0),
            tenure: 0,
            pairs_up: 0,
        }
    }

    /// A process starts with a state file that ought to hold this.
    pub fn start(&mut self, now: Ns, local: Time, file: Memory, settings: &Settings) {
        self.memory = Memory {
            active: false,
            ..file
        };
        self.hold = false;
        self.stopping = false;
        self.before_start = (self.standing_since, now);
        self.standing_since = now;
        self.handing_since = None;
        self.granted = [self.granted[0], None, None];
        self.deaf_until = None;
        self.init_since = local;
        if file.active {
            self.flap(settings);
        }
    }

    fn flap(&mut self, settings: &Settings) {
        self.memory.flaps += 1;
        let allowed = settings.max_flaps;
        self.memory.latched |= allowed > 0 && self.memory.flaps > allowed;
    }

    /// A request was answered.
    pub fn answered(&mut self, now: Ns, request: Request, granted: bool) {
        if !granted {
            return;
        }
        match request {
            Request::Switchover => self.granted[0] = Some(now),
            Request::Suspend { .. } => self.granted[1] = Some(now),
            Request::Stop => {
                self.granted[2] = Some(now);
                self.stopping = true;
            }
            Request::Clear => {
                self.memory.flaps = 0;
                self.memory.latched = false;
                self.hold = false;
                self.held = false;
            }
            Request::Resume => {
                self.deaf_until = None;
                self.memory.suspended = false;
                self.hold = false;
            }
            Request::Bypass { .. } => {}
        }
    }

    /// Follows a step.
    ///
    /// # Errors
    /// What it violated.
    pub fn follow(&mut self, turn: &Turn<'_>) -> Finding {
        self.listen(turn);
        for (heartbeat, lease) in turn.sent {
            self.heartbeat(turn, heartbeat, *lease)?;
        }
        for event in turn.events {
            if let Subject::Role { from, to } = event.subject {
                self.changes += 1;
                if from == Role::Active {
                    let lapsed = turn.before.lapsed;
                    self.left(
                        turn,
                        if lapsed {
                            Reason::LeaseExpired
                        } else {
                            event.why
                        },
                    )?;
                    if turn.cleared {
                        // Before the flap or after it: both are right.
                        self.memory.flaps = turn.node.flaps().min(1);
                        self.memory.latched &= turn.node.latched();
                    }
                }
                self.entered(turn, to, event.why)?;
            }
        }
        self.handing_since = turn
            .node
            .handing_over_to()
            .map(|_| self.handing_since.unwrap_or(turn.now));
        self.stands(turn)?;
        self.pairs_up = turn.node.link_pairs().iter().filter(|p| p.up()).count() as u16;
        self.memory.active = turn.node.role() == Role::Active;
        Ok(())
    }

    /// Rule 11's length, and rule 8's word about the gate.
    fn heartbeat(&mut self, turn: &Turn<'_>, h: &Heartbeat, lease: Option<Time>) -> Finding {
        if let Some(until) = lease {
            let own = turn.settings.failure_window();
            let theirs = turn
                .oracle
                .peer(turn.peer)
                .and_then(|p| p.last.as_ref())
                .map(|p| {
                    p.interval.max(turn.settings.interval) * u32::from(p.failure_threshold.max(1))
                });
            let most = theirs
                .map_or(own, |t| t.min(own))
                .saturating_sub(turn.settings.interval / 4);
            let given = until.since(turn.local);
            if given > most {
                return find(
                    Check::Lease,
                    format!("a lease of {given:?}, {most:?} at most"),
                );
            }
        }
        if h.role == Role::Active {
            self.tenure = h.epoch;
            // A gate that closes, or hands over, is open until it is known to be closed.
            let opens = matches!(turn.node.gates(), GateMode::Forward | GateMode::TakingOver);
            if opens && h.flags.has(Flags::GATE_OPEN) && turn.adopted == GateMode::Block {
                let text = "says that its gate is open while its workers still block".into();
                return find(Check::Handover, text);
            }
        }
        Ok(())
    }

    fn entered(&mut self, turn: &Turn<'_>, to: Role, why: Reason) -> Finding {
        if to == Role::Suspended && !self.memory.latched {
            self.memory.suspended = true;
        }
        if to == Role::Init {
            self.init_since = turn.local;
        }
        if to != Role::Active {
            return Ok(());
        }
        if self.memory.latched {
            return find(Check::Flaps, format!("ACTIVE ({why}) though latched"));
        }
        if self.memory.suspended {
            return find(Check::Operator, format!("ACTIVE ({why}) though suspended"));
        }
        if turn.cut_off() && matches!(why, Reason::PeerUnhealthy | Reason::NoPeerHeard) {
            let text = format!("ACTIVE ({why}) without links, both paths dead (rule 12)");
            return find(Check::Paths, text);
        }
        let window = turn.settings.failure_window();
        let reloaded = turn.now.saturating_sub(self.reloaded) < ns(window) * 2 + SEC;
        if turn.before.role == Role::Init && !reloaded {
            let listened = turn.local.since(self.init_since);
            if listened < window {
                return find(
                    Check::Roles,
                    format!("ACTIVE ({why}) after {listened:?} of listening"),
                );
            }
        }
        if self.deaf_until.is_some_and(|until| turn.local < until) && !reloaded {
            let text = format!("ACTIVE ({why}) while it should listen after its lease ran out");
            return find(Check::Roles, text);
        }
        self.deaf_until = None;
        self.held = std::mem::take(&mut self.hold);
        self.active_since = turn.now;
        Ok(())
    }

    /// Rules 3 and 11: what was slept through is no listening; it begins again, eight times at most.
    fn listen(&mut self, turn: &Turn<'_>) {
        let before = self.last_local.replace(turn.local);
        let listening = self
            .deaf_until
            .is_some_and(|until| before.is_some_and(|before| before < until));
        if listening && turn.oracle.late() && self.listened_again < 8 {
            self.listened_again += 1;
            self.deaf_until = Some(turn.local + turn.settings.failure_window());
        }
    }

    /// An exit from ACTIVE: a flap, unless there is evidence of a cause that is none.
    fn left(&mut self, turn: &Turn<'_>, why: Reason) -> Finding {
        if why != Reason::HandoverTimedOut {
            self.standing_since = turn.now;
        }
        let lately = |at: Option<Ns>| at.is_some_and(|at| turn.now - at <= turn.patience);
        let orderly = turn.before.handing_over_to.is_some();
        if turn.frozen && matches!(why, Reason::Preempted | Reason::BandwidthBelowMinimum) {
            let text = format!("left ACTIVE ({why}) though the HA path is dead (rule 12)");
            return find(Check::Paths, text);
        }
        let evidence = match why {
            Reason::OperatorSwitchover => {
                self.hold = true;
                Some(lately(self.granted[0]) || lately(turn.other.switchover))
            }
            Reason::OperatorSuspended => Some(lately(self.granted[1])),
            Reason::Stopped => Some(lately(self.granted[2])),
            Reason::Preempted => {
                self.preempted(turn)?;
                Some(
                    turn.other.settings.primary && turn.other.settings.preempt || {
                        turn.now - turn.other.reloaded < 5 * SEC
                    },
                )
            }
            Reason::HandoverTimedOut => Some(true),
            _ => None,
        };
        if evidence == Some(false) {
            return find(
                Check::Roles,
                format!("left ACTIVE ({why}), which nobody asked for"),
            );
        }
        if evidence.is_none() {
            self.flap(turn.settings);
        }
        match why {
            Reason::LeaseExpired => {
                self.deaf_until = Some(turn.local + turn.settings.failure_window());
                self.listened_again = 0;
            }
            Reason::LinksBelowMinimum | Reason::WorkerStalled | Reason::BandwidthBelowMinimum
                if !orderly =>
            {
                return find(
                    Check::Roles,
                    format!("left ACTIVE ({why}) to nobody (rule 10)"),
                );
            }
            Reason::DualActiveYielded => self.yielded(turn)?,
            _ => {}
        }
        if orderly && turn.calm && turn.other.carries.is_none() {
            return find(
                Check::Handover,
                format!("closed ({why}) before its successor was open"),
            );
        }
        Ok(())
    }

    /// Rule 6: the primary waits before it takes the role back; longer after flaps; and not after
    /// an operator's switch-over.
    fn preempted(&self, turn: &Turn<'_>) -> Finding {
        let other = turn.other;
        if turn.now - other.reloaded < 5 * SEC {
            return Ok(());
        }
        if other.hold {
            return find(
                Check::Operator,
                "a switch-over was undone by preemption".into(),
            );
        }
        let most = other.settings.flap_window.max(other.settings.preempt_delay);
        let delay = other.settings.preempt_delay * 2u32.pow(other.flaps.min(16));
        // Clocks differ by 400 ppm at most.
        let delay = delay.min(most).mul_f64(0.999);
        // What asked for the role may have been the process before.
        let (before, started) = other.before_start;
        let since = match self.handing_since {
            Some(begun) if begun < started => before,
            _ => other.standing_since,
        };
        let waited = Duration::from_nanos(turn.now - since);
        if waited < delay {
            return find(
                Check::Roles,
                format!("preempted after {waited:?}, not {delay:?}"),
            );
        }
        Ok(())
    }

    /// Rule 9: who yields has the lesser claim: fitness, epoch, primary, instance.
    fn yielded(&self, turn: &Turn<'_>) -> Finding {
        let Some(h) = turn.oracle.peer(turn.peer).and_then(|p| p.last.as_ref()) else {
            return find(Check::Roles, "yielded to nobody".into());
        };
        let pairs = turn.node.link_pairs().iter().filter(|p| p.up()).count() as u16;
        let own = (
            turn.node.is_fit(),
            pairs,
            self.tenure,
            turn.settings.primary,
        );
        let theirs = (
            h.flags.has(Flags::FIT),
            h.pairs_up,
            h.epoch,
            h.flags.has(Flags::PRIMARY),
        );
        let better = theirs > own || (theirs == own && turn.peer < turn.node.instance());
        if h.role != Role::Active || !better {
            return find(
                Check::Roles,
                format!("yielded with {own:?} to {theirs:?} ({})", h.role),
            );
        }
        Ok(())
    }

    /// What holds after every step.
    fn stands(&self, turn: &Turn<'_>) -> Finding {
        let node = turn.node;
        if node.flaps() != self.memory.flaps {
            return find(
                Check::Flaps,
                format!(
                    "counts {} flaps, there were {}",
                    node.flaps(),
                    self.memory.flaps
                ),
            );
        }
        if self.stopping {
            return Ok(());
        }
        if node.latched() != self.memory.latched {
            return find(Check::Flaps, format!("latched: {}", node.latched()));
        }
        let role = node.role();
        if self.memory.latched && !matches!(role, Role::Bypass | Role::Suspended) {
            return find(Check::Flaps, format!("{role} though latched"));
        }
        let out = matches!(role, Role::Bypass | Role::Suspended);
        if self.memory.suspended && !out {
            return find(Check::Operator, format!("{role} though suspended"));
        }
        let listening = self.deaf_until.is_some_and(|until| turn.local < until);
        let silent = turn.oracle.peer(turn.peer).is_none_or(|p| !p.there());
        let stood = matches!(turn.before.role, Role::Passive | Role::Down);
        let stands = matches!(role, Role::Passive | Role::Down);
        if stood && stands && silent && !listening && !turn.cut_off() {
            return find(
                Check::Roles,
                format!("{role} though nobody is there (rule 7)"),
            );
        }
        Ok(())
    }
}

impl Default for Watch {
    fn default() -> Self {
        Self::new()
    }
}

/// How long after a granted request its traces may still show.
#[must_use]
pub fn patience(window: Ns, interval: Ns) -> Ns {
    8 * window + 8 * interval + SEC + 200 * MS
}
