//! The state file: what survives a restart (flaps, latch, suspension, boot ids, epoch).
//!
//! JSON with a checksum, written beside the old one and renamed over it, so that a crash leaves
//! the old or the new one and never half of one. A damaged file is an alarm and not a crash: it is
//! put aside, and the engine starts as on its first day.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender};
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

/// Writes states from a thread of its own, so that no disk delays a heartbeat.
#[derive(Debug)]
pub struct StateWriter {
    states: Option<Sender<SavedState>>,
    failures: Receiver<String>,
    thread: Option<JoinHandle<()>>,
}

impl StateWriter {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the kernel gives no thread.
    pub fn spawn(path: PathBuf) -> io::Result<Self> {
        let (states, incoming) = crossbeam_channel::unbounded::<SavedState>();
        let (failed, failures) = crossbeam_channel::bounded(1);
        let write = move || {
            while let Ok(mut state) = incoming.recv() {
                // Only the newest one counts.
                while let Ok(newer) = incoming.try_recv() {
                    state = newer;
                }
                if let Err(error) = save(&path, &state) {
                    let text = format!("state file {}: {error}", path.display());
                    // A failure that waits to be read is enough.
                    let _ = failed.try_send(text);
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("state-file".into())
            .spawn(write)?;
        Ok(Self {
            states: Some(states),
            failures,
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

    /// A failure to write, if there was one since the last look.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.failures.try_recv().ok()
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
    fn a_disk_that_refuses_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.state");
        fs::create_dir(&path).unwrap();
        let writer = StateWriter::spawn(path).unwrap();
        writer.write(SavedState::default());
        let failure = writer
            .failures
            .recv_timeout(std::time::Duration::from_secs(10));
        assert!(failure.unwrap().contains("state file"));
    }
}
