//! Everything that an operator may have open beside a pair, all at once: consoles, the live screen,
//! a Prometheus that scrapes, a program of `events.notify` that does not read, clients that do not
//! read or that send nonsense. The pair does not notice.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, not excepted"
)]

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use twinline_tests::engine::{self, Settings};
use twinline_tests::fair::on_a_fair_machine;
use twinline_tests::lab::Lab;
use twinline_tests::probe::udp::UdpProbe;
use twinline_tests::topology::Side;
use twinline_tests::{netns, scenes, status};

/// For how long all of it goes on.
const LONG: Duration = Duration::from_secs(5);
const METRICS: &str = "127.0.0.1:9469";
const LOOKS: &str = "show ha\nshow peers\nshow paths\nshow link-pairs\nshow port info all\n\
    show port stats all\nshow port xstats all\nshow lcores\nshow mempools\nshow bandwidth\n\
    show flaps\nshow events last 5\nshow outlets\nshow bypass\nshow commits\nshow config\n\
    dump heartbeat\nshow version json\n";

/// A settled pair, A the active one, which has metrics and a program that takes no events.
fn pair() -> Lab {
    let settings = Settings {
        interval_ms: 50,
        threshold: 5,
        preempt_delay_s: 3600,
        in_band: true,
        huge: engine::hugepages_suffice(),
        cores: (0, 1),
    };
    let mut lab = Lab::up(&engine::find(None).unwrap(), settings).unwrap();
    netns::ip(lab.topology.appliance(Side::A), "link set lo up").unwrap();
    let file = lab.engine(Side::A).config.clone();
    let text = fs::read_to_string(&file).unwrap();
    let more = format!(
        "\n[metrics]\naddress = \"{METRICS}\"\n[events]\nfile = \"{}\"\n\
         notify = [\"/bin/sleep\", \"1000\"]\n",
        file.with_extension("events").display()
    );
    fs::write(&file, text + &more).unwrap();
    lab.kill(Side::A).unwrap();
    lab.restart(Side::A).unwrap();
    scenes::lead(&mut lab, Side::A).unwrap();
    lab
}

/// Runs the engine's own program with words and input; what it printed.
fn twinline(binary: &Path, socket: &Path, words: &[&str], input: &str) -> String {
    let mut child = Command::new(binary)
        .args(words)
        .arg("--socket")
        .arg(socket)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{words:?}: {said}");
    String::from_utf8_lossy(&ended.stdout).into_owned()
}

fn scrape(lab: &Lab) -> String {
    let address: SocketAddr = METRICS.parse().unwrap();
    netns::inside(lab.topology.appliance(Side::A), || {
        let mut stream = TcpStream::connect_timeout(&address, LONG)?;
        stream.set_read_timeout(Some(LONG))?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    })
    .unwrap()
}

/// Clients that nobody would want: one that does not read what it asked for, one that sends bytes.
fn bother(socket: &Path) {
    let mut deaf = UnixStream::connect(socket).unwrap();
    let _ = deaf.write_all("{\"cmd\":\"show_config\"}\n".repeat(50).as_bytes());
    let mut hostile = UnixStream::connect(socket).unwrap();
    let _ = hostile.write_all(&[
        0xff, 0, b'\n', b'[', b'[', b'\n', 0x1b, b'[', b'2', b'J', b'\n',
    ]);
    std::thread::sleep(Duration::from_millis(300));
}

#[test]
fn the_pair_does_not_notice_who_looks_at_it() {
    on_a_fair_machine(all_at_once);
}

fn all_at_once() {
    let lab = pair();
    let binary = engine::find(None).unwrap();
    let socket = lab.engine(Side::A).socket.clone();
    let marks = Side::BOTH.map(|side| {
        let events = status::events(&lab.engine(side).socket).unwrap();
        events.last().map_or(0, |event| event.seq)
    });
    let probe = UdpProbe::start(&lab.topology, 500).unwrap();
    let (done, rounds) = (AtomicBool::new(false), [const { AtomicU32::new(0) }; 4]);
    let over = || done.load(Ordering::Relaxed);
    let did = |n: usize| rounds[n].fetch_add(1, Ordering::Relaxed);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !over() {
                    let said = twinline(&binary, &socket, &["console", "-f", "-"], LOOKS);
                    assert!(said.contains("ACTIVE"), "{said}");
                    did(0);
                    std::thread::sleep(Duration::from_millis(100));
                }
            });
        }
        scope.spawn(|| {
            while !over() {
                let said = twinline(&binary, &socket, &["top", "--once"], "");
                assert!(said.contains("ACTIVE"), "{said}");
                did(1);
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        scope.spawn(|| {
            while !over() {
                let text = scrape(&lab);
                assert!(text.contains("twinline_role{role=\"ACTIVE\"} 1"), "{text}");
                did(2);
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        scope.spawn(|| {
            while !over() {
                bother(&socket);
                did(3);
            }
        });
        let begin = Instant::now();
        while begin.elapsed() < LONG {
            std::thread::sleep(Duration::from_millis(50));
        }
        done.store(true, Ordering::Relaxed);
    });
    let rounds = rounds.map(AtomicU32::into_inner);
    assert!(rounds.iter().all(|rounds| *rounds >= 3), "{rounds:?}");
    let report = probe
        .stop(Duration::from_millis(300), Duration::from_millis(100))
        .unwrap();
    assert_eq!((report.lost(), report.doubled()), (0, 0), "{report:?}");
    assert!(report.forward.sent > 2000, "{report:?}");
    for (side, mark) in Side::BOTH.into_iter().zip(marks) {
        let mut events = status::events(&lab.engine(side).socket).unwrap();
        events.retain(|e| e.seq > mark && (e.what == "role" || e.what.ends_with("health")));
        assert!(events.is_empty(), "{side}: {events:#?}\n{}", lab.logs());
    }
    assert_eq!(lab.both().settled(), Some(Side::A), "{}", lab.both().line());
}
