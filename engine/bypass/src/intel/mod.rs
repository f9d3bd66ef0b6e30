//! Intel's bypass adapters with an 82599 or an X540 (PCI devices 155D and 155C).
//!
//! A controller on the card drives the relays. It is spoken to in 32-bit words over three pins of
//! function 0 ([`Adapter`]); with DPDK's ixgbe driver on the port, that driver speaks to it, and we
//! call the driver ([`pmd::Pmd`]).
//!
//! Facts are from the public interface and sources of DPDK's driver; what had to be guessed is
//! marked so, and is a parameter of the model ([`crate::model::intel`]).

mod adapter;
mod calendar;
mod log;
pub mod pmd;
mod wire;
mod words;

pub use adapter::Adapter;
pub use log::{LogEntry, LogEvent};
pub use wire::WORD_TIME;

/// Intel's PCI vendor id.
pub const VENDOR: u16 = 0x8086;

/// The NIC on the card: it decides which pins lead to the controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// 82599, PCI device 155D.
    Intel82599,
    /// X540, PCI device 155C.
    X540,
}

impl Family {
    /// The family of a PCI function; `None` when it is no Intel bypass adapter.
    #[must_use]
    pub const fn recognise(vendor: u16, device: u16) -> Option<Self> {
        match (vendor, device) {
            (VENDOR, 0x155D) => Some(Self::Intel82599),
            (VENDOR, 0x155C) => Some(Self::X540),
            _ => None,
        }
    }

    /// Its name, for operators.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Intel82599 => "Intel 82599 bypass",
            Self::X540 => "Intel X540 bypass",
        }
    }
}

/// The function number of a PCI address such as `0000:03:00.1`.
fn function_of(address: &str) -> Option<u8> {
    address.rsplit_once('.')?.1.parse().ok()
}
