//! What the service manager hears of the engine (sd_notify): READY once the role is known, STATUS
//! at each change of it, WATCHDOG only while the HA node and every worker go on, RELOADING and
//! STOPPING.
//!
//! A thread of its own speaks with the manager, so that the management core never waits for it. It
//! reads the [`Vitals`]; without `NOTIFY_SOCKET` it is not started.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use sd_notify::NotifyState;
use twinline_management::{Progress, Signals, Standing, Vitals};

/// How often it looks.
const LOOK: Duration = Duration::from_millis(50);
/// The manager waits for READY for so long, each time that the node is seen to go on: without
/// carrier at the HA port the role stays INIT for as long as that lasts.
const PATIENCE: Duration = Duration::from_secs(30);
const PATIENCE_EVERY: Duration = Duration::from_secs(5);

/// Reloads that were asked for. Raised by the thread of signals before the management core is told.
#[derive(Debug, Default)]
pub struct Reloads {
    asked: AtomicU64,
    /// How many had ended when the last one was asked for.
    ended_before: AtomicU64,
}

impl Reloads {
    /// One more.
    pub fn ask(&self, vitals: &Vitals) {
        self.ended_before.store(vitals.reloads(), Ordering::Relaxed);
        self.asked.fetch_add(1, Ordering::Release);
    }
}

/// What it looks at.
pub struct Sights {
    /// The management core.
    pub vitals: Arc<Vitals>,
    /// What signals told it.
    pub signals: Arc<Signals>,
    /// Reloads that were asked for.
    pub reloads: Arc<Reloads>,
}

/// Starts the thread where a service manager listens.
pub fn spawn(sights: Sights) -> anyhow::Result<()> {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return Ok(());
    }
    let watchdog = sd_notify::watchdog_enabled();
    let mut speaker = Speaker::new(watchdog, Instant::now());
    let run = move || {
        while !speaker.done {
            let said = speaker.look(&sights, Instant::now());
            if !said.is_empty()
                && let Err(error) = sd_notify::notify(&states(&said))
            {
                log::warn!("the service manager does not hear: {error}");
            }
            std::thread::sleep(LOOK);
        }
    };
    std::thread::Builder::new()
        .name("service".into())
        .spawn(run)
        .context("the service manager's thread could not be started")?;
    Ok(())
}

/// What is said, in one message.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Say {
    Ready,
    Status(String),
    Watchdog,
    Reloading,
    Stopping,
    ExtendTimeout(Duration),
}

fn states(said: &[Say]) -> Vec<NotifyState<'_>> {
    let mut states = Vec::with_capacity(said.len() + 1);
    for one in said {
        match one {
            Say::Ready => states.push(NotifyState::Ready),
            Say::Status(text) => states.push(NotifyState::Status(text)),
            Say::Watchdog => states.push(NotifyState::Watchdog),
            Say::Stopping => states.push(NotifyState::Stopping),
            Say::Reloading => {
                states.push(NotifyState::Reloading);
                // Since 253 the manager wants to know which reload is meant.
                states.extend(NotifyState::monotonic_usec_now());
            }
            Say::ExtendTimeout(time) => {
                let us = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
                states.push(NotifyState::ExtendTimeoutUsec(us));
            }
        }
    }
    states
}

/// What was said so far, and what comes next.
struct Speaker {
    /// The manager wants to hear at least once in a third of this.
    watchdog: Option<Duration>,
    fed_at: Instant,
    fed_with: Progress,
    extended_at: Option<Instant>,
    extended_with: Progress,
    ready: bool,
    status: String,
    /// Reloads that were asked for so far, as far as it saw.
    reloads: u64,
    reloading: bool,
    stopping: bool,
    done: bool,
}

impl Speaker {
    fn new(watchdog: Option<Duration>, now: Instant) -> Self {
        Self {
            watchdog,
            fed_at: now,
            fed_with: Progress::default(),
            extended_at: None,
            extended_with: Progress::default(),
            ready: false,
            status: String::new(),
            reloads: 0,
            reloading: false,
            stopping: false,
            done: false,
        }
    }

    fn look(&mut self, sights: &Sights, now: Instant) -> Vec<Say> {
        let mut said = Vec::new();
        let vitals = &sights.vitals;
        let progress = vitals.progress();
        self.stop(sights, &mut said);
        self.say_ready(vitals, &progress, &mut said);
        self.reload(sights, &mut said);
        self.say_status(&vitals.standing(), &mut said);
        self.feed(&progress, now, &mut said);
        self.ask_for_patience(progress, now, &mut said);
        self.done = vitals.has_ended();
        said
    }

    fn stop(&mut self, sights: &Sights, said: &mut Vec<Say>) {
        let asked = sights.signals.stops.load(Ordering::Relaxed) > 0;
        if (asked || sights.vitals.has_ended()) && !self.stopping {
            self.stopping = true;
            said.push(Say::Stopping);
        }
    }

    /// The ports are up before the node makes its first step; its role is known when it leaves INIT.
    fn say_ready(&mut self, vitals: &Vitals, progress: &Progress, said: &mut Vec<Say>) {
        if !self.ready && !self.stopping && vitals.standing().is_known() {
            self.ready = true;
            self.fed_with = progress.clone();
            said.push(Say::Ready);
        }
    }

    fn reload(&mut self, sights: &Sights, said: &mut Vec<Say>) {
        let asked = sights.reloads.asked.load(Ordering::Acquire);
        let new = asked != self.reloads && self.ready && !self.stopping;
        self.reloads = asked;
        if new && !self.reloading {
            self.reloading = true;
            said.push(Say::Reloading);
        } else if self.reloading {
            let before = sights.reloads.ended_before.load(Ordering::Relaxed);
            if sights.vitals.reloads() > before {
                self.reloading = false;
                said.push(Say::Ready);
            }
        }
    }

    fn say_status(&mut self, standing: &Standing, said: &mut Vec<Say>) {
        let mut status = format!("{} ({})", standing.role, standing.why);
        if self.stopping {
            status.push_str(", stopping");
        }
        if status != self.status {
            self.status.clone_from(&status);
            said.push(Say::Status(status));
        }
    }

    /// Fed only if the HA node and every worker went on since the last time.
    fn feed(&mut self, progress: &Progress, now: Instant, said: &mut Vec<Say>) {
        let Some(watchdog) = self.watchdog else {
            return;
        };
        let due = now.saturating_duration_since(self.fed_at) >= watchdog / 3;
        if self.ready && due && progress.all_moved_since(&self.fed_with) {
            self.fed_at = now;
            self.fed_with = progress.clone();
            said.push(Say::Watchdog);
        }
    }

    /// While the role is not known: the start takes longer, as long as the node goes on.
    fn ask_for_patience(&mut self, progress: Progress, now: Instant, said: &mut Vec<Say>) {
        let since = |at: Instant| now.saturating_duration_since(at);
        let due = self
            .extended_at
            .is_none_or(|at| since(at) >= PATIENCE_EVERY);
        if !self.ready && due && progress.steps != self.extended_with.steps {
            self.extended_at = Some(now);
            self.extended_with = progress;
            said.push(Say::ExtendTimeout(PATIENCE));
        }
    }
}

#[cfg(test)]
mod tests;
