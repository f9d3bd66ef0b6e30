//! Frames and kicks, as edges on two pins; and the pins that the relays drive.

use std::time::Duration;

use super::pins::{Line, PinMap, Sense};
use crate::{CardError, Delay, Function, RegisterIo, Side};

/// Half a bit.
const PHASE: Duration = Duration::from_micros(100);
/// Both lines are low for this long before and after a frame.
const REST: Duration = Duration::from_micros(200);
/// How long a kick's pulse is high at least.
const KICK: Duration = Duration::from_micros(5);
/// What a read takes, without the register accesses.
pub(super) const READ_TIME: Duration = Duration::from_micros(3_700);

/// Device status: reading it pushes writes out of every bridge on the way. The facts ask for it on
/// 10G parts; it is done everywhere, since a write that lingers shortens the pulse after it.
const DEVICE_STATUS: u32 = 0x08;
/// A device that is gone reads so. None of the registers used here can hold it.
const ALL_ONES: u32 = u32::MAX;

/// Start of a frame, most significant bit first.
const SYNC: u8 = 0b10;
const WRITE: u8 = 0b10;
const READ: u8 = 0b01;

/// The pins of one board.
pub(super) struct Link<H> {
    io: H,
    pins: PinMap,
}

impl<H: RegisterIo + Delay> Link<H> {
    pub(super) const fn new(io: H, pins: PinMap) -> Self {
        Self { io, pins }
    }

    /// The firmware's version decides about some pins.
    pub(super) fn use_pins(&mut self, pins: PinMap) {
        self.pins = pins;
    }

    pub(super) fn wait(&mut self, at_least: Duration) {
        self.io.wait(at_least);
    }

    /// Writes one of the controller's registers (3.6 ms).
    pub(super) fn write(&mut self, address: u8, data: u8) -> Result<(), CardError> {
        self.rest()?;
        self.header(WRITE, address)?;
        self.bits(data, 8)?;
        self.rest()
    }

    /// Reads one of the controller's registers (3.7 ms).
    pub(super) fn read(&mut self, address: u8) -> Result<u8, CardError> {
        self.rest()?;
        self.header(READ, address)?;
        let (set, clear) = self.pins.mdio.release();
        self.modify(self.pins.mdio, set, clear)?;
        self.clock(true)?;
        self.io.wait(PHASE);
        let mut data = 0;
        for _ in 0..8 {
            self.clock(false)?;
            self.io.wait(PHASE);
            self.clock(true)?;
            data = data << 1 | u8::from(self.sample()?);
            self.io.wait(PHASE);
        }
        self.rest()?;
        Ok(data)
    }

    /// One pulse without data: the watchdog is kicked. Some microseconds.
    pub(super) fn kick(&mut self) -> Result<(), CardError> {
        self.data(false)?;
        self.clock(true)?;
        self.io.wait(KICK);
        self.clock(false)
    }

    /// Whether a sense pin is in the state that it shows.
    pub(super) fn sense(&mut self, sense: &Sense) -> Result<bool, CardError> {
        let mut value = self.peek(sense.function, sense.register)?;
        if value & (sense.set | sense.clear) != sense.set {
            let wanted = value & !sense.clear | sense.set;
            self.poke(sense.function, sense.register, wanted)?;
            value = self.peek(sense.function, sense.register)?;
        }
        Ok((value & sense.bit != 0) == sense.active)
    }

    /// The board's sense pins.
    pub(super) const fn senses(&self) -> [Option<Sense>; 3] {
        self.pins.senses
    }

    /// Switches a transmitter by its port's own pin; returns whether the pin now says so.
    pub(super) fn transmit(&mut self, side: Side, on: bool) -> Result<bool, CardError> {
        let function = match side {
            Side::A => Function::Master,
            Side::B => Function::Slave,
        };
        let line = Line {
            function,
            ..self.pins.tx_off
        };
        let (set, clear) = line.drive(!on);
        self.modify(line, set, clear)?;
        let value = self.peek(function, line.register)?;
        Ok((value & line.input == 0) == on)
    }

    /// Sync, operation, address.
    fn header(&mut self, operation: u8, address: u8) -> Result<(), CardError> {
        self.bits(SYNC, 2)?;
        self.bits(operation, 2)?;
        self.bits(address, 4)
    }

    /// The lowest `count` bits, most significant first. The controller takes a bit when the clock
    /// falls.
    fn bits(&mut self, value: u8, count: u32) -> Result<(), CardError> {
        for n in (0..count).rev() {
            self.data(value >> n & 1 != 0)?;
            self.clock(true)?;
            self.io.wait(PHASE);
            self.clock(false)?;
            self.io.wait(PHASE);
        }
        Ok(())
    }

    /// Both lines low. Data first: a clock that falls with data low is at worst a kick, one that
    /// falls with data high would be the start of a frame.
    fn rest(&mut self) -> Result<(), CardError> {
        self.data(false)?;
        self.clock(false)?;
        self.io.wait(REST);
        Ok(())
    }

    fn clock(&mut self, high: bool) -> Result<(), CardError> {
        let (set, clear) = self.pins.mclk.drive(high);
        self.modify(self.pins.mclk, set, clear)
    }

    fn data(&mut self, high: bool) -> Result<(), CardError> {
        let (set, clear) = self.pins.mdio.drive(high);
        self.modify(self.pins.mdio, set, clear)
    }

    fn sample(&mut self) -> Result<bool, CardError> {
        let mdio = self.pins.mdio;
        Ok(self.peek(mdio.function, mdio.register)? & mdio.input != 0)
    }

    /// One edge: these bits and no others, and nothing at all when they are so already.
    fn modify(&mut self, line: Line, set: u32, clear: u32) -> Result<(), CardError> {
        let value = self.peek(line.function, line.register)?;
        let wanted = value & !clear | set;
        if wanted == value {
            return Ok(());
        }
        self.poke(line.function, line.register, wanted)
    }

    fn poke(&mut self, function: Function, register: u32, value: u32) -> Result<(), CardError> {
        self.io.write(function, register, value)?;
        self.peek(function, DEVICE_STATUS).map(|_| ())
    }

    fn peek(&mut self, function: Function, register: u32) -> Result<u32, CardError> {
        match self.io.read(function, register)? {
            ALL_ONES => Err(CardError::Gone),
            value => Ok(value),
        }
    }
}
