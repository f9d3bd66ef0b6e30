use super::table::{Align::Left, Align::Right, Table, clean, or_dash};
use super::units::time;
use crate::Event;

/// Events, as they come: oldest first, times in UTC.
#[must_use]
pub fn events(list: &[Event]) -> String {
    if list.is_empty() {
        return "no events yet\n".into();
    }
    let mut table = Table::new(&[
        ("SEQ", Right),
        ("TIME (UTC)", Left),
        ("WHAT", Left),
        ("FROM", Left),
        ("TO", Left),
        ("WHY", Left),
        ("DETAIL", Left),
    ]);
    for event in list {
        table.row(vec![
            event.seq.to_string(),
            time(event.time_unix_ms),
            or_dash(&event.what),
            or_dash(&event.from),
            or_dash(&event.to),
            or_dash(&event.why),
            event.detail.clone(),
        ]);
    }
    table.text()
}

/// An event in a line of its own, for those that come one by one.
#[must_use]
pub fn event_line(event: &Event) -> String {
    let mut line = format!(
        "{}  {}: {} -> {} ({})",
        time(event.time_unix_ms),
        clean(&or_dash(&event.what)),
        clean(&or_dash(&event.from)),
        clean(&or_dash(&event.to)),
        clean(&or_dash(&event.why))
    );
    if !event.detail.is_empty() {
        line.push_str("  ");
        line.push_str(&clean(&event.detail));
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_23_events_have_time_what_from_to_why() {
        let event = |seq, what: &str, from: &str, to: &str, why: &str, detail: &str| Event {
            seq,
            time_unix_ms: 1_795_410_754_000 + seq * 100,
            what: what.into(),
            from: from.into(),
            to: to.into(),
            why: why.into(),
            detail: detail.into(),
        };
        let text = events(&[
            event(9, "role", "INIT", "PASSIVE", "peer_active", ""),
            event(
                10,
                "peer 1 health",
                "HEALTHY",
                "UNHEALTHY",
                "heartbeats_missed",
                "5 of 5\n",
            ),
            event(
                11,
                "alarm",
                "",
                "two_primaries",
                "configuration",
                "peer 1 is primary too",
            ),
        ]);
        let expected = "\
SEQ  TIME (UTC)               WHAT           FROM     TO             WHY                DETAIL
  9  2026-11-23 05:12:34.900  role           INIT     PASSIVE        peer_active
 10  2026-11-23 05:12:35.000  peer 1 health  HEALTHY  UNHEALTHY      heartbeats_missed  5 of 5?
 11  2026-11-23 05:12:35.100  alarm          -        two_primaries  configuration      peer 1 is primary too
";
        assert_eq!(text, expected);
    }

    #[test]
    fn an_event_is_a_line() {
        let event = Event {
            seq: 7,
            time_unix_ms: 1_795_410_754_900,
            what: "role".into(),
            to: "PASSIVE".into(),
            why: "peer_active".into(),
            detail: "two\nlines".into(),
            ..Event::default()
        };
        assert_eq!(
            event_line(&event),
            "2026-11-23 05:12:34.900  role: - -> PASSIVE (peer_active)  two?lines\n"
        );
    }
}
