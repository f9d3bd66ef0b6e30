//! The in-band path's ends (rule 12): the data ports, as `engine/management` speaks from them.
//!
//! The path is a model of its own beside the switches of [`crate::network`], and not made of their
//! frames. What it depends on is the same all the same: a copy leaves by each side, through the
//! sender's worker (one that hangs sends it when it goes on), needs the carrier of both instances'
//! legs on that side, when it leaves and when it arrives, and waits in the receiver's worker like
//! any frame. That is honest enough, since a switch treats these frames as any others: each port's
//! address is seen behind that very port alone (workers never forward these frames), so whether the
//! switch has learnt it changes who else gets the frame, and hosts and workers that do drop it.
//! What a real data network may do besides (drop the ethertype, carry one direction only, delay,
//! lose, double) is the path's [`crate::wire::Quality`].
//!
//! A port at which the peer is not heard sends a probe five times a second and nothing else, as
//! `engine/management/src/in_band.rs` has it: so in-band not every message is sent.

use twinline_ha::{Message, Side};

use crate::clock::{MS, Ns, SEC};
use crate::network::index;

/// Between two probes of a port at which nobody is heard.
pub const PROBE_EVERY: Ns = 200 * MS;
/// For how long a peer's port is spoken to that is heard no more.
pub const KNOWN_FOR: Ns = SEC;
/// Frames that a worker keeps for the management core, and the management core for a worker.
pub const DIVERTED: usize = 64;
/// Frames that a worker takes to be sent.
pub const INJECTED: u32 = 256;

/// To which port of the other instance this port's frames come.
#[must_use]
pub fn facing(series: bool, host: usize, side: Side) -> Option<Side> {
    match (series, host, side) {
        (false, ..) => Some(side),
        // One wire: LAN, instance 0, instance 1, WAN.
        (true, 0, Side::Wan) => Some(Side::Lan),
        (true, 1, Side::Lan) => Some(Side::Wan),
        (true, ..) => None,
    }
}

/// The data ports of one process.
#[derive(Clone, Debug)]
pub struct DataPorts {
    series: bool,
    /// When the peer was last heard, by side.
    heard: [Option<Ns>; 2],
    next_probe: [Ns; 2],
    /// What the worker diverted and the management core has not read.
    pub inbox: Vec<(Side, Message)>,
    /// Frames that wait for a worker that hangs.
    pub injected: u32,
}

impl DataPorts {
    /// Ports that have heard nobody.
    #[must_use]
    pub fn new(series: bool) -> Self {
        Self {
            series,
            heard: [None; 2],
            next_probe: [0; 2],
            inbox: Vec::new(),
            injected: 0,
        }
    }

    /// The peer is heard at this port.
    #[must_use]
    pub fn knows(&self, side: Side, now: Ns) -> bool {
        self.heard[index(side)].is_some_and(|at| now < at + KNOWN_FOR)
    }

    /// A message of the peer was read that came in here.
    pub fn hear(&mut self, side: Side, now: Ns) {
        self.heard[index(side)] = Some(now);
    }

    /// From which ports the next message goes.
    pub fn speak(&mut self, now: Ns) -> [bool; 2] {
        let knows = [Side::Lan, Side::Wan].map(|side| self.knows(side, now));
        let found = self.series && (knows[0] || knows[1]);
        let mut out = knows;
        for side in 0..2 {
            if !knows[side] && !found && now >= self.next_probe[side] {
                self.next_probe[side] = now + PROBE_EVERY;
                out[side] = true;
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_12_a_port_probes_until_the_peer_is_heard_there_and_again_a_second_after_the_last() {
        let mut ports = DataPorts::new(false);
        assert_eq!(ports.speak(0), [true, true]);
        assert_eq!(ports.speak(199 * MS), [false, false]);
        ports.hear(Side::Lan, 199 * MS);
        assert_eq!(ports.speak(199 * MS), [true, false]);
        assert_eq!(ports.speak(200 * MS), [true, true]);
        assert_eq!(ports.speak(1198 * MS), [true, true]);
        assert_eq!(ports.speak(1199 * MS), [true, false]);
        assert_eq!(ports.speak(1250 * MS), [false, false]);
        let mut ports = DataPorts::new(true);
        ports.hear(Side::Wan, 0);
        assert_eq!(ports.speak(1), [false, true]);
    }
}
