//! The internet checksum (RFC 1071): the ones' complement of the ones' complement sum.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Adds big-endian 16-bit words to a running sum; an odd last byte is padded with 0.
///
/// Frames are at most 64 KiB, so the 32-bit sum of 16-bit words cannot overflow.
pub(crate) fn add(sum: u32, bytes: &[u8]) -> u32 {
    let (words, odd) = bytes.as_chunks::<2>();
    let sum = words.iter().fold(sum, |sum, word| {
        sum.wrapping_add(u32::from(u16::from_be_bytes(*word)))
    });
    match odd {
        [last] => sum.wrapping_add(u32::from(u16::from_be_bytes([*last, 0]))),
        _ => sum,
    }
}

/// Folds the carries in and complements.
pub(crate) fn finish(mut sum: u32) -> u16 {
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    !(sum as u16)
}

/// The checksum of `bytes`. Over bytes that already hold their right checksum it is 0.
#[must_use]
pub fn internet(bytes: &[u8]) -> u16 {
    finish(add(0, bytes))
}

/// The running sum over a pseudo-header: addresses, length and next header of an upper layer
/// (RFC 9293, section 3.1, for IPv4; RFC 8200, section 8.1, for IPv6). Addresses of two families
/// make no pseudo-header that anybody would verify.
pub(crate) fn pseudo(source: IpAddr, destination: IpAddr, next_header: u8, length: usize) -> u32 {
    let address = |sum, address| match address {
        IpAddr::V4(address) => add(sum, &Ipv4Addr::octets(&address)),
        IpAddr::V6(address) => add(sum, &Ipv6Addr::octets(&address)),
    };
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    let sum = address(address(0, source), destination);
    let sum = add(sum, &length.to_be_bytes());
    add(sum, &u32::from(next_header).to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 1071, section 3.
    #[test]
    fn rfc_1071_example() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(internet(&bytes), !0xddf2);
    }

    #[test]
    fn odd_length_and_carries() {
        assert_eq!(internet(&[]), 0xffff);
        assert_eq!(internet(&[0xab]), !0xab00);
        assert_eq!(internet(&[0xff; 65535]), !0xff00);
    }
}
