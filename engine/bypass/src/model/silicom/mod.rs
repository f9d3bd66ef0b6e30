//! A Silicom adapter, from the pins on.
//!
//! ```text
//!   Model      a handle: RegisterIo + Delay for a driver, clock, power and faults for a test
//!   Nic        the registers of two PCI functions, and the pads that some of their bits drive
//!   Decoder    edges on MCLK and MDIO to frames and kicks, with their minimum times
//!   Firmware   the controller: registers, commands, EEPROM, watchdog
//!   Relays     the cables
//! ```
//!
//! It knows nothing of the driver: its pin table and its codes were written from the same facts
//! once more. What the facts leave open is in [`Parameters`].

mod board;
mod decoder;
mod firmware;
mod handle;
mod nic;
mod pads;
mod parameters;

pub use firmware::Eeprom;
pub use handle::Model;
pub use parameters::{Fault, NicReset, Parameters, Resync};
