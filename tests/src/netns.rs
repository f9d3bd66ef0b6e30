//! Network namespaces, and the commands of iproute2 and ethtool in them.

use crate::error::{LabError, Result};
use crate::sys;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{Command, Output};

/// Where iproute2 keeps named namespaces.
pub const DIRECTORY: &str = "/run/netns";

/// The file of namespace `name`.
#[must_use]
pub fn path(name: &str) -> PathBuf {
    PathBuf::from(DIRECTORY).join(name)
}

/// The names of all namespaces of the machine.
#[must_use]
pub fn list() -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(DIRECTORY) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|e| e.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// Runs `work` on a new thread inside namespace `name` and waits for it. Sockets that it opens
/// and gives back stay in that namespace wherever they are used.
///
/// # Errors
/// When the namespace cannot be entered, and what `work` says.
pub fn inside<T, F>(name: &str, work: F) -> Result<T>
where
    T: Send,
    F: FnOnce() -> io::Result<T> + Send,
{
    let file = File::open(path(name)).map_err(LabError::io(format!("namespace {name}")))?;
    let joined = std::thread::scope(|scope| {
        scope
            .spawn(move || {
                sys::enter_netns(file.as_fd())?;
                work()
            })
            .join()
    });
    match joined {
        Ok(result) => result.map_err(LabError::io(format!("in namespace {name}"))),
        Err(_) => Err(LabError::Probe(format!(
            "a thread in namespace {name} panicked"
        ))),
    }
}

/// Runs a command to its end and gives its standard output.
///
/// # Errors
/// When it cannot be started, or ends with a status that is not 0.
pub fn command(line: &[&str]) -> Result<String> {
    let (program, arguments) = line.split_first().unwrap_or((&"true", &[]));
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|source| {
            let package = if *program == "ethtool" {
                "ethtool"
            } else {
                "iproute2"
            };
            LabError::Missing {
                command: (*program).to_owned(),
                package,
                source,
            }
        })?;
    checked(&line.join(" "), &output)
}

/// The standard output of a command that ended well.
///
/// # Errors
/// When it did not.
pub fn checked(line: &str, output: &Output) -> Result<String> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(LabError::Command {
        command: line.to_owned(),
        status: output.status.to_string(),
        stderr: String::from_utf8_lossy(&output.stderr)
            .trim()
            .chars()
            .take(600)
            .collect(),
    })
}

/// `ip -n NAMESPACE ...`, the arguments parted by blanks.
///
/// # Errors
/// As [`command`].
pub fn ip(namespace: &str, arguments: &str) -> Result<String> {
    let mut line = vec!["ip", "-n", namespace];
    line.extend(arguments.split_whitespace());
    command(&line)
}

/// `ip netns exec NAMESPACE ...`, the arguments parted by blanks.
///
/// # Errors
/// As [`command`].
pub fn exec(namespace: &str, arguments: &str) -> Result<String> {
    let mut line = vec!["ip", "netns", "exec", namespace];
    line.extend(arguments.split_whitespace());
    command(&line)
}

/// Switches IPv6 on in a namespace that was made without, for its interfaces of now and later:
/// without duplicate address detection and without router solicitations, which only cost time in a
/// bed. `false` where the kernel has no IPv6.
///
/// # Errors
/// When the namespace cannot be entered, or a setting cannot be written.
pub fn enable_ipv6(namespace: &str) -> Result<bool> {
    inside(namespace, || {
        let base = PathBuf::from("/proc/sys/net/ipv6/conf");
        if !base.exists() {
            return Ok(false);
        }
        let mut names = vec!["default".to_owned(), "all".to_owned()];
        for entry in std::fs::read_dir(&base)?.flatten() {
            if let Ok(name) = entry.file_name().into_string()
                && !names.contains(&name)
            {
                names.push(name);
            }
        }
        for name in &names {
            for (key, value) in [
                ("accept_dad", "0"),
                ("router_solicitations", "0"),
                ("accept_ra", "0"),
                ("disable_ipv6", "0"),
            ] {
                std::fs::write(base.join(name).join(key), value)?;
            }
        }
        Ok(true)
    })
}

/// Lets interfaces that a namespace gets from now on have IPv6, without duplicate address
/// detection; those that it has keep what they have. Nothing where the kernel has no IPv6.
///
/// # Errors
/// When the namespace cannot be entered, or a setting cannot be written.
pub fn ipv6_for_new_interfaces(namespace: &str) -> Result<()> {
    inside(namespace, || {
        let base = PathBuf::from("/proc/sys/net/ipv6/conf/default");
        if base.exists() {
            std::fs::write(base.join("accept_dad"), "0")?;
            std::fs::write(base.join("disable_ipv6"), "0")?;
        }
        Ok(())
    })
}
