//! Heartbeats: round trips, a golden frame, and a second opinion on the layers below.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests count as tests

mod common;

use common::*;
use proptest::prelude::*;
use twinline_wire::heartbeat::{
    Addressing, Auth, Body, DropCause, Echo, EmitError, Expect, Flags, Header, Health, Heartbeat,
    KeyUsed, MAX_ECHOES, MAX_FRAME_LEN, MAX_MACS, MAX_PAYLOAD_LEN, MacChunk, Path, Role, StackName,
    parse_payload,
};
use twinline_wire::{Mac, Side};

#[test]
fn rule_04_a_heartbeat_carries_what_the_rule_lists() {
    let parsed = receive(&frame_of(&heartbeat(), &header(), &keyed()), &keyed()).unwrap();
    assert_eq!(parsed.body, Body::Heartbeat(heartbeat()));
    assert_eq!(
        (parsed.instance, parsed.boot, parsed.seq),
        (THEIRS, 0x1122_3344_5566_7788, 42),
    );
    assert_eq!((parsed.src_mac, parsed.src_ip), (PEER_MAC, PEER_IP));
    assert_eq!(parsed.key, KeyUsed::Current);
}

#[test]
fn rule_08_mac_tables_cross_the_ha_link() {
    for macs in [0, 1, MAX_MACS] {
        for (first, last) in [(false, false), (true, false), (false, true), (true, true)] {
            let sent = MacChunk {
                first,
                last,
                ..chunk(macs)
            };
            let frame = chunk_frame(&sent, &keyed());
            assert_eq!(
                receive(&frame, &keyed()).unwrap().body,
                Body::MacChunk(sent)
            );
        }
    }
    assert_eq!(chunk_frame(&chunk(MAX_MACS), &keyed()).len(), MAX_FRAME_LEN);
}

#[test]
fn rule_05_a_key_is_rotated_in_without_a_gap() {
    let (old, new) = (key(1), key(2));
    let before = Auth::keyed(old.clone(), None);
    let rotating = Auth::keyed(old, Some(new.clone()));
    let after = Auth::keyed(new, None);
    let used = |sender: &Auth, receiver: &Auth| {
        receive(&frame_of(&heartbeat(), &header(), sender), receiver).map(|parsed| parsed.key)
    };
    assert_eq!(used(&before, &rotating), Ok(KeyUsed::Current));
    assert_eq!(used(&rotating, &before), Ok(KeyUsed::Current));
    assert_eq!(used(&after, &rotating), Ok(KeyUsed::Next));
    assert_eq!(
        used(&Auth::insecure(), &Auth::insecure()),
        Ok(KeyUsed::None)
    );
}

/// The tag in it was computed by the reference implementation's key derivation and keyed hash
/// (see `golden_tag_by_hand`): the format may only change together with its version byte.
#[rustfmt::skip]
const GOLDEN_HEAD: [u8; 102] = [
    // Ethernet: 239.255.43.203 has its top bit cut off
    0x01, 0x00, 0x5e, 0x7f, 0x2b, 0xcb, 0x02, 0x00, 0x00, 0x00, 0x00, 0x0a, 0x08, 0x00,
    // IPv4: 192 bytes, don't fragment, TTL 255, UDP
    0x45, 0x00, 0x00, 0xc0, 0x00, 0x00, 0x40, 0x00, 0xff, 0x11, 0x00, 0x00,
    169, 254, 0, 1, 239, 255, 43, 203,
    // UDP: 11211 to 11211, 172 bytes
    0x2b, 0xcb, 0x2b, 0xcb, 0x00, 0xac, 0x00, 0x00,
    // payload: magic, version 2, kind 1, 164 bytes
    b'T', b'W', b'N', b'L', 2, 1, 0x00, 0xa4,
    b'e', b'd', b'g', b'e', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 1, 0, 0,
    0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88,
    0, 0, 0, 0, 0, 0, 0, 42,
];
#[rustfmt::skip]
const GOLDEN_BODY: [u8; 88] = [
    2, 0x01, 0x13,
    0, 0,
    0, 0, 0, 0, 0, 0, 0, 7,
    0, 0, 1, 0, 2,
    0, 0, 0, 0, 0x3b, 0x9a, 0xca, 0x00,
    0, 0, 0, 3,
    0x00, 0x00, 0xc3, 0x50,
    5,
    0xde, 0xad, 0xbe, 0xef, 0x0b, 0xad, 0xca, 0xfe,
    0x00, 0x00, 0x00, 0x00, 0x07, 0x5b, 0xcd, 0x15,
    1,
    0, 2,
    0, 0, 0, 0, 0, 0, 0, 9,
    0, 0, 0, 0, 0, 0, 0, 41,
    0x00, 0x00, 0x00, 0x00, 0x07, 0x54, 0xd4, 0xc0,
    0, 0, 0, 0, 0, 0, 0x13, 0x88,
    1, 3,
];

#[test]
fn golden_frame() {
    let frame = frame_of(&heartbeat(), &header(), &keyed());
    let mut golden = [GOLDEN_HEAD.as_slice(), &GOLDEN_BODY].concat();
    let derived = blake3::derive_key("twinline 2026-11 heartbeat tag v1", &[1; 32]);
    let tag = blake3::keyed_hash(&derived, &golden[PAYLOAD..]);
    golden.extend(&tag.as_bytes()[..16]);
    repair_lower_layers(&mut golden);
    assert_eq!(frame, golden);
}

#[test]
fn multicast_and_unicast_addresses() {
    assert_eq!(
        addressing().dst_mac,
        "01:00:5e:7f:2b:cb".parse::<Mac>().unwrap()
    );
    let peer = Mac([2, 0, 0, 0, 0, 9]);
    let to = |mac| Addressing::unicast(PEER_MAC, PEER_IP, GROUP, mac, PORT).dst_mac;
    assert_eq!(to(Some(peer)), peer);
    assert_eq!(to(None), Mac::BROADCAST);
}

/// An implementation of the lower layers that is not ours reads the same out of the frame.
#[test]
fn etherparse_agrees() {
    for frame in [
        frame_of(&heartbeat(), &header(), &keyed()),
        chunk_frame(&chunk(0), &keyed()),
        chunk_frame(&chunk(MAX_MACS), &keyed()),
    ] {
        let sliced = etherparse::SlicedPacket::from_ethernet(&frame).unwrap();
        let Some(etherparse::LinkSlice::Ethernet2(ethernet)) = sliced.link else {
            panic!("no Ethernet header");
        };
        assert_eq!(ethernet.source(), PEER_MAC.0);
        assert_eq!(ethernet.destination(), addressing().dst_mac.0);
        let Some(etherparse::NetSlice::Ipv4(ip)) = sliced.net else {
            panic!("no IPv4 header")
        };
        let ip_header = ip.header();
        assert_eq!(ip_header.source_addr(), PEER_IP);
        assert_eq!(ip_header.destination_addr(), GROUP);
        assert_eq!(ip_header.ttl(), 255);
        assert!(ip_header.dont_fragment());
        assert_eq!(
            ip_header.header_checksum(),
            ip_header.to_header().calc_header_checksum()
        );
        let Some(etherparse::TransportSlice::Udp(udp)) = sliced.transport else {
            panic!("no UDP header");
        };
        assert_eq!((udp.source_port(), udp.destination_port()), (PORT, PORT));
        let expected = udp
            .to_header()
            .calc_checksum_ipv4(&ip_header.to_header(), udp.payload())
            .unwrap();
        assert_eq!(udp.checksum(), expected);
        assert_eq!(udp.payload(), &frame[PAYLOAD..]);
    }
}

/// What another implementation builds is taken, with and without a UDP checksum.
#[test]
fn frames_built_by_etherparse_are_taken() {
    let ours = frame_of(&heartbeat(), &header(), &keyed());
    let mut built = Vec::new();
    etherparse::PacketBuilder::ethernet2(PEER_MAC.0, [0xff; 6])
        .ipv4(PEER_IP.octets(), GROUP.octets(), 255)
        .udp(PORT, PORT)
        .write(&mut built, &ours[PAYLOAD..])
        .unwrap();
    assert!(receive(&built, &keyed()).is_ok());
    built[UDP + 6..UDP + 8].fill(0);
    assert!(receive(&built, &keyed()).is_ok(), "a checksum of 0 is none");
}

#[test]
fn a_short_buffer_is_an_error() {
    let frame = frame_of(&heartbeat(), &header(), &keyed());
    for have in [0, 1, PAYLOAD, frame.len() - 1] {
        let made = heartbeat().emit(&mut vec![0; have], &header(), &addressing(), &keyed());
        assert_eq!(
            made,
            Err(EmitError::BufferTooSmall {
                need: frame.len(),
                have
            })
        );
    }
}

#[test]
fn what_the_receiver_would_refuse_is_not_sent() {
    let mut buffer = [0; MAX_FRAME_LEN];
    for wrong in [
        Heartbeat {
            pairs_up: 3,
            ..heartbeat()
        },
        Heartbeat {
            interval_us: 0,
            ..heartbeat()
        },
        Heartbeat {
            failure_threshold: 0,
            ..heartbeat()
        },
    ] {
        let made = wrong.emit(&mut buffer, &header(), &addressing(), &keyed());
        assert!(matches!(made, Err(EmitError::OutOfRange(_))), "{made:?}");
    }
    let mut group = chunk(3);
    group.macs[1] = Mac::BROADCAST;
    let made = group.emit(&mut buffer, &header(), &addressing(), &keyed());
    assert!(matches!(made, Err(EmitError::OutOfRange(_))), "{made:?}");
}

#[test]
fn flags_keep_to_the_known_bits() {
    assert_eq!(Flags::from_bits(0xffff).bits(), 0x7ff);
    let flags = Flags::FIT
        .with(Flags::PRIMARY, true)
        .with(Flags::FIT, false);
    assert_eq!(flags, Flags::PRIMARY);
    assert!(flags.contains(Flags::PRIMARY) && !flags.contains(Flags::PRIMARY | Flags::FIT));
    assert!(flags.contains(Flags::NONE));
}

fn any_echo() -> impl Strategy<Value = Echo> {
    (
        any::<u16>(),
        any::<u64>(),
        any::<u64>(),
        any::<u64>(),
        any::<u64>(),
        (0..3usize, any::<u8>()),
    )
        .prop_map(
            |(instance, boot, seq, tx_time_ns, hold_ns, (health, paths))| Echo {
                instance,
                boot,
                seq,
                tx_time_ns,
                hold_ns,
                health: Health::ALL[health],
                paths,
            },
        )
}

prop_compose! {
    fn any_heartbeat()(
        (role, flags, successor, epoch, unfit_reason) in
            (0..6usize, any::<u16>(), any::<u16>(), any::<u64>(), any::<u8>()),
        (pairs_total, down, bandwidth_bps) in (any::<u16>(), any::<u16>(), any::<u64>()),
        (flaps, interval_us, failure_threshold) in (any::<u32>(), 1..=u32::MAX, 1..=u8::MAX),
        (config_digest, tx_time_ns) in (any::<u64>(), any::<u64>()),
        echoes in prop::collection::vec(any_echo(), 0..=MAX_ECHOES),
    ) -> Heartbeat {
        Heartbeat {
            role: Role::ALL[role],
            flags: Flags::from_bits(flags),
            successor,
            epoch,
            unfit_reason,
            pairs_up: pairs_total.saturating_sub(down),
            pairs_total,
            bandwidth_bps,
            flaps,
            interval_us,
            failure_threshold,
            config_digest,
            tx_time_ns,
            echoes: echoes.into_iter().collect(),
        }
    }
}

proptest! {
    #[test]
    fn any_heartbeat_comes_back_the_same(
        sent in any_heartbeat(),
        boot in any::<u64>(),
        seq in any::<u64>(),
        instance in any::<u16>().prop_filter("not ours", |id| *id != OURS),
    ) {
        let header = Header { stack: stack(), instance, boot, seq, path: Path::HaPort };
        let parsed = receive(&frame_of(&sent, &header, &keyed()), &keyed()).unwrap();
        prop_assert_eq!((parsed.instance, parsed.boot, parsed.seq), (instance, boot, seq));
        prop_assert_eq!(parsed.body, Body::Heartbeat(sent));
    }

    #[test]
    fn any_chunk_comes_back_the_same(
        pair in any::<u16>(),
        wan in any::<bool>(),
        first in any::<bool>(),
        last in any::<bool>(),
        macs in prop::collection::vec(any::<[u8; 6]>(), 0..=MAX_MACS),
    ) {
        let macs = macs.into_iter().map(|[a, b, c, d, e, f]| Mac([a & 0xfe, b, c, d, e, f]));
        let side = if wan { Side::Wan } else { Side::Lan };
        let sent = MacChunk { pair, side, first, last, macs: macs.collect() };
        let parsed = receive(&chunk_frame(&sent, &keyed()), &keyed()).unwrap();
        prop_assert_eq!(parsed.body, Body::MacChunk(sent));
    }

    #[test]
    fn any_stack_name_is_taken_by_its_own_stack(name in "[!-~]([ -~]{0,30}[!-~])?") {
        let stack = StackName::new(&name).unwrap();
        let frame = frame_of(&heartbeat(), &Header { stack, ..header() }, &keyed());
        let expect = twinline_wire::heartbeat::Expect {
            udp_port: PORT, stack: &stack, own_instance: OURS, auth: &keyed(),
        };
        prop_assert!(twinline_wire::heartbeat::parse(&frame, &expect).is_ok());
    }
}

#[test]
fn rule_12_the_path_is_under_the_tag_and_a_capture_of_one_is_nothing_on_the_other() {
    let mut buffer = [0; MAX_PAYLOAD_LEN];
    let in_band = Header {
        path: Path::InBand,
        ..header()
    };
    let length = heartbeat()
        .emit_payload(&mut buffer, &in_band, &keyed())
        .unwrap();
    let payload = &buffer[..length];
    let stack = stack();
    let auth = keyed();
    let expect = Expect {
        udp_port: PORT,
        stack: &stack,
        own_instance: OURS,
        auth: &auth,
    };
    let parsed = parse_payload(payload, PEER_MAC, &expect).unwrap();
    assert_eq!(parsed.path, Path::InBand);
    assert_eq!(parsed.body, Body::Heartbeat(heartbeat()));

    let of_ha_port = frame_of(&heartbeat(), &header(), &keyed());
    let replayed = parse_payload(&of_ha_port[PAYLOAD..], PEER_MAC, &expect);
    assert_eq!(replayed, Err(DropCause::WrongPath));
    let moved = frame_of(&heartbeat(), &in_band, &keyed());
    assert_eq!(receive(&moved, &keyed()), Err(DropCause::WrongPath));
    for length in 0..payload.len() {
        assert!(parse_payload(&payload[..length], PEER_MAC, &expect).is_err());
    }
}
