//! The virtual routers of this instance: adverts in, and what is to be done out. Sans-IO.

use std::collections::BTreeSet;
use std::net::IpAddr;

use twinline_ha::Time;
use twinline_l3::InterfaceId;
use twinline_vrrp as vrrp;
use twinline_vrrp::{Action, Input, Router, Standing, State};
use twinline_wire::Mac;
use twinline_wire::vrrp::{
    Addressing, DropCause, DropCounters, EmitError, Expect, Family, MAX_FRAME_LEN, Target,
};

use super::other_sum::OtherSum;
use super::plan::{Plan, VirtualRouter, speaks_for};
use super::verdict::Heard;

/// Addresses of peers that are remembered at most.
const MAX_STACK: usize = 256;

/// One thing to do, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Do {
    /// Send this advert.
    Send {
        /// Where.
        interface: InterfaceId,
        /// The whole frame.
        frame: Vec<u8>,
        /// Only while the lease holds (rule 11). Priority 0 takes nothing from anybody: it is said
        /// when the lease was given up, too.
        leased: bool,
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
    /// Whose checksums are not made as ours are.
    pub other_sum: Option<OtherSum>,
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
    /// Adverts of peers that say by heartbeat that they are PASSIVE: not looked at.
    pub of_passive: u64,
    /// Where the peers of the stack are found, each by its interface.
    stack: BTreeSet<(InterfaceId, IpAddr)>,
    /// We are ACTIVE, and all peers are well and say that they are PASSIVE.
    peers_passive: bool,
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
                other_sum: None,
                unsent: 0,
            })
        };
        Self {
            entries: plan.routers.iter().filter_map(entry).collect(),
            drops: DropCounters::default(),
            of_passive: 0,
            stack: BTreeSet::new(),
            peers_passive: false,
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
            Err(cause) => {
                if cause == DropCause::BadChecksum {
                    self.look_at_sum(now, at, frame, false);
                }
                return self.drops.count(cause);
            }
        };
        let Some(entry) = at.and_then(|at| self.entries.get_mut(at)) else {
            return self.drops.count(DropCause::NotOurs);
        };
        // Rule 12: what a port without carrier had in its queue comes out when the cable is in again,
        // and is the word of a role that its sender has given up since, as it says itself.
        if self.peers_passive && advert.priority > 0 && self.stack.contains(&(on, advert.source)) {
            self.of_passive = self.of_passive.saturating_add(1);
            return;
        }
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
        // Whoever hears us, and is worse, is silent by now.
        let lost = entry.router.state() == State::Active;
        self.obey(now, at.unwrap_or_default(), &actions, macs);
        if lost {
            self.look_at_sum(now, at, frame, true);
        }
    }

    fn look_at_sum(&mut self, now: Time, at: Option<usize>, frame: &[u8], taken: bool) {
        if let Some(entry) = at.and_then(|at| self.entries.get_mut(at)) {
            let expect = entry.router.settings().expect();
            entry.other_sum = OtherSum::look(entry.other_sum, now, frame, expect, taken);
        }
    }

    /// A peer of the stack has these addresses on this interface.
    pub fn peer_is_at(&mut self, on: InterfaceId, addresses: impl Iterator<Item = IpAddr>) {
        for address in addresses {
            if self.stack.len() < MAX_STACK {
                self.stack.insert((on, address));
            }
        }
    }

    /// Whether we are ACTIVE, and every peer is well and says that it is PASSIVE.
    pub fn peers_are_passive(&mut self, passive: bool) {
        self.peers_passive = passive;
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
                        Some(Ok(frame)) => Do::Send {
                            interface,
                            frame,
                            leased: priority > 0,
                        },
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::l3::plan::Interface;
    use std::time::Duration;
    use twinline_wire::vrrp::{Interval, Vrid, parse};

    const LAN: InterfaceId = InterfaceId(0);

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn at(ms: u64) -> Time {
        Time::ZERO + Duration::from_millis(ms)
    }

    fn nobody(_: InterfaceId, _: IpAddr) -> Option<Mac> {
        None
    }

    fn router(name: &str, source: &str, addresses: &[&str]) -> VirtualRouter {
        let interval = Interval::from_centis(10).unwrap();
        let addresses = addresses.iter().map(|a| ip(a)).collect();
        let vrid = Vrid::new(10).unwrap();
        VirtualRouter {
            name: name.into(),
            interface: LAN,
            settings: vrrp::Settings::new(vrid, interval, ip(source), addresses),
        }
    }

    fn plan(vlan: Option<u16>, peers: &[&str]) -> Plan {
        let mut four = router("gw4", "192.0.2.2", &["192.0.2.1"]);
        four.settings.peers = peers.iter().map(|p| ip(p)).collect();
        Plan {
            interfaces: vec![Interface {
                name: "lan0".into(),
                port: 0,
                vlan,
                mac: Mac([2, 0, 0, 0, 0, 1]),
                mtu: 1500,
                own: Vec::new(),
                kernel: None,
                digest: 1,
            }],
            routes: Vec::new(),
            routers: vec![four, router("gw6", "fe80::2", &["fe80::10", "2001:db8::1"])],
            forwarding: true,
            limits: twinline_l3::Limits::default(),
        }
    }

    fn up(plan: &Plan) -> Routers {
        let mut routers = Routers::new(plan, at(0));
        routers.link(at(0), LAN, true, &nobody);
        assert_eq!(routers.take(), [], "silent until told");
        routers.tell(at(0), Standing::Eligible, false, &nobody);
        routers.take();
        routers
    }

    fn states(routers: &Routers) -> Vec<State> {
        routers.iter().map(|entry| entry.router.state()).collect()
    }

    fn frames(all: &[Do]) -> Vec<&[u8]> {
        let each = all.iter().filter_map(|act| match act {
            Do::Send { frame, .. } => Some(frame.as_slice()),
            _ => None,
        });
        each.collect()
    }

    /// An advert of another router of the same plan.
    fn of_another(vlan: Option<u16>, source: &str, priority: u8) -> Vec<u8> {
        let mut settings = plan(vlan, &[]).routers[0].settings.clone();
        settings.source = ip(source);
        let addressing = Addressing {
            source: settings.source,
            target: Target::Group,
            vlan: vlan.unwrap_or(0),
            checksum: settings.checksum,
        };
        let mut frame = vec![0; MAX_FRAME_LEN];
        let length = settings
            .advert(priority)
            .emit(&addressing, &mut frame)
            .unwrap();
        frame.truncate(length);
        frame
    }

    #[test]
    fn item_24_becoming_active_is_done_in_order() {
        let mut routers = up(&plan(Some(7), &[]));
        assert_eq!(states(&routers), [State::Backup; 2]);
        routers.tell(at(5), Standing::Eligible, true, &nobody);
        assert_eq!(states(&routers), [State::Active; 2]);
        let all = routers.take();
        // The MAC address, the advert from it, the announcement.
        assert_eq!(
            all[0],
            Do::Hold {
                router: 0,
                held: true
            }
        );
        assert!(matches!(&all[1], Do::Send { leased: true, .. }));
        let address = ip("192.0.2.1");
        assert_eq!(all[2], Do::Announce { router: 0, address });
        let frames = frames(&all);
        for (frame, family) in frames.iter().zip([Family::V4, Family::V6]) {
            assert_eq!(frame[6..12], Vrid::new(10).unwrap().mac(family).0);
            assert_eq!(frame[12..16], [0x81, 0, 0, 7], "its VLAN");
            let settings = &plan(None, &[]).routers[0].settings;
            let advert = parse(frame, |_, _| Some(settings.expect())).unwrap();
            assert_eq!(advert.priority, 100);
        }
        assert_eq!(frames.len(), 2);
    }

    #[test]
    fn item_13_adverts_go_to_their_router_or_are_counted() {
        let mut routers = up(&plan(None, &[]));
        let frame = of_another(None, "192.0.2.3", 200);
        routers.advert(at(10), LAN, &frame, &nobody);
        let heard = routers.get(0).unwrap().last_advert.unwrap();
        assert_eq!((heard.source, heard.priority), (ip("192.0.2.3"), 200));
        assert_eq!(
            routers.get(1).unwrap().last_advert,
            None,
            "the other family"
        );
        assert_eq!(routers.drops.total(), 0);
        // On another interface there is no such router; and noise is nobody's.
        routers.advert(at(11), InterfaceId(1), &frame, &nobody);
        routers.advert(at(12), LAN, &[0; 60], &nobody);
        assert_eq!(routers.drops.get(DropCause::UnknownVrid), 1);
        assert_eq!(routers.drops.total(), 2);
    }

    /// What lay in the queue of a port whose cable was out.
    #[test]
    fn rule_12_adverts_of_a_peer_that_says_passive_are_not_looked_at() {
        let mut routers = up(&plan(None, &[]));
        routers.tell(at(5), Standing::Eligible, true, &nobody);
        routers.take();
        let old = of_another(None, "192.0.2.3", 200);
        routers.peer_is_at(LAN, [ip("192.0.2.3")].into_iter());
        routers.peers_are_passive(true);
        routers.advert(at(10), LAN, &old, &nobody);
        assert_eq!(states(&routers), [State::Active; 2]);
        assert_eq!((routers.of_passive, routers.take()), (1, vec![]));
        assert_eq!(routers.get(0).unwrap().last_advert, None);
        // That it resigns, and what strangers say, is heard all the same.
        let resigns = of_another(None, "192.0.2.3", 0);
        routers.advert(at(11), LAN, &resigns, &nobody);
        assert_eq!(frames(&routers.take()).len(), 1, "answered");
        assert_eq!(routers.of_passive, 1);
        let stranger = of_another(None, "192.0.2.4", 200);
        routers.advert(at(12), LAN, &stranger, &nobody);
        assert_eq!(states(&routers), [State::Backup, State::Active]);
        // And the peer as well, once its heartbeats do not say so any more.
        routers.tell(at(13), Standing::Eligible, true, &nobody);
        routers.peers_are_passive(false);
        routers.advert(at(14), LAN, &old, &nobody);
        assert_eq!(states(&routers), [State::Backup, State::Active]);
    }

    #[test]
    fn our_own_advert_come_back_is_nobody_elses() {
        let mut routers = up(&plan(None, &[]));
        routers.advert(at(10), LAN, &of_another(None, "192.0.2.2", 200), &nobody);
        assert_eq!(routers.get(0).unwrap().last_advert, None);
    }

    #[test]
    fn a_resigning_router_says_so_and_a_silent_one_does_not() {
        for (standing, says) in [(Standing::Resigning, true), (Standing::Silent, false)] {
            let mut routers = up(&plan(None, &[]));
            routers.tell(at(5), Standing::Eligible, true, &nobody);
            routers.take();
            routers.tell(at(50), standing, false, &nobody);
            let all = routers.take();
            let settings = plan(None, &[]).routers[0].settings.clone();
            let sent = frames(&all);
            assert_eq!(sent.len(), if says { 2 } else { 0 });
            for frame in sent {
                let advert = parse(frame, |_, _| Some(settings.expect())).unwrap();
                assert_eq!(advert.priority, 0);
            }
            // Rule 11: it is said when the lease was given up, too.
            let leased = |act: &Do| matches!(act, Do::Send { leased: true, .. });
            assert!(!all.iter().any(leased));
            let lets_go = all.contains(&Do::Hold {
                router: 0,
                held: false,
            });
            assert_eq!(
                lets_go, !says,
                "who resigns carries on until its successor is heard"
            );
        }
    }

    #[test]
    fn unicast_peers_are_looked_for_and_then_spoken_to() {
        let mut routers = up(&plan(None, &["192.0.2.3"]));
        routers.tell(at(5), Standing::Eligible, true, &nobody);
        let all = routers.take();
        let peer = ip("192.0.2.3");
        let wanted = Do::Resolve {
            interface: LAN,
            peer,
        };
        assert!(all.contains(&wanted));
        assert_eq!((routers.get(0).unwrap().unsent, frames(&all).len()), (1, 1));
        let known = |_: InterfaceId, who: IpAddr| (who == peer).then_some(Mac([2, 0, 0, 0, 0, 3]));
        routers.tick(at(105), true, &known);
        let all = routers.take();
        assert_eq!(frames(&all)[0][..6], [2, 0, 0, 0, 0, 3]);
        assert_eq!(routers.get(0).unwrap().unsent, 1);
    }

    /// Rule 3: as long as our own receive path was not looked through, nobody's silence is judged;
    /// an Active Router sends all the same.
    #[test]
    fn rule_03_a_backups_timer_waits_for_what_was_received() {
        let mut routers = up(&plan(None, &[]));
        assert!(!routers.judges(at(360)));
        assert!(routers.judges(at(361)));
        routers.tick(at(361), false, &nobody);
        assert_eq!(states(&routers), [State::Backup; 2]);
        let frame = of_another(None, "192.0.2.3", 200);
        routers.advert(at(362), LAN, &frame, &nobody);
        routers.tick(at(362), true, &nobody);
        assert_eq!(states(&routers), [State::Backup, State::Active]);
        routers.take();
        routers.tick(at(462), false, &nobody);
        assert_eq!(frames(&routers.take()).len(), 1);
    }

    #[test]
    fn rule_24_a_reload_changes_what_runs() {
        let mut routers = up(&plan(None, &[]));
        routers.tell(at(5), Standing::Eligible, true, &nobody);
        routers.take();
        let live = vrrp::Live {
            preempt: false,
            preempt_delay: Duration::ZERO,
            accept: true,
            checksum: Default::default(),
            announcing: vrrp::Announcing::default(),
        };
        let priority = vrrp::Priority::backup(120).unwrap();
        assert!(routers.adjust(at(6), "gw4", (priority, live), &nobody));
        assert!(!routers.adjust(at(6), "gw9", (priority, live), &nobody));
        let all = routers.take();
        // Accept mode is another for the slow path, and the others hear of the priority at once.
        assert_eq!(
            all[0],
            Do::Hold {
                router: 0,
                held: true
            }
        );
        assert_eq!((all.len(), frames(&all).len()), (2, 1));
        assert_eq!(states(&routers), [State::Active; 2]);
        // The same again changes nothing.
        assert!(routers.adjust(at(7), "gw4", (priority, live), &nobody));
        assert_eq!(routers.take(), []);
    }
}
