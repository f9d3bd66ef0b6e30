//! Bypass adapters of Intel's 82599 and X540, through their driver
//! (`rte_pmd_ixgbe_bypass_*`).

use std::ffi::c_int;

use crate::port::PortHandle;
use crate::{Errno, Error};

/// The driver that these functions belong to.
const DRIVER: &str = "net_ixgbe";

/// The bypass functions of a port of net_ixgbe. Calls take up to 2.1 s of busy
/// waiting; meanwhile the port's other calls go on, except that a set-up, start,
/// stop or close waits.
///
/// The error of a call is the driver's own code: most are negative errnos, some
/// are its own (-32, -35), and some are positive errnos. A port that is closed
/// gives -ENODEV, one with such a call under way -EBUSY.
#[derive(Debug)]
pub struct IxgbeBypass {
    port: PortHandle,
}

impl IxgbeBypass {
    /// Takes a port of net_ixgbe. Whether there is a bypass adapter behind it is
    /// shown only by [`IxgbeBypass::state_show`], after [`IxgbeBypass::init`].
    pub fn new(port: PortHandle) -> Result<Self, Error> {
        if port.info()?.driver != DRIVER {
            return Err(Error::NotSupported {
                name: port.name().to_owned(),
                call: "bypass",
            });
        }
        Ok(Self { port })
    }

    /// The port's device: its PCI address.
    pub fn name(&self) -> &str {
        self.port.name()
    }

    fn call(&self, function: impl FnOnce(u16) -> c_int) -> Result<(), i32> {
        let inner = self.port.inner();
        let slow = inner.begin_slow().map_err(|_| -libc::ENODEV)?;
        let _slow = slow.ok_or(-libc::EBUSY)?;
        match function(inner.id().0) {
            0 => Ok(()),
            code => Err(code),
        }
    }

    fn show(&self, function: impl FnOnce(u16, &mut u32) -> c_int) -> Result<u32, i32> {
        let mut value = 0;
        self.call(|id| function(id, &mut value))?;
        Ok(value)
    }

    /// Has to come before all others. Succeeds without an adapter, too.
    pub fn init(&mut self) -> Result<(), i32> {
        // SAFETY: the id is ours and of net_ixgbe, whose private data the
        // function looks at; `call` keeps it from being closed meanwhile, and
        // from a second such call.
        self.call(|id| unsafe { dpdk_sys::shim_ixgbe_bypass_init(id) })
    }

    /// 1 normal, 2 bypass, 3 isolate.
    pub fn state_show(&mut self) -> Result<u32, i32> {
        // SAFETY: as above; a place to write to.
        self.show(|id, state| unsafe { dpdk_sys::shim_ixgbe_bypass_state_show(id, state) })
    }

    /// Sets the state, as above.
    pub fn state_set(&mut self, mut state: u32) -> Result<(), i32> {
        // SAFETY: as above; the place is read, and may be written to.
        self.call(|id| unsafe { dpdk_sys::shim_ixgbe_bypass_state_set(id, &raw mut state) })
    }

    /// The state on an event: 1 main on, 2 aux on, 3 main off, 4 aux off, 5
    /// watchdog.
    pub fn event_show(&mut self, event: u32) -> Result<u32, i32> {
        // SAFETY: as above; the driver checks the event's number.
        self.show(|id, state| unsafe { dpdk_sys::shim_ixgbe_bypass_event_show(id, event, state) })
    }

    /// Sets the state on an event.
    pub fn event_store(&mut self, event: u32, state: u32) -> Result<(), i32> {
        // SAFETY: as above.
        self.call(|id| unsafe { dpdk_sys::shim_ixgbe_bypass_event_store(id, event, state) })
    }

    /// 0 off, 1 to 7: 1.5, 2, 3, 4, 8, 16, 32 s.
    pub fn wd_timeout_show(&mut self) -> Result<u32, i32> {
        // SAFETY: as above; a place to write to.
        self.show(|id, timeout| unsafe { dpdk_sys::shim_ixgbe_bypass_wd_timeout_show(id, timeout) })
    }

    /// Sets the watchdog's timeout, as above.
    pub fn wd_timeout_store(&mut self, timeout: u32) -> Result<(), i32> {
        // SAFETY: as above.
        self.call(|id| unsafe { dpdk_sys::shim_ixgbe_bypass_wd_timeout_store(id, timeout) })
    }

    /// Pets the watchdog.
    pub fn wd_reset(&mut self) -> Result<(), i32> {
        // SAFETY: as above.
        self.call(|id| unsafe { dpdk_sys::shim_ixgbe_bypass_wd_reset(id) })
    }

    /// The version of the adapter's firmware.
    pub fn ver_show(&mut self) -> Result<u32, i32> {
        // SAFETY: as above; a place to write to.
        self.show(|id, version| unsafe { dpdk_sys::shim_ixgbe_bypass_ver_show(id, version) })
    }
}

/// Whether the driver is linked in: without, no port can be of it. (The answer
/// for a port that no EAL can have.)
pub fn ixgbe_bypass_is_linked() -> bool {
    // SAFETY: the driver refuses a port id that is not in use before it looks at
    // anything of it, and this one is beyond all.
    let code = unsafe { dpdk_sys::shim_ixgbe_bypass_init(u16::MAX) };
    !Errno::new(code).is_not_supported()
}
