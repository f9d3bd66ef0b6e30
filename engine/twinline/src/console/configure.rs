//! `configure`: the candidate's life between the engine's configuration and a commit.

use twinline_config::Config;
use twinline_control::{Payload, Request, render};

use super::candidate::Candidate;
use super::engine::{Engine, Failure, unexpected};
use super::grammar::{Parsed, Verb, confirm_seconds};
use super::request;
use super::session::Session;
use crate::output;

/// As on Junos, in seconds.
const CONFIRM_S: u64 = 600;

/// A candidate that is what is in force.
fn begin(engine: &Engine) -> Result<Candidate, Failure> {
    // the time first: what is committed in between is then refused, not overwritten
    let base = newest_commit(engine)?;
    // What was committed, and not what runs: it may hold values that wait for the next start.
    let committed = match engine.ask(&Request::ShowCommit { number: 0 }) {
        Err(Failure::Error(_) | Failure::Refused(_)) => engine.ask(&Request::ShowConfig)?,
        answer => answer?,
    };
    let Payload::Config(config) = committed else {
        return Err(unexpected());
    };
    Candidate::new(&config.toml, base).map_err(|error| Failure::Error(render::clean(&error)))
}

/// When the configuration in force came to be; `None` from an engine that does not know.
fn newest_commit(engine: &Engine) -> Result<Option<u64>, Failure> {
    match engine.ask(&Request::ShowCommits) {
        Ok(Payload::Commits(status)) => {
            let newest = status.commits.iter().find(|commit| commit.number == 0);
            Ok(newest.map(|commit| commit.time_unix_ms))
        }
        Ok(_) | Err(Failure::Error(_) | Failure::Refused(_)) => Ok(None),
        Err(Failure::Interrupted) => Err(Failure::Interrupted),
    }
}

impl Session {
    /// The commands of `configure`.
    pub(super) fn configure(&mut self, parsed: &Parsed, json: bool) -> Result<(), Failure> {
        if parsed.command.verb == Verb::Configure {
            self.candidate = Some(begin(&self.engine)?);
            return Ok(());
        }
        match parsed.command.verb {
            Verb::EditExit => return self.leave(parsed.yes),
            Verb::EditDiscard => {
                self.candidate = Some(begin(&self.engine)?);
                return Ok(());
            }
            Verb::EditDiff => return self.diff(json),
            Verb::EditCommit => return self.commit(parsed, None, json),
            Verb::EditCommitConfirmed => {
                let seconds = match parsed.values.as_slice() {
                    [] => CONFIRM_S,
                    // a row of the table has `N s` as two words
                    [n] if parsed.command.tokens.len() > 3 => seconds(n)?,
                    [time, ..] => confirm_seconds(time).unwrap_or(CONFIRM_S),
                };
                return self.commit(parsed, Some(seconds), json);
            }
            _ => {}
        }
        let candidate = self.candidate()?;
        let value = parsed.value(0);
        let done = match parsed.command.verb {
            Verb::EditSet => candidate.set(value, parsed.value(1)),
            Verb::EditDelete => candidate.delete(value),
            Verb::EditLoad => {
                let text = request::file(value)?;
                candidate
                    .load(&text)
                    .map_err(|error| format!("{value}: {error}"))
            }
            Verb::EditShow => {
                let text = match value {
                    "" => Ok(candidate.toml()),
                    key => candidate.show(key),
                };
                match text {
                    Ok(text) => return Ok(output::print(&render::lines(&text))?),
                    Err(error) => Err(error),
                }
            }
            _ => Ok(()),
        };
        done.map_err(|error| Failure::Error(render::clean(&error)))
    }

    fn candidate(&mut self) -> Result<&mut Candidate, Failure> {
        let outside = || Failure::Error("there is no candidate: `configure` makes one".into());
        self.candidate.as_mut().ok_or_else(outside)
    }

    /// The candidate as TOML, once it is known to be a configuration.
    fn checked(&mut self) -> Result<String, Failure> {
        let toml = self.candidate()?.toml();
        match Config::parse(&toml, "candidate") {
            Ok(_) => Ok(toml),
            Err(errors) => {
                let lines: Vec<String> = errors
                    .iter()
                    .map(|e| render::clean(&e.to_string()))
                    .collect();
                Err(Failure::Error(format!(
                    "the candidate is not valid:\n{}",
                    lines.join("\n")
                )))
            }
        }
    }

    fn diff(&mut self, json: bool) -> Result<(), Failure> {
        let toml = self.checked()?;
        self.tell(&Request::DiffConfig { toml }, json)
    }

    fn commit(
        &mut self,
        parsed: &Parsed,
        confirm_within_s: Option<u64>,
        json: bool,
    ) -> Result<(), Failure> {
        let toml = self.checked()?;
        let diff = Request::DiffConfig { toml: toml.clone() };
        let Payload::Changes(changes) = self.engine.ask(&diff)? else {
            return Err(unexpected());
        };
        if !changes.warnings.is_empty() || parsed.force {
            for warning in &changes.warnings {
                self.note(&format!("warning: {}", render::clean(warning)));
            }
            let question = if parsed.force {
                "The change is forced: it may move the role or stop traffic."
            } else {
                "The commit has warnings."
            };
            self.confirm("commit", question, parsed.yes)?;
        }
        let base_unix_ms = self.candidate()?.base_unix_ms;
        let request = Request::Commit {
            toml,
            base_unix_ms,
            confirm_within_s,
            force: parsed.force,
        };
        self.tell(&request, json)?;
        match begin(&self.engine) {
            Ok(candidate) => self.candidate = Some(candidate),
            Err(failure) => self.note(&format!(
                "committed, but the engine did not give the configuration again ({failure}): \
                 `discard` before the next change"
            )),
        }
        Ok(())
    }

    /// After a rollback the candidate begins anew, unless that would lose changes.
    pub(super) fn after_rollback(&mut self) {
        let Some(candidate) = &self.candidate else {
            return;
        };
        if candidate.has_changed() {
            self.note(
                "the candidate has changes of its own and was made from what was in force before",
            );
        } else if let Ok(candidate) = begin(&self.engine) {
            self.candidate = Some(candidate);
        }
    }

    /// Leaves `configure`.
    ///
    /// # Errors
    /// When changes would be lost and the operator does not want that.
    pub fn leave(&mut self, yes: bool) -> Result<(), Failure> {
        if self.candidate.as_ref().is_some_and(Candidate::has_changed) {
            let question = "The candidate has changes that were not committed; they are lost.";
            self.confirm("exit", question, yes)?;
        }
        self.candidate = None;
        Ok(())
    }
}

fn seconds(text: &str) -> Result<u64, Failure> {
    confirm_seconds(&format!("{}s", text.trim_end_matches('s')))
        .ok_or_else(|| Failure::Error(format!("{text} s: accepted: 1 to 86400")))
}
