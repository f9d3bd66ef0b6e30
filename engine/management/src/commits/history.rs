//! The configurations that were in force, newest first, and the one that waits to be confirmed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::clock::Clocks;

/// So many are kept.
pub const KEPT: usize = 50;

/// What brought a configuration into force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The configuration file, when the engine started.
    Start,
    /// The configuration file, by SIGHUP.
    Reload,
    /// `commit`.
    Commit,
    /// `set`.
    Set,
    /// `rollback`.
    Rollback,
    /// Nobody confirmed the one before in time.
    NotConfirmed,
}

impl By {
    const ALL: [Self; 6] = [
        Self::Start,
        Self::Reload,
        Self::Commit,
        Self::Set,
        Self::Rollback,
        Self::NotConfirmed,
    ];

    /// Its name for operators, and in the folder.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Reload => "reload",
            Self::Commit => "commit",
            Self::Set => "set",
            Self::Rollback => "rollback",
            Self::NotConfirmed => "rollback (not confirmed)",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|by| by.as_str() == name)
    }
}

/// A configuration that is or was in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// When it came into force, in milliseconds since 1970 (UTC); greater than that of every one
    /// before it, so that it names the commit.
    pub time_unix_ms: u64,
    /// What brought it.
    pub by: By,
    /// Who; empty where nobody was.
    pub user: String,
    /// The first of its changes, in words.
    pub summary: String,
    /// The candidate as it was given, TOML.
    pub text: Arc<str>,
}

/// A commit that is rolled back unless it is confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// What is put back into force: the last one that did not wait.
    pub former: Commit,
    /// Since when.
    pub since: Clocks,
    /// For how long.
    pub within: Duration,
}

impl Waiting {
    /// How much time is left. It never grows, whatever the wall clock does.
    #[must_use]
    pub fn left(&self, now: &Clocks) -> Duration {
        self.within.saturating_sub(now.since(&self.since))
    }

    /// The end of the time on the wall clock, in milliseconds since 1970 (UTC).
    #[must_use]
    pub fn until_unix_ms(&self) -> u64 {
        let within = u64::try_from(self.within.as_millis()).unwrap_or(u64::MAX);
        self.since.unix_ms.saturating_add(within)
    }
}

/// What came newly into force.
#[derive(Debug, Clone)]
pub struct New {
    /// What brought it.
    pub by: By,
    /// Who.
    pub user: String,
    /// In words.
    pub summary: String,
    /// The candidate.
    pub text: Arc<str>,
}

/// The configurations that were in force. Never empty once there was a start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// Newest first: the first is the one in force.
    pub commits: VecDeque<Commit>,
    /// The first of them waits to be confirmed.
    pub waiting: Option<Waiting>,
    /// Names the content of the configuration file when it was last read or written.
    pub file_hash: String,
}

impl History {
    /// The one in force.
    #[must_use]
    pub fn newest(&self) -> Option<&Commit> {
        self.commits.front()
    }

    /// Puts one in front. The wait of the one before, if there was any, is over: it stays, unless
    /// this one is what was before it.
    pub fn push(&mut self, new: New, unix_ms: u64) {
        let least = self.newest().map_or(0, |newest| newest.time_unix_ms + 1);
        self.commits.push_front(Commit {
            time_unix_ms: unix_ms.max(least),
            by: new.by,
            user: new.user,
            summary: new.summary,
            text: new.text,
        });
        self.commits.truncate(KEPT);
        self.waiting = None;
    }

    /// Puts one in front that is rolled back unless it is confirmed within `within`. Where the one
    /// before waits too, what is rolled back to is what was before both.
    pub fn push_waiting(&mut self, new: New, within: Duration, now: Clocks) {
        let former = self.former();
        self.push(new, now.unix_ms);
        self.waiting = former.map(|former| Waiting {
            former,
            since: now,
            within,
        });
    }

    /// What a commit that is not confirmed leads back to.
    fn former(&self) -> Option<Commit> {
        match &self.waiting {
            Some(waiting) => Some(waiting.former.clone()),
            None => self.newest().cloned(),
        }
    }

    /// Lets the newest one wait anew, from now on. Only where it waits already.
    pub fn wait_anew(&mut self, within: Duration, now: Clocks) {
        if let Some(waiting) = &mut self.waiting {
            (waiting.within, waiting.since) = (within, now);
        }
    }

    /// Keeps the newest one; false when it did not wait.
    pub fn confirm(&mut self) -> bool {
        self.waiting.take().is_some()
    }

    /// Puts back what was before the one that waits; none when none does.
    pub fn not_confirmed(&mut self, unix_ms: u64) -> Option<Arc<str>> {
        let former = self.waiting.take()?.former;
        let text = Arc::clone(&former.text);
        let summary = format!("as it was before, by {}", former.by.as_str());
        let new = New {
            by: By::NotConfirmed,
            user: String::new(),
            summary,
            text: former.text,
        };
        self.push(new, unix_ms);
        Some(text)
    }
}
