//! The card's controller: registers that are read so that silence is noticed, and commands.

use std::time::Duration;

use super::commands::{SIGNATURE, command, register};
use super::family::Board;
use super::identity::Identity;
use super::link::{Link, READ_TIME};
use super::pins::PinMap;
use crate::{CardError, Delay, RegisterIo};

pub(super) struct Controller<H> {
    pub link: Link<H>,
    signed: bool,
}

impl<H: RegisterIo + Delay> Controller<H> {
    /// Asks the controller who it is. Reads only, but pins are moved for it.
    pub(super) fn meet(io: H, board: Board) -> Result<(Self, Identity), CardError> {
        // What identifies a card does not depend on sense pins, so any version will do for it.
        let mut link = Link::new(io, PinMap::of(board, 0));
        let version = link.read(register::VERSION)?;
        let signed = Identity::is_signed(version);
        if signed {
            let found = link.read(register::SIGNATURE)?;
            if found != SIGNATURE {
                return Err(CardError::NoSignature {
                    found,
                    wanted: SIGNATURE,
                });
            }
        }
        // Everything hangs on the version, even which pins are read: it must say the same twice.
        if link.read(register::VERSION)? != version {
            return Err(CardError::Timeout(READ_TIME));
        }
        let mut controller = Self { link, signed };
        let word = if Identity::has_capability_word(version) {
            controller.read(register::CAPABILITIES)?
        } else {
            0
        };
        let identity = Identity::new(version, word);
        controller
            .link
            .use_pins(PinMap::of(board, identity.extension()));
        Ok((controller, identity))
    }

    /// Reads a register.
    ///
    /// A controller that does not answer leaves its line alone, so all bits read alike. Such a
    /// value counts only when the signature can be read after it.
    pub(super) fn read(&mut self, address: u8) -> Result<u8, CardError> {
        let value = self.link.read(address)?;
        let silent = value == 0 || value == u8::MAX;
        if silent && self.signed && self.link.read(register::SIGNATURE)? != SIGNATURE {
            return Err(CardError::Timeout(READ_TIME));
        }
        Ok(value)
    }

    /// Writes a register directly.
    pub(super) fn write(
        &mut self,
        address: u8,
        data: u8,
        settle: Duration,
    ) -> Result<(), CardError> {
        self.link.write(address, data)?;
        self.link.wait(settle);
        Ok(())
    }

    /// Gives a command (10.8 ms), and lets it settle.
    pub(super) fn command(&mut self, code: u8, settle: Duration) -> Result<(), CardError> {
        for data in [command::ON, code, command::OFF] {
            self.link.write(register::COMMAND, data)?;
        }
        self.link.wait(settle);
        Ok(())
    }
}
