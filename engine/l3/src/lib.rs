//! The slow path of a router, sans-IO: what the management core does with the frames that the fast
//! path does not carry.
//!
//! One [`Host`] serves all layer 3 interfaces of an instance. Frames, packets and time go in, a list
//! of [`Output`]s comes out, and [`Host::next_deadline`] says when to come back. There is no clock,
//! no socket, no thread and no DPDK in this crate.
//!
//! - **Neighbours** (RFC 826, RFC 4861): resolved, with a short queue of packets that wait; aged and
//!   probed; learned ahead of time from the peer instance ([`Host::neighbour_heard`]). What the fast
//!   path may use comes out as [`Output::Neighbour`].
//! - **Answers** for own addresses with the port's MAC address, and for virtual addresses that are
//!   held with the virtual MAC address only (RFC 9568, section 8).
//! - **ICMP and ICMPv6**: echo, and errors about packets that cannot be forwarded (RFC 792, RFC 1812,
//!   RFC 4443), limited in rate.
//! - **The kernel**: everything else for a local address goes to the interface's TAP device, and what
//!   the host's stack sends there goes out, except what would contradict our answers.
//!
//! Every frame that goes no further is counted by its cause: [`Counters`].
//!
//! # What the caller keeps
//!
//! 1. [`Host::start`] once, then [`Host::link`] for each interface, at start and at every change: an
//!    interface without a link takes and says nothing.
//! 2. [`Host::virtual_addresses`] for each virtual router at start, not held, before the first frame:
//!    from then on nobody is answered for its addresses until it is held.
//! 3. It comes back at [`Host::next_deadline`], or as soon as it can, and carries outputs out in order.
//! 4. Punts of traffic are for the one who may forward: packets that wait for a MAC address are dropped
//!    when a virtual router is given back, but [`Host::unresolved`] does not ask for a role itself.
//!
//! # Beside the RFCs
//!
//! - The fast path uses MAC addresses without telling us, so each neighbour that it was told of counts
//!   as in use, and is asked for again about every 35 seconds. The table so holds who is there.
//! - A virtual address that is not held is whoever's who holds it: a neighbour like any other.
//! - Packets are not fragmented, and packets with IPv4 options are not forwarded here.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

pub mod config;
pub mod counters;
pub mod host;
pub mod output;
pub mod prefix;

pub use config::{ConfigError, HostConfig, InterfaceConfig, Limits, Route};
pub use counters::{Counters, DropCause, DropCounters};
pub use host::{Host, IcmpKind, Neighbour, NeighbourState};
pub use output::{Note, Output};
pub use prefix::Prefix;
pub use twinline_time::Time;

/// Which layer 3 interface: the index of its `[[interface]]`, and in [`HostConfig::interfaces`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceId(pub u16);
