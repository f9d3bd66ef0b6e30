//! Changing a configuration as text, so that its author's comments and order stay.

use std::str::FromStr;

use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, TableLike, Value};

use crate::error::shown;
use crate::schema::{Applies, KeySpec, Kind, REPEATED, spec};
use crate::suggest::nearest_key;
use crate::{Change, Config};

/// Why a value cannot be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetError {
    /// No key has this name.
    #[error("{key}: unknown key{}", near.as_ref().map(|near| format!("; did you mean {near}?")).unwrap_or_default())]
    UnknownKey {
        /// As it was asked for.
        key: String,
        /// The nearest that there is.
        near: Option<String>,
    },
    /// A key of a section that is there several times, without the name of one.
    #[error("{key}: which {section}? Name it: {section}.NAME.{last}")]
    Which {
        /// As it was asked for.
        key: String,
        /// The section.
        section: String,
        /// The key in its section.
        last: String,
    },
    /// No item of the section has this name.
    #[error("{key}: there is no {section} {name}; there are: {}", if names.is_empty() { "none".into() } else { names.join(", ") })]
    NoSuchItem {
        /// As it was asked for.
        key: String,
        /// The section.
        section: String,
        /// The name that was not found.
        name: String,
        /// The names that there are.
        names: Vec<String>,
    },
    /// The key applies at the next start only.
    #[error(
        "{key} needs a restart: put it into a candidate and commit that (it is kept for the next \
         start), or write it to the configuration file"
    )]
    NeedsRestart {
        /// As it was asked for.
        key: String,
    },
    /// The value is of another kind.
    #[error("{key} = {value}: is not what this key takes; accepted: {accepted}")]
    Value {
        /// As it was asked for.
        key: String,
        /// As it was given, fit for a terminal.
        value: String,
        /// What is accepted.
        accepted: String,
    },
    /// The text is no TOML, or has the section in a form that cannot be changed.
    #[error("{key} cannot be set in this configuration: change its text, and commit that")]
    Form {
        /// As it was asked for.
        key: String,
    },
}

/// Where a dotted key is: `virtual_router.gateway.priority`.
struct Place<'a> {
    spec: &'static KeySpec,
    /// The section's own key: `virtual_router`, or `ha.links`.
    section: &'a str,
    /// Of a repeated section.
    name: Option<&'a str>,
    last: &'a str,
}

fn place(key: &str) -> Result<Place<'_>, SetError> {
    let unknown = |section: &str, last: &str| SetError::UnknownKey {
        key: shown(key),
        near: nearest_key(section, last),
    };
    let Some((section, last)) = key.rsplit_once('.') else {
        return Err(unknown("", key));
    };
    let repeated = REPEATED
        .iter()
        .find(|&&r| section == r || section.strip_prefix(r).is_some_and(|s| s.starts_with('.')));
    let Some(&repeated) = repeated else {
        let spec = spec(key).ok_or_else(|| unknown(section, last))?;
        return Ok(Place {
            spec,
            section,
            name: None,
            last,
        });
    };
    let spec = spec(&format!("{repeated}.{last}")).ok_or_else(|| unknown(repeated, last))?;
    match section
        .strip_prefix(repeated)
        .and_then(|s| s.strip_prefix('.'))
    {
        Some(name) if !name.is_empty() => Ok(Place {
            spec,
            section: repeated,
            name: Some(name),
            last,
        }),
        _ => Err(SetError::Which {
            key: shown(key),
            section: repeated.into(),
            last: last.into(),
        }),
    }
}

/// The text of a configuration with one value changed: a key that applies live, by its dotted name
/// (`ha.max_flaps`, `virtual_router.gateway.priority`). The value is TOML; a bare word is taken as a
/// string, and `-` takes an optional key away. Whether the value is in its range is left to
/// [`Config::parse`].
///
/// # Errors
/// [`SetError`]
pub fn set(text: &str, key: &str, value: &str) -> Result<String, SetError> {
    let place = place(key)?;
    if place.spec.applies == Applies::Restart {
        return Err(SetError::NeedsRestart { key: shown(key) });
    }
    put(text, key, &place, value)
}

fn put(text: &str, key: &str, place: &Place<'_>, value: &str) -> Result<String, SetError> {
    let form = || SetError::Form { key: shown(key) };
    let mut document = DocumentMut::from_str(text).map_err(|_| form())?;
    put_in(&mut document, key, place, value)?;
    Ok(document.to_string())
}

fn put_in(
    document: &mut DocumentMut,
    key: &str,
    place: &Place<'_>,
    value: &str,
) -> Result<(), SetError> {
    let form = || SetError::Form { key: shown(key) };
    let new = match value.trim() {
        "-" if !place.spec.required => None,
        word => Some(value_of(place.spec, key, word)?),
    };
    let table = match place.name {
        None => section(document.as_table_mut(), place.section).ok_or_else(form)?,
        Some(name) => item(document, key, place.section, name)?,
    };
    match new {
        None => drop(table.remove(place.last)),
        Some(new) => replace(table, place.last, new),
    }
    Ok(())
}

/// A value in place of another: comments around it stay.
fn replace(table: &mut dyn TableLike, key: &str, mut new: Value) {
    match table.get_mut(key).and_then(Item::as_value_mut) {
        Some(old) => {
            *new.decor_mut() = old.decor().clone();
            *old = new;
        }
        None => drop(table.insert(key, Item::Value(new))),
    }
}

/// The value, of the key's own kind and without anything around it.
fn value_of(spec: &KeySpec, key: &str, word: &str) -> Result<Value, SetError> {
    let wrong = || SetError::Value {
        key: shown(key),
        value: shown(word),
        accepted: spec.accepted(),
    };
    let read = Value::from_str(word);
    let mut value = match (spec.kind, read) {
        (Kind::Int { .. } | Kind::PowerOfTwo { .. }, Ok(value @ Value::Integer(_)))
        | (Kind::Bool { .. }, Ok(value @ Value::Boolean(_)))
        | (Kind::Choice { .. } | Kind::Text { .. }, Ok(value @ Value::String(_)))
        | (Kind::List { .. }, Ok(value @ Value::Array(_))) => value,
        (Kind::Choice { .. } | Kind::Text { .. }, _)
            if !word.is_empty()
                && !word.contains(['"', '\''])
                && !word.contains(char::is_control) =>
        {
            Value::from(word)
        }
        _ => return Err(wrong()),
    };
    value.decor_mut().clear();
    Ok(value)
}

/// The table of a section, made where there is none.
fn section<'a>(root: &'a mut Table, section: &str) -> Option<&'a mut dyn TableLike> {
    let mut table: &mut dyn TableLike = root;
    for part in section.split('.') {
        if !table.contains_key(part) {
            table.insert(part, Item::Table(Table::new()));
        }
        table = table.get_mut(part)?.as_table_like_mut()?;
    }
    Some(table)
}

/// What an item of a repeated section is called.
fn name_of<'a>(table: &'a dyn TableLike, section: &str) -> Option<&'a str> {
    let key = if section == "route" { "prefix" } else { "name" };
    table.get(key)?.as_str()
}

fn item<'a>(
    document: &'a mut DocumentMut,
    key: &str,
    section: &str,
    name: &str,
) -> Result<&'a mut dyn TableLike, SetError> {
    let missing = |names: Vec<String>| SetError::NoSuchItem {
        key: shown(key),
        section: section.into(),
        name: shown(name),
        names,
    };
    let mut names = Vec::new();
    let mut found = None;
    let items: Box<dyn Iterator<Item = &mut dyn TableLike>> = match document.get_mut(section) {
        None => return Err(missing(names)),
        Some(Item::ArrayOfTables(tables)) => {
            Box::new(tables.iter_mut().map(|table| table as &mut dyn TableLike))
        }
        Some(Item::Value(Value::Array(tables))) => Box::new(
            tables
                .iter_mut()
                .filter_map(|value| value.as_inline_table_mut().map(|t| t as &mut dyn TableLike)),
        ),
        Some(_) => return Err(SetError::Form { key: shown(key) }),
    };
    for table in items {
        match name_of(table, section) {
            Some(other) if other == name => found = Some(table),
            Some(other) => names.push(shown(other)),
            None => {}
        }
    }
    found.ok_or_else(|| missing(names))
}

/// `wanted`, written so that what stands in `file` stays as it is wherever it may: only the values
/// that differ are changed, with the comments around them kept. Where that is not possible (ports or
/// other items come, go or change their order) whole tables are taken from `wanted`, and in the last
/// resort its text as it stands. What comes is always read as the same configuration as `wanted`.
#[must_use]
pub fn keeping_comments(file: &str, wanted: &str) -> String {
    let Ok(target) = Config::parse(wanted, "") else {
        return wanted.to_owned();
    };
    let same =
        |text: &String| Config::parse(text, "").is_ok_and(|loaded| loaded.config == target.config);
    let by_value = Config::parse(file, "").ok().and_then(|old| {
        let changes = Config::diff(&old.config, &target.config);
        values_changed(file, &changes)
    });
    by_value
        .filter(same)
        .or_else(|| tables_merged(file, wanted).filter(same))
        .unwrap_or_else(|| wanted.to_owned())
}

fn values_changed(file: &str, changes: &[Change]) -> Option<String> {
    let mut document = DocumentMut::from_str(file).ok()?;
    for change in changes {
        let place = place(&change.key).ok()?;
        put_in(&mut document, &change.key, &place, &change.new).ok()?;
    }
    Some(document.to_string())
}

fn tables_merged(file: &str, wanted: &str) -> Option<String> {
    let mut document = DocumentMut::from_str(file).ok()?;
    let wanted = DocumentMut::from_str(wanted).ok()?;
    merge(document.as_table_mut(), wanted.as_table());
    Some(document.to_string())
}

fn merge(to: &mut dyn TableLike, from: &dyn TableLike) {
    let gone: Vec<String> = to
        .iter()
        .map(|(key, _)| key.to_owned())
        .filter(|key| !from.contains_key(key))
        .collect();
    for key in gone {
        to.remove(&key);
    }
    for (key, new) in from.iter() {
        match to.get_mut(key) {
            None => drop(to.insert(key, placed(new))),
            Some(old) => merge_item(key, old, new),
        }
    }
}

fn merge_item(key: &str, old: &mut Item, new: &Item) {
    match (&mut *old, new) {
        (Item::ArrayOfTables(old), Item::ArrayOfTables(new)) => merge_items(key, old, new),
        (Item::Value(old), Item::Value(new)) if !old.is_inline_table() => {
            if plain(old) != plain(new) {
                let decor = old.decor().clone();
                *old = new.clone();
                *old.decor_mut() = decor;
            }
        }
        _ => match (old.as_table_like_mut(), new.as_table_like()) {
            (Some(to), Some(from)) => merge(to, from),
            _ => *old = placed(new),
        },
    }
}

fn merge_items(section: &str, old: &mut ArrayOfTables, new: &ArrayOfTables) {
    let before = std::mem::take(old);
    for table in new {
        let known = before.iter().find(|known| {
            let name = name_of(*known, section);
            name.is_some() && name == name_of(table, section)
        });
        let mut table_now = known.unwrap_or(table).clone();
        if known.is_some() {
            merge(&mut table_now, table);
        }
        table_now.set_position(None);
        old.push(table_now);
    }
}

/// A value without the spaces and comments around it.
fn plain(value: &Value) -> String {
    let mut value = value.clone();
    value.decor_mut().clear();
    value.to_string()
}

/// An item that was elsewhere in another text: it comes after what stands before it here.
fn placed(item: &Item) -> Item {
    let mut item = item.clone();
    match &mut item {
        Item::Table(table) => table.set_position(None),
        Item::ArrayOfTables(tables) => tables.iter_mut().for_each(|t| t.set_position(None)),
        _ => {}
    }
    item
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIR: &str = include_str!("../examples/pair-a.toml");
    const L3: &str = include_str!("../examples/l3.toml");

    #[test]
    fn a_value_is_set_and_nothing_else_of_the_text() {
        let text = set(PAIR, "ha.peer_check_interval_ms", "70").unwrap();
        let differ: Vec<_> = PAIR
            .lines()
            .zip(text.lines())
            .filter(|(a, b)| a != b)
            .collect();
        assert_eq!(differ.len(), 1, "{differ:?}");
        assert!(differ[0].1.starts_with("peer_check_interval_ms = 70"));
        let (before, after) = (
            Config::parse(PAIR, "").unwrap(),
            Config::parse(&text, "").unwrap(),
        );
        assert_eq!(Config::diff(&before.config, &after.config).len(), 1);
        assert!(text.contains("# "), "comments stay");
    }

    #[test]
    fn every_live_key_can_be_set_and_taken_away() {
        for spec in crate::schema::KEYS
            .iter()
            .filter(|k| k.applies == Applies::Live)
        {
            let (text, key) = match spec.key.strip_prefix("virtual_router.") {
                Some(last) => (L3, format!("virtual_router.gateway.{last}")),
                None => (PAIR, spec.key.to_owned()),
            };
            let value = match spec.kind {
                Kind::Int { min, .. } | Kind::PowerOfTwo { min, .. } => min.max(1).to_string(),
                Kind::Bool { default } => (!default).to_string(),
                Kind::Choice { words, .. } => words[0].to_owned(),
                Kind::Text { .. } => "/etc/twinline/other.key".into(),
                Kind::List { .. } => "[]".into(),
            };
            let new = set(text, &key, &value).unwrap();
            let loaded = Config::parse(&new, "f").unwrap_or_else(|e| panic!("{key}: {e}"));
            let away = set(&new, &key, "-").unwrap();
            let last = spec.key.rsplit_once('.').unwrap().1;
            let line = |text: &str| {
                text.lines()
                    .filter(|l| l.starts_with(&format!("{last} =")))
                    .count()
            };
            assert_eq!(line(&away) + 1, line(&new), "{key}");
            drop(loaded);
        }
    }

    #[test]
    fn sections_that_are_not_there_are_made() {
        let text = include_str!("../examples/standalone.toml");
        let new = set(text, "ha.bandwidth.minimum_bps", "5").unwrap();
        let config = Config::parse(&new, "f").unwrap().config;
        assert_eq!(config.ha.bandwidth.minimum_bps, 5);
    }

    #[test]
    fn what_cannot_be_set_is_said() {
        let said = |key: &str, value: &str| set(L3, key, value).unwrap_err().to_string();
        assert_eq!(
            said("ha.max_flap", "5"),
            "ha.max_flap: unknown key; did you mean ha.max_flaps?"
        );
        assert_eq!(
            said("max_flaps", "5"),
            "max_flaps: unknown key; did you mean ha.max_flaps?"
        );
        assert_eq!(said("", "5"), ": unknown key");
        assert_eq!(
            said("virtual_router.priority", "5"),
            "virtual_router.priority: which virtual_router? Name it: virtual_router.NAME.priority"
        );
        assert_eq!(
            said("virtual_router.gate.priority", "5"),
            "virtual_router.gate.priority: there is no virtual_router gate; there are: gateway, \
             gateway6, uplink"
        );
        assert_eq!(
            said("virtual_router.gateway.priorty", "5"),
            "virtual_router.gateway.priorty: unknown key; did you mean virtual_router.priority?"
        );
        assert!(said("ha.mode", "standalone").starts_with("ha.mode needs a restart: "));
        for value in ["x", "true", "\"5\"", "5.5", "", "5 6", "5\n[x]", "-", "[5]"] {
            // `-` takes it away, which is no error for an optional key
            if value == "-" {
                continue;
            }
            let text = said("ha.max_flaps", value);
            assert!(
                text.ends_with("accepted: 0 to 1000 (0 = no limit)"),
                "{text}"
            );
            assert!(!text.contains('\n'), "{text}");
        }
        assert!(said("ha.preempt", "1").ends_with("accepted: true or false"));
        assert!(said("ha.on_max_flaps", "a\nb").contains("accepted: \"bypass\""));
        assert!(set("a = [", "ha.max_flaps", "5").is_err());
        assert!(set("ha = 5", "ha.max_flaps", "5").is_err());
        assert!(set("virtual_router = 5", "virtual_router.a.priority", "5").is_err());
    }

    #[test]
    fn a_bare_word_is_a_string() {
        let new = set(PAIR, "ha.on_max_flaps", " tap ").unwrap();
        assert!(new.contains("on_max_flaps = \"tap\""), "{new}");
    }

    fn reads_as(text: &str, wanted: &str) {
        let config = |text: &str| Config::parse(text, "f").unwrap().config;
        assert_eq!(config(text), config(wanted), "{text}");
    }

    #[test]
    fn a_save_changes_only_what_differs() {
        // what `show config` gives: every default spelt out, no comment
        let mut config = Config::parse(PAIR, "f").unwrap().config;
        config.ha.max_flaps = 3;
        config.ha.preempt = !config.ha.preempt;
        let wanted = config.to_toml().unwrap();
        let saved = keeping_comments(PAIR, &wanted);
        reads_as(&saved, &wanted);
        let differ = PAIR.lines().zip(saved.lines()).filter(|(a, b)| a != b);
        assert_eq!(differ.count(), 2, "{saved}");
        assert_eq!(keeping_comments(PAIR, PAIR), PAIR);
    }

    #[test]
    fn items_that_come_and_go_are_saved_too() {
        let more = format!(
            "{PAIR}\n[[port]]\nname = \"more0\"\nvdev = \"net_null7\"\n\n[[port]]\nname = \"more1\"\n\
             vdev = \"net_null8\"\n[[link_pair]]\nname = \"more\"\nlan = \"more0\"\nwan = \"more1\"\n"
        );
        let there = keeping_comments(PAIR, &more);
        reads_as(&there, &more);
        assert!(there.contains("# DPDK's environment"), "{there}");
        let back = keeping_comments(&more, PAIR);
        reads_as(&back, PAIR);
        assert!(back.contains("# DPDK's environment"));
        for (file, wanted) in [
            (L3, PAIR),
            (PAIR, L3),
            ("", PAIR),
            ("[", L3),
            ("ha = 5", L3),
        ] {
            reads_as(&keeping_comments(file, wanted), wanted);
        }
    }
}
