//! Bypass cards that DPDK's ixgbe driver speaks to: joins the safe layer's calls and the driver of
//! `twinline-bypass`, which knows no DPDK.

use dpdk::{IxgbeBypass, PortHandle};
use twinline_bypass::intel::pmd::{Calls, Pmd};
use twinline_bypass::{Card, CardError};

/// The functions of one port.
struct Port(IxgbeBypass);

impl Calls for Port {
    fn init(&mut self) -> Result<(), i32> {
        self.0.init()
    }

    fn state_show(&mut self) -> Result<u32, i32> {
        self.0.state_show()
    }

    fn state_set(&mut self, state: u32) -> Result<(), i32> {
        self.0.state_set(state)
    }

    fn event_show(&mut self, event: u32) -> Result<u32, i32> {
        self.0.event_show(event)
    }

    fn event_store(&mut self, event: u32, state: u32) -> Result<(), i32> {
        self.0.event_store(event, state)
    }

    fn wd_timeout_show(&mut self) -> Result<u32, i32> {
        self.0.wd_timeout_show()
    }

    fn wd_timeout_store(&mut self, timeout: u32) -> Result<(), i32> {
        self.0.wd_timeout_store(timeout)
    }

    fn wd_reset(&mut self) -> Result<(), i32> {
        self.0.wd_reset()
    }

    fn ver_show(&mut self) -> Result<u32, i32> {
        self.0.ver_show()
    }
}

/// The bypass card behind a port of net_ixgbe. Verbs wait for seconds: they belong on a thread of
/// their own. The port's other calls go on meanwhile.
///
/// # Errors
/// [`CardError::NotCapable`] when the port has no bypass adapter or is another driver's,
/// [`CardError::NotMaster`] for a function other than 0, and what the driver refuses with.
pub fn open(port: PortHandle) -> Result<Box<dyn Card>, CardError> {
    let address = port.name().to_owned();
    let port = IxgbeBypass::new(port).map_err(|error| match error {
        dpdk::Error::PortClosed { .. } => CardError::Gone,
        other => CardError::NotCapable(other.to_string()),
    })?;
    Ok(Box::new(Pmd::open(Port(port), &address)?))
}
