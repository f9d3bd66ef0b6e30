//! What befalls the heartbeat paths.

use crate::bounds::Bounds;
use crate::clock::{MS, Ns, SEC, US};
use crate::random::Random;
use crate::scenario::{Deed, HostPlan, LENGTH, StateFile};
use crate::wire::{PathId, Quality};

/// What may befall a direction of a path.
pub(crate) fn spoilt(r: &mut Random, interval: Ns) -> Quality {
    let mut quality = Quality {
        delay: r.spread(20 * US, MS),
        jitter: r.spread(US, MS),
        ..Quality::default()
    };
    match r.below(6) {
        0 => quality.loss = 1000,
        1 => quality.loss = r.within(20..800),
        2 => quality.delay = r.below(interval * 3),
        3 => quality.jitter = r.below(interval * 3),
        4 => quality.doubled = r.within(100..1000),
        _ => {
            quality.loss = r.below(300);
            quality.doubled = r.below(300);
            quality.jitter = r.below(interval * 2);
        }
    }
    quality
}

/// What befalls two paths, beside all the other deeds: each alone, one way or both, for as long as
/// the alarms and what has to wait need to show; and both at once.
pub(crate) struct PathDeeds {
    r: Random,
    interval: Ns,
    window: Ns,
    last: Ns,
}

impl PathDeeds {
    pub(crate) fn new(r: Random, hosts: &[HostPlan; 2], bounds: &Bounds) -> Self {
        Self {
            r,
            interval: crate::clock::ns(hosts[0].settings.interval),
            window: bounds.window,
            last: LENGTH.saturating_sub(bounds.settled + 3 * SEC),
        }
    }

    pub(crate) fn add(mut self, list: &mut Vec<(Ns, Deed)>, started: Ns) {
        let mut more = Vec::new();
        for (at, deed) in list.iter() {
            // The data network suffers from the same cause.
            if let Deed::Wire(_, direction, quality, length) = *deed
                && self.r.chance(300)
            {
                let at = at + self.r.below(20 * MS);
                more.push((at, Deed::Wire(PathId::InBand, direction, quality, length)));
            }
        }
        for _ in 0..self.r.below(8) {
            let at = self.r.within(started..self.last.max(started + 1));
            self.one(at, &mut more);
        }
        list.extend(more);
        list.retain(|&(at, _)| at <= self.last);
        list.sort_by_key(|&(at, _)| at);
    }

    fn direction(&mut self) -> Option<usize> {
        match self.r.below(4) {
            0 => Some(0),
            1 => Some(1),
            _ => None,
        }
    }

    fn one(&mut self, at: Ns, out: &mut Vec<(Ns, Deed)>) {
        let direction = self.direction();
        let dead = Quality {
            loss: 1000,
            ..Quality::default()
        };
        // Not into the quiet end.
        let most = (self.last - at).clamp(100 * MS, 16 * SEC);
        let length = self.r.spread(100 * MS, most);
        let around = self.r.below(self.window * 4);
        match self.r.below(14) {
            0..=3 => out.push((at, Deed::Wire(PathId::HaPort, direction, dead, length))),
            4 => out.push((at, Deed::PullHaCable(length))),
            5..=6 => out.push((at, Deed::Wire(PathId::InBand, direction, dead, length))),
            7 => {
                let quality = spoilt(&mut self.r, self.interval);
                out.push((at, Deed::Wire(PathId::HaPort, direction, quality, length)));
            }
            8 => {
                let quality = spoilt(&mut self.r, self.interval);
                out.push((at, Deed::Wire(PathId::InBand, direction, quality, length)));
            }
            9..=10 => {
                // Whoever wants the role back has to wait for the path.
                let host = usize::from(self.r.coin());
                let down = self.r.spread(MS, 500 * MS);
                let file = StateFile::Kept;
                out.push((at, Deed::Crash { host, down, file }));
                let later = at + self.r.below(3 * SEC);
                out.push((later, Deed::Wire(PathId::HaPort, direction, dead, length)));
            }
            11 => {
                // One heals when the other one dies, or about then.
                let (first, second) = if self.r.coin() {
                    (PathId::HaPort, PathId::InBand)
                } else {
                    (PathId::InBand, PathId::HaPort)
                };
                let later = (at + length + self.r.below(20 * MS)).saturating_sub(10 * MS);
                out.push((at, Deed::Wire(first, direction, dead, length)));
                out.push((later, Deed::Wire(second, self.direction(), dead, around)));
            }
            _ => {
                let quality = spoilt(&mut self.r, self.interval);
                out.push((at, Deed::Wire(PathId::HaPort, direction, quality, around)));
                let quality = if self.r.coin() { dead } else { quality };
                let at = at + self.r.below(20 * MS);
                out.push((
                    at,
                    Deed::Wire(PathId::InBand, self.direction(), quality, around),
                ));
            }
        }
    }
}
