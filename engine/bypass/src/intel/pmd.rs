//! The same adapters through DPDK's ixgbe driver (`rte_pmd_ixgbe_bypass_*`).
//!
//! Where that driver runs the port, it also owns the pins, so it has to be the one that speaks to
//! the card. This crate knows no DPDK: whoever does implements [`Calls`].

use std::fmt;
use std::time::Duration;

use super::adapter::{capabilities, no};
use super::words::{Action, ladder};
use super::{WORD_TIME, function_of};
use crate::{
    Capabilities, Card, CardError, Observed, Path, PowerEvent, Side, Source, WatchdogPeriods,
};

/// The driver's functions, on one port. Each returns the driver's own code when it fails: most are
/// negative errnos, but some are -32 or -35 of its own, and some are *positive* errnos.
#[allow(clippy::missing_errors_doc)] // said above, for all of them
pub trait Calls: Send {
    /// Before all others. Says that all is well on an ixgbe port without a bypass adapter too.
    fn init(&mut self) -> Result<(), i32>;
    /// 1 normal, 2 bypass, 3 isolate.
    fn state_show(&mut self) -> Result<u32, i32>;
    /// Sets the state, and lets events work again.
    fn state_set(&mut self, state: u32) -> Result<(), i32>;
    /// The state on an event: 1 main on, 2 aux on, 3 main off, 4 aux off, 5 watchdog.
    fn event_show(&mut self, event: u32) -> Result<u32, i32>;
    /// Sets the state on an event.
    fn event_store(&mut self, event: u32, state: u32) -> Result<(), i32>;
    /// 0 off, 1 to 7: 1.5, 2, 3, 4, 8, 16, 32 s.
    fn wd_timeout_show(&mut self) -> Result<u32, i32>;
    /// Sets the timeout; 0 switches the watchdog off.
    fn wd_timeout_store(&mut self, timeout: u32) -> Result<(), i32>;
    /// Pets the watchdog.
    fn wd_reset(&mut self) -> Result<(), i32>;
    /// The firmware's version.
    fn ver_show(&mut self) -> Result<u32, i32>;
}

const ENOSYS: u32 = 38;
const ENOTSUP: u32 = 95;
const ENODEV: u32 = 19;
const EBUSY: u32 = 16;

fn refused(code: i32) -> CardError {
    match code.unsigned_abs() {
        ENOTSUP | ENOSYS => CardError::NotCapable("DPDK's driver says so".into()),
        ENODEV => CardError::Gone,
        EBUSY => CardError::Busy("another call of DPDK's driver is under way".into()),
        _ => CardError::Rejected(code),
    }
}

/// The event's number. The header's own check of it refuses 4 and 5, by mistake: so it is not used.
const fn number(event: PowerEvent) -> u32 {
    match event {
        PowerEvent::OsOn => 1,
        PowerEvent::PowerUp => 2,
        PowerEvent::OsOff => 3,
        PowerEvent::PowerOff => 4,
        PowerEvent::WatchdogExpired => 5,
    }
}

/// The watchdog's ladder without its first step: the driver uses the value 0 for off, so 1 s cannot
/// be had.
fn periods() -> WatchdogPeriods {
    WatchdogPeriods::new(ladder().as_slice()[1..].to_vec())
}

/// An adapter that DPDK's driver speaks to.
pub struct Pmd<C> {
    calls: C,
    name: String,
    /// The path that we saw or commanded last.
    expected: Option<Path>,
    /// The watchdog was on when last seen.
    guarded: bool,
    /// The watchdog's state, where an operator chose one.
    chosen: Option<Action>,
    changed: bool,
    expired: bool,
    /// The watchdog has expired since it was armed, told or not.
    spent: bool,
}

impl<C> fmt::Debug for Pmd<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pmd")
            .field("name", &self.name)
            .field("expected", &self.expected)
            .finish_non_exhaustive()
    }
}

impl<C: Calls> Pmd<C> {
    /// Finds the card behind a port. `address` is the port's PCI address.
    ///
    /// # Errors
    /// [`CardError::NotMaster`] for any function but 0, [`CardError::NotCapable`] when the port has
    /// no bypass adapter, and what the driver refuses with.
    pub fn open(mut calls: C, address: &str) -> Result<Self, CardError> {
        if function_of(address) != Some(0) {
            return Err(CardError::NotMaster(address.into()));
        }
        calls.init().map_err(refused)?;
        // That was no proof: this is.
        let state = calls.state_show().map_err(|code| match refused(code) {
            CardError::NotCapable(_) => {
                CardError::NotCapable(format!("{address} has no bypass adapter"))
            }
            other => other,
        })?;
        let version = calls.ver_show().map_err(refused)?;
        let mut card = Self {
            calls,
            name: format!("Intel bypass through DPDK, firmware {version}"),
            expected: Action::of(state).path(),
            guarded: false,
            chosen: None,
            changed: false,
            expired: false,
            spent: false,
        };
        card.guarded = card.timeout()? != 0;
        let led = card.led()?;
        card.expired = card.guarded && led == card.expected && led != Some(Path::Inline);
        card.spent = card.expired;
        Ok(card)
    }

    fn path(&mut self) -> Result<Option<Path>, CardError> {
        let state = self.calls.state_show().map_err(refused)?;
        // Nothing above 3 is a state, and 0 is none either.
        Ok((state <= 3).then(|| Action::of(state).path()).flatten())
    }

    fn timeout(&mut self) -> Result<u32, CardError> {
        self.calls.wd_timeout_show().map_err(refused)
    }

    fn on(&mut self, event: PowerEvent) -> Result<Action, CardError> {
        let state = self.calls.event_show(number(event)).map_err(refused)?;
        Ok(Action::of(state))
    }

    /// Where the watchdog leads to.
    fn led(&mut self) -> Result<Option<Path>, CardError> {
        self.on(PowerEvent::WatchdogExpired).map(Action::path)
    }

    /// Looks, and draws conclusions.
    fn look(&mut self) -> Result<(Option<Path>, u32), CardError> {
        let path = self.path()?;
        let timeout = self.timeout()?;
        let moved = path != self.expected;
        if self.guarded && (timeout == 0 || moved && self.led()? == path) {
            self.expired = true;
            self.spent = true;
        }
        self.changed |= moved;
        self.expected = path;
        self.guarded = timeout != 0;
        Ok((path, timeout))
    }

    /// Stores a timeout, and looks whether it is there.
    fn store(&mut self, timeout: u32) -> Result<(), CardError> {
        self.calls.wd_timeout_store(timeout).map_err(refused)?;
        let read = self.timeout()?;
        if read != timeout {
            return Err(CardError::NotKept {
                what: "the watchdog",
                wrote: timeout,
                read,
            });
        }
        self.guarded = timeout != 0;
        Ok(())
    }

    fn set_event(&mut self, event: PowerEvent, action: Action) -> Result<(), CardError> {
        if self.on(event)? == action {
            return Ok(());
        }
        let stored = self.calls.event_store(number(event), action as u32);
        stored.map_err(refused)?;
        let read = self.on(event)?;
        if read != action {
            return Err(CardError::NotKept {
                what: "the policy",
                wrote: action as u32,
                read: read as u32,
            });
        }
        Ok(())
    }
}

impl<C: Calls> Card for Pmd<C> {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            // To arm one that has expired: look (3 words), event (1 + 8 + 1), off and on (9 each).
            longest_verb: WORD_TIME * 31,
            ..capabilities(periods())
        }
    }

    fn observe(&mut self) -> Result<Observed, CardError> {
        let (path, timeout) = self.look()?;
        let step = usize::try_from(timeout).ok().and_then(|t| t.checked_sub(1));
        Ok(Observed {
            path,
            source: Source::Reported,
            watchdog: step.and_then(|step| periods().as_slice().get(step).copied()),
            changed: self.changed,
            expired: self.expired,
        })
    }

    fn set_path(&mut self, path: Path) -> Result<(), CardError> {
        let action = Action::try_from(path)?;
        if self.look()?.0 == Some(path) {
            return Ok(());
        }
        self.changed = true;
        self.expected = Some(path);
        self.calls.state_set(action as u32).map_err(refused)?;
        match self.path()? {
            Some(got) if got == path => Ok(()),
            Some(got) => Err(CardError::Verify { want: path, got }),
            None => Err(CardError::Timeout(WORD_TIME)),
        }
    }

    fn policy(&mut self, event: PowerEvent) -> Result<Path, CardError> {
        self.on(event)?.path().ok_or_else(|| CardError::Range {
            what: "the card's policy",
            got: "auto".into(),
            accepted: "normal, bypass, isolate".into(),
        })
    }

    fn set_policy(&mut self, event: PowerEvent, path: Path) -> Result<(), CardError> {
        let action = Action::try_from(path)?;
        self.set_event(event, action)?;
        if event == PowerEvent::WatchdogExpired {
            self.chosen = Some(action);
        }
        Ok(())
    }

    /// As [`super::Adapter`] does it: an action of auto or normal becomes bypass, unless it was
    /// chosen in this session.
    fn arm_watchdog(&mut self, period: Duration) -> Result<Duration, CardError> {
        let (place, period) = periods().round_up(period)?;
        let wanted = u32::try_from(place + 1).unwrap_or(7);
        let (path, timeout) = self.look()?;
        let event = PowerEvent::WatchdogExpired;
        if matches!(self.on(event)?, Action::Auto | Action::Normal) {
            let action = self.chosen.unwrap_or(Action::Bypass);
            self.set_event(event, action)?;
        }
        if timeout != 0 && (self.spent || path != Some(Path::Inline)) {
            // One that has expired may count again only after it was off.
            self.store(0)?;
            self.store(wanted)?;
        } else if timeout == wanted {
            self.calls.wd_reset().map_err(refused)?;
        } else {
            self.store(wanted)?;
        }
        self.expired = false;
        self.spent = false;
        Ok(period)
    }

    fn disarm_watchdog(&mut self) -> Result<(), CardError> {
        if self.look()?.1 == 0 {
            return Ok(());
        }
        self.store(0)
    }

    fn kick(&mut self) -> Result<(), CardError> {
        self.calls.wd_reset().map_err(refused)
    }

    fn inhibit(&mut self, _inhibited: bool) -> Result<(), CardError> {
        Err(CardError::NotCapable(
            "DPDK's driver always lets events work".into(),
        ))
    }

    fn set_tx(&mut self, _side: Side, _on: bool) -> Result<(), CardError> {
        Err(no("switch for the transmitters"))
    }

    fn set_two_port_link(&mut self, _on: bool) -> Result<(), CardError> {
        Err(no("two-port link"))
    }

    fn clear_changed(&mut self) -> Result<(), CardError> {
        self.changed = false;
        self.expired = false;
        Ok(())
    }
}
