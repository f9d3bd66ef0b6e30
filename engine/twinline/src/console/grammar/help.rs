//! Help, and the documentation's table.

#[cfg(test)]
use super::Ask;
use super::complete::innermost;
use super::read::{begin, cut, narrow};
use super::table::COMMANDS;
use super::{Command, Kind, Mode, Names, Section, Token};
use crate::console::settings;

const GENERAL: &str = "\
Words may be shortened where that is unambiguous. `?` shows what may follow, Tab completes,
`# ...` is a comment, `json` as the last word of a `show` prints JSON, -y answers every question.
";

/// All commands by section; or those of the section, or that begin with the words, `what`.
/// `None` where there are none.
pub fn help(what: &str, mode: Mode) -> Option<String> {
    let here = |c: &&Command| c.is_in(mode);
    if what.is_empty() {
        let mut text = String::from(GENERAL);
        for section in Section::ALL {
            let rows: Vec<&Command> = of(section).filter(here).collect();
            if !rows.is_empty() {
                text.push_str(&format!(
                    "\n{} (help {}):\n",
                    section.title(),
                    section.word()
                ));
                text.push_str(&list(&rows));
            }
        }
        return Some(text);
    }
    let section = Section::ALL.into_iter().find(|s| s.word() == what);
    let first =
        |c: &&Command| matches!(c.tokens.first(), Some(Token::Word(w)) if w.starts_with(what));
    let rows: Vec<&Command> = match section {
        // commands of both modes: help for `configure` is asked for before one goes there
        Some(section) => of(section).collect(),
        None => COMMANDS.iter().filter(here).filter(first).collect(),
    };
    if rows.is_empty() {
        return None;
    }
    let title = section.map_or_else(String::new, |s| format!("{}:\n", s.title()));
    Some(title + &list(&rows))
}

/// What `twinline ctl --help` says after its options.
pub fn ctl_help() -> String {
    let mut text = String::from("Commands:\n");
    let rows: Vec<&Command> = COMMANDS.iter().filter(|c| c.is_in(Mode::Operate)).collect();
    text.push_str(&list(&rows));
    text
}

/// What may follow these words, one a line: for `?`.
pub fn follows(line: &str, mode: Mode, names: &dyn Names) -> String {
    let (from, mode) = innermost(line, mode);
    let line = line.get(from..).unwrap_or_default();
    // a word that the cursor touches is still being written: its possible ends are shown
    let touched = !line.is_empty() && !line.ends_with(char::is_whitespace);
    let Ok((input, _)) = cut(line) else {
        return "  the quote has to end first\n".into();
    };
    let mut words = input.words.as_slice();
    let mut partial = "";
    if touched && let Some((last, before)) = words.split_last() {
        (partial, words) = (last, before);
    }
    let mut alive = begin(COMMANDS.iter().filter(|c| c.is_in(mode)));
    for word in words {
        alive = narrow(&alive, word, word);
    }
    let mut lines: Vec<(String, String)> = Vec::new();
    let mut ends = false;
    for row in &alive {
        let forced = row.command.tokens.len() <= words.len();
        ends |= forced;
        let Some(token) = row.next() else {
            continue;
        };
        let last = row.command.tokens.len() == words.len() + 1;
        let note = match token {
            _ if forced => "even if it moves the role or stops traffic",
            _ if last => row.command.help,
            _ => "...",
        };
        for (word, note) in shown(token, note, partial, words.last(), names) {
            match lines.iter_mut().find(|(known, _)| *known == word) {
                None => lines.push((word, note)),
                Some((_, known)) if known == "..." => *known = note,
                Some(_) => {}
            }
        }
    }
    if ends && partial.is_empty() && !words.is_empty() {
        lines.push(("<Enter>".into(), "carries it out".into()));
    }
    if lines.is_empty() {
        return "  nothing is known here\n".into();
    }
    columns(&lines)
}

/// The words that a token can be, each with a note; of values what is accepted.
fn shown(
    token: Token,
    note: &str,
    partial: &str,
    before: Option<&String>,
    names: &dyn Names,
) -> Vec<(String, String)> {
    let begins = |word: &&&str| word.starts_with(partial);
    let kind = match token {
        Token::Word(word) => {
            let some = [word];
            let some = some.iter().filter(begins);
            return some.map(|w| ((*w).into(), note.into())).collect();
        }
        Token::Choice(_, all) => {
            let some = all.iter().filter(begins);
            return some.map(|w| ((*w).into(), note.into())).collect();
        }
        Token::Value(kind) => kind,
    };
    let note = match kind {
        Kind::Setting => return settings::described(partial),
        Kind::SettingValue | Kind::ConfigValue => {
            let of_key = before.and_then(|key| settings::accepted(key));
            of_key.unwrap_or_else(|| kind.accepted().into())
        }
        // hundreds: Tab has them
        Kind::Key => kind.accepted().into(),
        _ => match names.names(kind).join(", ") {
            known if known.is_empty() => kind.accepted().into(),
            known => format!("{}: {known}", kind.accepted()),
        },
    };
    vec![(kind.placeholder().into(), note)]
}

/// The documentation's tables: docs/console.md contains this text.
#[cfg(test)]
fn markdown() -> String {
    let mut text = String::new();
    for section in Section::ALL {
        text.push_str(&format!("### {}\n\n", section.title()));
        text.push_str("| command | what it does | asks | where |\n|---|---|---|---|\n");
        for c in of(section) {
            let asks = match c.ask {
                Ask::No => "",
                Ask::Yes(_) => "yes",
                Ask::Forced(_) => "with `force`",
                Ask::Unless(word, _) => &format!("unless `{word}`"),
                Ask::Later => "where something may be lost",
            };
            let place = match c.mode {
                Mode::Operate => "console, ctl",
                Mode::Console => "console",
                Mode::Configure => "`configure`",
            };
            let usage = c.usage().replace('|', "\\|");
            text.push_str(&format!("| `{usage}` | {} | {asks} | {place} |\n", c.help));
        }
        text.push('\n');
    }
    text
}

fn of(section: Section) -> impl Iterator<Item = &'static Command> {
    COMMANDS.iter().filter(move |c| c.section == section)
}

fn list(rows: &[&Command]) -> String {
    let lines: Vec<(String, String)> = rows
        .iter()
        .map(|c| (c.usage(), c.help.to_owned()))
        .collect();
    columns(&lines)
}

/// Two columns; what is too long for the first has its note on the next line.
fn columns(lines: &[(String, String)]) -> String {
    const WIDEST: usize = 34;
    let fitting = lines.iter().map(|(word, _)| word.len());
    let width = fitting.filter(|w| *w <= WIDEST).max().unwrap_or(WIDEST);
    let mut text = String::new();
    for (word, note) in lines {
        if word.len() > width {
            text.push_str(&format!("  {word}\n  {:width$}  {note}\n", ""));
        } else {
            text.push_str(&format!("  {word:width$}  {note}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::NoNames;
    use super::*;

    fn follows(line: &str, mode: Mode) -> String {
        super::follows(line, mode, &NoNames)
    }

    #[test]
    fn what_may_follow() {
        let expected = "  \
  switchover  Hand over to the peer in an orderly way
  suspend     Hand over and stay out until resumed; force: even if nobody can take over
  resume      Stand for election again
  clear       Clear the latch, the flap count and the hold of a switch-over
";
        assert_eq!(follows("ha ", Mode::Console), expected);
        let expected = "  \
  force    even if it moves the role or stops traffic
  <Enter>  carries it out
";
        assert_eq!(follows("ha suspend ", Mode::Console), expected);
        assert_eq!(
            follows("show po", Mode::Console),
            "  port   ...\n  ports  All of that but the driver's own counters, of all ports\n"
        );
        let settings = follows("set ha max", Mode::Console);
        let expected = "  max-flaps  0 to 1000 (0 = no limit): Exits from ACTIVE allowed in the window; the next one latches\n";
        assert_eq!(settings, expected);
        let value = follows("set ha max-flaps ", Mode::Console);
        assert_eq!(value, expected.replace("max-flaps", "VALUE"));
        let value = follows("set ha.max_flaps ", Mode::Configure);
        assert_eq!(value, expected.replace("max-flaps", "VALUE"));
        assert_eq!(
            follows("watch 5 ha ", Mode::Console),
            follows("ha ", Mode::Console)
        );
        assert_eq!(
            follows("run ha sw", Mode::Configure),
            follows("ha sw", Mode::Console)
        );
        assert_eq!(
            follows("nonsense ", Mode::Console),
            "  nothing is known here\n"
        );
    }

    #[test]
    fn help_has_sections() {
        let all = help("", Mode::Console).unwrap();
        for section in Section::ALL {
            assert!(all.contains(&format!("(help {})", section.word())));
        }
        assert!(!all.contains("discard"), "what configure alone knows");
        let configure = help("configure", Mode::Console).unwrap();
        assert!(configure.contains("commit confirmed MINUTES [force]"));
        let capture = help("capture", Mode::Console).unwrap();
        assert_eq!(capture.lines().count(), 3, "{capture}");
        assert_eq!(help("nonsense", Mode::Console), None);
        assert!(all.lines().all(|line| line.len() < 160));
    }

    #[test]
    fn the_documentation_has_the_table() {
        let page = include_str!("../../../../../docs/console.md");
        let table = markdown();
        assert!(
            page.contains(&table),
            "docs/console.md does not contain this:\n{table}"
        );
    }
}
