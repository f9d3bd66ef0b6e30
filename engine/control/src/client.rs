use std::io::{self, ErrorKind};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::connect::connect;
use crate::line::{self, LineError, LineReader};
use crate::{Reply, Request, read_only_path};

/// No reply is longer: a whole ring of events has some hundred kilobytes.
const REPLY_LIMIT: usize = 16 << 20;
/// Longer than the server waits for the engine, whatever was asked.
const TIME: Duration = Duration::from_secs(15);

/// A connection to an engine.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    path: PathBuf,
    time: Duration,
}

/// Why an engine could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no socket, or nobody behind it.
    #[error(
        "no engine listens on {}: is twinline running? Start it with `twinline run`, or name the \
         engine's socket as its configuration does", path.display()
    )]
    NotRunning {
        /// The socket.
        path: PathBuf,
    },
    /// The socket is there and we may not use it.
    #[error(
        "no permission to use {}: only the user that runs the engine, root, and the members of \
         instance.control_group may; those of instance.control_read_group may look", path.display()
    )]
    Permission {
        /// The socket.
        path: PathBuf,
    },
    /// No answer in time: the engine is stopped or overloaded.
    #[error(
        "the engine on {} did not answer within {seconds} s: it may be stopped (SIGSTOP) or hung",
        path.display()
    )]
    TimedOut {
        /// The socket.
        path: PathBuf,
        /// For how long we waited.
        seconds: u64,
    },
    /// The engine closed the connection before it answered.
    #[error("the engine on {} closed the connection before it answered", path.display())]
    Closed {
        /// The socket.
        path: PathBuf,
    },
    /// The answer is not one that this client reads.
    #[error(
        "the answer of {} is not understood: {why}; are engine and client of one version?",
        path.display()
    )]
    BadReply {
        /// The socket.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The socket failed otherwise.
    #[error("socket {}: {error}", path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// The system's error.
        #[source]
        error: io::Error,
    },
}

impl Client {
    /// Connects to the engine that listens on `path`; who may not use that, to the socket beside it
    /// on which one may look.
    ///
    /// # Errors
    /// All but [`ClientError::Closed`] and [`ClientError::BadReply`].
    pub fn connect(path: impl AsRef<Path>) -> Result<Client, ClientError> {
        let path = path.as_ref().to_path_buf();
        let connected = match connect(&path, TIME) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                connect(&read_only_path(&path), TIME).map_err(|_| error)
            }
            other => other,
        };
        match connected {
            Ok(stream) => Ok(Client {
                stream,
                path,
                time: TIME,
            }),
            Err(error) => Err(match error.kind() {
                ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
                    ClientError::NotRunning { path }
                }
                ErrorKind::PermissionDenied => ClientError::Permission { path },
                ErrorKind::TimedOut => ClientError::TimedOut {
                    path,
                    seconds: TIME.as_secs(),
                },
                _ => ClientError::Io { path, error },
            }),
        }
    }

    /// Waits for at most `time` in each [`Client::call`], instead of 15 s.
    #[must_use]
    pub fn with_time(mut self, time: Duration) -> Client {
        self.time = time;
        self
    }

    /// Asks, and waits for the answer. The server closes a connection that is idle for 5 s: who
    /// asks now and then connects anew each time.
    ///
    /// # Errors
    /// All but [`ClientError::NotRunning`] and [`ClientError::Permission`]. After an error the
    /// connection is of no more use.
    pub fn call(&mut self, request: &Request) -> Result<Reply, ClientError> {
        let path = || self.path.clone();
        let bad = |error: serde_json::Error| ClientError::BadReply {
            path: path(),
            why: error.to_string(),
        };
        let request = serde_json::to_vec(request).map_err(bad)?;
        let sent = line::write(&self.stream, request, self.time);
        // A server that turned us away (too many connections) has closed, but has said why.
        let turned_away = matches!(&sent, Err(error) if error.kind() == ErrorKind::BrokenPipe);
        if let Err(error) = sent
            && !turned_away
        {
            return Err(self.failed(error));
        }
        // A reader for one line: the server sends nothing unasked.
        let answer = LineReader::new(REPLY_LIMIT).read(&self.stream, self.time);
        let line = answer.map_err(|error| match error {
            LineError::Closed { .. } => ClientError::Closed { path: path() },
            LineError::TimedOut { .. } => self.failed(ErrorKind::TimedOut.into()),
            LineError::TooLong => ClientError::BadReply {
                path: path(),
                why: "longer than 16 MiB".into(),
            },
            LineError::Io(error) => self.failed(error),
        })?;
        serde_json::from_slice(&line).map_err(bad)
    }

    fn failed(&self, error: io::Error) -> ClientError {
        let path = self.path.clone();
        match error.kind() {
            ErrorKind::TimedOut => ClientError::TimedOut {
                path,
                seconds: self.time.as_secs_f64().ceil() as u64,
            },
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => ClientError::Closed { path },
            _ => ClientError::Io { path, error },
        }
    }
}
