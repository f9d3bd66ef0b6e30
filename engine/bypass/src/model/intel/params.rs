//! What a modelled card is like, and what can break.

use std::time::Duration;

use crate::intel::Family;

/// What is known of the card that is modelled, and a choice for what is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Params {
    /// Decides the pins.
    pub family: Family,
    /// The firmware's version.
    pub firmware: u8,
    /// ESDP after a reset: no pin is an output, other bits may be set.
    pub esdp: u32,
    /// CTL0 as the factory set it: mode, events, watchdog.
    pub settings: u32,
    /// How long the relays take.
    pub relay_time: Duration,
    /// How long a write of CTL0 takes to show.
    pub eeprom_time: Duration,
    /// A word counts when the host has made its stop; else with its last bit.
    pub at_stop: bool,
    /// The level of the answer's line between words.
    pub idle_sdo: bool,
    /// The status is what the relays do; else it is what they were told.
    pub status_sensed: bool,
    /// Expiry switches the watchdog off.
    pub expiry_disables: bool,
    /// After expiry, with the watchdog still on, a pet lets it count again.
    pub pet_revives: bool,
    /// The pet bit reads back until the next write.
    pub pet_reads_back: bool,
    /// The clock runs on from the second that it was told.
    pub clock_runs: bool,
    /// A watchdog that was on is on again after the supply was gone.
    pub watchdog_survives: bool,
    /// A mode that was forced is forced again after the supply was gone.
    pub mode_survives: bool,
}

impl Default for Params {
    fn default() -> Self {
        // The times let a write show in the very next word: the facts know of cards that fast.
        Self {
            family: Family::Intel82599,
            firmware: 5,
            esdp: 0,
            // Aux on and main on: normal; main off and aux off: bypass; no watchdog action.
            settings: 0b1010_0101_0000,
            relay_time: Duration::from_millis(4),
            eeprom_time: Duration::from_millis(4),
            at_stop: true,
            idle_sdo: true,
            status_sensed: true,
            expiry_disables: false,
            pet_revives: false,
            pet_reads_back: false,
            clock_runs: false,
            watchdog_survives: false,
            mode_survives: false,
        }
    }
}

/// A line between NIC and controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Line {
    /// The clock.
    Sck,
    /// Data to the controller.
    Sdi,
    /// Data from the controller.
    Sdo,
}

/// Something that breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A line keeps this level.
    Stuck(Line, bool),
    /// The controller does not hear the next words.
    LoseWords(u32),
    /// The controller hears nothing for this long.
    Busy(Duration),
    /// The NIC is off the bus: registers read all ones.
    Gone,
    /// The EEPROM takes no writes: settings stay, only the mode is followed.
    EepromWornOut,
    /// The relays do not move.
    RelaysStuck,
}
