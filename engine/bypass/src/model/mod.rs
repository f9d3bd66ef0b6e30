//! Models of cards: the same registers, and behind them a controller, a watchdog, relays and the
//! two cables, on a clock that only moves when it is told to.
//!
//! A driver runs against a model unchanged. Whoever wants a model in real time advances it to what
//! a real clock says; nothing in it needs an access to happen on time.

mod cable;
pub mod intel;
mod relays;
pub mod silicom;

pub use cable::{Cable, Point};
pub use relays::Relays;
