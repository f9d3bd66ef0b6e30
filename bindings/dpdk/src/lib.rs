//! The safe layer over DPDK: EAL, pools, mbufs, ports, queues, lcores, clock.
