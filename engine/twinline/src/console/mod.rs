//! `twinline console`: a thin client of the control socket, as testpmd's prompt is to testpmd.

mod answer;
mod candidate;
mod configure;
mod editor;
mod engine;
mod grammar;
mod interactive;
mod names;
mod repeat;
mod request;
mod role;
mod script;
mod session;
mod settings;
mod words;

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufReader, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;

use anyhow::Context;
use clap::Args;
use rustyline::ExternalPrinter;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

pub use editor::Settings as TerminalSettings;
pub use engine::{Engine, Failure, Place};
pub use grammar::{Mode, ctl_help, read_argv, subcommands};
pub use interactive::Ending;
pub use session::Session;

use editor::Terminal;
use names::EngineNames;
use script::Script;

#[derive(Args)]
pub struct Console {
    /// The engine's control socket.
    #[arg(long, value_name = "PATH", conflicts_with = "config")]
    socket: Option<PathBuf>,
    /// Take the socket from this configuration.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Carry out this command and end; may be given several times.
    #[arg(
        short = 'c',
        long = "command",
        value_name = "COMMAND",
        conflicts_with = "file"
    )]
    commands: Vec<String>,
    /// Carry out the lines of a file and end; - is standard input.
    #[arg(short = 'f', long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Go on after an error.
    #[arg(long)]
    keep_going: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Answer every question with yes.
    #[arg(short = 'y', long)]
    yes: bool,
}

/// Runs a console: for a person, or for the commands of options, a file or a pipe.
pub fn console(options: &Console) -> anyhow::Result<ExitCode> {
    let place = Place::from_options(options.socket.as_deref(), options.config.as_deref())?;
    let mut session = Session::new(Engine::new(place));
    session.yes = options.yes;
    session.json = options.json;
    let person = io::stdin().is_terminal();
    if options.commands.is_empty() && options.file.is_none() && person {
        restore_at_signals()?;
        signal_hook::flag::register(SIGINT, session.engine.interrupted.clone())
            .context("Ctrl-C could not be set up")?;
        let terminal = terminal(&session.engine)?;
        interactive::interact(&mut session, terminal)?;
        return Ok(ExitCode::SUCCESS);
    }
    if !options.commands.is_empty() && person {
        session.terminal = terminal(&session.engine).ok();
    }
    let mut script = Script {
        session: &mut session,
        keep_going: options.keep_going,
        code: 0,
    };
    let name = run_script(&mut script, options)?;
    Ok(ExitCode::from(script.end(&name)))
}

/// Carries out what the options name; gives the name that messages have for it.
fn run_script(script: &mut Script, options: &Console) -> anyhow::Result<String> {
    if !options.commands.is_empty() {
        for (at, command) in options.commands.iter().enumerate() {
            if !script.line(command.as_bytes(), &format!("-c {}", at + 1)) {
                break;
            }
        }
        return Ok("-c".into());
    }
    match options
        .file
        .as_deref()
        .filter(|file| *file != Path::new("-"))
    {
        Some(path) => {
            let name = path.display().to_string();
            let file = File::open(path).with_context(|| format!("{name} cannot be opened"))?;
            script.read(BufReader::new(file), &name);
            Ok(name)
        }
        None => {
            script.read(io::stdin().lock(), "stdin");
            Ok("stdin".into())
        }
    }
}

fn terminal(engine: &Engine) -> anyhow::Result<Rc<RefCell<Terminal>>> {
    let names = Box::new(EngineNames::new(engine.clone()));
    let terminal = Terminal::new(names).context("the terminal cannot be used")?;
    Ok(Rc::new(RefCell::new(terminal)))
}

/// Whoever ends us within a line gets the terminal back as it was.
fn restore_at_signals() -> anyhow::Result<()> {
    let before = TerminalSettings::now();
    let mut signals = signal_hook::iterator::Signals::new([SIGTERM, SIGHUP])
        .context("signal handlers could not be set")?;
    let watch = move || {
        if let Some(signal) = signals.forever().next() {
            before.restore();
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    };
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(watch)
        .context("the signal thread could not be started")?;
    Ok(())
}

/// The console of `twinline run --interactive`: in the engine's own terminal, and through its
/// socket like any other. `printer` gets a way to print above the line that is being typed.
///
/// # Errors
/// When the terminal cannot be used.
pub fn attached(
    engine: Engine,
    printer: impl FnOnce(Box<dyn ExternalPrinter + Send>),
) -> anyhow::Result<Ending> {
    let mut session = Session::new(engine);
    session.quit_asks = Some("The engine hands over and ends with this console.");
    let terminal = terminal(&session.engine)?;
    if let Some(above) = terminal.borrow_mut().printer() {
        printer(above);
    }
    interactive::interact(&mut session, terminal)
}

/// A refusal as JSON.
pub fn refused_json(reason: &str) -> String {
    serde_json::json!({ "refused": reason }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_json_whatever_it_says() {
        assert_eq!(
            refused_json("instance 2's \"key\" \\ é\n"),
            r#"{"refused":"instance 2's \"key\" \\ é\n"}"#
        );
    }
}
