use core::net::IpAddr;

use arrayvec::ArrayVec;

use crate::Mac;
use crate::bytes::{Reader, Writer};

/// Neighbours in one chunk, at most: as many as fit of IPv6.
pub const MAX_NEIGHBOURS: usize = 54;

/// Bytes of the body without neighbours.
pub(crate) const MIN_LEN: usize = 8;
/// Bytes of the longest body.
pub(crate) const MAX_LEN: usize = MIN_LEN + MAX_NEIGHBOURS * 22;

/// Neighbours that the sender forwards to at layer 3: the ACTIVE shares them ahead of time, so that
/// a new ACTIVE need not resolve anybody first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeighbourChunk {
    /// Names the interface: a digest of its name in the configuration.
    pub interface: u32,
    /// The neighbours, at least one, all of one family; group addresses are refused both ways.
    pub neighbours: ArrayVec<(IpAddr, Mac), MAX_NEIGHBOURS>,
}

impl NeighbourChunk {
    fn is_ipv6(&self) -> bool {
        self.neighbours.first().is_some_and(|(ip, _)| ip.is_ipv6())
    }

    /// Whether a receiver takes it.
    pub(crate) fn is_good(&self) -> bool {
        let six = self.is_ipv6();
        let good = |(ip, mac): &(IpAddr, Mac)| {
            ip.is_ipv6() == six && !ip.is_multicast() && !ip.is_unspecified() && is_station(*mac)
        };
        !self.neighbours.is_empty() && self.neighbours.iter().all(good)
    }

    /// Bytes of the body.
    pub(crate) fn body_len(&self) -> usize {
        let each = if self.is_ipv6() { 22 } else { 10 };
        MIN_LEN + self.neighbours.len() * each
    }

    pub(crate) fn write(&self, out: &mut Writer<'_>) {
        out.u32(self.interface);
        out.u8(if self.is_ipv6() { 6 } else { 4 });
        out.u8(0);
        // At most 54, by the type.
        out.u16(self.neighbours.len() as u16);
        for (ip, mac) in &self.neighbours {
            match ip {
                IpAddr::V4(ip) => out.bytes(ip.octets()),
                IpAddr::V6(ip) => out.bytes(ip.octets()),
            }
            out.bytes(mac.0);
        }
    }

    /// Reads a body; `None` when a field is out of range or bytes are missing or left over.
    pub(crate) fn read(body: &[u8]) -> Option<NeighbourChunk> {
        let mut from = Reader::new(body);
        let interface = from.u32()?;
        let six = match from.u8()? {
            4 => false,
            6 => true,
            _ => return None,
        };
        let _reserved = from.u8()?;
        let count = from.u16()?;
        let mut neighbours = ArrayVec::new();
        for _ in 0..count {
            let ip: IpAddr = if six {
                from.array::<16>()?.into()
            } else {
                from.array::<4>()?.into()
            };
            neighbours.try_push((ip, Mac(from.array()?))).ok()?;
        }
        let chunk = NeighbourChunk {
            interface,
            neighbours,
        };
        (from.is_empty() && chunk.is_good()).then_some(chunk)
    }
}

fn is_station(mac: Mac) -> bool {
    !mac.is_group() && !mac.is_zero()
}
