//! What the engine shows of layer 3. The same rules as for everything else that is shown: words of
//! closed lists are text, and every field may be missing on reading.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The virtual routers, and what was dropped on the way to them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct VirtualRoutersStatus {
    /// In the order of the configuration.
    pub routers: Vec<VirtualRouterStatus>,
    /// Adverts that no virtual router took, by cause.
    pub advert_drops: BTreeMap<String, u64>,
}

/// A virtual router.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct VirtualRouterStatus {
    /// Its name in the configuration.
    pub name: String,
    /// Its interface.
    pub interface: String,
    /// Its id.
    pub vrid: u8,
    /// `IPv4` or `IPv6`.
    pub family: String,
    /// 2 or 3.
    pub version: u8,
    /// `initialize`, `backup` or `active`.
    pub state: String,
    /// For how long, in milliseconds.
    pub state_since_ms: u64,
    /// Why: a word of the closed list of reasons.
    pub reason: String,
    /// Its priority.
    pub priority: u8,
    /// Time between its adverts, in milliseconds.
    pub interval_ms: u64,
    /// A better priority takes over from a worse one.
    pub preempt: bool,
    /// After the worse one was heard for so long, in milliseconds.
    pub preempt_delay_ms: u64,
    /// From where its adverts are sent.
    pub source: String,
    /// Unicast peers; empty: multicast.
    pub peers: Vec<String>,
    /// Its addresses.
    pub addresses: Vec<String>,
    /// Its virtual MAC address.
    pub virtual_mac: String,
    /// The virtual MAC address is ours now.
    pub holds_virtual_mac: bool,
    /// Packets to its addresses are for us now.
    pub accepts: bool,
    /// Which other router was heard last.
    pub heard: Option<HeardRouter>,
    /// What it counted.
    pub counters: VirtualRouterCounters,
}

/// Another router's last advert.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HeardRouter {
    /// From whom.
    pub source: String,
    /// With which priority; 0: it resigned.
    pub priority: u8,
    /// Time between its adverts, in milliseconds.
    pub interval_ms: u64,
    /// Milliseconds since it came.
    pub ms_ago: u64,
}

/// What a virtual router counted.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct VirtualRouterCounters {
    /// Adverts sent, each destination counted.
    pub sent: u64,
    /// Adverts not sent: a unicast peer's MAC address is not known.
    pub unsent: u64,
    /// Adverts taken from the wire.
    pub heard: u64,
    /// Of these, discarded: they lost, or were of another interval (version 2).
    pub discarded: u64,
    /// How often it became Active.
    pub became_active: u64,
    /// Timers that fired late by more than half an interval.
    pub late: u64,
    /// The latest of all, in milliseconds.
    pub latest_ms: f64,
}

/// The interfaces, and what the slow path of all of them did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct InterfacesStatus {
    /// In the order of the configuration.
    pub interfaces: Vec<InterfaceStatus>,
    /// What the slow path did, by what it counts.
    pub slow_path: BTreeMap<String, u64>,
    /// Frames and packets that it dropped, by cause.
    pub slow_path_drops: BTreeMap<String, u64>,
}

/// An interface of layer 3.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct InterfaceStatus {
    /// Its name in the configuration.
    pub name: String,
    /// Its port.
    pub port: String,
    /// Its VLAN there.
    pub vlan: Option<u16>,
    /// Its port passes frames.
    pub up: bool,
    /// The port's MAC address.
    pub mac: String,
    /// Bytes of the largest packet.
    pub mtu: u16,
    /// Own addresses, with the lengths of their prefixes.
    pub addresses: Vec<String>,
    /// Virtual addresses that are held now.
    pub held: Vec<String>,
    /// Its exception device.
    pub kernel: Option<String>,
    /// Frames that the exception device did not take.
    pub kernel_lost: u64,
}

/// A neighbour.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NeighbourStatus {
    /// On which interface.
    pub interface: String,
    /// Its address.
    pub address: String,
    /// Its MAC address, where it is known.
    pub mac: Option<String>,
    /// `incomplete`, `reachable`, `stale`, `delay` or `probe`.
    pub state: String,
    /// For how long, in milliseconds.
    pub state_since_ms: u64,
    /// Milliseconds since it was known to be there; `None`: it never was (the peer instance said so).
    pub confirmed_ms_ago: Option<u64>,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteStatus {
    /// Where to.
    pub prefix: String,
    /// `connected` or `static`.
    pub kind: String,
    /// The next hop of a static route.
    pub via: Option<String>,
    /// The way out.
    pub interface: String,
    /// The next hop's MAC address, where it is known.
    pub mac: Option<String>,
}
