//! Ethernet II headers, without VLAN tags (the HA link carries none of ours).

use crate::bytes::{get, put};
use crate::{Error, Mac};

mod field {
    use core::ops::{Range, RangeFrom};
    pub const DESTINATION: Range<usize> = 0..6;
    pub const SOURCE: Range<usize> = 6..12;
    pub const ETHERTYPE: Range<usize> = 12..14;
    pub const PAYLOAD: RangeFrom<usize> = 14..;
}

/// Bytes of the header.
pub const HEADER_LEN: usize = 14;
/// Ethertype of IPv4.
pub const IPV4: u16 = 0x0800;
/// Ethertype of ARP (RFC 826).
pub const ARP: u16 = 0x0806;
/// Ethertype of IPv6.
pub const IPV6: u16 = 0x86dd;
/// Ethertype of RARP (RFC 903).
pub const RARP: u16 = 0x8035;
/// Ethertype of an 802.1Q tag.
pub const VLAN: u16 = 0x8100;
/// Ethertype of an 802.1ad (service) tag.
pub const QINQ: u16 = 0x88a8;

/// An Ethernet frame, without its FCS.
#[derive(Debug, Clone, Copy)]
pub struct Packet<T: AsRef<[u8]>> {
    buffer: T,
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// Wraps the bytes of a frame.
    ///
    /// # Errors
    /// [`Error::Truncated`] when there are fewer than [`HEADER_LEN`] bytes.
    pub fn new_checked(buffer: T) -> Result<Packet<T>, Error> {
        if buffer.as_ref().len() < HEADER_LEN {
            return Err(Error::Truncated);
        }
        Ok(Packet { buffer })
    }

    /// Where the frame goes.
    pub fn destination(&self) -> Mac {
        Mac(get(self.buffer.as_ref(), field::DESTINATION))
    }

    /// Who sent it.
    pub fn source(&self) -> Mac {
        Mac(get(self.buffer.as_ref(), field::SOURCE))
    }

    /// What the payload is.
    pub fn ethertype(&self) -> u16 {
        u16::from_be_bytes(get(self.buffer.as_ref(), field::ETHERTYPE))
    }

    /// What follows the header, padding included.
    pub fn payload(&self) -> &[u8] {
        self.buffer.as_ref().get(field::PAYLOAD).unwrap_or_default()
    }
}

/// The fields of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repr {
    /// Where the frame goes.
    pub destination: Mac,
    /// Who sends it.
    pub source: Mac,
    /// What the payload is.
    pub ethertype: u16,
}

impl Repr {
    /// Writes the header into the first [`HEADER_LEN`] bytes of `frame`.
    ///
    /// # Errors
    /// [`Error::Truncated`] when `frame` is shorter than that; nothing is written then.
    pub fn emit(&self, frame: &mut [u8]) -> Result<(), Error> {
        let header = frame
            .first_chunk_mut::<HEADER_LEN>()
            .ok_or(Error::Truncated)?;
        put(header, field::DESTINATION, self.destination.0);
        put(header, field::SOURCE, self.source.0);
        put(header, field::ETHERTYPE, self.ethertype.to_be_bytes());
        Ok(())
    }
}
