//! A look at every frame that a port receives and sends, by DPDK's own callbacks.
//!
//! [`crate::RxQueue::burst`] and [`crate::TxQueue::burst`] call them, as DPDK's functions do, so a
//! port that nobody looks at pays nothing for it. The thread that polls a queue calls the
//! [`Watcher`]; it never waits for anybody.

use std::ffi::c_void;
use std::fmt;
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use dpdk_sys::{rte_eth_rxtx_callback, rte_mbuf};

use crate::port::PortInner;
use crate::{Errno, Error, Mbuf};

/// Which way a frame goes through its port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The port received it.
    Received,
    /// It is handed to the port to be sent. What a full queue does not take is handed to it again,
    /// and seen again.
    Sent,
}

/// Who looks at a port's frames.
pub trait Watcher: Send {
    /// One burst. Called in the midst of a data path's loop: no lock, no system call, no wait. A
    /// panic ends the process.
    fn frames(&mut self, direction: Direction, frames: &[Mbuf]);
}

/// What callbacks and owners of a port share.
#[derive(Default)]
pub(crate) struct Tap {
    watcher: Mutex<Option<Box<dyn Watcher>>>,
    missed: AtomicU64,
}

impl Tap {
    /// The watcher, if nobody is at it.
    fn try_lock(&self) -> Option<MutexGuard<'_, Option<Box<dyn Watcher>>>> {
        match self.watcher.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn see(&self, direction: Direction, frames: &[Mbuf]) {
        match self.try_lock() {
            Some(mut watcher) => {
                if let Some(watcher) = watcher.as_mut() {
                    watcher.frames(direction, frames);
                }
            }
            // Another queue of the port is at it, or the owner takes the watcher back.
            None => drop(
                self.missed
                    .fetch_add(frames.len() as u64, Ordering::Relaxed),
            ),
        }
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tap").finish_non_exhaustive()
    }
}

/// What a callback is given: lives until its port has no queue any more.
#[derive(Debug)]
struct Seat {
    tap: Arc<Tap>,
    direction: Direction,
    /// Bursts seen: one since a callback was added says that the one before it is out of use.
    bursts: AtomicU64,
}

impl Seat {
    /// # Safety
    /// `user` is a seat; `frames` are `count` pointers to frames that are the caller's.
    unsafe fn see(user: *mut c_void, frames: *mut *mut rte_mbuf, count: u16) {
        // SAFETY: the caller vouches for it; seats are only ever shared.
        let seat = unsafe { &*user.cast::<Seat>() };
        if count > 0 && !frames.is_null() {
            // SAFETY: Mbuf is a transparent pointer to one; nobody changes or frees the frames
            // while the callback runs, and the slice is gone after it.
            let frames = unsafe { slice::from_raw_parts(frames.cast::<Mbuf>(), count.into()) };
            seat.tap.see(seat.direction, frames);
        }
        seat.bursts.fetch_add(1, Ordering::Release);
    }
}

unsafe extern "C" fn received(
    _port: u16,
    _queue: u16,
    frames: *mut *mut rte_mbuf,
    count: u16,
    _room: u16,
    user: *mut c_void,
) -> u16 {
    // SAFETY: DPDK hands on what it was given with the callback, and a burst.
    unsafe { Seat::see(user, frames, count) };
    count
}

unsafe extern "C" fn sent(
    _port: u16,
    _queue: u16,
    frames: *mut *mut rte_mbuf,
    count: u16,
    user: *mut c_void,
) -> u16 {
    // SAFETY: as above.
    unsafe { Seat::see(user, frames, count) };
    count
}

type Callback = NonNull<rte_eth_rxtx_callback>;

/// The callbacks of one queue, over all looks at it.
#[derive(Debug)]
struct Hook {
    seat: Box<Seat>,
    queue: u16,
    /// Installed now, and the seat's bursts before.
    installed: Option<(Callback, u64)>,
    /// Removed; a burst that began before may still use its memory.
    removed: Option<Callback>,
}

// SAFETY: the pointers lead to memory of the EAL, which any thread may use; they are used with the
// port's control lock held.
unsafe impl Send for Hook {}

impl Hook {
    fn add(&mut self, inner: &PortInner) -> Result<(), Error> {
        let port = inner.id().0;
        let bursts = self.seat.bursts.load(Ordering::Acquire);
        let user = ptr::from_ref::<Seat>(&self.seat).cast_mut().cast();
        // SAFETY: the id is ours, its control lock is held, the queue is one of the port's. The
        // seat lives in a box until the queue is quiet for good.
        let added = unsafe {
            match self.seat.direction {
                Direction::Received => {
                    dpdk_sys::rte_eth_add_rx_callback(port, self.queue, Some(received), user)
                }
                Direction::Sent => {
                    dpdk_sys::rte_eth_add_tx_callback(port, self.queue, Some(sent), user)
                }
            }
        };
        let added = NonNull::new(added.cast_mut())
            .ok_or_else(|| inner.failure("look at its frames", Errno::last()))?;
        self.installed = Some((added, bursts));
        Ok(())
    }

    fn remove(&mut self, inner: &PortInner) {
        let Some((callback, before)) = self.installed.take() else {
            return;
        };
        let port = inner.id().0;
        // SAFETY: as above; the callback is installed there.
        let result = unsafe {
            match self.seat.direction {
                Direction::Received => {
                    dpdk_sys::rte_eth_remove_rx_callback(port, self.queue, callback.as_ptr())
                }
                Direction::Sent => {
                    dpdk_sys::rte_eth_remove_tx_callback(port, self.queue, callback.as_ptr())
                }
            }
        };
        if let Err(error) = inner.call("end the look at its frames", result) {
            log::warn!("{error}");
            return;
        }
        // The queue's thread came by with this one, so it is done with the one before. Where it did
        // not, that one stays with the EAL: 64 bytes.
        let came_by = self.seat.bursts.load(Ordering::Acquire) != before;
        if let Some(old) = self.removed.replace(callback)
            && came_by
        {
            free(old);
        }
    }
}

/// Frees a callback that no burst uses.
fn free(callback: Callback) {
    // SAFETY: of rte_zmalloc, as rte_ethdev.h says; removed, and out of use.
    unsafe { dpdk_sys::rte_free(callback.as_ptr().cast()) };
}

/// The hooks of a port's queues; made at the first look.
#[derive(Debug, Default)]
pub(crate) struct Hooks(Vec<Hook>);

impl Hooks {
    /// Ends a look for good. The caller knows that no queue is in use.
    pub(crate) fn clear(&mut self, inner: &PortInner) {
        for mut hook in self.0.drain(..) {
            hook.remove(inner);
            if let Some(callback) = hook.removed.take() {
                free(callback);
            }
        }
    }

    fn remove(&mut self, inner: &PortInner) {
        for hook in &mut self.0 {
            hook.remove(inner);
        }
    }

    fn add(&mut self, inner: &PortInner, rx_queues: u16, tx_queues: u16) -> Result<(), Error> {
        if self.0.is_empty() {
            let hook = |direction| {
                move |queue| Hook {
                    seat: Box::new(Seat {
                        tap: Arc::clone(inner.tap()),
                        direction,
                        bursts: AtomicU64::new(0),
                    }),
                    queue,
                    installed: None,
                    removed: None,
                }
            };
            self.0 = (0..rx_queues)
                .map(hook(Direction::Received))
                .chain((0..tx_queues).map(hook(Direction::Sent)))
                .collect();
        }
        let done = self.0.iter_mut().try_for_each(|hook| hook.add(inner));
        if done.is_err() {
            self.remove(inner);
        }
        done
    }
}

/// A look at a port's frames, both directions and all queues; ends when dropped.
#[must_use = "the look ends when this is dropped"]
#[derive(Debug)]
pub struct PortTap {
    inner: Arc<PortInner>,
}

impl PortTap {
    /// Begins. Never waits.
    pub(crate) fn begin(inner: &Arc<PortInner>, watcher: Box<dyn Watcher>) -> Result<Self, Error> {
        let busy = || Error::Tapped {
            name: inner.name().to_owned(),
        };
        let mut control = inner.open()?;
        let (rx, tx) = (control.rx_queues, control.tx_queues);
        {
            let mut place = inner.tap().try_lock().ok_or_else(busy)?;
            if place.is_some() {
                return Err(busy());
            }
            inner.tap().missed.store(0, Ordering::Relaxed);
            *place = Some(watcher);
        }
        let begun = control.hooks.add(inner, rx, tx);
        drop(control);
        let tap = Self {
            inner: Arc::clone(inner),
        };
        // On an error the watcher goes with it.
        begun.map(|()| tap)
    }

    /// Frames that the watcher was not shown since another thread was at it.
    pub fn missed(&self) -> u64 {
        self.inner.tap().missed.load(Ordering::Relaxed)
    }

    /// Ends the look, and takes the watcher back: nobody calls it any more. `None` while it looks
    /// at a burst, or was taken back before: try again a moment later. Never waits for it.
    pub fn end(&mut self) -> Option<Box<dyn Watcher>> {
        if let Ok(mut control) = self.inner.open() {
            control.hooks.remove(&self.inner);
        }
        self.inner.tap().try_lock()?.take()
    }
}

impl Drop for PortTap {
    fn drop(&mut self) {
        // Seldom somebody is at it: then it stays until the port goes, and a new look is refused.
        drop(self.end());
    }
}
