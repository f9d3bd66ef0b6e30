//! Medians, ratios, the table on the terminal, and `target/bench/forward.json`.

use crate::peers::{Bed, Sample};
use crate::process::Linkage;
use serde::Serialize;
use std::fmt::Write;

/// The goal of our static (release) build over testpmd.
pub const GOAL_STATIC: f64 = 1.15;
/// The goal of our shared build over testpmd.
pub const GOAL_SHARED: f64 = 1.0;

/// What one round found: each side once, testpmd between our two builds.
#[derive(Debug, Clone, Copy)]
pub struct Round {
    /// Our static build.
    pub ours_static: Sample,
    /// testpmd.
    pub testpmd: Sample,
    /// Our shared build, if there is one.
    pub ours_shared: Option<Sample>,
}

/// The round as it is written.
#[derive(Debug, Clone, Serialize)]
pub struct RoundFigures {
    round: usize,
    testpmd_mpps: f64,
    static_mpps: f64,
    static_ratio: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    shared_mpps: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shared_ratio: Option<f64>,
    /// The least part of a core that a side had in this round, 0 to 1.
    least_on_cpu_share: f64,
}

/// One of our builds against testpmd.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// Our build's linkage, as its process showed it.
    pub linkage: Linkage,
    /// Median of our rounds, million packets per second on the CPU.
    pub ours_mpps: f64,
    /// Median of testpmd's rounds.
    pub testpmd_mpps: f64,
    /// Median of the rounds' ratios.
    pub ratio: f64,
    /// The lowest ratio of a round.
    pub ratio_min: f64,
    /// The highest.
    pub ratio_max: f64,
    /// What the ratio is to reach.
    pub goal: f64,
    /// Whether it does.
    pub met: bool,
}

/// The whole result. The three figures on top are those of the static build.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Median of our static build.
    pub ours_mpps: f64,
    /// Median of testpmd.
    pub testpmd_mpps: f64,
    /// Median ratio of the static build.
    pub ratio: f64,
    /// testpmd's linkage, as its process showed it.
    pub testpmd_linkage: Linkage,
    /// Our static build.
    #[serde(rename = "static")]
    pub ours_static: Comparison,
    /// Our shared build, if it was measured.
    #[serde(rename = "shared", skip_serializing_if = "Option::is_none")]
    pub ours_shared: Option<Comparison>,
    /// What the figures are.
    pub metric: &'static str,
    /// Seconds of each measurement.
    pub seconds: f64,
    /// Frames in a burst.
    pub burst: usize,
    /// What both sides had in common.
    pub bed: Bed,
    /// testpmd's command line.
    pub testpmd_command: String,
    /// Round by round.
    pub rounds: Vec<RoundFigures>,
}

/// The median; of an even number, the mean of the two in the middle. 0 of nothing.
#[must_use]
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[half],
        _ => f64::midpoint(values[half - 1], values[half]),
    }
}

fn compare(pairs: &[(Sample, Sample)], linkage: Linkage, goal: f64) -> Comparison {
    let ratios = || {
        pairs
            .iter()
            .map(|(ours, testpmd)| ours.mpps() / testpmd.mpps())
    };
    let ratio = median(ratios());
    Comparison {
        linkage,
        ours_mpps: median(pairs.iter().map(|(ours, _)| ours.mpps())),
        testpmd_mpps: median(pairs.iter().map(|(_, testpmd)| testpmd.mpps())),
        ratio,
        ratio_min: ratios().fold(f64::INFINITY, f64::min),
        ratio_max: ratios().fold(0.0, f64::max),
        goal,
        met: ratio >= goal,
    }
}

/// What the run was, beside its samples.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Common to both sides.
    pub bed: Bed,
    /// Seconds of each measurement.
    pub seconds: f64,
    /// testpmd's command line.
    pub testpmd_command: String,
    /// testpmd's linkage.
    pub testpmd_linkage: Linkage,
    /// Our first build's linkage.
    pub static_linkage: Linkage,
    /// Our second build's linkage.
    pub shared_linkage: Option<Linkage>,
}

impl Report {
    /// Sums up the rounds.
    #[must_use]
    pub fn new(setting: Setting, rounds: &[Round]) -> Self {
        let pairs: Vec<_> = rounds.iter().map(|r| (r.ours_static, r.testpmd)).collect();
        let ours_static = compare(&pairs, setting.static_linkage, GOAL_STATIC);
        let ours_shared = setting.shared_linkage.map(|linkage| {
            let pairs: Vec<_> = rounds
                .iter()
                .filter_map(|r| Some((r.ours_shared?, r.testpmd)))
                .collect();
            compare(&pairs, linkage, GOAL_SHARED)
        });
        let figures = |(n, r): (usize, &Round)| {
            let all = [Some(r.ours_static), Some(r.testpmd), r.ours_shared];
            let shares = all.iter().flatten().map(Sample::on_cpu_share);
            RoundFigures {
                round: n + 1,
                testpmd_mpps: r.testpmd.mpps(),
                static_mpps: r.ours_static.mpps(),
                static_ratio: r.ours_static.mpps() / r.testpmd.mpps(),
                shared_mpps: r.ours_shared.map(|sample| sample.mpps()),
                shared_ratio: r.ours_shared.map(|sample| sample.mpps() / r.testpmd.mpps()),
                least_on_cpu_share: shares.fold(1.0, f64::min),
            }
        };
        Self {
            ours_mpps: ours_static.ours_mpps,
            testpmd_mpps: ours_static.testpmd_mpps,
            ratio: ours_static.ratio,
            testpmd_linkage: setting.testpmd_linkage,
            ours_static,
            ours_shared,
            metric: "million packets per second on the CPU of the forwarding thread, both \
                     directions; medians of the rounds; ratio: median of the rounds' ratios",
            seconds: setting.seconds,
            burst: crate::peers::BURST,
            bed: setting.bed,
            testpmd_command: setting.testpmd_command,
            rounds: rounds.iter().enumerate().map(figures).collect(),
        }
    }

    /// True if every build that was measured meets its goal.
    #[must_use]
    pub fn met(&self) -> bool {
        self.ours_static.met && self.ours_shared.as_ref().is_none_or(|shared| shared.met)
    }

    /// The table for the terminal.
    #[must_use]
    pub fn table(&self) -> String {
        let mut out = String::new();
        // Writing to a String does not fail.
        let _ = writeln!(
            out,
            "net_null0 <-> net_null1, burst {}, {} mbufs, core {}; Mpps per CPU-second",
            self.burst, self.bed.mbufs, self.bed.core
        );
        let _ = writeln!(
            out,
            "{:>6} {:>10} {:>14} {:>7} {:>14} {:>7} {:>7}",
            "round", "testpmd", "ours (static)", "ratio", "ours (shared)", "ratio", "on CPU"
        );
        let dash = |value: Option<f64>, digits: usize| {
            value.map_or_else(|| "-".into(), |value| format!("{value:.digits$}"))
        };
        for r in &self.rounds {
            let _ = writeln!(
                out,
                "{:>6} {:>10.1} {:>14.1} {:>7.3} {:>14} {:>7} {:>6.0}%",
                r.round,
                r.testpmd_mpps,
                r.static_mpps,
                r.static_ratio,
                dash(r.shared_mpps, 1),
                dash(r.shared_ratio, 3),
                r.least_on_cpu_share * 100.0
            );
        }
        let shared = self.ours_shared.as_ref();
        let _ = writeln!(
            out,
            "{:>6} {:>10.1} {:>14.1} {:>7.3} {:>14} {:>7}",
            "median",
            self.testpmd_mpps,
            self.ours_mpps,
            self.ratio,
            dash(shared.map(|shared| shared.ours_mpps), 1),
            dash(shared.map(|shared| shared.ratio), 3)
        );
        for build in std::iter::once(&self.ours_static).chain(shared) {
            let _ = writeln!(
                out,
                "ours ({:?}) against testpmd ({:?}): {:.3} (rounds {:.3} to {:.3}), goal {:.2}: {}",
                build.linkage,
                self.testpmd_linkage,
                build.ratio,
                build.ratio_min,
                build.ratio_max,
                build.goal,
                if build.met { "met" } else { "NOT MET" }
            );
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(mpps: u64) -> Sample {
        Sample {
            packets: mpps * 1_000_000,
            on_cpu_ns: 1_000_000_000,
            wall_ns: 1_250_000_000,
        }
    }

    fn report(rounds: &[(u64, u64, Option<u64>)]) -> Report {
        let rounds: Vec<_> = rounds
            .iter()
            .map(|&(ours, testpmd, shared)| Round {
                ours_static: sample(ours),
                testpmd: sample(testpmd),
                ours_shared: shared.map(sample),
            })
            .collect();
        let setting = Setting {
            bed: Bed {
                core: 1,
                main_core: 0,
                mbufs: 32768,
                cache: 250,
                memory_mb: 256,
            },
            seconds: 2.0,
            testpmd_command: "dpdk-testpmd".into(),
            testpmd_linkage: Linkage::Shared,
            static_linkage: Linkage::Static,
            shared_linkage: rounds[0].ours_shared.map(|_| Linkage::Shared),
        };
        Report::new(setting, &rounds)
    }

    #[test]
    fn medians() {
        assert_eq!(median([]), 0.0);
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn the_ratio_is_the_median_of_the_rounds_not_of_the_medians() {
        let report = report(&[(120, 100, None), (60, 40, None), (130, 100, None)]);
        assert!((report.ratio - 1.3).abs() < 1e-9);
        assert_eq!((report.ours_mpps, report.testpmd_mpps), (120.0, 100.0));
        assert!(report.met());
        assert!((report.rounds[0].least_on_cpu_share - 0.8).abs() < 1e-9);
    }

    #[test]
    fn each_build_has_its_goal() {
        assert!(report(&[(115, 100, Some(100))]).met());
        assert!(!report(&[(114, 100, Some(100))]).met());
        assert!(!report(&[(115, 100, Some(99))]).met());
        let table = report(&[(114, 100, Some(101))]).table();
        assert!(
            table.contains("(Static) against testpmd (Shared): 1.140"),
            "{table}"
        );
        assert!(
            table.contains("NOT MET") && table.contains("goal 1.00: met"),
            "{table}"
        );
    }

    #[test]
    fn the_file_has_the_agreed_names() {
        let json = serde_json::to_value(report(&[(120, 100, Some(101))])).unwrap();
        for name in ["ours_mpps", "testpmd_mpps", "ratio"] {
            assert!(json[name].is_f64(), "{name}");
            assert!(
                json["static"][name].is_f64() && json["shared"][name].is_f64(),
                "{name}"
            );
        }
        assert_eq!(json["static"]["linkage"], "static");
        assert_eq!(json["shared"]["linkage"], "shared");
        assert_eq!(json["testpmd_linkage"], "shared");
        assert_eq!(json["rounds"][0]["round"], 1);
    }
}
