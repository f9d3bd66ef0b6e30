//! From words to a command.
//!
//! As in vtysh, a word may be any beginning of a word of the table, as long as no other begins so
//! at that place. A whole word goes before a beginning, and a word of the table before a value.

use super::kind::Kind;
use super::table::COMMANDS;
use super::{Command, Mode, Token, Verb};
use crate::console::words::{Unfinished, words};

/// A line that was understood.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// The command.
    pub command: &'static Command,
    /// Its values and choices, in their order; choices in full.
    pub values: Vec<String>,
    /// `force` was said.
    pub force: bool,
    /// `json` was said.
    pub json: bool,
    /// `-y` was said.
    pub yes: bool,
}

impl Parsed {
    /// The value at a place; empty where the command has none there.
    pub fn value(&self, at: usize) -> &str {
        self.values.get(at).map_or("", String::as_str)
    }
}

/// Why a line was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// A quote without its end.
    #[error("a quote does not end: {0}")]
    Quote(String),
    /// The beginning of several words.
    #[error("{word:?} is ambiguous: {}", candidates.join(", "))]
    Ambiguous {
        /// As it was written.
        word: String,
        /// What begins so.
        candidates: Vec<String>,
    },
    /// Something is missing.
    #[error("not complete: {so_far} ...; accepted next: {}", next.join(", "))]
    Incomplete {
        /// The words so far, in full.
        so_far: String,
        /// What may follow.
        next: Vec<String>,
    },
    /// A word that no command has there.
    #[error("{word:?} is not understood{before}{nearest}; accepted: {}", accepted.join(", "))]
    Unknown {
        /// The word.
        word: String,
        /// ` after ` and the words before it, or nothing.
        before: String,
        /// ` (perhaps "...")`, or nothing.
        nearest: String,
        /// What is accepted there.
        accepted: Vec<String>,
    },
    /// The command has no place for a word.
    #[error("{word:?} is too much: nothing follows {command}")]
    TooMany {
        /// The word.
        word: String,
        /// The command's words.
        command: String,
    },
    /// `force` for what cannot be forced.
    #[error("{0} takes no `force`")]
    NoForce(String),
    /// A command of the other mode.
    #[error("{command} {place}")]
    Elsewhere {
        /// The command's words.
        command: String,
        /// Where it is known.
        place: &'static str,
    },
}

/// Words, and of each place the rest of the line as it was written.
pub(super) struct Input {
    pub(super) words: Vec<String>,
    rests: Vec<String>,
}

/// Reads a line. `None` where there is nothing but a comment.
///
/// # Errors
/// One line that says what is accepted.
pub fn read(line: &str, mode: Mode) -> Result<Option<Parsed>, Mistake> {
    let (input, flags) = cut(line).map_err(|open| Mistake::Quote(open.word.text))?;
    read_words(input, flags, mode)
}

/// Reads words that a shell has cut already; `force` was said as an option.
///
/// # Errors
/// As [`read`].
pub fn read_argv(argv: &[String], force: bool, mode: Mode) -> Result<Option<Parsed>, Mistake> {
    let rests = (0..argv.len())
        .map(|i| argv.get(i..).unwrap_or_default().join(" "))
        .collect();
    let input = Input {
        words: argv.to_vec(),
        rests,
    };
    let flags = Flags {
        force,
        ..Flags::default()
    };
    read_words(input, flags, mode)
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Flags {
    json: bool,
    yes: bool,
    force: bool,
}

/// Words without the flags among them.
pub(super) fn cut(line: &str) -> Result<(Input, Flags), Unfinished> {
    let mut flags = Flags::default();
    let mut input = Input {
        words: Vec::new(),
        rests: Vec::new(),
    };
    let all = words(line)?;
    let end = all.last().map_or(0, |word| word.end);
    for word in all {
        let written = line.get(word.start..word.end).unwrap_or_default();
        match written {
            "--json" => flags.json = true,
            "--yes" | "-y" => flags.yes = true,
            "--force" => flags.force = true,
            // as `twinline ctl` has it
            "--last" => input.push("last", line.get(word.start..end)),
            _ => input.push(&word.text, line.get(word.start..end)),
        }
    }
    Ok((input, flags))
}

impl Input {
    fn push(&mut self, word: &str, rest: Option<&str>) {
        self.words.push(word.to_owned());
        self.rests.push(rest.unwrap_or_default().to_owned());
    }
}

fn read_words(mut input: Input, flags: Flags, mode: Mode) -> Result<Option<Parsed>, Mistake> {
    if input.words.is_empty() {
        return Ok(None);
    }
    let all = COMMANDS.iter().filter(|c| c.is_in(mode));
    let finish = |mut parsed: Parsed| {
        parsed.json |= flags.json;
        parsed.yes |= flags.yes;
        parsed.force |= flags.force;
        if parsed.force && !parsed.command.force {
            return Err(Mistake::NoForce(format!("`{}`", parsed.command.usage())));
        }
        Ok(Some(parsed))
    };
    // `json` is a last word of what shows something, and a file's name elsewhere
    if input.words.last().is_some_and(|last| last == "json") {
        let word = input.words.pop();
        let rest = input.rests.pop();
        if let Ok(mut parsed) = select(&input, all.clone())
            && (parsed.command.only_looks() || parsed.command.verb == Verb::FollowEvents)
        {
            parsed.json = true;
            return finish(parsed);
        }
        input.words.extend(word);
        input.rests.extend(rest);
    }
    match select(&input, all) {
        Ok(parsed) => finish(parsed),
        Err(mistake) => Err(elsewhere(&input, mode).unwrap_or(mistake)),
    }
}

/// Says where a command is known that is not known here.
fn elsewhere(input: &Input, mode: Mode) -> Option<Mistake> {
    let (other, place) = match mode {
        Mode::Configure => (
            Mode::Console,
            "is known outside of `configure`: put `run` before it",
        ),
        Mode::Console => (Mode::Configure, "is known within `configure`"),
        Mode::Operate => (Mode::Console, "is known in `twinline console` only"),
    };
    let rows = COMMANDS.iter().filter(|c| c.is_in(other));
    // a value matches anything: a beginning that is a word of the table is needed
    let first = input.words.first()?;
    let known = |c: &&Command| matches!(c.tokens.first(), Some(Token::Word(w)) if w == first);
    let parsed = select(input, rows.filter(known)).ok()?;
    let here = COMMANDS.iter().filter(|c| c.is_in(mode));
    (!here.clone().any(|c| known(&c)) || mode == Mode::Configure).then(|| Mistake::Elsewhere {
        command: format!("`{}`", parsed.command.usage()),
        place,
    })
}

/// A row that the words so far agree with.
#[derive(Clone)]
pub(super) struct Alive {
    pub(super) command: &'static Command,
    marks: Vec<Mark>,
}

/// How a word agrees with a token.
#[derive(Clone, PartialEq, Eq)]
struct Mark {
    rank: Rank,
    /// What it stands for; several where it is ambiguous.
    words: Vec<String>,
    is_value: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// The rest of a line: anything.
    Rest,
    Value,
    Prefix,
    Exact,
}

impl Alive {
    /// The token that the next word is for.
    pub(super) fn next(&self) -> Option<Token> {
        let at = self.marks.len();
        match self.command.tokens.get(at) {
            Some(token) => Some(*token),
            None if self.command.force && at == self.command.tokens.len() => {
                Some(Token::Word("force"))
            }
            None => None,
        }
    }

    fn is_complete(&self) -> bool {
        self.marks.len() >= self.command.tokens.len()
    }

    fn ranks(&self) -> Vec<Rank> {
        self.marks.iter().map(|mark| mark.rank).collect()
    }

    fn in_rest(&self) -> bool {
        self.is_complete()
            && matches!(self.command.tokens.last(), Some(Token::Value(k)) if k.takes_rest())
    }

    fn so_far(&self) -> String {
        let words = self.marks.iter().map(|m| m.words.join("|"));
        words.collect::<Vec<_>>().join(" ")
    }
}

/// All rows, before the first word.
pub(super) fn begin(rows: impl Iterator<Item = &'static Command>) -> Vec<Alive> {
    rows.map(|command| Alive {
        command,
        marks: Vec::new(),
    })
    .collect()
}

/// The rows that also agree with the next word.
pub(super) fn narrow(alive: &[Alive], word: &str, rest: &str) -> Vec<Alive> {
    let mut next: Vec<Alive> = alive
        .iter()
        .filter_map(|row| {
            if row.in_rest() {
                return Some(row.clone());
            }
            let mark = mark(row.next()?, row.is_complete(), word, rest)?;
            let mut row = row.clone();
            row.marks.push(mark);
            Some(row)
        })
        .collect();
    let last = |row: &Alive| row.marks.last().map(|mark| mark.rank);
    if next.iter().any(|row| last(row) == Some(Rank::Exact)) {
        next.retain(|row| last(row) != Some(Rank::Prefix));
    }
    next
}

fn mark(token: Token, is_flag: bool, word: &str, rest: &str) -> Option<Mark> {
    let one = |rank, text: &str, is_value| {
        Some(Mark {
            rank,
            words: vec![text.to_owned()],
            is_value,
        })
    };
    match token {
        Token::Word(known) if known == word => one(Rank::Exact, known, false),
        // `force` is never abbreviated
        Token::Word(known) if !is_flag && !word.is_empty() && known.starts_with(word) => {
            one(Rank::Prefix, known, false)
        }
        Token::Word(_) => None,
        Token::Choice(_, known) if known.contains(&word) => one(Rank::Exact, word, true),
        Token::Choice(name, known) => {
            if let Some(ours) = synonym(name, word) {
                return one(Rank::Exact, ours, true);
            }
            let some: Vec<String> = known
                .iter()
                .filter(|k| !word.is_empty() && k.starts_with(word))
                .map(|k| (*k).to_owned())
                .collect();
            (!some.is_empty()).then_some(Mark {
                rank: Rank::Prefix,
                words: some,
                is_value: true,
            })
        }
        Token::Value(kind) if kind.takes_rest() => one(Rank::Rest, rest, true),
        Token::Value(kind) => kind
            .accepts(word)
            .then(|| one(Rank::Value, word, true))
            .flatten(),
    }
}

/// Our word in testpmd's form, and testpmd's in ours.
fn synonym(choice: &str, word: &str) -> Option<&'static str> {
    match (choice, word) {
        ("mode", "inline") => Some("normal"),
        ("mode", "disconnect") => Some("isolate"),
        ("path", "normal") => Some("inline"),
        ("path", "isolate") => Some("disconnect"),
        _ => None,
    }
}

fn select(input: &Input, rows: impl Iterator<Item = &'static Command>) -> Result<Parsed, Mistake> {
    let mut alive = begin(rows);
    for (at, word) in input.words.iter().enumerate() {
        let rest = input.rests.get(at).map_or("", String::as_str);
        let next = narrow(&alive, word, rest);
        if next.is_empty() {
            return Err(unknown(&alive, word, input, at));
        }
        alive = next;
    }
    let complete = alive.iter().filter(|row| row.is_complete());
    let Some(best) = complete.max_by_key(|row| row.ranks()) else {
        return Err(incomplete(&alive, input));
    };
    if let Some(mistake) = ambiguous(best, &alive, input) {
        return Err(mistake);
    }
    let tokens = best.command.tokens.len();
    Ok(Parsed {
        command: best.command,
        values: best
            .marks
            .iter()
            .take(tokens)
            .filter(|mark| mark.is_value)
            .filter_map(|mark| mark.words.first().cloned())
            .collect(),
        force: best.marks.len() > tokens,
        json: false,
        yes: false,
    })
}

/// A beginning that stands for several words, in the best row or in another that is as good.
fn ambiguous(best: &Alive, alive: &[Alive], input: &Input) -> Option<Mistake> {
    for (at, mark) in best.marks.iter().enumerate() {
        if mark.rank != Rank::Prefix {
            continue;
        }
        let before = |row: &Alive| row.marks.iter().take(at).cloned().collect::<Vec<_>>();
        let ours = before(best);
        let mut candidates: Vec<String> = Vec::new();
        for row in alive.iter().filter(|row| before(row) == ours) {
            let other = row.marks.get(at).filter(|m| m.rank == Rank::Prefix);
            for word in other.map_or(&[][..], |m| &m.words) {
                if !candidates.contains(word) {
                    candidates.push(word.clone());
                }
            }
        }
        if candidates.len() > 1 {
            return Some(Mistake::Ambiguous {
                word: input.words.get(at).cloned().unwrap_or_default(),
                candidates,
            });
        }
    }
    None
}

fn incomplete(alive: &[Alive], input: &Input) -> Mistake {
    let Some(best) = alive.iter().max_by_key(|row| row.ranks()) else {
        return Mistake::Quote(String::new());
    };
    if let Some(mistake) = ambiguous(best, alive, input) {
        return mistake;
    }
    let like = alive.iter().filter(|row| row.ranks() == best.ranks());
    Mistake::Incomplete {
        so_far: format!("`{}`", best.so_far()),
        next: accepted(like),
    }
}

fn unknown(alive: &[Alive], word: &str, input: &Input, at: usize) -> Mistake {
    // of the rows so far, those that took the words most literally
    let best = alive.iter().map(Alive::ranks).max().unwrap_or_default();
    let like = || alive.iter().filter(|row| row.ranks() == best);
    let accepted = accepted(like());
    let before = input.words.get(..at).unwrap_or_default().join(" ");
    if accepted.iter().all(|next| next == "force") {
        return Mistake::TooMany {
            word: word.to_owned(),
            command: format!("`{before}`"),
        };
    }
    let known = like()
        .filter_map(Alive::next)
        .flat_map(|token| match token {
            Token::Word(known) => vec![known],
            Token::Choice(_, known) => known.to_vec(),
            Token::Value(_) => Vec::new(),
        });
    let nearest = twinline_config::nearest(word, known)
        .map_or_else(String::new, |near| format!(" (perhaps {near:?})"));
    Mistake::Unknown {
        word: word.to_owned(),
        before: if before.is_empty() {
            before
        } else {
            format!(" after `{before}`")
        },
        nearest,
        accepted,
    }
}

/// What these rows accept next, in words, without doubles.
fn accepted<'a>(rows: impl Iterator<Item = &'a Alive>) -> Vec<String> {
    let mut all = Vec::new();
    for token in rows.filter_map(Alive::next) {
        let words = match token {
            Token::Word(word) => vec![word.to_owned()],
            Token::Choice(_, words) => words.iter().map(|w| (*w).to_owned()).collect(),
            Token::Value(kind) => vec![value(kind)],
        };
        for word in words {
            if !all.contains(&word) {
                all.push(word);
            }
        }
    }
    all
}

fn value(kind: Kind) -> String {
    format!("{} ({})", kind.placeholder(), kind.accepted())
}

#[cfg(test)]
mod tests;
