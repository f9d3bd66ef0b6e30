//! UDP headers (RFC 768).

use core::net::Ipv4Addr;

use crate::bytes::{get, put};
use crate::{Error, checksum, ipv4};

mod field {
    use core::ops::Range;
    pub const SOURCE_PORT: Range<usize> = 0..2;
    pub const DESTINATION_PORT: Range<usize> = 2..4;
    pub const LENGTH: Range<usize> = 4..6;
    pub const CHECKSUM: Range<usize> = 6..8;
}

/// Bytes of the header.
pub const HEADER_LEN: usize = 8;

/// A UDP datagram.
#[derive(Debug, Clone, Copy)]
pub struct Packet<T: AsRef<[u8]>> {
    buffer: T,
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// Wraps the bytes of a datagram; more bytes than its length field states are allowed.
    ///
    /// # Errors
    /// [`Error::Truncated`] when the header or the length stated in it does not fit,
    /// [`Error::Length`] when that length is shorter than the header.
    pub fn new_checked(buffer: T) -> Result<Packet<T>, Error> {
        if buffer.as_ref().len() < HEADER_LEN {
            return Err(Error::Truncated);
        }
        let packet = Packet { buffer };
        if packet.len() < HEADER_LEN {
            return Err(Error::Length);
        }
        if packet.len() > packet.buffer.as_ref().len() {
            return Err(Error::Truncated);
        }
        Ok(packet)
    }

    /// The sender's port.
    pub fn source_port(&self) -> u16 {
        u16::from_be_bytes(get(self.buffer.as_ref(), field::SOURCE_PORT))
    }

    /// The receiver's port.
    pub fn destination_port(&self) -> u16 {
        ports(self.buffer.as_ref()).1
    }

    /// Bytes of the datagram, header included.
    #[allow(clippy::len_without_is_empty)] // never empty: 8 at least
    pub fn len(&self) -> usize {
        usize::from(u16::from_be_bytes(get(self.buffer.as_ref(), field::LENGTH)))
    }

    /// Whether the checksum is right, or 0: sent without one.
    pub fn verify_checksum(&self, source: Ipv4Addr, destination: Ipv4Addr) -> bool {
        let sent = u16::from_be_bytes(get(self.buffer.as_ref(), field::CHECKSUM));
        let datagram = self.buffer.as_ref().get(..self.len()).unwrap_or_default();
        sent == 0 || sum(source, destination, datagram) == 0
    }

    /// What follows the header.
    pub fn payload(&self) -> &[u8] {
        self.buffer
            .as_ref()
            .get(HEADER_LEN..self.len())
            .unwrap_or_default()
    }
}

/// Source and destination port of what may be a UDP header; 0 where it is too short.
pub(crate) fn ports(bytes: &[u8]) -> (u16, u16) {
    (
        u16::from_be_bytes(get(bytes, field::SOURCE_PORT)),
        u16::from_be_bytes(get(bytes, field::DESTINATION_PORT)),
    )
}

/// The checksum over the pseudo header and the datagram, as the checksum field in it stands.
fn sum(source: Ipv4Addr, destination: Ipv4Addr, datagram: &[u8]) -> u16 {
    let length = u32::try_from(datagram.len()).unwrap_or(u32::MAX);
    let sum = checksum::add(0, &source.octets());
    let sum = checksum::add(sum, &destination.octets());
    let sum = checksum::add(sum, &u32::from(ipv4::UDP).to_be_bytes());
    let sum = checksum::add(sum, &length.to_be_bytes());
    checksum::finish(checksum::add(sum, datagram))
}

/// The fields of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repr {
    /// The sender's port.
    pub source_port: u16,
    /// The receiver's port.
    pub destination_port: u16,
}

impl Repr {
    /// Writes the header, checksum included, in front of the payload: `datagram` is exactly header
    /// and payload, the payload already in place.
    ///
    /// # Errors
    /// [`Error::Truncated`] when `datagram` is shorter than the header, [`Error::Length`] when it
    /// is too long for the length field; nothing is written then.
    pub fn emit(
        &self,
        datagram: &mut [u8],
        source: Ipv4Addr,
        destination: Ipv4Addr,
    ) -> Result<(), Error> {
        if datagram.len() < HEADER_LEN {
            return Err(Error::Truncated);
        }
        let length = u16::try_from(datagram.len()).map_err(|_| Error::Length)?;
        put(datagram, field::SOURCE_PORT, self.source_port.to_be_bytes());
        put(
            datagram,
            field::DESTINATION_PORT,
            self.destination_port.to_be_bytes(),
        );
        put(datagram, field::LENGTH, length.to_be_bytes());
        put(datagram, field::CHECKSUM, [0, 0]);
        // 0 on the wire means "no checksum": a sum of 0 is sent as its other form (RFC 768).
        let checksum = match sum(source, destination, datagram) {
            0 => 0xffff,
            sum => sum,
        };
        put(datagram, field::CHECKSUM, checksum.to_be_bytes());
        Ok(())
    }
}
