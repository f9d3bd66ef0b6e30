//! `twinline console` and `twinline ctl` against an engine that is none: a control socket with
//! canned answers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests count as tests

mod attached;
mod configure;
mod fake;
mod outputs;
mod prompt;
mod pty;
mod scripts;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs `twinline` with a socket; gives exit code, standard output and standard error.
fn twinline(socket: &Path, command: &str, options: &[&str], input: &[u8]) -> (i32, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_twinline"))
        .arg(command)
        .arg("--socket")
        .arg(socket)
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // it may end before it has read all
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap();
    (code, text(output.stdout), text(output.stderr))
}
