//! Seeds that must pass, and faults that must be caught.

use std::sync::Mutex;
use twinline_simulation::Violation;
use twinline_simulation::search::{run, run_scenario, search};

/// Seeds that once failed: what they found is mended, and stays so.
const ONCE_FAILED: [u64; 35] = [
    271,  // two that refuse each other's boot ids were ACTIVE for ever
    414,  // the same for a while, after a quick restart with a smaller boot id
    155,  // the same
    1227, // the session before counted as there although a newer one proved itself
    97,   // the reason of an exit from ACTIVE was overwritten in the same step
    919,  // a lease that ran out undid a forced suspension
    368,  // the same
    1824, // two resumed at one moment
    4967, // what was sent before a standstill counted as recent after it
    9320, // a resume ended the listening after a lease that ran out
    2406, // a window that was slept through counted as listening
    4676, // the same
    6802, // the same
    55, 287, 895, 1840, 8776,    //
    3,       // an address share silenced the heartbeat that it overtook on the other path
    46,      // the same
    9,       // a path's alarm was not told, since what was wrong with it kept changing
    124,     // a path's alarm was cleared for a window when it changed its name
    13256,   // the old gate closed although the successor had been restarted
    1001616, // a capture displaced the session of an ACTIVE that lived
    502357,  // the same, and the peer itself was refused for ever
    500981,  // a dead session in the queue of one that had slept beat the living one
    14150,   // the same with a restart
    17255,   // the same with two
    6006068, // the same with the last word of the session before
    7010676, // a restarted peer waited for a slot after which nobody was there
    1008257, // a hand-over to who was ACTIVE already never ran dry
    1012193, // a clear let back in what an operator had suspended
    7002249, // let in and out of the election in one step (a check was wrong)
    8012213, // a new lease opened a gate that was told to close, and had not
    2010714, // a lower threshold was held against a peer that did not know it yet
];

fn failures(seeds: impl Iterator<Item = u64>) -> Vec<(u64, Violation)> {
    seeds
        .filter_map(|seed| run(seed, usize::MAX, false).violation.map(|v| (seed, v)))
        .collect()
}

#[test]
fn seeds_that_once_failed_pass() {
    assert_eq!(failures(ONCE_FAILED.into_iter()), []);
}

/// Most of them failed before there was an in-band path.
#[test]
fn seeds_that_once_failed_pass_with_the_ha_path_alone() {
    for seed in ONCE_FAILED {
        let scenario = twinline_simulation::Scenario::with_in_band(seed, [false; 2]);
        let violation = run_scenario(&scenario, usize::MAX, false).violation;
        assert_eq!(violation, None, "{seed}");
    }
}

#[test]
fn the_first_hundred_seeds_pass() {
    let failed = Mutex::new(Vec::new());
    search(1, 100, 2, |outcome| {
        if let Some(violation) = &outcome.violation {
            failed
                .lock()
                .unwrap()
                .push((outcome.seed, violation.clone()));
        }
        true
    });
    assert_eq!(failed.into_inner().unwrap(), []);
}

#[test]
fn a_seed_is_one_run() {
    let (a, b) = (run(7, usize::MAX, true), run(7, usize::MAX, true));
    assert!(!a.trace.is_empty());
    assert_eq!(a.trace, b.trace);
}

/// A run with fewer deeds is the same run up to the first that is missing.
#[test]
fn a_prefix_is_the_same_run() {
    let scenario = twinline_simulation::Scenario::of(3);
    let first = scenario.deeds[0].0;
    let before = |deeds| {
        let trace = run(3, deeds, true).trace;
        let until = twinline_simulation::clock::text(first);
        trace
            .into_iter()
            .take_while(|line| *line < until)
            .collect::<Vec<_>>()
    };
    assert_eq!(before(0), before(usize::MAX));
}
