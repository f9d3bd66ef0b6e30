//! What verbs cost, on the model's clock; and what happens to those who hurry.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use twinline_bypass::model::silicom::{Model, Parameters};
use twinline_bypass::silicom::{Adapter, LONGEST_VERB};
use twinline_bypass::{Card, CardError, Delay, Function, Path, PowerEvent, RegisterIo, Side};

use crate::conformance::everyone;
use crate::rig::{BOARDS, I350, inline, ms, open, us};

/// A card whose registers take a microsecond each, as on PCI Express.
fn real(extension: u8) -> Parameters {
    Parameters {
        access: us(1),
        capabilities: 0b0001,
        ..Parameters::with_extension(extension)
    }
}

fn cost<T>(model: &Model, verb: impl FnOnce() -> T) -> Duration {
    let before = model.now();
    verb();
    model.now() - before
}

fn near(cost: Duration, wanted: Duration) -> bool {
    cost >= wanted && cost <= wanted + wanted / 10
}

#[test]
fn a_path_takes_26_ms_and_a_kick_some_microseconds() {
    for board in BOARDS {
        let (model, mut card) = inline(board, &real(8));
        let set = cost(&model, || card.set_path(Path::Bypass).unwrap());
        assert!(near(set, us(25_800)), "{board:?} {set:?}");
        let back = cost(&model, || card.set_path(Path::Inline).unwrap());
        assert!(near(back, us(25_800)), "{board:?} {back:?}");
        let kick = cost(&model, || card.kick().unwrap());
        assert!(kick >= us(5) && kick < us(30), "{board:?} {kick:?}");
    }
}

#[test]
fn a_write_takes_3_6_ms_and_a_read_3_7_ms() {
    for board in BOARDS {
        let model = Model::new(board, &real(9));
        // Version, signature, version again, capability word.
        let probe = cost(&model, || Adapter::probe(model.clone(), board).unwrap());
        assert!(near(probe, us(4 * 3_700)), "{board:?} {probe:?}");
        // Three writes, a settle time, and a look at STATUS.
        let (model, mut card) = inline(board, &real(9));
        let disarm = cost(&model, || card.disarm_watchdog().unwrap());
        let wanted = us(3 * 3_600 + 15_000 + 3_700);
        assert!(near(disarm, wanted), "{board:?} {disarm:?}");
    }
}

/// Notes when the path was first seen to be bypass.
struct Watcher(Model, Arc<Mutex<Option<Duration>>>);

impl RegisterIo for Watcher {
    fn read(&mut self, function: Function, offset: u32) -> Result<u32, CardError> {
        self.0.read(function, offset)
    }

    fn write(&mut self, function: Function, offset: u32, value: u32) -> Result<(), CardError> {
        self.0.write(function, offset, value)
    }
}

impl Delay for Watcher {
    fn wait(&mut self, at_least: Duration) {
        let end = self.0.now() + at_least;
        while self.0.now() < end {
            self.0.wait(us(5).min(end - self.0.now()));
            if self.0.path() == Path::Bypass {
                self.1.lock().unwrap().get_or_insert(self.0.now());
            }
        }
    }
}

#[test]
fn the_relays_move_long_before_the_verb_returns() {
    let (model, _) = inline(I350, &Parameters::default());
    let seen = Arc::new(Mutex::new(None));
    let mut card = Adapter::open(Watcher(model.clone(), seen.clone()), I350, false).unwrap();
    let start = model.now();
    card.set_path(Path::Bypass).unwrap();
    let moved = seen.lock().unwrap().unwrap() - start;
    // The last bit of the command is taken after 6.9 ms; the model's relays need 4 ms.
    assert_eq!(moved, us(6_900 + 4_000));
}

#[test]
fn no_verb_is_longer_than_it_says() {
    let mut longest = Duration::ZERO;
    for (board, _, parameters) in everyone() {
        let parameters = Parameters {
            access: us(1),
            ..parameters
        };
        let (model, mut card) = open(board, &parameters);
        let mut verb = |run: &mut dyn FnMut(&mut Adapter<Model>)| {
            let took = cost(&model, || run(&mut card));
            assert!(took <= LONGEST_VERB, "{board:?} {took:?}");
            longest = longest.max(took);
        };
        for path in Path::ALL {
            verb(&mut |c| drop(c.set_path(path)));
            verb(&mut |c| drop(c.observe()));
            verb(&mut |c| drop(c.set_policy(PowerEvent::WatchdogExpired, path)));
            verb(&mut |c| drop(c.set_policy(PowerEvent::PowerUp, path)));
        }
        verb(&mut |c| drop(c.set_policy(PowerEvent::PowerOff, Path::Inline)));
        verb(&mut |c| drop(c.arm_watchdog(ms(500))));
        verb(&mut |c| drop(c.disarm_watchdog()));
        verb(&mut |c| drop(c.set_tx(Side::A, false)));
        verb(&mut |c| drop(c.set_two_port_link(true)));
        verb(&mut |c| drop(c.inhibit(true)));
        verb(&mut |c| drop(c.inhibit(false)));
        verb(&mut |c| drop(c.clear_changed()));
    }
    assert!(
        longest > LONGEST_VERB / 2,
        "the bound is far off: {longest:?}"
    );
}

/// Waits shorter than it is told.
struct Hasty(Model, u32);

impl RegisterIo for Hasty {
    fn read(&mut self, function: Function, offset: u32) -> Result<u32, CardError> {
        self.0.read(function, offset)
    }

    fn write(&mut self, function: Function, offset: u32, value: u32) -> Result<(), CardError> {
        self.0.write(function, offset, value)
    }
}

impl Delay for Hasty {
    fn wait(&mut self, at_least: Duration) {
        self.0.wait(at_least * self.1 / 100);
    }
}

#[test]
fn a_card_does_not_answer_one_who_hurries() {
    for board in BOARDS {
        let model = Model::new(board, &Parameters::default());
        let hurried = Adapter::open(Hasty(model.clone(), 98), board, false);
        assert!(matches!(hurried, Err(CardError::NoSignature { .. })));
        Adapter::open(Hasty(model, 100), board, false).unwrap();
    }
}

#[test]
fn a_model_follows_a_clock_that_is_not_its_own() {
    let (model, mut card) = inline(I350, &Parameters::default());
    card.arm_watchdog(ms(200)).unwrap();
    let left = model.watchdog_left().unwrap();
    let expiry = model.now() + left;
    model.advance_to(expiry - us(1));
    assert_eq!(model.path(), Path::Inline);
    model.advance_to(ms(0));
    assert_eq!(model.now(), expiry - us(1), "it never goes back");
    model.advance_to(expiry + ms(4));
    assert_eq!(model.path(), Path::Bypass);
}
