//! Bad set-ups: each is a one-line error with the remedy and an exit code that is not 0, or an
//! alarm of an engine that runs on; and nothing is left half-configured.
//!
//! The messages belong to the engine: the tests look for the words that an operator needs.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, not excepted"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};
use twinline_tests::engine::{self, Deviations, Settings};
use twinline_tests::lab::Lab;
use twinline_tests::netns;
use twinline_tests::run::Run;
use twinline_tests::topology::Side;

/// An engine that cannot run says so within this time.
const ANSWER: Duration = Duration::from_secs(20);

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn binary() -> PathBuf {
    engine::find(None).unwrap_or_else(|e| panic!("{e}"))
}

fn settings() -> Settings {
    Settings {
        interval_ms: 50,
        threshold: 5,
        preempt_delay_s: 2,
        in_band: false,
        huge: false,
        cores: (0, 1),
    }
}

/// A namespace with three veth ends, and a configuration for it: one appliance without a lab.
struct Bed {
    run: Run,
    namespace: String,
    text: String,
}

impl Bed {
    fn lay() -> Self {
        let run = Run::begin().unwrap();
        let namespace = run.namespace("a").unwrap();
        for port in ["lan0", "wan0", "ha0"] {
            let line = format!("link add {port} type veth peer name far-{port}");
            netns::ip(&namespace, &line).unwrap();
            for end in [port.to_owned(), format!("far-{port}")] {
                netns::ip(&namespace, &format!("link set dev {end} arp off up")).unwrap();
            }
        }
        engine::write_key(
            &run.directory().join("stack.key"),
            &engine::new_key().unwrap(),
        )
        .unwrap();
        let none = Deviations::default();
        let text =
            engine::configuration(Side::A, run.prefix(), run.directory(), &settings(), &none);
        Self {
            run,
            namespace,
            text,
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.run.directory().join(name)
    }

    /// The configuration with one text replaced; it must have been there.
    fn with(&self, from: &str, to: &str) -> String {
        assert!(
            self.text.contains(from),
            "`{from}` is not in the lab's configuration"
        );
        self.text.replacen(from, to, 1)
    }

    fn write(&self, text: &str) -> PathBuf {
        let path = self.file("a.toml");
        fs::write(&path, text).unwrap();
        path
    }

    /// Runs `twinline WORDS... FILE` in the namespace to its end, at most [`ANSWER`].
    fn twinline(&self, words: &[&str], file: &Path) -> Output {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace, "timeout", "--signal=KILL"]);
        command
            .arg(ANSWER.as_secs().to_string())
            .arg(binary())
            .args(words)
            .arg(file);
        command.env("RUST_LOG", "error").output().unwrap()
    }
}

/// Asserts that it failed by itself, said all the words in one of its lines, and did not panic.
fn refused(output: &Output, words: &[&str], what: &str) {
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let code = output.status.code();
    assert!(
        code.is_some_and(|c| c != 0 && c != 137),
        "{what}: exit {:?}\n{text}",
        output.status
    );
    assert!(!text.contains("panicked"), "{what}:\n{text}");
    // an error and its source that say the same: `X: X`
    let twice = |line: &str| {
        let said = line.split_once(": ").map_or(line, |(_program, said)| said);
        said.len() > 20
            && said
                .match_indices(": ")
                .any(|(at, _)| said[..at] == said[at + 2..])
    };
    assert!(
        !text.lines().any(twice),
        "{what}: a line says the same twice:\n{text}"
    );
    let has = |line: &str| {
        words
            .iter()
            .all(|w| line.to_lowercase().contains(&w.to_lowercase()))
    };
    assert!(
        text.lines().any(has),
        "{what}: no line has all of {words:?}:\n{text}"
    );
}

/// What validation alone finds: `check` and `run` say the same.
#[test]
fn faults_of_the_file_are_refused_by_check_and_by_run() {
    let _alone = alone();
    let bed = Bed::lay();
    let two_pairs = format!(
        "{}\n[[link_pair]]\nname = \"second\"\nlan = \"lan\"\nwan = \"ha\"\n",
        bed.text
    );
    let open_key = bed.file("open.key");
    engine::write_key(&open_key, &engine::new_key().unwrap()).unwrap();
    fs::set_permissions(&open_key, fs::Permissions::from_mode(0o644)).unwrap();
    let cases: &[(&str, String, &[&str])] = &[
        ("a port in two pairs", two_pairs, &["lan", "pair"]),
        (
            "the HA port in a pair",
            bed.with("port = \"ha\"\n", "port = \"wan\"\n"),
            &["ha.port", "wan", "pair"],
        ),
        (
            "a pair of one port",
            bed.with("wan = \"wan\"", "wan = \"lan\""),
            &["lan"],
        ),
        (
            "a port that is none",
            bed.with("wan = \"wan\"", "wan = \"dmz\""),
            &["dmz"],
        ),
        ("an unknown key", bed.with("huge = ", "hugh = "), &["hugh"]),
        (
            "an interval of 0",
            bed.with("peer_check_interval_ms = 50", "peer_check_interval_ms = 0"),
            &["peer_check_interval_ms", "1 to 60000"],
        ),
        (
            "more minimum links than pairs",
            bed.with("minimum_active = 1", "minimum_active = 2"),
            &["minimum_active"],
        ),
        (
            "no key",
            bed.with("key_file", "#key_file"),
            &["key_file", "insecure"],
        ),
        (
            "a key file that others can read",
            bed.with("stack.key", "open.key"),
            &["open.key", "chmod"],
        ),
        (
            "a key file that is missing",
            bed.with("stack.key", "no.key"),
            &["no.key"],
        ),
        ("no TOML at all", "= =".into(), &["a.toml"]),
    ];
    for (what, text, words) in cases {
        let file = bed.write(text);
        refused(
            &bed.twinline(&["check"], &file),
            words,
            &format!("check: {what}"),
        );
        refused(
            &bed.twinline(&["run", "--config"], &file),
            words,
            &format!("run: {what}"),
        );
        assert!(!bed.file("a.sock").exists(), "{what}: a socket was left");
    }
}

#[test]
fn the_labs_own_configuration_is_good() {
    let _alone = alone();
    let bed = Bed::lay();
    let file = bed.write(&bed.text);
    let output = bed.twinline(&["check"], &file);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// What only the machine can tell.
#[test]
fn faults_of_the_machine_are_refused_by_run() {
    let _alone = alone();
    let bed = Bed::lay();
    let cases: &[(&str, String, &[&str])] = &[
        (
            "an unknown vdev",
            bed.with("net_af_packet_lan", "net_no_such_driver0"),
            &["no_such"],
        ),
        (
            "a vdev without its interface",
            bed.with("iface=lan0", "iface=nolan0"),
            &["lan"],
        ),
        (
            "no such core",
            bed.with("workers = [1]", "workers = [1000]"),
            &["1000"],
        ),
        (
            "no such main core",
            bed.with("main = 0", "main = 1001"),
            &["1001"],
        ),
        (
            "more hugepages than there are",
            bed.with("huge = false", "huge = true").replacen(
                "memory_mb = 64",
                "memory_mb = 1000000",
                1,
            ),
            &["hugepages"],
        ),
        (
            "a control socket that cannot be made",
            bed.with(
                &format!("{}/a.sock", bed.run.directory().display()),
                "/proc/a.sock",
            ),
            &["/proc/a.sock"],
        ),
    ];
    for (what, text, words) in cases {
        let file = bed.write(text);
        refused(&bed.twinline(&["run", "--config"], &file), words, what);
        assert!(!bed.file("a.sock").exists(), "{what}: a socket was left");
    }
}

#[test]
fn a_missing_configuration_is_named() {
    let _alone = alone();
    let bed = Bed::lay();
    let missing = bed.file("missing.toml");
    for words in [&["check"][..], &["run", "--config"]] {
        refused(
            &bed.twinline(words, &missing),
            &["missing.toml"],
            "missing file",
        );
    }
}

#[test]
fn hugepages_that_are_not_mounted_are_named_with_the_remedy() {
    let _alone = alone();
    let bed = Bed::lay();
    let file = bed.write(&bed.with("huge = false", "huge = true"));
    // a mount namespace of its own, in which no hugetlbfs is mounted
    let script = "for m in $(awk '$3 == \"hugetlbfs\" {print $2}' /proc/mounts); do umount $m; done; \
                  exec timeout --signal=KILL 20 \"$0\" run --config \"$1\"";
    let output = Command::new("ip")
        .args([
            "netns",
            "exec",
            &bed.namespace,
            "unshare",
            "--mount",
            "sh",
            "-c",
            script,
        ])
        .arg(binary())
        .arg(&file)
        .output()
        .unwrap();
    refused(&output, &["hugepages"], "no hugetlbfs");
}

#[test]
fn without_permission_the_remedy_is_named() {
    let _alone = alone();
    let bed = Bed::lay();
    // an ordinary user who may read the configuration and the key, and no more
    let directory = bed.run.directory();
    fs::set_permissions(directory, fs::Permissions::from_mode(0o777)).unwrap();
    let file = bed.write(&bed.text);
    let program = directory.join("twinline");
    fs::copy(binary(), &program).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let chown = Command::new("chown")
        .arg("nobody")
        .arg(bed.file("stack.key"))
        .status()
        .unwrap();
    assert!(chown.success());
    let base = fs::Permissions::from_mode(0o755);
    fs::set_permissions(Path::new(twinline_tests::run::BASE), base).unwrap();
    let output = Command::new("ip")
        .args([
            "netns",
            "exec",
            &bed.namespace,
            "timeout",
            "--signal=KILL",
            "20",
        ])
        .args([
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
        ])
        .args(["--inh-caps=-all", "--bounding-set=-all"])
        .arg(&program)
        .args(["run", "--config"])
        .arg(&file)
        .output()
        .unwrap();
    refused(&output, &["root"], "an ordinary user");
}

/// Starts the engine of a bed and waits until its control socket answers.
fn running(bed: &Bed) -> std::process::Child {
    let log = fs::File::create(bed.file("a.log")).unwrap();
    let mut command = Command::new("ip");
    command
        .args(["netns", "exec", &bed.namespace])
        .arg(binary())
        .args(["run", "--config"])
        .arg(bed.file("a.toml"))
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    let mut child = bed.run.spawn(&mut command).unwrap();
    let deadline = Instant::now() + ANSWER;
    let socket = bed.file("a.sock");
    while twinline_tests::status::Status::ask(&socket).is_err() {
        let log = || fs::read_to_string(bed.file("a.log")).unwrap_or_default();
        assert!(
            child.try_wait().unwrap().is_none(),
            "the engine ended:\n{}",
            log()
        );
        assert!(
            Instant::now() < deadline,
            "the engine does not answer:\n{}",
            log()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

#[test]
fn a_second_engine_on_the_same_control_socket_is_refused() {
    let _alone = alone();
    let bed = Bed::lay();
    let file = bed.write(&bed.text);
    let mut first = running(&bed);
    // the same file prefix is refused by EAL already: take another
    let second = bed.file("second.toml");
    let prefix = format!("{}-a", bed.run.prefix());
    fs::write(&second, bed.with(&prefix, &format!("{prefix}2"))).unwrap();
    refused(
        &bed.twinline(&["run", "--config"], &second),
        &["a.sock"],
        "second engine",
    );
    // the first one is unharmed, and its socket is still its own
    assert!(first.try_wait().unwrap().is_none());
    twinline_tests::status::Status::ask(&bed.file("a.sock")).unwrap();
    drop(bed);
    assert!(!file.exists());
    first.wait().unwrap();
}

#[test]
fn a_damaged_state_file_is_an_alarm_and_no_crash() {
    let _alone = alone();
    for garbage in [&b"{ not a state"[..], &[0xff; 4096], b"", &[b'9'; 100_000]] {
        let bed = Bed::lay();
        bed.write(&bed.text);
        fs::write(bed.file("a.state"), garbage).unwrap();
        let mut child = running(&bed);
        let status = twinline_tests::status::Status::ask(&bed.file("a.sock")).unwrap();
        let alarmed = status.alarms.iter().any(|(name, _)| name == "state_file");
        // an empty file is what a fresh installation may have
        assert!(
            alarmed || garbage.is_empty(),
            "{:?}: {:?}",
            garbage.get(..20),
            status.alarms
        );
        drop(bed);
        child.wait().unwrap();
    }
}

/// Brings up a lab with deviations and waits for an alarm on one side.
fn alarm(of_a: &Deviations, of_b: &Deviations, side: Side, name: &str, word: &str) {
    let mut lab = Lab::up_with(&binary(), settings(), of_a, of_b).unwrap();
    let wanted = |status: &twinline_tests::status::Status| {
        status
            .alarms
            .iter()
            .any(|(n, text)| n == name && text.contains(word))
    };
    let status = lab
        .wait_for(side, &format!("alarm {name}"), ANSWER, wanted)
        .unwrap();
    // a stranger on the wire is an alarm, not a peer: it never becomes HEALTHY
    assert!(!status.peer_healthy(), "{}", status.line());
    assert!(
        lab.engine(side.other()).status().is_ok(),
        "the other engine runs on"
    );
}

#[test]
fn two_instances_with_one_id_are_an_alarm() {
    let _alone = alone();
    let one = Deviations {
        id: Some(1),
        ..Deviations::default()
    };
    for side in Side::BOTH {
        alarm(&one, &one, side, "twin_instance", "id");
    }
}

#[test]
fn a_peer_of_another_stack_is_an_alarm() {
    let _alone = alone();
    let other = Deviations {
        stack: Some("elsewhere".into()),
        ..Deviations::default()
    };
    alarm(
        &Deviations::default(),
        &other,
        Side::A,
        "other_stack",
        "elsewhere",
    );
}

#[test]
fn a_peer_with_another_key_is_an_alarm() {
    let _alone = alone();
    let other = Deviations {
        key: Some(engine::new_key().unwrap()),
        ..Deviations::default()
    };
    for side in Side::BOTH {
        alarm(&Deviations::default(), &other, side, "bad_key", "key");
    }
}
