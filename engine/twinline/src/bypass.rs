//! `twinline bypass`: bypass cards, without an engine.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde::Serialize;
use twinline_bypass::pci::{self, Found, Seen};
use twinline_bypass::{CardError, Paths, PowerOff};

use crate::output;

#[derive(Args)]
pub struct Bypass {
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List the cards on PCI: what they are, what they can do, and their path now.
    Probe {
        /// Where sysfs is mounted.
        #[arg(long, value_name = "PATH", default_value = "/sys", hide = true)]
        sysfs: PathBuf,
    },
}

/// Runs the command; a card that could not be looked at is listed, and makes it fail.
pub fn bypass(bypass: &Bypass) -> anyhow::Result<ExitCode> {
    let Verb::Probe { sysfs } = &bypass.verb;
    let found = pci::scan(sysfs)?;
    let cards: Vec<Listed> = found
        .into_iter()
        .map(|found| Listed::of(&found, pci::look(sysfs, Path::new("/dev"), &found)))
        .collect();
    if bypass.json {
        let text = serde_json::to_string(&cards).context("the list cannot be written as JSON")?;
        output::line(&text)?;
    } else if cards.is_empty() {
        output::line(
            "no bypass card was found on PCI (known are Intel's 82599 and X540 bypass adapters, \
             and Silicom's boards)",
        )?;
    } else {
        let texts: Vec<String> = cards.iter().map(Listed::text).collect();
        output::print(&texts.join("\n"))?;
    }
    if cards.iter().any(|card| card.error.is_some()) {
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// A card as it is listed.
#[derive(Serialize)]
struct Listed {
    address: String,
    partner: Option<String>,
    /// `8086:155d`, and the board's.
    device: String,
    subsystem: String,
    driver: Option<String>,
    numa_node: Option<u32>,
    /// Family, with the firmware's version when the card answered.
    card: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(flatten)]
    state: Option<State>,
}

#[derive(Serialize)]
struct State {
    /// Absent when the card's signs contradict each other.
    path: Option<String>,
    source: String,
    /// While it is armed.
    watchdog_ms: Option<u128>,
    expired: bool,
    paths: Vec<&'static str>,
    events: Vec<Event>,
    watchdog_periods_ms: Vec<u128>,
    power_off: &'static str,
    tx_switch: bool,
    two_port_link: bool,
    longest_verb_ms: u128,
}

#[derive(Serialize)]
struct Event {
    event: &'static str,
    paths: Vec<&'static str>,
}

fn names(paths: Paths) -> Vec<&'static str> {
    paths.iter().map(twinline_bypass::Path::name).collect()
}

impl Listed {
    fn of(found: &Found, seen: Result<Seen, CardError>) -> Self {
        let ids = found.ids;
        let (card, state, error) = match seen {
            Ok(seen) => (seen.name.clone(), Some(State::of(&seen)), None),
            Err(error) => (found.kind.name().to_owned(), None, Some(error.to_string())),
        };
        Self {
            address: found.address.clone(),
            partner: found.partner.clone(),
            device: format!("{:04x}:{:04x}", ids.vendor, ids.device),
            subsystem: format!("{:04x}:{:04x}", ids.subsystem_vendor, ids.subsystem_device),
            driver: found.driver.clone(),
            numa_node: found.numa,
            card,
            error,
            state,
        }
    }

    fn text(&self) -> String {
        let mut text = self.address.clone();
        if let Some(partner) = &self.partner {
            text += &format!(" and {partner}");
        }
        text += &format!("  {}\n", self.card);
        let mut line = |name: &str, value: &str| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "  {name:<15} {value}");
        };
        let numa = self.numa_node;
        line(
            "pci",
            &format!(
                "{}, board {}, driver {}{}",
                self.device,
                self.subsystem,
                self.driver.as_deref().unwrap_or("none"),
                numa.map(|node| format!(", NUMA node {node}"))
                    .unwrap_or_default()
            ),
        );
        if let Some(error) = &self.error {
            line("not reached", error);
        }
        let Some(state) = &self.state else {
            return text;
        };
        let path = state.path.as_deref().unwrap_or("unknown");
        line("path", &format!("{path} ({})", state.source));
        let watchdog = match (state.watchdog_ms, state.expired) {
            (_, true) => "expired".to_owned(),
            (Some(ms), false) => format!("armed, {ms} ms"),
            (None, false) => "off".to_owned(),
        };
        line("watchdog", &watchdog);
        line("can be", &state.paths.join(", "));
        for event in &state.events {
            line(&format!("on {}", event.event), &event.paths.join(", "));
        }
        let periods: Vec<String> = state
            .watchdog_periods_ms
            .iter()
            .map(u128::to_string)
            .collect();
        line("watchdog ms", &periods.join(", "));
        line("without power", state.power_off);
        let yes_no = |yes| if yes { "yes" } else { "no" };
        line("tx switch", yes_no(state.tx_switch));
        line("two-port link", yes_no(state.two_port_link));
        line("longest verb", &format!("{} ms", state.longest_verb_ms));
        text
    }
}

impl State {
    fn of(seen: &Seen) -> Self {
        let (observed, can) = (seen.observed, &seen.capabilities);
        Self {
            path: observed.path.map(|path| path.to_string()),
            source: observed.source.to_string(),
            watchdog_ms: observed.watchdog.map(|period| period.as_millis()),
            expired: observed.expired,
            paths: names(can.paths),
            events: can
                .events
                .iter()
                .map(|&(event, paths)| Event {
                    event: event.name(),
                    paths: names(paths),
                })
                .collect(),
            watchdog_periods_ms: can
                .watchdog
                .as_slice()
                .iter()
                .map(std::time::Duration::as_millis)
                .collect(),
            power_off: match can.power_off {
                PowerOff::None => "it has no say",
                PowerOff::Claimed => "claimed by the card, not verified by a pull test",
                PowerOff::Verified => "verified",
            },
            tx_switch: can.tx_switch,
            two_port_link: can.two_port_link,
            longest_verb_ms: can.longest_verb.as_millis(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use twinline_bypass::intel::Family;
    use twinline_bypass::model::intel::{Model, Params};
    use twinline_bypass::pci::{Ids, Kind};

    fn listed() -> Listed {
        let found = Found {
            address: "0000:03:00.0".into(),
            partner: Some("0000:03:00.1".into()),
            kind: Kind::Intel(Family::Intel82599),
            ids: Ids {
                vendor: 0x8086,
                device: 0x155D,
                subsystem_vendor: 0x8086,
                subsystem_device: 2,
            },
            numa: Some(0),
            driver: None,
        };
        let seen = pci::look_over(&found, Model::new(Params::default()));
        Listed::of(&found, seen)
    }

    #[test]
    fn a_card_in_words() {
        let text = listed().text();
        let wanted = "\
0000:03:00.0 and 0000:03:00.1  Intel 82599 bypass, firmware 5
  pci             8086:155d, board 8086:0002, driver none, NUMA node 0
  path            inline (reported)
  watchdog        off
  can be          inline, bypass, disconnect
";
        assert!(text.starts_with(wanted), "{text}");
        assert!(text.contains("  on power_off    inline, bypass, disconnect\n"));
        assert!(text.contains("watchdog ms     1000, 1500, 2000, 3000, 4000, 8000, 16000, 32000"));
    }

    #[test]
    fn a_card_as_json() {
        let json = serde_json::to_value(listed()).unwrap();
        assert_eq!(json["address"], "0000:03:00.0");
        assert_eq!(json["device"], "8086:155d");
        assert_eq!(json["path"], "inline");
        assert_eq!(json["watchdog_ms"], serde_json::Value::Null);
        assert_eq!(json["events"][0]["event"], "power_on");
        assert_eq!(json["longest_verb_ms"], 2112);
        assert_eq!(json.get("error"), None);
    }
}
