//! Frames of the management core on their way out.

use super::BURST;
use super::{L3, L3Drop, L3Inject, L3Port, Port, send};
use crate::counters::{Counters, WorkerFigures};
use crate::lease::Lease;
use dpdk::clock;

impl L3 {
    /// Sends up to a burst of injected frames, in their order. True if there was any.
    #[cold]
    #[inline(never)]
    pub(super) fn send_injected(&mut self, lease: &Lease, counters: &Counters) -> bool {
        let worker: &WorkerFigures = &counters.worker;
        let mut any = false;
        for _ in 0..BURST {
            let Ok(L3Inject { port, leased, mbuf }) = self.inject.pop() else {
                break;
            };
            any = true;
            let mut ports = self.ports.iter_mut().zip(&*counters.l3);
            let Some((port, figures)) = ports.find(|(found, _)| found.index == port) else {
                worker.inject_refused.add(1);
                continue;
            };
            // The lease before the clock, the clock before sending (rule 11).
            let until = lease.until();
            if leased && clock::tsc_now() >= until {
                figures.drop_n(L3Drop::InjectLease, 1);
                worker.inject_refused.add(1);
                continue;
            }
            // The burst is empty between two polls: there is room.
            let sent = match port.out.push(mbuf) {
                Ok(()) => {
                    let bytes = port.out.bytes();
                    send(&mut port.tx, &mut port.out, bytes, figures)
                }
                Err(_) => 0,
            };
            worker.injected.add(sent);
            worker.inject_refused.add(1 - sent.min(1));
        }
        any
    }

    /// Sends everything that was injected before now, then gives the ports back.
    pub(crate) fn into_ports(mut self, lease: &Lease, counters: &Counters) -> Vec<L3Port> {
        for _ in 0..=self.inject.buffer().capacity() / BURST {
            self.send_injected(lease, counters);
        }
        let back = |port: Port| L3Port {
            index: port.index,
            rx: port.rx,
            tx: port.tx,
            mac: port.mac,
        };
        self.ports.into_iter().map(back).collect()
    }
}
