//! The worker of one instance, as `engine/dataplane` has it: gates, lease, stations, learning.

use twinline_ha::{GateMode, Learned, Side, Time, WorkerProgress};

use crate::clock::{Ns, SEC, US};
use crate::faults::{Sabotage, sabotaged};
use crate::network::{BROADCAST, Frame, STATIONS, mac_of, port_mac};

/// The forwarding lease of rule 11, as the worker reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lease {
    /// Revoked, or never given.
    None,
    /// Holds before this time of the instance's clock.
    Until(Time),
    /// Never ends.
    Forever,
}

/// What the worker does with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Sends this out of the other side.
    Carry(Frame),
    /// Drops it, for this reason.
    Drop(&'static str),
}

/// One worker and what the management core shares with it.
#[derive(Clone, Debug)]
pub struct Worker {
    /// The gate in force.
    pub adopted: GateMode,
    /// The gate asked for and not yet adopted, with the number of its asking.
    pub wanted: Option<(GateMode, u64)>,
    /// The lease.
    pub lease: Lease,
    /// Does not run before then.
    pub hung_until: Ns,
    /// Addresses for the management core.
    pub learned: Vec<Learned>,
    /// Frames that wait.
    pub queued: u32,
    host: usize,
    stations: [Option<Side>; STATIONS],
    reported: [Option<(Side, Ns)>; STATIONS],
    asked: u64,
    counted_to: Ns,
    turns: u64,
    idle: u64,
    free_at: Ns,
}

impl Worker {
    /// A worker that starts now, closed.
    #[must_use]
    pub fn new(host: usize, now: Ns) -> Self {
        Self {
            adopted: GateMode::Block,
            wanted: None,
            lease: Lease::None,
            hung_until: 0,
            learned: Vec::new(),
            queued: 0,
            host,
            stations: [None; STATIONS],
            reported: [None; STATIONS],
            asked: 0,
            counted_to: now,
            turns: 0,
            idle: 0,
            free_at: 0,
        }
    }

    /// Asks for a gate; the number of this asking.
    pub fn ask(&mut self, mode: GateMode) -> u64 {
        self.asked += 1;
        self.wanted = Some((mode, self.asked));
        self.asked
    }

    /// Adopts what was asked for under this number, unless something else was asked since.
    pub fn adopt(&mut self, number: u64) -> bool {
        match self.wanted {
            Some((mode, asked)) if asked == number => {
                self.adopted = mode;
                self.wanted = None;
                true
            }
            _ => false,
        }
    }

    /// The management core's copy of the stations.
    pub fn set_station(&mut self, station: usize, side: Option<Side>) {
        if let Some(entry) = self.stations.get_mut(station) {
            *entry = side;
        }
    }

    /// Stops turning until then.
    pub fn hang(&mut self, now: Ns, until: Ns) {
        self.count(now);
        self.hung_until = self.hung_until.max(until);
    }

    fn count(&mut self, now: Ns) {
        let from = self.counted_to.max(self.hung_until.min(now));
        let turns = now.saturating_sub(from) / (10 * US);
        self.turns += turns;
        if self.queued == 0 {
            self.idle += turns;
        }
        if turns > 0 {
            self.counted_to = now;
        }
    }

    /// Its progress until now.
    pub fn progress(&mut self, now: Ns) -> WorkerProgress {
        self.count(now);
        WorkerProgress {
            iterations: self.turns,
            idle_iterations: self.idle,
        }
    }

    /// When a frame that arrives now is looked at, in the order of arrival.
    pub fn queue(&mut self, now: Ns, latency: Ns) -> Option<Ns> {
        if self.queued >= 512 {
            return None;
        }
        self.count(now);
        self.queued += 1;
        let at = (now + latency).max(self.free_at).max(self.hung_until);
        self.free_at = at + 200;
        Some(at)
    }

    /// Whether the lease holds.
    #[must_use]
    pub fn leased(&self, local: Time) -> bool {
        if sabotaged(Sabotage::LeaseIgnored) {
            return true;
        }
        match self.lease {
            Lease::None => false,
            Lease::Until(until) => local < until,
            Lease::Forever => true,
        }
    }

    /// The gate by which frames are carried now, if any are.
    #[must_use]
    pub fn carries(&self, now: Ns, local: Time) -> Option<GateMode> {
        let open = self.adopted != GateMode::Block;
        let free = self.adopted == GateMode::Wire || self.leased(local);
        (open && free && now >= self.hung_until).then_some(self.adopted)
    }

    /// Looks at a frame that came in on this side.
    pub fn serve(&mut self, now: Ns, local: Time, from: Side, frame: Frame) -> Verdict {
        self.count(now);
        self.queued = self.queued.saturating_sub(1);
        let mode = self.adopted;
        if mode == GateMode::Wire {
            return Verdict::Carry(frame);
        }
        if mode == GateMode::Block {
            return Verdict::Drop("gate");
        }
        if !self.leased(local) {
            return Verdict::Drop("lease");
        }
        if mode != GateMode::Forward {
            if mode == GateMode::HandingOver && frame.announcement {
                return Verdict::Drop("announcement in an overlap");
            }
            if self.lives_across(frame.src, from) {
                return Verdict::Drop("its source lives across");
            }
            let known = frame.dst != BROADCAST && self.lives_across(frame.dst, from);
            let alone = mode == GateMode::TakingOver && !sabotaged(Sabotage::GroupFramesByBoth);
            if alone && !known {
                return Verdict::Drop("the other carries groups and strangers");
            }
        }
        self.learn(now, from, frame.src);
        let mut frame = frame;
        if mode == GateMode::HandingOver && !sabotaged(Sabotage::SourceKeptInOverlap) {
            frame.src = port_mac(self.host, from.other());
        }
        Verdict::Carry(frame)
    }

    fn lives_across(&self, station: u8, from: Side) -> bool {
        self.stations.get(usize::from(station)).copied().flatten() == Some(from.other())
    }

    fn learn(&mut self, now: Ns, side: Side, station: u8) {
        let Some(entry) = self.reported.get_mut(usize::from(station)) else {
            return;
        };
        let due = entry.is_none_or(|(was, at)| was != side || now.saturating_sub(at) >= SEC);
        if due {
            *entry = Some((side, now));
            self.learned.push(Learned {
                pair: 0,
                side,
                mac: mac_of(station),
            });
        }
    }
}
