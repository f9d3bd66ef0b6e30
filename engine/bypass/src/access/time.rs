//! Real time.

use std::time::{Duration, Instant};

use crate::Delay;

/// From here on the thread sleeps; a sleep that short would already take a third longer.
const SLEEP_FROM: Duration = Duration::from_micros(200);

/// Waits on the machine's clock: sleeps, or spins where a sleep would be too coarse (a kick's
/// pulse is 5 us).
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDelay;

impl Delay for RealDelay {
    fn wait(&mut self, at_least: Duration) {
        if at_least >= SLEEP_FROM {
            std::thread::sleep(at_least);
            return;
        }
        let begun = Instant::now();
        while begun.elapsed() < at_least {
            std::hint::spin_loop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_shorter_and_for_a_pulse_rarely_longer() {
        let took = |wait: Duration| {
            let begun = Instant::now();
            RealDelay.wait(wait);
            begun.elapsed()
        };
        for micros in [0, 5, 199, 200, 1000] {
            let wait = Duration::from_micros(micros);
            assert!(took(wait) >= wait, "{wait:?}");
        }
        // A busy machine makes some late: the best of many shows what the wait itself costs.
        let pulse = Duration::from_micros(5);
        let best = (0..200).map(|_| took(pulse)).min().unwrap();
        assert!(best < pulse * 2, "{best:?}");
    }
}
