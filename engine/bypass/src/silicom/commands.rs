//! The controller's registers and commands, and the time that they take.

use std::time::Duration;

use crate::{Path, Side};

/// A register of the controller.
pub(super) mod register {
    pub const STATUS: u8 = 0;
    pub const VERSION: u8 = 1;
    pub const WATCHDOG: u8 = 4;
    pub const CAPABILITIES: u8 = 5;
    pub const TAP: u8 = 6;
    pub const SIGNATURE: u8 = 7;
    pub const COMMAND: u8 = 10;
    pub const DISCONNECT: u8 = 13;
}

/// What [`register::SIGNATURE`] says.
pub(super) const SIGNATURE: u8 = 0xCD;

/// Bits that STATUS, TAP and DISC have in the same place, each for its own path.
pub(super) mod flag {
    /// TAP and DISC: the watchdog's expiry leads here.
    pub const EXPIRE: u8 = 1 << 0;
    /// This path is forbidden.
    pub const DISABLED: u8 = 1 << 2;
    /// Power-up: TAP and DISC: leads here. STATUS: 1 = inline, 0 = bypass.
    pub const POWER_UP: u8 = 1 << 3;
    /// This path is not taken.
    pub const OFF: u8 = 1 << 4;
    /// This path was taken or left; written back as 0 to clear.
    pub const CHANGED: u8 = 1 << 5;
}

/// Bits of STATUS alone.
pub(super) mod status {
    pub const WATCHDOG_ENABLED: u8 = 1 << 0;
    pub const EXPIRED: u8 = 1 << 6;
    /// 1 = inline, 0 = bypass.
    pub const POWER_OFF: u8 = 1 << 7;
}

/// Bits of TAP alone.
pub(super) mod tap {
    pub const TX_OFF_A: u8 = 1 << 6;
    pub const TX_OFF_B: u8 = 1 << 7;
}

/// Bits of DISC alone.
pub(super) mod disconnect {
    pub const TWO_PORT_LINK: u8 = 1 << 6;
}

/// What is written to [`register::COMMAND`].
pub(super) mod command {
    /// Opens the window in which commands are taken.
    pub const ON: u8 = 0x04;
    /// Closes it.
    pub const OFF: u8 = 0x02;
    /// With the exponent in the low nibble.
    pub const WATCHDOG: u8 = 0x10;
    pub const WATCHDOG_OFF: u8 = 0x06;
    pub const TWO_PORT_LINK: u8 = 0x8C;
    pub const TWO_PORT_LINK_OFF: u8 = 0x8B;
    pub const POWER_OFF_BYPASS: u8 = 0x27;
    pub const POWER_OFF_INLINE: u8 = 0x29;
}

/// How long the card needs after a command before it is spoken to again.
pub(super) mod settle {
    use super::Duration;

    /// Relays and latches.
    pub const LATCH: Duration = Duration::from_millis(15);
    /// Settings in the EEPROM.
    pub const EEPROM: Duration = Duration::from_millis(20);
    /// What a card may do at all.
    pub const CAPABILITY: Duration = Duration::from_millis(35);
}

/// The register with this path's flags. Inline has none: it is where none of the others is.
pub(super) const fn flags_of(path: Path) -> u8 {
    match path {
        Path::Inline | Path::Bypass => register::STATUS,
        Path::Tap => register::TAP,
        Path::Disconnect => register::DISCONNECT,
    }
}

/// The command that takes this path; for inline, the one that leaves bypass.
pub(super) const fn take(path: Path) -> u8 {
    match path {
        Path::Inline => leave(Path::Bypass),
        Path::Bypass => 0x0A,
        Path::Tap => 0x0B,
        Path::Disconnect => 0x85,
    }
}

/// The command that leaves this path for inline.
pub(super) const fn leave(path: Path) -> u8 {
    match path {
        Path::Inline | Path::Bypass => 0x08,
        Path::Tap => 0x09,
        Path::Disconnect => 0x8A,
    }
}

/// The command that forbids this path, or allows it again.
pub(super) const fn forbid(path: Path, forbidden: bool) -> u8 {
    match (path, forbidden) {
        (Path::Inline | Path::Bypass, true) => 0x22,
        (Path::Inline | Path::Bypass, false) => 0x24,
        (Path::Tap, true) => 0x2C,
        (Path::Tap, false) => 0x2E,
        (Path::Disconnect, true) => 0x88,
        (Path::Disconnect, false) => 0x89,
    }
}

/// The command that makes this the path after power-up.
pub(super) const fn power_up(path: Path) -> u8 {
    match path {
        Path::Bypass => 0x26,
        Path::Inline => 0x28,
        Path::Tap => 0x2A,
        Path::Disconnect => 0x87,
    }
}

/// The command that switches a transmitter (extension version 9 on).
pub(super) const fn transmitter(side: Side, on: bool) -> u8 {
    match (side, on) {
        (Side::A, false) => 0x8D,
        (Side::B, false) => 0x8E,
        (Side::A, true) => 0xA0,
        (Side::B, true) => 0xA1,
    }
}
