//! Exception devices: a TAP device for each interface that names one, through which the host's own
//! stack (sshd, BGP, SNMP) uses the interface's addresses.
//!
//! The devices are read and written by the management core; addresses are set by a thread of their
//! own, since the kernel makes whoever changes one wait for its lock.

use std::io;
use std::net::IpAddr;
use std::thread::JoinHandle;

use crossbeam_channel::{Sender, unbounded};
use netdev::{Address, AddressSocket, Tap};
use twinline_l3::InterfaceId;

use super::plan::{Interface, Plan};

/// Frames taken from one device in one turn.
const READ_A_TURN: usize = 64;

/// A change of an address.
struct Change {
    device: usize,
    address: Address,
    present: bool,
}

/// One device.
struct Device {
    name: String,
    interface: InterfaceId,
    tap: Tap,
    /// Frames for which it had no room, or that it did not take.
    lost: u64,
}

/// All exception devices.
pub struct Kernel {
    devices: Vec<Device>,
    changes: Option<Sender<Change>>,
    thread: Option<JoinHandle<()>>,
    buffer: Vec<u8>,
}

/// Why a device could not be made.
#[derive(Debug, thiserror::Error)]
#[error("interface {interface}: exception device {device}: {why}")]
pub struct KernelError {
    interface: String,
    device: String,
    why: io::Error,
}

fn make(interface: &Interface, name: &str) -> io::Result<Tap> {
    let tap = Tap::create(name)?;
    tap.interface().set_mac(interface.mac.0)?;
    tap.interface().set_mtu(interface.mtu)?;
    if let Err(error) = tap.quiet_ipv6(name) {
        log::info!("exception device {name}: IPv6 settings: {error}");
    }
    tap.interface().set_up(true)?;
    let addresses = AddressSocket::open()?;
    for own in &interface.own {
        let address = Address {
            ip: own.address(),
            length: own.length(),
        };
        addresses.add(tap.interface(), address)?;
    }
    Ok(tap)
}

impl Kernel {
    /// Makes the devices of a plan, with their own addresses, up.
    ///
    /// # Errors
    /// [`KernelError`]
    pub fn new(plan: &Plan) -> Result<Self, KernelError> {
        let mut devices = Vec::new();
        let mut handles = Vec::new();
        for (id, interface) in (0..).map(InterfaceId).zip(&plan.interfaces) {
            let Some(name) = &interface.kernel else {
                continue;
            };
            let failed = |why| KernelError {
                interface: interface.name.clone(),
                device: name.clone(),
                why,
            };
            let tap = make(interface, name).map_err(failed)?;
            handles.push((netdev::Interface::open(name).map_err(failed)?, name.clone()));
            devices.push(Device {
                name: name.clone(),
                interface: id,
                tap,
                lost: 0,
            });
        }
        let longest = plan.interfaces.iter().map(|i| usize::from(i.mtu)).max();
        let (changes, thread) = if devices.is_empty() {
            (None, None)
        } else {
            let (changes, asked) = unbounded::<Change>();
            let work = move || {
                let addresses = match AddressSocket::open() {
                    Ok(addresses) => addresses,
                    Err(error) => return log::error!("exception devices: addresses: {error}"),
                };
                for change in asked {
                    let Some((interface, name)) = handles.get(change.device) else {
                        continue;
                    };
                    let done = if change.present {
                        addresses.add(interface, change.address)
                    } else {
                        addresses.remove(interface, change.address)
                    };
                    if let Err(error) = done {
                        let ip = change.address.ip;
                        log::warn!("exception device {name}: address {ip}: {error}");
                    }
                }
            };
            let thread = std::thread::Builder::new()
                .name("addresses".into())
                .spawn(work);
            match thread {
                Ok(thread) => (Some(changes), Some(thread)),
                Err(error) => {
                    log::error!("exception devices: no thread for addresses: {error}");
                    (None, None)
                }
            }
        };
        Ok(Self {
            devices,
            changes,
            thread,
            buffer: vec![0; longest.unwrap_or(1500) + 18],
        })
    }

    /// The name of an interface's device.
    #[must_use]
    pub fn name(&self, interface: InterfaceId) -> Option<&str> {
        let device = self.devices.iter().find(|d| d.interface == interface)?;
        Some(&device.name)
    }

    /// Frames that an interface's device did not take.
    #[must_use]
    pub fn lost(&self, interface: InterfaceId) -> u64 {
        let device = self.devices.iter().find(|d| d.interface == interface);
        device.map_or(0, |device| device.lost)
    }

    /// Gives the host's stack a virtual address, or takes it away.
    pub fn set_address(&self, interface: InterfaceId, ip: IpAddr, present: bool) {
        let device = self.devices.iter().position(|d| d.interface == interface);
        let (Some(device), Some(changes)) = (device, &self.changes) else {
            return;
        };
        let length = if ip.is_ipv4() { 32 } else { 128 };
        let change = Change {
            device,
            address: Address { ip, length },
            present,
        };
        if changes.send(change).is_err() {
            log::error!("exception devices: address {ip} could not be set");
        }
    }

    /// Gives a frame to the host's stack.
    pub fn write(&mut self, interface: InterfaceId, frame: &[u8]) {
        let device = self.devices.iter_mut().find(|d| d.interface == interface);
        if let Some(device) = device
            && !matches!(device.tap.write(frame), Ok(true))
        {
            device.lost = device.lost.saturating_add(1);
        }
    }

    /// Hands each frame that the host's stack has sent to `take`; whether there was any.
    pub fn read(&mut self, mut take: impl FnMut(InterfaceId, &[u8])) -> bool {
        let mut any = false;
        for device in &self.devices {
            for _ in 0..READ_A_TURN {
                match device.tap.read(&mut self.buffer) {
                    Ok(Some(length)) => {
                        any = true;
                        take(
                            device.interface,
                            self.buffer.get(..length).unwrap_or_default(),
                        );
                    }
                    // Down, as an operator may set it: nothing comes.
                    Ok(None) | Err(_) => break,
                }
            }
        }
        any
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.changes = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("exception devices: the thread for addresses ended by a panic");
        }
    }
}
