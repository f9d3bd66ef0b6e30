//! Alarms of virtual routers.

use std::collections::BTreeMap;

use twinline_ha::events::Alarm;
use twinline_ha::node::Part;
use twinline_ha::{Mode, Node, Time};
use twinline_vrrp::State;
use twinline_wire::vrrp::ChecksumRule;

use super::other_sum::Refuses;
use super::routers::Entry;
use super::{Layer3, plan};

/// The alarms of one kind that stand, by the virtual router's index.
pub(super) type Standing = BTreeMap<usize, Alarm>;

/// Raises, replaces or clears the alarm of one virtual router.
fn keep(standing: &mut Standing, at: usize, alarm: Option<Alarm>, node: &mut Node) {
    if standing.get(&at) == alarm.as_ref() {
        return;
    }
    if let Some(before) = standing.remove(&at) {
        node.set_alarm(before, false);
    }
    if let Some(alarm) = alarm {
        node.set_alarm(alarm.clone(), true);
        standing.insert(at, alarm);
    }
}

impl Layer3 {
    pub(super) fn watch_alarms(&mut self, now: Time, node: &mut Node) {
        let ours = self.mode == Mode::ActivePassive && self.part == Some(Part::Active);
        for (at, entry) in self.routers.iter().enumerate() {
            keep(&mut self.elsewhere, at, elsewhere(now, entry, ours), node);
            keep(&mut self.other_sums, at, other_sum(now, entry), node);
        }
    }
}

/// We are ACTIVE (`ours`), and yet a virtual router of ours is another's.
fn elsewhere(now: Time, entry: &Entry, ours: bool) -> Option<Alarm> {
    let by = entry.last_advert.filter(|last| {
        let speaks = now.since(last.at) < plan::speaks_for(last.interval);
        ours && speaks && entry.router.state() == State::Backup
    })?;
    Some(Alarm::RouterElsewhere {
        name: entry.name.clone(),
        by: format!("{} (priority {})", by.source, by.priority),
    })
}

/// Another router makes its checksums otherwise.
fn other_sum(now: Time, entry: &Entry) -> Option<Alarm> {
    let seen = entry.other_sum.filter(|seen| seen.stands(now))?;
    Some(Alarm::AdvertChecksum {
        name: entry.name.clone(),
        by: seen.source.to_string(),
        mode: match entry.router.settings().checksum {
            ChecksumRule::Rfc9568 => "rfc9568",
            ChecksumRule::PseudoHeader => "pseudo-header",
            ChecksumRule::Any => "any",
        },
        refused: seen.refuses == Refuses::We,
    })
}
