//! Reading and writing big-endian fields without indexing, so without a way to panic.

use core::ops::Range;

/// The `N` bytes at the start of `field`; zeros if the buffer does not reach that far.
///
/// Callers have checked the length (`new_checked`); the zeros are there so that a mistake in such
/// a check gives a wrong field, which the layers above refuse, and never a panic.
pub(crate) fn get<const N: usize>(buffer: &[u8], field: Range<usize>) -> [u8; N] {
    debug_assert_eq!(field.len(), N);
    buffer
        .get(field)
        .and_then(|bytes| bytes.first_chunk::<N>())
        .copied()
        .unwrap_or([0; N])
}

/// Writes `value` at `field`; nothing if the buffer does not reach that far.
pub(crate) fn put<const N: usize>(buffer: &mut [u8], field: Range<usize>, value: [u8; N]) {
    debug_assert_eq!(field.len(), N);
    if let Some(place) = buffer
        .get_mut(field)
        .and_then(|bytes| bytes.first_chunk_mut::<N>())
    {
        *place = value;
    }
}

/// Takes fields from the front of a slice.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    /// The next `N` bytes, or `None` (and nothing taken) when fewer are left.
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*head)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

/// Puts fields one after the other into a slice; remembers how far it got.
pub(crate) struct Writer<'a> {
    buffer: &'a mut [u8],
    at: usize,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(buffer: &'a mut [u8]) -> Writer<'a> {
        Writer { buffer, at: 0 }
    }

    /// How many bytes were written.
    pub(crate) fn written(&self) -> usize {
        self.at
    }

    /// Appends bytes. Callers have checked the length of the whole frame beforehand.
    pub(crate) fn bytes<const N: usize>(&mut self, value: [u8; N]) {
        let end = self.at.saturating_add(N);
        debug_assert!(end <= self.buffer.len());
        put(self.buffer, self.at..end, value);
        self.at = end;
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.bytes([value]);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.bytes(value.to_be_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.bytes(value.to_be_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.bytes(value.to_be_bytes());
    }
}
