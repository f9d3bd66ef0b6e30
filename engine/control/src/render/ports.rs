use super::table::{Align::Left, Align::Right, Table, or_dash};
use super::units::bytes;
use crate::PortStatus;

/// Ports: what they are and whether they are up, then what they counted.
#[must_use]
pub fn ports(list: &[PortStatus]) -> String {
    if list.is_empty() {
        return "no ports\n".into();
    }
    let text = format!("{}\n{}", port_info(list), counters(list));
    match routed(list) {
        Some(routed) => format!("{text}\n{routed}"),
        None => text,
    }
}

/// What ports are, and whether they are up.
#[must_use]
pub fn port_info(list: &[PortStatus]) -> String {
    if list.is_empty() {
        return "no ports\n".into();
    }
    let mut links = Table::new(&[
        ("PORT", Left),
        ("USED FOR", Left),
        ("LINK", Left),
        ("SPEED", Right),
        ("CARRIER", Left),
        ("MAC", Left),
        ("DRIVER", Left),
        ("DEVICE", Left),
    ]);
    for port in list {
        links.row(vec![
            or_dash(&port.name),
            or_dash(&port.used_for),
            link(
                port.link_up,
                port.taken_down_by_us,
                port.taken_down_by_operator,
            ),
            speed(port),
            or_dash(&port.carrier_source),
            or_dash(&port.mac),
            or_dash(&port.driver),
            or_dash(&port.device),
        ]);
    }
    links.text()
}

/// The links of ports.
#[must_use]
pub fn port_links(list: &[PortStatus]) -> String {
    if list.is_empty() {
        return "no ports\n".into();
    }
    let mut links = Table::new(&[
        ("PORT", Left),
        ("LINK", Left),
        ("SPEED", Right),
        ("CARRIER", Left),
    ]);
    for port in list {
        links.row(vec![
            or_dash(&port.name),
            link(
                port.link_up,
                port.taken_down_by_us,
                port.taken_down_by_operator,
            ),
            speed(port),
            or_dash(&port.carrier_source),
        ]);
    }
    links.text()
}

/// What ports counted; those of layer 3 also what they did with it.
#[must_use]
pub fn port_stats(list: &[PortStatus]) -> String {
    if list.is_empty() {
        return "no ports\n".into();
    }
    match routed(list) {
        Some(routed) => format!("{}\n{routed}", counters(list)),
        None => counters(list),
    }
}

fn speed(port: &PortStatus) -> String {
    port.speed_mbps
        .map_or_else(|| "-".into(), |speed| format!("{speed} Mbit/s"))
}

fn counters(list: &[PortStatus]) -> String {
    let mut counters = Table::new(&[
        ("PORT", Left),
        ("RX PACKETS", Right),
        ("RX BYTES", Right),
        ("TX PACKETS", Right),
        ("TX BYTES", Right),
        ("MISSED", Right),
        ("RX ERR", Right),
        ("TX ERR", Right),
        ("NO BUF", Right),
        ("DROPPED", Left),
    ]);
    for port in list {
        let counted = &port.counters;
        counters.row(vec![
            or_dash(&port.name),
            counted.rx_packets.to_string(),
            bytes(counted.rx_bytes),
            counted.tx_packets.to_string(),
            bytes(counted.tx_bytes),
            counted.rx_missed.to_string(),
            counted.rx_errors.to_string(),
            counted.tx_errors.to_string(),
            counted.rx_no_buffer.to_string(),
            drops(&port.drops),
        ]);
    }
    counters.text()
}

/// What ports of layer 3 forwarded and punted; `None` where there are none.
fn routed(list: &[PortStatus]) -> Option<String> {
    if list.iter().all(|port| port.virtual_mac.is_none()) {
        return None;
    }
    let mut routed = Table::new(&[
        ("PORT", Left),
        ("VIRTUAL MAC", Left),
        ("FORWARDED", Left),
        ("PUNTED", Left),
    ]);
    for port in list {
        if let Some(method) = &port.virtual_mac {
            routed.row(vec![
                or_dash(&port.name),
                or_dash(method),
                drops(&port.forwarded),
                drops(&port.punted),
            ]);
        }
    }
    Some(routed.text())
}

/// A link's state, and whose doing it is.
pub(super) fn link(up: bool, by_us: bool, by_operator: bool) -> String {
    match (up, by_us, by_operator) {
        (_, _, true) => "down (by operator)".into(),
        (_, true, _) => "down (by us)".into(),
        (true, ..) => "up".into(),
        (false, ..) => "down".into(),
    }
}

/// Causes and counts, without those that never were; `-` for none.
pub(super) fn drops(drops: &std::collections::BTreeMap<String, u64>) -> String {
    let some = drops.iter().filter(|(_, count)| **count > 0);
    or_dash(
        &some
            .map(|(cause, count)| format!("{cause} {count}"))
            .collect::<Vec<_>>()
            .join(", "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PortCounters;

    #[test]
    fn ports_of_layer_3_have_a_third_table() {
        let port = PortStatus {
            name: "p0".into(),
            virtual_mac: Some("promiscuous".into()),
            forwarded: [("IPv4".into(), 9), ("IPv6".into(), 0)].into(),
            punted: [("arp".into(), 2), ("vrrp".into(), 5)].into(),
            ..PortStatus::default()
        };
        let expected = "\
PORT  VIRTUAL MAC  FORWARDED  PUNTED
p0    promiscuous  IPv4 9     arp 2, vrrp 5
";
        let text = ports(&[PortStatus::default(), port]);
        assert!(text.ends_with(&format!("\n\n{expected}")), "{text}");
    }

    #[test]
    fn a_link_says_who_took_it_down() {
        assert_eq!(link(true, false, false), "up");
        assert_eq!(link(false, false, false), "down");
        assert_eq!(link(false, true, false), "down (by us)");
        assert_eq!(link(false, true, true), "down (by operator)");
    }

    #[test]
    fn ports_are_two_tables() {
        let lan = PortStatus {
            name: "lan0".into(),
            device: "0000:03:00.0".into(),
            driver: "net_ixgbe".into(),
            used_for: "lan of pair0".into(),
            mac: "02:00:00:00:00:01".into(),
            link_up: true,
            carrier_source: "driver".into(),
            speed_mbps: Some(10_000),
            counters: PortCounters {
                rx_packets: 1_234_567,
                rx_bytes: 1_500_000_000,
                tx_packets: 7,
                tx_bytes: 448,
                rx_missed: 3,
                ..PortCounters::default()
            },
            drops: [
                ("gate".into(), 12),
                ("lease".into(), 0),
                ("tx_full".into(), 1),
            ]
            .into(),
            ..PortStatus::default()
        };
        let wan = PortStatus {
            name: "wan0".into(),
            device: "net_af_packet0,iface=a-wan".into(),
            driver: "net_af_packet".into(),
            used_for: "wan of pair0".into(),
            mac: "02:00:00:00:00:02".into(),
            carrier_source: "kernel:a-wan".into(),
            taken_down_by_us: true,
            ..PortStatus::default()
        };
        let expected = "\
PORT  USED FOR      LINK                 SPEED  CARRIER       MAC                DRIVER         DEVICE
lan0  lan of pair0  up            10000 Mbit/s  driver        02:00:00:00:00:01  net_ixgbe      0000:03:00.0
wan0  wan of pair0  down (by us)             -  kernel:a-wan  02:00:00:00:00:02  net_af_packet  net_af_packet0,iface=a-wan

PORT  RX PACKETS  RX BYTES  TX PACKETS  TX BYTES  MISSED  RX ERR  TX ERR  NO BUF  DROPPED
lan0     1234567   1.50 GB           7     448 B       3       0       0       0  gate 12, tx_full 1
wan0           0       0 B           0       0 B       0       0       0       0  -
";
        let both = [lan, wan];
        assert_eq!(ports(&both), expected);
        let (info, stats) = expected.split_once("\n\n").unwrap();
        assert_eq!(port_info(&both), format!("{info}\n"));
        assert_eq!(port_stats(&both), stats);
        let links = "\
PORT  LINK                 SPEED  CARRIER
lan0  up            10000 Mbit/s  driver
wan0  down (by us)             -  kernel:a-wan
";
        assert_eq!(port_links(&both), links);
    }
}
