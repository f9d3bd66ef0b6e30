//! Styles and lines. No meaning is in a colour alone: the words say it too.

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use crate::top::text;

/// Nothing special.
pub const PLAIN: Style = Style::new();
/// As it should be.
pub const GOOD: Style = Style::new().fg(Color::Green);
/// To be looked at.
pub const WARN: Style = Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD);
/// Wrong.
pub const BAD: Style = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
/// Beside the point.
pub const DIM: Style = Style::new().add_modifier(Modifier::DIM);
/// Titles and what counts.
pub const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
/// Charts.
pub const CHART: Style = Style::new().fg(Color::Cyan);

/// Text from anywhere.
pub fn word(words: impl AsRef<str>, style: Style) -> Span<'static> {
    Span::styled(text::clean(words.as_ref()), style)
}

/// Text without a style.
pub fn plain(words: impl AsRef<str>) -> Span<'static> {
    word(words, PLAIN)
}

/// A title.
pub fn title(words: impl AsRef<str>) -> Line<'static> {
    Line::from(word(words, BOLD))
}

/// A line that says one thing.
pub fn note(words: impl AsRef<str>) -> Line<'static> {
    Line::from(word(words, DIM))
}

/// A role's style.
pub fn role(role: &str) -> Style {
    match role {
        "ACTIVE" | "active" => GOOD,
        "PASSIVE" | "backup" => Style::new().fg(Color::Cyan),
        "DOWN" => BAD,
        "BYPASS" | "SUSPENDED" | "INIT" | "initialize" => WARN,
        _ => PLAIN,
    }
}

/// A health's style.
pub fn health(health: &str) -> Style {
    match health {
        "HEALTHY" => GOOD,
        "UNHEALTHY" => BAD,
        _ => WARN,
    }
}

/// The role as a badge: brackets, so that it is one without colours too.
pub fn badge(role_name: &str, stale: bool) -> Span<'static> {
    let name = if role_name.is_empty() {
        "NO DATA"
    } else {
        role_name
    };
    let mark = if stale { "?" } else { "" };
    let style = match stale {
        true => DIM,
        false => role(role_name),
    };
    word(
        format!("[{name}{mark}]"),
        style
            .add_modifier(Modifier::REVERSED)
            .add_modifier(Modifier::BOLD),
    )
}

/// `part` of `whole` as a row of marks, ten at most: `[##....]`.
pub fn gauge(part: u32, whole: u32) -> String {
    let marks = whole.min(10);
    let filled = match whole {
        0 => 0,
        _ => (u64::from(part.min(whole)) * u64::from(marks)).div_ceil(u64::from(whole)),
    };
    let empty = u64::from(marks).saturating_sub(filled);
    let repeat = |mark: &str, count: u64| mark.repeat(usize::try_from(count).unwrap_or(0));
    format!("[{}{}]", repeat("#", filled), repeat(".", empty))
}
