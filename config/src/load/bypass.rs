//! A link pair's bypass card: its keys, and what they must agree on with ports and topology.

use super::{ReadPair, ReadPort, Reader, small, socket_path};
use crate::devices::PciAddress;
use crate::read::{Section, Sink, Spot, Val};
use crate::schema::{KeySpec, spec};
use crate::types::{
    BypassCard, CardKind, CardPath, Device, Ha, Instance, Mode, Registers, Topology,
};
use std::collections::HashMap;
use std::path::PathBuf;

const CARD: &str = "link_pair.bypass_card";
const DEVICE: &str = "link_pair.bypass_device";
const REGISTERS: &str = "link_pair.bypass_registers";
const WATCHDOG: &str = "link_pair.bypass_watchdog_ms";
const ON_TIMEOUT: &str = "link_pair.bypass_on_timeout";
const ON_POWER_OFF: &str = "link_pair.bypass_on_power_off";
const ON_POWER_ON: &str = "link_pair.bypass_on_power_on";
const VERIFIED: &str = "link_pair.bypass_power_off_verified";

/// What is wrong with joined cables beside an active peer.
pub(super) const LOOP: &str =
    "joins the two cables: beside an active peer that is a loop in the parallel topology";
/// What is wrong with a tap on an Intel card.
pub(super) const NO_TAP: &str = "it has no tap";

/// The longest watchdog of an Intel card.
const INTEL_LONGEST_MS: i64 = 32_000;
/// A kick of an Intel card takes up to 1.6 s: a shorter watchdog may expire under a healthy engine.
const INTEL_SAFE_MS: i64 = 4_000;

/// The keys of a card as they are read. Nothing is known yet of the ports.
pub(super) struct ReadCard {
    kind: Val<Option<&'static str>>,
    device: Val<Option<PciAddress>>,
    registers: Val<Option<Registers>>,
    watchdog: Val<i64>,
    on_timeout: Val<Option<&'static str>>,
    on_power_off: Val<Option<&'static str>>,
    on_power_on: Val<Option<&'static str>>,
    verified: Val<bool>,
}

impl ReadCard {
    fn kind(&self) -> Option<CardKind> {
        match self.kind.v {
            Some("silicom") => Some(CardKind::Silicom),
            Some("intel") => Some(CardKind::Intel),
            Some("intel-pmd") => Some(CardKind::IntelPmd),
            _ => None,
        }
    }

    /// The keys beside `bypass_card`, and where they stand.
    fn others(&self) -> [(&'static str, Option<&Spot>); 7] {
        [
            (DEVICE, self.device.at.as_ref()),
            (REGISTERS, self.registers.at.as_ref()),
            (WATCHDOG, self.watchdog.at.as_ref()),
            (ON_TIMEOUT, self.on_timeout.at.as_ref()),
            (ON_POWER_OFF, self.on_power_off.at.as_ref()),
            (ON_POWER_ON, self.on_power_on.at.as_ref()),
            (VERIFIED, self.verified.at.as_ref()),
        ]
    }

    fn paths(&self) -> [(&'static str, &Val<Option<&'static str>>); 3] {
        [
            (ON_TIMEOUT, &self.on_timeout),
            (ON_POWER_OFF, &self.on_power_off),
            (ON_POWER_ON, &self.on_power_on),
        ]
    }

    /// The line of the card.
    fn line(&self) -> Option<usize> {
        self.kind.at.as_ref().map(|at| at.line)
    }
}

/// What one pair's card must not share with another's; and the lines where they stand.
#[derive(Default)]
struct Taken {
    devices: HashMap<PciAddress, usize>,
    sockets: HashMap<PathBuf, usize>,
}

impl Reader<'_, '_> {
    pub(super) fn card(&mut self, s: &Section<'_, '_>) -> ReadCard {
        ReadCard {
            kind: s.choice(self.sink, CARD),
            device: s.text(self.sink, DEVICE, str::parse),
            registers: s.text(self.sink, REGISTERS, registers),
            watchdog: s.int(self.sink, WATCHDOG),
            on_timeout: s.choice(self.sink, ON_TIMEOUT),
            on_power_off: s.choice(self.sink, ON_POWER_OFF),
            on_power_on: s.choice(self.sink, ON_POWER_ON),
            verified: s.flag(self.sink, VERIFIED),
        }
    }

    /// Checks the cards against themselves, the ports and each other, and puts them into their
    /// pairs.
    pub(super) fn cards(
        &mut self,
        pairs: &mut [ReadPair],
        ports: &[ReadPort],
        instance: &Instance,
    ) {
        let mut taken = Taken::default();
        for p in pairs {
            let read = &p.card;
            if !read.kind.ok {
                continue;
            }
            let Some(kind) = read.kind() else {
                self.refuse_without_card(read);
                continue;
            };
            let lan = lan_of(p, ports);
            let device = match kind {
                CardKind::IntelPmd => self.through_the_driver(read, lan),
                CardKind::Silicom | CardKind::Intel => self.device(read, kind, lan),
            };
            self.check_taken(read, device, instance, &mut taken);
            self.check_abilities(read, kind);
            p.pair.bypass = Some(BypassCard {
                card: kind,
                device,
                registers: read.registers.v.clone().unwrap_or(Registers::Sysfs),
                watchdog_ms: small(read.watchdog.v),
                on_timeout: read.on_timeout.v.and_then(path),
                on_power_off: read.on_power_off.v.and_then(path),
                on_power_on: read.on_power_on.v.and_then(path),
                power_off_verified: read.verified.v,
            });
        }
    }

    fn refuse_without_card(&mut self, read: &ReadCard) {
        for (key, at) in read.others() {
            if at.is_some() {
                let problem = "the pair has no card: set link_pair.bypass_card to \"silicom\", \
                    \"intel\" or \"intel-pmd\", or remove this key";
                self.sink.contradiction(key, at, problem);
            }
        }
    }

    /// The LAN port's address, on which DPDK's driver has the card.
    fn through_the_driver(&mut self, read: &ReadCard, lan: Lan<'_>) -> Option<PciAddress> {
        for (key, at) in [
            (DEVICE, read.device.at.as_ref()),
            (REGISTERS, read.registers.at.as_ref()),
        ] {
            if at.is_some() {
                let problem = "DPDK's driver reaches an \"intel-pmd\" card through the LAN port: \
                    remove this key, or set link_pair.bypass_card = \"intel\"";
                self.sink.contradiction(key, at, problem);
            }
        }
        let (problem, accepted) = match lan {
            Lan::Unknown => return None,
            Lan::Pci(_, address) if address.function == 0 => return Some(address),
            Lan::Pci(name, address) => (
                format!(
                    "the LAN port {name} is {address}: DPDK's driver commands the card on its \
                     function 0 only"
                ),
                format!("a LAN port with pci = \"{}\"", function_0(address)),
            ),
            Lan::NotPci(name) => (
                format!("the LAN port {name} is not on pci: DPDK's driver does not have the card"),
                "a LAN port with pci, or \"intel\" with link_pair.bypass_device".to_owned(),
            ),
        };
        let at = read.kind.at.as_ref();
        let written = at.map(|at| at.written.clone());
        self.sink
            .error(CARD, read.line(), written, problem, Some(accepted));
        None
    }

    /// `bypass_device`, or the LAN port's address; none when neither is given or good.
    fn device(&mut self, read: &ReadCard, kind: CardKind, lan: Lan<'_>) -> Option<PciAddress> {
        if !read.device.ok {
            return None;
        }
        let (address, default_of) = match (read.device.v, lan) {
            (Some(address), _) => (address, None),
            (None, Lan::Pci(name, address)) => (address, Some(name)),
            (None, Lan::Unknown) => return None,
            (None, Lan::NotPci(name)) => {
                let socket = matches!(read.registers.v, Some(Registers::Socket(_)));
                if read.registers.ok && !socket {
                    let problem = format!("is missing: the LAN port {name} is not on pci");
                    let accepted = spec(DEVICE).map(KeySpec::accepted);
                    self.sink
                        .error(DEVICE, read.line(), None, problem, accepted);
                }
                return None;
            }
        };
        let (master, why) = match kind {
            CardKind::Silicom => (
                PciAddress {
                    function: address.function & !1,
                    ..address
                },
                "a pair's card is commanded through its even function",
            ),
            CardKind::Intel | CardKind::IntelPmd => (
                function_0(address),
                "an Intel card is commanded through its function 0",
            ),
        };
        if address == master {
            return Some(address);
        }
        let at = read.device.at.as_ref();
        let line = at.map(|at| at.line).or_else(|| read.line());
        let written = at.map(|at| at.written.clone());
        let problem = match default_of {
            Some(name) => format!("is missing, and the LAN port {name} is {address}: {why}"),
            None => format!("is function {}: {why}", address.function),
        };
        let accepted = Some(format!("\"{master}\""));
        self.sink.error(DEVICE, line, written, problem, accepted);
        None
    }

    /// Each pair has a card of its own.
    fn check_taken(
        &mut self,
        read: &ReadCard,
        device: Option<PciAddress>,
        instance: &Instance,
        taken: &mut Taken,
    ) {
        if let Some(device) = device {
            let at = read.device.at.as_ref();
            let line = at.map(|at| at.line).or_else(|| read.line());
            if let Some(first) = taken.devices.get(&device) {
                let mut problem = format!("is used by another pair already, on line {first}");
                if at.is_none() {
                    problem = format!("is missing, and the LAN port's, {device}, {problem}");
                }
                let written = at.map(|at| at.written.clone());
                self.sink.error(DEVICE, line, written, problem, None);
            } else {
                taken.devices.insert(device, line.unwrap_or_default());
            }
        }
        let at = read.registers.at.as_ref();
        if let (Some(Registers::Socket(path)), Some(spot)) = (read.registers.some(), at) {
            if let Some(first) = taken.sockets.get(path) {
                let problem = format!("is used by another pair already, on line {first}");
                self.sink.contradiction(REGISTERS, at, problem);
            } else {
                taken.sockets.insert(path.clone(), spot.line);
            }
            if *path == instance.control_socket {
                let problem = "is instance.control_socket: two different paths are needed";
                self.sink.contradiction(REGISTERS, at, problem);
            }
        }
    }

    /// What no card of the kind can do.
    fn check_abilities(&mut self, read: &ReadCard, kind: CardKind) {
        for (key, word) in read.paths() {
            let (problem, accepted) = match (kind, key, word.v) {
                (CardKind::Silicom, ON_POWER_OFF, Some("disconnect" | "tap")) => (
                    "a Silicom card without power is inline or in bypass".to_owned(),
                    "\"inline\", \"bypass\"",
                ),
                (CardKind::Silicom, _, _) => continue,
                (CardKind::Intel | CardKind::IntelPmd, ON_TIMEOUT, Some("tap")) => (
                    format!("the card is Intel's: {NO_TAP}"),
                    "\"bypass\", \"disconnect\"",
                ),
                (CardKind::Intel | CardKind::IntelPmd, _, Some("tap")) => (
                    format!("the card is Intel's: {NO_TAP}"),
                    "\"inline\", \"bypass\", \"disconnect\"",
                ),
                _ => continue,
            };
            refuse(self.sink, key, word.at.as_ref(), problem, accepted.into());
        }
        if kind.is_intel() && read.watchdog.ok && read.watchdog.v > INTEL_LONGEST_MS {
            let problem = "is longer than an Intel card's longest watchdog".to_owned();
            let accepted = format!("0 to {INTEL_LONGEST_MS} (0 = no watchdog)");
            let at = read.watchdog.at.as_ref();
            refuse(self.sink, WATCHDOG, at, problem, accepted);
        }
    }

    /// What is accepted but may not be what the operator wants.
    pub(super) fn warn_of_cards(&mut self, pairs: &[ReadPair], ports: &[ReadPort], ha: &Ha) {
        for p in pairs {
            let Some(card) = &p.pair.bypass else { continue };
            self.warn_of_watchdog(&p.card, card.card);
            self.warn_of_paths(&p.card, ha);
            self.warn_of_other_ports(p, card, ports);
        }
    }

    fn warn_of_watchdog(&mut self, read: &ReadCard, kind: CardKind) {
        let at = read.watchdog.at.as_ref().or(read.kind.at.as_ref());
        let period = read.watchdog.v;
        if period == 0 {
            let message = "without a watchdog, a hung or killed engine leaves the card inline, and \
                the wire carries nothing";
            self.sink.warn(WATCHDOG, at, message);
            if read.on_timeout.given() {
                let message = "is not used: bypass_watchdog_ms is 0";
                self.sink
                    .warn(ON_TIMEOUT, read.on_timeout.at.as_ref(), message);
            }
        } else if kind.is_intel() && period < INTEL_SAFE_MS {
            let default = match read.watchdog.at {
                Some(_) => "",
                None => " (the default)",
            };
            let message = format!(
                "{period} ms{default} is short: a kick of an Intel card takes up to 1.6 s, and the \
                 watchdog may expire under a healthy engine; take {INTEL_SAFE_MS} or more"
            );
            self.sink.warn(WATCHDOG, at, message);
        }
    }

    /// Rule 14: joined cables beside an active peer are a loop; in series, open ones cut it off.
    fn warn_of_paths(&mut self, read: &ReadCard, ha: &Ha) {
        if ha.mode != Mode::ActivePassive {
            return;
        }
        for (key, word) in read.paths() {
            let message = match (ha.topology, key, word.v) {
                (Topology::Parallel, ON_TIMEOUT, Some("bypass" | "tap")) => {
                    format!("{LOOP}; absent means disconnect there")
                }
                (Topology::Parallel, _, Some("bypass" | "tap")) => LOOP.to_owned(),
                (Topology::Series, ON_TIMEOUT | ON_POWER_OFF, Some("disconnect" | "inline")) => {
                    "leaves the wire open: in the series topology the peer is on the same wire, \
                     which then carries nothing"
                        .to_owned()
                }
                _ => continue,
            };
            self.sink.warn(key, word.at.as_ref(), message);
        }
    }

    /// The card's relays are between its own two ports.
    fn warn_of_other_ports(&mut self, p: &ReadPair, card: &BypassCard, ports: &[ReadPort]) {
        let Some(device) = card.device else { return };
        let second = PciAddress {
            function: device.function | 1,
            ..device
        };
        for (side, name) in [("LAN", &p.pair.lan), ("WAN", &p.pair.wan)] {
            let port = ports.iter().find(|port| port.port.name == *name);
            if let Some(Device::Pci(address)) = port.map(|port| &port.port.device)
                && *address != device
                && *address != second
            {
                let message = format!(
                    "the card switches the cables of {device} and {second}, but the {side} port \
                     {name} is {address}"
                );
                let (key, at) = match p.card.device.at.as_ref() {
                    Some(at) => (DEVICE, Some(at)),
                    None => (CARD, p.card.kind.at.as_ref()),
                };
                self.sink.warn(key, at, message);
            }
        }
    }
}

/// What a pair's LAN port is on, with its name.
#[derive(Clone, Copy)]
enum Lan<'p> {
    Pci(&'p str, PciAddress),
    NotPci(&'p str),
    /// An error has been noted.
    Unknown,
}

fn lan_of<'p>(p: &ReadPair, ports: &'p [ReadPort]) -> Lan<'p> {
    let port = p
        .lan
        .some()
        .and_then(|name| ports.iter().find(|port| port.name.some() == Some(name)));
    match port {
        Some(ReadPort {
            port,
            device: Some(_),
            ..
        }) => match port.device {
            Device::Pci(address) => Lan::Pci(&port.name, address),
            Device::Vdev(_) => Lan::NotPci(&port.name),
        },
        _ => Lan::Unknown,
    }
}

/// Notes a fault that depends on the kind of the card.
fn refuse(sink: &mut Sink<'_>, key: &str, at: Option<&Spot>, problem: String, accepted: String) {
    let (line, written) = (at.map(|at| at.line), at.map(|at| at.written.clone()));
    sink.error(key, line, written, problem, Some(accepted));
}

fn function_0(address: PciAddress) -> PciAddress {
    PciAddress {
        function: 0,
        ..address
    }
}

fn path(word: &str) -> Option<CardPath> {
    match word {
        "inline" => Some(CardPath::Inline),
        "bypass" => Some(CardPath::Bypass),
        "disconnect" => Some(CardPath::Disconnect),
        "tap" => Some(CardPath::Tap),
        _ => None,
    }
}

fn registers(text: &str) -> Result<Registers, &'static str> {
    match text {
        "sysfs" => Ok(Registers::Sysfs),
        "vfio" => Ok(Registers::Vfio),
        _ => match text.strip_prefix("socket:") {
            Some(path) => socket_path(path).map(Registers::Socket),
            None => Err("is no way to a card's registers"),
        },
    }
}
