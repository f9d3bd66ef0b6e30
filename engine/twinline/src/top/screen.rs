//! The loop with a terminal in it.

use std::io;
use std::mem::ManuallyDrop;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::TryRecvError;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use ratatui::layout::Rect;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use super::state::State;
use super::view::{View, Wish};
use super::{draw, poller};

/// How long a key, an answer or a signal may wait.
const NAP: Duration = Duration::from_millis(50);
/// How long the loop may take to see a signal.
const GRACE: Duration = Duration::from_secs(1);
/// The ages on the screen are never older.
const REFRESH: Duration = Duration::from_millis(500);

/// The terminal in raw mode, on its second screen; given back by drop, and by a panic, whether that
/// unwinds or not.
struct Screen {
    /// Never dropped: that complains to standard error, which panics where the terminal is gone.
    terminal: ManuallyDrop<DefaultTerminal>,
}

impl Screen {
    fn take() -> anyhow::Result<Screen> {
        // Sets a panic hook as well, which gives the terminal back before the message is printed.
        let terminal = ratatui::try_init().context("the terminal cannot be used")?;
        Ok(Screen {
            terminal: ManuallyDrop::new(terminal),
        })
    }

    /// Has everything drawn anew. `Terminal::clear` would ask the terminal where its cursor is, and
    /// fail where the answer is late.
    fn anew(&mut self) -> anyhow::Result<()> {
        let size = self.terminal.size().context("the terminal has no size")?;
        let area = Rect::new(0, 0, size.width, size.height);
        self.terminal.resize(area).context("the terminal failed")
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing back.
        let _ = self.terminal.show_cursor();
        let _ = ratatui::try_restore();
    }
}

/// What came from outside.
struct Signals {
    /// The signal that ends us; 0 is none yet.
    end: Arc<AtomicUsize>,
    /// We were stopped, and others may have used the terminal since.
    continued: Arc<AtomicBool>,
}

impl Signals {
    fn register() -> io::Result<Signals> {
        let signals = Signals {
            end: Arc::default(),
            continued: Arc::default(),
        };
        for signal in [SIGTERM, SIGINT, SIGHUP, SIGQUIT] {
            let number = usize::try_from(signal).unwrap_or(1);
            signal_hook::flag::register_usize(signal, Arc::clone(&signals.end), number)?;
        }
        signal_hook::flag::register(SIGCONT, Arc::clone(&signals.continued))?;
        signals.insist()?;
        Ok(signals)
    }
}

impl Signals {
    /// Ends the process when the loop does not, a second after a signal: the terminal may have been
    /// hung up between two looks at it.
    fn insist(&self) -> io::Result<()> {
        let end = Arc::clone(&self.end);
        let watch = move || {
            loop {
                std::thread::sleep(GRACE);
                let signal = end.load(Ordering::Relaxed);
                if signal != 0 {
                    std::thread::sleep(GRACE);
                    let _ = ratatui::try_restore();
                    std::process::exit(128 + i32::try_from(signal).unwrap_or(0));
                }
            }
        };
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(watch)?;
        Ok(())
    }
}

/// Shows the screen until a key or a signal ends it.
pub fn run(socket: PathBuf, mut view: View) -> anyhow::Result<ExitCode> {
    let signals = Signals::register().context("signals cannot be handled")?;
    let mut state = State::new(socket.display().to_string());
    let (news, _stop) =
        poller::start(socket, view.interval).context("no thread could be started")?;
    let begun = Instant::now();
    let mut screen = Screen::take()?;
    let mut drawn_at: Option<Instant> = None;
    loop {
        let signal = signals.end.load(Ordering::Relaxed);
        if signal != 0 {
            return Ok(ExitCode::from(u8::try_from(128 + signal).unwrap_or(1)));
        }
        if signals.continued.swap(false, Ordering::Relaxed) {
            // The shell has put the terminal into its own mode meanwhile.
            drop(screen);
            screen = Screen::take()?;
            drawn_at = None;
        }
        loop {
            match news.try_recv() {
                Ok(news) => {
                    let new = state.take(news, begun.elapsed());
                    view.events_came(new);
                    drawn_at = None;
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    bail!("the thread that asks the engine has ended")
                }
            }
        }
        if drawn_at.is_none_or(|at| at.elapsed() >= REFRESH) {
            draw(&mut screen, &mut view, &state, begun.elapsed())?;
            drawn_at = Some(Instant::now());
        }
        if !terminal_is_there(NAP)? {
            bail!("the terminal is gone");
        }
        if !event::poll(Duration::ZERO).context("the terminal cannot be read")? {
            continue;
        }
        drawn_at = None;
        match event::read().context("the terminal cannot be read")? {
            Event::Key(key) if key.kind != KeyEventKind::Release => {
                match view.key(key, &state, begun.elapsed()) {
                    Wish::Quit => return Ok(ExitCode::SUCCESS),
                    Wish::Redraw => screen.anew()?,
                    Wish::Draw => {}
                }
            }
            Event::Resize(..) => screen.anew()?,
            _ => {}
        }
    }
}

/// Waits for a key or a signal, for `time` at most. crossterm reads a terminal that was hung up for
/// ever and never comes back, so that it is asked only while there is one.
fn terminal_is_there(time: Duration) -> anyhow::Result<bool> {
    let stdin = io::stdin();
    let mut wanted = [PollFd::new(&stdin, PollFlags::IN)];
    let time = Timespec::try_from(time).context("no such time")?;
    match poll(&mut wanted, Some(&time)) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error).context("the terminal cannot be read"),
    }
    let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
    Ok(!wanted.iter().any(|fd| fd.revents().intersects(gone)))
}

fn draw(screen: &mut Screen, view: &mut View, state: &State, now: Duration) -> anyhow::Result<()> {
    let mut drawn = draw::Drawn::default();
    let result = screen.terminal.draw(|frame| {
        drawn = draw::screen(frame.buffer_mut(), view, state, now);
    });
    result.context("the terminal cannot be written to")?;
    view.window = drawn.window;
    view.scroll = view.scroll.min(drawn.max_scroll);
    Ok(())
}

#[cfg(test)]
#[path = "../../tests/pty/mod.rs"]
mod pty;

#[cfg(test)]
mod tests {
    use super::pty::OnTerminal;
    use super::*;
    use std::process::Command;

    /// Only as a child of the test below.
    #[test]
    #[ignore = "panics on purpose"]
    fn a_screen_that_panics() {
        let _screen = Screen::take().unwrap();
        panic!("on purpose");
    }

    #[test]
    fn a_panic_gives_the_terminal_back() {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env("TERM", "xterm");
        command.args(["--exact", "top::screen::tests::a_screen_that_panics"]);
        command.args(["--ignored", "--nocapture", "--test-threads=1"]);
        let mut child = OnTerminal::start(command, 80, 24);
        assert_eq!(child.end().code(), Some(101));
        let bytes = String::from_utf8_lossy(&child.bytes()).into_owned();
        let taken = bytes.find("\x1b[?1049h").unwrap();
        let given_back = bytes.find("\x1b[?1049l").unwrap();
        let said = bytes.find("on purpose").unwrap();
        assert!(taken < given_back && given_back < said, "{bytes:?}");
    }
}
