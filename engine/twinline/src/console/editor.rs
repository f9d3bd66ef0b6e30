//! The line editor: prompt, history, completion, `?`.

use std::cell::{Cell, RefCell};
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::config::{CompletionType, Config};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{
    Cmd, ConditionalEventHandler, Context, Editor, Event, EventContext, EventHandler,
    ExternalPrinter, Helper, KeyEvent, RepeatCount,
};

use super::grammar::{self, Mode, Names};
use super::words::words;
use crate::output;

/// Lines of the history.
const HISTORY_LINES: usize = 1000;
/// Wrong answers to a question before it counts as no.
const ANSWERS: u32 = 5;

/// What came of reading a line.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// A line.
    Text(String),
    /// `?`: what may follow these words?
    Follows(String),
    /// Ctrl-C.
    Cleared,
    /// Ctrl-D.
    End,
    /// There is no terminal any more.
    Lost,
}

/// A terminal with a person before it.
pub struct Terminal {
    editor: Editor<Helping, FileHistory>,
    history: Option<PathBuf>,
    question: Arc<Question>,
    /// What stood in the line when `?` was pressed, before and behind the cursor.
    unfinished: (String, String),
}

/// Where `?` was pressed.
#[derive(Debug, Default)]
struct Question {
    asked: AtomicBool,
    at: AtomicUsize,
    /// An answer is being typed, no command: `?` is a character.
    answering: AtomicBool,
}

/// What the editor asks while a line is typed.
struct Helping {
    names: Box<dyn Names>,
    mode: Cell<Mode>,
    keys: RefCell<Vec<String>>,
    question: Arc<Question>,
    files: FilenameCompleter,
}

impl Terminal {
    /// The terminal of this process.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn new(names: Box<dyn Names>) -> anyhow::Result<Terminal> {
        let config = Config::builder()
            .max_history_size(HISTORY_LINES)?
            .completion_type(CompletionType::List)
            // pasted lines are carried out one after the other
            .bracketed_paste(false)
            .build();
        let question = Arc::new(Question::default());
        let mut editor = Editor::with_config(config)?;
        editor.set_helper(Some(Helping {
            names,
            mode: Cell::new(Mode::Console),
            keys: RefCell::default(),
            question: question.clone(),
            files: FilenameCompleter::new(),
        }));
        let key = EventHandler::Conditional(Box::new(QuestionKey(question.clone())));
        editor.bind_sequence(KeyEvent::from('?'), key);
        let history = history_file();
        if let Some(file) = &history {
            // there is none the first time
            let _ = editor.load_history(file);
        }
        Ok(Terminal {
            editor,
            history,
            question,
            unfinished: Default::default(),
        })
    }

    /// Reads a line; `keys` are the keys that a candidate has.
    pub fn line(&mut self, prompt: &str, mode: Mode, keys: Vec<String>) -> Line {
        if let Some(helper) = self.editor.helper() {
            helper.mode.set(mode);
            helper.keys.replace(keys);
        }
        self.question.asked.store(false, Ordering::Relaxed);
        let (before, behind) = std::mem::take(&mut self.unfinished);
        let read = self
            .editor
            .readline_with_initial(prompt, (&before, &behind));
        match read {
            Ok(line) if self.question.asked.swap(false, Ordering::Relaxed) => {
                let at = self.question.at.load(Ordering::Relaxed);
                let (before, behind) = line.split_at_checked(at).unwrap_or((&line, ""));
                self.unfinished = (before.to_owned(), behind.to_owned());
                Line::Follows(before.to_owned())
            }
            Ok(line) => {
                self.remember(&line);
                Line::Text(line)
            }
            Err(ReadlineError::Interrupted) => Line::Cleared,
            Err(ReadlineError::Eof) if io::stdin().is_terminal() => Line::End,
            // bytes that are no text, for example
            Err(error) if io::stdin().is_terminal() => {
                output::complain(&format!("not understood: {error}"));
                Line::Cleared
            }
            Err(_) => Line::Lost,
        }
    }

    /// Asks a question; only a yes is a yes.
    pub fn ask(&mut self, question: &str) -> bool {
        self.question.answering.store(true, Ordering::Relaxed);
        let mut yes = false;
        for _ in 0..ANSWERS {
            match self.editor.readline(question).as_deref().map(str::trim) {
                Ok("yes" | "y") => {
                    yes = true;
                    break;
                }
                Ok("no" | "n" | "") | Err(_) => break,
                Ok(_) => output::complain("yes or no?"),
            }
        }
        self.question.answering.store(false, Ordering::Relaxed);
        yes
    }

    /// A way to print above the line that is being typed.
    pub fn printer(&mut self) -> Option<Box<dyn ExternalPrinter + Send>> {
        let printer = self.editor.create_external_printer().ok()?;
        Some(Box::new(printer))
    }

    /// Several consoles share the file: each adds its lines, and a file that cannot be written
    /// is no reason to stop.
    fn remember(&mut self, line: &str) {
        if line.trim().is_empty() || !matches!(self.editor.add_history_entry(line), Ok(true)) {
            return;
        }
        let Some(file) = &self.history else {
            return;
        };
        let written = match file.parent() {
            Some(folder) => std::fs::create_dir_all(folder).is_ok(),
            None => false,
        };
        if !written || self.editor.append_history(file).is_err() {
            self.history = None;
        }
    }
}

/// `$XDG_STATE_HOME/twinline/history`, or below `~/.local/state`.
fn history_file() -> Option<PathBuf> {
    let absolute = |name: &str| {
        let path = std::env::var_os(name).map(PathBuf::from);
        path.filter(|path| path.is_absolute())
    };
    let state = absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))?;
    Some(state.join("twinline/history"))
}

struct QuestionKey(Arc<Question>);

impl ConditionalEventHandler for QuestionKey {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext) -> Option<Cmd> {
        let before = context.line().get(..context.pos()).unwrap_or_default();
        let comment = before.trim_start().starts_with('#');
        if self.0.answering.load(Ordering::Relaxed) || comment || words(before).is_err() {
            return None;
        }
        self.0.at.store(context.pos(), Ordering::Relaxed);
        self.0.asked.store(true, Ordering::Relaxed);
        Some(Cmd::AcceptLine)
    }
}

impl Names for Helping {
    fn names(&self, kind: grammar::Kind) -> Vec<String> {
        match kind {
            grammar::Kind::Key => self.keys.borrow().clone(),
            kind => self.names.names(kind),
        }
    }
}

impl Completer for Helping {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        at: usize,
        context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        if self.question.answering.load(Ordering::Relaxed) {
            return Ok((at, Vec::new()));
        }
        let before = line.get(..at).unwrap_or_default();
        let done = grammar::complete(before, self.mode.get(), self);
        if done.file && done.candidates.is_empty() {
            return self.files.complete(line, at, context);
        }
        let end = if done.candidates.len() == 1 { " " } else { "" };
        let pairs = done.candidates.into_iter().map(|word| Pair {
            replacement: format!("{word}{end}"),
            display: word,
        });
        Ok((done.start, pairs.collect()))
    }
}

impl Helper for Helping {}
impl Hinter for Helping {
    type Hint = String;
}
impl Highlighter for Helping {}
impl Validator for Helping {}

/// How the terminal was: a process that ends within a line leaves it without echo otherwise.
#[derive(Clone)]
pub struct Settings(Option<Termios>);

impl Settings {
    /// As they are now.
    pub fn now() -> Settings {
        Settings(tcgetattr(io::stdin()).ok())
    }

    /// As they were then.
    pub fn restore(&self) {
        if let Some(settings) = &self.0 {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, settings);
        }
    }
}
