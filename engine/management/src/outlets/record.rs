//! From an event of the node to a line of the outlets: names instead of indices.

use twinline_config::Config;
use twinline_control as control;
use twinline_control::EventRecord;
use twinline_control::render::rfc3339;
use twinline_ha::events::{Alarm, Subject};
use twinline_ha::{Event, Side};

/// Whose events they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The boot id, 16 hexadecimal digits.
    pub boot: String,
    /// The instance's name.
    pub instance: String,
    /// Its id.
    pub id: u16,
    /// The stack's name.
    pub stack: String,
}

/// What an event is about, by name.
#[derive(Debug, Default)]
struct About {
    peer: Option<u16>,
    pair: Option<String>,
    port: Option<String>,
    router: Option<String>,
    alarm: Option<String>,
}

fn about(config: &Config, subject: &Subject) -> About {
    let pair = |index: u16| config.link_pairs.get(usize::from(index));
    let named = |index: u16| pair(index).map(|p| p.name.clone());
    let none = About::default();
    match subject {
        Subject::Health { peer, .. } => About {
            peer: Some(*peer),
            ..none
        },
        Subject::Handover { successor } => About {
            peer: Some(*successor),
            ..none
        },
        Subject::LinkPair { pair, .. } | Subject::Card { pair, .. } => About {
            pair: named(*pair),
            ..none
        },
        Subject::Port { pair: of, side, .. } => About {
            pair: named(*of),
            port: pair(*of).map(|p| match side {
                Side::Lan => p.lan.clone(),
                Side::Wan => p.wan.clone(),
            }),
            ..none
        },
        Subject::VirtualRouter { name, .. } => About {
            router: Some(name.clone()),
            ..none
        },
        Subject::Alarm(alarm) => {
            let of = About {
                alarm: Some(alarm.name().into()),
                ..none
            };
            match alarm {
                Alarm::TwoPrimaries(peer)
                | Alarm::NoPrimary(peer)
                | Alarm::DualActive(peer)
                | Alarm::ConfigurationDiffers(peer)
                | Alarm::OneWay(peer)
                | Alarm::Path { peer, .. } => About {
                    peer: Some(*peer),
                    ..of
                },
                Alarm::RouterElsewhere { name, .. } | Alarm::AdvertChecksum { name, .. } => About {
                    router: Some(name.clone()),
                    ..of
                },
                Alarm::CardPath { pair, .. } | Alarm::Card { pair, .. } => About {
                    pair: named(*pair),
                    ..of
                },
                Alarm::HaPortDown => About {
                    port: config.ha.port.clone(),
                    ..of
                },
                Alarm::TwinInstance
                | Alarm::OtherStack(_)
                | Alarm::BadKey
                | Alarm::NoActive
                | Alarm::Degraded
                | Alarm::Latched
                | Alarm::TooManyPeers
                | Alarm::StateFile(_)
                | Alarm::CommitUnconfirmed { .. }
                | Alarm::Commits(_)
                | Alarm::HeardByAdvertsOnly
                | Alarm::EventOutlet { .. } => of,
            }
        }
        Subject::Role { .. } | Subject::Flap { .. } | Subject::Note(_) => none,
    }
}

/// The line for `event`, which the console shows as `shown`.
#[must_use]
pub fn record(
    identity: &Identity,
    config: &Config,
    event: &Event,
    shown: control::Event,
) -> EventRecord {
    let of = about(config, &event.subject);
    EventRecord {
        schema: EventRecord::SCHEMA,
        seq: event.seq,
        boot: identity.boot.clone(),
        time_unix_ms: event.unix_ms,
        time: rfc3339(event.unix_ms),
        instance: identity.instance.clone(),
        instance_id: identity.id,
        stack: identity.stack.clone(),
        kind: event.subject.kind().name().into(),
        severity: event.severity().name().into(),
        what: shown.what,
        from: shown.from,
        to: shown.to,
        why: shown.why,
        detail: shown.detail,
        peer: of.peer,
        pair: of.pair,
        port: of.port,
        router: of.router,
        alarm: of.alarm,
        lost: None,
    }
}
