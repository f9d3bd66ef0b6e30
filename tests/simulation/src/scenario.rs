//! What happens in a run: everything but the node's own doing, drawn from the seed before it
//! begins, so that a run with fewer events is the same run up to the first event left out.

use std::time::Duration;
use twinline_ha::{Mode, Request, SavedState, Settings, Side, Topology};

use crate::bounds::Bounds;
use crate::clock::{HostClock, MS, Ns, SEC, US};
use crate::path_deeds::{PathDeeds, spoilt};
use crate::random::Random;
use crate::wire::{PathId, Quality};

/// How long a run is.
pub const LENGTH: Ns = 60 * SEC;

/// What a restarted process finds in place of its state file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateFile {
    /// What the last process wrote last.
    Kept,
    /// Nothing.
    Lost,
    /// What was there some writes ago: a backup was restored.
    Stale,
}

/// One thing done to the cluster.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Deed {
    /// kill -9, or the power; the process is back after a time.
    Crash {
        /// Whose.
        host: usize,
        /// Until it is started again.
        down: Ns,
        /// What it finds then.
        file: StateFile,
    },
    /// The management core does not run; the workers do.
    StallManagement(usize, Ns),
    /// The whole process does not run (SIGSTOP, a paused virtual machine).
    Freeze(usize, Ns),
    /// The worker does not run.
    HangWorker(usize, Ns),
    /// The worker takes so long to adopt a gate, for so long.
    SlowWorker(usize, Ns, Ns),
    /// A heartbeat path has this quality for so long; `None`: in both directions, else what this
    /// host sends.
    Wire(PathId, Option<usize>, Quality, Ns),
    /// The HA cable is pulled for so long: both ports lose their carrier.
    PullHaCable(Ns),
    /// A data cable is pulled for so long.
    PullCable(usize, Side, Ns),
    /// The wall clock is set by so many milliseconds.
    SetWall(usize, i64),
    /// Load: bits per second through the pair, and how long a frame waits for its worker.
    Load(u64, Ns),
    /// An operator, or a signal.
    Ask(usize, Request),
    /// The configuration is reloaded with these settings changed.
    Reload(usize, Change),
    /// A capture of what the other host sent before its last restart is played to this one.
    Replay(usize),
}

/// What a reload changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// `ha.peer_failure_threshold`.
    FailureThreshold(u8),
    /// `ha.peer_check_interval_ms`.
    IntervalMs(u64),
    /// `ha.preempt`.
    Preempt(bool),
    /// `ha.max_flaps`.
    MaxFlaps(u32),
}

/// One instance's part.
#[derive(Clone, Debug)]
pub struct HostPlan {
    /// Its id.
    pub instance: u16,
    /// Its first settings.
    pub settings: Settings,
    /// Its clocks.
    pub clock: HostClock,
    /// When its process starts first.
    pub starts: Ns,
    /// What it finds then.
    pub state: SavedState,
    /// How long its workers take to adopt a gate.
    pub adopts: Ns,
}

/// A run.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// From this seed.
    pub seed: u64,
    /// The two instances.
    pub hosts: [HostPlan; 2],
    /// The HA path and the in-band path when nothing is wrong with them.
    pub wires: [Quality; 2],
    /// What is done, in order.
    pub deeds: Vec<(Ns, Deed)>,
    /// How far it goes.
    pub end: Ns,
    /// What the rules allow with these settings.
    pub bounds: Bounds,
}

impl Scenario {
    /// The run of this seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut r = Random::new(seed, 2);
        let in_band = match r.below(100) {
            0..=48 => [true; 2],
            // Somebody forgot the other one.
            49 => [true, false],
            50 => [false, true],
            _ => [false; 2],
        };
        Self::with_in_band(seed, in_band)
    }

    /// The same, but who sends heartbeats in-band is given.
    #[must_use]
    pub fn with_in_band(seed: u64, in_band: [bool; 2]) -> Self {
        let mut r = Random::new(seed, 1);
        let mut settings = both_settings(&mut r);
        for (settings, in_band) in settings.iter_mut().zip(in_band) {
            settings.in_band = in_band;
        }
        let start = r.within(0..10) * 100 * MS;
        let later = if r.coin() {
            r.below(200 * MS)
        } else {
            r.below(8 * SEC)
        };
        let first = r.coin();
        let ids = if r.coin() { [1, 2] } else { [2, 1] };
        let plan = |r: &mut Random, i: usize, settings: &Settings| HostPlan {
            instance: ids[i],
            settings: settings.clone(),
            clock: HostClock {
                zero: i64::try_from(r.below(100_000)).unwrap_or(0) * 1_000_000_000,
                ppm: i64::try_from(r.below(401)).unwrap_or(200) - 200,
                wall_ms: 1_700_000_000_000 + i64::try_from(r.below(10_000)).unwrap_or(0),
            },
            starts: if (i == 0) == first {
                start
            } else {
                start + later
            },
            state: SavedState::default(),
            adopts: adoption(r, settings),
        };
        let hosts = [plan(&mut r, 0, &settings[0]), plan(&mut r, 1, &settings[1])];
        // What concerns the in-band path has chances of its own: the rest of a run is the same with
        // and without it.
        let mut second = Random::new(seed, 3);
        let wires = [good_wire(&mut r), good_wire(&mut second)];
        let changes = changes(&mut r, &settings);
        let bounds = Bounds::of(&hosts, &wires, &changes);
        let deeds = Deeds {
            r,
            settings,
            changes,
            bounds: bounds.clone(),
            list: Vec::new(),
        };
        let mut deeds = deeds.draw(start + later);
        if in_band == [true; 2] {
            PathDeeds::new(second, &hosts, &bounds).add(&mut deeds, start + later);
        }
        Self {
            seed,
            hosts,
            wires,
            deeds,
            end: LENGTH,
            bounds,
        }
    }
}

/// Every reload that this run may see: known ahead, since the bounds count with them.
fn changes(r: &mut Random, settings: &[Settings; 2]) -> Vec<Change> {
    if !r.chance(300) {
        return Vec::new();
    }
    let interval = u64::try_from(settings[0].interval.as_millis()).unwrap_or(100);
    let all = [
        Change::FailureThreshold(u8::try_from(r.within(1..6)).unwrap_or(3)),
        Change::IntervalMs(if r.coin() {
            interval
        } else {
            (interval / 2).max(10)
        }),
        Change::Preempt(r.coin()),
        Change::MaxFlaps(u32::try_from(r.below(4)).unwrap_or(0)),
    ];
    all.into_iter().filter(|_| r.coin()).collect()
}

fn adoption(r: &mut Random, settings: &Settings) -> Ns {
    // A worker that polls adopts within microseconds; one that shares its core within a time
    // slice or two. Slower than its own interval it would be announced without (see `handover`).
    let interval = crate::clock::ns(settings.interval);
    let most = (interval / 3).min(40 * MS);
    if r.chance(600) {
        r.spread(US, 50 * US)
    } else {
        r.spread(US, most)
    }
}

fn both_settings(r: &mut Random) -> [Settings; 2] {
    let base = settings(r);
    let mut other = Settings {
        primary: false,
        ..base.clone()
    };
    let mut one = Settings {
        primary: true,
        ..base
    };
    match r.below(20) {
        0 => other.primary = true,
        1 => one.primary = false,
        2..=5 => {
            let mixed = settings(r);
            other.interval = mixed.interval;
            other.failure_threshold = mixed.failure_threshold;
            other.recovery_threshold = mixed.recovery_threshold;
            other.max_flaps = mixed.max_flaps;
        }
        _ => {}
    }
    if r.coin() { [one, other] } else { [other, one] }
}

fn settings(r: &mut Random) -> Settings {
    let interval = r
        .pick(&[10, 20, 50, 50, 100, 100, 100, 100, 200, 200])
        .max(1);
    let most = (1000 / interval).clamp(2, 6);
    let series = r.chance(60);
    Settings {
        mode: Mode::ActivePassive,
        primary: true,
        in_band: false,
        topology: if series {
            Topology::Series
        } else {
            Topology::Parallel
        },
        interval: Duration::from_millis(interval),
        failure_threshold: u8::try_from(r.within(1..most + 1)).unwrap_or(3),
        recovery_threshold: u8::try_from(r.within(1..6)).unwrap_or(3),
        max_flaps: r.pick(&[0, 1, 2, 6]),
        flap_window: Duration::from_secs(900),
        on_max_flaps: None,
        kick_every: None,
        preempt: r.chance(700),
        preempt_delay: Duration::from_millis(r.spread(1, 4000)),
        links_interval: Duration::from_millis(interval.max(50)),
        minimum_active_links: if r.chance(900) { 1 } else { 0 },
        propagate: r.chance(800),
        settle: Duration::from_millis(300),
        bandwidth_interval: Duration::from_secs(2),
        bandwidth_enabled: r.chance(200),
        bandwidth_minimum_bps: 1_000_000,
    }
}

struct Deeds {
    r: Random,
    settings: [Settings; 2],
    changes: Vec<Change>,
    bounds: Bounds,
    list: Vec<(Ns, Deed)>,
}

impl Deeds {
    /// Episodes of faults close together, with quiet between them long enough for the checks that
    /// want quiet, and a quiet end.
    fn draw(mut self, started: Ns) -> Vec<(Ns, Deed)> {
        let quiet = self.bounds.settled;
        let last = LENGTH.saturating_sub(quiet + 3 * SEC);
        let orderly = self.r.chance(350);
        let mut at = started
            + if self.r.chance(700) {
                quiet
            } else {
                self.r.below(2 * SEC)
            };
        while at < last && self.list.len() < 48 {
            let deeds = if orderly { 1 } else { self.r.within(1..7) };
            for _ in 0..deeds {
                let deed = if orderly { self.orderly() } else { self.any() };
                self.list.push((at, deed));
                at += if self.r.coin() {
                    self.r.below(20 * MS)
                } else {
                    self.r.below(SEC)
                };
            }
            at += match self.r.below(3) {
                0 => self.r.below(quiet),
                _ => quiet + self.r.below(2 * SEC),
            };
        }
        if self.r.coin() {
            for host in [0, 1] {
                self.list.push((last, Deed::Ask(host, Request::Clear)));
                self.list.push((last, Deed::Ask(host, Request::Resume)));
            }
        }
        self.list.retain(|&(at, _)| at <= last);
        self.list.sort_by_key(|&(at, _)| at);
        self.list
    }

    fn host(&mut self) -> usize {
        usize::from(self.r.coin())
    }

    fn window(&self) -> Ns {
        self.bounds.window
    }

    /// What a healthy pair sees in its life.
    fn orderly(&mut self) -> Deed {
        let host = self.host();
        match self.r.below(20) {
            0..=9 => Deed::Ask(host, Request::Switchover),
            10..=11 => Deed::Ask(host, Request::Suspend { force: false }),
            12..=14 => Deed::Ask(host, Request::Resume),
            15 => Deed::Ask(host, Request::Clear),
            16 => Deed::Ask(host, Request::Stop),
            17 => self.load(),
            18 => self.reload(),
            _ => Deed::Ask(1 - host, Request::Switchover),
        }
    }

    fn load(&mut self) -> Deed {
        let bps = self.r.pick(&[0, 500_000, 2_000_000, 1_000_000_000]);
        Deed::Load(bps, self.r.spread(US, 2 * MS))
    }

    fn reload(&mut self) -> Deed {
        let host = self.host();
        if self.changes.is_empty() {
            return self.load();
        }
        let n = u64::try_from(self.changes.len()).unwrap_or(1);
        let index = usize::try_from(self.r.below(n)).unwrap_or(0);
        self.changes
            .get(index)
            .map_or(Deed::Replay(host), |&c| Deed::Reload(host, c))
    }

    /// A length around the failure window, or anything up to some of it.
    fn length(&mut self) -> Ns {
        let window = self.window();
        match self.r.below(3) {
            0 => self.r.within(window / 2..window * 2),
            1 => self.r.below(window * 5),
            _ => self.r.spread(MS, 2 * SEC),
        }
    }

    fn any(&mut self) -> Deed {
        let host = self.host();
        let length = self.length();
        match self.r.below(40) {
            0..=3 => self.crash(host),
            4..=7 => Deed::StallManagement(host, length),
            8..=10 => Deed::Freeze(host, length),
            11 => Deed::HangWorker(host, self.r.spread(10 * MS, 4 * SEC)),
            12 => Deed::SlowWorker(host, self.r.spread(MS, 200 * MS), length),
            13..=18 => self.wire(length),
            19 => Deed::PullHaCable(length),
            20..=24 => {
                let side = if self.r.coin() { Side::Lan } else { Side::Wan };
                Deed::PullCable(host, side, self.r.spread(10 * MS, 12 * SEC))
            }
            25 => {
                let by = i64::try_from(self.r.spread(1, 60_000)).unwrap_or(0);
                Deed::SetWall(host, if self.r.coin() { by } else { -by })
            }
            26 => self.load(),
            27..=29 => self.reload(),
            30..=31 => Deed::Replay(host),
            32 => Deed::Ask(host, Request::Suspend { force: true }),
            _ => self.orderly(),
        }
    }

    fn crash(&mut self, host: usize) -> Deed {
        let down = match self.r.below(3) {
            0 => self.r.below(self.bounds.window),
            1 => self.r.spread(MS, SEC),
            _ => self.r.spread(SEC, 8 * SEC),
        };
        let file = match self.r.below(10) {
            0 => StateFile::Lost,
            1 => StateFile::Stale,
            _ => StateFile::Kept,
        };
        Deed::Crash { host, down, file }
    }

    fn wire(&mut self, length: Ns) -> Deed {
        let direction = match self.r.below(3) {
            0 => None,
            _ => Some(self.host()),
        };
        let interval = crate::clock::ns(self.settings[0].interval);
        let quality = spoilt(&mut self.r, interval);
        Deed::Wire(PathId::HaPort, direction, quality, length)
    }
}

fn good_wire(r: &mut Random) -> Quality {
    Quality {
        delay: r.spread(20 * US, MS),
        jitter: r.spread(US, 500 * US),
        ..Quality::default()
    }
}
