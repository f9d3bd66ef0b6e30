//! The scenes: each makes one thing happen while traffic runs, and is judged by its rule.

mod busy;
mod load;
mod paths;
mod scripts;

use crate::error::{LabError, Result};
use crate::judge::{MACHINE_SLACK_MS, Measured, RoleChange, Rule, SceneResult, judge};
use crate::lab::{Both, Lab};
use crate::probe::tcp::TcpReport;
use crate::stall::StallMeter;
use crate::status;
use crate::topology::Side;
use crate::traffic::{Load, Traffic};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use twinline_control::Event;

/// How long the lab waits for a settled state.
const SETTLE: Duration = Duration::from_secs(40);
/// How long it waits for a single change of role.
const CHANGE: Duration = Duration::from_secs(15);
/// Traffic before the event: the switches learn, the ACTIVE tells its peer what they learnt.
const WARM_UP: Duration = Duration::from_millis(1500);
/// Traffic after the event.
const TAIL: Duration = Duration::from_millis(1000);

/// What happens in a scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scene {
    /// The operator's orderly switch-over.
    Switchover,
    /// SIGKILL of the active.
    Kill,
    /// The killed primary comes back and takes its role back.
    Preempt,
    /// SIGSTOP of the active, SIGCONT when the peer has taken over.
    Stop,
    /// One leg of the active's pair is cut, and repaired.
    Cut,
    /// The active is suspended.
    Suspend,
    /// The suspended one is resumed.
    Resume,
    /// SIGTERM of the active: it hands over and ends.
    Terminate,
    /// The traffic falls below the minimum bandwidth.
    Load,
    /// The HA link is cut, and repaired; heartbeats go on in-band.
    HaCut,
    /// Both paths of heartbeats are cut, and repaired.
    Split,
    /// Busy processes beside the pair.
    Busy,
}

impl Scene {
    /// All, in the order in which they are played.
    pub const ALL: [Scene; 12] = [
        Scene::Switchover,
        Scene::Terminate,
        Scene::Kill,
        Scene::Preempt,
        Scene::Stop,
        Scene::Cut,
        Scene::Suspend,
        Scene::Resume,
        Scene::Load,
        Scene::HaCut,
        Scene::Split,
        Scene::Busy,
    ];

    /// All that routers play: they have no link pair whose bandwidth could fall.
    #[must_use]
    pub fn routed() -> Vec<Scene> {
        Self::ALL
            .into_iter()
            .filter(|scene| *scene != Scene::Load)
            .collect()
    }

    /// Its name on the command line and in the results.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Scene::Switchover => "switchover",
            Scene::Kill => "kill",
            Scene::Preempt => "preempt",
            Scene::Stop => "stop",
            Scene::Cut => "cut",
            Scene::Suspend => "suspend",
            Scene::Resume => "resume",
            Scene::Terminate => "terminate",
            Scene::Load => "load",
            Scene::HaCut => "ha-cut",
            Scene::Split => "split",
            Scene::Busy => "busy",
        }
    }

    /// The scene of a name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scene| scene.name() == name)
    }

    /// The rule that it is measured by.
    #[must_use]
    pub fn rule(self, interval_ms: u32, threshold: u32, survivor_was_late: bool) -> Rule {
        match self {
            Scene::Switchover
            | Scene::Preempt
            | Scene::Suspend
            | Scene::Resume
            | Scene::Terminate => Rule::Orderly,
            Scene::Kill | Scene::Stop => Rule::Detection {
                interval_ms,
                threshold,
                survivor_was_late,
            },
            Scene::Cut => Rule::Links { interval_ms },
            Scene::Load => Rule::Bandwidth {
                interval_s: load::INTERVAL_S,
            },
            Scene::HaCut => Rule::TwoPaths,
            Scene::Split => Rule::Split,
            Scene::Busy => Rule::Steady,
        }
    }
}

/// What the script of a scene leaves behind.
struct Played {
    after: Both,
    faults: Vec<String>,
    notes: Vec<String>,
}

/// How often a scene is played at most.
const PLAYED_AT_MOST: usize = 3;

/// Plays a scene. One that is not ok is played again when the machine itself stood still for
/// longer than the slack that every allowance contains ([`crate::stall`]): then nothing was
/// measured. The result says so. `busy` is played once: there the stall is the scene.
///
/// # Errors
/// As [`play_once`].
pub fn play(lab: &mut Lab, scene: Scene, load: Load) -> Result<SceneResult> {
    if scene == Scene::Busy {
        return play_once(lab, scene, load);
    }
    let cores = lab.settings.meter_cores();
    let mut spoilt = Vec::new();
    loop {
        let meter = StallMeter::start(&cores);
        let mut result = play_once(lab, scene, load)?;
        let stall_ms = meter.finish();
        let again = !result.ok && stall_ms > MACHINE_SLACK_MS && spoilt.len() + 1 < PLAYED_AT_MOST;
        if again {
            spoilt.push(format!(
                "played again: the machine held a thread for {stall_ms:.0} ms, more than the \
                 {MACHINE_SLACK_MS} ms allowed for ({})",
                result.faults.join("; ")
            ));
            continue;
        }
        result.notes.append(&mut spoilt);
        return Ok(result);
    }
}

/// Plays a scene and judges it. The state is settled before, with A as the active one where the
/// scene does not say otherwise.
///
/// # Errors
/// When the lab or an engine fails so that nothing can be measured.
pub fn play_once(lab: &mut Lab, scene: Scene, load: Load) -> Result<SceneResult> {
    set_the_stage(lab, scene)?;
    let before = lab.both();
    let window = Duration::from_millis(
        u64::from(lab.settings.interval_ms) * u64::from(lab.settings.threshold),
    );
    let begin = SystemTime::now();
    let (interval_ms, threshold) = (lab.settings.interval_ms, lab.settings.threshold);
    let mut traffic = match Traffic::start(lab, load) {
        Ok(traffic) => traffic,
        // no path although one is ACTIVE: the switches were not taught, or the gate is shut
        Err(LabError::Io { what, source }) if source.kind() == ErrorKind::TimedOut => {
            let fault = format!("no traffic passes before the scene begins: {what}: {source}");
            let rule = scene.rule(interval_ms, threshold, false);
            let measured = Measured {
                roles: roles(&before, &before),
                faults: vec![fault],
                tcp: TcpReport {
                    fault: "never connected".into(),
                    ..TcpReport::default()
                },
                events: events_since(lab, begin - Duration::from_secs(10)),
                ..Measured::default()
            };
            return Ok(judge(scene.name(), rule, interval_ms, threshold, measured));
        }
        Err(e) => return Err(e),
    };
    std::thread::sleep(WARM_UP);
    let carried = Side::BOTH.map(|side| carried(lab, side));
    let played = match scene {
        Scene::Switchover => scripts::switchover(lab),
        Scene::Kill => scripts::kill(lab),
        Scene::Preempt => scripts::preempt(lab),
        Scene::Stop => scripts::stop(lab),
        Scene::Cut => scripts::cut(lab),
        Scene::Suspend => scripts::suspend(lab),
        Scene::Resume => scripts::resume(lab),
        Scene::Terminate => scripts::terminate(lab),
        Scene::Load => load::play(lab, &mut traffic, load),
        Scene::HaCut => paths::ha_cut(lab),
        Scene::Split => paths::split(lab),
        Scene::Busy => busy::play(lab, load.busy_seconds),
    };
    // the threads end whatever became of the script
    let measured = traffic.stop(window);
    let mut measured = measured?;
    let played = match played {
        Ok(played) => played,
        // the script did not come to its end: a fault of the engine, and still a measurement
        Err(e) if e.is_the_engines() => Played {
            after: lab.both(),
            faults: vec![e.to_string()],
            notes: Vec::new(),
        },
        Err(e) => return Err(e),
    };
    measured.roles = roles(&before, &played.after);
    measured.faults = played.faults;
    measured.notes = played.notes;
    // B survives in the scenes that a late survivor may prolong
    let survivor_was_late = note_stalls(lab, &before, &mut measured).contains(&Side::B);
    measured.events = events_since(lab, begin);
    let mut result = judge(
        scene.name(),
        scene.rule(interval_ms, threshold, survivor_was_late),
        interval_ms,
        threshold,
        measured,
    );
    if !result.ok {
        result.notes.extend(evidence(lab, &carried));
    }
    if lab.engine(Side::A).pid().is_none() {
        lab.restart(Side::A)?;
    }
    Ok(result)
}

/// What an engine's workers carried and dropped so far, in words.
fn carried(lab: &Lab, side: Side) -> Vec<String> {
    status::carried(&lab.engine(side).socket).unwrap_or_else(|e| vec![e.to_string()])
}

/// What is known of a scene that is not ok, for whoever has to find out why: what was carried by
/// then (`before`: just before the event), and both logs.
fn evidence(lab: &Lab, before: &[Vec<String>; 2]) -> Vec<String> {
    let mut lines = Vec::new();
    for (side, before) in Side::BOTH.into_iter().zip(before) {
        let after = carried(lab, side);
        lines.extend(before.iter().map(|line| format!("{side} before: {line}")));
        lines.extend(after.iter().map(|line| format!("{side} after: {line}")));
    }
    lines.push(lab.logs());
    lines
}

fn set_the_stage(lab: &mut Lab, scene: Scene) -> Result<()> {
    match scene {
        Scene::Preempt => {
            lead(lab, Side::A)?;
            lab.kill(Side::A)?;
            lab.wait_for(Side::B, "ACTIVE", CHANGE, |s| s.is("ACTIVE"))?;
        }
        Scene::Resume => {
            lead(lab, Side::A)?;
            lab.engine(Side::A).ctl("ha suspend")?;
            lab.wait_for(Side::A, "SUSPENDED", CHANGE, |s| s.is("SUSPENDED"))?;
            lab.wait_for(Side::B, "ACTIVE", CHANGE, |s| s.is("ACTIVE"))?;
        }
        _ => lead(lab, Side::A)?,
    }
    Ok(())
}

/// Waits for a settled state and makes `side` the active one, by the operator's word if need be.
///
/// # Errors
/// When that does not happen in time.
pub fn lead(lab: &mut Lab, side: Side) -> Result<()> {
    let both = lab.both();
    if both.of(side).is_some_and(|s| s.is("SUSPENDED")) {
        lab.engine(side).ctl("ha resume")?;
    }
    if lab.settle(None, SETTLE)? != side {
        // a preemption under way refuses the verb, and does the same
        let _ = lab.engine(side.other()).ctl("ha switchover");
    }
    lab.settle(Some(side), SETTLE).map(drop)
}

/// Changes of role that an engine recorded since `begin`, oldest first.
///
/// # Errors
/// When the engine does not answer: one that died has changed its role and cannot tell.
pub fn role_changes(lab: &Lab, side: Side, begin: SystemTime) -> Result<Vec<Event>> {
    let begin = unix_ms(begin);
    let mut events = status::events(&lab.engine(side).socket)?;
    events.retain(|event| event.what == "role" && event.time_unix_ms >= begin);
    Ok(events)
}

fn unix_ms(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_millis() as u64)
}

fn roles(before: &Both, after: &Both) -> BTreeMap<String, RoleChange> {
    Side::BOTH
        .map(|side| (side.name().to_owned(), change(before, after, side)))
        .into()
}

fn change(before: &Both, after: &Both, side: Side) -> RoleChange {
    let of = |both: &Both| match both.of(side) {
        Some(status) => (status.role.clone(), status.reason.clone()),
        None => ("(not running)".into(), String::new()),
    };
    let ((before, before_reason), (after, after_reason)) = (of(before), of(after));
    RoleChange {
        before,
        before_reason,
        after,
        after_reason,
    }
}

/// Says beside the result when the machine let an engine or our own sender stand still; gives the
/// engines whose loops were late by more than half an interval during the scene.
fn note_stalls(lab: &Lab, before: &Both, measured: &mut Measured) -> Vec<Side> {
    let mut late = Vec::new();
    let half = f64::from(lab.settings.interval_ms) / 2.0;
    let now = lab.both();
    for side in Side::BOTH {
        let Some(status) = now.of(side) else { continue };
        // an engine that was started anew counts from zero again
        let counted = before.of(side).map_or(0, |s| s.late_count);
        let times = status
            .late_count
            .checked_sub(counted)
            .unwrap_or(status.late_count);
        if times > 0 {
            late.push(side);
            measured.notes.push(format!(
                "{side}'s loop was late by more than {half:.0} ms {times} times (its worst since \
                 its start: {:.1} ms): the machine, or the scene itself, held it",
                status.worst_late_ms
            ));
        }
    }
    if measured.udp.send_gap_ms > half {
        let gap = measured.udp.send_gap_ms;
        measured.notes.push(format!(
            "the machine held the probe's sender for {gap:.1} ms"
        ));
    }
    late
}

/// The events of both engines since `begin`, one line each, in the order of time.
fn events_since(lab: &Lab, begin: SystemTime) -> Vec<String> {
    let begin = unix_ms(begin);
    let mut all = Vec::new();
    for side in Side::BOTH {
        // one that was killed has none to tell
        for event in status::events(&lab.engine(side).socket).unwrap_or_default() {
            if let Some(at) = event.time_unix_ms.checked_sub(begin) {
                let Event {
                    what,
                    from,
                    to,
                    why,
                    detail,
                    ..
                } = event;
                all.push((
                    at,
                    format!("+{at} ms {side} {what}: {from} -> {to} ({why}) {detail}"),
                ));
            }
        }
    }
    all.sort();
    all.into_iter()
        .map(|(_, line)| line.trim_end().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scene_has_a_name_of_its_own() {
        for scene in Scene::ALL {
            assert_eq!(Scene::by_name(scene.name()), Some(scene));
        }
        assert_eq!(Scene::by_name("nonsense"), None);
    }
}
