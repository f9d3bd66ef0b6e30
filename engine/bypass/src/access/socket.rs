//! Registers of another process, over a Unix stream socket: a card's model in the lab.
//!
//! A request is 16 bytes, its answer 8; numbers are little-endian.
//!
//! ```text
//!   request   op 1=read 2=write 3=wait | function 0=master 1=slave | 0 0 | offset u32 | u64
//!             the u64 is the value that is written, or the nanoseconds to wait
//!   answer    code 0=done 1=offset out of range 2=no access | 0 0 0 | value u32
//! ```

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::{CardError, Delay, Function, RegisterIo};

const REQUEST: usize = 16;
const ANSWER: usize = 8;

const READ: u8 = 1;
const WRITE: u8 = 2;
const WAIT: u8 = 3;

const DONE: u8 = 0;
const OUT_OF_RANGE: u8 = 1;
const NO_ACCESS: u8 = 2;

fn request(op: u8, function: Function, offset: u32, value: u64) -> [u8; REQUEST] {
    let mut bytes = [0; REQUEST];
    bytes[0] = op;
    bytes[1] = u8::from(function == Function::Slave);
    bytes[4..8].copy_from_slice(&offset.to_le_bytes());
    bytes[8..].copy_from_slice(&value.to_le_bytes());
    bytes
}

/// The registers and the time of whoever [serves](serve) at the other end.
#[derive(Debug)]
pub struct Remote {
    stream: UnixStream,
    timeout: Duration,
    /// Why the connection is of no use any more: after that, an answer could be anybody's.
    broken: Option<CardError>,
}

impl Remote {
    /// Connects to a socket. `timeout` is how long each answer may take; a wait may take that much
    /// longer than it is to last.
    ///
    /// # Errors
    /// [`CardError::Access`]
    pub fn connect(path: &Path, timeout: Duration) -> Result<Self, CardError> {
        let stream = UnixStream::connect(path).map_err(|error| {
            CardError::Access(format!(
                "nobody serves registers at {}: {error}",
                path.display()
            ))
        })?;
        Ok(Self::over(stream, timeout))
    }

    /// The same over a connection that is there already.
    #[must_use]
    pub fn over(stream: UnixStream, timeout: Duration) -> Self {
        Self {
            stream,
            timeout,
            broken: None,
        }
    }

    fn call(&mut self, request: [u8; REQUEST], longer: Duration) -> Result<u32, CardError> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        let mut answer = [0; ANSWER];
        // 0 would mean for ever.
        let timeout = (self.timeout + longer).max(Duration::from_millis(1));
        let called = (|| {
            self.stream.set_read_timeout(Some(timeout))?;
            self.stream.set_write_timeout(Some(timeout))?;
            self.stream.write_all(&request)?;
            self.stream.read_exact(&mut answer)
        })();
        if let Err(error) = called {
            let late = matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
            );
            let error = if late {
                CardError::Timeout(timeout)
            } else {
                CardError::Access(format!("the process with the registers is gone: {error}"))
            };
            // Late is said once; after that the card is to be reached anew.
            self.broken = Some(match &error {
                CardError::Timeout(_) => CardError::Access(format!(
                    "the connection to the registers is of no use any more: {error}"
                )),
                other => other.clone(),
            });
            return Err(error);
        }
        let [code, _, _, _, a, b, c, d] = answer;
        match code {
            DONE => Ok(u32::from_le_bytes([a, b, c, d])),
            OUT_OF_RANGE => Err(CardError::Range {
                what: "register offset",
                got: format!("{:#x}", offset_of(&request)),
                accepted: "what the process with the registers has mapped".into(),
            }),
            _ => Err(CardError::Access(
                "the process with the registers cannot reach them".into(),
            )),
        }
    }
}

fn offset_of(request: &[u8; REQUEST]) -> u32 {
    let [_, _, _, _, a, b, c, d, ..] = *request;
    u32::from_le_bytes([a, b, c, d])
}

impl RegisterIo for Remote {
    fn read(&mut self, function: Function, offset: u32) -> Result<u32, CardError> {
        self.call(request(READ, function, offset, 0), Duration::ZERO)
    }

    fn write(&mut self, function: Function, offset: u32, value: u32) -> Result<(), CardError> {
        let request = request(WRITE, function, offset, u64::from(value));
        self.call(request, Duration::ZERO).map(drop)
    }
}

impl Delay for Remote {
    /// Time passes at the other end. Where that fails, the next access says why.
    fn wait(&mut self, at_least: Duration) {
        let nanos = u64::try_from(at_least.as_nanos()).unwrap_or(u64::MAX);
        let request = request(WAIT, Function::Master, 0, nanos);
        if let Err(error) = self.call(request, at_least) {
            self.broken.get_or_insert(error);
        }
    }
}

/// Answers requests until the other end hangs up.
///
/// # Errors
/// Those of the socket; `InvalidData` for a request that is none.
pub fn serve(mut stream: UnixStream, mut board: impl RegisterIo + Delay) -> io::Result<()> {
    let mut request = [0; REQUEST];
    loop {
        match stream.read_exact(&mut request) {
            Err(error) if hung_up(&error) => return Ok(()),
            other => other?,
        }
        let [op, function, _, _, ..] = request;
        let function = match function {
            0 => Function::Master,
            1 => Function::Slave,
            _ => return Err(io::ErrorKind::InvalidData.into()),
        };
        let offset = offset_of(&request);
        let [.., a, b, c, d, e, f, g, h] = request;
        let value = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        let result = match op {
            READ => board.read(function, offset),
            WRITE => {
                let value = u32::try_from(value).map_err(|_| io::ErrorKind::InvalidData)?;
                board.write(function, offset, value).map(|()| 0)
            }
            WAIT => {
                board.wait(Duration::from_nanos(value));
                Ok(0)
            }
            _ => return Err(io::ErrorKind::InvalidData.into()),
        };
        let (code, value) = match result {
            Ok(value) => (DONE, value),
            Err(CardError::Range { .. }) => (OUT_OF_RANGE, 0),
            Err(_) => (NO_ACCESS, 0),
        };
        let mut answer = [0; ANSWER];
        answer[0] = code;
        answer[4..].copy_from_slice(&value.to_le_bytes());
        match stream.write_all(&answer) {
            Err(error) if hung_up(&error) => return Ok(()),
            other => other?,
        }
    }
}

fn hung_up(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
    )
}
