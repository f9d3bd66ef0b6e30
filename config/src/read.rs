//! Typed reading from TOML's tree: every fault is noted with its line, and reading goes on.

use crate::error::{Error, Errors, Lines, Warning, shown};
use crate::schema::{KeySpec, Kind, SECTIONS, spec};
use crate::suggest::{nearest_key, nearest_word};
use std::ops::Range;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Errors kept while reading; further ones are dropped (an error list is cut to 100 anyway).
const MAX_KEPT: usize = 1000;

/// Where a value stands, and how it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) line: usize,
    pub(crate) written: String,
}

/// A value read, or its default, or a placeholder after a fault.
#[derive(Debug, Clone)]
pub(crate) struct Val<T> {
    /// Meaningful only if `ok`.
    pub(crate) v: T,
    /// The value is valid (or a default). False: a fault has been noted already.
    pub(crate) ok: bool,
    /// Where it is written; none for a default.
    pub(crate) at: Option<Spot>,
}

impl<T> Val<T> {
    fn default_of(v: T) -> Self {
        Self {
            v,
            ok: true,
            at: None,
        }
    }
}

impl<T> Val<Option<T>> {
    /// The valid value, if there is one.
    pub(crate) fn some(&self) -> Option<&T> {
        if self.ok { self.v.as_ref() } else { None }
    }

    /// Written and valid, or written and faulty: not absent.
    pub(crate) fn given(&self) -> bool {
        self.at.is_some()
    }
}

/// Collects faults and warnings.
pub(crate) struct Sink<'a> {
    file: &'a Path,
    text: &'a str,
    lines: Lines,
    errors: Vec<Error>,
    warnings: Vec<Warning>,
}

impl<'a> Sink<'a> {
    pub(crate) fn new(file: &'a Path, text: &'a str) -> Self {
        Self {
            file,
            text,
            lines: Lines::of(text),
            errors: Vec::new(),
            warnings: Vec::new(),
        }
    }

    pub(crate) fn spot(&self, span: Range<usize>) -> Spot {
        let written = self.text.get(span.clone()).map(shown).unwrap_or_default();
        Spot {
            line: self.lines.line(span.start),
            written,
        }
    }

    /// Notes a fault.
    pub(crate) fn error(
        &mut self,
        key: &str,
        line: Option<usize>,
        value: Option<String>,
        problem: impl Into<String>,
        accepted: Option<String>,
    ) {
        if self.errors.len() < MAX_KEPT {
            self.errors.push(Error {
                file: self.file.to_owned(),
                line,
                column: None,
                key: Some(shown(key)),
                value,
                problem: problem.into(),
                accepted,
            });
        }
    }

    /// Notes a fault of a value of the schema.
    pub(crate) fn reject(&mut self, key: &str, at: Option<&Spot>, problem: impl Into<String>) {
        let accepted = spec(key).map(KeySpec::accepted);
        self.error(
            key,
            at.map(|s| s.line),
            at.map(|s| s.written.clone()),
            problem,
            accepted,
        );
    }

    /// Notes a contradiction: what is accepted is in the problem.
    pub(crate) fn contradiction(
        &mut self,
        key: &str,
        at: Option<&Spot>,
        problem: impl Into<String>,
    ) {
        self.error(
            key,
            at.map(|s| s.line),
            at.map(|s| s.written.clone()),
            problem,
            None,
        );
    }

    pub(crate) fn syntax(&mut self, error: &toml::de::Error) {
        let offset = error.span().map(|span| span.start.min(self.text.len()));
        if self.errors.len() < MAX_KEPT {
            self.errors.push(Error {
                file: self.file.to_owned(),
                line: offset.map(|o| self.lines.line(o)),
                column: offset.map(|o| self.lines.column(self.text, o)),
                key: None,
                value: None,
                problem: format!("not TOML: {}", shown(error.message())),
                accepted: None,
            });
        }
    }

    pub(crate) fn warn(&mut self, key: &str, at: Option<&Spot>, message: impl Into<String>) {
        self.warnings.push(Warning {
            file: self.file.to_owned(),
            line: at.map(|s| s.line),
            key: key.to_owned(),
            message: message.into(),
        });
    }

    /// The faults noted; one is made up should there be none.
    pub(crate) fn into_errors(self) -> Errors {
        let file = self.file;
        Errors::from_list(self.errors)
            .unwrap_or_else(|| Errors::from_one(Error::whole_file(file, "is not valid".into())))
    }

    pub(crate) fn finish(self) -> Result<Vec<Warning>, Errors> {
        let mut warnings = self.warnings;
        warnings.sort_by_key(|w| w.line);
        Errors::from_list(self.errors).map_or(Ok(warnings), Err)
    }
}

/// One table of the file, or its absence.
pub(crate) struct Section<'t, 'i> {
    pub(crate) name: &'static str,
    table: Option<&'t DeTable<'i>>,
    /// The header.
    pub(crate) at: Option<Spot>,
}

impl<'t, 'i> Section<'t, 'i> {
    /// The table `value` as section `name` (empty: the whole file); unknown keys are noted.
    pub(crate) fn of_table(
        sink: &mut Sink<'_>,
        name: &'static str,
        table: &'t DeTable<'i>,
        at: Option<Spot>,
    ) -> Self {
        for (key, value) in table {
            // a suggestion costs time: no more of them than are shown
            if sink.errors.len() >= MAX_KEPT {
                break;
            }
            let word = key.get_ref().as_ref();
            let full = join(name, word);
            let known = spec(&full).is_some() || SECTIONS.contains(&full.as_str());
            // a quoted "links.interval_ms" is one key, not a path
            if known && !word.contains('.') {
                continue;
            }
            let line = sink.spot(key.span()).line;
            let written = match value.get_ref() {
                DeValue::Table(_) | DeValue::Array(_) => None,
                _ => Some(sink.spot(value.span()).written),
            };
            let what = if name.is_empty() && written.is_none() {
                "section"
            } else {
                "key"
            };
            let nearest = if word.contains('.') {
                None
            } else {
                nearest_key(name, word)
            };
            let (problem, accepted) = match nearest {
                Some(near) => (format!("unknown {what}; did you mean {near}?"), None),
                None => (format!("unknown {what}"), Some(known_in(name))),
            };
            sink.error(&full, line.into(), written, problem, accepted);
        }
        Self {
            name,
            table: Some(table),
            at,
        }
    }

    pub(crate) fn absent(name: &'static str) -> Self {
        Self {
            name,
            table: None,
            at: None,
        }
    }

    fn entry(&self, key: &str) -> Option<&'t Spanned<DeValue<'i>>> {
        let word = key.rsplit_once('.').map_or(key, |(_, last)| last);
        let table = self.table?;
        table
            .iter()
            .find(|(k, _)| k.get_ref().as_ref() == word)
            .map(|(_, v)| v)
    }

    /// The sub-table `name`.
    pub(crate) fn sub(&self, sink: &mut Sink<'_>, name: &'static str) -> Section<'t, 'i> {
        let Some(value) = self.entry(name) else {
            return Section::absent(name);
        };
        let at = sink.spot(value.span());
        match value.get_ref() {
            DeValue::Table(table) => Section::of_table(sink, name, table, Some(at)),
            other => {
                let problem = format!("must be a section, not {}", a_type(other));
                let accepted = format!("[{name}]");
                let written = if matches!(other, DeValue::Array(_)) {
                    None
                } else {
                    Some(at.written)
                };
                sink.error(name, Some(at.line), written, problem, Some(accepted));
                Section::absent(name)
            }
        }
    }

    /// The tables of the repeated section `name`, at most `max`.
    pub(crate) fn each(
        &self,
        sink: &mut Sink<'_>,
        name: &'static str,
        max: usize,
    ) -> Vec<Section<'t, 'i>> {
        let Some(value) = self.entry(name) else {
            return Vec::new();
        };
        let at = sink.spot(value.span());
        let DeValue::Array(array) = value.get_ref() else {
            let problem = format!("must be repeated sections, not {}", a_type(value.get_ref()));
            let accepted = format!("[[{name}]], once for each");
            sink.error(name, Some(at.line), None, problem, Some(accepted));
            return Vec::new();
        };
        if let Some(over) = array.get(max) {
            let line = sink.spot(over.span()).line;
            let problem = format!("there are {}", array.len());
            sink.error(
                name,
                Some(line),
                None,
                problem,
                Some(format!("at most {max}")),
            );
        }
        let mut out = Vec::new();
        for item in array.iter().take(max) {
            let at = sink.spot(item.span());
            match item.get_ref() {
                DeValue::Table(table) => {
                    out.push(Section::of_table(sink, name, table, Some(at)));
                }
                other => {
                    let problem = format!("must be a section, not {}", a_type(other));
                    let accepted = format!("[[{name}]], once for each");
                    sink.error(
                        name,
                        Some(at.line),
                        Some(at.written),
                        problem,
                        Some(accepted),
                    );
                }
            }
        }
        out
    }

    fn missing(&self, sink: &mut Sink<'_>, spec: &KeySpec) {
        let problem = match self.table {
            Some(_) => "is missing".to_owned(),
            None => format!("is missing: there is no [{}]", self.name),
        };
        let line = self.at.as_ref().map(|s| s.line);
        sink.error(spec.key, line, None, problem, Some(spec.accepted()));
    }

    /// Reads `key`: absent gives `default`; a value goes through `read`.
    fn value<T: Default>(
        &self,
        sink: &mut Sink<'_>,
        key: &'static str,
        default: T,
        read: impl FnOnce(&mut Sink<'_>, &KeySpec, &DeValue<'i>, &Spot) -> Option<T>,
    ) -> Val<T> {
        let Some(spec) = spec(key) else {
            debug_assert!(false, "{key} is not in the schema");
            return Val {
                v: default,
                ok: false,
                at: None,
            };
        };
        let Some(value) = self.entry(key) else {
            if spec.required {
                self.missing(sink, spec);
                return Val {
                    v: default,
                    ok: false,
                    at: None,
                };
            }
            return Val::default_of(default);
        };
        let at = sink.spot(value.span());
        let read = read(sink, spec, value.get_ref(), &at);
        let ok = read.is_some();
        Val {
            v: read.unwrap_or_default(),
            ok,
            at: Some(at),
        }
    }

    /// A number of the schema's range, or its default; 0 for an optional number that is absent.
    pub(crate) fn int(&self, sink: &mut Sink<'_>, key: &'static str) -> Val<i64> {
        let default = match spec(key).map(|s| s.kind) {
            Some(
                Kind::Int {
                    default: Some(d), ..
                }
                | Kind::PowerOfTwo { default: d, .. },
            ) => d,
            _ => 0,
        };
        self.value(sink, key, default, |sink, spec, value, at| {
            let (min, max, power) = match spec.kind {
                Kind::Int { min, max, .. } => (min, max, false),
                Kind::PowerOfTwo { min, max, .. } => (min, max, true),
                _ => return None,
            };
            number(sink, spec, value, at, min, max, power)
        })
    }

    pub(crate) fn flag(&self, sink: &mut Sink<'_>, key: &'static str) -> Val<bool> {
        let default = matches!(
            spec(key).map(|s| s.kind),
            Some(Kind::Bool { default: true })
        );
        self.value(sink, key, default, |sink, spec, value, at| match value {
            DeValue::Boolean(flag) => Some(*flag),
            other => {
                sink.reject(
                    spec.key,
                    Some(at),
                    format!("must be a boolean, not {}", a_type(other)),
                );
                None
            }
        })
    }

    /// One of the schema's words; the default, or none.
    pub(crate) fn choice(
        &self,
        sink: &mut Sink<'_>,
        key: &'static str,
    ) -> Val<Option<&'static str>> {
        let Some(Kind::Choice { words, default }) = spec(key).map(|s| s.kind) else {
            debug_assert!(false, "{key} is not a choice");
            return Val {
                v: None,
                ok: false,
                at: None,
            };
        };
        self.value(sink, key, default, |sink, spec, value, at| {
            let word = string(sink, spec, value, at)?;
            if let Some(known) = words.iter().find(|known| **known == word) {
                return Some(Some(*known));
            }
            let problem = match nearest_word(word, words) {
                Some(near) => format!("unknown word; did you mean \"{near}\"?"),
                None => "unknown word".into(),
            };
            sink.reject(spec.key, Some(at), problem);
            None
        })
    }

    /// A string that `parse` accepts; none when absent.
    pub(crate) fn text<T>(
        &self,
        sink: &mut Sink<'_>,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, &'static str>,
    ) -> Val<Option<T>> {
        self.value(sink, key, None, |sink, spec, value, at| {
            match parse(string(sink, spec, value, at)?) {
                Ok(parsed) => Some(Some(parsed)),
                Err(problem) => {
                    sink.reject(spec.key, Some(at), problem);
                    None
                }
            }
        })
    }

    /// A list; `parse` reads each element and gives its own problem. What is valid is kept, also
    /// when another element is not: it may have further faults.
    pub(crate) fn list<T>(
        &self,
        sink: &mut Sink<'_>,
        key: &'static str,
        parse: impl Fn(&DeValue<'i>) -> Result<T, String>,
    ) -> Val<Vec<(T, Spot)>> {
        let mut all_good = true;
        let mut list = self.value(sink, key, Vec::new(), |sink, spec, value, at| {
            let Kind::List { max, .. } = spec.kind else {
                return None;
            };
            let DeValue::Array(array) = value else {
                sink.reject(
                    spec.key,
                    Some(at),
                    format!("must be an array, not {}", a_type(value)),
                );
                return None;
            };
            if array.len() > max {
                sink.reject(spec.key, Some(at), format!("has {} elements", array.len()));
                return None;
            }
            let mut good = Vec::new();
            for item in array.iter() {
                let at = sink.spot(item.span());
                match parse(item.get_ref()) {
                    Ok(parsed) => good.push((parsed, at)),
                    Err(problem) => sink.reject(spec.key, Some(&at), problem),
                }
            }
            all_good = good.len() == array.len();
            Some(good)
        });
        list.ok = list.ok && all_good;
        list
    }
}

fn string<'v>(
    sink: &mut Sink<'_>,
    spec: &KeySpec,
    value: &'v DeValue<'_>,
    at: &Spot,
) -> Option<&'v str> {
    match value {
        DeValue::String(text) => Some(text.as_ref()),
        other => {
            sink.reject(
                spec.key,
                Some(at),
                format!("must be a string, not {}", a_type(other)),
            );
            None
        }
    }
}

fn number(
    sink: &mut Sink<'_>,
    spec: &KeySpec,
    value: &DeValue<'_>,
    at: &Spot,
    min: i64,
    max: i64,
    power: bool,
) -> Option<i64> {
    let read = match integer(value) {
        Ok(read) => read,
        Err(problem) => {
            sink.reject(spec.key, Some(at), problem);
            return None;
        }
    };
    match read {
        Some(n) if (min..=max).contains(&n) => {
            if power && n.count_ones() != 1 {
                sink.reject(spec.key, Some(at), "is not a power of two");
                return None;
            }
            Some(n)
        }
        _ => {
            sink.reject(spec.key, Some(at), "is out of range");
            None
        }
    }
}

/// The integer; none when it does not fit 64 bits.
pub(crate) fn integer(value: &DeValue<'_>) -> Result<Option<i64>, String> {
    match value {
        DeValue::Integer(n) => Ok(i64::from_str_radix(n.as_str(), n.radix()).ok()),
        other => Err(format!("must be a whole number, not {}", a_type(other))),
    }
}

/// A TOML type with its article.
pub(crate) fn a_type(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a section",
    }
}

fn join(section: &str, key: &str) -> String {
    if section.is_empty() {
        key.to_owned()
    } else {
        format!("{section}.{key}")
    }
}

/// The known keys of a section, for a message.
fn known_in(section: &str) -> String {
    let sections = SECTIONS.iter().copied();
    let all = crate::schema::KEYS.iter().map(|k| k.key).chain(sections);
    let here = all.filter_map(|full| match (section, full.rsplit_once('.')) {
        ("", None) => Some(full),
        (s, Some((parent, last))) if s == parent => Some(last),
        _ => None,
    });
    here.collect::<Vec<_>>().join(", ")
}
