//! Medians and percentiles of a few dozen runs.

use serde::Serialize;

/// What a list of figures comes to; all in the figures' own unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Summary {
    /// How many there are.
    pub runs: usize,
    /// The smallest.
    pub min: f64,
    /// The middle one, or the mean of the two in the middle.
    pub median: f64,
    /// Nearest rank: the smallest figure that at least 99 % do not exceed. Of fewer than 100
    /// figures that is the largest.
    pub p99: f64,
    /// The largest.
    pub max: f64,
}

impl Summary {
    /// The summary of `figures`; `None` when there are none.
    #[must_use]
    pub fn of(figures: &[f64]) -> Option<Self> {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len().is_multiple_of(2) {
            (sorted.get(middle - 1)? + sorted.get(middle)?) / 2.0
        } else {
            *sorted.get(middle)?
        };
        let rank = (sorted.len() * 99).div_ceil(100);
        Some(Self {
            runs: sorted.len(),
            min,
            median,
            p99: *sorted.get(rank - 1)?,
            max,
        })
    }
}

/// `ours / theirs`; `None` when theirs is 0, since then there is nothing to be better than.
#[must_use]
pub fn ratio(ours: f64, theirs: f64) -> Option<f64> {
    (theirs > 0.0).then(|| ours / theirs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_has_no_summary() {
        assert_eq!(Summary::of(&[]), None);
    }

    #[test]
    fn one_figure_is_all_of_them() {
        let summary = Summary::of(&[7.0]).unwrap();
        assert_eq!(
            (summary.min, summary.median, summary.p99, summary.max),
            (7.0, 7.0, 7.0, 7.0)
        );
    }

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        let summary = Summary::of(&[9.0, 1.0, 4.0, 2.0]).unwrap();
        assert_eq!(summary.median, 3.0);
        assert_eq!((summary.min, summary.max), (1.0, 9.0));
        assert_eq!(Summary::of(&[5.0, 1.0, 2.0]).unwrap().median, 2.0);
    }

    #[test]
    fn p99_is_the_largest_below_a_hundred_and_not_above() {
        let up_to = |n: u32| (1..=n).map(f64::from).collect::<Vec<_>>();
        assert_eq!(Summary::of(&up_to(20)).unwrap().p99, 20.0);
        assert_eq!(Summary::of(&up_to(99)).unwrap().p99, 99.0);
        assert_eq!(Summary::of(&up_to(100)).unwrap().p99, 99.0);
        assert_eq!(Summary::of(&up_to(200)).unwrap().p99, 198.0);
    }

    #[test]
    fn there_is_no_ratio_to_nothing() {
        assert_eq!(ratio(1.0, 0.0), None);
        assert_eq!(ratio(17.0, 20.0), Some(0.85));
    }
}
