//! What consoles are shown of layer 3.

use std::collections::BTreeMap;
use std::time::Duration;

use twinline_control::{
    HeardRouter, InterfaceStatus, InterfacesStatus, NeighbourStatus, RouteStatus,
    VirtualRouterCounters, VirtualRouterStatus, VirtualRoutersStatus,
};
use twinline_ha::Time;
use twinline_l3::{Counters, InterfaceId};
use twinline_wire::vrrp::Family;

use super::routers::Entry;
use super::{Layer3, reason, share};

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Those that were counted at all.
fn counted<'a>(all: impl IntoIterator<Item = (&'a str, u64)>) -> BTreeMap<String, u64> {
    let some = all.into_iter().filter(|(_, count)| *count > 0);
    some.map(|(name, count)| (name.to_owned(), count)).collect()
}

impl Layer3 {
    fn name(&self, interface: InterfaceId) -> String {
        let of = self.plan.interface(interface);
        of.map(|interface| interface.name.clone())
            .unwrap_or_default()
    }

    /// To `show_virtual_routers`.
    #[must_use]
    pub fn virtual_routers(&self, now: Time) -> VirtualRoutersStatus {
        let routers = self
            .routers
            .iter()
            .map(|entry| self.virtual_router(now, entry));
        let drops = self.routers.drops.iter();
        let drops = drops.map(|(cause, count)| (cause.name(), count));
        let of_passive = ("passive_peer", self.routers.of_passive);
        VirtualRoutersStatus {
            routers: routers.collect(),
            advert_drops: counted(drops.chain([of_passive])),
        }
    }

    fn virtual_router(&self, now: Time, entry: &Entry) -> VirtualRouterStatus {
        let router = &entry.router;
        let settings = router.settings();
        let counters = router.counters();
        VirtualRouterStatus {
            name: entry.name.clone(),
            interface: self.name(entry.interface),
            vrid: settings.vrid.get(),
            family: match entry.family() {
                Family::V4 => "IPv4",
                Family::V6 => "IPv6",
            }
            .into(),
            version: settings.version as u8,
            state: router.state().name().into(),
            state_since_ms: ms(now.since(entry.since)),
            reason: reason(entry.why).to_string(),
            priority: settings.priority.get(),
            interval_ms: ms(settings.interval.duration()),
            preempt: settings.preempt,
            preempt_delay_ms: ms(settings.preempt_delay),
            source: settings.source.to_string(),
            peers: settings.peers.iter().map(ToString::to_string).collect(),
            addresses: settings.addresses.iter().map(ToString::to_string).collect(),
            virtual_mac: entry.virtual_mac().to_string(),
            holds_virtual_mac: router.holds_virtual_mac(),
            accepts: router.accepts_local(),
            heard: entry.last_advert.map(|last| HeardRouter {
                source: last.source.to_string(),
                priority: last.priority,
                interval_ms: ms(last.interval.duration()),
                ms_ago: ms(now.since(last.at)),
            }),
            counters: VirtualRouterCounters {
                sent: counters.sent,
                unsent: entry.unsent,
                heard: counters.heard,
                discarded: counters.discarded,
                became_active: counters.became_active,
                late: counters.late,
                latest_ms: counters.latest.as_secs_f64() * 1000.0,
            },
        }
    }

    /// To `show_interfaces`; `port_name` tells a port's name by its index.
    #[must_use]
    pub fn interfaces(&self, port_name: impl Fn(usize) -> String) -> InterfacesStatus {
        let ids = (0..).map(InterfaceId).zip(&self.plan.interfaces);
        let interfaces = ids.map(|(id, of)| {
            let held = self
                .routers
                .iter()
                .filter(|entry| entry.interface == id && entry.router.holds_virtual_mac());
            let held = held.flat_map(|entry| &entry.router.settings().addresses);
            InterfaceStatus {
                name: of.name.clone(),
                port: port_name(of.port),
                vlan: of.vlan,
                up: self.links.get(&of.port).copied().unwrap_or(false),
                mac: of.mac.to_string(),
                mtu: of.mtu,
                addresses: of.own.iter().map(ToString::to_string).collect(),
                held: held.map(ToString::to_string).collect(),
                kernel: self.kernel.name(id).map(str::to_owned),
                kernel_lost: self.kernel.lost(id),
            }
        });
        let counters = self.host.counters();
        let mut drops = counted(counters.drops.iter().map(|(c, n)| (c.name(), n)));
        let malformed = &counters.malformed;
        let truncated = [("truncated", malformed.truncated)];
        let arp = malformed.arp.iter().map(|(c, n)| (c.name(), n));
        let ndp = malformed.ndp.iter().map(|(c, n)| (c.name(), n));
        for (name, count) in counted(truncated.into_iter().chain(arp)) {
            drops.insert(format!("arp_{name}"), count);
        }
        for (name, count) in counted(ndp) {
            drops.insert(format!("ndp_{name}"), count);
        }
        InterfacesStatus {
            interfaces: interfaces.collect(),
            slow_path: slow_path(counters, self.lost, self.forwarding.refused),
            slow_path_drops: drops,
        }
    }

    /// To `show_neighbours`.
    #[must_use]
    pub fn neighbours(&self, now: Time) -> Vec<NeighbourStatus> {
        let all = self.host.neighbours().map(|n| NeighbourStatus {
            interface: self.name(n.interface),
            address: n.ip.to_string(),
            mac: n.mac.map(|mac| mac.to_string()),
            state: n.state.name().into(),
            state_since_ms: ms(now.since(n.since)),
            confirmed_ms_ago: n.confirmed.map(|at| ms(now.since(at))),
        });
        all.collect()
    }

    /// To `show_routes`.
    #[must_use]
    pub fn routes(&self) -> Vec<RouteStatus> {
        let all = self.forwarding.routes().map(|route| {
            let mac = route
                .via
                .and_then(|via| share::mac_of(&self.host, route.interface, via));
            RouteStatus {
                prefix: route.network().to_string(),
                kind: if route.via.is_some() {
                    "static"
                } else {
                    "connected"
                }
                .into(),
                via: route.via.map(|via| via.to_string()),
                interface: self.name(route.interface),
                mac: mac.map(|mac| mac.to_string()),
            }
        });
        all.collect()
    }

    /// The names of the interfaces of a port, by its index.
    #[must_use]
    pub fn names_on(&self, port: usize) -> Vec<&str> {
        let on = self.plan.interfaces.iter().filter(|i| i.port == port);
        on.map(|interface| interface.name.as_str()).collect()
    }
}

fn slow_path(of: &Counters, unsent: u64, refused: u64) -> BTreeMap<String, u64> {
    counted([
        ("frames", of.frames),
        ("arp_requests", of.arp_requests),
        ("arp_replies", of.arp_replies),
        ("solicitations", of.solicitations),
        ("advertisements", of.advertisements),
        ("announcements", of.announcements),
        ("address_probes", of.address_probes),
        ("echo_replies", of.echo_replies),
        ("time_exceeded", of.time_exceeded),
        ("unreachable", of.unreachable),
        ("too_big", of.too_big),
        ("parameter_problem", of.parameter_problem),
        ("to_kernel", of.to_kernel),
        ("from_kernel", of.from_kernel),
        ("resolved", of.resolved),
        ("failed", of.failed),
        ("evicted", of.evicted),
        ("synchronised", of.synchronised),
        ("conflicts", of.conflicts),
        ("unsent", unsent),
        ("no_room_for_route", refused),
    ])
}
