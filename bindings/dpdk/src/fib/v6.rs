//! IPv6.

use std::net::Ipv6Addr;
use std::os::raw::c_int;
use std::ptr::NonNull;
use std::sync::Arc;

use dpdk_sys::rte_fib6;

use super::{FibOptions, MAX_NEXT_HOP, changed};
use crate::eal::Token;
use crate::{Eal, Errno, Error};

/// A forwarding table for IPv6: the writer's end, of which there is one.
#[derive(Debug)]
pub struct Fib6 {
    shared: Fib6Reader,
}

/// A forwarding table for IPv6: a reader's end. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Fib6Reader {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    raw: NonNull<rte_fib6>,
    name: String,
    /// Keeps the EAL's memory mapped.
    _token: Arc<Token>,
}

// SAFETY: the table is shared memory; its writer is one thread at a time (`&mut` on the writer's
// end, of which there is one), and it may be freed on any thread.
unsafe impl Send for Inner {}
// SAFETY: through a shared reference only lookups are made, which DPDK allows on any thread beside
// one writer.
unsafe impl Sync for Inner {}

impl Drop for Inner {
    fn drop(&mut self) {
        // SAFETY: the last end is gone, so nobody looks up or writes; freed once.
        unsafe { dpdk_sys::rte_fib6_free(self.raw.as_ptr()) }
    }
}

impl Fib6 {
    /// An empty table: every address has the number 0.
    ///
    /// # Errors
    /// An option is out of range; a table of this name exists; not enough memory.
    pub fn new(eal: &Eal, options: &FibOptions) -> Result<Self, Error> {
        let (name, socket) = options.check(6)?;
        // SAFETY: the EAL runs; a C string that DPDK copies; sizes are checked.
        let raw = unsafe {
            dpdk_sys::shim_fib6_create(name.as_ptr(), socket, options.routes, options.groups)
        };
        let raw = NonNull::new(raw).ok_or_else(|| options.failure(Errno::last()))?;
        let inner = Arc::new(Inner {
            raw,
            name: options.name.clone(),
            _token: Arc::clone(eal.token()),
        });
        Ok(Self {
            shared: Fib6Reader { inner },
        })
    }

    /// An end to look up with.
    #[must_use]
    pub fn reader(&self) -> Fib6Reader {
        self.shared.clone()
    }

    /// Adds a prefix, or changes its number. `next_hop` is at most [`MAX_NEXT_HOP`]; bits of
    /// `prefix` beyond `length` do not count.
    ///
    /// # Errors
    /// The length or the number is out of range; the table is full.
    pub fn add(&mut self, prefix: Ipv6Addr, length: u8, next_hop: u16) -> Result<(), Error> {
        let inner = &*self.shared.inner;
        if length > 128 || next_hop > MAX_NEXT_HOP {
            return changed(&inner.name, "add", -libc::EINVAL);
        }
        // SAFETY: the table is alive; `&mut self` is the only writer, and lookups may run beside it
        // (see the module); sixteen bytes that DPDK copies; length and number are in range.
        let result = unsafe {
            let ip = prefix.octets();
            dpdk_sys::rte_fib6_add(inner.raw.as_ptr(), ip.as_ptr(), length, u64::from(next_hop))
        };
        changed(&inner.name, "add", result)
    }

    /// Removes a prefix; its addresses then have the next shorter prefix's number.
    ///
    /// # Errors
    /// There is no such prefix.
    pub fn remove(&mut self, prefix: Ipv6Addr, length: u8) -> Result<(), Error> {
        let inner = &*self.shared.inner;
        if length > 128 {
            return changed(&inner.name, "remove", -libc::EINVAL);
        }
        // SAFETY: as above.
        let result = unsafe {
            let ip = prefix.octets();
            dpdk_sys::rte_fib6_delete(inner.raw.as_ptr(), ip.as_ptr(), length)
        };
        changed(&inner.name, "remove", result)
    }
}

impl Fib6Reader {
    /// Looks up as many addresses as both slices hold, each as its sixteen bytes. Never waits.
    #[inline]
    pub fn lookup(&self, addresses: &mut [[u8; 16]], next_hops: &mut [u64]) {
        let count = addresses.len().min(next_hops.len());
        if count == 0 {
            return;
        }
        // SAFETY: the table lives as long as `inner`; lookups may run on any thread, beside the one
        // writer; both slices hold `count` elements. DPDK only reads the addresses (its prototype
        // lacks the const).
        unsafe {
            dpdk_sys::rte_fib6_lookup_bulk(
                self.inner.raw.as_ptr(),
                addresses.as_mut_ptr(),
                next_hops.as_mut_ptr(),
                count as c_int,
            );
        }
    }
}
