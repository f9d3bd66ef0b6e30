//! The virtual routers of this instance: adverts in, and what is to be done out. Sans-IO.

use std::net::IpAddr;

use twinline_ha::Time;
use twinline_l3::InterfaceId;
use twinline_vrrp as vrrp;
use twinline_vrrp::{Action, Input, Router, Standing, State};
use twinline_wire::Mac;
use twinline_wire::vrrp::{
    Addressing, DropCause, DropCounters, EmitError, Expect, Family, MAX_FRAME_LEN, Target,
};

use super::plan::{Plan, VirtualRouter, speaks_for};
use super::verdict::Heard;

/// One thing to do, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Do {
    /// Send this advert.
    Send {
        /// Where.
        interface: InterfaceId,
        /// The whole frame.
        frame: Vec<u8>,
    },
    /// A unicast peer's MAC address is not known: look for it.
    Resolve {
        /// Where.
        interface: InterfaceId,
        /// Whose.
        peer: IpAddr,
    },
    /// The virtual MAC address of this router is ours from now on, or is not any more.
    Hold {
        /// Which router, by its index.
        router: usize,
        /// Ours.
        held: bool,
    },
    /// Announce this virtual address.
    Announce {
        /// Of which router.
        router: usize,
        /// Which address.
        address: IpAddr,
    },
    /// Log and show this.
    Event {
        /// Of which router.
        router: usize,
        /// What.
        event: vrrp::Event,
    },
}

/// The last advert of another router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastAdvert {
    /// When.
    pub at: Time,
    /// From whom.
    pub source: IpAddr,
    /// Its priority.
    pub priority: u8,
    /// Its interval.
    pub interval: twinline_wire::vrrp::Interval,
}

/// One virtual router.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its interface.
    pub interface: InterfaceId,
    /// The interface's VLAN; 0 for none.
    vlan: u16,
    interface_up: bool,
    /// The state machine.
    pub router: Router,
    /// Since when it is in its state.
    pub since: Time,
    /// Why.
    pub why: vrrp::Reason,
    /// Who else was heard last.
    pub last_advert: Option<LastAdvert>,
    /// Adverts that were not sent since the peer's MAC address is not known, or for want of room.
    pub unsent: u64,
}

impl Entry {
    /// The family of its addresses.
    #[must_use]
    pub fn family(&self) -> Family {
        self.router.settings().family()
    }

    /// Its virtual MAC address.
    #[must_use]
    pub fn virtual_mac(&self) -> Mac {
        self.router.settings().vrid.mac(self.family())
    }

    /// For how long what was heard last speaks for its sender, and since when.
    fn heard(&self) -> Heard {
        Heard {
            interface_up: self.interface_up,
            advert: self
                .last_advert
                .filter(|last| last.priority > 0)
                .map(|last| (last.at, speaks_for(last.interval))),
        }
    }
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub struct Routers {
    entries: Vec<Entry>,
    /// Adverts that no router took, by cause.
    pub drops: DropCounters,
    standing: Standing,
    out: Vec<Do>,
}

/// Tells the MAC address of a unicast peer, where it is known.
pub type PeerMac<'a> = &'a dyn Fn(InterfaceId, IpAddr) -> Option<Mac>;

impl Routers {
    /// The routers of a plan, silent and with their interfaces down.
    #[must_use]
    pub fn new(plan: &Plan, now: Time) -> Self {
        let entry = |of: &VirtualRouter| {
            let mut router = Router::new(of.settings.clone()).ok()?;
            // In Initialize, neither has anything to say.
            router.step(now, Input::Standing(Standing::Silent));
            router.step(now, Input::Start);
            Some(Entry {
                name: of.name.clone(),
                interface: of.interface,
                vlan: plan.interface(of.interface)?.vlan.unwrap_or(0),
                interface_up: false,
                router,
                since: now,
                why: vrrp::Reason::Started,
                last_advert: None,
                unsent: 0,
            })
        };
        Self {
            entries: plan.routers.iter().filter_map(entry).collect(),
            drops: DropCounters::default(),
            standing: Standing::Silent,
            out: Vec::new(),
        }
    }

    /// Each, by its index.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.iter()
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, router: usize) -> Option<&Entry> {
        self.entries.get(router)
    }

    /// What each hears.
    pub fn heard(&self) -> impl Iterator<Item = Heard> {
        self.entries.iter().map(Entry::heard)
    }

    /// What is to be done since the last call, in order.
    pub fn take(&mut self) -> Vec<Do> {
        std::mem::take(&mut self.out)
    }

    /// A frame with an advert, received on this interface. `macs` tells the peers' MAC addresses.
    pub fn advert(&mut self, now: Time, on: InterfaceId, frame: &[u8], macs: PeerMac<'_>) {
        let found = |family, vrid| {
            self.entries.iter().position(|entry| {
                let settings = entry.router.settings();
                entry.interface == on && settings.vrid == vrid && entry.family() == family
            })
        };
        let mut at = None;
        let lookup = |family, vrid| -> Option<Expect<'_>> {
            at = found(family, vrid);
            let entry = at.and_then(|at| self.entries.get(at))?;
            Some(entry.router.settings().expect())
        };
        let advert = match twinline_wire::vrrp::parse(frame, lookup) {
            Ok(advert) => advert,
            Err(cause) => return self.drops.count(cause),
        };
        let Some(entry) = at.and_then(|at| self.entries.get_mut(at)) else {
            return self.drops.count(DropCause::NotOurs);
        };
        // Our own frame come back (a loop, a mirror) is nobody else's word.
        if advert.source != entry.router.settings().source {
            entry.last_advert = Some(LastAdvert {
                at: now,
                source: advert.source,
                priority: advert.priority,
                interval: advert.interval,
            });
        }
        let actions = entry.router.step(now, Input::Advert(advert));
        self.obey(now, at.unwrap_or_default(), &actions, macs);
    }

    /// What the instance has decided.
    pub fn tell(&mut self, now: Time, standing: Standing, take_over: bool, macs: PeerMac<'_>) {
        let changed = std::mem::replace(&mut self.standing, standing) != standing;
        for at in 0..self.entries.len() {
            if changed {
                self.step(now, at, Input::Standing(standing), macs);
            }
            if take_over {
                self.step(now, at, Input::TakeOver, macs);
            }
        }
    }

    /// An interface passes frames, or does not any more.
    pub fn link(&mut self, now: Time, interface: InterfaceId, up: bool, macs: PeerMac<'_>) {
        for at in 0..self.entries.len() {
            let Some(entry) = self.entries.get_mut(at) else {
                continue;
            };
            if entry.interface != interface || entry.interface_up == up {
                continue;
            }
            entry.interface_up = up;
            let input = if up {
                Input::InterfaceUp
            } else {
                Input::InterfaceDown
            };
            self.step(now, at, input, macs);
        }
    }

    /// Fires what is due. Every advert that was received was handed in before. With `watch` false
    /// only what an Active Router has to send is fired: our own receive path was not looked through
    /// yet, so that nobody's silence can be judged.
    pub fn tick(&mut self, now: Time, watch: bool, macs: PeerMac<'_>) {
        for at in 0..self.entries.len() {
            let due = self.entries.get(at).is_some_and(|entry| {
                let due = entry
                    .router
                    .next_deadline(now)
                    .is_some_and(|next| next <= now);
                due && (watch || entry.router.state() != State::Backup)
            });
            if due {
                self.step(now, at, Input::Tick, macs);
            }
        }
    }

    /// A Backup's timer is due: before it fires, all that was received is to be handed in.
    #[must_use]
    pub fn judges(&self, now: Time) -> bool {
        self.entries.iter().any(|entry| {
            let due = entry
                .router
                .next_deadline(now)
                .is_some_and(|next| next <= now);
            due && entry.router.state() == State::Backup
        })
    }

    /// When to come back with [`Routers::tick`].
    #[must_use]
    pub fn next_deadline(&self, now: Time) -> Option<Time> {
        let next = self.entries.iter();
        next.filter_map(|entry| entry.router.next_deadline(now))
            .min()
    }

    /// The process ends.
    pub fn shut_down(&mut self, now: Time, macs: PeerMac<'_>) {
        for at in 0..self.entries.len() {
            self.step(now, at, Input::Shutdown, macs);
        }
    }

    /// What a reload changes, for the router of this name; true when there is one.
    pub fn adjust(
        &mut self,
        now: Time,
        name: &str,
        (priority, live): (vrrp::Priority, vrrp::Live),
        macs: PeerMac<'_>,
    ) -> bool {
        let Some(at) = self.entries.iter().position(|entry| entry.name == name) else {
            return false;
        };
        if let Some(entry) = self.entries.get_mut(at) {
            let accepts = entry.router.accepts_local();
            entry.router.adjust(live);
            if entry.router.accepts_local() != accepts {
                let held = entry.router.holds_virtual_mac();
                self.out.push(Do::Hold { router: at, held });
            }
        }
        self.step(now, at, Input::Priority(priority), macs);
        true
    }

    fn step(&mut self, now: Time, at: usize, input: Input<'_>, macs: PeerMac<'_>) {
        let Some(entry) = self.entries.get_mut(at) else {
            return;
        };
        let actions = entry.router.step(now, input);
        self.obey(now, at, &actions, macs);
    }

    fn obey(&mut self, now: Time, router: usize, actions: &[Action], macs: PeerMac<'_>) {
        let Some(entry) = self.entries.get_mut(router) else {
            return;
        };
        for action in actions {
            self.out.push(match *action {
                Action::SendAdvert { priority, to } => {
                    let interface = entry.interface;
                    match advert_frame(entry, priority, to, macs) {
                        Some(Ok(frame)) => Do::Send { interface, frame },
                        Some(Err(error)) => {
                            log::error!("virtual router {}: advert: {error}", entry.name);
                            entry.unsent = entry.unsent.saturating_add(1);
                            continue;
                        }
                        None => {
                            entry.unsent = entry.unsent.saturating_add(1);
                            Do::Resolve {
                                interface,
                                peer: to,
                            }
                        }
                    }
                }
                Action::Announce { address } => Do::Announce { router, address },
                Action::TakeVirtualMac => Do::Hold { router, held: true },
                Action::DropVirtualMac => Do::Hold {
                    router,
                    held: false,
                },
                Action::Event(event) => {
                    if let vrrp::Event::State { why, .. } = event {
                        entry.since = now;
                        entry.why = why;
                    }
                    Do::Event { router, event }
                }
            });
        }
    }
}

/// The frame of an advert; `None` when the peer's MAC address is not known.
fn advert_frame(
    entry: &Entry,
    priority: u8,
    to: IpAddr,
    macs: PeerMac<'_>,
) -> Option<Result<Vec<u8>, EmitError>> {
    let settings = entry.router.settings();
    let target = if to == settings.family().group() {
        Target::Group
    } else {
        let mac = macs(entry.interface, to)?;
        Target::Peer { address: to, mac }
    };
    let addressing = Addressing {
        source: settings.source,
        target,
        vlan: entry.vlan,
        checksum: settings.checksum,
    };
    let mut frame = vec![0; MAX_FRAME_LEN];
    let emitted = settings.advert(priority).emit(&addressing, &mut frame);
    Some(emitted.map(|length| {
        frame.truncate(length);
        frame
    }))
}
