//! How ports of several drivers receive virtual MAC addresses. None of the virtual ones has a filter
//! that takes a second address: what is made of one that has is tested in `l3::virtual_mac`.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;

use dpdk::{Eal, EalOptions, Huge, Pool, PoolOptions, Port, PortId, PortOptions, Started};
use twinline_management::l3::virtual_mac::{Method, VirtualMacs};
use twinline_wire::Mac;

const FOUR: Mac = Mac([0, 0, 0x5e, 0, 1, 10]);
const SIX: Mac = Mac([0, 0, 0x5e, 0, 2, 10]);

#[test]
fn each_driver_is_probed_for_what_it_can_do() {
    let directory = tempfile::tempdir().unwrap();
    let pcap = directory.path().join("out.pcap");
    let eal = Eal::init(EalOptions {
        file_prefix: "virtual-mac-test".into(),
        huge: Huge::NoHuge,
        memory_mb: Some(64),
        telemetry: false,
        vdevs: vec![
            "net_null0".into(),
            format!("net_pcap0,tx_pcap={}", pcap.display()),
        ],
        ..EalOptions::default()
    })
    .unwrap();
    let pool = PoolOptions {
        name: "frames".into(),
        mbufs: 1023,
        ..PoolOptions::default()
    };
    let pool = Pool::new(&eal, pool).unwrap();
    let open = |id: PortId| -> Port<Started> {
        let port = eal
            .take(id)
            .unwrap()
            .configure(&PortOptions::default(), &pool);
        let started = port.map_err(|e| e.error).unwrap().start();
        started.map_err(|e| e.error).unwrap().0
    };
    let [ring, other] = eal.ring_pair(["left", "right"], 1, 64).unwrap();
    let _other = open(other);
    let mut found = BTreeMap::new();
    let named = |name| eal.port_named(name).unwrap();
    for id in [named("net_null0"), named("net_pcap0"), ring] {
        let port = open(id);
        let handle = port.handle();
        let driver = handle.driver().unwrap();
        let mut macs = VirtualMacs::probe(driver.clone(), handle.clone(), &[FOUR, SIX]);
        let method = macs.method();
        // Taken twice (two VLANs of a port), dropped twice, dropped once more than that: nothing of
        // it changes how the port does it.
        for held in [true, true, false, false, false] {
            macs.set(FOUR, held);
            assert_eq!(macs.method(), method, "{driver}");
        }
        found.insert(driver, method);
        drop(port);
    }
    let expected = [
        ("net_null", Method::Promiscuous),
        ("net_pcap", Method::Promiscuous),
        ("net_ring", Method::Promiscuous),
    ];
    let expected: BTreeMap<String, Method> = expected
        .into_iter()
        .map(|(driver, method)| (driver.to_owned(), method))
        .collect();
    assert_eq!(found, expected);
}
