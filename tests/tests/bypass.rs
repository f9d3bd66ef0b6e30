//! Rules 13 to 16 with modelled cards behind real ports: a dead box becomes a wire, or nothing.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, not excepted"
)]

use std::time::{Duration, Instant};
use twinline_bypass::Path;
use twinline_bypass::model::Cable;
use twinline_control::BypassStatus;
use twinline_tests::engine::{self, Settings};
use twinline_tests::fair::on_a_fair_machine;
use twinline_tests::lab::{CardSetUp, Lab};
use twinline_tests::panel::CardKind;
use twinline_tests::probe::broadcast::Broadcasts;
use twinline_tests::probe::udp::UdpProbe;
use twinline_tests::sys::HeldThread;
use twinline_tests::topology::{Leg, Shape, Side};
use twinline_tests::{scenes, status};

const SETTLE: Duration = Duration::from_secs(40);
const CHANGE: Duration = Duration::from_secs(15);
/// The watchdog that is asked for, and what Silicom's ladder makes of it.
const WATCHDOG_MS: u32 = 700;
const LADDER: Duration = Duration::from_millis(800);
/// Above the watchdog: the relays (4 ms), `ip` that moves the cables, the look of a millisecond,
/// and a machine on which a sleeper is held for 20 ms, each time.
const RELAYS: Duration = Duration::from_millis(150);

/// An interface that came up sends nothing for up to a second (the kernel's linkwatch): a card that
/// goes inline lets the appliance's interfaces up.
const LINKS: Duration = Duration::from_millis(1200);

fn lab(shape: Shape, kind: CardKind, watchdog_ms: u32, max_flaps: u32) -> Lab {
    let settings = Settings {
        interval_ms: 50,
        threshold: 5,
        preempt_delay_s: 3600,
        in_band: false,
        huge: engine::hugepages_suffice(),
        cores: (0, 1),
    };
    let cards = CardSetUp {
        shape,
        kind,
        watchdog_ms,
        max_flaps,
    };
    let mut lab = Lab::up_with_cards(&engine::find(None).unwrap(), settings, cards).unwrap();
    scenes::lead(&mut lab, Side::A).unwrap();
    for side in Side::BOTH {
        inline(&mut lab, side);
    }
    std::thread::sleep(LINKS);
    lab
}

fn card(lab: &Lab, side: Side) -> BypassStatus {
    status::bypass(&lab.engine(side).socket).unwrap().remove(0)
}

/// Waits until a side's cables are so.
fn until(lab: &Lab, side: Side, path: Path, limit: Duration) -> Duration {
    let begin = Instant::now();
    while lab.panel(side).since(path).is_none() {
        assert!(
            begin.elapsed() < limit,
            "{side}: not {path} within {limit:?}: {:?}: {:?}\n{}",
            lab.panel(side),
            status::bypass(&lab.engine(side).socket),
            lab.logs()
        );
        std::thread::sleep(Duration::from_millis(1));
    }
    begin.elapsed()
}

fn inline(lab: &mut Lab, side: Side) {
    until(lab, side, Path::Inline, CHANGE);
    lab.wait_for(side, "fit", CHANGE, |s| s.is("ACTIVE") || s.is("PASSIVE"))
        .unwrap();
}

/// What a probe of a thousand a second saw while `what` happened and for a while after.
fn probed(lab: &mut Lab, after: Duration, what: impl FnOnce(&mut Lab)) -> (f64, u64) {
    let begin = Instant::now();
    let probe = UdpProbe::start(&lab.topology, 1000).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    what(lab);
    std::thread::sleep(after);
    let report = probe
        .stop(Duration::from_millis(300), Duration::from_millis(500))
        .unwrap();
    let way = &report.round_trip;
    let rate = report.rate;
    if way.lost > 0 {
        let moves = Side::BOTH.map(|side| lab.panel(side).moves());
        let at = |m: &twinline_tests::panel::Moved| {
            (m.cable, m.at.saturating_duration_since(begin).as_millis())
        };
        println!(
            "outage at {:.0} ms; the relays, in ms: {:?}",
            way.outage_at_ms,
            moves.map(|m| m.iter().map(at).collect::<Vec<_>>())
        );
    }
    // it must have come to an end
    let end_ms = way.sent as f64 * 1000.0 / rate;
    if way.lost > 0 && std::env::var_os("HOLD").is_some() {
        println!("held: {}", lab.run().prefix());
        std::thread::sleep(Duration::from_secs(60));
    }
    assert!(
        way.lost == 0 || way.outage_at_ms + way.outage_ms < end_ms - 100.0,
        "no probe came back from {:.0} ms on, of {end_ms:.0}\n{}",
        way.outage_at_ms,
        lab.logs()
    );
    (report.outage_ms(), report.lost())
}

/// An end-to-end path that is a wire, whoever is dead.
fn flows(lab: &mut Lab) {
    let (outage_ms, lost) = probed(lab, Duration::from_millis(500), |_| {});
    assert_eq!(lost, 0, "outage {outage_ms} ms\n{}", lab.logs());
}

#[test]
fn rule_15_in_series_a_killed_engine_becomes_a_wire_within_watchdog_and_relays() {
    on_a_fair_machine(a_killed_engine_becomes_a_wire);
}

fn a_killed_engine_becomes_a_wire() {
    let mut lab = lab(Shape::SeriesBehindCards, CardKind::Silicom, WATCHDOG_MS, 0);
    let shown = card(&lab, Side::A);
    assert_eq!(shown.path.as_deref(), Some("inline"));
    assert_eq!(shown.source, "sensed");
    assert_eq!(shown.watchdog_ms, Some(800), "rounded up to the ladder");
    assert!(shown.kicks > 0);
    flows(&mut lab);
    // A alone on the wire: what B is beside it, a wire
    lab.kill(Side::B).unwrap();
    until(&lab, Side::B, Path::Bypass, LADDER + RELAYS);
    lab.wait_for(Side::A, "fit", CHANGE, |s| s.is("ACTIVE"))
        .unwrap();
    std::thread::sleep(LINKS);
    flows(&mut lab);
    let (outage_ms, lost) = probed(&mut lab, LADDER, |lab| {
        lab.kill(Side::A).unwrap();
        until(lab, Side::A, Path::Bypass, LADDER + RELAYS);
    });
    println!("killed: outage {outage_ms:.0} ms, {lost} probes lost");
    assert!(lost > 0, "it was in the way");
    let bound = (LADDER + RELAYS).as_secs_f64() * 1000.0;
    assert!(outage_ms <= bound, "{outage_ms} ms, allowed {bound}");
    // nobody left at all: a wire from end to end
    flows(&mut lab);
    // a start in the middle of a working wire: listening first, and the card stays until then
    let (outage_ms, lost) = probed(&mut lab, LINKS, |lab| {
        lab.restart(Side::A).unwrap();
        lab.wait_for(Side::A, "ACTIVE", CHANGE, |s| s.is("ACTIVE"))
            .unwrap();
        until(lab, Side::A, Path::Inline, CHANGE);
    });
    println!("back inline: outage {outage_ms:.0} ms, {lost} probes lost");
    flows(&mut lab);
    // and with a living neighbour, whose links follow the relays
    lab.restart(Side::B).unwrap();
    inline(&mut lab, Side::B);
    std::thread::sleep(LINKS);
    flows(&mut lab);
    let (outage_ms, lost) = probed(&mut lab, LINKS + LADDER, |lab| {
        lab.kill(Side::A).unwrap();
        until(lab, Side::A, Path::Bypass, LADDER + RELAYS);
    });
    println!("killed beside a living one: outage {outage_ms:.0} ms, {lost} probes lost");
    let bound = (LADDER + RELAYS + LINKS).as_secs_f64() * 1000.0;
    assert!(outage_ms <= bound, "{outage_ms} ms, allowed {bound}");
}

#[test]
fn rule_15_a_hung_worker_becomes_a_wire_and_comes_back() {
    on_a_fair_machine(a_hung_worker_becomes_a_wire);
}

fn a_hung_worker_becomes_a_wire() {
    let mut lab = lab(Shape::SeriesBehindCards, CardKind::Silicom, WATCHDOG_MS, 0);
    let worker = lab.engine(Side::A).worker_thread().unwrap();
    let (outage_ms, lost) = probed(&mut lab, Duration::from_millis(300), |lab| {
        let held = HeldThread::hold(worker).unwrap();
        // the last kick may have been made up to a quarter of the period before
        until(lab, Side::A, Path::Bypass, LADDER + RELAYS);
        std::thread::sleep(Duration::from_millis(300));
        drop(held);
    });
    println!("hung: outage {outage_ms:.0} ms, {lost} probes lost");
    assert!(lost > 0);
    assert!(
        outage_ms <= (LADDER + RELAYS).as_secs_f64() * 1000.0,
        "{outage_ms} ms"
    );
    // The worker turns again: the card is brought back.
    until(&lab, Side::A, Path::Inline, Duration::from_secs(10));
    let events = status::events(&lab.engine(Side::A).socket).unwrap();
    let expired = |e: &&twinline_control::Event| e.why == "watchdog_expired" && e.to == "bypass";
    assert_eq!(events.iter().filter(expired).count(), 1);
}

#[test]
fn rules_13_14_16_too_many_flaps_latch_in_parallel_and_clear_brings_back() {
    on_a_fair_machine(too_many_flaps_latch);
}

fn too_many_flaps_latch() {
    let mut lab = lab(
        Shape::ParallelBehindCards,
        CardKind::Silicom,
        WATCHDOG_MS,
        1,
    );
    for flap in 1..=2 {
        scenes::lead(&mut lab, Side::A).unwrap();
        lab.topology.set_cable(Side::A, Leg::Lan, false).unwrap();
        lab.wait_for(Side::B, "ACTIVE", CHANGE, |s| s.is("ACTIVE"))
            .unwrap();
        lab.topology.set_cable(Side::A, Leg::Lan, true).unwrap();
        if flap == 1 {
            lab.wait_for(Side::A, "PASSIVE", CHANGE, |s| s.is("PASSIVE"))
                .unwrap();
        }
    }
    lab.wait_for(Side::A, "BYPASS", CHANGE, |s| s.is("BYPASS"))
        .unwrap();
    // beside an active peer a wire would be a loop: nothing is joined
    until(&lab, Side::A, Path::Disconnect, CHANGE);
    flows(&mut lab);
    // the latch, and the card with it, survives a restart
    lab.kill(Side::A).unwrap();
    lab.restart(Side::A).unwrap();
    lab.wait_for(Side::A, "BYPASS", CHANGE, |s| s.is("BYPASS"))
        .unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(lab.panel(Side::A).cable(), Cable::Open);
    lab.engine(Side::A).ctl("ha clear").unwrap();
    inline(&mut lab, Side::A);
    assert_eq!(lab.settle(None, SETTLE).unwrap(), Side::B);
    flows(&mut lab);
}

#[test]
fn rule_14_in_parallel_a_dead_box_is_disconnected_since_a_wire_would_be_a_loop() {
    on_a_fair_machine(a_dead_box_in_parallel_is_disconnected);
}

fn a_dead_box_in_parallel_is_disconnected() {
    let mut lab = lab(
        Shape::ParallelBehindCards,
        CardKind::Silicom,
        WATCHDOG_MS,
        0,
    );
    let broadcasts = Broadcasts::start(&lab.topology, 400).unwrap();
    lab.kill(Side::A).unwrap();
    until(&lab, Side::A, Path::Disconnect, LADDER + RELAYS);
    lab.wait_for(Side::B, "ACTIVE", CHANGE, |s| s.is("ACTIVE"))
        .unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let report = broadcasts.stop(Duration::from_millis(300)).unwrap();
    assert!(report.ok, "{report:?}");
    // What it would have been: an operator has to insist, and then it is one.
    lab.restart(Side::A).unwrap();
    inline(&mut lab, Side::A);
    let refused = lab.engine(Side::A).ctl("set bypass wire bypass");
    assert!(refused.unwrap_err().to_string().contains("a loop"));
    let broadcasts = Broadcasts::start(&lab.topology, 50).unwrap();
    lab.engine(Side::A)
        .ctl("set bypass wire bypass --force")
        .unwrap();
    until(&lab, Side::A, Path::Bypass, CHANGE);
    std::thread::sleep(Duration::from_millis(100));
    lab.engine(Side::A)
        .ctl("set bypass wire disconnect")
        .unwrap();
    until(&lab, Side::A, Path::Disconnect, CHANGE);
    let report = broadcasts.stop(Duration::from_millis(300)).unwrap();
    assert!(!report.ok, "a joined pair beside an active one: {report:?}");
    lab.engine(Side::A).ctl("set bypass wire inline").unwrap();
    inline(&mut lab, Side::A);
}

#[test]
fn rule_14_an_orderly_end_leaves_a_wire_and_power_off_as_well() {
    on_a_fair_machine(an_orderly_end_leaves_a_wire);
}

fn an_orderly_end_leaves_a_wire() {
    let mut lab = lab(Shape::SeriesBehindCards, CardKind::Silicom, WATCHDOG_MS, 0);
    let (outage_ms, lost) = probed(&mut lab, Duration::from_millis(500), |lab| {
        lab.terminate(Side::A).unwrap();
        assert_eq!(lab.panel(Side::A).cable(), Cable::Joined);
    });
    // only what the relays took
    println!("stopped: outage {outage_ms:.0} ms, {lost} probes lost");
    assert!(outage_ms <= RELAYS.as_secs_f64() * 1000.0, "{outage_ms} ms");
    // The plug is pulled: the card was told at its start where to go then.
    lab.engine(Side::B)
        .ctl("set bypass event wire power_off bypass")
        .unwrap();
    lab.kill(Side::B).unwrap();
    lab.panel(Side::B).silicom().unwrap().power_off();
    until(&lab, Side::B, Path::Bypass, RELAYS);
    flows(&mut lab);
}

#[test]
fn rule_15_slow_intel_cards_delay_no_heartbeat() {
    on_a_fair_machine(slow_cards_delay_no_heartbeat);
}

fn slow_cards_delay_no_heartbeat() {
    let mut lab = lab(Shape::SeriesBehindCards, CardKind::Intel, 4000, 0);
    let before = [Side::A, Side::B].map(|side| status::ha(&lab.engine(side).socket).unwrap());
    let begin = Instant::now();
    for to in ["disconnect", "inline"] {
        lab.engine(Side::B)
            .ctl(&format!("set bypass wire {to} --force"))
            .unwrap();
        until(&lab, Side::B, to.parse().unwrap(), CHANGE);
    }
    println!("two paths of a slow card: {:?}", begin.elapsed());
    for (side, before) in [Side::A, Side::B].into_iter().zip(before) {
        let after = status::ha(&lab.engine(side).socket).unwrap();
        let late = after.loop_lateness.late_count - before.loop_lateness.late_count;
        assert_eq!(late, 0, "{side}'s loop was late: {:?}", after.loop_lateness);
        let lost = |s: &twinline_control::HaStatus| s.peers[0].heartbeats_lost;
        assert_eq!(lost(&after), lost(&before), "{side}");
    }
    // kicks go on over many periods
    std::thread::sleep(Duration::from_secs(9));
    for side in Side::BOTH {
        let shown = card(&lab, side);
        assert!(
            !shown.expired && shown.path.as_deref() == Some("inline"),
            "{shown:?}"
        );
        assert_eq!(lab.panel(side).cable(), Cable::Ports);
    }
    lab.kill(Side::A).unwrap();
    until(&lab, Side::A, Path::Bypass, Duration::from_secs(5) + RELAYS);
    flows(&mut lab);
}
