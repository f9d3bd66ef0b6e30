//! From a command to what the engine is asked.

use std::path::Path;

use twinline_control::{LinkPairStatus, Payload, PortStatus, Request, render};

use super::engine::{Engine, Failure, unexpected};
use super::grammar::{Parsed, Verb, watchdog_ms};
use super::settings;

/// The request that a command is, unless it is one of the console itself.
///
/// # Errors
/// One line: a name that is not there, a value or a file that cannot be used.
pub fn request(parsed: &Parsed, engine: &Engine) -> Result<Request, Failure> {
    let value = |at| parsed.value(at).to_owned();
    let force = parsed.force;
    Ok(match parsed.command.verb {
        Verb::ShowHa | Verb::ShowPeers | Verb::ShowPaths => Request::ShowHa,
        Verb::ShowPort if parsed.value(0) == "xstats" => Request::ShowXstats {
            port: port_or_all(engine, parsed.value(1))?,
        },
        Verb::ShowPort | Verb::ShowPorts => Request::ShowPorts,
        Verb::ShowLinkPairs | Verb::ShowFwdStats => Request::ShowLinkPairs,
        Verb::ShowBandwidth => Request::ShowBandwidth,
        Verb::ShowFlaps => Request::ShowFlaps,
        Verb::ShowEvents => Request::ShowEvents {
            last: parsed.value(0).parse().ok(),
            after: None,
        },
        Verb::ShowOutlets => Request::ShowOutlets,
        Verb::ShowVirtualRouters => Request::ShowVirtualRouters,
        Verb::ShowInterfaces => Request::ShowInterfaces,
        Verb::ShowNeighbours => Request::ShowNeighbours,
        Verb::ShowRoutes => Request::ShowRoutes,
        Verb::ShowLcores => Request::ShowLcores,
        Verb::ShowMempools => Request::ShowMempools,
        Verb::ShowCaptures => Request::ShowCaptures,
        Verb::ShowVersion => Request::ShowVersion,
        Verb::ShowBypass => Request::ShowBypass,
        Verb::ShowConfig => Request::ShowConfig,
        Verb::ShowConfigDiff => Request::DiffConfig {
            toml: file(parsed.value(0))?,
        },
        Verb::ShowCommits => Request::ShowCommits,
        Verb::ShowCommit => Request::ShowCommit {
            number: number(parsed.value(0)),
        },
        Verb::DumpHeartbeat => Request::DumpHeartbeat,
        Verb::Switchover => Request::HaSwitchover {},
        Verb::Suspend => Request::HaSuspend { force },
        Verb::Resume => Request::HaResume,
        Verb::Clear => Request::HaClear,
        Verb::SetHa => {
            let live = settings::live(parsed.value(0), parsed.value(1));
            let (key, value) = live.map_err(Failure::Error)?;
            Request::SetSetting { key, value, force }
        }
        Verb::ClearPortStats => Request::ClearPortStats {
            port: port_or_all(engine, parsed.value(0))?,
        },
        Verb::SetLinkUp | Verb::SetLinkDown => Request::SetLink {
            port: port(engine, parsed.value(0))?,
            up: parsed.command.verb == Verb::SetLinkUp,
            force,
        },
        Verb::SetPromisc => Request::SetPromiscuous {
            port: port(engine, parsed.value(0))?,
            on: parsed.value(1) == "on",
        },
        Verb::CaptureStart => Request::CaptureStart {
            port: port(engine, parsed.value(0))?,
            file: absolute(parsed.value(1))?,
        },
        Verb::CaptureStop => Request::CaptureStop {
            port: match parsed.value(0) {
                "" => None,
                name => Some(port(engine, name)?),
            },
        },
        Verb::BypassPath => Request::SetBypass {
            pair: value(0),
            path: value(1),
            force,
        },
        Verb::BypassEvent => Request::SetBypassEvent {
            pair: value(0),
            event: value(1),
            path: value(2),
        },
        Verb::BypassWatchdog => Request::SetBypassWatchdog {
            pair: value(0),
            period_ms: watchdog_ms(parsed.value(1)).unwrap_or_default(),
        },
        Verb::BypassMode => Request::SetBypass {
            pair: pair(engine, parsed.value(1))?,
            path: path_of_mode(parsed.value(0)).into(),
            force,
        },
        Verb::BypassEventOfPort if parsed.value(0) == "none" => {
            return Err(Failure::Error(
                "event none leads nowhere: there is nothing to set; name timeout, os_on, os_off, \
                 power_on or power_off"
                    .into(),
            ));
        }
        Verb::BypassEventOfPort => Request::SetBypassEvent {
            pair: pair(engine, parsed.value(2))?,
            event: value(0),
            path: path_of_mode(parsed.value(1)).into(),
        },
        Verb::BypassTimeout => Request::SetBypassWatchdog {
            pair: match parsed.value(1) {
                "" => only_card(engine)?,
                name => pair(engine, name)?,
            },
            period_ms: watchdog_ms(parsed.value(0)).unwrap_or_default(),
        },
        Verb::Confirm => Request::Confirm,
        Verb::Rollback => Request::Rollback {
            number: number(parsed.value(0)),
            force,
        },
        Verb::Save => Request::SaveConfig,
        Verb::FollowEvents
        | Verb::Configure
        | Verb::EditSet
        | Verb::EditDelete
        | Verb::EditShow
        | Verb::EditDiff
        | Verb::EditLoad
        | Verb::EditCommit
        | Verb::EditCommitConfirmed
        | Verb::EditDiscard
        | Verb::EditExit
        | Verb::Run
        | Verb::Watch
        | Verb::Help
        | Verb::Quit => return Err(Failure::Error("this is no request to the engine".into())),
    })
}

fn number(text: &str) -> u32 {
    text.parse().unwrap_or_default()
}

/// Our word for testpmd's.
fn path_of_mode(mode: &str) -> &str {
    match mode {
        "normal" => "inline",
        "isolate" => "disconnect",
        other => other,
    }
}

/// A configuration file, as it is.
///
/// # Errors
/// One line.
pub fn file(path: &str) -> Result<String, Failure> {
    let cannot = |why: String| Failure::Error(format!("{path}: cannot be read: {why}"));
    let meta = std::fs::metadata(path).map_err(|error| cannot(plain(&error)))?;
    if !meta.is_file() {
        return Err(cannot("it is not a regular file".into()));
    }
    if meta.len() > twinline_config::MAX_FILE_BYTES {
        let limit = twinline_config::MAX_FILE_BYTES;
        return Err(cannot(format!("it is larger than {limit} bytes")));
    }
    std::fs::read_to_string(path).map_err(|error| cannot(plain(&error)))
}

/// The system's words, without Rust's "(os error 2)".
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    text.get(..end).unwrap_or(&text).to_lowercase()
}

/// The engine writes the file: where the console stands means nothing to it.
fn absolute(path: &str) -> Result<String, Failure> {
    let absolute = std::path::absolute(Path::new(path));
    let absolute = absolute.map_err(|error| Failure::Error(format!("{path}: {error}")))?;
    match absolute.to_str() {
        Some(path) => Ok(path.into()),
        None => Err(Failure::Error(format!(
            "{path}: the folder's name is not UTF-8"
        ))),
    }
}

/// The ports.
///
/// # Errors
/// As [`Engine::ask`].
pub fn ports(engine: &Engine) -> Result<Vec<PortStatus>, Failure> {
    match engine.ask(&Request::ShowPorts)? {
        Payload::Ports(ports) => Ok(ports),
        _ => Err(unexpected()),
    }
}

fn pairs(engine: &Engine) -> Result<Vec<LinkPairStatus>, Failure> {
    match engine.ask(&Request::ShowLinkPairs)? {
        Payload::LinkPairs(pairs) => Ok(pairs),
        _ => Err(unexpected()),
    }
}

/// The port that a name, or a number, means.
///
/// # Errors
/// One line with the ports that there are.
pub fn port_among(ports: &[PortStatus], text: &str) -> Result<usize, Failure> {
    let named = ports.iter().position(|port| port.name == text);
    let numbered = || text.parse().ok().filter(|at| *at < ports.len());
    named.or_else(numbered).ok_or_else(|| {
        let names: Vec<String> = ports.iter().map(|port| render::clean(&port.name)).collect();
        Failure::Error(format!("no port {text:?}; there are: {}", names.join(", ")))
    })
}

fn port(engine: &Engine, text: &str) -> Result<String, Failure> {
    let ports = ports(engine)?;
    let at = port_among(&ports, text)?;
    Ok(ports
        .get(at)
        .map_or_else(String::new, |port| port.name.clone()))
}

fn port_or_all(engine: &Engine, text: &str) -> Result<Option<String>, Failure> {
    match text {
        "all" => Ok(None),
        name => port(engine, name).map(Some),
    }
}

/// The link pair that a pair's name, or a port of it, means.
///
/// # Errors
/// One line with the pairs that there are.
pub fn pair(engine: &Engine, text: &str) -> Result<String, Failure> {
    let pairs = pairs(engine)?;
    if let Some(found) = pairs.iter().find(|pair| pair.name == text) {
        return Ok(found.name.clone());
    }
    let ports = ports(engine)?;
    let name = port_among(&ports, text)
        .ok()
        .and_then(|at| ports.get(at))
        .map(|port| port.name.as_str());
    let of_port = |pair: &&LinkPairStatus| {
        name.is_some_and(|name| pair.lan.port == name || pair.wan.port == name)
    };
    let found = pairs.iter().find(of_port).map(|pair| pair.name.clone());
    found.ok_or_else(|| {
        let names: Vec<String> = pairs.iter().map(|pair| render::clean(&pair.name)).collect();
        Failure::Error(format!(
            "no link pair {text:?}, and no port of one; there are: {}",
            names.join(", ")
        ))
    })
}

/// The pair with the only bypass card.
fn only_card(engine: &Engine) -> Result<String, Failure> {
    let Payload::Bypass(cards) = engine.ask(&Request::ShowBypass)? else {
        return Err(unexpected());
    };
    let names: Vec<String> = cards
        .into_iter()
        .filter(|card| card.card != "none")
        .map(|card| card.pair)
        .collect();
    match names.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(Failure::Error("no link pair has a bypass card".into())),
        many => Err(Failure::Error(format!(
            "name the pair: {} have a card",
            many.join(", ")
        ))),
    }
}
