//! Text for people: aligned, in the words of the operator's page, the reason always shown.
//!
//! Every function ends its text with a newline. Text from elsewhere (names, details) is shown
//! without control characters, so that nothing in it moves the cursor or breaks a line.

mod appliance;
mod bypass;
mod changes;
mod events;
mod ha;
mod link_pairs;
mod outlets;
mod ports;
mod routing;
mod table;
mod units;

use crate::{ConfigStatus, Payload};

pub use bypass::bypass;
pub use events::{event_line, events};
pub use ha::{ha, paths, peers};
pub use link_pairs::{forward_stats, link_pairs};
pub use outlets::outlets;
pub use ports::{port_info, port_links, port_stats, ports};
pub use routing::{interfaces, neighbours, routes, virtual_routers};
pub use table::clean;
pub use units::time;

/// A time in UTC as RFC 3339 has it (`2026-11-23T05:12:34.567Z`), from milliseconds since 1970.
#[must_use]
pub fn rfc3339(unix_ms: u64) -> String {
    units::rfc3339(unix_ms)
}

/// Text for any payload.
#[must_use]
pub fn payload(payload: &Payload) -> String {
    match payload {
        Payload::Ha(status) => ha(status),
        Payload::Ports(list) => ports(list),
        Payload::LinkPairs(list) => link_pairs(list),
        Payload::Events(list) => events(list),
        Payload::Outlets(list) => outlets(list),
        Payload::Bypass(list) => bypass(list),
        Payload::VirtualRouters(status) => virtual_routers(status),
        Payload::Interfaces(status) => interfaces(status),
        Payload::Neighbours(list) => neighbours(list),
        Payload::Routes(list) => routes(list),
        Payload::Config(status) => config(status),
        Payload::Xstats(list) => appliance::xstats(list),
        Payload::Lcores(list) => appliance::lcores(list),
        Payload::Mempools(list) => appliance::mempools(list),
        Payload::Bandwidth(status) => appliance::bandwidth(status),
        Payload::Flaps(status) => appliance::flaps(status),
        Payload::Version(status) => appliance::version(status),
        Payload::Heartbeats(list) => appliance::heartbeats(list),
        Payload::Metrics(status) => crate::metrics_text(status),
        Payload::Captures(list) => appliance::captures(list),
        Payload::Commits(status) => changes::commits(status),
        Payload::Changes(status) => changes::changes(status),
        Payload::Done { message } => format!("{}\n", table::clean(message)),
    }
}

/// The configuration in force: TOML, with where it came from as a comment, so that it is a
/// configuration file itself.
#[must_use]
pub fn config(status: &ConfigStatus) -> String {
    let mut text = format!("# {}\n", table::clean(&table::or_dash(&status.path)));
    if !status.digest.is_empty() {
        text.push_str(&format!("# digest {}\n", table::clean(&status.digest)));
    }
    text.push_str(&lines(&status.toml));
    text
}

/// Text of several lines, each without control characters.
#[must_use]
pub fn lines(text: &str) -> String {
    let mut out = String::new();
    for line in text.trim_end().lines() {
        out.push_str(&table::clean(line));
        out.push('\n');
    }
    if out.is_empty() {
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn config_is_toml_with_its_source() {
        let status = ConfigStatus {
            path: "/etc/twinline/a.toml".into(),
            digest: "00ff00ff00ff00ff".into(),
            toml: "[instance]\nid = 1\n\n".into(),
            ..ConfigStatus::default()
        };
        let text = "# /etc/twinline/a.toml\n# digest 00ff00ff00ff00ff\n[instance]\nid = 1\n";
        assert_eq!(payload(&Payload::Config(status)), text);
    }

    #[test]
    fn lines_keep_their_ends_and_nothing_else_that_moves_the_cursor() {
        assert_eq!(lines("a = 1\r\n\x1b[2Jb\n\n"), "a = 1\n?[2Jb\n");
        assert_eq!(lines(""), "\n");
    }

    #[test]
    fn done_is_one_line() {
        let done = Payload::Done {
            message: "handed over\nto 2".into(),
        };
        assert_eq!(payload(&done), "handed over?to 2\n");
    }

    /// Nothing at all to show is still text, and not a panic.
    #[test]
    fn empty_payloads_are_shown() {
        for empty in [
            Payload::Ha(Box::default()),
            Payload::Ports(vec![]),
            Payload::Ports(vec![Default::default()]),
            Payload::LinkPairs(vec![]),
            Payload::LinkPairs(vec![Default::default()]),
            Payload::Events(vec![]),
            Payload::Events(vec![Default::default()]),
            Payload::Outlets(vec![]),
            Payload::Outlets(vec![Default::default()]),
            Payload::Bypass(vec![]),
            Payload::Bypass(vec![Default::default()]),
            Payload::VirtualRouters(Default::default()),
            Payload::VirtualRouters(crate::VirtualRoutersStatus {
                routers: vec![Default::default()],
                ..Default::default()
            }),
            Payload::Interfaces(Default::default()),
            Payload::Interfaces(crate::InterfacesStatus {
                interfaces: vec![Default::default()],
                ..Default::default()
            }),
            Payload::Neighbours(vec![]),
            Payload::Neighbours(vec![Default::default()]),
            Payload::Routes(vec![]),
            Payload::Routes(vec![Default::default()]),
            Payload::Config(Default::default()),
            Payload::Xstats(vec![]),
            Payload::Xstats(vec![Default::default()]),
            Payload::Lcores(vec![]),
            Payload::Lcores(vec![Default::default()]),
            Payload::Mempools(vec![]),
            Payload::Mempools(vec![Default::default()]),
            Payload::Bandwidth(Default::default()),
            Payload::Flaps(Default::default()),
            Payload::Version(Default::default()),
            Payload::Heartbeats(vec![]),
            Payload::Heartbeats(vec![Default::default()]),
            Payload::Metrics(Box::default()),
            Payload::Captures(vec![]),
            Payload::Captures(vec![Default::default()]),
            Payload::Commits(Default::default()),
            Payload::Changes(Default::default()),
        ] {
            let text = payload(&empty);
            assert!(text.len() > 1 && text.ends_with('\n'), "{empty:?}");
            assert!(text.lines().all(|line| line == line.trim_end()), "{text}");
        }
    }
}
