//! Which boards there are, and how they are recognised.

use std::fmt;

use crate::CardError;

/// A family of NICs: it decides where a board's pins are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// 82546, 82571 and copper 82575 / 82576.
    Classic,
    /// 82575 / 82576 with fiber.
    Fiber82575,
    /// 82580 and I350.
    I350,
    /// 82598.
    X82598,
    /// 82599.
    X82599,
    /// X540.
    X540,
}

impl Family {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::Classic,
        Self::Fiber82575,
        Self::I350,
        Self::X82598,
        Self::X82599,
        Self::X540,
    ];
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Classic => "82546/82571/82575",
            Self::Fiber82575 => "82575/82576 fiber",
            Self::I350 => "82580/I350",
            Self::X82598 => "82598",
            Self::X82599 => "82599",
            Self::X540 => "X540",
        })
    }
}

/// What a board's cables are made of: some sense pins depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Media {
    /// Copper.
    Copper,
    /// Fiber.
    Fiber,
}

/// What must be known of a board before the first word with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Board {
    /// Its NIC's family.
    pub family: Family,
    /// Its cables.
    pub media: Media,
}

/// The subsystem vendors under which these boards are sold: Silicom, and three that rebrand them.
pub const SUBSYSTEM_VENDORS: [u16; 4] = [0x1374, 0x1B2E, 0x1304, 0x13B8];

/// Intel.
const VENDOR: u16 = 0x8086;

/// Subsystem ids, first and last.
type Range = (u16, u16);

/// 82571 and 82575 boards.
const PCIE: &[Range] = &[(0x0037, 0x0058)];
/// 82576 boards.
const R82576: &[Range] = &[(0x0300, 0x0360), (0x0400, 0x0440), (0x0B40, 0x0B7F)];
/// 82580 boards.
const R82580: &[Range] = &[(0x0380, 0x0393), (0x0460, 0x0474)];
/// I350 boards. Where the last range ends is not known: at the block's end here.
const R350: &[Range] = &[(0x03C0, 0x03E0), (0x04D0, 0x04D3), (0x0AA0, 0x0AFF)];
/// 82599 boards.
const R82599: &[Range] = &[(0x0120, 0x0135), (0x0481, 0x0493)];
/// X540 boards.
const R540: &[Range] = &[(0x01A0, 0x01A0), (0x01A4, 0x01A4), (0x0480, 0x0480)];

/// Device id, family, media, and the subsystem ids of boards with relays.
const BOARDS: &[(u16, Family, Media, &[Range])] = &[
    (0x105E, Family::Classic, Media::Copper, PCIE),
    (0x105F, Family::Classic, Media::Fiber, PCIE),
    (0x10A7, Family::Classic, Media::Copper, PCIE),
    (0x10A9, Family::Fiber82575, Media::Fiber, PCIE),
    (0x10C9, Family::Classic, Media::Copper, R82576),
    (0x10E6, Family::Fiber82575, Media::Fiber, R82576),
    (0x10E7, Family::Fiber82575, Media::Fiber, R82576),
    (0x150E, Family::I350, Media::Copper, R82580),
    (0x150F, Family::I350, Media::Fiber, R82580),
    (0x1521, Family::I350, Media::Copper, R350),
    (0x1522, Family::I350, Media::Fiber, R350),
    (0x10FB, Family::X82599, Media::Fiber, R82599),
    (0x1528, Family::X540, Media::Copper, R540),
];

/// The board behind these PCI ids, when it is one that is known to have relays.
///
/// `None` says only that the ids are not in the table: no ids of 82546 and 82598 boards are known
/// to us, and an operator who has one names the [`Board`]. The controller's signature decides in
/// the end ([`super::Adapter::open`]), but asking for it moves pins, which on a NIC without relays
/// may mean something else: so ids come first.
#[must_use]
pub fn recognise(
    vendor: u16,
    device: u16,
    subsystem_vendor: u16,
    subsystem_device: u16,
) -> Option<Board> {
    if vendor != VENDOR || !SUBSYSTEM_VENDORS.contains(&subsystem_vendor) {
        return None;
    }
    BOARDS
        .iter()
        .find(|(id, _, _, ranges)| {
            let known = |&(first, last): &Range| (first..=last).contains(&subsystem_device);
            *id == device && ranges.iter().any(known)
        })
        .map(|&(_, family, media, _)| Board { family, media })
}

/// The PCI functions (master, slave) of the pair that this function speaks for: 0 and 1, 2 and 3.
///
/// # Errors
/// [`CardError::NotMaster`] for an odd function: the controller hangs on the even one.
pub fn master_of(function: u8) -> Result<(u8, u8), CardError> {
    if function.is_multiple_of(2) {
        Ok((function, function + 1))
    } else {
        Err(CardError::NotMaster(format!("function {function}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boards_are_recognised_by_subsystem_under_every_brand() {
        let i350 = Board {
            family: Family::I350,
            media: Media::Copper,
        };
        for vendor in [0x1374, 0x1B2E, 0x1304, 0x13B8] {
            assert_eq!(recognise(0x8086, 0x1521, vendor, 0x03C0), Some(i350));
        }
        let family = |device, subsystem| {
            recognise(0x8086, device, 0x1374, subsystem).map(|b| (b.family, b.media))
        };
        assert_eq!(family(0x105E, 0x37), Some((Family::Classic, Media::Copper)));
        assert_eq!(family(0x105F, 0x58), Some((Family::Classic, Media::Fiber)));
        assert_eq!(
            family(0x10A9, 0x40),
            Some((Family::Fiber82575, Media::Fiber))
        );
        assert_eq!(
            family(0x10C9, 0xB7F),
            Some((Family::Classic, Media::Copper))
        );
        assert_eq!(
            family(0x10E6, 0x400),
            Some((Family::Fiber82575, Media::Fiber))
        );
        assert_eq!(family(0x150F, 0x474), Some((Family::I350, Media::Fiber)));
        assert_eq!(family(0x10FB, 0x135), Some((Family::X82599, Media::Fiber)));
        assert_eq!(family(0x1528, 0x1A4), Some((Family::X540, Media::Copper)));
    }

    #[test]
    fn a_plain_nic_is_no_card() {
        assert_eq!(
            recognise(0x8086, 0x1521, 0x8086, 0x03C0),
            None,
            "Intel's own"
        );
        assert_eq!(
            recognise(0x8086, 0x1521, 0x1374, 0x03E1),
            None,
            "past the range"
        );
        assert_eq!(
            recognise(0x8086, 0x1528, 0x1374, 0x01A1),
            None,
            "between two"
        );
        assert_eq!(
            recognise(0x14E4, 0x1521, 0x1374, 0x03C0),
            None,
            "not Intel's chip"
        );
        assert_eq!(
            recognise(0x8086, 0x1533, 0x1374, 0x03C0),
            None,
            "another chip"
        );
    }

    #[test]
    fn only_an_even_function_is_a_master() {
        assert_eq!(master_of(0), Ok((0, 1)));
        assert_eq!(master_of(2), Ok((2, 3)));
        assert!(matches!(master_of(1), Err(CardError::NotMaster(_))));
        assert!(matches!(master_of(3), Err(CardError::NotMaster(_))));
    }
}
