//! What an engine says about itself in `show ha`.

use crate::error::{LabError, Result};
use serde_json::Value;

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
    pub worst_late_ms: Option<f64>,
    /// Alarms that stand, one line each.
    pub alarms: Vec<String>,
}

impl Status {
    /// Reads the answer to `show ha --json`.
    ///
    /// # Errors
    /// [`LabError::Answer`] when it has no role.
    pub fn read(answer: &Value) -> Result<Self> {
        let role = text(answer, &["/role", "/local/role", "/ha/role"]);
        let Some(role) = role else {
            return Err(LabError::Answer {
                what: "no role".into(),
                answer: answer.to_string().chars().take(300).collect(),
            });
        };
        let reason = text(
            answer,
            &[
                "/reason",
                "/role_reason",
                "/local/reason",
                "/ha/reason",
                "/why",
            ],
        );
        let peer = text(
            answer,
            &["/peer/health", "/peers/0/health", "/ha/peer/health"],
        );
        let late = [
            "/loop/worst_late_ms",
            "/lateness/worst_ms",
            "/worst_late_ms",
        ];
        let alarms = answer.pointer("/alarms").and_then(Value::as_array);
        Ok(Self {
            role: role.to_uppercase(),
            reason: reason.unwrap_or_default(),
            peer: peer.unwrap_or_else(|| "UNKNOWN".into()).to_uppercase(),
            worst_late_ms: late
                .iter()
                .find_map(|place| answer.pointer(place)?.as_f64()),
            alarms: alarms
                .into_iter()
                .flatten()
                .map(|a| a.as_str().map_or_else(|| a.to_string(), str::to_owned))
                .collect(),
        })
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

fn text(answer: &Value, places: &[&str]) -> Option<String> {
    places
        .iter()
        .find_map(|place| answer.pointer(place)?.as_str().map(str::to_owned))
}
