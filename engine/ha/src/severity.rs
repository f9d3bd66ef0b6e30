//! How an event is sorted and how bad it is, for those who get events elsewhere than in our own
//! console: by a stable word for its kind, and by syslog's severities (RFC 5424, section 6.2.1).

use std::fmt;

use crate::action::CardCommand;
use crate::events::{Alarm, Event, Reason, Subject};
use crate::message::{Health, Path, Role};

/// How bad an event is, as syslog has it. Greater is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing to do, worth a line.
    Info,
    /// In order, and it matters: a role moved, something is well again.
    Notice,
    /// Something is lost, and it still works.
    Warning,
    /// Something does not work.
    Err,
    /// The next fault stops the traffic, or the traffic may be harmed now.
    Crit,
    /// The traffic stands still.
    Alert,
}

impl Severity {
    /// Every severity that events have.
    pub const ALL: [Self; 6] = [
        Self::Info,
        Self::Notice,
        Self::Warning,
        Self::Err,
        Self::Crit,
        Self::Alert,
    ];

    /// Syslog's word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Err => "err",
            Self::Crit => "crit",
            Self::Alert => "alert",
        }
    }

    /// Syslog's number: 0 (emergency) to 7 (debug).
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Alert => 1,
            Self::Crit => 2,
            Self::Err => 3,
            Self::Warning => 4,
            Self::Notice => 5,
            Self::Info => 6,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What kind of thing an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Our own role.
    Role,
    /// A peer's health.
    Health,
    /// A link pair came up or fell.
    LinkPair,
    /// A port was taken down or let up by us.
    Port,
    /// A hand-over began.
    Handover,
    /// A bypass card took another path.
    Card,
    /// A virtual router changed its state.
    VirtualRouter,
    /// A flap was counted.
    Flap,
    /// An alarm was raised or cleared.
    Alarm,
    /// Something else.
    Note,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Role,
        Self::Health,
        Self::LinkPair,
        Self::Port,
        Self::Handover,
        Self::Card,
        Self::VirtualRouter,
        Self::Flap,
        Self::Alarm,
        Self::Note,
    ];

    /// A stable name for machines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::Health => "health",
            Self::LinkPair => "link_pair",
            Self::Port => "port",
            Self::Handover => "handover",
            Self::Card => "card",
            Self::VirtualRouter => "virtual_router",
            Self::Flap => "flap",
            Self::Alarm => "alarm",
            Self::Note => "note",
        }
    }
}

impl Subject {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Role { .. } => Kind::Role,
            Self::Health { .. } => Kind::Health,
            Self::LinkPair { .. } => Kind::LinkPair,
            Self::Port { .. } => Kind::Port,
            Self::Handover { .. } => Kind::Handover,
            Self::Card { .. } => Kind::Card,
            Self::VirtualRouter { .. } => Kind::VirtualRouter,
            Self::Flap { .. } => Kind::Flap,
            Self::Alarm(_) => Kind::Alarm,
            Self::Note(_) => Kind::Note,
        }
    }
}

impl Alarm {
    /// How bad it is while it stands.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        match self {
            Self::NoActive => Severity::Alert,
            Self::DualActive(_)
            | Self::TwinInstance
            | Self::Degraded
            | Self::Latched
            | Self::CardPath { .. } => Severity::Crit,
            Self::ConfigurationDiffers(_)
            | Self::OtherStack(_)
            | Self::CommitUnconfirmed { .. }
            | Self::EventOutlet { .. }
            | Self::AdvertChecksum { .. }
            | Self::Path {
                path: Path::InBand, ..
            } => Severity::Warning,
            Self::TwoPrimaries(_)
            | Self::NoPrimary(_)
            | Self::BadKey
            | Self::HaPortDown
            | Self::OneWay(_)
            | Self::Path {
                path: Path::HaPort, ..
            }
            | Self::TooManyPeers
            | Self::StateFile(_)
            | Self::Commits(_)
            | Self::HeardByAdvertsOnly
            | Self::RouterElsewhere { .. }
            | Self::Card { .. } => Severity::Err,
        }
    }
}

impl Event {
    /// How bad it is. What an operator asked for is never worse than [`Severity::Notice`], but
    /// for a role in which nothing is carried.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match &self.subject {
            Subject::Role { to, .. } => role(*to, self.why),
            Subject::Health { to, .. } => match (to, self.why) {
                (Health::Unhealthy, Reason::PeerStopped) => Severity::Notice,
                (Health::Unhealthy, _) => Severity::Warning,
                _ => Severity::Notice,
            },
            Subject::LinkPair { up: false, .. } | Subject::Flap { .. } => Severity::Warning,
            Subject::Card { to, .. } => match (to, self.why) {
                (CardCommand::Inline, _) | (_, Reason::CardCommanded) => Severity::Notice,
                (_, Reason::WatchdogExpired) => Severity::Err,
                _ => Severity::Warning,
            },
            Subject::Alarm(alarm) if self.why == Reason::AlarmRaised => alarm.severity(),
            Subject::LinkPair { .. }
            | Subject::Port { .. }
            | Subject::Handover { .. }
            | Subject::VirtualRouter { .. }
            | Subject::Alarm(_) => Severity::Notice,
            Subject::Note(_) => match self.why {
                Reason::ReloadRefused | Reason::PartnerDown => Severity::Err,
                Reason::DiedWhileActive | Reason::WorkerStalled => Severity::Warning,
                _ => Severity::Info,
            },
        }
    }
}

/// A role that was lost, or taken over from somebody who lost it, is a warning; one that was
/// moved is a notice.
fn role(to: Role, why: Reason) -> Severity {
    match (to, why) {
        (Role::Bypass, _) => Severity::Crit,
        (Role::Down, Reason::Stopped) => Severity::Notice,
        (Role::Down, _) => Severity::Err,
        (Role::Suspended, Reason::OperatorSuspended) => Severity::Notice,
        (Role::Suspended, _) => Severity::Err,
        (
            _,
            Reason::PeerUnhealthy
            | Reason::NoPeerHeard
            | Reason::NoActivePeer
            | Reason::LinksBelowMinimum
            | Reason::BandwidthBelowMinimum
            | Reason::WorkerStalled
            | Reason::LeaseExpired
            | Reason::DualActiveYielded
            | Reason::DualActivePeerDeaf
            | Reason::DualActiveStayed
            | Reason::MaxFlaps
            | Reason::HandoverTimedOut
            | Reason::InterfaceDown,
        ) => Severity::Warning,
        _ => Severity::Notice,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use twinline_time::Time;

    fn severity(subject: Subject, why: Reason) -> Severity {
        let (at, unix_ms, seq) = (Time::ZERO, 0, 1);
        Event {
            seq,
            at,
            unix_ms,
            subject,
            why,
        }
        .severity()
    }

    #[test]
    fn rule_23_a_fault_is_worse_than_what_was_asked_for() {
        let to = |to| Subject::Role {
            from: Role::Active,
            to,
        };
        let asked = severity(to(Role::Passive), Reason::OperatorSwitchover);
        let lost = severity(to(Role::Passive), Reason::LeaseExpired);
        assert_eq!((asked, lost), (Severity::Notice, Severity::Warning));
        assert_eq!(severity(to(Role::Bypass), Reason::MaxFlaps), Severity::Crit);
        let alarm = || Subject::Alarm(Alarm::NoActive);
        assert_eq!(severity(alarm(), Reason::AlarmRaised), Severity::Alert);
        assert_eq!(severity(alarm(), Reason::AlarmCleared), Severity::Notice);
    }

    #[test]
    fn the_order_is_syslogs() {
        let numbers = Severity::ALL.map(Severity::number);
        assert!(numbers.is_sorted_by(|a, b| a > b));
        assert!(Severity::ALL.is_sorted());
    }
}
