//! Deliberate faults, for the simulation's proof that its checks bite. **Never for production.**
//!
//! Without the cargo feature `faults` (the default) [`on`] is a constant `false`, and nothing of
//! this is in the code. With it, one thread may switch one fault on for the nodes that it steps;
//! nobody but `tests/simulation` asks for the feature.

/// A deliberate fault in the decisions. Each breaks one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Rule 1: a peer is UNHEALTHY a slot too late.
    ThresholdLate,
    /// Rule 1: a peer is UNHEALTHY a slot too early.
    ThresholdEarly,
    /// Rule 1: the interval that the peer advertises is ignored.
    PeerIntervalIgnored,
    /// Rule 2: a loss does not start the recovery count again.
    LossForgiven,
    /// Rule 3: our own lateness is the peer's fault.
    LatenessIgnored,
    /// Rule 5: a repeated sequence number is taken.
    SequenceUnchecked,
    /// Rule 5: any boot id is taken.
    BootIdUnchecked,
    /// Rule 6: no listening before the role is taken.
    StartsDeaf,
    /// Rule 6: preemption does not wait.
    PreemptDelayIgnored,
    /// Rule 8: the old gate closes without knowing the new one open.
    HandoverClosesAtOnce,
    /// Rule 8: a gate is called open before the workers adopted it.
    OpenBeforeAdoption,
    /// Rule 8: a new ACTIVE tells the switches nothing.
    Unannounced,
    /// Rule 9: the earlier takeover stays.
    EpochReversed,
    /// Rule 9: nobody yields.
    NobodyYields,
    /// Rule 10: an unfit ACTIVE leaves although nobody can take over.
    UnfitLeaves,
    /// Rule 11: the lease ends as late as the peer takes over.
    LeaseGuardDropped,
    /// Rule 11: the lease counts our own threshold only.
    LeaseByOwnThreshold,
    /// Rule 11: no listening after the lease ran out.
    LeaseExpiryDeaf,
    /// Rule 12: what comes in-band says nothing of the peer.
    InBandIgnored,
    /// Rule 12: the peer is as ill as on the worse path.
    WorsePathCounts,
    /// Rule 12: a gap in-band, where not every message is sent, counts as a loss.
    InBandGapIsLoss,
    /// Rule 12: what was overtaken on the other path is believed like news.
    OvertakenIsNews,
    /// Rule 12: the death of the HA path alone makes the PASSIVE instance take over.
    HaPathMovesRole,
    /// Rule 12: a dead HA path holds back neither preemption nor the bandwidth trigger.
    NothingFrozen,
    /// Rule 12: both paths dead, and an instance without links promotes itself.
    CutOffPromotes,
    /// Rule 12: no alarm about a path.
    PathAlarmMissing,
    /// Rule 12: an alarm about a path is never cleared.
    PathAlarmStands,
    /// Rule 13: the flaps are not written to the state file.
    FlapsNotPersisted,
    /// Rule 13: a death while ACTIVE is no flap.
    DeathNotCounted,
    /// Rule 13: one flap too many changes nothing.
    LatchIgnored,
    /// Rule 18: an unfit ACTIVE stays although a fit peer stands by.
    UnfitStays,
    /// A suspension is forgotten at a restart.
    SuspensionNotPersisted,
    /// A switch-over is undone by preemption.
    OperatorHoldIgnored,
    /// `ha suspend` without a successor stops the traffic although nobody said `--force`.
    SuspendUnasked,
    /// `ha clear` leaves the flaps as they are.
    ClearKeepsFlaps,
}

#[cfg(feature = "faults")]
mod chosen {
    use super::Fault;
    use std::cell::Cell;

    thread_local! {
        static CHOSEN: Cell<Option<Fault>> = const { Cell::new(None) };
    }

    impl Fault {
        /// Every fault.
        pub const ALL: [Self; 35] = [
            Self::ThresholdLate,
            Self::ThresholdEarly,
            Self::PeerIntervalIgnored,
            Self::LossForgiven,
            Self::LatenessIgnored,
            Self::SequenceUnchecked,
            Self::BootIdUnchecked,
            Self::StartsDeaf,
            Self::PreemptDelayIgnored,
            Self::HandoverClosesAtOnce,
            Self::OpenBeforeAdoption,
            Self::Unannounced,
            Self::EpochReversed,
            Self::NobodyYields,
            Self::UnfitLeaves,
            Self::LeaseGuardDropped,
            Self::LeaseByOwnThreshold,
            Self::LeaseExpiryDeaf,
            Self::InBandIgnored,
            Self::WorsePathCounts,
            Self::InBandGapIsLoss,
            Self::OvertakenIsNews,
            Self::HaPathMovesRole,
            Self::NothingFrozen,
            Self::CutOffPromotes,
            Self::PathAlarmMissing,
            Self::PathAlarmStands,
            Self::FlapsNotPersisted,
            Self::DeathNotCounted,
            Self::LatchIgnored,
            Self::UnfitStays,
            Self::SuspensionNotPersisted,
            Self::OperatorHoldIgnored,
            Self::SuspendUnasked,
            Self::ClearKeepsFlaps,
        ];
    }

    /// Switches one fault on, or all off, for the nodes that this thread steps from now on.
    pub fn choose(fault: Option<Fault>) {
        CHOSEN.set(fault);
    }

    /// Whether this fault is switched on.
    pub(crate) fn on(fault: Fault) -> bool {
        CHOSEN.get() == Some(fault)
    }
}

#[cfg(feature = "faults")]
pub use chosen::choose;
#[cfg(feature = "faults")]
pub(crate) use chosen::on;

/// Without the feature there are no faults.
#[cfg(not(feature = "faults"))]
#[inline(always)]
pub(crate) const fn on(_: Fault) -> bool {
    false
}
