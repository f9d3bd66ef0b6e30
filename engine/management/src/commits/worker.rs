//! The thread that reads candidates and writes what was committed, so that neither a large text nor
//! a slow disk delays a heartbeat.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded, unbounded};
use twinline_config::{Change, Config};
use twinline_control::{Call, ConfigStatus, Payload, Reply};
use twinline_wire::heartbeat::Auth;

use super::history::History;
use super::prepare::{lines, prepare};
use super::save::save;
use super::store::Folder;
use crate::convert;

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
