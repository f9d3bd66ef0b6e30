//! Frames on the wire: Ethernet, IPv4, UDP, heartbeats, announcements.
//!
//! Everything here reads and writes plain byte slices, allocates nothing, and knows neither DPDK
//! nor the decisions made from what it reads. Every input is hostile: a function of this crate
//! returns an error or a refusal for bytes it does not accept, and never panics.
//!
//! - [`heartbeat`]: what instances tell each other over the HA port, authenticated.
//! - [`announce`]: the frames from which switches learn at once where a station now is.
//! - [`ethernet`], [`ipv4`], [`udp`]: the layers below, no more of them than we use.
//!
//! Without `std` and without `alloc` there is nothing here that could allocate.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), no_std)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

pub mod announce;
mod bytes;
pub mod checksum;
mod error;
pub mod ethernet;
pub mod heartbeat;
pub mod in_band;
pub mod ipv4;
mod mac;
mod side;
pub mod udp;

pub use error::Error;
pub use mac::{Mac, ParseMacError};
pub use side::Side;
