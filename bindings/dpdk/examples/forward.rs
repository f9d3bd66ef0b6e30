//! Forwards frames between two virtual devices, both ways, on one core.
//!
//! ```text
//! forward [--no-huge] [--unlink] [--register] [--prefix NAME] [--seconds N] [VDEV VDEV]
//! ```
//! The worker is a job on an EAL worker thread of core 1, or with --register a
//! registered std thread. Prints the rate and the cost of a frame.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use dpdk::clock::{TscClock, tsc_now};
use dpdk::lcore::{RegisteredThread, spawn_pinned};
use dpdk::{Burst, Eal, EalOptions, Error, Huge, LogLevel, Pool, PoolOptions, PortOptions};
use dpdk::{RxQueue, TxQueue};

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Adds a frame's worth of work; kept out of line so that a profile shows it.
fn forward(rx: &mut RxQueue, tx: &mut TxQueue, burst: &mut Burst) -> (u64, u64) {
    let frames = rx.burst(burst) as u64;
    if frames == 0 {
        return (0, 0);
    }
    let bytes = burst.bytes();
    tx.burst(burst);
    burst.clear();
    (frames, bytes)
}

fn main() -> Outcome<()> {
    env_logger::init();
    let mut vdevs: Vec<String> = Vec::new();
    let (mut huge, mut unlink, mut register) = (Huge::Pages, false, false);
    let (mut prefix, mut seconds) = (String::from("tl_forward"), 5u64);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--no-huge" => huge = Huge::NoHuge,
            "--unlink" => unlink = true,
            "--register" => register = true,
            "--prefix" => prefix = arguments.next().ok_or("--prefix NAME")?,
            "--seconds" => seconds = arguments.next().ok_or("--seconds N")?.parse()?,
            _ => vdevs.push(argument),
        }
    }
    if vdevs.is_empty() {
        vdevs = vec!["net_null0".into(), "net_null1".into()];
    }
    let names: Vec<String> = vdevs
        .iter()
        .map(|v| v.split(',').next().unwrap_or_default().to_owned())
        .collect();

    let eal = Eal::init(EalOptions {
        program: "forward".into(),
        worker_cores: if register { vec![] } else { vec![1] },
        file_prefix: prefix,
        memory_mb: Some(256),
        huge,
        huge_unlink: unlink,
        vdevs,
        log_level: Some(LogLevel::Notice),
        ..EalOptions::default()
    })?;
    if let Err(error) = dpdk::pdump_init(&eal) {
        eprintln!("{error}");
    }
    let pool = Pool::new(
        &eal,
        PoolOptions {
            mbufs: 32_767,
            ..PoolOptions::default()
        },
    )?;
    let mut ports = Vec::new();
    for name in names.iter().take(2) {
        let id = eal
            .port_named(name)
            .ok_or_else(|| format!("no port {name}"))?;
        let port = eal
            .take(id)?
            .configure(&PortOptions::default(), &pool)
            .map_err(Error::from)?;
        ports.push(port.start().map_err(Error::from)?);
    }
    let (Some(second), Some(first)) = (ports.pop(), ports.pop()) else {
        return Err("two devices are needed".into());
    };
    let (first, mut first_rx, mut first_tx) = first;
    let (second, mut second_rx, mut second_tx) = second;

    let stop = Arc::new(AtomicBool::new(false));
    let (frames, octets) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let worker = {
        let (stop, frames, octets) = (stop.clone(), frames.clone(), octets.clone());
        move || {
            let mut burst = Burst::<32>::new();
            let (mut count, mut bytes) = (0, 0);
            while !stop.load(Ordering::Relaxed) {
                let there = forward(&mut first_rx[0], &mut second_tx[0], &mut burst);
                let back = forward(&mut second_rx[0], &mut first_tx[0], &mut burst);
                count += there.0 + back.0;
                bytes += there.1 + back.1;
                frames.store(count, Ordering::Relaxed);
                octets.store(bytes, Ordering::Relaxed);
            }
            (first_rx, first_tx, second_rx, second_tx)
        }
    };
    let watch = {
        let (stop, clock) = (stop.clone(), TscClock::new(&eal));
        move || {
            let start = tsc_now();
            for second in 1..=seconds {
                std::thread::sleep(Duration::from_secs(1));
                println!("{second} s: {} frames", frames.load(Ordering::Relaxed));
            }
            stop.store(true, Ordering::Relaxed);
            let ticks = tsc_now() - start;
            let (count, bytes) = (
                frames.load(Ordering::Relaxed),
                octets.load(Ordering::Relaxed),
            );
            let rate = count as f64 / clock.duration_of(ticks).as_secs_f64() / 1e6;
            println!(
                "{rate:.1} Mpps, {:.1} ticks a frame, {bytes} bytes",
                ticks as f64 / count.max(1) as f64
            );
        }
    };
    let panicked = |_| "the worker panicked";
    let queues = if register {
        std::thread::scope(|scope| -> Outcome<_> {
            let eal = &eal;
            let handle = scope.spawn(move || -> Outcome<_> {
                dpdk::lcore::pin(1)?;
                let _lcore = RegisteredThread::register(eal)?;
                Ok(worker())
            });
            spawn_pinned("watch", 0, watch)?.join().map_err(panicked)?;
            handle.join().map_err(panicked)?
        })?
    } else {
        let job = eal.launch(1, worker)?;
        watch();
        job.join().map_err(panicked)?
    };
    let (first_rx, first_tx, second_rx, second_tx) = queues;
    println!("{:?}\n{:?}", first.stats()?, second.stats()?);
    first
        .stop(first_rx, first_tx)
        .map_err(|f| f.error)?
        .close()?;
    second
        .stop(second_rx, second_tx)
        .map_err(|f| f.error)?
        .close()?;
    println!("frames out at the end: {}", pool.in_use());
    Ok(())
}
