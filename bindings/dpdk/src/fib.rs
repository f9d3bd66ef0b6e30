//! Forwarding tables (`rte_fib`, `rte_fib6`): longest prefix match to a number.
//!
//! One writer, any number of readers on other threads: a lookup takes no lock. It sees, for each
//! address, the table before or after a change, with one exception: while a prefix longer than 24
//! bits (IPv4) or its neighbourhood in the trie (IPv6) is removed and its group of entries is used
//! again at once for another one, a lookup that has read the first level already may get that
//! other one's number. Numbers are therefore indices into an array that is never freed, and what
//! may come of it is a packet sent to a wrong next hop, not a wrong access.

use std::ffi::CString;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::raw::c_int;
use std::ptr::NonNull;
use std::sync::Arc;

use dpdk_sys::{rte_fib, rte_fib6};

use crate::eal::Token;
use crate::{Eal, Errno, Error};

/// The largest number that a table can hold for a prefix: entries are two bytes, one bit of which
/// is the table's own.
pub const MAX_NEXT_HOP: u16 = (1 << 15) - 1;

/// How to make a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FibOptions {
    /// Unique in the process among tables of the same family; 1 to 16 bytes.
    pub name: String,
    /// Prefixes that it has room for, 1 to 2^24.
    pub routes: u32,
    /// Groups of 256 entries for what is longer than 24 bits, 1 to 32767, 512 bytes each. IPv4:
    /// one for each /24 that has longer prefixes in it. IPv6: up to one for each 8 bits beyond the
    /// first 24 of a prefix; prefixes share the groups of what they have in common.
    pub groups: u32,
    /// NUMA node, or any.
    pub socket: Option<u32>,
}

impl FibOptions {
    /// Room for 16,384 routes, and 4,096 groups: for IPv4. The table's first level needs 32 MiB
    /// of the EAL's memory.
    #[must_use]
    pub fn ipv4(name: &str) -> Self {
        Self {
            name: name.into(),
            routes: 16_384,
            groups: 4_096,
            socket: None,
        }
    }

    /// Room for 16,384 routes, and 32,767 groups (16 MiB): for IPv6. The table's first level needs
    /// 32 MiB of the EAL's memory.
    #[must_use]
    pub fn ipv6(name: &str) -> Self {
        Self {
            groups: 32_767,
            ..Self::ipv4(name)
        }
    }

    /// DPDK's name and socket. Both families' tables name their memory alike, so that the same
    /// name for one of each collides: `family` goes before it.
    fn check(&self, family: u8) -> Result<(CString, c_int), Error> {
        let invalid = |option, reason: &str| Error::InvalidOption {
            option,
            reason: reason.into(),
        };
        if self.name.is_empty() || self.name.len() > 16 {
            return Err(invalid("forwarding table's name", "1 to 16 bytes"));
        }
        if !(1..=1 << 24).contains(&self.routes) {
            return Err(invalid("routes", "1 to 2^24"));
        }
        if !(1..=32_767).contains(&self.groups) {
            return Err(invalid("groups", "1 to 32767"));
        }
        let socket = match self.socket {
            None => -1,
            Some(node) => c_int::try_from(node).map_err(|_| invalid("socket", "out of range"))?,
        };
        let name = CString::new(format!("v{family}.{}", self.name))
            .map_err(|_| invalid("forwarding table's name", "contains a NUL byte"))?;
        Ok((name, socket))
    }

    fn failure(&self, errno: Errno) -> Error {
        Error::Fib {
            name: self.name.clone(),
            call: "create",
            errno,
            hint: match errno.code() {
                libc::EEXIST => "a table of this name exists",
                libc::ENOMEM => "not enough memory: raise memory_mb, or ask for fewer groups",
                _ => "see DPDK's log",
            },
        }
    }
}

/// The result of a change, with what to look at.
fn changed(name: &str, call: &'static str, result: c_int) -> Result<(), Error> {
    if result >= 0 {
        return Ok(());
    }
    let errno = Errno::new(result);
    let hint = match errno.code() {
        libc::ENOSPC | libc::ENOMEM => "the table is full: it needs more routes or groups",
        libc::ENOENT => "there is no such prefix",
        libc::EINVAL => "the prefix length or the next hop is out of range",
        _ => "see DPDK's log",
    };
    Err(Error::Fib {
        name: name.into(),
        call,
        errno,
        hint,
    })
}

macro_rules! fib {
    (
        $fib:ident, $reader:ident, $address:ident, $key:ty, $version:literal, $max_depth:literal,
        $create:ident, $add:ident, $delete:ident, $lookup:ident,
        $family:literal, $key_doc:literal, |$ip:ident| $argument:expr
    ) => {
        #[doc = concat!("A forwarding table for ", $family, ": the writer's end, of which there is one.")]
        #[derive(Debug)]
        pub struct $fib {
            shared: $reader,
        }

        #[doc = concat!("A forwarding table for ", $family, ": a reader's end. Cheap to clone.")]
        #[derive(Debug, Clone)]
        pub struct $reader {
            inner: Arc<inner::$fib>,
        }

        impl $fib {
            /// An empty table: every address has the number 0.
            pub fn new(eal: &Eal, options: &FibOptions) -> Result<Self, Error> {
                let (name, socket) = options.check($version)?;
                // SAFETY: the EAL runs; a C string that DPDK copies; sizes are checked.
                let raw = unsafe {
                    dpdk_sys::$create(name.as_ptr(), socket, options.routes, options.groups)
                };
                let raw = NonNull::new(raw).ok_or_else(|| options.failure(Errno::last()))?;
                let inner = Arc::new(inner::$fib {
                    raw,
                    name: options.name.clone(),
                    _token: Arc::clone(eal.token()),
                });
                Ok(Self {
                    shared: $reader { inner },
                })
            }

            /// An end to look up with.
            #[must_use]
            pub fn reader(&self) -> $reader {
                self.shared.clone()
            }

            /// Adds a prefix, or changes its number. `next_hop` is at most [`MAX_NEXT_HOP`];
            /// bits of `prefix` beyond `length` do not count.
            ///
            /// # Errors
            /// The length or the number is out of range; the table is full.
            pub fn add(&mut self, prefix: $address, length: u8, next_hop: u16) -> Result<(), Error> {
                let inner = &*self.shared.inner;
                if length > $max_depth || next_hop > MAX_NEXT_HOP {
                    return changed(&inner.name, "add", -libc::EINVAL);
                }
                let $ip = prefix;
                // SAFETY: the table is alive; `&mut self` is the only writer, and lookups may run
                // beside it (see the module); length and number are in range.
                let result = unsafe {
                    dpdk_sys::$add(inner.raw.as_ptr(), $argument, length, u64::from(next_hop))
                };
                changed(&inner.name, "add", result)
            }

            /// Removes a prefix; its addresses then have the next shorter prefix's number.
            ///
            /// # Errors
            /// There is no such prefix.
            pub fn remove(&mut self, prefix: $address, length: u8) -> Result<(), Error> {
                let inner = &*self.shared.inner;
                if length > $max_depth {
                    return changed(&inner.name, "remove", -libc::EINVAL);
                }
                let $ip = prefix;
                // SAFETY: as above.
                let result = unsafe { dpdk_sys::$delete(inner.raw.as_ptr(), $argument, length) };
                changed(&inner.name, "remove", result)
            }
        }

        impl $reader {
            #[doc = concat!("Looks up as many addresses as both slices hold, ", $key_doc, ".")]
            /// Never waits.
            #[inline]
            pub fn lookup(&self, addresses: &mut [$key], next_hops: &mut [u64]) {
                let count = addresses.len().min(next_hops.len());
                if count == 0 {
                    return;
                }
                // SAFETY: the table lives as long as `inner`; lookups may run on any thread,
                // beside the one writer; both slices hold `count` elements. DPDK only reads the
                // addresses (its prototype lacks the const).
                unsafe {
                    dpdk_sys::$lookup(
                        self.inner.raw.as_ptr(),
                        addresses.as_mut_ptr(),
                        next_hops.as_mut_ptr(),
                        count as c_int,
                    );
                }
            }
        }
    };
}

mod inner {
    use super::*;

    macro_rules! inner {
        ($name:ident, $raw:ident, $free:ident) => {
            #[derive(Debug)]
            pub struct $name {
                pub(super) raw: NonNull<$raw>,
                pub(super) name: String,
                /// Keeps the EAL's memory mapped.
                pub(super) _token: Arc<Token>,
            }

            // SAFETY: the table is shared memory; its writer is one thread at a time (`&mut` on
            // the writer's end, of which there is one), and it may be freed on any thread.
            unsafe impl Send for $name {}
            // SAFETY: through a shared reference only lookups are made, which DPDK allows on any
            // thread beside one writer.
            unsafe impl Sync for $name {}

            impl Drop for $name {
                fn drop(&mut self) {
                    // SAFETY: the last end is gone, so nobody looks up or writes; freed once.
                    unsafe { dpdk_sys::$free(self.raw.as_ptr()) }
                }
            }
        };
    }
    inner!(Fib4, rte_fib, rte_fib_free);
    inner!(Fib6, rte_fib6, rte_fib6_free);
}

fib!(
    Fib4,
    Fib4Reader,
    Ipv4Addr,
    u32,
    4,
    32,
    shim_fib_create,
    rte_fib_add,
    rte_fib_delete,
    rte_fib_lookup_bulk,
    "IPv4",
    "each as a number (192.0.2.1 is 0xc000_0201)",
    |ip| u32::from(ip)
);
fib!(
    Fib6,
    Fib6Reader,
    Ipv6Addr,
    [u8; 16],
    6,
    128,
    shim_fib6_create,
    rte_fib6_add,
    rte_fib6_delete,
    rte_fib6_lookup_bulk,
    "IPv6",
    "each as its sixteen bytes",
    |ip| ip.octets().as_ptr()
);
