//! Changes of the configuration that operators ask for: commits, and what undoes them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use twinline_config::Config;
use twinline_control::{
    Call, ChangesStatus, CommitStatus, CommitsStatus, Payload, Reply, Request as Command,
};
use twinline_ha::events::Alarm;
use twinline_ha::{Reason, Role, Time};
use twinline_wire::heartbeat::Auth;

use super::asked::{Asked, How, told};
use super::waiting::WaitingNow;
use super::{ManagementCore, unix_ms};
use crate::appliance::load_auth;
use crate::commits::risk::{Now, PeerNow, Risks, risks};
use crate::commits::worker::{Base, Job, Outcome, Prepared, Wish, Worker};
use crate::commits::{By, Clocks, History, New, Past, store, summary};
use crate::convert;

/// The longest time to confirm a commit in, in seconds: a day.
const CONFIRM_MOST_S: u64 = 86_400;

/// How often it is noted how much of that is left.
const NOTED_EVERY: Duration = Duration::from_secs(5);

/// What is known of the configurations, in force and before.
pub(crate) struct Changes {
    worker: Worker,
    pub(super) history: History,
    /// The newest of the history.
    pub(super) committed: Arc<Config>,
    /// What the configuration file said when it was read or written last.
    pub(super) file: Arc<Config>,
    /// Counts the changes.
    pub(super) generation: u64,
    pub(super) waiting: Option<WaitingNow>,
    /// The history is not with its thread yet; and who waits for it to be kept.
    unkept: bool,
    answers: Vec<(Call, Reply)>,
    failure: Option<String>,
    reload: bool,
    notes: Vec<(String, Reason)>,
    /// How much time was left at the start.
    left: Option<(Arc<Config>, Option<Auth>, Duration)>,
}

impl Changes {
    /// Goes on from what was before this run.
    pub(super) fn begin(past: Past) -> io::Result<Self> {
        let left = past.waiting.map(|(former, left)| {
            let auth = load_auth(&former).ok();
            (former, auth, left)
        });
        Ok(Self {
            worker: Worker::spawn(past.folder)?,
            history: past.history,
            committed: past.committed,
            file: past.file,
            generation: 0,
            waiting: None,
            unkept: true,
            answers: Vec::new(),
            failure: None,
            reload: false,
            notes: past.notes,
            left,
        })
    }

    pub(super) fn want_reload(&mut self) {
        self.reload = true;
    }

    /// The history is to be written; who asked is answered then.
    pub(super) fn keep(&mut self, answer: Option<(Call, Reply)>) {
        self.unkept = true;
        self.answers.extend(answer);
    }

    fn hand_history(&mut self) {
        if !self.unkept {
            return;
        }
        let job = Job::Write {
            history: Box::new(self.history.clone()),
            answers: std::mem::take(&mut self.answers),
        };
        match self.worker.hand(job).map_err(|job| *job) {
            Ok(()) => self.unkept = false,
            Err(Job::Write { answers, .. }) => self.answers = answers,
            Err(_) => {}
        }
    }

    /// Notes now and then how much time is left, so that a wall clock that is set back across a
    /// reboot gives no more than that.
    fn note_the_time(&mut self, now: Time) {
        let Some(waiting) = &mut self.waiting else {
            return;
        };
        if now.since(waiting.noted) >= NOTED_EVERY {
            waiting.noted = now;
            let left = waiting.until.since(now);
            self.history.wait_anew(left, Clocks::now());
            self.unkept = true;
        }
    }

    /// The engine ends: what is not with the thread yet is handed over.
    pub(super) fn end(&mut self) {
        if self.unkept {
            self.worker.finish(self.history.clone());
        }
    }

    fn base(&self, running: &Config) -> Base {
        let newest = self.history.newest();
        Base {
            generation: self.generation,
            running: Arc::new(running.clone()),
            committed: Arc::clone(&self.committed),
            text: newest.map_or_else(|| "".into(), |commit| Arc::clone(&commit.text)),
        }
    }

    /// For a candidate that was made from a commit that is not the newest any more.
    fn overtaken(&self, base_unix_ms: Option<u64>) -> Option<String> {
        let newest = self.history.newest()?;
        let base = base_unix_ms?;
        if newest.time_unix_ms == base {
            return None;
        }
        let who = match newest.user.as_str() {
            "" => String::new(),
            user => format!(" by {user}"),
        };
        Some(format!(
            "another change came since this candidate was begun: {}{who}: {}; begin again from \
             what is in force now, or look at the difference and commit without its beginning",
            newest.by.as_str(),
            newest.summary
        ))
    }

    fn status(&self, now: Time) -> CommitsStatus {
        let commits = self.history.commits.iter().zip(0..);
        CommitsStatus {
            rollback_in_ms: self
                .rollback_in(now)
                .map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
            unsaved: self.committed != self.file,
            commits: commits
                .map(|(commit, number)| CommitStatus {
                    number,
                    time_unix_ms: commit.time_unix_ms,
                    by: commit.by.as_str().into(),
                    user: commit.user.clone(),
                    summary: commit.summary.clone(),
                })
                .collect(),
        }
    }

    /// How much time there is to confirm the newest commit.
    pub(crate) fn rollback_in(&self, now: Time) -> Option<Duration> {
        Some(self.waiting.as_ref()?.until.since(now))
    }
}

impl ManagementCore {
    /// What the choice of the configuration had to say, once there is an event log.
    pub(super) fn tell_of_the_past(&mut self) {
        for (text, why) in std::mem::take(&mut self.changes.notes) {
            log::warn!("{text}");
            self.node.record_note(text, why);
        }
        if let Some((former, auth, left)) = self.changes.left.take() {
            self.wait_for_confirmation(former, auth, left);
        }
    }

    /// Once a tick: what came from the thread, and whether a time is over.
    pub(super) fn follow_changes(&mut self) {
        let over = self.changes.waiting.as_ref().map(|waiting| waiting.until);
        let now = self.now();
        if over.is_some_and(|until| now >= until) {
            self.not_confirmed();
        }
        self.changes.note_the_time(now);
        if self.changes.reload {
            let job = Job::Prepare {
                call: None,
                wish: Wish::Reload(self.around.config_path.clone()),
                base: self.changes.base(&self.config),
            };
            self.changes.reload = self.changes.worker.hand(job).is_err();
        }
        while let Some(outcome) = self.changes.worker.outcome() {
            match outcome {
                Outcome::Prepared(ready) => self.prepared(*ready),
                Outcome::NotReloaded(text) => self.reload_refused(text),
                Outcome::Saved {
                    call,
                    wanted,
                    text,
                    config,
                    message,
                } => self.saved(call, &wanted, text, *config, message),
                Outcome::Kept(result) => {
                    if let Some(over) = self.changes.failure.take() {
                        self.node.set_alarm(Alarm::Commits(over), false);
                    }
                    if let Err(failure) = result {
                        self.node.set_alarm(Alarm::Commits(failure.clone()), true);
                        self.changes.failure = Some(failure);
                    }
                }
            }
        }
        self.changes.hand_history();
    }

    /// A request that looks at the history, or changes the configuration.
    pub(super) fn change_call(&mut self, call: Call) {
        match self.change_asked(call.request()) {
            Err(reason) => call.answer(Reply::Refused { reason }),
            Ok(Asked::Wish(wish)) => {
                let base = self.changes.base(&self.config);
                self.hand(Job::Prepare {
                    call: Some(call),
                    wish,
                    base,
                });
            }
            Ok(Asked::Answer(payload)) => call.answer(Reply::Ok(payload)),
            Ok(Asked::Show { text, from }) => self.hand(Job::Show { call, text, from }),
            Ok(Asked::Save(text)) => {
                let path = self.around.config_path.clone();
                let file_hash = self.changes.history.file_hash.clone();
                self.hand(Job::Save {
                    call,
                    path,
                    text,
                    file_hash,
                });
            }
            Ok(Asked::Confirm) => {
                self.changes.history.confirm();
                self.no_longer_waiting();
                let message = format!("confirmed by {}", call.caller().user);
                self.node
                    .record_note(message.clone(), Reason::CommitConfirmed);
                let reply = Reply::Ok(Payload::Done { message });
                self.changes.keep(Some((call, reply)));
            }
        }
    }

    fn hand(&self, job: Job) {
        let Err(job) = self.changes.worker.hand(job) else {
            return;
        };
        if let Job::Prepare {
            call: Some(call), ..
        }
        | Job::Show { call, .. }
        | Job::Save { call, .. } = *job
        {
            call.answer(Reply::Error {
                message: "engine is busy: too many changes wait already".into(),
            });
        }
    }

    fn change_asked(&self, command: &Command) -> Result<Asked, String> {
        let changes = &self.changes;
        let text_of = |number: u32| {
            let index = usize::try_from(number).unwrap_or(usize::MAX);
            let commit = changes.history.commits.get(index);
            commit
                .map(|commit| Arc::clone(&commit.text))
                .ok_or_else(|| {
                    format!(
                        "there is no commit {number}: 0 to {} are kept",
                        changes.history.commits.len().saturating_sub(1)
                    )
                })
        };
        Ok(match command {
            Command::ShowCommits => Asked::Answer(Payload::Commits(changes.status(self.now()))),
            Command::ShowCommit { number } => Asked::Show {
                text: text_of(*number)?,
                from: format!("commit {number}"),
            },
            Command::DiffConfig { toml } => Asked::Wish(Wish::Diff(toml.as_str().into())),
            Command::SetSetting { .. } if changes.waiting.is_some() => {
                return Err(
                    "a commit waits to be confirmed: `confirm` it first, or `rollback 1`".into(),
                );
            }
            Command::SetSetting { key, value, .. } => Asked::Wish(Wish::Set {
                key: key.clone(),
                value: value.clone(),
            }),
            Command::Commit {
                toml,
                base_unix_ms,
                confirm_within_s,
                ..
            } => {
                if let Some(reason) = changes.overtaken(*base_unix_ms) {
                    return Err(reason);
                }
                if confirm_within_s.is_some_and(|s| !(1..=CONFIRM_MOST_S).contains(&s)) {
                    return Err(format!(
                        "a time of {} s to confirm in: accepted are 1 to {CONFIRM_MOST_S} s",
                        confirm_within_s.unwrap_or_default()
                    ));
                }
                Asked::Wish(Wish::Commit(toml.as_str().into()))
            }
            Command::Confirm if changes.waiting.is_none() => {
                return Err("no commit waits to be confirmed".into());
            }
            Command::Confirm => Asked::Confirm,
            Command::Rollback { number: 0, .. } => {
                return Err("commit 0 is the one in force: accepted are 1 and more".into());
            }
            Command::Rollback { number, .. } => Asked::Wish(Wish::Rollback(text_of(*number)?)),
            Command::SaveConfig if changes.waiting.is_some() => {
                return Err(
                    "the configuration in force waits to be confirmed: `confirm` it first, or \
                     `rollback 1`"
                        .into(),
                );
            }
            Command::SaveConfig => Asked::Save(text_of(0)?),
            _ => return Err("this does not change the configuration".into()),
        })
    }

    /// A candidate that is valid by itself: whether it comes into force is decided here.
    fn prepared(&mut self, ready: Prepared) {
        if ready.base.generation != self.changes.generation {
            self.prepare_again(ready);
            return;
        }
        let Prepared { call, .. } = &ready;
        match (call, &ready.wish) {
            (None, _) => self.reload(ready),
            (Some(call), _) if call.is_abandoned() => {}
            (Some(_), Wish::Diff(_)) => self.show_difference(ready),
            (Some(_), _) => self.commit(ready),
        }
    }

    /// Another change came in between: what this one does is to be seen anew.
    fn prepare_again(&mut self, ready: Prepared) {
        let Some(call) = ready.call else {
            self.changes.want_reload();
            return;
        };
        // what was refused by now, is
        match self.change_asked(call.request()) {
            Err(reason) => call.answer(Reply::Refused { reason }),
            Ok(_) => {
                let base = self.changes.base(&self.config);
                self.hand(Job::Prepare {
                    call: Some(call),
                    wish: ready.wish,
                    base,
                });
            }
        }
    }

    fn show_difference(&self, ready: Prepared) {
        let Risks { grave, words } = self.risks(&ready);
        let grave = grave
            .into_iter()
            .map(|text| format!("{text}; refused without force"));
        let warnings = grave.chain(words).chain(ready.warnings).collect();
        if let Some(call) = ready.call {
            call.answer(Reply::Ok(Payload::Changes(ChangesStatus {
                changes: told(&ready.changes),
                warnings,
                confirm_within_s: None,
            })));
        }
    }

    fn risks(&self, ready: &Prepared) -> Risks {
        let (node, now) = (&self.node, self.now());
        let peers = node.peers().filter(|peer| peer.present());
        let routed = self.l3.as_ref().map(|l3| l3.seen(now, node).links_up);
        let up = node.link_pairs().iter().filter(|pair| pair.up()).count();
        let up = u16::try_from(up).unwrap_or(u16::MAX);
        let state = Now {
            active: node.role() == Role::Active,
            below_minimum: node.links_below_minimum(),
            links_up: up.saturating_add(routed.unwrap_or(0)),
            bps: node.bandwidth().sum_bps(),
            flaps: node.flaps(),
            lateness: node.lateness().max,
            peers: peers
                .map(|peer| PeerNow {
                    id: peer.instance(),
                    heard_ago: peer
                        .last()
                        .map_or(Duration::ZERO, |last| now.since(last.at)),
                    interval: peer.interval(Duration::ZERO),
                    digest: peer.heartbeat().map_or(0, |h| h.config_digest),
                    active: peer.role() == Some(Role::Active),
                })
                .collect(),
            deaf_to: ready.auth.as_ref().and_then(|auth| self.deaf_with(auth)),
        };
        let new = convert::settings(&ready.merged);
        let digests = (node.config_digest(), ready.digest);
        risks(&state, node.settings(), &new, digests)
    }

    fn commit(&mut self, mut ready: Prepared) {
        let Some(call) = ready.call.take() else {
            return;
        };
        let asked = match self.change_asked(call.request()) {
            Ok(_) => How::of(call.request()),
            Err(reason) => {
                call.answer(Reply::Refused { reason });
                return;
            }
        };
        let Risks { grave, words } = self.risks(&ready);
        if !grave.is_empty() && !asked.force {
            call.answer(Reply::Refused {
                reason: format!(
                    "{}; nothing is changed; `force` does it all the same",
                    grave.join("; ")
                ),
            });
            return;
        }
        let mut warnings: Vec<String> = grave.into_iter().chain(words).collect();
        warnings.append(&mut ready.warnings);
        let waited = self.changes.waiting.is_some();
        if waited && asked.within.is_none() && asked.by != By::Rollback {
            warnings.push("the commit before this one is confirmed by it".into());
        }
        let changed = !ready.changes.is_empty();
        let user = call.caller().user.clone();
        let changes = told(&ready.changes);
        let text = asked.event(&user, &ready.changes);
        let within = asked.within.filter(|_| changed || waited);
        if changed {
            self.put_newest(&asked, user, ready);
            self.node.record_note(text, asked.why());
        } else if let Some(within) = within {
            self.changes.history.wait_anew(within, Clocks::now());
            self.wait_longer(within);
        } else if waited {
            self.changes.history.confirm();
            self.no_longer_waiting();
            self.node
                .record_note(format!("confirmed by {user}"), Reason::CommitConfirmed);
        }
        let reply = Reply::Ok(Payload::Changes(ChangesStatus {
            changes,
            warnings,
            confirm_within_s: within.map(|within| within.as_secs()),
        }));
        self.changes.keep(Some((call, reply)));
    }

    fn put_newest(&mut self, asked: &How, user: String, ready: Prepared) {
        let new = New {
            by: asked.by,
            user,
            summary: summary(&ready.changes),
            text: ready.text,
        };
        let former = match self.changes.waiting.take() {
            Some(waiting) => {
                self.node.set_alarm(waiting.alarm, false);
                (waiting.former, waiting.auth)
            }
            None => {
                let auth = self.appliance.ha.as_ref().map(|ha| ha.auth().clone());
                (Arc::clone(&self.changes.committed), auth)
            }
        };
        let auth = ready.auth.unwrap_or_default();
        self.put_in_force(ready.merged, ready.digest, auth);
        self.changes.committed = ready.config;
        match asked.within {
            None => self.changes.history.push(new, unix_ms()),
            Some(within) => {
                self.changes
                    .history
                    .push_waiting(new, within, Clocks::now());
                self.wait_for_confirmation(former.0, former.1, within);
            }
        }
    }

    fn saved(&mut self, call: Call, wanted: &str, text: Arc<str>, config: Config, message: String) {
        self.changes.history.file_hash = store::hash(&text);
        // The file's text is that of the newest commit now, if that is still the same: with its
        // comments, and so that an edit of the file is known from what was never in it.
        if let Some(newest) = self.changes.history.commits.front_mut()
            && *newest.text == *wanted
        {
            newest.text = text;
        }
        self.changes.file = Arc::new(config);
        self.node
            .record_note(message.clone(), Reason::ConfigurationSaved);
        let reply = Reply::Ok(Payload::Done { message });
        self.changes.keep(Some((call, reply)));
    }
}
