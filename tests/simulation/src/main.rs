//! `sim`: runs seeds of the simulation, replays one with a trace, proves that the checks bite.
#![forbid(unsafe_code)]

use clap::Parser;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;
use twinline_simulation::clock::SEC;
use twinline_simulation::search::{Outcome, run, search, shortest};

/// A whole cluster in simulation: one seed, one run of 60 virtual seconds.
#[derive(Parser)]
struct Options {
    /// Replay this seed with a trace.
    #[arg(long, conflicts_with_all = ["seeds", "faults"])]
    seed: Option<u64>,
    /// Of a replay: only the first so many deeds.
    #[arg(long, requires = "seed")]
    deeds: Option<usize>,
    /// Run so many seeds.
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Threads; by default as many as there are cores.
    #[arg(long)]
    threads: Option<usize>,
    /// Go on after failures: count them by check, one example each.
    #[arg(long)]
    all: bool,
    /// Switch every deliberate fault on in turn, and show that it is caught.
    #[arg(long)]
    faults: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = options.threads.unwrap_or(cores);
    if let Some(seed) = options.seed {
        return replay(seed, options.deeds);
    }
    if options.faults {
        return faults(&options, threads);
    }
    seeds(&options, threads)
}

#[cfg(not(feature = "faults"))]
fn faults(_: &Options, _: usize) -> ExitCode {
    eprintln!(
        "this build has no deliberate faults: cargo run -p twinline-simulation --features faults"
    );
    ExitCode::FAILURE
}

/// Every deliberate fault in turn: which check catches it, after how many seeds.
#[cfg(feature = "faults")]
fn faults(options: &Options, threads: usize) -> ExitCode {
    use twinline_simulation::catalogue::{all, caught};
    let faults = all();
    let next = std::sync::atomic::AtomicUsize::new(0);
    let missed = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(&fault) =
                    faults.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
                {
                    match caught(fault, options.from, options.seeds) {
                        Some((seed, after, violation)) => println!(
                            "{fault:<24} caught after {after:>4} seeds (seed {seed}) by {}: {}",
                            violation.check.name(),
                            violation.text
                        ),
                        None => {
                            missed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                            println!("{fault:<24} NOT CAUGHT in {} seeds", options.seeds);
                        }
                    }
                }
            });
        }
    });
    let missed = missed.into_inner();
    println!(
        "{} of {} deliberate faults caught",
        faults.len() - missed,
        faults.len()
    );
    if missed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn replay(seed: u64, deeds: Option<usize>) -> ExitCode {
    let outcome = run(seed, deeds.unwrap_or(usize::MAX), true);
    let mut out = std::io::stdout().lock();
    for line in &outcome.trace {
        // Whoever reads it may have seen enough.
        if writeln!(out, "{line}").is_err() {
            return ExitCode::FAILURE;
        }
    }
    drop(out);
    println!("{:?}", outcome.tally);
    match outcome.violation {
        Some(violation) => {
            println!("seed {seed} fails at {violation}");
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}

fn seeds(options: &Options, threads: usize) -> ExitCode {
    let started = Instant::now();
    let sums = Mutex::new((
        0u64,
        twinline_simulation::Tally::default(),
        Vec::<Outcome>::new(),
    ));
    search(options.from, options.seeds, threads, |outcome| {
        let Ok(mut sums) = sums.lock() else {
            return false;
        };
        sums.0 += 1;
        let t = &outcome.tally;
        sums.1.steps += t.steps;
        sums.1.events += t.events;
        sums.1.frames += t.frames;
        sums.1.changes += t.changes;
        sums.1.handovers += t.handovers;
        sums.1.settled += t.settled;
        sums.1.one_path += t.one_path;
        sums.1.doubled += t.doubled;
        if outcome.violation.is_some() {
            sums.2.push(outcome.clone());
        }
        options.all || sums.2.is_empty()
    });
    let took = started.elapsed();
    let Ok((ran, tally, failed)) = sums.into_inner() else {
        return ExitCode::FAILURE;
    };
    let rate = ran as f64 / took.as_secs_f64().max(1e-9);
    println!(
        "{ran} seeds in {took:.1?} on {threads} threads ({rate:.0} seeds/s): {} steps, {} events, \
         {} frames judged, {} role changes, {} hand-overs in a healthy network, {} s healthy by one \
         of two paths",
        tally.steps,
        tally.events,
        tally.frames,
        tally.changes,
        tally.handovers,
        tally.one_path / SEC
    );
    if failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("{} seeds failed", failed.len());
    let mut shown = std::collections::BTreeMap::<_, u64>::new();
    for outcome in &failed {
        let Some(violation) = &outcome.violation else {
            continue;
        };
        let count = shown.entry(violation.check).or_default();
        *count += 1;
        if *count > 3 {
            continue;
        }
        println!("seed {}: {violation}", outcome.seed);
        if let Some((deeds, least)) = shortest(outcome.seed) {
            println!("  shortest prefix: {deeds} deeds, {least}");
            println!(
                "  replay: make sim SEED={} (or sim --seed {0} --deeds {deeds})",
                outcome.seed
            );
        }
    }
    for (check, count) in shown {
        println!("{count:>6}  {}", check.name());
    }
    ExitCode::FAILURE
}
