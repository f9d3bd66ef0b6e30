//! What all owners of a port share.

use std::ffi::{CStr, c_char, c_int};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use super::{PortId, PortInfo};
use crate::eal::Token;
use crate::tap::{Hooks, Tap};
use crate::{Errno, Error};

/// How far a port has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// As found.
    Idle,
    /// Configuration began and did not finish.
    Touched,
    /// Ready to start.
    Configured,
    /// Running.
    Started,
    /// Gone; DPDK may give its id to another device.
    Closed,
}

/// DPDK's control calls on one port must not overlap: they are made with this
/// locked.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) phase: Phase,
    pub(crate) rx_queues: u16,
    pub(crate) tx_queues: u16,
    pub(crate) hooks: Hooks,
}

/// Shared by the port, its handles and its queues. The last one stops and
/// closes the device.
#[derive(Debug)]
pub(crate) struct PortInner {
    id: PortId,
    name: String,
    /// Queues that exist. Falls with the last access of a queue (release),
    /// read before a stop (acquire).
    queues: AtomicUsize,
    control: Mutex<Control>,
    tap: Arc<Tap>,
    /// Held by a call that takes seconds and may run beside the quick ones, but
    /// not beside a set-up, start, stop or close. Lock order: control first.
    slow: Mutex<()>,
    token: Arc<Token>,
}

impl PortInner {
    /// `id` was marked as taken by the caller; the drop gives it back.
    pub(crate) fn new(token: Arc<Token>, id: PortId) -> Result<Self, Error> {
        let control = Control {
            phase: Phase::Idle,
            rx_queues: 0,
            tx_queues: 0,
            hooks: Hooks::default(),
        };
        let mut inner = Self {
            id,
            name: id.to_string(),
            queues: AtomicUsize::new(0),
            control: Mutex::new(control),
            tap: Arc::default(),
            slow: Mutex::new(()),
            token,
        };
        inner.name = inner.info()?.name;
        Ok(inner)
    }

    pub(crate) fn id(&self) -> PortId {
        self.id
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn tap(&self) -> &Arc<Tap> {
        &self.tap
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lock, when the port is still there.
    pub(crate) fn open(&self) -> Result<MutexGuard<'_, Control>, Error> {
        let control = self.lock();
        if control.phase == Phase::Closed {
            return Err(Error::PortClosed {
                name: self.name.clone(),
            });
        }
        Ok(control)
    }

    /// The right to make a slow call; `None` while another one is under way.
    pub(crate) fn begin_slow(&self) -> Result<Option<MutexGuard<'_, ()>>, Error> {
        let _control = self.open()?;
        match self.slow.try_lock() {
            Ok(slow) => Ok(Some(slow)),
            Err(TryLockError::Poisoned(poisoned)) => Ok(Some(poisoned.into_inner())),
            Err(TryLockError::WouldBlock) => Ok(None),
        }
    }

    /// Waits until no slow call is under way; none begins before this is
    /// dropped. The caller holds the control lock.
    pub(crate) fn no_slow(&self, _control: &Control) -> MutexGuard<'_, ()> {
        self.slow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn failure(&self, call: &'static str, errno: Errno) -> Error {
        let name = self.name.clone();
        if errno.is_not_supported() {
            Error::NotSupported { name, call }
        } else {
            Error::Port { name, call, errno }
        }
    }

    /// A DPDK call's result: 0 or a negative errno.
    pub(crate) fn call(&self, call: &'static str, result: c_int) -> Result<(), Error> {
        if result >= 0 {
            Ok(())
        } else {
            Err(self.failure(call, Errno::new(result)))
        }
    }

    pub(crate) fn info(&self) -> Result<PortInfo, Error> {
        let mut raw = dpdk_sys::shim_port_info::default();
        {
            let _control = self.open()?;
            // SAFETY: the id is ours, its control lock is held; a place to write to.
            self.call("info", unsafe {
                dpdk_sys::shim_port_info(self.id.0, &raw mut raw)
            })?;
        }
        Ok(PortInfo {
            driver: text(&raw.driver),
            name: text(&raw.name),
            max_rx_queues: raw.max_rx_queues,
            max_tx_queues: raw.max_tx_queues,
            rx_descriptors: (raw.rx_desc_min, raw.rx_desc_max, raw.rx_desc_align),
            tx_descriptors: (raw.tx_desc_min, raw.tx_desc_max, raw.tx_desc_align),
            mtu: (raw.min_mtu, raw.max_mtu),
            max_macs: raw.max_mac_addrs,
            socket: u32::try_from(raw.socket).ok(),
        })
    }

    pub(crate) fn queue_made(&self) {
        self.queues.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn queue_gone(&self) {
        self.queues.fetch_sub(1, Ordering::Release);
    }

    pub(crate) fn queues_out(&self) -> usize {
        self.queues.load(Ordering::Acquire)
    }

    /// Stops (if it runs) and closes the device. The caller knows that no queue
    /// is in use.
    pub(crate) fn shut(&self, control: &mut Control) -> Result<(), Error> {
        if control.phase == Phase::Closed {
            return Ok(());
        }
        let _quiet = self.no_slow(control);
        control.hooks.clear(self);
        // Lock order: a port's control before the token's state.
        let mut state = self.token.lock();
        if control.phase == Phase::Started {
            // SAFETY: the id is ours, both locks are held.
            self.call("stop", unsafe { dpdk_sys::rte_eth_dev_stop(self.id.0) })?;
        }
        control.phase = Phase::Closed;
        // SAFETY: stopped, ours, both locks are held.
        let closed = unsafe { dpdk_sys::rte_eth_dev_close(self.id.0) };
        // The id is free, for another device at that.
        state.taken.remove(&self.id.0);
        drop(state);
        self.call("close", closed)
    }
}

impl Drop for PortInner {
    fn drop(&mut self) {
        // No queue is left: each holds this.
        let phase = self.lock().phase;
        match phase {
            Phase::Closed => {}
            Phase::Idle => {
                self.token.lock().taken.remove(&self.id.0);
            }
            Phase::Touched | Phase::Configured | Phase::Started => {
                let mut control = self.lock();
                if let Err(error) = self.shut(&mut control) {
                    log::warn!("{error}");
                }
            }
        }
    }
}

/// A C string in a fixed array.
pub(crate) fn text(chars: &[c_char]) -> String {
    let bytes: Vec<u8> = chars.iter().map(|&c| c as u8).collect();
    CStr::from_bytes_until_nul(&bytes)
        .map(|text| text.to_string_lossy().into_owned())
        .unwrap_or_default()
}
