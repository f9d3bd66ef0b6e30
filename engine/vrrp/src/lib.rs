//! The state machine of a virtual router, sans-IO: version 3 for IPv4 and IPv6 (RFC 9568, section
//! 6.4), version 2 for IPv4 (RFC 3768, section 6.4).
//!
//! One [`Router`] is one virtual router of one family on one interface. Time and events go in
//! ([`Input`]), what to do comes out ([`Action`]), and [`Router::next_deadline`] says when to come
//! back. There is no clock, no socket, no thread and no DPDK in this crate; frames are
//! [`twinline_wire::vrrp`]'s.
//!
//! ```text
//!                      +---------------+
//!           +--------->|               |<-------------+
//!           |          |  Initialize   |              |
//!           |   +------|               |----------+   |
//!           |   |      +---------------+          |   |
//!           |   | priority 255   priority 1..254  |   |
//!           |   V                                 V   |
//!   +---------------+   a better one is heard +---------------+
//!   |               |------------------------>|               |
//!   |    Active     |                         |    Backup     |
//!   |               |<------------------------|               |
//!   +---------------+    Active_Down_Timer    +---------------+
//! ```
//!
//! # Beside the RFC
//!
//! - **Late timers.** A timer that fires late says that we did not run, and nothing about the
//!   others. See [`router`] for what the caller has to keep, and what is done when it is not
//!   enough.
//! - **What the instance decides** (unfit, suspended, bypass, hand-over) comes in as a
//!   [`Standing`], and becomes the priority 0 of a shutdown, or silence.
//! - **Bounded answers.** The advert that asserts against a losing one (section 6.4.3) goes out at
//!   once, but at most four times an interval: two routers with one address, or a flood, would
//!   otherwise answer each other at line rate.
//! - **A preempt delay**, as every implementation has: until it has passed, adverts of a lower
//!   priority are taken as if preemption were off.
//! - **A healed split** is announced anew (gratuitous ARP, unsolicited neighbour advertisements).
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

pub mod action;
mod burst;
pub mod event;
pub mod input;
pub mod router;
pub mod settings;
pub mod timers;

pub use action::Action;
pub use event::{Event, Note, Reason, State};
pub use input::{Input, Standing};
pub use router::{Counters, Router};
pub use settings::{Announcing, Live, Priority, Settings, SettingsError};
pub use twinline_time::Time;
