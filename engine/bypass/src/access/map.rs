//! Registers as memory.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::ptr::NonNull;

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use crate::CardError;

/// A BAR, mapped. Accesses are 32 bits wide, aligned, and done exactly once each.
#[derive(Debug)]
pub struct Bar {
    base: NonNull<u32>,
    length: usize,
    /// Keeps a device's descriptor open as long as its registers are mapped.
    _file: File,
}

// SAFETY: the mapping belongs to this value alone, and is valid on every thread of the process
// until the value is dropped. (It is not Sync: two threads would race for the same registers.)
unsafe impl Send for Bar {}

impl Bar {
    /// Maps `length` bytes of a file from `offset` on.
    ///
    /// # Errors
    /// Those of `mmap`; `InvalidInput` for no length at all or one that is no multiple of 4.
    pub fn map(file: File, offset: u64, length: u64) -> io::Result<Self> {
        let length = usize::try_from(length).map_err(io::Error::other)?;
        if length == 0 || !length.is_multiple_of(4) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // SAFETY: a null hint lets the kernel choose an address that nothing of ours is at, and
        // the length is not 0. The memory behind it belongs to others too (a device, or a file of
        // a test), so it is only ever touched by volatile accesses and never by reference.
        let base = unsafe {
            mmap(
                std::ptr::null_mut(),
                length,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                file.as_fd(),
                offset,
            )?
        };
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self {
            base,
            length,
            _file: file,
        })
    }

    fn register(&self, offset: u32) -> Result<NonNull<u32>, CardError> {
        let at = offset as usize;
        if !at.is_multiple_of(4) || at >= self.length {
            return Err(CardError::Range {
                what: "register offset",
                got: format!("{offset:#x}"),
                accepted: format!("multiples of 4 below {:#x}", self.length),
            });
        }
        // SAFETY: `at` is a multiple of 4 below `length`, which is one too: so the four bytes from
        // there are inside of the mapping, which is page-aligned.
        Ok(unsafe { self.base.byte_add(at) })
    }

    pub fn read(&self, offset: u32) -> Result<u32, CardError> {
        let register = self.register(offset)?;
        // SAFETY: `register` is aligned and inside of the mapping, which lives as long as `self`.
        // Any bits are a valid u32. Volatile: it is done once, as one access of 32 bits.
        Ok(u32::from_le(unsafe { register.read_volatile() }))
    }

    pub fn write(&mut self, offset: u32, value: u32) -> Result<(), CardError> {
        let register = self.register(offset)?;
        // SAFETY: as for the read; the mapping is writable.
        unsafe { register.write_volatile(value.to_le()) };
        Ok(())
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        // SAFETY: base and length are those of the mapping that `map` made, nobody else has
        // unmapped it, and no pointer into it outlives this value.
        let unmapped = unsafe { munmap(self.base.as_ptr().cast(), self.length) };
        // It fails only for arguments that are no mapping's.
        debug_assert!(unmapped.is_ok());
    }
}
