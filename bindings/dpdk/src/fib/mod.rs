//! Forwarding tables: longest prefix match to a number. IPv4 by `rte_lpm`, whose entries a reader
//! may look at itself; IPv6 by `rte_fib6`.
//!
//! One writer, any number of readers on other threads: a lookup takes no lock. It sees, for each
//! address, the table before or after a change, with one exception: while a prefix longer than 24
//! bits (IPv4) or its neighbourhood in the trie (IPv6) is removed and its group of entries is used
//! again at once for another one, a lookup that has read the first level already may get that
//! other one's number. Numbers are therefore indices into an array that is never freed, and what
//! may come of it is a packet sent to a wrong next hop, not a wrong access.

mod v4;
mod v6;

use std::ffi::CString;
use std::os::raw::c_int;

use crate::{Errno, Error};

pub use v4::{Fib4, Fib4Reader, Fib4View};
pub use v6::{Fib6, Fib6Reader};

/// The largest number that a table can hold for a prefix: IPv6's entries are two bytes, one bit of
/// which is the table's own.
pub const MAX_NEXT_HOP: u16 = (1 << 15) - 1;

/// How to make a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FibOptions {
    /// Unique in the process among tables of the same family; 1 to 16 bytes.
    pub name: String,
    /// Prefixes that it has room for, 1 to 2^24.
    pub routes: u32,
    /// Groups of 256 entries for what is longer than 24 bits, 1 to 32767. IPv4: 1 KiB each, one
    /// for each /24 that has longer prefixes in it. IPv6: 512 bytes each, up to one for each 8 bits
    /// beyond the first 24 of a prefix; prefixes share the groups of what they have in common.
    pub groups: u32,
    /// NUMA node, or any.
    pub socket: Option<u32>,
}

impl FibOptions {
    /// Room for 16,384 routes, and 4,096 groups: for IPv4. The table's first level needs 64 MiB
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
