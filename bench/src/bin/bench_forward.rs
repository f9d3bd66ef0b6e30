//! `bench-forward`: our worker against testpmd, interleaved; or, with `worker`, our side of it.
#![forbid(unsafe_code)]

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use twinline_bench::forwarder::{self, Forwarder};
use twinline_bench::peers::{Bed, Peer, Running, Sample};
use twinline_bench::process::Linkage;
use twinline_bench::report::{Report, Round, Setting};

/// Forwarding on net_null: our worker against dpdk-testpmd, interleaved in one run.
///
/// Each round starts every side anew. Then they take turns of a quarter of a second on the same
/// core, one running while the others are stopped, until each has had its time: what disturbs the
/// machine for longer than a turn disturbs all sides alike.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Rounds; each starts and measures every side.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Seconds of each side in each round.
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
    /// Hugepage memory of each side, MiB; up to three are there at a time.
    #[arg(long, default_value_t = 128)]
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
enum Command {
    /// Our side: forward until the input ends.
    Worker(Forwarder),
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    match arguments.command {
        Some(Command::Worker(forwarder)) => {
            forwarder::run(&forwarder)?;
            Ok(ExitCode::SUCCESS)
        }
        None => compare(&arguments),
    }
}

/// How long a side runs before another has its turn.
const TURN: Duration = Duration::from_millis(250);
/// What of a turn is not measured: the lease is renewed, the caches are filled.
const SETTLE: Duration = Duration::from_millis(50);

/// A side of the comparison, over all rounds.
struct Side {
    name: &'static str,
    peer: Peer,
    linkage: Option<Linkage>,
}

impl Side {
    fn new(name: &'static str, peer: Peer) -> Self {
        Self {
            name,
            peer,
            linkage: None,
        }
    }

    /// Starts it and leaves it paused.
    fn start(&mut self, bed: &Bed, logs: &Path) -> Result<Running> {
        let file_prefix = format!("twinline-bench-{}-{}", std::process::id(), self.name);
        let log = logs.join(format!("{}.log", self.name));
        let running = Running::start(&self.peer, bed, &file_prefix, &log)
            .with_context(|| format!("{} does not run", self.name))?;
        running.pause()?;
        let found = running.linkage();
        if self
            .linkage
            .replace(found)
            .is_some_and(|before| before != found)
        {
            bail!(
                "{} changed its linkage to {found:?} in the middle of a run",
                self.name
            );
        }
        Ok(running)
    }
}

/// One round: every side started anew, then turn by turn.
fn round(sides: &mut [Side], bed: &Bed, logs: &Path, seconds: f64) -> Result<Vec<Sample>> {
    let mut running = Vec::with_capacity(sides.len());
    for side in sides.iter_mut() {
        running.push((side.start(bed, logs)?, Sample::NONE));
    }
    let turns = (seconds / TURN.as_secs_f64()).ceil() as usize;
    for _ in 0..turns.max(1) {
        for (side, sum) in &mut running {
            side.resume()?;
            std::thread::sleep(SETTLE);
            sum.add(side.measure(TURN)?);
            side.pause()?;
        }
    }
    let end = |(side, sum): (Running, Sample)| {
        side.stop();
        sum
    };
    Ok(running.into_iter().map(end).collect())
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
    let mut sides = vec![
        Side::new("ours", Peer::Ours(std::env::current_exe()?)),
        Side::new("testpmd", Peer::Testpmd),
    ];
    if let Some(binary) = &arguments.shared_binary {
        sides.push(Side::new("ours-shared", Peer::Ours(binary.clone())));
    }
    let logs = arguments
        .output
        .parent()
        .map(PathBuf::from)
        .unwrap_or_default();
    let mut rounds = Vec::with_capacity(arguments.rounds);
    for n in 1..=arguments.rounds {
        let samples = round(&mut sides, &bed, &logs, arguments.seconds)?;
        let [ours_static, testpmd, rest @ ..] = samples.as_slice() else {
            bail!("a side has no sample");
        };
        let found: Vec<String> = sides
            .iter()
            .zip(&samples)
            .map(|(side, sample)| format!("{} {:.1}", side.name, sample.mpps()))
            .collect();
        eprintln!("round {n} of {}: {}", arguments.rounds, found.join(", "));
        rounds.push(Round {
            ours_static: *ours_static,
            testpmd: *testpmd,
            ours_shared: rest.first().copied(),
        });
    }
    let linkage_of = |n: usize| sides.get(n).and_then(|side| side.linkage);
    let (ours_is, testpmd_is, shared_is) = (linkage_of(0), linkage_of(1), linkage_of(2));

    let is = |linkage: Option<Linkage>| linkage.context("a side was never measured");
    if ours_is != Some(Linkage::Static) {
        bail!("the first build is not static: run bench-forward built without --features shared");
    }
    if arguments.shared_binary.is_some() && shared_is != Some(Linkage::Shared) {
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
