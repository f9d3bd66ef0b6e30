//! Ports that are made while running: virtual devices and ring ports.

use std::ffi::CString;
use std::ptr::NonNull;
use std::sync::Arc;

use dpdk_sys::rte_ring;

use super::Token;
use super::token::State;
use crate::port::PortId;
use crate::{Errno, Error};

/// `RING_F_SP_ENQ | RING_F_SC_DEQ`: one producer, one consumer.
const SINGLE: u32 = 0x0001 | 0x0002;
/// `SOCKET_ID_ANY`.
const ANY_SOCKET: i32 = -1;
/// Longest name that net_ring and rte_ring take, with their own prefixes.
const MAX_RING_NAME: usize = 16;
const MAX_QUEUES: u16 = 16;

/// The caller holds the token's lock.
pub(super) fn port_named(name: &str) -> Option<PortId> {
    let name = CString::new(name).ok()?;
    let mut id = 0u16;
    // SAFETY: a C string and a place for the id.
    let found = unsafe { dpdk_sys::rte_eth_dev_get_port_by_name(name.as_ptr(), &raw mut id) };
    (found == 0).then_some(PortId(id))
}

pub(super) fn vdev_create(token: &Arc<Token>, name: &str, args: &str) -> Result<PortId, Error> {
    let invalid = |_| Error::InvalidOption {
        option: "vdev",
        reason: "contains a NUL byte".into(),
    };
    let c_name = CString::new(name).map_err(invalid)?;
    let c_args = CString::new(args).map_err(invalid)?;
    let _state = token.lock();
    if port_named(name).is_some() {
        // DPDK would probe the device a second time and call it a success.
        let errno = Errno::new(libc::EEXIST);
        return Err(Error::Attach {
            name: name.to_owned(),
            errno,
        });
    }
    // SAFETY: C strings, which DPDK copies; the EAL runs, and the lock keeps
    // our other threads off the device lists.
    let made = unsafe {
        dpdk_sys::rte_eal_hotplug_add(c"vdev".as_ptr(), c_name.as_ptr(), c_args.as_ptr())
    };
    if made != 0 {
        return Err(match Errno::new(made) {
            errno if errno.code() == libc::ENOENT || errno.code() == libc::EFAULT => {
                Error::UnknownVdev {
                    name: name.to_owned(),
                }
            }
            errno => Error::Attach {
                name: name.to_owned(),
                errno,
            },
        });
    }
    port_named(name).ok_or_else(|| Error::Attach {
        name: name.to_owned(),
        errno: Errno::new(libc::ENODEV),
    })
}

pub(super) fn ring_loop(
    token: &Arc<Token>,
    name: &str,
    queues: u16,
    size: u32,
) -> Result<PortId, Error> {
    check(name, queues, size)?;
    let mut state = token.lock();
    let rings = make_rings(&mut state, name, queues, size)?;
    ring_port(name, &rings, &rings)
}

pub(super) fn ring_pair(
    token: &Arc<Token>,
    names: [&str; 2],
    queues: u16,
    size: u32,
) -> Result<[PortId; 2], Error> {
    for name in names {
        check(name, queues, size)?;
    }
    let mut state = token.lock();
    let to_second = make_rings(&mut state, names[0], queues, size)?;
    let to_first = make_rings(&mut state, names[1], queues, size)?;
    let first = ring_port(names[0], &to_first, &to_second)?;
    let second = ring_port(names[1], &to_second, &to_first)?;
    Ok([first, second])
}

fn check(name: &str, queues: u16, size: u32) -> Result<(), Error> {
    let invalid = |reason: &str| Error::InvalidOption {
        option: "ring",
        reason: reason.into(),
    };
    if name.is_empty() || name.len() > MAX_RING_NAME || name.contains('\0') {
        return Err(invalid("a name has 1 to 16 bytes"));
    }
    if queues == 0 || queues > MAX_QUEUES {
        return Err(invalid("1 to 16 queues"));
    }
    if !size.is_power_of_two() || !(2..=1 << 20).contains(&size) {
        return Err(invalid("a size is a power of two, 2 to 1048576"));
    }
    Ok(())
}

/// One ring per queue. Single producer and consumer is right, as exactly one
/// send queue and one receive queue get each ring, and a queue is on one
/// thread at a time.
fn make_rings(
    state: &mut State,
    name: &str,
    queues: u16,
    size: u32,
) -> Result<Vec<NonNull<rte_ring>>, Error> {
    let mut rings = Vec::with_capacity(usize::from(queues));
    for queue in 0..queues {
        let c_name =
            CString::new(format!("tl_{name}_{queue}")).map_err(|_| Error::InvalidOption {
                option: "ring",
                reason: "NUL byte".into(),
            })?;
        // SAFETY: a C string that DPDK copies; the EAL runs.
        let ring = unsafe { dpdk_sys::rte_ring_create(c_name.as_ptr(), size, ANY_SOCKET, SINGLE) };
        let ring = NonNull::new(ring).ok_or_else(|| Error::Attach {
            name: name.to_owned(),
            errno: Errno::last(),
        })?;
        state.rings.push(ring);
        rings.push(ring);
    }
    Ok(rings)
}

fn ring_port(
    name: &str,
    receive: &[NonNull<rte_ring>],
    send: &[NonNull<rte_ring>],
) -> Result<PortId, Error> {
    let failed = |errno| Error::Attach {
        name: name.to_owned(),
        errno,
    };
    let c_name = CString::new(name).map_err(|_| failed(Errno::new(libc::EINVAL)))?;
    // SAFETY: the arrays hold that many live rings, which DPDK copies out;
    // NonNull<rte_ring> is laid out as *mut rte_ring.
    let port = unsafe {
        dpdk_sys::rte_eth_from_rings(
            c_name.as_ptr(),
            receive.as_ptr().cast(),
            receive.len() as u32,
            send.as_ptr().cast(),
            send.len() as u32,
            0,
        )
    };
    u16::try_from(port)
        .map(PortId)
        .map_err(|_| failed(Errno::last()))
}
