//! Bypass cards: the trait that every card speaks, and the card that is not there.
//!
//! A card's relays join (bypass), open (disconnect) or leave alone (inline) the two cables of a
//! link pair, whatever the software does. This crate has the trait and the `none` card; the
//! drivers of real cards implement the same trait.
#![forbid(unsafe_code)]

use std::fmt;
use std::time::Duration;

/// What the relays do with a pair's two cables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Path {
    /// The software is in the way.
    Inline,
    /// The cables are joined.
    Bypass,
    /// The cables are open.
    Disconnect,
    /// The cables are joined, and the software listens.
    Tap,
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Inline => "inline",
            Self::Bypass => "bypass",
            Self::Disconnect => "disconnect",
            Self::Tap => "tap",
        })
    }
}

/// How a card knows the path that it reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// Read from a pin that the relays drive.
    Sensed,
    /// Reported by the card's controller.
    Reported,
    /// Only what was last commanded.
    Shadow,
}

/// What a look at a card shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observed {
    /// The path.
    pub path: Path,
    /// How the card knows it.
    pub source: Source,
    /// The watchdog's period while it is armed.
    pub watchdog: Option<Duration>,
}

/// What went wrong with a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CardError {
    /// The card cannot do this.
    #[error("this card cannot do that: {0}")]
    NotCapable(&'static str),
}

/// One link pair's bypass card.
pub trait Card: Send + fmt::Debug {
    /// The card's name, for operators.
    fn name(&self) -> &str;

    /// Looks at the card.
    ///
    /// # Errors
    /// [`CardError`]
    fn observe(&mut self) -> Result<Observed, CardError>;

    /// Sets the path.
    ///
    /// # Errors
    /// [`CardError::NotCapable`] when the card has no such path.
    fn set_path(&mut self, path: Path) -> Result<(), CardError>;

    /// Arms the watchdog; returns the period that the card really uses, rounded up to its ladder.
    ///
    /// # Errors
    /// [`CardError::NotCapable`] when the card has no watchdog.
    fn arm_watchdog(&mut self, period: Duration) -> Result<Duration, CardError>;

    /// Disarms the watchdog.
    ///
    /// # Errors
    /// [`CardError`]
    fn disarm_watchdog(&mut self) -> Result<(), CardError>;

    /// Tells the watchdog that all is well.
    ///
    /// # Errors
    /// [`CardError`]
    fn kick(&mut self) -> Result<(), CardError>;
}

/// The card of a pair that has none: always inline, no relays, no watchdog.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCard;

impl Card for NoCard {
    fn name(&self) -> &str {
        "none"
    }

    fn observe(&mut self) -> Result<Observed, CardError> {
        Ok(Observed {
            path: Path::Inline,
            source: Source::Shadow,
            watchdog: None,
        })
    }

    fn set_path(&mut self, path: Path) -> Result<(), CardError> {
        match path {
            Path::Inline => Ok(()),
            _ => Err(CardError::NotCapable(
                "no bypass card: the pair's cables stay inline",
            )),
        }
    }

    fn arm_watchdog(&mut self, _period: Duration) -> Result<Duration, CardError> {
        Err(CardError::NotCapable("no bypass card, so no watchdog"))
    }

    fn disarm_watchdog(&mut self) -> Result<(), CardError> {
        Ok(())
    }

    fn kick(&mut self) -> Result<(), CardError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_that_is_not_there_is_inline_and_says_what_it_cannot_do() {
        let mut card: Box<dyn Card> = Box::new(NoCard);
        assert_eq!(card.set_path(Path::Inline), Ok(()));
        for path in [Path::Bypass, Path::Disconnect, Path::Tap] {
            assert!(matches!(card.set_path(path), Err(CardError::NotCapable(_))));
        }
        assert_eq!(
            card.observe().map(|o| (o.path, o.watchdog)),
            Ok((Path::Inline, None))
        );
        assert!(card.arm_watchdog(Duration::from_secs(1)).is_err());
        assert_eq!(card.kick(), Ok(()));
    }
}
