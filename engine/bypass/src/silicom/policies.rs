//! Where events lead. These settings are in an EEPROM: read first, written only on difference.

use super::adapter::Adapter;
use super::commands::{command, flag, flags_of, power_up, register, settle, status};
use crate::{CardError, Delay, Path, PowerEvent, RegisterIo};

/// The two with a register of their own.
const OWN: [Path; 2] = [Path::Disconnect, Path::Tap];

impl<H: RegisterIo + Delay> Adapter<H> {
    fn knows(&self, event: PowerEvent) -> Result<(), CardError> {
        if self.identity.events().iter().any(|&(e, _)| e == event) {
            return Ok(());
        }
        self.cannot(&format!("setting for {event}"))
    }

    /// Where an event leads.
    pub(super) fn read_policy(&mut self, event: PowerEvent) -> Result<Path, CardError> {
        self.knows(event)?;
        match event {
            PowerEvent::PowerUp => {
                if let Some(path) = self.flagged(flag::POWER_UP)? {
                    return Ok(path);
                }
                self.inline_or_bypass(flag::POWER_UP)
            }
            PowerEvent::PowerOff => self.inline_or_bypass(status::POWER_OFF),
            _ => Ok(self.flagged(flag::EXPIRE)?.unwrap_or(Path::Bypass)),
        }
    }

    /// Which of the two with a register of their own has this flag.
    fn flagged(&mut self, flag: u8) -> Result<Option<Path>, CardError> {
        let can = self.identity.paths();
        for path in OWN.into_iter().filter(|&p| can.has(p)) {
            if self.controller.read(flags_of(path))? & flag != 0 {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    fn inline_or_bypass(&mut self, flag: u8) -> Result<Path, CardError> {
        let state = self.controller.read(register::STATUS)?;
        Ok(if state & flag != 0 {
            Path::Inline
        } else {
            Path::Bypass
        })
    }

    /// Sets where an event leads.
    pub(super) fn write_policy(&mut self, event: PowerEvent, path: Path) -> Result<(), CardError> {
        self.knows(event)?;
        let mut events = self.identity.events().into_iter();
        if !events.any(|(e, paths)| e == event && paths.has(path)) {
            return self.cannot(&format!("{path} for {event}"));
        }
        if self.read_policy(event)? == path {
            return Ok(());
        }
        match event {
            PowerEvent::PowerUp => self.controller.command(power_up(path), settle::EEPROM)?,
            PowerEvent::PowerOff => {
                let code = match path {
                    Path::Inline => command::POWER_OFF_INLINE,
                    _ => command::POWER_OFF_BYPASS,
                };
                self.controller.command(code, settle::EEPROM)?;
            }
            _ => self.expire_to(path)?,
        }
        let kept = self.read_policy(event)?;
        if kept == path {
            return Ok(());
        }
        Err(CardError::NotKept {
            what: "where an event leads",
            wrote: u32::from(power_up(path)),
            read: u32::from(power_up(kept)),
        })
    }

    /// The flag of the wanted path is set, the other one's is cleared: first, so that there are
    /// never two. Neither means bypass.
    fn expire_to(&mut self, path: Path) -> Result<(), CardError> {
        let can = self.identity.paths();
        let mut order = OWN;
        if path == Path::Disconnect {
            order.reverse();
        }
        for own in order.into_iter().filter(|&p| can.has(p)) {
            let flags = self.controller.read(flags_of(own))?;
            let wanted = if own == path {
                flags | flag::EXPIRE
            } else {
                flags & !flag::EXPIRE
            };
            if wanted != flags {
                self.controller
                    .write(flags_of(own), wanted, settle::EEPROM)?;
            }
        }
        Ok(())
    }
}
