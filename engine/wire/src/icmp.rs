//! ICMP (RFC 792) and ICMPv6 (RFC 4443): the eight bytes that every message starts with. The two
//! differ in their numbers, and in the pseudo-header that the checksum of ICMPv6 has.

use core::net::Ipv6Addr;

use crate::bytes::{get, put};
use crate::{Error, checksum, drop_causes, ipv6};

/// IP protocol number of ICMP. That of ICMPv6 is [`ipv6::ICMPV6`].
pub const PROTOCOL: u8 = 1;
/// Bytes before what a message carries.
pub const HEADER_LEN: usize = 8;

/// Types and codes of ICMP.
pub mod v4 {
    /// Answer to an echo request.
    pub const ECHO_REPLY: u8 = 0;
    /// Destination unreachable.
    pub const UNREACHABLE: u8 = 3;
    /// Asks for an echo.
    pub const ECHO_REQUEST: u8 = 8;
    /// Time exceeded; code 0 is TTL.
    pub const TIME_EXCEEDED: u8 = 11;
    /// Code of [`UNREACHABLE`]: no route to the network.
    pub const NET: u8 = 0;
    /// Code of [`UNREACHABLE`]: the host does not answer.
    pub const HOST: u8 = 1;
    /// Code of [`UNREACHABLE`]: nobody here speaks the protocol.
    pub const PROTOCOL: u8 = 2;
    /// Code of [`UNREACHABLE`]: nobody listens on the port.
    pub const PORT: u8 = 3;
    /// Code of [`UNREACHABLE`]: fragmentation needed and DF set; the MTU follows (RFC 1191).
    pub const FRAGMENTATION_NEEDED: u8 = 4;

    /// Whether a type is an error's: unreachable, source quench, redirect, time exceeded, parameter
    /// problem (RFC 1122, section 3.2.2).
    #[must_use]
    pub const fn is_error(kind: u8) -> bool {
        matches!(kind, 3 | 4 | 5 | 11 | 12)
    }
}

/// Types and codes of ICMPv6.
pub mod v6 {
    /// Destination unreachable.
    pub const UNREACHABLE: u8 = 1;
    /// Packet too big; the MTU follows.
    pub const TOO_BIG: u8 = 2;
    /// Time exceeded; code 0 is hop limit.
    pub const TIME_EXCEEDED: u8 = 3;
    /// Parameter problem; a pointer follows.
    pub const PARAMETER_PROBLEM: u8 = 4;
    /// Asks for an echo.
    pub const ECHO_REQUEST: u8 = 128;
    /// Answer to an echo request.
    pub const ECHO_REPLY: u8 = 129;
    /// Redirect (RFC 4861, section 4.5).
    pub const REDIRECT: u8 = 137;
    /// Code of [`UNREACHABLE`]: no route.
    pub const NO_ROUTE: u8 = 0;
    /// Code of [`UNREACHABLE`]: the address does not answer.
    pub const ADDRESS: u8 = 3;
    /// Code of [`UNREACHABLE`]: nobody listens on the port.
    pub const PORT: u8 = 4;
    /// Code of [`PARAMETER_PROBLEM`]: next header not known.
    pub const NEXT_HEADER: u8 = 1;

    /// Whether a type is an error's, or a redirect, which no error answers either (RFC 4443, section
    /// 2.4 e).
    #[must_use]
    pub const fn is_error(kind: u8) -> bool {
        kind < 128 || kind == REDIRECT
    }
}

drop_causes! {
    /// Why a message is not taken. A closed list.
    pub enum DropCause counted by DropCounters {
        /// Shorter than [`HEADER_LEN`].
        Truncated = "truncated": "message is cut short",
        /// The checksum is wrong.
        BadChecksum = "bad_checksum": "checksum is wrong",
    }
}

/// What every message starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repr {
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// Bytes 4 to 7: identifier and sequence number of an echo; MTU, pointer or nothing of an error.
    pub rest: [u8; 4],
}

/// The sum of ICMPv6's pseudo-header.
fn pseudo(source: Ipv6Addr, destination: Ipv6Addr, length: usize) -> u32 {
    checksum::pseudo(source.into(), destination.into(), ipv6::ICMPV6, length)
}

impl Repr {
    /// Reads a message of ICMP, an IPv4 packet's payload.
    ///
    /// # Errors
    /// The cause for which it is not taken.
    pub fn read_v4(message: &[u8]) -> Result<Repr, DropCause> {
        Repr::read(message, 0)
    }

    /// Reads a message of ICMPv6, from its first byte to the packet's end.
    ///
    /// # Errors
    /// The cause for which it is not taken.
    pub fn read_v6(
        message: &[u8],
        source: Ipv6Addr,
        destination: Ipv6Addr,
    ) -> Result<Repr, DropCause> {
        Repr::read(message, pseudo(source, destination, message.len()))
    }

    fn read(message: &[u8], start: u32) -> Result<Repr, DropCause> {
        if message.len() < HEADER_LEN {
            return Err(DropCause::Truncated);
        }
        if checksum::finish(checksum::add(start, message)) != 0 {
            return Err(DropCause::BadChecksum);
        }
        let [kind, code] = get(message, 0..2);
        Ok(Repr {
            kind,
            code,
            rest: get(message, 4..8),
        })
    }

    /// Writes the first [`HEADER_LEN`] bytes of an ICMP message whose other bytes are in place.
    ///
    /// # Errors
    /// [`Error::Truncated`] when there are fewer; nothing is written then.
    pub fn emit_v4(&self, message: &mut [u8]) -> Result<(), Error> {
        self.emit(message, 0)
    }

    /// The same for ICMPv6.
    ///
    /// # Errors
    /// As [`Repr::emit_v4`].
    pub fn emit_v6(
        &self,
        message: &mut [u8],
        source: Ipv6Addr,
        destination: Ipv6Addr,
    ) -> Result<(), Error> {
        let start = pseudo(source, destination, message.len());
        self.emit(message, start)
    }

    fn emit(&self, message: &mut [u8], start: u32) -> Result<(), Error> {
        if message.len() < HEADER_LEN {
            return Err(Error::Truncated);
        }
        put(message, 0..4, [self.kind, self.code, 0, 0]);
        put(message, 4..8, self.rest);
        let sum = checksum::finish(checksum::add(start, message));
        put(message, 2..4, sum.to_be_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn errors_and_others() {
        for (kind, error) in [(0, false), (3, true), (5, true), (8, false), (12, true)] {
            assert_eq!(v4::is_error(kind), error, "{kind}");
        }
        for (kind, error) in [
            (1, true),
            (127, true),
            (128, false),
            (136, false),
            (137, true),
        ] {
            assert_eq!(v6::is_error(kind), error, "{kind}");
        }
    }

    #[test]
    fn short_and_broken_messages_are_refused() {
        let echo = Repr {
            kind: v4::ECHO_REQUEST,
            code: 0,
            rest: [1, 2, 3, 4],
        };
        let mut message = *b"........payload";
        echo.emit_v4(&mut message).unwrap();
        assert_eq!(Repr::read_v4(&message), Ok(echo));
        for length in 0..8 {
            assert_eq!(Repr::read_v4(&message[..length]), Err(DropCause::Truncated));
        }
        message[9] ^= 4;
        assert_eq!(Repr::read_v4(&message), Err(DropCause::BadChecksum));
        assert_eq!(echo.emit_v4(&mut [0; 7]), Err(Error::Truncated));
    }

    proptest! {
        #[test]
        fn what_we_emit_etherparse_reads(
            repr in any::<(u8, u8, [u8; 4])>(),
            addresses in any::<(u128, u128)>(),
            payload in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let (kind, code, rest) = repr;
            let repr = Repr { kind, code, rest };
            let (source, destination) = (Ipv6Addr::from(addresses.0), Ipv6Addr::from(addresses.1));
            let mut message = vec![0xaa; HEADER_LEN];
            message.extend(&payload);
            repr.emit_v6(&mut message, source, destination).unwrap();
            prop_assert_eq!(Repr::read_v6(&message, source, destination), Ok(repr));
            let theirs = etherparse::Icmpv6Slice::from_slice(&message).unwrap();
            prop_assert!(theirs.is_checksum_valid(source.octets(), destination.octets()));
            repr.emit_v4(&mut message).unwrap();
            prop_assert_eq!(Repr::read_v4(&message), Ok(repr));
            prop_assert_eq!(checksum::internet(&message), 0);
        }

        #[test]
        fn any_bytes_are_judged_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let any = Ipv6Addr::UNSPECIFIED;
            let _ = (Repr::read_v4(&bytes), Repr::read_v6(&bytes, any, any));
        }
    }
}
