//! Two ports joined by rings: frame in = frame out, in order, nothing lost,
//! nothing leaked; queues are given back or the port does not stop.

// clippy takes only the #[test] functions themselves for tests.
#![allow(clippy::expect_used)]

mod common;

use common::{numbered, numbers};
use dpdk::{Burst, Direction, Eal, Error, Mbuf, PortOptions, Watcher};
use std::sync::{Arc, Mutex};

/// Notes the numbers of the frames that it is shown.
struct Notes(Arc<Mutex<Vec<(Direction, u32)>>>);

impl Watcher for Notes {
    fn frames(&mut self, direction: Direction, frames: &[Mbuf]) {
        let mut notes = self.0.lock().expect("nobody panicked");
        for frame in frames {
            let bytes = frame.segments().collect::<Vec<_>>().concat();
            assert_eq!(bytes.len(), frame.len() as usize);
            let number = bytes.first_chunk().expect("a number");
            notes.push((direction, u32::from_be_bytes(*number)));
        }
    }
}

#[test]
fn a_cable_between_two_ports() {
    let eal = Eal::init(common::no_huge("ring")).expect("the EAL");
    let pool = common::pool(&eal, "frames", 1023);
    // 16 places hold 15 frames.
    let [left, right] = eal.ring_pair(["left", "right"], 1, 16).expect("a pair");
    assert!(
        eal.ring_loop("odd", 1, 15).is_err(),
        "a size that is no power of two"
    );
    let options = PortOptions::default();
    let start = |id| {
        eal.take(id)
            .unwrap()
            .configure(&options, &pool)
            .unwrap()
            .start()
            .unwrap()
    };
    let (left, mut left_rx, mut left_tx) = start(left);
    let (right, mut right_rx, mut right_tx) = start(right);
    let at_rest = pool.in_use();

    // There and back, in order, with changes on the way.
    let mut burst = Burst::<32>::new();
    numbered(&pool, &mut burst, 0, 10);
    assert_eq!(left_tx[0].burst(&mut burst), 10);
    assert!(burst.is_empty());
    assert_eq!(left_rx[0].burst(&mut burst), 0, "a cable is no loop");
    assert_eq!(right_rx[0].burst(&mut burst), 10);
    assert_eq!(numbers(&burst), (0..10).collect::<Vec<_>>());
    burst.iter_mut().for_each(|mbuf| mbuf.data_mut()[0] ^= 0x80);
    assert_eq!(right_tx[0].burst(&mut burst), 10);
    assert_eq!(left_rx[0].burst(&mut burst), 10);
    assert_eq!(
        numbers(&burst),
        (0..10).map(|n| n | 0x8000_0000).collect::<Vec<_>>()
    );
    burst.clear();
    assert_eq!(pool.in_use(), at_rest);

    // A full ring takes 15; the rest stays in the burst, in order.
    numbered(&pool, &mut burst, 100, 20);
    assert_eq!(left_tx[0].burst(&mut burst), 15);
    assert_eq!(numbers(&burst), (115..120).collect::<Vec<_>>());
    assert_eq!(left_tx[0].burst(&mut burst), 0);
    assert_eq!(burst.len(), 5);
    // Receiving appends behind what is there.
    assert_eq!(right_rx[0].burst(&mut burst), 15);
    let expected: Vec<u32> = (115..120).chain(100..115).collect();
    assert_eq!(numbers(&burst), expected);
    // A tail shorter than what waits takes what fits.
    numbered(&pool, &mut burst, 200, 9);
    let mut other = Burst::<4>::new();
    assert_eq!(other.append(&mut burst), 4);
    assert_eq!(
        (numbers(&other), burst.len()),
        (vec![115, 116, 117, 118], 25)
    );
    assert_eq!(left_tx[0].burst(&mut other), 4);
    assert_eq!(right_rx[0].burst(&mut other), 4);
    drop(other);

    // retain, drain, pop, truncate: what goes is freed, what stays is in order.
    burst.clear();
    numbered(&pool, &mut burst, 0, 12);
    burst.retain(|mbuf| mbuf.data()[3] % 3 == 0);
    assert_eq!(numbers(&burst), [0, 3, 6, 9]);
    assert_eq!(pool.in_use(), at_rest + 4);
    let second = burst.drain().nth(1).expect("a second frame");
    assert_eq!(
        (second.data()[3], burst.len(), pool.in_use()),
        (3, 0, at_rest + 1)
    );
    drop(second);
    numbered(&pool, &mut burst, 0, 8);
    burst.truncate(3);
    assert_eq!(burst.pop().expect("the last").data()[3], 2);
    assert_eq!(pool.in_use(), at_rest + 2);
    burst.clear();
    // A panic in retain's closure loses and doubles nothing.
    numbered(&pool, &mut burst, 0, 8);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        burst.retain(|mbuf| match mbuf.data()[3] {
            5 => panic!("on purpose"),
            n => n % 2 == 1,
        });
    }));
    assert!(panicked.is_err());
    assert_eq!((burst.len(), pool.in_use()), (8, at_rest + 8));
    drop(burst);
    assert_eq!(pool.in_use(), at_rest);

    // A lost frame is freed by its Drop; also one that was moved to a thread.
    let lost = pool.alloc().expect("a frame");
    assert_eq!(pool.in_use(), at_rest + 1);
    std::thread::spawn(move || drop(lost))
        .join()
        .expect("the thread");
    assert_eq!(pool.in_use(), at_rest);

    // An exhausted pool says so, and recovers.
    let mut all: Vec<_> = std::iter::from_fn(|| pool.alloc()).collect();
    assert_eq!((all.len() as u32, pool.available()), (1023 - at_rest, 0));
    let mut burst = Burst::<32>::new();
    assert_eq!(pool.fill(&mut burst, 8), 0, "all or none");
    all.truncate(100);
    assert_eq!(pool.fill(&mut burst, 100), 32, "what fits in the burst");
    drop((all, burst));
    assert_eq!(pool.in_use(), at_rest);

    // Edits at both ends, and their bounds.
    let mut mbuf = pool.alloc().expect("a frame");
    assert!(mbuf.is_empty() && mbuf.is_contiguous());
    assert_eq!((mbuf.headroom(), mbuf.tailroom()), (128, 2048));
    mbuf.append(b"world").unwrap();
    mbuf.prepend(b"hello ").unwrap();
    assert_eq!((mbuf.data(), mbuf.len()), (&b"hello world"[..], 11));
    mbuf.trim(2).unwrap();
    mbuf.trim_front(1).unwrap();
    assert_eq!(mbuf.data(), b"ello wor");
    let refused = [
        mbuf.append(&[0; 2100]).unwrap_err(),
        mbuf.append(&[0; 70_000]).unwrap_err(),
        mbuf.prepend(&[0; 124]).unwrap_err(),
        mbuf.trim(9).unwrap_err(),
        mbuf.trim_front(usize::MAX).unwrap_err(),
    ];
    assert_eq!(refused.map(|r| r.available), [2045, 2045, 123, 8, 8]);
    assert_eq!((mbuf.data(), mbuf.len()), (&b"ello wor"[..], 8));
    mbuf.append(&vec![7; 2045]).unwrap();
    assert_eq!((mbuf.tailroom(), mbuf.len()), (0, 2053));
    drop(mbuf);

    // A tap sees both directions, one at a time, and costs no frame; again and again.
    let seen = Arc::new(Mutex::new(Vec::new()));
    let notes = || Box::new(Notes(Arc::clone(&seen)));
    for round in 0..3 {
        let mut tap = left.tap(notes()).expect("a tap");
        let second = left.tap(notes()).unwrap_err();
        assert!(matches!(second, Error::Tapped { .. }), "{second}");
        let mut burst = Burst::<32>::new();
        numbered(&pool, &mut burst, round, 2);
        assert_eq!(left_tx[0].burst(&mut burst), 2);
        assert_eq!(right_rx[0].burst(&mut burst), 2);
        assert_eq!(right_tx[0].burst(&mut burst), 2);
        assert_eq!(left_rx[0].burst(&mut burst), 2);
        burst.clear();
        let (sent, received) = (Direction::Sent, Direction::Received);
        assert_eq!(
            std::mem::take(&mut *seen.lock().unwrap()),
            [
                (sent, round),
                (sent, round + 1),
                (received, round),
                (received, round + 1)
            ]
        );
        assert_eq!(tap.missed(), 0);
        assert!(tap.end().is_some());
        assert!(tap.end().is_none(), "taken back once");
        numbered(&pool, &mut burst, 7, 1);
        assert_eq!(left_tx[0].burst(&mut burst), 1);
        assert_eq!(right_rx[0].burst(&mut burst), 1);
        assert!(seen.lock().unwrap().is_empty(), "it has ended");
    }
    // One that is there when its port stops ends with it.
    let left_tap = left.tap(notes()).expect("a tap");

    // Stop wants this port's queues, and all of them.
    let (left_id, left_name) = (left.id(), left.name().to_owned());
    let failed = right.stop(left_rx, right_tx).unwrap_err();
    assert!(
        matches!(&failed.error, Error::ForeignQueue { other, .. } if *other == left_id),
        "{failed}"
    );
    let (right, left_rx, right_tx) = *failed.port;
    let failed = left.stop(left_rx, Vec::new()).unwrap_err();
    assert_eq!(
        failed.error,
        Error::QueuesOut {
            name: left_name,
            missing: 1
        }
    );
    let (left, left_rx, _none) = *failed.port;
    // What was refused still runs.
    let mut burst = Burst::<32>::new();
    numbered(&pool, &mut burst, 1, 3);
    assert_eq!(left_tx[0].burst(&mut burst), 3);
    assert_eq!(right_rx[0].burst(&mut burst), 3);
    drop(burst);
    let left = left.stop(left_rx, left_tx).expect("all queues are here");
    // Queues that a worker dropped count as returned.
    drop((right_rx, right_tx));
    let right = right
        .stop(Vec::new(), Vec::new())
        .expect("dropped queues are quiet");

    assert_eq!(Arc::strong_count(&seen), 2);
    drop(left_tap);
    assert_eq!(Arc::strong_count(&seen), 1, "the watcher is gone");
    left.close().expect("close");
    drop(right);
    assert_eq!(pool.in_use(), 0, "a leak");
}
