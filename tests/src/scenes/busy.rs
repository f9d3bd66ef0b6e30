//! Scene `busy`: processes that want all of the machine, beside the pair.

use super::{Played, TAIL, role_changes, scripts::expect};
use crate::busy::Busy;
use crate::error::Result;
use crate::lab::Lab;
use crate::stall::StallMeter;
use crate::topology::Side;
use std::time::{Duration, SystemTime};

/// How many there are.
const PROCESSES: u32 = 16;

pub(super) fn play(lab: &Lab, seconds: u32) -> Result<Played> {
    let begin = SystemTime::now();
    let meter = StallMeter::start(&lab.settings.meter_cores());
    let mut busy = Busy::start(lab.run(), PROCESSES)?;
    std::thread::sleep(Duration::from_secs(u64::from(seconds)));
    let running = busy.running();
    drop(busy);
    let stall_ms = meter.finish();
    let after = lab.both();
    std::thread::sleep(TAIL);
    let mut played = expect(after, &[(Side::A, "ACTIVE", ""), (Side::B, "PASSIVE", "")]);
    let mut changes = 0;
    for side in Side::BOTH {
        for event in role_changes(lab, side, begin)? {
            changes += 1;
            let (from, to, why) = (event.from, event.to, event.why);
            played
                .faults
                .push(format!("{side} changed its role: {from} -> {to} ({why})"));
        }
    }
    if running != PROCESSES as usize {
        played.faults.push(format!(
            "only {running} of {PROCESSES} busy processes ran to the end"
        ));
    }
    played.notes.push(format!(
        "{PROCESSES} busy processes for {seconds} s: role changes: {changes}; the machine held a \
         thread for up to {stall_ms:.1} ms"
    ));
    Ok(played)
}
