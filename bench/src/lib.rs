//! Benchmarks against peers, interleaved in one run.
//!
//! `bench-forward` compares our worker with `dpdk-testpmd` in io mode, on the same core, with the
//! same burst and as many mbufs, over `net_null0` and `net_null1`. Each side runs in a process of
//! its own; both are measured from outside with the same code: packets from the port statistics in
//! DPDK's telemetry socket, time from the kernel's account of the forwarding thread.
//!
//! The figure is packets a second *on the CPU* of that thread: on net_null the thread is never
//! idle, and what other processes take from the core is in neither the packets nor the time.
//!
//! `bench-l3` compares the L3 fast path with DPDK's l3fwd in the same way: one port plays a pcap
//! file of random destinations for ever, the other swallows what is routed to it.
#![forbid(unsafe_code)]

pub mod forwarder;
pub mod l3;
pub mod peers;
pub mod process;
pub mod report;
pub mod telemetry;
