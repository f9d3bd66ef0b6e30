//! The trait that every card speaks.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::CardError;

/// What the relays do with a pair's two cables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Path {
    /// The software is in the way.
    Inline,
    /// The cables are joined.
    Bypass,
    /// The cables are open.
    Disconnect,
    /// The cables are joined, and the software listens.
    Tap,
}

impl Path {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Inline, Self::Bypass, Self::Disconnect, Self::Tap];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inline => "inline",
            Self::Bypass => "bypass",
            Self::Disconnect => "disconnect",
            Self::Tap => "tap",
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Path {
    type Err = CardError;

    /// The names above; testpmd's `normal` and `isolate` are understood as well.
    fn from_str(text: &str) -> Result<Self, CardError> {
        match text {
            "inline" | "normal" => Ok(Self::Inline),
            "bypass" => Ok(Self::Bypass),
            "disconnect" | "isolate" => Ok(Self::Disconnect),
            "tap" => Ok(Self::Tap),
            _ => Err(CardError::Range {
                what: "path",
                got: text.into(),
                accepted: "inline, bypass, disconnect, tap".into(),
            }),
        }
    }
}

/// A set of paths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Paths(u8);

impl Paths {
    /// None at all.
    pub const NONE: Self = Self(0);

    /// These.
    #[must_use]
    pub const fn of(paths: &[Path]) -> Self {
        let mut bits = 0;
        let mut i = 0;
        while i < paths.len() {
            bits |= 1 << paths[i] as u8;
            i += 1;
        }
        Self(bits)
    }

    /// Whether this one is among them.
    #[must_use]
    pub const fn has(self, path: Path) -> bool {
        self.0 & (1 << path as u8) != 0
    }

    /// One by one.
    pub fn iter(self) -> impl Iterator<Item = Path> {
        Path::ALL.into_iter().filter(move |&p| self.has(p))
    }
}

impl fmt::Display for Paths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::NONE {
            return f.pad("none");
        }
        let names: Vec<&str> = self.iter().map(Path::name).collect();
        f.pad(&names.join(", "))
    }
}

/// What makes a card take a path by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PowerEvent {
    /// Its machine gets power (Intel's AUX_ON).
    PowerUp,
    /// Its machine loses power (Intel's AUX_OFF).
    PowerOff,
    /// The watchdog was not kicked in time.
    WatchdogExpired,
    /// The operating system is up (Intel's MAIN_ON).
    OsOn,
    /// The operating system is down, on standby power (Intel's MAIN_OFF).
    OsOff,
}

impl PowerEvent {
    /// Every one.
    pub const ALL: [Self; 5] = [
        Self::PowerUp,
        Self::PowerOff,
        Self::WatchdogExpired,
        Self::OsOn,
        Self::OsOff,
    ];

    /// Its name: testpmd's, where it has one.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PowerUp => "power_on",
            Self::PowerOff => "power_off",
            Self::WatchdogExpired => "timeout",
            Self::OsOn => "os_on",
            Self::OsOff => "os_off",
        }
    }
}

impl fmt::Display for PowerEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for PowerEvent {
    type Err = CardError;

    fn from_str(text: &str) -> Result<Self, CardError> {
        let found = Self::ALL.into_iter().find(|e| e.name() == text);
        found.ok_or_else(|| CardError::Range {
            what: "event",
            got: text.into(),
            accepted: "power_on, power_off, timeout, os_on, os_off".into(),
        })
    }
}

/// One of a pair's two ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The port of the master function.
    A,
    /// The other one.
    B,
}

/// How a card knows the path that it reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// Read from a pin that the relays drive.
    Sensed,
    /// Reported by the card's controller.
    Reported,
    /// Only what was last commanded.
    Shadow,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Sensed => "sensed",
            Self::Reported => "reported",
            Self::Shadow => "shadow",
        })
    }
}

/// What a look at a card shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observed {
    /// The path; `None` when the card's signs contradict each other.
    pub path: Option<Path>,
    /// How the card knows it.
    pub source: Source,
    /// The watchdog's period while it is armed.
    pub watchdog: Option<Duration>,
    /// The path has changed since [`Card::clear_changed`], as far as the card keeps count.
    pub changed: bool,
    /// The watchdog has expired since it was armed last.
    pub expired: bool,
}

/// What is known of a card's path without power.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PowerOff {
    /// The card has no say in it.
    None,
    /// The card says so; no pull test has shown it. (Cards are known that claim it and drop the
    /// link.)
    Claimed,
    /// An operator has pulled the plug and confirmed it.
    Verified,
}

/// The periods that a watchdog knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchdogPeriods(Vec<Duration>);

impl WatchdogPeriods {
    /// These, from the shortest on.
    #[must_use]
    pub fn new(mut periods: Vec<Duration>) -> Self {
        periods.sort_unstable();
        periods.dedup();
        Self(periods)
    }

    /// The shortest period that is not shorter than what is wanted, and its place.
    ///
    /// # Errors
    /// [`CardError::Range`] when the longest is shorter; [`CardError::NotCapable`] without any.
    pub fn round_up(&self, wanted: Duration) -> Result<(usize, Duration), CardError> {
        let found = self.0.iter().position(|&p| p >= wanted);
        match (found, self.0.last()) {
            (Some(place), _) => Ok((place, self.0[place])),
            (None, Some(longest)) => Err(CardError::Range {
                what: "watchdog",
                got: format!("{wanted:?}"),
                accepted: format!("up to {longest:?}"),
            }),
            (None, None) => Err(CardError::NotCapable("it has no watchdog".into())),
        }
    }

    /// All of them, from the shortest on.
    #[must_use]
    pub fn as_slice(&self) -> &[Duration] {
        &self.0
    }
}

/// What a card can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The paths that can be commanded.
    pub paths: Paths,
    /// The paths that each event can lead to; events that the card does not know are absent.
    pub events: Vec<(PowerEvent, Paths)>,
    /// The watchdog's periods; empty without one.
    pub watchdog: WatchdogPeriods,
    /// What is known of the path without power.
    pub power_off: PowerOff,
    /// The transmitters can be switched off.
    pub tx_switch: bool,
    /// Two-port link: one port's loss takes the other down in hardware.
    pub two_port_link: bool,
    /// The longest that one verb keeps its caller waiting.
    pub longest_verb: Duration,
}

impl Capabilities {
    /// Those of a card that is not there.
    pub const NONE: Self = Self {
        paths: Paths::of(&[Path::Inline]),
        events: Vec::new(),
        watchdog: WatchdogPeriods(Vec::new()),
        power_off: PowerOff::None,
        tx_switch: false,
        two_port_link: false,
        longest_verb: Duration::ZERO,
    };

    /// The paths that this event can lead to.
    #[must_use]
    pub fn on(&self, event: PowerEvent) -> Paths {
        let found = self.events.iter().find(|(e, _)| *e == event);
        found.map_or(Paths::NONE, |(_, paths)| *paths)
    }
}

/// One link pair's bypass card. Verbs may block for [`Capabilities::longest_verb`], so whoever has
/// deadlines calls them from a thread of their own.
///
/// A card's states: unknown, then forced to a path, or armed and inline; armed and not kicked it
/// expires to a path of its own. A kick after that never brings it back inline: only
/// [`Card::set_path`] and [`Card::arm_watchdog`] do.
pub trait Card: Send + fmt::Debug {
    /// The card's name, for operators: family and version.
    fn name(&self) -> &str;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Looks at the card: its sense pins first.
    ///
    /// # Errors
    /// [`CardError`]
    fn observe(&mut self) -> Result<Observed, CardError>;

    /// Sets the path, and verifies it by what the card senses.
    ///
    /// # Errors
    /// [`CardError::NotCapable`] when the card has no such path, [`CardError::Verify`] when it took
    /// another one.
    fn set_path(&mut self, path: Path) -> Result<(), CardError>;

    /// The path that an event leads to.
    ///
    /// # Errors
    /// [`CardError::NotCapable`] when the card does not know the event.
    fn policy(&mut self, event: PowerEvent) -> Result<Path, CardError>;

    /// Sets the path that an event leads to. Reads first, and writes only what differs: these
    /// settings are in an EEPROM.
    ///
    /// # Errors
    /// [`CardError::NotCapable`] when the card does not know the event, or that path for it;
    /// [`CardError::NotKept`] when it reads back as another.
    fn set_policy(&mut self, event: PowerEvent, path: Path) -> Result<(), CardError>;

    /// Arms the watchdog; returns the period that the card really uses, rounded up to its ladder.
    ///
    /// # Errors
    /// [`CardError::NotCapable`] when the card has no watchdog, [`CardError::Range`] when the period
    /// is longer than its longest.
    fn arm_watchdog(&mut self, period: Duration) -> Result<Duration, CardError>;

    /// Disarms the watchdog.
    ///
    /// # Errors
    /// [`CardError`]
    fn disarm_watchdog(&mut self) -> Result<(), CardError>;

    /// Tells the watchdog that all is well.
    ///
    /// # Errors
    /// [`CardError`]
    fn kick(&mut self) -> Result<(), CardError>;

    /// Forbids (or allows again) the card to leave inline by itself or by command.
    ///
    /// # Errors
    /// [`CardError::NotCapable`]
    fn inhibit(&mut self, inhibited: bool) -> Result<(), CardError>;

    /// Switches a port's transmitter on or off.
    ///
    /// # Errors
    /// [`CardError::NotCapable`]
    fn set_tx(&mut self, side: Side, on: bool) -> Result<(), CardError>;

    /// Two-port link: one port's loss takes the other down in hardware.
    ///
    /// # Errors
    /// [`CardError::NotCapable`]
    fn set_two_port_link(&mut self, on: bool) -> Result<(), CardError>;

    /// Forgets that the path has changed, and that the watchdog has expired.
    ///
    /// # Errors
    /// [`CardError`]
    fn clear_changed(&mut self) -> Result<(), CardError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_events_are_read_by_the_names_that_they_are_shown_by() {
        for path in Path::ALL {
            assert_eq!(path.name().parse::<Path>().unwrap(), path);
        }
        for event in PowerEvent::ALL {
            assert_eq!(event.name().parse::<PowerEvent>().unwrap(), event);
        }
        assert_eq!("normal".parse::<Path>().unwrap(), Path::Inline);
        let wrong = "inlin".parse::<Path>().unwrap_err().to_string();
        assert_eq!(
            wrong,
            "path is out of range: inlin; accepted: inline, bypass, disconnect, tap"
        );
    }

    #[test]
    fn a_period_is_rounded_up_to_the_ladder() {
        let ladder = WatchdogPeriods::new([4, 1, 2].map(Duration::from_secs).to_vec());
        let second = Duration::from_secs(1);
        assert_eq!(ladder.round_up(second / 2).unwrap(), (0, second));
        assert_eq!(ladder.round_up(second).unwrap(), (0, second));
        assert_eq!(ladder.round_up(second * 3).unwrap(), (2, second * 4));
        assert!(matches!(
            ladder.round_up(second * 5),
            Err(CardError::Range { .. })
        ));
        let none = WatchdogPeriods::new(Vec::new());
        assert!(matches!(
            none.round_up(second),
            Err(CardError::NotCapable(_))
        ));
    }

    #[test]
    fn a_set_of_paths() {
        let paths = Paths::of(&[Path::Inline, Path::Tap]);
        assert_eq!(paths.to_string(), "inline, tap");
        assert!(paths.has(Path::Tap) && !paths.has(Path::Bypass));
        assert_eq!(Paths::NONE.to_string(), "none");
    }
}
