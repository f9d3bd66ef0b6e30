//! Check (c): the health of each peer, slot by slot, from rules 1 to 3, 5 and 12 as they are
//! written.
//!
//! This is a second implementation on purpose: it reads the rules, not `engine/ha/src/peer.rs`.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use twinline_ha::message::{Body, Echo};
use twinline_ha::{Flags, Health, Heartbeat, Message, Node, Path, Settings, Time};

/// What one path brings of a peer.
#[derive(Clone, Debug)]
struct Way {
    /// The last sequence number of the session that came by it.
    seq: Option<u64>,
    /// By this path alone.
    health: Health,
    /// Good heartbeats in sequence, of this session.
    in_sequence: u64,
    /// Slots without a heartbeat.
    silent_slots: u64,
    /// Where the slot that runs began.
    slot: Time,
    /// A late turn was forgiven since the last heartbeat.
    forgiven: bool,
    /// A heartbeat came by it in this run.
    heard: bool,
    /// Silent for the failure threshold.
    silent: bool,
}

impl Way {
    fn new(now: Time) -> Self {
        Self {
            seq: None,
            health: Health::Unknown,
            in_sequence: 0,
            silent_slots: 0,
            slot: now,
            forgiven: false,
            heard: false,
            silent: false,
        }
    }

    fn brings(&self) -> bool {
        self.heard && !self.silent
    }

    /// Rule 2.
    fn hear(&mut self, now: Time, recovery: u8) {
        self.heard = true;
        self.silent = false;
        self.in_sequence += 1;
        self.silent_slots = 0;
        self.slot = now;
        self.forgiven = false;
        if self.in_sequence >= u64::from(recovery) {
            self.health = Health::Healthy;
        }
    }

    /// Rules 1 and 3. `gaps`: the sequence shows losses; else a missed slot is one.
    fn judge(&mut self, now: Time, late: bool, interval: Duration, threshold: u8, gaps: bool) {
        if !self.heard {
            return;
        }
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
        if slots > 0 && !gaps {
            self.in_sequence = 0;
        }
        if slots > 0 && self.silent_slots >= u64::from(threshold) {
            self.health = Health::Unhealthy;
            self.in_sequence = 0;
            self.silent = true;
        }
    }
}

/// What the rules say of one peer.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Its session.
    boot: u64,
    /// Sessions that are over.
    past: Vec<u64>,
    /// By path.
    ways: [Way; 2],
    /// Its health.
    pub health: Health,
    /// The session showed that it hears us.
    proven: bool,
    /// It said goodbye.
    goodbye: bool,
    /// Heartbeats taken: each counts once, by whatever path it came first.
    heartbeats: u64,
    /// The sequence number of the last one.
    newest: u64,
    /// The last one.
    pub last: Option<Heartbeat>,
}

impl Judged {
    fn new(now: Time) -> Self {
        Self {
            boot: 0,
            past: Vec::new(),
            ways: [Way::new(now), Way::new(now)],
            health: Health::Unknown,
            proven: false,
            goodbye: false,
            heartbeats: 0,
            newest: 0,
            last: None,
        }
    }

    /// Rule 1: the larger of our interval and the one that it advertises.
    fn interval(&self, own: Duration) -> Duration {
        self.last.as_ref().map_or(own, |h| h.interval.max(own))
    }

    /// Heard on some path, and neither silent for long nor gone.
    #[must_use]
    pub fn there(&self) -> bool {
        !self.goodbye && self.ways.iter().any(Way::brings)
    }

    /// The session that is believed to be its own.
    #[must_use]
    pub fn boot(&self) -> u64 {
        self.boot
    }

    /// A heartbeat came by this path in this run.
    #[must_use]
    pub fn heard_by(&self, path: Path) -> bool {
        self.ways[path.index()].heard
    }

    /// Slots in a row in which no path brought a heartbeat.
    fn silent_slots(&self) -> u64 {
        let fewest = |all: bool| {
            let ways = self.ways.iter().filter(|w| w.brings() || all && w.heard);
            ways.map(|w| w.silent_slots).min()
        };
        fewest(false).or(fewest(true)).unwrap_or(0)
    }

    /// Rule 12: the better of the two, of those that bring anything.
    fn sum_up(&mut self) {
        let rank = |w: &Way| match w.health {
            Health::Unhealthy => 0,
            Health::Unknown => 1,
            Health::Healthy => 2,
        };
        let best = self
            .ways
            .iter()
            .filter(|w| w.brings())
            .max_by_key(|w| rank(w));
        // With none that brings anything it is as bad as it was when the last one fell silent.
        let worst = || self.ways.iter().filter(|w| w.heard).min_by_key(|w| rank(w));
        self.health = best.or_else(worst).map_or(Health::Unknown, |w| w.health);
    }

    /// A new session has to show its health again (rule 2).
    fn begin(&mut self, boot: u64) {
        if self.boot != 0 {
            self.past.push(self.boot);
        }
        self.boot = boot;
        self.proven = false;
        self.newest = 0;
        for way in &mut self.ways {
            way.seq = None;
            way.in_sequence = 0;
            if way.health == Health::Healthy {
                way.health = Health::Unknown;
            }
        }
    }

    fn number(&mut self, seq: u64, path: Path) {
        let way = &mut self.ways[path.index()];
        let gap = way.seq.is_some_and(|last| seq > last + 1);
        // Rule 2: a loss starts the count again. In-band not every message is sent, so that a gap
        // is none there.
        if gap && path == Path::HaPort {
            way.in_sequence = 0;
        }
        way.seq = Some(seq);
    }

    fn hear(
        &mut self,
        now: Time,
        message: &Message,
        heartbeat: &Heartbeat,
        settings: &Settings,
        threshold: u8,
    ) {
        let way = &mut self.ways[message.path.index()];
        if message.seq <= self.newest {
            // The same again by the other path, or one that was overtaken: it shows that the path
            // is good, unless it was on its way for longer than a failure window or the sender is
            // gone.
            let window = self.last.as_ref().map_or(Duration::ZERO, |last| {
                let interval = last.interval.max(settings.interval);
                interval * u32::from(threshold)
            });
            let sent = self.last.as_ref().map(|last| last.tx_time);
            let old = sent.is_some_and(|sent| sent.since(heartbeat.tx_time) > window);
            if !old && !self.goodbye {
                way.hear(now, settings.recovery_threshold);
            }
            return;
        }
        self.newest = message.seq;
        self.heartbeats += 1;
        self.last = Some(heartbeat.clone());
        self.goodbye = heartbeat.flags.has(Flags::STOPPING);
        way.hear(now, settings.recovery_threshold);
        if self.goodbye {
            for way in &mut self.ways {
                way.in_sequence = 0;
                way.health = Health::Unhealthy;
            }
        }
    }

    fn judge(&mut self, now: Time, late: bool, settings: &Settings, threshold: u8) {
        let interval = self.interval(settings.interval);
        for path in Path::ALL {
            let gaps = path == Path::HaPort;
            self.ways[path.index()].judge(now, late, interval, threshold, gaps);
        }
        self.sum_up();
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
    /// The last heartbeat of a session with a larger boot id that the one before does not give way to
    /// yet: it counts when that misses a slot.
    waiting: BTreeMap<u16, (Message, Time)>,
    /// When we sent what, for the echoes.
    sent: VecDeque<(u64, Time)>,
    /// The step before, and how long before this one it was.
    stepped: Option<Time>,
    slept: Duration,
    /// The step that is due, as the node promised.
    promised: Option<Time>,
    /// The last step was late by more than half an interval (rule 3).
    late: bool,
    /// A reload lowered the threshold: the one before, and until when it counts.
    eased: Option<(u8, Option<Time>)>,
    /// The failure threshold that counts in this step.
    threshold: u8,
}

enum Session {
    Goes,
    New,
    Refused,
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
            waiting: BTreeMap::new(),
            sent: VecDeque::new(),
            stepped: None,
            slept: Duration::ZERO,
            promised: None,
            late: false,
            eased: None,
            threshold: 1,
        }
    }

    /// The configuration was reloaded. Rule 24: a lower threshold counts when one window by the one
    /// before has passed since the next step, by when every peer knows of it.
    pub fn reloaded(&mut self, before: &Settings, now: &Settings) {
        let counted = self.eased.map_or(0, |(threshold, _)| threshold);
        let counted = counted.max(before.failure_threshold);
        self.eased = (now.failure_threshold < counted).then_some((counted, None));
    }

    fn ease(&mut self, now: Time, settings: &Settings) {
        self.threshold = settings.failure_threshold;
        let Some((before, until)) = &mut self.eased else {
            return;
        };
        let end = *until.get_or_insert(now + settings.interval * u32::from(*before));
        if now < end {
            self.threshold = self.threshold.max(*before);
        } else {
            self.eased = None;
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

    fn recent(&self, echoes: &[Echo], now: Time, settings: &Settings) -> bool {
        let window = settings.failure_window().max(settings.interval * 3);
        let ours = echoes
            .iter()
            .find(|e| e.instance == self.instance && e.boot == self.boot);
        let Some(echo) = ours else {
            return false;
        };
        // Of what we sent ourselves: an address share in between is as old as its neighbours.
        let old = self
            .sent
            .partition_point(|&(_, at)| now.since(at) >= window);
        match self.sent.get(old) {
            Some(&(seq, _)) => echo.seq >= seq,
            None => false,
        }
    }

    fn session(&self, message: &Message, now: Time, settings: &Settings) -> Session {
        let peer = self.peers.get(&message.instance);
        if let Some(peer) = peer.filter(|p| p.boot == message.boot && p.boot != 0) {
            // Each path numbers for itself: what came by one comes by the other as well.
            let last = peer.ways[message.path.index()].seq;
            return if last.is_none_or(|last| message.seq > last) {
                Session::Goes
            } else {
                Session::Refused
            };
        }
        // A session that showed that it hears us and misses no slot (judged or not) gives way only to
        // a larger boot id that shows it as well. Any other gives way to a larger one as it is, and
        // to a smaller one that shows it; to one of the past only when it is gone.
        let largest = self.largest.get(&message.instance).copied().unwrap_or(0);
        let alive = peer.is_some_and(|p| {
            let slept = self.slept >= p.interval(settings.interval);
            p.there() && p.silent_slots() == 0 && !slept && p.proven
        });
        let larger = message.boot > largest;
        if larger && !alive {
            return Session::New;
        }
        let past = peer.is_some_and(|p| p.there() && p.past.contains(&message.boot));
        if message.boot == 0 || !larger && (alive || past) {
            return Session::Refused;
        }
        match &message.body {
            Body::Heartbeat(h) if self.recent(&h.echoes, now, settings) => Session::New,
            Body::Heartbeat(_) => Session::Refused,
            Body::Macs(_) | Body::Neighbours(_) => Session::Refused,
        }
    }

    fn take(&mut self, message: &Message, now: Time, settings: &Settings) {
        let session = self.session(message, now, settings);
        if matches!(session, Session::Refused) {
            let largest = self.largest.get(&message.instance);
            let larger = largest.is_some_and(|&largest| message.boot > largest);
            let heartbeat = matches!(message.body, Body::Heartbeat(_));
            if larger && heartbeat && self.peers.contains_key(&message.instance) {
                let waits = (message.clone(), now);
                self.waiting.insert(message.instance, waits);
            }
            return;
        }
        self.waiting.remove(&message.instance);
        let known = self.peers.get(&message.instance);
        let asked = known.is_none_or(|p| !p.proven || p.boot != message.boot);
        let hears = match &message.body {
            Body::Heartbeat(h) => asked && self.recent(&h.echoes, now, settings),
            Body::Macs(_) | Body::Neighbours(_) => false,
        };
        let peer = self
            .peers
            .entry(message.instance)
            .or_insert_with(|| Judged::new(now));
        if matches!(session, Session::New) {
            peer.begin(message.boot);
            let largest = self.largest.entry(message.instance).or_default();
            *largest = (*largest).max(message.boot);
        }
        peer.number(message.seq, message.path);
        if let Body::Heartbeat(heartbeat) = &message.body {
            peer.proven |= hears && message.seq > peer.newest;
            peer.hear(now, message, heartbeat, settings, self.threshold);
        }
        peer.sum_up();
    }

    fn take_waiting(&mut self, now: Time, settings: &Settings) {
        if self.waiting.is_empty() {
            return;
        }
        let peers = self
            .peers
            .iter()
            .filter(|(_, p)| !p.there() || p.silent_slots() > 0);
        let over: Vec<_> = peers
            .map(|(&id, p)| (id, p.interval(settings.interval)))
            .collect();
        for (id, slot) in over {
            if let Some((message, at)) = self.waiting.remove(&id)
                && now.since(at) < slot
            {
                self.take(&message, now, settings);
            }
        }
    }

    /// Follows one step of the node, which has been made and wants the next one at `deadline`; what differs, if anything.
    pub fn follow(
        &mut self,
        now: Time,
        deadline: Time,
        messages: &[Message],
        settings: &Settings,
        node: &Node,
    ) -> Option<String> {
        let late = self
            .promised
            .is_some_and(|due| now.since(due) > settings.interval / 2);
        self.promised = Some(deadline);
        self.late = late;
        let before = self.stepped.replace(now);
        self.slept = before.map_or(Duration::ZERO, |before| now.since(before));
        self.ease(now, settings);
        for message in messages {
            self.take(message, now, settings);
        }
        for peer in self.peers.values_mut() {
            peer.judge(now, late, settings, self.threshold);
        }
        self.take_waiting(now, settings);
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
            let missed = u32::try_from(ours.silent_slots()).unwrap_or(u32::MAX);
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
