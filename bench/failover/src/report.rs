//! The table for people and `failover.json` for machines.

use crate::judge::{Comparison, Goal, Quiet};
use crate::measure::{Failover, Order, Watch};
use crate::pair::System;
use serde::Serialize;
use std::fmt::{self, Write as _};
use std::fs;
use std::path::Path;
use twinline_tests::{LabError, Result};

/// How the figures were taken.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Setting {
    /// Our engine, as it names itself.
    pub twinline: String,
    /// keepalived's version.
    pub keepalived: String,
    /// keepalived's `max_auto_priority`; not set by default.
    pub max_auto_priority: Option<u32>,
    /// Slots without a heartbeat after which our peer is dead.
    pub threshold: u32,
    /// Probes a second.
    pub probes: u32,
    /// Our engines use hugepages.
    pub huge: bool,
    /// The kernel.
    pub kernel: String,
    /// Cores.
    pub cores: usize,
    /// Load averages when the measurement began.
    pub load_before: String,
    /// Load averages when it ended; busy processes of ours are in it.
    pub load_after: String,
}

/// A router that failed by itself, so that a pair had to be started again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// The interval, ms.
    pub interval_ms: u32,
    /// Whose.
    pub system: System,
    /// Which round or turn, from 1.
    pub round: usize,
    /// What was seen, its first line.
    pub what: String,
}

impl Trouble {
    /// The trouble in the round of an order.
    #[must_use]
    pub fn new(order: Order, what: &str) -> Self {
        Self {
            interval_ms: order.interval_ms,
            system: order.system,
            round: order.round,
            what: what.lines().next().unwrap_or_default().to_owned(),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            interval_ms,
            system,
            round,
            what,
        } = self;
        write!(
            f,
            "trouble: {interval_ms} ms {system}, round {round}: {what}"
        )
    }
}

/// Everything that was measured, and what it comes to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// How it was taken.
    pub setting: Setting,
    /// Fail-overs.
    pub failovers: Vec<Comparison>,
    /// Watching.
    pub quiet: Vec<Quiet>,
    /// Each fail-over.
    pub runs: Vec<Failover>,
    /// Each turn of watching.
    pub turns: Vec<Watch>,
    /// Routers that failed by themselves.
    pub troubles: Vec<Trouble>,
}

impl Report {
    /// Whether something was compared, all goals are met and none of our routers failed by itself.
    #[must_use]
    pub fn all_met(&self) -> bool {
        if self.troubles.iter().any(|t| t.system == System::Twinline) {
            return false;
        }
        let mut goals = self.goals().peekable();
        goals.peek().is_some() && goals.all(|goal| goal.met)
    }

    fn goals(&self) -> impl Iterator<Item = &Goal> {
        let failovers = self.failovers.iter().map(|c| &c.goal);
        failovers.chain(self.quiet.iter().map(|q| &q.goal))
    }

    /// The tables.
    #[must_use]
    pub fn table(&self) -> String {
        let mut out = String::new();
        // writing into a String cannot fail
        let _ = writeln!(
            out,
            "Client outage by {} numbered probes/s, ms; of fewer than 100 runs p99 is the longest",
            self.setting.probes
        );
        let _ = writeln!(
            out,
            "{:>8} {:<10} {:<10} {:>5} {:>8} {:>8} {:>8} {:>9} {:>8} {:>8} {:>7}",
            "interval",
            "fault",
            "pair",
            "runs",
            "median",
            "min",
            "p99",
            "lost med",
            "lost max",
            "doubled",
            "failed"
        );
        for c in &self.failovers {
            for (i, side) in [&c.ours, &c.theirs].into_iter().enumerate() {
                let (interval, fault) = if i == 0 {
                    (format!("{} ms", c.interval_ms), c.fault.name())
                } else {
                    (String::new(), "")
                };
                let _ = writeln!(
                    out,
                    "{interval:>8} {fault:<10} {:<10} {:>5} {:>8.1} {:>8.1} {:>8.1} {:>9.1} {:>8} {:>8} {:>7}",
                    side.system,
                    side.outage_ms.runs,
                    side.outage_ms.median,
                    side.outage_ms.min,
                    side.outage_ms.p99,
                    side.lost.median,
                    side.lost.max,
                    side.doubled,
                    side.failed
                );
            }
            let said = |ratio: Option<f64>| ratio.map_or("-".into(), |r| format!("{r:.2}"));
            let _ = writeln!(
                out,
                "{:>19} ratio: median {}, p99 {}; machine held a thread up to {:.0} / {:.0} ms; our loop late up to {} ms",
                "",
                said(c.median_ratio),
                said(c.p99_ratio),
                c.ours.stall_ms,
                c.theirs.stall_ms,
                late(c.ours.worst_late_ms)
            );
            let _ = writeln!(out, "{:>19} {}", "", verdict(&c.goal));
        }
        if !self.quiet.is_empty() {
            let _ = writeln!(out, "\nSpurious role changes while nothing happens");
            let _ = writeln!(
                out,
                "{:>8} {:>5} {:<10} {:>8} {:>8} {:>9} {:>8} {:>8} {:>10} {:>8}",
                "interval",
                "busy",
                "pair",
                "seconds",
                "changes",
                "takeovers",
                "lost",
                "doubled",
                "outage ms",
                "held ms"
            );
        }
        for q in &self.quiet {
            for (i, side) in [&q.ours, &q.theirs].into_iter().enumerate() {
                let (interval, busy) = if i == 0 {
                    (format!("{} ms", q.interval_ms), q.busy.to_string())
                } else {
                    (String::new(), String::new())
                };
                let more = if side.changes.at_least { ">=" } else { "" };
                let _ = writeln!(
                    out,
                    "{interval:>8} {busy:>5} {:<10} {:>8.0} {:>8} {:>9} {:>8} {:>8} {:>10.1} {:>8.0}",
                    side.system,
                    side.seconds,
                    format!("{more}{}", side.changes.role_changes),
                    format!("{more}{}", side.changes.takeovers),
                    side.lost,
                    side.doubled,
                    side.outage_ms,
                    side.stall_ms
                );
            }
            let _ = writeln!(
                out,
                "{:>14} our loop late up to {} ms; {}",
                "",
                late(q.ours.worst_late_ms),
                verdict(&q.goal)
            );
        }
        for trouble in &self.troubles {
            let _ = writeln!(out, "{trouble}");
        }
        let (met, all) = (self.goals().filter(|g| g.met).count(), self.goals().count());
        let _ = writeln!(
            out,
            "\n{met} of {all} goals met. {} cores, kernel {}; load average before {}, after {}.",
            self.setting.cores,
            self.setting.kernel,
            self.setting.load_before,
            self.setting.load_after
        );
        out
    }

    /// Writes the report as JSON; with a `part`, as that member of the object in the file, whose
    /// other members stay.
    ///
    /// # Errors
    /// When the directory or the file cannot be written.
    pub fn write(&self, path: &Path, part: Option<&str>) -> Result<()> {
        let said = || path.display().to_string();
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).map_err(LabError::io(said()))?;
        }
        let other = |e: serde_json::Error| LabError::io(said())(std::io::Error::other(e));
        let text = match part {
            None => serde_json::to_string_pretty(self).map_err(other)?,
            Some(part) => {
                let old = fs::read_to_string(path).unwrap_or_default();
                let mut whole: serde_json::Map<String, serde_json::Value> =
                    serde_json::from_str(&old).unwrap_or_default();
                whole.insert(part.into(), serde_json::to_value(self).map_err(other)?);
                serde_json::to_string_pretty(&whole).map_err(other)?
            }
        };
        // a reader never sees half a file
        let half = path.with_extension("json.new");
        fs::write(&half, text + "\n").map_err(LabError::io(said()))?;
        fs::rename(&half, path).map_err(LabError::io(said()))
    }
}

fn late(worst: Option<f64>) -> String {
    worst.map_or("-".into(), |ms| format!("{ms:.1}"))
}

fn verdict(goal: &Goal) -> String {
    let met = if goal.met { "MET" } else { "NOT MET" };
    if goal.found.is_empty() {
        format!("goal {met}: {}", goal.asks)
    } else {
        format!("goal {met}: {} ({})", goal.asks, goal.found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge;
    use crate::measure::Fault;

    fn report(our_outage: f64) -> Report {
        let run = |system, outage_ms: f64| Failover {
            interval_ms: 10,
            fault: Fault::Killed,
            system,
            round: 1,
            outage_ms,
            lost: outage_ms as u64,
            doubled: 0,
            sent: 1000,
            began_ms: Some(1.0),
            send_gap_ms: 1.0,
            stall_ms: 2.0,
            worst_late_ms: None,
            failed: None,
        };
        let runs = vec![
            run(System::Twinline, our_outage),
            run(System::Keepalived, 40.0),
        ];
        Report {
            setting: Setting {
                twinline: "twinline 0.1.0".into(),
                keepalived: "2.2.7".into(),
                max_auto_priority: None,
                threshold: 3,
                probes: 1000,
                huge: true,
                kernel: "6".into(),
                cores: 2,
                load_before: "0 0 0".into(),
                load_after: "0 0 0".into(),
            },
            failovers: judge::compare(judge::Goals::Inline, 10, Fault::Killed, &runs)
                .into_iter()
                .collect(),
            quiet: Vec::new(),
            runs,
            turns: Vec::new(),
            troubles: Vec::new(),
        }
    }

    #[test]
    fn a_missed_goal_is_said_and_counts() {
        let (good, bad) = (report(30.0), report(39.0));
        assert!(good.all_met() && good.table().contains("goal MET"));
        assert!(!bad.all_met() && bad.table().contains("goal NOT MET"));
        assert!(bad.table().contains("0 of 1 goals met"));
    }

    #[test]
    fn a_router_of_ours_that_failed_by_itself_is_said_and_counts() {
        let mut troubled = report(30.0);
        let order = |system| Order {
            interval_ms: 10,
            system,
            round: 3,
            probes: 1000,
            phase: 0,
        };
        troubled.troubles = vec![Trouble::new(order(System::Keepalived), "died\nlog")];
        assert!(troubled.all_met());
        troubled.troubles = vec![Trouble::new(order(System::Twinline), "died\nlog")];
        assert!(!troubled.all_met());
        let said = "trouble: 10 ms twinline, round 3: died\n";
        assert!(troubled.table().contains(said), "{}", troubled.table());
    }

    #[test]
    fn nothing_compared_is_nothing_met() {
        let mut empty = report(30.0);
        empty.failovers.clear();
        assert!(!empty.all_met());
    }

    #[test]
    fn the_file_holds_each_run() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("bench/failover.json");
        report(30.0).write(&path, None).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["runs"].as_array().unwrap().len(), 2);
        assert_eq!(value["failovers"][0]["goal"]["met"], true);
        assert_eq!(value["failovers"][0]["fault"], "killed");
    }

    #[test]
    fn a_part_leaves_the_other_parts_of_the_file_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("l3.json");
        fs::write(&path, r#"{"forwarding": {"ratio": 1.1}}"#).unwrap();
        report(30.0).write(&path, Some("failover")).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["forwarding"]["ratio"], 1.1);
        assert_eq!(value["failover"]["failovers"][0]["goal"]["met"], true);
    }
}
