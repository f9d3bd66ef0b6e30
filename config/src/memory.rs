//! How much memory an instance needs of DPDK: what `eal.memory_mb` has to be at least.

use crate::Config;

/// A frame with its head room, its header and the pool's.
const FRAME_BYTES: u64 = 2432;
/// The first levels of the forwarding tables: IPv4's and IPv6's.
const TABLE_BYTES: u64 = (64 << 20) + (32 << 20);
/// What is longer than 24 bits: IPv4's groups and IPv6's.
const GROUP_BYTES: u64 = (4 << 20) + (16 << 20);
/// A prefix in the tables of both families: two nodes in each of the trees that they are made from.
const ROUTE_BYTES: u64 = 2 * 2 * 192;
/// The tables are in one piece each, and the heap is in pieces (measured: 17 MiB).
const PIECES_BYTES: u64 = 16 << 20;
/// Queues, rings and what the EAL keeps for itself.
const REST_BYTES: u64 = 8 << 20;

impl Config {
    /// Frames that the pool of all ports has: every ring may be full, and each worker and the
    /// management core have as many again at hand.
    #[must_use]
    pub fn frames(&self) -> u32 {
        let descriptors: u32 = self
            .ports
            .iter()
            .map(|p| u32::from(p.rx_descriptors) + u32::from(p.tx_descriptors))
            .sum();
        let workers = u32::try_from(self.lcores.workers.len()).unwrap_or(u32::MAX);
        let wanted = descriptors.saturating_add(workers.saturating_add(1).saturating_mul(1024));
        wanted.saturating_add(1).next_power_of_two().max(4096) - 1
    }

    /// MiB that `eal.memory_mb` has to be at least, by what is configured: frames, and with layer 3
    /// two forwarding tables. Drivers may take some more.
    #[must_use]
    pub fn memory_needed_mb(&self) -> u32 {
        let mut bytes = REST_BYTES + u64::from(self.frames()) * FRAME_BYTES;
        if !self.interfaces.is_empty() {
            let neighbours = u64::from(self.l3.neighbours);
            let routes = neighbours + self.routes.len() as u64 + 2048;
            bytes += TABLE_BYTES + GROUP_BYTES + PIECES_BYTES + routes * ROUTE_BYTES;
        }
        u32::try_from(bytes.div_ceil(1 << 20)).unwrap_or(u32::MAX)
    }

    /// What is wrong with `eal.memory_mb`, if it is too small.
    #[must_use]
    pub fn memory_too_small(&self) -> Option<String> {
        let (have, needed) = (self.eal.memory_mb, self.memory_needed_mb());
        (have < needed).then(|| {
            let why = if self.interfaces.is_empty() {
                "for frames"
            } else {
                "for frames and the forwarding tables of layer 3"
            };
            format!("{have} MiB are too little: at least {needed} are needed {why}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layer_3_needs_room_for_its_tables() {
        let text = include_str!("../examples/l3.toml");
        let loaded = Config::parse(text, "f").unwrap();
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
        let needed = loaded.config.memory_needed_mb();
        assert!((80..256).contains(&needed), "{needed}");
        let frames = u64::from(loaded.config.frames());
        assert!(u64::from(needed) << 20 > frames * FRAME_BYTES + TABLE_BYTES);

        let small = format!("{text}\n[eal]\nmemory_mb = 64\n");
        let small = if text.contains("[eal]") {
            text.replacen("[eal]", "[eal]\nmemory_mb = 64", 1)
        } else {
            small
        };
        let small = Config::parse(&small, "f").unwrap();
        let said = small.config.memory_too_small().unwrap();
        assert_eq!(
            said,
            format!(
                "64 MiB are too little: at least {needed} are needed for frames and the forwarding \
                 tables of layer 3"
            )
        );
        let warned = small.warnings.iter().any(|w| w.key == "eal.memory_mb");
        assert!(warned, "{:?}", small.warnings);
    }

    #[test]
    fn a_pair_of_ports_alone_needs_little() {
        let text = include_str!("../examples/standalone.toml");
        let config = Config::parse(text, "f").unwrap().config;
        assert!(config.memory_needed_mb() < 64);
        assert_eq!(config.memory_too_small(), None);
    }
}
