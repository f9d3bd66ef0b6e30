//! Bypass cards: the trait that every card speaks, the drivers of real cards, and models of them.
//!
//! A card's relays join (bypass), open (disconnect) or leave alone (inline) the two cables of a
//! link pair, whatever the software does.
//!
//! ```text
//!   management core ── Card ──┬── NoCard
//!                             ├── silicom::Adapter ── frames ── pins ──┐
//!                             └── intel::Adapter ──── words ─── pins ──┤
//!                                                                      │ RegisterIo + Delay
//!                    access::{sysfs, vfio}  the card's NIC functions ──┤
//!                    model::{silicom, intel}  MCU, watchdog, relays ───┘
//! ```
//!
//! Only [`access`] holds `unsafe`: it maps registers. A driver sees registers by [`RegisterIo`] and
//! lets time pass by [`Delay`], so it runs unchanged against a model on a virtual clock.

pub mod access;
pub mod intel;
pub mod model;
pub mod pci;
pub mod silicom;

mod card;
mod error;
mod none;
mod registers;

pub use card::{
    Capabilities, Card, Observed, Path, Paths, PowerEvent, PowerOff, Side, Source, WatchdogPeriods,
};
pub use error::CardError;
pub use none::NoCard;
pub use registers::{Delay, Function, RegisterIo};
