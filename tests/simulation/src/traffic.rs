//! Frames of the stations through switches and workers.

use twinline_ha::{Role, Side};

use crate::checks::Check;
use crate::clock::{MS, Ns, US};
use crate::network::{BROADCAST, Frame, ROUND, STATIONS, home, index};
use crate::worker::Verdict;
use crate::world::{What, World};

/// How long a frame takes over a cable.
const CABLE: Ns = 4 * US;

impl World {
    /// Frames come close together while gates move.
    pub(crate) fn make_dense(&mut self) {
        if !self.leased() {
            return;
        }
        let was = self.dense_until > self.now;
        self.dense_until = self.now + 30 * MS;
        if !was {
            for station in 0..STATIONS {
                self.stations[station].0 += 1;
                let number = self.stations[station].0;
                self.plan(self.now, What::Send(station, number));
            }
        }
    }

    pub(crate) fn send_frame(&mut self, station: usize, number: u64) {
        if self.stations[station].0 != number {
            return;
        }
        let dense = self.now < self.dense_until;
        let gap = if dense { 500 * US } else { 250 * MS };
        let gap = gap + self.traffic.below(gap);
        self.plan(self.now + gap, What::Send(station, number));
        let src = u8::try_from(station).unwrap_or(0);
        self.stations[station].1 += 1;
        let dst = if self.stations[station].1.is_multiple_of(6) {
            BROADCAST
        } else {
            (src + 2 + u8::from(self.traffic.coin())) % 4
        };
        let dst = if dst == src { BROADCAST } else { dst };
        let due = self.hosts.iter().any(|h| h.role() == Role::Active);
        let number = self.ledger.send(self.now, src, dst, due);
        let frame = Frame {
            number,
            src,
            dst,
            announcement: false,
            hops: 0,
        };
        self.switch(home(station), 2 + src % 2, frame);
    }

    pub(crate) fn switch(&mut self, side: Side, port: u8, frame: Frame) {
        let frame = Frame {
            hops: frame.hops + 1,
            ..frame
        };
        if frame.hops > ROUND {
            // Where two carried everything a moment ago, frames that went round have taught
            // switches and instances wrong ways, for as long as stations keep quiet.
            if self.calm() {
                let said = format!("frame {} of {} goes round", frame.number, frame.src);
                self.fail(None, Check::Frames, said);
            }
            return;
        }
        let carrier = [0, 1].map(|i| self.hosts[i].carrier(side, self.now));
        let out = self.switches[index(side)].forward(port, &frame, carrier);
        for i in 0..2 {
            if out.hosts[i] {
                self.port(i, side, frame);
            }
            let station = index(side) * 2 + i;
            let meant = frame.dst == BROADCAST || usize::from(frame.dst) == station;
            if out.stations[i] && meant && !frame.announcement {
                self.ledger.reached(frame.number, station);
            }
        }
    }

    #[allow(clippy::wrong_self_convention, reason = "the frame goes to the switch")]
    pub(crate) fn to_switch(&mut self, i: usize, side: Side, frame: Frame) {
        if self.hosts[i].carrier(side, self.now) {
            let port = u8::from(i == 1);
            self.plan(self.now + CABLE, What::Switch(side, port, frame));
        }
    }

    /// A frame leaves a switch for an instance: when it has crossed the cable it waits there.
    fn port(&mut self, i: usize, side: Side, frame: Frame) {
        let (arrives, latency) = (self.now + CABLE, self.load.1);
        let Some(process) = &mut self.hosts[i].process else {
            return;
        };
        if let Some(at) = process.worker.queue(arrives, latency) {
            let boot = process.boot;
            self.plan(at, What::Serve(i, boot, side, frame));
        }
    }

    pub(crate) fn serve(&mut self, i: usize, boot: u64, side: Side, frame: Frame) {
        let (now, local) = (self.now, self.hosts[i].clock.local(self.now));
        let Some(process) = self.hosts[i].process.as_mut().filter(|p| p.boot == boot) else {
            return;
        };
        if now < process.worker.hung_until {
            let at = process.worker.hung_until;
            self.plan(at, What::Serve(i, boot, side, frame));
            return;
        }
        let verdict = process.worker.serve(now, local, side, frame);
        let learned = !process.worker.learned.is_empty();
        if learned {
            self.wake(i, now);
        }
        match verdict {
            Verdict::Carry(frame) => self.to_switch(i, side.other(), frame),
            Verdict::Drop(why) => {
                if self.traced.is_some() && self.hosts[i].role() == Role::Active {
                    self.trace(Some(i), || format!("drops frame {}: {why}", frame.number));
                }
            }
        }
    }
}
