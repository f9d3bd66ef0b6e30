//! The wires around the pair: a learning switch on each side, two stations behind each, and
//! numbered frames, so that what is lost, doubled or goes round is counted and not guessed.
//!
//! ```text
//!   stations 0, 1 ── LAN switch ── instance 0 ── WAN switch ── stations 2, 3
//!                        └──────── instance 1 ───────┘
//! ```

use twinline_ha::Side;

use crate::clock::Ns;

/// How many stations there are; the first half lives on the LAN side.
pub const STATIONS: usize = 4;
/// The destination of a broadcast.
pub const BROADCAST: u8 = 0xff;
/// Every address that a switch can learn: the stations, then the instances' ports.
const ADDRESSES: usize = STATIONS + 4;
/// Switch ports 0 and 1 lead to the instances, then come the stations.
const PORTS: usize = 2 + STATIONS / 2;
/// A frame that crossed so many switches goes round.
pub const ROUND: u8 = 6;

/// A frame under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its number; announcements have none that counts.
    pub number: u32,
    /// Its source address.
    pub src: u8,
    /// Its destination.
    pub dst: u8,
    /// One of Twinline's announcements.
    pub announcement: bool,
    /// Switches crossed.
    pub hops: u8,
}

/// The side on which a station lives.
#[must_use]
pub fn home(station: usize) -> Side {
    if station < STATIONS / 2 {
        Side::Lan
    } else {
        Side::Wan
    }
}

/// The address of an instance's port.
#[must_use]
pub fn port_mac(host: usize, side: Side) -> u8 {
    let base = u8::try_from(STATIONS + host * 2).unwrap_or(0);
    base + u8::from(side == Side::Wan)
}

/// An address as the decisions know it.
#[must_use]
pub fn mac_of(address: u8) -> [u8; 6] {
    [2, 0, 0, 0, 0, address + 1]
}

/// The station of an address, if it is one.
#[must_use]
pub fn station_of(mac: [u8; 6]) -> Option<usize> {
    let [2, 0, 0, 0, 0, n] = mac else {
        return None;
    };
    let station = usize::from(n).checked_sub(1)?;
    (station < STATIONS).then_some(station)
}

/// Index of a side's switch.
#[must_use]
pub fn index(side: Side) -> usize {
    usize::from(side == Side::Wan)
}

/// A learning bridge (IEEE 802.1D), without spanning tree.
#[derive(Clone, Debug, Default)]
pub struct Switch {
    table: [Option<u8>; ADDRESSES],
}

/// To where a switch sends a frame: instances' legs and stations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outlets {
    /// To these instances.
    pub hosts: [bool; 2],
    /// To these stations of this side, by their place.
    pub stations: [bool; STATIONS / 2],
}

impl Switch {
    /// Learns from a frame and says where it goes. `carrier`: the instances' legs that are up.
    pub fn forward(&mut self, port: u8, frame: &Frame, carrier: [bool; 2]) -> Outlets {
        if let Some(entry) = self.table.get_mut(usize::from(frame.src)) {
            *entry = Some(port);
        }
        let known = self.table.get(usize::from(frame.dst)).copied().flatten();
        let mut out = Outlets::default();
        #[allow(clippy::needless_range_loop, reason = "the port's number is meant")]
        for p in 0..PORTS {
            let number = u8::try_from(p).unwrap_or(0);
            let wanted = number != port && known.is_none_or(|k| k == number);
            match p {
                0 | 1 => out.hosts[p] = wanted && carrier[p],
                _ => out.stations[p - 2] = wanted,
            }
        }
        out
    }

    /// A port lost its carrier: what was learnt there is forgotten.
    pub fn flush(&mut self, port: u8) {
        for entry in &mut self.table {
            if *entry == Some(port) {
                *entry = None;
            }
        }
    }
}

/// What became of a numbered frame.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// When it was sent.
    pub at: Ns,
    /// By which station.
    pub src: u8,
    /// To which.
    pub dst: u8,
    /// Somebody was ACTIVE then.
    pub due: bool,
    /// Copies that reached each station.
    pub copies: [u8; STATIONS],
}

/// A hub for the numbers.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    first: u32,
    sent: std::collections::VecDeque<Sent>,
}

impl Ledger {
    /// A new frame; its number.
    pub fn send(&mut self, at: Ns, src: u8, dst: u8, due: bool) -> u32 {
        self.sent.push_back(Sent {
            at,
            src,
            dst,
            due,
            copies: [0; STATIONS],
        });
        self.first + u32::try_from(self.sent.len()).unwrap_or(0) - 1
    }

    /// A copy reached a station.
    pub fn reached(&mut self, number: u32, station: usize) {
        let Some(place) = number.checked_sub(self.first) else {
            return;
        };
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        if let Some(copies) = self
            .sent
            .get_mut(place)
            .and_then(|s| s.copies.get_mut(station))
        {
            *copies = copies.saturating_add(1);
        }
    }

    /// The oldest frame, if it was sent before `at`: out of the ledger, with its number.
    pub fn due(&mut self, at: Ns) -> Option<(u32, Sent)> {
        if self.sent.front()?.at > at {
            return None;
        }
        let number = self.first;
        self.first += 1;
        self.sent.pop_front().map(|s| (number, s))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(src: u8, dst: u8) -> Frame {
        Frame {
            number: 0,
            src,
            dst,
            announcement: false,
            hops: 0,
        }
    }

    #[test]
    fn a_switch_floods_learns_and_forgets() {
        let mut switch = Switch::default();
        let out = switch.forward(2, &frame(0, 2), [true, true]);
        assert_eq!(
            out,
            Outlets {
                hosts: [true, true],
                stations: [false, true]
            }
        );
        switch.forward(1, &frame(2, 0), [true, true]);
        let out = switch.forward(2, &frame(0, 2), [true, true]);
        assert_eq!(
            out,
            Outlets {
                hosts: [false, true],
                stations: [false, false]
            }
        );
        switch.flush(1);
        let out = switch.forward(2, &frame(0, 2), [true, false]);
        assert_eq!(
            out,
            Outlets {
                hosts: [true, false],
                stations: [false, true]
            }
        );
    }

    #[test]
    fn the_ledger_counts_copies() {
        let mut ledger = Ledger::default();
        let a = ledger.send(5, 0, 2, true);
        let b = ledger.send(6, 1, BROADCAST, true);
        ledger.reached(b, 3);
        ledger.reached(b, 3);
        ledger.reached(a, 2);
        assert!(ledger.due(4).is_none());
        assert_eq!(
            ledger.due(5).map(|(n, s)| (n, s.copies)),
            Some((a, [0, 0, 1, 0]))
        );
        ledger.reached(a, 2);
        assert_eq!(
            ledger.due(9).map(|(n, s)| (n, s.copies)),
            Some((b, [0, 0, 0, 2]))
        );
        assert!(ledger.due(9).is_none());
    }
}
