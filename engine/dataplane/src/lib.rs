//! The data path: workers, gates, the forwarding lease, counters.
#![forbid(unsafe_code)]

mod counters;
mod gate;
mod idle;
mod learn;
mod lease;
mod mac_table;

pub use counters::{Counters, PairSnapshot, SideSnapshot, WorkerSnapshot};
pub use gate::{Gate, GateMode};
pub use idle::Polling;
pub use learn::{LEARN_ALL_UP_TO, Learned};
pub use lease::Lease;
pub use mac_table::{Insertion, MAC_TABLE_SLOTS, MacBytes, MacTable, is_group};
pub use twinline_wire::Side;

/// Frames that a worker takes from a queue at once.
pub const BURST: usize = 32;
