//! What a model can be told to be.

use std::time::Duration;

use super::firmware::Eeprom;

/// Everything about a card that differs between cards, or that nobody knows.
#[derive(Clone, Debug)]
pub struct Parameters {
    /// The firmware's version; the low nibble is the extension version.
    pub version: u8,
    /// The capability word.
    pub capabilities: u8,
    /// The settings with which the card left the factory. Unknown; everything leads to bypass.
    pub factory: Eeprom,

    /// How long commands are taken after CMND_ON. Unknown; `None`: until CMND_OFF.
    pub command_window: Option<Duration>,
    /// A command is taken outside of the window too. Unknown; no.
    pub commands_without_window: bool,
    /// Expiry clears WDT_EN. Unknown; no.
    pub expiry_disarms: bool,
    /// Arming clears WD_EXPIRED. Unknown; yes.
    pub arming_clears_expired: bool,
    /// Writing WD_EXPIRED back as 0 clears it. Unknown; no.
    pub writing_clears_expired: bool,
    /// A kick after expiry brings the card back inline. Unknown; no.
    pub kick_restores: bool,
    /// What a second 1 is in place of the 0 that ends a sync. Unknown; a new start.
    pub resync: Resync,
    /// A frame that stands still for this long is forgotten. Unknown; 1 ms.
    pub frame_timeout: Option<Duration>,
    /// What a reset of the NIC does to its pins. Unknown; they become inputs.
    pub nic_reset: NicReset,
    /// The level of a line that nobody drives. Unknown; low. (Open drains are always pulled up.)
    pub floating: bool,

    /// What relays need to move. At most what drivers wait for: 15 ms.
    pub relay_time: Duration,
    /// How long the controller takes no command after one about paths and the watchdog.
    pub latch_time: Duration,
    /// The same after one that writes the EEPROM; its setting holds only from then on.
    pub eeprom_time: Duration,
    /// The same after one that forbids or allows a path.
    pub capability_time: Duration,
    /// What one register access takes. Zero keeps edges at whole microseconds.
    pub access: Duration,
}

impl Parameters {
    /// A card that can do everything that this extension version knows.
    #[must_use]
    pub fn with_extension(extension: u8) -> Self {
        Self {
            version: 0xA0 | (extension & 0xF),
            capabilities: 0b0011_1011,
            ..Self::default()
        }
    }
}

impl Default for Parameters {
    fn default() -> Self {
        let ms = Duration::from_millis;
        Self {
            version: 0xA9,
            capabilities: 0b0011_1011,
            factory: Eeprom::default(),
            command_window: None,
            commands_without_window: false,
            expiry_disarms: false,
            arming_clears_expired: true,
            writing_clears_expired: false,
            kick_restores: false,
            resync: Resync::Restart,
            frame_timeout: Some(ms(1)),
            nic_reset: NicReset::Inputs,
            floating: false,
            relay_time: ms(4),
            latch_time: ms(12),
            eeprom_time: ms(18),
            capability_time: ms(30),
            access: Duration::ZERO,
        }
    }
}

/// What a second 1 is where a sync's 0 is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resync {
    /// The first bit of a new sync.
    Restart,
    /// Garbage: the controller waits for the next sync.
    Idle,
}

/// What a reset of the NIC does to its pins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NicReset {
    /// They become inputs, and open drains are let go.
    Inputs,
    /// Nothing.
    Kept,
}

/// What can be wrong with a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The clock line keeps this level.
    ClockStuck(bool),
    /// The data line keeps this level, for both sides.
    DataStuck(bool),
    /// Every sense pin keeps this level.
    SenseStuck(bool),
    /// The relays do not move any more.
    RelaysStuck,
    /// The controller takes no notice of the next frames, as many as this.
    FramesLost(u32),
    /// The controller misses the next falling edge of the clock.
    EdgeLost,
    /// The controller is busy with itself for this long: frames are lost, kicks count.
    Busy(Duration),
    /// The signature reads so.
    Signature(u8),
    /// The device is gone from the bus: registers read all ones.
    Gone,
    /// The EEPROM takes no write.
    EepromFails,
}
