//! The controller: registers, commands, EEPROM and watchdog.

use std::time::Duration;

use super::parameters::Parameters;
use crate::{Path, Paths};

/// The settings that survive a power cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eeprom {
    /// The path after power-up.
    pub power_up: Path,
    /// The path without power: bypass or inline.
    pub power_off: Path,
    /// Expiry leads to TAP.
    pub expire_tap: bool,
    /// Expiry leads to disconnect; it wins when both are set.
    pub expire_disconnect: bool,
    /// The paths that are forbidden.
    pub forbidden: Paths,
    /// Two-port link.
    pub two_port_link: bool,
    /// The card is to be a plain NIC.
    pub standard_nic: bool,
    /// CONFIG: wait at power-up, and hardware reset.
    pub config: u8,
}

impl Default for Eeprom {
    fn default() -> Self {
        Self {
            power_up: Path::Bypass,
            power_off: Path::Bypass,
            expire_tap: false,
            expire_disconnect: false,
            forbidden: Paths::NONE,
            two_port_link: false,
            standard_nic: false,
            config: 0,
        }
    }
}

/// Everything that does not survive a power cycle.
#[derive(Clone, Debug)]
struct Volatile {
    path: Path,
    /// Until when commands are taken.
    window: Option<Duration>,
    enabled: bool,
    exponent: u8,
    deadline: Option<Duration>,
    expired: bool,
    changed: Paths,
    tx_off: u8,
    /// Until when nothing but CMND_ON and CMND_OFF is taken.
    busy: Duration,
    /// What the EEPROM will hold, and when.
    pending: Option<(Duration, Eeprom)>,
}

impl Volatile {
    const fn new(path: Path) -> Self {
        Self {
            path,
            window: None,
            enabled: false,
            exponent: 0,
            deadline: None,
            expired: false,
            changed: Paths::NONE,
            tx_off: 0,
            busy: Duration::ZERO,
            pending: None,
        }
    }
}

/// The controller.
#[derive(Debug)]
pub(super) struct Firmware {
    parameters: Parameters,
    eeprom: Eeprom,
    now: Volatile,
    /// Writes that reached the EEPROM.
    pub eeprom_writes: u32,
    /// What the signature register says instead.
    pub signature: Option<u8>,
    /// The EEPROM takes no write.
    pub eeprom_fails: bool,
}

fn with(paths: Paths, path: Path, on: bool) -> Paths {
    let kept: Vec<Path> = Path::ALL
        .into_iter()
        .filter(|&p| if p == path { on } else { paths.has(p) })
        .collect();
    Paths::of(&kept)
}

impl Firmware {
    pub(super) fn new(parameters: &Parameters) -> Self {
        let mut firmware = Self {
            parameters: parameters.clone(),
            eeprom: parameters.factory,
            now: Volatile::new(Path::Inline),
            eeprom_writes: 0,
            signature: None,
            eeprom_fails: false,
        };
        firmware.power_on();
        firmware
    }

    pub(super) const fn extension(&self) -> u8 {
        self.parameters.version & 0xF
    }

    /// Where it wants the relays.
    pub(super) const fn path(&self) -> Path {
        self.now.path
    }

    pub(super) const fn eeprom(&self) -> Eeprom {
        self.eeprom
    }

    /// The transmitters that it has switched off: b6 is A, b7 is B.
    pub(super) const fn tx_off(&self) -> u8 {
        self.now.tx_off
    }

    /// What is left until the watchdog expires.
    pub(super) fn watchdog_left(&self, now: Duration) -> Option<Duration> {
        self.now.deadline.map(|at| at.saturating_sub(now))
    }

    pub(super) fn power_on(&mut self) {
        self.now = Volatile::new(Path::Inline);
        let path = self.eeprom.power_up;
        if self.may(path) {
            self.now.path = path;
        }
    }

    /// Where the relays go without power.
    pub(super) fn power_off(&mut self) -> Path {
        self.now = Volatile::new(Path::Inline);
        let path = if self.extension() >= 6 {
            self.eeprom.power_off
        } else {
            Path::Bypass
        };
        if self.may(path) { path } else { Path::Inline }
    }

    fn can(&self, path: Path) -> bool {
        let word = self.parameters.capabilities;
        match (self.extension(), path) {
            (0, path) => matches!(path, Path::Inline | Path::Bypass),
            (_, Path::Inline) => word & 0b100 == 0,
            (_, Path::Bypass) => word & 0b1 != 0,
            (_, Path::Tap) => word & 0b10 != 0,
            (extension, Path::Disconnect) => extension >= 8 && word & 0b1000 != 0,
        }
    }

    fn may(&self, path: Path) -> bool {
        let away = path != Path::Inline;
        self.can(path) && !(away && self.eeprom.standard_nic) && !self.eeprom.forbidden.has(path)
    }

    fn go(&mut self, path: Path) {
        if path == self.now.path || !self.may(path) {
            return;
        }
        for end in [self.now.path, path] {
            self.now.changed = with(self.now.changed, end, true);
        }
        self.now.path = path;
    }

    pub(super) fn next_event(&self) -> Option<Duration> {
        let pending = self.now.pending.as_ref().map(|&(at, _)| at);
        [self.now.deadline, pending].into_iter().flatten().min()
    }

    pub(super) fn tick(&mut self, now: Duration) {
        if let Some((at, eeprom)) = self.now.pending
            && at <= now
        {
            self.now.pending = None;
            if !self.eeprom_fails {
                self.eeprom = eeprom;
                self.eeprom_writes += 1;
            }
        }
        if self.now.deadline.is_some_and(|at| at <= now) {
            self.now.deadline = None;
            self.now.expired = true;
            self.now.enabled &= !self.parameters.expiry_disarms;
            self.go(match self.eeprom {
                Eeprom {
                    expire_disconnect: true,
                    ..
                } => Path::Disconnect,
                Eeprom {
                    expire_tap: true, ..
                } => Path::Tap,
                _ => Path::Bypass,
            });
        }
    }

    pub(super) fn kick(&mut self, now: Duration) {
        let period = Duration::from_millis(100) * (1 << u32::from(self.now.exponent));
        if self.now.deadline.is_some() {
            self.now.deadline = Some(now + period);
        } else if self.now.expired && self.parameters.kick_restores {
            self.now.deadline = Some(now + period);
            self.go(Path::Inline);
        }
    }

    pub(super) fn read(&self, address: u8, now: Duration) -> u8 {
        let bit = |on: bool, n: u8| u8::from(on) << n;
        let (state, eeprom) = (&self.now, &self.eeprom);
        let own = |path| {
            bit(eeprom.forbidden.has(path), 2)
                | bit(state.path != path, 4)
                | bit(state.changed.has(path), 5)
        };
        let extension = self.extension();
        match address {
            0 => {
                bit(state.enabled, 0)
                    | bit(self.is_open(now), 1)
                    | own(Path::Bypass)
                    | bit(eeprom.power_up != Path::Bypass, 3)
                    | bit(state.expired, 6)
                    | bit(extension >= 6 && eeprom.power_off == Path::Inline, 7)
            }
            1 => self.parameters.version,
            4 => state.exponent,
            5 if extension >= 1 => self.parameters.capabilities,
            6 if extension >= 1 => {
                bit(eeprom.expire_tap, 0)
                    | own(Path::Tap)
                    | bit(eeprom.power_up == Path::Tap, 3)
                    | state.tx_off
            }
            7 if extension >= 2 => self.signature.unwrap_or(0xCD),
            12 => eeprom.config,
            13 if extension >= 8 => {
                bit(eeprom.expire_disconnect, 0)
                    | bit(eeprom.standard_nic, 1)
                    | own(Path::Disconnect)
                    | bit(eeprom.power_up == Path::Disconnect, 3)
                    | bit(eeprom.two_port_link, 6)
            }
            _ => 0,
        }
    }

    fn is_open(&self, now: Duration) -> bool {
        self.now.window.is_some_and(|until| now < until)
    }

    fn is_busy(&self, now: Duration) -> bool {
        now < self.now.busy
    }

    pub(super) fn write(&mut self, address: u8, data: u8, now: Duration) {
        let kept = |on: Paths, path| with(on, path, on.has(path) && data & 0x20 != 0);
        match address {
            10 => self.command(data, now),
            _ if self.is_busy(now) => {}
            0 => {
                self.now.changed = kept(self.now.changed, Path::Bypass);
                self.now.expired &= data & 0x40 != 0 || !self.parameters.writing_clears_expired;
            }
            6 if self.can(Path::Tap) => {
                self.now.changed = kept(self.now.changed, Path::Tap);
                self.burn(now, |e| e.expire_tap = data & 1 != 0);
            }
            13 if self.can(Path::Disconnect) => {
                self.now.changed = kept(self.now.changed, Path::Disconnect);
                self.burn(now, |e| e.expire_disconnect = data & 1 != 0);
            }
            _ => {}
        }
    }

    /// Direct writes: the EEPROM is written when something differs.
    fn burn(&mut self, now: Duration, change: impl FnOnce(&mut Eeprom)) {
        let mut wanted = self.eeprom;
        change(&mut wanted);
        if wanted != self.eeprom {
            self.store(now, self.parameters.eeprom_time, wanted);
        }
    }

    fn store(&mut self, now: Duration, time: Duration, wanted: Eeprom) {
        self.now.busy = now + time;
        self.now.pending = Some((now + time, wanted));
    }

    fn command(&mut self, code: u8, now: Duration) {
        match code {
            0x04 => {
                let length = self.parameters.command_window;
                self.now.window = Some(length.map_or(Duration::MAX, |d| now + d));
            }
            0x02 => self.now.window = None,
            _ if self.is_busy(now) => {}
            _ if self.is_open(now) || self.parameters.commands_without_window => {
                self.run(code, now);
            }
            _ => {}
        }
    }

    fn run(&mut self, code: u8, now: Duration) {
        let extension = self.extension();
        let latch = now + self.parameters.latch_time;
        match code {
            0x0A => self.path_command(Path::Bypass, true, latch),
            0x08 => self.path_command(Path::Bypass, false, latch),
            0x0B => self.path_command(Path::Tap, true, latch),
            0x09 => self.path_command(Path::Tap, false, latch),
            0x85 => self.path_command(Path::Disconnect, true, latch),
            0x8A => self.path_command(Path::Disconnect, false, latch),
            0x10..=0x1F => {
                self.now.busy = latch;
                self.now.enabled = true;
                self.now.exponent = code & 0xF;
                let period = Duration::from_millis(100) * (1 << u32::from(code & 0xF));
                self.now.deadline = Some(now + period);
                self.now.expired &= !self.parameters.arming_clears_expired;
            }
            0x06 => {
                self.now.busy = latch;
                self.now.enabled = false;
                self.now.deadline = None;
            }
            0x20 => self.power_on(),
            0x8D | 0x8E | 0xA0 | 0xA1 if extension >= 9 => {
                self.now.busy = latch;
                self.now.tx_off = match code {
                    0x8D => self.now.tx_off | 0x40,
                    0x8E => self.now.tx_off | 0x80,
                    0xA0 => self.now.tx_off & !0x40,
                    _ => self.now.tx_off & !0x80,
                };
            }
            _ => self.setting(code, now),
        }
    }

    fn path_command(&mut self, path: Path, on: bool, latch: Duration) {
        if !self.can(path) {
            return;
        }
        self.now.busy = latch;
        if on {
            self.go(path);
        } else if self.now.path == path {
            self.go(Path::Inline);
        }
    }

    /// Commands that write the EEPROM, each time.
    fn setting(&mut self, code: u8, now: Duration) {
        let mut wanted = self.eeprom;
        let mut time = self.parameters.eeprom_time;
        let newer = self.extension() >= 8;
        let up = match code {
            0x26 => Some(Path::Bypass),
            0x28 => Some(Path::Inline),
            0x2A => Some(Path::Tap),
            0x87 => Some(Path::Disconnect),
            _ => None,
        };
        let forbid = match code {
            0x22 | 0x24 => Some((Path::Bypass, code == 0x22)),
            0x2C | 0x2E => Some((Path::Tap, code == 0x2C)),
            0x88 | 0x89 => Some((Path::Disconnect, code == 0x88)),
            _ => None,
        };
        match (code, up, forbid) {
            (_, Some(path), _) if self.can(path) => wanted.power_up = path,
            (_, _, Some((path, on))) if self.can(path) => {
                wanted.forbidden = with(wanted.forbidden, path, on);
                time = self.parameters.capability_time;
            }
            (0x27, ..) if self.extension() >= 6 => wanted.power_off = Path::Bypass,
            (0x29, ..) if self.extension() >= 6 => wanted.power_off = Path::Inline,
            (0x84 | 0x86, ..) if newer => wanted.standard_nic = code == 0x84,
            (0x8B | 0x8C, ..) if newer && self.parameters.capabilities & 0x10 != 0 => {
                wanted.two_port_link = code == 0x8C;
            }
            (0x80, ..) => wanted.config |= 0b01,
            (0x81, ..) => wanted.config &= !0b01,
            (0x82, ..) => wanted.config |= 0b10,
            (0x83, ..) => wanted.config &= !0b10,
            _ => return,
        }
        self.store(now, time, wanted);
    }
}
