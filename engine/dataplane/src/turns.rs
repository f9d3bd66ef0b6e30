//! How long turns take that find frames: measured on a sample of them, since a look at the clock
//! costs about 9 ns and a whole turn of a busy worker some hundred.

use dpdk::clock::{TscClock, tsc_now};
use std::time::Duration;

/// Of turns that follow a busy one, one of so many is measured; a power of two.
const SAMPLE: u32 = 64;
/// A turn that took longer was not at work all the time: the kernel ran something else.
const LONGEST: Duration = Duration::from_millis(1);

/// A worker's sampling of its turns.
///
/// A turn that follows an idle one is always measured (there is time for it, and at small rates a
/// sample would hardly ever see a frame), one that follows a busy one each [`SAMPLE`]th time, and
/// counts as many times then.
#[derive(Debug)]
pub(crate) struct Turns {
    number: u32,
    after_idle: bool,
    /// How many turns the one under way stands for; 0: it is not measured.
    weight: u32,
    begun: u64,
    longest: u64,
}

impl Turns {
    pub(crate) fn new(clock: TscClock) -> Self {
        Self {
            number: 0,
            after_idle: true,
            weight: 0,
            begun: 0,
            longest: clock.ticks_from(LONGEST),
        }
    }

    /// A turn begins.
    #[inline(always)]
    pub(crate) fn begin(&mut self) {
        self.number = self.number.wrapping_add(1);
        if self.after_idle || self.number.is_multiple_of(SAMPLE) {
            self.weight = if self.after_idle { 1 } else { SAMPLE };
            self.begun = tsc_now();
        }
    }

    /// It ends: the ticks to be counted for busy turns, if it was one that was measured.
    #[inline(always)]
    pub(crate) fn end(&mut self, busy: bool) -> u64 {
        self.after_idle = !busy;
        if self.weight == 0 {
            return 0;
        }
        let weight = std::mem::take(&mut self.weight);
        if busy { self.took(weight) } else { 0 }
    }

    #[cold]
    #[inline(never)]
    fn took(&self, weight: u32) -> u64 {
        let ticks = tsc_now().wrapping_sub(self.begun);
        if ticks > self.longest {
            return 0;
        }
        ticks.wrapping_mul(u64::from(weight))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_turns_are_sampled_and_stand_for_the_rest() {
        let clock = TscClock::with_hz(1_000_000_000_000);
        let mut turns = Turns::new(clock);
        turns.begin();
        assert!(turns.end(true) > 0, "the first busy turn after idle ones");
        let mut measured = 0;
        for _ in 0..SAMPLE * 10 {
            turns.begin();
            let ticks = turns.end(true);
            assert_eq!(ticks % u64::from(SAMPLE), 0);
            measured += u32::from(ticks > 0);
        }
        assert_eq!(measured, 10);
        turns.begin();
        turns.end(false);
        turns.begin();
        assert_eq!(turns.end(false), 0, "idle turns cost nothing");
    }

    #[test]
    fn a_turn_in_which_others_ran_is_left_out() {
        // A tick a second: nothing is longer than a millisecond, which is no tick at all.
        let mut turns = Turns::new(TscClock::with_hz(1));
        turns.begin();
        std::thread::sleep(Duration::from_millis(1));
        assert_eq!(turns.end(true), 0);
    }
}
