//! Own addresses: probed, announced, defended (RFC 4862, section 5.4; RFC 5227). Virtual ones:
//! held or not, and announced (RFC 9568, section 6.4).

use std::net::{IpAddr, Ipv6Addr};

use twinline_wire::ndp::{Advertisement, Solicitation};
use twinline_wire::vlan::Link;
use twinline_wire::{Mac, arp, ipv6};

use super::Host;
use super::addresses::{
    ANNOUNCE_EVERY, ANNOUNCEMENTS, DEFEND_EVERY, Local, PROBE_EVERY, PROBES_V4, PROBES_V6, Stage,
    Virtual,
};
use crate::counters::DropCause;
use crate::output::{Note, Output};
use crate::{InterfaceId, Time};

/// The MAC address of an address's solicited-node group.
fn group_of(address: IpAddr) -> Option<Mac> {
    match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(six) => Some(ipv6::multicast_mac(ipv6::solicited_node(six))),
    }
}

impl Host {
    /// The groups that own addresses need.
    pub(super) fn join_own(&mut self, id: InterfaceId, out: &mut Vec<Output>) {
        let Some(interface) = self.interface(id) else {
            return;
        };
        let all = interface.has_ipv6().then_some(ipv6::ALL_NODES);
        let own = interface.own.iter();
        let groups: Vec<Mac> = all
            .map(ipv6::multicast_mac)
            .into_iter()
            .chain(own.filter_map(|own| group_of(own.prefix.address())))
            .collect();
        for group_mac in groups {
            self.join(id, group_mac, out);
        }
    }

    fn join(&mut self, interface: InterfaceId, group_mac: Mac, out: &mut Vec<Output>) {
        if self
            .interface_mut(interface)
            .is_some_and(|i| i.join(group_mac))
        {
            out.push(Output::Join {
                interface,
                group_mac,
            });
        }
    }

    fn leave(&mut self, interface: InterfaceId, group_mac: Mac, out: &mut Vec<Output>) {
        if self
            .interface_mut(interface)
            .is_some_and(|i| i.leave(group_mac))
        {
            out.push(Output::Leave {
                interface,
                group_mac,
            });
        }
    }

    /// Own addresses of an interface that got its link.
    pub(super) fn start_own(&mut self, now: Time, id: InterfaceId) {
        let Some(interface) = self.interface_mut(id) else {
            return;
        };
        let probe_ipv4 = interface.config.probe_ipv4;
        for own in &mut interface.own {
            let probed = probe_ipv4 || own.prefix.address().is_ipv6();
            own.stage = if probed {
                Stage::Probing { sent: 0, at: now }
            } else {
                Stage::Announcing { sent: 0, at: now }
            };
        }
    }

    /// Own addresses that have something to do.
    pub(super) fn tick_own(&mut self, now: Time, out: &mut Vec<Output>) {
        for id in self.interface_ids() {
            let count = self.interface(id).map_or(0, |i| i.own.len());
            for index in 0..count {
                self.tick_own_address(now, id, index, out);
            }
        }
    }

    fn tick_own_address(
        &mut self,
        now: Time,
        id: InterfaceId,
        index: usize,
        out: &mut Vec<Output>,
    ) {
        let Some(interface) = self.interface(id) else {
            return;
        };
        let Some(own) = interface.own.get(index).copied() else {
            return;
        };
        if own.due().is_none_or(|due| due > now) {
            return;
        }
        let ip = own.prefix.address();
        // Of an address that is virtual too, the virtual router speaks, and the other routers have
        // it by right (item 37).
        let virtual_too = matches!(
            interface.local(ip),
            Some(Local::Held { .. } | Local::NotHeld)
        );
        let probes = if ip.is_ipv6() { PROBES_V6 } else { PROBES_V4 };
        let stage = match own.stage {
            _ if virtual_too => Stage::Ready,
            Stage::Probing { sent, .. } if sent < probes => {
                self.probe_own(id, ip, out);
                Stage::Probing {
                    sent: sent + 1,
                    at: now + PROBE_EVERY,
                }
            }
            Stage::Probing { .. } | Stage::Announcing { .. } => {
                let sent = match own.stage {
                    Stage::Announcing { sent, .. } => sent + 1,
                    _ => 1,
                };
                self.announce_own(id, ip, out);
                if sent < ANNOUNCEMENTS {
                    let at = now + ANNOUNCE_EVERY;
                    Stage::Announcing { sent, at }
                } else {
                    Stage::Ready
                }
            }
            stage => stage,
        };
        if let Some(own) = self.interface_mut(id).and_then(|i| i.own.get_mut(index)) {
            own.stage = stage;
        }
    }

    fn probe_own(&mut self, id: InterfaceId, ip: IpAddr, out: &mut Vec<Output>) {
        let Some(interface) = self.interface(id) else {
            return;
        };
        let (mac, vlan) = (interface.config.mac, interface.vlan());
        self.counters.address_probes = self.counters.address_probes.saturating_add(1);
        match ip {
            IpAddr::V4(ip) => {
                let probe = arp::Repr::request(mac, std::net::Ipv4Addr::UNSPECIFIED, ip);
                self.emit(id, out, |frame| probe.emit_frame(vlan, frame));
            }
            IpAddr::V6(ip) => {
                let probe = Solicitation {
                    source_mac: None,
                    ..Solicitation::ask(Ipv6Addr::UNSPECIFIED, mac, ip)
                };
                let link = Link {
                    destination: ipv6::multicast_mac(probe.destination),
                    source: mac,
                    vlan,
                };
                self.emit(id, out, |frame| probe.emit_frame(&link, frame));
            }
        }
    }

    fn announce_own(&mut self, id: InterfaceId, ip: IpAddr, out: &mut Vec<Output>) {
        let Some(interface) = self.interface(id) else {
            return;
        };
        let mac = interface.config.mac;
        self.announce_at(id, ip, ip, mac, self.forwarding, out);
    }

    /// Says to all that an address is at a MAC address.
    fn announce_at(
        &mut self,
        id: InterfaceId,
        source: IpAddr,
        address: IpAddr,
        mac: Mac,
        router: bool,
        out: &mut Vec<Output>,
    ) {
        let Some(vlan) = self.interface(id).map(|i| i.vlan()) else {
            return;
        };
        self.counters.announcements = self.counters.announcements.saturating_add(1);
        match (source, address) {
            (_, IpAddr::V4(address)) => {
                let news = arp::Repr::gratuitous(address, mac);
                self.emit(id, out, |frame| news.emit_frame(vlan, frame));
            }
            (IpAddr::V6(source), IpAddr::V6(address)) => {
                let news = Advertisement {
                    router,
                    ..Advertisement::unsolicited(source, address, mac)
                };
                let link = Link {
                    destination: ipv6::multicast_mac(ipv6::ALL_NODES),
                    source: mac,
                    vlan,
                };
                self.emit(id, out, |frame| news.emit_frame(&link, frame));
            }
            (IpAddr::V4(_), IpAddr::V6(_)) => {}
        }
    }

    /// Another station spoke in the name of one of our addresses.
    pub(super) fn claimed(
        &mut self,
        now: Time,
        id: InterfaceId,
        ip: IpAddr,
        mac: Mac,
        out: &mut Vec<Output>,
    ) {
        let Some(interface) = self.interface(id) else {
            return;
        };
        match interface.local(ip) {
            // The Active Router speaks of its address: all is well.
            None | Some(Local::NotHeld) => return,
            // Its peer, which has not heard yet that we took over, or the other way round: VRRP
            // settles it.
            Some(Local::Held { vmac, .. }) if vmac == mac => return,
            _ => {}
        }
        self.counters.conflicts = self.counters.conflicts.saturating_add(1);
        let Some(own) = self
            .interface_mut(id)
            .and_then(|i| i.own.iter_mut().find(|own| own.prefix.address() == ip))
        else {
            let interface = id;
            return self.note(now, Note::Conflict { interface, ip, mac }, out);
        };
        let interface = id;
        if matches!(own.stage, Stage::Probing { .. }) {
            own.stage = Stage::Duplicate;
            return self.note(now, Note::DuplicateAddress { interface, ip, mac }, out);
        }
        if !own.usable() {
            return;
        }
        // One defence in ten seconds (RFC 5227, section 2.4 b; the same does for IPv6): two stations
        // that both defend would never end otherwise.
        let quiet = own.defended.is_some_and(|at| now.since(at) < DEFEND_EVERY);
        let defend = !quiet;
        if defend {
            own.defended = Some(now);
        }
        let ours = matches!(
            self.interface(id).and_then(|i| i.local(ip)),
            Some(Local::Own)
        );
        if defend && ours {
            self.announce_own(id, ip, out);
        }
        self.note(now, Note::Conflict { interface, ip, mac }, out);
    }

    pub(super) fn set_virtual(&mut self, id: InterfaceId, wanted: Virtual, out: &mut Vec<Output>) {
        let Some(interface) = self.interface_mut(id) else {
            return self.drop(DropCause::NoInterface);
        };
        let at = interface
            .virtuals
            .iter()
            .position(|v| v.vmac == wanted.vmac);
        let before = at.map(|at| interface.virtuals.remove(at));
        let (held, addresses) = (wanted.held, wanted.addresses.clone());
        interface.virtuals.push(wanted);
        // Joined before the others are left, so that a group that stays is not left in between.
        for group in addresses
            .iter()
            .filter(|_| held)
            .filter_map(|a| group_of(*a))
        {
            self.join(id, group, out);
        }
        let was_held = before.as_ref().is_some_and(|v| v.held);
        let left = before
            .into_iter()
            .filter(|v| v.held)
            .flat_map(|v| v.addresses);
        for group in left.filter_map(group_of) {
            self.leave(id, group, out);
        }
        for address in addresses {
            // Who was a neighbour with it is none, now that it is virtual here.
            self.forget((id, address), out);
        }
        if was_held && !held {
            self.drop_waiting_transit();
        }
    }

    /// What waits for MAC addresses on its way through was taken as Active Router, and is not sent
    /// any more: another one may forward what is sent again.
    fn drop_waiting_transit(&mut self) {
        for key in self.table.keys_where(|_, entry| !entry.pending.is_empty()) {
            let dropped = self.table.change(&key, |entry| {
                let before = entry.pending.len();
                entry.pending.retain(|pending| !pending.forwarded);
                before - entry.pending.len()
            });
            for _ in 0..dropped.unwrap_or(0) {
                self.drop(DropCause::NotHeld);
            }
        }
    }

    pub(super) fn announce_virtual(
        &mut self,
        id: InterfaceId,
        vmac: Mac,
        address: IpAddr,
        out: &mut Vec<Output>,
    ) {
        let Some(interface) = self.interface(id) else {
            return self.drop(DropCause::NoInterface);
        };
        let mut routers = interface.virtuals.iter();
        let Some(router) =
            routers.find(|v| v.vmac == vmac && v.held && v.addresses.contains(&address))
        else {
            return self.drop(DropCause::NotHeld);
        };
        if !interface.up {
            return self.drop(DropCause::NoLink);
        }
        // Its own link-local address, which a virtual router of IPv6 has (RFC 9568, section 5.2.9).
        let link_local = router
            .addresses
            .iter()
            .copied()
            .find(|address| matches!(address, IpAddr::V6(six) if ipv6::is_link_local(*six)));
        self.announce_at(id, link_local.unwrap_or(address), address, vmac, true, out);
    }
}
