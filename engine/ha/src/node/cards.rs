//! Bypass cards: what they are told, what they show, and when their watchdogs are kicked (rules 14
//! to 16).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::action::{Action, CardCommand};
use crate::events::{Alarm, Reason, Subject};
use crate::message::Role;
use crate::observation::CardSeen;
use crate::peer::Peer;
use crate::settings::{Mode, OnMaxFlaps, Topology};
use twinline_time::Time;

use super::{Node, Phase};

/// How long a card may take to do what it was told: the slowest verbs of real cards take two
/// seconds, and a look at the card comes once a second.
const CARD_PATIENCE: Duration = Duration::from_secs(5);

/// A card that was brought back, and expires again, waits twice as long each time, this often: there
/// is something that kicks do not reach, and each try cuts the line for a moment.
const DOUBLINGS: u32 = 7;
/// After so long without an expiry that is forgotten.
const CALM: Duration = Duration::from_secs(900);

/// What an alarm of a card is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Path,
    Error,
}

/// What is known of the cards, and what they were told.
#[derive(Clone, Debug, Default)]
pub(super) struct Cards {
    /// By pair, at the last look; empty before the first one, and without cards.
    seen: Vec<CardSeen>,
    /// What they were told last; `None` = left as they were (rule 6).
    pub(super) wanted: Option<CardCommand>,
    /// What an operator set a pair's card to instead.
    operators: BTreeMap<u16, CardCommand>,
    /// Pairs that an operator joined although it makes a loop.
    forced: BTreeSet<u16>,
    /// How often cards were brought back after an expiry, lately.
    brought_back: u32,
    told_at: Time,
    /// At the end of a start: since when they have been inline.
    inline_since: Option<Time>,
    /// Since when the links behind them have been up, or late.
    ready_since: Option<Time>,
    /// To be told once the heartbeat of this step is out (rule 14: announce first).
    pending: Option<CardCommand>,
    standing: BTreeMap<(u16, Kind), Alarm>,
    next_kick: Time,
    /// Turns of each worker at the last kick.
    at_kick: Vec<u64>,
}

impl Cards {
    /// Behind a card that is known not to be inline there is no wire of ours, whatever the pair's
    /// ports say (some cards join the two ports).
    pub(super) fn off_the_cables(&self, pair: usize) -> bool {
        let away = |c: &CardSeen| c.present && c.path.is_some_and(|p| p != CardCommand::Inline);
        self.seen.get(pair).is_some_and(away)
    }
}

impl Node {
    /// Takes a look at the cards: events, and alarms where one is not where it was told to be.
    pub(super) fn watch_cards(&mut self, seen: Option<&[CardSeen]>) {
        if let Some(seen) = seen {
            let before = std::mem::replace(&mut self.cards.seen, seen.to_vec());
            for (index, card) in seen.iter().enumerate().filter(|(_, c)| c.present) {
                let pair = u16::try_from(index).unwrap_or(u16::MAX);
                let from = before.get(index).and_then(|c| c.path);
                if let Some(to) = card.path.filter(|_| card.path != from) {
                    let why = self.why_card(pair, to, card.expired);
                    self.event(Subject::Card { pair, from, to }, why);
                }
            }
        }
        for index in 0..self.cards.seen.len() {
            let pair = u16::try_from(index).unwrap_or(u16::MAX);
            let (path, error) = self.card_alarms(index, pair);
            self.stand((pair, Kind::Path), path);
            self.stand((pair, Kind::Error), error);
        }
    }

    /// What a pair's card was told; `None` = left as it was (rule 6).
    #[must_use]
    pub fn wanted_path(&self, pair: u16) -> Option<CardCommand> {
        let set = self.cards.operators.get(&pair).copied();
        set.or(self.cards.wanted)
    }

    fn why_card(&self, pair: u16, to: CardCommand, expired: bool) -> Reason {
        if self.wanted_path(pair) == Some(to) {
            Reason::CardCommanded
        } else if expired {
            Reason::WatchdogExpired
        } else {
            Reason::CardByItself
        }
    }

    fn card_alarms(&self, index: usize, pair: u16) -> (Option<Alarm>, Option<Alarm>) {
        let Some(card) = self.cards.seen.get(index).filter(|c| c.present) else {
            return (None, None);
        };
        let path = card.path;
        let long = self.now.since(self.cards.told_at) >= CARD_PATIENCE;
        let wanted = self.wanted_path(pair).filter(|&w| long && path != Some(w));
        (
            wanted.map(|wanted| Alarm::CardPath { pair, wanted, path }),
            card.error.clone().map(|text| Alarm::Card { pair, text }),
        )
    }

    /// This alarm stands now for this card; another one of its kind no more.
    fn stand(&mut self, key: (u16, Kind), alarm: Option<Alarm>) {
        let stood = self.cards.standing.get(&key);
        if stood == alarm.as_ref() {
            return;
        }
        if let Some(stood) = self.cards.standing.remove(&key) {
            self.alarm(stood, false);
        }
        if let Some(alarm) = alarm {
            self.cards.standing.insert(key, alarm.clone());
            self.alarm(alarm, true);
        }
    }

    /// Tells every card, once this step's heartbeat is out.
    pub(super) fn tell_cards(&mut self, command: CardCommand) {
        self.cards.pending = Some(command);
    }

    /// Rule 14: the peers were told, now the cards.
    pub(super) fn obey_cards(&mut self) {
        let Some(command) = self.cards.pending.take() else {
            return;
        };
        self.cards.wanted = Some(command);
        self.cards.told_at = self.now;
        // The links behind them come up anew.
        (self.cards.inline_since, self.cards.ready_since) = (None, None);
        // Armed as it goes inline: it is to be kicked from now on.
        self.cards.next_kick = self.now;
        for pair in 0..self.pairs.len() {
            let pair = u16::try_from(pair).unwrap_or(u16::MAX);
            if !self.cards.operators.contains_key(&pair) {
                self.out.push(Action::Card { pair, command });
            }
        }
    }

    /// At the end of a start: the cards are told to be inline, and are, or take longer than a card
    /// may. What an operator set is left alone.
    pub(super) fn cards_are_inline(&mut self) -> bool {
        let told = self.cards.pending.or(self.cards.wanted);
        if told != Some(CardCommand::Inline) {
            self.tell_cards(CardCommand::Inline);
        }
        let mut seen = self.cards.seen.iter().enumerate();
        let there = seen.all(|(pair, card)| {
            let pair = u16::try_from(pair).unwrap_or(u16::MAX);
            let inline = card.path == Some(CardCommand::Inline);
            !card.present || inline || self.cards.operators.contains_key(&pair)
        });
        let long =
            self.cards.pending.is_none() && self.now.since(self.cards.told_at) >= CARD_PATIENCE;
        there || long
    }

    /// The end of a start: the cards are inline, and the links behind them had the time to come up.
    /// Who was elected before that would be unfit, hand over at once, and have a flap for it.
    pub(super) fn ready_behind_cards(&mut self) -> bool {
        if !self.cards_are_inline() {
            (self.cards.inline_since, self.cards.ready_since) = (None, None);
            return false;
        }
        let since = *self.cards.inline_since.get_or_insert(self.now);
        let present = self.cards.seen.iter().any(|c| c.present);
        let polls = u32::from(self.settings.recovery_threshold) + 1;
        let patience = self.settings.settle + self.settings.links_interval * polls;
        if !present {
            return true;
        }
        if !self.fit() && self.now.since(since) < patience {
            self.cards.ready_since = None;
            return false;
        }
        // Both cards may let the links up at one moment. Each has to hear how fit the other is now,
        // or both are elected.
        let ready = *self.cards.ready_since.get_or_insert(self.now);
        self.now.since(ready) >= self.settings.interval
    }

    /// A card that was told to be inline is known to be elsewhere: whatever `minimum_active` allows,
    /// that pair's traffic does not come through us.
    pub(super) fn card_away(&self) -> bool {
        let away = |c: &CardSeen| c.present && c.path.is_some_and(|p| p != CardCommand::Inline);
        self.cards.wanted == Some(CardCommand::Inline) && self.cards.seen.iter().any(away)
    }

    /// After `ha clear`: the cards first, then the listening (rule 16).
    pub(super) fn cards_on_the_way(&mut self) -> bool {
        let told = self.cards.pending.or(self.cards.wanted);
        told == Some(CardCommand::Inline) && !self.cards_are_inline()
    }

    /// An operator sets a pair's card.
    pub(super) fn set_bypass(
        &mut self,
        pair: u16,
        path: CardCommand,
        force: bool,
    ) -> Result<String, String> {
        let Some(card) = self.cards.seen.get(usize::from(pair)).filter(|c| c.present) else {
            return Err("this link pair has no bypass card".into());
        };
        let known = card.path;
        if path == CardCommand::Inline {
            if self.cards.wanted != Some(CardCommand::Inline) {
                return Err(match self.phase {
                    Phase::Latched => "latched by too many flaps: `ha clear` brings it back inline",
                    _ => "the instance is not up yet: its cards go inline when it has listened",
                }
                .into());
            }
            self.cards.operators.remove(&pair);
            self.cards.brought_back = 0;
        } else {
            let peer = self.peers.values().find(|p| p.present());
            let joins = matches!(path, CardCommand::Bypass | CardCommand::Tap);
            if let Some(peer) = peer.filter(|_| joins && self.settings.leased() && !force) {
                return Err(format!(
                    "beside instance {} a joined pair is a loop: set disconnect, or add --force",
                    peer.instance()
                ));
            }
            if matches!(self.phase, Phase::Active { .. } | Phase::HandingOver(_))
                && self.settings.leased()
                && !force
            {
                return Err(
                    "this instance is ACTIVE and its traffic would stop: `ha switchover` \
                            first, or add --force"
                        .into(),
                );
            }
            self.cards.operators.insert(pair, path);
        }
        self.cards.forced.remove(&pair);
        if force {
            self.cards.forced.insert(pair);
        }
        self.cards.told_at = self.now;
        self.cards.next_kick = self.now;
        self.out.push(Action::Card {
            pair,
            command: path,
        });
        let was = known.map_or("not known".to_owned(), |p| p.to_string());
        Ok(format!("told to be {path} (it was {was})"))
    }

    /// Rule 14: a pair that an operator joined while no peer was there becomes a loop once one is.
    pub(super) fn open_loops(&mut self) {
        if !self.settings.leased() || self.cards.operators.is_empty() {
            return;
        }
        let carries =
            |p: &&Peer| matches!(p.role(), Some(Role::Init | Role::Passive | Role::Active));
        let Some(peer) = self.peers.values().find(carries).map(Peer::instance) else {
            return;
        };
        let cards = &mut self.cards;
        let mut opened = Vec::new();
        for (&pair, path) in &mut cards.operators {
            let joins = matches!(path, CardCommand::Bypass | CardCommand::Tap);
            if joins && !cards.forced.contains(&pair) {
                *path = CardCommand::Disconnect;
                opened.push(pair);
            }
        }
        for pair in opened {
            self.cards.told_at = self.now;
            self.out.push(Action::Card {
                pair,
                command: CardCommand::Disconnect,
            });
            let text =
                format!("beside instance {peer} a joined pair is a loop: it is disconnected");
            self.event(Subject::Note(text), Reason::CardCommanded);
        }
    }

    /// Rule 15: a kick says that the management core and every worker made progress since the last
    /// one. Who hangs, is killed or loses power kicks no more, and the card takes its own path.
    pub(super) fn kick_watchdogs(&mut self) {
        let Some(every) = self.settings.kick_every else {
            return;
        };
        let armed = self.cards.wanted == Some(CardCommand::Inline);
        if !armed || self.now < self.cards.next_kick {
            return;
        }
        let turns = self.workers.iter().map(|&(turns, _)| turns);
        let moved = |(now, then): (u64, &u64)| now != *then;
        let all_moved = turns.clone().zip(&self.cards.at_kick).all(moved);
        if !all_moved {
            return;
        }
        self.cards.at_kick = turns.collect();
        self.cards.next_kick = self.now + every;
        self.out.push(Action::Kick);
    }

    /// When [`Self::kick_watchdogs`] has something to do next.
    pub(super) fn next_kick(&self) -> Option<Time> {
        let armed = self.cards.wanted == Some(CardCommand::Inline);
        // One that is overdue waits for a worker: no reason to look more often than ever.
        let next = self
            .cards
            .next_kick
            .max(self.now + Duration::from_millis(1));
        (armed && self.settings.kick_every.is_some()).then_some(next)
    }

    /// A card whose watchdog expired while we did not run, or while a worker hung, stays where it is
    /// until it is told otherwise: once all is well again it is brought back, after the listening.
    pub(super) fn bring_cards_back(&mut self) {
        let expired = |c: &CardSeen| c.present && c.expired;
        let ready = match self.phase {
            Phase::Standby { listen_until } => listen_until.is_none(),
            Phase::Active { .. } => true,
            _ => false,
        };
        let since_told = self.now.since(self.cards.told_at);
        let wait = CARD_PATIENCE * (1 << self.cards.brought_back.min(DOUBLINGS));
        if !self.cards.seen.iter().any(expired) {
            if since_told >= CALM {
                self.cards.brought_back = 0;
            }
            return;
        }
        // A worker that hangs is no stalled one yet when a short period is over. No kick would follow.
        let every = self.settings.kick_every.unwrap_or(Duration::MAX);
        let kicked = self.now.since(self.cards.next_kick) < every;
        if ready
            && since_told >= wait
            && !self.worker_stalled
            && kicked
            && self.cards.wanted == Some(CardCommand::Inline)
        {
            self.cards.brought_back += 1;
            self.tell_cards(CardCommand::Inline);
        }
    }

    /// Rule 14: the path of a card without its software. Beside an active peer a wire is a loop.
    pub(super) fn path_without_us(&self) -> CardCommand {
        match (self.settings.mode, self.settings.topology) {
            (Mode::ActivePassive, Topology::Parallel) => CardCommand::Disconnect,
            _ => CardCommand::Bypass,
        }
    }

    /// Rule 14: the path after too many flaps.
    pub(super) fn path_when_latched(&self) -> CardCommand {
        match self.settings.on_max_flaps {
            Some(OnMaxFlaps::Bypass) => CardCommand::Bypass,
            Some(OnMaxFlaps::Disconnect) => CardCommand::Disconnect,
            Some(OnMaxFlaps::Tap) => CardCommand::Tap,
            None => self.path_without_us(),
        }
    }
}
