//! The host: neighbours, answers, errors.

mod addresses;
mod arp;
mod bucket;
mod icmp;
mod input;
mod kernel;
mod ndp;
mod neighbours;
mod own;
mod send;
mod table;

use std::net::IpAddr;
use std::time::Duration;

use twinline_wire::Mac;

use crate::config::{ConfigError, HostConfig, Limits, Route};
use crate::counters::{Counters, DropCause};
use crate::output::{Note, Output};
use crate::{InterfaceId, Time};

use addresses::{Interface, Stage, Virtual};
use bucket::Bucket;
use table::{Entry, Pending, Table};

/// Between two notes of one kind.
const NOTE_EVERY: Duration = Duration::from_secs(10);

/// Why a packet that came to be forwarded is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IcmpKind {
    /// TTL or hop limit ran out.
    TimeExceeded,
    /// There is no route.
    NoRoute,
    /// The next hop does not answer.
    HostUnreachable,
    /// Bigger than the MTU of the way out. For an IPv4 packet that may be fragmented, no error is
    /// sent: it is counted ([`crate::DropCause::NotFragmented`]).
    TooBig {
        /// Bytes of the largest packet that fits.
        mtu: u16,
    },
}

/// How well a neighbour is known (RFC 4861, section 7.3.2; the same for IPv4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NeighbourState {
    /// It is asked for its MAC address.
    Incomplete,
    /// It answered lately.
    Reachable,
    /// It did not lately, but its MAC address is known, and used.
    Stale,
    /// The same, and soon it is asked.
    Delay,
    /// It is asked whether it is still there.
    Probe,
}

impl NeighbourState {
    /// A stable name for machines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Incomplete => "incomplete",
            Self::Reachable => "reachable",
            Self::Stale => "stale",
            Self::Delay => "delay",
            Self::Probe => "probe",
        }
    }
}

/// A neighbour, as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Where it is.
    pub interface: InterfaceId,
    /// Its address.
    pub ip: IpAddr,
    /// Its MAC address, unless [`NeighbourState::Incomplete`].
    pub mac: Option<Mac>,
    /// How well it is known.
    pub state: NeighbourState,
    /// Since when it is in this state.
    pub since: Time,
    /// When it was last known to be there; `None` when it never was.
    pub confirmed: Option<Time>,
}

/// The slow path of all layer 3 interfaces. See [`crate`].
#[derive(Clone, Debug)]
pub struct Host {
    interfaces: Vec<Interface>,
    routes: Vec<Route>,
    forwarding: bool,
    limits: Limits,
    table: Table,
    echo: Bucket,
    errors: Bucket,
    /// The latest time that was seen: a clock that goes back stands still here.
    clock: Time,
    /// When the next share of neighbours' timers is served.
    resume_at: Option<Time>,
    /// When each kind of note was given last.
    noted: [Option<Time>; 3],
    counters: Counters,
}

impl Host {
    /// A host whose interfaces have no link yet: [`Host::link`] says when they have.
    ///
    /// # Errors
    /// When the configuration is not one.
    pub fn new(config: HostConfig) -> Result<Host, ConfigError> {
        config.check()?;
        let HostConfig {
            interfaces,
            routes,
            forwarding,
            limits,
        } = config;
        Ok(Host {
            interfaces: interfaces.into_iter().map(Interface::new).collect(),
            routes,
            forwarding,
            limits,
            table: Table::default(),
            echo: Bucket::new(limits.icmp_per_second),
            errors: Bucket::new(limits.icmp_per_second),
            clock: Time::from_nanos(i64::MIN),
            resume_at: None,
            noted: [None; 3],
            counters: Counters::default(),
        })
    }

    /// The groups that must be received from the start, and what else is to be done once.
    pub fn start(&mut self, now: Time, out: &mut Vec<Output>) {
        self.at(now);
        for id in self.interface_ids() {
            self.join_own(id, out);
        }
    }

    /// An interface got or lost its link. With a link, own addresses are probed and announced; without
    /// one, its neighbours are forgotten but for their MAC addresses, and nothing is sent.
    pub fn link(&mut self, now: Time, interface: InterfaceId, up: bool, out: &mut Vec<Output>) {
        let now = self.at(now);
        let Some(known) = self.interface_mut(interface) else {
            return;
        };
        if std::mem::replace(&mut known.up, up) == up {
            return;
        }
        if !up {
            for own in &mut known.own {
                own.stage = Stage::Down;
            }
            let keys = self.table.keys_where(|key, _| key.0 == interface);
            for key in keys {
                if self
                    .table
                    .get(&key)
                    .is_some_and(|entry| entry.mac.is_none())
                {
                    self.forget(key, out);
                } else {
                    self.table
                        .change(&key, |entry| entry.enter(NeighbourState::Stale, now, None));
                }
            }
            return;
        }
        self.start_own(now, interface);
        for key in self.table.keys_where(|key, _| key.0 == interface) {
            self.table.change(&key, |entry| entry.due = Some(now));
        }
        self.tick_own(now, out);
        let hops = self.routes.iter().filter(|r| r.interface == interface);
        let hops: Vec<IpAddr> = hops.map(|route| route.via).collect();
        for hop in hops {
            self.resolve(now, interface, hop, out);
        }
    }

    /// A frame that the fast path punted, already demultiplexed to its interface, its VLAN tag still
    /// in it. VRRP adverts do not come here.
    pub fn frame(
        &mut self,
        now: Time,
        interface: InterfaceId,
        frame: &[u8],
        out: &mut Vec<Output>,
    ) {
        let now = self.at(now);
        self.counters.frames = self.counters.frames.saturating_add(1);
        if let Err(cause) = self.input(now, interface, frame, out) {
            self.drop(cause);
        }
    }

    /// A packet to be forwarded, for whose next hop the fast path has no MAC address. `packet` starts
    /// with its IP header, TTL already decremented; `interface` is the way out.
    pub fn unresolved(
        &mut self,
        now: Time,
        interface: InterfaceId,
        next_hop: IpAddr,
        packet: &[u8],
        out: &mut Vec<Output>,
    ) {
        let now = self.at(now);
        let Some((source, _, length)) = send::endpoints(packet) else {
            return self.drop(DropCause::BadIpHeader);
        };
        if source.is_ipv4() != next_hop.is_ipv4() {
            return self.drop(DropCause::BadNextHop);
        }
        let pending = Pending {
            packet: packet.get(..length).unwrap_or_default().to_vec(),
            forwarded: true,
        };
        self.send_via(now, (interface, next_hop), pending, out);
    }

    /// Looks for a next hop ahead of the first packet: those of routes.
    pub fn resolve(
        &mut self,
        now: Time,
        interface: InterfaceId,
        next_hop: IpAddr,
        out: &mut Vec<Output>,
    ) {
        let now = self.at(now);
        let Some(known) = self.interface(interface) else {
            return self.drop(DropCause::NoInterface);
        };
        if !known.up {
            return self.drop(DropCause::NoLink);
        }
        if !known.on_link(next_hop) {
            return self.drop(DropCause::BadNextHop);
        }
        self.ask_first(now, (interface, next_hop), out);
    }

    /// A packet that cannot be forwarded. `packet` starts with its IP header, as it was received on
    /// `interface`.
    pub fn error(
        &mut self,
        now: Time,
        interface: InterfaceId,
        kind: IcmpKind,
        packet: &[u8],
        out: &mut Vec<Output>,
    ) {
        let now = self.at(now);
        if self.interface(interface).is_none() {
            return self.drop(DropCause::NoInterface);
        }
        self.send_error(now, Some(interface), kind.into(), packet, out);
    }

    /// A frame that the host's stack sent into the exception device, untagged.
    pub fn from_kernel(
        &mut self,
        now: Time,
        interface: InterfaceId,
        frame: &[u8],
        out: &mut Vec<Output>,
    ) {
        self.at(now);
        if let Err(cause) = self.kernel_frame(interface, frame, out) {
            self.drop(cause);
        }
    }

    /// A virtual router's addresses, and whether they are held now. Called at start for each virtual
    /// router (with `held = false`), and at each change. `accept` is accept mode, or ownership.
    #[allow(clippy::too_many_arguments)] // all of one fact
    pub fn virtual_addresses(
        &mut self,
        now: Time,
        interface: InterfaceId,
        vmac: Mac,
        addresses: &[IpAddr],
        held: bool,
        accept: bool,
        out: &mut Vec<Output>,
    ) {
        self.at(now);
        let wanted = Virtual {
            vmac,
            addresses: addresses.to_vec(),
            held,
            accept,
        };
        self.set_virtual(interface, wanted, out);
    }

    /// Announces a virtual address: gratuitous ARP, or an unsolicited neighbour advertisement with R
    /// = 1, S = 0, O = 1 (RFC 9568, section 6.4.2). Not when it is not held (item 37).
    pub fn announce(
        &mut self,
        interface: InterfaceId,
        vmac: Mac,
        address: IpAddr,
        out: &mut Vec<Output>,
    ) {
        self.announce_virtual(interface, vmac, address, out);
    }

    /// A neighbour that the peer instance knows: usable at once, to be probed soon. What is known
    /// here better is left alone.
    pub fn neighbour_heard(
        &mut self,
        now: Time,
        interface: InterfaceId,
        ip: IpAddr,
        mac: Mac,
        out: &mut Vec<Output>,
    ) {
        let now = self.at(now);
        let key = (interface, ip);
        let Some(known) = self.interface(interface) else {
            return self.drop(DropCause::NoInterface);
        };
        if !known.on_link(ip) || mac.is_group() || mac.is_zero() || known.has_mac(mac) {
            return self.drop(DropCause::BadNextHop);
        }
        let due = known.up.then_some(now);
        match self.table.get(&key).map(|entry| (entry.mac, entry.state)) {
            None if self.table.len() >= self.limits.neighbours => {
                self.note(now, Note::TableFull { interface, ip }, out);
                return self.drop(DropCause::TableFull);
            }
            // What was confirmed here is fresher than what the peer says.
            Some((Some(_), NeighbourState::Reachable)) => return,
            Some((Some(same), _)) if same == mac => return,
            _ => {}
        }
        self.counters.synchronised = self.counters.synchronised.saturating_add(1);
        let waiting = self.table.remove(&key).map(|entry| entry.pending);
        let entry = Entry {
            mac: Some(mac),
            state: NeighbourState::Stale,
            since: now,
            confirmed: None,
            due,
            tries: 0,
            pending: waiting.unwrap_or_default(),
        };
        self.table.put(key, entry);
        out.push(Output::Neighbour {
            interface,
            ip,
            mac: Some(mac),
        });
        self.flush(key, mac, out);
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Time, out: &mut Vec<Output>) {
        let now = self.at(now);
        self.tick_own(now, out);
        self.tick_neighbours(now, out);
    }

    /// When to come back with [`Host::tick`], not before `now`; after a tick it is later. `None` while only an input can change
    /// anything.
    pub fn next_deadline(&self, now: Time) -> Option<Time> {
        let own = self.interfaces.iter().flat_map(|i| &i.own);
        let own = own.filter_map(addresses::Own::due).min();
        let neighbours = self.table.next_due();
        let neighbours = neighbours.map(|due| self.resume_at.map_or(due, |at| due.max(at)));
        let next = own.into_iter().chain(neighbours).min()?;
        Some(next.max(now))
    }

    /// Everybody who is known, by interface and address.
    pub fn neighbours(&self) -> impl Iterator<Item = Neighbour> + '_ {
        self.table.iter().map(|((interface, ip), entry)| Neighbour {
            interface: *interface,
            ip: *ip,
            mac: entry.mac,
            state: entry.state,
            since: entry.since,
            confirmed: entry.confirmed,
        })
    }

    /// What was done so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Moves the clock on; never back.
    fn at(&mut self, now: Time) -> Time {
        self.clock = self.clock.max(now);
        self.clock
    }

    fn interface(&self, id: InterfaceId) -> Option<&Interface> {
        self.interfaces.get(usize::from(id.0))
    }

    fn interface_mut(&mut self, id: InterfaceId) -> Option<&mut Interface> {
        self.interfaces.get_mut(usize::from(id.0))
    }

    fn interface_ids(&self) -> impl Iterator<Item = InterfaceId> + use<> {
        let count = u16::try_from(self.interfaces.len()).unwrap_or(u16::MAX);
        (0..count).map(InterfaceId)
    }

    fn interfaces_by_id(&self) -> impl Iterator<Item = (InterfaceId, &Interface)> {
        self.interface_ids().zip(&self.interfaces)
    }

    fn drop(&mut self, cause: DropCause) {
        self.counters.drops.count(cause);
    }

    fn note(&mut self, now: Time, note: Note, out: &mut Vec<Output>) {
        let kind = match note {
            Note::DuplicateAddress { .. } => 0,
            Note::Conflict { .. } => 1,
            Note::TableFull { .. } => 2,
        };
        if let Some(noted) = self.noted.get_mut(kind)
            && noted.is_none_or(|at| now.since(at) >= NOTE_EVERY)
        {
            *noted = Some(now);
            out.push(Output::Note(note));
        }
    }
}
