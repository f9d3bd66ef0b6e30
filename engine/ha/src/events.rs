//! Events and alarms (rule 23): time, what, from, to, why; the why is one of a closed list.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use crate::action::CardCommand;
use crate::message::{Health, Path, Role, Side};
use twinline_time::Time;

/// Why something happened. A closed list: alarms, consoles and metrics may count on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// The engine started.
    Started,
    /// The engine was stopped in an orderly way.
    Stopped,
    /// The mode has no peer to wait for.
    NoPeerByMode,
    /// Nobody was heard for a whole failure window.
    NoPeerHeard,
    /// A peer carries the traffic already.
    PeerIsActive,
    /// A better candidate is there.
    PeerIsPreferred,
    /// The peer was not heard for its failure threshold.
    PeerUnhealthy,
    /// The peer hands the role over to us.
    PeerHandsOver,
    /// Peers are there, but none may carry the traffic.
    NoActivePeer,
    /// The primary takes its role back.
    Preempted,
    /// An operator switched over.
    OperatorSwitchover,
    /// An operator suspended this instance.
    OperatorSuspended,
    /// An operator resumed this instance.
    OperatorResumed,
    /// An operator cleared the latch and the counts.
    OperatorCleared,
    /// An operator took a port's link down, or let it up.
    OperatorSetLink,
    /// Fewer link pairs up than the minimum.
    LinksBelowMinimum,
    /// Enough link pairs are up again.
    LinksRecovered,
    /// The bandwidth fell below the minimum for a whole interval (rule 21).
    BandwidthBelowMinimum,
    /// A worker made no progress for a second or longer.
    WorkerStalled,
    /// The workers make progress again.
    WorkersRecovered,
    /// The forwarding lease ran out: this process did not run for so long.
    LeaseExpired,
    /// Two were ACTIVE, and the peer's claim is better.
    DualActiveYielded,
    /// Two were ACTIVE, and the peer does not hear us.
    DualActivePeerDeaf,
    /// Two were ACTIVE; ours is the better claim.
    DualActiveStayed,
    /// More flaps than allowed.
    MaxFlaps,
    /// The peer did not answer the hand-over in time.
    HandoverTimedOut,
    /// The old ACTIVE has closed its gate.
    PeerGateClosed,
    /// This instance died while it was ACTIVE.
    DiedWhileActive,
    /// Enough heartbeats in sequence.
    HeartbeatsGood,
    /// Too many check slots without a heartbeat.
    HeartbeatsMissed,
    /// The peer said goodbye.
    PeerStopped,
    /// The peer was restarted.
    PeerRestarted,
    /// The port lost its carrier.
    CarrierLost,
    /// The port has carrier again.
    CarrierBack,
    /// The other port of the pair fell.
    PartnerDown,
    /// The other port of the pair is back.
    PartnerUp,
    /// The condition of an alarm holds.
    AlarmRaised,
    /// The condition of an alarm is gone.
    AlarmCleared,
    /// The configuration was reloaded.
    Reloaded,
    /// A reload was refused; nothing changed.
    ReloadRefused,
    /// A configuration was committed.
    Committed,
    /// A commit with a time to confirm it in was confirmed.
    CommitConfirmed,
    /// A commit was not confirmed in time, and what was before it is in force again.
    CommitNotConfirmed,
    /// An operator has put an earlier configuration into force again.
    RolledBack,
    /// The configuration in force was written to the configuration file.
    ConfigurationSaved,
    /// The engine started with a committed configuration that its file does not have.
    StartedFromCommit,
    /// The configuration file was edited, and counts: what was committed is not in force.
    FileEdited,
    /// What was committed earlier cannot be used.
    CommitsLost,
    /// A bypass card is known not to be inline.
    CardNotInline,
    /// The bypass card does what it was told.
    CardCommanded,
    /// The bypass card's watchdog was not kicked in time.
    WatchdogExpired,
    /// The bypass card took a path that nobody of ours told it.
    CardByItself,
    /// An interface with a virtual router passes no frames.
    InterfaceDown,
    /// A virtual router may be Active again, as the instance has decided.
    RouterEligible,
    /// The instance gives a virtual router up in an orderly way.
    RouterResigned,
    /// The instance keeps a virtual router silent.
    RouterSilenced,
    /// A virtual router follows the instance, which has taken over.
    InstanceTookOver,
    /// No Active Router was heard for Active_Down_Interval (RFC 9568).
    NoActiveRouterHeard,
    /// The Active Router resigned.
    ActiveRouterResigned,
    /// A virtual router preempts one of a lower priority.
    RouterPreempted,
    /// An Active Router of a higher priority was heard.
    HigherPriorityHeard,
    /// An Active Router of the same priority and a greater address was heard.
    GreaterAddressHeard,
    /// A virtual router did not run for as long as others wait, and another took over.
    RouterStalled,
}

impl Reason {
    /// A stable name for machines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Stopped => "stopped",
            Self::NoPeerByMode => "no_peer_by_mode",
            Self::NoPeerHeard => "no_peer_heard",
            Self::PeerIsActive => "peer_is_active",
            Self::PeerIsPreferred => "peer_is_preferred",
            Self::PeerUnhealthy => "peer_unhealthy",
            Self::PeerHandsOver => "peer_hands_over",
            Self::NoActivePeer => "no_active_peer",
            Self::Preempted => "preempted",
            Self::OperatorSwitchover => "operator_switchover",
            Self::OperatorSuspended => "operator_suspended",
            Self::OperatorResumed => "operator_resumed",
            Self::OperatorCleared => "operator_cleared",
            Self::OperatorSetLink => "operator_set_link",
            Self::LinksBelowMinimum => "links_below_minimum",
            Self::LinksRecovered => "links_recovered",
            Self::BandwidthBelowMinimum => "bandwidth_below_minimum",
            Self::WorkerStalled => "worker_stalled",
            Self::WorkersRecovered => "workers_recovered",
            Self::LeaseExpired => "lease_expired",
            Self::DualActiveYielded => "dual_active_yielded",
            Self::DualActivePeerDeaf => "dual_active_peer_deaf",
            Self::DualActiveStayed => "dual_active_stayed",
            Self::MaxFlaps => "max_flaps",
            Self::HandoverTimedOut => "handover_timed_out",
            Self::PeerGateClosed => "peer_gate_closed",
            Self::DiedWhileActive => "died_while_active",
            Self::HeartbeatsGood => "heartbeats_good",
            Self::HeartbeatsMissed => "heartbeats_missed",
            Self::PeerStopped => "peer_stopped",
            Self::PeerRestarted => "peer_restarted",
            Self::CarrierLost => "carrier_lost",
            Self::CarrierBack => "carrier_back",
            Self::PartnerDown => "partner_down",
            Self::PartnerUp => "partner_up",
            Self::AlarmRaised => "alarm_raised",
            Self::AlarmCleared => "alarm_cleared",
            Self::Reloaded => "reloaded",
            Self::ReloadRefused => "reload_refused",
            Self::Committed => "committed",
            Self::CommitConfirmed => "commit_confirmed",
            Self::CommitNotConfirmed => "commit_not_confirmed",
            Self::RolledBack => "rolled_back",
            Self::ConfigurationSaved => "configuration_saved",
            Self::StartedFromCommit => "started_from_commit",
            Self::FileEdited => "file_edited",
            Self::CommitsLost => "commits_lost",
            Self::CardNotInline => "card_not_inline",
            Self::CardCommanded => "card_commanded",
            Self::WatchdogExpired => "watchdog_expired",
            Self::CardByItself => "card_by_itself",
            Self::InterfaceDown => "interface_down",
            Self::RouterEligible => "router_eligible",
            Self::RouterResigned => "router_resigned",
            Self::RouterSilenced => "router_silenced",
            Self::InstanceTookOver => "instance_took_over",
            Self::NoActiveRouterHeard => "no_active_router_heard",
            Self::ActiveRouterResigned => "active_router_resigned",
            Self::RouterPreempted => "router_preempted",
            Self::HigherPriorityHeard => "higher_priority_heard",
            Self::GreaterAddressHeard => "greater_address_heard",
            Self::RouterStalled => "router_stalled",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What is wrong with a path of heartbeats to a peer that is there (rule 12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathFault {
    /// Neither hears the other on it.
    Dead,
    /// We hear the peer, and it does not hear us.
    PeerDeaf,
    /// The peer hears us, and we do not hear it.
    WeAreDeaf,
}

impl PathFault {
    /// Every fault.
    pub const ALL: [Self; 3] = [Self::Dead, Self::PeerDeaf, Self::WeAreDeaf];
}

/// A condition that somebody should look at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Alarm {
    /// The primary flag does not single out one instance of an active-passive stack.
    TwoPrimaries(u16),
    /// Neither we nor this peer is primary.
    NoPrimary(u16),
    /// Two instances are ACTIVE and hear each other.
    DualActive(u16),
    /// This peer's configuration digest differs from ours.
    ConfigurationDiffers(u16),
    /// Another appliance runs with our instance id.
    TwinInstance,
    /// Heartbeats of another stack arrive at our HA port.
    OtherStack(String),
    /// Heartbeats arrive that none of our keys verifies.
    BadKey,
    /// The HA port has no carrier.
    HaPortDown,
    /// We hear this peer, but it does not hear us.
    OneWay(u16),
    /// One of the two paths to a peer that is there does not carry (rule 12).
    Path {
        /// The peer.
        peer: u16,
        /// Which path.
        path: Path,
        /// What is wrong with it.
        fault: PathFault,
    },
    /// Nobody in the stack is ACTIVE.
    NoActive,
    /// ACTIVE, although not fit (rule 10).
    Degraded,
    /// This many flaps; out of the election until `ha clear`.
    Latched,
    /// More instances than a stack may have.
    TooManyPeers,
    /// The state file could not be used.
    StateFile(String),
    /// The configuration in force is rolled back unless it is confirmed.
    CommitUnconfirmed {
        /// When, on the wall (Unix milliseconds).
        until_unix_ms: u64,
    },
    /// What is committed cannot be kept.
    Commits(String),
    /// No peer is heard by heartbeats, but another router carries all of our virtual routers: roles
    /// stay as they are (rule 12).
    HeardByAdvertsOnly,
    /// We are ACTIVE, and another router carries this virtual router.
    RouterElsewhere {
        /// The virtual router's name.
        name: String,
        /// Who carries it, in words.
        by: String,
    },
    /// Another router makes the checksums of its adverts otherwise: one of the two does not hear the
    /// other, and both are Active.
    AdvertChecksum {
        /// The virtual router's name.
        name: String,
        /// The other router's address.
        by: String,
        /// Our `virtual_router.checksum`.
        mode: &'static str,
        /// We refuse its adverts; else it refuses ours, most likely.
        refused: bool,
    },
    /// A pair's bypass card is not where it was told to be.
    CardPath {
        /// The pair's index.
        pair: u16,
        /// What it was told.
        wanted: CardCommand,
        /// What it shows.
        path: Option<CardCommand>,
    },
    /// A pair's bypass card does not do its work.
    Card {
        /// The pair's index.
        pair: u16,
        /// In its driver's words.
        text: String,
    },
    /// An outlet of events does not take them.
    EventOutlet {
        /// `file`, `syslog`, `journald` or `notify`.
        outlet: &'static str,
        /// Why, in one line.
        text: String,
    },
}

impl Alarm {
    /// Every name that [`Alarm::name`] gives.
    pub const NAMES: [&'static str; 26] = [
        "two_primaries",
        "no_primary",
        "dual_active",
        "configuration_differs",
        "twin_instance",
        "other_stack",
        "bad_key",
        "ha_port_down",
        "one_way",
        "ha_path_down",
        "ha_path_one_way",
        "in_band_down",
        "in_band_one_way",
        "no_active",
        "degraded",
        "latched",
        "too_many_peers",
        "state_file",
        "commit_unconfirmed",
        "commits",
        "heard_by_adverts_only",
        "virtual_router_elsewhere",
        "advert_checksum",
        "bypass_path",
        "bypass_card",
        "event_outlet",
    ];

    /// A stable name for machines.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::TwoPrimaries(_) => "two_primaries",
            Self::NoPrimary(_) => "no_primary",
            Self::DualActive(_) => "dual_active",
            Self::ConfigurationDiffers(_) => "configuration_differs",
            Self::TwinInstance => "twin_instance",
            Self::OtherStack(_) => "other_stack",
            Self::BadKey => "bad_key",
            Self::HaPortDown => "ha_port_down",
            Self::OneWay(_) => "one_way",
            Self::Path { path, fault, .. } => match (path, fault) {
                (Path::HaPort, PathFault::Dead) => "ha_path_down",
                (Path::HaPort, _) => "ha_path_one_way",
                (Path::InBand, PathFault::Dead) => "in_band_down",
                (Path::InBand, _) => "in_band_one_way",
            },
            Self::NoActive => "no_active",
            Self::Degraded => "degraded",
            Self::Latched => "latched",
            Self::TooManyPeers => "too_many_peers",
            Self::StateFile(_) => "state_file",
            Self::CommitUnconfirmed { .. } => "commit_unconfirmed",
            Self::Commits(_) => "commits",
            Self::HeardByAdvertsOnly => "heard_by_adverts_only",
            Self::RouterElsewhere { .. } => "virtual_router_elsewhere",
            Self::AdvertChecksum { .. } => "advert_checksum",
            Self::CardPath { .. } => "bypass_path",
            Self::Card { .. } => "bypass_card",
            Self::EventOutlet { .. } => "event_outlet",
        }
    }
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TwoPrimaries(peer) => write!(
                f,
                "both we and instance {peer} are primary: set ha.primary = false on one of them"
            ),
            Self::NoPrimary(peer) => write!(
                f,
                "neither we nor instance {peer} is primary: set ha.primary = true on one of them"
            ),
            Self::DualActive(peer) => write!(f, "instance {peer} is ACTIVE as well"),
            Self::ConfigurationDiffers(peer) => write!(
                f,
                "instance {peer} runs another configuration: compare `twinline ctl show config` on both"
            ),
            Self::TwinInstance => f.write_str(
                "another appliance runs with our instance id: give one of them another instance.id",
            ),
            Self::OtherStack(name) => write!(
                f,
                "heartbeats of stack \"{name}\" arrive at our HA port: correct instance.stack or the cabling"
            ),
            Self::BadKey => f.write_str(
                "heartbeats arrive that our key does not verify: put the same key file on all instances",
            ),
            Self::HaPortDown => f.write_str("the HA port has no carrier: check its cable; a peer that is alive may be ACTIVE as well"),
            Self::OneWay(peer) => write!(
                f,
                "instance {peer} does not hear us, though we hear it: check the HA cable and switch"
            ),
            Self::Path { peer, path, fault } => path_alarm(f, *peer, *path, *fault),
            Self::NoActive => f.write_str("no instance of the stack is ACTIVE"),
            Self::Degraded => f.write_str("ACTIVE although not fit: no fit peer can take over"),
            Self::Latched => f.write_str(
                "too many flaps: out of the election until `twinline ctl ha clear`",
            ),
            Self::TooManyPeers => f.write_str("more instances in the stack than it may have"),
            Self::StateFile(what) | Self::Commits(what) => f.write_str(what),
            Self::CommitUnconfirmed { .. } => f.write_str(
                "the configuration in force is rolled back unless it is confirmed: `confirm` keeps it",
            ),
            Self::HeardByAdvertsOnly => f.write_str(
                "no heartbeats, but another router's adverts for all of our virtual routers: this \
                 instance stays as it is; check the HA ports and their cable",
            ),
            Self::RouterElsewhere { name, by } => write!(
                f,
                "virtual router {name} is carried by {by}, though this instance is ACTIVE: another \
                 router has its id and a better priority (virtual_router.priority), or the HA link \
                 is cut"
            ),
            Self::AdvertChecksum { name, by, mode, refused: true } => write!(
                f,
                "adverts of {by} for virtual router {name} fail with checksum = \"{mode}\", and are \
                 whole made the other way: set virtual_router.checksum = \"{}\", or both are Active",
                if *mode == "rfc9568" { "pseudo-header" } else { "rfc9568" }
            ),
            Self::AdvertChecksum { name, by, mode, refused: false } => write!(
                f,
                "{by} goes on as Active for virtual router {name} beside us, who are better, with \
                 adverts that have a pseudo-header in their checksum: it refuses ours, most likely, \
                 which checksum = \"{mode}\" sends without; set virtual_router.checksum = \
                 \"pseudo-header\""
            ),
            Self::CardPath { wanted, path: Some(path), .. } => write!(
                f,
                "the bypass card was told {wanted} and shows {path}: look at `twinline ctl show bypass`"
            ),
            Self::CardPath { wanted, path: None, .. } => {
                write!(f, "the bypass card was told {wanted} and does not say where it is")
            }
            Self::Card { text, .. } => write!(f, "bypass card: {text}"),
            Self::EventOutlet { outlet, text } => write!(f, "events.{outlet}: {text}"),
        }
    }
}

fn path_alarm(f: &mut fmt::Formatter<'_>, peer: u16, path: Path, fault: PathFault) -> fmt::Result {
    match fault {
        PathFault::Dead => write!(f, "instance {peer} is not reached on the {path} path")?,
        PathFault::PeerDeaf => write!(
            f,
            "instance {peer} does not hear us on the {path} path, though we hear it"
        )?,
        PathFault::WeAreDeaf => write!(
            f,
            "we do not hear instance {peer} on the {path} path, though it hears us"
        )?,
    }
    f.write_str(match path {
        Path::HaPort => {
            ", only in-band: roles stay, preemption and the bandwidth trigger wait; check the HA \
             ports and their cable"
        }
        Path::InBand => {
            ": if the HA path is lost as well, both may be ACTIVE; check that the switches of the \
             data ports carry ethertype 0x88b5 between the instances (ha.in_band_vlan)"
        }
    })
}

/// What an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Our own role.
    Role {
        /// What it was.
        from: Role,
        /// What it is.
        to: Role,
    },
    /// A peer's health.
    Health {
        /// Whose.
        peer: u16,
        /// What it was.
        from: Health,
        /// What it is.
        to: Health,
    },
    /// A link pair came up or fell.
    LinkPair {
        /// Its index.
        pair: u16,
        /// Up now.
        up: bool,
    },
    /// A port was taken down or let up by us.
    Port {
        /// The pair's index.
        pair: u16,
        /// Which of its ports.
        side: Side,
        /// Let up (or taken down).
        up: bool,
    },
    /// A hand-over began (`to`: the successor) or ended.
    Handover {
        /// Who is to take over.
        successor: u16,
    },
    /// A bypass card took another path.
    Card {
        /// The pair's index.
        pair: u16,
        /// Where it was; `None` = not known.
        from: Option<CardCommand>,
        /// Where it is.
        to: CardCommand,
    },
    /// A virtual router changed its state (RFC 9568, section 6.4).
    VirtualRouter {
        /// Its name in the configuration.
        name: String,
        /// What it was: `initialize`, `backup` or `active`.
        from: &'static str,
        /// What it is.
        to: &'static str,
    },
    /// A flap was counted.
    Flap {
        /// Flaps within the window now.
        count: u32,
    },
    /// An alarm was raised or cleared.
    Alarm(Alarm),
    /// Something else worth a line.
    Note(String),
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Counts the events of this run from 1.
    pub seq: u64,
    /// When, on the node's clock.
    pub at: Time,
    /// When, on the wall (Unix milliseconds).
    pub unix_ms: u64,
    /// About what.
    pub subject: Subject,
    /// Why.
    pub why: Reason,
}

/// Events kept in memory.
const KEPT: usize = 1024;

/// The ring of recent events, and the alarms that stand.
#[derive(Clone, Debug, Default)]
pub struct EventLog {
    events: VecDeque<Event>,
    next_seq: u64,
    alarms: BTreeMap<Alarm, Time>,
}

impl EventLog {
    /// Writes one event.
    pub fn push(&mut self, at: Time, unix_ms: u64, subject: Subject, why: Reason) -> Event {
        self.next_seq += 1;
        let event = Event {
            seq: self.next_seq,
            at,
            unix_ms,
            subject,
            why,
        };
        if self.events.len() == KEPT {
            self.events.pop_front();
        }
        self.events.push_back(event.clone());
        event
    }

    /// Raises or clears an alarm; an event is written only when that changes something.
    pub fn set_alarm(&mut self, at: Time, unix_ms: u64, alarm: Alarm, on: bool) -> Option<Event> {
        let stood = self.alarms.contains_key(&alarm);
        if on == stood {
            return None;
        }
        let why = if on {
            self.alarms.insert(alarm.clone(), at);
            Reason::AlarmRaised
        } else {
            self.alarms.remove(&alarm);
            Reason::AlarmCleared
        };
        Some(self.push(at, unix_ms, Subject::Alarm(alarm), why))
    }

    /// Whether no alarm stands.
    #[must_use]
    pub fn no_alarms(&self) -> bool {
        self.alarms.is_empty()
    }

    /// The alarms that stand, and since when.
    pub fn alarms(&self) -> impl Iterator<Item = (&Alarm, Time)> {
        self.alarms.iter().map(|(alarm, &since)| (alarm, since))
    }

    /// Recent events, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Event> + ExactSizeIterator {
        self.events.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_23_the_ring_is_bounded_and_numbered() {
        let mut log = EventLog::default();
        for _ in 0..3000 {
            log.push(Time::ZERO, 1, Subject::Note("x".into()), Reason::Started);
        }
        assert_eq!(log.iter().len(), KEPT);
        assert_eq!(log.iter().next_back().map(|e| e.seq), Some(3000));
    }

    /// The names are those that the source of `name` has: a new alarm cannot be forgotten.
    #[test]
    fn rule_23_every_alarm_has_its_name_in_the_list() {
        let source = include_str!("events.rs");
        let (_, body) = source
            .split_once("fn name(&self) -> &'static str {")
            .unwrap();
        let (body, _) = body.split_once("impl fmt::Display for Alarm").unwrap();
        let found: Vec<&str> = body.split('"').skip(1).step_by(2).collect();
        assert_eq!(found, Alarm::NAMES);
    }

    #[test]
    fn rule_23_an_alarm_is_one_event_up_and_one_down() {
        let mut log = EventLog::default();
        assert!(log.set_alarm(Time::ZERO, 1, Alarm::BadKey, true).is_some());
        assert!(log.set_alarm(Time::ZERO, 1, Alarm::BadKey, true).is_none());
        assert_eq!(log.alarms().count(), 1);
        let cleared = log.set_alarm(Time::ZERO, 1, Alarm::BadKey, false);
        assert_eq!(cleared.map(|e| e.why), Some(Reason::AlarmCleared));
        assert!(log.set_alarm(Time::ZERO, 1, Alarm::BadKey, false).is_none());
    }
}
