//! What tells two nodes apart, for a model checker that meets the same state on many ways.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hasher};

use crate::events::EventLog;

use super::Node;

/// Hashes what is written to it, without keeping it.
struct Hash(DefaultHasher);

impl std::fmt::Write for Hash {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

impl Node {
    /// A hash of everything that a later decision may depend on.
    ///
    /// Left out is the log of events: nothing reads it back but consoles, and the alarms that
    /// stand, which it also holds, follow from the rest within a step; and how late the last heartbeat
    /// was.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut bare = self.clone();
        bare.log = EventLog::default();
        bare.sent_late_by = None;
        let mut hash = Hash(DefaultHasher::new());
        // Writing into a hash does not fail.
        let _ = write!(hash, "{bare:?}");
        hash.0.finish()
    }
}
