//! Checks (b) and, of (e), that nothing moves when nothing happens.

use twinline_ha::Role;

use super::Check;
use crate::clock::{Ns, text};

/// One instance, as the election is judged.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// Runs, and neither latched, suspended nor stopping.
    pub stands: bool,
    /// Its role.
    pub role: Role,
    /// Fit.
    pub fit: bool,
    /// Handing over, or taking over.
    pub moving: bool,
    /// Its workers carry frames.
    pub carries: bool,
    /// Hears nobody on either path, and its own links are below the minimum.
    pub cut_off: bool,
}

/// Judges the pair at a time at which nothing has happened for the bound `settled`.
/// `moving_since`: since when a hand-over has been under way; `longest`: how long one may take.
///
/// # Errors
/// What is wrong.
pub fn judge(
    now: Ns,
    pair: &[Candidate; 2],
    moving_since: Option<Ns>,
    longest: Ns,
) -> Result<(), (Check, String)> {
    let wrong = |text: String| Err((Check::Election, text));
    if let Some(since) = moving_since {
        if now - since > longest {
            return wrong(format!(
                "a hand-over has been under way since {}",
                text(since)
            ));
        }
        return Ok(());
    }
    let standing = pair.iter().filter(|c| c.stands).count();
    let active: Vec<_> = pair.iter().filter(|c| c.role == Role::Active).collect();
    let roles = (pair[0].role, pair[1].role);
    match (standing, active.as_slice()) {
        (0, []) => Ok(()),
        // Rule 12: with both paths dead only who has links promotes itself.
        (1.., []) if pair.iter().all(|c| !c.stands || c.cut_off) => Ok(()),
        (1.., [one]) => {
            if !one.carries {
                return wrong(format!("the ACTIVE carries nothing: {roles:?}"));
            }
            if !one.fit && pair.iter().any(|c| c.stands && c.fit) {
                return wrong(format!(
                    "the ACTIVE is unfit, the other one is fit: {roles:?}"
                ));
            }
            Ok(())
        }
        _ => wrong(format!(
            "{} are ACTIVE, {standing} stand: {roles:?}",
            active.len()
        )),
    }
}
