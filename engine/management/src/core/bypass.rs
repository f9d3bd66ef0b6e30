//! The bypass cards of the link pairs, between the decisions and the cards' threads.

use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::{Duration, Instant};

use twinline_bypass::{Path, PowerEvent};
use twinline_config::BypassCard;
use twinline_control::{Call, Payload, Reply, Request as Command};
use twinline_ha::{CardCommand, CardSeen, Request};

use super::ManagementCore;
use crate::cards::{Answer, CardView, Order};
use crate::convert;

/// A card's thread that showed nothing for so long hangs in its driver: looks come each second, and
/// the slowest verbs take some.
const SILENT: Duration = Duration::from_secs(15);

/// The lock, if nobody has it.
pub(super) fn try_hold(lock: &Mutex<()>) -> Option<MutexGuard<'_, ()>> {
    match lock.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

impl ManagementCore {
    /// What is new of the cards since the last turn.
    pub(super) fn look_at_cards(&mut self) -> Option<Vec<CardSeen>> {
        let mut news = !std::mem::replace(&mut self.cards_shown, true);
        let leased = self.node.settings().leased();
        let pairs = self.config.link_pairs.iter();
        let cards = self.cards.iter().zip(&mut self.cards_seen).zip(pairs);
        for ((card, look), pair) in cards {
            if let (Some(card), Some(of)) = (card, &pair.bypass) {
                let mut view = card.view_after(look.turn);
                if let Some(view) = view.as_mut().filter(|v| leased && v.error.is_none()) {
                    view.error = loop_without_power(of, &view.policies);
                }
                news |= look.take(view, Instant::now());
            }
        }
        news.then(|| self.cards_seen.iter().map(|l| l.seen.clone()).collect())
    }

    pub(super) fn command_card(&mut self, pair: u16, command: CardCommand) {
        if let Some(Some(card)) = self.cards.get(usize::from(pair))
            && !card.order(Order::Path(convert::path_out(command)), None)
        {
            log::error!("a bypass card is too busy to be told to be {command}");
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
                let to = path(to)?;
                // As the configuration has it.
                if event == PowerEvent::WatchdogExpired && to == Path::Inline {
                    return Err(
                        "a watchdog that leaves the card inline guards nothing: a dead engine \
                         would cut the line"
                            .into(),
                    );
                }
                Asked::Card(self.pair_of(pair)?, Order::Policy(event, to))
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

/// What a card does by itself, where nobody chose it, that would be a loop beside an active peer.
fn loop_without_power(of: &BypassCard, policies: &[(PowerEvent, Path)]) -> Option<String> {
    let chosen = [
        (PowerEvent::PowerOff, of.on_power_off, "bypass_on_power_off"),
        (PowerEvent::PowerUp, of.on_power_on, "bypass_on_power_on"),
    ];
    chosen.into_iter().find_map(|(event, chosen, key)| {
        let joins = |&(e, p): &(PowerEvent, Path)| {
            e == event && matches!(p, Path::Bypass | Path::Tap) && chosen.is_none()
        };
        let (_, path) = policies.iter().find(|policy| joins(policy))?;
        Some(format!(
            "{event} leads to {path}: in parallel, beside an active peer, that is a loop; set \
             link_pair.{key}"
        ))
    })
}

/// What the decisions were shown of a card.
pub(super) struct CardLook {
    turn: u64,
    at: Instant,
    seen: CardSeen,
}

impl CardLook {
    /// Nothing yet, of a card that is there or not.
    pub(super) fn none(present: bool) -> Self {
        Self {
            turn: 0,
            at: Instant::now(),
            seen: CardSeen {
                present,
                ..CardSeen::default()
            },
        }
    }

    /// Takes what came of a look, if there was one; true if it is news. What happened between two
    /// looks is told with the next one. A thread that does not come back from its card is news, too.
    fn take(&mut self, view: Option<CardView>, now: Instant) -> bool {
        let Some(view) = view else {
            let silent = now.saturating_duration_since(self.at) >= SILENT;
            let text = silent.then(|| format!("the card has kept its thread for {SILENT:?}"));
            let news = silent && self.seen.error != text;
            if news {
                self.seen.error = text;
            }
            return news;
        };
        let seen = CardSeen {
            present: true,
            path: view.observed.and_then(|o| o.path).map(convert::path_in),
            expired: view.observed.is_some_and(|o| o.expired),
            error: view.error,
        };
        (self.turn, self.at) = (view.turns, now);
        // A look that shows the same is no news.
        let news = seen != self.seen;
        self.seen = seen;
        news
    }
}

/// Whose an operator's wish is.
enum Asked {
    /// The decisions': it may make a loop, or stop the traffic.
    Node(Request),
    /// The card's.
    Card(usize, Order),
}

#[cfg(test)]
mod tests {
    use super::*;
    use twinline_bypass::{Capabilities, Observed, Source};

    fn view(turns: u64, path: Path, error: Option<&str>) -> CardView {
        CardView {
            name: "card".into(),
            found: true,
            capabilities: Capabilities::NONE,
            wanted: None,
            observed: Some(Observed {
                path: Some(path),
                source: Source::Sensed,
                watchdog: None,
                changed: false,
                expired: false,
            }),
            looked_at: None,
            policies: Vec::new(),
            kicks: 0,
            stale_kicks: 0,
            error: error.map(str::to_owned),
            turns,
        }
    }

    #[test]
    fn looks_that_differ_are_news_and_a_card_that_keeps_its_thread_is() {
        let mut look = CardLook::none(true);
        let now = Instant::now();
        assert!(look.take(Some(view(1, Path::Inline, None)), now));
        assert!(!look.take(Some(view(2, Path::Inline, None)), now));
        assert!(!look.take(None, now));
        assert!(look.take(Some(view(3, Path::Inline, Some("it failed"))), now));
        assert_eq!(look.seen.error.as_deref(), Some("it failed"));
        assert!(look.take(None, now + SILENT));
        assert!(look.seen.error.as_deref().unwrap().contains("thread"));
        assert!(!look.take(None, now + SILENT * 2), "said once");
        assert!(look.take(Some(view(4, Path::Inline, None)), now));
        assert_eq!(look.seen.error, None);
    }
}
