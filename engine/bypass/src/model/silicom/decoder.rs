//! Edges to frames and kicks.

use std::time::Duration;

use super::parameters::{Parameters, Resync};

/// A bit's clock is high, and low, for this long at least, or the edge is lost.
const PHASE: Duration = Duration::from_micros(100);
/// The clock is low for this long before a frame, or its start is lost.
const REST: Duration = Duration::from_micros(200);
/// A shorter pulse is none.
const PULSE: Duration = Duration::from_micros(5);

/// What a falling edge has completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Kick,
    Write { address: u8, data: u8 },
    Read { address: u8 },
}

#[derive(Clone, Copy, Debug)]
enum State {
    Idle,
    /// The sync's 1 was there.
    Sync,
    /// Bits after the sync.
    Frame {
        bits: u16,
        count: u8,
    },
    /// Bits that are driven on the next falling edges; `None` when the frame was lost.
    Answer {
        data: Option<u8>,
        left: u8,
    },
}

/// The controller's side of the two lines.
#[derive(Debug)]
pub(super) struct Decoder {
    state: State,
    rose: Duration,
    fell: Duration,
    /// The level that the controller drives MDIO to.
    pub driving: Option<bool>,
    /// Falling edges that it misses.
    pub edges_lost: u32,
    resync: Resync,
    timeout: Option<Duration>,
}

impl Decoder {
    pub(super) const fn new(parameters: &Parameters) -> Self {
        Self {
            state: State::Idle,
            rose: Duration::ZERO,
            fell: Duration::ZERO,
            driving: None,
            edges_lost: 0,
            resync: parameters.resync,
            timeout: parameters.frame_timeout,
        }
    }

    pub(super) fn rising(&mut self, now: Duration) {
        self.stand_still(now);
        self.rose = now;
    }

    /// MDIO is taken when the clock falls.
    pub(super) fn falling(&mut self, now: Duration, data: bool) -> Option<Event> {
        self.stand_still(now);
        let high = now.saturating_sub(self.rose);
        let low = self.rose.saturating_sub(self.fell);
        self.fell = now;
        if high < PULSE {
            return None;
        }
        if self.edges_lost > 0 {
            self.edges_lost -= 1;
            return None;
        }
        if let State::Idle = self.state {
            if !data {
                return Some(Event::Kick);
            }
            if low >= REST && high >= PHASE {
                self.state = State::Sync;
            }
            return None;
        }
        if high < PHASE || low < PHASE {
            return None;
        }
        self.bit(data)
    }

    fn bit(&mut self, data: bool) -> Option<Event> {
        match self.state {
            State::Idle => None,
            State::Sync => {
                self.state = match (data, self.resync) {
                    (false, _) => State::Frame { bits: 0, count: 0 },
                    (true, Resync::Restart) => State::Sync,
                    (true, Resync::Idle) => State::Idle,
                };
                None
            }
            State::Frame { bits, count } => self.frame(bits << 1 | u16::from(data), count + 1),
            State::Answer { left: 0, .. } => {
                self.driving = None;
                self.state = State::Idle;
                None
            }
            State::Answer { data, left } => {
                self.driving = data.map(|d| d & 0x80 != 0);
                self.state = State::Answer {
                    data: data.map(|d| d << 1),
                    left: left - 1,
                };
                None
            }
        }
    }

    /// Two bits of operation, four of address, eight of data.
    fn frame(&mut self, bits: u16, count: u8) -> Option<Event> {
        let low = |value: u16| u8::try_from(value & 0xFF).unwrap_or_default();
        self.state = State::Frame { bits, count };
        match (count, bits) {
            (2, 0b00 | 0b11) => {
                self.state = State::Idle;
                None
            }
            (6, _) if bits >> 4 == 0b01 => {
                self.state = State::Answer {
                    data: None,
                    left: 8,
                };
                Some(Event::Read {
                    address: low(bits & 0xF),
                })
            }
            (14, _) => {
                self.state = State::Idle;
                Some(Event::Write {
                    address: low(bits >> 8 & 0xF),
                    data: low(bits),
                })
            }
            _ => None,
        }
    }

    /// The answer to the read that was just completed.
    pub(super) fn answer(&mut self, data: u8) {
        if let State::Answer { left: 8, .. } = self.state {
            self.state = State::Answer {
                data: Some(data),
                left: 8,
            };
        }
    }

    /// A frame that stands still is forgotten.
    fn stand_still(&mut self, now: Duration) {
        let last = self.rose.max(self.fell);
        if self.timeout.is_some_and(|t| now.saturating_sub(last) > t) {
            self.state = State::Idle;
            self.driving = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: fn(u64) -> Duration = Duration::from_micros;

    /// Clocks bits, each high and low for so long, after a rest; returns what came of it.
    fn clock(bits: &str, high: u64, low: u64, rest: u64) -> Vec<Event> {
        let mut decoder = Decoder::new(&Parameters::default());
        let mut now = US(1_000);
        decoder.rising(now);
        now += US(10);
        decoder.falling(now, false);
        now += US(rest);
        let mut events = Vec::new();
        for bit in bits.chars().filter(|c| *c != ' ') {
            decoder.rising(now);
            now += US(high);
            events.extend(decoder.falling(now, bit == '1'));
            now += US(low);
        }
        events
    }

    const COMMAND: &str = "10 10 1010 00000100";

    #[test]
    fn a_frame_is_decoded() {
        let write = Event::Write {
            address: 10,
            data: 4,
        };
        assert_eq!(clock(COMMAND, 100, 100, 200), [write]);
        assert_eq!(
            clock("10 01 0111", 100, 100, 200),
            [Event::Read { address: 7 }]
        );
    }

    #[test]
    fn edges_that_come_too_early_are_lost() {
        let write = |events: Vec<Event>| events.iter().any(|e| matches!(e, Event::Write { .. }));
        assert!(write(clock(COMMAND, 100, 100, 200)));
        assert!(!write(clock(COMMAND, 99, 100, 200)), "high too short");
        assert!(!write(clock(COMMAND, 100, 99, 200)), "low too short");
        assert!(!write(clock(COMMAND, 100, 100, 199)), "rest too short");
    }

    #[test]
    fn a_kick_is_a_pulse_of_5_us_without_data() {
        assert_eq!(clock("0", 5, 5, 5), [Event::Kick]);
        assert_eq!(clock("0", 4, 5, 5), [], "too short");
        assert_eq!(clock("1", 5, 5, 5), [], "with data it is none");
    }
}
