//! Twinline: the high-availability engine of an inline appliance.
#![forbid(unsafe_code)]

mod check;
mod ctl;
mod run;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The high-availability engine of an inline network appliance.
#[derive(Parser)]
#[command(name = "twinline", version, about)]
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
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run { config } => run::run(config),
        Command::Check { config } => check::check(&config),
        Command::Ctl(ctl) => ctl::ctl(&ctl),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("twinline: {error:#}");
            ExitCode::FAILURE
        }
    }
}
