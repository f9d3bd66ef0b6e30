//! Threads and cores.
//!
//! A thread that is an lcore has a cache in front of each pool; on any other
//! thread each frame goes through the pool's shared ring. There are two ways
//! to be one:
//! - [`crate::Eal::launch`]: a job on one of the EAL's own worker threads
//!   (`EalOptions::worker_cores`). Secondary processes keep working.
//! - [`RegisteredThread`]: any std thread. DPDK then refuses all secondary
//!   processes (dpdk-dumpcap, dpdk-proc-info) for good.

use std::ffi::{c_int, c_void};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use crate::eal::Token;
use crate::{Eal, Errno, Error};

/// `LCORE_ID_ANY`: the calling thread is no lcore.
const NO_LCORE: u32 = u32::MAX;

/// DPDK's number of this thread, if it is an lcore.
pub fn current() -> Option<u32> {
    // SAFETY: reads a thread-local integer.
    let id = unsafe { dpdk_sys::shim_lcore_id() };
    (id != NO_LCORE).then_some(id)
}

/// The current thread as an lcore; ends with the guard.
#[derive(Debug)]
pub struct RegisteredThread {
    _token: Arc<Token>,
    /// Must be dropped on its own thread.
    _not_send: PhantomData<*const ()>,
}

impl RegisteredThread {
    /// Makes the current thread an lcore. Refused when it is one already, when
    /// there are RTE_MAX_LCORE, and when a secondary process is attached.
    /// From the first registration on no secondary process can attach.
    pub fn register(eal: &Eal) -> Result<Self, Error> {
        let failed = |errno| Error::Lcore {
            what: "register this thread".into(),
            errno,
        };
        if current().is_some() {
            return Err(failed(Errno::new(libc::EEXIST)));
        }
        // SAFETY: the EAL runs, this thread is no lcore.
        if unsafe { dpdk_sys::rte_thread_register() } != 0 {
            return Err(failed(Errno::last()));
        }
        let guard = Self {
            _token: Arc::clone(eal.token()),
            _not_send: PhantomData,
        };
        if current().is_none() {
            // DPDK's answer when a secondary process is attached.
            return Err(failed(Errno::new(libc::EBUSY)));
        }
        Ok(guard)
    }

    /// DPDK's number of this thread.
    pub fn id(&self) -> u32 {
        current().unwrap_or(NO_LCORE)
    }
}

impl Drop for RegisteredThread {
    fn drop(&mut self) {
        // SAFETY: registered by `register` on this very thread (not Send), and
        // the EAL still runs: the token is dropped after this.
        unsafe { dpdk_sys::rte_thread_unregister() }
    }
}

/// Pins the current thread to a core.
pub fn pin(core: usize) -> Result<(), Error> {
    // core_affinity indexes a fixed set and panics beyond it.
    if core < libc::CPU_SETSIZE as usize
        && core_affinity::set_for_current(core_affinity::CoreId { id: core })
    {
        Ok(())
    } else {
        Err(Error::Pin { core })
    }
}

/// Runs the current thread before all ordinary ones (`SCHED_FIFO`, sched(7)), at `priority` 1 to
/// 99. Threads that it makes afterwards are ordinary again.
///
/// Only for a thread that sleeps: the kernel stops a poller of this class for 50 ms of each second
/// (`/proc/sys/kernel/sched_rt_runtime_us`), and on its core nothing else would run.
///
/// # Errors
/// `EPERM` without `CAP_SYS_NICE` and no `RLIMIT_RTPRIO`; `EINVAL` for another priority.
pub fn run_before_others(priority: u8) -> std::io::Result<()> {
    let param = libc::sched_param {
        sched_priority: c_int::from(priority),
    };
    let policy = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
    // SAFETY: 0 is the calling thread; `param` is valid for the call, which only reads it.
    if unsafe { libc::sched_setscheduler(0, policy, &param) } == 0 {
        Ok(())
    } else {
        Err(std::io::Error::last_os_error())
    }
}

/// A std thread pinned to a core, see [`spawn_pinned`].
#[derive(Debug)]
pub struct PinnedThread<T>(JoinHandle<Option<T>>);

impl<T> PinnedThread<T> {
    /// Waits for the job; an error when it panicked.
    pub fn join(self) -> thread::Result<T> {
        match self.0.join()? {
            Some(value) => Ok(value),
            None => Err(Box::new("the job did not run")),
        }
    }

    /// Whether the job is over.
    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }

    /// The thread.
    pub fn thread(&self) -> &thread::Thread {
        self.0.thread()
    }
}

/// Starts a std thread on `core`. Returns when the pinning worked; when not,
/// the job does not run.
pub fn spawn_pinned<T, F>(name: &str, core: usize, job: F) -> Result<PinnedThread<T>, Error>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let (pinned, wait) = mpsc::channel();
    let thread = thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            let result = pin(core);
            let run = result.is_ok();
            // The other side waits for exactly this.
            let _ = pinned.send(result);
            run.then(job)
        })
        .map_err(|error| Error::Lcore {
            what: format!("spawn the thread {name}"),
            errno: Errno::new(error.raw_os_error().unwrap_or(libc::EAGAIN)),
        })?;
    wait.recv().unwrap_or(Err(Error::Pin { core }))?;
    Ok(PinnedThread(thread))
}

/// A job on an EAL worker thread, see [`crate::Eal::launch`]. Dropping it does
/// not stop the job.
#[derive(Debug)]
pub struct LcoreJob<T> {
    result: Receiver<thread::Result<T>>,
    core: usize,
    lcore: u32,
    _token: Arc<Token>,
}

impl<T> LcoreJob<T> {
    /// The core that the job runs on.
    pub fn core(&self) -> usize {
        self.core
    }

    /// Waits for the job; an error when it panicked.
    pub fn join(self) -> thread::Result<T> {
        let result = self.result.recv();
        // The result was sent from within the job: wait until the lcore is
        // ready for the next one as well.
        // SAFETY: an lcore of the running EAL; waits for its state only.
        unsafe { dpdk_sys::rte_eal_wait_lcore(self.lcore) };
        result.unwrap_or_else(|_| Err(Box::new("the job ended without a result")))
    }
}

/// What travels to the worker thread.
struct Parcel<T, F> {
    job: F,
    result: Sender<thread::Result<T>>,
    token: Arc<Token>,
}

extern "C" fn run<T, F>(parcel: *mut c_void) -> c_int
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    // SAFETY: `launch` gave a Box<Parcel<T, F>> away to exactly this call.
    let parcel = unsafe { Box::from_raw(parcel.cast::<Parcel<T, F>>()) };
    let Parcel { job, result, token } = *parcel;
    // A panic must not cross into C; everything the job owns is gone after it.
    let outcome = catch_unwind(AssertUnwindSafe(job));
    // LcoreJob and Eal hold the token too; if they are gone, this was the last
    // and the clean-up is left to the process' end.
    drop(token);
    // Nobody listens when the LcoreJob was dropped.
    let _ = result.send(outcome);
    0
}

pub(crate) fn launch<T, F>(
    token: &Arc<Token>,
    core: usize,
    lcore: u32,
    job: F,
) -> Result<LcoreJob<T>, Error>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let (sender, result) = mpsc::channel();
    let parcel = Box::new(Parcel {
        job,
        result: sender,
        token: Arc::clone(token),
    });
    let parcel = Box::into_raw(parcel);
    let launched = {
        // rte_eal_remote_launch is not to be called for one lcore from two threads.
        let _state = token.lock();
        // SAFETY: an lcore of the running EAL, other than the main one; `run`
        // takes the parcel over if and only if this succeeds.
        unsafe { dpdk_sys::rte_eal_remote_launch(Some(run::<T, F>), parcel.cast(), lcore) }
    };
    if launched != 0 {
        // SAFETY: the worker did not take it: still ours.
        drop(unsafe { Box::from_raw(parcel) });
        return Err(Error::Lcore {
            what: format!("launch a job on core {core}"),
            errno: Errno::new(launched),
        });
    }
    Ok(LcoreJob {
        result,
        core,
        lcore,
        _token: Arc::clone(token),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_before_others_makes_ordinary_ones() {
        let policy = || {
            // SAFETY: 0 is the calling thread; takes no pointers.
            unsafe { libc::sched_getscheduler(0) & !libc::SCHED_RESET_ON_FORK }
        };
        let (own, child) = thread::spawn(move || {
            let allowed = run_before_others(1).is_ok();
            let own = allowed.then(policy);
            (own, thread::spawn(policy).join().unwrap())
        })
        .join()
        .unwrap();
        // Not every test runs with the right to do so.
        assert!(own.is_none_or(|policy| policy == libc::SCHED_FIFO));
        assert_eq!(child, libc::SCHED_OTHER);
        assert!(run_before_others(0).is_err());
    }
}
