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
}

#[derive(Subcommand)]
enum Show {
    /// Role, peers, alarms, and why.
    Ha,
    /// Ports, their links and counters.
    Ports,
    /// Link pairs: both legs, the gate, traffic and drops.
    LinkPairs,
    /// What happened, oldest first.
    Events {
        /// Only the newest N.
        #[arg(long, value_name = "N")]
        last: Option<u32>,
    },
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

impl Noun {
    fn request(&self) -> Request {
        match self {
            Self::Show(Show::Ha) => Request::ShowHa,
            Self::Show(Show::Ports) => Request::ShowPorts,
            Self::Show(Show::LinkPairs) => Request::ShowLinkPairs,
            Self::Show(Show::Events { last }) => Request::ShowEvents { last: *last },
            Self::Show(Show::Config) => Request::ShowConfig,
            Self::Ha(Ha::Switchover) => Request::HaSwitchover {},
            Self::Ha(Ha::Suspend { force }) => Request::HaSuspend { force: *force },
            Self::Ha(Ha::Resume) => Request::HaResume,
            Self::Ha(Ha::Clear) => Request::HaClear,
        }
    }
}

/// Sends one request and prints its answer.
pub fn ctl(ctl: &Ctl) -> anyhow::Result<ExitCode> {
    let socket = socket(ctl)?;
    let before = match &ctl.noun {
        Noun::Ha(Ha::Switchover | Ha::Suspend { .. }) => Some(status(&socket)?),
        _ => None,
    };
    let reply = Client::connect(&socket)?.call(&ctl.noun.request())?;
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
        (false, None) => output::print(&render::payload(&payload).to_string())?,
        (json, Some(before)) => return settle(&socket, &before, &payload, json, &ctl.noun),
    }
    Ok(ExitCode::SUCCESS)
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
    fn a_refusal_is_json_whatever_it_says() {
        assert_eq!(
            json_line("refused", "instance 2's \"key\" \\ é\n"),
            r#"{"refused":"instance 2's \"key\" \\ é\u000a"}"#
        );
    }
}
