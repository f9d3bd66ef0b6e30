//! `twinline ctl`: a thin client of the control socket.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use twinline_config::Config;
use twinline_control::{Client, HaStatus, Payload, Reply, Request, render};

use crate::output;

/// How long a switch-over or suspension may take before we stop waiting for it.
const SETTLE: Duration = Duration::from_secs(10);

#[derive(Args)]
pub struct Ctl {
    /// The engine's control socket.
    #[arg(long, value_name = "PATH", conflicts_with = "config", global = true)]
    socket: Option<PathBuf>,
    /// Take the socket from this configuration.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    noun: Noun,
}

#[derive(Subcommand)]
enum Noun {
    /// Look at something.
    #[command(subcommand)]
    Show(Show),
    /// Change the instance's part in its stack.
    #[command(subcommand)]
    Ha(Ha),
    /// Set something now, until it is set otherwise.
    #[command(subcommand)]
    Set(Set),
}

#[derive(Subcommand)]
enum Show {
    /// Role, peers, alarms, and why.
    Ha,
    /// Ports, their links and counters.
    Ports,
    /// Link pairs: both legs, the gate, traffic and drops.
    LinkPairs,
    /// Bypass cards: where they are, where they were told to be, their watchdogs.
    Bypass,
    /// What happened, oldest first.
    Events {
        /// Only the newest N.
        #[arg(long, value_name = "N")]
        last: Option<u32>,
    },
    /// Where events go beside the ring, and what was lost there.
    Outlets,
    /// Virtual routers: their states, whom they hear, what they counted.
    VirtualRouters,
    /// Interfaces of layer 3: links, addresses, exception devices, the slow path's counters.
    Interfaces,
    /// Neighbours on all interfaces.
    Neighbours,
    /// Connected and static routes.
    Routes,
    /// The configuration in force.
    Config,
}

#[derive(Subcommand)]
enum Ha {
    /// Move the role to the other instance, in an orderly way.
    Switchover,
    /// Leave the election; hands over first.
    Suspend {
        /// Even if nobody can take over: the traffic stops.
        #[arg(long)]
        force: bool,
    },
    /// Stand for election again.
    Resume,
    /// Clear the latch, the flap count and the hold of a switch-over.
    Clear,
}

#[derive(Subcommand)]
enum Set {
    /// A pair's bypass card: its path, the path that an event leads to, or its watchdog.
    ///
    /// `set bypass PAIR inline|bypass|disconnect|tap`,
    /// `set bypass event PAIR power_on|power_off|timeout|os_on|os_off PATH`,
    /// `set bypass watchdog PAIR SECONDS|off`.
    Bypass {
        /// PAIR PATH, or: event PAIR EVENT PATH, or: watchdog PAIR SECONDS|off
        #[arg(num_args = 2..=4, required = true, value_name = "WORD")]
        words: Vec<String>,
        /// Even where it makes a loop beside a peer, or stops the traffic.
        #[arg(long)]
        force: bool,
    },
}

/// What `set bypass` was followed by.
fn set_bypass(words: &[String], force: bool) -> anyhow::Result<Request> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Ok(match *words.as_slice() {
        ["event", pair, event, path] => Request::SetBypassEvent {
            pair: pair.into(),
            event: event.into(),
            path: path.into(),
        },
        ["watchdog", pair, period] => Request::SetBypassWatchdog {
            pair: pair.into(),
            period_ms: period_ms(period)?,
        },
        [pair, path] => Request::SetBypass {
            pair: pair.into(),
            path: path.into(),
            force,
        },
        _ => bail!(
            "not understood: set bypass {}; accepted: set bypass PAIR inline|bypass|disconnect|tap, \
             set bypass event PAIR EVENT PATH, set bypass watchdog PAIR SECONDS|off",
            words.join(" ")
        ),
    })
}

/// Seconds, as an operator writes them, in milliseconds; 0 is off.
fn period_ms(text: &str) -> anyhow::Result<u64> {
    if text == "off" {
        return Ok(0);
    }
    match text.parse::<f64>() {
        // The longest ladder of a card ends at 3276.8 s.
        Ok(seconds) if (0.0..=3276.8).contains(&seconds) => Ok((seconds * 1000.0).ceil() as u64),
        _ => bail!("a watchdog of {text:?}: accepted are seconds, 0.1 to 3276.8, or off"),
    }
}

impl Noun {
    fn request(&self) -> anyhow::Result<Request> {
        Ok(match self {
            Self::Show(Show::Bypass) => Request::ShowBypass,
            Self::Set(Set::Bypass { words, force }) => set_bypass(words, *force)?,
            Self::Show(Show::Ha) => Request::ShowHa,
            Self::Show(Show::Ports) => Request::ShowPorts,
            Self::Show(Show::LinkPairs) => Request::ShowLinkPairs,
            Self::Show(Show::Events { last }) => Request::ShowEvents {
                last: *last,
                after: None,
            },
            Self::Show(Show::Outlets) => Request::ShowOutlets,
            Self::Show(Show::VirtualRouters) => Request::ShowVirtualRouters,
            Self::Show(Show::Interfaces) => Request::ShowInterfaces,
            Self::Show(Show::Neighbours) => Request::ShowNeighbours,
            Self::Show(Show::Routes) => Request::ShowRoutes,
            Self::Show(Show::Config) => Request::ShowConfig,
            Self::Ha(Ha::Switchover) => Request::HaSwitchover {},
            Self::Ha(Ha::Suspend { force }) => Request::HaSuspend { force: *force },
            Self::Ha(Ha::Resume) => Request::HaResume,
            Self::Ha(Ha::Clear) => Request::HaClear,
        })
    }
}

/// Sends one request and prints its answer.
pub fn ctl(ctl: &Ctl) -> anyhow::Result<ExitCode> {
    let request = ctl.noun.request()?;
    let socket = socket(ctl)?;
    let before = match &ctl.noun {
        Noun::Ha(Ha::Switchover | Ha::Suspend { .. }) => Some(status(&socket)?),
        _ => None,
    };
    let reply = Client::connect(&socket)?.call(&request)?;
    let payload = match reply {
        Reply::Ok(payload) => payload,
        Reply::Refused { reason } => {
            if ctl.json {
                output::line(&json_line("refused", &reason))?;
            }
            output::complain(&format!("twinline: refused: {reason}"));
            return Ok(ExitCode::from(2));
        }
        Reply::Error { message } => bail!(message),
    };
    match (ctl.json, before) {
        (true, None) => output::line(&payload.data_json()?)?,
        (false, None) => {
            output::print(&render::payload(&payload).to_string())?;
            if matches!(payload, Payload::Events(_)) {
                outlets(&socket)?;
            }
        }
        (json, Some(before)) => return settle(&socket, &before, &payload, json, &ctl.noun),
    }
    Ok(ExitCode::SUCCESS)
}

/// Below the events: where they go, when they go anywhere.
fn outlets(socket: &PathBuf) -> anyhow::Result<()> {
    match Client::connect(socket)?.call(&Request::ShowOutlets)? {
        Reply::Ok(Payload::Outlets(list)) if !list.is_empty() => {
            output::print(&format!("\n{}", render::outlets(&list)))?;
        }
        // An older engine has none.
        _ => {}
    }
    Ok(())
}

/// An object of one text, as JSON writes it (which is not how Rust does: `\'` is no JSON).
fn json_line(key: &str, text: &str) -> String {
    let mut line = format!("{{\"{key}\":\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => line.extend(['\\', c]),
            c if c.is_control() => line.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => line.push(c),
        }
    }
    line.push_str("\"}");
    line
}

fn socket(ctl: &Ctl) -> anyhow::Result<PathBuf> {
    if let Some(socket) = &ctl.socket {
        return Ok(socket.clone());
    }
    if let Some(path) = &ctl.config {
        let loaded = Config::load(path).map_err(|errors| anyhow::anyhow!("{errors}"))?;
        return Ok(loaded.config.instance.control_socket);
    }
    only_socket()
}

/// The one socket in the default folder; several are a question for the operator.
fn only_socket() -> anyhow::Result<PathBuf> {
    const FOLDER: &str = "/run/twinline";
    let mut sockets: Vec<PathBuf> = std::fs::read_dir(FOLDER)
        .map(|entries| {
            let paths = entries.filter_map(|e| e.ok().map(|e| e.path()));
            paths
                .filter(|p| p.extension().is_some_and(|e| e == "sock"))
                .collect()
        })
        .unwrap_or_default();
    sockets.sort();
    match sockets.as_slice() {
        [socket] => Ok(socket.clone()),
        [] => bail!(
            "no control socket in {FOLDER}: is an engine running? Name its socket with --socket \
             PATH, or its configuration with --config FILE"
        ),
        many => {
            let names: Vec<String> = many.iter().map(|p| p.display().to_string()).collect();
            bail!(
                "several engines run: choose one with --socket: {}",
                names.join(", ")
            )
        }
    }
}

fn status(socket: &PathBuf) -> anyhow::Result<HaStatus> {
    match Client::connect(socket)?.call(&Request::ShowHa)? {
        Reply::Ok(Payload::Ha(status)) => Ok(*status),
        other => bail!("the engine answered something else than its state: {other:?}"),
    }
}

/// Waits until the role has moved, and says how it ended.
fn settle(
    socket: &PathBuf,
    before: &HaStatus,
    begun: &Payload,
    json: bool,
    noun: &Noun,
) -> anyhow::Result<ExitCode> {
    if let (false, Payload::Done { message }) = (json, begun) {
        output::line(message)?;
    }
    let deadline = Instant::now() + SETTLE;
    loop {
        let now = status(socket).context("while waiting for the hand-over")?;
        let moved = match noun {
            Noun::Ha(Ha::Suspend { .. }) => now.role == "SUSPENDED",
            _ => now.role != before.role && now.wanted.is_none(),
        };
        if moved {
            if json {
                output::line(&Payload::Ha(Box::new(now)).data_json()?)?;
            } else {
                output::line(&format!(
                    "{}: {} -> {} ({})",
                    now.name, before.role, now.role, now.role_reason
                ))?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        if Instant::now() >= deadline {
            bail!(
                "the role did not move: still {} ({}); `twinline ctl show events` has the reason",
                now.role,
                now.role_reason
            );
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_bypass_takes_three_forms() {
        let parse = |text: &str| {
            let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
            set_bypass(&words, false)
        };
        let watchdog = |pair: &str, period_ms| Request::SetBypassWatchdog {
            pair: pair.into(),
            period_ms,
        };
        assert_eq!(parse("watchdog wire0 off").unwrap(), watchdog("wire0", 0));
        assert_eq!(parse("watchdog w 1.5").unwrap(), watchdog("w", 1500));
        let path = Request::SetBypass {
            pair: "event".into(),
            path: "tap".into(),
            force: false,
        };
        assert_eq!(parse("event tap").unwrap(), path, "a pair of that name");
        let event = Request::SetBypassEvent {
            pair: "wire0".into(),
            event: "timeout".into(),
            path: "bypass".into(),
        };
        assert_eq!(parse("event wire0 timeout bypass").unwrap(), event);
        for wrong in [
            "a b c",
            "event a b",
            "watchdog w -1",
            "watchdog w 1e9",
            "watchdog w NaN",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_refusal_is_json_whatever_it_says() {
        assert_eq!(
            json_line("refused", "instance 2's \"key\" \\ é\n"),
            r#"{"refused":"instance 2's \"key\" \\ é\u000a"}"#
        );
    }
}
