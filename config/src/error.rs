//! What is wrong with a file, in one line each.

use std::fmt;
use std::path::{Path, PathBuf};

/// More errors than this are counted, not kept.
const MAX_ERRORS: usize = 100;
/// A value longer than this is shortened in a message.
const MAX_SHOWN: usize = 80;

/// One fault of a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Error {
    /// The file as it was named by the caller.
    pub file: PathBuf,
    /// Line, from 1; none when the fault is the file as a whole.
    pub line: Option<usize>,
    /// Column in characters, from 1; only for faults of TOML's syntax.
    pub column: Option<usize>,
    /// The dotted key (`ha.links.minimum_active`), a section, or none for the whole file.
    pub key: Option<String>,
    /// The value as written, shortened and with control characters escaped.
    pub value: Option<String>,
    /// What is wrong.
    pub problem: String,
    /// What would be accepted instead.
    pub accepted: Option<String>,
}

impl Error {
    pub(crate) fn whole_file(file: &Path, problem: String) -> Self {
        Self {
            file: file.to_owned(),
            line: None,
            column: None,
            key: None,
            value: None,
            problem,
            accepted: None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        place(f, &self.file, self.line)?;
        if let Some(column) = self.column {
            write!(f, "{column}:")?;
        }
        f.write_str(" ")?;
        match (&self.key, &self.value) {
            (Some(key), Some(value)) => write!(f, "{key} = {value}: ")?,
            (Some(key), None) => write!(f, "{key}: ")?,
            _ => {}
        }
        f.write_str(&self.problem)?;
        if let Some(accepted) = &self.accepted {
            write!(f, "; accepted: {accepted}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// Something accepted that deserves a word.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warning {
    /// The file as it was named by the caller.
    pub file: PathBuf,
    /// Line, from 1; none when the key is not written in the file.
    pub line: Option<usize>,
    /// The dotted key.
    pub key: String,
    /// What to know about it.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        place(f, &self.file, self.line)?;
        write!(f, " {}: {}", self.key, self.message)
    }
}

fn place(f: &mut fmt::Formatter<'_>, file: &Path, line: Option<usize>) -> fmt::Result {
    write!(f, "{}:", file.display())?;
    if let Some(line) = line {
        write!(f, "{line}:")?;
    }
    Ok(())
}

/// All faults of one file, by line. Never empty. `Display` gives one line for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errors {
    list: Vec<Error>,
    more: usize,
}

impl Errors {
    pub(crate) fn from_one(error: Error) -> Self {
        Self {
            list: vec![error],
            more: 0,
        }
    }

    /// None when `list` is empty.
    pub(crate) fn from_list(mut list: Vec<Error>) -> Option<Self> {
        if list.is_empty() {
            return None;
        }
        // stable: faults of one line keep the order in which they were found
        list.sort_by_key(|e| (e.line, e.column));
        let more = list.len().saturating_sub(MAX_ERRORS);
        list.truncate(MAX_ERRORS);
        Some(Self { list, more })
    }

    /// The faults, by line (at most 100 are kept).
    pub fn iter(&self) -> std::slice::Iter<'_, Error> {
        self.list.iter()
    }

    /// How many faults were found, those not kept included. Never 0.
    #[must_use]
    #[allow(clippy::len_without_is_empty)] // never empty
    pub fn len(&self) -> usize {
        self.list.len() + self.more
    }
}

impl<'a> IntoIterator for &'a Errors {
    type Item = &'a Error;
    type IntoIter = std::slice::Iter<'a, Error>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Errors {
    type Item = Error;
    type IntoIter = std::vec::IntoIter<Error>;
    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.list.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        if self.more > 0 {
            write!(f, "\nand {} more errors", self.more)?;
        }
        Ok(())
    }
}

impl std::error::Error for Errors {}

/// What the file says, fit for a terminal: shortened, control characters escaped.
pub(crate) fn shown(written: &str) -> String {
    let mut out = String::new();
    for (count, c) in written.chars().enumerate() {
        if count == MAX_SHOWN {
            out.push_str("...");
            break;
        }
        if c.is_control() {
            out.extend(c.escape_default())
        } else {
            out.push(c)
        }
    }
    out
}

/// Byte offsets to lines.
#[derive(Debug)]
pub(crate) struct Lines {
    starts: Vec<usize>,
}

impl Lines {
    pub(crate) fn of(text: &str) -> Self {
        let newlines = text
            .bytes()
            .enumerate()
            .filter(|(_, b)| *b == b'\n')
            .map(|(i, _)| i + 1);
        Self {
            starts: std::iter::once(0).chain(newlines).collect(),
        }
    }

    /// Line of the byte at `offset`, from 1.
    pub(crate) fn line(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset)
    }

    /// Column of the byte at `offset`, in characters from 1.
    pub(crate) fn column(&self, text: &str, offset: usize) -> usize {
        let start = self.starts.get(self.line(offset) - 1).copied().unwrap_or(0);
        let end = offset.min(text.len());
        text.get(start..end)
            .map_or(1, |before| before.chars().count() + 1)
    }
}
