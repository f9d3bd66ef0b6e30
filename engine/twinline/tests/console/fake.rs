//! An engine of canned answers.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tempfile::TempDir;
use twinline_control::*;

/// What it would be asked for, had it a configuration.
pub const TOML: &str = r#"[instance]
name = "node-a"
id = 1
stack = "edge"

[[port]]
name = "lan0"
vdev = "net_null0"

[[port]]
name = "wan0"
vdev = "net_null1"

[[link_pair]]
name = "wire0"
lan = "lan0"
wan = "wan0"

[lcores]
main = 0
workers = [1]
"#;

/// What it does, and what it was asked.
#[derive(Default)]
pub struct State {
    pub role: String,
    pub boot: String,
    pub asked: Vec<Request>,
    pub events: u64,
    /// Answers every change with this refusal.
    pub refuses: Option<String>,
    pub warnings: Vec<String>,
    pub toml: String,
}

/// A socket that answers until it is dropped.
pub struct Fake {
    folder: Arc<TempDir>,
    pub state: Arc<Mutex<State>>,
    running: Option<(Server, JoinHandle<()>)>,
}

impl Fake {
    pub fn start() -> Fake {
        let mut fake = Fake {
            folder: Arc::new(TempDir::new().unwrap()),
            state: Arc::new(Mutex::new(State {
                role: "ACTIVE".into(),
                boot: "b1".into(),
                events: 3,
                toml: TOML.into(),
                ..State::default()
            })),
            running: None,
        };
        fake.go();
        fake
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("a.sock")
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Listens (again).
    pub fn go(&mut self) {
        let (server, calls) =
            Server::bind(self.socket(), &twinline_control::Access::default()).unwrap();
        let state = self.state.clone();
        let thread = std::thread::spawn(move || {
            for call in calls {
                let reply = state.lock().unwrap().answer(call.request());
                call.answer(reply);
            }
        });
        self.running = Some((server, thread));
    }

    /// Is away.
    pub fn end(&mut self) {
        let (server, thread) = self.running.take().unwrap();
        drop(server);
        thread.join().unwrap();
    }

    /// What was asked that changes something, and forgets it.
    pub fn changes(&self) -> Vec<Request> {
        let asked = std::mem::take(&mut self.state.lock().unwrap().asked);
        asked.into_iter().filter(|r| !r.only_reads()).collect()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        if self.running.is_some() {
            self.end();
        }
    }
}

fn done(message: &str) -> Reply {
    Reply::Ok(Payload::Done {
        message: message.into(),
    })
}

impl State {
    fn answer(&mut self, request: &Request) -> Reply {
        self.asked.push(request.clone());
        if let (false, Some(reason)) = (request.only_reads(), &self.refuses) {
            return Reply::Refused {
                reason: reason.clone(),
            };
        }
        let payload = match request {
            Request::ShowHa => Payload::Ha(Box::new(self.ha())),
            Request::ShowPorts => Payload::Ports(ports()),
            Request::ShowLinkPairs => Payload::LinkPairs(vec![pair()]),
            Request::ShowEvents { last, after } => Payload::Events(self.events(*last, *after)),
            Request::ShowBypass => Payload::Bypass(vec![card()]),
            Request::ShowVirtualRouters => Payload::VirtualRouters(Default::default()),
            Request::ShowInterfaces => Payload::Interfaces(Default::default()),
            Request::ShowNeighbours => Payload::Neighbours(vec![]),
            Request::ShowRoutes => Payload::Routes(vec![]),
            Request::ShowConfig | Request::ShowCommit { .. } => Payload::Config(ConfigStatus {
                path: "/etc/twinline/a.toml".into(),
                digest: "00ff00ff00ff00ff".into(),
                toml: self.toml.clone(),
                config: serde_json::Value::Null,
            }),
            Request::ShowXstats { port } => Payload::Xstats(vec![PortXstats {
                port: port.clone().unwrap_or_else(|| "lan0".into()),
                xstats: vec![("rx_q0_packets".into(), 7)],
            }]),
            Request::ShowLcores => Payload::Lcores(vec![lcore()]),
            Request::ShowMempools => Payload::Mempools(vec![MempoolStatus {
                name: "frames".into(),
                size: 8192,
                in_use: 100,
                available: 8092,
                cache: 256,
                data_room_bytes: 2176,
                socket: None,
            }]),
            Request::ShowBandwidth => Payload::Bandwidth(BandwidthStatus {
                enabled: true,
                lan_to_wan_bps: 5_000_000,
                wan_to_lan_bps: 2_000_000,
                measured_bps: 7_000_000,
                minimum_bps: 1_000_000,
                failed: false,
            }),
            Request::ShowFlaps => Payload::Flaps(FlapsStatus {
                count: 1,
                max: 6,
                window_s: 900,
                latched: false,
                on_max: "bypass".into(),
                flaps_ms_ago: vec![61_000],
            }),
            Request::ShowVersion => Payload::Version(VersionStatus {
                version: "0.1.0".into(),
                dpdk: "DPDK 22.11.7".into(),
                linkage: "static".into(),
                pid: 4711,
                uptime_ms: 90_000,
            }),
            Request::DumpHeartbeat => Payload::Heartbeats(vec![HeartbeatDump {
                direction: "sent".into(),
                instance: 1,
                path: "HA".into(),
                ms_ago: 12,
                frame: "00ff".into(),
                fields: vec![("role".into(), "ACTIVE".into())],
            }]),
            Request::ShowCaptures => Payload::Captures(vec![]),
            Request::ShowCommits => Payload::Commits(CommitsStatus {
                rollback_in_ms: None,
                unsaved: true,
                commits: vec![CommitStatus {
                    number: 0,
                    time_unix_ms: 1_795_410_754_900,
                    by: "start".into(),
                    user: "root".into(),
                    summary: String::new(),
                }],
            }),
            Request::DiffConfig { .. } => Payload::Changes(self.diff(None)),
            Request::Commit {
                toml,
                confirm_within_s,
                ..
            } => {
                self.toml.clone_from(toml);
                Payload::Changes(self.diff(*confirm_within_s))
            }
            Request::HaSwitchover {} => {
                self.role = "PASSIVE".into();
                return done("handing over to 2");
            }
            Request::HaSuspend { .. } => {
                self.role = "SUSPENDED".into();
                return done("handing over to 2");
            }
            Request::HaResume => {
                self.role = "ACTIVE".into();
                return done("standing for election again");
            }
            _ => return done("done"),
        };
        Reply::Ok(payload)
    }

    fn diff(&self, confirm_within_s: Option<u64>) -> ChangesStatus {
        ChangesStatus {
            changes: vec![ChangeStatus {
                key: "ha.max_flaps".into(),
                old: "6".into(),
                new: "3".into(),
                applies: "live".into(),
            }],
            warnings: self.warnings.clone(),
            confirm_within_s,
        }
    }

    fn events(&self, last: Option<u32>, after: Option<u64>) -> Vec<Event> {
        let all = (1..=self.events).filter(|seq| *seq > after.unwrap_or(0));
        let all: Vec<u64> = all.collect();
        let skip = last.map_or(0, |last| all.len().saturating_sub(last as usize));
        all.into_iter()
            .skip(skip)
            .map(|seq| Event {
                seq,
                time_unix_ms: 1_795_410_754_000 + seq * 1000,
                what: "note".into(),
                from: String::new(),
                to: format!("{}-{seq}", self.boot),
                why: "test".into(),
                detail: String::new(),
            })
            .collect()
    }

    fn ha(&self) -> HaStatus {
        HaStatus {
            name: "node-a".into(),
            id: 1,
            boot: self.boot.clone(),
            stack: "edge".into(),
            mode: "active-passive".into(),
            topology: "parallel".into(),
            primary: true,
            role: self.role.clone(),
            role_since_ms: 83_000,
            role_reason: "primary_at_start".into(),
            fit: true,
            flaps_max: 6,
            authenticated: true,
            peers: vec![PeerStatus {
                id: 2,
                health: "HEALTHY".into(),
                health_reason: "heartbeats".into(),
                role: "PASSIVE".into(),
                fit: true,
                last_heard_ms_ago: Some(12),
                threshold: 3,
                interval_ms: 100.0,
                rtt_us: Some(210),
                hears_us: true,
                config_agrees: true,
                paths: vec![PathStatus {
                    name: "in-band".into(),
                    health: "HEALTHY".into(),
                    last_heard_ms_ago: Some(20),
                    hears_us: true,
                    ports: vec!["lan0".into()],
                    ..PathStatus::default()
                }],
                ..PeerStatus::default()
            }],
            ..HaStatus::default()
        }
    }
}

fn ports() -> Vec<PortStatus> {
    let port = |name: &str, used_for: &str, up| PortStatus {
        name: name.into(),
        device: format!("net_null,{name}"),
        driver: "net_null".into(),
        used_for: used_for.into(),
        mac: "02:00:00:00:00:01".into(),
        link_up: up,
        carrier_source: "driver".into(),
        speed_mbps: Some(10_000),
        counters: PortCounters {
            rx_packets: 1000,
            rx_bytes: 64_000,
            ..PortCounters::default()
        },
        ..PortStatus::default()
    };
    vec![
        port("lan0", "lan of wire0", true),
        port("wan0", "wan of wire0", false),
        // what an engine would have to be broken to say
        port("ha\x1b[2J0", "ha", true),
    ]
}

fn pair() -> LinkPairStatus {
    let leg = |port: &str, up| LegStatus {
        port: port.into(),
        up,
        ..LegStatus::default()
    };
    LinkPairStatus {
        name: "wire0".into(),
        lan: leg("lan0", true),
        wan: leg("wan0", false),
        gate_wanted: "open".into(),
        gate_adopted: "open".into(),
        lan_to_wan: DirectionStatus {
            rx_packets: 1000,
            tx_packets: 990,
            drops: [("gate".into(), 10)].into(),
            ..DirectionStatus::default()
        },
        ..LinkPairStatus::default()
    }
}

fn card() -> BypassStatus {
    BypassStatus {
        pair: "wire0".into(),
        card: "silicom".into(),
        found: true,
        wanted: Some("inline".into()),
        path: Some("inline".into()),
        source: "sensed".into(),
        watchdog_ms: Some(2000),
        events: [("timeout".into(), "bypass".into())].into(),
        paths: vec!["inline".into(), "bypass".into()],
        watchdog_periods_ms: vec![800, 1600],
        power_off: "claimed".into(),
        ..BypassStatus::default()
    }
}

fn lcore() -> LcoreStatus {
    LcoreStatus {
        lcore: 1,
        cpu: Some(1),
        role: "worker".into(),
        serves: vec!["pair wire0".into()],
        iterations: 100,
        busy_iterations: 10,
        packets: 125,
        busy_ratio: 0.104,
        cycles_per_packet: Some(210.4),
    }
}
