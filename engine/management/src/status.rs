//! What consoles are shown: the control socket's payloads, made from the node and the appliance.

pub(crate) mod appliance;

use std::collections::BTreeMap;
use std::time::Duration;

use twinline_bypass::PowerOff;
use twinline_config::{Config, Device};
use twinline_control as control;
use twinline_control::{
    BypassStatus, ConfigStatus, DirectionStatus, HaStatus, LegStatus, LinkPairStatus, PathStatus,
    Payload, PeerStatus, PortCounters, PortStatus, Request,
};
use twinline_dataplane::l3::{L3Drop, L3PortSnapshot, L3Punt};
use twinline_dataplane::{PairSnapshot, SideSnapshot};
use twinline_ha::events::{Alarm, Subject};
use twinline_ha::message::Flags;
use twinline_ha::peer::Peer;
use twinline_ha::{Event, Mode, Path, Side, Time, Topology};

use crate::core::ManagementCore;
use crate::figures;
use crate::l3::Layer3;
use crate::link_source::Holder;
use crate::shown_from::{Counted, ShownFrom};

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn ms_exact(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn hex(value: u64) -> String {
    format!("{value:016x}")
}

/// The answer to a `show` request; `None` for requests that show nothing.
#[must_use]
pub fn payload(core: &ManagementCore, request: &Request) -> Option<Payload> {
    let l3 = core.l3.as_ref();
    Some(match request {
        Request::ShowHa => Payload::Ha(Box::new(ha(core))),
        Request::ShowPorts => Payload::Ports(ports(core, Counted::SinceClear)),
        Request::ShowLinkPairs => Payload::LinkPairs(link_pairs(core, Counted::SinceClear)),
        Request::ShowEvents { last, after } => Payload::Events(events(core, *last, *after)),
        Request::ShowBypass => Payload::Bypass(bypass(core)),
        Request::ShowVirtualRouters => Payload::VirtualRouters(
            l3.map(|l3| l3.virtual_routers(core.now()))
                .unwrap_or_default(),
        ),
        Request::ShowInterfaces => {
            let port = |port: usize| {
                let of = core.config.ports.get(port);
                of.map(|port| port.name.clone()).unwrap_or_default()
            };
            Payload::Interfaces(l3.map(|l3| l3.interfaces(port)).unwrap_or_default())
        }
        Request::ShowNeighbours => {
            Payload::Neighbours(l3.map(|l3| l3.neighbours(core.now())).unwrap_or_default())
        }
        Request::ShowRoutes => Payload::Routes(l3.map(Layer3::routes).unwrap_or_default()),
        Request::ShowConfig => Payload::Config(config(core)),
        Request::ShowMetrics => Payload::Metrics(Box::new(figures::metrics(core))),
        other => return appliance::payload(core, other),
    })
}

/// An alarm in words, with the link pair's name where it is about one.
fn alarm_text(config: &Config, alarm: &Alarm) -> String {
    let (Alarm::CardPath { pair, .. } | Alarm::Card { pair, .. }) = alarm else {
        return alarm.to_string();
    };
    let pair = config.link_pairs.get(usize::from(*pair));
    format!("link pair {}: {alarm}", pair.map_or("?", |p| &p.name))
}

pub(crate) fn bypass(core: &ManagementCore) -> Vec<BypassStatus> {
    let pairs = core.appliance.pairs.iter().zip(&core.cards);
    pairs
        .map(|(pair, card)| {
            let Some(card) = card else {
                return BypassStatus {
                    pair: pair.name.clone(),
                    card: "none".into(),
                    path: Some("inline".into()),
                    wanted: Some("inline".into()),
                    power_off: "none".into(),
                    ..BypassStatus::default()
                };
            };
            let view = card.view();
            let seen = view.observed;
            let words = view.policies.iter();
            BypassStatus {
                pair: pair.name.clone(),
                card: view.name.clone(),
                found: view.found,
                wanted: view.wanted.map(|path| path.to_string()),
                path: seen.and_then(|o| o.path).map(|path| path.to_string()),
                source: seen.map(|o| o.source.to_string()).unwrap_or_default(),
                looked_at_ms_ago: view.looked_at.map(|at| ms(at.elapsed())),
                watchdog_ms: seen.and_then(|o| o.watchdog).map(ms),
                expired: seen.is_some_and(|o| o.expired),
                kicks: view.kicks,
                stale_kicks: view.stale_kicks,
                events: words.map(|(e, p)| (e.to_string(), p.to_string())).collect(),
                paths: view
                    .capabilities
                    .paths
                    .iter()
                    .map(|p| p.to_string())
                    .collect(),
                watchdog_periods_ms: view
                    .capabilities
                    .watchdog
                    .as_slice()
                    .iter()
                    .copied()
                    .map(ms)
                    .collect(),
                power_off: match view.capabilities.power_off {
                    PowerOff::None => "none",
                    PowerOff::Claimed => "claimed",
                    PowerOff::Verified => "verified",
                }
                .into(),
                error: view.error,
            }
        })
        .collect()
}

pub(crate) fn ha(core: &ManagementCore) -> HaStatus {
    let (node, of, now) = (&core.node, &core.config, core.now());
    let settings = node.settings();
    let mut drops: BTreeMap<String, u64> = BTreeMap::new();
    if let Some(port) = &core.appliance.ha {
        drops.extend(
            port.drops()
                .iter()
                .filter(|d| d.1 > 0)
                .map(|(c, n)| (c.to_owned(), n)),
        );
    }
    drops.extend(
        node.refused()
            .iter()
            .map(|(cause, &n)| ((*cause).to_owned(), n)),
    );
    HaStatus {
        name: of.instance.name.clone(),
        id: of.instance.id,
        boot: hex(core.boot),
        stack: of.instance.stack.clone(),
        mode: match settings.mode {
            Mode::Standalone => "standalone",
            Mode::ActivePassive => "active-passive",
            Mode::ActiveActive => "active-active",
        }
        .into(),
        topology: match settings.topology {
            Topology::Parallel => "parallel",
            Topology::Series => "series",
        }
        .into(),
        primary: settings.primary,
        role: node.shown_role().to_string(),
        role_since_ms: ms(now.since(node.role_since())),
        role_reason: node.role_reason().to_string(),
        wanted: node
            .handing_over_to()
            .map(|id| format!("handing over to instance {id}")),
        degraded: node.degraded(),
        fit: node.is_fit(),
        unfit_reason: node.unfit_reason().map(|reason| reason.to_string()),
        epoch: node.epoch(),
        flaps: node.flaps(),
        flaps_max: settings.max_flaps,
        latched: node.latched(),
        suspended: node.suspended(),
        preempt_in_ms: node.preempt_at().map(|at| ms(at.since(now))),
        lease_remaining_ms: node.lease_until().map(|until| ms(until.since(now))),
        loop_lateness: control::Lateness {
            max_ms: ms_exact(node.lateness().max),
            late_count: node.lateness().late_steps,
        },
        authenticated: core
            .appliance
            .ha
            .as_ref()
            .is_some_and(crate::ha_port::HaPort::authenticated),
        config_digest: hex(node.config_digest()),
        heartbeats_sent: core.appliance.ha.as_ref().map_or(0, |p| p.sent().0),
        heartbeat_drops: drops,
        peers: node
            .peers()
            .map(|peer| peer_status(core, peer, now))
            .collect(),
        alarms: node
            .alarms()
            .map(|(alarm, since)| control::Alarm {
                name: alarm.name().into(),
                text: match (alarm, core.changes.rollback_in(now)) {
                    (Alarm::CommitUnconfirmed { .. }, Some(left)) => format!(
                        "the configuration in force is rolled back in {} s unless it is confirmed: \
                         `confirm` keeps it",
                        left.as_secs_f64().ceil()
                    ),
                    _ => alarm_text(of, alarm),
                },
                since_ms: ms(now.since(since)),
            })
            .collect(),
    }
}

fn peer_status(core: &ManagementCore, peer: &Peer, now: Time) -> PeerStatus {
    let node = &core.node;
    let settings = node.settings();
    let id = peer.instance();
    let last = peer.last().map(|r| &r.heartbeat);
    let changed = node
        .events()
        .rev()
        .find(|e| matches!(&e.subject, Subject::Health { peer, .. } if *peer == id));
    PeerStatus {
        id,
        stack: None,
        boot: hex(peer.boot()),
        health: peer.health().to_string(),
        health_since_ms: changed.map_or(0, |e| ms(now.since(e.at))),
        health_reason: changed.map_or_else(String::new, |e| e.why.to_string()),
        role: last.map_or_else(String::new, |h| h.role.to_string()),
        primary: last.is_some_and(|h| h.flags.has(Flags::PRIMARY)),
        fit: last.is_some_and(|h| h.flags.has(Flags::FIT)),
        unfit_reason: last.and_then(|h| h.unfit).map(|reason| reason.to_string()),
        last_heard_ms_ago: peer.last().map(|r| ms(now.since(r.at))),
        missed: peer.missed(),
        threshold: u32::from(settings.failure_threshold),
        interval_ms: ms_exact(peer.interval(settings.interval)),
        rtt_us: peer
            .rtt()
            .map(|rtt| u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX)),
        heartbeats_received: peer.heartbeats(),
        heartbeats_lost: peer.lost(),
        epoch: last.map_or(0, |h| h.epoch),
        pairs_up: last.map_or(0, |h| h.pairs_up),
        pairs_total: last.map_or(0, |h| h.pairs_total),
        bandwidth_bps: last.map_or(0, |h| h.bandwidth_bps),
        flaps: last.map_or(0, |h| h.flaps),
        hears_us: peer.hears_us_at().is_some() && !node.peer_is_deaf(id),
        paths: paths(core, peer, now),
        config_digest: last.map_or_else(String::new, |h| hex(h.config_digest)),
        config_agrees: last.is_some_and(|h| h.config_digest == node.config_digest()),
    }
}

/// Each path of heartbeats, where there are two (rule 12).
fn paths(core: &ManagementCore, peer: &Peer, now: Time) -> Vec<PathStatus> {
    let Some(in_band) = &core.appliance.in_band else {
        return Vec::new();
    };
    let pair = |pair: u16| core.config.link_pairs.get(usize::from(pair));
    let data_ports = in_band
        .heard_at(peer.instance(), now)
        .filter_map(|(at, side)| {
            Some(match side {
                Side::Lan => pair(at)?.lan.clone(),
                Side::Wan => pair(at)?.wan.clone(),
            })
        });
    let mut data_ports: Vec<String> = data_ports.collect();
    Path::ALL
        .into_iter()
        .map(|path| {
            let track = peer.track(path);
            PathStatus {
                name: path.to_string(),
                health: track.health().to_string(),
                last_heard_ms_ago: track.last_at().map(|at| ms(now.since(at))),
                missed: track.missed(),
                heartbeats_received: track.heartbeats(),
                hears_us: peer.hears_us_on().has(path),
                ports: match path {
                    Path::HaPort => core.config.ha.port.iter().cloned().collect(),
                    Path::InBand => std::mem::take(&mut data_ports),
                },
            }
        })
        .collect()
}

/// What the workers counted for each pair, by the pair's index.
fn counted(core: &ManagementCore) -> BTreeMap<usize, PairSnapshot> {
    let snapshots = core
        .appliance
        .workers
        .iter()
        .map(|w| w.links.counters.snapshot());
    snapshots
        .flat_map(|s| s.pairs)
        .map(|p| (usize::from(p.index), p))
        .collect()
}

fn drops(side: &SideSnapshot) -> BTreeMap<String, u64> {
    let causes = [
        ("gate", side.dropped_gate),
        ("lease", side.dropped_lease),
        ("overlap", side.dropped_overlap),
        ("announce", side.dropped_announce),
        ("tx_full", side.dropped_tx_full),
    ];
    causes
        .into_iter()
        .filter(|c| c.1 > 0)
        .map(|(cause, n)| (cause.to_owned(), n))
        .collect()
}

/// What the worker counted for a side of a link pair, by its port's index.
pub(crate) fn side_counted(core: &ManagementCore, port: usize) -> Option<SideSnapshot> {
    let pairs = &core.appliance.pairs;
    let pair = pairs.iter().position(|pair| pair.ports.contains(&port))?;
    let [lan, _] = pairs.get(pair)?.ports;
    let counted = counted(core);
    let counted = counted.get(&pair)?;
    Some(if port == lan {
        counted.lan
    } else {
        counted.wan
    })
}

/// All ports. Metrics, whose totals must never go back, want [`Counted::SinceStart`].
#[must_use]
pub fn ports(core: &ManagementCore, since: Counted) -> Vec<PortStatus> {
    let counted = counted(core);
    let never = ShownFrom::default();
    let mut list = Vec::new();
    for (index, port) in core.appliance.ports.iter().enumerate() {
        let from = shown_from(core, since, index).unwrap_or(&never);
        let handle = port.handle();
        let device = core
            .config
            .port(&port.name)
            .map_or_else(String::new, |p| match &p.device {
                Device::Pci(address) => address.to_string(),
                Device::Vdev(vdev) => vdev.as_str().to_owned(),
            });
        let mut used_for = String::new();
        let mut dropped = BTreeMap::new();
        if core.appliance.ha_index == Some(index) {
            used_for = "ha".into();
        }
        for (number, pair) in core.appliance.pairs.iter().enumerate() {
            let snapshot = counted.get(&number);
            if pair.ports[0] == index {
                used_for = format!("lan of {}", pair.name);
                dropped = snapshot
                    .map(|s| drops(&from.side(&s.lan)))
                    .unwrap_or_default();
            } else if pair.ports[1] == index {
                used_for = format!("wan of {}", pair.name);
                dropped = snapshot
                    .map(|s| drops(&from.side(&s.wan)))
                    .unwrap_or_default();
            }
        }
        let mut forwarded = BTreeMap::new();
        let mut punted = BTreeMap::new();
        if let Some(l3) = core.l3.as_ref().filter(|l3| l3.method(index).is_some()) {
            used_for = format!("interface {}", l3.names_on(index).join(", "));
            if let Some(snapshot) = routed(core, index) {
                let snapshot = from.l3(&snapshot);
                let causes = L3Drop::ALL.iter().map(|&c| (c.name(), snapshot.drops(c)));
                dropped = some(causes);
                let reasons = L3Punt::ALL.iter().map(|&p| (p.name(), snapshot.punts(p)));
                punted = some(reasons);
                let families = [("IPv4", snapshot.forwarded4), ("IPv6", snapshot.forwarded6)];
                forwarded = some(families.into_iter());
            }
        }
        let virtual_mac = core.l3.as_ref().and_then(|l3| l3.method(index));
        let stats = handle.stats().ok().map(|stats| from.stats(stats));
        list.push(PortStatus {
            name: port.name.clone(),
            device,
            driver: handle.info().map(|i| i.driver).unwrap_or_default(),
            used_for,
            virtual_mac: virtual_mac.map(|method| method.to_string()),
            mac: handle.mac().map(|m| m.to_string()).unwrap_or_default(),
            link_up: port.last_carrier(),
            carrier_source: port.carrier_source(),
            speed_mbps: handle.link().ok().and_then(|l| l.speed_mbps),
            taken_down_by_us: port.taken_down_by(Holder::Propagation),
            taken_down_by_operator: port.taken_down_by(Holder::Operator),
            promiscuous: handle.promiscuous().ok(),
            counters: stats.map_or_else(PortCounters::default, |s| PortCounters {
                rx_packets: s.rx_packets,
                rx_bytes: s.rx_bytes,
                tx_packets: s.tx_packets,
                tx_bytes: s.tx_bytes,
                rx_missed: s.rx_missed,
                rx_errors: s.rx_errors,
                tx_errors: s.tx_errors,
                rx_no_buffer: s.rx_no_mbuf,
            }),
            drops: dropped,
            forwarded,
            punted,
        });
    }
    list
}

/// Those that were counted at all.
fn some<'a>(all: impl Iterator<Item = (&'a str, u64)>) -> BTreeMap<String, u64> {
    let some = all.filter(|(_, count)| *count > 0);
    some.map(|(name, count)| (name.to_owned(), count)).collect()
}

/// From where on a port's counters are shown; `None`: from the start.
fn shown_from(core: &ManagementCore, since: Counted, port: usize) -> Option<&ShownFrom> {
    match since {
        Counted::SinceClear => core.shown_from.get(&port),
        Counted::SinceStart => None,
    }
}

/// What the workers counted at a port of layer 3.
pub(crate) fn routed(core: &ManagementCore, port: usize) -> Option<L3PortSnapshot> {
    let snapshots = core.appliance.workers.iter();
    let all = snapshots.flat_map(|w| w.links.counters.snapshot().l3);
    let of = all.filter(|found| usize::from(found.index) == port);
    of.reduce(|mut sum, more| {
        sum.add(&more);
        sum
    })
}

/// All link pairs. Metrics, whose totals must never go back, want [`Counted::SinceStart`].
#[must_use]
pub fn link_pairs(core: &ManagementCore, since: Counted) -> Vec<LinkPairStatus> {
    let counted = counted(core);
    let shown = |port: usize, side: SideSnapshot| match shown_from(core, since, port) {
        Some(from) => from.side(&side),
        None => side,
    };
    let rates = core.node.bandwidth();
    let mut list = Vec::new();
    let states = core.node.link_pairs();
    for (index, (pair, state)) in core.appliance.pairs.iter().zip(states).enumerate() {
        let leg = |side: Side| {
            let at = match side {
                Side::Lan => pair.ports[0],
                Side::Wan => pair.ports[1],
            };
            LegStatus {
                port: core
                    .appliance
                    .ports
                    .get(at)
                    .map(|p| p.name.clone())
                    .unwrap_or_default(),
                up: state.seen().side(side),
                taken_down_by_us: state.propagated() == Some(side),
                taken_down_by_operator: core
                    .appliance
                    .ports
                    .get(at)
                    .is_some_and(|p| p.taken_down_by(Holder::Operator)),
                macs: u32::try_from(core.node.macs_known(index, side)).unwrap_or(u32::MAX),
            }
        };
        let snapshot = counted.get(&index);
        // What comes in on one side goes out on the other.
        let direction = |from: Option<&SideSnapshot>, to: Option<&SideSnapshot>, bps: u64| {
            let (Some(from), Some(to)) = (from, to) else {
                return DirectionStatus::default();
            };
            let mut dropped = drops(from);
            dropped.remove("tx_full");
            if to.dropped_tx_full > 0 {
                dropped.insert("tx_full".into(), to.dropped_tx_full);
            }
            DirectionStatus {
                rx_packets: from.rx_packets,
                rx_bytes: from.rx_bytes,
                tx_packets: to.tx_packets,
                tx_bytes: to.tx_bytes,
                bps,
                drops: dropped,
            }
        };
        let lan = snapshot.map(|s| shown(pair.ports[0], s.lan));
        let wan = snapshot.map(|s| shown(pair.ports[1], s.wan));
        let (lan, wan) = (lan.as_ref(), wan.as_ref());
        // The meter sums all pairs: a rate of one pair is only known where there is one.
        let alone = core.appliance.pairs.len() == 1;
        let bps = |rate: u64| if alone { rate } else { 0 };
        list.push(LinkPairStatus {
            name: pair.name.clone(),
            up: state.up(),
            lan: leg(Side::Lan),
            wan: leg(Side::Wan),
            gate_wanted: pair.gate.wanted().0.to_string(),
            gate_adopted: pair.gate.acked().0.to_string(),
            lan_to_wan: direction(lan, wan, bps(rates.lan_to_wan_bps)),
            wan_to_lan: direction(wan, lan, bps(rates.wan_to_lan_bps)),
        });
    }
    list
}

pub(crate) fn events(
    core: &ManagementCore,
    last: Option<u32>,
    after: Option<u64>,
) -> Vec<control::Event> {
    let all = core.node.events();
    let unknown = |e: &&Event| after.is_none_or(|seq| e.seq > seq);
    let all: Vec<&Event> = all.filter(unknown).collect();
    let keep = last.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
    let skip = all.len().saturating_sub(keep);
    all.iter()
        .skip(skip)
        .map(|e| event(&core.config, e))
        .collect()
}

/// One event in the operator's words.
#[must_use]
pub fn event(config: &Config, event: &Event) -> control::Event {
    let pair_name = |pair: u16| {
        let pair = config.link_pairs.get(usize::from(pair));
        pair.map_or_else(|| "?".to_owned(), |p| p.name.clone())
    };
    let (what, from, to, detail) = match &event.subject {
        Subject::Role { from, to } => (
            "role".to_owned(),
            from.to_string(),
            to.to_string(),
            String::new(),
        ),
        Subject::Health { peer, from, to } => (
            format!("peer {peer} health"),
            from.to_string(),
            to.to_string(),
            String::new(),
        ),
        Subject::LinkPair { pair, up } => {
            let (from, to) = if *up { ("down", "up") } else { ("up", "down") };
            (
                format!("link pair {}", pair_name(*pair)),
                from.into(),
                to.into(),
                String::new(),
            )
        }
        Subject::Port { pair, side, up } => {
            let ends = config.link_pairs.get(usize::from(*pair));
            let port = ends.map_or("?", |p| match side {
                Side::Lan => p.lan.as_str(),
                Side::Wan => p.wan.as_str(),
            });
            let (from, to) = if *up {
                ("taken down", "let up")
            } else {
                ("up", "taken down")
            };
            let detail = format!("link pair {}", pair_name(*pair));
            (format!("port {port}"), from.into(), to.into(), detail)
        }
        Subject::Handover { successor } => (
            "hand-over".into(),
            String::new(),
            format!("instance {successor}"),
            String::new(),
        ),
        Subject::Card { pair, from, to } => (
            format!("bypass {}", pair_name(*pair)),
            from.map(|path| path.to_string()).unwrap_or_default(),
            to.to_string(),
            String::new(),
        ),
        Subject::VirtualRouter { name, from, to } => (
            format!("virtual router {name}"),
            (*from).into(),
            (*to).into(),
            String::new(),
        ),
        Subject::Flap { count } => (
            "flaps".into(),
            String::new(),
            count.to_string(),
            String::new(),
        ),
        Subject::Alarm(alarm) => (
            format!("alarm {}", alarm.name()),
            String::new(),
            String::new(),
            alarm_text(config, alarm),
        ),
        Subject::Note(text) => ("note".into(), String::new(), String::new(), text.clone()),
    };
    control::Event {
        seq: event.seq,
        time_unix_ms: event.unix_ms,
        what,
        from,
        to,
        why: event.why.to_string(),
        detail,
    }
}

fn config(core: &ManagementCore) -> ConfigStatus {
    ConfigStatus {
        path: core.around.config_path.display().to_string(),
        digest: hex(core.node.config_digest()),
        toml: core.config.to_toml().unwrap_or_default(),
        config: serde_json::to_value(&core.config).unwrap_or_default(),
    }
}
