//! One turn of a management core: observe, step the node, carry out its actions, check.

use twinline_ha::events::Subject;
use twinline_ha::link_pairs::PairLinks;
use twinline_ha::message::Body;
use twinline_ha::{Action, GateMode, Message, Observation, Reason, Request, Role, Side};

use crate::checks::Check;
use crate::checks::roles::{Before, Other, Turn, patience};
use crate::clock::{MS, Ns, SEC, US};
use crate::faults::{Sabotage, sabotaged};
use crate::host::Process;
use crate::network::{index, station_of};
use crate::scenario::StateFile;
use crate::worker::Lease;
use crate::world::{What, World};

/// What waits for the management core: the HA port's queue first, then what workers diverted.
fn read(process: &mut Process, now: Ns) -> Vec<Message> {
    let mut messages = std::mem::take(&mut process.inbox);
    if let Some(ports) = &mut process.in_band {
        for (side, message) in std::mem::take(&mut ports.inbox) {
            ports.hear(side, now);
            messages.push(message);
        }
    }
    messages
}

/// A hand-over that begins for a reason that could wait.
fn begun(event: &twinline_ha::Event) -> Option<Reason> {
    let waits = matches!(event.why, Reason::Preempted | Reason::BandwidthBelowMinimum);
    (waits && matches!(event.subject, Subject::Handover { .. })).then_some(event.why)
}

/// What a step did, for the checks.
#[derive(Default)]
struct Done {
    events: Vec<twinline_ha::Event>,
    sent: Vec<(twinline_ha::Heartbeat, Option<twinline_ha::Time>)>,
    answers: Vec<(u64, Result<String, String>)>,
}

impl World {
    /// A turn of instance `i`.
    pub(crate) fn turn(&mut self, i: usize) {
        let Some(mut process) = self.hosts[i].process.take() else {
            return;
        };
        self.tally.steps += 1;
        let now = self.now;
        let host = &mut self.hosts[i];
        let local = host.clock.local(now);
        let before = Before {
            role: process.node.role(),
            handing_over_to: process.node.handing_over_to(),
            lapsed: process.node.role() == Role::Active
                && matches!(process.worker.lease, Lease::Until(until) if local > until),
        };
        let adopted = process.worker.adopted;
        let carrying = process.worker.carries(now, local).is_some();
        let passed = now - std::mem::replace(&mut host.bytes_to, now);
        if carrying {
            let bytes = u128::from(self.load.0) * u128::from(passed) / 8_000_000_000;
            host.bytes += u64::try_from(bytes).unwrap_or(0);
        }
        let messages = read(&mut process, now);
        let requests = std::mem::take(&mut process.requests);
        let learned = std::mem::take(&mut process.worker.learned);
        let reading = [PairLinks {
            lan: host.carrier(Side::Lan, now),
            wan: host.carrier(Side::Wan, now),
        }];
        let links_read = now >= process.links_due;
        if links_read {
            process.links_due = now + crate::clock::ns(process.node.settings().links_interval);
        }
        let progress = [process.worker.progress(now)];
        let actions = process.node.step(&Observation {
            messages: &messages,
            ha_link_up: self.wire.carrier(now),
            links: links_read.then_some(&reading),
            gates_adopted: process.worker.wanted.is_none(),
            announcements_pending: process.announcing,
            workers: &progress,
            learned: &learned,
            bytes: [host.bytes, 0],
            requests: &requests,
            ..Observation::quiet(local, host.clock.unix_ms(now))
        });
        let settings = process.node.settings().clone();
        let deadline = process.node.next_deadline();
        if let Some(said) =
            process
                .oracle
                .follow(local, deadline, &messages, &settings, &process.node)
        {
            self.fail(Some(i), Check::Health, said);
        }
        let mut done = Done::default();
        for action in actions {
            self.carry_out(i, &mut process, action, &mut done);
        }
        self.check_turn(i, &mut process, before, adopted, &requests, &done);
        let exits = process.exited;
        let wake = self.hosts[i].clock.virtually(deadline);
        let wake = wake.min(process.links_due);
        self.hosts[i].process = Some(process);
        if exits {
            self.trace(Some(i), || "exits".into());
            self.hosts[i].process = None;
            let back = self.jitter[i].spread(50 * MS, 4 * SEC);
            self.plan(now + back, What::Start(i, StateFile::Kept));
        } else {
            self.wake(i, wake.max(now + 50 * US));
        }
        self.note_moving();
        self.note_paths();
    }

    /// Keeps count of how long a hand-over is under way.
    fn note_moving(&mut self) {
        let moving = self.hosts.iter().any(|h| h.moving());
        if moving {
            self.moving_since.get_or_insert(self.now);
            self.moved = self.now;
            self.make_dense();
        } else if self.moving_since.take().is_some() && self.calm() {
            self.tally.handovers += 1;
        }
    }

    fn carry_out(&mut self, i: usize, process: &mut Process, action: Action, done: &mut Done) {
        let now = self.now;
        match action {
            Action::Send {
                seq,
                heartbeat,
                lease_until,
            } => {
                process.oracle.sent(seq, self.hosts[i].clock.local(now));
                let body = Body::Heartbeat(heartbeat.clone());
                self.transmit(i, process, seq, body, true);
                if let Some(until) = lease_until {
                    process.worker.lease = Lease::Until(until);
                }
                done.sent.push((heartbeat, lease_until));
            }
            // The simulation has no layer 3.
            Action::SendNeighbours { .. } | Action::TakeNeighbours(_) => {}
            Action::SendMacs {
                seq,
                chunk,
                in_band,
            } => self.transmit(i, process, seq, Body::Macs(chunk), in_band),
            Action::SetGates(mode) => {
                self.trace(Some(i), || format!("gate asked for: {mode:?}"));
                let number = process.worker.ask(mode);
                let at = now + self.hosts[i].adoption(now);
                self.plan(at, What::Adopt(i, process.boot, number));
                let blocks = mode == GateMode::Block;
                if blocks && !self.leased() {
                    self.fail(Some(i), Check::Handover, "a series pair blocks".into());
                }
            }
            Action::RevokeLease => process.worker.lease = Lease::None,
            Action::LeaseForever => process.worker.lease = Lease::Forever,
            Action::SetPort { pair: _, side, up } => {
                self.trace(Some(i), || {
                    format!("port {side} {}", if up { "up" } else { "down" })
                });
                self.hosts[i].held_down[index(side)] = !up;
                self.plan(now, What::Carrier(i, side));
            }
            Action::SetMac { mac, side, .. } => {
                if let Some(station) = station_of(mac) {
                    process.worker.set_station(station, side);
                }
            }
            Action::Announce { from, mac, .. } => {
                process.announcing += 1;
                if let Some(station) = station_of(mac).and_then(|s| u8::try_from(s).ok()) {
                    // The worker that sends it adopts the gate asked for before in the same turn.
                    let at = now + self.hosts[i].adoption(now) + US;
                    self.plan(at, What::Announce(i, process.boot, from, station));
                }
            }
            Action::Card { command, .. } => self.trace(Some(i), || format!("card {command:?}")),
            Action::Kick => {}
            Action::Persist(state) => {
                if !sabotaged(Sabotage::StateFileNotWritten) {
                    let host = &mut self.hosts[i];
                    host.file.0 = state;
                }
                self.hosts[i].files.push(Default::default());
            }
            Action::Event(event) => {
                self.trace_event(i, &event);
                done.events.push(event);
            }
            Action::Answer { id, result } => {
                self.trace(Some(i), || format!("answers {result:?}"));
                done.answers.push((id, result));
            }
            Action::Exit => process.exited = true,
        }
    }

    fn trace_event(&mut self, i: usize, event: &twinline_ha::Event) {
        let why = event.why;
        self.trace(Some(i), || match &event.subject {
            Subject::Role { from, to } => format!("{from} -> {to} ({why})"),
            Subject::Health { peer, from, to } => {
                format!("instance {peer} is {to}, was {from} ({why})")
            }
            Subject::Alarm(alarm) => format!("{why}: {alarm}"),
            Subject::Note(note) => format!("{note} ({why})"),
            other => format!("{other:?} ({why})"),
        });
    }

    fn check_turn(
        &mut self,
        i: usize,
        process: &mut Process,
        before: Before,
        adopted: GateMode,
        requests: &[(u64, Request)],
        done: &Done,
    ) {
        let now = self.now;
        let ran = now - self.hosts[i].stalled.min(now);
        let calm = self.calm();
        let by = (ran + self.bounds.leaving, calm);
        let mut findings = Vec::new();
        for &(id, request) in requests {
            let Some((_, result)) = done.answers.iter().find(|(n, _)| *n == id) else {
                let said = format!("{request:?} was not answered");
                findings.push((Check::Operator, said));
                continue;
            };
            self.hosts[i].watch.answered(now, request, result.is_ok());
            if request == Request::Resume && result.is_ok() {
                process.owed.resumed();
            }
            // Several verbs in one turn: only the last one's effect can be seen.
            if requests.len() == 1 {
                findings.extend(
                    process
                        .owed
                        .answered(request, result, before, &process.node, by)
                        .err(),
                );
            }
        }
        // Let in and out again in one step, its role does not show it.
        let last = done.answers.iter().rev().find_map(|(id, result)| {
            let (_, request) = requests.iter().find(|(n, _)| n == id)?;
            let one = matches!(request, Request::Suspend { .. } | Request::Resume);
            (one && result.is_ok()).then_some(*request)
        });
        let out = process.node.role() == Role::Suspended && !process.node.latched();
        if out && matches!(last, Some(Request::Suspend { .. })) {
            self.hosts[i].watch.memory.suspended = true;
        }
        let stopping = self.hosts[i].watch.stopping;
        findings.extend(process.owed.follow(ran, &process.node, stopping).err());
        let there = &self.hosts[1 - i];
        let other = Other {
            carries: there.carries(now),
            settings: there.settings.clone(),
            flaps: there.watch.memory.flaps,
            // It is ACTIVE already when the old one leaves.
            hold: there.watch.hold || (there.role() == Role::Active && there.watch.held),
            standing_since: there.watch.standing_since,
            before_start: there.watch.before_start,
            reloaded: there.watch.reloaded,
            switchover: there.watch.granted[0],
        };
        let turn = Turn {
            now,
            local: self.hosts[i].clock.local(now),
            node: &process.node,
            before,
            settings: process.node.settings(),
            oracle: &process.oracle,
            events: &done.events,
            sent: &done.sent,
            adopted,
            other: &other,
            peer: there.instance,
            patience: patience(self.bounds.window, self.bounds.interval) + self.since_stall(now),
            calm: calm && self.leased(),
            frozen: self.frozen(),
            cleared: requests.iter().any(|(_, r)| *r == Request::Clear),
        };
        findings.extend(self.hosts[i].watch.follow(&turn).err());
        let memory = self.hosts[i].watch.memory;
        self.hosts[i].file.1 = memory;
        let host = &mut self.hosts[i];
        if let Some(last) = host.files.last_mut()
            && last.0 == Default::default()
        {
            *last = host.file.clone();
        }
        if let Some(why) = done.events.iter().find_map(begun)
            && self.ha_known_dead()
        {
            let said = format!("hands over ({why}) though the HA path is dead (rule 12)");
            findings.push((Check::Paths, said));
        }
        let moves = done
            .events
            .iter()
            .any(|e| matches!(e.subject, Subject::Role { .. }));
        if moves {
            self.make_dense();
            self.check_bounce(i, done);
        }
        for (check, said) in findings {
            self.fail(Some(i), check, said);
        }
    }

    fn since_stall(&self, now: Ns) -> Ns {
        // Whoever was asked may have slept first.
        if self.not_run + SEC > now {
            10 * SEC
        } else {
            0
        }
    }

    /// Nothing was done for long: the role moves for what the settings ask for and for nothing else;
    /// and while the HA path is dead, not even for that (rule 12).
    fn check_still(&mut self, i: usize, done: &Done) {
        if !self.settled() {
            return;
        }
        let frozen = self.frozen();
        for event in &done.events {
            let Subject::Role { from, to } = event.subject else {
                continue;
            };
            let wanted = matches!(
                event.why,
                Reason::Preempted | Reason::PeerHandsOver | Reason::BandwidthBelowMinimum
            );
            let said = format!("{from} -> {to} ({})", event.why);
            if !wanted {
                self.fail(
                    Some(i),
                    Check::Bounce,
                    format!("{said} though nothing happens"),
                );
            } else if frozen {
                let said = format!("{said} though the HA path is dead (rule 12)");
                self.fail(Some(i), Check::Paths, said);
            }
        }
    }

    /// Check (e): role changes are bounded, and when nothing happens there is one preemption.
    fn check_bounce(&mut self, i: usize, done: &Done) {
        let deeds = u64::try_from(self.scenario.deeds.len()).unwrap_or(0);
        self.check_still(i, done);
        let lossy = self.wire_bad / self.bounds.shortest_window.max(1);
        let most = 16 + 10 * deeds + 4 * lossy;
        if self.hosts[i].watch.changes > most {
            self.fail(
                Some(i),
                Check::Bounce,
                format!("more than {most} role changes"),
            );
        }
        if !self.settled() {
            return;
        }
        for event in &done.events {
            if let Subject::Role { from, to } = event.subject {
                self.calm_changes += 1;
                let idle = self.calm_changes > 2 || from == Role::Init;
                if idle {
                    let said = format!("{from} -> {to} ({}) though nothing happens", event.why);
                    self.fail(Some(i), Check::Bounce, said);
                }
            }
        }
    }
}
