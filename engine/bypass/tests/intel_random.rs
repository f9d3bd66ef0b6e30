//! Any sequence of verbs, faults, time and power: driver and model agree on the path, or the driver
//! says that it does not know.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use proptest::prelude::*;
use twinline_bypass::intel::{Adapter, Family};
use twinline_bypass::model::intel::{Disturbance, Fault, Line, Model, Params, Power};
use twinline_bypass::{Card, CardError, Path, PowerEvent};

#[derive(Clone, Debug)]
enum Step {
    Observe,
    SetPath(Path),
    Policy(PowerEvent),
    SetPolicy(PowerEvent, Path),
    Arm(u64),
    Disarm,
    Kick,
    Inhibit(bool),
    Clear,
    Reopen,
    Advance(u64),
    Foreign(u32),
    Disturb(u64, Disturbance),
}

fn path() -> impl Strategy<Value = Path> {
    prop::sample::select(Path::ALL.to_vec())
}

fn event() -> impl Strategy<Value = PowerEvent> {
    prop::sample::select(PowerEvent::ALL.to_vec())
}

fn fault() -> impl Strategy<Value = Fault> {
    let line = prop::sample::select(vec![Line::Sck, Line::Sdi, Line::Sdo]);
    prop_oneof![
        4 => (line, any::<bool>()).prop_map(|(line, level)| Fault::Stuck(line, level)),
        2 => (1_u32..4).prop_map(Fault::LoseWords),
        1 => (1_u64..2000).prop_map(|ms| Fault::Busy(Duration::from_millis(ms))),
        1 => Just(Fault::Gone),
        1 => Just(Fault::EepromWornOut),
        1 => Just(Fault::RelaysStuck),
    ]
}

fn disturbance() -> impl Strategy<Value = Disturbance> {
    use Power::{MainOff, MainOn, SupplyOff, SupplyOn};
    let power = prop::sample::select(vec![MainOff, MainOn, SupplyOff, SupplyOn, MainOn, SupplyOn]);
    prop_oneof![
        3 => fault().prop_map(Disturbance::Fault),
        3 => Just(Disturbance::Mend),
        2 => power.prop_map(Disturbance::Power),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    // Most disturbances come in the midst of a verb, and few stay for long.
    let delay = prop_oneof![Just(0_u64), 0_u64..1500];
    prop_oneof![
        3 => Just(Step::Observe),
        4 => path().prop_map(Step::SetPath),
        1 => event().prop_map(Step::Policy),
        3 => (event(), path()).prop_map(|(event, path)| Step::SetPolicy(event, path)),
        2 => (1_u64..33_000).prop_map(Step::Arm),
        1 => Just(Step::Disarm),
        2 => Just(Step::Kick),
        1 => any::<bool>().prop_map(Step::Inhibit),
        1 => Just(Step::Clear),
        1 => Just(Step::Reopen),
        2 => (0_u64..5000).prop_map(Step::Advance),
        1 => any::<u32>().prop_map(Step::Foreign),
        5 => (delay, disturbance()).prop_map(|(delay, what)| Step::Disturb(delay, what)),
    ]
}

fn params() -> impl Strategy<Value = Params> {
    let family = prop::sample::select(vec![Family::Intel82599, Family::X540]);
    let choices = prop::array::uniform9(any::<bool>());
    let times = (0_u64..50, 0_u64..300);
    (family, choices, times, any::<u32>()).prop_map(|(family, choices, times, settings)| {
        let [a, b, c, d, e, f, g, h, _] = choices;
        Params {
            family,
            // Any settings that somebody may have left; a forced mode would have moved the relays.
            settings: settings & !3,
            esdp: settings & 0x00F0_0038,
            relay_time: Duration::from_millis(times.0),
            eeprom_time: Duration::from_millis(times.1),
            at_stop: a,
            idle_sdo: b,
            expiry_disables: c,
            pet_revives: d,
            pet_reads_back: e,
            clock_runs: f,
            watchdog_survives: g,
            mode_survives: h,
            // Else nobody can see relays that are stuck.
            status_sensed: true,
            ..Params::default()
        }
    })
}

/// A run: the model, the driver, and what the bits of others are meant to be.
struct Run {
    model: Model,
    family: Family,
    card: Adapter<Model>,
    foreign: u32,
    reset: u32,
    /// Until when something is still to happen by itself.
    disturbed_until: Duration,
    /// What the card had noted before the last look: relays may still be moving for what came since.
    noted: usize,
}

fn open(model: &Model, family: Family) -> Result<Adapter<Model>, CardError> {
    let clock = model.clone();
    let second = move || u32::try_from(clock.now().as_secs()).unwrap();
    Adapter::with_clock(model.clone(), family, "0000:03:00.0", second)
}

impl Run {
    fn new(params: Params) -> Self {
        let family = params.family;
        let model = Model::new(params);
        let foreign = model.foreign_bits();
        let card = open(&model, family).unwrap();
        Self {
            card,
            model,
            family,
            foreign,
            reset: foreign,
            disturbed_until: Duration::ZERO,
            noted: 0,
        }
    }

    /// Whether nothing disturbs any more: a word that a bad line made of another one takes its time,
    /// and the EEPROM's, to show.
    fn quiet_since(&self, time: Duration) -> bool {
        self.disturbed_until + Duration::from_millis(500) < time
    }

    /// Plays a step; what it promises when it says that all went well.
    fn play(&mut self, step: &Step) -> Result<(), TestCaseError> {
        let from = self.model.now();
        let noted = self.model.noted().len();
        let mut quiet = self.quiet_since(from);
        let longest = self.card.capabilities().longest_verb;
        let mut promise: Option<Path> = None;
        let mut setting: Option<(u32, u32)> = None;
        match *step {
            Step::Observe => {}
            Step::SetPath(path) => {
                if self.card.set_path(path) == Ok(()) {
                    promise = Some(path);
                }
            }
            Step::Policy(event) => {
                if let Ok(path) = self.card.policy(event) {
                    setting = Some((shift(event), action(path)));
                }
            }
            Step::SetPolicy(event, path) => {
                if self.card.set_policy(event, path) == Ok(()) {
                    setting = Some((shift(event), action(path)));
                }
            }
            Step::Arm(ms) => {
                let wanted = Duration::from_millis(ms);
                if let Ok(real) = self.card.arm_watchdog(wanted) {
                    prop_assert!(
                        real >= wanted && real <= wanted.max(Duration::from_millis(500)) * 2
                    );
                    // Armed, and a 1 s watchdog may even have expired by the end of the verb.
                    let expired = self.model.noted()[noted..].iter().any(|n| n.event == 5);
                    let on = self.model.settings() >> 14 & 1 == 1;
                    prop_assert!(!quiet || on || expired);
                }
            }
            Step::Disarm => {
                if self.card.disarm_watchdog() == Ok(()) && quiet {
                    prop_assert_eq!(self.model.settings() >> 14 & 1, 0);
                }
            }
            Step::Kick => {
                let _ = self.card.kick();
            }
            Step::Inhibit(on) => {
                if self.card.inhibit(on) == Ok(()) && quiet {
                    prop_assert_eq!(self.model.settings() & 3, u32::from(on));
                    promise = on.then_some(Path::Inline);
                }
            }
            Step::Clear => self.card.clear_changed().unwrap(),
            Step::Reopen => {
                if let Ok(card) = open(&self.model, self.family) {
                    self.card = card;
                }
            }
            Step::Advance(ms) => self.model.advance(Duration::from_millis(ms)),
            Step::Foreign(bits) => {
                self.model.write_foreign(u32::MAX, bits);
                self.foreign = self.model.foreign_bits();
            }
            Step::Disturb(delay, what) => {
                let delay = Duration::from_millis(delay);
                self.model.schedule(delay, what);
                self.disturbed_until = self.disturbed_until.max(from + delay);
                self.model.advance(Duration::ZERO);
            }
        }
        quiet &= self.quiet_since(from);
        let took = self.model.now() - from;
        if !matches!(step, Step::Advance(_) | Step::Reopen) {
            // A line that has to be made idle costs a step or two more.
            prop_assert!(took <= longest + Duration::from_millis(16), "{took:?}");
        }
        let undisturbed = quiet
            && self.model.noted()[self.noted..]
                .iter()
                .all(|n| n.event == 6);
        if undisturbed {
            if let Some(path) = promise {
                prop_assert_eq!(self.model.path(), path);
            }
            if let Some((shift, action)) = setting {
                prop_assert_eq!(self.model.settings() >> shift & 3, action);
            }
        }
        self.always()
    }

    /// What a look says was true while it looked.
    fn look(&mut self) -> Result<(), TestCaseError> {
        let from = self.model.now();
        self.noted = self.model.noted().len();
        if let Ok(seen) = self.card.observe() {
            let path = seen.path.unwrap();
            let were = self.model.paths_since(from);
            prop_assert!(were.contains(&path), "saw {path}, were {were:?}");
        }
        Ok(())
    }

    fn always(&mut self) -> Result<(), TestCaseError> {
        prop_assert_eq!(self.model.foreign_writes(), 0);
        prop_assert!(self.model.worst_unflushed() <= 1);
        let bits = self.model.foreign_bits();
        // A machine that was off has reset the NIC.
        prop_assert!(bits == self.foreign || bits == self.reset);
        self.foreign = bits;
        Ok(())
    }
}

fn shift(event: PowerEvent) -> u32 {
    match event {
        PowerEvent::PowerUp => 4,
        PowerEvent::OsOn => 6,
        PowerEvent::OsOff => 8,
        PowerEvent::PowerOff => 10,
        PowerEvent::WatchdogExpired => 12,
    }
}

fn action(path: Path) -> u32 {
    match path {
        Path::Inline => 1,
        Path::Bypass => 2,
        Path::Disconnect => 3,
        Path::Tap => 0,
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn model_and_driver_agree_or_the_driver_does_not_know(
        params in params(),
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let mut run = Run::new(params);
        for step in &steps {
            run.play(step)?;
            run.look()?;
        }
        // All is well again: then the driver has to know, and to be able to bring it inline.
        for what in [Disturbance::Mend, Disturbance::Power(Power::SupplyOn),
                     Disturbance::Power(Power::MainOn)] {
            run.model.schedule(Duration::from_secs(3), what);
        }
        // Long enough for any watchdog to have expired.
        run.model.advance(Duration::from_secs(40));
        run.foreign = run.model.foreign_bits();
        // The first look may complete a word that was broken off, and see what was before.
        run.look()?;
        prop_assert_eq!(run.card.observe().map(|seen| seen.path), Ok(Some(run.model.path())));
        prop_assert_eq!(run.card.disarm_watchdog(), Ok(()));
        prop_assert_eq!(run.card.set_path(Path::Inline), Ok(()));
        prop_assert_eq!(run.model.path(), Path::Inline);
        run.always()?;
    }
}
