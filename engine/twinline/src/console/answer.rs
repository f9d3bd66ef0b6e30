//! From the engine's answer to what is printed: the part that was asked for.

use serde::Serialize;
use twinline_control::{PathStatus, Payload, PeerStatus, render};

use super::engine::{Engine, Failure};
use super::grammar::{Parsed, Verb};
use super::request;

/// An answer as text and as JSON.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// Lines for people.
    pub text: String,
    /// One document.
    pub json: String,
}

/// A path, and whose it is.
#[derive(Serialize)]
struct PathOf<'a> {
    peer: u16,
    #[serde(flatten)]
    path: &'a PathStatus,
}

impl Answer {
    /// The answer to a command.
    ///
    /// # Errors
    /// One line: a port, pair or peer that is not there.
    pub fn of(parsed: &Parsed, payload: &Payload, engine: &Engine) -> Result<Answer, Failure> {
        match (parsed.command.verb, payload) {
            (Verb::ShowPeers, Payload::Ha(status)) => {
                let peers = some_peers(&status.peers, parsed.value(0))?;
                Answer::new(render::peers(&peers), &peers)
            }
            (Verb::ShowPaths, Payload::Ha(status)) => {
                let paths: Vec<PathOf> = status
                    .peers
                    .iter()
                    .flat_map(|peer| {
                        peer.paths.iter().map(|path| PathOf {
                            peer: peer.id,
                            path,
                        })
                    })
                    .collect();
                Answer::new(render::paths(&status.peers), &paths)
            }
            (Verb::ShowPort, Payload::Ports(ports)) => {
                let ports = match parsed.value(1) {
                    "all" => ports.as_slice(),
                    name => {
                        let at = request::port_among(ports, name)?;
                        ports.get(at..=at).unwrap_or_default()
                    }
                };
                let text = match parsed.value(0) {
                    "info" => render::port_info(ports),
                    "stats" => render::port_stats(ports),
                    _ => render::port_links(ports),
                };
                Answer::new(text, &ports)
            }
            (Verb::ShowFwdStats, Payload::LinkPairs(pairs)) => {
                Answer::new(render::forward_stats(pairs), pairs)
            }
            (Verb::ShowBypass, Payload::Bypass(cards)) if !parsed.value(0).is_empty() => {
                let name = request::pair(engine, parsed.value(0))?;
                let cards: Vec<_> = cards.iter().filter(|c| c.pair == name).cloned().collect();
                Answer::new(render::bypass(&cards), &cards)
            }
            _ => Ok(Answer {
                text: render::payload(payload),
                json: payload
                    .data_json()
                    .map_err(|e| Failure::Error(e.to_string()))?,
            }),
        }
    }

    fn new(text: String, data: &impl Serialize) -> Result<Answer, Failure> {
        let json = serde_json::to_string_pretty(data);
        let json = json.map_err(|error| Failure::Error(error.to_string()))?;
        Ok(Answer { text, json })
    }
}

fn some_peers(peers: &[PeerStatus], id: &str) -> Result<Vec<PeerStatus>, Failure> {
    if id.is_empty() {
        return Ok(peers.to_vec());
    }
    let some: Vec<PeerStatus> = peers
        .iter()
        .filter(|p| p.id.to_string() == id)
        .cloned()
        .collect();
    if some.is_empty() {
        let known: Vec<String> = peers.iter().map(|peer| peer.id.to_string()).collect();
        return Err(Failure::Error(format!(
            "no peer {id}; heard were: {}",
            known.join(", ")
        )));
    }
    Ok(some)
}
