//! From measurements to comparisons, and from comparisons to goals.

use crate::measure::{Failover, Fault, Watch};
use crate::pair::{Changes, System};
use crate::stats::{Summary, ratio};
use serde::Serialize;

/// Our median outage is to be at most this part of keepalived's: three whole slots and no skew.
pub const OUTAGE_GOAL: f64 = 0.85;
/// The same, as routers.
pub const ROUTED_OUTAGE_GOAL: f64 = 0.87;

/// Which goals there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Goals {
    /// Those of the inline pair.
    #[default]
    Inline,
    /// Those of the pair of routers.
    Routed,
}

impl Goals {
    fn outage(self) -> f64 {
        match self {
            Goals::Inline => OUTAGE_GOAL,
            Goals::Routed => ROUTED_OUTAGE_GOAL,
        }
    }
}

/// Whether a goal is met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Goal {
    /// What it asks.
    pub asks: String,
    /// Whether that is so.
    pub met: bool,
    /// What was found, where the figures beside it do not say so.
    pub found: String,
}

/// All runs of one system under one fault at one interval.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// Whose.
    pub system: System,
    /// Outages, ms.
    pub outage_ms: Summary,
    /// Probes lost in a run.
    pub lost: Summary,
    /// Probes doubled in all runs together.
    pub doubled: u64,
    /// Runs in which nothing took over, or the outage did not end.
    pub failed: usize,
    /// The longest that the machine held a thread in any run, ms.
    pub stall_ms: f64,
    /// The worst lateness of a router's own loop in any run, ms (ours only).
    pub worst_late_ms: Option<f64>,
}

/// Ours against keepalived's under one fault at one interval.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The interval, ms.
    pub interval_ms: u32,
    /// What happened.
    pub fault: Fault,
    /// Ours.
    pub ours: Outcome,
    /// Theirs.
    pub theirs: Outcome,
    /// Our median outage by theirs; `None` when theirs is 0.
    pub median_ratio: Option<f64>,
    /// Our p99 by theirs; `None` when theirs is 0.
    pub p99_ratio: Option<f64>,
    /// The goal.
    pub goal: Goal,
}

/// All turns of one system of watching at one interval, together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Watched {
    /// Whose.
    pub system: System,
    /// How long, s.
    pub seconds: f64,
    /// Changes of role.
    pub changes: Changes,
    /// The reasons that the routers themselves give (ours only).
    pub causes: Vec<String>,
    /// How often the routers' own loops were late by more than half an interval (ours only).
    pub late_count: u64,
    /// Probes lost.
    pub lost: u64,
    /// Probes doubled.
    pub doubled: u64,
    /// Probes sent.
    pub sent: u64,
    /// The longest outage, ms.
    pub outage_ms: f64,
    /// The longest that the machine held a thread, ms.
    pub stall_ms: f64,
    /// The worst lateness of a router's own loop, ms (ours only).
    pub worst_late_ms: Option<f64>,
}

/// Ours against keepalived's while nothing happens.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Quiet {
    /// The interval, ms.
    pub interval_ms: u32,
    /// Busy processes.
    pub busy: u32,
    /// Ours.
    pub ours: Watched,
    /// Theirs.
    pub theirs: Watched,
    /// The goal.
    pub goal: Goal,
}

fn worst(figures: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    figures.flatten().max_by(f64::total_cmp)
}

/// All runs of a system together; `None` without runs.
#[must_use]
pub fn outcome(runs: &[Failover], system: System) -> Option<Outcome> {
    let own: Vec<&Failover> = runs.iter().filter(|run| run.system == system).collect();
    let figures =
        |of: fn(&Failover) -> f64| Summary::of(&own.iter().map(|r| of(r)).collect::<Vec<_>>());
    Some(Outcome {
        system,
        outage_ms: figures(|run| run.outage_ms)?,
        lost: figures(|run| run.lost as f64)?,
        doubled: own.iter().map(|run| run.doubled).sum(),
        failed: own.iter().filter(|run| run.failed.is_some()).count(),
        stall_ms: figures(|run| run.stall_ms)?.max,
        worst_late_ms: worst(own.iter().map(|run| run.worst_late_ms)),
    })
}

/// Compares the runs of one fault at one interval; `None` when a system has none.
#[must_use]
pub fn compare(
    goals: Goals,
    interval_ms: u32,
    fault: Fault,
    runs: &[Failover],
) -> Option<Comparison> {
    let runs: Vec<Failover> = runs
        .iter()
        .filter(|run| run.interval_ms == interval_ms && run.fault == fault)
        .cloned()
        .collect();
    let ours = outcome(&runs, System::Twinline)?;
    let theirs = outcome(&runs, System::Keepalived)?;
    let median_ratio = ratio(ours.outage_ms.median, theirs.outage_ms.median);
    let goal = match fault {
        Fault::HandOver => hand_over_goal(&ours),
        Fault::Killed | Fault::Unplugged => outage_goal(goals.outage(), &ours, median_ratio),
    };
    Some(Comparison {
        interval_ms,
        fault,
        median_ratio,
        p99_ratio: ratio(ours.outage_ms.p99, theirs.outage_ms.p99),
        goal,
        ours,
        theirs,
    })
}

fn outage_goal(most: f64, ours: &Outcome, median_ratio: Option<f64>) -> Goal {
    // where keepalived has no outage, only none is as good
    let near = median_ratio.map_or(ours.outage_ms.median == 0.0, |r| r <= most);
    Goal {
        asks: format!("median outage at most {most} x keepalived's"),
        met: near && ours.failed == 0,
        found: failures(ours),
    }
}

fn hand_over_goal(ours: &Outcome) -> Goal {
    let lossy = ours.lost.max > 0.0;
    Goal {
        asks: "none lost, none doubled in any run".into(),
        met: !lossy && ours.doubled == 0 && ours.failed == 0,
        found: failures(ours),
    }
}

fn failures(ours: &Outcome) -> String {
    match ours.failed {
        0 => String::new(),
        n => format!("{n} of {} runs failed", ours.outage_ms.runs),
    }
}

/// All turns of a system together; `None` without turns.
#[must_use]
pub fn watched(turns: &[Watch], system: System) -> Option<Watched> {
    let own: Vec<&Watch> = turns.iter().filter(|turn| turn.system == system).collect();
    if own.is_empty() {
        return None;
    }
    let longest = |of: fn(&Watch) -> f64| own.iter().map(|t| of(t)).fold(0.0, f64::max);
    Some(Watched {
        system,
        seconds: own.iter().map(|turn| turn.seconds).sum(),
        changes: Changes {
            role_changes: own.iter().map(|t| t.changes.role_changes).sum(),
            takeovers: own.iter().map(|t| t.changes.takeovers).sum(),
            at_least: own.iter().any(|t| t.changes.at_least),
        },
        causes: own.iter().flat_map(|t| t.causes.iter().cloned()).collect(),
        late_count: own.iter().map(|turn| turn.late_count).sum(),
        lost: own.iter().map(|turn| turn.lost).sum(),
        doubled: own.iter().map(|turn| turn.doubled).sum(),
        sent: own.iter().map(|turn| turn.sent).sum(),
        outage_ms: longest(|turn| turn.outage_ms),
        stall_ms: longest(|turn| turn.stall_ms),
        worst_late_ms: worst(own.iter().map(|turn| turn.worst_late_ms)),
    })
}

/// Compares the turns at one interval with so many busy processes; `None` when a system has none.
#[must_use]
pub fn quiet(goals: Goals, interval_ms: u32, busy: u32, turns: &[Watch]) -> Option<Quiet> {
    let turns: Vec<Watch> = turns
        .iter()
        .filter(|turn| turn.interval_ms == interval_ms && turn.busy == busy)
        .cloned()
        .collect();
    let ours = watched(&turns, System::Twinline)?;
    let theirs = watched(&turns, System::Keepalived)?;
    let goal = match goals {
        Goals::Inline => fewer_goal(&ours, &theirs),
        Goals::Routed => none_goal(&ours),
    };
    Some(Quiet {
        interval_ms,
        busy,
        ours,
        theirs,
        goal,
    })
}

fn fewer_goal(ours: &Watched, theirs: &Watched) -> Goal {
    let (mine, other) = (ours.changes.role_changes, theirs.changes.role_changes);
    let met = (mine < other && !ours.changes.at_least) || (mine == 0 && other == 0);
    Goal {
        asks: "fewer spurious role changes than keepalived".into(),
        met,
        found: if mine == 0 && other == 0 {
            "neither had any".into()
        } else {
            String::new()
        },
    }
}

/// None at all, or each explained: the routers name a reason for each, and their own record says
/// that their loops were late.
fn none_goal(ours: &Watched) -> Goal {
    let changes = ours.changes.role_changes;
    let named = ours.causes.len() as u64 >= changes && !ours.changes.at_least;
    Goal {
        asks: "no spurious role change, or the cause of each from the engine's own lateness".into(),
        met: changes == 0 || (named && ours.late_count > 0),
        found: if changes == 0 {
            String::new()
        } else {
            format!(
                "late by more than half an interval {} times; {}",
                ours.late_count,
                ours.causes.join("; ")
            )
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(system: System, fault: Fault, outage_ms: f64, lost: u64) -> Failover {
        Failover {
            interval_ms: 10,
            fault,
            system,
            round: 1,
            outage_ms,
            lost,
            doubled: 0,
            sent: 2000,
            began_ms: None,
            send_gap_ms: 1.0,
            stall_ms: 1.0,
            worst_late_ms: None,
            failed: None,
        }
    }

    fn compared(ours: &[f64], theirs: &[f64]) -> Comparison {
        let ours = ours.iter().map(|&o| (System::Twinline, o));
        let theirs = theirs.iter().map(|&o| (System::Keepalived, o));
        let runs: Vec<_> = ours
            .chain(theirs)
            .map(|(system, outage)| run(system, Fault::Killed, outage, outage as u64))
            .collect();
        compare(Goals::Inline, 10, Fault::Killed, &runs).unwrap()
    }

    #[test]
    fn the_outage_goal_is_met_up_to_its_bound_and_not_beyond() {
        assert!(compared(&[85.0], &[100.0]).goal.met);
        assert!(!compared(&[85.1], &[100.0]).goal.met);
        assert!(!compared(&[1.0], &[0.0]).goal.met);
        assert!(compared(&[0.0], &[0.0]).goal.met);
    }

    #[test]
    fn medians_are_compared_and_p99_is_said() {
        let c = compared(&[20.0, 26.0, 99.0], &[30.0, 40.0, 50.0]);
        assert_eq!(c.median_ratio, Some(0.65));
        assert_eq!(c.p99_ratio, Some(1.98));
        assert!(c.goal.met);
    }

    #[test]
    fn a_failed_run_of_ours_misses_the_goal() {
        let mut bad = run(System::Twinline, Fault::Killed, 10.0, 10);
        bad.failed = Some("nothing took over".into());
        let runs = [bad, run(System::Keepalived, Fault::Killed, 100.0, 100)];
        let c = compare(Goals::Inline, 10, Fault::Killed, &runs).unwrap();
        assert!(!c.goal.met);
        assert_eq!(c.goal.found, "1 of 1 runs failed");
    }

    #[test]
    fn one_lost_or_doubled_probe_misses_the_hand_over_goal() {
        let theirs = run(System::Keepalived, Fault::HandOver, 20.0, 20);
        let good = run(System::Twinline, Fault::HandOver, 0.0, 0);
        let lossy = run(System::Twinline, Fault::HandOver, 2.0, 1);
        let mut doubled = good.clone();
        doubled.doubled = 1;
        let met = |ours: &[Failover]| {
            let runs: Vec<_> = ours.iter().chain([&theirs]).cloned().collect();
            compare(Goals::Inline, 10, Fault::HandOver, &runs)
                .unwrap()
                .goal
                .met
        };
        assert!(met(&[good.clone(), good.clone()]));
        assert!(!met(&[good.clone(), lossy]));
        assert!(!met(&[good, doubled]));
    }

    #[test]
    fn other_intervals_and_faults_do_not_count() {
        let runs = [
            run(System::Twinline, Fault::Killed, 1.0, 1),
            run(System::Keepalived, Fault::Unplugged, 1.0, 1),
        ];
        assert_eq!(compare(Goals::Inline, 10, Fault::Killed, &runs), None);
        assert_eq!(compare(Goals::Inline, 100, Fault::Killed, &runs), None);
    }

    fn turn(system: System, role_changes: u64) -> Watch {
        Watch {
            interval_ms: 10,
            busy: 16,
            system,
            turn: 1,
            seconds: 20.0,
            changes: Changes {
                role_changes,
                takeovers: role_changes / 2,
                at_least: false,
            },
            causes: Vec::new(),
            late_count: 0,
            outage_ms: role_changes as f64,
            lost: 0,
            doubled: 0,
            sent: 20_000,
            send_gap_ms: 1.0,
            stall_ms: 1.0,
            worst_late_ms: None,
        }
    }

    #[test]
    fn fewer_changes_are_a_goal_and_turns_add_up() {
        let judged = |ours: &[u64], theirs: &[u64]| {
            let ours = ours.iter().map(|&n| turn(System::Twinline, n));
            let theirs = theirs.iter().map(|&n| turn(System::Keepalived, n));
            let turns: Vec<_> = ours.chain(theirs).collect();
            quiet(Goals::Inline, 10, 16, &turns).unwrap()
        };
        let q = judged(&[1, 0, 2], &[2, 2, 0]);
        assert!(q.goal.met);
        assert_eq!((q.ours.changes.role_changes, q.ours.seconds), (3, 60.0));
        assert_eq!(q.theirs.outage_ms, 2.0);
        assert!(!judged(&[4], &[4]).goal.met);
        assert!(!judged(&[1], &[0]).goal.met);
        let none = judged(&[0], &[0]);
        assert!(none.goal.met && none.goal.found == "neither had any");
    }

    #[test]
    fn a_record_with_a_gap_proves_nothing() {
        let mut ours = turn(System::Twinline, 1);
        ours.changes.at_least = true;
        let turns = [ours, turn(System::Keepalived, 100)];
        assert!(!quiet(Goals::Inline, 10, 16, &turns).unwrap().goal.met);
    }

    #[test]
    fn routers_may_change_only_for_a_reason_of_their_own_record() {
        let judged = |changes: u64, causes: usize, late_count: u64| {
            let mut ours = turn(System::Twinline, changes);
            ours.causes = vec!["A ACTIVE -> PASSIVE: lease_expired".into(); causes];
            ours.late_count = late_count;
            let turns = [ours, turn(System::Keepalived, 100)];
            quiet(Goals::Routed, 10, 16, &turns).unwrap().goal
        };
        assert!(judged(0, 0, 0).met);
        assert!(!judged(2, 2, 0).met && !judged(2, 1, 5).met);
        let explained = judged(2, 2, 5);
        assert!(explained.met && explained.found.contains("lease_expired"));
    }

    #[test]
    fn routers_have_a_bound_of_their_own() {
        let runs = [
            run(System::Twinline, Fault::Killed, 86.0, 86),
            run(System::Keepalived, Fault::Killed, 100.0, 100),
        ];
        let met = |goals| compare(goals, 10, Fault::Killed, &runs).unwrap().goal.met;
        assert!(met(Goals::Routed) && !met(Goals::Inline));
    }
}
