//! A person at a terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

/// Long, since the machine is shared.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program in a terminal of its own.
pub struct Pty {
    child: Child,
    /// Keeps the terminal when the program has ended.
    _theirs: OwnedFd,
    keyboard: File,
    screen: Arc<Mutex<String>>,
    /// How far of the screen was looked at.
    seen: usize,
}

impl Pty {
    /// `twinline console`, at home in `home`.
    pub fn console(socket: &Path, home: &Path) -> Pty {
        let options = ["console", "--socket", socket.to_str().unwrap()];
        Pty::twinline(&options, home)
    }

    pub fn twinline(options: &[&str], home: &Path) -> Pty {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let ours: OwnedFd = openpt(flags).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let size = Winsize {
            ws_row: 24,
            ws_col: 160,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&ours, size).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let theirs = rustix::fs::open(name, flags, Mode::empty()).unwrap();
        let end = || Stdio::from(theirs.try_clone().unwrap());
        // its controlling terminal, so that Ctrl-C is a signal
        let child = Command::new("setsid")
            .arg("-c")
            .arg(env!("CARGO_BIN_EXE_twinline"))
            .args(options)
            .env("HOME", home)
            .env_remove("XDG_STATE_HOME")
            .env("TERM", "xterm")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        let screen = Arc::new(Mutex::new(String::new()));
        let to = screen.clone();
        let mut from = File::from(ours.try_clone().unwrap());
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // an error when the program has ended
            while let Ok(count @ 1..) = from.read(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..count]);
                to.lock().unwrap().push_str(&text);
            }
        });
        Pty {
            child,
            _theirs: theirs,
            keyboard: File::from(ours),
            screen,
            seen: 0,
        }
    }

    pub fn signal(&self, signal: Signal) {
        let id = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(id, signal).unwrap();
    }

    /// Whether the terminal shows what is typed by itself.
    pub fn echoes(&self) -> bool {
        let settings = tcgetattr(&self.keyboard).unwrap();
        settings.local_modes.contains(LocalModes::ECHO)
    }

    pub fn keys(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    pub fn bytes(&mut self, keys: &[u8]) {
        self.keyboard.write_all(keys).unwrap();
    }

    /// Types a line, waits for `answer`, and then for the next prompt.
    pub fn line(&mut self, line: &str, answer: &str) {
        self.keys(&format!("{line}\r"));
        self.see(answer);
        self.see("> ");
    }

    /// Waits until `text` is seen behind what was seen before; gives what came before it.
    pub fn see(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            {
                let screen = self.screen.lock().unwrap();
                let new = &screen[self.seen..];
                if let Some(at) = new.find(text) {
                    let before = new[..at].to_owned();
                    self.seen += at + text.len();
                    return before;
                }
                assert!(Instant::now() < deadline, "no {text:?} in:\n{new:?}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits for its end.
    pub fn end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            let screen = self.screen.lock().unwrap().clone();
            assert!(Instant::now() < deadline, "it did not end:\n{screen}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
