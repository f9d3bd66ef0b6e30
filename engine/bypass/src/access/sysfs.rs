//! Registers through `/sys/bus/pci/devices/<address>/resource0`.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::{Bar, Pair, RealDelay};
use crate::{CardError, Delay, Function, RegisterIo};

/// The two functions of a pair, mapped through sysfs.
///
/// Whoever has them holds an advisory lock on both files, so that two of our processes never speak
/// to one card at the same time. A NIC driver does not know of that lock.
#[derive(Debug)]
pub struct Bars(Pair);

impl Bars {
    /// Maps BAR 0 of the master function, and of the other one where the card needs it. `sysfs` is
    /// where sysfs is mounted, `/sys`; the addresses are such as `0000:03:00.0`.
    ///
    /// # Errors
    /// [`CardError::Access`] with the reason and its remedy, [`CardError::Busy`] when another
    /// process of ours has the card.
    pub fn open(sysfs: &Path, master: &str, slave: Option<&str>) -> Result<Self, CardError> {
        Ok(Self(Pair {
            master: map(sysfs, master)?,
            slave: slave.map(|address| map(sysfs, address)).transpose()?,
        }))
    }
}

impl RegisterIo for Bars {
    fn read(&mut self, function: Function, offset: u32) -> Result<u32, CardError> {
        self.0.bar(function)?.read(offset)
    }

    fn write(&mut self, function: Function, offset: u32, value: u32) -> Result<(), CardError> {
        self.0.bar_mut(function)?.write(offset, value)
    }
}

impl Delay for Bars {
    fn wait(&mut self, at_least: Duration) {
        RealDelay.wait(at_least);
    }
}

/// Where a PCI function's files are.
pub(crate) fn device(sysfs: &Path, address: &str) -> PathBuf {
    sysfs.join("bus/pci/devices").join(address)
}

fn map(sysfs: &Path, address: &str) -> Result<Bar, CardError> {
    let device = device(sysfs, address);
    if !device.is_dir() {
        let text = format!("there is no PCI device {address}");
        return Err(CardError::Access(text));
    }
    answers(&device, address)?;
    let path = device.join("resource0");
    let refused = |error: &io::Error| refusal(&device, address, error);
    let open = File::options().read(true).write(true).open(&path);
    let file = open.map_err(|error| refused(&error))?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
        Errno::WOULDBLOCK => CardError::Busy(format!("another process has mapped {address}")),
        other => refused(&other.into()),
    })?;
    let length = file.metadata().map_err(|error| refused(&error))?.len();
    Bar::map(file, 0, length).map_err(|error| refused(&error))
}

/// A device that sleeps, or whose memory is switched off, reads all ones: as if it were gone.
fn answers(device: &Path, address: &str) -> Result<(), CardError> {
    const COMMAND: u64 = 4;
    const MEMORY: u8 = 1 << 1;
    let state = std::fs::read_to_string(device.join("power_state")).unwrap_or_default();
    let state = state.trim();
    if state.starts_with("D1") || state.starts_with("D2") || state.starts_with("D3") {
        return Err(CardError::Access(format!(
            "{address} is asleep ({state}); wake it: echo on > {}",
            device.join("power/control").display()
        )));
    }
    let mut command = [0];
    let config = File::open(device.join("config"));
    // Where there is no configuration space to read, the registers themselves will tell.
    let read = config.and_then(|config| config.read_exact_at(&mut command, COMMAND));
    if read.is_ok() && command[0] & MEMORY == 0 {
        return Err(CardError::Access(format!(
            "the registers of {address} are switched off; switch them on: echo 1 > {}",
            device.join("enable").display()
        )));
    }
    Ok(())
}

/// What the kernel's refusal means, and what to do.
fn refusal(device: &Path, address: &str, error: &io::Error) -> CardError {
    let driver = std::fs::read_link(device.join("driver")).ok();
    let driver = driver.as_deref().and_then(Path::file_name);
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    CardError::Access(match (errno, driver) {
        (Some(Errno::INVAL), Some(driver)) => format!(
            "the kernel keeps the registers of {address} to its driver {} (IO_STRICT_DEVMEM); \
             unbind that (echo {address} > {}), bind uio_pci_generic, or boot with iomem=relaxed",
            driver.display(),
            device.join("driver/unbind").display()
        ),
        (Some(Errno::INVAL), None) => format!(
            "the kernel does not map the registers of {address}: BAR 0 is no memory, or another \
             driver claims it (IO_STRICT_DEVMEM); boot with iomem=relaxed"
        ),
        (Some(Errno::PERM), _) => format!(
            "the kernel is locked down (secure boot), so nobody may map the registers of \
             {address}; boot without lockdown, or reach the card through DPDK's driver"
        ),
        (Some(Errno::ACCESS), _) => {
            format!("this user may not map the registers of {address}; run as root")
        }
        (Some(Errno::NOENT), _) => format!("{address} has no BAR 0"),
        _ => format!("the registers of {address} cannot be mapped: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_says_what_to_do() {
        let root = tempfile::tempdir().unwrap();
        let device = root.path();
        let says = |errno: Errno| refusal(device, "0000:03:00.0", &errno.into()).to_string();
        assert!(says(Errno::INVAL).contains("iomem=relaxed"));
        std::os::unix::fs::symlink("../drivers/ixgbe", device.join("driver")).unwrap();
        let bound = says(Errno::INVAL);
        assert!(
            bound.contains("its driver ixgbe (IO_STRICT_DEVMEM)"),
            "{bound}"
        );
        assert!(bound.contains("driver/unbind"), "{bound}");
        assert!(says(Errno::PERM).contains("locked down"));
        assert!(says(Errno::ACCESS).contains("run as root"));
        assert!(says(Errno::NOENT).contains("no BAR 0"));
        assert!(says(Errno::NOMEM).contains("cannot be mapped"));
    }
}
