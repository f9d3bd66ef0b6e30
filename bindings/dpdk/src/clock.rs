//! Time by the processor's time stamp counter: constant rate, no system call.
//!
//! On the x86_64 processors of the last decade the counter is invariant: it
//! runs at one rate whatever the core's frequency, and in step on all cores of
//! a machine.

use std::time::Duration;

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// The counter now, in ticks. Not serialising: a few nanoseconds may be
/// reordered around it.
#[inline(always)]
pub fn tsc_now() -> u64 {
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: rdtsc has no preconditions; every x86_64 processor has it and
        // Linux leaves it open to user space.
        unsafe { core::arch::x86_64::_rdtsc() }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        // SAFETY: reads the timer register, no preconditions.
        unsafe { dpdk_sys::shim_rdtsc() }
    }
}

/// Turns ticks into durations and back. `Copy`: hand one to every worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TscClock {
    hz: u64,
}

impl TscClock {
    /// The machine's clock, as the EAL measured it at its start.
    pub fn new(_eal: &crate::Eal) -> Self {
        // SAFETY: reads a variable that rte_eal_init has set; `_eal` proves it ran.
        Self::with_hz(unsafe { dpdk_sys::rte_get_tsc_hz() })
    }

    /// A clock of a given rate, for tests and models. A rate of 0 is taken as 1.
    pub fn with_hz(hz: u64) -> Self {
        Self { hz: hz.max(1) }
    }

    /// Ticks per second.
    pub fn hz(self) -> u64 {
        self.hz
    }

    /// The ticks in `duration`, rounded down, at most `u64::MAX`.
    pub fn ticks_from(self, duration: Duration) -> u64 {
        // A Duration's nanoseconds fit in 94 bits; a rate above 2^34 Hz times
        // the longest Duration would not fit in 128, hence saturating.
        let ticks = duration.as_nanos().saturating_mul(u128::from(self.hz)) / NANOS_PER_SECOND;
        u64::try_from(ticks).unwrap_or(u64::MAX)
    }

    /// How long `ticks` take, rounded down to nanoseconds.
    pub fn duration_of(self, ticks: u64) -> Duration {
        let seconds = ticks / self.hz;
        let rest = u128::from(ticks % self.hz) * NANOS_PER_SECOND / u128::from(self.hz);
        // rest < 10^9 as the remainder is below hz.
        Duration::new(seconds, u32::try_from(rest).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_and_durations_agree() {
        let clock = TscClock::with_hz(2_596_000_000);
        assert_eq!(clock.ticks_from(Duration::from_secs(1)), 2_596_000_000);
        assert_eq!(clock.ticks_from(Duration::from_millis(10)), 25_960_000);
        assert_eq!(clock.duration_of(25_960_000), Duration::from_millis(10));
        assert_eq!(
            clock.duration_of(2_596_000_000 * 86_400),
            Duration::from_secs(86_400)
        );
    }

    #[test]
    fn extremes_do_not_overflow() {
        let clock = TscClock::with_hz(5_000_000_000);
        assert_eq!(clock.ticks_from(Duration::MAX), u64::MAX);
        assert!(clock.duration_of(u64::MAX) > Duration::from_secs(3_600_000_000));
        assert_eq!(TscClock::with_hz(0).duration_of(7), Duration::from_secs(7));
        assert_eq!(
            TscClock::with_hz(u64::MAX).ticks_from(Duration::MAX),
            u64::MAX
        );
    }

    #[test]
    fn the_counter_moves_forward() {
        let before = tsc_now();
        std::thread::sleep(Duration::from_millis(1));
        assert!(tsc_now() > before);
    }
}
