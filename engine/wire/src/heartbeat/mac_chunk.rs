use arrayvec::ArrayVec;

use crate::bytes::{Reader, Writer};
use crate::{Mac, Side};

/// MAC addresses in one chunk, at most.
pub const MAX_MACS: usize = 200;

/// Bytes of the body without addresses.
pub(crate) const MIN_LEN: usize = 6;
/// Bytes of the longest body.
pub(crate) const MAX_LEN: usize = MIN_LEN + MAX_MACS * 6;

const FIRST: u8 = 1;
const LAST: u8 = 2;

/// Stations that the sender knows on one side of a link pair: the ACTIVE shares them ahead of
/// time, so that a new ACTIVE can announce them at once (rule 8).
///
/// A full refresh is a run of chunks from `first` to `last`; a chunk with neither adds stations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MacChunk {
    /// Index of the link pair, in the order of the configuration.
    pub pair: u16,
    /// On which side the stations are.
    pub side: Side,
    /// The first chunk of a full refresh: what was known of this pair and side is replaced.
    pub first: bool,
    /// The last chunk of a full refresh.
    pub last: bool,
    /// The stations; group addresses are refused both ways.
    pub macs: ArrayVec<Mac, MAX_MACS>,
}

impl MacChunk {
    /// Bytes of the body.
    pub(crate) fn body_len(&self) -> usize {
        MIN_LEN + self.macs.len() * 6
    }

    pub(crate) fn write(&self, out: &mut Writer<'_>) {
        out.u16(self.pair);
        out.u8(self.side.to_wire());
        out.u8(if self.first { FIRST } else { 0 } | if self.last { LAST } else { 0 });
        // At most 200, by the type.
        out.u16(self.macs.len() as u16);
        for mac in &self.macs {
            out.bytes(mac.0);
        }
    }

    /// Reads a body; `None` when a field is out of range or bytes are missing or left over.
    pub(crate) fn read(body: &[u8]) -> Option<MacChunk> {
        let mut from = Reader::new(body);
        let pair = from.u16()?;
        let side = Side::from_wire(from.u8()?)?;
        let flags = from.u8()?;
        let count = from.u16()?;
        let mut macs = ArrayVec::new();
        for _ in 0..count {
            let mac = Mac(from.array()?);
            if mac.is_group() {
                return None;
            }
            macs.try_push(mac).ok()?;
        }
        let chunk = MacChunk {
            pair,
            side,
            first: flags & FIRST != 0,
            last: flags & LAST != 0,
            macs,
        };
        from.is_empty().then_some(chunk)
    }
}
