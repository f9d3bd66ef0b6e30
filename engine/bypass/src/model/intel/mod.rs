//! An Intel bypass adapter down to the edges on its pins.
//!
//! ```text
//!   driver ── ESDP ── edges ── Mcu ── words ── Card: settings, watchdog, log ── relays ── cables
//! ```
//!
//! It shares no code with the driver: the bits stand here a second time, from the same facts. What
//! nobody knows of the real card is a parameter ([`Params`]). Time passes by [`Delay::wait`], or by
//! [`Model::advance`] when nobody reads or writes.

mod card;
mod mcu;
mod params;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use card::{Noted, Power};
pub use params::{Fault, Line, Params};

use crate::intel::Family;
use crate::model::Cable;
use crate::{CardError, Delay, Function, Path, RegisterIo};
use card::Card;
use mcu::Mcu;

const STATUS: u32 = 0x08;
const ESDP: u32 = 0x20;
/// BAR 0 of an 82599.
const BAR_SIZE: u32 = 128 * 1024;

/// A line's bit in ESDP.
fn bit(family: Family, line: Line) -> u32 {
    let pin = match (family, line) {
        (Family::Intel82599, Line::Sck) => 7,
        (Family::Intel82599, Line::Sdi) => 0,
        (Family::Intel82599, Line::Sdo) => 6,
        (Family::X540, Line::Sck) => 2,
        (Family::X540, Line::Sdi) => 0,
        (Family::X540, Line::Sdo) => 1,
    };
    1 << pin
}

#[derive(Debug)]
struct State {
    family: Family,
    reset_esdp: u32,
    esdp: u32,
    others: BTreeMap<(bool, u32), u32>,
    stuck: BTreeMap<Line, bool>,
    gone: bool,
    mcu: Mcu,
    card: Card,
    scheduled: Vec<(Duration, Disturbance)>,
    foreign_writes: u32,
    unflushed: u32,
    worst_unflushed: u32,
}

/// What befalls a card from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disturbance {
    /// Something breaks; faults add up until they are mended.
    Fault(Fault),
    /// All faults are gone.
    Mend,
    /// The machine's power changes. Without it, registers read all ones.
    Power(Power),
}

impl State {
    /// All bits that belong to the driver: data and direction of the three pins.
    fn own(&self) -> u32 {
        let data =
            bit(self.family, Line::Sck) | bit(self.family, Line::Sdi) | bit(self.family, Line::Sdo);
        data | data << 8
    }

    fn level(&self, line: Line) -> bool {
        if let Some(&level) = self.stuck.get(&line) {
            return level;
        }
        let mask = bit(self.family, line);
        match line {
            Line::Sdo => self.mcu.sdo(),
            // Pulled up where nobody drives it.
            _ => self.esdp & mask << 8 == 0 || self.esdp & mask != 0,
        }
    }

    /// What a read of ESDP shows: inputs show their level, outputs what was written.
    fn esdp(&self) -> u32 {
        let mut value = self.esdp;
        for line in [Line::Sck, Line::Sdi, Line::Sdo] {
            let mask = bit(self.family, line);
            if value & mask << 8 == 0 {
                value = value & !mask | if self.level(line) { mask } else { 0 };
            }
        }
        value
    }

    fn lines_changed(&mut self) {
        let (sck, sdi) = (self.level(Line::Sck), self.level(Line::Sdi));
        self.mcu.lines(&mut self.card, sck, sdi);
    }

    fn dead(&self) -> bool {
        self.gone || !self.card.main_power()
    }

    fn advance(&mut self, by: Duration) {
        let until = self.card.now() + by;
        while let Some(first) = (0..self.scheduled.len()).min_by_key(|&i| self.scheduled[i].0)
            && self.scheduled[first].0 <= until
        {
            let (at, what) = self.scheduled.remove(first);
            self.card.advance(at.saturating_sub(self.card.now()));
            self.disturb(what);
        }
        self.card.advance(until - self.card.now());
    }

    fn disturb(&mut self, what: Disturbance) {
        match what {
            Disturbance::Fault(Fault::Stuck(line, level)) => {
                self.stuck.insert(line, level);
            }
            Disturbance::Fault(Fault::LoseWords(count)) => self.mcu.lose(count),
            Disturbance::Fault(Fault::Busy(time)) => {
                self.mcu.busy_until(self.card.now() + time);
            }
            Disturbance::Fault(Fault::Gone) => self.gone = true,
            Disturbance::Fault(Fault::EepromWornOut) => self.card.worn_out = true,
            Disturbance::Fault(Fault::RelaysStuck) => self.card.relays_stuck = true,
            Disturbance::Mend => {
                self.stuck.clear();
                self.gone = false;
                self.card.worn_out = false;
                self.card.relays_stuck = false;
                self.mcu.lose(0);
                self.mcu.busy_until(Duration::ZERO);
            }
            Disturbance::Power(power) => {
                self.card.power(power);
                if !self.card.main_power() {
                    self.esdp = self.reset_esdp;
                }
                if !self.card.supply() {
                    self.mcu.reset();
                }
            }
        }
        self.lines_changed();
    }
}

/// The model; its clones are the same card.
#[derive(Clone, Debug)]
pub struct Model(Arc<Mutex<State>>);

impl Model {
    /// A card as it leaves the factory, in a machine that runs; [`Params`] say what it is like.
    #[must_use]
    pub fn new(params: Params) -> Self {
        let (family, reset_esdp) = (params.family, params.esdp);
        Self(Arc::new(Mutex::new(State {
            family,
            reset_esdp,
            esdp: reset_esdp,
            others: BTreeMap::new(),
            stuck: BTreeMap::new(),
            gone: false,
            mcu: Mcu::new(&params),
            card: Card::new(params),
            scheduled: Vec::new(),
            foreign_writes: 0,
            unflushed: 0,
            worst_unflushed: 0,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A test that panicked with the lock leaves a model that still says what it saw.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets time pass without a register being touched.
    pub fn advance(&self, by: Duration) {
        self.state().advance(by);
    }

    /// The time on the virtual clock, since the model was made.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.state().card.now()
    }

    /// Something breaks; faults add up until [`Model::mend`].
    pub fn inject(&self, fault: Fault) {
        self.state().disturb(Disturbance::Fault(fault));
    }

    /// All is well again.
    pub fn mend(&self) {
        self.state().disturb(Disturbance::Mend);
    }

    /// The machine's power changes.
    pub fn power(&self, power: Power) {
        self.state().disturb(Disturbance::Power(power));
    }

    /// The same after a while, in the midst of a verb for example.
    pub fn schedule(&self, after: Duration, what: Disturbance) {
        let mut state = self.state();
        let at = state.card.now() + after;
        state.scheduled.push((at, what));
    }

    /// The path at this time, and each one that the relays took since.
    #[must_use]
    pub fn paths_since(&self, time: Duration) -> Vec<Path> {
        self.state().card.paths_since(time)
    }

    /// Where the relays are.
    #[must_use]
    pub fn path(&self) -> Path {
        self.state().card.path()
    }

    /// What the two cables see.
    #[must_use]
    pub fn cable(&self) -> Cable {
        self.state().card.cable()
    }

    /// What the card noted in its log, the oldest first.
    #[must_use]
    pub fn noted(&self) -> Vec<Noted> {
        self.state().card.noted()
    }

    /// The settings, as CTL0 would show them: without status.
    #[must_use]
    pub fn settings(&self) -> u32 {
        self.state().card.settings()
    }

    /// Writes that reached the EEPROM with the card's settings.
    #[must_use]
    pub fn eeprom_writes(&self) -> u32 {
        self.state().card.eeprom_writes()
    }

    /// Words that the controller took.
    #[must_use]
    pub fn words(&self) -> u32 {
        self.state().mcu.words()
    }

    /// Writes that changed a bit which is not the driver's: there should be none.
    #[must_use]
    pub fn foreign_writes(&self) -> u32 {
        self.state().foreign_writes
    }

    /// The most writes in a row that no read of STATUS pushed out: 1, when each one was.
    #[must_use]
    pub fn worst_unflushed(&self) -> u32 {
        self.state().worst_unflushed
    }

    /// Somebody else changes bits of ESDP, a NIC driver for example.
    pub fn write_foreign(&self, mask: u32, value: u32) {
        let mut state = self.state();
        let mask = mask & !state.own();
        state.esdp = state.esdp & !mask | value & mask;
    }

    /// The bits of ESDP that are not the driver's.
    #[must_use]
    pub fn foreign_bits(&self) -> u32 {
        let state = self.state();
        state.esdp & !state.own()
    }
}

fn checked(offset: u32) -> Result<(), CardError> {
    if offset.is_multiple_of(4) && offset < BAR_SIZE {
        return Ok(());
    }
    Err(CardError::Range {
        what: "register offset",
        got: format!("{offset:#x}"),
        accepted: format!("multiples of 4 below {BAR_SIZE:#x}"),
    })
}

impl RegisterIo for Model {
    fn read(&mut self, function: Function, offset: u32) -> Result<u32, CardError> {
        checked(offset)?;
        let mut state = self.state();
        if state.dead() {
            return Ok(u32::MAX);
        }
        Ok(match (function, offset) {
            (Function::Master, ESDP) => state.esdp(),
            (Function::Master, STATUS) => {
                state.unflushed = 0;
                0x0008_0000
            }
            _ => {
                let at = (function == Function::Slave, offset);
                state.others.get(&at).copied().unwrap_or(0)
            }
        })
    }

    fn write(&mut self, function: Function, offset: u32, value: u32) -> Result<(), CardError> {
        checked(offset)?;
        let mut state = self.state();
        if state.dead() {
            return Ok(());
        }
        if (function, offset) == (Function::Master, ESDP) {
            if (state.esdp ^ value) & !state.own() != 0 {
                state.foreign_writes += 1;
            }
            state.unflushed += 1;
            state.worst_unflushed = state.worst_unflushed.max(state.unflushed);
            state.esdp = value;
            state.lines_changed();
        } else {
            state.foreign_writes += 1;
            let at = (function == Function::Slave, offset);
            state.others.insert(at, value);
        }
        Ok(())
    }
}

impl Delay for Model {
    fn wait(&mut self, at_least: Duration) {
        self.advance(at_least);
    }
}
