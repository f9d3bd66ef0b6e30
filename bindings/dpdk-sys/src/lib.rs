//! Raw DPDK bindings: bindgen output and a small C shim.
