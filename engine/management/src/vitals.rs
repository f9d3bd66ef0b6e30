//! What other threads of the process may see of the management core at any time, without asking
//! it: whether it turns, whether the workers do, what the role is. The service manager's thread
//! and the health check of monitoring look at it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use twinline_ha::events::{Event, Subject};
use twinline_ha::{Reason, Role, WorkerProgress};

/// Workers that can be told apart: more cores than `[lcores]` may name.
const WORKERS: usize = 1024;

/// The role, and why it is so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The role shown to operators.
    pub role: Role,
    /// Why.
    pub why: Reason,
}

impl Standing {
    /// Whether anything was decided: INIT is no role yet.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.role != Role::Init
    }
}

/// How far everything that has to turn has come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// Steps of the HA node.
    pub steps: u64,
    /// Turns of each worker.
    pub workers: Vec<u64>,
}

impl Progress {
    /// Whether the HA node and every worker went on since `earlier`.
    #[must_use]
    pub fn all_moved_since(&self, earlier: &Progress) -> bool {
        let same = self.workers.len() == earlier.workers.len();
        let mut pairs = self.workers.iter().zip(&earlier.workers);
        same && self.steps != earlier.steps && pairs.all(|(now, then)| now != then)
    }
}

/// Written by the management core, a few plain stores a turn; read by anybody.
#[derive(Debug)]
pub struct Vitals {
    zero: Instant,
    steps: AtomicU64,
    /// When the last step was, in ms since `zero`; no step yet: `u64::MAX`.
    stepped_ms: AtomicU64,
    count: AtomicU64,
    workers: Box<[AtomicU64]>,
    standing: ArcSwap<Standing>,
    /// Reloads that ended, with or without success.
    reloads: AtomicU64,
    ended: AtomicBool,
}

impl Default for Vitals {
    fn default() -> Self {
        let standing = Standing {
            role: Role::Init,
            why: Reason::Started,
        };
        Self {
            zero: Instant::now(),
            steps: AtomicU64::new(0),
            stepped_ms: AtomicU64::new(u64::MAX),
            count: AtomicU64::new(0),
            workers: (0..WORKERS).map(|_| AtomicU64::new(0)).collect(),
            standing: ArcSwap::from_pointee(standing),
            reloads: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        }
    }
}

impl Vitals {
    /// The HA node has made a step, with the workers as they are. (This and what follows is the
    /// management core's to call.)
    pub fn stepped(&self, workers: &[WorkerProgress]) {
        for (slot, worker) in self.workers.iter().zip(workers) {
            slot.store(worker.iterations, Ordering::Relaxed);
        }
        let count = workers.len().min(WORKERS) as u64;
        self.count.store(count, Ordering::Relaxed);
        let ms = u64::try_from(self.zero.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.stepped_ms.store(ms, Ordering::Relaxed);
        self.steps.fetch_add(1, Ordering::Release);
    }

    /// Something happened.
    pub fn happened(&self, event: &Event) {
        if let Subject::Role { to, .. } = &event.subject {
            self.standing.store(Arc::new(Standing {
                role: *to,
                why: event.why,
            }));
        }
        if matches!(event.why, Reason::Reloaded | Reason::ReloadRefused) {
            self.reloads.fetch_add(1, Ordering::Release);
        }
    }

    /// The loop has ended.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    /// How far everything has come.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let steps = self.steps.load(Ordering::Acquire);
        let count = usize::try_from(self.count.load(Ordering::Relaxed)).unwrap_or(WORKERS);
        let workers = self.workers.iter().take(count);
        Progress {
            steps,
            workers: workers.map(|w| w.load(Ordering::Relaxed)).collect(),
        }
    }

    /// Whether the HA node made a step within the last so long.
    #[must_use]
    pub fn stepped_within(&self, time: Duration) -> bool {
        let at = self.stepped_ms.load(Ordering::Relaxed);
        let now = self.zero.elapsed();
        at != u64::MAX && now.saturating_sub(Duration::from_millis(at)) <= time
    }

    /// The role, and why it is so; INIT before the first step.
    #[must_use]
    pub fn standing(&self) -> Arc<Standing> {
        self.standing.load_full()
    }

    /// Reloads that ended, with or without success.
    #[must_use]
    pub fn reloads(&self) -> u64 {
        self.reloads.load(Ordering::Acquire)
    }

    /// Whether the loop has ended: the rest is taking down.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use twinline_ha::Time;

    fn at(iterations: u64) -> WorkerProgress {
        WorkerProgress {
            iterations,
            idle_iterations: 0,
        }
    }

    #[test]
    fn rule_15_all_moved_means_the_node_and_every_worker() {
        let vitals = Vitals::default();
        assert!(!vitals.stepped_within(Duration::from_secs(60)));
        vitals.stepped(&[at(1), at(1)]);
        let first = vitals.progress();
        assert!(vitals.stepped_within(Duration::from_secs(60)));
        assert!(!vitals.progress().all_moved_since(&first));
        vitals.stepped(&[at(2), at(1)]);
        assert!(!vitals.progress().all_moved_since(&first), "a hung worker");
        vitals.stepped(&[at(2), at(5)]);
        assert!(vitals.progress().all_moved_since(&first));
        let second = vitals.progress();
        assert_eq!((second.steps, second.workers.as_slice()), (3, &[2, 5][..]));
        std::thread::sleep(Duration::from_millis(20));
        assert!(!vitals.stepped_within(Duration::from_millis(1)));
        // without workers the node alone counts
        let none = Vitals::default();
        none.stepped(&[]);
        let before = none.progress();
        none.stepped(&[]);
        assert!(none.progress().all_moved_since(&before));
    }

    #[test]
    fn events_tell_the_role_and_the_end_of_reloads() {
        let vitals = Vitals::default();
        assert_eq!(vitals.standing().role, Role::Init);
        let event = |subject, why| Event {
            seq: 1,
            at: Time::ZERO,
            unix_ms: 0,
            subject,
            why,
        };
        let (from, to) = (Role::Init, Role::Active);
        vitals.happened(&event(Subject::Role { from, to }, Reason::NoPeerHeard));
        let standing = vitals.standing();
        assert_eq!((standing.role, standing.why), (to, Reason::NoPeerHeard));
        for why in [Reason::Reloaded, Reason::ReloadRefused, Reason::Started] {
            vitals.happened(&event(Subject::Note("x".into()), why));
        }
        assert_eq!(vitals.reloads(), 2);
    }
}
