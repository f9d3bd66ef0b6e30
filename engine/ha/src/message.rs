//! What instances tell each other (rule 4), as the decisions see it. The bytes are `twinline-wire`'s.

use std::fmt;
use std::net::IpAddr;
use std::ops::{BitOr, BitOrAssign};
use std::time::Duration;

use twinline_time::Time;

/// The role shown to operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Started, listening, nothing decided.
    Init,
    /// Fit, and leaving the traffic to a peer.
    Passive,
    /// Carrying the traffic.
    Active,
    /// Not fit to carry the traffic.
    Down,
    /// Latched in the card's own path until an operator clears it.
    Bypass,
    /// Out of the election: an operator's wish, or latched.
    Suspended,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Init => "INIT",
            Self::Passive => "PASSIVE",
            Self::Active => "ACTIVE",
            Self::Down => "DOWN",
            Self::Bypass => "BYPASS",
            Self::Suspended => "SUSPENDED",
        })
    }
}

/// What we think of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Health {
    /// Not enough heard, nor missed, to say.
    Unknown,
    /// `recovery_threshold` heartbeats in sequence, and no failure since.
    Healthy,
    /// `failure_threshold` slots without a heartbeat, or it said goodbye.
    Unhealthy,
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unknown => "UNKNOWN",
            Self::Healthy => "HEALTHY",
            Self::Unhealthy => "UNHEALTHY",
        })
    }
}

/// One of the two ports of a link pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// The protected side.
    Lan,
    /// The outer side.
    Wan,
}

impl Side {
    /// The port at the other end of the wire.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Lan => Self::Wan,
            Self::Wan => Self::Lan,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Lan => "LAN",
            Self::Wan => "WAN",
        })
    }
}

/// Why an instance is not fit (rule 18).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnfitReason {
    /// Fewer link pairs up than `ha.links.minimum_active`.
    LinksBelowMinimum,
    /// A worker has not come round its loop for a second or longer.
    WorkerStalled,
    /// A bypass card is known not to be inline.
    CardNotInline,
    /// An interface with a virtual router passes no frames.
    InterfaceDown,
}

impl fmt::Display for UnfitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::LinksBelowMinimum => "fewer link pairs up than the minimum",
            Self::WorkerStalled => "a worker makes no progress",
            Self::CardNotInline => "a bypass card is not inline",
            Self::InterfaceDown => "an interface with a virtual router is down",
        })
    }
}

/// The yes-or-no part of a heartbeat. The bit values are those on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u16);

impl Flags {
    /// Configured as primary.
    pub const PRIMARY: Self = Self(1);
    /// Fit to carry the traffic.
    pub const FIT: Self = Self(2);
    /// ACTIVE, and handing over to [`Heartbeat::successor`].
    pub const HANDING_OVER: Self = Self(4);
    /// Asks the ACTIVE peer to hand over (preemption, or an operator with [`Self::OPERATOR`]).
    pub const REQUEST_ACTIVE: Self = Self(8);
    /// Some gate is open, or not yet known to be closed.
    pub const GATE_OPEN: Self = Self(16);
    /// ACTIVE although not fit (rule 10).
    pub const DEGRADED: Self = Self(32);
    /// The last heartbeat of an orderly exit.
    pub const STOPPING: Self = Self(64);
    /// Not eligible yet: listening for a failure window.
    pub const LISTENING: Self = Self(128);
    /// With [`Self::REQUEST_ACTIVE`]: an operator asked.
    pub const OPERATOR: Self = Self(512);
    /// Handed over because of too little bandwidth within its flap window (rule 21).
    pub const BANDWIDTH_FAILED: Self = Self(1024);

    /// Whether every bit of `other` is set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// `self` with `other` set when `on`.
    #[must_use]
    pub const fn with(self, other: Self, on: bool) -> Self {
        if on { Self(self.0 | other.0) } else { self }
    }
}

impl BitOr for Flags {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// A way that heartbeats take (rule 12). The values are those on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Path {
    /// The HA ports and what lies between them.
    HaPort = 0,
    /// The data ports.
    InBand = 1,
}

impl Path {
    /// Every path, in the order of its value.
    pub const ALL: [Self; 2] = [Self::HaPort, Self::InBand];

    /// Its place in an array of paths.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::HaPort => "HA",
            Self::InBand => "in-band",
        })
    }
}

/// A set of paths. The bit values are those on the wire: `1 << path`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Paths(pub u8);

impl Paths {
    /// Whether `path` is one of them.
    #[must_use]
    pub const fn has(self, path: Path) -> bool {
        self.0 & (1 << path as u8) != 0
    }

    /// These, and `path` when `on`.
    #[must_use]
    pub const fn with(self, path: Path, on: bool) -> Self {
        if on {
            Self(self.0 | 1 << path as u8)
        } else {
            self
        }
    }
}

/// What a sender last heard from one instance: it shows one-way paths and measures round trips.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echo {
    /// Whose heartbeat this echoes.
    pub instance: u16,
    /// That heartbeat's boot id.
    pub boot: u64,
    /// That heartbeat's sequence number.
    pub seq: u64,
    /// That heartbeat's own time stamp, on its sender's clock.
    pub tx_time: Time,
    /// How long the echoing side held it.
    pub hold: Duration,
    /// What the echoing side thinks of that instance.
    pub health: Health,
    /// On which paths the echoing side hears that instance (rule 12).
    pub paths: Paths,
}

/// The most echoes in one heartbeat, so the most peers of a stack.
pub const MAX_PEERS: usize = 16;

/// One heartbeat (rule 4). Boot id and sequence are in [`Message`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// The sender's role.
    pub role: Role,
    /// The sender's flags.
    pub flags: Flags,
    /// To whom the sender hands over; 0 = nobody.
    pub successor: u16,
    /// Counts takeovers in the stack; the larger one is the more recent.
    pub epoch: u64,
    /// Why the sender is not fit.
    pub unfit: Option<UnfitReason>,
    /// Link pairs up.
    pub pairs_up: u16,
    /// Link pairs configured.
    pub pairs_total: u16,
    /// Measured bandwidth, both directions in sum.
    pub bandwidth_bps: u64,
    /// Flaps within the sender's window.
    pub flaps: u32,
    /// The sender's interval.
    pub interval: Duration,
    /// The sender's failure threshold: the ACTIVE bounds its lease by the impatience of its peer.
    pub failure_threshold: u8,
    /// Digest of what must agree within the stack.
    pub config_digest: u64,
    /// The sender's clock when it was built.
    pub tx_time: Time,
    /// What the sender last heard, per instance; at most [`MAX_PEERS`].
    pub echoes: Vec<Echo>,
}

/// A share of the ACTIVE's table of source addresses (rule 8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MacChunk {
    /// Index of the link pair.
    pub pair: u16,
    /// On which side these addresses live.
    pub side: Side,
    /// The addresses.
    pub macs: Vec<[u8; 6]>,
}

/// A share of the ACTIVE's table of neighbours: what it forwards to, at layer 3, so that a new
/// ACTIVE need not ask for anybody's MAC address first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeighbourChunk {
    /// Names the interface: a digest of its name in the configuration.
    pub interface: u32,
    /// The neighbours.
    pub neighbours: Vec<(IpAddr, [u8; 6])>,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A heartbeat.
    Heartbeat(Heartbeat),
    /// A share of the address table.
    Macs(MacChunk),
    /// A share of the table of neighbours.
    Neighbours(NeighbourChunk),
}

/// An authenticated message of another instance of our stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who sent it.
    pub instance: u16,
    /// The sender's boot id.
    pub boot: u64,
    /// The sender's sequence number, counted over all its messages.
    pub seq: u64,
    /// By which path it came. What is sent on both paths has one sequence number.
    pub path: Path,
    /// What it says.
    pub body: Body,
}
