//! Every deliberate fault, and the proof that it is caught.

use twinline_ha::faults::{Fault, choose};

use crate::checks::Violation;
use crate::faults::{Sabotage, sabotage};
use crate::search::run;

/// A deliberate fault, in the decisions or in the modelled worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deliberate {
    /// In `twinline-ha`.
    Decision(Fault),
    /// In the worker or the management core.
    Worker(Sabotage),
}

impl std::fmt::Display for Deliberate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self {
            Self::Decision(fault) => format!("{fault:?}"),
            Self::Worker(fault) => format!("{fault:?}"),
        };
        f.pad(&name)
    }
}

/// Every deliberate fault.
#[must_use]
pub fn all() -> Vec<Deliberate> {
    let decisions = Fault::ALL.into_iter().map(Deliberate::Decision);
    let workers = Sabotage::ALL.into_iter().map(Deliberate::Worker);
    decisions.chain(workers).collect()
}

/// Runs seeds with a fault switched on, on this thread, until one catches it: the seed, how many
/// were run, and what caught it.
#[must_use]
pub fn caught(fault: Deliberate, from: u64, seeds: u64) -> Option<(u64, u64, Violation)> {
    (0..seeds).find_map(|n| {
        let seed = from.wrapping_add(n);
        if run(seed, usize::MAX, false).violation.is_some() {
            // It proves nothing with the fault if it fails without it.
            return None;
        }
        match fault {
            Deliberate::Decision(fault) => choose(Some(fault)),
            Deliberate::Worker(fault) => sabotage(Some(fault)),
        }
        let violation = run(seed, usize::MAX, false).violation;
        choose(None);
        sabotage(None);
        violation.map(|v| (seed, n + 1, v))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_deliberate_fault_is_caught() {
        let missed: Vec<String> = all()
            .into_iter()
            .filter(|&fault| caught(fault, 1, 120).is_none())
            .map(|fault| fault.to_string())
            .collect();
        assert_eq!(missed, Vec::<String>::new());
    }
}
