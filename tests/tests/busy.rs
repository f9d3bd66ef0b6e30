//! 16 busy processes beside the pair for 60 s at 50 ms x 5: no role changes.
//!
//! Alone in its own program, so that nothing else runs beside it; see `scenes` for the rest.
#![allow(clippy::unwrap_used, reason = "helpers of tests, not excepted")]

use std::time::Duration;
use twinline_tests::engine::{self, Settings};
use twinline_tests::lab::Lab;
use twinline_tests::report;
use twinline_tests::scenes::{self, Scene};
use twinline_tests::traffic::Load;

#[test]
fn rule_03_sixteen_busy_processes_move_no_role() {
    let settings = Settings {
        interval_ms: 50,
        threshold: 5,
        preempt_delay_s: 2,
        in_band: true,
        huge: engine::hugepages_suffice(),
        cores: (0, 1),
    };
    let mut lab = Lab::up(&engine::find(None).unwrap(), settings).unwrap();
    lab.settle(None, Duration::from_secs(40)).unwrap();
    let result = scenes::play(&mut lab, Scene::Busy, Load::default()).unwrap();
    let text = report::scene(&result, false);
    println!("{text}");
    assert!(result.ok, "{text}");
    assert!(
        result.notes.iter().any(|n| n.contains("for 60 s")),
        "{text}"
    );
    assert!(result.probes_sent > 30_000, "{text}");
}
