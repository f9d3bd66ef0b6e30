//! A Silicom adapter as a [`Card`].

use std::fmt;
use std::time::Duration;

use super::commands::{flag, flags_of, register, status};
use super::controller::Controller;
use super::family::Board;
use super::identity::{Identity, period};
use super::sense::{self, Pin};
use crate::{
    Capabilities, Card, CardError, Delay, Observed, Path, Paths, PowerEvent, PowerOff, RegisterIo,
    Side, Source,
};

/// The longest that a verb keeps its caller waiting: [`Card::inhibit`] of three paths. Setting a
/// path that the card takes at once needs about 26 ms, a kick some microseconds.
pub const LONGEST_VERB: Duration = Duration::from_millis(350);

/// A pair's Silicom adapter.
///
/// Until the path is known by both, the sense pins and the controller's flags are asked: a path is
/// called sensed only when neither contradicts.
pub struct Adapter<H> {
    pub(super) controller: Controller<H>,
    pub(super) identity: Identity,
    pub(super) memory: Memory,
    name: String,
    power_off: PowerOff,
}

/// What the driver remembers, since the card does not tell it at no cost.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Memory {
    /// The path that was commanded last, or found at the start.
    pub path: Option<Path>,
    /// The watchdog's exponent while it is armed, as last seen or commanded.
    pub armed: Option<u8>,
    /// The watchdog may be running, or have expired: where frames are kicks, none is sent then
    /// only to look.
    pub running: bool,
    /// The watchdog was seen expired, and has not been armed since.
    pub expired: bool,
    /// The path's change as last seen.
    pub changed: bool,
    /// Arming did not clear the card's flag of expiry, so the flag says nothing.
    pub flag_stuck: bool,
    /// The caller knows of the expiry, though the card still shows it.
    pub acknowledged: bool,
}

/// What one look shows.
pub(super) struct Look {
    pub path: Option<Path>,
    pub source: Source,
    pub armed: Option<u8>,
    pub changed: bool,
    pub expired: bool,
    /// The paths that are forbidden.
    pub forbidden: Paths,
}

impl<H: RegisterIo + Delay> Adapter<H> {
    /// Asks who is there. Reads only, but moves the board's pins: only for boards that
    /// [`super::recognise`] knows, or that an operator has named.
    ///
    /// # Errors
    /// [`CardError::NoSignature`] when no card answers, [`CardError::Gone`] when the NIC is gone.
    pub fn probe(io: H, board: Board) -> Result<Identity, CardError> {
        Controller::meet(io, board).map(|(_, identity)| identity)
    }

    /// Opens the card, and changes nothing on it.
    ///
    /// `power_off_verified` says that an operator has pulled the plug and seen the path that
    /// [`PowerEvent::PowerOff`] promises: a card's own word is only a claim.
    ///
    /// # Errors
    /// As [`Adapter::probe`].
    pub fn open(io: H, board: Board, power_off_verified: bool) -> Result<Self, CardError> {
        let (controller, identity) = Controller::meet(io, board)?;
        let name = format!(
            "Silicom {}, firmware {:02x}",
            board.family,
            identity.version()
        );
        let mut adapter = Self {
            controller,
            identity,
            memory: Memory::default(),
            name,
            power_off: if power_off_verified {
                PowerOff::Verified
            } else {
                PowerOff::Claimed
            },
        };
        adapter.memory.path = adapter.look()?.path;
        Ok(adapter)
    }

    /// Who it is.
    #[must_use]
    pub const fn identity(&self) -> Identity {
        self.identity
    }

    /// The paths that the sense pins allow. Some microseconds.
    pub(super) fn candidates(&mut self) -> Result<Paths, CardError> {
        let can = self.identity.paths();
        let mut pins: [Pin; 3] = [(Paths::NONE, false); 3];
        for (pin, sense) in pins.iter_mut().zip(self.controller.link.senses()) {
            if let Some(sense) = sense.filter(|s| sense::is_wired(s, can)) {
                *pin = (sense.shows, self.controller.link.sense(&sense)?);
            }
        }
        Ok(sense::candidates(can, &pins))
    }

    /// Looks at flags and pins. When they contradict each other, once more: the relays may just
    /// have been moving.
    pub(super) fn look(&mut self) -> Result<Look, CardError> {
        let look = self.look_once()?;
        if look.path.is_some() {
            return Ok(look);
        }
        self.look_once()
    }

    fn look_once(&mut self) -> Result<Look, CardError> {
        let can = self.identity.paths();
        let state = self.controller.read(register::STATUS)?;
        let enabled = state & status::WATCHDOG_ENABLED != 0;
        let exponent = if enabled {
            Some(self.controller.read(register::WATCHDOG)? & 0xF)
        } else {
            None
        };
        let mut taken = Vec::new();
        let mut forbidden = Vec::new();
        let mut changed = false;
        for path in [Path::Bypass, Path::Tap, Path::Disconnect] {
            let flags = match path {
                Path::Bypass => state,
                _ if can.has(path) => self.controller.read(flags_of(path))?,
                _ => continue,
            };
            changed |= flags & flag::CHANGED != 0;
            if flags & flag::OFF == 0 {
                taken.push(path);
            }
            if flags & flag::DISABLED != 0 {
                forbidden.push(path);
            }
        }
        // The pins last: they are what counts, and they are read in no time.
        let candidates = self.candidates()?;
        let mut path = sense::by_flags(&taken).filter(|&p| candidates.has(p));
        let source = match sense::single(candidates) {
            Some(_) => Source::Sensed,
            None => Source::Reported,
        };
        // Without pins that tell, flags of different moments must not make up a path: expiry in
        // between changes STATUS.
        if source == Source::Reported && self.controller.read(register::STATUS)? != state {
            path = None;
        }
        let left =
            self.memory.path == Some(Path::Inline) && !matches!(path, None | Some(Path::Inline));
        let expired = state & status::EXPIRED != 0 && (!self.memory.flag_stuck || left);
        self.memory.acknowledged &= expired;
        self.memory.expired = expired;
        self.memory.running = enabled || expired;
        self.memory.armed = exponent.filter(|_| !expired);
        self.memory.changed = changed;
        Ok(Look {
            path,
            source,
            armed: self.memory.armed,
            changed,
            expired: expired && !self.memory.acknowledged,
            forbidden: Paths::of(&forbidden),
        })
    }

    /// A look that sends no frame, at a card whose watchdog takes frames for kicks: a look that
    /// kicks would keep a card inline whose workers are dead. What the pins cannot tell is what
    /// was commanded; that the card has left inline is all that can be known of an expiry.
    fn look_quietly(&mut self) -> Result<Observed, CardError> {
        let candidates = self.candidates()?;
        let sensed = sense::single(candidates);
        let path = sensed.or(self.memory.path.filter(|&p| candidates.has(p)));
        let left = !matches!(path, None | Some(Path::Inline));
        if left && self.memory.path == Some(Path::Inline) {
            self.memory.changed |= !self.memory.expired;
            self.memory.expired = true;
            self.memory.armed = None;
        }
        Ok(Observed {
            path,
            source: match sensed {
                Some(_) => Source::Sensed,
                None => Source::Shadow,
            },
            watchdog: self.memory.armed.map(period),
            changed: self.memory.changed,
            expired: self.memory.expired && !self.memory.acknowledged,
        })
    }

    /// The card has no such thing.
    pub(super) fn cannot<T>(&self, what: &str) -> Result<T, CardError> {
        Err(CardError::NotCapable(format!(
            "{} has no {what}",
            self.name
        )))
    }
}

impl<H> fmt::Debug for Adapter<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Adapter")
            .field("name", &self.name)
            .field("identity", &self.identity)
            .field("memory", &self.memory)
            .finish_non_exhaustive()
    }
}

impl<H: RegisterIo + Delay> Card for Adapter<H> {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            paths: self.identity.paths(),
            events: self.identity.events(),
            watchdog: self.identity.watchdog(),
            power_off: self.power_off,
            tx_switch: true,
            two_port_link: self.identity.two_port_link(),
            longest_verb: LONGEST_VERB,
        }
    }

    /// By sense pins and flags, up to 19 ms; twice that when they contradict each other.
    ///
    /// Before extension version 4 frames count as kicks, so a card that was armed is looked at by
    /// its pins only, and without pins (fiber) the path is the one that was commanded.
    fn observe(&mut self) -> Result<Observed, CardError> {
        if self.identity.frames_kick() && self.memory.running {
            return self.look_quietly();
        }
        let look = self.look()?;
        Ok(Observed {
            path: look.path,
            source: look.source,
            watchdog: look.armed.map(period),
            changed: look.changed,
            expired: look.expired,
        })
    }

    fn set_path(&mut self, path: Path) -> Result<(), CardError> {
        self.take(path)
    }

    fn policy(&mut self, event: PowerEvent) -> Result<Path, CardError> {
        self.read_policy(event)
    }

    fn set_policy(&mut self, event: PowerEvent, path: Path) -> Result<(), CardError> {
        self.write_policy(event, path)
    }

    fn arm_watchdog(&mut self, period: Duration) -> Result<Duration, CardError> {
        self.arm(period)
    }

    fn disarm_watchdog(&mut self) -> Result<(), CardError> {
        self.disarm()
    }

    /// One pulse: some microseconds.
    ///
    /// What a kick does to a card that has expired is not known, so none is sent while the pins
    /// show that the card has left inline by itself: the error says so at once. Before extension
    /// version 4 every other verb kicks as well.
    fn kick(&mut self) -> Result<(), CardError> {
        self.pulse()
    }

    fn inhibit(&mut self, inhibited: bool) -> Result<(), CardError> {
        self.forbid(inhibited)
    }

    fn set_tx(&mut self, side: Side, on: bool) -> Result<(), CardError> {
        self.switch_transmitter(side, on)
    }

    fn set_two_port_link(&mut self, on: bool) -> Result<(), CardError> {
        self.join_links(on)
    }

    fn clear_changed(&mut self) -> Result<(), CardError> {
        self.forget_changes()
    }
}
