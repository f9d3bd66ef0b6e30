//! A console with a person before it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use twinline_control::{HaStatus, Payload, Request, render};

use super::candidate::Candidate;
use super::editor::{Line, Terminal};
use super::engine::Engine;
use super::grammar::Mode;
use super::session::{Flow, Session};
use crate::output;

/// How long a prompt may take.
const PATIENCE: Duration = Duration::from_millis(500);
const WELCOME: &str = "`help` lists the commands, `?` shows what may follow, Tab completes";

/// How a console was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// By its user.
    Quit,
    /// The terminal is gone.
    Lost,
}

/// Reads and carries out lines until the console is left.
///
/// # Errors
/// When the terminal cannot be written to.
pub fn interact(session: &mut Session, terminal: Rc<RefCell<Terminal>>) -> anyhow::Result<Ending> {
    session.terminal = Some(terminal.clone());
    output::line(WELCOME)?;
    let mut name = String::new();
    loop {
        // a Ctrl-C of before is over
        session.engine.interrupted.store(false, Ordering::Relaxed);
        let prompt = prompt(&session.engine, &mut name, session.mode());
        let keys = session
            .candidate
            .as_ref()
            .map_or_else(Vec::new, Candidate::keys);
        // borrowed for the line only: a command asks at the same terminal
        let line = terminal.borrow_mut().line(&prompt, session.mode(), keys);
        let done = match line {
            Line::Text(line) => session.line(&line),
            Line::Follows(line) => {
                output::print(&session.follows(&line))?;
                continue;
            }
            Line::Cleared => continue,
            Line::End => {
                output::line("")?;
                session.line(if session.mode() == Mode::Configure {
                    "exit"
                } else {
                    "quit"
                })
            }
            Line::Lost => return Ok(Ending::Lost),
        };
        match done {
            Ok(Flow::On) => {}
            Ok(Flow::Quit) => return Ok(Ending::Quit),
            Err(failure) => output::complain(&failure.lines()),
        }
    }
}

/// `node-a ACTIVE> `, of now.
fn prompt(engine: &Engine, name: &mut String, mode: Mode) -> String {
    let state = match engine.glance(&Request::ShowHa, PATIENCE) {
        Ok(Payload::Ha(status)) => {
            let HaStatus {
                name: now, role, ..
            } = *status;
            *name = render::clean(&now);
            render::clean(&role)
        }
        Ok(_) => super::engine::Glance::NoAnswer.word().into(),
        Err(why) => why.word().into(),
    };
    let end = match mode {
        Mode::Configure => " [edit]# ",
        Mode::Operate | Mode::Console => "> ",
    };
    format!("{name} {state}{end}").trim_start().to_owned()
}
