//! The whole lab: topology, both engines, and waiting for what they shall do.

use crate::engine::{Deviations, Engine, Settings};
use crate::error::{LabError, Result};
use crate::l3::ours::Plan;
use crate::panel::{CardKind, Panel};
use crate::run::Run;
use crate::status::Status;
use crate::topology::{Shape, Side, Topology};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long the lab waits between two looks at an engine.
const LOOK: Duration = Duration::from_millis(10);

/// Which bypass cards the appliances have, and how they lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CardSetUp {
    /// One of the shapes with cards.
    pub shape: Shape,
    /// Which card.
    pub kind: CardKind,
    /// `link_pair.bypass_watchdog_ms`.
    pub watchdog_ms: u32,
    /// `ha.max_flaps`, within an hour.
    pub max_flaps: u32,
}

impl CardSetUp {
    /// What the configuration of a side with this card's socket has more, and other.
    fn deviations(&self, socket: &Path) -> Deviations {
        let topology = match self.shape {
            Shape::SeriesBehindCards => "\"series\"",
            Shape::Parallel | Shape::ParallelBehindCards | Shape::Routed => "\"parallel\"",
        };
        Deviations {
            link_pair: format!(
                "bypass_card = \"{}\"\nbypass_registers = \"socket:{}\"\n\
                 bypass_watchdog_ms = {}\n",
                self.kind.name(),
                socket.display(),
                self.watchdog_ms
            ),
            values: vec![
                ("topology", topology.into()),
                ("max_flaps", self.max_flaps.to_string()),
                ("flap_window_s", "3600".into()),
            ],
            ..Deviations::default()
        }
    }
}

/// A lab that is up.
#[derive(Debug)]
pub struct Lab {
    /// Namespaces, switches and wires.
    pub topology: Topology,
    /// What both engines are configured with.
    pub settings: Settings,
    a: Engine,
    b: Engine,
    // the cards outlive the engines
    panels: Option<[Panel; 2]>,
    // last: everything above is gone before the run removes the namespaces
    run: Run,
}

/// Both engines as they are at one moment; `None` for one that does not answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Both {
    /// Appliance A.
    pub a: Option<Status>,
    /// Appliance B.
    pub b: Option<Status>,
}

impl Both {
    /// One of the two.
    #[must_use]
    pub fn of(&self, side: Side) -> Option<&Status> {
        match side {
            Side::A => self.a.as_ref(),
            Side::B => self.b.as_ref(),
        }
    }

    /// The side that is ACTIVE when the state is settled: one ACTIVE, one PASSIVE, each HEALTHY
    /// in the eyes of the other.
    #[must_use]
    pub fn settled(&self) -> Option<Side> {
        let (a, b) = (self.a.as_ref()?, self.b.as_ref()?);
        if !a.peer_healthy() || !b.peer_healthy() {
            return None;
        }
        match (a.role.as_str(), b.role.as_str()) {
            ("ACTIVE", "PASSIVE") => Some(Side::A),
            ("PASSIVE", "ACTIVE") => Some(Side::B),
            _ => None,
        }
    }

    /// Both in one line.
    #[must_use]
    pub fn line(&self) -> String {
        let say = |status: Option<&Status>| status.map_or("no answer".into(), Status::line);
        format!("A: {}; B: {}", say(self.a.as_ref()), say(self.b.as_ref()))
    }
}

impl Lab {
    /// Brings everything up and starts both engines; does not wait for roles.
    ///
    /// # Errors
    /// When the machine refuses; what was made by then is removed.
    pub fn up(binary: &Path, settings: Settings) -> Result<Self> {
        let none = Deviations::default();
        Self::up_with(binary, settings, &none, &none)
    }

    /// As [`Lab::up`], with deviations of both configurations.
    ///
    /// # Errors
    /// As [`Lab::up`].
    pub fn up_with(
        binary: &Path,
        settings: Settings,
        of_a: &Deviations,
        of_b: &Deviations,
    ) -> Result<Self> {
        let run = Run::begin()?;
        let topology = Topology::lay(&run)?;
        let start = |side, deviations| {
            Engine::start(
                &run,
                side,
                topology.appliance(side),
                binary,
                &settings,
                deviations,
            )
        };
        let (a, b) = (start(Side::A, of_a)?, start(Side::B, of_b)?);
        Ok(Self {
            topology,
            settings,
            a,
            b,
            panels: None,
            run,
        })
    }

    /// As [`Lab::up`], each appliance behind a bypass card that has just got power.
    ///
    /// # Errors
    /// As [`Lab::up`].
    pub fn up_with_cards(binary: &Path, settings: Settings, cards: CardSetUp) -> Result<Self> {
        let run = Run::begin()?;
        let topology = Topology::lay_out(&run, cards.shape)?;
        let power = |side| Panel::power(&run, &topology, side, cards.kind);
        let panels = [power(Side::A)?, power(Side::B)?];
        let start = |side: Side, panel: &Panel| {
            let deviations = cards.deviations(panel.socket());
            let namespace = topology.appliance(side);
            Engine::start(&run, side, namespace, binary, &settings, &deviations)
        };
        let (a, b) = (start(Side::A, &panels[0])?, start(Side::B, &panels[1])?);
        Ok(Self {
            topology,
            settings,
            a,
            b,
            panels: Some(panels),
            run,
        })
    }

    /// As [`Lab::up`], as a pair of routers between two networks. There is no in-band path: routers
    /// hear each other's adverts there.
    ///
    /// # Errors
    /// As [`Lab::up`].
    pub fn up_routed(binary: &Path, settings: Settings) -> Result<Self> {
        Self::up_routed_with(binary, settings, |_, _| {})
    }

    /// As [`Lab::up_routed`], with changes to the plan of a side.
    ///
    /// # Errors
    /// As [`Lab::up`].
    pub fn up_routed_with(
        binary: &Path,
        settings: Settings,
        change: impl Fn(Side, &mut Plan),
    ) -> Result<Self> {
        let run = Run::begin()?;
        let topology = Topology::lay_out(&run, Shape::Routed)?;
        let start = |side: Side| {
            let mut plan = Plan::pair(side, settings.interval_ms, settings.threshold);
            plan.preempt_delay_s = settings.preempt_delay_s;
            plan.huge = settings.huge;
            plan.cores = settings.cores;
            change(side, &mut plan);
            let text = plan.text(side, run.prefix(), run.directory());
            Engine::start_with(&run, side, topology.appliance(side), binary, &text)
        };
        let (a, b) = (start(Side::A)?, start(Side::B)?);
        Ok(Self {
            topology,
            settings,
            a,
            b,
            panels: None,
            run,
        })
    }

    /// The panel of a side's bypass card.
    ///
    /// # Panics
    /// In a lab without cards.
    #[must_use]
    #[allow(
        clippy::expect_used,
        reason = "a test that asks for what it did not make"
    )]
    pub fn panel(&self, side: Side) -> &Panel {
        let panels = self.panels.as_ref().expect("a lab with cards");
        &panels[usize::from(side == Side::B)]
    }

    /// Ends an engine with SIGTERM and waits for its end.
    ///
    /// # Errors
    /// When it does not run, or does not end.
    pub fn terminate(&mut self, side: Side) -> Result<String> {
        let (engine, run) = self.engine_mut(side);
        engine.end(run)
    }

    /// The run that owns everything.
    #[must_use]
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// The engine of a side.
    #[must_use]
    pub fn engine(&self, side: Side) -> &Engine {
        match side {
            Side::A => &self.a,
            Side::B => &self.b,
        }
    }

    /// The engine of a side, to change its life.
    pub fn engine_mut(&mut self, side: Side) -> (&mut Engine, &Run) {
        match side {
            Side::A => (&mut self.a, &self.run),
            Side::B => (&mut self.b, &self.run),
        }
    }

    /// Kills an engine with SIGKILL.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self, side: Side) -> Result<()> {
        let (engine, run) = self.engine_mut(side);
        engine.kill(run)
    }

    /// Starts an engine that was killed.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn restart(&mut self, side: Side) -> Result<()> {
        let (engine, run) = self.engine_mut(side);
        engine.restart(run)
    }

    /// Both engines as they are now.
    #[must_use]
    pub fn both(&self) -> Both {
        Both {
            a: self.a.status().ok(),
            b: self.b.status().ok(),
        }
    }

    /// Waits until `done` says so of one engine; gives how it is then.
    ///
    /// # Errors
    /// After `limit`, with what was seen last and the tails of both logs.
    pub fn wait_for(
        &mut self,
        side: Side,
        what: &str,
        limit: Duration,
        done: impl Fn(&Status) -> bool,
    ) -> Result<Status> {
        let begin = Instant::now();
        loop {
            let seen = self.engine(side).status();
            match &seen {
                Ok(status) if done(status) => return Ok(status.clone()),
                _ => {}
            }
            self.alive(side)?;
            if begin.elapsed() > limit {
                return Err(LabError::Timeout {
                    what: format!("{side}: {what}"),
                    waited_ms: limit.as_millis(),
                    seen: seen.map_or_else(|e| e.to_string(), |s| s.line()),
                    logs: self.logs(),
                });
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Waits until one is ACTIVE, the other PASSIVE and both HEALTHY; gives the active side.
    /// With `wanted`, that side must be the active one.
    ///
    /// # Errors
    /// After `limit`, with what was seen last and the tails of both logs; or when an engine ended.
    pub fn settle(&mut self, wanted: Option<Side>, limit: Duration) -> Result<Side> {
        let begin = Instant::now();
        loop {
            let both = self.both();
            if let Some(active) = both.settled()
                && wanted.is_none_or(|wanted| wanted == active)
            {
                return Ok(active);
            }
            for side in Side::BOTH {
                self.alive(side)?;
            }
            if begin.elapsed() > limit {
                let who = wanted.map_or(String::new(), |side| format!(" ({side} the active one)"));
                return Err(LabError::Timeout {
                    what: format!("one ACTIVE, one PASSIVE, both HEALTHY{who}"),
                    waited_ms: limit.as_millis(),
                    seen: both.line(),
                    logs: self.logs(),
                });
            }
            std::thread::sleep(5 * LOOK);
        }
    }

    fn alive(&mut self, side: Side) -> Result<()> {
        let (engine, run) = self.engine_mut(side);
        match engine.ended(run)? {
            None => Ok(()),
            Some(status) => Err(LabError::EngineDied {
                name: side.to_string(),
                status,
                logs: engine.log_tail(25),
            }),
        }
    }

    /// The tails of both logs.
    #[must_use]
    pub fn logs(&self) -> String {
        Side::BOTH
            .map(|side| self.engine(side).log_tail(25))
            .concat()
    }
}
