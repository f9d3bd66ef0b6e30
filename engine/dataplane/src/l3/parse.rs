//! Reads a frame of an L3 port: is it for us, on which interface, is its IP header sound. Nothing
//! is decided here that a forwarding table has to say.

use super::counters::{L3Drop, L3Punt};
use super::tables::{Held, mac_word};
use crate::MacBytes;

/// No interface has this number.
pub(super) const NO_INTERFACE: u16 = u16::MAX;
const VLANS: usize = 4096;
/// Six bytes of eight.
const MAC_BITS: u64 = 0xffff_ffff_ffff;
/// The bit of a destination's first byte that says group.
const GROUP_BIT: u64 = 1;

const ETHERNET: usize = 14;
const TAGGED: usize = 18;
/// A frame is at least this long without FCS.
const SHORTEST: usize = 60;
const IPV4_HEADER: usize = 20;
const IPV6_HEADER: usize = 40;
const TYPE_IPV4: u16 = 0x0800;
const TYPE_ARP: u16 = 0x0806;
const TYPE_VLAN: u16 = 0x8100;
const TYPE_IPV6: u16 = 0x86dd;
/// RFC 9568 section 5.1.1.4, 5.1.2.4.
const PROTOCOL_VRRP: u8 = 112;
const PROTOCOL_ICMPV6: u8 = 58;
const HOP_BY_HOP: u8 = 0;

/// What a port knows of itself: its address and its interfaces.
#[derive(Debug)]
pub(super) struct PortView {
    own: u64,
    untagged: u16,
    vlans: Box<[u16; VLANS]>,
}

impl PortView {
    /// A port of the address `mac` with (VLAN, interface number) pairs.
    pub(super) fn new(mac: MacBytes, interfaces: impl Iterator<Item = (Option<u16>, u16)>) -> Self {
        let mut view = Self {
            own: mac_word(mac),
            untagged: NO_INTERFACE,
            vlans: Box::new([NO_INTERFACE; VLANS]),
        };
        for (vlan, interface) in interfaces {
            match vlan {
                None | Some(0) => view.untagged = interface,
                Some(vlan) => {
                    if let Some(place) = view.vlans.get_mut(usize::from(vlan)) {
                        *place = interface;
                    }
                }
            }
        }
        view
    }

    #[inline(always)]
    fn of_tag(&self, tag: u16) -> u16 {
        match tag & 0xfff {
            // Only a priority (IEEE 802.1Q, priority-tagged): the untagged interface's.
            0 => self.untagged,
            vlan => self
                .vlans
                .get(usize::from(vlan))
                .copied()
                .unwrap_or(NO_INTERFACE),
        }
    }
}

/// What becomes of a frame, as far as reading it can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// An IPv4 packet to look up.
    V4,
    /// An IPv6 packet to look up.
    V6,
    Drop(L3Drop),
    Punt(L3Punt),
}

/// A frame that was read the long way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub fate: Fate,
    /// The destination of an IPv4 packet.
    pub to4: u32,
    /// The interface that it came in on.
    pub interface: u16,
    /// Where L3 begins.
    pub l3: u8,
    /// It came to a virtual MAC: only an open gate and a lease carry it on.
    pub to_virtual: bool,
    /// TTL or hop limit.
    pub life: u8,
    /// The packet's length, by its header.
    pub size: u16,
    /// IPv4 options, or an IPv6 hop-by-hop header.
    pub options: bool,
    /// Must not be fragmented: IPv6, or DF.
    pub whole: bool,
    /// The source is link-local (IPv6): never forwarded.
    pub from_link_local: bool,
    /// What it is punted for if it is for this host.
    pub local: L3Punt,
}

impl Seen {
    pub(super) const NOTHING: Self = Self {
        fate: Fate::Drop(L3Drop::Truncated),
        to4: 0,
        interface: NO_INTERFACE,
        l3: ETHERNET as u8,
        to_virtual: false,
        life: 0,
        size: 0,
        options: false,
        whole: true,
        from_link_local: false,
        local: L3Punt::Local,
    };
}

#[inline(always)]
fn word16(bytes: &[u8], at: usize) -> Option<u16> {
    let [high, low] = *bytes.get(at..)?.first_chunk::<2>()?;
    Some(u16::from_be_bytes([high, low]))
}

/// The addresses for which the short way takes a port's frames, during one burst: the port's own,
/// and the virtual MAC that was last found to be held on its untagged interface.
///
/// Addresses are the first word of a frame without its two bytes of the source, shifted out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stations {
    own: u64,
    /// The virtual MAC.
    held: u64,
}

impl Stations {
    /// No shifted address has these bits.
    const NO_OWN: u64 = 1;
    const NO_HELD: u64 = 2;

    /// For a burst of a port; `last` is the virtual MAC that the burst before ended with.
    #[inline(always)]
    pub(super) fn new(port: &PortView, last: u64, held: &Held) -> Self {
        let mut stations = Self {
            own: Self::NO_OWN,
            held: Self::NO_HELD,
        };
        if port.untagged != NO_INTERFACE {
            stations.own = port.own << 16;
            if held.holds(port.untagged, last) {
                stations.add(last);
            }
        }
        stations
    }

    /// Takes frames to this virtual MAC from here on, instead of another.
    #[inline(always)]
    pub(super) const fn add(&mut self, held: u64) {
        self.held = held << 16;
    }

    /// Whether a frame that begins with `word` is for one of them.
    #[inline(always)]
    const fn take(self, word: u64) -> bool {
        let to = word << 16;
        to == self.held || to == self.own
    }
}

/// The first bytes of a frame as numbers.
#[inline(always)]
fn u64_at<const AT: usize>(head: &[u8; HEAD]) -> u64 {
    let part = head.get(AT..).and_then(|rest| rest.first_chunk::<8>());
    part.map_or(0, |part| u64::from_le_bytes(*part))
}

#[inline(always)]
fn u16_at<const AT: usize>(head: &[u8; HEAD]) -> u16 {
    let part = head.get(AT..).and_then(|rest| rest.first_chunk::<2>());
    part.map_or(0, |part| u16::from_le_bytes(*part))
}

#[inline(always)]
fn u32_at<const AT: usize>(head: &[u8; HEAD]) -> u32 {
    let part = head.get(AT..).and_then(|rest| rest.first_chunk::<4>());
    part.map_or(0, |part| u32::from_le_bytes(*part))
}

/// [`is_martian4`] by an address's first byte.
static MARTIAN4: [bool; 256] = {
    let mut table = [false; 256];
    let mut rest: &mut [bool] = &mut table;
    let mut first = 0u32;
    while let Some((place, others)) = rest.split_first_mut() {
        *place = is_martian4(first << 24);
        first += 1;
        rest = others;
    }
    table
};

/// A packet of the short way: its destination, and its length by its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plain {
    pub to: u32,
    pub size: u16,
}

/// Bytes of a frame that the short way looks at: the Ethernet header and one of IPv4.
pub(super) const HEAD: usize = ETHERNET + IPV4_HEADER;

/// The short way: a sound IPv4 packet without tag, options and trailer, to an address of ours,
/// with a TTL of more than 1. `None`: anything else, which [`read`] takes apart. `head` begins a
/// frame of `length` bytes.
#[inline(always)]
pub(super) fn plain(head: &[u8; HEAD], length: usize, stations: Stations) -> Option<Plain> {
    if !stations.take(u64_at::<0>(head)) {
        return None;
    }
    let (first, second, to) = (u64_at::<14>(head), u64_at::<22>(head), u32_at::<30>(head));
    // EtherType; version and header length.
    if u16_at::<12>(head) != 0x0008 || first as u8 != 0x45 {
        return None;
    }
    let size = ((first >> 16) as u16).swap_bytes();
    let end = usize::from(size) + ETHERNET;
    // Padding up to the shortest frame is no trailer.
    if end != length && (length > SHORTEST || end < head.len() || end > length) {
        return None;
    }
    if second as u8 <= 1 {
        return None;
    }
    // The ones' complement sum in words of eight bytes, whatever their order (RFC 1071 section 2):
    // 2^64 is 1 modulo 0xffff. It is not zero, as the version is not.
    let (sum, carry) = first.overflowing_add(second);
    let (sum, again) = sum.overflowing_add(u64::from(to) + u64::from(carry));
    let sum = sum.wrapping_add(u64::from(again));
    if sum % 0xffff != 0 {
        return None;
    }
    let martian = |first: u8| MARTIAN4.get(usize::from(first)).copied().unwrap_or(true);
    if martian((second >> 32) as u8) | martian(to as u8) {
        return None;
    }
    Some(Plain {
        to: to.swap_bytes(),
        size,
    })
}

/// Reads any frame that came in on a port.
#[inline(never)]
pub(super) fn read(frame: &[u8], port: &PortView, held: &Held) -> Seen {
    let mut seen = Seen::NOTHING;
    seen.fate = match classify(frame, port, held, &mut seen) {
        Ok(fate) => fate,
        Err(cause) => Fate::Drop(cause),
    };
    seen
}

/// The virtual MAC to which a frame came, if that is held by the port's untagged interface.
#[inline(always)]
pub(super) fn held_address(frame: &[u8], seen: &Seen, port: &PortView) -> Option<u64> {
    let first = frame.first_chunk::<8>()?;
    (seen.to_virtual && seen.interface == port.untagged)
        .then(|| u64::from_le_bytes(*first) & MAC_BITS)
}

#[inline(always)]
fn classify(frame: &[u8], port: &PortView, held: &Held, seen: &mut Seen) -> Result<Fate, L3Drop> {
    let head = frame.first_chunk::<ETHERNET>().ok_or(L3Drop::Truncated)?;
    let [a, b, c, d, e, f, g, h, .., t0, t1] = *head;
    let destination = u64::from_le_bytes([a, b, c, d, e, f, g, h]) & MAC_BITS;
    let mut kind = u16::from_be_bytes([t0, t1]);
    seen.interface = port.untagged;
    let mut packet = frame.get(ETHERNET..).ok_or(L3Drop::Truncated)?;
    if kind == TYPE_VLAN {
        let tag = word16(packet, 0).ok_or(L3Drop::Truncated)?;
        kind = word16(packet, 2).ok_or(L3Drop::Truncated)?;
        packet = packet.get(4..).ok_or(L3Drop::Truncated)?;
        seen.interface = port.of_tag(tag);
        seen.l3 = TAGGED as u8;
    }
    if seen.interface == NO_INTERFACE {
        return Err(L3Drop::NoInterface);
    }
    if destination != port.own {
        if destination & GROUP_BIT != 0 {
            return group(kind, packet);
        }
        if !held.holds(seen.interface, destination) {
            return Err(L3Drop::NotForUs);
        }
        seen.to_virtual = true;
    }
    match kind {
        TYPE_IPV4 => ipv4(packet, seen),
        TYPE_IPV6 => ipv6(packet, seen),
        TYPE_ARP => Ok(Fate::Punt(L3Punt::Arp)),
        _ => Err(L3Drop::EtherType),
    }
}

/// A frame to a group address: only what the protocols of the link need.
#[cold]
#[inline(never)]
fn group(kind: u16, packet: &[u8]) -> Result<Fate, L3Drop> {
    let reason = match kind {
        TYPE_ARP => L3Punt::Arp,
        TYPE_IPV4 => {
            let header = packet.first_chunk::<IPV4_HEADER>();
            let header = header.ok_or(L3Drop::Truncated)?;
            let [.., protocol, _, _, _, _, _, _, a, b, c, _] = *header;
            match ([a, b, c], protocol) {
                ([224, 0, 0], PROTOCOL_VRRP) => L3Punt::Vrrp,
                ([224, 0, 0], _) => L3Punt::LinkScope,
                _ => return Err(L3Drop::Group),
            }
        }
        TYPE_IPV6 => {
            let header = packet.first_chunk::<IPV6_HEADER>();
            let header = header.ok_or(L3Drop::Truncated)?;
            let [.., a, b, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = *header;
            if (a, b & 0x0f) != (0xff, 0x02) {
                return Err(L3Drop::Group);
            }
            match for_this_host(next_header(header), packet) {
                L3Punt::Local => L3Punt::LinkScope,
                reason => reason,
            }
        }
        _ => return Err(L3Drop::Group),
    };
    Ok(Fate::Punt(reason))
}

#[inline(always)]
fn next_header(header: &[u8; IPV6_HEADER]) -> u8 {
    let [_, _, _, _, _, _, next, ..] = *header;
    next
}

/// What an IPv6 packet for this host is punted for.
#[inline(always)]
fn for_this_host(next: u8, packet: &[u8]) -> L3Punt {
    match next {
        PROTOCOL_VRRP => L3Punt::Vrrp,
        // RFC 4861 section 4: 133 to 137.
        PROTOCOL_ICMPV6 if matches!(packet.get(IPV6_HEADER), Some(133..=137)) => L3Punt::Neighbour,
        _ => L3Punt::Local,
    }
}

/// Addresses that are no source: "this network", loopback, multicast, class E and broadcast.
#[inline(always)]
const fn is_martian4(address: u32) -> bool {
    matches!((address >> 24) as u8, 0 | 127 | 224..)
}

#[inline(always)]
fn ipv4(packet: &[u8], seen: &mut Seen) -> Result<Fate, L3Drop> {
    let header = packet
        .first_chunk::<IPV4_HEADER>()
        .ok_or(L3Drop::Truncated)?;
    let words = |at: usize| -> u64 {
        // Constant places within twenty bytes: the compiler drops the test.
        let part = header.get(at..).and_then(|rest| rest.first_chunk::<4>());
        part.map_or(0, |part| u64::from(u32::from_ne_bytes(*part)))
    };
    let [
        version,
        _,
        t0,
        t1,
        _,
        _,
        fragment,
        _,
        life,
        protocol,
        _,
        _,
        s0,
        s1,
        s2,
        s3,
        d0,
        d1,
        d2,
        d3,
    ] = *header;
    let size = u16::from_be_bytes([t0, t1]);
    // The ones' complement sum does not mind the order of the bytes (RFC 1071 section 2.B).
    let mut sum = words(0) + words(4) + words(8) + words(12) + words(16);
    let mut header_bytes = IPV4_HEADER;
    if version != 0x45 {
        header_bytes = usize::from(version & 0x0f) * 4;
        if version >> 4 != 4 || header_bytes < IPV4_HEADER {
            return Err(L3Drop::Header);
        }
        let options = packet.get(IPV4_HEADER..header_bytes);
        for part in options.ok_or(L3Drop::Truncated)?.chunks_exact(4) {
            let part = part.first_chunk::<4>();
            sum += part.map_or(0, |part| u64::from(u32::from_ne_bytes(*part)));
        }
        seen.options = true;
    }
    if usize::from(size) < header_bytes {
        return Err(L3Drop::Header);
    }
    if usize::from(size) > packet.len() {
        return Err(L3Drop::Truncated);
    }
    // At most fifteen words: two folds to 32 bits would be one too many, then two to 16.
    let sum = (sum >> 32) + (sum & 0xffff_ffff);
    let sum = (sum >> 32) + (sum & 0xffff_ffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    if sum != 0xffff {
        return Err(L3Drop::Checksum);
    }
    let from = u32::from_be_bytes([s0, s1, s2, s3]);
    let to = u32::from_be_bytes([d0, d1, d2, d3]);
    // A unicast frame to a group is a martian as well (RFC 1122 section 3.3.6 the other way).
    if is_martian4(from) | is_martian4(to) {
        return Err(L3Drop::Martian);
    }
    seen.size = size;
    seen.life = life;
    seen.whole = fragment & 0x40 != 0;
    if protocol == PROTOCOL_VRRP {
        seen.local = L3Punt::Vrrp;
    }
    seen.to4 = to;
    Ok(Fate::V4)
}

/// The destination of an IPv6 packet that was read as sound.
#[inline(always)]
pub(super) fn destination6(frame: &[u8], l3: u8) -> Option<[u8; 16]> {
    let header = frame.get(usize::from(l3)..)?.first_chunk::<IPV6_HEADER>()?;
    header.last_chunk::<16>().copied()
}

/// Addresses that must not be in a unicast packet: unspecified, loopback, multicast.
#[inline(always)]
const fn is_martian6(address: [u8; 16]) -> bool {
    let number = u128::from_be_bytes(address);
    number <= 1 || number >> 120 == 0xff
}

/// fe80::/10.
#[inline(always)]
const fn is_link_local(address: [u8; 16]) -> bool {
    u128::from_be_bytes(address) >> 118 == 0xfe80 >> 6
}

#[inline(always)]
fn ipv6(packet: &[u8], seen: &mut Seen) -> Result<Fate, L3Drop> {
    let header = packet
        .first_chunk::<IPV6_HEADER>()
        .ok_or(L3Drop::Truncated)?;
    let [version, _, _, _, p0, p1, next, life, ..] = *header;
    if version >> 4 != 6 {
        return Err(L3Drop::Header);
    }
    let payload = u16::from_be_bytes([p0, p1]);
    let size = usize::from(payload) + IPV6_HEADER;
    if size > packet.len() {
        return Err(L3Drop::Truncated);
    }
    let addresses = header.last_chunk::<32>().ok_or(L3Drop::Truncated)?;
    let from = addresses.first_chunk::<16>().ok_or(L3Drop::Truncated)?;
    let to = addresses.last_chunk::<16>().ok_or(L3Drop::Truncated)?;
    if is_martian6(*from) | is_martian6(*to) {
        return Err(L3Drop::Martian);
    }
    seen.local = for_this_host(next, packet);
    if is_link_local(*to) {
        // Never forwarded (RFC 4291 section 2.5.6); whose it is, the management core knows.
        return Ok(Fate::Punt(seen.local));
    }
    // 65,575 at most, which no frame here is.
    seen.size = u16::try_from(size).unwrap_or(u16::MAX);
    seen.life = life;
    seen.options = next == HOP_BY_HOP;
    seen.from_link_local = is_link_local(*from);
    Ok(Fate::V6)
}
