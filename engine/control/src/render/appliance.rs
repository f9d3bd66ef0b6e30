use super::table::{Align::Left, Align::Right, Table, clean, or_dash};
use super::units::{bit_rate, bytes, span};
use crate::{
    BandwidthStatus, CaptureStatus, FlapsStatus, HeartbeatDump, LcoreStatus, MempoolStatus,
    PortXstats, VersionStatus,
};

/// A driver's own counters; those that counted nothing are left out.
#[must_use]
pub fn xstats(list: &[PortXstats]) -> String {
    if list.is_empty() {
        return "no ports\n".into();
    }
    let mut text = String::new();
    for port in list {
        text.push_str(&format!("{}\n", clean(&or_dash(&port.port))));
        let counted = port.xstats.iter().filter(|(_, value)| *value > 0);
        let mut none = true;
        for (name, value) in counted {
            none = false;
            text.push_str(&format!("  {}: {value}\n", clean(name)));
        }
        if none {
            text.push_str("  nothing counted\n");
        }
    }
    text
}

/// Lcores, and what they do with their time.
#[must_use]
pub fn lcores(list: &[LcoreStatus]) -> String {
    if list.is_empty() {
        return "no lcores\n".into();
    }
    let mut table = Table::new(&[
        ("LCORE", Right),
        ("CPU", Right),
        ("ROLE", Left),
        ("SERVES", Left),
        ("BUSY", Right),
        ("BURSTS", Right),
        ("PACKETS", Right),
        ("PER BURST", Right),
        ("CYCLES/PACKET", Right),
    ]);
    for lcore in list {
        // What a burst was given: the mean of those that were not empty.
        let burst = match lcore.busy_iterations {
            0 => "-".into(),
            bursts => format!("{:.1}", lcore.packets as f64 / bursts as f64),
        };
        table.row(vec![
            lcore.lcore.to_string(),
            lcore
                .cpu
                .map_or_else(|| "any".into(), |cpu| cpu.to_string()),
            or_dash(&lcore.role),
            or_dash(&lcore.serves.join(", ")),
            format!("{:.1} %", lcore.busy_ratio * 100.0),
            lcore.busy_iterations.to_string(),
            lcore.packets.to_string(),
            burst,
            lcore
                .cycles_per_packet
                .map_or_else(|| "-".into(), |cycles| format!("{cycles:.0}")),
        ]);
    }
    table.text()
}

/// Pools of packet buffers.
#[must_use]
pub fn mempools(list: &[MempoolStatus]) -> String {
    if list.is_empty() {
        return "no mempools\n".into();
    }
    let mut table = Table::new(&[
        ("MEMPOOL", Left),
        ("BUFFERS", Right),
        ("IN USE", Right),
        ("FREE", Right),
        ("CACHE", Right),
        ("ROOM", Right),
        ("NODE", Right),
    ]);
    for pool in list {
        table.row(vec![
            or_dash(&pool.name),
            pool.size.to_string(),
            pool.in_use.to_string(),
            pool.available.to_string(),
            pool.cache.to_string(),
            format!("{} B", pool.data_room_bytes),
            pool.socket
                .map_or_else(|| "any".into(), |node| node.to_string()),
        ]);
    }
    table.text()
}

/// Measured bandwidth beside its minimum.
#[must_use]
pub fn bandwidth(status: &BandwidthStatus) -> String {
    let minimum = match (status.enabled, status.minimum_bps) {
        (false, _) => "not monitored".into(),
        (true, 0) => "none".into(),
        (true, bps) => bit_rate(bps),
    };
    let verdict = match (status.enabled, status.failed) {
        (false, _) => "-",
        (true, true) => "below the minimum for too long: unfit",
        (true, false) if status.measured_bps < status.minimum_bps => "below the minimum",
        (true, false) => "ok",
    };
    format!(
        "lan -> wan  {}\nwan -> lan  {}\nmeasured    {}\nminimum     {minimum}\nverdict     {verdict}\n",
        bit_rate(status.lan_to_wan_bps),
        bit_rate(status.wan_to_lan_bps),
        bit_rate(status.measured_bps),
    )
}

/// Flaps, and when they were.
#[must_use]
pub fn flaps(status: &FlapsStatus) -> String {
    let max = match status.max {
        0 => "no limit".into(),
        max => format!("at most {max}"),
    };
    let mut text = format!(
        "{} {} within {} s, {max}; then: {}\n",
        status.count,
        if status.count == 1 { "flap" } else { "flaps" },
        status.window_s,
        clean(&or_dash(&status.on_max))
    );
    for ms_ago in &status.flaps_ms_ago {
        text.push_str(&format!("  {} ago\n", span(*ms_ago)));
    }
    if status.latched {
        text.push_str("latched until `ha clear`\n");
    }
    text
}

/// Version of the engine and of DPDK.
#[must_use]
pub fn version(status: &VersionStatus) -> String {
    format!(
        "twinline {}, {}, linked {}; process {}, up {}\n",
        clean(&or_dash(&status.version)),
        clean(&or_dash(&status.dpdk)),
        clean(&or_dash(&status.linkage)),
        status.pid,
        span(status.uptime_ms)
    )
}

/// Heartbeats as they were on the wire.
#[must_use]
pub fn heartbeats(list: &[HeartbeatDump]) -> String {
    if list.is_empty() {
        return "no heartbeat was sent or received\n".into();
    }
    let mut text = String::new();
    for dump in list {
        text.push_str(&format!(
            "{} {} instance {} on {}, {} ago\n",
            clean(&or_dash(&dump.direction)),
            if dump.direction == "received" {
                "from"
            } else {
                "by"
            },
            dump.instance,
            clean(&or_dash(&dump.path)),
            span(dump.ms_ago)
        ));
        let width = dump.fields.iter().map(|(name, _)| name.chars().count());
        let width = width.max().unwrap_or(0);
        for (name, value) in &dump.fields {
            text.push_str(&format!("  {:<width$}  {}\n", clean(name), clean(value)));
        }
        text.push_str(&hex_dump(&dump.frame));
    }
    text
}

/// Offset and sixteen bytes a line, as tcpdump and text2pcap have them.
fn hex_dump(hex: &str) -> String {
    let digits: Vec<char> = hex.chars().filter(char::is_ascii_hexdigit).collect();
    let mut text = String::new();
    for (line, bytes) in digits.chunks(32).enumerate() {
        text.push_str(&format!("  {:04x} ", line * 16));
        for byte in bytes.chunks(2) {
            text.push(' ');
            text.extend(byte);
        }
        text.push('\n');
    }
    text
}

/// Captures that run, or ended by themselves.
#[must_use]
pub fn captures(list: &[CaptureStatus]) -> String {
    if list.is_empty() {
        return "no captures\n".into();
    }
    let mut table = Table::new(&[
        ("PORT", Left),
        ("FRAMES", Right),
        ("BYTES", Right),
        ("LOST", Right),
        ("SINCE", Right),
        ("FILE", Left),
        ("STATE", Left),
    ]);
    for capture in list {
        table.row(vec![
            or_dash(&capture.port),
            capture.frames.to_string(),
            bytes(capture.bytes),
            capture.lost.to_string(),
            span(capture.since_ms),
            or_dash(&capture.file),
            capture.error.clone().unwrap_or_else(|| "running".into()),
        ]);
    }
    table.text()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_is_shown_as_text2pcap_reads_it() {
        let dump = HeartbeatDump {
            direction: "sent".into(),
            instance: 1,
            path: "HA".into(),
            ms_ago: 12,
            frame: "00".repeat(15) + "ff01",
            fields: vec![("role".into(), "ACTIVE".into()), ("seq".into(), "7".into())],
        };
        let expected = "sent by instance 1 on HA, 12 ms ago
  role  ACTIVE
  seq   7
  0000  00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 ff
  0010  01
";
        assert_eq!(heartbeats(&[dump]), expected);
    }

    #[test]
    fn counters_that_counted_nothing_are_left_out() {
        let port = |port: &str, xstats: &[(&str, u64)]| PortXstats {
            port: port.into(),
            xstats: xstats.iter().map(|(n, v)| ((*n).into(), *v)).collect(),
        };
        let list = [
            port("lan0", &[("rx_good", 3), ("rx_bad", 0)]),
            port("wan0", &[]),
        ];
        assert_eq!(
            xstats(&list),
            "lan0\n  rx_good: 3\nwan0\n  nothing counted\n"
        );
    }

    #[test]
    fn a_minimum_is_judged() {
        let mut status = BandwidthStatus::default();
        assert!(bandwidth(&status).ends_with("minimum     not monitored\nverdict     -\n"));
        status.enabled = true;
        status.minimum_bps = 2_000_000;
        assert!(bandwidth(&status).ends_with("verdict     below the minimum\n"));
        status.failed = true;
        assert!(bandwidth(&status).ends_with("too long: unfit\n"));
    }

    #[test]
    fn a_worker_is_a_line() {
        let lcore = LcoreStatus {
            lcore: 1,
            cpu: Some(1),
            role: "worker".into(),
            serves: vec!["pair wire0".into()],
            iterations: 100,
            busy_iterations: 10,
            packets: 125,
            busy_ratio: 0.104,
            cycles_per_packet: Some(210.4),
        };
        let expected = "\
LCORE  CPU  ROLE    SERVES        BUSY  BURSTS  PACKETS  PER BURST  CYCLES/PACKET
    1    1  worker  pair wire0  10.4 %      10      125       12.5            210
";
        assert_eq!(lcores(&[lcore]), expected);
    }
}
