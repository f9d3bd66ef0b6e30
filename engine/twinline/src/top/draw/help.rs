use ratatui::text::Line;

use super::paint::{plain, title};

const TEXT: &str = "
1 to 5        overview, ports, peers, layer 3, events
Tab, right    next page        Shift-Tab, left   page before
up, down      a line           Page Up, Down     a screen
Home, End     first, last line
p             pause: the screen stands still, the engine does not
Ctrl-L        draw the screen anew
?, Esc        these words, and back
q, Ctrl-C     quit; the engine is not touched

[ROLE?] ROLE? the last that is known: the engine is away, a peer is not heard
MISSED 2 of 5 check slots in a row without a heartbeat, of as many as it takes
told, sensed  the path that a bypass card was told, and the one that it shows
              (sensed, reported or shadow: how it knows it)
rates         from counters between two polls; the minimum is a line, doubled
              where it is reached
by us         a link that we took down, since the other leg of its pair is down";

/// What the keys do, and what the words mean.
pub fn lines() -> Vec<Line<'static>> {
    let text = TEXT.lines().map(|line| Line::from(plain(line)));
    std::iter::once(title("twinline top")).chain(text).collect()
}
