use core::fmt;
use core::str::FromStr;

/// The name of a stack: 1 to 32 printable ASCII characters, no space at either end.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct StackName {
    /// Padded with 0, as on the wire.
    padded: [u8; StackName::MAX_LEN],
}

/// The text cannot be a stack's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StackNameError {
    /// No characters at all.
    #[error("a stack name is empty: 1 to 32 printable ASCII characters are accepted")]
    Empty,
    /// More than 32 bytes.
    #[error("a stack name has {0} bytes: 1 to 32 printable ASCII characters are accepted")]
    TooLong(usize),
    /// A character outside printable ASCII, or a space at an end.
    #[error(
        "a stack name has an unfit character: 1 to 32 printable ASCII characters are accepted, \
         no space at either end"
    )]
    Character,
}

impl StackName {
    /// Bytes of the longest name.
    pub const MAX_LEN: usize = 32;

    /// Checks and takes a name.
    ///
    /// # Errors
    /// See [`StackNameError`].
    pub fn new(name: &str) -> Result<StackName, StackNameError> {
        if name.is_empty() {
            return Err(StackNameError::Empty);
        }
        let mut padded = [0; StackName::MAX_LEN];
        let place = padded
            .get_mut(..name.len())
            .ok_or(StackNameError::TooLong(name.len()))?;
        if !name.bytes().all(|byte| matches!(byte, b' '..=b'~')) || name.trim() != name {
            return Err(StackNameError::Character);
        }
        place.copy_from_slice(name.as_bytes());
        Ok(StackName { padded })
    }

    /// The name that a frame states: what cannot be printed becomes `?`, so that an operator can
    /// be shown what came from the wire. Bytes that are a fit name stay as they are.
    pub(crate) fn sanitised(wire: [u8; StackName::MAX_LEN]) -> StackName {
        let length = wire
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        let mut padded = wire;
        for byte in padded.iter_mut().take(length) {
            if !matches!(byte, b' '..=b'~') {
                *byte = b'?';
            }
        }
        StackName { padded }
    }

    /// As on the wire: padded with 0.
    pub(crate) fn to_wire(self) -> [u8; StackName::MAX_LEN] {
        self.padded
    }

    /// The name; empty only where a frame stated none.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let length = self
            .padded
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(self.padded.len());
        self.padded
            .get(..length)
            .and_then(|name| str::from_utf8(name).ok())
            .unwrap_or("")
    }
}

impl FromStr for StackName {
    type Err = StackNameError;

    fn from_str(name: &str) -> Result<StackName, StackNameError> {
        StackName::new(name)
    }
}

impl fmt::Display for StackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for StackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        let longest = "x".repeat(32);
        for name in ["a", "edge-1", "rack 7", longest.as_str()] {
            let stack = StackName::new(name).unwrap();
            assert_eq!(stack.as_str(), name);
            assert_eq!(StackName::sanitised(stack.to_wire()), stack);
        }
        assert_eq!(StackName::new(""), Err(StackNameError::Empty));
        assert_eq!(
            StackName::new(&"x".repeat(33)),
            Err(StackNameError::TooLong(33))
        );
        for name in ["a\nb", "a\0", "naïve", " a", "a ", "\x7f"] {
            assert_eq!(
                StackName::new(name),
                Err(StackNameError::Character),
                "{name:?}"
            );
        }
    }

    #[test]
    fn names_from_the_wire_are_printable() {
        let mut wire = [0; 32];
        wire[..6].copy_from_slice(b"a\x1b[\0\xffb");
        assert_eq!(StackName::sanitised(wire).as_str(), "a?[??b");
        assert_eq!(StackName::sanitised([0; 32]).as_str(), "");
        assert_eq!(StackName::sanitised([0xff; 32]).as_str(), "?".repeat(32));
    }
}
