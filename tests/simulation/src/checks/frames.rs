//! Check (d): numbered frames through the pair.

use super::Check;
use crate::network::{BROADCAST, STATIONS, Sent, home};

/// Judges a frame that was sent, and arrived or not, while the network was healthy.
/// `steady`: no hand-over was under way. `quick`: workers serve their queues within microseconds.
///
/// Known limit of rule 8, found here: a group-addressed frame that the old ACTIVE carried and that
/// still waits in the new one's queue when that turns to `Forward` (a heartbeat's way and a turn
/// after the old one closed) is sent round once. It takes a worker that is about a millisecond
/// behind, so with slow workers such copies are not held against the pair.
///
/// # Errors
/// What became of it.
pub fn judge(number: u32, sent: &Sent, steady: bool, quick: bool) -> Result<(), (Check, String)> {
    let from = usize::from(sent.src);
    let wrong = |what: &str, station: usize| {
        let kind = if sent.dst == BROADCAST {
            "broadcast"
        } else {
            "unicast"
        };
        let text = format!(
            "{kind} frame {number} of station {from}, sent at {}, {what} station {station}",
            crate::clock::text(sent.at)
        );
        Err((Check::Frames, text))
    };
    for station in 0..STATIONS {
        let copies = sent.copies.get(station).copied().unwrap_or(0);
        if sent.dst == BROADCAST && !steady && !quick {
            continue;
        }
        let meant = sent.dst == BROADCAST || usize::from(sent.dst) == station;
        if station == from || !meant {
            if copies > 0 && station == from {
                return wrong("came back to", station);
            }
            continue;
        }
        if copies > 1 {
            return wrong("was doubled for", station);
        }
        let crosses = home(station) != home(from);
        let may_be_lost = sent.dst == BROADCAST && crosses && !steady;
        if copies == 0 && !may_be_lost {
            return wrong("never reached", station);
        }
    }
    Ok(())
}
