//! ARP and neighbour discovery: what a virtual router says of its addresses, and what it hears.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests count as tests

use std::net::{Ipv4Addr, Ipv6Addr};

use twinline_wire::ndp::{Advertisement, DropCause, Message, Solicitation};
use twinline_wire::slow_path::{self, Seen};
use twinline_wire::vlan::Link;
use twinline_wire::{Mac, arp, ipv6, ndp};

const VIRTUAL: Mac = Mac([0, 0, 0x5e, 0, 1, 7]);
const VIRTUAL6: Mac = Mac([0, 0, 0x5e, 0, 2, 7]);
const HOST: Mac = Mac([2, 0, 0, 0, 0, 9]);
const VIP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 254);

fn v6(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

fn link(destination: Mac, source: Mac) -> Link {
    Link {
        destination,
        source,
        vlan: 0,
    }
}

#[rustfmt::skip]
#[test]
fn gratuitous_arp_is_byte_exact() {
    let mut frame = [0xaa; arp::MAX_FRAME_LEN];
    let length = arp::Repr::gratuitous(VIP, VIRTUAL).emit_frame(0, &mut frame).unwrap();
    let mut expected = vec![
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0x5e, 0, 1, 7, 0x08, 0x06,
        0, 1, 0x08, 0, 6, 4, 0, 1,
        0, 0, 0x5e, 0, 1, 7, 10, 0, 0, 254,
        0, 0, 0, 0, 0, 0, 10, 0, 0, 254,
    ];
    expected.resize(60, 0);
    assert_eq!(frame[..length], expected);
}

#[test]
fn an_arp_request_is_answered_with_the_virtual_mac() {
    let request = arp::Repr::request(HOST, Ipv4Addr::new(10, 0, 0, 9), VIP);
    assert!(!request.is_gratuitous());
    let mut frame = [0; arp::MAX_FRAME_LEN];
    let length = request.emit_frame(5, &mut frame).unwrap();
    assert_eq!(length, 64);
    let (link, heard) = arp::parse(&frame[..length]).unwrap();
    assert_eq!(
        (link.destination, link.vlan, heard),
        (Mac::BROADCAST, 5, request)
    );

    let reply = arp::Repr::reply_to(&heard, VIRTUAL);
    let length = reply.emit_frame(5, &mut frame).unwrap();
    let (link, read) = arp::parse(&frame[..length]).unwrap();
    assert_eq!((link.destination, link.source), (HOST, VIRTUAL));
    assert_eq!(read.operation, arp::Operation::Reply);
    assert_eq!((read.sender_ip, read.sender_mac), (VIP, VIRTUAL));
    assert_eq!((read.target_ip, read.target_mac), (request.sender_ip, HOST));
    assert!(arp::Repr::gratuitous(VIP, VIRTUAL).is_gratuitous());
}

#[test]
fn arp_of_others_is_dropped_by_cause() {
    let mut good = [0; arp::MAX_FRAME_LEN];
    let length = arp::Repr::gratuitous(VIP, VIRTUAL)
        .emit_frame(0, &mut good)
        .unwrap();
    let dropped = |at: usize, value: u8| {
        let mut frame = good;
        frame[at] = value;
        arp::parse(&frame[..length]).unwrap_err()
    };
    assert_eq!(dropped(13, 0), arp::DropCause::NotOurs);
    for at in 14..20 {
        assert_eq!(dropped(at, 9), arp::DropCause::BadKind, "{at}");
    }
    assert_eq!(dropped(21, 3), arp::DropCause::BadOperation);
    assert_eq!(dropped(22, 1), arp::DropCause::BadSender, "a group");
    for length in 0..42 {
        assert_eq!(arp::parse(&good[..length]), Err(arp::DropCause::Truncated));
    }
    assert!(arp::parse(&good[..42]).is_ok(), "padding may be gone");
    assert!(
        arp::Repr::gratuitous(VIP, VIRTUAL)
            .emit_frame(0, &mut [0; 59])
            .is_err()
    );
}

/// The ICMPv6 checksum, by etherparse.
fn checksum_is_right(frame: &[u8]) -> bool {
    let (ip, payload) = etherparse::Ipv6Header::from_slice(&frame[14..]).unwrap();
    let icmp = etherparse::Icmpv6Slice::from_slice(payload).unwrap();
    icmp.is_checksum_valid(ip.source, ip.destination)
}

#[test]
fn an_unsolicited_advertisement_says_router_and_override() {
    let news = Advertisement::unsolicited(v6("fe80::1"), v6("2001:db8::254"), VIRTUAL6);
    let mut frame = [0; ndp::MAX_FRAME_LEN];
    let group = ipv6::multicast_mac(ipv6::ALL_NODES);
    let length = news.emit_frame(&link(group, VIRTUAL6), &mut frame).unwrap();
    let frame = &frame[..length];
    assert_eq!(length, 86);
    assert_eq!(frame[..6], [0x33, 0x33, 0, 0, 0, 1]);
    assert_eq!(frame[54..56], [136, 0]);
    assert_eq!(frame[58..62], [0xa0, 0, 0, 0], "R = 1, S = 0, O = 1");
    assert_eq!(frame[62..78], v6("2001:db8::254").octets());
    assert_eq!(frame[78..], [2, 1, 0, 0, 0x5e, 0, 2, 7]);
    assert!(checksum_is_right(frame));
    assert_eq!(ndp::parse(frame).unwrap().1, Message::Advertisement(news));
}

#[test]
fn a_solicitation_is_answered_with_the_virtual_mac() {
    let target = v6("2001:db8::254");
    let question = Solicitation::ask(v6("2001:db8::9"), HOST, target);
    assert_eq!(question.destination, v6("ff02::1:ff00:254"));
    let mut frame = [0; ndp::MAX_FRAME_LEN];
    let group = ipv6::multicast_mac(question.destination);
    let length = question.emit_frame(&link(group, HOST), &mut frame).unwrap();
    assert!(checksum_is_right(&frame[..length]));
    assert_eq!(
        ndp::parse(&frame[..length]).unwrap().1,
        Message::Solicitation(question)
    );

    let answer = Advertisement::answer_to(&question, VIRTUAL6);
    assert_eq!(
        (answer.source, answer.destination),
        (target, question.source)
    );
    assert!(answer.router && answer.solicited && answer.override_cached);
    let length = answer
        .emit_frame(&link(HOST, VIRTUAL6), &mut frame)
        .unwrap();
    let (_, seen) = slow_path::read(&frame[..length], |_, _| None).unwrap();
    assert_eq!(seen, Seen::Ndp(Message::Advertisement(answer)));

    let probe = Solicitation {
        source: Ipv6Addr::UNSPECIFIED,
        source_mac: None,
        ..question
    };
    let answer = Advertisement::answer_to(&probe, VIRTUAL6);
    assert_eq!(answer.destination, ipv6::ALL_NODES);
    assert!(!answer.solicited);
}

/// A frame with its ICMPv6 message changed, length and checksum right again.
fn changed(good: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut frame = good.to_vec();
    change(&mut frame);
    let length = (frame.len() - 54) as u16;
    frame[18..20].copy_from_slice(&length.to_be_bytes());
    if frame.len() >= 58 {
        frame[56..58].fill(0);
        let mut all = frame[22..54].to_vec();
        all.extend(u32::from(length).to_be_bytes());
        all.extend([0, 0, 0, 58]);
        all.extend(&frame[54..]);
        let sum = twinline_wire::checksum::internet(&all);
        frame[56..58].copy_from_slice(&sum.to_be_bytes());
    }
    frame
}

fn emitted(message: &Message) -> Vec<u8> {
    let mut frame = [0; ndp::MAX_FRAME_LEN];
    let link = link(VIRTUAL6, HOST);
    let length = match message {
        Message::Solicitation(message) => message.emit_frame(&link, &mut frame),
        Message::Advertisement(message) => message.emit_frame(&link, &mut frame),
    };
    frame[..length.unwrap()].to_vec()
}

#[test]
fn neighbour_discovery_against_the_rules_is_dropped_by_cause() {
    let question = Solicitation::ask(v6("fe80::9"), HOST, v6("fe80::254"));
    let good = emitted(&Message::Solicitation(question));
    let dropped = |change: fn(&mut Vec<u8>)| ndp::parse(&changed(&good, change)).unwrap_err();
    assert_eq!(dropped(|f| f[20] = 17), DropCause::NotOurs);
    assert_eq!(dropped(|f| f[54] = 128), DropCause::NotOurs, "echo");
    assert_eq!(dropped(|f| f[14] = 0x40), DropCause::BadIp);
    assert_eq!(dropped(|f| f[21] = 254), DropCause::BadHopLimit);
    assert_eq!(dropped(|f| f[55] = 1), DropCause::BadCode);
    assert_eq!(dropped(|f| f[62] = 0xff), DropCause::BadTarget);
    assert_eq!(dropped(|f| f[79] = 0), DropCause::BadOption, "length 0");
    assert_eq!(
        dropped(|f| f[79] = 2),
        DropCause::BadOption,
        "beyond the end"
    );
    assert_eq!(dropped(|f| f.truncate(79)), DropCause::BadOption);
    assert_eq!(dropped(|f| f.truncate(77)), DropCause::BadLength);
    assert_eq!(
        dropped(|f| f[22..38].fill(0)),
        DropCause::BadProbe,
        "with an option"
    );
    let mut broken = good.clone();
    broken[70] ^= 1;
    assert_eq!(ndp::parse(&broken), Err(DropCause::BadChecksum));
    for length in 0..good.len() {
        assert_eq!(
            ndp::parse(&good[..length]),
            Err(DropCause::Truncated),
            "{length}"
        );
    }
    let probe = Solicitation {
        source: Ipv6Addr::UNSPECIFIED,
        source_mac: None,
        ..question
    };
    assert!(ndp::parse(&emitted(&Message::Solicitation(probe))).is_ok());
    let astray = Solicitation {
        destination: v6("fe80::254"),
        ..probe
    };
    let read = ndp::parse(&emitted(&Message::Solicitation(astray)));
    assert_eq!(read, Err(DropCause::BadProbe), "not to the group");
    let shouted = Advertisement {
        solicited: true,
        ..Advertisement::unsolicited(v6("fe80::1"), v6("fe80::254"), VIRTUAL6)
    };
    let read = ndp::parse(&emitted(&Message::Advertisement(shouted)));
    assert_eq!(read, Err(DropCause::BadSolicited));
}

#[test]
fn options_of_others_are_stepped_over() {
    let question = Solicitation::ask(v6("fe80::9"), HOST, v6("fe80::254"));
    let good = emitted(&Message::Solicitation(question));
    let nonce_first = changed(&good, |frame| {
        let own = frame.split_off(78);
        frame.extend([14, 1, 1, 2, 3, 4, 5, 6]);
        frame.extend(own);
    });
    assert_eq!(
        ndp::parse(&nonce_first).unwrap().1,
        Message::Solicitation(question)
    );
    let group = changed(&good, |frame| frame[80] |= 1);
    let Message::Solicitation(read) = ndp::parse(&group).unwrap().1 else {
        panic!("a solicitation");
    };
    assert_eq!(read.source_mac, None, "a group is nobody's address");
}

#[test]
fn every_flipped_bit_of_neighbour_discovery_is_dropped_or_means_nothing() {
    let news = Advertisement::unsolicited(v6("fe80::1"), v6("fe80::254"), VIRTUAL6);
    let good = emitted(&Message::Advertisement(news));
    for bit in 0..good.len() * 8 {
        let mut flipped = good.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if let Ok((_, read)) = ndp::parse(&flipped) {
            assert!(bit / 8 < 18, "bit {bit} was taken");
            assert_eq!(read, Message::Advertisement(news));
        }
    }
}
