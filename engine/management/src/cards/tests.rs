//! A card's thread, against a card of which everything can be had.

use std::sync::atomic::{AtomicUsize, Ordering};

use twinline_bypass::{Paths, PowerOff, Side, Source, WatchdogPeriods};

use super::*;

const SOON: Duration = Duration::from_secs(5);
const QUICK: Pace = Pace {
    look: Duration::from_millis(20),
    find: Duration::from_millis(20),
};

/// What the card is, and what it was told.
#[derive(Debug, Default)]
struct State {
    path: Option<Path>,
    armed: Option<Duration>,
    expired: bool,
    gone: bool,
    told: Vec<String>,
    /// The next calls of these verbs fail so.
    fails: Vec<(&'static str, CardError)>,
    /// These verbs fail always.
    cannot: Vec<&'static str>,
    /// How long these verbs take.
    takes: Vec<(&'static str, Duration)>,
}

#[derive(Clone, Debug, Default)]
struct Fake(Arc<Mutex<State>>);

impl Fake {
    fn at(path: Path) -> Self {
        let fake = Self::default();
        fake.set(|s| s.path = Some(path));
        fake
    }

    fn set<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut lock(&self.0))
    }

    fn told(&self) -> Vec<String> {
        self.set(|s| s.told.clone())
    }

    fn count(&self, verb: &str) -> usize {
        self.told().iter().filter(|t| t.starts_with(verb)).count()
    }

    fn call(&self, verb: &'static str, what: &str) -> Result<(), CardError> {
        let takes = self.set(|s| {
            let found = s.takes.iter().find(|(v, _)| *v == verb);
            found.map(|&(_, takes)| takes)
        });
        std::thread::sleep(takes.unwrap_or_default());
        self.set(|s| {
            if s.gone {
                return Err(CardError::Gone);
            }
            s.told.push(format!("{verb}{what}"));
            if s.cannot.contains(&verb) {
                return Err(CardError::NotCapable(verb.into()));
            }
            match s.fails.iter().position(|(v, _)| *v == verb) {
                Some(at) => Err(s.fails.remove(at).1),
                None => Ok(()),
            }
        })
    }

    fn start(&self, plan: CardPlan) -> CardHandle {
        let card = self.clone();
        let find: Find = Box::new(move || {
            card.call("find", "")?;
            Ok(Box::new(card.clone()))
        });
        CardHandle::start_at(QUICK, "fake", plan, find).unwrap()
    }
}

impl Card for Fake {
    fn name(&self) -> &'static str {
        "fake card"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            paths: Paths::of(&Path::ALL),
            events: PowerEvent::ALL[..3]
                .iter()
                .map(|&event| (event, Paths::of(&Path::ALL)))
                .collect(),
            watchdog: WatchdogPeriods::new([100, 200, 400, 10_000].map(ms).to_vec()),
            power_off: PowerOff::Claimed,
            ..Capabilities::NONE
        }
    }

    fn observe(&mut self) -> Result<Observed, CardError> {
        self.call("observe", "")?;
        Ok(self.set(|s| Observed {
            path: s.path,
            source: Source::Sensed,
            watchdog: s.armed,
            changed: false,
            expired: s.expired,
        }))
    }

    fn set_path(&mut self, path: Path) -> Result<(), CardError> {
        self.call("path", &format!(" {path}"))?;
        self.set(|s| s.path = Some(path));
        Ok(())
    }

    fn policy(&mut self, event: PowerEvent) -> Result<Path, CardError> {
        self.call("policy", &format!(" {event}"))?;
        Ok(Path::Bypass)
    }

    fn set_policy(&mut self, event: PowerEvent, path: Path) -> Result<(), CardError> {
        self.call("lead", &format!(" {event} {path}"))
    }

    fn arm_watchdog(&mut self, period: Duration) -> Result<Duration, CardError> {
        self.call("arm", &format!(" {period:?}"))?;
        let (_, actual) = self.capabilities().watchdog.round_up(period)?;
        self.set(|s| (s.armed, s.expired) = (Some(actual), false));
        Ok(actual)
    }

    fn disarm_watchdog(&mut self) -> Result<(), CardError> {
        self.call("disarm", "")?;
        self.set(|s| s.armed = None);
        Ok(())
    }

    fn kick(&mut self) -> Result<(), CardError> {
        self.call("kick", "")
    }

    fn inhibit(&mut self, _: bool) -> Result<(), CardError> {
        Ok(())
    }

    fn set_tx(&mut self, _: Side, _: bool) -> Result<(), CardError> {
        Ok(())
    }

    fn set_two_port_link(&mut self, _: bool) -> Result<(), CardError> {
        Ok(())
    }

    fn clear_changed(&mut self) -> Result<(), CardError> {
        self.call("clear", "")
    }
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn guarded(period: u64) -> CardPlan {
    CardPlan {
        before_others: false,
        watchdog: Some(ms(period)),
        policies: vec![(PowerEvent::WatchdogExpired, Path::Disconnect)],
    }
}

fn until(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < SOON, "{what}: not within {SOON:?}");
        std::thread::sleep(ms(1));
    }
}

/// Some looks later.
fn looks(card: &CardHandle, many: u64) {
    let turns = card.view().turns;
    until("looks", || card.view().turns >= turns + many);
}

/// Tells it, and waits for the answer.
fn tell(card: &CardHandle, order: Order) -> Result<String, String> {
    let (said, hears) = bounded(1);
    let answer: Answer = Box::new(move |result| drop(said.send(result)));
    card.order(order, Some(answer));
    hears.recv_timeout(SOON).unwrap()
}

fn inline(card: &CardHandle) {
    assert_eq!(tell(card, Order::Path(Path::Inline)), Ok("inline".into()));
}

#[test]
fn rule_15_it_is_armed_before_it_is_inline_and_disarmed_after_it_has_left() {
    let fake = Fake::at(Path::Bypass);
    let card = fake.start(guarded(150));
    until("found", || card.view().found);
    assert!(!fake.told().iter().any(|t| t.starts_with("path")));
    fake.set(|s| s.told.clear());
    inline(&card);
    tell(&card, Order::Path(Path::Disconnect)).unwrap();
    let mut told = fake.told();
    told.retain(|t| t != "observe");
    let expected = [
        "clear",
        "arm 150ms",
        "path inline",
        "path disconnect",
        "disarm",
    ];
    assert_eq!(told, expected);
}

#[test]
fn rule_15_kicks_go_through_only_while_it_is_armed_and_four_times_a_period() {
    let fake = Fake::at(Path::Bypass);
    let card = fake.start(guarded(400));
    until("found", || card.view().found);
    card.kick();
    looks(&card, 2);
    assert_eq!(fake.count("kick"), 0, "not armed");
    inline(&card);
    let begun = Instant::now();
    while begun.elapsed() < ms(1000) {
        card.kick();
        std::thread::sleep(ms(5));
    }
    let kicks = fake.count("kick");
    assert!((5..=11).contains(&kicks), "{kicks} kicks in a second");
    assert_eq!(card.view().kicks, u64::try_from(kicks).unwrap());
    // The thread never kicks by itself.
    std::thread::sleep(ms(200));
    let before = fake.count("kick");
    std::thread::sleep(ms(800));
    assert_eq!(fake.count("kick"), before);
}

#[test]
fn rule_15_a_kick_that_waited_for_a_slow_verb_is_dropped() {
    let fake = Fake::at(Path::Bypass);
    let card = fake.start(guarded(200));
    inline(&card);
    std::thread::sleep(ms(60));
    fake.set(|s| s.takes.push(("lead", ms(400))));
    let order = Order::Policy(PowerEvent::PowerOff, Path::Bypass);
    assert!(card.order(order, None));
    std::thread::sleep(ms(50));
    card.kick();
    until("dropped", || card.view().stale_kicks == 1);
    assert_eq!(fake.count("kick"), 0);
    let kicked = || {
        card.kick();
        fake.count("kick") > 0
    };
    until("kicked", kicked);
}

#[test]
fn a_kick_goes_before_the_look_after_a_slow_order() {
    let fake = Fake::at(Path::Bypass);
    let card = fake.start(guarded(10_000));
    until("found", || card.view().found);
    // The path takes more than a quarter of the period's time since it was armed.
    fake.set(|s| s.takes.push(("path", ms(2600))));
    let told = Instant::now();
    card.order(Order::Path(Path::Inline), None);
    let kicked = || {
        card.kick();
        fake.count("kick") > 0
    };
    until("kicked", kicked);
    assert!(told.elapsed() < ms(4000));
    let told = fake.told();
    let path = told.iter().position(|t| t == "path inline").unwrap();
    assert_eq!(told[path + 1], "kick", "{told:?}");
}

#[test]
fn an_inline_card_whose_watchdog_could_not_be_armed_is_told_again() {
    let fake = Fake::at(Path::Inline);
    let late = CardError::Timeout(ms(4));
    fake.set(|s| s.fails.push(("arm", late)));
    let card = fake.start(guarded(10_000));
    assert!(tell(&card, Order::Path(Path::Inline)).is_err());
    until("armed", || fake.set(|s| s.armed.is_some()));
    until("no error", || card.view().error.is_none());
    std::thread::sleep(ms(1));
    // And where it never can be, that is said, and not tried for ever.
    fake.set(|s| s.cannot.push("arm"));
    assert!(tell(&card, Order::Path(Path::Inline)).is_err());
    looks(&card, 8);
    let arms = fake.count("arm");
    looks(&card, 8);
    assert_eq!(fake.count("arm"), arms);
    assert_eq!(arms, 2 + 1 + usize::from(TRIES));
    assert!(card.view().error.is_some());
}

#[test]
fn what_was_armed_is_kicked_although_the_path_was_not_taken() {
    let fake = Fake::at(Path::Inline);
    fake.set(|s| s.cannot.push("path"));
    let card = fake.start(guarded(100));
    assert!(tell(&card, Order::Path(Path::Inline)).is_err());
    let kicked = || {
        card.kick();
        fake.count("kick") > 0
    };
    until("kicked", kicked);
}

#[test]
fn a_card_that_is_found_late_is_armed_and_inline_then() {
    let fake = Fake::at(Path::Inline);
    fake.set(|s| s.gone = true);
    let card = fake.start(guarded(10_000));
    let error = tell(&card, Order::Path(Path::Inline)).unwrap_err();
    assert!(error.contains("gone"), "{error}");
    looks(&card, 5);
    assert_eq!((card.view().found, fake.count("find")), (false, 0));
    fake.set(|s| s.gone = false);
    until("armed", || fake.set(|s| s.armed.is_some()));
    until("well", || card.view().error.is_none() && card.view().found);
}

#[test]
fn a_card_that_was_gone_is_armed_again_and_its_kicks_go_on() {
    let fake = Fake::at(Path::Bypass);
    let card = fake.start(guarded(100));
    inline(&card);
    for _ in 0..5 {
        // Without power for a while; it comes back inline, and its watchdog is off.
        fake.set(|s| (s.gone, s.armed) = (true, None));
        until("gone", || !card.view().found);
        fake.set(|s| s.gone = false);
        until("armed", || fake.set(|s| s.armed.is_some()));
        let before = fake.count("kick");
        let kicked = || {
            card.kick();
            fake.count("kick") > before
        };
        until("kicked", kicked);
        until("well", || card.view().error.is_none());
    }
    // One that comes back elsewhere is brought back.
    fake.set(|s| (s.gone, s.armed, s.path) = (true, None, Some(Path::Bypass)));
    until("gone", || !card.view().found);
    fake.set(|s| s.gone = false);
    until("inline", || fake.set(|s| s.path == Some(Path::Inline)));
}

#[test]
fn one_that_expired_waits_for_the_decisions() {
    let fake = Fake::at(Path::Bypass);
    let card = fake.start(guarded(200));
    inline(&card);
    let expire = |s: &mut State| (s.expired, s.armed, s.path) = (true, None, Some(Path::Bypass));
    fake.set(expire);
    looks(&card, 5);
    // A period that is set now must not hide that it has expired.
    let said = tell(&card, Order::Watchdog(Some(ms(300)))).unwrap();
    assert!(said.contains("when inline"), "{said}");
    looks(&card, 2);
    assert_eq!(fake.set(|s| (s.path, s.armed)), (Some(Path::Bypass), None));
    assert!(card.view().observed.unwrap().expired);
    inline(&card);
    assert_eq!(fake.set(|s| s.armed), Some(ms(400)));
}

#[test]
fn without_a_watchdog_one_that_an_earlier_run_armed_is_disarmed() {
    let fake = Fake::at(Path::Inline);
    fake.set(|s| s.armed = Some(ms(400)));
    let card = fake.start(CardPlan::default());
    inline(&card);
    assert_eq!(fake.set(|s| s.armed), None);
}

#[test]
fn a_policy_that_the_card_does_not_take_is_said_and_not_written_for_ever() {
    let fake = Fake::at(Path::Bypass);
    fake.set(|s| s.cannot.push("lead"));
    let card = fake.start(guarded(200));
    until("said", || card.view().error.is_some());
    inline(&card);
    // A watchdog that leads to elsewhere might make a loop.
    assert_eq!(fake.set(|s| (s.path, s.armed)), (Some(Path::Inline), None));
    looks(&card, 8);
    assert_eq!(fake.count("lead"), 2);
    let error = card.view().error.unwrap();
    assert!(
        error.contains("timeout does not lead to disconnect"),
        "{error}"
    );
    // Mended, it is armed at the next order.
    fake.set(|s| s.cannot.clear());
    inline(&card);
    assert!(fake.set(|s| s.armed.is_some()));
    assert_eq!(card.view().error, None);
}

#[test]
fn where_an_event_leads_need_not_be_known() {
    let fake = Fake::at(Path::Bypass);
    fake.set(|s| s.cannot.push("policy"));
    let card = fake.start(guarded(200));
    inline(&card);
    assert_eq!(card.view().policies, []);
}

#[test]
fn marks_that_cannot_be_cleared_keep_no_card_from_inline() {
    let fake = Fake::at(Path::Bypass);
    fake.set(|s| s.cannot.push("clear"));
    inline(&fake.start(guarded(200)));
    assert_eq!(fake.set(|s| s.path), Some(Path::Inline));
}

#[test]
fn operators_orders_leave_room_for_what_the_decisions_tell() {
    let fake = Fake::at(Path::Bypass);
    fake.set(|s| s.takes.push(("lead", ms(300))));
    let card = fake.start(CardPlan::default());
    until("found", || card.view().found);
    let refused = Arc::new(AtomicUsize::new(0));
    for _ in 0..40 {
        let refused = refused.clone();
        let answer: Answer = Box::new(move |result| {
            refused.fetch_add(usize::from(result.is_err()), Ordering::Relaxed);
        });
        card.order(
            Order::Policy(PowerEvent::PowerUp, Path::Bypass),
            Some(answer),
        );
    }
    assert!(card.order(Order::Path(Path::Disconnect), None));
    assert!(refused.load(Ordering::Relaxed) >= 30);
    card.finish(SOON);
    assert_eq!(fake.set(|s| s.path), Some(Path::Disconnect));
}

#[test]
fn rule_14_the_end_waits_for_what_was_ordered_but_not_for_ever() {
    let fake = Fake::at(Path::Bypass);
    let card = fake.start(guarded(10_000));
    inline(&card);
    fake.set(|s| s.takes.push(("path", ms(200))));
    card.order(Order::Path(Path::Bypass), None);
    card.finish(SOON);
    let end = fake.set(|s| (s.path, s.armed));
    assert_eq!(end, (Some(Path::Bypass), None));

    let card = fake.start(guarded(10_000));
    fake.set(|s| s.takes.push(("disarm", ms(1000))));
    card.order(Order::Path(Path::Bypass), None);
    let begun = Instant::now();
    card.finish(ms(100));
    assert!(begun.elapsed() < ms(700));
}

#[test]
fn a_view_is_new_once() {
    let fake = Fake::at(Path::Bypass);
    let card = fake.start(CardPlan::default());
    let view = || card.view_after(0);
    until("looked at", || view().is_some());
    let turns = view().unwrap().turns;
    until("again", || card.view_after(turns).is_some());
    assert!(card.view_after(card.view().turns.wrapping_add(1)).is_some());
}
