//! The bypass cards of the link pairs, between the decisions and the cards' threads.

use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::Duration;

use twinline_bypass::{Path, PowerEvent};
use twinline_control::{Call, Payload, Reply, Request as Command};
use twinline_ha::{CardCommand, CardSeen, Request};

use super::ManagementCore;
use crate::cards::{Answer, CardHandle, Order};
use crate::convert;

/// The lock, if nobody has it.
fn try_hold(lock: &Mutex<()>) -> Option<MutexGuard<'_, ()>> {
    match lock.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

impl ManagementCore {
    /// Takes ports down and lets them up, in order, as soon as their card lets us: what a driver
    /// does to a port then may move the pins over which the card's frames run.
    pub(super) fn set_waiting_ports(&mut self) {
        while let Some(&(pair, side, up)) = self.ports_waiting.front() {
            let card = self.cards.get(usize::from(pair)).and_then(Option::as_ref);
            let serial = card.map(CardHandle::serial);
            let Some(_held) = serial
                .as_deref()
                .map_or(Some(None), |s| try_hold(s).map(Some))
            else {
                return;
            };
            self.ports_waiting.pop_front();
            self.set_port(pair, side, up);
        }
    }

    /// What is new of the cards since the last turn.
    pub(super) fn look_at_cards(&mut self) -> Option<Vec<CardSeen>> {
        let mut news = !std::mem::replace(&mut self.cards_shown, true);
        for (card, (turn, seen)) in self.cards.iter().zip(&mut self.cards_seen) {
            let Some(card) = card else { continue };
            let view = card.view();
            let now = CardSeen {
                present: true,
                path: view.observed.and_then(|o| o.path).map(convert::path_in),
                expired: view.observed.is_some_and(|o| o.expired),
                error: view.error,
            };
            // A look that shows the same is no news.
            news |= view.turns != *turn && now != *seen;
            (*turn, *seen) = (view.turns, now);
        }
        news.then(|| {
            self.cards_seen
                .iter()
                .map(|(_, seen)| seen.clone())
                .collect()
        })
    }

    pub(super) fn command_card(&mut self, pair: u16, command: CardCommand) {
        if let Some(Some(card)) = self.cards.get(usize::from(pair)) {
            card.order(Order::Path(convert::path_out(command)), None);
        }
    }

    /// What an operator asks of a card: what the node decides is given back, the rest goes to the
    /// card's thread, which answers.
    pub(super) fn bypass_call(&mut self, call: Call) -> Option<(Request, Call)> {
        let asked = self.bypass_asked(call.request());
        match asked {
            Ok(Asked::Node(request)) => Some((request, call)),
            Ok(Asked::Card(index, order)) => {
                let answer: Answer = Box::new(move |result| {
                    call.answer(match result {
                        Ok(message) => Reply::Ok(Payload::Done { message }),
                        Err(reason) => Reply::Refused { reason },
                    });
                });
                if let Some(Some(card)) = self.cards.get(index) {
                    card.order(order, Some(answer));
                } else {
                    answer(Err("this link pair has no bypass card".into()));
                }
                None
            }
            Err(reason) => {
                call.answer(Reply::Refused { reason });
                None
            }
        }
    }

    fn bypass_asked(&self, command: &Command) -> Result<Asked, String> {
        let path = |text: &str| text.parse::<Path>().map_err(|error| error.to_string());
        Ok(match command {
            Command::SetBypass {
                pair,
                path: to,
                force,
            } => Asked::Node(Request::Bypass {
                pair: u16::try_from(self.pair_of(pair)?).unwrap_or(u16::MAX),
                path: convert::path_in(path(to)?),
                force: *force,
            }),
            Command::SetBypassEvent {
                pair,
                event,
                path: to,
            } => {
                let event = event.parse::<PowerEvent>();
                let event = event.map_err(|error| error.to_string())?;
                Asked::Card(self.pair_of(pair)?, Order::Policy(event, path(to)?))
            }
            Command::SetBypassWatchdog { pair, period_ms } => {
                let period = (*period_ms > 0).then(|| Duration::from_millis(*period_ms));
                Asked::Card(self.pair_of(pair)?, Order::Watchdog(period))
            }
            _ => return Err("this is no command for a bypass card".into()),
        })
    }

    fn pair_of(&self, name: &str) -> Result<usize, String> {
        let mut pairs = self.appliance.pairs.iter();
        pairs.position(|pair| pair.name == name).ok_or_else(|| {
            let names = self.appliance.pairs.iter().map(|pair| pair.name.as_str());
            let names = names.collect::<Vec<_>>().join(", ");
            format!("no link pair {name}; there are: {names}")
        })
    }
}

/// Whose an operator's wish is.
enum Asked {
    /// The decisions': it may make a loop, or stop the traffic.
    Node(Request),
    /// The card's.
    Card(usize, Order),
}
