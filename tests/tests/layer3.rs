//! One engine as a plain VRRP router between two networks: it answers for its own and its virtual
//! addresses, forwards, hands the rest to the host's stack, and its adverts are what tshark takes
//! for adverts.
//!
//! These tests make network namespaces and need root.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which clippy.toml does not except"
)]

use std::fs::{self, File};
use std::io::Read as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use twinline_tests::run::Run;
use twinline_tests::{engine, netns};

/// What the engine's two forwarding tables take, and the frames.
const MEMORY_MB: u32 = 192;

struct Bed {
    run: Run,
    client: String,
    router: String,
    server: String,
    binary: PathBuf,
    socket: PathBuf,
    log: PathBuf,
}

fn set(namespace: &str, key: &str, value: &str) {
    let path = format!("/proc/sys/net/{key}");
    netns::inside(namespace, || fs::write(&path, value)).unwrap();
}

/// The kernel beside an af_packet port sees every frame too: it keeps quiet there.
fn deaf(namespace: &str, interface: &str) {
    set(
        namespace,
        &format!("ipv6/conf/{interface}/disable_ipv6"),
        "1",
    );
    set(namespace, &format!("ipv4/conf/{interface}/rp_filter"), "1");
    set(namespace, &format!("ipv4/conf/{interface}/arp_ignore"), "1");
}

impl Bed {
    fn lay() -> Self {
        let run = Run::begin().unwrap();
        let [client, router, server] =
            ["client", "router", "server"].map(|role| run.namespace(role).unwrap());
        for (near, name, far, other) in [
            (&client, "c0", &router, "lan0"),
            (&server, "s0", &router, "wan0"),
        ] {
            let words = format!("link add {name} type veth peer name {other} netns {far}");
            netns::ip(near, &words).unwrap();
            set(near, &format!("ipv6/conf/{name}/disable_ipv6"), "0");
            deaf(far, other);
            for (space, link) in [(near, name), (far, other)] {
                // The PMD hands frames on as they are: checksums are to be whole on a veth.
                netns::exec(
                    space,
                    &format!("ethtool -K {link} tx off gso off gro off tso off"),
                )
                .unwrap();
                netns::ip(space, &format!("link set dev {link} up")).unwrap();
            }
        }
        for (space, dev, n) in [(&client, "c0", 1), (&server, "s0", 2)] {
            for words in [
                format!("addr add 10.{n}.0.10/24 dev {dev}"),
                format!("addr add 2001:db8:{n}::10/64 dev {dev} nodad"),
                format!("route add default via 10.{n}.0.1"),
                format!("-6 route add default via 2001:db8:{n}::1"),
            ] {
                netns::ip(space, &words).unwrap();
            }
        }
        set(&router, "ipv6/conf/all/disable_ipv6", "0");
        set(&router, "ipv6/conf/default/disable_ipv6", "0");
        deaf(&router, "lan0");
        deaf(&router, "wan0");
        let directory = run.directory().to_owned();
        Self {
            socket: directory.join("r.sock"),
            log: directory.join("r.log"),
            binary: engine::find(None).unwrap(),
            run,
            client,
            router,
            server,
        }
    }

    fn configuration(&self) -> String {
        let place = self.run.directory().display();
        let mut text = format!(
            "[instance]\nname = \"r\"\nid = 1\nstack = \"bed\"\ncontrol_socket = \"{place}/r.sock\"\n\
             state_file = \"{place}/r.state\"\n[eal]\nfile_prefix = \"{}-r\"\nmemory_mb = \
             {MEMORY_MB}\nhuge = false\ntelemetry = false\n",
            self.run.prefix()
        );
        for (port, n) in [("lan", 1), ("wan", 2)] {
            text += &format!(
                "[[port]]\nname = \"{port}\"\n\
                 vdev = \"net_af_packet_{port},iface={port}0,blocksz=4096,framesz=2048,framecnt=512,qpairs=1\"\n\
                 kernel_interface = \"{port}0\"\nrx_descriptors = 512\ntx_descriptors = 512\n\
                 [[interface]]\nname = \"{port}0\"\nport = \"{port}\"\nkernel = \"tw-{port}0\"\n\
                 addresses = [\"10.{n}.0.2/24\", \"2001:db8:{n}::2/64\"]\n\
                 [[virtual_router]]\nname = \"{port}4\"\ninterface = \"{port}0\"\nvrid = {n}\n\
                 addresses = [\"10.{n}.0.1\"]\ninterval_ms = 100\nchecksum = \"pseudo-header\"\n\
                 [[virtual_router]]\nname = \"{port}6\"\ninterface = \"{port}0\"\nvrid = {n}\n\
                 addresses = [\"fe80::{n}\", \"2001:db8:{n}::1\"]\ninterval_ms = 100\n"
            );
        }
        text + "[lcores]\nmain = 0\nworkers = [1]\npolling = \"adaptive\"\n"
    }

    fn start(&self) -> std::process::Child {
        let config = self.run.directory().join("r.toml");
        fs::write(&config, self.configuration()).unwrap();
        let log = File::create(&self.log).unwrap();
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.router])
            .arg(&self.binary)
            .args(["run", "--config"])
            .arg(&config)
            .env("RUST_LOG", "info")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        self.run.spawn(&mut command).unwrap()
    }

    fn show(&self, what: &str) -> Value {
        let mut command = Command::new(&self.binary);
        command
            .args(["ctl", "--json", "--socket"])
            .arg(&self.socket);
        let output = command.args(["show", what]).output().unwrap();
        let text = netns::checked(&format!("show {what}"), &output).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until all four virtual routers are Active.
    fn settle(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        let all = || self.socket.exists() && states(&self.show("virtual-routers")) == ["active"; 4];
        while !all() {
            assert!(Instant::now() < deadline, "not Active: {}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn ping(&self, to: &str) {
        let words = format!("ping -c 3 -i 0.2 -W 2 {to}");
        let text = netns::exec(&self.client, &words).unwrap_or_else(|e| {
            let shown = ["ports", "neighbours", "interfaces"].map(|w| self.show(w).to_string());
            panic!("{to}: {e}\n{}\n{}", self.log(), shown.join("\n"))
        });
        assert!(text.contains("3 received"), "{to}: {text}");
        assert!(!text.contains("duplicates"), "{to}: {text}");
    }
}

fn states(routers: &Value) -> Vec<String> {
    let list = routers["routers"].as_array().unwrap();
    let state = |r: &Value| r["state"].as_str().unwrap().to_owned();
    list.iter().map(state).collect()
}

/// What tshark reads of adverts at the client's interface, one line each.
fn adverts(bed: &Bed) -> Vec<String> {
    let words = "timeout 10 tshark -l -n -i c0 -c 8 -f (ip\u{a0}proto\u{a0}112)or(ip6\u{a0}proto\u{a0}112) \
                 -T fields -e eth.src -e eth.dst -e ip.ttl -e ipv6.hlim -e vrrp.virt_rtr_id -e vrrp.prio \
                 -e vrrp.checksum.status -e _ws.malformed";
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &bed.client]);
    command.args(words.split(' ').map(|word| word.replace('\u{a0}', " ")));
    let output = command.stderr(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_plain_router_answers_forwards_and_advertises() {
    let bed = Bed::lay();
    let mut engine = bed.start();
    bed.settle();

    // Own addresses, virtual ones, those of the other side, and through it: both families.
    for to in [
        "10.1.0.2",
        "10.1.0.1",
        "10.2.0.2",
        "10.2.0.1",
        "10.2.0.10",
        "2001:db8:1::2",
        "2001:db8:1::1",
        "2001:db8:2::1",
        "2001:db8:2::10",
    ] {
        bed.ping(to);
    }
    // What was sent through it was sent to the virtual MAC address, and forwarded by the worker.
    let neighbours = netns::ip(&bed.client, "neigh show dev c0").unwrap();
    for (ip, mac) in [
        ("10.1.0.1", "00:00:5e:00:01:01"),
        ("2001:db8:1::1", "00:00:5e:00:02:01"),
    ] {
        let line = neighbours
            .lines()
            .find(|l| l.starts_with(&format!("{ip} ")));
        assert!(line.is_some_and(|l| l.contains(mac)), "{neighbours}");
    }
    let ports = bed.show("ports");
    let lan = &ports.as_array().unwrap()[0];
    assert_eq!(lan["virtual_mac"], "promiscuous", "{lan}");
    for family in ["IPv4", "IPv6"] {
        assert!(lan["forwarded"][family].as_u64() >= Some(2), "{lan}");
    }

    // The host's own stack is behind the same addresses.
    let listener = netns::inside(&bed.router, || TcpListener::bind("[::]:2222")).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..4 {
                drop(listener.accept().unwrap());
            }
        });
        for to in ["10.1.0.2", "10.1.0.1", "[2001:db8:1::2]", "[2001:db8:1::1]"] {
            let to: SocketAddr = format!("{to}:2222").parse().unwrap();
            let connected = netns::inside(&bed.client, || {
                let mut stream = TcpStream::connect_timeout(&to, Duration::from_secs(5))?;
                stream.read(&mut [0; 8])
            });
            assert_eq!(connected.unwrap(), 0, "{to}");
        }
    });

    // The adverts: from the virtual MAC address, to the group, TTL 255; whole and with a good sum.
    let adverts = adverts(&bed);
    assert_eq!(adverts.len(), 8, "{adverts:?}");
    for line in &adverts {
        let fields: Vec<&str> = line.split('\t').collect();
        let (mac, group) = if fields[2].is_empty() {
            ("00:00:5e:00:02:01", "33:33:00:00:00:12")
        } else {
            ("00:00:5e:00:01:01", "01:00:5e:00:00:12")
        };
        let hops = [fields[2], fields[3]].concat();
        assert_eq!(fields[..2], [mac, group], "{line}");
        // 1: good.
        assert_eq!(
            (hops.as_str(), &fields[4..7]),
            ("255", &["1", "100", "1"][..]),
            "{line}"
        );
        assert_eq!(fields.get(7).copied().unwrap_or_default(), "", "{line}");
    }

    // An orderly end: priority 0, and its devices are gone.
    twinline_tests::sys::signal(engine.id(), libc::SIGTERM).unwrap();
    let ended = Instant::now() + Duration::from_secs(10);
    while engine.try_wait().unwrap().is_none() {
        assert!(Instant::now() < ended, "it does not end: {}", bed.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    bed.run.forget(engine.id());
    assert!(
        bed.log()
            .contains("virtual router lan4 active -> initialize (router_resigned)")
    );
    let links = netns::ip(&bed.router, "-br link").unwrap();
    assert!(!links.contains("tw-lan0"), "{links}");
    let _ = &bed.server;
}
