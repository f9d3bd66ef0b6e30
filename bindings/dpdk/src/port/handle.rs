//! What can be asked of a port and told to it in any state, from any thread.

use std::fmt;
use std::sync::Arc;

use super::inner::{PortInner, text};
use super::{Link, MacAddress, PortId, PortInfo};
use crate::eal::Token;
use crate::{Errno, Error, PortTap, Stats, Watcher, XStat};

/// More counters than any driver has (ice: about 2000 with all queues).
const MAX_XSTATS: usize = 65_536;

/// A handle on a port, for the management core while the queues are with the
/// workers. Cheap to clone. Calls on one port wait for each other; none of
/// them waits for the link.
#[derive(Clone)]
pub struct PortHandle {
    inner: Arc<PortInner>,
}

impl PortHandle {
    pub(crate) fn new(token: Arc<Token>, id: PortId) -> Result<Self, Error> {
        Ok(Self {
            inner: Arc::new(PortInner::new(token, id)?),
        })
    }

    pub(crate) fn inner(&self) -> &PortInner {
        &self.inner
    }

    pub(crate) fn shared(&self) -> &Arc<PortInner> {
        &self.inner
    }

    /// DPDK's number of the port.
    pub fn id(&self) -> PortId {
        self.inner.id()
    }

    /// The device's name: a PCI address, or a virtual name like `net_null0`.
    pub fn name(&self) -> &str {
        self.inner.name()
    }

    /// What the device can do.
    pub fn info(&self) -> Result<PortInfo, Error> {
        self.inner.info()
    }

    /// The address in use.
    pub fn mac(&self) -> Result<MacAddress, Error> {
        let _control = self.inner.open()?;
        let mut mac = [0; 6];
        // SAFETY: the id is ours, its control lock is held; six bytes to write to.
        let result = unsafe { dpdk_sys::shim_port_mac(self.id().0, mac.as_mut_ptr()) };
        self.inner.call("get the MAC address", result)?;
        Ok(MacAddress(mac))
    }

    /// Changes the address.
    pub fn set_mac(&self, mac: MacAddress) -> Result<(), Error> {
        let _control = self.inner.open()?;
        // SAFETY: as above; six bytes to read.
        let result = unsafe { dpdk_sys::shim_port_set_mac(self.id().0, mac.0.as_ptr()) };
        self.inner.call("set the MAC address", result)
    }

    /// Receives frames for any address, or not.
    pub fn set_promiscuous(&self, on: bool) -> Result<(), Error> {
        let _control = self.inner.open()?;
        // SAFETY: as above.
        let result = unsafe {
            if on {
                dpdk_sys::rte_eth_promiscuous_enable(self.id().0)
            } else {
                dpdk_sys::rte_eth_promiscuous_disable(self.id().0)
            }
        };
        self.inner.call("set promiscuous", result)
    }

    /// Whether it receives frames for any address.
    pub fn promiscuous(&self) -> Result<bool, Error> {
        let _control = self.inner.open()?;
        // SAFETY: as above.
        let result = unsafe { dpdk_sys::rte_eth_promiscuous_get(self.id().0) };
        self.inner.call("get promiscuous", result)?;
        Ok(result == 1)
    }

    /// Receives frames for any group address, or not.
    pub fn set_allmulticast(&self, on: bool) -> Result<(), Error> {
        let _control = self.inner.open()?;
        // SAFETY: as above.
        let result = unsafe {
            if on {
                dpdk_sys::rte_eth_allmulticast_enable(self.id().0)
            } else {
                dpdk_sys::rte_eth_allmulticast_disable(self.id().0)
            }
        };
        self.inner.call("set allmulticast", result)
    }

    /// Whether it receives frames for any group address.
    pub fn allmulticast(&self) -> Result<bool, Error> {
        let _control = self.inner.open()?;
        // SAFETY: as above.
        let result = unsafe { dpdk_sys::rte_eth_allmulticast_get(self.id().0) };
        self.inner.call("get allmulticast", result)?;
        Ok(result == 1)
    }

    /// Receives frames for `mac` as well as for the port's own address. At most
    /// [`PortInfo::max_macs`] addresses, the own one among them. An address that
    /// is in the filter already is no error. Many virtual drivers have no filter
    /// ([`Error::NotSupported`]): they need promiscuous mode, if they filter at all.
    pub fn add_mac(&self, mac: MacAddress) -> Result<(), Error> {
        let _control = self.inner.open()?;
        // SAFETY: as above; six bytes to read.
        let result = unsafe { dpdk_sys::shim_port_add_mac(self.id().0, mac.0.as_ptr()) };
        self.inner.call("add a MAC address", result)
    }

    /// Takes an address of [`PortHandle::add_mac`] out of the filter; one that
    /// is not there is no error.
    pub fn remove_mac(&self, mac: MacAddress) -> Result<(), Error> {
        let _control = self.inner.open()?;
        // SAFETY: as above; six bytes to read.
        let result = unsafe { dpdk_sys::shim_port_remove_mac(self.id().0, mac.0.as_ptr()) };
        self.inner.call("remove a MAC address", result)
    }

    /// The driver's name, e.g. `net_ixgbe`.
    pub fn driver(&self) -> Result<String, Error> {
        Ok(self.inner.info()?.driver)
    }

    /// The link now, without waiting for it.
    pub fn link(&self) -> Result<Link, Error> {
        let _control = self.inner.open()?;
        let mut raw = dpdk_sys::shim_link::default();
        // SAFETY: as above; a place to write to.
        let result = unsafe { dpdk_sys::shim_port_link(self.id().0, &raw mut raw) };
        self.inner.call("get the link", result)?;
        Ok(Link::from(&raw))
    }

    /// Switches the transmitter on.
    pub fn set_link_up(&self) -> Result<(), Error> {
        let _control = self.inner.open()?;
        // SAFETY: as above.
        let result = unsafe { dpdk_sys::rte_eth_dev_set_link_up(self.id().0) };
        self.inner.call("set the link up", result)
    }

    /// Switches the transmitter off, so that the other end sees the link go.
    pub fn set_link_down(&self) -> Result<(), Error> {
        let _control = self.inner.open()?;
        // SAFETY: as above.
        let result = unsafe { dpdk_sys::rte_eth_dev_set_link_down(self.id().0) };
        self.inner.call("set the link down", result)
    }

    /// Largest IP packet in bytes.
    pub fn mtu(&self) -> Result<u16, Error> {
        let _control = self.inner.open()?;
        let mut mtu = 0;
        // SAFETY: as above; a place to write to.
        let result = unsafe { dpdk_sys::rte_eth_dev_get_mtu(self.id().0, &raw mut mtu) };
        self.inner.call("get the MTU", result)?;
        Ok(mtu)
    }

    /// Shows every frame that the port receives and sends to `watcher`, until the tap is dropped
    /// or the port stops. One watcher at a time.
    pub fn tap(&self, watcher: Box<dyn Watcher>) -> Result<PortTap, Error> {
        PortTap::begin(&self.inner, watcher)
    }

    /// The common counters.
    pub fn stats(&self) -> Result<Stats, Error> {
        let _control = self.inner.open()?;
        let mut raw = dpdk_sys::rte_eth_stats::default();
        // SAFETY: as above; a place to write to.
        let result = unsafe { dpdk_sys::rte_eth_stats_get(self.id().0, &raw mut raw) };
        self.inner.call("get statistics", result)?;
        Ok(Stats::from(&raw))
    }

    /// All counters of the driver, by its names.
    pub fn xstats(&self) -> Result<Vec<XStat>, Error> {
        let _control = self.inner.open()?;
        let id = self.id().0;
        // SAFETY: as above; without room this asks for the count.
        let count = unsafe { dpdk_sys::rte_eth_xstats_get_names(id, std::ptr::null_mut(), 0) };
        self.inner.call("count extended statistics", count)?;
        let size = usize::try_from(count).unwrap_or(0).min(MAX_XSTATS);
        let mut names = vec![dpdk_sys::rte_eth_xstat_name::default(); size];
        let mut values = vec![dpdk_sys::rte_eth_xstat::default(); size];
        // SAFETY: as above; room for `size` names.
        let named =
            unsafe { dpdk_sys::rte_eth_xstats_get_names(id, names.as_mut_ptr(), size as u32) };
        self.inner.call("name extended statistics", named)?;
        // SAFETY: as above; room for `size` values.
        let valued = unsafe { dpdk_sys::rte_eth_xstats_get(id, values.as_mut_ptr(), size as u32) };
        self.inner.call("get extended statistics", valued)?;
        let valued = usize::try_from(valued).unwrap_or(0).min(size);
        Ok(values[..valued]
            .iter()
            .filter_map(|value| {
                let name = names.get(usize::try_from(value.id).ok()?)?;
                Some(XStat {
                    name: text(&name.name),
                    value: value.value,
                })
            })
            .collect())
    }

    /// Sets all counters to 0.
    pub fn reset_stats(&self) -> Result<(), Error> {
        let _control = self.inner.open()?;
        // SAFETY: as above.
        let result = unsafe { dpdk_sys::rte_eth_stats_reset(self.id().0) };
        self.inner.call("reset statistics", result)?;
        // SAFETY: as above.
        let result = unsafe { dpdk_sys::rte_eth_xstats_reset(self.id().0) };
        match result {
            // A driver without extended counters has nothing to reset.
            code if code < 0 && Errno::new(code).is_not_supported() => Ok(()),
            code => self.inner.call("reset extended statistics", code),
        }
    }
}

impl fmt::Debug for PortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.id())
    }
}
