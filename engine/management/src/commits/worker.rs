//! The thread that reads candidates and writes what was committed, so that neither a large text nor
//! a slow disk delays a heartbeat.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded, unbounded};
use twinline_config::{Applies, Change, Config, Errors, Loaded, MAX_FILE_BYTES, edit, read_text};
use twinline_control::{Call, ConfigStatus, Payload, Reply};
use twinline_wire::heartbeat::Auth;

use super::for_the_next_start;
use super::history::History;
use super::store::{Folder, hash, write_whole};
use crate::appliance::load_auth;
use crate::convert;
use crate::core::live_part;

/// Jobs that wait at most: as many as there are connections, and some of our own.
const JOBS: usize = 24;
/// After this long a history that could not be written is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// What a candidate is made from, and compared with.
#[derive(Debug, Clone)]
pub struct Base {
    /// Counts the changes: what was prepared for another one is prepared again.
    pub generation: u64,
    /// What the engine runs with.
    pub running: Arc<Config>,
    /// What was committed last: it may have what waits for the next start.
    pub committed: Arc<Config>,
    /// The same as text.
    pub text: Arc<str>,
}

/// What somebody wants.
#[derive(Debug, Clone)]
pub enum Wish {
    /// Only to know what the candidate would change.
    Diff(Arc<str>),
    /// One value.
    Set {
        /// Its dotted key.
        key: String,
        /// The value, TOML.
        value: String,
    },
    /// This candidate.
    Commit(Arc<str>),
    /// One that was in force.
    Rollback(Arc<str>),
    /// The configuration file.
    Reload(PathBuf),
}

/// A job for the thread.
#[derive(Debug)]
pub enum Job {
    /// Read and check; the outcome is [`Outcome::Prepared`], or the call is answered.
    Prepare {
        /// Who waits for it; nobody for a reload.
        call: Option<Call>,
        /// What is wanted.
        wish: Wish,
        /// From where.
        base: Base,
    },
    /// Show a configuration that was in force.
    Show {
        /// Who asks.
        call: Call,
        /// Its text.
        text: Arc<str>,
        /// Where it is from, in words.
        from: String,
    },
    /// Write to the configuration file.
    Save {
        /// Who asks.
        call: Call,
        /// The file.
        path: PathBuf,
        /// What is written.
        text: Arc<str>,
        /// What the file had when it was read or written last.
        file_hash: String,
    },
    /// Keep the history.
    Write {
        /// The history.
        history: Box<History>,
        /// What is answered once it is kept.
        answers: Vec<(Call, Reply)>,
    },
}

/// A candidate that is valid.
#[derive(Debug)]
pub struct Prepared {
    /// Who waits for it.
    pub call: Option<Call>,
    /// What was wanted.
    pub wish: Wish,
    /// From where.
    pub base: Base,
    /// The candidate.
    pub text: Arc<str>,
    /// As it is understood.
    pub config: Arc<Config>,
    /// What of it can run now.
    pub merged: Config,
    /// The digest of that.
    pub digest: u64,
    /// What changes against what was committed last.
    pub changes: Vec<Change>,
    /// What changes against what runs; of a reload only.
    pub against_running: Vec<Change>,
    /// Its keys; none where only a difference is asked for.
    pub auth: Option<Auth>,
    /// What deserves a word.
    pub warnings: Vec<String>,
}

/// What came of a job.
#[derive(Debug)]
pub enum Outcome {
    /// A candidate is valid.
    Prepared(Box<Prepared>),
    /// The file is not, and why.
    NotReloaded(String),
    /// The file was written.
    Saved {
        /// Who asked.
        call: Call,
        /// What was to be written.
        wanted: Arc<str>,
        /// What was written: the same configuration with the file's comments.
        text: Arc<str>,
        /// As it is understood.
        config: Box<Config>,
        /// For the operator.
        message: String,
    },
    /// The history can be written again, or cannot any more, and why.
    Kept(Result<(), String>),
}

/// The thread.
#[derive(Debug)]
pub struct Worker {
    jobs: Option<Sender<Job>>,
    outcomes: Receiver<Outcome>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the kernel gives no thread.
    pub fn spawn(folder: PathBuf) -> io::Result<Self> {
        let (jobs, incoming) = bounded(JOBS);
        let (told, outcomes) = unbounded();
        let keeper = Keeper {
            folder: Folder::new(folder.clone()),
            path: folder,
            told,
            state: Ok(()),
            unwritten: None,
        };
        let thread = std::thread::Builder::new()
            .name("commits".into())
            .spawn(move || keeper.run(&incoming))?;
        Ok(Self {
            jobs: Some(jobs),
            outcomes,
            thread: Some(thread),
        })
    }

    /// Hands a job over; never blocks. It comes back when too many wait.
    ///
    /// # Errors
    /// The job.
    pub fn hand(&self, job: Job) -> Result<(), Box<Job>> {
        match &self.jobs {
            None => Err(Box::new(job)),
            Some(jobs) => jobs.try_send(job).map_err(|error| match error {
                TrySendError::Full(job) | TrySendError::Disconnected(job) => Box::new(job),
            }),
        }
    }

    /// The next outcome, if there is one.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        self.outcomes.try_recv().ok()
    }

    /// Hands a last history over, for which it may wait.
    pub fn finish(&self, history: History) {
        if let Some(jobs) = &self.jobs {
            let _ = jobs.send(Job::Write {
                history: Box::new(history),
                answers: Vec::new(),
            });
        }
    }
}

impl Drop for Worker {
    /// Waits until what was handed over is on the disk.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the commits' thread panicked");
        }
    }
}

struct Keeper {
    folder: Folder,
    path: PathBuf,
    told: Sender<Outcome>,
    /// As it was told last.
    state: Result<(), String>,
    unwritten: Option<Box<History>>,
}

impl Keeper {
    fn run(mut self, jobs: &Receiver<Job>) {
        loop {
            let job = match &self.unwritten {
                None => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(_) => jobs.recv_timeout(RETRY),
            };
            match job {
                Ok(job) => self.job(job),
                Err(RecvTimeoutError::Timeout) => {
                    if let Some(history) = self.unwritten.take() {
                        self.write(history, Vec::new());
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Nobody may be there to hear it any more.
    fn tell(&self, outcome: Outcome) {
        let _ = self.told.send(outcome);
    }

    fn job(&mut self, job: Job) {
        match job {
            Job::Prepare { call, wish, base } => {
                if call.as_ref().is_some_and(Call::is_abandoned) {
                    return;
                }
                match (prepare(&wish, &base), call) {
                    (Ok(ready), call) => self.tell(Outcome::Prepared(Box::new(Prepared {
                        call,
                        wish,
                        base,
                        ..ready
                    }))),
                    (Err(reason), Some(call)) => call.answer(Reply::Refused { reason }),
                    (Err(reason), None) => self.tell(Outcome::NotReloaded(reason)),
                }
            }
            Job::Show { call, text, from } => call.answer(show(&text, from)),
            Job::Save {
                call,
                path,
                text,
                file_hash,
            } => {
                if call.is_abandoned() {
                    return;
                }
                match save(&path, &text, &file_hash) {
                    Err(reason) => call.answer(Reply::Refused { reason }),
                    Ok((written, config, message)) => self.tell(Outcome::Saved {
                        call,
                        wanted: text,
                        text: written.into(),
                        config: Box::new(config),
                        message,
                    }),
                }
            }
            Job::Write { history, answers } => self.write(history, answers),
        }
    }

    fn write(&mut self, history: Box<History>, answers: Vec<(Call, Reply)>) {
        let result = self.folder.save(&history).map_err(|error| {
            format!(
                "{}: {error}; until it can be written, what is committed does not survive a restart",
                self.path.display()
            )
        });
        self.unwritten = result.is_err().then_some(history);
        for (call, reply) in answers {
            call.answer(match &result {
                Ok(()) => reply,
                Err(what) => with_warning(reply, what),
            });
        }
        if result != self.state {
            self.state.clone_from(&result);
            self.tell(Outcome::Kept(result));
        }
    }
}

/// It is in force all the same: the operator is told what is missing.
fn with_warning(mut reply: Reply, what: &str) -> Reply {
    match &mut reply {
        Reply::Ok(Payload::Changes(changes)) => {
            changes
                .warnings
                .push(format!("in force, but not kept: {what}"));
        }
        Reply::Ok(Payload::Done { message }) => {
            *message = format!("{message}; but that is not kept: {what}");
        }
        _ => {}
    }
    reply
}

fn lines(errors: &Errors) -> String {
    match errors.len() {
        1 => errors.to_string(),
        many => format!("{many} errors; nothing is changed\n{errors}"),
    }
}

/// Reads, checks, compares; the caller fills in what it knows.
pub(super) fn prepare(wish: &Wish, base: &Base) -> Result<Prepared, String> {
    let parse = |text: &str| Config::parse(text, "candidate").map_err(|errors| lines(&errors));
    let (text, loaded): (Arc<str>, Loaded) = match wish {
        Wish::Diff(text) | Wish::Commit(text) => (Arc::clone(text), parse(text)?),
        Wish::Rollback(text) => {
            let of = |why| format!("this engine does not take that configuration any more: {why}");
            (Arc::clone(text), parse(text).map_err(of)?)
        }
        Wish::Set { key, value } => {
            let text = edit::set(&base.text, key, value).map_err(|error| error.to_string())?;
            let loaded = parse(&text)?;
            (text.into(), loaded)
        }
        Wish::Reload(path) => {
            let read = read_text(path).and_then(|text| {
                let loaded = Config::parse(&text, path)?;
                Ok((text.into(), loaded))
            });
            read.map_err(|errors| {
                for error in errors.iter() {
                    log::error!("reload refused: {error}");
                }
                let first = errors.iter().next().map(ToString::to_string);
                let first = first.unwrap_or_default();
                format!("reload of {} refused: {first}", path.display())
            })?
        }
    };
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(format!(
            "the candidate is larger than {MAX_FILE_BYTES} bytes"
        ));
    }
    let config = loaded.config;
    let changes = Config::diff(&base.committed, &config);
    if let Wish::Set { key, .. } = wish
        && !for_the_next_start(&changes).is_empty()
    {
        return Err(format!(
            "{key}: this change needs a restart: put it into a candidate and commit that (it is kept \
             for the next start)"
        ));
    }
    let by_file = matches!(wish, Wish::Reload(_));
    let against_running = if by_file {
        Config::diff(&base.running, &config)
    } else {
        Vec::new()
    };
    if !by_file && config.instance.state_file != base.committed.instance.state_file {
        return Err(
            "instance.state_file cannot be committed, what is committed is kept beside it: write it \
             to the configuration file and restart the engine"
                .into(),
        );
    }
    let auth = match wish {
        // whoever may only look gets no key file read
        Wish::Diff(_) => None,
        Wish::Reload(_) => {
            Some(load_auth(&config).map_err(|error| format!("reload refused: {error}"))?)
        }
        _ => Some(load_auth(&config).map_err(|error| error.to_string())?),
    };
    let merged = live_part(&base.running, &config);
    let mut warnings = new_warnings(&loaded.warnings, base);
    if by_file {
        warnings = loaded.warnings.iter().map(ToString::to_string).collect();
    } else {
        warnings.extend(words(&changes, &Config::diff(&merged, &config)));
    }
    Ok(Prepared {
        call: None,
        wish: wish.clone(),
        base: base.clone(),
        digest: convert::digest(&merged),
        text,
        config: Arc::new(config),
        merged,
        changes,
        against_running,
        auth,
        warnings,
    })
}

/// The validation's warnings that were not there before.
fn new_warnings(warnings: &[twinline_config::Warning], base: &Base) -> Vec<String> {
    let before = Config::parse(&base.text, "candidate");
    let before = before.map(|loaded| loaded.warnings).unwrap_or_default();
    let known = |warning: &twinline_config::Warning| {
        let mut before = before.iter();
        before.any(|b| (&b.key, &b.message) == (&warning.key, &warning.message))
    };
    let new = warnings.iter().filter(|warning| !known(warning));
    new.map(ToString::to_string).collect()
}

/// What follows from the changes alone.
fn words(changes: &[Change], waiting: &[Change]) -> Vec<String> {
    let mut out = Vec::new();
    for change in changes {
        let last = change.key.rsplit('.').next();
        match (change.key.as_str(), last) {
            ("ha.primary", _) => out.push(
                "ha.primary: exactly one instance of the stack is to be primary once all have \
                 started again"
                    .into(),
            ),
            ("ha.key_file", _) => out.push(
                "ha.key_file: the other instances must accept the new key already, as their key_file \
                 or next_key_file"
                    .into(),
            ),
            (key, Some("priority")) if change.applies == Applies::Live => {
                out.push(format!("{key}: the virtual router may move to or from another router"));
            }
            _ => {}
        }
    }
    let waiting = for_the_next_start(waiting);
    if !waiting.is_empty() {
        out.push(format!("kept for the next start: {}", waiting.join(", ")));
    }
    out
}

fn show(text: &str, from: String) -> Reply {
    let config = match Config::parse(text, "committed") {
        Ok(loaded) => loaded.config,
        Err(errors) => {
            return Reply::Error {
                message: format!("this engine does not read it any more: {}", lines(&errors)),
            };
        }
    };
    Reply::Ok(Payload::Config(ConfigStatus {
        path: from,
        digest: format!("{:016x}", convert::digest(&config)),
        toml: text.to_owned(),
        config: serde_json::to_value(&config).unwrap_or_default(),
    }))
}

/// Writes `text` to the file, with the comments that the file has. Gives what was written, what that
/// is, and a line for the operator.
fn save(path: &Path, text: &str, file_hash: &str) -> Result<(String, Config, String), String> {
    let io = |error: io::Error| format!("{} cannot be written: {error}", path.display());
    let config = match Config::parse(text, "committed") {
        Ok(loaded) => loaded.config,
        Err(errors) => return Err(lines(&errors)),
    };
    // where it is a link, what it leads to is written
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let there = match fs::metadata(&target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(io(error)),
        Ok(_) => Some(read_text(&target).map_err(|errors| lines(&errors))?),
    };
    let Some(there) = there else {
        write_whole(&target, text.as_bytes(), 0o640, None).map_err(io)?;
        let message = format!("saved to {}, which was not there", path.display());
        return Ok((text.to_owned(), config, message));
    };
    let says = Config::parse(&there, path).map(|loaded| loaded.config);
    if says.as_ref().is_ok_and(|says| *says == config) {
        let message = format!("{} says the same already", path.display());
        return Ok((there, config, message));
    }
    if hash(&there) != file_hash {
        return Err(format!(
            "{} was edited since the engine read it: it is not overwritten; a reload (SIGHUP) puts it \
             into force, or move it away and save again",
            path.display()
        ));
    }
    let written = edit::keeping_comments(&there, text);
    let meta = fs::metadata(&target).map_err(io)?;
    let mode = meta.permissions().mode() & 0o7777;
    let owner = (meta.uid(), meta.gid());
    write_whole(&target, written.as_bytes(), mode, Some(owner)).map_err(io)?;
    sync_folder(&target);
    Ok((written, config, format!("saved to {}", path.display())))
}

/// The new name is on the disk, too; where that cannot be had, the old file or the new one is.
fn sync_folder(file: &Path) {
    if let Some(folder) = file.parent()
        && let Err(error) = fs::File::open(folder).and_then(|folder| folder.sync_all())
    {
        log::warn!("{}: {error}", folder.display());
    }
}
