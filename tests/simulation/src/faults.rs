//! Deliberate faults: proof that the checks bite.

use std::cell::Cell;

/// A deliberate fault of the modelled worker or management core, outside the decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sabotage {
    /// Rule 11: the worker does not read the lease.
    LeaseIgnored,
    /// Rule 8: the new ACTIVE carries group-addressed frames while the old one does.
    GroupFramesByBoth,
    /// Rule 8: the old ACTIVE's last frames teach the switches the old way.
    SourceKeptInOverlap,
    /// Rule 13: the state file is never written.
    StateFileNotWritten,
}

impl Sabotage {
    /// Every one.
    pub const ALL: [Self; 4] = [
        Self::LeaseIgnored,
        Self::GroupFramesByBoth,
        Self::SourceKeptInOverlap,
        Self::StateFileNotWritten,
    ];
}

thread_local! {
    static CHOSEN: Cell<Option<Sabotage>> = const { Cell::new(None) };
}

/// Switches one on, or all off, for the runs of this thread.
pub fn sabotage(what: Option<Sabotage>) {
    CHOSEN.set(what);
}

/// Whether this one is on.
#[must_use]
pub fn sabotaged(what: Sabotage) -> bool {
    CHOSEN.get() == Some(what)
}
