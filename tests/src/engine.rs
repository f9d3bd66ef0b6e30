//! Engine processes: their configuration files, their lives, and the talk with them.

use crate::error::{LabError, Result};
use crate::netns;
use crate::run::{Run, hugetlbfs_mounts};
use crate::status::{self, Status};
use crate::sys;
use crate::topology::Side;
use serde_json::Value;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use twinline_control::Event;

/// Memory of one engine, in MiB.
const MEMORY_MB: u64 = 64;
/// Frames that the HA port's rings hold. Both engines' management cores share one core here, so one
/// waits while the other runs: a flood fills 512 frames within a millisecond of that.
const HA_RING: u32 = 4096;
/// How long an orderly end may take.
const ORDERLY_END: Duration = Duration::from_secs(10);
/// How long a control command may take.
const CONTROL: Duration = Duration::from_secs(10);

/// What the lab configures in both engines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `ha.peer_check_interval_ms`, and the interval of the link polls.
    pub interval_ms: u32,
    /// `ha.peer_failure_threshold`.
    pub threshold: u32,
    /// `ha.preempt_delay_s`.
    pub preempt_delay_s: u32,
    /// `ha.in_band`.
    pub in_band: bool,
    /// `eal.huge`.
    pub huge: bool,
    /// Cores: the management cores and the workers of both engines.
    pub cores: (u32, u32),
}

impl Settings {
    /// The cores on which the machine's noise is measured.
    #[must_use]
    pub fn meter_cores(&self) -> [usize; 2] {
        [self.cores.0, self.cores.1].map(|core| core as usize)
    }
}

/// What may differ from a good configuration, for tests of bad input.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deviations {
    /// Another `instance.id`.
    pub id: Option<u32>,
    /// Another `instance.stack`.
    pub stack: Option<String>,
    /// Another key (64 hexadecimal digits).
    pub key: Option<String>,
    /// Further lines of the link pair: its bypass card.
    pub link_pair: String,
    /// Other values of keys that the configuration has: key and value as the file has them.
    pub values: Vec<(&'static str, String)>,
}

/// Whether both engines fit into the hugepages that are free now.
#[must_use]
pub fn hugepages_suffice() -> bool {
    hugepages_suffice_for(MEMORY_MB)
}

/// Whether two engines of `memory_mb` MiB each fit into the hugepages that are free now.
#[must_use]
pub fn hugepages_suffice_for(memory_mb: u64) -> bool {
    let read = |name: &str| -> u64 {
        let path = format!("/sys/kernel/mm/hugepages/hugepages-2048kB/{name}");
        fs::read_to_string(path)
            .ok()
            .and_then(|s| s.trim().parse().ok())
            .unwrap_or(0)
    };
    !hugetlbfs_mounts().is_empty() && read("free_hugepages") * 2 >= 2 * memory_mb + 64
}

/// Looks for the engine binary: `named`, else `TWINLINE_BIN`, else beside this program, else in
/// the build directories.
///
/// # Errors
/// [`LabError::NoEngine`] with the places that were looked at.
pub fn find(named: Option<&Path>) -> Result<PathBuf> {
    let mut places = Vec::new();
    if let Some(path) = named {
        places.push(path.to_owned());
    } else if let Some(path) = std::env::var_os("TWINLINE_BIN") {
        places.push(path.into());
    } else {
        let own = std::env::current_exe().ok();
        // target/debug/lab -> target/debug, target/debug/deps/scenes-... -> target/debug
        let mut parents = own.iter().flat_map(|path| path.ancestors().skip(1).take(2));
        places.extend(parents.by_ref().map(|directory| directory.join("twinline")));
        let target = build_directory();
        places.extend(["release", "debug"].map(|p| target.join(p).join("twinline")));
    }
    let found = places.iter().find(|path| path.is_file());
    found
        .and_then(|path| path.canonicalize().ok())
        .ok_or_else(|| LabError::NoEngine {
            tried: places
                .iter()
                .map(|p| p.display().to_string())
                .collect::<Vec<_>>()
                .join(", "),
        })
}

/// cargo's build directory: `CARGO_TARGET_DIR`, or `target` in the workspace.
#[must_use]
pub fn build_directory() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(path) => path.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"),
    }
}

/// The text of an instance's configuration file.
#[must_use]
pub fn configuration(
    side: Side,
    prefix: &str,
    directory: &Path,
    settings: &Settings,
    deviations: &Deviations,
) -> String {
    let name = side.name();
    let place = directory.display();
    let Settings {
        interval_ms,
        threshold,
        preempt_delay_s,
        in_band,
        huge,
        cores,
    } = settings;
    let primary = side == Side::A;
    let id = deviations.id.unwrap_or(if primary { 1 } else { 2 });
    let stack = deviations.stack.as_deref().unwrap_or("lab");
    let key = if deviations.key.is_some() {
        format!("{name}.key")
    } else {
        "stack.key".into()
    };
    let mut text = format!(
        "# made by the lab for one run\n\
         [instance]\nname = \"{name}\"\nid = {id}\nstack = \"{stack}\"\n\
         control_socket = \"{place}/{name}.sock\"\nstate_file = \"{place}/{name}.state\"\n\n\
         [eal]\nfile_prefix = \"{prefix}-{name}\"\nmemory_mb = {MEMORY_MB}\nhuge = {huge}\n\
         telemetry = false\n\n"
    );
    for (port, ring) in [("lan", 512), ("wan", 512), ("ha", HA_RING)] {
        // writing into a String cannot fail
        let _ = write!(
            text,
            "[[port]]\nname = \"{port}\"\n\
             vdev = \"net_af_packet_{port},iface={port}0,blocksz=4096,framesz=2048,framecnt={ring},qpairs=1\"\n\
             kernel_interface = \"{port}0\"\nrx_descriptors = 512\ntx_descriptors = 512\n\n"
        );
    }
    let _ = write!(
        text,
        "[[link_pair]]\nname = \"wire\"\nlan = \"lan\"\nwan = \"wan\"\n{}\n\
         [ha]\nmode = \"active-passive\"\nprimary = {primary}\nport = \"ha\"\n\
         key_file = \"{place}/{key}\"\nin_band = {in_band}\ntopology = \"parallel\"\n\
         peer_check_interval_ms = {interval_ms}\npeer_failure_threshold = {threshold}\n\
         preempt = true\npreempt_delay_s = {preempt_delay_s}\n\
         # the scenes take the role away again and again: no limit, and a short memory\n\
         max_flaps = 0\nflap_window_s = 1\n\n\
         [ha.links]\ninterval_ms = {interval_ms}\nminimum_active = 1\nsettle_ms = 500\n\n\
         [lcores]\nmain = {}\nworkers = [{}]\npolling = \"adaptive\"\n",
        deviations.link_pair, cores.0, cores.1
    );
    for (key, value) in &deviations.values {
        text = with_value(&text, key, value);
    }
    text
}

/// The text with another value of a key, in the first section that has it.
fn with_value(text: &str, key: &str, value: &str) -> String {
    let mut done = false;
    let lines = text.lines().map(|line| {
        let found = !done && line.split(" = ").next() == Some(key);
        done |= found;
        if found {
            format!("{key} = {value}\n")
        } else {
            format!("{line}\n")
        }
    });
    lines.collect()
}

/// A key of 64 hexadecimal digits from the kernel's random numbers.
///
/// # Errors
/// When `/dev/urandom` cannot be read.
pub fn new_key() -> Result<String> {
    let said = || LabError::io("/dev/urandom");
    let mut bytes = [0u8; 32];
    let mut random = File::open("/dev/urandom").map_err(said())?;
    random.read_exact(&mut bytes).map_err(said())?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Writes a key file that only its owner reads.
///
/// # Errors
/// When the file cannot be written.
pub fn write_key(path: &Path, key: &str) -> Result<()> {
    let said = || format!("key file {}", path.display());
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .map_err(LabError::io(said()))?;
    writeln!(file, "{key}").map_err(LabError::io(said()))
}

/// One engine of the lab.
#[derive(Debug)]
pub struct Engine {
    /// Which appliance.
    pub side: Side,
    /// Its configuration file.
    pub config: PathBuf,
    /// Its control socket.
    pub socket: PathBuf,
    /// What it wrote to standard output and standard error.
    pub log: PathBuf,
    binary: PathBuf,
    namespace: String,
    child: Option<Child>,
}

impl Engine {
    /// Writes the configuration and starts the engine.
    ///
    /// # Errors
    /// When a file cannot be written or the process cannot be started.
    pub fn start(
        run: &Run,
        side: Side,
        namespace: &str,
        binary: &Path,
        settings: &Settings,
        deviations: &Deviations,
    ) -> Result<Self> {
        let directory = run.directory();
        if let Some(key) = &deviations.key {
            write_key(&directory.join(format!("{}.key", side.name())), key)?;
        }
        let text = configuration(side, run.prefix(), directory, settings, deviations);
        Self::start_with(run, side, namespace, binary, &text)
    }

    /// Starts an engine with the configuration `text`, which names its control socket
    /// `<side>.sock` and the stack's key `stack.key`, both in the run's directory.
    ///
    /// # Errors
    /// As [`Engine::start`].
    pub fn start_with(
        run: &Run,
        side: Side,
        namespace: &str,
        binary: &Path,
        text: &str,
    ) -> Result<Self> {
        let directory = run.directory();
        let name = side.name();
        // the first of the two engines makes the key of the stack
        if !directory.join("stack.key").exists() {
            write_key(&directory.join("stack.key"), &new_key()?)?;
        }
        let config = directory.join(format!("{name}.toml"));
        fs::write(&config, text).map_err(LabError::io(config.display().to_string()))?;
        let mut engine = Self {
            side,
            config,
            socket: directory.join(format!("{name}.sock")),
            log: directory.join(format!("{name}.log")),
            binary: binary.to_owned(),
            namespace: namespace.to_owned(),
            child: None,
        };
        engine.restart(run)?;
        Ok(engine)
    }

    /// Starts the process (again) with the same configuration; its log is continued.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub fn restart(&mut self, run: &Run) -> Result<()> {
        let said = || format!("log {}", self.log.display());
        let log: File = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .map_err(LabError::io(said()))?;
        let other = log.try_clone().map_err(LabError::io(said()))?;
        // `ip netns exec` becomes the engine (it does not fork), so the pid is the engine's own;
        // it also gives it a /sys of its namespace, in which the engine reads carrier
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.namespace])
            .arg(&self.binary)
            .args(["run", "--config"])
            .arg(&self.config)
            .env(
                "RUST_LOG",
                std::env::var("TWINLINE_LAB_LOG").unwrap_or_else(|_| "info".into()),
            )
            .stdin(Stdio::null())
            .stdout(other)
            .stderr(log);
        self.child = Some(run.spawn(&mut command)?);
        Ok(())
    }

    /// The engine's process id, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// The thread that runs the first worker, while the engine runs.
    #[must_use]
    pub fn worker_thread(&self) -> Option<u32> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid()?)).ok()?;
        let is_worker = |task: &fs::DirEntry| {
            let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            name.contains("worker")
        };
        let found = tasks.flatten().find(is_worker)?;
        found.file_name().to_str()?.parse().ok()
    }

    /// Sends a signal to the engine.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn signal(&self, signal: i32) -> Result<()> {
        let what = format!("signal {signal} to engine {}", self.side);
        match self.pid() {
            Some(pid) => sys::signal(pid, signal).map_err(LabError::io(what)),
            None => Err(LabError::io(what)(std::io::ErrorKind::NotFound.into())),
        }
    }

    /// Writes another configuration and has the running engine take it (SIGHUP); waits until it
    /// has.
    ///
    /// # Errors
    /// When the engine refuses it, or says nothing within [`CONTROL`].
    pub fn reload(&self, text: &str) -> Result<()> {
        let last = |events: &[Event]| events.last().map_or(0, |event| event.seq);
        let before = last(&status::events(&self.socket)?);
        fs::write(&self.config, text).map_err(LabError::io(self.config.display().to_string()))?;
        self.signal(libc::SIGHUP)?;
        let deadline = Instant::now() + CONTROL;
        loop {
            let events = status::events(&self.socket)?;
            let mut new = events.iter().filter(|event| event.seq > before);
            match new.find(|e| matches!(e.why.as_str(), "reloaded" | "reload_refused")) {
                Some(event) if event.why == "reloaded" => return Ok(()),
                Some(event) => {
                    return Err(LabError::Answer {
                        what: format!("reload of {}", self.side),
                        answer: event.detail.clone(),
                    });
                }
                None if Instant::now() > deadline => {
                    return Err(LabError::Timeout {
                        what: format!("{} to reload", self.side),
                        waited_ms: CONTROL.as_millis(),
                        seen: "no event of it".into(),
                        logs: self.log_tail(20),
                    });
                }
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    /// Kills the engine with SIGKILL and waits for its end.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self, run: &Run) -> Result<()> {
        self.signal(libc::SIGKILL)?;
        if let Some(mut child) = self.child.take() {
            child
                .wait()
                .map_err(LabError::io("waiting for a killed engine"))?;
            run.forget(child.id());
        }
        Ok(())
    }

    /// Ends the engine with SIGTERM; gives its exit status in words. After ten seconds SIGKILL.
    ///
    /// # Errors
    /// When it does not run, or had to be killed.
    pub fn end(&mut self, run: &Run) -> Result<String> {
        self.signal(libc::SIGTERM)?;
        let deadline = Instant::now() + ORDERLY_END;
        loop {
            if let Some(status) = self.ended(run)? {
                return Ok(status);
            }
            if Instant::now() > deadline {
                let logs = self.log_tail(20);
                self.kill(run)?;
                return Err(LabError::Timeout {
                    what: format!("engine {} to end on SIGTERM", self.side),
                    waited_ms: ORDERLY_END.as_millis(),
                    seen: "it still ran and was killed".into(),
                    logs,
                });
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The status in words when the process has ended by itself.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn ended(&mut self, run: &Run) -> Result<Option<String>> {
        let Some(child) = &mut self.child else {
            return Ok(Some("not running".into()));
        };
        let status = child
            .try_wait()
            .map_err(LabError::io("looking at an engine"))?;
        let Some(status) = status else {
            return Ok(None);
        };
        run.forget(child.id());
        self.child = None;
        Ok(Some(status.to_string()))
    }

    /// Runs `twinline ctl` with these words (and `--json`) and gives what it answered.
    ///
    /// # Errors
    /// When it ends with a status that is not 0, or answers no JSON.
    pub fn ctl(&self, words: &str) -> Result<Value> {
        let mut command = Command::new("timeout");
        command.arg(CONTROL.as_secs().to_string()).arg(&self.binary);
        command
            .args(["ctl", "--socket"])
            .arg(&self.socket)
            .arg("--json");
        command.args(words.split_whitespace());
        let output = command.output().map_err(LabError::io("twinline ctl"))?;
        let line = format!("twinline ctl --socket {} {words}", self.socket.display());
        let text = netns::checked(&line, &output)?;
        if text.trim().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).map_err(|e| LabError::Answer {
            what: format!("{words}: {e}"),
            answer: text.chars().take(300).collect(),
        })
    }

    /// Role, reason and peer health now.
    ///
    /// # Errors
    /// When the engine does not answer, or not in a way that is understood.
    pub fn status(&self) -> Result<Status> {
        Status::ask(&self.socket)
    }

    /// The last lines of the engine's log, with a heading; empty when there is nothing.
    #[must_use]
    pub fn log_tail(&self, lines: usize) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let all: Vec<&str> = text.lines().collect();
        if all.is_empty() {
            return String::new();
        }
        let tail = all[all.len().saturating_sub(lines)..].join("\n    ");
        format!("\n  log of {}:\n    {tail}", self.side)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_configurations_are_good() {
        for (huge, cores) in [(true, (0, 1)), (false, (0, 0))] {
            let settings = Settings {
                in_band: true,
                interval_ms: 50,
                threshold: 5,
                preempt_delay_s: 2,
                huge,
                cores,
            };
            let directory = tempfile::tempdir().unwrap();
            write_key(&directory.path().join("stack.key"), &new_key().unwrap()).unwrap();
            for side in Side::BOTH {
                let none = Deviations::default();
                let text = configuration(side, "tl1x0", directory.path(), &settings, &none);
                let loaded = twinline_config::Config::parse(&text, "a.toml");
                let loaded = loaded.unwrap_or_else(|e| panic!("{e}\n{text}"));
                assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
                assert_eq!(loaded.config.ha.primary, side == Side::A);
            }
        }
    }
}
