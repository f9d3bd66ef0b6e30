//! Who is the Active Router, and what becomes of it: two routers of any makers on one LAN, judged
//! by what is heard there.

use super::bed;
use super::frame::{self, Advert, Checksum};
use super::router::{self, Maker, Router, Vrrp, own_address, unicast_address};
use super::tap::Tap;
use crate::error::{LabError, Result};
use crate::run::Run;
use crate::topology::{Side, Topology};
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, Instant};

/// What this machine may add to every bound (design, test beds: a sleeper oversleeps by up to 17 ms;
/// a test whose machine held a thread for longer than this is played again).
pub const SLACK: Duration = Duration::from_millis(100);
/// How much earlier than its time something may seem to happen: the tap's own reading of the
/// frame before was late by that.
const READ_LATE: Duration = Duration::from_millis(20);
/// How long a router may take from its start until it speaks VRRP, besides VRRP's own times.
const START: Duration = Duration::from_secs(15);
/// How long the bed waits between two looks.
const LOOK: Duration = Duration::from_millis(5);

/// Two routers on one LAN.
#[derive(Debug)]
pub struct Contest {
    /// Namespaces, switches and wires.
    pub topology: Topology,
    /// What is heard on the LAN.
    pub tap: Tap,
    makers: [Maker; 2],
    vrrp: [Vrrp; 2],
    routers: [Box<dyn Router>; 2],
    /// What was found wrong so far.
    pub faults: Vec<String>,
    // last: the namespaces go away after what runs in them
    run: Run,
}

fn index(side: Side) -> usize {
    usize::from(side == Side::B)
}

impl Contest {
    /// Lays the bed of the two and starts none.
    ///
    /// # Errors
    /// When the machine refuses, or a program is missing.
    pub fn lay(makers: [Maker; 2], vrrp: [Vrrp; 2], engine: Option<&Path>) -> Result<Self> {
        let run = Run::begin()?;
        let topology = bed::lay(&run, makers)?;
        let tap = Tap::open(&topology.lan)?;
        let make = |side: Side| {
            let i = index(side);
            router::make(makers[i], &run, &topology, side, &vrrp[i], engine)
        };
        let routers = [make(Side::A)?, make(Side::B)?];
        Ok(Self {
            topology,
            tap,
            makers,
            vrrp,
            routers,
            faults: Vec::new(),
            run,
        })
    }

    /// How a side is configured.
    #[must_use]
    pub fn vrrp(&self, side: Side) -> &Vrrp {
        &self.vrrp[index(side)]
    }

    /// The run that owns everything.
    #[must_use]
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// Starts a side's router.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&mut self, side: Side) -> Result<()> {
        self.routers[index(side)].start(&self.run)
    }

    /// A side's power fails.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self, side: Side) -> Result<()> {
        self.routers[index(side)].kill(&self.run)
    }

    /// A side is told to end.
    ///
    /// # Errors
    /// When it does not run or does not end.
    pub fn terminate(&mut self, side: Side) -> Result<()> {
        self.routers[index(side)].terminate(&self.run)
    }

    /// What a side believes of itself.
    ///
    /// # Errors
    /// When its record cannot be read.
    pub fn says_active(&self, side: Side) -> Result<Option<bool>> {
        self.routers[index(side)].says_active()
    }

    /// The adverts of this virtual router since `since`.
    #[must_use]
    pub fn adverts(&self, since: Instant) -> Vec<(Instant, Option<Side>, Advert)> {
        let vrrp = self.vrrp(Side::A);
        self.tap.adverts(vrrp.vrid, vrrp.ipv6, since)
    }

    /// Logs, and what was heard last.
    #[must_use]
    pub fn logs(&self) -> String {
        let mut out = self.tap.tail(25);
        for side in Side::BOTH {
            out += &self.routers[index(side)].logs();
        }
        out
    }

    fn fault(&mut self, bad: bool, text: impl FnOnce() -> String) {
        if bad {
            self.faults.push(text());
        }
    }

    /// The longer of the two sides' intervals.
    fn interval(&self) -> Duration {
        self.vrrp[0].interval().max(self.vrrp[1].interval())
    }

    /// Waits until `side` says itself that it is the Active Router: adverts by unicast are not heard
    /// while their peer is not there to be resolved.
    ///
    /// # Errors
    /// After `limit`, with the logs.
    pub fn wait_until_it_says_so(&mut self, side: Side, limit: Duration) -> Result<Duration> {
        let begin = Instant::now();
        while self.says_active(side)? != Some(true) {
            if begin.elapsed() > limit {
                return Err(LabError::Timeout {
                    what: format!("{side} to say that it is the Active Router"),
                    waited_ms: limit.as_millis(),
                    seen: "it does not".into(),
                    logs: self.logs(),
                });
            }
            std::thread::sleep(LOOK);
        }
        Ok(begin.elapsed())
    }

    /// For how long one alone must have spoken to be the Active Router.
    fn still(&self) -> Duration {
        (self.interval() * 7 / 2).max(Duration::from_millis(60))
    }

    /// Waits until `side` alone has spoken for three intervals and a half.
    ///
    /// # Errors
    /// After `limit`, with the logs; or when a router ended by itself.
    pub fn wait_for_active(&mut self, side: Side, limit: Duration) -> Result<()> {
        let begin = Instant::now();
        loop {
            let since = Instant::now() - self.still();
            let adverts = self.adverts(since);
            let of = |who: Side| {
                let who = |(_, from, a): &&(Instant, Option<Side>, Advert)| {
                    *from == Some(who) && a.priority > 0
                };
                adverts.iter().filter(who).count()
            };
            if begin.elapsed() > self.still() && of(side) >= 2 && of(side.other()) == 0 {
                return Ok(());
            }
            for router in &mut self.routers {
                router.alive(&self.run)?;
            }
            if begin.elapsed() > limit {
                return Err(LabError::Timeout {
                    what: format!("{side} alone to send adverts"),
                    waited_ms: limit.as_millis(),
                    seen: format!(
                        "adverts within the last {:?}: {} of A, {} of B",
                        self.still(),
                        of(Side::A),
                        of(Side::B)
                    ),
                    logs: self.logs(),
                });
            }
            std::thread::sleep(LOOK);
        }
    }

    /// How long a router that starts may take to become the Active Router.
    fn limit(&self, side: Side) -> Duration {
        START + 2 * self.vrrp(side).down() + self.still()
    }

    /// Starts a side and waits until it is the Active Router.
    ///
    /// # Errors
    /// As [`Contest::wait_for_active`].
    pub fn start_and_lead(&mut self, side: Side) -> Result<()> {
        self.start(side)?;
        self.wait_for_active(side, self.limit(side))
    }

    /// Starts a side that must not become the Active Router, and looks on for twice its time.
    ///
    /// # Errors
    /// As [`Contest::wait_for_active`].
    pub fn start_and_follow(&mut self, side: Side) -> Result<()> {
        let begin = Instant::now();
        self.start(side)?;
        // until it says something of itself, which it does once it speaks VRRP
        while self.says_active(side)?.is_none() && begin.elapsed() < Duration::from_secs(2) {
            std::thread::sleep(LOOK);
        }
        std::thread::sleep(2 * self.vrrp(side).down());
        let spoke = self
            .adverts(begin)
            .iter()
            .filter(|(_, from, _)| *from == Some(side))
            .count();
        self.fault(spoke > 0, || {
            format!("{side} sent {spoke} adverts beside an Active Router that it does not preempt")
        });
        let says = self.says_active(side)?;
        self.fault(says == Some(true), || {
            format!("{side} says that it is the Active Router")
        });
        self.wait_for_active(side.other(), self.limit(side.other()))
    }

    /// The first advert of `side` after `since`.
    fn first(&self, side: Side, since: Instant) -> Option<Instant> {
        let of =
            |(_, from, a): &(Instant, Option<Side>, Advert)| *from == Some(side) && a.priority > 0;
        self.adverts(since).into_iter().find(of).map(|(at, ..)| at)
    }

    /// Kills the Active Router `side`, and holds what the other does against its time: three
    /// intervals and its skew time after the last advert.
    ///
    /// # Errors
    /// As [`Contest::wait_for_active`].
    pub fn kill_and_look(&mut self, side: Side) -> Result<Duration> {
        let other = side.other();
        let before = Instant::now() - self.still();
        self.kill(side)?;
        self.wait_for_active(other, self.limit(other))?;
        let last = self
            .adverts(before)
            .into_iter()
            .filter(|(_, from, a)| *from == Some(side) && a.priority > 0)
            .map(|(at, ..)| at)
            .next_back();
        let Some(last) = last else {
            return Err(self.unheard(side));
        };
        let Some(first) = self.first(other, last) else {
            return Err(self.unheard(other));
        };
        let took = first - last;
        let down = self.vrrp(other).down();
        self.fault(took > down + self.slack(other), || {
            format!("{other} took over {took:?} after the last advert, its time is {down:?}")
        });
        // FRR and others count in whole centiseconds
        let earliest = down.saturating_sub(READ_LATE + self.interval() / 5);
        self.fault(took < earliest, || {
            format!("{other} took over after {took:?} already, its time is {down:?}")
        });
        let resigned = self
            .adverts(last)
            .iter()
            .any(|(_, from, a)| *from == Some(side) && a.priority == 0);
        self.fault(resigned, || format!("{side} resigned when it was killed"));
        Ok(took)
    }

    /// Ends the Active Router `side` in an orderly way: it resigns with priority 0, and the other
    /// takes over after its skew time.
    ///
    /// # Errors
    /// As [`Contest::wait_for_active`].
    pub fn end_and_look(&mut self, side: Side) -> Result<Duration> {
        let other = side.other();
        let begin = Instant::now();
        self.terminate(side)?;
        self.wait_for_active(other, self.limit(other))?;
        let resigned = self
            .adverts(begin)
            .into_iter()
            .find(|(_, from, a)| *from == Some(side) && a.priority == 0);
        let Some((resigned, ..)) = resigned else {
            self.faults
                .push(format!("{side} ended without an advert of priority 0"));
            return Ok(Duration::ZERO);
        };
        let Some(first) = self.first(other, begin) else {
            return Err(self.unheard(other));
        };
        let took = first.saturating_duration_since(resigned);
        let skew = self.vrrp(other).skew();
        self.fault(took > skew + self.slack(other), || {
            format!("{other} took over {took:?} after priority 0, its skew time is {skew:?}")
        });
        Ok(took)
    }

    /// By how much later than its time a side may be heard. FRR wakes its IPv6 interface only then,
    /// and its first advert is lost: the second one is heard.
    fn slack(&self, side: Side) -> Duration {
        let frr6 = self.makers[index(side)] == Maker::Frr && self.vrrp(side).ipv6;
        SLACK + self.vrrp(side).interval() * u32::from(frr6)
    }

    fn unheard(&self, side: Side) -> LabError {
        LabError::Timeout {
            what: format!("adverts of {side}"),
            waited_ms: 0,
            seen: "none in the record".into(),
            logs: self.logs(),
        }
    }

    /// Holds all adverts of ours against the list of RFC 9568 in the design, items 1 to 7; and that
    /// others' are understood by the tap. `at_least` of each maker's must have been heard.
    pub fn check_adverts(&mut self, since: Instant, at_least: usize) {
        let adverts = self.adverts(since);
        for side in Side::BOTH {
            let i = index(side);
            let (maker, vrrp) = (self.makers[i], self.vrrp[i].clone());
            let mut count = 0;
            let mut faults = Vec::new();
            for (_, from, advert) in &adverts {
                if *from == Some(side) {
                    count += 1;
                    wrong(maker, side, &vrrp, advert, &mut faults);
                }
            }
            // the same fault in each advert is one fault
            faults.sort();
            faults.dedup();
            self.faults.append(&mut faults);
            self.fault(count < at_least, || {
                format!("only {count} adverts of {side} were heard")
            });
        }
    }
}

/// What is wrong with an advert.
fn wrong(maker: Maker, side: Side, vrrp: &Vrrp, advert: &Advert, faults: &mut Vec<String>) {
    let mut fault = |bad: bool, item: &str, what: String| {
        if bad {
            faults.push(format!("{maker:?} {side}, item {item}: {what}"));
        }
    };
    fault(advert.ttl != 255, "1", format!("TTL {}", advert.ttl));
    fault(advert.version != vrrp.version || advert.kind != 1, "4", {
        format!("version {} type {}", advert.version, advert.kind)
    });
    fault(advert.interval != vrrp.interval(), "4", {
        format!("interval {:?}", advert.interval)
    });
    fault(advert.checksum == Checksum::Wrong, "5", "checksum".into());
    if maker != Maker::Ours {
        return;
    }
    let own = own_address(side, vrrp.ipv6);
    let group: IpAddr = match (vrrp.unicast, vrrp.ipv6) {
        (true, ipv6) => unicast_address(side.other(), ipv6).parse(),
        (false, true) => "ff02::12".parse(),
        (false, false) => "224.0.0.18".parse(),
    }
    .unwrap_or(IpAddr::from([0; 4]));
    fault(advert.destination != group, "1", {
        format!("destination {}", advert.destination)
    });
    let group_mac = match vrrp.ipv6 {
        true => [0x33, 0x33, 0, 0, 0, 0x12],
        false => [1, 0, 0x5e, 0, 0, 0x12],
    };
    fault(
        !vrrp.unicast && advert.destination_mac != group_mac,
        "1",
        format!("to {}", frame::mac_text(advert.destination_mac)),
    );
    let mac = frame::virtual_mac(vrrp.vrid, vrrp.ipv6);
    fault(advert.source_mac != mac, "2", {
        format!("from {}", frame::mac_text(advert.source_mac))
    });
    let source_right = match advert.source {
        IpAddr::V6(source) => {
            let named = unicast_address(side, true).parse() == Ok(source);
            source.segments()[0] == 0xfe80 && (named || !vrrp.unicast)
        }
        source => own.parse() == Ok(source),
    };
    fault(!source_right, "3", format!("source {}", advert.source));
    fault(advert.reserved != 0, "4", {
        format!("reserved bits {:x}", advert.reserved)
    });
    let wanted = match (vrrp.version, vrrp.ipv6, vrrp.checksum) {
        (2, ..) | (3, false, "rfc9568") => Some(Checksum::Message),
        (_, true, _) | (3, false, "pseudo-header") => Some(Checksum::PseudoHeader),
        // what "any" sends is the engine's page's affair
        _ => None,
    };
    fault(wanted.is_some_and(|w| w != advert.checksum), "5", {
        format!("checksum {:?}", advert.checksum)
    });
    let link_local_first = match advert.addresses.first() {
        Some(IpAddr::V6(first)) => first.segments()[0] == 0xfe80,
        _ => false,
    };
    fault(vrrp.ipv6 && !link_local_first, "6", {
        format!("addresses {:?}", advert.addresses)
    });
    let mut addresses = advert.addresses.clone();
    addresses.sort();
    fault(addresses != vrrp.sorted_addresses(), "6", {
        format!("addresses {addresses:?}")
    });
    let known = [0, vrrp.priority].contains(&advert.priority);
    fault(!known, "7", format!("priority {}", advert.priority));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advert() -> Advert {
        Advert {
            source_mac: frame::virtual_mac(51, false),
            destination_mac: [1, 0, 0x5e, 0, 0, 0x12],
            source: "10.77.0.11".parse().unwrap(),
            destination: "224.0.0.18".parse().unwrap(),
            ttl: 255,
            version: 3,
            kind: 1,
            vrid: 51,
            priority: 100,
            interval: Duration::from_millis(100),
            reserved: 0,
            addresses: Vrrp::default().sorted_addresses(),
            checksum: Checksum::PseudoHeader,
        }
    }

    fn faults(advert: &Advert) -> Vec<String> {
        let mut faults = Vec::new();
        wrong(Maker::Ours, Side::A, &Vrrp::default(), advert, &mut faults);
        faults
    }

    #[test]
    fn each_wrong_field_of_an_advert_is_a_fault_with_its_item() {
        assert_eq!(faults(&advert()), Vec::<String>::new());
        type Spoil = fn(&mut Advert);
        let spoil: [(&str, Spoil); 12] = [
            ("item 1", |a| a.ttl = 254),
            ("item 1", |a| a.destination = "224.0.0.1".parse().unwrap()),
            ("item 1", |a| a.destination_mac[5] = 1),
            ("item 2", |a| a.source_mac[5] = 52),
            ("item 3", |a| a.source = "10.77.0.254".parse().unwrap()),
            ("item 4", |a| a.version = 2),
            ("item 4", |a| a.kind = 2),
            ("item 4", |a| a.reserved = 1),
            ("item 4", |a| a.interval *= 2),
            ("item 5", |a| a.checksum = Checksum::Message),
            ("item 6", |a| a.addresses.clear()),
            ("item 7", |a| a.priority = 101),
        ];
        for (item, spoil) in spoil {
            let mut bad = advert();
            spoil(&mut bad);
            let found = faults(&bad);
            assert!(
                found.len() == 1 && found[0].contains(item),
                "{item}: {found:?}"
            );
        }
    }
}
