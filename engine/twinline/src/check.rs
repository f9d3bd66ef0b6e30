//! `twinline check FILE`: everything that can be known of a configuration without starting.

use std::path::Path;
use std::process::ExitCode;

use crate::output;
use twinline_config::Config;

/// Validates a configuration and its key files; prints every error, one a line.
pub fn check(path: &Path) -> anyhow::Result<ExitCode> {
    let loaded = match Config::load(path) {
        Ok(loaded) => loaded,
        Err(errors) => {
            for error in errors.iter() {
                output::complain(&error.to_string());
            }
            return Ok(ExitCode::FAILURE);
        }
    };
    for warning in &loaded.warnings {
        output::complain(&format!("warning: {warning}"));
    }
    if let Err(error) = loaded.config.load_keys() {
        output::complain(&error.to_string());
        return Ok(ExitCode::FAILURE);
    }
    let Config {
        instance,
        ports,
        link_pairs,
        ..
    } = &loaded.config;
    output::line(&format!(
        "{}: valid: instance {} ({}) of stack {}, {} ports, {} link pairs",
        path.display(),
        instance.name,
        instance.id,
        instance.stack,
        ports.len(),
        link_pairs.len()
    ))?;
    Ok(ExitCode::SUCCESS)
}
