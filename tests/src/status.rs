//! What an engine says about itself in `show ha` and `show events`.

use crate::error::{LabError, Result};
use std::path::Path;
use std::time::Duration;
use twinline_control::{
    BypassStatus, Client, DirectionStatus, Event, HaStatus, LinkPairStatus, OutletStatus, Payload,
    Reply, Request,
};

/// How long an engine may take to answer: it is either there or it is not.
const ANSWER: Duration = Duration::from_secs(2);

/// Role, reason and peer health of one engine.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Status {
    /// ACTIVE, PASSIVE, DOWN, BYPASS, SUSPENDED or INIT.
    pub role: String,
    /// Why it has that role.
    pub reason: String,
    /// Health of the peer: HEALTHY, UNHEALTHY or UNKNOWN; UNKNOWN also when there is no peer.
    pub peer: String,
    /// The worst lateness of the management loop since the start, in ms.
    pub worst_late_ms: f64,
    /// How often that loop was late by more than half an interval.
    pub late_count: u64,
    /// Alarms that stand: name and text.
    pub alarms: Vec<(String, String)>,
}

impl Status {
    /// Asks the engine behind a control socket.
    ///
    /// # Errors
    /// When it does not answer within two seconds, or answers something else.
    pub fn ask(socket: &Path) -> Result<Self> {
        ha(socket).map(Self::from)
    }

    /// The peer is HEALTHY.
    #[must_use]
    pub fn peer_healthy(&self) -> bool {
        self.peer == "HEALTHY"
    }

    /// The role is `role`.
    #[must_use]
    pub fn is(&self, role: &str) -> bool {
        self.role == role
    }

    /// In one line.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{} ({}), peer {}", self.role, self.reason, self.peer)
    }
}

impl From<HaStatus> for Status {
    fn from(status: HaStatus) -> Self {
        let peer = status
            .peers
            .first()
            .map_or("UNKNOWN".into(), |peer| peer.health.clone());
        Self {
            role: status.role,
            reason: status.role_reason,
            peer,
            worst_late_ms: status.loop_lateness.max_ms,
            late_count: status.loop_lateness.late_count,
            alarms: status
                .alarms
                .into_iter()
                .map(|a| (a.name, a.text))
                .collect(),
        }
    }
}

/// Everything that `show ha` says.
///
/// # Errors
/// As [`Status::ask`].
pub fn ha(socket: &Path) -> Result<HaStatus> {
    match call(socket, &Request::ShowHa)? {
        Payload::Ha(status) => Ok(*status),
        other => Err(not_understood("show ha", &format!("{other:?}"))),
    }
}

/// Each direction of each link pair: what came in, what went out, what was dropped and why. One
/// line each; what is left to say when traffic stopped and nobody knows where.
///
/// # Errors
/// As [`Status::ask`].
pub fn carried(socket: &Path) -> Result<Vec<String>> {
    let pairs = match call(socket, &Request::ShowLinkPairs)? {
        Payload::LinkPairs(pairs) => pairs,
        other => return Err(not_understood("show link-pairs", &format!("{other:?}"))),
    };
    let line = |pair: &LinkPairStatus, way: &str, did: &DirectionStatus| {
        let LinkPairStatus {
            name,
            gate_wanted,
            gate_adopted,
            ..
        } = pair;
        format!(
            "{name} {way}: {} in, {} out, dropped {:?}; gate {gate_adopted} (wanted \
             {gate_wanted}), stations {} and {}",
            did.rx_packets, did.tx_packets, did.drops, pair.lan.macs, pair.wan.macs
        )
    };
    let both = |pair: &LinkPairStatus| {
        [
            line(pair, "lan -> wan", &pair.lan_to_wan),
            line(pair, "wan -> lan", &pair.wan_to_lan),
        ]
    };
    Ok(pairs.iter().flat_map(both).collect())
}

/// Bits per second that come in on both sides of all link pairs.
///
/// # Errors
/// As [`Status::ask`].
pub fn bandwidth_bps(socket: &Path) -> Result<u64> {
    match call(socket, &Request::ShowLinkPairs)? {
        Payload::LinkPairs(pairs) => Ok(pairs
            .iter()
            .map(|pair| pair.lan_to_wan.bps.saturating_add(pair.wan_to_lan.bps))
            .fold(0, u64::saturating_add)),
        other => Err(not_understood("show link-pairs", &format!("{other:?}"))),
    }
}

/// All events that the engine keeps, oldest first.
///
/// # Errors
/// As [`Status::ask`].
pub fn events(socket: &Path) -> Result<Vec<Event>> {
    match call(
        socket,
        &Request::ShowEvents {
            last: None,
            after: None,
        },
    )? {
        Payload::Events(events) => Ok(events),
        other => Err(not_understood("show events", &format!("{other:?}"))),
    }
}

/// Where events go, and what was lost there.
///
/// # Errors
/// As [`Status::ask`].
pub fn outlets(socket: &Path) -> Result<Vec<OutletStatus>> {
    match call(socket, &Request::ShowOutlets)? {
        Payload::Outlets(list) => Ok(list),
        other => Err(not_understood("show outlets", &format!("{other:?}"))),
    }
}

/// The bypass card of each link pair.
///
/// # Errors
/// As [`Status::ask`].
pub fn bypass(socket: &Path) -> Result<Vec<BypassStatus>> {
    match call(socket, &Request::ShowBypass)? {
        Payload::Bypass(cards) => Ok(cards),
        other => Err(not_understood("show bypass", &format!("{other:?}"))),
    }
}

fn call(socket: &Path, request: &Request) -> Result<Payload> {
    let silent = |e: twinline_control::ClientError| LabError::NoAnswer(e.to_string());
    let mut client = Client::connect(socket).map_err(silent)?.with_time(ANSWER);
    match client.call(request).map_err(silent)? {
        Reply::Ok(payload) => Ok(payload),
        Reply::Refused { reason } => Err(not_understood("refused", &reason)),
        Reply::Error { message } => Err(not_understood("error", &message)),
    }
}

fn not_understood(what: &str, answer: &str) -> LabError {
    LabError::Answer {
        what: what.to_owned(),
        answer: answer.chars().take(300).collect(),
    }
}
