//! Packet capture by `dpdk-dumpcap` and other secondary processes.

use crate::{Eal, Errno, Error};

/// Lets secondary processes capture frames on this process' ports. Costs
/// nothing until one does. No effect where secondary processes cannot attach
/// (`Huge::NoHuge`, `huge_unlink`, registered threads: see the README).
pub fn pdump_init(_eal: &Eal) -> Result<(), Error> {
    // SAFETY: the EAL runs (`_eal` proves it); rte_pdump_init only registers a
    // message handler and reserves a memzone for its counters.
    match unsafe { dpdk_sys::rte_pdump_init() } {
        0 => Ok(()),
        _ => Err(Error::Pdump {
            errno: Errno::last(),
        }),
    }
}
