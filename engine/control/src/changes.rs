//! Changing the configuration of a running engine: a candidate, its difference, commits.

use serde::{Deserialize, Serialize};

/// What a candidate would change, or a commit has changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ChangesStatus {
    /// The changes, in the order of the schema.
    pub changes: Vec<ChangeStatus>,
    /// What the operator should know first: that it changes the role, that the peer differs then.
    pub warnings: Vec<String>,
    /// In how many seconds it is rolled back unless confirmed.
    pub confirm_within_s: Option<u64>,
}

/// A value that changes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ChangeStatus {
    /// The dotted key.
    pub key: String,
    /// The value in force; `-` when there is none.
    pub old: String,
    /// The new value; `-` when there is none.
    pub new: String,
    /// `live` or `restart`.
    pub applies: String,
}

/// The configurations that were in force, newest first; number 0 is the one in force.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CommitsStatus {
    /// In how many milliseconds the one in force is rolled back unless confirmed.
    pub rollback_in_ms: Option<u64>,
    /// The one in force is not what the configuration file says.
    pub unsaved: bool,
    /// Each.
    pub commits: Vec<CommitStatus>,
}

/// A configuration that was in force.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CommitStatus {
    /// What `rollback N` names it.
    pub number: u32,
    /// When it came into force, in milliseconds since 1970 (UTC).
    pub time_unix_ms: u64,
    /// What brought it: `start`, `reload`, `commit`, `set`, `rollback`, `rollback (not confirmed)`.
    pub by: String,
    /// Who: a user's name or number; empty where nobody was.
    pub user: String,
    /// The first of its changes, in words.
    pub summary: String,
}
