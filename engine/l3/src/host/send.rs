//! Frames out: which way, from which addresses, to whom.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use twinline_wire::ndp::{self, Solicitation};
use twinline_wire::vlan::{self, Link};
use twinline_wire::{Error, Mac, arp, ethernet, ipv4, ipv6};

use super::addresses::{Local, is_station};
use super::table::{Entry, Key, Pending};
use super::{Host, NeighbourState};
use crate::counters::DropCause;
use crate::output::{Note, Output};
use crate::{InterfaceId, Time};

/// Between two questions (RFC 4861, RETRANS_TIMER).
pub(super) const RETRANSMIT: Duration = Duration::from_secs(1);

/// Source and destination of a packet, and its length; `None` when it is no whole IP packet.
pub(super) fn endpoints(packet: &[u8]) -> Option<(IpAddr, IpAddr, usize)> {
    match packet.first()? >> 4 {
        4 => {
            let header = ipv4::Header::read(packet).ok()?;
            let (source, destination) = (header.source.into(), header.destination.into());
            Some((source, destination, header.total_len))
        }
        6 => {
            let header = ipv6::Packet::new_checked(packet).ok()?;
            let (source, destination) = (header.source().into(), header.destination().into());
            Some((source, destination, header.total_len()))
        }
        _ => None,
    }
}

impl Host {
    /// Sends what `emit` writes into a buffer that is long enough.
    pub(super) fn emit(
        &mut self,
        interface: InterfaceId,
        out: &mut Vec<Output>,
        emit: impl FnOnce(&mut [u8]) -> Result<usize, Error>,
    ) {
        let mut buffer = [0; ndp::MAX_FRAME_LEN];
        if let Ok(length) = emit(&mut buffer) {
            let frame = buffer.get(..length).unwrap_or_default().to_vec();
            out.push(Output::Send { interface, frame });
        }
    }

    /// The way to an address: the longest of the own prefixes, which count first, and the routes.
    /// Link-local ones are on the link they were heard on.
    pub(super) fn route(&self, to: IpAddr, heard_on: InterfaceId) -> Option<(InterfaceId, IpAddr)> {
        if matches!(to, IpAddr::V6(six) if ipv6::is_link_local(six)) {
            return Some((heard_on, to));
        }
        let mut best: Option<(u8, InterfaceId, IpAddr)> = None;
        let mut consider = |length: u8, interface, hop| {
            if best.is_none_or(|(longest, ..)| length > longest) {
                best = Some((length, interface, hop));
            }
        };
        for (id, interface) in self.interfaces_by_id() {
            for own in interface.own.iter().filter(|own| own.prefix.contains(to)) {
                consider(own.prefix.length(), id, to);
            }
        }
        for route in self.routes.iter().filter(|r| r.prefix.contains(to)) {
            consider(route.prefix.length(), route.interface, route.via);
        }
        best.map(|(_, interface, hop)| (interface, hop))
    }

    /// Sends a packet of our own.
    pub(super) fn send_own(
        &mut self,
        now: Time,
        heard_on: InterfaceId,
        to: IpAddr,
        packet: Vec<u8>,
        out: &mut Vec<Output>,
    ) -> bool {
        let Some((interface, hop)) = self.route(to, heard_on) else {
            self.drop(DropCause::NoRoute);
            return false;
        };
        let mtu = self.interface(interface).map_or(0, |i| i.config.mtu);
        if packet.len() > usize::from(mtu) {
            self.drop(DropCause::TooBig);
            return false;
        }
        let pending = Pending {
            packet,
            forwarded: false,
        };
        self.send_via(now, (interface, hop), pending, out)
    }

    /// Sends a packet to a next hop, at once or when its MAC address is known; whether it may yet
    /// arrive.
    pub(super) fn send_via(
        &mut self,
        now: Time,
        key: Key,
        pending: Pending,
        out: &mut Vec<Output>,
    ) -> bool {
        let (interface, hop) = key;
        let Some(known) = self.interface(interface) else {
            self.drop(DropCause::NoInterface);
            return false;
        };
        let reserved = match hop {
            IpAddr::V4(four) => known.own.iter().any(|own| own.prefix.is_reserved(four)),
            IpAddr::V6(_) => false,
        };
        let cause = if !known.up {
            Some(DropCause::NoLink)
        } else if !is_station(hop) || reserved || known.ours(hop) {
            Some(DropCause::BadNextHop)
        } else {
            None
        };
        if let Some(cause) = cause {
            self.drop(cause);
            return false;
        }
        if let Some(mac) = self.table.get(&key).and_then(|entry| entry.mac) {
            self.transmit(interface, mac, &pending, out);
            return true;
        }
        if self.limits.resolve_queue == 0 || self.table.pending() >= self.limits.pending {
            self.drop(DropCause::QueueFull);
            // Asked for all the same, so that a later packet finds its way.
            self.ask_first(now, key, out);
            return false;
        }
        if !self.ask_first(now, key, out) {
            return false;
        }
        let longest = self.limits.resolve_queue;
        let pushed_out = self.table.change(&key, |entry| {
            let full = entry.pending.len() >= longest;
            if full {
                entry.pending.pop_front();
            }
            entry.pending.push_back(pending);
            full
        });
        if pushed_out == Some(true) {
            self.drop(DropCause::QueueFull);
        }
        true
    }

    /// Makes an entry for a next hop that is not known, and asks for it; `false` when there is no
    /// room.
    pub(super) fn ask_first(&mut self, now: Time, key: Key, out: &mut Vec<Output>) -> bool {
        if self.table.get(&key).is_some() {
            return true;
        }
        // Half of the table at most, so that a scan of a network pushes nobody out who is there.
        let asked = self.table.incomplete();
        if asked >= (self.limits.neighbours / 2).max(1) || !self.make_room(now, key, out) {
            self.drop(DropCause::TableFull);
            return false;
        }
        let entry = Entry {
            mac: None,
            state: NeighbourState::Incomplete,
            since: now,
            confirmed: None,
            due: Some(now + RETRANSMIT),
            tries: 1,
            pending: VecDeque::new(),
        };
        self.table.put(key, entry);
        self.ask(key, None, out);
        true
    }

    /// Room for one more in the table.
    pub(super) fn make_room(&mut self, now: Time, key: Key, out: &mut Vec<Output>) -> bool {
        if self.table.len() < self.limits.neighbours {
            return true;
        }
        if let Some(victim) = self.table.least_known() {
            self.forget(victim, out);
            self.counters.evicted = self.counters.evicted.saturating_add(1);
            return true;
        }
        let (interface, ip) = key;
        self.note(now, Note::TableFull { interface, ip }, out);
        false
    }

    /// Removes a neighbour, and what waits for it.
    pub(super) fn forget(&mut self, key: Key, out: &mut Vec<Output>) {
        let Some(entry) = self.table.remove(&key) else {
            return;
        };
        for _ in &entry.pending {
            self.drop(DropCause::Unreachable);
        }
        if entry.mac.is_some() {
            let (interface, ip) = key;
            out.push(Output::Neighbour {
                interface,
                ip,
                mac: None,
            });
        }
    }

    /// Sends what waited for a MAC address.
    pub(super) fn flush(&mut self, key: Key, mac: Mac, out: &mut Vec<Output>) {
        let waiting = self
            .table
            .change(&key, |entry| std::mem::take(&mut entry.pending));
        for pending in waiting.into_iter().flatten() {
            self.transmit(key.0, mac, &pending, out);
        }
    }

    /// Sends a packet to a MAC address.
    fn transmit(&mut self, id: InterfaceId, to: Mac, pending: &Pending, out: &mut Vec<Output>) {
        let Some(interface) = self.interface(id) else {
            return;
        };
        let packet = &pending.packet;
        let Some((source, _, length)) = endpoints(packet) else {
            self.drop(DropCause::BadIpHeader);
            return;
        };
        let held = match interface.local(source) {
            Some(Local::Held { vmac, .. }) => Some(vmac),
            _ if pending.forwarded => interface.held_mac(source.is_ipv6()),
            _ => None,
        };
        let link = Link {
            destination: to,
            source: held.unwrap_or(interface.config.mac),
            vlan: interface.vlan(),
        };
        let ethertype = if source.is_ipv6() {
            ethernet::IPV6
        } else {
            ethernet::IPV4
        };
        let mut frame = vec![0; vlan::MAX_HEADER_LEN];
        let Ok(at) = link.emit(ethertype, &mut frame) else {
            return;
        };
        frame.truncate(at);
        frame.extend_from_slice(packet.get(..length).unwrap_or_default());
        frame.resize(frame.len().max(arp::MIN_FRAME_LEN), 0);
        out.push(Output::Send {
            interface: id,
            frame,
        });
    }

    /// Asks for a neighbour's MAC address: everybody, or the one who had it last.
    pub(super) fn ask(&mut self, key: Key, last: Option<Mac>, out: &mut Vec<Output>) {
        match key.1 {
            IpAddr::V4(target) => self.ask_v4(key.0, target, last, out),
            IpAddr::V6(target) => self.ask_v6(key.0, target, last, out),
        }
    }

    fn ask_v4(
        &mut self,
        id: InterfaceId,
        target: Ipv4Addr,
        last: Option<Mac>,
        out: &mut Vec<Output>,
    ) {
        let Some(interface) = self.interface(id) else {
            return;
        };
        let own = match interface.source_for(target.into()) {
            Some(IpAddr::V4(own)) => Some((own, interface.config.mac)),
            _ => None,
        };
        let held = || {
            let mut held = interface.virtuals.iter().filter(|v| v.held);
            held.find_map(|v| match v.addresses.first() {
                Some(IpAddr::V4(address)) => Some((*address, v.vmac)),
                _ => None,
            })
        };
        // Without any address it is a probe (RFC 5227), which is answered as well.
        let (source, mac) = own
            .or_else(held)
            .unwrap_or((Ipv4Addr::UNSPECIFIED, interface.config.mac));
        let request = arp::Repr::request(mac, source, target);
        let vlan = interface.vlan();
        self.counters.arp_requests = self.counters.arp_requests.saturating_add(1);
        self.emit(id, out, |frame| {
            let length = request.emit_frame(vlan, frame)?;
            if let (Some(last), Some(to)) = (last, frame.first_chunk_mut::<6>()) {
                *to = last.0;
            }
            Ok(length)
        });
    }

    fn ask_v6(
        &mut self,
        id: InterfaceId,
        target: Ipv6Addr,
        last: Option<Mac>,
        out: &mut Vec<Output>,
    ) {
        let Some(interface) = self.interface(id) else {
            return;
        };
        // An Active Router's solicitations name the virtual MAC address (RFC 9568, section 8.2.2),
        // so they come from the virtual address that has it.
        let own = || match interface.source_for(target.into()) {
            Some(IpAddr::V6(own)) => Some((own, interface.config.mac)),
            _ => None,
        };
        let Some((source, mac)) = interface.held_link_local().or_else(own) else {
            // Own addresses are still probed: asked again in a second.
            return;
        };
        let mut question = Solicitation::ask(source, mac, target);
        if last.is_some() {
            question.destination = target;
        }
        let link = Link {
            destination: last.unwrap_or(ipv6::multicast_mac(question.destination)),
            source: mac,
            vlan: interface.vlan(),
        };
        self.counters.solicitations = self.counters.solicitations.saturating_add(1);
        self.emit(id, out, |frame| question.emit_frame(&link, frame));
    }
}
