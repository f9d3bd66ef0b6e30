//! FRR's vrrpd as one of the routers of a bed.
//!
//! vrrpd works on interfaces that the operator makes: a macvlan over `lan0` with the virtual MAC
//! address and the virtual addresses. zebra, which tells it about interfaces, runs beside it.
//!
//! Both insist on running as the user `frr` (they demand a member of the group `frrvty`), so their
//! directory is that user's, and the run's can be passed through by it. A process that changes its
//! user no longer dies with the thread that started it: after a SIGKILL of the tests `lab clean`
//! ends them.

use super::frame::{mac_text, virtual_mac};
use super::router::{Router, Vrrp};
use super::tool::{VRRPD, ZEBRA};
use crate::error::{LabError, Result};
use crate::netns;
use crate::run::Run;
use crate::sys;
use crate::topology::{Side, Topology};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};

/// How long an orderly end may take.
const ORDERLY_END: Duration = Duration::from_secs(5);
/// How long zebra may take until vrrpd can speak with it.
const READY: Duration = Duration::from_secs(5);
/// The interface with the virtual MAC address.
const VIRTUAL: &str = "vrrp0";

/// The text of vrrpd's configuration file.
#[must_use]
pub fn configuration(vrrp: &Vrrp) -> String {
    let Vrrp {
        vrid,
        version,
        interval_ms,
        priority,
        ..
    } = vrrp;
    let preempt = if vrrp.preempt { "" } else { "no " };
    let family = if vrrp.ipv6 { "ipv6" } else { "ip" };
    let mut text = format!(
        "hostname vrrpd\nlog stdout informational\ninterface lan0\n vrrp {vrid} version {version}\n \
         vrrp {vrid} priority {priority}\n vrrp {vrid} advertisement-interval {interval_ms}\n \
         {preempt}vrrp {vrid} preempt\n"
    );
    for address in vrrp.addresses() {
        text += &format!(" vrrp {vrid} {family} {address}\n");
    }
    text + "exit\n"
}

/// The numbers of the user and the group `frr`.
fn frr_user() -> Result<(u32, u32)> {
    let text = fs::read_to_string("/etc/passwd").map_err(LabError::io("/etc/passwd"))?;
    let line = text.lines().find(|line| line.starts_with("frr:"));
    let numbers = line.and_then(|line| {
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    });
    numbers.ok_or_else(|| LabError::Missing {
        command: "user frr".into(),
        package: "frr",
        source: std::io::ErrorKind::NotFound.into(),
    })
}

/// FRR's two daemons on one side of a bed.
#[derive(Debug)]
pub struct Frr {
    side: Side,
    namespace: String,
    vrrp: Vrrp,
    directory: PathBuf,
    zebra: Option<Child>,
    vrrpd: Option<Child>,
}

impl Frr {
    /// Writes the configuration; nothing is started.
    ///
    /// # Errors
    /// When FRR is missing, or a file cannot be written.
    pub fn new(run: &Run, topology: &Topology, side: Side, vrrp: &Vrrp) -> Result<Self> {
        VRRPD.needed()?;
        ZEBRA.needed()?;
        let directory = run.directory().join(format!("frr-{}", side.name()));
        let said = || directory.display().to_string();
        fs::create_dir_all(&directory).map_err(LabError::io(said()))?;
        let pass = fs::Permissions::from_mode(0o711);
        fs::set_permissions(run.directory(), pass).map_err(LabError::io(said()))?;
        let (user, group) = frr_user()?;
        chown(&directory, Some(user), Some(group)).map_err(LabError::io(said()))?;
        for (file, text) in [
            ("vrrpd.conf", configuration(vrrp)),
            (
                "zebra.conf",
                "hostname zebra\nlog stdout informational\n".into(),
            ),
        ] {
            fs::write(directory.join(file), text).map_err(LabError::io(said()))?;
        }
        let namespace = topology.appliance(side).to_owned();
        Ok(Self {
            side,
            namespace,
            vrrp: vrrp.clone(),
            directory,
            zebra: None,
            vrrpd: None,
        })
    }

    /// The interface with the virtual MAC address, up.
    fn make_interface(&self) -> Result<()> {
        let mac = mac_text(virtual_mac(self.vrrp.vrid, self.vrrp.ipv6));
        netns::ip(
            &self.namespace,
            &format!("link add name {VIRTUAL} link lan0 address {mac} type macvlan mode bridge"),
        )?;
        // the kernel forgets IPv6 addresses of an interface that goes down, unless told
        let keep = "/proc/sys/net/ipv6/conf/vrrp0/keep_addr_on_down";
        netns::inside(&self.namespace, || match fs::write(keep, "1") {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => other,
        })?;
        for address in self.vrrp.addresses() {
            let bits = if self.vrrp.ipv6 { "64 nodad" } else { "24" };
            let (bits, more) = bits.split_once(' ').unwrap_or((bits, ""));
            netns::ip(
                &self.namespace,
                &format!("address add {address}/{bits} dev {VIRTUAL} {more}"),
            )?;
        }
        netns::ip(&self.namespace, &format!("link set dev {VIRTUAL} up")).map(drop)
    }

    fn file(&self, name: &str) -> String {
        self.directory.join(name).display().to_string()
    }

    fn daemon(&self, run: &Run, tool: super::tool::Tool, name: &str) -> Result<Child> {
        let (socket, pid) = (self.file("zserv"), self.file(&format!("{name}.pid")));
        let (config, vty) = (self.file(&format!("{name}.conf")), self.file("."));
        let arguments = [
            "-z",
            &socket,
            "-i",
            &pid,
            "-f",
            &config,
            "--vty_socket",
            &vty,
            "-P",
            "0",
            "--log",
            "stdout",
        ];
        let log = self.directory.join(format!("{name}.log"));
        tool.start(run, &self.namespace, &arguments, &log)
    }

    fn reap(&mut self, run: &Run) -> Result<()> {
        for child in [&mut self.vrrpd, &mut self.zebra] {
            if let Some(mut child) = child.take() {
                child.wait().map_err(LabError::io("waiting for FRR"))?;
                run.forget(child.id());
            }
        }
        // vrrpd holds it down for reasons that outlive vrrpd
        netns::ip(&self.namespace, &format!("link del dev {VIRTUAL}")).map(drop)
    }

    fn signal(child: Option<&Child>, signal: i32) -> Result<()> {
        let what = format!("signal {signal} to FRR");
        match child {
            Some(child) => sys::signal(child.id(), signal).map_err(LabError::io(what)),
            None => Err(LabError::io(what)(std::io::ErrorKind::NotFound.into())),
        }
    }
}

impl Router for Frr {
    fn start(&mut self, run: &Run) -> Result<()> {
        self.make_interface()?;
        let _ = fs::remove_file(self.file("zserv"));
        self.zebra = Some(self.daemon(run, ZEBRA, "zebra")?);
        let begin = Instant::now();
        while !PathBuf::from(self.file("zserv")).exists() {
            self.alive(run)?;
            if begin.elapsed() > READY {
                return Err(LabError::Timeout {
                    what: "zebra's socket".into(),
                    waited_ms: READY.as_millis(),
                    seen: "there is none".into(),
                    logs: self.logs(),
                });
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.vrrpd = Some(self.daemon(run, VRRPD, "vrrpd")?);
        Ok(())
    }

    fn kill(&mut self, run: &Run) -> Result<()> {
        Self::signal(self.vrrpd.as_ref(), libc::SIGKILL)?;
        Self::signal(self.zebra.as_ref(), libc::SIGKILL)?;
        self.reap(run)
    }

    fn terminate(&mut self, run: &Run) -> Result<()> {
        Self::signal(self.vrrpd.as_ref(), libc::SIGTERM)?;
        let begin = Instant::now();
        loop {
            let ended = match &mut self.vrrpd {
                Some(child) => child.try_wait().map_err(LabError::io("looking at vrrpd"))?,
                None => None,
            };
            if ended.is_some() {
                break;
            }
            if begin.elapsed() > ORDERLY_END {
                return Err(LabError::Timeout {
                    what: "vrrpd to end on SIGTERM".into(),
                    waited_ms: ORDERLY_END.as_millis(),
                    seen: "it still ran".into(),
                    logs: self.logs(),
                });
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Self::signal(self.zebra.as_ref(), libc::SIGKILL)?;
        self.reap(run)
    }

    fn alive(&mut self, _run: &Run) -> Result<()> {
        let logs = self.logs();
        for (child, name) in [(&mut self.zebra, "zebra"), (&mut self.vrrpd, "vrrpd")] {
            let Some(child) = child else { continue };
            if let Some(status) = child.try_wait().map_err(LabError::io("looking at FRR"))? {
                return Err(LabError::EngineDied {
                    name: format!("{name} {}", self.side),
                    status: status.to_string(),
                    logs,
                });
            }
        }
        Ok(())
    }

    fn says_active(&self) -> Result<Option<bool>> {
        Ok(None)
    }

    fn logs(&self) -> String {
        let mut out = format!("\n  FRR {} ({}):", self.side, self.vrrp);
        for name in ["zebra.log", "vrrpd.log"] {
            let text = fs::read_to_string(self.directory.join(name)).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            for line in lines.iter().skip(lines.len().saturating_sub(15)) {
                out += &format!("\n    {name}: {line}");
            }
        }
        out
    }
}
