//! What peers say, and their silence (rules 1 to 5).

use std::time::Duration;

use crate::action::Action;
use crate::events::{Alarm, Reason, Subject};
use crate::faults::{self, Fault};
use crate::message::{Body, Echo, Flags, Health, Heartbeat, MAX_PEERS, Message, Path, Paths};
use crate::peer::{HealthChange, Peer, Refusal};
use crate::settings::Mode;
use twinline_time::Time;

use super::Node;

impl Node {
    pub(super) fn take_message(&mut self, message: &Message) {
        if message.instance == self.instance || self.settings.mode == Mode::Standalone {
            return;
        }
        if message.path == Path::InBand && faults::on(Fault::InBandIgnored) {
            return;
        }
        let known = self.peers.contains_key(&message.instance);
        if !known {
            if self.peers.len() >= MAX_PEERS {
                self.alarm(Alarm::TooManyPeers, true);
                return;
            }
            let highest = self
                .highest_boots
                .get(&message.instance)
                .copied()
                .unwrap_or(0);
            let peer = Peer::new(message.instance, highest, self.now);
            self.peers.insert(message.instance, peer);
        }
        let own = self.own_session();
        let thresholds = self.thresholds();
        let now = self.now;
        let Some(peer) = self.peers.get_mut(&message.instance) else {
            return;
        };
        let echoes = match &message.body {
            Body::Heartbeat(h) => h.echoes.as_slice(),
            Body::Macs(_) | Body::Neighbours(_) => &[],
        };
        let session = peer.boot();
        let clock = (self.slept, thresholds.interval);
        let number = (message.boot, message.seq);
        let accepted = match peer.admit(clock, number, message.path, echoes, &own) {
            Ok(accepted) => accepted,
            Err(refusal) => {
                let cause = match refusal {
                    Refusal::Replay => "replay",
                    Refusal::Copy => "in_band_copies",
                    Refusal::OldSession => "old_session",
                };
                *self.refused.entry(cause).or_default() += 1;
                let newer = known && message.boot > peer.highest_boot();
                if let (Refusal::OldSession, Body::Heartbeat(h)) = (refusal, &message.body) {
                    if newer {
                        let waits = (message.clone(), self.now);
                        self.waiting.insert(message.instance, waits);
                    }
                    self.challenge(message, h);
                }
                if !known {
                    // A capture of the past makes no peer.
                    self.peers.remove(&message.instance);
                }
                return;
            }
        };
        self.unproven.remove(&message.instance);
        self.waiting.remove(&message.instance);
        self.highest_boots
            .insert(message.instance, peer.highest_boot());
        let change = match &message.body {
            Body::Heartbeat(heartbeat) => {
                let news = accepted.news;
                peer.heard(now, message.path, news, heartbeat, &own, &thresholds)
            }
            Body::Macs(_) | Body::Neighbours(_) => None,
        };
        let goodbye = peer.said_goodbye();
        if session != message.boot {
            // Rule 8: it may be given the role before the next full share is due.
            self.next_mac_delta = now;
            self.next_mac_full = now;
        }
        if let Some(change) = accepted.health {
            self.health_event(message.instance, change, Reason::PeerRestarted);
        }
        if accepted.new_boot {
            let text = format!("instance {} was restarted", message.instance);
            self.event(Subject::Note(text), Reason::PeerRestarted);
        }
        match &message.body {
            // It was overtaken by a newer one on the other path.
            Body::Heartbeat(_) if !accepted.news => {}
            Body::Heartbeat(h) => {
                self.epoch = self.epoch.max(h.epoch);
                // Its window may be shorter than our interval: it must not miss that we are here.
                self.urgent |= h.flags.has(Flags::LISTENING) && self.carrying();
            }
            Body::Macs(chunk) if !self.carrying() => {
                for mac in &chunk.macs {
                    self.learn_mac(chunk.pair, |table| table.take(*mac, chunk.side, now));
                }
            }
            Body::Neighbours(chunk) if !self.carrying() => {
                self.out.push(Action::TakeNeighbours(chunk.clone()));
            }
            Body::Macs(_) | Body::Neighbours(_) => {}
        }
        if let Some(change) = change {
            let why = if goodbye {
                Reason::PeerStopped
            } else {
                Reason::HeartbeatsGood
            };
            self.health_event(message.instance, change, why);
        }
    }

    /// The slot is over that a newer session had to wait for: what it said last counts, before anybody
    /// decides that nobody is there.
    pub(super) fn take_waiting(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let (now, own) = (self.now, self.settings.interval);
        let over = |(id, (_, at)): (&u16, &(Message, Time))| {
            let peer = self.peers.get(id)?;
            let over = !peer.present() || peer.missed() > 0;
            over.then_some((*id, now.since(*at) < peer.interval(own)))
        };
        let over: Vec<(u16, bool)> = self.waiting.iter().filter_map(over).collect();
        for (id, fresh) in over {
            if let Some((message, _)) = self.waiting.remove(&id).filter(|_| fresh) {
                self.take_message(&message);
            }
        }
    }

    /// Remembers a refused heartbeat for an echo. Where each of two instances refuses the other's
    /// boot id (the clock of one was set back, the other's session is the one in the state file),
    /// both would wait for the other's echo, and both would be ACTIVE for ever.
    fn challenge(&mut self, message: &Message, heartbeat: &Heartbeat) {
        let known = self.unproven.contains_key(&message.instance);
        if !known && self.unproven.len() >= MAX_PEERS {
            return;
        }
        // It must not miss that we are here any more than one that we believe.
        self.urgent |= heartbeat.flags.has(Flags::LISTENING) && self.carrying();
        let echo = Echo {
            instance: message.instance,
            boot: message.boot,
            seq: message.seq,
            tx_time: heartbeat.tx_time,
            hold: Duration::ZERO,
            health: Health::Unknown,
            paths: Paths::default().with(message.path, true),
        };
        self.unproven.insert(message.instance, (echo, self.now));
    }

    /// What we tell each peer that we heard from it, and the last of each session that could not
    /// prove itself yet: while the one before it still counts as there, the new one learns by its
    /// echo that we are here.
    pub(super) fn echoes(&self) -> Vec<Echo> {
        let fresh = self
            .settings
            .failure_window()
            .max(self.settings.interval * 3);
        let known = self.peers.values().filter_map(|p| p.echo(self.now));
        let unproven = self
            .unproven
            .values()
            .map(|(echo, at)| Echo {
                hold: self.now.since(*at),
                ..*echo
            })
            .filter(|echo| echo.hold < fresh);
        known.chain(unproven).take(MAX_PEERS).collect()
    }

    fn health_event(&mut self, peer: u16, change: HealthChange, why: Reason) {
        let HealthChange { from, to } = change;
        self.event(Subject::Health { peer, from, to }, why);
    }

    pub(super) fn judge_peers(&mut self, late: bool) {
        let thresholds = self.thresholds();
        let mut changes = Vec::new();
        for peer in self.peers.values_mut() {
            if let Some(change) = peer.judge(self.now, late, &thresholds) {
                changes.push((peer.instance(), change));
            }
        }
        for (peer, change) in changes {
            self.health_event(peer, change, Reason::HeartbeatsMissed);
        }
    }
}
