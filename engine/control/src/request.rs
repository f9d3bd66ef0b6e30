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
        /// Only those with a greater sequence number: how one follows them.
        #[serde(default)]
        after: Option<u64>,
    },
    /// Where events go beside the ring, and how that works.
    ShowOutlets,
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
    /// What ports count by their drivers' own names.
    ShowXstats {
        /// Only this port.
        #[serde(default)]
        port: Option<String>,
    },
    /// Lcores, and what they do with their time.
    ShowLcores,
    /// Pools of packet buffers.
    ShowMempools,
    /// Measured bandwidth beside its minimum.
    ShowBandwidth,
    /// Flaps, and when they were.
    ShowFlaps,
    /// Version of the engine and of DPDK.
    ShowVersion,
    /// The heartbeats sent and received last, as they were on the wire.
    DumpHeartbeat,
    /// All that monitoring fetches, of one moment.
    ShowMetrics,
    /// Captures that run, or ended by themselves.
    ShowCaptures,
    /// The configurations that were in force.
    ShowCommits,
    /// What a candidate configuration would change.
    DiffConfig {
        /// The candidate, TOML.
        toml: String,
    },
    /// A configuration that was in force, answered as `show_config` is.
    ShowCommit {
        /// Its number; 0 is the one in force.
        number: u32,
    },
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
    /// Count from nothing again.
    ClearPortStats {
        /// Only this port.
        #[serde(default)]
        port: Option<String>,
    },
    /// Take a port's link down, or let it up again.
    SetLink {
        /// The port's name.
        port: String,
        /// Up.
        up: bool,
        /// Even where it costs the role or the traffic.
        #[serde(default)]
        force: bool,
    },
    /// Let a port receive what is not addressed to it, or not.
    SetPromiscuous {
        /// The port's name.
        port: String,
        /// On.
        on: bool,
    },
    /// Write a port's frames, both directions, to a file.
    CaptureStart {
        /// The port's name.
        port: String,
        /// An absolute path; pcapng. An existing file is not overwritten.
        file: String,
    },
    /// End a capture.
    CaptureStop {
        /// Only this port's.
        #[serde(default)]
        port: Option<String>,
    },
    /// Set one value of the configuration that applies live: a commit of one change.
    SetSetting {
        /// The dotted key: `ha.peer_check_interval_ms`.
        key: String,
        /// The value, as TOML; a bare word is taken as a string.
        value: String,
        /// Even where it changes the role.
        #[serde(default)]
        force: bool,
    },
    /// Put a candidate configuration into force.
    Commit {
        /// The candidate, TOML.
        toml: String,
        /// [`time_unix_ms`](crate::CommitStatus::time_unix_ms) of the commit that the candidate was
        /// made from; refused when another came since.
        #[serde(default)]
        base_unix_ms: Option<u64>,
        /// Roll back after so many seconds, unless confirmed.
        #[serde(default)]
        confirm_within_s: Option<u64>,
        /// Even where it changes the role.
        #[serde(default)]
        force: bool,
    },
    /// Keep what was committed with a time to confirm it in.
    Confirm,
    /// Put an earlier configuration into force again.
    Rollback {
        /// Its number; 1 is the one before the one in force.
        number: u32,
        /// Even where it changes the role.
        #[serde(default)]
        force: bool,
    },
    /// Write the configuration in force to the file that it was read from.
    SaveConfig,
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
    pub const COMMANDS: [&'static str; 40] = [
        "show_ha",
        "show_ports",
        "show_link_pairs",
        "show_events",
        "show_outlets",
        "show_bypass",
        "show_virtual_routers",
        "show_interfaces",
        "show_neighbours",
        "show_routes",
        "show_config",
        "show_xstats",
        "show_lcores",
        "show_mempools",
        "show_bandwidth",
        "show_flaps",
        "show_version",
        "dump_heartbeat",
        "show_metrics",
        "show_captures",
        "show_commits",
        "diff_config",
        "show_commit",
        "ha_switchover",
        "ha_suspend",
        "ha_resume",
        "ha_clear",
        "clear_port_stats",
        "set_link",
        "set_promiscuous",
        "capture_start",
        "capture_stop",
        "set_setting",
        "commit",
        "confirm",
        "rollback",
        "save_config",
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

    /// Whether it only looks: what a client of the group that may only read can ask.
    #[must_use]
    pub fn only_reads(&self) -> bool {
        match self {
            Request::ShowHa
            | Request::ShowPorts
            | Request::ShowLinkPairs
            | Request::ShowEvents { .. }
            | Request::ShowOutlets
            | Request::ShowBypass
            | Request::ShowVirtualRouters
            | Request::ShowInterfaces
            | Request::ShowNeighbours
            | Request::ShowRoutes
            | Request::ShowConfig
            | Request::ShowXstats { .. }
            | Request::ShowLcores
            | Request::ShowMempools
            | Request::ShowBandwidth
            | Request::ShowFlaps
            | Request::ShowVersion
            | Request::DumpHeartbeat
            | Request::ShowMetrics
            | Request::ShowCaptures
            | Request::ShowCommits
            | Request::DiffConfig { .. }
            | Request::ShowCommit { .. } => true,
            Request::HaSwitchover {}
            | Request::HaSuspend { .. }
            | Request::HaResume
            | Request::HaClear
            | Request::ClearPortStats { .. }
            | Request::SetLink { .. }
            | Request::SetPromiscuous { .. }
            | Request::CaptureStart { .. }
            | Request::CaptureStop { .. }
            | Request::SetSetting { .. }
            | Request::Commit { .. }
            | Request::Confirm
            | Request::Rollback { .. }
            | Request::SaveConfig
            | Request::SetBypass { .. }
            | Request::SetBypassEvent { .. }
            | Request::SetBypassWatchdog { .. } => false,
        }
    }

    /// Its `cmd`.
    #[must_use]
    pub fn name(&self) -> String {
        let written = serde_json::to_value(self).unwrap_or_default();
        written["cmd"].as_str().unwrap_or_default().to_owned()
    }

    /// The request as JSON, for a log: a candidate by its length only.
    #[must_use]
    pub fn in_words(&self) -> String {
        let mut written = serde_json::to_value(self).unwrap_or_default();
        if let Some(toml) = written.get_mut("toml") {
            let length = toml.as_str().map_or(0, str::len);
            *toml = format!("({length} bytes)").into();
        }
        written.to_string()
    }

    /// Whether the engine may take a while to answer: it changes the role first, or waits for a
    /// card, whose verbs take up to some seconds, or for a disk.
    #[must_use]
    pub fn is_slow(&self) -> bool {
        !self.only_reads()
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
                "diff_config" | "commit" => r#","toml":"""#,
                "show_commit" | "rollback" => r#","number":1"#,
                "set_link" => r#","port":"p","up":true"#,
                "set_promiscuous" => r#","port":"p","on":true"#,
                "capture_start" => r#","port":"p","file":"/tmp/f""#,
                "set_setting" => r#","key":"k","value":"v""#,
                _ => "",
            };
            let line = format!("{{\"cmd\":\"{command}\"{arguments}}}");
            let request = Request::parse(line.as_bytes()).unwrap();
            let written = serde_json::to_value(&request).unwrap();
            assert_eq!(written["cmd"], command);
            let reads = ["show_", "dump_", "diff_"];
            let reads = reads.iter().any(|verb| command.starts_with(verb));
            assert_eq!(request.only_reads(), reads, "{command}");
        }
    }

    #[test]
    fn arguments_are_read() {
        let parse = |line: &str| Request::parse(line.as_bytes());
        assert_eq!(
            parse(r#"{"cmd":"show_events","last":5}"#),
            Ok(Request::ShowEvents {
                last: Some(5),
                after: None
            })
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
