//! Our pair, in the lab's bed: inline, or as routers with virtual addresses.

use crate::pair::{Changes, Pair};
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};
use twinline_tests::engine::Settings;
use twinline_tests::lab::Lab;
use twinline_tests::probe::udp::UdpProbe;
use twinline_tests::run::Run;
use twinline_tests::topology::{Leg, Side};
use twinline_tests::{LabError, Result, netns, scenes, status};

/// How long a change of role may take, besides ten intervals.
const CHANGE: Duration = Duration::from_secs(15);

/// How often an engine is asked for its events, two seconds each time.
const ASKED: u32 = 5;

/// Our threshold: as many slots without a heartbeat as VRRP has intervals.
pub const THRESHOLD: u32 = 3;

/// Two engines in the lab.
#[derive(Debug)]
pub struct Twinline {
    lab: Lab,
    /// The number of the last event before the mark, of A and of B.
    marks: [u64; 2],
}

impl Twinline {
    /// Lays the bed and starts both engines; with `huge` on hugepages, with `routed` as routers
    /// whose adverts go each `interval_ms` as well.
    ///
    /// # Errors
    /// When the machine refuses; what was made by then is removed.
    pub fn up(binary: &Path, interval_ms: u32, huge: bool, routed: bool) -> Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let settings = Settings {
            interval_ms,
            threshold: THRESHOLD,
            preempt_delay_s: 2,
            in_band: false,
            huge,
            cores: (0, u32::from(cores > 1)),
        };
        let lab = if routed {
            Lab::up_routed(binary, settings)
        } else {
            Lab::up(binary, settings)
        };
        Ok(Self {
            lab: lab?,
            marks: [0; 2],
        })
    }

    fn change(&self) -> Duration {
        CHANGE + 10 * Duration::from_millis(u64::from(self.lab.settings.interval_ms))
    }
}

/// A change of the instance's role, or of one of its virtual routers' states.
fn is_change(what: &str) -> bool {
    what == "role" || what.starts_with("virtual router ")
}

/// An engine that busy processes keep from answering is asked again.
fn patiently<T>(ask: impl Fn() -> Result<T>) -> Result<T> {
    let mut tries = 1;
    loop {
        match ask() {
            Err(LabError::NoAnswer(_)) if tries < ASKED => tries += 1,
            answer => return answer,
        }
    }
}

impl Pair for Twinline {
    fn settle(&mut self) -> Result<()> {
        for side in Side::BOTH {
            if self.lab.engine(side).pid().is_none() {
                self.lab.restart(side)?;
            }
        }
        let interval = Duration::from_millis(u64::from(self.lab.settings.interval_ms));
        let still = (5 * interval).max(Duration::from_millis(300));
        let begin = Instant::now();
        loop {
            scenes::lead(&mut self.lab, Side::A)?;
            self.mark()?;
            std::thread::sleep(still);
            if self.is_settled() && self.changes()?.role_changes == 0 {
                return Ok(());
            }
            if begin.elapsed() > self.change() {
                return Err(LabError::Timeout {
                    what: format!("A ACTIVE and both still for {} ms", still.as_millis()),
                    waited_ms: begin.elapsed().as_millis(),
                    seen: self.lab.both().line(),
                    logs: self.logs(),
                });
            }
        }
    }

    fn is_settled(&mut self) -> bool {
        self.lab.both().settled() == Some(Side::A)
    }

    fn probe(&self, rate: u32) -> Result<UdpProbe> {
        UdpProbe::start(&self.lab.topology, rate)
    }

    fn frames_from_a(&self) -> Result<u64> {
        self.lab.topology.frames_from(Side::A)
    }

    fn kill(&mut self) -> Result<()> {
        // the kernel takes its time over the rings: its end is waited for when B is active
        self.lab.engine(Side::A).signal(libc::SIGKILL)
    }

    fn set_cable(&mut self, plugged: bool) -> Result<()> {
        self.lab.topology.set_cable(Side::A, Leg::Lan, plugged)
    }

    fn hand_over(&mut self) -> Result<()> {
        self.lab.engine(Side::A).ctl("ha switchover").map(drop)
    }

    fn wait_for_b(&mut self) -> Result<()> {
        let limit = self.change();
        self.lab
            .wait_for(Side::B, "ACTIVE", limit, |s| s.is("ACTIVE"))
            .map(drop)
    }

    fn mark(&mut self) -> Result<()> {
        for (mark, side) in self.marks.iter_mut().zip(Side::BOTH) {
            let events = patiently(|| status::events(&self.lab.engine(side).socket))?;
            *mark = events.last().map_or(0, |event| event.seq);
        }
        Ok(())
    }

    fn changes(&mut self) -> Result<Changes> {
        let mut changes = Changes::default();
        for (&mark, side) in self.marks.iter().zip(Side::BOTH) {
            let events = patiently(|| status::events(&self.lab.engine(side).socket))?;
            changes.at_least |= events.first().is_some_and(|event| event.seq > mark + 1);
            for event in events.iter().filter(|e| e.seq > mark && is_change(&e.what)) {
                changes.role_changes += 1;
                changes.takeovers += u64::from(event.to.eq_ignore_ascii_case("ACTIVE"));
            }
        }
        Ok(changes)
    }

    fn causes(&mut self) -> Result<Vec<String>> {
        let mut causes = Vec::new();
        for (&mark, side) in self.marks.iter().zip(Side::BOTH) {
            let events = patiently(|| status::events(&self.lab.engine(side).socket))?;
            for event in events.iter().filter(|e| e.seq > mark && is_change(&e.what)) {
                causes.push(format!(
                    "{side} {} {} -> {}: {} {}",
                    event.what, event.from, event.to, event.why, event.detail
                ));
            }
        }
        Ok(causes)
    }

    fn late_count(&mut self) -> u64 {
        let both = self.lab.both();
        let late = [both.a, both.b].into_iter().flatten();
        late.map(|status| status.late_count).sum()
    }

    fn worst_late_ms(&mut self) -> Option<f64> {
        let both = self.lab.both();
        let late = [both.a, both.b].into_iter().flatten();
        late.map(|status| status.worst_late_ms)
            .max_by(f64::total_cmp)
    }

    fn run(&self) -> &Run {
        self.lab.run()
    }

    fn logs(&self) -> String {
        let mut out = self.lab.logs();
        for side in Side::BOTH {
            for words in [
                "show ha",
                "show link-pairs",
                "show ports",
                "show virtual-routers",
            ] {
                // one that ended has nothing to say
                if let Ok(answer) = self.lab.engine(side).ctl(words) {
                    // writing into a String cannot fail
                    let _ = write!(out, "\n  {side} {words}: {answer}");
                }
            }
        }
        for leg in [Leg::Lan, Leg::Wan] {
            let switch = self.lab.topology.switch(leg);
            let learnt = netns::command(&["bridge", "-n", switch, "fdb", "show", "br", "sw"]);
            let _ = write!(out, "\n  {leg:?} switch: {}", learnt.unwrap_or_default());
        }
        out
    }

    fn down(&mut self) {
        for side in Side::BOTH {
            // one that was killed before is only waited for
            let _ = self.lab.kill(side);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn virtual_routers_change_as_well() {
        assert!(is_change("role") && is_change("virtual router lan0-4"));
        assert!(!is_change("peer 1 health") && !is_change("alarm virtual_router_elsewhere"));
    }

    #[test]
    fn a_silent_engine_is_asked_again_but_not_for_ever() {
        let asked = Cell::new(0);
        let silent_until = |n: u32| {
            asked.set(0);
            patiently(|| {
                asked.set(asked.get() + 1);
                if asked.get() < n {
                    Err(LabError::NoAnswer("silent".into()))
                } else {
                    Ok(())
                }
            })
        };
        assert!(silent_until(3).is_ok() && asked.get() == 3);
        assert!(silent_until(ASKED + 1).is_err() && asked.get() == ASKED);
        asked.set(0);
        let refused = patiently(|| -> Result<()> {
            asked.set(asked.get() + 1);
            Err(LabError::NotRoot)
        });
        assert!(refused.is_err() && asked.get() == 1);
    }
}
