//! Lines over a stream socket, bounded in bytes and in time.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Why no line came.
#[derive(Debug)]
pub(crate) enum LineError {
    /// The other side has closed; with a part of a line before it, or with none.
    Closed { part: bool },
    /// The time is over; with a part of a line, or with none.
    TimedOut { part: bool },
    /// The line is longer than it may be.
    TooLong,
    /// The socket failed.
    Io(io::Error),
}

/// Reads lines of at most `limit` bytes, the newline not counted.
pub(crate) struct LineReader {
    limit: usize,
    /// Received and not yet given out: the start of the next line, or more lines.
    pending: Vec<u8>,
}

impl LineReader {
    pub(crate) fn new(limit: usize) -> LineReader {
        LineReader {
            limit,
            pending: Vec::new(),
        }
    }

    /// The next line, without its newline. The whole line has to come within `time`: a client
    /// that sends a byte now and then does not hold a connection for ever.
    pub(crate) fn read(
        &mut self,
        stream: &UnixStream,
        time: Duration,
    ) -> Result<Vec<u8>, LineError> {
        let deadline = Instant::now() + time;
        let mut searched = 0;
        let mut chunk = [0; 4096];
        loop {
            let news = self
                .pending
                .iter()
                .skip(searched)
                .position(|byte| *byte == b'\n');
            if let Some(length) = news.map(|offset| offset + searched) {
                let rest = self.pending.split_off(length + 1);
                let mut line = std::mem::replace(&mut self.pending, rest);
                line.truncate(length);
                return if length > self.limit {
                    Err(LineError::TooLong)
                } else {
                    Ok(line)
                };
            }
            searched = self.pending.len();
            if searched > self.limit {
                return Err(LineError::TooLong);
            }
            let part = searched > 0;
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(LineError::TimedOut { part });
            }
            stream.set_read_timeout(Some(left)).map_err(LineError::Io)?;
            match (&mut &*stream).read(&mut chunk) {
                Ok(0) => return Err(LineError::Closed { part }),
                Ok(length) => self.pending.extend(chunk.iter().take(length)),
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                        return Err(LineError::TimedOut { part });
                    }
                    _ => return Err(LineError::Io(error)),
                },
            }
        }
    }
}

/// Writes a line and its newline, all of it within `time`.
pub(crate) fn write(stream: &UnixStream, mut line: Vec<u8>, time: Duration) -> io::Result<()> {
    line.push(b'\n');
    let deadline = Instant::now() + time;
    let mut rest = line.as_slice();
    while !rest.is_empty() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_write_timeout(Some(left))?;
        match (&mut &*stream).write(rest) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(length) => rest = rest.get(length..).unwrap_or_default(),
            Err(error) => match error.kind() {
                ErrorKind::Interrupted => {}
                ErrorKind::WouldBlock => return Err(ErrorKind::TimedOut.into()),
                _ => return Err(error),
            },
        }
    }
    Ok(())
}
