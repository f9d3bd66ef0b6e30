//! Addresses of kernel interfaces, set through the kernel's routing socket (rtnetlink(7)).

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::Interface;

/// An address with the length of its prefix, in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address.
    pub ip: IpAddr,
    /// 0 to 32, or 0 to 128.
    pub length: u8,
}

/// A routing socket, in the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct AddressSocket {
    socket: OwnedFd,
}

/// Bytes of `nlmsghdr`, and of `ifaddrmsg`.
const HEADER_LEN: usize = 16;
const MESSAGE_LEN: usize = 8;

impl AddressSocket {
    /// Opens a routing socket.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn open() -> io::Result<Self> {
        let flags = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
        // SAFETY: socket(2) takes no pointers.
        let fd = unsafe { libc::socket(libc::AF_NETLINK, flags, libc::NETLINK_ROUTE) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `fd` was just returned by socket(2), so it is open and nobody else owns it.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self { socket })
    }

    /// Adds an address, without duplicate address detection. One that is there already is no error.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn add(&self, interface: &Interface, address: Address) -> io::Result<()> {
        let flags =
            libc::NLM_F_REQUEST | libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_REPLACE;
        self.ask(libc::RTM_NEWADDR, flags, interface, address)
    }

    /// Removes an address. One that is not there is no error.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn remove(&self, interface: &Interface, address: Address) -> io::Result<()> {
        let flags = libc::NLM_F_REQUEST | libc::NLM_F_ACK;
        match self.ask(libc::RTM_DELADDR, flags, interface, address) {
            Err(error) if error.raw_os_error() == Some(libc::EADDRNOTAVAIL) => Ok(()),
            done => done,
        }
    }

    fn ask(
        &self,
        kind: u16,
        flags: libc::c_int,
        interface: &Interface,
        address: Address,
    ) -> io::Result<()> {
        let message = message(kind, flags, interface.index, address);
        let start: *const libc::c_void = message.as_ptr().cast();
        // SAFETY: the socket is open for as long as `self` lives; `start` is valid for reads of the
        // message's length.
        let sent = unsafe { libc::send(self.socket.as_raw_fd(), start, message.len(), 0) };
        if sent < 0 {
            return Err(io::Error::last_os_error());
        }
        let mut answer = [0u8; 1024];
        let start: *mut libc::c_void = answer.as_mut_ptr().cast();
        // The kernel has answered by now: it works a request off within send(2).
        // SAFETY: the socket is open; `start` is valid for writes of the buffer's length.
        let got = unsafe { libc::recv(self.socket.as_raw_fd(), start, answer.len(), 0) };
        let Ok(got) = usize::try_from(got) else {
            return Err(io::Error::last_os_error());
        };
        acknowledged(answer.get(..got).unwrap_or_default())
    }
}

/// A request about one address.
fn message(kind: u16, flags: libc::c_int, index: libc::c_int, address: Address) -> Vec<u8> {
    let (family, octets) = match address.ip {
        IpAddr::V4(ip) => (libc::AF_INET, ip.octets().to_vec()),
        IpAddr::V6(ip) => (libc::AF_INET6, ip.octets().to_vec()),
    };
    let mut attributes = Vec::new();
    for kind in [libc::IFA_LOCAL, libc::IFA_ADDRESS] {
        attribute(&mut attributes, kind, &octets);
    }
    if address.ip.is_ipv6() {
        let flags = libc::IFA_F_NODAD.to_ne_bytes();
        attribute(&mut attributes, libc::IFA_FLAGS, &flags);
    }
    let length = HEADER_LEN + MESSAGE_LEN + attributes.len();
    let mut bytes = Vec::with_capacity(length);
    bytes.extend(u32::try_from(length).unwrap_or(u32::MAX).to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(u16::try_from(flags).unwrap_or_default().to_ne_bytes());
    bytes.extend(1u32.to_ne_bytes()); // its number
    bytes.extend(0u32.to_ne_bytes()); // for the kernel
    bytes.push(u8::try_from(family).unwrap_or_default());
    bytes.push(address.length);
    bytes.push(0); // flags are an attribute
    bytes.push(0); // scope: everywhere
    bytes.extend(u32::try_from(index).unwrap_or_default().to_ne_bytes());
    bytes.extend(attributes);
    bytes
}

/// Appends an attribute; values here are of 4 or 16 bytes, so nothing is to be padded.
fn attribute(to: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    to.extend(length.to_ne_bytes());
    to.extend(kind.to_ne_bytes());
    to.extend(value);
}

/// What the kernel answered.
fn acknowledged(answer: &[u8]) -> io::Result<()> {
    let field = |at: usize| answer.get(at..at + 4).and_then(|b| b.try_into().ok());
    let kind = answer.get(4..6).and_then(|b| b.try_into().ok());
    let (Some(kind), Some(code)) = (kind.map(u16::from_ne_bytes), field(HEADER_LEN)) else {
        return Err(io::Error::other("the kernel's answer is cut short"));
    };
    match (i32::from(kind), i32::from_ne_bytes(code)) {
        (libc::NLMSG_ERROR, 0) => Ok(()),
        (libc::NLMSG_ERROR, code) => Err(io::Error::from_raw_os_error(code.saturating_neg())),
        _ => Err(io::Error::other("the kernel gave another answer")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{in_a_namespace_of_its_own, ip};

    #[test]
    fn addresses_come_and_go() {
        in_a_namespace_of_its_own();
        ip("link add tw0 type veth peer name tw1");
        ip("link set dev tw0 up");
        let interface = Interface::open("tw0").unwrap();
        let socket = AddressSocket::open().unwrap();
        for (text, length) in [("192.0.2.7", 32), ("2001:db8::7", 128), ("10.1.2.3", 8)] {
            let address = Address {
                ip: text.parse().unwrap(),
                length,
            };
            let shown = || ip("-o addr show dev tw0").contains(&format!("{text}/{length}"));
            for _ in 0..2 {
                socket.add(&interface, address).unwrap();
                assert!(shown(), "{text}");
            }
            for _ in 0..2 {
                socket.remove(&interface, address).unwrap();
                assert!(!shown(), "{text}");
            }
        }
        let bad = Address {
            ip: "192.0.2.7".parse().unwrap(),
            length: 77,
        };
        assert!(socket.add(&interface, bad).is_err());
    }

    #[test]
    fn answers_that_are_none_are_errors() {
        for answer in [&[][..], &[0; 10], &[0; 36], &[0xff; 19]] {
            assert!(acknowledged(answer).is_err(), "{answer:?}");
        }
    }
}
