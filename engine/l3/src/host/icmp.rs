//! ICMP and ICMPv6: echo, and errors (RFC 792, RFC 1122, RFC 1812, RFC 4443).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use twinline_wire::icmp::{self, Repr};
use twinline_wire::{ipv4, ipv6};

use super::addresses::is_station;
use super::{Host, IcmpKind};
use crate::counters::DropCause;
use crate::output::Output;
use crate::{InterfaceId, Time};

/// TTL and hop limit of what we send.
const TTL: u8 = 64;
/// Bytes of an IPv4 error, header included, at most (RFC 1812, section 4.3.2.3).
const MAX_ERROR_V4: usize = 576;
/// Bytes of an IPv6 error, at most (RFC 4443, section 2.4 c).
const MAX_ERROR_V6: usize = 1280;

/// What is wrong with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// It cannot be forwarded.
    Forward(IcmpKind),
    /// Nobody listens on its UDP port.
    Port,
    /// Nobody speaks its protocol. Where IPv6 names it.
    Protocol { named_at: usize },
}

impl From<IcmpKind> for Problem {
    fn from(kind: IcmpKind) -> Problem {
        Problem::Forward(kind)
    }
}

/// Type, code and the four bytes behind the checksum.
fn message_v4(problem: Problem) -> Repr {
    use icmp::v4::{FRAGMENTATION_NEEDED, HOST, NET, PORT, PROTOCOL, TIME_EXCEEDED, UNREACHABLE};
    let (kind, code, rest) = match problem {
        Problem::Forward(IcmpKind::TimeExceeded) => (TIME_EXCEEDED, 0, 0),
        Problem::Forward(IcmpKind::NoRoute) => (UNREACHABLE, NET, 0),
        Problem::Forward(IcmpKind::HostUnreachable) => (UNREACHABLE, HOST, 0),
        Problem::Forward(IcmpKind::TooBig { mtu }) => {
            (UNREACHABLE, FRAGMENTATION_NEEDED, u32::from(mtu))
        }
        Problem::Port => (UNREACHABLE, PORT, 0),
        Problem::Protocol { .. } => (UNREACHABLE, PROTOCOL, 0),
    };
    Repr {
        kind,
        code,
        rest: rest.to_be_bytes(),
    }
}

fn message_v6(problem: Problem) -> Repr {
    use icmp::v6::{
        ADDRESS, NEXT_HEADER, NO_ROUTE, PARAMETER_PROBLEM, PORT, TIME_EXCEEDED, TOO_BIG,
        UNREACHABLE,
    };
    let (kind, code, rest) = match problem {
        Problem::Forward(IcmpKind::TimeExceeded) => (TIME_EXCEEDED, 0, 0),
        Problem::Forward(IcmpKind::NoRoute) => (UNREACHABLE, NO_ROUTE, 0),
        Problem::Forward(IcmpKind::HostUnreachable) => (UNREACHABLE, ADDRESS, 0),
        // Never below what every link of IPv6 carries (RFC 8200, section 5).
        Problem::Forward(IcmpKind::TooBig { mtu }) => (TOO_BIG, 0, u32::from(mtu.max(1280))),
        Problem::Port => (UNREACHABLE, PORT, 0),
        Problem::Protocol { named_at } => (
            PARAMETER_PROBLEM,
            NEXT_HEADER,
            u32::try_from(named_at).unwrap_or(0),
        ),
    };
    Repr {
        kind,
        code,
        rest: rest.to_be_bytes(),
    }
}

/// A whole packet: an ICMP message with `body` behind its first eight bytes.
fn packet_v4(
    message: Repr,
    (source, destination): (Ipv4Addr, Ipv4Addr),
    tos: u8,
    body: &[u8],
) -> Option<Vec<u8>> {
    let mut packet = vec![0; ipv4::HEADER_LEN + icmp::HEADER_LEN];
    packet.extend_from_slice(body);
    let header = ipv4::Repr {
        source,
        destination,
        ttl: TTL,
        protocol: icmp::PROTOCOL,
        payload_len: icmp::HEADER_LEN + body.len(),
    };
    header.emit_with_tos(&mut packet, tos).ok()?;
    message.emit_v4(packet.get_mut(ipv4::HEADER_LEN..)?).ok()?;
    Some(packet)
}

fn packet_v6(
    message: Repr,
    (source, destination): (Ipv6Addr, Ipv6Addr),
    traffic_class: u8,
    body: &[u8],
) -> Option<Vec<u8>> {
    let mut packet = vec![0; ipv6::HEADER_LEN + icmp::HEADER_LEN];
    packet.extend_from_slice(body);
    let header = ipv6::Repr {
        source,
        destination,
        hop_limit: TTL,
        next_header: ipv6::ICMPV6,
        traffic_class,
        payload_len: icmp::HEADER_LEN + body.len(),
    };
    header.emit(&mut packet).ok()?;
    let bytes = packet.get_mut(ipv6::HEADER_LEN..)?;
    message.emit_v6(bytes, source, destination).ok()?;
    Some(packet)
}

impl Host {
    /// Answers an echo request, `request` behind the IP header.
    pub(super) fn echo_v4(
        &mut self,
        now: Time,
        id: InterfaceId,
        header: &ipv4::Header,
        request: (Repr, &[u8]),
        out: &mut Vec<Output>,
    ) {
        if !self.echo.take(now) {
            return self.drop(DropCause::RateLimited);
        }
        let (Repr { rest, .. }, message) = request;
        let reply = Repr {
            kind: icmp::v4::ECHO_REPLY,
            code: 0,
            rest,
        };
        let ends = (header.destination, header.source);
        let body = message.get(icmp::HEADER_LEN..).unwrap_or_default();
        if let Some(packet) = packet_v4(reply, ends, header.tos, body)
            && self.send_own(now, id, header.source.into(), packet, out)
        {
            self.counters.echo_replies = self.counters.echo_replies.saturating_add(1);
        }
    }

    /// The same over IPv6; `from` is the address to answer from.
    pub(super) fn echo_v6(
        &mut self,
        now: Time,
        id: InterfaceId,
        (from, to): (Ipv6Addr, Ipv6Addr),
        request: (Repr, &[u8]),
        out: &mut Vec<Output>,
    ) {
        if !self.echo.take(now) {
            return self.drop(DropCause::RateLimited);
        }
        let (Repr { rest, .. }, message) = request;
        let reply = Repr {
            kind: icmp::v6::ECHO_REPLY,
            code: 0,
            rest,
        };
        let body = message.get(icmp::HEADER_LEN..).unwrap_or_default();
        if let Some(packet) = packet_v6(reply, (from, to), 0, body)
            && self.send_own(now, id, to.into(), packet, out)
        {
            self.counters.echo_replies = self.counters.echo_replies.saturating_add(1);
        }
    }

    /// Sends an error about a packet, unless none may answer it. `heard_on` is where it came from;
    /// `None` when that is not known any more.
    pub(super) fn send_error(
        &mut self,
        now: Time,
        heard_on: Option<InterfaceId>,
        problem: Problem,
        packet: &[u8],
        out: &mut Vec<Output>,
    ) {
        let sent = match packet.first().map(|first| first >> 4) {
            Some(4) => self.error_v4(now, heard_on, problem, packet, out),
            Some(6) => self.error_v6(now, heard_on, problem, packet, out),
            _ => Err(DropCause::BadIpHeader),
        };
        let counters = &mut self.counters;
        match (sent, problem) {
            // Whatever went wrong on its way out was counted there.
            (Ok(false), _) => {}
            (Err(cause), _) => self.drop(cause),
            (Ok(true), Problem::Forward(IcmpKind::TimeExceeded)) => {
                counters.time_exceeded = counters.time_exceeded.saturating_add(1);
            }
            (Ok(true), Problem::Forward(IcmpKind::TooBig { .. })) => {
                counters.too_big = counters.too_big.saturating_add(1);
            }
            (Ok(true), Problem::Protocol { .. }) if packet.first().is_some_and(|f| f >> 4 == 6) => {
                counters.parameter_problem = counters.parameter_problem.saturating_add(1);
            }
            (Ok(true), _) => counters.unreachable = counters.unreachable.saturating_add(1),
        }
    }

    /// RFC 1812, sections 4.3.2.3 to 4.3.2.8.
    fn error_v4(
        &mut self,
        now: Time,
        heard_on: Option<InterfaceId>,
        problem: Problem,
        packet: &[u8],
        out: &mut Vec<Output>,
    ) -> Result<bool, DropCause> {
        let header = ipv4::Header::read(packet).map_err(|_| DropCause::BadIpHeader)?;
        let too_big = matches!(problem, Problem::Forward(IcmpKind::TooBig { .. }));
        if too_big && !header.dont_fragment {
            return Err(DropCause::NotFragmented);
        }
        let (source, destination) = (header.source, header.destination);
        let body = packet
            .get(header.header_len..header.total_len)
            .unwrap_or_default();
        // Without a type it may be an error as well.
        let about_error = header.protocol == icmp::PROTOCOL
            && body.first().is_none_or(|kind| icmp::v4::is_error(*kind));
        let reserved = |ip| {
            let mut own = self.interfaces.iter().flat_map(|i| &i.own);
            own.any(|own| own.prefix.is_reserved(ip))
        };
        if header.fragment_offset != 0
            || about_error
            || !is_station(source.into())
            || !is_station(destination.into())
            || reserved(source)
            || reserved(destination)
            || self.is_ours(source.into())
        {
            return Err(DropCause::NoErrorAllowed);
        }
        let (id, from) = self.error_source(heard_on, source.into())?;
        let IpAddr::V4(from) = from else {
            return Err(DropCause::NoSource);
        };
        if !self.errors.take(now) {
            return Err(DropCause::RateLimited);
        }
        let room = MAX_ERROR_V4 - ipv4::HEADER_LEN - icmp::HEADER_LEN;
        let quoted = packet.get(..header.total_len.min(room)).unwrap_or_default();
        let error =
            packet_v4(message_v4(problem), (from, source), 0, quoted).ok_or(DropCause::TooBig)?;
        Ok(self.send_own(now, id, source.into(), error, out))
    }

    /// RFC 4443, section 2.4.
    fn error_v6(
        &mut self,
        now: Time,
        heard_on: Option<InterfaceId>,
        problem: Problem,
        packet: &[u8],
        out: &mut Vec<Output>,
    ) -> Result<bool, DropCause> {
        let ip = ipv6::Packet::new_checked(packet).map_err(|_| DropCause::BadIpHeader)?;
        let packet = packet.get(..ip.total_len()).unwrap_or_default();
        let (source, destination) = (ip.source(), ip.destination());
        let upper = ipv6::upper(packet).map_err(|_| DropCause::NoErrorAllowed)?;
        // Of a fragment in the middle, or without a type, it may be an error as well.
        let about_error = upper.protocol == ipv6::ICMPV6
            && (upper.fragment_offset != 0
                || packet
                    .get(upper.at)
                    .is_none_or(|kind| icmp::v6::is_error(*kind)));
        let too_big = matches!(problem, Problem::Forward(IcmpKind::TooBig { .. }));
        if about_error
            || !is_station(source.into())
            || (destination.is_multicast() && !too_big)
            || self.is_ours(source.into())
        {
            return Err(DropCause::NoErrorAllowed);
        }
        let (id, from) = self.error_source(heard_on, source.into())?;
        let IpAddr::V6(from) = from else {
            return Err(DropCause::NoSource);
        };
        if !self.errors.take(now) {
            return Err(DropCause::RateLimited);
        }
        let room = MAX_ERROR_V6 - ipv6::HEADER_LEN - icmp::HEADER_LEN;
        let quoted = packet.get(..packet.len().min(room)).unwrap_or_default();
        let error =
            packet_v6(message_v6(problem), (from, source), 0, quoted).ok_or(DropCause::TooBig)?;
        Ok(self.send_own(now, id, source.into(), error, out))
    }

    /// From which address an error goes: one of the interface on which the packet came, so that a
    /// traced route shows the hop that was passed; else of the interface by which the error leaves;
    /// else any.
    fn error_source(
        &self,
        heard_on: Option<InterfaceId>,
        to: IpAddr,
    ) -> Result<(InterfaceId, IpAddr), DropCause> {
        let way_out = || self.route(to, heard_on?).map(|(id, _)| id);
        let any_way_out = || {
            let first = self.interface_ids().next()?;
            self.route(to, first).map(|(id, _)| id)
        };
        let near = heard_on.or_else(any_way_out).ok_or(DropCause::NoRoute)?;
        let from = |id: InterfaceId| self.interface(id).and_then(|i| i.source_for(to));
        let found = from(near)
            .or_else(|| way_out().and_then(from))
            .or_else(|| self.interface_ids().find_map(from));
        found.map(|ip| (near, ip)).ok_or(DropCause::NoSource)
    }
}
