//! The host: neighbours, answers, errors.

use std::net::IpAddr;

use twinline_wire::Mac;

use crate::config::{ConfigError, HostConfig};
use crate::counters::Counters;
use crate::output::Output;
use crate::{InterfaceId, Time};

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
    counters: Counters,
}

#[allow(clippy::too_many_arguments)] // of virtual_addresses
impl Host {
    /// A host whose interfaces have no link yet: [`Host::link`] says when they have.
    ///
    /// # Errors
    /// When the configuration is not one.
    pub fn new(config: HostConfig) -> Result<Host, ConfigError> {
        config.check()?;
        Ok(Host {
            counters: Counters::default(),
        })
    }

    /// The groups that must be received from the start, and what else is to be done once.
    pub fn start(&mut self, now: Time, out: &mut Vec<Output>) {
        let _ = (now, out);
    }

    /// An interface got or lost its link. With a link, own addresses are probed and announced; without
    /// one, its neighbours are forgotten but for their MAC addresses, and nothing is sent.
    pub fn link(&mut self, now: Time, interface: InterfaceId, up: bool, out: &mut Vec<Output>) {
        let _ = (now, interface, up, out);
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
        let _ = (now, interface, frame, out);
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
        let _ = (now, interface, next_hop, packet, out);
    }

    /// Looks for a next hop ahead of the first packet: those of routes.
    pub fn resolve(
        &mut self,
        now: Time,
        interface: InterfaceId,
        next_hop: IpAddr,
        out: &mut Vec<Output>,
    ) {
        let _ = (now, interface, next_hop, out);
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
        let _ = (now, interface, kind, packet, out);
    }

    /// A frame that the host's stack sent into the exception device, untagged.
    pub fn from_kernel(
        &mut self,
        now: Time,
        interface: InterfaceId,
        frame: &[u8],
        out: &mut Vec<Output>,
    ) {
        let _ = (now, interface, frame, out);
    }

    /// A virtual router's addresses, and whether they are held now. Called at start for each virtual
    /// router (with `held = false`), and at each change. `accept` is accept mode, or ownership.
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
        let _ = (now, interface, vmac, addresses, held, accept, out);
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
        let _ = (interface, vmac, address, out);
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
        let _ = (now, interface, ip, mac, out);
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Time, out: &mut Vec<Output>) {
        let _ = (now, out);
    }

    /// When to come back with [`Host::tick`], after `now`; `None` while only an input can change
    /// anything.
    pub fn next_deadline(&self, now: Time) -> Option<Time> {
        let _ = now;
        None
    }

    /// Everybody who is known, by interface and address.
    pub fn neighbours(&self) -> impl Iterator<Item = Neighbour> + '_ {
        std::iter::empty()
    }

    /// What was done so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}
