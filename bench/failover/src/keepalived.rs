//! keepalived's pair, in the bed of two IP routers.
//!
//! Set up as its users do: VRRP version 3, one instance with the addresses of both sides, the
//! adverts on the LAN, both interfaces tracked, no virtual MAC (gratuitous ARP moves the
//! addresses), priority 150 for A and 100, VRRP's default, for B, preemption on, no real-time
//! priority. See [`configuration`].

use crate::bed::{Bed, CLIENT_IP, LAN_VIP, SERVER_IP, WAN_VIP};
use crate::pair::{Changes, Pair};
use std::fs::{self, OpenOptions};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use twinline_tests::probe::udp::UdpProbe;
use twinline_tests::run::Run;
use twinline_tests::topology::Side;
use twinline_tests::{LabError, Result, sys};

/// The version that the goals are against.
pub const VERSION: &str = "2.2.7";
/// How long a change of state may take, besides ten intervals.
const CHANGE: Duration = Duration::from_secs(15);
/// How long the bench waits between two looks.
const LOOK: Duration = Duration::from_millis(5);

/// The version of the keepalived that is installed.
///
/// # Errors
/// When there is none, with the remedy.
pub fn version() -> Result<String> {
    let output = Command::new("keepalived").arg("--version").output();
    let output = output.map_err(|source| LabError::Missing {
        command: "keepalived".into(),
        package: "keepalived",
        source,
    })?;
    // it says so on standard error
    let mut text = String::from_utf8_lossy(&output.stderr).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stdout));
    version_in(&text).ok_or_else(|| LabError::Answer {
        what: "keepalived --version".into(),
        answer: text.chars().take(200).collect(),
    })
}

fn version_in(text: &str) -> Option<String> {
    let rest = text.split_once("Keepalived v")?.1;
    let end = rest.find([' ', '\n']).unwrap_or(rest.len());
    Some(rest[..end].to_owned())
}

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

/// A state that a router entered, as its log says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Master,
    Backup,
    Fault,
}

/// The states entered, in the order of a log's lines. The one at the start is not a change, and
/// is left out unless `start` is set.
fn states(log: &str, start: bool) -> Vec<State> {
    log.lines()
        .filter(|line| start || !line.contains("STATE (init)"))
        .filter_map(|line| {
            let (_, state) = line.split_once(") Entering ")?;
            [
                ("MASTER STATE", State::Master),
                ("BACKUP STATE", State::Backup),
                ("FAULT STATE", State::Fault),
            ]
            .into_iter()
            .find_map(|(words, state_of)| state.starts_with(words).then_some(state_of))
        })
        .collect()
}

#[derive(Debug)]
struct Daemon {
    side: Side,
    config: PathBuf,
    log: PathBuf,
    pid_file: PathBuf,
    vrrp_pid_file: PathBuf,
    child: Option<Child>,
    /// It was killed or told to end, and not waited for yet.
    told_to_end: bool,
    /// Where the log of the process that runs begins, in bytes.
    begins: usize,
    /// Where the mark stands, in bytes.
    mark: usize,
}

impl Daemon {
    fn start(&mut self, run: &Run, namespace: &str) -> Result<()> {
        self.begins = self.text()?.len();
        // a child's pid of an earlier life must not be taken for this one's
        let _ = fs::remove_file(&self.vrrp_pid_file);
        let said = || self.log.display().to_string();
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .map_err(LabError::io(said()))?;
        let other = log.try_clone().map_err(LabError::io(said()))?;
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", namespace, "keepalived"])
            .args(["--dont-fork", "--log-console", "--log-detail", "--vrrp"])
            .arg("--dont-respawn")
            .arg("--use-file")
            .arg(&self.config)
            .arg("--pid")
            .arg(&self.pid_file)
            .arg("--vrrp_pid")
            .arg(&self.vrrp_pid_file)
            .stdin(Stdio::null())
            .stdout(other)
            .stderr(log);
        self.child = Some(run.spawn(&mut command)?);
        Ok(())
    }

    fn text(&self) -> Result<String> {
        match fs::read(&self.log) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
            Err(e) => Err(LabError::io(self.log.display().to_string())(e)),
        }
    }

    /// The state now; `None` before it has one.
    fn state(&self) -> Result<Option<State>> {
        let text = self.text()?;
        Ok(states(text.get(self.begins..).unwrap_or_default(), true)
            .last()
            .copied())
    }

    /// The process that speaks VRRP: a child of the one that we started.
    fn vrrp_pid(&self) -> Result<u32> {
        let said = || format!("pid file {}", self.vrrp_pid_file.display());
        let text = fs::read_to_string(&self.vrrp_pid_file).map_err(LabError::io(said()))?;
        text.trim().parse().map_err(|_| LabError::Answer {
            what: said(),
            answer: text.chars().take(40).collect(),
        })
    }

    fn running(&self) -> Result<u32> {
        self.child.as_ref().map(Child::id).ok_or_else(|| {
            LabError::io(format!("keepalived {}", self.side))(std::io::ErrorKind::NotFound.into())
        })
    }

    /// SIGKILL to both of its processes; the first is stopped before, so that it cannot act on
    /// the end of the second, whose end is what matters.
    fn kill(&mut self) -> Result<()> {
        self.told_to_end = true;
        let (parent, vrrp) = (self.running()?, self.vrrp_pid()?);
        for (pid, signal) in [
            (parent, libc::SIGSTOP),
            (vrrp, libc::SIGKILL),
            (parent, libc::SIGKILL),
        ] {
            sys::signal(pid, signal).map_err(LabError::io(format!(
                "signal {signal} to keepalived {}",
                self.side
            )))?;
        }
        Ok(())
    }

    fn terminate(&mut self) -> Result<()> {
        self.told_to_end = true;
        let what = format!("SIGTERM to keepalived {}", self.side);
        sys::signal(self.running()?, libc::SIGTERM).map_err(LabError::io(what))
    }

    /// Waits for the end of a process that was killed or told to end.
    fn reap(&mut self, run: &Run) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child
                .wait()
                .map_err(LabError::io("waiting for keepalived"))?;
            run.forget(child.id());
        }
        self.told_to_end = false;
        Ok(())
    }

    /// That it still runs; an error with its log when it ended by itself.
    fn alive(&mut self) -> Result<()> {
        let Some(child) = &mut self.child else {
            return Ok(());
        };
        match child
            .try_wait()
            .map_err(LabError::io("looking at keepalived"))?
        {
            None => Ok(()),
            Some(status) => Err(LabError::EngineDied {
                name: format!("keepalived {}", self.side),
                status: status.to_string(),
                logs: self.tail(),
            }),
        }
    }

    fn tail(&self) -> String {
        let text = self.text().unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let last = lines[lines.len().saturating_sub(25)..].join("\n    ");
        format!("\n  log of keepalived {}:\n    {last}", self.side)
    }
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
            let name = side.name();
            let file = |ending: &str| run.directory().join(format!("{name}.{ending}"));
            let config = file("conf");
            let text = configuration(side, interval_ms, auto_priority);
            fs::write(&config, text).map_err(LabError::io(config.display().to_string()))?;
            let mut daemon = Daemon {
                side,
                config,
                log: file("log"),
                pid_file: file("pid"),
                vrrp_pid_file: file("vrrp.pid"),
                child: None,
                told_to_end: false,
                begins: 0,
                mark: 0,
            };
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
            if daemon.told_to_end {
                daemon.reap(&self.run)?;
            }
            if daemon.child.is_none() {
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
            daemon.mark = daemon.text()?.len();
        }
        Ok(())
    }

    fn changes(&mut self) -> Result<Changes> {
        let mut changes = Changes::default();
        for daemon in [&self.a, &self.b] {
            let text = daemon.text()?;
            for state in states(text.get(daemon.mark..).unwrap_or_default(), false) {
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

    const LOG: &str = "\
Mon Nov 23 06:42:40 2026: (gateway) removing VIPs.
Mon Nov 23 06:42:40 2026: (gateway) Entering BACKUP STATE (init)
Mon Nov 23 06:42:40 2026: Startup complete
Mon Nov 23 06:42:40 2026: (gateway) Receive advertisement timeout
Mon Nov 23 06:42:40 2026: (gateway) Entering MASTER STATE
Mon Nov 23 06:42:41 2026: (gateway) Entering FAULT STATE
Mon Nov 23 06:42:41 2026: (gateway) Entering BACKUP STATE
";

    #[test]
    fn states_come_from_the_log_and_the_start_is_no_change() {
        use State::{Backup, Fault, Master};
        assert_eq!(states(LOG, true), [Backup, Master, Fault, Backup]);
        assert_eq!(states(LOG, false), [Master, Fault, Backup]);
        assert!(states("Entering a state of mind", true).is_empty());
    }

    #[test]
    fn version_is_read() {
        assert_eq!(
            version_in("Keepalived v2.2.7 (01/16,2022)\n\nCopyright").as_deref(),
            Some("2.2.7")
        );
        assert_eq!(version_in("command not found"), None);
    }

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
