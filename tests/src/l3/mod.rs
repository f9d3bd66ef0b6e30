//! Beds of routers: ours and other people's, side by side between two networks.
//!
//! ```text
//!                        +-- lan0 [router A] wan0 --+
//! client -- LAN switch --|                          |-- WAN switch -- server
//!                        +-- lan0 [router B] wan0 --+
//! ```
//!
//! [`bed`] lays namespaces and addresses, [`tap`] sees what routers say on the LAN, [`frame`] reads
//! it with code that shares nothing with the engine's, [`keepalived`], [`frr`] and [`ours`] run the
//! routers, [`election`] plays who is the Active Router and what becomes of it, and [`tool`] runs
//! the programs of client hosts. [`wires`] is another bed: one engine between wires whose far ends
//! are the test's, which makes its frames itself ([`packet`]).

pub mod bed;
pub mod election;
pub mod frame;
pub mod frr;
pub mod keepalived;
pub mod ours;
pub mod packet;
pub mod router;
pub mod tap;
pub mod tool;
pub mod wires;
