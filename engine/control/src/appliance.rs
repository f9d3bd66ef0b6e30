//! What the engine shows of its ports' insides, its lcores, its memory, and itself.

use serde::{Deserialize, Serialize};

/// What a port counts by its driver's own names (`rte_eth_xstats_get`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PortXstats {
    /// The port's name in the configuration.
    pub port: String,
    /// Name and value, in the driver's order.
    pub xstats: Vec<(String, u64)>,
}

/// An lcore, and what it does with its time.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LcoreStatus {
    /// DPDK's number.
    pub lcore: u32,
    /// The CPU that it is pinned to; `None` where it floats.
    pub cpu: Option<u32>,
    /// `management` or `worker`.
    pub role: String,
    /// What it polls: `pair NAME`, `interface NAME`; empty on the management core.
    pub serves: Vec<String>,
    /// Turns of its loop.
    pub iterations: u64,
    /// Those that found frames.
    pub busy_iterations: u64,
    /// Packets received.
    pub packets: u64,
    /// Share of its cycles spent in turns that found frames (on the management core: in turns, it
    /// sleeps between them), 0 to 1, over the last second or so.
    pub busy_ratio: f64,
    /// Cycles of the TSC for a packet, over the same time; `None` without packets.
    pub cycles_per_packet: Option<f64>,
}

/// A pool of packet buffers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MempoolStatus {
    /// DPDK's name.
    pub name: String,
    /// Buffers that it has.
    pub size: u32,
    /// Buffers that are in use: in queues, in rings, in caches of lcores excepted.
    pub in_use: u32,
    /// Buffers that are free.
    pub available: u32,
    /// The cache of each lcore, in buffers.
    pub cache: u32,
    /// Bytes of a buffer's data room.
    pub data_room_bytes: u32,
    /// NUMA node; `None` where it does not matter.
    pub socket: Option<u32>,
}

/// What the instance measures against its minimum (rules 20 and 21).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct BandwidthStatus {
    /// The monitor is on.
    pub enabled: bool,
    /// What passes from LAN to WAN, in bits per second.
    pub lan_to_wan_bps: u64,
    /// What passes from WAN to LAN, in bits per second.
    pub wan_to_lan_bps: u64,
    /// The rate that is compared with the minimum, in bits per second.
    pub measured_bps: u64,
    /// The minimum, in bits per second; 0 is none.
    pub minimum_bps: u64,
    /// It has been below the minimum for long enough to be a failure.
    pub failed: bool,
}

/// Role changes that count as flaps (rules 13 and 16).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FlapsStatus {
    /// Within the window.
    pub count: u32,
    /// How many are allowed; 0 is no limit.
    pub max: u32,
    /// The window, in seconds.
    pub window_s: u64,
    /// Latched, until `ha clear`.
    pub latched: bool,
    /// What a latch does: a word of `ha.on_max_flaps`.
    pub on_max: String,
    /// For how long each flap has been past, in milliseconds, newest first.
    pub flaps_ms_ago: Vec<u64>,
}

/// A heartbeat as it was on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HeartbeatDump {
    /// `sent` or `received`.
    pub direction: String,
    /// The sender's id.
    pub instance: u16,
    /// `HA` or `in-band`.
    pub path: String,
    /// How long ago, in milliseconds.
    pub ms_ago: u64,
    /// The whole frame, hexadecimal.
    pub frame: String,
    /// Its fields in their order: name and value in words.
    pub fields: Vec<(String, String)>,
}

/// A capture of a port's frames to a file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CaptureStatus {
    /// The port's name.
    pub port: String,
    /// The file, pcapng.
    pub file: String,
    /// For how long it has run, in milliseconds.
    pub since_ms: u64,
    /// Frames written.
    pub frames: u64,
    /// Frames that could not be taken along, since the file's disk was too slow.
    pub lost: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Why it ended by itself, if it did.
    pub error: Option<String>,
}

/// What runs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct VersionStatus {
    /// The engine's version.
    pub version: String,
    /// DPDK's version, as `rte_version()` says.
    pub dpdk: String,
    /// `static` or `shared`.
    pub linkage: String,
    /// The process id.
    pub pid: u32,
    /// For how long it has run, in milliseconds.
    pub uptime_ms: u64,
}
