//! Silicom adapters: a microcontroller on the card that is spoken to by pins of the NIC, bit by bit.
//!
//! ```text
//!   Adapter       the verbs of `Card`
//!   Controller    registers and commands of the microcontroller, settle times
//!   Link          frames and kicks as edges on two pins, sense pins
//!   PinMap        which bit of which register of which function, per NIC family
//!   RegisterIo + Delay
//! ```
//!
//! The facts come from public documents and from reading public driver sources; nothing of those
//! was copied. Where the facts are silent, the comment says that a choice was made.
//!
//! Never speak to a card while the NIC's driver starts, stops, sets up a link or reads a module's
//! EEPROM: some families use the same pins for that.

mod adapter;
mod commands;
mod controller;
mod family;
mod identity;
mod link;
mod paths;
mod pins;
mod policies;
mod sense;
mod switches;
mod watchdog;

pub use adapter::{Adapter, LONGEST_VERB};
pub use family::{Board, Family, Media, SUBSYSTEM_VENDORS, master_of, recognise};
pub use identity::Identity;
