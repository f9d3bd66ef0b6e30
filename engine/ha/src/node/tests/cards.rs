//! Rules 14 to 16: what bypass cards are told, when they are kicked, and what they show.

use super::cluster::{BypassCard, Cluster, ms, quick};
use crate::action::CardCommand;
use crate::events::{Reason, Subject};
use crate::message::Role;
use crate::observation::Request;
use crate::settings::{Mode, Settings, Topology};

fn with_watchdog(primary: bool) -> Settings {
    Settings {
        kick_every: Some(ms(50)),
        max_flaps: 1,
        preempt: false,
        ..quick(primary)
    }
}

/// A pair whose cards are in the path that they take without software.
fn cluster(settings: [Settings; 2], path: CardCommand) -> Cluster {
    let mut c = Cluster::new(&settings);
    for host in &mut c.hosts {
        let mut card = BypassCard::new(path);
        card.expires_to = path;
        host.card = Some(card);
    }
    c
}

fn parallel() -> Cluster {
    let mut c = cluster(
        [with_watchdog(true), with_watchdog(false)],
        CardCommand::Disconnect,
    );
    c.settle();
    c
}

fn path(c: &Cluster, i: usize) -> CardCommand {
    c.hosts[i].card.as_ref().unwrap().path
}

fn card_events(c: &Cluster, i: usize) -> Vec<(CardCommand, Reason)> {
    let events = c.hosts[i].events.iter();
    events
        .filter_map(|e| match e.subject {
            Subject::Card { to, .. } => Some((to, e.why)),
            _ => None,
        })
        .collect()
}

const BYPASS: Request = Request::Bypass {
    pair: 0,
    path: CardCommand::Bypass,
    force: false,
};

#[test]
fn rule_06_cards_are_left_alone_while_it_listens_then_inline_and_kicked() {
    let mut c = cluster(
        [with_watchdog(true), with_watchdog(false)],
        CardCommand::Disconnect,
    );
    c.start(0);
    c.start(1);
    c.run(c.hosts[0].config.settings.failure_window() - ms(1));
    assert_eq!(c.hosts[0].cards, []);
    assert_eq!(c.roles(), [Role::Init, Role::Init]);
    c.run(ms(500));
    assert_eq!(c.roles(), [Role::Active, Role::Passive]);
    for i in [0, 1] {
        assert_eq!(path(&c, i), CardCommand::Inline);
        assert_eq!(c.hosts[i].cards, [CardCommand::Inline]);
        let seen = [
            (CardCommand::Disconnect, Reason::CardByItself),
            (CardCommand::Inline, Reason::CardCommanded),
        ];
        assert_eq!(card_events(&c, i), seen);
        assert_eq!(c.node(i).flaps(), 0, "nobody was elected too early");
    }
    assert_eq!(c.doubled, 0);
    let before = c.hosts[1].card.as_ref().unwrap().kicks;
    c.run(ms(1000));
    let kicks = c.hosts[1].card.as_ref().unwrap().kicks - before;
    assert!((18..=21).contains(&kicks), "{kicks} kicks in 1000 ms");
    assert!(!c.hosts.iter().any(|h| h.card.as_ref().unwrap().expired));
}

#[test]
fn rule_15_a_dead_process_and_a_hung_worker_end_in_the_cards_own_path() {
    let mut c = parallel();
    c.kill(1);
    let took = c.run_until(ms(400), |c| path(c, 1) == CardCommand::Disconnect);
    assert!(took <= ms(200), "{took:?} after the last kick at most");
    // A hung worker stops the kicks at once; the management core lives.
    c.hosts[0].worker_hangs = true;
    let took = c.run_until(ms(400), |c| path(c, 0) == CardCommand::Disconnect);
    assert!(took <= ms(200), "{took:?}");
    assert_eq!(c.roles()[0], Role::Active);
    c.run(ms(30));
    let last = card_events(&c, 0).last().copied();
    assert_eq!(
        last,
        Some((CardCommand::Disconnect, Reason::WatchdogExpired))
    );
}

#[test]
fn rule_15_a_hung_management_core_is_not_kicked_for() {
    let mut c = parallel();
    c.hosts[0].stalled_until = c.now + ms(300);
    c.run(ms(250));
    assert_eq!(path(&c, 0), CardCommand::Disconnect);
    assert_eq!(c.roles()[1], Role::Active);
    // It wakes, becomes PASSIVE, listens, and brings its card back.
    c.run(ms(6000));
    assert_eq!(path(&c, 0), CardCommand::Inline);
    assert_eq!(c.roles(), [Role::Passive, Role::Active]);
    assert_eq!(c.doubled, 0);
}

#[test]
fn rule_15_a_worker_that_comes_back_brings_the_card_back() {
    let mut c = parallel();
    c.hosts[1].worker_hangs = true;
    c.run(ms(6000));
    assert_eq!(path(&c, 1), CardCommand::Disconnect);
    assert_eq!(c.roles(), [Role::Active, Role::Down]);
    c.hosts[1].worker_hangs = false;
    c.run(ms(300));
    assert_eq!(path(&c, 1), CardCommand::Inline);
    c.run(ms(300));
    assert_eq!(c.roles(), [Role::Active, Role::Passive]);
}

#[test]
fn rule_14_the_peers_are_told_before_the_card() {
    let mut c = parallel();
    // the exit that is one too many
    for _ in 0..3 {
        let active = c.active()[0];
        c.hosts[active].cables[0].lan = false;
        c.run(ms(150));
        c.hosts[active].cables[0].lan = true;
        c.run(ms(150));
    }
    assert_eq!(c.roles(), [Role::Bypass, Role::Active]);
    assert_eq!(path(&c, 0), CardCommand::Disconnect);
    let told = c.hosts[0].told_before_cards.last().copied();
    assert_eq!(told, Some(Role::Bypass), "what the last heartbeat said");
    assert_eq!(c.doubled, 0);
}

#[test]
fn rule_14_by_topology_a_wire_or_nothing() {
    for (mode, topology, expected) in [
        (
            Mode::ActivePassive,
            Topology::Parallel,
            CardCommand::Disconnect,
        ),
        (Mode::ActivePassive, Topology::Series, CardCommand::Bypass),
        (Mode::Standalone, Topology::Parallel, CardCommand::Bypass),
    ] {
        let with = |primary| Settings {
            mode,
            topology,
            ..with_watchdog(primary)
        };
        let mut c = cluster([with(true), with(false)], CardCommand::Bypass);
        c.start(0);
        c.run(ms(500));
        assert_eq!(path(&c, 0), CardCommand::Inline, "{topology:?}");
        c.ask(0, Request::Stop);
        c.run(ms(500));
        assert!(c.hosts[0].exited);
        assert_eq!(path(&c, 0), expected, "{mode:?} {topology:?}");
    }
}

#[test]
fn rule_14_a_latch_survives_a_restart_and_leaves_the_card_where_it_is() {
    let mut c = parallel();
    c.kill(0);
    c.hosts[0].saved.latched = true;
    c.run(ms(300));
    c.forget();
    c.hosts[0].card.as_mut().unwrap().kicks = 0;
    c.start(0);
    c.run(ms(500));
    assert_eq!(c.roles()[0], Role::Bypass);
    assert_eq!(path(&c, 0), CardCommand::Disconnect);
    assert!(!c.hosts[0].cards.contains(&CardCommand::Inline));
    assert_eq!(c.hosts[0].card.as_ref().unwrap().kicks, 0);
}

#[test]
fn rule_16_clear_brings_the_card_inline_and_then_listens() {
    let mut c = parallel();
    c.kill(0);
    c.hosts[0].saved.latched = true;
    c.run(ms(300));
    c.start(0);
    c.run(ms(300));
    c.hosts[0].card.as_mut().unwrap().takes = ms(400);
    c.forget();
    assert!(c.answer(0, Request::Clear).is_ok());
    c.run(ms(390));
    assert_eq!(path(&c, 0), CardCommand::Disconnect);
    assert_eq!(c.roles()[0], Role::Init);
    c.run_until(ms(50), |c| path(c, 0) == CardCommand::Inline);
    // the whole window only now
    let window = c.hosts[0].config.settings.failure_window();
    let took = c.run_until(ms(500), |c| c.roles()[0] != Role::Init);
    assert!(took >= window, "{took:?}");
    c.run(ms(300));
    assert_eq!(c.roles(), [Role::Passive, Role::Active]);
}

#[test]
fn a_card_that_does_not_obey_is_an_alarm_until_it_does() {
    let mut c = cluster(
        [with_watchdog(true), with_watchdog(false)],
        CardCommand::Bypass,
    );
    c.hosts[0].card.as_mut().unwrap().stuck = true;
    c.start(0);
    c.run(ms(1000));
    assert_eq!(c.raised(0, "bypass_path"), 0, "it may take its time");
    c.run(ms(5000));
    assert_eq!(c.raised(0, "bypass_path"), 1);
    // It does not wait for ever for its card.
    assert_eq!(c.roles()[0], Role::Active);
    c.hosts[0].card.as_mut().unwrap().stuck = false;
    c.hosts[0].card.as_mut().unwrap().error = Some("the card is busy".into());
    c.run(ms(100));
    assert!(!c.alarms(0).iter().any(|a| a.name() == "bypass_path"));
    assert_eq!(c.raised(0, "bypass_card"), 1);
    c.hosts[0].card.as_mut().unwrap().error = None;
    c.run(ms(100));
    assert_eq!(c.alarms(0), []);
}

#[test]
fn a_pair_behind_a_closed_card_is_not_up_whatever_its_ports_say() {
    let mut c = parallel();
    let card = c.hosts[0].card.as_mut().unwrap();
    card.path = CardCommand::Bypass;
    c.run(ms(200));
    assert_eq!(c.node(0).link_pairs().iter().filter(|p| p.up()).count(), 0);
    assert_eq!(c.active(), [1], "handed over");
    let by_itself = card_events(&c, 0).last().copied();
    assert_eq!(by_itself, Some((CardCommand::Bypass, Reason::CardByItself)));
}

#[test]
fn an_operators_path_is_refused_where_it_makes_a_loop_or_stops_the_traffic() {
    let mut c = parallel();
    let why = c.answer(1, BYPASS).unwrap_err();
    assert!(why.contains("a loop"), "{why}");
    let disconnect = Request::Bypass {
        pair: 0,
        path: CardCommand::Disconnect,
        force: false,
    };
    let why = c.answer(0, disconnect).unwrap_err();
    assert!(why.contains("ha switchover"), "{why}");
    assert_eq!(
        (path(&c, 0), path(&c, 1)),
        (CardCommand::Inline, CardCommand::Inline)
    );
    assert!(c.answer(1, disconnect).is_ok());
    c.run(ms(7000));
    assert_eq!(path(&c, 1), CardCommand::Disconnect, "and stays so");
    assert_eq!(c.roles(), [Role::Active, Role::Down]);
    assert_eq!(c.alarms(1), [], "what an operator set is no alarm");
    let inline = Request::Bypass {
        pair: 0,
        path: CardCommand::Inline,
        force: false,
    };
    assert!(c.answer(1, inline).is_ok());
    c.run(ms(300));
    assert_eq!(c.roles(), [Role::Active, Role::Passive]);
    let nowhere = Request::Bypass {
        pair: 7,
        path: CardCommand::Inline,
        force: false,
    };
    assert!(c.answer(1, nowhere).unwrap_err().contains("no bypass card"));
}

#[test]
fn rule_17_ports_behind_a_card_that_comes_back_are_given_time() {
    let mut c = parallel();
    let away = Request::Bypass {
        pair: 0,
        path: CardCommand::Disconnect,
        force: false,
    };
    assert!(c.answer(1, away).is_ok());
    c.run(ms(300));
    // Its WAN port needs longer than its LAN port.
    c.hosts[1].cables[0].wan = false;
    c.forget();
    let inline = Request::Bypass {
        pair: 0,
        path: CardCommand::Inline,
        force: false,
    };
    assert!(c.answer(1, inline).is_ok());
    c.run_until(ms(100), |c| path(c, 1) == CardCommand::Inline);
    c.run(ms(40));
    c.hosts[1].cables[0].wan = true;
    c.run(ms(100));
    let events = c.hosts[1].events.iter();
    let ports = events.filter(|e| matches!(e.subject, Subject::Port { .. }));
    assert_eq!(ports.count(), 0, "no port was taken down for it");
    assert_eq!(c.roles(), [Role::Active, Role::Passive]);
}

#[test]
fn rule_15_a_card_is_not_brought_back_while_its_worker_hangs() {
    let mut c = parallel();
    // so that the last order was given long ago
    c.run(ms(6000));
    c.forget();
    // Shorter than what makes a worker a stalled one.
    c.hosts[1].worker_hangs = true;
    c.run(ms(900));
    assert_eq!(path(&c, 1), CardCommand::Disconnect);
    assert_eq!(c.hosts[1].cards, [], "no kick would follow");
    c.hosts[1].worker_hangs = false;
    c.run(ms(300));
    assert_eq!(path(&c, 1), CardCommand::Inline);
}

#[test]
fn rule_15_a_card_that_expires_again_and_again_is_brought_back_ever_more_seldom() {
    let mut c = parallel();
    c.run(ms(6000));
    c.forget();
    // No kick reaches it.
    c.hosts[1].card.as_mut().unwrap().deaf = true;
    c.run(ms(60_000));
    let orders = c.hosts[1].cards.len();
    assert!((3..=5).contains(&orders), "{orders} orders in a minute");
    let deaf = &mut c.hosts[1].card.as_mut().unwrap().deaf;
    *deaf = false;
    c.run(ms(60_000));
    assert_eq!(path(&c, 1), CardCommand::Inline);
    assert!(!c.hosts[1].card.as_ref().unwrap().expired);
}

#[test]
fn rule_16_after_a_clear_the_links_have_time_as_at_a_start() {
    let mut c = parallel();
    c.hosts[0].saved.latched = true;
    c.kill(1);
    c.kill(0);
    c.run(ms(300));
    c.hosts[0].config.settings.minimum_active_links = 1;
    c.hosts[0].saved.latched = false;
    c.start(0);
    c.run(ms(1000));
    assert_eq!(c.roles()[0], Role::Active);
    // A flap too many, and cleared; the cables take their time to come back.
    for _ in 0..2 {
        c.stall(0, ms(100));
        c.run(ms(400));
    }
    assert_eq!(c.roles()[0], Role::Bypass);
    c.hosts[0].cables[0].lan = false;
    c.hosts[0].cables[0].wan = false;
    c.run(ms(100));
    assert!(c.answer(0, Request::Clear).is_ok());
    c.run_until(ms(100), |c| path(c, 0) == CardCommand::Inline);
    let window = c.hosts[0].config.settings.failure_window();
    c.run(window + ms(40));
    assert_eq!(c.roles()[0], Role::Init, "its links are on their way");
    c.hosts[0].cables[0].lan = true;
    c.hosts[0].cables[0].wan = true;
    c.run(ms(200));
    assert_eq!(c.roles()[0], Role::Active);
}

#[test]
fn rule_14_a_pair_joined_while_no_peer_was_there_is_opened_when_one_comes() {
    for force in [false, true] {
        let mut c = parallel();
        c.kill(0);
        c.run(ms(300));
        assert_eq!(c.roles()[1], Role::Active);
        assert!(c.answer(1, Request::Suspend { force: true }).is_ok());
        c.run(ms(50));
        let join = Request::Bypass {
            pair: 0,
            path: CardCommand::Bypass,
            force,
        };
        assert!(c.answer(1, join).is_ok());
        c.run(ms(100));
        assert_eq!(path(&c, 1), CardCommand::Bypass);
        c.start(0);
        c.run_until(ms(1000), |c| c.roles()[0] == Role::Active);
        let expected = if force {
            CardCommand::Bypass
        } else {
            CardCommand::Disconnect
        };
        assert_eq!(path(&c, 1), expected, "forced: {force}");
    }
}
