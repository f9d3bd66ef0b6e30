//! The data path: workers, gates, the forwarding lease, counters.
