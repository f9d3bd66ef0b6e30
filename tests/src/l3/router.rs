//! A router of a bed, whoever made it.

use crate::error::Result;
use crate::run::Run;
use crate::topology::{Side, Topology, routed};
use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

/// Who made a router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maker {
    /// This project.
    Ours,
    /// keepalived, with the kernel's data path.
    Keepalived,
    /// FRR's vrrpd, with the kernel's data path.
    Frr,
}

/// One virtual router as one side configures it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vrrp {
    /// 1 to 255.
    pub vrid: u8,
    /// 2 or 3.
    pub version: u8,
    /// Over IPv6, with IPv6 addresses.
    pub ipv6: bool,
    /// Interval of adverts, ms.
    pub interval_ms: u32,
    /// 1 to 254.
    pub priority: u8,
    /// Whether it takes the role from an Active Router of lower priority.
    pub preempt: bool,
    /// Adverts to the other side's address instead of the group.
    pub unicast: bool,
    /// `checksum`, of ours only. keepalived 2.2.7 sends and takes the pseudo-header's alone over IPv4
    /// ("Invalid VRRPv3 checksum" otherwise), so that is what stands beside it.
    pub checksum: &'static str,
    /// Whether it shall take the virtual MAC address, where that is a choice: keepalived.
    pub virtual_mac: bool,
}

impl Default for Vrrp {
    fn default() -> Self {
        Self {
            vrid: 51,
            version: 3,
            ipv6: false,
            interval_ms: 100,
            priority: 100,
            preempt: true,
            unicast: false,
            checksum: "pseudo-header",
            virtual_mac: false,
        }
    }
}

impl Vrrp {
    /// The virtual addresses.
    #[must_use]
    pub fn addresses(&self) -> Vec<&'static str> {
        if self.ipv6 {
            vec![routed::LINK_LOCAL_VIP, routed::LAN_VIP6]
        } else {
            vec![routed::LAN_VIP]
        }
    }

    /// The same, as addresses, sorted.
    #[must_use]
    pub fn sorted_addresses(&self) -> Vec<IpAddr> {
        let mut all: Vec<IpAddr> = self
            .addresses()
            .iter()
            .filter_map(|address| address.parse().ok())
            .collect();
        all.sort();
        all
    }

    /// The interval.
    #[must_use]
    pub fn interval(&self) -> Duration {
        Duration::from_millis(u64::from(self.interval_ms))
    }

    /// Skew time: RFC 9568, section 6.1; in version 2 of a second, whatever the interval is.
    #[must_use]
    pub fn skew(&self) -> Duration {
        let whole = if self.version == 2 {
            Duration::from_secs(1)
        } else {
            self.interval()
        };
        whole * (256 - u32::from(self.priority)) / 256
    }

    /// How long it waits after the last advert: three intervals and the skew time.
    #[must_use]
    pub fn down(&self) -> Duration {
        3 * self.interval() + self.skew()
    }
}

impl fmt::Display for Vrrp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = if self.ipv6 { "IPv6" } else { "IPv4" };
        write!(
            f,
            "VRRPv{} {family} {} ms priority {}",
            self.version, self.interval_ms, self.priority
        )
    }
}

/// A router's own address on the LAN.
#[must_use]
pub fn own_address(side: Side, ipv6: bool) -> &'static str {
    match (side, ipv6) {
        (Side::A, false) => "10.77.0.11",
        (Side::B, false) => "10.77.0.12",
        (Side::A, true) => "fd77::11",
        (Side::B, true) => "fd77::12",
    }
}

/// A router's address on the LAN as a unicast peer: over IPv6 adverts come from link-local
/// addresses (RFC 9568, section 5.1.2.2), so that peers are named by these.
#[must_use]
pub fn unicast_address(side: Side, ipv6: bool) -> &'static str {
    match (side, ipv6) {
        (_, false) => own_address(side, false),
        (Side::A, true) => "fe80::11",
        (Side::B, true) => "fe80::12",
    }
}

/// A router of a bed. It is made without being started.
pub trait Router: fmt::Debug {
    /// Starts it, for the first time or after its end.
    ///
    /// # Errors
    /// When it cannot be started.
    fn start(&mut self, run: &Run) -> Result<()>;

    /// Its power fails: it is gone without a word, and answers for nothing any more.
    ///
    /// # Errors
    /// When it does not run.
    fn kill(&mut self, run: &Run) -> Result<()>;

    /// It is told to end in an orderly way; waits for its end.
    ///
    /// # Errors
    /// When it does not run, or does not end.
    fn terminate(&mut self, run: &Run) -> Result<()>;

    /// That it still runs, if it was started.
    ///
    /// # Errors
    /// When it ended by itself, with its log.
    fn alive(&mut self, run: &Run) -> Result<()>;

    /// Whether it believes that it is the Active Router; `None` when it does not say.
    ///
    /// # Errors
    /// When its record cannot be read.
    fn says_active(&self) -> Result<Option<bool>>;

    /// The last lines of its log.
    fn logs(&self) -> String;
}

/// Makes a router for a side of a bed.
///
/// # Errors
/// When a program is missing, or a file cannot be written.
pub fn make(
    maker: Maker,
    run: &Run,
    topology: &Topology,
    side: Side,
    vrrp: &Vrrp,
    engine: Option<&Path>,
) -> Result<Box<dyn Router>> {
    Ok(match maker {
        Maker::Ours => Box::new(super::ours::Ours::new(run, topology, side, vrrp, engine)?),
        Maker::Keepalived => Box::new(super::keepalived::Keepalived::new(
            run, topology, side, vrrp,
        )?),
        Maker::Frr => Box::new(super::frr::Frr::new(run, topology, side, vrrp)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_rfcs() {
        let vrrp = Vrrp::default();
        assert_eq!(
            vrrp.down(),
            Duration::from_micros(360_937) + Duration::from_nanos(500)
        );
        let old = Vrrp {
            version: 2,
            interval_ms: 3000,
            ..Vrrp::default()
        };
        assert_eq!(old.skew(), Duration::from_micros(609_375));
    }
}
