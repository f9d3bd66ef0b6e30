//! Between the decisions' words (`twinline-ha`), the wire's and the data path's.
//!
//! Each of the three crates has types of its own, so that the decisions know no bytes and the
//! codec knows no decisions. This is the only place that knows both.

use std::time::Duration;

use arrayvec::ArrayVec;
use twinline_bypass as bypass;
use twinline_config as config;
use twinline_dataplane as dataplane;
use twinline_ha as ha;
use twinline_ha::message::{Body, Echo};
use twinline_wire as wire;
use twinline_wire::heartbeat as frame;

/// A side, for the data path and the wire.
#[must_use]
pub fn side_out(side: ha::Side) -> wire::Side {
    match side {
        ha::Side::Lan => wire::Side::Lan,
        ha::Side::Wan => wire::Side::Wan,
    }
}

/// A side, for the decisions.
#[must_use]
pub fn side_in(side: wire::Side) -> ha::Side {
    match side {
        wire::Side::Lan => ha::Side::Lan,
        wire::Side::Wan => ha::Side::Wan,
    }
}

/// A card's path, for the decisions.
#[must_use]
pub fn path_in(path: bypass::Path) -> ha::CardCommand {
    match path {
        bypass::Path::Inline => ha::CardCommand::Inline,
        bypass::Path::Bypass => ha::CardCommand::Bypass,
        bypass::Path::Disconnect => ha::CardCommand::Disconnect,
        bypass::Path::Tap => ha::CardCommand::Tap,
    }
}

/// A card's path, for the card.
#[must_use]
pub fn path_out(path: ha::CardCommand) -> bypass::Path {
    match path {
        ha::CardCommand::Inline => bypass::Path::Inline,
        ha::CardCommand::Bypass => bypass::Path::Bypass,
        ha::CardCommand::Disconnect => bypass::Path::Disconnect,
        ha::CardCommand::Tap => bypass::Path::Tap,
    }
}

/// A gate mode, for the workers.
#[must_use]
pub fn gate_mode(mode: ha::GateMode) -> dataplane::GateMode {
    match mode {
        ha::GateMode::Block => dataplane::GateMode::Block,
        ha::GateMode::Forward => dataplane::GateMode::Forward,
        ha::GateMode::HandingOver => dataplane::GateMode::HandingOver,
        ha::GateMode::TakingOver => dataplane::GateMode::TakingOver,
        ha::GateMode::Wire => dataplane::GateMode::Wire,
    }
}

fn role_out(role: ha::Role) -> frame::Role {
    match role {
        ha::Role::Init => frame::Role::Init,
        ha::Role::Passive => frame::Role::Passive,
        ha::Role::Active => frame::Role::Active,
        ha::Role::Down => frame::Role::Down,
        ha::Role::Bypass => frame::Role::Bypass,
        ha::Role::Suspended => frame::Role::Suspended,
    }
}

fn role_in(role: frame::Role) -> ha::Role {
    match role {
        frame::Role::Init => ha::Role::Init,
        frame::Role::Passive => ha::Role::Passive,
        frame::Role::Active => ha::Role::Active,
        frame::Role::Down => ha::Role::Down,
        frame::Role::Bypass => ha::Role::Bypass,
        frame::Role::Suspended => ha::Role::Suspended,
    }
}

fn health_out(health: ha::Health) -> frame::Health {
    match health {
        ha::Health::Unknown => frame::Health::Unknown,
        ha::Health::Healthy => frame::Health::Healthy,
        ha::Health::Unhealthy => frame::Health::Unhealthy,
    }
}

fn health_in(health: frame::Health) -> ha::Health {
    match health {
        frame::Health::Unknown => ha::Health::Unknown,
        frame::Health::Healthy => ha::Health::Healthy,
        frame::Health::Unhealthy => ha::Health::Unhealthy,
    }
}

/// Which bit is which: the decisions' flags and the wire's.
const FLAGS: [(ha::Flags, frame::Flags); 10] = [
    (ha::Flags::BANDWIDTH_FAILED, frame::Flags::BANDWIDTH_FAILED),
    (ha::Flags::PRIMARY, frame::Flags::PRIMARY),
    (ha::Flags::FIT, frame::Flags::FIT),
    (ha::Flags::HANDING_OVER, frame::Flags::HANDING_OVER),
    (ha::Flags::REQUEST_ACTIVE, frame::Flags::REQUEST_ACTIVE),
    (ha::Flags::GATE_OPEN, frame::Flags::GATE_OPEN),
    (ha::Flags::DEGRADED, frame::Flags::DEGRADED),
    (ha::Flags::STOPPING, frame::Flags::STOPPING),
    (ha::Flags::LISTENING, frame::Flags::LISTENING),
    (ha::Flags::OPERATOR, frame::Flags::OPERATOR),
];

fn unfit_out(unfit: Option<ha::UnfitReason>) -> u8 {
    match unfit {
        None => 0,
        Some(ha::UnfitReason::LinksBelowMinimum) => 1,
        Some(ha::UnfitReason::WorkerStalled) => 2,
        Some(ha::UnfitReason::CardNotInline) => 3,
        Some(ha::UnfitReason::InterfaceDown) => 4,
    }
}

fn unfit_in(code: u8) -> Option<ha::UnfitReason> {
    match code {
        1 => Some(ha::UnfitReason::LinksBelowMinimum),
        2 => Some(ha::UnfitReason::WorkerStalled),
        3 => Some(ha::UnfitReason::CardNotInline),
        4 => Some(ha::UnfitReason::InterfaceDown),
        _ => None,
    }
}

fn nanos(time: ha::Time) -> u64 {
    // The bits, not the value: only the sender reads its own stamps.
    time.as_nanos().cast_unsigned()
}

fn nanos_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A heartbeat, for the wire.
#[must_use]
pub fn heartbeat_out(heartbeat: &ha::Heartbeat) -> frame::Heartbeat {
    let echo = |echo: &Echo| frame::Echo {
        instance: echo.instance,
        boot: echo.boot,
        seq: echo.seq,
        tx_time_ns: nanos(echo.tx_time),
        hold_ns: nanos_of(echo.hold),
        health: health_out(echo.health),
        paths: echo.paths.0,
    };
    let mut echoes = ArrayVec::new();
    echoes.extend(heartbeat.echoes.iter().take(frame::MAX_ECHOES).map(echo));
    let flags = FLAGS
        .iter()
        .fold(frame::Flags::NONE, |flags, &(ours, theirs)| {
            flags.with(theirs, heartbeat.flags.has(ours))
        });
    frame::Heartbeat {
        role: role_out(heartbeat.role),
        flags,
        successor: heartbeat.successor,
        epoch: heartbeat.epoch,
        unfit_reason: unfit_out(heartbeat.unfit),
        pairs_up: heartbeat.pairs_up,
        pairs_total: heartbeat.pairs_total,
        bandwidth_bps: heartbeat.bandwidth_bps,
        flaps: heartbeat.flaps,
        interval_us: u32::try_from(heartbeat.interval.as_micros()).unwrap_or(u32::MAX),
        failure_threshold: heartbeat.failure_threshold,
        config_digest: heartbeat.config_digest,
        tx_time_ns: nanos(heartbeat.tx_time),
        echoes,
    }
}

/// A heartbeat as it was on the wire, for the decisions and for operators.
pub(crate) fn heartbeat_in(heartbeat: &frame::Heartbeat) -> ha::Heartbeat {
    let echo = |echo: &frame::Echo| Echo {
        instance: echo.instance,
        boot: echo.boot,
        seq: echo.seq,
        tx_time: ha::Time::from_nanos(echo.tx_time_ns.cast_signed()),
        hold: Duration::from_nanos(echo.hold_ns),
        health: health_in(echo.health),
        paths: ha::Paths(echo.paths),
    };
    let flags = FLAGS
        .iter()
        .fold(ha::Flags::default(), |flags, &(ours, theirs)| {
            flags.with(ours, heartbeat.flags.contains(theirs))
        });
    ha::Heartbeat {
        role: role_in(heartbeat.role),
        flags,
        successor: heartbeat.successor,
        epoch: heartbeat.epoch,
        unfit: unfit_in(heartbeat.unfit_reason),
        pairs_up: heartbeat.pairs_up,
        pairs_total: heartbeat.pairs_total,
        bandwidth_bps: heartbeat.bandwidth_bps,
        flaps: heartbeat.flaps,
        interval: Duration::from_micros(u64::from(heartbeat.interval_us)),
        failure_threshold: heartbeat.failure_threshold,
        config_digest: heartbeat.config_digest,
        tx_time: ha::Time::from_nanos(heartbeat.tx_time_ns.cast_signed()),
        echoes: heartbeat.echoes.iter().map(echo).collect(),
    }
}

/// A share of the address table, for the wire.
#[must_use]
pub fn macs_out(chunk: &ha::MacChunk) -> frame::MacChunk {
    let mut macs = ArrayVec::new();
    macs.extend(
        chunk
            .macs
            .iter()
            .take(frame::MAX_MACS)
            .map(|&mac| wire::Mac::from(mac)),
    );
    frame::MacChunk {
        pair: chunk.pair,
        side: side_out(chunk.side),
        first: false,
        last: false,
        macs,
    }
}

/// A share of the table of neighbours, for the wire.
#[must_use]
pub fn neighbours_out(chunk: &ha::NeighbourChunk) -> frame::NeighbourChunk {
    let mut neighbours = ArrayVec::new();
    let all = chunk.neighbours.iter().take(frame::MAX_NEIGHBOURS);
    neighbours.extend(all.map(|&(ip, mac)| (ip, wire::Mac::from(mac))));
    frame::NeighbourChunk {
        interface: chunk.interface,
        neighbours,
    }
}

/// A parsed frame, for the decisions.
#[must_use]
pub fn message_in(parsed: &frame::Parsed) -> ha::Message {
    let body = match &parsed.body {
        frame::Body::Heartbeat(heartbeat) => Body::Heartbeat(heartbeat_in(heartbeat)),
        frame::Body::NeighbourChunk(chunk) => Body::Neighbours(ha::NeighbourChunk {
            interface: chunk.interface,
            neighbours: chunk
                .neighbours
                .iter()
                .map(|&(ip, mac)| (ip, mac.into()))
                .collect(),
        }),
        frame::Body::MacChunk(chunk) => Body::Macs(ha::MacChunk {
            pair: chunk.pair,
            side: side_in(chunk.side),
            macs: chunk.macs.iter().map(|&mac| mac.into()).collect(),
        }),
    };
    ha::Message {
        instance: parsed.instance,
        boot: parsed.boot,
        seq: parsed.seq,
        path: match parsed.path {
            frame::Path::HaPort => ha::Path::HaPort,
            frame::Path::InBand => ha::Path::InBand,
        },
        body,
    }
}

/// How often the decisions say that all is well: four times in the shortest period that any card
/// has (100 ms). Each card's thread hands on what its own period needs.
const ALL_IS_WELL: Duration = Duration::from_millis(25);

fn kick_every(config: &config::Config) -> Option<Duration> {
    let card = config.link_pairs.iter().any(|pair| pair.bypass.is_some());
    card.then_some(ALL_IS_WELL)
}

/// The operator's settings, for the decisions.
#[must_use]
pub fn settings(config: &config::Config) -> ha::Settings {
    let of = &config.ha;
    ha::Settings {
        kick_every: kick_every(config),
        mode: match of.mode {
            config::Mode::Standalone => ha::Mode::Standalone,
            config::Mode::ActivePassive => ha::Mode::ActivePassive,
            config::Mode::ActiveActive => ha::Mode::ActiveActive,
        },
        primary: of.primary,
        topology: match of.topology {
            config::Topology::Parallel => ha::Topology::Parallel,
            config::Topology::Series => ha::Topology::Series,
        },
        in_band: of.in_band,
        interval: of.peer_check_interval(),
        failure_threshold: of.peer_failure_threshold,
        recovery_threshold: of.peer_recovery_threshold,
        max_flaps: u32::from(of.max_flaps),
        flap_window: of.flap_window(),
        on_max_flaps: of.on_max_flaps.map(|path| match path {
            config::OnMaxFlaps::Bypass => ha::OnMaxFlaps::Bypass,
            config::OnMaxFlaps::Disconnect => ha::OnMaxFlaps::Disconnect,
            config::OnMaxFlaps::Tap => ha::OnMaxFlaps::Tap,
        }),
        preempt: of.preempt,
        preempt_delay: of.preempt_delay(),
        links_interval: of.links.interval(),
        minimum_active_links: of.links.minimum_active,
        propagate: of.links.propagate,
        settle: of.links.settle(),
        bandwidth_interval: of.bandwidth.interval(),
        bandwidth_enabled: of.bandwidth.enabled,
        bandwidth_minimum_bps: of.bandwidth.minimum_bps,
    }
}

/// The digest that heartbeats carry: what must agree within a stack.
#[must_use]
pub fn digest(config: &config::Config) -> u64 {
    let hash = blake3::hash(config.digest_input().as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hash.as_bytes()[..8]);
    u64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_04_a_heartbeat_comes_through_the_wire_as_it_was_said() {
        let said = ha::Heartbeat {
            role: ha::Role::Active,
            flags: FLAGS
                .iter()
                .fold(ha::Flags::default(), |all, &(flag, _)| all | flag),
            successor: 7,
            epoch: 9,
            unfit: Some(ha::UnfitReason::WorkerStalled),
            pairs_up: 1,
            pairs_total: 2,
            bandwidth_bps: 12_345,
            flaps: 3,
            interval: Duration::from_millis(50),
            failure_threshold: 5,
            config_digest: 0xfeed,
            tx_time: ha::Time::from_nanos(-5),
            echoes: vec![Echo {
                instance: 2,
                boot: 8,
                seq: 77,
                tx_time: ha::Time::from_nanos(123),
                hold: Duration::from_micros(9),
                health: ha::Health::Unhealthy,
                paths: ha::Paths(3),
            }],
        };
        assert_eq!(heartbeat_in(&heartbeat_out(&said)), said);
        for &(flag, _) in &FLAGS {
            let one = ha::Heartbeat {
                flags: flag,
                ..said.clone()
            };
            assert_eq!(heartbeat_in(&heartbeat_out(&one)).flags, flag);
        }
    }

    #[test]
    fn more_echoes_than_a_frame_holds_are_cut() {
        let echo = Echo {
            instance: 2,
            boot: 8,
            seq: 77,
            tx_time: ha::Time::ZERO,
            hold: Duration::MAX,
            health: ha::Health::Healthy,
            paths: ha::Paths(1),
        };
        let said = ha::Heartbeat {
            role: ha::Role::Init,
            flags: ha::Flags::default(),
            successor: 0,
            epoch: 0,
            unfit: None,
            pairs_up: 0,
            pairs_total: 0,
            bandwidth_bps: 0,
            flaps: 0,
            interval: Duration::MAX,
            failure_threshold: 1,
            config_digest: 0,
            tx_time: ha::Time::ZERO,
            echoes: vec![echo; 40],
        };
        assert_eq!(heartbeat_out(&said).echoes.len(), frame::MAX_ECHOES);
        assert_eq!(heartbeat_out(&said).interval_us, u32::MAX);
    }
}
