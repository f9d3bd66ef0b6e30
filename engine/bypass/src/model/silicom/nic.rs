//! Registers of the NIC's two functions, and what its pads do.

use std::collections::HashMap;

use super::pads::Pad;
use crate::Function;

/// Device status: no card's bit is in it.
const STATUS: u32 = 0x08;
/// What it says: link up, full duplex.
const LINK_UP: u32 = 0x0000_0003;

/// The registers: what was written is kept.
#[derive(Debug, Default)]
pub(super) struct Nic {
    registers: HashMap<(Function, u32), u32>,
}

const fn bit(n: u8) -> u32 {
    1 << n
}

impl Nic {
    pub(super) fn stored(&self, function: Function, offset: u32) -> u32 {
        let unset = if offset == STATUS { LINK_UP } else { 0 };
        let stored = self.registers.get(&(function, offset));
        stored.copied().unwrap_or(unset)
    }

    pub(super) fn store(&mut self, function: Function, offset: u32, value: u32) {
        if offset != STATUS {
            self.registers.insert((function, offset), value);
        }
    }

    /// The level that the host drives a pad to; `None` when it lets it go.
    pub(super) fn driven(&self, pad: Pad) -> Option<bool> {
        match pad {
            Pad::Sdp {
                at: (function, offset),
                data,
                direction,
            } => {
                let value = self.stored(function, offset);
                (value & bit(direction) != 0).then_some(value & bit(data) != 0)
            }
            Pad::Drain {
                at: (function, offset),
                output,
                ..
            } => (self.stored(function, offset) & bit(output) == 0).then_some(false),
        }
    }

    /// What a register's value becomes by the level of a pad, when it is read.
    pub(super) fn show(&self, pad: Pad, at: (Function, u32), level: bool, value: u32) -> u32 {
        let input = match pad {
            Pad::Sdp { at: here, data, .. } if here == at && self.driven(pad).is_none() => data,
            Pad::Drain {
                at: here, input, ..
            } if here == at => input,
            _ => return value,
        };
        if level {
            value | bit(input)
        } else {
            value & !bit(input)
        }
    }

    /// Lets a pad go, as a reset does.
    pub(super) fn reset(&mut self, pad: Pad) {
        let (Pad::Sdp {
            at: (function, offset),
            ..
        }
        | Pad::Drain {
            at: (function, offset),
            ..
        }) = pad;
        let value = self.stored(function, offset);
        let reset = match pad {
            Pad::Sdp {
                data, direction, ..
            } => value & !bit(direction) & !bit(data),
            Pad::Drain { output, .. } => value | bit(output),
        };
        self.store(function, offset, reset);
    }
}

impl Pad {
    /// Its level when nobody drives it: open drains are pulled up.
    pub(super) const fn undriven(self, floating: bool) -> bool {
        match self {
            Self::Sdp { .. } => floating,
            Self::Drain { .. } => true,
        }
    }
}
