use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Sender, TrySendError, bounded};

use super::{Call, Caller, Limits};
use crate::{Reply, Request};

/// Asks the management core, as a client of the socket does: through the same bounded channel, and
/// for a bounded time.
#[derive(Debug, Clone)]
pub struct Asker {
    limits: Limits,
    calls: Sender<Call>,
}

impl Asker {
    pub(super) fn new(limits: Limits, calls: Sender<Call>) -> Asker {
        Asker { limits, calls }
    }

    /// Passes the request to the management core and waits for its answer.
    #[must_use]
    pub fn ask(&self, request: Request) -> Reply {
        self.ask_for(request, Arc::new(Caller::unknown()))
    }

    /// The same for a client that is known.
    pub(super) fn ask_for(&self, request: Request, caller: Arc<Caller>) -> Reply {
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
                return error("engine is busy: too many requests wait already");
            }
            Err(TrySendError::Disconnected(_)) => return error("engine is stopping"),
        }
        match answer.recv_timeout(time) {
            Ok(reply) => reply,
            Err(_) => {
                abandoned.store(true, Ordering::Release);
                // It may have answered in the moment before it was told.
                answer
                    .try_recv()
                    .unwrap_or_else(|_| error("engine did not answer"))
            }
        }
    }
}

fn error(message: &str) -> Reply {
    Reply::Error {
        message: message.into(),
    }
}
