use core::fmt;

/// One end of a link pair: the side of the local network, or the side of the wide one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The local network's side; 0 on the wire.
    Lan,
    /// The wide network's side; 1 on the wire.
    Wan,
}

impl Side {
    /// Both sides, in the order of their wire values.
    pub const BOTH: [Side; 2] = [Side::Lan, Side::Wan];

    /// The side across the pair: where a frame that came in here goes out.
    #[must_use]
    pub const fn other(self) -> Side {
        match self {
            Side::Lan => Side::Wan,
            Side::Wan => Side::Lan,
        }
    }

    /// 0 for LAN, 1 for WAN: for arrays of two, and the value on the wire.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Side::Lan => 0,
            Side::Wan => 1,
        }
    }

    /// The value on the wire.
    pub(crate) const fn to_wire(self) -> u8 {
        match self {
            Side::Lan => 0,
            Side::Wan => 1,
        }
    }

    /// The side of a wire value; `None` for anything but 0 and 1.
    pub(crate) const fn from_wire(value: u8) -> Option<Side> {
        match value {
            0 => Some(Side::Lan),
            1 => Some(Side::Wan),
            _ => None,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Side::Lan => "lan",
            Side::Wan => "wan",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_face_each_other() {
        for side in Side::BOTH {
            assert_ne!(side, side.other());
            assert_eq!(side, side.other().other());
            assert_eq!(Side::BOTH[side.index()], side);
            assert_eq!(Side::from_wire(side.to_wire()), Some(side));
        }
        assert!((2..=255).all(|value| Side::from_wire(value).is_none()));
        assert_eq!(format!("{:>5}|{}", Side::Lan, Side::Wan), "  lan|wan");
    }
}
