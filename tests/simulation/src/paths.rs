//! Messages on their way by either path, and what is true of the paths (rule 12).

use twinline_ha::link_pairs::LinkPair;
use twinline_ha::message::Body;
use twinline_ha::{Message, Side};

use crate::clock::{MS, Ns, US};
use crate::host::{Host, Process};
use crate::in_band::{DIVERTED, INJECTED, facing};
use crate::network::index;
use crate::wire::{Arrivals, PathId};
use crate::world::{What, World};

/// What one direction of a path does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Every message arrives, in order and in time.
    Good,
    /// In-band: it would, but one of the ports does not know the other yet, and only probes.
    Probes,
    /// It loses, delays or doubles.
    Poor,
    /// Nothing gets through.
    Dead,
}

/// What was true of the paths until now.
#[derive(Debug, Default)]
pub(crate) struct PathWatch {
    /// By path: since when it has been good in both directions.
    pub good_since: [Option<Ns>; 2],
    /// By path: the last time that it was not.
    pub bad: [Ns; 2],
    /// By path and sender: what the direction does, and since when.
    pub ways: [[(Option<Way>, Ns); 2]; 2],
    /// Whose worker hung when this was last looked at.
    pub hung: [bool; 2],
    /// The last time that a link pair was down: then nothing is told of the in-band path.
    pub unlinked: Ns,
}

impl PathWatch {
    /// Since when nothing has got through from `from`.
    pub fn dead_since(&self, path: PathId, from: usize) -> Option<Ns> {
        match self.ways[path.index()][from & 1] {
            (Some(Way::Dead), since) => Some(since),
            _ => None,
        }
    }

    /// Since when each direction has been either dead or good without a change.
    pub fn plain_since(&self, path: PathId) -> Option<Ns> {
        let ways = &self.ways[path.index()];
        let plain = ways
            .iter()
            .all(|w| matches!(w.0, Some(Way::Dead | Way::Good)));
        plain.then(|| ways[0].1.max(ways[1].1))
    }
}

pub(crate) fn other(path: PathId) -> PathId {
    match path {
        PathId::HaPort => PathId::InBand,
        PathId::InBand => PathId::HaPort,
    }
}

impl World {
    /// Both instances are configured for the in-band path.
    pub(crate) fn two_paths(&self) -> bool {
        self.scenario.hosts.iter().all(|h| h.settings.in_band)
    }

    fn way(&self, path: PathId, from: usize) -> Way {
        let quality = self.wire.spoilt(self.now, path, from);
        let dead = match path {
            PathId::HaPort => !self.wire.carrier(self.now),
            PathId::InBand => self.legs(from).is_none(),
        };
        match quality {
            _ if dead => Way::Dead,
            Some(quality) if quality.dead() => Way::Dead,
            Some(_) => Way::Poor,
            None if path == PathId::InBand && self.legs(from) == Some(false) => Way::Probes,
            None => Way::Good,
        }
    }

    /// In-band from this instance to the other: `None` when no side carries it, else whether on
    /// some side that does both ports know each other.
    fn legs(&self, from: usize) -> Option<bool> {
        let now = self.now;
        let mut found = None;
        let ports = |i: usize| {
            let process = self.hosts[i].process.as_ref()?;
            let runs = now >= process.worker.hung_until;
            process.in_band.as_ref().filter(|_| runs)
        };
        let (ours, theirs) = (ports(from)?, ports(1 - from)?);
        for side in [Side::Lan, Side::Wan] {
            let Some(there) = facing(!self.leased(), from, side) else {
                continue;
            };
            if self.hosts[from].carrier(side, now) && self.hosts[1 - from].carrier(there, now) {
                let known = ours.knows(side, now) && theirs.knows(there, now);
                found = Some(found == Some(true) || known);
            }
        }
        found
    }

    /// Sees what became of the paths since the last event. Without a path that is good the network
    /// is not healthy, and for as long as a message takes after the change from one to the other
    /// something may have been lost.
    pub(crate) fn note_paths(&mut self) {
        if !self.two_paths() {
            return;
        }
        let now = self.now;
        let up = |h: &Host| {
            let process = h.process.as_ref();
            process.is_some_and(|p| p.node.link_pairs().iter().all(LinkPair::up))
        };
        if self.mistaken(0) || self.mistaken(1) {
            // Who takes another session for its peer's (a capture after the state file was lost)
            // does not hear its peer, by whatever path.
            self.unsteady = self.unsteady.max(now);
        }
        if !self.hosts.iter().all(up) {
            self.paths.unlinked = now;
        }
        for i in 0..2 {
            let process = self.hosts[i].process.as_ref();
            let hung = process.is_some_and(|p| now < p.worker.hung_until);
            if std::mem::replace(&mut self.paths.hung[i], hung) && !hung {
                // What waited for it comes now.
                for way in &mut self.paths.ways[PathId::InBand.index()] {
                    way.1 = now;
                }
            }
        }
        for path in PathId::ALL {
            let p = path.index();
            for from in 0..2 {
                let way = self.way(path, from);
                let (was, since) = &mut self.paths.ways[p][from];
                if *was != Some(way) {
                    // What a spoilt path delayed still comes.
                    let latest = self.wire.latest(path, from);
                    (*was, *since) = (Some(way), now.max(latest));
                }
            }
            let good = self.paths.ways[p].iter().all(|w| w.0 == Some(Way::Good));
            if good {
                self.paths.good_since[p].get_or_insert(now);
            } else {
                self.paths.bad[p] = now;
                let broke = self.paths.good_since[p].take().is_some();
                let elsewhere = self.paths.bad[1 - p];
                if broke && elsewhere + self.bounds.delay >= now {
                    self.wire_bad = self.wire_bad.max(now);
                }
            }
        }
        if self.paths.good_since == [None; 2] {
            self.disturb(now);
        }
    }

    /// This instance takes another session for that of its peer's process.
    pub(crate) fn mistaken(&self, i: usize) -> bool {
        let process = self.hosts[i].process.as_ref();
        let peer = process.and_then(|p| p.oracle.peer(self.hosts[1 - i].instance));
        let theirs = self.hosts[1 - i].process.as_ref().map(|p| p.boot);
        peer.is_some_and(|p| Some(p.boot()) != theirs)
    }

    /// A path has been good both ways for long enough that the other one's death is no matter.
    pub(crate) fn established(&self, path: PathId) -> bool {
        let since = self.paths.good_since[path.index()];
        self.two_paths() && since.is_some_and(|at| at + self.bounds.established <= self.now)
    }

    /// A message leaves by the HA path and, if it is to, in-band. The process is in its turn.
    pub(crate) fn transmit(
        &mut self,
        i: usize,
        process: &mut Process,
        seq: u64,
        body: Body,
        in_band: bool,
    ) {
        let now = self.now;
        let mut message = Message {
            instance: self.hosts[i].instance,
            boot: process.boot,
            seq,
            path: PathId::HaPort,
            body,
        };
        let arrivals = self.wire.send(now, PathId::HaPort, i);
        self.trace_message(i, &message, arrivals);
        self.capture(i, &message);
        let mut timely = self.timely(PathId::HaPort, i, arrivals);
        let copies = arrivals.iter().flatten().count();
        let ports = process.in_band.as_mut().filter(|_| in_band);
        let Some(ports) = ports else {
            if copies > 0 {
                self.under_way(message, arrivals, |name| What::Arrive(1 - i, name));
            }
            return self.note_delivery(timely, &[arrivals]);
        };
        if copies > 0 {
            self.under_way(message.clone(), arrivals, |name| What::Arrive(1 - i, name));
        }
        message.path = PathId::InBand;
        let mut all = [arrivals, [None; 2], [None; 2]];
        let known = self.paths.good_since[PathId::InBand.index()].is_some();
        let out = ports.speak(now);
        if out != [false; 2] {
            self.capture(i, &message);
        }
        for side in [Side::Lan, Side::Wan] {
            if !out[index(side)] {
                continue;
            }
            let hung = process.worker.hung_until;
            if now < hung {
                if ports.injected < INJECTED {
                    ports.injected += 1;
                    let name = self.wire.keep(message.clone(), 1);
                    self.plan(hung, What::Inject(i, process.boot, side, name));
                }
                continue;
            }
            let arrivals = self.leave(i, side, message.clone());
            timely |= known && self.timely(PathId::InBand, i, arrivals);
            all[1 + index(side)] = arrivals;
        }
        self.note_delivery(timely, &all);
    }

    /// A copy leaves a data port; when it arrives at the other instance's.
    fn leave(&mut self, i: usize, side: Side, message: Message) -> Arrivals {
        let Some(there) = facing(!self.leased(), i, side) else {
            return [None; 2];
        };
        let arrivals = self.wire.send(self.now, PathId::InBand, i);
        self.trace_message(i, &message, arrivals);
        if !self.hosts[i].carrier(side, self.now) || arrivals == [None; 2] {
            return [None; 2];
        }
        let waits = self.load.1;
        let worked = arrivals.map(|at| at.map(|at| at + waits));
        self.under_way(message, worked, |name| What::Divert(1 - i, there, name));
        arrivals
    }

    fn under_way(&mut self, message: Message, arrivals: Arrivals, what: impl Fn(usize) -> What) {
        let copies = u8::try_from(arrivals.iter().flatten().count()).unwrap_or(1);
        let name = self.wire.keep(message, copies);
        for at in arrivals.into_iter().flatten() {
            self.plan(at, what(name));
        }
    }

    /// The first copy of a message comes as soon as on a good path.
    fn timely(&self, path: PathId, i: usize, arrivals: Arrivals) -> bool {
        let longest = self.scenario.wires[path.index()].longest().max(MS);
        let in_time = arrivals[0].is_some_and(|at| at - self.now <= longest);
        in_time && self.wire.spoilt(self.now, path, i).is_none()
    }

    /// A message that no path delivers in time is lost for who relies on it. (Messages that
    /// overtake each other are lost ones for who counts sequences.)
    fn note_delivery(&mut self, timely: bool, arrivals: &[Arrivals]) {
        if !timely {
            let firsts = arrivals.iter().filter_map(|a| a[0]);
            let arrived = firsts.max().unwrap_or(self.now);
            self.wire_bad = self.wire_bad.max(arrived);
        }
    }

    fn capture(&mut self, i: usize, message: &Message) {
        let kept = &mut self.captures[i];
        let same = kept.first().is_some_and(|m| m.boot == message.boot);
        if kept.len() < 40 || same && message.seq.is_multiple_of(16) {
            if kept.len() >= 40 {
                kept.remove(0);
            }
            kept.push(message.clone());
        }
    }

    /// A message arrives at an HA port.
    pub(crate) fn arrive(&mut self, i: usize, name: usize) {
        let Some(message) = self.wire.take(name) else {
            return;
        };
        let up = self.wire.carrier(self.now);
        let Some(process) = self.hosts[i].process.as_mut().filter(|_| up) else {
            return;
        };
        if process.inbox.len() >= 1024 {
            self.wire_bad = self.now;
            return;
        }
        process.inbox.push(message);
        self.wake(i, self.now);
    }

    /// A worker that hung sends what the management core gave it meanwhile.
    pub(crate) fn inject(&mut self, i: usize, boot: u64, side: Side, name: usize) {
        let Some(message) = self.wire.take(name) else {
            return;
        };
        let Some(process) = self.hosts[i].process.as_mut().filter(|p| p.boot == boot) else {
            return;
        };
        let hung = process.worker.hung_until;
        if self.now < hung {
            let name = self.wire.keep(message, 1);
            return self.plan(hung, What::Inject(i, boot, side, name));
        }
        if let Some(ports) = &mut process.in_band {
            ports.injected = ports.injected.saturating_sub(1);
        }
        self.leave(i, side, message);
    }

    /// A worker finds an in-band message among its frames, and diverts it.
    pub(crate) fn divert(&mut self, i: usize, side: Side, name: usize) {
        let Some(message) = self.wire.take(name) else {
            return;
        };
        let carrier = self.hosts[i].carrier(side, self.now);
        let Some(process) = self.hosts[i].process.as_mut().filter(|_| carrier) else {
            return;
        };
        let Some(ports) = &mut process.in_band else {
            return;
        };
        let hung = process.worker.hung_until;
        if self.now < hung {
            let name = self.wire.keep(message, 1);
            return self.plan(hung, What::Divert(i, side, name));
        }
        if ports.inbox.len() < DIVERTED {
            ports.inbox.push((side, message));
            self.wake(i, self.now);
        }
    }

    /// Heartbeats are told where they are not plain: a change, or a loss.
    fn trace_message(&mut self, i: usize, message: &Message, arrivals: Arrivals) {
        if self.traced.is_none() {
            return;
        }
        let said = match &message.body {
            Body::Heartbeat(h) => format!("{}, flags {:b}, epoch {}", h.role, h.flags.0, h.epoch),
            Body::Neighbours(chunk) => format!("{} neighbours", chunk.neighbours.len()),
            Body::Macs(chunk) => format!("{} stations", chunk.macs.len()),
        };
        let takes = |at: Ns| (at - self.now) / US;
        let fate = match arrivals {
            [None, _] => "lost".into(),
            [Some(at), None] => format!("takes {} us", takes(at)),
            [Some(a), Some(b)] => format!("takes {} us and {} us", takes(a), takes(b)),
        };
        let (seq, path) = (message.seq, message.path);
        self.trace(Some(i), || format!("sends {seq} {path}: {said}: {fate}"));
    }
}
