//! Announcements: from these frames the switches learn at once where a station now is (rule 8).
//!
//! When a new instance becomes ACTIVE in `parallel`, the stations of one side are reached through
//! another switch port than a moment ago. Until a switch hears a frame *from* a station at the new
//! port it sends to the old one. So the new ACTIVE sends, for each MAC address known on one side,
//! one frame with that source address out of the other side.
//!
//! The frame is a RARP request-reverse (RFC 903: ethertype 0x8035, operation 3), the field's
//! practice: hypervisors announce a moved guest with the same frame (QEMU's `announce_self`, the
//! virtio-net driver's and ESXi's "notify switches"), because
//! - hosts ignore it: nobody serves RARP any more, so no ARP cache and no VIP is touched, which a
//!   gratuitous ARP would need an IP address for, and we know MAC addresses only;
//! - every switch learns from it, whatever it snoops: learning looks at the source address alone;
//! - it is broadcast, so the switches behind the switches learn as well.
//!
//! The minimum frame of 60 bytes leaves 18 bytes of padding behind the 42 of RARP. They carry a
//! trailer by which the gate of any Twinline instance knows such a frame and never forwards it: a
//! broadcast that crossed the other instance's still open gate would come back on the very side
//! whose switches it teaches, and teach them wrongly.
//!
//! Frames are sent untagged: a station behind a VLAN trunk is learnt by the switch in the port's
//! native VLAN only. [`is_announcement`] sees through up to two tags, since a switch may add them.

use crate::bytes::{get, put};
use crate::{Mac, ethernet};

mod field {
    use core::ops::Range;
    pub const HARDWARE_TYPE: Range<usize> = 14..16;
    pub const PROTOCOL_TYPE: Range<usize> = 16..18;
    pub const LENGTHS: Range<usize> = 18..20;
    pub const OPERATION: Range<usize> = 20..22;
    pub const SENDER_MAC: Range<usize> = 22..28;
    pub const TARGET_MAC: Range<usize> = 32..38;
    pub const MAGIC: Range<usize> = 42..50;
    pub const INSTANCE: Range<usize> = 50..52;
    pub const EPOCH: Range<usize> = 52..56;
}

/// Bytes of an announcement: the shortest Ethernet frame, without FCS.
pub const FRAME_LEN: usize = 60;
/// The start of the trailer, in the padding of the RARP frame.
pub const MAGIC: [u8; 8] = *b"TWINLINE";
/// RARP operation 3: request reverse.
const REQUEST_REVERSE: u16 = 3;
/// A frame may have gathered this many VLAN tags on its way.
const MAX_TAGS: usize = 2;

/// What an announcement says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announcement {
    /// The station announced.
    pub mac: Mac,
    /// The instance that sent it.
    pub instance: u16,
    /// The low 32 bits of that instance's takeover epoch.
    pub epoch: u32,
}

/// Writes the announcement of `mac` by `instance` in its takeover `epoch` (low 32 bits are sent).
pub fn emit(mac: Mac, instance: u16, epoch: u64, frame: &mut [u8; FRAME_LEN]) {
    *frame = [0; FRAME_LEN];
    let header = ethernet::Repr {
        destination: Mac::BROADCAST,
        source: mac,
        ethertype: ethernet::RARP,
    };
    // Sixty bytes always hold the header.
    let _ = header.emit(frame);
    put(frame, field::HARDWARE_TYPE, 1u16.to_be_bytes());
    put(frame, field::PROTOCOL_TYPE, ethernet::IPV4.to_be_bytes());
    put(frame, field::LENGTHS, [6, 4]);
    put(frame, field::OPERATION, REQUEST_REVERSE.to_be_bytes());
    put(frame, field::SENDER_MAC, mac.0);
    put(frame, field::TARGET_MAC, mac.0);
    put(frame, field::MAGIC, MAGIC);
    put(frame, field::INSTANCE, instance.to_be_bytes());
    put(frame, field::EPOCH, (epoch as u32).to_be_bytes());
}

/// Where the frame without its VLAN tags would start, or `None` if it is no announcement.
fn untagged(frame: &[u8]) -> Option<&[u8]> {
    let mut rest = frame;
    for _ in 0..=MAX_TAGS {
        match ethernet::Packet::new_checked(rest).ok()?.ethertype() {
            ethernet::RARP => {
                let whole = rest.len() >= field::EPOCH.end;
                return (whole && get::<8>(rest, field::MAGIC) == MAGIC).then_some(rest);
            }
            // The tag's four bytes stand in front of the ethertype: step over as many, and the
            // fields from the ethertype on are at their usual places (the addresses are not).
            ethernet::VLAN | ethernet::QINQ => rest = rest.get(4..)?,
            _ => return None,
        }
    }
    None
}

/// Whether a frame is an announcement, by ethertype and trailer. Any bytes are accepted.
///
/// This is no authentication: who forges one has it dropped at the gates, no more.
#[must_use]
pub fn is_announcement(frame: &[u8]) -> bool {
    untagged(frame).is_some()
}

/// Reads an announcement; `None` where [`is_announcement`] says no.
#[must_use]
pub fn parse(frame: &[u8]) -> Option<Announcement> {
    let frame = untagged(frame)?;
    Some(Announcement {
        mac: Mac(get(frame, field::SENDER_MAC)),
        instance: u16::from_be_bytes(get(frame, field::INSTANCE)),
        epoch: u32::from_be_bytes(get(frame, field::EPOCH)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STATION: Mac = Mac([0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0xee]);

    fn sample() -> [u8; FRAME_LEN] {
        let mut frame = [0xff; FRAME_LEN];
        emit(STATION, 7, 0x1_2345_6789, &mut frame);
        frame
    }

    #[rustfmt::skip]
    #[test]
    fn rule_08_announcement_is_byte_exact() {
        assert_eq!(sample(), [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0x80, 0x35,
            0x00, 0x01, 0x08, 0x00, 6, 4, 0x00, 0x03,
            0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0, 0, 0, 0,
            0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0, 0, 0, 0,
            b'T', b'W', b'I', b'N', b'L', b'I', b'N', b'E', 0, 7, 0x23, 0x45, 0x67, 0x89, 0, 0, 0, 0,
        ]);
    }

    #[test]
    fn rule_08_gates_know_an_announcement() {
        let frame = sample();
        let said = Announcement {
            mac: STATION,
            instance: 7,
            epoch: 0x2345_6789,
        };
        assert!(is_announcement(&frame));
        assert_eq!(parse(&frame), Some(said));
        for length in 0..FRAME_LEN {
            assert_eq!(is_announcement(&frame[..length]), length >= 56, "{length}");
        }

        let mut tagged = frame[..12].to_vec();
        tagged.extend([0x88, 0xa8, 0, 5, 0x81, 0x00, 0, 9]);
        tagged.extend(&frame[12..]);
        assert_eq!(parse(&tagged), Some(said));
        tagged.splice(12..12, [0x81, 0x00, 0, 1]);
        assert!(
            !is_announcement(&tagged),
            "three tags are more than a switch adds"
        );
    }

    #[test]
    fn rule_08_other_frames_are_not_announcements() {
        let mut plain_rarp = sample();
        plain_rarp[42..].fill(0);
        assert!(
            !is_announcement(&plain_rarp),
            "a hypervisor's own RARP passes"
        );
        let mut ipv4 = sample();
        ipv4[12..14].copy_from_slice(&[0x08, 0x00]);
        assert!(!is_announcement(&ipv4));
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..128)) {
            prop_assert_eq!(is_announcement(&bytes), parse(&bytes).is_some());
        }

        #[test]
        fn tags_and_garbage_are_judged_without_panic(
            tags in prop::collection::vec(prop_oneof![Just([0x81, 0x00]), Just([0x88, 0xa8])], 0..6),
            rest in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let mut frame = vec![0; 12];
            for tag in tags {
                frame.extend(tag);
                frame.extend([0, 1]);
            }
            frame.extend(rest);
            prop_assert_eq!(is_announcement(&frame), parse(&frame).is_some());
        }
    }
}
