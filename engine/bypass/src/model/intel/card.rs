//! What the controller holds and decides: settings, watchdog, power events, log, relays.

use std::time::Duration;

use super::params::Params;
use crate::Path;
use crate::model::Cable;

/// Mode, events and watchdog: what CTL0 keeps.
const SETTINGS: u32 = 0x7_7FF3;
const MODE: u32 = 3;
const WATCHDOG_ON: u32 = 1 << 14;
const LOG_BASE: u8 = 16;
const LOG_ENTRIES: usize = 43;
const PERIODS_MS: [u64; 8] = [1000, 1500, 2000, 3000, 4000, 8000, 16_000, 32_000];

/// A change of the machine's power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// The supply is plugged in.
    SupplyOn,
    /// The machine is switched on.
    MainOn,
    /// The machine is switched off; the supply stays.
    MainOff,
    /// The plug is pulled.
    SupplyOff,
}

/// A line of the card's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noted {
    /// 1 main on, 2 supply on, 3 main off, 4 supply off, 5 watchdog, 6 command.
    pub event: u8,
    /// 0 none, 1 normal, 2 bypass, 3 isolate.
    pub action: u8,
    /// The second of the year, as the card was told.
    pub second: u32,
}

#[derive(Debug)]
pub struct Card {
    params: Params,
    now: Duration,
    settings: u32,
    /// When a write shows, what it writes, and which bits.
    pending: Option<(Duration, u32, u32)>,
    relays: u32,
    history: Vec<(Duration, Path)>,
    told: u32,
    moving: Option<(Duration, u32)>,
    deadline: Option<Duration>,
    expired: bool,
    /// CTL1 as it was written, and when.
    time: (u32, Duration),
    ctl2: u32,
    eeprom: [u8; 256],
    noted: Vec<Noted>,
    writes: u32,
    supply: bool,
    main: bool,
    pub worn_out: bool,
    pub relays_stuck: bool,
}

impl Card {
    pub fn new(params: Params) -> Self {
        let mut eeprom = [0; 256];
        eeprom[1] = LOG_BASE;
        eeprom[2] = params.firmware;
        let mut card = Self {
            settings: params.settings & SETTINGS,
            params,
            now: Duration::ZERO,
            pending: None,
            relays: 1,
            history: vec![(Duration::ZERO, Path::Inline)],
            told: 1,
            moving: None,
            deadline: None,
            expired: false,
            time: (0, Duration::ZERO),
            ctl2: 0,
            eeprom,
            noted: Vec::new(),
            writes: 0,
            supply: true,
            main: true,
            worn_out: false,
            relays_stuck: false,
        };
        card.count_if_on();
        card
    }

    fn count_if_on(&mut self) {
        if self.settings & WATCHDOG_ON != 0 {
            self.deadline = Some(self.now + self.watchdog_period());
        }
    }

    pub fn now(&self) -> Duration {
        self.now
    }

    pub fn supply(&self) -> bool {
        self.supply
    }

    pub fn main_power(&self) -> bool {
        self.main
    }

    pub fn settings(&self) -> u32 {
        self.settings
    }

    pub fn eeprom_writes(&self) -> u32 {
        self.writes
    }

    pub fn noted(&self) -> Vec<Noted> {
        self.noted.clone()
    }

    pub fn path(&self) -> Path {
        match self.relays {
            2 => Path::Bypass,
            3 => Path::Disconnect,
            _ => Path::Inline,
        }
    }

    pub fn cable(&self) -> Cable {
        Cable::of(self.path())
    }

    /// Lets time pass, and does in its order what falls due.
    pub fn advance(&mut self, by: Duration) {
        let until = self.now + by;
        loop {
            let due = [
                self.pending.map(|(at, ..)| at),
                self.moving.map(|(at, _)| at),
                self.deadline,
            ];
            let Some(next) = due.into_iter().flatten().min().filter(|&at| at <= until) else {
                break;
            };
            self.now = next.max(self.now);
            if let Some((at, new, takes)) = self.pending
                && at == next
            {
                self.pending = None;
                self.apply(self.settings & !takes | new);
            } else if let Some((at, to)) = self.moving
                && at == next
            {
                self.moving = None;
                self.arrive(to);
            } else {
                self.expire();
            }
        }
        self.now = until;
    }

    fn arrive(&mut self, action: u32) {
        if !self.relays_stuck && self.relays != action {
            self.relays = action;
            self.history.push((self.now, self.path()));
        }
    }

    pub fn paths_since(&self, time: Duration) -> Vec<Path> {
        let first = self.history.partition_point(|&(at, _)| at <= time);
        let from = first.saturating_sub(1);
        self.history[from..].iter().map(|&(_, path)| path).collect()
    }

    fn relay(&mut self, action: u32) {
        self.told = action;
        self.moving = Some((self.now + self.params.relay_time, action));
    }

    fn note(&mut self, event: u8, action: u32) {
        let second = self.second();
        let action = (action & 3) as u8;
        let place = |number: usize| usize::from(LOG_BASE) + number % LOG_ENTRIES * 5;
        if let Some(last) = self.noted.len().checked_sub(1) {
            self.eeprom[place(last) + 3] &= !(1 << 2); // no more the head
        }
        let at = place(self.noted.len());
        let word = second | 0b111 << 25 | u32::from(event) << 28;
        self.eeprom[at..at + 4].copy_from_slice(&word.to_le_bytes());
        self.eeprom[at + 4] = action;
        self.noted.push(Noted {
            event,
            action,
            second,
        });
    }

    fn head(&self) -> u32 {
        let newest = self.noted.len().saturating_sub(1) % LOG_ENTRIES;
        u32::from(LOG_BASE) + newest as u32 * 5
    }

    fn second(&self) -> u32 {
        let (ctl1, at) = self.time;
        let ran = if self.params.clock_runs {
            u32::try_from((self.now - at).as_secs()).unwrap_or(0)
        } else {
            0
        };
        (ctl1 + ran) & 0x1FF_FFFF
    }

    fn watchdog_period(&self) -> Duration {
        Duration::from_millis(PERIODS_MS[(self.settings >> 16 & 7) as usize])
    }

    /// An event: its action, unless the mode is forced.
    fn event(&mut self, number: u8, shift: u32) {
        let action = self.settings >> shift & 3;
        self.note(number, action);
        if self.settings & MODE == 0 && action != 0 {
            self.relay(action);
        }
    }

    fn expire(&mut self) {
        self.deadline = None;
        self.expired = true;
        self.event(5, 12);
        if self.params.expiry_disables {
            self.settings &= !WATCHDOG_ON;
        }
    }

    /// New settings have reached the EEPROM.
    fn apply(&mut self, new: u32) {
        let old = self.settings;
        self.settings = new;
        if new & WATCHDOG_ON == 0 {
            self.deadline = None;
        } else if old & WATCHDOG_ON == 0 || (old ^ new) >> 16 & 7 != 0 {
            self.expired = false;
            self.deadline = Some(self.now + self.watchdog_period());
        }
        let mode = new & MODE;
        if mode != 0 {
            if mode != old & MODE {
                self.note(6, mode);
            }
            self.relay(mode);
        }
    }

    /// What a page shows.
    pub fn page(&self, number: u32) -> u32 {
        match number {
            0 => {
                let status = if self.params.status_sensed {
                    self.relays
                } else {
                    self.told
                };
                self.settings | status << 2
            }
            1 => self.time.0 & !0x1FF_FFFF | self.second(),
            2 => {
                let at = (self.ctl2 >> 8 & 0xFF) as usize;
                let byte = u32::from(self.eeprom[at]);
                self.ctl2 & 0x1_FF00 | byte | self.head() << 20
            }
            _ => 0,
        }
    }

    /// The host writes a page.
    pub fn write(&mut self, page: u32, content: u32) {
        match page {
            0 => {
                let takes = if self.worn_out { MODE } else { SETTINGS };
                self.writes += u32::from(!self.worn_out);
                let at = self.now + self.params.eeprom_time;
                self.pending = Some((at, content & takes, takes));
            }
            1 => {
                let pet = content & 1 << 27 != 0;
                let kept = if self.params.pet_reads_back {
                    content
                } else {
                    content & !(1 << 27)
                };
                self.time = (kept, self.now);
                let dead = self.expired && !self.params.pet_revives;
                if pet && self.settings & WATCHDOG_ON != 0 && !dead {
                    self.deadline = Some(self.now + self.watchdog_period());
                }
            }
            2 => {
                self.ctl2 = content;
                let at = (content >> 8 & 0xFF) as usize;
                if content & 1 << 16 != 0 && !self.worn_out {
                    self.eeprom[at] = content as u8;
                }
            }
            _ => {}
        }
    }

    /// The machine's power changes; what it cannot do (be switched on without supply) is ignored.
    pub fn power(&mut self, power: Power) {
        match power {
            Power::SupplyOn if !self.supply => {
                self.supply = true;
                self.event(2, 4);
                self.count_if_on();
            }
            Power::MainOn if self.supply && !self.main => {
                self.main = true;
                self.event(1, 6);
            }
            Power::MainOff if self.main => {
                self.main = false;
                self.event(3, 8);
            }
            Power::SupplyOff if self.supply => {
                if self.main {
                    self.main = false;
                    self.event(3, 8);
                }
                self.event(4, 10);
                self.lose_power();
            }
            _ => {}
        }
    }

    /// The relays still get where they were sent to: they are latched, and the card has enough
    /// charge for that. All else that is not in the EEPROM is lost.
    fn lose_power(&mut self) {
        if let Some((_, to)) = self.moving.take() {
            self.arrive(to);
        }
        self.supply = false;
        self.pending = None;
        self.deadline = None;
        self.expired = false;
        self.time = (0, self.now);
        self.ctl2 = 0;
        if !self.params.watchdog_survives {
            self.settings &= !WATCHDOG_ON;
        }
        if !self.params.mode_survives {
            self.settings &= !MODE;
        }
    }
}
