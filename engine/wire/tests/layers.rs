//! The layers below, against an implementation that is not ours.

use proptest::prelude::*;
use std::net::Ipv4Addr;
use twinline_wire::{Error, Mac, checksum, ethernet, ipv4, udp};

#[test]
fn short_headers_are_errors() {
    for length in 0..ethernet::HEADER_LEN {
        assert_eq!(
            ethernet::Packet::new_checked(vec![0; length]).unwrap_err(),
            Error::Truncated
        );
    }
    for length in 0..ipv4::HEADER_LEN {
        let bytes = vec![0x45; length];
        assert_eq!(
            ipv4::Packet::new_checked(bytes).unwrap_err(),
            Error::Truncated
        );
    }
    for length in 0..udp::HEADER_LEN {
        assert_eq!(
            udp::Packet::new_checked(vec![0; length]).unwrap_err(),
            Error::Truncated
        );
    }
}

#[test]
fn headers_that_do_not_fit_are_not_written() {
    let ip = ipv4::Repr {
        source: Ipv4Addr::LOCALHOST,
        destination: Ipv4Addr::LOCALHOST,
        ttl: 1,
        protocol: 17,
        payload_len: 65_515,
    };
    assert_eq!(ip.emit(&mut [0; 19]), Err(Error::Truncated));
    assert_eq!(ip.emit(&mut [0; 20]), Ok(()));
    assert_eq!(
        ipv4::Repr {
            payload_len: 65_516,
            ..ip
        }
        .emit(&mut [0; 20]),
        Err(Error::Length)
    );
    let udp = udp::Repr {
        source_port: 1,
        destination_port: 2,
    };
    let emit = |datagram: &mut [u8]| udp.emit(datagram, ip.source, ip.destination);
    assert_eq!(emit(&mut [0; 7]), Err(Error::Truncated));
    assert_eq!(emit(&mut vec![0; 65_536]), Err(Error::Length));
    assert_eq!(emit(&mut vec![0; 65_535]), Ok(()));
}

#[test]
fn group_addresses_map_to_macs() {
    let mac = |text: &str| text.parse::<Mac>().unwrap();
    let group = |a, b, c, d| ipv4::multicast_mac(Ipv4Addr::new(a, b, c, d));
    assert_eq!(group(224, 0, 0, 18), mac("01:00:5e:00:00:12"));
    assert_eq!(group(239, 128, 1, 2), mac("01:00:5e:00:01:02"));
    assert_eq!(group(239, 255, 255, 255), mac("01:00:5e:7f:ff:ff"));
}

/// A payload whose sum is 0 without the rule of RFC 768: it must be sent as ffff, since 0 says
/// that there is no checksum.
#[test]
fn udp_checksum_zero_is_sent_as_ones() {
    let (source, destination) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
    let repr = udp::Repr {
        source_port: 1000,
        destination_port: 2000,
    };
    let mut datagram = [0; 10];
    repr.emit(&mut datagram, source, destination).unwrap();
    // What the checksum was, as payload, takes the sum to 0.
    let sum = [datagram[6], datagram[7]];
    datagram[8..].copy_from_slice(&sum);
    repr.emit(&mut datagram, source, destination).unwrap();
    assert_eq!(datagram[6..8], [0xff, 0xff]);
    let packet = udp::Packet::new_checked(&datagram).unwrap();
    assert!(packet.verify_checksum(source, destination));
}

proptest! {
    #[test]
    fn what_we_emit_etherparse_reads(
        source in any::<u32>(),
        destination in any::<u32>(),
        ttl in any::<u8>(),
        ports in any::<(u16, u16)>(),
        payload in prop::collection::vec(any::<u8>(), 0..1473),
    ) {
        let (source, destination) = (Ipv4Addr::from(source), Ipv4Addr::from(destination));
        let mut packet = vec![0; 28];
        packet.extend(&payload);
        let ip = ipv4::Repr { source, destination, ttl, protocol: 17, payload_len: payload.len() + 8 };
        ip.emit(&mut packet).unwrap();
        let udp = udp::Repr { source_port: ports.0, destination_port: ports.1 };
        udp.emit(&mut packet[20..], source, destination).unwrap();

        let (header, rest) = etherparse::Ipv4Header::from_slice(&packet).unwrap();
        prop_assert_eq!(header.source, source.octets());
        prop_assert_eq!(header.destination, destination.octets());
        prop_assert_eq!(header.time_to_live, ttl);
        prop_assert_eq!(header.header_checksum, header.calc_header_checksum());
        let (theirs, body) = etherparse::UdpHeader::from_slice(rest).unwrap();
        prop_assert_eq!((theirs.source_port, theirs.destination_port), ports);
        prop_assert_eq!(body, &payload[..]);
        prop_assert_eq!(theirs.checksum, theirs.calc_checksum_ipv4(&header, body).unwrap());

        let read = ipv4::Packet::new_checked(&packet).unwrap();
        prop_assert!(read.verify_checksum());
        prop_assert_eq!(checksum::internet(&packet[..20]), 0);
        let read = udp::Packet::new_checked(read.payload()).unwrap();
        prop_assert!(read.verify_checksum(source, destination));
        prop_assert_eq!(read.payload(), &payload[..]);
    }
}
