use serde::{Deserialize, Serialize};

/// What a client asks for: `{"cmd":"show_events","last":20}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cmd", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Role, reason, peers, flaps, alarms.
    ShowHa,
    /// Ports, their links and counters.
    ShowPorts,
    /// Link pairs: legs, gate, traffic, drops.
    ShowLinkPairs,
    /// What happened (rule 23), oldest first.
    ShowEvents {
        /// Only the last so many.
        #[serde(default)]
        last: Option<u32>,
    },
    /// Bypass cards: what they can do, what they were told, what they show.
    ShowBypass,
    /// Virtual routers: their states, whom they hear, what they counted.
    ShowVirtualRouters,
    /// Interfaces of layer 3: links, addresses, exception devices, the slow path's counters.
    ShowInterfaces,
    /// Neighbours on all interfaces.
    ShowNeighbours,
    /// Connected and static routes.
    ShowRoutes,
    /// The configuration in force.
    ShowConfig,
    /// Hand over to the peer in an orderly way (rule 8).
    HaSwitchover {},
    /// Hand over and stay out until resumed.
    HaSuspend {
        /// Even where no peer can take over.
        #[serde(default)]
        force: bool,
    },
    /// End a suspension.
    HaResume,
    /// End a latch after too many flaps (rules 13 and 16).
    HaClear,
    /// Set the path of a pair's bypass card, until it is set to `inline` again.
    SetBypass {
        /// The link pair's name.
        pair: String,
        /// `inline`, `bypass`, `disconnect` or `tap`.
        path: String,
        /// Even where it makes a loop beside a peer, or stops the traffic.
        #[serde(default)]
        force: bool,
    },
    /// Set the path that an event leads a pair's card to.
    SetBypassEvent {
        /// The link pair's name.
        pair: String,
        /// `power_on`, `power_off`, `timeout`, `os_on` or `os_off`.
        event: String,
        /// `inline`, `bypass`, `disconnect` or `tap`.
        path: String,
    },
    /// Set the period of a pair's watchdog.
    SetBypassWatchdog {
        /// The link pair's name.
        pair: String,
        /// In milliseconds; 0 = off.
        period_ms: u64,
    },
}

impl Request {
    /// Every command, as `cmd` names it.
    pub const COMMANDS: [&'static str; 17] = [
        "show_ha",
        "show_ports",
        "show_link_pairs",
        "show_events",
        "show_bypass",
        "show_virtual_routers",
        "show_interfaces",
        "show_neighbours",
        "show_routes",
        "show_config",
        "ha_switchover",
        "ha_suspend",
        "ha_resume",
        "ha_clear",
        "set_bypass",
        "set_bypass_event",
        "set_bypass_watchdog",
    ];

    /// Reads a request from a line without its newline.
    ///
    /// # Errors
    /// One line that says what is wrong and what is accepted.
    pub fn parse(line: &[u8]) -> Result<Request, String> {
        serde_json::from_slice(line).map_err(|error| {
            format!(
                "request not understood: {error}; accepted is one JSON object a line, \
                 {{\"cmd\":\"...\"}} with one of: {}",
                Request::COMMANDS.join(", ")
            )
        })
    }

    /// Whether the engine may take a while to answer: it changes the role first, or waits for a
    /// card, whose verbs take up to some seconds.
    #[must_use]
    pub fn is_slow(&self) -> bool {
        match self {
            Request::ShowHa
            | Request::ShowPorts
            | Request::ShowLinkPairs
            | Request::ShowEvents { .. }
            | Request::ShowBypass
            | Request::ShowVirtualRouters
            | Request::ShowInterfaces
            | Request::ShowNeighbours
            | Request::ShowRoutes
            | Request::ShowConfig => false,
            Request::HaSwitchover {}
            | Request::HaSuspend { .. }
            | Request::HaResume
            | Request::HaClear
            | Request::SetBypass { .. }
            | Request::SetBypassEvent { .. }
            | Request::SetBypassWatchdog { .. } => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_read_and_written() {
        for command in Request::COMMANDS {
            let arguments = match command {
                "set_bypass" => r#","pair":"p","path":"inline""#,
                "set_bypass_event" => r#","pair":"p","event":"timeout","path":"bypass""#,
                "set_bypass_watchdog" => r#","pair":"p","period_ms":2000"#,
                _ => "",
            };
            let line = format!("{{\"cmd\":\"{command}\"{arguments}}}");
            let request = Request::parse(line.as_bytes()).unwrap();
            let written = serde_json::to_value(&request).unwrap();
            assert_eq!(written["cmd"], command);
            assert_eq!(request.is_slow(), !command.starts_with("show_"));
        }
    }

    #[test]
    fn arguments_are_read() {
        let parse = |line: &str| Request::parse(line.as_bytes());
        assert_eq!(
            parse(r#"{"cmd":"show_events","last":5}"#),
            Ok(Request::ShowEvents { last: Some(5) })
        );
        assert_eq!(
            parse(r#" {"force":true,"cmd":"ha_suspend"} "#),
            Ok(Request::HaSuspend { force: true })
        );
    }

    /// A misspelt argument must not be taken for its default: `forse` is no suspension at all.
    #[test]
    fn bad_lines_name_what_is_accepted() {
        let nested = "[".repeat(60_000);
        for line in [
            "",
            "show_ha",
            "\"show_ha\"",
            "[]",
            "{}",
            r#"{"cmd":"show"}"#,
            r#"{"cmd":7}"#,
            r#"{"cmd":"show_ha"} {"cmd":"show_ha"}"#,
            r#"{"cmd":"ha_suspend","forse":true}"#,
            r#"{"cmd":"ha_switchover","to":"b"}"#,
            r#"{"cmd":"show_events","last":-1}"#,
            r#"{"cmd":"show_events","last":4294967296}"#,
            nested.as_str(),
        ] {
            let error = Request::parse(line.as_bytes()).unwrap_err();
            assert!(error.contains("show_ha, show_ports"), "{line}: {error}");
            assert!(
                error.ends_with("set_bypass_watchdog") && !error.contains('\n'),
                "{line}: {error}"
            );
        }
        assert!(Request::parse(&[0xff, 0xfe]).is_err());
    }
}
