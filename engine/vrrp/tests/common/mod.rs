//! Virtual routers in the states that tests begin with.
#![allow(dead_code)] // each test file uses its part

use std::net::IpAddr;
use std::time::Duration;

use twinline_vrrp::{Action, Event, Input, Note, Priority, Reason, Router, Settings, State, Time};
use twinline_wire::vrrp::{Addresses, Advert, Family, Interval, Version, Vrid};

pub const OURS: &str = "10.0.0.5";
pub const LOWER: &str = "10.0.0.1";
pub const GREATER: &str = "10.0.0.9";
const VIP: [u8; 4] = [10, 0, 0, 254];

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub fn us(n: u64) -> Duration {
    Duration::from_micros(n)
}

pub fn at(n: u64) -> Time {
    Time::ZERO + ms(n)
}

pub fn prio(priority: u8) -> Priority {
    match priority {
        255 => Priority::OWNER,
        other => Priority::backup(other).unwrap(),
    }
}

pub fn centis(n: u16) -> Interval {
    Interval::from_centis(n).unwrap()
}

/// A virtual router at 100 ms, of 10.0.0.5, for 10.0.0.254.
pub fn settings(priority: u8) -> Settings {
    Settings {
        priority: prio(priority),
        ..Settings::new(
            Vrid::new(7).unwrap(),
            centis(10),
            ip(OURS),
            vec![VIP.into()],
        )
    }
}

/// Its peer's advert.
pub fn heard(source: &str, priority: u8) -> Advert<'static> {
    Advert {
        source: ip(source),
        destination: Family::V4.group(),
        version: Version::V3,
        vrid: Vrid::new(7).unwrap(),
        priority,
        interval: centis(10),
        addresses: Addresses::new(Family::V4, &VIP),
    }
}

pub fn hear(router: &mut Router, now: Time, source: &str, priority: u8) -> Vec<Action> {
    router.step(now, Input::Advert(heard(source, priority)))
}

/// Started at time zero.
pub fn started(settings: Settings) -> Router {
    let mut router = Router::new(settings).unwrap();
    assert_eq!(router.step(Time::ZERO, Input::Start), []);
    router.step(Time::ZERO, Input::InterfaceUp);
    router
}

/// Active, and when it became so.
pub fn active(settings: Settings) -> (Router, Time) {
    let mut router = started(settings);
    let now = router.next_deadline(Time::ZERO).unwrap();
    let now = if router.state() == State::Active {
        Time::ZERO
    } else {
        now
    };
    router.step(now, Input::Tick);
    assert_eq!(router.state(), State::Active);
    (router, now)
}

/// Ticks at each deadline up to and with `until`; all that it does.
pub fn run(router: &mut Router, from: Time, until: Time) -> Vec<(Time, Action)> {
    let mut out = Vec::new();
    let mut now = from;
    while let Some(next) = router.next_deadline(now).filter(|next| *next <= until) {
        now = next;
        out.extend(
            router
                .step(now, Input::Tick)
                .into_iter()
                .map(|action| (now, action)),
        );
        assert!(router.next_deadline(now).is_none_or(|next| next > now));
    }
    out
}

/// The priorities of the adverts among them.
pub fn sent(actions: &[Action]) -> Vec<u8> {
    let sent = |action: &Action| match action {
        Action::SendAdvert { priority, .. } => Some(*priority),
        _ => None,
    };
    actions.iter().filter_map(sent).collect()
}

pub fn announced(actions: &[Action]) -> Vec<IpAddr> {
    let announced = |action: &Action| match action {
        Action::Announce { address } => Some(*address),
        _ => None,
    };
    actions.iter().filter_map(announced).collect()
}

pub fn notes(actions: &[Action]) -> Vec<Note> {
    let noted = |action: &Action| match action {
        Action::Event(Event::Noted { note, .. }) => Some(*note),
        _ => None,
    };
    actions.iter().filter_map(noted).collect()
}

pub fn changes(actions: &[Action]) -> Vec<(State, State, Reason)> {
    let changed = |action: &Action| match action {
        Action::Event(Event::State { from, to, why }) => Some((*from, *to, *why)),
        _ => None,
    };
    actions.iter().filter_map(changed).collect()
}
