//! What the rules allow, as formulas. All lengths in virtual nanoseconds.
//!
//! | letter | what |
//! |---|---|
//! | `I` | the largest interval of the two, in any of their configurations |
//! | `W` | the largest failure threshold times `I`: the longest failure window |
//! | `D` | the longest way of a message on a good path: the slower one's, if there are two (in-band it waits up to 2 ms in the worker) |
//! | `R` | the largest recovery threshold times `I` |
//! | `T` | a turn of the management core (1 ms at most, and as much jitter) |
//! | `A` | the longest that a worker takes to adopt a gate |
//! | `G` | 3 s: the grace of the HA port, and of a better candidate that does not move |

use std::time::Duration;

use crate::clock::{MS, Ns, SEC, ns};
use crate::in_band::PROBE_EVERY;
use crate::scenario::{Change, HostPlan};
use crate::wire::Quality;

/// The longest that a frame waits for its worker.
const WORKER: Ns = 2 * MS;

/// The bounds of one run.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// `I`.
    pub interval: Ns,
    /// `W`.
    pub window: Ns,
    /// The shortest failure window of the two.
    pub shortest_window: Ns,
    /// Check (a): how long after the wire last lost a message two may carry everything:
    ///
    /// `two_forwarders = 2 I + 2 D + 2 T + A`, and `W` more if one of them did not run since.
    ///
    /// The lesser claim hears the better one at most `I + D + T` after the loss (rule 9: it yields
    /// at once), the better one says so in a heartbeat of its own if claims crossed on the way, and
    /// the worker closes within `A` (of a worker that is slow for a while: its `A`). The same holds where both become
    /// ACTIVE within `crossing`, or an operator lets both back in at once. One that does not run closes by its lease, which ends before
    /// `W` after the last heartbeat that it sent (rule 11). On a wire that loses nothing the bound
    /// is zero: never. Three exemptions, counted as a wire that loses: a start with mixed settings
    /// beside one that is stopped, and a process whose boot id is smaller than the one before it
    /// (the wall clock went back), for `W` in which the other one runs; and a reload that shortens a failure window, since the
    /// peer's lease still counts with the longer one.
    pub two_forwarders: Ns,
    /// Two that become ACTIVE within this of each other could not know: `D + 2 T`.
    pub crossing: Ns,
    /// Check (b): how long after the last fault, command or reload exactly one is ACTIVE, is fit if
    /// anybody is, and stays so:
    ///
    /// `settled = G + 2 W` (a better candidate that does not move) `+ W` (listening) `+ 6 W` (a
    /// hand-over that times out and is tried again) `+ 4 (I + D + T + A)`, `+ 500 ms` for links,
    /// and with an in-band path `200 ms + 3 (I + D + T)` until its ports have found each other.
    pub settled: Ns,
    /// Check (d): how long one hand-over takes on the good wire:
    /// `4 (I / 4 capped at 10 ms + D + T) + 3 A + 10 ms (drain) + I`.
    pub handover: Ns,
    /// `D`.
    pub delay: Ns,
    /// `I + D + T`: by then the other one knows what one of the two says.
    pub word: Ns,
    /// How long a path has to be good before the other one may die without a trace: until both
    /// call each other HEALTHY on it, and know it of each other: `max(W, R) + 2 (I + D + T)`.
    pub established: Ns,
    /// Rule 12: how long after a path died, in one direction or in both, the alarm stands at both
    /// ends, if the other path is good:
    ///
    /// `path_raise = W + I` (silence) `+ (I + D + T)` (the other end says that it hears nothing)
    /// `+ W + I + T` (a fault stands for a window before it is told).
    pub path_raise: Ns,
    /// The same for a path by which nothing came in this run yet: `G` for the last window.
    pub path_raise_untried: Ns,
    /// How long after a path became good both ways no alarm about it stands at either end:
    /// `2 (I + D + T) + T`.
    pub path_clear: Ns,
    /// Rule 12: how long after the HA path died both know it, and begin nothing that can wait:
    /// `W + I + (I + D + T) + T`.
    pub known: Ns,
    /// How long after that nothing of that kind is under way any more: `known + 3 W + handover` (what
    /// was begun ends, or times out).
    pub frozen: Ns,
    /// Check (f): how long a stop or a forced suspension may take, counted while the instance runs:
    /// `3 W (asking in vain) + W (draining) + 3 I + 400 ms`.
    pub leaving: Ns,
}

impl Bounds {
    /// The bounds of these instances on this wire.
    #[must_use]
    pub fn of(hosts: &[HostPlan; 2], wires: &[Quality; 2], changes: &[Change]) -> Self {
        let intervals = hosts.iter().map(|h| h.settings.interval);
        let thresholds = hosts.iter().map(|h| h.settings.failure_threshold);
        let (mut least_i, mut most_i) = (
            intervals.clone().min().unwrap_or_default(),
            intervals.max().unwrap_or_default(),
        );
        let (mut least_n, mut most_n) = (
            thresholds.clone().min().unwrap_or(1),
            thresholds.max().unwrap_or(1),
        );
        for change in changes {
            match *change {
                Change::FailureThreshold(n) => {
                    (least_n, most_n) = (least_n.min(n), most_n.max(n));
                }
                Change::IntervalMs(ms) => {
                    let i = Duration::from_millis(ms);
                    (least_i, most_i) = (least_i.min(i), most_i.max(i));
                }
                Change::Preempt(_) | Change::MaxFlaps(_) => {}
            }
        }
        let interval = ns(most_i);
        let window = interval * u64::from(most_n);
        let in_band = hosts.iter().all(|h| h.settings.in_band);
        let mut delay = wires[0].longest();
        if in_band {
            delay = delay.max(wires[1].longest() + WORKER);
        }
        let turn = 2 * MS;
        let adopts = hosts.iter().map(|h| h.adopts).max().unwrap_or(0);
        let grace = 3 * SEC;
        let word = interval + delay + turn;
        let recovery = hosts.iter().map(|h| h.settings.recovery_threshold).max();
        let recovery = interval * u64::from(recovery.unwrap_or(1));
        let handover =
            4 * ((interval / 4).min(10 * MS) + delay + turn) + 3 * adopts + 10 * MS + interval;
        let silence = window + interval + word;
        // A port is found by a probe, and then answers.
        let found = if in_band { PROBE_EVERY + 3 * word } else { 0 };
        Self {
            delay,
            word,
            established: window.max(recovery) + 2 * word,
            path_raise: silence + window + interval + turn,
            path_raise_untried: silence + grace + turn,
            path_clear: 2 * word + turn,
            known: silence + turn,
            frozen: silence + turn + 3 * window + handover,
            interval,
            window,
            shortest_window: ns(least_i) * u64::from(least_n),
            crossing: delay + 2 * turn,
            two_forwarders: 2 * interval + 2 * delay + 2 * turn + adopts,
            settled: grace + 9 * window + 4 * (word + adopts) + 500 * MS + found,
            handover,
            leaving: 4 * window + 3 * interval + 400 * MS,
        }
    }
}
