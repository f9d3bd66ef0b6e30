//! One peer: its sessions (rule 5), its health (rules 1 to 3), and the path both ways (rule 4).

use std::time::Duration;

use crate::faults::{self, Fault};
use crate::message::{Echo, Flags, Health, Heartbeat, Role};
use crate::time::Time;

/// How many boot ids of the past are remembered as never to come back.
const RETIRED: usize = 8;

/// Why an authenticated message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Its sequence number is not above the last one of this boot id.
    Replay,
    /// Its boot id is one of the past, or could not show that it hears us now.
    OldSession,
}

/// What we ourselves sent recently: the proof that a session is alive is that it echoes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnSession {
    /// Our instance id.
    pub instance: u16,
    /// Our boot id.
    pub boot: u64,
    /// The smallest of our sequence numbers that counts as recent.
    pub recent_seq: u64,
}

/// What a message did to a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// The peer runs a new session: it was restarted.
    pub new_boot: bool,
    /// Heartbeats that the sequence says were lost since the last one.
    pub lost: u64,
    /// A restarted peer has to show its health again (rule 2).
    pub health: Option<HealthChange>,
}

/// The thresholds that judge a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Our own interval.
    pub interval: Duration,
    /// Slots without a heartbeat after which it is UNHEALTHY.
    pub failure: u8,
    /// Heartbeats in sequence after which it is HEALTHY.
    pub recovery: u8,
}

/// A change of a peer's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthChange {
    /// What it was.
    pub from: Health,
    /// What it is.
    pub to: Health,
}

/// One other instance of the stack.
#[derive(Clone, Debug)]
pub struct Peer {
    instance: u16,
    boot: u64,
    highest_boot: u64,
    retired: [u64; RETIRED],
    seq: u64,
    health: Health,
    slot_start: Time,
    missed: u32,
    good: u32,
    last: Option<Received>,
    rtt: Option<Duration>,
    hears_us_at: Option<Time>,
    heard_since: Option<Time>,
    unechoed: u32,
    /// A late turn restarted a slot, and nothing was heard since.
    late_before: bool,
    said_goodbye: bool,
    silent: bool,
    heartbeats: u64,
    lost: u64,
    failed_checks: u64,
}

/// The last heartbeat and when it came.
#[derive(Clone, Debug)]
pub struct Received {
    /// When it was taken from the queue.
    pub at: Time,
    /// What it said.
    pub heartbeat: Heartbeat,
}

impl Peer {
    /// A peer of which nothing was heard in this run.
    ///
    /// `highest_boot` comes from the state file: a capture of an older session is refused even by
    /// an instance that has just started.
    #[must_use]
    pub fn new(instance: u16, highest_boot: u64, now: Time) -> Self {
        Self {
            instance,
            boot: 0,
            highest_boot,
            retired: [0; RETIRED],
            seq: 0,
            health: Health::Unknown,
            slot_start: now,
            missed: 0,
            good: 0,
            last: None,
            rtt: None,
            hears_us_at: None,
            heard_since: None,
            unechoed: 0,
            late_before: false,
            said_goodbye: false,
            silent: false,
            heartbeats: 0,
            lost: 0,
            failed_checks: 0,
        }
    }

    /// Its instance id.
    #[must_use]
    pub fn instance(&self) -> u16 {
        self.instance
    }

    /// Its health.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health
    }

    /// The boot id of its session; 0 = none yet.
    #[must_use]
    pub fn boot(&self) -> u64 {
        self.boot
    }

    /// The largest boot id that it was ever accepted with.
    #[must_use]
    pub fn highest_boot(&self) -> u64 {
        self.highest_boot
    }

    /// Its last heartbeat.
    #[must_use]
    pub fn last(&self) -> Option<&Received> {
        self.last.as_ref()
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

    /// Messages that the sequence numbers say were lost.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Check slots that held no heartbeat, in all.
    #[must_use]
    pub fn failed_checks(&self) -> u64 {
        self.failed_checks
    }

    /// The last measured round trip, less the time that the peer held our heartbeat.
    #[must_use]
    pub fn rtt(&self) -> Option<Duration> {
        self.rtt
    }

    /// Heard within the last `failure_threshold` slots, and not gone: somebody is there.
    ///
    /// A peer that is UNHEALTHY and heard again is there from its first heartbeat on, though it
    /// takes `recovery_threshold` of them to be HEALTHY: who just yielded to it (rule 9) must not
    /// think that nobody is ACTIVE.
    #[must_use]
    pub fn present(&self) -> bool {
        self.last.is_some() && !self.silent && !self.said_goodbye
    }

    /// It said goodbye and was not heard since.
    #[must_use]
    pub fn said_goodbye(&self) -> bool {
        self.said_goodbye
    }

    /// Its role, as far as it is present.
    #[must_use]
    pub fn role(&self) -> Option<Role> {
        self.heartbeat().map(|h| h.role)
    }

    /// Its last heartbeat, as far as it is present.
    #[must_use]
    pub fn heartbeat(&self) -> Option<&Heartbeat> {
        if self.present() {
            self.last.as_ref().map(|r| &r.heartbeat)
        } else {
            None
        }
    }

    /// Whether its last heartbeat carries all of `flags`, as far as it is present.
    #[must_use]
    pub fn says(&self, flags: Flags) -> bool {
        self.heartbeat().is_some_and(|h| h.flags.has(flags))
    }

    /// Since when this session has been heard without a failure.
    #[must_use]
    pub fn heard_since(&self) -> Option<Time> {
        self.heard_since
    }

    /// Heartbeats in a row that did not show that it hears us.
    #[must_use]
    pub fn unechoed(&self) -> u32 {
        self.unechoed
    }

    /// When it last showed that it hears us.
    #[must_use]
    pub fn hears_us_at(&self) -> Option<Time> {
        self.hears_us_at
    }

    /// The interval of rule 1: the larger of ours and the one that it advertises.
    #[must_use]
    pub fn interval(&self, own: Duration) -> Duration {
        if faults::on(Fault::PeerIntervalIgnored) {
            return own;
        }
        self.last
            .as_ref()
            .map_or(own, |r| r.heartbeat.interval.max(own))
    }

    /// Takes the sequence number of any message; the first gate of rule 5.
    ///
    /// A new boot id is a new session. It is believed at once when it is the largest ever heard
    /// from this instance (boot ids grow with the peer's clock). A smaller one (the peer's clock
    /// was set back, or this is an old capture) is believed only while no session is heard and
    /// when it echoes something that we sent lately in this very run, which no capture can.
    ///
    /// # Errors
    /// [`Refusal`] when the message is a replay or of a session of the past.
    pub fn admit(
        &mut self,
        boot: u64,
        seq: u64,
        echoes: &[Echo],
        own: &OwnSession,
    ) -> Result<Accepted, Refusal> {
        if boot == self.boot && self.boot != 0 {
            if seq <= self.seq {
                if faults::on(Fault::SequenceUnchecked) {
                    return Ok(Accepted::default());
                }
                return Err(Refusal::Replay);
            }
            let lost = seq - self.seq - 1;
            self.seq = seq;
            self.lost = self.lost.saturating_add(lost);
            if lost > 0 && !faults::on(Fault::LossForgiven) {
                self.good = 0;
            }
            return Ok(Accepted {
                new_boot: false,
                lost,
                health: None,
            });
        }
        let newest = boot > self.highest_boot;
        // A process that was restarted at once is heard before the silence of the one before it is
        // long enough to be a failure; a session that misses no slot is never replaced.
        let over = !self.present() || self.missed > 0;
        let proven = over
            && !self.retired.contains(&boot)
            && echoes.iter().any(|e| {
                e.instance == own.instance && e.boot == own.boot && e.seq >= own.recent_seq
            });
        if boot == 0 || !(newest || proven || faults::on(Fault::BootIdUnchecked)) {
            return Err(Refusal::OldSession);
        }
        let new_boot = self.boot != 0;
        if new_boot {
            self.retired.rotate_right(1);
            if let Some(slot) = self.retired.first_mut() {
                *slot = self.boot;
            }
        }
        self.boot = boot;
        self.highest_boot = self.highest_boot.max(boot);
        self.seq = seq;
        self.good = 0;
        self.rtt = None;
        self.hears_us_at = None;
        self.heard_since = None;
        self.unechoed = 0;
        let health = if self.health == Health::Healthy {
            self.become_health(Health::Unknown)
        } else {
            None
        };
        Ok(Accepted {
            new_boot,
            lost: 0,
            health,
        })
    }

    /// Takes a heartbeat that [`Self::admit`] let through (rule 2).
    pub fn heard(
        &mut self,
        now: Time,
        heartbeat: Heartbeat,
        own: &OwnSession,
        thresholds: &Thresholds,
    ) -> Option<HealthChange> {
        self.heartbeats = self.heartbeats.saturating_add(1);
        if self.silent {
            self.heard_since = None;
            self.unechoed = 0;
        }
        self.unechoed = self.unechoed.saturating_add(1);
        self.said_goodbye = false;
        if let Some(echo) = heartbeat
            .echoes
            .iter()
            .find(|e| e.instance == own.instance && e.boot == own.boot)
        {
            if echo.seq >= own.recent_seq {
                self.hears_us_at = Some(now);
                self.unechoed = 0;
            }
            let away = now.since(echo.tx_time);
            self.rtt = away.checked_sub(echo.hold).or(self.rtt);
        }
        let goodbye = heartbeat.flags.has(Flags::STOPPING);
        self.slot_start = now;
        self.missed = 0;
        self.silent = false;
        self.late_before = false;
        self.heard_since.get_or_insert(now);
        self.good = self.good.saturating_add(1);
        self.last = Some(Received { at: now, heartbeat });
        if goodbye {
            self.said_goodbye = true;
            self.good = 0;
            return self.become_health(Health::Unhealthy);
        }
        if self.good >= u32::from(thresholds.recovery) {
            return self.become_health(Health::Healthy);
        }
        None
    }

    /// Judges the slots that ended (rule 1), after the queue was drained (rule 3).
    ///
    /// `late`: our own loop was late by more than half an interval, so the slot that runs starts
    /// again: what we were not there to hear is not the peer's fault. But the queue was drained each
    /// time: of several late turns without a heartbeat, each after the first that a whole slot lies
    /// before counts as one slot, or a loop that is late every time would never see a dead peer.
    pub fn judge(
        &mut self,
        now: Time,
        late: bool,
        thresholds: &Thresholds,
    ) -> Option<HealthChange> {
        self.last.as_ref()?;
        let interval = self
            .interval(thresholds.interval)
            .max(Duration::from_nanos(1));
        let mut late_slots = 0;
        if late {
            let whole = now.since(self.slot_start) >= interval;
            late_slots = u32::from(self.late_before && whole);
            self.late_before = true;
            self.slot_start = self.slot_start.max(now);
        }
        let silent = now.since(self.slot_start);
        let slots = u32::try_from(silent.as_nanos() / interval.as_nanos()).unwrap_or(u32::MAX);
        self.slot_start = self.slot_start + interval.saturating_mul(slots);
        let slots = slots.saturating_add(late_slots);
        if slots == 0 {
            return None;
        }
        self.missed = self.missed.saturating_add(slots);
        self.failed_checks = self.failed_checks.saturating_add(u64::from(slots));
        let mut threshold = u32::from(thresholds.failure);
        if faults::on(Fault::ThresholdLate) {
            threshold += 1;
        } else if faults::on(Fault::ThresholdEarly) {
            threshold -= 1;
        }
        if self.missed >= threshold {
            self.good = 0;
            self.silent = true;
            return self.become_health(Health::Unhealthy);
        }
        None
    }

    /// When [`Self::judge`] has something to say next, if no heartbeat comes.
    #[must_use]
    pub fn next_deadline(&self, own_interval: Duration) -> Option<Time> {
        self.last.as_ref()?;
        Some(self.slot_start + self.interval(own_interval))
    }

    /// What we tell this peer that we heard from it.
    #[must_use]
    pub fn echo(&self, now: Time) -> Option<Echo> {
        let last = self.last.as_ref()?;
        Some(Echo {
            instance: self.instance,
            boot: self.boot,
            seq: self.seq,
            tx_time: last.heartbeat.tx_time,
            hold: now.since(last.at),
            health: self.health,
        })
    }

    fn become_health(&mut self, to: Health) -> Option<HealthChange> {
        let from = self.health;
        self.health = to;
        (from != to).then_some(HealthChange { from, to })
    }
}

#[cfg(test)]
mod tests;
