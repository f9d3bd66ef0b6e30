//! A TAP device: a kernel interface whose other end is this process.
//!
//! Frames that the engine writes come in at the host's stack, and what the host's stack sends on
//! the interface is read here. The device lives as long as its [`Tap`]: a killed process leaves
//! none behind.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use crate::Interface;

/// The kernel's door to TAP devices.
const DOOR: &str = "/dev/net/tun";

/// A TAP device, in the network namespace of the thread that made it.
#[derive(Debug)]
pub struct Tap {
    fd: OwnedFd,
    interface: Interface,
}

impl Tap {
    /// Makes the device `name` (1 to 15 bytes), down and without addresses. Frames are whole
    /// Ethernet frames; reads and writes never wait.
    ///
    /// # Errors
    /// When the name is no interface name, an interface of that name is there already (`EBUSY`),
    /// `/dev/net/tun` is missing, or the process lacks `CAP_NET_ADMIN`.
    pub fn create(name: &str) -> io::Result<Self> {
        let chars = crate::name_of(name)?;
        if Interface::open(name).is_ok() {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                format!("there is an interface {name} already"),
            ));
        }
        let door = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open(DOOR)
            .map_err(|error| io::Error::new(error.kind(), format!("{DOOR}: {error}")))?;
        // SAFETY: ifreq is plain data of integers and a union of such; all zeroes is a value of it.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        request.ifr_name = chars;
        let flags = libc::IFF_TAP | libc::IFF_NO_PI;
        request.ifr_ifru.ifru_flags = flags as libc::c_short; // 0x1002 fits
        let request: *mut libc::ifreq = &raw mut request;
        // SAFETY: the file is open; TUNSETIFF takes a pointer to one ifreq, which is valid and
        // writable for the call.
        let done = unsafe { libc::ioctl(door.as_raw_fd(), libc::TUNSETIFF, request) };
        if done < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self {
            fd: door.into(),
            interface: Interface::open(name)?,
        })
    }

    /// The device as a kernel interface.
    #[must_use]
    pub fn interface(&self) -> &Interface {
        &self.interface
    }

    /// Makes the host's stack keep quiet on the device of itself: no IPv6 address of its own making,
    /// no address detection, no router's advertisements taken. What speaks there for the host's
    /// addresses is the engine.
    ///
    /// # Errors
    /// When the kernel has no such settings (IPv6 is off) or does not let them be written.
    pub fn quiet_ipv6(&self, name: &str) -> io::Result<()> {
        crate::name_of(name)?;
        for (key, value) in [
            ("addr_gen_mode", "1"),
            ("accept_dad", "0"),
            ("accept_ra", "0"),
        ] {
            std::fs::write(format!("/proc/sys/net/ipv6/conf/{name}/{key}"), value)?;
        }
        Ok(())
    }

    /// Takes the next frame that the host sent on the device; `None` when there is none. One that
    /// is longer than `buffer` is cut.
    ///
    /// # Errors
    /// What the kernel says, `EIO` while the device is down.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let room = buffer.len();
        let start: *mut libc::c_void = buffer.as_mut_ptr().cast();
        // SAFETY: the file is open for as long as `self` lives; `start` is valid for writes of
        // `room` bytes.
        let read = unsafe { libc::read(self.fd.as_raw_fd(), start, room) };
        match usize::try_from(read) {
            Ok(length) => Ok(Some(length.min(room))),
            Err(_) => none_if_would_block(),
        }
    }

    /// Gives a frame to the host's stack; false when it has no room for it.
    ///
    /// # Errors
    /// What the kernel says, `EIO` while the device is down, `EINVAL` for what is no frame.
    pub fn write(&self, frame: &[u8]) -> io::Result<bool> {
        let start: *const libc::c_void = frame.as_ptr().cast();
        // SAFETY: the file is open for as long as `self` lives; `start` is valid for reads of
        // `frame.len()` bytes.
        let written = unsafe { libc::write(self.fd.as_raw_fd(), start, frame.len()) };
        if written >= 0 {
            return Ok(true);
        }
        Ok(none_if_would_block::<()>()?.is_some())
    }
}

/// `None` when the last system call would have had to wait, else its error.
fn none_if_would_block<T>() -> io::Result<Option<T>> {
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(code) if [libc::EAGAIN, libc::EINTR, libc::ENOBUFS].contains(&code) => Ok(None),
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::{Address, AddressSocket};
    use crate::tests::in_a_namespace_of_its_own;

    #[test]
    fn frames_go_both_ways_and_the_device_ends_with_its_owner() {
        in_a_namespace_of_its_own();
        let tap = Tap::create("tw-test0").unwrap();
        let other = Tap::create("tw-test0").unwrap_err();
        assert_eq!(other.kind(), io::ErrorKind::AlreadyExists);
        let mut buffer = [0; 2048];
        tap.interface().set_mac([2, 0, 0, 0, 0, 7]).unwrap();
        tap.interface().set_mtu(1400).unwrap();
        tap.interface().set_up(true).unwrap();
        while tap.read(&mut buffer).unwrap().is_some() {}
        let addresses = AddressSocket::open().unwrap();
        let own = Address {
            ip: "192.0.2.2".parse().unwrap(),
            length: 24,
        };
        addresses.add(tap.interface(), own).unwrap();

        // A question for the address is answered by the host's stack, from the MAC that was set.
        let mut question = vec![0xff; 6];
        question.extend([2, 0, 0, 0, 0, 9, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
        question.extend([
            2, 0, 0, 0, 0, 9, 192, 0, 2, 9, 0, 0, 0, 0, 0, 0, 192, 0, 2, 2,
        ]);
        assert!(tap.write(&question).unwrap());
        let answer = std::iter::repeat_with(|| {
            std::thread::sleep(std::time::Duration::from_millis(1));
            tap.read(&mut buffer).unwrap().map(|n| buffer[..n].to_vec())
        });
        let mut seen = answer.take(2000).flatten();
        let answer = seen.find(|f| f[12..14] == [8, 6] && f[20..22] == [0, 2]);
        let answer = answer.expect("no answer");
        assert_eq!(answer[..6], [2, 0, 0, 0, 0, 9]);
        assert_eq!(answer[6..12], [2, 0, 0, 0, 0, 7]);
        assert_eq!(answer[28..32], [192, 0, 2, 2]);

        drop(seen);
        drop(tap);
        assert!(Interface::open("tw-test0").is_err());
    }
}
