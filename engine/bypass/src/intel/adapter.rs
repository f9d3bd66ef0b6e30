//! The driver.
//!
//! The controller has no checksum and no answer but the page itself. So a page that is not what was
//! last known is believed only when two words in a row say the same, and each write is read again
//! until it shows. Each verb has a budget of words, so that none takes longer than it promises.

use std::fmt;
use std::time::Duration;

use super::log::{self, ENTRY_SIZE, LogEntry};
use super::wire::{WORD_TIME, Wire};
use super::words::{Action, Ctl0, Ctl1, Ctl2, Page, ladder};
use super::{Family, calendar, function_of};
use crate::{
    Capabilities, Card, CardError, Delay, Observed, Path, Paths, PowerEvent, PowerOff, RegisterIo,
    Side, Source,
};

/// A page read, written, and read again up to six times.
const UPDATE: u8 = 8;
/// The most that a verb may take: two updates.
const LONGEST: u8 = 2 * UPDATE;
/// A pet, and reading it again up to eleven times.
const PET: u8 = 12;
/// Firmware version: its byte of the EEPROM.
const VERSION_AT: u8 = 2;

const PATHS: Paths = Paths::of(&[Path::Inline, Path::Bypass, Path::Disconnect]);

/// What every card of this kind can do.
pub fn capabilities(watchdog: crate::WatchdogPeriods) -> Capabilities {
    Capabilities {
        paths: PATHS,
        events: PowerEvent::ALL.map(|event| (event, PATHS)).to_vec(),
        watchdog,
        power_off: PowerOff::Claimed,
        tx_switch: false,
        two_port_link: false,
        longest_verb: WORD_TIME * u32::from(LONGEST),
    }
}

/// How many words a verb may still exchange.
struct Budget {
    all: u8,
    used: u8,
}

impl Budget {
    const fn of(all: u8) -> Self {
        Self { all, used: 0 }
    }

    fn left(&self) -> bool {
        self.used < self.all
    }

    fn take(&mut self) -> Result<(), CardError> {
        if !self.left() {
            return Err(CardError::Timeout(WORD_TIME * u32::from(self.all)));
        }
        self.used += 1;
        Ok(())
    }
}

/// An adapter whose controller we speak to ourselves.
pub struct Adapter<B> {
    wire: Wire<B>,
    name: String,
    clock: Box<dyn FnMut() -> u32 + Send>,
    /// CTL0 as it was last believed; `None` after a write that did not show.
    known: Option<Ctl0>,
    /// The path that we saw or commanded last.
    expected: Option<Path>,
    /// The watchdog was on when last seen, and where it leads to.
    guard: Option<Action>,
    /// The watchdog's action, where an operator chose one.
    chosen: Option<Action>,
    inhibited: bool,
    changed: bool,
    expired: bool,
    /// The watchdog has expired since it was armed, told or not: it may not count any more.
    spent: bool,
}

impl<B> fmt::Debug for Adapter<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Adapter")
            .field("name", &self.name)
            .field("expected", &self.expected)
            .finish_non_exhaustive()
    }
}

impl<B: RegisterIo + Delay> Adapter<B> {
    /// Finds the controller behind this function: looks at it, and asks for its firmware's version.
    /// Nothing is commanded.
    ///
    /// `address` is the PCI address, such as `0000:03:00.0`; `board` reaches its registers.
    ///
    /// # Errors
    /// [`CardError::NotMaster`] for any function but 0, [`CardError::Gone`], [`CardError::Timeout`]
    /// when nobody answers, and those of the registers.
    pub fn open(board: B, family: Family, address: &str) -> Result<Self, CardError> {
        Self::with_clock(board, family, address, calendar::now)
    }

    /// The same, with a clock of the caller's: it tells the second of the year (UTC), which the
    /// card notes in its log.
    ///
    /// # Errors
    /// As [`Adapter::open`].
    pub fn with_clock(
        board: B,
        family: Family,
        address: &str,
        clock: impl FnMut() -> u32 + Send + 'static,
    ) -> Result<Self, CardError> {
        if function_of(address) != Some(0) {
            return Err(CardError::NotMaster(address.into()));
        }
        let mut card = Self {
            wire: Wire::new(board, family),
            name: family.name().into(),
            clock: Box::new(clock),
            known: None,
            expected: None,
            guard: None,
            chosen: None,
            inhibited: false,
            changed: false,
            expired: false,
            spent: false,
        };
        let seen = card.believed(&mut Budget::of(UPDATE))?;
        // It stands where its watchdog leads to, with the watchdog on: it has most likely expired.
        let led = seen.on(PowerEvent::WatchdogExpired).path();
        card.expired = seen.watchdog().is_some() && led == seen.path() && led != Some(Path::Inline);
        card.spent = card.expired;
        let version = card.eeprom(VERSION_AT)?.0;
        card.name = format!("{}, firmware {version}", family.name());
        Ok(card)
    }

    /// The newest entries of the card's log, the newest first, at most `newest` of them. Takes
    /// about 1.3 s for each.
    ///
    /// # Errors
    /// [`CardError`]; [`CardError::Range`] when what the card says about its log makes no sense.
    pub fn log(&mut self, newest: usize) -> Result<Vec<LogEntry>, CardError> {
        let (base, head) = self.eeprom(log::BASE_AT)?;
        let mut entries = Vec::new();
        for place in log::places(base, head)?.take(newest) {
            let mut bytes = [0; ENTRY_SIZE as usize];
            for (at, byte) in (place..).zip(&mut bytes) {
                *byte = self.eeprom(at)?.0;
            }
            match LogEntry::of(bytes) {
                Some(entry) => entries.push(entry),
                None => break,
            }
        }
        Ok(entries)
    }

    /// A byte of the EEPROM, and where the log's newest entry is. Asks again when the card answers
    /// about another byte.
    fn eeprom(&mut self, at: u8) -> Result<(u8, u8), CardError> {
        let mut budget = Budget::of(UPDATE);
        loop {
            budget.take()?;
            self.wire.exchange(Page::Ctl2.write(Ctl2::select(at)))?;
            budget.take()?;
            let answer = Ctl2(self.wire.exchange(Page::Ctl2.read())?);
            if let Some(byte) = answer.byte_at(at) {
                return Ok((byte, answer.head()));
            }
        }
    }

    fn read(&mut self, budget: &mut Budget) -> Result<Option<Ctl0>, CardError> {
        budget.take()?;
        let answer = self.wire.exchange(Page::Ctl0.read())?;
        Ok(Ctl0::of_answer(answer))
    }

    /// CTL0 as two words in a row, or one word and what was known, agree on.
    fn believed(&mut self, budget: &mut Budget) -> Result<Ctl0, CardError> {
        let mut before = self.known;
        loop {
            match self.read(budget)? {
                Some(now) if before == Some(now) => {
                    self.note(now);
                    return Ok(now);
                }
                other => before = other,
            }
        }
    }

    /// Draws conclusions from a page that is believed.
    fn note(&mut self, now: Ctl0) {
        let path = now.path();
        let moved = path != self.expected;
        if let Some(led) = self.guard {
            // Whoever of us disarms it takes `guard` off first: this was somebody else, or expiry.
            let off = now.watchdog().is_none();
            if off || moved && self.expected.is_some() && led.path() == path {
                self.expired = true;
                self.spent = true;
            }
        }
        self.changed |= moved && self.expected.is_some();
        self.expected = path;
        self.guard = now.watchdog().map(|_| now.on(PowerEvent::WatchdogExpired));
        self.known = Some(now);
    }

    /// Writes CTL0, and reads until it shows: the settings, and the path where one is wanted.
    fn write(
        &mut self,
        budget: &mut Budget,
        new: Ctl0,
        path: Option<Path>,
        what: &'static str,
    ) -> Result<Ctl0, CardError> {
        budget.take()?;
        self.known = None;
        self.wire.exchange(Page::Ctl0.write(new.content()))?;
        let mut last = None;
        for _ in 0..6 {
            if !budget.left() {
                break;
            }
            let Some(now) = self.read(budget)? else {
                continue;
            };
            let there = path.is_none() || now.path() == path;
            if now.settings() == new.settings() && there {
                self.note(now);
                return Ok(now);
            }
            last = Some(now);
        }
        match (last, path) {
            (None, _) => Err(CardError::Timeout(WORD_TIME * u32::from(budget.used))),
            (Some(now), Some(want)) if now.settings() == new.settings() => match now.path() {
                Some(got) => Err(CardError::Verify { want, got }),
                None => Err(CardError::Timeout(WORD_TIME * u32::from(budget.used))),
            },
            (Some(now), _) => Err(CardError::NotKept {
                what,
                wrote: new.settings(),
                read: now.settings(),
            }),
        }
    }

    /// The mode that the card rests in: events decide, unless they are inhibited.
    const fn resting(&self) -> Action {
        if self.inhibited {
            Action::Normal
        } else {
            Action::Auto
        }
    }

    /// Writes CTL0 when something in it is to be another, with the mode that the card rests in.
    fn apply(
        &mut self,
        budget: &mut Budget,
        what: &'static str,
        old: Ctl0,
        new: Ctl0,
    ) -> Result<Ctl0, CardError> {
        let new = new.with_mode(self.resting());
        if new.settings() == old.settings() {
            return Ok(old);
        }
        if new.watchdog().is_none() {
            self.guard = None;
        }
        self.write(budget, new, None, what)
    }

    /// Forces a path, and then lets the card rest again.
    fn force(&mut self, action: Action, want: Path) -> Result<(), CardError> {
        const WHAT: &str = "the mode";
        let mut budget = Budget::of(LONGEST);
        let now = self.believed(&mut budget)?;
        let rest = self.resting();
        if now.path() == Some(want) && now.mode() == rest {
            return Ok(());
        }
        let changed = now.path() != Some(want);
        // What we command is no expiry, whatever path it is.
        self.expected = Some(want);
        self.changed |= changed;
        // Half of the words are for the way back.
        let mut first = Budget::of(UPDATE);
        first.used = budget.used;
        let forced = self.write(&mut first, now.with_mode(action), Some(want), WHAT);
        budget.used = first.used;
        if let Err(error) = forced {
            self.expected = None;
            if error != CardError::Gone {
                // Events must work all the same; whether this shows, the next look will tell.
                budget.take()?;
                let auto = now.with_mode(rest).content();
                self.wire.exchange(Page::Ctl0.write(auto))?;
            }
            return Err(error);
        }
        let now = self.believed(&mut budget)?;
        if now.mode() != rest {
            self.write(&mut budget, now.with_mode(rest), Some(want), WHAT)?;
        }
        Ok(())
    }

    /// Pets the watchdog, and reads until the card shows it.
    fn pet(&mut self, budget: &mut Budget) -> Result<(), CardError> {
        let second = (self.clock)();
        budget.take()?;
        self.wire.exchange(Page::Ctl1.write(Ctl1::pet(second)))?;
        loop {
            budget.take()?;
            if Ctl1::took(self.wire.exchange(Page::Ctl1.read())?, second) {
                return Ok(());
            }
        }
    }
}

impl<B: RegisterIo + Delay> Card for Adapter<B> {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self) -> Capabilities {
        capabilities(ladder())
    }

    fn observe(&mut self) -> Result<Observed, CardError> {
        let now = self.believed(&mut Budget::of(UPDATE))?;
        Ok(Observed {
            path: now.path(),
            source: Source::Reported,
            watchdog: now.watchdog(),
            changed: self.changed,
            expired: self.expired,
        })
    }

    fn set_path(&mut self, path: Path) -> Result<(), CardError> {
        let action = Action::try_from(path)?;
        if self.inhibited && path != Path::Inline {
            return Err(CardError::Inhibited);
        }
        self.force(action, path)
    }

    fn policy(&mut self, event: PowerEvent) -> Result<Path, CardError> {
        let action = self.believed(&mut Budget::of(UPDATE))?.on(event);
        action.path().ok_or_else(|| CardError::Range {
            what: "the card's policy",
            got: "auto".into(),
            accepted: "normal, bypass, isolate".into(),
        })
    }

    fn set_policy(&mut self, event: PowerEvent, path: Path) -> Result<(), CardError> {
        let action = Action::try_from(path)?;
        let mut budget = Budget::of(UPDATE);
        let old = self.believed(&mut budget)?;
        self.apply(&mut budget, "the policy", old, old.with_on(event, action))?;
        if event == PowerEvent::WatchdogExpired {
            self.chosen = Some(action);
        }
        Ok(())
    }

    /// A watchdog whose action is auto or normal guards nothing: then this sets it to bypass,
    /// unless [`Card::set_policy`] chose it in this session.
    fn arm_watchdog(&mut self, period: Duration) -> Result<Duration, CardError> {
        const WHAT: &str = "the watchdog";
        let (place, period) = ladder().round_up(period)?;
        let place = u32::try_from(place).unwrap_or(7);
        let mut budget = Budget::of(LONGEST);
        let mut old = self.believed(&mut budget)?;
        if old.watchdog().is_some() && (self.spent || old.path() != Some(Path::Inline)) {
            // One that has expired may count again only after it was off.
            old = self.apply(&mut budget, WHAT, old, old.without_watchdog())?;
        }
        let event = PowerEvent::WatchdogExpired;
        let action = match old.on(event) {
            Action::Auto | Action::Normal => self.chosen.unwrap_or(Action::Bypass),
            set => set,
        };
        let new = old.with_on(event, action).with_watchdog(place);
        if new == old && old.mode() == self.resting() {
            // It was armed just so, and nothing is written: it counts from now on all the same.
            self.pet(&mut budget)?;
        } else {
            self.apply(&mut budget, WHAT, old, new)?;
        }
        self.expired = false;
        self.spent = false;
        Ok(period)
    }

    fn disarm_watchdog(&mut self) -> Result<(), CardError> {
        let mut budget = Budget::of(UPDATE);
        let old = self.believed(&mut budget)?;
        self.apply(&mut budget, "the watchdog", old, old.without_watchdog())?;
        Ok(())
    }

    fn kick(&mut self) -> Result<(), CardError> {
        self.pet(&mut Budget::of(PET))
    }

    /// While its mode is not auto, the card takes no event for an order. So this holds it in normal
    /// mode, and remembers that only here: a card whose mode was left behind by somebody else is
    /// set free by the next verb that writes.
    fn inhibit(&mut self, inhibited: bool) -> Result<(), CardError> {
        let before = self.inhibited;
        self.inhibited = inhibited;
        let result = if inhibited {
            self.force(Action::Normal, Path::Inline)
        } else {
            let mut budget = Budget::of(UPDATE);
            let old = self.believed(&mut budget);
            old.and_then(|old| self.apply(&mut budget, "the mode", old, old).map(drop))
        };
        if result.is_err() {
            self.inhibited = before;
        }
        result
    }

    fn set_tx(&mut self, _side: Side, _on: bool) -> Result<(), CardError> {
        Err(no("switch for the transmitters"))
    }

    fn set_two_port_link(&mut self, _on: bool) -> Result<(), CardError> {
        Err(no("two-port link"))
    }

    fn clear_changed(&mut self) -> Result<(), CardError> {
        self.changed = false;
        self.expired = false;
        Ok(())
    }
}

/// What Intel's adapters lack.
pub fn no(what: &str) -> CardError {
    CardError::NotCapable(format!("Intel's adapters have no {what}"))
}
