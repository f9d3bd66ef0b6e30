//! What the fast path does not carry goes to the management core, bounded and counted.
//!
//! Two rings: what keeps the protocols alive (adverts, ARP, neighbour discovery) does not queue
//! behind what a stranger can send at will (packets without a route or a resolved next hop).

use super::counters::L3Punt;
use dpdk::Mbuf;

/// Why a frame is for the management core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PuntReason {
    /// ARP, to us or to all.
    Arp,
    /// A VRRP advert (IP protocol 112), multicast or unicast.
    Vrrp,
    /// IPv6 neighbour discovery (ICMPv6 types 133 to 137).
    Neighbour,
    /// Any other IP packet to a multicast group of the link's scope (224.0.0.0/24, ff02::/16).
    LinkScope,
    /// To an address of this host: own or virtual (held or not, see item 40), or IPv6 link-local.
    Local,
    /// IPv4 options, or an IPv6 hop-by-hop header, not to a local address.
    Options,
    /// TTL or hop limit is used up.
    TimeExceeded,
    /// No route, or the table says so.
    NoRoute,
    /// The next hop's MAC is not known.
    Unresolved {
        /// The adjacency: an unresolved one, or a connected prefix's, whose next hop is the
        /// packet's destination.
        adjacency: u16,
        /// The interface that it is on.
        interface: u16,
    },
    /// Larger than the outgoing interface's MTU, and must not be fragmented.
    TooBig {
        /// That interface.
        interface: u16,
        /// Its MTU, in bytes.
        mtu: u16,
    },
    /// Larger than the outgoing interface's MTU, and could be fragmented, which is not done.
    WouldFragment {
        /// That interface.
        interface: u16,
        /// Its MTU, in bytes.
        mtu: u16,
    },
}

impl PuntReason {
    /// Its counter.
    #[must_use]
    pub const fn counter(self) -> L3Punt {
        match self {
            Self::Arp => L3Punt::Arp,
            Self::Vrrp => L3Punt::Vrrp,
            Self::Neighbour => L3Punt::Neighbour,
            Self::LinkScope => L3Punt::LinkScope,
            Self::Local => L3Punt::Local,
            Self::Options => L3Punt::Options,
            Self::TimeExceeded => L3Punt::TimeExceeded,
            Self::NoRoute => L3Punt::NoRoute,
            Self::Unresolved { .. } => L3Punt::Unresolved,
            Self::TooBig { .. } => L3Punt::TooBig,
            Self::WouldFragment { .. } => L3Punt::WouldFragment,
        }
    }

    /// The reason that a frame alone can give; what needs the tables' word gives
    /// [`PuntReason::Local`].
    pub(super) const fn of_frame(counter: L3Punt) -> Self {
        match counter {
            L3Punt::Arp => Self::Arp,
            L3Punt::Vrrp => Self::Vrrp,
            L3Punt::Neighbour => Self::Neighbour,
            L3Punt::LinkScope => Self::LinkScope,
            _ => Self::Local,
        }
    }

    /// Whether it goes through the protocols' ring.
    #[must_use]
    pub const fn is_protocol(self) -> bool {
        matches!(self, Self::Arp | Self::Vrrp | Self::Neighbour)
    }
}

/// A frame for the management core, as it was received: nothing in it has been changed.
#[derive(Debug)]
pub struct Punt {
    /// The port that received it.
    pub port: u16,
    /// The interface that it came in on.
    pub interface: u16,
    /// Why.
    pub reason: PuntReason,
    /// Where its L3 header begins, in bytes: 14, or 18 behind a VLAN tag.
    pub l3_offset: u8,
    /// The frame, with its VLAN tag.
    pub mbuf: Mbuf,
}

impl Punt {
    /// The packet without its Ethernet header (and with the padding, if any).
    #[must_use]
    pub fn packet(&self) -> &[u8] {
        self.mbuf
            .data()
            .get(usize::from(self.l3_offset)..)
            .unwrap_or_default()
    }
}

/// A frame of the management core, to be sent from an L3 port as it is (VLAN tag included),
/// whatever the gate says.
#[derive(Debug)]
pub struct L3Inject {
    /// The port's number.
    pub port: u16,
    /// It speaks for a virtual router: it is sent only while the lease holds (rule 11), since who
    /// slept with it in the ring may have been succeeded meanwhile.
    pub leased: bool,
    /// The frame.
    pub mbuf: Mbuf,
}
