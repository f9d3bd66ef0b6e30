//! Bypass cards on PCI: which functions are one, and a look at it.

use std::io;
use std::path::Path;

use crate::access::{sysfs, vfio};
use crate::{Capabilities, Card, CardError, Delay, Observed, RegisterIo, intel, silicom};

/// The ids of a PCI function, as sysfs shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ids {
    /// Who made the chip.
    pub vendor: u16,
    /// Which chip.
    pub device: u16,
    /// Who made the board.
    pub subsystem_vendor: u16,
    /// Which board.
    pub subsystem_device: u16,
}

/// What kind of card a function belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Intel's own adapters.
    Intel(intel::Family),
    /// A board that is sold by Silicom, or under one of the brands that sell theirs; `None`: one
    /// that is not known to have relays.
    Silicom(Option<silicom::Board>),
}

impl Kind {
    /// The kind behind these ids; `None` when no bypass card is known to have them.
    #[must_use]
    pub fn recognise(ids: Ids) -> Option<Self> {
        if let Some(family) = intel::Family::recognise(ids.vendor, ids.device) {
            return Some(Self::Intel(family));
        }
        let board = silicom::recognise(
            ids.vendor,
            ids.device,
            ids.subsystem_vendor,
            ids.subsystem_device,
        );
        let brand = silicom::SUBSYSTEM_VENDORS.contains(&ids.subsystem_vendor);
        let silicom = ids.vendor == intel::VENDOR && brand;
        silicom.then_some(Self::Silicom(board))
    }

    /// Its name, for operators.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Intel(family) => family.name(),
            Self::Silicom(_) => "Silicom",
        }
    }
}

/// A pair of PCI functions that belong to a bypass card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The even function, such as `0000:03:00.0`; the odd one, where that stands alone.
    pub address: String,
    /// The odd function of the pair.
    pub partner: Option<String>,
    /// What kind of card it is.
    pub kind: Kind,
    /// Its ids.
    pub ids: Ids,
    /// Its NUMA node, where the machine has any.
    pub numa: Option<u32>,
    /// The kernel driver that has it.
    pub driver: Option<String>,
}

/// What a look at a card showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Family and firmware.
    pub name: String,
    /// What it can do.
    pub capabilities: Capabilities,
    /// How it is.
    pub observed: Observed,
}

/// The bypass cards below `sysfs` (`/sys`), by address. Nothing is touched.
///
/// # Errors
/// [`CardError::Access`] when there is no list of PCI devices.
pub fn scan(sysfs: &Path) -> Result<Vec<Found>, CardError> {
    let devices = sysfs.join("bus/pci/devices");
    let failed = |error: io::Error| {
        let folder = devices.display();
        CardError::Access(format!("PCI devices cannot be listed: {folder}: {error}"))
    };
    let mut addresses = Vec::new();
    for entry in std::fs::read_dir(&devices).map_err(failed)? {
        addresses.push(entry.map_err(failed)?.file_name().display().to_string());
    }
    addresses.sort_unstable();
    let mut found: Vec<Found> = Vec::new();
    for address in addresses {
        let device = devices.join(&address);
        // A device that goes away meanwhile has no ids any more.
        let Some(ids) = ids(&device) else { continue };
        let Some(kind) = Kind::recognise(ids) else {
            continue;
        };
        if let Some(even) = even_of(&address)
            && let Some(master) = found.iter_mut().find(|f| f.address == even)
        {
            master.partner = Some(address);
            continue;
        }
        let driver = std::fs::read_link(device.join("driver")).ok();
        found.push(Found {
            address,
            partner: None,
            kind,
            ids,
            numa: number(&device, "numa_node"),
            driver: driver.and_then(|path| Some(path.file_name()?.display().to_string())),
        });
    }
    Ok(found)
}

/// The even function of an odd one's pair.
fn even_of(address: &str) -> Option<String> {
    let (slot, function) = address.rsplit_once('.')?;
    let function: u8 = function.parse().ok()?;
    (function % 2 == 1).then(|| format!("{slot}.{}", function - 1))
}

fn ids(device: &Path) -> Option<Ids> {
    let id = |name: &str| {
        let text = std::fs::read_to_string(device.join(name)).ok()?;
        u16::from_str_radix(text.trim().strip_prefix("0x")?, 16).ok()
    };
    Some(Ids {
        vendor: id("vendor")?,
        device: id("device")?,
        subsystem_vendor: id("subsystem_vendor")?,
        subsystem_device: id("subsystem_device")?,
    })
}

/// A number that is not there, or -1, is none.
fn number(device: &Path, name: &str) -> Option<u32> {
    let text = std::fs::read_to_string(device.join(name)).ok()?;
    text.trim().parse().ok()
}

/// Reaches a card's registers, and looks at it: nothing is commanded, but a look moves the pins
/// that lead to the card's controller.
///
/// # Errors
/// [`CardError`]: why the registers cannot be reached, or what the card did not answer.
pub fn look(sysfs: &Path, dev: &Path, found: &Found) -> Result<Seen, CardError> {
    let (master, slave) = (found.address.as_str(), found.partner.as_deref());
    match sysfs::Bars::open(sysfs, master, slave) {
        Ok(bars) => look_over(found, bars),
        Err(CardError::Access(_)) if found.driver.as_deref() == Some("vfio-pci") => {
            look_over(found, vfio::Bars::open(dev, sysfs, master, slave)?)
        }
        Err(error) => Err(error),
    }
}

/// The same through registers that are there already.
///
/// # Errors
/// As [`look`].
pub fn look_over<B>(found: &Found, board: B) -> Result<Seen, CardError>
where
    B: RegisterIo + Delay + 'static,
{
    let mut card = open(found, board, false)?;
    Ok(Seen {
        observed: card.observe()?,
        name: card.name().to_owned(),
        capabilities: card.capabilities(),
    })
}

/// The driver of a card that was found. `verified`: an operator has seen its path without power.
///
/// # Errors
/// [`CardError`] of the driver that looks for it.
pub fn open<B>(found: &Found, board: B, verified: bool) -> Result<Box<dyn Card>, CardError>
where
    B: RegisterIo + Delay + 'static,
{
    match found.kind {
        Kind::Intel(family) => Ok(Box::new(intel::Adapter::open(
            board,
            family,
            &found.address,
        )?)),
        Kind::Silicom(Some(of)) => Ok(Box::new(silicom::Adapter::open(board, of, verified)?)),
        Kind::Silicom(None) => Err(CardError::NotCapable(format!(
            "no driver knows a board {:04x}:{:04x} with a NIC {:04x}:{:04x}",
            found.ids.subsystem_vendor,
            found.ids.subsystem_device,
            found.ids.vendor,
            found.ids.device,
        ))),
    }
}
