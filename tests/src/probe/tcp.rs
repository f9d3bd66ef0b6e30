//! A paced TCP stream whose every byte is verified and whose longest stall is measured.

use super::{Pace, TICK, join};
use crate::error::{LabError, Result};
use crate::netns;
use crate::topology::Topology;
use serde::Serialize;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const PORT: u16 = 7701;
/// Bytes of one write.
const CHUNK: usize = 8192;
/// How long the rest may take to arrive after the sender stopped.
const DRAIN: Duration = Duration::from_secs(15);
/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// A transfer that runs.
#[derive(Debug)]
pub struct TcpTransfer {
    stop: Arc<AtomicBool>,
    sender: JoinHandle<Result<u64>>,
    receiver: JoinHandle<Result<Received>>,
}

/// What the receiver saw.
#[derive(Debug, Clone, Default)]
struct Received {
    bytes: u64,
    wrong_at: Option<u64>,
    stall: Duration,
    ended: bool,
}

/// The account of a transfer.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TcpReport {
    /// Bytes given to the socket.
    pub sent_bytes: u64,
    /// Bytes received and verified.
    pub received_bytes: u64,
    /// The longest pause between two arrivals, in ms.
    pub stall_ms: f64,
    /// Every byte arrived, in order and right, and the connection was closed in an orderly way.
    pub ok: bool,
    /// What went wrong; empty when `ok`.
    pub fault: String,
}

/// The byte at an offset of the stream: every 8 bytes hold their own number, scrambled, so that a
/// lost, doubled or swapped segment cannot look right.
fn pattern(offset: u64) -> u8 {
    let word = (offset / 8)
        .wrapping_add(1)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word.to_be_bytes()[(offset % 8) as usize]
}

impl TcpTransfer {
    /// Connects from the client to the server and sends `mbits` Mbit/s until stopped.
    ///
    /// # Errors
    /// When the connection cannot be made within five seconds.
    pub fn start(topology: &Topology, mbits: u32) -> Result<Self> {
        let server_ip = topology.server_ip();
        let listener = netns::inside(&topology.server, || TcpListener::bind((server_ip, PORT)))?;
        let address = listener
            .local_addr()
            .map_err(LabError::io("the transfer's server"))?;
        let client = netns::inside(&topology.client, || {
            let stream = TcpStream::connect_timeout(&address, CONNECT)?;
            stream.set_nodelay(true)?;
            // a sender blocked by an outage must still see that it shall stop
            stream.set_write_timeout(Some(TICK))?;
            Ok(stream)
        })?;
        let (server, _) = listener
            .accept()
            .map_err(LabError::io("accepting the transfer"))?;
        server
            .set_read_timeout(Some(TICK))
            .map_err(LabError::io("transfer socket"))?;
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let receiver = std::thread::spawn(move || Ok(receive(server, &flag)));
        let flag = Arc::clone(&stop);
        let rate = (u64::from(mbits) * 1_000_000 / 8 / CHUNK as u64).max(1);
        let rate = u32::try_from(rate).unwrap_or(u32::MAX);
        let sender = std::thread::spawn(move || send(client, rate, &flag));
        Ok(Self {
            stop,
            sender,
            receiver,
        })
    }

    /// Stops sending, waits until all has arrived, and gives the account.
    ///
    /// # Errors
    /// When a measuring thread panicked; a broken transfer is an account that is not `ok`.
    pub fn stop(self) -> Result<TcpReport> {
        self.stop.store(true, Ordering::Relaxed);
        let sent = join(self.sender, "transfer's sender");
        let received = join(self.receiver, "transfer's receiver")?;
        let mut fault = String::new();
        let sent_bytes = sent.unwrap_or_else(|e| {
            fault = e.to_string();
            0
        });
        if let Some(at) = received.wrong_at {
            fault = format!("wrong byte at offset {at}");
        } else if fault.is_empty() && !received.ended {
            fault = format!("no orderly end within {} s", DRAIN.as_secs());
        } else if fault.is_empty() && received.bytes != sent_bytes {
            fault = format!("{sent_bytes} bytes sent, {} received", received.bytes);
        }
        Ok(TcpReport {
            sent_bytes,
            received_bytes: received.bytes,
            stall_ms: received.stall.as_secs_f64() * 1e3,
            ok: fault.is_empty(),
            fault,
        })
    }
}

fn send(mut stream: TcpStream, rate: u32, stop: &AtomicBool) -> Result<u64> {
    let mut offset = 0u64;
    let mut pace = Pace::per_second(rate);
    let mut chunk = [0; CHUNK];
    while !stop.load(Ordering::Relaxed) {
        for (i, byte) in chunk.iter_mut().enumerate() {
            *byte = pattern(offset + i as u64);
        }
        match stream.write(&chunk) {
            Ok(n) => offset += n as u64,
            Err(e) if waits(&e) => continue,
            Err(e) => return Err(LabError::io("the transfer broke")(e)),
        }
        pace.wait();
    }
    stream
        .shutdown(Shutdown::Write)
        .map_err(LabError::io("ending the transfer"))?;
    Ok(offset)
}

fn receive(mut stream: TcpStream, stop: &AtomicBool) -> Received {
    let mut got = Received::default();
    let mut buffer = vec![0; 1 << 16];
    let mut last = Instant::now();
    let mut stopped: Option<Instant> = None;
    loop {
        if stop.load(Ordering::Relaxed)
            && stopped.get_or_insert_with(Instant::now).elapsed() > DRAIN
        {
            // it stands still to this day
            got.stall = got.stall.max(last.elapsed());
            return got;
        }
        match stream.read(&mut buffer) {
            Ok(0) => {
                got.ended = true;
                return got;
            }
            Ok(n) => {
                got.stall = got.stall.max(last.elapsed());
                last = Instant::now();
                if got.wrong_at.is_none() {
                    let wrong = buffer[..n]
                        .iter()
                        .zip(got.bytes..)
                        .find(|(byte, offset)| **byte != pattern(*offset));
                    got.wrong_at = wrong.map(|(_, offset)| offset);
                }
                got.bytes += n as u64;
            }
            Err(e) if waits(&e) => {}
            Err(_) => return got,
        }
    }
}

fn waits(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pattern_tells_segments_apart() {
        let window = |from: u64| -> Vec<u8> { (from..from + 64).map(pattern).collect() };
        for shift in [1, 8, 1448, 1460, 65536] {
            assert_ne!(window(0), window(shift), "{shift}");
            assert_ne!(window(1448), window(1448 + shift), "{shift}");
        }
    }
}
