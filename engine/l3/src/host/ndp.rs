//! Neighbour discovery (RFC 4861, RFC 4862), as a host and as an Active Router (RFC 9568, section
//! 8.2.2).

use std::net::IpAddr;

use twinline_wire::ndp::{Advertisement, Message, Solicitation};
use twinline_wire::vlan::Link;
use twinline_wire::{Mac, ipv6};

use super::Host;
use super::addresses::Local;
use super::neighbours::Said;
use crate::counters::DropCause;
use crate::output::Output;
use crate::{InterfaceId, Time};

impl Host {
    pub(super) fn ndp(
        &mut self,
        now: Time,
        id: InterfaceId,
        link: &Link,
        message: &Message,
        out: &mut Vec<Output>,
    ) {
        match message {
            Message::Solicitation(question) => self.solicitation(now, id, link, question, out),
            Message::Advertisement(news) => self.advertisement(now, id, link, news, out),
        }
    }

    fn solicitation(
        &mut self,
        now: Time,
        id: InterfaceId,
        link: &Link,
        question: &Solicitation,
        out: &mut Vec<Output>,
    ) {
        let Some(interface) = self.interface(id) else {
            return;
        };
        let (source, target) = (IpAddr::V6(question.source), IpAddr::V6(question.target));
        let (own_mac, vlan) = (interface.config.mac, interface.vlan());
        let local = interface.local(target);
        let on_link = interface.on_link(source);
        let nobody = question.source.is_unspecified();
        let (mac, router) = match local {
            Some(Local::Own) => (own_mac, self.forwarding),
            Some(Local::Held { vmac, .. }) => (vmac, true),
            Some(Local::Unusable) if nobody => {
                // Two who probe for the same address at once: nobody gets it (RFC 4862, 5.4.3).
                return self.claimed(now, id, target, link.source, out);
            }
            Some(Local::Unusable) => return self.drop(DropCause::Tentative),
            Some(Local::NotHeld) => return self.drop(DropCause::NotHeld),
            None => return self.drop(DropCause::NotLocal),
        };
        if !nobody && !on_link {
            return self.drop(DropCause::Martian);
        }
        if !nobody {
            let said = Said {
                mac: question.source_mac,
                solicited: false,
                overrides: true,
                create: true,
            };
            self.learn(now, (id, source), said, out);
        }
        let known = self.table.get(&(id, source)).and_then(|entry| entry.mac);
        let answer = Advertisement {
            router,
            ..Advertisement::answer_to(question, mac)
        };
        let link = Link {
            destination: if nobody {
                ipv6::multicast_mac(ipv6::ALL_NODES)
            } else {
                known.unwrap_or(link.source)
            },
            source: mac,
            vlan,
        };
        self.counters.advertisements = self.counters.advertisements.saturating_add(1);
        self.emit(id, out, |frame| answer.emit_frame(&link, frame));
    }

    fn advertisement(
        &mut self,
        now: Time,
        id: InterfaceId,
        link: &Link,
        news: &Advertisement,
        out: &mut Vec<Output>,
    ) {
        let Some(interface) = self.interface(id) else {
            return;
        };
        let target = IpAddr::V6(news.target);
        if interface.ours(target) {
            let mac: Mac = news.target_mac.unwrap_or(link.source);
            return self.claimed(now, id, target, mac, out);
        }
        if !interface.on_link(target) {
            return self.drop(DropCause::Martian);
        }
        let said = Said {
            mac: news.target_mac,
            solicited: news.solicited,
            overrides: news.override_cached,
            // RFC 4861, section 7.2.5: nobody is waiting for it.
            create: false,
        };
        self.learn(now, (id, target), said, out);
    }
}
