//! The service manager's side: what an engine says to `NOTIFY_SOCKET`, with a socket that stands in
//! for systemd's; and the unit itself, where `systemd-analyze` is there.
//!
//! The engines run with the unit's capabilities and no others.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, not excepted"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use twinline_tests::engine::{self, Settings};
use twinline_tests::lab::Lab;
use twinline_tests::sys::HeldThread;
use twinline_tests::topology::Side;

const SETTLE: Duration = Duration::from_secs(40);
const CHANGE: Duration = Duration::from_secs(15);
/// The watchdog's period; fed each third.
const WATCHDOG: Duration = Duration::from_secs(3);

fn unit() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/twinline/systemd");
    fs::read_to_string(folder.join("twinline@.service")).unwrap()
}

/// The values of a key of the unit, one for each line.
fn of_unit(key: &str) -> Vec<String> {
    let unit = unit();
    let lines = unit.lines().filter_map(|line| line.split_once('='));
    let of = lines.filter(|(k, _)| *k == key);
    of.map(|(_, value)| value.to_owned()).collect()
}

/// A program that runs the engine as the unit does: with its capabilities, and a socket beside the
/// configuration's file.
fn wrapper(folder: &Path) -> PathBuf {
    let capabilities = of_unit("CapabilityBoundingSet").join(" ");
    assert!(capabilities.starts_with("CAP_"), "{capabilities}");
    let kept: Vec<String> = capabilities
        .split(' ')
        .filter_map(|name| name.strip_prefix("CAP_"))
        .map(|name| format!("+{}", name.to_lowercase()))
        .collect();
    let kept = format!("-all,{}", kept.join(","));
    let engine = engine::find(None).unwrap();
    let text = format!(
        "#!/bin/sh\n\
         # run --config FILE\n\
         export NOTIFY_SOCKET=\"${{3%.toml}}.notify\" WATCHDOG_USEC={} WATCHDOG_PID=$$\n\
         exec setpriv --bounding-set {kept} --inh-caps {kept} --no-new-privs {} \"$@\"\n",
        WATCHDOG.as_micros(),
        engine.display()
    );
    let path = folder.join("engine");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// What stands in for systemd.
struct Manager {
    socket: UnixDatagram,
    heard: Vec<(Instant, String)>,
}

impl Manager {
    fn listen(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self {
            socket,
            heard: Vec::new(),
        }
    }

    /// Takes what has come: line by line.
    fn hear(&mut self) {
        let mut buffer = [0; 4096];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            let text = String::from_utf8(buffer[..length].to_vec()).unwrap();
            let lines = text.lines().map(|line| (Instant::now(), line.to_owned()));
            self.heard.extend(lines);
        }
    }

    /// Waits for a line that is so, after the first `from` lines; gives the number of the one after.
    fn wait(&mut self, from: usize, what: &str, limit: Duration, lab: &Lab) -> usize {
        let begin = Instant::now();
        loop {
            self.hear();
            let found = self
                .heard
                .iter()
                .skip(from)
                .position(|(_, l)| l.starts_with(what));
            if let Some(at) = found {
                return from + at + 1;
            }
            assert!(
                begin.elapsed() < limit,
                "no {what} after {from} of {:?}\n{}",
                self.heard,
                lab.logs()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// How often a line came while `time` passed.
    fn count(&mut self, what: &str, time: Duration) -> usize {
        self.hear();
        let from = self.heard.len();
        std::thread::sleep(time);
        self.hear();
        let new = self.heard.iter().skip(from);
        new.filter(|(_, line)| line == what).count()
    }

    fn lines(&self) -> Vec<&str> {
        self.heard.iter().map(|(_, line)| line.as_str()).collect()
    }
}

#[test]
fn the_service_manager_hears_what_it_should() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        interval_ms: 50,
        threshold: 5,
        preempt_delay_s: 3600,
        in_band: false,
        huge: engine::hugepages_suffice(),
        cores: (0, 1),
    };
    // Up without listeners first: the sockets lie beside the configurations, which the lab makes.
    let mut lab = Lab::up(&wrapper(folder.path()), settings).unwrap();
    lab.settle(None, SETTLE).unwrap();
    let notify = lab.engine(Side::A).config.with_extension("notify");
    let mut manager = Manager::listen(&notify);
    lab.kill(Side::A).unwrap();
    lab.restart(Side::A).unwrap();

    // READY comes with the role, and no watchdog before it.
    let ready = manager.wait(0, "READY=1", SETTLE, &lab);
    assert!(!manager.lines()[..ready].contains(&"WATCHDOG=1"));
    assert!(manager.lines()[..ready].contains(&"STATUS=INIT (started)"));
    let at = manager.wait(ready, "STATUS=", CHANGE, &lab);
    let role = manager.lines()[at - 1].to_owned();
    assert_eq!(
        role, "STATUS=PASSIVE (peer_is_active)",
        "{:?}",
        manager.heard
    );

    // STATUS follows the role.
    lab.settle(Some(Side::B), SETTLE).unwrap();
    lab.engine(Side::B).ctl("ha switchover").unwrap();
    manager.wait(at, "STATUS=ACTIVE (peer_hands_over)", CHANGE, &lab);
    lab.settle(Some(Side::A), SETTLE).unwrap();
    let fed = manager.count("WATCHDOG=1", 2 * WATCHDOG);
    assert!(
        (3..=9).contains(&fed),
        "fed {fed} times in {:?}",
        2 * WATCHDOG
    );

    hung_parts_are_not_fed_for(&lab, &mut manager);

    // A reload announces itself and its end, also when it is refused.
    for text in [None, Some("nonsense")] {
        if let Some(text) = text {
            fs::write(&lab.engine(Side::A).config, text).unwrap();
        }
        manager.hear();
        let from = manager.heard.len();
        lab.engine(Side::A).signal(libc::SIGHUP).unwrap();
        let at = manager.wait(from, "RELOADING=1", CHANGE, &lab);
        let stamp = manager.wait(at, "MONOTONIC_USEC=", CHANGE, &lab);
        assert_eq!(stamp, at + 1, "of one message: {:?}", manager.heard);
        manager.wait(stamp, "READY=1", CHANGE, &lab);
    }

    manager.hear();
    let from = manager.heard.len();
    lab.terminate(Side::A).unwrap();
    manager.wait(from, "STOPPING=1", CHANGE, &lab);
    manager.hear();
    assert!(!manager.lines()[from..].contains(&"READY=1"));
}

/// A hung worker, a hung management loop, and a process that is stopped: none is fed; each is fed
/// again when it goes on.
fn hung_parts_are_not_fed_for(lab: &Lab, manager: &mut Manager) {
    let engine = lab.engine(Side::A);
    let pid = engine.pid().unwrap();
    let worker = engine.worker_thread().unwrap();
    for (what, thread) in [("worker", worker), ("management loop", pid)] {
        let held = HeldThread::hold(thread).unwrap();
        // What was due already.
        std::thread::sleep(Duration::from_millis(1500));
        let fed = manager.count("WATCHDOG=1", WATCHDOG);
        drop(held);
        assert_eq!(fed, 0, "a hung {what} was fed for");
        let from = manager.heard.len();
        manager.wait(from, "WATCHDOG=1", CHANGE, lab);
    }
    engine.signal(libc::SIGSTOP).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let fed = manager.count("WATCHDOG=1", WATCHDOG);
    engine.signal(libc::SIGCONT).unwrap();
    assert_eq!(fed, 0, "a stopped process was fed for");
    let from = manager.heard.len();
    manager.wait(from, "WATCHDOG=1", CHANGE, lab);
}

#[test]
fn the_unit_is_as_the_operators_page_says() {
    let only = |key: &str, value: &str| assert_eq!(of_unit(key), [value], "{key}");
    only("Type", "notify");
    only("WatchdogSec", "3");
    only("Restart", "always");
    only("ExecReload", "/bin/kill -HUP $MAINPID");
    assert!(
        of_unit("After")
            .iter()
            .any(|l| l.contains("network-pre.target"))
    );
    assert!(of_unit("After").iter().any(|l| l.contains("dpdk.service")));
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit() {
    let there = Command::new("systemd-analyze").arg("--version").output();
    if !there.is_ok_and(|output| output.status.success()) {
        println!("skipped: systemd-analyze is not there");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("twinline@test.service");
    // It looks for the programs: ours is not installed here.
    let engine = engine::find(None).unwrap();
    let text = unit().replace("/usr/bin/twinline", &engine.display().to_string());
    fs::write(&path, text).unwrap();
    let output = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(&path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    // What it says of other units of this machine is not about ours.
    let ours: Vec<&str> = said.lines().filter(|l| l.contains("twinline")).collect();
    assert!(ours.is_empty(), "{said}");
    assert!(output.status.success(), "{said}");
}
