//! What the two cables see.

use crate::{Path, Side};

/// Something that a signal can come out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Point {
    /// The cable on port A's side.
    CableA,
    /// The cable on port B's side.
    CableB,
    /// The NIC's port A: the one of the master function.
    PortA,
    /// The NIC's port B.
    PortB,
}

/// How the relays connect the two cables and the two ports at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cable {
    /// Each cable ends at its port.
    Ports,
    /// The cables are joined, the ports see nothing.
    Joined,
    /// Everything is open. Relays that are moving are so too.
    Open,
    /// The cables are joined, and what each brings is heard at its port; ports do not transmit.
    Tapped,
}

impl Cable {
    /// The cable of relays that rest in this path.
    #[must_use]
    pub const fn of(path: Path) -> Self {
        match path {
            Path::Inline => Self::Ports,
            Path::Bypass => Self::Joined,
            Path::Disconnect => Self::Open,
            Path::Tap => Self::Tapped,
        }
    }

    /// Whether a signal from one point arrives at another.
    #[must_use]
    pub const fn carries(self, from: Point, to: Point) -> bool {
        use Point::{CableA, CableB, PortA, PortB};
        let joined = matches!((from, to), (CableA, CableB) | (CableB, CableA));
        let heard = matches!((from, to), (CableA, PortA) | (CableB, PortB));
        let sent = matches!((from, to), (PortA, CableA) | (PortB, CableB));
        match self {
            Self::Ports => heard || sent,
            Self::Joined => joined,
            Self::Open => false,
            Self::Tapped => joined || heard,
        }
    }
}

impl Point {
    /// A side's port.
    #[must_use]
    pub const fn port(side: Side) -> Self {
        match side {
            Side::A => Self::PortA,
            Side::B => Self::PortB,
        }
    }

    /// A side's cable.
    #[must_use]
    pub const fn cable(side: Side) -> Self {
        match side {
            Side::A => Self::CableA,
            Side::B => Self::CableB,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_carries_what_it_says() {
        use Point::{CableA, CableB, PortA, PortB};
        assert!(Cable::of(Path::Inline).carries(CableA, PortA));
        assert!(Cable::of(Path::Inline).carries(PortB, CableB));
        assert!(!Cable::of(Path::Inline).carries(CableA, CableB));
        assert!(Cable::of(Path::Bypass).carries(CableA, CableB));
        assert!(!Cable::of(Path::Bypass).carries(CableA, PortA));
        assert!(Cable::of(Path::Tap).carries(CableB, CableA));
        assert!(Cable::of(Path::Tap).carries(CableB, PortB));
        assert!(!Cable::of(Path::Tap).carries(PortB, CableB));
        let all = [CableA, CableB, PortA, PortB];
        let open = Cable::of(Path::Disconnect);
        assert!(!all.iter().any(|&a| all.iter().any(|&b| open.carries(a, b))));
    }
}
