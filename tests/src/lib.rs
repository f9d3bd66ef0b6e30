//! The lab: namespaces, switches, probes and scenes around real engine processes.
