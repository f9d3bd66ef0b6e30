//! The EAL's log while it starts: kept, so that an error can quote it.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::{FromRawFd, IntoRawFd};

/// As much of the log as is looked at, in bytes.
const LIMIT: u64 = 256 * 1024;

/// While it lives, DPDK's log goes to a memory file instead of stderr and syslog.
pub(super) struct Capture {
    file: Option<File>,
}

impl Capture {
    /// Without memory for the file, the log stays where it was.
    pub(super) fn start() -> Self {
        Self { file: redirect() }
    }

    /// Back to stderr and syslog; returns what was said.
    pub(super) fn finish(self) -> String {
        // SAFETY: a null stream means DPDK's own default.
        unsafe { dpdk_sys::rte_openlog_stream(std::ptr::null_mut()) };
        let mut text = Vec::new();
        if let Some(mut file) = self.file
            && file.rewind().is_ok()
        {
            let _ = file.take(LIMIT).read_to_end(&mut text);
        }
        let text = String::from_utf8_lossy(&text).into_owned();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            log::debug!(target: "dpdk::eal", "{line}");
        }
        text
    }
}

fn redirect() -> Option<File> {
    // SAFETY: a valid name; the new descriptor is owned by the File alone.
    let file = unsafe {
        let fd = libc::memfd_create(c"dpdk-log".as_ptr(), libc::MFD_CLOEXEC);
        if fd < 0 {
            return None;
        }
        File::from_raw_fd(fd)
    };
    let writer = file.try_clone().ok()?.into_raw_fd();
    // SAFETY: the descriptor is open and given away. The stream is never
    // closed: a thread of DPDK may be writing to it when it is replaced, and
    // this happens at most a few times per process.
    unsafe {
        let stream = libc::fdopen(writer, c"a".as_ptr());
        if stream.is_null() {
            return None;
        }
        // Unbuffered lines: nothing is left in the stream at the end.
        libc::setvbuf(stream, std::ptr::null_mut(), libc::_IOLBF, 0);
        dpdk_sys::rte_openlog_stream(stream.cast());
    }
    Some(file)
}
