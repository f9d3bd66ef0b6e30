//! Silicom adapters: the driver against golden traces, and against the model of a card.
// Helpers of tests are tests: clippy.toml's exception reaches test functions only.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod agreement;
mod conformance;
mod failures;
mod foreign_bits;
mod golden;
mod policies;
mod rig;
mod timing;
mod watchdog;
