//! What a worker's L3 part is made of, and how it is made.

use super::parse::{PortView, Seen};
use super::{BURST, Egress, L3, L3Inject, Last, NO_SLOT, NOT_PLAIN, Port, Punt, Scratch, Tables};
use crate::MacBytes;
use crate::gate::Gate;
use dpdk::{Burst, RxQueue, TxQueue};
use std::sync::Arc;

/// An L3 port's part in a worker.
pub struct L3Port {
    /// The port's number: names it in [`Punt`], [`L3Inject`], [`Interface`] and the counters.
    pub index: u16,
    /// Its receive queue; `None`: another worker receives, this one only sends.
    pub rx: Option<RxQueue>,
    /// A transmit queue of it for this worker alone.
    pub tx: TxQueue,
    /// The port's own address.
    pub mac: MacBytes,
}

/// What a worker's L3 part is made of. Every worker that receives from an L3 port needs a
/// transmit queue of each port that its packets may leave by.
pub struct L3Config {
    /// The ports.
    pub ports: Vec<L3Port>,
    /// What all workers share.
    pub tables: Arc<Tables>,
    /// For what is sent to virtual MACs: [`GateMode::Forward`] or closed. One for each worker,
    /// which acknowledges it; set anew after a change of [`Held`], its epoch says when the worker
    /// has adopted that change.
    pub gate: Arc<Gate>,
    /// Room for ARP, adverts and neighbour discovery that the management core has not read yet.
    pub protocol_capacity: usize,
    /// Room for all other punts.
    pub exception_capacity: usize,
    /// Room for frames to inject that the worker has not sent yet.
    pub inject_capacity: usize,
}

impl L3Config {
    /// Rings of 512 protocol frames, 512 exceptions and 1024 frames to inject.
    #[must_use]
    pub fn new(ports: Vec<L3Port>, tables: Arc<Tables>, gate: Arc<Gate>) -> Self {
        Self {
            ports,
            tables,
            gate,
            protocol_capacity: 512,
            exception_capacity: 512,
            inject_capacity: 1024,
        }
    }
}

/// The management core's ends of what it shares with a worker's L3 part.
pub struct L3Links {
    /// ARP, adverts, neighbour discovery.
    pub protocols: rtrb::Consumer<Punt>,
    /// Everything else that was punted.
    pub exceptions: rtrb::Consumer<Punt>,
    /// Frames for the worker to send.
    pub inject: rtrb::Producer<L3Inject>,
}

impl L3 {
    pub(crate) fn new(config: L3Config) -> (Self, L3Links) {
        let (protocols, protocols_end) = rtrb::RingBuffer::new(config.protocol_capacity);
        let (exceptions, exceptions_end) = rtrb::RingBuffer::new(config.exception_capacity);
        let (inject_end, inject) = rtrb::RingBuffer::new(config.inject_capacity);
        let slot = |port: u16| {
            let found = config.ports.iter().position(|found| found.index == port);
            found
                .and_then(|slot| u8::try_from(slot).ok())
                .unwrap_or(NO_SLOT)
        };
        let interfaces = &config.tables.interfaces;
        let egress = interfaces.iter().map(|interface| Egress {
            slot: slot(interface.port),
            vlan: interface.vlan.filter(|&vlan| vlan != 0),
            mtu: interface.mtu,
        });
        let egress = egress.collect();
        let ports = config.ports.into_iter().map(|port| {
            let here = interfaces.iter().zip(0..);
            let here = here.filter(|(interface, _)| interface.port == port.index);
            let here = here.map(|(interface, number)| (interface.vlan, number));
            Port {
                index: port.index,
                rx: port.rx,
                tx: port.tx,
                mac: port.mac,
                view: PortView::new(port.mac, here),
                last: Last::default(),
                out: Burst::new(),
            }
        });
        let part = Self {
            ports: ports.collect(),
            egress,
            tables: config.tables,
            gate: config.gate,
            word: Gate::first_word(),
            protocols,
            exceptions,
            inject,
            scratch: Box::new(Scratch {
                burst: Burst::new(),
                trash: Burst::new(),
                size: [NOT_PLAIN; BURST],
                seen: [Seen::NOTHING; BURST],
                next: [0; BURST],
                slot: [NO_SLOT; BURST],
                to6: [[0; 16]; BURST],
                next6: [0; BURST],
            }),
        };
        let links = L3Links {
            protocols: protocols_end,
            exceptions: exceptions_end,
            inject: inject_end,
        };
        (part, links)
    }
}
