use core::net::Ipv6Addr;

use super::{
    ADVERTISEMENT, Advertisement, DropCause, HEADER_LEN, HOP_LIMIT, Message, OPTION_LEN,
    SOLICITATION, SOURCE_LINK_LAYER, Solicitation, TARGET_LINK_LAYER,
};
use crate::bytes::get;
use crate::vlan::{self, Link};
use crate::{Error, Mac, checksum, ethernet, ipv6};

/// Reads a frame, at most one VLAN tag in it. Any bytes are accepted.
///
/// # Errors
/// The first cause for which it is not taken.
pub fn parse(frame: &[u8]) -> Result<(Link, Message), DropCause> {
    let frame = vlan::open(frame).map_err(|_| DropCause::Truncated)?;
    if frame.ethertype != ethernet::IPV6 {
        return Err(DropCause::NotOurs);
    }
    Ok((frame.link, read(frame.payload)?))
}

/// Reads an IPv6 packet.
///
/// # Errors
/// The first cause for which it is not taken.
pub fn read(packet: &[u8]) -> Result<Message, DropCause> {
    let ip = ipv6::Packet::new_checked(packet).map_err(|error| match error {
        Error::Truncated => DropCause::Truncated,
        _ => DropCause::BadIp,
    })?;
    let message = ip.payload();
    let kind = message.first().copied().unwrap_or(0);
    if ip.next_header() != ipv6::ICMPV6 || !matches!(kind, SOLICITATION | ADVERTISEMENT) {
        return Err(DropCause::NotOurs);
    }
    if ip.hop_limit() != HOP_LIMIT {
        return Err(DropCause::BadHopLimit);
    }
    if message.len() < HEADER_LEN {
        return Err(DropCause::BadLength);
    }
    let (source, destination) = (ip.source(), ip.destination());
    let start = checksum::pseudo(
        source.into(),
        destination.into(),
        ipv6::ICMPV6,
        message.len(),
    );
    if checksum::finish(checksum::add(start, message)) != 0 {
        return Err(DropCause::BadChecksum);
    }
    if get::<1>(message, 1..2) != [0] {
        return Err(DropCause::BadCode);
    }
    let flags = u32::from_be_bytes(get(message, 4..8));
    let target = Ipv6Addr::from(get::<16>(message, 8..24));
    if target.is_multicast() {
        return Err(DropCause::BadTarget);
    }
    let options = Options::read(message.get(HEADER_LEN..).unwrap_or_default())?;
    if kind == SOLICITATION {
        let probe = source.is_unspecified();
        if probe && (options.source.is_some() || !is_solicited_node(destination)) {
            return Err(DropCause::BadProbe);
        }
        return Ok(Message::Solicitation(Solicitation {
            source,
            destination,
            target,
            source_mac: options.source,
        }));
    }
    let bit = |place: u32| flags >> place & 1 == 1;
    if destination.is_multicast() && bit(30) {
        return Err(DropCause::BadSolicited);
    }
    Ok(Message::Advertisement(Advertisement {
        source,
        destination,
        target,
        target_mac: options.target,
        router: bit(31),
        solicited: bit(30),
        override_cached: bit(29),
    }))
}

fn is_solicited_node(group: Ipv6Addr) -> bool {
    ipv6::solicited_node(group) == group
}

/// The two options that matter; any others are stepped over (RFC 4861, section 7.1).
#[derive(Default)]
struct Options {
    source: Option<Mac>,
    target: Option<Mac>,
}

impl Options {
    fn read(mut rest: &[u8]) -> Result<Options, DropCause> {
        let mut options = Options::default();
        while !rest.is_empty() {
            let [kind, units] = *rest.first_chunk::<2>().ok_or(DropCause::BadOption)?;
            let length = usize::from(units) * OPTION_LEN;
            if length == 0 || rest.len() < length {
                return Err(DropCause::BadOption);
            }
            // One unit: Ethernet's six bytes. A longer one is another link layer's address, and a
            // group is nobody's: neither is taken for an address.
            let mac = Mac(get(rest, 2..8));
            let mac = (length == OPTION_LEN && !mac.is_group()).then_some(mac);
            match kind {
                SOURCE_LINK_LAYER => options.source = options.source.or(mac),
                TARGET_LINK_LAYER => options.target = options.target.or(mac),
                _ => {}
            }
            rest = rest.get(length..).unwrap_or_default();
        }
        Ok(options)
    }
}
