//! Bytes as the life of a node: its settings, then one operation after the other.
//!
//! Every string of bytes is a script; what is missing at its end is 0. All numbers are big-endian,
//! so that the dictionary and libFuzzer's own arithmetic mean something in them.

use std::time::Duration;

use twinline_ha::message::{Body, Echo, Heartbeat, Message, Path, Paths};
use twinline_ha::{
    Flags, Health, Mode, OnMaxFlaps, Request, Role, SavedState, Settings, Side, Time, Topology,
    UnfitReason,
};

/// The id of the node that is judged.
pub const OWN_INSTANCE: u16 = 1;
/// Its boot id.
pub const OWN_BOOT: u64 = 70;
/// Operations of one script, at most.
pub const MAX_OPS: usize = 512;

/// Takes numbers from the front of the bytes.
#[derive(Clone, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// All of the bytes.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Nothing is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        let n = self.0.len().min(N);
        let (head, rest) = self.0.split_at(n);
        out[..n].copy_from_slice(head);
        self.0 = rest;
        out
    }

    fn u8(&mut self) -> u8 {
        u8::from_be_bytes(self.array())
    }

    fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.array())
    }

    fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.array())
    }

    fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.array())
    }
}

/// The settings' bytes: what a reload may change as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Knobs {
    /// 1 preempt, 2 propagate, 4 bandwidth monitor, 8 long flap window, 16 no preemption delay.
    pub bits: u8,
    /// The interval: see [`Knobs::interval`].
    pub interval: u8,
    /// Less one.
    pub failure_threshold: u8,
    /// Less one.
    pub recovery_threshold: u8,
    /// 0 = no limit.
    pub max_flaps: u8,
    /// 0 = off.
    pub minimum_links: u8,
}

impl Knobs {
    fn read(from: &mut Reader<'_>) -> Self {
        let [
            bits,
            interval,
            failure_threshold,
            recovery_threshold,
            max_flaps,
            minimum_links,
        ] = from.array();
        Self {
            bits,
            interval,
            failure_threshold,
            recovery_threshold,
            max_flaps,
            minimum_links,
        }
    }

    fn write(self, out: &mut Vec<u8>) {
        out.extend([
            self.bits,
            self.interval,
            self.failure_threshold,
            self.recovery_threshold,
            self.max_flaps,
            self.minimum_links,
        ]);
    }

    /// Within what `twinline-config` accepts: 1 ms to 60 s.
    fn interval(self) -> Duration {
        const MS: [u64; 8] = [100, 1, 2, 10, 50, 1000, 333, 60_000];
        Duration::from_millis(MS[usize::from(self.interval) % MS.len()])
    }
}

/// How a script starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// The lowest two: mode; 4 primary; 8 series; the others: on_max_flaps.
    pub bits: u8,
    /// 1 latched, 2 suspended, 4 died ACTIVE, 8 boot ids known, 16 a large epoch, 32 recent flaps.
    pub saved: u8,
    /// Link pairs, modulo 4.
    pub pairs: u8,
    /// The rest of the settings.
    pub knobs: Knobs,
}

impl Start {
    /// Reads one.
    #[must_use]
    pub fn read(from: &mut Reader<'_>) -> Self {
        let [bits, saved, pairs] = from.array();
        Self {
            bits,
            saved,
            pairs,
            knobs: Knobs::read(from),
        }
    }

    /// Writes it.
    pub fn write(self, out: &mut Vec<u8>) {
        out.extend([self.bits, self.saved, self.pairs]);
        self.knobs.write(out);
    }

    /// Link pairs.
    #[must_use]
    pub fn pairs(self) -> u16 {
        u16::from(self.pairs % 4)
    }

    /// The operator's settings, with these knobs: mode, topology and primary flag need a restart.
    #[must_use]
    pub fn settings(self, knobs: Knobs) -> Settings {
        let on = |bit: u8| knobs.bits & bit != 0;
        Settings {
            in_band: false,
            mode: match self.bits & 3 {
                0 | 1 => Mode::ActivePassive,
                2 => Mode::ActiveActive,
                _ => Mode::Standalone,
            },
            primary: self.bits & 4 != 0,
            topology: if self.bits & 8 == 0 {
                Topology::Parallel
            } else {
                Topology::Series
            },
            interval: knobs.interval(),
            failure_threshold: knobs.failure_threshold.saturating_add(1),
            recovery_threshold: knobs.recovery_threshold.saturating_add(1),
            max_flaps: u32::from(knobs.max_flaps),
            flap_window: Duration::from_secs(if on(8) { 86_400 } else { 1 }),
            on_max_flaps: match self.bits >> 4 & 3 {
                0 => None,
                1 => Some(OnMaxFlaps::Bypass),
                2 => Some(OnMaxFlaps::Disconnect),
                _ => Some(OnMaxFlaps::Tap),
            },
            kick_every: on(128).then(|| Duration::from_millis(500)),
            preempt: on(1),
            preempt_delay: Duration::from_secs(if on(16) { 0 } else { 60 }),
            links_interval: knobs.interval(),
            minimum_active_links: u16::from(knobs.minimum_links).min(self.pairs()),
            propagate: on(2),
            settle: Duration::from_secs(3),
            bandwidth_interval: Duration::from_secs(1),
            bandwidth_enabled: on(4),
            bandwidth_minimum_bps: 1024,
        }
    }

    /// What the state file held.
    #[must_use]
    pub fn saved(self, unix_ms: u64) -> SavedState {
        let on = |bit: u8| self.saved & bit != 0;
        SavedState {
            flaps_unix_ms: if on(32) {
                vec![unix_ms - 500, unix_ms + 7, 0]
            } else {
                Vec::new()
            },
            latched: on(1),
            suspended: on(2),
            active: on(4),
            epoch: if on(16) { u64::MAX } else { 0 },
            boots: if on(8) {
                [(2, 60), (3, u64::MAX)].into()
            } else {
                [].into()
            },
        }
    }
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Time passes by so many units, then the node steps. See [`wait`].
    Step(u16),
    /// A message as it stands.
    Hear(Message),
    /// The next heartbeat of a peer that counts as it should; but see [`Say`].
    Say(Say),
    /// Addresses of a peer that counts as it should.
    Share {
        /// Which peer.
        peer: u8,
        /// The pair; bit 7: on the WAN side.
        pair: u8,
        /// The first address.
        first: u16,
        /// Sixteenths of how many.
        many: u8,
    },
    /// A peer's last boot id with a sequence number of its past, or (bit 7) an older boot id.
    Replay {
        /// Which peer.
        peer: u8,
        /// How far back.
        back: u8,
    },
    /// A peer starts anew, with a boot id larger by this, or (bit 7) smaller.
    Restart {
        /// Which peer.
        peer: u8,
        /// By how much.
        by: u8,
    },
    /// An operator asks.
    Ask(u8),
    /// Carriers from now on: two bits for each pair.
    Links(u8),
    /// 1 HA port down, 2 gates not adopted, 4 workers hang, 8 clock goes back; the others:
    /// announcements that wait.
    Machine(u8),
    /// Addresses that the workers see.
    Learn {
        /// The pair; bit 7: on the WAN side.
        pair: u8,
        /// The first address.
        first: u16,
        /// Sixteenths of how many.
        many: u8,
    },
    /// Bytes counted, on the LAN side or (top bit) the WAN side.
    Bytes(u32),
    /// A message that the wire refused.
    Reject(u8),
    /// A reload.
    Reload(Knobs),
}

/// The next heartbeat of a peer that counts as it should.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Say {
    /// Which peer.
    pub peer: u8,
    /// The lowest two: messages lost before it; 4 it echoes us; 8 another digest; 16 unfit; 32 the
    /// echo is old; 64 it advertises a short window; 128 a long interval.
    pub how: u8,
    /// Its role.
    pub role: u8,
    /// Its flags.
    pub flags: u16,
    /// Its successor.
    pub successor: u8,
    /// Its epoch, above ours if bit 7 is set.
    pub epoch: u8,
}

/// How long [`Op::Step`] waits: multiples of 100 us up to 3.2 s, and with the top bit powers of two
/// of nanoseconds, up to 13 days.
#[must_use]
pub fn wait(units: u16) -> Duration {
    if units & 0x8000 == 0 {
        Duration::from_micros(u64::from(units) * 100)
    } else {
        Duration::from_nanos(1 << (units % 51))
    }
}

/// A role from a byte.
#[must_use]
pub const fn role(byte: u8) -> Role {
    match byte % 6 {
        0 => Role::Init,
        1 => Role::Passive,
        2 => Role::Active,
        3 => Role::Down,
        4 => Role::Bypass,
        _ => Role::Suspended,
    }
}

const fn role_byte(role: Role) -> u8 {
    match role {
        Role::Init => 0,
        Role::Passive => 1,
        Role::Active => 2,
        Role::Down => 3,
        Role::Bypass => 4,
        Role::Suspended => 5,
    }
}

/// A request from a byte.
#[must_use]
pub const fn request(byte: u8) -> Request {
    match byte % 6 {
        0 => Request::Switchover,
        1 => Request::Suspend { force: false },
        2 => Request::Suspend { force: true },
        3 => Request::Resume,
        4 => Request::Clear,
        _ => Request::Stop,
    }
}

/// The side that bit 7 says.
#[must_use]
pub const fn side(pair: u8) -> Side {
    if pair & 128 == 0 {
        Side::Lan
    } else {
        Side::Wan
    }
}

/// So many addresses from the first on.
pub fn addresses(first: u16, many: u8) -> impl Iterator<Item = [u8; 6]> {
    (0..u16::from(many) * 16).map(move |n| {
        let [high, low] = first.wrapping_add(n).to_be_bytes();
        [2, 0, 0, 0, high, low]
    })
}

impl Op {
    /// The next operation; `None` at the end of the bytes.
    #[must_use]
    pub fn read(from: &mut Reader<'_>) -> Option<Self> {
        if from.is_empty() {
            return None;
        }
        let op = match from.u8() % 16 {
            0..=2 => Self::Step(from.u16()),
            3 => Self::Hear(read_message(from)),
            4 | 5 => Self::Say(Say {
                peer: from.u8(),
                how: from.u8(),
                role: from.u8(),
                flags: from.u16(),
                successor: from.u8(),
                epoch: from.u8(),
            }),
            6 => Self::Share {
                peer: from.u8(),
                pair: from.u8(),
                first: from.u16(),
                many: from.u8(),
            },
            7 => Self::Replay {
                peer: from.u8(),
                back: from.u8(),
            },
            8 => Self::Restart {
                peer: from.u8(),
                by: from.u8(),
            },
            9 => Self::Ask(from.u8()),
            10 => Self::Links(from.u8()),
            11 => Self::Machine(from.u8()),
            12 => Self::Learn {
                pair: from.u8(),
                first: from.u16(),
                many: from.u8(),
            },
            13 => Self::Bytes(from.u32()),
            14 => Self::Reject(from.u8()),
            _ => Self::Reload(Knobs::read(from)),
        };
        Some(op)
    }

    /// Writes it.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Step(units) => {
                out.push(0);
                out.extend(units.to_be_bytes());
            }
            Self::Hear(message) => {
                out.push(3);
                write_message(message, out);
            }
            Self::Say(say) => {
                out.extend([4, say.peer, say.how, say.role]);
                out.extend(say.flags.to_be_bytes());
                out.extend([say.successor, say.epoch]);
            }
            Self::Share {
                peer,
                pair,
                first,
                many,
            } => {
                out.extend([6, *peer, *pair]);
                out.extend(first.to_be_bytes());
                out.push(*many);
            }
            Self::Replay { peer, back } => out.extend([7, *peer, *back]),
            Self::Restart { peer, by } => out.extend([8, *peer, *by]),
            Self::Ask(what) => out.extend([9, *what]),
            Self::Links(bits) => out.extend([10, *bits]),
            Self::Machine(bits) => out.extend([11, *bits]),
            Self::Learn { pair, first, many } => {
                out.extend([12, *pair]);
                out.extend(first.to_be_bytes());
                out.push(*many);
            }
            Self::Bytes(count) => {
                out.push(13);
                out.extend(count.to_be_bytes());
            }
            Self::Reject(what) => out.extend([14, *what]),
            Self::Reload(knobs) => {
                out.push(15);
                knobs.write(out);
            }
        }
    }
}

/// A heartbeat, with up to three echoes; any value that the fields' types can hold.
fn read_message(from: &mut Reader<'_>) -> Message {
    let (instance, boot, seq) = (from.u16(), from.u64(), from.u64());
    let (role_byte, echoes) = (from.u8(), from.u8() % 4);
    let heartbeat = Heartbeat {
        role: role(role_byte),
        unfit: match role_byte / 6 % 4 {
            0 => None,
            1 => Some(UnfitReason::LinksBelowMinimum),
            2 => Some(UnfitReason::WorkerStalled),
            _ => Some(UnfitReason::CardNotInline),
        },
        flags: Flags(from.u16()),
        successor: from.u16(),
        epoch: from.u64(),
        pairs_up: from.u16(),
        pairs_total: from.u16(),
        bandwidth_bps: from.u64(),
        flaps: from.u32(),
        interval: Duration::from_micros(from.u64()),
        failure_threshold: from.u8(),
        config_digest: from.u64(),
        tx_time: Time::from_nanos(from.u64().cast_signed()),
        echoes: (0..echoes)
            .map(|_| Echo {
                instance: from.u16(),
                boot: from.u64(),
                seq: from.u64(),
                tx_time: Time::from_nanos(from.u64().cast_signed()),
                hold: Duration::from_nanos(from.u64()),
                health: Health::Unknown,
                paths: Paths(3),
            })
            .collect(),
    };
    Message {
        instance,
        boot,
        seq,
        path: Path::HaPort,
        body: Body::Heartbeat(heartbeat),
    }
}

/// Heartbeats only: addresses have [`Op::Share`].
fn write_message(message: &Message, out: &mut Vec<u8>) {
    out.extend(message.instance.to_be_bytes());
    out.extend(message.boot.to_be_bytes());
    out.extend(message.seq.to_be_bytes());
    let Body::Heartbeat(said) = &message.body else {
        return;
    };
    let unfit = match said.unfit {
        None => 0,
        Some(UnfitReason::LinksBelowMinimum) => 6,
        Some(UnfitReason::WorkerStalled) => 12,
        // The scripts have no interfaces: what stands for a reason beyond the first three.
        Some(UnfitReason::CardNotInline | UnfitReason::InterfaceDown) => 18,
    };
    let echoes = said.echoes.len().min(3);
    out.push(role_byte(said.role) + unfit);
    out.push(u8::try_from(echoes).unwrap_or(0));
    out.extend(said.flags.0.to_be_bytes());
    out.extend(said.successor.to_be_bytes());
    out.extend(said.epoch.to_be_bytes());
    out.extend(said.pairs_up.to_be_bytes());
    out.extend(said.pairs_total.to_be_bytes());
    out.extend(said.bandwidth_bps.to_be_bytes());
    out.extend(said.flaps.to_be_bytes());
    let micros = u64::try_from(said.interval.as_micros()).unwrap_or(u64::MAX);
    out.extend(micros.to_be_bytes());
    out.push(said.failure_threshold);
    out.extend(said.config_digest.to_be_bytes());
    out.extend(said.tx_time.as_nanos().to_be_bytes());
    for echo in said.echoes.iter().take(echoes) {
        out.extend(echo.instance.to_be_bytes());
        out.extend(echo.boot.to_be_bytes());
        out.extend(echo.seq.to_be_bytes());
        out.extend(echo.tx_time.as_nanos().to_be_bytes());
        let hold = u64::try_from(echo.hold.as_nanos()).unwrap_or(u64::MAX);
        out.extend(hold.to_be_bytes());
    }
}
