//! The configuration as the engine uses it: plain fields, named as their keys, with units.

use crate::devices::{PciAddress, Vdev};
use crate::l3::{Interface, L3, Route, VirtualRouter};
use serde::ser::{Error, SerializeMap};
use serde::{Serialize, Serializer};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The configuration of one instance, valid as a whole, defaults filled in.
///
/// Serializes to the same keys as the file (key files by path, never by content).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Config {
    /// `[instance]`
    pub instance: Instance,
    /// `[eal]`
    pub eal: Eal,
    /// `[lcores]`
    pub lcores: Lcores,
    /// `[ha]`
    pub ha: Ha,
    /// `[events]`
    pub events: Events,
    /// `[metrics]`
    pub metrics: Metrics,
    /// `[[port]]`, in the order of the file.
    #[serde(rename = "port", skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
    /// `[[link_pair]]`, in the order of the file.
    #[serde(rename = "link_pair", skip_serializing_if = "Vec::is_empty")]
    pub link_pairs: Vec<LinkPair>,
    /// `[l3]`
    pub l3: L3,
    /// `[[interface]]`, in the order of the file.
    #[serde(rename = "interface", skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<Interface>,
    /// `[[route]]`, in the order of the file.
    #[serde(rename = "route", skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    /// `[[virtual_router]]`, in the order of the file.
    #[serde(rename = "virtual_router", skip_serializing_if = "Vec::is_empty")]
    pub virtual_routers: Vec<VirtualRouter>,
}

/// `[instance]`: who this is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Instance {
    /// 1 to 32 characters of `a-z A-Z 0-9 . _ -`.
    pub name: String,
    /// 1 to 65535, unique in the stack.
    pub id: u16,
    /// 1 to 32 characters of `a-z A-Z 0-9 . _ -`.
    pub stack: String,
    /// Unix socket of `twinline ctl`, absolute.
    pub control_socket: PathBuf,
    /// Group whose members may use the socket; none: its owner and root alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control_group: Option<String>,
    /// Group whose members may look, on [`Instance::read_socket`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control_read_group: Option<String>,
    /// State that survives a restart, absolute.
    pub state_file: PathBuf,
}

impl Instance {
    /// The socket on which nothing can be changed: `control_socket` with `.ro` behind it.
    #[must_use]
    pub fn read_socket(&self) -> PathBuf {
        with_suffix(&self.control_socket, ".ro")
    }

    /// The folder of the configurations that were in force: `state_file` with `.commits` behind it.
    #[must_use]
    pub fn commits_folder(&self) -> PathBuf {
        with_suffix(&self.state_file, ".commits")
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// `[eal]`: options of DPDK's environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Eal {
    /// `--file-prefix`.
    pub file_prefix: String,
    /// `-m`, in MiB.
    pub memory_mb: u32,
    /// False: `--no-huge`.
    pub huge: bool,
    /// `--huge-unlink`.
    pub huge_unlink: bool,
    /// False: `--no-telemetry`.
    pub telemetry: bool,
    /// `--log-level`, by DPDK's name: `emergency` to `debug`.
    pub log_level: String,
    /// Further options as they stand.
    pub extra: Vec<String>,
}

/// What a port is on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Device {
    /// A NIC; goes into EAL's allow list.
    Pci(PciAddress),
    /// A virtual device.
    Vdev(Vdev),
}

impl Device {
    /// The name under which DPDK knows the port.
    #[must_use]
    pub fn dpdk_name(&self) -> String {
        match self {
            Device::Pci(address) => address.to_string(),
            Device::Vdev(vdev) => vdev.name().to_owned(),
        }
    }
}

/// `[[port]]`: one DPDK port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Port {
    /// Name, unique.
    pub name: String,
    /// `pci` or `vdev`.
    #[serde(flatten)]
    pub device: Device,
    /// Receive descriptors of each queue: a power of two, 64 to 8192.
    pub rx_descriptors: u16,
    /// Transmit descriptors of each queue: a power of two, 64 to 8192.
    pub tx_descriptors: u16,
    /// Kernel interface that gives carrier and admin state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel_interface: Option<String>,
    /// MTU in bytes, 68 to 9600; none: as the device has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u16>,
}

/// `[[link_pair]]`: two ports joined as one wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LinkPair {
    /// Name, unique.
    pub name: String,
    /// Name of the port on the LAN side.
    pub lan: String,
    /// Name of the port on the WAN side.
    pub wan: String,
    /// The `bypass_` keys; none: no card.
    #[serde(flatten)]
    pub bypass: Option<BypassCard>,
}

/// `link_pair.bypass_card`, but for `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CardKind {
    /// A Silicom adapter: its controller is reached through the NIC's pins.
    Silicom,
    /// An Intel 82599 or X540 bypass adapter, through the NIC's pins.
    Intel,
    /// The same, through DPDK's ixgbe driver, which owns the port.
    IntelPmd,
}

impl CardKind {
    /// An Intel adapter, whoever commands it.
    #[must_use]
    pub fn is_intel(self) -> bool {
        matches!(self, CardKind::Intel | CardKind::IntelPmd)
    }
}

/// `link_pair.bypass_registers`: how the registers of a card's NIC are reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Registers {
    /// `resource0` of the device in sysfs.
    Sysfs,
    /// The device's VFIO file.
    Vfio,
    /// A process that serves them at this Unix socket, absolute: the lab's card model.
    Socket(PathBuf),
}

impl fmt::Display for Registers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Registers::Sysfs => f.write_str("sysfs"),
            Registers::Vfio => f.write_str("vfio"),
            Registers::Socket(path) => write!(f, "socket:{}", path.display()),
        }
    }
}

impl Serialize for Registers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Registers::Socket(path) = self
            && path.to_str().is_none()
        {
            return Err(S::Error::custom("path contains invalid UTF-8 characters"));
        }
        serializer.collect_str(self)
    }
}

/// What a card does with the two cables of its pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CardPath {
    /// The cables end at the two ports.
    Inline,
    /// The card joins the two cables.
    Bypass,
    /// The card opens both cables.
    Disconnect,
    /// The card joins the cables and lets the ports listen.
    Tap,
}

/// The bypass card of a link pair: its keys begin with `bypass_`.
///
/// Serializes to these keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BypassCard {
    /// Which card.
    pub card: CardKind,
    /// The function that commands it: `bypass_device`, or the LAN port's address. Always there but
    /// with [`Registers::Socket`]; with [`CardKind::IntelPmd`] it is the LAN port's.
    pub device: Option<PciAddress>,
    /// How its registers are reached. Not used with [`CardKind::IntelPmd`], whose driver has them.
    pub registers: Registers,
    /// Period of its watchdog, 0 (no watchdog) to 3276800 ms; the card rounds it up.
    pub watchdog_ms: u32,
    /// Its path when the watchdog expires: never inline; none: by topology
    /// ([`BypassCard::timeout_path`]).
    pub on_timeout: Option<CardPath>,
    /// Its path when its machine loses power; none: as the card has it.
    pub on_power_off: Option<CardPath>,
    /// Its path when its machine gets power; none: as the card has it.
    pub on_power_on: Option<CardPath>,
    /// An operator has seen what it does without power.
    pub power_off_verified: bool,
}

impl BypassCard {
    /// `bypass_watchdog_ms`; none when it is 0.
    #[must_use]
    pub fn watchdog(&self) -> Option<Duration> {
        (self.watchdog_ms > 0).then(|| Duration::from_millis(self.watchdog_ms.into()))
    }

    /// Where the card goes when its watchdog expires: `bypass_on_timeout`, or disconnect in
    /// active-passive parallel (a wire beside an active peer is a loop), else bypass.
    #[must_use]
    pub fn timeout_path(&self, ha: &Ha) -> CardPath {
        self.on_timeout.unwrap_or(match (ha.mode, ha.topology) {
            (Mode::ActivePassive, Topology::Parallel) => CardPath::Disconnect,
            _ => CardPath::Bypass,
        })
    }
}

impl Serialize for BypassCard {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("bypass_card", &self.card)?;
        // refused beside intel-pmd, which needs neither
        if self.card != CardKind::IntelPmd {
            if let Some(device) = &self.device {
                map.serialize_entry("bypass_device", device)?;
            }
            map.serialize_entry("bypass_registers", &self.registers)?;
        }
        map.serialize_entry("bypass_watchdog_ms", &self.watchdog_ms)?;
        for (key, path) in [
            ("bypass_on_timeout", self.on_timeout),
            ("bypass_on_power_off", self.on_power_off),
            ("bypass_on_power_on", self.on_power_on),
        ] {
            if let Some(path) = path {
                map.serialize_entry(key, &path)?;
            }
        }
        map.serialize_entry("bypass_power_off_verified", &self.power_off_verified)?;
        map.end()
    }
}

/// `ha.mode`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// No peer.
    Standalone,
    /// One instance forwards, the other waits.
    ActivePassive,
    /// Every instance carries its own link pairs.
    ActiveActive,
}

/// `ha.topology`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Topology {
    /// Two paths; switches pick one.
    Parallel,
    /// Both instances on one wire.
    Series,
}

/// `ha.on_max_flaps`: the card's state when an instance is latched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnMaxFlaps {
    /// The card joins the two cables.
    Bypass,
    /// The card opens both cables.
    Disconnect,
    /// The card joins the cables and lets the port listen.
    Tap,
}

/// `[ha]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ha {
    /// HA mode.
    pub mode: Mode,
    /// The primary of its stack.
    pub primary: bool,
    /// Name of the port that carries heartbeats; always there unless standalone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// UDP port of the heartbeats.
    pub udp_port: u16,
    /// Own address on the HA network.
    pub address: Ipv4Addr,
    /// Peers by address; empty: multicast.
    pub peers: Vec<Ipv4Addr>,
    /// Group of the heartbeats when `peers` is empty; none when peers are named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multicast_group: Option<Ipv4Addr>,
    /// The stack's key, absolute path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// A second accepted key, absolute path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_key_file: Option<PathBuf>,
    /// Run without a key.
    pub insecure: bool,
    /// Heartbeats go over the data ports as well.
    pub in_band: bool,
    /// Their VLAN there, 0 (untagged) to 4094.
    pub in_band_vlan: u16,
    /// How the instances lie to each other.
    pub topology: Topology,
    /// Time between heartbeats, 1 to 60000 ms.
    pub peer_check_interval_ms: u32,
    /// Missed heartbeats in a row, 1 to 255.
    pub peer_failure_threshold: u8,
    /// Good heartbeats in a row, 1 to 255.
    pub peer_recovery_threshold: u8,
    /// Allowed flaps, 0 (no limit) to 1000.
    pub max_flaps: u16,
    /// Window of the flap count, 1 to 86400 s.
    pub flap_window_s: u32,
    /// The card's state when latched; none: by topology ([`Ha::latched_card`]).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_max_flaps: Option<OnMaxFlaps>,
    /// A recovered primary takes the role back.
    pub preempt: bool,
    /// How long it waits for that, 0 to 86400 s.
    pub preempt_delay_s: u32,
    /// `[ha.links]`
    pub links: Links,
    /// `[ha.bandwidth]`
    pub bandwidth: Bandwidth,
}

/// `[ha.links]`: link monitoring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Links {
    /// Time between polls, 1 to 60000 ms.
    pub interval_ms: u32,
    /// Fewer pairs up than this: DOWN. 0 = off; at most the number of pairs.
    pub minimum_active: u16,
    /// Take down the other port of a pair with one port down.
    pub propagate: bool,
    /// Patience with a port that was just let up again, 0 to 60000 ms.
    pub settle_ms: u32,
}

/// `[ha.bandwidth]`: bandwidth monitoring (rules 20 and 21).
///
/// The engine measures and reports bandwidth always; `enabled` lets it hand over on too little.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bandwidth {
    /// Hand over when bandwidth falls below the minimum.
    pub enabled: bool,
    /// Least bandwidth in bits per second, > 0.
    pub minimum_bps: u64,
    /// Interval of the measurement, 1 to 3600 s.
    pub interval_s: u32,
}

/// `lcores.polling`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Polling {
    /// Workers never sleep.
    Busy,
    /// Workers sleep up to 200 us when idle.
    Adaptive,
}

/// `[lcores]`: which cores do what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lcores {
    /// Core of the management core.
    pub main: usize,
    /// Cores of the workers, all different.
    pub workers: Vec<usize>,
    /// How workers wait.
    pub polling: Polling,
}

/// `[metrics]`: what monitoring may fetch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Metrics {
    /// Where `/metrics` and `/healthz` are served over HTTP; none: nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<SocketAddr>,
}

/// `events.syslog`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Syslog {
    /// No events to the system's log.
    Off,
    /// Datagrams as `syslog(3)` sends them.
    Syslog,
    /// journald's own protocol, with fields.
    Journald,
}

/// `[events]`: where events go beside the ring and the engine's own log (rule 23).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Events {
    /// A file of JSON lines, absolute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// The file is turned over at this size, 4096 bytes to 1 TiB.
    pub file_max_bytes: u64,
    /// Full files that are kept, 0 to 100.
    pub file_keep: u32,
    /// Which log of the system.
    pub syslog: Syslog,
    /// Its datagram socket, absolute; none: by kind ([`Events::syslog_path`]).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub syslog_socket: Option<PathBuf>,
    /// A program's absolute path and its arguments; empty: no program.
    pub notify: Vec<String>,
}

impl Events {
    /// `syslog_socket`, or where the system's log listens usually.
    #[must_use]
    pub fn syslog_path(&self) -> PathBuf {
        let usual = match self.syslog {
            Syslog::Off | Syslog::Syslog => "/dev/log",
            Syslog::Journald => "/run/systemd/journal/socket",
        };
        self.syslog_socket.clone().unwrap_or_else(|| usual.into())
    }
}

impl Ha {
    /// `peer_check_interval_ms`
    #[must_use]
    pub fn peer_check_interval(&self) -> Duration {
        Duration::from_millis(self.peer_check_interval_ms.into())
    }

    /// `peer_failure_threshold` intervals: how long a silent peer is still believed.
    #[must_use]
    pub fn failure_window(&self) -> Duration {
        self.peer_check_interval() * u32::from(self.peer_failure_threshold)
    }

    /// `flap_window_s`
    #[must_use]
    pub fn flap_window(&self) -> Duration {
        Duration::from_secs(self.flap_window_s.into())
    }

    /// `preempt_delay_s`
    #[must_use]
    pub fn preempt_delay(&self) -> Duration {
        Duration::from_secs(self.preempt_delay_s.into())
    }

    /// What the card does when the instance is latched (rule 14): `on_max_flaps`, or bypass in
    /// series and disconnect in parallel.
    #[must_use]
    pub fn latched_card(&self) -> OnMaxFlaps {
        self.on_max_flaps.unwrap_or(match self.topology {
            Topology::Series => OnMaxFlaps::Bypass,
            Topology::Parallel => OnMaxFlaps::Disconnect,
        })
    }
}

impl Links {
    /// `interval_ms`
    #[must_use]
    pub fn interval(&self) -> Duration {
        Duration::from_millis(self.interval_ms.into())
    }

    /// `settle_ms`
    #[must_use]
    pub fn settle(&self) -> Duration {
        Duration::from_millis(self.settle_ms.into())
    }
}

impl Bandwidth {
    /// `interval_s`
    #[must_use]
    pub fn interval(&self) -> Duration {
        Duration::from_secs(self.interval_s.into())
    }
}

impl Config {
    /// The port of that name. Ports named by a link pair or by `ha.port` exist.
    #[must_use]
    pub fn port(&self, name: &str) -> Option<&Port> {
        self.ports.iter().find(|port| port.name == name)
    }

    /// The HA port, unless standalone without one.
    #[must_use]
    pub fn ha_port(&self) -> Option<&Port> {
        self.ha.port.as_deref().and_then(|name| self.port(name))
    }

    /// PCI addresses for EAL's allow list; when empty, EAL is started with `--no-pci`.
    #[must_use]
    pub fn pci_allow(&self) -> Vec<PciAddress> {
        let pci = |port: &Port| match port.device {
            Device::Pci(address) => Some(address),
            Device::Vdev(_) => None,
        };
        self.ports.iter().filter_map(pci).collect()
    }

    /// vdev strings for EAL, in the order of the file.
    #[must_use]
    pub fn vdevs(&self) -> Vec<&Vdev> {
        self.ports
            .iter()
            .filter_map(|port| match &port.device {
                Device::Vdev(vdev) => Some(vdev),
                Device::Pci(_) => None,
            })
            .collect()
    }

    /// The ports of layer 3: those with an interface, in the order of the file. None of them is in
    /// a link pair or is the HA port.
    #[must_use]
    pub fn l3_ports(&self) -> Vec<&Port> {
        let has_one = |port: &&Port| self.interfaces.iter().any(|i| i.port == port.name);
        self.ports.iter().filter(has_one).collect()
    }

    /// How many links `ha.links.minimum_active` counts: link pairs and ports of layer 3.
    #[must_use]
    pub fn counted_links(&self) -> usize {
        self.link_pairs.len() + self.l3_ports().len()
    }

    /// The interface of that name, with its place in the file.
    #[must_use]
    pub fn interface(&self, name: &str) -> Option<(usize, &Interface)> {
        let mut all = self.interfaces.iter().enumerate();
        all.find(|(_, interface)| interface.name == name)
    }

    /// Each worker's core, the indices of its link pairs, and the indices of its ports of layer 3
    /// in [`Config::l3_ports`]. First the pairs are dealt in turn, then the ports, going on where
    /// the pairs ended: each is one worker's.
    #[must_use]
    pub fn work(&self) -> Vec<Work> {
        let pairs = self.link_pairs.len();
        let dealt = assign(self.counted_links(), self.lcores.workers.len());
        let mut out = Vec::new();
        for (core, items) in self.lcores.workers.iter().zip(dealt) {
            let (link_pairs, ports): (Vec<usize>, _) = items.iter().partition(|i| **i < pairs);
            out.push(Work {
                core: *core,
                link_pairs,
                l3_ports: ports.into_iter().map(|i: usize| i - pairs).collect(),
            });
        }
        out
    }

    /// Each worker's core and the indices of its link pairs, dealt in turn (see [`assign`]).
    #[must_use]
    pub fn assignment(&self) -> Vec<(usize, Vec<usize>)> {
        let work = self.work().into_iter();
        work.map(|work| (work.core, work.link_pairs)).collect()
    }

    /// The configuration as a TOML file that [`Config::parse`] reads back to the same value.
    ///
    /// # Errors
    /// When a path is not UTF-8 (it always is when it came from a file).
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }
}

/// What one worker carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// Its core.
    pub core: usize,
    /// Indices of its link pairs.
    pub link_pairs: Vec<usize>,
    /// Indices of its ports in [`Config::l3_ports`].
    pub l3_ports: Vec<usize>,
}

/// Deals `pairs` to `workers` in turn: the pair indices of each worker. Empty without workers.
#[must_use]
pub fn assign(pairs: usize, workers: usize) -> Vec<Vec<usize>> {
    (0..workers)
        .map(|worker| (worker..pairs).step_by(workers).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::assign;

    #[test]
    fn pairs_are_dealt_in_turn() {
        assert_eq!(assign(5, 2), vec![vec![0, 2, 4], vec![1, 3]]);
        assert_eq!(assign(1, 3), vec![vec![0], vec![], vec![]]);
        assert_eq!(assign(0, 1), vec![Vec::<usize>::new()]);
        assert!(assign(3, 0).is_empty());
    }
}
