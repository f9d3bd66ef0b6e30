use std::cell::OnceCell;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use log::{debug, info, warn};

use super::{Asker, Caller, Limits};
use crate::line::{self, LineError, LineReader};
use crate::{Reply, Request};

/// One client.
pub(super) struct Connection {
    stream: UnixStream,
    limits: Limits,
    read_only: bool,
    engine: Asker,
    /// Looked up with the first request that changes something.
    caller: OnceCell<Arc<Caller>>,
}

impl Connection {
    pub(super) fn new(
        stream: UnixStream,
        limits: Limits,
        read_only: bool,
        engine: Asker,
    ) -> Connection {
        Connection {
            stream,
            limits,
            read_only,
            engine,
            caller: OnceCell::new(),
        }
    }

    /// Serves the client until it leaves, is idle for too long, or sends what cannot be a line.
    pub(super) fn run(&self, stopping: &AtomicBool) {
        let mut lines = LineReader::new(self.limits.line_bytes);
        while !stopping.load(Ordering::Acquire) {
            let (reply, go_on) = match lines.read(&self.stream, self.limits.io_time) {
                // A bad line leaves the next one good.
                Ok(line) => (self.answer(&line), true),
                Err(LineError::TooLong) => {
                    let limit = self.limits.line_bytes;
                    (
                        error(format!("request line is longer than {limit} bytes")),
                        false,
                    )
                }
                Err(LineError::TimedOut { part: true }) => {
                    let seconds = self.limits.io_time.as_secs_f64();
                    (
                        error(format!("request line did not end within {seconds} s")),
                        false,
                    )
                }
                Err(LineError::Closed { part: true }) => (
                    error("request line did not end with a newline".into()),
                    false,
                ),
                Err(LineError::TimedOut { part: false } | LineError::Closed { part: false }) => {
                    return;
                }
                Err(LineError::Io(error)) => {
                    debug!("control client: {error}");
                    return;
                }
            };
            if !self.send(&reply) || !go_on {
                return;
            }
        }
    }

    fn answer(&self, line: &[u8]) -> Reply {
        match Request::parse(line) {
            Ok(request) if request.only_reads() => self.engine.ask(request),
            Ok(request) => {
                let caller = self.caller();
                let who = format!("{} (uid {}, pid {})", caller.user, caller.uid, caller.pid);
                if self.read_only {
                    warn!(
                        "control: {who} may only look, and asked: {}",
                        request.in_words()
                    );
                    return Reply::Refused {
                        reason: format!(
                            "{} changes something, and on this socket one may only look: ask on \
                             the control socket itself, as a member of instance.control_group",
                            request.name()
                        ),
                    };
                }
                info!("control: {who} asks: {}", request.in_words());
                self.engine.ask_for(request, Arc::clone(caller))
            }
            Err(message) => error(message),
        }
    }

    fn caller(&self) -> &Arc<Caller> {
        self.caller.get_or_init(|| {
            let caller = Caller::of(&self.stream).unwrap_or_else(|error| {
                warn!("control: who is connected is not known: {error}");
                Caller::unknown()
            });
            Arc::new(caller)
        })
    }

    fn send(&self, reply: &Reply) -> bool {
        let sent = serde_json::to_vec(reply)
            .map_err(std::io::Error::other)
            .and_then(|line| line::write(&self.stream, line, self.limits.io_time));
        if let Err(error) = &sent {
            debug!("control client: reply not sent: {error}");
        }
        sent.is_ok()
    }
}

fn error(message: String) -> Reply {
    Reply::Error { message }
}
