//! Server and client over a real socket: good calls, and every way to misuse it.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests count as tests

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use tempfile::TempDir;
use twinline_control::{
    Access, BindError, Call, Client, ClientError, Event, HaStatus, Limits, Payload, Reply, Request,
    Server,
};

const SECOND: Duration = Duration::from_secs(1);

/// Short times, so that the tests are quick; counts as in production.
fn limits() -> Limits {
    Limits {
        io_time: Duration::from_millis(300),
        answer_time: Duration::from_millis(300),
        role_change_time: SECOND,
        ..Limits::default()
    }
}

fn done(message: &str) -> Reply {
    Reply::Ok(Payload::Done {
        message: message.into(),
    })
}

/// A management core that answers everything, until the server is gone.
fn answer_all(calls: Receiver<Call>) -> JoinHandle<u32> {
    std::thread::spawn(move || {
        let mut answered = 0;
        for call in calls {
            let reply = match call.request() {
                Request::ShowHa => Reply::Ok(Payload::Ha(Box::new(HaStatus {
                    role: "ACTIVE".into(),
                    ..HaStatus::default()
                }))),
                Request::ShowEvents { last, .. } => {
                    let event = Event {
                        detail: "x".repeat(100),
                        ..Event::default()
                    };
                    Reply::Ok(Payload::Events(vec![event; last.unwrap_or(1) as usize]))
                }
                Request::HaSwitchover {} => Reply::Refused {
                    reason: "no healthy peer".into(),
                },
                _ => done("as asked"),
            };
            call.answer(reply);
            answered += 1;
        }
        answered
    })
}

struct Engine {
    server: Option<Server>,
    core: Option<JoinHandle<u32>>,
    path: PathBuf,
    _folder: TempDir,
}

impl Engine {
    fn start() -> Engine {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("run/twinline/control.sock");
        let (server, calls) = Server::bind_with(&path, &Access::default(), limits()).unwrap();
        let core = Some(answer_all(calls));
        Engine {
            server: Some(server),
            core,
            path,
            _folder: folder,
        }
    }

    fn client(&self) -> Client {
        Client::connect(&self.path).unwrap()
    }

    /// A client that writes and reads what it likes.
    fn raw(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.path).unwrap();
        stream.set_read_timeout(Some(10 * SECOND)).unwrap();
        stream
    }

    fn still_works(&self) {
        assert_eq!(
            self.client().call(&Request::HaClear).unwrap(),
            done("as asked")
        );
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        drop(self.server.take());
        if let Some(core) = self.core.take() {
            core.join().unwrap();
        }
    }
}

/// All that comes until the server closes.
fn read_all(stream: &mut UnixStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn error_of(line: &str) -> String {
    match serde_json::from_str(line.trim_end()).unwrap() {
        Reply::Error { message } => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn calls_are_answered() {
    let engine = Engine::start();
    let mut client = engine.client();
    let Reply::Ok(Payload::Ha(status)) = client.call(&Request::ShowHa).unwrap() else {
        panic!("no status");
    };
    assert_eq!(status.role, "ACTIVE");
    assert_eq!(
        client.call(&Request::HaSwitchover {}).unwrap(),
        Reply::Refused {
            reason: "no healthy peer".into()
        }
    );
    assert_eq!(
        client.call(&Request::HaSuspend { force: true }).unwrap(),
        done("as asked")
    );
    // Larger than any socket buffer, both ways round.
    let asked = Request::ShowEvents {
        last: Some(20_000),
        after: None,
    };
    let Reply::Ok(Payload::Events(events)) = client.call(&asked).unwrap() else {
        panic!("no events");
    };
    assert_eq!(events.len(), 20_000);
}

#[test]
fn socket_is_private_and_goes_with_the_server() {
    let engine = Engine::start();
    let path = engine.path.clone();
    let file = fs::symlink_metadata(&path).unwrap();
    assert!(file.file_type().is_socket());
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    drop(engine);
    assert!(!path.exists());
}

#[test]
fn drop_is_quick_with_clients_connected() {
    let engine = Engine::start();
    let _idle = engine.raw();
    let started = Instant::now();
    drop(engine);
    assert!(started.elapsed() < 2 * SECOND);
}

#[test]
fn garbage_is_answered_and_harms_nobody() {
    let engine = Engine::start();
    let mut stream = engine.raw();
    let lines: [&[u8]; 6] = [
        b"",
        b"show ha",
        b"{\"cmd\":\"format\"}",
        b"\x00\xff\xfe",
        b"{\"cmd\":",
        b"[[[[[[",
    ];
    for line in lines {
        stream.write_all(line).unwrap();
        stream.write_all(b"\n").unwrap();
    }
    stream.write_all(b"{\"cmd\":\"ha_clear\"}\r\n").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let text = read_all(&mut stream);
    let replies: Vec<&str> = text.lines().collect();
    assert_eq!(replies.len(), lines.len() + 1, "{text}");
    for reply in &replies[..lines.len()] {
        assert!(error_of(reply).contains("show_ha, show_ports"), "{reply}");
    }
    assert_eq!(
        serde_json::from_str::<Reply>(replies[lines.len()]).unwrap(),
        done("as asked")
    );
    engine.still_works();
}

#[test]
fn half_a_line_is_no_request() {
    let engine = Engine::start();
    let mut stream = engine.raw();
    stream.write_all(b"{\"cmd\":\"ha_clear\"}").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let message = error_of(&read_all(&mut stream));
    assert_eq!(message, "request line did not end with a newline");

    // Left behind in the middle of a line.
    let mut stream = engine.raw();
    stream.write_all(b"{\"cmd\":").unwrap();
    drop(stream);
    engine.still_works();
}

#[test]
fn a_line_may_come_in_pieces_and_two_in_one() {
    let engine = Engine::start();
    let mut stream = engine.raw();
    for piece in [
        b"{\"cmd\":".as_slice(),
        b"\"ha_clear\"}",
        b"\n{\"cmd\":\"ha_resume\"}\n{\"cmd",
    ] {
        stream.write_all(piece).unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
    stream.write_all(b"\":\"ha_clear\"}\n").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(read_all(&mut stream).lines().count(), 3);
}

#[test]
fn lines_are_bounded() {
    let engine = Engine::start();
    let limit = limits().line_bytes;
    // As long as allowed, space included.
    let mut stream = engine.raw();
    let mut line = b"{\"cmd\":\"ha_clear\"}".to_vec();
    line.resize(limit, b' ');
    line.push(b'\n');
    stream.write_all(&line).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(
        serde_json::from_str::<Reply>(read_all(&mut stream).trim()).unwrap(),
        done("as asked")
    );
    // One more, with and without an end.
    for end in ["\n", ""] {
        let mut stream = engine.raw();
        line.truncate(0);
        line.resize(limit + 1, b' ');
        line.extend(end.as_bytes());
        stream.write_all(&line).unwrap();
        assert_eq!(
            error_of(&read_all(&mut stream)),
            "request line is longer than 2162688 bytes"
        );
    }
    // A flood is cut off long before it is all read.
    let mut stream = engine.raw();
    let flood = stream.write_all(&vec![b'x'; 64 << 20]);
    assert!(flood.is_err(), "64 MiB in one line were taken");
    engine.still_works();
}

#[test]
fn a_slow_sender_is_cut_off() {
    let engine = Engine::start();
    let mut stream = engine.raw();
    let started = Instant::now();
    // A byte each 50 ms: each one in time, the line as a whole not.
    while started.elapsed() < 10 * SECOND && stream.write_all(b" ").is_ok() {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(
        started.elapsed() < 5 * SECOND,
        "still connected after {:?}",
        started.elapsed()
    );
    let mut text = String::new();
    // The answer is there, though the connection was reset behind it.
    let _ = stream.read_to_string(&mut text);
    assert_eq!(error_of(&text), "request line did not end within 0.3 s");
}

#[test]
fn an_idle_client_is_let_go() {
    let engine = Engine::start();
    let mut stream = engine.raw();
    let started = Instant::now();
    assert_eq!(read_all(&mut stream), "");
    assert!(started.elapsed() >= limits().io_time && started.elapsed() < 5 * SECOND);
}

#[test]
fn a_client_that_does_not_read_is_let_go() {
    let engine = Engine::start();
    let mut clients: Vec<UnixStream> = (0..limits().connections).map(|_| engine.raw()).collect();
    for stream in &mut clients {
        // Megabytes of reply that nobody fetches.
        stream
            .write_all(b"{\"cmd\":\"show_events\",\"last\":20000}\n")
            .unwrap();
    }
    let started = Instant::now();
    while engine.client().call(&Request::HaClear).ok() != Some(done("as asked")) {
        assert!(
            started.elapsed() < 10 * SECOND,
            "the places were never given back"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn connections_are_bounded() {
    let engine = Engine::start();
    let mut held: Vec<Client> = (0..limits().connections).map(|_| engine.client()).collect();
    for client in &mut held {
        client.call(&Request::HaClear).unwrap();
    }
    let turned_away = engine.client().call(&Request::ShowHa).unwrap();
    assert_eq!(
        turned_away,
        Reply::Error {
            message: "8 connections are open already".into()
        }
    );
    drop(held);
    let started = Instant::now();
    while engine.client().call(&Request::HaClear).unwrap() != done("as asked") {
        assert!(
            started.elapsed() < 5 * SECOND,
            "the places were never given back"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn many_clients_in_turn_and_at_once() {
    let engine = Engine::start();
    let threads: Vec<_> = (0..6)
        .map(|_| {
            let path = engine.path.clone();
            std::thread::spawn(move || {
                let mut client = Client::connect(&path).unwrap();
                for _ in 0..200 {
                    assert_eq!(client.call(&Request::HaClear).unwrap(), done("as asked"));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    // A place is given back a moment after its client has left.
    std::thread::sleep(Duration::from_millis(100));
    for _ in 0..100 {
        let reply = engine.client().call(&Request::HaClear).unwrap();
        assert!(matches!(reply, Reply::Ok(_)), "{reply:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn an_engine_that_does_not_answer_is_reported() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("control.sock");
    let (_server, calls) = Server::bind_with(&path, &Access::default(), limits()).unwrap();
    let no_answer = Reply::Error {
        message: "engine did not answer".into(),
    };
    let mut client = Client::connect(&path).unwrap();

    let started = Instant::now();
    assert_eq!(client.call(&Request::ShowHa).unwrap(), no_answer);
    assert!(started.elapsed() >= limits().answer_time);
    let started = Instant::now();
    assert_eq!(client.call(&Request::HaSwitchover {}).unwrap(), no_answer);
    assert!(started.elapsed() >= limits().role_change_time);

    // Both are still in the channel, but the core sees that nobody waits.
    let late = calls.recv().unwrap();
    assert!(late.is_abandoned());
    late.answer(done("too late"));
    assert!(calls.recv().unwrap().is_abandoned());

    // A call that the core throws away is no answer either, and at once.
    let caller = std::thread::spawn(move || client.call(&Request::HaSwitchover {}).unwrap());
    let call = calls.recv_timeout(SECOND).unwrap();
    assert!(!call.is_abandoned());
    drop(call);
    assert_eq!(caller.join().unwrap(), no_answer);

    drop(calls);
    let reply = Client::connect(&path)
        .unwrap()
        .call(&Request::ShowHa)
        .unwrap();
    assert_eq!(
        reply,
        Reply::Error {
            message: "engine is stopping".into()
        }
    );
}

#[test]
fn a_stale_socket_is_replaced() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("control.sock");
    // As after kill -9: the file without its listener.
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let (server, calls) = Server::bind(&path, &Access::default()).unwrap();
    let _core = answer_all(calls);
    assert_eq!(
        Client::connect(&path)
            .unwrap()
            .call(&Request::HaClear)
            .unwrap(),
        done("as asked")
    );
    assert_eq!(server.path(), path);
}

#[test]
fn a_second_engine_is_refused() {
    let engine = Engine::start();
    let second = Server::bind(&engine.path, &Access::default());
    let Err(error @ BindError::InUse { .. }) = second else {
        panic!("{second:?}")
    };
    let text = error.to_string();
    assert!(
        text.contains("control.sock") && text.contains("another engine"),
        "{text}"
    );
    engine.still_works();
}

/// A stopped engine that nobody can connect to any more, its backlog full, is not stale.
#[test]
fn a_stopped_engine_is_not_taken_for_a_dead_one() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("control.sock");
    let stopped = rustix_listener(&path);
    let _waiting = [
        UnixStream::connect(&path).unwrap(),
        UnixStream::connect(&path).unwrap(),
    ];
    let second = Server::bind(&path, &Access::default());
    assert!(matches!(second, Err(BindError::InUse { .. })), "{second:?}");
    drop(stopped);
}

/// A listener with room for two clients that are not accepted.
fn rustix_listener(path: &Path) -> UnixListener {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, listen, socket};
    let listener = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    bind(&listener, &SocketAddrUnix::new(path).unwrap()).unwrap();
    listen(&listener, 1).unwrap();
    UnixListener::from(listener)
}

/// Ten engines start on one stale socket at the same moment: one of them gets it.
#[test]
fn of_engines_that_start_at_once_one_wins() {
    for _ in 0..300 {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("control.sock");
        drop(UnixListener::bind(&path).unwrap());
        let threads: Vec<_> = (0..10)
            .map(|_| {
                let path = path.clone();
                std::thread::spawn(move || Server::bind(&path, &Access::default()))
            })
            .collect();
        let bound: Vec<_> = threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect();
        assert_eq!(bound.iter().filter(|result| result.is_ok()).count(), 1);
        assert!(path.exists());
    }
}

#[test]
fn what_is_not_a_socket_is_left_alone() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("notes.txt");
    fs::write(&file, "precious").unwrap();
    let bound = Server::bind(&file, &Access::default());
    assert!(
        matches!(bound, Err(BindError::NotASocket { .. })),
        "{bound:?}"
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");

    let below = Server::bind(file.join("control.sock"), &Access::default());
    assert!(matches!(below, Err(BindError::Folder { .. })), "{below:?}");

    let long = folder.path().join("x".repeat(120));
    let bound = Server::bind(&long, &Access::default());
    assert!(matches!(bound, Err(BindError::Io { .. })), "{bound:?}");
}

/// An operator removed the file and started another engine: ours must not remove that one's.
#[test]
fn drop_leaves_a_successors_socket() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("control.sock");
    let (first, _calls) = Server::bind(&path, &Access::default()).unwrap();
    fs::remove_file(&path).unwrap();
    let (_second, _calls) = Server::bind(&path, &Access::default()).unwrap();
    drop(first);
    assert!(path.exists());
    assert!(UnixStream::connect(&path).is_ok());
}

#[test]
fn client_says_plainly_what_is_wrong() {
    let folder = TempDir::new().unwrap();
    let missing = folder.path().join("control.sock");
    let error = Client::connect(&missing).unwrap_err();
    assert!(matches!(error, ClientError::NotRunning { .. }));
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("no engine listens on {}:", missing.display())),
        "{text}"
    );
    assert!(!text.contains('\n'));

    drop(UnixListener::bind(&missing).unwrap());
    let error = Client::connect(&missing).unwrap_err();
    assert!(matches!(error, ClientError::NotRunning { .. }), "{error}");
}

#[test]
fn client_bears_with_odd_servers() {
    let folder = TempDir::new().unwrap();
    let serve = |name: &str, answer: Option<&'static [u8]>| {
        let path = folder.path().join(name);
        let listener = UnixListener::bind(&path).unwrap();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            if let Some(answer) = answer {
                stream.write_all(answer).unwrap();
            }
            // Until the client has gone.
            let _ = stream.read_to_end(&mut Vec::new());
        });
        (
            Client::connect(path)
                .unwrap()
                .with_time(Duration::from_millis(200)),
            thread,
        )
    };

    let (mut client, thread) = serve("mute", None);
    let started = Instant::now();
    let error = client.call(&Request::ShowHa).unwrap_err();
    assert!(matches!(error, ClientError::TimedOut { .. }), "{error}");
    assert!(started.elapsed() < 2 * SECOND);
    drop(client);
    thread.join().unwrap();

    for (name, answer) in [
        ("html", b"<html>\n".as_slice()),
        ("other", b"{\"result\":\"maybe\"}\n"),
    ] {
        let (mut client, thread) = serve(name, Some(answer));
        let error = client.call(&Request::ShowHa).unwrap_err();
        assert!(matches!(error, ClientError::BadReply { .. }), "{error}");
        drop(client);
        thread.join().unwrap();
    }

    let path = folder.path().join("closes");
    let listener = UnixListener::bind(&path).unwrap();
    let mut client = Client::connect(&path).unwrap();
    drop(listener.accept().unwrap());
    let error = client.call(&Request::ShowHa).unwrap_err();
    assert!(matches!(error, ClientError::Closed { .. }), "{error}");
}
