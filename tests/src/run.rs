//! One run of the lab: what it makes on the machine, and how all of it goes away again.
//!
//! Everything carries the run's prefix `tl<pid>x<n>` (namespaces, EAL file prefixes) or stands in
//! the run's directory under [`BASE`]. [`Run`] cleans on drop; [`close_all`] cleans every run of
//! this process, from a signal thread or a panic hook; [`clean_dead`] removes what runs left that
//! were killed. Whatever is made is made under the run's lock, so that nothing appears behind the
//! back of a clean-up.

use crate::error::{LabError, Result};
use crate::{netns, sys};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError, Weak};
use std::time::{Duration, Instant};

/// Parent of all run directories: a tmpfs, so that nothing survives a reboot.
pub const BASE: &str = "/run/twinline-lab";
/// Where EAL keeps its runtime files as root.
const DPDK_RUNTIME: &str = "/var/run/dpdk";

static NEXT: AtomicU32 = AtomicU32::new(0);
static RUNS: Mutex<Vec<Weak<Inner>>> = Mutex::new(Vec::new());

/// A run of the lab.
#[derive(Debug)]
pub struct Run(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    prefix: String,
    directory: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    closed: bool,
    /// Processes of ours by pid, with their start time (so that a reused pid is never killed).
    processes: BTreeMap<u32, u64>,
}

impl Run {
    /// Begins a run: a prefix, and a directory that only root reads.
    ///
    /// # Errors
    /// Without root, or when the directory cannot be made.
    pub fn begin() -> Result<Self> {
        if !sys::is_root() {
            return Err(LabError::NotRoot);
        }
        let pid = std::process::id();
        let prefix = format!("tl{pid}x{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let directory = Path::new(BASE).join(&prefix);
        let said = |e| LabError::io(format!("directory {}", directory.display()))(e);
        fs::create_dir_all(&directory).map_err(said)?;
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).map_err(said)?;
        let owner = format!("{pid} {}\n", start_time(pid).unwrap_or(0));
        fs::write(directory.join("owner"), owner).map_err(said)?;
        let inner = Arc::new(Inner {
            prefix,
            directory,
            state: Mutex::default(),
        });
        lock(&RUNS).push(Arc::downgrade(&inner));
        Ok(Self(inner))
    }

    /// The prefix of all names of this run.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.0.prefix
    }

    /// The run's directory: configurations, keys, sockets, logs.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.0.directory
    }

    /// Makes a network namespace `<prefix>-<role>` with IPv6 off and loopback up; gives its name.
    ///
    /// # Errors
    /// When iproute2 refuses, or the run is being taken down.
    pub fn namespace(&self, role: &str) -> Result<String> {
        let name = format!("{}-{role}", self.0.prefix);
        {
            let _open = self.open()?;
            netns::command(&["ip", "netns", "add", &name])?;
        }
        // a kernel without IPv6 has nothing to switch off
        for scope in ["all", "default"] {
            let key = format!("/proc/sys/net/ipv6/conf/{scope}/disable_ipv6");
            netns::inside(&name, || {
                if Path::new(&key).exists() {
                    fs::write(&key, "1")
                } else {
                    Ok(())
                }
            })?;
        }
        netns::ip(&name, "link set dev lo up")?;
        Ok(name)
    }

    /// Starts a process of this run; it dies with the thread that starts it.
    ///
    /// # Errors
    /// When it cannot be started, or the run is being taken down.
    pub fn spawn(&self, command: &mut Command) -> Result<Child> {
        sys::die_with_parent(command);
        let line = format!("{command:?}");
        let mut open = self.open()?;
        let child = command
            .spawn()
            .map_err(LabError::io(format!("starting {line}")))?;
        let pid = child.id();
        open.processes.insert(pid, start_time(pid).unwrap_or(0));
        self.0.write_processes(&open);
        Ok(child)
    }

    /// Says that a process ended and was waited for.
    pub fn forget(&self, pid: u32) {
        let mut state = lock(&self.0.state);
        state.processes.remove(&pid);
        self.0.write_processes(&state);
    }

    fn open(&self) -> Result<MutexGuard<'_, State>> {
        let state = lock(&self.0.state);
        if state.closed {
            Err(LabError::Closing)
        } else {
            Ok(state)
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Inner {
    /// The processes of the run, for a later `lab clean` should this process be killed.
    fn write_processes(&self, state: &State) {
        let text: String = state
            .processes
            .iter()
            .map(|(pid, start)| format!("{pid} {start}\n"))
            .collect();
        // without it the engines still die with the lab (PDEATHSIG)
        let _ = fs::write(self.directory.join("processes"), text);
    }

    fn close(&self) {
        // a panic hook may run on the very thread that holds the lock: then clean without it
        let deadline = Instant::now() + Duration::from_secs(3);
        let mut state = loop {
            match self.state.try_lock() {
                Ok(state) => break Some(state),
                Err(TryLockError::Poisoned(poisoned)) => break Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) if Instant::now() > deadline => break None,
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        let processes = match &mut state {
            Some(state) if state.closed => return,
            Some(state) => {
                state.closed = true;
                std::mem::take(&mut state.processes)
            }
            None => read_processes(&self.directory),
        };
        remove(&self.prefix, &self.directory, &processes);
    }
}

/// Takes down every run of this process; nothing new can be made in them afterwards.
pub fn close_all() {
    // held for the instant of a push only
    let runs: Vec<_> = lock(&RUNS).iter().filter_map(Weak::upgrade).collect();
    for run in runs {
        run.close();
    }
}

/// Removes what dead runs left; gives their prefixes.
#[must_use]
pub fn clean_dead() -> Vec<String> {
    let mut prefixes: Vec<String> = netns::list()
        .iter()
        .filter_map(|name| name.split_once('-').map(|(prefix, _)| prefix.to_owned()))
        .collect();
    if let Ok(entries) = fs::read_dir(BASE) {
        prefixes.extend(
            entries
                .flatten()
                .filter_map(|e| e.file_name().into_string().ok()),
        );
    }
    prefixes.sort();
    prefixes.dedup();
    prefixes.retain(|prefix| owner_pid(prefix).is_some_and(|pid| is_dead(prefix, pid)));
    for prefix in &prefixes {
        let directory = Path::new(BASE).join(prefix);
        remove(prefix, &directory, &read_processes(&directory));
    }
    prefixes
}

/// The pid in a prefix `tl<pid>x<n>`; `None` for a name that is not ours.
fn owner_pid(prefix: &str) -> Option<u32> {
    let (pid, number) = prefix.strip_prefix("tl")?.split_once('x')?;
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if digits(pid) && digits(number) {
        pid.parse().ok()
    } else {
        None
    }
}

fn is_dead(prefix: &str, pid: u32) -> bool {
    let Some(now) = start_time(pid) else {
        return true;
    };
    // the pid lives: is it still the process that began the run?
    let owner = fs::read_to_string(Path::new(BASE).join(prefix).join("owner")).unwrap_or_default();
    match owner
        .split_whitespace()
        .nth(1)
        .and_then(|s| s.parse::<u64>().ok())
    {
        Some(then) => then != now,
        None => false,
    }
}

fn read_processes(directory: &Path) -> BTreeMap<u32, u64> {
    let text = fs::read_to_string(directory.join("processes")).unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let (pid, start) = line.split_once(' ')?;
            Some((pid.parse().ok()?, start.trim().parse().ok()?))
        })
        .collect()
}

/// Start time of a process in clock ticks since boot (field 22 of `/proc/PID/stat`).
#[must_use]
pub fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // the command name in parentheses may contain blanks
    let rest = &stat[stat.rfind(')')? + 1..];
    rest.split_whitespace().nth(19)?.parse().ok()
}

fn kill(pid: u32, start: u64) {
    if start_time(pid) == Some(start) {
        // it may have ended meanwhile
        let _ = sys::signal(pid, libc::SIGKILL);
    }
}

/// Removes everything with a prefix. Goes on after failures: as much as possible goes away.
fn remove(prefix: &str, directory: &Path, processes: &BTreeMap<u32, u64>) {
    for (&pid, &start) in processes {
        kill(pid, start);
    }
    let own = format!("{prefix}-");
    for name in netns::list().iter().filter(|name| name.starts_with(&own)) {
        // what a user started with `ip netns exec` in a namespace of ours would keep it alive
        for pid in netns::command(&["ip", "netns", "pids", name])
            .unwrap_or_default()
            .lines()
        {
            if let Ok(pid) = pid.trim().parse::<u32>()
                && pid != std::process::id()
            {
                let _ = sys::signal(pid, libc::SIGKILL);
            }
        }
        let _ = netns::command(&["ip", "netns", "del", name]);
    }
    for mount in hugetlbfs_mounts() {
        // EAL names its hugepage files <file-prefix>map_<n>
        remove_entries(&mount, |name| {
            name.starts_with(&own) && name.contains("map_")
        });
    }
    remove_entries(Path::new(DPDK_RUNTIME), |name| name.starts_with(&own));
    let _ = fs::remove_dir_all(directory);
    // the last run takes the parent along; it fails while others are there
    let _ = fs::remove_dir(BASE);
}

fn remove_entries(directory: &Path, ours: impl Fn(&str) -> bool) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_name().to_str().is_some_and(&ours) {
            let path = entry.path();
            let _ = if path.is_dir() {
                fs::remove_dir_all(path)
            } else {
                fs::remove_file(path)
            };
        }
    }
}

/// Where hugetlbfs is mounted.
#[must_use]
pub fn hugetlbfs_mounts() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ');
            let place = fields.nth(1)?;
            (fields.next()? == "hugetlbfs").then(|| PathBuf::from(place))
        })
        .collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // a thread that panicked cannot leave these plain collections half-changed
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_prefixes_have_an_owner() {
        assert_eq!(owner_pid("tl123x0"), Some(123));
        for other in [
            "tl", "tlx", "tl12", "tl1x", "tlax0", "tl1xb", "x1x1", "tl-1x0", "tl+1x0",
        ] {
            assert_eq!(owner_pid(other), None, "{other}");
        }
    }

    #[test]
    fn start_time_tells_processes_apart() {
        assert!(start_time(std::process::id()).is_some());
        assert_eq!(start_time(u32::MAX), None);
    }
}
