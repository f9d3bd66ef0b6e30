//! What can go wrong in the lab, in words that an operator can act on.

use std::io;

/// The lab's result.
pub type Result<T> = std::result::Result<T, LabError>;

/// An error of the lab itself. A scene that did not meet its rule is not an error but a result.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A command of iproute2, ethtool or the engine ended with a status that is not 0.
    #[error("`{command}` failed ({status}): {stderr}")]
    Command {
        /// The command line.
        command: String,
        /// Its exit status.
        status: String,
        /// What it said, shortened.
        stderr: String,
    },
    /// A command could not be started.
    #[error(
        "`{command}` cannot be started: {source}; install it with: apt-get install -y {package}"
    )]
    Missing {
        /// The program.
        command: String,
        /// The Debian package that has it.
        package: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A system call or a file operation failed.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// The lab needs root.
    #[error("the lab makes network namespaces and must run as root: try `sudo make run`")]
    NotRoot,
    /// There is no engine binary.
    #[error(
        "no engine binary: {tried}; build it with `cargo build -p twinline`, or name it with --engine PATH or TWINLINE_BIN=PATH"
    )]
    NoEngine {
        /// The places that were looked at.
        tried: String,
    },
    /// Something did not happen in time.
    #[error("waited {waited_ms} ms for {what}, in vain: {seen}{logs}")]
    Timeout {
        /// What was waited for.
        what: String,
        /// How long, in ms.
        waited_ms: u128,
        /// What was seen last.
        seen: String,
        /// Tails of the engines' logs; empty where they say nothing.
        logs: String,
    },
    /// An engine ended that should be running.
    #[error("engine {name} ended by itself ({status}){logs}")]
    EngineDied {
        /// `a` or `b`.
        name: String,
        /// How it ended.
        status: String,
        /// The tail of its log.
        logs: String,
    },
    /// The engine gave an answer that is not understood.
    #[error("answer of the engine's control socket is not understood ({what}): {answer}")]
    Answer {
        /// What is missing.
        what: String,
        /// The answer, shortened.
        answer: String,
    },
    /// The engine did not answer.
    #[error("{0}")]
    NoAnswer(String),
    /// A measuring thread failed.
    #[error("the probe failed: {0}")]
    Probe(String),
    /// The run is being cleaned up: nothing new is made.
    #[error("the lab is being taken down")]
    Closing,
}

impl LabError {
    /// The engine's doing (a role that never came, a verb refused, an early end), not the lab's.
    #[must_use]
    pub fn is_the_engines(&self) -> bool {
        use LabError::{Answer, Command, EngineDied, NoAnswer, Timeout};
        matches!(
            self,
            Timeout { .. } | EngineDied { .. } | NoAnswer(_) | Answer { .. } | Command { .. }
        )
    }

    /// Wraps an I/O error with what was tried.
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
