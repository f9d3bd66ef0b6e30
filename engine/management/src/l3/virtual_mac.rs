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

/// What of a port decides which frames it receives.
pub trait Receiver {
    /// Takes one more address into the filter.
    ///
    /// # Errors
    /// When the driver has no such filter, or it is full.
    fn add_mac(&self, mac: Mac) -> Result<(), dpdk::Error>;
    /// Takes an address out of the filter.
    ///
    /// # Errors
    /// When the driver has no such filter.
    fn remove_mac(&self, mac: Mac) -> Result<(), dpdk::Error>;
    /// Receives every group, or the configured ones.
    ///
    /// # Errors
    /// When the driver cannot.
    fn set_allmulticast(&self, on: bool) -> Result<(), dpdk::Error>;
    /// Receives everything, or what the filter takes.
    ///
    /// # Errors
    /// When the driver cannot.
    fn set_promiscuous(&self, on: bool) -> Result<(), dpdk::Error>;
}

impl Receiver for PortHandle {
    fn add_mac(&self, mac: Mac) -> Result<(), dpdk::Error> {
        self.add_mac(MacAddress(mac.0))
    }

    fn remove_mac(&self, mac: Mac) -> Result<(), dpdk::Error> {
        self.remove_mac(MacAddress(mac.0))
    }

    fn set_allmulticast(&self, on: bool) -> Result<(), dpdk::Error> {
        self.set_allmulticast(on)
    }

    fn set_promiscuous(&self, on: bool) -> Result<(), dpdk::Error> {
        self.set_promiscuous(on)
    }
}

/// A port of layer 3 and the virtual MAC addresses that it holds.
#[derive(Debug)]
pub struct VirtualMacs<R = PortHandle> {
    port: String,
    handle: R,
    method: Method,
    /// By how many virtual routers each is held: VLANs of a port share its filter.
    held: BTreeMap<[u8; 6], u32>,
}

impl<R: Receiver> VirtualMacs<R> {
    /// Probes what the port can do for these addresses, and sets it up so: the filter is tried with
    /// each of them.
    #[must_use]
    pub fn probe(port: String, handle: R, wanted: &[Mac]) -> Self {
        let tried = |mac: &Mac| handle.add_mac(*mac).and_then(|()| handle.remove_mac(*mac));
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
        let done = if after > 0 {
            self.handle.add_mac(mac)
        } else {
            self.handle.remove_mac(mac)
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    const FOUR: Mac = Mac([0, 0, 0x5e, 0, 1, 10]);
    const SIX: Mac = Mac([0, 0, 0x5e, 0, 2, 10]);

    /// A NIC whose filter has `room` for addresses.
    #[derive(Debug, Default)]
    struct Nic {
        room: usize,
        groups: bool,
        taken: RefCell<BTreeSet<[u8; 6]>>,
        promiscuous: RefCell<Option<bool>>,
    }

    fn refused() -> dpdk::Error {
        dpdk::Error::InvalidOption {
            option: "filter",
            reason: "full".into(),
        }
    }

    impl Receiver for &Nic {
        fn add_mac(&self, mac: Mac) -> Result<(), dpdk::Error> {
            let mut taken = self.taken.borrow_mut();
            if taken.len() >= self.room {
                return Err(refused());
            }
            taken.insert(mac.0);
            Ok(())
        }

        fn remove_mac(&self, mac: Mac) -> Result<(), dpdk::Error> {
            self.taken.borrow_mut().remove(&mac.0);
            Ok(())
        }

        fn set_allmulticast(&self, _: bool) -> Result<(), dpdk::Error> {
            if self.groups { Ok(()) } else { Err(refused()) }
        }

        fn set_promiscuous(&self, on: bool) -> Result<(), dpdk::Error> {
            *self.promiscuous.borrow_mut() = Some(on);
            Ok(())
        }
    }

    fn nic(room: usize, groups: bool) -> Nic {
        Nic {
            room,
            groups,
            ..Nic::default()
        }
    }

    fn probe(nic: &Nic) -> VirtualMacs<&Nic> {
        let macs = VirtualMacs::probe("p0".into(), nic, &[FOUR, SIX]);
        assert!(nic.taken.borrow().is_empty(), "what was tried is gone");
        macs
    }

    #[test]
    fn a_filter_holds_what_is_held_and_nothing_else() {
        let nic = nic(16, true);
        let mut macs = probe(&nic);
        assert_eq!(macs.method(), Method::Filter);
        assert_eq!(*nic.promiscuous.borrow(), Some(false));
        let taken = || nic.taken.borrow().iter().copied().collect::<Vec<_>>();
        macs.set(FOUR, true);
        macs.set(SIX, true);
        assert_eq!(taken(), [FOUR.0, SIX.0]);
        // By two VLANs of the port: the last one takes it out.
        macs.set(FOUR, true);
        macs.set(FOUR, false);
        assert_eq!(taken(), [FOUR.0, SIX.0]);
        macs.set(FOUR, false);
        assert_eq!(taken(), [SIX.0]);
        assert_eq!(*nic.promiscuous.borrow(), Some(false));
    }

    #[test]
    fn without_a_filter_or_groups_it_is_promiscuous() {
        for nic in [nic(0, true), nic(16, false)] {
            let mut macs = probe(&nic);
            assert_eq!(macs.method(), Method::Promiscuous);
            assert_eq!(*nic.promiscuous.borrow(), Some(true));
            macs.set(FOUR, true);
            assert!(nic.taken.borrow().is_empty(), "it needs none");
        }
    }

    #[test]
    fn a_filter_that_is_full_later_gives_way_to_promiscuous_mode() {
        let nic = nic(1, true);
        let mut macs = probe(&nic);
        assert_eq!(macs.method(), Method::Filter, "each was tried alone");
        macs.set(FOUR, true);
        macs.set(SIX, true);
        assert_eq!(macs.method(), Method::Promiscuous);
        assert_eq!(*nic.promiscuous.borrow(), Some(true));
    }
}
