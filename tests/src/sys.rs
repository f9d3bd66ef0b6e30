//! The few system calls that std does not offer: namespaces, raw packet sockets, signals by pid.

use std::ffi::CString;
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Moves the calling thread (and no other) into a network namespace.
///
/// # Errors
/// What `setns(2)` says: `EPERM` without `CAP_SYS_ADMIN`.
pub fn enter_netns(namespace: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: setns takes no pointers; the descriptor is open for the whole call (BorrowedFd).
    check(unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) }).map(drop)
}

/// Sends `signal` to process `pid`.
///
/// # Errors
/// `ESRCH` when there is no such process; `EINVAL` for a pid that means a group (0 and below).
pub fn signal(pid: u32, signal: i32) -> io::Result<()> {
    let pid = libc::pid_t::try_from(pid).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    if pid <= 0 {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    // SAFETY: kill takes no pointers; pid is positive, so it names one process and no group.
    check(unsafe { libc::kill(pid, signal) }).map(drop)
}

/// Whether the caller is root.
#[must_use]
pub fn is_root() -> bool {
    // SAFETY: geteuid takes nothing and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Makes the child die (SIGKILL) with the thread that starts it, so that a killed lab leaves no
/// engine behind, and gives it a process group of its own, so that the terminal's Ctrl-C reaches
/// the lab alone.
pub fn die_with_parent(command: &mut Command) {
    command.process_group(0);
    // SAFETY: between fork and exec the closure calls prctl only, which is async-signal-safe,
    // takes no pointers here and touches no memory of the parent.
    unsafe {
        command.pre_exec(|| {
            check(libc::prctl(
                libc::PR_SET_PDEATHSIG,
                libc::SIGKILL as libc::c_ulong,
            ))
            .map(drop)
        });
    }
}

/// Asks for a receive buffer of `bytes`, past `rmem_max` (needs `CAP_NET_ADMIN`).
///
/// # Errors
/// What `setsockopt(2)` says.
pub fn set_receive_buffer(socket: BorrowedFd<'_>, bytes: i32) -> io::Result<()> {
    set_option(
        socket.as_raw_fd(),
        libc::SOL_SOCKET,
        libc::SO_RCVBUFFORCE,
        &bytes,
    )
}

fn set_option<T>(fd: RawFd, level: i32, name: i32, value: &T) -> io::Result<()> {
    let length = mem::size_of::<T>() as libc::socklen_t;
    // SAFETY: value points to a live T of exactly `length` bytes, which the kernel only reads.
    check(unsafe { libc::setsockopt(fd, level, name, (value as *const T).cast(), length) })
        .map(drop)
}

/// The index of an interface in the calling thread's namespace.
///
/// # Errors
/// `ENODEV` when there is none of that name.
pub fn interface_index(name: &str) -> io::Result<u32> {
    let name = CString::new(name)?;
    // SAFETY: name is a NUL-terminated string that lives through the call.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(io::Error::last_os_error()),
        index => Ok(index),
    }
}

/// Tells the flags of the interfaces of the namespace in which it was opened.
#[derive(Debug)]
pub struct Interfaces(OwnedFd);

impl Interfaces {
    /// Of the calling thread's namespace.
    ///
    /// # Errors
    /// What `socket(2)` says.
    pub fn open() -> io::Result<Self> {
        // SAFETY: socket takes no pointers.
        let fd = check(unsafe {
            libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0)
        })?;
        // SAFETY: fd was just returned by socket, is open, and nobody else owns it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Whether an interface is set up (by its own side: its cable may be out all the same).
    ///
    /// # Errors
    /// `ENODEV` when there is none of that name.
    pub fn is_up(&self, name: &str) -> io::Result<bool> {
        // SAFETY: ifreq is plain old data, for which all zeros is a valid value.
        let mut request: libc::ifreq = unsafe { mem::zeroed() };
        // the last byte stays 0: the name is NUL-terminated
        let room = request.ifr_name.len() - 1;
        for (to, from) in request.ifr_name.iter_mut().take(room).zip(name.bytes()) {
            *to = from as libc::c_char;
        }
        // SAFETY: request is a live ifreq with a NUL-terminated name; the kernel writes its flags.
        check(unsafe { libc::ioctl(self.0.as_raw_fd(), libc::SIOCGIFFLAGS, &raw mut request) })?;
        // SAFETY: SIOCGIFFLAGS has just written this member of the union.
        let flags = unsafe { request.ifr_ifru.ifru_flags };
        Ok(i32::from(flags) & libc::IFF_UP != 0)
    }
}

/// A thread of another process that is held by a debugger's means; it goes on when this is dropped,
/// which has to happen in the thread that holds it.
#[derive(Debug)]
pub struct HeldThread(libc::pid_t);

impl HeldThread {
    /// Stops one thread, and no other of its process.
    ///
    /// # Errors
    /// What `ptrace(2)` says.
    pub fn hold(thread: u32) -> io::Result<Self> {
        let thread = libc::pid_t::try_from(thread)
            .map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
        let none = std::ptr::null_mut::<libc::c_void>();
        // SAFETY: PTRACE_SEIZE and PTRACE_INTERRUPT use neither of the two pointers.
        check_long(unsafe { libc::ptrace(libc::PTRACE_SEIZE, thread, none, none) })?;
        let held = Self(thread);
        // SAFETY: as above.
        check_long(unsafe { libc::ptrace(libc::PTRACE_INTERRUPT, thread, none, none) })?;
        let mut status = 0;
        // SAFETY: status is a live int.
        check(unsafe { libc::waitpid(thread, &raw mut status, libc::__WALL) })?;
        Ok(held)
    }
}

impl Drop for HeldThread {
    fn drop(&mut self) {
        let none = std::ptr::null_mut::<libc::c_void>();
        // SAFETY: PTRACE_DETACH with no signal uses neither of the two pointers.
        unsafe { libc::ptrace(libc::PTRACE_DETACH, self.0, none, none) };
    }
}

fn check_long(result: libc::c_long) -> io::Result<()> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Which frames a [`RawSocket`] takes; the filter runs in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// Every frame.
    All,
    /// Frames to a group address (broadcast and multicast) only.
    Group,
}

/// One frame as a [`RawSocket`] saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Bytes of the frame in the buffer (shortened to its length).
    pub length: usize,
    /// Index of the interface.
    pub interface: u32,
    /// The frame went out of that interface; otherwise it came in.
    pub outgoing: bool,
}

/// An `AF_PACKET` socket on one interface, or on all of a namespace.
#[derive(Debug)]
pub struct RawSocket(OwnedFd);

impl RawSocket {
    /// Opens a socket in the calling thread's namespace: on interface `index`, or on all (0).
    ///
    /// # Errors
    /// `EPERM` without `CAP_NET_RAW`.
    pub fn open(index: u32, take: Take) -> io::Result<Self> {
        // protocol 0: nothing is received before the filter stands and bind() names a protocol
        // SAFETY: socket takes no pointers.
        let fd = check(unsafe {
            libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0)
        })?;
        // SAFETY: fd was just returned by socket, is open, and nobody else owns it.
        let socket = Self(unsafe { OwnedFd::from_raw_fd(fd) });
        set_option(fd, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &(16_i32 << 20))?;
        if take == Take::Group {
            socket.attach_group_filter()?;
        }
        // SAFETY: sockaddr_ll is plain old data, for which all zeros is a valid value.
        let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
        address.sll_ifindex = index as i32;
        let length = mem::size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        // SAFETY: address is a live sockaddr_ll of exactly `length` bytes.
        check(unsafe { libc::bind(fd, (&raw const address).cast(), length) })?;
        Ok(socket)
    }

    /// Load the first byte; test the group bit; accept 256 bytes, or nothing.
    fn attach_group_filter(&self) -> io::Result<()> {
        let step = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter {
            code: code as u16,
            jt,
            jf,
            k,
        };
        let mut program = [
            step(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, 0, 0, 0),
            step(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, 0, 1, 1),
            step(libc::BPF_RET | libc::BPF_K, 0, 0, 256),
            step(libc::BPF_RET | libc::BPF_K, 0, 0, 0),
        ];
        let filter = libc::sock_fprog {
            len: program.len() as u16,
            filter: program.as_mut_ptr(),
        };
        // the kernel copies the program during this call
        set_option(
            self.0.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            &filter,
        )
    }

    /// Receives a frame, or `None` when none came within `timeout`.
    ///
    /// # Errors
    /// What `poll(2)` or `recvfrom(2)` says; `ENETDOWN` while the interface is down is not one.
    pub fn receive(&self, buffer: &mut [u8], timeout: Duration) -> io::Result<Option<Seen>> {
        let fd = self.0.as_raw_fd();
        let mut poll = libc::pollfd {
            fd,
            events: libc::POLLIN,
            revents: 0,
        };
        let wait = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: poll is one live pollfd, and 1 is its count.
        match check(unsafe { libc::poll(&raw mut poll, 1, wait) }) {
            Ok(0) => return Ok(None),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return Ok(None),
            Err(e) => return Err(e),
            Ok(_) => {}
        }
        // SAFETY: sockaddr_ll is plain old data, for which all zeros is a valid value.
        let mut from: libc::sockaddr_ll = unsafe { mem::zeroed() };
        let mut length = mem::size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        // SAFETY: buffer is writable for buffer.len() bytes; from is a live sockaddr_ll of
        // `length` bytes; the kernel writes no further than either length.
        let got = unsafe {
            libc::recvfrom(
                fd,
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                libc::MSG_DONTWAIT,
                (&raw mut from).cast(),
                &raw mut length,
            )
        };
        if got < 0 {
            let error = io::Error::last_os_error();
            return match error.raw_os_error() {
                Some(libc::EAGAIN | libc::EINTR | libc::ENETDOWN) => Ok(None),
                _ => Err(error),
            };
        }
        Ok(Some(Seen {
            length: got as usize,
            interface: from.sll_ifindex as u32,
            outgoing: from.sll_pkttype == libc::PACKET_OUTGOING,
        }))
    }

    /// Sends a whole frame out of the interface that the socket was opened on.
    ///
    /// # Errors
    /// `ENETDOWN` when the interface is down; `ENXIO` when the socket is on all interfaces.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        // SAFETY: frame is readable for frame.len() bytes.
        let sent = unsafe { libc::send(self.0.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) };
        if sent < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    }
}

/// A TAP device whose far end the caller holds; it goes away with this.
#[derive(Debug)]
pub struct TapDevice(OwnedFd);

impl TapDevice {
    /// Makes one in the calling thread's namespace.
    ///
    /// # Errors
    /// `EPERM` without `CAP_NET_ADMIN`; `EBUSY` when the name is taken.
    pub fn open(name: &str) -> io::Result<Self> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let file = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open("/dev/net/tun")?;
        // SAFETY: ifreq is plain old data, for which all zeros is a valid value.
        let mut request: libc::ifreq = unsafe { mem::zeroed() };
        // the last byte stays 0: the name is NUL-terminated
        let room = request.ifr_name.len() - 1;
        for (to, from) in request.ifr_name.iter_mut().take(room).zip(name.bytes()) {
            *to = from as libc::c_char;
        }
        request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI) as libc::c_short;
        // SAFETY: request is a live ifreq with a NUL-terminated name, which TUNSETIFF reads and
        // writes.
        check(unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF as _, &raw mut request) })?;
        Ok(Self(file.into()))
    }

    /// Gives the device a carrier, or takes it away.
    ///
    /// # Errors
    /// What `ioctl(2)` says.
    pub fn set_carrier(&self, on: bool) -> io::Result<()> {
        /// `_IOW('T', 226, int)`
        const TUNSETCARRIER: libc::c_ulong = 0x4004_54e2;
        let on = libc::c_int::from(on);
        // SAFETY: TUNSETCARRIER reads one int, which lives through the call.
        check(unsafe { libc::ioctl(self.0.as_raw_fd(), TUNSETCARRIER as _, &raw const on) })
            .map(drop)
    }

    /// The device receives this frame.
    ///
    /// # Errors
    /// `EIO` while the device is down.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        let fd = self.0.as_raw_fd();
        // SAFETY: frame is readable for frame.len() bytes.
        let sent = unsafe { libc::write(fd, frame.as_ptr().cast(), frame.len()) };
        if sent < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    }

    /// A frame that the device has sent: its length; or `None` when none came within `timeout`.
    ///
    /// # Errors
    /// What `poll(2)` or `read(2)` says.
    pub fn receive(&self, buffer: &mut [u8], timeout: Duration) -> io::Result<Option<usize>> {
        let fd = self.0.as_raw_fd();
        let mut poll = libc::pollfd {
            fd,
            events: libc::POLLIN,
            revents: 0,
        };
        let wait = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: poll is one live pollfd, and 1 is its count.
        match check(unsafe { libc::poll(&raw mut poll, 1, wait) }) {
            Ok(0) => return Ok(None),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return Ok(None),
            Err(e) => return Err(e),
            Ok(_) => {}
        }
        // SAFETY: buffer is writable for buffer.len() bytes.
        let got = unsafe { libc::read(fd, buffer.as_mut_ptr().cast(), buffer.len()) };
        if got < 0 {
            let error = io::Error::last_os_error();
            return match error.raw_os_error() {
                Some(libc::EAGAIN | libc::EINTR) => Ok(None),
                _ => Err(error),
            };
        }
        Ok(Some(got as usize))
    }
}
