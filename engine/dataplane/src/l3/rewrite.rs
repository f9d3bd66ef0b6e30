//! Makes a received frame the one to send: addresses, VLAN tag, TTL.

use super::parse::HEAD;
use dpdk::Mbuf;

const ETHERNET: usize = 14;
const TAGGED: usize = 18;
const TYPE_VLAN: [u8; 2] = [0x81, 0x00];
/// A frame is at least this long without FCS; padding up to here stays.
const SHORTEST: usize = 60;

/// Counts the TTL of an IPv4 header down by one and mends its checksum (RFC 1624, equation 3).
/// False, and nothing changed, if the header is cut short or the TTL is 0.
#[inline(always)]
pub fn decrement_ttl(packet: &mut [u8]) -> bool {
    let Some([.., ttl, _, c0, c1]) = packet.first_chunk_mut::<12>() else {
        return false;
    };
    if *ttl == 0 {
        return false;
    }
    *ttl -= 1;
    // HC' = ~(~HC + ~m + m'), where m' is m - 0x0100: ~m + m' is 0xfeff.
    let sum = u32::from(!u16::from_be_bytes([*c0, *c1])) + 0xfeff;
    let sum = (sum & 0xffff) + (sum >> 16);
    [*c0, *c1] = (!(sum as u16)).to_be_bytes();
    true
}

/// Counts the hop limit of an IPv6 header down by one. False, and nothing changed, if the header
/// is cut short or the hop limit is 0.
#[inline(always)]
pub fn decrement_hop_limit(packet: &mut [u8]) -> bool {
    match packet.first_chunk_mut::<8>() {
        Some([.., hops]) if *hops > 0 => {
            *hops -= 1;
            true
        }
        _ => false,
    }
}

/// A source address, split as the short way writes it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source {
    /// Its first two bytes, at the end of a frame's first eight.
    first: u64,
    /// The other four.
    rest: u32,
}

impl Source {
    /// Of an address in the low 48 bits.
    pub(super) const fn new(mac: u64) -> Self {
        Self {
            first: mac << 48,
            rest: (mac >> 16) as u32,
        }
    }
}

/// The short way: new addresses and a lower TTL for an IPv4 packet without tag and options, whose
/// TTL is at least 1.
#[inline(always)]
pub(super) fn plain(head: &mut [u8; HEAD], to: u64, from: Source) {
    if let Some(place) = head.first_chunk_mut::<8>() {
        *place = (to | from.first).to_le_bytes();
    }
    if let Some(place) = head.get_mut(8..12) {
        place.copy_from_slice(&from.rest.to_le_bytes());
    }
    if let Some(place) = head
        .get_mut(22..)
        .and_then(|rest| rest.first_chunk_mut::<4>())
    {
        *place = count_down(u32::from_le_bytes(*place)).to_le_bytes();
    }
}

/// TTL (at least 1), protocol and checksum as one little-endian word, counted down: what
/// [`decrement_ttl`] does. In this order of bytes the TTL is the low byte of its 16-bit word, and
/// the checksum grows by one; by two where that would be 0xffff or over (RFC 1624, equation 3).
#[inline(always)]
fn count_down(word: u32) -> u32 {
    let next = word.wrapping_add(0xffff);
    if word < 0xfffe_0000 {
        next
    } else {
        count_over(next)
    }
}

/// Once in 32,768 packets: a branch, so that the others need not compute it.
#[cold]
#[inline(never)]
fn count_over(next: u32) -> u32 {
    next.wrapping_add(0x1_0000)
}

/// The Ethernet header of a frame to send.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    /// Destination and source: the low 48 bits.
    pub to: u64,
    pub from: u64,
    /// The tag to send with.
    pub vlan: Option<u16>,
}

/// Writes both addresses over the first twelve bytes.
#[inline(always)]
fn addresses(frame: &mut [u8], header: Header) -> bool {
    let Some(place) = frame.first_chunk_mut::<12>() else {
        return false;
    };
    let both = u128::from(header.to) | u128::from(header.from) << 48;
    let bytes = both.to_le_bytes();
    if let Some(bytes) = bytes.first_chunk::<12>() {
        *place = *bytes;
    }
    true
}

/// Gives a frame, whose L3 header begins at `l3` (14 or 18), its new Ethernet header. False if
/// there is no room for a tag.
#[inline(always)]
pub(super) fn ethernet(mbuf: &mut Mbuf, l3: usize, header: Header) -> bool {
    if l3 == ETHERNET && header.vlan.is_none() {
        return addresses(mbuf.data_mut(), header);
    }
    with_tag(mbuf, l3, header)
}

/// The three cases in which a tag comes, goes or changes.
#[inline(never)]
fn with_tag(mbuf: &mut Mbuf, l3: usize, header: Header) -> bool {
    let tagged = l3 == TAGGED;
    let made = match (tagged, header.vlan) {
        (false, Some(_)) => mbuf.prepend(&[0; 4]),
        // The EtherType before L3 stays where it is: it ends the new header as it did the old.
        (true, None) => mbuf.trim_front(4),
        _ => Ok(()),
    };
    if made.is_err() {
        return false;
    }
    if let Some(vlan) = header.vlan {
        let Some(tag) = mbuf.data_mut().get_mut(12..16) else {
            return false;
        };
        let [t0, t1] = (vlan & 0xfff).to_be_bytes();
        let [v0, v1] = TYPE_VLAN;
        tag.copy_from_slice(&[v0, v1, t0, t1]);
    }
    addresses(mbuf.data_mut(), header)
}

/// Cuts off what lies behind the packet of `size` bytes at `l3`, down to a frame of 60 bytes: a
/// trailer would make the frame longer than the outgoing MTU allows.
#[inline(always)]
pub(super) fn trailer(mbuf: &mut Mbuf, l3: usize, size: u16) {
    let frame = mbuf.data().len();
    let wanted = (l3 + usize::from(size)).max(SHORTEST + (l3 - ETHERNET));
    if frame > wanted {
        cut(mbuf, frame - wanted);
    }
}

#[cold]
#[inline(never)]
fn cut(mbuf: &mut Mbuf, count: usize) {
    // A frame in several segments keeps its trailer.
    let _ = mbuf.trim(count);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn checksum(header: &[u8]) -> u16 {
        let mut sum: u32 = header
            .chunks_exact(2)
            .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
            .sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }

    proptest! {
        /// RFC 1624: the incremental update gives what a whole new sum gives, also at the corners.
        #[test]
        fn the_mended_checksum_is_the_new_one(mut header: [u8; 20]) {
            prop_assume!(header[8] > 0);
            header[10..12].fill(0);
            let sum = checksum(&header);
            header[10..12].copy_from_slice(&sum.to_be_bytes());
            let ttl = header[8];
            prop_assert!(decrement_ttl(&mut header));
            prop_assert_eq!(header[8], ttl - 1);
            prop_assert_eq!(checksum(&header), 0, "it verifies");
            let written = [header[10], header[11]];
            header[10..12].fill(0);
            prop_assert_eq!(u16::from_be_bytes(written), checksum(&header));
        }
    }

    /// Every checksum that a header with this TTL can have: the corners among them.
    #[test]
    fn every_checksum_is_mended() {
        for id in 0..=u16::MAX {
            let mut header = [
                0x45, 0, 0, 20, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
            ];
            header[4..6].copy_from_slice(&id.to_be_bytes());
            let sum = checksum(&header);
            header[10..12].copy_from_slice(&sum.to_be_bytes());
            assert!(decrement_ttl(&mut header));
            assert_eq!(checksum(&header), 0, "{id:#x}");
        }
    }

    /// Both ways of counting down give the same for every TTL at the corners, and every checksum.
    #[test]
    fn one_word_is_counted_down_as_the_bytes_are() {
        for ttl in [1u8, 2, 64, 128, 255] {
            for sum in 0..=u16::MAX {
                let mut header = [0x45; 12];
                header[8] = ttl;
                header[10..12].copy_from_slice(&sum.to_be_bytes());
                let word = u32::from_le_bytes(header[8..12].try_into().unwrap());
                assert!(decrement_ttl(&mut header));
                assert_eq!(
                    count_down(word).to_le_bytes(),
                    header[8..12],
                    "{ttl} {sum:#x}"
                );
            }
        }
    }

    #[test]
    fn the_short_way_changes_the_addresses_and_the_life_alone() {
        let mut frame: Vec<u8> = (100..160).collect();
        let before = frame.clone();
        let head = frame.first_chunk_mut().unwrap();
        plain(head, 0x0605_0403_0201, Source::new(0x1615_1413_1211));
        assert_eq!(frame[..6], [1, 2, 3, 4, 5, 6]);
        assert_eq!(frame[6..12], [0x11, 0x12, 0x13, 0x14, 0x15, 0x16]);
        assert_eq!(frame[12..22], before[12..22]);
        assert_eq!(frame[22], before[22] - 1);
        assert_eq!(frame[26..], before[26..]);
    }

    #[test]
    fn a_life_of_zero_and_a_short_header_are_left_alone() {
        let mut header = [0; 20];
        assert!(!decrement_ttl(&mut header));
        assert!(!decrement_hop_limit(&mut header));
        assert_eq!(header, [0; 20]);
        assert!(!decrement_ttl(&mut [64; 11]));
        assert!(!decrement_hop_limit(&mut [64; 7]));
        let mut header = [9; 40];
        assert!(decrement_hop_limit(&mut header));
        assert_eq!((header[7], header[8]), (8, 9));
    }
}
