//! Plain values about ports.

use std::fmt;

/// DPDK's number of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortId(pub u16);

impl fmt::Display for PortId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An Ethernet address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MacAddress(pub [u8; 6]);

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How to configure a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortOptions {
    /// Receive queues, at least 1. Several are fed by RSS over IP, TCP and UDP
    /// where the device can.
    pub rx_queues: u16,
    /// Send queues, at least 1.
    pub tx_queues: u16,
    /// Descriptors per receive queue; adjusted to the device's limits.
    pub rx_descriptors: u16,
    /// Descriptors per send queue; adjusted to the device's limits.
    pub tx_descriptors: u16,
    /// Largest IP packet in bytes; `None`: 1500.
    pub mtu: Option<u16>,
    /// Receive frames for any address.
    pub promiscuous: bool,
}

impl Default for PortOptions {
    fn default() -> Self {
        Self {
            rx_queues: 1,
            tx_queues: 1,
            rx_descriptors: 1024,
            tx_descriptors: 1024,
            mtu: None,
            promiscuous: true,
        }
    }
}

/// The link as the driver reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Carrier. Kernel-backed drivers (af_packet, tap) do not really know.
    pub up: bool,
    /// Speed in Mbit/s; `None` when down or not known.
    pub speed_mbps: Option<u32>,
    /// Full duplex.
    pub full_duplex: bool,
    /// Negotiated, not fixed.
    pub autonegotiated: bool,
}

impl From<&dpdk_sys::shim_link> for Link {
    fn from(raw: &dpdk_sys::shim_link) -> Self {
        Self {
            up: raw.up != 0,
            // RTE_ETH_SPEED_NUM_NONE and RTE_ETH_SPEED_NUM_UNKNOWN.
            speed_mbps: (raw.speed_mbps != 0 && raw.speed_mbps != u32::MAX)
                .then_some(raw.speed_mbps),
            full_duplex: raw.full_duplex != 0,
            autonegotiated: raw.autoneg != 0,
        }
    }
}

/// What a device can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortInfo {
    /// The driver, e.g. `net_null`, `net_ice`.
    pub driver: String,
    /// The device: its PCI address or virtual name.
    pub name: String,
    /// Most receive queues.
    pub max_rx_queues: u16,
    /// Most send queues.
    pub max_tx_queues: u16,
    /// Receive descriptors: fewest, most, in multiples of.
    pub rx_descriptors: (u16, u16, u16),
    /// Send descriptors: fewest, most, in multiples of.
    pub tx_descriptors: (u16, u16, u16),
    /// Smallest and largest MTU.
    pub mtu: (u16, u16),
    /// Addresses that its filter holds, the port's own one among them. A driver that names some
    /// may still refuse to add one.
    pub max_macs: u32,
    /// NUMA node; `None` when not known.
    pub socket: Option<u32>,
}
