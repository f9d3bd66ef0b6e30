//! Runs of many seeds, and the shortest prefix of one that fails.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::checks::{Check, Violation};
use crate::scenario::Scenario;
use crate::world::{Tally, World};

/// What came of one seed.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// What it was like.
    pub tally: Tally,
    /// The violation, if there was one.
    pub violation: Option<Violation>,
    /// What happened, if it was asked for.
    pub trace: Vec<String>,
}

/// Runs the first `deeds` deeds of a seed; a panic is a violation.
#[must_use]
pub fn run(seed: u64, deeds: usize, trace: bool) -> Outcome {
    run_scenario(&Scenario::of(seed), deeds, trace)
}

/// Runs the first `deeds` deeds of a scenario; a panic is a violation.
#[must_use]
pub fn run_scenario(scenario: &Scenario, deeds: usize, trace: bool) -> Outcome {
    let seed = scenario.seed;
    let mut world = World::new(scenario, deeds, trace);
    let ran = catch_unwind(AssertUnwindSafe(|| world.run()));
    let violation = match ran {
        Ok(()) => world.violation().cloned(),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_string()));
            let text = text.unwrap_or_else(|| "a panic without words".into());
            Some(Violation {
                at: world.now(),
                check: Check::Panic,
                text,
            })
        }
    };
    let tally = world.tally().clone();
    Outcome {
        seed,
        tally,
        violation,
        trace: world.trace_lines().to_vec(),
    }
}

/// The fewest of the first deeds of a failing seed that still make it fail.
#[must_use]
pub fn shortest(seed: u64) -> Option<(usize, Violation)> {
    let all = Scenario::of(seed).deeds.len();
    (0..=all).find_map(|deeds| run(seed, deeds, false).violation.map(|v| (deeds, v)))
}

/// Runs seeds on threads. `each` is called with every outcome; `false` ends the search.
pub fn search(from: u64, seeds: u64, threads: usize, each: impl Fn(&Outcome) -> bool + Sync) {
    let next = AtomicU64::new(0);
    let lock = Mutex::new(());
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= seeds {
                        return;
                    }
                    let outcome = run(from.wrapping_add(n), usize::MAX, false);
                    let _held = lock.lock().unwrap_or_else(PoisonError::into_inner);
                    if !each(&outcome) {
                        next.store(seeds, Ordering::Relaxed);
                    }
                }
            });
        }
    });
}
