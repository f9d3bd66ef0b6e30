//! What may be at a place of a line: for the Tab key.

use super::read::{Alive, begin, cut, narrow};
use super::table::COMMANDS;
use super::{Kind, Mode, Names, Token};
use crate::console::words::words;

/// What completes a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// Byte at which the word begins that is completed.
    pub start: usize,
    /// What it can become, without doubles.
    pub candidates: Vec<String>,
    /// A file's name can stand here.
    pub file: bool,
}

/// Completes the last word of `line`.
pub fn complete(line: &str, mode: Mode, names: &dyn Names) -> Completion {
    let (from, mode) = innermost(line, mode);
    let inner = line.get(from..).unwrap_or_default();
    let (at, partial) = last_word(inner);
    let mut done = Completion {
        start: from + at,
        candidates: Vec::new(),
        file: false,
    };
    let Ok((input, _)) = cut(inner.get(..at).unwrap_or_default()) else {
        return done;
    };
    let mut alive = begin(COMMANDS.iter().filter(|c| c.is_in(mode)));
    for word in &input.words {
        alive = narrow(&alive, word, word);
    }
    for token in alive.iter().filter_map(Alive::next) {
        match token {
            Token::Word(word) => done.add(word, &partial),
            Token::Choice(_, words) => words.iter().for_each(|word| done.add(word, &partial)),
            Token::Value(Kind::File) => done.file = true,
            Token::Value(Kind::CommandLine) => {
                for command in COMMANDS.iter().filter(|c| c.is_in(Mode::Console)) {
                    if let Some(Token::Word(word)) = command.tokens.first() {
                        done.add(word, &partial);
                    }
                }
            }
            Token::Value(kind) => {
                kind.known()
                    .iter()
                    .for_each(|word| done.add(word, &partial));
                names
                    .names(kind)
                    .iter()
                    .for_each(|name| done.add(name, &partial));
            }
        }
    }
    done
}

impl Completion {
    fn add(&mut self, word: &str, partial: &str) {
        if word.starts_with(partial) && !self.candidates.iter().any(|known| known == word) {
            self.candidates.push(word.to_owned());
        }
    }
}

/// The word that the cursor stands behind: empty after a blank.
fn last_word(line: &str) -> (usize, String) {
    match words(line) {
        Ok(all) => match all.last() {
            Some(word) if word.end == line.len() => (word.start, word.text.clone()),
            _ => (line.len(), String::new()),
        },
        Err(open) => (open.word.start, open.word.text),
    }
}

/// Where the command begins that the cursor stands in, within `watch` and `run`; and its mode.
pub(super) fn innermost(line: &str, mode: Mode) -> (usize, Mode) {
    let (mut from, mut mode) = (0, mode);
    while let Some(at) = inner(line.get(from..).unwrap_or_default(), mode) {
        (from, mode) = (from + at, Mode::Console);
    }
    (from, mode)
}

/// Where the command within the command begins; never at 0, since a word of its own comes before.
fn inner(line: &str, mode: Mode) -> Option<usize> {
    let before = line.get(..last_word(line).0)?;
    let (input, _) = cut(before).ok()?;
    let mut alive = begin(COMMANDS.iter().filter(|c| c.is_in(mode)));
    for (at, word) in input.words.iter().enumerate() {
        let wants = |kind| {
            alive
                .iter()
                .any(|row| row.next() == Some(Token::Value(kind)))
        };
        // `watch 5 show`: the number is no command
        let number = wants(Kind::WatchSeconds) && Kind::WatchSeconds.accepts(word);
        if wants(Kind::CommandLine) && !number {
            return Some(place_of(before, at)).filter(|at| *at > 0);
        }
        alive = narrow(&alive, word, word);
    }
    None
}

/// The byte at which a word begins, counted as [`cut`] counts.
fn place_of(line: &str, at: usize) -> usize {
    let all = words(line).unwrap_or_default();
    let is_flag = |text: &str| matches!(text, "--json" | "--yes" | "-y" | "--force");
    all.iter()
        .filter(|word| !is_flag(&word.text))
        .nth(at)
        .map_or(line.len(), |word| word.start)
}

#[cfg(test)]
mod tests {
    use super::super::NoNames;
    use super::*;

    struct Few;
    impl Names for Few {
        fn names(&self, kind: Kind) -> Vec<String> {
            match kind {
                Kind::Port | Kind::PortOrAll => vec!["lan0".into(), "wan0".into()],
                Kind::Setting => vec!["max-flaps".into(), "preempt".into()],
                _ => Vec::new(),
            }
        }
    }

    fn of(line: &str, mode: Mode) -> String {
        complete(line, mode, &Few).candidates.join(" ")
    }

    #[test]
    fn words_names_and_settings() {
        assert_eq!(of("ha s", Mode::Console), "switchover suspend");
        assert_eq!(of("sh port st", Mode::Console), "stats");
        assert_eq!(of("show port stats ", Mode::Console), "all lan0 wan0");
        assert_eq!(of("set ha ma", Mode::Console), "max-flaps");
        assert_eq!(of("ha suspend ", Mode::Console), "force");
        assert_eq!(of("show ha ", Mode::Console), "");
        assert_eq!(of("di", Mode::Configure), "diff discard");
        assert_eq!(of("configure", Mode::Operate), "");
        assert!(complete("capture start lan0 /t", Mode::Console, &NoNames).file);
    }

    #[test]
    fn a_command_within_a_command() {
        assert_eq!(of("watch sh", Mode::Console), "show");
        assert_eq!(of("watch 5 show port in", Mode::Console), "info");
        assert_eq!(of("watch show port info ", Mode::Console), "all lan0 wan0");
        assert_eq!(of("run ha sw", Mode::Configure), "switchover");
        let inside = complete("watch show ha", Mode::Console, &NoNames);
        assert_eq!((inside.start, inside.candidates.len()), (11, 1));
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(line in ".{0,60}", words in "[a-z0-9 '\"#?]{0,30}") {
            for mode in [Mode::Console, Mode::Configure] {
                for line in [&line, &words] {
                    let done = complete(line, mode, &Few);
                    proptest::prop_assert!(line.is_char_boundary(done.start));
                }
            }
        }
    }
}
