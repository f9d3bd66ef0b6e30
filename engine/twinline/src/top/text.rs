//! Words, numbers and spans of time for narrow columns.

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The mark of a text that was cut.
const CUT: char = '…';

/// How the terminal is drawn on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Only ASCII characters.
    pub ascii: bool,
    /// With colours.
    pub colour: bool,
}

impl Look {
    /// By what the operator asked for and the environment says: the locale has to be UTF-8 for more
    /// than ASCII, and `NO_COLOR`, when it is not empty, means no colours (<https://no-color.org>).
    pub fn of(ascii: bool, no_colour: bool, variable: impl Fn(&str) -> Option<String>) -> Look {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        // The first one that is set decides, as in setlocale(3).
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set);
        let utf8 = locale.is_some_and(|locale| {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        });
        let dumb = variable("TERM").is_some_and(|term| term == "dumb");
        Look {
            ascii: ascii || !utf8,
            colour: !no_colour && !dumb && set("NO_COLOR").is_none(),
        }
    }

    /// The last hand on a frame: no character that the terminal would obey or cannot show, and no
    /// colour where none is wanted. Everything on the screen comes through here.
    pub fn finish(self, buffer: &mut Buffer) {
        for cell in &mut buffer.content {
            if cell.symbol().chars().any(moves_the_terminal) {
                cell.set_symbol("?");
            } else if self.ascii && !cell.symbol().is_ascii() {
                let plain = ascii(cell.symbol());
                cell.set_symbol(plain);
            }
            if !self.colour {
                cell.fg = Color::Reset;
                cell.bg = Color::Reset;
                cell.modifier.remove(Modifier::DIM);
            }
        }
    }
}

/// What stands for a character on a terminal without UTF-8.
fn ascii(symbol: &str) -> &'static str {
    match symbol {
        "─" | "╌" => "-",
        "━" => "=",
        "│" => "|",
        "┌" | "┐" | "└" | "┘" => "+",
        "▁" | "▂" => ".",
        "▃" | "▄" | "▅" => ":",
        "▆" | "▇" => "|",
        "█" => "#",
        "●" => "*",
        "○" => "o",
        "…" => "~",
        _ => "?",
    }
}

/// Control characters, and those that turn the direction of what follows or cannot be seen.
fn moves_the_terminal(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Text from elsewhere, with `?` for everything that would move the terminal or hide.
pub fn clean(text: &str) -> String {
    let shown = text
        .chars()
        .map(|c| if moves_the_terminal(c) { '?' } else { c });
    shown.collect()
}

/// Text from elsewhere, or `-` where there is none.
pub fn or_dash(text: &str) -> String {
    if text.is_empty() {
        "-".into()
    } else {
        clean(text)
    }
}

/// Columns that the text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The text in at most `room` columns; a mark shows that it was cut.
pub fn cut(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.into();
    }
    let mut kept = String::new();
    let mut used = 0;
    for c in text.chars() {
        let more = c.width().unwrap_or(0);
        if used + more + 1 > room {
            break;
        }
        kept.push(c);
        used += more;
    }
    if room > 0 {
        kept.push(CUT);
    }
    kept
}

/// The text in exactly `room` columns, blanks after it.
pub fn left(text: &str, room: usize) -> String {
    let mut text = cut(text, room);
    let blanks = room.saturating_sub(width(&text));
    text.extend(std::iter::repeat_n(' ', blanks));
    text
}

/// The text in exactly `room` columns, blanks before it.
pub fn right(text: &str, room: usize) -> String {
    let text = cut(text, room);
    let blanks = room.saturating_sub(width(&text));
    format!("{}{text}", " ".repeat(blanks))
}

/// The text in lines of at most `room` columns, broken at blanks where there are some.
pub fn wrap(text: &str, room: usize) -> Vec<String> {
    let room = room.max(1);
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut word = word;
        while let Some(line) = lines.last_mut() {
            let blank = usize::from(!line.is_empty());
            if width(line) + blank + width(word) <= room {
                if blank == 1 {
                    line.push(' ');
                }
                line.push_str(word);
                break;
            }
            if blank == 1 {
                lines.push(String::new());
                continue;
            }
            // A word longer than a line: as much of it as there is room for, and at least one
            // character, so that there is an end.
            let mut used = 0;
            let end = word.char_indices().find_map(|(at, c)| {
                used += c.width().unwrap_or(0);
                (used > room && at > 0).then_some(at)
            });
            let (head, tail) = word.split_at(end.unwrap_or(word.len()));
            line.push_str(head);
            if tail.is_empty() {
                break;
            }
            word = tail;
            lines.push(String::new());
        }
    }
    lines
}

/// A span of time from milliseconds, in at most seven columns for a hundred years.
pub fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0 => format!("{ms} ms"),
        1..60 => format!("{seconds}.{} s", ms % 1000 / 100),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d {:02}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// Microseconds.
pub fn micros(us: u64) -> String {
    match us {
        0..1000 => format!("{us} us"),
        1000..1_000_000 => format!("{}.{} ms", us / 1000, us % 1000 / 100),
        _ => span(us / 1000),
    }
}

/// A number in at most five columns for all that occur: `999`, `1.23k`, `12.3M`, `123G`.
pub fn short(value: u64) -> String {
    let mut step = 1u64;
    let mut units = ["", "k", "M", "G", "T", "P", "E"].into_iter().peekable();
    while let Some(unit) = units.next() {
        let whole = value / step;
        if whole < 1000 || units.peek().is_none() {
            // Never rounded up: 999,999 is not a million.
            let thousandths = u128::from(value % step) * 1000 / u128::from(step);
            return match (step, whole) {
                (1, _) => format!("{value}"),
                (_, 0..10) => format!("{whole}.{:02}{unit}", thousandths / 10),
                (_, 10..100) => format!("{whole}.{}{unit}", thousandths / 100),
                _ => format!("{whole}{unit}"),
            };
        }
        step = step.saturating_mul(1000);
    }
    value.to_string()
}

/// Bits per second: `12.3 Mbit/s`.
pub fn bit_rate(bps: u64) -> String {
    let text = short(bps);
    match text.strip_suffix(|c: char| c.is_ascii_alphabetic()) {
        Some(number) => format!("{number} {}bit/s", text.trim_start_matches(number)),
        None => format!("{text} bit/s"),
    }
}

/// The time of the day (UTC) of a moment in milliseconds since 1970: `05:12:34`.
pub fn clock(unix_ms: u64) -> String {
    let second = unix_ms / 1000 % 86_400;
    let (hour, minute) = (second / 3600, second % 3600 / 60);
    format!("{hour:02}:{minute:02}:{:02}", second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0, "0"),
            (999, "999"),
            (1024, "1.02k"),
            (12_345, "12.3k"),
            (999_999, "999k"),
            (1_000_000_000, "1.00G"),
            (u64::MAX, "18.4E"),
        ] {
            assert_eq!(short(value), text);
        }
        assert_eq!(bit_rate(7), "7 bit/s");
        assert_eq!(bit_rate(12_345_678), "12.3 Mbit/s");
        assert_eq!(
            (micros(180), micros(1_250)),
            ("180 us".into(), "1.2 ms".into())
        );
        assert_eq!((span(12), span(83_000)), ("12 ms".into(), "1m 23s".into()));
        assert_eq!(clock(1_795_410_754_999), "05:12:34");
    }

    #[test]
    fn text_fits_its_room() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!((cut("ab", 1), cut("ab", 0)), ("…".into(), String::new()));
        assert_eq!(cut("漢字漢字", 5), "漢字…", "two columns each");
        assert_eq!(
            (left("ab", 4), right("ab", 4)),
            ("ab  ".into(), "  ab".into())
        );
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap("漢字", 1), ["漢", "字"], "too wide, and still an end");
        assert_eq!(wrap("", 5), [""]);
    }

    /// ESC and C1 controls, and what turns text around, which is how one line is made to look like
    /// another.
    #[test]
    fn nothing_that_moves_the_terminal_gets_through() {
        assert_eq!(
            clean("a\x1b[2Jb\u{9b}c\r\n\u{202e}d\u{200b}é"),
            "a?[2Jb?c???d?é"
        );
        let mut buffer = Buffer::empty(Rect::new(0, 0, 4, 1));
        buffer.content[0].set_symbol("\x1b");
        buffer.content[1].set_symbol("█");
        buffer.content[2].set_symbol("é");
        buffer.set_style(buffer.area, Style::new().fg(Color::Red));
        let mut plain = buffer.clone();
        let look = |ascii, colour| Look { ascii, colour };
        look(true, false).finish(&mut plain);
        let text = |buffer: &Buffer| {
            buffer
                .content
                .iter()
                .map(|c| c.symbol().to_owned())
                .collect::<String>()
        };
        assert_eq!(text(&plain), "?#? ");
        assert!(plain.content.iter().all(|cell| cell.fg == Color::Reset));
        look(false, true).finish(&mut buffer);
        assert_eq!(text(&buffer), "?█é ");
        assert!(buffer.content.iter().all(|cell| cell.fg == Color::Red));
    }

    #[test]
    fn the_environment_says_how_to_draw() {
        let look = |variables: &[(&str, &str)]| {
            Look::of(false, false, |name| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        let utf8 = ("LANG", "de_CH.UTF-8");
        assert_eq!(
            look(&[utf8]),
            Look {
                ascii: false,
                colour: true
            }
        );
        assert!(look(&[]).ascii, "no locale is the C locale");
        assert!(look(&[utf8, ("LC_ALL", "C")]).ascii);
        assert!(!look(&[("LC_ALL", ""), ("LC_CTYPE", "C.utf8")]).ascii);
        assert!(!look(&[utf8, ("NO_COLOR", "1")]).colour);
        assert!(look(&[utf8, ("NO_COLOR", "")]).colour);
        assert!(!look(&[utf8, ("TERM", "dumb")]).colour);
        let asked = Look::of(true, true, |_| Some("C.UTF-8".into()));
        assert_eq!(
            asked,
            Look {
                ascii: true,
                colour: false
            }
        );
    }
}
