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
}

impl Request {
    /// Every command, as `cmd` names it.
    pub const COMMANDS: [&'static str; 9] = [
        "show_ha",
        "show_ports",
        "show_link_pairs",
        "show_events",
        "show_config",
        "ha_switchover",
        "ha_suspend",
        "ha_resume",
        "ha_clear",
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

    /// Whether the engine may take a while to answer, since it changes the role first.
    #[must_use]
    pub fn changes_role(&self) -> bool {
        match self {
            Request::ShowHa
            | Request::ShowPorts
            | Request::ShowLinkPairs
            | Request::ShowEvents { .. }
            | Request::ShowConfig => false,
            Request::HaSwitchover {}
            | Request::HaSuspend { .. }
            | Request::HaResume
            | Request::HaClear => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_read_and_written() {
        for command in Request::COMMANDS {
            let line = format!("{{\"cmd\":\"{command}\"}}");
            let request = Request::parse(line.as_bytes()).unwrap();
            let written = serde_json::to_value(&request).unwrap();
            assert_eq!(written["cmd"], command);
            assert_eq!(request.changes_role(), command.starts_with("ha_"));
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
                error.ends_with("ha_clear") && !error.contains('\n'),
                "{line}: {error}"
            );
        }
        assert!(Request::parse(&[0xff, 0xfe]).is_err());
    }
}
