//! What a virtual router is told.

use std::net::IpAddr;

use twinline_wire::vrrp::Advert;

use crate::settings::Priority;

/// What the instance has decided, by the HA semantics, about its virtual routers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Standing {
    /// May be Active: fit, and not told otherwise.
    #[default]
    Eligible,
    /// Gives up in an orderly way (unfit, suspended, before bypass, hand-over): an Active Router
    /// sends priority 0, and keeps the virtual MAC address until its successor is heard, or for two
    /// intervals, so that no frame finds nobody.
    Resigning,
    /// Says nothing, and gives up the virtual MAC address at once: it may not speak (its lease is
    /// over, its card is in bypass), or another is Active already.
    Silent,
}

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// Time has passed: fire what is due. Only after every advert in the queue was handed in (see
    /// [`crate::router`]).
    Tick,
    /// An advert of this virtual router, taken by [`twinline_wire::vrrp::parse`].
    Advert(Advert<'a>),
    /// The Startup event of the RFC.
    Start,
    /// The Shutdown event of the RFC.
    Shutdown,
    /// The interface passes frames, and its addresses and the virtual MAC address can be used.
    InterfaceUp,
    /// It does not, any more.
    InterfaceDown,
    /// Our priority is another one from now on; the owner's too.
    Priority(Priority),
    /// What the instance has decided.
    Standing(Standing),
    /// The instance has taken over by another verdict than ours (a hand-over, or heartbeats that
    /// ceased): a Backup does not wait for its Active_Down_Timer. Whoever is Active with a better
    /// priority says so at once (RFC 9568, section 6.4.3), and keeps the addresses.
    TakeOver,
    /// Our own address on the interface has changed.
    Source(IpAddr),
}
