//! The two paths of heartbeats (rule 12): the HA port, and in-band over the data ports.

use crate::events::{Alarm, PathFault};
use crate::faults::{self, Fault};
use crate::message::Path;
use twinline_time::Time;

use super::{HA_PORT_GRACE, Node};

/// What is wrong with a path to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    /// Since when it has not been good both ways.
    since: Time,
    /// What is wrong now, and since when that.
    fault: PathFault,
    fault_since: Time,
    /// What the alarm that stands says.
    told: Option<PathFault>,
}

impl Node {
    /// Rule 12: while the HA path to this peer is not good both ways, nothing is decided that could
    /// wait: no preemption, no hand-over for want of bandwidth.
    pub(super) fn frozen(&self, peer: u16) -> bool {
        self.ha_path_broken(peer) && !faults::on(Fault::NothingFrozen)
    }

    pub(super) fn ha_path_broken(&self, peer: u16) -> bool {
        self.settings.in_band
            && self
                .peers
                .get(&peer)
                .is_some_and(|p| self.path_fault(p, Path::HaPort).is_some())
    }

    /// Rule 12: both paths dead, and our own links below the minimum: it is more likely that we are
    /// cut off than that the peer is gone.
    pub(super) fn cut_off(&self) -> bool {
        self.settings.in_band
            && self.link_fitness.fit() == Some(false)
            && !faults::on(Fault::CutOffPromotes)
    }

    /// Rule 12: no peer is heard by heartbeats, and yet another one carries all of our virtual
    /// routers, by adverts that came after the heartbeats ceased.
    pub(super) fn peer_on_the_wire(&self) -> bool {
        self.routers.carried_by_another && !self.peers.values().any(|p| p.present())
    }

    /// Some peer is heard in-band and not on the HA path, or the other way round: what is sent once
    /// for all has to go in-band as well.
    pub(super) fn needs_in_band(&self) -> bool {
        self.settings.in_band && self.peers.keys().any(|&id| self.ha_path_broken(id))
    }

    fn path_fault(&self, peer: &crate::peer::Peer, path: Path) -> Option<PathFault> {
        let (we_hear, it_hears) = (peer.heard_on().has(path), peer.hears_us_on().has(path));
        match (peer.present(), we_hear, it_hears) {
            (false, ..) | (true, true, true) => None,
            (true, false, false) => Some(PathFault::Dead),
            (true, true, false) => Some(PathFault::PeerDeaf),
            (true, false, true) => Some(PathFault::WeAreDeaf),
        }
    }

    /// Both ends say what they hear, so both know of a path that is dead in one direction. What
    /// they say is a slot old: a fault has to stand for a window before it is told. What is wrong may
    /// change meanwhile, even for ever (who is not heard in-band only probes, five times a second):
    /// the alarm stands as long as the path is not good, and says what stood for a window.
    pub(super) fn watch_paths(&mut self) {
        if !self.settings.in_band || faults::on(Fault::PathAlarmMissing) {
            return;
        }
        let mut last = None;
        while let Some(id) = self.peer_after(last) {
            for path in Path::ALL {
                self.watch_path(id, path);
            }
            last = Some(id);
        }
    }

    fn watch_path(&mut self, id: u16, path: Path) {
        let Some(peer) = self.peers.get(&id) else {
            return;
        };
        let mut fault = self.path_fault(peer, path);
        // Without a link pair that is up there is no in-band path, and the links' own alarms say so.
        let its_pairs = peer.heartbeat().map_or(0, |h| h.pairs_up);
        if path == Path::InBand && (self.pairs_up() == 0 || its_pairs == 0) {
            fault = None;
        }
        let tried = peer.track(path).last_at().is_some();
        let key = (id, path);
        let Some(fault) = fault else {
            if let Some(told) = self.broken_paths.remove(&key).and_then(|b| b.told) {
                let stands = faults::on(Fault::PathAlarmStands);
                self.alarm(alarm_of(id, path, told), stands);
            }
            return;
        };
        let mut patience = self.failure_window_with(id) + self.settings.interval;
        if !tried {
            patience = patience.max(HA_PORT_GRACE);
        }
        let now = self.now;
        let broken = self.broken_paths.entry(key).or_insert(Broken {
            since: now,
            fault,
            fault_since: now,
            told: None,
        });
        if broken.fault != fault {
            broken.fault = fault;
            broken.fault_since = now;
        }
        let since = match broken.told {
            None => broken.since,
            Some(_) => broken.fault_since,
        };
        if broken.told == Some(fault) || now.since(since) < patience {
            return;
        }
        let before = broken.told.replace(fault);
        if let Some(before) = before {
            self.alarm(alarm_of(id, path, before), false);
        }
        self.alarm(alarm_of(id, path, fault), true);
    }
}

fn alarm_of(peer: u16, path: Path, fault: PathFault) -> Alarm {
    Alarm::Path { peer, path, fault }
}
