use super::ports::drops;
use super::table::{Align::Left, Align::Right, Fields, Table, clean, or_dash};
use super::units::{bit_rate, micros, millis, span};
use crate::{HaStatus, PeerStatus};

/// The HA node: alarms first, then ourselves, then the peers.
#[must_use]
pub fn ha(status: &HaStatus) -> String {
    let mut text = String::new();
    for alarm in &status.alarms {
        let line = format!(
            "ALARM {}: {} (for {})",
            clean(&alarm.name),
            clean(&alarm.text),
            span(alarm.since_ms)
        );
        text.push_str(&line);
        text.push('\n');
    }
    if !status.alarms.is_empty() {
        text.push('\n');
    }
    text.push_str(&own(status).text());
    text.push('\n');
    if status.peers.is_empty() {
        text.push_str("no peer was ever heard\n");
        return text;
    }
    text.push_str(&peers(&status.peers));
    if status.peers.iter().any(|peer| !peer.paths.is_empty()) {
        text.push('\n');
        text.push_str(&paths(&status.peers));
    }
    text
}

/// The peers: how well they are heard, then what they say of themselves.
#[must_use]
pub fn peers(list: &[PeerStatus]) -> String {
    if list.is_empty() {
        return "no peer was ever heard\n".into();
    }
    let (health, said) = peer_tables(list);
    format!("{}\n{}", health.text(), said.text())
}

/// Each path of heartbeats to each peer.
#[must_use]
pub fn paths(list: &[PeerStatus]) -> String {
    if list.iter().all(|peer| peer.paths.is_empty()) {
        return "no peer is heard on more than one path\n".into();
    }
    path_table(list).text()
}

fn own(status: &HaStatus) -> Fields {
    let mut fields = Fields::new();
    let primary = if status.primary { ", primary" } else { "" };
    fields.add(
        "instance",
        format!(
            "{} (id {}{primary}) of stack {}",
            or_dash(&status.name),
            status.id,
            or_dash(&status.stack)
        ),
    );
    fields.add(
        "mode",
        format!("{}, {}", or_dash(&status.mode), or_dash(&status.topology)),
    );
    let wanted = status
        .wanted
        .as_deref()
        .filter(|wanted| *wanted != status.role);
    fields.add(
        "role",
        format!(
            "{}{} for {}, reason: {}{}",
            or_dash(&status.role),
            if status.degraded { " (degraded)" } else { "" },
            span(status.role_since_ms),
            or_dash(&status.role_reason),
            wanted.map_or_else(String::new, |wanted| format!("; on the way to {wanted}")),
        ),
    );
    fields.add("fit", fitness(status.fit, status.unfit_reason.as_deref()));
    let flaps_max = if status.flaps_max == 0 {
        "no limit".into()
    } else {
        status.flaps_max.to_string()
    };
    let latched = if status.latched {
        ", LATCHED until `ha clear`"
    } else {
        ""
    };
    fields.add("flaps", format!("{} of {flaps_max}{latched}", status.flaps));
    if status.suspended {
        fields.add("suspended", "by an operator, until `ha resume`");
    }
    if let Some(left) = status.preempt_in_ms {
        fields.add("preempts", format!("in {}", span(left)));
    }
    fields.add(
        "lease",
        status
            .lease_remaining_ms
            .map_or_else(|| "none".into(), span),
    );
    fields.add("epoch", status.epoch.to_string());
    fields.add(
        "configuration",
        format!("digest {}", or_dash(&status.config_digest)),
    );
    fields.add(
        "heartbeats",
        format!(
            "{} sent, {}; dropped: {}",
            status.heartbeats_sent,
            if status.authenticated {
                "signed"
            } else {
                "NOT AUTHENTICATED (insecure)"
            },
            drops(&status.heartbeat_drops)
        ),
    );
    fields.add(
        "own loop",
        format!(
            "late {} times, by {} at most",
            status.loop_lateness.late_count,
            millis(status.loop_lateness.max_ms)
        ),
    );
    fields
}

fn fitness(fit: bool, reason: Option<&str>) -> String {
    match (fit, reason) {
        (true, _) => "yes".into(),
        (false, None) => "no".into(),
        (false, Some(reason)) => format!("no: {reason}"),
    }
}

/// Each path to each peer, where there are two.
fn path_table(list: &[PeerStatus]) -> Table {
    let mut table = Table::new(&[
        ("PEER", Right),
        ("PATH", Left),
        ("HEALTH", Left),
        ("HEARD", Right),
        ("MISSED", Right),
        ("RECEIVED", Right),
        ("HEARS US", Left),
        ("AT", Left),
    ]);
    for peer in list {
        for path in &peer.paths {
            table.row(vec![
                peer.id.to_string(),
                path.name.clone(),
                or_dash(&path.health),
                path.last_heard_ms_ago
                    .map_or_else(|| "never".into(), |ms| format!("{} ago", span(ms))),
                format!("{} of {}", path.missed, peer.threshold),
                path.heartbeats_received.to_string(),
                if path.hears_us { "yes" } else { "NO" }.into(),
                or_dash(&path.ports.join(", ")),
            ]);
        }
    }
    table
}

/// How well the peers are heard, and what they say of themselves.
fn peer_tables(list: &[PeerStatus]) -> (Table, Table) {
    let mut health = Table::new(&[
        ("PEER", Right),
        ("HEALTH", Left),
        ("FOR", Right),
        ("REASON", Left),
        ("HEARD", Right),
        ("MISSED", Right),
        ("INTERVAL", Right),
        ("RTT", Right),
        ("RECEIVED", Right),
        ("LOST", Right),
        ("HEARS US", Left),
    ]);
    let mut said = Table::new(&[
        ("PEER", Right),
        ("ROLE", Left),
        ("PRIMARY", Left),
        ("FIT", Left),
        ("EPOCH", Right),
        ("PAIRS UP", Right),
        ("FLAPS", Right),
        ("BANDWIDTH", Right),
        ("CONFIGURATION", Left),
        ("BOOT", Left),
    ]);
    for peer in list {
        let id = peer.stack.as_ref().map_or_else(
            || peer.id.to_string(),
            |stack| format!("{} of {stack}", peer.id),
        );
        health.row(vec![
            id.clone(),
            or_dash(&peer.health),
            span(peer.health_since_ms),
            or_dash(&peer.health_reason),
            peer.last_heard_ms_ago
                .map_or_else(|| "never".into(), |ms| format!("{} ago", span(ms))),
            format!("{} of {}", peer.missed, peer.threshold),
            millis(peer.interval_ms),
            peer.rtt_us.map_or_else(|| "-".into(), micros),
            peer.heartbeats_received.to_string(),
            peer.heartbeats_lost.to_string(),
            if peer.hears_us { "yes" } else { "NO" }.into(),
        ]);
        let digest = or_dash(&peer.config_digest);
        let agrees = if peer.config_agrees {
            "as ours"
        } else {
            "DIFFERS"
        };
        said.row(vec![
            id,
            or_dash(&peer.role),
            if peer.primary { "yes" } else { "no" }.into(),
            fitness(peer.fit, peer.unfit_reason.as_deref()),
            peer.epoch.to_string(),
            format!("{} of {}", peer.pairs_up, peer.pairs_total),
            peer.flaps.to_string(),
            bit_rate(peer.bandwidth_bps),
            format!("{digest} {agrees}"),
            or_dash(&peer.boot),
        ]);
    }
    (health, said)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Alarm, Lateness};

    fn status() -> HaStatus {
        HaStatus {
            name: "a".into(),
            id: 1,
            stack: "edge".into(),
            mode: "active-passive".into(),
            topology: "parallel".into(),
            primary: true,
            role: "ACTIVE".into(),
            role_since_ms: 83_000,
            role_reason: "primary_at_start".into(),
            fit: true,
            epoch: 4,
            flaps: 1,
            flaps_max: 6,
            lease_remaining_ms: Some(212),
            loop_lateness: Lateness {
                max_ms: 7.25,
                late_count: 2,
            },
            authenticated: true,
            config_digest: "00c0ffee00c0ffee".into(),
            heartbeats_sent: 1660,
            heartbeat_drops: [("bad_key".into(), 3), ("not_ours".into(), 0)].into(),
            peers: vec![PeerStatus {
                id: 2,
                boot: "00000000deadbeef".into(),
                health: "HEALTHY".into(),
                health_since_ms: 80_000,
                health_reason: "heartbeats_in_sequence".into(),
                role: "PASSIVE".into(),
                fit: true,
                last_heard_ms_ago: Some(12),
                threshold: 5,
                interval_ms: 50.0,
                rtt_us: Some(180),
                heartbeats_received: 1600,
                heartbeats_lost: 1,
                epoch: 3,
                pairs_up: 1,
                pairs_total: 1,
                bandwidth_bps: 1_000_000,
                hears_us: true,
                config_digest: "00c0ffee00c0ffee".into(),
                config_agrees: true,
                ..PeerStatus::default()
            }],
            ..HaStatus::default()
        }
    }

    #[test]
    fn an_active_primary() {
        let expected = "\
instance       a (id 1, primary) of stack edge
mode           active-passive, parallel
role           ACTIVE for 1 min 23 s, reason: primary_at_start
fit            yes
flaps          1 of 6
lease          212 ms
epoch          4
configuration  digest 00c0ffee00c0ffee
heartbeats     1660 sent, signed; dropped: bad_key 3
own loop       late 2 times, by 7.25 ms at most

PEER  HEALTH          FOR  REASON                      HEARD  MISSED  INTERVAL     RTT  RECEIVED  LOST  HEARS US
   2  HEALTHY  1 min 20 s  heartbeats_in_sequence  12 ms ago  0 of 5     50 ms  180 us      1600     1  yes

PEER  ROLE     PRIMARY  FIT  EPOCH  PAIRS UP  FLAPS    BANDWIDTH  CONFIGURATION             BOOT
   2  PASSIVE  no       yes      3    1 of 1      0  1.00 Mbit/s  00c0ffee00c0ffee as ours  00000000deadbeef
";
        assert_eq!(ha(&status()), expected);
    }

    #[test]
    fn trouble_is_seen_at_once() {
        let mut status = status();
        status.alarms.push(Alarm {
            name: "one_way_path".into(),
            text: "peer 2 does not hear us: check the HA cable".into(),
            since_ms: 4200,
        });
        status.role = "PASSIVE".into();
        status.wanted = Some("SUSPENDED".into());
        status.degraded = true;
        status.fit = false;
        status.unfit_reason = Some("links_below_minimum".into());
        status.latched = true;
        status.suspended = true;
        status.preempt_in_ms = Some(59_400);
        status.lease_remaining_ms = None;
        status.flaps_max = 0;
        status.authenticated = false;
        let peer = &mut status.peers[0];
        peer.hears_us = false;
        peer.config_agrees = false;
        peer.last_heard_ms_ago = None;
        peer.rtt_us = None;
        peer.fit = false;
        peer.stack = Some("we\x1bst".into());
        let text = ha(&status);
        for part in [
            "ALARM one_way_path: peer 2 does not hear us: check the HA cable (for 4.2 s)\n\ninstance",
            "\nrole           PASSIVE (degraded) for 1 min 23 s, reason: primary_at_start; on the way to SUSPENDED\n",
            "\nfit            no: links_below_minimum\n",
            "\nflaps          1 of no limit, LATCHED until `ha clear`\n",
            "\nsuspended      by an operator, until `ha resume`\n",
            "\npreempts       in 59.4 s\n",
            "\nlease          none\n",
            "1660 sent, NOT AUTHENTICATED (insecure); dropped",
            "never  0 of 5     50 ms    -      1600     1  NO\n",
            "00c0ffee00c0ffee DIFFERS",
            "\n2 of we?st  PASSIVE  no       no ",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
    }

    #[test]
    fn alone() {
        let text = ha(&HaStatus {
            peers: vec![],
            ..status()
        });
        assert!(text.ends_with("\n\nno peer was ever heard\n"), "{text}");
    }
}
