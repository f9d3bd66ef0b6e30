//! What the engine shows of itself.
//!
//! Words that come from a closed list elsewhere (roles, health, reasons, causes, gate modes) are
//! text here, spelled as the operator reads them: an older client then shows a word that only a
//! newer engine knows, instead of failing on it. Every field may be missing on reading.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The HA node's state.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HaStatus {
    /// The instance's name.
    pub name: String,
    /// The instance's id in its stack.
    pub id: u16,
    /// The instance's boot id, 16 hexadecimal digits.
    pub boot: String,
    /// The stack's name.
    pub stack: String,
    /// `standalone`, `active-passive` or `active-active`.
    pub mode: String,
    /// `parallel` or `series`.
    pub topology: String,
    /// Configured as the primary.
    pub primary: bool,
    /// `ACTIVE`, `PASSIVE`, `DOWN`, `BYPASS`, `SUSPENDED` or `INIT`.
    pub role: String,
    /// For how long it has had the role, in milliseconds.
    pub role_since_ms: u64,
    /// Why it has the role: a word of the closed list of reasons.
    pub role_reason: String,
    /// The role on its way, while it is another.
    pub wanted: Option<String>,
    /// ACTIVE though unfit, since nobody is fitter (rule 10).
    pub degraded: bool,
    /// Fit to be ACTIVE.
    pub fit: bool,
    /// Why it is not fit.
    pub unfit_reason: Option<String>,
    /// Takeover epoch.
    pub epoch: u64,
    /// Flaps within the window.
    pub flaps: u32,
    /// Flaps that are allowed within the window; 0 is no limit.
    pub flaps_max: u32,
    /// Latched after too many flaps, until `ha clear`.
    pub latched: bool,
    /// Suspended by an operator, until `ha resume`.
    pub suspended: bool,
    /// When a primary will take its role back, in milliseconds from now.
    pub preempt_in_ms: Option<u64>,
    /// For how long the workers may still forward without a renewal, in milliseconds. `None`
    /// where no lease is held, or none is needed (`standalone`).
    pub lease_remaining_ms: Option<u64>,
    /// How late the management core's own loop was.
    pub loop_lateness: Lateness,
    /// Heartbeats are signed with a key.
    pub authenticated: bool,
    /// Digest of the configuration that the stack has in common, 16 hexadecimal digits.
    pub config_digest: String,
    /// Heartbeats sent.
    pub heartbeats_sent: u64,
    /// Frames on the HA port that were dropped, by cause.
    pub heartbeat_drops: BTreeMap<String, u64>,
    /// The other instances of the stack, by id.
    pub peers: Vec<PeerStatus>,
    /// What is wrong now.
    pub alarms: Vec<Alarm>,
}

/// How late the management core's loop was (rule 3).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Lateness {
    /// The worst since the start, in milliseconds.
    pub max_ms: f64,
    /// How often it was late by more than half an interval.
    pub late_count: u64,
}

/// Something wrong that lasts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Alarm {
    /// A stable word, for rules and scripts.
    pub name: String,
    /// What is wrong and what would help, in one line.
    pub text: String,
    /// For how long, in milliseconds.
    pub since_ms: u64,
}

/// What is known of a peer.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PeerStatus {
    /// Its id.
    pub id: u16,
    /// Its stack, where it is not ours.
    pub stack: Option<String>,
    /// Its boot id, 16 hexadecimal digits; empty before it was heard.
    pub boot: String,
    /// `HEALTHY`, `UNHEALTHY` or `UNKNOWN`.
    pub health: String,
    /// For how long the health has been so, in milliseconds.
    pub health_since_ms: u64,
    /// Why the health is so.
    pub health_reason: String,
    /// The role that it states.
    pub role: String,
    /// It says that it is the primary.
    pub primary: bool,
    /// It says that it is fit.
    pub fit: bool,
    /// Why it says that it is not.
    pub unfit_reason: Option<String>,
    /// Milliseconds since its last valid heartbeat.
    pub last_heard_ms_ago: Option<u64>,
    /// Check slots in a row without a heartbeat.
    pub missed: u32,
    /// At how many it is UNHEALTHY.
    pub threshold: u32,
    /// The interval by which it is judged, in milliseconds: the larger of ours and its own.
    pub interval_ms: f64,
    /// Round trip in microseconds.
    pub rtt_us: Option<u64>,
    /// Valid heartbeats taken.
    pub heartbeats_received: u64,
    /// Heartbeats missing by their sequence numbers.
    pub heartbeats_lost: u64,
    /// Its takeover epoch.
    pub epoch: u64,
    /// Link pairs that it has up.
    pub pairs_up: u16,
    /// Link pairs that it has.
    pub pairs_total: u16,
    /// The bandwidth that it measures, in bits per second.
    pub bandwidth_bps: u64,
    /// Its flaps.
    pub flaps: u32,
    /// It hears us, by what it echoes; `false` while we hear it is a one-way path.
    pub hears_us: bool,
    /// Each path of heartbeats, where there are two (rule 12).
    pub paths: Vec<PathStatus>,
    /// Digest of its configuration, 16 hexadecimal digits.
    pub config_digest: String,
    /// Its configuration digest is ours.
    pub config_agrees: bool,
}

/// What one path brings of a peer.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PathStatus {
    /// `HA` or `in-band`.
    pub name: String,
    /// Its health by what this path brings.
    pub health: String,
    /// Milliseconds since its last heartbeat on this path.
    pub last_heard_ms_ago: Option<u64>,
    /// Check slots in a row without a heartbeat.
    pub missed: u32,
    /// Heartbeats taken.
    pub heartbeats_received: u64,
    /// It says that it hears us on this path.
    pub hears_us: bool,
    /// At which of our ports it is heard.
    pub ports: Vec<String>,
}

/// A port.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PortStatus {
    /// Its name in the configuration.
    pub name: String,
    /// PCI address or vdev.
    pub device: String,
    /// DPDK's driver.
    pub driver: String,
    /// What it is used for: `lan of PAIR`, `wan of PAIR`, `ha`, `interface NAME, NAME`.
    pub used_for: String,
    /// How it receives what is sent to virtual MAC addresses: `filter` or `promiscuous`; `None`
    /// where it has no interface.
    pub virtual_mac: Option<String>,
    /// Its MAC address.
    pub mac: String,
    /// Link is up.
    pub link_up: bool,
    /// Who says so: `driver`, or `kernel:IFNAME`.
    pub carrier_source: String,
    /// In Mbit/s, where it is known.
    pub speed_mbps: Option<u32>,
    /// Taken down by us to propagate the other port's loss (rule 17).
    pub taken_down_by_us: bool,
    /// Taken down by an operator (`set link-down`).
    pub taken_down_by_operator: bool,
    /// Receives what is not addressed to it; `None` where the driver does not say.
    pub promiscuous: Option<bool>,
    /// What it counted.
    pub counters: PortCounters,
    /// Packets that we dropped here, by cause.
    pub drops: BTreeMap<String, u64>,
    /// Packets that we forwarded from here at layer 3, by family: `IPv4`, `IPv6`.
    pub forwarded: BTreeMap<String, u64>,
    /// Frames of layer 3 that went to the management core, by reason.
    pub punted: BTreeMap<String, u64>,
}

/// A port's counters since the engine's start, or since they were cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PortCounters {
    /// Packets received.
    pub rx_packets: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets that the NIC dropped since the queue was full.
    pub rx_missed: u64,
    /// Erroneous packets received.
    pub rx_errors: u64,
    /// Packets that failed to be sent.
    pub tx_errors: u64,
    /// Receptions that failed for want of a buffer.
    pub rx_no_buffer: u64,
}

/// A link pair.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LinkPairStatus {
    /// Its name in the configuration.
    pub name: String,
    /// Both legs are up.
    pub up: bool,
    /// The LAN side's port.
    pub lan: LegStatus,
    /// The WAN side's port.
    pub wan: LegStatus,
    /// The gate that the management core wants.
    pub gate_wanted: String,
    /// The gate that the worker has adopted.
    pub gate_adopted: String,
    /// Traffic that came in on the LAN side.
    pub lan_to_wan: DirectionStatus,
    /// Traffic that came in on the WAN side.
    pub wan_to_lan: DirectionStatus,
}

/// One leg of a link pair.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LegStatus {
    /// The port's name.
    pub port: String,
    /// Link is up.
    pub up: bool,
    /// Taken down by us to propagate the other leg's loss (rule 17).
    pub taken_down_by_us: bool,
    /// Taken down by an operator (`set link-down`).
    pub taken_down_by_operator: bool,
    /// Stations known on this side.
    pub macs: u32,
}

/// One direction through a link pair.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DirectionStatus {
    /// Packets that came in.
    pub rx_packets: u64,
    /// Bytes that came in.
    pub rx_bytes: u64,
    /// Packets that went out.
    pub tx_packets: u64,
    /// Bytes that went out.
    pub tx_bytes: u64,
    /// Bits per second that went out, measured lately.
    pub bps: u64,
    /// Packets dropped, by cause: `gate`, `lease`, `overlap`, `announce`, `tx_full`.
    pub drops: BTreeMap<String, u64>,
}

/// A pair's bypass card.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct BypassStatus {
    /// The link pair's name.
    pub pair: String,
    /// The card's family and version; `none` without one.
    pub card: String,
    /// It answers.
    pub found: bool,
    /// The path that it was told: `inline`, `bypass`, `disconnect`, `tap`; `None` = left as it was.
    pub wanted: Option<String>,
    /// The path that it shows; `None` where it does not say.
    pub path: Option<String>,
    /// How it knows it: `sensed`, `reported` or `shadow`.
    pub source: String,
    /// Milliseconds since it was looked at last.
    pub looked_at_ms_ago: Option<u64>,
    /// The watchdog's period while it is armed, in milliseconds.
    pub watchdog_ms: Option<u64>,
    /// Its watchdog has expired since it was armed.
    pub expired: bool,
    /// Kicks handed to it.
    pub kicks: u64,
    /// Kicks that waited too long and were dropped.
    pub stale_kicks: u64,
    /// Where each event leads, by the event's name.
    pub events: BTreeMap<String, String>,
    /// The paths that it can take.
    pub paths: Vec<String>,
    /// The periods that its watchdog knows, in milliseconds.
    pub watchdog_periods_ms: Vec<u64>,
    /// What is known of its path without power: `none`, `claimed` or `verified`.
    pub power_off: String,
    /// What went wrong last, while it lasts.
    pub error: Option<String>,
}

/// Something that happened (rule 23).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Event {
    /// Counts all events of this boot.
    pub seq: u64,
    /// When, in milliseconds since 1970 (UTC).
    pub time_unix_ms: u64,
    /// What changed: `role`, `peer 2 health`, ...
    pub what: String,
    /// What it was; empty where nothing was before.
    pub from: String,
    /// What it is now.
    pub to: String,
    /// Why: a word of the closed list of reasons.
    pub why: String,
    /// More, where there is more to say.
    pub detail: String,
}

/// The configuration in force.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ConfigStatus {
    /// The file that it was read from.
    pub path: String,
    /// Digest of the part that the stack has in common, 16 hexadecimal digits.
    pub digest: String,
    /// The configuration as TOML, defaults filled in.
    pub toml: String,
    /// The same as a value.
    pub config: serde_json::Value,
}
