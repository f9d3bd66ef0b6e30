//! `twinline ctl`: one command of the console, for a shell.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use twinline_control::render;

use crate::console::{self, Engine, Failure, Mode, Place, Session};
use crate::output;

#[derive(Args)]
#[command(after_help = console::ctl_help())]
pub struct Ctl {
    /// The engine's control socket.
    #[arg(long, value_name = "PATH", conflicts_with = "config")]
    socket: Option<PathBuf>,
    /// Take the socket from this configuration.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Even where it moves the role, makes a loop, or stops the traffic.
    #[arg(long)]
    force: bool,
    /// With `show events`: only the newest N.
    #[arg(long, value_name = "N")]
    last: Option<u32>,
    /// The command; its words may be shortened where that is unambiguous.
    #[arg(required = true, value_name = "WORD", allow_negative_numbers = true)]
    words: Vec<String>,
}

/// Carries out one command. Nothing is asked first: who writes a whole command means it.
pub fn ctl(ctl: &Ctl) -> anyhow::Result<ExitCode> {
    let mut words = ctl.words.clone();
    if let Some(last) = ctl.last {
        words.extend(["last".to_owned(), last.to_string()]);
    }
    let parsed = match console::read_argv(&words, ctl.force, Mode::Operate) {
        Ok(Some(parsed)) => parsed,
        Ok(None) => bail!("no command; `twinline ctl help` lists them"),
        Err(mistake) => bail!(render::clean(&mistake.to_string())),
    };
    let place = Place::from_options(ctl.socket.as_deref(), ctl.config.as_deref())?;
    let mut session = Session::new(Engine::new(place));
    session.outer = Mode::Operate;
    session.yes = true;
    session.json = ctl.json || parsed.json;
    match session.carry_out(&parsed, 0) {
        Ok(_) => Ok(ExitCode::SUCCESS),
        Err(failure) => {
            if session.json
                && let Failure::Refused(reason) = &failure
            {
                output::line(&console::refused_json(reason))?;
            }
            output::complain(&format!("twinline: {}", failure.lines()));
            Ok(ExitCode::from(failure.code()))
        }
    }
}

/// The whole command line with the words of `ctl` as subcommands: what completions for shells and
/// man pages are generated from.
pub fn documented(cli: clap::Command) -> clap::Command {
    cli.mut_subcommand("ctl", |ctl| {
        let about = ctl.get_about().cloned().unwrap_or_default();
        let options = ctl.get_arguments().filter(|arg| !arg.is_positional());
        clap::Command::new("ctl")
            .about(about)
            .args(options.cloned().map(|option| option.global(true)))
            .disable_help_subcommand(true)
            .subcommands(console::subcommands())
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_words_of_ctl_are_subcommands_for_shells() {
        let cli = documented(crate::Cli::command());
        cli.clone().debug_assert();
        let words = ["twinline", "ctl", "show", "events", "--json", "last", "5"];
        assert!(cli.clone().try_get_matches_from(words).is_ok());
        let ctl = cli.find_subcommand("ctl").unwrap();
        let show = ctl.find_subcommand("show").unwrap();
        let port = show.find_subcommand("port").unwrap();
        let what = port.get_positionals().next().unwrap();
        let values: Vec<String> = what
            .get_possible_values()
            .iter()
            .map(|value| value.get_name().to_owned())
            .collect();
        assert_eq!(values, ["info", "stats", "xstats", "link"]);
        assert!(ctl.find_subcommand("configure").is_none());
    }
}
