//! Check (d): numbered frames through the pair.

use super::Check;
use crate::network::{BROADCAST, STATIONS, Sent, home};

/// Judges a frame that was sent, and arrived or not, while the network was healthy.
/// `steady`: no hand-over was under way.
///
/// # Errors
/// What became of it.
pub fn judge(number: u32, sent: &Sent, steady: bool) -> Result<(), (Check, String)> {
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
