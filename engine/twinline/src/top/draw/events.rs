use ratatui::text::Line;
use twinline_control::{Event, render};

use super::paint::{BAD, BOLD, PLAIN, WARN, note, plain, word};
use super::table::{Set, Table};
use crate::top::state::State;
use crate::top::text;

/// From this width on, an event's day is shown, and its milliseconds.
const WIDE: usize = 110;

/// All events, the newest first.
pub fn lines(state: &State, room: usize) -> Vec<Line<'static>> {
    let Some(events) = &state.events else {
        return vec![note("this engine tells of no events")];
    };
    if events.is_empty() {
        return vec![note("no events yet")];
    }
    // The day as well, where there is room for it.
    let time = |event: &Event| match room {
        0..WIDE => text::clock(event.time_unix_ms),
        _ => render::time(event.time_unix_ms),
    };
    let mut table = Table::new(&[
        ("TIME UTC", Set::Whole, 0),
        ("SEQ", Set::Right, 2),
        ("WHAT", Set::Left, 0),
        ("FROM", Set::Left, 1),
        ("TO", Set::Left, 0),
        ("WHY", Set::Left, 0),
        ("DETAIL", Set::Left, 3),
    ]);
    for event in events.iter().rev() {
        table.row(vec![
            (time(event), PLAIN),
            (event.seq.to_string(), PLAIN),
            (text::or_dash(&event.what), BOLD),
            (text::or_dash(&event.from), PLAIN),
            (text::or_dash(&event.to), style(event)),
            (text::or_dash(&event.why), PLAIN),
            (event.detail.clone(), PLAIN),
        ]);
    }
    table.lines(room)
}

/// The newest, each in a line of its own form: `05:12:34 role INIT -> ACTIVE: why (detail)`.
pub fn newest(state: &State, count: usize) -> Vec<Line<'static>> {
    let events = state.events.iter().flatten().rev().take(count);
    events.map(line).collect()
}

fn line(event: &Event) -> Line<'static> {
    let mut spans = vec![
        plain(format!("{} ", text::clock(event.time_unix_ms))),
        word(text::or_dash(&event.what), BOLD),
    ];
    if !event.from.is_empty() || !event.to.is_empty() {
        spans.push(plain(" "));
    }
    if !event.from.is_empty() {
        spans.push(plain(format!("{} -> ", event.from)));
    }
    spans.push(word(&event.to, style(event)));
    spans.push(plain(format!(": {}", text::or_dash(&event.why))));
    if !event.detail.is_empty() {
        spans.push(plain(format!(" ({})", event.detail)));
    }
    Line::from(spans)
}

fn style(event: &Event) -> ratatui::style::Style {
    match event.to.as_str() {
        "UNHEALTHY" | "DOWN" | "down" => BAD,
        "BYPASS" | "SUSPENDED" => WARN,
        _ => PLAIN,
    }
}
