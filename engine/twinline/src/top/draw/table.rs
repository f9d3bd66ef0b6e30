//! Columns that fit their terminal.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::paint::{self, DIM};
use crate::top::text;

/// Between two columns.
const GAP: usize = 2;
/// A column of words may become as narrow as this.
const NARROW: usize = 6;

/// How a column is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Set {
    /// Words: may be cut.
    Left,
    /// Numbers: never cut.
    Right,
    /// Words that are never cut.
    Whole,
}

/// A table. What does not fit is made narrower, words first; then columns are left out, those with
/// the greatest rank first.
pub struct Table {
    columns: Vec<(&'static str, Set, u8)>,
    rows: Vec<Vec<(String, Style)>>,
}

impl Table {
    /// Columns: head, how it is set, rank (0 is never left out).
    pub fn new(columns: &[(&'static str, Set, u8)]) -> Table {
        Table {
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    /// A row; as many cells as columns.
    pub fn row(&mut self, cells: Vec<(String, Style)>) {
        let clean = |(words, style): (String, Style)| (text::clean(&words), style);
        self.rows.push(cells.into_iter().map(clean).collect());
    }

    /// The lines, head first, for `room` columns.
    pub fn lines(&self, room: usize) -> Vec<Line<'static>> {
        let widths = self.fit(room);
        let shown: Vec<(usize, usize)> = widths
            .iter()
            .enumerate()
            .filter_map(|(at, width)| width.map(|width| (at, width)))
            .collect();
        let line = |cell: &dyn Fn(usize) -> (String, Style)| {
            let mut spans: Vec<Span<'static>> = Vec::new();
            for (at, width) in &shown {
                if !spans.is_empty() {
                    spans.push(Span::raw(" ".repeat(GAP)));
                }
                let (words, style) = cell(*at);
                let set = self.columns.get(*at).map_or(Set::Left, |column| column.1);
                let words = match set {
                    Set::Right => text::right(&words, *width),
                    Set::Left | Set::Whole => text::left(&words, *width),
                };
                spans.push(paint::word(words, style));
            }
            Line::from(spans)
        };
        let head = line(&|at| {
            let head = self.columns.get(at).map_or("", |column| column.0);
            (head.to_owned(), DIM)
        });
        let rows = self
            .rows
            .iter()
            .map(|row| line(&|at| row.get(at).cloned().unwrap_or_default()));
        std::iter::once(head).chain(rows).collect()
    }

    /// The width of each column; `None` where it is left out.
    fn fit(&self, room: usize) -> Vec<Option<usize>> {
        let natural = |at: usize, head: &str| {
            let cells = self.rows.iter().filter_map(|row| row.get(at));
            cells
                .map(|(words, _)| text::width(words))
                .fold(text::width(head), usize::max)
        };
        let mut shown: Vec<bool> = vec![true; self.columns.len()];
        loop {
            let mut widths: Vec<Option<usize>> = self
                .columns
                .iter()
                .zip(&shown)
                .enumerate()
                .map(|(at, ((head, _, _), shown))| shown.then(|| natural(at, head)))
                .collect();
            let needed = |widths: &[Option<usize>]| {
                let shown = widths.iter().flatten();
                let gaps = shown.clone().count().saturating_sub(1) * GAP;
                shown.sum::<usize>() + gaps
            };
            while needed(&widths) > room {
                // The widest column of words gives way, down to its head or a few letters.
                let widest = widths
                    .iter_mut()
                    .zip(&self.columns)
                    .filter_map(|(width, (head, set, _))| {
                        let least = NARROW.max(text::width(head));
                        let width = width.as_mut()?;
                        (*set == Set::Left && *width > least).then_some(width)
                    })
                    .max_by_key(|width| **width);
                match widest {
                    Some(width) => *width -= 1,
                    None => break,
                }
            }
            if needed(&widths) <= room {
                return widths;
            }
            let last = self
                .columns
                .iter()
                .enumerate()
                .filter(|(at, (_, _, rank))| *rank > 0 && shown.get(*at) == Some(&true))
                .max_by_key(|(_, (_, _, rank))| *rank)
                .map(|(at, _)| at);
            match last.and_then(|at| shown.get_mut(at)) {
                Some(shown) => *shown = false,
                // Nothing more to leave out: the screen's edge cuts it.
                None => return widths,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::paint::PLAIN;
    use super::*;

    #[test]
    fn words_give_way_before_columns_do() {
        let mut table = Table::new(&[
            ("NAME", Set::Left, 0),
            ("N", Set::Right, 0),
            ("STATE", Set::Whole, 2),
            ("MORE", Set::Left, 1),
        ]);
        let cell = |words: &str| (words.to_owned(), PLAIN);
        table.row(vec![
            cell("a long name"),
            cell("12345"),
            cell("whole"),
            cell("x"),
        ]);
        let text = |room| -> Vec<String> {
            table
                .lines(room)
                .iter()
                .map(|line| line.to_string().trim_end().to_owned())
                .collect()
        };
        assert_eq!(
            text(80),
            [
                "NAME             N  STATE  MORE",
                "a long name  12345  whole  x"
            ]
        );
        assert_eq!(
            text(28),
            ["NAME          N  STATE  MORE", "a long …  12345  whole  x"]
        );
        assert_eq!(text(20), ["NAME         N  MORE", "a long…  12345  x"]);
        assert_eq!(text(13), ["NAME        N", "a lon…  12345"]);
        assert_eq!(
            text(0),
            ["NAME        N", "a lon…  12345"],
            "cut by the edge"
        );
    }
}
