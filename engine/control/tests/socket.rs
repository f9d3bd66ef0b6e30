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

fn read_only() -> Access {
    Access {
        group: None,
        read_only: true,
    }
}

#[test]
fn on_a_socket_to_look_at_nothing_can_be_changed() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.sock.ro");
    let (server, calls) = Server::bind_with(&path, &read_only(), limits()).unwrap();
    let core = answer_all(calls);
    let mut client = Client::connect(&path).unwrap();
    let mut looked = 0;
    for request in every_request() {
        let reply = client.call(&request).unwrap();
        if request.only_reads() {
            looked += 1;
            assert!(matches!(reply, Reply::Ok(_)), "{request:?}: {reply:?}");
        } else {
            let Reply::Refused { reason } = reply else {
                panic!("{request:?}: {reply:?}");
            };
            assert!(reason.contains("one may only look"), "{reason}");
        }
    }
    drop((client, server));
    assert_eq!(
        core.join().unwrap(),
        looked,
        "nothing else came to the core"
    );
}

/// Each command once.
fn every_request() -> Vec<Request> {
    let with = |command: &str| match command {
        "set_bypass" => r#","pair":"p","path":"inline""#,
        "set_bypass_event" => r#","pair":"p","event":"timeout","path":"bypass""#,
        "set_bypass_watchdog" => r#","pair":"p","period_ms":2000"#,
        "diff_config" | "commit" => r#","toml":"""#,
        "show_commit" | "rollback" => r#","number":1"#,
        "set_link" => r#","port":"p","up":true"#,
        "set_promiscuous" => r#","port":"p","on":true"#,
        "capture_start" => r#","port":"p","file":"/tmp/f""#,
        "set_setting" => r#","key":"k","value":"v""#,
        _ => "",
    };
    let line = |c: &str| format!("{{\"cmd\":\"{c}\"{}}}", with(c));
    let all = Request::COMMANDS.iter();
    all.map(|c| Request::parse(line(c).as_bytes()).unwrap())
        .collect()
}

#[test]
fn who_asks_is_known_to_the_core() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.sock");
    let (_server, calls) = Server::bind_with(&path, &Access::default(), limits()).unwrap();
    let core = std::thread::spawn(move || {
        let call = calls.recv().unwrap();
        let caller = call.caller().clone();
        call.answer(done("x"));
        caller
    });
    Client::connect(&path)
        .unwrap()
        .call(&Request::HaClear)
        .unwrap();
    let caller = core.join().unwrap();
    assert_eq!(caller.pid, i32::try_from(std::process::id()).unwrap());
    let uid = fs::metadata("/proc/self").map(|m| std::os::unix::fs::MetadataExt::uid(&m));
    assert_eq!(Some(caller.uid), uid.ok());
    assert!(caller.uid != 0 || caller.user == "root", "{caller:?}");
}

#[test]
fn a_group_that_is_not_there_is_said() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.sock");
    let access = Access {
        group: Some("no-such-group-here".into()),
        read_only: false,
    };
    let error = Server::bind(&path, &access).unwrap_err().to_string();
    assert!(
        error.contains("groupadd --system no-such-group-here"),
        "{error}"
    );
    assert!(!path.exists());
}

/// Sends a line to a socket as another user, `nobody` with only these groups, and gives the answer;
/// `denied` where that user cannot connect. Perl and setpriv are on every Debian.
fn as_nobody(path: &Path, groups: &str, line: &str) -> String {
    let script = "use IO::Socket::UNIX; my $s = IO::Socket::UNIX->new($ARGV[0]); \
                  if (!$s) { print $!{EACCES} ? 'denied' : \"$!\"; exit 0 } \
                  print $s \"$ARGV[1]\\n\"; $s->flush; print scalar <$s>;";
    let groups = match groups {
        "" => "--clear-groups".to_owned(),
        some => format!("--groups={some}"),
    };
    let output = std::process::Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", &groups])
        .args(["/usr/bin/perl", "-e", script])
        .arg(path)
        .arg(line)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The kernel decides who connects, by the file's group and mode; needs root.
#[test]
fn another_user_needs_the_group() {
    let root = fs::metadata("/proc/self").map(|m| std::os::unix::fs::MetadataExt::uid(&m));
    if root.ok() != Some(0) {
        println!("skipped: not root");
        return;
    }
    let folder = TempDir::new().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    // a group that every Debian has
    let access = |group: &str, read_only| Access {
        group: Some(group.into()),
        read_only,
    };
    let (operator, staff) = (group_number("operator"), group_number("staff"));
    let write = folder.path().join("a.sock");
    let read = twinline_control::read_only_path(&write);
    let (_one, calls) = Server::bind_with(&write, &access("operator", false), limits()).unwrap();
    let (_two, reads) = Server::bind_with(&read, &access("staff", true), limits()).unwrap();
    let (_core, _other) = (answer_all(calls), answer_all(reads));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&write), mode(&read)), (0o660, 0o660));
    let clear = r#"{"cmd":"ha_clear"}"#;
    let look = r#"{"cmd":"show_ha"}"#;
    assert_eq!(as_nobody(&write, "", look), "denied");
    assert_eq!(as_nobody(&read, "", look), "denied");
    assert_eq!(as_nobody(&write, &staff, look), "denied");
    assert!(as_nobody(&read, &staff, look).contains("ACTIVE"));
    assert!(as_nobody(&read, &staff, clear).contains("one may only look"));
    assert!(as_nobody(&write, &operator, clear).contains("as asked"));
}

fn group_number(name: &str) -> String {
    let groups = fs::read_to_string("/etc/group").unwrap();
    let line = groups.lines().find(|l| l.starts_with(&format!("{name}:")));
    line.unwrap().split(':').nth(2).unwrap().to_owned()
}

/// Each socket has its own places and its own queue: what floods one leaves the other alone.
#[test]
fn a_flood_of_lookers_starves_nobody_who_may_do_more() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.sock");
    let read = twinline_control::read_only_path(&path);
    let (_one, calls) = Server::bind_with(&path, &Access::default(), limits()).unwrap();
    // nobody answers there: all its places are taken, all its queue is full
    let (_two, _reads) = Server::bind_with(&read, &read_only(), limits()).unwrap();
    let _core = answer_all(calls);
    let mut flood = Vec::new();
    for _ in 0..limits().connections * 2 {
        let mut stream = UnixStream::connect(&read).unwrap();
        let _ = stream.write_all(b"{\"cmd\":\"show_ha\"}\n");
        flood.push(stream);
    }
    let begin = Instant::now();
    let mut client = Client::connect(&path).unwrap();
    assert_eq!(client.call(&Request::HaClear).unwrap(), done("as asked"));
    assert!(begin.elapsed() < SECOND, "{:?}", begin.elapsed());
}

/// Consoles that stay open without a word give their places back; who comes again gets in.
#[test]
fn idle_consoles_lock_nobody_out() {
    let engine = Engine::start();
    let idle: Vec<UnixStream> = (0..limits().connections).map(|_| engine.raw()).collect();
    let deadline = Instant::now() + 10 * SECOND;
    loop {
        let asked = Client::connect(&engine.path).and_then(|mut c| c.call(&Request::HaClear));
        if asked.is_ok_and(|reply| reply == done("as asked")) {
            break;
        }
        assert!(Instant::now() < deadline, "locked out");
        std::thread::sleep(Duration::from_millis(50));
    }
    // and each of them is served when it connects again
    for _ in idle {
        engine.still_works();
    }
}

#[test]
fn a_candidate_of_the_largest_size_is_taken() {
    let engine = Engine::start();
    let reply = engine.client().call(&Request::Commit {
        // a line of it has quotes and a newline, which JSON writes with a backslash each
        toml: "k = \"aaaaaaaaaaaaaaaa\"\n".repeat((1 << 20) / 23),
        base_unix_ms: None,
        confirm_within_s: None,
        force: false,
    });
    assert_eq!(reply.unwrap(), done("as asked"));
}
