//! ARP for IPv4 over Ethernet: requests, replies, and the gratuitous announcement with which a
//! virtual router takes its addresses (RFC 826, RFC 5227, RFC 9568 section 6.4).

use core::net::Ipv4Addr;

use crate::bytes::{get, put};
use crate::drop_causes;
use crate::vlan::{self, Link};
use crate::{Error, Mac, ethernet};

mod field {
    use core::ops::Range;
    pub const KINDS: Range<usize> = 0..6;
    pub const OPERATION: Range<usize> = 6..8;
    pub const SENDER_MAC: Range<usize> = 8..14;
    pub const SENDER_IP: Range<usize> = 14..18;
    pub const TARGET_MAC: Range<usize> = 18..24;
    pub const TARGET_IP: Range<usize> = 24..28;
}

/// Bytes of an ARP packet for IPv4 over Ethernet.
pub const LEN: usize = 28;
/// Bytes of the shortest Ethernet frame without FCS: what is emitted is padded to it.
pub const MIN_FRAME_LEN: usize = 60;
/// Bytes of the longest frame that is emitted (with a VLAN tag): a buffer of this size always does.
pub const MAX_FRAME_LEN: usize = MIN_FRAME_LEN + vlan::TAG_LEN;

/// Hardware type Ethernet, protocol type IPv4, and their address lengths.
const ETHERNET_IPV4: [u8; 6] = [0, 1, 0x08, 0x00, 6, 4];

drop_causes! {
    /// Why a received frame is no ARP packet that we take. A closed list.
    pub enum DropCause counted by DropCounters {
        /// Another ethertype.
        NotOurs = "not_ours": "not ARP",
        /// Cut short.
        Truncated = "truncated": "frame is cut short",
        /// Not IPv4 over Ethernet.
        BadKind = "bad_kind": "ARP is not for IPv4 over Ethernet",
        /// Neither request nor reply.
        BadOperation = "bad_operation": "ARP operation is neither request nor reply",
        /// The sender's MAC address is a group or zero: nobody can be reached there.
        BadSender = "bad_sender": "ARP sender is no station",
    }
}

/// What an ARP packet does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Operation {
    /// Asks for the target's MAC address.
    Request = 1,
    /// Tells the sender's MAC address.
    Reply = 2,
}

/// An ARP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repr {
    /// What it does.
    pub operation: Operation,
    /// The sender's MAC address.
    pub sender_mac: Mac,
    /// The sender's address; unspecified in a probe (RFC 5227).
    pub sender_ip: Ipv4Addr,
    /// The target's MAC address; zero in a request.
    pub target_mac: Mac,
    /// The target's address.
    pub target_ip: Ipv4Addr,
}

impl Repr {
    /// The announcement of `address` at `mac`: a request whose sender and target address are both
    /// the virtual one (RFC 5227, section 3). Hosts that have the address in their table update it,
    /// and switches learn the MAC address from the frame's source.
    #[must_use]
    pub const fn gratuitous(address: Ipv4Addr, mac: Mac) -> Repr {
        Repr {
            operation: Operation::Request,
            sender_mac: mac,
            sender_ip: address,
            target_mac: Mac([0; 6]),
            target_ip: address,
        }
    }

    /// The question who has `target`.
    #[must_use]
    pub const fn request(mac: Mac, address: Ipv4Addr, target: Ipv4Addr) -> Repr {
        Repr {
            operation: Operation::Request,
            sender_mac: mac,
            sender_ip: address,
            target_mac: Mac([0; 6]),
            target_ip: target,
        }
    }

    /// The answer to a request: its target is at `mac`.
    #[must_use]
    pub const fn reply_to(request: &Repr, mac: Mac) -> Repr {
        Repr {
            operation: Operation::Reply,
            sender_mac: mac,
            sender_ip: request.target_ip,
            target_mac: request.sender_mac,
            target_ip: request.sender_ip,
        }
    }

    /// Whether it announces its sender's own address, as a request or as a reply.
    #[must_use]
    pub fn is_gratuitous(&self) -> bool {
        self.sender_ip == self.target_ip && !self.sender_ip.is_unspecified()
    }

    /// Reads the payload of a frame of ethertype [`ethernet::ARP`], padding allowed behind it.
    ///
    /// # Errors
    /// The first cause for which it is not taken.
    pub fn read(packet: &[u8]) -> Result<Repr, DropCause> {
        if packet.len() < LEN {
            return Err(DropCause::Truncated);
        }
        if get::<6>(packet, field::KINDS) != ETHERNET_IPV4 {
            return Err(DropCause::BadKind);
        }
        let operation = match u16::from_be_bytes(get(packet, field::OPERATION)) {
            1 => Operation::Request,
            2 => Operation::Reply,
            _ => return Err(DropCause::BadOperation),
        };
        let sender_mac = Mac(get(packet, field::SENDER_MAC));
        if sender_mac.is_group() || sender_mac.is_zero() {
            return Err(DropCause::BadSender);
        }
        Ok(Repr {
            operation,
            sender_mac,
            sender_ip: Ipv4Addr::from(get::<4>(packet, field::SENDER_IP)),
            target_mac: Mac(get(packet, field::TARGET_MAC)),
            target_ip: Ipv4Addr::from(get::<4>(packet, field::TARGET_IP)),
        })
    }

    /// Writes the packet into the first [`LEN`] bytes.
    ///
    /// # Errors
    /// [`Error::Truncated`] when there are fewer; nothing is written then.
    pub fn emit(&self, packet: &mut [u8]) -> Result<(), Error> {
        let packet = packet.first_chunk_mut::<LEN>().ok_or(Error::Truncated)?;
        put(packet, field::KINDS, ETHERNET_IPV4);
        put(
            packet,
            field::OPERATION,
            (self.operation as u16).to_be_bytes(),
        );
        put(packet, field::SENDER_MAC, self.sender_mac.0);
        put(packet, field::SENDER_IP, self.sender_ip.octets());
        put(packet, field::TARGET_MAC, self.target_mac.0);
        put(packet, field::TARGET_IP, self.target_ip.octets());
        Ok(())
    }

    /// Writes the whole frame, padded to the shortest that Ethernet has, and returns its length. A
    /// request is broadcast, a reply goes to its target; `vlan` 0 is untagged.
    ///
    /// # Errors
    /// [`Error::Truncated`] when `frame` is too short; [`MAX_FRAME_LEN`] always does.
    pub fn emit_frame(&self, vlan: u16, frame: &mut [u8]) -> Result<usize, Error> {
        let link = Link {
            destination: match self.operation {
                Operation::Request => Mac::BROADCAST,
                Operation::Reply => self.target_mac,
            },
            source: self.sender_mac,
            vlan,
        };
        let at = link.emit(ethernet::ARP, frame)?;
        let end = at + MIN_FRAME_LEN - ethernet::HEADER_LEN;
        let payload = frame.get_mut(at..end).ok_or(Error::Truncated)?;
        payload.fill(0);
        self.emit(payload)?;
        Ok(end)
    }
}

/// Reads a frame, at most one VLAN tag in it. Any bytes are accepted.
///
/// # Errors
/// The first cause for which it is not taken.
pub fn parse(frame: &[u8]) -> Result<(Link, Repr), DropCause> {
    let frame = vlan::open(frame).map_err(|_| DropCause::Truncated)?;
    if frame.ethertype != ethernet::ARP {
        return Err(DropCause::NotOurs);
    }
    Ok((frame.link, Repr::read(frame.payload)?))
}
