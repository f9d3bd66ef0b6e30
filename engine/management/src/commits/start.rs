//! Which configuration an engine starts with: the one that was committed, or the file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use twinline_config::{Config, Errors, Loaded, read_text};
use twinline_control::render;
use twinline_ha::Reason;

use super::clock::Clocks;
use super::history::{By, Commit, History, New};
use super::store::{self, hash};
use super::summary;

/// The configuration to start with, and what was before.
#[derive(Debug)]
pub struct Started {
    /// The configuration.
    pub loaded: Loaded,
    /// What the management core goes on from.
    pub past: Past,
}

/// The configurations that were in force before this run.
#[derive(Debug)]
pub struct Past {
    /// Their folder.
    pub folder: PathBuf,
    /// The one to start with is the first.
    pub history: History,
    /// The first of them, as it is understood.
    pub committed: Arc<Config>,
    /// What the configuration file says.
    pub file: Arc<Config>,
    /// What is put back unless the first one is confirmed, and how much time there is for that.
    pub waiting: Option<(Arc<Config>, Duration)>,
    /// What the operator must hear of.
    pub notes: Vec<(String, Reason)>,
}

/// A commit in words: by what, when, by whom.
fn at(commit: &Commit) -> String {
    let by = match commit.user.as_str() {
        "" => String::new(),
        user => format!(" by {user}"),
    };
    let when = render::time(commit.time_unix_ms);
    format!("the {} of {when} UTC{by}", commit.by.as_str())
}

/// Reads the file and the folder beside its state file, and chooses.
///
/// The committed configuration counts as long as the file is what it was when the engine read or
/// wrote it last; once somebody has edited it, the file counts. Nothing is written yet.
///
/// # Errors
/// All faults of the file: without a valid one nothing is started.
pub fn begin(path: &Path, now: &Clocks) -> Result<Started, Errors> {
    let text = read_text(path)?;
    let file = Config::parse(&text, path)?;
    let folder = file.config.instance.commits_folder();
    let stored = store::load(&folder);
    let mut choice = Choice {
        path,
        text: text.into(),
        file,
        history: stored.history,
        notes: Vec::new(),
        now,
    };
    if let Some(problem) = stored.problem {
        choice.note(problem, Reason::CommitsLost);
    }
    let loaded = choice.committed().unwrap_or_else(|| choice.file.clone());
    choice.history.file_hash = hash(&choice.text);
    let file = Arc::new(choice.file.config.clone());
    // counted from here on: by this boot's own clock
    if let Some(left) = choice.history.waiting.as_ref().map(|w| w.left(now)) {
        choice.history.wait_anew(left, now.clone());
    }
    let waiting = choice.history.waiting.as_ref().map(|waiting| {
        let former = Config::parse(&waiting.former.text, path);
        let former = former.map_or_else(|_| Arc::clone(&file), |loaded| Arc::new(loaded.config));
        (former, waiting.left(now))
    });
    Ok(Started {
        past: Past {
            folder,
            committed: Arc::new(loaded.config.clone()),
            file,
            waiting,
            history: choice.history,
            notes: choice.notes,
        },
        loaded,
    })
}

struct Choice<'a> {
    path: &'a Path,
    text: Arc<str>,
    file: Loaded,
    history: History,
    notes: Vec<(String, Reason)>,
    now: &'a Clocks,
}

impl Choice<'_> {
    fn note(&mut self, text: String, why: Reason) {
        self.notes.push((text, why));
    }

    /// The committed configuration, if it counts; else the file is the newest of the history.
    fn committed(&mut self) -> Option<Loaded> {
        let Some(newest) = self.history.newest().cloned() else {
            self.take_file(String::new());
            return None;
        };
        if self.history.file_hash != hash(&self.text) {
            self.file_was_edited(&newest);
            return None;
        }
        if let Some(waiting) = &self.history.waiting
            && waiting.left(self.now).is_zero()
        {
            self.history.not_confirmed(self.now.unix_ms);
            let text = format!(
                "{} was not confirmed in time: what was before it is in force again",
                at(&newest)
            );
            self.note(text, Reason::CommitNotConfirmed);
        }
        let newest = self.history.newest().cloned()?;
        let loaded = match self.usable(&newest) {
            Ok(loaded) => loaded,
            Err(why) => {
                let text = format!(
                    "{} cannot be used ({why}): the configuration file is in force",
                    at(&newest)
                );
                self.note(text, Reason::CommitsLost);
                self.take_file(format!("{} cannot be used", at(&newest)));
                return None;
            }
        };
        if loaded.config != self.file.config {
            let text = format!(
                "started with {}, which {} does not have: `save` writes it there",
                at(&newest),
                self.path.display()
            );
            self.note(text, Reason::StartedFromCommit);
        }
        Some(loaded)
    }

    /// A committed configuration whose keys are there, too.
    fn usable(&self, commit: &Commit) -> Result<Loaded, String> {
        let loaded = Config::parse(&commit.text, "committed").map_err(|errors| {
            let first = errors.iter().next().map(ToString::to_string);
            first.unwrap_or_default()
        })?;
        if loaded.config.instance.state_file != self.file.config.instance.state_file {
            return Err("it has another instance.state_file".into());
        }
        match loaded.config.load_keys() {
            Ok(_) => Ok(loaded),
            Err(error) => Err(error.to_string()),
        }
    }

    fn file_was_edited(&mut self, newest: &Commit) {
        let before = Config::parse(&newest.text, "committed");
        let before = before.map(|loaded| loaded.config);
        let same = before
            .as_ref()
            .is_ok_and(|before| *before == self.file.config);
        // What was in force was never in the file: somebody should know that it is gone.
        if !same && self.history.file_hash != hash(&newest.text) {
            let text = format!(
                "{} was edited since it was read last, and counts: {} is not in force any more \
                 (`rollback 1` brings it back)",
                self.path.display(),
                at(newest)
            );
            self.note(text, Reason::FileEdited);
        }
        if same {
            self.history.confirm();
            return;
        }
        let changes = before.map(|before| Config::diff(&before, &self.file.config));
        self.take_file(changes.map_or_else(|_| String::new(), |changes| summary(&changes)));
    }

    fn take_file(&mut self, summary: String) {
        let new = New {
            by: By::Start,
            user: String::new(),
            summary,
            text: Arc::clone(&self.text),
        };
        self.history.push(new, self.now.unix_ms);
    }
}
