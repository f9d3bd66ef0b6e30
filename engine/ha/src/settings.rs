//! What the operator set, in the units that the decisions use.

use std::time::Duration;

/// `ha.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// No peer: this instance alone guards its wires.
    Standalone,
    /// One instance forwards, the others stand by.
    ActivePassive,
    /// Every instance forwards on its own link pairs.
    ActiveActive,
}

/// `ha.topology`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    /// Two paths side by side; switches pick one. Two open gates are a loop.
    Parallel,
    /// Both instances on one wire, one behind the other. A passive one must let frames through.
    Series,
}

/// `ha.on_max_flaps`: what the card is told when the flaps run out (rule 14).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnMaxFlaps {
    /// The relays join the two cables.
    Bypass,
    /// The relays open both cables.
    Disconnect,
    /// The cables are joined and the software listens.
    Tap,
}

/// The settings of one instance, validated by `twinline-config` before they come here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How the stack shares the traffic.
    pub mode: Mode,
    /// This instance is the primary of its stack.
    pub primary: bool,
    /// How the instances lie on the wires.
    pub topology: Topology,
    /// Heartbeats go over the data ports as well (rule 12).
    pub in_band: bool,
    /// Time between two heartbeats (`ha.peer_check_interval_ms`), and the length of a check slot.
    pub interval: Duration,
    /// Slots without a heartbeat after which a peer is UNHEALTHY (1 to 255).
    pub failure_threshold: u8,
    /// Heartbeats in sequence after which a peer is HEALTHY (1 to 255).
    pub recovery_threshold: u8,
    /// Flaps allowed within the window; 0 = no limit.
    pub max_flaps: u32,
    /// The window in which flaps count.
    pub flap_window: Duration,
    /// What the card does after one flap too many; `None` = by topology (rule 14).
    pub on_max_flaps: Option<OnMaxFlaps>,
    /// How often the cards' watchdogs are kicked; `None` without a watchdog (rule 15).
    pub kick_every: Option<Duration>,
    /// The primary takes its role back.
    pub preempt: bool,
    /// How long the primary waits before it does; doubles with each recent flap.
    pub preempt_delay: Duration,
    /// How often the link pairs are polled.
    pub links_interval: Duration,
    /// Link pairs that must be up for this instance to be fit; 0 = off.
    pub minimum_active_links: u16,
    /// Take the other port of a pair down with the one that fell (rule 17).
    pub propagate: bool,
    /// How long a port that was let up again may be without carrier before that is a failure.
    pub settle: Duration,
    /// The sliding interval of the bandwidth measurement (rule 20).
    pub bandwidth_interval: Duration,
    /// Hand over when the bandwidth falls below the minimum (rule 21).
    pub bandwidth_enabled: bool,
    /// The minimum, both directions in sum, in bits per second.
    pub bandwidth_minimum_bps: u64,
}

impl Settings {
    /// `failure_threshold x interval`: the time after which silence is failure.
    #[must_use]
    pub fn failure_window(&self) -> Duration {
        self.interval * u32::from(self.failure_threshold)
    }

    /// The guard of rule 11: a quarter of an interval.
    #[must_use]
    pub fn lease_guard(&self) -> Duration {
        self.interval / 4
    }

    /// Whether rule 11's lease binds the workers: only where two open gates would be a loop.
    ///
    /// In `series` a passive instance passes every frame unseen, so a lease would only turn a hung
    /// management core into a cut wire.
    #[must_use]
    pub fn leased(&self) -> bool {
        self.mode == Mode::ActivePassive && self.topology == Topology::Parallel
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn settings() -> Settings {
        Settings {
            mode: Mode::ActivePassive,
            primary: true,
            topology: Topology::Parallel,
            in_band: false,
            interval: Duration::from_millis(100),
            failure_threshold: 3,
            recovery_threshold: 3,
            max_flaps: 6,
            flap_window: Duration::from_secs(900),
            on_max_flaps: None,
            kick_every: None,
            preempt: true,
            preempt_delay: Duration::from_secs(60),
            links_interval: Duration::from_millis(100),
            minimum_active_links: 1,
            propagate: true,
            settle: Duration::from_secs(3),
            bandwidth_interval: Duration::from_secs(10),
            bandwidth_enabled: false,
            bandwidth_minimum_bps: 1024,
        }
    }

    #[test]
    fn windows_follow_from_interval_and_threshold() {
        let s = settings();
        assert_eq!(s.failure_window(), Duration::from_millis(300));
        assert_eq!(s.lease_guard(), Duration::from_millis(25));
    }

    #[test]
    fn only_a_parallel_pair_is_leased() {
        let mut s = settings();
        assert!(s.leased());
        s.topology = Topology::Series;
        assert!(!s.leased());
        s.topology = Topology::Parallel;
        s.mode = Mode::Standalone;
        assert!(!s.leased());
    }
}
