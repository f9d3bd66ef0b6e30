//! The two sides of the comparison as running processes, and one measurement of one of them.

use crate::process::{Linkage, Thread, linkage};
use crate::telemetry::Telemetry;
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The burst of both sides.
pub const BURST: usize = twinline_dataplane::BURST;
/// Ports of the bed: net_null0 and net_null1.
const PORTS: u16 = 2;

/// What both sides have in common.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Bed {
    /// The core that forwards.
    pub core: usize,
    /// The core of the main thread.
    pub main_core: usize,
    /// Mbufs in the pool.
    pub mbufs: u32,
    /// Mbufs in the pool's cache of each core.
    pub cache: u32,
    /// Hugepage memory, MiB.
    pub memory_mb: u32,
}

/// One side.
#[derive(Debug, Clone)]
pub enum Peer {
    /// This benchmark's own `worker` subcommand, of this executable.
    Ours(PathBuf),
    /// Debian's testpmd, io mode.
    Testpmd,
    /// This benchmark's own `worker` subcommand, which routes what the pcap file brings.
    OursL3 {
        /// The executable.
        executable: PathBuf,
        /// What it routes.
        traffic: Traffic,
    },
    /// DPDK's l3fwd, longest prefix match.
    L3fwd {
        /// The executable.
        executable: PathBuf,
        /// What it routes.
        traffic: Traffic,
    },
}

/// The files that say what is routed and how.
#[derive(Debug, Clone)]
pub struct Traffic {
    /// The frames.
    pub pcap: PathBuf,
    /// IPv4 routes, in l3fwd's notation.
    pub rules4: PathBuf,
    /// IPv6 routes, in l3fwd's notation.
    pub rules6: PathBuf,
}

impl Traffic {
    /// The argument of the port that plays the file for ever. It is named twice, because net_pcap
    /// has as many transmit queues as files, and l3fwd wants one for each lcore.
    #[must_use]
    pub fn vdev(pcap: &Path) -> String {
        let pcap = pcap.display();
        format!("net_pcap0,rx_pcap={pcap},rx_pcap={pcap},infinite_rx=1")
    }
}

impl Peer {
    /// Its command line on `bed`, under the EAL's `file_prefix`.
    #[must_use]
    pub fn command(&self, bed: &Bed, file_prefix: &str) -> Command {
        let ours = |executable: &Path| {
            let mut command = Command::new(executable);
            command.arg("worker").args(["--file-prefix", file_prefix]);
            command.args(["--core", &bed.core.to_string()]);
            command.args(["--main-core", &bed.main_core.to_string()]);
            command.args(["--mbufs", &bed.mbufs.to_string()]);
            command.args(["--cache", &bed.cache.to_string()]);
            command.args(["--memory-mb", &bed.memory_mb.to_string()]);
            command
        };
        match self {
            Self::Ours(executable) => ours(executable),
            Self::OursL3 {
                executable,
                traffic,
            } => {
                let mut command = ours(executable);
                command.arg("--pcap").arg(&traffic.pcap);
                command.arg("--rules").arg(&traffic.rules4);
                command
            }
            Self::L3fwd {
                executable,
                traffic,
            } => {
                let mut command = Command::new(executable);
                command.args(["-l", &format!("{},{}", bed.main_core, bed.core)]);
                command.args(["--main-lcore", &bed.main_core.to_string(), "--no-pci"]);
                command.args(["-m", &bed.memory_mb.to_string()]);
                command.args(["--file-prefix", file_prefix, "--huge-unlink"]);
                command.args(["--vdev", &Traffic::vdev(&traffic.pcap)]);
                command.args(["--vdev", "net_null0", "--", "-p", "0x3", "-P"]);
                command.args([format!("--config=(0,0,{})", bed.core)]);
                command.args(["--lookup=lpm", "--parse-ptype"]);
                command.arg(format!("--rule_ipv4={}", traffic.rules4.display()));
                command.arg(format!("--rule_ipv6={}", traffic.rules6.display()));
                command
            }
            Self::Testpmd => {
                let mut command = Command::new("dpdk-testpmd");
                command.args(["-l", &format!("{},{}", bed.main_core, bed.core)]);
                command.args(["--main-lcore", &bed.main_core.to_string(), "--no-pci"]);
                command.args(["-m", &bed.memory_mb.to_string()]);
                command.args(["--file-prefix", file_prefix, "--huge-unlink"]);
                command.args(["--vdev", "net_null0", "--vdev", "net_null1", "--"]);
                command.args(["--forward-mode=io", "--auto-start", "--no-lsc-interrupt"]);
                command.args([
                    format!("--total-num-mbufs={}", bed.mbufs),
                    format!("--mbcache={}", bed.cache),
                    format!("--burst={BURST}"),
                    "--rxd=1024".into(),
                    "--txd=1024".into(),
                ]);
                command
            }
        }
    }
}

/// How the forwarding thread's name begins: on both sides it is the EAL's own worker thread (DPDK
/// has named it in three ways since 21.11).
const THREAD_NAMES: &[&str] = &["rte-worker", "lcore-worker", "dpdk-worker"];

/// What one measurement found.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Packets that the ports sent.
    pub packets: u64,
    /// Nanoseconds that the forwarding thread was on a CPU.
    pub on_cpu_ns: u64,
    /// Nanoseconds that passed.
    pub wall_ns: u64,
}

impl Sample {
    /// Nothing yet.
    pub const NONE: Self = Self {
        packets: 0,
        on_cpu_ns: 0,
        wall_ns: 0,
    };

    /// Adds another measurement of the same side.
    pub fn add(&mut self, other: Self) {
        self.packets += other.packets;
        self.on_cpu_ns += other.on_cpu_ns;
        self.wall_ns += other.wall_ns;
    }

    /// Million packets a second on the CPU.
    #[must_use]
    pub fn mpps(&self) -> f64 {
        self.packets as f64 * 1e3 / self.on_cpu_ns.max(1) as f64
    }

    /// The part of the time that the thread had the core, 0 to 1.
    #[must_use]
    pub fn on_cpu_share(&self) -> f64 {
        self.on_cpu_ns as f64 / self.wall_ns.max(1) as f64
    }
}

/// A peer that forwards. Dropped, it is ended by its pid.
#[derive(Debug)]
pub struct Running {
    child: Child,
    /// It does not read its input, and ends at a signal.
    by_signal: bool,
    file_prefix: String,
    telemetry: Telemetry,
    thread: Thread,
    linkage: Linkage,
}

impl Running {
    /// Starts a peer and waits until it forwards. Its output goes to `log`.
    ///
    /// # Errors
    /// It cannot be started, ends early (the log's last lines are in the error), or does not
    /// forward within 30 seconds.
    pub fn start(peer: &Peer, bed: &Bed, file_prefix: &str, log: &Path) -> Result<Self> {
        let output =
            File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = peer.command(bed, file_prefix);
        command
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output);
        let by_signal = matches!(peer, Peer::L3fwd { .. });
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        match Self::wait_until_it_forwards(&mut child, file_prefix) {
            Ok((telemetry, thread, linkage)) => Ok(Self {
                child,
                by_signal,
                file_prefix: file_prefix.into(),
                telemetry,
                thread,
                linkage,
            }),
            Err(error) => {
                end(&mut child, by_signal, file_prefix);
                let text = fs::read_to_string(log).unwrap_or_default();
                let lines: Vec<&str> = text.lines().rev().take(5).collect();
                let last = lines.into_iter().rev().collect::<Vec<_>>().join("\n");
                Err(error.context(format!("the last lines of {}:\n{last}", log.display())))
            }
        }
    }

    fn wait_until_it_forwards(
        child: &mut Child,
        file_prefix: &str,
    ) -> Result<(Telemetry, Thread, Linkage)> {
        let start = Instant::now();
        let mut reason = None;
        while start.elapsed() < Duration::from_secs(30) {
            if let Some(status) = child.try_wait()? {
                bail!("it ended before it forwarded: {status}");
            }
            let forwards = || {
                let mut telemetry = Telemetry::connect(file_prefix)?;
                let thread = Thread::named(child.id(), THREAD_NAMES)?;
                if telemetry.sent_packets(PORTS)? == 0 {
                    bail!("no packet was sent");
                }
                Ok((telemetry, thread, linkage(child.id())?))
            };
            match forwards() {
                Ok(ready) => return Ok(ready),
                Err(error) => reason = Some(error),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let waited = "it does not forward after 30 seconds";
        Err(reason.map_or_else(|| anyhow::anyhow!(waited), |reason| reason.context(waited)))
    }

    /// How DPDK is linked into it.
    #[must_use]
    pub const fn linkage(&self) -> Linkage {
        self.linkage
    }

    /// Takes the process off the CPU until [`Running::resume`].
    ///
    /// # Errors
    /// The process is gone.
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it run again.
    ///
    /// # Errors
    /// The process is gone.
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        // Our own child, not yet waited for: the pid is its own.
        kill_process(pid.context("a child without a pid")?, signal)?;
        Ok(())
    }

    /// Measures for `time`.
    ///
    /// # Errors
    /// The process is gone, or its counters went backwards.
    pub fn measure(&mut self, time: Duration) -> Result<Sample> {
        let mut read = || -> Result<(u64, u64, Instant)> {
            let on_cpu_ns = self.thread.on_cpu_ns_fresh()?;
            let at = Instant::now();
            Ok((on_cpu_ns, self.telemetry.sent_packets(PORTS)?, at))
        };
        let begin = read()?;
        std::thread::sleep(time);
        let end = read()?;
        let packets = end
            .1
            .checked_sub(begin.1)
            .context("packet counters went backwards")?;
        let wall_ns = (end.2 - begin.2).as_nanos() as u64;
        Ok(Sample {
            packets,
            on_cpu_ns: end.0.saturating_sub(begin.0),
            wall_ns,
        })
    }

    /// Ends it (both sides end at the end of their input).
    pub fn stop(mut self) {
        end(&mut self.child, self.by_signal, &self.file_prefix);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        end(&mut self.child, self.by_signal, &self.file_prefix);
    }
}

/// Closes a child's input, which ends it (l3fwd, which does not read any, is told to end); kills it (it alone) if it has not ended after 5 seconds.
/// Takes away what the EAL leaves in /var/run.
fn end(child: &mut Child, by_signal: bool, file_prefix: &str) {
    drop(child.stdin.take());
    if let (Ok(None), Some(pid)) = (
        child.try_wait(),
        i32::try_from(child.id()).ok().and_then(Pid::from_raw),
    ) {
        // It may be paused, and could not end then.
        let _ = kill_process(pid, Signal::CONT);
        if by_signal {
            let _ = kill_process(pid, Signal::TERM);
        }
    }
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(5) {
        match child.try_wait() {
            Ok(None) => std::thread::sleep(Duration::from_millis(20)),
            _ => break,
        }
    }
    // Without effect on a child that has ended and was waited for.
    let _ = child.kill();
    let _ = child.wait();
    let _ = fs::remove_dir_all(Path::new("/var/run/dpdk").join(file_prefix));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figure_is_packets_over_time_on_the_cpu() {
        let sample = Sample {
            packets: 200_000_000,
            on_cpu_ns: 2_000_000_000,
            wall_ns: 4_000_000_000,
        };
        assert!((sample.mpps() - 100.0).abs() < 1e-9);
        assert!((sample.on_cpu_share() - 0.5).abs() < 1e-9);
    }

    #[test]
    fn both_sides_run_on_the_same_terms() {
        let bed = Bed {
            core: 1,
            main_core: 0,
            mbufs: 32768,
            cache: 250,
            memory_mb: 256,
        };
        let line = |peer: Peer| {
            let command = peer.command(&bed, "p");
            let args: Vec<_> = command
                .get_args()
                .map(|arg| arg.to_string_lossy())
                .collect();
            args.join(" ")
        };
        let testpmd = line(Peer::Testpmd);
        for part in [
            "-l 0,1",
            "--total-num-mbufs=32768",
            "--mbcache=250",
            "--burst=32",
            "-m 256",
        ] {
            assert!(testpmd.contains(part), "{part}");
        }
        let ours = line(Peer::Ours("x".into()));
        for part in ["--core 1", "--main-core 0", "--mbufs 32768", "--cache 250"] {
            assert!(ours.contains(part), "{part}");
        }
        assert_eq!(BURST, 32);
    }
}
