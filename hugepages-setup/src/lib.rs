//! Plans and reserves hugepages, and says how to undo it.
//!
//! [`snapshot`] reads what the kernel has, [`plan`] decides what to do (pure), [`apply`] does it.
//! Every step carries what, why and its undo. Nothing is changed unless the caller applies.
#![forbid(unsafe_code)]

pub mod apply;
pub mod plan;
pub mod snapshot;
