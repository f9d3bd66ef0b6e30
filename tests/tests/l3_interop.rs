//! VRRP beside other people's routers: elections in both directions, judged on the wire.
//!
//! The peers alone come first (`bed_...`): they prove the bed and the reader of adverts. All need
//! root; keepalived and FRR come with `sh setup/interop.sh`, and without them the tests fail and
//! say so. Where the kernel cannot make what FRR needs, a line on standard error says that it was
//! skipped.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, not excepted"
)]

use std::time::{Duration, Instant};
use twinline_tests::fair::on_a_fair_machine;
use twinline_tests::l3::election::Contest;
use twinline_tests::l3::frame::Heard;
use twinline_tests::l3::ours::{self, Plan};
use twinline_tests::l3::router::{Maker, Router as _, Vrrp};
use twinline_tests::l3::tap::{Record, Tap};
use twinline_tests::l3::{bed, tool};
use twinline_tests::run::Run;
use twinline_tests::topology::Side;
use twinline_tests::{LabError, Result};

use Maker::{Frr, Keepalived, Ours};

fn ok(what: &str, played: Result<Contest>) {
    match played {
        Ok(contest) => assert!(
            contest.faults.is_empty(),
            "{what}: {:#?}{}",
            contest.faults,
            contest.logs()
        ),
        Err(e @ LabError::Missing { .. }) => {
            panic!("{what}: {e}; all that these tests need: sh setup/interop.sh")
        }
        Err(e) => panic!("{what}: {e}"),
    }
}

/// Everything that two routers do with each other, the better one on side `better`.
fn whole_election(makers: [Maker; 2], better: Side, vrrp: &Vrrp) {
    let what = format!("{makers:?}, {better} better, {vrrp}");
    ok(&what, play(makers, better, vrrp));
}

fn play(makers: [Maker; 2], better: Side, vrrp: &Vrrp) -> Result<Contest> {
    let priority = |side: Side| Vrrp {
        priority: if side == better { 200 } else { 100 },
        ..vrrp.clone()
    };
    let begin = Instant::now();
    let mut contest = Contest::lay(makers, Side::BOTH.map(priority), None)?;
    let frr = makers.iter().position(|maker| *maker == Frr);
    if let Some(i) = frr
        && !tool::has_macvlan(contest.topology.appliance(Side::BOTH[i]))
    {
        let why = "this kernel makes no macvlan, which FRR's vrrpd needs";
        tool::skipped(&format!("{makers:?}"), why);
        return Ok(contest);
    }
    let worse = better.other();
    if vrrp.unicast {
        // nobody hears it: its peer is not there to be resolved yet
        contest.start(worse)?;
    } else {
        contest.start_and_lead(worse)?;
    }
    if vrrp.preempt {
        contest.start_and_lead(better)?;
    } else {
        contest.start_and_follow(better)?;
        contest.kill_and_look(worse)?;
        contest.start_and_follow(worse)?;
    }
    contest.kill_and_look(better)?;
    if vrrp.preempt {
        contest.start_and_lead(better)?;
        contest.end_and_look(better)?;
    } else {
        contest.start_and_follow(better)?;
        contest.end_and_look(worse)?;
    }
    contest.check_adverts(begin, 2);
    Ok(contest)
}

fn v3(interval_ms: u32) -> Vrrp {
    Vrrp {
        interval_ms,
        ..Vrrp::default()
    }
}

fn v6(interval_ms: u32) -> Vrrp {
    Vrrp {
        interval_ms,
        ipv6: true,
        ..Vrrp::default()
    }
}

fn v2() -> Vrrp {
    Vrrp {
        version: 2,
        interval_ms: 1000,
        ..Vrrp::default()
    }
}

/// Elections, each in a bed of its own, at the same time: they wait for the most part.
fn at_once(elections: &[([Maker; 2], Side, Vrrp)]) {
    std::thread::scope(|scope| {
        for (makers, better, vrrp) in elections {
            scope.spawn(|| whole_election(*makers, *better, vrrp));
        }
    });
}

#[test]
fn bed_keepalived_beside_keepalived() {
    on_a_fair_machine(|| {
        let both = [Keepalived, Keepalived];
        let unwilling = Vrrp {
            preempt: false,
            ..v3(100)
        };
        let unicast = Vrrp {
            unicast: true,
            ..v3(10)
        };
        at_once(&[
            (both, Side::A, v3(100)),
            (both, Side::B, v6(100)),
            (both, Side::A, unwilling),
            (both, Side::A, unicast),
        ]);
    });
}

#[test]
fn bed_frr_beside_keepalived() {
    on_a_fair_machine(|| {
        at_once(&[
            ([Frr, Keepalived], Side::A, v3(100)),
            ([Keepalived, Frr], Side::A, v6(100)),
        ]);
    });
}

/// Both directions: ours on A is the better one, then the other.
fn both_directions(maker: Maker, vrrp: &Vrrp) {
    at_once(&Side::BOTH.map(|better| ([Ours, maker], better, vrrp.clone())));
}

#[test]
fn ours_beside_keepalived_over_ipv4() {
    on_a_fair_machine(|| both_directions(Keepalived, &v3(100)));
}

#[test]
fn ours_beside_keepalived_over_ipv6() {
    on_a_fair_machine(|| both_directions(Keepalived, &v6(100)));
}

#[test]
fn ours_beside_keepalived_without_preemption() {
    on_a_fair_machine(|| {
        both_directions(
            Keepalived,
            &Vrrp {
                preempt: false,
                ..v3(100)
            },
        );
    });
}

#[test]
fn ours_beside_keepalived_by_unicast() {
    on_a_fair_machine(|| {
        both_directions(
            Keepalived,
            &Vrrp {
                unicast: true,
                ..v3(100)
            },
        )
    });
}

/// By link-local addresses, as RFC 9568 has adverts over IPv6 come from them.
fn v6_by_unicast() -> Vrrp {
    Vrrp {
        unicast: true,
        ..v6(100)
    }
}

/// An election by unicast, the better one on side `better`. Who is left alone sends nothing, as its
/// peer is not there to be resolved: then it is asked what it is.
fn election_by_unicast(makers: [Maker; 2], better: Side) -> Result<Contest> {
    let soon = Duration::from_secs(2);
    let priority = |side: Side| Vrrp {
        priority: if side == better { 200 } else { 100 },
        ..v6_by_unicast()
    };
    let begin = Instant::now();
    let mut contest = Contest::lay(makers, Side::BOTH.map(priority), None)?;
    let worse = better.other();
    contest.start(worse)?;
    contest.wait_until_it_says_so(worse, Duration::from_secs(15))?;
    contest.start_and_lead(better)?;
    assert_eq!(contest.says_active(worse)?, Some(false));
    contest.terminate(better)?;
    contest.wait_until_it_says_so(worse, contest.vrrp(worse).skew() + soon)?;
    contest.start_and_lead(better)?;
    contest.kill(better)?;
    contest.wait_until_it_says_so(worse, contest.vrrp(worse).down() + soon)?;
    let spoke = |side| {
        let adverts = contest.adverts(begin);
        adverts
            .iter()
            .filter(|(_, from, _)| *from == Some(side))
            .count()
    };
    // it has led twice
    assert!(spoke(better) >= 4, "{better} spoke {} times", spoke(better));
    contest.check_adverts(begin, 0);
    Ok(contest)
}

fn elections_by_unicast(makers: [Maker; 2]) {
    std::thread::scope(|scope| {
        for better in Side::BOTH {
            let what = format!("{makers:?}, {better} better, unicast over IPv6");
            scope.spawn(move || ok(&what, election_by_unicast(makers, better)));
        }
    });
}

#[test]
fn ours_beside_ours_over_ipv6_by_unicast() {
    on_a_fair_machine(|| elections_by_unicast([Ours, Ours]));
}

#[test]
fn ours_beside_keepalived_over_ipv6_by_unicast() {
    on_a_fair_machine(|| elections_by_unicast([Ours, Keepalived]));
}

#[test]
fn ours_beside_keepalived_each_10_ms() {
    on_a_fair_machine(|| both_directions(Keepalived, &v3(10)));
}

#[test]
fn ours_beside_keepalived_that_takes_the_virtual_mac() {
    on_a_fair_machine(|| {
        whole_election(
            [Ours, Keepalived],
            Side::A,
            &Vrrp {
                virtual_mac: true,
                ..v3(100)
            },
        );
    });
}

/// With `any` the checksum of RFC 9568 is sent, which keepalived refuses, and both are taken: so a
/// better keepalived is heard.
#[test]
fn ours_understands_keepalived_with_any_checksum() {
    on_a_fair_machine(|| {
        let any = Vrrp {
            checksum: "any",
            ..v3(100)
        };
        let better = Vrrp {
            priority: 200,
            ..v3(100)
        };
        let played = || -> Result<Contest> {
            let mut contest =
                Contest::lay([Ours, Keepalived], [any.clone(), better.clone()], None)?;
            contest.start_and_lead(Side::B)?;
            contest.start_and_follow(Side::A)?;
            contest.kill_and_look(Side::B)?;
            Ok(contest)
        };
        ok("any checksum", played());
    });
}

#[test]
fn ours_beside_keepalived_each_second_in_both_versions() {
    on_a_fair_machine(|| {
        let both = [Ours, Keepalived];
        at_once(&[
            (both, Side::A, v2()),
            (both, Side::B, v2()),
            (both, Side::A, v3(1000)),
            (both, Side::B, v3(1000)),
        ]);
    });
}

#[test]
fn ours_beside_frr() {
    on_a_fair_machine(|| {
        at_once(&[
            ([Ours, Frr], Side::A, v3(100)),
            ([Ours, Frr], Side::B, v3(100)),
            ([Ours, Frr], Side::A, v6(100)),
        ]);
    });
}

/// Wireshark's dissector on adverts of ours: none malformed, every checksum good.
#[test]
fn tshark_finds_nothing_wrong_with_our_adverts() {
    tool::TSHARK.needed().unwrap();
    on_a_fair_machine(|| {
        let run = Run::begin().unwrap();
        let topology = bed::lay(&run, [Ours, Ours]).unwrap();
        let tap = Tap::open(&topology.lan).unwrap();
        let mut plan = Plan::alone(Side::A, &v3(100));
        let mut router = plan.routers.remove(0);
        let kinds = [
            (
                51,
                Vrrp {
                    checksum: "rfc9568",
                    ..v3(100)
                },
                "TRUE",
            ),
            (
                52,
                Vrrp {
                    checksum: "pseudo-header",
                    ..v3(100)
                },
                "FALSE",
            ),
            (53, v6(100), "FALSE"),
            (54, v2(), "FALSE"),
        ];
        for (vrid, vrrp, _) in &kinds {
            router.name = format!("r{vrid}");
            router.addresses = if vrrp.ipv6 {
                vec![format!("fe80::{vrid}"), format!("fd77::{vrid}")]
            } else {
                vec![format!("10.77.0.1{vrid}")]
            };
            router.vrrp = Vrrp {
                vrid: *vrid,
                ..vrrp.clone()
            };
            plan.routers.push(router.clone());
        }
        let mut ours = ours::Ours::planned(&run, &topology, Side::A, &plan, None).unwrap();
        ours.start(&run).unwrap();
        let begin = Instant::now();
        let enough = |tap: &Tap| {
            kinds.iter().all(|(vrid, vrrp, _)| {
                let wanted = if vrrp.version == 2 { 2 } else { 10 };
                tap.adverts(*vrid, vrrp.ipv6, begin).len() >= wanted
            })
        };
        while !enough(&tap) {
            assert!(
                begin.elapsed() < Duration::from_secs(15),
                "{}{}",
                tap.tail(10),
                ours.logs()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        for (vrid, vrrp, as_in_v2) in &kinds {
            let file = run.directory().join(format!("{vrid}.pcap"));
            let of = |record: &Record| matches!(&record.heard, Heard::Advert(a) if a.vrid == *vrid);
            let written = tap.write_pcap(&file, of).unwrap();
            let line = format!(
                "-r {} -o vrrp.v3_checksum_as_in_v2:{as_in_v2} -T fields -e vrrp.virt_rtr_id \
                 -e vrrp.checksum.status -e _ws.malformed -e _ws.expert.message",
                file.display()
            );
            let output = tool::TSHARK.run(&topology.client, &line, 30).unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(lines.len(), written, "{text}");
            for line in lines {
                // the id, checksum "Good" (1), nothing malformed, nothing to remark
                let fields: Vec<&str> = line.split('\t').collect();
                assert_eq!(
                    fields,
                    [vrid.to_string().as_str(), "1", "", ""],
                    "{vrrp}: {line}"
                );
            }
        }
        ours.terminate(&run).unwrap();
    });
}
