//! Neighbour discovery: solicitations and advertisements, with the link-layer options (RFC 4861).
//! Of ICMPv6 there is no more here than a virtual router needs to be found, and to be found anew.
//!
//! A received message has passed the checks of section 7.1: hop limit 255, checksum, code 0,
//! length, options of a length above 0, a target that is no group, and what a solicitation without
//! source, or an advertisement to a group, must not have.

mod emit;
mod receive;

use core::net::Ipv6Addr;

use crate::Mac;
use crate::drop_causes;

pub use emit::MAX_FRAME_LEN;
pub use receive::{parse, read};

/// ICMPv6 type of a solicitation.
const SOLICITATION: u8 = 135;
/// ICMPv6 type of an advertisement.
const ADVERTISEMENT: u8 = 136;
/// Bytes before the options.
const HEADER_LEN: usize = 24;
/// Bytes of a link-layer option for Ethernet: one unit of eight.
const OPTION_LEN: usize = 8;
/// Option: the sender's link-layer address.
const SOURCE_LINK_LAYER: u8 = 1;
/// Option: the target's link-layer address.
const TARGET_LINK_LAYER: u8 = 2;
/// Hop limit, sent and demanded.
const HOP_LIMIT: u8 = 255;

drop_causes! {
    /// Why a received frame is no neighbour discovery that we take. A closed list.
    pub enum DropCause counted by DropCounters {
        /// Another ethertype, next header, or type of ICMPv6.
        NotOurs = "not_ours": "not a neighbour solicitation or advertisement",
        /// Cut short: fewer bytes than a header, or than the IP header states.
        Truncated = "truncated": "frame is cut short",
        /// Not IPv6.
        BadIp = "bad_ip": "IPv6 header is not acceptable",
        /// Hop limit is not 255: it was routed here.
        BadHopLimit = "bad_hop_limit": "hop limit is not 255",
        /// Shorter than the message's fixed part.
        BadLength = "bad_length": "message is shorter than its fixed part",
        /// The ICMPv6 checksum is wrong.
        BadChecksum = "bad_checksum": "ICMPv6 checksum is wrong",
        /// The code is not 0.
        BadCode = "bad_code": "ICMPv6 code is not 0",
        /// The target is a group.
        BadTarget = "bad_target": "target is a multicast address",
        /// An option of length 0, or longer than the message.
        BadOption = "bad_option": "an option has length 0 or is cut short",
        /// A solicitation without source that is not sent to a solicited-node group, or that has a
        /// source link-layer option.
        BadProbe = "bad_probe": "solicitation without source breaks the rules for one",
        /// A solicited advertisement to a group.
        BadSolicited = "bad_solicited": "advertisement to a group says that it was solicited",
    }
}

/// A neighbour solicitation (RFC 4861, section 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Solicitation {
    /// Who asks; unspecified while it probes for a duplicate of its own address.
    pub source: Ipv6Addr,
    /// Where the question went: a solicited-node group, or the target itself.
    pub destination: Ipv6Addr,
    /// Whose link-layer address is asked for.
    pub target: Ipv6Addr,
    /// The asker's link-layer address.
    pub source_mac: Option<Mac>,
}

/// A neighbour advertisement (RFC 4861, section 4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advertisement {
    /// Who says it.
    pub source: Ipv6Addr,
    /// To whom.
    pub destination: Ipv6Addr,
    /// Whose link-layer address it is.
    pub target: Ipv6Addr,
    /// The link-layer address.
    pub target_mac: Option<Mac>,
    /// R: the sender is a router.
    pub router: bool,
    /// S: in answer to a solicitation.
    pub solicited: bool,
    /// O: to take the place of what is cached.
    pub override_cached: bool,
}

/// A message that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message {
    /// A question.
    Solicitation(Solicitation),
    /// An answer, or news that nobody asked for.
    Advertisement(Advertisement),
}

impl Advertisement {
    /// What a new Active Router says of each virtual address: R = 1, S = 0, O = 1, to all nodes
    /// (RFC 9568, section 6.4.2). `source` is an address that the sender has.
    #[must_use]
    pub const fn unsolicited(source: Ipv6Addr, address: Ipv6Addr, mac: Mac) -> Advertisement {
        Advertisement {
            source,
            destination: crate::ipv6::ALL_NODES,
            target: address,
            target_mac: Some(mac),
            router: true,
            solicited: false,
            override_cached: true,
        }
    }

    /// The answer of an Active Router: the virtual MAC address, R = 1 (RFC 9568, section 8.2.2).
    /// Who asked without an address is answered before all nodes (RFC 4861, section 7.2.4).
    #[must_use]
    pub fn answer_to(question: &Solicitation, mac: Mac) -> Advertisement {
        let nobody = question.source.is_unspecified();
        Advertisement {
            source: question.target,
            destination: if nobody {
                crate::ipv6::ALL_NODES
            } else {
                question.source
            },
            target: question.target,
            target_mac: Some(mac),
            router: true,
            solicited: !nobody,
            override_cached: true,
        }
    }
}
