//! Programs of client hosts, and what is said when they are missing.

use crate::error::{LabError, Result};
use crate::netns;
use crate::run::Run;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// What installs everything that these tests run.
pub const REMEDY: &str = "sh setup/interop.sh";

/// A program that the tests need, and its Debian package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tool {
    /// Its name on the PATH, or its path.
    pub program: &'static str,
    /// The package.
    pub package: &'static str,
}

/// keepalived.
pub const KEEPALIVED: Tool = Tool {
    program: "keepalived",
    package: "keepalived",
};
/// FRR's VRRP daemon.
pub const VRRPD: Tool = Tool {
    program: "/usr/lib/frr/vrrpd",
    package: "frr",
};
/// FRR's daemon that speaks with the kernel.
pub const ZEBRA: Tool = Tool {
    program: "/usr/lib/frr/zebra",
    package: "frr",
};
/// Wireshark without windows.
pub const TSHARK: Tool = Tool {
    program: "tshark",
    package: "tshark",
};
/// ARP ping.
pub const ARPING: Tool = Tool {
    program: "arping",
    package: "arping",
};
/// Neighbour discovery by hand.
pub const NDISC6: Tool = Tool {
    program: "ndisc6",
    package: "ndisc6",
};
/// Ping.
pub const PING: Tool = Tool {
    program: "ping",
    package: "iputils-ping",
};
/// TCP throughput.
pub const IPERF3: Tool = Tool {
    program: "iperf3",
    package: "iperf3",
};

impl Tool {
    /// That it is there.
    ///
    /// # Errors
    /// When it is not, with the remedy.
    pub fn needed(self) -> Result<()> {
        let found = if self.program.starts_with('/') {
            Path::new(self.program).exists()
        } else {
            let places = std::env::var_os("PATH").unwrap_or_default();
            std::env::split_paths(&places)
                .chain(["/usr/sbin".into(), "/sbin".into()])
                .any(|place| place.join(self.program).exists())
        };
        if found {
            return Ok(());
        }
        Err(LabError::Missing {
            command: self.program.to_owned(),
            package: self.package,
            source: std::io::ErrorKind::NotFound.into(),
        })
    }

    /// Runs it in a namespace to its end, for `seconds` at most; the output whatever its status.
    ///
    /// # Errors
    /// When it is missing or cannot be started.
    pub fn run(self, namespace: &str, arguments: &str, seconds: u32) -> Result<Output> {
        self.needed()?;
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", namespace, "timeout", &seconds.to_string()])
            .arg(self.program)
            .args(arguments.split_whitespace())
            .stdin(Stdio::null());
        command
            .output()
            .map_err(LabError::io(format!("{} {arguments}", self.program)))
    }

    /// As [`Tool::run`]: what it said, on both outputs.
    ///
    /// # Errors
    /// As [`Tool::run`].
    pub fn says(self, namespace: &str, arguments: &str, seconds: u32) -> Result<String> {
        let output = self.run(namespace, arguments, seconds)?;
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text += &String::from_utf8_lossy(&output.stderr);
        Ok(text)
    }

    /// Starts it in a namespace as a process of a run; its output goes to `log`.
    ///
    /// # Errors
    /// When it is missing or cannot be started.
    pub fn start(
        self,
        run: &Run,
        namespace: &str,
        arguments: &[&str],
        log: &Path,
    ) -> Result<std::process::Child> {
        self.needed()?;
        let said = || log.display().to_string();
        let file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .map_err(LabError::io(said()))?;
        let other = file.try_clone().map_err(LabError::io(said()))?;
        // `ip netns exec` becomes the program: the pid is its own
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", namespace, self.program])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(other)
            .stderr(file);
        run.spawn(&mut command)
    }
}

/// Says on the program's own standard error, past the harness that keeps what a test that passes
/// prints, that something was not tested.
pub fn skipped(what: &str, why: &str) {
    // nothing is to be done about a closed standard error
    let _ = writeln!(std::io::stderr().lock(), "SKIPPED: {what}: {why}");
}

/// Whether the kernel makes interfaces of type macvlan in a namespace; FRR's vrrpd needs them.
#[must_use]
pub fn has_macvlan(namespace: &str) -> bool {
    let make = "link add name probe0 link lan0 type macvlan mode bridge";
    netns::ip(namespace, make).is_ok() && netns::ip(namespace, "link del dev probe0").is_ok()
}
