//! What monitoring fetches: everything that has a number, of one moment.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::appliance::{BandwidthStatus, LcoreStatus, VersionStatus};
use crate::routing::{InterfacesStatus, VirtualRoutersStatus};
use crate::status::{BypassStatus, HaStatus, LinkPairStatus, PortStatus};

/// The reply to `show_metrics`. Counts that are 0 are in it, where their names are known before.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MetricsStatus {
    /// As `show_ha` has it.
    pub ha: HaStatus,
    /// As `show_ports` has them.
    pub ports: Vec<PortStatus>,
    /// As `show_link_pairs` has them.
    pub link_pairs: Vec<LinkPairStatus>,
    /// As `show_bypass` has them.
    pub bypass: Vec<BypassStatus>,
    /// Which path the instance wants of a pair's card, by the pair's name.
    pub bypass_wanted: BTreeMap<String, String>,
    /// As `show_virtual_routers` has them.
    pub virtual_routers: VirtualRoutersStatus,
    /// As `show_interfaces` has them.
    pub interfaces: InterfacesStatus,
    /// As `show_lcores` has them.
    pub lcores: Vec<LcoreStatus>,
    /// As `show_bandwidth` has it.
    pub bandwidth: BandwidthStatus,
    /// As `show_version` has it.
    pub version: VersionStatus,
    /// Changes of the role in this boot.
    pub role_changes: Vec<RoleChanges>,
    /// When the role changed last, in milliseconds since 1970 (UTC).
    pub last_role_change_unix_ms: Option<u64>,
    /// Every alarm that there can be, by name.
    pub alarm_names: Vec<String>,
    /// How long after it was due each heartbeat was sent.
    pub heartbeat_lateness: Histogram,
    /// Round trips, by the peer's id.
    pub peer_rtt: BTreeMap<u16, Histogram>,
    /// Check slots that held no heartbeat, by the peer's id.
    pub peer_checks_failed: BTreeMap<u16, u64>,
}

/// How often the role changed so.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RoleChanges {
    /// What it was.
    pub from: String,
    /// What it became.
    pub to: String,
    /// Why: a word of the closed list of reasons.
    pub reason: String,
    /// How often.
    pub count: u64,
}

/// A distribution of times.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Histogram {
    /// For each bound in seconds, growing: how many were at most so long.
    pub buckets: Vec<(f64, u64)>,
    /// How many there were.
    pub count: u64,
    /// All of them together, in seconds.
    pub sum_seconds: f64,
}
