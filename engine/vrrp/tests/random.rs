//! Random inputs: exactly the transitions of RFC 9568, no panic, bounded output, and deadlines that
//! always lie ahead.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests count as tests

mod common;

use common::*;
use proptest::collection::vec;
use proptest::prelude::*;
use std::net::IpAddr;
use std::time::Duration;
use twinline_vrrp::timers::{active_down, skew};
use twinline_vrrp::{Action, Input, Router, Settings, Standing, State, Time};
use twinline_wire::vrrp::{Advert, Interval, Version};

#[derive(Clone, Copy, Debug)]
enum Step {
    Hear(usize, u8, u16),
    Start,
    Shutdown,
    Interface(bool),
    Priority(u8),
    Standing(Standing),
    Source(usize),
}

const SOURCES: [&str; 3] = [LOWER, OURS, GREATER];

fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
    let priority = prop_oneof![
        Just(0u8),
        Just(99),
        Just(100),
        Just(101),
        Just(255),
        any::<u8>()
    ];
    let centis = prop_oneof![Just(10u16), 1..=50u16];
    let standing = prop_oneof![
        Just(Standing::Eligible),
        Just(Standing::Resigning),
        Just(Standing::Silent)
    ];
    let step = prop_oneof![
        12 => (0..3usize, priority, centis).prop_map(|(s, p, c)| Step::Hear(s, p, c)),
        2 => Just(Step::Start),
        1 => Just(Step::Shutdown),
        3 => prop::bool::weighted(0.8).prop_map(Step::Interface),
        1 => (1..=255u8).prop_map(Step::Priority),
        2 => standing.prop_map(Step::Standing),
        1 => (0..3usize).prop_map(Step::Source),
    ];
    // Microseconds to the next: often less than an interval, at times more than a timer.
    vec(
        (prop_oneof![0..5_000u64, 0..150_000u64, 0..900_000u64], step),
        1..80,
    )
}

fn input(step: Step) -> Input<'static> {
    match step {
        Step::Hear(source, priority, interval) => Input::Advert(Advert {
            interval: centis(interval),
            ..heard(SOURCES[source], priority)
        }),
        Step::Start => Input::Start,
        Step::Shutdown => Input::Shutdown,
        Step::Interface(true) => Input::InterfaceUp,
        Step::Interface(false) => Input::InterfaceDown,
        Step::Priority(priority) => Input::Priority(prio(priority)),
        Step::Standing(standing) => Input::Standing(standing),
        Step::Source(source) => Input::Source(ip(SOURCES[source])),
    }
}

/// The state machine as RFC 9568, section 6.4, has it, written down a second time without anything
/// beside it but the bound on answers.
struct Rfc {
    state: State,
    priority: u8,
    preempt: bool,
    source: IpAddr,
    own: Interval,
    active_interval: Interval,
    timer: Time,
    answered: Option<Time>,
}

impl Rfc {
    fn down(&self) -> Duration {
        active_down(Version::V3, prio(self.priority), self.active_interval)
    }

    /// Fires what is due up to `until`; when and with which priority it sent.
    fn fire(&mut self, until: Time, sent: &mut Vec<(Time, u8)>) {
        while self.state != State::Initialize && self.timer <= until {
            sent.push((self.timer, self.priority));
            if self.state == State::Backup {
                self.state = State::Active;
                self.answered = None;
            }
            self.timer = self.timer + self.own.duration();
        }
    }

    fn startup(&mut self, now: Time, sent: &mut Vec<(Time, u8)>) {
        self.active_interval = self.own;
        if self.priority == 255 {
            sent.push((now, 255));
            self.state = State::Active;
            self.answered = None;
            self.timer = now + self.own.duration();
        } else {
            self.state = State::Backup;
            self.timer = now + self.down();
        }
    }

    fn shutdown(&mut self, now: Time, sent: &mut Vec<(Time, u8)>) {
        if self.state == State::Active {
            sent.push((now, 0));
        }
        self.state = State::Initialize;
    }

    fn may_answer(&mut self, now: Time) -> bool {
        let may = self
            .answered
            .is_none_or(|at| now.since(at) >= self.own.duration() / 4);
        if may {
            self.answered = Some(now);
        }
        may
    }

    fn hear(&mut self, now: Time, advert: &Advert<'_>, sent: &mut Vec<(Time, u8)>) {
        match self.state {
            State::Initialize => {}
            State::Backup => {
                if advert.priority == 0 {
                    self.timer = now + skew(Version::V3, prio(self.priority), self.active_interval);
                } else if !(self.preempt || self.priority == 255)
                    || advert.priority >= self.priority
                {
                    self.active_interval = advert.interval;
                    self.timer = now + self.down();
                }
            }
            State::Active => {
                let wins = advert.priority > self.priority
                    || advert.priority == self.priority && advert.source > self.source;
                if advert.priority == 0 {
                    if self.may_answer(now) {
                        sent.push((now, self.priority));
                        self.timer = now + self.own.duration();
                    }
                } else if wins {
                    self.state = State::Backup;
                    self.active_interval = advert.interval;
                    self.timer = now + self.down();
                } else if advert.source != self.source && self.may_answer(now) {
                    sent.push((now, self.priority));
                }
            }
        }
    }
}

fn sends(now: Time, actions: &[Action]) -> Vec<(Time, u8)> {
    sent(actions)
        .into_iter()
        .map(|priority| (now, priority))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// On time, the router does what the RFC says, at the nanosecond when it says it.
    #[test]
    fn it_is_the_rfcs_state_machine(
        steps in steps(), preempt in any::<bool>(), priority in prop_oneof![Just(100u8), 1..=255u8],
    ) {
        let mut router = Router::new(Settings { preempt, ..settings(priority) }).unwrap();
        let mut rfc = Rfc {
            state: State::Initialize, priority, preempt, source: ip(OURS), own: centis(10),
            active_interval: centis(10), timer: Time::ZERO, answered: None,
        };
        let (mut started, mut up) = (false, false);
        let mut now = Time::ZERO;
        for (wait, step) in steps {
            let then = now + us(wait);
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            for (when, action) in run(&mut router, now, then) {
                ours.extend(sends(when, &[action]));
            }
            now = then;
            rfc.fire(now, &mut theirs);
            // What is not the RFC's, or not of one of its events, is the other test's.
            let step = match step {
                Step::Priority(_) | Step::Standing(_) | Step::Source(_) => Step::Start,
                step => step,
            };
            ours.extend(sends(now, &router.step(now, input(step))));
            match step {
                Step::Hear(..) => {
                    let Input::Advert(advert) = input(step) else { unreachable!() };
                    rfc.hear(now, &advert, &mut theirs);
                }
                Step::Shutdown => { started = false; rfc.shutdown(now, &mut theirs); }
                Step::Interface(false) => { up = false; rfc.state = State::Initialize; }
                Step::Interface(true) => up = true,
                _ => started = true,
            }
            if started && up && rfc.state == State::Initialize {
                rfc.startup(now, &mut theirs);
            }
            prop_assert_eq!(ours, theirs, "{:?} at {:?}", step, now);
            prop_assert_eq!(router.state(), rfc.state, "{:?} at {:?}", step, now);
        }
    }

    /// Late ticks, clocks that go back, everything at any time: whatever comes is bounded, the
    /// virtual MAC address is taken and dropped in turns and held while Active, and a tick leaves
    /// no deadline behind.
    #[test]
    fn anything_is_taken(
        steps in steps(), late in vec(0..400_000u64, 80), back in vec(prop::bool::weighted(0.05), 80),
        preempt in any::<bool>(), delay in 0..500u64, old in any::<bool>(),
    ) {
        let mut settings = Settings { preempt, preempt_delay: ms(delay), ..settings(100) };
        settings.addresses = (1..=9).map(|n| ip(&format!("10.0.0.{}", 200 + n))).collect();
        settings.peers = vec![ip(LOWER), ip(GREATER)];
        if old {
            (settings.version, settings.interval) = (Version::V2, Interval::from_secs(1).unwrap());
        }
        // Adverts to both peers, announcements of all addresses, and at most eight others.
        let most = 2 + 9 + 8;
        let mut router = Router::new(settings.clone()).unwrap();
        let mut now = Time::ZERO;
        let mut held = false;
        for (n, (wait, step)) in steps.into_iter().enumerate() {
            now = if back[n] { now - us(wait) } else { now + us(wait) };
            let mut input = input(step);
            if let Input::Advert(advert) = &mut input {
                advert.version = settings.version;
                if old && n % 4 > 0 {
                    advert.interval = settings.interval;
                }
            }
            for (when, input) in [(now, input), (now + us(late[n]), Input::Tick)] {
                let actions = router.step(when, input);
                prop_assert!(actions.len() <= most, "{} actions", actions.len());
                for action in &actions {
                    match action {
                        Action::TakeVirtualMac => {
                            prop_assert!(!held);
                            held = true;
                        }
                        Action::DropVirtualMac => {
                            prop_assert!(held);
                            held = false;
                        }
                        Action::SendAdvert { .. } | Action::Announce { .. } => prop_assert!(held),
                        Action::Event(_) => {}
                    }
                }
                prop_assert_eq!(held, router.holds_virtual_mac());
                prop_assert!(held || router.state() != State::Active);
                prop_assert!(router.next_deadline(when).is_none_or(|next| next >= when));
            }
            if !back[n] && n > 0 && !back[..n].contains(&true) {
                let when = now + us(late[n]);
                prop_assert!(router.next_deadline(when).is_none_or(|next| next > when));
            }
            now = now + us(late[n]);
        }
    }
}
