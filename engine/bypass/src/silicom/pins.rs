//! Where each family has its pins.

use super::family::{Board, Family, Media};
use crate::{Function, Path, Paths};

/// Device control.
const CTRL: u32 = 0x00;
/// Extended device control.
const CTRL_EXT: u32 = 0x18;
/// Software-definable pins of 82599 and X540, and the transmit pin of 82598.
const ESDP: u32 = 0x20;
/// Open-drain pins: EODSDP on 82598, I2CCTL on 82599.
const DRAIN: u32 = 0x28;

const fn bit(n: u32) -> u32 {
    1 << n
}

/// A pin that the host drives, and may let go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub function: Function,
    pub register: u32,
    /// The bit that the host drives.
    pub output: u32,
    /// The bit that shows the pin's level.
    pub input: u32,
    /// The bit that makes the pin an output; without one it is an open drain, and 1 lets it go.
    pub direction: Option<u32>,
}

impl Line {
    const fn sdp(function: Function, register: u32, data: u32, direction: u32) -> Self {
        Self {
            function,
            register,
            output: bit(data),
            input: bit(data),
            direction: Some(bit(direction)),
        }
    }

    const fn drain(function: Function, register: u32, output: u32, input: u32) -> Self {
        Self {
            function,
            register,
            output: bit(output),
            input: bit(input),
            direction: None,
        }
    }

    /// The bits to set and to clear for this level.
    pub const fn drive(&self, high: bool) -> (u32, u32) {
        let direction = match self.direction {
            Some(bit) => bit,
            None => 0,
        };
        if high {
            (direction | self.output, 0)
        } else {
            (direction, self.output)
        }
    }

    /// The bits to set and to clear to let the pin go.
    pub const fn release(&self) -> (u32, u32) {
        match self.direction {
            Some(direction) => (0, direction),
            None => (self.output, 0),
        }
    }
}

/// A pin that the relays drive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sense {
    pub function: Function,
    pub register: u32,
    pub bit: u32,
    /// The level in the state that it shows.
    pub active: bool,
    /// Bits that must be set before the pin shows anything.
    pub set: u32,
    /// Bits that must be clear before the pin shows anything.
    pub clear: u32,
    /// The paths in which it is active: more than one where the board decides which is wired.
    pub shows: Paths,
}

impl Sense {
    /// An active-low pin of the odd function. A pin that is an output shows what was written to
    /// it, so its direction is cleared first. (The facts do not ask for that; after a reset these
    /// pins are inputs.)
    const fn low(register: u32, data: u32, direction: u32, shows: &[Path]) -> Self {
        Self {
            function: Function::Slave,
            register,
            bit: bit(data),
            active: false,
            set: 0,
            clear: bit(direction),
            shows: Paths::of(shows),
        }
    }

    /// The same on an open drain: let go first, or it shows what holds it down. (The facts ask for
    /// it on 82599; 82598 has the same kind of pin.)
    const fn drain(input: u32, output: u32, shows: &[Path]) -> Self {
        Self {
            function: Function::Slave,
            register: DRAIN,
            bit: bit(input),
            active: false,
            set: bit(output),
            clear: 0,
            shows: Paths::of(shows),
        }
    }
}

/// A board's pins.
#[derive(Clone, Copy, Debug)]
pub(super) struct PinMap {
    /// The controller's clock.
    pub mclk: Line,
    /// The controller's data.
    pub mdio: Line,
    /// The pins that show the path.
    pub senses: [Option<Sense>; 3],
    /// The pin of port A that switches its transmitter off; port B has the same on its function.
    pub tx_off: Line,
}

/// The extension version from which the sense pins of every family are known.
const SENSE: u8 = 8;

impl PinMap {
    /// The pins of this board, with a firmware of this extension version.
    pub(super) fn of(board: Board, extension: u8) -> Self {
        use Function::{Master, Slave};
        let (mclk, mdio, tx_off) = match board.family {
            Family::Classic => (
                Line::sdp(Master, CTRL_EXT, 7, 11),
                Line::sdp(Master, CTRL_EXT, 6, 10),
                Line::sdp(Master, CTRL, 18, 22),
            ),
            Family::Fiber82575 => (
                Line::sdp(Master, CTRL, 19, 23),
                Line::sdp(Master, CTRL, 18, 22),
                Line::sdp(Master, CTRL_EXT, 6, 10),
            ),
            Family::I350 => (
                Line::sdp(Master, CTRL_EXT, 6, 10),
                Line::sdp(Master, CTRL, 18, 22),
                Line::sdp(Master, CTRL, 19, 23),
            ),
            Family::X82598 => (
                Line::drain(Master, DRAIN, 3, 2),
                Line::drain(Master, DRAIN, 1, 0),
                Line::sdp(Master, ESDP, 0, 8),
            ),
            Family::X82599 => (
                Line::sdp(Slave, ESDP, 4, 12),
                Line::drain(Master, DRAIN, 3, 2),
                Line::sdp(Master, ESDP, 3, 11),
            ),
            Family::X540 => (
                Line::sdp(Master, ESDP, 2, 10),
                Line::sdp(Master, ESDP, 0, 8),
                Line::sdp(Master, ESDP, 1, 9),
            ),
        };
        let senses = if extension >= SENSE {
            senses(board)
        } else {
            older_senses(board)
        };
        Self {
            mclk,
            mdio,
            senses,
            tx_off,
        }
    }
}

/// Before extension version 8 only copper has a known pin, and it is active-high.
fn older_senses(board: Board) -> [Option<Sense>; 3] {
    let copper = Sense {
        active: true,
        ..Sense::low(CTRL, 19, 23, &[Path::Bypass])
    };
    match (board.family, board.media) {
        (Family::Classic, Media::Copper) => [Some(copper), None, None],
        _ => [None; 3],
    }
}

fn senses(board: Board) -> [Option<Sense>; 3] {
    use Path::{Bypass, Disconnect, Tap};
    match (board.family, board.media) {
        (Family::Classic, Media::Copper) => [
            Some(Sense::low(CTRL_EXT, 7, 11, &[Bypass])),
            Some(Sense::low(CTRL, 19, 23, &[Disconnect])),
            Some(Sense::low(CTRL_EXT, 6, 10, &[Tap])),
        ],
        // One pin for both: a board that can do both does not tell by pins which one it does.
        (Family::Classic, Media::Fiber) => [
            Some(Sense::low(CTRL_EXT, 7, 11, &[Bypass])),
            Some(Sense::low(CTRL_EXT, 6, 10, &[Disconnect, Tap])),
            None,
        ],
        // TAP's pin is the one that switches port B's transmitter here, so it is left alone.
        (Family::Fiber82575, _) => [
            Some(Sense::low(CTRL, 18, 22, &[Bypass])),
            Some(Sense::low(CTRL, 19, 23, &[Disconnect])),
            None,
        ],
        (Family::I350, _) => [
            Some(Sense::low(CTRL, 18, 22, &[Bypass])),
            Some(Sense::low(CTRL_EXT, 6, 10, &[Disconnect, Tap])),
            None,
        ],
        (Family::X82598, _) => [
            Some(Sense::drain(2, 3, &[Bypass])),
            Some(Sense::drain(0, 1, &[Disconnect, Tap])),
            None,
        ],
        // No pin for TAP is known on these two.
        (Family::X82599, _) => [
            Some(Sense::drain(0, 1, &[Bypass])),
            Some(Sense::drain(2, 3, &[Disconnect])),
            None,
        ],
        // SDP3 driven low lets the sense pins speak.
        (Family::X540, _) => {
            let sense = |data, direction, shows| {
                let sense = Sense::low(ESDP, data, direction, shows);
                Some(Sense {
                    set: bit(11),
                    clear: sense.clear | bit(3),
                    ..sense
                })
            };
            [sense(0, 8, &[Bypass]), sense(2, 10, &[Disconnect]), None]
        }
    }
}
