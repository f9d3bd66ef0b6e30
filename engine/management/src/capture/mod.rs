//! Captures: a port's frames, both directions, to a file (pcapng).
//!
//! Three parties that never wait for each other. The thread that polls a queue copies frames into
//! a bounded ring ([`feed`]); what finds no room is counted. A capture's own thread makes the file
//! and writes ([`writer`]). The management core begins and ends the look at the port, and answers
//! the operator once the file is open, or closed.

mod clock;
mod feed;
mod pcapng;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};
use dpdk::clock::TscClock;
use dpdk::{PortHandle, PortTap, Watcher};
use twinline_control::{Call, CaptureStatus, Payload, Reply};

use feed::{Counts, Feed};

/// What a capture's thread says once: the file is open, here is the end for the port; or why not.
type Opened = Result<Box<Feed>, String>;
/// The end of the port comes back, for the thread to free: its ring has megabytes.
type Back = Option<Box<dyn Watcher>>;

/// The endings that a file may have. The engine is root and writes bytes that others send: a file
/// of any name would let whoever may capture write what init, cron or a shell read.
const ENDINGS: [&str; 2] = ["pcapng", "pcap"];

/// How far a capture has come.
enum Stage {
    /// The thread opens the file.
    Opening(Call),
    /// Frames are written.
    Running,
    /// The port's end is to be taken back.
    Ending,
    /// The thread writes what is left, and closes the file.
    Closing,
    /// The thread has ended.
    Ended,
}

/// One capture.
struct Capture {
    id: u64,
    port: String,
    handle: PortHandle,
    file: PathBuf,
    since: Instant,
    counts: Arc<Counts>,
    opened: Receiver<Opened>,
    back: Sender<Back>,
    tap: Option<PortTap>,
    /// Frames that the tap's watcher was not shown.
    missed: u64,
    stage: Stage,
    thread: Option<JoinHandle<()>>,
}

/// All captures, on the management core.
#[derive(Default)]
pub struct Captures {
    list: Vec<Capture>,
    next_id: u64,
    /// Stops that wait for their captures' files to be closed.
    stops: Vec<(Call, Vec<u64>)>,
}

/// What is to be captured.
pub struct Wish {
    /// The port's name.
    pub port: String,
    /// Its device, for the file.
    pub device: String,
    /// The port.
    pub handle: PortHandle,
    /// The file.
    pub file: String,
    /// The time stamp counter's rate.
    pub clock: TscClock,
}

impl Captures {
    /// Begins a capture: the call is answered when the file is open.
    pub fn start(&mut self, wish: Wish, call: Call) {
        let begun = self.begin(wish);
        match begun {
            Ok(capture) => {
                // One that ended by itself makes room for its successor.
                self.list.retain(|c| c.port != capture.port);
                self.list.push(Capture {
                    stage: Stage::Opening(call),
                    ..capture
                });
            }
            Err(reason) => call.answer(Reply::Refused { reason }),
        }
    }

    /// A capture whose file is being opened.
    fn begin(&mut self, wish: Wish) -> Result<Capture, String> {
        let Wish {
            port,
            device,
            handle,
            file,
            clock,
        } = wish;
        acceptable(&file)?;
        let same = |c: &&Capture| c.port == port && !matches!(c.stage, Stage::Ended);
        if let Some(other) = self.list.iter().find(same) {
            return Err(format!(
                "port {port} is captured already, to {}: `capture stop` first",
                other.file.display()
            ));
        }
        let counts = Arc::new(Counts::default());
        let (opened_in, opened) = bounded(1);
        let (back, back_in) = bounded(1);
        let file = PathBuf::from(file);
        let writer = writer::Writer {
            port: port.clone(),
            device,
            path: file.clone(),
            clock,
            counts: counts.clone(),
        };
        let spawned = std::thread::Builder::new()
            .name("capture".into())
            .spawn(move || writer.run(&opened_in, &back_in));
        let thread = spawned.map_err(|error| format!("no thread for a capture: {error}"))?;
        self.next_id += 1;
        Ok(Capture {
            id: self.next_id,
            port,
            handle,
            file,
            since: Instant::now(),
            counts,
            opened,
            back,
            tap: None,
            missed: 0,
            stage: Stage::Ended,
            thread: Some(thread),
        })
    }

    /// Ends the captures of this port, or all: the call is answered when their files are closed.
    pub fn stop(&mut self, port: Option<&str>, call: Call) {
        let chosen = |c: &&mut Capture| port.is_none_or(|port| c.port == port);
        let mut ids = Vec::new();
        for capture in self.list.iter_mut().filter(chosen) {
            ids.push(capture.id);
            capture.begin_end();
        }
        if ids.is_empty() {
            let of = port.map_or_else(String::new, |port| format!(" of port {port}"));
            let reason = format!("no capture{of} runs");
            call.answer(Reply::Refused { reason });
            return;
        }
        self.stops.push((call, ids));
    }

    /// Once a tick: goes on with what can go on. Never waits.
    pub fn tend(&mut self) {
        for capture in &mut self.list {
            capture.tend();
        }
        // One that was refused was never one.
        self.list
            .retain(|c| !matches!(c.stage, Stage::Ended) || c.counts.has_begun());
        let mut said = Vec::new();
        let (done, left) = std::mem::take(&mut self.stops)
            .into_iter()
            .partition(|(_, ids)| self.of(ids).all(|c| matches!(c.stage, Stage::Ended)));
        self.stops = left;
        for (call, ids) in done {
            let lines: Vec<String> = self.of(&ids).map(Capture::farewell).collect();
            let message = match lines.as_slice() {
                [] => "nothing had been captured yet".into(),
                lines => lines.join("; "),
            };
            call.answer(Reply::Ok(Payload::Done { message }));
            said.extend(ids);
        }
        self.list.retain(|c| !said.contains(&c.id));
    }

    fn of<'a>(&'a self, ids: &'a [u64]) -> impl Iterator<Item = &'a Capture> {
        self.list.iter().filter(|c| ids.contains(&c.id))
    }

    /// What runs, and what ended by itself.
    #[must_use]
    pub fn statuses(&self) -> Vec<CaptureStatus> {
        let shown = self
            .list
            .iter()
            .filter(|c| !matches!(c.stage, Stage::Opening(_)));
        shown.map(Capture::status).collect()
    }

    /// The end of the engine: files are closed, for as long as it may take.
    pub fn finish(mut self, at_most: Duration) {
        let until = Instant::now() + at_most;
        self.list.iter_mut().for_each(Capture::begin_end);
        loop {
            self.tend();
            let open = |c: &Capture| !matches!(c.stage, Stage::Ended);
            if !self.list.iter().any(open) || Instant::now() >= until {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        for (call, _) in self.stops.drain(..) {
            let message = "the engine has stopped".into();
            call.answer(Reply::Error { message });
        }
    }
}

/// Whether a file of this name may be made.
fn acceptable(file: &str) -> Result<(), String> {
    let path = std::path::Path::new(file);
    if !path.is_absolute() {
        return Err(format!(
            "{file}: a relative path would be the engine's, not yours: accepted is an absolute one"
        ));
    }
    let ending = path.extension().and_then(|e| e.to_str());
    if !ending.is_some_and(|ending| ENDINGS.contains(&ending)) {
        return Err(format!(
            "{file}: the engine writes captures to files that end in .pcapng or .pcap only"
        ));
    }
    Ok(())
}

impl Capture {
    fn begin_end(&mut self) {
        match &self.stage {
            Stage::Running => self.stage = Stage::Ending,
            Stage::Opening(_) => {
                let stage = std::mem::replace(&mut self.stage, Stage::Ending);
                if let Stage::Opening(call) = stage {
                    call.answer(Reply::Refused {
                        reason: "stopped before the file was open".into(),
                    });
                }
            }
            Stage::Ending | Stage::Closing | Stage::Ended => {}
        }
    }

    fn tend(&mut self) {
        if let Some(tap) = &self.tap {
            self.missed = tap.missed();
        }
        if matches!(self.stage, Stage::Opening(_)) {
            self.look_whether_open();
        }
        if matches!(self.stage, Stage::Running) && self.counts.error().is_some() {
            self.stage = Stage::Ending;
        }
        if matches!(self.stage, Stage::Ending) {
            let taken = match &mut self.tap {
                // Frames are being copied this very moment: in the next turn.
                Some(tap) => match tap.end() {
                    Some(watcher) => Some(watcher),
                    None => return,
                },
                None => None,
            };
            self.tap = None;
            // Room for one, and this is the one.
            let _ = self.back.try_send(taken);
            self.stage = Stage::Closing;
        }
        if matches!(self.stage, Stage::Closing)
            && self.thread.as_ref().is_none_or(JoinHandle::is_finished)
        {
            self.stage = Stage::Ended;
            drop(self.thread.take().map(JoinHandle::join));
        }
    }

    fn look_whether_open(&mut self) {
        let opened = match self.opened.try_recv() {
            Ok(opened) => opened,
            Err(TryRecvError::Empty) => return,
            Err(TryRecvError::Disconnected) => Err("its thread ended".into()),
        };
        let Stage::Opening(call) = std::mem::replace(&mut self.stage, Stage::Ending) else {
            return;
        };
        let begun = opened.and_then(|feed| {
            // Nobody waits any more: the client was told that it was not done.
            if call.is_abandoned() {
                return Err("nobody waits for it".into());
            }
            self.handle.tap(feed).map_err(|error| error.to_string())
        });
        match begun {
            Ok(tap) => {
                self.tap = Some(tap);
                self.since = Instant::now();
                self.counts.begin();
                self.stage = Stage::Running;
                let message = format!(
                    "port {} is captured to {}: `capture stop` ends it",
                    self.port,
                    self.file.display()
                );
                log::info!("{message}");
                call.answer(Reply::Ok(Payload::Done { message }));
            }
            Err(reason) => {
                let reason = format!("port {} is not captured: {reason}", self.port);
                call.answer(Reply::Refused { reason });
            }
        }
    }

    fn status(&self) -> CaptureStatus {
        let since = self.since.elapsed().as_millis();
        CaptureStatus {
            port: self.port.clone(),
            file: self.file.display().to_string(),
            since_ms: u64::try_from(since).unwrap_or(u64::MAX),
            frames: self.counts.frames(),
            lost: self.counts.lost().saturating_add(self.missed),
            bytes: self.counts.bytes(),
            error: self.counts.error().map(str::to_owned),
        }
    }

    fn farewell(&self) -> String {
        let of = self.status();
        let why = of.error.map_or_else(String::new, |error| {
            format!("; it had ended by itself: {error}")
        });
        format!(
            "port {}: {} frames to {}, {} lost{why}",
            of.port, of.frames, of.file, of.lost
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_absolute_and_captures() {
        for good in ["/tmp/a.pcapng", "/var/x.y/b.pcap"] {
            assert_eq!(acceptable(good), Ok(()));
        }
        for bad in [
            "",
            "a.pcapng",
            "./a.pcapng",
            "/etc/cron.d/job",
            "/etc/profile.d/x.sh",
            "/tmp/.pcapng",
            "/tmp/",
        ] {
            assert!(acceptable(bad).is_err(), "{bad}");
        }
    }
}
