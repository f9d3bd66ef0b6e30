//! One life of a pair, and what is measured in it.

use crate::pair::{Changes, Pair, System};
use serde::Serialize;
use std::fs;
use std::time::Duration;
use twinline_tests::busy::Busy;
use twinline_tests::probe::udp::UdpReport;
use twinline_tests::stall::StallMeter;
use twinline_tests::{LabError, Result};

/// How long stragglers may arrive.
const LINGER: Duration = Duration::from_millis(300);
/// Traffic before the event: addresses are resolved, switches and routers learn.
const WARM_UP: Duration = Duration::from_millis(1000);
/// Traffic after the takeover.
const TAIL: Duration = Duration::from_millis(500);
/// A probe later than this is late; nothing in a bed is that slow when it works.
const LATE: Duration = Duration::from_millis(500);
/// How often the settled state is waited for again when it was lost during the warm-up.
const TRIES: usize = 5;

/// What happens to the active router of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Its LAN cable is pulled at the switch.
    Unplugged,
    /// It is told to hand over: ours by `ha switchover`, keepalived by SIGTERM.
    HandOver,
    /// Its power fails: SIGKILL, and its kernel forwards nothing any more.
    Killed,
}

impl Fault {
    /// All, in the order in which they are played in one life: the last one ends it.
    pub const ALL: [Fault; 3] = [Fault::Unplugged, Fault::HandOver, Fault::Killed];

    /// Its name on the command line and in the results.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Fault::Unplugged => "unplugged",
            Fault::HandOver => "hand-over",
            Fault::Killed => "killed",
        }
    }
}

/// One measured fail-over.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Failover {
    /// The interval, ms.
    pub interval_ms: u32,
    /// What happened.
    pub fault: Fault,
    /// To whose pair.
    pub system: System,
    /// Which round, from 1.
    pub round: usize,
    /// The longest stretch without a probe that got there and back, by send times, ms.
    pub outage_ms: f64,
    /// Probes that did not come back.
    pub lost: u64,
    /// Arrivals beyond the first of each number, in either direction.
    pub doubled: u64,
    /// Probes sent.
    pub sent: u64,
    /// When the outage began, ms after the event's beginning; `None` without an outage.
    pub began_ms: Option<f64>,
    /// The longest pause between two sends, ms.
    pub send_gap_ms: f64,
    /// The longest that the machine held a thread that wanted to run after 1 ms, ms.
    pub stall_ms: f64,
    /// The worst lateness of a router's own loop in its life so far, ms (ours only).
    pub worst_late_ms: Option<f64>,
    /// Why it counts as failed: nothing took over, or the outage never ended.
    pub failed: Option<String>,
}

/// One stretch in which nothing happens and nothing should.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Watch {
    /// The interval, ms.
    pub interval_ms: u32,
    /// Busy processes beside the pair.
    pub busy: u32,
    /// Whose pair it is.
    pub system: System,
    /// Which turn, from 1.
    pub turn: usize,
    /// How long it was watched, s.
    pub seconds: f64,
    /// What its routers did with their roles.
    pub changes: Changes,
    /// The reasons that the routers themselves give (ours only).
    pub causes: Vec<String>,
    /// How often the routers' own loops were late by more than half an interval meanwhile (ours
    /// only).
    pub late_count: u64,
    /// The longest outage, ms.
    pub outage_ms: f64,
    /// Probes that did not come back.
    pub lost: u64,
    /// Arrivals beyond the first of each number.
    pub doubled: u64,
    /// Probes sent.
    pub sent: u64,
    /// The longest pause between two sends, ms.
    pub send_gap_ms: f64,
    /// The longest that the machine held a thread, ms.
    pub stall_ms: f64,
    /// The worst lateness of a router's own loop, ms (ours only).
    pub worst_late_ms: Option<f64>,
}

/// What a measurement is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// The interval, ms.
    pub interval_ms: u32,
    /// Whose pair it is.
    pub system: System,
    /// Which round or turn, from 1.
    pub round: usize,
    /// Probes a second.
    pub probes: u32,
    /// When in the interval the event shall happen, in parts of 1000 of it, on top of the moment
    /// that chance chooses: the same for both systems in a round.
    pub phase: u32,
}

/// Plays one fault on a settled pair.
///
/// # Errors
/// When the bed fails, or the pair never settles. A takeover that does not come is a result.
pub fn failover(pair: &mut dyn Pair, fault: Fault, order: Order) -> Result<Failover> {
    let mut tries = 0;
    // a pair that changes sides in the warm-up would be hit at the wrong end
    let (probe, meter, through_a) = loop {
        pair.settle()?;
        let meter = StallMeter::start(&[0, 1]);
        let before = pair.frames_from_a()?;
        let probe = pair.probe(order.probes)?;
        let phase = u64::from(order.interval_ms) * u64::from(order.phase);
        std::thread::sleep(WARM_UP + Duration::from_micros(phase));
        // each probe makes two frames out of the active one, besides its heartbeats or adverts
        let passed = pair.frames_from_a()?.saturating_sub(before);
        let through_a = passed as f64 > 1.5 * f64::from(order.probes) * WARM_UP.as_secs_f64();
        if pair.is_settled() {
            break (probe, meter, through_a);
        }
        probe.stop(LINGER, LATE)?;
        tries += 1;
        if tries == TRIES {
            return Err(LabError::Timeout {
                what: format!("{} to keep its roles for a second", order.system),
                waited_ms: WARM_UP.as_millis() * TRIES as u128,
                seen: "they changed each time".into(),
                logs: pair.logs(),
            });
        }
    };
    let at = probe.now_ms();
    let acted = match fault {
        Fault::Unplugged => pair.set_cable(false),
        Fault::HandOver => pair.hand_over(),
        Fault::Killed => pair.kill(),
    };
    let taken = acted.and_then(|()| pair.wait_for_b());
    std::thread::sleep(TAIL + Duration::from_millis(u64::from(order.interval_ms)));
    let report = probe.stop(LINGER, LATE)?;
    let stall_ms = meter.finish();
    let worst_late_ms = pair.worst_late_ms();
    if fault == Fault::Unplugged {
        pair.set_cable(true)?;
    }
    let failed = match taken {
        Ok(()) if !through_a => Some("before the event no traffic came through A".into()),
        Ok(()) => unended(&report),
        Err(e) if e.is_the_engines() => Some(e.to_string()),
        Err(e) => return Err(e),
    };
    Ok(Failover {
        interval_ms: order.interval_ms,
        fault,
        system: order.system,
        round: order.round,
        outage_ms: report.outage_ms(),
        lost: report.lost(),
        doubled: report.doubled(),
        sent: report.forward.sent,
        began_ms: (report.lost() > 0).then_some(report.round_trip.outage_at_ms - at),
        send_gap_ms: report.send_gap_ms,
        stall_ms,
        worst_late_ms,
        failed,
    })
}

/// Why a measurement did not measure an outage that began and ended.
fn unended(report: &UdpReport) -> Option<String> {
    let way = &report.round_trip;
    if way.sent == 0 {
        return Some("no probe was sent".into());
    }
    if way.lost == way.sent {
        return Some("no probe came back at all".into());
    }
    // the last probe was sent when the tail ended: an outage up to there did not end
    let end_ms = way.sent as f64 * 1000.0 / report.rate.max(1.0);
    let up_to = way.outage_at_ms + way.outage_ms;
    (way.lost > 0 && up_to > end_ms - TAIL.as_secs_f64() * 1000.0 / 10.0)
        .then(|| format!("no probe came back from {:.0} ms on", way.outage_at_ms))
}

/// Watches a settled pair with `busy` processes beside it.
///
/// # Errors
/// When the bed fails or the pair never settles.
pub fn watch(pair: &mut dyn Pair, busy: u32, seconds: f64, order: Order) -> Result<Watch> {
    pair.settle()?;
    let meter = StallMeter::start(&[0, 1]);
    pair.mark()?;
    let late_before = pair.late_count();
    let probe = pair.probe(order.probes)?;
    let processes = Busy::start(pair.run(), busy)?;
    std::thread::sleep(Duration::from_secs_f64(seconds));
    drop(processes);
    let changes = pair.changes();
    let causes = pair.causes();
    let late_count = pair.late_count().saturating_sub(late_before);
    let report = probe.stop(LINGER, LATE)?;
    Ok(Watch {
        interval_ms: order.interval_ms,
        busy,
        system: order.system,
        turn: order.round,
        seconds,
        changes: changes?,
        causes: causes?,
        late_count,
        outage_ms: report.outage_ms(),
        lost: report.lost(),
        doubled: report.doubled(),
        sent: report.forward.sent,
        send_gap_ms: report.send_gap_ms,
        stall_ms: meter.finish(),
        worst_late_ms: pair.worst_late_ms(),
    })
}

/// The machine's load averages over 1, 5 and 15 minutes, as `/proc/loadavg` gives them.
#[must_use]
pub fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let words: Vec<&str> = text.split_whitespace().take(3).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use twinline_tests::probe::udp::Direction;

    fn report(sent: u64, lost: u64, at: f64, outage: f64) -> UdpReport {
        UdpReport {
            round_trip: Direction {
                sent,
                lost,
                outage_at_ms: at,
                outage_ms: outage,
                ..Direction::default()
            },
            rate: 1000.0,
            ..UdpReport::default()
        }
    }

    #[test]
    fn an_outage_that_ended_is_a_measurement() {
        assert_eq!(unended(&report(2000, 0, 0.0, 0.0)), None);
        assert_eq!(unended(&report(2000, 30, 1000.0, 31.0)), None);
    }

    #[test]
    fn an_outage_to_the_end_is_a_failure() {
        assert!(unended(&report(2000, 1000, 1000.0, 999.0)).is_some());
        assert!(unended(&report(2000, 2000, 0.0, 1999.0)).is_some());
        assert!(unended(&report(0, 0, 0.0, 0.0)).is_some());
    }

    #[test]
    fn every_fault_has_a_name_of_its_own_and_the_deadly_one_is_last() {
        let mut names = Fault::ALL.map(Fault::name).to_vec();
        assert_eq!(Fault::ALL.last(), Some(&Fault::Killed));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Fault::ALL.len());
    }
}
