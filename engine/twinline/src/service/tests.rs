use super::*;
use twinline_ha::events::{Event, Subject};
use twinline_ha::{Reason, Role, Time, WorkerProgress};

const SECOND: Duration = Duration::from_secs(1);

/// A speaker, what it looks at, and a clock.
struct Bed {
    speaker: Speaker,
    sights: Sights,
    now: Instant,
    workers: [u64; 2],
}

impl Bed {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            speaker: Speaker::new(Some(3 * SECOND), now),
            sights: Sights {
                vitals: Arc::default(),
                signals: Arc::default(),
                reloads: Arc::default(),
            },
            now,
            workers: [0; 2],
        }
    }

    /// A step of the node; the workers turned so often since.
    fn step(&mut self, turns: [u64; 2]) {
        for (worker, turns) in self.workers.iter_mut().zip(turns) {
            *worker += turns;
        }
        let progress = self.workers.map(|iterations| WorkerProgress {
            iterations,
            idle_iterations: 0,
        });
        self.sights.vitals.stepped(&progress);
    }

    fn event(&self, subject: Subject, why: Reason) {
        self.sights.vitals.happened(&Event {
            seq: 1,
            at: Time::ZERO,
            unix_ms: 0,
            subject,
            why,
        });
    }

    fn becomes(&self, to: Role, why: Reason) {
        let from = Role::Init;
        self.event(Subject::Role { from, to }, why);
    }

    /// What is said after so long.
    fn look(&mut self, after: Duration) -> Vec<Say> {
        self.now += after;
        self.speaker.look(&self.sights, self.now)
    }

    /// READY, and fed once.
    fn ready(&mut self) {
        self.step([1, 1]);
        self.becomes(Role::Active, Reason::NoPeerHeard);
        assert!(self.look(Duration::ZERO).contains(&Say::Ready));
        self.step([1, 1]);
        assert_eq!(self.look(SECOND), [Say::Watchdog]);
    }
}

#[test]
fn ready_comes_with_the_role_and_patience_before_it_while_the_node_goes_on() {
    let mut bed = Bed::new();
    let status = |text: &str| Say::Status(text.into());
    assert_eq!(bed.look(Duration::ZERO), [status("INIT (started)")]);
    assert_eq!(bed.look(SECOND), [], "the EAL starts: systemd's own time");
    bed.step([1, 1]);
    assert_eq!(bed.look(SECOND), [Say::ExtendTimeout(PATIENCE)]);
    bed.step([1, 1]);
    assert_eq!(bed.look(SECOND), []);
    assert_eq!(bed.look(PATIENCE_EVERY), [Say::ExtendTimeout(PATIENCE)]);
    assert_eq!(bed.look(PATIENCE_EVERY), [], "it hangs");
    bed.becomes(Role::Passive, Reason::PeerIsActive);
    assert_eq!(
        bed.look(SECOND),
        [Say::Ready, status("PASSIVE (peer_is_active)")]
    );
    assert_eq!(bed.look(SECOND), []);
    bed.becomes(Role::Active, Reason::PeerUnhealthy);
    assert_eq!(bed.look(SECOND), [status("ACTIVE (peer_unhealthy)")]);
}

#[test]
fn rule_15_the_watchdog_is_fed_only_while_the_node_and_every_worker_go_on() {
    let mut bed = Bed::new();
    bed.ready();
    bed.step([1, 1]);
    assert_eq!(bed.look(SECOND / 2), [], "not due");
    assert_eq!(bed.look(SECOND / 2), [Say::Watchdog]);
    for _ in 0..10 {
        bed.step([1, 0]);
        assert_eq!(bed.look(SECOND), [], "a hung worker");
    }
    bed.step([0, 1]);
    assert_eq!(bed.look(SECOND), [Say::Watchdog], "each went on since");
    assert_eq!(bed.look(2 * SECOND), [], "a hung node");
    let mut without = Bed::new();
    without.speaker.watchdog = None;
    without.step([1, 1]);
    without.becomes(Role::Active, Reason::NoPeerHeard);
    without.look(SECOND);
    without.step([1, 1]);
    assert_eq!(without.look(10 * SECOND), []);
}

#[test]
fn a_reload_announces_itself_and_its_end_also_when_it_is_refused() {
    let mut bed = Bed::new();
    bed.ready();
    let vitals = bed.sights.vitals.clone();
    let note = || Subject::Note("x".into());
    for why in [Reason::Reloaded, Reason::ReloadRefused] {
        bed.sights.reloads.ask(&vitals);
        assert_eq!(bed.look(Duration::ZERO), [Say::Reloading]);
        assert_eq!(bed.look(Duration::ZERO), []);
        // asked for again while it runs: one announcement
        bed.sights.reloads.ask(&vitals);
        assert_eq!(bed.look(Duration::ZERO), []);
        bed.event(note(), why);
        assert_eq!(bed.look(Duration::ZERO), [Say::Ready]);
        assert_eq!(bed.look(Duration::ZERO), []);
    }
    // over before it was announced
    bed.sights.reloads.ask(&vitals);
    bed.event(note(), Reason::Reloaded);
    assert_eq!(bed.look(Duration::ZERO), [Say::Reloading]);
    assert_eq!(bed.look(Duration::ZERO), [Say::Ready]);
    let states = states(&[Say::Reloading]);
    assert!(matches!(
        states[..],
        [NotifyState::Reloading, NotifyState::MonotonicUsec(_)]
    ));
}

#[test]
fn stopping_is_said_once_and_the_thread_ends_with_the_loop() {
    let mut bed = Bed::new();
    bed.ready();
    bed.sights.signals.stops.store(1, Ordering::Relaxed);
    let status = Say::Status("ACTIVE (no_peer_heard), stopping".into());
    assert_eq!(bed.look(Duration::ZERO), [Say::Stopping, status]);
    assert!(!bed.speaker.done);
    bed.sights.vitals.end();
    assert_eq!(bed.look(Duration::ZERO), []);
    assert!(bed.speaker.done);
}
