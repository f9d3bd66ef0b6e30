//! A candidate, read and checked.

use std::sync::Arc;

use twinline_config::{Applies, Change, Config, Errors, Loaded, MAX_FILE_BYTES, edit, read_text};

use super::for_the_next_start;
use super::worker::{Base, Prepared, Wish};
use crate::appliance::load_auth;
use crate::convert;
use crate::core::live_part;

/// All errors, a line for each.
pub(super) fn lines(errors: &Errors) -> String {
    match errors.len() {
        1 => errors.to_string(),
        many => format!("{many} errors; nothing is changed\n{errors}"),
    }
}

/// Reads, checks, compares; the caller fills in what it knows.
pub(super) fn prepare(wish: &Wish, base: &Base) -> Result<Prepared, String> {
    let parse = |text: &str| Config::parse(text, "candidate").map_err(|errors| lines(&errors));
    let (text, loaded): (Arc<str>, Loaded) = match wish {
        Wish::Diff(text) | Wish::Commit(text) => (Arc::clone(text), parse(text)?),
        Wish::Rollback(text) => {
            let of = |why| format!("this engine does not take that configuration any more: {why}");
            (Arc::clone(text), parse(text).map_err(of)?)
        }
        Wish::Set { key, value } => {
            let text = edit::set(&base.text, key, value).map_err(|error| error.to_string())?;
            let loaded = parse(&text)?;
            (text.into(), loaded)
        }
        Wish::Reload(path) => {
            let read = read_text(path).and_then(|text| {
                let loaded = Config::parse(&text, path)?;
                Ok((text.into(), loaded))
            });
            read.map_err(|errors| {
                for error in errors.iter() {
                    log::error!("reload refused: {error}");
                }
                let first = errors.iter().next().map(ToString::to_string);
                let first = first.unwrap_or_default();
                format!("reload of {} refused: {first}", path.display())
            })?
        }
    };
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(format!(
            "the candidate is larger than {MAX_FILE_BYTES} bytes"
        ));
    }
    let config = loaded.config;
    let changes = Config::diff(&base.committed, &config);
    if let Wish::Set { key, .. } = wish
        && !for_the_next_start(&changes).is_empty()
    {
        return Err(format!(
            "{key}: this change needs a restart: put it into a candidate and commit that (it is kept \
             for the next start)"
        ));
    }
    let by_file = matches!(wish, Wish::Reload(_));
    let against_running = if by_file {
        Config::diff(&base.running, &config)
    } else {
        Vec::new()
    };
    if !by_file && config.instance.state_file != base.committed.instance.state_file {
        return Err(
            "instance.state_file cannot be committed, what is committed is kept beside it: write it \
             to the configuration file and restart the engine"
                .into(),
        );
    }
    let auth = match wish {
        // whoever may only look gets no key file read
        Wish::Diff(_) => None,
        Wish::Reload(_) => {
            Some(load_auth(&config).map_err(|error| format!("reload refused: {error}"))?)
        }
        _ => Some(load_auth(&config).map_err(|error| error.to_string())?),
    };
    let merged = live_part(&base.running, &config);
    let mut warnings = new_warnings(&loaded.warnings, base);
    if by_file {
        warnings = loaded.warnings.iter().map(ToString::to_string).collect();
    } else {
        warnings.extend(words(&changes, &Config::diff(&merged, &config)));
    }
    Ok(Prepared {
        call: None,
        wish: wish.clone(),
        base: base.clone(),
        digest: convert::digest(&merged),
        text,
        config: Arc::new(config),
        merged,
        changes,
        against_running,
        auth,
        warnings,
    })
}

/// The validation's warnings that were not there before.
fn new_warnings(warnings: &[twinline_config::Warning], base: &Base) -> Vec<String> {
    let before = Config::parse(&base.text, "candidate");
    let before = before.map(|loaded| loaded.warnings).unwrap_or_default();
    let known = |warning: &twinline_config::Warning| {
        let mut before = before.iter();
        before.any(|b| (&b.key, &b.message) == (&warning.key, &warning.message))
    };
    let new = warnings.iter().filter(|warning| !known(warning));
    new.map(ToString::to_string).collect()
}

/// What follows from the changes alone.
fn words(changes: &[Change], waiting: &[Change]) -> Vec<String> {
    let mut out = Vec::new();
    for change in changes {
        let last = change.key.rsplit('.').next();
        match (change.key.as_str(), last) {
            ("ha.primary", _) => out.push(
                "ha.primary: exactly one instance of the stack is to be primary once all have \
                 started again"
                    .into(),
            ),
            ("ha.key_file", _) => out.push(
                "ha.key_file: the other instances must accept the new key already, as their key_file \
                 or next_key_file"
                    .into(),
            ),
            (key, Some("priority")) if change.applies == Applies::Live => {
                out.push(format!("{key}: the virtual router may move to or from another router"));
            }
            _ => {}
        }
    }
    let waiting = for_the_next_start(waiting);
    if !waiting.is_empty() {
        out.push(format!("kept for the next start: {}", waiting.join(", ")));
    }
    out
}
