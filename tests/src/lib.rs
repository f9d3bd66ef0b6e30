//! The lab: namespaces, switches, probes and scenes around real engine processes.
//!
//! ```text
//!                        +-- lan0 [appliance A] wan0 --+
//! client -- LAN switch --|              ha0            |-- WAN switch -- server
//!                        |               |             |
//!                        |              ha0            |
//!                        +-- lan0 [appliance B] wan0 --+
//! ```
//!
//! Each box is a network namespace, each line a veth pair, each switch a Linux bridge. In the
//! appliances runs one engine process each, with af_packet ports on its veth ends. A [`run::Run`]
//! owns everything that a lab makes on the machine and takes it away again; [`topology`] lays the
//! wires, [`engine`] runs the processes, [`probe`] measures, [`scenes`] makes things happen and
//! [`report`] says what came of it; [`l3`] has the beds of routers. `docs/lab.md` is the page for people.

pub mod busy;
pub mod engine;
pub mod error;
pub mod fair;
pub mod guard;
pub mod heartbeats;
pub mod judge;
pub mod l3;
pub mod lab;
pub mod netns;
pub mod panel;
pub mod probe;
pub mod promtool;
pub mod report;
pub mod run;
pub mod scenes;
pub mod stall;
pub mod status;
pub mod sys;
pub mod topology;
pub mod traffic;

pub use error::{LabError, Result};
