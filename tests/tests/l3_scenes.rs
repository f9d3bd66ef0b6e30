//! The lab's scenes as routers with virtual addresses, at the bounds of the design's page on test
//! beds: 50 ms x 5.
//!
//! All are played once, one after the other, in one lab; each test looks at one of them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, not excepted"
)]

use std::sync::OnceLock;
use std::time::Duration;
use twinline_tests::engine::{self, Settings};
use twinline_tests::judge::SceneResult;
use twinline_tests::l3::ours;
use twinline_tests::lab::Lab;
use twinline_tests::scenes::{self, Scene};
use twinline_tests::traffic::Load;
use twinline_tests::{Result, report};

/// Those where a router differs from a wire; `make lab LAB=l3` plays all.
const SCENES: [Scene; 6] = [
    Scene::Switchover,
    Scene::Kill,
    Scene::Stop,
    Scene::Cut,
    Scene::HaCut,
    Scene::Split,
];

static PLAYED: OnceLock<std::result::Result<Vec<SceneResult>, String>> = OnceLock::new();

fn play_all() -> Result<Vec<SceneResult>> {
    let binary = engine::find(None)?;
    let settings = Settings {
        interval_ms: 50,
        threshold: 5,
        preempt_delay_s: 60,
        in_band: false,
        huge: engine::hugepages_suffice_for(ours::MEMORY_MB),
        cores: ours::cores(),
    };
    let mut lab = Lab::up_routed(&binary, settings)?;
    lab.settle(None, Duration::from_secs(40))?;
    SCENES
        .iter()
        .map(|scene| scenes::play(&mut lab, *scene, Load::default()))
        .collect()
}

fn ok(scene: Scene) -> &'static SceneResult {
    // the lab is up in here only: a static would never be dropped, and leave everything behind
    let played = PLAYED.get_or_init(|| play_all().map_err(|e| e.to_string()));
    let result = match played {
        Ok(results) => results.iter().find(|r| r.scene == scene.name()).unwrap(),
        Err(e) => panic!("the scenes could not be played: {e}"),
    };
    assert!(result.ok, "{}", report::scene(result, false));
    assert!(
        result.probes_sent > 1500,
        "{}",
        report::scene(result, false)
    );
    // a router carries no broadcast
    assert_eq!(result.broadcast.lost, result.broadcast.sent);
    result
}

#[test]
fn rule_08_switchover_of_routers_loses_and_doubles_nothing() {
    let result = ok(Scene::Switchover);
    assert_eq!((result.lost, result.doubled), (0, 0));
}

#[test]
fn rules_01_07_a_killed_router_is_replaced_in_time() {
    let result = ok(Scene::Kill);
    // a scene that sees no outage at all has killed nobody
    assert!(
        result.outage_ms > 100.0 && result.lost > 100,
        "{}",
        report::scene(result, false)
    );
}

#[test]
fn rule_11_a_stopped_and_continued_router_forwards_nothing() {
    let result = ok(Scene::Stop);
    assert_eq!(result.doubled, 0);
    assert!(result.outage_ms > 100.0, "{}", report::scene(result, false));
}

#[test]
fn rules_17_18_a_cut_leg_hands_over() {
    let result = ok(Scene::Cut);
    assert_eq!(result.roles["b"].after, "ACTIVE");
    assert!(
        result.lost > 0,
        "a cable was pulled: {}",
        report::scene(result, false)
    );
}

#[test]
fn rule_12_the_ha_link_alone_moves_no_role() {
    let result = ok(Scene::HaCut);
    assert_eq!((result.lost, result.doubled), (0, 0));
    assert_eq!(result.roles["a"].after, "ACTIVE");
}

#[test]
fn rules_09_12_two_active_routers_heal_when_a_path_is_back() {
    let result = ok(Scene::Split);
    assert_eq!(result.roles["b"].after, "ACTIVE");
}
