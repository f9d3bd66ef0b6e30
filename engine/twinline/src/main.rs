//! Twinline: the high-availability engine of an inline appliance.
#![forbid(unsafe_code)]

mod bypass;
mod check;
mod claims;
mod console;
mod ctl;
mod generate;
mod log_sink;
mod output;
mod run;
mod service;
mod target;
mod top;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::LazyLock;

use clap::{CommandFactory, Parser, Subcommand};

/// What `--version` says after our name: our version, then DPDK's and how it is linked.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let dpdk = dpdk::version();
    format!("{}\n{dpdk}, {}", env!("CARGO_PKG_VERSION"), dpdk::linkage())
});

/// The high-availability engine of an inline network appliance.
#[derive(Parser)]
#[command(name = "twinline", version = VERSION.as_str())]
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
        /// With a console in the same terminal; the log is printed above its prompt.
        #[arg(short, long)]
        interactive: bool,
    },
    /// Validate a configuration without starting anything.
    Check {
        /// The configuration.
        #[arg(value_name = "FILE")]
        config: PathBuf,
    },
    /// A prompt at a running engine: looks, commands, configuration; also for scripts.
    Console(console::Console),
    /// Ask a running engine, or tell it something: one command of the console.
    Ctl(ctl::Ctl),
    /// A live screen: role, peers, link pairs, rates, events.
    Top(top::Top),
    /// Bypass cards, without an engine.
    Bypass(bypass::Bypass),
    /// Becomes the program of events.notify; the engine calls it.
    #[command(hide = true)]
    ExecNotify {
        /// The engine's process id.
        parent: u32,
        /// The program and its arguments.
        #[arg(required = true, last = true)]
        words: Vec<OsString>,
    },
    /// Write man pages or completions to a folder.
    #[command(hide = true)]
    Generate(generate::Generate),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run {
            config,
            interactive,
        } => run::run(config, interactive),
        Command::Check { config } => check::check(&config),
        Command::Console(options) => console::console(&options),
        Command::Ctl(ctl) => ctl::ctl(&ctl),
        Command::Top(top) => top::top(&top),
        Command::Bypass(bypass) => bypass::bypass(&bypass),
        Command::ExecNotify { parent, words } => run::exec_notify(parent, &words),
        Command::Generate(generate) => generate::generate(&generate, Cli::command()),
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
