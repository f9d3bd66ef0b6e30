//! Rule 12: two paths for heartbeats.

use std::time::Duration;

use super::cluster::{Cluster, ms, quick};
use crate::events::Reason;
use crate::message::{Health, Path, Role};
use crate::observation::Request;
use crate::settings::Settings;

fn with_in_band(primary: bool) -> Settings {
    Settings {
        in_band: true,
        ..quick(primary)
    }
}

fn pair() -> Cluster {
    let mut c = Cluster::new(&[with_in_band(true), with_in_band(false)]);
    c.settle();
    c
}

fn names(c: &Cluster, i: usize) -> Vec<&'static str> {
    c.alarms(i).iter().map(|a| a.name()).collect()
}

#[test]
fn rule_12_ha_dead_and_in_band_alive_keeps_the_roles_and_raises_an_alarm() {
    let mut c = pair();
    c.part();
    c.run(ms(10_000));
    assert_eq!(c.roles(), [Role::Active, Role::Passive]);
    for i in 0..2 {
        assert!(c.role_changes(i).is_empty(), "{:?}", c.role_changes(i));
        assert_eq!(names(&c, i), ["ha_path_down"]);
        let peer = c.node(i).peers().next().unwrap();
        assert_eq!(peer.health(), Health::Healthy);
        assert_eq!(peer.track(Path::HaPort).health(), Health::Unhealthy);
        assert_eq!(peer.track(Path::InBand).health(), Health::Healthy);
    }
    assert_eq!((c.doubled, c.dark), (0, 0));
    c.mend();
    c.run(ms(200));
    assert!(names(&c, 0).is_empty() && names(&c, 1).is_empty());
    assert!(c.role_changes(0).is_empty() && c.role_changes(1).is_empty());
}

#[test]
fn rule_12_ha_alive_and_in_band_dead_is_an_alarm_and_no_more() {
    let mut c = pair();
    c.part_in_band();
    c.run(ms(10_000));
    assert_eq!(c.roles(), [Role::Active, Role::Passive]);
    for i in 0..2 {
        assert!(c.role_changes(i).is_empty());
        assert_eq!(names(&c, i), ["in_band_down"]);
    }
    // What the peer reports is trusted: an orderly hand-over goes on as ever.
    c.answer(0, Request::Switchover).unwrap();
    c.run(ms(100));
    assert_eq!(c.roles(), [Role::Passive, Role::Active]);
    assert_eq!(c.doubled, 0);
    c.cut_in_band.clear();
    c.run(ms(200));
    assert!(names(&c, 0).is_empty() && names(&c, 1).is_empty());
}

#[test]
fn rule_12_a_dead_ha_path_freezes_preemption() {
    let mut c = pair();
    c.kill(0);
    c.run_until(ms(200), |c| c.roles()[1] == Role::Active);
    c.part();
    c.start(0);
    c.run(ms(5000));
    assert_eq!(c.roles(), [Role::Passive, Role::Active], "found in-band");
    assert_eq!(c.doubled, 0);
    c.mend();
    // The delay of 500 ms begins when the path is good again, doubled by the one flap.
    c.run(ms(800));
    assert_eq!(c.roles(), [Role::Passive, Role::Active]);
    c.run(ms(800));
    assert_eq!(c.roles(), [Role::Active, Role::Passive]);
    assert_eq!(c.doubled, 0);
}

#[test]
fn rule_12_a_dead_ha_path_freezes_the_bandwidth_trigger() {
    let watched = |primary| Settings {
        bandwidth_enabled: true,
        bandwidth_minimum_bps: 1_000_000,
        bandwidth_interval: Duration::from_secs(1),
        ..with_in_band(primary)
    };
    let mut c = Cluster::new(&[watched(true), watched(false)]);
    c.settle();
    c.hosts[0].traffic_bps = 8_000_000;
    c.run(ms(3000));
    c.part();
    c.run(ms(100));
    c.hosts[0].traffic_bps = 0;
    c.run(ms(5000));
    assert_eq!(c.roles(), [Role::Active, Role::Passive]);
    c.mend();
    c.run(ms(1500));
    assert_eq!(c.roles(), [Role::Passive, Role::Active]);
}

#[test]
fn rule_12_an_operator_and_failing_links_still_move_the_role_in_band() {
    let mut c = pair();
    c.part();
    c.run(ms(500));
    c.answer(0, Request::Switchover).unwrap();
    c.run(ms(200));
    assert_eq!(c.roles(), [Role::Passive, Role::Active]);
    assert_eq!((c.doubled, c.dark), (0, 0));
    // And the addresses were shared in-band: the new one tells the switches.
    assert!(!c.hosts[1].announced.is_empty());
}

#[test]
fn rule_12_both_dead_promotes_within_the_window_and_heals_by_rule_9() {
    let mut c = pair();
    c.part();
    c.part_in_band();
    let took = c.run_until(ms(100), |c| c.roles() == [Role::Active, Role::Active]);
    assert!(took >= ms(20), "{took:?}");
    c.run(ms(500));
    c.mend();
    c.cut_in_band.clear();
    c.run(ms(60));
    // The later takeover has the larger epoch: the secondary stays.
    assert_eq!(c.roles(), [Role::Passive, Role::Active]);
    assert_eq!(
        c.role_changes(0).last(),
        Some(&(Role::Passive, Reason::DualActiveYielded))
    );
}

#[test]
fn rule_12_both_dead_and_own_links_below_the_minimum_promotes_nobody() {
    let mut c = pair();
    // The passive one is cut off: its data cables, and then the HA cable.
    c.hosts[1].cables[0].lan = false;
    c.hosts[1].cables[0].wan = false;
    c.run(ms(200));
    c.part();
    c.run(ms(5000));
    assert_eq!(c.roles(), [Role::Active, Role::Down]);
    assert!(names(&c, 1).contains(&"no_active"));
    // With its links back it stands for the office as ever.
    c.kill(0);
    c.hosts[1].cables[0].lan = true;
    c.hosts[1].cables[0].wan = true;
    c.run_until(ms(500), |c| c.roles()[1] == Role::Active);
}

#[test]
fn rule_12_one_way_loss_is_seen_from_both_ends() {
    let mut c = pair();
    c.cut.insert((0, 1));
    c.run(ms(500));
    assert_eq!(c.roles(), [Role::Active, Role::Passive]);
    let said = |i: usize| c.alarms(i)[0].to_string();
    assert_eq!(names(&c, 0), ["ha_path_one_way"]);
    assert_eq!(names(&c, 1), ["ha_path_one_way"]);
    assert!(said(0).starts_with("instance 2 does not hear us on the HA path"));
    assert!(said(1).starts_with("we do not hear instance 1 on the HA path"));
    c.mend();
    c.cut_in_band.insert((1, 0));
    c.run(ms(500));
    let said = |i: usize| c.alarms(i)[0].to_string();
    assert!(said(0).starts_with("we do not hear instance 2 on the in-band path"));
    assert!(said(1).starts_with("instance 1 does not hear us on the in-band path"));
    assert!(c.role_changes(0).is_empty() && c.role_changes(1).is_empty());
}

#[test]
fn rule_12_a_start_with_a_dead_ha_path_finds_the_active_peer_in_band() {
    for late in 0..2 {
        let mut c = pair();
        let other = 1 - late;
        c.kill(late);
        c.run_until(ms(300), |c| c.roles()[other] == Role::Active);
        c.part();
        c.hosts[late].ha_carrier = false;
        c.hosts[other].ha_carrier = false;
        c.run(ms(100));
        c.forget();
        c.start(late);
        c.run(ms(6000));
        assert_eq!(c.active(), [other]);
        assert_eq!(c.doubled, 0);
        assert!(c.role_changes(other).is_empty());
    }
}

#[test]
fn rule_12_the_death_of_a_peer_is_seen_at_the_same_time_with_two_paths() {
    let mut c = pair();
    c.kill(0);
    let took = c.run_until(ms(100), |c| c.roles()[1] == Role::Active);
    // Three slots from the last heartbeat on either path.
    assert!(took <= ms(32), "{took:?}");
}

/// Found by the simulation (seed 124): the alarm was cleared because another one was to come.
#[test]
fn rule_12_a_path_that_is_broken_in_another_way_is_still_told() {
    let mut c = pair();
    c.cut_in_band.insert((1, 0));
    c.run(ms(500));
    c.cut_in_band.insert((0, 1));
    for _ in 0..100 {
        for i in 0..2 {
            assert_eq!(names(&c, i).len(), 1, "{:?}", names(&c, i));
        }
        c.run(ms(2));
    }
    assert_eq!(names(&c, 0), ["in_band_down"]);
    assert_eq!(names(&c, 1), ["in_band_down"]);
    c.cut_in_band.remove(&(0, 1));
    c.run(ms(200));
    assert_eq!(names(&c, 0), ["in_band_one_way"]);
}

/// Found by the simulation (seed 9): who does not hear its peer in-band only probes, so the peer
/// hears it now and then, and what is wrong changes faster than it was told.
#[test]
fn rule_12_a_path_that_is_broken_in_changing_ways_is_told() {
    let mut c = pair();
    c.cut_in_band.insert((0, 1));
    c.cut_in_band.insert((1, 0));
    for round in 0..20 {
        c.cut_in_band.remove(&(1, 0));
        c.run(ms(12));
        c.cut_in_band.insert((1, 0));
        c.run(ms(38));
        for i in (0..2).filter(|_| round > 1) {
            assert_eq!(names(&c, i).len(), 1, "{round}");
        }
    }
}
