//! What is told to operators: changes of state, each with a reason of a closed list, and conditions
//! that were noted, each kind at most once in a while.

use std::net::IpAddr;
use std::time::Duration;

use twinline_wire::vrrp::Interval;

use twinline_time::Time;

/// The states of RFC 9568, section 6.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Waits for its start.
    Initialize,
    /// Watches the Active Router.
    Backup,
    /// Carries the virtual addresses.
    Active,
}

impl State {
    /// A stable name for machines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Initialize => "initialize",
            Self::Backup => "backup",
            Self::Active => "active",
        }
    }
}

/// Why a state changed. A closed list: alarms, consoles and metrics may count on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// It was started.
    Started,
    /// It was shut down.
    Stopped,
    /// Its interface passes frames.
    InterfaceUp,
    /// Its interface passes none.
    InterfaceDown,
    /// The instance may carry addresses again.
    Eligible,
    /// The instance resigned.
    Resigned,
    /// The instance fell silent.
    Silenced,
    /// No Active Router was heard for Active_Down_Interval.
    NoActiveHeard,
    /// The Active Router resigned.
    ActiveResigned,
    /// An Active Router of a lower priority is there, and we preempt.
    Preempted,
    /// A higher priority was heard.
    HigherPriority,
    /// The same priority was heard from a greater address.
    GreaterAddress,
    /// We did not run for as long as others wait, and another took over meanwhile.
    OwnStall,
    /// The instance has taken over, and its virtual routers with it.
    InstanceTookOver,
}

impl Reason {
    /// A stable name for machines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Stopped => "stopped",
            Self::InterfaceUp => "interface_up",
            Self::InterfaceDown => "interface_down",
            Self::Eligible => "eligible",
            Self::Resigned => "resigned",
            Self::Silenced => "silenced",
            Self::NoActiveHeard => "no_active_heard",
            Self::ActiveResigned => "active_resigned",
            Self::Preempted => "preempted",
            Self::HigherPriority => "higher_priority",
            Self::GreaterAddress => "greater_address",
            Self::OwnStall => "own_stall",
            Self::InstanceTookOver => "instance_took_over",
        }
    }
}

/// A condition that an operator should know of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Note {
    /// A sender has another interval than ours (version 2: its advert is discarded, RFC 3768,
    /// section 7.1).
    IntervalMismatch {
        /// Who.
        source: IpAddr,
        /// Its interval.
        heard: Interval,
    },
    /// A sender has other virtual addresses than ours.
    AddressesMismatch {
        /// Who.
        source: IpAddr,
    },
    /// We own the addresses, and another one advertises them (RFC 9568, section 7.1).
    OwnerContested {
        /// Who.
        source: IpAddr,
        /// Its priority.
        priority: u8,
    },
    /// Two routers say that they own the addresses.
    TwoOwners {
        /// The other one.
        source: IpAddr,
    },
    /// Two were Active: a split that is healing, or a link that passes one way only.
    TwoActive {
        /// The other one.
        source: IpAddr,
        /// Its priority.
        priority: u8,
    },
    /// An advert with our own address: our own frame come back, or two routers with one address.
    OwnAddressHeard {
        /// The address.
        source: IpAddr,
    },
    /// A timer fired late by more than half an interval: this process did not run.
    LateTimer {
        /// By how much.
        by: Duration,
    },
}

impl Note {
    /// How many kinds there are.
    pub const COUNT: usize = 7;

    /// 0 to [`Note::COUNT`] - 1.
    #[must_use]
    pub const fn index(&self) -> usize {
        match self {
            Self::IntervalMismatch { .. } => 0,
            Self::AddressesMismatch { .. } => 1,
            Self::OwnerContested { .. } => 2,
            Self::TwoOwners { .. } => 3,
            Self::TwoActive { .. } => 4,
            Self::OwnAddressHeard { .. } => 5,
            Self::LateTimer { .. } => 6,
        }
    }

    /// A stable name for machines.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::IntervalMismatch { .. } => "interval_mismatch",
            Self::AddressesMismatch { .. } => "addresses_mismatch",
            Self::OwnerContested { .. } => "owner_contested",
            Self::TwoOwners { .. } => "two_owners",
            Self::TwoActive { .. } => "two_active",
            Self::OwnAddressHeard { .. } => "own_address_heard",
            Self::LateTimer { .. } => "late_timer",
        }
    }
}

/// Something to log and show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// The state changed.
    State {
        /// What it was.
        from: State,
        /// What it is.
        to: State,
        /// Why.
        why: Reason,
    },
    /// A condition was seen.
    Noted {
        /// What.
        note: Note,
        /// How many of this kind were not told since the last one that was.
        untold: u32,
    },
}

/// A kind of note is told at most so often.
pub const NOTE_EVERY: Duration = Duration::from_secs(10);

/// When each kind of note was last told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    kinds: [Kind; Note::COUNT],
}

#[derive(Clone, Copy, Debug, Default)]
struct Kind {
    told_at: Option<Time>,
    untold: u32,
}

impl Notes {
    /// The event to tell, or `None` when one of its kind was told a short while ago.
    pub(crate) fn note(&mut self, now: Time, note: Note) -> Option<Event> {
        let kind = self.kinds.get_mut(note.index())?;
        if kind.told_at.is_some_and(|at| now.since(at) < NOTE_EVERY) {
            kind.untold = kind.untold.saturating_add(1);
            return None;
        }
        let untold = std::mem::take(&mut kind.untold);
        kind.told_at = Some(now);
        Some(Event::Noted { note, untold })
    }
}
