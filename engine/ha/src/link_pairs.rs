//! Link pairs (rules 17 to 19): which are up, and which port goes down with its partner.

use std::time::Duration;

use crate::message::Side;
use twinline_time::Time;

/// What one poll read of a pair's two ports: carrier present.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PairLinks {
    /// The LAN port has carrier.
    pub lan: bool,
    /// The WAN port has carrier.
    pub wan: bool,
}

impl PairLinks {
    /// The reading of one side.
    #[must_use]
    pub fn side(self, side: Side) -> bool {
        match side {
            Side::Lan => self.lan,
            Side::Wan => self.wan,
        }
    }
}

/// What a poll asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkCommand {
    /// Take this port down: its partner fell (propagation).
    TakeDown(Side),
    /// Let this port up again: its partner is back.
    LetUp(Side),
}

/// One wire through the appliance.
#[derive(Clone, Debug)]
pub struct LinkPair {
    seen: PairLinks,
    propagated: Option<Side>,
    settling: Option<(SettlingSide, Time)>,
    polled: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SettlingSide {
    Both,
    One(Side),
}

impl LinkPair {
    /// A pair whose ports were just started: both are given `settle` to find their carrier.
    #[must_use]
    pub fn new(now: Time, settle: Duration) -> Self {
        Self {
            seen: PairLinks::default(),
            propagated: None,
            settling: Some((SettlingSide::Both, now + settle)),
            polled: false,
        }
    }

    /// Both ports carry.
    #[must_use]
    pub fn up(&self) -> bool {
        self.polled && self.propagated.is_none() && self.seen.lan && self.seen.wan
    }

    /// The port that we took down, if any.
    #[must_use]
    pub fn propagated(&self) -> Option<Side> {
        self.propagated
    }

    /// The last reading.
    #[must_use]
    pub fn seen(&self) -> PairLinks {
        self.seen
    }

    /// The card took both ports off their cables: back on them, both are given `settle` again.
    pub fn taken_off(&mut self, now: Time, settle: Duration) {
        self.settling = Some((SettlingSide::Both, now + settle));
    }

    /// Takes one reading. A port that we took down does not count as a failure of its own.
    pub fn poll(
        &mut self,
        now: Time,
        links: PairLinks,
        propagate: bool,
        settle: Duration,
    ) -> Option<LinkCommand> {
        self.seen = links;
        self.polled = true;
        if let Some(down) = self.propagated {
            if links.side(down.other()) || !propagate {
                self.propagated = None;
                self.settling = Some((SettlingSide::One(down), now + settle));
                return Some(LinkCommand::LetUp(down));
            }
            return None;
        }
        if links.lan && links.wan {
            self.settling = None;
            return None;
        }
        let fallen = match (links.lan, links.wan) {
            (true, false) => Side::Wan,
            (false, true) => Side::Lan,
            _ => return None,
        };
        if let Some((side, until)) = self.settling {
            let excused = side == SettlingSide::Both || side == SettlingSide::One(fallen);
            if excused && now < until {
                return None;
            }
            self.settling = None;
        }
        if !propagate {
            return None;
        }
        self.propagated = Some(fallen.other());
        Some(LinkCommand::TakeDown(fallen.other()))
    }
}

/// Rule 18: enough pairs are up, with the hysteresis of `recovery_threshold` polls.
#[derive(Clone, Debug, Default)]
pub struct LinkFitness {
    fit: Option<bool>,
    good_polls: u32,
}

impl LinkFitness {
    /// Whether the links allow us to carry the traffic; `None` before the first poll.
    #[must_use]
    pub fn fit(&self) -> Option<bool> {
        self.fit
    }

    /// Takes the result of one poll. `minimum` 0 = off.
    pub fn poll(&mut self, pairs_up: u16, minimum: u16, recovery_threshold: u8) {
        if minimum == 0 {
            *self = Self {
                fit: Some(true),
                good_polls: 0,
            };
            return;
        }
        if pairs_up < minimum {
            self.fit = Some(false);
            self.good_polls = 0;
            return;
        }
        self.good_polls = self.good_polls.saturating_add(1);
        if self.fit.is_none() || self.good_polls >= u32::from(recovery_threshold) {
            self.fit = Some(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTLE: Duration = Duration::from_secs(3);
    const UP: PairLinks = PairLinks {
        lan: true,
        wan: true,
    };
    const NO_LAN: PairLinks = PairLinks {
        lan: false,
        wan: true,
    };
    const NONE: PairLinks = PairLinks {
        lan: false,
        wan: false,
    };

    fn at(ms: u64) -> Time {
        Time::ZERO + Duration::from_millis(ms)
    }

    fn settled() -> LinkPair {
        let mut pair = LinkPair::new(at(0), SETTLE);
        assert_eq!(pair.poll(at(1), UP, true, SETTLE), None);
        assert!(pair.up());
        pair
    }

    #[test]
    fn rule_17_the_partner_of_a_fallen_port_goes_down_and_comes_back() {
        let mut pair = settled();
        assert_eq!(
            pair.poll(at(100), NO_LAN, true, SETTLE),
            Some(LinkCommand::TakeDown(Side::Wan))
        );
        assert!(!pair.up());
        // Our own work on the WAN port is no failure of the WAN port.
        assert_eq!(pair.poll(at(200), NONE, true, SETTLE), None);
        let lan_back = PairLinks {
            lan: true,
            wan: false,
        };
        assert_eq!(
            pair.poll(at(300), lan_back, true, SETTLE),
            Some(LinkCommand::LetUp(Side::Wan))
        );
        // Autonegotiation takes its time, and LAN is not taken down meanwhile.
        assert_eq!(pair.poll(at(400), lan_back, true, SETTLE), None);
        assert_eq!(pair.poll(at(2000), UP, true, SETTLE), None);
        assert!(pair.up());
    }

    #[test]
    fn rule_17_a_port_that_does_not_settle_has_fallen_itself() {
        let mut pair = settled();
        pair.poll(at(100), NO_LAN, true, SETTLE);
        let lan_back = PairLinks {
            lan: true,
            wan: false,
        };
        pair.poll(at(200), lan_back, true, SETTLE);
        assert_eq!(pair.poll(at(3199), lan_back, true, SETTLE), None);
        assert_eq!(
            pair.poll(at(3200), lan_back, true, SETTLE),
            Some(LinkCommand::TakeDown(Side::Lan))
        );
    }

    #[test]
    fn rule_17_both_down_is_nobody_s_partner() {
        let mut pair = settled();
        assert_eq!(pair.poll(at(100), NONE, true, SETTLE), None);
        assert!(!pair.up());
        assert_eq!(pair.propagated(), None);
    }

    #[test]
    fn rule_17_off_means_off_and_releases_what_it_holds() {
        let mut pair = settled();
        assert_eq!(pair.poll(at(100), NO_LAN, false, SETTLE), None);
        assert!(!pair.up());
        let mut pair = settled();
        pair.poll(at(100), NO_LAN, true, SETTLE);
        assert_eq!(
            pair.poll(at(200), NONE, false, SETTLE),
            Some(LinkCommand::LetUp(Side::Wan))
        );
    }

    #[test]
    fn rule_17_ports_that_start_are_given_time() {
        let mut pair = LinkPair::new(at(0), SETTLE);
        assert_eq!(pair.poll(at(100), NO_LAN, true, SETTLE), None);
        assert_eq!(
            pair.poll(at(3000), NO_LAN, true, SETTLE),
            Some(LinkCommand::TakeDown(Side::Wan))
        );
    }

    #[test]
    fn rule_18_down_at_once_and_up_after_the_recovery_threshold() {
        let mut fitness = LinkFitness::default();
        assert_eq!(fitness.fit(), None);
        fitness.poll(1, 1, 3);
        assert_eq!(fitness.fit(), Some(true));
        fitness.poll(0, 1, 3);
        assert_eq!(fitness.fit(), Some(false));
        fitness.poll(1, 1, 3);
        fitness.poll(1, 1, 3);
        assert_eq!(fitness.fit(), Some(false));
        fitness.poll(0, 1, 3);
        for _ in 0..2 {
            fitness.poll(1, 1, 3);
        }
        assert_eq!(
            fitness.fit(),
            Some(false),
            "a relapse starts the count again"
        );
        fitness.poll(1, 1, 3);
        assert_eq!(fitness.fit(), Some(true));
    }

    #[test]
    fn rule_18_minimum_zero_is_off() {
        let mut fitness = LinkFitness::default();
        fitness.poll(0, 0, 3);
        assert_eq!(fitness.fit(), Some(true));
    }
}
