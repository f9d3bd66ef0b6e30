//! Two paths, one role (rule 12): the heartbeats' verdict and VRRP's, reconciled.
//!
//! | mode | who decides | what VRRP adds |
//! |---|---|---|
//! | `active-passive` | the HA node: its virtual routers follow its part | its election goes on among routers that are not of the stack: a better one keeps the addresses |
//! | `standalone`, `active-active` | VRRP, each virtual router by its own priority | - |
//!
//! Functions here are pure: what the node and the wire say goes in, what the virtual routers are
//! told comes out.

use std::time::Duration;

use twinline_ha::message::{Health, Role};
use twinline_ha::node::Part;
use twinline_ha::{Mode, Node, Time};
use twinline_vrrp::Standing;

/// What the HA node has decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HaVerdict {
    /// `ha.mode`
    pub mode: Mode,
    /// The part that this instance plays.
    pub part: Part,
    /// It is fit to carry traffic.
    pub fit: bool,
}

/// What the virtual routers are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// From now on.
    pub standing: Standing,
    /// Once: do not wait for Active_Down_Timer.
    pub take_over: bool,
}

/// What the virtual routers are told, by what the node decides now and played before.
#[must_use]
pub fn told(before: Option<Part>, now: HaVerdict) -> Told {
    let leads = now.mode == Mode::ActivePassive;
    let standing = match (now.part, leads) {
        // Who may not decide yet says nothing.
        (Part::Listening, _) => Standing::Silent,
        // Suspended, latched, about to end: whoever else is there is told so.
        (Part::Out, _) => Standing::Resigning,
        // The successor takes over as soon as it hears; until then what comes is carried on.
        (Part::HandingOver, true) => Standing::Resigning,
        (Part::Active, true) => Standing::Eligible,
        (Part::Standby, _) => Standing::Silent,
        // Without a peer that the role could go to, VRRP alone decides, and who is not fit gives up.
        (Part::Active | Part::HandingOver, false) if now.fit => Standing::Eligible,
        (Part::Active | Part::HandingOver, false) => Standing::Resigning,
    };
    let take_over = leads && now.part == Part::Active && before != Some(Part::Active);
    Told {
        standing,
        take_over,
    }
}

/// What one of our virtual routers hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Its interface passes frames.
    pub interface_up: bool,
    /// When another router's advert (of a priority above 0) was heard last, and for how long it
    /// speaks for its sender.
    pub advert: Option<(Time, Duration)>,
}

/// Whether adverts show that the peer lives though its heartbeats ceased.
///
/// It is so when *every* virtual router whose interface passes frames is carried by another one: a
/// router that is not of the stack and carries some of them shows nothing, and whoever promotes then
/// takes the rest. And only adverts count that came after the heartbeats had ceased: later than
/// one and a half heartbeat intervals after the last one. What a peer said before it died does not
/// keep its successor waiting.
#[must_use]
pub fn peer_shows_itself(
    now: Time,
    last_heartbeat: Option<Time>,
    interval: Duration,
    routers: impl Iterator<Item = Heard>,
) -> bool {
    let ceased = last_heartbeat.map(|at| at + interval + interval / 2);
    let mut any = false;
    for router in routers.filter(|router| router.interface_up) {
        any = true;
        let lives = router.advert.is_some_and(|(at, speaks_for)| {
            now.since(at) < speaks_for && ceased.is_none_or(|ceased| at >= ceased)
        });
        if !lives {
            return false;
        }
    }
    any
}

/// Whether every peer is well, was heard by heartbeat just now, and says that it is PASSIVE; false
/// without peers. What an advert says of another one then is old.
#[must_use]
pub fn peers_say_passive(now: Time, node: &Node) -> bool {
    let soon = node.settings().interval * 2;
    let mut any = false;
    let all = node.peers().all(|peer| {
        any = true;
        let fresh = peer.last().is_some_and(|last| now.since(last.at) < soon);
        let passive = peer
            .heartbeat()
            .is_some_and(|heartbeat| heartbeat.role == Role::Passive);
        fresh && passive && peer.health() == Health::Healthy
    });
    any && all
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTS: [Part; 5] = [
        Part::Listening,
        Part::Standby,
        Part::Active,
        Part::HandingOver,
        Part::Out,
    ];
    const MODES: [Mode; 3] = [Mode::Standalone, Mode::ActivePassive, Mode::ActiveActive];

    fn verdict(mode: Mode, part: Part, fit: bool) -> HaVerdict {
        HaVerdict { mode, part, fit }
    }

    fn at(ms: u64) -> Time {
        Time::ZERO + Duration::from_millis(ms)
    }

    #[test]
    fn rule_12_active_passive_follows_the_part() {
        let standing = |part, fit| told(None, verdict(Mode::ActivePassive, part, fit)).standing;
        for fit in [true, false] {
            // Rule 10: an ACTIVE that is not fit and has no successor carries on.
            assert_eq!(standing(Part::Active, fit), Standing::Eligible);
            assert_eq!(standing(Part::HandingOver, fit), Standing::Resigning);
            assert_eq!(standing(Part::Standby, fit), Standing::Silent);
            assert_eq!(standing(Part::Listening, fit), Standing::Silent);
            assert_eq!(standing(Part::Out, fit), Standing::Resigning);
        }
    }

    #[test]
    fn rule_12_without_a_role_vrrp_decides_and_the_unfit_gives_up() {
        for mode in [Mode::Standalone, Mode::ActiveActive] {
            let fit = told(None, verdict(mode, Part::Active, true));
            let unfit = told(None, verdict(mode, Part::Active, false));
            assert_eq!((fit.standing, fit.take_over), (Standing::Eligible, false));
            assert_eq!(
                (unfit.standing, unfit.take_over),
                (Standing::Resigning, false)
            );
        }
    }

    /// Only the ACTIVE of an active-passive stack ever skips the wait, and once a tenure.
    #[test]
    fn rule_12_taking_over_is_told_once_on_becoming_active() {
        for mode in MODES {
            for part in PARTS {
                for before in PARTS.into_iter().map(Some).chain([None]) {
                    let told = told(before, verdict(mode, part, true));
                    let expected = mode == Mode::ActivePassive
                        && part == Part::Active
                        && before != Some(Part::Active);
                    assert_eq!(told.take_over, expected, "{mode:?} {before:?} {part:?}");
                    assert!(!told.take_over || told.standing == Standing::Eligible);
                }
            }
        }
    }

    /// A hand-over that failed: the old one is ACTIVE again, and so are its virtual routers.
    #[test]
    fn rule_08_a_hand_over_that_failed_takes_the_addresses_back() {
        let back = told(
            Some(Part::HandingOver),
            verdict(Mode::ActivePassive, Part::Active, true),
        );
        assert!(back.take_over);
    }

    fn heard(up: bool, advert_ms: Option<u64>) -> Heard {
        Heard {
            interface_up: up,
            advert: advert_ms.map(|ms| (at(ms), Duration::from_millis(400))),
        }
    }

    fn shows(now_ms: u64, last_ms: Option<u64>, routers: &[Heard]) -> bool {
        let interval = Duration::from_millis(100);
        peer_shows_itself(
            at(now_ms),
            last_ms.map(at),
            interval,
            routers.iter().copied(),
        )
    }

    #[test]
    fn rule_12_adverts_after_the_heartbeats_ceased_show_a_peer_that_lives() {
        assert!(shows(1300, Some(1000), &[heard(true, Some(1200))]));
        // The advert that it sent before it died shows nothing.
        assert!(!shows(1300, Some(1000), &[heard(true, Some(1140))]));
        assert!(shows(1300, Some(1000), &[heard(true, Some(1150))]));
        // It ceased as well.
        assert!(!shows(1600, Some(1000), &[heard(true, Some(1200))]));
        // At a start nobody was heard yet.
        assert!(shows(300, None, &[heard(true, Some(10))]));
        assert!(!shows(300, None, &[]));
    }

    /// Never leave both down: a router of others that carries one of ours keeps us from nothing.
    #[test]
    fn rule_12_every_virtual_router_has_to_be_carried() {
        let (carried, silent) = (heard(true, Some(1200)), heard(true, None));
        assert!(!shows(1300, Some(1000), &[carried, silent]));
        assert!(shows(1300, Some(1000), &[carried, carried]));
        // Where our own interface is down nothing can be heard.
        assert!(shows(1300, Some(1000), &[carried, heard(false, None)]));
        assert!(!shows(1300, Some(1000), &[heard(false, Some(1200))]));
    }
}
