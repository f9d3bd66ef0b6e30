//! What is shown of ports' insides, lcores, memory, and the engine itself.

use dpdk::Pool;
use twinline_config::OnMaxFlaps;
use twinline_control::{
    BandwidthStatus, FlapsStatus, HeartbeatDump, LcoreStatus, MempoolStatus, Payload, PortXstats,
    Request, VersionStatus,
};

use super::ms;
use crate::core::ManagementCore;
use crate::lcores::{self, Work};

/// The answer to a `show` request about these; `None` for others.
pub(super) fn payload(core: &ManagementCore, request: &Request) -> Option<Payload> {
    Some(match request {
        Request::ShowXstats { port } => Payload::Xstats(xstats(core, port.as_deref())),
        Request::ShowLcores => Payload::Lcores(lcores(core)),
        Request::ShowMempools => Payload::Mempools(vec![mempool(&core.appliance.pool)]),
        Request::ShowBandwidth => Payload::Bandwidth(bandwidth(core)),
        Request::ShowFlaps => Payload::Flaps(flaps(core)),
        Request::ShowVersion => Payload::Version(version(core)),
        Request::DumpHeartbeat => Payload::Heartbeats(heartbeats(core)),
        Request::ShowCaptures => Payload::Captures(core.captures.statuses()),
        _ => return None,
    })
}

fn xstats(core: &ManagementCore, only: Option<&str>) -> Vec<PortXstats> {
    let ports = core.appliance.ports.iter().enumerate();
    ports
        .filter(|(_, port)| only.is_none_or(|name| port.name == name))
        .map(|(index, port)| {
            let now = port.handle().xstats().unwrap_or_default();
            let from = core.shown_from.get(&index);
            PortXstats {
                port: port.name.clone(),
                xstats: from.cloned().unwrap_or_default().xstats(now),
            }
        })
        .collect()
}

pub(crate) fn lcores(core: &ManagementCore) -> Vec<LcoreStatus> {
    let own = core.lcores.own();
    let rates = lcores::Rates {
        // Its time goes to more than packets.
        cycles_per_packet: None,
        ..core.lcores.rates(0, own)
    };
    let main = dpdk::lcore::current().unwrap_or(0);
    let mut list = vec![lcores::line(
        main,
        core.config.lcores.main,
        "management",
        own,
        rates,
    )];
    for (number, worker) in core.appliance.workers.iter().enumerate() {
        let work = Work::from(&worker.links.counters.snapshot());
        let rates = core.lcores.rates(number + 1, work);
        let pairs = worker.pairs.iter();
        let pairs = pairs.filter_map(|&pair| core.appliance.pairs.get(pair));
        let mut serves: Vec<String> = pairs.map(|pair| format!("pair {}", pair.name)).collect();
        if worker.routes {
            let interfaces = core.config.interfaces.iter();
            serves.extend(interfaces.map(|i| format!("interface {}", i.name)));
        }
        list.push(LcoreStatus {
            serves,
            ..lcores::line(worker.lcore, worker.core, "worker", work, rates)
        });
    }
    list
}

fn mempool(pool: &Pool) -> MempoolStatus {
    MempoolStatus {
        name: pool.name().to_owned(),
        size: pool.size(),
        in_use: pool.in_use(),
        available: pool.available(),
        cache: pool.cache(),
        data_room_bytes: pool.data_room().into(),
        socket: pool.socket(),
    }
}

pub(crate) fn bandwidth(core: &ManagementCore) -> BandwidthStatus {
    let (rates, settings) = (core.node.bandwidth(), core.node.settings());
    BandwidthStatus {
        enabled: settings.bandwidth_enabled,
        lan_to_wan_bps: rates.lan_to_wan_bps,
        wan_to_lan_bps: rates.wan_to_lan_bps,
        measured_bps: rates.sum_bps(),
        minimum_bps: settings.bandwidth_minimum_bps,
        failed: core.node.bandwidth_failed(),
    }
}

fn flaps(core: &ManagementCore) -> FlapsStatus {
    let settings = core.node.settings();
    FlapsStatus {
        count: core.node.flaps(),
        max: settings.max_flaps,
        window_s: settings.flap_window.as_secs(),
        latched: core.node.latched(),
        on_max: match core.config.ha.latched_card() {
            OnMaxFlaps::Bypass => "bypass",
            OnMaxFlaps::Disconnect => "disconnect",
            OnMaxFlaps::Tap => "tap",
        }
        .into(),
        flaps_ms_ago: core.node.flaps_ago().map(ms).collect(),
    }
}

pub(crate) fn version(core: &ManagementCore) -> VersionStatus {
    VersionStatus {
        version: env!("CARGO_PKG_VERSION").into(),
        dpdk: dpdk::version(),
        linkage: dpdk::linkage().into(),
        pid: std::process::id(),
        uptime_ms: ms(core.zero.elapsed()),
    }
}

fn heartbeats(core: &ManagementCore) -> Vec<HeartbeatDump> {
    let Some(ha) = &core.appliance.ha else {
        return Vec::new();
    };
    let mut list = ha.dump();
    if let Some(in_band) = &core.appliance.in_band {
        list.extend(in_band.dump(ha.auth()));
    }
    list
}
