//! One peer: its sessions (rule 5), its health (rules 1 to 3), and the paths both ways (rules 4
//! and 12).

mod track;

use std::time::Duration;

use crate::faults::{self, Fault};
use crate::message::{Echo, Flags, Health, Heartbeat, Path, Paths, Role};
use twinline_time::Time;

pub use track::Track;

/// How many boot ids of the past are remembered as never to come back.
const RETIRED: usize = 8;

/// Why an authenticated message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Its sequence number is not above the last one of this boot id.
    Replay,
    /// The same in-band: most are copies, since each data port brings one.
    Copy,
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
    /// It is newer than every heartbeat before it, on any path.
    pub news: bool,
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
    /// The largest sequence number of the session, on any path.
    seq: u64,
    /// That of its last heartbeat: an address share may overtake a heartbeat on the other path, and
    /// says nothing of what that says.
    newest: u64,
    tracks: [Track; 2],
    health: Health,
    last: Option<Received>,
    rtt: Option<Duration>,
    hears_us_at: Option<Time>,
    hears_us_on: Paths,
    heard_since: Option<Time>,
    unechoed: u32,
    said_goodbye: bool,
    heartbeats: u64,
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
            newest: 0,
            tracks: [Track::new(now), Track::new(now)],
            health: Health::Unknown,
            last: None,
            rtt: None,
            hears_us_at: None,
            hears_us_on: Paths::default(),
            heard_since: None,
            unechoed: 0,
            said_goodbye: false,
            heartbeats: 0,
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

    /// What one path brings of it.
    #[must_use]
    pub fn track(&self, path: Path) -> &Track {
        match path {
            Path::HaPort => &self.tracks[0],
            Path::InBand => &self.tracks[1],
        }
    }

    fn track_mut(&mut self, path: Path) -> &mut Track {
        match path {
            Path::HaPort => &mut self.tracks[0],
            Path::InBand => &mut self.tracks[1],
        }
    }

    fn live(&self) -> bool {
        self.tracks.iter().any(Track::live)
    }

    /// The paths on which it is heard.
    #[must_use]
    pub fn heard_on(&self) -> Paths {
        Path::ALL.iter().fold(Paths::default(), |paths, &path| {
            paths.with(path, self.track(path).live())
        })
    }

    /// The paths on which it hears us, as its last heartbeat says.
    #[must_use]
    pub fn hears_us_on(&self) -> Paths {
        self.hears_us_on
    }

    /// Slots in a row without a heartbeat, on the path that brings most.
    #[must_use]
    pub fn missed(&self) -> u32 {
        let of = |live: bool| {
            let heard = self.tracks.iter().filter(|t| t.last_at().is_some());
            heard.filter(|t| t.live() || !live).map(Track::missed).min()
        };
        of(true).or_else(|| of(false)).unwrap_or(0)
    }

    /// Heartbeats taken, each counted once.
    #[must_use]
    pub fn heartbeats(&self) -> u64 {
        self.heartbeats
    }

    /// Messages that the sequence numbers say were lost on the HA path.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.track(Path::HaPort).lost()
    }

    /// Check slots of the HA path that held no heartbeat, in all.
    #[must_use]
    pub fn failed_checks(&self) -> u64 {
        self.track(Path::HaPort).failed_checks()
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
        self.last.is_some() && self.live() && !self.said_goodbye
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

    /// Takes the sequence number of any message; the first gate of rule 5. `slept`: since
    /// our last step; `interval`: our own.
    ///
    /// A new boot id is a new session. What proves it is that it echoes something that we sent
    /// lately in this very run, which no capture can. It is believed without when it is the largest
    /// ever heard from this instance (boot ids grow with the peer's clock), unless the session before
    /// gave the proof and misses no slot. A smaller one (the peer's clock was set back, or this is an
    /// old capture) needs the proof, and that the session before missed a slot or never gave any.
    ///
    /// # Errors
    /// [`Refusal`] when the message is a replay or of a session of the past.
    pub fn admit(
        &mut self,
        (slept, interval): (Duration, Duration),
        (boot, seq): (u64, u64),
        path: Path,
        echoes: &[Echo],
        own: &OwnSession,
    ) -> Result<Accepted, Refusal> {
        if boot == self.boot && self.boot != 0 {
            return self.number(seq, path);
        }
        let newest = boot > self.highest_boot;
        // A process that was restarted at once is heard before the silence of the one before it is
        // long enough to be a failure; a session that shows that it hears us and misses no slot is
        // not replaced without proof.
        // Who slept through a slot finds both in its queue, and cannot tell how old they are.
        let slept = slept >= self.interval(interval);
        let never = self.hears_us_at.is_none();
        let over = !self.present() || self.missed() > 0 || slept || never;
        let proven = echoes
            .iter()
            .any(|e| e.instance == own.instance && e.boot == own.boot && e.seq >= own.recent_seq);
        // One of the past comes back only where nobody is there any more: then what took its place
        // was a capture.
        let past = self.retired.contains(&boot) && self.present();
        let believed = if newest {
            over || proven
        } else {
            over && proven && !past
        };
        if boot == 0 || !(believed || faults::on(Fault::BootIdUnchecked)) {
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
        self.newest = 0;
        for track in &mut self.tracks {
            track.begin_session();
        }
        let track = self.track_mut(path);
        track.seq = seq;
        track.begun = true;
        self.rtt = None;
        self.hears_us_at = None;
        self.hears_us_on = Paths::default();
        self.heard_since = None;
        self.unechoed = 0;
        Ok(Accepted {
            new_boot,
            news: true,
            lost: 0,
            health: self.sum_up(),
        })
    }

    /// The number of a message of the session that runs.
    fn number(&mut self, seq: u64, path: Path) -> Result<Accepted, Refusal> {
        let news = seq > self.newest || faults::on(Fault::OvertakenIsNews);
        let track = self.track_mut(path);
        if track.begun && seq <= track.seq {
            if faults::on(Fault::SequenceUnchecked) {
                return Ok(Accepted {
                    news: true,
                    ..Accepted::default()
                });
            }
            return Err(match path {
                Path::HaPort => Refusal::Replay,
                Path::InBand => Refusal::Copy,
            });
        }
        // Address shares count as well, and not all of them go in-band: there a missed slot is a
        // loss, and a gap is none.
        let lost = match path {
            // That of a session that was first heard in-band has no gap to show yet.
            Path::HaPort if track.begun => seq - track.seq - 1,
            Path::InBand if track.begun && faults::on(Fault::InBandGapIsLoss) => {
                seq - track.seq - 1
            }
            Path::HaPort | Path::InBand => 0,
        };
        track.begun = true;
        track.seq = seq;
        track.lost = track.lost.saturating_add(lost);
        if lost > 0 && !faults::on(Fault::LossForgiven) {
            track.good = 0;
        }
        self.seq = self.seq.max(seq);
        Ok(Accepted {
            new_boot: false,
            news,
            lost,
            health: None,
        })
    }

    /// Takes a heartbeat that [`Self::admit`] let through (rule 2).
    ///
    /// What comes on one path after it was overtaken on the other shows that its path is good, and
    /// says nothing new. Neither does it when the sender is gone, or when it is older than a
    /// failure window: who holds frames back must not keep a dead peer alive.
    pub fn heard(
        &mut self,
        now: Time,
        path: Path,
        news: bool,
        heartbeat: &Heartbeat,
        own: &OwnSession,
        thresholds: &Thresholds,
    ) -> Option<HealthChange> {
        if !news {
            let window = self
                .interval(thresholds.interval)
                .saturating_mul(u32::from(thresholds.failure));
            let stale = self
                .last
                .as_ref()
                .is_some_and(|r| r.heartbeat.tx_time.since(heartbeat.tx_time) > window);
            if !(stale || self.said_goodbye) {
                self.track_mut(path).hear(now, thresholds.recovery);
            }
            return self.sum_up();
        }
        // `admit` has just put its number there.
        self.newest = self.track(path).seq;
        self.heartbeats = self.heartbeats.saturating_add(1);
        if !self.live() {
            self.heard_since = None;
            self.unechoed = 0;
        }
        self.unechoed = self.unechoed.saturating_add(1);
        self.hears_us_on = Paths::default();
        if let Some(echo) = heartbeat
            .echoes
            .iter()
            .find(|e| e.instance == own.instance && e.boot == own.boot)
        {
            if echo.seq >= own.recent_seq {
                self.hears_us_at = Some(now);
                self.hears_us_on = echo.paths;
                self.unechoed = 0;
            }
            let away = now.since(echo.tx_time);
            self.rtt = away.checked_sub(echo.hold).or(self.rtt);
        }
        self.said_goodbye = heartbeat.flags.has(Flags::STOPPING);
        self.heard_since.get_or_insert(now);
        self.last = Some(Received {
            at: now,
            heartbeat: heartbeat.clone(),
        });
        self.track_mut(path).hear(now, thresholds.recovery);
        if self.said_goodbye {
            for track in &mut self.tracks {
                track.part();
            }
        }
        self.sum_up()
    }

    /// Judges the slots that ended (rule 1), after the queue was drained (rule 3), on each path.
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
        for path in Path::ALL {
            let by_slot = path == Path::InBand;
            self.track_mut(path)
                .judge(now, late, interval, thresholds, by_slot);
        }
        self.sum_up()
    }

    /// When [`Self::judge`] has something to say next, if no heartbeat comes.
    #[must_use]
    pub fn next_deadline(&self, own_interval: Duration) -> Option<Time> {
        self.last.as_ref()?;
        let interval = self.interval(own_interval);
        self.tracks
            .iter()
            .filter_map(|t| t.next_deadline(interval))
            .reduce(Time::min)
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
            paths: self.heard_on(),
        })
    }

    /// Its health from that on each path: the best of those that bring anything (rule 12).
    fn sum_up(&mut self) -> Option<HealthChange> {
        let heard = || self.tracks.iter().filter(|t| t.last_at().is_some());
        let live = || heard().filter(|t| t.live());
        let any = |health| live().any(|t| t.health() == health);
        let worse = faults::on(Fault::WorsePathCounts) && heard().any(|t| !t.live());
        let to = if worse {
            Health::Unhealthy
        } else if any(Health::Healthy) {
            Health::Healthy
        } else if any(Health::Unknown) {
            Health::Unknown
        } else if heard().any(|t| t.health() == Health::Unhealthy) {
            Health::Unhealthy
        } else {
            Health::Unknown
        };
        let from = self.health;
        self.health = to;
        (from != to).then_some(HealthChange { from, to })
    }
}

#[cfg(test)]
mod tests;
