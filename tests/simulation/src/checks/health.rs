//! Check (c): the health of each peer, slot by slot, from rules 1 to 3 and 5 as they are written.
//!
//! This is a second implementation on purpose: it reads the rules, not `engine/ha/src/peer.rs`.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use twinline_ha::message::{Body, Echo};
use twinline_ha::{Flags, Health, Heartbeat, Message, Node, Settings, Time};

/// What the rules say of one peer.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Its session.
    boot: u64,
    /// Sessions that are over.
    past: Vec<u64>,
    /// The last sequence number of the session.
    seq: u64,
    /// Its health.
    pub health: Health,
    /// Heartbeats without a gap, of this session.
    in_sequence: u64,
    /// Slots without a heartbeat.
    silent_slots: u64,
    /// Where the slot that runs began.
    slot: Time,
    /// A late turn was forgiven since the last heartbeat.
    forgiven: bool,
    /// Gone: silent for the failure threshold, or it said goodbye.
    gone: bool,
    /// Heartbeats taken.
    heartbeats: u64,
    /// The last one.
    pub last: Option<Heartbeat>,
}

impl Judged {
    fn new(now: Time) -> Self {
        Self {
            boot: 0,
            past: Vec::new(),
            seq: 0,
            health: Health::Unknown,
            in_sequence: 0,
            silent_slots: 0,
            slot: now,
            forgiven: false,
            gone: false,
            heartbeats: 0,
            last: None,
        }
    }

    /// Rule 1: the larger of our interval and the one that it advertises.
    fn interval(&self, own: Duration) -> Duration {
        self.last.as_ref().map_or(own, |h| h.interval.max(own))
    }

    /// Heard, and neither silent for long nor gone.
    #[must_use]
    pub fn there(&self) -> bool {
        self.last.is_some() && !self.gone
    }

    fn hear(&mut self, now: Time, heartbeat: &Heartbeat, recovery: u8) {
        self.heartbeats += 1;
        self.in_sequence += 1;
        self.silent_slots = 0;
        self.slot = now;
        self.forgiven = false;
        self.gone = heartbeat.flags.has(Flags::STOPPING);
        self.last = Some(heartbeat.clone());
        if self.gone {
            self.in_sequence = 0;
            self.health = Health::Unhealthy;
        } else if self.in_sequence >= u64::from(recovery) {
            self.health = Health::Healthy;
        }
    }

    fn judge(&mut self, now: Time, late: bool, settings: &Settings) {
        if self.last.is_none() {
            return;
        }
        let interval = self.interval(settings.interval);
        let mut slots = 0;
        if late {
            // Rule 3: the slot that runs starts again. Of several late turns without a heartbeat
            // each after the first that a whole slot lies before is one slot of silence.
            if self.forgiven && now.since(self.slot) >= interval {
                slots += 1;
            }
            self.forgiven = true;
            self.slot = self.slot.max(now);
        }
        while now.since(self.slot) >= interval {
            self.slot = self.slot + interval;
            slots += 1;
        }
        self.silent_slots += slots;
        if slots > 0 && self.silent_slots >= u64::from(settings.failure_threshold) {
            self.health = Health::Unhealthy;
            self.in_sequence = 0;
            self.gone = true;
        }
    }
}

/// The oracle of one process.
#[derive(Clone, Debug)]
pub struct Oracle {
    instance: u16,
    boot: u64,
    /// The largest boot id ever taken from each instance.
    largest: BTreeMap<u16, u64>,
    peers: BTreeMap<u16, Judged>,
    /// When we sent what, for the echoes.
    sent: VecDeque<(u64, Time)>,
    /// The step that is due, as the node promised.
    promised: Option<Time>,
    /// The last step was late by more than half an interval (rule 3).
    late: bool,
}

enum Session {
    Goes,
    New,
    Refused,
    /// The rule leaves it open whether this echo still counts as recent.
    Open,
}

impl Oracle {
    /// Of a process that starts now.
    #[must_use]
    pub fn new(instance: u16, boot: u64, largest: BTreeMap<u16, u64>) -> Self {
        Self {
            instance,
            boot,
            largest,
            peers: BTreeMap::new(),
            sent: VecDeque::new(),
            promised: None,
            late: false,
        }
    }

    /// The last step was late by more than half an interval (rule 3).
    #[must_use]
    pub fn late(&self) -> bool {
        self.late
    }

    /// A peer, as the rules see it.
    #[must_use]
    pub fn peer(&self, instance: u16) -> Option<&Judged> {
        self.peers.get(&instance)
    }

    /// The node sent this.
    pub fn sent(&mut self, seq: u64, now: Time) {
        self.sent.push_back((seq, now));
        if self.sent.len() > 4096 {
            self.sent.pop_front();
        }
    }

    fn recent(&self, echoes: &[Echo], now: Time, settings: &Settings) -> Session {
        let window = settings.failure_window().max(settings.interval * 3);
        let ours = echoes
            .iter()
            .find(|e| e.instance == self.instance && e.boot == self.boot);
        let Some(echo) = ours else {
            return Session::Refused;
        };
        let sent = self.sent.iter().find(|&&(seq, _)| seq == echo.seq);
        if sent.is_some_and(|&(_, at)| now.since(at) < window) {
            Session::New
        } else {
            Session::Open
        }
    }

    fn session(&self, message: &Message, now: Time, settings: &Settings) -> Session {
        let peer = self.peers.get(&message.instance);
        if let Some(peer) = peer.filter(|p| p.boot == message.boot && p.boot != 0) {
            return if message.seq > peer.seq {
                Session::Goes
            } else {
                Session::Refused
            };
        }
        let largest = self.largest.get(&message.instance).copied().unwrap_or(0);
        if message.boot > largest {
            return Session::New;
        }
        // A session is over when it missed a slot and a newer one shows that it hears us.
        let alive = |p: &Judged| p.there() && p.silent_slots == 0;
        let closed = peer.is_some_and(|p| alive(p) || p.past.contains(&message.boot));
        if message.boot == 0 || closed {
            return Session::Refused;
        }
        match &message.body {
            Body::Heartbeat(h) => self.recent(&h.echoes, now, settings),
            Body::Macs(_) => Session::Refused,
        }
    }

    fn take(&mut self, message: &Message, now: Time, settings: &Settings, node: &Node) {
        let session = match self.session(message, now, settings) {
            Session::Open => {
                let theirs = node.peers().find(|p| p.instance() == message.instance);
                match theirs.is_some_and(|p| p.boot() == message.boot) {
                    true => Session::New,
                    false => Session::Refused,
                }
            }
            clear => clear,
        };
        if matches!(session, Session::Refused) {
            return;
        }
        let peer = self
            .peers
            .entry(message.instance)
            .or_insert_with(|| Judged::new(now));
        if matches!(session, Session::New) {
            if peer.boot != 0 {
                peer.past.push(peer.boot);
            }
            peer.boot = message.boot;
            peer.in_sequence = 0;
            if peer.health == Health::Healthy {
                peer.health = Health::Unknown;
            }
            let largest = self.largest.entry(message.instance).or_default();
            *largest = (*largest).max(message.boot);
        } else if message.seq > peer.seq + 1 {
            // Rule 2: a loss starts the count again.
            peer.in_sequence = 0;
        }
        peer.seq = message.seq;
        if let Body::Heartbeat(heartbeat) = &message.body {
            peer.hear(now, heartbeat, settings.recovery_threshold);
        }
    }

    /// Follows one step of the node, which has been made; what differs, if anything.
    pub fn follow(
        &mut self,
        now: Time,
        messages: &[Message],
        settings: &Settings,
        node: &Node,
    ) -> Option<String> {
        let late = self
            .promised
            .is_some_and(|due| now.since(due) > settings.interval / 2);
        self.promised = Some(node.next_deadline());
        self.late = late;
        for message in messages {
            self.take(message, now, settings, node);
        }
        for peer in self.peers.values_mut() {
            peer.judge(now, late, settings);
        }
        self.compare(node)
    }

    fn compare(&self, node: &Node) -> Option<String> {
        if node.peers().count() != self.peers.len() {
            return Some(format!(
                "knows {} peers, not {}",
                node.peers().count(),
                self.peers.len()
            ));
        }
        for theirs in node.peers() {
            let id = theirs.instance();
            let Some(ours) = self.peers.get(&id) else {
                return Some(format!("knows instance {id}, of which nothing was heard"));
            };
            let seen = (
                theirs.health(),
                theirs.boot(),
                theirs.heartbeats(),
                theirs.missed(),
            );
            let missed = u32::try_from(ours.silent_slots).unwrap_or(u32::MAX);
            let due = (ours.health, ours.boot, ours.heartbeats, missed);
            if seen != due {
                return Some(format!(
                    "instance {id}: the node says {} (boot {:x}, {} heartbeats, {} silent slots), \
                     the rules say {} (boot {:x}, {} heartbeats, {} silent slots)",
                    seen.0, seen.1, seen.2, seen.3, due.0, due.1, due.2, due.3
                ));
            }
            if theirs.present() != ours.there() {
                return Some(format!("instance {id}: there is {}", theirs.present()));
            }
        }
        None
    }
}
