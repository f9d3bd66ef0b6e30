//! How a virtual router is set up.

use std::net::IpAddr;
use std::time::Duration;

use twinline_wire::vrrp::{ChecksumRule, Expect, Family, Interval, Repr, Version, Vrid};

/// The priority of a router that runs: 1 to 255 (RFC 9568, section 5.2.4). 0 is what one that
/// resigns sends, and no router has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(u8);

impl Priority {
    /// That of the router that owns the addresses.
    pub const OWNER: Self = Self(255);
    /// That of a router for which none is set.
    pub const DEFAULT: Self = Self(100);

    /// The priority of a router that does not own the addresses: 1 to 254, otherwise `None`.
    #[must_use]
    pub const fn backup(priority: u8) -> Option<Self> {
        match priority {
            1..=254 => Some(Self(priority)),
            _ => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Whether it is the owner's.
    #[must_use]
    pub const fn is_owner(self) -> bool {
        self.0 == Self::OWNER.0
    }
}

/// How the addresses are announced by a new Active Router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announcing {
    /// How often each address is announced: once at least (RFC 9568, section 6.4).
    pub count: u8,
    /// The time between.
    pub every: Duration,
}

impl Default for Announcing {
    fn default() -> Self {
        Self {
            count: 5,
            every: Duration::from_secs(1),
        }
    }
}

/// A virtual router, as it is set up on one interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Version 3, or 2 for older peers on IPv4.
    pub version: Version,
    /// Its id.
    pub vrid: Vrid,
    /// Its virtual addresses, all of one family; over IPv6 a link-local one first.
    pub addresses: Vec<IpAddr>,
    /// Our own address on the interface, which adverts are sent from: the primary IPv4 address, or
    /// the IPv6 link-local one.
    pub source: IpAddr,
    /// Our priority.
    pub priority: Priority,
    /// Our interval (Advertisement_Interval).
    pub interval: Interval,
    /// Whether a better priority takes over from a worse one (Preempt_Mode). The owner always does.
    pub preempt: bool,
    /// For how long a worse one has to be heard before.
    pub preempt_delay: Duration,
    /// Whether packets to the virtual addresses are for us though we do not own them (Accept_Mode).
    pub accept: bool,
    /// Where adverts go, and from whom they are taken; empty for the group.
    pub peers: Vec<IpAddr>,
    /// The rule for the checksum of version 3 over IPv4.
    pub checksum: ChecksumRule,
    /// How the addresses are announced.
    pub announcing: Announcing,
}

/// What of the settings a running router can change, beside its priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Live {
    /// See [`Settings::preempt`].
    pub preempt: bool,
    /// See [`Settings::preempt_delay`].
    pub preempt_delay: Duration,
    /// See [`Settings::accept`].
    pub accept: bool,
    /// See [`Settings::checksum`].
    pub checksum: ChecksumRule,
    /// See [`Settings::announcing`].
    pub announcing: Announcing,
}

/// Why a virtual router cannot be set up so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// No address, or more than an advert can name.
    #[error("a virtual router has 1 to 255 addresses, not {0}")]
    Count(usize),
    /// Addresses, source and peers are not of one family.
    #[error("{0} is not of the family of the source address")]
    Family(IpAddr),
    /// Version 2 on IPv6.
    #[error("VRRP version 2 is for IPv4 only")]
    Version,
    /// Over IPv6 the first address and the source have to be link-local.
    #[error("{0} has to be an IPv6 link-local address")]
    NoLinkLocal(IpAddr),
    /// The interval does not fit the version's field.
    #[error(
        "an interval of {0} centiseconds does not fit: version 3 has 1 to 4095, version 2 whole \
         seconds up to 255"
    )]
    Interval(u16),
    /// An announcement that never comes, or always.
    #[error("addresses are announced once at least, and with at least 1 ms between")]
    Announcing,
}

impl Settings {
    /// What everything but the addresses is by default.
    #[must_use]
    pub fn new(vrid: Vrid, interval: Interval, source: IpAddr, addresses: Vec<IpAddr>) -> Self {
        Self {
            version: Version::V3,
            vrid,
            addresses,
            source,
            priority: Priority::DEFAULT,
            interval,
            preempt: true,
            preempt_delay: Duration::ZERO,
            accept: false,
            peers: Vec::new(),
            checksum: ChecksumRule::Rfc9568,
            announcing: Announcing::default(),
        }
    }

    /// The family that carries its adverts.
    #[must_use]
    pub const fn family(&self) -> Family {
        Family::of(self.source)
    }

    /// What of received adverts it takes.
    #[must_use]
    pub fn expect(&self) -> Expect<'_> {
        Expect {
            version: self.version,
            checksum: self.checksum,
            peers: &self.peers,
        }
    }

    /// The advert to send with a priority.
    #[must_use]
    pub fn advert(&self, priority: u8) -> Repr<'_> {
        Repr {
            version: self.version,
            vrid: self.vrid,
            priority,
            interval: self.interval,
            addresses: &self.addresses,
        }
    }

    /// Whether a virtual router can run so.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), SettingsError> {
        if !(1..=255).contains(&self.addresses.len()) {
            return Err(SettingsError::Count(self.addresses.len()));
        }
        let family = self.family();
        let mut others = self.addresses.iter().chain(&self.peers);
        if let Some(other) = others.find(|address| Family::of(**address) != family) {
            return Err(SettingsError::Family(*other));
        }
        if self.version == Version::V2 && family == Family::V6 {
            return Err(SettingsError::Version);
        }
        for address in self.addresses.first().into_iter().chain([&self.source]) {
            if let IpAddr::V6(v6) = address
                && !twinline_wire::ipv6::is_link_local(*v6)
            {
                return Err(SettingsError::NoLinkLocal(*address));
            }
        }
        let centis = self.interval.centis();
        let fits = match self.version {
            Version::V2 => centis.is_multiple_of(100),
            Version::V3 => centis <= Interval::MAX_CENTIS,
        };
        if !fits {
            return Err(SettingsError::Interval(centis));
        }
        if self.announcing.count == 0 || self.announcing.every < Duration::from_millis(1) {
            return Err(SettingsError::Announcing);
        }
        Ok(())
    }
}
