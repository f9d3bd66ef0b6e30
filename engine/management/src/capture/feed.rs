//! The port's end of a capture: copies frames into a ring of bytes.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use dpdk::clock::tsc_now;
use dpdk::{Direction, Mbuf, Watcher};

/// Bytes of a frame that are taken, at most.
pub(super) const SNAP: u32 = 65_535;
/// Bytes before each frame in the ring: ticks, length on the wire, bytes taken, direction.
pub(super) const RECORD: usize = 8 + 4 + 4 + 1;

/// What is counted of a capture, by whoever does it.
#[derive(Debug, Default)]
pub(super) struct Counts {
    begun: AtomicBool,
    frames: AtomicU64,
    bytes: AtomicU64,
    lost: AtomicU64,
    error: OnceLock<String>,
}

impl Counts {
    /// Frames reach it from now on.
    pub(super) fn begin(&self) {
        self.begun.store(true, Ordering::Relaxed);
    }

    /// Frames have reached it.
    pub(super) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }

    /// The file was begun, and has so many bytes.
    pub(super) fn wrote_head(&self, bytes: u64) {
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    /// A frame was written, and the file has so many bytes.
    pub(super) fn wrote(&self, bytes: u64) {
        self.frames.fetch_add(1, Ordering::Relaxed);
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    /// It ends by itself, for this reason; the first one counts.
    pub(super) fn fail(&self, error: String) {
        let _ = self.error.set(error);
    }

    pub(super) fn error(&self) -> Option<&str> {
        self.error.get().map(String::as_str)
    }

    pub(super) fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// Copies frames into the ring; what finds no room there is counted and left out.
pub struct Feed {
    ring: rtrb::Producer<u8>,
    counts: Arc<Counts>,
}

impl Feed {
    pub(super) fn new(ring: rtrb::Producer<u8>, counts: Arc<Counts>) -> Self {
        Self { ring, counts }
    }

    /// One frame, given in segments. False when there is no room for all of it.
    fn put<'a>(
        &mut self,
        ticks: u64,
        direction: Direction,
        length: u32,
        segments: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> bool {
        let whole: usize = segments.clone().map(<[u8]>::len).sum();
        let taken = u32::try_from(whole).unwrap_or(u32::MAX).min(SNAP);
        let mut left = taken as usize;
        // Only the reader changes this meanwhile, and makes it more.
        if self.ring.slots() < RECORD + left {
            return false;
        }
        let record = write_record(&Record {
            ticks,
            length,
            taken,
            sent: direction == Direction::Sent,
        });
        let mut push = |bytes: &[u8]| self.ring.push_entire_slice(bytes).is_ok();
        let mut done = push(&record);
        for segment in segments {
            let part = segment.get(..left.min(segment.len())).unwrap_or_default();
            left -= part.len();
            done &= part.is_empty() || push(part);
        }
        done
    }
}

impl Watcher for Feed {
    fn frames(&mut self, direction: Direction, frames: &[Mbuf]) {
        // It has ended, and nobody reads any more: no frame is lost by that.
        if self.ring.is_abandoned() {
            return;
        }
        let ticks = tsc_now();
        let mut lost = 0;
        for frame in frames {
            lost += u64::from(!self.put(ticks, direction, frame.len(), frame.segments()));
        }
        if lost > 0 {
            self.counts.lost.fetch_add(lost, Ordering::Relaxed);
        }
    }
}

/// What is written before each frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    pub ticks: u64,
    pub length: u32,
    pub taken: u32,
    pub sent: bool,
}

/// The thread's end of the ring.
pub(super) struct Reader {
    ring: rtrb::Consumer<u8>,
    record: Option<Record>,
}

impl Reader {
    pub(super) fn new(ring: rtrb::Consumer<u8>) -> Self {
        Self { ring, record: None }
    }

    /// The next frame, if all of it is there; its bytes go to `frame`.
    pub(super) fn next(&mut self, frame: &mut Vec<u8>) -> Option<Record> {
        let record = match self.record {
            Some(record) => record,
            None => {
                let mut bytes = [0; RECORD];
                self.ring.pop_entire_slice(&mut bytes).ok()?;
                read_record(&bytes)?
            }
        };
        self.record = Some(record);
        frame.clear();
        frame.resize(record.taken as usize, 0);
        if !frame.is_empty() {
            self.ring.pop_entire_slice(frame).ok()?;
        }
        self.record.take()
    }
}

fn write_record(record: &Record) -> [u8; RECORD] {
    let [a, b, c, d, e, f, g, h] = record.ticks.to_ne_bytes();
    let [i, j, k, l] = record.length.to_ne_bytes();
    let [m, n, o, p] = record.taken.to_ne_bytes();
    let sent = record.sent.into();
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, sent]
}

fn read_record(bytes: &[u8; RECORD]) -> Option<Record> {
    let (ticks, rest) = bytes.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (taken, rest) = rest.split_first_chunk()?;
    Some(Record {
        ticks: u64::from_ne_bytes(*ticks),
        length: u32::from_ne_bytes(*length),
        taken: u32::from_ne_bytes(*taken),
        sent: rest.first() == Some(&1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(bytes: usize) -> (Feed, Reader) {
        let (producer, consumer) = rtrb::RingBuffer::new(bytes);
        let feed = Feed::new(producer, Arc::default());
        (feed, Reader::new(consumer))
    }

    #[test]
    fn frames_come_out_as_they_went_in_whole_or_not_at_all() {
        let (mut feed, mut reader) = pair(2 * (RECORD + 60));
        let bytes: Vec<u8> = (0..60).collect();
        let mut frame = Vec::new();
        for round in 0..100 {
            let (direction, sent) = if round % 2 == 0 {
                (Direction::Received, false)
            } else {
                (Direction::Sent, true)
            };
            let segments = [&bytes[..10], &[], &bytes[10..]];
            assert!(feed.put(round, direction, 60, segments.into_iter()));
            assert!(feed.put(7, direction, 1, [&bytes[..1]].into_iter()));
            assert!(
                !feed.put(0, direction, 60, [&bytes[..]].into_iter()),
                "no room"
            );
            let expected = Record {
                ticks: round,
                length: 60,
                taken: 60,
                sent,
            };
            assert_eq!(reader.next(&mut frame), Some(expected));
            assert_eq!(frame, bytes);
            assert_eq!(reader.next(&mut frame).unwrap().taken, 1);
            assert_eq!(frame, [0]);
            assert_eq!(reader.next(&mut frame), None);
        }
    }

    #[test]
    fn giants_are_cut_and_empty_frames_are_frames() {
        let (mut feed, mut reader) = pair(200_000);
        let giant = vec![5; 40_000];
        let segments = [&giant[..], &giant[..]];
        assert!(feed.put(1, Direction::Sent, 80_000, segments.into_iter()));
        assert!(feed.put(2, Direction::Sent, 0, std::iter::empty()));
        let mut frame = Vec::new();
        let cut = reader.next(&mut frame).unwrap();
        assert_eq!((cut.length, cut.taken, frame.len()), (80_000, SNAP, 65_535));
        assert_eq!(reader.next(&mut frame).unwrap().taken, 0);
        assert_eq!(reader.next(&mut frame), None);
    }
}
