//! Two hosts on a wire: they find each other, ping, age, ask again, and come to rest.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests count as tests

mod common;

use std::time::Duration;

use common::*;
use twinline_l3::{DropCause, HostConfig, NeighbourState, Output};

/// Two stations whose LANs are one wire.
struct Wire {
    ends: [Station; 2],
    /// Frames that were carried.
    carried: usize,
    cut: bool,
}

impl Wire {
    fn new(a: HostConfig, b: HostConfig) -> Wire {
        Wire {
            ends: [Station::new(a), Station::new(b)],
            carried: 0,
            cut: false,
        }
    }

    /// Carries frames until nobody says anything.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            let mut quiet = true;
            for from in 0..2 {
                let out = self.ends[from].take();
                for (_, frame) in sent(&out) {
                    quiet = false;
                    self.carried += 1;
                    let to = &mut self.ends[1 - from];
                    if !self.cut {
                        to.host.frame(to.now, LAN, &frame, &mut to.out);
                    }
                }
            }
            if quiet {
                return;
            }
        }
        panic!("they talk for ever");
    }

    fn run(&mut self, time: Duration) {
        let step = Duration::from_millis(10);
        let mut left = time;
        while left > Duration::ZERO {
            for end in &mut self.ends {
                end.run(step);
            }
            self.settle();
            left = left.saturating_sub(step);
        }
    }
}

fn two() -> Wire {
    Wire::new(
        config(vec![interface(A, &["192.0.2.1/24", "2001:db8::1/64"])]),
        config(vec![interface(B, &["192.0.2.2/24", "2001:db8::2/64"])]),
    )
}

#[test]
fn they_find_each_other_ping_age_and_ask_again() {
    for (from, to) in [("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2")] {
        let mut wire = two();
        let [a, _] = &mut wire.ends;
        // A ping of A's, as a forwarded packet would come: it waits while B is asked.
        a.host
            .unresolved(a.now, LAN, ip(to), &ping(from, to), &mut a.out);
        assert_eq!(a.state(to), Some(NeighbourState::Incomplete));
        let mut found = Vec::new();
        let mut replies = 0;
        for _ in 0..10 {
            for end in 0..2 {
                let out = wire.ends[end].take();
                for output in &out {
                    if let Output::Neighbour { ip, mac, .. } = output {
                        found.push((end, *ip, *mac));
                    }
                }
                for (_, frame) in sent(&out) {
                    if end == 1 && frame[12..14] != [8, 6] && read_icmp(&frame).source == ip(to) {
                        replies += usize::from(matches!(read_icmp(&frame).kind, 0 | 129));
                    }
                    let other = &mut wire.ends[1 - end];
                    other.host.frame(other.now, LAN, &frame, &mut other.out);
                }
            }
        }
        assert_eq!(replies, 1, "{to} answers the ping");
        assert!(found.contains(&(0, ip(to), Some(B))), "{found:?}");
        assert!(found.contains(&(1, ip(from), Some(A))), "{found:?}");
        assert_eq!(wire.ends[0].state(to), Some(NeighbourState::Reachable));
        assert_eq!(wire.ends[1].host.counters().echo_replies, 1);

        // 30 s later it is not sure any more, 5 s after that it asks B alone, and is sure again.
        let asked = |wire: &Wire| {
            let counters = wire.ends[0].host.counters();
            counters.arp_requests + counters.solicitations
        };
        let before = asked(&wire);
        wire.run(Duration::from_secs(29));
        assert_eq!(wire.ends[0].state(to), Some(NeighbourState::Reachable));
        wire.run(Duration::from_secs(3));
        assert_eq!(wire.ends[0].state(to), Some(NeighbourState::Delay));
        assert_eq!(asked(&wire), before);
        wire.run(Duration::from_secs(4));
        assert_eq!(wire.ends[0].state(to), Some(NeighbourState::Reachable));
        assert_eq!(asked(&wire), before + 1);

        // Cut off, B is given up, and the fast path is told.
        wire.cut = true;
        wire.ends[0].run(Duration::from_secs(36));
        assert_eq!(wire.ends[0].state(to), Some(NeighbourState::Probe));
        wire.ends[0].run(Duration::from_secs(3));
        assert_eq!(wire.ends[0].state(to), None);
        let gone = Output::Neighbour {
            interface: LAN,
            ip: ip(to),
            mac: None,
        };
        assert!(wire.ends[0].out.contains(&gone));
    }
}

/// Each of two stations with one address defends it once, and then is quiet.
#[test]
fn two_with_one_address_come_to_rest() {
    let same = ["192.0.2.1/24", "2001:db8::1/64"];
    let mut wire = Wire::new(
        config(vec![interface(A, &same)]),
        config(vec![interface(B, &same)]),
    );
    wire.ends[0].frame(&arp_request(C, "192.0.2.9", "192.0.2.1"));
    let news = arp_frame(&twinline_wire::arp::Repr::gratuitous(v4("192.0.2.1"), B));
    wire.ends[0]
        .host
        .frame(wire.ends[0].now, LAN, &news, &mut wire.ends[0].out);
    wire.carried = 0;
    wire.settle();
    assert!((1..=3).contains(&wire.carried), "{}", wire.carried);
    wire.run(Duration::from_secs(60));
    assert!(wire.ends[0].host.counters().conflicts >= 1);
}

#[test]
fn who_probes_for_an_address_that_is_there_does_not_use_it() {
    let same = ["192.0.2.1/24", "2001:db8::1/64"];
    let mut late = interface(B, &same);
    late.probe_ipv4 = true;
    let mut a = Station::new(config(vec![interface(A, &same)]));
    let mut b = Station::without_link(config(vec![late]));
    b.host.link(b.now, LAN, true, &mut b.out);
    for _ in 0..800 {
        for (_, frame) in sent(&b.take()) {
            a.host.frame(a.now, LAN, &frame, &mut a.out);
        }
        for (_, frame) in sent(&a.take()) {
            b.host.frame(b.now, LAN, &frame, &mut b.out);
        }
        b.run(Duration::from_millis(10));
    }
    assert_eq!(b.host.counters().conflicts, 2);
    b.dropped(
        &framed(B, C, &ping("192.0.2.9", "192.0.2.1")),
        DropCause::Tentative,
    );
    b.dropped(
        &framed(B, C, &ping("2001:db8::9", "2001:db8::1")),
        DropCause::Tentative,
    );
    assert_eq!(a.host.counters().conflicts, 0, "a probe is no claim");
}
