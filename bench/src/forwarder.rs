//! Our side: the engine's worker on net_null0 and net_null1, with everything on that an ACTIVE
//! instance has on: counters, gate, lease (renewed by another thread), learning (and a reader).

use anyhow::{Context, Result, bail};
use clap::Args;
use dpdk::clock::{self, TscClock};
use dpdk::{Eal, EalOptions, Pool, PoolOptions, Port, PortOptions, RxQueue, Started, TxQueue};
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use twinline_dataplane::{
    Gate, GateMode, Lease, MacTable, PairQueues, Worker, WorkerConfig, WorkerSnapshot,
};

/// How often the lease is renewed.
const RENEWAL: Duration = Duration::from_millis(25);
/// How long it then holds: much longer than an engine's lease, because the turns of the benchmark
/// stop this process and a busy machine delays the renewal. What it costs is the same.
const LEASE: Duration = Duration::from_secs(60);
/// Different source addresses in the frames.
const STATIONS: usize = 64;

/// Settings of our side.
#[derive(Debug, Clone, Args)]
pub struct Forwarder {
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
}

fn start(eal: &Eal, name: &str, pool: &Pool) -> Result<(Port<Started>, RxQueue, TxQueue)> {
    let id = eal
        .port_named(name)
        .with_context(|| format!("there is no port {name}"))?;
    let options = PortOptions {
        rx_descriptors: 1024,
        tx_descriptors: 1024,
        ..Default::default()
    };
    let port = eal
        .take(id)?
        .configure(&options, pool)
        .map_err(dpdk::Error::from)?;
    let (port, mut rx, mut tx) = port.start().map_err(dpdk::Error::from)?;
    match (rx.pop(), tx.pop()) {
        (Some(rx), Some(tx)) => Ok((port, rx, tx)),
        _ => bail!("{name} has no queue"),
    }
}

/// Writes an Ethernet header into every buffer of the pool. net_null hands buffers out as they
/// are, so the worker meets real source addresses and not zeroes, which it would pass over. As
/// with testpmd one pool serves both ports, so each station appears on both sides: half of all
/// samples are stations that have moved, far more to report than in life.
///
/// On a thread of its own, which is no lcore and has no cache before the pool, so that the pool's
/// order stays as it was made: a shuffled one costs up to a fifth of the rate.
fn fill_buffers(pool: &Pool) -> Result<()> {
    let fill = || -> Result<()> {
        let mut all = Vec::with_capacity(pool.size() as usize);
        while let Some(mut mbuf) = pool.alloc() {
            let station = (all.len() % STATIONS) as u8;
            let mut frame = [0; 60];
            frame[..14].copy_from_slice(&[2, 0, 0, 0, 0, 1, 2, 0, 0, 1, 0, station, 8, 0]);
            mbuf.append(&frame)?;
            all.push(mbuf);
        }
        Ok(())
    };
    let filled = std::thread::scope(|scope| scope.spawn(fill).join());
    filled.map_err(|_| anyhow::anyhow!("filling the pool panicked"))?
}

/// Forwards until the standard input ends.
///
/// # Errors
/// The EAL, the pool or the ports cannot be made, or the worker did not carry what it should.
pub fn run(settings: &Forwarder) -> Result<()> {
    let eal = Eal::init(EalOptions {
        program: "bench-forward".into(),
        main_core: settings.main_core,
        worker_cores: vec![settings.core],
        file_prefix: settings.file_prefix.clone(),
        memory_mb: Some(settings.memory_mb),
        huge_unlink: true,
        vdevs: vec!["net_null0".into(), "net_null1".into()],
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
    fill_buffers(&pool)?;
    let (lan, lan_rx, lan_tx) = start(&eal, "net_null0", &pool)?;
    let (wan, wan_rx, wan_tx) = start(&eal, "net_null1", &pool)?;

    let clock = TscClock::new(&eal);
    let (gate, lease) = (Arc::new(Gate::new()), Arc::new(Lease::new()));
    let table = Arc::new(MacTable::new());
    let pair = PairQueues {
        index: 0,
        lan: (lan_rx, lan_tx),
        wan: (wan_rx, wan_tx),
        lan_mac: lan.mac()?.0,
        wan_mac: wan.mac()?.0,
        gate: gate.clone(),
        mac_table: table.clone(),
    };
    let mut config = WorkerConfig::new(vec![pair], lease.clone(), clock);
    config.core = Some(settings.core);
    let (worker, mut links) = Worker::new(config);

    let stop = AtomicBool::new(false);
    let (snapshot, learned) = std::thread::scope(|scope| -> Result<_> {
        let management = scope.spawn(|| {
            let mut learned = 0u64;
            while !stop.load(Ordering::Relaxed) {
                lease.renew(clock::tsc_now() + clock.ticks_from(LEASE));
                while let Ok(station) = links.learned.pop() {
                    table.insert(station.mac, station.side);
                    learned += 1;
                }
                std::thread::sleep(RENEWAL);
            }
            learned
        });
        let forwarded = forward(worker, &eal, &gate);
        stop.store(true, Ordering::Relaxed);
        let learned = management
            .join()
            .map_err(|_| anyhow::anyhow!("the lease thread panicked"))?;
        Ok((forwarded?, learned))
    })?;

    let pair = snapshot.pairs.first().context("the worker has no pair")?;
    println!(
        "iterations {}, stations reported {learned}",
        snapshot.iterations
    );
    println!("lan {:?}", pair.lan);
    println!("wan {:?}", pair.wan);
    // The ports' own counters must say what ours say, or the comparison is worth nothing.
    for (name, port, ours) in [("lan", &lan, pair.lan), ("wan", &wan, pair.wan)] {
        let stats = port.stats()?;
        if (stats.rx_packets, stats.tx_packets) != (ours.rx_packets, ours.tx_packets) {
            bail!("the {name} port counted {stats:?}, the worker {ours:?}");
        }
    }
    if pair.lan.dropped_lease + pair.wan.dropped_lease > 0 {
        bail!("the lease did not hold all the time: the renewing thread had no core for a minute");
    }
    if learned == 0 {
        bail!("nothing was learned: the frames have no source addresses");
    }
    Ok(())
}

/// Runs the worker until the standard input ends.
fn forward(worker: Worker, eal: &Eal, gate: &Gate) -> Result<WorkerSnapshot> {
    let handle = worker.spawn(eal)?;
    gate.set(GateMode::Forward);
    let mut rest = Vec::new();
    // Whatever comes is of no interest, and an error is an end as well.
    let _ = std::io::stdin().take(1 << 20).read_to_end(&mut rest);
    handle.stop();
    let counters = handle.counters();
    handle.join()?;
    Ok(counters.snapshot())
}
