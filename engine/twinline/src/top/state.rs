//! What is known of the engine, and how old it is.

use std::collections::VecDeque;
use std::time::Duration;

use twinline_control::{
    BandwidthStatus, BypassStatus, Event, HaStatus, LinkPairStatus, PortStatus,
    VirtualRoutersStatus,
};

use super::rates::Rates;

/// No more events are kept.
const EVENTS: usize = 2000;

/// What a round of questions brought.
#[derive(Debug, Clone)]
pub enum News {
    /// Answers.
    Answers(Box<Answers>),
    /// The engine could not be asked: why.
    Away(String),
}

/// One round of answers. A part is `None` where the engine does not know the question.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answers {
    /// Role, peers, alarms.
    pub ha: HaStatus,
    /// Link pairs.
    pub pairs: Option<Vec<LinkPairStatus>>,
    /// Ports.
    pub ports: Option<Vec<PortStatus>>,
    /// Bandwidth and its minimum.
    pub bandwidth: Option<BandwidthStatus>,
    /// Bypass cards.
    pub bypass: Option<Vec<BypassStatus>>,
    /// Virtual routers.
    pub routers: Option<VirtualRoutersStatus>,
    /// Events since the last round, oldest first.
    pub events: Option<Vec<Event>>,
    /// The engine is another run than in the last round.
    pub restarted: bool,
}

/// All that is known.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// The socket's path.
    pub socket: String,
    /// The last answers.
    pub answers: Option<Answers>,
    /// When they came.
    pub at: Duration,
    /// Since when the engine could not be asked, and why.
    pub away: Option<(Duration, String)>,
    /// Events, oldest first; `None` where the engine has none to tell.
    pub events: Option<VecDeque<Event>>,
    /// Rates.
    pub rates: Rates,
}

impl State {
    /// Nothing is known yet.
    pub fn new(socket: String) -> State {
        State {
            socket,
            ..State::default()
        }
    }

    /// Takes what a round brought at `now`. Returns how many events are new.
    pub fn take(&mut self, news: News, now: Duration) -> usize {
        let mut answers = match news {
            News::Answers(answers) => *answers,
            News::Away(why) => {
                let since = self.away.as_ref().map_or(now, |(since, _)| *since);
                self.away = Some((since, why));
                self.rates.gap();
                return 0;
            }
        };
        if answers.restarted {
            self.rates.restart();
            self.events = None;
        }
        self.rates.take(
            now,
            answers.ports.as_deref().unwrap_or_default(),
            answers.pairs.as_deref().unwrap_or_default(),
            answers.bandwidth.as_ref().map(|b| b.measured_bps),
        );
        let new = answers.events.take();
        let count = new.as_ref().map_or(0, Vec::len);
        if let Some(new) = new {
            let events = self.events.get_or_insert_default();
            events.extend(new);
            let surplus = events.len().saturating_sub(EVENTS);
            events.drain(..surplus);
        }
        self.answers = Some(answers);
        self.at = now;
        self.away = None;
        count
    }

    /// The last change of the role that the events tell of.
    pub fn last_role_change(&self) -> Option<&Event> {
        let events = self.events.as_ref()?;
        events.iter().rev().find(|event| event.what == "role")
    }

    /// A pair's card.
    pub fn card(&self, pair: &str) -> Option<&BypassStatus> {
        let cards = self.answers.as_ref()?.bypass.as_ref()?;
        cards.iter().find(|card| card.pair == pair)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(seqs: &[u64], restarted: bool) -> News {
        News::Answers(Box::new(Answers {
            events: Some(
                seqs.iter()
                    .map(|&seq| Event {
                        seq,
                        what: if seq == 2 {
                            "role".into()
                        } else {
                            "alarm".into()
                        },
                        ..Event::default()
                    })
                    .collect(),
            ),
            restarted,
            ..Answers::default()
        }))
    }

    #[test]
    fn events_add_up_until_the_engine_restarts() {
        let mut state = State::new("s".into());
        assert_eq!(
            state.take(answers(&[1, 2], true), Duration::from_secs(1)),
            2
        );
        assert_eq!(state.take(answers(&[3], false), Duration::from_secs(2)), 1);
        assert_eq!(state.last_role_change().unwrap().seq, 2);
        assert_eq!(state.events.as_ref().unwrap().len(), 3);
        state.take(answers(&[1], true), Duration::from_secs(3));
        assert_eq!(state.events.as_ref().unwrap().len(), 1);
        let many: Vec<u64> = (2..5000).collect();
        state.take(answers(&many, false), Duration::from_secs(4));
        assert_eq!(state.events.as_ref().unwrap().len(), EVENTS);
        assert_eq!(state.events.as_ref().unwrap().back().unwrap().seq, 4999);
    }

    #[test]
    fn data_stays_while_the_engine_is_away() {
        let mut state = State::new("s".into());
        state.take(answers(&[1], true), Duration::from_secs(1));
        state.take(News::Away("gone".into()), Duration::from_secs(2));
        state.take(News::Away("still gone".into()), Duration::from_secs(3));
        assert_eq!(
            state.away,
            Some((Duration::from_secs(2), "still gone".into()))
        );
        assert_eq!(state.at, Duration::from_secs(1));
        assert!(state.answers.is_some());
        state.take(answers(&[], false), Duration::from_secs(4));
        assert_eq!(
            (state.away.as_ref(), state.at),
            (None, Duration::from_secs(4))
        );
    }
}
