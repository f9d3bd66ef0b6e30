//! Random and mutated frames into the receive path of the HA port, on real DPDK ring ports: never
//! a panic, never a change of peer health (rule 5).
#![allow(clippy::unwrap_used, clippy::panic)]

use std::net::Ipv4Addr;
use std::time::Duration;

use dpdk::{Burst, Eal, EalOptions, Huge, Pool, PoolOptions, PortOptions, RxQueue, TxQueue};
use twinline_ha as ha;
use twinline_ha::{Health, Node, NodeConfig, Observation, Role, Settings, Time};
use twinline_management::convert;
use twinline_management::ha_port::{Destination, HaPort, Identity};
use twinline_wire::Mac;
use twinline_wire::heartbeat::{Addressing, Auth, Header, Key, MAX_FRAME_LEN, Path, StackName};

const INTERVAL: Duration = Duration::from_millis(50);
const PEER: u16 = 2;

/// A small generator with a seed, so that a failing run can be had again.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        // SplitMix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).unwrap()
    }
}

fn settings() -> Settings {
    Settings {
        mode: ha::Mode::ActivePassive,
        in_band: false,
        primary: true,
        topology: ha::Topology::Parallel,
        interval: INTERVAL,
        failure_threshold: 5,
        recovery_threshold: 3,
        max_flaps: 6,
        flap_window: Duration::from_secs(900),
        on_max_flaps: None,
        kick_every: None,
        preempt: true,
        preempt_delay: Duration::from_secs(60),
        links_interval: INTERVAL,
        minimum_active_links: 0,
        propagate: true,
        settle: Duration::from_secs(3),
        bandwidth_interval: Duration::from_secs(10),
        bandwidth_enabled: false,
        bandwidth_minimum_bps: 1024,
    }
}

fn peer_heartbeat() -> ha::Heartbeat {
    ha::Heartbeat {
        role: Role::Passive,
        flags: ha::Flags::FIT,
        successor: 0,
        epoch: 0,
        unfit: None,
        pairs_up: 1,
        pairs_total: 1,
        bandwidth_bps: 0,
        flaps: 0,
        interval: INTERVAL,
        failure_threshold: 5,
        config_digest: 0,
        tx_time: Time::ZERO,
        echoes: Vec::new(),
    }
}

struct Bed {
    pool: Pool,
    wire: TxQueue,
    _wire_rx: RxQueue,
    port: HaPort,
    node: Node,
    now: Time,
    seq: u64,
    auth: Auth,
    last_valid: Vec<u8>,
}

impl Bed {
    fn put(&mut self, frame: &[u8]) {
        let mut mbuf = self.pool.alloc().unwrap();
        mbuf.append(frame).unwrap();
        let mut burst = Burst::<1>::new();
        assert!(burst.push(mbuf).is_ok());
        assert_eq!(self.wire.burst(&mut burst), 1);
    }

    fn heartbeat(&mut self) {
        self.seq += 1;
        let header = Header {
            stack: StackName::new("edge").unwrap(),
            instance: PEER,
            boot: 77,
            seq: self.seq,
            path: Path::HaPort,
        };
        let source = Mac::from([2, 0, 0, 0, 0, 9]);
        let group = Ipv4Addr::new(239, 255, 84, 76);
        let addressing = Addressing::multicast(source, Ipv4Addr::new(169, 254, 0, 2), group, 11211);
        let mut buffer = [0; MAX_FRAME_LEN];
        let frame = convert::heartbeat_out(&peer_heartbeat());
        let length = frame
            .emit(&mut buffer, &header, &addressing, &self.auth)
            .unwrap();
        self.last_valid = buffer[..length].to_vec();
        let valid = self.last_valid.clone();
        self.put(&valid);
    }

    fn step(&mut self) {
        let (mut messages, mut rejects) = (Vec::new(), Vec::new());
        self.port.receive(&mut messages, &mut rejects);
        let observation = Observation {
            messages: &messages,
            rejects: &rejects,
            links: Some(&[ha::LegState {
                lan: true,
                wan: true,
            }]),
            ..Observation::quiet(self.now, 0)
        };
        self.node.step(&observation);
    }

    fn health(&self) -> Option<Health> {
        self.node
            .peers()
            .find(|p| p.instance() == PEER)
            .map(ha::peer::Peer::health)
    }
}

fn bed() -> Bed {
    let eal = Eal::init(EalOptions {
        file_prefix: "receive-path-test".into(),
        huge: Huge::NoHuge,
        memory_mb: Some(64),
        telemetry: false,
        ..EalOptions::default()
    })
    .unwrap();
    let pool = Pool::new(
        &eal,
        PoolOptions {
            name: "frames".into(),
            mbufs: 4095,
            ..PoolOptions::default()
        },
    )
    .unwrap();
    let [near, far] = eal.ring_pair(["near", "far"], 1, 1024).unwrap();
    let open = |id| {
        let options = PortOptions {
            rx_queues: 1,
            tx_queues: 1,
            ..PortOptions::default()
        };
        let port = eal.take(id).unwrap().configure(&options, &pool);
        let (port, mut rx, mut tx) = port
            .map_err(|e| e.error)
            .unwrap()
            .start()
            .map_err(|e| e.error)
            .unwrap();
        // The test ends with the process; the port stays started as long as its queues are used.
        std::mem::forget(port);
        (rx.remove(0), tx.remove(0))
    };
    let (near_rx, near_tx) = open(near);
    let (wire_rx, wire) = open(far);
    let auth = Auth::keyed(Key::derive(&[7; 32]), None);
    let identity = Identity {
        stack: StackName::new("edge").unwrap(),
        instance: 1,
        boot: 5,
        mac: Mac::from([2, 0, 0, 0, 0, 1]),
        address: Ipv4Addr::new(169, 254, 0, 1),
        udp_port: 11211,
        destination: Destination::Multicast(Ipv4Addr::new(239, 255, 84, 76)),
    };
    let port = HaPort::new(near_rx, near_tx, pool.clone(), identity, auth.clone());
    let node = Node::new(
        NodeConfig {
            instance: 1,
            boot: 5,
            pairs: 1,
            config_digest: 0,
            settings: settings(),
            saved: ha::SavedState::default(),
            state_file_problem: None,
        },
        Time::ZERO,
        0,
    );
    // The EAL lives as long as the process.
    std::mem::forget(eal);
    Bed {
        pool,
        wire,
        _wire_rx: wire_rx,
        port,
        node,
        now: Time::ZERO,
        seq: 0,
        auth,
        last_valid: Vec::new(),
    }
}

#[test]
fn rule_05_hostile_frames_never_panic_and_never_change_health() {
    let seed = std::env::var("TWINLINE_SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(1);
    println!("seed {seed}: again with TWINLINE_SEED={seed}");
    let mut random = Random(seed);
    let mut bed = bed();
    for _ in 0..20 {
        bed.now = bed.now + INTERVAL;
        bed.heartbeat();
        bed.step();
    }
    assert_eq!(bed.health(), Some(Health::Healthy));
    assert_eq!(bed.node.role(), Role::Active);

    // With heartbeats going on: noise does no harm.
    let mut hostile = 0u64;
    for slot in 0..200 {
        bed.now = bed.now + INTERVAL;
        for _ in 0..30 {
            let frame = hostile_frame(&mut random, &bed.last_valid);
            bed.put(&frame);
            hostile += 1;
        }
        bed.heartbeat();
        bed.step();
        assert_eq!(bed.health(), Some(Health::Healthy), "slot {slot}");
        assert_eq!(bed.node.role(), Role::Active, "slot {slot}");
    }
    let dropped = bed.port.drops().total() + bed.node.refused().values().sum::<u64>();
    assert_eq!(
        dropped, hostile,
        "every hostile frame was dropped and counted by cause"
    );
    assert_eq!(bed.pool.in_use(), 0, "every frame went back to its pool");

    flood(&mut bed, &mut random);

    // Without heartbeats: nothing of it passes for one, so health goes when the rule says.
    let silent_from = bed.now;
    while bed.now.since(silent_from) < INTERVAL * 5 {
        assert_eq!(bed.health(), Some(Health::Healthy));
        for _ in 0..30 {
            let frame = hostile_frame(&mut random, &bed.last_valid);
            bed.put(&frame);
        }
        bed.now = bed.now + INTERVAL / 10;
        bed.step();
    }
    assert_eq!(bed.health(), Some(Health::Unhealthy));
}

/// A million frames of garbage a second, a heartbeat among them every 50 ms: each turn of a
/// millisecond finds a thousand frames, and takes the heartbeat wherever it stands.
fn flood(bed: &mut Bed, random: &mut Random) {
    const A_TURN: usize = 1000;
    let garbage: Vec<Vec<u8>> = (0..256)
        .map(|_| {
            loop {
                let frame = hostile_frame(random, &bed.last_valid);
                // A replay is taken by the parser, and refused by the node.
                if frame != bed.last_valid {
                    return frame;
                }
            }
        })
        .collect();
    let heard = |bed: &Bed| bed.node.peers().next().map(|p| (p.heartbeats(), p.lost()));
    let before = heard(bed).unwrap();
    let dropped = bed.port.drops().total();
    let (mut beats, mut reading) = (0, Duration::ZERO);
    for turn in 0..2000 {
        let at = (turn % 50 == 0).then(|| random.below(A_TURN));
        for n in 0..A_TURN {
            if at == Some(n) {
                bed.heartbeat();
                beats += 1;
            }
            bed.put(&garbage[random.below(garbage.len())]);
        }
        bed.now = bed.now + Duration::from_millis(1);
        let begun = std::time::Instant::now();
        let drops = bed.port.drops().total();
        // A machine that holds us for the whole of a turn's time leaves the rest to the next one.
        while bed.port.drops().total() < drops + A_TURN as u64 {
            bed.step();
        }
        reading += begun.elapsed();
        assert_eq!(bed.health(), Some(Health::Healthy), "turn {turn}");
    }
    assert_eq!(heard(bed).unwrap(), (before.0 + beats, before.1));
    assert_eq!(bed.port.drops().total() - dropped, 2_000_000);
    bed.heartbeat();
    bed.step();
    println!(
        "{} ns for a frame of garbage",
        reading.as_nanos() / 2_000_000
    );
}

/// Noise of any length, or a valid heartbeat: cut, stretched, changed, or simply again.
fn hostile_frame(random: &mut Random, valid: &[u8]) -> Vec<u8> {
    let mut frame = valid.to_vec();
    match random.below(5) {
        0 => {
            let length = 1 + random.below(1500);
            return (0..length)
                .map(|_| random.next().to_le_bytes()[0])
                .collect();
        }
        1 => frame.truncate(1 + random.below(valid.len() - 1)),
        2 => frame.extend((0..=random.below(64)).map(|_| 0)),
        3 => {
            // From the payload on: what Ethernet and IP say besides the checksum is not signed.
            for _ in 0..=random.below(4) {
                let at = 42 + random.below(frame.len() - 42);
                let bit = 1u8 << random.below(8);
                frame[at] ^= bit;
            }
            if frame == valid {
                frame.truncate(20);
            }
        }
        // A replay.
        _ => {}
    }
    frame
}
