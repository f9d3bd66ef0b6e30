//! What survives a restart.

use std::collections::BTreeMap;

/// The part of the node that is written to the state file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavedState {
    /// Wall-clock times (Unix milliseconds) of the flaps within the window.
    pub flaps_unix_ms: Vec<u64>,
    /// Too many flaps: out of the election until an operator clears it (rule 13).
    pub latched: bool,
    /// An operator suspended this instance.
    pub suspended: bool,
    /// This instance was ACTIVE when it wrote this: to find it so at start means that it died.
    pub active: bool,
    /// The largest takeover epoch seen.
    pub epoch: u64,
    /// The largest boot id accepted from each peer: an old capture never beats it (rule 5).
    pub boots: BTreeMap<u16, u64>,
}
