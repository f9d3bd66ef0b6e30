//! Where events go beside the ring and the log (rule 23): a file, the system's log, a program.
//!
//! The management core hands each event to [`Outlets::send`], which never blocks. One thread, the
//! dispatcher, shares them out; each outlet has a thread and a bounded queue of its own, so that
//! one that hangs (a full disk, a program that does not read) loses its own events and nobody
//! else's. What is lost is counted, and the outlet is told how much when it takes events again.
//!
//! All these threads are born of the dispatcher, which is started before the EAL pins anything and
//! before the management core becomes a real-time thread: they and the program are ordinary ones,
//! on all cores.

mod dispatch;
mod file;
mod notify;
mod outlet;
mod record;
mod syslog;
#[cfg(test)]
mod tests;

pub use notify::become_program;
pub use record::{Identity, record};

use std::ffi::OsString;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, unbounded};
use twinline_config::Events;
use twinline_control::{Call, EventRecord, Reply};

use dispatch::{Dispatcher, Message};

/// Events that wait for the dispatcher, and for each outlet, at most.
const QUEUE: usize = 1024;
/// How long an outlet may take for what waits when the engine ends.
const DRAIN: Duration = Duration::from_secs(1);
/// How long a program may take to end when it was told to.
const PATIENCE: Duration = Duration::from_secs(2);

/// An outlet began to fail, or works again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// `file`, `syslog`, `journald` or `notify`.
    pub outlet: &'static str,
    /// Why it fails; `None`: it works again.
    pub failure: Option<String>,
}

/// The management core's end.
#[derive(Debug)]
pub struct Outlets {
    messages: Option<Sender<Message>>,
    reports: Receiver<Report>,
    hurry: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// Events that the dispatcher had no room for, since the last that it took.
    lost: u64,
}

impl Outlets {
    /// Starts the dispatcher and the outlets that the configuration names. `launcher` is put
    /// before the words of `events.notify` (see [`become_program`]).
    ///
    /// # Errors
    /// When the kernel gives no thread.
    pub fn spawn(events: Events, launcher: Vec<OsString>) -> io::Result<Self> {
        let (messages, incoming) = bounded(QUEUE);
        let (report, reports) = unbounded();
        let hurry = Arc::new(AtomicBool::new(false));
        let dispatcher = Dispatcher::new(incoming, report, hurry.clone(), launcher);
        let thread = std::thread::Builder::new()
            .name("events".into())
            .spawn(move || dispatcher.run(&events))?;
        Ok(Self {
            messages: Some(messages),
            reports,
            hurry,
            thread: Some(thread),
            lost: 0,
        })
    }

    /// Hands an event over; never blocks.
    pub fn send(&mut self, record: EventRecord) {
        let message = Message::Event {
            record: Arc::new(record),
            lost_before: self.lost,
        };
        match self.messages.as_ref().map(|to| to.try_send(message)) {
            Some(Ok(())) => self.lost = 0,
            _ => self.lost += 1,
        }
    }

    /// Other outlets from now on; false when the dispatcher is too busy to take it.
    #[must_use]
    pub fn configure(&self, events: &Events) -> bool {
        let message = Message::Configure(Box::new(events.clone()));
        let to = self.messages.as_ref();
        to.is_some_and(|to| to.try_send(message).is_ok())
    }

    /// Has `show_outlets` answered; never blocks.
    pub fn show(&self, call: Call) {
        let Some(to) = &self.messages else {
            return;
        };
        if let Err(TrySendError::Full(message) | TrySendError::Disconnected(message)) =
            to.try_send(Message::Show(call))
            && let Message::Show(call) = message
        {
            let message = "the thread of the outlets is busy".into();
            call.answer(Reply::Error { message });
        }
    }

    /// The next change since the last look.
    #[must_use]
    pub fn report(&self) -> Option<Report> {
        self.reports.try_recv().ok()
    }

    /// No more events come: what waits is written within a second, and the program is ended.
    /// Does not wait for that.
    pub fn close(&mut self) {
        self.messages = None;
    }

    /// Waits for the end of what [`Outlets::close`] began; without `patience` the program is
    /// killed at once.
    pub fn finish(mut self, patience: bool) {
        self.close();
        if !patience {
            self.hurry.store(true, Ordering::Relaxed);
        }
        let Some(thread) = self.thread.take() else {
            return;
        };
        // A disk that hangs keeps its thread for ever: the process ends without it.
        let deadline = Instant::now() + DRAIN + PATIENCE + Duration::from_secs(1);
        while !thread.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
