/// Text with control characters as `?`.
#[must_use]
pub fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

/// Text, or `-` where there is none.
pub(super) fn or_dash(text: &str) -> String {
    if text.is_empty() {
        "-".into()
    } else {
        text.into()
    }
}

/// How a column is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Columns as wide as their widest cell, two spaces apart. No cell is ever cut: a value that an
/// operator does not see whole is worse than a long line.
pub(super) struct Table {
    heads: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(heads: &[(&'static str, Align)]) -> Table {
        Table {
            heads: heads.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Cells beyond the heads are dropped, missing ones are empty.
    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows
            .push(cells.iter().map(|cell| clean(cell)).collect());
    }

    pub(super) fn text(&self) -> String {
        let empty = String::new();
        let widths: Vec<usize> = (0..self.heads.len())
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                let head = self.heads.get(column).map_or(0, |(head, _)| head.len());
                cells
                    .map(|cell| cell.chars().count())
                    .fold(head, usize::max)
            })
            .collect();
        let mut text = String::new();
        let mut line = |cells: &mut dyn Iterator<Item = &str>| {
            let mut line = String::new();
            for ((cell, width), (_, align)) in cells.zip(&widths).zip(&self.heads) {
                if !line.is_empty() {
                    line.push_str("  ");
                }
                match align {
                    Align::Left => line.push_str(&format!("{cell:<width$}")),
                    Align::Right => line.push_str(&format!("{cell:>width$}")),
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        };
        line(&mut self.heads.iter().map(|(head, _)| *head));
        for row in &self.rows {
            let cells = (0..self.heads.len()).map(|column| row.get(column).unwrap_or(&empty));
            line(&mut cells.map(String::as_str));
        }
        text
    }
}

/// Lines of `name  value`, the values in one column.
pub(super) struct Fields {
    lines: Vec<(&'static str, String)>,
}

impl Fields {
    pub(super) fn new() -> Fields {
        Fields { lines: Vec::new() }
    }

    pub(super) fn add(&mut self, name: &'static str, value: impl AsRef<str>) {
        self.lines.push((name, clean(value.as_ref())));
    }

    pub(super) fn text(&self) -> String {
        let width = self
            .lines
            .iter()
            .map(|(name, _)| name.len())
            .max()
            .unwrap_or(0);
        let mut text = String::new();
        for (name, value) in &self.lines {
            text.push_str(format!("{name:<width$}  {value}").trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_fit_their_widest_cell() {
        let mut table = Table::new(&[
            ("NAME", Align::Left),
            ("N", Align::Right),
            ("", Align::Left),
        ]);
        table.row(vec!["a".into(), "12345".into(), "end".into()]);
        table.row(vec!["länger".into(), "1".into()]);
        table.row(vec![
            "x\x1b[2J".into(),
            "7".into(),
            "b\nc".into(),
            "beyond".into(),
        ]);
        let expected = "\
NAME        N
a       12345  end
länger      1
x?[2J       7  b?c
";
        assert_eq!(table.text(), expected);
    }
}
