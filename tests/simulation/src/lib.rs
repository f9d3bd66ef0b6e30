//! A whole cluster in simulation: instances, management cores, workers, both heartbeat paths,
//! switches and cables around the real [`twinline_ha::Node`], on a virtual clock. One seed makes one run.
//!
//! [`Scenario::of`] draws what happens, [`World`] makes it happen and checks at every step;
//! [`checks`] says what is checked and [`bounds`] by which formulas. [`search`] runs seeds and
//! finds the shortest prefix that still fails; [`faults`] are deliberate ones that prove
//! that the checks bite.
#![forbid(unsafe_code)]

pub mod bounds;
#[cfg(any(test, feature = "faults"))]
pub mod catalogue;
pub mod checks;
pub mod clock;
mod deeds;
pub mod faults;
pub mod host;
pub mod in_band;
pub mod network;
mod path_deeds;
mod paths;
pub mod random;
pub mod scenario;
pub mod search;
mod traffic;
mod turn;
mod watch;
pub mod wire;
pub mod worker;
pub mod world;

pub use checks::{Check, Violation};
pub use scenario::Scenario;
pub use world::{Tally, World};
