//! What leaves the node: heartbeats with the lease, address shares, announcements.

use std::time::Duration;

use crate::action::{Action, GateMode};
use crate::faults::{self, Fault};
use crate::message::{Flags, Heartbeat, NeighbourChunk, Role};
use crate::settings::Mode;
use twinline_time::Time;

use super::{Asking, Node, Phase};

/// How often new addresses are shared.
const MAC_DELTA: Duration = Duration::from_millis(20);
/// How often the whole table is shared: a peer that has just started knows it a second later.
const MAC_FULL: Duration = Duration::from_secs(1);
/// When the announcements are repeated: a switch may have been busy, a frame may have been lost.
const ANNOUNCE_AGAIN: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(1)];
/// Heartbeats of ours that are remembered, at most: of more in one window the older ones prove
/// nothing (rule 5).
const REMEMBERED: usize = 1024;
/// Announcements handed to the workers in one step.
const ANNOUNCE_BURST: usize = 64;

impl Node {
    pub(super) fn send_due(&mut self) {
        self.sent_late_by = None;
        if self.settings.mode == Mode::Standalone || self.phase == Phase::Stopped {
            self.next_send = self.now + self.settings.interval;
            return;
        }
        self.note_opened();
        let gate_open = self.gate_open();
        if gate_open != self.sent_gate_open {
            self.urgent = true;
        }
        let due = self.now >= self.next_send;
        if due || self.urgent {
            self.send_heartbeat(gate_open);
        }
        if due {
            self.sent_late_by = Some(self.now.since(self.next_send));
            // On the grid as long as we are on time, so that slots do not creep.
            let every = self.send_every();
            let on_grid = self.next_send + every;
            self.next_send = if on_grid > self.now {
                on_grid
            } else {
                self.now + every
            };
        }
        if self.lease_until.is_some() {
            // An impatient peer was heard since the last one was planned: its lease is shorter.
            self.next_send = self.next_send.min(self.now + self.send_every());
        }
        self.urgent = false;
        self.share_macs();
    }

    /// The interval; less where the lease would end before the next heartbeat (threshold 1), and
    /// while a hand-over is under way, where each side waits for the other's word.
    fn send_every(&self) -> Duration {
        let interval = self.settings.interval;
        let handing = match self.phase {
            Phase::HandingOver(_)
            | Phase::Active {
                taking_over: Some(_),
            } => true,
            Phase::Standby { .. } => self.asking.is_some(),
            _ => false,
        };
        let most = interval.min((self.lease_length() * 2) / 3);
        if handing {
            let fast = interval / 4;
            return fast
                .clamp(Duration::from_millis(1), Duration::from_millis(10))
                .min(most);
        }
        most
    }

    /// Rule 11: `failure_threshold x interval - guard`, by the most impatient peer.
    fn lease_length(&self) -> Duration {
        let own = self.settings.failure_window();
        // One that we hear no more may hear us all the same.
        let shortest = self
            .peers
            .values()
            .filter_map(|p| p.last().map(|r| &r.heartbeat))
            .map(|h| {
                let slot = h.interval.max(self.settings.interval);
                slot.saturating_mul(u32::from(h.failure_threshold.max(1)))
            })
            .fold(own, Duration::min);
        if faults::on(Fault::LeaseGuardDropped) {
            return shortest;
        }
        if faults::on(Fault::LeaseByOwnThreshold) {
            return own.saturating_sub(self.settings.lease_guard());
        }
        shortest.saturating_sub(self.settings.lease_guard())
    }

    fn send_heartbeat(&mut self, gate_open: bool) {
        self.seq += 1;
        self.sent_gate_open = gate_open;
        while self.sent.len() >= REMEMBERED
            || self
                .sent
                .front()
                .is_some_and(|&(_, at)| self.now.since(at) >= self.recent_for())
        {
            self.sent.pop_front();
        }
        self.sent.push_back((self.seq, self.now));
        let lease_until =
            (self.settings.leased() && self.carrying()).then(|| self.now + self.lease_length());
        if lease_until.is_some() {
            self.lease_until = lease_until;
        }
        let heartbeat = self.heartbeat(gate_open);
        self.out.push(Action::Send {
            seq: self.seq,
            heartbeat,
            lease_until,
        });
    }

    fn heartbeat(&self, gate_open: bool) -> Heartbeat {
        let mut successor = 0;
        if let Phase::HandingOver(state) = &self.phase
            && state.announced
        {
            successor = state.successor;
        }
        let role = self.role();
        let stopping = matches!(self.phase, Phase::Stopping { .. });
        let operator = matches!(self.asking, Some(Asking::Operator { .. }));
        let flags = Flags::default()
            .with(Flags::PRIMARY, self.settings.primary)
            .with(Flags::FIT, self.fit() && !stopping)
            .with(Flags::HANDING_OVER, successor != 0)
            .with(Flags::REQUEST_ACTIVE, self.asking.is_some())
            .with(Flags::OPERATOR, operator)
            .with(Flags::BANDWIDTH_FAILED, self.bandwidth_failed())
            .with(Flags::GATE_OPEN, gate_open)
            .with(Flags::DEGRADED, role == Role::Active && !self.fit())
            .with(
                Flags::STOPPING,
                matches!(self.phase, Phase::Stopping { goodbyes: 1.., .. }),
            )
            .with(Flags::LISTENING, self.listening());
        Heartbeat {
            role,
            flags,
            successor,
            epoch: if self.carrying() {
                self.tenure
            } else {
                self.epoch
            },
            unfit: self.unfit,
            pairs_up: self.pairs_up(),
            pairs_total: u16::try_from(self.pairs.len()).unwrap_or(u16::MAX),
            bandwidth_bps: self.meter.rates().sum_bps(),
            flaps: self.flaps.count(self.now, self.settings.flap_window),
            interval: self.settings.interval,
            failure_threshold: self.settings.failure_threshold,
            config_digest: self.config_digest,
            tx_time: self.now,
            echoes: self.echoes(),
        }
    }

    fn listening(&self) -> bool {
        matches!(
            self.phase,
            Phase::Init { .. }
                | Phase::Standby {
                    listen_until: Some(_)
                }
        )
    }

    /// Once open, open for the whole tenure: announcements that are repeated, or a hand-over that
    /// was cancelled, close nothing.
    fn note_opened(&mut self) {
        let opens = matches!(self.gates, GateMode::Forward | GateMode::TakingOver);
        self.opened |= opens
            && (self.gates_adopted || faults::on(Fault::OpenBeforeAdoption))
            && self.announce_queue.is_empty()
            && self.announcements_pending == 0;
    }

    /// Opening: known to be open, and the switches told. Closing: open until known to be closed.
    fn gate_open(&self) -> bool {
        let opens = matches!(self.gates, GateMode::Forward | GateMode::TakingOver);
        if opens {
            return self.opened;
        }
        if self.gates == GateMode::HandingOver {
            return true;
        }
        // The lease is revoked with the gate: a worker that hangs cannot forward after one
        // interval either, so nobody waits for its acknowledgement for ever.
        let told_long_ago = self.now.since(self.gates_set_at) >= self.settings.interval;
        !(self.gates_adopted || told_long_ago)
    }

    fn share_macs(&mut self) {
        if !(self.carrying() && self.settings.leased()) || self.now < self.next_mac_delta {
            return;
        }
        self.next_mac_delta = self.now + MAC_DELTA;
        let all = self.now >= self.next_mac_full;
        if all {
            self.next_mac_full = self.now + MAC_FULL;
        }
        let in_band = self.needs_in_band();
        for (index, table) in self.macs.iter_mut().enumerate() {
            let pair = u16::try_from(index).unwrap_or(u16::MAX);
            for chunk in table.share(pair, all) {
                self.seq += 1;
                self.out.push(Action::SendMacs {
                    seq: self.seq,
                    chunk,
                    in_band,
                });
            }
        }
    }

    /// Hands a share of the table of neighbours to the peers, with the next step: while we carry the
    /// traffic, and have somebody to share with.
    pub fn share_neighbours(&mut self, chunk: NeighbourChunk) {
        if !self.carrying() || self.settings.mode != Mode::ActivePassive {
            return;
        }
        let in_band = self.needs_in_band();
        self.seq += 1;
        let seq = self.seq;
        self.out.push(Action::SendNeighbours {
            seq,
            chunk,
            in_band,
        });
    }

    // --- announcements (rule 8) ---

    /// Begins with a round now; repeats it later.
    pub(super) fn begin_announcing(&mut self) {
        self.announce_rounds = ANNOUNCE_AGAIN.iter().map(|&d| self.now + d).collect();
        self.queue_announcements();
    }

    fn queue_announcements(&mut self) {
        self.announce_queue.clear();
        if !self.settings.leased() || faults::on(Fault::Unannounced) {
            return;
        }
        for (index, table) in self.macs.iter().enumerate() {
            let pair = u16::try_from(index).unwrap_or(u16::MAX);
            // What lives on the LAN side is to be found behind our WAN port, and the other way.
            self.announce_queue
                .extend(table.iter().map(|(mac, side)| (pair, side.other(), mac)));
        }
    }

    pub(super) fn announce(&mut self) {
        if !matches!(self.phase, Phase::Active { .. }) {
            return;
        }
        let now = self.now;
        let before = self.announce_rounds.len();
        self.announce_rounds.retain(|&at: &Time| at > now);
        if self.announce_rounds.len() != before && self.announce_queue.is_empty() {
            self.queue_announcements();
        }
        if self.announcements_pending >= ANNOUNCE_BURST {
            return;
        }
        let epoch = self.tenure;
        let count = self.announce_queue.len().min(ANNOUNCE_BURST);
        for (pair, from, mac) in self.announce_queue.drain(..count) {
            self.announcements_pending += 1;
            self.out.push(Action::Announce {
                pair,
                from,
                mac,
                epoch,
            });
        }
    }
}
