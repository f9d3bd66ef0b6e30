//! What the management core saw since the last step.

use crate::action::CardCommand;
use crate::link_pairs::PairLinks;
use crate::message::{Message, Side};
use twinline_time::Time;

/// Names a request, for its answer.
pub type RequestId = u64;

/// What an operator (or the process's own signals) asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Move the role to the other instance.
    Switchover,
    /// Leave the election until [`Request::Resume`]; `force`: even if nobody can take over.
    Suspend {
        /// Even if nobody can take over.
        force: bool,
    },
    /// Stand for election again.
    Resume,
    /// Clear the latch, the flap count and the hold of a switch-over.
    Clear,
    /// Hand over and end the process.
    Stop,
    /// Set the path of a pair's bypass card, until it is set to inline again.
    Bypass {
        /// The pair's index.
        pair: u16,
        /// The path.
        path: CardCommand,
        /// Even where it makes a loop beside a peer, or stops the traffic.
        force: bool,
    },
}

/// A message that was dropped for a cause that an operator should hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reject {
    /// Of another stack; its name.
    OtherStack(String),
    /// None of our keys verifies it.
    BadKey,
    /// Verified, with our own instance id and another boot id.
    Twin,
}

/// One source address that a worker saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Learned {
    /// The pair's index.
    pub pair: u16,
    /// The side it came in from.
    pub side: Side,
    /// The address.
    pub mac: [u8; 6],
}

/// How far a worker has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkerProgress {
    /// Turns of its loop.
    pub iterations: u64,
    /// Turns that found nothing to do.
    pub idle_iterations: u64,
}

/// What a look at a pair's bypass card showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CardSeen {
    /// There is a card.
    pub present: bool,
    /// Its path; `None` where it does not say.
    pub path: Option<CardCommand>,
    /// Its watchdog has expired since it was armed.
    pub expired: bool,
    /// What went wrong with it last, in its driver's words, while it lasts.
    pub error: Option<String>,
}

/// One reading of a pair.
pub type LegState = PairLinks;

/// What the virtual routers of this instance see (layer 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoutersSeen {
    /// Every interface that has a virtual router passes frames.
    pub interfaces_up: bool,
    /// Each of our virtual routers is carried by another one, whose adverts came after the
    /// heartbeats ceased: the peer lives, and only the heartbeats' path is dead (rule 12).
    pub carried_by_another: bool,
    /// Ports with layer 3 interfaces that pass frames: they count as links (rule 18).
    pub links_up: u16,
}

impl RoutersSeen {
    /// Without virtual routers there is nothing to see.
    pub const NONE: Self = Self {
        interfaces_up: true,
        carried_by_another: false,
        links_up: 0,
    };
}

/// Everything that happened since the last step.
#[derive(Clone, Copy, Debug)]
pub struct Observation<'a> {
    /// Now, after the HA queue was drained (rule 3).
    pub now: Time,
    /// Now on the wall, Unix milliseconds: for stamps only, no decision hangs on it.
    pub unix_ms: u64,
    /// Authenticated messages, in the order of arrival.
    pub messages: &'a [Message],
    /// Messages dropped for a cause that an operator should hear of.
    pub rejects: &'a [Reject],
    /// The HA port passes frames.
    pub ha_link_up: bool,
    /// A reading of every link pair, when it was time for one.
    pub links: Option<&'a [LegState]>,
    /// A look at every pair's bypass card, when there was one.
    pub cards: Option<&'a [CardSeen]>,
    /// Every worker has adopted the last [`crate::Action::SetGates`].
    pub gates_adopted: bool,
    /// Announcements handed to the workers and not yet sent.
    pub announcements_pending: usize,
    /// Every worker's progress.
    pub workers: &'a [WorkerProgress],
    /// Source addresses that the workers saw.
    pub learned: &'a [Learned],
    /// What the virtual routers see.
    pub routers: RoutersSeen,
    /// Bytes received in all on the LAN and on the WAN ports.
    pub bytes: [u64; 2],
    /// What operators asked for.
    pub requests: &'a [(RequestId, Request)],
}

impl Observation<'_> {
    /// Nothing happened but time.
    #[must_use]
    pub fn quiet(now: Time, unix_ms: u64) -> Self {
        Observation {
            now,
            unix_ms,
            messages: &[],
            rejects: &[],
            ha_link_up: true,
            links: None,
            cards: None,
            gates_adopted: true,
            announcements_pending: 0,
            workers: &[],
            learned: &[],
            routers: RoutersSeen::NONE,
            bytes: [0; 2],
            requests: &[],
        }
    }
}
