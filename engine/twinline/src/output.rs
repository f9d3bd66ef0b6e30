//! What is printed. The macros of the standard library panic where nobody reads: in
//! `twinline ctl show events | head`, or with a full disk behind standard error.

use std::io::{self, ErrorKind, Write};

use anyhow::Context;

/// Prints to standard output. A reader that has seen enough is no error.
///
/// # Errors
/// When the text cannot be written, on a full disk for example.
pub fn print(text: &str) -> anyhow::Result<()> {
    write_all(&mut io::stdout().lock(), text).context("standard output cannot be written")
}

/// Prints to standard output; `false` where nobody reads any more, for what would go on for ever.
///
/// # Errors
/// As [`print`].
pub fn print_to_reader(text: &str) -> anyhow::Result<bool> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        result => result
            .map(|()| true)
            .context("standard output cannot be written"),
    }
}

/// Prints a line to standard output; otherwise as [`print`].
///
/// # Errors
/// As [`print`].
pub fn line(text: &str) -> anyhow::Result<()> {
    print(&format!("{text}\n"))
}

/// Prints a line to standard error, if that can be written: there is nowhere else to say it.
pub fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

fn write_all(to: &mut impl Write, text: &str) -> io::Result<()> {
    match to.write_all(text.as_bytes()).and_then(|()| to.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_left_is_no_error_and_a_full_disk_is() {
        let (reader, mut writer) = io::pipe().unwrap();
        drop(reader);
        assert!(write_all(&mut writer, "text").is_ok());
        let mut full = std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let error = write_all(&mut full, "text").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
    }
}
