//! The nearest known key to a mistyped one.

use crate::schema::{KEYS, SECTIONS};

/// Keys longer than this get no suggestion (bounds the work on hostile input).
const MAX_LEN: usize = 64;

/// The known key (or section) nearest to `section` + `.` + `key`, if one is near.
pub(crate) fn nearest_key(section: &str, key: &str) -> Option<String> {
    if key.len() > MAX_LEN {
        return None;
    }
    // in its own section first
    let here = KEYS
        .iter()
        .map(|k| k.key)
        .chain(SECTIONS.iter().copied())
        .filter(|full| parent(full) == section);
    if let Some(found) = closest(key, here, last) {
        return Some(found.to_owned());
    }
    // the right word in the wrong section
    let elsewhere = KEYS.iter().map(|k| k.key).find(|full| last(full) == key);
    if let Some(found) = elsewhere {
        return Some(found.to_owned());
    }
    None
}

/// The nearest of some words to a mistyped one, if one is near.
#[must_use]
pub fn nearest<'a>(word: &str, among: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > MAX_LEN {
        return None;
    }
    closest(word, among, |w| w)
}

/// The nearest of some words, if one is near.
pub(crate) fn nearest_word(word: &str, among: &[&'static str]) -> Option<&'static str> {
    nearest(word, among.iter().copied())
}

fn closest<'a>(
    word: &str,
    among: impl Iterator<Item = &'a str>,
    part: impl Fn(&'a str) -> &'a str,
) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(1);
    among
        .map(|candidate| {
            let known = part(candidate);
            // a beginning of three letters or more is as good as one typo
            let begins = word.len() > 2 && known.starts_with(word);
            (if begins { 1 } else { distance(word, known) }, candidate)
        })
        .filter(|(d, _)| *d <= limit)
        .min_by_key(|(d, _)| *d)
        .map(|(_, candidate)| candidate)
}

fn parent(full: &str) -> &str {
    full.rsplit_once('.').map_or("", |(section, _)| section)
}

fn last(full: &str) -> &str {
    full.rsplit_once('.').map_or(full, |(_, key)| key)
}

/// Edit distance (insert, delete, replace), case and `-`/`_` ignored.
fn distance(a: &str, b: &str) -> usize {
    let fold = |s: &str| -> Vec<char> {
        s.chars()
            .map(|c| {
                if c == '-' {
                    '_'
                } else {
                    c.to_ascii_lowercase()
                }
            })
            .collect()
    };
    let (a, b) = (fold(a), fold(b));
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.iter().enumerate() {
        let mut left = i + 1;
        let mut diagonal = i;
        for (cb, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let replace = diagonal + usize::from(ca != cb);
            diagonal = *cell;
            left = replace.min(diagonal + 1).min(left + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(a.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(distance("", ""), 0);
        assert_eq!(distance("abc", ""), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("max-flaps", "MAX_FLAPS"), 0);
    }

    #[test]
    fn suggestions() {
        assert_eq!(
            nearest_key("ha", "max_flap").as_deref(),
            Some("ha.max_flaps")
        );
        assert_eq!(nearest_key("", "link-pair").as_deref(), Some("link_pair"));
        assert_eq!(
            nearest_key("ha", "polling").as_deref(),
            Some("lcores.polling")
        );
        assert_eq!(
            nearest_key("ha", "peer_recovery").as_deref(),
            Some("ha.peer_recovery_threshold")
        );
        assert_eq!(nearest_key("ha", "zzzzzz"), None);
        assert_eq!(nearest_key("ha", &"m".repeat(5000)), None);
        assert_eq!(
            nearest_word("active-pasive", &["standalone", "active-passive"]),
            Some("active-passive")
        );
    }
}
