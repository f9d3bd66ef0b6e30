//! The folder of the configurations that were in force.
//!
//! `index.json` names them; each has a file of its own with its text. All are written beside and
//! renamed, the index last, so that a crash at any point leaves the old history or the new one.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use twinline_config::MAX_FILE_BYTES;

use super::clock::Clocks;
use super::history::{By, Commit, History, KEPT, Waiting};

/// More than any index that we write.
const MAX_INDEX_BYTES: u64 = 1 << 20;
const INDEX: &str = "index.json";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    time_unix_ms: u64,
    by: String,
    user: String,
    summary: String,
    blake3: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wait {
    former: Entry,
    since_unix_ms: u64,
    /// For those who look: `since_unix_ms` and `within_ms` in sum.
    deadline_unix_ms: u64,
    within_ms: u64,
    boot: String,
    since_uptime_ms: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    file_blake3: String,
    waiting: Option<Wait>,
    commits: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    body: Body,
    checksum: String,
}

/// Names a content.
#[must_use]
pub fn hash(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

/// What reading the folder gave.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// The history; empty where there was none that could be used.
    pub history: History,
    /// What the operator must hear of.
    pub problem: Option<String>,
}

/// Reads the folder. It never fails: what cannot be used is said in [`Stored::problem`].
#[must_use]
pub fn load(folder: &Path) -> Stored {
    let index = folder.join(INDEX);
    let text = match read(&index, MAX_INDEX_BYTES) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Stored::default(),
        Err(error) => return unusable(format!("{}: {error}", index.display())),
    };
    match understood(folder, &text) {
        Ok(stored) => stored,
        Err(what) => {
            let aside = folder.join("index.json.damaged");
            let kept = match fs::rename(&index, &aside) {
                Ok(()) => format!("kept as {}", aside.display()),
                Err(error) => format!("could not be put aside: {error}"),
            };
            unusable(format!("{} is damaged ({what}), {kept}", index.display()))
        }
    }
}

fn unusable(what: String) -> Stored {
    Stored {
        history: History::default(),
        problem: Some(format!(
            "{what}; which configurations were in force is not known, the configuration file counts"
        )),
    }
}

fn understood(folder: &Path, text: &str) -> Result<Stored, String> {
    let document: Document =
        serde_json::from_str(text).map_err(|error| format!("no index that we wrote: {error}"))?;
    if document.version != 1 {
        return Err(format!("version {}, accepted is 1", document.version));
    }
    if checksum(&document.body).map_err(|e| e.to_string())? != document.checksum {
        return Err("its checksum is wrong".into());
    }
    let body = document.body;
    let newest = body.commits.first().map(|entry| entry.time_unix_ms);
    let mut history = History {
        file_hash: body.file_blake3,
        ..History::default()
    };
    let mut problem = None;
    for entry in body.commits.into_iter().take(KEPT) {
        let number = entry.time_unix_ms;
        match commit(folder, entry) {
            Ok(commit) => history.commits.push_back(commit),
            Err(what) if Some(number) == newest => return Err(what),
            Err(what) => problem = Some(what),
        }
    }
    if let Some(wait) = body.waiting {
        history.waiting = Some(Waiting {
            former: commit(folder, wait.former)?,
            since: Clocks {
                unix_ms: wait.since_unix_ms,
                boot: wait.boot,
                uptime_ms: wait.since_uptime_ms,
            },
            within: Duration::from_millis(wait.within_ms),
        });
    }
    Ok(Stored { history, problem })
}

fn commit(folder: &Path, entry: Entry) -> Result<Commit, String> {
    if entry.blake3.bytes().any(|b| !b.is_ascii_hexdigit()) {
        return Err(format!("hash {:?}", entry.blake3));
    }
    let path = text_path(folder, entry.time_unix_ms, &entry.blake3);
    let text = read(&path, MAX_FILE_BYTES).map_err(|e| format!("{}: {e}", path.display()))?;
    if hash(&text) != entry.blake3 {
        return Err(format!("{} is not what was committed", path.display()));
    }
    Ok(Commit {
        time_unix_ms: entry.time_unix_ms,
        by: By::named(&entry.by).ok_or_else(|| format!("by {:?}", entry.by))?,
        user: entry.user,
        summary: entry.summary,
        text: text.into(),
    })
}

/// With the hash in its name: a text that takes the place of another is another file.
fn text_path(folder: &Path, time_unix_ms: u64, hash: &str) -> PathBuf {
    let hash = hash.get(..16).unwrap_or(hash);
    folder.join(format!("{time_unix_ms}-{hash}.toml"))
}

fn read(path: &Path, limit: u64) -> io::Result<String> {
    // a FIFO must not hold us up
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let file = File::open(path)?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::other(format!("larger than {limit} bytes")));
    }
    String::from_utf8(bytes).map_err(io::Error::other)
}

fn checksum(body: &Body) -> Result<String, serde_json::Error> {
    Ok(hash(&serde_json::to_string(body)?))
}

fn entry(commit: &Commit) -> Entry {
    Entry {
        time_unix_ms: commit.time_unix_ms,
        by: commit.by.as_str().into(),
        user: commit.user.clone(),
        summary: commit.summary.clone(),
        blake3: hash(&commit.text),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Writes histories into a folder.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Texts that are there: number and hash.
    there: BTreeMap<u64, String>,
}

impl Folder {
    /// Of this path; nothing is touched yet.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            there: BTreeMap::new(),
        }
    }

    /// Writes the history, whole or not at all.
    ///
    /// # Errors
    /// What the file system answers.
    pub fn save(&mut self, history: &History) -> io::Result<()> {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700).create(&self.path)?;
        let former = history.waiting.as_ref().map(|waiting| &waiting.former);
        let mut keep = BTreeMap::new();
        for commit in history.commits.iter().chain(former) {
            let entry = entry(commit);
            let (number, hash) = (entry.time_unix_ms, entry.blake3);
            if self.there.get(&number) != Some(&hash) {
                let path = text_path(&self.path, number, &hash);
                write_whole(&path, commit.text.as_bytes(), 0o600, None)?;
            }
            keep.insert(number, hash);
        }
        // their names are on the disk before the index names them
        File::open(&self.path)?.sync_all()?;
        let body = Body {
            file_blake3: history.file_hash.clone(),
            waiting: history.waiting.as_ref().map(|waiting| Wait {
                former: entry(&waiting.former),
                since_unix_ms: waiting.since.unix_ms,
                deadline_unix_ms: waiting.until_unix_ms(),
                within_ms: millis(waiting.within),
                boot: waiting.since.boot.clone(),
                since_uptime_ms: waiting.since.uptime_ms,
            }),
            commits: history.commits.iter().map(entry).collect(),
        };
        let mut text = serde_json::to_vec_pretty(&Document {
            version: 1,
            checksum: checksum(&body)?,
            body,
        })?;
        text.push(b'\n');
        write_whole(&self.path.join(INDEX), &text, 0o600, None)?;
        File::open(&self.path)?.sync_all()?;
        self.there = keep;
        self.tidy();
        Ok(())
    }

    /// Takes away the texts that the index names no more. What cannot be taken away does no harm.
    fn tidy(&self) {
        let Ok(files) = fs::read_dir(&self.path) else {
            return;
        };
        for file in files.flatten() {
            let name = file.file_name();
            let parts = name.to_str().and_then(|name| name.strip_suffix(".toml"));
            let Some((number, hash)) = parts.and_then(|parts| parts.split_once('-')) else {
                continue;
            };
            let kept = number.parse().ok().and_then(|n: u64| self.there.get(&n));
            if !kept.is_some_and(|kept| kept.starts_with(hash)) {
                let _ = fs::remove_file(file.path());
            }
        }
    }
}

/// Writes a file whole or not at all: beside it, then renamed over it. It gets `mode`, and `owner`
/// (user and group) where that is not us.
///
/// # Errors
/// What the file system answers; the old file is left as it was.
pub fn write_whole(
    path: &Path,
    bytes: &[u8],
    mode: u32,
    owner: Option<(u32, u32)>,
) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    // what a crash has left; never through a link that somebody laid
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        // for nobody else before it has its owner
        .mode(0o600)
        .open(&beside)?;
    let owned = match owner {
        Some((user, group)) => fchown(&file, Some(user), Some(group)),
        None => Ok(()),
    };
    let written = owned
        .and_then(|()| file.set_permissions(Permissions::from_mode(mode)))
        .and_then(|()| file.write_all(bytes))
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}
