//! Threads as lcores: registered std threads, and jobs on the EAL's workers.

mod common;

use std::time::Duration;

use common::{numbered, numbers};
use dpdk::clock::{TscClock, tsc_now};
use dpdk::lcore::{self, RegisteredThread};
use dpdk::{Burst, Eal, EalOptions, Error, PortOptions};

#[test]
fn threads_become_lcores_and_queues_travel() {
    let cores = core_affinity::get_core_ids().expect("cores");
    // On a machine of one core the EAL's worker part is not tried.
    let worker = cores.get(1).map(|core| core.id);
    let options = EalOptions {
        main_core: cores[0].id,
        worker_cores: worker.into_iter().collect(),
        ..common::no_huge("lcores")
    };
    let eal = Eal::init(options).expect("the EAL");
    assert_eq!(lcore::current(), Some(0));
    assert!(
        RegisteredThread::register(&eal).is_err(),
        "the main lcore is one already"
    );

    let clock = TscClock::new(&eal);
    let start = tsc_now();
    std::thread::sleep(Duration::from_millis(20));
    let slept = clock.duration_of(tsc_now() - start);
    assert!(
        slept >= Duration::from_millis(19) && slept < Duration::from_secs(10),
        "{slept:?}"
    );

    let pool = common::pool(&eal, "frames", 1023);
    let id = eal.ring_loop("loop", 1, 64).expect("a loop");
    let port = eal
        .take(id)
        .unwrap()
        .configure(&PortOptions::default(), &pool)
        .unwrap();
    let (port, mut rx, mut tx) = port.start().expect("start");

    // Queues go to a thread and come back, here to a registered one.
    std::thread::scope(|scope| {
        let (eal, pool, rx, tx) = (&eal, &pool, &mut rx, &mut tx);
        scope.spawn(move || {
            assert_eq!(lcore::current(), None);
            let guard = RegisteredThread::register(eal).expect("register");
            assert_eq!(lcore::current(), Some(guard.id()));
            assert!(RegisteredThread::register(eal).is_err(), "twice");
            let mut burst = Burst::<32>::new();
            for round in 0..100 {
                numbered(pool, &mut burst, round, 8);
                assert_eq!(tx[0].burst(&mut burst), 8);
                assert_eq!(rx[0].burst(&mut burst), 8);
                assert_eq!(numbers(&burst)[0], round);
                burst.clear();
            }
            drop(burst);
            drop(guard);
            assert_eq!(lcore::current(), None);
        });
    });

    if let Some(core) = worker {
        let (mut rx0, mut tx0) = (rx.remove(0), tx.remove(0));
        let frames = pool.clone();
        let job = eal
            .launch(core, move || {
                let mut burst = Burst::<32>::new();
                numbered(&frames, &mut burst, 7, 4);
                tx0.burst(&mut burst);
                rx0.burst(&mut burst);
                (
                    lcore::current(),
                    core_affinity::get_core_ids(),
                    numbers(&burst),
                    rx0,
                    tx0,
                )
            })
            .expect("launch");
        assert_eq!(job.core(), core);
        let (id, cores, seen, rx0, tx0) = job.join().expect("no panic");
        assert_eq!((id, seen), (Some(1), vec![7, 8, 9, 10]));
        assert_eq!(
            cores
                .expect("cores")
                .iter()
                .map(|c| c.id)
                .collect::<Vec<_>>(),
            [core]
        );
        rx.push(rx0);
        tx.push(tx0);
        // A panic is contained, and the core takes the next job.
        let panicked = eal.launch(core, || panic!("on purpose")).expect("launch");
        assert!(panicked.join().is_err());
        let slow = eal
            .launch(core, || std::thread::sleep(Duration::from_millis(200)))
            .unwrap();
        let busy = eal.launch(core, || ()).unwrap_err();
        assert!(matches!(&busy, Error::Lcore { errno, .. } if errno.code() == libc::EBUSY));
        slow.join().expect("slow job");
        assert_eq!(eal.launch(core, || 5).unwrap().join().unwrap(), 5);
    }
    assert!(eal.launch(9_999, || ()).is_err(), "not a worker core");

    let pinned = lcore::spawn_pinned("pinned", cores[0].id, core_affinity::get_core_ids).unwrap();
    let on: Vec<usize> = pinned
        .join()
        .unwrap()
        .expect("cores")
        .iter()
        .map(|c| c.id)
        .collect();
    assert_eq!(on, [cores[0].id]);
    assert_eq!(
        lcore::spawn_pinned("x", 9_999, || ()).unwrap_err(),
        Error::Pin { core: 9_999 }
    );

    port.stop(rx, tx).expect("stop").close().expect("close");
    assert_eq!(pool.in_use(), 0, "a leak");
}
