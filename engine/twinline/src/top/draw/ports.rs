use std::collections::BTreeMap;

use ratatui::style::Style;
use ratatui::text::Line;
use twinline_control::{LegStatus, LinkPairStatus, PortStatus};

use super::paint::{BAD, GOOD, PLAIN, WARN, note, title};
use super::table::{Set, Table};
use super::tiles;
use crate::top::rates::{Both, Rate};
use crate::top::state::{Answers, State};
use crate::top::text;

/// Ports, then link pairs.
pub fn lines(answers: &Answers, state: &State, room: usize) -> Vec<Line<'static>> {
    let mut lines = match &answers.ports {
        None => vec![note("this engine tells of no ports")],
        Some(ports) if ports.is_empty() => vec![note("no ports")],
        Some(ports) => table(ports, state).lines(room),
    };
    let Some(pairs) = &answers.pairs else {
        return lines;
    };
    if pairs.is_empty() {
        return lines;
    }
    lines.push(Line::default());
    lines.push(title("Link pairs"));
    lines.extend(self::pairs(pairs, state).lines(room));
    lines.push(Line::default());
    lines.push(title("Through them (out of the pair)"));
    lines.extend(directions(pairs, state).lines(room));
    lines
}

fn table(ports: &[PortStatus], state: &State) -> Table {
    let mut table = Table::new(&[
        ("PORT", Set::Left, 0),
        ("USED FOR", Set::Left, 5),
        ("LINK", Set::Whole, 0),
        ("SPEED", Set::Right, 7),
        ("RX bit/s", Set::Right, 0),
        ("TX bit/s", Set::Right, 0),
        ("RX p/s", Set::Right, 1),
        ("TX p/s", Set::Right, 1),
        ("MISSED", Set::Right, 2),
        ("ERR", Set::Right, 3),
        ("DROPPED", Set::Left, 4),
        ("DRIVER", Set::Left, 8),
    ]);
    for port in ports {
        let [rx, tx] = rates(state.rates.port(&port.name));
        let (link, style) = link(port.link_up, port.taken_down_by_us);
        let c = &port.counters;
        let missed = c.rx_missed.saturating_add(c.rx_no_buffer);
        let errors = c.rx_errors.saturating_add(c.tx_errors);
        table.row(vec![
            (text::or_dash(&port.name), PLAIN),
            (text::or_dash(&port.used_for), PLAIN),
            (link, style),
            (
                port.speed_mbps.map_or_else(
                    || "-".into(),
                    |mbps| text::short(u64::from(mbps).saturating_mul(1_000_000)),
                ),
                PLAIN,
            ),
            (rx.0, PLAIN),
            (tx.0, PLAIN),
            (rx.1, PLAIN),
            (tx.1, PLAIN),
            (text::short(missed), wrong(missed)),
            (text::short(errors), wrong(errors)),
            (drops(&port.drops), PLAIN),
            (text::or_dash(&port.driver), PLAIN),
        ]);
    }
    table
}

/// Pairs, a line each: legs, gate, card.
pub fn pairs(pairs: &[LinkPairStatus], state: &State) -> Table {
    let mut table = Table::new(&[
        ("PAIR", Set::Left, 0),
        ("", Set::Whole, 0),
        ("LAN", Set::Left, 0),
        ("WAN", Set::Left, 0),
        ("GATE", Set::Left, 1),
        ("BYPASS", Set::Left, 2),
    ]);
    for pair in pairs {
        let (up, style) = tiles::up(pair);
        let (gate, gate_style) = tiles::gate(pair);
        let (card, card_style) = match state.card(&pair.name) {
            Some(card) => {
                let lamp = tiles::lamp(card);
                let words = match lamp.mark.as_str() {
                    "" => lamp.words,
                    mark => format!("{}, {mark}", lamp.words),
                };
                (words, lamp.style)
            }
            None => ("-".into(), PLAIN),
        };
        let leg = |leg: &LegStatus| {
            let (word, style) = link(leg.up, leg.taken_down_by_us);
            (format!("{} {word}", text::or_dash(&leg.port)), style)
        };
        table.row(vec![
            (text::or_dash(&pair.name), PLAIN),
            (up.into(), style),
            leg(&pair.lan),
            leg(&pair.wan),
            (gate, gate_style),
            (card, card_style),
        ]);
    }
    table
}

fn directions(pairs: &[LinkPairStatus], state: &State) -> Table {
    let mut table = Table::new(&[
        ("PAIR", Set::Left, 0),
        ("DIRECTION", Set::Whole, 0),
        ("bit/s", Set::Right, 0),
        ("p/s", Set::Right, 0),
        ("PACKETS", Set::Right, 1),
        ("BYTES", Set::Right, 2),
        ("DROPPED", Set::Left, 3),
    ]);
    for pair in pairs {
        let ways = rates(state.rates.pair(&pair.name));
        let names = ["lan -> wan", "wan -> lan"];
        let counted = [&pair.lan_to_wan, &pair.wan_to_lan];
        for ((name, rate), counted) in names.into_iter().zip(ways).zip(counted) {
            table.row(vec![
                (text::or_dash(&pair.name), PLAIN),
                (name.into(), PLAIN),
                (rate.0, PLAIN),
                (rate.1, PLAIN),
                (text::short(counted.tx_packets), PLAIN),
                (text::short(counted.tx_bytes), PLAIN),
                (drops(&counted.drops), PLAIN),
            ]);
        }
    }
    table
}

/// Bits and packets a second of both directions; `-` where they are not known.
fn rates(both: Option<&Both>) -> [(String, String); 2] {
    let words = |rate: &Rate| (text::short(rate.bits), text::short(rate.packets));
    both.map_or_else(
        || std::array::from_fn(|_| ("-".into(), "-".into())),
        |both| both.each_ref().map(words),
    )
}

/// A link, and whose doing it is.
pub fn link(up: bool, by_us: bool) -> (String, Style) {
    match (up, by_us) {
        (_, true) => ("down by us".into(), WARN),
        (true, false) => ("up".into(), GOOD),
        (false, false) => ("DOWN".into(), BAD),
    }
}

fn wrong(count: u64) -> Style {
    if count > 0 { WARN } else { PLAIN }
}

fn drops(drops: &BTreeMap<String, u64>) -> String {
    let some = drops.iter().filter(|(_, count)| **count > 0);
    let words: Vec<String> = some
        .map(|(cause, n)| format!("{cause} {}", text::short(*n)))
        .collect();
    text::or_dash(&words.join(", "))
}
