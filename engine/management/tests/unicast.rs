//! Two HA ports at the two ends of a wire, with a configured peer instead of multicast.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::net::Ipv4Addr;
use std::time::Duration;

use dpdk::{
    Burst, Eal, EalOptions, Huge, Pool, PoolOptions, PortId, PortOptions, RxQueue, TxQueue,
};
use twinline_ha as ha;
use twinline_ha::Time;
use twinline_ha::message::Body;
use twinline_management::ha_port::{Destination, HaPort, Identity};
use twinline_wire::Mac;
use twinline_wire::heartbeat::{Auth, Key, StackName};

fn heartbeat() -> ha::Heartbeat {
    ha::Heartbeat {
        role: ha::Role::Active,
        flags: ha::Flags::FIT,
        successor: 0,
        epoch: 3,
        unfit: None,
        pairs_up: 1,
        pairs_total: 1,
        bandwidth_bps: 0,
        flaps: 0,
        interval: Duration::from_millis(50),
        failure_threshold: 5,
        config_digest: 0,
        tx_time: Time::ZERO,
        echoes: Vec::new(),
    }
}

fn address(instance: u16) -> Ipv4Addr {
    let [high, low] = instance.to_be_bytes();
    Ipv4Addr::new(169, 254, high, low)
}

fn mac(instance: u16) -> Mac {
    let [high, low] = instance.to_be_bytes();
    Mac::from([2, 0, 0, 0, high, low])
}

fn ha_port(instance: u16, peers: &[u16], queues: (RxQueue, TxQueue), pool: &Pool) -> HaPort {
    let identity = Identity {
        stack: StackName::new("edge").unwrap(),
        instance,
        boot: u64::from(instance),
        mac: mac(instance),
        address: address(instance),
        udp_port: 11211,
        destination: Destination::Peers(peers.iter().map(|&p| address(p)).collect()),
    };
    let auth = Auth::keyed(Key::derive(&[9; 32]), None);
    HaPort::new(queues.0, queues.1, pool.clone(), identity, auth)
}

#[test]
fn rule_05_a_configured_peer_is_reached_by_broadcast_until_its_address_is_known() {
    let eal = Eal::init(EalOptions {
        file_prefix: "unicast-test".into(),
        huge: Huge::NoHuge,
        memory_mb: Some(64),
        telemetry: false,
        ..EalOptions::default()
    })
    .unwrap();
    let pool = Pool::new(
        &eal,
        PoolOptions {
            name: "frames".into(),
            mbufs: 1023,
            ..PoolOptions::default()
        },
    )
    .unwrap();
    let open = |id: PortId| {
        let port = eal
            .take(id)
            .unwrap()
            .configure(&PortOptions::default(), &pool);
        let started = port.map_err(|e| e.error).unwrap().start();
        let (port, mut rx, mut tx) = started.map_err(|e| e.error).unwrap();
        (port, (rx.remove(0), tx.remove(0)))
    };
    let [left, right] = eal.ring_pair(["left", "right"], 1, 64).unwrap();
    let (_left_port, left) = open(left);
    let (_right_port, (mut wire_rx, wire_tx)) = open(right);
    let mut a = ha_port(1, &[2], left, &pool);

    a.send_heartbeat(1, &heartbeat());
    let mut burst = Burst::<32>::new();
    assert_eq!(wire_rx.burst(&mut burst), 1);
    let frame = burst.as_slice()[0].data().to_vec();
    assert_eq!(frame[..6], [0xff; 6], "nobody's address is known yet");
    assert_eq!(frame[30..34], address(2).octets());
    burst.clear();

    let mut b = ha_port(2, &[1], (wire_rx, wire_tx), &pool);
    b.send_heartbeat(1, &heartbeat());
    let (mut messages, mut rejects) = (Vec::new(), Vec::new());
    a.receive(&mut messages, &mut rejects);
    assert!(rejects.is_empty());
    let [message] = messages.as_slice() else {
        panic!("{messages:?}");
    };
    assert_eq!((message.instance, message.boot, message.seq), (2, 2, 1));
    assert_eq!(message.body, Body::Heartbeat(heartbeat()));

    a.send_heartbeat(2, &heartbeat());
    let (mut wire_rx, _wire_tx) = b.into_queues();
    assert_eq!(wire_rx.burst(&mut burst), 1);
    let to: [u8; 6] = mac(2).into();
    assert_eq!(
        burst.as_slice()[0].data()[..6],
        to,
        "learnt from its own frame"
    );
    burst.clear();
    drop(a);
    assert_eq!(pool.in_use(), 0);
}
