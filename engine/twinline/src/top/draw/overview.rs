//! Everything at a glance: what is wrong comes first, what there is no room for says how much it is.

use std::collections::BTreeMap;

use ratatui::text::Line;
use twinline_control::{BandwidthStatus, HaStatus, PathStatus, PeerStatus};

use super::chart::{chart, peak};
use super::paint::{self, BAD, BOLD, DIM, GOOD, PLAIN, WARN, note, plain, title, word};
use super::table::{Set, Table};
use super::{events, peers, ports, tiles};
use crate::top::rates::Samples;
use crate::top::state::{Answers, State};
use crate::top::text;

/// Lines of the charts, their head counted.
const CHARTS: usize = 5;
/// The same, where there is little room.
const LOW_CHARTS: usize = 3;
/// Events at least, their title counted.
const EVENTS: usize = 4;

/// The lines, at most `height`, as far as that can be.
pub fn lines(answers: &Answers, state: &State, room: usize, height: usize) -> Vec<Line<'static>> {
    let ha = &answers.ha;
    let mut lines = role(ha, state, room);
    lines.extend(alarms(ha, room, height.saturating_sub(lines.len()) / 4));
    let left = height.saturating_sub(lines.len());
    let table = peer_table(&ha.peers).lines(room);
    // A third of what is left for peers, half for pairs; they leave what they do not need.
    let enough = table.len().min((left / 3).max(2));
    lines.extend(shortened(table, enough, "peers", "page 3"));
    lines.extend(routers(answers));
    let left = height.saturating_sub(lines.len());
    lines.extend(pairs(
        answers,
        state,
        room,
        left.saturating_sub(CHARTS + EVENTS).max(left / 2),
    ));
    let left = height.saturating_sub(lines.len());
    let charts = left
        .saturating_sub(EVENTS)
        .clamp(LOW_CHARTS.min(left), CHARTS + 3);
    lines.extend(rates(answers, state, room, charts));
    let left = height.saturating_sub(lines.len());
    if let (Some(_), 2..) = (&state.events, left) {
        lines.push(title("Events"));
        let newest = events::newest(state, left.saturating_sub(1));
        if newest.is_empty() {
            lines.push(note("none yet"));
        }
        lines.extend(newest);
    }
    lines
}

/// The height at which nothing is left out but older events.
pub fn natural_height(answers: &Answers, state: &State, room: usize) -> usize {
    let pairs = answers.pairs.as_ref().map_or(0, Vec::len);
    let alarms = peers::alarms(&answers.ha, room).len();
    let peers = answers.ha.peers.len() + 1;
    // Each share of the height (a quarter for alarms, a third for peers) has to be enough.
    let parts = role(&answers.ha, state, room).len() + alarms + peers;
    let whole = parts + tiles::height(pairs, room) + CHARTS + EVENTS + 7;
    whole.max(alarms * 4 + 8).max(parts + peers * 3)
}

fn role(ha: &HaStatus, state: &State, room: usize) -> Vec<Line<'static>> {
    let mut first = vec![
        paint::badge(&ha.role, state.away.is_some()),
        plain(format!(" for {}, why: ", text::span(ha.role_since_ms))),
        word(text::or_dash(&ha.role_reason), BOLD),
    ];
    if let Some(wanted) = &ha.wanted {
        first.push(word(format!("; on the way to {wanted}"), WARN));
    }
    if ha.degraded {
        first.push(word("; DEGRADED: unfit, but nobody is fitter", BAD));
    }
    let last = match state.last_role_change() {
        Some(event) => {
            let from = if event.from.is_empty() {
                "start"
            } else {
                &event.from
            };
            let mut said = format!(
                "last change {} UTC: {from} -> {}, why: {}",
                text::clock(event.time_unix_ms),
                text::or_dash(&event.to),
                text::or_dash(&event.why)
            );
            if !event.detail.is_empty() {
                said.push_str(&format!(" ({})", event.detail));
            }
            said
        }
        None => "last change: none known".into(),
    };
    let mut third = match (ha.fit, &ha.unfit_reason) {
        (true, _) => vec![word("fit", GOOD)],
        (false, Some(why)) => vec![word(format!("NOT FIT: {why}"), BAD)],
        (false, None) => vec![word("NOT FIT", BAD)],
    };
    let gauge = paint::gauge(ha.flaps, ha.flaps_max);
    let (flaps, style) = match (ha.flaps, ha.flaps_max) {
        (flaps, 0) => (format!("{flaps}, no limit"), PLAIN),
        (flaps, max) if flaps >= max => (format!("{flaps} of {max} {gauge}"), BAD),
        (0, max) => (format!("0 of {max} {gauge}"), PLAIN),
        (flaps, max) => (format!("{flaps} of {max} {gauge}"), WARN),
    };
    third.push(word(format!("   flaps {flaps}"), style));
    if ha.latched {
        third.push(word(" LATCHED until `ha clear`", BAD));
    }
    if ha.suspended {
        third.push(word("   SUSPENDED until `ha resume`", WARN));
    }
    if let Some(ms) = ha.preempt_in_ms {
        third.push(plain(format!("   takes over in {}", text::span(ms))));
    }
    third.push(plain(format!("   epoch {}", ha.epoch)));
    if let Some(ms) = ha.lease_remaining_ms {
        third.push(plain(format!("   lease {}", text::span(ms))));
    }
    third.push(word(
        format!(
            "   {}, {}",
            text::or_dash(&ha.mode),
            text::or_dash(&ha.topology)
        ),
        DIM,
    ));
    vec![
        Line::from(first),
        Line::from(plain(text::cut(&text::clean(&last), room))),
        Line::from(third),
    ]
}

/// As many as fit, a line each where there is little room; the others are counted.
fn alarms(ha: &HaStatus, room: usize, most: usize) -> Vec<Line<'static>> {
    let most = most.max(1);
    let all = peers::alarms(ha, room);
    if all.len() <= most {
        return all;
    }
    let short = ha.alarms.iter().map(|alarm| {
        let said = format!("ALARM {}: {}", text::or_dash(&alarm.name), alarm.text);
        Line::from(word(text::cut(&text::clean(&said), room), BAD))
    });
    let mut lines: Vec<Line<'static>> = short.collect();
    if lines.len() > most {
        let rest = lines.len() - most.saturating_sub(1);
        lines.truncate(most.saturating_sub(1));
        lines.push(Line::from(word(format!("{rest} ALARMS more: page 3"), BAD)));
    }
    lines
}

/// A table with its head, or its first lines and how many there are more.
fn shortened(
    mut lines: Vec<Line<'static>>,
    most: usize,
    what: &str,
    place: &str,
) -> Vec<Line<'static>> {
    if lines.len() > most {
        let rest = lines.len().saturating_sub(most.saturating_sub(1));
        lines.truncate(most.saturating_sub(1));
        lines.push(note(format!("{rest} {what} more: {place}")));
    }
    lines
}

fn peer_table(list: &[PeerStatus]) -> Table {
    let mut table = Table::new(&[
        ("PEER", Set::Left, 0),
        ("HEALTH", Set::Whole, 0),
        ("HEARD", Set::Right, 0),
        ("MISSED", Set::Right, 0),
        ("RTT", Set::Right, 2),
        ("ROLE", Set::Whole, 0),
        ("HA PATH", Set::Whole, 1),
        ("IN-BAND", Set::Whole, 1),
        ("WHY", Set::Left, 3),
    ]);
    for peer in list {
        let path = |name: &str| match peer.paths.iter().find(|path| path.name == name) {
            Some(path) => self::path(path),
            // Without a second path the engine does not tell them apart.
            None if name == "HA" && peer.paths.is_empty() => self::path(&PathStatus {
                health: peer.health.clone(),
                last_heard_ms_ago: peer.last_heard_ms_ago,
                hears_us: peer.hears_us,
                ..PathStatus::default()
            }),
            None => ("-".into(), PLAIN),
        };
        table.row(vec![
            (peers::name(peer), PLAIN),
            (text::or_dash(&peer.health), paint::health(&peer.health)),
            (
                peer.last_heard_ms_ago
                    .map_or_else(|| "never".into(), text::span),
                PLAIN,
            ),
            peers::missed(peer.missed, peer.threshold),
            (peer.rtt_us.map_or_else(|| "-".into(), text::micros), PLAIN),
            role_of(peer),
            path("HA"),
            path("in-band"),
            (text::or_dash(&peer.health_reason), PLAIN),
        ]);
    }
    if list.is_empty() {
        table.row(vec![("nobody was ever heard".into(), WARN)]);
    }
    table
}

/// The role that a peer states; what it stated while it could still be heard is no more than that.
fn role_of(peer: &PeerStatus) -> (String, ratatui::style::Style) {
    let role = text::or_dash(&peer.role);
    if peer.health == "HEALTHY" {
        return (role, paint::role(&peer.role));
    }
    (format!("{role}?"), DIM)
}

fn path(path: &PathStatus) -> (String, ratatui::style::Style) {
    let age = path
        .last_heard_ms_ago
        .map_or_else(|| "never".into(), text::span);
    match (path.health.as_str(), path.hears_us) {
        ("HEALTHY", true) => (format!("ok {age}"), GOOD),
        ("HEALTHY", false) => (format!("ONE WAY {age}"), BAD),
        ("UNHEALTHY", _) => (format!("LOST {age}"), BAD),
        _ => (format!("? {age}"), WARN),
    }
}

/// Virtual routers, by state; those that are not as the others are seen by the counts.
fn routers(answers: &Answers) -> Option<Line<'static>> {
    let routers = &answers.routers.as_ref()?.routers;
    if routers.is_empty() {
        return None;
    }
    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    for router in routers {
        *states.entry(&router.state).or_default() += 1;
    }
    let mut spans = vec![plain(format!("virtual routers {}:", routers.len()))];
    for (state, count) in states {
        let words = format!(" {count} {}", text::or_dash(state));
        spans.push(word(words, paint::role(state)));
    }
    Some(Line::from(spans))
}

/// Tiles where they fit, else a line each, else the first and how many more.
fn pairs(answers: &Answers, state: &State, room: usize, most: usize) -> Vec<Line<'static>> {
    let Some(pairs) = answers.pairs.as_deref().filter(|pairs| !pairs.is_empty()) else {
        return Vec::new();
    };
    if tiles::height(pairs.len(), room) <= most {
        return tiles::lines(pairs, state, room);
    }
    // What is down comes first: it is what must not be among those that are left out.
    let mut pairs = pairs.to_vec();
    pairs.sort_by_key(|pair| pair.up);
    shortened(
        ports::pairs(&pairs, state).lines(room),
        most.max(2),
        "link pairs",
        "page 2",
    )
}

/// Both directions, and what is compared with the minimum where there is one.
fn rates(answers: &Answers, state: &State, room: usize, height: usize) -> Vec<Line<'static>> {
    let by_pairs = answers
        .pairs
        .as_ref()
        .is_some_and(|pairs| !pairs.is_empty());
    let names = if by_pairs {
        ["lan -> wan", "wan -> lan"]
    } else {
        ["received", "sent"]
    };
    let monitored = answers
        .bandwidth
        .as_ref()
        .filter(|bandwidth| bandwidth.enabled);
    let count = if monitored.is_some() { 3 } else { 2 };
    let width = (room + 2) / count;
    let width = width.saturating_sub(2);
    let mut columns: Vec<Vec<Line<'static>>> = Vec::new();
    for (name, samples) in names.into_iter().zip(&state.rates.total) {
        let now = samples.back().copied().flatten();
        let now = now.map_or_else(|| "-".into(), text::bit_rate);
        let mut head = format!("{name} {now}");
        let peak = format!(", peak {}", text::short(peak(samples, width)));
        if text::width(&head) + text::width(&peak) <= width {
            head.push_str(&peak);
        }
        columns.push(column(word(head, BOLD), samples, None, width, height));
    }
    if let Some(bandwidth) = monitored {
        let minimum = Some(bandwidth.minimum_bps);
        columns.push(column(
            minimum_head(bandwidth, width),
            &state.rates.measured,
            minimum,
            width,
            height,
        ));
    }
    (0..height)
        .map(|row| {
            let mut spans = Vec::new();
            for column in &columns {
                let line = column.get(row).cloned().unwrap_or_default();
                let used = text::width(&line.to_string());
                spans.extend(line.spans);
                spans.push(plain(" ".repeat((width + 2).saturating_sub(used))));
            }
            Line::from(spans)
        })
        .collect()
}

fn column(
    head: ratatui::text::Span<'static>,
    samples: &Samples,
    minimum: Option<u64>,
    width: usize,
    height: usize,
) -> Vec<Line<'static>> {
    let head = ratatui::text::Span::styled(text::cut(&head.content, width), head.style);
    let mut lines = vec![Line::from(head)];
    lines.extend(chart(samples, minimum, width, height.saturating_sub(1)));
    lines
}

/// Both directions in sum, as the engine measures them, beside the minimum.
fn minimum_head(bandwidth: &BandwidthStatus, width: usize) -> ratatui::text::Span<'static> {
    let below = bandwidth.measured_bps < bandwidth.minimum_bps;
    let (verdict, style) = match (bandwidth.failed, below) {
        (true, _) => ("FAILED", BAD),
        (false, true) => ("BELOW", WARN),
        (false, false) => ("ok", GOOD),
    };
    let (measured, minimum) = (
        text::short(bandwidth.measured_bps),
        text::short(bandwidth.minimum_bps),
    );
    let long = format!(
        "{verdict}: sum {}, minimum {minimum}",
        text::bit_rate(bandwidth.measured_bps)
    );
    if text::width(&long) <= width {
        return word(long, style);
    }
    word(format!("{verdict}: sum {measured}, min {minimum}"), style)
}
