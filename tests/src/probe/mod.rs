//! What measures: numbered UDP probes, a verified TCP stream, numbered broadcasts with a loop
//! counter. All clocks are `CLOCK_MONOTONIC` of one machine, so one-way times are exact.

pub mod broadcast;
pub mod tcp;
pub mod udp;

use crate::error::{LabError, Result};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a blocking receive waits before it looks whether it shall stop.
pub(crate) const TICK: Duration = Duration::from_millis(20);

/// Sleeps until absolute times, so that being late once does not shift all that follows.
#[derive(Debug)]
pub(crate) struct Pace {
    next: Instant,
    period: Duration,
}

impl Pace {
    pub(crate) fn per_second(rate: u32) -> Self {
        Self {
            next: Instant::now(),
            period: Duration::from_nanos(1_000_000_000 / u64::from(rate.max(1))),
        }
    }

    /// Waits for the next deadline; late ones are made up for without a wait.
    pub(crate) fn wait(&mut self) {
        self.next += self.period;
        let now = Instant::now();
        if let Some(left) = self.next.checked_duration_since(now) {
            std::thread::sleep(left);
        } else if now - self.next > Duration::from_secs(1) {
            // the whole machine stood still: do not flood the wire to make up for it
            self.next = now;
        }
    }
}

/// Waits for a measuring thread.
pub(crate) fn join<T>(handle: JoinHandle<Result<T>>, what: &str) -> Result<T> {
    handle
        .join()
        .map_err(|_| LabError::Probe(format!("the {what} panicked")))?
}

/// Nanoseconds since `epoch`.
pub(crate) fn nanos(epoch: Instant) -> u64 {
    u64::try_from(epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
