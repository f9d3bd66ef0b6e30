//! The scripts of the scenes that take the role away: what is done, and what it must bring.

use super::{CHANGE, Played, TAIL};
use crate::error::Result;
use crate::lab::{Both, Lab};
use crate::topology::{Leg, Side};
use std::time::{Duration, Instant};

pub(super) fn switchover(lab: &mut Lab) -> Result<Played> {
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

pub(super) fn kill(lab: &mut Lab) -> Result<Played> {
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

pub(super) fn preempt(lab: &mut Lab) -> Result<Played> {
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

pub(super) fn stop(lab: &mut Lab) -> Result<Played> {
    lab.engine(Side::A).signal(libc::SIGSTOP)?;
    let begin = Instant::now();
    let taken = lab.wait_for(Side::B, "ACTIVE", CHANGE, |s| s.is("ACTIVE"));
    let took = begin.elapsed();
    // frames pile up in the sleeper's rings: none of them may come out
    std::thread::sleep(Duration::from_millis(300));
    let watched = lab.topology.watch(Side::A);
    lab.engine(Side::A).signal(libc::SIGCONT)?;
    taken?;
    let slept = begin.elapsed();
    lab.wait_for(Side::A, "PASSIVE on waking", CHANGE, |s| s.is("PASSIVE"))?;
    let after = lab.both();
    let frames = watched?.traffic()?;
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

pub(super) fn cut(lab: &mut Lab) -> Result<Played> {
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
        // a router's two networks are two wires
        _ if lab.topology.routed => {}
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
    let follows = !lab.topology.routed;
    while follows && propagated.is_none() && begin.elapsed() < Duration::from_secs(3) {
        if lab.topology.carrier(Side::A, Leg::Wan)? {
            std::thread::sleep(Duration::from_millis(10));
        } else {
            propagated = Some(begin.elapsed().as_millis());
        }
    }
    std::thread::sleep(TAIL / 2);
    Ok((after, propagated))
}

pub(super) fn suspend(lab: &mut Lab) -> Result<Played> {
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

pub(super) fn resume(lab: &mut Lab) -> Result<Played> {
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

pub(super) fn terminate(lab: &mut Lab) -> Result<Played> {
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
pub(super) fn expect(after: Both, wanted: &[(Side, &str, &str)]) -> Played {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Status;

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
