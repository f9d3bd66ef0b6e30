use ratatui::style::Style;
use ratatui::text::Line;
use twinline_control::{HaStatus, PathStatus, PeerStatus};

use super::paint::{self, BAD, GOOD, PLAIN, WARN, note, plain, word};
use super::table::{Set, Table};
use crate::top::state::Answers;
use crate::top::text;

/// Alarms in full, then each peer with its paths, then what our own heartbeats do.
pub fn lines(answers: &Answers, room: usize) -> Vec<Line<'static>> {
    let ha = &answers.ha;
    let mut lines = alarms(ha, room);
    if !lines.is_empty() {
        lines.push(Line::default());
    }
    if ha.peers.is_empty() {
        lines.push(note("no peer was ever heard"));
    }
    for peer in &ha.peers {
        lines.extend(self::peer(peer, room));
        lines.push(Line::default());
    }
    let signed = if ha.authenticated {
        "signed"
    } else {
        "NOT AUTHENTICATED"
    };
    let drops: Vec<String> = ha
        .heartbeat_drops
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(cause, count)| format!("{cause} {count}"))
        .collect();
    let own = format!(
        "we sent {} heartbeats, {signed}; dropped: {}; own loop late {} times, {:.1} ms at most",
        ha.heartbeats_sent,
        text::or_dash(&drops.join(", ")),
        ha.loop_lateness.late_count,
        ha.loop_lateness.max_ms
    );
    let own = text::wrap(&text::clean(&own), room);
    lines.extend(own.into_iter().map(|part| Line::from(plain(part))));
    lines
}

/// Every alarm, in as many lines as it takes.
pub fn alarms(ha: &HaStatus, room: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for alarm in &ha.alarms {
        let said = text::clean(&format!(
            "ALARM {}: {} (for {})",
            text::or_dash(&alarm.name),
            alarm.text,
            text::span(alarm.since_ms)
        ));
        lines.extend(
            text::wrap(&said, room)
                .into_iter()
                .map(|part| Line::from(word(part, BAD))),
        );
    }
    lines
}

/// A peer's name: its id, and its stack where it is not ours.
pub fn name(peer: &PeerStatus) -> String {
    match &peer.stack {
        Some(stack) => format!("{} of {stack}", peer.id),
        None => peer.id.to_string(),
    }
}

/// Age of the last heartbeat.
pub fn heard(ms_ago: Option<u64>) -> String {
    ms_ago.map_or_else(|| "never".into(), |ms| format!("{} ago", text::span(ms)))
}

/// Misses of as many as it takes.
pub fn missed(missed: u32, threshold: u32) -> (String, Style) {
    let style = match missed {
        0 => PLAIN,
        _ if missed >= threshold => BAD,
        _ => WARN,
    };
    (format!("{missed} of {threshold}"), style)
}

fn peer(peer: &PeerStatus, room: usize) -> Vec<Line<'static>> {
    let primary = if peer.primary { ", primary" } else { "" };
    let mut lines = vec![Line::from(vec![
        paint::badge(&peer.role, peer.health != "HEALTHY"),
        word(format!(" peer {}{primary}  ", name(peer)), paint::BOLD),
        word(text::or_dash(&peer.health), paint::health(&peer.health)),
        plain(format!(
            " for {}, why: {}",
            text::span(peer.health_since_ms),
            text::or_dash(&peer.health_reason)
        )),
    ])];
    let mut table = Table::new(&[
        ("  PATH", Set::Whole, 0),
        ("HEALTH", Set::Whole, 0),
        ("HEARD", Set::Right, 0),
        ("MISSED", Set::Right, 0),
        ("RTT", Set::Right, 3),
        ("RECEIVED", Set::Right, 2),
        ("LOST", Set::Right, 4),
        ("HEARS US", Set::Whole, 1),
        ("AT", Set::Left, 5),
    ]);
    let both = PathStatus {
        name: "all".into(),
        health: peer.health.clone(),
        last_heard_ms_ago: peer.last_heard_ms_ago,
        missed: peer.missed,
        heartbeats_received: peer.heartbeats_received,
        hears_us: peer.hears_us,
        ports: Vec::new(),
    };
    for (path, all) in std::iter::once((&both, true)).chain(peer.paths.iter().map(|p| (p, false))) {
        let of_all = |words: String| (if all { words } else { String::new() }, PLAIN);
        table.row(vec![
            (format!("  {}", text::or_dash(&path.name)), PLAIN),
            (text::or_dash(&path.health), paint::health(&path.health)),
            (heard(path.last_heard_ms_ago), PLAIN),
            missed(path.missed, peer.threshold),
            of_all(peer.rtt_us.map_or_else(|| "-".into(), text::micros)),
            (path.heartbeats_received.to_string(), PLAIN),
            of_all(peer.heartbeats_lost.to_string()),
            if path.hears_us {
                ("yes".into(), GOOD)
            } else {
                ("NO".into(), BAD)
            },
            (path.ports.join(", "), PLAIN),
        ]);
    }
    lines.extend(table.lines(room));
    let fit = match (&peer.unfit_reason, peer.fit) {
        (_, true) => "fit".into(),
        (None, false) => "NOT FIT".into(),
        (Some(why), false) => format!("NOT FIT ({why})"),
    };
    let digest = if peer.config_agrees {
        "configuration as ours"
    } else {
        "configuration DIFFERS"
    };
    let said = format!(
        "{fit}, pairs up {} of {}, {}, flaps {}, epoch {}, every {} ms, {digest}",
        peer.pairs_up,
        peer.pairs_total,
        text::bit_rate(peer.bandwidth_bps),
        peer.flaps,
        peer.epoch,
        peer.interval_ms
    );
    let said = text::wrap(&text::clean(&said), room.saturating_sub(2));
    lines.extend(
        said.into_iter()
            .map(|part| Line::from(plain(format!("  {part}")))),
    );
    lines
}
