//! Ports: a network device, in the state that its type says.
//!
//! [`Port<Idle>`] was taken and not configured, [`Port<Configured>`] has its
//! queues set up, [`Port<Started>`] runs with its queues handed out. Each state
//! derefs to the [`PortHandle`], which has what may be asked at any time.

mod handle;
mod inner;
mod options;

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr;
use std::sync::Arc;

pub use handle::PortHandle;
pub(crate) use inner::PortInner;
use inner::{Control, Phase};
pub use options::{Link, MacAddress, PortId, PortInfo, PortOptions};

use crate::queue::{RxQueue, TxQueue};
use crate::{Errno, Error, Pool};

/// Taken, not configured.
#[derive(Debug)]
pub enum Idle {}
/// Queues are set up; no traffic.
#[derive(Debug)]
pub enum Configured {}
/// Runs; its queues are with the workers.
#[derive(Debug)]
pub enum Started {}

/// A port, owned, in a state. Dropped with all its handles and queues, it is
/// stopped and closed (an idle one is just given back).
pub struct Port<S> {
    handle: PortHandle,
    state: PhantomData<fn() -> S>,
}

impl<S> Deref for Port<S> {
    type Target = PortHandle;

    fn deref(&self) -> &PortHandle {
        &self.handle
    }
}

impl<S> fmt::Debug for Port<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Port").field(&self.handle).finish()
    }
}

/// A failed step, with the port as it was before. `?` turns it into its [`Error`].
#[derive(Debug)]
pub struct Failed<P> {
    /// What went wrong.
    pub error: Error,
    /// The port, for another try.
    pub port: Box<P>,
}

impl<P> fmt::Display for Failed<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<P: fmt::Debug> std::error::Error for Failed<P> {}

impl<P> From<Failed<P>> for Error {
    fn from(failed: Failed<P>) -> Self {
        failed.error
    }
}

/// A stop that was refused, with everything that was handed in.
pub type StopFailed = Failed<(Port<Started>, Vec<RxQueue>, Vec<TxQueue>)>;

fn failed<P>(error: Error, port: P) -> Failed<P> {
    Failed {
        error,
        port: Box::new(port),
    }
}

impl<S> Port<S> {
    fn of(handle: PortHandle) -> Self {
        Self {
            handle,
            state: PhantomData,
        }
    }

    /// A handle for questions and commands that need no state, for another thread.
    pub fn handle(&self) -> PortHandle {
        self.handle.clone()
    }

    fn inner(&self) -> &PortInner {
        self.handle.inner()
    }

    /// Closes an idle or configured port; handles that remain get
    /// [`Error::PortClosed`].
    fn close_now(self) -> Result<(), Error> {
        let inner = self.inner();
        let mut control = inner.lock();
        inner.shut(&mut control)
    }
}

impl Port<Idle> {
    pub(crate) fn idle(handle: PortHandle) -> Self {
        Self::of(handle)
    }

    /// Sets up the queues, whose frames come from `pool`. Descriptor counts are
    /// adjusted to what the device can; a `promiscuous` that the driver does
    /// not know is noted in the log.
    pub fn configure(
        self,
        options: &PortOptions,
        pool: &Pool,
    ) -> Result<Port<Configured>, Failed<Self>> {
        match setup(self.inner(), options, pool) {
            Ok(()) => Ok(Port::of(self.handle)),
            Err(error) => Err(failed(error, self)),
        }
    }

    /// Closes the device.
    pub fn close(self) -> Result<(), Error> {
        self.close_now()
    }
}

impl Port<Configured> {
    /// Sets the port up anew.
    pub fn reconfigure(self, options: &PortOptions, pool: &Pool) -> Result<Self, Failed<Self>> {
        match setup(self.inner(), options, pool) {
            Ok(()) => Ok(self),
            Err(error) => Err(failed(error, self)),
        }
    }

    /// Starts the port and hands its queues out, in the order of their indices.
    #[allow(clippy::type_complexity)]
    pub fn start(self) -> Result<(Port<Started>, Vec<RxQueue>, Vec<TxQueue>), Failed<Self>> {
        let started = {
            let inner = self.inner();
            let mut control = inner.lock();
            let _quiet = inner.no_slow(&control);
            // SAFETY: the id is ours, configured, and its control lock is held.
            let result = inner.call("start", unsafe {
                dpdk_sys::rte_eth_dev_start(inner.id().0)
            });
            result.map(|()| {
                control.phase = Phase::Started;
                (control.rx_queues, control.tx_queues)
            })
        };
        let (rx, tx) = match started {
            Ok(queues) => queues,
            Err(error) => return Err(failed(error, self)),
        };
        let shared = self.handle.shared();
        let rx = (0..rx)
            .map(|queue| RxQueue::new(Arc::clone(shared), queue))
            .collect();
        let tx = (0..tx)
            .map(|queue| TxQueue::new(Arc::clone(shared), queue))
            .collect();
        Ok((Port::of(self.handle), rx, tx))
    }

    /// Closes the device.
    pub fn close(self) -> Result<(), Error> {
        self.close_now()
    }
}

impl Port<Started> {
    /// Stops the port. The queues come back as the proof that no worker uses
    /// them; queues that were dropped count as returned. Refused, with
    /// everything handed back, when a queue is another port's or is missing.
    pub fn stop(self, rx: Vec<RxQueue>, tx: Vec<TxQueue>) -> Result<Port<Configured>, StopFailed> {
        let owners = rx
            .iter()
            .map(RxQueue::owner)
            .chain(tx.iter().map(TxQueue::owner));
        let mut foreign = owners.filter(|owner| !ptr::eq(Arc::as_ptr(owner), self.inner()));
        if let Some(other) = foreign.next() {
            let error = Error::ForeignQueue {
                name: self.name().to_owned(),
                other: other.id(),
            };
            return Err(failed(error, (self, rx, tx)));
        }
        let out = self.inner().queues_out();
        let missing = out.saturating_sub(rx.len() + tx.len());
        if missing > 0 {
            let error = Error::QueuesOut {
                name: self.name().to_owned(),
                missing,
            };
            return Err(failed(error, (self, rx, tx)));
        }
        let stopped = {
            let inner = self.inner();
            let mut control = inner.lock();
            let _quiet = inner.no_slow(&control);
            control.hooks.clear(inner);
            // SAFETY: the id is ours and started; all its queues are here, so
            // no burst is under way.
            let result = inner.call("stop", unsafe { dpdk_sys::rte_eth_dev_stop(inner.id().0) });
            if result.is_ok() {
                control.phase = Phase::Configured;
            }
            result
        };
        match stopped {
            Ok(()) => Ok(Port::of(self.handle)),
            Err(error) => Err(failed(error, (self, rx, tx))),
        }
    }
}

/// Configures the device and all its queues.
fn setup(inner: &PortInner, options: &PortOptions, pool: &Pool) -> Result<(), Error> {
    let id = inner.id().0;
    let info = inner.info()?;
    let queue_counts = [
        ("rx", options.rx_queues, info.max_rx_queues),
        ("tx", options.tx_queues, info.max_tx_queues),
    ];
    for (direction, asked, max) in queue_counts {
        if asked > max || u32::from(asked) > dpdk_sys::SHIM_MAX_QUEUES_PER_PORT || asked == 0 {
            return Err(Error::QueueCount {
                name: inner.name().to_owned(),
                direction,
                asked,
                max,
            });
        }
    }
    let mut control = inner.lock();
    let _quiet = inner.no_slow(&control);
    let Control {
        phase,
        rx_queues,
        tx_queues,
        ..
    } = &mut *control;
    // From here on the device is half set up until the end.
    *phase = Phase::Touched;
    let mtu = options.mtu.unwrap_or(0);
    // SAFETY: the id is ours and not started; its control lock is held.
    inner.call("configure", unsafe {
        dpdk_sys::shim_port_configure(id, options.rx_queues, options.tx_queues, mtu)
    })?;
    let (mut rx_desc, mut tx_desc) = (options.rx_descriptors, options.tx_descriptors);
    // SAFETY: as above; two places to write to.
    inner.call("adjust descriptors", unsafe {
        dpdk_sys::rte_eth_dev_adjust_nb_rx_tx_desc(id, &raw mut rx_desc, &raw mut tx_desc)
    })?;
    // SAFETY: the id is valid.
    let socket = unsafe { dpdk_sys::rte_eth_dev_socket_id(id) } as u32;
    for queue in 0..options.rx_queues {
        // SAFETY: as above; a null configuration means the driver's default;
        // the pool lives as long as the EAL.
        inner.call("receive queue setup", unsafe {
            dpdk_sys::rte_eth_rx_queue_setup(id, queue, rx_desc, socket, ptr::null(), pool.as_ptr())
        })?;
    }
    for queue in 0..options.tx_queues {
        // SAFETY: as above.
        inner.call("send queue setup", unsafe {
            dpdk_sys::rte_eth_tx_queue_setup(id, queue, tx_desc, socket, ptr::null())
        })?;
    }
    // SAFETY: as above.
    let promiscuous = unsafe {
        if options.promiscuous {
            dpdk_sys::rte_eth_promiscuous_enable(id)
        } else {
            dpdk_sys::rte_eth_promiscuous_disable(id)
        }
    };
    if promiscuous != 0 && options.promiscuous {
        let errno = Errno::new(promiscuous);
        if !errno.is_not_supported() {
            return Err(inner.failure("set promiscuous", errno));
        }
        log::warn!(
            "port {}: its driver knows no promiscuous mode",
            inner.name()
        );
    }
    *phase = Phase::Configured;
    *rx_queues = options.rx_queues;
    *tx_queues = options.tx_queues;
    Ok(())
}
