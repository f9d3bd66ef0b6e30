//! What the device and its driver count.

/// The counters that every driver has. They run from the last reset and count
/// frames as the device sees them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Frames received.
    pub rx_packets: u64,
    /// Frames sent.
    pub tx_packets: u64,
    /// Bytes received, as the driver counts (most: without the FCS).
    pub rx_bytes: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Frames that the device dropped as the receive queue was full.
    pub rx_missed: u64,
    /// Frames received in error.
    pub rx_errors: u64,
    /// Frames that failed to be sent.
    pub tx_errors: u64,
    /// Frames lost as the pool was empty.
    pub rx_no_mbuf: u64,
}

impl From<&dpdk_sys::rte_eth_stats> for Stats {
    fn from(raw: &dpdk_sys::rte_eth_stats) -> Self {
        Self {
            rx_packets: raw.ipackets,
            tx_packets: raw.opackets,
            rx_bytes: raw.ibytes,
            tx_bytes: raw.obytes,
            rx_missed: raw.imissed,
            rx_errors: raw.ierrors,
            tx_errors: raw.oerrors,
            rx_no_mbuf: raw.rx_nombuf,
        }
    }
}

/// One of a driver's own counters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XStat {
    /// The driver's name for it, e.g. `rx_good_packets`.
    pub name: String,
    /// Its value since the last reset.
    pub value: u64,
}
