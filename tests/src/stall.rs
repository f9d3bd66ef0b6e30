//! How long the machine held a thread that wanted to run: the measure of its noise.
//!
//! One thread a core sleeps a millisecond again and again and keeps the longest oversleep. It has
//! nothing to do with the engines, so it may excuse them: where the machine itself stood still for
//! longer than the slack that every allowance contains, nothing was measured.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const NAP: Duration = Duration::from_millis(1);

/// Measures until it is asked.
#[derive(Debug)]
pub struct StallMeter {
    end: Arc<AtomicBool>,
    longest_us: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl StallMeter {
    /// Begins to measure on `cores`; a core that cannot be had is measured where the kernel likes.
    #[must_use]
    pub fn start(cores: &[usize]) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let longest_us = Arc::new(AtomicU64::new(0));
        let threads = cores
            .iter()
            .filter_map(|&core| {
                let (end, longest_us) = (end.clone(), longest_us.clone());
                let watch = move || {
                    core_affinity::set_for_current(core_affinity::CoreId { id: core });
                    while !end.load(Ordering::Relaxed) {
                        let begin = Instant::now();
                        std::thread::sleep(NAP);
                        let over = begin.elapsed().saturating_sub(NAP).as_micros();
                        let over = u64::try_from(over).unwrap_or(u64::MAX);
                        longest_us.fetch_max(over, Ordering::Relaxed);
                    }
                };
                std::thread::Builder::new()
                    .name("stall".into())
                    .spawn(watch)
                    .ok()
            })
            .collect();
        Self {
            end,
            longest_us,
            threads,
        }
    }

    /// Ends the measurement; the longest oversleep in ms.
    #[must_use]
    pub fn finish(mut self) -> f64 {
        self.end.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // It cannot panic, and if it did there is nothing to add.
            let _ = thread.join();
        }
        self.longest_us.load(Ordering::Relaxed) as f64 / 1000.0
    }
}

impl Drop for StallMeter {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measurement_ends_and_is_plausible() {
        let meter = StallMeter::start(&[0, 1]);
        std::thread::sleep(Duration::from_millis(50));
        let longest = meter.finish();
        assert!(longest > 0.0 && longest < 60_000.0, "{longest}");
    }
}
