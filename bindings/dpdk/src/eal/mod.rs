//! The environment abstraction layer: DPDK's start and end, once per process.

mod attach;
mod logs;
mod options;
mod preflight;
mod token;

use std::ffi::{CStr, CString, c_char};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use options::{EalOptions, Huge, LogLevel, Pci, PciAddress};
pub(crate) use token::Token;

use crate::lcore::{LcoreJob, launch};
use crate::port::{Idle, Port, PortHandle, PortId};
use crate::{Errno, Error};

/// Set by the first `rte_eal_init` of this process and never again cleared:
/// a second one in the same process does not work, even after a failure.
static STARTED: AtomicBool = AtomicBool::new(false);

/// DPDK, running. Ports, pools, queues and lcore guards keep it alive: the EAL
/// is cleaned up when the last of them and this value are gone.
///
/// The clean-up happens only when the last owner goes on the thread that called
/// [`Eal::init`], with all frames back in their pools; otherwise it is left to
/// the end of the process (with a warning in the log).
#[derive(Debug)]
pub struct Eal {
    token: Arc<Token>,
    /// Cores of the EAL's own worker threads; lcore `n + 1` runs on the n-th.
    worker_cores: Vec<usize>,
}

impl Eal {
    /// Starts DPDK. The calling thread becomes the main lcore and is pinned to
    /// `main_core`; threads that it spawns later inherit that pinning until
    /// they are pinned themselves.
    ///
    /// What can be checked beforehand is, and does not use up the one start.
    pub fn init(options: EalOptions) -> Result<Self, Error> {
        if STARTED.load(Ordering::Acquire) {
            return Err(Error::AlreadyInitialised);
        }
        check_version()?;
        let arguments = options.arguments()?;
        preflight::check(&options)?;
        if STARTED.swap(true, Ordering::AcqRel) {
            return Err(Error::AlreadyInitialised);
        }

        let capture = logs::Capture::start();
        if let Err(error) = preflight::check_vdevs(&options) {
            // rte_eal_init was not called: a corrected start may follow.
            let _ = capture.finish();
            STARTED.store(false, Ordering::Release);
            return Err(error);
        }
        let result = rte_eal_init(&arguments);
        let log = capture.finish();
        match result {
            Ok(()) => Ok(Self {
                token: Arc::new(Token::new()),
                worker_cores: options.worker_cores.clone(),
            }),
            Err(errno) => Err(preflight::explain(errno, &log, &options)),
        }
    }

    /// Whether frames' memory lies in hugepages.
    pub fn has_hugepages(&self) -> bool {
        // SAFETY: reads the EAL's configuration.
        unsafe { dpdk_sys::rte_eal_has_hugepages() != 0 }
    }

    /// The ports that exist now, in the order of their ids.
    pub fn ports(&self) -> Vec<PortId> {
        let _state = self.token.lock();
        let mut ports = Vec::new();
        let mut at = u16::MAX;
        loop {
            // SAFETY: the EAL runs; the lock keeps other threads of ours from
            // attaching and closing ports meanwhile.
            at = unsafe { dpdk_sys::shim_port_next(at) };
            if at == u16::MAX {
                return ports;
            }
            ports.push(PortId(at));
        }
    }

    /// The port of a device, by the device's name: `net_null0`, `0000:03:00.0`.
    pub fn port_named(&self, name: &str) -> Option<PortId> {
        let _state = self.token.lock();
        attach::port_named(name)
    }

    /// Takes a port into use. Each port once; it is given back when it and all
    /// its handles and queues are dropped.
    pub fn take(&self, port: PortId) -> Result<Port<Idle>, Error> {
        {
            let mut state = self.token.lock();
            // SAFETY: the EAL runs; any id may be asked about.
            if unsafe { dpdk_sys::shim_port_valid(port.0) } == 0 {
                return Err(Error::NoSuchPort { port });
            }
            if !state.taken.insert(port.0) {
                return Err(Error::PortTaken { port });
            }
        }
        // From here on PortHandle's drop gives the id back.
        PortHandle::new(Arc::clone(&self.token), port).map(Port::idle)
    }

    /// Attaches a virtual device while running: `name` as in `--vdev`
    /// (`net_null3`), `args` without the name (`size=64,copy=1`).
    pub fn vdev_create(&self, name: &str, args: &str) -> Result<PortId, Error> {
        attach::vdev_create(&self.token, name, args)
    }

    /// A port looped to itself: what is sent on a queue is received on it.
    /// `size` (frames per queue) is a power of two.
    pub fn ring_loop(&self, name: &str, queues: u16, size: u32) -> Result<PortId, Error> {
        attach::ring_loop(&self.token, name, queues, size)
    }

    /// Two ports joined by a cable: what one sends on queue n, the other
    /// receives on queue n. `size` (frames per queue) is a power of two.
    pub fn ring_pair(
        &self,
        names: [&str; 2],
        queues: u16,
        size: u32,
    ) -> Result<[PortId; 2], Error> {
        attach::ring_pair(&self.token, names, queues, size)
    }

    /// DPDK's number of the EAL's own worker thread of `core`; `None` where `core` is none of
    /// [`EalOptions::worker_cores`].
    pub fn lcore_of(&self, core: usize) -> Option<u32> {
        let index = self.worker_cores.iter().position(|&c| c == core)?;
        // The main thread is lcore 0, whatever its core.
        u32::try_from(index + 1).ok()
    }

    /// Runs `job` on the EAL's own worker thread of `core`, one of
    /// [`EalOptions::worker_cores`]. One job at a time per core. Unlike
    /// [`crate::lcore::RegisteredThread`], this leaves secondary processes
    /// (dpdk-dumpcap) possible.
    pub fn launch<T, F>(&self, core: usize, job: F) -> Result<LcoreJob<T>, Error>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let Some(lcore) = self.lcore_of(core) else {
            return Err(Error::Lcore {
                what: format!("core {core} is not one of the worker cores"),
                errno: Errno::new(libc::ENOENT),
            });
        };
        launch(&self.token, core, lcore, job)
    }

    pub(crate) fn token(&self) -> &Arc<Token> {
        &self.token
    }
}

/// What `rte_version()` says, e.g. `DPDK 22.11.11`.
pub fn version() -> String {
    // SAFETY: returns a static string; needs no EAL.
    unsafe { CStr::from_ptr(dpdk_sys::rte_version()) }
        .to_string_lossy()
        .into_owned()
}

/// How libdpdk is linked: `static` or `shared`.
pub const fn linkage() -> &'static str {
    if cfg!(feature = "shared") {
        "shared"
    } else {
        "static"
    }
}

/// The structures of the fast path belong to a release (year.month).
fn check_version() -> Result<(), Error> {
    let running = version();
    let built = format!(
        "{}.{:02}",
        dpdk_sys::SHIM_VER_YEAR,
        dpdk_sys::SHIM_VER_MONTH
    );
    let matches = running
        .rsplit(' ')
        .next()
        .is_some_and(|number| number == built || number.starts_with(&format!("{built}.")));
    if matches {
        Ok(())
    } else {
        Err(Error::VersionMismatch { built, running })
    }
}

fn rte_eal_init(arguments: &[CString]) -> Result<(), Errno> {
    // rte_eal_init permutes the array and some releases keep pointers to the
    // strings: both are given away for good, once per process.
    let strings: Vec<*mut c_char> = arguments
        .iter()
        .map(|argument| argument.clone().into_raw())
        .collect();
    let count = i32::try_from(strings.len()).map_err(|_| Errno::new(libc::E2BIG))?;
    let mut with_end = strings;
    with_end.push(std::ptr::null_mut());
    let array: &'static mut [*mut c_char] = Vec::leak(with_end);
    // SAFETY: argc strings and a terminating null, all of static lifetime, and
    // STARTED lets only one thread get here, once.
    let parsed = unsafe { dpdk_sys::rte_eal_init(count, array.as_mut_ptr()) };
    if parsed < 0 {
        Err(Errno::last())
    } else {
        Ok(())
    }
}
