//! What is not a heartbeat of our stack is dropped, by cause, and never a panic (rule 5).
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests count as tests

mod common;

use common::*;
use proptest::prelude::*;
use twinline_wire::heartbeat::{
    Auth, Body, DropCause, DropCounters, Flags, Header, MAX_FRAME_LEN, StackName,
};
use twinline_wire::{Mac, ipv4, udp};

fn valid() -> Vec<u8> {
    frame_of(&heartbeat(), &header(), &keyed())
}

/// A valid frame, changed somewhere, the layers below repaired, signed without key and received
/// by one that has none either: so the change alone is judged.
fn changed(change: impl FnOnce(&mut Vec<u8>)) -> Result<(), DropCause> {
    changed_frame(frame_of(&heartbeat(), &header(), &Auth::insecure()), change)
}

fn changed_frame(mut frame: Vec<u8>, change: impl FnOnce(&mut Vec<u8>)) -> Result<(), DropCause> {
    change(&mut frame);
    resign_insecure(&mut frame);
    receive(&frame, &Auth::insecure()).map(|_| ())
}

fn broken(change: impl FnOnce(&mut Vec<u8>)) -> DropCause {
    let mut frame = valid();
    change(&mut frame);
    receive(&frame, &keyed()).unwrap_err()
}

#[test]
fn rule_05_frames_of_others_are_not_ours() {
    assert_eq!(
        broken(|f| f[12..14].copy_from_slice(&[0x86, 0xdd])),
        DropCause::NotOurs
    );
    assert_eq!(broken(|f| f[IP + 9] = 6), DropCause::NotOurs);
    assert_eq!(broken(|f| f[UDP + 1] ^= 1), DropCause::NotOurs);
    assert_eq!(broken(|f| f[UDP + 3] ^= 1), DropCause::NotOurs);
    // IGMP with the router alert option, padded to 60 bytes
    let mut igmp = vec![0; 60];
    igmp[12..14].copy_from_slice(&[0x08, 0x00]);
    igmp[IP..IP + 10].copy_from_slice(&[0x46, 0xc0, 0, 32, 0, 0, 0x40, 0, 1, 2]);
    assert_eq!(receive(&igmp, &keyed()), Err(DropCause::NotOurs));
    // DNS, routed here
    let mut dns = Vec::new();
    etherparse::PacketBuilder::ethernet2([2; 6], [2; 6])
        .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 60)
        .udp(53, 4711)
        .write(&mut dns, &[0; 64])
        .unwrap();
    assert_eq!(receive(&dns, &keyed()), Err(DropCause::NotOurs));
}

#[test]
fn rule_05_truncated_at_every_length() {
    for full in [valid(), chunk_frame(&chunk(200), &keyed())] {
        for length in 0..full.len() {
            // As a cut cable leaves it, and as a sender would that lies consistently.
            assert_eq!(
                receive(&full[..length], &keyed()),
                Err(DropCause::Truncated),
                "{length}"
            );
            if length >= PAYLOAD {
                let mut shorter = full[..length].to_vec();
                repair_lower_layers(&mut shorter);
                assert_eq!(
                    receive(&shorter, &keyed()),
                    Err(DropCause::Truncated),
                    "{length}"
                );
            }
        }
    }
}

/// Shorter payloads whose own length field agrees, signed rightly: too short for their kind.
#[test]
fn rule_05_short_bodies_are_refused() {
    for length in BODY + 16..BODY + 50 + 16 {
        let cut = changed(|f| {
            f.truncate(length);
            let stated = (length - PAYLOAD) as u16;
            f[PAYLOAD + 6..PAYLOAD + 8].copy_from_slice(&stated.to_be_bytes());
        });
        assert_eq!(cut, Err(DropCause::Truncated), "{length}");
    }
}

#[test]
fn rule_05_oversized_frames_are_refused() {
    assert_eq!(
        broken(|f| f.push(0)),
        DropCause::Oversized,
        "behind the IP packet"
    );
    assert_eq!(
        broken(|f| {
            f.push(0);
            let total = (f.len() - IP) as u16;
            f[IP + 2..IP + 4].copy_from_slice(&total.to_be_bytes());
            repair_ip_checksum(f);
        }),
        DropCause::Oversized,
        "behind the UDP datagram"
    );
    assert_eq!(
        broken(|f| {
            // The payload states the bytes that the datagram does not have, all else agrees.
            let datagram = (f.len() - UDP - 1) as u16;
            f[UDP + 4..UDP + 6].copy_from_slice(&datagram.to_be_bytes());
            f[UDP + 6..UDP + 8].fill(0);
        }),
        DropCause::Oversized,
        "a payload longer than its datagram"
    );
    assert_eq!(
        broken(|f| {
            f.push(0);
            repair_lower_layers(f);
        }),
        DropCause::Oversized,
        "behind the payload"
    );
    let longer = |total: usize| {
        changed(|f| {
            f.resize(total, 0);
            let stated = (total - PAYLOAD) as u16;
            f[PAYLOAD + 6..PAYLOAD + 8].copy_from_slice(&stated.to_be_bytes());
        })
    };
    assert_eq!(
        longer(BODY + 628 + 16),
        Err(DropCause::Malformed),
        "bytes left over"
    );
    assert_eq!(
        longer(BODY + 628 + 17),
        Err(DropCause::Oversized),
        "than any of its kind"
    );
    assert_eq!(
        longer(MAX_FRAME_LEN + 1),
        Err(DropCause::Oversized),
        "than any heartbeat"
    );
    assert_eq!(longer(65_000), Err(DropCause::Oversized));
}

#[test]
fn rule_05_bad_ip_headers_are_refused() {
    let broken_ip = |at: usize, value: u8| {
        broken(|f| {
            f[IP + at] = value;
            repair_ip_checksum(f);
        })
    };
    assert_eq!(broken_ip(0, 0x65), DropCause::BadIp, "version");
    assert_eq!(broken_ip(0, 0x46), DropCause::BadIp, "options");
    assert_eq!(broken_ip(0, 0x44), DropCause::BadIp, "IHL below 5");
    assert_eq!(broken_ip(6, 0x20), DropCause::BadIp, "more fragments");
    assert_eq!(broken_ip(7, 0x01), DropCause::BadIp, "a later fragment");
    assert_eq!(
        broken_ip(3, 19),
        DropCause::BadIp,
        "total length below the header's"
    );
    for ttl in [0, 1, 64, 254] {
        assert_eq!(broken_ip(8, ttl), DropCause::BadIp, "routed: TTL {ttl}");
    }
    assert_eq!(
        broken(|f| f[UDP + 4..UDP + 6].fill(0)),
        DropCause::BadIp,
        "UDP length 0"
    );
}

#[test]
fn rule_05_bad_checksums_are_refused() {
    assert_eq!(broken(|f| f[IP + 10] ^= 1), DropCause::BadChecksum);
    assert_eq!(
        broken(|f| f[IP + 8] = 254),
        DropCause::BadChecksum,
        "before the TTL is believed"
    );
    assert_eq!(broken(|f| f[UDP + 6] ^= 1), DropCause::BadChecksum);
    assert_eq!(broken(|f| f[BODY] ^= 1), DropCause::BadChecksum);
}

#[test]
fn rule_05_other_payloads_are_refused() {
    for at in 0..4 {
        assert_eq!(
            changed(|f| f[PAYLOAD + at] ^= 0x20),
            Err(DropCause::BadMagic)
        );
    }
    assert_eq!(
        changed(|f| f[PAYLOAD + 4] = 1),
        Err(DropCause::BadVersion(1))
    );
    assert_eq!(
        changed(|f| f[PAYLOAD + 4] = 0),
        Err(DropCause::BadVersion(0))
    );
    assert_eq!(changed(|f| f[PAYLOAD + 5] = 0), Err(DropCause::BadKind(0)));
    assert_eq!(changed(|f| f[PAYLOAD + 5] = 4), Err(DropCause::BadKind(4)));
}

/// Another stack has another key as a rule: its name is told all the same, so that the operator
/// learns who is on the cable.
#[test]
fn rule_05_other_stack_is_named() {
    let stack = StackName::new("west").unwrap();
    let other = Auth::keyed(key(9), None);
    let frame = frame_of(&heartbeat(), &Header { stack, ..header() }, &other);
    assert_eq!(receive(&frame, &keyed()), Err(DropCause::OtherStack(stack)));

    let hidden = changed(|f| f[PAYLOAD + 8 + 20] = b'x');
    let Err(DropCause::OtherStack(name)) = hidden else {
        panic!("{hidden:?}")
    };
    assert_eq!(
        name.as_str(),
        "edge????????????????x",
        "nothing hides behind the padding"
    );
    let escape = changed(|f| f[PAYLOAD + 8] = 0x1b);
    let Err(DropCause::OtherStack(name)) = escape else {
        panic!("{escape:?}")
    };
    assert_eq!(name.as_str(), "?dge", "terminals are safe from it");
}

#[test]
fn rule_05_own_id_is_told_from_a_twin() {
    let ours = Header {
        instance: OURS,
        boot: 77,
        ..header()
    };
    let frame = frame_of(&heartbeat(), &ours, &keyed());
    let seen = receive(&frame, &keyed());
    assert_eq!(
        seen,
        Err(DropCause::OwnInstance {
            boot: 77,
            src_mac: PEER_MAC
        })
    );
    assert_eq!(
        seen.unwrap_err().to_string(),
        "of our own instance id, boot 000000000000004d, from 02:00:00:00:00:0a"
    );
    // Without the right key nobody makes us believe in a twin.
    let forged = frame_of(&heartbeat(), &ours, &Auth::keyed(key(9), None));
    assert_eq!(receive(&forged, &keyed()), Err(DropCause::BadKey));
}

#[test]
fn rule_05_keyed_and_unkeyed_do_not_mix() {
    let insecure = Auth::insecure();
    let unkeyed = frame_of(&heartbeat(), &header(), &insecure);
    assert_eq!(receive(&unkeyed, &keyed()), Err(DropCause::BadKey));
    assert_eq!(receive(&valid(), &insecure), Err(DropCause::BadKey));
    let rotating = Auth::keyed(key(8), Some(key(9)));
    assert_eq!(receive(&valid(), &rotating), Err(DropCause::BadKey));
}

#[test]
fn rule_05_authentic_nonsense_is_malformed() {
    let at = |offset: usize, value: u8| changed(|f| f[BODY + offset] = value);
    assert_eq!(at(0, 5), Ok(()), "the last role");
    assert_eq!(at(0, 6), Err(DropCause::Malformed), "no such role");
    assert_eq!(
        at(51, 0),
        Err(DropCause::Malformed),
        "one echo more than counted"
    );
    assert_eq!(
        at(51, 2),
        Err(DropCause::Malformed),
        "one echo less than counted"
    );
    assert_eq!(at(51, 255), Err(DropCause::Malformed));
    assert_eq!(at(86, 2), Ok(()), "the last health");
    assert_eq!(at(86, 3), Err(DropCause::Malformed), "no such health");
    assert_eq!(
        at(15, 3),
        Err(DropCause::Malformed),
        "more pairs up than there are"
    );
    assert_eq!(at(34, 0), Err(DropCause::Malformed), "failure threshold 0");
    assert_eq!(
        changed(|f| f[BODY + 30..BODY + 34].fill(0)),
        Err(DropCause::Malformed),
        "interval 0"
    );

    let chunk_at = |offset: usize, value: u8| {
        let frame = chunk_frame(&chunk(2), &Auth::insecure());
        changed_frame(frame, |f| f[BODY + offset] = value)
    };
    assert_eq!(chunk_at(2, 0), Ok(()));
    assert_eq!(chunk_at(2, 2), Err(DropCause::Malformed), "no such side");
    assert_eq!(chunk_at(3, 0xff), Ok(()), "unknown flags are ignored");
    assert_eq!(
        chunk_at(4, 0xff),
        Err(DropCause::Malformed),
        "65282 stations"
    );
    assert_eq!(chunk_at(5, 1), Err(DropCause::Malformed));
    assert_eq!(chunk_at(5, 3), Err(DropCause::Malformed));
    assert_eq!(
        chunk_at(6, 3),
        Err(DropCause::Malformed),
        "a group address as a station"
    );
}

#[test]
fn unknown_flags_and_reserved_bits_are_ignored() {
    let mut frame = frame_of(&heartbeat(), &header(), &Auth::insecure());
    frame[BODY + 1] |= 0xf8;
    frame[PAYLOAD + 43] = 0xff;
    resign_insecure(&mut frame);
    let Body::Heartbeat(read) = receive(&frame, &Auth::insecure()).unwrap().body else {
        panic!("not a heartbeat");
    };
    assert_eq!(read, heartbeat());
    assert_eq!(read.flags.bits() & !0x7ff, 0);
    assert!(read.flags.contains(Flags::LINKS_OK));
}

#[test]
fn rule_05_drops_are_counted_by_cause() {
    let causes = [
        DropCause::NotOurs,
        DropCause::Truncated,
        DropCause::Oversized,
        DropCause::BadIp,
        DropCause::BadChecksum,
        DropCause::BadMagic,
        DropCause::BadVersion(9),
        DropCause::BadKind(9),
        DropCause::OtherStack(stack()),
        DropCause::OwnInstance {
            boot: 0,
            src_mac: Mac::default(),
        },
        DropCause::BadKey,
        DropCause::Malformed,
        DropCause::WrongPath,
    ];
    let mut counters = DropCounters::default();
    for (index, cause) in causes.iter().enumerate() {
        assert_eq!(cause.index(), index);
        assert_eq!(cause.name(), DropCause::NAMES[index]);
        assert!(
            cause
                .name()
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b == b'_')
        );
        for _ in 0..=index {
            counters.count(cause);
        }
        assert_eq!(counters.get(cause.name()), index as u64 + 1);
    }
    assert_eq!(causes.len(), DropCause::COUNT);
    assert_eq!(counters.total(), 91);
    assert_eq!(counters.get("no such cause"), 0);
    assert_eq!(counters.iter().count(), DropCause::COUNT);
}

/// Every single bit of the authenticated part, even when all checksums are made to agree.
#[test]
fn rule_05_a_flipped_bit_never_verifies() {
    for full in [valid(), chunk_frame(&chunk(3), &keyed())] {
        for bit in 0..(full.len() - PAYLOAD) * 8 {
            let mut frame = full.clone();
            frame[PAYLOAD + bit / 8] ^= 1 << (bit % 8);
            assert!(receive(&frame, &keyed()).is_err(), "bit {bit}");
            repair_lower_layers(&mut frame);
            assert!(
                receive(&frame, &keyed()).is_err(),
                "bit {bit}, checksums repaired"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn rule_05_any_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..1600)) {
        prop_assert!(receive(&bytes, &keyed()).is_err());
        prop_assert!(receive(&bytes, &Auth::insecure()).is_err());
        // And the layers alone do not panic, whatever is asked of them.
        if let Ok(ip) = ipv4::Packet::new_checked(&bytes) {
            let _ = (ip.verify_checksum(), ip.payload(), ip.ttl(), ip.source());
        }
        if let Ok(udp) = udp::Packet::new_checked(&bytes) {
            let _ = (udp.payload(), udp.verify_checksum(PEER_IP, GROUP), udp.source_port());
        }
    }

    /// Random bytes behind good headers: the parser behind the hash is reached as well, since
    /// without a key anybody can make a tag.
    #[test]
    fn rule_05_any_body_is_read_without_panic(
        kind in 1..=2u8,
        body in prop::collection::vec(any::<u8>(), 0..1400),
        small_count in any::<bool>(),
    ) {
        let mut frame = frame_of(&heartbeat(), &header(), &Auth::insecure());
        frame.truncate(BODY);
        frame[PAYLOAD + 5] = kind;
        frame.extend(&body);
        if small_count && frame.len() > BODY + 50 {
            frame[BODY + 49] %= 17;
            frame[BODY] %= 6;
        }
        frame.extend([0; 16]);
        let stated = (frame.len() - PAYLOAD) as u16;
        frame[PAYLOAD + 6..PAYLOAD + 8].copy_from_slice(&stated.to_be_bytes());
        resign_insecure(&mut frame);
        let _ = receive(&frame, &Auth::insecure());
        prop_assert!(receive(&frame, &keyed()).is_err());
    }

    #[test]
    fn rule_05_mutated_frames_never_verify(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 1..=255u8), 1..8),
        cut in prop::option::of(any::<prop::sample::Index>()),
        grow in prop::collection::vec(any::<u8>(), 0..8),
        repair in any::<bool>(),
    ) {
        let original = valid();
        let mut frame = original.clone();
        for (at, xor) in edits {
            let at = at.index(frame.len());
            frame[at] ^= xor;
        }
        if let Some(cut) = cut {
            frame.truncate(cut.index(frame.len()) + 1);
        }
        frame.extend(grow);
        if repair && frame.len() >= PAYLOAD {
            repair_lower_layers(&mut frame);
        }
        let authentic = frame.get(PAYLOAD..) == original.get(PAYLOAD..);
        prop_assert!(authentic || receive(&frame, &keyed()).is_err());
    }
}
