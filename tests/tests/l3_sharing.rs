//! Two instances of ours share the load: each owns one of two virtual routers on each network, both
//! carry traffic at the same time, and when one dies the other has everything until it is back.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, not excepted"
)]

use std::time::{Duration, Instant};
use twinline_tests::l3::ours::{Mode, Ours, Plan, Virtual};
use twinline_tests::l3::router::{Maker, Router as _, Vrrp};
use twinline_tests::l3::{bed, tool};
use twinline_tests::run::Run;
use twinline_tests::topology::{Side, Topology, routed};
use twinline_tests::{engine, netns};

/// The addresses that B owns while it lives, beside those of [`routed`], which are A's.
const LAN_VIP_OF_B: &str = "10.77.0.253";
const WAN_VIP_OF_B: &str = "10.88.0.253";
/// Client and server of the traffic that goes by them.
const CLIENT_OF_B: &str = "10.77.0.3";
const SERVER_OF_B: &str = "10.88.0.3";
const INTERVAL_MS: u32 = 100;

/// A virtual router on each network for each side, with crossed priorities.
fn plan(side: Side) -> Plan {
    let mut plan = Plan::pair(side, INTERVAL_MS, 5);
    plan.mode = Mode::ActiveActive;
    plan.huge = false;
    for interface in &mut plan.interfaces {
        interface.kernel = false;
    }
    let like = plan.routers.remove(0);
    let router = |name: &str, on: &str, vrid, vip: &str, owner| Virtual {
        name: name.into(),
        interface: on.into(),
        vrrp: Vrrp {
            vrid,
            priority: if side == owner { 200 } else { 100 },
            interval_ms: INTERVAL_MS,
            checksum: "rfc9568",
            ..Vrrp::default()
        },
        priority_of_side: false,
        addresses: vec![vip.into()],
        ..like.clone()
    };
    plan.routers = vec![
        router("lan-a", "lan0", 51, routed::LAN_VIP, Side::A),
        router("wan-a", "wan0", 52, routed::WAN_VIP, Side::A),
        router("lan-b", "lan0", 61, LAN_VIP_OF_B, Side::B),
        router("wan-b", "wan0", 62, WAN_VIP_OF_B, Side::B),
    ];
    plan
}

/// Ways of their own for the second client and server.
fn second_hosts(topology: &Topology) {
    for (host, own, far, gateway) in [
        (&topology.client, CLIENT_OF_B, SERVER_OF_B, LAN_VIP_OF_B),
        (&topology.server, SERVER_OF_B, CLIENT_OF_B, WAN_VIP_OF_B),
    ] {
        netns::ip(host, &format!("address add {own}/24 dev eth0")).unwrap();
        netns::ip(host, &format!("route add {far}/32 via {gateway} src {own}")).unwrap();
    }
}

/// The virtual routers that are Active, by name, and how often each became it.
fn active(ours: &Ours) -> Vec<(String, u64)> {
    let Ok(shown) = ours.engine().unwrap().ctl("show virtual-routers") else {
        return Vec::new();
    };
    let routers = shown["routers"].as_array().unwrap().iter();
    let active = routers.filter(|router| router["state"] == "active");
    active
        .map(|router| {
            let name = router["name"].as_str().unwrap().to_owned();
            (name, router["counters"]["became_active"].as_u64().unwrap())
        })
        .collect()
}

fn names(ours: &Ours) -> Vec<String> {
    active(ours).into_iter().map(|(name, _)| name).collect()
}

fn wait_for(ours: &Ours, wanted: &[&str]) {
    let begin = Instant::now();
    while names(ours) != wanted {
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "Active are {:?}, not {wanted:?}\n{}",
            active(ours),
            ours.logs()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Both ways at once, `count` pings each: how many answers each got.
fn pings(topology: &Topology, count: u32) -> [u32; 2] {
    let ping = |from: &str, to: &str| {
        let line = format!("-c {count} -i 0.02 -W 2 -I {from} {to}");
        let text = tool::PING.says(&topology.client, &line, 30).unwrap();
        assert!(!text.contains("duplicates"), "{text}");
        let received = text
            .split(", ")
            .find_map(|part| part.split_once(" received"));
        received.map_or(0, |(n, _)| n.trim().parse().unwrap())
    };
    std::thread::scope(|scope| {
        let a = scope.spawn(|| ping("10.77.0.1", routed::SERVER_IP));
        let b = scope.spawn(|| ping(CLIENT_OF_B, SERVER_OF_B));
        [a.join().unwrap(), b.join().unwrap()]
    })
}

/// Packets that came in at the LAN and were forwarded.
fn forwarded(ours: &Ours) -> u64 {
    let ports = ours.engine().unwrap().ctl("show ports").unwrap();
    let mut ports = ports.as_array().unwrap().iter();
    let lan = ports.find(|port| port["name"] == "lan").unwrap();
    lan["forwarded"]["IPv4"].as_u64().unwrap_or(0)
}

#[test]
fn two_instances_share_the_load_and_stand_in_for_each_other() {
    tool::PING.needed().unwrap();
    let run = Run::begin().unwrap();
    let topology = bed::lay(&run, [Maker::Ours; 2]).unwrap();
    second_hosts(&topology);
    let key = engine::new_key().unwrap();
    engine::write_key(&run.directory().join("stack.key"), &key).unwrap();
    let [mut a, mut b] =
        Side::BOTH.map(|side| Ours::planned(&run, &topology, side, &plan(side), None).unwrap());
    a.start(&run).unwrap();
    b.start(&run).unwrap();
    let (of_a, of_b) = (["lan-a", "wan-a"], ["lan-b", "wan-b"]);
    wait_for(&a, &of_a);
    wait_for(&b, &of_b);

    // Both carry, each its own.
    let before = [forwarded(&a), forwarded(&b)];
    assert_eq!(pings(&topology, 100), [100, 100]);
    let carried = [forwarded(&a) - before[0], forwarded(&b) - before[1]];
    // the first packets to a host that is not known yet go by the slow path
    assert!(
        carried.iter().all(|&n| (90..=110).contains(&n)),
        "{carried:?}"
    );

    // One dies: the other has everything. A takeover waits for three intervals and its skew.
    b.kill(&run).unwrap();
    wait_for(&a, &["lan-a", "wan-a", "lan-b", "wan-b"]);
    let before = forwarded(&a);
    assert_eq!(pings(&topology, 100), [100, 100]);
    let carried = forwarded(&a) - before;
    assert!((190..=210).contains(&carried), "{carried}");

    // It is back, and has its own again; those of A were never let go.
    b.start(&run).unwrap();
    wait_for(&b, &of_b);
    wait_for(&a, &of_a);
    assert_eq!(pings(&topology, 100), [100, 100]);
    let before = [forwarded(&a), forwarded(&b)];
    assert_eq!(pings(&topology, 100), [100, 100]);
    let carried = [forwarded(&a) - before[0], forwarded(&b) - before[1]];
    assert!(
        carried.iter().all(|&n| (90..=110).contains(&n)),
        "{carried:?}"
    );
    let since_start: Vec<u64> = active(&a).into_iter().map(|(_, times)| times).collect();
    assert_eq!(since_start, [1, 1], "A let its own go in between");

    // The other way round, in an orderly end this time.
    a.terminate(&run).unwrap();
    wait_for(&b, &["lan-a", "wan-a", "lan-b", "wan-b"]);
    assert_eq!(pings(&topology, 100), [100, 100]);
    b.terminate(&run).unwrap();
}
