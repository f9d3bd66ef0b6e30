//! Bytes as frames from the HA port (rule 5).
//!
//! The first byte says what the others are: a frame as it is; a payload, put into a right datagram;
//! a payload without its tag, signed with the right key and put into a right datagram, so that the
//! body parsers are reached; or the fields of an announcement. Broken promises are panics:
//! - a frame passes the key check exactly when an independent computation finds its tag right, and
//!   never with a key that signed nothing;
//! - what comes before the key check does not depend on the keys;
//! - what is taken can be sent again, and says the same; one bit more, one byte less, and it is not
//!   taken;
//! - an announcement is never a heartbeat.

use std::sync::OnceLock;

use twinline_wire::heartbeat::{
    Addressing, Auth, Body, DropCause, DropCounters, Expect, Header, Key, KeyUsed, MAX_FRAME_LEN,
    Parsed, StackName, parse,
};
use twinline_wire::{Mac, announce, ethernet, ipv4, udp};

use crate::seal::{self, OWN_INSTANCE, PAYLOAD_AT, PORT, STACK, Signer, TAG_LEN};

/// What the first byte's two lowest bits say that the others are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A frame.
    Frame,
    /// A payload.
    Payload,
    /// A payload without its tag.
    Unsigned,
    /// An announcement's fields, and what is done to it.
    Announcement,
}

impl Kind {
    /// The kind of a first byte.
    #[must_use]
    pub const fn of(first: u8) -> Self {
        match first & 3 {
            0 => Self::Frame,
            1 => Self::Payload,
            2 => Self::Unsigned,
            _ => Self::Announcement,
        }
    }
}

/// The first byte of [`Kind::Unsigned`] for this signer.
#[must_use]
pub const fn unsigned_by(signer: Signer) -> u8 {
    match signer {
        Signer::A => 2,
        Signer::B => 2 | 4,
        Signer::Nobody => 2 | 8,
    }
}

/// With [`Kind::Unsigned`]: magic, version and stack are the fuzzer's as well.
const AS_IS: u8 = 16;

/// The receivers, each with other keys.
struct Keys {
    stack: StackName,
    only_a: Auth,
    rotating: Auth,
    insecure: Auth,
    /// Two keys that sign nothing, here or in the corpus.
    unused: Auth,
}

fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| {
        let key = |signer: Signer| Key::derive(&signer.key_file());
        Keys {
            stack: StackName::new(STACK).expect("a name"),
            only_a: Auth::keyed(key(Signer::A), None),
            rotating: Auth::keyed(key(Signer::A), Some(key(Signer::B))),
            insecure: Auth::insecure(),
            unused: Auth::keyed(Key::derive(&[0x5e; 32]), Some(Key::derive(&[0xc2; 32]))),
        }
    })
}

fn read(frame: &[u8], auth: &Auth, own_instance: u16) -> Result<Parsed, DropCause> {
    let expect = Expect {
        udp_port: PORT,
        stack: &keys().stack,
        own_instance,
        auth,
    };
    parse(frame, &expect)
}

/// Plays the bytes.
///
/// # Panics
/// When a promise is broken.
pub fn judge(data: &[u8]) {
    let Some((&first, rest)) = data.split_first() else {
        return;
    };
    match Kind::of(first) {
        Kind::Frame => judge_frame(rest),
        Kind::Payload => judge_frame(&seal::wrap(rest, first & 4 == 0)),
        Kind::Unsigned => {
            let signer = match first & 12 {
                0 => Signer::A,
                4 => Signer::B,
                _ => Signer::Nobody,
            };
            let payload = seal::sign(rest, signer, first & AS_IS != 0);
            judge_frame(&seal::wrap(&payload, first & 32 == 0));
        }
        Kind::Announcement => judge_announcement(first >> 2, rest),
    }
}

/// Whether the key check, and all before it, was passed.
fn passed(result: &Result<Parsed, DropCause>) -> bool {
    matches!(
        result,
        Ok(_) | Err(DropCause::OwnInstance { .. } | DropCause::Malformed | DropCause::WrongPath)
    )
}

fn judge_frame(frame: &[u8]) {
    judge_layers(frame);
    let announced = announce::parse(frame);
    assert_eq!(announce::is_announcement(frame), announced.is_some());

    let all = keys();
    let only_a = read(frame, &all.only_a, OWN_INSTANCE);
    let rotating = read(frame, &all.rotating, OWN_INSTANCE);
    let insecure = read(frame, &all.insecure, OWN_INSTANCE);
    let unused = read(frame, &all.unused, OWN_INSTANCE);
    assert!(!passed(&unused), "taken without a key");

    let mut counters = DropCounters::default();
    if let Err(cause) = &unused {
        counters.count(cause);
        assert_eq!(counters.get(cause.name()), 1);
        assert!(!cause.to_string().is_empty());
    }
    let reached_the_key = unused == Err(DropCause::BadKey);
    if !reached_the_key {
        // Refused before the key check: so by everybody, for the same cause.
        assert_eq!(only_a, unused);
        assert_eq!(rotating, unused);
        assert_eq!(insecure, unused);
        return;
    }
    assert!(announced.is_none(), "an announcement that is a heartbeat");
    let [a, b, nobody] = Signer::ALL.map(|signer| signer.signed(frame));
    assert_eq!(passed(&only_a), a);
    assert_eq!(passed(&rotating), a || b);
    assert_eq!(passed(&insecure), nobody);
    let key_of = |result: &Result<Parsed, DropCause>| result.as_ref().ok().map(|p| p.key);
    assert!(matches!(key_of(&only_a), None | Some(KeyUsed::Current)));
    assert!(matches!(key_of(&insecure), None | Some(KeyUsed::None)));
    let expected = if a { KeyUsed::Current } else { KeyUsed::Next };
    assert!(key_of(&rotating).is_none_or(|key| key == expected));

    for (result, auth) in [
        (&only_a, &all.only_a),
        (&rotating, &all.rotating),
        (&insecure, &all.insecure),
    ] {
        if let Ok(parsed) = result {
            judge_taken(frame, parsed, auth);
        }
    }
}

/// A frame that was taken.
fn judge_taken(frame: &[u8], parsed: &Parsed, auth: &Auth) {
    assert_ne!(parsed.instance, OWN_INSTANCE);
    let own = DropCause::OwnInstance {
        boot: parsed.boot,
        src_mac: parsed.src_mac,
    };
    assert_eq!(read(frame, auth, parsed.instance), Err(own));

    // Sent again, it says the same, byte by byte but for what is ignored.
    let header = Header {
        stack: keys().stack,
        instance: parsed.instance,
        boot: parsed.boot,
        seq: parsed.seq,
        path: parsed.path,
    };
    let group = [239, 255, 43, 203].into();
    let addressing = Addressing::multicast(parsed.src_mac, parsed.src_ip, group, PORT);
    let mut buffer = [0; MAX_FRAME_LEN];
    let emitted = match &parsed.body {
        Body::Heartbeat(heartbeat) => heartbeat.emit(&mut buffer, &header, &addressing, auth),
        Body::MacChunk(chunk) => chunk.emit(&mut buffer, &header, &addressing, auth),
        Body::NeighbourChunk(chunk) => chunk.emit(&mut buffer, &header, &addressing, auth),
    };
    let again = &buffer[..emitted.expect("what was taken can be sent")];
    assert_eq!(again.len(), frame.len());
    let mut read_again = read(again, auth, OWN_INSTANCE).expect("what was sent is taken");
    read_again.key = parsed.key;
    assert_eq!(read_again, *parsed);
    let ignored = |at: usize| match &parsed.body {
        Body::Heartbeat(_) => matches!(at, 42 | 43 | 61 | 62),
        Body::MacChunk(_) => matches!(at, 42 | 43 | 63),
        Body::NeighbourChunk(_) => matches!(at, 42 | 43 | 65),
    };
    let end = frame.len() - PAYLOAD_AT - TAG_LEN;
    for at in (0..end).filter(|&at| !ignored(at)) {
        let (was, is) = (frame[PAYLOAD_AT + at], again[PAYLOAD_AT + at]);
        assert_eq!(was, is, "payload byte {at}");
    }

    // Shorter, longer or damaged, it is not taken. The tag itself says where it is damaged.
    let shorter = &frame[..frame.len() - 1];
    assert!(!passed(&read(shorter, auth, OWN_INSTANCE)));
    let mut longer = frame.to_vec();
    longer.push(0);
    assert_eq!(read(&longer, auth, OWN_INSTANCE), Err(DropCause::Oversized));
    let payload = &frame[PAYLOAD_AT..];
    let choice = usize::from(payload[payload.len() - 1]) << 8 | usize::from(payload[0]);
    let mut damaged = payload.to_vec();
    let at = choice % damaged.len();
    damaged[at] ^= 1 << (choice & 7);
    let damaged = seal::wrap(&damaged, false);
    assert!(!passed(&read(&damaged, auth, OWN_INSTANCE)));
}

/// Every accessor of every layer, on whatever bytes.
fn judge_layers(bytes: &[u8]) {
    let Ok(ethernet) = ethernet::Packet::new_checked(bytes) else {
        return;
    };
    let _ = (ethernet.source(), ethernet.destination());
    let Ok(ip) = ipv4::Packet::new_checked(ethernet.payload()) else {
        return;
    };
    assert!(ip.total_len() <= ethernet.payload().len());
    assert!(ip.payload().len() <= ip.total_len());
    let _ = (ip.ttl(), ip.verify_checksum());
    let Ok(udp) = udp::Packet::new_checked(ip.payload()) else {
        return;
    };
    assert_eq!(udp.payload().len() + udp::HEADER_LEN, udp.len());
    let _ = udp.verify_checksum(ip.source(), ip.destination());
    let _ = (udp.source_port(), udp.destination_port());
}

/// `how`: up to three VLAN tags, and whether the fuzzer's bytes damage the frame.
fn judge_announcement(how: u8, bytes: &[u8]) {
    let mut fields = [0; 16];
    let (taken, rest) = bytes.split_at(bytes.len().min(16));
    fields[..taken.len()].copy_from_slice(taken);
    let [a, b, c, d, e, f, g, h, epoch @ ..] = fields;
    let (mac, instance) = (Mac([a, b, c, d, e, f]), u16::from_be_bytes([g, h]));
    let epoch = u64::from_be_bytes(epoch);
    let mut frame = [0; announce::FRAME_LEN];
    announce::emit(mac, instance, epoch, &mut frame);
    let tags = usize::from(how & 3);
    let mut tagged = frame[..12].to_vec();
    for tag in 0..tags {
        let kind = if how & 4 == 0 {
            ethernet::VLAN
        } else {
            ethernet::QINQ
        };
        tagged.extend(kind.to_be_bytes());
        tagged.extend([how, u8::try_from(tag).unwrap_or(0)]);
    }
    tagged.extend(&frame[12..]);
    let parsed = announce::parse(&tagged);
    assert_eq!(parsed.is_some(), tags <= 2);
    if let Some(said) = parsed {
        assert_eq!((said.mac, said.instance), (mac, instance));
        assert_eq!(u64::from(said.epoch), epoch & 0xffff_ffff);
    }
    // Pairs of place and byte: damage.
    for pair in rest.chunks_exact(2) {
        let length = tagged.len();
        tagged[usize::from(pair[0]) % length] ^= pair[1];
    }
    judge_frame(&tagged);
    for end in 0..tagged.len() {
        let part = &tagged[..end];
        assert_eq!(
            announce::is_announcement(part),
            announce::parse(part).is_some()
        );
    }
}
