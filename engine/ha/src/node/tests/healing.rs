//! Rules 9 and 10: two ACTIVE, and none fit.

use super::cluster::{Cluster, ms, quick};
use crate::events::Reason;
use crate::link_pairs::PairLinks;
use crate::message::Role;
use crate::settings::Settings;

const NO_CABLES: PairLinks = PairLinks {
    lan: false,
    wan: false,
};
const CABLES: PairLinks = PairLinks {
    lan: true,
    wan: true,
};

/// Both ACTIVE by a parted HA wire.
fn parted(settings: &[Settings]) -> Cluster {
    let mut c = Cluster::new(settings);
    c.settle();
    c.part();
    c.run(ms(200));
    assert_eq!(c.active(), [0, 1]);
    c.forget();
    c
}

/// Mends the wire and says who stayed; checks that the other yielded once, within one interval.
fn heal(c: &mut Cluster) -> usize {
    let interval = c
        .hosts
        .iter()
        .map(|h| h.config.settings.interval)
        .max()
        .unwrap();
    c.mend();
    // A heartbeat within one interval, a tick on the way, a tick to decide.
    c.run(interval + c.tick * 3);
    let active = c.active();
    assert_eq!(active.len(), 1, "{:?}", c.roles());
    let (stays, yields) = (active[0], 1 - active[0]);
    c.hosts[stays].announced.clear();
    c.forget_doubled();
    c.run(ms(400));
    assert_eq!(c.active(), [stays]);
    assert_eq!(c.role_changes(stays), [], "the winner stays as it is");
    assert_eq!(
        c.role_changes(yields).len(),
        1,
        "{:?}",
        c.role_changes(yields)
    );
    assert_eq!(c.role_changes(yields)[0].1, Reason::DualActiveYielded);
    assert_eq!(c.node(yields).flaps(), 1);
    assert_eq!(c.doubled, 0);
    assert!(
        !c.hosts[stays].announced.is_empty(),
        "the winner announces again"
    );
    stays
}

#[test]
fn rule_09_two_active_heal_within_one_interval_and_the_later_takeover_stays() {
    for phase in 0..10 {
        let mut c = parted(&[quick(true), quick(false)]);
        c.run(ms(phase));
        assert_eq!(heal(&mut c), 1);
    }
}

#[test]
fn rule_09_with_slow_recovery_the_one_that_yielded_does_not_come_back() {
    let slow = |primary| Settings {
        recovery_threshold: 20,
        ..quick(primary)
    };
    let mut c = parted(&[slow(true), slow(false)]);
    assert_eq!(heal(&mut c), 1);
}

#[test]
fn rule_09_the_fit_one_stays() {
    let mut c = parted(&[quick(true), quick(false)]);
    c.hosts[1].cables[0] = NO_CABLES;
    c.run(ms(50));
    c.forget();
    assert_eq!(heal(&mut c), 0);
}

#[test]
fn rule_09_more_link_pairs_stay() {
    let mut c = Cluster::new(&[quick(true), quick(false)]);
    c.hosts[0].config.pairs = 2;
    c.hosts[0].cables.push(CABLES);
    c.settle();
    c.part();
    c.run(ms(200));
    c.forget();
    assert_eq!(heal(&mut c), 0);
}

/// Started apart: the same epoch on both sides.
fn apart(settings: &[Settings]) -> Cluster {
    let mut c = Cluster::new(settings);
    c.part();
    c.start(0);
    c.start(1);
    c.run(ms(500));
    assert_eq!(c.active(), [0, 1]);
    c.learn(0, crate::message::Side::Lan, [2, 0, 0, 0, 0, 1]);
    c.learn(1, crate::message::Side::Lan, [2, 0, 0, 0, 0, 1]);
    c.run(ms(50));
    c.forget();
    c
}

#[test]
fn rule_09_of_the_same_epoch_the_primary_stays() {
    for primary in [0, 1] {
        let mut c = apart(&[quick(primary == 0), quick(primary == 1)]);
        assert_eq!(heal(&mut c), primary);
    }
}

#[test]
fn rule_09_of_the_same_epoch_without_a_primary_the_smaller_id_stays() {
    let mut c = apart(&[quick(false), quick(false)]);
    assert_eq!(heal(&mut c), 0);
}

/// One direction of the HA wire is dead: whoever hears yields, or nobody ever would.
#[test]
fn rule_09_who_is_not_heard_yields_to_a_deaf_peer() {
    for deaf in [0, 1] {
        let mut c = parted(&[quick(true), quick(false)]);
        c.mend();
        c.cut.insert((1 - deaf, deaf));
        c.run(ms(200));
        assert_eq!(c.active(), [deaf]);
        c.forget();
        c.run(ms(2000));
        assert_eq!(c.active(), [deaf]);
        assert_eq!(c.role_changes(1 - deaf), []);
        assert_eq!(c.doubled, 0);
        let deaf_id = if deaf == 0 { 1 } else { 2 };
        assert!(
            c.alarms(1 - deaf)
                .contains(&crate::events::Alarm::OneWay(deaf_id))
        );
    }
}

/// A passive instance that is not heard by the ACTIVE is seen from both ends, and nothing moves.
#[test]
fn rule_09_a_one_way_path_moves_no_role() {
    for deaf in [0, 1] {
        let mut c = Cluster::settled();
        c.cut.insert((1 - deaf, deaf));
        c.run(ms(2000));
        let expected = if deaf == 0 { vec![0] } else { vec![1] };
        assert_eq!(c.active(), expected);
        assert_eq!(c.raised(1 - deaf, "one_way"), 1);
    }
}

#[test]
fn rule_09_no_alarm_about_a_deaf_peer_when_the_wire_is_mended() {
    let mut c = parted(&[quick(true), quick(false)]);
    heal(&mut c);
    assert_eq!((c.raised(0, "one_way"), c.raised(1, "one_way")), (0, 0));
}

#[test]
fn rule_10_when_both_are_unfit_the_incumbent_stays_degraded() {
    let mut c = Cluster::settled();
    c.hosts[1].cables[0] = NO_CABLES;
    c.run(ms(100));
    c.hosts[0].cables[0] = NO_CABLES;
    c.run(ms(1000));
    assert_eq!(c.roles(), [Role::Active, Role::Down]);
    assert!(c.node(0).degraded());
    assert_eq!(c.raised(0, "degraded"), 1);
    // The first one that is fit takes over.
    c.hosts[1].cables[0] = CABLES;
    c.run(ms(300));
    assert_eq!(c.roles(), [Role::Down, Role::Active]);
    assert_eq!(c.doubled, 0);
}

#[test]
fn rule_10_both_lose_their_links_at_once() {
    let mut c = Cluster::settled();
    c.hosts[0].cables[0] = NO_CABLES;
    c.hosts[1].cables[0] = NO_CABLES;
    c.run(ms(2000));
    assert_eq!(c.active().len(), 1);
    let changes = c.role_changes(0).len() + c.role_changes(1).len();
    assert!(changes <= 3, "nothing is thrown back and forth: {changes}");
}

#[test]
fn rule_10_the_active_one_dies_while_the_other_is_unfit() {
    let mut c = Cluster::settled();
    c.hosts[1].cables[0] = NO_CABLES;
    c.run(ms(100));
    c.kill(0);
    c.run(ms(50));
    assert_eq!(c.roles(), [Role::Down, Role::Active]);
    assert!(c.node(1).degraded());
    // Back and fit, the primary is the better one.
    c.start(0);
    c.run(ms(300));
    assert_eq!(c.roles(), [Role::Active, Role::Down]);
    assert_eq!(c.doubled, 0);
}

#[test]
fn rule_10_an_unfit_pair_that_starts_has_one_active() {
    let mut c = Cluster::new(&[quick(true), quick(false)]);
    c.hosts[0].cables[0] = NO_CABLES;
    c.hosts[1].cables[0] = NO_CABLES;
    c.start(0);
    c.start(1);
    c.run(ms(200));
    assert_eq!(c.active(), [0]);
}

#[test]
fn rule_18_down_says_so_hands_over_and_is_fit_again_after_the_threshold() {
    let mut c = Cluster::settled();
    c.hosts[0].cables[0].lan = false;
    c.run(ms(100));
    assert_eq!(c.roles(), [Role::Down, Role::Active]);
    assert_eq!(c.dark, 0);
    let heard = c.node(1).peers().next().and_then(|p| p.heartbeat());
    assert_eq!(
        heard.and_then(|h| h.unfit),
        Some(crate::message::UnfitReason::LinksBelowMinimum)
    );
    c.hosts[0].cables[0].lan = true;
    c.forget();
    c.run(ms(20));
    assert_eq!(c.roles()[0], Role::Down);
    c.run(ms(60));
    assert_eq!(c.role_changes(0), [(Role::Passive, Reason::LinksRecovered)]);
}

#[test]
fn rule_17_the_partner_goes_down_with_its_port_and_rule_19_a_passive_keeps_its_links() {
    let mut c = Cluster::settled();
    c.hosts[1].cables[0].wan = false;
    c.run(ms(50));
    let port = |up| {
        move |e: &&crate::events::Event| {
            e.subject
                == crate::events::Subject::Port {
                    pair: 0,
                    side: crate::message::Side::Lan,
                    up,
                }
        }
    };
    assert_eq!(c.hosts[1].events.iter().filter(port(false)).count(), 1);
    c.hosts[1].cables[0].wan = true;
    c.run(ms(100));
    assert_eq!(c.hosts[1].events.iter().filter(port(true)).count(), 1);
    assert!(c.node(1).link_pairs()[0].up());
    c.forget();
    c.run(ms(1000));
    assert_eq!(c.hosts[1].events, [], "a passive instance touches no port");
}
