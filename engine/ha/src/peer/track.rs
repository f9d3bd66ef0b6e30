//! What is heard of a peer on one path: its slots and its health (rules 1 to 3, and 12).

use std::time::Duration;

use crate::faults::{self, Fault};
use crate::message::Health;
use twinline_time::Time;

use super::Thresholds;

/// One peer on one path.
#[derive(Clone, Debug)]
pub struct Track {
    /// The last sequence number of the session on this path.
    pub(super) seq: u64,
    /// It brought something of this session.
    pub(super) begun: bool,
    pub(super) health: Health,
    slot_start: Time,
    missed: u32,
    pub(super) good: u32,
    last_at: Option<Time>,
    silent: bool,
    /// A late turn restarted a slot, and nothing was heard since.
    late_before: bool,
    heartbeats: u64,
    pub(super) lost: u64,
    failed_checks: u64,
}

impl Track {
    pub(super) fn new(now: Time) -> Self {
        Self {
            seq: 0,
            begun: false,
            health: Health::Unknown,
            slot_start: now,
            missed: 0,
            good: 0,
            last_at: None,
            silent: false,
            late_before: false,
            heartbeats: 0,
            lost: 0,
            failed_checks: 0,
        }
    }

    /// Its health by what this path brings.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health
    }

    /// When the last heartbeat came; `None` in a run without one.
    #[must_use]
    pub fn last_at(&self) -> Option<Time> {
        self.last_at
    }

    /// Heard within the last `failure_threshold` slots.
    #[must_use]
    pub fn live(&self) -> bool {
        self.last_at.is_some() && !self.silent
    }

    /// Slots in a row without a heartbeat.
    #[must_use]
    pub fn missed(&self) -> u32 {
        self.missed
    }

    /// Heartbeats taken.
    #[must_use]
    pub fn heartbeats(&self) -> u64 {
        self.heartbeats
    }

    /// Messages that the sequence numbers say were lost; 0 in-band, where not all are sent.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Check slots that held no heartbeat, in all.
    #[must_use]
    pub fn failed_checks(&self) -> u64 {
        self.failed_checks
    }

    /// A new session begins: it has to show its health again (rule 2).
    pub(super) fn begin_session(&mut self) {
        self.seq = 0;
        self.begun = false;
        self.good = 0;
        if self.health == Health::Healthy {
            self.health = Health::Unknown;
        }
    }

    /// A heartbeat came (rule 2).
    pub(super) fn hear(&mut self, now: Time, recovery: u8) {
        self.heartbeats = self.heartbeats.saturating_add(1);
        self.slot_start = now;
        self.missed = 0;
        self.silent = false;
        self.late_before = false;
        self.last_at = Some(now);
        self.good = self.good.saturating_add(1);
        if self.good >= u32::from(recovery) {
            self.health = Health::Healthy;
        }
    }

    /// It said goodbye.
    pub(super) fn part(&mut self) {
        self.good = 0;
        self.health = Health::Unhealthy;
    }

    /// Judges the slots that ended; `interval` is rule 1's.
    pub(super) fn judge(
        &mut self,
        now: Time,
        late: bool,
        interval: Duration,
        thresholds: &Thresholds,
        loss_by_slot: bool,
    ) {
        if self.last_at.is_none() {
            return;
        }
        let mut late_slots = 0;
        if late {
            let whole = now.since(self.slot_start) >= interval;
            late_slots = u32::from(self.late_before && whole);
            self.late_before = true;
            self.slot_start = self.slot_start.max(now);
        }
        let silent = now.since(self.slot_start);
        let slots = if silent < interval {
            0
        } else {
            u32::try_from(silent.as_nanos() / interval.as_nanos()).unwrap_or(u32::MAX)
        };
        self.slot_start = self.slot_start + interval.saturating_mul(slots);
        let slots = slots.saturating_add(late_slots);
        if slots == 0 {
            return;
        }
        self.missed = self.missed.saturating_add(slots);
        self.failed_checks = self.failed_checks.saturating_add(u64::from(slots));
        if loss_by_slot {
            self.good = 0;
        }
        let mut threshold = u32::from(thresholds.failure);
        if faults::on(Fault::ThresholdLate) {
            threshold += 1;
        } else if faults::on(Fault::ThresholdEarly) {
            threshold -= 1;
        }
        if self.missed >= threshold {
            self.good = 0;
            self.silent = true;
            self.health = Health::Unhealthy;
        }
    }

    /// When [`Self::judge`] has something to say next, if nothing comes.
    pub(super) fn next_deadline(&self, interval: Duration) -> Option<Time> {
        self.last_at?;
        Some(self.slot_start + interval)
    }
}
