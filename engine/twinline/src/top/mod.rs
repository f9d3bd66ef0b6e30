//! `twinline top`: a live screen, a thin client of the control socket.
//!
//! [`poller`] asks on a thread of its own, [`state`] keeps what came and how old it is, [`draw`]
//! makes a frame of it, and [`screen`] is the only part that knows a terminal.

mod draw;
mod poller;
mod rates;
mod screen;
mod state;
mod text;
mod view;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Args;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::{output, target};
use state::{News, State};
use text::Look;
use view::{Page, View};

/// The narrowest frame that `--once` prints.
const ONCE_WIDTH: u16 = 80;

/// The options of `twinline top`.
#[derive(Args)]
pub struct Top {
    #[command(flatten)]
    target: target::Target,
    /// Time between two polls, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 1000,
          value_parser = clap::value_parser!(u64).range(100..=60_000))]
    interval: u64,
    /// Print one frame as text, and end.
    #[arg(long)]
    once: bool,
    /// The page to begin with.
    #[arg(long, value_enum, default_value_t)]
    page: Page,
    /// No colours (as NO_COLOR in the environment).
    #[arg(long)]
    no_color: bool,
    /// Only ASCII characters (as without a UTF-8 locale).
    #[arg(long)]
    ascii: bool,
}

/// Shows the screen until the operator has seen enough.
pub fn top(top: &Top) -> anyhow::Result<ExitCode> {
    if !top.once {
        for (what, terminal) in [
            ("output", std::io::stdout().is_terminal()),
            ("input", std::io::stdin().is_terminal()),
        ] {
            if !terminal {
                bail!(
                    "standard {what} is no terminal: use `twinline top --once`, which prints one \
                     frame as text"
                );
            }
        }
    }
    let look = Look::of(top.ascii, top.no_color, |name| std::env::var(name).ok());
    let interval = Duration::from_millis(top.interval);
    let view = View::new(look, interval, top.page);
    let socket = top.target.socket()?;
    if top.once {
        once(socket, &view)
    } else {
        screen::run(socket, view)
    }
}

/// Two rounds, since a rate takes two, and a frame that leaves nothing out.
fn once(socket: PathBuf, view: &View) -> anyhow::Result<ExitCode> {
    let mut state = State::new(socket.display().to_string());
    let mut poller = poller::Poller::new(socket);
    let begun = Instant::now();
    for round in 0..2 {
        if round > 0 {
            std::thread::sleep(view.interval.min(Duration::from_secs(1)));
        }
        let news = poller.round();
        if let (News::Away(why), None) = (&news, &state.answers) {
            bail!("{why}");
        }
        state.take(news, begun.elapsed());
    }
    let terminal = ratatui::crossterm::terminal::size().ok();
    let terminal = terminal.filter(|_| std::io::stdout().is_terminal());
    let width = terminal.map_or(ONCE_WIDTH, |(columns, _)| columns.max(ONCE_WIDTH));
    let height = draw::natural_height(view.page, &state, usize::from(width));
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    draw::screen(&mut buffer, view, &state, begun.elapsed());
    output::print(&as_text(&buffer, true))?;
    Ok(ExitCode::SUCCESS)
}

/// A frame as lines of text, without blanks at their ends, and without the keys in the last one,
/// which are of no use on paper.
fn as_text(buffer: &Buffer, without_keys: bool) -> String {
    let width = usize::from(buffer.area.width.max(1));
    let mut lines: Vec<String> = buffer
        .content
        .chunks(width)
        .map(|row| {
            let mut line = String::new();
            let mut covered = 0;
            for cell in row {
                // A wide character covers the cell after it.
                if covered > 0 {
                    covered -= 1;
                    continue;
                }
                covered = text::width(cell.symbol()).saturating_sub(1);
                line.push_str(cell.symbol());
            }
            line.trim_end().to_owned()
        })
        .collect();
    if without_keys {
        lines.pop();
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
    }
    lines.push(String::new());
    lines.join("\n")
}
