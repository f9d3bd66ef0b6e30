//! Ethernet frames with at most one 802.1Q tag: what an interface of a virtual router, a port and
//! perhaps a VLAN on it, sends and receives.

use crate::bytes::get;
use crate::{Error, Mac, ethernet};

/// Bytes of a tag.
pub const TAG_LEN: usize = 4;
/// Bytes of the longest header.
pub const MAX_HEADER_LEN: usize = ethernet::HEADER_LEN + TAG_LEN;

const VID: u16 = 0x0fff;

/// From where to where a frame goes, and in which VLAN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Where it goes.
    pub destination: Mac,
    /// Who sends it.
    pub source: Mac,
    /// The VLAN, 1 to 4094; 0 for a frame without a tag, or with one that names priority only.
    pub vlan: u16,
}

impl Link {
    /// Writes the header to the start of `frame`, with a tag when the VLAN is not 0; returns its
    /// length.
    ///
    /// # Errors
    /// [`Error::Truncated`] when `frame` is too short for it.
    pub fn emit(&self, ethertype: u16, frame: &mut [u8]) -> Result<usize, Error> {
        let tagged = self.vlan & VID != 0;
        let header = ethernet::Repr {
            destination: self.destination,
            source: self.source,
            ethertype: if tagged { ethernet::VLAN } else { ethertype },
        };
        header.emit(frame)?;
        if !tagged {
            return Ok(ethernet::HEADER_LEN);
        }
        let tag = frame
            .get_mut(ethernet::HEADER_LEN..MAX_HEADER_LEN)
            .ok_or(Error::Truncated)?;
        let [a, b] = (self.vlan & VID).to_be_bytes();
        let [c, d] = ethertype.to_be_bytes();
        tag.copy_from_slice(&[a, b, c, d]);
        Ok(MAX_HEADER_LEN)
    }
}

/// A frame, opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// From where to where, in which VLAN.
    pub link: Link,
    /// What the payload is.
    pub ethertype: u16,
    /// What follows the header, padding included.
    pub payload: &'a [u8],
}

/// Opens a frame: its addresses, and what is behind at most one 802.1Q tag. A second tag is left
/// as the ethertype of what follows.
///
/// # Errors
/// [`Error::Truncated`] when the frame is shorter than its header.
pub fn open(frame: &[u8]) -> Result<Frame<'_>, Error> {
    let outer = ethernet::Packet::new_checked(frame)?;
    let link = Link {
        destination: outer.destination(),
        source: outer.source(),
        vlan: 0,
    };
    let behind = frame.get(ethernet::HEADER_LEN..).unwrap_or_default();
    if outer.ethertype() != ethernet::VLAN {
        return Ok(Frame {
            link,
            ethertype: outer.ethertype(),
            payload: behind,
        });
    }
    if behind.len() < TAG_LEN {
        return Err(Error::Truncated);
    }
    Ok(Frame {
        link: Link {
            vlan: u16::from_be_bytes(get(behind, 0..2)) & VID,
            ..link
        },
        ethertype: u16::from_be_bytes(get(behind, 2..4)),
        payload: behind.get(TAG_LEN..).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn link(vlan: u16) -> Link {
        Link {
            destination: Mac::BROADCAST,
            source: Mac([2, 0, 0, 0, 0, 1]),
            vlan,
        }
    }

    #[test]
    fn what_is_emitted_is_opened() {
        for vlan in [0, 1, 4094] {
            let mut frame = [0; 20];
            let length = link(vlan).emit(ethernet::ARP, &mut frame).unwrap();
            assert_eq!(length, if vlan == 0 { 14 } else { 18 });
            let opened = open(&frame).unwrap();
            assert_eq!((opened.link, opened.ethertype), (link(vlan), ethernet::ARP));
            assert_eq!(opened.payload.len(), 20 - length);
        }
        assert_eq!(link(0).emit(1, &mut [0; 13]), Err(Error::Truncated));
        assert_eq!(link(1).emit(1, &mut [0; 17]), Err(Error::Truncated));
    }

    #[test]
    fn a_tag_of_priority_only_is_no_vlan() {
        let mut frame = [0; 18];
        link(1).emit(ethernet::IPV6, &mut frame).unwrap();
        frame[14..16].copy_from_slice(&[0xe0, 0]);
        assert_eq!(open(&frame).unwrap().link.vlan, 0);
    }

    proptest! {
        #[test]
        fn any_bytes_are_opened_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..40), tag in any::<bool>()) {
            let mut bytes = bytes;
            if tag && bytes.len() >= 14 {
                bytes[12..14].copy_from_slice(&[0x81, 0]);
            }
            match open(&bytes) {
                Ok(frame) => prop_assert!(frame.payload.len() <= bytes.len() - 14),
                Err(error) => {
                    prop_assert_eq!(error, Error::Truncated);
                    prop_assert!(bytes.len() < 18);
                }
            }
        }
    }
}
