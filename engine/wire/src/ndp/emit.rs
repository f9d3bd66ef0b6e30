use core::net::Ipv6Addr;

use super::{
    ADVERTISEMENT, Advertisement, HEADER_LEN, HOP_LIMIT, OPTION_LEN, SOLICITATION,
    SOURCE_LINK_LAYER, Solicitation, TARGET_LINK_LAYER,
};
use crate::bytes::{Writer, put};
use crate::vlan::{self, Link};
use crate::{Error, Mac, checksum, ethernet, ipv6};

/// Bytes of the longest frame that is emitted: a buffer of this size always does.
pub const MAX_FRAME_LEN: usize = vlan::MAX_HEADER_LEN + ipv6::HEADER_LEN + HEADER_LEN + OPTION_LEN;

impl Solicitation {
    /// The question for `target`'s link-layer address, to its solicited-node group.
    #[must_use]
    pub const fn ask(source: Ipv6Addr, source_mac: Mac, target: Ipv6Addr) -> Solicitation {
        Solicitation {
            source,
            destination: ipv6::solicited_node(target),
            target,
            source_mac: Some(source_mac),
        }
    }

    /// Writes the whole frame and returns its length.
    ///
    /// # Errors
    /// [`Error::Truncated`] when `frame` is too short; [`MAX_FRAME_LEN`] always does.
    pub fn emit_frame(&self, link: &Link, frame: &mut [u8]) -> Result<usize, Error> {
        Message {
            kind: SOLICITATION,
            flags: 0,
            source: self.source,
            destination: self.destination,
            target: self.target,
            option: self.source_mac.map(|mac| (SOURCE_LINK_LAYER, mac)),
        }
        .emit(link, frame)
    }
}

impl Advertisement {
    /// Writes the whole frame and returns its length.
    ///
    /// # Errors
    /// [`Error::Truncated`] when `frame` is too short; [`MAX_FRAME_LEN`] always does.
    pub fn emit_frame(&self, link: &Link, frame: &mut [u8]) -> Result<usize, Error> {
        let bit = |set, place: u32| if set { 1 << place } else { 0 };
        Message {
            kind: ADVERTISEMENT,
            flags: bit(self.router, 31) | bit(self.solicited, 30) | bit(self.override_cached, 29),
            source: self.source,
            destination: self.destination,
            target: self.target,
            option: self.target_mac.map(|mac| (TARGET_LINK_LAYER, mac)),
        }
        .emit(link, frame)
    }
}

struct Message {
    kind: u8,
    flags: u32,
    source: Ipv6Addr,
    destination: Ipv6Addr,
    target: Ipv6Addr,
    option: Option<(u8, Mac)>,
}

impl Message {
    fn emit(&self, link: &Link, frame: &mut [u8]) -> Result<usize, Error> {
        let length = HEADER_LEN + self.option.map_or(0, |_| OPTION_LEN);
        let ip_at = link.emit(ethernet::IPV6, frame)?;
        let message_at = ip_at + ipv6::HEADER_LEN;
        let end = message_at + length;
        let packet = frame.get_mut(ip_at..end).ok_or(Error::Truncated)?;
        ipv6::Repr {
            source: self.source,
            destination: self.destination,
            hop_limit: HOP_LIMIT,
            next_header: ipv6::ICMPV6,
            traffic_class: 0,
            payload_len: length,
        }
        .emit(packet)?;
        let message = frame.get_mut(message_at..end).ok_or(Error::Truncated)?;
        let mut out = Writer::new(message);
        out.bytes([self.kind, 0, 0, 0]);
        out.u32(self.flags);
        out.bytes(self.target.octets());
        if let Some((kind, mac)) = self.option {
            out.bytes([kind, 1]);
            out.bytes(mac.0);
        }
        let (source, destination) = (self.source.into(), self.destination.into());
        let start = checksum::pseudo(source, destination, ipv6::ICMPV6, length);
        let sum = checksum::finish(checksum::add(start, message));
        put(message, 2..4, sum.to_be_bytes());
        Ok(end)
    }
}
