//! As much of an HTTP server as a scrape takes: GET, one answer, end of the connection.
//!
//! Everything is bounded: connections, the bytes of a request, and the time of one, however slow
//! the client reads or writes. (The small HTTP servers that there are start a thread for each
//! client and wait for it for ever.)

mod connection;

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use log::warn;

/// Connections at once; one more is closed.
const CONNECTIONS: usize = 4;
/// How long a connection may last.
const LIFE: Duration = Duration::from_secs(5);

/// Why nothing could be served.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot serve metrics at {address}: {error}; set metrics.address to an address of this machine and a free port"
)]
pub struct HttpError {
    address: SocketAddr,
    #[source]
    error: io::Error,
}

/// What a client gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn ok(content_type: &'static str, body: String) -> Answer {
        Answer {
            status: "200 OK",
            content_type,
            body,
        }
    }

    pub(crate) fn not_found(text: &str) -> Answer {
        Answer::error("404 Not Found", text)
    }

    pub(crate) fn unavailable(text: &str) -> Answer {
        Answer::error("503 Service Unavailable", text)
    }

    pub(crate) fn error(status: &'static str, text: &str) -> Answer {
        Answer {
            status,
            content_type: "text/plain; charset=utf-8",
            body: format!("{text}\n"),
        }
    }
}

/// What answers a path.
pub(crate) type Respond = Arc<dyn Fn(&str) -> Answer + Send + Sync>;

/// Listens until it is dropped.
pub(crate) struct HttpServer {
    listener: TcpListener,
    address: SocketAddr,
    stopping: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

impl fmt::Debug for HttpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpServer")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl HttpServer {
    /// Listens on `address`.
    pub(crate) fn bind(address: SocketAddr, respond: Respond) -> Result<HttpServer, HttpError> {
        HttpServer::bind_with(address, respond, LIFE)
    }

    fn bind_with(
        address: SocketAddr,
        respond: Respond,
        life: Duration,
    ) -> Result<HttpServer, HttpError> {
        let failed = |error| HttpError { address, error };
        let listener = TcpListener::bind(address).map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let stopping = Arc::new(AtomicBool::new(false));
        let acceptor = Acceptor {
            listener: listener.try_clone().map_err(failed)?,
            stopping: stopping.clone(),
            respond,
            life,
            open: Arc::new(AtomicUsize::new(0)),
        };
        let thread = std::thread::Builder::new()
            .name("metrics".into())
            .spawn(move || acceptor.run())
            .map_err(failed)?;
        Ok(HttpServer {
            listener,
            address: bound,
            stopping,
            acceptor: Some(thread),
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Release);
        // Wakes the acceptor.
        match rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both) {
            Err(error) => warn!("metrics: cannot stop listening: {error}"),
            Ok(()) => {
                if let Some(thread) = self.acceptor.take() {
                    let _ = thread.join();
                }
            }
        }
    }
}

struct Acceptor {
    listener: TcpListener,
    stopping: Arc<AtomicBool>,
    respond: Respond,
    life: Duration,
    open: Arc<AtomicUsize>,
}

impl Acceptor {
    fn run(self) {
        while !self.stopping.load(Ordering::Acquire) {
            match self.listener.accept() {
                Ok((stream, _)) => self.take(stream),
                Err(_) if self.stopping.load(Ordering::Acquire) => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    // Out of descriptors, for example: it passes, or comes again at once.
                    warn!("metrics: cannot accept: {error}");
                    std::thread::sleep(Duration::from_millis(100));
                }
            }
        }
    }

    fn take(&self, stream: TcpStream) {
        // Only this thread adds, so the count cannot pass the limit in between.
        if self.open.load(Ordering::Acquire) >= CONNECTIONS {
            return;
        }
        self.open.fetch_add(1, Ordering::AcqRel);
        let slot = Slot(self.open.clone());
        let (respond, life) = (self.respond.clone(), self.life);
        let spawned = std::thread::Builder::new()
            .name("metrics-client".into())
            .spawn(move || {
                let _slot = slot;
                connection::serve(&stream, &*respond, life);
            });
        if let Err(error) = spawned {
            warn!("metrics: no thread for a client: {error}");
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

#[cfg(test)]
mod tests;
