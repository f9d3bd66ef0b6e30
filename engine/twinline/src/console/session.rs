//! One console: lines in, deeds out.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use twinline_control::{Request, render};

use super::answer::Answer;
use super::candidate::Candidate;
use super::editor::Terminal;
use super::engine::{Engine, Failure};
use super::grammar::{self, Ask, Kind, Mode, Parsed, Verb};
use super::names::EngineNames;
use super::{repeat, request, role};
use crate::output;

/// Seconds between two looks of `watch`.
const WATCH_S: f64 = 2.0;
/// Commands within commands: `watch watch ...`.
const DEEPEST: u8 = 3;

/// What a line has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// On with the next.
    On,
    /// The console is left.
    Quit,
}

/// A console's state.
pub struct Session {
    /// The engine.
    pub engine: Engine,
    /// Where its commands come from, outside of `configure`.
    pub outer: Mode,
    /// What `configure` edits, within it.
    pub candidate: Option<Candidate>,
    /// Who can be asked.
    pub terminal: Option<Rc<RefCell<Terminal>>>,
    /// Every question is answered with yes.
    pub yes: bool,
    /// Everything is printed as JSON.
    pub json: bool,
    /// What `quit` asks first, where it ends more than the console.
    pub quit_asks: Option<&'static str>,
}

impl Session {
    /// A console that nobody can be asked at.
    pub fn new(engine: Engine) -> Session {
        Session {
            engine,
            outer: Mode::Console,
            candidate: None,
            terminal: None,
            yes: false,
            json: false,
            quit_asks: None,
        }
    }

    /// Where its commands come from.
    pub fn mode(&self) -> Mode {
        match self.candidate {
            Some(_) => Mode::Configure,
            None => self.outer,
        }
    }

    /// Carries out a line.
    ///
    /// # Errors
    /// Why it was not done; a mistake in the line too.
    pub fn line(&mut self, line: &str) -> Result<Flow, Failure> {
        self.engine.interrupted.store(false, Ordering::Relaxed);
        if let Some(asked) = line.trim_end().strip_suffix('?')
            && !line.trim_start().starts_with('#')
            && !in_quotes(asked)
        {
            output::print(&self.follows(asked))?;
            return Ok(Flow::On);
        }
        self.in_mode(line, self.mode(), 0)
    }

    /// What may follow these words.
    pub fn follows(&self, line: &str) -> String {
        let names = EngineNames::new(self.engine.clone());
        grammar::follows(line, self.mode(), &names)
    }

    fn in_mode(&mut self, line: &str, mode: Mode, depth: u8) -> Result<Flow, Failure> {
        let parsed = grammar::read(line, mode);
        let parsed =
            parsed.map_err(|mistake| Failure::Error(render::clean(&mistake.to_string())))?;
        match parsed {
            Some(parsed) => self.carry_out(&parsed, depth),
            None => Ok(Flow::On),
        }
    }

    /// Carries out a command.
    ///
    /// # Errors
    /// Why it was not done.
    pub fn carry_out(&mut self, parsed: &Parsed, depth: u8) -> Result<Flow, Failure> {
        if depth > DEEPEST {
            return Err(Failure::Error("too many commands within commands".into()));
        }
        self.ask_first(parsed)?;
        let json = self.json || parsed.json;
        match parsed.command.verb {
            Verb::Quit => {
                if let Some(question) = self.quit_asks {
                    self.confirm("quit", question, parsed.yes)?;
                }
                return Ok(Flow::Quit);
            }
            Verb::Help => {
                let what = parsed.value(0);
                let text = grammar::help(what, self.mode());
                let text = text.ok_or_else(|| {
                    let what = render::clean(what);
                    let sections = Kind::HelpSection.known().join(", ");
                    Failure::Error(format!(
                        "no command begins with {what:?}; sections: {sections}"
                    ))
                })?;
                output::print(&text)?;
            }
            Verb::Run => return self.in_mode(parsed.value(0), Mode::Console, depth + 1),
            Verb::Watch => self.watch(parsed, json)?,
            Verb::FollowEvents => repeat::follow(&self.engine, json)?,
            verb @ (Verb::Switchover | Verb::Suspend) => {
                let request = request::request(parsed, &self.engine)?;
                role::change(&self.engine, verb, &request, json)?;
            }
            Verb::Configure
            | Verb::EditSet
            | Verb::EditDelete
            | Verb::EditShow
            | Verb::EditDiff
            | Verb::EditLoad
            | Verb::EditCommit
            | Verb::EditCommitConfirmed
            | Verb::EditDiscard
            | Verb::EditExit => self.configure(parsed, json)?,
            verb => {
                let text = self.look(parsed, json)?;
                output::print(&text)?;
                if verb == Verb::Rollback {
                    self.after_rollback();
                }
            }
        }
        Ok(Flow::On)
    }

    /// One request, and its answer as it is printed.
    fn look(&self, parsed: &Parsed, json: bool) -> Result<String, Failure> {
        let request = request::request(parsed, &self.engine)?;
        let payload = self.engine.ask(&request)?;
        let answer = Answer::of(parsed, &payload, &self.engine)?;
        Ok(if json {
            answer.json + "\n"
        } else {
            answer.text
        })
    }

    fn watch(&mut self, parsed: &Parsed, json: bool) -> Result<(), Failure> {
        let (seconds, line) = match parsed.values.as_slice() {
            [seconds, line] => (grammar::watch_seconds(seconds).unwrap_or(WATCH_S), line),
            [line] => (WATCH_S, line),
            _ => return Ok(()),
        };
        let inner = grammar::read(line, Mode::Console)
            .map_err(|mistake| Failure::Error(render::clean(&mistake.to_string())))?;
        let Some(inner) = inner.filter(|inner| inner.command.only_looks()) else {
            return Err(Failure::Error(format!(
                "watch repeats what shows something, as `watch show ha`; not `{}`",
                render::clean(line)
            )));
        };
        let json = json || inner.json;
        repeat::watch(&self.engine, line, seconds, || self.look(&inner, json))
    }

    fn ask_first(&mut self, parsed: &Parsed) -> Result<(), Failure> {
        let forced = parsed.force;
        let question = match parsed.command.ask {
            Ask::Yes(question) => question,
            Ask::Forced(question) if forced => question,
            Ask::Unless(word, question) if !parsed.values.iter().any(|v| v == word) => question,
            Ask::No | Ask::Forced(_) | Ask::Unless(..) | Ask::Later => return Ok(()),
        };
        self.confirm(&parsed.command.usage(), question, parsed.yes)
    }

    /// Asks an operator.
    ///
    /// # Errors
    /// When the answer is no, or there is nobody to ask.
    pub fn confirm(&mut self, what: &str, question: &str, yes: bool) -> Result<(), Failure> {
        if yes || self.yes {
            return Ok(());
        }
        let Some(terminal) = &self.terminal else {
            return Err(Failure::Error(format!(
                "`{what}` asks first ({question}), and input is no terminal: add -y to go on without"
            )));
        };
        if terminal
            .borrow_mut()
            .ask(&format!("{question} Go on? (yes/no) "))
        {
            Ok(())
        } else {
            Err(Failure::Error("not done".into()))
        }
    }

    /// Says a thing that is no answer, where it does not get into JSON.
    pub fn note(&self, text: &str) {
        output::complain(text);
    }

    /// Asks the engine something, and prints the answer.
    ///
    /// # Errors
    /// As [`Engine::ask`].
    pub fn tell(&self, request: &Request, json: bool) -> Result<(), Failure> {
        let payload = self.engine.ask(request)?;
        let text = if json {
            let data = payload.data_json();
            data.map_err(|error| Failure::Error(error.to_string()))? + "\n"
        } else {
            render::payload(&payload)
        };
        Ok(output::print(&text)?)
    }
}

fn in_quotes(text: &str) -> bool {
    super::words::words(text).is_err()
}
