//! The card of a pair that has none.

use std::time::Duration;

use crate::{Capabilities, Card, CardError, Observed, Path, PowerEvent, Side, Source};

/// The card of a pair that has none: always inline, no relays, no watchdog.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCard;

fn without<T>(what: &str) -> Result<T, CardError> {
    Err(CardError::NotCapable(format!("no bypass card, so {what}")))
}

impl Card for NoCard {
    fn name(&self) -> &str {
        "none"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::NONE
    }

    fn observe(&mut self) -> Result<Observed, CardError> {
        Ok(Observed {
            path: Some(Path::Inline),
            source: Source::Shadow,
            watchdog: None,
            changed: false,
            expired: false,
        })
    }

    fn set_path(&mut self, path: Path) -> Result<(), CardError> {
        match path {
            Path::Inline => Ok(()),
            _ => without("the pair's cables stay inline"),
        }
    }

    fn policy(&mut self, _event: PowerEvent) -> Result<Path, CardError> {
        without("no path of its own")
    }

    fn set_policy(&mut self, _event: PowerEvent, _path: Path) -> Result<(), CardError> {
        without("no path of its own")
    }

    fn arm_watchdog(&mut self, _period: Duration) -> Result<Duration, CardError> {
        without("no watchdog")
    }

    fn disarm_watchdog(&mut self) -> Result<(), CardError> {
        Ok(())
    }

    fn kick(&mut self) -> Result<(), CardError> {
        Ok(())
    }

    fn inhibit(&mut self, _inhibited: bool) -> Result<(), CardError> {
        without("nothing to inhibit")
    }

    fn set_tx(&mut self, _side: Side, _on: bool) -> Result<(), CardError> {
        without("no switch for the transmitter")
    }

    fn set_two_port_link(&mut self, _on: bool) -> Result<(), CardError> {
        without("no two-port link")
    }

    fn clear_changed(&mut self) -> Result<(), CardError> {
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
        let seen = card.observe().unwrap();
        assert_eq!((seen.path, seen.watchdog), (Some(Path::Inline), None));
        assert!(card.arm_watchdog(Duration::from_secs(1)).is_err());
        assert_eq!(card.kick(), Ok(()));
    }
}
