use super::ports::{drops, link};
use super::table::{Align::Left, Align::Right, Table, or_dash};
use super::units::{bit_rate, bytes};
use crate::{LegStatus, LinkPairStatus};

/// Link pairs: both legs and the gate, then the traffic of each direction.
#[must_use]
pub fn link_pairs(list: &[LinkPairStatus]) -> String {
    if list.is_empty() {
        return "no link pairs\n".into();
    }
    let mut pairs = Table::new(&[
        ("PAIR", Left),
        ("STATE", Left),
        ("LAN", Left),
        ("LINK", Left),
        ("STATIONS", Right),
        ("WAN", Left),
        ("LINK", Left),
        ("STATIONS", Right),
        ("GATE", Left),
    ]);
    let mut traffic = Table::new(&[
        ("PAIR", Left),
        ("DIRECTION", Left),
        ("IN", Right),
        ("IN BYTES", Right),
        ("OUT", Right),
        ("OUT BYTES", Right),
        ("RATE", Right),
        ("DROPPED", Left),
    ]);
    for pair in list {
        let gate = if pair.gate_wanted == pair.gate_adopted {
            or_dash(&pair.gate_adopted)
        } else {
            format!(
                "{} (wanted: {})",
                or_dash(&pair.gate_adopted),
                or_dash(&pair.gate_wanted)
            )
        };
        pairs.row(vec![
            or_dash(&pair.name),
            if pair.up { "up" } else { "down" }.into(),
            or_dash(&pair.lan.port),
            leg(&pair.lan),
            pair.lan.macs.to_string(),
            or_dash(&pair.wan.port),
            leg(&pair.wan),
            pair.wan.macs.to_string(),
            gate,
        ]);
        for (name, way) in [
            ("lan -> wan", &pair.lan_to_wan),
            ("wan -> lan", &pair.wan_to_lan),
        ] {
            traffic.row(vec![
                or_dash(&pair.name),
                name.into(),
                way.rx_packets.to_string(),
                bytes(way.rx_bytes),
                way.tx_packets.to_string(),
                bytes(way.tx_bytes),
                bit_rate(way.bps),
                drops(&way.drops),
            ]);
        }
    }
    format!("{}\n{}", pairs.text(), traffic.text())
}

fn leg(leg: &LegStatus) -> String {
    link(leg.up, leg.taken_down_by_us, leg.taken_down_by_operator)
}

/// What passed through each pair and was dropped there, and of all pairs together.
#[must_use]
pub fn forward_stats(list: &[LinkPairStatus]) -> String {
    if list.is_empty() {
        return "no link pairs\n".into();
    }
    let mut table = Table::new(&[
        ("PAIR", Left),
        ("DIRECTION", Left),
        ("RX PACKETS", Right),
        ("TX PACKETS", Right),
        ("TX DROPPED", Right),
        ("RATE", Right),
    ]);
    let mut all = [0u64; 4];
    for pair in list {
        for (name, way) in [
            ("lan -> wan", &pair.lan_to_wan),
            ("wan -> lan", &pair.wan_to_lan),
        ] {
            let dropped = way
                .drops
                .values()
                .fold(0, |sum: u64, n| sum.saturating_add(*n));
            let numbers = [way.rx_packets, way.tx_packets, dropped, way.bps];
            for (sum, number) in all.iter_mut().zip(numbers) {
                *sum = sum.saturating_add(number);
            }
            table.row(forward_row(&or_dash(&pair.name), name, numbers));
        }
    }
    table.row(forward_row("all", "", all));
    table.text()
}

fn forward_row(pair: &str, direction: &str, [rx, tx, dropped, bps]: [u64; 4]) -> Vec<String> {
    vec![
        pair.into(),
        direction.into(),
        rx.to_string(),
        tx.to_string(),
        dropped.to_string(),
        bit_rate(bps),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DirectionStatus;

    #[test]
    fn forwarding_has_a_sum() {
        let way = |rx_packets, tx_packets, gate| DirectionStatus {
            rx_packets,
            tx_packets,
            bps: 1_000_000,
            drops: [("gate".into(), gate), ("lease".into(), 1)].into(),
            ..DirectionStatus::default()
        };
        let pair = LinkPairStatus {
            name: "wire0".into(),
            lan_to_wan: way(10, 7, 2),
            wan_to_lan: way(u64::MAX, 5, 0),
            ..LinkPairStatus::default()
        };
        let expected = "\
PAIR   DIRECTION             RX PACKETS  TX PACKETS  TX DROPPED         RATE
wire0  lan -> wan                    10           7           3  1.00 Mbit/s
wire0  wan -> lan  18446744073709551615           5           1  1.00 Mbit/s
all                18446744073709551615          12           4  2.00 Mbit/s
";
        assert_eq!(forward_stats(&[pair]), expected);
        assert_eq!(forward_stats(&[]), "no link pairs\n");
    }

    #[test]
    fn pairs_are_two_tables() {
        let leg = |port: &str, up, taken_down_by_us, macs| LegStatus {
            port: port.into(),
            up,
            taken_down_by_us,
            macs,
            ..LegStatus::default()
        };
        let pair0 = LinkPairStatus {
            name: "pair0".into(),
            up: true,
            lan: leg("lan0", true, false, 12),
            wan: leg("wan0", true, false, 3),
            gate_wanted: "forward".into(),
            gate_adopted: "forward".into(),
            lan_to_wan: DirectionStatus {
                rx_packets: 1000,
                rx_bytes: 64_000,
                tx_packets: 998,
                tx_bytes: 63_872,
                bps: 512_000,
                drops: [("gate".into(), 0), ("announce".into(), 2)].into(),
            },
            wan_to_lan: DirectionStatus::default(),
        };
        let pair1 = LinkPairStatus {
            name: "pair1".into(),
            lan: leg("lan1", false, false, 0),
            wan: leg("wan1", false, true, 0),
            gate_wanted: "forward".into(),
            gate_adopted: "taking-over".into(),
            ..LinkPairStatus::default()
        };
        let expected = "\
PAIR   STATE  LAN   LINK  STATIONS  WAN   LINK          STATIONS  GATE
pair0  up     lan0  up          12  wan0  up                   3  forward
pair1  down   lan1  down         0  wan1  down (by us)         0  taking-over (wanted: forward)

PAIR   DIRECTION     IN  IN BYTES  OUT  OUT BYTES           RATE  DROPPED
pair0  lan -> wan  1000  64.00 kB  998   63.87 kB  512.00 kbit/s  announce 2
pair0  wan -> lan     0       0 B    0        0 B        0 bit/s  -
pair1  lan -> wan     0       0 B    0        0 B        0 bit/s  -
pair1  wan -> lan     0       0 B    0        0 B        0 bit/s  -
";
        assert_eq!(link_pairs(&[pair0, pair1]), expected);
    }
}
