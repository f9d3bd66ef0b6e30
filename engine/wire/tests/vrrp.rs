//! The checklist of RFC 9568: what is sent (items 1 to 7), what is taken (items 8 to 17 and 21).
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests count as tests

#[path = "common/adverts.rs"]
mod adverts;

use adverts::{Speaker, internet, ip, vrid};
use twinline_wire::vrrp::{
    ChecksumRule, DropCause, DropCounters, EmitError, Expect, Family, Interval, Target, Version,
    is_group, parse,
};
use twinline_wire::{Mac, vlan};

fn speakers() -> [Speaker; 3] {
    [Speaker::v4(), Speaker::v6(), Speaker::v2()]
}

fn mac(text: &str) -> Mac {
    text.parse().unwrap()
}

#[test]
fn item_01_ttl_protocol_and_group() {
    let v4 = Speaker::v4().frame();
    let (ip4, _) = etherparse::Ipv4Header::from_slice(&v4[14..]).unwrap();
    assert_eq!((ip4.time_to_live, ip4.protocol.0), (255, 112));
    assert_eq!(ip4.destination, [224, 0, 0, 18]);
    assert_eq!(ip4.header_checksum, ip4.calc_header_checksum());
    assert_eq!(
        vlan::open(&v4).unwrap().link.destination,
        mac("01:00:5e:00:00:12")
    );

    let v6 = Speaker::v6().frame();
    let (ip6, rest) = etherparse::Ipv6Header::from_slice(&v6[14..]).unwrap();
    assert_eq!((ip6.hop_limit, ip6.next_header.0), (255, 112));
    assert_eq!(ip("ff02::12"), std::net::Ipv6Addr::from(ip6.destination));
    assert_eq!(usize::from(ip6.payload_length), rest.len());
    assert_eq!(
        vlan::open(&v6).unwrap().link.destination,
        mac("33:33:00:00:00:12")
    );
}

#[test]
fn item_02_source_mac_is_the_virtual_one() {
    for (speaker, expected) in [
        (Speaker::v4(), "00:00:5e:00:01:07"),
        (Speaker::v2(), "00:00:5e:00:01:07"),
        (Speaker::v6(), "00:00:5e:00:02:07"),
    ] {
        let frame = speaker.frame();
        assert_eq!(vlan::open(&frame).unwrap().link.source, mac(expected));
    }
    assert_eq!(vrid(255).mac(Family::V4), mac("00:00:5e:00:01:ff"));
}

#[test]
fn item_03_source_address_is_the_interfaces_own() {
    for speaker in speakers() {
        let frame = speaker.frame();
        assert_eq!(
            speaker.receive(&frame).unwrap().source,
            speaker.addressing.source
        );
    }
    let mut global = Speaker::v6();
    global.addressing.source = ip("2001:db8::1");
    assert_eq!(global.emit(), Err(EmitError::NoLinkLocal));
}

#[test]
fn item_04_version_type_reserved_and_interval() {
    for centis in [1, 100, 255, 256, 4095] {
        for mut speaker in [Speaker::v4(), Speaker::v6()] {
            speaker.interval = Interval::from_centis(centis).unwrap();
            let frame = speaker.frame();
            let message = &frame[speaker.message_at()..];
            assert_eq!(message[..4], [0x31, 7, 100, 2]);
            assert_eq!(message[4..6], centis.to_be_bytes(), "reserved bits 0");
            assert_eq!(speaker.receive(&frame).unwrap().interval, speaker.interval);
        }
    }
    assert_eq!(Interval::from_centis(0), None);
    assert_eq!(Interval::from_centis(4096), None);
    // 255 s fit version 2's field and not version 3's.
    let mut long = Speaker::v4();
    long.interval = Interval::from_secs(255).unwrap();
    assert_eq!(long.emit(), Err(EmitError::Interval));
}

#[test]
fn item_05_checksum_of_ipv4_is_as_the_knob_says() {
    let sent = |rule| {
        let mut speaker = Speaker::v4();
        speaker.addressing.checksum = rule;
        speaker.frame()
    };
    let rfc = sent(ChecksumRule::Rfc9568);
    assert_eq!(internet(&rfc[34..]), 0, "the message alone");
    assert_eq!(sent(ChecksumRule::Any), rfc);
    let pseudo = sent(ChecksumRule::PseudoHeader);
    let mut whole = pseudo[26..34].to_vec();
    whole.extend([0, 112, 0, 16]);
    whole.extend(&pseudo[34..]);
    assert_eq!(internet(&whole), 0);

    let taken = |frame: &[u8], rule| {
        let expect = Expect {
            version: Version::V3,
            checksum: rule,
            peers: &[],
        };
        parse(frame, |_, _| Some(expect)).map(|_| ())
    };
    let bad = Err(DropCause::BadChecksum);
    assert_eq!(taken(&rfc, ChecksumRule::Rfc9568), Ok(()));
    assert_eq!(taken(&pseudo, ChecksumRule::Rfc9568), bad);
    assert_eq!(taken(&rfc, ChecksumRule::PseudoHeader), bad);
    assert_eq!(taken(&pseudo, ChecksumRule::PseudoHeader), Ok(()));
    assert_eq!(taken(&rfc, ChecksumRule::Any), Ok(()));
    assert_eq!(taken(&pseudo, ChecksumRule::Any), Ok(()));
    let mut broken = rfc.clone();
    broken[36] ^= 1;
    assert_eq!(taken(&broken, ChecksumRule::Any), bad);
}

#[test]
fn item_05_checksum_of_ipv6_has_the_pseudo_header() {
    for rule in [
        ChecksumRule::Rfc9568,
        ChecksumRule::PseudoHeader,
        ChecksumRule::Any,
    ] {
        let mut speaker = Speaker::v6();
        speaker.addressing.checksum = rule;
        let frame = speaker.frame();
        let mut whole = frame[22..54].to_vec();
        whole.extend([0, 0, 0, 40, 0, 0, 0, 112]);
        whole.extend(&frame[54..]);
        assert_eq!(internet(&whole), 0, "{rule:?}");
        assert!(speaker.receive(&frame).is_ok());
    }
}

#[test]
fn item_06_addresses_are_of_the_carriers_family_and_link_local_first() {
    let frame = Speaker::v6().frame();
    assert_eq!(frame[62..64], [0xfe, 0x80]);
    let emitted = |source: &str, addresses: &[&str]| {
        let mut speaker = Speaker::v4();
        speaker.addressing.source = ip(source);
        speaker.addresses = addresses.iter().map(|text| ip(text)).collect();
        speaker.emit().map(|_| ())
    };
    assert_eq!(
        emitted("fe80::1", &["2001:db8::1", "fe80::2"]),
        Err(EmitError::NoLinkLocal)
    );
    assert_eq!(
        emitted("fe80::1", &["fe80::2", "10.0.0.1"]),
        Err(EmitError::Family)
    );
    assert_eq!(
        emitted("10.0.0.2", &["10.0.0.1", "fe80::2"]),
        Err(EmitError::Family)
    );
    assert_eq!(emitted("10.0.0.2", &[]), Err(EmitError::Count(0)));
    assert_eq!(
        emitted("10.0.0.2", &["10.0.0.1"; 256]),
        Err(EmitError::Count(256))
    );
    assert_eq!(emitted("10.0.0.2", &["10.0.0.1"; 255]), Ok(()));
    let mut old = Speaker::v6();
    old.version = Version::V2;
    assert_eq!(old.emit(), Err(EmitError::Family), "version 2 is for IPv4");
}

#[test]
fn item_07_priority_is_sent_as_it_is() {
    for priority in [0, 1, 100, 254, 255] {
        for mut speaker in speakers() {
            speaker.priority = priority;
            assert_eq!(
                speaker.receive(&speaker.frame()).unwrap().priority,
                priority
            );
        }
    }
}

#[test]
fn item_08_ttl_below_255_is_dropped() {
    for ttl in [0, 1, 64, 254] {
        for speaker in speakers() {
            let mut frame = speaker.frame();
            let at = if speaker.addressing.source.is_ipv4() {
                22
            } else {
                21
            };
            frame[at] = ttl;
            speaker.repair(&mut frame);
            assert_eq!(speaker.receive(&frame), Err(DropCause::BadTtl));
        }
    }
}

#[test]
fn item_09_other_versions_are_dropped() {
    for speaker in speakers() {
        for version in (0..16).filter(|version| *version != speaker.version as u8) {
            let frame = speaker.changed(|message| message[0] = version << 4 | 1);
            assert_eq!(
                speaker.receive(&frame),
                Err(DropCause::BadVersion),
                "{version}"
            );
        }
    }
}

#[test]
fn item_10_other_types_are_dropped() {
    for speaker in speakers() {
        for kind in (0..16).filter(|kind| *kind != 1) {
            let frame = speaker.changed(|message| message[0] = message[0] & 0xf0 | kind);
            assert_eq!(speaker.receive(&frame), Err(DropCause::BadType), "{kind}");
        }
    }
}

#[test]
fn item_11_messages_shorter_than_their_count_are_dropped() {
    for speaker in speakers() {
        let whole = speaker.frame().len() - speaker.message_at();
        for length in 0..whole {
            let frame = speaker.changed(|message| message.truncate(length));
            assert_eq!(
                speaker.receive(&frame),
                Err(DropCause::BadLength),
                "{length}"
            );
        }
        let more = speaker.changed(|message| message[3] = 255);
        assert_eq!(speaker.receive(&more), Err(DropCause::BadLength));
        // Longer is no fault: "greater than or equal".
        let frame = speaker.changed(|message| message.extend([0; 5]));
        assert!(speaker.receive(&frame).is_ok());
    }
}

#[test]
fn item_12_bad_checksums_are_dropped() {
    for speaker in speakers() {
        for at in speaker.message_at()..speaker.frame().len() {
            let mut frame = speaker.frame();
            frame[at] ^= 0x10;
            assert!(speaker.receive(&frame).is_err(), "{at}");
        }
        let mut frame = speaker.frame();
        frame[speaker.message_at() + 7] ^= 1;
        assert_eq!(speaker.receive(&frame), Err(DropCause::BadChecksum));
    }
}

#[test]
fn item_13_other_virtual_routers_are_dropped() {
    for speaker in speakers() {
        let frame = speaker.frame();
        assert_eq!(parse(&frame, |_, _| None), Err(DropCause::UnknownVrid));
        let zero = speaker.changed(|message| message[1] = 0);
        let dropped = parse(&zero, |_, _| Some(speaker.expect()));
        assert_eq!(
            dropped,
            Err(DropCause::UnknownVrid),
            "0 is no id, whatever is configured"
        );
        // The families are looked up apart.
        let family = Family::of(speaker.addressing.source);
        let read = parse(&frame, |seen, _| (seen == family).then(|| speaker.expect()));
        assert_eq!(read.unwrap().vrid, vrid(7));
    }
}

#[test]
fn item_14_no_addresses_are_dropped() {
    for speaker in speakers() {
        let frame = speaker.changed(|message| message[3] = 0);
        assert_eq!(speaker.receive(&frame), Err(DropCause::NoAddresses));
    }
}

#[test]
fn item_15_interval_zero_is_dropped() {
    for speaker in speakers() {
        let frame = speaker.changed(|message| message[4..6].fill(0));
        assert_eq!(speaker.receive(&frame), Err(DropCause::ZeroInterval));
    }
    let reserved_only = Speaker::v4().changed(|message| message[4..6].copy_from_slice(&[0xf0, 0]));
    assert_eq!(
        Speaker::v4().receive(&reserved_only),
        Err(DropCause::ZeroInterval)
    );
}

#[test]
fn item_16_ipv6_without_link_local_first_is_dropped() {
    let speaker = Speaker::v6();
    let frame = speaker.changed(|message| {
        let (first, second) = message[8..40].split_at_mut(16);
        first.swap_with_slice(second);
    });
    assert_eq!(speaker.receive(&frame), Err(DropCause::NoLinkLocal));
}

#[test]
fn item_17_reserved_bits_are_ignored() {
    for speaker in [Speaker::v4(), Speaker::v6()] {
        let frame = speaker.changed(|message| message[4] |= 0xf0);
        assert_eq!(speaker.receive(&frame).unwrap().interval, speaker.interval);
    }
}

#[test]
fn item_21_groups_of_adverts_are_known_so_that_nobody_forwards_them() {
    assert!(is_group(ip("224.0.0.18")) && is_group(ip("ff02::12")));
    for other in [
        "224.0.0.1",
        "224.0.0.19",
        "ff02::1",
        "ff05::12",
        "10.0.0.18",
    ] {
        assert!(!is_group(ip(other)), "{other}");
    }
}

#[test]
fn version_2_is_byte_exact() {
    let frame = Speaker::v2().frame();
    assert_eq!(
        frame[34..40],
        [0x21, 7, 100, 1, 0, 1],
        "authentication 0, one second"
    );
    assert_eq!(frame[42..46], [10, 0, 0, 254]);
    assert_eq!(frame[46..], [0; 8], "authentication data");
    assert_eq!(internet(&frame[34..]), 0, "never a pseudo-header");
    let mut knob = Speaker::v2();
    knob.addressing.checksum = ChecksumRule::PseudoHeader;
    assert_eq!(knob.frame(), frame);
    let mut long = Speaker::v2();
    long.interval = Interval::from_centis(150).unwrap();
    assert_eq!(long.emit(), Err(EmitError::Interval), "whole seconds only");
}

#[test]
fn version_2_with_authentication_is_dropped() {
    let speaker = Speaker::v2();
    for auth in [1, 2, 254] {
        let frame = speaker.changed(|message| message[4] = auth);
        assert_eq!(speaker.receive(&frame), Err(DropCause::BadAuth));
    }
    let data = speaker.changed(|message| message[12..20].fill(0x55));
    assert!(
        speaker.receive(&data).is_ok(),
        "the data of type 0 is ignored"
    );
}

#[test]
fn unicast_goes_to_the_peer_and_is_taken_from_peers_only() {
    let mut speaker = Speaker::v4();
    speaker.addressing.target = Target::Peer {
        address: ip("10.0.0.2"),
        mac: mac("02:00:00:00:00:02"),
    };
    let frame = speaker.frame();
    let read = |frame: &[u8], peers: &[_]| {
        let expect = Expect {
            peers,
            ..speaker.expect()
        };
        parse(frame, |_, _| Some(expect)).map(|advert| advert.destination)
    };
    assert_eq!(
        vlan::open(&frame).unwrap().link.destination,
        mac("02:00:00:00:00:02")
    );
    assert_eq!(read(&frame, &[ip("10.0.0.1")]), Ok(ip("10.0.0.2")));
    assert_eq!(read(&frame, &[ip("10.0.0.3")]), Err(DropCause::UnknownPeer));
    assert_eq!(read(&frame, &[]), Err(DropCause::BadDestination));
    let group = Speaker::v4().frame();
    assert_eq!(
        read(&group, &[ip("10.0.0.1")]),
        Err(DropCause::BadDestination)
    );
    speaker.addressing.target = Target::Peer {
        address: ip("fe80::2"),
        mac: mac("02:00:00:00:00:02"),
    };
    assert_eq!(speaker.emit(), Err(EmitError::Family));
}

#[test]
fn a_vlan_is_written_and_read() {
    for mut speaker in speakers() {
        let untagged = speaker.frame();
        speaker.addressing.vlan = 42;
        let frame = speaker.frame();
        assert_eq!(vlan::open(&frame).unwrap().link.vlan, 42);
        assert_eq!(frame[18..], untagged[14..]);
        assert!(speaker.receive(&frame).is_ok());
    }
}

#[test]
fn a_buffer_too_short_is_said_with_what_is_needed() {
    for speaker in speakers() {
        let whole = speaker.frame().len();
        for have in 0..whole {
            let error = speaker.repr().emit(&speaker.addressing, &mut vec![0; have]);
            assert_eq!(error, Err(EmitError::BufferTooSmall { need: whole, have }));
        }
    }
}

#[test]
fn addresses_are_compared_as_a_set() {
    let speaker = Speaker::v4();
    let frame = speaker.frame();
    let addresses = speaker.receive(&frame).unwrap().addresses;
    assert_eq!(addresses.iter().collect::<Vec<_>>(), speaker.addresses);
    assert_eq!(addresses.len(), 2);
    assert!(addresses.same_set(&[ip("10.0.0.253"), ip("10.0.0.254")]));
    assert!(!addresses.same_set(&[ip("10.0.0.254")]));
    assert!(!addresses.same_set(&[ip("10.0.0.253"), ip("10.0.0.254"), ip("10.0.0.9")]));
}

#[test]
fn every_cause_is_counted_apart() {
    let mut counters = DropCounters::default();
    let speaker = Speaker::v4();
    counters.count(speaker.receive(&[0; 13]).unwrap_err());
    counters.count(speaker.receive(&[0; 60]).unwrap_err());
    counters.count(speaker.receive(&speaker.changed(|m| m[3] = 0)).unwrap_err());
    for (cause, count) in counters.iter() {
        let expected = matches!(
            cause,
            DropCause::Truncated | DropCause::NotOurs | DropCause::NoAddresses
        );
        assert_eq!(count, u64::from(expected), "{}", cause.name());
    }
    assert_eq!(counters.total(), 3);
    let mut names: Vec<_> = DropCause::ALL.iter().map(|cause| cause.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), DropCause::COUNT);
}
