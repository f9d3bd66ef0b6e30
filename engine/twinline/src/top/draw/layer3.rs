use ratatui::text::Line;
use twinline_control::VirtualRouterStatus;

use super::paint::{self, PLAIN, note, plain, title};
use super::table::{Set, Table};
use crate::top::state::Answers;
use crate::top::text;

/// Virtual routers, a table first, then what does not fit one.
pub fn lines(answers: &Answers, room: usize) -> Vec<Line<'static>> {
    let Some(status) = &answers.routers else {
        return vec![note("this engine tells of no virtual routers")];
    };
    if status.routers.is_empty() {
        return vec![note("no virtual routers are configured")];
    }
    let mut table = Table::new(&[
        ("ROUTER", Set::Left, 0),
        ("ON", Set::Left, 4),
        ("VRID", Set::Right, 3),
        ("STATE", Set::Whole, 0),
        ("FOR", Set::Right, 1),
        ("WHY", Set::Left, 0),
        ("PRIO", Set::Right, 2),
        ("HEARD", Set::Left, 5),
    ]);
    for router in &status.routers {
        table.row(vec![
            (text::or_dash(&router.name), PLAIN),
            (text::or_dash(&router.interface), PLAIN),
            (router.vrid.to_string(), PLAIN),
            (text::or_dash(&router.state), paint::role(&router.state)),
            (text::span(router.state_since_ms), PLAIN),
            (text::or_dash(&router.reason), PLAIN),
            (router.priority.to_string(), PLAIN),
            (heard(router), PLAIN),
        ]);
    }
    let mut lines = table.lines(room);
    for router in &status.routers {
        lines.push(Line::default());
        lines.push(title(format!(
            "{}  VRRP {} {}, every {}",
            text::or_dash(&router.name),
            router.version,
            text::or_dash(&router.family),
            text::span(router.interval_ms)
        )));
        let holds = if router.holds_virtual_mac {
            "ours now"
        } else {
            "not ours"
        };
        let c = &router.counters;
        for (name, value) in [
            ("addresses", text::or_dash(&router.addresses.join(", "))),
            (
                "virtual MAC",
                format!("{}, {holds}", text::or_dash(&router.virtual_mac)),
            ),
            ("heard", heard(router)),
            (
                "adverts",
                format!(
                    "{} sent, {} heard, {} discarded, {} unsent",
                    c.sent, c.heard, c.discarded, c.unsent
                ),
            ),
            (
                "became active",
                format!(
                    "{} times; {} timers late, {:.1} ms at most",
                    c.became_active, c.late, c.latest_ms
                ),
            ),
        ] {
            let indent = 17;
            let value = text::clean(&value);
            for (at, part) in text::wrap(&value, room.saturating_sub(indent))
                .iter()
                .enumerate()
            {
                let name = if at == 0 { name } else { "" };
                lines.push(Line::from(plain(format!("  {name:<15}{part}"))));
            }
        }
    }
    let drops: Vec<String> = status
        .advert_drops
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(cause, count)| format!("{cause} {count}"))
        .collect();
    if !drops.is_empty() {
        lines.push(Line::default());
        let said = text::clean(&format!("adverts dropped: {}", drops.join(", ")));
        lines.extend(
            text::wrap(&said, room)
                .into_iter()
                .map(|part| Line::from(plain(part))),
        );
    }
    lines
}

fn heard(router: &VirtualRouterStatus) -> String {
    router.heard.as_ref().map_or_else(
        || "nobody".into(),
        |heard| {
            format!(
                "{} priority {}, {} ago",
                heard.source,
                heard.priority,
                text::span(heard.ms_ago)
            )
        },
    )
}
