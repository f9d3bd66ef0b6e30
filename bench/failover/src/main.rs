//! `bench-failover`: our pair against keepalived's, at the same interval, in the same kind of
//! bed, by the same probe, in turns within one run.
#![forbid(unsafe_code)]

mod bed;
mod judge;
mod keepalived;
mod measure;
mod pair;
mod report;
mod stats;
mod twinline;

use crate::judge::Goals;
use crate::keepalived::Keepalived;
use crate::measure::{Failover, Fault, Order, Watch, load_average};
use crate::pair::{Pair, System};
use crate::report::{Report, Setting, Trouble};
use crate::twinline::{THRESHOLD, Twinline};
use clap::{Parser, ValueEnum};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use twinline_tests::l3::ours;
use twinline_tests::{LabError, Result, engine, guard, netns, run};

/// Intervals from which on a run takes so long that fewer of them do, and nothing is watched.
const SLOW_MS: u32 = 1000;
/// How often a pair is started at most for one round.
const LIVES: usize = 3;
/// A watch is parted into so many turns, ours and theirs alternating.
const TURNS: usize = 3;

/// Fail-over of our pair against keepalived's, interleaved in one run.
///
/// Both pairs stand in namespaces between a client and a server, joined by veth pairs and Linux
/// bridges; a numbered UDP probe goes through the pair and back. Each round starts each pair anew,
/// alone on the machine, and plays all faults on it. keepalived is set up as its users do: VRRPv3,
/// adverts on the LAN, one instance with both sides' addresses, no virtual MAC, priorities 150 and
/// 100, no real-time priority. It routes in the kernel, which would outlive the daemon: "killed" is
/// a router without power, so its kernel stops forwarding at the same instant.
#[derive(Debug, Parser)]
#[command(name = "bench-failover", version)]
struct Arguments {
    /// Intervals in ms: heartbeats of ours, adverts of keepalived.
    #[arg(long, value_delimiter = ',', default_value = "10,100,1000", value_parser = interval)]
    intervals: Vec<u32>,
    /// Runs of each fault at intervals below 1 s.
    #[arg(long, default_value_t = 20)]
    runs: usize,
    /// Runs of each fault at intervals of 1 s and more.
    #[arg(long, default_value_t = 6)]
    slow_runs: usize,
    /// Only these parts.
    #[arg(long, value_delimiter = ',', value_enum)]
    only: Vec<Part>,
    /// How long each pair is watched, s, idle and busy, at intervals below 1 s.
    #[arg(long, default_value_t = 60.0, value_parser = seconds)]
    seconds: f64,
    /// Busy processes beside a pair that is watched.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=256))]
    busy: u32,
    /// Numbered probes a second.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1000..=5000))]
    probes: u32,
    /// keepalived's `max_auto_priority`: lets it run at real-time priority once it was late. Off
    /// by default, as in keepalived.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=99))]
    max_auto_priority: Option<u32>,
    /// The engine; else TWINLINE_BIN, else beside this program, else in the build directory.
    #[arg(long)]
    engine: Option<PathBuf>,
    /// Our pair as routers with virtual addresses, instead of inline.
    #[arg(long)]
    l3: bool,
    /// Where the figures go; default: target/bench/failover.json, with --l3 the member `failover` of
    /// target/bench/l3.json.
    #[arg(long)]
    output: Option<PathBuf>,
    /// Never use hugepages, even if enough are free.
    #[arg(long)]
    no_huge: bool,
    /// End with exit code 1 if a goal is missed.
    #[arg(long)]
    gate: bool,
}

/// A part of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The active one loses its power.
    Killed,
    /// The active one's LAN cable is pulled.
    Unplugged,
    /// The active one is told to hand over.
    HandOver,
    /// Nothing happens, and nothing else runs.
    Idle,
    /// Nothing happens, beside busy processes.
    Busy,
}

impl Arguments {
    /// The file, and which member of it.
    fn output(&self) -> (PathBuf, Option<&'static str>) {
        let named = self.output.clone();
        if self.l3 {
            let file = named.unwrap_or_else(|| "target/bench/l3.json".into());
            (file, Some("failover"))
        } else {
            let file = named.unwrap_or_else(|| "target/bench/failover.json".into());
            (file, None)
        }
    }
}

fn interval(text: &str) -> std::result::Result<u32, String> {
    match text.parse::<u32>() {
        // VRRP version 3 counts in centiseconds
        Ok(ms) if (10..=10_000).contains(&ms) && ms.is_multiple_of(10) => Ok(ms),
        _ => Err("10 to 10000 ms in steps of 10, which is how VRRP counts".into()),
    }
}

fn seconds(text: &str) -> std::result::Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (3.0..=600.0).contains(&seconds) => Ok(seconds),
        _ => Err("3 to 600 s".into()),
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Err(e) = guard::watch_signals("bench-failover") {
        eprintln!("bench-failover: signals: {e}");
        return ExitCode::from(2);
    }
    guard::clean_on_panic();
    for prefix in run::clean_dead() {
        println!("removed what run {prefix} left");
    }
    let result = bench(&arguments);
    guard::yield_to_signal();
    match result {
        Ok(met) if met || !arguments.gate => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(e) => {
            run::close_all();
            eprintln!("bench-failover: {e}");
            ExitCode::from(2)
        }
    }
}

/// What all pairs are brought up with.
struct Means<'a> {
    engine: PathBuf,
    huge: bool,
    arguments: &'a Arguments,
}

impl Means<'_> {
    fn up(&self, system: System, interval_ms: u32) -> Result<Box<dyn Pair>> {
        Ok(match system {
            System::Twinline => Box::new(Twinline::up(
                &self.engine,
                interval_ms,
                self.huge,
                self.arguments.l3,
            )?),
            System::Keepalived => Box::new(Keepalived::up(
                interval_ms,
                self.arguments.max_auto_priority,
            )?),
        })
    }

    /// One pair from its start to its end, and what `play` does with it. A life that a router's
    /// own failure ended is noted and lived again.
    fn live(
        &self,
        order: Order,
        found: &mut Found,
        mut play: impl FnMut(&mut dyn Pair, &mut Found) -> Result<()>,
    ) -> Result<()> {
        for again in 1..=LIVES {
            let mut pair = self.up(order.system, order.interval_ms)?;
            let lived = play(pair.as_mut(), found);
            let logs = if lived.is_err() {
                pair.logs()
            } else {
                String::new()
            };
            pair.down();
            match lived {
                Err(e) if e.is_the_engines() => {
                    let trouble = Trouble::new(order, &e.to_string());
                    println!("{trouble}{logs}");
                    found.troubles.push(trouble);
                    if again == LIVES {
                        return Err(e);
                    }
                }
                lived => return lived,
            }
        }
        Ok(())
    }

    fn wants(&self, part: Part) -> bool {
        self.arguments.only.is_empty() || self.arguments.only.contains(&part)
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = Fault::ALL.to_vec();
        faults.retain(|fault| {
            self.wants(match fault {
                Fault::Killed => Part::Killed,
                Fault::Unplugged => Part::Unplugged,
                Fault::HandOver => Part::HandOver,
            })
        });
        faults
    }

    fn order(&self, interval_ms: u32, system: System, round: usize, rounds: usize) -> Order {
        Order {
            interval_ms,
            system,
            round,
            probes: self.arguments.probes,
            // spread over the interval, so that few runs meet all of it
            phase: u32::try_from((round - 1) * 1000 / rounds.max(1)).unwrap_or(0),
        }
    }
}

/// Who begins alternates from round to round.
fn turns(round: usize) -> [System; 2] {
    if round % 2 == 1 {
        [System::Twinline, System::Keepalived]
    } else {
        [System::Keepalived, System::Twinline]
    }
}

fn bench(arguments: &Arguments) -> Result<bool> {
    let version = twinline_tests::l3::keepalived::version()?;
    if version != keepalived::VERSION {
        println!(
            "note: the goals are against keepalived {}, and this is {version}",
            keepalived::VERSION
        );
    }
    let suffice = if arguments.l3 {
        engine::hugepages_suffice_for(ours::MEMORY_MB)
    } else {
        engine::hugepages_suffice()
    };
    let means = Means {
        engine: engine::find(arguments.engine.as_deref())?,
        huge: !arguments.no_huge && suffice,
        arguments,
    };
    let load_before = load_average();
    println!(
        "{} against keepalived {version}; {} hugepages; load average {load_before}",
        means.engine.display(),
        if means.huge { "with" } else { "without" }
    );
    let mut found = Found::default();
    let played = play(&means, &mut found);
    let Found {
        runs,
        watches,
        troubles,
    } = found;
    let goals = if arguments.l3 {
        Goals::Routed
    } else {
        Goals::Inline
    };
    let report = Report {
        setting: Setting {
            twinline: twinline_version(&means.engine)?,
            keepalived: version,
            max_auto_priority: arguments.max_auto_priority,
            threshold: THRESHOLD,
            probes: arguments.probes,
            huge: means.huge,
            kernel: netns::command(&["uname", "-r"])?.trim().to_owned(),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            load_before,
            load_after: load_average(),
        },
        failovers: arguments
            .intervals
            .iter()
            .flat_map(|&interval| Fault::ALL.map(|fault| (interval, fault)))
            .filter_map(|(interval, fault)| judge::compare(goals, interval, fault, &runs))
            .collect(),
        quiet: arguments
            .intervals
            .iter()
            .flat_map(|&interval| [0, arguments.busy].map(|busy| (interval, busy)))
            .filter_map(|(interval, busy)| judge::quiet(goals, interval, busy, &watches))
            .collect(),
        runs,
        turns: watches,
        troubles,
    };
    // what was measured is kept even when a later part could not be played
    let (output, part) = arguments.output();
    report.write(&output, part)?;
    println!("\n{}", report.table());
    println!("{}", output.display());
    played?;
    Ok(report.all_met())
}

fn twinline_version(engine: &Path) -> Result<String> {
    let output = Command::new(engine).arg("--version").output();
    let output = output.map_err(LabError::io(engine.display().to_string()))?;
    let text = netns::checked(&format!("{} --version", engine.display()), &output)?;
    Ok(text.trim().to_owned())
}

/// What was measured so far.
#[derive(Default)]
struct Found {
    runs: Vec<Failover>,
    watches: Vec<Watch>,
    troubles: Vec<Trouble>,
}

fn play(means: &Means<'_>, found: &mut Found) -> Result<()> {
    let faults = means.faults();
    for &interval_ms in &means.arguments.intervals {
        let rounds = if interval_ms < SLOW_MS {
            means.arguments.runs
        } else {
            means.arguments.slow_runs
        };
        for round in 1..=rounds {
            if faults.is_empty() {
                break;
            }
            for system in turns(round) {
                let order = means.order(interval_ms, system, round, rounds);
                means.live(order, found, |pair, found| {
                    faults_of_a_life(pair, &faults, order, &mut found.runs)
                })?;
            }
        }
        for (part, busy) in [(Part::Idle, 0), (Part::Busy, means.arguments.busy)] {
            if interval_ms >= SLOW_MS || !means.wants(part) {
                continue;
            }
            for turn in 1..=TURNS {
                for system in turns(turn) {
                    let order = means.order(interval_ms, system, turn, TURNS);
                    let seconds = means.arguments.seconds / TURNS as f64;
                    means.live(order, found, |pair, found| {
                        found.watches.push(watch(pair, busy, seconds, order)?);
                        Ok(())
                    })?;
                }
            }
        }
    }
    Ok(())
}

fn faults_of_a_life(
    pair: &mut dyn Pair,
    faults: &[Fault],
    order: Order,
    runs: &mut Vec<Failover>,
) -> Result<()> {
    for &fault in faults {
        let played = |run: &Failover| {
            run.interval_ms == order.interval_ms
                && run.fault == fault
                && run.system == order.system
                && run.round == order.round
        };
        // a life that is lived again goes on where the one before ended
        if runs.iter().any(played) {
            continue;
        }
        let run = measure::failover(pair, fault, order)?;
        println!(
            "{:>5} ms {:<10} {:<10} {:>3}: outage {:>7.1} ms, lost {:>5}, doubled {}{}",
            run.interval_ms,
            fault.name(),
            run.system,
            run.round,
            run.outage_ms,
            run.lost,
            run.doubled,
            run.failed
                .as_ref()
                .map_or(String::new(), |why| format!("; FAILED: {why}"))
        );
        if run.failed.is_some() {
            println!("{}", pair.logs());
        }
        runs.push(run);
    }
    Ok(())
}

fn watch(pair: &mut dyn Pair, busy: u32, seconds: f64, order: Order) -> Result<Watch> {
    let watched = measure::watch(pair, busy, seconds, order)?;
    println!(
        "{:>5} ms {:>3} busy   {:<10} {:>3}: {} role changes in {seconds:.0} s, lost {}, longest outage {:.1} ms",
        watched.interval_ms,
        watched.busy,
        watched.system,
        watched.turn,
        watched.changes.role_changes,
        watched.lost,
        watched.outage_ms
    );
    Ok(watched)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn intervals_are_what_vrrp_can_say() {
        assert_eq!(interval("10"), Ok(10));
        assert_eq!(interval("1000"), Ok(1000));
        for bad in ["0", "5", "15", "10010", "-10", "ten", ""] {
            assert!(interval(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn who_begins_alternates() {
        assert_eq!(turns(1)[0], System::Twinline);
        assert_eq!(turns(2)[0], System::Keepalived);
    }
}
