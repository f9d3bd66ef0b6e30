//! Rule 5 on a running pair: keys are exchanged without a gap, captures are worth nothing.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, not excepted"
)]

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use twinline_control::{Event, HaStatus};
use twinline_tests::engine::{self, Settings};
use twinline_tests::fair::on_a_fair_machine;
use twinline_tests::heartbeats::HaTap;
use twinline_tests::lab::Lab;
use twinline_tests::topology::Side;
use twinline_tests::{scenes, status};
use twinline_wire::heartbeat::{Auth, DropCause, Expect, Key, StackName, parse};

const SETTLE: Duration = Duration::from_secs(40);
const CHANGE: Duration = Duration::from_secs(10);

/// A settled pair, A the active one; nothing but an event that a test makes moves the role.
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

fn ha(lab: &Lab, side: Side) -> HaStatus {
    status::ha(&lab.engine(side).socket).unwrap()
}

fn dropped(lab: &Lab, side: Side, cause: &str) -> u64 {
    let drops = ha(lab, side).heartbeat_drops;
    drops.get(cause).copied().unwrap_or(0)
}

/// What each engine had recorded at one moment.
struct Mark([u64; 2]);

impl Mark {
    fn now(lab: &Lab) -> Self {
        Self(Side::BOTH.map(|side| {
            let events = status::events(&lab.engine(side).socket).unwrap();
            events.last().map_or(0, |event| event.seq)
        }))
    }

    /// Events of a side since then.
    fn since(&self, lab: &Lab, side: Side) -> Vec<Event> {
        let mut events = status::events(&lab.engine(side).socket).unwrap();
        events.retain(|event| event.seq > self.0[usize::from(side == Side::B)]);
        events
    }

    /// Asserts that nothing was recorded since then on either side but reloads: no role, no
    /// health, no alarm. An event stays in the ring, so this looks at all of the time.
    fn quiet(&self, lab: &Lab, what: &str) {
        for side in Side::BOTH {
            let mut events = self.since(lab, side);
            events.retain(|event| event.why != "reloaded");
            assert!(events.is_empty(), "{what}: {side}: {events:#?}");
        }
    }

    /// Asserts that no role and no health changed since then on either side.
    fn steady(&self, lab: &Lab, what: &str) {
        for side in Side::BOTH {
            let mut events = self.since(lab, side);
            events.retain(|event| event.what == "role" || event.what.ends_with("health"));
            assert!(events.is_empty(), "{what}: {side}: {events:#?}");
        }
    }
}

/// The key files of a rotation.
struct Keys {
    old: PathBuf,
    new: PathBuf,
}

impl Keys {
    /// The key in use, and a new one beside it.
    fn lay(lab: &Lab) -> Self {
        let directory = lab.run().directory();
        let (old, new) = (directory.join("stack.key"), directory.join("new.key"));
        engine::write_key(&new, &engine::new_key().unwrap()).unwrap();
        Self { old, new }
    }
}

/// Reloads an engine with these keys.
fn use_keys(lab: &Lab, side: Side, key: &PathBuf, next: Option<&PathBuf>) {
    reload_with(lab, side, key, next).unwrap();
}

fn reload_with(
    lab: &Lab,
    side: Side,
    key: &PathBuf,
    next: Option<&PathBuf>,
) -> twinline_tests::Result<()> {
    let engine = lab.engine(side);
    let text = fs::read_to_string(&engine.config).unwrap();
    let mut lines: Vec<String> = text
        .lines()
        .filter(|line| !line.starts_with("next_key_file"))
        .map(str::to_owned)
        .collect();
    let at = lines
        .iter()
        .position(|line| line.starts_with("key_file"))
        .unwrap();
    lines[at] = format!("key_file = {key:?}");
    if let Some(next) = next {
        lines.insert(at + 1, format!("next_key_file = {next:?}"));
    }
    engine.reload(&(lines.join("\n") + "\n"))
}

/// Waits until both have taken ten more heartbeats of each other; gives how many were missing by
/// their sequence numbers, in sum.
fn heartbeats_go_on(lab: &Lab, what: &str) -> u64 {
    let counted = || Side::BOTH.map(|side| ha(lab, side).peers[0].heartbeats_received);
    let before = counted();
    let deadline = Instant::now() + CHANGE;
    while counted()
        .iter()
        .zip(before)
        .any(|(now, then)| *now < then + 10)
    {
        assert!(Instant::now() < deadline, "{what}: no heartbeats pass");
        std::thread::sleep(Duration::from_millis(20));
    }
    let lost = Side::BOTH.map(|side| ha(lab, side).peers[0].heartbeats_lost);
    lost.iter().sum()
}

/// Whether a frame was signed with the key of this file.
fn signed_with(frame: &[u8], key: &PathBuf) -> bool {
    let text = fs::read_to_string(key).unwrap();
    let mut bytes = [0u8; 32];
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[i * 2..i * 2 + 2], 16).unwrap();
    }
    let stack = StackName::new("lab").unwrap();
    let expect = Expect {
        udp_port: 11211,
        stack: &stack,
        own_instance: 99,
        auth: &Auth::keyed(Key::derive(&bytes), None),
    };
    match parse(frame, &expect) {
        Ok(_) => true,
        Err(DropCause::BadKey) => false,
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn rule_05_a_key_is_exchanged_without_a_gap() {
    on_a_fair_machine(a_key_is_exchanged_without_a_gap);
}

fn a_key_is_exchanged_without_a_gap() {
    let lab = pair();
    let Keys { old, new } = &Keys::lay(&lab);
    let mark = Mark::now(&lab);
    let lost = heartbeats_go_on(&lab, "before");
    let steps = [
        ("A knows the new key", Side::A, old, Some(new)),
        ("B knows the new key", Side::B, old, Some(new)),
        ("A signs with it", Side::A, new, Some(old)),
        ("B signs with it", Side::B, new, Some(old)),
        ("A forgets the old one", Side::A, new, None),
        ("B forgets the old one", Side::B, new, None),
    ];
    for (what, side, key, next) in steps {
        use_keys(&lab, side, key, next);
        assert_eq!(heartbeats_go_on(&lab, what), lost, "{what}: a gap");
        mark.quiet(&lab, what);
        for side in Side::BOTH {
            assert_eq!(dropped(&lab, side, "bad_key"), 0, "{what}: {side}");
        }
        // opened now: a tap keeps what came since it was opened
        let tap = HaTap::open(&lab.topology, side.other()).unwrap();
        let frames = tap.capture(Duration::from_millis(200)).unwrap();
        assert!(!frames.is_empty(), "{what}: {side} is silent");
        for frame in frames {
            assert!(signed_with(&frame, key), "{what}: signed with another key");
        }
    }
    assert!(
        lab.both().settled() == Some(Side::A),
        "{}",
        lab.both().line()
    );
}

#[test]
fn rule_24_a_key_that_the_peer_signs_with_cannot_be_dropped() {
    on_a_fair_machine(a_key_that_the_peer_signs_with_cannot_be_dropped);
}

fn a_key_that_the_peer_signs_with_cannot_be_dropped() {
    let mut lab = pair();
    let Keys { new, .. } = &Keys::lay(&lab);
    let lost = heartbeats_go_on(&lab, "before");
    let mark = Mark::now(&lab);
    let error = reload_with(&lab, Side::B, new, None)
        .unwrap_err()
        .to_string();
    assert!(error.contains("instance 1 signs"), "{error}");
    assert!(error.contains("ha.next_key_file"), "{error}");
    assert_eq!(heartbeats_go_on(&lab, "refused"), lost, "a gap");
    mark.steady(&lab, "refused");
    // Once the peer is gone there is nobody to be deaf to.
    lab.kill(Side::A).unwrap();
    lab.wait_for(Side::B, "ACTIVE", CHANGE, |s| s.is("ACTIVE"))
        .unwrap();
    reload_with(&lab, Side::B, new, None).unwrap();
}

#[test]
fn rule_05_keys_in_the_wrong_order_are_an_alarm_with_the_remedy() {
    on_a_fair_machine(keys_in_the_wrong_order_are_an_alarm_with_the_remedy);
}

fn keys_in_the_wrong_order_are_an_alarm_with_the_remedy() {
    let mut lab = pair();
    let Keys { old, new } = &Keys::lay(&lab);
    let mark = Mark::now(&lab);
    // B signs with a key that A was never given
    use_keys(&lab, Side::B, new, Some(old));
    let alarmed = |s: &status::Status| s.alarms.iter().any(|(name, _)| name == "bad_key");
    let seen = lab
        .wait_for(Side::A, "alarm bad_key", CHANGE, alarmed)
        .unwrap();
    let (_, text) = seen.alarms.iter().find(|(n, _)| n == "bad_key").unwrap();
    assert!(text.contains("same key file on all instances"), "{text}");
    let unhealthy = |s: &status::Status| s.peer == "UNHEALTHY";
    lab.wait_for(Side::A, "peer UNHEALTHY", CHANGE, unhealthy)
        .unwrap();
    assert!(dropped(&lab, Side::A, "bad_key") > 0);
    // B still verifies A by the old key, and knows that it is not heard itself
    let one_way = |s: &status::Status| s.alarms.iter().any(|(name, _)| name == "one_way");
    let seen = lab
        .wait_for(Side::B, "alarm one_way", CHANGE, one_way)
        .unwrap();
    assert!(seen.is("PASSIVE") && seen.peer_healthy(), "{}", seen.line());
    // what was left out is done: the pair heals by itself
    use_keys(&lab, Side::A, old, Some(new));
    assert_eq!(lab.settle(Some(Side::A), CHANGE).unwrap(), Side::A);
    let refused = dropped(&lab, Side::A, "bad_key");
    heartbeats_go_on(&lab, "healed");
    assert_eq!(dropped(&lab, Side::A, "bad_key"), refused);
    for side in Side::BOTH {
        let mut events = mark.since(&lab, side);
        events.retain(|event| event.what == "role");
        assert!(events.is_empty(), "{side}: {events:#?}");
    }
}

/// Sends a capture to an instance (from the far end of its HA cable) and waits until it has
/// counted every frame of it; asserts that nothing else came of it.
fn replayed(lab: &Lab, to: Side, frames: &[Vec<u8>], cause: &str) {
    let from = HaTap::open(&lab.topology, to.other()).unwrap();
    let before = dropped(lab, to, cause);
    let mark = Mark::now(lab);
    from.send(frames, Duration::from_millis(1)).unwrap();
    let wanted = before + frames.len() as u64;
    let deadline = Instant::now() + CHANGE;
    while dropped(lab, to, cause) < wanted && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    // longer than a failure window: a role that was to move would have
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(dropped(lab, to, cause), wanted, "{cause}");
    mark.steady(lab, cause);
    for side in Side::BOTH {
        // what it said of it, if anything
        for event in mark.since(lab, side) {
            println!("{cause}: {side}: {event:?}");
        }
    }
}

#[test]
fn rule_05_a_replayed_capture_moves_nothing() {
    on_a_fair_machine(a_replayed_capture_moves_nothing);
}

fn a_replayed_capture_moves_nothing() {
    let mut lab = pair();
    let capture = HaTap::open(&lab.topology, Side::B)
        .unwrap()
        .capture(Duration::from_secs(1))
        .unwrap();
    assert!(capture.len() >= 15, "{} frames", capture.len());
    // of the session that is alive
    replayed(&lab, Side::B, &capture, "replay");
    // of a session that ended: in it A says that it is ACTIVE
    lab.kill(Side::A).unwrap();
    lab.wait_for(Side::B, "ACTIVE", CHANGE, |s| s.is("ACTIVE"))
        .unwrap();
    lab.restart(Side::A).unwrap();
    assert_eq!(lab.settle(Some(Side::B), SETTLE).unwrap(), Side::B);
    replayed(&lab, Side::B, &capture, "old_session");
    assert_eq!(lab.both().settled(), Some(Side::B), "{}", lab.both().line());
}

#[test]
fn rule_05_a_capture_makes_no_active_peer_for_one_that_was_restarted() {
    on_a_fair_machine(a_capture_makes_no_active_peer_for_one_that_was_restarted);
}

fn a_capture_makes_no_active_peer_for_one_that_was_restarted() {
    let mut lab = pair();
    let capture = HaTap::open(&lab.topology, Side::B)
        .unwrap()
        .capture(Duration::from_secs(3))
        .unwrap();
    // both die; A, the ACTIVE one of the capture, for good
    lab.kill(Side::A).unwrap();
    lab.wait_for(Side::B, "ACTIVE", CHANGE, |s| s.is("ACTIVE"))
        .unwrap();
    lab.kill(Side::B).unwrap();
    assert!(lab.run().directory().join("b.state").is_file());
    let far_end = HaTap::open(&lab.topology, Side::A).unwrap();
    lab.restart(Side::B).unwrap();
    // the capture runs as if A lived, from before B listens until long after
    let adversary = std::thread::spawn(move || {
        far_end.send(&capture, Duration::from_millis(50)).unwrap();
        capture.len()
    });
    let begin = Instant::now();
    let active = lab
        .wait_for(Side::B, "ACTIVE", CHANGE, |s| s.is("ACTIVE"))
        .unwrap();
    let took = begin.elapsed();
    let sent = adversary.join().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let now = ha(&lab, Side::B);
    let dropped = now.heartbeat_drops.get("old_session").copied().unwrap_or(0);
    println!(
        "ACTIVE {} ms after its start ({}); {dropped} of {sent} frames reached it: old_session",
        took.as_millis(),
        active.reason
    );
    assert_eq!(active.reason, "no_peer_heard");
    assert_eq!(now.role, "ACTIVE");
    assert!(now.peers.is_empty(), "{:#?}", now.peers);
    // the capture was really there while B listened (5 x 50 ms) and after
    assert!(dropped >= 20, "{dropped} of {sent}");
    let roles: Vec<String> = status::events(&lab.engine(Side::B).socket)
        .unwrap()
        .into_iter()
        .filter(|event| event.what == "role")
        .map(|event| format!("{} -> {}", event.from, event.to))
        .collect();
    assert_eq!(roles, ["INIT -> ACTIVE"]);
}
