use arrayvec::ArrayVec;

use crate::bytes::{Reader, Writer};

/// Peers echoed in one heartbeat, at most.
pub const MAX_ECHOES: usize = 16;

/// Bytes of the body without echoes, the echo count included.
const FIXED_LEN: usize = 52;
/// Bytes of one echo.
const ECHO_LEN: usize = 36;
/// Bytes of the shortest body.
pub(crate) const MIN_LEN: usize = FIXED_LEN;
/// Bytes of the longest body.
pub(crate) const MAX_LEN: usize = FIXED_LEN + MAX_ECHOES * ECHO_LEN;

/// An instance's role, as it states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Role {
    /// Listening after start.
    Init = 0,
    /// Ready to take over.
    Passive = 1,
    /// Forwards.
    Active = 2,
    /// Too few link pairs.
    Down = 3,
    /// The card joins the cables.
    Bypass = 4,
    /// An operator took it out.
    Suspended = 5,
}

impl Role {
    /// All roles, in the order of their wire values.
    pub const ALL: [Role; 6] = [
        Role::Init,
        Role::Passive,
        Role::Active,
        Role::Down,
        Role::Bypass,
        Role::Suspended,
    ];

    fn from_wire(value: u8) -> Option<Role> {
        Role::ALL.get(usize::from(value)).copied()
    }
}

/// An instance's judgement of a peer's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Health {
    /// Not heard for long enough to say.
    Unknown = 0,
    /// Heard as it should be (rule 2).
    Healthy = 1,
    /// Not heard for a failure window (rule 1).
    Unhealthy = 2,
}

impl Health {
    /// All judgements, in the order of their wire values.
    pub const ALL: [Health; 3] = [Health::Unknown, Health::Healthy, Health::Unhealthy];

    fn from_wire(value: u8) -> Option<Health> {
        Health::ALL.get(usize::from(value)).copied()
    }
}

/// What an instance says of itself in single bits. Bits that we do not know are ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(u16);

impl Flags {
    /// None set.
    pub const NONE: Flags = Flags(0);
    /// Configured as the primary.
    pub const PRIMARY: Flags = Flags(1);
    /// Fit to be ACTIVE.
    pub const FIT: Flags = Flags(2);
    /// ACTIVE, and hands over: the peer is to take over now (rule 8).
    pub const HANDING_OVER: Flags = Flags(4);
    /// Not ACTIVE, and wants to be: a primary whose preemption delay has passed.
    pub const REQUEST_ACTIVE: Flags = Flags(8);
    /// Its gate forwards: every worker has adopted it.
    pub const GATE_OPEN: Flags = Flags(16);
    /// ACTIVE though unfit, since nobody is fitter (rule 10).
    pub const DEGRADED: Flags = Flags(32);
    /// The engine is about to exit.
    pub const STOPPING: Flags = Flags(64);
    /// Listening before anything else (rules 6, 11, 16).
    pub const LISTENING: Flags = Flags(128);
    /// Enough link pairs are up.
    pub const LINKS_OK: Flags = Flags(256);
    /// With [`Flags::REQUEST_ACTIVE`]: an operator asked for it.
    pub const OPERATOR: Flags = Flags(512);
    /// Handed over because of too little bandwidth, within its flap window (rule 21).
    pub const BANDWIDTH_FAILED: Flags = Flags(1024);

    /// Every bit that has a meaning.
    const KNOWN: u16 = 0x7ff;

    /// From the wire's bits; unknown ones are dropped.
    #[must_use]
    pub const fn from_bits(bits: u16) -> Flags {
        Flags(bits & Flags::KNOWN)
    }

    /// The wire's bits.
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Whether all bits of `other` are set.
    #[must_use]
    pub const fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// These flags, with those of `other` set or cleared.
    #[must_use]
    pub const fn with(self, other: Flags, on: bool) -> Flags {
        if on {
            Flags(self.0 | other.0)
        } else {
            Flags(self.0 & !other.0)
        }
    }
}

impl core::ops::BitOr for Flags {
    type Output = Flags;

    fn bitor(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

/// What the sender last heard from one peer: shows the peer a one-way path, and lets it measure
/// the round trip as `now - tx_time_ns - hold_ns`, on its own clock alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Echo {
    /// The peer's id.
    pub instance: u16,
    /// The peer's boot id.
    pub boot: u64,
    /// The sequence number of its last heartbeat that was taken.
    pub seq: u64,
    /// The time stamp of that heartbeat, as the peer wrote it.
    pub tx_time_ns: u64,
    /// For how long the sender had held that heartbeat when it sent this one, in nanoseconds.
    pub hold_ns: u64,
    /// What the sender thinks of the peer's health.
    pub health: Health,
    /// On which paths the sender hears the peer: bit 0 the HA port, bit 1 in-band (rule 12).
    pub paths: u8,
}

/// One heartbeat (rule 4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// The sender's role.
    pub role: Role,
    /// The sender's flags.
    pub flags: Flags,
    /// To whom a [`Flags::HANDING_OVER`] sender hands over; 0 = nobody.
    pub successor: u16,
    /// Takeover epoch: the sender's count of takeovers, for rule 9.
    pub epoch: u64,
    /// Why the sender is unfit, by the HA core's closed list; 0 when it is fit.
    pub unfit_reason: u8,
    /// Link pairs that are up.
    pub pairs_up: u16,
    /// Link pairs that are configured.
    pub pairs_total: u16,
    /// Measured bandwidth, both directions in sum, in bits per second.
    pub bandwidth_bps: u64,
    /// Flaps within the sender's window.
    pub flaps: u32,
    /// The sender's peer check interval in microseconds.
    pub interval_us: u32,
    /// The sender's failure threshold in intervals.
    pub failure_threshold: u8,
    /// Digest of the part of the sender's configuration that a stack has in common.
    pub config_digest: u64,
    /// When it was sent, in nanoseconds of the sender's own monotonic clock.
    pub tx_time_ns: u64,
    /// What the sender last heard from its peers.
    pub echoes: ArrayVec<Echo, MAX_ECHOES>,
}

impl Heartbeat {
    /// Bytes of the body.
    pub(crate) fn body_len(&self) -> usize {
        FIXED_LEN + self.echoes.len() * ECHO_LEN
    }

    pub(crate) fn write(&self, out: &mut Writer<'_>) {
        out.u8(self.role as u8);
        out.u16(self.flags.bits());
        out.u16(self.successor);
        out.u64(self.epoch);
        out.u8(self.unfit_reason);
        out.u16(self.pairs_up);
        out.u16(self.pairs_total);
        out.u64(self.bandwidth_bps);
        out.u32(self.flaps);
        out.u32(self.interval_us);
        out.u8(self.failure_threshold);
        out.u64(self.config_digest);
        out.u64(self.tx_time_ns);
        // At most 16, by the type.
        out.u8(self.echoes.len() as u8);
        for echo in &self.echoes {
            out.u16(echo.instance);
            out.u64(echo.boot);
            out.u64(echo.seq);
            out.u64(echo.tx_time_ns);
            out.u64(echo.hold_ns);
            out.u8(echo.health as u8);
            out.u8(echo.paths);
        }
    }

    /// Reads a body; `None` when a field is out of range or bytes are missing or left over.
    pub(crate) fn read(body: &[u8]) -> Option<Heartbeat> {
        let mut from = Reader::new(body);
        let mut heartbeat = Heartbeat {
            role: Role::from_wire(from.u8()?)?,
            flags: Flags::from_bits(from.u16()?),
            successor: from.u16()?,
            epoch: from.u64()?,
            unfit_reason: from.u8()?,
            pairs_up: from.u16()?,
            pairs_total: from.u16()?,
            bandwidth_bps: from.u64()?,
            flaps: from.u32()?,
            interval_us: from.u32()?,
            failure_threshold: from.u8()?,
            config_digest: from.u64()?,
            tx_time_ns: from.u64()?,
            echoes: ArrayVec::new(),
        };
        // An interval or threshold of 0 is no setting that an engine accepts, and would make
        // a failure window of no length of it.
        let in_range = heartbeat.pairs_up <= heartbeat.pairs_total
            && heartbeat.interval_us > 0
            && heartbeat.failure_threshold > 0;
        if !in_range {
            return None;
        }
        for _ in 0..from.u8()? {
            let echo = Echo {
                instance: from.u16()?,
                boot: from.u64()?,
                seq: from.u64()?,
                tx_time_ns: from.u64()?,
                hold_ns: from.u64()?,
                health: Health::from_wire(from.u8()?)?,
                paths: from.u8()?,
            };
            heartbeat.echoes.try_push(echo).ok()?;
        }
        from.is_empty().then_some(heartbeat)
    }
}
