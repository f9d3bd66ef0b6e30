//! Which metrics there are, and what each shows: base units, `_total` where something is counted.
//! No state is a label's value unless every state has its series: a series then never comes or goes
//! with it.

use super::exposition::{Exposition, Kind, Ratchet};
use crate::figures::MetricsStatus;
use crate::status::PeerStatus;

use Kind::{Counter, Gauge};

const ROLES: [&str; 6] = ["ACTIVE", "PASSIVE", "DOWN", "BYPASS", "SUSPENDED", "INIT"];
const MODES: [&str; 3] = ["standalone", "active-passive", "active-active"];
const PATHS: [&str; 4] = ["inline", "bypass", "disconnect", "tap"];
const ROUTER_STATES: [&str; 3] = ["initialize", "backup", "active"];

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

/// All metrics in Prometheus' text format.
pub(super) fn text(of: &MetricsStatus, ratchet: &mut Ratchet) -> String {
    let mut out = Exposition::new(ratchet);
    instance(&mut out, of);
    peers(&mut out, of);
    heartbeats(&mut out, of);
    wires(&mut out, of);
    bypass(&mut out, of);
    ports(&mut out, of);
    lcores(&mut out, of);
    layer_3(&mut out, of);
    out.finish()
}

fn instance(out: &mut Exposition<'_>, of: &MetricsStatus) {
    let ha = &of.ha;
    let version = [
        ("version", of.version.version.as_str()),
        ("dpdk", of.version.dpdk.as_str()),
    ];
    out.family(Gauge, "build_info", "Versions, as labels; always 1.")
        .count(&version, 1);
    let help = "Digest of the configuration that the stack has in common, as a label; always 1.";
    out.family(Gauge, "config_info", help)
        .count(&[("digest", &ha.config_digest)], 1);
    let help = "1 for the mode that the instance runs in.";
    let mut modes = out.family(Gauge, "mode", help);
    for mode in MODES {
        modes.flag(&[("mode", mode)], ha.mode == mode);
    }
    let help = "1 for the role that the instance has.";
    let mut roles = out.family(Gauge, "role", help);
    for role in ROLES {
        roles.flag(&[("role", role)], ha.role == role);
    }
    let help = "Changes of the role, by what it was, what it became, and why.";
    let mut changes = out.family(Counter, "role_changes_total", help);
    for change in &of.role_changes {
        let labels = [
            ("from", change.from.as_str()),
            ("to", change.to.as_str()),
            ("reason", change.reason.as_str()),
        ];
        changes.count(&labels, change.count);
    }
    let help = "When the role changed last, in seconds since 1970 (UTC); 0: not since the start.";
    out.family(Gauge, "last_role_change_timestamp_seconds", help)
        .value(&[], seconds(of.last_role_change_unix_ms.unwrap_or(0)));
    out.family(Gauge, "primary", "Configured as the primary.")
        .flag(&[], ha.primary);
    out.family(Gauge, "fit", "Fit to be ACTIVE.")
        .flag(&[], ha.fit);
    out.family(Gauge, "takeover_epoch", "The takeover epoch.")
        .count(&[], ha.epoch);
    out.family(Gauge, "flaps", "Flaps within the window.")
        .count(&[], ha.flaps.into());
    out.family(Gauge, "flaps_max", "Flaps that are allowed; 0: any.")
        .count(&[], ha.flaps_max.into());
    let mut alarms = out.family(Gauge, "alarm", "1 for an alarm that stands.");
    for name in &of.alarm_names {
        let stands = ha.alarms.iter().any(|alarm| alarm.name == *name);
        alarms.flag(&[("name", name)], stands);
    }
    let help = "What passes, in bits per second over the configured interval.";
    out.family(Gauge, "bandwidth_bits_per_second", help)
        .count(&[("direction", "lan_to_wan")], of.bandwidth.lan_to_wan_bps)
        .count(&[("direction", "wan_to_lan")], of.bandwidth.wan_to_lan_bps);
    let help = "The bandwidth that the sum of both directions is compared with.";
    out.family(Gauge, "bandwidth_minimum_bits_per_second", help)
        .count(&[], of.bandwidth.minimum_bps);
    let help = "The instance hands over when the bandwidth is below the minimum.";
    out.family(Gauge, "bandwidth_monitored", help)
        .flag(&[], of.bandwidth.enabled);
}

fn peers(out: &mut Exposition<'_>, of: &MetricsStatus) {
    let peers: Vec<(String, &PeerStatus)> =
        of.ha.peers.iter().map(|p| (p.id.to_string(), p)).collect();
    let mut each = |kind, name, help: &str, value: &dyn Fn(&PeerStatus) -> u64| {
        let mut family = out.family(kind, name, help);
        for (id, peer) in &peers {
            family.count(&[("peer", id)], value(peer));
        }
    };
    each(Gauge, "peer_up", "The peer is HEALTHY.", &|p| {
        u64::from(p.health == "HEALTHY")
    });
    let help = "Check slots that held no heartbeat.";
    each(Counter, "peer_checks_failed_total", help, &|p| {
        of.peer_checks_failed.get(&p.id).copied().unwrap_or(0)
    });
    let help = "Check slots in a row without a heartbeat, now.";
    each(Gauge, "peer_misses", help, &|p| p.missed.into());
    let help = "Check slots in a row without a heartbeat that make a peer UNHEALTHY.";
    each(Gauge, "peer_misses_max", help, &|p| p.threshold.into());
    let help = "Valid heartbeats of the peer.";
    each(Counter, "peer_heartbeats_received_total", help, &|p| {
        p.heartbeats_received
    });
    let help = "Heartbeats missing by their sequence numbers.";
    each(Counter, "peer_heartbeats_lost_total", help, &|p| {
        p.heartbeats_lost
    });
    each(Gauge, "peer_hears_instance", "The peer hears us.", &|p| {
        u64::from(p.hears_us)
    });
    let help = "The peer's configuration digest is ours.";
    each(Gauge, "peer_config_agrees", help, &|p| {
        u64::from(p.config_agrees)
    });
    let help = "The bandwidth that the peer measures.";
    each(Gauge, "peer_bandwidth_bits_per_second", help, &|p| {
        p.bandwidth_bps
    });
    let help = "Time since the peer's last valid heartbeat.";
    let mut ages = out.family(Gauge, "peer_heartbeat_age_seconds", help);
    for (id, peer) in &peers {
        if let Some(ms) = peer.last_heard_ms_ago {
            ages.value(&[("peer", id)], seconds(ms));
        }
    }
    let help = "1 for the role that the peer states.";
    let mut roles = out.family(Gauge, "peer_role", help);
    for (id, peer) in &peers {
        for role in ROLES {
            roles.flag(&[("peer", id), ("role", role)], peer.role == role);
        }
    }
    let help = "Round trips of heartbeats.";
    let mut round_trips = out.family(Kind::Histogram, "peer_rtt_seconds", help);
    for (id, rtt) in &of.peer_rtt {
        round_trips.histogram(&[("peer", &id.to_string())], rtt);
    }
    // Rule 12: one path is a path too, though the status has paths only where there are two.
    let paths: Vec<_> = peers
        .iter()
        .flat_map(|(id, peer)| peer.paths.iter().map(move |path| (id, path)))
        .map(|(id, path)| (id, path.name.to_lowercase().replace('-', "_"), path))
        .collect();
    let help = "The peer is HEALTHY by what this path brings (where heartbeats go on two).";
    let mut up = out.family(Gauge, "peer_path_up", help);
    for (id, name, path) in &paths {
        up.flag(&[("peer", id), ("path", name)], path.health == "HEALTHY");
    }
    let help = "Heartbeats taken from this path.";
    let mut taken = out.family(Counter, "peer_path_heartbeats_received_total", help);
    for (id, name, path) in &paths {
        taken.count(&[("peer", id), ("path", name)], path.heartbeats_received);
    }
}

fn heartbeats(out: &mut Exposition<'_>, of: &MetricsStatus) {
    out.family(Counter, "heartbeats_sent_total", "Heartbeats sent.")
        .count(&[], of.ha.heartbeats_sent);
    let help = "Frames that came as heartbeats and were dropped, by cause.";
    let mut dropped = out.family(Counter, "heartbeats_dropped_total", help);
    for (cause, count) in &of.ha.heartbeat_drops {
        dropped.count(&[("cause", cause)], *count);
    }
    let help = "How long after it was due a heartbeat was sent.";
    out.family(Kind::Histogram, "heartbeat_lateness_seconds", help)
        .histogram(&[], &of.heartbeat_lateness);
    let help = "Turns of the management core that came more than half an interval late (rule 3).";
    out.family(Counter, "loop_late_total", help)
        .count(&[], of.ha.loop_lateness.late_count);
    let help = "The greatest lateness of the management core since the start.";
    out.family(Gauge, "loop_lateness_max_seconds", help)
        .value(&[], of.ha.loop_lateness.max_ms / 1000.0);
}

fn wires(out: &mut Exposition<'_>, of: &MetricsStatus) {
    let pairs = &of.link_pairs;
    let mut up = out.family(Gauge, "link_pair_up", "Both legs of the link pair are up.");
    for pair in pairs {
        up.flag(&[("pair", &pair.name)], pair.up);
    }
    let mut legs = out.family(Gauge, "link_pair_leg_up", "The leg of the link pair is up.");
    for pair in pairs {
        legs.flag(&[("pair", &pair.name), ("side", "lan")], pair.lan.up);
        legs.flag(&[("pair", &pair.name), ("side", "wan")], pair.wan.up);
    }
    let active = pairs.iter().filter(|pair| pair.up).count();
    out.family(Gauge, "active_link_pairs", "Link pairs that are up.")
        .count(&[], u64::try_from(active).unwrap_or(u64::MAX));
}

fn bypass(out: &mut Exposition<'_>, of: &MetricsStatus) {
    let with_cards: Vec<_> = of.bypass.iter().filter(|b| b.card != "none").collect();
    let help = "1 for the path of the pair's bypass card: the one that the instance wants, the one \
                that the card was told, the one that it shows. None is 1 where nothing is known.";
    let mut paths = out.family(Gauge, "bypass_path", help);
    for card in &with_cards {
        // What only our own memory says was not sensed.
        let sensed = card.path.as_deref().filter(|_| card.source != "shadow");
        let wanted = of.bypass_wanted.get(&card.pair).map(String::as_str);
        for (source, at) in [
            ("wanted", wanted),
            ("commanded", card.wanted.as_deref()),
            ("sensed", sensed),
        ] {
            for path in PATHS {
                let labels = [
                    ("pair", card.pair.as_str()),
                    ("path", path),
                    ("source", source),
                ];
                paths.flag(&labels, at == Some(path));
            }
        }
    }
    let mut found = out.family(Gauge, "bypass_card_up", "The card answers.");
    for card in &with_cards {
        found.flag(&[("pair", &card.pair)], card.found && card.error.is_none());
    }
    let help = "The card's watchdog has expired since it was armed.";
    let mut expired = out.family(Gauge, "bypass_watchdog_expired", help);
    for card in &with_cards {
        expired.flag(&[("pair", &card.pair)], card.expired);
    }
    let mut kicks = out.family(
        Counter,
        "bypass_kicks_total",
        "Kicks of the card's watchdog.",
    );
    for card in &with_cards {
        kicks.count(&[("pair", &card.pair)], card.kicks);
    }
    let help = "Kicks that waited for the card too long and were dropped.";
    let mut stale = out.family(Counter, "bypass_stale_kicks_total", help);
    for card in &with_cards {
        stale.count(&[("pair", &card.pair)], card.stale_kicks);
    }
}

fn ports(out: &mut Exposition<'_>, of: &MetricsStatus) {
    let mut up = out.family(Gauge, "port_up", "The port's link is up.");
    for port in &of.ports {
        up.flag(&[("port", &port.name)], port.link_up);
    }
    let help = "The port's speed, where it is known.";
    let mut speeds = out.family(Gauge, "port_speed_bytes_per_second", help);
    for port in &of.ports {
        if let Some(mbps) = port.speed_mbps {
            speeds.count(&[("port", &port.name)], u64::from(mbps) * 125_000);
        }
    }
    type Read = fn(&crate::PortCounters) -> u64;
    let counters: [(&'static str, &str, Read); 6] = [
        ("rx_bytes_total", "Bytes received.", |c| c.rx_bytes),
        ("tx_bytes_total", "Bytes sent.", |c| c.tx_bytes),
        ("rx_packets_total", "Packets received.", |c| c.rx_packets),
        ("tx_packets_total", "Packets sent.", |c| c.tx_packets),
        ("rx_errors_total", "Erroneous packets received.", |c| {
            c.rx_errors
        }),
        ("tx_errors_total", "Packets that failed to be sent.", |c| {
            c.tx_errors
        }),
    ];
    for (name, help, read) in counters {
        let mut family = out.family(Counter, name, help);
        for port in &of.ports {
            family.count(&[("port", &port.name)], read(&port.counters));
        }
    }
    let help = "Packets dropped, by the port that they came in at, and the cause. At tx_full they \
                had no room at the port that they should go out at; of rx_missed and rx_no_buffer \
                the driver says that it had none.";
    let mut dropped = out.family(Counter, "dropped_packets_total", help);
    for port in &of.ports {
        let ours = port.drops.iter().map(|(cause, n)| (cause.as_str(), *n));
        let drivers = [
            ("rx_missed", port.counters.rx_missed),
            ("rx_no_buffer", port.counters.rx_no_buffer),
        ];
        for (cause, count) in ours.chain(drivers) {
            dropped.count(&[("port", &port.name), ("cause", cause)], count);
        }
    }
    let help = "Packets forwarded at layer 3, by the port that they came in at.";
    let mut forwarded = out.family(Counter, "forwarded_packets_total", help);
    for port in &of.ports {
        for (family, count) in &port.forwarded {
            forwarded.count(&[("port", &port.name), ("family", family)], *count);
        }
    }
    let help = "Frames of layer 3 that went to the management core, by reason.";
    let mut punted = out.family(Counter, "punted_packets_total", help);
    for port in &of.ports {
        for (reason, count) in &port.punted {
            punted.count(&[("port", &port.name), ("reason", reason)], *count);
        }
    }
}

fn lcores(out: &mut Exposition<'_>, of: &MetricsStatus) {
    let workers: Vec<_> = of.lcores.iter().filter(|l| l.role == "worker").collect();
    let workers: Vec<_> = workers.iter().map(|l| (l.lcore.to_string(), l)).collect();
    let help = "The share of a worker's time that finds frames, lately.";
    let mut busy = out.family(Gauge, "lcore_busy_ratio", help);
    for (lcore, of) in &workers {
        busy.value(&[("lcore", lcore)], of.busy_ratio);
    }
    let mut turns = out.family(
        Counter,
        "lcore_iterations_total",
        "Turns of a worker's loop.",
    );
    for (lcore, of) in &workers {
        turns.count(&[("lcore", lcore)], of.iterations);
    }
    let help = "Turns of a worker's loop that found frames.";
    let mut turns = out.family(Counter, "lcore_busy_iterations_total", help);
    for (lcore, of) in &workers {
        turns.count(&[("lcore", lcore)], of.busy_iterations);
    }
}

fn layer_3(out: &mut Exposition<'_>, of: &MetricsStatus) {
    let routers = &of.virtual_routers.routers;
    let help = "1 for the state of the virtual router (RFC 9568).";
    let mut states = out.family(Gauge, "virtual_router_state", help);
    for router in routers {
        for state in ROUTER_STATES {
            let labels = [("router", router.name.as_str()), ("state", state)];
            states.flag(&labels, router.state == state);
        }
    }
    let mut priorities = out.family(Gauge, "virtual_router_priority", "Its priority.");
    for router in routers {
        priorities.count(&[("router", &router.name)], router.priority.into());
    }
    type Read = fn(&crate::VirtualRouterCounters) -> u64;
    let counters: [(&'static str, &str, Read); 6] = [
        ("virtual_router_adverts_sent_total", "Adverts sent.", |c| {
            c.sent
        }),
        (
            "virtual_router_adverts_unsent_total",
            "Adverts not sent: a unicast peer's MAC address is not known.",
            |c| c.unsent,
        ),
        (
            "virtual_router_adverts_received_total",
            "Adverts taken.",
            |c| c.heard,
        ),
        (
            "virtual_router_adverts_discarded_total",
            "Adverts of those taken that were discarded.",
            |c| c.discarded,
        ),
        (
            "virtual_router_became_active_total",
            "How often the virtual router became Active.",
            |c| c.became_active,
        ),
        (
            "virtual_router_late_total",
            "Timers that fired late by more than half an interval.",
            |c| c.late,
        ),
    ];
    for (name, help, read) in counters {
        let mut family = out.family(Counter, name, help);
        for router in routers {
            family.count(&[("router", &router.name)], read(&router.counters));
        }
    }
    let help = "Adverts that no virtual router took, by cause.";
    let mut dropped = out.family(Counter, "adverts_dropped_total", help);
    for (cause, count) in &of.virtual_routers.advert_drops {
        dropped.count(&[("cause", cause)], *count);
    }
    let mut up = out.family(Gauge, "interface_up", "The interface's port passes frames.");
    for interface in &of.interfaces.interfaces {
        up.flag(&[("interface", &interface.name)], interface.up);
    }
    let help = "Frames that the interface's exception device did not take.";
    let mut lost = out.family(Counter, "interface_kernel_lost_total", help);
    for interface in &of.interfaces.interfaces {
        if interface.kernel.is_some() {
            lost.count(&[("interface", &interface.name)], interface.kernel_lost);
        }
    }
    let mut done = out.family(
        Counter,
        "slow_path_total",
        "What the slow path of layer 3 did.",
    );
    for (what, count) in &of.interfaces.slow_path {
        done.count(&[("what", what)], *count);
    }
    let help = "What the slow path of layer 3 dropped, by cause.";
    let mut dropped = out.family(Counter, "slow_path_drops_total", help);
    for (cause, count) in &of.interfaces.slow_path_drops {
        dropped.count(&[("cause", cause)], *count);
    }
}
