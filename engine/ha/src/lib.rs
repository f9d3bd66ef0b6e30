//! The high-availability decisions of Twinline, sans-IO.
//!
//! Time and events go in ([`Observation`]), actions come out ([`Action`]). There is no clock, no
//! socket, no thread and no DPDK in this crate, so that a whole cluster runs in a deterministic
//! simulation, and so that every rule of `ha-semantics.md` has one place:
//!
//! | rules | room |
//! |---|---|
//! | 1, 2, 3, 5 | [`peer`]: sessions, health, replay |
//! | 6 to 11 | [`node`]: roles, hand-over, healing, lease |
//! | 9 | [`claim`]: who stays when two are ACTIVE |
//! | 13 | [`flaps`] |
//! | 17, 18, 19 | [`link_pairs`] |
//! | 20 | [`bandwidth`] |
//! | 23 | [`events`] |
//!
//! The management core calls [`Node::step`] on every tick and carries out what it returns, in
//! order. Nothing else decides.
#![forbid(unsafe_code)]

pub mod action;
pub mod bandwidth;
pub mod claim;
pub mod events;
#[cfg(feature = "faults")]
pub mod faults;
#[cfg(not(feature = "faults"))]
mod faults;
pub mod flaps;
pub mod link_pairs;
pub mod macs;
pub mod message;
pub mod node;
pub mod observation;
pub mod peer;
pub mod settings;
pub mod severity;
pub mod state;

pub use action::{Action, CardCommand, GateMode};
pub use events::{Alarm, Event, Reason};
pub use message::{
    Flags, Health, Heartbeat, MacChunk, Message, NeighbourChunk, Path, Paths, Role, Side,
    UnfitReason,
};
pub use node::{Node, NodeConfig};
pub use observation::{
    CardSeen, Learned, LegState, Observation, Reject, Request, RequestId, RoutersSeen,
    WorkerProgress,
};
pub use settings::{Mode, OnMaxFlaps, Settings, Topology};
pub use severity::{Kind, Severity};
pub use state::SavedState;
pub use twinline_time::Time;
