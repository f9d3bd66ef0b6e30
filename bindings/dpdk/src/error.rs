//! Errors that carry what the operator needs: what failed, on what, and the remedy.

use std::ffi::CStr;
use std::fmt;

use crate::port::PortId;

/// An errno with DPDK's own text for it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(i32);

impl Errno {
    /// From a positive errno or the negative one that a DPDK function returned.
    pub(crate) fn new(code: i32) -> Self {
        Self(code.saturating_abs())
    }

    /// DPDK's errno of this thread, as set by the call just made.
    pub(crate) fn last() -> Self {
        // SAFETY: reads a thread-local integer; valid at any time on any thread.
        Self::new(unsafe { dpdk_sys::shim_errno() })
    }

    /// The positive errno.
    pub fn code(self) -> i32 {
        self.0
    }

    /// "Operation not supported", in either spelling.
    pub fn is_not_supported(self) -> bool {
        self.0 == libc::ENOTSUP || self.0 == libc::ENOSYS
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: rte_strerror returns a static string or a thread-local buffer
        // that stays valid until this thread's next call of it.
        let text = unsafe {
            let text = dpdk_sys::rte_strerror(self.0);
            if text.is_null() {
                c"unknown error"
            } else {
                CStr::from_ptr(text)
            }
        };
        write!(f, "{} (errno {})", text.to_string_lossy(), self.0)
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Everything that can go wrong in this crate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// `Eal::init` was called before: DPDK starts once per process, even when
    /// the first attempt failed inside of it.
    #[error("the EAL was started before in this process; DPDK starts once per process")]
    AlreadyInitialised,
    /// The library loaded at run time is of another release than the headers.
    #[error(
        "this binary was built against DPDK {built}, but runs with {running}: \
         install the matching libdpdk, or rebuild"
    )]
    VersionMismatch {
        /// Year.month of the headers.
        built: String,
        /// What `rte_version()` says.
        running: String,
    },
    /// An option has a value that cannot be handed to DPDK.
    #[error("{option}: {reason}")]
    InvalidOption {
        /// The option's name.
        option: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A core that is not there or is not online.
    #[error("core {core} does not exist or is offline; online cores: {online}")]
    NoSuchCore {
        /// The core asked for.
        core: usize,
        /// The kernel's list, e.g. `0-7`.
        online: String,
    },
    /// A core outside of the set that this process may run on.
    #[error("this process may not run on core {core} (cpuset or taskset); allowed: {allowed}")]
    CoreNotAllowed {
        /// The core asked for.
        core: usize,
        /// The cores allowed.
        allowed: String,
    },
    /// Too few free hugepages.
    #[error(
        "not enough free hugepages: {free_mb} of {total_mb} MB are free, {needed_mb} MB are needed; \
         reserve more (run hugepages-setup, or: echo N > \
         /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages), or ask for less memory"
    )]
    NoHugepages {
        /// Free now, over all page sizes.
        free_mb: u64,
        /// Reserved, over all page sizes.
        total_mb: u64,
        /// What the options ask for.
        needed_mb: u64,
    },
    /// Hugepages are reserved, but no hugetlbfs is mounted.
    #[error("no hugetlbfs is mounted; mount it: mount -t hugetlbfs nodev /dev/hugepages")]
    HugetlbfsNotMounted,
    /// hugetlbfs is mounted, but this user cannot write to it.
    #[error("{path} is not writable for this user; run as root, or mount it with uid= and gid=")]
    HugetlbfsNotWritable {
        /// The mount point.
        path: String,
    },
    /// No driver for a `--vdev` argument.
    #[error(
        "no driver for the virtual device \"{name}\": names are a driver and a number, e.g. \
         net_null0, net_af_packet1; the driver must be linked in"
    )]
    UnknownVdev {
        /// The device argument as given.
        name: String,
    },
    /// Another primary process runs with the same file prefix.
    #[error(
        "another DPDK process runs with the file prefix \"{prefix}\"; stop it or choose another"
    )]
    PrefixInUse {
        /// The file prefix.
        prefix: String,
    },
    /// `rte_eal_init` failed for another reason.
    #[error("the EAL did not start: {errno}; its last words: {last_words}")]
    EalInit {
        /// DPDK's errno.
        errno: Errno,
        /// The last lines of the EAL's log.
        last_words: String,
    },
    /// A port that does not exist (any more).
    #[error("there is no port {port}")]
    NoSuchPort {
        /// The port's id.
        port: PortId,
    },
    /// A port that was taken before.
    #[error("port {port} is taken already")]
    PortTaken {
        /// The port's id.
        port: PortId,
    },
    /// A control call on a port that was closed.
    #[error("port {name} is closed")]
    PortClosed {
        /// The port's name.
        name: String,
    },
    /// More queues than the device has, or none at all.
    #[error("port {name}: {asked} {direction} queues asked for, the device has {max}")]
    QueueCount {
        /// The port's name.
        name: String,
        /// `rx` or `tx`.
        direction: &'static str,
        /// The number asked for.
        asked: u16,
        /// The device's maximum.
        max: u16,
    },
    /// `stop` was given a queue of another port.
    #[error("port {name}: a queue of port {other} was given back to it")]
    ForeignQueue {
        /// The port that was to stop.
        name: String,
        /// The owner of the queue.
        other: PortId,
    },
    /// `stop` was not given all queues.
    #[error("port {name} cannot stop: {missing} of its queues are still with workers")]
    QueuesOut {
        /// The port that was to stop.
        name: String,
        /// Queues neither given back nor dropped.
        missing: usize,
    },
    /// The device cannot do this.
    #[error("port {name}: {call} is not supported by its driver")]
    NotSupported {
        /// The port's name.
        name: String,
        /// What was asked for.
        call: &'static str,
    },
    /// Somebody looks at the port's frames already.
    #[error("port {name}: somebody looks at its frames already")]
    Tapped {
        /// The port's name.
        name: String,
    },
    /// Any other failed call on a port.
    #[error("port {name}: {call} failed: {errno}")]
    Port {
        /// The port's name.
        name: String,
        /// What was asked for.
        call: &'static str,
        /// DPDK's errno.
        errno: Errno,
    },
    /// A pool could not be made.
    #[error("pool {name}: {errno}; {hint}")]
    Pool {
        /// The pool's name.
        name: String,
        /// DPDK's errno.
        errno: Errno,
        /// What to look at.
        hint: &'static str,
    },
    /// A forwarding table could not be made or changed.
    #[error("forwarding table {name}: {call}: {errno}; {hint}")]
    Fib {
        /// The table's name.
        name: String,
        /// What was asked for.
        call: &'static str,
        /// DPDK's errno.
        errno: Errno,
        /// What to look at.
        hint: &'static str,
    },
    /// A device could not be attached.
    #[error("device {name} could not be attached: {errno}")]
    Attach {
        /// The device's name.
        name: String,
        /// DPDK's errno.
        errno: Errno,
    },
    /// A thread could not become an lcore, or a job did not get its lcore.
    #[error("lcore: {what}: {errno}")]
    Lcore {
        /// What was asked for.
        what: String,
        /// DPDK's errno.
        errno: Errno,
    },
    /// Pinning a thread failed.
    #[error("the thread could not be pinned to core {core}")]
    Pin {
        /// The core.
        core: usize,
    },
    /// Packet capture could not be switched on.
    #[error("packet capture (pdump): {errno}")]
    Pdump {
        /// DPDK's errno.
        errno: Errno,
    },
    /// A command of the telemetry could not be registered.
    #[error("telemetry command {command}: {errno}")]
    Telemetry {
        /// The command.
        command: String,
        /// DPDK's errno.
        errno: Errno,
    },
}
