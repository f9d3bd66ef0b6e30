//! What monitoring fetches, made from what consoles are shown and from the tally.

use twinline_control::MetricsStatus;
use twinline_dataplane::l3::L3Drop;
use twinline_ha::Alarm;

use crate::core::ManagementCore;
use crate::shown_from::Counted;
use crate::status;

/// The causes of drops at a port of a link pair, as [`status`] names them.
const PAIR_DROPS: [&str; 5] = ["gate", "lease", "overlap", "announce", "tx_full"];

/// All figures of this moment.
pub(crate) fn metrics(core: &ManagementCore) -> MetricsStatus {
    let now = core.now();
    let mut ha = status::ha(core);
    if let Some(port) = &core.appliance.ha {
        // A counter that begins at 0 shows its first increase.
        for (cause, count) in port.drops().iter() {
            ha.heartbeat_drops.insert(cause.to_owned(), count);
        }
    }
    let mut ports = status::ports(core, Counted::SinceStart);
    for port in &mut ports {
        let causes: Vec<&str> = if port.virtual_mac.is_some() {
            L3Drop::ALL.iter().map(|cause| cause.name()).collect()
        } else if port.used_for == "ha" {
            Vec::new()
        } else {
            PAIR_DROPS.to_vec()
        };
        for cause in causes {
            port.drops.entry(cause.to_owned()).or_default();
        }
    }
    let l3 = core.l3.as_ref();
    let wanted = core.appliance.pairs.iter().enumerate();
    let wanted = wanted.filter_map(|(index, pair)| {
        let path = core.node.wanted_path(u16::try_from(index).ok()?)?;
        Some((pair.name.clone(), path.to_string()))
    });
    MetricsStatus {
        ha,
        ports,
        link_pairs: status::link_pairs(core, Counted::SinceStart),
        bypass: status::bypass(core),
        bypass_wanted: wanted.collect(),
        virtual_routers: l3.map(|l3| l3.virtual_routers(now)).unwrap_or_default(),
        interfaces: l3
            .map(|l3| l3.interfaces(|port| port_name(core, port)))
            .unwrap_or_default(),
        lcores: status::appliance::lcores(core),
        bandwidth: status::appliance::bandwidth(core),
        version: status::appliance::version(core),
        role_changes: core.tally.role_changes(),
        last_role_change_unix_ms: core.tally.last_role_change_unix_ms(),
        alarm_names: Alarm::NAMES.map(str::to_owned).to_vec(),
        heartbeat_lateness: core.tally.heartbeat_lateness(),
        peer_rtt: core.tally.round_trips(),
        peer_checks_failed: core.tally.checks_failed(),
    }
}

fn port_name(core: &ManagementCore, port: usize) -> String {
    let of = core.config.ports.get(port);
    of.map(|port| port.name.clone()).unwrap_or_default()
}
