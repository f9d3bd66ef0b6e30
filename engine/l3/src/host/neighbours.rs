//! How a neighbour is known (RFC 4861, section 7.3.2; ARP is aged the same way).
//!
//! The fast path uses MAC addresses without telling us, so every neighbour that it was told of counts
//! as in use: after `neighbour_age` without confirmation it is STALE and at once in DELAY, and five
//! seconds later it is asked. The table so holds who is there, and a MAC address that is no longer
//! right is found within 38 seconds.

use std::time::Duration;

use twinline_wire::Mac;

use super::send::RETRANSMIT;
use super::table::{Entry, Key};
use super::{Host, IcmpKind, NeighbourState};
use crate::Time;
use crate::counters::DropCause;
use crate::output::Output;

/// Questions to everybody before a neighbour is given up (RFC 4861, MAX_MULTICAST_SOLICIT).
const MAX_QUESTIONS: u8 = 3;
/// Questions to the MAC address that is known (RFC 4861, MAX_UNICAST_SOLICIT).
const MAX_PROBES: u8 = 3;
/// From STALE to the first question (RFC 4861, DELAY_FIRST_PROBE_TIME).
const DELAY: Duration = Duration::from_secs(5);
/// Timers that are served in one tick, so that a table of neighbours that age together does not fill
/// a port's queue; and the time to the next share.
const SHARE: usize = 64;
const SHARE_EVERY: Duration = Duration::from_millis(10);

/// What a neighbour said of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    /// Its MAC address, if it said so.
    pub(super) mac: Option<Mac>,
    /// In answer to our question: it hears us.
    pub(super) solicited: bool,
    /// Whether it takes the place of another MAC address that is known.
    pub(super) overrides: bool,
    /// Whether it is worth an entry when there is none.
    pub(super) create: bool,
}

impl Host {
    /// Takes what a neighbour said (RFC 4861, sections 7.2.3 and 7.2.5).
    ///
    /// A group or a zero where a MAC address should be counts as none: no frame may go there.
    pub(super) fn learn(&mut self, now: Time, key: Key, said: Said, out: &mut Vec<Output>) {
        let (interface, ip) = key;
        let said = Said {
            mac: said.mac.filter(|mac| !mac.is_group() && !mac.is_zero()),
            ..said
        };
        let Some(entry) = self.table.get(&key) else {
            let Some(mac) = said.mac.filter(|_| said.create) else {
                return;
            };
            if !self.make_room(now, key, out) {
                self.drop(DropCause::TableFull);
                return;
            }
            let entry = Entry {
                mac: Some(mac),
                state: NeighbourState::Stale,
                since: now,
                confirmed: Some(now),
                due: Some(now),
                tries: 0,
                pending: Default::default(),
            };
            self.table.put(key, entry);
            out.push(Output::Neighbour {
                interface,
                ip,
                mac: Some(mac),
            });
            return;
        };
        let Some(known) = entry.mac else {
            // Incomplete: whatever MAC address comes first is taken.
            let Some(mac) = said.mac else {
                return;
            };
            self.counters.resolved = self.counters.resolved.saturating_add(1);
            self.table.change(&key, |entry| entry.mac = Some(mac));
            self.confirm(now, key, said.solicited);
            out.push(Output::Neighbour {
                interface,
                ip,
                mac: Some(mac),
            });
            self.flush(key, mac, out);
            return;
        };
        let other = said.mac.filter(|mac| *mac != known);
        match other {
            Some(_) if !said.overrides && entry.state == NeighbourState::Reachable => {
                self.confirm(now, key, false);
            }
            Some(_) if !said.overrides => {}
            Some(mac) => {
                self.table.change(&key, |entry| entry.mac = Some(mac));
                self.confirm(now, key, said.solicited);
                out.push(Output::Neighbour {
                    interface,
                    ip,
                    mac: Some(mac),
                });
            }
            None if said.solicited => self.confirm(now, key, true),
            None => {}
        }
    }

    /// Reachable, or known but not confirmed.
    fn confirm(&mut self, now: Time, key: Key, reachable: bool) {
        let age = self.limits.neighbour_age;
        self.table.change(&key, |entry| {
            if reachable {
                entry.confirmed = Some(now);
                entry.enter(NeighbourState::Reachable, now, Some(now + age));
            } else {
                entry.enter(NeighbourState::Stale, now, Some(now));
            }
        });
    }

    /// Serves the timers that are over.
    pub(super) fn tick_neighbours(&mut self, now: Time, out: &mut Vec<Output>) {
        if self.resume_at.is_some_and(|at| now < at) {
            return;
        }
        self.resume_at = None;
        let mut served = 0;
        while let Some(key) = self.table.due(now) {
            if served == SHARE {
                self.resume_at = Some(now + SHARE_EVERY);
                return;
            }
            served += usize::from(self.serve(now, key, out));
        }
    }

    /// Serves one timer; whether it sent something.
    fn serve(&mut self, now: Time, key: Key, out: &mut Vec<Output>) -> bool {
        let Some(entry) = self.table.get(&key) else {
            return false;
        };
        let (state, tries, mac) = (entry.state, entry.tries, entry.mac);
        let up = self.interface(key.0).is_some_and(|i| i.up);
        match state {
            // Nobody answers where there is no link: it waits for Host::link.
            _ if !up => {
                self.table.change(&key, |entry| entry.due = None);
                false
            }
            NeighbourState::Incomplete if tries < MAX_QUESTIONS => {
                self.ask_again(now, key, None, out)
            }
            NeighbourState::Probe if tries < MAX_PROBES => self.ask_again(now, key, mac, out),
            NeighbourState::Incomplete | NeighbourState::Probe => {
                self.give_up(now, key, out);
                true
            }
            NeighbourState::Reachable => {
                self.enter(now, key, NeighbourState::Stale, now);
                false
            }
            NeighbourState::Stale => {
                self.enter(now, key, NeighbourState::Delay, now + DELAY);
                false
            }
            NeighbourState::Delay => {
                self.enter(now, key, NeighbourState::Probe, now);
                self.ask_again(now, key, mac, out)
            }
        }
    }

    fn enter(&mut self, now: Time, key: Key, state: NeighbourState, due: Time) {
        self.table
            .change(&key, |entry| entry.enter(state, now, Some(due)));
    }

    fn ask_again(&mut self, now: Time, key: Key, last: Option<Mac>, out: &mut Vec<Output>) -> bool {
        self.table.change(&key, |entry| {
            entry.tries += 1;
            entry.due = Some(now + RETRANSMIT);
        });
        self.ask(key, last, out);
        true
    }

    /// A neighbour that does not answer: what waits for it is answered with an error (RFC 1812,
    /// section 3.3.2; RFC 4861, section 7.2.2).
    fn give_up(&mut self, now: Time, key: Key, out: &mut Vec<Output>) {
        let Some(waiting) = self
            .table
            .change(&key, |entry| std::mem::take(&mut entry.pending))
        else {
            return;
        };
        self.forget(key, out);
        self.counters.failed = self.counters.failed.saturating_add(1);
        for pending in waiting {
            self.drop(DropCause::Unreachable);
            if pending.forwarded {
                let kind = IcmpKind::HostUnreachable;
                self.send_error(now, None, kind.into(), &pending.packet, out);
            }
        }
    }
}
