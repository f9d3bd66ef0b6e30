//! IPv4.
//!
//! `rte_lpm` and not `rte_fib`: its lookup is two loads that the compiler puts into the caller's
//! loop, where a cache or TLB miss on them passes while the next packet is read. `rte_fib` looks up
//! bursts in a function of its own, where nothing else is there to do (figures in
//! docs/performance.md).

use std::net::Ipv4Addr;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use dpdk_sys::rte_lpm;

use super::{FibOptions, MAX_NEXT_HOP, changed};
use crate::eal::Token;
use crate::{Eal, Errno, Error};

/// An entry's number (rte_lpm.h, `struct rte_lpm_tbl_entry`).
const NUMBER: u32 = 0x00ff_ffff;
/// The entry is in use (`RTE_LPM_LOOKUP_SUCCESS`).
const VALID: u32 = 0x0100_0000;
/// Its number is that of a group of the second level (`RTE_LPM_VALID_EXT_ENTRY_BITMASK`).
const GROUP: u32 = 0x0300_0000;
/// Entries of a group.
const GROUP_ENTRIES: usize = 256;
/// There is no prefix of no length. `rte_lpm` does not hold it: it is kept beside.
const NO_DEFAULT: u32 = u32::MAX;

/// A forwarding table for IPv4: the writer's end, of which there is one.
#[derive(Debug)]
pub struct Fib4 {
    shared: Fib4Reader,
}

/// A forwarding table for IPv4: a reader's end. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Fib4Reader {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    raw: NonNull<rte_lpm>,
    /// 2^24 entries, one for each first three bytes.
    first: NonNull<AtomicU32>,
    /// `groups` times [`GROUP_ENTRIES`].
    second: NonNull<AtomicU32>,
    groups: usize,
    /// The number of the prefix of no length, or [`NO_DEFAULT`].
    default: AtomicU32,
    name: String,
    /// Keeps the EAL's memory mapped.
    _token: Arc<Token>,
}

// SAFETY: the table is shared memory; its writer is one thread at a time (`&mut` on the writer's
// end, of which there is one), and it may be freed on any thread.
unsafe impl Send for Inner {}
// SAFETY: through a shared reference entries are only loaded, each at once: DPDK stores each entry
// with one atomic store of a word (rte_lpm.c), which is what AtomicU32 is for.
unsafe impl Sync for Inner {}

impl Drop for Inner {
    fn drop(&mut self) {
        // SAFETY: the last end is gone, so nobody looks up or writes; freed once.
        unsafe { dpdk_sys::rte_lpm_free(self.raw.as_ptr()) }
    }
}

impl Fib4 {
    /// An empty table: every address has the number 0.
    ///
    /// # Errors
    /// An option is out of range; a table of this name exists; not enough memory.
    pub fn new(eal: &Eal, options: &FibOptions) -> Result<Self, Error> {
        let (name, socket) = options.check(4)?;
        // SAFETY: the EAL runs; a C string that DPDK copies; sizes are checked.
        let raw = unsafe {
            dpdk_sys::shim_lpm_create(name.as_ptr(), socket, options.routes, options.groups)
        };
        let raw = NonNull::new(raw).ok_or_else(|| options.failure(Errno::last()))?;
        // SAFETY: the table was made just now. The pointers stay what they are until it is freed.
        let levels = unsafe {
            (
                dpdk_sys::shim_lpm_tbl24(raw.as_ptr()),
                dpdk_sys::shim_lpm_tbl8(raw.as_ptr()),
            )
        };
        let level = |at: *const u32| NonNull::new(at.cast_mut().cast::<AtomicU32>());
        let (Some(first), Some(second)) = (level(levels.0), level(levels.1)) else {
            // SAFETY: nobody else knows of it.
            unsafe { dpdk_sys::rte_lpm_free(raw.as_ptr()) };
            return Err(options.failure(Errno::new(libc::ENOMEM)));
        };
        let inner = Arc::new(Inner {
            raw,
            first,
            second,
            groups: options.groups as usize,
            default: AtomicU32::new(NO_DEFAULT),
            name: options.name.clone(),
            _token: Arc::clone(eal.token()),
        });
        Ok(Self {
            shared: Fib4Reader { inner },
        })
    }

    /// An end to look up with.
    #[must_use]
    pub fn reader(&self) -> Fib4Reader {
        self.shared.clone()
    }

    /// Adds a prefix, or changes its number. `next_hop` is at most [`MAX_NEXT_HOP`]; bits of
    /// `prefix` beyond `length` do not count.
    ///
    /// # Errors
    /// The length or the number is out of range; the table is full.
    pub fn add(&mut self, prefix: Ipv4Addr, length: u8, next_hop: u16) -> Result<(), Error> {
        let inner = &*self.shared.inner;
        if length > 32 || next_hop > MAX_NEXT_HOP {
            return changed(&inner.name, "add", -libc::EINVAL);
        }
        if length == 0 {
            inner.default.store(u32::from(next_hop), Ordering::Release);
            return Ok(());
        }
        // SAFETY: the table is alive; `&mut self` is the only writer, and lookups may run beside it
        // (see the module); length and number are in range.
        let result = unsafe {
            dpdk_sys::rte_lpm_add(inner.raw.as_ptr(), prefix.into(), length, next_hop.into())
        };
        changed(&inner.name, "add", result)
    }

    /// Removes a prefix; its addresses then have the next shorter prefix's number.
    ///
    /// # Errors
    /// There is no such prefix.
    pub fn remove(&mut self, prefix: Ipv4Addr, length: u8) -> Result<(), Error> {
        let inner = &*self.shared.inner;
        if length > 32 {
            return changed(&inner.name, "remove", -libc::EINVAL);
        }
        if length == 0 {
            let was = inner.default.swap(NO_DEFAULT, Ordering::AcqRel);
            let known = if was == NO_DEFAULT { -libc::ENOENT } else { 0 };
            return changed(&inner.name, "remove", known);
        }
        // SAFETY: as above.
        let result = unsafe { dpdk_sys::rte_lpm_delete(inner.raw.as_ptr(), prefix.into(), length) };
        // DPDK says the same of a prefix that is not there and of one that makes no sense.
        let result = if result == -libc::EINVAL {
            -libc::ENOENT
        } else {
            result
        };
        changed(&inner.name, "remove", result)
    }
}

impl Fib4Reader {
    /// Looks up an address, as a number (192.0.2.1 is 0xc000_0201). Never waits.
    #[inline(always)]
    #[must_use]
    pub fn lookup(&self, address: u32) -> u16 {
        self.view().lookup(address)
    }

    /// The table's place, to be looked into more than once.
    #[inline(always)]
    #[must_use]
    pub fn view(&self) -> Fib4View<'_> {
        Fib4View {
            first: self.inner.first,
            inner: &self.inner,
        }
    }
}

/// A table's place, for a hot loop to have it in a register.
#[derive(Debug, Clone, Copy)]
pub struct Fib4View<'a> {
    first: NonNull<AtomicU32>,
    inner: &'a Inner,
}

impl Fib4View<'_> {
    /// As [`Fib4Reader::lookup`].
    #[inline(always)]
    #[must_use]
    pub fn lookup(self, address: u32) -> u16 {
        // SAFETY: the table lives as long as `inner`, and its first level has 2^24 entries.
        let first = unsafe { self.first.add((address >> 8) as usize).as_ref() };
        let entry = first.load(Ordering::Acquire);
        if entry & GROUP == VALID {
            return entry as u16;
        }
        self.inner.lookup_further(address, entry)
    }
}

impl Inner {
    /// What the first level does not answer.
    #[inline(never)]
    fn lookup_further(&self, address: u32, entry: u32) -> u16 {
        let mut entry = entry;
        let group = (entry & NUMBER) as usize;
        if entry & GROUP == GROUP && group < self.groups {
            let at = group * GROUP_ENTRIES + (address & 0xff) as usize;
            // SAFETY: the table lives as long as `self`, and its second level has that many groups.
            let second = unsafe { self.second.add(at).as_ref() };
            entry = second.load(Ordering::Acquire);
        }
        if entry & VALID != 0 {
            return entry as u16;
        }
        match self.default.load(Ordering::Acquire) {
            NO_DEFAULT => 0,
            number => number as u16,
        }
    }
}
