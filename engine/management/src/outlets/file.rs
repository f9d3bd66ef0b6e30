//! The file outlet: JSON lines, turned over by size.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use twinline_control::EventRecord;

use super::outlet::{Shared, Sink, json_line};

/// Readable by the owner and the group: a log.
const MODE: u32 = 0o640;

/// Writes to a file. Each line is one write at the file's end; a line is in the file whole or not
/// at all.
#[derive(Debug)]
pub(super) struct FileSink {
    path: PathBuf,
    max_bytes: u64,
    keep: u32,
    open: Option<File>,
}

impl FileSink {
    pub(super) fn new(path: PathBuf, max_bytes: u64, keep: u32) -> Self {
        Self {
            path,
            max_bytes,
            keep,
            open: None,
        }
    }

    fn failed(&self, what: &str, error: &std::io::Error) -> String {
        format!("{} cannot be {what}: {error}", self.path.display())
    }

    /// The file and its size; opened again when its name leads elsewhere (logrotate moved it, or
    /// somebody removed it).
    fn file(&mut self) -> Result<(File, u64), String> {
        if let Some(file) = self.open.take() {
            let ours = file.metadata();
            let named = fs::metadata(&self.path);
            if let (Ok(ours), Ok(named)) = (ours, named)
                && (ours.dev(), ours.ino()) == (named.dev(), named.ino())
            {
                return Ok((file, ours.len()));
            }
        }
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).map_err(|e| self.failed("made, nor its folder", &e))?;
        }
        // without O_NONBLOCK, opening a FIFO would wait for a reader
        let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(MODE)
            .custom_flags(flags)
            .open(&self.path)
            .map_err(|e| self.failed("opened", &e))?;
        // of the open file: no time between check and use
        let meta = file.metadata().map_err(|e| self.failed("looked at", &e))?;
        if !meta.is_file() {
            let path = self.path.display();
            return Err(format!(
                "{path} is not a regular file; a program is fed by events.notify"
            ));
        }
        let mut size = meta.len();
        if size > 0 && !ends_with_newline(&mut file).unwrap_or(true) {
            // The machine lost power within a line.
            file.write_all(b"\n")
                .map_err(|e| self.failed("written to", &e))?;
            size += 1;
        }
        Ok((file, size))
    }

    /// FILE becomes FILE.1, that one FILE.2, and so on; the last one goes.
    fn turn_over(&self) -> Result<(), String> {
        let failed = |e: std::io::Error| self.failed("turned over", &e);
        if self.keep == 0 {
            return missing_is_fine(fs::remove_file(&self.path)).map_err(failed);
        }
        for number in (1..self.keep).rev() {
            let (from, to) = (
                numbered(&self.path, number),
                numbered(&self.path, number + 1),
            );
            missing_is_fine(fs::rename(from, to)).map_err(failed)?;
        }
        missing_is_fine(fs::rename(&self.path, numbered(&self.path, 1))).map_err(failed)
    }
}

impl Sink for FileSink {
    fn put(&mut self, record: &EventRecord, shared: &Shared) -> Result<Option<String>, String> {
        let mut wrong = None;
        let line = json_line(record);
        let (mut file, mut size) = self.file()?;
        if size > 0 && size.saturating_add(line.len() as u64) > self.max_bytes {
            match self.turn_over() {
                Ok(()) => {
                    shared.count_restart();
                    (file, size) = self.file()?;
                }
                // It grows on: a file that is too large is better than none.
                Err(why) => wrong = Some(why),
            }
        }
        let written = file.write_all(&line);
        if let Err(error) = written {
            // A full disk takes a part: cut it off again.
            let cut = file.set_len(size);
            let why = self.failed("written to", &error);
            if cut.is_ok() {
                self.open = Some(file);
            }
            return Err(why);
        }
        self.open = Some(file);
        Ok(wrong)
    }
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

fn missing_is_fine(result: std::io::Result<()>) -> std::io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn ends_with_newline(file: &mut File) -> std::io::Result<bool> {
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}
