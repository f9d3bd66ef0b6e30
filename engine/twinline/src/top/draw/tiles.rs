//! Link pairs as tiles: legs, gate, and the lamp of the bypass card.

use ratatui::style::Style;
use ratatui::text::{Line, Span};
use twinline_control::{BypassStatus, LegStatus, LinkPairStatus};

use super::paint::{BAD, BOLD, DIM, GOOD, PLAIN, WARN, plain, word};
use super::ports::link;
use crate::top::state::State;
use crate::top::text;

/// Columns of a tile, its frame counted.
const WIDTH: usize = 40;
/// Lines of a tile.
pub const HEIGHT: usize = 5;

/// How many stand beside each other.
fn abreast(room: usize) -> usize {
    (room / WIDTH).max(1)
}

/// Lines of all tiles.
pub fn height(count: usize, room: usize) -> usize {
    count.div_ceil(abreast(room)) * HEIGHT
}

/// All tiles.
pub fn lines(pairs: &[LinkPairStatus], state: &State, room: usize) -> Vec<Line<'static>> {
    let width = WIDTH.min(room);
    let mut lines = Vec::new();
    for row in pairs.chunks(abreast(room)) {
        let tiles: Vec<Vec<Line<'static>>> = row
            .iter()
            .map(|pair| tile(pair, state.card(&pair.name), width))
            .collect();
        for at in 0..HEIGHT {
            let parts = tiles.iter().filter_map(|tile| tile.get(at));
            let spans: Vec<Span<'static>> = parts.flat_map(|line| line.spans.clone()).collect();
            lines.push(Line::from(spans));
        }
    }
    lines
}

fn tile(pair: &LinkPairStatus, card: Option<&BypassStatus>, width: usize) -> Vec<Line<'static>> {
    let inner = width.saturating_sub(2);
    let (state, style) = up(pair);
    let name = text::cut(
        &text::or_dash(&pair.name),
        inner.saturating_sub(text::width(state) + 6),
    );
    let used = text::width(&name) + text::width(state) + 6;
    let top = Line::from(vec![
        word("┌─ ", DIM),
        word(name, BOLD),
        word(format!(" {} ", "─".repeat(inner.saturating_sub(used))), DIM),
        word(state, style),
        word(" ─┐", DIM),
    ]);
    let leg = |side: &str, leg: &LegStatus| {
        let (words, style) = link(leg.up, leg.taken_down_by_us);
        vec![
            plain(format!("{side} ")),
            word(words, style),
            plain(format!(" {}", text::or_dash(&leg.port))),
        ]
    };
    // Both legs in a line: each has its half, or what the other leaves.
    let (lan, wan) = (leg("LAN", &pair.lan), leg("WAN", &pair.wan));
    let wide = |leg: &[Span<'static>]| leg.iter().map(|span| text::width(&span.content)).sum();
    let (lan_width, wan_width): (usize, usize) = (wide(&lan), wide(&wan));
    let both = inner.saturating_sub(1);
    let half = both / 2;
    let first = if lan_width > half {
        lan_width.min(both.saturating_sub(wan_width).max(half))
    } else if wan_width > both - half {
        both.saturating_sub(wan_width).max(lan_width)
    } else {
        half
    };
    let mut legs = fit(lan, first);
    legs.push(plain(" "));
    legs.extend(fit(wan, both.saturating_sub(first)));
    let (words, style) = gate(pair);
    let gate = vec![plain("gate "), word(words, style)];
    let (lamp, mark) = match card {
        Some(card) => {
            let Lamp { words, mark, style } = lamp(card);
            // Both paths have to be read whole, the word before them has not.
            let name = if text::width(&words) + 7 <= inner {
                "bypass "
            } else {
                ""
            };
            (vec![plain(name), word(words, style)], word(mark, style))
        }
        None => (vec![], plain("")),
    };
    let framed = |spans: Vec<Span<'static>>| {
        let mut line = vec![word("│", DIM)];
        line.extend(fit(spans, inner));
        line.push(word("│", DIM));
        Line::from(line)
    };
    vec![
        top,
        framed(legs),
        framed(gate),
        framed(lamp),
        bottom(mark, inner),
    ]
}

/// The lower edge, with what is wrong with the card.
fn bottom(mark: Span<'static>, inner: usize) -> Line<'static> {
    if mark.content.is_empty() {
        return Line::from(word(format!("└{}┘", "─".repeat(inner)), DIM));
    }
    let rest = inner.saturating_sub(text::width(&mark.content) + 3);
    Line::from(vec![
        word("└─ ", DIM),
        mark,
        word(format!(" {}┘", "─".repeat(rest)), DIM),
    ])
}

/// Spans in exactly `room` columns.
fn fit(spans: Vec<Span<'static>>, room: usize) -> Vec<Span<'static>> {
    let mut left = room;
    let mut kept: Vec<Span<'static>> = Vec::new();
    for span in spans {
        let shown = text::cut(&span.content, left);
        left = left.saturating_sub(text::width(&shown));
        kept.push(Span::styled(shown, span.style));
    }
    kept.push(Span::raw(" ".repeat(left)));
    kept
}

/// A pair's state in a word.
pub fn up(pair: &LinkPairStatus) -> (&'static str, Style) {
    if pair.up { ("UP", GOOD) } else { ("DOWN", BAD) }
}

/// What the worker does with frames, and what it is to do where that is something else.
pub fn gate(pair: &LinkPairStatus) -> (String, Style) {
    let adopted = text::or_dash(&pair.gate_adopted);
    if pair.gate_wanted == pair.gate_adopted {
        return (adopted, PLAIN);
    }
    (
        format!("{adopted}, wanted {}", text::or_dash(&pair.gate_wanted)),
        WARN,
    )
}

/// The lamp of a bypass card.
pub struct Lamp {
    /// What the card was told, beside what it shows; lit when the traffic is not inline.
    pub words: String,
    /// What is wrong; empty for nothing.
    pub mark: String,
    /// For both.
    pub style: Style,
}

/// A card's lamp.
pub fn lamp(card: &BypassStatus) -> Lamp {
    if card.card == "none" || card.card.is_empty() {
        return Lamp {
            words: "no card".into(),
            mark: String::new(),
            style: DIM,
        };
    }
    let shown = card.path.as_deref().unwrap_or("unknown");
    let how = if card.source.is_empty() {
        "shown"
    } else {
        &card.source
    };
    let told = card.wanted.as_deref().unwrap_or("nothing");
    let lit = if shown == "inline" { "○" } else { "●" };
    let differs = card.wanted.as_deref().is_some_and(|wanted| wanted != shown);
    let marks = [
        (!card.found || card.error.is_some(), "CARD FAILED"),
        (differs, "PATH DIFFERS"),
        (card.expired, "WATCHDOG EXPIRED"),
    ];
    let marks: Vec<&str> = marks
        .iter()
        .filter(|(is, _)| *is)
        .map(|(_, mark)| *mark)
        .collect();
    Lamp {
        words: format!("{lit} told {told}, {how} {shown}"),
        style: match (marks.is_empty(), shown) {
            (false, _) => BAD,
            (true, "inline") => GOOD,
            (true, _) => WARN,
        },
        mark: marks.join(", "),
    }
}
