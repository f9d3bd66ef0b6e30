//! Relays: they take time, and while they move the cables are open.

use std::time::Duration;

use super::Cable;
use crate::Path;

/// A pair's relays.
#[derive(Clone, Copy, Debug)]
pub struct Relays {
    rest: Path,
    moving: Option<(Path, Duration)>,
    time: Duration,
}

impl Relays {
    /// Relays that rest in this path, and need this long to move.
    #[must_use]
    pub const fn new(rest: Path, time: Duration) -> Self {
        Self {
            rest,
            moving: None,
            time,
        }
    }

    /// Starts to move, unless they rest there or are on their way already.
    pub fn switch(&mut self, path: Path, now: Duration) {
        let goal = self.moving.map_or(self.rest, |(goal, _)| goal);
        if goal != path {
            self.moving = Some((path, now + self.time));
        }
    }

    /// When they arrive.
    #[must_use]
    pub fn next_event(&self) -> Option<Duration> {
        self.moving.map(|(_, at)| at)
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Duration) {
        if let Some((path, at)) = self.moving
            && at <= now
        {
            self.rest = path;
            self.moving = None;
        }
    }

    /// The path in which they rest; while they move the one that they come from, which is what
    /// their sense contacts show.
    #[must_use]
    pub const fn path(&self) -> Path {
        self.rest
    }

    /// What the cables see.
    #[must_use]
    pub const fn cable(&self) -> Cable {
        match self.moving {
            Some(_) => Cable::Open,
            None => Cable::of(self.rest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cables_are_open_while_relays_move() {
        let ms = Duration::from_millis;
        let mut relays = Relays::new(Path::Inline, ms(4));
        relays.switch(Path::Bypass, ms(10));
        assert_eq!(relays.next_event(), Some(ms(14)));
        relays.tick(ms(13));
        assert_eq!((relays.path(), relays.cable()), (Path::Inline, Cable::Open));
        relays.tick(ms(14));
        assert_eq!(
            (relays.path(), relays.cable()),
            (Path::Bypass, Cable::Joined)
        );
        relays.switch(Path::Bypass, ms(20));
        assert_eq!(relays.cable(), Cable::Joined, "no move without a change");
    }
}
