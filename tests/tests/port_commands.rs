//! What an operator asks of ports while a pair runs: looks, counters, links, captures. None of it
//! moves the role or loses a probe, unless it was forced to.
//!
//! One lab for the link pair's part and one for the routers': what is asked there is asked one after
//! the other. Needs root and tshark (setup/interop.sh).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which clippy.toml does not except"
)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use twinline_control::{CaptureStatus, Client, HeartbeatDump, Payload, PortStatus, Reply, Request};
use twinline_tests::engine::{self, Settings};
use twinline_tests::l3::ours;
use twinline_tests::lab::Lab;
use twinline_tests::probe::udp::UdpProbe;
use twinline_tests::scenes;
use twinline_tests::topology::{Leg, Side};

const SETTLE: Duration = Duration::from_secs(40);
const CHANGE: Duration = Duration::from_secs(20);

/// Labs share two cores: one at a time.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A disk of a megabyte.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Before the engines start: they live in mount namespaces of their own.
    fn mount(folder: &Path) -> Self {
        let path = folder.join("small");
        fs::create_dir(&path).unwrap();
        let words = ["-t", "tmpfs", "-o", "size=1m", "small"];
        let mounted = Command::new("mount").args(words).arg(&path).status();
        assert!(mounted.unwrap().success());
        Self(path)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the engines' namespaces may still have it.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn ask(lab: &Lab, side: Side, request: &Request) -> Reply {
    let socket = &lab.engine(side).socket;
    let client = Client::connect(socket).unwrap();
    let mut client = client.with_time(Duration::from_secs(12));
    client.call(request).unwrap()
}

fn shown(lab: &Lab, side: Side, request: &Request) -> Payload {
    match ask(lab, side, request) {
        Reply::Ok(payload) => payload,
        other => panic!("{request:?}: {other:?}\n{}", lab.logs()),
    }
}

fn done(lab: &Lab, side: Side, request: &Request) -> String {
    match shown(lab, side, request) {
        Payload::Done { message } => message,
        other => panic!("{request:?}: {other:?}"),
    }
}

fn refused(lab: &Lab, side: Side, request: &Request, says: &str) {
    match ask(lab, side, request) {
        Reply::Refused { reason } => assert!(reason.contains(says), "{request:?}: {reason}"),
        other => panic!("{request:?} was not refused: {other:?}"),
    }
}

fn ports(lab: &Lab, side: Side) -> BTreeMap<String, PortStatus> {
    match shown(lab, side, &Request::ShowPorts) {
        Payload::Ports(ports) => ports.into_iter().map(|p| (p.name.clone(), p)).collect(),
        other => panic!("{other:?}"),
    }
}

fn captures(lab: &Lab, side: Side) -> Vec<CaptureStatus> {
    match shown(lab, side, &Request::ShowCaptures) {
        Payload::Captures(captures) => captures,
        other => panic!("{other:?}"),
    }
}

fn capture_to(port: &str, file: &Path) -> Request {
    Request::CaptureStart {
        port: port.into(),
        file: file.display().to_string(),
    }
}

fn stop(port: Option<&str>) -> Request {
    Request::CaptureStop {
        port: port.map(str::to_owned),
    }
}

fn link(port: &str, up: bool, force: bool) -> Request {
    Request::SetLink {
        port: port.into(),
        up,
        force,
    }
}

/// Waits until the ports of a side are so.
fn until_ports(
    lab: &Lab,
    side: Side,
    what: &str,
    so: impl Fn(&BTreeMap<String, PortStatus>) -> bool,
) {
    let begin = Instant::now();
    loop {
        let seen = ports(lab, side);
        if so(&seen) {
            return;
        }
        assert!(
            begin.elapsed() < CHANGE,
            "{what}: {seen:#?}\n{}",
            lab.logs()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn operators_look_at_ports_and_do_things_to_them() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let small = SmallDisk::mount(folder.path());
    let settings = Settings {
        interval_ms: 50,
        threshold: 5,
        preempt_delay_s: 3600,
        in_band: true,
        huge: engine::hugepages_suffice(),
        cores: (0, 1),
    };
    let mut lab = Lab::up(&engine::find(None).unwrap(), settings).unwrap();
    lab.settle(None, SETTLE).unwrap();
    scenes::lead(&mut lab, Side::A).unwrap();

    looks(&lab);
    traffic_goes_on(&mut lab, folder.path());
    refusals(&lab, folder.path());
    a_full_disk(&lab, &small.0);
    links(&mut lab);
    ends_with_the_engine(&mut lab, folder.path());
}

#[test]
fn operators_do_things_to_the_ports_of_routers() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        interval_ms: 50,
        threshold: 5,
        preempt_delay_s: 3600,
        in_band: false,
        huge: engine::hugepages_suffice_for(ours::MEMORY_MB),
        cores: ours::cores(),
    };
    let mut lab = Lab::up_routed(&engine::find(None).unwrap(), settings).unwrap();
    lab.settle(None, SETTLE).unwrap();
    scenes::lead(&mut lab, Side::A).unwrap();

    // Without in_band, the HA port is the only path there is.
    for side in Side::BOTH {
        refused(
            &lab,
            side,
            &link("ha", false, false),
            "more than one would be ACTIVE",
        );
    }
    let what = "hand over to instance 2";
    refused(&lab, Side::A, &link("lan", false, false), what);
    let off = Request::SetPromiscuous {
        port: "lan".into(),
        on: false,
    };
    refused(&lab, Side::A, &off, "virtual MAC addresses");

    let file = folder.path().join("wan.pcapng");
    let probe = UdpProbe::start(&lab.topology, 1000).unwrap();
    done(&lab, Side::A, &capture_to("wan", &file));
    std::thread::sleep(Duration::from_secs(2));
    let Payload::Lcores(lcores) = shown(&lab, Side::A, &Request::ShowLcores) else {
        panic!("no lcores");
    };
    assert_eq!(lcores[1].serves, ["interface lan0", "interface wan0"]);
    assert!(lcores[1].packets > 1000, "{lcores:?}");
    let forwarded = |lab: &Lab| ports(lab, Side::A)["wan"].forwarded["IPv4"];
    let before = forwarded(&lab);
    done(&lab, Side::A, &Request::ClearPortStats { port: None });
    assert!(before > 1000 && forwarded(&lab) < before / 2, "{before}");
    done(&lab, Side::A, &stop(Some("wan")));
    let report = probe
        .stop(Duration::from_millis(300), Duration::from_millis(500))
        .unwrap();
    assert_eq!(report.lost(), 0, "{}", lab.logs());
    seen_by_tshark(&file, "wan", "udp.port == 7700", 800);

    // The one that carries nothing loses nothing.
    let said = done(&lab, Side::B, &link("lan", false, false));
    assert!(said.contains("taken down"), "{said}");
    lab.wait_for(Side::B, "unfit", CHANGE, |s| s.is("DOWN"))
        .unwrap();
    assert!(lab.engine(Side::A).status().unwrap().is("ACTIVE"));
}

fn looks(lab: &Lab) {
    let Payload::Version(version) = shown(lab, Side::A, &Request::ShowVersion) else {
        panic!("no version");
    };
    assert!(version.dpdk.starts_with("DPDK "), "{version:?}");
    assert_eq!(Some(version.pid), lab.engine(Side::A).pid());
    assert!(["static", "shared"].contains(&version.linkage.as_str()));
    assert!(version.uptime_ms > 0 && !version.version.is_empty());

    let Payload::Mempools(pools) = shown(lab, Side::A, &Request::ShowMempools) else {
        panic!("no mempools");
    };
    let pool = &pools[0];
    // af_packet keeps no buffers in its rings, so none may be in use just now.
    assert!(pool.size >= 4095 && pool.cache > 0 && pool.data_room_bytes > 1500);
    assert!(pool.available > 0 && pool.in_use + pool.available <= pool.size + 64);

    let Payload::Flaps(flaps) = shown(lab, Side::A, &Request::ShowFlaps) else {
        panic!("no flaps");
    };
    assert_eq!((flaps.max, flaps.on_max.as_str()), (0, "disconnect"));
    assert_eq!(flaps.count as usize, flaps.flaps_ms_ago.len());

    let all = Request::ShowXstats { port: None };
    let Payload::Xstats(xstats) = shown(lab, Side::A, &all) else {
        panic!("no xstats");
    };
    assert_eq!(xstats.len(), 3);
    let names = |name: &str| xstats[0].xstats.iter().any(|(n, _)| n == name);
    assert!(names("rx_good_packets"), "{xstats:?}");
    let one = Request::ShowXstats {
        port: Some("ha".into()),
    };
    match shown(lab, Side::A, &one) {
        Payload::Xstats(one) => assert_eq!((one.len(), one[0].port.as_str()), (1, "ha")),
        other => panic!("{other:?}"),
    }

    heartbeats(lab);
}

/// Sent and received, on both paths, in words, and nothing of the key.
fn heartbeats(lab: &Lab) {
    let Payload::Heartbeats(dumps) = shown(lab, Side::A, &Request::DumpHeartbeat) else {
        panic!("no heartbeats");
    };
    let seen: Vec<_> = dumps
        .iter()
        .map(|d| (d.direction.as_str(), d.instance, d.path.as_str()))
        .collect();
    let expected = [
        ("sent", 1, "HA"),
        ("received", 2, "HA"),
        ("sent", 1, "in-band"),
        ("received", 2, "in-band"),
    ];
    assert_eq!(seen, expected);
    let field = |dump: &HeartbeatDump, name: &str| {
        let found = dump.fields.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    for dump in &dumps {
        assert!(dump.ms_ago < 2000, "{dump:?}");
        assert!(dump.frame.contains("54574e4c"), "TWNL: {dump:?}");
        assert_eq!(field(dump, "instance"), dump.instance.to_string());
        assert_eq!(field(dump, "stack"), "lab");
        assert!(field(dump, "tag").contains("current key"), "{dump:?}");
    }
    assert_eq!(field(&dumps[0], "role"), "ACTIVE");
    assert_eq!(field(&dumps[1], "role"), "PASSIVE");
    assert_eq!(field(&dumps[0], "TTL"), "255");
    assert!(field(&dumps[1], "echo of instance 1").contains("HEALTHY"));
    let key = fs::read_to_string(lab.run().directory().join("stack.key")).unwrap();
    let said = format!("{dumps:?}");
    assert!(!said.contains(key.trim()), "the key is shown");
}

fn traffic_goes_on(lab: &mut Lab, folder: &Path) {
    let begin = SystemTime::now();
    let probe = UdpProbe::start(&lab.topology, 1000).unwrap();
    std::thread::sleep(Duration::from_secs(2));
    let before = ports(lab, Side::A)["lan"].clone();
    assert!(before.counters.rx_packets > 500, "{before:?}");
    assert_eq!(before.promiscuous, Some(true));

    let files = ["lan", "ha"].map(|port| (port, folder.join(format!("{port}.pcapng"))));
    for (port, file) in &files {
        let said = done(lab, Side::A, &capture_to(port, file));
        assert!(said.contains(&format!("port {port} is captured")), "{said}");
        let mode = fs::metadata(file).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
    }
    refused(
        lab,
        Side::A,
        &capture_to("lan", &folder.join("more.pcapng")),
        "already",
    );
    let clear = |port: Option<&str>| Request::ClearPortStats {
        port: port.map(str::to_owned),
    };
    let said = done(lab, Side::A, &clear(Some("lan")));
    assert!(said.contains("lan"), "{said}");
    let after = ports(lab, Side::A);
    assert!(after["lan"].counters.rx_packets < before.counters.rx_packets);
    assert!(after["wan"].counters.rx_packets > 500, "not asked for");
    done(lab, Side::A, &clear(None));
    assert!(ports(lab, Side::A)["wan"].counters.rx_packets < before.counters.rx_packets);
    for _ in 0..20 {
        shown(lab, Side::A, &Request::ShowXstats { port: None });
        shown(lab, Side::A, &Request::ShowLcores);
        std::thread::sleep(Duration::from_millis(100));
    }
    let Payload::Bandwidth(bandwidth) = shown(lab, Side::A, &Request::ShowBandwidth) else {
        panic!("no bandwidth");
    };
    // 1000 probes a second of some hundred bytes, each way: the meter has not noticed the clearing.
    assert!(bandwidth.lan_to_wan_bps > 50_000, "{bandwidth:?}");
    assert!(bandwidth.lan_to_wan_bps < 100_000_000, "{bandwidth:?}");
    let sum = bandwidth.lan_to_wan_bps + bandwidth.wan_to_lan_bps;
    assert_eq!(bandwidth.measured_bps, sum);

    let Payload::Lcores(lcores) = shown(lab, Side::A, &Request::ShowLcores) else {
        panic!("no lcores");
    };
    let roles: Vec<_> = lcores
        .iter()
        .map(|l| (l.lcore, l.cpu, l.role.as_str()))
        .collect();
    assert_eq!(roles, [(0, Some(0), "management"), (1, Some(1), "worker")]);
    assert_eq!(lcores[1].serves, ["pair wire"]);
    for lcore in &lcores {
        assert!(
            lcore.busy_ratio > 0.0 && lcore.busy_ratio <= 1.0,
            "{lcore:?}"
        );
        assert!(lcore.packets > 0 && lcore.busy_iterations <= lcore.iterations);
    }
    assert!(
        lcores[1]
            .cycles_per_packet
            .is_some_and(|cycles| cycles > 10.0)
    );

    let running = captures(lab, Side::A);
    assert_eq!(running.len(), 2);
    assert!(running.iter().all(|c| c.error.is_none() && c.bytes > 0));
    assert!(running[0].frames > 1000, "{running:?}");
    let said = done(lab, Side::A, &stop(None));
    assert!(
        said.contains("port lan") && said.contains("port ha"),
        "{said}"
    );
    assert!(captures(lab, Side::A).is_empty());

    let report = probe
        .stop(Duration::from_millis(300), Duration::from_millis(500))
        .unwrap();
    assert!(report.round_trip.sent > 3000, "{report:?}");
    assert_eq!((report.lost(), report.doubled()), (0, 0), "{}", lab.logs());
    for side in Side::BOTH {
        let changes = scenes::role_changes(lab, side, begin).unwrap();
        assert!(changes.is_empty(), "{changes:?}");
    }

    let [(_, lan), (_, ha)] = &files;
    seen_by_tshark(lan, "lan", "udp.port == 7700", 800);
    seen_by_tshark(ha, "ha", "udp.port == 11211", 10);
}

/// What tshark reads: both directions, the port's name, times of now that never go back by much.
fn seen_by_tshark(file: &Path, port: &str, filter: &str, at_least: usize) {
    let fields = [
        "frame.interface_name",
        "frame.packet_flags_direction",
        "frame.time_epoch",
        "frame.len",
        "frame.cap_len",
    ];
    let mut command = Command::new("tshark");
    command
        .args(["-n", "-T", "fields", "-Y", filter, "-r"])
        .arg(file);
    for field in fields {
        command.args(["-e", field]);
    }
    // setup/interop.sh installs it.
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert!(!errors.contains("appears to be damaged"), "{errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut directions = BTreeMap::<u32, usize>::new();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let mut last = 0.0;
    for line in text.lines() {
        let words: Vec<&str> = line.split('\t').collect();
        let [name, direction, time, length, taken] = words[..] else {
            panic!("{line}");
        };
        assert_eq!((name, length), (port, taken), "{line}");
        let direction = direction.trim_start_matches("0x");
        let direction = u32::from_str_radix(direction, 16).unwrap();
        *directions.entry(direction).or_default() += 1;
        let time: f64 = time.parse().unwrap();
        assert!((now.as_secs_f64() - time).abs() < 60.0, "{line}");
        assert!(time > last - 0.1, "{line}");
        last = time;
    }
    for direction in [1, 2] {
        let count = directions.get(&direction).copied().unwrap_or(0);
        assert!(count >= at_least, "{port}: {directions:?} of {filter}");
    }
}

fn refusals(lab: &Lab, folder: &Path) {
    let there = folder.join("there.pcapng");
    fs::write(&there, "precious").unwrap();
    let dangling = folder.join("link.pcapng");
    symlink(folder.join("target.pcapng"), &dangling).unwrap();
    refused(lab, Side::A, &capture_to("lan", &there), "is there already");
    refused(
        lab,
        Side::A,
        &capture_to("lan", &dangling),
        "is there already",
    );
    assert_eq!(fs::read_to_string(&there).unwrap(), "precious");
    assert!(!folder.join("target.pcapng").exists());
    let nowhere = folder.join("none/x.pcapng");
    refused(lab, Side::A, &capture_to("lan", &nowhere), "No such file");
    refused(
        lab,
        Side::A,
        &capture_to("lan", Path::new("x.pcapng")),
        "relative",
    );
    refused(
        lab,
        Side::A,
        &capture_to("lan", Path::new("/etc/cron.d/x")),
        "end in",
    );
    refused(
        lab,
        Side::A,
        &capture_to("eth7", &folder.join("x.pcapng")),
        "there are: lan, wan, ha",
    );
    refused(lab, Side::A, &stop(None), "no capture");
    refused(lab, Side::A, &stop(Some("lan")), "no capture of port lan");
    assert!(captures(lab, Side::A).is_empty());

    let promiscuous = |port: &str, on| Request::SetPromiscuous {
        port: port.into(),
        on,
    };
    refused(lab, Side::A, &promiscuous("lan", false), "link pair");
    refused(lab, Side::A, &promiscuous("ha", false), "HA port");
    assert!(done(lab, Side::A, &promiscuous("wan", true)).contains("on"));
    let seen = ports(lab, Side::A);
    assert!(seen.values().all(|port| port.promiscuous == Some(true)));
}

/// It ends with its reason; the engine does not notice.
fn a_full_disk(lab: &Lab, disk: &Path) {
    let begin = SystemTime::now();
    let probe = UdpProbe::start(&lab.topology, 3000).unwrap();
    let file = disk.join("full.pcapng");
    done(lab, Side::A, &capture_to("lan", &file));
    let started = Instant::now();
    let ended = loop {
        let seen = captures(lab, Side::A).remove(0);
        if seen.error.is_some() {
            break seen;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{seen:?}");
        std::thread::sleep(Duration::from_millis(50));
    };
    let error = ended.error.as_deref().unwrap_or_default();
    assert!(error.contains("full") || error.contains("space"), "{error}");
    assert!(ended.frames > 1000 && ended.bytes <= 1 << 20, "{ended:?}");
    // A new one takes its place; this disk has no room for it.
    refused(
        lab,
        Side::A,
        &capture_to("lan", &disk.join("next.pcapng")),
        "full",
    );
    let said = ask(lab, Side::A, &stop(Some("lan")));
    assert!(matches!(said, Reply::Refused { .. }), "{said:?}");
    let report = probe
        .stop(Duration::from_millis(300), Duration::from_millis(500))
        .unwrap();
    assert_eq!(report.lost(), 0, "{}", lab.logs());
    let changes = scenes::role_changes(lab, Side::A, begin).unwrap();
    assert!(changes.is_empty(), "{changes:?}");
}

fn links(lab: &mut Lab) {
    refused(
        lab,
        Side::A,
        &link("lan", false, false),
        "hand over to instance 2",
    );
    assert!(ports(lab, Side::A)["lan"].link_up);

    // Forced, the role moves, and the pair's other port goes down with it (rule 17).
    let said = done(lab, Side::A, &link("lan", false, true));
    assert!(said.contains("taken down"), "{said}");
    lab.wait_for(Side::B, "the role", CHANGE, |s| s.is("ACTIVE"))
        .unwrap();
    lab.wait_for(Side::A, "unfit", CHANGE, |s| s.is("DOWN"))
        .unwrap();
    until_ports(lab, Side::A, "wan goes down as well", |ports| {
        ports["lan"].taken_down_by_operator
            && !ports["lan"].taken_down_by_us
            && !ports["lan"].link_up
            && ports["wan"].taken_down_by_us
            && !ports["wan"].taken_down_by_operator
    });
    // Long enough for many polls: nobody lets it up.
    std::thread::sleep(Duration::from_secs(1));
    assert!(!ports(lab, Side::A)["lan"].link_up);
    done(lab, Side::A, &link("lan", true, false));
    until_ports(lab, Side::A, "both up again", both_up);
    lab.wait_for(Side::A, "fit", CHANGE, |s| s.is("PASSIVE"))
        .unwrap();

    // The other way round: what propagation took down, and an operator too, is not let up by the
    // partner's return.
    lab.topology.set_cable(Side::A, Leg::Wan, false).unwrap();
    until_ports(lab, Side::A, "lan goes down for wan", |ports| {
        ports["lan"].taken_down_by_us
    });
    done(lab, Side::A, &link("lan", false, false));
    lab.topology.set_cable(Side::A, Leg::Wan, true).unwrap();
    until_ports(
        lab,
        Side::A,
        "propagation lets go, the operator does not",
        |ports| !ports["lan"].taken_down_by_us && ports["lan"].taken_down_by_operator,
    );
    std::thread::sleep(Duration::from_secs(1));
    assert!(!ports(lab, Side::A)["lan"].link_up);
    done(lab, Side::A, &link("lan", true, false));
    until_ports(lab, Side::A, "both up again", both_up);
    lab.wait_for(Side::A, "fit", CHANGE, |s| s.is("PASSIVE"))
        .unwrap();
}

fn both_up(ports: &BTreeMap<String, PortStatus>) -> bool {
    ["lan", "wan"].iter().all(|name| {
        let port = &ports[*name];
        port.link_up && !port.taken_down_by_us && !port.taken_down_by_operator
    })
}

/// A capture that runs is a whole file when the engine has ended.
fn ends_with_the_engine(lab: &mut Lab, folder: &Path) {
    let file = folder.join("end.pcapng");
    done(lab, Side::A, &capture_to("ha", &file));
    std::thread::sleep(Duration::from_secs(2));
    lab.terminate(Side::A).unwrap();
    seen_by_tshark(&file, "ha", "udp.port == 11211", 10);
}
