//! HA settings by their names, and values as the schema has them.

use toml_edit::{Array, Value};
use twinline_config::schema::{Applies, KEYS, KeySpec, Kind};

/// Units at the end of a key, which an operator may leave out.
const UNITS: [&str; 3] = ["-ms", "-s", "-bps"];

/// A setting of `[ha]`, `[ha.links]` or `[ha.bandwidth]`.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its key.
    pub spec: &'static KeySpec,
}

impl Setting {
    /// `peer-check-interval`, `links-interval`: the key without its unit.
    pub fn name(self) -> String {
        let full = self.full();
        let short = UNITS.iter().find_map(|unit| full.strip_suffix(unit));
        short.map_or(full.clone(), str::to_owned)
    }

    /// With its unit: `peer-check-interval-ms`.
    fn full(self) -> String {
        dashes(self.spec.key.strip_prefix("ha.").unwrap_or(self.spec.key))
    }

    fn leaf(self) -> (String, String) {
        let leaf = |name: &str| {
            let sub = ["links-", "bandwidth-"];
            let cut = sub.iter().find_map(|s| name.strip_prefix(s));
            cut.unwrap_or(name).to_owned()
        };
        (leaf(&self.name()), leaf(&self.full()))
    }
}

/// All settings of `[ha]`, in the order of the schema.
fn all() -> impl Iterator<Item = Setting> {
    let ha = KEYS.iter().filter(|spec| spec.key.starts_with("ha."));
    ha.map(|spec| Setting { spec })
}

/// The names of those that apply live.
pub fn live_names() -> Vec<String> {
    let live = all().filter(|s| s.spec.applies == Applies::Live);
    live.map(Setting::name).collect()
}

/// What a key or a setting accepts, and what it is; `None` for one that is not known.
pub fn accepted(key: &str) -> Option<String> {
    let spec = twinline_config::schema::spec(&key.replace('-', "_"))
        .or_else(|| setting(key).ok().map(|setting| setting.spec))?;
    Some(format!("{}: {}", spec.accepted(), spec.help))
}

/// The settings that apply live and begin so, each with what it accepts and what it is.
pub fn described(begin: &str) -> Vec<(String, String)> {
    let live = all().filter(|s| s.spec.applies == Applies::Live);
    live.map(|s| (s.name(), format!("{}: {}", s.spec.accepted(), s.spec.help)))
        .filter(|(name, _)| name.starts_with(begin))
        .collect()
}

fn dashes(text: &str) -> String {
    text.replace(['_', '.'], "-")
}

/// The setting that a name, a key, or an unambiguous beginning of a name means.
///
/// # Errors
/// One line that says what is known.
pub fn setting(text: &str) -> Result<Setting, String> {
    let wanted = dashes(text);
    let wanted = wanted.strip_prefix("ha-").unwrap_or(&wanted);
    let exact = all().find(|s| s.name() == wanted || s.full() == wanted);
    if let Some(found) = exact {
        return Ok(found);
    }
    let by_leaf = |s: &Setting| {
        let (short, full) = s.leaf();
        short == wanted || full == wanted
    };
    let mut found: Vec<Setting> = all().filter(by_leaf).collect();
    if found.is_empty() {
        found = all().filter(|s| s.full().starts_with(wanted)).collect();
    }
    match found.as_slice() {
        [one] if !wanted.is_empty() => Ok(*one),
        [] | [_] => {
            let names: Vec<String> = all().map(Setting::name).collect();
            let near = twinline_config::nearest(wanted, names.iter().map(String::as_str));
            let near = near.map_or_else(String::new, |near| format!(" (perhaps {near:?})"));
            Err(format!(
                "no HA setting {text:?}{near}; known: {}",
                live_names().join(", ")
            ))
        }
        many => {
            let names: Vec<String> = many.iter().map(|s| s.name()).collect();
            Err(format!("{text:?} is ambiguous: {}", names.join(", ")))
        }
    }
}

/// The key and the value, as TOML, that `set ha NAME VALUE` sends.
///
/// # Errors
/// One line: an unknown name, a value that is not accepted, a key that does not apply live.
pub fn live(name: &str, text: &str) -> Result<(String, String), String> {
    let Setting { spec } = setting(name)?;
    let value = value(spec, text)?;
    if spec.applies != Applies::Live {
        return Err(format!(
            "{} applies at the next start only: change it in `configure`, and commit",
            spec.key
        ));
    }
    Ok((spec.key.into(), value.to_string().trim().to_owned()))
}

/// The value that `raw` means for a key: TOML, a bare word for a string, `on` and `off`.
///
/// # Errors
/// One line that says what is accepted.
pub fn value(spec: &KeySpec, raw: &str) -> Result<Value, String> {
    let wrong = || format!("{} = {raw}: accepted: {}", spec.key, spec.accepted());
    let parsed = raw.parse::<Value>().ok().map(|mut value| {
        value.decor_mut().clear();
        value
    });
    let text = match &parsed {
        Some(Value::String(text)) => text.value().clone(),
        _ => raw.to_owned(),
    };
    match spec.kind {
        Kind::Int { min, max, .. } => match parsed.as_ref().and_then(Value::as_integer) {
            Some(number) if (min..=max).contains(&number) => Ok(Value::from(number)),
            _ => Err(wrong()),
        },
        Kind::PowerOfTwo { min, max, .. } => match parsed.as_ref().and_then(Value::as_integer) {
            Some(number) if (min..=max).contains(&number) && number.count_ones() == 1 => {
                Ok(Value::from(number))
            }
            _ => Err(wrong()),
        },
        Kind::Bool { .. } => match text.as_str() {
            "true" | "on" | "yes" => Ok(Value::from(true)),
            "false" | "off" | "no" => Ok(Value::from(false)),
            _ => Err(wrong()),
        },
        Kind::Choice { words, .. } if words.contains(&text.as_str()) => Ok(Value::from(text)),
        Kind::Choice { .. } => Err(wrong()),
        Kind::Text { .. } if text.is_empty() => Err(wrong()),
        Kind::Text { .. } => Ok(Value::from(text)),
        Kind::List { max, .. } => {
            let list = match parsed {
                Some(Value::Array(list)) => list,
                _ => bare_list(&text),
            };
            if list.len() > max {
                return Err(wrong());
            }
            Ok(Value::Array(list))
        }
    }
}

/// `1, 2` or `a b`, without brackets.
fn bare_list(text: &str) -> Array {
    let words = text.split([',', ' ', '\t']).filter(|word| !word.is_empty());
    words
        .map(|word| match word.parse::<i64>() {
            Ok(number) => Value::from(number),
            Err(_) => Value::from(word),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_a_name_of_its_own() {
        let names: Vec<String> = all().map(Setting::name).collect();
        for (setting, name) in all().zip(&names) {
            assert_eq!(names.iter().filter(|n| *n == name).count(), 1, "{name}");
            for written in [
                name.clone(),
                setting.full(),
                setting.spec.key.to_owned(),
                name.replace('-', "_"),
            ] {
                let found = super::setting(&written).unwrap();
                assert_eq!(found.spec.key, setting.spec.key, "{written}");
            }
        }
        let names = live_names().join(" ");
        assert!(
            names.starts_with("key-file next-key-file peer-check-interval "),
            "{names}"
        );
        assert!(names.ends_with(" bandwidth-enabled bandwidth-minimum bandwidth-interval"));
    }

    #[test]
    fn short_names() {
        let key = |text: &str| setting(text).map(|s| s.spec.key);
        assert_eq!(key("peer-check"), Ok("ha.peer_check_interval_ms"));
        assert_eq!(key("minimum-active"), Ok("ha.links.minimum_active"));
        assert_eq!(key("links.settle"), Ok("ha.links.settle_ms"));
        assert_eq!(key("minimum-bps"), Ok("ha.bandwidth.minimum_bps"));
        assert_eq!(
            key("interval").unwrap_err(),
            "\"interval\" is ambiguous: links-interval, bandwidth-interval"
        );
        assert!(key("max-flap").is_ok(), "a beginning");
        let unknown = key("max-flips").unwrap_err();
        assert!(
            unknown.starts_with("no HA setting \"max-flips\" (perhaps \"max-flaps\"); known: ")
        );
        assert!(key("").is_err());
    }

    #[test]
    fn values_are_those_of_the_schema() {
        let live = |name: &str, text: &str| live(name, text);
        let sent = |key: &str, value: &str| Ok((key.to_owned(), value.to_owned()));
        assert_eq!(
            live("peer-check-interval", "50"),
            sent("ha.peer_check_interval_ms", "50")
        );
        assert_eq!(live("preempt", "off"), sent("ha.preempt", "false"));
        assert_eq!(
            live("on-max-flaps", "bypass"),
            sent("ha.on_max_flaps", "\"bypass\"")
        );
        assert_eq!(
            live("key-file", "/k\"\u{7}"),
            sent("ha.key_file", "\"/k\\\"\\u0007\"")
        );
        assert_eq!(
            live("peer-check-interval", "0").unwrap_err(),
            "ha.peer_check_interval_ms = 0: accepted: 1 to 60000"
        );
        assert_eq!(
            live("on-max-flaps", "byp").unwrap_err(),
            "ha.on_max_flaps = byp: accepted: \"bypass\", \"disconnect\", \"tap\""
        );
        assert_eq!(
            live("mode", "standalone").unwrap_err(),
            "ha.mode applies at the next start only: change it in `configure`, and commit"
        );
        let workers = twinline_config::schema::spec("lcores.workers").unwrap();
        for text in ["1, 2", "[1,2]", "1 2"] {
            let list = value(workers, text).unwrap();
            assert_eq!(list.as_array().unwrap().len(), 2);
            assert_eq!(
                list.as_array().unwrap().get(1).unwrap().as_integer(),
                Some(2)
            );
        }
    }
}
