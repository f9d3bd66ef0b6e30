//! The candidate of `configure`: TOML that is edited here, and put into force by the engine.

use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, TableLike};
use twinline_config::schema::{self, KEYS, KeySpec, REPEATED, SECTIONS};

use super::settings;

/// A configuration that is being changed.
#[derive(Debug, Clone)]
pub struct Candidate {
    document: DocumentMut,
    /// What it was made from.
    base: String,
    /// When that came into force, in milliseconds since 1970, where the engine says so.
    pub base_unix_ms: Option<u64>,
}

/// What a key names.
#[derive(Debug)]
enum Target {
    /// A value of a section: its path, and its key.
    Value(&'static KeySpec),
    /// A section as a whole.
    Section(&'static str),
    /// An item of a repeated section, or one of its values.
    Item {
        section: &'static str,
        name: String,
        spec: Option<&'static KeySpec>,
    },
}

impl Candidate {
    /// A candidate that is what `toml` says.
    ///
    /// # Errors
    /// One line, when it is no TOML.
    pub fn new(toml: &str, base_unix_ms: Option<u64>) -> Result<Candidate, String> {
        Ok(Candidate {
            document: parse(toml)?,
            base: toml.to_owned(),
            base_unix_ms,
        })
    }

    /// As a file.
    pub fn toml(&self) -> String {
        self.document.to_string()
    }

    /// Whether it is no longer what it was made from.
    pub fn has_changed(&self) -> bool {
        self.toml() != self.base
    }

    /// Takes another text.
    ///
    /// # Errors
    /// One line, when it is no TOML; the candidate is then as it was.
    pub fn load(&mut self, toml: &str) -> Result<(), String> {
        self.document = parse(toml)?;
        Ok(())
    }

    /// Sets a value; `raw` as an operator writes it. An item that is not there is made.
    ///
    /// # Errors
    /// One line: an unknown key, or a value that is not accepted.
    pub fn set(&mut self, key: &str, raw: &str) -> Result<(), String> {
        // `set ha max-flaps 3`, as outside of `configure`
        if key == "ha"
            && let Some((name, raw)) = raw.split_once(char::is_whitespace)
        {
            let found = settings::setting(name)?;
            return self.set(found.spec.key, raw.trim());
        }
        match target(key)? {
            Target::Section(section) => Err(format!(
                "{section} is a section: name a value of it: {}",
                keys_of(section).join(", ")
            )),
            Target::Value(spec) => {
                let value = settings::value(spec, raw)?;
                let (section, leaf) = spec.key.rsplit_once('.').unwrap_or(("", spec.key));
                let mut table: &mut dyn TableLike = self.document.as_table_mut();
                for part in section.split('.') {
                    let item = table.entry(part).or_insert_with(toml_edit::table);
                    let Some(inner) = item.as_table_like_mut() else {
                        return Err(format!("{part} is no table in the candidate"));
                    };
                    table = inner;
                }
                put(table, leaf, value);
                Ok(())
            }
            Target::Item {
                section,
                name,
                spec,
            } => {
                let Some(spec) = spec else {
                    return Err(format!(
                        "{section}.{name} is an item: name a value of it: {}",
                        keys_of(section).join(", ")
                    ));
                };
                let value = settings::value(spec, raw)?;
                let leaf = spec.key.rsplit('.').next().unwrap_or(spec.key);
                let list = self.items(section)?;
                let place = place(list, section, &name);
                let at = match place {
                    Some(at) => at,
                    None => {
                        let mut item = Table::new();
                        item.insert(name_key(section), toml_edit::value(name));
                        list.push(item);
                        list.len() - 1
                    }
                };
                if let Some(table) = list.get_mut(at) {
                    put(table, leaf, value);
                }
                Ok(())
            }
        }
    }

    /// Removes a value, a section or an item.
    ///
    /// # Errors
    /// One line: an unknown key, or nothing there.
    pub fn delete(&mut self, key: &str) -> Result<(), String> {
        let missing = || format!("{key} is not in the candidate");
        match target(key)? {
            Target::Value(spec) => {
                let (section, leaf) = spec.key.rsplit_once('.').unwrap_or(("", spec.key));
                let table = self.table(section).ok_or_else(missing)?;
                table.remove(leaf).map(|_| ()).ok_or_else(missing)
            }
            Target::Section(section) => match section.rsplit_once('.') {
                Some((outer, inner)) => {
                    let table = self.table(outer).ok_or_else(missing)?;
                    table.remove(inner).map(|_| ()).ok_or_else(missing)
                }
                None => self
                    .document
                    .remove(section)
                    .map(|_| ())
                    .ok_or_else(missing),
            },
            Target::Item {
                section,
                name,
                spec,
            } => {
                let list = self.items(section)?;
                let at = place(list, section, &name);
                let empty = list.is_empty();
                if empty {
                    self.document.remove(section);
                    return Err(missing());
                }
                let at = at.ok_or_else(missing)?;
                let list = self.items(section)?;
                match spec {
                    None => drop(list.remove(at)),
                    Some(spec) => {
                        let leaf = spec.key.rsplit('.').next().unwrap_or(spec.key);
                        let table = list.get_mut(at).ok_or_else(missing)?;
                        table.remove(leaf).ok_or_else(missing)?;
                    }
                }
                Ok(())
            }
        }
    }

    /// A part of it as text.
    ///
    /// # Errors
    /// One line: an unknown key, or nothing there.
    pub fn show(&self, key: &str) -> Result<String, String> {
        let missing = || format!("{key} is not in the candidate");
        let mut item = self.document.as_item();
        match target(key)? {
            Target::Value(spec) => {
                for part in spec.key.split('.') {
                    item = item.get(part).ok_or_else(missing)?;
                }
                Ok(format!("{} = {}\n", spec.key, item.to_string().trim()))
            }
            Target::Section(section) => {
                for part in section.split('.') {
                    item = item.get(part).ok_or_else(missing)?;
                }
                Ok(framed(section, item))
            }
            Target::Item {
                section,
                name,
                spec,
            } => {
                let list = item.get(section).and_then(Item::as_array_of_tables);
                let list = list.ok_or_else(missing)?;
                let at = place(list, section, &name).ok_or_else(missing)?;
                let table = list.get(at).ok_or_else(missing)?;
                match spec {
                    Some(spec) => {
                        let leaf = spec.key.rsplit('.').next().unwrap_or(spec.key);
                        let value = table.get(leaf).ok_or_else(missing)?;
                        Ok(format!("{leaf} = {}\n", value.to_string().trim()))
                    }
                    None => {
                        let mut one = ArrayOfTables::new();
                        one.push(table.clone());
                        Ok(framed(section, &Item::ArrayOfTables(one)))
                    }
                }
            }
        }
    }

    /// The keys that it has or could have, with the names of its items.
    pub fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = SECTIONS.iter().map(|s| (*s).to_owned()).collect();
        for spec in KEYS {
            let (section, leaf) = spec.key.rsplit_once('.').unwrap_or(("", spec.key));
            if !REPEATED.contains(&section) {
                keys.push(spec.key.to_owned());
                continue;
            }
            let list = self
                .document
                .get(section)
                .and_then(Item::as_array_of_tables);
            for table in list.into_iter().flatten() {
                if let Some(name) = table.get(name_key(section)).and_then(Item::as_str) {
                    let item = format!("{section}.{name}");
                    if leaf == name_key(section) {
                        keys.push(item);
                    } else {
                        keys.push(format!("{item}.{leaf}"));
                    }
                }
            }
        }
        keys
    }

    fn table(&mut self, section: &str) -> Option<&mut dyn TableLike> {
        let mut table: &mut dyn TableLike = self.document.as_table_mut();
        for part in section.split('.') {
            table = table.get_mut(part)?.as_table_like_mut()?;
        }
        Some(table)
    }

    fn items(&mut self, section: &str) -> Result<&mut ArrayOfTables, String> {
        let made = || Item::ArrayOfTables(ArrayOfTables::new());
        let item = self.document.entry(section).or_insert_with(made);
        item.as_array_of_tables_mut().ok_or_else(|| {
            format!("{section} is not written as [[{section}]] in the candidate: load a file where it is")
        })
    }
}

fn parse(toml: &str) -> Result<DocumentMut, String> {
    toml.parse().map_err(|error: toml_edit::TomlError| {
        let at = error.span().map_or(0, |span| span.start);
        let line = toml.bytes().take(at).filter(|b| *b == b'\n').count() + 1;
        format!(
            "line {line}: no TOML: {}",
            error.message().replace('\n', "; ")
        )
    })
}

/// Puts a value where the old one was, with the comments around it.
fn put(table: &mut dyn TableLike, leaf: &str, mut value: toml_edit::Value) {
    if let Some(old) = table.get(leaf).and_then(Item::as_value) {
        *value.decor_mut() = old.decor().clone();
    }
    table.insert(leaf, Item::Value(value));
}

/// The key by which the items of a section are named.
fn name_key(section: &str) -> &'static str {
    if section == "route" { "prefix" } else { "name" }
}

fn place(list: &ArrayOfTables, section: &str, name: &str) -> Option<usize> {
    let named = |table: &Table| table.get(name_key(section)).and_then(Item::as_str) == Some(name);
    list.iter().position(named)
}

fn keys_of(section: &str) -> Vec<&'static str> {
    let cut = |spec: &'static KeySpec| spec.key.strip_prefix(section)?.strip_prefix('.');
    KEYS.iter()
        .filter_map(cut)
        .filter(|leaf| !leaf.contains('.'))
        .collect()
}

/// A section with its heading.
fn framed(section: &str, item: &Item) -> String {
    let mut document = DocumentMut::new();
    let mut table: &mut dyn TableLike = document.as_table_mut();
    let (outer, leaf) = match section.rsplit_once('.') {
        Some((outer, leaf)) => (outer, leaf),
        None => ("", section),
    };
    for part in outer.split('.').filter(|part| !part.is_empty()) {
        let mut made = Table::new();
        made.set_implicit(true);
        let item = table.entry(part).or_insert(Item::Table(made));
        let Some(inner) = item.as_table_like_mut() else {
            return String::new();
        };
        table = inner;
    }
    table.insert(leaf, item.clone());
    document.to_string().trim_start().to_owned()
}

/// What a key names; `-` for `_` is accepted, except in the names of items.
fn target(key: &str) -> Result<Target, String> {
    let plain = key.replace('-', "_");
    for section in REPEATED {
        let Some(after) = plain.strip_prefix(section) else {
            continue;
        };
        if after.is_empty() {
            return Ok(Target::Section(section));
        }
        // of one length, so the name is cut from the key as it was written
        let (Some(_), Some(rest)) = (after.strip_prefix('.'), key.get(section.len() + 1..)) else {
            continue;
        };
        if let Some((name, leaf)) = rest.rsplit_once('.') {
            let spec = schema::spec(&format!("{section}.{}", leaf.replace('-', "_")));
            if spec.is_some() && !name.is_empty() {
                let name = name.to_owned();
                return Ok(Target::Item {
                    section,
                    name,
                    spec,
                });
            }
        }
        let looks_like_key = schema::spec(&plain).is_some();
        if looks_like_key || rest.is_empty() {
            return Err(format!(
                "{section} has items: name one, as {section}.NAME.{rest}"
            ));
        }
        let name = rest.to_owned();
        return Ok(Target::Item {
            section,
            name,
            spec: None,
        });
    }
    if let Some(spec) = schema::spec(&plain) {
        return Ok(Target::Value(spec));
    }
    if let Some(section) = SECTIONS.iter().find(|section| **section == plain) {
        return Ok(Target::Section(section));
    }
    if plain.starts_with("ha.")
        && let Ok(found) = settings::setting(&plain)
    {
        return Ok(Target::Value(found.spec));
    }
    let known = KEYS
        .iter()
        .map(|spec| spec.key)
        .chain(SECTIONS.iter().copied());
    let near = twinline_config::nearest(&plain, known)
        .map_or_else(String::new, |near| format!(" (perhaps {near})"));
    Err(format!(
        "no key {key:?}{near}; sections: {}; items are named as port.NAME.mtu",
        SECTIONS.join(", ")
    ))
}

#[cfg(test)]
mod tests;
