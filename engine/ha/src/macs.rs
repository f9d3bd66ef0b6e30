//! The source addresses that the ACTIVE sees, shared with its peers ahead of time (rule 8).
//!
//! When the role moves, the switches on both sides must learn the new way at once. The new ACTIVE
//! sends one announcement per address: on its WAN port those that live on the LAN side, and the
//! other way. So it must know them before it is asked.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::message::{MacChunk, Side};
use twinline_time::Time;

/// Addresses kept per link pair; more are not announced (they are learnt from their own frames).
pub const MAX_MACS: usize = 4096;
/// Addresses in one message.
pub const CHUNK: usize = 200;
/// How long an address has to be seen on the other side alone before it is believed to have moved.
/// While two instances carry everything, frames that go round come in on the wrong side, and the
/// survivor must not announce by them. A station that really moved teaches the switches itself.
pub const MOVES_AFTER: Duration = Duration::from_secs(2);
/// How long an address lives without being seen: the ageing time of switches (IEEE 802.1Q 8.8.3).
pub const AGEING: Duration = Duration::from_secs(300);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    side: Side,
    seen: Time,
    shared: bool,
    /// Since when it was seen on the other side, and on its own no more.
    across: Option<Time>,
}

/// A change of the table, for the copy that the workers read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MacChange {
    /// The address.
    pub mac: [u8; 6],
    /// Its side; `None` = forgotten.
    pub side: Option<Side>,
}

/// The addresses of one link pair.
#[derive(Clone, Debug, Default)]
pub struct MacTable {
    entries: BTreeMap<[u8; 6], Entry>,
}

impl MacTable {
    /// Our own workers saw an address. Says what changed for the workers' copy. A move is believed
    /// after [`MOVES_AFTER`].
    pub fn learn(&mut self, mac: [u8; 6], side: Side, now: Time) -> Option<MacChange> {
        if let Some(entry) = self.entries.get_mut(&mac) {
            entry.seen = now;
            if entry.side == side {
                entry.across = None;
                return None;
            }
            let since = *entry.across.get_or_insert(now);
            if now.since(since) < MOVES_AFTER {
                return None;
            }
        }
        self.set(mac, side, now)
    }

    /// The ACTIVE says where an address lives.
    pub fn take(&mut self, mac: [u8; 6], side: Side, now: Time) -> Option<MacChange> {
        if let Some(entry) = self.entries.get_mut(&mac) {
            entry.seen = now;
            entry.across = None;
            if entry.side == side {
                return None;
            }
        }
        self.set(mac, side, now)
    }

    fn set(&mut self, mac: [u8; 6], side: Side, now: Time) -> Option<MacChange> {
        if mac[0] & 1 == 1 || mac == [0; 6] {
            return None;
        }
        if self.entries.len() >= MAX_MACS && !self.entries.contains_key(&mac) {
            return None;
        }
        let entry = Entry {
            side,
            seen: now,
            shared: false,
            across: None,
        };
        self.entries.insert(mac, entry);
        Some(MacChange {
            mac,
            side: Some(side),
        })
    }

    /// Forgets what was not seen for [`AGEING`].
    pub fn age(&mut self, now: Time) -> Vec<MacChange> {
        let old: Vec<[u8; 6]> = self
            .entries
            .iter()
            .filter(|(_, e)| now.since(e.seen) >= AGEING)
            .map(|(&mac, _)| mac)
            .collect();
        for mac in &old {
            self.entries.remove(mac);
        }
        old.into_iter()
            .map(|mac| MacChange { mac, side: None })
            .collect()
    }

    /// The addresses to send to the peers: those not sent yet, or all of them.
    pub fn share(&mut self, pair: u16, all: bool) -> Vec<MacChunk> {
        let mut chunks: Vec<MacChunk> = Vec::new();
        for side in [Side::Lan, Side::Wan] {
            let mut macs = Vec::new();
            for (mac, entry) in &mut self.entries {
                if entry.side == side && (all || !entry.shared) {
                    entry.shared = true;
                    macs.push(*mac);
                }
            }
            chunks.extend(macs.chunks(CHUNK).map(|c| MacChunk {
                pair,
                side,
                macs: c.to_vec(),
            }));
        }
        chunks
    }

    /// Every address with its side.
    pub fn iter(&self) -> impl Iterator<Item = ([u8; 6], Side)> + '_ {
        self.entries.iter().map(|(&mac, e)| (mac, e.side))
    }

    /// How many addresses live on `side`.
    #[must_use]
    pub fn count(&self, side: Side) -> usize {
        self.entries.values().filter(|e| e.side == side).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mac(n: u16) -> [u8; 6] {
        let [a, b] = n.to_be_bytes();
        [2, 0, 0, 0, a, b]
    }

    #[test]
    fn rule_08_learns_moves_and_ages() {
        let mut table = MacTable::default();
        let change = table.learn(mac(1), Side::Lan, Time::ZERO);
        assert_eq!(
            change,
            Some(MacChange {
                mac: mac(1),
                side: Some(Side::Lan)
            })
        );
        assert_eq!(table.learn(mac(1), Side::Lan, Time::ZERO), None);
        let moved = table.take(mac(1), Side::Wan, Time::ZERO + Duration::from_secs(200));
        assert_eq!(
            moved,
            Some(MacChange {
                mac: mac(1),
                side: Some(Side::Wan)
            })
        );
        assert!(table.age(Time::ZERO + Duration::from_secs(499)).is_empty());
        let gone = table.age(Time::ZERO + Duration::from_secs(500));
        assert_eq!(
            gone,
            vec![MacChange {
                mac: mac(1),
                side: None
            }]
        );
        assert_eq!(table.iter().count(), 0);
    }

    /// Two carried everything for a moment, so frames went round and came in on the wrong side.
    #[test]
    fn rule_09_frames_that_went_round_move_no_station() {
        let at = |ms| Time::ZERO + Duration::from_millis(ms);
        let mut table = MacTable::default();
        table.learn(mac(1), Side::Wan, at(0));
        for ms in (100..2000).step_by(100) {
            assert_eq!(table.learn(mac(1), Side::Lan, at(ms)), None);
        }
        assert_eq!(table.iter().collect::<Vec<_>>(), [(mac(1), Side::Wan)]);
        // It says a word of its own: what was seen across begins anew.
        assert_eq!(table.learn(mac(1), Side::Wan, at(2000)), None);
        assert_eq!(table.learn(mac(1), Side::Lan, at(2100)), None);
        assert_eq!(table.learn(mac(1), Side::Lan, at(4099)), None);
        // Seen across alone for so long, it has moved.
        let moved = table.learn(mac(1), Side::Lan, at(4100));
        let side = Some(Side::Lan);
        assert_eq!(moved, Some(MacChange { mac: mac(1), side }));
        // What the ACTIVE says is believed at once.
        let side = Some(Side::Wan);
        let said = table.take(mac(1), Side::Wan, at(4200));
        assert_eq!(said, Some(MacChange { mac: mac(1), side }));
    }

    #[test]
    fn rule_08_shares_the_new_ones_at_once_and_all_when_asked() {
        let mut table = MacTable::default();
        for n in 0..450 {
            table.learn(
                mac(n),
                if n < 250 { Side::Lan } else { Side::Wan },
                Time::ZERO,
            );
        }
        let first = table.share(3, false);
        assert_eq!(
            first.iter().map(|c| c.macs.len()).collect::<Vec<_>>(),
            vec![200, 50, 200]
        );
        assert!(first.iter().all(|c| c.pair == 3));
        assert!(table.share(3, false).is_empty());
        table.take(mac(9), Side::Wan, Time::ZERO);
        assert_eq!(
            table.share(3, false),
            vec![MacChunk {
                pair: 3,
                side: Side::Wan,
                macs: vec![mac(9)]
            }]
        );
        assert_eq!(
            table
                .share(3, true)
                .iter()
                .map(|c| c.macs.len())
                .sum::<usize>(),
            450
        );
    }

    #[test]
    fn group_and_zero_addresses_are_never_learnt() {
        let mut table = MacTable::default();
        assert_eq!(table.learn([0xff; 6], Side::Lan, Time::ZERO), None);
        assert_eq!(
            table.learn([1, 0, 0x5e, 0, 0, 1], Side::Lan, Time::ZERO),
            None
        );
        assert_eq!(table.learn([0; 6], Side::Lan, Time::ZERO), None);
    }

    #[test]
    fn the_table_is_bounded() {
        let mut table = MacTable::default();
        for n in 0..u16::MAX {
            table.learn(mac(n), Side::Lan, Time::ZERO);
        }
        assert_eq!(table.count(Side::Lan), MAX_MACS);
    }
}
