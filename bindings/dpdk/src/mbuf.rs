//! One frame.

use std::fmt;
use std::ptr::NonNull;
use std::slice;

use dpdk_sys::rte_mbuf;

/// A frame in a pool's memory, owned: dropping it gives it back to its pool.
///
/// A frame that a driver delivers may have several segments; [`Mbuf::data`] is
/// the first. With receive buffers larger than the MTU there is but one.
///
/// A frame may outlive its [`crate::Pool`] and [`crate::Eal`] values: pools are
/// freed only with the EAL, and the EAL is not cleaned up while frames are out.
#[repr(transparent)]
pub struct Mbuf {
    raw: NonNull<rte_mbuf>,
}

// SAFETY: an Mbuf is the only owner of its frame, and pools (multi-producer,
// multi-consumer rings) take frames back from any thread.
unsafe impl Send for Mbuf {}

/// The frame has too little room, or too few bytes, for the change asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the frame has {available} bytes for this, {needed} are needed")]
pub struct NoRoom {
    /// Bytes asked for.
    pub needed: usize,
    /// Bytes there are.
    pub available: usize,
}

impl Mbuf {
    /// Takes ownership.
    ///
    /// # Safety
    /// `raw` is a live mbuf from a pool of this EAL, and nothing else owns it.
    #[inline(always)]
    pub(crate) unsafe fn from_raw(raw: NonNull<rte_mbuf>) -> Self {
        Self { raw }
    }

    /// Reads a field at one of the `SHIM_MBUF_*` offsets.
    ///
    /// # Safety
    /// A field of type `T` lies at `offset`; shim.c asserts the widths.
    #[inline(always)]
    unsafe fn field<T: Copy>(&self, offset: u32) -> T {
        // SAFETY: the mbuf is live as long as `self`; the caller vouches for
        // offset and type.
        unsafe {
            self.raw
                .as_ptr()
                .byte_add(offset as usize)
                .cast::<T>()
                .read()
        }
    }

    /// Writes a field at one of the `SHIM_MBUF_*` offsets.
    ///
    /// # Safety
    /// As [`Mbuf::field`], and the value keeps the mbuf's invariant: the data
    /// lies within the buffer, the lengths agree.
    #[inline(always)]
    unsafe fn set_field<T: Copy>(&mut self, offset: u32, value: T) {
        // SAFETY: as above; `&mut self` is the only access.
        unsafe {
            self.raw
                .as_ptr()
                .byte_add(offset as usize)
                .cast::<T>()
                .write(value)
        }
    }

    #[inline(always)]
    fn data_len(&self) -> u16 {
        // SAFETY: data_len is a u16 at that offset.
        unsafe { self.field::<u16>(dpdk_sys::SHIM_MBUF_DATA_LEN) }
    }

    #[inline(always)]
    fn data_off(&self) -> u16 {
        // SAFETY: data_off is a u16 at that offset.
        unsafe { self.field::<u16>(dpdk_sys::SHIM_MBUF_DATA_OFF) }
    }

    #[inline(always)]
    fn buf_len(&self) -> u16 {
        // SAFETY: buf_len is a u16 at that offset.
        unsafe { self.field::<u16>(dpdk_sys::SHIM_MBUF_BUF_LEN) }
    }

    /// Address of the first byte of the frame.
    #[inline(always)]
    fn start(&self) -> *mut u8 {
        // SAFETY: buf_addr is a pointer at that offset.
        let buffer = unsafe { self.field::<*mut u8>(dpdk_sys::SHIM_MBUF_BUF_ADDR) };
        // SAFETY: data_off lies within the buffer (DPDK's invariant, kept by
        // every method here).
        unsafe { buffer.add(usize::from(self.data_off())) }
    }

    /// The bytes of the first segment.
    #[inline(always)]
    pub fn data(&self) -> &[u8] {
        // SAFETY: DPDK's invariant: data_off + data_len <= buf_len, so these
        // bytes lie in the buffer, which is mapped, initialised memory (pages
        // come zeroed from the kernel) and belongs to this frame alone.
        unsafe { slice::from_raw_parts(self.start(), usize::from(self.data_len())) }
    }

    /// The bytes of each segment, in order: together the whole frame.
    pub fn segments(&self) -> Segments<'_> {
        Segments {
            next: Some(self),
            left: self.segment_count(),
        }
    }

    fn segment_count(&self) -> u16 {
        // SAFETY: nb_segs is a u16 at that offset.
        unsafe { self.field::<u16>(dpdk_sys::SHIM_MBUF_NB_SEGS) }
    }

    /// The segment behind this one.
    fn next(&self) -> Option<&Mbuf> {
        // SAFETY: next is a pointer at that offset: null, or the next segment of this frame, which
        // lives as long as its first one. Mbuf is a transparent NonNull, as Option<Mbuf> is a
        // nullable pointer: the field itself is read as one, by reference, so nothing is dropped.
        let next = unsafe {
            self.raw
                .as_ptr()
                .byte_add(dpdk_sys::SHIM_MBUF_NEXT as usize)
                .cast::<Option<Mbuf>>()
                .as_ref()
        };
        next.and_then(Option::as_ref)
    }

    /// The bytes of the first segment, to change.
    #[inline(always)]
    pub fn data_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `data`; this crate never clones or attaches mbufs, so
        // that the buffer has one owner, and `&mut self` is the only access.
        unsafe { slice::from_raw_parts_mut(self.start(), usize::from(self.data_len())) }
    }

    /// The length of the whole frame in bytes, over all segments, without FCS.
    #[inline(always)]
    pub fn len(&self) -> u32 {
        // SAFETY: pkt_len is a u32 at that offset.
        unsafe { self.field::<u32>(dpdk_sys::SHIM_MBUF_PKT_LEN) }
    }

    /// Whether the frame has no bytes.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the frame lies in one segment, so that [`Mbuf::data`] is all of it.
    #[inline(always)]
    pub fn is_contiguous(&self) -> bool {
        // SAFETY: nb_segs is a u16 at that offset.
        unsafe { self.field::<u16>(dpdk_sys::SHIM_MBUF_NB_SEGS) == 1 }
    }

    /// Free bytes behind the data; 0 for a frame of several segments.
    pub fn tailroom(&self) -> usize {
        if !self.is_contiguous() {
            return 0;
        }
        usize::from(self.buf_len())
            .saturating_sub(usize::from(self.data_off()) + usize::from(self.data_len()))
    }

    /// Free bytes before the data.
    pub fn headroom(&self) -> usize {
        usize::from(self.data_off())
    }

    /// Puts `bytes` behind the data. Nothing changes on an error. Frames of
    /// several segments have no room.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), NoRoom> {
        let available = self.tailroom();
        let Some(added) = fits(bytes.len(), available) else {
            return Err(NoRoom {
                needed: bytes.len(),
                available,
            });
        };
        let (data_len, total) = (self.data_len(), self.len());
        // SAFETY: tailroom holds `added` bytes behind the data; `bytes` cannot
        // overlap them, as `&mut self` is the only access to this buffer. The
        // lengths grow by what was written.
        unsafe {
            let end = self.start().add(usize::from(data_len));
            end.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            self.set_field(dpdk_sys::SHIM_MBUF_DATA_LEN, data_len + added);
            self.set_field(dpdk_sys::SHIM_MBUF_PKT_LEN, total + u32::from(added));
        }
        Ok(())
    }

    /// Puts `bytes` before the data. Nothing changes on an error.
    pub fn prepend(&mut self, bytes: &[u8]) -> Result<(), NoRoom> {
        // The length field is 16 bits wide as well.
        let available = self.headroom().min(usize::from(u16::MAX - self.data_len()));
        let Some(added) = fits(bytes.len(), available) else {
            return Err(NoRoom {
                needed: bytes.len(),
                available,
            });
        };
        let (offset, data_len, total) = (self.data_off(), self.data_len(), self.len());
        // SAFETY: headroom holds `added` bytes before the data; no overlap as
        // in `append`. Offset and lengths change by what was written.
        unsafe {
            let begin = self.start().sub(bytes.len());
            begin.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            self.set_field(dpdk_sys::SHIM_MBUF_DATA_OFF, offset - added);
            self.set_field(dpdk_sys::SHIM_MBUF_DATA_LEN, data_len + added);
            self.set_field(dpdk_sys::SHIM_MBUF_PKT_LEN, total + u32::from(added));
        }
        Ok(())
    }

    /// Cuts `count` bytes off the end of a contiguous frame. Nothing changes
    /// on an error.
    pub fn trim(&mut self, count: usize) -> Result<(), NoRoom> {
        let available = if self.is_contiguous() {
            usize::from(self.data_len())
        } else {
            0
        };
        let Some(cut) = fits(count, available) else {
            return Err(NoRoom {
                needed: count,
                available,
            });
        };
        let (data_len, total) = (self.data_len(), self.len());
        // SAFETY: cut <= data_len, and a contiguous frame has pkt_len == data_len.
        unsafe {
            self.set_field(dpdk_sys::SHIM_MBUF_DATA_LEN, data_len - cut);
            self.set_field(
                dpdk_sys::SHIM_MBUF_PKT_LEN,
                total.saturating_sub(u32::from(cut)),
            );
        }
        Ok(())
    }

    /// Cuts `count` bytes off the front, within the first segment. Nothing
    /// changes on an error.
    pub fn trim_front(&mut self, count: usize) -> Result<(), NoRoom> {
        let available = usize::from(self.data_len());
        let Some(cut) = fits(count, available) else {
            return Err(NoRoom {
                needed: count,
                available,
            });
        };
        let (offset, data_len, total) = (self.data_off(), self.data_len(), self.len());
        // SAFETY: cut <= data_len, so offset + cut still lies in the buffer
        // (and offset + data_len <= buf_len <= u16::MAX: no overflow).
        unsafe {
            self.set_field(dpdk_sys::SHIM_MBUF_DATA_OFF, offset + cut);
            self.set_field(dpdk_sys::SHIM_MBUF_DATA_LEN, data_len - cut);
            self.set_field(
                dpdk_sys::SHIM_MBUF_PKT_LEN,
                total.saturating_sub(u32::from(cut)),
            );
        }
        Ok(())
    }

    /// Asks the processor to fetch the first cache line of the data.
    #[inline(always)]
    pub fn prefetch(&self) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: SSE is part of x86_64; a prefetch of any address is harmless.
        unsafe {
            use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>(self.start().cast::<i8>());
        }
    }
}

/// The segments of a frame, see [`Mbuf::segments`].
#[derive(Debug, Clone)]
pub struct Segments<'a> {
    next: Option<&'a Mbuf>,
    left: u16,
}

impl<'a> Iterator for Segments<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        // A chain that is longer than it says, or goes round, ends where it says.
        self.left = self.left.checked_sub(1)?;
        let segment = self.next?;
        self.next = segment.next();
        Some(segment.data())
    }
}

/// `count` as u16 when it is at most `available`.
fn fits(count: usize, available: usize) -> Option<u16> {
    if count > available {
        None
    } else {
        u16::try_from(count).ok()
    }
}

impl Drop for Mbuf {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: `self` owns the frame and is gone after this.
        unsafe { dpdk_sys::shim_mbuf_free(self.raw.as_ptr()) }
    }
}

impl fmt::Debug for Mbuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mbuf")
            .field("len", &self.len())
            .field("contiguous", &self.is_contiguous())
            .finish_non_exhaustive()
    }
}
