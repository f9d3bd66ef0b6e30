//! Numbered UDP probes: client to server and back, each lost, doubled or late one accounted for.

use super::{Pace, TICK, join, nanos};
use crate::error::{LabError, Result};
use crate::netns;
use crate::sys;
use crate::topology::{CLIENT_IP, Topology};
use serde::Serialize;
use std::io::{self, ErrorKind};
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// UDP port of the server.
const PORT: u16 = 7700;
/// Bytes of a probe's payload.
const PAYLOAD: usize = 64;
const MAGIC: [u8; 8] = *b"TLPROBE1";
/// Room for some seconds of probes at the highest rate, should our own threads stall.
const BUFFER: i32 = 16 << 20;
/// The most probes of one measurement: ten minutes at 5 kHz.
const MOST: usize = 3_000_000;

/// A probe that runs.
#[derive(Debug)]
pub struct UdpProbe {
    stop_sending: Arc<AtomicBool>,
    stop_receiving: Arc<AtomicBool>,
    sender: JoinHandle<Result<Vec<u64>>>,
    echo: JoinHandle<Result<Vec<Arrival>>>,
    receiver: JoinHandle<Result<Vec<Arrival>>>,
    epoch: Instant,
}

/// A probe that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Its number.
    pub number: u32,
    /// When, in ns since the measurement's beginning.
    pub at: u64,
}

/// What became of the probes in one direction.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Direction {
    /// Sent in this direction.
    pub sent: u64,
    /// Never arrived.
    pub lost: u64,
    /// Arrivals beyond the first of each number.
    pub doubled: u64,
    /// Arrived later than the limit after sending.
    pub late: u64,
    /// The longest way, in ms.
    pub worst_ms: f64,
    /// The longest stretch without a probe that got through, in ms by send times: from the last
    /// one that did to the next one that did, with at least one lost between. 0 without loss.
    pub outage_ms: f64,
    /// When that stretch began, in ms since the measurement's beginning.
    pub outage_at_ms: f64,
}

/// The account of one measurement.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct UdpReport {
    /// Client to server.
    pub forward: Direction,
    /// Server to client: of the probes that reached the server.
    pub back: Direction,
    /// Both ways together: a probe is lost when it did not come back.
    pub round_trip: Direction,
    /// Probes a second that were really sent.
    pub rate: f64,
    /// The longest pause between two sends, in ms: how well the machine let the sender run.
    pub send_gap_ms: f64,
}

impl UdpReport {
    /// Lost in either direction.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.round_trip.lost
    }

    /// Doubled in either direction.
    #[must_use]
    pub fn doubled(&self) -> u64 {
        self.forward.doubled + self.back.doubled
    }

    /// The longest outage of the three views, in ms.
    #[must_use]
    pub fn outage_ms(&self) -> f64 {
        self.forward
            .outage_ms
            .max(self.back.outage_ms)
            .max(self.round_trip.outage_ms)
    }
}

impl UdpProbe {
    /// Starts `rate` probes a second from the client to the server, which echoes each.
    ///
    /// # Errors
    /// When a socket cannot be made.
    pub fn start(topology: &Topology, rate: u32) -> Result<Self> {
        Self::between(
            (&topology.client, CLIENT_IP),
            (&topology.server, topology.server_ip()),
            rate,
        )
    }

    /// As [`UdpProbe::start`] in another lab: client and server, each a namespace and its address.
    ///
    /// # Errors
    /// When a socket cannot be made.
    pub fn between(client: (&str, &str), server: (&str, &str), rate: u32) -> Result<Self> {
        let (client_ip, server_ip) = (client.1, server.1);
        let server = netns::inside(server.0, || open(server_ip, PORT))?;
        let client = netns::inside(client.0, || {
            let socket = open(client_ip, 0)?;
            socket.connect((server_ip, PORT))?;
            Ok(socket)
        })?;
        let epoch = Instant::now();
        let stop_sending = Arc::new(AtomicBool::new(false));
        let stop_receiving = Arc::new(AtomicBool::new(false));
        let back = client.try_clone().map_err(LabError::io("probe socket"))?;
        let stop = Arc::clone(&stop_receiving);
        let echo = std::thread::spawn(move || receive(&server, true, epoch, &stop));
        let stop = Arc::clone(&stop_receiving);
        let receiver = std::thread::spawn(move || receive(&back, false, epoch, &stop));
        let stop = Arc::clone(&stop_sending);
        let sender = std::thread::spawn(move || send(&client, rate, epoch, &stop));
        Ok(Self {
            stop_sending,
            stop_receiving,
            sender,
            echo,
            receiver,
            epoch,
        })
    }

    /// Milliseconds since the measurement began: to place events beside outages.
    #[must_use]
    pub fn now_ms(&self) -> f64 {
        ms(nanos(self.epoch))
    }

    /// Stops sending, lets stragglers arrive for `linger`, and gives the account. Arrivals later
    /// than `late_after` count as late.
    ///
    /// # Errors
    /// When a measuring thread failed.
    pub fn stop(self, linger: Duration, late_after: Duration) -> Result<UdpReport> {
        self.stop_sending.store(true, Ordering::Relaxed);
        let sends = join(self.sender, "probe's sender");
        std::thread::sleep(linger);
        self.stop_receiving.store(true, Ordering::Relaxed);
        let echoed = join(self.echo, "probe's server");
        let returned = join(self.receiver, "probe's receiver");
        Ok(account(&sends?, &echoed?, &returned?, late_after))
    }
}

fn open(address: &str, port: u16) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((address, port))?;
    socket.set_read_timeout(Some(TICK))?;
    sys::set_receive_buffer(socket.as_fd(), BUFFER)?;
    Ok(socket)
}

fn send(socket: &UdpSocket, rate: u32, epoch: Instant, stop: &AtomicBool) -> Result<Vec<u64>> {
    let mut sends = Vec::with_capacity(1 << 16);
    let mut pace = Pace::per_second(rate);
    let mut payload = [0; PAYLOAD];
    payload[..8].copy_from_slice(&MAGIC);
    while !stop.load(Ordering::Relaxed) {
        if sends.len() == MOST {
            return Err(LabError::Probe(format!(
                "more than {MOST} probes in one measurement"
            )));
        }
        payload[8..12].copy_from_slice(&(sends.len() as u32).to_be_bytes());
        sends.push(nanos(epoch));
        match socket.send(&payload) {
            // a refused port is the echo of an earlier probe's fate, not of this one
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::ConnectionRefused => {}
            Err(e) => return Err(LabError::io("sending a probe")(e)),
        }
        pace.wait();
    }
    Ok(sends)
}

fn receive(
    socket: &UdpSocket,
    echo: bool,
    epoch: Instant,
    stop: &AtomicBool,
) -> Result<Vec<Arrival>> {
    let mut arrivals = Vec::with_capacity(1 << 16);
    let mut payload = [0; PAYLOAD];
    while !stop.load(Ordering::Relaxed) {
        let (length, from) = match socket.recv_from(&mut payload) {
            Ok(got) => got,
            Err(e)
                if matches!(
                    e.kind(),
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::ConnectionRefused
                ) =>
            {
                continue;
            }
            Err(e) => return Err(LabError::io("receiving probes")(e)),
        };
        if length != PAYLOAD || payload[..8] != MAGIC {
            continue;
        }
        let number = u32::from_be_bytes([payload[8], payload[9], payload[10], payload[11]]);
        if arrivals.len() < 2 * MOST {
            arrivals.push(Arrival {
                number,
                at: nanos(epoch),
            });
        }
        if echo {
            socket
                .send_to(&payload, from)
                .map_err(LabError::io("echoing a probe"))?;
        }
    }
    Ok(arrivals)
}

/// The account from send times by number, arrivals at the server and arrivals at the client.
#[must_use]
pub fn account(
    sends: &[u64],
    echoed: &[Arrival],
    returned: &[Arrival],
    late_after: Duration,
) -> UdpReport {
    let sent: Vec<Option<u64>> = sends.iter().copied().map(Some).collect();
    let at_server = first(sends.len(), echoed);
    let at_client = first(sends.len(), returned);
    let window = (sends.last().copied().unwrap_or(0) - sends.first().copied().unwrap_or(0)) as f64;
    UdpReport {
        forward: direction(&sent, &at_server, echoed, late_after),
        back: direction(&at_server, &at_client, returned, late_after),
        // every arrival is counted as doubled in `forward` or `back` already
        round_trip: direction(&sent, &at_client, &[], late_after),
        rate: if window > 0.0 {
            (sends.len() - 1) as f64 * 1e9 / window
        } else {
            0.0
        },
        send_gap_ms: ms(sends.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(0)),
    }
}

/// The first arrival of each number.
fn first(count: usize, arrivals: &[Arrival]) -> Vec<Option<u64>> {
    let mut times = vec![None; count];
    for arrival in arrivals {
        if let Some(slot) = times.get_mut(arrival.number as usize) {
            slot.get_or_insert(arrival.at);
        }
    }
    times
}

fn direction(
    sent: &[Option<u64>],
    got: &[Option<u64>],
    arrivals: &[Arrival],
    late_after: Duration,
) -> Direction {
    let late_after = u64::try_from(late_after.as_nanos()).unwrap_or(u64::MAX);
    let mut out = Direction::default();
    let mut seen = vec![false; got.len()];
    for arrival in arrivals {
        match seen.get_mut(arrival.number as usize) {
            Some(seen) if !*seen => *seen = true,
            // again, or a number that was never sent: neither may happen
            _ => out.doubled += 1,
        }
    }
    let (mut worst, mut outage, mut outage_at) = (0, 0, 0);
    let mut last_good = None;
    let mut lost_since = false;
    for (sent, got) in sent.iter().zip(got) {
        let Some(sent) = *sent else { continue };
        out.sent += 1;
        match *got {
            Some(got) => {
                let way = got.saturating_sub(sent);
                worst = worst.max(way);
                out.late += u64::from(way > late_after);
                let from = last_good.unwrap_or(sent);
                // on the way back "sent" is when it reached the server, and two ways through a pair
                // may change their order
                let gap = sent.saturating_sub(from);
                if lost_since && gap >= outage {
                    (outage, outage_at) = (gap, from);
                }
                last_good = Some(sent.max(from));
                lost_since = false;
            }
            None => {
                out.lost += 1;
                lost_since = true;
                last_good.get_or_insert(sent);
            }
        }
    }
    // lost to the very end: the outage lasts at least until the last send
    if lost_since
        && let (Some(from), Some(end)) = (last_good, sent.iter().rev().flatten().next())
        && end.saturating_sub(from) >= outage
    {
        (outage, outage_at) = (end.saturating_sub(from), from);
    }
    out.worst_ms = ms(worst);
    out.outage_ms = ms(outage);
    out.outage_at_ms = ms(outage_at);
    out
}

fn ms(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LATE: Duration = Duration::from_millis(100);
    const STEP: u64 = 1_000_000;

    fn sends(count: u64) -> Vec<u64> {
        (0..count).map(|n| n * STEP).collect()
    }

    fn arrive(numbers: impl IntoIterator<Item = u32>) -> Vec<Arrival> {
        numbers
            .into_iter()
            .map(|number| Arrival {
                number,
                at: u64::from(number) * STEP + 10,
            })
            .collect()
    }

    #[test]
    fn probes_that_change_their_order_on_the_way_are_accounted_for() {
        let sends = sends(6);
        let at = |number: u32, at: u64| Arrival { number, at };
        // 2 reaches the server after 3, 1 does not come back
        let echoed = [
            at(0, 10),
            at(1, STEP + 10),
            at(3, 3 * STEP + 10),
            at(2, 3 * STEP + 20),
            at(4, 4 * STEP + 10),
        ];
        let returned = [
            at(0, 20),
            at(3, 3 * STEP + 30),
            at(2, 3 * STEP + 40),
            at(4, 4 * STEP + 20),
        ];
        let report = account(&sends, &echoed, &returned, LATE);
        assert_eq!((report.back.lost, report.forward.lost), (1, 1));
        assert_eq!(report.lost(), 2);
        assert!(report.back.outage_ms > 2.0 && report.back.outage_ms < 4.0);
    }

    #[test]
    fn nothing_lost_is_no_outage_however_unevenly_sent() {
        let sends = vec![0, STEP, 40 * STEP, 41 * STEP];
        let got: Vec<_> = sends
            .iter()
            .enumerate()
            .map(|(n, &at)| Arrival {
                number: n as u32,
                at,
            })
            .collect();
        let report = account(&sends, &got, &got, LATE);
        assert_eq!((report.lost(), report.doubled()), (0, 0));
        assert_eq!(report.outage_ms(), 0.0);
        assert_eq!(report.send_gap_ms, 39.0);
    }

    #[test]
    fn outage_runs_from_the_last_before_to_the_first_after() {
        let got = arrive((0..10).chain(30..50));
        let report = account(&sends(50), &got, &got, LATE);
        assert_eq!(report.forward.lost, 20);
        assert_eq!(report.back.sent, 30);
        assert_eq!(report.back.lost, 0);
        assert_eq!(report.lost(), 20);
        assert_eq!(report.outage_ms(), 21.0);
        assert_eq!(report.round_trip.outage_at_ms, 9.0);
    }

    #[test]
    fn lost_at_the_edges_counts() {
        let got = arrive(20..40);
        let report = account(&sends(50), &got, &got, LATE);
        assert_eq!(report.lost(), 30);
        assert_eq!(report.outage_ms(), 20.0);
        let none = account(&sends(50), &[], &[], LATE);
        assert_eq!(none.lost(), 50);
        assert_eq!(none.outage_ms(), 49.0);
    }

    #[test]
    fn return_path_alone_can_fail() {
        let all = arrive(0..50);
        let got = arrive((0..10).chain(15..50));
        let report = account(&sends(50), &all, &got, LATE);
        assert_eq!(
            (report.forward.lost, report.back.lost, report.lost()),
            (0, 5, 5)
        );
    }

    #[test]
    fn doubles_and_unknown_numbers_are_counted() {
        let mut got = arrive(0..10);
        got.extend(arrive([3, 3, 7, 99]));
        let report = account(&sends(10), &got, &arrive(0..10), LATE);
        assert_eq!(report.forward.doubled, 4);
        assert_eq!(report.back.doubled, 0);
        assert_eq!(report.doubled(), 4);
    }

    #[test]
    fn late_ones_are_counted() {
        let mut got = arrive(0..10);
        got[4].at += 101 * STEP;
        let report = account(&sends(10), &got, &got, LATE);
        assert_eq!(report.forward.late, 1);
        assert!(report.forward.worst_ms > 100.0);
    }

    proptest! {
        #[test]
        fn accounts_balance(numbers in proptest::collection::vec(0u32..60, 0..200)) {
            let got = arrive(numbers.iter().copied());
            let report = account(&sends(50), &got, &got, LATE);
            let valid = numbers.iter().filter(|n| **n < 50).count() as u64;
            let unknown = numbers.len() as u64 - valid;
            // every arrival is a first one, a double or unknown
            prop_assert_eq!(
                report.forward.sent - report.forward.lost + report.forward.doubled,
                valid + unknown
            );
            prop_assert_eq!(report.forward.lost == 0, report.forward.outage_ms == 0.0);
        }
    }
}
