//! Up to N frames that travel together, without allocation.

use std::fmt;
use std::mem::MaybeUninit;
use std::ptr;
use std::slice;

use dpdk_sys::rte_mbuf;

use crate::Mbuf;

/// A fixed array of frames, filled from the front. Dropping or clearing it
/// gives the frames back to their pools in one call.
///
/// Give it empty to [`crate::RxQueue::burst`]: the vector code of several
/// drivers reads nothing when fewer than 4 places are free, and is fastest
/// at 32.
pub struct Burst<const N: usize = 32> {
    /// The first `len` are initialised.
    mbufs: [MaybeUninit<Mbuf>; N],
    len: usize,
}

impl<const N: usize> Burst<N> {
    const FITS: () = assert!(
        N > 0 && N <= u16::MAX as usize,
        "a burst holds 1 to 65535 frames"
    );

    /// An empty burst.
    pub const fn new() -> Self {
        let () = Self::FITS;
        Self {
            mbufs: [const { MaybeUninit::uninit() }; N],
            len: 0,
        }
    }

    /// Frames in the burst.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether no further frame fits.
    #[inline(always)]
    pub fn is_full(&self) -> bool {
        self.len == N
    }

    /// The frames, in order.
    #[inline(always)]
    pub fn as_slice(&self) -> &[Mbuf] {
        // SAFETY: the first `len` are initialised; MaybeUninit<Mbuf> is laid
        // out as Mbuf.
        unsafe { slice::from_raw_parts(self.mbufs.as_ptr().cast::<Mbuf>(), self.len) }
    }

    /// The frames, in order, to change.
    #[inline(always)]
    pub fn as_mut_slice(&mut self) -> &mut [Mbuf] {
        // SAFETY: as above.
        unsafe { slice::from_raw_parts_mut(self.mbufs.as_mut_ptr().cast::<Mbuf>(), self.len) }
    }

    /// The frames, in order.
    #[inline(always)]
    pub fn iter(&self) -> slice::Iter<'_, Mbuf> {
        self.as_slice().iter()
    }

    /// The frames, in order, to change.
    #[inline(always)]
    pub fn iter_mut(&mut self) -> slice::IterMut<'_, Mbuf> {
        self.as_mut_slice().iter_mut()
    }

    /// The sum of the frames' lengths, in bytes.
    #[inline(always)]
    pub fn bytes(&self) -> u64 {
        self.iter().map(|mbuf| u64::from(mbuf.len())).sum()
    }

    /// Appends a frame; gives it back when the burst is full.
    #[inline(always)]
    pub fn push(&mut self, mbuf: Mbuf) -> Result<(), Mbuf> {
        match self.mbufs.get_mut(self.len) {
            Some(place) => {
                place.write(mbuf);
                self.len += 1;
                Ok(())
            }
            None => Err(mbuf),
        }
    }

    /// Removes the last frame.
    #[inline(always)]
    pub fn pop(&mut self) -> Option<Mbuf> {
        self.len = self.len.checked_sub(1)?;
        // SAFETY: that place was initialised, and is counted no more: moved out once.
        Some(unsafe { self.mbufs[self.len].assume_init_read() })
    }

    /// Frees all frames in one call.
    #[inline(always)]
    pub fn clear(&mut self) {
        self.truncate(0);
    }

    /// Keeps the first `keep` frames and frees the others in one call.
    #[inline]
    pub fn truncate(&mut self, keep: usize) {
        if keep >= self.len {
            return;
        }
        let count = self.len - keep;
        self.len = keep;
        // SAFETY: places keep..keep+count were initialised and are counted no
        // more, so each frame is freed once. count <= N <= u16::MAX.
        unsafe {
            let first = self.mbufs.as_mut_ptr().add(keep).cast::<*mut rte_mbuf>();
            dpdk_sys::rte_pktmbuf_free_bulk(first, count as u32);
        }
    }

    /// Keeps the frames for which `keep` says true, in order, and frees the
    /// others in one call.
    #[inline(always)]
    pub fn retain(&mut self, mut keep: impl FnMut(&mut Mbuf) -> bool) {
        let frames = self.as_mut_slice();
        let mut kept = 0;
        // Rejected frames are swapped to the tail: every place stays
        // initialised, even when `keep` panics.
        for at in 0..frames.len() {
            if keep(&mut frames[at]) {
                if kept != at {
                    frames.swap(kept, at);
                }
                kept += 1;
            }
        }
        self.truncate(kept);
    }

    /// Moves all frames out, in order; what the iterator is not asked for is freed.
    #[inline]
    pub fn drain(&mut self) -> Drain<'_, N> {
        // Nothing is counted while the iterator lives: a leaked one leaks
        // frames, but never doubles them.
        let end = std::mem::take(&mut self.len);
        Drain {
            burst: self,
            next: 0,
            end,
        }
    }

    /// Moves frames from the front of `other` behind the own ones, as many as
    /// fit; says how many. What does not fit stays in `other`, in order.
    #[inline]
    pub fn append<const M: usize>(&mut self, other: &mut Burst<M>) -> usize {
        let count = (N - self.len).min(other.len);
        // SAFETY: `count` initialised places of `other` go to as many free
        // places here (two distinct arrays); then they are uncounted there.
        unsafe {
            let to = self.mbufs.as_mut_ptr().add(self.len);
            ptr::copy_nonoverlapping(other.mbufs.as_ptr(), to, count);
            self.len += count;
            other.forget_front(count);
        }
        count
    }

    /// The free tail: where a driver may put frames, and how many.
    #[inline(always)]
    pub(crate) fn tail(&mut self) -> (*mut *mut rte_mbuf, u16) {
        // SAFETY: len <= N, so this points into the array or one past it.
        let first = unsafe { self.mbufs.as_mut_ptr().add(self.len) };
        // Mbuf is a transparent NonNull: a driver writes non-null pointers.
        (first.cast(), (N - self.len) as u16)
    }

    /// Counts `count` frames more.
    ///
    /// # Safety
    /// The first `count` places of the tail hold frames that are ours, and
    /// `count` is at most the tail's length.
    #[inline(always)]
    pub(crate) unsafe fn grow(&mut self, count: u16) {
        self.len += usize::from(count);
    }

    /// The frames as a driver takes them.
    #[inline(always)]
    pub(crate) fn front(&mut self) -> (*mut *mut rte_mbuf, u16) {
        (self.mbufs.as_mut_ptr().cast(), self.len as u16)
    }

    /// Uncounts the last `count` frames without freeing them.
    ///
    /// # Safety
    /// They belong to someone else now, and `count <= len`.
    #[inline(always)]
    pub(crate) unsafe fn forget_back(&mut self, count: usize) {
        self.len -= count;
    }

    /// Uncounts the first `count` frames without freeing them; the others move up.
    ///
    /// # Safety
    /// They belong to someone else now, and `count <= len`.
    #[inline(always)]
    pub(crate) unsafe fn forget_front(&mut self, count: usize) {
        let left = self.len - count;
        if left > 0 && count > 0 {
            // SAFETY: both ranges lie within the initialised places.
            unsafe {
                let base = self.mbufs.as_mut_ptr();
                ptr::copy(base.add(count), base, left);
            }
        }
        self.len = left;
    }
}

impl<const N: usize> Default for Burst<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Drop for Burst<N> {
    fn drop(&mut self) {
        self.clear();
    }
}

impl<const N: usize> fmt::Debug for Burst<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a, const N: usize> IntoIterator for &'a Burst<N> {
    type Item = &'a Mbuf;
    type IntoIter = slice::Iter<'a, Mbuf>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a, const N: usize> IntoIterator for &'a mut Burst<N> {
    type Item = &'a mut Mbuf;
    type IntoIter = slice::IterMut<'a, Mbuf>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

/// Frames moving out of a [`Burst`], see [`Burst::drain`].
pub struct Drain<'a, const N: usize> {
    burst: &'a mut Burst<N>,
    next: usize,
    end: usize,
}

impl<const N: usize> Iterator for Drain<'_, N> {
    type Item = Mbuf;

    #[inline(always)]
    fn next(&mut self) -> Option<Mbuf> {
        if self.next == self.end {
            return None;
        }
        let at = self.next;
        self.next += 1;
        // SAFETY: next..end are initialised, uncounted by the burst, and each
        // is read once.
        Some(unsafe { self.burst.mbufs[at].assume_init_read() })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.end - self.next, Some(self.end - self.next))
    }
}

impl<const N: usize> ExactSizeIterator for Drain<'_, N> {}

impl<const N: usize> Drop for Drain<'_, N> {
    fn drop(&mut self) {
        for _ in self.by_ref() {}
    }
}
