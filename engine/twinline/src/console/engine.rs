//! The engine, as seen from a console: one connection for each request, so that an engine that
//! was started again is met again without a word.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use anyhow::bail;
use twinline_config::Config;
use twinline_control::{Client, ClientError, HaStatus, Payload, Reply, Request, render};

/// How often a wait looks whether it is wanted any more.
const LOOK: Duration = Duration::from_millis(50);
/// The folder in which an engine's socket is found by itself.
const FOLDER: &str = "/run/twinline";

/// Why a command was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The engine said no, and why.
    #[error("refused: {0}")]
    Refused(String),
    /// Anything else, one line or several.
    #[error("{0}")]
    Error(String),
    /// Ctrl-C.
    #[error("interrupted; what was begun in the engine goes on")]
    Interrupted,
}

impl Failure {
    /// The exit code: 2 where it was refused, else 1.
    pub fn code(&self) -> u8 {
        match self {
            Failure::Refused(_) => 2,
            Failure::Error(_) | Failure::Interrupted => 1,
        }
    }
}

impl Failure {
    /// As it is printed: lines, without control characters.
    pub fn lines(&self) -> String {
        render::lines(&self.to_string()).trim_end().to_owned()
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        Failure::Error(crate::one_line(&error))
    }
}

/// Where the engine's socket is.
#[derive(Debug, Clone)]
pub enum Place {
    /// There.
    At(PathBuf),
    /// The only one in the default folder; looked for anew each time.
    Only,
}

impl Place {
    /// From the options `--socket` and `--config`.
    ///
    /// # Errors
    /// When the configuration cannot be read.
    pub fn from_options(socket: Option<&Path>, config: Option<&Path>) -> anyhow::Result<Place> {
        if let Some(socket) = socket {
            return Ok(Place::At(socket.to_path_buf()));
        }
        let Some(path) = config else {
            return Ok(Place::Only);
        };
        let loaded = Config::load(path).map_err(|errors| anyhow::anyhow!("{errors}"))?;
        Ok(Place::At(loaded.config.instance.control_socket))
    }

    /// The socket that is meant now.
    ///
    /// # Errors
    /// When none or several engines run, and none was named.
    pub fn socket(&self) -> anyhow::Result<PathBuf> {
        match self {
            Place::At(socket) => Ok(socket.clone()),
            Place::Only => only_socket(),
        }
    }
}

/// The one socket in the default folder; several are a question for the operator.
fn only_socket() -> anyhow::Result<PathBuf> {
    let mut sockets: Vec<PathBuf> = std::fs::read_dir(FOLDER)
        .map(|entries| {
            let paths = entries.filter_map(|e| e.ok().map(|e| e.path()));
            paths
                .filter(|p| p.extension().is_some_and(|e| e == "sock"))
                .collect()
        })
        .unwrap_or_default();
    sockets.sort();
    match sockets.as_slice() {
        [socket] => Ok(socket.clone()),
        [] => bail!(
            "no control socket in {FOLDER}: is an engine running? Name its socket with --socket \
             PATH, or its configuration with --config FILE"
        ),
        many => {
            let names: Vec<String> = many.iter().map(|p| p.display().to_string()).collect();
            bail!(
                "several engines run: choose one with --socket: {}",
                names.join(", ")
            )
        }
    }
}

/// Asks an engine.
#[derive(Debug, Clone)]
pub struct Engine {
    place: Place,
    /// Ctrl-C was pressed: whatever waits should end.
    pub interrupted: Arc<AtomicBool>,
}

impl Engine {
    /// An engine at a place.
    pub fn new(place: Place) -> Engine {
        Engine {
            place,
            interrupted: Arc::default(),
        }
    }

    /// Asks, and waits for the answer for as long as the control socket's client does.
    ///
    /// # Errors
    /// What the engine, or the way to it, has to say.
    pub fn ask(&self, request: &Request) -> Result<Payload, Failure> {
        match self.call(request, None)? {
            Reply::Ok(payload) => Ok(payload),
            Reply::Refused { reason } => Err(Failure::Refused(render::clean(&reason))),
            Reply::Error { message } => Err(Failure::Error(render::clean(&message))),
        }
    }

    /// Asks for what is only nice to have, and waits for it for `patience`.
    ///
    /// # Errors
    /// Why nothing was seen.
    pub fn glance(&self, request: &Request, patience: Duration) -> Result<Payload, Glance> {
        match self.call(request, Some(patience)) {
            Ok(Reply::Ok(payload)) => Ok(payload),
            Ok(_) | Err(Trouble::Interrupted | Trouble::Slow | Trouble::Other(_)) => {
                Err(Glance::NoAnswer)
            }
            Err(Trouble::Client(error)) => Err(match error {
                ClientError::Permission { .. } => Glance::NoPermission,
                ClientError::TimedOut { .. } | ClientError::BadReply { .. } => Glance::NoAnswer,
                ClientError::NotRunning { .. }
                | ClientError::Closed { .. }
                | ClientError::Io { .. } => Glance::Away,
            }),
            Err(Trouble::Nowhere(_)) => Err(Glance::Away),
        }
    }

    /// The HA node's state.
    ///
    /// # Errors
    /// As [`Engine::ask`].
    pub fn ha(&self) -> Result<HaStatus, Failure> {
        match self.ask(&Request::ShowHa)? {
            Payload::Ha(status) => Ok(*status),
            _ => Err(unexpected()),
        }
    }

    /// A thread of its own waits, so that Ctrl-C is heard meanwhile; an engine that is stopped
    /// lets its clients wait for long, even in connecting.
    fn call(&self, request: &Request, patience: Option<Duration>) -> Result<Reply, Trouble> {
        let socket = self.place.socket().map_err(Trouble::Nowhere)?;
        let request = request.clone();
        let (done, answer) = sync_channel(1);
        let ask = move || {
            let reply = Client::connect(&socket).and_then(|mut client| client.call(&request));
            // nobody waits any more after Ctrl-C
            let _ = done.send(reply);
        };
        std::thread::Builder::new()
            .name("ask".into())
            .spawn(ask)
            .map_err(|error| Trouble::Other(format!("no thread: {error}")))?;
        let deadline = patience.map(|patience| Instant::now() + patience);
        loop {
            match answer.recv_timeout(LOOK) {
                Ok(reply) => return reply.map_err(Trouble::Client),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Trouble::Other("nothing was answered".into()));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            if self.interrupted.load(Ordering::Relaxed) {
                return Err(Trouble::Interrupted);
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(Trouble::Slow);
            }
        }
    }
}

/// Why there is no reply.
enum Trouble {
    /// There is no one socket.
    Nowhere(anyhow::Error),
    Client(ClientError),
    Interrupted,
    Slow,
    Other(String),
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Failure {
        match trouble {
            Trouble::Nowhere(error) => error.into(),
            Trouble::Client(error) => Failure::Error(render::clean(&error.to_string())),
            Trouble::Interrupted => Failure::Interrupted,
            Trouble::Slow => Failure::Error("the engine did not answer".into()),
            Trouble::Other(why) => Failure::Error(why),
        }
    }
}

/// Why nothing was seen at a glance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Glance {
    /// Nobody is there.
    Away,
    /// Somebody is there and says nothing of use.
    NoAnswer,
    /// We may not ask.
    NoPermission,
}

impl Glance {
    /// As the prompt says it.
    pub fn word(self) -> &'static str {
        match self {
            Glance::Away => "(no engine)",
            Glance::NoAnswer => "(no answer)",
            Glance::NoPermission => "(no permission)",
        }
    }
}

/// An answer of another kind than what was asked for.
pub fn unexpected() -> Failure {
    Failure::Error("the engine answered something else than what it was asked".into())
}
