//! A program on a pseudo-terminal, and what its screen shows.
#![allow(dead_code, clippy::unwrap_used)] // helpers of tests count as tests

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};

/// A shared machine is slow at times.
const PATIENCE: Duration = Duration::from_secs(20);

/// A child on a terminal; killed by drop.
pub struct OnTerminal {
    child: Child,
    /// `None` once it was hung up.
    keys: Option<File>,
    /// Our own hold of the program's side: its modes are asked here.
    terminal: OwnedFd,
    before: Termios,
    screen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

struct Seen {
    bytes: Vec<u8>,
    parser: vt100::Parser,
}

impl OnTerminal {
    pub fn start(mut command: Command, columns: u16, rows: u16) -> OnTerminal {
        let control =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&control).unwrap();
        unlockpt(&control).unwrap();
        let name = ptsname(&control, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let terminal = rustix::fs::open(name.as_c_str(), flags, Mode::empty()).unwrap();
        tcsetwinsize(&terminal, size(columns, rows)).unwrap();
        let before = tcgetattr(&terminal).unwrap();
        let side = || terminal.try_clone().unwrap();
        let child = command
            .stdin(side())
            .stdout(side())
            .stderr(side())
            .spawn()
            .unwrap();
        let keys = File::from(control);
        let mut output = keys.try_clone().unwrap();
        let screen = Arc::new(Mutex::new(Seen {
            bytes: Vec::new(),
            parser: vt100::Parser::new(some(rows), some(columns), 0),
        }));
        let seen = Arc::clone(&screen);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let reader = std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while !stopped.load(Ordering::SeqCst) {
                let mut wanted = [PollFd::new(&output, PollFlags::IN)];
                let nap = Timespec {
                    tv_sec: 0,
                    tv_nsec: 20_000_000,
                };
                if !matches!(poll(&mut wanted, Some(&nap)), Ok(1..)) {
                    continue;
                }
                let Ok(length @ 1..) = output.read(&mut chunk) else {
                    break;
                };
                let mut seen = seen.lock().unwrap();
                seen.bytes.extend(&chunk[..length]);
                seen.parser.process(&chunk[..length]);
            }
        });
        OnTerminal {
            child,
            keys: Some(keys),
            terminal,
            before,
            screen,
            stop,
            reader: Some(reader),
        }
    }

    /// What the screen shows now.
    pub fn screen(&self) -> String {
        self.screen.lock().unwrap().parser.screen().contents()
    }

    /// Everything that was written to the terminal.
    pub fn bytes(&self) -> Vec<u8> {
        self.screen.lock().unwrap().bytes.clone()
    }

    /// Waits until the screen shows it.
    pub fn until(&self, what: &str) -> String {
        self.wait(|screen| screen.contains(what), what)
    }

    /// Waits until the screen does not show it any more.
    pub fn until_not(&self, what: &str) -> String {
        self.wait(|screen| !screen.contains(what), what)
    }

    fn wait(&self, is: impl Fn(&str) -> bool, what: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen();
            if is(&screen) {
                return screen;
            }
            assert!(
                Instant::now() < deadline,
                "waited for {what:?} in vain:\n{screen}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn press(&mut self, keys: &str) {
        self.keys
            .as_mut()
            .unwrap()
            .write_all(keys.as_bytes())
            .unwrap();
    }

    pub fn resize(&self, columns: u16, rows: u16) {
        self.screen
            .lock()
            .unwrap()
            .parser
            .screen_mut()
            .set_size(some(rows), some(columns));
        tcsetwinsize(&self.terminal, size(columns, rows)).unwrap();
        self.signal(Signal::WINCH);
    }

    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    /// Takes the terminal away, and waits for the end.
    pub fn hang_up(&mut self) -> ExitStatus {
        self.stop.store(true, Ordering::SeqCst);
        self.reader.take().unwrap().join().unwrap();
        self.keys = None;
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for the end; the terminal has to be as it was.
    pub fn end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(
                Instant::now() < deadline,
                "it does not end:\n{}",
                self.screen()
            );
            std::thread::sleep(Duration::from_millis(20));
        };
        let after = tcgetattr(&self.terminal).unwrap();
        assert_eq!(
            after.local_modes, self.before.local_modes,
            "echo, lines, signals"
        );
        assert_eq!(after.input_modes, self.before.input_modes);
        assert_eq!(after.output_modes, self.before.output_modes);
        // What it wrote last may still be on its way.
        let deadline = Instant::now() + PATIENCE;
        let has = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).any(|at| at == what);
        while !has(&self.bytes(), b"\x1b[?1049l") {
            assert!(
                Instant::now() < deadline,
                "the first screen did not come back"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(
            !self.screen.lock().unwrap().parser.screen().hide_cursor(),
            "no cursor"
        );
        status
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.stop.store(true, Ordering::SeqCst);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

fn size(columns: u16, rows: u16) -> Winsize {
    Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

fn some(lines: u16) -> NonZeroU16 {
    NonZeroU16::new(lines).unwrap()
}
