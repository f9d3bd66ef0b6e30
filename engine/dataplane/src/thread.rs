//! A worker on a thread of its own.

use crate::counters::Counters;
use crate::idle::{Idle, Polling};
use crate::worker::{PairQueues, Worker};
use crossbeam_utils::CachePadded;
use dpdk::Eal;
use dpdk::lcore::LcoreJob;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Why a worker did not start, or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The core is not one of the EAL's worker cores, or has a worker already.
    #[error("cannot start a worker on core {core}: {source}")]
    Launch {
        /// The core.
        core: usize,
        /// DPDK's reason.
        source: dpdk::Error,
    },
    /// The kernel gave no thread.
    #[error("cannot start a worker thread: {0}")]
    Thread(#[from] std::io::Error),
    /// The worker ended by a panic; its queues were dropped.
    #[error("a worker ended by a panic; its queues are lost")]
    Panicked,
}

enum Runs {
    Lcore(LcoreJob<Worker>),
    Thread(JoinHandle<Worker>),
}

impl Runs {
    fn join(self) -> Result<Worker, Error> {
        match self {
            Self::Lcore(job) => job.join(),
            Self::Thread(thread) => thread.join(),
        }
        .map_err(|_| Error::Panicked)
    }
}

/// A worker that runs. Dropped, it stops the worker, waits for it, and drops its queues.
pub struct WorkerHandle {
    stop: Arc<CachePadded<AtomicBool>>,
    counters: Arc<Counters>,
    runs: Option<Runs>,
}

impl Worker {
    /// Runs the loop until [`WorkerHandle::stop`]: on the EAL's worker thread of the configured
    /// core, or, without a core, on a thread that is pinned as its parent is and is no lcore
    /// (each frame then goes through the pool's shared ring: for tests and small rates).
    ///
    /// The EAL's own threads and not registered ones, because DPDK refuses all secondary
    /// processes, like dpdk-dumpcap, from the first registration on.
    ///
    /// # Errors
    /// The core is none of the EAL's worker cores, or has a worker already; the kernel gives no
    /// thread. The queues are dropped then.
    pub fn spawn(self, eal: &Eal) -> Result<WorkerHandle, Error> {
        let stop = Arc::new(CachePadded::new(AtomicBool::new(false)));
        let counters = self.counters.clone();
        let core = self.core;
        let mut worker = self;
        let seen = stop.clone();
        let job = move || {
            worker.run(&seen);
            worker
        };
        let runs = match core {
            Some(core) => Runs::Lcore(
                eal.launch(core, job)
                    .map_err(|source| Error::Launch { core, source })?,
            ),
            None => Runs::Thread(
                std::thread::Builder::new()
                    .name("worker".into())
                    .spawn(job)?,
            ),
        };
        Ok(WorkerHandle {
            stop,
            counters,
            runs: Some(runs),
        })
    }

    /// Runs the loop on the calling thread until `stop` is true.
    pub fn run(&mut self, stop: &AtomicBool) {
        match self.polling {
            Polling::Busy => {
                while !stop.load(Ordering::Relaxed) {
                    self.poll_once();
                }
            }
            Polling::Adaptive => {
                let mut idle = Idle::new();
                while !stop.load(Ordering::Relaxed) {
                    if self.poll_once() {
                        idle.busy();
                    } else {
                        idle.rest();
                    }
                }
            }
        }
    }
}

impl WorkerHandle {
    /// Tells the worker to stop after the iteration that it is in. Does not wait.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// What the worker counts.
    #[must_use]
    pub fn counters(&self) -> Arc<Counters> {
        self.counters.clone()
    }

    /// Stops the worker, waits for it, sends what was injected meanwhile, and gives the queues
    /// back, so that their ports can be stopped.
    ///
    /// # Errors
    /// The worker panicked; its queues are gone.
    pub fn join(mut self) -> Result<Vec<PairQueues>, Error> {
        self.stop();
        match self.runs.take() {
            Some(runs) => Ok(runs.join()?.into_pairs()),
            None => Ok(Vec::new()),
        }
    }
}

impl Drop for WorkerHandle {
    fn drop(&mut self) {
        self.stop();
        if let Some(runs) = self.runs.take() {
            // A panic was reported where it happened; there is nothing to give back.
            let _ = runs.join();
        }
    }
}
