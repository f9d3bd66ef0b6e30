//! `bench-l3`: our L3 fast path against DPDK's l3fwd, interleaved; or, with `worker`, our side.
#![forbid(unsafe_code)]

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use twinline_bench::l3::{self, Router};
use twinline_bench::peers::{Bed, Peer, Running, Sample};
use twinline_bench::process::Linkage;
use twinline_dataplane::l3::BURST;

/// Routing of 4096 random destinations from a pcap file: our worker against l3fwd (longest prefix
/// match), interleaved in one run.
///
/// Each round starts both sides anew. Then they take turns of a quarter of a second on the same
/// core, one running while the other is stopped, until each has had its time.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// DPDK's l3fwd, as setup/l3fwd.sh builds it.
    #[arg(long, default_value = "target/l3fwd/l3fwd")]
    l3fwd: PathBuf,
    /// Rounds; each starts and measures both sides.
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
    /// Hugepage memory of each side, MiB.
    #[arg(long, default_value_t = 384)]
    memory_mb: u32,
    /// Where the figures go: the key "forwarding" of this JSON file; its other keys stay.
    #[arg(long, default_value = "target/bench/l3.json")]
    output: PathBuf,
    /// End with an exit code that is not 0 if the goal is missed.
    #[arg(long)]
    gate: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Our side: route until the input ends.
    Worker(Router),
}

/// How long a side runs before the other has its turn.
const TURN: Duration = Duration::from_millis(250);
/// What of a turn is not measured.
const SETTLE: Duration = Duration::from_millis(50);
/// l3fwd's own, for two lcores, two ports and its default descriptors; it cannot be told another.
const MBUFS: u32 = 8192;
const CACHE: u32 = 256;
/// The ratio to reach.
const GOAL: f64 = 1.0;

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    match arguments.command {
        Some(Command::Worker(router)) => {
            l3::run(&router)?;
            Ok(ExitCode::SUCCESS)
        }
        None => compare(&arguments),
    }
}

fn start(name: &str, peer: &Peer, bed: &Bed, logs: &Path) -> Result<Running> {
    let file_prefix = format!("twinline-bench-l3-{}-{name}", std::process::id());
    let log = logs.join(format!("l3-{name}.log"));
    let running = Running::start(peer, bed, &file_prefix, &log)
        .with_context(|| format!("{name} does not run"))?;
    running.pause()?;
    Ok(running)
}

/// One round: both sides started anew, then turn by turn. Which side goes first alternates.
fn round(
    peers: &[(&str, Peer); 2],
    bed: &Bed,
    logs: &Path,
    seconds: f64,
    n: usize,
) -> Result<[(Sample, Linkage); 2]> {
    let [(name0, peer0), (name1, peer1)] = peers;
    let mut first = start(name0, peer0, bed, logs)?;
    let mut second = start(name1, peer1, bed, logs)?;
    let mut sums = [Sample::NONE; 2];
    let turns = (seconds / TURN.as_secs_f64()).ceil() as usize;
    for turn in 0..turns.max(1) {
        let [sum0, sum1] = &mut sums;
        let mut order = [(&mut first, sum0), (&mut second, sum1)];
        if (turn + n) % 2 == 1 {
            order.reverse();
        }
        for (side, sum) in order {
            side.resume()?;
            std::thread::sleep(SETTLE);
            sum.add(side.measure(TURN)?);
            side.pause()?;
        }
    }
    let linkages = [first.linkage(), second.linkage()];
    first.stop();
    second.stop();
    let [sum0, sum1] = sums;
    let [linkage0, linkage1] = linkages;
    Ok([(sum0, linkage0), (sum1, linkage1)])
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    let at = |n: usize| sorted.get(n).copied().unwrap_or(f64::NAN);
    if sorted.len() % 2 == 1 {
        at(half)
    } else {
        f64::midpoint(at(half.wrapping_sub(1)), at(half))
    }
}

/// Puts a value under a key of a JSON file, and leaves its other keys as they are.
fn write_key(path: &Path, key: &str, value: Value) -> Result<()> {
    let before = fs::read_to_string(path).unwrap_or_default();
    let mut all = serde_json::from_str::<Value>(&before)
        .ok()
        .and_then(|value| value.as_object().cloned())
        .unwrap_or_default();
    all.insert(key.into(), value);
    fs::write(path, serde_json::to_string_pretty(&all)? + "\n")
        .with_context(|| format!("cannot write {}", path.display()))
}

fn compare(arguments: &Arguments) -> Result<ExitCode> {
    if arguments.rounds == 0 || !(0.1..=60.0).contains(&arguments.seconds) {
        bail!("--rounds must be at least 1, and --seconds 0.1 to 60");
    }
    let logs = arguments
        .output
        .parent()
        .map(PathBuf::from)
        .unwrap_or_default();
    fs::create_dir_all(&logs).with_context(|| format!("cannot make {}", logs.display()))?;
    let traffic = l3::write_traffic(&logs)?;
    let bed = Bed {
        core: arguments.core,
        main_core: arguments.main_core,
        mbufs: MBUFS,
        cache: CACHE,
        memory_mb: arguments.memory_mb,
    };
    let l3fwd = Peer::L3fwd {
        executable: arguments.l3fwd.clone(),
        traffic: traffic.clone(),
    };
    let command = l3fwd.command(&bed, "NAME");
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let command: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    let ours = Peer::OursL3 {
        executable: std::env::current_exe()?,
        traffic,
    };
    let peers = [("ours", ours), ("l3fwd", l3fwd)];
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let mut rounds = Vec::new();
    let mut linkages = Vec::new();
    for n in 1..=arguments.rounds {
        let [(us, our_linkage), (them, their_linkage)] =
            round(&peers, &bed, &logs, arguments.seconds, n)?;
        let ratio = us.mpps() / them.mpps();
        eprintln!(
            "round {n} of {}: ours {:.2}, l3fwd {:.2} Mpps, ratio {ratio:.3}",
            arguments.rounds,
            us.mpps(),
            them.mpps()
        );
        ours.push(us.mpps());
        theirs.push(them.mpps());
        ratios.push(ratio);
        linkages = vec![our_linkage, their_linkage];
        rounds.push(json!({
            "ours_mpps": us.mpps(),
            "l3fwd_mpps": them.mpps(),
            "ratio": ratio,
            "ours_on_cpu": us.on_cpu_share(),
            "l3fwd_on_cpu": them.on_cpu_share(),
        }));
    }
    let ratio = median(&ratios);
    let met = ratio >= GOAL;
    let value = json!({
        "ours_mpps_median": median(&ours),
        "l3fwd_mpps_median": median(&theirs),
        "ratio_median": ratio,
        "goal": GOAL,
        "met": met,
        "setting": {
            "frame_bytes": l3::FRAME_BYTES,
            "destinations": l3::DESTINATIONS,
            "routes": l3::ROUTES,
            "burst": BURST,
            "bed": bed,
            "seconds": arguments.seconds,
            "ours_linkage": linkages.first(),
            "l3fwd_linkage": linkages.get(1),
            "l3fwd_command": command.join(" "),
        },
        "rounds": rounds,
    });
    write_key(&arguments.output, "forwarding", value)?;
    println!(
        "L3 forwarding, {} B frames, {} destinations, {} routes, Mpps on the CPU (median of {}):\n\
         ours {:.2}, l3fwd {:.2}, ratio {ratio:.3} (goal {GOAL:.1}: {})\nfigures: {}",
        l3::FRAME_BYTES,
        l3::DESTINATIONS,
        l3::ROUTES,
        arguments.rounds,
        median(&ours),
        median(&theirs),
        if met { "met" } else { "missed" },
        arguments.output.display()
    );
    Ok(if arguments.gate && !met {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
