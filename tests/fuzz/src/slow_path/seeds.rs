//! The seeds of the slow path's corpus: each a short script around one kind of frame.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use twinline_wire::ndp::{self, Advertisement, Solicitation};
use twinline_wire::vlan::{self, Link};
use twinline_wire::{Mac, arp, ethernet, icmp, ipv4, ipv6};

use super::{Kind, OTHER, ROUTER, VIP, VMAC, VMAC6, six};

const STRANGER: Mac = Mac([2, 0, 0, 0, 0, 0x77]);
const STRANGER_IP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 77);
/// Own addresses in use, no kernel.
const READY: u8 = 16;
const KERNEL: u8 = 1;

fn arp_frame(repr: &arp::Repr) -> Vec<u8> {
    let mut frame = [0; arp::MAX_FRAME_LEN];
    let length = repr.emit_frame(0, &mut frame).expect("long enough");
    frame[..length].to_vec()
}

fn link(destination: Mac) -> Link {
    Link {
        destination,
        source: STRANGER,
        vlan: 0,
    }
}

fn solicitation(from: Ipv6Addr, target: Ipv6Addr) -> Vec<u8> {
    let mut question = Solicitation::ask(from, STRANGER, target);
    if from.is_unspecified() {
        question.source_mac = None;
    }
    let mut frame = [0; ndp::MAX_FRAME_LEN];
    let link = link(ipv6::multicast_mac(question.destination));
    let length = question.emit_frame(&link, &mut frame).expect("long enough");
    frame[..length].to_vec()
}

fn advertisement(target: Ipv6Addr) -> Vec<u8> {
    let news = Advertisement::unsolicited(six(0x77), target, STRANGER);
    let mut frame = [0; ndp::MAX_FRAME_LEN];
    let link = link(ipv6::multicast_mac(ipv6::ALL_NODES));
    let length = news.emit_frame(&link, &mut frame).expect("long enough");
    frame[..length].to_vec()
}

fn packet(from: IpAddr, to: IpAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    match (from, to) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let mut packet = vec![0; ipv4::HEADER_LEN];
            packet.extend(payload);
            let header = ipv4::Repr {
                source,
                destination,
                ttl: 3,
                protocol,
                payload_len: payload.len(),
            };
            header.emit(&mut packet).expect("long enough");
            packet
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let mut packet = vec![0; ipv6::HEADER_LEN];
            packet.extend(payload);
            let header = ipv6::Repr {
                source,
                destination,
                hop_limit: 3,
                next_header: protocol,
                traffic_class: 0,
                payload_len: payload.len(),
            };
            header.emit(&mut packet).expect("long enough");
            packet
        }
        _ => Vec::new(),
    }
}

/// A frame whose ICMP checksum is not set: [`Kind::Repaired`] does it.
fn framed(to: Mac, packet: &[u8]) -> Vec<u8> {
    let ethertype = if packet[0] >> 4 == 4 {
        ethernet::IPV4
    } else {
        ethernet::IPV6
    };
    let mut frame = vec![0; vlan::MAX_HEADER_LEN];
    let length = link(to).emit(ethertype, &mut frame).expect("long enough");
    frame.truncate(length);
    frame.extend(packet);
    frame
}

fn op(kind: Kind, head: &[u8], bytes: &[u8]) -> Vec<u8> {
    let mut op = vec![kind as u8];
    op.extend(head);
    op.push(u8::try_from(bytes.len()).expect("short"));
    op.extend(bytes);
    op
}

/// Name and bytes of each seed.
#[must_use]
pub fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let own: IpAddr = Ipv4Addr::new(192, 0, 2, 1).into();
    let own6: IpAddr = six(1).into();
    let stranger: IpAddr = STRANGER_IP.into();
    let stranger6: IpAddr = six(0x77).into();
    let far: IpAddr = Ipv4Addr::new(203, 0, 113, 9).into();
    let vip6 = six(0x254);
    let echo = [icmp::v4::ECHO_REQUEST, 0, 0, 0, 0, 1, 0, 1, b'x', b'y'];
    let echo6 = [icmp::v6::ECHO_REQUEST, 0, 0, 0, 0, 1, 0, 1, b'x', b'y'];
    let udp = [0, 9, 0, 53, 0, 8, 0, 0];
    let to_own = arp::Repr::request(STRANGER, STRANGER_IP, Ipv4Addr::new(192, 0, 2, 1));
    let to_vip = arp::Repr::request(STRANGER, STRANGER_IP, VIP);
    let reply = arp::Repr {
        operation: arp::Operation::Reply,
        sender_mac: STRANGER,
        sender_ip: STRANGER_IP,
        target_mac: ROUTER,
        target_ip: Ipv4Addr::new(192, 0, 2, 1),
    };
    let hold = [Kind::Hold as u8, 3, Kind::Hold as u8, 7];
    let give_back = [Kind::Hold as u8, 2, Kind::Hold as u8, 6];
    let wait = [Kind::Wait as u8, 0x10, 0];
    let frame = |frame: &[u8]| op(Kind::Frame, &[], frame);
    let repaired = |to, packet: &[u8]| op(Kind::Repaired, &[], &framed(to, packet));
    let unresolved = |last, packet: &[u8]| op(Kind::Unresolved, &[last], packet);
    let script = |first: u8, ops: &[&[u8]]| [&[first], ops.concat().as_slice()].concat();
    let through = packet(far, stranger, 17, &udp);
    let extended = packet(
        stranger6,
        own6,
        0,
        &[
            60, 0, 5, 2, 0, 0, 1, 0, 17, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8,
        ],
    );
    let fragment = packet(stranger6, own6, 44, &[58, 0, 0, 9, 0, 0, 0, 1, 128, 0]);
    vec![
        (
            "arp-own",
            script(READY, &[&frame(&arp_frame(&to_own)), &wait]),
        ),
        (
            "arp-virtual",
            script(READY, &[&hold, &frame(&arp_frame(&to_vip)), &give_back]),
        ),
        (
            "arp-conflict",
            script(
                READY,
                &[&frame(&arp_frame(&arp::Repr::gratuitous(
                    Ipv4Addr::new(192, 0, 2, 1),
                    STRANGER,
                )))],
            ),
        ),
        (
            "arp-moved",
            script(
                READY,
                &[
                    &frame(&arp_frame(&to_own)),
                    &frame(&arp_frame(&arp::Repr::gratuitous(STRANGER_IP, VMAC))),
                ],
            ),
        ),
        (
            "arp-probed",
            script(2, &[&frame(&arp_frame(&to_own)), &wait]),
        ),
        (
            "resolve",
            script(
                READY,
                &[&unresolved(77, &through), &frame(&arp_frame(&reply)), &wait],
            ),
        ),
        (
            "resolve-fails",
            script(READY, &[&unresolved(78, &through), &wait]),
        ),
        (
            "resolve-resigned",
            script(READY, &[&hold, &unresolved(9, &through), &give_back]),
        ),
        (
            "ndp-own",
            script(READY, &[&frame(&solicitation(six(0x77), six(1)))]),
        ),
        (
            "ndp-virtual",
            script(
                READY,
                &[&hold, &frame(&solicitation(six(0x77), vip6)), &give_back],
            ),
        ),
        (
            "ndp-duplicate",
            script(0, &[&frame(&solicitation(Ipv6Addr::UNSPECIFIED, six(1)))]),
        ),
        (
            "ndp-news",
            script(
                READY,
                &[
                    &frame(&solicitation(six(0x77), six(1))),
                    &frame(&advertisement(six(0x77))),
                ],
            ),
        ),
        (
            "ndp-conflict",
            script(READY, &[&frame(&advertisement(six(1)))]),
        ),
        (
            "echo",
            script(
                READY,
                &[&repaired(ROUTER, &packet(stranger, own, 1, &echo)), &wait],
            ),
        ),
        (
            "echo-virtual",
            script(
                READY,
                &[
                    &hold,
                    &repaired(VMAC, &packet(stranger, VIP.into(), 1, &echo)),
                ],
            ),
        ),
        (
            "echo6",
            script(
                READY,
                &[
                    &repaired(ROUTER, &packet(stranger6, own6, 58, &echo6)),
                    &wait,
                ],
            ),
        ),
        (
            "echo6-virtual",
            script(
                READY,
                &[
                    &hold,
                    &repaired(VMAC6, &packet(stranger6, vip6.into(), 58, &echo6)),
                ],
            ),
        ),
        (
            "echo6-group",
            script(
                READY,
                &[&repaired(
                    ipv6::multicast_mac(ipv6::ALL_NODES),
                    &packet(stranger6, ipv6::ALL_NODES.into(), 58, &echo6),
                )],
            ),
        ),
        (
            "udp",
            script(
                READY,
                &[&repaired(ROUTER, &packet(stranger, own, 17, &udp))],
            ),
        ),
        (
            "udp6-extended",
            script(READY, &[&repaired(ROUTER, &extended)]),
        ),
        ("fragment6", script(READY, &[&repaired(ROUTER, &fragment)])),
        (
            "kernel",
            script(
                READY | KERNEL,
                &[
                    &hold,
                    &repaired(ROUTER, &packet(stranger, own, 6, &udp)),
                    &frame(&arp_frame(&reply)),
                    &op(
                        Kind::Kernel,
                        &[],
                        &framed(OTHER, &packet(own, stranger, 6, &udp)),
                    ),
                    &op(
                        Kind::Kernel,
                        &[],
                        &framed(OTHER, &packet(VIP.into(), stranger, 6, &udp)),
                    ),
                    &op(Kind::Kernel, &[], &arp_frame(&to_vip)),
                    &op(Kind::Kernel, &[], &solicitation(vip6, six(9))),
                ],
            ),
        ),
        (
            "errors",
            script(
                READY,
                &[
                    &op(Kind::Error, &[0], &packet(stranger, far, 17, &udp)),
                    &op(Kind::Error, &[1], &packet(stranger6, vip6.into(), 17, &udp)),
                    &op(Kind::Error, &[3], &packet(stranger, far, 17, &udp)),
                    &wait,
                ],
            ),
        ),
        (
            "synchronised",
            script(
                READY,
                &[
                    &[
                        Kind::Heard as u8,
                        77,
                        5,
                        Kind::Link as u8,
                        0,
                        Kind::Link as u8,
                        1,
                    ],
                    &wait,
                ],
            ),
        ),
        (
            "announced",
            script(
                READY,
                &[&hold, &[Kind::Announce as u8, 0, Kind::Announce as u8, 1]],
            ),
        ),
        (
            "same-addresses",
            script(8, &[&wait, &frame(&arp_frame(&to_own))]),
        ),
        ("tagged", script(READY | 4, &[&wait])),
    ]
}
