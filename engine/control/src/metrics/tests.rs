use super::*;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::{
    Alarm, BypassStatus, HaStatus, Histogram, LcoreStatus, LinkPairStatus, PathStatus, PeerStatus,
    PortCounters, PortStatus, RoleChanges, Server, VirtualRouterStatus,
};

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// An appliance that has something of everything.
fn full() -> MetricsStatus {
    let histogram = || Histogram {
        buckets: vec![(0.001, 1)],
        count: 2,
        sum_seconds: 0.5,
    };
    let mut of = MetricsStatus {
        ha: HaStatus {
            role: "ACTIVE".into(),
            mode: "active-passive".into(),
            config_digest: "00ff".into(),
            flaps: 2,
            flaps_max: 6,
            ..HaStatus::default()
        },
        alarm_names: vec!["no_active".into(), "one_way".into()],
        heartbeat_lateness: histogram(),
        last_role_change_unix_ms: Some(1_700_000_000_123),
        ..MetricsStatus::default()
    };
    of.version.version = "1.2.3".into();
    of.version.dpdk = "DPDK 22.11".into();
    of.bandwidth.lan_to_wan_bps = 5;
    of.ha.heartbeat_drops.insert("bad_key".into(), 4);
    of.ha.alarms.push(Alarm {
        name: "one_way".into(),
        ..Alarm::default()
    });
    of.role_changes.push(RoleChanges {
        from: "PASSIVE".into(),
        to: "ACTIVE".into(),
        reason: "peer_unhealthy".into(),
        count: 3,
    });
    of.ha.peers.push(PeerStatus {
        id: 2,
        health: "HEALTHY".into(),
        role: "PASSIVE".into(),
        last_heard_ms_ago: Some(40),
        missed: 1,
        threshold: 5,
        paths: vec![PathStatus {
            name: "in-band".into(),
            health: "HEALTHY".into(),
            ..PathStatus::default()
        }],
        ..PeerStatus::default()
    });
    of.peer_rtt.insert(2, histogram());
    of.peer_checks_failed.insert(2, 9);
    of.link_pairs.push(LinkPairStatus {
        name: "wire".into(),
        up: true,
        ..LinkPairStatus::default()
    });
    of.bypass.push(BypassStatus {
        pair: "wire".into(),
        card: "Silicom".into(),
        found: true,
        wanted: Some("inline".into()),
        path: Some("bypass".into()),
        source: "sensed".into(),
        ..BypassStatus::default()
    });
    of.bypass_wanted.insert("wire".into(), "inline".into());
    let mut port = PortStatus {
        name: "lan".into(),
        link_up: true,
        speed_mbps: Some(10_000),
        counters: PortCounters {
            rx_bytes: 64,
            ..PortCounters::default()
        },
        ..PortStatus::default()
    };
    port.drops.insert("gate".into(), 11);
    port.forwarded.insert("IPv4".into(), 1);
    port.punted.insert("arp".into(), 1);
    of.ports.push(port);
    of.lcores.push(LcoreStatus {
        lcore: 1,
        role: "worker".into(),
        busy_ratio: 0.25,
        ..LcoreStatus::default()
    });
    of.virtual_routers.routers.push(VirtualRouterStatus {
        name: "gateway".into(),
        state: "backup".into(),
        priority: 100,
        ..VirtualRouterStatus::default()
    });
    of.virtual_routers.advert_drops.insert("ttl".into(), 1);
    of.interfaces.interfaces.push(crate::InterfaceStatus {
        name: "inside".into(),
        up: true,
        kernel: Some("tl0".into()),
        ..crate::InterfaceStatus::default()
    });
    of.interfaces.slow_path.insert("echo".into(), 1);
    of.interfaces.slow_path_drops.insert("ttl".into(), 1);
    of
}

/// Every line is a comment or a sample of the family that the comment above it names, and a series
/// is there once.
fn well_formed(text: &str) {
    let (mut family, mut kind) = (String::new(), String::new());
    let mut families = BTreeSet::new();
    let mut series = BTreeSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(help.ends_with('.'), "{line}");
            assert!(families.insert(name.to_owned()), "{name} twice");
            family = name.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            kind = rest.strip_prefix(&format!("{family} ")).unwrap().to_owned();
            assert_eq!(kind == "counter", family.ends_with("_total"), "{family}");
        } else {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(series.insert(name.to_owned()), "{name} twice");
            value.parse::<f64>().unwrap();
            let bare = name.split('{').next().unwrap();
            let rest = bare.strip_prefix(&family).unwrap();
            let parts = ["_bucket", "_sum", "_count"];
            assert!(
                rest.is_empty() != (kind == "histogram")
                    && (rest.is_empty() || parts.contains(&rest)),
                "{line} in {family}"
            );
        }
    }
}

#[test]
fn everything_that_there_is_has_its_metric() {
    let text = metrics_text(&full());
    well_formed(&text);
    well_formed(&metrics_text(&MetricsStatus::default()));
    for line in [
        r#"twinline_build_info{version="1.2.3",dpdk="DPDK 22.11"} 1"#,
        r#"twinline_config_info{digest="00ff"} 1"#,
        r#"twinline_role{role="ACTIVE"} 1"#,
        r#"twinline_role{role="PASSIVE"} 0"#,
        r#"twinline_role_changes_total{from="PASSIVE",to="ACTIVE",reason="peer_unhealthy"} 3"#,
        "twinline_last_role_change_timestamp_seconds 1700000000.123",
        "twinline_flaps 2",
        "twinline_flaps_max 6",
        r#"twinline_alarm{name="no_active"} 0"#,
        r#"twinline_alarm{name="one_way"} 1"#,
        r#"twinline_peer_up{peer="2"} 1"#,
        r#"twinline_peer_checks_failed_total{peer="2"} 9"#,
        r#"twinline_peer_heartbeat_age_seconds{peer="2"} 0.04"#,
        r#"twinline_peer_path_up{peer="2",path="in_band"} 1"#,
        r#"twinline_peer_rtt_seconds_bucket{peer="2",le="+Inf"} 2"#,
        r#"twinline_heartbeats_dropped_total{cause="bad_key"} 4"#,
        "twinline_heartbeat_lateness_seconds_sum 0.5",
        r#"twinline_link_pair_up{pair="wire"} 1"#,
        "twinline_active_link_pairs 1",
        r#"twinline_bypass_path{pair="wire",path="inline",source="wanted"} 1"#,
        r#"twinline_bypass_path{pair="wire",path="inline",source="commanded"} 1"#,
        r#"twinline_bypass_path{pair="wire",path="inline",source="sensed"} 0"#,
        r#"twinline_bypass_path{pair="wire",path="bypass",source="sensed"} 1"#,
        r#"twinline_rx_bytes_total{port="lan"} 64"#,
        r#"twinline_dropped_packets_total{port="lan",cause="gate"} 11"#,
        r#"twinline_port_speed_bytes_per_second{port="lan"} 1250000000"#,
        r#"twinline_lcore_busy_ratio{lcore="1"} 0.25"#,
        r#"twinline_virtual_router_state{router="gateway",state="backup"} 1"#,
        r#"twinline_virtual_router_state{router="gateway",state="active"} 0"#,
        r#"twinline_interface_up{interface="inside"} 1"#,
    ] {
        assert!(text.lines().any(|l| l == line), "{line}\n{text}");
    }
}

#[test]
fn a_card_that_only_remembers_has_sensed_nothing() {
    let mut of = full();
    of.bypass[0].source = "shadow".into();
    let text = metrics_text(&of);
    assert!(!text.contains("source=\"sensed\"} 1"), "{text}");
}

#[test]
fn scrapes_ask_the_engine_five_times_a_second_at_most_and_say_when_it_is_silent() {
    let folder = tempfile::tempdir().unwrap();
    let (control, calls) =
        Server::bind(folder.path().join("s"), &crate::Access::default()).unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let silent = Arc::new(AtomicBool::new(false));
    let counted = (asked.clone(), silent.clone());
    // Ends with the server, whose channel it reads.
    std::thread::spawn(move || {
        let (asked, silent) = counted;
        let mut kept = Vec::new();
        for call in calls {
            assert_eq!(call.request(), &Request::ShowMetrics);
            asked.fetch_add(1, Ordering::SeqCst);
            if silent.load(Ordering::SeqCst) {
                kept.push(call);
            } else {
                call.answer(Reply::Ok(Payload::Metrics(Box::new(full()))));
            }
        }
    });
    let turns = Arc::new(AtomicBool::new(true));
    let healthy = turns.clone();
    let server = MetricsServer::bind("127.0.0.1:0".parse().unwrap(), control.asker(), move || {
        healthy.load(Ordering::SeqCst)
    })
    .unwrap();
    let address = server.address();
    let begin = Instant::now();
    for _ in 0..20 {
        let answer = get(address, "/metrics");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("text/plain; version=0.0.4"));
        assert!(answer.contains("\ntwinline_role{role=\"ACTIVE\"} 1\n"));
    }
    let most = begin.elapsed().as_millis() / FRESH.as_millis() + 1;
    let seen = asked.load(Ordering::SeqCst);
    assert!(seen >= 1 && seen as u128 <= most, "{seen} of {most}");
    std::thread::sleep(FRESH);
    get(address, "/metrics");
    assert_eq!(asked.load(Ordering::SeqCst), seen + 1);

    assert!(get(address, "/healthz").starts_with("HTTP/1.1 200 OK\r\n"));
    turns.store(false, Ordering::SeqCst);
    assert!(get(address, "/healthz").starts_with("HTTP/1.1 503 "));
    assert!(get(address, "/").starts_with("HTTP/1.1 404 "));
    // It does not answer: no old figures are shown for new ones.
    silent.store(true, Ordering::SeqCst);
    std::thread::sleep(FRESH);
    let answer = get(address, "/metrics");
    assert!(
        answer.starts_with("HTTP/1.1 503 ") && answer.contains("did not answer"),
        "{answer}"
    );
}
