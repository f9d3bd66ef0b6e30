//! The card through DPDK's driver, with a driver that pretends, quirks and all.
#![allow(clippy::unwrap_used)] // helpers of tests count as tests

use std::sync::{Arc, Mutex};
use std::time::Duration;

use twinline_bypass::intel::pmd::{Calls, Pmd};
use twinline_bypass::{Card, CardError, Path, PowerEvent, Side};

const SECOND: Duration = Duration::from_secs(1);
const ENOTSUP: i32 = 95;

/// What the driver and the card behind it hold.
#[derive(Debug, Default)]
struct Behind {
    /// An ixgbe port without a card.
    plain: bool,
    state: u32,
    events: [u32; 6],
    timeout: u32,
    /// Timeouts and events are not taken.
    stubborn: bool,
    /// The relays do not move.
    stuck: bool,
    /// The code of every call from now on.
    code: i32,
    pets: u32,
    stores: u32,
}

#[derive(Clone, Debug, Default)]
struct Fake(Arc<Mutex<Behind>>);

impl Fake {
    fn card() -> Self {
        let fake = Self::default();
        fake.with(|b| {
            b.state = 1;
            b.events = [0, 1, 1, 2, 2, 0];
        });
        fake
    }

    fn with<T>(&self, f: impl FnOnce(&mut Behind) -> T) -> T {
        f(&mut self.0.lock().unwrap())
    }

    fn call<T>(&self, f: impl FnOnce(&mut Behind) -> T) -> Result<T, i32> {
        self.with(|b| match b.code {
            0 if b.plain => Err(-ENOTSUP),
            0 => Ok(f(b)),
            code => Err(code),
        })
    }

    /// The watchdog was not petted.
    fn expire(&self) {
        self.with(|b| b.state = b.events[5]);
    }
}

impl Calls for Fake {
    fn init(&mut self) -> Result<(), i32> {
        Ok(())
    }
    fn state_show(&mut self) -> Result<u32, i32> {
        self.call(|b| b.state)
    }
    fn state_set(&mut self, state: u32) -> Result<(), i32> {
        self.call(|b| {
            if !b.stuck {
                b.state = state;
            }
        })
    }
    fn event_show(&mut self, event: u32) -> Result<u32, i32> {
        self.call(|b| b.events[event as usize])
    }
    fn event_store(&mut self, event: u32, state: u32) -> Result<(), i32> {
        self.call(|b| {
            b.stores += 1;
            if !b.stubborn {
                b.events[event as usize] = state;
            }
        })
    }
    fn wd_timeout_show(&mut self) -> Result<u32, i32> {
        self.call(|b| b.timeout)
    }
    fn wd_timeout_store(&mut self, timeout: u32) -> Result<(), i32> {
        self.call(|b| {
            b.stores += 1;
            if !b.stubborn {
                b.timeout = timeout;
            }
        })
    }
    fn wd_reset(&mut self) -> Result<(), i32> {
        self.call(|b| b.pets += 1)
    }
    fn ver_show(&mut self) -> Result<u32, i32> {
        self.call(|_| 7)
    }
}

fn open() -> (Fake, Pmd<Fake>) {
    let fake = Fake::card();
    let card = Pmd::open(fake.clone(), "0000:03:00.0").unwrap();
    (fake, card)
}

#[test]
fn a_port_without_a_card_is_found_out() {
    let fake = Fake::card();
    fake.with(|b| b.plain = true);
    let error = Pmd::open(fake, "0000:03:00.0").unwrap_err();
    assert!(
        error
            .to_string()
            .contains("0000:03:00.0 has no bypass adapter")
    );
    let odd = Pmd::open(Fake::card(), "0000:03:00.1").unwrap_err();
    assert_eq!(odd, CardError::NotMaster("0000:03:00.1".into()));
}

#[test]
fn paths_and_policies() {
    let (fake, mut card) = open();
    assert_eq!(card.name(), "Intel bypass through DPDK, firmware 7");
    for (path, state) in [(Path::Bypass, 2), (Path::Disconnect, 3), (Path::Inline, 1)] {
        assert_eq!(card.set_path(path), Ok(()));
        assert_eq!(fake.with(|b| b.state), state);
        assert_eq!(card.observe().unwrap().path, Some(path));
    }
    for (event, number) in [
        (PowerEvent::OsOn, 1),
        (PowerEvent::PowerUp, 2),
        (PowerEvent::OsOff, 3),
        (PowerEvent::PowerOff, 4),
        (PowerEvent::WatchdogExpired, 5),
    ] {
        assert_eq!(card.set_policy(event, Path::Disconnect), Ok(()));
        assert_eq!(fake.with(|b| b.events[number]), 3, "{event}");
        assert_eq!(card.policy(event), Ok(Path::Disconnect));
        let stores = fake.with(|b| b.stores);
        assert_eq!(card.set_policy(event, Path::Disconnect), Ok(()));
        assert_eq!(fake.with(|b| b.stores), stores, "nothing new, no write");
    }
    assert!(matches!(
        card.set_path(Path::Tap),
        Err(CardError::NotCapable(_))
    ));
    assert!(matches!(card.inhibit(true), Err(CardError::NotCapable(_))));
    assert!(matches!(
        card.set_tx(Side::B, true),
        Err(CardError::NotCapable(_))
    ));
    assert!(matches!(
        card.set_two_port_link(true),
        Err(CardError::NotCapable(_))
    ));
}

#[test]
fn the_ladder_begins_at_one_and_a_half_seconds() {
    let (fake, mut card) = open();
    for (wanted, real, step) in [
        (500, 1500, 1),
        (1000, 1500, 1),
        (1501, 2000, 2),
        (4000, 4000, 4),
        (32_000, 32_000, 7),
    ] {
        let real = Duration::from_millis(real);
        let wanted = Duration::from_millis(wanted);
        assert_eq!(card.arm_watchdog(wanted), Ok(real));
        assert_eq!(fake.with(|b| (b.timeout, b.events[5])), (step, 2));
        assert_eq!(card.observe().unwrap().watchdog, Some(real));
    }
    assert_eq!(card.capabilities().watchdog.as_slice()[0].as_millis(), 1500);
    let long = card.arm_watchdog(SECOND * 33);
    assert!(matches!(long, Err(CardError::Range { .. })), "{long:?}");
    assert_eq!(card.disarm_watchdog(), Ok(()));
    assert_eq!(card.observe().unwrap().watchdog, None);
}

#[test]
fn expiry_is_noticed_and_arming_again_switches_it_off_first() {
    let (fake, mut card) = open();
    card.arm_watchdog(SECOND * 4).unwrap();
    card.arm_watchdog(SECOND * 4).unwrap();
    assert_eq!(
        fake.with(|b| b.pets),
        1,
        "armed just so: it counts from now on"
    );
    card.kick().unwrap();
    assert_eq!(fake.with(|b| b.pets), 2);
    assert!(!card.observe().unwrap().expired);
    fake.expire();
    let seen = card.observe().unwrap();
    assert_eq!(
        (seen.path, seen.expired, seen.changed),
        (Some(Path::Bypass), true, true)
    );
    card.clear_changed().unwrap();
    let seen = card.observe().unwrap();
    assert!(!seen.expired && !seen.changed);
    card.set_path(Path::Inline).unwrap();
    let stores = fake.with(|b| b.stores);
    card.arm_watchdog(SECOND * 4).unwrap();
    assert_eq!(fake.with(|b| b.stores), stores + 2, "off, and on");
    // A driver that starts after expiry sees it.
    fake.expire();
    let mut card = Pmd::open(fake, "0000:03:00.0").unwrap();
    assert!(card.observe().unwrap().expired);
}

#[test]
fn what_was_not_taken_is_told() {
    let (fake, mut card) = open();
    fake.with(|b| b.stuck = true);
    let wrong = CardError::Verify {
        want: Path::Bypass,
        got: Path::Inline,
    };
    assert_eq!(card.set_path(Path::Bypass), Err(wrong));
    fake.with(|b| b.stubborn = true);
    let kept = card.set_policy(PowerEvent::OsOn, Path::Bypass);
    assert!(matches!(kept, Err(CardError::NotKept { .. })), "{kept:?}");
    fake.with(|b| b.events[5] = 2);
    let kept = card.arm_watchdog(SECOND * 4);
    assert!(matches!(kept, Err(CardError::NotKept { .. })), "{kept:?}");
    // A state that is none.
    fake.with(|b| b.state = 4);
    assert_eq!(card.observe().unwrap().path, None);
}

#[test]
fn codes_of_the_drivers_own_are_handed_on() {
    let (fake, mut card) = open();
    for (code, wanted) in [
        (-35, CardError::Rejected(-35)),
        (-32, CardError::Rejected(-32)),
        (22, CardError::Rejected(22)),
        (-19, CardError::Gone),
    ] {
        fake.with(|b| b.code = code);
        assert_eq!(card.observe(), Err(wanted.clone()));
        assert_eq!(card.kick(), Err(wanted.clone()));
        assert_eq!(card.set_path(Path::Bypass), Err(wanted));
    }
    fake.with(|b| b.code = -16);
    assert!(matches!(card.kick(), Err(CardError::Busy(_))));
    fake.with(|b| b.code = -ENOTSUP);
    assert!(matches!(card.kick(), Err(CardError::NotCapable(_))));
}
