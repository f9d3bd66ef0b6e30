//! Any bytes, and any damage to good frames: a cause, never a panic, and never a wrong advert.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests count as tests

#[path = "common/adverts.rs"]
mod adverts;

use std::net::Ipv6Addr;

use adverts::{Speaker, ip};
use proptest::prelude::*;
use twinline_wire::slow_path::{self, Seen};
use twinline_wire::vlan::Link;
use twinline_wire::vrrp::{ChecksumRule, DropCause, Expect, Version, parse};
use twinline_wire::{Mac, arp, ndp};

const STATION: Mac = Mac([2, 0, 0, 0, 0, 9]);

fn speakers() -> Vec<Speaker> {
    let mut pseudo = Speaker::v4();
    pseudo.addressing.checksum = ChecksumRule::PseudoHeader;
    vec![Speaker::v4(), Speaker::v6(), Speaker::v2(), pseudo]
}

/// Every flipped bit of a good frame: outside of what no checksum covers it is dropped, and
/// inside of that the advert says the same.
#[test]
fn every_flipped_bit_is_dropped_or_means_nothing() {
    for speaker in speakers() {
        let frame = speaker.frame();
        let good = speaker.receive(&frame).unwrap();
        for bit in 0..frame.len() * 8 {
            let mut flipped = frame.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let at = bit / 8;
            // Ethernet's addresses are under the FCS alone; so are IPv6's class and flow label.
            let uncovered = at < 12
                || good.source.is_ipv6() && (at == 14 && bit % 8 < 4 || (15..18).contains(&at));
            match speaker.receive(&flipped) {
                Ok(advert) => {
                    assert!(uncovered, "bit {bit} was taken");
                    assert_eq!(advert, good);
                }
                Err(_) => assert!(!uncovered, "bit {bit} was dropped"),
            }
        }
    }
}

#[test]
fn every_cut_is_dropped() {
    for speaker in speakers() {
        let frame = speaker.frame();
        for length in 0..frame.len() {
            assert_eq!(
                speaker.receive(&frame[..length]),
                Err(DropCause::Truncated),
                "{length}"
            );
        }
        let mut padded = frame.clone();
        padded.resize(frame.len() + 30, 0x55);
        assert_eq!(speaker.receive(&padded), speaker.receive(&frame));
    }
}

#[test]
fn ip_headers_that_are_not_plain_are_dropped() {
    let speaker = Speaker::v4();
    let broken = |at: usize, value: u8| {
        let mut frame = speaker.frame();
        frame[14 + at] = value;
        if at > 3 {
            speaker.repair(&mut frame);
        }
        speaker.receive(&frame).unwrap_err()
    };
    assert_eq!(broken(0, 0x65), DropCause::BadIp, "version");
    assert_eq!(broken(0, 0x46), DropCause::BadIp, "options");
    assert_eq!(
        broken(3, 19),
        DropCause::BadIp,
        "total length below the header's"
    );
    assert_eq!(broken(6, 0x20), DropCause::BadIp, "more fragments");
    assert_eq!(broken(7, 1), DropCause::BadIp, "a later fragment");
    assert_eq!(broken(9, 17), DropCause::NotOurs, "UDP");
    let mut frame = speaker.frame();
    frame[24] ^= 1;
    assert_eq!(speaker.receive(&frame), Err(DropCause::BadIpChecksum));
    let mut frame = Speaker::v6().frame();
    frame[14] = 0x45;
    assert_eq!(Speaker::v6().receive(&frame), Err(DropCause::BadIp));
}

/// Good frames of every protocol of the slow path.
fn good_frames() -> Vec<Vec<u8>> {
    let mut frames: Vec<_> = speakers().iter().map(Speaker::frame).collect();
    let mut buffer = [0; 128];
    let arp = arp::Repr::gratuitous("10.0.0.254".parse().unwrap(), STATION);
    let length = arp.emit_frame(0, &mut buffer).unwrap();
    frames.push(buffer[..length].to_vec());
    let link = Link {
        destination: Mac::BROADCAST,
        source: STATION,
        vlan: 3,
    };
    let [a, b]: [Ipv6Addr; 2] = ["fe80::1".parse().unwrap(), "fe80::2".parse().unwrap()];
    let length = ndp::Solicitation::ask(a, STATION, b)
        .emit_frame(&link, &mut buffer)
        .unwrap();
    frames.push(buffer[..length].to_vec());
    let news = ndp::Advertisement::unsolicited(a, b, STATION);
    let length = news.emit_frame(&link, &mut buffer).unwrap();
    frames.push(buffer[..length].to_vec());
    frames
}

fn any_rule() -> impl Strategy<Value = ChecksumRule> {
    prop_oneof![
        Just(ChecksumRule::Rfc9568),
        Just(ChecksumRule::PseudoHeader),
        Just(ChecksumRule::Any)
    ]
}

fn any_version() -> impl Strategy<Value = Version> {
    prop_oneof![Just(Version::V2), Just(Version::V3)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_are_judged(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        ethertype in prop_oneof![Just(0x0800u16), Just(0x86dd), Just(0x0806), any::<u16>()],
        protocol in prop_oneof![Just(112u8), Just(58), any::<u8>()],
        rule in any_rule(), version in any_version(), peered in any::<bool>(),
    ) {
        let mut bytes = bytes;
        if bytes.len() > 23 {
            bytes[12..14].copy_from_slice(&ethertype.to_be_bytes());
            match ethertype {
                0x0800 => (bytes[14], bytes[23]) = (0x45, protocol),
                0x86dd => (bytes[14], bytes[20]) = (0x60, protocol),
                _ => {}
            }
        }
        let peers = [ip("10.0.0.1")];
        let peers = if peered { &peers[..] } else { &[] };
        let _ = slow_path::read(&bytes, |_, _| Some(Expect { version, checksum: rule, peers }));
    }

    #[test]
    fn damaged_frames_are_judged(
        which in 0..7usize,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(), rule in any_rule(), version in any_version(),
    ) {
        let mut frame = good_frames().swap_remove(which);
        for (at, value) in damage {
            let at = at.index(frame.len());
            frame[at] = value;
        }
        frame.truncate(cut.index(frame.len() + 1));
        let _ = slow_path::read(&frame, |_, _| Some(Expect { version, checksum: rule, peers: &[] }));
    }

    /// Damage that the checksums agree with: what is taken is within its bounds.
    #[test]
    fn lies_with_good_checksums_are_judged(
        which in 0..4usize,
        damage in prop::collection::vec((0..40usize, any::<u8>()), 1..5),
        length in prop::option::of(0..60usize),
    ) {
        let speaker = speakers().swap_remove(which);
        let frame = speaker.changed(|message| {
            for (at, value) in damage {
                if let Some(byte) = message.get_mut(at) {
                    *byte = value;
                }
            }
            if let Some(length) = length {
                message.resize(length, 0);
            }
        });
        if let Ok(advert) = parse(&frame, |_, _| Some(speaker.expect())) {
            prop_assert!(!advert.addresses.is_empty());
            prop_assert_eq!(advert.addresses.iter().count(), advert.addresses.len());
            prop_assert!(advert.interval.centis() >= 1);
            prop_assert_eq!(advert.version, speaker.version);
        }
    }

    #[test]
    fn what_is_emitted_is_read_back(
        priority in any::<u8>(), centis in 1..=4095u16, count in 1..=60usize, vlan in 0..4095u16,
        rule in any_rule(), six in any::<bool>(), source in any::<u16>(),
    ) {
        let mut speaker = if six { Speaker::v6() } else { Speaker::v4() };
        speaker.priority = priority;
        speaker.interval = twinline_wire::vrrp::Interval::from_centis(centis).unwrap();
        speaker.addressing.vlan = vlan;
        speaker.addressing.checksum = rule;
        let prefix = if six { "fe80::" } else { "10.0.0." };
        let source = if six { format!("{prefix}{source:x}") } else { format!("{prefix}{}", source % 256) };
        speaker.addressing.source = ip(&source);
        speaker.addresses = (1..=count).map(|n| ip(&format!("{prefix}{n}"))).collect();
        let frame = speaker.frame();
        let advert = speaker.receive(&frame).unwrap();
        prop_assert_eq!((advert.priority, advert.interval), (priority, speaker.interval));
        prop_assert_eq!(advert.source, speaker.addressing.source);
        prop_assert_eq!(advert.addresses.iter().collect::<Vec<_>>(), speaker.addresses.clone());
        let (link, seen) = slow_path::read(&frame, |_, _| Some(speaker.expect())).unwrap();
        prop_assert_eq!(link.vlan, vlan);
        prop_assert_eq!(seen, Seen::Advert(advert));
    }
}
