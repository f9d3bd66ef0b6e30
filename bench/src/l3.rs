//! The traffic of `bench-l3`, and our side of it: the L3 fast path with everything on that an
//! ACTIVE instance has on: frames to a virtual MAC that is held, gate, lease (renewed by another
//! thread), counters.

use crate::peers::Traffic;
use anyhow::{Context, Result, bail};
use clap::Args;
use dpdk::clock::{self, TscClock};
use dpdk::{
    Eal, EalOptions, Fib4, Fib6, FibOptions, Pool, PoolOptions, Port, PortOptions, RxQueue,
    Started, TxQueue,
};
use std::fmt::Write as _;
use std::fs;
use std::io::Read;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use twinline_dataplane::l3::{
    Adjacencies, Adjacency, Family, Interface, L3Config, L3Port, L3PortSnapshot, Tables,
    virtual_mac,
};
use twinline_dataplane::{Gate, GateMode, Lease, Worker, WorkerConfig};

/// Routes: /24 prefixes all over the unicast addresses. l3fwd has room for 1024.
pub const ROUTES: usize = 1000;
/// Frames in the file, each to a random address within one of the routes.
pub const DESTINATIONS: usize = 4096;
/// Bytes of a frame, without FCS.
pub const FRAME_BYTES: usize = 60;
const VRID: u8 = 10;
const PORT_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];
/// Next hops of ours, each an adjacency of its own.
const NEXT_HOPS: u16 = 64;
/// See `forwarder`.
const RENEWAL: Duration = Duration::from_millis(25);
const LEASE: Duration = Duration::from_secs(60);

/// The same numbers in each run (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
}

fn prefixes(numbers: &mut Numbers) -> Vec<u32> {
    let mut prefixes = std::collections::BTreeSet::new();
    while prefixes.len() < ROUTES {
        let prefix = (numbers.next() as u32) & !0xff;
        if !matches!(prefix >> 24, 0 | 10 | 127 | 224..) {
            prefixes.insert(prefix);
        }
    }
    prefixes.into_iter().collect()
}

fn checksum(header: &[u8]) -> u16 {
    let words = header.as_chunks::<2>().0.iter();
    let sum: u32 = words.map(|pair| u32::from(u16::from_be_bytes(*pair))).sum();
    let sum = (sum >> 16) + (sum & 0xffff);
    !((sum >> 16) + (sum & 0xffff)) as u16
}

/// A UDP packet in a frame to the virtual MAC.
fn frame(to: u32, port: u16) -> Vec<u8> {
    let mut ip = vec![
        0x45,
        0,
        0,
        (FRAME_BYTES - 14) as u8,
        0,
        0,
        0x40,
        0,
        64,
        17,
        0,
        0,
    ];
    ip.extend([10, 0, 0, 1]);
    ip.extend(to.to_be_bytes());
    let sum = checksum(&ip);
    if let Some(place) = ip.get_mut(10..12) {
        place.copy_from_slice(&sum.to_be_bytes());
    }
    let mut frame = Vec::with_capacity(FRAME_BYTES);
    frame.extend(virtual_mac(Family::V4, VRID));
    frame.extend([0x02, 0, 0, 0, 0, 0x0c, 0x08, 0x00]);
    frame.extend(ip);
    frame.extend(port.to_be_bytes());
    frame.extend([0, 9, 0, (FRAME_BYTES - 34) as u8, 0, 0]);
    frame.resize(FRAME_BYTES, 0);
    frame
}

/// Writes the files of the traffic into `directory`: the same for both sides and in each run.
///
/// # Errors
/// They cannot be written.
pub fn write_traffic(directory: &Path) -> Result<Traffic> {
    let mut numbers = Numbers(5);
    let prefixes = prefixes(&mut numbers);
    let mut rules = String::new();
    for prefix in &prefixes {
        writeln!(rules, "R{}/24 1", Ipv4Addr::from(*prefix))?;
    }
    // libpcap's file format: magic, version 2.4, zone, accuracy, snap length, Ethernet.
    let mut pcap = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1] {
        pcap.extend(word.to_ne_bytes());
    }
    for n in 0..DESTINATIONS {
        let number = numbers.next();
        let prefix = prefixes.get(number as usize % ROUTES).copied();
        let to = prefix.unwrap_or_default() | (number >> 32) as u32 & 0xff;
        for word in [
            n as u32 / 1000,
            n as u32 % 1000,
            FRAME_BYTES as u32,
            FRAME_BYTES as u32,
        ] {
            pcap.extend(word.to_ne_bytes());
        }
        pcap.extend(frame(to, n as u16));
    }
    let traffic = Traffic {
        pcap: directory.join("l3.pcap"),
        rules4: directory.join("l3-routes4"),
        rules6: directory.join("l3-routes6"),
    };
    let write = |path: &Path, bytes: &[u8]| {
        fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
    };
    write(&traffic.pcap, &pcap)?;
    write(&traffic.rules4, rules.as_bytes())?;
    // l3fwd wants one.
    write(
        &traffic.rules6,
        b"R2001:0db8:0000:0000:0000:0000:0000:0000/64 1\n",
    )?;
    Ok(traffic)
}

/// Settings of our side.
#[derive(Debug, Clone, Args)]
pub struct Router {
    /// The core that forwards.
    #[arg(long)]
    core: usize,
    /// The core of the main thread.
    #[arg(long)]
    main_core: usize,
    /// Names the EAL's files.
    #[arg(long)]
    file_prefix: String,
    /// Mbufs in the pool.
    #[arg(long)]
    mbufs: u32,
    /// Mbufs in the pool's cache of each core.
    #[arg(long)]
    cache: u32,
    /// Hugepage memory, MiB.
    #[arg(long)]
    memory_mb: u32,
    /// The frames.
    #[arg(long)]
    pcap: PathBuf,
    /// The routes.
    #[arg(long)]
    rules: PathBuf,
}

fn start(eal: &Eal, name: &str, pool: &Pool) -> Result<(Port<Started>, RxQueue, TxQueue)> {
    let id = eal
        .port_named(name)
        .with_context(|| format!("there is no port {name}"))?;
    let port = eal
        .take(id)?
        .configure(&PortOptions::default(), pool)
        .map_err(dpdk::Error::from)?;
    let (port, mut rx, mut tx) = port.start().map_err(dpdk::Error::from)?;
    match (rx.pop(), tx.pop()) {
        (Some(rx), Some(tx)) => Ok((port, rx, tx)),
        _ => bail!("{name} has no queue"),
    }
}

/// Adds the routes of the file to the table, each to one of the next hops.
fn add_routes(fib: &mut Fib4, rules: &Path) -> Result<usize> {
    let text = fs::read_to_string(rules)?;
    for (line, n) in text.lines().zip(0u16..) {
        let prefix = line.strip_prefix('R').and_then(|rest| rest.split_once('/'));
        let (prefix, _) = prefix.with_context(|| format!("no route: {line}"))?;
        fib.add(prefix.parse()?, 24, Adjacencies::FIRST_FREE + n % NEXT_HOPS)?;
    }
    Ok(text.lines().count())
}

/// Routes until the standard input ends.
///
/// # Errors
/// The EAL, the pool, the tables or the ports cannot be made, or not all that came was forwarded.
pub fn run(settings: &Router) -> Result<()> {
    let eal = Eal::init(EalOptions {
        program: "bench-l3".into(),
        main_core: settings.main_core,
        worker_cores: vec![settings.core],
        file_prefix: settings.file_prefix.clone(),
        memory_mb: Some(settings.memory_mb),
        huge_unlink: true,
        vdevs: vec![Traffic::vdev(&settings.pcap), "net_null0".into()],
        ..EalOptions::default()
    })?;
    let pool = Pool::new(
        &eal,
        PoolOptions {
            mbufs: settings.mbufs,
            cache: settings.cache,
            ..PoolOptions::default()
        },
    )?;
    let (source, source_rx, source_tx) = start(&eal, "net_pcap0", &pool)?;
    // Its receive queue is not read: it would bring frames without end.
    let (sink, _sink_rx, sink_tx) = start(&eal, "net_null0", &pool)?;

    let mut fib4 = Fib4::new(&eal, &FibOptions::ipv4("bench"))?;
    let fib6 = Fib6::new(&eal, &FibOptions::ipv6("bench"))?;
    let routes = add_routes(&mut fib4, &settings.rules)?;
    let interface = |port| Interface {
        port,
        vlan: None,
        mac: PORT_MAC,
        mtu: 1500,
    };
    let interfaces = vec![interface(0), interface(1)];
    let places = usize::from(Adjacencies::FIRST_FREE + NEXT_HOPS);
    let tables = Tables::new(interfaces, fib4.reader(), fib6.reader(), places);
    for n in 0..NEXT_HOPS {
        let mac = [0x02, 0, 0, 0, 1, n as u8];
        let next_hop = Adjacency::Resolved { interface: 1, mac };
        tables
            .adjacencies
            .set(Adjacencies::FIRST_FREE + n, next_hop);
    }
    tables.held.set(0, Family::V4, VRID, true);

    let clock = TscClock::new(&eal);
    let (gate, lease) = (Arc::new(Gate::new()), Arc::new(Lease::new()));
    let port = |index, rx, tx| L3Port {
        index,
        rx,
        tx,
        mac: PORT_MAC,
    };
    let ports = vec![port(0, Some(source_rx), source_tx), port(1, None, sink_tx)];
    let mut config = WorkerConfig::new(Vec::new(), lease.clone(), clock);
    config.core = Some(settings.core);
    config.l3 = Some(L3Config::new(ports, Arc::new(tables), gate.clone()));
    let (worker, _links) = Worker::new(config);

    let stop = AtomicBool::new(false);
    lease.renew(clock::tsc_now() + clock.ticks_from(LEASE));
    gate.set(GateMode::Forward);
    let snapshot = std::thread::scope(|scope| -> Result<_> {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                lease.renew(clock::tsc_now() + clock.ticks_from(LEASE));
                std::thread::sleep(RENEWAL);
            }
        });
        let route = || -> Result<_> {
            let handle = worker.spawn(&eal)?;
            let mut rest = Vec::new();
            // Whatever comes is of no interest, and an error is an end as well.
            let _ = std::io::stdin().take(1 << 20).read_to_end(&mut rest);
            handle.stop();
            let counters = handle.counters();
            handle.join()?;
            Ok(counters.snapshot())
        };
        let routed = route();
        stop.store(true, Ordering::Relaxed);
        routed
    })?;

    let [from, to]: [L3PortSnapshot; 2] = *snapshot.l3.first_chunk().context("no two ports")?;
    println!("{routes} routes\nsource {from:?}\nsink {to:?}");
    // Everything that came was forwarded, and the ports say so too.
    if from.forwarded4 != from.rx_packets || to.tx_packets != from.rx_packets {
        bail!("not all that came was forwarded");
    }
    let (came, went) = (source.stats()?, sink.stats()?);
    if (came.rx_packets, went.tx_packets) != (from.rx_packets, to.tx_packets) {
        bail!("the ports counted {came:?} and {went:?}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_traffic_is_the_same_each_time_and_within_its_routes() {
        let directory = tempfile::tempdir().unwrap();
        let traffic = write_traffic(directory.path()).unwrap();
        let pcap = fs::read(&traffic.pcap).unwrap();
        assert_eq!(pcap.len(), 24 + DESTINATIONS * (16 + FRAME_BYTES));
        let rules = fs::read_to_string(&traffic.rules4).unwrap();
        assert_eq!(rules.lines().count(), ROUTES);
        let frames: Vec<_> = pcap[24..].chunks(16 + FRAME_BYTES).collect();
        for frame in &frames {
            let ip = &frame[16 + 14..16 + 34];
            assert_eq!(checksum(ip), 0);
            let route = format!("R{}.{}.{}.0/24 1\n", ip[16], ip[17], ip[18]);
            assert!(rules.contains(&route), "{route}");
        }
        write_traffic(directory.path()).unwrap();
        assert_eq!(pcap, fs::read(&traffic.pcap).unwrap());
    }
}
