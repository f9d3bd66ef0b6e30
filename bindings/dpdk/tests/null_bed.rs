//! net_null makes frames and swallows frames: counters, telemetry of a port,
//! the port's life, and no leak at the end.

mod common;

use dpdk::{Burst, Eal, EalOptions, Error, MacAddress, PortId, PortOptions};

#[test]
fn frames_come_and_go() {
    let options = EalOptions {
        vdevs: vec!["net_null0,size=64".into(), "net_null1".into()],
        ..common::no_huge("null")
    };
    let eal = Eal::init(options).expect("the EAL");
    assert!(!eal.has_hugepages());
    assert!(dpdk::version().starts_with("DPDK "));
    assert!(["static", "shared"].contains(&dpdk::linkage()));

    // Ports by name, each once.
    assert_eq!(eal.ports().len(), 2);
    let id = eal.port_named("net_null0").expect("net_null0");
    assert_eq!(eal.port_named("net_null7"), None);
    let port = eal.take(id).expect("first taking");
    assert_eq!(eal.take(id).unwrap_err(), Error::PortTaken { port: id });
    assert_eq!(
        eal.take(PortId(31)).unwrap_err(),
        Error::NoSuchPort { port: PortId(31) }
    );
    drop(port);
    let port = eal
        .take(id)
        .expect("a dropped idle port can be taken again");
    let info = port.info().expect("info");
    assert_eq!(
        (port.name(), info.driver.as_str()),
        ("net_null0", "net_null")
    );
    assert!(info.max_rx_queues >= 1);

    // Too many queues: refused by name, and the port comes back.
    let pool = common::pool(&eal, "frames", 2047);
    assert_eq!(
        (pool.cache(), pool.data_room(), pool.socket()),
        (64, 2176, None)
    );
    let greedy = PortOptions {
        rx_queues: 2000,
        ..PortOptions::default()
    };
    let failed = port.configure(&greedy, &pool).unwrap_err();
    assert!(
        matches!(
            &failed.error,
            Error::QueueCount {
                direction: "rx",
                asked: 2000,
                ..
            }
        ),
        "{failed}"
    );
    let port = *failed.port;

    let mac = MacAddress([2, 0, 0, 0, 0, 9]);
    port.set_mac(mac).expect("set the MAC");
    assert_eq!(port.mac().expect("mac"), mac);

    let port = port
        .configure(&PortOptions::default(), &pool)
        .expect("configure");
    let (port, mut rx, mut tx) = port.start().expect("start");
    assert_eq!((rx.len(), tx.len()), (1, 1));
    assert_eq!((rx[0].port(), rx[0].index()), (id, 0));
    assert!(port.link().expect("link").up);
    port.reset_stats().expect("reset");

    let mut burst = Burst::<32>::new();
    for round in 0..10 {
        assert_eq!(rx[0].burst(&mut burst), 32, "round {round}");
        assert_eq!((burst.len(), burst.bytes()), (32, 32 * 64));
        assert!(
            burst
                .iter()
                .all(|mbuf| mbuf.is_contiguous() && mbuf.data().len() == 64)
        );
        // A full burst has no place for more.
        assert_eq!(rx[0].burst(&mut burst), 0);
        assert_eq!(tx[0].burst(&mut burst), 32);
        assert!(burst.is_empty());
    }
    let handle = port.handle();
    let stats = std::thread::spawn(move || handle.stats())
        .join()
        .unwrap()
        .expect("stats");
    assert_eq!((stats.rx_packets, stats.tx_packets), (320, 320));
    let xstats = port.xstats().expect("xstats");
    let rx_good = xstats
        .iter()
        .find(|x| x.name == "rx_good_packets")
        .expect("rx_good_packets");
    assert_eq!(rx_good.value, 320);
    port.reset_stats().expect("reset");
    assert_eq!(port.stats().expect("stats").rx_packets, 0);

    // Stop and start again, then close: a handle that outlives it says so.
    let port = port.stop(rx, tx).expect("stop");
    let (port, mut rx, tx) = port.start().expect("start again");
    assert_eq!(rx[0].burst(&mut burst), 32);
    burst.clear();
    let handle = port.handle();
    let port = port.stop(rx, tx).expect("stop again");
    port.close().expect("close");
    assert_eq!(
        handle.link().unwrap_err(),
        Error::PortClosed {
            name: "net_null0".into()
        }
    );
    assert_eq!(eal.port_named("net_null0"), None);

    // A new device may get the old id; the old handle does not touch it.
    let fresh = eal
        .vdev_create("net_null5", "size=128")
        .expect("a new vdev");
    let fresh = eal.take(fresh).expect("take the new one");
    assert!(fresh.stats().is_ok() && handle.stats().is_err());
    drop((fresh, handle));

    assert_eq!(pool.in_use(), 0, "a leak");

    // One start per process.
    let again = Eal::init(common::no_huge("again"));
    assert_eq!(again.unwrap_err(), Error::AlreadyInitialised);
    drop((pool, eal));
    let again = Eal::init(common::no_huge("again"));
    assert_eq!(again.unwrap_err(), Error::AlreadyInitialised);
}
