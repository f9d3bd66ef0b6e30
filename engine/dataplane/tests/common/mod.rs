//! A bed: a client and a server, each on a cable to one port of a worker's link pair.
#![allow(dead_code)]

pub mod l3;

use dpdk::clock::TscClock;
use dpdk::{
    Eal, EalOptions, Huge, Mbuf, Pool, PoolOptions, Port, PortOptions, RxQueue, Started, TxQueue,
};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use twinline_dataplane::{
    Gate, GateMode, Inject, Lease, MacTable, PairQueues, PairSnapshot, Side, Worker, WorkerConfig,
    WorkerLinks, WorkerSnapshot,
};

pub const CLIENT: [u8; 6] = [0x02, 0, 0, 0, 0, 0x0c];
pub const SERVER: [u8; 6] = [0x02, 0, 0, 0, 0, 0x05];
pub const STRANGER: [u8; 6] = [0x02, 0, 0, 0, 0, 0x77];
/// The addresses of the worker's own ports.
pub const LAN_PORT: [u8; 6] = [0x02, 0, 0, 0, 1, 0x0a];
pub const WAN_PORT: [u8; 6] = [0x02, 0, 0, 0, 1, 0x0b];
pub const BROADCAST: [u8; 6] = [0xff; 6];
pub const MULTICAST: [u8; 6] = [0x01, 0x00, 0x5e, 0, 0, 0xfb];

/// The process' EAL. Never cleaned up: it ends with the process.
pub fn eal() -> &'static Eal {
    static EAL: OnceLock<Eal> = OnceLock::new();
    EAL.get_or_init(|| {
        Eal::init(EalOptions {
            program: "dataplane-test".into(),
            main_core: 0,
            worker_cores: vec![1],
            // One name: nothing is shared below it (no hugepages, no configuration file), and the
            // EAL leaves its directory behind.
            file_prefix: "dataplane-test".into(),
            // Forwarding tables are 64 MiB a bed; without hugepages, what is not used costs nothing.
            memory_mb: Some(1024),
            huge: Huge::NoHuge,
            telemetry: false,
            extra: vec!["--no-shconf".into()],
            ..EalOptions::default()
        })
        .unwrap()
    })
}

/// An Ethernet frame of 60 bytes whose last four carry `tag`.
pub fn frame(destination: [u8; 6], source: [u8; 6], tag: u32) -> Vec<u8> {
    let mut frame = Vec::with_capacity(60);
    frame.extend(destination);
    frame.extend(source);
    frame.extend([0x08, 0x00]);
    frame.resize(56, 0);
    frame.extend(tag.to_be_bytes());
    frame
}

/// The same frames under another source address (those that are long enough to have one).
pub fn under(source: [u8; 6], frames: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut frames = frames.to_vec();
    for place in frames.iter_mut().filter_map(|frame| frame.get_mut(6..12)) {
        place.copy_from_slice(&source);
    }
    frames
}

/// A port with its one queue of each kind.
pub struct End {
    pub port: Port<Started>,
    pub rx: RxQueue,
    pub tx: TxQueue,
}

impl End {
    fn start(id: dpdk::PortId, pool: &Pool) -> Self {
        let port = eal()
            .take(id)
            .unwrap()
            .configure(&PortOptions::default(), pool)
            .unwrap();
        let (port, mut rx, mut tx) = port.start().unwrap();
        Self {
            port,
            rx: rx.pop().unwrap(),
            tx: tx.pop().unwrap(),
        }
    }
}

/// Two ends of a cable: ours outside, the worker's inside.
pub fn cable(size: u32, pool: &Pool) -> (End, End) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let (outside, inside) = (format!("out{n}"), format!("in{n}"));
    let [a, b] = eal().ring_pair([&outside, &inside], 1, size).unwrap();
    (End::start(a, pool), End::start(b, pool))
}

/// What is outside of one link pair, and what the management core has of it.
pub struct Outside {
    pub client: End,
    pub server: End,
    pub lan: Port<Started>,
    pub wan: Port<Started>,
    pub gate: Arc<Gate>,
    pub table: Arc<MacTable>,
}

impl Outside {
    fn end(&mut self, side: Side) -> &mut End {
        match side {
            Side::Lan => &mut self.client,
            Side::Wan => &mut self.server,
        }
    }

    /// Sends frames into the worker's port of `side`; all must fit.
    pub fn send(&mut self, pool: &Pool, side: Side, frames: &[Vec<u8>]) {
        for frame in frames {
            let mut burst: dpdk::Burst<32> = dpdk::Burst::new();
            burst.push(mbuf(pool, frame)).unwrap();
            assert_eq!(self.end(side).tx.burst(&mut burst), 1, "the cable is full");
        }
    }

    /// What has come out of the worker's port of `side` since the last time.
    pub fn received(&mut self, side: Side) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        let mut burst: dpdk::Burst<32> = dpdk::Burst::new();
        while self.end(side).rx.burst(&mut burst) > 0 {
            all.extend(burst.iter().map(|mbuf| mbuf.data().to_vec()));
            burst.clear();
        }
        all
    }
}

pub fn mbuf(pool: &Pool, frame: &[u8]) -> Mbuf {
    let mut mbuf = pool.alloc().unwrap();
    mbuf.append(frame).unwrap();
    mbuf
}

/// A worker with its pairs, polled by hand.
pub struct Bed {
    pub worker: Worker,
    pub links: WorkerLinks,
    pub lease: Arc<Lease>,
    pub pool: Pool,
    pub pairs: Vec<Outside>,
}

/// What a bed is made with; every test changes what it needs.
pub struct Make {
    pub pairs: u16,
    pub cable: u32,
    pub adjust: fn(&mut WorkerConfig),
}

impl Default for Make {
    fn default() -> Self {
        Self {
            pairs: 1,
            cable: 512,
            adjust: |_| {},
        }
    }
}

impl Bed {
    /// One pair, index 0, gate closed, lease without end.
    pub fn new() -> Self {
        Self::make(Make::default())
    }

    pub fn make(make: Make) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // Pools live as long as the EAL: small ones.
        let name = format!("bed{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let options = PoolOptions {
            name,
            mbufs: 511,
            cache: 0,
            ..PoolOptions::default()
        };
        let pool = Pool::new(eal(), options).unwrap();
        let lease = Arc::new(Lease::new());
        lease.forever();
        let (mut queues, mut pairs) = (Vec::new(), Vec::new());
        for index in 0..make.pairs {
            let (client, lan) = cable(make.cable, &pool);
            let (server, wan) = cable(make.cable, &pool);
            let (gate, table) = (Arc::new(Gate::new()), Arc::new(MacTable::new()));
            queues.push(PairQueues {
                index,
                lan: (lan.rx, lan.tx),
                wan: (wan.rx, wan.tx),
                lan_mac: LAN_PORT,
                wan_mac: WAN_PORT,
                gate: gate.clone(),
                mac_table: table.clone(),
            });
            pairs.push(Outside {
                client,
                server,
                lan: lan.port,
                wan: wan.port,
                gate,
                table,
            });
        }
        let mut config = WorkerConfig::new(queues, lease.clone(), TscClock::new(eal()));
        (make.adjust)(&mut config);
        let (worker, links) = Worker::new(config);
        Self {
            worker,
            links,
            lease,
            pool,
            pairs,
        }
    }

    /// A bed whose (first) gate is in `mode`.
    pub fn in_mode(mode: GateMode) -> Self {
        let bed = Self::new();
        bed.pairs[0].gate.set(mode);
        bed
    }

    /// Sends into one side of pair 0, lets the worker work, and returns what came out across.
    pub fn pass(&mut self, from: Side, frames: &[Vec<u8>]) -> Vec<Vec<u8>> {
        self.send(from, frames);
        self.settle();
        self.pairs[0].received(from.other())
    }

    pub fn send(&mut self, side: Side, frames: &[Vec<u8>]) {
        self.pairs[0].send(&self.pool, side, frames);
    }

    /// Polls until the worker finds nothing more.
    pub fn settle(&mut self) {
        while self.worker.poll_once() {}
    }

    pub fn inject(&mut self, pair: u16, side: Side, frame: &[u8]) {
        let mbuf = mbuf(&self.pool, frame);
        assert!(self.links.inject.push(Inject { pair, side, mbuf }).is_ok());
    }

    pub fn learned(&mut self) -> Vec<(u16, Side, [u8; 6])> {
        let mut all = Vec::new();
        while let Ok(learned) = self.links.learned.pop() {
            all.push((learned.pair, learned.side, learned.mac));
        }
        all
    }

    pub fn snapshot(&self) -> WorkerSnapshot {
        self.links.counters.snapshot()
    }

    /// Counters of pair 0.
    pub fn pair(&self) -> PairSnapshot {
        self.snapshot().pairs[0]
    }

    /// Nothing waits anywhere and no frame was lost or freed twice.
    pub fn assert_no_frame_is_out(&self) {
        assert_eq!(self.pool.in_use(), 0, "frames that nobody gave back");
    }
}
