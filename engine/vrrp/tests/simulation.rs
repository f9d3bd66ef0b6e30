//! Two or three virtual routers on one link, deterministic: loss, delay, drift, crash, restart and
//! stall. Adverts go over it as frames, written and read by `twinline-wire`.
//!
//! What is checked, and its bounds (`I` the interval, `SLACK` delay and lateness of the loops):
//! - with a good network and nothing happening: one Active within `4 I + SLACK`, and no change of
//!   state after that, for a minute at 10 ms;
//! - a crashed Active has a successor after `3 I + skew + SLACK`;
//! - after a partition heals two are Active for `I + SLACK` at most;
//! - after any mixture of faults exactly one is Active after `10 I`, and stays;
//! - in a hand-over there is no moment without a holder of the virtual MAC address.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests count as tests

mod common;

use common::*;
use std::time::Duration;
use twinline_vrrp::timers::active_down;
use twinline_vrrp::{Action, Event, Input, Router, Settings, Standing, State, Time};
use twinline_wire::vrrp::{Addressing, MAX_FRAME_LEN, Target, Version, parse};

/// How often the loops turn at best.
const TURN: Duration = Duration::from_micros(100);
/// The longest delay of a frame, and the longest that a loop turns late without a stall.
const DELAY: Duration = Duration::from_micros(500);
const LATE: Duration = Duration::from_micros(400);
/// One frame and the loops at both its ends, and a turn for the clocks' drift.
const SLACK: Duration = Duration::from_micros(1_500);

struct Rng(u64);

impl Rng {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n.max(1)
    }

    fn up_to(&mut self, longest: Duration) -> Duration {
        us(self.below(longest.as_micros() as u64 + 1))
    }
}

struct Node {
    settings: Settings,
    router: Option<Router>,
    /// Parts per million that its clock is fast.
    drift: i64,
    wakes_at: Time,
    /// What arrives while it is stalled is lost: its queue ran over, or the machine was stopped.
    deaf: bool,
    inbox: Vec<Vec<u8>>,
    changes: usize,
    announced: usize,
}

struct Net {
    now: Time,
    rng: Rng,
    nodes: Vec<Node>,
    wire: Vec<(Time, usize, Vec<u8>)>,
    /// When the last frame between two arrives: a link does not reorder.
    last: [[Time; 3]; 3],
    /// Percent of frames lost.
    loss: u64,
    /// Nodes on the one side of a partition.
    cut: Vec<usize>,
}

impl Net {
    fn new(seed: u64, all: Vec<Settings>) -> Net {
        let mut rng = Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let nodes = all.into_iter().enumerate().map(|(n, mut settings)| {
            settings.source = ip(&format!("10.0.0.{}", n + 1));
            Node {
                settings,
                router: None,
                drift: rng.below(401) as i64 - 200,
                wakes_at: Time::ZERO,
                deaf: false,
                inbox: Vec::new(),
                changes: 0,
                announced: 0,
            }
        });
        let nodes = nodes.collect();
        let mut net = Net {
            now: Time::ZERO,
            rng,
            nodes,
            wire: Vec::new(),
            last: [[Time::ZERO; 3]; 3],
            loss: 0,
            cut: vec![],
        };
        for n in 0..net.nodes.len() {
            net.boot(n);
        }
        net
    }

    fn local(&self, n: usize) -> Time {
        let nanos = self.now.as_nanos();
        Time::from_nanos(nanos + nanos / 1_000_000 * self.nodes[n].drift)
    }

    fn tell(&mut self, n: usize, input: Input<'_>) {
        let now = self.local(n);
        if let Some(router) = &mut self.nodes[n].router {
            let actions = router.step(now, input);
            self.obey(n, &actions);
        }
    }

    fn boot(&mut self, n: usize) {
        let router = Router::new(self.nodes[n].settings.clone()).unwrap();
        self.nodes[n].router = Some(router);
        self.nodes[n].inbox.clear();
        self.tell(n, Input::Start);
        self.tell(n, Input::InterfaceUp);
    }

    fn crash(&mut self, n: usize) {
        self.nodes[n].router = None;
    }

    fn stall(&mut self, n: usize, length: Duration) {
        self.nodes[n].wakes_at = self.now + length;
    }

    fn obey(&mut self, n: usize, actions: &[Action]) {
        for action in actions {
            match action {
                Action::SendAdvert { priority, .. } => self.send(n, *priority),
                Action::Announce { .. } => self.nodes[n].announced += 1,
                Action::Event(Event::State { .. }) => self.nodes[n].changes += 1,
                _ => {}
            }
        }
    }

    fn send(&mut self, from: usize, priority: u8) {
        let settings = &self.nodes[from].settings;
        let addressing = Addressing {
            source: settings.source,
            target: Target::Group,
            vlan: 0,
            checksum: settings.checksum,
        };
        let mut frame = [0; MAX_FRAME_LEN];
        let length = settings
            .advert(priority)
            .emit(&addressing, &mut frame)
            .unwrap();
        for to in (0..self.nodes.len()).filter(|to| *to != from) {
            let cut = self.cut.contains(&from) != self.cut.contains(&to);
            if cut || self.rng.below(100) < self.loss {
                continue;
            }
            let last = &mut self.last[from][to];
            *last = (*last).max(self.now + self.rng.up_to(DELAY));
            let arrives = *last;
            self.wire.push((arrives, to, frame[..length].to_vec()));
        }
    }

    /// One turn of everybody.
    fn turn(&mut self) {
        self.now = self.now + TURN;
        let now = self.now;
        let (arrived, rest) = std::mem::take(&mut self.wire)
            .into_iter()
            .partition(|(at, ..)| *at <= now);
        self.wire = rest;
        for (_, to, frame) in arrived as Vec<(Time, usize, Vec<u8>)> {
            // A port's queue is no longer than this.
            let room = if self.nodes[to].deaf { 0 } else { 64 };
            if self.nodes[to].inbox.len() < room {
                self.nodes[to].inbox.push(frame);
            }
        }
        for n in 0..self.nodes.len() {
            if self.nodes[n].wakes_at > now {
                continue;
            }
            // The queue first.
            for frame in std::mem::take(&mut self.nodes[n].inbox) {
                let settings = self.nodes[n].settings.clone();
                let advert = parse(&frame, |_, _| Some(settings.expect())).unwrap();
                self.tell(n, Input::Advert(advert));
            }
            let local = self.local(n);
            let router = self.nodes[n].router.as_ref();
            if router
                .and_then(|r| r.next_deadline(local))
                .is_some_and(|at| at <= local)
            {
                self.tell(n, Input::Tick);
            }
            self.nodes[n].wakes_at = self.now + self.rng.up_to(LATE);
            self.nodes[n].deaf = false;
        }
    }

    fn run(&mut self, length: Duration) {
        let until = self.now + length;
        while self.now < until {
            self.turn();
        }
    }

    fn active(&self) -> Vec<usize> {
        let is_active = |n: &usize| {
            let router = self.nodes[*n].router.as_ref();
            router.is_some_and(|router| router.state() == State::Active)
        };
        (0..self.nodes.len()).filter(is_active).collect()
    }

    fn holders(&self) -> usize {
        let routers = self.nodes.iter().filter_map(|node| node.router.as_ref());
        routers.filter(|router| router.holds_virtual_mac()).count()
    }

    fn changes(&self) -> usize {
        self.nodes.iter().map(|node| node.changes).sum()
    }

    /// How long it takes until exactly this one is Active; fails after `longest`.
    fn until_only(&mut self, who: usize, longest: Duration) -> Duration {
        let from = self.now;
        while self.active() != [who] {
            self.turn();
            let passed = self.now.since(from);
            assert!(
                passed <= longest,
                "{:?} are Active after {passed:?}",
                self.active()
            );
        }
        self.now.since(from)
    }

    /// Nothing changes any more.
    fn assert_quiet(&mut self, length: Duration) {
        let (changes, active) = (self.changes(), self.active());
        self.run(length);
        assert_eq!((self.changes(), self.active()), (changes, active));
    }
}

const QUICK: u16 = 1;
const I: Duration = Duration::from_millis(10);

fn quick(priority: u8) -> Settings {
    Settings {
        interval: centis(QUICK),
        ..settings(priority)
    }
}

fn three() -> Vec<Settings> {
    vec![quick(200), quick(150), quick(100)]
}

fn down(priority: u8) -> Duration {
    active_down(Version::V3, prio(priority), centis(QUICK))
}

#[test]
fn a_quiet_network_elects_once_and_never_flaps_at_10_ms() {
    for seed in 1..=3 {
        let mut net = Net::new(seed, three());
        net.until_only(0, 4 * I + SLACK);
        net.run(4 * I);
        assert_eq!(
            net.changes(),
            4,
            "three start, one takes over: the skew tells them apart"
        );
        net.assert_quiet(Duration::from_secs(20));
        let late: u64 = net
            .nodes
            .iter()
            .map(|node| node.router.as_ref().unwrap().counters().late)
            .sum();
        assert_eq!(late, 0);
    }
}

#[test]
fn equal_priorities_settle_on_one() {
    for seed in 1..=20 {
        let mut net = Net::new(seed, vec![quick(100); 3]);
        net.run(5 * I + SLACK);
        assert_eq!(net.active().len(), 1);
        net.assert_quiet(100 * I);
    }
}

#[test]
fn different_intervals_do_not_flap() {
    let slow = Settings {
        interval: centis(5),
        ..settings(200)
    };
    for seed in 1..=5 {
        let mut net = Net::new(seed, vec![slow.clone(), quick(150)]);
        net.until_only(0, ms(400));
        net.run(ms(200));
        assert_eq!(net.active(), [0], "the backup has learnt the slow interval");
        net.assert_quiet(ms(3000));
    }
}

#[test]
fn a_crash_has_a_successor_in_time_and_a_restart_preempts() {
    for seed in 1..=20 {
        let mut net = Net::new(seed, three());
        net.until_only(0, 4 * I + SLACK);
        net.run(2 * I + us(seed * 400));
        net.crash(0);
        let outage = net.until_only(1, down(150) + SLACK);
        assert!(outage >= 2 * I, "{outage:?}");
        net.assert_quiet(20 * I);
        net.boot(0);
        net.until_only(0, down(200) + SLACK);
        net.assert_quiet(20 * I);
    }
}

#[test]
fn without_preemption_a_restart_moves_nothing() {
    for seed in 1..=10 {
        let all = three().into_iter().map(|settings| Settings {
            preempt: false,
            ..settings
        });
        let mut net = Net::new(seed, all.collect());
        net.until_only(0, 4 * I + SLACK);
        net.crash(0);
        net.until_only(1, down(150) + SLACK);
        net.boot(0);
        net.run(50 * I);
        assert_eq!(net.active(), [1]);
    }
}

#[test]
fn a_stalled_active_does_not_take_back_without_preemption() {
    for seed in 1..=20 {
        for preempt in [false, true] {
            let all = three().into_iter().map(|settings| Settings {
                preempt,
                ..settings
            });
            let mut net = Net::new(seed, all.collect());
            net.until_only(0, 4 * I + SLACK);
            net.stall(0, 8 * I);
            net.run(8 * I + LATE + TURN);
            assert_eq!(net.active(), [1], "it steps back with its queue");
            net.run(10 * I);
            assert_eq!(net.active(), [usize::from(!preempt)]);
            net.assert_quiet(20 * I);
        }
    }
}

#[test]
fn a_stalled_backup_never_takes_over() {
    for seed in 1..=20 {
        let mut net = Net::new(seed, three());
        net.until_only(0, 4 * I + SLACK);
        net.run(4 * I);
        let changes = net.changes();
        // Not 4: a timer that is late by less than half an interval is not known to be late.
        for (length, deaf) in [
            (2, true),
            (5, true),
            (8, true),
            (50, true),
            (4, false),
            (50, false),
        ] {
            net.stall(1, length * I);
            net.nodes[1].deaf = deaf;
            net.run((length + 3) * I);
        }
        assert_eq!((net.active(), net.changes()), (vec![0], changes));
    }
}

#[test]
fn a_healed_partition_has_one_active_within_an_interval_that_announces() {
    for seed in 1..=40 {
        let mut net = Net::new(seed, three());
        net.until_only(0, 4 * I + SLACK);
        net.cut = vec![0];
        net.run(6 * I + us(seed * 250));
        assert_eq!(net.active(), [0, 1]);
        net.run(ms(1500 + seed)); // the first round of announcements is over, or in its middle
        net.cut.clear();
        let announced = net.nodes[0].announced;
        net.until_only(0, I + SLACK);
        net.run(ms(1100));
        assert!(net.nodes[0].announced > announced);
        net.assert_quiet(20 * I);
    }
}

#[test]
fn a_hand_over_leaves_no_moment_without_a_holder() {
    for seed in 1..=40 {
        let mut net = Net::new(seed, three());
        net.until_only(0, 4 * I + SLACK);
        net.run(3 * I + us(seed * 250));
        net.tell(0, Input::Standing(Standing::Resigning));
        let from = net.now;
        while net.active() != [1] || net.holders() != 1 {
            net.turn();
            assert!((1..=2).contains(&net.holders()));
            assert!(net.now.since(from) <= I + SLACK, "a skew, not a timeout");
        }
        net.assert_quiet(20 * I);
        net.tell(0, Input::Standing(Standing::Eligible));
        net.until_only(0, down(200) + SLACK);
    }
}

#[test]
fn after_any_mixture_of_faults_there_is_one_and_it_stays() {
    for seed in 1..=60 {
        let mut rng = Rng(seed * 7919);
        let mut all = three();
        for settings in &mut all {
            settings.preempt = rng.below(2) == 0;
            settings.preempt_delay = ms(rng.below(2) * rng.below(50));
            settings.priority = prio([100, 150, 200, 254, 255][rng.below(5) as usize]);
        }
        let mut net = Net::new(seed, all);
        for _ in 0..40 {
            let who = rng.below(3) as usize;
            match rng.below(9) {
                0 => net.crash(who),
                1 => net.boot(who),
                2 => net.stall(who, rng.up_to(12 * I)),
                3 => net.cut = vec![who],
                4 => net.cut.clear(),
                5 => net.loss = rng.below(101),
                6 => net.loss = 0,
                7 => net.tell(who, Input::Standing(Standing::Resigning)),
                _ => net.tell(who, Input::Standing(Standing::Eligible)),
            }
            net.run(rng.up_to(8 * I));
        }
        (net.loss, net.cut) = (0, Vec::new());
        for n in 0..3 {
            net.nodes[n].wakes_at = net.now;
            if net.nodes[n].router.is_none() {
                net.boot(n);
            }
            net.tell(n, Input::Standing(Standing::Eligible));
        }
        // A preempt delay of up to 50 ms comes on top.
        net.run(10 * I + 5 * I);
        assert_eq!(net.active().len(), 1, "seed {seed}");
        net.assert_quiet(100 * I);
    }
}
