use std::cell::OnceCell;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Sender, TrySendError, bounded};
use log::{debug, info, warn};

use super::{Call, Caller, Limits};
use crate::line::{self, LineError, LineReader};
use crate::{Reply, Request};

/// One client.
pub(super) struct Connection {
    stream: UnixStream,
    limits: Limits,
    read_only: bool,
    calls: Sender<Call>,
    /// Looked up with the first request that changes something.
    caller: OnceCell<Caller>,
}

impl Connection {
    pub(super) fn new(
        stream: UnixStream,
        limits: Limits,
        read_only: bool,
        calls: Sender<Call>,
    ) -> Connection {
        Connection {
            stream,
            limits,
            read_only,
            calls,
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
            Ok(request) if request.only_reads() => self.ask_engine(request, Caller::unknown()),
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
                self.ask_engine(request, caller.clone())
            }
            Err(message) => error(message),
        }
    }

    fn caller(&self) -> &Caller {
        self.caller.get_or_init(|| {
            Caller::of(&self.stream).unwrap_or_else(|error| {
                warn!("control: who is connected is not known: {error}");
                Caller::unknown()
            })
        })
    }

    /// Passes the request to the management core and waits, for a bounded time.
    fn ask_engine(&self, request: Request, caller: Caller) -> Reply {
        let time = if request.is_slow() {
            self.limits.role_change_time
        } else {
            self.limits.answer_time
        };
        let (reply, answer) = bounded(1);
        let abandoned = Arc::new(AtomicBool::new(false));
        let call = Call {
            request,
            caller,
            reply,
            abandoned: Arc::clone(&abandoned),
        };
        match self.calls.try_send(call) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                return error("engine is busy: too many requests wait already".into());
            }
            Err(TrySendError::Disconnected(_)) => return error("engine is stopping".into()),
        }
        match answer.recv_timeout(time) {
            Ok(reply) => reply,
            Err(_) => {
                abandoned.store(true, Ordering::Release);
                // It may have answered in the moment before it was told.
                answer
                    .try_recv()
                    .unwrap_or_else(|_| error("engine did not answer".into()))
            }
        }
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
