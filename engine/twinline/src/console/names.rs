//! Names for completion, asked from the engine.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use twinline_control::{Payload, Request};

use super::engine::Engine;
use super::grammar::{Kind, Names};
use super::settings;

/// Somebody has pressed Tab and waits.
const PATIENCE: Duration = Duration::from_millis(300);
/// For how long names are taken for those of now.
const FRESH: Duration = Duration::from_secs(2);

/// Asks the engine, and keeps its answers for a moment.
pub struct EngineNames {
    engine: Engine,
    kept: RefCell<Vec<(Source, Instant, Vec<String>)>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Ports,
    Pairs,
    Peers,
}

impl EngineNames {
    /// The names that this engine knows.
    pub fn new(engine: Engine) -> EngineNames {
        EngineNames {
            engine,
            kept: RefCell::default(),
        }
    }

    fn of(&self, source: Source) -> Vec<String> {
        let now = Instant::now();
        let mut kept = self.kept.borrow_mut();
        kept.retain(|(_, since, _)| now.duration_since(*since) < FRESH);
        if let Some((_, _, names)) = kept.iter().find(|(of, _, _)| *of == source) {
            return names.clone();
        }
        let request = match source {
            Source::Ports => Request::ShowPorts,
            Source::Pairs => Request::ShowLinkPairs,
            Source::Peers => Request::ShowHa,
        };
        let mut names: Vec<String> = match self.engine.glance(&request, PATIENCE) {
            Ok(Payload::Ports(ports)) => ports.into_iter().map(|port| port.name).collect(),
            Ok(Payload::LinkPairs(pairs)) => pairs.into_iter().map(|pair| pair.name).collect(),
            Ok(Payload::Ha(status)) => status.peers.iter().map(|p| p.id.to_string()).collect(),
            _ => Vec::new(),
        };
        // what could not be typed is not offered, least of all what moves the cursor
        let odd = |c: char| c.is_control() || c.is_whitespace() || "'\"#".contains(c);
        names.retain(|name| !name.is_empty() && !name.chars().any(odd));
        kept.push((source, now, names.clone()));
        names
    }
}

impl Names for EngineNames {
    fn names(&self, kind: Kind) -> Vec<String> {
        match kind {
            Kind::Port | Kind::PortOrAll => self.of(Source::Ports),
            Kind::Pair => self.of(Source::Pairs),
            Kind::PairOrPort => [self.of(Source::Pairs), self.of(Source::Ports)].concat(),
            Kind::Peer => self.of(Source::Peers),
            Kind::Setting => settings::live_names(),
            _ => Vec::new(),
        }
    }
}
