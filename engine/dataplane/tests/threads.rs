//! A worker on its own thread: it forwards, it acknowledges, it gives its queues back.
// Helpers of tests are tests: clippy.toml's exception reaches test functions only.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Bed, CLIENT, Make, Outside, SERVER, eal, frame};
use std::time::{Duration, Instant};
use twinline_dataplane::{
    Error, GateMode, Inject, PairQueues, Polling, Side, Worker, WorkerConfig, WorkerHandle,
};

const LONG: Duration = Duration::from_secs(20);

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < LONG, "waited in vain until {what}");
        std::thread::sleep(Duration::from_micros(200));
    }
}

fn receive(outside: &mut Outside, side: Side, count: usize) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    until("all frames came", || {
        all.extend(outside.received(side));
        all.len() >= count
    });
    all
}

/// Spawns the bed's worker, forwards through it, and returns it with the outside.
fn forwards(adjust: fn(&mut WorkerConfig)) -> (WorkerHandle, Vec<Outside>) {
    let bed = Bed::make(Make {
        adjust,
        ..Make::default()
    });
    let Bed {
        worker,
        links: _links,
        lease: _lease,
        pool,
        mut pairs,
    } = bed;
    let handle = worker.spawn(eal()).unwrap();
    let epoch = pairs[0].gate.set(GateMode::Forward);
    until("the gate is open", || pairs[0].gate.is_adopted(epoch));
    for round in 0..20 {
        let frames: Vec<_> = (0..50)
            .map(|n| frame(SERVER, CLIENT, round * 50 + n))
            .collect();
        pairs[0].send(&pool, Side::Lan, &frames);
        assert_eq!(receive(&mut pairs[0], Side::Wan, 50), frames);
        // An adaptive worker is asleep by the next round.
        std::thread::sleep(Duration::from_millis(3));
    }
    let snapshot = handle.counters().snapshot();
    assert_eq!(snapshot.pairs[0].lan.rx_packets, 1000);
    assert_eq!(snapshot.pairs[0].wan.tx_packets, 1000);
    (handle, pairs)
}

/// Joins the worker; its ports can be stopped then, and only then.
fn give_back(handle: WorkerHandle, outside: Vec<Outside>) {
    let mut queues = handle.join().unwrap();
    for Outside { lan, wan, .. } in outside {
        let lan = lan.stop(vec![], vec![]).map(|_| ()).unwrap_err();
        let wan = wan.stop(vec![], vec![]).map(|_| ()).unwrap_err();
        let PairQueues {
            lan: (lan_rx, lan_tx),
            wan: (wan_rx, wan_tx),
            ..
        } = queues.remove(0);
        lan.port.0.stop(vec![lan_rx], vec![lan_tx]).unwrap();
        wan.port.0.stop(vec![wan_rx], vec![wan_tx]).unwrap();
    }
    assert!(queues.is_empty());
}

/// The lcore's tests in one, as there is one lcore.
#[test]
fn a_busy_worker_on_an_lcore_forwards_and_gives_its_queues_back() {
    let pinned = |config: &mut WorkerConfig| config.core = Some(1);
    let (handle, outside) = forwards(pinned);

    // The lcore is taken: a second worker is refused, and its queues are dropped.
    let second = Bed::make(Make {
        adjust: pinned,
        ..Make::default()
    });
    let refused = second.worker.spawn(eal());
    assert!(matches!(refused, Err(Error::Launch { core: 1, .. })));

    let before = handle.counters().iterations();
    until("it makes progress", || {
        handle.counters().iterations() > before
    });
    give_back(handle, outside);

    // The lcore is free again.
    let (handle, outside) = forwards(pinned);
    give_back(handle, outside);

    // A core that is none of the EAL's.
    let bed = Bed::make(Make {
        adjust: |config| config.core = Some(0),
        ..Make::default()
    });
    let refused = bed.worker.spawn(eal()).err().unwrap();
    assert!(
        refused
            .to_string()
            .starts_with("cannot start a worker on core 0: "),
        "{refused}"
    );
}

#[test]
fn an_adaptive_worker_forwards_too_and_rests_between() {
    let (handle, outside) = forwards(|config| config.polling = Polling::Adaptive);
    // Asleep 200 us at a time: far fewer iterations than a busy loop's, but never none.
    std::thread::sleep(Duration::from_millis(20));
    let before = handle.counters().iterations();
    std::thread::sleep(Duration::from_millis(100));
    let rested = handle.counters().iterations() - before;
    assert!((1..=600).contains(&rested), "{rested} iterations in 100 ms");
    give_back(handle, outside);
}

#[test]
fn frames_injected_before_the_stop_are_sent() {
    let Bed {
        worker,
        mut links,
        pool,
        mut pairs,
        ..
    } = Bed::new();
    let frames: Vec<_> = (0..200).map(|n| frame(SERVER, CLIENT, n)).collect();
    for frame in &frames {
        let mbuf = common::mbuf(&pool, frame);
        assert!(
            links
                .inject
                .push(Inject {
                    pair: 0,
                    side: Side::Wan,
                    mbuf
                })
                .is_ok()
        );
    }
    let handle = worker.spawn(eal()).unwrap();
    let queues = handle.join().unwrap();
    assert_eq!(pairs[0].received(Side::Wan), frames);
    drop(queues);
    assert_eq!(pool.in_use(), 0);
}

/// Rule 8: once the worker has acknowledged `Block`, the port sends nothing more, whatever comes.
#[test]
fn rule_08_after_an_acknowledged_block_nothing_is_sent() {
    let Bed {
        worker,
        links,
        lease: _lease,
        pool,
        mut pairs,
    } = Bed::new();
    let handle = worker.spawn(eal()).unwrap();
    let burst: Vec<_> = (0..20).map(|n| frame(SERVER, CLIENT, n)).collect();
    let mut sent = 0;
    for _ in 0..50 {
        let open = pairs[0].gate.set(GateMode::Forward);
        until("open", || pairs[0].gate.is_adopted(open));
        pairs[0].send(&pool, Side::Lan, &burst);
        let closed = pairs[0].gate.set(GateMode::Block);
        until("closed", || pairs[0].gate.is_adopted(closed));
        // What was carried is out by now; what comes from here on stays.
        pairs[0].received(Side::Wan);
        pairs[0].send(&pool, Side::Lan, &burst);
        sent += 2 * burst.len() as u64;
        until("all was received", || {
            links.counters.snapshot().pairs[0].lan.rx_packets == sent
        });
        // One iteration more, so that what was received was dealt with.
        let iterations = links.counters.iterations();
        until("it was dealt with", || {
            links.counters.iterations() > iterations + 1
        });
        assert_eq!(pairs[0].received(Side::Wan).len(), 0);
    }
    let pair = links.counters.snapshot().pairs[0];
    assert!(pair.lan.dropped_gate >= 50 * 20, "{pair:?}");
    assert_eq!(pair.wan.tx_packets + pair.lan.dropped_gate, sent);
    handle.join().unwrap();
}

#[test]
fn a_dropped_handle_stops_its_worker() {
    let Bed {
        worker,
        links,
        pool,
        pairs,
        ..
    } = Bed::new();
    let handle = worker.spawn(eal()).unwrap();
    until("it runs", || links.counters.iterations() > 0);
    drop(handle);
    let stopped = links.counters.iterations();
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(links.counters.iterations(), stopped);
    // Its queues are gone, so the ports can be stopped without any.
    for Outside { lan, wan, .. } in pairs {
        lan.stop(vec![], vec![]).unwrap();
        wan.stop(vec![], vec![]).unwrap();
    }
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn a_worker_may_travel_to_another_thread() {
    fn is_send<T: Send>() {}
    is_send::<Worker>();
    is_send::<Inject>();
}
