//! Changes of the configuration of a running engine: candidates, commits, their history.
//!
//! The configuration file is the operator's. What was committed is kept in a folder beside the
//! state file, by a thread of its own ([`worker`]), which also reads and checks candidates: the
//! management core only decides and applies.

pub mod clock;
pub mod history;
mod prepare;
pub mod risk;
mod save;
pub mod start;
pub mod store;
pub mod worker;

#[cfg(test)]
mod tests;

pub use clock::Clocks;
pub use history::{By, Commit, History, New, Waiting};
pub use start::{Past, Started, begin};

use twinline_config::{Applies, Change};

/// The first of some changes in words, and how many more there are.
#[must_use]
pub fn summary(changes: &[Change]) -> String {
    match changes {
        [] => String::new(),
        [one] => format!("{}: {} -> {}", one.key, short(&one.old), short(&one.new)),
        [one, more @ ..] => format!(
            "{}: {} -> {}, and {} more",
            one.key,
            short(&one.old),
            short(&one.new),
            more.len()
        ),
    }
}

/// A value of a list may be long.
fn short(value: &str) -> String {
    const MOST: usize = 40;
    match value.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", value.get(..end).unwrap_or_default()),
        None => value.to_owned(),
    }
}

/// The keys that wait for the next start.
#[must_use]
pub fn for_the_next_start(changes: &[Change]) -> Vec<&str> {
    let restart = changes.iter().filter(|c| c.applies == Applies::Restart);
    restart.map(|change| change.key.as_str()).collect()
}
