//! `bench-forward`: our worker against testpmd, interleaved; or, with `worker`, our side of it.
#![forbid(unsafe_code)]

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use twinline_bench::forwarder::{self, Forwarder};
use twinline_bench::peers::{Bed, Peer, Running, Sample};
use twinline_bench::process::Linkage;
use twinline_bench::report::{Report, Round, Setting};

/// Forwarding on net_null: our worker against dpdk-testpmd, interleaved in one run.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Side>,
    /// Rounds; each measures every side once.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// The core that forwards.
    #[arg(long, default_value_t = 1)]
    core: usize,
    /// The core of the main threads.
    #[arg(long, default_value_t = 0)]
    main_core: usize,
    /// Mbufs in each side's pool.
    #[arg(long, default_value_t = 32768)]
    mbufs: u32,
    /// Mbufs in the pool's cache of each core (testpmd's own default).
    #[arg(long, default_value_t = 250)]
    cache: u32,
    /// Hugepage memory of each side, MiB. Only one side runs at a time.
    #[arg(long, default_value_t = 256)]
    memory_mb: u32,
    /// This benchmark built with `--features shared`, to be measured as well.
    #[arg(long)]
    shared_binary: Option<PathBuf>,
    /// Where the figures go.
    #[arg(long, default_value = "target/bench/forward.json")]
    output: PathBuf,
    /// End with an exit code that is not 0 if a goal is missed.
    #[arg(long)]
    gate: bool,
}

#[derive(Debug, Subcommand)]
enum Side {
    /// Our side: forward until the input ends.
    Worker(Forwarder),
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    match arguments.command {
        Some(Side::Worker(forwarder)) => {
            forwarder::run(&forwarder)?;
            Ok(ExitCode::SUCCESS)
        }
        None => compare(&arguments),
    }
}

/// One side's turn.
fn measure(
    name: &str,
    peer: &Peer,
    bed: &Bed,
    arguments: &Arguments,
    linkage: &mut Option<Linkage>,
) -> Result<Sample> {
    let file_prefix = format!("twinline-bench-{}-{name}", std::process::id());
    let directory = arguments
        .output
        .parent()
        .map(PathBuf::from)
        .unwrap_or_default();
    let log = directory.join(format!("{name}.log"));
    let mut running = Running::start(peer, bed, &file_prefix, &log)
        .with_context(|| format!("{name} does not run"))?;
    let found = running.linkage();
    if linkage.replace(found).is_some_and(|before| before != found) {
        bail!("{name} changed its linkage to {found:?} in the middle of a run");
    }
    // Past the start: caches and frequency settle.
    std::thread::sleep(Duration::from_millis(300));
    let sample = running.measure(Duration::from_secs_f64(arguments.seconds))?;
    running.stop();
    Ok(sample)
}

fn compare(arguments: &Arguments) -> Result<ExitCode> {
    if arguments.rounds == 0 || !(0.1..=60.0).contains(&arguments.seconds) {
        bail!("--rounds must be at least 1, and --seconds 0.1 to 60");
    }
    if let Some(directory) = arguments.output.parent() {
        fs::create_dir_all(directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
    }
    let bed = Bed {
        core: arguments.core,
        main_core: arguments.main_core,
        mbufs: arguments.mbufs,
        cache: arguments.cache,
        memory_mb: arguments.memory_mb,
    };
    let ours = Peer::Ours(std::env::current_exe()?);
    let shared = arguments.shared_binary.clone().map(Peer::Ours);

    let (mut ours_is, mut testpmd_is, mut shared_is) = (None, None, None);
    let mut rounds = Vec::with_capacity(arguments.rounds);
    for n in 1..=arguments.rounds {
        // testpmd in the middle, so that each of our builds stands next to it.
        let ours_static = measure("ours", &ours, &bed, arguments, &mut ours_is)?;
        let testpmd = measure("testpmd", &Peer::Testpmd, &bed, arguments, &mut testpmd_is)?;
        let ours_shared = match &shared {
            Some(peer) => Some(measure(
                "ours-shared",
                peer,
                &bed,
                arguments,
                &mut shared_is,
            )?),
            None => None,
        };
        eprintln!(
            "round {n} of {}: ours {:.1}, testpmd {:.1}{}",
            arguments.rounds,
            ours_static.mpps(),
            testpmd.mpps(),
            ours_shared.map_or_else(String::new, |s| format!(", ours shared {:.1}", s.mpps()))
        );
        rounds.push(Round {
            ours_static,
            testpmd,
            ours_shared,
        });
    }

    let is = |linkage: Option<Linkage>| linkage.context("a side was never measured");
    if ours_is != Some(Linkage::Static) {
        bail!("the first build is not static: run bench-forward built without --features shared");
    }
    if shared.is_some() && shared_is != Some(Linkage::Shared) {
        bail!("--shared-binary is not linked with DPDK's shared libraries");
    }
    let command = Peer::Testpmd.command(&bed, "NAME");
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let report = Report::new(
        Setting {
            bed,
            seconds: arguments.seconds,
            testpmd_command: words
                .map(|word| word.to_string_lossy())
                .collect::<Vec<_>>()
                .join(" "),
            testpmd_linkage: is(testpmd_is)?,
            static_linkage: is(ours_is)?,
            shared_linkage: shared_is,
        },
        &rounds,
    );
    fs::write(
        &arguments.output,
        serde_json::to_string_pretty(&report)? + "\n",
    )
    .with_context(|| format!("cannot write {}", arguments.output.display()))?;
    print!("{}", report.table());
    println!("figures: {}", arguments.output.display());
    let failed = arguments.gate && !report.met();
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
