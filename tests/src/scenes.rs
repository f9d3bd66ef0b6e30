//! The scenes: each makes one thing happen while traffic runs, and is judged by its rule.

use crate::error::{LabError, Result};
use crate::judge::{MACHINE_SLACK_MS, Measured, RoleChange, Rule, SceneResult, judge};
use crate::lab::{Both, Lab};
use crate::probe::tcp::TcpReport;
use crate::stall::StallMeter;
use crate::status;
use crate::topology::{Leg, Side};
use crate::traffic::{Load, Traffic};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
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
}

impl Scene {
    /// All, in the order in which they are played.
    pub const ALL: [Scene; 8] = [
        Scene::Switchover,
        Scene::Terminate,
        Scene::Kill,
        Scene::Preempt,
        Scene::Stop,
        Scene::Cut,
        Scene::Suspend,
        Scene::Resume,
    ];

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
/// measured. The result says so.
///
/// # Errors
/// As [`play_once`].
pub fn play(lab: &mut Lab, scene: Scene, load: Load) -> Result<SceneResult> {
    let cores = [lab.settings.cores.0, lab.settings.cores.1].map(|core| core as usize);
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
    let traffic = match Traffic::start(lab, load) {
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
    let played = match scene {
        Scene::Switchover => switchover(lab),
        Scene::Kill => kill(lab),
        Scene::Preempt => preempt(lab),
        Scene::Stop => stop(lab),
        Scene::Cut => cut(lab),
        Scene::Suspend => suspend(lab),
        Scene::Resume => resume(lab),
        Scene::Terminate => terminate(lab),
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
    let result = judge(
        scene.name(),
        scene.rule(interval_ms, threshold, survivor_was_late),
        interval_ms,
        threshold,
        measured,
    );
    if lab.engine(Side::A).pid().is_none() {
        lab.restart(Side::A)?;
    }
    Ok(result)
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

fn switchover(lab: &mut Lab) -> Result<Played> {
    lab.engine(Side::A).ctl("ha switchover")?;
    lab.wait_for(Side::B, "ACTIVE", CHANGE, |s| s.is("ACTIVE"))?;
    lab.wait_for(Side::A, "PASSIVE", CHANGE, |s| s.is("PASSIVE"))?;
    let after = lab.both();
    std::thread::sleep(TAIL);
    Ok(expect(
        after,
        &[
            (Side::A, "PASSIVE", "operator"),
            (Side::B, "ACTIVE", "hands_over"),
        ],
    ))
}

fn kill(lab: &mut Lab) -> Result<Played> {
    let begin = Instant::now();
    lab.engine(Side::A).signal(libc::SIGKILL)?;
    lab.wait_for(Side::B, "ACTIVE", CHANGE, |s| s.is("ACTIVE"))?;
    let took = begin.elapsed();
    // only now is its end waited for: the kernel takes its time over the rings
    lab.kill(Side::A)?;
    let after = lab.both();
    std::thread::sleep(TAIL);
    let mut played = expect(after, &[(Side::B, "ACTIVE", "unhealthy")]);
    played.notes.push(format!(
        "B seen ACTIVE {} ms after SIGKILL",
        took.as_millis()
    ));
    Ok(played)
}

fn preempt(lab: &mut Lab) -> Result<Played> {
    let begin = Instant::now();
    lab.restart(Side::A)?;
    let delay = Duration::from_secs(u64::from(lab.settings.preempt_delay_s));
    lab.wait_for(Side::A, "PASSIVE after its start", CHANGE, |s| {
        s.is("PASSIVE")
    })?;
    let passive = begin.elapsed();
    lab.wait_for(Side::A, "ACTIVE by preemption", CHANGE + delay * 4, |s| {
        s.is("ACTIVE")
    })?;
    let took = begin.elapsed();
    lab.wait_for(Side::B, "PASSIVE", CHANGE, |s| s.is("PASSIVE"))?;
    let after = lab.both();
    std::thread::sleep(TAIL);
    let mut played = expect(
        after,
        &[
            (Side::A, "ACTIVE", "hands_over"),
            (Side::B, "PASSIVE", "preempted"),
        ],
    );
    played.notes.push(format!(
        "started again: PASSIVE after {} ms, ACTIVE after {} ms (preempt delay {} s)",
        passive.as_millis(),
        took.as_millis(),
        lab.settings.preempt_delay_s
    ));
    if took < delay {
        played
            .faults
            .push(format!("took the role back before its delay of {delay:?}"));
    }
    Ok(played)
}

fn stop(lab: &mut Lab) -> Result<Played> {
    lab.engine(Side::A).signal(libc::SIGSTOP)?;
    let begin = Instant::now();
    let taken = lab.wait_for(Side::B, "ACTIVE", CHANGE, |s| s.is("ACTIVE"));
    let took = begin.elapsed();
    // frames pile up in the sleeper's rings: none of them may come out
    std::thread::sleep(Duration::from_millis(300));
    let frames_before = lab.topology.frames_from(Side::A);
    lab.engine(Side::A).signal(libc::SIGCONT)?;
    taken?;
    let slept = begin.elapsed();
    lab.wait_for(Side::A, "PASSIVE on waking", CHANGE, |s| s.is("PASSIVE"))?;
    let after = lab.both();
    let frames = lab
        .topology
        .frames_from(Side::A)?
        .saturating_sub(frames_before?);
    std::thread::sleep(TAIL);
    let mut played = expect(
        after,
        &[
            (Side::A, "PASSIVE", "lease"),
            (Side::B, "ACTIVE", "unhealthy"),
        ],
    );
    played.notes.push(format!(
        "B seen ACTIVE {} ms after SIGSTOP; SIGCONT after {} ms; then {frames} frames out of A",
        took.as_millis(),
        slept.as_millis()
    ));
    if frames > 0 {
        played.faults.push(format!(
            "two forwarders: {frames} frames came out of A after waking"
        ));
    }
    Ok(played)
}

fn cut(lab: &mut Lab) -> Result<Played> {
    lab.topology.set_cable(Side::A, Leg::Lan, false)?;
    let handed = cut_and_look(lab);
    // the cable is plugged again whatever was seen
    lab.topology.set_cable(Side::A, Leg::Lan, true)?;
    let (after, propagated) = handed?;
    let begin = Instant::now();
    let fit = |s: &crate::status::Status| s.is("PASSIVE") || s.is("ACTIVE");
    lab.wait_for(Side::A, "fit again after the repair", CHANGE, fit)?;
    let repaired = begin.elapsed();
    std::thread::sleep(TAIL);
    let mut played = expect(
        after,
        &[
            (Side::A, "DOWN", "links"),
            (Side::B, "ACTIVE", "hands_over"),
        ],
    );
    match propagated {
        Some(ms) => played
            .notes
            .push(format!("the WAN leg followed within {ms} ms")),
        None => played
            .faults
            .push("rule 17: the WAN leg did not go down with the LAN leg".into()),
    }
    played.notes.push(format!(
        "fit again {} ms after the repair",
        repaired.as_millis()
    ));
    Ok(played)
}

/// Waits for the hand-over and for the propagated loss of the other leg (in ms, if it came).
fn cut_and_look(lab: &mut Lab) -> Result<(Both, Option<u128>)> {
    let begin = Instant::now();
    lab.wait_for(Side::B, "ACTIVE", CHANGE, |s| s.is("ACTIVE"))?;
    lab.wait_for(Side::A, "DOWN", CHANGE, |s| s.is("DOWN"))?;
    let after = lab.both();
    let mut propagated = None;
    while propagated.is_none() && begin.elapsed() < Duration::from_secs(3) {
        if lab.topology.carrier(Side::A, Leg::Wan)? {
            std::thread::sleep(Duration::from_millis(10));
        } else {
            propagated = Some(begin.elapsed().as_millis());
        }
    }
    std::thread::sleep(TAIL / 2);
    Ok((after, propagated))
}

fn suspend(lab: &mut Lab) -> Result<Played> {
    lab.engine(Side::A).ctl("ha suspend")?;
    lab.wait_for(Side::A, "SUSPENDED", CHANGE, |s| s.is("SUSPENDED"))?;
    lab.wait_for(Side::B, "ACTIVE", CHANGE, |s| s.is("ACTIVE"))?;
    let after = lab.both();
    std::thread::sleep(TAIL);
    Ok(expect(
        after,
        &[
            (Side::A, "SUSPENDED", "suspended"),
            (Side::B, "ACTIVE", "hands_over"),
        ],
    ))
}

fn resume(lab: &mut Lab) -> Result<Played> {
    lab.engine(Side::A).ctl("ha resume")?;
    let resumed = |s: &crate::status::Status| s.is("PASSIVE") || s.is("ACTIVE");
    lab.wait_for(Side::A, "PASSIVE", CHANGE, resumed)?;
    let after = lab.both();
    std::thread::sleep(TAIL);
    Ok(expect(
        after,
        &[(Side::A, "PASSIVE", "resumed"), (Side::B, "ACTIVE", "")],
    ))
}

fn terminate(lab: &mut Lab) -> Result<Played> {
    let begin = Instant::now();
    let (engine, run) = lab.engine_mut(Side::A);
    let status = engine.end(run)?;
    let took = begin.elapsed();
    lab.wait_for(Side::B, "ACTIVE", CHANGE, |s| s.is("ACTIVE"))?;
    let after = lab.both();
    std::thread::sleep(TAIL);
    let mut played = expect(after, &[(Side::B, "ACTIVE", "hands_over")]);
    played.notes.push(format!(
        "A ended {} ms after SIGTERM: {status}",
        took.as_millis()
    ));
    if status != "exit status: 0" {
        played
            .faults
            .push(format!("A ended with {status}, expected exit status: 0"));
    }
    Ok(played)
}

/// Compares roles and reasons with what the scene must bring: a side, its role, and a word that
/// the reason contains.
fn expect(after: Both, wanted: &[(Side, &str, &str)]) -> Played {
    let mut faults = Vec::new();
    for &(side, role, word) in wanted {
        match after.of(side) {
            None => faults.push(format!("{side} does not answer, expected {role}")),
            Some(status) => {
                let reason = status.reason.to_lowercase().replace([' ', '-'], "_");
                if !status.is(role) || !reason.contains(word) {
                    let seen = status.line();
                    faults.push(format!(
                        "{side} is {seen}, expected {role} (a reason with `{word}`)"
                    ));
                }
            }
        }
    }
    Played {
        after,
        faults,
        notes: Vec::new(),
    }
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
    let begin = begin
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_millis() as u64);
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
    use crate::status::Status;

    #[test]
    fn every_scene_has_a_name_of_its_own() {
        for scene in Scene::ALL {
            assert_eq!(Scene::by_name(scene.name()), Some(scene));
        }
        assert_eq!(Scene::by_name("nonsense"), None);
    }

    #[test]
    fn expectations_look_at_role_and_reason() {
        let status = |role: &str, reason: &str| {
            Some(Status {
                role: role.into(),
                reason: reason.into(),
                ..Status::default()
            })
        };
        let both = Both {
            a: status("PASSIVE", "lease_expired"),
            b: None,
        };
        assert!(
            expect(both.clone(), &[(Side::A, "PASSIVE", "lease")])
                .faults
                .is_empty()
        );
        assert_eq!(
            expect(both.clone(), &[(Side::A, "ACTIVE", "lease")])
                .faults
                .len(),
            1
        );
        assert_eq!(
            expect(both.clone(), &[(Side::A, "PASSIVE", "unhealthy")])
                .faults
                .len(),
            1
        );
        assert_eq!(expect(both, &[(Side::B, "ACTIVE", "")]).faults.len(), 1);
    }
}
