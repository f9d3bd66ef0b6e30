//! A capture's thread: makes the file, writes what the ring brings, closes the file.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use dpdk::clock::{TscClock, tsc_now};

use super::clock::WallClock;
use super::feed::{Counts, Feed, Reader, SNAP};
use super::pcapng::Blocks;
use super::{Back, Opened};

/// Bytes between the port and the thread: some milliseconds at 10 Gbit/s.
const RING: usize = 16 << 20;
/// Between two looks at an empty ring.
const REST: Duration = Duration::from_millis(2);
/// Bytes kept back before they are written.
const BUFFER: usize = 256 << 10;
/// Between two looks at the disk's free space and at the clock.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// What a capture leaves free on its disk: the engine's own files may be there. Less on a small one.
const LEAVE_FREE: u64 = 64 << 20;
/// Frames between two looks at whether it shall end, or the disk is full.
const FRAMES_A_TURN: usize = 4096;

/// What the thread works on.
pub(super) struct Writer {
    pub port: String,
    pub device: String,
    pub path: PathBuf,
    pub clock: TscClock,
    pub counts: Arc<Counts>,
}

impl Writer {
    pub(super) fn run(self, opened: &Sender<Opened>, back: &Receiver<Back>) {
        let said = |error: io::Error| self.in_words(&error);
        let (ring, reader) = ring();
        let blocks = open(&self.path).and_then(|file| {
            let begun = self.begin(file);
            if begun.is_err() {
                // Ours, and empty.
                let _ = std::fs::remove_file(&self.path);
            }
            begun
        });
        let blocks = blocks.map_err(said);
        let mut blocks = match blocks {
            Ok(blocks) => blocks,
            Err(reason) => {
                let _ = opened.send(Err(reason));
                return;
            }
        };
        self.counts.wrote_head(blocks.0.bytes());
        let feed = Feed::new(ring, self.counts.clone());
        if opened.send(Ok(Box::new(feed))).is_err() {
            return;
        }
        let mut reader = Some(reader);
        let written = self.write(&mut blocks, &mut reader, back);
        if let Err(error) = written {
            self.fail(said(error));
            // What was kept back never came there.
            if let Ok(file) = blocks.1.metadata() {
                self.counts.wrote_head(file.len());
            }
            // The port's end sees that nobody reads any more.
            drop(reader.take());
            // The management core takes it back as soon as it sees the failure.
            drop(back.recv());
        }
    }

    fn begin(&self, file: File) -> io::Result<(Blocks<BufWriter<File>>, File)> {
        let space = file.try_clone()?;
        room(&space)?;
        let application = concat!("twinline ", env!("CARGO_PKG_VERSION"));
        let out = BufWriter::with_capacity(BUFFER, file);
        let mut blocks = Blocks::begin(out, application, &self.port, &self.device, SNAP)?;
        blocks.flush()?;
        Ok((blocks, space))
    }

    fn write(
        &self,
        (blocks, space): &mut (Blocks<BufWriter<File>>, File),
        reader: &mut Option<Reader>,
        back: &Receiver<Back>,
    ) -> io::Result<()> {
        let mut clock = WallClock::new(self.clock);
        let mut frame = Vec::new();
        let (mut looked, mut room) = (Instant::now(), room(space)?);
        let mut looked_at = blocks.bytes();
        let mut ending = false;
        loop {
            let mut frames = 0;
            while frames < FRAMES_A_TURN
                && let Some(record) = reader.as_mut().and_then(|r| r.next(&mut frame))
            {
                let at = clock.at(record.ticks);
                blocks.packet(at, record.sent, record.length, &frame)?;
                self.counts.wrote(blocks.bytes());
                frames += 1;
                // Half of what there was is written: others write, too.
                if blocks.bytes() - looked_at > room / 2 {
                    break;
                }
            }
            let written = blocks.bytes() - looked_at;
            if written > room / 2 || looked.elapsed() >= LOOK_EVERY {
                blocks.flush()?;
                clock.check();
                room = self::room(space)?;
                (looked, looked_at) = (Instant::now(), blocks.bytes());
                if frames > 0 {
                    continue;
                }
            }
            if frames == FRAMES_A_TURN {
                continue;
            }
            blocks.flush()?;
            if ending {
                break;
            }
            match back.recv_timeout(REST) {
                Err(RecvTimeoutError::Timeout) => {}
                // Everything that was seen is in the ring by now.
                Ok(_) | Err(RecvTimeoutError::Disconnected) => ending = true,
            }
        }
        let (written, lost) = (self.counts.frames(), self.counts.lost());
        let seen = written.saturating_add(lost);
        blocks.statistics(clock.at(tsc_now()), seen, lost)?;
        blocks.flush()
    }

    fn fail(&self, reason: String) {
        log::warn!("the capture of port {} has ended: {reason}", self.port);
        self.counts.fail(reason);
    }

    fn in_words(&self, error: &io::Error) -> String {
        let path = self.path.display();
        match error.kind() {
            ErrorKind::AlreadyExists => {
                format!("{path} is there already, and is not overwritten: name another file")
            }
            _ => format!("{path}: {error}"),
        }
    }
}

/// A ring whose memory is there: its first round must not cost a worker a page fault for each page.
fn ring() -> (rtrb::Producer<u8>, Reader) {
    let (mut producer, mut consumer) = rtrb::RingBuffer::new(RING);
    let mut page = vec![0; 64 << 10];
    while producer.push_entire_slice(&page).is_ok() {}
    while consumer.pop_entire_slice(&mut page).is_ok() {}
    (producer, Reader::new(consumer))
}

/// Makes the file. `O_EXCL` refuses what is there, a symbolic link among it.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
}

/// How many bytes a capture may write yet; an error when the disk is so full that it has to end.
fn room(file: &File) -> io::Result<u64> {
    let Ok(space) = rustix::fs::fstatvfs(file) else {
        return Ok(u64::MAX);
    };
    let bytes = |blocks: u64| blocks.saturating_mul(space.f_frsize);
    let leave = LEAVE_FREE.min(bytes(space.f_blocks) / 20);
    let room = bytes(space.f_bavail).saturating_sub(leave);
    // A file system that does not know its size has no blocks at all.
    if room == 0 && space.f_blocks > 0 {
        let text = format!("the disk is full: a capture leaves {leave} bytes of it free");
        return Err(io::Error::new(ErrorKind::StorageFull, text));
    }
    Ok(if space.f_blocks == 0 { u64::MAX } else { room })
}
