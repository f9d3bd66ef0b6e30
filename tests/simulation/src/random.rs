//! Chance, all of it from the seed.

use std::ops::Range;

/// One stream of chance. Streams of one seed do not disturb each other, so that a run with fewer
/// events is the same run up to the first event that is missing.
#[derive(Clone, Debug)]
pub struct Random(fastrand::Rng);

impl Random {
    /// The stream `stream` of `seed`.
    #[must_use]
    pub fn new(seed: u64, stream: u64) -> Self {
        // The generator mixes its seed; neighbours must not be neighbours after it either.
        let mixed = (seed ^ stream.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self(fastrand::Rng::with_seed(mixed ^ (mixed >> 29)))
    }

    /// A number in `range`; its start when it is empty.
    pub fn within(&mut self, range: Range<u64>) -> u64 {
        if range.is_empty() {
            return range.start;
        }
        self.0.u64(range)
    }

    /// A number in `0..n`; 0 when `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        self.within(0..n)
    }

    /// True `permille` times of a thousand.
    pub fn chance(&mut self, permille: u64) -> bool {
        permille > 0 && self.0.u64(0..1000) < permille
    }

    /// A fair coin.
    pub fn coin(&mut self) -> bool {
        self.0.bool()
    }

    /// One of a list; its type's default when it is empty.
    pub fn pick<T: Copy + Default>(&mut self, from: &[T]) -> T {
        let n = u64::try_from(from.len()).unwrap_or(0);
        let index = usize::try_from(self.below(n)).unwrap_or(0);
        from.get(index).copied().unwrap_or_default()
    }

    /// A length whose magnitude is evenly spread between `least` and `most` (both above 0).
    pub fn spread(&mut self, least: u64, most: u64) -> u64 {
        let (low, high) = (least.max(1).ilog2(), most.max(1).ilog2());
        let bits = self.within(u64::from(low)..u64::from(high) + 1);
        let floor = 1u64 << bits;
        self.within(floor..floor * 2).clamp(least, most)
    }
}
