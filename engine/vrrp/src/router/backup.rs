//! The Backup state (RFC 9568, section 6.4.2).

use std::time::Duration;

use twinline_wire::vrrp::{Advert, Interval, Version};

use super::{MAX_GRACES, Phase, Router};
use crate::action::Action;
use crate::event::Reason;
use crate::settings::Settings;
use crate::timers;
use twinline_time::Time;

/// What a Backup knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backup {
    /// Active_Adver_Interval.
    active_interval: Interval,
    /// When Active_Down_Timer was last set, and when it fires.
    set_at: Time,
    down_at: Time,
    /// The Active Router has resigned: the timer is the skew.
    resigned: bool,
    /// Since when only lower priorities are heard.
    lower_since: Option<Time>,
    /// A lower priority was discarded since the timer was set: when it fires, we preempt.
    preempting: bool,
    /// How often the timer has started again since, because it fired late.
    graces: u8,
}

impl Backup {
    /// Watches from now on, at this interval.
    pub(super) fn new(settings: &Settings, active_interval: Interval, now: Time) -> Self {
        let mut backup = Self {
            active_interval,
            set_at: now,
            down_at: now,
            resigned: false,
            lower_since: None,
            preempting: false,
            graces: 0,
        };
        backup.recompute(settings, now);
        backup
    }

    /// When Active_Down_Timer fires.
    pub(super) const fn down_at(&self) -> Time {
        self.down_at
    }

    /// Sets the timer by the priority of now, from when it was last set.
    pub(super) fn recompute(&mut self, settings: &Settings, now: Time) {
        let (version, priority) = (settings.version, settings.priority);
        let length = if self.resigned {
            timers::skew(version, priority, self.active_interval)
        } else {
            timers::active_down(version, priority, self.active_interval)
        };
        self.down_at = (self.set_at + length).max(now);
    }

    fn set(&mut self, settings: &Settings, now: Time, resigned: bool) {
        self.set_at = now;
        self.resigned = resigned;
        self.preempting = false;
        self.graces = 0;
        self.recompute(settings, now);
    }

    fn late_by(&self, now: Time) -> Option<Duration> {
        let late = now.since(self.down_at);
        (late > self.active_interval.duration() / 2).then_some(late)
    }
}

impl Router {
    pub(super) fn backup_hears(&mut self, now: Time, advert: &Advert<'_>) {
        let settings = &self.settings;
        let Phase::Backup(backup) = &mut self.phase else {
            return;
        };
        if advert.priority == 0 {
            backup.set(settings, now, true);
            return;
        }
        let lower = advert.priority < settings.priority.get();
        let since = if lower {
            Some(*backup.lower_since.get_or_insert(now))
        } else {
            backup.lower_since = None;
            None
        };
        // The owner preempts whatever is set (RFC 9568, section 6.1).
        let waited = since.is_some_and(|since| now.since(since) >= settings.preempt_delay);
        let preempts = settings.priority.is_owner() || (settings.preempt && waited);
        if lower && preempts {
            backup.preempting = true;
            self.discard();
            return;
        }
        // Version 2 knows its own interval only.
        if settings.version == Version::V3 {
            backup.active_interval = advert.interval;
        }
        backup.set(settings, now, false);
    }

    pub(super) fn backup_tick(&mut self, now: Time, out: &mut Vec<Action>) {
        let Phase::Backup(backup) = &mut self.phase else {
            return;
        };
        if now < backup.down_at {
            return;
        }
        let late_by = backup.late_by(now);
        let again = late_by.is_some() && !backup.resigned && backup.graces < MAX_GRACES;
        let why = match (backup.resigned, backup.preempting) {
            (true, _) => Reason::ActiveResigned,
            (false, true) => Reason::Preempted,
            (false, false) => Reason::NoActiveHeard,
        };
        if again {
            let (version, priority) = (self.settings.version, self.settings.priority);
            let interval = backup.active_interval;
            backup.graces += 1;
            backup.set_at = now;
            backup.down_at = now + interval.duration() + timers::skew(version, priority, interval);
        }
        if let Some(by) = late_by {
            self.late(now, by, out);
        }
        if !again {
            self.become_active(now, why, out);
        }
    }
}
