//! From pins and flags to a path.

use super::pins::Sense;
use crate::{Path, Paths};

/// What a pin says: the paths in which it is active, and whether it is.
pub(super) type Pin = (Paths, bool);

/// The paths that these pins allow, of those that the card can take.
///
/// One: the pins know it. Several: the pins cannot tell them apart (one pin for two paths, or no
/// pin). None: the pins contradict each other.
pub(super) fn candidates(can: Paths, pins: &[Pin]) -> Paths {
    let fits = |path: Path| pins.iter().all(|&(shows, on)| shows.has(path) == on);
    let paths: Vec<Path> = Path::ALL
        .into_iter()
        .filter(|&p| (p == Path::Inline || can.has(p)) && fits(p))
        .collect();
    Paths::of(&paths)
}

/// Whether this pin is wired on a card that can take these paths.
pub(super) fn is_wired(sense: &Sense, can: Paths) -> bool {
    sense.shows.iter().any(|p| can.has(p))
}

/// The only one of them.
pub(super) fn single(paths: Paths) -> Option<Path> {
    let mut all = paths.iter();
    match (all.next(), all.next()) {
        (Some(path), None) => Some(path),
        _ => None,
    }
}

/// The path that flags tell: inline without any, none when there are two.
pub(super) fn by_flags(taken: &[Path]) -> Option<Path> {
    match taken {
        [] => Some(Path::Inline),
        [path] => Some(*path),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYPASS: Paths = Paths::of(&[Path::Bypass]);
    const SHARED: Paths = Paths::of(&[Path::Disconnect, Path::Tap]);

    #[test]
    fn pins_know_one_path_or_several_or_contradict_each_other() {
        let all = Paths::of(&Path::ALL);
        let seen = |can, bypass, shared| candidates(can, &[(BYPASS, bypass), (SHARED, shared)]);
        assert_eq!(single(seen(all, false, false)), Some(Path::Inline));
        assert_eq!(single(seen(all, true, false)), Some(Path::Bypass));
        assert_eq!(seen(all, false, true), SHARED);
        assert_eq!(seen(all, true, true), Paths::NONE);
        let no_tap = Paths::of(&[Path::Inline, Path::Bypass, Path::Disconnect]);
        assert_eq!(single(seen(no_tap, false, true)), Some(Path::Disconnect));
        assert_eq!(candidates(all, &[]), all, "without pins anything may be");
    }

    #[test]
    fn two_flags_tell_no_path() {
        assert_eq!(by_flags(&[]), Some(Path::Inline));
        assert_eq!(by_flags(&[Path::Tap]), Some(Path::Tap));
        assert_eq!(by_flags(&[Path::Tap, Path::Bypass]), None);
    }
}
