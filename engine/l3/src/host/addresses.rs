//! Own and virtual addresses of an interface, and the groups that they need.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use twinline_wire::{Mac, ipv6};

use crate::config::InterfaceConfig;
use crate::{Prefix, Time};

/// Between two probes, and from the last one to use (RFC 4862, RetransTimer; RFC 5227, PROBE_MAX).
pub(super) const PROBE_EVERY: Duration = Duration::from_secs(1);
/// Probes of an IPv6 address (RFC 4862, DupAddrDetectTransmits).
pub(super) const PROBES_V6: u8 = 1;
/// Probes of an IPv4 address (RFC 5227, PROBE_NUM).
pub(super) const PROBES_V4: u8 = 3;
/// Announcements of an own address, and the time between them (RFC 5227, ANNOUNCE_NUM and
/// ANNOUNCE_INTERVAL).
pub(super) const ANNOUNCEMENTS: u8 = 2;
pub(super) const ANNOUNCE_EVERY: Duration = Duration::from_secs(2);
/// Between two defences of an address (RFC 5227, DEFEND_INTERVAL).
pub(super) const DEFEND_EVERY: Duration = Duration::from_secs(10);

/// How far an own address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The interface has no link.
    Down,
    /// Not used before it is known that nobody else has it.
    Probing { sent: u8, at: Time },
    /// Used, and announced once more.
    Announcing { sent: u8, at: Time },
    /// Used.
    Ready,
    /// Another station's: not used.
    Duplicate,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Own {
    pub(super) prefix: Prefix,
    pub(super) stage: Stage,
    pub(super) defended: Option<Time>,
}

impl Own {
    pub(super) fn usable(&self) -> bool {
        matches!(self.stage, Stage::Announcing { .. } | Stage::Ready)
    }

    /// When it has something to do.
    pub(super) fn due(&self) -> Option<Time> {
        match self.stage {
            Stage::Probing { at, .. } | Stage::Announcing { at, .. } => Some(at),
            _ => None,
        }
    }
}

/// A virtual router's addresses.
#[derive(Clone, Debug)]
pub(super) struct Virtual {
    pub(super) vmac: Mac,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) held: bool,
    pub(super) accept: bool,
}

/// Whose an address is, if it is ours at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Local {
    /// An own one, in use.
    Own,
    /// An own one, not in use.
    Unusable,
    /// A virtual one that we hold.
    Held { vmac: Mac, accept: bool },
    /// A virtual one that another instance may hold.
    NotHeld,
}

#[derive(Clone, Debug)]
pub(super) struct Interface {
    pub(super) config: InterfaceConfig,
    pub(super) up: bool,
    pub(super) own: Vec<Own>,
    pub(super) virtuals: Vec<Virtual>,
    /// Who needs which group.
    groups: BTreeMap<Mac, usize>,
}

impl Interface {
    pub(super) fn new(config: InterfaceConfig) -> Interface {
        let own = config.addresses.iter().map(|prefix| Own {
            prefix: *prefix,
            stage: Stage::Down,
            defended: None,
        });
        Interface {
            own: own.collect(),
            config,
            up: false,
            virtuals: Vec::new(),
            groups: BTreeMap::new(),
        }
    }

    /// 0 without VLAN, as [`twinline_wire::vlan::Link`] has it.
    pub(super) fn vlan(&self) -> u16 {
        self.config.vlan.unwrap_or(0)
    }

    /// What an address is here. That it is virtual counts for more than that it is an own one: the
    /// owner of an address too answers with the virtual MAC address, and only while it is Active.
    pub(super) fn local(&self, ip: IpAddr) -> Option<Local> {
        let mut not_held = false;
        for router in self.virtuals.iter().filter(|v| v.addresses.contains(&ip)) {
            if router.held {
                return Some(Local::Held {
                    vmac: router.vmac,
                    accept: router.accept,
                });
            }
            not_held = true;
        }
        if not_held {
            return Some(Local::NotHeld);
        }
        let own = self.own.iter().find(|own| own.prefix.address() == ip)?;
        Some(if own.usable() {
            Local::Own
        } else {
            Local::Unusable
        })
    }

    /// Whether an address is ours now. A virtual one that is not held is not: whoever holds it is a
    /// neighbour like any other.
    pub(super) fn ours(&self, ip: IpAddr) -> bool {
        !matches!(self.local(ip), None | Some(Local::NotHeld))
    }

    /// Whether a MAC address is one that we answer to now.
    pub(super) fn has_mac(&self, mac: Mac) -> bool {
        mac == self.config.mac || self.holds_mac(mac)
    }

    /// Whether it is a virtual MAC address that we hold.
    pub(super) fn holds_mac(&self, mac: Mac) -> bool {
        self.virtuals.iter().any(|v| v.held && v.vmac == mac)
    }

    /// The virtual MAC address from which traffic of a family is forwarded, if one is held.
    pub(super) fn held_mac(&self, six: bool) -> Option<Mac> {
        let of_family = |v: &&Virtual| v.addresses.iter().any(|a| a.is_ipv6() == six);
        let mut held = self.virtuals.iter().filter(|v| v.held);
        held.find(of_family).map(|v| v.vmac)
    }

    /// A virtual link-local address that is held, and its MAC address.
    pub(super) fn held_link_local(&self) -> Option<(Ipv6Addr, Mac)> {
        self.virtuals.iter().filter(|v| v.held).find_map(|v| {
            v.addresses.iter().find_map(|address| match address {
                IpAddr::V6(six) if ipv6::is_link_local(*six) => Some((*six, v.vmac)),
                _ => None,
            })
        })
    }

    /// Whether an address is on this link, and can be a neighbour's.
    pub(super) fn on_link(&self, ip: IpAddr) -> bool {
        if self.ours(ip) {
            return false;
        }
        let covered = |own: &Own| {
            own.prefix.contains(ip)
                && match ip {
                    IpAddr::V4(four) => !own.prefix.is_reserved(four),
                    IpAddr::V6(_) => true,
                }
        };
        match ip {
            IpAddr::V6(six) if ipv6::is_link_local(six) => self.has_ipv6(),
            _ => is_station(ip) && self.own.iter().any(covered),
        }
    }

    pub(super) fn has_ipv6(&self) -> bool {
        self.own.iter().any(|own| own.prefix.address().is_ipv6())
    }

    /// An own address in use: one whose prefix has `near`, or else of the same scope, or else any
    /// but a link-local one for what is beyond the link (RFC 6724, rules 2 and 8, in short).
    pub(super) fn source_for(&self, near: IpAddr) -> Option<IpAddr> {
        let link_local = |ip: IpAddr| matches!(ip, IpAddr::V6(six) if ipv6::is_link_local(six));
        let usable = || {
            let own = self.own.iter().filter(|own| own.usable());
            own.filter(|own| {
                let ip = own.prefix.address();
                ip.is_ipv6() == near.is_ipv6() && self.local(ip) == Some(Local::Own)
            })
        };
        let nearest = usable().find(|own| own.prefix.contains(near));
        let same_scope =
            || usable().find(|own| link_local(own.prefix.address()) == link_local(near));
        let found = nearest.or_else(same_scope)?;
        Some(found.prefix.address())
    }

    /// Counts one more who needs a group; whether it is the first.
    pub(super) fn join(&mut self, group: Mac) -> bool {
        let count = self.groups.entry(group).or_default();
        *count += 1;
        *count == 1
    }

    /// Counts one less; whether it was the last.
    pub(super) fn leave(&mut self, group: Mac) -> bool {
        let Some(count) = self.groups.get_mut(&group) else {
            return false;
        };
        *count -= 1;
        let last = *count == 0;
        if last {
            self.groups.remove(&group);
        }
        last
    }
}

/// Whether an address can be one station's.
pub(super) fn is_station(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [first, ..] = ip.octets();
            // 0/8 and 127/8 are nobody's on a wire, 224/4 are groups, 240/4 is reserved.
            first != 0 && first != 127 && first < 224
        }
        IpAddr::V6(ip) => !ip.is_unspecified() && !ip.is_loopback() && !ip.is_multicast(),
    }
}
