//! Registers through vfio, of functions that are bound to vfio-pci.
//!
//! Opening a function this way takes its whole IOMMU group, and vfio may reset it: so this is for a
//! card that nobody uses at the moment. An engine that runs on the port through vfio has the group
//! itself, and nobody else gets it.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use super::sysfs::device;
use super::{Bar, Pair, RealDelay};
use crate::{CardError, Delay, Function, RegisterIo};

// linux/vfio.h: _IO(';', 100 + n)
const GET_API_VERSION: libc::Ioctl = 0x3B64;
const SET_IOMMU: libc::Ioctl = 0x3B66;
const GROUP_GET_STATUS: libc::Ioctl = 0x3B67;
const GROUP_SET_CONTAINER: libc::Ioctl = 0x3B68;
const GROUP_GET_DEVICE_FD: libc::Ioctl = 0x3B6A;
const DEVICE_GET_REGION_INFO: libc::Ioctl = 0x3B6C;

const API_VERSION: i32 = 0;
const TYPE1_IOMMU: libc::c_int = 1;
const NOIOMMU: libc::c_int = 8;
const VIABLE: u32 = 1;
const CAN_MAP: u32 = 4;

/// `struct vfio_group_status`
#[repr(C)]
struct GroupStatus {
    argsz: u32,
    flags: u32,
}

/// `struct vfio_region_info`
#[repr(C)]
#[derive(Default)]
struct RegionInfo {
    argsz: u32,
    flags: u32,
    index: u32,
    cap_offset: u32,
    size: u64,
    offset: u64,
}

/// The two functions of a pair, mapped through vfio.
#[derive(Debug)]
pub struct Bars {
    pair: Pair,
    // Closed after the mappings: the device belongs to the group, the group to the container.
    _groups: Vec<Group>,
    _container: File,
}

#[derive(Debug)]
struct Group {
    number: String,
    file: File,
}

impl Bars {
    /// Maps BAR 0 of the master function, and of the other one where the card needs it. `dev` and
    /// `sysfs` are `/dev` and `/sys`.
    ///
    /// # Errors
    /// [`CardError::Access`] with the reason, [`CardError::Busy`] when a group is in use.
    pub fn open(
        dev: &Path,
        sysfs: &Path,
        master: &str,
        slave: Option<&str>,
    ) -> Result<Self, CardError> {
        let path = dev.join("vfio/vfio");
        let container = open(&path).map_err(|e| failed("vfio is not there", &e))?;
        // SAFETY: VFIO_GET_API_VERSION takes no argument; the descriptor is open.
        let version = unsafe { libc::ioctl(container.as_raw_fd(), GET_API_VERSION) };
        if version != API_VERSION {
            return Err(CardError::Access(format!(
                "vfio speaks version {version}, not {API_VERSION}"
            )));
        }
        let mut groups = Vec::new();
        let master = map(dev, sysfs, master, &container, &mut groups)?;
        let slave = slave
            .map(|address| map(dev, sysfs, address, &container, &mut groups))
            .transpose()?;
        Ok(Self {
            pair: Pair { master, slave },
            _groups: groups,
            _container: container,
        })
    }
}

impl RegisterIo for Bars {
    fn read(&mut self, function: Function, offset: u32) -> Result<u32, CardError> {
        self.pair.bar(function)?.read(offset)
    }

    fn write(&mut self, function: Function, offset: u32, value: u32) -> Result<(), CardError> {
        self.pair.bar_mut(function)?.write(offset, value)
    }
}

impl Delay for Bars {
    fn wait(&mut self, at_least: Duration) {
        RealDelay.wait(at_least);
    }
}

fn open(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).open(path)
}

fn failed(what: &str, error: &io::Error) -> CardError {
    CardError::Access(format!("{what}: {error}"))
}

/// An ioctl's result: descriptors and zeros are fine.
fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

fn map(
    dev: &Path,
    sysfs: &Path,
    address: &str,
    container: &File,
    groups: &mut Vec<Group>,
) -> Result<Bar, CardError> {
    let link = std::fs::read_link(device(sysfs, address).join("iommu_group"))
        .map_err(|e| failed(&format!("{address} is in no IOMMU group"), &e))?;
    let number = link.file_name().unwrap_or_default().display().to_string();
    let place = groups.iter().position(|group| group.number == number);
    let place = match place {
        Some(place) => place,
        None => {
            groups.push(join(dev, address, number, container)?);
            groups.len() - 1
        }
    };
    let device = device_of(&groups[place].file, address)
        .map_err(|e| failed(&format!("vfio does not give {address}"), &e))?;
    let region = region_0(&device)
        .map_err(|e| failed(&format!("vfio does not know BAR 0 of {address}"), &e))?;
    if region.flags & CAN_MAP == 0 {
        return Err(CardError::Access(format!(
            "vfio does not let BAR 0 of {address} be mapped"
        )));
    }
    Bar::map(device, region.offset, region.size)
        .map_err(|e| failed(&format!("BAR 0 of {address} cannot be mapped"), &e))
}

/// Opens a group, and puts it into the container. With the first one, the container gets its IOMMU.
fn join(dev: &Path, address: &str, number: String, container: &File) -> Result<Group, CardError> {
    let folder = dev.join("vfio");
    let with_iommu = open(&folder.join(&number));
    let (opened, iommu) = match with_iommu {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            (open(&folder.join(format!("noiommu-{number}"))), NOIOMMU)
        }
        other => (other, TYPE1_IOMMU),
    };
    let file = opened.map_err(|error| match error.raw_os_error() {
        Some(libc::EBUSY) => CardError::Busy(format!(
            "another process has the IOMMU group {number} of {address}"
        )),
        Some(libc::ENOENT) => CardError::Access(format!(
            "{address} is not bound to vfio-pci: {}/{number} is not there",
            folder.display()
        )),
        _ => failed(&format!("the IOMMU group {number} of {address}"), &error),
    })?;
    let mut status = GroupStatus {
        argsz: size_of::<GroupStatus>() as u32,
        flags: 0,
    };
    // SAFETY: the descriptor is a group's; the structure is laid out as the kernel's, says its
    // size, and outlives the call.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), GROUP_GET_STATUS, &raw mut status) };
    checked(result).map_err(|e| failed(&format!("the IOMMU group {number}"), &e))?;
    if status.flags & VIABLE == 0 {
        return Err(CardError::Access(format!(
            "another device in the IOMMU group {number} of {address} is not bound to vfio-pci"
        )));
    }
    let fd = container.as_raw_fd();
    // SAFETY: the descriptor is a group's; the kernel reads one int, which outlives the call.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), GROUP_SET_CONTAINER, &raw const fd) };
    checked(result).map_err(|e| failed(&format!("the IOMMU group {number}"), &e))?;
    // SAFETY: the descriptor is the container's; the argument is a number.
    let result = unsafe { libc::ioctl(fd, SET_IOMMU, iommu) };
    match checked(result) {
        // A second group finds the IOMMU set.
        Err(error) if error.raw_os_error() != Some(libc::EINVAL) => {
            Err(failed("vfio has no IOMMU for it", &error))
        }
        _ => Ok(Group { number, file }),
    }
}

fn device_of(group: &File, address: &str) -> io::Result<File> {
    let name = std::ffi::CString::new(address)?;
    // SAFETY: the descriptor is a group's; the kernel reads a string that ends with 0.
    let result = unsafe { libc::ioctl(group.as_raw_fd(), GROUP_GET_DEVICE_FD, name.as_ptr()) };
    let fd = checked(result)?;
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    Ok(File::from(unsafe { OwnedFd::from_raw_fd(fd) }))
}

fn region_0(device: &File) -> io::Result<RegionInfo> {
    let mut info = RegionInfo {
        argsz: size_of::<RegionInfo>() as u32,
        ..RegionInfo::default()
    };
    // SAFETY: the descriptor is a device's; the structure is laid out as the kernel's, says its
    // size, and outlives the call.
    let result = unsafe { libc::ioctl(device.as_raw_fd(), DEVICE_GET_REGION_INFO, &raw mut info) };
    checked(result)?;
    Ok(info)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_vfio_or_without_its_driver_it_says_so() {
        let root = tempfile::tempdir().unwrap();
        let says = |dev: &Path| {
            let opened = Bars::open(dev, root.path(), "0000:03:00.0", None);
            opened.unwrap_err().to_string()
        };
        let nothing = says(root.path());
        assert!(nothing.starts_with("vfio is not there"), "{nothing}");
        // A file that is no vfio: its ioctls are refused.
        std::fs::create_dir(root.path().join("vfio")).unwrap();
        std::fs::write(root.path().join("vfio/vfio"), "").unwrap();
        let wrong = says(root.path());
        assert!(wrong.starts_with("vfio speaks version -1"), "{wrong}");
    }

    #[test]
    fn the_structures_are_as_long_as_the_kernels() {
        assert_eq!(size_of::<GroupStatus>(), 8);
        assert_eq!(size_of::<RegionInfo>(), 32);
    }
}
