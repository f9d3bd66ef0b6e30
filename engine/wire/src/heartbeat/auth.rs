use core::fmt;

use subtle::ConstantTimeEq;

/// Bytes of the tag at the end of a payload.
pub(crate) const TAG_LEN: usize = 16;

/// Parts the key of the tags from any other use of the same key file (blake3 key derivation: the
/// context is to be fixed, unique and dated).
const CONTEXT: &str = "twinline 2026-11 heartbeat tag v1";

/// A key for tags, derived from the 32 bytes of a key file.
#[derive(Clone)]
pub struct Key {
    derived: [u8; blake3::KEY_LEN],
}

impl Key {
    /// Derives the key from what the key file holds.
    #[must_use]
    pub fn derive(file_key: &[u8; 32]) -> Key {
        Key {
            derived: blake3::derive_key(CONTEXT, file_key),
        }
    }

    fn is(&self, other: &Key) -> bool {
        self.derived.ct_eq(&other.derived).into()
    }

    fn tag(&self, payload: &[u8]) -> [u8; TAG_LEN] {
        truncate(&blake3::keyed_hash(&self.derived, payload))
    }
}

/// Says that there is a key, never which.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// How payloads are signed and verified.
///
/// The tag is the first 16 bytes of a blake3 hash over all of the payload before it: keyed with a
/// key derived from the key file, or, where `ha.insecure = true`, without key: that shows damage
/// but proves no sender. The two never accept each other's frames.
#[derive(Debug, Clone, Default)]
pub struct Auth {
    /// What signs, and what verifies first; `None` is insecure.
    current: Option<Key>,
    /// A second key that verifies, while it is rotated in. Only beside a current one.
    next: Option<Key>,
}

/// Which key a frame was signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyUsed {
    /// The current key.
    Current,
    /// The next key: the peer has rotated already.
    Next,
    /// No key: both sides run insecure.
    None,
}

impl Auth {
    /// Signs with `current`; verifies with it, and with `next` while a key is rotated in.
    #[must_use]
    pub fn keyed(current: Key, next: Option<Key>) -> Auth {
        Auth {
            current: Some(current),
            next,
        }
    }

    /// No key: tags show damage only, and only frames without a key are accepted.
    #[must_use]
    pub fn insecure() -> Auth {
        Auth::default()
    }

    /// Whether frames are signed with a key.
    #[must_use]
    pub fn is_keyed(&self) -> bool {
        self.current.is_some()
    }

    /// The key that [`KeyUsed`] stands for; `None` without one.
    #[must_use]
    pub fn key(&self, used: KeyUsed) -> Option<&Key> {
        match used {
            KeyUsed::Current => self.current.as_ref(),
            KeyUsed::Next => self.next.as_ref(),
            KeyUsed::None => None,
        }
    }

    /// Whether frames signed with this key are accepted.
    #[must_use]
    pub fn accepts(&self, key: &Key) -> bool {
        [&self.current, &self.next]
            .into_iter()
            .flatten()
            .any(|ours| ours.is(key))
    }

    /// The tag of a payload whose bytes before the tag are `payload`.
    pub(crate) fn sign(&self, payload: &[u8]) -> [u8; TAG_LEN] {
        match &self.current {
            Some(key) => key.tag(payload),
            None => truncate(&blake3::hash(payload)),
        }
    }

    /// Which key the tag was made with, or `None` where it was made with none that we accept.
    pub(crate) fn verify(&self, payload: &[u8], tag: &[u8; TAG_LEN]) -> Option<KeyUsed> {
        let matches = |made: [u8; TAG_LEN]| bool::from(made.ct_eq(tag));
        match &self.current {
            None => matches(truncate(&blake3::hash(payload))).then_some(KeyUsed::None),
            Some(current) if matches(current.tag(payload)) => Some(KeyUsed::Current),
            Some(_) => {
                let next = self.next.as_ref()?;
                matches(next.tag(payload)).then_some(KeyUsed::Next)
            }
        }
    }
}

fn truncate(hash: &blake3::Hash) -> [u8; TAG_LEN] {
    // A blake3 hash has 32 bytes: the first 16 are always there.
    hash.as_bytes()
        .first_chunk::<TAG_LEN>()
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_05_keys_verify_only_their_own() {
        let (a, b) = (Key::derive(&[1; 32]), Key::derive(&[2; 32]));
        let signed_a = Auth::keyed(a.clone(), None).sign(b"said");
        let signed_b = Auth::keyed(b.clone(), None).sign(b"said");
        let unkeyed = Auth::insecure().sign(b"said");

        let rotating = Auth::keyed(a.clone(), Some(b));
        assert_eq!(rotating.verify(b"said", &signed_a), Some(KeyUsed::Current));
        assert_eq!(rotating.verify(b"said", &signed_b), Some(KeyUsed::Next));
        assert!(rotating.accepts(&a) && rotating.accepts(&Key::derive(&[2; 32])));
        assert!(!Auth::keyed(a.clone(), None).accepts(&Key::derive(&[2; 32])));
        assert!(rotating.key(KeyUsed::Next).is_some() && rotating.key(KeyUsed::None).is_none());
        assert_eq!(rotating.verify(b"said", &unkeyed), None);
        assert_eq!(rotating.verify(b"sait", &signed_a), None);
        assert_eq!(rotating.sign(b"said"), signed_a, "the current key signs");

        let only_a = Auth::keyed(a, None);
        assert_eq!(only_a.verify(b"said", &signed_b), None);
        assert_eq!(
            Auth::insecure().verify(b"said", &unkeyed),
            Some(KeyUsed::None)
        );
        assert_eq!(Auth::insecure().verify(b"said", &signed_a), None);
    }

    /// The key file's bytes are never the key itself, and never shown.
    #[test]
    fn keys_are_derived_and_not_shown() {
        let raw = truncate(&blake3::keyed_hash(&[7; 32], b"said"));
        assert_ne!(Auth::keyed(Key::derive(&[7; 32]), None).sign(b"said"), raw);
        assert_eq!(format!("{:?}", Key::derive(&[7; 32])), "Key(..)");
    }
}
