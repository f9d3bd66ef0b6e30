//! Transmitters, and two-port link.

use super::adapter::Adapter;
use super::commands::{command, disconnect, register, settle, tap, transmitter};
use crate::{CardError, Delay, RegisterIo, Side};

impl<H: RegisterIo + Delay> Adapter<H> {
    /// Switches a port's transmitter: by command where the firmware can, else by the port's own
    /// pin. Whether a board has wired that pin cannot be read.
    pub(super) fn switch_transmitter(&mut self, side: Side, on: bool) -> Result<(), CardError> {
        if !self.identity.switches_transmitters() {
            let done = self.controller.link.transmit(side, on)?;
            return kept(done, "its transmitter", u8::from(on), u8::from(!on));
        }
        let off = match side {
            Side::A => tap::TX_OFF_A,
            Side::B => tap::TX_OFF_B,
        };
        let code = transmitter(side, on);
        self.set_flag(register::TAP, off, !on, code, "its transmitter")
    }

    /// Joins the two ports' links, or lets them be.
    pub(super) fn join_links(&mut self, on: bool) -> Result<(), CardError> {
        if !self.identity.two_port_link() {
            return self.cannot("two-port link");
        }
        let code = if on {
            command::TWO_PORT_LINK
        } else {
            command::TWO_PORT_LINK_OFF
        };
        let flag = disconnect::TWO_PORT_LINK;
        self.set_flag(register::DISCONNECT, flag, on, code, "its two-port link")
    }

    /// Gives a command that sets or clears a flag, unless the flag is so already.
    fn set_flag(
        &mut self,
        register: u8,
        flag: u8,
        on: bool,
        code: u8,
        what: &'static str,
    ) -> Result<(), CardError> {
        if (self.controller.read(register)? & flag != 0) == on {
            return Ok(());
        }
        self.controller.command(code, settle::EEPROM)?;
        let read = self.controller.read(register)?;
        kept((read & flag != 0) == on, what, code, read)
    }
}

fn kept(done: bool, what: &'static str, wrote: u8, read: u8) -> Result<(), CardError> {
    if done {
        return Ok(());
    }
    Err(CardError::NotKept {
        what,
        wrote: u32::from(wrote),
        read: u32::from(read),
    })
}
