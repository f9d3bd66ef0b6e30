//! What the node tells the management core to do, in order.

use crate::events::Event;
use crate::message::{Heartbeat, MacChunk, NeighbourChunk, Side};
use crate::observation::RequestId;
use crate::state::SavedState;
use twinline_time::Time;

/// What the workers do with frames. The meanings are the data path's (`dataplane::GateMode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GateMode {
    /// Take and drop.
    Block,
    /// Carry everything, under the lease.
    Forward,
    /// Old ACTIVE, while the new one opens.
    HandingOver,
    /// New ACTIVE, while the old one is still open.
    TakingOver,
    /// Software wire: pass unseen, without a lease.
    Wire,
}

/// A path of a bypass card: what it is told (rules 14 and 16), and what it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CardCommand {
    /// The software is in the way.
    Inline,
    /// The relays join the cables.
    Bypass,
    /// The relays open the cables.
    Disconnect,
    /// The cables are joined and the software listens.
    Tap,
}

impl CardCommand {
    /// Every path.
    pub const ALL: [Self; 4] = [Self::Inline, Self::Bypass, Self::Disconnect, Self::Tap];
}

impl std::fmt::Display for CardCommand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Inline => "inline",
            Self::Bypass => "bypass",
            Self::Disconnect => "disconnect",
            Self::Tap => "tap",
        })
    }
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send this heartbeat to every peer, on every path. Only when it was sent, renew the lease (rule 11).
    Send {
        /// The sequence number, counted over all messages.
        seq: u64,
        /// What to say.
        heartbeat: Heartbeat,
        /// The lease's new end.
        lease_until: Option<Time>,
    },
    /// Send a share of the address table on the HA path.
    SendMacs {
        /// The sequence number, counted over all messages.
        seq: u64,
        /// The addresses.
        chunk: MacChunk,
        /// Send it in-band as well: some peer is not reached on the HA path (rule 12).
        in_band: bool,
    },
    /// Send a share of the table of neighbours on the HA path.
    SendNeighbours {
        /// The sequence number, counted over all messages.
        seq: u64,
        /// The neighbours.
        chunk: NeighbourChunk,
        /// Send it in-band as well: some peer is not reached on the HA path (rule 12).
        in_band: bool,
    },
    /// The ACTIVE has these neighbours: ours too, ahead of time.
    TakeNeighbours(NeighbourChunk),
    /// Set every gate.
    SetGates(GateMode),
    /// End the lease now.
    RevokeLease,
    /// The lease never ends (modes and topologies without one).
    LeaseForever,
    /// Take a port of a pair down, or let it up (rule 17).
    SetPort {
        /// The pair's index.
        pair: u16,
        /// Which of its ports.
        side: Side,
        /// Let it up.
        up: bool,
    },
    /// Put an address into the workers' table, or (`side` `None`) take it out.
    SetMac {
        /// The pair's index.
        pair: u16,
        /// The address.
        mac: [u8; 6],
        /// Where it lives.
        side: Option<Side>,
    },
    /// Send an announcement with this source address out of this port (rule 8).
    Announce {
        /// The pair's index.
        pair: u16,
        /// From which port.
        from: Side,
        /// The address to be learnt.
        mac: [u8; 6],
        /// The takeover epoch.
        epoch: u64,
    },
    /// Tell a pair's bypass card. `Inline` arms its watchdog first, any other path disarms it after.
    Card {
        /// The pair's index.
        pair: u16,
        /// The path that it is to take.
        command: CardCommand,
    },
    /// Kick the watchdog of every bypass card (rule 15).
    Kick,
    /// Write the state file.
    Persist(SavedState),
    /// Log and show this.
    Event(Event),
    /// Answer an operator's request: done (or begun), or refused with a reason.
    Answer {
        /// Which request.
        id: RequestId,
        /// What came of it.
        result: Result<String, String>,
    },
    /// The hand-over is over: end the process.
    Exit,
}
