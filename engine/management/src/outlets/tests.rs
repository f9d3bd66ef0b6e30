use super::file::FileSink;
use super::notify::Program;
use super::outlet::{Outlet, Shared, Sink, json_line};
use super::record::{Identity, record};
use super::*;
use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use twinline_config::{Config, Syslog};
use twinline_ha::events::{Alarm, Subject};
use twinline_ha::message::{Health, Role};
use twinline_ha::{Event, Kind, Reason, Severity, Side, Time};

const LONG: Duration = Duration::from_secs(20);

fn numbered(seq: u64) -> EventRecord {
    EventRecord {
        schema: 1,
        seq,
        boot: "00000000000000ff".into(),
        time_unix_ms: 1_795_410_754_567,
        time: "2026-11-23T05:12:34.567Z".into(),
        instance: "a".into(),
        instance_id: 1,
        stack: "s".into(),
        kind: "note".into(),
        severity: "warning".into(),
        what: "note".into(),
        why: "reloaded".into(),
        ..EventRecord::default()
    }
}

fn shared() -> (Arc<Shared>, Receiver<Report>) {
    let (report, reports) = unbounded();
    (Shared::new("file", Arc::default(), report), reports)
}

fn nothing() -> Events {
    Events {
        file: None,
        file_max_bytes: 1 << 20,
        file_keep: 2,
        syslog: Syslog::Off,
        syslog_socket: None,
        notify: Vec::new(),
    }
}

/// Waits until something is there.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LONG;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "timed out: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn lines(path: &Path) -> Vec<EventRecord> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let whole = text.lines().filter(|line| line.ends_with('}'));
    whole.map(|l| serde_json::from_str(l).unwrap()).collect()
}

fn seqs(path: &Path) -> Vec<u64> {
    lines(path).iter().map(|record| record.seq).collect()
}

fn schema() -> jsonschema::Validator {
    let text = include_str!("../../../../docs/event.schema.json");
    let schema = serde_json::from_str(text).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

fn config() -> Config {
    let text = include_str!("../../../../config/examples/pair-a.toml");
    Config::parse(text, "f").unwrap().config
}

/// One event of each subject and each alarm with a place or a peer.
fn every_event() -> Vec<(Subject, Reason)> {
    let up = Reason::AlarmRaised;
    vec![
        (
            Subject::Role {
                from: Role::Passive,
                to: Role::Active,
            },
            Reason::PeerUnhealthy,
        ),
        (
            Subject::Health {
                peer: 2,
                from: Health::Healthy,
                to: Health::Unhealthy,
            },
            Reason::HeartbeatsMissed,
        ),
        (
            Subject::LinkPair { pair: 0, up: false },
            Reason::CarrierLost,
        ),
        (
            Subject::Port {
                pair: 0,
                side: Side::Wan,
                up: false,
            },
            Reason::PartnerDown,
        ),
        (
            Subject::Handover { successor: 2 },
            Reason::OperatorSwitchover,
        ),
        (
            Subject::Card {
                pair: 0,
                from: None,
                to: twinline_ha::CardCommand::Bypass,
            },
            Reason::WatchdogExpired,
        ),
        (
            Subject::VirtualRouter {
                name: "gateway".into(),
                from: "backup",
                to: "active",
            },
            Reason::NoActiveRouterHeard,
        ),
        (Subject::Flap { count: 3 }, Reason::PeerUnhealthy),
        (
            Subject::Note("two\nlines \"quoted\"".into()),
            Reason::Reloaded,
        ),
        (Subject::Alarm(Alarm::NoActive), up),
        (Subject::Alarm(Alarm::NoActive), Reason::AlarmCleared),
        (Subject::Alarm(Alarm::HaPortDown), up),
        (Subject::Alarm(Alarm::DualActive(2)), up),
        (
            Subject::Alarm(Alarm::Card {
                pair: 0,
                text: "x".into(),
            }),
            up,
        ),
        (
            Subject::Alarm(Alarm::EventOutlet {
                outlet: "file",
                text: "x".into(),
            }),
            up,
        ),
    ]
}

fn recorded(seq: u64, subject: Subject, why: Reason) -> EventRecord {
    let config = config();
    let identity = Identity {
        boot: "00000000000000ff".into(),
        instance: config.instance.name.clone(),
        id: config.instance.id,
        stack: config.instance.stack.clone(),
    };
    let event = Event {
        seq,
        at: Time::ZERO,
        unix_ms: 1_795_410_754_567,
        subject,
        why,
    };
    let shown = crate::status::event(&config, &event);
    record(&identity, &config, &event, shown)
}

#[test]
fn rule_23_every_event_is_as_the_schema_says() {
    let schema = schema();
    let mut kinds = Vec::new();
    for (at, (subject, why)) in every_event().into_iter().enumerate() {
        kinds.push(subject.kind().name());
        let record = recorded(at as u64 + 1, subject, why);
        let line = json_line(&record);
        assert_eq!(line.iter().filter(|b| **b == b'\n').count(), 1);
        let value = serde_json::from_slice(&line).unwrap();
        let errors: Vec<String> = schema.iter_errors(&value).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}: {value}");
    }
    for kind in Kind::ALL {
        assert!(
            kinds.contains(&kind.name()),
            "no example of {}",
            kind.name()
        );
    }
    // and the schema refuses something
    let mut wrong = serde_json::to_value(numbered(1)).unwrap();
    assert!(schema.is_valid(&wrong));
    wrong["why"] = "because".into();
    assert!(!schema.is_valid(&wrong));
}

/// The words of `impl ...::name` in the source of the HA crate.
fn words_of(part: &str, end: &str) -> Vec<String> {
    let source = include_str!("../../../ha/src/events.rs");
    let from = source.find(part).unwrap();
    let text = &source[from..from + source[from..].find(end).unwrap()];
    let mut words: Vec<String> = text
        .split("=> \"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap().to_owned())
        .collect();
    words.sort();
    words.dedup();
    words
}

#[test]
fn rule_23_the_schema_and_the_page_have_every_word() {
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../../../../docs/event.schema.json")).unwrap();
    let page = include_str!("../../../../docs/events.md");
    let listed = |field: &str| -> Vec<String> {
        let list = schema["properties"][field]["enum"].as_array().unwrap();
        let mut words: Vec<String> = list.iter().map(|v| v.as_str().unwrap().into()).collect();
        words.sort();
        words
    };
    let mut whys = words_of("impl Reason", "impl fmt::Display for Reason");
    whys.push("outlet_too_slow".into());
    whys.sort();
    assert!(whys.len() > 50);
    assert_eq!(listed("why"), whys);
    let alarms = words_of("impl Alarm", "impl fmt::Display for Alarm");
    assert!(alarms.len() > 20);
    assert_eq!(listed("alarm"), alarms);
    let mut kinds: Vec<String> = Kind::ALL.iter().map(|k| k.name().into()).collect();
    kinds.push("lost".into());
    kinds.sort();
    assert_eq!(listed("kind"), kinds);
    let mut severities: Vec<String> = Severity::ALL.iter().map(|s| s.name().into()).collect();
    severities.sort();
    assert_eq!(listed("severity"), severities);
    for word in whys.iter().chain(&alarms).chain(&kinds) {
        assert!(
            page.contains(&format!("| `{word}` |")),
            "docs/events.md has no {word}"
        );
    }
    for (subject, why) in every_event() {
        if let (Subject::Alarm(alarm), Reason::AlarmRaised) = (&subject, why) {
            let row = format!("| `{}` | {} |", alarm.name(), alarm.severity());
            assert!(page.contains(&row), "docs/events.md has no {row}");
        }
    }
    for field in schema["properties"].as_object().unwrap().keys() {
        assert!(
            page.contains(&format!("`{field}`")),
            "docs/events.md has no {field}"
        );
    }
}

#[test]
fn rule_23_the_file_is_turned_over_by_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made/at need/events");
    let length = json_line(&numbered(1)).len() as u64;
    let (shared, _reports) = shared();
    let mut sink = FileSink::new(path.clone(), length * 2 + 5, 2);
    for seq in 1..=9 {
        assert_eq!(sink.put(&numbered(seq), &shared), Ok(None));
    }
    let older = |n: u32| path.with_file_name(format!("events.{n}"));
    assert_eq!(seqs(&path), [9]);
    assert_eq!(seqs(&older(1)), [7, 8]);
    assert_eq!(seqs(&older(2)), [5, 6]);
    assert!(!older(3).exists());
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777 & !0o640,
        0
    );
    let mut none_kept = FileSink::new(path.clone(), length, 0);
    none_kept.put(&numbered(10), &shared).unwrap();
    assert_eq!((seqs(&path), seqs(&older(1))), (vec![10], vec![7, 8]));
}

#[test]
fn rule_23_a_file_that_was_moved_away_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events");
    let (shared, _reports) = shared();
    let mut sink = FileSink::new(path.clone(), 1 << 20, 2);
    sink.put(&numbered(1), &shared).unwrap();
    let moved = folder.path().join("moved");
    fs::rename(&path, &moved).unwrap();
    sink.put(&numbered(2), &shared).unwrap();
    assert_eq!((seqs(&moved), seqs(&path)), (vec![1], vec![2]));
    fs::remove_dir_all(folder.path()).unwrap();
    sink.put(&numbered(3), &shared).unwrap();
    assert_eq!(seqs(&path), [3]);
    // logrotate's copytruncate
    fs::write(&path, "").unwrap();
    sink.put(&numbered(4), &shared).unwrap();
    assert_eq!(seqs(&path), [4]);
    // half a line of a machine that lost power
    fs::write(&path, "{\"half").unwrap();
    let mut next = FileSink::new(path.clone(), 1 << 20, 2);
    next.put(&numbered(5), &shared).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("{\"half\n{\"schema\""), "{text}");
}

#[test]
fn rule_23_a_full_disk_takes_no_half_lines_and_a_fifo_is_refused() {
    let (shared, _reports) = shared();
    let mut full = FileSink::new("/dev/full".into(), 1 << 20, 2);
    let error = full.put(&numbered(1), &shared).unwrap_err();
    assert!(error.contains("not a regular file"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    assert!(fs::metadata(&fifo).unwrap().file_type().is_fifo());
    let mut sink = FileSink::new(fifo, 1 << 20, 2);
    let error = sink.put(&numbered(1), &shared).unwrap_err();
    assert!(error.contains("not a regular file"), "{error}");
}

#[test]
fn rule_23_syslogs_text_is_one_line_and_escaped() {
    let mut record = numbered(7);
    record.detail = "two\nlines".into();
    record.pair = Some("a\"b\\c]d".into());
    let text = String::from_utf8(syslog::syslog(&record, 42)).unwrap();
    assert_eq!(
        text,
        "<28>twinline[42]: note (reloaded): two lines [twinline@32473 schema=\"1\" seq=\"7\" \
         boot=\"00000000000000ff\" time_unix_ms=\"1795410754567\" \
         time=\"2026-11-23T05:12:34.567Z\" instance=\"a\" instance_id=\"1\" stack=\"s\" \
         kind=\"note\" severity=\"warning\" what=\"note\" why=\"reloaded\" \
         pair=\"a\\\"b\\\\c\\]d\"]"
    );
    record.detail = "x".repeat(100_000);
    assert!(syslog::syslog(&record, 42).len() < 8192);
}

/// What journald reads out of a datagram.
fn fields_of(mut bytes: &[u8]) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    while !bytes.is_empty() {
        let line = bytes.iter().position(|b| *b == b'\n').unwrap();
        let (head, rest) = (&bytes[..line], &bytes[line + 1..]);
        if let Some(at) = head.iter().position(|b| *b == b'=') {
            out.push((text(&head[..at]), text(&head[at + 1..])));
            bytes = rest;
        } else {
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            out.push((text(head), text(&rest[8..8 + length])));
            assert_eq!(rest[8 + length], b'\n');
            bytes = &rest[9 + length..];
        }
    }
    out
}

#[test]
fn rule_23_journald_gets_fields_of_several_lines() {
    let mut record = numbered(7);
    record.detail = "two\nlines=x".into();
    record.alarm = Some("no_active".into());
    let fields = fields_of(&syslog::journald(&record, 42));
    let get = |name: &str| {
        let mut found = fields.iter().filter(|(n, _)| n == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} twice");
        value
    };
    assert_eq!(get("MESSAGE"), Some("note (reloaded): two\nlines=x"));
    assert_eq!(get("PRIORITY"), Some("4"));
    assert_eq!(get("SYSLOG_IDENTIFIER"), Some("twinline"));
    assert_eq!(get("TWINLINE_DETAIL"), Some("two\nlines=x"));
    assert_eq!(get("TWINLINE_WHY"), Some("reloaded"));
    assert_eq!(get("TWINLINE_ALARM"), Some("no_active"));
    assert_eq!(get("TWINLINE_PEER"), None);
}

#[test]
fn rule_23_a_log_that_comes_late_or_is_restarted_gets_what_waited() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let events = Events {
        syslog: Syslog::Journald,
        syslog_socket: Some(path.clone()),
        ..nothing()
    };
    let mut outlets = Outlets::spawn(events, Vec::new()).unwrap();
    outlets.send(numbered(1));
    let report = until("the alarm", || outlets.report());
    assert_eq!(report.outlet, "journald");
    assert!(report.failure.is_some());
    for run in 0..2 {
        let log = UnixDatagram::bind(&path).unwrap();
        log.set_read_timeout(Some(LONG)).unwrap();
        outlets.send(numbered(run * 2 + 2));
        let mut buffer = [0; 8192];
        let wanted = if run == 0 { vec!["1", "2"] } else { vec!["4"] };
        for seq in wanted {
            let length = log.recv(&mut buffer).unwrap();
            let fields = fields_of(&buffer[..length]);
            assert!(
                fields.contains(&("TWINLINE_SEQ".into(), seq.into())),
                "{fields:?}"
            );
        }
        fs::remove_file(&path).unwrap();
    }
    let report = until("the end of the alarm", || outlets.report());
    assert_eq!(report.failure, None);
    outlets.finish(true);
}

/// A sink that waits for a word before it takes anything.
struct Gate(Receiver<()>, Arc<std::sync::Mutex<Vec<EventRecord>>>);

impl Sink for Gate {
    fn put(&mut self, record: &EventRecord, _: &Shared) -> Result<Option<String>, String> {
        let _ = self.0.recv();
        self.1.lock().unwrap().push(record.clone());
        Ok(None)
    }
}

#[test]
fn rule_23_what_a_slow_outlet_loses_is_counted_and_told_in_its_place() {
    let (open, gate) = unbounded();
    let seen = Arc::default();
    let sink = Gate(gate, Arc::clone(&seen));
    let (shared, reports) = shared();
    let mut outlet = Outlet::spawn(shared, "t".into(), |incoming, shared| {
        super::outlet::pour(sink, incoming, shared);
    })
    .unwrap();
    let total = 3000;
    for seq in 1..=total {
        outlet.push(&Arc::new(numbered(seq)), 0);
    }
    assert!(reports.try_recv().unwrap().failure.is_some());
    assert!(reports.try_recv().is_err(), "one alarm, not a thousand");
    let lost = outlet.status().lost;
    assert!((total - 1026..total - 1022).contains(&lost), "{lost}");
    drop(open);
    until("room", || outlet.tell_missing().then_some(()));
    outlet.push(&Arc::new(numbered(total + 1)), 0);
    until("all", || (outlet.status().waiting == 0).then_some(()));
    outlet.close(Duration::from_secs(1));
    until("the end", || outlet.ended().then_some(()));
    let seen = seen.lock().unwrap();
    let at = seen.iter().position(|r| r.kind == "lost").unwrap();
    assert_eq!(seen[at].lost, Some(lost));
    assert_eq!(seen[at].from, (seen[at - 1].seq + 1).to_string());
    assert_eq!((seen[at].seq, seen[at + 1].seq), (total, total + 1));
    assert_eq!(seen.len() as u64, total - lost + 2);
    assert!(schema().is_valid(&serde_json::to_value(&seen[at]).unwrap()));
    assert_eq!(reports.try_recv().unwrap().failure, None);
}

fn program(script: &str) -> Vec<String> {
    vec!["/bin/sh".into(), "-c".into(), script.into()]
}

fn with_program(script: &str) -> Outlets {
    let events = Events {
        notify: program(script),
        ..nothing()
    };
    Outlets::spawn(events, Vec::new()).unwrap()
}

#[test]
fn rule_23_a_program_gets_each_event_in_order_to_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let script = format!(
        "while read -r l; do printf '%s\\n' \"$l\" >>{}; done",
        out.display()
    );
    let mut outlets = with_program(&script);
    for seq in 1..=500 {
        outlets.send(numbered(seq));
    }
    outlets.finish(true);
    let all: Vec<u64> = (1..=500).collect();
    assert_eq!(seqs(&out), all);
}

/// It reads a line and dies: each line is one run's, in order, none lost and none twice.
#[test]
fn rule_23_a_program_that_dies_leaves_what_it_has_not_read_to_its_successor() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let script = format!(
        "read -r l; printf '%s\\n' \"$l\" >>{0}; read -r l; printf '%s\\n' \"$l\" >>{0}",
        out.display()
    );
    let mut outlets = with_program(&script);
    for seq in 1..=5 {
        outlets.send(numbered(seq));
    }
    until("two runs", || (seqs(&out).len() >= 5).then_some(()));
    assert_eq!(seqs(&out), [1, 2, 3, 4, 5]);
    let failed = until("the alarm", || outlets.report());
    assert!(failed.failure.unwrap().contains("exit status: 0"));
    outlets.finish(true);
}

#[test]
fn rule_23_a_program_that_does_not_end_is_killed_with_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    let script = format!(
        "trap '' TERM; sleep 1000 & echo $$ $! >{}; while :; do sleep 1000; done",
        pids.display()
    );
    let outlets = with_program(&script);
    let text = until("the program", || {
        let text = fs::read_to_string(&pids).unwrap_or_default();
        text.ends_with('\n').then_some(text)
    });
    let begun = Instant::now();
    outlets.finish(true);
    let took = begun.elapsed();
    assert!(
        took > DRAIN + PATIENCE - Duration::from_millis(100),
        "{took:?}"
    );
    assert!(took < DRAIN + PATIENCE + Duration::from_secs(2), "{took:?}");
    for pid in text.split_whitespace() {
        until("the end of a process", || {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            (stat.is_empty() || stat.contains(") Z ")).then_some(())
        });
    }
}

#[test]
fn rule_23_a_program_that_is_not_there_is_an_alarm_and_no_delay() {
    let events = Events {
        notify: vec!["/no/such/program".into()],
        ..nothing()
    };
    let mut outlets = Outlets::spawn(events, Vec::new()).unwrap();
    let report = until("the alarm", || outlets.report());
    assert!(report.failure.unwrap().contains("cannot be started"));
    // other outlets come without a restart, and the alarm goes with what raised it
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events");
    let events = Events {
        file: Some(path.clone()),
        ..nothing()
    };
    assert!(outlets.configure(&events));
    let report = until("the end of the alarm", || outlets.report());
    assert_eq!((report.outlet, report.failure), ("notify", None));
    outlets.send(numbered(1));
    outlets.finish(true);
    assert_eq!(seqs(&path), [1]);
}

#[test]
fn a_program_without_words_cannot_be_started() {
    let (shared, reports) = shared();
    let outlet = Outlet::spawn(shared, "t".into(), |incoming, shared| {
        Program::new(Vec::new()).run(incoming, shared);
    });
    let mut outlet = outlet.unwrap();
    let report = until("the alarm", || reports.try_recv().ok());
    assert!(report.failure.is_some());
    outlet.close(Duration::ZERO);
    until("the end", || outlet.ended().then_some(()));
}
