//! Raw DPDK bindings: what bindgen reads from the installed headers, and a
//! small C shim (`shim/`) for what DPDK only inlines. Everything here is as
//! unsafe as C; the `dpdk` crate is the layer to use.
//!
//! `build.rs` finds libdpdk with pkg-config (22.11 or newer), links it
//! statically with the drivers that an appliance needs (`TWINLINE_DPDK_PMDS`
//! chooses others), or dynamically with the feature `shared`.

#![allow(
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unsafe_op_in_unsafe_fn,
    clippy::all,
    clippy::undocumented_unsafe_blocks
)]
#![no_std]

include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
