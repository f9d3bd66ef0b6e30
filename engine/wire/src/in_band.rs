//! In-band heartbeats: the second path, over the data ports (rule 12).
//!
//! The frame is Ethernet, at most one VLAN tag of ours, and the payload of
//! [`crate::heartbeat`], without IP and UDP: data ports have no address, and a frame of this
//! ethertype is nothing that a host takes for its own. 0x88b5 is IEEE 802's "local experimental
//! ethertype 1" (IEEE Std 802-2014, 9.2.4): switches carry it like any other.
//!
//! As long as the peer's port is not known, frames go to [`GROUP`], a locally administered group
//! that no host listens to; afterwards to the port's own address. So switches flood one frame now
//! and then, and the instances' frames go from port to port otherwise. Bridges do carry the group:
//! it is none of the link-local ones (01:80:c2:00:00:0x) that stop at the first of them.

use crate::bytes::get;
use crate::{Mac, ethernet};

/// IEEE 802 local experimental ethertype 1.
pub const ETHERTYPE: u16 = 0x88b5;
/// Where frames go while the peer's port is not known: `T`, `W`, `L`, `H`, `B` under a locally
/// administered group prefix.
pub const GROUP: Mac = Mac([0x03, 0x54, 0x57, 0x4c, 0x48, 0x42]);
/// Bytes of the longest header.
pub const MAX_HEADER_LEN: usize = ethernet::HEADER_LEN + TAG_LEN;

const TAG_LEN: usize = 4;
/// A frame may have gathered this many VLAN tags on its way.
const MAX_TAGS: usize = 2;
/// What a heartbeat's payload begins with.
const MAGIC: [u8; 4] = *b"TWNL";
/// The payload's own length, tag included.
const STATED: core::ops::Range<usize> = 6..8;

/// Writes the header to the start of `frame`, with a tag when `vlan` is not 0 (1 to 4094, its low
/// 12 bits are sent); the header's length, or `None` when `frame` is too short.
pub fn emit_header(destination: Mac, source: Mac, vlan: u16, frame: &mut [u8]) -> Option<usize> {
    let tagged = vlan != 0;
    let header = ethernet::Repr {
        destination,
        source,
        ethertype: if tagged { ethernet::VLAN } else { ETHERTYPE },
    };
    header.emit(frame).ok()?;
    if !tagged {
        return Some(ethernet::HEADER_LEN);
    }
    let tag = frame.get_mut(ethernet::HEADER_LEN..MAX_HEADER_LEN)?;
    let [a, b] = (vlan & 0xfff).to_be_bytes();
    let [c, d] = ETHERTYPE.to_be_bytes();
    tag.copy_from_slice(&[a, b, c, d]);
    Some(MAX_HEADER_LEN)
}

/// The sender's port and the payload, without padding; `None` when this is no in-band heartbeat.
/// Any bytes are accepted. It is no authentication: the payload's own tag is.
#[must_use]
pub fn payload(frame: &[u8]) -> Option<(Mac, &[u8])> {
    let source = ethernet::Packet::new_checked(frame).ok()?.source();
    let mut rest = frame;
    for _ in 0..=MAX_TAGS {
        let packet = ethernet::Packet::new_checked(rest).ok()?;
        match packet.ethertype() {
            ETHERTYPE => {
                let bytes = rest.get(ethernet::HEADER_LEN..)?;
                if bytes.get(..MAGIC.len())? != MAGIC || bytes.len() < STATED.end {
                    return None;
                }
                let stated = usize::from(u16::from_be_bytes(get(bytes, STATED)));
                return Some((source, bytes.get(..stated)?));
            }
            // As in an announcement: from the ethertype on the fields are at their usual places.
            ethernet::VLAN | ethernet::QINQ => rest = rest.get(TAG_LEN..)?,
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PORT: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const PAYLOAD: [u8; 12] = *b"TWNL\x02\x01\x00\x0cabcd";

    fn frame(vlan: u16) -> Vec<u8> {
        let mut frame = vec![0; MAX_HEADER_LEN];
        let length = emit_header(GROUP, PORT, vlan, &mut frame).unwrap();
        frame.truncate(length);
        frame.extend(PAYLOAD);
        frame
    }

    #[rustfmt::skip]
    #[test]
    fn rule_12_the_header_is_byte_exact() {
        assert_eq!(frame(0)[..14], [
            0x03, 0x54, 0x57, 0x4c, 0x48, 0x42, 2, 0, 0, 0, 0, 1, 0x88, 0xb5,
        ]);
        assert_eq!(frame(4094)[..18], [
            0x03, 0x54, 0x57, 0x4c, 0x48, 0x42, 2, 0, 0, 0, 0, 1, 0x81, 0x00, 0x0f, 0xfe, 0x88, 0xb5,
        ]);
        assert!(GROUP.is_group());
        assert_eq!(emit_header(GROUP, PORT, 1, &mut [0; 17]), None);
        assert_eq!(emit_header(GROUP, PORT, 0, &mut [0; 13]), None);
    }

    #[test]
    fn rule_12_a_payload_is_found_behind_tags_and_without_its_padding() {
        for vlan in [0, 7] {
            let mut padded = frame(vlan);
            assert_eq!(payload(&padded), Some((PORT, PAYLOAD.as_slice())));
            padded.resize(60, 0);
            assert_eq!(payload(&padded), Some((PORT, PAYLOAD.as_slice())));
        }
        let mut tagged = frame(7);
        tagged.splice(12..12, [0x88, 0xa8, 0, 5]);
        assert_eq!(payload(&tagged), Some((PORT, PAYLOAD.as_slice())));
        tagged.splice(12..12, [0x81, 0x00, 0, 5]);
        assert_eq!(payload(&tagged), None, "three tags");
    }

    #[test]
    fn rule_12_what_is_cut_or_foreign_is_none() {
        let whole = frame(0);
        for length in 0..whole.len() {
            assert_eq!(payload(&whole[..length]), None, "{length}");
        }
        for at in [12, 13, 14, 17] {
            let mut other = whole.clone();
            other[at] ^= 1;
            assert_eq!(payload(&other), None, "byte {at}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged_without_panic(
            head in prop::collection::vec(any::<u8>(), 12),
            tags in prop::collection::vec(prop_oneof![Just([0x81, 0]), Just([0x88, 0xa8])], 0..4),
            rest in prop::collection::vec(any::<u8>(), 0..64),
            ours in any::<bool>(),
        ) {
            let mut frame = head;
            for tag in tags {
                frame.extend(tag);
                frame.extend([0, 1]);
            }
            if ours {
                frame.extend([0x88, 0xb5]);
                frame.extend(MAGIC);
            }
            frame.extend(rest);
            if let Some((_, found)) = payload(&frame) {
                prop_assert!(found.len() <= frame.len());
            }
        }
    }
}
