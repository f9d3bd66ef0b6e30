//! The Active state (RFC 9568, section 6.4.3).

use std::time::Duration;

use twinline_wire::vrrp::{Advert, Version};

use super::{Backup, Phase, Router};
use crate::action::Action;
use crate::burst::Burst;
use crate::event::{Note, Reason};
use crate::settings::Settings;
use twinline_time::Time;

/// Answers to other routers' adverts are at least a fourth of an interval apart.
const ANSWERS_PER_INTERVAL: u32 = 4;
/// Whoever has not sent for so many intervals may have been replaced.
const REPLACED_AFTER: u32 = 3;

/// What an Active Router knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Active {
    /// When Adver_Timer fires.
    advert_at: Time,
    /// When it last sent, and when it last answered another's advert.
    sent_at: Time,
    answered_at: Option<Time>,
    burst: Burst,
}

impl Active {
    /// One that has just sent and announced.
    pub(super) fn new(settings: &Settings, now: Time) -> Self {
        Self {
            advert_at: now + settings.interval.duration(),
            sent_at: now,
            answered_at: None,
            burst: Burst::start(settings.announcing, now),
        }
    }

    /// The first of its timers.
    pub(super) fn next(&self) -> Time {
        let announce_at = self.burst.next().unwrap_or(self.advert_at);
        self.advert_at.min(announce_at)
    }

    /// Whether it has been silent for as long as backups wait.
    fn may_be_replaced(&self, interval: Duration, now: Time) -> bool {
        now.since(self.sent_at) >= REPLACED_AFTER * interval
    }

    /// Whether another's advert may be answered now; counts it as answered if so.
    fn may_answer(&mut self, interval: Duration, now: Time) -> bool {
        let spacing = interval / ANSWERS_PER_INTERVAL;
        let may = self.answered_at.is_none_or(|at| now.since(at) >= spacing);
        if may {
            self.answered_at = Some(now);
        }
        may
    }
}

impl Router {
    pub(super) fn active_hears(&mut self, now: Time, advert: &Advert<'_>, out: &mut Vec<Action>) {
        let interval = self.settings.interval.duration();
        let own = self.settings.priority;
        let Phase::Active(active) = &mut self.phase else {
            return;
        };
        if advert.priority == 0 {
            if active.may_answer(interval, now) {
                self.advertise_and_reset(now, out);
            }
            return;
        }
        let greater = advert.source > self.settings.source;
        // What we sent before we stalled may come back: that is no successor.
        let other = advert.source != self.settings.source;
        let why = if advert.priority > own.get() {
            Some(Reason::HigherPriority)
        } else if advert.priority == own.get() && greater {
            Some(Reason::GreaterAddress)
        } else if other && active.may_be_replaced(interval, now) && !own.is_owner() {
            Some(Reason::OwnStall)
        } else {
            None
        };
        if let Some(why) = why {
            self.step_back(now, advert, why, out);
            return;
        }
        self.discard();
        let (source, priority) = (advert.source, advert.priority);
        if source == self.settings.source {
            // Our own frame come back, most likely: an answer would come back as well.
            self.note(now, Note::OwnAddressHeard { source }, out);
            return;
        }
        self.assert(now, out);
        self.note(now, Note::TwoActive { source, priority }, out);
    }

    /// Another one believes that it is Active: it is told at once, bridges learn anew where we are
    /// (new in RFC 9568; version 2 waits for its timer), and hosts too.
    fn assert(&mut self, now: Time, out: &mut Vec<Action>) {
        let interval = self.settings.interval.duration();
        let version = self.settings.version;
        let Phase::Active(active) = &mut self.phase else {
            return;
        };
        let answers = version == Version::V3 && active.may_answer(interval, now);
        let announces = active.burst.again(now);
        if answers {
            active.sent_at = now;
            self.send(self.settings.priority.get(), out);
        }
        if announces {
            self.announce(out);
        }
    }

    /// A better one is there: its interval is ours to watch from now on.
    fn step_back(&mut self, now: Time, advert: &Advert<'_>, why: Reason, out: &mut Vec<Action>) {
        self.let_go(out);
        let interval = match self.settings.version {
            Version::V2 => self.settings.interval,
            Version::V3 => advert.interval,
        };
        let backup = Backup::new(&self.settings, interval, now);
        self.become_phase(Phase::Backup(backup), why, out);
    }

    pub(super) fn active_tick(&mut self, now: Time, out: &mut Vec<Action>) {
        let interval = self.settings.interval.duration();
        let Phase::Active(active) = &mut self.phase else {
            return;
        };
        let mut announces = active.burst.due(now);
        let due = active.advert_at;
        if due <= now {
            let late_by = now.since(due);
            // Others may have learnt another router while we did not run.
            announces =
                announces || active.may_be_replaced(interval, now) && active.burst.again(now);
            // From when it was due, so that the others hear a steady beat; from now after a miss.
            let steady = due + interval;
            active.advert_at = if steady > now { steady } else { now + interval };
            active.sent_at = now;
            self.send(self.settings.priority.get(), out);
            if late_by > interval / 2 {
                self.late(now, late_by, out);
            }
        }
        if announces {
            self.announce(out);
        }
    }

    pub(super) fn advertise_and_reset(&mut self, now: Time, out: &mut Vec<Action>) {
        let interval = self.settings.interval.duration();
        let Phase::Active(active) = &mut self.phase else {
            return;
        };
        active.sent_at = now;
        active.advert_at = now + interval;
        self.send(self.settings.priority.get(), out);
    }
}
