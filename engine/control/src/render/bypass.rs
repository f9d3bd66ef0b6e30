use super::table::{Align::Left, Align::Right, Table, clean, or_dash};
use crate::BypassStatus;

/// Bypass cards: where they are, where they were told to be, and what else they can do.
#[must_use]
pub fn bypass(list: &[BypassStatus]) -> String {
    if list.is_empty() {
        return "no link pairs\n".into();
    }
    let mut paths = Table::new(&[
        ("PAIR", Left),
        ("CARD", Left),
        ("WANTED", Left),
        ("PATH", Left),
        ("BY", Left),
        ("WATCHDOG", Left),
        ("KICKS", Right),
        ("SEEN", Right),
    ]);
    for card in list {
        paths.row(vec![
            or_dash(&card.pair),
            or_dash(&card.card),
            card.wanted.clone().unwrap_or_else(|| "as it is".into()),
            card.path.clone().unwrap_or_else(|| "unknown".into()),
            or_dash(&card.source),
            watchdog(card),
            card.kicks.to_string(),
            card.looked_at_ms_ago
                .map_or_else(|| "-".into(), |ms| format!("{ms} ms ago")),
        ]);
    }
    let mut text = paths.text();
    for card in list.iter().filter(|c| c.card != "none") {
        text.push('\n');
        text.push_str(&details(card));
    }
    text
}

fn watchdog(card: &BypassStatus) -> String {
    match (card.expired, card.watchdog_ms) {
        (true, _) => "EXPIRED".into(),
        (false, Some(ms)) => format!("{} s", seconds(ms)),
        (false, None) => "off".into(),
    }
}

fn seconds(ms: u64) -> String {
    let text = format!("{}.{:03}", ms / 1000, ms % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn details(card: &BypassStatus) -> String {
    let mut lines = vec![format!("{}:", or_dash(&card.pair))];
    if let Some(error) = &card.error {
        lines.push(format!("  error      {error}"));
    }
    if card.found {
        let events: Vec<String> = card
            .events
            .iter()
            .map(|(event, path)| format!("{event} -> {path}"))
            .collect();
        let ladder: Vec<String> = card
            .watchdog_periods_ms
            .iter()
            .map(|&ms| seconds(ms))
            .collect();
        lines.push(format!("  paths      {}", or_dash(&card.paths.join(", "))));
        lines.push(format!("  events     {}", or_dash(&events.join(", "))));
        lines.push(format!("  watchdog   {} s", or_dash(&ladder.join(", "))));
        lines.push(format!("  power off  {}", or_dash(&card.power_off)));
        if card.stale_kicks > 0 {
            lines.push(format!("  late kicks {}", card.stale_kicks));
        }
    }
    let mut text = String::new();
    for line in lines {
        text.push_str(clean(&line).trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_where_it_should_be_and_one_where_it_should_not() {
        let inline = BypassStatus {
            pair: "wire0".into(),
            card: "Silicom I350 (firmware 9)".into(),
            found: true,
            wanted: Some("inline".into()),
            path: Some("inline".into()),
            source: "sensed".into(),
            looked_at_ms_ago: Some(412),
            watchdog_ms: Some(3200),
            kicks: 17,
            events: [("timeout".into(), "disconnect".into())].into(),
            paths: vec!["inline".into(), "bypass".into()],
            watchdog_periods_ms: vec![100, 200, 3200],
            power_off: "claimed".into(),
            ..BypassStatus::default()
        };
        let lost = BypassStatus {
            pair: "wire1".into(),
            card: "silicom at 0000:03:00.0".into(),
            wanted: Some("inline".into()),
            error: Some("the card is gone\n: its registers read all ones".into()),
            expired: true,
            ..BypassStatus::default()
        };
        assert_eq!(
            bypass(&[inline, lost]),
            "\
PAIR   CARD                       WANTED  PATH     BY      WATCHDOG  KICKS        SEEN
wire0  Silicom I350 (firmware 9)  inline  inline   sensed  3.2 s        17  412 ms ago
wire1  silicom at 0000:03:00.0    inline  unknown  -       EXPIRED       0           -

wire0:
  paths      inline, bypass
  events     timeout -> disconnect
  watchdog   0.1, 0.2, 3.2 s
  power off  claimed

wire1:
  error      the card is gone?: its registers read all ones
"
        );
    }

    #[test]
    fn seconds_are_short() {
        assert_eq!([0, 100, 1500, 8000].map(seconds), ["0", "0.1", "1.5", "8"]);
    }
}
