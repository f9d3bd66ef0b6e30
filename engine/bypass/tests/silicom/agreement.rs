//! Whatever happens to a card: the path that the driver calls sensed is the card's path.

use proptest::prelude::*;
use std::time::Duration;

use twinline_bypass::model::Cable;
use twinline_bypass::model::silicom::{Eeprom, Fault, Model, NicReset, Parameters, Resync};
use twinline_bypass::silicom::Adapter;
use twinline_bypass::{Card, Path, PowerEvent, Side, Source};

use crate::conformance::has_pin;
use crate::rig::{BOARDS, ms};

#[derive(Clone, Debug)]
enum Step {
    SetPath(Path),
    Policy(PowerEvent, Path),
    Arm(Duration),
    Disarm,
    Kick,
    Inhibit(bool),
    Tx(Side, bool),
    TwoPortLink(bool),
    Clear,
    Observe,
    Reopen,
    Advance(Duration),
    NicReset,
    PowerCycle,
    Fail(Fault),
    Repair,
}

fn path() -> impl Strategy<Value = Path> {
    prop::sample::select(Path::ALL.to_vec())
}

/// One fault at a time: of two that contradict the card's signs in the same way nobody can know.
fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        any::<bool>().prop_map(Fault::ClockStuck),
        any::<bool>().prop_map(Fault::DataStuck),
        any::<bool>().prop_map(Fault::SenseStuck),
        Just(Fault::RelaysStuck),
        (1..6u32).prop_map(Fault::FramesLost),
        (1..60u64).prop_map(|n| Fault::Busy(ms(n))),
        any::<u8>().prop_map(Fault::Signature),
        Just(Fault::Gone),
        Just(Fault::EepromFails),
        Just(Fault::EdgeLost),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let event = prop::sample::select(PowerEvent::ALL.to_vec());
    prop_oneof![
        6 => path().prop_map(Step::SetPath),
        3 => (event, path()).prop_map(|(e, p)| Step::Policy(e, p)),
        3 => (0..2_000u64).prop_map(|n| Step::Arm(ms(n))),
        1 => Just(Step::Disarm),
        4 => Just(Step::Kick),
        1 => any::<bool>().prop_map(Step::Inhibit),
        1 => (any::<bool>(), any::<bool>())
            .prop_map(|(a, on)| Step::Tx(if a { Side::A } else { Side::B }, on)),
        1 => any::<bool>().prop_map(Step::TwoPortLink),
        1 => Just(Step::Clear),
        4 => Just(Step::Observe),
        1 => Just(Step::Reopen),
        5 => (0..900_000u64).prop_map(|n| Step::Advance(Duration::from_micros(n))),
        1 => Just(Step::NicReset),
        1 => Just(Step::PowerCycle),
        3 => fault().prop_map(Step::Fail),
        3 => Just(Step::Repair),
    ]
}

/// Everything that is not known, and times that are longer than a driver hopes for.
fn parameters() -> impl Strategy<Value = Parameters> {
    let unknown = (
        prop::option::of((1..40u64).prop_map(ms)),
        prop::array::uniform6(any::<bool>()),
        any::<bool>(),
        prop::option::of((300..3_000u64).prop_map(Duration::from_micros)),
    );
    let known = (0..10u8, any::<u8>(), path(), 0..30u64, 0..40u64);
    (unknown, known).prop_map(|((window, flags, kept, timeout), known)| {
        let (extension, word, power_up, relay, eeprom) = known;
        let [without, disarms, arming, writing, restores, restart] = flags;
        Parameters {
            capabilities: word | 1,
            factory: Eeprom {
                power_up,
                ..Eeprom::default()
            },
            command_window: window,
            commands_without_window: without,
            expiry_disarms: disarms,
            arming_clears_expired: arming,
            writing_clears_expired: writing,
            kick_restores: restores,
            resync: if restart {
                Resync::Restart
            } else {
                Resync::Idle
            },
            frame_timeout: timeout,
            nic_reset: if kept {
                NicReset::Kept
            } else {
                NicReset::Inputs
            },
            relay_time: ms(relay),
            eeprom_time: ms(eeprom),
            ..Parameters::with_extension(extension)
        }
    })
}

struct Scene {
    which: usize,
    model: Model,
    card: Option<Adapter<Model>>,
    /// A sense pin lies now; what makes it unnoticed is not this test's business.
    sense_stuck: bool,
    extension: u8,
    /// The relays need longer than a driver waits for them.
    slow: bool,
}

impl Scene {
    /// What nobody can notice: a pin that lies, where there is nothing to compare it with. Old
    /// firmware is looked at by its pins alone while it is armed, and the oldest has no signature that
    /// would tell silence from an answer. Flags are no help either while relays still move.
    fn is_blind(&self) -> bool {
        self.sense_stuck && (self.extension < 4 || self.slow)
    }

    fn run(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Advance(time) => self.model.advance(time),
            Step::NicReset => self.model.nic_reset(),
            Step::PowerCycle => {
                self.model.power_off();
                self.model.advance(ms(100));
                self.model.power_on();
                self.model.advance(ms(100));
                self.reopen();
            }
            Step::Fail(fault) => {
                self.model.repair();
                // One at a time: relays that were stuck arrive before pins begin to lie.
                self.model.advance(ms(40));
                self.model.fail(fault);
                self.sense_stuck = matches!(fault, Fault::SenseStuck(_));
            }
            Step::Repair => {
                self.model.repair();
                self.sense_stuck = false;
            }
            Step::Reopen => self.reopen(),
            step => self.verb(step)?,
        }
        Ok(())
    }

    fn reopen(&mut self) {
        self.card = Adapter::open(self.model.clone(), BOARDS[self.which], false).ok();
    }

    fn verb(&mut self, step: Step) -> Result<(), TestCaseError> {
        let blind = self.is_blind();
        let runs = self.model.watchdog_left().is_some();
        let Some(card) = &mut self.card else {
            self.reopen();
            return Ok(());
        };
        match step {
            Step::SetPath(path) => {
                let done = card.set_path(path);
                let sensed = has_pin(BOARDS[self.which], self.extension, path);
                if done.is_ok() && sensed && !blind && !(self.sense_stuck && runs) {
                    prop_assert_eq!(self.model.path(), path, "set");
                }
            }
            Step::Policy(event, path) => drop(card.set_policy(event, path)),
            Step::Arm(period) => drop(card.arm_watchdog(period)),
            Step::Disarm => drop(card.disarm_watchdog()),
            Step::Kick => drop(card.kick()),
            Step::Inhibit(on) => drop(card.inhibit(on)),
            Step::Tx(side, on) => drop(card.set_tx(side, on)),
            Step::TwoPortLink(on) => drop(card.set_two_port_link(on)),
            Step::Clear => drop(card.clear_changed()),
            _ => {}
        }
        let was = self.model.path();
        if let Ok(seen) = card.observe()
            && seen.source == Source::Sensed
            && let Some(path) = seen.path
            && !blind
        {
            // A pin that lies is found by flags. Those are as old as their frame, and ahead of
            // relays that are on their way.
            let moving = self.model.cable() == Cable::Open;
            let just_before = self.sense_stuck && (was == path || moving);
            let now = self.model.path();
            prop_assert!(now == path || just_before, "seen {}, is {}", path, now);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Any sequence of verbs, faults, time, power events and unknowns.
    #[test]
    fn a_wrong_path_is_never_called_sensed(
        which in 0..BOARDS.len(),
        parameters in parameters(),
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let model = Model::new(BOARDS[which], &parameters);
        let extension = parameters.version & 0xF;
        let mut scene = Scene {
            which,
            model,
            card: None,
            sense_stuck: false,
            extension,
            slow: parameters.relay_time > ms(15),
        };
        scene.reopen();
        for step in steps {
            scene.run(step)?;
        }
    }

    /// On a card as the facts have it, with nothing broken, driver and card agree on everything.
    #[test]
    fn a_sound_card_is_known_in_all_it_does(
        which in 0..BOARDS.len(),
        extension in 0..10u8,
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let board = BOARDS[which];
        let model = Model::new(board, &Parameters::with_extension(extension));
        let mut scene = Scene {
            which,
            model: model.clone(),
            card: None,
            sense_stuck: false,
            extension,
            slow: false,
        };
        scene.reopen();
        let mut quiet = steps;
        quiet.retain(|s| !matches!(s, Step::Fail(_)));
        for step in quiet {
            scene.run(step)?;
            let card = scene.card.as_mut().expect("a sound card opens");
            model.advance(ms(5));
            let (ran, was) = (model.watchdog_left().is_some(), model.path());
            let seen = card.observe().expect("a sound card answers");
            if seen.source != Source::Shadow {
                // A report is as old as the frame that it came in.
                let now = seen.path == Some(model.path());
                let just_before = seen.source == Source::Reported && seen.path == Some(was);
                prop_assert!(now || just_before, "{:?}, {}", seen, model.path());
                let (said, runs) = (seen.watchdog.is_some(), model.watchdog_left().is_some());
                // Looked at by pins alone, a card that expires where it is already does not tell.
                let untold = extension < 4 && said && !runs;
                // It may expire while it is looked at.
                let agreed = said == runs || said == ran;
                prop_assert!(agreed || untold, "said {}, runs {}", said, runs);
            }
        }
    }
}
