//! Words over three pins of function 0: clock (SCK) and data (SDI) to the controller, data back
//! (SDO).
//!
//! ```text
//!   SCK ‾‾‾‾\___/‾\_ ... _/‾\____/‾‾‾‾‾     a bit: set SDI, SCK up, SCK down, read SDO
//!   SDI ‾‾\__b31b31_ ... b0b0b0\___/‾‾‾     1 ms after each step
//!        start                     stop
//! ```

use std::time::Duration;

use super::Family;
use super::words::PAGE;
use crate::{CardError, Delay, Function, RegisterIo};

/// How long the lines rest after each step.
const STEP: Duration = Duration::from_millis(1);
/// What a word takes: 4 steps a bit, 2 to start and 2 to stop.
pub const WORD_TIME: Duration = Duration::from_millis(132);

/// Software definable pins: data in bit n, direction (1 = out) in bit 8 + n.
const ESDP: u32 = 0x20;
/// Read after each write: on a 10G NIC that pushes the write out.
const STATUS: u32 = 0x08;

const fn direction(data: u32) -> u32 {
    data << 8
}

/// A family's pins, each as its data bit in ESDP.
#[derive(Clone, Copy, Debug)]
struct Pins {
    sck: u32,
    sdi: u32,
    sdo: u32,
}

impl Pins {
    const fn of(family: Family) -> Self {
        match family {
            Family::Intel82599 => Self {
                sck: 1 << 7,
                sdi: 1 << 0,
                sdo: 1 << 6,
            },
            Family::X540 => Self {
                sck: 1 << 2,
                sdi: 1 << 0,
                sdo: 1 << 1,
            },
        }
    }
}

/// The wire to a card's controller.
pub struct Wire<B> {
    board: B,
    pins: Pins,
    /// The bit that was on its way when a word was broken off.
    broken_off: Option<bool>,
}

impl<B: RegisterIo + Delay> Wire<B> {
    pub const fn new(board: B, family: Family) -> Self {
        Self {
            board,
            pins: Pins::of(family),
            broken_off: None,
        }
    }

    /// Sends a word, and returns what came back meanwhile. The answer's page is the one that was
    /// asked for: the controller begins to answer while these bits are still on their way.
    ///
    /// # Errors
    /// [`CardError::Gone`], and those of the registers.
    pub fn exchange(&mut self, word: u32) -> Result<u32, CardError> {
        let Pins { sck, sdi, sdo } = self.pins;
        self.idle()?;
        self.put(sdi, false)?;
        self.rest();
        self.put(sck, false)?;
        self.rest();
        let mut answer = 0;
        for bit in (0..32).rev() {
            let high = word >> bit & 1 != 0;
            self.broken_off = Some(high);
            self.put(sdi, high)?;
            self.rest();
            self.put(sck, true)?;
            self.rest();
            self.put(sck, false)?;
            self.rest();
            let high = self.pins()? & sdo != 0;
            answer = answer << 1 | u32::from(high);
            self.rest();
        }
        // SDI first, while SCK is low: the other way round could pass for a start.
        self.put(sdi, false)?;
        self.put(sck, true)?;
        self.rest();
        self.put(sdi, true)?;
        self.broken_off = None;
        self.rest();
        Ok(answer & !PAGE | word & PAGE)
    }

    /// Both lines high and ours to drive. After a word they are; the first one may find anything, and
    /// one that was broken off leaves them anywhere. To get out of that, SCK has to rise, which may
    /// be the last edge that a word was lacking: so it rises over the bit that was meant.
    fn idle(&mut self) -> Result<(), CardError> {
        let Pins { sck, sdi, sdo } = self.pins;
        let now = self.pins()?;
        let ours = direction(sck | sdi);
        let broken_off = self.broken_off.take();
        if now & ours != ours || now & direction(sdo) != 0 {
            // High before they are outputs: no edge on lines that are pulled up.
            self.change(sck | sdi, sck | sdi)?;
            self.change(direction(sck | sdi | sdo), ours)?;
            self.rest();
        } else if now & sck == 0 || now & sdi == 0 {
            if let (0, Some(high)) = (now & sck, broken_off) {
                self.put(sdi, high)?;
                self.rest();
            }
            for line in [sck, sdi] {
                self.put(line, true)?;
                self.rest();
            }
        }
        Ok(())
    }

    fn rest(&mut self) {
        self.board.wait(STEP);
    }

    fn pins(&mut self) -> Result<u32, CardError> {
        alive(self.board.read(Function::Master, ESDP)?)
    }

    fn put(&mut self, line: u32, high: bool) -> Result<(), CardError> {
        self.change(line, if high { line } else { 0 })
    }

    /// Bits of ours become what `to` says; the others stay as they are at this moment.
    fn change(&mut self, ours: u32, to: u32) -> Result<(), CardError> {
        let now = self.pins()?;
        self.board.write(Function::Master, ESDP, now & !ours | to)?;
        alive(self.board.read(Function::Master, STATUS)?)?;
        Ok(())
    }
}

/// Neither ESDP nor STATUS can hold all ones: both have reserved bits that read 0.
fn alive(value: u32) -> Result<u32, CardError> {
    if value == u32::MAX {
        return Err(CardError::Gone);
    }
    Ok(value)
}
