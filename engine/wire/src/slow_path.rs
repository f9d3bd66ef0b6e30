//! Any frame, and which of a virtual router's protocols it is: the one entry of the receive path,
//! and of a fuzzer.

use crate::vlan::{self, Link};
use crate::vrrp::{Advert, Expect, Family, Vrid};
use crate::{arp, ethernet, ipv4, ipv6, ndp, vrrp};

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen<'a> {
    /// An advert of a virtual router.
    Advert(Advert<'a>),
    /// ARP.
    Arp(arp::Repr),
    /// Neighbour discovery.
    Ndp(ndp::Message),
    /// None of these: the traffic, or something for somebody else.
    Other,
}

/// Why a frame of one of these protocols is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DropCause {
    /// Shorter than an Ethernet header and its tag.
    #[error("frame is cut short")]
    Truncated,
    /// As an advert.
    #[error("advert: {0}")]
    Vrrp(#[from] vrrp::DropCause),
    /// As ARP.
    #[error("ARP: {0}")]
    Arp(#[from] arp::DropCause),
    /// As neighbour discovery.
    #[error("neighbour discovery: {0}")]
    Ndp(#[from] ndp::DropCause),
}

/// How many frames were dropped, by protocol and cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DropCounters {
    /// Shorter than an Ethernet header and its tag.
    pub truncated: u64,
    /// Adverts.
    pub vrrp: vrrp::DropCounters,
    /// ARP.
    pub arp: arp::DropCounters,
    /// Neighbour discovery.
    pub ndp: ndp::DropCounters,
}

impl DropCounters {
    /// Counts one frame.
    pub fn count(&mut self, cause: DropCause) {
        match cause {
            DropCause::Truncated => self.truncated = self.truncated.saturating_add(1),
            DropCause::Vrrp(cause) => self.vrrp.count(cause),
            DropCause::Arp(cause) => self.arp.count(cause),
            DropCause::Ndp(cause) => self.ndp.count(cause),
        }
    }

    /// Frames dropped for any cause.
    #[must_use]
    pub fn total(&self) -> u64 {
        [self.vrrp.total(), self.arp.total(), self.ndp.total()]
            .into_iter()
            .fold(self.truncated, u64::saturating_add)
    }
}

/// Reads a frame, at most one VLAN tag in it; `lookup` as for [`vrrp::parse`]. Any bytes are
/// accepted.
///
/// # Errors
/// The first cause for which a frame of one of the protocols is not taken.
pub fn read<'a, 'e>(
    frame: &'a [u8],
    lookup: impl FnOnce(Family, Vrid) -> Option<Expect<'e>>,
) -> Result<(Link, Seen<'a>), DropCause> {
    let frame = vlan::open(frame).map_err(|_| DropCause::Truncated)?;
    let seen = match frame.ethertype {
        ethernet::ARP => Seen::Arp(arp::Repr::read(frame.payload)?),
        ethernet::IPV4 if ipv4::protocol(frame.payload) == vrrp::PROTOCOL => {
            Seen::Advert(vrrp::read(frame.ethertype, frame.payload, lookup)?)
        }
        ethernet::IPV6 => match ipv6::next_header(frame.payload) {
            vrrp::PROTOCOL => Seen::Advert(vrrp::read(frame.ethertype, frame.payload, lookup)?),
            ipv6::ICMPV6 => match ndp::read(frame.payload) {
                Ok(message) => Seen::Ndp(message),
                // Another type of ICMPv6: an echo, an error, a router's advertisement.
                Err(ndp::DropCause::NotOurs) => Seen::Other,
                Err(cause) => return Err(cause.into()),
            },
            _ => Seen::Other,
        },
        _ => Seen::Other,
    };
    Ok((frame.link, seen))
}
