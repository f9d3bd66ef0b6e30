//! The commands as clap's subcommands, from which completions for shells and man pages are made.
//! `twinline ctl` itself reads its words by the table.

use clap::builder::PossibleValuesParser;
use clap::{Arg, Command as Clap, ValueHint};

use super::table::COMMANDS;
use super::{Command, Kind, Mode, Token};

/// The rest of a row, and the row.
type Row = (&'static [Token], &'static Command);

/// The subcommands of `twinline ctl`.
pub fn subcommands() -> Vec<Clap> {
    let rows = COMMANDS.iter().filter(|c| c.is_in(Mode::Operate));
    let root = node(Clap::new("ctl"), rows.map(|c| (c.tokens, c)).collect());
    root.get_subcommands().cloned().collect()
}

fn node(mut clap: Clap, rows: Vec<Row>) -> Clap {
    let mut children: Vec<(&'static str, Vec<Row>)> = Vec::new();
    for (tokens, command) in rows {
        match tokens.split_first() {
            None => clap = clap.about(command.help),
            Some((Token::Word(word), rest)) => {
                let child = (rest, command);
                match children.iter_mut().find(|(known, _)| known == word) {
                    Some((_, rows)) => rows.push(child),
                    None => children.push((word, vec![child])),
                }
            }
            // of several forms with values at one place the first is shown
            Some(_) if clap.get_positionals().next().is_some() => {}
            Some(_) => {
                if clap.get_about().is_none() {
                    clap = clap.about(command.help);
                }
                clap = clap.args(tokens.iter().map(arg));
            }
        }
    }
    let child = |(word, rows)| node(Clap::new(word), rows);
    clap.subcommands(children.into_iter().map(child))
        .disable_help_subcommand(true)
}

fn arg(token: &Token) -> Arg {
    match *token {
        Token::Word(word) => Arg::new(word).value_parser(PossibleValuesParser::new([word])),
        Token::Choice(name, words) => {
            Arg::new(name).value_parser(PossibleValuesParser::new(words.iter().copied()))
        }
        Token::Value(Kind::File) => Arg::new("FILE").value_hint(ValueHint::FilePath),
        Token::Value(kind) => Arg::new(kind.placeholder()),
    }
}
