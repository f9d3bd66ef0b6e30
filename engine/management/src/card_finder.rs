//! From the configuration to the drivers of the link pairs' bypass cards.

use std::path::Path as FilePath;
use std::time::Duration;

use dpdk::PortHandle;
use twinline_bypass::access::{socket, sysfs, vfio};
use twinline_bypass::{Card, CardError, Path, PowerEvent, intel, pci, silicom};
use twinline_config::{BypassCard, CardKind, CardPath, Config, PciAddress, Registers};

use crate::cards::{CardHandle, CardPlan, Find};
use crate::ixgbe_card;

const SYSFS: &str = "/sys";
const DEV: &str = "/dev";
/// How long an answer over a socket may take, beyond what it is asked to wait.
const ANSWER: Duration = Duration::from_secs(1);

/// The thread of each pair's card; `None` where a pair has none. `lan_port`: the LAN port of a pair
/// by its index, for cards whose registers DPDK's driver has.
///
/// # Errors
/// When a thread cannot be started.
pub fn start(
    config: &Config,
    lan_port: impl Fn(usize) -> Option<PortHandle>,
) -> std::io::Result<Vec<Option<CardHandle>>> {
    let pairs = config.link_pairs.iter().enumerate();
    pairs
        .map(|(index, pair)| {
            let Some(card) = &pair.bypass else {
                return Ok(None);
            };
            let find = finder(card.clone(), lan_port(index));
            CardHandle::start(&label(card), plan(config, card), find).map(Some)
        })
        .collect()
}

/// What is looked for, until it is found.
fn label(card: &BypassCard) -> String {
    let kind = match card.card {
        CardKind::Silicom => "silicom",
        CardKind::Intel => "intel",
        CardKind::IntelPmd => "intel-pmd",
    };
    match (&card.registers, &card.device) {
        (Registers::Socket(path), _) => format!("{kind} at {}", path.display()),
        (_, Some(device)) => format!("{kind} at {device}"),
        (_, None) => kind.into(),
    }
}

/// The card's path, as its driver names it.
fn path(path: CardPath) -> Path {
    match path {
        CardPath::Inline => Path::Inline,
        CardPath::Bypass => Path::Bypass,
        CardPath::Disconnect => Path::Disconnect,
        CardPath::Tap => Path::Tap,
    }
}

fn plan(config: &Config, card: &BypassCard) -> CardPlan {
    let mut policies = Vec::new();
    if card.watchdog().is_some() {
        let to = path(card.timeout_path(&config.ha));
        policies.push((PowerEvent::WatchdogExpired, to));
    }
    let power = [
        (PowerEvent::PowerOff, card.on_power_off),
        (PowerEvent::PowerUp, card.on_power_on),
    ];
    for (event, to) in power {
        policies.extend(to.map(|to| (event, path(to))));
    }
    CardPlan {
        watchdog: card.watchdog(),
        policies,
        before_others: card.card != CardKind::IntelPmd,
    }
}

fn finder(card: BypassCard, lan_port: Option<PortHandle>) -> Find {
    Box::new(move || match (&card.registers, card.device) {
        _ if card.card == CardKind::IntelPmd => match lan_port.clone() {
            Some(port) => ixgbe_card::open(port),
            None => Err(CardError::Access("the pair has no LAN port".into())),
        },
        (Registers::Socket(path), _) => over_socket(&card, path),
        (_, Some(device)) => on_pci(&card, device),
        (_, None) => Err(CardError::Access("no device is named".into())),
    })
}

/// A card whose registers another process serves: a modelled one, of one family each.
fn over_socket(card: &BypassCard, path: &FilePath) -> Result<Box<dyn Card>, CardError> {
    let board = socket::Remote::connect(path, ANSWER)?;
    match card.card {
        CardKind::Silicom => {
            let of = silicom::Board {
                family: silicom::Family::I350,
                media: silicom::Media::Copper,
            };
            let verified = card.power_off_verified;
            Ok(Box::new(silicom::Adapter::open(board, of, verified)?))
        }
        CardKind::Intel | CardKind::IntelPmd => {
            let family = intel::Family::X540;
            let address = card.device.map_or("0000:00:00.0".into(), |d| d.to_string());
            Ok(Box::new(intel::Adapter::open(board, family, &address)?))
        }
    }
}

fn on_pci(card: &BypassCard, device: PciAddress) -> Result<Box<dyn Card>, CardError> {
    let address = device.to_string();
    let (sys, dev) = (FilePath::new(SYSFS), FilePath::new(DEV));
    let all = pci::scan(sys)?;
    let Some(found) = all.iter().find(|found| found.address == address) else {
        return Err(CardError::Access(format!(
            "{address} is no bypass card that is known: `twinline bypass probe` lists those that are"
        )));
    };
    let same = matches!(
        (card.card, found.kind),
        (CardKind::Silicom, pci::Kind::Silicom(_)) | (CardKind::Intel, pci::Kind::Intel(_))
    );
    if !same {
        let name = found.kind.name();
        return Err(CardError::Access(format!(
            "{address} is a card of another kind: {name}"
        )));
    }
    let (master, slave) = (found.address.as_str(), found.partner.as_deref());
    let verified = card.power_off_verified;
    match card.registers {
        Registers::Vfio => pci::open(found, vfio::Bars::open(dev, sys, master, slave)?, verified),
        _ => pci::open(found, sysfs::Bars::open(sys, master, slave)?, verified),
    }
}
