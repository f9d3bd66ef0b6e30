use core::net::Ipv4Addr;

use super::auth::TAG_LEN;
use super::{
    Auth, DropCause, Heartbeat, KeyUsed, MacChunk, NeighbourChunk, StackName, body, mac_chunk,
    neighbour_chunk,
};
use crate::bytes::{Reader, Writer, put};
use crate::{Error, Mac, ethernet, ipv4, udp};

const MAGIC: [u8; 4] = *b"TWNL";
const VERSION: u8 = 2;
const KIND_HEARTBEAT: u8 = 1;
const KIND_MAC_CHUNK: u8 = 2;
const KIND_NEIGHBOUR_CHUNK: u8 = 3;
/// Sent, and demanded: nothing comes from beyond the link (RFC 5082).
const TTL: u8 = 255;

/// Bytes of the payload before the body.
const HEADER_LEN: usize = 60;
/// Bytes in front of the payload.
const PAYLOAD_AT: usize = UDP_AT + udp::HEADER_LEN;
const IP_AT: usize = ethernet::HEADER_LEN;
const UDP_AT: usize = IP_AT + ipv4::HEADER_LEN;

/// Bytes of the longest frame that [`Heartbeat::emit`] or [`MacChunk::emit`] make: a buffer of
/// this size always does.
pub const MAX_FRAME_LEN: usize = PAYLOAD_AT + HEADER_LEN + mac_chunk::MAX_LEN + TAG_LEN;

const _: () = assert!(body::MAX_LEN <= mac_chunk::MAX_LEN && MAX_FRAME_LEN <= 1514);
const _: () = assert!(neighbour_chunk::MAX_LEN <= mac_chunk::MAX_LEN);

/// Bytes of the longest payload, for a frame that is not of the HA port.
pub const MAX_PAYLOAD_LEN: usize = MAX_FRAME_LEN - PAYLOAD_AT;

/// By which of the two paths a message goes (rule 12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Path {
    /// Between the HA ports.
    HaPort = 0,
    /// Between the data ports.
    InBand = 1,
}

/// From where to where frames are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addressing {
    /// Our MAC address on the HA port.
    pub src_mac: Mac,
    /// Where the frame goes on the link.
    pub dst_mac: Mac,
    /// Our address on the HA network.
    pub src_ip: Ipv4Addr,
    /// The group, or the peer's address.
    pub dst_ip: Ipv4Addr,
    /// Source and destination port.
    pub udp_port: u16,
}

impl Addressing {
    /// To a multicast group; the MAC address follows from it.
    #[must_use]
    pub fn multicast(src_mac: Mac, src_ip: Ipv4Addr, group: Ipv4Addr, udp_port: u16) -> Addressing {
        let dst_mac = ipv4::multicast_mac(group);
        Addressing {
            src_mac,
            dst_mac,
            src_ip,
            dst_ip: group,
            udp_port,
        }
    }

    /// To one configured peer. As long as its MAC address is not learnt (from its own frames) the
    /// frame is broadcast: the HA link is dedicated, so nobody else is there to mind, and no ARP
    /// is needed.
    #[must_use]
    pub fn unicast(
        src_mac: Mac,
        src_ip: Ipv4Addr,
        peer_ip: Ipv4Addr,
        peer_mac: Option<Mac>,
        udp_port: u16,
    ) -> Addressing {
        let dst_mac = peer_mac.unwrap_or(Mac::BROADCAST);
        Addressing {
            src_mac,
            dst_mac,
            src_ip,
            dst_ip: peer_ip,
            udp_port,
        }
    }
}

/// Who speaks, and the how many-th time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The sender's stack.
    pub stack: StackName,
    /// The sender's id in its stack.
    pub instance: u16,
    /// The sender's boot id: another one for each start of the engine.
    pub boot: u64,
    /// Counts all messages of this boot.
    pub seq: u64,
    /// By which path this copy goes. [`Heartbeat::emit`] is for the HA port, the other is for
    /// [`Heartbeat::emit_payload`].
    pub path: Path,
}

/// Why a frame could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EmitError {
    /// The buffer is too short; [`MAX_FRAME_LEN`] always does.
    #[error("frame needs {need} bytes and the buffer has {have}")]
    BufferTooSmall {
        /// Bytes that the frame takes.
        need: usize,
        /// Bytes that the buffer has.
        have: usize,
    },
    /// A field that the receiver would refuse: more link pairs up than there are, an interval or
    /// threshold of 0, a group address among stations.
    #[error("{0}")]
    OutOfRange(&'static str),
}

impl Heartbeat {
    /// Writes the whole frame for the HA port to the start of `buffer`; returns its length in
    /// bytes.
    ///
    /// # Errors
    /// See [`EmitError`]; what the buffer then holds is undefined.
    pub fn emit(
        &self,
        buffer: &mut [u8],
        header: &Header,
        addressing: &Addressing,
        auth: &Auth,
    ) -> Result<usize, EmitError> {
        in_frame(buffer, addressing, |payload| {
            self.emit_payload(payload, header, auth)
        })
    }

    /// Writes the payload alone to the start of `buffer`; returns its length in bytes, of which
    /// [`MAX_PAYLOAD_LEN`] always suffice.
    ///
    /// # Errors
    /// See [`EmitError`]; what the buffer then holds is undefined.
    pub fn emit_payload(
        &self,
        buffer: &mut [u8],
        header: &Header,
        auth: &Auth,
    ) -> Result<usize, EmitError> {
        if self.pairs_up > self.pairs_total {
            return Err(EmitError::OutOfRange("more link pairs up than configured"));
        }
        if self.interval_us == 0 || self.failure_threshold == 0 {
            return Err(EmitError::OutOfRange(
                "peer check interval or failure threshold of 0",
            ));
        }
        let length = self.body_len();
        emit_payload(buffer, header, auth, KIND_HEARTBEAT, length, |out| {
            self.write(out);
        })
    }
}

impl MacChunk {
    /// Writes the whole frame for the HA port to the start of `buffer`; returns its length in
    /// bytes.
    ///
    /// # Errors
    /// See [`EmitError`]; what the buffer then holds is undefined.
    pub fn emit(
        &self,
        buffer: &mut [u8],
        header: &Header,
        addressing: &Addressing,
        auth: &Auth,
    ) -> Result<usize, EmitError> {
        in_frame(buffer, addressing, |payload| {
            self.emit_payload(payload, header, auth)
        })
    }

    /// Writes the payload alone to the start of `buffer`; returns its length in bytes, of which
    /// [`MAX_PAYLOAD_LEN`] always suffice.
    ///
    /// # Errors
    /// See [`EmitError`]; what the buffer then holds is undefined.
    pub fn emit_payload(
        &self,
        buffer: &mut [u8],
        header: &Header,
        auth: &Auth,
    ) -> Result<usize, EmitError> {
        if self.macs.iter().any(|mac| mac.is_group()) {
            return Err(EmitError::OutOfRange("a group address among stations"));
        }
        let length = self.body_len();
        emit_payload(buffer, header, auth, KIND_MAC_CHUNK, length, |out| {
            self.write(out);
        })
    }
}

impl NeighbourChunk {
    /// Writes the whole frame for the HA port to the start of `buffer`; returns its length in
    /// bytes.
    ///
    /// # Errors
    /// See [`EmitError`]; what the buffer then holds is undefined.
    pub fn emit(
        &self,
        buffer: &mut [u8],
        header: &Header,
        addressing: &Addressing,
        auth: &Auth,
    ) -> Result<usize, EmitError> {
        in_frame(buffer, addressing, |payload| {
            self.emit_payload(payload, header, auth)
        })
    }

    /// Writes the payload alone to the start of `buffer`; returns its length in bytes, of which
    /// [`MAX_PAYLOAD_LEN`] always suffice.
    ///
    /// # Errors
    /// See [`EmitError`]; what the buffer then holds is undefined.
    pub fn emit_payload(
        &self,
        buffer: &mut [u8],
        header: &Header,
        auth: &Auth,
    ) -> Result<usize, EmitError> {
        if !self.is_good() {
            return Err(EmitError::OutOfRange(
                "no neighbour, a group address among them, or two families",
            ));
        }
        let length = self.body_len();
        emit_payload(buffer, header, auth, KIND_NEIGHBOUR_CHUNK, length, |out| {
            self.write(out);
        })
    }
}

fn emit_payload(
    buffer: &mut [u8],
    header: &Header,
    auth: &Auth,
    kind: u8,
    body_len: usize,
    write_body: impl FnOnce(&mut Writer<'_>),
) -> Result<usize, EmitError> {
    let need = HEADER_LEN + body_len + TAG_LEN;
    let short = EmitError::BufferTooSmall {
        need,
        have: buffer.len(),
    };
    let payload = buffer.get_mut(..need).ok_or(short)?;
    let mut out = Writer::new(payload);
    out.bytes(MAGIC);
    out.u8(VERSION);
    out.u8(kind);
    // At most 1282: MAX_FRAME_LEN is checked when compiling.
    out.u16(need as u16);
    out.bytes(header.stack.to_wire());
    out.u16(header.instance);
    out.u8(header.path as u8);
    out.u8(0);
    out.u64(header.boot);
    out.u64(header.seq);
    write_body(&mut out);
    let tag_at = out.written();
    debug_assert_eq!(tag_at, need - TAG_LEN);
    let tag = auth.sign(payload.get(..tag_at).unwrap_or_default());
    put(payload, tag_at..need, tag);
    Ok(need)
}

/// Puts Ethernet, IPv4 and UDP in front of a payload; the length of it all.
fn in_frame(
    buffer: &mut [u8],
    addressing: &Addressing,
    emit_payload: impl FnOnce(&mut [u8]) -> Result<usize, EmitError>,
) -> Result<usize, EmitError> {
    let have = buffer.len();
    let too_small = |need| EmitError::BufferTooSmall { need, have };
    let payload = buffer.get_mut(PAYLOAD_AT..).unwrap_or_default();
    let payload_len = emit_payload(payload).map_err(|error| match error {
        EmitError::BufferTooSmall { need, .. } => too_small(PAYLOAD_AT + need),
        other => other,
    })?;
    let need = PAYLOAD_AT + payload_len;
    let frame = buffer.get_mut(..need).ok_or(too_small(need))?;
    let (headers, _) = frame.split_at_mut(PAYLOAD_AT);
    let (lower, _) = headers.split_at_mut(UDP_AT);
    let (ethernet_header, ip_header) = lower.split_at_mut(IP_AT);
    let ethernet = ethernet::Repr {
        destination: addressing.dst_mac,
        source: addressing.src_mac,
        ethertype: ethernet::IPV4,
    };
    let ip = ipv4::Repr {
        source: addressing.src_ip,
        destination: addressing.dst_ip,
        ttl: TTL,
        protocol: ipv4::UDP,
        payload_len: udp::HEADER_LEN + payload_len,
    };
    let udp = udp::Repr {
        source_port: addressing.udp_port,
        destination_port: addressing.udp_port,
    };
    ethernet
        .emit(ethernet_header)
        .and_then(|()| ip.emit(ip_header))
        .and_then(|()| {
            let datagram = frame.get_mut(UDP_AT..).ok_or(Error::Truncated)?;
            udp.emit(datagram, addressing.src_ip, addressing.dst_ip)
        })
        // All three fit: the frame has room for their headers and is shorter than 64 KiB.
        .map_err(|_| too_small(need))?;
    Ok(need)
}

/// What a frame has to be for us to take it.
#[derive(Debug, Clone, Copy)]
pub struct Expect<'a> {
    /// Source and destination port of heartbeats.
    pub udp_port: u16,
    /// Our stack.
    pub stack: &'a StackName,
    /// Our own id: frames of it are dropped.
    pub own_instance: u16,
    /// The keys.
    pub auth: &'a Auth,
}

/// What a message says.
// A chunk has 1.2 KB. Boxing it would allocate, which this crate does not.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Kind 1.
    Heartbeat(Heartbeat),
    /// Kind 2.
    MacChunk(MacChunk),
    /// Kind 3.
    NeighbourChunk(NeighbourChunk),
}

/// An authentic message of another instance of our stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// Who sent the frame, as Ethernet says (not authenticated).
    pub src_mac: Mac,
    /// Who sent the frame, as IP says (not authenticated); unspecified in-band.
    pub src_ip: Ipv4Addr,
    /// The sender's id.
    pub instance: u16,
    /// The sender's boot id.
    pub boot: u64,
    /// The message's number, counted over all messages of its boot.
    pub seq: u64,
    /// By which path it came.
    pub path: Path,
    /// What it says.
    pub body: Body,
    /// Which key it was signed with.
    pub key: KeyUsed,
}

/// Reads a frame from the HA port.
///
/// Cheap checks come first and the hash after them, so that noise on the link costs little; the
/// sender's id is looked at, and the body read, only once the tag is verified.
///
/// # Errors
/// The first cause found for which the frame is not taken.
pub fn parse(frame: &[u8], expect: &Expect<'_>) -> Result<Parsed, DropCause> {
    let ethernet = ethernet::Packet::new_checked(frame).map_err(|_| DropCause::Truncated)?;
    if ethernet.ethertype() != ethernet::IPV4 {
        return Err(DropCause::NotOurs);
    }
    let ip = ip_packet(&ethernet)?;
    let payload = udp_payload(&ip, expect.udp_port)?;
    if frame.len() > IP_AT + ip.total_len() {
        // No heartbeat is short enough to be padded, so bytes behind it are nobody's.
        return Err(DropCause::Oversized);
    }
    let (src_mac, src_ip) = (ethernet.source(), ip.source());
    read_payload(payload, src_mac, src_ip, Path::HaPort, expect)
}

/// Reads the payload of an in-band frame, its padding cut off; `src_mac` is the sender's port.
///
/// # Errors
/// The first cause found for which it is not taken.
pub fn parse_payload(
    payload: &[u8],
    src_mac: Mac,
    expect: &Expect<'_>,
) -> Result<Parsed, DropCause> {
    let nobody = Ipv4Addr::UNSPECIFIED;
    read_payload(payload, src_mac, nobody, Path::InBand, expect)
}

fn read_payload(
    payload: &[u8],
    src_mac: Mac,
    src_ip: Ipv4Addr,
    path: Path,
    expect: &Expect<'_>,
) -> Result<Parsed, DropCause> {
    let message = Message::read(payload, expect)?;
    let key = expect
        .auth
        .verify(message.signed, &message.tag)
        .ok_or(DropCause::BadKey)?;
    if message.instance == expect.own_instance {
        return Err(DropCause::OwnInstance {
            boot: message.boot,
            src_mac,
        });
    }
    if message.path != path as u8 {
        return Err(DropCause::WrongPath);
    }
    let body = match message.kind {
        Kind::Heartbeat => Heartbeat::read(message.body).map(Body::Heartbeat),
        Kind::MacChunk => MacChunk::read(message.body).map(Body::MacChunk),
        Kind::NeighbourChunk => NeighbourChunk::read(message.body).map(Body::NeighbourChunk),
    };
    Ok(Parsed {
        src_mac,
        src_ip,
        instance: message.instance,
        boot: message.boot,
        seq: message.seq,
        path,
        body: body.ok_or(DropCause::Malformed)?,
        key,
    })
}

/// The IPv4 packet, its header's checksum verified.
fn ip_packet<'a>(
    ethernet: &'a ethernet::Packet<&[u8]>,
) -> Result<ipv4::Packet<&'a [u8]>, DropCause> {
    let bytes = ethernet.payload();
    // Before anything else: other protocols' packets may well have options (IGMP has).
    if bytes.len() >= ipv4::HEADER_LEN && ipv4::protocol(bytes) != ipv4::UDP {
        return Err(DropCause::NotOurs);
    }
    let ip = ipv4::Packet::new_checked(bytes).map_err(|error| match error {
        Error::Truncated => DropCause::Truncated,
        Error::Version | Error::HeaderLength | Error::Length | Error::Fragment => DropCause::BadIp,
    })?;
    if !ip.verify_checksum() {
        return Err(DropCause::BadChecksum);
    }
    Ok(ip)
}

/// The payload of a datagram on our port, everything below it verified.
fn udp_payload<'a>(ip: &'a ipv4::Packet<&[u8]>, udp_port: u16) -> Result<&'a [u8], DropCause> {
    let bytes = ip.payload();
    if bytes.len() < udp::HEADER_LEN {
        return Err(DropCause::Truncated);
    }
    if udp::ports(bytes) != (udp_port, udp_port) {
        return Err(DropCause::NotOurs);
    }
    if ip.ttl() != TTL {
        return Err(DropCause::BadIp);
    }
    let datagram = udp::Packet::new_checked(bytes).map_err(|error| match error {
        Error::Truncated => DropCause::Truncated,
        _ => DropCause::BadIp,
    })?;
    if datagram.len() < bytes.len() || bytes.len() > MAX_FRAME_LEN - UDP_AT {
        return Err(DropCause::Oversized);
    }
    if !datagram.verify_checksum(ip.source(), ip.destination()) {
        return Err(DropCause::BadChecksum);
    }
    Ok(bytes.get(udp::HEADER_LEN..).unwrap_or_default())
}

enum Kind {
    Heartbeat,
    MacChunk,
    NeighbourChunk,
}

/// A payload in its parts, before its tag is verified.
struct Message<'a> {
    kind: Kind,
    instance: u16,
    boot: u64,
    seq: u64,
    path: u8,
    body: &'a [u8],
    /// All before the tag.
    signed: &'a [u8],
    tag: [u8; TAG_LEN],
}

impl<'a> Message<'a> {
    fn read(payload: &'a [u8], expect: &Expect<'_>) -> Result<Message<'a>, DropCause> {
        let short = DropCause::Truncated;
        let mut from = Reader::new(payload);
        if from.array::<4>().ok_or(short)? != MAGIC {
            return Err(DropCause::BadMagic);
        }
        let version = from.u8().ok_or(short)?;
        if version != VERSION {
            return Err(DropCause::BadVersion(version));
        }
        let (kind, body_len) = match from.u8().ok_or(short)? {
            KIND_HEARTBEAT => (Kind::Heartbeat, body::MIN_LEN..=body::MAX_LEN),
            KIND_MAC_CHUNK => (Kind::MacChunk, mac_chunk::MIN_LEN..=mac_chunk::MAX_LEN),
            KIND_NEIGHBOUR_CHUNK => (
                Kind::NeighbourChunk,
                neighbour_chunk::MIN_LEN..=neighbour_chunk::MAX_LEN,
            ),
            other => return Err(DropCause::BadKind(other)),
        };
        let stated = usize::from(from.u16().ok_or(short)?);
        if stated > payload.len() || payload.len() < HEADER_LEN + body_len.start() + TAG_LEN {
            return Err(short);
        }
        if stated < payload.len() || stated > HEADER_LEN + body_len.end() + TAG_LEN {
            return Err(DropCause::Oversized);
        }
        let stack: [u8; StackName::MAX_LEN] = from.array().ok_or(short)?;
        if stack != expect.stack.to_wire() {
            return Err(DropCause::OtherStack(StackName::sanitised(stack)));
        }
        let instance = from.u16().ok_or(short)?;
        let path = from.u8().ok_or(short)?;
        let _reserved = from.u8().ok_or(short)?;
        let boot = from.u64().ok_or(short)?;
        let seq = from.u64().ok_or(short)?;
        let (signed, tag) = payload.split_last_chunk::<TAG_LEN>().ok_or(short)?;
        let body = signed.get(HEADER_LEN..).ok_or(short)?;
        Ok(Message {
            kind,
            instance,
            boot,
            seq,
            path,
            body,
            signed,
            tag: *tag,
        })
    }
}
