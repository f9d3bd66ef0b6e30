//! The exception device: what the host's stack gets, and what it may say.
//!
//! The stack has the own addresses, and, with accept mode, the virtual ones that are held. It keeps
//! neighbours of its own, so answers to it come through; but the questions of others do not, or it
//! would answer for virtual addresses with the port's MAC address.

use std::net::IpAddr;

use twinline_wire::ndp::{self, Message};
use twinline_wire::vlan::{self, Frame, Link};
use twinline_wire::{Mac, arp, ethernet, ipv4, ipv6};

use super::Host;
use super::addresses::Local;
use super::send::endpoints;
use crate::InterfaceId;
use crate::counters::DropCause;
use crate::output::Output;

/// A frame with another header before the same payload.
fn rewritten(link: &Link, ethertype: u16, payload: &[u8]) -> Option<Vec<u8>> {
    let mut frame = vec![0; vlan::MAX_HEADER_LEN];
    let at = link.emit(ethertype, &mut frame).ok()?;
    frame.truncate(at);
    frame.extend_from_slice(payload);
    frame.resize(frame.len().max(arp::MIN_FRAME_LEN), 0);
    Some(frame)
}

impl Host {
    pub(super) fn has_kernel(&self, id: InterfaceId) -> bool {
        self.interface(id).is_some_and(|i| i.config.kernel)
    }

    /// Gives a frame to the exception device of its interface; `otherwise` is counted when there is
    /// none.
    pub(super) fn give_to_kernel(
        &mut self,
        id: InterfaceId,
        frame: &Frame<'_>,
        otherwise: DropCause,
        out: &mut Vec<Output>,
    ) {
        let Some(interface) = self.interface(id).filter(|i| i.config.kernel) else {
            return self.drop(otherwise);
        };
        let destination = if frame.link.destination.is_group() {
            frame.link.destination
        } else {
            interface.config.mac
        };
        let link = Link {
            destination,
            source: frame.link.source,
            vlan: 0,
        };
        if let Some(frame) = rewritten(&link, frame.ethertype, frame.payload) {
            self.counters.to_kernel = self.counters.to_kernel.saturating_add(1);
            out.push(Output::ToKernel {
                interface: id,
                frame,
            });
        }
    }

    pub(super) fn kernel_frame(
        &mut self,
        id: InterfaceId,
        bytes: &[u8],
        out: &mut Vec<Output>,
    ) -> Result<(), DropCause> {
        let interface = self.interface(id).ok_or(DropCause::NoInterface)?;
        if !interface.up {
            return Err(DropCause::NoLink);
        }
        let vlan = interface.vlan();
        let frame = vlan::open(bytes).map_err(|_| DropCause::KernelRefused)?;
        let source = frame.link.source;
        if frame.link.vlan != 0 || source.is_group() || source.is_zero() {
            return Err(DropCause::KernelRefused);
        }
        let link = Link { vlan, ..frame.link };
        match frame.ethertype {
            ethernet::ARP => return self.kernel_arp(id, &link, frame.payload, out),
            ethernet::IPV6 if ipv6_is_icmp(frame.payload) => match ndp::read(frame.payload) {
                Ok(message) => return self.kernel_ndp(id, &link, &message, out),
                Err(ndp::DropCause::NotOurs) => {}
                Err(_) => return Err(DropCause::KernelRefused),
            },
            ethernet::IPV4 if ipv4::Header::read(frame.payload).is_err() => {
                return Err(DropCause::KernelRefused);
            }
            _ => {}
        }
        let ip = endpoints(frame.payload).map(|(source, ..)| source);
        let ip = ip.filter(|_| matches!(frame.ethertype, ethernet::IPV4 | ethernet::IPV6));
        let source = self.kernel_source(id, ip, source)?;
        let link = Link { source, ..link };
        if let Some(frame) = rewritten(&link, frame.ethertype, frame.payload) {
            self.counters.from_kernel = self.counters.from_kernel.saturating_add(1);
            out.push(Output::Send {
                interface: id,
                frame,
            });
        }
        Ok(())
    }

    /// From which MAC address the stack may speak in the name of an address.
    fn kernel_source(
        &self,
        id: InterfaceId,
        ip: Option<IpAddr>,
        mac: Mac,
    ) -> Result<Mac, DropCause> {
        let local = ip
            .and_then(|ip| self.local_on(id, ip))
            .map(|(_, local)| local);
        match local {
            Some(Local::Held { vmac, .. })
                if self.interface(id).is_some_and(|i| i.holds_mac(vmac)) =>
            {
                Ok(vmac)
            }
            Some(Local::NotHeld) => Err(DropCause::KernelRefused),
            _ => Ok(mac),
        }
    }

    fn kernel_arp(
        &mut self,
        id: InterfaceId,
        link: &Link,
        packet: &[u8],
        out: &mut Vec<Output>,
    ) -> Result<(), DropCause> {
        let mut said = arp::Repr::read(packet).map_err(|_| DropCause::KernelRefused)?;
        let ours = |ip| self.local_on(id, ip).is_some();
        if said.operation == arp::Operation::Reply
            || said.is_gratuitous()
            || (said.sender_ip.is_unspecified() && ours(said.target_ip.into()))
        {
            return Err(DropCause::KernelAnswer);
        }
        said.sender_mac = self.kernel_source(id, Some(said.sender_ip.into()), said.sender_mac)?;
        let destination = link.destination;
        self.counters.from_kernel = self.counters.from_kernel.saturating_add(1);
        self.emit(id, out, |frame| {
            let length = said.emit_frame(link.vlan, frame)?;
            if let Some(to) = frame.first_chunk_mut::<6>() {
                *to = destination.0;
            }
            Ok(length)
        });
        Ok(())
    }

    fn kernel_ndp(
        &mut self,
        id: InterfaceId,
        link: &Link,
        message: &Message,
        out: &mut Vec<Output>,
    ) -> Result<(), DropCause> {
        let Message::Solicitation(said) = message else {
            return Err(DropCause::KernelAnswer);
        };
        if said.source.is_unspecified() {
            // Own addresses are probed here, virtual ones not at all.
            return Err(DropCause::KernelAnswer);
        }
        let source = self.kernel_source(id, Some(said.source.into()), link.source)?;
        let mut said = *said;
        said.source_mac = said.source_mac.map(|_| source);
        let link = Link { source, ..*link };
        self.counters.from_kernel = self.counters.from_kernel.saturating_add(1);
        self.emit(id, out, |frame| said.emit_frame(&link, frame));
        Ok(())
    }
}

/// Whether ICMPv6 is right behind the IPv6 header.
fn ipv6_is_icmp(packet: &[u8]) -> bool {
    ipv6::Packet::new_checked(packet).is_ok_and(|ip| ip.next_header() == ipv6::ICMPV6)
}
