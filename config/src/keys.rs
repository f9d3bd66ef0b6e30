//! Key files: who may read them, and what is in them.
//!
//! A key file is a regular file, owned by root or by the user that runs the engine, not readable,
//! writable or executable by anybody else, and holds exactly 64 hexadecimal digits (32 bytes),
//! with or without a final newline. Nothing of its content is ever shown.

use crate::types::Config;
use rustix::fs::OFlags;
use std::fmt;
use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A key of 32 bytes. Its `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Key([u8; 32]);

impl Key {
    /// The bytes, for the keyed hash.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// The keys of an instance.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Signs, and is accepted: `ha.key_file`.
    pub current: Key,
    /// Is accepted too: `ha.next_key_file`.
    pub next: Option<Key>,
}

/// Why a key file is refused; says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Cannot be opened or read.
    #[error("key file {}: cannot be read: {reason}; make one with: {}", path.display(), make(path))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// A directory, a device, a FIFO.
    #[error("key file {}: is not a regular file", path.display())]
    NotRegular {
        /// The file.
        path: PathBuf,
    },
    /// Belongs to somebody who is neither root nor the user of the engine.
    #[error("key file {}: belongs to user {owner}, who is neither root nor user {user} that runs \
        the engine; remedy: chown {user} {}", path.display(), path.display())]
    Owner {
        /// The file.
        path: PathBuf,
        /// User id of its owner.
        owner: u32,
        /// Effective user id of this process.
        user: u32,
    },
    /// Others than the owner have access.
    #[error("key file {}: mode {mode:03o} gives others access; remedy: chmod 600 {}; if others \
        could read it, replace the key", path.display(), path.display())]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not 64 hexadecimal digits.
    #[error("key file {}: {problem}; accepted: exactly 64 hexadecimal digits; make one with: {}",
        path.display(), make(path))]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong, without the content.
        problem: &'static str,
    },
}

fn make(path: &Path) -> String {
    format!("(umask 077; openssl rand -hex 32 > {})", path.display())
}

/// Digits of a key.
const DIGITS: usize = 64;

/// Reads a key file.
///
/// # Errors
/// [`KeyError`], with the remedy.
pub fn load_key(path: impl AsRef<Path>) -> Result<Key, KeyError> {
    let path = path.as_ref();
    let unreadable = |e: &std::io::Error| KeyError::Unreadable {
        path: path.to_owned(),
        reason: crate::plain(e),
    };
    // without O_NONBLOCK, opening a FIFO would wait for a writer
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)
        .map_err(|e| unreadable(&e))?;
    // of the open file: no time between check and use
    let meta = file.metadata().map_err(|e| unreadable(&e))?;
    if !meta.is_file() {
        return Err(KeyError::NotRegular {
            path: path.to_owned(),
        });
    }
    check_access(
        path,
        meta.uid(),
        meta.mode(),
        rustix::process::geteuid().as_raw(),
    )?;
    let mut text = Vec::with_capacity(DIGITS + 3);
    file.take(DIGITS as u64 + 3)
        .read_to_end(&mut text)
        .map_err(|e| unreadable(&e))?;
    decode(&text).map_err(|problem| KeyError::Content {
        path: path.to_owned(),
        problem,
    })
}

impl Config {
    /// Reads `ha.key_file` and `ha.next_key_file`; none when the file names no key.
    ///
    /// # Errors
    /// The first key file that is refused.
    pub fn load_keys(&self) -> Result<Option<Keys>, KeyError> {
        let Some(current) = &self.ha.key_file else {
            return Ok(None);
        };
        let current = load_key(current)?;
        let next = self.ha.next_key_file.as_ref().map(load_key).transpose()?;
        Ok(Some(Keys { current, next }))
    }
}

fn check_access(path: &Path, owner: u32, mode: u32, user: u32) -> Result<(), KeyError> {
    let path = || path.to_owned();
    if owner != 0 && owner != user {
        return Err(KeyError::Owner {
            path: path(),
            owner,
            user,
        });
    }
    if mode & 0o077 != 0 {
        return Err(KeyError::Mode {
            path: path(),
            mode: mode & 0o7777,
        });
    }
    Ok(())
}

fn decode(text: &[u8]) -> Result<Key, &'static str> {
    let digits = text.strip_suffix(b"\n").unwrap_or(text);
    let digits = digits.strip_suffix(b"\r").unwrap_or(digits);
    if digits.is_empty() {
        return Err("is empty");
    }
    if digits.len() < DIGITS {
        return Err("is too short");
    }
    if digits.len() > DIGITS {
        return Err("is too long");
    }
    let mut key = [0u8; 32];
    let (pairs, _) = digits.as_chunks::<2>();
    for (byte, [high, low]) in key.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    // what a forgotten placeholder looks like
    if key.iter().all(|byte| Some(byte) == key.first()) {
        return Err("repeats one byte: that is no secret");
    }
    Ok(Key(key))
}

fn digit(c: u8) -> Result<u8, &'static str> {
    match c {
        b'0'..=b'9' => Ok(c - b'0'),
        b'a'..=b'f' => Ok(c - b'a' + 10),
        b'A'..=b'F' => Ok(c - b'A' + 10),
        _ => Err("has characters other than hexadecimal digits"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    const GOOD: &str = "00112233445566778899aabbccddeeff0123456789ABCDEFfedcba9876543210";

    fn file(content: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (dir, path)
    }

    #[test]
    fn a_good_key_with_and_without_newline() {
        for end in ["", "\n", "\r\n"] {
            let (_dir, path) = file(&format!("{GOOD}{end}"), 0o600);
            let key = load_key(&path).unwrap();
            assert_eq!(key.as_bytes()[..4], [0x00, 0x11, 0x22, 0x33]);
            assert_eq!(key.as_bytes()[31], 0x10);
            assert_eq!(key.as_bytes()[22..24], [0xcd, 0xef]);
        }
        let (_dir, path) = file(GOOD, 0o400);
        assert!(load_key(path).is_ok());
    }

    #[test]
    fn debug_shows_nothing() {
        let (_dir, path) = file(GOOD, 0o600);
        assert_eq!(format!("{:?}", load_key(path).unwrap()), "Key(..)");
    }

    #[test]
    fn rule_05_a_key_file_that_others_can_read_is_refused_with_the_remedy() {
        for mode in [0o604, 0o640, 0o610, 0o602, 0o644] {
            let (_dir, path) = file(GOOD, mode);
            let message = load_key(&path).unwrap_err().to_string();
            assert_eq!(
                message,
                format!(
                    "key file {p}: mode {mode:03o} gives others access; remedy: chmod 600 {p}; \
                     if others could read it, replace the key",
                    p = path.display()
                )
            );
        }
    }

    #[test]
    fn owners() {
        let path = Path::new("/k");
        assert!(check_access(path, 0, 0o100600, 1000).is_ok());
        assert!(check_access(path, 1000, 0o100600, 1000).is_ok());
        let message = check_access(path, 1001, 0o100600, 1000)
            .unwrap_err()
            .to_string();
        assert_eq!(
            message,
            "key file /k: belongs to user 1001, who is neither root nor user 1000 that runs the \
             engine; remedy: chown 1000 /k"
        );
        assert!(matches!(
            check_access(path, 1000, 0o600, 0),
            Err(KeyError::Owner { .. })
        ));
    }

    #[test]
    fn bad_contents_are_named_and_not_shown() {
        let long = format!("{GOOD}00");
        let spaced = format!(" {GOOD}");
        let two_lines = format!("{GOOD}\n\n");
        let letter = GOOD.replace('3', "g");
        let zeros = "0".repeat(64);
        let cases = [
            ("", "is empty"),
            ("\n", "is empty"),
            (&GOOD[1..], "is too short"),
            (&long, "is too long"),
            (&spaced, "is too long"),
            (&two_lines, "is too long"),
            (&letter, "has characters other than hexadecimal digits"),
            (&zeros, "repeats one byte: that is no secret"),
        ];
        for (content, problem) in cases {
            let (_dir, path) = file(content, 0o600);
            let message = load_key(&path).unwrap_err().to_string();
            assert_eq!(
                message,
                format!(
                    "key file {p}: {problem}; accepted: exactly 64 hexadecimal digits; make one \
                     with: (umask 077; openssl rand -hex 32 > {p})",
                    p = path.display()
                )
            );
        }
    }

    #[test]
    fn directory_fifo_and_absence() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(
            load_key(dir.path()),
            Err(KeyError::NotRegular { .. })
        ));
        let fifo = dir.path().join("fifo");
        let made = std::process::Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap();
        assert!(made.success());
        assert!(matches!(load_key(&fifo), Err(KeyError::NotRegular { .. })));
        let message = load_key(dir.path().join("none")).unwrap_err().to_string();
        assert!(
            message.contains("cannot be read: no such file or directory; make one"),
            "{message}"
        );
    }
}
