//! The neighbours and their timers: a table that is bounded, and knows what is due next.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

use twinline_wire::Mac;

use super::NeighbourState;
use crate::{InterfaceId, Time};

/// Whose neighbour, and its address.
pub(super) type Key = (InterfaceId, IpAddr);

/// A packet that waits for a MAC address.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) packet: Vec<u8>,
    /// Whether it is another's, on its way through.
    pub(super) forwarded: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// `None` exactly while it is Incomplete.
    pub(super) mac: Option<Mac>,
    pub(super) state: NeighbourState,
    pub(super) since: Time,
    pub(super) confirmed: Option<Time>,
    /// When the state ends, or the question is repeated.
    pub(super) due: Option<Time>,
    /// Questions sent in this state.
    pub(super) tries: u8,
    pub(super) pending: VecDeque<Pending>,
}

impl Entry {
    pub(super) fn enter(&mut self, state: NeighbourState, now: Time, due: Option<Time>) {
        self.state = state;
        self.since = now;
        self.due = due;
        self.tries = 0;
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    entries: BTreeMap<Key, Entry>,
    timers: BTreeSet<(Time, Key)>,
    incomplete: usize,
    pending: usize,
}

impl Table {
    pub(super) fn get(&self, key: &Key) -> Option<&Entry> {
        self.entries.get(key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, &Entry)> {
        self.entries.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many are Incomplete.
    pub(super) fn incomplete(&self) -> usize {
        self.incomplete
    }

    /// How many packets wait.
    pub(super) fn pending(&self) -> usize {
        self.pending
    }

    /// Puts an entry in the place of what was there.
    pub(super) fn put(&mut self, key: Key, entry: Entry) {
        self.remove(&key);
        if let Some(due) = entry.due {
            self.timers.insert((due, key));
        }
        self.incomplete += usize::from(entry.mac.is_none());
        self.pending += entry.pending.len();
        self.entries.insert(key, entry);
    }

    pub(super) fn remove(&mut self, key: &Key) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        if let Some(due) = entry.due {
            self.timers.remove(&(due, *key));
        }
        self.incomplete -= usize::from(entry.mac.is_none());
        self.pending -= entry.pending.len();
        Some(entry)
    }

    /// Changes an entry, if there is one.
    pub(super) fn change<R>(
        &mut self,
        key: &Key,
        change: impl FnOnce(&mut Entry) -> R,
    ) -> Option<R> {
        let mut entry = self.remove(key)?;
        let result = change(&mut entry);
        self.put(*key, entry);
        Some(result)
    }

    /// Whose timer is over.
    pub(super) fn due(&self, now: Time) -> Option<Key> {
        let (due, key) = self.timers.first()?;
        (*due <= now).then_some(*key)
    }

    /// When the next timer is over.
    pub(super) fn next_due(&self) -> Option<Time> {
        self.timers.first().map(|(due, _)| *due)
    }

    /// The keys for which something holds.
    pub(super) fn keys_where(&self, wanted: impl Fn(&Key, &Entry) -> bool) -> Vec<Key> {
        let wanted = self
            .entries
            .iter()
            .filter(|(key, entry)| wanted(key, entry));
        wanted.map(|(key, _)| *key).collect()
    }

    /// Who should make room: of those who are not Reachable and for whom nothing waits, who was heard
    /// of least recently.
    pub(super) fn least_known(&self) -> Option<Key> {
        let known = self.entries.iter().filter(|(_, entry)| {
            !matches!(
                entry.state,
                NeighbourState::Incomplete | NeighbourState::Reachable
            )
        });
        known
            .min_by_key(|(_, entry)| entry.confirmed)
            .map(|(key, _)| *key)
    }
}
