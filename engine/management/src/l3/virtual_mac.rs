//! Virtual MAC addresses at a port: in its filter where the driver has one, else by promiscuous
//! mode.

use std::collections::BTreeMap;
use std::fmt;

use dpdk::{MacAddress, PortHandle};
use twinline_wire::Mac;

/// How a port receives what is sent to a virtual MAC address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Its filter takes more addresses than its own.
    Filter,
    /// It receives everything, and the workers sort it.
    Promiscuous,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Filter => "filter",
            Self::Promiscuous => "promiscuous",
        })
    }
}

/// A port of layer 3 and the virtual MAC addresses that it holds.
#[derive(Debug)]
pub struct VirtualMacs {
    port: String,
    handle: PortHandle,
    method: Method,
    /// By how many virtual routers each is held: VLANs of a port share its filter.
    held: BTreeMap<[u8; 6], u32>,
}

impl VirtualMacs {
    /// Probes what the port can do for these addresses, and sets it up so: the filter is tried with
    /// each of them.
    #[must_use]
    pub fn probe(port: String, handle: PortHandle, wanted: &[Mac]) -> Self {
        let tried = |mac: &Mac| {
            let mac = MacAddress(mac.0);
            handle.add_mac(mac).and_then(|()| handle.remove_mac(mac))
        };
        let filter = wanted.iter().try_for_each(tried);
        // Groups are many and short-lived (one for each address that is asked for by NDP).
        let groups = handle.set_allmulticast(true);
        let method = match (filter, groups) {
            (Ok(()), Ok(())) => match handle.set_promiscuous(false) {
                Ok(()) => Method::Filter,
                Err(_) => Method::Promiscuous,
            },
            (filter, groups) => {
                for error in [filter, groups].into_iter().filter_map(Result::err) {
                    log::info!("port {port}: {error}: virtual MAC addresses by promiscuous mode");
                }
                Method::Promiscuous
            }
        };
        if method == Method::Promiscuous
            && let Err(error) = handle.set_promiscuous(true)
        {
            log::warn!("port {port}: {error}: what is sent to virtual MAC addresses may be lost");
        }
        Self {
            port,
            handle,
            method,
            held: BTreeMap::new(),
        }
    }

    /// How the port does it.
    #[must_use]
    pub fn method(&self) -> Method {
        self.method
    }

    /// Takes an address, or drops it.
    pub fn set(&mut self, mac: Mac, held: bool) {
        let count = self.held.entry(mac.0).or_default();
        let before = *count;
        *count = if held {
            before.saturating_add(1)
        } else {
            before.saturating_sub(1)
        };
        let after = *count;
        if after == 0 {
            self.held.remove(&mac.0);
        }
        if self.method != Method::Filter || (before == 0) == (after == 0) {
            return;
        }
        let address = MacAddress(mac.0);
        let done = if after > 0 {
            self.handle.add_mac(address)
        } else {
            self.handle.remove_mac(address)
        };
        if let Err(error) = done {
            log::warn!(
                "port {}: {mac}: {error}; promiscuous mode instead",
                self.port
            );
            self.method = Method::Promiscuous;
            if let Err(error) = self.handle.set_promiscuous(true) {
                log::error!("port {}: {error}", self.port);
            }
        }
    }
}
