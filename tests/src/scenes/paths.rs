//! Scenes `ha-cut` and `split`: the two paths of heartbeats (rule 12).

use super::{CHANGE, Played, TAIL, role_changes, scripts::expect};
use crate::error::Result;
use crate::judge::MACHINE_SLACK_MS;
use crate::lab::Lab;
use crate::topology::Side;
use std::time::{Duration, Instant, SystemTime};

/// For how long the HA link is out in `ha-cut`: many failure windows.
const OUT: Duration = Duration::from_secs(3);
/// For how long both paths are out in `split` once two are ACTIVE.
const SPLIT: Duration = Duration::from_millis(500);
const ALARM: &str = "ha_path_down";
/// The alarm of a router's backup, which hears its peer's adverts instead.
const ADVERTS_ONLY: &str = "heard_by_adverts_only";

/// Who says what while the HA link is out: inline both hear each other in-band; of routers the
/// backup alone hears anything, namely adverts.
fn alarms(lab: &Lab) -> &'static [(Side, &'static str)] {
    if lab.topology.routed {
        &[(Side::B, ADVERTS_ONLY)]
    } else {
        &[(Side::A, ALARM), (Side::B, ALARM)]
    }
}

/// The HA link is out: no role moves, and the alarms say so.
pub(super) fn ha_cut(lab: &mut Lab) -> Result<Played> {
    let begin = SystemTime::now();
    lab.topology.set_ha_link(false)?;
    let seen = look_at_the_alarm(lab);
    lab.topology.set_ha_link(true)?;
    let after = seen?;
    for &(side, alarm) in alarms(lab) {
        let what = format!("the alarm {alarm} gone after the repair");
        lab.wait_for(side, &what, CHANGE, |s| {
            s.alarms.iter().all(|(name, _)| name != alarm)
        })?;
    }
    lab.settle(Some(Side::A), CHANGE)?;
    std::thread::sleep(TAIL);
    let mut played = expect(after, &[(Side::A, "ACTIVE", ""), (Side::B, "PASSIVE", "")]);
    for side in Side::BOTH {
        for event in role_changes(lab, side, begin)? {
            played.faults.push(format!(
                "{side} changed its role: {} -> {} ({})",
                event.from, event.to, event.why
            ));
        }
    }
    Ok(played)
}

fn look_at_the_alarm(lab: &mut Lab) -> Result<crate::lab::Both> {
    for &(side, alarm) in alarms(lab) {
        lab.wait_for(side, &format!("the alarm {alarm}"), CHANGE, |s| {
            s.alarms.iter().any(|(name, _)| name == alarm)
        })?;
    }
    std::thread::sleep(OUT);
    Ok(lab.both())
}

/// Both paths are out, so two become ACTIVE; both heal, and the one with the better claim stays.
pub(super) fn split(lab: &mut Lab) -> Result<Played> {
    lab.topology.set_in_band(false)?;
    lab.topology.set_ha_link(false)?;
    let two = lab.wait_for(Side::B, "ACTIVE", CHANGE, |s| s.is("ACTIVE"));
    let still = lab.both().a.is_some_and(|a| a.is("ACTIVE"));
    std::thread::sleep(SPLIT);
    let begin = Instant::now();
    lab.topology.set_ha_link(true)?;
    lab.topology.set_in_band(true)?;
    two?;
    lab.wait_for(Side::A, "not ACTIVE any more", CHANGE, |s| !s.is("ACTIVE"))?;
    let healed_ms = begin.elapsed().as_millis();
    let after = lab.both();
    std::thread::sleep(TAIL);
    // B took over later, so its epoch is the larger one (rule 9).
    let mut played = expect(
        after,
        &[
            (Side::A, "PASSIVE", "dual_active_yielded"),
            (Side::B, "ACTIVE", ""),
        ],
    );
    if !still {
        played
            .faults
            .push("A was not ACTIVE beside B: no split to heal".into());
    }
    // Within one interval of hearing it; a slot until it is heard, and what the lab's own commands
    // and looks take.
    let bound_ms = u128::from(lab.settings.interval_ms) * 2 + 100 + MACHINE_SLACK_MS as u128;
    if healed_ms > bound_ms {
        played.faults.push(format!(
            "rule 9: healed {healed_ms} ms after the repair, allowed {bound_ms} ms"
        ));
    }
    played
        .notes
        .push(format!("one ACTIVE {healed_ms} ms after the repair"));
    Ok(played)
}
