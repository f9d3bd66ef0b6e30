//! Which engine is meant: the options that say it, and the only one that runs.

use std::path::PathBuf;

use clap::Args;

use crate::console::Place;

/// The engine that a command is for; without an option, the only one that runs.
#[derive(Args)]
pub struct Target {
    /// The engine's control socket.
    #[arg(long, value_name = "PATH", conflicts_with = "config")]
    socket: Option<PathBuf>,
    /// Take the socket from this configuration.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Target {
    /// The engine's socket.
    ///
    /// # Errors
    /// When the configuration is wrong, and when none or several engines run.
    pub fn socket(&self) -> anyhow::Result<PathBuf> {
        Place::from_options(self.socket.as_deref(), self.config.as_deref())?.socket()
    }
}
