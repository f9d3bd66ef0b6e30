//! The log's way out: through a thread of its own.
//!
//! Whoever reads our standard error may stop reading (a pager, a terminal with Ctrl-S, a logger
//! that hangs). The management core logs role changes from its loop, and must not wait for that
//! reader: it would miss its heartbeats and lose the role. So lines wait in a bounded queue, and
//! what finds no room is counted and dropped.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustyline::ExternalPrinter;

/// Lines that wait at most.
const LINES: usize = 1024;
/// How long the last lines may take when the engine ends.
const LAST_WORDS: Duration = Duration::from_millis(500);

enum Item {
    Line(Vec<u8>),
    /// Everything before this is out: answer.
    Mark(SyncSender<()>),
}

/// Where the logger writes to; never blocks. One record is one write.
#[derive(Clone)]
pub struct LogSink {
    queue: SyncSender<Item>,
    dropped: Arc<AtomicU64>,
}

impl LogSink {
    /// A sink in front of `out`.
    ///
    /// # Errors
    /// When the kernel gives no thread.
    pub fn spawn(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, items) = sync_channel(LINES);
        let dropped = Arc::new(AtomicU64::new(0));
        let lost = dropped.clone();
        std::thread::Builder::new()
            .name("log".into())
            .spawn(move || write_all(out, &items, &lost))?;
        Ok(Self { queue, dropped })
    }

    /// Waits until what was logged before is out, for half a second at most.
    pub fn flush_all(&self) {
        let (done, waiting) = sync_channel(1);
        if self.queue.try_send(Item::Mark(done)).is_ok() {
            let _ = waiting.recv_timeout(LAST_WORDS);
        }
    }
}

impl Write for LogSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.queue.try_send(Item::Line(bytes.to_vec())) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Standard error; or, while a console stands in the same terminal, above its prompt, so that a
/// line that is being typed stays whole. Only the log's own thread waits for the terminal.
#[derive(Clone, Default)]
pub struct AbovePrompt {
    printer: Arc<Mutex<Option<Box<dyn ExternalPrinter + Send>>>>,
}

impl AbovePrompt {
    /// From now on above the prompt.
    pub fn print_with(&self, printer: Box<dyn ExternalPrinter + Send>) {
        self.set(Some(printer));
    }

    /// From now on to standard error again.
    pub fn forget(&self) {
        self.set(None);
    }

    fn set(&self, printer: Option<Box<dyn ExternalPrinter + Send>>) {
        *self.printer.lock().unwrap_or_else(PoisonError::into_inner) = printer;
    }
}

impl Write for AbovePrompt {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut printer = self.printer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(printer) = printer.as_mut() {
            let line = String::from_utf8_lossy(bytes).into_owned();
            if printer.print(line).is_ok() {
                return Ok(bytes.len());
            }
        }
        io::stderr().write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

fn write_all(mut out: impl Write, items: &Receiver<Item>, dropped: &AtomicU64) {
    while let Ok(item) = items.recv() {
        // A line that cannot be written is lost: there is nowhere to say so.
        let _ = match item {
            Item::Line(line) => out.write_all(&line),
            Item::Mark(done) => {
                let _ = done.try_send(());
                Ok(())
            }
        };
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ = writeln!(out, "[{lost} log lines were dropped: nobody read them]");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::time::Instant;

    #[test]
    fn a_reader_that_does_not_read_holds_nobody_up() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut sink = LogSink::spawn(writer).unwrap();
        let started = Instant::now();
        // More than a pipe (64 KiB) and the queue hold together.
        let line = format!("{}\n", "x".repeat(199));
        for _ in 0..3000 {
            sink.write_all(line.as_bytes()).unwrap();
        }
        sink.flush_all();
        assert!(started.elapsed() < Duration::from_secs(5));
        drop(sink);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        let whole = text.lines().filter(|l| l.len() == 199).count();
        assert!((LINES..3000).contains(&whole), "{whole} lines");
        assert!(text.contains("log lines were dropped"));
    }

    #[test]
    fn the_last_words_are_out_before_the_end() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut sink = LogSink::spawn(writer).unwrap();
        sink.write_all(b"goodbye\n").unwrap();
        sink.flush_all();
        let mut word = [0; 8];
        reader.read_exact(&mut word).unwrap();
        assert_eq!(&word, b"goodbye\n");
    }
}
