//! The lab itself, without an engine: a probe that cannot see a fault proves nothing.
//!
//! These tests make network namespaces and need root.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy.toml does not except"
)]

use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use twinline_tests::netns;
use twinline_tests::probe::broadcast::Broadcasts;
use twinline_tests::probe::tcp::TcpTransfer;
use twinline_tests::probe::udp::UdpProbe;
use twinline_tests::run::{self, Run};
use twinline_tests::sys::{self, RawSocket, Take};
use twinline_tests::topology::{Leg, Side, Topology};

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Two labs at once on two cores would measure each other.
fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn namespaces_of(prefix: &str) -> Vec<String> {
    let own = format!("{prefix}-");
    netns::list()
        .into_iter()
        .filter(|name| name.starts_with(&own))
        .collect()
}

fn lay() -> (Run, Topology) {
    let run = Run::begin().unwrap();
    let topology = Topology::lay(&run).unwrap();
    (run, topology)
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn topology_comes_up_and_goes_away() {
    let _alone = alone();
    let before = netns::command(&["ip", "-o", "link"])
        .unwrap()
        .lines()
        .count();
    let (run, topology) = lay();
    let (prefix, directory) = (run.prefix().to_owned(), run.directory().to_owned());
    assert_eq!(namespaces_of(&prefix).len(), 7);
    for leg in [Leg::Lan, Leg::Wan] {
        for side in Side::BOTH {
            assert!(topology.carrier(side, leg).unwrap());
        }
    }
    // nothing of ours in the machine's own namespace
    assert_eq!(
        netns::command(&["ip", "-o", "link"])
            .unwrap()
            .lines()
            .count(),
        before
    );
    drop(run);
    assert_eq!(namespaces_of(&prefix), Vec::<String>::new());
    assert!(!directory.exists());
}

#[test]
fn topology_goes_away_after_a_panic() {
    let _alone = alone();
    let prefix = Arc::new(Mutex::new(String::new()));
    let shared = Arc::clone(&prefix);
    let outcome = std::thread::spawn(move || {
        let (run, _topology) = lay();
        run.prefix().clone_into(&mut shared.lock().unwrap());
        std::panic::resume_unwind(Box::new("on purpose"));
    })
    .join();
    assert!(outcome.is_err());
    let prefix = prefix.lock().unwrap().clone();
    assert!(!prefix.is_empty());
    assert_eq!(namespaces_of(&prefix), Vec::<String>::new());
}

#[test]
fn processes_of_a_run_go_away_with_it() {
    let _alone = alone();
    let run = Run::begin().unwrap();
    let mut child = run.spawn(Command::new("sleep").arg("600")).unwrap();
    drop(run);
    let status = child.wait().unwrap();
    assert!(!status.success());
}

#[test]
fn nothing_is_made_in_a_run_that_is_closed() {
    let _alone = alone();
    let run = Run::begin().unwrap();
    let prefix = run.prefix().to_owned();
    run::close_all();
    assert!(run.namespace("late").is_err());
    assert!(run.spawn(&mut Command::new("true")).is_err());
    assert_eq!(namespaces_of(&prefix), Vec::<String>::new());
}

/// The `lab` program with an engine that only sleeps: it waits for roles that never come.
fn waiting_lab(directory: &Path) -> std::process::Child {
    use std::os::unix::fs::PermissionsExt;
    let engine = directory.join("sleeper");
    std::fs::write(
        &engine,
        "#!/bin/sh\n[ \"$1\" = ctl ] && exit 1\nexec sleep 600\n",
    )
    .unwrap();
    std::fs::set_permissions(&engine, std::fs::Permissions::from_mode(0o755)).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(["run", "--no-huge", "--engine"])
        .arg(&engine)
        .args(["--out"])
        .arg(directory)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let prefix = format!("tl{}x0", child.id());
    let processes = Path::new(run::BASE).join(&prefix).join("processes");
    let deadline = Instant::now() + ms(10_000);
    let both = || std::fs::read_to_string(&processes).is_ok_and(|text| text.lines().count() == 2);
    while !both() {
        assert!(Instant::now() < deadline, "the lab did not come up");
        std::thread::sleep(ms(10));
    }
    child
}

fn engines_of(prefix: &str) -> Vec<u32> {
    let text = std::fs::read_to_string(Path::new(run::BASE).join(prefix).join("processes"));
    text.unwrap()
        .lines()
        .map(|l| l.split_once(' ').unwrap().0.parse().unwrap())
        .collect()
}

fn all_end(pids: &[u32]) {
    let deadline = Instant::now() + ms(5000);
    // a zombie that init has not reaped yet has no command line any more
    let lives = |pid: &u32| {
        std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|text| !text.is_empty())
    };
    while pids.iter().any(lives) {
        assert!(
            Instant::now() < deadline,
            "engines of the lab still run: {pids:?}"
        );
        std::thread::sleep(ms(10));
    }
}

#[test]
fn a_signal_takes_everything_down() {
    let _alone = alone();
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let directory = tempfile::tempdir().unwrap();
        let mut lab = waiting_lab(directory.path());
        let prefix = format!("tl{}x0", lab.id());
        let engines = engines_of(&prefix);
        sys::signal(lab.id(), signal).unwrap();
        assert_eq!(lab.wait().unwrap().code(), Some(128 + signal));
        assert_eq!(namespaces_of(&prefix), Vec::<String>::new());
        assert!(!Path::new(run::BASE).join(&prefix).exists());
        all_end(&engines);
    }
}

#[test]
fn a_signal_in_the_midst_of_the_laying_takes_everything_down() {
    let _alone = alone();
    for wait in [5, 30, 80, 150] {
        let directory = tempfile::tempdir().unwrap();
        let mut lab = Command::new(env!("CARGO_BIN_EXE_lab"))
            .args(["run", "--no-huge", "--engine", "/bin/true", "--out"])
            .arg(directory.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(ms(wait));
        // it may be too early for the handler: then the signal's default is right as well
        sys::signal(lab.id(), libc::SIGTERM).unwrap();
        lab.wait().unwrap();
        assert_eq!(
            namespaces_of(&format!("tl{}x0", lab.id())),
            Vec::<String>::new(),
            "{wait} ms"
        );
    }
}

#[test]
fn a_killed_lab_leaves_no_engine_and_clean_removes_the_rest() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let mut lab = waiting_lab(directory.path());
    let prefix = format!("tl{}x0", lab.id());
    let engines = engines_of(&prefix);
    // a run that lives is not touched
    assert!(!run::clean_dead().contains(&prefix));
    assert_eq!(namespaces_of(&prefix).len(), 7);
    lab.kill().unwrap();
    lab.wait().unwrap();
    all_end(&engines);
    assert_eq!(
        namespaces_of(&prefix).len(),
        7,
        "a killed process cannot clean"
    );
    let status = Command::new(env!("CARGO_BIN_EXE_lab"))
        .arg("clean")
        .output()
        .unwrap();
    assert!(status.status.success());
    assert!(String::from_utf8_lossy(&status.stdout).contains(&prefix));
    assert_eq!(namespaces_of(&prefix), Vec::<String>::new());
    assert!(!Path::new(run::BASE).join(&prefix).exists());
}

#[test]
fn a_missing_engine_is_said_with_the_remedy() {
    let output = Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(["run", "--engine", "/nonexistent/twinline"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        text.contains("/nonexistent/twinline") && text.contains("cargo build"),
        "{text}"
    );
}

#[test]
fn traffic_on_a_whole_path_is_whole() {
    let _alone = alone();
    let (_run, topology) = lay();
    topology.plain_path(Side::A).unwrap();
    let tcp = TcpTransfer::start(&topology, 50).unwrap();
    let broadcasts = Broadcasts::start(&topology, 50).unwrap();
    let udp = UdpProbe::start(&topology, 1000).unwrap();
    std::thread::sleep(ms(1500));
    let udp = udp.stop(ms(200), ms(250)).unwrap();
    let broadcasts = broadcasts.stop(ms(200)).unwrap();
    let tcp = tcp.stop().unwrap();
    assert_eq!((udp.lost(), udp.doubled()), (0, 0), "{udp:?}");
    assert_eq!(udp.outage_ms(), 0.0);
    assert!((950.0..1050.0).contains(&udp.rate), "{udp:?}");
    assert!(udp.forward.sent > 1300, "{udp:?}");
    assert!(broadcasts.ok && broadcasts.lost == 0, "{broadcasts:?}");
    assert!(broadcasts.sent > 60, "{broadcasts:?}");
    assert!(tcp.ok && tcp.received_bytes > 4_000_000, "{tcp:?}");
}

#[test]
fn a_known_outage_is_measured() {
    let _alone = alone();
    let (_run, topology) = lay();
    topology.plain_path(Side::A).unwrap();
    let tcp = TcpTransfer::start(&topology, 10).unwrap();
    let udp = UdpProbe::start(&topology, 1000).unwrap();
    std::thread::sleep(ms(500));
    let begin = Instant::now();
    topology.set_cable(Side::A, Leg::Wan, false).unwrap();
    std::thread::sleep(ms(200));
    topology.set_cable(Side::A, Leg::Wan, true).unwrap();
    let true_ms = begin.elapsed().as_secs_f64() * 1e3;
    std::thread::sleep(ms(700));
    let report = udp.stop(ms(200), ms(250)).unwrap();
    let tcp = tcp.stop().unwrap();
    assert!(report.outage_ms() >= 195.0, "{report:?}");
    // the commands' own time and the machine's noise on either side
    assert!(
        report.outage_ms() <= true_ms + 25.0,
        "{true_ms} ms: {report:?}"
    );
    assert!((150..=300).contains(&report.lost()), "{report:?}");
    assert_eq!(report.doubled(), 0);
    assert!(
        (400.0..900.0).contains(&report.round_trip.outage_at_ms),
        "{report:?}"
    );
    // TCP lives through it, and its stall shows it
    assert!(tcp.ok && tcp.stall_ms >= 190.0, "{tcp:?}");
}

#[test]
fn a_path_that_never_was_loses_everything() {
    let _alone = alone();
    let (_run, topology) = lay();
    let udp = UdpProbe::start(&topology, 1000).unwrap();
    std::thread::sleep(ms(300));
    let report = udp.stop(ms(100), ms(250)).unwrap();
    assert_eq!(report.lost(), report.forward.sent);
    assert!(report.outage_ms() > 250.0, "{report:?}");
    let broken = TcpTransfer::start(&topology, 10);
    assert!(broken.is_err());
}

/// Sends every `nth` probe that goes out of `interface` of appliance A a second time.
fn doubler(topology: &Topology, stop: &Arc<AtomicBool>) -> std::thread::JoinHandle<u64> {
    let socket = netns::inside(&topology.a, || {
        RawSocket::open(sys::interface_index("wan0")?, Take::All)
    })
    .unwrap();
    let stop = Arc::clone(stop);
    std::thread::spawn(move || {
        let mut buffer = [0; 2048];
        let mut doubled = 0;
        let mut last = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let Some(seen) = socket.receive(&mut buffer, ms(20)).unwrap() else {
                continue;
            };
            let frame = &buffer[..seen.length];
            let probe = frame.windows(8).any(|w| w == b"TLPROBE1");
            // once each: our own second frame passes here as well
            if seen.outgoing && probe && frame[50..54] != last[..] && frame[53] % 10 == 0 {
                last = frame[50..54].to_vec();
                socket.send(frame).unwrap();
                doubled += 1;
            }
        }
        doubled
    })
}

#[test]
fn doubles_made_on_purpose_are_counted() {
    let _alone = alone();
    let (_run, topology) = lay();
    topology.plain_path(Side::A).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let doubler = doubler(&topology, &stop);
    let udp = UdpProbe::start(&topology, 1000).unwrap();
    std::thread::sleep(ms(500));
    let report = udp.stop(ms(200), ms(250)).unwrap();
    stop.store(true, Ordering::Relaxed);
    let made = doubler.join().unwrap();
    assert!(made > 20, "{made}");
    assert_eq!(report.forward.doubled, made, "{report:?}");
    assert_eq!(report.lost(), 0);
}

/// Both appliances bridge for an instant: the storm ends because their legs are pulled.
#[test]
fn a_real_loop_is_seen() {
    let _alone = alone();
    let (_run, topology) = lay();
    topology.plain_path(Side::A).unwrap();
    let broadcasts = Broadcasts::start(&topology, 50).unwrap();
    std::thread::sleep(ms(200));
    topology.plain_path(Side::B).unwrap();
    std::thread::sleep(ms(50));
    topology.no_plain_path(Side::B).unwrap();
    std::thread::sleep(ms(100));
    let report = broadcasts.stop(ms(200)).unwrap();
    assert!(!report.ok, "{report:?}");
    assert!(report.repeats > 0 && report.returned > 0, "{report:?}");
    assert!(report.doubled > 0, "{report:?}");
}

#[test]
fn a_raw_socket_with_the_group_filter_sees_group_frames_only() {
    let _alone = alone();
    let run = Run::begin().unwrap();
    let one = run.namespace("one").unwrap();
    let two = run.namespace("two").unwrap();
    netns::command(&[
        "ip", "link", "add", "v", "netns", &one, "type", "veth", "peer", "name", "v", "netns", &two,
    ])
    .unwrap();
    for namespace in [&one, &two] {
        netns::ip(namespace, "link set dev v arp off up").unwrap();
    }
    let open = |take| move || RawSocket::open(sys::interface_index("v")?, take);
    let sender = netns::inside(&one, open(Take::All)).unwrap();
    let group = netns::inside(&two, open(Take::Group)).unwrap();
    let all = netns::inside(&two, open(Take::All)).unwrap();
    let mut frame = [0x42; 60];
    frame[0] = 0x02;
    sender.send(&frame).unwrap();
    frame[0] = 0xff;
    sender.send(&frame).unwrap();
    let mut buffer = [0; 256];
    let mut first_bytes = |socket: &RawSocket| {
        let mut bytes = Vec::new();
        while let Some(seen) = socket.receive(&mut buffer, ms(100)).unwrap() {
            assert!(!seen.outgoing && seen.length == 60);
            bytes.push(buffer[0]);
        }
        bytes
    };
    assert_eq!(first_bytes(&all), [0x02, 0xff]);
    assert_eq!(first_bytes(&group), [0xff]);
}

#[test]
fn a_namespace_that_is_gone_is_an_error() {
    assert!(netns::inside("tl-no-such-namespace", || Ok(())).is_err());
    let null = std::fs::File::open("/dev/null").unwrap();
    assert!(sys::enter_netns(null.as_fd()).is_err());
}
