//! Twinline's configuration: schema, units and validation.
//!
//! One TOML file describes one instance. [`Config::load`] reads it, checks it as a whole and
//! gives either a [`Loaded`] configuration (with warnings) or *all* its [`Errors`]: each names the
//! file, the line, the key, the value as written, and what is accepted. Unknown keys are refused.
//!
//! The table of keys is [`schema::KEYS`]: names, ranges, defaults and whether a change applies
//! live. Reading, the documentation and [`Config::diff`] all use that one table.
//!
//! This crate knows neither DPDK nor the machine: whether a core, a NIC or a hugepage exists is
//! found out at start. It does no I/O besides reading the file and the key files ([`keys`]).
#![forbid(unsafe_code)]

mod devices;
mod diff;
pub mod edit;
mod error;
pub mod keys;
mod l3;
mod load;
mod memory;
mod read;
pub mod schema;
mod suggest;
mod types;

pub use devices::{PciAddress, Vdev};
pub use diff::{Change, render as render_diff};
pub use error::{Error, Errors, Warning};
pub use l3::{Checksum, Interface, L3, Prefix, Route, Version, VirtualRouter};
pub use schema::Applies;
pub use suggest::nearest;
pub use types::{
    Bandwidth, BypassCard, CardKind, CardPath, Config, Device, Eal, Events, Ha, Instance, Lcores,
    LinkPair, Links, Metrics, Mode, OnMaxFlaps, Polling, Port, Registers, Syslog, Topology, Work,
    assign,
};

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The largest configuration file that is read, in bytes (1 MiB).
pub const MAX_FILE_BYTES: u64 = 1 << 20;

/// A valid configuration, and what its author should know about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The configuration, with defaults filled in.
    pub config: Config,
    /// Things that are accepted but deserve a word, one line each.
    pub warnings: Vec<Warning>,
}

impl Config {
    /// Reads and validates the file at `path`.
    ///
    /// # Errors
    /// All faults of the file at once; or one error without a line when it cannot be read, is not
    /// a regular file, is larger than [`MAX_FILE_BYTES`] or is not UTF-8.
    pub fn load(path: impl AsRef<Path>) -> Result<Loaded, Errors> {
        let path = path.as_ref();
        let text = read_text(path)?;
        Self::parse(&text, path)
    }

    /// Validates `text` as if it had been read from `path` (used in messages only).
    ///
    /// # Errors
    /// All faults at once, ordered by line.
    pub fn parse(text: &str, path: impl AsRef<Path>) -> Result<Loaded, Errors> {
        load::parse(text, path.as_ref())
    }
}

/// The text of the file at `path`, as [`Config::load`] reads it.
///
/// # Errors
/// One error without a line when it cannot be read, is not a regular file, is larger than
/// [`MAX_FILE_BYTES`] or is not UTF-8.
pub fn read_text(path: impl AsRef<Path>) -> Result<String, Errors> {
    read_file(path.as_ref()).map_err(|e| Errors::from_one(*e))
}

fn read_file(path: &Path) -> Result<String, Box<Error>> {
    let whole = |problem: String| Box::new(Error::whole_file(path, problem));
    // metadata first: opening a FIFO would wait for a writer
    let meta =
        std::fs::metadata(path).map_err(|e| whole(format!("cannot be read: {}", plain(&e))))?;
    if meta.is_dir() {
        return Err(whole("is a directory, not a file".into()));
    }
    if !meta.is_file() {
        return Err(whole("is not a regular file".into()));
    }
    let file = File::open(path).map_err(|e| whole(format!("cannot be read: {}", plain(&e))))?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| whole(format!("cannot be read: {}", plain(&e))))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(whole(format!("is larger than {MAX_FILE_BYTES} bytes")));
    }
    String::from_utf8(bytes).map_err(|e| {
        let good = e.utf8_error().valid_up_to();
        let line = e.as_bytes()[..good].iter().filter(|b| **b == b'\n').count() + 1;
        let mut error = Error::whole_file(path, "is not UTF-8 text".into());
        error.line = Some(line);
        Box::new(error)
    })
}

/// The error of the system in words, without Rust's "(os error 2)".
pub(crate) fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_lowercase(),
        None => text,
    }
}
