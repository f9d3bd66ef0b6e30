//! A handle to a model: one for the driver, and one for whoever watches.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::board::Machine;
use super::firmware::Eeprom;
use super::parameters::{Fault, Parameters};
use crate::model::Cable;
use crate::silicom::Board;
use crate::{CardError, Delay, Function, Path, RegisterIo, Side};

/// What BAR 0 of these NICs has at least.
const BAR: u32 = 0x2_0000;

/// A model of a Silicom adapter. Clones are handles to the same card.
///
/// Its clock moves with [`Delay::wait`], with register accesses when they are said to take time,
/// and with [`Model::advance`] and [`Model::advance_to`].
#[derive(Clone)]
pub struct Model(Arc<Mutex<Machine>>);

impl Model {
    /// A card that has just got power.
    #[must_use]
    pub fn new(board: Board, parameters: &Parameters) -> Self {
        Self(Arc::new(Mutex::new(Machine::new(board, parameters))))
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        // Nothing in a machine is half done when a test panics beside it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What its clock says.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.machine().now
    }

    /// Lets time pass.
    pub fn advance(&self, time: Duration) {
        let mut machine = self.machine();
        let to = machine.now + time;
        machine.advance_to(to);
    }

    /// Lets time pass until the clock says this; nothing when it is past that already.
    pub fn advance_to(&self, elapsed: Duration) {
        self.machine().advance_to(elapsed);
    }

    /// What the cables see.
    #[must_use]
    pub fn cable(&self) -> Cable {
        self.machine().cable()
    }

    /// The path in which the relays rest, or from which they are moving.
    #[must_use]
    pub fn path(&self) -> Path {
        self.machine().path()
    }

    /// What the EEPROM holds.
    #[must_use]
    pub fn eeprom(&self) -> Eeprom {
        self.machine().firmware.eeprom()
    }

    /// How often the EEPROM was written.
    #[must_use]
    pub fn eeprom_writes(&self) -> u32 {
        self.machine().firmware.eeprom_writes
    }

    /// What is left until the watchdog expires; `None` when it does not run.
    #[must_use]
    pub fn watchdog_left(&self) -> Option<Duration> {
        let machine = self.machine();
        machine.firmware.watchdog_left(machine.now)
    }

    /// Whether a port's transmitter is on.
    #[must_use]
    pub fn transmits(&self, side: Side) -> bool {
        self.machine().transmits(side)
    }

    /// Pulls the plug. Registers read all ones from now on.
    pub fn power_off(&self) {
        self.machine().power(false);
    }

    /// Plugs it in again.
    pub fn power_on(&self) {
        self.machine().power(true);
    }

    /// Resets the NIC, as its driver does when it starts. The controller is not reset.
    pub fn nic_reset(&self) {
        self.machine().nic_reset();
    }

    /// Breaks something.
    pub fn fail(&self, fault: Fault) {
        self.machine().fail(fault);
    }

    /// Mends everything that was broken.
    pub fn repair(&self) {
        self.machine().repair();
    }

    /// What a register holds: what was written last, without levels of pins. Takes no time.
    #[must_use]
    pub fn peek(&self, function: Function, offset: u32) -> u32 {
        self.machine().peek(function, offset)
    }

    /// Sets a register as the NIC's driver would. Takes no time.
    pub fn poke(&self, function: Function, offset: u32, value: u32) {
        self.machine().poke(function, offset, value);
    }
}

fn in_bar(offset: u32) -> Result<(), CardError> {
    if offset < BAR && offset.is_multiple_of(4) {
        return Ok(());
    }
    Err(CardError::Range {
        what: "register",
        got: format!("{offset:#x}"),
        accepted: format!("below {BAR:#x}, a multiple of 4"),
    })
}

impl RegisterIo for Model {
    fn read(&mut self, function: Function, offset: u32) -> Result<u32, CardError> {
        in_bar(offset)?;
        Ok(self.machine().read(function, offset))
    }

    fn write(&mut self, function: Function, offset: u32, value: u32) -> Result<(), CardError> {
        in_bar(offset)?;
        self.machine().write(function, offset, value);
        Ok(())
    }
}

impl Delay for Model {
    fn wait(&mut self, at_least: Duration) {
        self.advance(at_least);
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = self.machine();
        f.debug_struct("Model")
            .field("now", &machine.now)
            .field("path", &machine.path())
            .field("firmware", &machine.firmware)
            .finish_non_exhaustive()
    }
}
