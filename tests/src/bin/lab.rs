//! `lab`: plays the scenes on real traffic, prints and writes what happened; see docs/lab.md.

use clap::{Args, Parser, Subcommand};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use twinline_tests::engine::{self, Settings};
use twinline_tests::judge::SceneResult;
use twinline_tests::l3::ours;
use twinline_tests::lab::Lab;
use twinline_tests::scenes::{self, Scene};
use twinline_tests::topology::{CLIENT_IP, Side, routed};
use twinline_tests::traffic::Load;
use twinline_tests::{LabError, Result, guard, report, run};

#[derive(Debug, Parser)]
#[command(
    name = "lab",
    version,
    about = "Two Twinline appliances on real traffic, in namespaces"
)]
struct Cli {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Plays the scenes; the exit code is not 0 when one is not ok.
    Run(Options),
    /// Removes what runs left that were killed.
    Clean,
}

#[derive(Debug, Args)]
struct Options {
    /// Bring everything up, print commands to try, and wait for Ctrl-C.
    #[arg(long)]
    stay: bool,
    /// Routers with virtual addresses between two networks, instead of an inline pair.
    #[arg(long)]
    l3: bool,
    /// Only these scenes: switchover, kill, preempt, stop, cut, suspend, resume,
    /// terminate, load, ha-cut, split, busy.
    #[arg(long, value_delimiter = ',', value_parser = scene)]
    only: Vec<Scene>,
    /// Peer check interval in ms.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    interval_ms: u32,
    /// Peer failure threshold.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=255))]
    threshold: u32,
    /// Seconds after which the primary takes its role back.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=60))]
    preempt_delay_s: u32,
    /// Heartbeats go over the data ports as well (`ha.in_band`)
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    in_band: bool,
    /// Numbered probes a second.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(100..=5000))]
    probes: u32,
    /// Mbit/s of the TCP transfer.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=500))]
    tcp_mbits: u32,
    /// Numbered broadcasts a second.
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..=1000))]
    broadcasts: u32,
    /// Seconds for which the scene busy keeps the cores busy.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=3600))]
    busy_seconds: u32,
    /// The engine; else TWINLINE_BIN, else beside this program, else in the build directory.
    #[arg(long)]
    engine: Option<PathBuf>,
    /// Where results.json and the engines' logs go; default: target/lab.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Never use hugepages, even if enough are free.
    #[arg(long)]
    no_huge: bool,
}

fn scene(name: &str) -> std::result::Result<Scene, String> {
    Scene::by_name(name).ok_or_else(|| {
        let names = Scene::ALL.map(Scene::name).join(", ");
        format!("no such scene; there are: {names}")
    })
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Verb::Clean => {
            clean();
            Ok(true)
        }
        Verb::Run(options) => {
            if let Err(e) = guard::watch_signals("lab") {
                eprintln!("lab: signals: {e}");
                return ExitCode::from(2);
            }
            guard::clean_on_panic();
            clean();
            if options.stay {
                stay(&options)
            } else {
                play(&options)
            }
        }
    };
    // engines that died under the signal thread's hands are no verdict
    guard::yield_to_signal();
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(e) => {
            run::close_all();
            eprintln!("lab: {e}");
            ExitCode::from(2)
        }
    }
}

fn clean() {
    for prefix in run::clean_dead() {
        println!("removed what run {prefix} left");
    }
}

fn settings(options: &Options) -> Settings {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let suffice = if options.l3 {
        engine::hugepages_suffice_for(ours::MEMORY_MB)
    } else {
        engine::hugepages_suffice()
    };
    Settings {
        interval_ms: options.interval_ms,
        threshold: options.threshold,
        preempt_delay_s: options.preempt_delay_s,
        in_band: options.in_band,
        huge: !options.no_huge && suffice,
        cores: (0, u32::from(cores > 1)),
    }
}

fn play(options: &Options) -> Result<bool> {
    let binary = engine::find(options.engine.as_deref())?;
    let out = options
        .out
        .clone()
        .unwrap_or_else(|| engine::build_directory().join("lab"));
    let settings = settings(options);
    let colour = std::io::stdout().is_terminal();
    println!(
        "engine {}; {} ms x {}; {} probes/s, TCP {} Mbit/s, {} broadcasts/s; {}",
        binary.display(),
        settings.interval_ms,
        settings.threshold,
        options.probes,
        options.tcp_mbits,
        options.broadcasts,
        if settings.huge {
            "hugepages"
        } else {
            "no hugepages"
        }
    );
    let load = Load {
        probes: options.probes,
        tcp_mbits: options.tcp_mbits,
        broadcasts: options.broadcasts,
        busy_seconds: options.busy_seconds,
    };
    let wanted = match &options.only[..] {
        [] if options.l3 => Scene::routed(),
        [] => Scene::ALL.to_vec(),
        only => only.to_vec(),
    };
    if options.l3 && wanted.contains(&Scene::Load) {
        return Err(LabError::Probe(
            "the scene load needs link pairs; with --l3 there are none".into(),
        ));
    }
    let mut lab = up(&binary, options, settings)?;
    let mut results: Vec<SceneResult> = Vec::new();
    let played = (|| -> Result<()> {
        for (i, scene) in wanted.iter().enumerate() {
            if i == 0 {
                lab.settle(None, Duration::from_secs(40))?;
                println!("\n{}", report::heading());
            }
            let result = scenes::play(&mut lab, *scene, load)?;
            print!("{}", report::scene(&result, colour));
            results.push(result);
        }
        Ok(())
    })();
    // what was measured is written even when a later scene could not be played
    let file = if options.l3 {
        report::ROUTED
    } else {
        report::INLINE
    };
    let path = report::write(&out, file, &results)?;
    keep_logs(&lab, &out, options.l3);
    played?;
    println!("\n{}", report::summary(&results, &path));
    Ok(results.iter().all(|r| r.ok))
}

fn up(binary: &Path, options: &Options, settings: Settings) -> Result<Lab> {
    if options.l3 {
        Lab::up_routed(binary, settings)
    } else {
        Lab::up(binary, settings)
    }
}

fn keep_logs(lab: &Lab, out: &Path, l3: bool) {
    let prefix = if l3 { "l3-" } else { "" };
    for side in Side::BOTH {
        let engine = lab.engine(side);
        // an aid for people; the verdict does not depend on it
        let _ = std::fs::copy(
            &engine.log,
            out.join(format!("{prefix}{}.log", side.name())),
        );
        let _ = std::fs::copy(
            &engine.config,
            out.join(format!("{prefix}{}.toml", side.name())),
        );
    }
}

fn stay(options: &Options) -> Result<bool> {
    let binary = engine::find(options.engine.as_deref())?;
    let mut lab = up(&binary, options, settings(options))?;
    let active = lab.settle(None, Duration::from_secs(40))?;
    let t = &lab.topology;
    let (a, b) = (lab.engine(Side::A), lab.engine(Side::B));
    let twinline = binary.display();
    println!("The lab is up; {active} is ACTIVE. Try, in another terminal, as root:\n");
    println!(
        "  ip netns exec {} ping -i 0.01 {}",
        t.client,
        t.server_ip()
    );
    if options.l3 {
        let (vip, vip6) = (routed::LAN_VIP, routed::LAN_VIP6);
        println!("  ip netns exec {} ping {}", t.client, routed::SERVER_IP6);
        println!(
            "  ip netns exec {} ping {vip}    # the virtual address",
            t.client
        );
        println!("  ip netns exec {} ping {vip6}", t.client);
        println!("  ip -n {} neighbour", t.client);
        for words in ["show virtual-routers", "show neighbours", "show routes"] {
            println!("  {twinline} ctl --socket {} {words}", a.socket.display());
        }
    }
    println!("  ip netns exec {} ping {CLIENT_IP}", t.server);
    println!("  {twinline} ctl --socket {} show ha", a.socket.display());
    println!("  {twinline} ctl --socket {} show ha", b.socket.display());
    println!(
        "  {twinline} ctl --socket {} show events",
        b.socket.display()
    );
    println!(
        "  {twinline} ctl --socket {} ha switchover",
        lab.engine(active).socket.display()
    );
    if let Some(pid) = lab.engine(active).pid() {
        println!("  kill -STOP {pid}; sleep 1; kill -CONT {pid}");
        println!("  kill -KILL {pid}");
        let (config, namespace) = (lab.engine(active).config.display(), t.appliance(active));
        println!(
            "  ip netns exec {namespace} {twinline} run --config {config}    # start it again"
        );
    }
    println!(
        "  ip -n {} link set dev {} down    # and up",
        t.lan,
        active.name()
    );
    println!("  bridge -n {} fdb show br sw", t.wan);
    println!("  tail -f {} {}", a.log.display(), b.log.display());
    println!("\nCtrl-C takes everything down.");
    loop {
        // the signal thread ends the program
        std::thread::park();
    }
}
