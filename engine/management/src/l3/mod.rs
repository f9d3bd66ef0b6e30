//! Layer 3 in the management core: what the workers punt, the virtual routers, and what both make of
//! the forwarding tables, the ports and the host's own stack.
//!
//! ```text
//!   Punt ──▶ adverts ──▶ Routers ──▶ Do ──┐
//!     │                                   ├──▶ frames to inject, Held, forwarding tables,
//!     └────▶ the rest ─▶ l3::Host ─▶ Output┘    port filters, exception devices, events
//!   TAP ───────────────▶
//! ```
//!
//! Nothing here decides: the routers and the host do, and [`verdict`] says what the HA node's part
//! makes of the routers.

mod alarms;
pub mod forwarding;
pub mod kernel;
pub mod other_sum;
pub mod plan;
pub mod routers;
pub mod share;
pub mod status;
pub mod verdict;
pub mod virtual_mac;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use dpdk::{Fib4, Fib6, Pool};
use twinline_dataplane::l3::{
    Adjacency, Family as WorkerFamily, L3Inject, L3Links, Punt, PuntReason, Tables as WorkerTables,
    decrement_hop_limit, decrement_ttl,
};
use twinline_dataplane::{Gate, GateMode};
use twinline_ha as ha;
use twinline_ha::events::Subject;
use twinline_ha::node::Part;
use twinline_ha::{Mode, NeighbourChunk, Node, RoutersSeen, Time};
use twinline_l3::{Host, IcmpKind, InterfaceId, Output};
use twinline_vrrp as vrrp;
use twinline_wire::vrrp::Family;

use crate::appliance::RunningWorker;
use forwarding::{Forwarding, Tables};
use kernel::Kernel;
use plan::Plan;
use routers::{Do, Routers};
use share::Share;
use verdict::HaVerdict;
use virtual_mac::{Method, VirtualMacs};

/// Punts taken from each of a worker's rings in one turn: as many as a ring holds.
const PUNTS_A_TURN: usize = 512;
/// For how long a worker is waited for that does not come round its loop, before a Backup's timer
/// fires all the same. One that hangs for so long makes the instance unfit.
const RECEIVE_PATIENCE: Duration = Duration::from_secs(1);
/// After so many rounds of its loop a worker has handed on what its ports held before.
const RECEIVE_ROUNDS: u64 = 2;
/// After frames were handled, the loop comes back soon for so long: most come in conversations.
const BUSY_FOR: Duration = Duration::from_millis(5);

/// What the appliance's bring-up hands over.
pub struct Parts {
    /// The plan.
    pub plan: Plan,
    /// The writers' ends of the forwarding tables.
    pub fibs: (Fib4, Fib6),
    /// What the workers read.
    pub tables: Arc<WorkerTables>,
    /// Numbers of adjacencies.
    pub numbers: usize,
    /// The gate for virtual MAC addresses.
    pub gate: Arc<Gate>,
    /// Index of the worker that carries the ports.
    pub worker: usize,
    /// Virtual MAC addresses, by the port's index.
    pub macs: BTreeMap<usize, VirtualMacs>,
    /// Exception devices.
    pub kernel: Kernel,
}

/// The forwarding tables of DPDK and the array behind them.
struct Board {
    fibs: (Fib4, Fib6),
    tables: Arc<WorkerTables>,
}

impl Tables for Board {
    fn add(&mut self, network: IpAddr, length: u8, number: u16) -> bool {
        let done = match network {
            IpAddr::V4(ip) => self.fibs.0.add(ip, length, number),
            IpAddr::V6(ip) => self.fibs.1.add(ip, length, number),
        };
        if let Err(error) = &done {
            log::error!("route {network}/{length}: {error}");
        }
        done.is_ok()
    }

    fn remove(&mut self, network: IpAddr, length: u8) {
        let done = match network {
            IpAddr::V4(ip) => self.fibs.0.remove(ip, length),
            IpAddr::V6(ip) => self.fibs.1.remove(ip, length),
        };
        if let Err(error) = done {
            log::error!("route {network}/{length}: {error}");
        }
    }

    fn set(&mut self, number: u16, adjacency: Adjacency) {
        if !self.tables.adjacencies.set(number, adjacency) {
            log::error!("adjacency {number} is none that may be set");
        }
    }
}

/// Frames on their way to the worker that sends them.
struct Outbox<'a> {
    links: Option<&'a mut L3Links>,
    pool: &'a Pool,
    lost: &'a mut u64,
    injected: &'a mut u64,
}

impl Outbox<'_> {
    fn send(&mut self, port: usize, frame: &[u8], leased: bool) {
        if self.try_send(port, frame, leased).is_some() {
            *self.injected = self.injected.saturating_add(1);
        } else {
            *self.lost = self.lost.saturating_add(1);
        }
    }

    fn try_send(&mut self, port: usize, frame: &[u8], leased: bool) -> Option<()> {
        let port = u16::try_from(port).ok()?;
        let links = self.links.as_deref_mut()?;
        let mut mbuf = self.pool.alloc()?;
        mbuf.append(frame).ok()?;
        let inject = L3Inject { port, leased, mbuf };
        links.inject.push(inject).ok()
    }
}

/// What a turn needs of the core that owns it.
pub struct Around<'a> {
    /// The workers.
    pub workers: &'a mut [RunningWorker],
    /// By worker: frames that were injected so far.
    pub injected: &'a mut [u64],
    /// Where frames come from.
    pub pool: &'a Pool,
    /// Where events and alarms go.
    pub node: &'a mut Node,
    /// The wall clock, for what is told to people.
    pub unix_ms: u64,
}

/// Waiting for the workers to have handed on what was received before a Backup's timer was due.
#[derive(Clone, Copy, Debug)]
struct Judging {
    since: Time,
    iterations: u64,
}

/// Layer 3.
pub struct Layer3 {
    plan: Plan,
    host: Host,
    routers: Routers,
    forwarding: Forwarding,
    board: Board,
    gate: Arc<Gate>,
    gate_epoch: Option<u32>,
    gate_mode: GateMode,
    worker: usize,
    macs: BTreeMap<usize, VirtualMacs>,
    kernel: Kernel,
    share: Share,
    /// By port: it passes frames.
    links: BTreeMap<usize, bool>,
    /// Polls with every interface up since one was down; `None`: none was down yet.
    up_polls: Option<u32>,
    part: Option<Part>,
    mode: Mode,
    judging: Option<Judging>,
    busy_until: Time,
    /// Which of our virtual routers another one carries while we are ACTIVE, and as which alarm.
    elsewhere: alarms::Standing,
    /// Which of them have a neighbour that makes its checksums otherwise, and as which alarm.
    other_sums: alarms::Standing,
    /// Frames for which the worker or the pool had no room.
    lost: u64,
    out: Vec<Output>,
}

impl Layer3 {
    /// Layer 3 of these parts, silent until it is told otherwise.
    ///
    /// # Errors
    /// When the configuration is none that a host can work by.
    pub fn new(parts: Parts, now: Time) -> Result<Self, twinline_l3::ConfigError> {
        let mut host = Host::new(parts.plan.host())?;
        let mut board = Board {
            fibs: parts.fibs,
            tables: parts.tables,
        };
        board.tables.set_forwarding(parts.plan.forwarding);
        let forwarding = Forwarding::new(&parts.plan, parts.numbers, &mut board);
        let routers = Routers::new(&parts.plan, now);
        let mut out = Vec::new();
        host.start(now, &mut out);
        for entry in routers.iter() {
            let addresses = &entry.router.settings().addresses;
            let (interface, mac) = (entry.interface, entry.virtual_mac());
            host.virtual_addresses(now, interface, mac, addresses, false, false, &mut out);
        }
        Ok(Self {
            plan: parts.plan,
            host,
            routers,
            forwarding,
            board,
            gate: parts.gate,
            gate_epoch: None,
            gate_mode: GateMode::Block,
            worker: parts.worker,
            macs: parts.macs,
            kernel: parts.kernel,
            share: Share::default(),
            links: BTreeMap::new(),
            up_polls: None,
            part: None,
            mode: Mode::Standalone,
            judging: None,
            busy_until: now,
            elsewhere: BTreeMap::new(),
            other_sums: BTreeMap::new(),
            lost: 0,
            out,
        })
    }

    /// How virtual MAC addresses are received at a port, by its index; `None`: it has no interface.
    #[must_use]
    pub fn method(&self, port: usize) -> Option<Method> {
        self.macs.get(&port).map(VirtualMacs::method)
    }

    /// The indices of the ports that have interfaces.
    pub fn ports(&self) -> impl Iterator<Item = usize> {
        self.macs.keys().copied()
    }

    /// A reading of the ports' carriers, by the port's index.
    pub fn poll_links(
        &mut self,
        now: Time,
        recovery: u8,
        carriers: &[(usize, bool)],
        around: &mut Around<'_>,
    ) {
        let mut all = true;
        for &(port, up) in carriers {
            all &= up;
            if self.links.insert(port, up) == Some(up) {
                continue;
            }
            let ids = (0..).map(InterfaceId).zip(&self.plan.interfaces);
            let on: Vec<InterfaceId> = ids
                .filter(|(_, interface)| interface.port == port)
                .map(|(id, _)| id)
                .collect();
            for id in on {
                self.host.link(now, id, up, &mut self.out);
                let host = &self.host;
                let macs = |interface, ip| share::mac_of(host, interface, ip);
                self.routers.link(now, id, up, &macs);
            }
        }
        self.up_polls = match (all, self.up_polls) {
            (false, _) => Some(0),
            (true, Some(polls)) if polls < u32::from(recovery) => Some(polls + 1),
            (true, _) => None,
        };
        self.obey(now, around);
    }

    /// What the HA node is told, before it decides.
    #[must_use]
    pub fn seen(&self, now: Time, node: &Node) -> RoutersSeen {
        let last = node.peers().filter_map(|p| p.last().map(|l| l.at)).max();
        let interval = node.settings().interval;
        let up = self.links.values().filter(|up| **up).count();
        let leads = node.settings().mode == Mode::ActivePassive;
        RoutersSeen {
            interfaces_up: !leads || self.up_polls.is_none() || self.routers.iter().len() == 0,
            carried_by_another: leads
                && verdict::peer_shows_itself(now, last, interval, self.routers.heard()),
            links_up: u16::try_from(up).unwrap_or(u16::MAX),
        }
    }

    /// Whether the workers have adopted the gate that was set last.
    #[must_use]
    pub fn gate_adopted(&self) -> bool {
        self.gate_epoch
            .is_some_and(|epoch| self.gate.is_adopted(epoch))
    }

    /// What the workers do with what comes for virtual MAC addresses that are held: where there are
    /// no two gates to keep apart, it is carried or it is not.
    pub fn set_gate(&mut self, mode: ha::GateMode) {
        self.gate_mode = match mode {
            ha::GateMode::Block => GateMode::Block,
            _ => GateMode::Forward,
        };
        self.gate_epoch = Some(self.gate.set(self.gate_mode));
    }

    /// One turn before the node's: takes what came, fires what is due. Nothing of that when we carry
    /// the traffic and are not `leased` any more: we slept, the node has yet to hear of it, and an
    /// advert that was due meanwhile would take the role from the successor (rule 11).
    pub fn turn(&mut self, now: Time, leased: bool, around: &mut Around<'_>) {
        if !leased && self.part == Some(Part::Active) {
            return;
        }
        let ours = self.mode == Mode::ActivePassive && self.part == Some(Part::Active);
        let passive = ours && verdict::peers_say_passive(now, around.node);
        self.routers.peers_are_passive(passive);
        let mut any = self.take_punts(now, around);
        let (host, out) = (&mut self.host, &mut self.out);
        any |= self
            .kernel
            .read(|interface, frame| host.from_kernel(now, interface, frame, out));
        if any {
            self.busy_until = now + BUSY_FOR;
        }
        let watch = self.may_judge(now, around.workers);
        let host = &self.host;
        let macs = |interface, ip| share::mac_of(host, interface, ip);
        self.routers.tick(now, watch, &macs);
        if self.host.next_deadline(now).is_some_and(|next| next <= now) {
            self.host.tick(now, &mut self.out);
        }
        self.obey(now, around);
    }

    /// After the node's turn: the virtual routers follow what it has decided.
    pub fn follow(&mut self, now: Time, around: &mut Around<'_>) {
        let verdict = HaVerdict {
            mode: around.node.settings().mode,
            part: around.node.part(),
            fit: around.node.is_fit(),
        };
        let told = verdict::told(self.part, verdict);
        self.part = Some(verdict.part);
        self.mode = verdict.mode;
        let host = &self.host;
        let macs = |interface, ip| share::mac_of(host, interface, ip);
        self.routers.tell(now, told.standing, told.take_over, &macs);
        self.obey(now, around);
        self.watch_alarms(now, around.node);
        if verdict.mode == Mode::ActivePassive && verdict.part == Part::Active {
            for chunk in self.share.due(now, &self.host, &self.plan) {
                around.node.share_neighbours(chunk);
            }
        }
    }

    /// The ACTIVE has these neighbours.
    pub fn take_neighbours(&mut self, now: Time, chunk: &NeighbourChunk) {
        let named = |digest: fn(&plan::Interface) -> u32| {
            let mut ids = (0..).map(InterfaceId).zip(&self.plan.interfaces);
            ids.find(|(_, interface)| digest(interface) == chunk.interface)
                .map(|(id, _)| id)
        };
        let Some(id) = named(|interface| interface.digest) else {
            // Where the ACTIVE itself is found.
            if let Some(id) = named(|interface| plan::own_digest_of(&interface.name)) {
                let addresses = chunk.neighbours.iter().map(|&(ip, _)| ip);
                self.routers.peer_is_at(id, addresses);
            }
            return;
        };
        for &(ip, mac) in &chunk.neighbours {
            self.host
                .neighbour_heard(now, id, ip, mac.into(), &mut self.out);
        }
    }

    /// The process ends: whoever waits for our silence hears of it.
    pub fn shut_down(&mut self, now: Time, around: &mut Around<'_>) {
        let host = &self.host;
        let macs = |interface, ip| share::mac_of(host, interface, ip);
        self.routers.shut_down(now, &macs);
        self.obey(now, around);
    }

    /// What of a reload applies while it runs.
    pub fn reload(&mut self, now: Time, config: &twinline_config::Config, around: &mut Around<'_>) {
        let host = &self.host;
        let macs = |interface, ip| share::mac_of(host, interface, ip);
        for router in &config.virtual_routers {
            self.routers
                .adjust(now, &router.name, plan::live(router), &macs);
        }
        self.obey(now, around);
    }

    /// How long the loop may sleep at most.
    #[must_use]
    pub fn patience(&self, now: Time) -> Duration {
        if self.judging.is_some() || now < self.busy_until {
            return Duration::ZERO;
        }
        let next = [
            self.routers.next_deadline(now),
            self.host.next_deadline(now),
        ];
        let next = next.into_iter().flatten().min();
        next.map_or(Duration::MAX, |next| next.since(now))
    }

    /// Whether a Backup's timer may fire: what its interface received before it was due has to be
    /// handed in first, and the workers do the receiving. A worker that was kept from running is our
    /// own lateness, not the silence of others (rule 3).
    fn may_judge(&mut self, now: Time, workers: &[RunningWorker]) -> bool {
        if !self.routers.judges(now) {
            self.judging = None;
            return false;
        }
        let worker = workers.get(self.worker);
        let iterations = worker.map_or(0, |w| w.links.counters.iterations());
        let judging = *self.judging.get_or_insert(Judging {
            since: now,
            iterations,
        });
        let rounds = iterations.saturating_sub(judging.iterations);
        let over = rounds >= RECEIVE_ROUNDS || now.since(judging.since) >= RECEIVE_PATIENCE;
        if over {
            self.judging = None;
        }
        over
    }

    fn take_punts(&mut self, now: Time, around: &mut Around<'_>) -> bool {
        let Some(worker) = around.workers.get_mut(self.worker) else {
            return false;
        };
        let Some(links) = &mut worker.links.l3 else {
            return false;
        };
        let mut any = false;
        for _ in 0..PUNTS_A_TURN {
            let Ok(punt) = links.protocols.pop() else {
                break;
            };
            any = true;
            self.take(now, &punt);
        }
        for _ in 0..PUNTS_A_TURN {
            let Ok(punt) = links.exceptions.pop() else {
                break;
            };
            any = true;
            self.take(now, &punt);
        }
        any
    }

    fn take(&mut self, now: Time, punt: &Punt) {
        let on = InterfaceId(punt.interface);
        let (host, out) = (&mut self.host, &mut self.out);
        match punt.reason {
            PuntReason::Vrrp => {
                let host = &self.host;
                let macs = |interface, ip| share::mac_of(host, interface, ip);
                self.routers.advert(now, on, punt.mbuf.data(), &macs);
            }
            PuntReason::Arp | PuntReason::Neighbour | PuntReason::LinkScope | PuntReason::Local => {
                host.frame(now, on, punt.mbuf.data(), out)
            }
            PuntReason::TimeExceeded => {
                host.error(now, on, IcmpKind::TimeExceeded, punt.packet(), out);
            }
            PuntReason::NoRoute => host.error(now, on, IcmpKind::NoRoute, punt.packet(), out),
            PuntReason::TooBig { mtu, .. } | PuntReason::WouldFragment { mtu, .. } => {
                host.error(now, on, IcmpKind::TooBig { mtu }, punt.packet(), out);
            }
            PuntReason::Unresolved {
                adjacency,
                interface,
            } => {
                let Some(destination) = destination(punt.packet()) else {
                    return;
                };
                let next_hop = self.forwarding.next_hop(adjacency, destination);
                self.forward_slowly(now, (InterfaceId(interface), next_hop), punt.packet());
            }
            // Options are not looked at: the packet goes its way (RFC 7126 says what hosts may expect).
            PuntReason::Options => {
                let way = destination(punt.packet()).and_then(|to| self.forwarding.way_to(to));
                match way {
                    Some(way) => self.forward_slowly(now, way, punt.packet()),
                    None => host.error(now, on, IcmpKind::NoRoute, punt.packet(), out),
                }
            }
        }
    }

    /// A packet that a worker did not carry. It came while the gate was open, and its lease held.
    fn forward_slowly(&mut self, now: Time, way: (InterfaceId, IpAddr), packet: &[u8]) {
        let mut packet = packet.to_vec();
        let counted = match packet.first().map(|byte| byte >> 4) {
            Some(4) => decrement_ttl(&mut packet),
            Some(6) => decrement_hop_limit(&mut packet),
            _ => false,
        };
        if counted {
            self.host
                .unresolved(now, way.0, way.1, &packet, &mut self.out);
        }
    }

    /// Carries out what the routers and the host want, in order.
    fn obey(&mut self, now: Time, around: &mut Around<'_>) {
        let mut nowhere = 0;
        let links = around.workers.get_mut(self.worker);
        let injected = around.injected.get_mut(self.worker);
        let mut lost = std::mem::take(&mut self.lost);
        let mut outbox = Outbox {
            links: links.and_then(|w| w.links.l3.as_mut()),
            pool: around.pool,
            lost: &mut lost,
            injected: injected.unwrap_or(&mut nowhere),
        };
        self.obey_host(&mut outbox);
        for act in self.routers.take() {
            match act {
                Do::Send {
                    interface,
                    frame,
                    leased,
                } => {
                    if let Some(port) = self.plan.interface(interface).map(|i| i.port) {
                        outbox.send(port, &frame, leased);
                    }
                }
                Do::Resolve { interface, peer } => {
                    self.host.resolve(now, interface, peer, &mut self.out);
                }
                Do::Hold { router, held } => self.hold(now, router, held),
                Do::Announce { router, address } => {
                    if let Some(entry) = self.routers.get(router) {
                        let (interface, mac) = (entry.interface, entry.virtual_mac());
                        self.host.announce(interface, mac, address, &mut self.out);
                    }
                }
                Do::Event { router, event } => {
                    self.tell((now, around.unix_ms), router, event, around.node);
                }
            }
            self.obey_host(&mut outbox);
        }
        self.lost = lost;
    }

    fn obey_host(&mut self, outbox: &mut Outbox<'_>) {
        for output in std::mem::take(&mut self.out) {
            match output {
                Output::Send { interface, frame } => {
                    if let Some(port) = self.plan.interface(interface).map(|i| i.port) {
                        outbox.send(port, &frame, speaks_for_a_virtual_router(&frame));
                    }
                }
                Output::ToKernel { interface, frame } => self.kernel.write(interface, &frame),
                Output::Neighbour { interface, ip, mac } => {
                    self.forwarding
                        .neighbour(interface, ip, mac, &mut self.board);
                    self.share.changed(interface, ip, mac);
                }
                // Ports of layer 3 receive every group (see VirtualMacs::probe).
                Output::Join { .. } | Output::Leave { .. } => {}
                Output::Note(note) => log::warn!("{note}"),
            }
        }
    }

    /// A virtual MAC address is ours, or is not any more: the workers, the slow path, the port and
    /// the host's stack learn of it.
    fn hold(&mut self, now: Time, router: usize, held: bool) {
        let Some(entry) = self.routers.get(router) else {
            return;
        };
        let (interface, mac, family) = (entry.interface, entry.virtual_mac(), entry.family());
        let (settings, accepts) = (entry.router.settings(), entry.router.accepts_local());
        let addresses = &settings.addresses;
        let on = self.plan.interface(interface);
        let InterfaceId(number) = interface;
        let worker_family = match family {
            Family::V4 => WorkerFamily::V4,
            Family::V6 => WorkerFamily::V6,
        };
        let vrid = settings.vrid.get();
        let was = self.board.tables.held.is_held(number, worker_family, vrid);
        // The port first, so that nothing is announced that would not be received.
        if was != held
            && let Some(macs) = on.and_then(|on| self.macs.get_mut(&on.port))
        {
            macs.set(mac, held);
        }
        self.board
            .tables
            .held
            .set(number, worker_family, vrid, held);
        self.gate_epoch = Some(self.gate.set(self.gate_mode));
        self.host
            .virtual_addresses(now, interface, mac, addresses, held, accepts, &mut self.out);
        for &address in addresses {
            let own = on.is_some_and(|on| on.own.iter().any(|own| own.address() == address));
            if !own {
                self.kernel.set_address(interface, address, held && accepts);
            }
        }
    }

    fn tell(
        &self,
        (now, unix_ms): (Time, u64),
        router: usize,
        event: vrrp::Event,
        node: &mut Node,
    ) {
        let Some(entry) = self.routers.get(router) else {
            return;
        };
        match event {
            vrrp::Event::State { from, to, why } => {
                let subject = Subject::VirtualRouter {
                    name: entry.name.clone(),
                    from: from.name(),
                    to: to.name(),
                };
                node.record_router(now, unix_ms, subject, reason(why));
            }
            vrrp::Event::Noted { note, untold } => {
                let (name, more) = (&entry.name, untold);
                log::warn!(
                    "virtual router {name}: {}: {note:?} ({more} more)",
                    note.name()
                );
            }
        }
    }
}

/// Whether a frame of the slow path has a virtual MAC address as its source (RFC 9568, section 7.3):
/// then it is another's to send once the lease is over.
fn speaks_for_a_virtual_router(frame: &[u8]) -> bool {
    matches!(frame.get(6..11), Some([0, 0, 0x5e, 0, 1 | 2]))
}

/// Where a packet goes.
fn destination(packet: &[u8]) -> Option<IpAddr> {
    Some(match packet.first()? >> 4 {
        4 => IpAddr::from(*packet.get(16..)?.first_chunk::<4>()?),
        6 => IpAddr::from(*packet.get(24..)?.first_chunk::<16>()?),
        _ => return None,
    })
}

/// Why a virtual router changed its state, in the words of the event log.
fn reason(why: vrrp::Reason) -> ha::Reason {
    match why {
        vrrp::Reason::Started => ha::Reason::Started,
        vrrp::Reason::Stopped => ha::Reason::Stopped,
        vrrp::Reason::InterfaceUp => ha::Reason::CarrierBack,
        vrrp::Reason::InterfaceDown => ha::Reason::CarrierLost,
        vrrp::Reason::Eligible => ha::Reason::RouterEligible,
        vrrp::Reason::Resigned => ha::Reason::RouterResigned,
        vrrp::Reason::Silenced => ha::Reason::RouterSilenced,
        vrrp::Reason::NoActiveHeard => ha::Reason::NoActiveRouterHeard,
        vrrp::Reason::ActiveResigned => ha::Reason::ActiveRouterResigned,
        vrrp::Reason::Preempted => ha::Reason::RouterPreempted,
        vrrp::Reason::HigherPriority => ha::Reason::HigherPriorityHeard,
        vrrp::Reason::GreaterAddress => ha::Reason::GreaterAddressHeard,
        vrrp::Reason::OwnStall => ha::Reason::RouterStalled,
        vrrp::Reason::InstanceTookOver => ha::Reason::InstanceTookOver,
    }
}
