//! What a node says, as the wire carries it (the management core has its own such translation; it
//! needs DPDK to build).

use arrayvec::ArrayVec;
use twinline_ha as ha;
use twinline_wire::heartbeat as frame;
use twinline_wire::{Mac, Side};

fn nanos(time: ha::Time) -> u64 {
    time.as_nanos().cast_unsigned()
}

fn role(role: ha::Role) -> frame::Role {
    match role {
        ha::Role::Init => frame::Role::Init,
        ha::Role::Passive => frame::Role::Passive,
        ha::Role::Active => frame::Role::Active,
        ha::Role::Down => frame::Role::Down,
        ha::Role::Bypass => frame::Role::Bypass,
        ha::Role::Suspended => frame::Role::Suspended,
    }
}

fn health(health: ha::Health) -> frame::Health {
    match health {
        ha::Health::Unknown => frame::Health::Unknown,
        ha::Health::Healthy => frame::Health::Healthy,
        ha::Health::Unhealthy => frame::Health::Unhealthy,
    }
}

/// A heartbeat.
#[must_use]
pub fn heartbeat(said: &ha::Heartbeat) -> frame::Heartbeat {
    let mut echoes = ArrayVec::new();
    for echo in &said.echoes {
        // More than fit would be a broken promise of the node: it panics here.
        echoes.push(frame::Echo {
            instance: echo.instance,
            boot: echo.boot,
            seq: echo.seq,
            tx_time_ns: nanos(echo.tx_time),
            hold_ns: u64::try_from(echo.hold.as_nanos()).unwrap_or(u64::MAX),
            health: health(echo.health),
            paths: echo.paths.0,
        });
    }
    frame::Heartbeat {
        role: role(said.role),
        flags: frame::Flags::from_bits(said.flags.0),
        successor: said.successor,
        epoch: said.epoch,
        unfit_reason: u8::from(said.unfit.is_some()),
        pairs_up: said.pairs_up,
        pairs_total: said.pairs_total,
        bandwidth_bps: said.bandwidth_bps,
        flaps: said.flaps,
        interval_us: u32::try_from(said.interval.as_micros()).unwrap_or(u32::MAX),
        failure_threshold: said.failure_threshold,
        config_digest: said.config_digest,
        tx_time_ns: nanos(said.tx_time),
        echoes,
    }
}

/// A share of the table of neighbours.
#[must_use]
pub fn neighbours(said: &ha::NeighbourChunk) -> frame::NeighbourChunk {
    let each = said.neighbours.iter().map(|&(ip, mac)| (ip, Mac(mac)));
    frame::NeighbourChunk {
        interface: said.interface,
        neighbours: each.collect(),
    }
}

/// A share of the address table.
#[must_use]
pub fn macs(said: &ha::MacChunk) -> frame::MacChunk {
    frame::MacChunk {
        pair: said.pair,
        side: match said.side {
            ha::Side::Lan => Side::Lan,
            ha::Side::Wan => Side::Wan,
        },
        first: false,
        last: false,
        macs: said.macs.iter().map(|&mac| Mac(mac)).collect(),
    }
}
