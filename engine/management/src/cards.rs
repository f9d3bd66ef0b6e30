//! Bypass cards, each driven from a thread of its own (rules 14 to 16).
//!
//! Verbs of real cards block: a Silicom path takes 26 ms, an Intel one up to two seconds. So the
//! management core only leaves orders and kicks here and takes what was seen; no heartbeat waits
//! for a card. The thread never kicks by itself: a kick is handed through from the decisions, which
//! make one only while workers and core make progress, and one that waited too long is worth
//! nothing any more.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, select_biased};
use twinline_bypass::{Capabilities, Card, CardError, Observed, Path, PowerEvent};

/// Between two looks at a card.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Between two tries to find a card that does not answer.
const FIND_EVERY: Duration = Duration::from_secs(2);
/// Orders that wait, at most; more are refused.
const ORDERS: usize = 16;
/// How often an order that failed is tried again: some cards keep a path in an EEPROM, so not for ever.
const TRIES: u8 = 3;
/// Below the management core (40), above ordinary threads: a kick must not wait behind them.
const PRIORITY: u8 = 30;

/// Makes a pair's driver, once its card answers.
pub type Find = Box<dyn FnMut() -> Result<Box<dyn Card>, CardError> + Send>;

/// What a card is set up with before it is used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CardPlan {
    /// The watchdog's period; `None` = off.
    pub watchdog: Option<Duration>,
    /// Which path each event leads to.
    pub policies: Vec<(PowerEvent, Path)>,
}

/// What a card is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Take this path; `Inline` arms the watchdog first, any other disarms it after.
    Path(Path),
    /// An event leads to this path from now on.
    Policy(PowerEvent, Path),
    /// The watchdog's period from now on; `None` = off.
    Watchdog(Option<Duration>),
}

/// What is known of a card.
#[derive(Clone, Debug)]
pub struct CardView {
    /// Its name; before it was found, what is looked for.
    pub name: String,
    /// It was found.
    pub found: bool,
    /// What it can do, once found.
    pub capabilities: Capabilities,
    /// What it was told last.
    pub wanted: Option<Path>,
    /// The last look that succeeded.
    pub observed: Option<Observed>,
    /// When that was.
    pub looked_at: Option<Instant>,
    /// Where each event leads, as the card says.
    pub policies: Vec<(PowerEvent, Path)>,
    /// Kicks handed through.
    pub kicks: u64,
    /// Kicks that waited too long and were dropped.
    pub stale_kicks: u64,
    /// What went wrong last, while it lasts.
    pub error: Option<String>,
    /// Looks and orders done: tells one look from the next.
    pub turns: u64,
}

/// The management core's end of a card's thread.
pub struct CardHandle {
    orders: Sender<(Order, Option<Answer>)>,
    kicks: Sender<Instant>,
    view: Arc<Mutex<CardView>>,
    serial: Arc<Mutex<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Called with what came of an order, in the card's thread.
pub type Answer = Box<dyn FnOnce(Result<String, String>) + Send>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl CardHandle {
    /// Starts the thread of one card. `label`: what is looked for, for operators.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(label: &str, plan: CardPlan, find: Find) -> std::io::Result<Self> {
        let (orders, orders_in) = bounded(ORDERS);
        let (kicks, kicks_in) = bounded(1);
        let view = Arc::new(Mutex::new(CardView {
            name: label.to_owned(),
            found: false,
            capabilities: Capabilities::NONE,
            wanted: None,
            observed: None,
            looked_at: None,
            policies: Vec::new(),
            kicks: 0,
            stale_kicks: 0,
            error: None,
            turns: 0,
        }));
        let serial = Arc::new(Mutex::new(()));
        let keeper = Keeper {
            plan,
            find,
            card: None,
            wanted: None,
            armed: Duration::ZERO,
            kicked_at: Instant::now(),
            tries_left: TRIES,
            view: view.clone(),
            serial: serial.clone(),
        };
        let thread = std::thread::Builder::new()
            .name("card".into())
            .spawn(move || keeper.run(&orders_in, &kicks_in))?;
        Ok(Self {
            orders,
            kicks,
            view,
            serial,
            thread: Some(thread),
        })
    }

    /// Leaves an order; `answer` hears what came of it. False when too many wait.
    pub fn order(&self, order: Order, answer: Option<Answer>) -> bool {
        match self.orders.try_send((order, answer)) {
            Ok(()) => true,
            Err(TrySendError::Full((_, answer)) | TrySendError::Disconnected((_, answer))) => {
                if let Some(answer) = answer {
                    answer(Err("the card is busy: too many orders wait".into()));
                }
                false
            }
        }
    }

    /// Hands a kick through. One that the thread could not take yet is enough.
    pub fn kick(&self) {
        let _ = self.kicks.try_send(Instant::now());
    }

    /// What is known of the card. The lock is never held over a verb.
    #[must_use]
    pub fn view(&self) -> CardView {
        lock(&self.view).clone()
    }

    /// Held while a verb runs: the card's serial lines share pins with what a driver does to the
    /// port (link set-up above all).
    #[must_use]
    pub fn serial(&self) -> Arc<Mutex<()>> {
        self.serial.clone()
    }

    /// Lets the thread do what was ordered, and ends it; waits for `at_most`.
    pub fn finish(self, at_most: Duration) {
        let Self {
            orders,
            kicks,
            thread,
            ..
        } = self;
        // Orders first: who sees the end of the kicks finds every order there.
        drop(orders);
        drop(kicks);
        let Some(thread) = thread else { return };
        let until = Instant::now() + at_most;
        while !thread.is_finished() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
        }
        if thread.is_finished() {
            drop(thread.join());
        } else {
            log::warn!("a bypass card did not answer in time: its thread is left behind");
        }
    }
}

/// The thread's side.
struct Keeper {
    plan: CardPlan,
    find: Find,
    card: Option<Box<dyn Card>>,
    wanted: Option<Path>,
    /// The watchdog's period; zero while it is not armed.
    armed: Duration,
    /// The last kick that was handed to the card, or when it was armed.
    kicked_at: Instant,
    /// How often the last order may be tried again.
    tries_left: u8,
    view: Arc<Mutex<CardView>>,
    serial: Arc<Mutex<()>>,
}

impl Keeper {
    fn run(mut self, orders: &Receiver<(Order, Option<Answer>)>, kicks: &Receiver<Instant>) {
        if let Err(error) = dpdk::lcore::run_before_others(PRIORITY) {
            log::warn!("a bypass card's thread runs at ordinary priority: {error}");
        }
        let mut next_look = Instant::now();
        loop {
            let wait = next_look.saturating_duration_since(Instant::now());
            select_biased! {
                recv(kicks) -> kick => match kick {
                    Ok(at) => self.kick(at),
                    // The end: what was ordered before it is done.
                    Err(_) => {
                        for (order, answer) in orders.try_iter() {
                            self.obey_and_answer(order, answer);
                        }
                        return;
                    }
                },
                recv(orders) -> order => if let Ok((order, answer)) = order {
                    self.obey_and_answer(order, answer);
                    self.look();
                    next_look = Instant::now() + LOOK_EVERY;
                },
                default(wait) => {
                    let again = if self.look() { LOOK_EVERY } else { FIND_EVERY };
                    next_look = Instant::now() + again;
                },
            }
        }
    }

    fn obey_and_answer(&mut self, order: Order, answer: Option<Answer>) {
        self.tries_left = TRIES;
        let result = self.obey(order);
        if let Some(answer) = answer {
            answer(result.map_err(|error| error.to_string()));
        }
    }

    /// Hands a kick on, four times a period; one that waited for half a period is worth nothing.
    fn kick(&mut self, at: Instant) {
        if self.armed.is_zero() || self.kicked_at.elapsed() < self.armed / 4 {
            return;
        }
        let stale = at.elapsed() > self.armed / 2;
        let Some(card) = self.card.as_mut().filter(|_| !stale) else {
            lock(&self.view).stale_kicks += u64::from(stale);
            return;
        };
        let kicked = {
            let _held = lock(&self.serial);
            card.kick()
        };
        self.kicked_at = Instant::now();
        let mut view = lock(&self.view);
        match kicked {
            Ok(()) => view.kicks += 1,
            Err(error) => view.error = Some(format!("kick: {error}")),
        }
    }

    /// The card, found and set up.
    fn card(&mut self) -> Result<&mut Box<dyn Card>, CardError> {
        if self.card.is_none() {
            let (found, policies) = {
                let _held = lock(&self.serial);
                (self.find)().and_then(|mut card| {
                    for &(event, path) in &self.plan.policies {
                        card.set_policy(event, path)?;
                    }
                    let policies = policies(card.as_mut())?;
                    Ok((card, policies))
                })
            }?;
            let mut view = lock(&self.view);
            view.policies = policies;
            view.name = found.name().to_owned();
            view.found = true;
            view.capabilities = found.capabilities();
            drop(view);
            log::info!("bypass card found: {}", found.name());
            self.card = Some(found);
        }
        self.card
            .as_mut()
            .ok_or_else(|| CardError::Access("no card".into()))
    }

    fn obey(&mut self, order: Order) -> Result<String, CardError> {
        if let Order::Path(path) = order {
            self.wanted = Some(path);
            lock(&self.view).wanted = Some(path);
        }
        let (serial, view) = (self.serial.clone(), self.view.clone());
        let watchdog = self.plan.watchdog;
        let done = match order {
            Order::Path(path) => self.card().and_then(|card| {
                let _held = lock(&serial);
                take_path(card.as_mut(), path, watchdog)
            }),
            Order::Policy(event, path) => self.card().and_then(|card| {
                let _held = lock(&serial);
                card.set_policy(event, path)?;
                lock(&view).policies = policies(card.as_mut())?;
                Ok((format!("{event} leads to {path}"), None))
            }),
            Order::Watchdog(period) => {
                let inline = self.wanted == Some(Path::Inline);
                self.card().and_then(|card| {
                    let _held = lock(&serial);
                    set_watchdog(card.as_mut(), period, inline)
                })
            }
        };
        if let (Order::Watchdog(period), Ok(_)) = (&order, &done) {
            self.plan.watchdog = *period;
        }
        if let (Order::Policy(event, path), Ok(_)) = (&order, &done) {
            self.plan.policies.retain(|(e, _)| e != event);
            self.plan.policies.push((*event, *path));
        }
        let mut view = lock(&self.view);
        match done {
            Ok((said, armed)) => {
                view.error = None;
                drop(view);
                if !matches!(order, Order::Policy(..)) {
                    self.armed = armed.unwrap_or_default();
                    self.kicked_at = Instant::now();
                }
                Ok(said)
            }
            Err(error) => {
                view.error = Some(error.to_string());
                drop(view);
                log::error!("bypass card: {order:?}: {error}");
                self.lose_if_gone(&error);
                Err(error)
            }
        }
    }

    /// Looks at the card; true if it answered. What it failed to do when it was told, it is told
    /// again, a few times.
    fn look(&mut self) -> bool {
        let wanted = self.wanted;
        let failed = lock(&self.view).error.is_some();
        let serial = self.serial.clone();
        let seen = self.card().and_then(|card| {
            let _held = lock(&serial);
            card.observe()
        });
        let mut view = lock(&self.view);
        view.turns += 1;
        match seen {
            Ok(observed) => {
                view.observed = Some(observed);
                view.looked_at = Some(Instant::now());
                let there = wanted.is_none_or(|w| observed.path == Some(w));
                if there {
                    view.error = None;
                }
                drop(view);
                // One whose watchdog expired waits for the decisions; any other is told again.
                let again = failed && !there && !observed.expired && self.tries_left > 0;
                if let Some(wanted) = wanted.filter(|_| again) {
                    self.tries_left -= 1;
                    drop(self.obey(Order::Path(wanted)));
                }
                true
            }
            Err(error) => {
                view.observed = None;
                view.error = Some(error.to_string());
                drop(view);
                self.lose_if_gone(&error);
                false
            }
        }
    }

    /// A card that is gone is looked for anew.
    fn lose_if_gone(&mut self, error: &CardError) {
        if matches!(error, CardError::Gone | CardError::Access(_)) && self.card.take().is_some() {
            lock(&self.view).found = false;
            self.armed = Duration::ZERO;
        }
    }
}

/// Where each event leads. Not to be asked at each look: a card of old firmware takes every frame
/// for a kick.
fn policies(card: &mut dyn Card) -> Result<Vec<(PowerEvent, Path)>, CardError> {
    let events = card.capabilities().events.into_iter();
    events
        .map(|(event, _)| Ok((event, card.policy(event)?)))
        .collect()
}

/// What was done, in words, and the watchdog's period if it is armed now.
type Done = (String, Option<Duration>);

fn take_path(
    card: &mut dyn Card,
    path: Path,
    watchdog: Option<Duration>,
) -> Result<Done, CardError> {
    if path == Path::Inline {
        let armed = watchdog.map(|w| card.arm_watchdog(w)).transpose()?;
        card.clear_changed()?;
        card.set_path(path)?;
        return Ok(("inline".into(), armed));
    }
    card.set_path(path)?;
    if !card.capabilities().watchdog.as_slice().is_empty() {
        card.disarm_watchdog()?;
    }
    Ok((path.to_string(), None))
}

fn set_watchdog(
    card: &mut dyn Card,
    period: Option<Duration>,
    inline: bool,
) -> Result<Done, CardError> {
    let Some(period) = period else {
        card.disarm_watchdog()?;
        return Ok(("the watchdog is off".into(), None));
    };
    // Out of the way it would only expire: it is armed when the card goes inline.
    if !inline {
        let (_, actual) = card.capabilities().watchdog.round_up(period)?;
        return Ok((format!("the watchdog will be {actual:?} when inline"), None));
    }
    let actual = card.arm_watchdog(period)?;
    Ok((format!("the watchdog is {actual:?}"), Some(actual)))
}
