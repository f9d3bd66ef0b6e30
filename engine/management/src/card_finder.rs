//! From the configuration to the drivers of the link pairs' bypass cards.

use twinline_config::Config;

use crate::cards::CardHandle;

/// The thread of each pair's card; `None` where a pair has none.
///
/// # Errors
/// When a thread cannot be started.
pub fn start(config: &Config) -> std::io::Result<Vec<Option<CardHandle>>> {
    Ok(config.link_pairs.iter().map(|_| None).collect())
}
