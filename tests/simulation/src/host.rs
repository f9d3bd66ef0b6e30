//! One appliance: its process (or none), its state file, its clocks and its cables.

use std::time::Duration;
use twinline_ha::{
    GateMode, Message, Node, NodeConfig, Request, RequestId, Role, SavedState, Settings, Side,
    Topology,
};

use crate::checks::health::{Judged, Oracle};
use crate::checks::operator::Owed;
use crate::checks::roles::{Memory, Watch};
use crate::clock::{HostClock, MS, Ns, US, ns};
use crate::in_band::DataPorts;
use crate::network::index;
use crate::scenario::{HostPlan, StateFile};
use crate::worker::Worker;

/// A running process.
#[derive(Debug)]
pub struct Process {
    /// The decisions.
    pub node: Node,
    /// The worker.
    pub worker: Worker,
    /// This run's boot id.
    pub boot: u64,
    /// What arrived at the HA port and was not read yet.
    pub inbox: Vec<Message>,
    /// The data ports, if heartbeats go in-band.
    pub in_band: Option<DataPorts>,
    /// What operators asked for.
    pub requests: Vec<(RequestId, Request)>,
    /// When the next turn is, and which of the planned turns counts.
    pub wake: Option<(Ns, u64)>,
    /// When the links are to be read next.
    pub links_due: Ns,
    /// Announcements that the worker has not sent yet.
    pub announcing: usize,
    /// What the rules say of the peers.
    pub oracle: Oracle,
    /// What operators are owed.
    pub owed: Owed,
    /// A stop was carried out.
    pub exited: bool,
}

/// One appliance.
#[derive(Debug)]
pub struct Host {
    /// Its id.
    pub instance: u16,
    /// Its clocks.
    pub clock: HostClock,
    /// The configuration file.
    pub settings: Settings,
    /// The process, if one runs.
    pub process: Option<Box<Process>>,
    /// What is watched over restarts.
    pub watch: Watch,
    /// The state file, and what it ought to hold.
    pub file: (SavedState, Memory),
    /// Earlier ones.
    pub files: Vec<(SavedState, Memory)>,
    /// A cable is out until then, by side.
    pub pulled: [Ns; 2],
    /// We hold the port down, by side.
    pub held_down: [bool; 2],
    /// The management core does not run before then.
    pub stalled_until: Ns,
    /// For how long it did not run, in all.
    pub stalled: Ns,
    /// The worker's adoption time, and a slower one until then.
    pub adopts: (Ns, Ns, Ns),
    /// What was received on both sides, in bytes.
    pub bytes: u64,
    /// Until when they are counted.
    pub bytes_to: Ns,
    /// Wakes planned in all.
    pub wakes: u64,
    boots: u64,
    /// The boot id of the last process.
    last_boot: u64,
    /// The process that runs has a smaller boot id than the one before it.
    pub older_boot: bool,
}

impl Host {
    /// An appliance that is switched off.
    #[must_use]
    pub fn new(plan: &HostPlan) -> Self {
        Self {
            instance: plan.instance,
            clock: plan.clock,
            settings: plan.settings.clone(),
            process: None,
            watch: Watch::new(),
            file: (plan.state.clone(), Memory::default()),
            files: Vec::new(),
            pulled: [0; 2],
            held_down: [false; 2],
            stalled_until: 0,
            stalled: 0,
            adopts: (plan.adopts, 0, 0),
            bytes: 0,
            bytes_to: 0,
            wakes: 0,
            boots: 0,
            last_boot: 0,
            older_boot: false,
        }
    }

    /// Starts a process.
    pub fn start(&mut self, number: usize, now: Ns, found: StateFile) {
        let (state, memory) = match found {
            StateFile::Kept => self.file.clone(),
            StateFile::Lost => Default::default(),
            StateFile::Stale => {
                let place = self.files.len().saturating_sub(4);
                self.files.get(place).cloned().unwrap_or_default()
            }
        };
        self.file = (state.clone(), memory);
        self.boots += 1;
        let local = self.clock.local(now);
        // Seconds of the wall above, as `new_boot_id` of the management core has it.
        let chance = (self.boots * 0x9e37_79b9) & 0xffff_ffff;
        let boot = ((self.clock.unix_ms(now) / 1000) << 32) | chance;
        self.older_boot = boot < std::mem::replace(&mut self.last_boot, boot);
        let config = NodeConfig {
            instance: self.instance,
            boot,
            pairs: 1,
            config_digest: 7,
            settings: self.settings.clone(),
            saved: state.clone(),
            state_file_problem: None,
        };
        self.watch.start(now, local, memory, &self.settings);
        self.held_down = [false; 2];
        self.stalled_until = 0;
        let series = self.settings.topology == Topology::Series;
        self.process = Some(Box::new(Process {
            node: Node::new(config, local, self.clock.unix_ms(now)),
            worker: Worker::new(number, now),
            boot,
            inbox: Vec::new(),
            in_band: self.settings.in_band.then(|| DataPorts::new(series)),
            requests: Vec::new(),
            wake: None,
            links_due: now,
            announcing: 0,
            oracle: Oracle::new(self.instance, boot, state.boots),
            owed: Owed::default(),
            exited: false,
        }));
    }

    /// The length of a turn of the management core.
    #[must_use]
    pub fn tick(&self) -> Ns {
        let interval = self
            .process
            .as_ref()
            .map_or(Duration::ZERO, |p| p.node.settings().interval);
        (ns(interval) / 10).clamp(100 * US, MS)
    }

    /// How long the worker takes to adopt a gate.
    #[must_use]
    pub fn adoption(&self, now: Ns) -> Ns {
        let (usual, slow, until) = self.adopts;
        if now < until { slow.max(usual) } else { usual }
    }

    /// The role; a process that does not run is DOWN.
    #[must_use]
    pub fn role(&self) -> Role {
        self.process.as_ref().map_or(Role::Down, |p| p.node.role())
    }

    /// What the workers carry now.
    #[must_use]
    pub fn carries(&self, now: Ns) -> Option<GateMode> {
        let process = self.process.as_ref()?;
        process.worker.carries(now, self.clock.local(now))
    }

    /// The port of this side has carrier.
    #[must_use]
    pub fn carrier(&self, side: Side, now: Ns) -> bool {
        let side = index(side);
        let pulled = self.pulled.get(side).is_some_and(|&until| now < until);
        !pulled && !self.held_down.get(side).copied().unwrap_or(false)
    }

    /// Stands for election: runs, and is neither out of it nor leaving.
    #[must_use]
    pub fn stands(&self) -> bool {
        let out = self.watch.memory.latched || self.watch.memory.suspended || self.watch.stopping;
        self.process.is_some() && !out
    }

    /// Rule 12: hears nobody on either path, and its own links are below the minimum.
    #[must_use]
    pub fn cut_off(&self, peer: u16) -> bool {
        self.process.as_ref().is_some_and(|p| {
            let there = p.oracle.peer(peer).is_some_and(Judged::there);
            p.in_band.is_some() && p.node.links_below_minimum() && !there
        })
    }

    /// In the midst of a hand-over, on either side of it.
    #[must_use]
    pub fn moving(&self) -> bool {
        self.process.as_ref().is_some_and(|p| {
            p.node.handing_over_to().is_some() || p.node.gates() == GateMode::TakingOver
        })
    }
}
