use core::fmt;
use core::str::FromStr;

/// An Ethernet (EUI-48) address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// `ff:ff:ff:ff:ff:ff`.
    pub const BROADCAST: Mac = Mac([0xff; 6]);

    /// Whether the address names a group (multicast or broadcast): bit 0 of the first byte.
    #[must_use]
    pub const fn is_group(self) -> bool {
        self.0[0] & 1 == 1
    }

    /// Whether all six bytes are 0.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0 == [0; 6]
    }
}

impl From<[u8; 6]> for Mac {
    fn from(bytes: [u8; 6]) -> Mac {
        Mac(bytes)
    }
}

impl From<Mac> for [u8; 6] {
    fn from(mac: Mac) -> [u8; 6] {
        mac.0
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        f.pad(
            stack_text(format_args!(
                "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}"
            ))
            .as_str(),
        )
    }
}

/// Seventeen characters on the stack, so that width and alignment of the format string apply.
fn stack_text(text: fmt::Arguments<'_>) -> arrayvec::ArrayString<17> {
    let mut out = arrayvec::ArrayString::new();
    // Six two-digit bytes and five colons are exactly 17 characters: it always fits.
    let _ = fmt::write(&mut out, text);
    out
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The text is not six bytes in hexadecimal, separated by `:` (or all by `-`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a MAC address: six two-digit hexadecimal bytes are accepted, like 02:00:00:00:00:0a")]
pub struct ParseMacError;

impl FromStr for Mac {
    type Err = ParseMacError;

    fn from_str(text: &str) -> Result<Mac, ParseMacError> {
        let separator = if text.contains('-') { '-' } else { ':' };
        let mut bytes = [0u8; 6];
        let mut parts = text.split(separator);
        for byte in &mut bytes {
            let part = parts.next().ok_or(ParseMacError)?;
            // `from_str_radix` accepts a sign: the digits are checked first.
            if part.len() != 2 || !part.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(ParseMacError);
            }
            *byte = u8::from_str_radix(part, 16).map_err(|_| ParseMacError)?;
        }
        if parts.next().is_some() {
            return Err(ParseMacError);
        }
        Ok(Mac(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trip() {
        let mac = Mac([0x02, 0, 0xab, 0xcd, 0xef, 0x0a]);
        assert_eq!(mac.to_string(), "02:00:ab:cd:ef:0a");
        assert_eq!("02:00:ab:cd:ef:0a".parse(), Ok(mac));
        assert_eq!("02-00-AB-CD-EF-0A".parse(), Ok(mac));
        assert_eq!(format!("{mac:>19}"), "  02:00:ab:cd:ef:0a");
        assert_eq!(format!("{mac:?}"), "02:00:ab:cd:ef:0a");
    }

    #[test]
    fn bad_text_is_refused() {
        for text in [
            "",
            "02:00:ab:cd:ef",
            "02:00:ab:cd:ef:0a:0b",
            "2:0:ab:cd:ef:0a",
            "02:00:ab:cd:ef:0g",
            "+2:00:ab:cd:ef:0a",
            "02:00-ab:cd:ef:0a",
            "0200abcdef0a",
            "02:00:ab:cd:ef:0a ",
            "é2:00:ab:cd:ef:0a",
        ] {
            assert_eq!(text.parse::<Mac>(), Err(ParseMacError), "{text}");
        }
    }

    #[test]
    fn kinds_of_addresses() {
        assert!(Mac::BROADCAST.is_group());
        assert!(Mac([1, 0, 0x5e, 0, 0, 1]).is_group());
        assert!(!Mac([2, 0, 0, 0, 0, 1]).is_group());
        assert!(Mac::default().is_zero());
        assert!(!Mac([0, 0, 0, 0, 0, 1]).is_zero());
    }
}
