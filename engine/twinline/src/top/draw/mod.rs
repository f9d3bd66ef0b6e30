//! From the state to a frame: nothing here asks, waits or keeps anything.

mod chart;
mod events;
mod help;
mod layer3;
mod overview;
mod paint;
mod peers;
mod ports;
mod table;
#[cfg(test)]
mod tests;
mod tiles;

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::state::{Answers, State};
use super::text;
use super::view::{Page, View};
use paint::{BAD, BOLD, DIM, PLAIN, WARN, plain, word};
use ratatui::style::Modifier;

/// Lines above the page, and below it.
const AROUND: u16 = 3;

/// How a page was drawn: what the keys need to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Drawn {
    /// Lines that the page has room for.
    pub window: usize,
    /// The last useful first line.
    pub max_scroll: usize,
}

/// Draws all of it at `now`.
pub fn screen(buffer: &mut Buffer, view: &View, state: &State, now: Duration) -> Drawn {
    // A pause shows the screen as it was, and says so.
    let (state, then) = match view.paused.as_deref() {
        Some((state, then)) => (state, *then),
        None => (state, now),
    };
    let area = buffer.area;
    let room = usize::from(area.width);
    put(buffer, 0, &header(view, state, then, now, room));
    put(buffer, 1, &tabs(view));
    let mut top = 2;
    for line in notice(state, then, room) {
        put(buffer, top, &line);
        top = top.saturating_add(1);
    }
    let height = usize::from(area.height.saturating_sub(top).saturating_sub(1));
    let lines = if view.help {
        help::lines()
    } else {
        page(view.page, state, room, height)
    };
    let max_scroll = lines.len().saturating_sub(height);
    let first = view.scroll.min(max_scroll);
    for (line, row) in lines.iter().skip(first).take(height).zip(top..) {
        put(buffer, row, line);
    }
    let bottom = area.height.saturating_sub(1);
    if bottom >= 2 {
        let seen = (
            first,
            first.saturating_add(height).min(lines.len()),
            lines.len(),
        );
        put(buffer, bottom, &footer(seen, max_scroll, room));
    }
    view.look.finish(buffer);
    Drawn {
        window: height,
        max_scroll,
    }
}

/// The height at which nothing of the page is left out.
pub fn natural_height(page_shown: Page, state: &State, room: usize) -> u16 {
    let lines = match (&state.answers, page_shown) {
        (Some(answers), Page::Overview) => overview::natural_height(answers, state, room),
        _ => page(page_shown, state, room, 0).len(),
    };
    let lines = u16::try_from(lines).unwrap_or(u16::MAX - AROUND - 2);
    lines.saturating_add(AROUND).saturating_add(2)
}

fn page(page: Page, state: &State, room: usize, height: usize) -> Vec<Line<'static>> {
    let Some(answers) = &state.answers else {
        return vec![
            Line::default(),
            Line::from(plain(format!(
                "nothing is known yet of the engine on {}",
                state.socket
            ))),
        ];
    };
    match page {
        Page::Overview => overview::lines(answers, state, room, height),
        Page::Ports => ports::lines(answers, state, room),
        Page::Peers => peers::lines(answers, room),
        Page::Layer3 => layer3::lines(answers, room),
        Page::Events => events::lines(state, room),
    }
}

/// A line at a row, if the screen has it.
fn put(buffer: &mut Buffer, row: u16, line: &Line<'_>) {
    let area: Rect = buffer.area;
    if row < area.height && area.width > 0 {
        buffer.set_line(area.x, area.y.saturating_add(row), line, area.width);
    }
}

fn header(view: &View, state: &State, then: Duration, now: Duration, room: usize) -> Line<'static> {
    let (age, age_style) = freshness(view, state, then, now);
    let Some(answers) = &state.answers else {
        return ends(
            vec![paint::badge("", false), plain(" twinline")],
            (age, age_style),
            room,
        );
    };
    let Answers { ha, .. } = answers;
    let mut spans = vec![
        paint::badge(&ha.role, state.away.is_some()),
        word(format!(" {}", text::or_dash(&ha.name)), BOLD),
    ];
    let primary = if ha.primary { ", primary" } else { "" };
    spans.push(plain(format!(
        " (id {}{primary}) of {}",
        ha.id,
        text::or_dash(&ha.stack)
    )));
    ends(spans, (age, age_style), room)
}

/// How old the data is.
fn freshness(
    view: &View,
    state: &State,
    then: Duration,
    now: Duration,
) -> (String, ratatui::style::Style) {
    let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let old = then.saturating_sub(state.at);
    if view.paused.is_some() {
        let paused = now.saturating_sub(then);
        return (format!("PAUSED {}", text::span(ms(paused))), WARN);
    }
    if state.answers.is_none() {
        return ("no data".into(), WARN);
    }
    // Not each tenth of a second: a number that always moves draws the eye for nothing.
    if state.away.is_some() || old > view.interval.saturating_mul(2) + Duration::from_secs(1) {
        return (format!("DATA {} OLD", text::span(ms(old))), BAD);
    }
    (format!("every {}", text::span(ms(view.interval))), DIM)
}

fn tabs(view: &View) -> Line<'static> {
    let mut spans = Vec::new();
    for (page, number) in Page::ALL.iter().zip(1..) {
        let title = page.title();
        if *page == view.page && !view.help {
            let style = BOLD.add_modifier(Modifier::REVERSED);
            spans.push(word(format!("[{number} {title}]"), style));
        } else {
            spans.push(plain(format!(" {number} {title} ")));
        }
        spans.push(Span::raw(" "));
    }
    Line::from(spans)
}

/// While the engine is away: since when, why, and that we try again.
fn notice(state: &State, now: Duration, room: usize) -> Vec<Line<'static>> {
    let Some((since, why)) = &state.away else {
        return Vec::new();
    };
    let ms = u64::try_from(now.saturating_sub(*since).as_millis()).unwrap_or(u64::MAX);
    let said = format!(
        "ENGINE AWAY for {}, trying again: {}",
        text::span(ms),
        text::clean(why)
    );
    let lines = text::wrap(&said, room);
    lines
        .into_iter()
        .take(2)
        .map(|line| Line::from(word(line, BAD)))
        .collect()
}

fn footer(seen: (usize, usize, usize), max_scroll: usize, room: usize) -> Line<'static> {
    let keys = "q quit  ? help  1-5 Tab page  p pause";
    let (keys, right) = if max_scroll == 0 {
        (keys.to_owned(), String::new())
    } else {
        let (first, last, all) = seen;
        let right = format!("lines {}-{last} of {all}", first.saturating_add(1));
        (format!("{keys}  arrows scroll"), right)
    };
    ends(vec![word(keys, DIM)], (right, PLAIN), room)
}

/// Something at the left end of a line, something at the right end, which is never cut.
fn ends(
    spans: Vec<Span<'static>>,
    (right, style): (String, ratatui::style::Style),
    room: usize,
) -> Line<'static> {
    let end = text::width(&right);
    let mut left = room.saturating_sub(end + usize::from(end > 0));
    let mut kept = Vec::new();
    for span in spans {
        let shown = text::cut(&span.content, left);
        left = left.saturating_sub(text::width(&shown));
        kept.push(Span::styled(shown, span.style));
    }
    kept.push(Span::raw(" ".repeat(left + usize::from(end > 0))));
    kept.push(Span::styled(right, style));
    Line::from(kept)
}
