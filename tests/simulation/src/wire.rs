//! The two heartbeat paths between the instances: what each does to messages on their way.
//!
//! The in-band path has no carrier of its own: it dies with the data cables, the ports and the
//! workers, which [`crate::in_band`] knows about.

use twinline_ha::Message;

use crate::clock::Ns;
use crate::random::Random;

/// A way for heartbeats: the HA ports and their cable, or the data ports (rule 12).
pub use twinline_ha::Path as PathId;

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

    /// Nothing gets through.
    #[must_use]
    pub fn dead(&self) -> bool {
        self.loss >= 1000
    }
}

/// When copies of a message arrive: none when it is lost, two when it is doubled.
pub type Arrivals = [Option<Ns>; 2];

/// One direction of one path.
#[derive(Debug)]
struct Line {
    good: Quality,
    /// What holds now, and until when.
    now: (Quality, Ns),
    /// The last arrival: a good line keeps the order.
    last: Ns,
    /// The last arrival of all, also of what a spoilt line delayed.
    latest: Ns,
    chance: Random,
}

/// Both directions of both paths.
#[derive(Debug)]
pub struct Wire {
    /// By path and direction (the sender's index).
    lines: [[Line; 2]; 2],
    pulled_until: Ns,
    /// Messages under way, by name; copies share one.
    messages: Vec<Option<(Message, u8)>>,
    free: Vec<usize>,
}

impl Wire {
    /// Paths that are as good as these, by [`PathId::index`].
    #[must_use]
    pub fn new(seed: u64, good: [Quality; 2]) -> Self {
        let line = |path: usize, stream| Line {
            good: good[path],
            now: (good[path], 0),
            last: 0,
            latest: 0,
            chance: Random::new(seed, stream),
        };
        Self {
            lines: [[line(0, 10), line(0, 11)], [line(1, 12), line(1, 13)]],
            pulled_until: 0,
            messages: Vec::new(),
            free: Vec::new(),
        }
    }

    fn line(&self, path: PathId, from: usize) -> &Line {
        &self.lines[path.index()][from & 1]
    }

    /// A direction has this quality until then.
    pub fn spoil(&mut self, path: PathId, from: usize, quality: Quality, until: Ns) {
        self.lines[path.index()][from & 1].now = (quality, until);
    }

    /// The HA cable is out until then.
    pub fn pull(&mut self, until: Ns) {
        self.pulled_until = self.pulled_until.max(until);
    }

    /// The HA ports have carrier.
    #[must_use]
    pub fn carrier(&self, at: Ns) -> bool {
        at >= self.pulled_until
    }

    /// When what `from` sends now arrives.
    pub fn send(&mut self, at: Ns, path: PathId, from: usize) -> Arrivals {
        let carrier = path == PathId::InBand || self.carrier(at);
        let line = &mut self.lines[path.index()][from & 1];
        let (mut quality, until) = line.now;
        let good = at >= until;
        if good {
            quality = line.good;
        }
        let chance = &mut line.chance;
        // The same draws whatever the quality, so that streams stay in step.
        let lost = chance.chance(quality.loss.max(1)) && quality.loss > 0;
        let doubled = chance.chance(quality.doubled.max(1)) && quality.doubled > 0;
        let delays = [chance.below(1 << 30), chance.below(1 << 30)];
        let arrives = |part: u64| at + quality.delay + ((quality.jitter * part) >> 30);
        if lost || !carrier {
            return [None, None];
        }
        let mut first = arrives(delays[0]);
        if good {
            first = first.max(line.last);
            line.last = first;
        }
        let second = doubled.then(|| arrives(delays[1]));
        line.latest = line.latest.max(first).max(second.unwrap_or(0));
        [Some(first), second]
    }

    /// What holds of this direction now, if it is not good.
    #[must_use]
    pub fn spoilt(&self, at: Ns, path: PathId, from: usize) -> Option<Quality> {
        let (quality, until) = self.line(path, from).now;
        (at < until).then_some(quality)
    }

    /// The last arrival of what was sent in this direction so far.
    #[must_use]
    pub fn latest(&self, path: PathId, from: usize) -> Ns {
        self.line(path, from).latest
    }

    /// Keeps a message that is under way, for so many copies; its name.
    pub fn keep(&mut self, message: Message, copies: u8) -> usize {
        let kept = Some((message, copies));
        match self.free.pop() {
            Some(name) => {
                self.messages[name] = kept;
                name
            }
            None => {
                self.messages.push(kept);
                self.messages.len() - 1
            }
        }
    }

    /// A copy of the message of that name has arrived, or was lost after all.
    pub fn take(&mut self, name: usize) -> Option<Message> {
        let slot = self.messages.get_mut(name)?;
        let (message, copies) = slot.as_mut()?;
        if *copies > 1 {
            *copies -= 1;
            return Some(message.clone());
        }
        self.free.push(name);
        slot.take().map(|(message, _)| message)
    }
}
