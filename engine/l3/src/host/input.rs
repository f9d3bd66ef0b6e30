//! Frames in: whose they are, and what is answered.

use std::net::{IpAddr, Ipv6Addr};

use twinline_wire::icmp::{self, Repr};
use twinline_wire::vlan::{self, Frame};
use twinline_wire::{Error, Mac, arp, ethernet, ipv4, ipv6, ndp, slow_path, vrrp};

use super::Host;
use super::addresses::{Local, is_station};
use super::icmp::Problem;
use crate::counters::DropCause;
use crate::output::Output;
use crate::{InterfaceId, Time};

/// What a destination address is to us.
enum Destination {
    Ours,
    Group,
}

impl Host {
    /// Takes a frame; the cause when it goes no further.
    pub(super) fn input(
        &mut self,
        now: Time,
        id: InterfaceId,
        bytes: &[u8],
        out: &mut Vec<Output>,
    ) -> Result<(), DropCause> {
        let interface = self.interface(id).ok_or(DropCause::NoInterface)?;
        if !interface.up {
            return Err(DropCause::NoLink);
        }
        let Ok(frame) = vlan::open(bytes) else {
            self.counters
                .malformed
                .count(slow_path::DropCause::Truncated);
            return Ok(());
        };
        let Frame { link, payload, .. } = frame;
        if link.vlan != interface.vlan() {
            return Err(DropCause::WrongVlan);
        }
        if link.source.is_group() || link.source.is_zero() {
            return Err(DropCause::BadSourceMac);
        }
        if interface.has_mac(link.source) {
            return Err(DropCause::Looped);
        }
        if !link.destination.is_group() && !interface.has_mac(link.destination) {
            return Err(DropCause::OtherStation);
        }
        match frame.ethertype {
            ethernet::ARP => self.arp_frame(now, id, &frame, out),
            ethernet::IPV4 => self.ipv4(now, id, &frame, out),
            ethernet::IPV6 => {
                let read = ndp::read(payload);
                match read {
                    Ok(message) => {
                        self.ndp(now, id, &link, &message, out);
                        let advertisement = matches!(message, ndp::Message::Advertisement(_));
                        if advertisement && self.has_kernel(id) {
                            self.give_to_kernel(id, &frame, DropCause::Group, out);
                        }
                        Ok(())
                    }
                    Err(ndp::DropCause::NotOurs) => self.ipv6(now, id, &frame, out),
                    // No whole IPv6 packet: a header that is bad in itself, not discovery.
                    Err(ndp::DropCause::Truncated | ndp::DropCause::BadIp) => {
                        Err(DropCause::BadIpHeader)
                    }
                    Err(cause) => {
                        self.counters.malformed.count(cause.into());
                        Ok(())
                    }
                }
            }
            _ => Err(DropCause::UnknownEthertype),
        }
    }

    fn arp_frame(
        &mut self,
        now: Time,
        id: InterfaceId,
        frame: &Frame<'_>,
        out: &mut Vec<Output>,
    ) -> Result<(), DropCause> {
        let heard = match arp::Repr::read(frame.payload) {
            Ok(heard) => heard,
            Err(cause) => {
                self.counters.malformed.count(cause.into());
                return Ok(());
            }
        };
        if self
            .interface(id)
            .is_some_and(|i| i.has_mac(heard.sender_mac))
        {
            return Err(DropCause::Looped);
        }
        self.arp(now, id, &frame.link, &heard, out);
        if heard.operation == arp::Operation::Reply && self.has_kernel(id) {
            self.give_to_kernel(id, frame, DropCause::Group, out);
        }
        Ok(())
    }

    /// What an address is here, or, but for link-local ones, on another interface.
    pub(super) fn local_on(&self, id: InterfaceId, ip: IpAddr) -> Option<(InterfaceId, Local)> {
        let here = self.interface(id).and_then(|i| i.local(ip));
        if let Some(local) = here {
            return Some((id, local));
        }
        if matches!(ip, IpAddr::V6(six) if ipv6::is_link_local(six)) {
            return None;
        }
        self.interfaces_by_id()
            .find_map(|(id, interface)| Some((id, interface.local(ip)?)))
    }

    /// Whether an address is one of ours on any interface.
    pub(super) fn is_ours(&self, ip: IpAddr) -> bool {
        self.interfaces.iter().any(|i| i.ours(ip))
    }

    /// Judges the ends of a packet.
    fn judge_ends(
        &self,
        id: InterfaceId,
        link_destination: Mac,
        source: IpAddr,
        destination: IpAddr,
    ) -> Result<Destination, DropCause> {
        let (group, broadcast) = match destination {
            IpAddr::V4(ip) => {
                let reserved = self
                    .interface(id)
                    .is_some_and(|i| i.own.iter().any(|own| own.prefix.is_reserved(ip)));
                (ip.is_multicast(), ip.is_broadcast() || reserved)
            }
            IpAddr::V6(ip) => (ip.is_multicast(), false),
        };
        let reserved_source = match source {
            IpAddr::V4(ip) => self
                .interface(id)
                .is_some_and(|i| i.own.iter().any(|own| own.prefix.is_reserved(ip))),
            IpAddr::V6(_) => false,
        };
        if group || broadcast {
            // Who has no address yet may speak to a group.
            if (!is_station(source) || reserved_source) && !source.is_unspecified() {
                return Err(DropCause::Martian);
            }
            return Ok(Destination::Group);
        }
        if !is_station(source) || reserved_source {
            return Err(DropCause::Martian);
        }
        let local = self.local_on(id, destination).map(|(_, local)| local);
        match local {
            None => Err(DropCause::NotLocal),
            Some(Local::NotHeld) => Err(DropCause::NotHeld),
            Some(Local::Unusable) => Err(DropCause::Tentative),
            Some(Local::Held { accept: false, .. }) => Err(DropCause::NotAccepted),
            // RFC 1122, section 3.3.6: one who is meant alone is not told before all.
            Some(_) if link_destination.is_group() => Err(DropCause::LinkGroup),
            // Our own address as the source of what comes from outside.
            Some(_)
                if matches!(
                    self.local_on(id, source),
                    Some((_, Local::Own | Local::Held { .. }))
                ) =>
            {
                Err(DropCause::Martian)
            }
            Some(Local::Own | Local::Held { accept: true, .. }) => Ok(Destination::Ours),
        }
    }

    fn ipv4(
        &mut self,
        now: Time,
        id: InterfaceId,
        frame: &Frame<'_>,
        out: &mut Vec<Output>,
    ) -> Result<(), DropCause> {
        let header = ipv4::Header::read(frame.payload).map_err(|_| DropCause::BadIpHeader)?;
        if !header.checksum_ok {
            return Err(DropCause::BadIpChecksum);
        }
        let packet = frame.payload.get(..header.total_len).unwrap_or_default();
        let (source, destination) = (header.source.into(), header.destination.into());
        let ends = self.judge_ends(id, frame.link.destination, source, destination)?;
        if matches!(ends, Destination::Group) {
            if header.protocol == vrrp::PROTOCOL {
                return Err(DropCause::Group);
            }
            self.give_to_kernel(id, frame, DropCause::Group, out);
            return Ok(());
        }
        if header.is_fragment() {
            self.give_to_kernel(id, frame, DropCause::Fragment, out);
            return Ok(());
        }
        let body = packet.get(header.header_len..).unwrap_or_default();
        match header.protocol {
            icmp::PROTOCOL => {
                let message = Repr::read_v4(body).map_err(bad_icmp)?;
                if message.kind == icmp::v4::ECHO_REQUEST {
                    self.echo_v4(now, id, &header, (message, body), out);
                } else {
                    self.give_to_kernel(id, frame, DropCause::IcmpUnwanted, out);
                }
            }
            _ if self.has_kernel(id) => self.give_to_kernel(id, frame, DropCause::NoListener, out),
            protocol => {
                self.drop(DropCause::NoListener);
                let problem = if protocol == ipv4::UDP {
                    Problem::Port
                } else {
                    Problem::Protocol { named_at: 0 }
                };
                self.send_error(now, Some(id), problem, packet, out);
            }
        }
        Ok(())
    }

    fn ipv6(
        &mut self,
        now: Time,
        id: InterfaceId,
        frame: &Frame<'_>,
        out: &mut Vec<Output>,
    ) -> Result<(), DropCause> {
        let ip = ipv6::Packet::new_checked(frame.payload).map_err(|_| DropCause::BadIpHeader)?;
        let packet = frame.payload.get(..ip.total_len()).unwrap_or_default();
        let (source, destination) = (ip.source(), ip.destination());
        let ends = self.judge_ends(
            id,
            frame.link.destination,
            source.into(),
            destination.into(),
        )?;
        let upper = ipv6::upper(packet).map_err(|error| match error {
            Error::Truncated | Error::HeaderLength => DropCause::BadExtension,
            _ => DropCause::BadIpHeader,
        })?;
        let group = matches!(ends, Destination::Group);
        if upper.fragment {
            let cause = if group {
                DropCause::Group
            } else {
                DropCause::Fragment
            };
            self.give_to_kernel(id, frame, cause, out);
            return Ok(());
        }
        if group && upper.protocol == vrrp::PROTOCOL {
            return Err(DropCause::Group);
        }
        let body = packet.get(upper.at..).unwrap_or_default();
        if upper.protocol == ipv6::ICMPV6 {
            let message = Repr::read_v6(body, source, destination).map_err(bad_icmp)?;
            if message.kind == icmp::v6::ECHO_REQUEST && !source.is_unspecified() {
                // A group's echo is answered from a station's address (RFC 4443, section 4.2).
                let from = if group {
                    self.echo_source(id, source)?
                } else {
                    destination
                };
                self.echo_v6(now, id, (from, source), (message, body), out);
                return Ok(());
            }
            let cause = if group {
                DropCause::Group
            } else {
                DropCause::IcmpUnwanted
            };
            // Discovery behind extension headers, as others would hide it from a filter.
            if matches!(message.kind, 135 | 136) {
                return Err(DropCause::BadExtension);
            }
            self.give_to_kernel(id, frame, cause, out);
            return Ok(());
        }
        if group || self.has_kernel(id) {
            self.give_to_kernel(id, frame, DropCause::Group, out);
            return Ok(());
        }
        self.drop(DropCause::NoListener);
        let problem = match upper.protocol {
            ipv4::UDP => Problem::Port,
            _ => Problem::Protocol {
                named_at: upper.named_at,
            },
        };
        self.send_error(now, Some(id), problem, packet, out);
        Ok(())
    }

    fn echo_source(&self, id: InterfaceId, to: Ipv6Addr) -> Result<Ipv6Addr, DropCause> {
        match self.interface(id).and_then(|i| i.source_for(to.into())) {
            Some(IpAddr::V6(from)) => Ok(from),
            _ => Err(DropCause::NoSource),
        }
    }
}

fn bad_icmp(cause: icmp::DropCause) -> DropCause {
    match cause {
        icmp::DropCause::Truncated => DropCause::BadIcmp,
        icmp::DropCause::BadChecksum => DropCause::BadIcmpChecksum,
    }
}
