//! What the driver does to the pins, against traces written by hand from the facts.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use twinline_bypass::intel::{Adapter, Family};
use twinline_bypass::{CardError, Delay, Function, RegisterIo};

const ESDP: u32 = 0x20;
const STATUS: u32 = 0x08;
/// Bits that are nobody's business here: SDP3 is high and an output, and so is bit 20.
const FOREIGN: u32 = 1 << 3 | 1 << 11 | 1 << 20;

/// A register access as it was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Read(u32),
    Write(u32, u32),
    Wait(u64),
}
use Access::{Read, Wait, Write};

#[derive(Default)]
struct Seen {
    esdp: u32,
    /// The level of SDO at each millisecond.
    sdo: Vec<bool>,
    accesses: Vec<Access>,
    /// (SCK, SDI) at each millisecond.
    levels: Vec<(bool, bool)>,
}

/// A NIC without a card: it plays what a card would say, and keeps what it sees.
#[derive(Clone)]
struct Nic(Arc<Mutex<Seen>>, [u32; 3]);

impl RegisterIo for Nic {
    fn read(&mut self, function: Function, offset: u32) -> Result<u32, CardError> {
        assert_eq!(function, Function::Master);
        let mut seen = self.0.lock().unwrap();
        seen.accesses.push(Read(offset));
        let sdo = 1 << self.1[2];
        let high = seen.sdo.get(seen.levels.len()).copied().unwrap_or(true);
        Ok(match offset {
            ESDP if high => seen.esdp | sdo,
            ESDP => seen.esdp & !sdo,
            _ => 0x8_0000,
        })
    }

    fn write(&mut self, _: Function, offset: u32, value: u32) -> Result<(), CardError> {
        let mut seen = self.0.lock().unwrap();
        seen.accesses.push(Write(offset, value));
        seen.esdp = value;
        Ok(())
    }
}

impl Delay for Nic {
    fn wait(&mut self, at_least: Duration) {
        let mut seen = self.0.lock().unwrap();
        let pin = |n: u32| seen.esdp >> n & 1 != 0;
        let levels = (pin(self.1[0]), pin(self.1[1]));
        seen.levels.push(levels);
        let millis = u64::try_from(at_least.as_millis()).unwrap();
        seen.accesses.push(Wait(millis));
    }
}

/// The levels of SDO for one word: 4 ms for each bit, after 2 ms of start and before 2 of stop.
fn sdo(answer: u32) -> Vec<bool> {
    let bits = (0..32).rev().flat_map(|n| [answer >> n & 1 != 0; 4]);
    [true; 2].into_iter().chain(bits).chain([true; 2]).collect()
}

/// Opens a card that says CTL0, CTL0, CTL2, CTL2.
fn open(family: Family, pins: [u32; 3], answers: [u32; 4]) -> (Result<String, CardError>, Seen) {
    let mut seen = Seen {
        esdp: FOREIGN,
        ..Seen::default()
    };
    seen.sdo.push(true); // while the pins become outputs
    seen.sdo.extend(answers.into_iter().flat_map(sdo));
    let nic = Nic(Arc::new(Mutex::new(seen)), pins);
    let opened = Adapter::open(nic.clone(), family, "0000:03:00.0");
    let name = opened.map(|card| twinline_bypass::Card::name(&card).to_owned());
    let seen = std::mem::take(&mut *nic.0.lock().unwrap());
    (name, seen)
}

fn draw(levels: &[(bool, bool)], which: impl Fn(&(bool, bool)) -> bool) -> String {
    let mark = |at| if which(at) { '1' } else { '0' };
    levels.iter().map(mark).collect()
}

/// A status of "normal", main off and aux off "bypass".
const CTL0: u32 = 0x0000_0A54;
/// The firmware's version, 9, is at offset 2.
const CTL2: u32 = 0x0100_0209;

#[test]
fn four_words_by_hand() {
    for (family, pins) in [(Family::Intel82599, [7, 0, 6]), (Family::X540, [2, 0, 1])] {
        let (name, seen) = open(family, pins, [CTL0, CTL0, 0, CTL2]);
        assert_eq!(name.unwrap(), format!("{}, firmware 9", family.name()));

        let sck = draw(&seen.levels, |l| l.0);
        let sdi = draw(&seen.levels, |l| l.1);
        let clock = format!("10{}11", "0100".repeat(32));
        assert_eq!(sck, format!("1{}", clock.repeat(4)));
        //               start, 31 and 30: page, 29: write, ...                 stop
        let read_ctl0 = format!("00{}01", "0".repeat(128));
        let select = concat!(
            "00", // start
            "1111", "0000", "1111", "0000", "0000", "0000", "0000", "0000", // 31..24
            "0000", "0000", "0000", "0000", "0000", "0000", "0000", "0000", // 23..16
            "0000", "0000", "0000", "0000", "0000", "0000", "1111", "0000", // 15..8: offset 2
            "0000", "0000", "0000", "0000", "0000", "0000", "0000", "0000", // 7..0
            "01",   // stop
        );
        let read_ctl2 = format!("001111{}01", "0".repeat(124));
        assert_eq!(sdi, format!("1{read_ctl0}{read_ctl0}{select}{read_ctl2}"));
    }
}

#[test]
fn each_edge_is_one_read_modify_write_and_a_read_of_status() {
    let (_, seen) = open(Family::Intel82599, [7, 0, 6], [CTL0, CTL0, 0, CTL2]);
    let idle = FOREIGN | 1 << 15 | 1 << 8 | 1 << 7 | 1 << 0 | 1 << 6;
    let read = Read(ESDP);
    let flush = Read(STATUS);
    let first = [
        // high, and then outputs; SDO (SDP6) stays an input, which reads high
        read,
        read,
        Write(ESDP, FOREIGN | 1 << 7 | 1 << 6 | 1 << 0),
        flush,
        read,
        Write(ESDP, idle),
        flush,
        Wait(1),
        // start: SDI, then SCK
        read,
        Write(ESDP, idle & !1),
        flush,
        Wait(1),
        read,
        Write(ESDP, idle & !(1 | 1 << 7)),
        flush,
        Wait(1),
        // bit 31, a 0: SDI, SCK up, SCK down, a look at SDO, which is low
        read,
        Write(ESDP, idle & !(1 | 1 << 7 | 1 << 6)),
        flush,
        Wait(1),
        read,
        Write(ESDP, idle & !(1 | 1 << 6)),
        flush,
        Wait(1),
        read,
        Write(ESDP, idle & !(1 | 1 << 7 | 1 << 6)),
        flush,
        Wait(1),
        read,
        Wait(1),
    ];
    assert_eq!(seen.accesses[..first.len()], first);
    let foreign = |value: u32| value & !(0b1100_0001 | 0b1100_0001 << 8) == FOREIGN;
    for access in &seen.accesses {
        if let Write(offset, value) = *access {
            assert!(offset == ESDP && foreign(value), "{access:?}");
        }
    }
}

#[test]
fn an_answer_about_another_byte_is_asked_for_again() {
    let about_three = 0x0100_0309;
    let (name, seen) = open(Family::X540, [2, 0, 1], [CTL0, CTL0, 0, about_three]);
    // From then on SDO stays high: never an answer about byte 2.
    let words = u32::try_from(seen.levels.len() - 1).unwrap() / 132;
    assert_eq!(words, 2 + 8);
    assert!(matches!(name, Err(CardError::Timeout(_))), "{name:?}");
}

#[test]
fn a_line_without_a_card_is_no_card() {
    for level in [0, u32::MAX] {
        let (name, seen) = open(Family::X540, [2, 0, 1], [level; 4]);
        // After four such words SDO stays high, which is no answer either.
        assert!(matches!(name, Err(CardError::Timeout(_))), "{name:?}");
        assert_eq!(seen.levels.len(), 1 + 8 * 132);
    }
}

#[test]
fn two_answers_that_differ_are_not_believed() {
    let bypass = CTL0 & !0b1100 | 0b1000;
    let (name, _) = open(Family::X540, [2, 0, 1], [CTL0, bypass, CTL0, bypass]);
    assert!(matches!(name, Err(CardError::Timeout(_))), "{name:?}");
}

#[test]
fn only_function_0_is_spoken_to() {
    for address in ["0000:03:00.1", "0000:03:00.2", "03"] {
        let nic = Nic(Arc::default(), [7, 0, 6]);
        let opened = Adapter::open(nic.clone(), Family::Intel82599, address);
        assert_eq!(opened.unwrap_err(), CardError::NotMaster(address.into()));
        assert!(nic.0.lock().unwrap().accesses.is_empty());
    }
}
