//! A pair of routers in a bed of namespaces, whoever made it: what the benchmark does with it.

use serde::Serialize;
use std::fmt;
use twinline_tests::Result;
use twinline_tests::probe::udp::UdpProbe;
use twinline_tests::run::Run;

/// Whose pair it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum System {
    /// Ours.
    Twinline,
    /// The peer of the benchmark.
    Keepalived,
}

impl System {
    /// Its name in the table and in the JSON file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            System::Twinline => "twinline",
            System::Keepalived => "keepalived",
        }
    }
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What the two routers of a pair did with their roles in a stretch of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Changes of role, of both routers together.
    pub role_changes: u64,
    /// How many of them made a router the active one.
    pub takeovers: u64,
    /// The router's record begins later than the stretch: there were more.
    pub at_least: bool,
}

/// A pair that runs. A is the one that shall be active, B the other.
pub trait Pair {
    /// Waits until A alone is active, B is ready to take over, and both have kept still for a
    /// moment. Routers that ended are started, and a pair that changed sides changes back.
    ///
    /// # Errors
    /// When that does not come about in time.
    fn settle(&mut self) -> Result<()>;

    /// Whether A alone is active now.
    fn is_settled(&mut self) -> bool;

    /// Starts the numbered probe from the client to the server, through the pair.
    ///
    /// # Errors
    /// When its sockets cannot be made.
    fn probe(&self, rate: u32) -> Result<UdpProbe>;

    /// Frames that came out of A into the switches since the beginning.
    ///
    /// # Errors
    /// When a switch does not say.
    fn frames_from_a(&self) -> Result<u64>;

    /// A's power fails: its process is gone at once, and what it forwarded stands still.
    ///
    /// # Errors
    /// When it does not run.
    fn kill(&mut self) -> Result<()>;

    /// Pulls A's LAN cable at the switch, or plugs it in again.
    ///
    /// # Errors
    /// When the machine refuses.
    fn set_cable(&mut self, plugged: bool) -> Result<()>;

    /// A is told to hand over to B.
    ///
    /// # Errors
    /// When it refuses.
    fn hand_over(&mut self) -> Result<()>;

    /// Waits until B is active.
    ///
    /// # Errors
    /// When that does not come about in time.
    fn wait_for_b(&mut self) -> Result<()>;

    /// From here on [`Pair::changes`] counts.
    ///
    /// # Errors
    /// When a router's record cannot be read.
    fn mark(&mut self) -> Result<()>;

    /// The changes since the last mark.
    ///
    /// # Errors
    /// When a router's record cannot be read.
    fn changes(&mut self) -> Result<Changes>;

    /// Each change since the last mark with the reason that the router itself gives; nothing where
    /// it gives none.
    ///
    /// # Errors
    /// When a router's record cannot be read.
    fn causes(&mut self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// How often the loops of those that keep such a record were late by more than half an interval
    /// since their start.
    fn late_count(&mut self) -> u64 {
        0
    }

    /// The worst lateness of a router's own loop since its start, in ms, of those that run and
    /// keep such a record.
    fn worst_late_ms(&mut self) -> Option<f64>;

    /// What owns everything that the pair made on the machine.
    fn run(&self) -> &Run;

    /// The last lines of both routers' logs, and what else explains a failure.
    fn logs(&self) -> String;

    /// Kills both routers and waits for their ends, so that the next pair finds the machine free.
    /// The bed goes away when the pair is dropped.
    fn down(&mut self);
}
