//! Where frames live.

use std::ffi::CString;
use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;

use dpdk_sys::rte_mempool;

use crate::eal::Token;
use crate::{Burst, Eal, Errno, Error, Mbuf};

/// How to make a [`Pool`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolOptions {
    /// Unique in the process; 1 to 24 bytes.
    pub name: String,
    /// Frames in the pool; 2^n - 1 uses memory best.
    pub mbufs: u32,
    /// Frames kept per lcore, at most 512 and two thirds of `mbufs`. At least
    /// twice the burst: less halves the rate.
    pub cache: u32,
    /// Bytes per buffer including the headroom of 128; the default holds a
    /// frame of 2048 bytes.
    pub data_room: u16,
    /// NUMA node, or any.
    pub socket: Option<u32>,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self {
            name: "pool".into(),
            mbufs: 8191,
            cache: 256,
            data_room: dpdk_sys::SHIM_MBUF_DEFAULT_BUF_SIZE as u16,
            socket: None,
        }
    }
}

/// A pool of frames. Cloning gives another handle on the same pool. Its memory
/// stays with the EAL until that is cleaned up, as frames may outlive the pool.
#[derive(Clone)]
pub struct Pool {
    raw: NonNull<rte_mempool>,
    name: Arc<str>,
    size: u32,
    cache: u32,
    data_room: u16,
    socket: Option<u32>,
    /// Keeps the EAL's memory mapped.
    _token: Arc<Token>,
}

// SAFETY: a mempool may be used from any thread: its ring is multi-producer and
// multi-consumer, its caches are per lcore.
unsafe impl Send for Pool {}
// SAFETY: as above; every method takes `&self` and DPDK synchronises.
unsafe impl Sync for Pool {}

impl Pool {
    /// Makes a pool.
    pub fn new(eal: &Eal, options: PoolOptions) -> Result<Self, Error> {
        let invalid = |option, reason: &str| Error::InvalidOption {
            option,
            reason: reason.into(),
        };
        if options.name.is_empty() || options.name.len() > 24 {
            return Err(invalid("pool name", "1 to 24 bytes"));
        }
        if options.mbufs == 0 {
            return Err(invalid("mbufs", "at least 1"));
        }
        let cache_fits = u64::from(options.cache) * 3 <= u64::from(options.mbufs) * 2;
        if options.cache > dpdk_sys::SHIM_MEMPOOL_CACHE_MAX || !cache_fits {
            return Err(invalid("cache", "at most 512 and two thirds of the frames"));
        }
        if u32::from(options.data_room) <= dpdk_sys::SHIM_MBUF_HEADROOM {
            return Err(invalid("data_room", "more than the headroom of 128 bytes"));
        }
        let socket = match options.socket {
            None => -1,
            Some(node) => i32::try_from(node).map_err(|_| invalid("socket", "out of range"))?,
        };
        let c_name = CString::new(options.name.as_str())
            .map_err(|_| invalid("pool name", "contains a NUL byte"))?;

        let mut state = eal.token().lock();
        // SAFETY: the EAL runs; a C string that DPDK copies; sizes are checked.
        let raw = unsafe {
            dpdk_sys::rte_pktmbuf_pool_create(
                c_name.as_ptr(),
                options.mbufs,
                options.cache,
                0,
                options.data_room,
                socket,
            )
        };
        let Some(raw) = NonNull::new(raw) else {
            let errno = Errno::last();
            let hint = match errno.code() {
                libc::EEXIST => "a pool of this name exists",
                libc::ENOMEM => "not enough memory: raise memory_mb, or ask for fewer frames",
                _ => "see DPDK's log",
            };
            return Err(Error::Pool {
                name: options.name,
                errno,
                hint,
            });
        };
        state.pools.push(raw);
        drop(state);
        Ok(Self {
            raw,
            name: options.name.into(),
            size: options.mbufs,
            cache: options.cache,
            data_room: options.data_room,
            socket: options.socket,
            _token: Arc::clone(eal.token()),
        })
    }

    /// An empty frame, or nothing when the pool is exhausted.
    #[inline]
    pub fn alloc(&self) -> Option<Mbuf> {
        // SAFETY: the pool lives as long as the token that `self` holds.
        let raw = NonNull::new(unsafe { dpdk_sys::shim_mbuf_alloc(self.raw.as_ptr()) })?;
        // SAFETY: a fresh frame, ours alone.
        Some(unsafe { Mbuf::from_raw(raw) })
    }

    /// Adds up to `count` empty frames to the burst, all or none of what fits;
    /// says how many.
    #[inline]
    pub fn fill<const N: usize>(&self, burst: &mut Burst<N>, count: usize) -> usize {
        let (tail, room) = burst.tail();
        let count = room.min(u16::try_from(count).unwrap_or(u16::MAX));
        if count == 0 {
            return 0;
        }
        // SAFETY: the pool is alive; the tail has room for `count` pointers.
        let got =
            unsafe { dpdk_sys::shim_mbuf_alloc_bulk(self.raw.as_ptr(), tail, u32::from(count)) };
        if got != 0 {
            return 0;
        }
        // SAFETY: `count` fresh frames were written to the tail.
        unsafe { burst.grow(count) };
        usize::from(count)
    }

    /// The pool's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Frames in the pool and out of it.
    pub fn size(&self) -> u32 {
        self.size
    }

    /// Frames kept per lcore, at most.
    pub fn cache(&self) -> u32 {
        self.cache
    }

    /// Bytes of a frame's buffer, the headroom among them.
    pub fn data_room(&self) -> u16 {
        self.data_room
    }

    /// The NUMA node that was asked for; `None`: any.
    pub fn socket(&self) -> Option<u32> {
        self.socket
    }

    /// Frames out of the pool now: with programs, queues and devices. Walks the
    /// lcores' caches: not for the hot path, and approximate while workers run.
    pub fn in_use(&self) -> u32 {
        // SAFETY: the pool is alive; reads counters.
        unsafe { dpdk_sys::rte_mempool_in_use_count(self.raw.as_ptr()) }
    }

    /// Frames that can be had now.
    pub fn available(&self) -> u32 {
        // SAFETY: the pool is alive; reads counters.
        unsafe { dpdk_sys::rte_mempool_avail_count(self.raw.as_ptr()) }
    }

    pub(crate) fn as_ptr(&self) -> *mut rte_mempool {
        self.raw.as_ptr()
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("name", &self.name)
            .field("size", &self.size)
            .finish()
    }
}
