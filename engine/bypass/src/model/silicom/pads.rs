//! Which bits of which registers are wired to what, on the model's side.

use crate::silicom::{Board, Family, Media};
use crate::{Function, Path};

/// A pin of the NIC.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pad {
    /// A software-definable pin: bit numbers of data, and of direction (1 = output).
    Sdp {
        at: (Function, u32),
        data: u8,
        direction: u8,
    },
    /// An open drain: bit numbers of the output (1 = let go) and of the input.
    Drain {
        at: (Function, u32),
        output: u8,
        input: u8,
    },
}

/// A pin that the relays' contacts drive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contact {
    pub pad: Pad,
    pub paths: &'static [Path],
    /// The level in those paths.
    pub active: bool,
    /// A pad that the host must drive low before the contact shows anything.
    pub enable: Option<Pad>,
}

/// A board's wires.
pub(super) struct Wires {
    pub mclk: Pad,
    pub mdio: Pad,
    pub contacts: Vec<Contact>,
    /// Ports A and B.
    pub tx_off: [Pad; 2],
}

const CTRL: u32 = 0x00;
const CTRL_EXT: u32 = 0x18;
const ESDP: u32 = 0x20;
const OD: u32 = 0x28;

/// SDP0 and SDP1 are in CTRL on gigabit parts, SDP6 and SDP7 in CTRL_EXT.
const fn gigabit(function: Function, sdp: u8) -> Pad {
    let (offset, data, direction) = match sdp {
        0 => (CTRL, 18, 22),
        1 => (CTRL, 19, 23),
        6 => (CTRL_EXT, 6, 10),
        _ => (CTRL_EXT, 7, 11),
    };
    Pad::Sdp {
        at: (function, offset),
        data,
        direction,
    }
}

const fn esdp(function: Function, sdp: u8) -> Pad {
    Pad::Sdp {
        at: (function, ESDP),
        data: sdp,
        direction: 8 + sdp,
    }
}

/// The two open drains of 0x28: input bit 0 with output bit 1, input bit 2 with output bit 3.
const fn drain(function: Function, input: u8) -> Pad {
    Pad::Drain {
        at: (function, OD),
        output: input + 1,
        input,
    }
}

const fn contact(pad: Pad, paths: &'static [Path]) -> Contact {
    Contact {
        pad,
        paths,
        active: false,
        enable: None,
    }
}

/// The wires of this board, with a firmware of this extension version.
pub(super) fn wires(board: Board, extension: u8) -> Wires {
    use Function::{Master as F0, Slave as F1};
    let (mclk, mdio, tx_off) = match board.family {
        Family::Classic => (
            gigabit(F0, 7),
            gigabit(F0, 6),
            [gigabit(F0, 0), gigabit(F1, 0)],
        ),
        Family::Fiber82575 => (
            gigabit(F0, 1),
            gigabit(F0, 0),
            [gigabit(F0, 6), gigabit(F1, 6)],
        ),
        Family::I350 => (
            gigabit(F0, 6),
            gigabit(F0, 0),
            [gigabit(F0, 1), gigabit(F1, 1)],
        ),
        Family::X82598 => (drain(F0, 2), drain(F0, 0), [esdp(F0, 0), esdp(F1, 0)]),
        Family::X82599 => (esdp(F1, 4), drain(F0, 2), [esdp(F0, 3), esdp(F1, 3)]),
        Family::X540 => (esdp(F0, 2), esdp(F0, 0), [esdp(F0, 1), esdp(F1, 1)]),
    };
    Wires {
        mclk,
        mdio,
        contacts: contacts(board, extension),
        tx_off,
    }
}

fn contacts(board: Board, extension: u8) -> Vec<Contact> {
    use Function::Slave as F1;
    const BYPASS: &[Path] = &[Path::Bypass];
    const OPEN: &[Path] = &[Path::Disconnect];
    const TAP: &[Path] = &[Path::Tap];
    const OPEN_OR_TAP: &[Path] = &[Path::Disconnect, Path::Tap];
    let copper = board.media == Media::Copper;
    match board.family {
        Family::Classic if extension < 8 && copper => vec![Contact {
            active: true,
            ..contact(gigabit(F1, 1), BYPASS)
        }],
        _ if extension < 8 => Vec::new(),
        Family::Classic if copper => vec![
            contact(gigabit(F1, 7), BYPASS),
            contact(gigabit(F1, 1), OPEN),
            contact(gigabit(F1, 6), TAP),
        ],
        Family::Classic => vec![
            contact(gigabit(F1, 7), BYPASS),
            contact(gigabit(F1, 6), OPEN_OR_TAP),
        ],
        Family::Fiber82575 => vec![
            contact(gigabit(F1, 0), BYPASS),
            contact(gigabit(F1, 1), OPEN),
        ],
        Family::I350 => vec![
            contact(gigabit(F1, 0), BYPASS),
            contact(gigabit(F1, 6), OPEN_OR_TAP),
        ],
        Family::X82598 => vec![
            contact(drain(F1, 2), BYPASS),
            contact(drain(F1, 0), OPEN_OR_TAP),
        ],
        Family::X82599 => vec![contact(drain(F1, 0), BYPASS), contact(drain(F1, 2), OPEN)],
        Family::X540 => {
            let enabled = |sdp, paths| Contact {
                enable: Some(esdp(F1, 3)),
                ..contact(esdp(F1, sdp), paths)
            };
            vec![enabled(0, BYPASS), enabled(2, OPEN)]
        }
    }
}
