//! keepalived as one of the routers of a bed, and its daemon for whoever needs it.

use super::router::{Router, Vrrp, unicast_address};
use crate::error::{LabError, Result};
use crate::netns;
use crate::run::Run;
use crate::sys;
use crate::topology::{Side, Topology};
use std::fs::{self, OpenOptions};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

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

/// A state that a router entered, as its log says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The Active Router.
    Master,
    /// A Backup Router.
    Backup,
    /// An interface that it needs is down.
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

/// One keepalived daemon: its files, its process, its log.
#[derive(Debug)]
pub struct Daemon {
    /// Whose.
    pub side: Side,
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
    /// Writes the configuration `text`; nothing is started.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn new(run: &Run, side: Side, text: &str) -> Result<Self> {
        Self::named(run, side.name(), side, text)
    }

    /// As [`Daemon::new`]; its files have the name `name`.
    ///
    /// # Errors
    /// As [`Daemon::new`].
    pub fn named(run: &Run, name: &str, side: Side, text: &str) -> Result<Self> {
        let file = |ending: &str| run.directory().join(format!("{name}.{ending}"));
        let config = file("conf");
        fs::write(&config, text).map_err(LabError::io(config.display().to_string()))?;
        Ok(Self {
            side,
            config,
            log: file("log"),
            pid_file: file("pid"),
            vrrp_pid_file: file("vrrp.pid"),
            child: None,
            told_to_end: false,
            begins: 0,
            mark: 0,
        })
    }

    /// Starts it in a namespace, dead or never started before.
    ///
    /// # Errors
    /// When it is missing or cannot be started.
    pub fn start(&mut self, run: &Run, namespace: &str) -> Result<()> {
        super::tool::KEEPALIVED.needed()?;
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

    /// It runs, or was told to end and not waited for.
    #[must_use]
    pub fn is_started(&self) -> bool {
        self.child.is_some()
    }

    /// It was killed or told to end, and not waited for yet.
    #[must_use]
    pub fn is_told_to_end(&self) -> bool {
        self.told_to_end
    }

    /// From here on [`Daemon::changes`] counts.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn mark(&mut self) -> Result<()> {
        self.mark = self.text()?.len();
        Ok(())
    }

    /// The states entered since the mark; those at a start are no change.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn changes(&self) -> Result<Vec<State>> {
        let text = self.text()?;
        Ok(states(text.get(self.mark..).unwrap_or_default(), false))
    }

    /// The state now; `None` before it has one.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn state(&self) -> Result<Option<State>> {
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
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self) -> Result<()> {
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

    /// SIGTERM: it says that it resigns, and ends.
    ///
    /// # Errors
    /// When it does not run.
    pub fn terminate(&mut self) -> Result<()> {
        self.told_to_end = true;
        let what = format!("SIGTERM to keepalived {}", self.side);
        sys::signal(self.running()?, libc::SIGTERM).map_err(LabError::io(what))
    }

    /// Waits for the end of a process that was killed or told to end.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn reap(&mut self, run: &Run) -> Result<()> {
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
    ///
    /// # Errors
    /// When the system does not say, and that.
    pub fn alive(&mut self) -> Result<()> {
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

    /// The last lines of its log.
    #[must_use]
    pub fn tail(&self) -> String {
        let text = self.text().unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let last = lines[lines.len().saturating_sub(25)..].join("\n    ");
        format!("\n  log of keepalived {}:\n    {last}", self.side)
    }
}

/// The text of a configuration file. keepalived takes no virtual MAC address unless it is told to:
/// with [`Vrrp::virtual_mac`] it makes an interface for it.
#[must_use]
pub fn configuration(side: Side, vrrp: &Vrrp) -> String {
    let Vrrp {
        vrid,
        version,
        interval_ms,
        priority,
        ..
    } = vrrp;
    let seconds = f64::from(*interval_ms) / 1000.0;
    let preempt = if vrrp.preempt { "" } else { "    nopreempt\n" };
    let own_mac = if vrrp.virtual_mac {
        "    use_vmac\n"
    } else {
        ""
    };
    let unicast = if vrrp.unicast {
        format!(
            "    unicast_src_ip {}\n    unicast_peer {{\n        {}\n    }}\n",
            unicast_address(side, vrrp.ipv6),
            unicast_address(side.other(), vrrp.ipv6)
        )
    } else {
        String::new()
    };
    let addresses: String = vrrp
        .addresses()
        .iter()
        .map(|address| {
            let bits = if vrrp.ipv6 { 64 } else { 24 };
            format!("        {address}/{bits}\n")
        })
        .collect();
    format!(
        "# made by the tests for one run\n\
         global_defs {{\n    router_id {}\n    vrrp_version {version}\n}}\n\
         vrrp_instance gateway {{\n    state BACKUP\n    interface lan0\n    version {version}\n    \
         virtual_router_id {vrid}\n    priority {priority}\n    advert_int {seconds}\n\
         {preempt}{own_mac}{unicast}    virtual_ipaddress {{\n{addresses}    }}\n}}\n",
        side.name()
    )
}

/// keepalived on one side of a bed.
#[derive(Debug)]
pub struct Keepalived {
    daemon: Daemon,
    namespace: String,
    vrrp: Vrrp,
}

impl Keepalived {
    /// Writes the configuration; nothing is started.
    ///
    /// # Errors
    /// When keepalived is missing, or a file cannot be written.
    pub fn new(run: &Run, topology: &Topology, side: Side, vrrp: &Vrrp) -> Result<Self> {
        super::tool::KEEPALIVED.needed()?;
        Ok(Self {
            daemon: Daemon::new(run, side, &configuration(side, vrrp))?,
            namespace: topology.appliance(side).to_owned(),
            vrrp: vrrp.clone(),
        })
    }
}

impl Router for Keepalived {
    fn start(&mut self, run: &Run) -> Result<()> {
        if self.vrrp.unicast && self.vrrp.ipv6 {
            let address = unicast_address(self.daemon.side, true);
            let words = format!("address replace {address}/64 dev lan0 nodad");
            netns::ip(&self.namespace, &words)?;
            // keepalived 2.2.7 leaves the hop limit of unicast adverts over IPv6 to the kernel (64),
            // where RFC 9568, section 5.1.2.3, has 255
            netns::inside(&self.namespace, || {
                std::fs::write("/proc/sys/net/ipv6/conf/lan0/hop_limit", "255")
            })?;
        }
        self.daemon.start(run, &self.namespace)
    }

    fn kill(&mut self, run: &Run) -> Result<()> {
        self.daemon.kill()?;
        self.daemon.reap(run)?;
        // the kernel would go on answering for what the daemon left behind: a router whose power
        // failed does not
        for address in self.vrrp.addresses() {
            let bits = if self.vrrp.ipv6 { 64 } else { 24 };
            // a backup has none
            let _ = netns::ip(
                &self.namespace,
                &format!("address del {address}/{bits} dev lan0"),
            );
        }
        Ok(())
    }

    fn terminate(&mut self, run: &Run) -> Result<()> {
        self.daemon.terminate()?;
        self.daemon.reap(run)
    }

    fn alive(&mut self, _run: &Run) -> Result<()> {
        self.daemon.alive()
    }

    fn says_active(&self) -> Result<Option<bool>> {
        Ok(self.daemon.state()?.map(|state| state == State::Master))
    }

    fn logs(&self) -> String {
        self.daemon.tail()
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
    fn every_setting_is_in_the_configuration() {
        let vrrp = Vrrp {
            version: 3,
            ipv6: true,
            interval_ms: 10,
            preempt: false,
            ..Vrrp::default()
        };
        let text = configuration(Side::A, &vrrp);
        for words in [
            "version 3\n",
            "priority 100\n",
            "advert_int 0.01\n",
            "nopreempt\n",
            "fe80::5e:254/64\n",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(!text.contains("unicast"));
        let vrrp = Vrrp {
            unicast: true,
            ..Vrrp::default()
        };
        let text = configuration(Side::A, &vrrp);
        assert!(text.contains("unicast_src_ip 10.77.0.11\n"), "{text}");
        assert!(text.contains("        10.77.0.12\n"), "{text}");
    }
}
