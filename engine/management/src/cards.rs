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
/// Of these, operators' ones: what the decisions tell a card always finds room.
const OPERATORS: usize = 8;
/// How often an order that failed is tried again: some cards keep a path in an EEPROM, so not for ever.
const TRIES: u8 = 3;
/// Below the management core (40), above ordinary threads: a kick must not wait behind them.
const PRIORITY: u8 = 30;

/// The rhythm of a card's thread.
#[derive(Clone, Copy, Debug)]
struct Pace {
    look: Duration,
    find: Duration,
}

const PACE: Pace = Pace {
    look: LOOK_EVERY,
    find: FIND_EVERY,
};

/// Makes a pair's driver, once its card answers.
pub type Find = Box<dyn FnMut() -> Result<Box<dyn Card>, CardError> + Send>;

/// What a card is set up with before it is used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CardPlan {
    /// The watchdog's period; `None` = off.
    pub watchdog: Option<Duration>,
    /// Which path each event leads to.
    pub policies: Vec<(PowerEvent, Path)>,
    /// Its thread may run before ordinary ones: its verbs sleep, or spin for some milliseconds.
    pub before_others: bool,
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
        Self::start_at(PACE, label, plan, find)
    }

    fn start_at(pace: Pace, label: &str, plan: CardPlan, find: Find) -> std::io::Result<Self> {
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
            pace,
            plan,
            find,
            card: None,
            wanted: None,
            owed: false,
            misled: None,
            unguarded: false,
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

    /// Leaves an order; `answer` hears what came of it. False when too many wait: of those with an
    /// answer, which are operators', half as many.
    pub fn order(&self, order: Order, answer: Option<Answer>) -> bool {
        let refused = if answer.is_some() && self.orders.len() >= OPERATORS {
            Some(answer)
        } else {
            match self.orders.try_send((order, answer)) {
                Ok(()) => None,
                Err(TrySendError::Full((_, answer)) | TrySendError::Disconnected((_, answer))) => {
                    Some(answer)
                }
            }
        };
        let Some(answer) = refused else { return true };
        if let Some(answer) = answer {
            answer(Err("the card is busy: too many orders wait".into()));
        }
        false
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

    /// The same, if there was a look since this one ([`CardView::turns`]).
    #[must_use]
    pub fn view_after(&self, turn: u64) -> Option<CardView> {
        let view = lock(&self.view);
        (view.turns != turn).then(|| view.clone())
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
    pace: Pace,
    plan: CardPlan,
    find: Find,
    card: Option<Box<dyn Card>>,
    wanted: Option<Path>,
    /// The card was told [`Self::wanted`] and did not do all of it, or was gone since.
    owed: bool,
    /// An event does not lead to where it was planned to lead, and why.
    misled: Option<String>,
    /// That event is the watchdog's expiry: it is not armed.
    unguarded: bool,
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
        // A driver that spins for seconds would be stopped by the kernel for 50 ms in each, and the
        // management core on the same CPU with it.
        if self.plan.before_others
            && let Err(error) = dpdk::lcore::run_before_others(PRIORITY)
        {
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
                    // After a kick that waited: of a slow card, order and look take most of a period.
                    next_look = Instant::now();
                },
                default(wait) => next_look = Instant::now() + self.look(),
            }
        }
    }

    fn obey_and_answer(&mut self, order: Order, answer: Option<Answer>) {
        self.tries_left = TRIES;
        let result = self.obey(&order);
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

    /// Finds the card and sets it up, if it is not there.
    fn find_card(&mut self) -> Result<(), CardError> {
        if self.card.is_some() {
            return Ok(());
        }
        let found = {
            let _held = lock(&self.serial);
            (self.find)()
        }?;
        let mut view = lock(&self.view);
        view.name = found.name().to_owned();
        view.found = true;
        view.capabilities = found.capabilities();
        drop(view);
        log::info!("bypass card found: {}", found.name());
        self.card = Some(found);
        let set = self.set_policies();
        if let Err(error) = &set {
            self.lose_if_gone(error);
        }
        set
    }

    /// Where events lead, as planned. What the card cannot do, or does not keep, is an error that
    /// stays, and no reason to leave the card alone: it is tried again only when it is told to go
    /// inline, since these settings are in an EEPROM. A watchdog that leads to elsewhere is not armed:
    /// in parallel it might make a loop.
    fn set_policies(&mut self) -> Result<(), CardError> {
        let Some(card) = self.card.as_mut() else {
            return Ok(());
        };
        let _held = lock(&self.serial);
        (self.misled, self.unguarded) = (None, false);
        for &(event, path) in &self.plan.policies {
            match card.set_policy(event, path) {
                Ok(()) => {}
                Err(error) if is_gone(&error) => return Err(error),
                Err(error) => {
                    let text = format!("{event} does not lead to {path}: {error}");
                    log::error!("bypass card: {text}");
                    self.misled.get_or_insert(text);
                    self.unguarded |= event == PowerEvent::WatchdogExpired;
                }
            }
        }
        let policies = policies(card.as_mut())?;
        let mut view = lock(&self.view);
        view.policies = policies;
        view.error.clone_from(&self.misled);
        Ok(())
    }

    fn obey(&mut self, order: &Order) -> Result<String, CardError> {
        let begun = Instant::now();
        if let &Order::Path(path) = order {
            self.wanted = Some(path);
            self.owed = true;
            lock(&self.view).wanted = Some(path);
        }
        let done = self.carry_out(order);
        if !matches!(order, Order::Policy(..)) {
            // Not when it was done: of a slow card that may be most of a period later.
            self.kicked_at = begun;
        }
        match done {
            Ok(said) => {
                self.owed &= !matches!(order, Order::Path(_));
                if !self.owed {
                    lock(&self.view).error.clone_from(&self.misled);
                }
                Ok(said)
            }
            Err(error) => {
                lock(&self.view).error = Some(error.to_string());
                log::error!("bypass card: {order:?}: {error}");
                self.lose_if_gone(&error);
                Err(error)
            }
        }
    }

    fn carry_out(&mut self, order: &Order) -> Result<String, CardError> {
        self.find_card()?;
        if self.misled.is_some() && *order == Order::Path(Path::Inline) {
            self.set_policies()?;
        }
        let guarded = self.plan.watchdog.filter(|_| !self.unguarded);
        let there = lock(&self.view).observed.and_then(|o| o.path);
        let Some(card) = self.card.as_mut() else {
            return Err(CardError::Access("no card".into()));
        };
        let _held = lock(&self.serial);
        match *order {
            Order::Path(path) => take_path(card.as_mut(), path, guarded, &mut self.armed),
            Order::Policy(event, path) => {
                card.set_policy(event, path)?;
                self.plan.policies.retain(|&(e, _)| e != event);
                self.plan.policies.push((event, path));
                let policies = policies(card.as_mut())?;
                lock(&self.view).policies = policies;
                Ok(format!("{event} leads to {path}"))
            }
            Order::Watchdog(period) => {
                // One that has left inline by itself waits for the decisions: armed here, it would
                // not look expired any more, and they would leave it there.
                let inline = [self.wanted, there]
                    .iter()
                    .all(|&p| p == Some(Path::Inline));
                let inline = inline && !self.unguarded;
                let said = set_watchdog(card.as_mut(), period, inline, &mut self.armed)?;
                self.plan.watchdog = period;
                Ok(said)
            }
        }
    }

    /// Looks at the card; returns when to look again. What it did not do when it was told, it is
    /// told again, a few times.
    fn look(&mut self) -> Duration {
        let wanted = self.wanted;
        let was_there = self.card.is_some();
        let failed = lock(&self.view).error != self.misled;
        let found = self.find_card();
        let seen = found.and_then(|()| match self.card.as_mut() {
            Some(card) => {
                let _held = lock(&self.serial);
                card.observe()
            }
            None => Err(CardError::Access("no card".into())),
        });
        let mut view = lock(&self.view);
        view.turns += 1;
        match seen {
            Ok(observed) => {
                view.observed = Some(observed);
                view.looked_at = Some(Instant::now());
                let there = wanted.is_none_or(|w| observed.path == Some(w));
                // Inline is not all of it: its watchdog has to be armed.
                if there && !self.owed {
                    view.error.clone_from(&self.misled);
                }
                drop(view);
                // One whose watchdog expired waits for the decisions; any other is told again.
                let waits = observed.expired && !there && wanted == Some(Path::Inline);
                let again = (self.owed || failed && !there) && !waits && self.tries_left > 0;
                if let Some(wanted) = wanted.filter(|_| again) {
                    self.tries_left -= 1;
                    if self.obey(&Order::Path(wanted)).is_ok() {
                        return Duration::ZERO;
                    }
                }
                self.pace.look
            }
            Err(error) => {
                view.observed = None;
                view.error = Some(error.to_string());
                drop(view);
                self.lose_if_gone(&error);
                // Gone for a moment only, its watchdog still waits for kicks.
                if was_there && self.card.is_none() {
                    return Duration::ZERO;
                }
                self.pace.find
            }
        }
    }

    /// A card that is gone is looked for anew, and told anew: another one may be there, or the same
    /// one after a loss of power, on a path of its own and without a watchdog that is armed.
    fn lose_if_gone(&mut self, error: &CardError) {
        if is_gone(error) && self.card.take().is_some() {
            lock(&self.view).found = false;
            self.armed = Duration::ZERO;
            self.owed = self.wanted.is_some();
            self.tries_left = TRIES;
        }
    }
}

fn is_gone(error: &CardError) -> bool {
    matches!(error, CardError::Gone | CardError::Access(_))
}

/// Where each event leads, of those for which the card can tell (Intel's may be set to "auto"). Not to
/// be asked at each look: a card of old firmware takes every frame for a kick.
fn policies(card: &mut dyn Card) -> Result<Vec<(PowerEvent, Path)>, CardError> {
    let mut policies = Vec::new();
    for (event, _) in card.capabilities().events {
        match card.policy(event) {
            Ok(path) => policies.push((event, path)),
            Err(error) if is_gone(&error) => return Err(error),
            Err(error) => log::warn!("bypass card: where {event} leads is not known: {error}"),
        }
    }
    Ok(policies)
}

/// Takes a path. `armed`: the watchdog's period, also where it was armed and the rest failed.
fn take_path(
    card: &mut dyn Card,
    path: Path,
    watchdog: Option<Duration>,
    armed: &mut Duration,
) -> Result<String, CardError> {
    let has_watchdog = !card.capabilities().watchdog.as_slice().is_empty();
    if path == Path::Inline {
        // Before it is armed: from then on every moment counts. Nothing hangs on it.
        match card.clear_changed() {
            Err(error) if is_gone(&error) => return Err(error),
            Err(error) => log::warn!("bypass card: {error}"),
            Ok(()) => {}
        }
        match watchdog {
            Some(period) => *armed = card.arm_watchdog(period)?,
            // One that an earlier run armed would be kicked by nobody.
            None if has_watchdog => disarm(card, armed)?,
            None => {}
        }
        card.set_path(path)?;
        return Ok("inline".into());
    }
    card.set_path(path)?;
    if has_watchdog {
        disarm(card, armed)?;
    }
    Ok(path.to_string())
}

fn disarm(card: &mut dyn Card, armed: &mut Duration) -> Result<(), CardError> {
    card.disarm_watchdog()?;
    *armed = Duration::ZERO;
    Ok(())
}

fn set_watchdog(
    card: &mut dyn Card,
    period: Option<Duration>,
    inline: bool,
    armed: &mut Duration,
) -> Result<String, CardError> {
    let Some(period) = period else {
        disarm(card, armed)?;
        return Ok("the watchdog is off".into());
    };
    // Out of the way it would only expire: it is armed when the card goes inline.
    if !inline {
        let (_, actual) = card.capabilities().watchdog.round_up(period)?;
        return Ok(format!("the watchdog will be {actual:?} when inline"));
    }
    *armed = card.arm_watchdog(period)?;
    Ok(format!("the watchdog is {armed:?}"))
}

#[cfg(test)]
mod tests;
