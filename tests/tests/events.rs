//! Rule 23's outlets on a running engine: a file, the system's log, a program.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, not excepted"
)]

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};
use twinline_control::{Client, EventRecord, OutletStatus, Reply, Request};
use twinline_tests::engine::{self, Engine};
use twinline_tests::run::Run;
use twinline_tests::topology::Side;
use twinline_tests::{status, sys};

/// What is waited for at most.
const LONG: Duration = Duration::from_secs(60);

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// One engine without a peer, on ports that carry nothing.
struct Bed {
    engine: Engine,
    run: Run,
    _alone: MutexGuard<'static, ()>,
}

fn text(run: &Run, events: &str) -> String {
    let place = run.directory().display();
    let mut text = format!(
        "[instance]\nname = \"a\"\nid = 1\nstack = \"lab\"\ncontrol_socket = \"{place}/a.sock\"\n\
         state_file = \"{place}/a.state\"\n[eal]\nfile_prefix = \"{}-a\"\nmemory_mb = 64\n\
         huge = false\ntelemetry = false\n",
        run.prefix()
    );
    for port in ["lan", "wan"] {
        let _ = write!(
            text,
            "[[port]]\nname = \"{port}\"\nvdev = \"net_ring_{port}\"\n\
             rx_descriptors = 512\ntx_descriptors = 512\n"
        );
    }
    let _ = write!(
        text,
        "[[link_pair]]\nname = \"wire\"\nlan = \"lan\"\nwan = \"wan\"\n\
         [lcores]\nmain = 0\nworkers = [1]\npolling = \"adaptive\"\n[events]\n{events}"
    );
    text
}

impl Bed {
    /// Starts an engine whose `[events]` are what `events` writes, given the run's directory.
    fn lay(events: impl FnOnce(&Path) -> String) -> Self {
        let alone = ONE_AT_A_TIME
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let run = Run::begin().unwrap();
        let namespace = run.namespace("a").unwrap();
        let text = text(&run, &events(run.directory()));
        let binary = engine::find(None).unwrap();
        let engine = Engine::start_with(&run, Side::A, &namespace, &binary, &text).unwrap();
        let bed = Self {
            engine,
            run,
            _alone: alone,
        };
        bed.until("the role", || {
            let ha = status::ha(&bed.engine.socket).ok()?;
            (ha.role == "ACTIVE").then_some(())
        });
        bed
    }

    fn file(&self, name: &str) -> PathBuf {
        self.run.directory().join(name)
    }

    fn until<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + LONG;
        loop {
            if let Some(found) = look() {
                return found;
            }
            let log = self.engine.log_tail(30);
            assert!(Instant::now() < deadline, "timed out: {what}{log}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn last_seq(&self) -> u64 {
        let events = status::events(&self.engine.socket).unwrap();
        events.last().map_or(0, |event| event.seq)
    }

    /// Makes the engine write `count` events: suspended by force and resumed, again and again.
    fn make_events(&self, count: u64) {
        let wanted = self.last_seq() + count;
        let mut client = Client::connect(&self.engine.socket).unwrap();
        let deadline = Instant::now() + LONG;
        while self.last_seq() < wanted {
            for _ in 0..50 {
                for request in [Request::HaSuspend { force: true }, Request::HaResume] {
                    // Refused while it is on its way.
                    let reply = client.call(&request).unwrap();
                    assert!(!matches!(reply, Reply::Error { .. }), "{reply:?}");
                }
            }
            assert!(Instant::now() < deadline, "no {count} events");
        }
        self.until("the role", || {
            let ha = status::ha(&self.engine.socket).unwrap();
            if ha.role == "SUSPENDED" {
                let _ = client.call(&Request::HaResume);
            }
            (ha.role == "ACTIVE").then_some(())
        });
    }

    fn outlet(&self, name: &str) -> OutletStatus {
        let list = status::outlets(&self.engine.socket).unwrap();
        let found = list.into_iter().find(|outlet| outlet.name == name);
        found.unwrap_or_else(|| panic!("no outlet {name}"))
    }

    fn alarm(&self) -> bool {
        let ha = status::ha(&self.engine.socket).unwrap();
        ha.alarms.iter().any(|alarm| alarm.name == "event_outlet")
    }
}

fn values(path: &Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let whole = text.split_inclusive('\n').filter(|l| l.ends_with('\n'));
    whole.map(|l| serde_json::from_str(l).unwrap()).collect()
}

fn records(path: &Path) -> Vec<EventRecord> {
    let values = values(path).into_iter();
    values.map(|v| serde_json::from_value(v).unwrap()).collect()
}

fn seqs(path: &Path) -> Vec<u64> {
    records(path).iter().map(|record| record.seq).collect()
}

/// A line of a status file in /proc.
fn proc_status(pid: &str, key: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find(|line| line.starts_with(key)).unwrap();
    line.to_owned()
}

/// Fields of /proc/PID/stat after the command, from the state (field 3).
fn proc_stat(pid: &str) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, fields) = text.rsplit_once(") ").unwrap();
    fields.split_whitespace().map(str::to_owned).collect()
}

fn runs(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// A program that writes down who it is and what it gets.
fn recorder(place: &Path) -> String {
    let script = place.join("recorder.sh");
    let here = place.display();
    let text = format!(
        "echo $$ >>{here}/pids\n\
         while read -r line; do printf '%s\\n' \"$line\" >>{here}/notified; done\n"
    );
    fs::write(&script, text).unwrap();
    format!("notify = [\"/bin/sh\", \"{}\"]\n", script.display())
}

#[test]
fn rule_23_a_program_and_a_file_get_a_thousand_events_in_order() {
    let mut bed = Bed::lay(|place| {
        format!(
            "file = \"{}/log/events\"\nfile_max_bytes = 65536\nfile_keep = 100\n{}",
            place.display(),
            recorder(place)
        )
    });
    bed.make_events(1000);
    let notified = bed.file("notified");
    let last = bed.last_seq();
    assert!(last > 1000);
    bed.until("all events", || {
        (seqs(&notified).len() as u64 >= last).then_some(())
    });
    let all: Vec<u64> = (1..=last).collect();
    assert_eq!(seqs(&notified), all);

    // The file has the same, turned over.
    let file = bed.file("log/events");
    let mut parts: Vec<PathBuf> = (1..=100)
        .map(|n| bed.file(&format!("log/events.{n}")))
        .filter(|part| part.exists())
        .collect();
    assert!(parts.len() >= 4, "{parts:?}");
    parts.reverse();
    parts.push(file.clone());
    for part in &parts {
        assert!(fs::metadata(part).unwrap().len() <= 65536);
    }
    let filed: Vec<u64> = parts.iter().flat_map(|part| seqs(part)).collect();
    assert_eq!(filed, all);
    assert!(bed.outlet("file").restarts >= 4);

    // Real events are as the schema says.
    let schema = include_str!("../../docs/event.schema.json");
    let schema = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    let first = parts.first().unwrap();
    for value in values(first).iter().chain(&values(&file)) {
        let errors: Vec<String> = schema.iter_errors(value).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}: {value}");
    }

    // The program is an ordinary process that has nothing of the engine.
    let pids = fs::read_to_string(bed.file("pids")).unwrap();
    let pid = pids.trim();
    let stat = proc_stat(pid);
    assert_eq!(stat[2], pid, "leads its own process group");
    assert_eq!(stat[38], "0", "SCHED_OTHER");
    let mask = |pid: &str| proc_status(pid, "Cpus_allowed_list");
    assert_eq!(mask(pid), mask("self"));
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).unwrap() {
        let entry = entry.unwrap();
        let number: u32 = entry.file_name().to_str().unwrap().parse().unwrap();
        let target = fs::read_link(entry.path()).unwrap_or_default();
        let own = target.ends_with("recorder.sh");
        assert!(number <= 2 || own, "file {number}: {target:?}");
    }

    // Killed, it is started again, and nothing is missing.
    sys::signal(pid.parse().unwrap(), libc::SIGKILL).unwrap();
    let second = bed.until("another run", || {
        let pids = fs::read_to_string(bed.file("pids")).unwrap();
        pids.lines().nth(1).map(str::to_owned)
    });
    bed.until("the alarm's end", || (!bed.alarm()).then_some(()));
    let last = bed.last_seq();
    bed.until("all events", || {
        (seqs(&notified).len() as u64 >= last).then_some(())
    });
    assert_eq!(seqs(&notified), (1..=last).collect::<Vec<_>>());
    let alarms = records(&notified);
    let alarms: Vec<_> = alarms
        .iter()
        .filter(|r| r.alarm.as_deref() == Some("event_outlet"))
        .map(|r| r.why.as_str())
        .collect();
    assert_eq!(alarms, ["alarm_raised", "alarm_cleared"]);
    let outlet = bed.outlet("notify");
    assert_eq!(
        (outlet.restarts, outlet.lost, outlet.failing),
        (1, 0, false)
    );

    // An orderly end: the last word is there, and the program is not.
    bed.engine.end(&bed.run).unwrap();
    assert!(!runs(&second));
    let records = records(&notified);
    assert!(records.last().is_some_and(|record| record.seq > last));
}

#[test]
fn rule_23_a_program_that_sleeps_for_ever_costs_the_engine_nothing() {
    let mut bed = Bed::lay(|place| {
        let script = place.join("sleeper.sh");
        let pids = place.join("pids");
        let text = format!("echo $$ >>{}\nexec sleep 100000\n", pids.display());
        fs::write(&script, text).unwrap();
        format!(
            "file = \"{}/events\"\nnotify = [\"/bin/sh\", \"{}\"]\n",
            place.display(),
            script.display()
        )
    });
    // What the pipe and the queue hold, and more.
    bed.make_events(2500);
    let last = bed.last_seq();
    let outlet = bed.until("losses", || {
        let outlet = bed.outlet("notify");
        (outlet.lost > 0).then_some(outlet)
    });
    assert!(outlet.failing, "{outlet:?}");
    assert!(outlet.sent < 1000, "a pipe holds less: {outlet:?}");
    bed.until("the alarm", || bed.alarm().then_some(()));
    let ha = status::ha(&bed.engine.socket).unwrap();
    assert_eq!(ha.role, "ACTIVE");
    // Whoever waits for that program waits for ever.
    assert!(ha.loop_lateness.max_ms < 1000.0, "{:?}", ha.loop_lateness);
    // The file lost nothing of it.
    bed.until("all events", || {
        (seqs(&bed.file("events")).len() as u64 >= last).then_some(())
    });
    assert_eq!(bed.outlet("file").lost, 0);
    // Alone, one is ACTIVE by the mode, and not ACTIVE only when an operator said so.
    let mut moved = status::events(&bed.engine.socket).unwrap();
    moved.retain(|e| e.what == "role" && e.why != "no_peer_by_mode");
    moved.retain(|e| !e.why.starts_with("operator"));
    assert!(moved.is_empty(), "a role moved by itself: {moved:#?}");

    // Another program by a reload: the engine goes on, the sleeper goes.
    let sleeper = fs::read_to_string(bed.file("pids")).unwrap();
    let sleeper = sleeper.trim().to_owned();
    assert!(runs(&sleeper));
    let events = recorder(bed.run.directory());
    bed.engine.reload(&text(&bed.run, &events)).unwrap();
    bed.until("the sleeper's end", || (!runs(&sleeper)).then_some(()));
    bed.until("the alarm's end", || (!bed.alarm()).then_some(()));
    bed.until("events", || {
        (!seqs(&bed.file("notified")).is_empty()).then_some(())
    });

    // A killed engine's program ends with it.
    let pids = fs::read_to_string(bed.file("pids")).unwrap();
    let program = pids.lines().last().unwrap().to_owned();
    assert!(runs(&program));
    bed.engine.kill(&bed.run).unwrap();
    bed.until("the program's end", || (!runs(&program)).then_some(()));
}

/// A small file system of its own; gone with the guard.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(path: PathBuf) -> Self {
        fs::create_dir(&path).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=32k", "tmpfs"]);
        assert!(mount.arg(&path).status().unwrap().success());
        Self(path)
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        let mut ballast = File::create(self.0.join("ballast")).unwrap();
        while ballast.write_all(&[0; 512]).is_ok() {}
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn rule_23_a_full_disk_delays_the_file_and_breaks_no_line() {
    let disk = Mutex::new(None);
    let bed = Bed::lay(|place| {
        let path = place.join("disk");
        *disk.lock().unwrap() = Some(SmallDisk::mount(path.clone()));
        format!("file = \"{}/events\"\n", path.display())
    });
    let disk = disk.into_inner().unwrap().unwrap();
    let file = bed.file("disk/events");
    bed.until("the first events", || {
        (!seqs(&file).is_empty()).then_some(())
    });
    disk.fill();
    // More than the file's last page has room for.
    bed.make_events(60);
    bed.until("the alarm", || bed.alarm().then_some(()));
    let outlet = bed.outlet("file");
    assert!(outlet.failing && outlet.waiting > 0, "{outlet:?}");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.ends_with("}\n"), "half a line: {text}");
    fs::remove_file(bed.file("disk/ballast")).unwrap();
    bed.until("the alarm's end", || (!bed.alarm()).then_some(()));
    let last = bed.last_seq();
    bed.until("all events", || {
        (seqs(&file).len() as u64 >= last).then_some(())
    });
    assert_eq!(seqs(&file), (1..=last).collect::<Vec<_>>());
    assert_eq!(bed.outlet("file").lost, 0);
    drop(disk);
}

#[test]
fn rule_23_the_systems_log_gets_fields_and_is_changed_live() {
    let place = Mutex::new(None);
    let bed = Bed::lay(|directory| {
        let path = directory.join("journal");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(LONG)).unwrap();
        *place.lock().unwrap() = Some(socket);
        format!(
            "syslog = \"journald\"\nsyslog_socket = \"{}\"\n",
            path.display()
        )
    });
    let journal = place.into_inner().unwrap().unwrap();
    let mut buffer = vec![0; 65536];
    let mut next = |socket: &UnixDatagram| {
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    let role = loop {
        let datagram = next(&journal);
        if datagram.contains("TWINLINE_KIND=role\n") && datagram.contains("TWINLINE_TO=ACTIVE\n") {
            break datagram;
        }
    };
    for field in [
        "PRIORITY=5\n",
        "SYSLOG_IDENTIFIER=twinline\n",
        "TWINLINE_INSTANCE=a\n",
        "TWINLINE_WHY=",
        "MESSAGE=role ",
    ] {
        assert!(role.contains(field), "{field}: {role}");
    }

    let path = bed.file("devlog");
    let log = UnixDatagram::bind(&path).unwrap();
    log.set_read_timeout(Some(LONG)).unwrap();
    let events = format!(
        "syslog = \"syslog\"\nsyslog_socket = \"{}\"\n",
        path.display()
    );
    bed.engine.reload(&text(&bed.run, &events)).unwrap();
    let line = next(&log);
    assert!(line.starts_with("<30>twinline["), "{line}");
    assert!(
        line.contains("]: note (reloaded): reloaded: 2 settings applied"),
        "{line}"
    );
    assert!(
        line.contains("[twinline@32473 schema=\"1\" seq=\""),
        "{line}"
    );
    assert_eq!(bed.outlet("syslog").lost, 0);
    assert!(!bed.alarm());
}
