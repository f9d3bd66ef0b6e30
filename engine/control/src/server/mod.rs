//! The engine's side of the control socket.

mod access;
mod ask;
mod bind;
mod connection;

use std::io::ErrorKind;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use log::warn;

pub use access::{Access, Caller, read_only_path};
pub use ask::Asker;
pub use bind::BindError;

use crate::{Reply, Request, line};

/// What bounds the server's work.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once; one more is told so and closed.
    pub connections: usize,
    /// Bytes of a request line.
    pub line_bytes: usize,
    /// For how long a connection may be idle, a request line take to come, or a reply to go.
    pub io_time: Duration,
    /// For how long the engine may take to answer.
    pub answer_time: Duration,
    /// The same where the role changes first ([`Request::is_slow`]).
    pub role_change_time: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 8,
            // A configuration file of the largest size, as a JSON string.
            line_bytes: (2 << 20) + (64 << 10),
            io_time: Duration::from_secs(5),
            answer_time: Duration::from_secs(2),
            role_change_time: Duration::from_secs(10),
        }
    }
}

/// One request, for the management core to answer.
#[derive(Debug)]
pub struct Call {
    request: Request,
    caller: Arc<Caller>,
    reply: Sender<Reply>,
    abandoned: Arc<AtomicBool>,
}

impl Call {
    /// What is asked.
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Who asks; only looked up for a request that changes something.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Whether the server has given up waiting. The client was told "did not answer" then, so a
    /// command that has not begun should not be carried out any more.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Acquire)
    }

    /// Answers. Never blocks; an answer that nobody waits for any more is dropped.
    pub fn answer(self, reply: Reply) {
        // There is room for one, and this is the one.
        let _ = self.reply.try_send(reply);
    }
}

/// Listens on the control socket until it is dropped; the socket's file goes with it.
#[derive(Debug)]
pub struct Server {
    path: PathBuf,
    /// Device and inode of our socket: on drop, another's is left alone.
    file: (u64, u64),
    listener: UnixListener,
    stopping: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
    asker: Asker,
}

impl Server {
    /// Listens on `path`, for those that `access` names, with the default [`Limits`]. Requests come
    /// out of the receiver.
    ///
    /// Makes the parent folders. A socket that nobody listens on, left by an engine that was
    /// killed, is replaced.
    ///
    /// # Errors
    /// See [`BindError`]; another engine's socket is left as it is.
    pub fn bind(
        path: impl AsRef<Path>,
        access: &Access,
    ) -> Result<(Server, Receiver<Call>), BindError> {
        Server::bind_with(path, access, Limits::default())
    }

    /// [`Server::bind`] with other limits.
    ///
    /// # Errors
    /// See [`BindError`].
    pub fn bind_with(
        path: impl AsRef<Path>,
        access: &Access,
        limits: Limits,
    ) -> Result<(Server, Receiver<Call>), BindError> {
        let path = path.as_ref().to_path_buf();
        let (listener, file) = bind::listen(&path, access)?;
        let io = |error| BindError::Io {
            path: path.clone(),
            error,
        };
        let (calls, receiver) = bounded(limits.connections);
        let stopping = Arc::new(AtomicBool::new(false));
        let asker = Asker::new(limits, calls);
        let acceptor = Acceptor {
            listener: listener.try_clone().map_err(io)?,
            stopping: Arc::clone(&stopping),
            limits,
            read_only: access.read_only,
            engine: asker.clone(),
            open: Arc::new(AtomicUsize::new(0)),
        };
        let thread = std::thread::Builder::new()
            .name("control".into())
            .spawn(move || acceptor.run())
            .map_err(io)?;
        Ok((
            Server {
                path,
                file,
                listener,
                stopping,
                acceptor: Some(thread),
                asker,
            },
            receiver,
        ))
    }

    /// What asks the management core from within the process.
    #[must_use]
    pub fn asker(&self) -> Asker {
        self.asker.clone()
    }

    /// The socket's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Release);
        // Wakes the acceptor, and turns new clients away, even where the file is gone.
        if let Err(error) = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both) {
            warn!(
                "control socket {}: cannot stop listening: {error}",
                self.path.display()
            );
        } else if let Some(thread) = self.acceptor.take() {
            let _ = thread.join();
        }
        bind::remove(&self.path, self.file);
    }
}

/// Takes connections and gives each a thread.
struct Acceptor {
    listener: UnixListener,
    stopping: Arc<AtomicBool>,
    limits: Limits,
    read_only: bool,
    engine: Asker,
    /// Connections that are open.
    open: Arc<AtomicUsize>,
}

impl Acceptor {
    fn run(self) {
        while !self.stopping.load(Ordering::Acquire) {
            match self.listener.accept() {
                Ok((stream, _)) => self.take(stream),
                Err(_) if self.stopping.load(Ordering::Acquire) => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    // Out of descriptors, for example: it passes, or comes again at once.
                    warn!("control socket: cannot accept: {error}");
                    std::thread::sleep(Duration::from_millis(100));
                }
            }
        }
    }

    fn take(&self, stream: UnixStream) {
        // Only this thread adds, so the count cannot pass the limit in between.
        if self.open.load(Ordering::Acquire) >= self.limits.connections {
            let message = format!("{} connections are open already", self.limits.connections);
            // Fits the empty socket buffer: it does not wait for the client.
            if let Ok(reply) = serde_json::to_vec(&Reply::Error { message }) {
                let _ = line::write(&stream, reply, Duration::from_millis(100));
            }
            return;
        }
        self.open.fetch_add(1, Ordering::AcqRel);
        let slot = Slot(Arc::clone(&self.open));
        let connection =
            connection::Connection::new(stream, self.limits, self.read_only, self.engine.clone());
        let stopping = Arc::clone(&self.stopping);
        let spawned = std::thread::Builder::new()
            .name("control-client".into())
            .spawn(move || {
                let _slot = slot;
                connection.run(&stopping);
            });
        if let Err(error) = spawned {
            warn!("control socket: no thread for a client: {error}");
        }
    }
}

/// A connection's place among those open; given back on drop, whatever ends the thread.
struct Slot(Arc<AtomicUsize>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
