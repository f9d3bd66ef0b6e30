//! The proof that the EAL runs, shared by everything that needs it to.

use std::collections::BTreeSet;
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use dpdk_sys::{rte_mempool, rte_ring};

/// Held in an `Arc` by ports, queues, pools and lcore guards. Dropped last, it
/// cleans the EAL up.
#[derive(Debug)]
pub(crate) struct Token {
    init_thread: ThreadId,
    state: Mutex<State>,
}

/// What DPDK keeps in process-wide lists without locks of its own. Holding the
/// lock serialises all changes to the list of ports.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Ids of ports that someone has taken.
    pub(crate) taken: BTreeSet<u16>,
    /// Every pool; they live until the clean-up.
    pub(crate) pools: Vec<NonNull<rte_mempool>>,
    /// Every ring that we made for ring ports; the same.
    pub(crate) rings: Vec<NonNull<rte_ring>>,
}

// SAFETY: pools and rings are shared memory objects, which DPDK lets any thread
// use; the pointers are only used in Token::drop.
unsafe impl Send for State {}

impl Token {
    pub(crate) fn new() -> Self {
        Self {
            init_thread: thread::current().id(),
            state: Mutex::default(),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        // Frames do not hold a token (they are bare pointers for speed), so the
        // memory may go only when none is left. At this point no port, queue,
        // registered thread or job is left. A frame may still be with
        // - this thread: then in_use says so, exactly, as nobody else can
        //   change this lcore's cache;
        // - another thread, which cannot be an lcore any more and so frees
        //   straight into the pool's ring: the count falls with its last write.
        // Only the init thread is (main) lcore without holding a token, hence
        // the first condition.
        if thread::current().id() != self.init_thread {
            log::warn!(
                "the EAL is left to the end of the process: its last owner was dropped on \
                 another thread than the one that started it"
            );
            return;
        }
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        for ring in &state.rings {
            // SAFETY: the ring lives until the clean-up; the ports that used it
            // are gone, so nobody else takes from it.
            unsafe { dpdk_sys::shim_ring_drain(ring.as_ptr()) };
        }
        let out: u64 = state
            .pools
            .iter()
            // SAFETY: pools live until the clean-up below.
            .map(|pool| u64::from(unsafe { dpdk_sys::rte_mempool_in_use_count(pool.as_ptr()) }))
            .sum();
        if out != 0 {
            log::warn!("the EAL is left to the end of the process: {out} frames are still out");
            return;
        }
        // SAFETY: no owner of anything in the EAL's memory is left (see above).
        unsafe { dpdk_sys::rte_eal_cleanup() };
    }
}
