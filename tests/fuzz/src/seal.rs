//! Frames as this crate makes them, without `twinline-wire`'s own code: a second opinion on
//! checksums and tags.

/// Bytes in front of the payload: Ethernet, IPv4 without options, UDP.
pub const PAYLOAD_AT: usize = 42;
/// Bytes of the tag at the end of the payload.
pub const TAG_LEN: usize = 16;
/// Both UDP ports.
pub const PORT: u16 = 11211;
/// The stack of all frames made here.
pub const STACK: &str = "edge";
/// The instance that reads the frames.
pub const OWN_INSTANCE: u16 = 2;

const CONTEXT: &str = "twinline 2026-11 heartbeat tag v1";

/// With what a payload is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    /// The key in use.
    A,
    /// The key that is rotated in.
    B,
    /// No key: insecure.
    Nobody,
}

impl Signer {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::A, Self::B, Self::Nobody];

    /// What its key file holds.
    #[must_use]
    pub const fn key_file(self) -> [u8; 32] {
        match self {
            Self::A => [1; 32],
            Self::B => [2; 32],
            Self::Nobody => [0; 32],
        }
    }

    /// The tag of what stands before it.
    #[must_use]
    pub fn tag(self, signed: &[u8]) -> [u8; TAG_LEN] {
        let hash = match self {
            Self::Nobody => blake3::hash(signed),
            Self::A | Self::B => {
                let key = blake3::derive_key(CONTEXT, &self.key_file());
                blake3::keyed_hash(&key, signed)
            }
        };
        let mut tag = [0; TAG_LEN];
        tag.copy_from_slice(&hash.as_bytes()[..TAG_LEN]);
        tag
    }

    /// Whether the payload of this frame, up to the frame's end, ends with this signer's tag.
    #[must_use]
    pub fn signed(self, frame: &[u8]) -> bool {
        frame
            .get(PAYLOAD_AT..)
            .and_then(|payload| payload.split_last_chunk::<TAG_LEN>())
            .is_some_and(|(signed, tag)| self.tag(signed) == *tag)
    }
}

/// Writes length, and (unless `as_is`) magic, version and stack over the header's places, and
/// appends the tag. Bytes that are no whole header are padded with 0.
#[must_use]
pub fn sign(bytes: &[u8], signer: Signer, as_is: bool) -> Vec<u8> {
    let mut payload = bytes.to_vec();
    payload.resize(bytes.len().max(60), 0);
    let length = u16::try_from(payload.len() + TAG_LEN).unwrap_or(u16::MAX);
    payload[6..8].copy_from_slice(&length.to_be_bytes());
    if !as_is {
        payload[..5].copy_from_slice(b"TWNL\x01");
        payload[8..40].fill(0);
        payload[8..8 + STACK.len()].copy_from_slice(STACK.as_bytes());
    }
    let tag = signer.tag(&payload);
    payload.extend(tag);
    payload
}

/// The payload in a datagram to our port, from 169.254.0.1 to 239.255.43.203, every length and
/// checksum right; the UDP checksum may be left out, as RFC 768 allows.
#[must_use]
pub fn wrap(payload: &[u8], udp_checksum: bool) -> Vec<u8> {
    let datagram_len = u16::try_from(8 + payload.len()).unwrap_or(u16::MAX);
    let mut frame = Vec::with_capacity(PAYLOAD_AT + payload.len());
    frame.extend([0x01, 0, 0x5e, 0x7f, 0x2b, 0xcb, 2, 0, 0, 0, 0, 0x0a, 8, 0]);
    frame.extend([0x45, 0]);
    frame.extend(datagram_len.saturating_add(20).to_be_bytes());
    frame.extend([0, 0, 0x40, 0, 255, 17, 0, 0]);
    frame.extend([169, 254, 0, 1, 239, 255, 43, 203]);
    let sum = checksum(0, &frame[14..34]);
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    frame.extend(PORT.to_be_bytes());
    frame.extend(PORT.to_be_bytes());
    frame.extend(datagram_len.to_be_bytes());
    frame.extend([0, 0]);
    frame.extend(payload);
    if udp_checksum {
        let pseudo = 17 + u64::from(datagram_len);
        let mut covered = frame[26..34].to_vec();
        covered.extend(&frame[34..]);
        let sum = match checksum(pseudo, &covered) {
            0 => 0xffff,
            sum => sum,
        };
        frame[40..42].copy_from_slice(&sum.to_be_bytes());
    }
    frame
}

/// RFC 1071, over a 64-bit sum.
fn checksum(start: u64, bytes: &[u8]) -> u16 {
    let mut sum = start;
    for pair in bytes.chunks(2) {
        let word = [pair[0], pair.get(1).copied().unwrap_or(0)];
        sum += u64::from(u16::from_be_bytes(word));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}
