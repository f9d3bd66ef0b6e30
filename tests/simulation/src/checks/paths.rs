//! Rule 12: the alarms about the paths, and what waits while the HA path is not good.

use twinline_ha::events::{Alarm, PathFault};
use twinline_ha::{Node, Path};

use super::Check;
use crate::bounds::Bounds;
use crate::clock::{Ns, text};

/// One instance's view of one path, and what is true of it.
#[derive(Debug)]
pub struct Seen<'a> {
    /// Now.
    pub now: Ns,
    /// The decisions.
    pub node: &'a Node,
    /// The other instance.
    pub peer: u16,
    /// Which path.
    pub path: Path,
    /// Since when it has been good both ways.
    pub good: Option<Ns>,
    /// Since when nothing gets through from here, and to here.
    pub dead: [Option<Ns>; 2],
    /// Since when each direction has been either dead or good: then the fault has one name only.
    pub plain: Option<Ns>,
    /// Since when the other path has been good.
    pub elsewhere: Option<Ns>,
    /// Since when both have run, with these settings.
    pub since: Ns,
    /// Something of the peer came by this path in this run.
    pub tried: bool,
}

/// Judges the alarms about a path.
///
/// # Errors
/// An alarm that should stand and does not, or the other way round.
pub fn judge(seen: &Seen<'_>, bounds: &Bounds) -> Result<(), (Check, String)> {
    let alarms = seen.node.alarms().filter_map(|(alarm, _)| match *alarm {
        Alarm::Path { peer, path, fault } if path == seen.path && peer == seen.peer => Some(fault),
        _ => None,
    });
    let faults: Vec<PathFault> = alarms.collect();
    let path = seen.path;
    let wrong = |text: String| Err((Check::Paths, text));
    if faults.len() > 1 {
        return wrong(format!("{faults:?} on the {path} path at once"));
    }
    let over = |from: Ns, bound: Ns| seen.now > from.max(seen.since) + bound;
    if let Some(good) = seen.good
        && over(good, bounds.path_clear)
        && let Some(fault) = faults.first()
    {
        let at = text(good);
        return wrong(format!(
            "{fault:?}, though the {path} path is good since {at}"
        ));
    }
    let (Some(dead), Some(elsewhere)) = (seen.dead.iter().flatten().min(), seen.elsewhere) else {
        return Ok(());
    };
    let raise = if seen.tried {
        bounds.path_raise
    } else {
        bounds.path_raise_untried
    };
    if !over((*dead).max(elsewhere), raise) {
        return Ok(());
    }
    let due = match seen.dead {
        [Some(_), Some(_)] => PathFault::Dead,
        [Some(_), None] => PathFault::PeerDeaf,
        _ => PathFault::WeAreDeaf,
    };
    let plain = seen.plain.map(|changed| changed.max(elsewhere));
    let named = plain.is_some_and(|changed| over(changed, raise));
    match faults.first() {
        Some(fault) if *fault == due || !named => Ok(()),
        Some(fault) => wrong(format!(
            "{fault:?}, and not {due:?} of the {path} path since {}",
            text(*dead)
        )),
        None => wrong(format!(
            "no alarm: {due:?} on the {path} path since {}",
            text(*dead)
        )),
    }
}
