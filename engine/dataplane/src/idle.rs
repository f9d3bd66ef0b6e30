//! What a worker does when there is nothing to do.

use std::time::Duration;

/// How a worker polls its queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Polling {
    /// Never rests: the least latency, a whole core.
    #[default]
    Busy,
    /// Rests after a while without frames: spins, yields, then sleeps 50 to 200 us at a time (and
    /// what the kernel's timer slack adds); spins again at the first frame.
    Adaptive,
}

const SPINS: u32 = 2_000;
const YIELDS: u32 = 200;
const SHORTEST_SLEEP: Duration = Duration::from_micros(50);
const LONGEST_SLEEP: Duration = Duration::from_micros(200);

/// One rest between two polls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    Spin,
    Yield,
    Sleep(Duration),
}

/// The course of rests of an adaptive worker.
#[derive(Debug)]
pub(crate) struct Idle {
    empty: u32,
    sleep: Duration,
}

impl Idle {
    pub(crate) const fn new() -> Self {
        Self {
            empty: 0,
            sleep: SHORTEST_SLEEP,
        }
    }

    /// A frame came: start again with spinning.
    #[inline]
    pub(crate) fn busy(&mut self) {
        *self = Self::new();
    }

    fn next(&mut self) -> Rest {
        if self.empty < SPINS + YIELDS {
            self.empty += 1;
            return if self.empty <= SPINS {
                Rest::Spin
            } else {
                Rest::Yield
            };
        }
        let sleep = self.sleep;
        self.sleep = (sleep * 2).min(LONGEST_SLEEP);
        Rest::Sleep(sleep)
    }

    /// Nothing came: rest as long as the course says.
    pub(crate) fn rest(&mut self) {
        match self.next() {
            Rest::Spin => std::hint::spin_loop(),
            Rest::Yield => std::thread::yield_now(),
            Rest::Sleep(time) => std::thread::sleep(time),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spins_then_yields_then_sleeps_at_most_200_us() {
        let mut idle = Idle::new();
        for _ in 0..SPINS {
            assert_eq!(idle.next(), Rest::Spin);
        }
        for _ in 0..YIELDS {
            assert_eq!(idle.next(), Rest::Yield);
        }
        let sleeps: Vec<_> = (0..5).map(|_| idle.next()).collect();
        let us = |us| Rest::Sleep(Duration::from_micros(us));
        assert_eq!(sleeps, [us(50), us(100), us(200), us(200), us(200)]);
    }

    #[test]
    fn the_first_frame_ends_the_rest() {
        let mut idle = Idle::new();
        for _ in 0..SPINS + YIELDS + 3 {
            idle.next();
        }
        idle.busy();
        assert_eq!(idle.next(), Rest::Spin);
        assert_eq!(idle.sleep, SHORTEST_SLEEP);
    }
}
