//! The same with hugepages, when the machine has some to spare.

mod common;

use dpdk::{Burst, Eal, EalOptions, Error, Huge, PortOptions};

#[test]
fn frames_in_hugepages() {
    let options = EalOptions {
        huge: Huge::Pages,
        huge_unlink: true,
        memory_mb: Some(64),
        vdevs: vec!["net_null0".into()],
        ..common::no_huge("huge")
    };
    let eal = match Eal::init(options) {
        Ok(eal) => eal,
        Err(error @ (Error::NoHugepages { .. } | Error::HugetlbfsNotMounted)) => {
            // The refusal itself was tested just now; it has to name a remedy.
            assert!(error.to_string().contains("reserve") || error.to_string().contains("mount"));
            eprintln!("SKIPPED the rest: {error}");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    assert!(eal.has_hugepages());
    dpdk::pdump_init(&eal).expect("pdump");
    let pool = common::pool(&eal, "frames", 2047);
    let id = eal.port_named("net_null0").expect("net_null0");
    let port = eal
        .take(id)
        .unwrap()
        .configure(&PortOptions::default(), &pool)
        .unwrap();
    let (port, mut rx, mut tx) = port.start().expect("start");
    let mut burst = Burst::<32>::new();
    assert_eq!(rx[0].burst(&mut burst), 32);
    assert_eq!(tx[0].burst(&mut burst), 32);
    drop(burst);
    port.stop(rx, tx).expect("stop").close().expect("close");
    assert_eq!(pool.in_use(), 0, "a leak");
}
