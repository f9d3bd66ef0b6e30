//! An oracle for rules 1, 2 and 5, written from `ha-semantics.md`: which messages must be refused,
//! how many good heartbeats a peer showed in sequence, and for how long it was silent.

use std::collections::BTreeMap;
use std::time::Duration;

use twinline_ha::message::{Body, MAX_PEERS, Message};
use twinline_ha::{Flags, Settings, Time};

use crate::script::{OWN_BOOT, OWN_INSTANCE};

/// What rule 5 says of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// To be taken.
    Taken,
    /// A sequence number of the past: to be refused, and to change nothing at all.
    Replayed,
    /// A boot id of the past: to be refused, and to change nothing but what we echo, which is how
    /// a session that is alive may prove it.
    Refused,
    /// Another boot id: a larger one is taken unless a session is alive, one that echoes us lately
    /// in any case; a smaller one only with an echo. It has to be judged alone, with
    /// [`Sessions::settle`].
    Open,
    /// It had to wait, was counted as refused, and was taken in the same step when a slot ended.
    Waited,
    /// Not of a peer, or of one peer too many.
    Ignored,
}

/// What the oracle knows of one peer.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// Its boot id; 0 = none.
    pub boot: u64,
    seq: u64,
    highest: u64,
    good: u64,
    /// The most good heartbeats in sequence at any time in this step.
    pub best_good: u64,
    /// When its last heartbeat was taken.
    pub heard_at: Option<Time>,
    advertised: Duration,
    /// The shortest slot since then: the larger of our interval and the one it advertised.
    pub shortest_slot: Duration,
    /// When the session before this one was heard last, and its shortest slot, where this one took its
    /// place at the end of this step: what is told of the step is told of that one.
    pub before: Option<(Time, Duration)>,
    /// Nothing happened since then that makes the slots hard to count.
    pub steady: bool,
}

/// Every peer.
#[derive(Clone, Debug, Default)]
pub struct Sessions {
    known: BTreeMap<u16, Session>,
    saved: BTreeMap<u16, u64>,
    waiting: BTreeMap<u16, Message>,
}

impl Sessions {
    /// Before the first message; with the boot ids of the state file.
    #[must_use]
    pub fn new(saved: BTreeMap<u16, u64>) -> Self {
        Self {
            known: BTreeMap::new(),
            saved,
            waiting: BTreeMap::new(),
        }
    }

    /// Every peer that was accepted.
    pub fn iter(&self) -> impl Iterator<Item = (u16, &Session)> {
        self.known.iter().map(|(&id, session)| (id, session))
    }

    /// One peer.
    #[must_use]
    pub fn get(&self, instance: u16) -> Option<&Session> {
        self.known.get(&instance)
    }

    /// A step begins.
    pub fn begin(&mut self) {
        for session in self.known.values_mut() {
            session.best_good = session.good;
            session.before = None;
        }
    }

    /// Judges a message, and takes it when it is to be taken.
    pub fn judge(&mut self, message: &Message, now: Time, settings: &Settings) -> Verdict {
        if message.instance == OWN_INSTANCE {
            return Verdict::Ignored;
        }
        let session = self.known.get(&message.instance);
        if session.is_none() && self.known.len() >= MAX_PEERS {
            return Verdict::Ignored;
        }
        let fresh;
        let session = match session {
            Some(session) => session,
            None => {
                fresh = Session {
                    highest: self.saved.get(&message.instance).copied().unwrap_or(0),
                    ..Session::default()
                };
                &fresh
            }
        };
        let same = session.boot != 0 && message.boot == session.boot;
        let larger = message.boot > session.highest;
        let taken = if same {
            message.seq > session.seq
        } else {
            larger && session.boot == 0
        };
        if taken {
            self.take(message, now, settings);
            return Verdict::Taken;
        }
        let echoes_us = matches!(&message.body, Body::Heartbeat(h) if h.echoes.iter().any(|e| {
            e.instance == OWN_INSTANCE && e.boot == OWN_BOOT
        }));
        if same {
            Verdict::Replayed
        } else if message.boot == 0 || !(larger || echoes_us) {
            Verdict::Refused
        } else {
            Verdict::Open
        }
    }

    /// A message that was judged [`Verdict::Open`] was taken by the node.
    pub fn settle(&mut self, message: &Message, now: Time, settings: &Settings) {
        self.take(message, now, settings);
    }

    /// A heartbeat that was judged [`Verdict::Open`] was refused: a larger boot id waits for the slot
    /// in which the session before it is silent.
    pub fn wait(&mut self, message: &Message) {
        let larger = self
            .known
            .get(&message.instance)
            .is_some_and(|session| message.boot > session.highest);
        if larger && matches!(message.body, Body::Heartbeat(_)) {
            self.waiting.insert(message.instance, message.clone());
        }
    }

    /// A step was made: what had waited may have been taken, as `boot_of` a peer says.
    pub fn settle_waiting(
        &mut self,
        now: Time,
        settings: &Settings,
        boot_of: impl Fn(u16) -> Option<u64>,
    ) {
        let over = |(&id, m): (&u16, &Message)| (boot_of(id) == Some(m.boot)).then_some(id);
        let over: Vec<u16> = self.waiting.iter().filter_map(over).collect();
        for id in over {
            let Some(message) = self.waiting.remove(&id) else {
                continue;
            };
            let fresh = self.known.get(&id).is_some_and(|s| s.boot != message.boot);
            if fresh {
                let of = |s: &Session| Some((s.heard_at?, s.shortest_slot));
                let before = self.known.get(&id).and_then(of);
                self.take(&message, now, settings);
                if let Some(session) = self.known.get_mut(&id) {
                    session.before = before;
                }
            }
        }
    }

    /// A reload.
    pub fn reload(&mut self, settings: &Settings) {
        for session in self.known.values_mut() {
            let slot = session.advertised.max(settings.interval);
            session.shortest_slot = session.shortest_slot.min(slot);
            session.steady = false;
        }
    }

    /// Our own loop was late.
    pub fn late(&mut self) {
        for session in self.known.values_mut() {
            session.steady = false;
        }
    }

    fn take(&mut self, message: &Message, now: Time, settings: &Settings) {
        let saved = self.saved.get(&message.instance).copied().unwrap_or(0);
        let session = self
            .known
            .entry(message.instance)
            .or_insert_with(|| Session {
                highest: saved,
                ..Session::default()
            });
        if message.boot == session.boot {
            if message.seq - session.seq > 1 {
                session.good = 0;
            }
        } else {
            session.boot = message.boot;
            session.good = 0;
        }
        session.highest = session.highest.max(message.boot);
        session.seq = message.seq;
        let Body::Heartbeat(heartbeat) = &message.body else {
            return;
        };
        session.good += 1;
        session.best_good = session.best_good.max(session.good);
        if heartbeat.flags.has(Flags::STOPPING) {
            session.good = 0;
        }
        session.heard_at = Some(now);
        session.advertised = heartbeat.interval;
        session.shortest_slot = heartbeat.interval.max(settings.interval);
        session.steady = true;
    }
}
