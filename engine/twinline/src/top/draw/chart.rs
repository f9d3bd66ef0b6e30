//! Charts of rates: a column a poll, the newest at the right, and the minimum as a line.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::paint::{CHART, WARN};
use crate::top::rates::Samples;

/// Eighths of a cell, from the bottom.
const EIGHTHS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
/// The minimum where the rate is below it, and where it is not.
const BELOW: &str = "╌";
const REACHED: &str = "━";

/// The largest sample of those that `width` columns show.
pub fn peak(samples: &Samples, width: usize) -> u64 {
    samples
        .iter()
        .rev()
        .take(width)
        .flatten()
        .copied()
        .max()
        .unwrap_or(0)
}

/// `height` lines of `width` columns. The greatest sample, or the minimum, is the whole height.
pub fn chart(
    samples: &Samples,
    minimum: Option<u64>,
    width: usize,
    height: usize,
) -> Vec<Line<'static>> {
    let scale = peak(samples, width).max(minimum.unwrap_or(0)).max(1);
    // In eighths of a line; a sample that is not nothing is never shown as nothing.
    let eighths = |value: u64| {
        let whole = u128::from(scale);
        let full = height as u128 * 8;
        let part = (u128::from(value) * full / whole).min(full);
        usize::try_from(part)
            .unwrap_or(0)
            .max(usize::from(value > 0))
    };
    let shown: Vec<Option<u64>> = samples.iter().rev().take(width).rev().copied().collect();
    let blank = width.saturating_sub(shown.len());
    let line_at = minimum.filter(|minimum| *minimum > 0).map(|minimum| {
        let row = eighths(minimum).saturating_sub(1) / 8;
        (minimum, row.min(height.saturating_sub(1)))
    });
    let row = |row: usize| {
        let line = line_at
            .filter(|(_, at)| *at == row)
            .map(|(minimum, _)| minimum);
        let mut spans: Vec<Span<'static>> = Vec::new();
        let mut push = |mark: &'static str, style: Style| match spans.last_mut() {
            Some(last) if last.style == style => last.content.to_mut().push_str(mark),
            _ => spans.push(Span::styled(mark, style)),
        };
        for sample in std::iter::repeat_n(&None, blank).chain(&shown) {
            match (line, sample) {
                (Some(minimum), Some(value)) if *value >= minimum => push(REACHED, WARN),
                (Some(_), _) => push(BELOW, WARN),
                (None, sample) => {
                    let filled = sample.map_or(0, eighths).saturating_sub(row * 8).min(8);
                    push(EIGHTHS.get(filled).copied().unwrap_or(" "), CHART);
                }
            }
        }
        Line::from(spans)
    };
    (0..height).rev().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(
        samples: &[Option<u64>],
        minimum: Option<u64>,
        width: usize,
        height: usize,
    ) -> Vec<String> {
        let samples: Samples = samples.iter().copied().collect();
        chart(&samples, minimum, width, height)
            .iter()
            .map(Line::to_string)
            .collect()
    }

    #[test]
    fn bars_and_the_minimum() {
        let samples = [Some(0), None, Some(1), Some(50), Some(100)];
        assert_eq!(text(&samples, None, 6, 2), ["     █", "   ▁██"]);
        assert_eq!(text(&samples, None, 2, 1), ["▄█"], "the newest");
        // the minimum is half of the height, where it is reached
        assert_eq!(text(&samples, Some(50), 6, 2), ["     █", "╌╌╌╌━━"]);
        assert_eq!(text(&samples, Some(200), 6, 2), ["╌╌╌╌╌╌", "   ▁▄█"]);
        assert_eq!(text(&[], None, 3, 1), ["   "]);
        assert_eq!(text(&[Some(u64::MAX)], Some(1), 2, 2), [" █", "╌━"]);
        assert_eq!(text(&samples, Some(5), 0, 0), Vec::<String>::new());
    }
}
