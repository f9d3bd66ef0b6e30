//! Numbered broadcasts from the client, and a counter of every group-addressed frame on every
//! switch port: a loop, however short, shows as a frame that passes a port twice, or comes back.

use super::{Pace, join};
use crate::error::{LabError, Result};
use crate::netns;
use crate::sys::{self, RawSocket, Seen, Take};
use crate::topology::{Side, Topology};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Ethertype of the broadcasts: "local experimental 1" of IEEE 802.
const ETHERTYPE: [u8; 2] = [0x88, 0xb5];
const MAGIC: [u8; 4] = *b"TLBC";
const FRAME: usize = 60;
/// The most numbered broadcasts of one measurement.
const MOST: u32 = 100_000;
/// How long a watcher lets frames gather.
const GATHER: Duration = Duration::from_millis(5);
/// RARP, by which a new ACTIVE teaches the switches (`twinline-wire`, module `announce`).
const RARP: [u8; 2] = [0x80, 0x35];

/// Broadcasts that run.
#[derive(Debug)]
pub struct Broadcasts {
    stop_sending: Arc<AtomicBool>,
    stop_watching: Arc<AtomicBool>,
    sender: JoinHandle<Result<u32>>,
    watchers: Vec<JoinHandle<Result<Watched>>>,
}

/// A port and direction, as `lan.a>`: `>` out of the switch, `<` into it.
type Place = String;

/// What one watcher saw.
#[derive(Debug, Default)]
struct Watched {
    /// How often each number passed each place.
    passes: BTreeMap<(u32, Place), u32>,
    /// Other group-addressed frames by place.
    others: BTreeMap<Place, u64>,
    /// Announcements of a new ACTIVE by place.
    announcements: BTreeMap<Place, u64>,
}

/// The account of the broadcasts.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct BroadcastReport {
    /// Numbered broadcasts sent by the client.
    pub sent: u32,
    /// Those that never reached the server.
    pub lost: u32,
    /// Numbered broadcasts that reached the server more than once.
    pub doubled: u32,
    /// Passes of a numbered broadcast beyond the first at one port and direction.
    pub repeats: u64,
    /// Numbered broadcasts that came back: into the LAN switch from an appliance.
    pub returned: u64,
    /// Announcements (RARP) that came into the switches from the appliances.
    pub announcements: u64,
    /// Other group-addressed frames that came into the switches from the appliances.
    pub other_group_frames: u64,
    /// The places with repeats: place and number of passes too many.
    pub where_repeated: BTreeMap<Place, u64>,
    /// No repeat, no return, no double.
    pub ok: bool,
}

impl Broadcasts {
    /// Starts `rate` numbered broadcasts a second, and the watchers.
    ///
    /// # Errors
    /// When a raw socket cannot be opened.
    pub fn start(topology: &Topology, rate: u32) -> Result<Self> {
        let stop_sending = Arc::new(AtomicBool::new(false));
        let stop_watching = Arc::new(AtomicBool::new(false));
        let mut watchers = Vec::new();
        for (namespace, label, ports) in [
            (
                &topology.lan,
                "lan",
                &["host", Side::A.name(), Side::B.name()][..],
            ),
            (
                &topology.wan,
                "wan",
                &["host", Side::A.name(), Side::B.name()][..],
            ),
            (&topology.server, "server", &["eth0"][..]),
        ] {
            for port in ports {
                // one socket a port: in another namespace or on another port indices mean nothing
                let socket = netns::inside(namespace, || {
                    RawSocket::open(sys::interface_index(port)?, Take::Group)
                })?;
                let place = format!("{label}.{port}");
                let stop = Arc::clone(&stop_watching);
                watchers.push(std::thread::spawn(move || watch(&socket, &place, &stop)));
            }
        }
        let socket = netns::inside(&topology.client, || {
            RawSocket::open(sys::interface_index("eth0")?, Take::Group)
        })?;
        let stop = Arc::clone(&stop_sending);
        let sender = std::thread::spawn(move || send(&socket, rate, &stop));
        Ok(Self {
            stop_sending,
            stop_watching,
            sender,
            watchers,
        })
    }

    /// Stops sending, watches on for `linger`, and gives the account.
    ///
    /// # Errors
    /// When a measuring thread failed.
    pub fn stop(self, linger: Duration) -> Result<BroadcastReport> {
        self.stop_sending.store(true, Ordering::Relaxed);
        let sent = join(self.sender, "broadcast sender");
        std::thread::sleep(linger);
        self.stop_watching.store(true, Ordering::Relaxed);
        let mut all = Watched::default();
        for watcher in self.watchers {
            let one = join(watcher, "broadcast watcher")?;
            all.passes.extend(one.passes);
            all.others.extend(one.others);
            all.announcements.extend(one.announcements);
        }
        Ok(account(sent?, &all))
    }
}

fn send(socket: &RawSocket, rate: u32, stop: &AtomicBool) -> Result<u32> {
    let mut pace = Pace::per_second(rate);
    let mut frame = [0; FRAME];
    frame[..6].fill(0xff);
    // a station of its own: it must not teach the switches where the client is
    frame[6..12].copy_from_slice(&[0x02, 0x77, 0, 0, 0, 0xbc]);
    frame[12..14].copy_from_slice(&ETHERTYPE);
    frame[14..18].copy_from_slice(&MAGIC);
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) && number < MOST {
        frame[18..22].copy_from_slice(&number.to_be_bytes());
        socket
            .send(&frame)
            .map_err(LabError::io("sending a broadcast"))?;
        number += 1;
        pace.wait();
    }
    Ok(number)
}

fn watch(socket: &RawSocket, place: &str, stop: &AtomicBool) -> Result<Watched> {
    let mut watched = Watched::default();
    let mut buffer = [0; 256];
    // what has gathered by the end is still looked at
    let mut last_look = false;
    while !last_look {
        let stopping = stop.load(Ordering::Relaxed);
        let seen = socket
            .receive(&mut buffer, Duration::ZERO)
            .map_err(LabError::io("watching a port"))?;
        let Some(Seen {
            length, outgoing, ..
        }) = seen
        else {
            last_look = stopping;
            // frames gather in the socket meanwhile: fewer wake-ups beside the engines
            std::thread::sleep(GATHER);
            continue;
        };
        let frame = &buffer[..length];
        let place = format!("{place}{}", if outgoing { '>' } else { '<' });
        match number_of(frame) {
            Some(number) if number < MOST => {
                let passes = watched.passes.entry((number, place)).or_default();
                *passes = passes.saturating_add(1);
            }
            _ => {
                let kind = if frame.get(12..14) == Some(&RARP) {
                    &mut watched.announcements
                } else {
                    &mut watched.others
                };
                *kind.entry(place).or_default() += 1;
            }
        }
    }
    Ok(watched)
}

fn number_of(frame: &[u8]) -> Option<u32> {
    if frame.get(12..14)? != ETHERTYPE || frame.get(14..18)? != MAGIC {
        return None;
    }
    Some(u32::from_be_bytes(frame.get(18..22)?.try_into().ok()?))
}

fn account(sent: u32, watched: &Watched) -> BroadcastReport {
    let mut report = BroadcastReport {
        sent,
        lost: sent,
        ..BroadcastReport::default()
    };
    for ((number, place), &passes) in &watched.passes {
        if place == "server.eth0<" {
            report.doubled += u32::from(passes > 1);
            report.lost = report.lost.saturating_sub(u32::from(*number < sent));
        }
        if place == "lan.a<" || place == "lan.b<" {
            report.returned += u64::from(passes);
        }
        let extra = u64::from(passes.saturating_sub(1));
        if extra > 0 {
            report.repeats += extra;
            *report.where_repeated.entry(place.clone()).or_default() += extra;
        }
    }
    let from_appliances = |place: &str| place.ends_with('<') && !place.contains("host");
    report.announcements = sum(&watched.announcements, from_appliances);
    report.other_group_frames = sum(&watched.others, from_appliances);
    report.ok = report.repeats == 0 && report.returned == 0 && report.doubled == 0;
    report
}

fn sum(counts: &BTreeMap<Place, u64>, wanted: impl Fn(&str) -> bool) -> u64 {
    counts
        .iter()
        .filter(|(place, _)| wanted(place) && !place.starts_with("server"))
        .map(|(_, count)| count)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(passes: &[(u32, &str, u32)]) -> Watched {
        Watched {
            passes: passes
                .iter()
                .map(|(n, p, c)| ((*n, (*p).to_owned()), *c))
                .collect(),
            ..Watched::default()
        }
    }

    #[test]
    fn one_pass_a_port_and_direction_is_no_loop() {
        let report = account(
            2,
            &watched(&[
                (0, "lan.host<", 1),
                (0, "lan.a>", 1),
                (0, "lan.b>", 1),
                (0, "wan.a<", 1),
                (0, "wan.b>", 1),
                (0, "server.eth0<", 1),
            ]),
        );
        assert!(report.ok, "{report:?}");
        assert_eq!((report.lost, report.doubled), (1, 0));
    }

    #[test]
    fn a_second_pass_a_double_and_a_return_are_loops() {
        for (passes, what) in [
            (&[(0, "wan.a>", 2)][..], "repeat"),
            (&[(0, "server.eth0<", 2)][..], "double"),
            (&[(0, "lan.b<", 1)][..], "return"),
        ] {
            assert!(!account(1, &watched(passes)).ok, "{what}");
        }
    }

    #[test]
    fn other_frames_have_no_number() {
        assert_eq!(number_of(&[]), None);
        assert_eq!(number_of(&[0xff; 60]), None);
        let mut frame = [0; 60];
        frame[12..14].copy_from_slice(&ETHERTYPE);
        frame[14..18].copy_from_slice(&MAGIC);
        frame[21] = 9;
        assert_eq!(number_of(&frame), Some(9));
        assert_eq!(number_of(&frame[..21]), None);
    }
}
