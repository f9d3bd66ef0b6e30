//! Frames on the wire: Ethernet, IP, UDP, heartbeats, announcements, VRRP, ARP, NDP.
//!
//! Everything here reads and writes plain byte slices, allocates nothing, and knows neither DPDK
//! nor the decisions made from what it reads. Every input is hostile: a function of this crate
//! returns an error or a refusal for bytes it does not accept, and never panics.
//!
//! - [`heartbeat`]: what instances tell each other over the HA port, authenticated.
//! - [`announce`]: the frames from which switches learn at once where a station now is.
//! - [`vrrp`]: adverts of virtual routers; [`arp`] and [`ndp`]: the answers and announcements of
//!   their addresses. [`slow_path::read`] takes any frame and says which of these it is.
//! - [`icmp`]: echo and errors, of both families.
//! - [`ethernet`], [`vlan`], [`ipv4`], [`ipv6`], [`udp`]: the layers below, no more of them than we use.
//!
//! Without `std` and without `alloc` there is nothing here that could allocate.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), no_std)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

pub mod announce;
pub mod arp;
mod bytes;
pub mod checksum;
mod drops;
mod error;
pub mod ethernet;
pub mod heartbeat;
pub mod icmp;
pub mod in_band;
pub mod ipv4;
pub mod ipv6;
mod mac;
pub mod ndp;
mod side;
pub mod slow_path;
pub mod udp;
pub mod vlan;
pub mod vrrp;

pub use error::Error;
pub use mac::{Mac, ParseMacError};
pub use side::Side;
