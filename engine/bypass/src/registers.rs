//! The two things that a driver needs of the world: registers, and time that passes.

use std::time::Duration;

use crate::CardError;

/// One of the two PCI functions of a pair's NIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Function {
    /// The even one: the master, which speaks to the card's controller.
    Master,
    /// The odd one: where sense pins are.
    Slave,
}

/// 32-bit registers in BAR 0 of a pair's two PCI functions.
pub trait RegisterIo: Send {
    /// Reads a register. A card that is gone reads all ones; implementations hand that value on,
    /// and drivers call [`CardError::Gone`] by its name where no register of theirs can hold it.
    ///
    /// # Errors
    /// [`CardError::Range`] beyond the mapping; [`CardError::Access`] when the transport fails.
    fn read(&mut self, function: Function, offset: u32) -> Result<u32, CardError>;

    /// Writes a register.
    ///
    /// # Errors
    /// As [`RegisterIo::read`].
    fn write(&mut self, function: Function, offset: u32, value: u32) -> Result<(), CardError>;
}

/// Lets time pass: really, or on a model's virtual clock.
pub trait Delay: Send {
    /// Returns after at least this long.
    fn wait(&mut self, at_least: Duration);
}
