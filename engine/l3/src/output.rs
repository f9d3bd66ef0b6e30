//! What a host tells its caller to do, in order.

use std::net::IpAddr;

use twinline_wire::Mac;

use crate::InterfaceId;

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a frame, whole and with its VLAN tag.
    Send {
        /// Where.
        interface: InterfaceId,
        /// Without FCS.
        frame: Vec<u8>,
    },
    /// Give a frame to the interface's exception device: untagged, and to the port's MAC address
    /// when it was sent to a virtual one.
    ToKernel {
        /// Whose device.
        interface: InterfaceId,
        /// Without FCS.
        frame: Vec<u8>,
    },
    /// What the fast path sends to this next hop.
    Neighbour {
        /// Where it is.
        interface: InterfaceId,
        /// The next hop.
        ip: IpAddr,
        /// Its MAC address; `None` when there is none any more: packets to it are punted.
        mac: Option<Mac>,
    },
    /// The port must receive this group. Reported once until it is left.
    Join {
        /// Where.
        interface: InterfaceId,
        /// The group.
        group_mac: Mac,
    },
    /// Nobody needs the group any more on this interface.
    Leave {
        /// Where.
        interface: InterfaceId,
        /// The group.
        group_mac: Mac,
    },
    /// Log and show this; each kind comes at most once in ten seconds.
    Note(Note),
}

/// A condition that an operator should know of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Note {
    /// Another station was there first with an own address: it is not used (RFC 4862, section 5.4.5;
    /// RFC 5227, section 2.1.1).
    #[error("address {ip} of interface {} is another station's already ({mac}): not used", interface.0)]
    DuplicateAddress {
        /// Where.
        interface: InterfaceId,
        /// Which address.
        ip: IpAddr,
        /// The other station.
        mac: Mac,
    },
    /// Another station says that it has an address that is ours (RFC 5227, section 2.4).
    #[error("address {ip} of interface {} is claimed by {mac}", interface.0)]
    Conflict {
        /// Where.
        interface: InterfaceId,
        /// Which address, own or virtual and held.
        ip: IpAddr,
        /// The other station.
        mac: Mac,
    },
    /// No room for another neighbour.
    #[error("neighbour table is full: {ip} on interface {} has no place", interface.0)]
    TableFull {
        /// Where.
        interface: InterfaceId,
        /// Who had no place.
        ip: IpAddr,
    },
}
