//! Rule 21: hand over once when the traffic stays away, and never bounce.

use std::time::Duration;

use super::cluster::{Cluster, ms, quick};
use crate::events::Reason;
use crate::message::Role;
use crate::observation::Request;
use crate::settings::Settings;

const GOOD: u64 = 8_000_000;
const MINIMUM: u64 = 1_000_000;

fn watched() -> Cluster {
    let with = |primary| Settings {
        bandwidth_enabled: true,
        bandwidth_minimum_bps: MINIMUM,
        bandwidth_interval: Duration::from_secs(1),
        ..quick(primary)
    };
    let mut c = Cluster::new(&[with(true), with(false)]);
    c.start(0);
    c.start(1);
    c.settle();
    c.forget();
    c
}

#[test]
fn rule_21_hands_over_once_and_does_not_bounce() {
    let mut c = watched();
    c.hosts[0].traffic_bps = GOOD;
    c.run(ms(3000));
    assert_eq!(c.roles(), [Role::Active, Role::Passive]);
    c.hosts[0].traffic_bps = 0;
    // The average over a second falls below an eighth of what it was within that second.
    let took = c.run_until(ms(1500), |c| c.roles()[1] == Role::Active);
    assert!(took > ms(800), "{took:?}");
    c.run(ms(50));
    assert_eq!(
        c.role_changes(0).last(),
        Some(&(Role::Passive, Reason::BandwidthBelowMinimum))
    );
    assert_eq!(c.doubled, 0);
    // Nor does preemption take back what failed; the idle new ACTIVE never was armed.
    c.forget();
    c.run(ms(30_000));
    assert_eq!(c.roles(), [Role::Passive, Role::Active]);
    assert!(c.role_changes(0).is_empty() && c.role_changes(1).is_empty());
}

#[test]
fn rule_21_the_one_that_failed_already_is_no_successor() {
    let mut c = watched();
    c.hosts[0].traffic_bps = GOOD;
    c.hosts[1].traffic_bps = GOOD;
    c.run(ms(3000));
    c.hosts[0].traffic_bps = 0;
    c.run_until(ms(1500), |c| c.roles()[1] == Role::Active);
    // It works there for a while, so it is armed; then it stops there as well.
    c.run(ms(3000));
    c.hosts[1].traffic_bps = 0;
    c.forget();
    c.run(ms(10_000));
    assert_eq!(c.roles(), [Role::Passive, Role::Active]);
    assert!(c.role_changes(1).is_empty());
    // An operator's clear on the first one lets it be a successor again.
    assert!(c.answer(0, Request::Clear).is_ok());
    c.run_until(ms(500), |c| c.roles()[0] == Role::Active);
}

#[test]
fn rule_21_idle_instances_never_hand_over() {
    let mut c = watched();
    c.run(ms(30_000));
    assert_eq!(c.roles(), [Role::Active, Role::Passive]);
    assert!(c.role_changes(0).is_empty() && c.role_changes(1).is_empty());
}

#[test]
fn rule_21_without_a_fit_peer_the_incumbent_stays() {
    let mut c = watched();
    c.hosts[0].traffic_bps = GOOD;
    c.run(ms(3000));
    c.kill(1);
    c.hosts[0].traffic_bps = 0;
    c.run(ms(5000));
    assert_eq!(c.roles()[0], Role::Active);
}

#[test]
fn rule_21_off_is_off() {
    let mut c = Cluster::settled();
    c.hosts[0].traffic_bps = GOOD;
    c.run(ms(25_000));
    c.hosts[0].traffic_bps = 0;
    c.forget();
    c.run(ms(25_000));
    assert!(c.role_changes(0).is_empty());
}

#[test]
fn rule_21_switched_on_by_a_reload_it_is_armed_by_a_whole_interval_first() {
    let mut c = Cluster::settled();
    c.hosts[0].traffic_bps = GOOD;
    c.run(ms(25_000));
    c.hosts[0].traffic_bps = 0;
    c.run(ms(25_000));
    for i in [0, 1] {
        let settings = Settings {
            bandwidth_enabled: true,
            bandwidth_minimum_bps: MINIMUM,
            ..c.hosts[i].config.settings.clone()
        };
        c.node_mut(i).apply(settings, 7);
    }
    c.forget();
    c.run(ms(25_000));
    assert_eq!(c.roles(), [Role::Active, Role::Passive]);
    assert!(c.role_changes(0).is_empty());
}
