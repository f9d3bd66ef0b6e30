//! Twinline: the high-availability engine of an inline appliance.
#![forbid(unsafe_code)]

mod bypass;
mod check;
mod claims;
mod ctl;
mod log_sink;
mod output;
mod run;
mod service;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The high-availability engine of an inline network appliance.
#[derive(Parser)]
#[command(name = "twinline", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the engine (SIGTERM: hand over, then exit; SIGHUP: reload).
    Run {
        /// The instance's configuration.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Validate a configuration without starting anything.
    Check {
        /// The configuration.
        #[arg(value_name = "FILE")]
        config: PathBuf,
    },
    /// Ask a running engine, or tell it something.
    Ctl(ctl::Ctl),
    /// Bypass cards, without an engine.
    Bypass(bypass::Bypass),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run { config } => run::run(config),
        Command::Check { config } => check::check(&config),
        Command::Ctl(ctl) => ctl::ctl(&ctl),
        Command::Bypass(bypass) => bypass::bypass(&bypass),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            output::complain(&format!("twinline: {}", one_line(&error)));
            ExitCode::FAILURE
        }
    }
}

/// An error with its causes in one line; a cause that the line says already is not said again.
fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if line.is_empty() {
            line = text;
        } else if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
    }
    line.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line_and_says_nothing_twice() {
        let cause = std::io::Error::other("no such thing");
        let error = anyhow::Error::new(cause).context("it failed");
        assert_eq!(one_line(&error), "it failed: no such thing");
        let said = anyhow::anyhow!("no such thing").context("it failed: no such thing\nat all");
        assert_eq!(one_line(&said), "it failed: no such thing at all");
    }
}
