//! The heartbeat paths between the two instances.
//!
//! One exists: the HA port. The in-band path of rule 12 is to be a second [`PathId`] with its own
//! qualities; a message then says by which path it came.

use std::collections::HashMap;
use twinline_ha::Message;

use crate::clock::Ns;
use crate::random::Random;

/// A way for heartbeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PathId {
    /// The HA ports and their cable.
    HaPort,
}

/// What one direction of a path does to messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quality {
    /// How many of a thousand are lost.
    pub loss: u64,
    /// How many of a thousand arrive twice.
    pub doubled: u64,
    /// How long each takes at least.
    pub delay: Ns,
    /// How much longer, at most; messages overtake each other within it.
    pub jitter: Ns,
}

impl Quality {
    /// The longest that a message takes.
    #[must_use]
    pub fn longest(&self) -> Ns {
        self.delay + self.jitter
    }
}

/// When copies of a message arrive: none when it is lost, two when it is doubled.
pub type Arrivals = [Option<Ns>; 2];

/// Both directions of every path.
#[derive(Debug)]
pub struct Wire {
    good: Quality,
    /// By direction (the sender's index): what holds now, and until when.
    now: [(Quality, Ns); 2],
    pulled_until: Ns,
    /// The last arrival by direction: a good wire keeps the order.
    last: [Ns; 2],
    chance: [Random; 2],
    messages: HashMap<u64, Message>,
    next: u64,
}

impl Wire {
    /// A wire that is good.
    #[must_use]
    pub fn new(seed: u64, good: Quality) -> Self {
        Self {
            good,
            now: [(good, 0); 2],
            pulled_until: 0,
            last: [0; 2],
            chance: [Random::new(seed, 10), Random::new(seed, 11)],
            messages: HashMap::new(),
            next: 0,
        }
    }

    /// A direction has this quality until then.
    pub fn spoil(&mut self, from: usize, quality: Quality, until: Ns) {
        if let Some(now) = self.now.get_mut(from) {
            *now = (quality, until);
        }
    }

    /// The cable is out until then.
    pub fn pull(&mut self, until: Ns) {
        self.pulled_until = self.pulled_until.max(until);
    }

    /// The ports have carrier.
    #[must_use]
    pub fn carrier(&self, at: Ns) -> bool {
        at >= self.pulled_until
    }

    /// When what `from` sends now arrives.
    pub fn send(&mut self, at: Ns, from: usize) -> Arrivals {
        let (mut quality, until) = self.now.get(from).copied().unwrap_or((self.good, 0));
        let good = at >= until;
        if good {
            quality = self.good;
        }
        let Some(chance) = self.chance.get_mut(from) else {
            return [None, None];
        };
        // The same draws whatever the quality, so that streams stay in step.
        let lost = chance.chance(quality.loss.max(1)) && quality.loss > 0;
        let doubled = chance.chance(quality.doubled.max(1)) && quality.doubled > 0;
        let delays = [chance.below(1 << 30), chance.below(1 << 30)];
        let arrives = |part: u64| at + quality.delay + ((quality.jitter * part) >> 30);
        if lost || !self.carrier(at) {
            return [None, None];
        }
        let mut first = arrives(delays[0]);
        if let Some(last) = self.last.get_mut(from).filter(|_| good) {
            first = first.max(*last);
            *last = first;
        }
        [Some(first), doubled.then(|| arrives(delays[1]))]
    }

    /// This direction is not good now.
    #[must_use]
    pub fn spoilt(&self, at: Ns, from: usize) -> bool {
        self.now.get(from).is_some_and(|&(_, until)| at < until)
    }

    /// Keeps a message that is under way; its name.
    pub fn keep(&mut self, message: Message) -> u64 {
        self.next += 1;
        self.messages.insert(self.next, message);
        self.next
    }

    /// The message of that name, which has arrived.
    pub fn take(&mut self, name: u64) -> Option<Message> {
        self.messages.remove(&name)
    }
}
