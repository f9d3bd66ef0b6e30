//! The notify outlet: a program of the operator's that runs as long as the engine, and gets each
//! event as a line of JSON on its standard input, in order.
//!
//! One program that reads, instead of one that is started for each event: those overtake each
//! other, and the last one that ends wins.
//!
//! The pipe to it does not block. A line that it has not read to its end when it dies is given to
//! its successor: the kernel says how many bytes of the pipe were not read.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{self, ErrorKind, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::ioctl_fionread;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, getppid, kill_process_group,
    set_parent_process_death_signal, waitid,
};
use twinline_control::EventRecord;

use super::PATIENCE;
use super::outlet::{Shared, json_line};

/// How long to wait before a program that ended is started again: doubled each time.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// A program that ran for so long begins with the shortest wait again, and is well.
const STABLE: Duration = Duration::from_secs(5);
/// A program that reads nothing for so long, though its pipe is full, does not work.
const STUCK: Duration = Duration::from_secs(5);
/// How long the thread waits for one thing before it looks at the others.
const LOOK: Duration = Duration::from_millis(100);
/// What a pipe holds (pipe(7)): lines further back were read.
const PIPE: usize = 65536;

/// A program, and what is on its way to it.
#[derive(Debug)]
pub(super) struct Program {
    words: Vec<OsString>,
    running: Option<Running>,
    /// Not before this.
    start_at: Instant,
    back_off: Duration,
    started_before: bool,
    /// Lines that an earlier run has not read.
    backlog: VecDeque<Arc<EventRecord>>,
    /// The line that is being written.
    line: Option<Line>,
}

#[derive(Debug)]
struct Line {
    record: Arc<EventRecord>,
    bytes: Vec<u8>,
    written: usize,
}

#[derive(Debug)]
struct Running {
    child: Child,
    stdin: ChildStdin,
    since: Instant,
    /// When it last took something, or had nothing to take.
    moved: Instant,
    /// The newest lines in the pipe, with their lengths.
    given: VecDeque<(usize, Arc<EventRecord>)>,
    given_bytes: usize,
}

impl Program {
    pub(super) fn new(words: Vec<OsString>) -> Self {
        Self {
            words,
            running: None,
            start_at: Instant::now(),
            back_off: BACK_OFF.0,
            started_before: false,
            backlog: VecDeque::new(),
            line: None,
        }
    }

    /// The thread: until nobody hands events over any more.
    pub(super) fn run(mut self, incoming: &Receiver<Arc<EventRecord>>, shared: &Shared) {
        let mut more = true;
        while !shared.over() {
            self.look_after(shared);
            if self.line.is_none() {
                let next = match self.backlog.pop_front() {
                    Some(record) => Ok(record),
                    None if more => incoming.recv_timeout(LOOK),
                    None => Err(RecvTimeoutError::Disconnected),
                };
                match next {
                    Ok(record) => self.line = Some(Line::new(record)),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => {
                        more = false;
                        if self.running.is_some() || self.backlog.is_empty() {
                            break;
                        }
                    }
                }
            }
            self.write(incoming.len(), shared);
        }
        self.end(incoming, shared);
    }

    /// Starts the program, or sees that it has ended.
    fn look_after(&mut self, shared: &Shared) {
        let Some(running) = &self.running else {
            if Instant::now() >= self.start_at {
                self.start(shared);
            }
            return;
        };
        if running.since.elapsed() >= STABLE {
            self.back_off = BACK_OFF.0;
        }
        if has_ended(&running.child) {
            self.bury(shared, "ended");
        }
    }

    fn start(&mut self, shared: &Shared) {
        match start(&self.words) {
            Ok((child, stdin)) => {
                if std::mem::replace(&mut self.started_before, true) {
                    shared.count_restart();
                }
                let now = Instant::now();
                self.running = Some(Running {
                    child,
                    stdin,
                    since: now,
                    moved: now,
                    given: VecDeque::new(),
                    given_bytes: 0,
                });
            }
            Err(error) => {
                shared.fails(&format!("the program cannot be started: {error}"));
                self.wait_longer();
            }
        }
    }

    fn wait_longer(&mut self) {
        self.start_at = Instant::now() + self.back_off;
        self.back_off = (self.back_off * 2).min(BACK_OFF.1);
    }

    /// The program is no more, or not to be any more: what it has not read is kept.
    fn bury(&mut self, shared: &Shared, how: &str) {
        let Some(mut running) = self.running.take() else {
            return;
        };
        let unread = running.unread(self.line.as_ref().map_or(0, |line| line.written));
        shared.take_back(unread.iter().filter(|record| record.lost.is_none()).count());
        if let Some(line) = &mut self.line {
            line.written = 0;
        }
        if !unread.is_empty() {
            // In order: what the dead one did not read, then the line that was being written.
            let line = self.line.take().map(|line| line.record);
            for record in unread.into_iter().chain(line).rev() {
                self.backlog.push_front(record);
            }
        }
        let status = running.kill();
        let said = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        shared.fails(&format!("the program {how} ({said})"));
        self.wait_longer();
    }

    /// Writes what there is, for as long as one look.
    fn write(&mut self, waiting: usize, shared: &Shared) {
        let Some(running) = &mut self.running else {
            if self.line.is_some() || !self.backlog.is_empty() {
                std::thread::sleep(LOOK);
            }
            return;
        };
        let Some(line) = &mut self.line else {
            running.moved = Instant::now();
            if running.since.elapsed() >= STABLE {
                shared.works(waiting);
            }
            return;
        };
        if !running.takes() {
            if running.moved.elapsed() >= STUCK {
                shared.fails("the program does not read its standard input");
            }
            return;
        }
        let rest = line.bytes.get(line.written..).unwrap_or_default();
        match running.stdin.write(rest) {
            Ok(count) => {
                running.moved = Instant::now();
                line.written += count;
                if line.written >= line.bytes.len()
                    && let Some(line) = self.line.take()
                {
                    if line.record.lost.is_none() {
                        shared.count_sent();
                    }
                    running.gave(line);
                    if running.since.elapsed() >= STABLE {
                        shared.works(waiting);
                    }
                }
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            // Dead, or it has closed its standard input.
            Err(_) => self.bury(shared, "reads no more"),
        }
    }

    /// The end: end of file, then time to read the rest, then SIGTERM, then SIGKILL.
    fn end(mut self, incoming: &Receiver<Arc<EventRecord>>, shared: &Shared) {
        let mut left = self.backlog.len() + usize::from(self.line.is_some());
        left += incoming.try_iter().count();
        shared.count_lost(u64::try_from(left).unwrap_or(u64::MAX));
        let Some(running) = self.running.take() else {
            return;
        };
        let Running { child, stdin, .. } = running;
        drop(stdin);
        let ends = |patience: &dyn Fn() -> bool| {
            loop {
                if has_ended(&child) {
                    return true;
                }
                if !patience() {
                    return false;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        };
        if !ends(&|| !shared.over()) && !shared.hurried() {
            signal(&child, Signal::TERM);
            let deadline = Instant::now() + PATIENCE;
            ends(&|| Instant::now() < deadline && !shared.hurried());
        }
        if let Err(error) = kill(child) {
            log::warn!("events.notify: the program could not be ended: {error}");
        }
    }
}

impl Line {
    fn new(record: Arc<EventRecord>) -> Self {
        Self {
            bytes: json_line(&record),
            record,
            written: 0,
        }
    }
}

impl Running {
    /// Whether there is room in the pipe, within one look. True as well when nobody will ever read
    /// it: the write says so.
    fn takes(&self) -> bool {
        let look = Timespec {
            tv_sec: 0,
            tv_nsec: i64::from(LOOK.subsec_nanos()),
        };
        let mut pipe = [PollFd::new(&self.stdin, PollFlags::OUT)];
        matches!(poll(&mut pipe, Some(&look)), Ok(1..))
    }

    fn gave(&mut self, line: Line) {
        self.given_bytes += line.bytes.len();
        self.given.push_back((line.bytes.len(), line.record));
        while let Some((length, _)) = self.given.front()
            && self.given_bytes - length >= PIPE
        {
            self.given_bytes -= length;
            self.given.pop_front();
        }
    }

    /// The lines that were not read to their end, oldest first; of the newest one only
    /// `written_of_next` bytes were written.
    fn unread(&mut self, written_of_next: usize) -> Vec<Arc<EventRecord>> {
        let unread = ioctl_fionread(&self.stdin).unwrap_or(0);
        let unread = usize::try_from(unread).unwrap_or(0);
        let mut rest = unread.saturating_sub(written_of_next);
        let mut lines = Vec::new();
        while rest > 0
            && let Some((length, record)) = self.given.pop_back()
        {
            rest = rest.saturating_sub(length);
            lines.push(record);
        }
        lines.reverse();
        lines
    }

    fn kill(self) -> io::Result<ExitStatus> {
        kill(self.child)
    }
}

/// Starts the program: its own process group; what it says on its standard error goes where ours
/// goes, so that a script's complaint is found.
fn start(words: &[OsString]) -> io::Result<(Child, ChildStdin)> {
    let Some((program, arguments)) = words.split_first() else {
        return Err(ErrorKind::InvalidInput.into());
    };
    // Nothing here needs a hook after the fork: std then starts it without copying our page
    // tables, and no worker pays for writing to a page that it shared for a moment.
    let mut command = Command::new(program);
    command
        .args(arguments)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null());
    // What systemd says to us is not said to it.
    for ours in [
        "NOTIFY_SOCKET",
        "WATCHDOG_USEC",
        "WATCHDOG_PID",
        "LISTEN_FDS",
        "LISTEN_PID",
    ] {
        command.env_remove(ours);
    }
    let mut child = command.spawn()?;
    let Some(stdin) = child.stdin.take() else {
        let _ = kill(child);
        return Err(ErrorKind::BrokenPipe.into());
    };
    let ready = fcntl_getfl(&stdin).and_then(|flags| fcntl_setfl(&stdin, flags | OFlags::NONBLOCK));
    if let Err(error) = ready {
        let _ = kill(child);
        return Err(error.into());
    }
    Ok((child, stdin))
}

fn pid(child: &Child) -> Option<Pid> {
    Pid::from_raw(i32::try_from(child.id()).ok()?)
}

/// Whether it has ended. It stays a zombie, so that its number, which is also its group's, is not
/// another's when the group is killed.
fn has_ended(child: &Child) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let Some(pid) = pid(child) else {
        return true;
    };
    !matches!(waitid(WaitId::Pid(pid), options), Ok(None))
}

fn signal(child: &Child, signal: Signal) {
    if let Some(pid) = pid(child) {
        // It may have ended by itself.
        let _ = kill_process_group(pid, signal);
    }
}

/// Kills it with all that it started, and waits for it.
fn kill(mut child: Child) -> io::Result<ExitStatus> {
    signal(&child, Signal::KILL);
    child.wait()
}

/// Becomes the program: what `twinline exec-notify` does in the process that is to be it, started
/// by the engine `parent`. Returns only when that fails, with why.
///
/// It ends with the engine (SIGTERM), does not have the engine's files open (DPDK opens NICs and
/// memory without close-on-exec: a program that kept them would keep the next engine from
/// starting), and does not hold on to a folder.
#[must_use]
pub fn become_program(parent: u32, words: &[OsString]) -> io::Error {
    if let Err(error) = set_parent_process_death_signal(Some(Signal::TERM)) {
        return error.into();
    }
    let ours = getppid().and_then(|pid| u32::try_from(pid.as_raw_nonzero().get()).ok());
    if ours != Some(parent) {
        return io::Error::other("the engine has ended");
    }
    if let Err(error) = dpdk::files::close_on_exec() {
        return error;
    }
    if let Err(error) = std::env::set_current_dir("/") {
        return error;
    }
    let Some((program, arguments)) = words.split_first() else {
        return ErrorKind::InvalidInput.into();
    };
    Command::new(program).args(arguments).exec()
}
