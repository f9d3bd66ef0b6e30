//! The safe layer over DPDK: EAL, pools, mbufs, ports, queues, lcores, clock.
//!
//! ```text
//! Eal::init ──┬─ Pool::new ─────────────┐
//!             └─ take(PortId) ─ Port<Idle> ─ configure(&Pool) ─ Port<Configured>
//!                                                 ▲                │ start()
//!                                                 │ stop(queues)   ▼
//!                                   workers ◀─ RxQueue, TxQueue ── Port<Started>
//! ```
//!
//! What the types prove:
//! - a queue belongs to one thread at a time (`Send`, not `Sync`, not `Clone`);
//! - a port stops only when all its queues have come back or are dropped;
//! - a frame is freed exactly once, and a frame that was sent is gone;
//! - the EAL is cleaned up after everything that lives in its memory.
//!
//! Raw pointers of DPDK never leave this crate.

mod burst;
pub mod clock;
mod eal;
mod error;
mod fib;
pub mod files;
mod ixgbe_bypass;
pub mod lcore;
mod mbuf;
mod pdump;
mod pool;
mod port;
mod queue;
mod stats;
mod tap;
pub mod telemetry;

pub use burst::{Burst, Drain};
pub use eal::{Eal, EalOptions, Huge, LogLevel, Pci, PciAddress, linkage, version};
pub use error::{Errno, Error};
pub use fib::{Fib4, Fib4Reader, Fib4View, Fib6, Fib6Reader, FibOptions, MAX_NEXT_HOP};
pub use ixgbe_bypass::{IxgbeBypass, ixgbe_bypass_is_linked};
pub use mbuf::{Mbuf, NoRoom, Segments};
pub use pdump::pdump_init;
pub use pool::{Pool, PoolOptions};
pub use port::{
    Configured, Failed, Idle, Link, MacAddress, Port, PortHandle, PortId, PortInfo, PortOptions,
    Started, StopFailed,
};
pub use queue::{RxQueue, TxQueue};
pub use stats::{Stats, XStat};
pub use tap::{Direction, PortTap, Watcher};
