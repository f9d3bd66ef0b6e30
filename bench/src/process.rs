//! What the kernel says about a process: its threads' time on a CPU, what it has mapped.

use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How DPDK came into a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Linkage {
    /// In the executable.
    Static,
    /// Mapped from librte_*.so.
    Shared,
}

/// The linkage of a running process, from its maps: not what it was meant to be.
///
/// # Errors
/// The process is gone.
pub fn linkage(pid: u32) -> Result<Linkage> {
    Ok(linkage_in(&fs::read_to_string(format!(
        "/proc/{pid}/maps"
    ))?))
}

fn linkage_in(maps: &str) -> Linkage {
    let shared = maps.lines().any(|line| line.contains("/librte_ethdev.so"));
    if shared {
        Linkage::Shared
    } else {
        Linkage::Static
    }
}

/// The kernel's account of one thread.
#[derive(Debug, Clone)]
pub struct Thread {
    schedstat: PathBuf,
}

impl Thread {
    /// The thread of `pid` whose name starts with one of `names`.
    ///
    /// # Errors
    /// There is none, or more than one.
    pub fn named(pid: u32, names: &[&str]) -> Result<Self> {
        Self::named_in(Path::new(&format!("/proc/{pid}/task")), names)
    }

    fn named_in(tasks: &Path, names: &[&str]) -> Result<Self> {
        let mut found = Vec::new();
        for task in fs::read_dir(tasks)? {
            let task = task?.path();
            let comm = fs::read_to_string(task.join("comm")).unwrap_or_default();
            if names.iter().any(|name| comm.starts_with(name)) {
                found.push(task.join("schedstat"));
            }
        }
        match (found.pop(), found.is_empty()) {
            (Some(schedstat), true) => Ok(Self { schedstat }),
            (Some(_), false) => bail!("more than one thread is named {names:?}"),
            (None, _) => bail!("no thread is named {names:?}"),
        }
    }

    /// Nanoseconds on a CPU so far.
    ///
    /// # Errors
    /// The thread is gone.
    pub fn on_cpu_ns(&self) -> Result<u64> {
        let text = fs::read_to_string(&self.schedstat)?;
        let first = text
            .split_whitespace()
            .next()
            .context("an empty schedstat")?;
        Ok(first.parse()?)
    }

    /// As [`Thread::on_cpu_ns`], just when the kernel has brought it up to date (it does at each
    /// tick of the thread's core, so a value may be some milliseconds old).
    ///
    /// # Errors
    /// The thread is gone, or has not run for half a second.
    pub fn on_cpu_ns_fresh(&self) -> Result<u64> {
        let before = self.on_cpu_ns()?;
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(500) {
            let now = self.on_cpu_ns()?;
            if now != before {
                return Ok(now);
            }
            std::thread::sleep(Duration::from_micros(50));
        }
        bail!("the forwarding thread does not run")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_time_grows_and_we_are_found_by_name() {
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            let spin = std::thread::Builder::new().name("spin-me".into());
            spin.spawn_scoped(scope, || {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            })
            .unwrap();
            std::thread::sleep(Duration::from_millis(20));
            let thread = Thread::named(std::process::id(), &["spin-me"]).unwrap();
            let a = thread.on_cpu_ns_fresh();
            let b = thread.on_cpu_ns_fresh();
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            assert!(b.unwrap() > a.unwrap());
        });
    }

    #[test]
    fn a_name_that_two_threads_have_is_refused() {
        let tasks = tempfile::tempdir().unwrap();
        for tid in ["1", "2"] {
            fs::create_dir(tasks.path().join(tid)).unwrap();
            fs::write(tasks.path().join(tid).join("comm"), "lcore-worker-1\n").unwrap();
            fs::write(tasks.path().join(tid).join("schedstat"), "123 4 5\n").unwrap();
        }
        assert!(Thread::named_in(tasks.path(), &["lcore"]).is_err());
        assert!(Thread::named_in(tasks.path(), &["absent"]).is_err());
        fs::write(tasks.path().join("2").join("comm"), "telemetry\n").unwrap();
        let thread = Thread::named_in(tasks.path(), &["rte-worker", "lcore-worker"]).unwrap();
        assert_eq!(thread.on_cpu_ns().unwrap(), 123);
    }

    #[test]
    fn the_linkage_is_read_from_what_is_mapped() {
        let own = "55d0-55d8 r--p 0 fe:00 1 /root/bench-forward\n";
        let shared = "7f00-7f01 r-xp 0 fe:00 2 /usr/lib/x86_64-linux-gnu/librte_ethdev.so.23.0\n";
        assert_eq!(linkage_in(own), Linkage::Static);
        assert_eq!(linkage_in(&format!("{own}{shared}")), Linkage::Shared);
        assert!(linkage(std::process::id()).is_ok());
    }
}
