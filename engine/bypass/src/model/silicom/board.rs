//! NIC, controller and relays, soldered together.

use std::time::Duration;

use super::decoder::{Decoder, Event};
use super::firmware::Firmware;
use super::nic::Nic;
use super::pads::{Contact, Pad, Wires, wires};
use super::parameters::{Fault, NicReset, Parameters};
use crate::model::{Cable, Relays};
use crate::silicom::Board;
use crate::{Function, Path, Side};

/// What the device is when it is gone.
const ALL_ONES: u32 = u32::MAX;

pub(super) struct Machine {
    parameters: Parameters,
    wires: Wires,
    nic: Nic,
    decoder: Decoder,
    pub firmware: Firmware,
    relays: Relays,
    pub now: Duration,
    powered: bool,
    /// The levels of clock and data when they were looked at last.
    levels: (bool, bool),
    gone: bool,
    clock_stuck: Option<bool>,
    data_stuck: Option<bool>,
    sense_stuck: Option<bool>,
    relays_stuck: bool,
    frames_lost: u32,
    busy: Duration,
}

impl Machine {
    pub(super) fn new(board: Board, parameters: &Parameters) -> Self {
        let firmware = Firmware::new(parameters);
        let mut machine = Self {
            wires: wires(board, firmware.extension()),
            nic: Nic::default(),
            decoder: Decoder::new(parameters),
            relays: Relays::new(firmware.path(), parameters.relay_time),
            firmware,
            now: Duration::ZERO,
            powered: true,
            levels: (false, false),
            gone: false,
            clock_stuck: None,
            data_stuck: None,
            sense_stuck: None,
            relays_stuck: false,
            frames_lost: 0,
            busy: Duration::ZERO,
            parameters: parameters.clone(),
        };
        machine.release_pads();
        machine.levels = (machine.clock(), machine.data());
        machine
    }

    /// Moves time on, through everything that happens on the way.
    pub(super) fn advance_to(&mut self, to: Duration) {
        loop {
            let firmware = self.firmware.next_event().filter(|_| self.powered);
            let next = [firmware, self.relays.next_event()];
            let Some(at) = next.into_iter().flatten().min().filter(|&at| at <= to) else {
                break;
            };
            self.now = self.now.max(at);
            if self.powered {
                self.firmware.tick(self.now);
            }
            self.relays.tick(self.now);
            self.follow();
        }
        self.now = self.now.max(to);
    }

    /// The relays go where the controller wants them.
    fn follow(&mut self) {
        if self.powered && !self.relays_stuck {
            self.relays.switch(self.firmware.path(), self.now);
        }
    }

    pub(super) const fn path(&self) -> Path {
        self.relays.path()
    }

    pub(super) const fn cable(&self) -> Cable {
        self.relays.cable()
    }

    fn is_gone(&self) -> bool {
        self.gone || !self.powered
    }

    pub(super) fn read(&mut self, function: Function, offset: u32) -> u32 {
        self.advance_to(self.now + self.parameters.access);
        if self.is_gone() {
            return ALL_ONES;
        }
        let at = (function, offset);
        let mut value = self.nic.stored(function, offset);
        for &contact in &self.wires.contacts {
            let level = self.contact(contact);
            value = self.nic.show(contact.pad, at, level, value);
        }
        value = self.nic.show(self.wires.mdio, at, self.data(), value);
        self.nic.show(self.wires.mclk, at, self.clock(), value)
    }

    pub(super) fn write(&mut self, function: Function, offset: u32, value: u32) {
        self.advance_to(self.now + self.parameters.access);
        if self.is_gone() {
            return;
        }
        self.nic.store(function, offset, value);
        self.settle_lines();
    }

    /// What a contact shows: nothing, as long as what must be driven low is not; the host's own
    /// level, when it holds an open drain down.
    fn contact(&self, contact: Contact) -> bool {
        let idle = !contact.active;
        if let Some(level) = self.sense_stuck {
            return level;
        }
        let enabled = contact.enable.map(|pad| self.nic.driven(pad));
        if !matches!(enabled, None | Some(Some(false))) {
            return idle;
        }
        if self.nic.driven(contact.pad) == Some(false) {
            return false;
        }
        contact.paths.contains(&self.relays.path()) != idle
    }

    fn clock(&self) -> bool {
        let pad = self.wires.mclk;
        let driven = self.nic.driven(pad);
        self.clock_stuck
            .or(driven)
            .unwrap_or_else(|| pad.undriven(self.parameters.floating))
    }

    fn data(&self) -> bool {
        let pad = self.wires.mdio;
        let driven = self.nic.driven(pad).or(self.decoder.driving);
        self.data_stuck
            .or(driven)
            .unwrap_or_else(|| pad.undriven(self.parameters.floating))
    }

    /// Edges on the lines, since they were looked at last.
    fn settle_lines(&mut self) {
        let (clock, data) = (self.clock(), self.data());
        let (was, _) = self.levels;
        self.levels = (clock, data);
        match (was, clock) {
            (false, true) => self.decoder.rising(self.now),
            (true, false) => {
                if let Some(event) = self.decoder.falling(self.now, data) {
                    self.event(event);
                }
            }
            _ => {}
        }
    }

    fn event(&mut self, event: Event) {
        if !matches!(event, Event::Kick) && self.loses_frame() {
            return;
        }
        if matches!(event, Event::Kick) || self.firmware.extension() < 4 {
            self.firmware.kick(self.now);
        }
        match event {
            Event::Kick => {}
            Event::Write { address, data } => self.firmware.write(address, data, self.now),
            Event::Read { address } => {
                let data = self.firmware.read(address, self.now);
                self.decoder.answer(data);
            }
        }
        self.follow();
    }

    fn loses_frame(&mut self) -> bool {
        if self.now < self.busy {
            return true;
        }
        let lost = self.frames_lost > 0;
        self.frames_lost = self.frames_lost.saturating_sub(1);
        lost
    }

    pub(super) fn power(&mut self, on: bool) {
        if on == self.powered {
            return;
        }
        if on {
            self.powered = true;
            self.firmware.power_on();
            self.decoder = Decoder::new(&self.parameters);
            self.release_pads();
            self.levels = (self.clock(), self.data());
            self.follow();
        } else {
            let path = self.firmware.power_off();
            self.powered = false;
            if !self.relays_stuck {
                self.relays.switch(path, self.now);
            }
        }
    }

    pub(super) fn nic_reset(&mut self) {
        if self.powered && self.parameters.nic_reset == NicReset::Inputs {
            self.release_pads();
            self.settle_lines();
        }
    }

    fn release_pads(&mut self) {
        let mut pads: Vec<Pad> = vec![self.wires.mclk, self.wires.mdio];
        pads.extend(self.wires.tx_off);
        for contact in &self.wires.contacts {
            pads.push(contact.pad);
            pads.extend(contact.enable);
        }
        for pad in pads {
            self.nic.reset(pad);
        }
    }

    pub(super) fn transmits(&self, side: Side) -> bool {
        let [a, b] = self.wires.tx_off;
        let (pad, bit) = match side {
            Side::A => (a, 0x40),
            Side::B => (b, 0x80),
        };
        self.nic.driven(pad) != Some(true) && self.firmware.tx_off() & bit == 0
    }

    /// Sets a register as somebody else would, without an access.
    pub(super) fn poke(&mut self, function: Function, offset: u32, value: u32) {
        self.nic.store(function, offset, value);
        self.settle_lines();
    }

    pub(super) fn peek(&self, function: Function, offset: u32) -> u32 {
        self.nic.stored(function, offset)
    }

    pub(super) fn fail(&mut self, fault: Fault) {
        match fault {
            Fault::ClockStuck(level) => self.clock_stuck = Some(level),
            Fault::DataStuck(level) => self.data_stuck = Some(level),
            Fault::SenseStuck(level) => self.sense_stuck = Some(level),
            Fault::RelaysStuck => self.relays_stuck = true,
            Fault::FramesLost(count) => self.frames_lost = count,
            Fault::EdgeLost => self.decoder.edges_lost = 1,
            Fault::Busy(time) => self.busy = self.now + time,
            Fault::Signature(value) => self.firmware.signature = Some(value),
            Fault::Gone => self.gone = true,
            Fault::EepromFails => self.firmware.eeprom_fails = true,
        }
        self.settle_lines();
    }

    pub(super) fn repair(&mut self) {
        self.clock_stuck = None;
        self.data_stuck = None;
        self.sense_stuck = None;
        self.relays_stuck = false;
        self.frames_lost = 0;
        self.decoder.edges_lost = 0;
        self.busy = Duration::ZERO;
        self.firmware.signature = None;
        self.firmware.eeprom_fails = false;
        self.gone = false;
        self.settle_lines();
        self.follow();
    }
}
