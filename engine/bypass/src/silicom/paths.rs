//! Taking a path, and forbidding the card to leave inline.

use super::adapter::Adapter;
use super::commands::{flag, flags_of, forbid, leave, settle, take};
use super::sense::single;
use crate::{CardError, Delay, Path, RegisterIo};

/// Those that a card leaves inline for.
const AWAY: [Path; 3] = [Path::Bypass, Path::Tap, Path::Disconnect];

impl<H: RegisterIo + Delay> Adapter<H> {
    /// Takes a path: command, settle, look at the pins.
    pub(super) fn take(&mut self, want: Path) -> Result<(), CardError> {
        if !self.identity.paths().has(want) {
            return self.cannot(want.name());
        }
        let before = single(self.candidates()?);
        if want == Path::Inline {
            self.leave(before)?;
        } else {
            self.controller.command(take(want), settle::LATCH)?;
        }
        let mut after = single(self.candidates()?);
        // Whether one path's command ends another path is not known to us.
        if let Some(old) = before.filter(|&p| p != Path::Inline && p != want)
            && after != Some(want)
        {
            self.controller.command(leave(old), settle::LATCH)?;
            after = single(self.candidates()?);
        }
        // Pins that have moved to the wanted path are proof. Pins that showed it before, or cannot
        // tell it from another one, are not: one may be stuck.
        if after == Some(want) && before.is_some_and(|p| p != want) {
            self.memory.path = after;
            return Ok(());
        }
        let look = self.look()?;
        self.memory.path = look.path;
        match look.path {
            Some(path) if path == want => Ok(()),
            _ if look.forbidden.has(want) => Err(CardError::Inhibited),
            Some(got) => Err(CardError::Verify { want, got }),
            None => Err(CardError::NotKept {
                what: "its path (sense pins and flags contradict each other)",
                wrote: u32::from(take(want)),
                read: u32::from(self.controller.read(flags_of(want))?),
            }),
        }
    }

    /// Leaves the path that the pins show; every one when they show none, or inline already.
    fn leave(&mut self, before: Option<Path>) -> Result<(), CardError> {
        let can = self.identity.paths();
        for path in AWAY.into_iter().filter(|&p| can.has(p)) {
            if matches!(before, None | Some(Path::Inline)) || before == Some(path) {
                self.controller.command(leave(path), settle::LATCH)?;
            }
        }
        Ok(())
    }

    /// Forbids every path but inline, or allows them again.
    pub(super) fn forbid(&mut self, forbidden: bool) -> Result<(), CardError> {
        let can = self.identity.paths();
        if !can.has(Path::Inline) {
            return self.cannot(Path::Inline.name());
        }
        for path in AWAY.into_iter().filter(|&p| can.has(p)) {
            let flags = self.controller.read(flags_of(path))?;
            if (flags & flag::DISABLED != 0) == forbidden {
                continue;
            }
            // Bypass is left first in any case; the others when they are taken.
            if forbidden && (path == Path::Bypass || flags & flag::OFF == 0) {
                self.controller.command(leave(path), settle::LATCH)?;
            }
            let code = forbid(path, forbidden);
            self.controller.command(code, settle::CAPABILITY)?;
            let flags = self.controller.read(flags_of(path))?;
            if (flags & flag::DISABLED != 0) != forbidden {
                return Err(CardError::NotKept {
                    what: "what its paths are forbidden",
                    wrote: u32::from(code),
                    read: u32::from(flags),
                });
            }
        }
        if !forbidden {
            return Ok(());
        }
        let look = self.look()?;
        self.memory.path = look.path;
        match look.path {
            Some(Path::Inline) => Ok(()),
            Some(got) => Err(CardError::Verify {
                want: Path::Inline,
                got,
            }),
            None => Err(CardError::NotKept {
                what: "inline (sense pins and flags contradict each other)",
                wrote: u32::from(take(Path::Inline)),
                read: u32::from(self.controller.read(flags_of(Path::Inline))?),
            }),
        }
    }
}
