//! What virtual routers see, and what nodes make of it (rules 8, 10, 12 and 18).

use std::time::Duration;

use super::cluster::{Cluster, ms, quick};
use crate::events::Reason;
use crate::message::{NeighbourChunk, Role, UnfitReason};
use crate::node::Part;
use crate::observation::Request;
use crate::settings::Settings;
use twinline_time::Time;

fn carried(c: &mut Cluster, i: usize, carried: bool) {
    c.hosts[i].routers.carried_by_another = carried;
}

fn standing(c: &Cluster, i: usize, name: &str) -> bool {
    c.alarms(i).iter().any(|alarm| alarm.name() == name)
}

#[test]
fn rule_12_adverts_keep_the_passive_from_promoting_and_their_end_does_not() {
    let mut c = Cluster::settled();
    c.part();
    // Adverts are evidence only from when the heartbeats ceased on: the caller sees to that.
    carried(&mut c, 1, true);
    c.run(ms(5000));
    assert_eq!(c.roles(), [Role::Active, Role::Passive]);
    assert!(c.role_changes(1).is_empty());
    assert!(standing(&c, 1, "heard_by_adverts_only"));
    assert!(!standing(&c, 1, "no_active"));
    // Both paths are silent now.
    c.kill(0);
    carried(&mut c, 1, false);
    c.run(ms(5));
    assert_eq!(c.role_changes(1), [(Role::Active, Reason::PeerUnhealthy)]);
    assert!(!standing(&c, 1, "heard_by_adverts_only"));
}

/// Where heartbeats come, they are what counts: a peer that is there and not ACTIVE is succeeded
/// whatever the wire says.
#[test]
fn rule_12_adverts_say_nothing_while_heartbeats_come() {
    let mut c = Cluster::settled();
    carried(&mut c, 1, true);
    c.run(ms(500));
    assert!(!standing(&c, 1, "heard_by_adverts_only"));
    c.answer(0, Request::Suspend { force: false }).unwrap();
    c.run(ms(200));
    assert_eq!(c.roles(), [Role::Suspended, Role::Active]);
}

#[test]
fn rule_12_a_start_that_hears_adverts_alone_stands_by() {
    let mut c = Cluster::new(&[quick(true), quick(false)]);
    carried(&mut c, 0, true);
    c.start(0);
    c.run(ms(3000));
    assert_eq!(c.roles()[0], Role::Passive);
    carried(&mut c, 0, false);
    c.run(ms(5));
    assert_eq!(c.roles()[0], Role::Active);
}

#[test]
fn rule_18_an_interface_that_falls_hands_the_role_over() {
    let mut c = Cluster::settled();
    c.hosts[0].routers.interfaces_up = false;
    c.run(ms(300));
    assert_eq!(c.roles(), [Role::Down, Role::Active]);
    assert_eq!(c.node(0).unfit_reason(), Some(UnfitReason::InterfaceDown));
    assert_eq!(
        c.role_changes(0).last(),
        Some(&(Role::Down, Reason::InterfaceDown))
    );
    // Rule 10: both are unfit, and the incumbent stays.
    c.hosts[1].routers.interfaces_up = false;
    c.run(ms(500));
    assert_eq!(c.roles(), [Role::Down, Role::Active]);
    assert!(c.node(1).degraded());
    assert_eq!(c.doubled, 0);
}

#[test]
fn rule_18_ports_with_interfaces_count_as_links() {
    let wants = |primary| Settings {
        minimum_active_links: 3,
        ..quick(primary)
    };
    let mut c = Cluster::new(&[wants(true), wants(false)]);
    for host in &mut c.hosts {
        host.routers.links_up = 2;
    }
    c.settle();
    c.hosts[0].routers.links_up = 1;
    c.run(ms(500));
    assert_eq!(c.roles(), [Role::Down, Role::Active]);
    assert!(c.node(0).links_below_minimum());
}

#[test]
fn rule_08_neighbours_are_shared_by_the_active_with_those_that_are_not() {
    let chunk = NeighbourChunk {
        interface: 7,
        neighbours: vec![([192, 0, 2, 9].into(), [2, 0, 0, 0, 0, 9])],
    };
    let mut c = Cluster::settled();
    c.node_mut(0).share_neighbours(chunk.clone());
    // Who does not carry the traffic has nothing to share.
    c.node_mut(1).share_neighbours(chunk.clone());
    c.run(ms(50));
    assert_eq!(c.hosts[1].neighbours, [chunk]);
    assert!(c.hosts[0].neighbours.is_empty());
}

#[test]
fn a_part_is_told_for_every_phase() {
    let mut c = Cluster::new(&[quick(true), quick(false)]);
    c.start(0);
    c.run(Duration::from_millis(1));
    assert_eq!(c.node(0).part(), Part::Listening);
    let mut c = Cluster::settled();
    let parts = |c: &Cluster| [c.node(0).part(), c.node(1).part()];
    assert_eq!(parts(&c), [Part::Active, Part::Standby]);
    c.ask(0, Request::Switchover);
    c.run_until(ms(100), |c| parts(c)[0] == Part::HandingOver);
    c.run(ms(200));
    assert_eq!(parts(&c), [Part::Standby, Part::Active]);
    c.answer(0, Request::Suspend { force: true }).unwrap();
    assert_eq!(c.node(0).part(), Part::Out);
}

/// Between two steps a virtual router changes its state: its event has the time of that, and the
/// node's own clock does not go by it (what it measures of its lateness stays right).
#[test]
fn an_event_of_a_virtual_router_has_its_own_time() {
    let mut c = Cluster::settled();
    let node = c.node_mut(0);
    let before = node
        .events()
        .next_back()
        .map_or(Time::ZERO, |event| event.at);
    let happened = before + ms(12_345);
    let subject = crate::events::Subject::VirtualRouter {
        name: "gateway".into(),
        from: "backup",
        to: "active",
    };
    node.record_router(happened, 777, subject, Reason::NoActiveRouterHeard);
    let event = node.events().next_back().unwrap();
    assert_eq!((event.at, event.unix_ms), (happened, 777));
    assert_eq!(event.why, Reason::NoActiveRouterHeard);
    // Nothing was late by that.
    let late = node.lateness().late_steps;
    c.run(ms(500));
    assert_eq!(c.node(0).lateness().late_steps, late);
    assert_eq!(c.roles(), [Role::Active, Role::Passive]);
}
