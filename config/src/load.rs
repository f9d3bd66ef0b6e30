//! From text to a valid [`Config`]: reads every section, then checks them against each other.

use crate::Loaded;
use crate::devices::{PciAddress, Vdev};
use crate::error::Errors;
use crate::read::{Section, Sink, Spot, Val, a_type, integer};
use crate::schema::{MAX_LINK_PAIRS, MAX_PORTS, MAX_SOCKET_PATH, REPEATED, SECTIONS};
use crate::types::{Config, Device, Eal, Instance, Lcores, LinkPair, Metrics, Mode, Polling, Port};
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// The multicast group when none is given: in the organisation-local scope (RFC 2365), 84.76 for
/// the letters T and L.
const DEFAULT_GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 84, 76);

/// EAL options that other keys set, and those keys.
const EAL_OPTIONS_WITH_KEYS: &[(&str, &str)] = &[
    ("-a", "port.pci"),
    ("--allow", "port.pci"),
    ("-b", "port.pci"),
    ("--block", "port.pci"),
    ("--no-pci", "port.pci"),
    ("--vdev", "port.vdev"),
    ("-l", "lcores.main"),
    ("-c", "lcores.main"),
    ("--lcores", "lcores.main"),
    ("--main-lcore", "lcores.main"),
    ("-m", "eal.memory_mb"),
    ("--no-huge", "eal.huge"),
    ("--huge-unlink", "eal.huge_unlink"),
    ("--file-prefix", "eal.file_prefix"),
    ("--telemetry", "eal.telemetry"),
    ("--no-telemetry", "eal.telemetry"),
];

pub(crate) fn parse(text: &str, path: &Path) -> Result<Loaded, Errors> {
    let mut sink = Sink::new(path, text);
    if text.len() as u64 > crate::MAX_FILE_BYTES {
        let problem = format!("is larger than {} bytes", crate::MAX_FILE_BYTES);
        return Err(Errors::from_one(crate::Error::whole_file(path, problem)));
    }
    let (root, faults) = DeTable::parse_recoverable(text);
    for fault in &faults {
        sink.syntax(fault);
    }
    if !faults.is_empty() {
        // the tree of a broken file would only give errors that follow from the first
        return Err(sink.into_errors());
    }
    let config = Reader { sink: &mut sink }.config(root.get_ref());
    if let Some(message) = config.memory_too_small() {
        sink.warn("eal.memory_mb", None, message);
    }
    sink.finish().map(|warnings| Loaded { config, warnings })
}

struct Reader<'s, 'a> {
    sink: &'s mut Sink<'a>,
}

/// A port as read, with what the checks across sections need.
struct ReadPort {
    port: Port,
    name: Val<Option<String>>,
    kernel_interface: Val<Option<String>>,
    /// The valid device's key and place.
    device: Option<(&'static str, Spot)>,
}

struct ReadPair {
    pair: LinkPair,
    name: Val<Option<String>>,
    lan: Val<Option<String>>,
    wan: Val<Option<String>>,
    card: bypass::ReadCard,
}

impl Reader<'_, '_> {
    fn config(&mut self, root: &DeTable<'_>) -> Config {
        let root = Section::of_table(self.sink, "", root, None);
        debug_assert!(REPEATED.iter().all(|r| SECTIONS.contains(r)));
        let instance = self.instance(&root);
        let eal = self.eal(&root, &instance.name);
        let ports = self.ports(&root);
        let mut pairs = self.pairs(&root);
        self.check_ports(&ports);
        self.check_pairs(&pairs, &ports);
        self.cards(&mut pairs, &ports, &instance);
        let mut interfaces = self.interfaces(&root);
        self.check_interfaces(&interfaces, &ports, &pairs);
        let lcores = self.lcores(&root, &pairs, &interfaces);
        let (ha, mode_at) = self.ha(&root, &instance, &ports, &pairs, &interfaces);
        self.warn_of_cards(&pairs, &ports, &ha);
        let l3 = self.l3(&root);
        let events = self.events(&root, &instance);
        let metrics = self.metrics(&root);
        let routers = self.virtual_routers(&root, &interfaces, &ha);
        if ha.mode == Mode::ActivePassive
            && pairs.is_empty()
            && routers.is_empty()
            && !interfaces.is_empty()
        {
            let message = "there is no [[link_pair]] and no [[virtual_router]]: nothing follows \
                the role";
            self.sink.warn("ha.mode", mode_at.as_ref(), message);
        }
        let routes = self.routes(&root, &interfaces, &routers);
        let over_ipv6 = routers.iter().filter(|r| r.router.is_ipv6());
        let ipv6 = over_ipv6
            .map(|r| r.router.interface.clone())
            .chain(l3::with_ipv6_routes(&routes))
            .collect();
        self.check_mtus(&mut interfaces, &ports, &ipv6);
        Config {
            instance,
            eal,
            lcores,
            ha,
            events,
            metrics,
            ports: ports.into_iter().map(|p| p.port).collect(),
            link_pairs: pairs.into_iter().map(|p| p.pair).collect(),
            l3,
            interfaces: interfaces.into_iter().map(|i| i.interface).collect(),
            routes,
            virtual_routers: routers.into_iter().map(|r| r.router).collect(),
        }
    }

    fn instance(&mut self, root: &Section<'_, '_>) -> Instance {
        let s = root.sub(self.sink, "instance");
        let name = s
            .text(self.sink, "instance.name", name)
            .v
            .unwrap_or_default();
        let id = s.int(self.sink, "instance.id");
        let stack = s.text(self.sink, "instance.stack", crate::load::name);
        let socket = s.text(self.sink, "instance.control_socket", socket_path);
        let group = s.text(self.sink, "instance.control_group", crate::load::name);
        let read_group = s.text(self.sink, "instance.control_read_group", crate::load::name);
        let state = s.text(self.sink, "instance.state_file", absolute);
        if let (Some(a), Some(b)) = (socket.some(), state.some())
            && a == b
        {
            self.sink.contradiction(
                "instance.state_file",
                state.at.as_ref(),
                "is also instance.control_socket: two different paths are needed",
            );
        }
        let instance = Instance {
            id: small(id.v),
            stack: stack.v.unwrap_or_default(),
            control_socket: socket
                .v
                .unwrap_or_else(|| PathBuf::from(format!("/run/twinline/{name}.sock"))),
            control_group: group.v,
            control_read_group: read_group.v,
            state_file: state
                .v
                .unwrap_or_else(|| PathBuf::from(format!("/var/lib/twinline/{name}.state"))),
            name,
        };
        if instance.control_read_group.is_some() {
            let read_socket = instance.read_socket();
            if read_socket.as_os_str().len() > MAX_SOCKET_PATH {
                let problem = "is too long for a second socket with .ro behind its name: \
                    instance.control_socket can have 104 bytes with a control_read_group";
                let at = socket.at.as_ref();
                self.sink
                    .contradiction("instance.control_socket", at, problem);
            } else if read_socket == instance.state_file {
                let problem = "is the socket of instance.control_read_group: two different paths \
                    are needed";
                let at = state.at.as_ref();
                self.sink.contradiction("instance.state_file", at, problem);
            }
        }
        instance
    }

    fn eal(&mut self, root: &Section<'_, '_>, instance: &str) -> Eal {
        let s = root.sub(self.sink, "eal");
        let prefix = s.text(self.sink, "eal.file_prefix", |t| charset(t, 64));
        let memory = s.int(self.sink, "eal.memory_mb");
        let huge = s.flag(self.sink, "eal.huge");
        let huge_unlink = s.flag(self.sink, "eal.huge_unlink");
        let telemetry = s.flag(self.sink, "eal.telemetry");
        let log_level = s.choice(self.sink, "eal.log_level");
        let extra = s.list(self.sink, "eal.extra", eal_option);
        Eal {
            file_prefix: prefix.v.unwrap_or_else(|| format!("twinline-{instance}")),
            memory_mb: small(memory.v),
            huge: huge.v,
            huge_unlink: huge_unlink.v,
            telemetry: telemetry.v,
            log_level: log_level.v.unwrap_or_default().to_owned(),
            extra: extra.v.into_iter().map(|(option, _)| option).collect(),
        }
    }

    fn metrics(&mut self, root: &Section<'_, '_>) -> Metrics {
        let s = root.sub(self.sink, "metrics");
        let address = s.text(self.sink, "metrics.address", socket_address);
        Metrics { address: address.v }
    }

    fn ports(&mut self, root: &Section<'_, '_>) -> Vec<ReadPort> {
        let sections = root.each(self.sink, "port", MAX_PORTS);
        sections.iter().map(|s| self.port(s)).collect()
    }

    fn port(&mut self, s: &Section<'_, '_>) -> ReadPort {
        let name = s.text(self.sink, "port.name", name);
        let pci = s.text(self.sink, "port.pci", str::parse::<PciAddress>);
        let vdev = s.text(self.sink, "port.vdev", str::parse::<Vdev>);
        let rx = s.int(self.sink, "port.rx_descriptors");
        let tx = s.int(self.sink, "port.tx_descriptors");
        let kernel_interface = s.text(self.sink, "port.kernel_interface", interface);
        let mtu = s.int(self.sink, "port.mtu");
        if pci.given() && vdev.given() {
            self.sink.contradiction(
                "port.vdev",
                vdev.at.as_ref(),
                "port.pci is given too: exactly one of port.pci and port.vdev is needed",
            );
        } else if !pci.given() && !vdev.given() {
            let line = s.at.as_ref().map(|at| at.line);
            let accepted = "exactly one of port.pci and port.vdev".to_owned();
            self.sink
                .error("port", line, None, "names no device", Some(accepted));
        }
        let (device, place) = match (pci.v, vdev.v) {
            (Some(address), _) => (Device::Pci(address), pci.at.map(|at| ("port.pci", at))),
            (None, Some(device)) => (Device::Vdev(device), vdev.at.map(|at| ("port.vdev", at))),
            // an error has been noted
            (None, None) => (Device::Pci(NO_PCI), None),
        };
        ReadPort {
            port: Port {
                name: name.v.clone().unwrap_or_default(),
                device,
                rx_descriptors: small(rx.v),
                tx_descriptors: small(tx.v),
                kernel_interface: kernel_interface.v.clone(),
                mtu: mtu.at.is_some().then(|| small(mtu.v)),
            },
            name,
            kernel_interface,
            device: place,
        }
    }

    fn pairs(&mut self, root: &Section<'_, '_>) -> Vec<ReadPair> {
        let sections = root.each(self.sink, "link_pair", MAX_LINK_PAIRS);
        sections
            .iter()
            .map(|s| {
                let name = s.text(self.sink, "link_pair.name", name);
                let lan = s.text(self.sink, "link_pair.lan", crate::load::name);
                let wan = s.text(self.sink, "link_pair.wan", crate::load::name);
                let card = self.card(s);
                let own = |v: &Val<Option<String>>| v.v.clone().unwrap_or_default();
                let pair = LinkPair {
                    name: own(&name),
                    lan: own(&lan),
                    wan: own(&wan),
                    // by `cards`, when the ports are known
                    bypass: None,
                };
                ReadPair {
                    pair,
                    name,
                    lan,
                    wan,
                    card,
                }
            })
            .collect()
    }

    /// Names, devices and kernel interfaces are unique.
    fn check_ports(&mut self, ports: &[ReadPort]) {
        let mut names = Seen::default();
        let mut devices = Seen::default();
        let mut interfaces = Seen::default();
        for p in ports {
            names.check(
                self.sink,
                "port.name",
                "another port",
                p.name.some(),
                p.name.at.as_ref(),
            );
            if let Some((key, at)) = &p.device {
                let device = p.port.device.dpdk_name();
                devices.check(self.sink, key, "another port", Some(&device), Some(at));
            }
            interfaces.check(
                self.sink,
                "port.kernel_interface",
                "another port",
                p.kernel_interface.some(),
                p.kernel_interface.at.as_ref(),
            );
            self.check_kernel_device(p, ports);
        }
    }

    /// Devices on kernel interfaces: not two on one; carrier comes from the kernel.
    fn check_kernel_device(&mut self, p: &ReadPort, ports: &[ReadPort]) {
        let under = |port: &Port| match &port.device {
            Device::Vdev(vdev) => vdev.kernel_interface().map(str::to_owned),
            Device::Pci(_) => None,
        };
        let Some(interface) = under(&p.port) else {
            return;
        };
        let at = p.device.as_ref().map(|(_, at)| at);
        let first = ports
            .iter()
            .find(|other| under(&other.port).as_ref() == Some(&interface));
        if let Some(first) = first
            && !std::ptr::eq(first, p)
        {
            let line = first.device.as_ref().map_or(0, |(_, at)| at.line);
            let problem = format!(
                "the interface {interface} is used by another port already, on line {line}"
            );
            self.sink.contradiction("port.vdev", at, problem);
        }
        if !p.kernel_interface.given() {
            let message = format!(
                "the driver of {} reports its link as always up; set port.kernel_interface = \
                 \"{interface}\" so that a lost carrier is seen",
                p.port.device.dpdk_name()
            );
            self.sink.warn("port.vdev", at, message);
        }
    }

    /// Pairs name existing ports, each port once.
    fn check_pairs(&mut self, pairs: &[ReadPair], ports: &[ReadPort]) {
        let mut names = Seen::default();
        let mut used = Seen::default();
        for p in pairs {
            names.check(
                self.sink,
                "link_pair.name",
                "another pair",
                p.name.some(),
                p.name.at.as_ref(),
            );
            if let (Some(lan), Some(wan)) = (p.lan.some(), p.wan.some())
                && lan == wan
            {
                let problem = "is the port of the LAN side too: a pair joins two ports";
                self.sink
                    .contradiction("link_pair.wan", p.wan.at.as_ref(), problem);
                self.port_exists("link_pair.lan", &p.lan, ports);
                used.check(
                    self.sink,
                    "link_pair.lan",
                    "another pair",
                    Some(lan),
                    p.lan.at.as_ref(),
                );
                continue;
            }
            for (key, side) in [("link_pair.lan", &p.lan), ("link_pair.wan", &p.wan)] {
                self.port_exists(key, side, ports);
                used.check(
                    self.sink,
                    key,
                    "another pair",
                    side.some(),
                    side.at.as_ref(),
                );
            }
        }
    }

    fn port_exists(&mut self, key: &str, name: &Val<Option<String>>, ports: &[ReadPort]) {
        let Some(wanted) = name.some() else { return };
        if ports.iter().any(|p| p.name.v.as_ref() == Some(wanted)) {
            return;
        }
        let mut known: Vec<&str> = ports.iter().filter_map(|p| p.name.v.as_deref()).collect();
        known.sort_unstable();
        known.dedup();
        let accepted = if known.is_empty() {
            "the name of a [[port]]; there is none".to_owned()
        } else {
            format!("one of {}", known.join(", "))
        };
        let at = name.at.as_ref();
        let (line, written) = (at.map(|s| s.line), at.map(|s| s.written.clone()));
        self.sink
            .error(key, line, written, "there is no such port", Some(accepted));
    }

    fn lcores(
        &mut self,
        root: &Section<'_, '_>,
        pairs: &[ReadPair],
        interfaces: &[l3::ReadInterface],
    ) -> Lcores {
        let items = pairs.len() + l3::ports_of(interfaces).len();
        let s = root.sub(self.sink, "lcores");
        let main = s.int(self.sink, "lcores.main");
        let polling = s.choice(self.sink, "lcores.polling");
        let workers = s.list(self.sink, "lcores.workers", core);
        let adaptive = polling.v == Some("adaptive");
        if workers.ok && workers.v.is_empty() && items > 0 {
            let at = workers.at.as_ref().or(s.at.as_ref());
            let line = at.map(|at| at.line);
            let problem = if pairs.is_empty() {
                "no worker, but there are interfaces to forward between"
            } else {
                "no worker, but there are link pairs to forward"
            };
            let accepted = "an array of core numbers, for example [1]".to_owned();
            self.sink
                .error("lcores.workers", line, None, problem, Some(accepted));
        }
        for (index, (worker, at)) in workers.v.iter().enumerate() {
            if workers
                .v
                .iter()
                .take(index)
                .any(|(other, _)| other == worker)
            {
                let problem = "is in the list twice: each worker has its own core";
                self.sink.contradiction("lcores.workers", Some(at), problem);
            }
            if main.ok && polling.ok && !adaptive && *worker == small::<usize>(main.v) {
                let problem = "is lcores.main too: a busy worker would starve the management core; \
                    take another core, or lcores.polling = \"adaptive\"";
                self.sink.contradiction("lcores.workers", Some(at), problem);
            }
            if index >= items {
                let message =
                    format!("the worker on core {worker} has no link pair or interface to carry");
                self.sink.warn("lcores.workers", Some(at), message);
            }
        }
        Lcores {
            main: small(main.v),
            workers: workers.v.into_iter().map(|(core, _)| core).collect(),
            polling: if adaptive {
                Polling::Adaptive
            } else {
                Polling::Busy
            },
        }
    }
}

mod bypass;
mod events;
mod ha;
mod l3;
mod routes;
mod virtual_routers;

/// Values of which each may stand once.
#[derive(Default)]
struct Seen(HashMap<String, usize>);

impl Seen {
    fn check(
        &mut self,
        sink: &mut Sink<'_>,
        key: &str,
        whose: &str,
        value: Option<&String>,
        at: Option<&Spot>,
    ) {
        let (Some(value), Some(at)) = (value, at) else {
            return;
        };
        if let Some(first) = self.0.get(value) {
            let problem = format!("is used by {whose} already, on line {first}");
            sink.contradiction(key, Some(at), problem);
        } else {
            self.0.insert(value.clone(), at.line);
        }
    }
}

/// Stands for "no device" after an error was noted; no PCI bus has this address.
const NO_PCI: PciAddress = PciAddress {
    domain: u32::MAX,
    bus: 0,
    device: 0,
    function: 0,
};

/// A checked number in its field's type; the schema's range fits it.
fn small<T: TryFrom<i64> + Default>(value: i64) -> T {
    T::try_from(value).unwrap_or_default()
}

fn charset(text: &str, max: usize) -> Result<String, &'static str> {
    if text.is_empty() {
        return Err("is empty");
    }
    if text.chars().count() > max {
        return Err("is too long");
    }
    if !text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    {
        return Err("has a character that is not accepted");
    }
    Ok(text.to_owned())
}

fn name(text: &str) -> Result<String, &'static str> {
    charset(text, 32)
}

fn absolute(text: &str) -> Result<PathBuf, &'static str> {
    if text.contains('\0') {
        return Err("has a NUL character");
    }
    if !text.starts_with('/') {
        return Err("is not absolute");
    }
    if text.ends_with('/') {
        return Err("is a directory, not a file");
    }
    if text.len() > 4095 {
        return Err("is too long");
    }
    Ok(PathBuf::from(text))
}

fn socket_address(text: &str) -> Result<SocketAddr, &'static str> {
    let address: SocketAddr = text
        .parse()
        .map_err(|_| "is not an IP address with a port")?;
    if address.port() == 0 {
        return Err("has port 0");
    }
    Ok(address)
}

fn socket_path(text: &str) -> Result<PathBuf, &'static str> {
    if text.len() > MAX_SOCKET_PATH {
        return Err("is too long for a Unix socket");
    }
    absolute(text)
}

/// Linux: at most IFNAMSIZ - 1 = 15 bytes; neither `/`, `:` nor blanks; not `.` or `..`.
fn interface(text: &str) -> Result<String, &'static str> {
    let bad = |c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control();
    if text.is_empty() || text.len() > 15 || text == "." || text == ".." || text.contains(bad) {
        return Err("is not an interface name");
    }
    Ok(text.to_owned())
}

fn eal_option(value: &DeValue<'_>) -> Result<String, String> {
    let DeValue::String(text) = value else {
        return Err(format!("must be a string, not {}", a_type(value)));
    };
    let count = text.chars().count();
    if count == 0 || count > 256 || text.chars().any(char::is_control) {
        return Err("is empty, too long, or has control characters".into());
    }
    let option = text.split('=').next().unwrap_or_default();
    let set = EAL_OPTIONS_WITH_KEYS.iter().find(|(known, _)| {
        // short options may carry their value: -l0
        let short = known.len() == 2 && option.starts_with(known);
        *known == option || short
    });
    match set {
        Some((_, key)) => Err(format!("is set by {key}")),
        None => Ok(text.clone().into_owned()),
    }
}

fn core(value: &DeValue<'_>) -> Result<usize, String> {
    match integer(value)? {
        Some(core) if (0..=1023).contains(&core) => Ok(small(core)),
        _ => Err("is out of range".into()),
    }
}
