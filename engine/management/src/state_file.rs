//! The state file: what survives a restart (flaps, latch, suspension, boot ids, epoch).
//!
//! JSON with a checksum, written beside the old one and renamed over it, so that a crash leaves
//! the old or the new one and never half of one. A damaged file is an alarm and not a crash: it is
//! put aside, and the engine starts as on its first day.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use serde::{Deserialize, Serialize};
use twinline_ha::SavedState;

/// More than any state that we write.
const MAX_BYTES: u64 = 1 << 20;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    flaps_unix_ms: Vec<u64>,
    latched: bool,
    suspended: bool,
    active: bool,
    epoch: u64,
    boots: Vec<(u16, u64)>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    state: Record,
    checksum: String,
}

fn checksum(record: &Record) -> Result<String, serde_json::Error> {
    let text = serde_json::to_string(record)?;
    Ok(blake3::hash(text.as_bytes()).to_hex().to_string())
}

/// What reading the state file gave.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// The state; the default where there was none that could be used.
    pub state: SavedState,
    /// What the operator must hear of.
    pub problem: Option<String>,
}

/// Reads the state file. It never fails: what cannot be used is said in [`Loaded::problem`].
#[must_use]
pub fn load(path: &Path) -> Loaded {
    match read(path) {
        Ok(state) => Loaded {
            state,
            problem: None,
        },
        Err(Unusable::Missing) => Loaded::default(),
        Err(Unusable::Io(error)) => {
            let problem = format!(
                "state file {}: {error}; flaps, latch and suspension of earlier runs are unknown",
                path.display()
            );
            Loaded {
                state: SavedState::default(),
                problem: Some(problem),
            }
        }
        Err(Unusable::Damaged(what)) => {
            let aside = with_suffix(path, ".damaged");
            let kept = match fs::rename(path, &aside) {
                Ok(()) => format!("kept as {}", aside.display()),
                Err(error) => format!("could not be put aside: {error}"),
            };
            let problem = format!(
                "state file {} is damaged ({what}), {kept}; flaps, latch and suspension of earlier \
                 runs are unknown",
                path.display()
            );
            Loaded {
                state: SavedState::default(),
                problem: Some(problem),
            }
        }
    }
}

enum Unusable {
    Missing,
    Io(io::Error),
    Damaged(String),
}

fn read(path: &Path) -> Result<SavedState, Unusable> {
    let file = fs::File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Unusable::Missing,
        _ => Unusable::Io(error),
    })?;
    let mut text = Vec::new();
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut text)
        .map_err(Unusable::Io)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(Unusable::Damaged(format!("larger than {MAX_BYTES} bytes")));
    }
    let document: Document = serde_json::from_slice(&text)
        .map_err(|error| Unusable::Damaged(format!("no state that we wrote: {error}")))?;
    if document.version != 1 {
        return Err(Unusable::Damaged(format!(
            "version {}, accepted is 1",
            document.version
        )));
    }
    let sum = checksum(&document.state).map_err(|e| Unusable::Damaged(e.to_string()))?;
    if sum != document.checksum {
        return Err(Unusable::Damaged("its checksum is wrong".into()));
    }
    let Record {
        flaps_unix_ms,
        latched,
        suspended,
        active,
        epoch,
        boots,
    } = document.state;
    let boots = boots.into_iter().collect();
    Ok(SavedState {
        flaps_unix_ms,
        latched,
        suspended,
        active,
        epoch,
        boots,
    })
}

/// Writes the state file, whole or not at all.
///
/// # Errors
/// What the file system answers.
pub fn save(path: &Path, state: &SavedState) -> io::Result<()> {
    let record = Record {
        flaps_unix_ms: state.flaps_unix_ms.clone(),
        latched: state.latched,
        suspended: state.suspended,
        active: state.active,
        epoch: state.epoch,
        boots: state
            .boots
            .iter()
            .map(|(&instance, &boot)| (instance, boot))
            .collect(),
    };
    let checksum = checksum(&record)?;
    let mut text = serde_json::to_vec_pretty(&Document {
        version: 1,
        state: record,
        checksum,
    })?;
    text.push(b'\n');
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let beside = with_suffix(path, ".new");
    let mut file = fs::File::create(&beside)?;
    file.write_all(&text)?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// After this long a state that could not be written is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// Writes states from a thread of its own, so that no disk delays a heartbeat. A state that could
/// not be written is tried again until it is, or until there is a newer one.
#[derive(Debug)]
pub struct StateWriter {
    states: Option<Sender<SavedState>>,
    reports: Receiver<Result<(), String>>,
    thread: Option<JoinHandle<()>>,
}

impl StateWriter {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the kernel gives no thread.
    pub fn spawn(path: PathBuf) -> io::Result<Self> {
        Self::spawn_with(path, RETRY)
    }

    fn spawn_with(path: PathBuf, retry: Duration) -> io::Result<Self> {
        let (states, incoming) = crossbeam_channel::unbounded();
        let (report, reports) = crossbeam_channel::bounded(4);
        let thread = std::thread::Builder::new()
            .name("state-file".into())
            .spawn(move || write_all(&path, retry, &incoming, &report))?;
        Ok(Self {
            states: Some(states),
            reports,
            thread: Some(thread),
        })
    }

    /// Hands a state over; never blocks.
    pub fn write(&self, state: SavedState) {
        if let Some(states) = &self.states {
            // The thread lives as long as we do.
            let _ = states.send(state);
        }
    }

    /// The next change since the last look: states cannot be written, and why; or they can again.
    #[must_use]
    pub fn report(&self) -> Option<Result<(), String>> {
        self.reports.try_recv().ok()
    }
}

/// The thread: until nobody hands states over any more.
fn write_all(
    path: &Path,
    retry: Duration,
    incoming: &Receiver<SavedState>,
    report: &Sender<Result<(), String>>,
) {
    let mut unwritten: Option<SavedState> = None;
    let mut told: Result<(), String> = Ok(());
    loop {
        let mut state = match &unwritten {
            None => match incoming.recv() {
                Ok(state) => state,
                Err(_) => return,
            },
            Some(old) => match incoming.recv_timeout(retry) {
                Ok(state) => state,
                Err(RecvTimeoutError::Timeout) => old.clone(),
                Err(RecvTimeoutError::Disconnected) => return,
            },
        };
        // Only the newest one counts.
        while let Ok(newer) = incoming.try_recv() {
            state = newer;
        }
        let result = save(path, &state).map_err(|error| {
            format!(
                "state file {}: {error}; until it can be written, flaps, latch and suspension do \
                 not survive a restart",
                path.display()
            )
        });
        unwritten = result.is_err().then_some(state);
        // What finds no room now is told with the next try.
        if result != told && report.try_send(result.clone()).is_ok() {
            told = result;
        }
    }
}

impl Drop for StateWriter {
    /// Waits until what was handed over is on the disk.
    fn drop(&mut self) {
        self.states = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the state file's thread panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> SavedState {
        SavedState {
            flaps_unix_ms: vec![1, 2],
            latched: true,
            suspended: false,
            active: true,
            epoch: 77,
            boots: [(2, u64::MAX), (3, 4)].into(),
        }
    }

    #[test]
    fn rule_13_what_was_saved_is_loaded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/a.state");
        assert_eq!(load(&path), Loaded::default());
        save(&path, &state()).unwrap();
        assert_eq!(
            load(&path),
            Loaded {
                state: state(),
                problem: None
            }
        );
    }

    #[test]
    fn a_damaged_file_is_put_aside_and_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.state");
        save(&path, &state()).unwrap();
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x01;
            fs::write(&path, &bad).unwrap();
            let loaded = load(&path);
            // White space may change without harm; nothing else may.
            if loaded.problem.is_none() {
                assert_eq!(loaded.state, state(), "flipped byte {at}");
            } else {
                assert_eq!(loaded.state, SavedState::default());
                assert!(with_suffix(&path, ".damaged").exists());
            }
        }
        for garbage in ["", "{", "null", "[1]"] {
            fs::write(&path, garbage).unwrap();
            assert!(
                load(&path).problem.is_some_and(|p| p.contains("damaged")),
                "{garbage:?}"
            );
        }
        fs::create_dir(&path).unwrap();
        assert!(load(&path).problem.is_some());
    }

    #[test]
    fn the_writer_writes_the_newest_before_it_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.state");
        let writer = StateWriter::spawn(path.clone()).unwrap();
        for epoch in 0..100 {
            writer.write(SavedState {
                epoch,
                ..SavedState::default()
            });
        }
        drop(writer);
        assert_eq!(load(&path).state.epoch, 99);
    }

    #[test]
    fn a_disk_that_refuses_is_said_and_tried_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.state");
        fs::create_dir(&path).unwrap();
        let retry = Duration::from_millis(20);
        let writer = StateWriter::spawn_with(path.clone(), retry).unwrap();
        writer.write(state());
        let patience = Duration::from_secs(10);
        let report = writer.reports.recv_timeout(patience).unwrap();
        assert!(report.unwrap_err().contains("state file"));
        std::thread::sleep(retry * 3);
        assert_eq!(writer.report(), None, "said once");
        fs::remove_dir(&path).unwrap();
        assert_eq!(writer.reports.recv_timeout(patience).unwrap(), Ok(()));
        assert_eq!(load(&path).state, state());
    }
}
