//! The lab's scenes with real engines, at the bounds of the design's page on test beds: 50 ms x 5.
//!
//! All scenes are played once, one after the other, in one lab; each test looks at one of them.
//! The engine is found by `TWINLINE_BIN`, else in the build directory; without it the tests fail.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, not excepted"
)]

use std::sync::OnceLock;
use std::time::Duration;
use twinline_tests::engine::{self, Settings};
use twinline_tests::judge::SceneResult;
use twinline_tests::lab::Lab;
use twinline_tests::scenes::{self, Scene};
use twinline_tests::traffic::Load;
use twinline_tests::{Result, report};

static PLAYED: OnceLock<std::result::Result<Vec<SceneResult>, String>> = OnceLock::new();

fn play_all() -> Result<Vec<SceneResult>> {
    let binary = engine::find(None)?;
    let settings = Settings {
        interval_ms: 50,
        threshold: 5,
        preempt_delay_s: 2,
        in_band: true,
        huge: engine::hugepages_suffice(),
        cores: (0, 1),
    };
    let mut lab = Lab::up(&binary, settings)?;
    lab.settle(None, Duration::from_secs(40))?;
    // `busy` has a test of its own: its minute of load would spoil the rest
    Scene::ALL
        .iter()
        .filter(|scene| **scene != Scene::Busy)
        .map(|scene| scenes::play(&mut lab, *scene, Load::default()))
        .collect()
}

fn result(scene: Scene) -> &'static SceneResult {
    // the lab is up in here only: a static would never be dropped, and leave everything behind
    let played = PLAYED.get_or_init(|| play_all().map_err(|e| e.to_string()));
    match played {
        Ok(results) => results.iter().find(|r| r.scene == scene.name()).unwrap(),
        Err(e) => panic!("the scenes could not be played: {e}"),
    }
}

fn ok(scene: Scene) -> &'static SceneResult {
    let result = result(scene);
    assert!(result.ok, "{}", report::scene(result, false));
    assert!(
        result.probes_sent > 2000,
        "{}",
        report::scene(result, false)
    );
    result
}

#[test]
fn rule_08_switchover_loses_and_doubles_nothing() {
    let result = ok(Scene::Switchover);
    assert_eq!((result.lost, result.doubled), (0, 0));
    // the switches were taught (and not by luck: nobody else sends such frames)
    assert!(result.broadcast.announcements > 0);
}

#[test]
fn rules_01_07_a_killed_active_is_replaced_in_time() {
    let result = ok(Scene::Kill);
    // 5 x 50 ms and 20 ms for the machine; a slot more only on the survivor's own record of rule 3
    let late = result.rule.contains("rule 3");
    assert_eq!(result.allowed_ms, if late { 320.0 } else { 270.0 });
    assert!(result.outage_ms <= result.allowed_ms);
    // a scene that sees no outage at all has killed nobody
    assert!(
        result.outage_ms > 100.0 && result.lost > 100,
        "{}",
        report::scene(result, false)
    );
}

#[test]
fn rules_06_08_preemption_is_orderly() {
    let result = ok(Scene::Preempt);
    assert_eq!((result.lost, result.doubled), (0, 0));
}

#[test]
fn rule_11_a_stopped_and_continued_active_never_makes_two_forwarders() {
    let result = ok(Scene::Stop);
    assert_eq!(result.doubled, 0);
    assert!(result.roles["a"].after_reason.contains("lease"));
    assert!(result.outage_ms > 100.0, "{}", report::scene(result, false));
}

#[test]
fn rules_17_18_a_cut_leg_hands_over() {
    let result = ok(Scene::Cut);
    assert_eq!(result.roles["a"].after, "DOWN");
    assert!(
        result.lost > 0,
        "a cable was pulled: {}",
        report::scene(result, false)
    );
}

#[test]
fn rule_08_suspend_and_resume_lose_nothing() {
    assert_eq!(ok(Scene::Suspend).lost, 0);
    assert_eq!(ok(Scene::Resume).lost, 0);
}

#[test]
fn rule_08_sigterm_hands_over_and_ends() {
    assert_eq!(ok(Scene::Terminate).lost, 0);
}

#[test]
fn rule_21_load_below_the_minimum_hands_over_once() {
    let result = ok(Scene::Load);
    assert_eq!((result.lost, result.doubled), (0, 0));
    assert_eq!(result.roles["a"].after_reason, "bandwidth_below_minimum");
}

#[test]
fn rule_12_the_ha_link_alone_moves_no_role() {
    let result = ok(Scene::HaCut);
    assert_eq!((result.lost, result.doubled), (0, 0));
    assert_eq!(result.roles["a"].after, "ACTIVE");
}

#[test]
fn rules_09_12_two_active_heal_when_a_path_is_back() {
    let result = ok(Scene::Split);
    assert_eq!(result.roles["a"].after_reason, "dual_active_yielded");
    assert_eq!(result.roles["b"].after, "ACTIVE");
}
