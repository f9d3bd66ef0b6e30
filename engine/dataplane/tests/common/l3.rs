//! A bed of L3 ports: each with a cable to a host outside.

use super::{End, cable, eal, mbuf};
use dpdk::clock::TscClock;
use dpdk::{Fib4, Fib6, FibOptions, Pool, PoolOptions, Port, Started};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use twinline_dataplane::l3::{
    Adjacency, Interface, L3Config, L3Drop, L3Inject, L3Port, L3PortSnapshot, L3Punt, Punt, Tables,
};
use twinline_dataplane::{Gate, GateMode, Lease, Worker, WorkerConfig, WorkerLinks};

/// The addresses of the worker's ports 7 and 9.
pub const PORT_A: [u8; 6] = [0x02, 0, 0, 0, 1, 0x0a];
pub const PORT_B: [u8; 6] = [0x02, 0, 0, 0, 1, 0x0b];
pub const HOST: [u8; 6] = [0x02, 0, 0, 0, 0, 0x0c];
pub const NEXT: [u8; 6] = [0x02, 0, 0, 0, 0, 0x05];
/// The ports' numbers.
pub const A: u16 = 7;
pub const B: u16 = 9;

/// Interfaces: 0 is A untagged, 1 is B untagged, 2 is B's VLAN 20, 3 is A's VLAN 30, 4 is on a
/// port that the worker does not have.
pub fn interfaces() -> Vec<Interface> {
    let of = |port, vlan, mac, mtu| Interface {
        port,
        vlan,
        mac,
        mtu,
    };
    vec![
        of(A, None, PORT_A, 1500),
        of(B, None, PORT_B, 1400),
        of(B, Some(20), PORT_B, 1500),
        of(A, Some(30), PORT_A, 1500),
        of(1, None, PORT_A, 1500),
    ]
}

/// The writer's ends of the forwarding tables are one pair for the process: each is 32 MiB.
pub struct L3Bed {
    pub worker: Worker,
    pub links: WorkerLinks,
    pub lease: Arc<Lease>,
    pub gate: Arc<Gate>,
    pub tables: Arc<Tables>,
    pub fib4: Fib4,
    pub fib6: Fib6,
    pub pool: Pool,
    /// What is outside of A and B.
    pub outside: [End; 2],
    _ports: Vec<Port<Started>>,
}

impl L3Bed {
    /// Gate closed, lease without end, nothing in the tables.
    pub fn new() -> Self {
        Self::with_cable(256)
    }

    pub fn with_cable(size: u32) -> Self {
        static NEXT_BED: AtomicU32 = AtomicU32::new(0);
        let name = format!("l3bed{}", NEXT_BED.fetch_add(1, Ordering::Relaxed));
        let fib = |options: FibOptions| FibOptions {
            routes: 1024,
            groups: 512,
            ..options
        };
        let fib4 = Fib4::new(eal(), &fib(FibOptions::ipv4(&name))).unwrap();
        let fib6 = Fib6::new(eal(), &fib(FibOptions::ipv6(&name))).unwrap();
        let pool = PoolOptions {
            name,
            mbufs: 511,
            cache: 0,
            ..PoolOptions::default()
        };
        let pool = Pool::new(eal(), pool).unwrap();
        let (outside_a, a) = cable(size, &pool);
        let (outside_b, b) = cable(size, &pool);
        let tables = Arc::new(Tables::new(interfaces(), fib4.reader(), fib6.reader(), 64));
        let (gate, lease) = (Arc::new(Gate::new()), Arc::new(Lease::new()));
        lease.forever();
        let port = |index, end: &mut Option<End>, mac, ports: &mut Vec<_>| {
            let end = end.take().unwrap();
            ports.push(end.port);
            L3Port {
                index,
                rx: Some(end.rx),
                tx: end.tx,
                mac,
            }
        };
        let mut started = Vec::new();
        let ports = vec![
            port(A, &mut Some(a), PORT_A, &mut started),
            port(B, &mut Some(b), PORT_B, &mut started),
        ];
        let mut config = WorkerConfig::new(Vec::new(), lease.clone(), TscClock::new(eal()));
        let mut l3 = L3Config::new(ports, tables.clone(), gate.clone());
        l3.exception_capacity = 64;
        config.l3 = Some(l3);
        let (worker, links) = Worker::new(config);
        Self {
            worker,
            links,
            lease,
            gate,
            tables,
            fib4,
            fib6,
            pool,
            outside: [outside_a, outside_b],
            _ports: started,
        }
    }

    /// A gate that is open, and routes: 10.0.0.0/8 and 2001:db8::/32 to NEXT on interface 1,
    /// 10.20.0.0/16 and 2001:db8:20::/48 to NEXT on interface 2 (VLAN 20), 192.0.2.1 and
    /// 2001:db8::1 local, 192.0.2.0/24 connected on interface 0.
    pub fn routed() -> Self {
        let mut bed = Self::new();
        bed.routes();
        bed
    }

    pub fn routes(&mut self) {
        let resolved = |interface| Adjacency::Resolved {
            interface,
            mac: NEXT,
        };
        assert!(self.tables.adjacencies.set(2, resolved(1)));
        assert!(self.tables.adjacencies.set(3, resolved(2)));
        let connected = Adjacency::Connected { interface: 0 };
        assert!(self.tables.adjacencies.set(4, connected));
        for (prefix, length, next) in [
            ([10, 0, 0, 0], 8, 2),
            ([10, 20, 0, 0], 16, 3),
            ([192, 0, 2, 0], 24, 4),
            ([192, 0, 2, 1], 32, 1),
        ] {
            self.route4(prefix, length, next);
        }
        self.route6("2001:db8::", 32, 2);
        self.route6("2001:db8:20::", 48, 3);
        self.route6("2001:db8::1", 128, 1);
        self.gate.set(GateMode::Forward);
    }

    pub fn route4(&mut self, prefix: [u8; 4], length: u8, next: u16) {
        self.fib4.add(Ipv4Addr::from(prefix), length, next).unwrap();
    }

    pub fn route6(&mut self, prefix: &str, length: u8, next: u16) {
        let prefix: Ipv6Addr = prefix.parse().unwrap();
        self.fib6.add(prefix, length, next).unwrap();
    }

    fn outside(&mut self, port: u16) -> &mut End {
        &mut self.outside[usize::from(port != A)]
    }

    /// Sends into a port, lets the worker work.
    pub fn feed(&mut self, port: u16, frames: &[Vec<u8>]) {
        for frame in frames {
            let mut burst: dpdk::Burst<32> = dpdk::Burst::new();
            burst.push(mbuf(&self.pool, frame)).unwrap();
            let sent = self.outside(port).tx.burst(&mut burst);
            assert_eq!(sent, 1, "the cable is full");
        }
        while self.worker.poll_once() {}
    }

    /// What has come out of a port.
    pub fn out(&mut self, port: u16) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        let mut burst: dpdk::Burst<32> = dpdk::Burst::new();
        while self.outside(port).rx.burst(&mut burst) > 0 {
            all.extend(burst.iter().map(|mbuf| mbuf.data().to_vec()));
            burst.clear();
        }
        all
    }

    /// Feeds A one frame; what came out of B.
    pub fn pass(&mut self, frame: &[u8]) -> Vec<Vec<u8>> {
        self.feed(A, &[frame.to_vec()]);
        self.out(B)
    }

    /// All punts, protocols first.
    pub fn punts(&mut self) -> Vec<Punt> {
        let links = self.links.l3.as_mut().unwrap();
        let mut all = Vec::new();
        while let Ok(punt) = links.protocols.pop() {
            all.push(punt);
        }
        while let Ok(punt) = links.exceptions.pop() {
            all.push(punt);
        }
        all
    }

    pub fn inject(&mut self, port: u16, frame: &[u8]) {
        self.inject_under(false, port, frame);
    }

    pub fn inject_under(&mut self, leased: bool, port: u16, frame: &[u8]) {
        let mbuf = mbuf(&self.pool, frame);
        let links = self.links.l3.as_mut().unwrap();
        let inject = L3Inject { port, leased, mbuf };
        links.inject.push(inject).unwrap();
    }

    pub fn port(&self, port: u16) -> L3PortSnapshot {
        let snapshot = self.links.counters.snapshot();
        *snapshot.l3.iter().find(|l3| l3.index == port).unwrap()
    }

    pub fn drops(&self, port: u16, cause: L3Drop) -> u64 {
        self.port(port).drops(cause)
    }

    /// Whatever came in was forwarded, dropped or punted; no frame is out.
    pub fn assert_accounted(&mut self) {
        self.punts();
        self.out(A);
        self.out(B);
        for port in [A, B] {
            let figures = self.port(port);
            let ends: u64 = figures.forwarded4
                + figures.forwarded6
                + L3Drop::ALL
                    .iter()
                    // Counted where a frame was to go out.
                    .filter(|&&cause| !matches!(cause, L3Drop::TxFull | L3Drop::InjectLease))
                    .map(|&cause| figures.drops(cause))
                    .sum::<u64>()
                + L3Punt::ALL
                    .iter()
                    .map(|&why| figures.punts(why))
                    .sum::<u64>();
            assert_eq!(figures.rx_packets, ends, "{figures:?}");
        }
        assert_eq!(self.pool.in_use(), 0, "frames that nobody gave back");
    }
}

impl Default for L3Bed {
    fn default() -> Self {
        Self::new()
    }
}

/// The ones' complement sum of a header, complemented.
pub fn checksum(header: &[u8]) -> u16 {
    let sum: u64 = header
        .chunks_exact(2)
        .map(|pair| u64::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    let sum = (sum >> 16) + (sum & 0xffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    !(sum as u16)
}

/// An Ethernet header.
pub fn ethernet(to: [u8; 6], from: [u8; 6], vlan: Option<u16>, kind: u16) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend(to);
    frame.extend(from);
    if let Some(vlan) = vlan {
        frame.extend([0x81, 0x00]);
        frame.extend(vlan.to_be_bytes());
    }
    frame.extend(kind.to_be_bytes());
    frame
}

/// An IPv4 packet of UDP, to be changed by the test.
#[derive(Debug, Clone)]
pub struct V4 {
    pub from: [u8; 4],
    pub to: [u8; 4],
    pub ttl: u8,
    pub protocol: u8,
    pub dont_fragment: bool,
    pub options: usize,
    pub payload: usize,
}

pub fn v4(to: [u8; 4]) -> V4 {
    V4 {
        from: [192, 0, 2, 77],
        to,
        ttl: 64,
        protocol: 17,
        dont_fragment: false,
        options: 0,
        payload: 26,
    }
}

impl V4 {
    pub fn packet(&self) -> Vec<u8> {
        let header = 20 + self.options;
        let total = (header + self.payload) as u16;
        let mut packet = vec![0x40 | (header / 4) as u8, 0];
        packet.extend(total.to_be_bytes());
        packet.extend([0x12, 0x34, if self.dont_fragment { 0x40 } else { 0 }, 0]);
        packet.extend([self.ttl, self.protocol, 0, 0]);
        packet.extend(self.from);
        packet.extend(self.to);
        packet.resize(header, 1);
        let sum = checksum(&packet);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        packet.extend((0..self.payload).map(|n| n as u8));
        packet
    }

    pub fn frame(&self, to: [u8; 6], vlan: Option<u16>) -> Vec<u8> {
        let mut frame = ethernet(to, HOST, vlan, 0x0800);
        frame.extend(self.packet());
        frame
    }
}

/// An IPv6 packet, to be changed by the test.
#[derive(Debug, Clone)]
pub struct V6 {
    pub from: Ipv6Addr,
    pub to: Ipv6Addr,
    pub hops: u8,
    pub next: u8,
    pub payload: Vec<u8>,
}

pub fn v6(to: &str) -> V6 {
    V6 {
        from: "2001:db8:1::77".parse().unwrap(),
        to: to.parse().unwrap(),
        hops: 64,
        next: 17,
        payload: vec![7; 26],
    }
}

impl V6 {
    pub fn packet(&self) -> Vec<u8> {
        let mut packet = vec![0x60, 0, 0, 0];
        packet.extend((self.payload.len() as u16).to_be_bytes());
        packet.extend([self.next, self.hops]);
        packet.extend(self.from.octets());
        packet.extend(self.to.octets());
        packet.extend(&self.payload);
        packet
    }

    pub fn frame(&self, to: [u8; 6], vlan: Option<u16>) -> Vec<u8> {
        let mut frame = ethernet(to, HOST, vlan, 0x86dd);
        frame.extend(self.packet());
        frame
    }
}
