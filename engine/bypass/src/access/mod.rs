//! Ways to a card's registers, and real time.
//!
//! | way | when |
//! |---|---|
//! | [`sysfs::Bars`] | the NIC has no driver, or a uio driver; or `iomem=relaxed` |
//! | [`vfio::Bars`] | the NIC is bound to vfio-pci, and nobody else has its group open |
//! | [`socket::Remote`] | the registers are another process's: a model, or a broker |
//!
//! Each is [`RegisterIo`](crate::RegisterIo) and [`Delay`](crate::Delay) in one.
//! The only `unsafe` of this crate is in here: mapping registers, and vfio's ioctls.

mod map;
pub mod socket;
pub mod sysfs;
mod time;
pub mod vfio;

pub use time::RealDelay;

use crate::{CardError, Function};
use map::Bar;

/// The mappings of a pair's two functions.
#[derive(Debug)]
struct Pair {
    master: Bar,
    slave: Option<Bar>,
}

impl Pair {
    fn bar(&self, function: Function) -> Result<&Bar, CardError> {
        match function {
            Function::Master => Ok(&self.master),
            Function::Slave => self.slave.as_ref().ok_or_else(no_slave),
        }
    }

    fn bar_mut(&mut self, function: Function) -> Result<&mut Bar, CardError> {
        match function {
            Function::Master => Ok(&mut self.master),
            Function::Slave => self.slave.as_mut().ok_or_else(no_slave),
        }
    }
}

fn no_slave() -> CardError {
    CardError::Access("the pair's second function is not mapped".into())
}
