//! `twinline top` on a pseudo-terminal, beside an engine that answers from a table.
#![allow(clippy::unwrap_used)] // helpers of tests count as tests

mod pty;

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use pty::OnTerminal;
use rustix::process::Signal;
use tempfile::TempDir;
use twinline_control::{
    Access, Event, HaStatus, LegStatus, LinkPairStatus, Payload, PeerStatus, PortStatus, Reply,
    Request, Server,
};

/// An engine whose name would clear the screen, and which knows no `show_bandwidth`.
struct Engine {
    _folder: TempDir,
    socket: PathBuf,
    stop: Arc<AtomicBool>,
    bytes: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Engine {
    fn start() -> Engine {
        let folder = TempDir::new().unwrap();
        let socket = folder.path().join("e.sock");
        let mut engine = Engine {
            _folder: folder,
            socket,
            stop: Arc::default(),
            bytes: Arc::default(),
            thread: None,
        };
        engine.run();
        engine
    }

    fn run(&mut self) {
        self.stop.store(false, Ordering::SeqCst);
        let (server, calls) = Server::bind(&self.socket, &Access::default()).unwrap();
        let (stop, bytes) = (Arc::clone(&self.stop), Arc::clone(&self.bytes));
        self.thread = Some(std::thread::spawn(move || {
            let _server = server;
            while !stop.load(Ordering::SeqCst) {
                let Ok(call) = calls.recv_timeout(Duration::from_millis(20)) else {
                    continue;
                };
                let reply = answer(call.request(), bytes.fetch_add(10_000, Ordering::SeqCst));
                call.answer(reply);
            }
        }));
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }

    fn top(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_twinline"));
        command
            .arg("top")
            .arg("--socket")
            .arg(&self.socket)
            .args(["--interval", "100"]);
        command
            .env("LC_ALL", "C.UTF-8")
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR");
        command
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.end();
    }
}

fn answer(request: &Request, bytes: u64) -> Reply {
    let leg = |port: &str| LegStatus {
        port: port.into(),
        up: true,
        ..LegStatus::default()
    };
    Reply::Ok(match request {
        Request::ShowHa => Payload::Ha(Box::new(HaStatus {
            name: "node\x1b[2J\u{9b}31m\x07".into(),
            role: "ACTIVE".into(),
            role_reason: "primary_at_start".into(),
            fit: true,
            peers: vec![PeerStatus {
                id: 2,
                health: "HEALTHY".into(),
                last_heard_ms_ago: Some(7),
                missed: 1,
                threshold: 5,
                ..PeerStatus::default()
            }],
            ..HaStatus::default()
        })),
        Request::ShowLinkPairs => {
            let mut pair = LinkPairStatus {
                name: "wire0".into(),
                up: true,
                lan: leg("lan0"),
                wan: leg("wan0"),
                gate_wanted: "forward".into(),
                gate_adopted: "forward".into(),
                ..LinkPairStatus::default()
            };
            pair.lan_to_wan.tx_bytes = bytes;
            Payload::LinkPairs(vec![pair])
        }
        Request::ShowPorts => Payload::Ports(vec![PortStatus {
            name: "lan0".into(),
            used_for: "lan of wire0".into(),
            ..PortStatus::default()
        }]),
        Request::ShowEvents { after, .. } => Payload::Events(
            (after.unwrap_or(0) + 1..=40)
                .map(|seq| Event {
                    seq,
                    what: "role".into(),
                    from: "INIT".into(),
                    to: "ACTIVE".into(),
                    why: format!("reason_{seq}"),
                    ..Event::default()
                })
                .collect(),
        ),
        _ => {
            return Reply::Error {
                message: "this engine does not know that".into(),
            };
        }
    })
}

#[test]
fn a_session() {
    let mut engine = Engine::start();
    let mut top = OnTerminal::start(engine.top(), 80, 24);
    top.until("[ACTIVE] node?[2J?31m?");
    let first = top.until("reason_38"); // near the end: what is drawn comes in parts
    assert!(
        first.contains("1 of 5") && first.contains("gate forward"),
        "{first}"
    );
    assert!(first.contains("why: reason_40"), "the last change\n{first}");
    assert!(
        !first.contains("minimum"),
        "an older engine tells of none\n{first}"
    );
    top.until("bit/s");

    top.press("2");
    top.until("USED FOR");
    top.press("\t");
    top.until("peer 2");
    top.press("\x1b[Z"); // Shift-Tab
    top.until("USED FOR");
    top.press("5");
    top.until("lines 1-21 of 41");
    top.press("\x1b[B\x1b[B"); // down, down
    top.until("lines 3-23 of 41");
    top.press("\x1b[F"); // End
    let last = top.until("lines 21-41 of 41");
    assert!(last.contains("reason_1 "), "{last}");

    top.press("1");
    top.until("gate forward");
    top.resize(50, 10);
    top.until("node?[2J?31m?");
    top.resize(100, 30);
    top.until("gate forward");
    top.until("q quit"); // the last line

    top.press("p");
    top.until("PAUSED");
    engine.end();
    top.press("p");
    top.until("ENGINE AWAY for");
    let away = top.until("no engine listens on");
    assert!(away.contains("[ACTIVE?]"), "{away}");
    assert!(away.contains("OLD"), "{away}");
    engine.run();
    top.until("[ACTIVE] ");
    top.until_not("AWAY");

    top.press("?");
    top.until("twinline top");
    top.press("q");
    assert_eq!(top.end().code(), Some(0));
    let bytes = String::from_utf8_lossy(&top.bytes()).into_owned();
    for hostile in ["\u{9b}", "\x07", "node\x1b"] {
        assert!(!bytes.contains(hostile), "{hostile:?} got through");
    }
}

#[test]
fn each_end_gives_the_terminal_back() {
    let engine = Engine::start();
    for (signal, code) in [
        (Signal::TERM, 143),
        (Signal::INT, 130),
        (Signal::HUP, 129),
        (Signal::QUIT, 131),
    ] {
        let mut top = OnTerminal::start(engine.top(), 80, 24);
        top.until("[ACTIVE]");
        top.signal(signal);
        assert_eq!(top.end().code(), Some(code), "{signal:?}");
    }
    let mut top = OnTerminal::start(engine.top(), 80, 24);
    top.until("[ACTIVE]");
    top.press("\x03");
    assert_eq!(top.end().code(), Some(0), "Ctrl-C");
}

/// No signal comes with it here, since it is not the controlling terminal: only its end is seen.
#[test]
fn a_terminal_that_goes_away_ends_it() {
    let engine = Engine::start();
    let mut top = OnTerminal::start(engine.top(), 80, 24);
    top.until("[ACTIVE]");
    assert_eq!(top.hang_up().code(), Some(1));
}

#[test]
fn stopped_and_continued() {
    let engine = Engine::start();
    let mut top = OnTerminal::start(engine.top(), 80, 24);
    top.until("[ACTIVE]");
    top.signal(Signal::STOP);
    std::thread::sleep(Duration::from_millis(200));
    top.signal(Signal::CONT);
    top.press("3");
    top.until("peer 2");
    top.press("q");
    assert_eq!(top.end().code(), Some(0));
}

#[test]
fn without_an_engine_it_waits_for_one() {
    let mut engine = Engine::start();
    engine.end();
    let mut top = OnTerminal::start(engine.top(), 80, 24);
    top.until("ENGINE AWAY for");
    top.until("[NO DATA]");
    engine.run();
    top.until("[ACTIVE]");
    top.press("q");
    assert_eq!(top.end().code(), Some(0));
}

#[test]
fn no_colours_and_no_utf8_where_they_are_not_wanted() {
    let engine = Engine::start();
    let coloured = OnTerminal::start(engine.top(), 80, 24);
    coloured.until("gate forward");
    let bytes = String::from_utf8_lossy(&coloured.bytes()).into_owned();
    assert!(bytes.contains("\x1b[38;5;2"), "{bytes:?}");
    assert!(bytes.contains('┌'));
    let mut command = engine.top();
    command.env("NO_COLOR", "1").env("LC_ALL", "C");
    let plain = OnTerminal::start(command, 80, 24);
    plain.until("gate forward");
    let bytes = String::from_utf8(plain.bytes()).unwrap();
    assert!(bytes.is_ascii(), "{bytes:?}");
    for colour in ["\x1b[38", "\x1b[32m", "\x1b[48"] {
        assert!(!bytes.contains(colour), "{bytes:?}");
    }
}

#[test]
fn once_is_text_and_a_screen_without_a_terminal_is_refused() {
    let mut engine = Engine::start();
    let output = engine.top().arg("--once").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("[ACTIVE] node?[2J?31m?"), "{text}");
    assert!(
        text.contains("gate forward") && !text.contains("q quit"),
        "{text}"
    );
    assert!(
        text.chars().all(|c| c == '\n' || !c.is_control()),
        "{text:?}"
    );
    let rate = text
        .lines()
        .find(|line| line.starts_with("lan -> wan"))
        .unwrap();
    assert!(
        !rate.starts_with("lan -> wan -"),
        "two polls make a rate: {rate}"
    );
    let ports = engine
        .top()
        .args(["--once", "--page", "events"])
        .output()
        .unwrap();
    let text = String::from_utf8(ports.stdout).unwrap();
    assert!(
        text.contains("reason_1\n") && text.contains("reason_40\n"),
        "all of them\n{text}"
    );

    let output = engine.top().output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("no terminal: use `twinline top --once`"),
        "{said}"
    );
    assert!(output.stdout.is_empty());

    engine.end();
    let output = engine.top().arg("--once").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("no engine listens on"), "{said}");
    let output = engine.top().args(["--interval", "99"]).output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(2),
        "an interval that is too short"
    );
}
