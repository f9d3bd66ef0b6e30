//! `/ha/*` on DPDK's telemetry socket, beside `/ethdev/*`.
//!
//! DPDK's thread only reads what the loop has published: it never asks it, and shares no lock with
//! it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use dpdk::telemetry::Value;
use twinline_control::{Event, HaStatus};
use twinline_ha::Time;

/// How often the loop publishes.
const EVERY: Duration = Duration::from_millis(100);
/// Events in an answer, which DPDK bounds to 16 KiB.
const EVENTS: usize = 24;

/// What was published last.
#[derive(Debug)]
struct Published {
    at: Instant,
    ha: HaStatus,
    events: Arc<Vec<Event>>,
}

impl Published {
    fn age_ms(&self) -> Value {
        let age = self.at.elapsed().as_millis();
        Value::Count(u64::try_from(age).unwrap_or(u64::MAX))
    }
}

/// The loop's end: publishes from time to time.
#[derive(Debug)]
pub(crate) struct Feed {
    shared: Arc<ArcSwapOption<Published>>,
    due: Time,
    last_seq: u64,
    events: Arc<Vec<Event>>,
}

impl Feed {
    /// The commands, each registered with `register`, and the loop's end.
    pub(crate) fn new<E>(
        mut register: impl FnMut(&'static str, &'static str, dpdk::telemetry::Source) -> Result<(), E>,
    ) -> Result<Self, E> {
        let shared: Arc<ArcSwapOption<Published>> = Arc::default();
        let mut command = |name, help, show: fn(&Published, &str) -> Option<Value>| {
            let shared = shared.clone();
            let source = move |parameters: &str| {
                let published = shared.load_full()?;
                show(&published, parameters)
            };
            register(name, help, Box::new(source))
        };
        command(
            "/ha/state",
            "Role, reason, fitness, flaps and alarms of this instance. Takes no parameters.",
            |published, _| Some(state(published)),
        )?;
        command(
            "/ha/peers",
            "The ids of the peers, or one peer in full. Parameters: none, or int peer_id",
            peers,
        )?;
        command(
            "/ha/events",
            "What happened last, by its number. Takes no parameters.",
            |published, _| {
                let all = published.events.iter();
                let all = all.filter_map(|event| Some((event.seq.to_string(), value(event)?)));
                Some(Value::Dict(all.collect()))
            },
        )?;
        Ok(Self {
            shared,
            due: Time::ZERO,
            last_seq: 0,
            events: Arc::default(),
        })
    }

    /// Whether it is time to publish again.
    pub(crate) fn is_due(&mut self, now: Time) -> bool {
        let due = now >= self.due;
        if due {
            self.due = now + EVERY;
        }
        due
    }

    /// Publishes; `events` gives the last so many, and is asked only where there is a new one.
    pub(crate) fn publish(
        &mut self,
        ha: HaStatus,
        last_seq: u64,
        events: impl FnOnce(usize) -> Vec<Event>,
    ) {
        if last_seq != self.last_seq {
            self.last_seq = last_seq;
            self.events = Arc::new(events(EVENTS));
        }
        self.shared.store(Some(Arc::new(Published {
            at: Instant::now(),
            ha,
            events: self.events.clone(),
        })));
    }
}

fn state(published: &Published) -> Value {
    let mut all = match value(&published.ha) {
        Some(Value::Dict(all)) => all,
        _ => Vec::new(),
    };
    // The peers have a command of their own; of the alarms the names do.
    all.retain(|(name, _)| name != "peers" && name != "alarms");
    let alarms = published.ha.alarms.iter();
    let alarms = alarms.map(|alarm| alarm.name.clone());
    all.push(("alarms".into(), Value::Texts(alarms.collect())));
    all.push(("age_ms".into(), published.age_ms()));
    Value::Dict(all)
}

/// As `/ethdev/list` and `/ethdev/stats,N` do it: the ids, or one of them.
fn peers(published: &Published, parameters: &str) -> Option<Value> {
    let peers = &published.ha.peers;
    if parameters.is_empty() {
        let ids = peers.iter().map(|peer| peer.id.to_string());
        return Some(Value::Texts(ids.collect()));
    }
    let id: u16 = parameters.parse().ok()?;
    let mut found = value(peers.iter().find(|peer| peer.id == id)?)?;
    if let Value::Dict(all) = &mut found {
        all.push(("age_ms".into(), published.age_ms()));
    }
    Some(found)
}

/// What is shown, as telemetry can say it.
fn value(shown: &impl serde::Serialize) -> Option<Value> {
    from_json(serde_json::to_value(shown).ok()?)
}

fn from_json(json: serde_json::Value) -> Option<Value> {
    use serde_json::Value as Json;
    Some(match json {
        Json::Null => return None,
        Json::Bool(yes) => Value::Count(u64::from(yes)),
        Json::Number(number) => match number.as_u64() {
            Some(count) => Value::Count(count),
            None => Value::Text(number.to_string()),
        },
        Json::String(text) => Value::Text(text),
        Json::Array(all) if all.iter().all(Json::is_string) => {
            let texts = all.into_iter().filter_map(|text| match text {
                Json::String(text) => Some(text),
                _ => None,
            });
            Value::Texts(texts.collect())
        }
        Json::Array(all) => {
            let all = all.into_iter().enumerate();
            let all = all.filter_map(|(at, of)| Some((at.to_string(), from_json(of)?)));
            Value::Dict(all.collect())
        }
        Json::Object(all) => {
            let all = all.into_iter();
            let all = all.filter_map(|(name, of)| Some((name, from_json(of)?)));
            Value::Dict(all.collect())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use twinline_control::{Alarm, PeerStatus};

    #[test]
    fn commands_show_what_was_published_last() {
        let mut sources = BTreeMap::new();
        let mut feed = Feed::new(|name, _, source| {
            sources.insert(name, source);
            Ok::<(), ()>(())
        })
        .unwrap();
        assert_eq!(sources["/ha/state"](""), None, "nothing yet");
        assert!(feed.is_due(Time::ZERO) && !feed.is_due(Time::ZERO));
        let ha = HaStatus {
            role: "ACTIVE".into(),
            flaps: 3,
            fit: true,
            peers: vec![PeerStatus {
                id: 2,
                health: "HEALTHY".into(),
                ..PeerStatus::default()
            }],
            alarms: vec![Alarm {
                name: "no_primary".into(),
                ..Alarm::default()
            }],
            ..HaStatus::default()
        };
        let event = |seq| Event {
            seq,
            what: "role".into(),
            ..Event::default()
        };
        feed.publish(ha.clone(), 7, |most| {
            assert_eq!(most, EVENTS);
            vec![event(7)]
        });
        let of = |value: &Value, name: &str| match value {
            Value::Dict(all) => all.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()),
            _ => None,
        };
        let text = |text: &str| Value::Text(text.into());
        let state = sources["/ha/state"]("").unwrap();
        assert_eq!(of(&state, "role"), Some(text("ACTIVE")));
        assert_eq!(of(&state, "flaps"), Some(Value::Count(3)));
        assert_eq!(of(&state, "fit"), Some(Value::Count(1)));
        assert_eq!(of(&state, "peers"), None);
        assert_eq!(
            of(&state, "alarms"),
            Some(Value::Texts(vec!["no_primary".into()]))
        );
        assert!(matches!(of(&state, "age_ms"), Some(Value::Count(_))));
        let ids = sources["/ha/peers"]("").unwrap();
        assert_eq!(ids, Value::Texts(vec!["2".into()]));
        let peer = sources["/ha/peers"]("2").unwrap();
        assert_eq!(of(&peer, "health"), Some(text("HEALTHY")));
        assert_eq!(sources["/ha/peers"]("3"), None);
        assert_eq!(sources["/ha/peers"]("x"), None);
        // the same events are not made again
        feed.publish(ha, 7, |_| panic!("asked again"));
        let events = sources["/ha/events"]("").unwrap();
        let event = of(&events, "7").unwrap();
        assert_eq!(of(&event, "what"), Some(text("role")));
    }
}
