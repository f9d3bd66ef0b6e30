//! The hot path: bursts of frames from and to one queue.
//!
//! Calls the driver's function straight from Rust, through `rte_eth_fp_ops`,
//! as DPDK's inline functions do. The entry is read anew for each burst:
//! packet capture adds callbacks while the port runs, and a driver may swap
//! its function.

use std::cell::Cell;
use std::ffi::c_void;
use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};

use dpdk_sys::{rte_eth_fp_ops, rte_mbuf};

use crate::Burst;
use crate::port::{PortId, PortInner};

/// Sending and receiving functions have one shape.
type BurstFn = unsafe extern "C" fn(*mut c_void, *mut *mut rte_mbuf, u16) -> u16;

/// What both directions have.
struct Queue {
    ops: *const rte_eth_fp_ops,
    port: u16,
    index: u16,
    owner: Arc<PortInner>,
    /// Not `Sync`: a queue is on one thread at a time.
    _not_sync: PhantomData<Cell<()>>,
}

// SAFETY: `ops` points to a static table. Drivers let a queue wander between
// threads as long as two do not use it at once, which `&mut self` ensures.
unsafe impl Send for Queue {}

impl Queue {
    fn new(owner: Arc<PortInner>, index: u16) -> Self {
        let port = owner.id().0;
        debug_assert!(u32::from(port) < dpdk_sys::SHIM_MAX_ETHPORTS);
        let table = (&raw const dpdk_sys::rte_eth_fp_ops).cast::<rte_eth_fp_ops>();
        // SAFETY: ids of existing ports are below RTE_MAX_ETHPORTS, the
        // table's length.
        let ops = unsafe { table.add(usize::from(port)) };
        owner.queue_made();
        Self {
            ops,
            port,
            index,
            owner,
            _not_sync: PhantomData,
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.owner.queue_gone();
    }
}

/// Reads a pointer that other threads may replace.
///
/// # Safety
/// `place` is a live, aligned pointer field.
#[inline(always)]
unsafe fn load(place: *const *mut c_void) -> *mut c_void {
    // SAFETY: AtomicPtr has the layout of a pointer; the caller vouches for
    // the place. Relaxed, as in DPDK: what a callback pointer leads to was
    // written before by a thread that issued a release store, and the load
    // below depends on the address.
    unsafe { AtomicPtr::from_ptr(place.cast_mut()) }.load(Ordering::Relaxed)
}

/// A receive queue: owned by one thread at a time.
pub struct RxQueue(Queue);

/// A send queue: owned by one thread at a time.
pub struct TxQueue(Queue);

impl RxQueue {
    pub(crate) fn new(owner: Arc<PortInner>, index: u16) -> Self {
        Self(Queue::new(owner, index))
    }

    pub(crate) fn owner(&self) -> &Arc<PortInner> {
        &self.0.owner
    }

    /// The port.
    pub fn port(&self) -> PortId {
        PortId(self.0.port)
    }

    /// The queue's index on its port.
    pub fn index(&self) -> u16 {
        self.0.index
    }

    /// Receives frames into the free tail of `burst`; says how many. Never
    /// waits.
    #[inline(always)]
    pub fn burst<const N: usize>(&mut self, burst: &mut Burst<N>) -> usize {
        let (frames, room) = burst.tail();
        let queue = usize::from(self.0.index);
        // SAFETY: the port is started as long as this queue exists (a stop needs
        // it back), so its table entry is filled in: a function, and arrays of
        // queue data and callbacks that reach to this index. `&mut self` is the
        // only use of the queue. The driver writes at most `room` pointers to
        // frames that are ours from then on.
        let received = unsafe {
            let ops = self.0.ops;
            let receive = load((&raw const (*ops).rx_pkt_burst).cast());
            let receive = mem::transmute::<*mut c_void, BurstFn>(receive);
            let data = (*ops).rxq.data.add(queue).read();
            let mut received = receive(data, frames, room);
            let callbacks = load((*ops).rxq.clbk.add(queue));
            if !callbacks.is_null() {
                received = dpdk_sys::rte_eth_call_rx_callbacks(
                    self.0.port,
                    self.0.index,
                    frames,
                    received,
                    room,
                    callbacks,
                );
            }
            received
        };
        // SAFETY: that many frames lie in the tail.
        unsafe { burst.grow(received) };
        usize::from(received)
    }
}

impl TxQueue {
    pub(crate) fn new(owner: Arc<PortInner>, index: u16) -> Self {
        Self(Queue::new(owner, index))
    }

    pub(crate) fn owner(&self) -> &Arc<PortInner> {
        &self.0.owner
    }

    /// The port.
    pub fn port(&self) -> PortId {
        PortId(self.0.port)
    }

    /// The queue's index on its port.
    pub fn index(&self) -> u16 {
        self.0.index
    }

    /// Sends frames from the front of `burst`; says how many left it. What the
    /// device did not take stays in the burst, in order. Never waits.
    #[inline(always)]
    pub fn burst<const N: usize>(&mut self, burst: &mut Burst<N>) -> usize {
        let before = burst.len();
        let (frames, count) = burst.front();
        let queue = usize::from(self.0.index);
        // SAFETY: as for receiving. The driver reads `count` pointers to our
        // frames; the first `sent` of them are its own from then on. A callback
        // may take frames out (it frees them) and close the gap.
        let (offered, sent) = unsafe {
            let ops = self.0.ops;
            let send = load((&raw const (*ops).tx_pkt_burst).cast());
            let send = mem::transmute::<*mut c_void, BurstFn>(send);
            let data = (*ops).txq.data.add(queue).read();
            let callbacks = load((*ops).txq.clbk.add(queue));
            let offered = if callbacks.is_null() {
                count
            } else {
                dpdk_sys::rte_eth_call_tx_callbacks(
                    self.0.port,
                    self.0.index,
                    frames,
                    count,
                    callbacks,
                )
            };
            (
                usize::from(offered),
                usize::from(send(data, frames, offered)),
            )
        };
        // SAFETY: frames beyond `offered` were taken by a callback, the first
        // `sent` by the driver; sent <= offered <= before.
        unsafe {
            burst.forget_back(before - offered);
            burst.forget_front(sent);
        }
        before - burst.len()
    }
}

impl fmt::Debug for RxQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rx queue {} of port {}", self.0.index, self.0.port)
    }
}

impl fmt::Debug for TxQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tx queue {} of port {}", self.0.index, self.0.port)
    }
}
