use serde::{Deserialize, Serialize};

use crate::appliance::{
    BandwidthStatus, CaptureStatus, FlapsStatus, HeartbeatDump, LcoreStatus, MempoolStatus,
    PortXstats, VersionStatus,
};
use crate::changes::{ChangesStatus, CommitsStatus};
use crate::figures::MetricsStatus;
use crate::outlets::OutletStatus;
use crate::routing::{InterfacesStatus, NeighbourStatus, RouteStatus, VirtualRoutersStatus};
use crate::status::{BypassStatus, ConfigStatus, Event, HaStatus, LinkPairStatus, PortStatus};

/// The engine's answer: `{"result":"ok","body":{"kind":"ha","data":{...}}}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "result", content = "body", rename_all = "snake_case")]
pub enum Reply {
    /// Done, or what was asked for.
    Ok(Payload),
    /// Understood, and not done: the operator is told why, and what would help.
    Refused {
        /// One line; of a candidate configuration a line for each of its errors.
        reason: String,
    },
    /// Not understood, or no answer could be had.
    Error {
        /// One line.
        message: String,
    },
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "data", rename_all = "snake_case")]
pub enum Payload {
    /// To `show_ha`.
    Ha(Box<HaStatus>),
    /// To `show_ports`.
    Ports(Vec<PortStatus>),
    /// To `show_link_pairs`.
    LinkPairs(Vec<LinkPairStatus>),
    /// To `show_events`, oldest first.
    Events(Vec<Event>),
    /// To `show_outlets`.
    Outlets(Vec<OutletStatus>),
    /// To `show_bypass`.
    Bypass(Vec<BypassStatus>),
    /// To `show_virtual_routers`.
    VirtualRouters(VirtualRoutersStatus),
    /// To `show_interfaces`.
    Interfaces(InterfacesStatus),
    /// To `show_neighbours`.
    Neighbours(Vec<NeighbourStatus>),
    /// To `show_routes`.
    Routes(Vec<RouteStatus>),
    /// To `show_config`.
    Config(ConfigStatus),
    /// To `show_xstats`.
    Xstats(Vec<PortXstats>),
    /// To `show_lcores`.
    Lcores(Vec<LcoreStatus>),
    /// To `show_mempools`.
    Mempools(Vec<MempoolStatus>),
    /// To `show_bandwidth`.
    Bandwidth(BandwidthStatus),
    /// To `show_flaps`.
    Flaps(FlapsStatus),
    /// To `show_version`.
    Version(VersionStatus),
    /// To `dump_heartbeat`.
    Heartbeats(Vec<HeartbeatDump>),
    /// To `show_metrics`.
    Metrics(Box<MetricsStatus>),
    /// To `show_captures`.
    Captures(Vec<CaptureStatus>),
    /// To `show_commits`.
    Commits(CommitsStatus),
    /// To `diff_config`, and to what changes the configuration: `set_setting`, `commit`, `rollback`.
    Changes(ChangesStatus),
    /// To a command: what was done, one line.
    Done {
        /// One line.
        message: String,
    },
}

impl Payload {
    /// The data alone, without the `kind` around it: what `--json` prints.
    ///
    /// # Errors
    /// When a value cannot be written as JSON; none of our types has one that cannot.
    pub fn data_json(&self) -> Result<String, serde_json::Error> {
        match self {
            Payload::Ha(status) => serde_json::to_string_pretty(status),
            Payload::Ports(ports) => serde_json::to_string_pretty(ports),
            Payload::LinkPairs(pairs) => serde_json::to_string_pretty(pairs),
            Payload::Events(events) => serde_json::to_string_pretty(events),
            Payload::Outlets(list) => serde_json::to_string_pretty(list),
            Payload::Bypass(cards) => serde_json::to_string_pretty(cards),
            Payload::VirtualRouters(routers) => serde_json::to_string_pretty(routers),
            Payload::Interfaces(interfaces) => serde_json::to_string_pretty(interfaces),
            Payload::Neighbours(neighbours) => serde_json::to_string_pretty(neighbours),
            Payload::Routes(routes) => serde_json::to_string_pretty(routes),
            Payload::Config(config) => serde_json::to_string_pretty(config),
            Payload::Xstats(it) => serde_json::to_string_pretty(it),
            Payload::Lcores(it) => serde_json::to_string_pretty(it),
            Payload::Mempools(it) => serde_json::to_string_pretty(it),
            Payload::Bandwidth(it) => serde_json::to_string_pretty(it),
            Payload::Flaps(it) => serde_json::to_string_pretty(it),
            Payload::Version(it) => serde_json::to_string_pretty(it),
            Payload::Heartbeats(it) => serde_json::to_string_pretty(it),
            Payload::Metrics(it) => serde_json::to_string_pretty(it),
            Payload::Captures(it) => serde_json::to_string_pretty(it),
            Payload::Commits(it) => serde_json::to_string_pretty(it),
            Payload::Changes(it) => serde_json::to_string_pretty(it),
            Payload::Done { message } => {
                serde_json::to_string_pretty(&serde_json::json!({ "message": message }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_one_line_and_come_back() {
        let payloads = [
            Payload::Ha(Box::default()),
            Payload::Ports(vec![PortStatus::default(); 2]),
            Payload::LinkPairs(vec![LinkPairStatus::default()]),
            Payload::Events(vec![Event {
                detail: "two\nlines".into(),
                ..Event::default()
            }]),
            Payload::Bypass(vec![BypassStatus::default()]),
            Payload::Config(ConfigStatus {
                toml: "a = 1\nb = 2\n".into(),
                ..Default::default()
            }),
            Payload::Done {
                message: "handed over".into(),
            },
        ];
        let replies = payloads.into_iter().map(Reply::Ok).chain([
            Reply::Refused {
                reason: "no healthy peer".into(),
            },
            Reply::Error {
                message: "engine did not answer".into(),
            },
        ]);
        for reply in replies {
            let line = serde_json::to_string(&reply).unwrap();
            assert!(!line.contains('\n'));
            assert_eq!(
                serde_json::from_str::<Reply>(&line).unwrap(),
                reply,
                "{line}"
            );
        }
    }

    #[test]
    fn json_is_stable() {
        let reply = Reply::Refused {
            reason: "no healthy peer".into(),
        };
        assert_eq!(
            serde_json::to_string(&reply).unwrap(),
            r#"{"result":"refused","body":{"reason":"no healthy peer"}}"#
        );
        let done = Payload::Done {
            message: "done".into(),
        };
        assert_eq!(
            serde_json::to_string(&Reply::Ok(done.clone())).unwrap(),
            r#"{"result":"ok","body":{"kind":"done","data":{"message":"done"}}}"#
        );
        assert_eq!(done.data_json().unwrap(), "{\n  \"message\": \"done\"\n}");
    }

    /// An older engine lacks fields, a newer one has more: both are read.
    #[test]
    fn fields_may_come_and_go() {
        let line = r#"{"result":"ok","body":{"kind":"ha","data":{"role":"ACTIVE","peers":[{"id":2}],"mood":"good"}}}"#;
        let Reply::Ok(Payload::Ha(status)) = serde_json::from_str(line).unwrap() else {
            panic!("not a status");
        };
        assert_eq!((status.role.as_str(), status.peers[0].id), ("ACTIVE", 2));
        assert_eq!(status.lease_remaining_ms, None);
    }
}
