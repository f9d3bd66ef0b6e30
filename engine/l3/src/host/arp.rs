//! ARP (RFC 826, RFC 5227), as a host and as an Active Router (RFC 9568, section 8.1.2).

use std::net::IpAddr;

use twinline_wire::arp::{Operation, Repr};
use twinline_wire::vlan::Link;

use super::addresses::Local;
use super::neighbours::Said;
use super::{Host, NeighbourState};
use crate::output::Output;
use crate::{InterfaceId, Time};

impl Host {
    pub(super) fn arp(
        &mut self,
        now: Time,
        id: InterfaceId,
        link: &Link,
        heard: &Repr,
        out: &mut Vec<Output>,
    ) {
        let Some(interface) = self.interface(id) else {
            return;
        };
        let (sender, target) = (IpAddr::V4(heard.sender_ip), IpAddr::V4(heard.target_ip));
        let vlan = interface.vlan();
        let asked_for = interface.local(target);
        let probe = heard.sender_ip.is_unspecified();
        let claimed = if probe { target } else { sender };
        if interface.ours(claimed) && (!probe || asked_for == Some(Local::Unusable)) {
            self.claimed(now, id, claimed, heard.sender_mac, out);
            // Who has our address is no neighbour of ours, and is not answered.
            return;
        }
        let answer_with = match asked_for {
            Some(Local::Own) => Some(interface.config.mac),
            Some(Local::Held { vmac, .. }) => Some(vmac),
            _ => None,
        };
        let to_us = interface.has_mac(link.destination) && answer_with.is_some();
        if interface.on_link(sender) {
            let key = (id, sender);
            let waited_for = self.table.get(&key).is_some_and(|entry| {
                matches!(
                    entry.state,
                    NeighbourState::Incomplete | NeighbourState::Probe
                )
            });
            let said = Said {
                mac: Some(heard.sender_mac),
                solicited: heard.operation == Operation::Reply && to_us && waited_for,
                overrides: true,
                // RFC 826: who asks us is worth an entry; an answer that nobody waits for is not.
                create: heard.operation == Operation::Request && answer_with.is_some(),
            };
            self.learn(now, key, said, out);
        }
        if let (Operation::Request, Some(mac)) = (heard.operation, answer_with) {
            let reply = Repr::reply_to(heard, mac);
            self.counters.arp_replies = self.counters.arp_replies.saturating_add(1);
            self.emit(id, out, |frame| reply.emit_frame(vlan, frame));
        }
    }
}
