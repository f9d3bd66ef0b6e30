use super::ports::drops;
use super::table::{Align::Left, Align::Right, Table, or_dash};
use super::units::{millis, span};
use crate::{
    InterfacesStatus, NeighbourStatus, RouteStatus, VirtualRouterStatus, VirtualRoutersStatus,
};

/// Virtual routers: state and why, then what they hear, then what they counted.
#[must_use]
pub fn virtual_routers(status: &VirtualRoutersStatus) -> String {
    if status.routers.is_empty() {
        return "no virtual routers\n".into();
    }
    let mut states = Table::new(&[
        ("ROUTER", Left),
        ("INTERFACE", Left),
        ("VRID", Right),
        ("FAMILY", Left),
        ("STATE", Left),
        ("FOR", Right),
        ("REASON", Left),
        ("PRIORITY", Right),
        ("INTERVAL", Right),
        ("VIRTUAL MAC", Left),
        ("ADDRESSES", Left),
    ]);
    let mut heard = Table::new(&[
        ("ROUTER", Left),
        ("SENDS FROM", Left),
        ("OTHER ROUTER", Left),
        ("PRIORITY", Right),
        ("INTERVAL", Right),
        ("HEARD", Right),
        ("SENT", Right),
        ("UNSENT", Right),
        ("TAKEN", Right),
        ("DISCARDED", Right),
        ("TAKEOVERS", Right),
        ("LATE", Right),
        ("LATEST", Right),
    ]);
    for router in &status.routers {
        states.row(state_row(router));
        let counted = &router.counters;
        let dash = || "-".to_owned();
        let other = router.heard.as_ref();
        heard.row(vec![
            or_dash(&router.name),
            or_dash(&router.source),
            other.map_or_else(dash, |o| or_dash(&o.source)),
            other.map_or_else(dash, |o| o.priority.to_string()),
            other.map_or_else(dash, |o| span(o.interval_ms)),
            other.map_or_else(dash, |o| format!("{} ago", span(o.ms_ago))),
            counted.sent.to_string(),
            counted.unsent.to_string(),
            counted.heard.to_string(),
            counted.discarded.to_string(),
            counted.became_active.to_string(),
            counted.late.to_string(),
            millis(counted.latest_ms),
        ]);
    }
    format!(
        "{}\n{}\nadverts dropped: {}\n",
        states.text(),
        heard.text(),
        drops(&status.advert_drops)
    )
}

fn state_row(router: &VirtualRouterStatus) -> Vec<String> {
    let held = match (router.holds_virtual_mac, router.accepts) {
        (true, true) => "",
        (true, false) => " (held, not accepting)",
        (false, _) => " (not held)",
    };
    vec![
        or_dash(&router.name),
        or_dash(&router.interface),
        router.vrid.to_string(),
        format!("{} v{}", router.family, router.version),
        or_dash(&router.state),
        span(router.state_since_ms),
        or_dash(&router.reason),
        router.priority.to_string(),
        span(router.interval_ms),
        format!("{}{held}", or_dash(&router.virtual_mac)),
        or_dash(&router.addresses.join(", ")),
    ]
}

/// Interfaces: what they are, then what the slow path did.
#[must_use]
pub fn interfaces(status: &InterfacesStatus) -> String {
    if status.interfaces.is_empty() {
        return "no interfaces\n".into();
    }
    let mut table = Table::new(&[
        ("INTERFACE", Left),
        ("PORT", Left),
        ("VLAN", Right),
        ("LINK", Left),
        ("MTU", Right),
        ("MAC", Left),
        ("ADDRESSES", Left),
        ("HELD", Left),
        ("KERNEL", Left),
        ("NOT TAKEN", Right),
    ]);
    for interface in &status.interfaces {
        table.row(vec![
            or_dash(&interface.name),
            or_dash(&interface.port),
            interface.vlan.map_or_else(|| "-".into(), |v| v.to_string()),
            if interface.up { "up" } else { "down" }.into(),
            interface.mtu.to_string(),
            or_dash(&interface.mac),
            or_dash(&interface.addresses.join(", ")),
            or_dash(&interface.held.join(", ")),
            or_dash(interface.kernel.as_deref().unwrap_or_default()),
            interface.kernel_lost.to_string(),
        ]);
    }
    format!(
        "{}\nslow path: {}\nslow path, dropped: {}\n",
        table.text(),
        drops(&status.slow_path),
        drops(&status.slow_path_drops)
    )
}

/// Neighbours.
#[must_use]
pub fn neighbours(list: &[NeighbourStatus]) -> String {
    if list.is_empty() {
        return "no neighbours\n".into();
    }
    let mut table = Table::new(&[
        ("INTERFACE", Left),
        ("ADDRESS", Left),
        ("MAC", Left),
        ("STATE", Left),
        ("FOR", Right),
        ("CONFIRMED", Right),
    ]);
    for neighbour in list {
        table.row(vec![
            or_dash(&neighbour.interface),
            or_dash(&neighbour.address),
            or_dash(neighbour.mac.as_deref().unwrap_or_default()),
            or_dash(&neighbour.state),
            span(neighbour.state_since_ms),
            neighbour
                .confirmed_ms_ago
                .map_or_else(|| "never".into(), |ms| format!("{} ago", span(ms))),
        ]);
    }
    table.text()
}

/// Routes.
#[must_use]
pub fn routes(list: &[RouteStatus]) -> String {
    if list.is_empty() {
        return "no routes\n".into();
    }
    let mut table = Table::new(&[
        ("PREFIX", Left),
        ("KIND", Left),
        ("VIA", Left),
        ("INTERFACE", Left),
        ("NEXT HOP'S MAC", Left),
    ]);
    for route in list {
        table.row(vec![
            or_dash(&route.prefix),
            or_dash(&route.kind),
            or_dash(route.via.as_deref().unwrap_or_default()),
            or_dash(&route.interface),
            or_dash(route.mac.as_deref().unwrap_or_default()),
        ]);
    }
    table.text()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HeardRouter, InterfaceStatus, VirtualRouterCounters};

    #[test]
    fn virtual_routers_are_two_tables_and_the_drops() {
        let router = VirtualRouterStatus {
            name: "gw".into(),
            interface: "lan0".into(),
            vrid: 10,
            family: "IPv4".into(),
            version: 3,
            state: "backup".into(),
            state_since_ms: 12_340,
            reason: "higher_priority_heard".into(),
            priority: 100,
            interval_ms: 100,
            source: "192.0.2.3".into(),
            addresses: vec!["192.0.2.1".into()],
            virtual_mac: "00:00:5e:00:01:0a".into(),
            heard: Some(HeardRouter {
                source: "192.0.2.2".into(),
                priority: 150,
                interval_ms: 100,
                ms_ago: 42,
            }),
            counters: VirtualRouterCounters {
                sent: 1,
                heard: 123,
                late: 2,
                latest_ms: 7.25,
                ..VirtualRouterCounters::default()
            },
            ..VirtualRouterStatus::default()
        };
        let status = VirtualRoutersStatus {
            routers: vec![router],
            advert_drops: [("bad_ttl".into(), 3)].into(),
        };
        let expected = "\
ROUTER  INTERFACE  VRID  FAMILY   STATE      FOR  REASON                 PRIORITY  INTERVAL  VIRTUAL MAC                   ADDRESSES
gw      lan0         10  IPv4 v3  backup  12.3 s  higher_priority_heard       100    100 ms  00:00:5e:00:01:0a (not held)  192.0.2.1

ROUTER  SENDS FROM  OTHER ROUTER  PRIORITY  INTERVAL      HEARD  SENT  UNSENT  TAKEN  DISCARDED  TAKEOVERS  LATE   LATEST
gw      192.0.2.3   192.0.2.2          150    100 ms  42 ms ago     1       0    123          0          0     2  7.25 ms

adverts dropped: bad_ttl 3
";
        assert_eq!(virtual_routers(&status), expected);
    }

    #[test]
    fn interfaces_neighbours_and_routes_are_tables() {
        let status = InterfacesStatus {
            interfaces: vec![InterfaceStatus {
                name: "lan0".into(),
                port: "p0".into(),
                vlan: Some(100),
                up: true,
                mac: "02:00:00:00:00:01".into(),
                mtu: 1500,
                addresses: vec!["192.0.2.2/24".into(), "fe80::1/64".into()],
                held: vec!["192.0.2.1".into()],
                kernel: Some("tw-lan0".into()),
                kernel_lost: 0,
            }],
            slow_path: [("echo_replies".into(), 7)].into(),
            ..InterfacesStatus::default()
        };
        let text = "\
INTERFACE  PORT  VLAN  LINK   MTU  MAC                ADDRESSES                 HELD       KERNEL   NOT TAKEN
lan0       p0     100  up    1500  02:00:00:00:00:01  192.0.2.2/24, fe80::1/64  192.0.2.1  tw-lan0          0

slow path: echo_replies 7
slow path, dropped: -
";
        assert_eq!(interfaces(&status), text);
        let neighbour = NeighbourStatus {
            interface: "lan0".into(),
            address: "192.0.2.9".into(),
            mac: Some("02:00:00:00:00:09".into()),
            state: "stale".into(),
            state_since_ms: 5,
            confirmed_ms_ago: None,
        };
        let text = "\
INTERFACE  ADDRESS    MAC                STATE   FOR  CONFIRMED
lan0       192.0.2.9  02:00:00:00:00:09  stale  5 ms      never
";
        assert_eq!(neighbours(&[neighbour]), text);
        let route = RouteStatus {
            prefix: "0.0.0.0/0".into(),
            kind: "static".into(),
            via: Some("192.0.2.9".into()),
            interface: "lan0".into(),
            mac: None,
        };
        let text = "\
PREFIX     KIND    VIA        INTERFACE  NEXT HOP'S MAC
0.0.0.0/0  static  192.0.2.9  lan0       -
";
        assert_eq!(routes(&[route]), text);
    }
}
