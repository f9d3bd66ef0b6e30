//! Which engine is meant: the options that say it, and the only one that runs.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use twinline_config::Config;

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
        if let Some(socket) = &self.socket {
            return Ok(socket.clone());
        }
        if let Some(path) = &self.config {
            let loaded = Config::load(path).map_err(|errors| anyhow::anyhow!("{errors}"))?;
            return Ok(loaded.config.instance.control_socket);
        }
        only_socket()
    }
}

/// The one socket in the default folder; several are a question for the operator.
fn only_socket() -> anyhow::Result<PathBuf> {
    const FOLDER: &str = "/run/twinline";
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
