//! An outlet's thread, its queue, and what is known of it.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use twinline_control::{EventRecord, OutletStatus};

use super::{QUEUE, Report};

/// After this long what was not taken is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// How finely a wait looks whether it is over.
const SLICE: Duration = Duration::from_millis(20);

/// What an outlet's thread and the dispatcher share.
#[derive(Debug)]
pub(super) struct Shared {
    name: &'static str,
    sent: AtomicU64,
    lost: AtomicU64,
    restarts: AtomicU64,
    hurry: Arc<AtomicBool>,
    state: Mutex<State>,
    reports: Sender<Report>,
}

#[derive(Debug, Default)]
struct State {
    failing: bool,
    last_error: Option<String>,
    /// Set when no more events come: what waits may take until then.
    deadline: Option<Instant>,
}

impl Shared {
    pub(super) fn new(
        name: &'static str,
        hurry: Arc<AtomicBool>,
        reports: Sender<Report>,
    ) -> Arc<Self> {
        Arc::new(Self {
            name,
            sent: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            restarts: AtomicU64::new(0),
            hurry,
            state: Mutex::default(),
            reports,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn count_sent(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    /// Events that were counted as sent and nobody has read: they are sent again.
    pub(super) fn take_back(&self, events: usize) {
        let events = u64::try_from(events).unwrap_or(u64::MAX);
        self.sent.fetch_sub(events, Ordering::Relaxed);
    }

    pub(super) fn count_lost(&self, events: u64) {
        self.lost.fetch_add(events, Ordering::Relaxed);
    }

    pub(super) fn count_restart(&self) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
    }

    /// It does not work, and why. The alarm is raised once, with the first reason.
    pub(super) fn fails(&self, why: &str) {
        let mut state = self.state();
        state.last_error = Some(why.to_owned());
        if state.failing || state.deadline.is_some() {
            return;
        }
        state.failing = true;
        log::debug!("events.{}: {why}", self.name);
        let _ = self.reports.send(Report {
            outlet: self.name,
            failure: Some(why.to_owned()),
        });
    }

    /// It works. With more than half of the queue waiting it still fails: an outlet that is always
    /// a little too slow is one alarm, not hundreds.
    pub(super) fn works(&self, waiting: usize) {
        let mut state = self.state();
        if !state.failing || waiting > QUEUE / 2 {
            return;
        }
        state.failing = false;
        self.say_well(&state);
    }

    fn say_well(&self, state: &State) {
        if state.deadline.is_none() {
            let _ = self.reports.send(Report {
                outlet: self.name,
                failure: None,
            });
        }
    }

    /// No more events come; what waits may take until `deadline`. An alarm that stands is cleared:
    /// nobody would do it later.
    fn end_by(&self, deadline: Instant) {
        let mut state = self.state();
        if state.failing {
            self.say_well(&state);
        }
        state.deadline = Some(deadline);
    }

    /// Whether what waits has had its time.
    pub(super) fn over(&self) -> bool {
        self.hurry.load(Ordering::Relaxed)
            || self.state().deadline.is_some_and(|by| Instant::now() >= by)
    }

    /// Whether the engine ends at once.
    pub(super) fn hurried(&self) -> bool {
        self.hurry.load(Ordering::Relaxed)
    }
}

/// Something that takes events one by one.
pub(super) trait Sink: Send {
    /// Takes one; may block for about a second. `Some`: it was taken, but this is wrong.
    ///
    /// # Errors
    /// It was not taken, and why; it will be tried again.
    fn put(&mut self, record: &EventRecord, shared: &Shared) -> Result<Option<String>, String>;
}

/// The dispatcher's end of an outlet.
#[derive(Debug)]
pub(super) struct Outlet {
    shared: Arc<Shared>,
    target: String,
    queue: Option<Sender<Arc<EventRecord>>>,
    thread: JoinHandle<()>,
    missing: Option<Missing>,
}

/// Events that an outlet did not get, and was not told of yet.
#[derive(Debug)]
struct Missing {
    count: u64,
    first: u64,
    last: Arc<EventRecord>,
}

impl Outlet {
    /// Starts an outlet whose thread runs `work`.
    pub(super) fn spawn(
        shared: Arc<Shared>,
        target: String,
        work: impl FnOnce(&Receiver<Arc<EventRecord>>, &Shared) + Send + 'static,
    ) -> io::Result<Self> {
        let (queue, incoming) = bounded(QUEUE);
        let theirs = shared.clone();
        let thread = std::thread::Builder::new()
            .name(format!("events-{}", shared.name))
            .spawn(move || work(&incoming, &theirs))?;
        Ok(Self {
            shared,
            target,
            queue: Some(queue),
            thread,
            missing: None,
        })
    }

    /// Hands an event over; never blocks.
    pub(super) fn push(&mut self, record: &Arc<EventRecord>, lost_before: u64) {
        if lost_before > 0 {
            self.miss(record, lost_before, record.seq.saturating_sub(lost_before));
        }
        self.tell_missing();
        let full = match (&self.missing, &self.queue) {
            (None, Some(queue)) => queue.try_send(record.clone()).is_err(),
            _ => true,
        };
        if full {
            self.miss(record, 1, record.seq);
            let why = format!(
                "does not keep up: {} events wait, further ones are lost",
                QUEUE
            );
            self.shared.fails(&why);
        }
    }

    fn miss(&mut self, last: &Arc<EventRecord>, count: u64, first: u64) {
        self.shared.count_lost(count);
        let missing = self.missing.get_or_insert_with(|| Missing {
            count: 0,
            first,
            last: last.clone(),
        });
        missing.count += count;
        missing.last = last.clone();
    }

    /// Says what is missing once half of the queue is free: one line for many, in its place.
    /// False when there is still something to say.
    pub(super) fn tell_missing(&mut self) -> bool {
        let (Some(missing), Some(queue)) = (&self.missing, &self.queue) else {
            return true;
        };
        if queue.len() > QUEUE / 2 {
            return false;
        }
        let line = lost_record(missing.count, missing.first, &missing.last);
        if queue.try_send(Arc::new(line)).is_ok() {
            self.missing = None;
        }
        self.missing.is_none()
    }

    pub(super) fn status(&self) -> OutletStatus {
        let shared = &self.shared;
        let state = shared.state();
        OutletStatus {
            name: shared.name.into(),
            target: self.target.clone(),
            sent: shared.sent.load(Ordering::Relaxed),
            lost: shared.lost.load(Ordering::Relaxed),
            waiting: self.queue.as_ref().map_or(0, |queue| queue.len() as u64),
            restarts: shared.restarts.load(Ordering::Relaxed),
            failing: state.failing,
            last_error: state.last_error.clone(),
        }
    }

    /// No more events come; does not wait.
    pub(super) fn close(&mut self, drain: Duration) {
        self.tell_missing();
        self.shared.end_by(Instant::now() + drain);
        self.queue = None;
    }

    /// Whether its thread has ended.
    pub(super) fn ended(&self) -> bool {
        self.thread.is_finished()
    }
}

/// The line that tells an outlet what it did not get.
fn lost_record(count: u64, first: u64, last: &EventRecord) -> EventRecord {
    EventRecord {
        kind: "lost".into(),
        severity: "warning".into(),
        what: "events lost".into(),
        from: first.to_string(),
        to: last.seq.to_string(),
        why: "outlet_too_slow".into(),
        detail: format!("this outlet was too slow or not there: it did not get {count} events"),
        peer: None,
        pair: None,
        port: None,
        router: None,
        alarm: None,
        lost: Some(count),
        ..last.clone()
    }
}

/// The thread of a simple outlet: until nobody hands events over any more.
pub(super) fn pour(mut sink: impl Sink, incoming: &Receiver<Arc<EventRecord>>, shared: &Shared) {
    while let Ok(record) = incoming.recv() {
        let wrong = loop {
            let why = match sink.put(&record, shared) {
                Ok(wrong) => break wrong,
                Err(why) => why,
            };
            shared.fails(&why);
            if !wait(RETRY, shared) {
                let left = u64::try_from(incoming.len()).unwrap_or(u64::MAX);
                shared.count_lost(left.saturating_add(1));
                return;
            }
        };
        if record.lost.is_none() {
            shared.count_sent();
        }
        match wrong {
            None => shared.works(incoming.len()),
            Some(why) => shared.fails(&why),
        }
    }
}

/// Sleeps; false when the outlet is to end before that.
pub(super) fn wait(time: Duration, shared: &Shared) -> bool {
    let until = Instant::now() + time;
    while Instant::now() < until {
        if shared.over() {
            return false;
        }
        std::thread::sleep(SLICE.min(until.saturating_duration_since(Instant::now())));
    }
    !shared.over()
}

/// The record as a line of JSON, with its newline.
pub(super) fn json_line(record: &EventRecord) -> Vec<u8> {
    // Numbers and strings: it cannot fail.
    let mut line = serde_json::to_vec(record).unwrap_or_default();
    line.push(b'\n');
    line
}
