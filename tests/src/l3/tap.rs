//! Hears what comes into a switch from its ports, with the time, and keeps it.

use super::frame::{self, Advert, Arp, Heard, Neighbour};
use crate::error::{LabError, Result};
use crate::netns;
use crate::sys::{self, RawSocket, Take};
use crate::topology::Side;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a receive waits before it looks whether it shall stop.
const TICK: Duration = Duration::from_millis(20);

/// A frame that came into the switch.
#[derive(Debug, Clone)]
pub struct Record {
    /// When it was read from the socket.
    pub at: Instant,
    /// The router that it came from; `None` from the host.
    pub from: Option<Side>,
    /// The whole frame.
    pub bytes: Vec<u8>,
    /// What it is.
    pub heard: Heard,
}

/// Listens at the ports of one switch until it is dropped.
#[derive(Debug)]
pub struct Tap {
    records: Arc<Mutex<Vec<Record>>>,
    end: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    begin: Instant,
}

impl Tap {
    /// Begins to listen in the switch of a namespace, at its ports `host`, `a` and `b`.
    ///
    /// # Errors
    /// Without root, or when a port is gone.
    pub fn open(switch: &str) -> Result<Self> {
        let mut tap = Self {
            records: Arc::default(),
            end: Arc::default(),
            threads: Vec::new(),
            begin: Instant::now(),
        };
        for (port, from) in [
            ("host", None),
            (Side::A.name(), Some(Side::A)),
            (Side::B.name(), Some(Side::B)),
        ] {
            let socket = netns::inside(switch, || {
                RawSocket::open(sys::interface_index(port)?, Take::All)
            })?;
            let (records, end) = (Arc::clone(&tap.records), Arc::clone(&tap.end));
            let listen = move || listen(&socket, from, &records, &end);
            let thread = std::thread::Builder::new().name("tap".into());
            tap.threads
                .push(thread.spawn(listen).map_err(LabError::io("a tap"))?);
        }
        Ok(tap)
    }

    /// Everything since `since`, in no particular order between ports.
    #[must_use]
    pub fn since(&self, since: Instant) -> Vec<Record> {
        let mut records: Vec<Record> = lock(&self.records)
            .iter()
            .filter(|record| record.at >= since)
            .cloned()
            .collect();
        records.sort_by_key(|record| record.at);
        records
    }

    /// The adverts of a virtual router since `since`: when, from whom, and what. The family is that
    /// of the packets that carry them.
    #[must_use]
    pub fn adverts(
        &self,
        vrid: u8,
        ipv6: bool,
        since: Instant,
    ) -> Vec<(Instant, Option<Side>, Advert)> {
        let of = |record: Record| match record.heard {
            Heard::Advert(a) if a.vrid == vrid && a.source.is_ipv6() == ipv6 => {
                Some((record.at, record.from, a))
            }
            _ => None,
        };
        self.since(since).into_iter().filter_map(of).collect()
    }

    /// The ARP packets since `since`.
    #[must_use]
    pub fn arps(&self, since: Instant) -> Vec<(Instant, Option<Side>, Arp)> {
        let of = |record: Record| match record.heard {
            Heard::Arp(arp) => Some((record.at, record.from, arp)),
            _ => None,
        };
        self.since(since).into_iter().filter_map(of).collect()
    }

    /// The neighbour advertisements since `since`.
    #[must_use]
    pub fn neighbours(&self, since: Instant) -> Vec<(Instant, Option<Side>, Neighbour)> {
        let of = |record: Record| match record.heard {
            Heard::Neighbour(neighbour) => Some((record.at, record.from, neighbour)),
            _ => None,
        };
        self.since(since).into_iter().filter_map(of).collect()
    }

    /// Writes the frames that `wanted` picks as a pcap file; gives how many.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_pcap(&self, path: &Path, wanted: impl Fn(&Record) -> bool) -> Result<usize> {
        let mut out: Vec<u8> = Vec::new();
        // magic, version 2.4, zone, accuracy, longest frame, Ethernet
        for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65535, 1] {
            out.extend(word.to_le_bytes());
        }
        let mut count = 0;
        for record in self.since(self.begin).iter().filter(|r| wanted(r)) {
            let at = record.at.duration_since(self.begin);
            let length = u32::try_from(record.bytes.len()).unwrap_or(0);
            let seconds = u32::try_from(at.as_secs()).unwrap_or(0);
            for word in [seconds, at.subsec_micros(), length, length] {
                out.extend(word.to_le_bytes());
            }
            out.extend(&record.bytes);
            count += 1;
        }
        fs::write(path, out).map_err(LabError::io(path.display().to_string()))?;
        Ok(count)
    }

    /// What was heard last, in lines, for a failure's text.
    #[must_use]
    pub fn tail(&self, lines: usize) -> String {
        let all = self.since(self.begin);
        let mut out = String::from("\n  heard last:");
        for record in all.iter().skip(all.len().saturating_sub(lines)) {
            let from = record.from.map_or("host".into(), |side| side.to_string());
            let at = record.at.duration_since(self.begin).as_secs_f64() * 1e3;
            let what = match &record.heard {
                Heard::Other => format!("{} bytes", record.bytes.len()),
                heard => format!("{heard:?}"),
            };
            out += &format!("\n    {at:9.1} ms {from}: {what}");
        }
        out
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // it cannot panic, and if it did what it heard stands
            let _ = thread.join();
        }
    }
}

fn listen(socket: &RawSocket, from: Option<Side>, records: &Mutex<Vec<Record>>, end: &AtomicBool) {
    let mut buffer = [0; 2048];
    while !end.load(Ordering::Relaxed) {
        match socket.receive(&mut buffer, TICK) {
            Ok(Some(seen)) if !seen.outgoing => {
                let at = Instant::now();
                let bytes = buffer[..seen.length.min(buffer.len())].to_vec();
                let heard = frame::read(&bytes);
                lock(records).push(Record {
                    at,
                    from,
                    bytes,
                    heard,
                });
            }
            Ok(_) => {}
            // the switch is going away
            Err(_) => return,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
