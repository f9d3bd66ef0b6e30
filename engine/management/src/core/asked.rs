//! What a request for a change comes to, and how it is told.

use std::sync::Arc;
use std::time::Duration;

use twinline_config::Change;
use twinline_control::{ChangeStatus, Payload, Request as Command};
use twinline_ha::Reason;

use crate::commits::worker::Wish;
use crate::commits::{By, for_the_next_start, summary};

/// What a request comes to.
pub(super) enum Asked {
    Wish(Wish),
    Answer(Payload),
    Show { text: Arc<str>, from: String },
    Save(Arc<str>),
    Confirm,
}

/// How a change is made.
pub(super) struct How {
    pub(super) by: By,
    pub(super) force: bool,
    pub(super) within: Option<Duration>,
}

impl How {
    pub(super) fn of(command: &Command) -> Self {
        let (by, force, within) = match command {
            Command::SetSetting { force, .. } => (By::Set, *force, None),
            Command::Rollback { force, .. } => (By::Rollback, *force, None),
            Command::Commit {
                force,
                confirm_within_s,
                ..
            } => (By::Commit, *force, *confirm_within_s),
            _ => (By::Commit, false, None),
        };
        Self {
            by,
            force,
            within: within.map(Duration::from_secs),
        }
    }

    pub(super) fn why(&self) -> Reason {
        match self.by {
            By::Rollback => Reason::RolledBack,
            _ => Reason::Committed,
        }
    }

    pub(super) fn event(&self, user: &str, changes: &[Change]) -> String {
        let restart = for_the_next_start(changes);
        let what = match self.by {
            By::Rollback => "rolled back",
            By::Set => "set",
            _ => "committed",
        };
        let mut text = format!("{what} by {user}: {}", summary(changes));
        if !restart.is_empty() {
            text.push_str(&format!("; at the next start: {}", restart.join(", ")));
        }
        if let Some(within) = self.within {
            let seconds = within.as_secs();
            text.push_str(&format!("; rolled back in {seconds} s unless confirmed"));
        }
        text
    }
}

/// Changes as consoles are shown them.
pub(super) fn told(changes: &[Change]) -> Vec<ChangeStatus> {
    let told = changes.iter().map(|change| ChangeStatus {
        key: change.key.clone(),
        old: change.old.clone(),
        new: change.new.clone(),
        applies: change.applies.as_str().into(),
    });
    told.collect()
}
