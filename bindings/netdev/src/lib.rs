//! A kernel network interface: its carrier, its administrative state, its addresses; and TAP devices.
//!
//! DPDK's kernel-backed drivers (af_packet, af_xdp, tap) report their link as up whatever the
//! kernel says, so for their ports the engine asks the kernel. It does so by ioctl on a socket and
//! not through `/sys/class/net`: a socket belongs to the network namespace in which it was opened,
//! whereas `/sys` shows the namespace of whoever mounted it.

mod address;
mod tap;

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

pub use address::{Address, AddressSocket};
pub use tap::Tap;

/// What the kernel says of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// Administratively up (`IFF_UP`).
    pub up: bool,
    /// Up and with carrier (`IFF_RUNNING`, RFC 2863 operational state).
    pub running: bool,
}

/// A kernel network interface, in the namespace of the thread that opened it.
///
/// It is asked for by its name, but it is the interface that had the name when it was opened: a
/// driver's socket stays with that one, so another that gets the name later says nothing of it.
#[derive(Debug)]
pub struct Interface {
    name: [libc::c_char; libc::IFNAMSIZ],
    index: libc::c_int,
    socket: OwnedFd,
}

/// An interface name as the kernel's requests have it: 1 to 15 bytes and zeroes.
fn name_of(name: &str) -> io::Result<[libc::c_char; libc::IFNAMSIZ]> {
    let bytes = name.as_bytes();
    let fits = !bytes.is_empty() && bytes.len() < libc::IFNAMSIZ && !bytes.contains(&0);
    if !fits {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("\"{name}\" is no interface name (1 to 15 bytes)"),
        ));
    }
    let mut chars = [0 as libc::c_char; libc::IFNAMSIZ];
    for (char, &byte) in chars.iter_mut().zip(bytes) {
        // The kernel's names are bytes; c_char is signed on some machines.
        *char = byte as libc::c_char;
    }
    Ok(chars)
}

impl Interface {
    /// Opens the interface `name` (1 to 15 bytes).
    ///
    /// # Errors
    /// When the name is no interface name, no socket can be had, or there is no such interface.
    pub fn open(name: &str) -> io::Result<Self> {
        let chars = name_of(name)?;
        let flags = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
        // SAFETY: socket(2) takes no pointers.
        let fd = unsafe { libc::socket(libc::AF_INET, flags, 0) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `fd` was just returned by socket(2), so it is open and nobody else owns it.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        let mut interface = Self {
            name: chars,
            index: 0,
            socket,
        };
        interface.index = interface.index_now()?;
        Ok(interface)
    }

    /// Asks for the interface's state.
    ///
    /// # Errors
    /// What the kernel answers, `ENODEV` when the interface has gone; another error when another
    /// interface has its name now.
    pub fn state(&self) -> io::Result<State> {
        let flags = self.flags()?;
        let has = |flag: libc::c_int| i32::from(flags) & flag != 0;
        Ok(State {
            up: has(libc::IFF_UP),
            running: has(libc::IFF_UP) && has(libc::IFF_RUNNING),
        })
    }

    /// Sets the interface administratively up or down; the other end of its cable sees that.
    ///
    /// # Errors
    /// `EPERM` without `CAP_NET_ADMIN`; otherwise as [`Interface::state`].
    pub fn set_up(&self, up: bool) -> io::Result<()> {
        let flags = self.flags()?;
        let bit = libc::IFF_UP as libc::c_short;
        let wanted = if up { flags | bit } else { flags & !bit };
        if wanted == flags {
            return Ok(());
        }
        let mut request = self.request();
        request.ifr_ifru.ifru_flags = wanted;
        self.ioctl(libc::SIOCSIFFLAGS, &mut request)
    }

    /// Sets the interface's MAC address; some drivers want it down.
    ///
    /// # Errors
    /// What the kernel says; otherwise as [`Interface::state`].
    pub fn set_mac(&self, mac: [u8; 6]) -> io::Result<()> {
        self.same()?;
        let mut request = self.request();
        // SAFETY: sockaddr is plain data; all zeroes is a value of it.
        let mut address: libc::sockaddr = unsafe { std::mem::zeroed() };
        address.sa_family = libc::ARPHRD_ETHER;
        for (to, byte) in address.sa_data.iter_mut().zip(mac) {
            *to = byte as libc::c_char;
        }
        request.ifr_ifru.ifru_hwaddr = address;
        self.ioctl(libc::SIOCSIFHWADDR, &mut request)
    }

    /// Sets the interface's MTU, in bytes.
    ///
    /// # Errors
    /// What the kernel says; otherwise as [`Interface::state`].
    pub fn set_mtu(&self, mtu: u16) -> io::Result<()> {
        self.same()?;
        let mut request = self.request();
        request.ifr_ifru.ifru_mtu = libc::c_int::from(mtu);
        self.ioctl(libc::SIOCSIFMTU, &mut request)
    }

    /// The interface's index in its namespace.
    #[must_use]
    pub fn index(&self) -> u32 {
        u32::try_from(self.index).unwrap_or_default()
    }

    fn index_now(&self) -> io::Result<libc::c_int> {
        let mut request = self.request();
        self.ioctl(libc::SIOCGIFINDEX, &mut request)?;
        // SAFETY: SIOCGIFINDEX filled in `ifru_ifindex`, and any bits are a valid c_int.
        Ok(unsafe { request.ifr_ifru.ifru_ifindex })
    }

    /// An error when another interface has the name now.
    fn same(&self) -> io::Result<()> {
        if self.index_now()? != self.index {
            return Err(io::Error::other(
                "the interface was removed, and another has its name now: restart the engine to \
                 use that one",
            ));
        }
        Ok(())
    }

    fn flags(&self) -> io::Result<libc::c_short> {
        self.same()?;
        let mut request = self.request();
        self.ioctl(libc::SIOCGIFFLAGS, &mut request)?;
        // SAFETY: SIOCGIFFLAGS filled in `ifru_flags`, and any bits are a valid c_short.
        Ok(unsafe { request.ifr_ifru.ifru_flags })
    }

    fn request(&self) -> libc::ifreq {
        // SAFETY: ifreq is plain data of integers and a union of such; all zeroes is a value of it.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        request.ifr_name = self.name;
        request
    }

    fn ioctl(&self, code: libc::c_ulong, request: &mut libc::ifreq) -> io::Result<()> {
        let request: *mut libc::ifreq = request;
        // SAFETY: the socket is open for as long as `self` lives; the ioctls used here take a
        // pointer to one ifreq, which is valid and writable for the call.
        let result = unsafe { libc::ioctl(self.socket.as_raw_fd(), code as _, request) };
        if result < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// From here on this thread, and what it starts, is in a network namespace that ends with it.
    pub(crate) fn in_a_namespace_of_its_own() {
        // SAFETY: unshare(2) takes no pointers; the new namespace is this thread's alone, is
        // inherited by the `ip` that it starts, and ends with the thread.
        let alone = unsafe { libc::unshare(libc::CLONE_NEWNET) };
        assert_eq!(alone, 0, "needs root: {}", io::Error::last_os_error());
    }

    pub(crate) fn ip(words: &str) -> String {
        let done = std::process::Command::new("ip")
            .args(words.split(' '))
            .output()
            .unwrap();
        assert!(
            done.status.success(),
            "ip {words}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
        String::from_utf8(done.stdout).unwrap()
    }

    #[test]
    fn the_loopback_is_there() {
        let lo = Interface::open("lo").unwrap();
        assert_eq!(lo.state().unwrap().up, lo.state().unwrap().running);
    }

    #[test]
    fn what_is_no_name_or_not_there_is_an_error() {
        for name in ["", "a-name-that-is-too-long", "nul\0", "nosuch0"] {
            assert!(Interface::open(name).is_err(), "{name:?}");
        }
    }

    /// The driver's socket is bound to the interface that is gone: carrier of its namesake would
    /// make the engine carry traffic on a port that passes none.
    #[test]
    fn another_interface_of_the_same_name_is_an_error() {
        in_a_namespace_of_its_own();
        ip("link add twin0 type veth peer name twin1");
        ip("link set dev twin0 up");
        ip("link set dev twin1 up");
        let interface = Interface::open("twin0").unwrap();
        assert!(interface.state().unwrap().up);
        ip("link del dev twin0");
        let gone = interface.state().unwrap_err();
        assert_eq!(gone.raw_os_error(), Some(libc::ENODEV));
        ip("link add twin0 type veth peer name twin1");
        ip("link set dev twin0 up");
        ip("link set dev twin1 up");
        let replaced = interface.state().unwrap_err();
        assert!(replaced.to_string().contains("restart"), "{replaced}");
        assert!(interface.set_up(false).is_err());
        assert!(Interface::open("twin0").unwrap().state().unwrap().up);
    }
}
