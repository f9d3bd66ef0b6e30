//! Waiting for a role that was told to move.

use std::time::{Duration, Instant};

use anyhow::Context;
use twinline_control::{HaStatus, Payload, Request, render};

use super::engine::{Engine, Failure};
use super::grammar::Verb;
use crate::output;

/// How long a switch-over or suspension may take before we stop waiting for it.
const SETTLE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(10);

/// Sends `request`, and waits until the role has moved; says how it ended.
///
/// # Errors
/// A refusal, or a role that did not move.
pub fn change(engine: &Engine, verb: Verb, request: &Request, json: bool) -> Result<(), Failure> {
    let before = engine.ha()?;
    let begun = engine.ask(request)?;
    if let (false, Payload::Done { message }) = (json, &begun) {
        output::line(&render::clean(message))?;
    }
    let deadline = Instant::now() + SETTLE;
    loop {
        let now = match engine.ha() {
            Err(Failure::Error(error)) => {
                let error = Err(anyhow::anyhow!(error)).context("while waiting for the hand-over");
                return error.map_err(Failure::from);
            }
            other => other?,
        };
        if has_moved(verb, &before, &now) {
            let text = if json {
                let data = Payload::Ha(Box::new(now)).data_json();
                data.map_err(|error| Failure::Error(error.to_string()))?
            } else {
                render::clean(&format!(
                    "{}: {} -> {} ({})",
                    now.name, before.role, now.role, now.role_reason
                ))
            };
            return Ok(output::line(&text)?);
        }
        if Instant::now() >= deadline {
            return Err(Failure::Error(render::clean(&format!(
                "the role did not move: still {} ({}); `show events` has the reason",
                now.role, now.role_reason
            ))));
        }
        std::thread::sleep(LOOK);
    }
}

fn has_moved(verb: Verb, before: &HaStatus, now: &HaStatus) -> bool {
    match verb {
        Verb::Suspend => now.role == "SUSPENDED",
        _ => now.role != before.role && now.wanted.is_none(),
    }
}
