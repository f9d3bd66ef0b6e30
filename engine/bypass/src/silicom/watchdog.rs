//! The watchdog, kicks, and what the card remembers of both.

use std::time::Duration;

use super::adapter::Adapter;
use super::commands::{command, flag, flags_of, register, settle, status};
use super::sense::single;
use crate::{CardError, Delay, Path, RegisterIo};

impl<H: RegisterIo + Delay> Adapter<H> {
    /// Arms the watchdog with the shortest period that is not shorter than this one.
    pub(super) fn arm(&mut self, wanted: Duration) -> Result<Duration, CardError> {
        let (place, period) = self.identity.watchdog().round_up(wanted)?;
        let exponent = u8::try_from(place).unwrap_or(0xF);
        let code = command::WATCHDOG | exponent;
        self.memory.running = true;
        self.controller.command(code, settle::LATCH)?;
        let state = self.controller.read(register::STATUS)?;
        let kept = self.controller.read(register::WATCHDOG)?;
        if state & status::WATCHDOG_ENABLED == 0 || kept & 0xF != exponent {
            return Err(CardError::NotKept {
                what: "its watchdog",
                wrote: u32::from(code),
                read: u32::from(kept),
            });
        }
        // The shortest period is far longer than the time since the command.
        self.memory.flag_stuck = state & status::EXPIRED != 0;
        self.memory.expired = false;
        self.memory.acknowledged = false;
        self.memory.armed = Some(exponent);
        // What the card had left inline for before is no news any more.
        if let Some(path) = single(self.candidates()?) {
            self.memory.path = Some(path);
        }
        Ok(period)
    }

    /// Disarms the watchdog.
    pub(super) fn disarm(&mut self) -> Result<(), CardError> {
        self.controller
            .command(command::WATCHDOG_OFF, settle::LATCH)?;
        let state = self.controller.read(register::STATUS)?;
        if state & status::WATCHDOG_ENABLED != 0 {
            return Err(CardError::NotKept {
                what: "its watchdog off",
                wrote: u32::from(command::WATCHDOG_OFF),
                read: u32::from(state),
            });
        }
        self.memory.armed = None;
        self.memory.running = false;
        Ok(())
    }

    /// One pulse, unless the card has left inline by itself.
    pub(super) fn pulse(&mut self) -> Result<(), CardError> {
        let seen = single(self.candidates()?).or(self.memory.path);
        let by_itself = self.memory.expired || self.memory.path == Some(Path::Inline);
        if let Some(got) = seen.filter(|&p| p != Path::Inline && by_itself) {
            return Err(CardError::Verify {
                want: Path::Inline,
                got,
            });
        }
        self.controller.link.kick()
    }

    /// Writes the flags of change back as 0, and tries the same with expiry's. A card whose flag
    /// of expiry stays until it is armed again is not asked twice.
    pub(super) fn forget_changes(&mut self) -> Result<(), CardError> {
        let can = self.identity.paths();
        let forget = flag::CHANGED | status::EXPIRED;
        for path in [Path::Bypass, Path::Tap, Path::Disconnect] {
            if path != Path::Bypass && !can.has(path) {
                continue;
            }
            let mask = match path {
                Path::Bypass => forget,
                _ => flag::CHANGED,
            };
            let flags = self.controller.read(flags_of(path))?;
            if flags & mask == 0 {
                continue;
            }
            self.controller
                .write(flags_of(path), flags & !mask, settle::LATCH)?;
            let kept = self.controller.read(flags_of(path))?;
            if kept & flag::CHANGED != 0 {
                return Err(CardError::NotKept {
                    what: "that its changes are forgotten",
                    wrote: u32::from(flags & !mask),
                    read: u32::from(kept),
                });
            }
            if path == Path::Bypass {
                self.memory.acknowledged = kept & status::EXPIRED != 0;
            }
        }
        self.memory.changed = false;
        Ok(())
    }
}
