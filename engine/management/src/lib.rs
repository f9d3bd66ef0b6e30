//! The management core: observes, steps the HA node, carries out its actions.
//!
//! One thread, a tick a millisecond: [`core::ManagementCore`]. It owns the HA port's queue and
//! everything that workers do not; nothing in it decides who is ACTIVE, that is
//! [`twinline_ha::Node`]'s.
#![forbid(unsafe_code)]

pub mod appliance;
mod capture;
pub mod card_finder;
pub mod cards;
pub mod commits;
pub mod convert;
pub mod core;
mod figures;
pub mod ha_port;
pub mod heartbeat_dump;
pub mod in_band;
pub mod ixgbe_card;
pub mod l3;
mod lcores;
pub mod link_source;
pub mod outlets;
pub mod shown_from;
pub mod state_file;
pub mod status;
mod tally;
mod telemetry;
mod vitals;

pub use crate::core::{ManagementCore, Signals, Surroundings};
pub use appliance::StartError;
pub use vitals::{Progress, Standing, Vitals};
