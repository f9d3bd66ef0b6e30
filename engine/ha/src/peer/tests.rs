use super::*;
use crate::message::Flags;

const OWN: OwnSession = OwnSession {
    instance: 1,
    boot: 70,
    recent_seq: 50,
};
const NANO: Duration = Duration::from_nanos(1);

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn at(n: u64) -> Time {
    Time::ZERO + ms(n)
}

fn thresholds(failure: u8, recovery: u8) -> Thresholds {
    Thresholds {
        interval: ms(100),
        failure,
        recovery,
    }
}

fn heartbeat() -> Heartbeat {
    Heartbeat {
        role: Role::Passive,
        flags: Flags::FIT,
        successor: 0,
        epoch: 1,
        unfit: None,
        pairs_up: 1,
        pairs_total: 1,
        bandwidth_bps: 0,
        flaps: 0,
        interval: ms(100),
        failure_threshold: 3,
        config_digest: 7,
        tx_time: Time::ZERO,
        echoes: Vec::new(),
    }
}

fn echo(seq: u64) -> Echo {
    Echo {
        instance: 1,
        boot: 70,
        seq,
        tx_time: at(900),
        hold: ms(30),
        health: Health::Healthy,
        paths: Paths(1),
    }
}

/// A peer and what it is judged by.
struct Bench {
    peer: Peer,
    thresholds: Thresholds,
    /// Between its last two steps.
    slept: Duration,
}

impl Bench {
    fn new(failure: u8, recovery: u8) -> Self {
        Self {
            peer: Peer::new(2, 0, Time::ZERO),
            thresholds: thresholds(failure, recovery),
            slept: Duration::ZERO,
        }
    }

    /// Admits and hears one heartbeat.
    fn beat(&mut self, now: Time, boot: u64, seq: u64) -> Result<Option<HealthChange>, Refusal> {
        self.say(now, boot, seq, heartbeat())
    }

    fn say(
        &mut self,
        now: Time,
        boot: u64,
        seq: u64,
        heartbeat: Heartbeat,
    ) -> Result<Option<HealthChange>, Refusal> {
        self.say_on(Path::HaPort, now, boot, seq, heartbeat)
    }

    fn say_on(
        &mut self,
        path: Path,
        now: Time,
        boot: u64,
        seq: u64,
        heartbeat: Heartbeat,
    ) -> Result<Option<HealthChange>, Refusal> {
        let accepted = self.peer.admit(
            (self.slept, ms(100)),
            (boot, seq),
            path,
            &heartbeat.echoes,
            &OWN,
        )?;
        Ok(self
            .peer
            .heard(now, path, accepted.news, &heartbeat, &OWN, &self.thresholds))
    }

    fn judge(&mut self, now: Time, late: bool) -> Option<HealthChange> {
        self.peer.judge(now, late, &self.thresholds)
    }

    /// HEALTHY by heartbeats every 100 ms, the last one at `last` with sequence number 10.
    fn healthy(failure: u8, last: Time) -> Self {
        let mut bench = Self::new(failure, 3);
        for k in 0..10 {
            bench
                .beat(last - ms(100) * (9 - k), 5, u64::from(k) + 1)
                .unwrap();
        }
        assert_eq!(bench.peer.health(), Health::Healthy);
        bench
    }
}

#[test]
fn rule_01_unhealthy_at_threshold_times_interval_and_not_a_nanosecond_earlier() {
    for failure in [1, 2, 3, 7, 255] {
        let mut bench = Bench::healthy(failure, at(2000));
        let deadline = at(2000) + ms(100) * u32::from(failure);
        assert_eq!(bench.judge(deadline - NANO, false), None);
        assert_eq!(bench.peer.health(), Health::Healthy);
        let change = bench.judge(deadline, false).unwrap();
        assert_eq!(
            (change.from, change.to),
            (Health::Healthy, Health::Unhealthy)
        );
        assert!(!bench.peer.present());
        assert_eq!(bench.peer.failed_checks(), u64::from(failure));
    }
}

#[test]
fn rule_01_judged_slot_by_slot_the_deadline_is_the_same() {
    let mut bench = Bench::healthy(3, at(2000));
    // A loop that is not aligned with the slots.
    let mut now = at(2000);
    while now < at(2300) {
        assert_eq!(bench.judge(now, false), None, "at {now:?}");
        now = now + Duration::from_micros(7_300);
    }
    assert!(bench.judge(now, false).is_some());
    assert!(now.since(at(2300)) < Duration::from_micros(7_300));
}

#[test]
fn rule_01_next_deadline_leads_to_the_failure_without_polling() {
    let mut bench = Bench::healthy(3, at(2000));
    let mut wakes = Vec::new();
    loop {
        let next = bench.peer.next_deadline(ms(100)).unwrap();
        wakes.push(next);
        if bench.judge(next, false).is_some() {
            break;
        }
    }
    assert_eq!(wakes, [at(2100), at(2200), at(2300)]);
}

#[test]
fn rule_01_the_larger_of_both_intervals_counts() {
    // The peer's is larger.
    let mut bench = Bench::healthy(3, at(2000));
    let slow = Heartbeat {
        interval: ms(250),
        ..heartbeat()
    };
    bench.say(at(2100), 5, 11, slow).unwrap();
    assert_eq!(bench.judge(at(2100) + ms(750) - NANO, false), None);
    assert!(bench.judge(at(2100) + ms(750), false).is_some());
    // Ours is larger.
    let mut bench = Bench::healthy(3, at(2000));
    let fast = Heartbeat {
        interval: ms(1),
        ..heartbeat()
    };
    bench.say(at(2100), 5, 11, fast).unwrap();
    assert_eq!(bench.judge(at(2400) - NANO, false), None);
    assert!(bench.judge(at(2400), false).is_some());
}

#[test]
fn rule_01_a_heartbeat_in_the_last_moment_starts_the_count_again() {
    let mut bench = Bench::healthy(3, at(2000));
    assert_eq!(bench.judge(at(2299), false), None);
    assert_eq!(bench.peer.missed(), 2);
    bench.beat(at(2299), 5, 11).unwrap();
    assert_eq!(bench.peer.missed(), 0);
    assert_eq!(bench.judge(at(2598), false), None);
    assert!(bench.judge(at(2599), false).is_some());
}

#[test]
fn rule_01_silence_from_the_start_is_no_failure() {
    let mut bench = Bench::new(3, 3);
    assert_eq!(bench.judge(at(1_000_000), false), None);
    assert_eq!(bench.peer.health(), Health::Unknown);
    assert_eq!(bench.peer.next_deadline(ms(100)), None);
}

#[test]
fn rule_01_an_absurd_interval_does_not_overflow() {
    let mut bench = Bench::healthy(255, at(2000));
    for (seq, interval) in [(11, Duration::MAX), (12, Duration::ZERO)] {
        bench
            .say(
                at(2000),
                5,
                seq,
                Heartbeat {
                    interval,
                    ..heartbeat()
                },
            )
            .unwrap();
        bench.judge(Time::from_nanos(i64::MAX), false);
    }
}

#[test]
fn rule_02_healthy_after_the_recovery_threshold_and_not_one_earlier() {
    for recovery in [1, 2, 5, 255] {
        let mut bench = Bench::new(3, recovery);
        for k in 1..u64::from(recovery) {
            assert_eq!(bench.beat(at(k * 100), 5, k), Ok(None));
        }
        let change = bench
            .beat(at(90_000), 5, u64::from(recovery))
            .unwrap()
            .unwrap();
        assert_eq!((change.from, change.to), (Health::Unknown, Health::Healthy));
    }
}

#[test]
fn rule_02_a_gap_starts_the_recovery_again() {
    let mut bench = Bench::healthy(3, at(2000));
    assert!(bench.judge(at(2300), false).is_some());
    assert_eq!(bench.beat(at(2400), 5, 11), Ok(None));
    assert_eq!(bench.beat(at(2500), 5, 12), Ok(None));
    // 13 is lost.
    assert_eq!(bench.beat(at(2700), 5, 14), Ok(None));
    assert_eq!(bench.beat(at(2800), 5, 15), Ok(None));
    assert_eq!(bench.peer.health(), Health::Unhealthy);
    assert!(bench.beat(at(2900), 5, 16).unwrap().is_some());
    assert_eq!(bench.peer.lost(), 1);
}

#[test]
fn rule_02_a_gap_does_not_make_a_healthy_peer_unhealthy() {
    let mut bench = Bench::healthy(3, at(2000));
    assert_eq!(bench.beat(at(2200), 5, 12), Ok(None));
    assert_eq!(bench.peer.health(), Health::Healthy);
}

#[test]
fn rule_02_a_new_boot_starts_the_recovery_again() {
    let mut bench = Bench::new(3, 3);
    bench.beat(at(100), 5, 1).unwrap();
    bench.beat(at(200), 5, 2).unwrap();
    bench.judge(at(300), false);
    assert_eq!(bench.beat(at(300), 6, 1), Ok(None));
    assert_eq!(bench.beat(at(400), 6, 2), Ok(None));
    assert_ne!(bench.peer.health(), Health::Healthy);
    assert!(bench.beat(at(500), 6, 3).unwrap().is_some());
}

#[test]
fn rule_02_a_healthy_peer_that_was_restarted_has_to_show_it_again() {
    let mut bench = Bench::healthy(3, at(2000));
    let proof = [echo(60)];
    let accepted = bench
        .peer
        .admit(
            (Duration::ZERO, ms(100)),
            (6, 1),
            Path::HaPort,
            &proof,
            &OWN,
        )
        .unwrap();
    assert!(accepted.new_boot);
    assert_eq!(
        accepted.health,
        Some(HealthChange {
            from: Health::Healthy,
            to: Health::Unknown
        })
    );
    let limits = thresholds(3, 3);
    bench
        .peer
        .heard(at(2010), Path::HaPort, true, &heartbeat(), &OWN, &limits);
    assert_eq!(bench.peer.health(), Health::Unknown);
    assert!(bench.peer.present(), "somebody is there all the same");
    assert_eq!(bench.beat(at(2110), 6, 2), Ok(None));
    assert!(bench.beat(at(2210), 6, 3).unwrap().is_some());
}

#[test]
fn rule_02_jitter_does_not_reset_the_count() {
    let mut bench = Bench::new(3, 5);
    let arrivals = [0, 180, 185, 460, 470];
    for (k, ms) in (1..).zip(arrivals) {
        assert_eq!(bench.judge(at(ms), false), None);
        let change = bench.beat(at(ms), 5, k).unwrap();
        assert_eq!(change.is_some(), k == 5);
    }
    assert_eq!(bench.peer.health(), Health::Healthy);
}

#[test]
fn rule_03_our_own_lateness_restarts_the_slot() {
    let mut bench = Bench::healthy(3, at(2000));
    bench.judge(at(2100), false);
    assert_eq!(bench.peer.missed(), 1);
    // We slept for half a second: two slots are still to be missed from here on.
    assert_eq!(bench.judge(at(2600), true), None);
    assert_eq!(bench.peer.missed(), 1);
    assert_eq!(bench.judge(at(2800) - NANO, false), None);
    assert!(bench.judge(at(2800), false).is_some());
}

#[test]
fn rule_03_lateness_never_moves_a_slot_back() {
    let mut bench = Bench::healthy(1, at(2000));
    assert_eq!(bench.judge(at(1900), true), None);
    assert_eq!(bench.judge(at(2100) - NANO, false), None);
    assert!(bench.judge(at(2100), false).is_some());
}

#[test]
fn rule_04_the_round_trip_leaves_out_what_the_peer_held() {
    let mut bench = Bench::new(3, 3);
    let said = Heartbeat {
        echoes: vec![echo(60)],
        ..heartbeat()
    };
    bench.say(at(950), 5, 1, said).unwrap();
    assert_eq!(bench.peer.rtt(), Some(ms(20)));
    // A hold that is longer than the whole way (a clock that drifts) keeps the last figure.
    let odd = Echo {
        hold: ms(500),
        ..echo(61)
    };
    bench
        .say(
            at(960),
            5,
            2,
            Heartbeat {
                echoes: vec![odd],
                ..heartbeat()
            },
        )
        .unwrap();
    assert_eq!(bench.peer.rtt(), Some(ms(20)));
}

#[test]
fn rule_04_a_one_way_path_is_seen_from_the_echo() {
    let mut bench = Bench::new(3, 3);
    bench.beat(at(100), 5, 1).unwrap();
    assert_eq!(bench.peer.hears_us_at(), None);
    let with = |e: Echo| Heartbeat {
        echoes: vec![e],
        ..heartbeat()
    };
    bench.say(at(200), 5, 2, with(echo(50))).unwrap();
    assert_eq!(bench.peer.hears_us_at(), Some(at(200)));
    // What it heard long ago, what it heard of an earlier run of ours, what it heard of others.
    bench.say(at(300), 5, 3, with(echo(49))).unwrap();
    bench
        .say(
            at(400),
            5,
            4,
            with(Echo {
                boot: 69,
                ..echo(60)
            }),
        )
        .unwrap();
    bench
        .say(
            at(500),
            5,
            5,
            with(Echo {
                instance: 3,
                ..echo(60)
            }),
        )
        .unwrap();
    assert_eq!(bench.peer.hears_us_at(), Some(at(200)));
}

#[test]
fn rule_05_replay_is_dropped() {
    let mut bench = Bench::healthy(3, at(2000));
    for seq in [10, 9, 1, 0] {
        assert_eq!(bench.beat(at(2100), 5, seq), Err(Refusal::Replay));
    }
    assert_eq!(bench.peer.heartbeats(), 10);
    assert!(
        bench.judge(at(2300), false).is_some(),
        "a replay is no sign of life"
    );
}

#[test]
fn rule_05_an_old_session_is_refused() {
    let mut bench = Bench::healthy(3, at(2000));
    bench.judge(at(2100), false);
    bench.beat(at(2110), 6, 1).unwrap();
    for boot in [0, 4, 5] {
        assert_eq!(bench.beat(at(2150), boot, 1000), Err(Refusal::OldSession));
    }
    assert_eq!(bench.peer.boot(), 6);
}

#[test]
fn rule_05_a_fresh_start_refuses_captures_by_the_state_file() {
    let mut bench = Bench::new(3, 3);
    bench.peer = Peer::new(2, 40, Time::ZERO);
    assert_eq!(bench.beat(at(100), 40, 1000), Err(Refusal::OldSession));
    assert_eq!(bench.beat(at(100), 39, 1000), Err(Refusal::OldSession));
    assert!(!bench.peer.present());
    assert_eq!(bench.beat(at(100), 41, 1), Ok(None));
}

#[test]
fn rule_05_a_clock_set_back_is_believed_with_a_fresh_echo_only() {
    let mut bench = Bench::new(3, 3);
    bench.peer = Peer::new(2, 40, Time::ZERO);
    let with = |e: Echo| Heartbeat {
        echoes: vec![e],
        ..heartbeat()
    };
    let refused = Err(Refusal::OldSession);
    assert_eq!(bench.beat(at(100), 3, 1), refused);
    assert_eq!(bench.say(at(100), 3, 2, with(echo(49))), refused, "stale");
    assert_eq!(
        bench.say(
            at(100),
            3,
            3,
            with(Echo {
                boot: 69,
                ..echo(60)
            })
        ),
        refused
    );
    assert_eq!(
        bench.say(
            at(100),
            3,
            4,
            with(Echo {
                instance: 9,
                ..echo(60)
            })
        ),
        refused
    );
    assert_eq!(bench.say(at(100), 3, 5, with(echo(50))), Ok(None));
    assert_eq!((bench.peer.boot(), bench.peer.highest_boot()), (3, 40));
}

#[test]
fn rule_05_a_clock_set_back_does_not_displace_a_living_session() {
    let mut bench = Bench::healthy(3, at(2000));
    let fresh = Heartbeat {
        echoes: vec![echo(60)],
        ..heartbeat()
    };
    bench.say(at(2000), 5, 11, fresh.clone()).unwrap();
    assert_eq!(
        bench.say(at(2010), 3, 1, fresh.clone()),
        Err(Refusal::OldSession)
    );
    bench.judge(at(2300), false).unwrap();
    assert_eq!(bench.say(at(2310), 3, 2, fresh), Ok(None));
    assert_eq!(bench.peer.boot(), 3);
}

/// Found by the simulation (seed 1001616): a capture of a session of which nothing had been heard
/// displaced the ACTIVE peer's, and made a second one ACTIVE.
#[test]
fn rule_05_a_larger_boot_id_does_not_displace_a_living_session_without_proof() {
    let fresh = Heartbeat {
        echoes: vec![echo(60)],
        ..heartbeat()
    };
    let living = || {
        let mut bench = Bench::healthy(3, at(2000));
        bench.say(at(2000), 5, 11, fresh.clone()).unwrap();
        bench
    };
    let mut bench = living();
    assert_eq!(bench.beat(at(2010), 6, 1), Err(Refusal::OldSession));
    assert_eq!(bench.peer.health(), Health::Healthy);
    let restarted = HealthChange {
        from: Health::Healthy,
        to: Health::Unknown,
    };
    let accepted = bench.peer.admit(
        (Duration::ZERO, ms(100)),
        (6, 2),
        Path::HaPort,
        &fresh.echoes,
        &OWN,
    );
    assert_eq!(accepted.map(|a| a.health), Ok(Some(restarted)));
    let mut bench = living();
    bench.judge(at(2100), false);
    bench.beat(at(2110), 6, 1).unwrap();
    assert_eq!(bench.peer.boot(), 6, "a slot was missed");
    // Found by the simulation (seeds 14150, 6006068): restarts that were slept through, with the last
    // word of the session before in the same queue.
    let mut bench = living();
    bench.slept = ms(100);
    bench.say(at(2400), 5, 12, fresh.clone()).unwrap();
    for boot in [6, 7] {
        bench.beat(at(2400), boot, 1).unwrap();
        assert_eq!(bench.peer.boot(), boot);
    }
}

/// Found by the simulation (seed 500981): after a long sleep the queue holds a dead session with the
/// larger boot id, and the living one after it.
#[test]
fn rule_05_a_session_that_hears_us_replaces_one_that_never_showed_it() {
    let mut bench = Bench::healthy(3, at(2000));
    let fresh = Heartbeat {
        echoes: vec![echo(60)],
        ..heartbeat()
    };
    assert_eq!(bench.beat(at(2010), 4, 1), Err(Refusal::OldSession));
    bench.say(at(2010), 4, 2, fresh.clone()).unwrap();
    assert_eq!(bench.peer.boot(), 4);
    let refused = Err(Refusal::OldSession);
    assert_eq!(bench.say(at(2020), 3, 1, fresh), refused, "4 hears us");
}

/// Found by the simulation (seed 502357): after such a capture the peer itself was refused for ever.
#[test]
fn rule_05_retired_sessions_come_back_only_with_proof_and_where_nobody_is() {
    let mut bench = Bench::new(1, 1);
    let fresh = || Heartbeat {
        echoes: vec![echo(60)],
        ..heartbeat()
    };
    bench.beat(at(100), 50, 1).unwrap();
    for (boot, s) in [(3, 70), (4, 80), (2, 100)] {
        bench.judge(at(s * 1000), false);
        bench.say(at(s * 1000), boot, 1, fresh()).unwrap();
    }
    let refused = Err(Refusal::OldSession);
    for boot in [50, 3, 4] {
        assert_eq!(bench.say(at(100_010), boot, 99, fresh()), refused);
    }
    bench.judge(at(200_000), false);
    assert!(!bench.peer.present());
    assert_eq!(bench.beat(at(200_000), 3, 99), refused, "no proof");
    bench.say(at(200_000), 3, 99, fresh()).unwrap();
    assert_eq!((bench.peer.boot(), bench.peer.highest_boot()), (3, 50));
}

#[test]
fn rule_08_goodbye_ends_the_presence_at_once() {
    let mut bench = Bench::healthy(3, at(2000));
    let goodbye = Heartbeat {
        flags: Flags::STOPPING,
        ..heartbeat()
    };
    let change = bench
        .say(at(2010), 5, 11, goodbye.clone())
        .unwrap()
        .unwrap();
    assert_eq!(change.to, Health::Unhealthy);
    assert!(bench.peer.said_goodbye() && !bench.peer.present());
    assert_eq!(bench.peer.role(), None);
    // Said again, it is no news.
    assert_eq!(bench.say(at(2011), 5, 12, goodbye), Ok(None));
    // The next process of this instance.
    bench.beat(at(2100), 6, 1).unwrap();
    assert!(!bench.peer.said_goodbye());
    bench.beat(at(2200), 6, 2).unwrap();
    assert!(bench.beat(at(2300), 6, 3).unwrap().is_some());
}

/// Without this, the lesser of two ACTIVE would take the role back the moment after it yielded.
#[test]
fn rule_09_an_unhealthy_peer_that_is_heard_again_is_there() {
    let mut bench = Bench::healthy(3, at(2000));
    bench.judge(at(2300), false).unwrap();
    assert_eq!(bench.peer.role(), None);
    bench.beat(at(2400), 5, 14).unwrap();
    assert_eq!(bench.peer.health(), Health::Unhealthy);
    assert!(bench.peer.present());
    assert_eq!(bench.peer.role(), Some(Role::Passive));
    assert_eq!(bench.judge(at(2699), false), None);
    assert!(bench.peer.present());
    assert_eq!(bench.judge(at(2700), false), None, "UNHEALTHY is no news");
    assert!(!bench.peer.present());
}

#[test]
fn rule_03_one_slot_is_counted_for_each_late_turn_after_the_first() {
    let mut bench = Bench::healthy(3, at(2000));
    for (now, missed) in [(2200, 0), (2400, 1), (2450, 1), (2650, 2)] {
        assert_eq!(bench.judge(at(now), true), None);
        assert_eq!(bench.peer.missed(), missed, "at {now}");
    }
    assert!(bench.judge(at(2850), true).is_some());
    // One heartbeat in the queue, and the peer is not to blame.
    let mut bench = Bench::healthy(3, at(2000));
    for (k, now) in (11..).zip([2200, 2400, 2600, 2800]) {
        bench.beat(at(now), 5, k).unwrap();
        assert_eq!(bench.judge(at(now), true), None);
        assert_eq!(bench.peer.missed(), 0);
    }
}

/// Found by the simulation (seed 3).
#[test]
fn rule_12_an_address_share_that_overtakes_a_heartbeat_on_the_other_path_does_not_silence_it() {
    let mut bench = Bench::healthy(3, at(1000));
    // Heartbeat 11 is lost on the HA path, share 12 is not sent in-band.
    bench
        .peer
        .admit((Duration::ZERO, ms(100)), (5, 12), Path::HaPort, &[], &OWN)
        .unwrap();
    let mut word = heartbeat();
    word.role = Role::Active;
    let said = bench.say_on(Path::InBand, at(1001), 5, 11, word.clone());
    assert_eq!(said, Ok(None));
    assert_eq!(bench.peer.role(), Some(Role::Active));
    assert_eq!(bench.peer.heartbeats(), 11);
    // Its copy is no news.
    assert_eq!(
        bench.say(at(1002), 5, 11, word),
        Err(Refusal::Replay),
        "the share came by this path already"
    );
}
