//! keepalived's pair, in the bed of two IP routers.
//!
//! Set up as its users do: VRRP version 3, one instance with the addresses of both sides, the
//! adverts on the LAN, both interfaces tracked, no virtual MAC (gratuitous ARP moves the
//! addresses), priority 150 for A and 100, VRRP's default, for B, preemption on, no real-time
//! priority. See [`configuration`].

use crate::bed::{Bed, CLIENT_IP, LAN_VIP, SERVER_IP, WAN_VIP};
use crate::pair::{Changes, Pair};
use std::time::{Duration, Instant};
use twinline_tests::l3::keepalived::{Daemon, State};
use twinline_tests::probe::udp::UdpProbe;
use twinline_tests::run::Run;
use twinline_tests::topology::Side;
use twinline_tests::{LabError, Result};

/// The version that the goals are against.
pub const VERSION: &str = "2.2.7";
/// How long a change of state may take, besides ten intervals.
const CHANGE: Duration = Duration::from_secs(15);
/// How long the bench waits between two looks.
const LOOK: Duration = Duration::from_millis(5);

/// The text of a router's configuration file. `auto_priority` is keepalived's
/// `max_auto_priority`: the real-time priority that it may give itself once it was late; its
/// default is not to.
#[must_use]
pub fn configuration(side: Side, interval_ms: u32, auto_priority: Option<u32>) -> String {
    let name = side.name();
    let priority = if side == Side::A { 150 } else { 100 };
    let seconds = f64::from(interval_ms) / 1000.0;
    let auto_priority = auto_priority.map_or(String::new(), |priority| {
        format!("    max_auto_priority {priority}\n")
    });
    format!(
        "# made by bench-failover for one run\n\
         global_defs {{\n    router_id {name}\n    vrrp_version 3\n{auto_priority}}}\n\
         vrrp_instance gateway {{\n    state BACKUP\n    interface lan0\n    version 3\n    \
         virtual_router_id 51\n    priority {priority}\n    advert_int {seconds}\n    \
         virtual_ipaddress {{\n        {LAN_VIP}/24 dev lan0\n        {WAN_VIP}/24 dev wan0\n    }}\n    \
         track_interface {{\n        wan0\n    }}\n}}\n"
    )
}

/// Two keepalived daemons in their bed.
#[derive(Debug)]
pub struct Keepalived {
    bed: Bed,
    a: Daemon,
    b: Daemon,
    interval: Duration,
    // last: the daemons' files are in its directory
    run: Run,
}

impl Keepalived {
    /// Lays the bed and starts both daemons. `auto_priority` as in [`configuration`].
    ///
    /// # Errors
    /// When the machine refuses; what was made by then is removed.
    pub fn up(interval_ms: u32, auto_priority: Option<u32>) -> Result<Self> {
        let run = Run::begin()?;
        let bed = Bed::lay(&run)?;
        let daemon = |side: Side| -> Result<Daemon> {
            let text = configuration(side, interval_ms, auto_priority);
            let mut daemon = Daemon::new(&run, side, &text)?;
            daemon.start(&run, bed.router(side))?;
            Ok(daemon)
        };
        let (a, b) = (daemon(Side::A)?, daemon(Side::B)?);
        Ok(Self {
            bed,
            a,
            b,
            interval: Duration::from_millis(u64::from(interval_ms)),
            run,
        })
    }

    fn states(&self) -> Result<(Option<State>, Option<State>)> {
        Ok((self.a.state()?, self.b.state()?))
    }

    fn wait(&mut self, what: &str, wanted: impl Fn(&Self) -> Result<bool>) -> Result<()> {
        let begin = Instant::now();
        let limit = CHANGE + 10 * self.interval;
        while !wanted(self)? {
            self.b.alive()?;
            if begin.elapsed() > limit {
                let (a, b) = self.states()?;
                return Err(LabError::Timeout {
                    what: format!("keepalived: {what}"),
                    waited_ms: limit.as_millis(),
                    seen: format!("A {a:?}, B {b:?}"),
                    logs: self.logs(),
                });
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    fn settled(&self) -> Result<bool> {
        Ok(self.states()? == (Some(State::Master), Some(State::Backup)))
    }
}

impl Pair for Keepalived {
    fn settle(&mut self) -> Result<()> {
        for daemon in [&mut self.a, &mut self.b] {
            if daemon.is_told_to_end() {
                daemon.reap(&self.run)?;
            }
            if !daemon.is_started() {
                self.bed.set_forwarding(daemon.side, true)?;
                daemon.start(&self.run, self.bed.router(daemon.side))?;
            }
        }
        let still = (5 * self.interval).max(Duration::from_millis(300));
        let begin = Instant::now();
        loop {
            self.wait("A MASTER, B BACKUP", Self::settled)?;
            self.mark()?;
            std::thread::sleep(still);
            self.a.alive()?;
            if self.settled()? && self.changes()?.role_changes == 0 {
                self.bed.forget_neighbours()?;
                return Ok(());
            }
            if begin.elapsed() > 4 * CHANGE {
                let (a, b) = self.states()?;
                return Err(LabError::Timeout {
                    what: format!("keepalived keeping still for {} ms", still.as_millis()),
                    waited_ms: begin.elapsed().as_millis(),
                    seen: format!("A {a:?}, B {b:?}"),
                    logs: self.logs(),
                });
            }
        }
    }

    fn is_settled(&mut self) -> bool {
        self.settled().unwrap_or(false)
    }

    fn probe(&self, rate: u32) -> Result<UdpProbe> {
        UdpProbe::between(
            (&self.bed.client, CLIENT_IP),
            (&self.bed.server, SERVER_IP),
            rate,
        )
    }

    fn frames_from_a(&self) -> Result<u64> {
        self.bed.frames_from(Side::A)
    }

    fn kill(&mut self) -> Result<()> {
        // the kernel, which is keepalived's data path, would outlive it: a router whose power
        // failed forwards nothing
        self.a.kill()?;
        self.bed.set_forwarding(Side::A, false)
    }

    fn set_cable(&mut self, plugged: bool) -> Result<()> {
        self.bed.set_lan_cable(Side::A, plugged)
    }

    fn hand_over(&mut self) -> Result<()> {
        self.a.terminate()
    }

    fn wait_for_b(&mut self) -> Result<()> {
        self.wait(
            "B MASTER",
            |pair| Ok(pair.b.state()? == Some(State::Master)),
        )
    }

    fn mark(&mut self) -> Result<()> {
        for daemon in [&mut self.a, &mut self.b] {
            daemon.mark()?;
        }
        Ok(())
    }

    fn changes(&mut self) -> Result<Changes> {
        let mut changes = Changes::default();
        for daemon in [&self.a, &self.b] {
            for state in daemon.changes()? {
                changes.role_changes += 1;
                changes.takeovers += u64::from(state == State::Master);
            }
        }
        Ok(changes)
    }

    fn worst_late_ms(&mut self) -> Option<f64> {
        None
    }

    fn run(&self) -> &Run {
        &self.run
    }

    fn logs(&self) -> String {
        self.a.tail() + &self.b.tail()
    }

    fn down(&mut self) {
        for daemon in [&mut self.a, &mut self.b] {
            // one that was killed before is only waited for
            let _ = daemon.kill();
            let _ = daemon.reap(&self.run);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_differ_in_name_and_priority_only() {
        let (a, b) = (
            configuration(Side::A, 10, None),
            configuration(Side::B, 10, None),
        );
        assert!(a.contains("advert_int 0.01\n") && b.contains("advert_int 0.01\n"));
        assert!(a.contains("    priority 150\n") && b.contains("    priority 100\n"));
        let same = |text: &str| {
            text.lines()
                .filter(|l| !l.contains("router_id a") && !l.contains("router_id b"))
                .filter(|l| !l.trim_start().starts_with("priority"))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(same(&a), same(&b));
        assert!(!a.contains("max_auto_priority"));
        assert!(configuration(Side::A, 1000, Some(99)).contains("max_auto_priority 99"));
        assert!(configuration(Side::A, 1000, None).contains("advert_int 1\n"));
    }
}
