//! Commits on a running pair: live values, times to confirm, kills, saves, hostile candidates.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, not excepted"
)]

use std::fs;
use std::time::{Duration, Instant};
use twinline_control::{
    ChangesStatus, Client, CommitsStatus, ConfigStatus, Payload, Reply, Request,
};
use twinline_tests::engine::{self, Settings};
use twinline_tests::fair::on_a_fair_machine;
use twinline_tests::lab::Lab;
use twinline_tests::probe::udp::UdpProbe;
use twinline_tests::topology::Side;
use twinline_tests::{scenes, status};

const SETTLE: Duration = Duration::from_secs(40);
const CHANGE: Duration = Duration::from_secs(10);

/// A settled pair, A the active one.
fn pair() -> Lab {
    let settings = Settings {
        interval_ms: 50,
        threshold: 5,
        preempt_delay_s: 60,
        in_band: false,
        huge: engine::hugepages_suffice(),
        cores: (0, 1),
    };
    let mut lab = Lab::up(&engine::find(None).unwrap(), settings).unwrap();
    scenes::lead(&mut lab, Side::A).unwrap();
    lab
}

fn ask(lab: &Lab, side: Side, request: &Request) -> Reply {
    let socket = &lab.engine(side).socket;
    Client::connect(socket).unwrap().call(request).unwrap()
}

fn changes(reply: Reply) -> ChangesStatus {
    match reply {
        Reply::Ok(Payload::Changes(changes)) => changes,
        other => panic!("{other:?}"),
    }
}

fn refused(reply: Reply) -> String {
    match reply {
        Reply::Refused { reason } => reason,
        other => panic!("{other:?}"),
    }
}

fn commits(lab: &Lab, side: Side) -> CommitsStatus {
    match ask(lab, side, &Request::ShowCommits) {
        Reply::Ok(Payload::Commits(commits)) => commits,
        other => panic!("{other:?}"),
    }
}

fn config(lab: &Lab, side: Side) -> ConfigStatus {
    match ask(lab, side, &Request::ShowConfig) {
        Reply::Ok(Payload::Config(config)) => config,
        other => panic!("{other:?}"),
    }
}

fn max_flaps(lab: &Lab, side: Side) -> u64 {
    config(lab, side).config["ha"]["max_flaps"]
        .as_u64()
        .unwrap()
}

fn set(lab: &Lab, side: Side, key: &str, value: &str) -> Reply {
    let request = Request::SetSetting {
        key: key.into(),
        value: value.into(),
        force: false,
    };
    ask(lab, side, &request)
}

fn commit(toml: String, confirm_within_s: Option<u64>) -> Request {
    Request::Commit {
        toml,
        base_unix_ms: None,
        confirm_within_s,
        force: false,
    }
}

/// The file of an engine with another `max_flaps`.
fn with_flaps(lab: &Lab, side: Side, flaps: u64) -> String {
    let text = fs::read_to_string(&lab.engine(side).config).unwrap();
    text.replace("max_flaps = 0", &format!("max_flaps = {flaps}"))
}

fn alarmed(lab: &Lab, side: Side, name: &str) -> bool {
    let ha = status::ha(&lab.engine(side).socket).unwrap();
    ha.alarms.iter().any(|alarm| alarm.name == name)
}

fn happened(lab: &Lab, side: Side, why: &str) -> bool {
    let events = status::events(&lab.engine(side).socket).unwrap();
    events.iter().any(|event| event.why == why)
}

fn wait_until(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn rule_24_a_commit_moves_no_role_and_loses_no_frame() {
    on_a_fair_machine(a_commit_moves_no_role_and_loses_no_frame);
}

fn a_commit_moves_no_role_and_loses_no_frame() {
    let lab = pair();
    let last = |side| {
        let events = status::events(&lab.engine(side).socket).unwrap();
        events.last().map_or(0, |event| event.seq)
    };
    let marks = Side::BOTH.map(last);
    let probe = UdpProbe::start(&lab.topology, 500).unwrap();
    for side in Side::BOTH {
        let agrees = || status::ha(&lab.engine(side).socket).unwrap().peers[0].config_agrees;
        let agreed = side == Side::A;
        wait_until("the peer's digest", CHANGE, || agrees() == agreed);
        let done = changes(set(&lab, side, "ha.peer_check_interval_ms", "70"));
        assert_eq!(done.changes.len(), 1, "{done:?}");
        assert_eq!(done.changes[0].applies, "live");
        let differs = done
            .warnings
            .iter()
            .any(|w| w.contains("needs this change too"));
        assert_eq!(differs, side == Side::A, "{done:?}");
    }
    // the peer is judged by it
    for side in Side::BOTH {
        let judged = || status::ha(&lab.engine(side).socket).unwrap().peers[0].clone();
        wait_until("the new interval", CHANGE, || judged().interval_ms == 70.0);
        assert!(judged().config_agrees);
    }
    std::thread::sleep(Duration::from_secs(1));
    let report = probe
        .stop(Duration::from_millis(300), Duration::from_millis(100))
        .unwrap();
    assert_eq!((report.lost(), report.doubled()), (0, 0), "{report:?}");
    assert_eq!(lab.both().settled(), Some(Side::A), "{}", lab.both().line());
    for (side, mark) in Side::BOTH.into_iter().zip(marks) {
        let mut events = status::events(&lab.engine(side).socket).unwrap();
        events.retain(|e| e.seq > mark && (e.what == "role" || e.what.ends_with("health")));
        assert!(events.is_empty(), "{side}: {events:#?}");
    }
    let listed = commits(&lab, Side::A);
    assert_eq!(
        (listed.commits[0].number, listed.commits[0].by.as_str()),
        (0, "set")
    );
    assert!(!listed.commits[0].user.is_empty());
    assert!(listed.unsaved);
    assert_eq!(
        listed.commits[0].summary,
        "ha.peer_check_interval_ms: 50 -> 70"
    );
}

#[test]
fn rule_24_what_is_not_confirmed_comes_back_by_itself() {
    on_a_fair_machine(what_is_not_confirmed_comes_back_by_itself);
}

fn what_is_not_confirmed_comes_back_by_itself() {
    let mut lab = pair();
    let side = Side::B;
    // in time, and not
    let done = changes(ask(&lab, side, &commit(with_flaps(&lab, side, 5), Some(3))));
    assert_eq!(done.confirm_within_s, Some(3));
    assert_eq!(max_flaps(&lab, side), 5);
    assert!(alarmed(&lab, side, "commit_unconfirmed"));
    assert!(
        commits(&lab, side)
            .rollback_in_ms
            .is_some_and(|ms| ms <= 3000)
    );
    assert!(refused(ask(&lab, side, &Request::SaveConfig)).contains("confirm"));
    assert!(refused(set(&lab, side, "ha.max_flaps", "9")).contains("waits to be confirmed"));
    wait_until("the rollback", CHANGE, || max_flaps(&lab, side) == 0);
    assert!(!alarmed(&lab, side, "commit_unconfirmed"));
    assert!(happened(&lab, side, "commit_not_confirmed"));
    let listed = commits(&lab, side);
    assert_eq!(listed.commits[0].by, "rollback (not confirmed)");
    assert!(!listed.unsaved);
    assert!(refused(ask(&lab, side, &Request::Confirm)).contains("no commit waits"));

    // confirmed: it stays, also over a kill
    changes(ask(
        &lab,
        side,
        &commit(with_flaps(&lab, side, 6), Some(600)),
    ));
    assert!(matches!(ask(&lab, side, &Request::Confirm), Reply::Ok(_)));
    // a kill while one waits: it goes on waiting
    changes(ask(
        &lab,
        side,
        &commit(with_flaps(&lab, side, 7), Some(600)),
    ));
    lab.kill(side).unwrap();
    lab.restart(side).unwrap();
    lab.settle(Some(Side::A), SETTLE).unwrap();
    assert_eq!(max_flaps(&lab, side), 7);
    assert!(alarmed(&lab, side, "commit_unconfirmed"));
    assert!(happened(&lab, side, "started_from_commit"));
    let left = commits(&lab, side).rollback_in_ms.unwrap();
    assert!((1..600_000).contains(&left), "{left}");
    // the time ends while nothing runs
    changes(ask(&lab, side, &commit(with_flaps(&lab, side, 8), Some(2))));
    lab.kill(side).unwrap();
    std::thread::sleep(Duration::from_millis(2200));
    lab.restart(side).unwrap();
    lab.settle(Some(Side::A), SETTLE).unwrap();
    assert_eq!(max_flaps(&lab, side), 6, "what was confirmed last");
    assert!(happened(&lab, side, "commit_not_confirmed"));
    assert_eq!(commits(&lab, side).rollback_in_ms, None);
    // an operator's own way back
    let request = Request::Rollback {
        number: 1,
        force: false,
    };
    assert_eq!(changes(ask(&lab, side, &request)).changes.len(), 1);
    assert_eq!(max_flaps(&lab, side), 8);
}

#[test]
fn rule_24_the_file_is_the_operators() {
    on_a_fair_machine(the_file_is_the_operators);
}

fn the_file_is_the_operators() {
    let mut lab = pair();
    let side = Side::B;
    let file = lab.engine(side).config.clone();
    let before = fs::read_to_string(&file).unwrap();
    changes(set(&lab, side, "ha.max_flaps", "5"));
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        before,
        "only `save` writes it"
    );
    assert!(matches!(
        ask(&lab, side, &Request::SaveConfig),
        Reply::Ok(_)
    ));
    let saved = fs::read_to_string(&file).unwrap();
    assert_eq!(
        saved,
        before.replace("max_flaps = 0", "max_flaps = 5"),
        "comments stay"
    );
    assert!(!commits(&lab, side).unsaved);
    // edited under an unsaved commit: not overwritten; after a restart it counts
    changes(set(&lab, side, "ha.max_flaps", "6"));
    fs::write(&file, saved.replace("max_flaps = 5", "max_flaps = 9")).unwrap();
    let reason = refused(ask(&lab, side, &Request::SaveConfig));
    assert!(reason.contains("was edited"), "{reason}");
    lab.kill(side).unwrap();
    lab.restart(side).unwrap();
    lab.settle(Some(Side::A), SETTLE).unwrap();
    assert_eq!(max_flaps(&lab, side), 9);
    assert!(happened(&lab, side, "file_edited"));
    // a reload is recorded
    lab.engine(side).reload(&saved).unwrap();
    assert_eq!(max_flaps(&lab, side), 5);
    assert_eq!(commits(&lab, side).commits[0].by, "reload");
    // what needs a restart is kept for it
    let text = saved.replace("memory_mb = 64", "memory_mb = 65");
    let done = changes(ask(&lab, side, &commit(text, None)));
    assert_eq!(done.changes[0].applies, "restart");
    assert!(
        done.warnings
            .iter()
            .any(|w| w.contains("next start: eal.memory_mb"))
    );
    assert_eq!(config(&lab, side).config["eal"]["memory_mb"], 64);
    lab.kill(side).unwrap();
    lab.restart(side).unwrap();
    lab.settle(Some(Side::A), SETTLE).unwrap();
    assert_eq!(config(&lab, side).config["eal"]["memory_mb"], 65);
    assert_eq!(fs::read_to_string(&file).unwrap(), saved);
}

#[test]
fn rule_24_what_is_refused_changes_nothing() {
    on_a_fair_machine(what_is_refused_changes_nothing);
}

fn what_is_refused_changes_nothing() {
    let lab = pair();
    let side = Side::A;
    let text = fs::read_to_string(&lab.engine(side).config).unwrap();
    let digest = config(&lab, side).digest;
    let listed = commits(&lab, side);
    for hostile in [
        String::new(),
        "\0\0".into(),
        "[[[[".into(),
        "[a.".repeat(10_000),
        "x = ".to_owned() + &"[".repeat(50_000),
        "a = 1\n".repeat(50_000),
        text.replace("id = 1", "id = 99999999999999999999"),
        text.replace("max_flaps = 0", "max_flaps = 5000\nnonsense = 1"),
        text.clone() + &"#".repeat(1 << 20),
    ] {
        let reply = ask(&lab, side, &commit(hostile, None));
        // a comment of a megabyte is no change
        if let Reply::Ok(Payload::Changes(done)) = &reply {
            assert!(done.changes.is_empty(), "{done:?}");
        } else {
            refused(reply);
        }
    }
    let two = text.replace("max_flaps = 0", "max_flaps = 5000\nnonsense = 1");
    let reason = refused(ask(&lab, side, &commit(two, None)));
    assert!(
        reason.contains("ha.max_flaps = 5000") && reason.contains("ha.nonsense"),
        "{reason}"
    );
    // made from what is not in force any more
    let mut stale = commit(with_flaps(&lab, side, 3), None);
    if let Request::Commit { base_unix_ms, .. } = &mut stale {
        *base_unix_ms = Some(listed.commits[0].time_unix_ms - 1);
    }
    assert!(refused(ask(&lab, side, &stale)).contains("another change came since"));
    for seconds in [0, 86_401, u64::MAX] {
        let late = commit(with_flaps(&lab, side, 3), Some(seconds));
        assert!(refused(ask(&lab, side, &late)).contains("1 to 86400"));
    }
    // a role would move: the active one has one link
    let reason = refused(set(&lab, side, "ha.links.minimum_active", "2"));
    assert!(reason.contains("minimum_active"), "{reason}");
    // a key that the peer does not sign with
    let key = lab.run().directory().join("other.key");
    engine::write_key(&key, &engine::new_key().unwrap()).unwrap();
    let reason = refused(set(&lab, side, "ha.key_file", key.to_str().unwrap()));
    assert!(reason.contains("ha.next_key_file"), "{reason}");
    let reason = refused(set(&lab, side, "ha.max_flop", "3"));
    assert!(reason.contains("did you mean ha.max_flaps?"), "{reason}");
    assert!(refused(set(&lab, side, "ha.in_band", "true")).contains("restart"));
    assert_eq!(config(&lab, side).digest, digest);
    assert_eq!(commits(&lab, side).commits, listed.commits);
    assert_eq!(lab.both().settled(), Some(Side::A), "{}", lab.both().line());
    // a difference is told, and nothing done
    let request = Request::DiffConfig {
        toml: with_flaps(&lab, side, 3),
    };
    assert_eq!(
        changes(ask(&lab, side, &request)).changes[0].key,
        "ha.max_flaps"
    );
    assert_eq!(config(&lab, side).digest, digest);
}
