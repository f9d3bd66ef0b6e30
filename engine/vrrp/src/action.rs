//! What a virtual router tells its caller to do, in order.

use std::net::IpAddr;

use crate::event::Event;

/// One thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send [`crate::Settings::advert`] with this priority.
    SendAdvert {
        /// 0 when we resign.
        priority: u8,
        /// The group of the family, or one configured peer.
        to: IpAddr,
    },
    /// Announce a virtual address at the virtual MAC address: a gratuitous ARP, or an unsolicited
    /// neighbour advertisement with R = 1, S = 0, O = 1.
    Announce {
        /// Which address.
        address: IpAddr,
    },
    /// The virtual MAC address is ours: take it into the port's filter, forward what is sent to it,
    /// answer for the virtual addresses, and join their solicited-node groups.
    TakeVirtualMac,
    /// It is not, any more: the opposite of all that.
    DropVirtualMac,
    /// Log and show this.
    Event(Event),
}
