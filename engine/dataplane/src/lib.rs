//! The data path: workers, gates, the forwarding lease, counters.
//!
//! A [`Worker`] carries the frames of one or more link pairs. What it may do is said by three
//! things that the management core writes and the worker only reads: each pair's [`Gate`], the
//! engine's [`Lease`], and, during a hand-over, each pair's [`MacTable`]. What it did is in its
//! [`Counters`]; which stations it saw comes out of a ring of [`Learned`]; frames of the
//! management core's own go in through a ring of [`Inject`], and heartbeats that came in-band go
//! out through a ring of [`Diverted`].
//!
//! ```text
//!                  Gate, Lease, MacTable        Inject
//!                          │                      │
//!   LAN port ─ RxQueue ─▶ Worker::poll_once ─ TxQueue ─▶ WAN port   (and the other way)
//!                          │                      │
//!                       Counters               Learned
//! ```
#![forbid(unsafe_code)]

mod counters;
mod divert;
mod gate;
mod idle;
pub mod l3;
mod learn;
mod lease;
mod mac_table;
mod thread;
mod transmit;
mod turns;
mod worker;

pub use counters::{Counters, PairSnapshot, SideSnapshot, WorkerSnapshot};
pub use divert::Diverted;
pub use gate::{Gate, GateMode};
pub use idle::Polling;
pub use learn::{LEARN_ALL_UP_TO, Learned};
pub use lease::Lease;
pub use mac_table::{Insertion, MAC_TABLE_SLOTS, MacBytes, MacTable, is_group};
pub use thread::{Error, WorkerHandle};
pub use twinline_wire::Side;
pub use worker::{Inject, PairQueues, Worker, WorkerConfig, WorkerLinks};

/// Frames that a worker takes from a link pair's queue at once; from those of layer 3 it is
/// [`l3::BURST`].
pub const BURST: usize = 32;
