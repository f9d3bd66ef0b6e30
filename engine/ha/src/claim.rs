//! Who stays when two are ACTIVE (rule 9), and who goes when none is.

use std::cmp::Reverse;

use crate::faults::{self, Fault};

/// Rule 9's order: fitness, takeover epoch, primary, instance id. The greater claim stays.
///
/// Fitness is fit before unfit, then the number of link pairs up. The smaller instance id wins the
/// last comparison, so two claims of different instances are never equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ActiveClaim {
    fit: bool,
    pairs_up: u16,
    epoch: u64,
    primary: bool,
    instance: Reverse<u16>,
}

impl ActiveClaim {
    /// The claim of an instance that is ACTIVE.
    #[must_use]
    pub fn new(fit: bool, pairs_up: u16, epoch: u64, primary: bool, instance: u16) -> Self {
        let reversed = faults::on(Fault::EpochReversed);
        let epoch = if reversed { u64::MAX - epoch } else { epoch };
        Self {
            fit,
            pairs_up,
            epoch,
            primary,
            instance: Reverse(instance),
        }
    }
}

/// The order in which instances stand for an office that nobody holds: fitness, primary, id.
///
/// The epoch has no part in it: rule 6 gives the role to the primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidacy {
    fit: bool,
    primary: bool,
    instance: Reverse<u16>,
}

impl Candidacy {
    /// The candidacy of an instance that is not ACTIVE.
    #[must_use]
    pub fn new(fit: bool, primary: bool, instance: u16) -> Self {
        Self {
            fit,
            primary,
            instance: Reverse(instance),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_09_fitness_then_epoch_then_primary_then_id() {
        let base = ActiveClaim::new(true, 1, 5, false, 2);
        assert!(
            ActiveClaim::new(false, 1, 9, true, 1) < base,
            "an unfit one never stays"
        );
        assert!(
            ActiveClaim::new(true, 0, 9, true, 1) < base,
            "fewer pairs are less fitness"
        );
        assert!(
            ActiveClaim::new(true, 1, 6, false, 9) > base,
            "the later takeover stays"
        );
        assert!(
            ActiveClaim::new(true, 1, 5, true, 9) > base,
            "the primary stays"
        );
        assert!(
            ActiveClaim::new(true, 1, 5, false, 1) > base,
            "the smaller id stays"
        );
    }

    #[test]
    fn rule_06_the_primary_goes_first_among_the_fit() {
        assert!(Candidacy::new(true, true, 9) > Candidacy::new(true, false, 1));
        assert!(Candidacy::new(true, false, 9) > Candidacy::new(false, true, 1));
        assert!(Candidacy::new(true, true, 1) > Candidacy::new(true, true, 2));
    }
}
