//! `promtool`, Prometheus' own checker, where it can be had (`setup/promtool.sh`).

use crate::engine::build_directory;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where it is; `None` where it is not.
#[must_use]
pub fn find() -> Option<PathBuf> {
    let fetched = build_directory().join("promtool/promtool");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let named = std::env::split_paths(&path).map(|folder| folder.join("promtool"));
    named.chain([fetched]).find(|place| place.is_file())
}

/// Runs it in `folder` with `input`; what it says is the error where it finds anything.
///
/// # Errors
/// What it says, or why it could not be run.
pub fn check(
    promtool: &Path,
    folder: &Path,
    arguments: &[&str],
    input: &str,
) -> Result<String, String> {
    let said = |error: std::io::Error| format!("{}: {error}", promtool.display());
    let mut child = Command::new(promtool)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(said)?;
    if let Some(mut stdin) = child.stdin.take() {
        // It reads all of it before it says anything.
        stdin.write_all(input.as_bytes()).map_err(said)?;
    }
    let output = child.wait_with_output().map_err(said)?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    if output.status.success() {
        Ok(text)
    } else {
        Err(text)
    }
}
