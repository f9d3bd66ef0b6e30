//! One virtual router.
//!
//! # What the caller keeps
//!
//! 1. **The queue first.** Before each [`Input::Tick`] every advert that the interface has received
//!    is handed in. A process that was stopped for a while finds, on waking, timers that are due
//!    and adverts that would have reset them: the adverts are the truth.
//! 2. It comes back at [`Router::next_deadline`], or as soon as it can.
//! 3. Actions are carried out in order.
//!
//! # Late timers
//!
//! Even so the adverts of the time in which we did not run may be lost: the port's queue ran over,
//! or a hypervisor stopped the whole machine. So, in the spirit of rule 3 of the HA semantics
//! (never blame the peer for our own lateness):
//!
//! - A **Backup** whose Active_Down_Timer fires late by more than half an interval does not take
//!   over, but waits one more interval of the Active Router, and its skew: an Active Router that
//!   lives is heard by then. At most [`MAX_GRACES`] times in one silence, so that a loop that is
//!   always late still takes over; and not after the Active Router has resigned. What is left is a
//!   stall that loses three adverts and ends within half an interval of the deadline: nothing tells
//!   it from an Active Router that died.
//! - An **Active** that has not sent for three intervals may have been replaced: the backups wait no
//!   longer. When it then hears another one, it steps back, whatever the priorities are, and
//!   preemption is decided anew (a stall never bypasses `preempt = false` or the delay). The owner
//!   stays: it always preempts. When nobody is heard it goes on, and announces its addresses anew.

mod active;
mod backup;
mod running;

use std::time::Duration;

use twinline_wire::vrrp::{Advert, Family, Version};

use crate::action::Action;
use crate::event::{Event, Note, Notes, Reason, State};
use crate::input::{Input, Standing};
use crate::settings::{Live, Priority, Settings, SettingsError};
use twinline_time::Time;

use active::Active;
use backup::Backup;

/// How often in one silence a Backup's late timer starts again.
pub const MAX_GRACES: u8 = 3;

/// What is known beside the settings in each state.
#[derive(Clone, Debug)]
enum Phase {
    Initialize,
    Backup(Backup),
    Active(Active),
}

/// What happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Adverts sent, each destination counted.
    pub sent: u64,
    /// Adverts taken from the wire.
    pub heard: u64,
    /// Of these, discarded: they lost against us, or were of another interval in version 2.
    pub discarded: u64,
    /// How often it became Active.
    pub became_active: u64,
    /// Timers that fired late by more than half an interval.
    pub late: u64,
    /// The latest of all.
    pub latest: Duration,
}

/// One virtual router of one family on one interface.
#[derive(Clone, Debug)]
pub struct Router {
    settings: Settings,
    phase: Phase,
    started: bool,
    interface_up: bool,
    standing: Standing,
    /// The latest time that was seen: a clock that goes back stands still here.
    clock: Time,
    holds_mac: bool,
    /// Until when a router that resigned keeps the virtual MAC address.
    let_go_at: Option<Time>,
    notes: Notes,
    counters: Counters,
}

impl Router {
    /// A virtual router in Initialize, its interface down.
    ///
    /// # Errors
    /// When it cannot run so.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        settings.check()?;
        Ok(Self {
            settings,
            phase: Phase::Initialize,
            started: false,
            interface_up: false,
            standing: Standing::Eligible,
            clock: Time::from_nanos(i64::MIN),
            holds_mac: false,
            let_go_at: None,
            notes: Notes::default(),
            counters: Counters::default(),
        })
    }

    /// Takes one input and says what to do.
    pub fn step(&mut self, now: Time, input: Input<'_>) -> Vec<Action> {
        self.clock = self.clock.max(now);
        let now = self.clock;
        let mut out = Vec::new();
        match input {
            Input::Tick => self.tick(now, &mut out),
            Input::Advert(advert) => self.advert(now, &advert, &mut out),
            Input::Start => self.start(now, &mut out),
            Input::Shutdown => self.shutdown(&mut out),
            Input::InterfaceUp => self.interface_up(now, &mut out),
            Input::InterfaceDown => self.interface_down(&mut out),
            Input::Standing(standing) => self.standing(now, standing, &mut out),
            Input::Priority(priority) => self.priority(now, priority, &mut out),
            Input::TakeOver => self.take_over(now, &mut out),
            Input::Source(source) => {
                // One of another family would be another virtual router: it is not taken.
                let before = std::mem::replace(&mut self.settings.source, source);
                if self.settings.check().is_err() {
                    self.settings.source = before;
                }
            }
        }
        out
    }

    /// When to come back with a [`Input::Tick`], not before `now`; `None` while only an input can
    /// change anything. After a tick it is later than `now`.
    #[must_use]
    pub fn next_deadline(&self, now: Time) -> Option<Time> {
        let timer = match &self.phase {
            Phase::Initialize => None,
            Phase::Backup(backup) => Some(backup.down_at()),
            Phase::Active(active) => Some(active.next()),
        };
        let first = timer.into_iter().chain(self.let_go_at).min();
        first.map(|at| at.max(now))
    }

    /// Other settings from now on, of those that a running router can change (a reload): the rest
    /// is another virtual router. The priority is an input ([`Input::Priority`]), since the others
    /// hear of it.
    pub fn adjust(&mut self, live: Live) {
        self.settings.preempt = live.preempt;
        self.settings.preempt_delay = live.preempt_delay;
        self.settings.accept = live.accept;
        self.settings.checksum = live.checksum;
        let before = std::mem::replace(&mut self.settings.announcing, live.announcing);
        if self.settings.check().is_err() {
            self.settings.announcing = before;
        }
    }

    /// The state of RFC 9568.
    #[must_use]
    pub const fn state(&self) -> State {
        match self.phase {
            Phase::Initialize => State::Initialize,
            Phase::Backup(_) => State::Backup,
            Phase::Active(_) => State::Active,
        }
    }

    /// Whether the virtual MAC address is ours: while Active, and a moment longer in a hand-over.
    #[must_use]
    pub const fn holds_virtual_mac(&self) -> bool {
        self.holds_mac
    }

    /// Whether packets to a virtual address are for us: while we hold it, and own it or are told to
    /// accept. Neighbour discovery is answered even when not (RFC 9568, section 6.1).
    #[must_use]
    pub const fn accepts_local(&self) -> bool {
        self.holds_mac && (self.settings.priority.is_owner() || self.settings.accept)
    }

    /// How it is set up, the priority and source of now included.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What happened so far.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// Fires what is due. Everything that it sets lies after `now`.
    fn tick(&mut self, now: Time, out: &mut Vec<Action>) {
        if self.let_go_at.is_some_and(|at| at <= now) {
            self.let_go(out);
        }
        match self.phase {
            Phase::Initialize => {}
            Phase::Backup(_) => self.backup_tick(now, out),
            Phase::Active(_) => self.active_tick(now, out),
        }
    }

    fn advert(&mut self, now: Time, advert: &Advert<'_>, out: &mut Vec<Action>) {
        let settings = &self.settings;
        let other_family = Family::of(advert.source) != settings.family();
        if other_family || advert.vrid != settings.vrid || advert.version != settings.version {
            return; // of another virtual router: the caller's mistake
        }
        self.counters.heard = self.counters.heard.saturating_add(1);
        self.note_differences(now, advert, out);
        // RFC 3768, section 7.1: another interval than ours is discarded. In version 3 it is
        // learnt (RFC 9568, section 7.1).
        if advert.version == Version::V2 && advert.interval != self.settings.interval {
            self.discard();
            return;
        }
        match self.phase {
            // Our successor; not what we sent before we resigned, come back.
            Phase::Initialize if advert.priority > 0 && advert.source != self.settings.source => {
                self.let_go(out);
            }
            Phase::Initialize => {}
            Phase::Backup(_) => self.backup_hears(now, advert),
            Phase::Active(_) => self.active_hears(now, advert, out),
        }
    }

    fn note_differences(&mut self, now: Time, advert: &Advert<'_>, out: &mut Vec<Action>) {
        let (source, priority) = (advert.source, advert.priority);
        if advert.interval != self.settings.interval {
            let heard = advert.interval;
            self.note(now, Note::IntervalMismatch { source, heard }, out);
        }
        if !advert.addresses.same_set(&self.settings.addresses) {
            self.note(now, Note::AddressesMismatch { source }, out);
        }
        if self.settings.priority.is_owner() && source != self.settings.source {
            self.note(now, Note::OwnerContested { source, priority }, out);
            if priority == Priority::OWNER.get() {
                self.note(now, Note::TwoOwners { source }, out);
            }
        }
    }

    /// Ours changes: the others hear of it at once, or our timer is another one.
    fn priority(&mut self, now: Time, priority: Priority, out: &mut Vec<Action>) {
        if std::mem::replace(&mut self.settings.priority, priority) == priority {
            return;
        }
        match &mut self.phase {
            Phase::Initialize => {}
            Phase::Backup(backup) => backup.recompute(&self.settings, now),
            Phase::Active(_) => self.advertise_and_reset(now, out),
        }
    }

    fn note(&mut self, now: Time, note: Note, out: &mut Vec<Action>) {
        out.extend(self.notes.note(now, note).map(Action::Event));
    }

    fn discard(&mut self) {
        self.counters.discarded = self.counters.discarded.saturating_add(1);
    }

    /// A timer fired late by so much.
    fn late(&mut self, now: Time, by: Duration, out: &mut Vec<Action>) {
        self.counters.late = self.counters.late.saturating_add(1);
        self.counters.latest = self.counters.latest.max(by);
        self.note(now, Note::LateTimer { by }, out);
    }

    /// One advert with this priority, to each destination.
    fn send(&mut self, priority: u8, out: &mut Vec<Action>) {
        let group = self.settings.family().group();
        let peers = &self.settings.peers;
        let to_group = peers.is_empty().then_some(group);
        for to in peers.iter().copied().chain(to_group) {
            self.counters.sent = self.counters.sent.saturating_add(1);
            out.push(Action::SendAdvert { priority, to });
        }
    }

    fn announce(&self, out: &mut Vec<Action>) {
        let addresses = self.settings.addresses.iter().copied();
        out.extend(addresses.map(|address| Action::Announce { address }));
    }

    fn become_phase(&mut self, to: Phase, why: Reason, out: &mut Vec<Action>) {
        let from = self.state();
        self.phase = to;
        let to = self.state();
        if from != to {
            out.push(Action::Event(Event::State { from, to, why }));
        }
    }

    fn take_mac(&mut self, out: &mut Vec<Action>) {
        self.let_go_at = None;
        if !std::mem::replace(&mut self.holds_mac, true) {
            out.push(Action::TakeVirtualMac);
        }
    }

    /// Gives up the virtual MAC address, if it is still ours.
    fn let_go(&mut self, out: &mut Vec<Action>) {
        self.let_go_at = None;
        if std::mem::replace(&mut self.holds_mac, false) {
            out.push(Action::DropVirtualMac);
        }
    }
}
