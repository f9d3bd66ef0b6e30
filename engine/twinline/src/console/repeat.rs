//! What goes on until Ctrl-C: `watch`, and following events.

use std::io::{self, IsTerminal};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use twinline_control::{Event, Payload, Request, render};

use super::engine::{Engine, Failure, unexpected};
use crate::output;

/// How often new events are asked for.
const FOLLOW: Duration = Duration::from_millis(500);
/// Events that are shown at first.
const FIRST: u32 = 10;
const LOOK: Duration = Duration::from_millis(50);
/// Home, and clear what is below.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Waits; `false` when Ctrl-C was pressed.
fn pause(engine: &Engine, time: Duration) -> bool {
    let deadline = Instant::now() + time;
    loop {
        if engine.interrupted.load(Ordering::Relaxed) {
            return false;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(LOOK));
    }
}

/// Shows what `look` gives each so many seconds. An engine that is away is said, and asked again.
///
/// # Errors
/// When the output cannot be written.
pub fn watch(
    engine: &Engine,
    line: &str,
    seconds: f64,
    mut look: impl FnMut() -> Result<String, Failure>,
) -> Result<(), Failure> {
    let screen = io::stdout().is_terminal();
    loop {
        let text = match look() {
            Ok(text) => text,
            Err(Failure::Interrupted) => return Ok(()),
            Err(failure) => failure.lines() + "\n",
        };
        let text = if screen {
            let line = render::clean(line);
            format!("{CLEAR}every {seconds} s: {line}   (Ctrl-C ends it)\n\n{text}")
        } else {
            text
        };
        let read = output::print_to_reader(&text)?;
        if !read || !pause(engine, Duration::from_secs_f64(seconds)) {
            return Ok(());
        }
    }
}

/// Shows the newest events, then each as it happens; also of an engine that was started again.
///
/// # Errors
/// When the engine is away at first, or the output cannot be written.
pub fn follow(engine: &Engine, json: bool) -> Result<(), Failure> {
    let mut boot = engine.ha()?.boot;
    let mut seen = None;
    let mut away = false;
    loop {
        let round = events(engine, &mut boot, &mut seen);
        match round {
            Ok(events) => {
                if std::mem::take(&mut away) {
                    output::complain("the engine is back");
                }
                let mut text = String::new();
                for event in &events {
                    text.push_str(&line(event, json)?);
                }
                if !text.is_empty() && !output::print_to_reader(&text)? {
                    return Ok(());
                }
            }
            Err(Failure::Interrupted) => return Ok(()),
            Err(failure) if !away => {
                away = true;
                output::complain(&format!("{}; waiting for it", failure.lines()));
            }
            Err(_) => {}
        }
        if !pause(engine, FOLLOW) {
            return Ok(());
        }
    }
}

fn events(
    engine: &Engine,
    boot: &mut String,
    seen: &mut Option<u64>,
) -> Result<Vec<Event>, Failure> {
    let now = engine.ha()?.boot;
    if now != *boot {
        // sequence numbers count from the start again
        *boot = now;
        *seen = Some(0);
    }
    let request = Request::ShowEvents {
        last: seen.is_none().then_some(FIRST),
        after: *seen,
    };
    let Payload::Events(events) = engine.ask(&request)? else {
        return Err(unexpected());
    };
    let newest = events.iter().map(|event| event.seq).max();
    *seen = newest.max(*seen).or(Some(0));
    Ok(events)
}

fn line(event: &Event, json: bool) -> Result<String, Failure> {
    if !json {
        return Ok(render::event_line(event));
    }
    let line = serde_json::to_string(event).map_err(|error| Failure::Error(error.to_string()))?;
    Ok(line + "\n")
}
