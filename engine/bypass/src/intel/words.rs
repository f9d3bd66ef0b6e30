//! The words that the card's controller speaks: a page in the two top bits, then what stands on it.

use std::time::Duration;

use crate::{CardError, Path, PowerEvent, WatchdogPeriods};

/// The word is a write; without it the controller only answers.
const WRITE: u32 = 1 << 29;
/// What a page holds: all but its number and the write bit.
pub const CONTENT: u32 = WRITE - 1;
/// The page's number.
pub const PAGE: u32 = 3 << 30;

/// A page of the controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// Mode, status, events, watchdog.
    Ctl0,
    /// Time, and the watchdog's pet.
    Ctl1,
    /// EEPROM.
    Ctl2,
}

impl Page {
    /// The word that asks for this page.
    pub const fn read(self) -> u32 {
        (self as u32) << 30
    }

    /// The word that writes this page.
    pub const fn write(self, content: u32) -> u32 {
        self.read() | WRITE | content & CONTENT
    }
}

/// What the controller is told to do, in a mode or on an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Events decide.
    Auto = 0,
    /// Inline.
    Normal = 1,
    /// Bypass.
    Bypass = 2,
    /// Disconnect.
    Isolate = 3,
}

impl Action {
    /// Its two lowest bits say which.
    pub const fn of(bits: u32) -> Self {
        match bits & 3 {
            0 => Self::Auto,
            1 => Self::Normal,
            2 => Self::Bypass,
            _ => Self::Isolate,
        }
    }

    /// The path that it leads to; `None` for auto.
    pub const fn path(self) -> Option<Path> {
        match self {
            Self::Auto => None,
            Self::Normal => Some(Path::Inline),
            Self::Bypass => Some(Path::Bypass),
            Self::Isolate => Some(Path::Disconnect),
        }
    }
}

impl TryFrom<Path> for Action {
    type Error = CardError;

    fn try_from(path: Path) -> Result<Self, CardError> {
        match path {
            Path::Inline => Ok(Self::Normal),
            Path::Bypass => Ok(Self::Bypass),
            Path::Disconnect => Ok(Self::Isolate),
            Path::Tap => Err(CardError::NotCapable("Intel's adapters have no TAP".into())),
        }
    }
}

/// The steps of the watchdog, in milliseconds: the place in this list is the value on the wire.
const STEPS_MS: [u64; 8] = [1000, 1500, 2000, 3000, 4000, 8000, 16_000, 32_000];

/// The watchdog's ladder.
pub fn ladder() -> WatchdogPeriods {
    WatchdogPeriods::new(STEPS_MS.map(Duration::from_millis).to_vec())
}

/// The page CTL0.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ctl0(u32);

impl Ctl0 {
    const STATUS_SHIFT: u32 = 2;
    const WATCHDOG_ON: u32 = 1 << 14;
    const WATCHDOG_SHIFT: u32 = 16;
    /// What a write sets: everything but the status, which is the card's to say.
    const SETTINGS: u32 = 0b111_0111_1111_1111_0011;

    /// What an answer says; `None` when it cannot be one: the status is never 0, and a line that
    /// is stuck reads all ones.
    pub fn of_answer(word: u32) -> Option<Self> {
        let content = word & CONTENT;
        let status = Action::of(content >> Self::STATUS_SHIFT);
        (content != CONTENT && status != Action::Auto).then_some(Self(content))
    }

    pub const fn content(self) -> u32 {
        self.0
    }

    /// All that a write sets.
    pub const fn settings(self) -> u32 {
        self.0 & Self::SETTINGS
    }

    pub const fn mode(self) -> Action {
        Action::of(self.0)
    }

    pub const fn with_mode(self, mode: Action) -> Self {
        Self(self.0 & !3 | mode as u32)
    }

    /// The path that the card reports.
    pub fn path(self) -> Option<Path> {
        Action::of(self.0 >> Self::STATUS_SHIFT).path()
    }

    /// Where an event's action stands. "Aux" is the supply (standby) power, "main" is the machine
    /// switched on: `rte_pmd_ixgbe.h` calls them `POWER_*` and `OS_*`.
    const fn shift(event: PowerEvent) -> u32 {
        match event {
            PowerEvent::PowerUp => 4,
            PowerEvent::OsOn => 6,
            PowerEvent::OsOff => 8,
            PowerEvent::PowerOff => 10,
            PowerEvent::WatchdogExpired => 12,
        }
    }

    pub const fn on(self, event: PowerEvent) -> Action {
        Action::of(self.0 >> Self::shift(event))
    }

    pub const fn with_on(self, event: PowerEvent, action: Action) -> Self {
        let shift = Self::shift(event);
        Self(self.0 & !(3 << shift) | (action as u32) << shift)
    }

    /// The watchdog's period while it is on.
    pub const fn watchdog(self) -> Option<Duration> {
        if self.0 & Self::WATCHDOG_ON == 0 {
            return None;
        }
        let step = (self.0 >> Self::WATCHDOG_SHIFT & 7) as usize;
        Some(Duration::from_millis(STEPS_MS[step]))
    }

    /// With the watchdog on, at this place of the ladder.
    pub const fn with_watchdog(self, place: u32) -> Self {
        let rest = self.0 & !(7 << Self::WATCHDOG_SHIFT);
        Self(rest | Self::WATCHDOG_ON | (place & 7) << Self::WATCHDOG_SHIFT)
    }

    pub const fn without_watchdog(self) -> Self {
        Self(self.0 & !Self::WATCHDOG_ON)
    }
}

/// The page CTL1.
pub struct Ctl1;

impl Ctl1 {
    const TIME: u32 = (1 << 25) - 1;
    const VALID: u32 = 1 << 25;
    const PET: u32 = 1 << 27;

    /// Pets the watchdog, and tells the card the second of the year.
    pub const fn pet(second: u32) -> u32 {
        Self::PET | Self::VALID | second & Self::TIME
    }

    /// Whether an answer shows that the card took a pet with this second. Whether its clock runs on
    /// from there is not known, so a few seconds more are fine. The pet bit itself is not looked
    /// at: nobody says whether it reads back.
    pub const fn took(answer: u32, second: u32) -> bool {
        let later = (answer & Self::TIME).wrapping_sub(second & Self::TIME);
        answer & Self::VALID != 0 && later <= 3
    }
}

/// The page CTL2.
#[derive(Clone, Copy)]
pub struct Ctl2(pub u32);

impl Ctl2 {
    const EEPROM_WRITE: u32 = 1 << 16;

    /// Selects a byte of the EEPROM, to be read.
    pub const fn select(offset: u8) -> u32 {
        (offset as u32) << 8
    }

    /// The byte, when the answer is about this offset.
    pub const fn byte_at(self, offset: u8) -> Option<u8> {
        let [data, at, _, _] = self.0.to_le_bytes();
        let asked = at == offset && self.0 & Self::EEPROM_WRITE == 0;
        if asked { Some(data) } else { None }
    }

    /// Where the log's newest entry begins.
    pub const fn head(self) -> u8 {
        (self.0 >> 20) as u8
    }
}
