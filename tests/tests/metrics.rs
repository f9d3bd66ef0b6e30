//! Metrics of real engines: scraped as Prometheus does, checked by promtool where it can be had, and
//! named by the dashboard and the alert rules of docs/monitoring. And DPDK's telemetry.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, not excepted"
)]

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use twinline_tests::engine::{self, Settings};
use twinline_tests::lab::{CardSetUp, Lab};
use twinline_tests::panel::CardKind;
use twinline_tests::sys::HeldThread;
use twinline_tests::topology::{Shape, Side};
use twinline_tests::{netns, promtool};

const SETTLE: Duration = Duration::from_secs(40);
const CHANGE: Duration = Duration::from_secs(15);
const ROUND_TRIPS: &str = "twinline_peer_rtt_seconds_count{peer=\"2\"}";
const LATENESS: &str = "twinline_heartbeat_lateness_seconds_count";

fn settings(in_band: bool) -> Settings {
    Settings {
        interval_ms: 50,
        threshold: 5,
        preempt_delay_s: 3600,
        in_band,
        huge: engine::hugepages_suffice(),
        cores: (0, 1),
    }
}

/// Starts the engine of a side again, with metrics at `address` and telemetry.
fn with_metrics(lab: &mut Lab, side: Side, address: &str) {
    netns::ip(lab.topology.appliance(side), "link set lo up").unwrap();
    let path = lab.engine(side).config.clone();
    let text = fs::read_to_string(&path).unwrap();
    let text = text.replace("telemetry = false", "telemetry = true");
    let text = format!("{text}\n[metrics]\naddress = \"{address}\"\n");
    fs::write(&path, text).unwrap();
    lab.kill(side).unwrap();
    lab.restart(side).unwrap();
}

/// The answer to a GET from within the appliance's namespace: its head and its body.
fn get(lab: &Lab, side: Side, address: &str, path: &str) -> (String, String) {
    let address: SocketAddr = address.parse().unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let answer = netns::inside(lab.topology.appliance(side), || {
        let mut stream = TcpStream::connect_timeout(&address, CHANGE)?;
        stream.set_read_timeout(Some(CHANGE))?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    });
    let answer = answer.unwrap_or_else(|e| panic!("{e}\n{}", lab.logs()));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

fn scrape(lab: &Lab, side: Side, address: &str) -> String {
    let (head, body) = get(lab, side, address, "/metrics");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}\n{body}");
    body
}

/// The value of a series.
fn of(text: &str, series: &str) -> f64 {
    let lines = text.lines().filter_map(|line| line.rsplit_once(' '));
    let mut found = lines.filter(|(name, _)| *name == series);
    let found = found
        .next()
        .unwrap_or_else(|| panic!("no {series}\n{text}"));
    found.1.parse().unwrap()
}

/// The names that have a sample.
fn names(text: &str) -> BTreeSet<String> {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let bare = samples.map(|line| line.split(['{', ' ']).next().unwrap_or_default());
    bare.map(str::to_owned).collect()
}

fn promtool_likes(text: &str) {
    match promtool::find() {
        None => println!("skipped: promtool is not there (setup/promtool.sh)"),
        Some(tool) => {
            let checked = promtool::check(&tool, Path::new("/"), &["check", "metrics"], text);
            let (Ok(said) | Err(said)) = checked;
            // Bandwidth is in bits, as its setting is, and as the operator's page says.
            let bits = |line: &&str| {
                line.contains("bandwidth")
                    && line.ends_with("use base unit \"bytes\" instead of \"bits\"")
            };
            let other: Vec<&str> = said.lines().filter(|line| !bits(line)).collect();
            assert!(other.is_empty(), "{other:#?}\n{text}");
            assert!(
                said.lines().any(|line| bits(&line)),
                "it did not run: {said}"
            );
        }
    }
}

fn monitoring() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/monitoring")
}

/// What a text calls by a name of ours.
fn named_in(text: &str) -> BTreeSet<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c| !word(c));
    let ours = words.filter(|w| w.starts_with("twinline_"));
    ours.map(str::to_owned).collect()
}

#[test]
fn rules_are_good_and_fire_when_they_should() {
    let Some(tool) = promtool::find() else {
        println!("skipped: promtool is not there (setup/promtool.sh)");
        return;
    };
    let folder = monitoring();
    let check = |arguments: &[&str]| promtool::check(&tool, &folder, arguments, "");
    check(&["check", "rules", "alerts.yml"]).unwrap();
    check(&["test", "rules", "alerts_test.yml"]).unwrap();
    // Every rule has a test in which it fires.
    let read = |name| fs::read_to_string(folder.join(name)).unwrap();
    let (rules, tests) = (read("alerts.yml"), read("alerts_test.yml"));
    let alerts = rules
        .lines()
        .filter_map(|l| l.trim().strip_prefix("- alert: "));
    for alert in alerts {
        let fires = format!("alertname: {alert}\n        exp_alerts:");
        assert!(tests.contains(&fires), "{alert} fires in no test");
    }
}

#[test]
fn every_metric_of_the_dashboard_and_the_rules_is_in_a_scrape() {
    let mut seen = BTreeSet::new();
    seen.append(&mut of_a_pair());
    seen.append(&mut of_cards());
    seen.append(&mut of_routers());
    for file in ["dashboard.json", "alerts.yml", "alerts_test.yml"] {
        let text = fs::read_to_string(monitoring().join(file)).unwrap();
        if file.ends_with("json") {
            serde_json::from_str::<Value>(&text).unwrap();
        }
        let named = named_in(&text);
        assert!(named.len() > 10, "{file}: {named:?}");
        let missing: Vec<_> = named.difference(&seen).collect();
        assert!(missing.is_empty(), "{file} names {missing:?}");
    }
}

/// Lets a namespace's loopback have ::1; false where the kernel has no IPv6.
fn ipv6_on_loopback(lab: &Lab, side: Side) -> bool {
    let path = Path::new("/proc/sys/net/ipv6/conf/lo/disable_ipv6");
    netns::inside(lab.topology.appliance(side), || match path.exists() {
        true => fs::write(path, "0").map(|()| true),
        false => Ok(false),
    })
    .unwrap()
}

/// A pair of bumps in the wire, over IPv6 where there is some, with two paths of heartbeats.
fn of_a_pair() -> BTreeSet<String> {
    let binary = engine::find(None).unwrap();
    let mut lab = Lab::up(&binary, settings(true)).unwrap();
    let at = if ipv6_on_loopback(&lab, Side::A) {
        "[::1]:9469"
    } else {
        "127.0.0.1:9469"
    };
    with_metrics(&mut lab, Side::A, at);
    let active = lab.settle(None, SETTLE).unwrap();
    lab.engine(active).ctl("ha switchover").unwrap();
    lab.settle(Some(active.other()), SETTLE).unwrap();
    if active == Side::B {
        lab.engine(Side::A).ctl("ha switchover").unwrap();
        lab.settle(Some(Side::B), SETTLE).unwrap();
    }
    let text = scrape(&lab, Side::A, at);
    promtool_likes(&text);
    assert_eq!(of(&text, "twinline_role{role=\"PASSIVE\"}"), 1.0);
    assert_eq!(of(&text, "twinline_role{role=\"ACTIVE\"}"), 0.0);
    let changed = "twinline_role_changes_total{from=\"ACTIVE\",to=\"PASSIVE\",\
                   reason=\"operator_switchover\"}";
    assert_eq!(of(&text, changed), 1.0);
    assert_eq!(of(&text, "twinline_peer_up{peer=\"2\"}"), 1.0);
    for path in ["ha", "in_band"] {
        let series = format!("twinline_peer_path_up{{peer=\"2\",path=\"{path}\"}}");
        assert_eq!(of(&text, &series), 1.0, "{path}");
    }
    // A heartbeat each 50 ms fills the distributions.
    let before = [ROUND_TRIPS, LATENESS].map(|series| of(&text, series));
    std::thread::sleep(Duration::from_secs(2));
    let later = scrape(&lab, Side::A, at);
    for (series, before) in [ROUND_TRIPS, LATENESS].into_iter().zip(before) {
        let grown = of(&later, series) - before;
        assert!((10.0..=60.0).contains(&grown), "{series}: {grown} in 2 s");
    }
    assert!(of(&text, "twinline_lcore_iterations_total{lcore=\"1\"}") > 0.0);
    assert_eq!(of(&text, "twinline_alarm{name=\"no_active\"}"), 0.0);
    never_back(&lab, at, &text);
    telemetry_answers(&lab);

    let (head, body) = get(&lab, Side::A, at, "/healthz");
    assert!(
        head.starts_with("HTTP/1.1 200 OK") && body == "ok\n",
        "{head}"
    );
    // The management loop runs in the first thread: held, nothing is healthy any more.
    let held = HeldThread::hold(lab.engine(Side::A).pid().unwrap()).unwrap();
    std::thread::sleep(Duration::from_millis(2500));
    let (head, _) = get(&lab, Side::A, at, "/healthz");
    assert!(head.starts_with("HTTP/1.1 503"), "{head}");
    let (head, body) = get(&lab, Side::A, at, "/metrics");
    assert!(head.starts_with("HTTP/1.1 503"), "{head}\n{body}");
    drop(held);
    let begin = Instant::now();
    while !get(&lab, Side::A, at, "/healthz")
        .0
        .starts_with("HTTP/1.1 200")
    {
        assert!(begin.elapsed() < CHANGE);
        std::thread::sleep(Duration::from_millis(50));
    }
    names(&text)
}

/// Counters of two scrapes: none is less in the second.
fn never_back(lab: &Lab, address: &str, first: &str) {
    std::thread::sleep(Duration::from_millis(500));
    let second = scrape(lab, Side::A, address);
    let counter = |series: &str| {
        let name = series.split('{').next().unwrap_or_default();
        ["_total", "_bucket", "_sum", "_count"]
            .iter()
            .any(|end| name.ends_with(end))
    };
    let samples = first.lines().filter(|line| !line.starts_with('#'));
    let mut grown = 0;
    for (series, before) in samples.filter_map(|line| line.rsplit_once(' ')) {
        if !counter(series) {
            continue;
        }
        let (before, now) = (before.parse::<f64>().unwrap(), of(&second, series));
        assert!(now >= before, "{series}: {before}, then {now}");
        grown += u32::from(now > before);
    }
    assert!(grown > 5, "{grown} counters grew");
}

/// As `dpdk-telemetry.py` speaks.
fn telemetry_answers(lab: &Lab) {
    use socket2::{Domain, SockAddr, Socket, Type};
    let prefix = format!("{}-a", lab.run().prefix());
    let path = format!("/var/run/dpdk/{prefix}/dpdk_telemetry.v2");
    let mut socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    socket.set_read_timeout(Some(CHANGE)).unwrap();
    socket.connect(&SockAddr::unix(path).unwrap()).unwrap();
    let mut buffer = vec![0; 16 << 10];
    let _greeting = socket.read(&mut buffer).unwrap();
    let mut ask = |command: &str| -> Value {
        socket.write_all(command.as_bytes()).unwrap();
        let length = socket.read(&mut buffer).unwrap();
        let mut answer: Value = serde_json::from_slice(&buffer[..length]).unwrap();
        answer[command.split(',').next().unwrap()].take()
    };
    let state = ask("/ha/state");
    assert_eq!(state["role"], "PASSIVE", "{state}");
    assert_eq!(state["role_reason"], "operator_switchover");
    assert_eq!(state["flaps_max"], 0);
    assert!(state["alarms"].is_array() && state["age_ms"].is_u64());
    assert_eq!(ask("/ha/peers"), serde_json::json!(["2"]));
    let peer = ask("/ha/peers,2");
    assert_eq!(peer["health"], "HEALTHY", "{peer}");
    assert_eq!(peer["paths"]["0"]["name"], "HA", "{peer}");
    assert!(ask("/ha/peers,7").is_null());
    let events = ask("/ha/events");
    let events = events.as_object().unwrap();
    assert!(
        events.values().any(|e| e["why"] == "operator_switchover"),
        "{events:?}"
    );
    assert!(ask("/ethdev/list").is_array());
}

/// A pair behind bypass cards.
fn of_cards() -> BTreeSet<String> {
    let cards = CardSetUp {
        shape: Shape::SeriesBehindCards,
        kind: CardKind::Silicom,
        watchdog_ms: 2000,
        max_flaps: 6,
    };
    let binary = engine::find(None).unwrap();
    let mut lab = Lab::up_with_cards(&binary, settings(false), cards).unwrap();
    const AT: &str = "127.0.0.1:9469";
    with_metrics(&mut lab, Side::A, AT);
    lab.settle(None, SETTLE).unwrap();
    let inline = |source: &str| {
        format!("twinline_bypass_path{{pair=\"wire\",path=\"inline\",source=\"{source}\"}}")
    };
    let begin = Instant::now();
    loop {
        let text = scrape(&lab, Side::A, AT);
        let there = ["wanted", "commanded", "sensed"].map(|source| of(&text, &inline(source)));
        if there == [1.0; 3] {
            promtool_likes(&text);
            assert_eq!(of(&text, "twinline_bypass_card_up{pair=\"wire\"}"), 1.0);
            return names(&text);
        }
        assert!(begin.elapsed() < CHANGE, "{there:?}\n{text}");
        std::thread::sleep(Duration::from_millis(250));
    }
}

/// A pair of routers.
fn of_routers() -> BTreeSet<String> {
    let binary = engine::find(None).unwrap();
    let mut lab = Lab::up_routed(&binary, settings(false)).unwrap();
    const AT: &str = "0.0.0.0:9470";
    with_metrics(&mut lab, Side::A, AT);
    lab.settle(None, SETTLE).unwrap();
    // One advert that no virtual router takes would do; what is not counted yet is named at least.
    let text = scrape(&lab, Side::A, "127.0.0.1:9470");
    promtool_likes(&text);
    let states = text
        .lines()
        .filter(|line| line.starts_with("twinline_virtual_router_state{") && line.ends_with(" 1"));
    assert!(states.count() > 0, "{text}");
    let families = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let counted_later = families
        .filter_map(|family| family.split(' ').next())
        .filter(|name| *name == "twinline_adverts_dropped_total");
    let counted_later: Vec<String> = counted_later.map(str::to_owned).collect();
    names(&text).into_iter().chain(counted_later).collect()
}
