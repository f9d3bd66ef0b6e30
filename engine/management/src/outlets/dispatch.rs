//! The dispatcher: takes events from the management core and shares them out.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use twinline_config::{Events, Syslog};
use twinline_control::{Call, EventRecord, Payload, Reply};

use super::file::FileSink;
use super::notify::Program;
use super::outlet::{Outlet, Shared, pour};
use super::syslog::{Form, SyslogSink};
use super::{DRAIN, PATIENCE, Report};

/// How often an outlet that missed events is looked at when nothing happens.
const LOOK: Duration = Duration::from_millis(200);

/// What the management core says.
#[derive(Debug)]
pub(super) enum Message {
    /// An event, and how many before it found no room.
    Event {
        record: Arc<EventRecord>,
        lost_before: u64,
    },
    /// Other outlets.
    Configure(Box<Events>),
    /// `show_outlets`.
    Show(Call),
}

pub(super) struct Dispatcher {
    incoming: Receiver<Message>,
    reports: Sender<Report>,
    hurry: Arc<AtomicBool>,
    launcher: Vec<OsString>,
    file: Option<Outlet>,
    syslog: Option<Outlet>,
    notify: Option<Outlet>,
    /// Taken out of service; they still write what they have.
    retired: Vec<Outlet>,
}

impl Dispatcher {
    pub(super) fn new(
        incoming: Receiver<Message>,
        reports: Sender<Report>,
        hurry: Arc<AtomicBool>,
        launcher: Vec<OsString>,
    ) -> Self {
        Self {
            incoming,
            reports,
            hurry,
            launcher,
            file: None,
            syslog: None,
            notify: None,
            retired: Vec::new(),
        }
    }

    pub(super) fn run(mut self, events: &Events) {
        let mut now = Events {
            file: None,
            syslog: Syslog::Off,
            notify: Vec::new(),
            ..events.clone()
        };
        self.configure(&now.clone(), events);
        now.clone_from(events);
        loop {
            match self.incoming.recv_timeout(LOOK) {
                Ok(Message::Event {
                    record,
                    lost_before,
                }) => {
                    for outlet in self.outlets() {
                        outlet.push(&record, lost_before);
                    }
                }
                Ok(Message::Configure(events)) => {
                    self.configure(&now, &events);
                    now = *events;
                }
                Ok(Message::Show(call)) => {
                    let list = self.outlets().map(|outlet| outlet.status()).collect();
                    call.answer(Reply::Ok(Payload::Outlets(list)));
                }
                Err(RecvTimeoutError::Timeout) => {
                    for outlet in self.outlets() {
                        outlet.tell_missing();
                    }
                    self.retired.retain(|outlet| !outlet.ended());
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.end();
    }

    fn outlets(&mut self) -> impl Iterator<Item = &mut Outlet> {
        let all = [&mut self.file, &mut self.syslog, &mut self.notify];
        all.into_iter().flatten()
    }

    /// Replaces the outlets whose settings changed.
    fn configure(&mut self, old: &Events, new: &Events) {
        let file = |e: &Events| (e.file.clone(), e.file_max_bytes, e.file_keep);
        if file(old) != file(new) {
            if let Some(outlet) = self.file.take() {
                self.retire(outlet, true);
            }
            if let Some(path) = &new.file {
                let sink = FileSink::new(path.clone(), new.file_max_bytes, new.file_keep);
                self.file = self.start("file", shown(path), |shared, target| {
                    Outlet::spawn(shared, target, |incoming, shared| {
                        pour(sink, incoming, shared);
                    })
                });
            }
        }
        let syslog = |e: &Events| (e.syslog, e.syslog_path());
        if syslog(old) != syslog(new) {
            if let Some(outlet) = self.syslog.take() {
                self.retire(outlet, true);
            }
            let form = match new.syslog {
                Syslog::Off => None,
                Syslog::Syslog => Some(("syslog", Form::Syslog)),
                Syslog::Journald => Some(("journald", Form::Journald)),
            };
            if let Some((name, form)) = form {
                let path = new.syslog_path();
                self.syslog = self.start(name, shown(&path), |shared, target| {
                    let sink = SyslogSink::new(path, form);
                    Outlet::spawn(shared, target, |incoming, shared| {
                        pour(sink, incoming, shared);
                    })
                });
            }
        }
        if old.notify != new.notify {
            // The old program gets what is its own and ends; the new one need not wait for that.
            if let Some(outlet) = self.notify.take() {
                self.retire(outlet, false);
            }
            if !new.notify.is_empty() {
                let words = new.notify.iter().map(OsString::from);
                let words = self.launcher.iter().cloned().chain(words).collect();
                let target = new.notify.join(" ");
                self.notify = self.start("notify", target, |shared, target| {
                    let program = Program::new(words);
                    Outlet::spawn(shared, target, |incoming, shared| {
                        program.run(incoming, shared);
                    })
                });
            }
        }
    }

    fn start(
        &self,
        name: &'static str,
        target: String,
        spawn: impl FnOnce(Arc<Shared>, String) -> io::Result<Outlet>,
    ) -> Option<Outlet> {
        let shared = Shared::new(name, self.hurry.clone(), self.reports.clone());
        match spawn(shared.clone(), target) {
            Ok(outlet) => Some(outlet),
            Err(error) => {
                shared.fails(&format!("no thread for it: {error}"));
                None
            }
        }
    }

    /// Takes an outlet out of service; `wait`: its successor may write to the same place, so the
    /// old one goes first, if it does within its time.
    fn retire(&mut self, mut outlet: Outlet, wait: bool) {
        outlet.close(DRAIN);
        let deadline = Instant::now() + DRAIN;
        while wait && !outlet.ended() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.retired.push(outlet);
    }

    /// Waits for all outlets, for as long as they may take.
    fn end(&mut self) {
        let deadline = Instant::now() + DRAIN + PATIENCE + Duration::from_millis(500);
        let mut all = std::mem::take(&mut self.retired);
        for mut outlet in [self.file.take(), self.syslog.take(), self.notify.take()]
            .into_iter()
            .flatten()
        {
            outlet.close(DRAIN);
            all.push(outlet);
        }
        while !all.iter().all(Outlet::ended) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        for outlet in &all {
            let status = outlet.status();
            if status.lost > 0 {
                log::warn!("events.{}: {} events were lost", status.name, status.lost);
            }
        }
        self.hurry.store(true, Ordering::Relaxed);
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
