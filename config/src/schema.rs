//! Every key of the file, in one table: what is accepted, the default, and when a change applies.
//!
//! The ranges and defaults of `[ha]` are those of the design's page on HA semantics.

/// When a changed value takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Applies {
    /// By a reload (SIGHUP), without losing the role or a frame.
    Live,
    /// Only when the process is started again.
    Restart,
}

impl Applies {
    /// `live` or `restart`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Applies::Live => "live",
            Applies::Restart => "restart",
        }
    }
}

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole number, `min` to `max`.
    Int {
        /// The least.
        min: i64,
        /// The greatest (`i64::MAX`: no bound but the type's).
        max: i64,
        /// What 0 means, when it means something special.
        zero: Option<&'static str>,
        /// Used when the key is absent.
        default: Option<i64>,
    },
    /// A power of two, `min` to `max`.
    PowerOfTwo {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
        /// Used when the key is absent.
        default: i64,
    },
    /// `true` or `false`.
    Bool {
        /// Used when the key is absent.
        default: bool,
    },
    /// One of some words.
    Choice {
        /// The words.
        words: &'static [&'static str],
        /// Used when the key is absent.
        default: Option<&'static str>,
    },
    /// A string.
    Text {
        /// What is accepted, in words.
        accepted: &'static str,
        /// What is used when the key is absent (for people).
        default: Option<&'static str>,
    },
    /// An array.
    List {
        /// What is accepted, in words.
        accepted: &'static str,
        /// The most elements.
        max: usize,
    },
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct KeySpec {
    /// The dotted key: `ha.links.interval_ms`, `port.pci`.
    pub key: &'static str,
    /// Type, range and default.
    pub kind: Kind,
    /// The key must be written.
    pub required: bool,
    /// When a change applies.
    pub applies: Applies,
    /// What it is.
    pub help: &'static str,
}

impl KeySpec {
    /// What is accepted, in words.
    #[must_use]
    pub fn accepted(&self) -> String {
        match self.kind {
            Kind::Int {
                min, max: i64::MAX, ..
            } => format!("a whole number, at least {min}"),
            Kind::Int {
                min,
                max,
                zero: None,
                ..
            } => format!("{min} to {max}"),
            Kind::Int {
                min,
                max,
                zero: Some(zero),
                ..
            } => {
                format!("{min} to {max} (0 = {zero})")
            }
            Kind::PowerOfTwo { min, max, .. } => format!("a power of two, {min} to {max}"),
            Kind::Bool { .. } => "true or false".into(),
            Kind::Choice { words, .. } => words
                .iter()
                .map(|w| format!("\"{w}\""))
                .collect::<Vec<_>>()
                .join(", "),
            Kind::Text { accepted, .. } | Kind::List { accepted, .. } => accepted.into(),
        }
    }

    /// The default in words; `required`, or `-` for an optional key without one.
    #[must_use]
    pub fn default_text(&self) -> String {
        if self.required {
            return "required".into();
        }
        match self.kind {
            Kind::Int {
                default: Some(value),
                ..
            } => value.to_string(),
            Kind::PowerOfTwo { default, .. } => default.to_string(),
            Kind::Bool { default } => default.to_string(),
            Kind::Choice {
                default: Some(word),
                ..
            } => format!("\"{word}\""),
            Kind::Text {
                default: Some(text),
                ..
            } => text.into(),
            Kind::List { .. } => "[]".into(),
            Kind::Int { default: None, .. }
            | Kind::Choice { default: None, .. }
            | Kind::Text { default: None, .. } => "-".into(),
        }
    }
}

/// The most ports: `RTE_MAX_ETHPORTS` of the usual DPDK build.
pub const MAX_PORTS: usize = 32;
/// The most link pairs: each takes two ports.
pub const MAX_LINK_PAIRS: usize = MAX_PORTS / 2;
/// The most peers that can be named.
pub const MAX_PEERS: usize = 64;
/// The most interfaces of layer 3.
pub const MAX_INTERFACES: usize = 256;
/// The most own addresses of an interface.
pub const MAX_ADDRESSES: usize = 16;
/// The most static routes.
pub const MAX_ROUTES: usize = 1024;
/// The most virtual routers: each interface can have 255 for each family.
pub const MAX_VIRTUAL_ROUTERS: usize = 256;
/// The most addresses of a virtual router. An advert has room for 255, but not in the least MTU
/// that an interface may have; 64 fit there.
pub const MAX_VIRTUAL_ADDRESSES: usize = 64;
/// The most words of `events.notify`: the program and its arguments.
pub const MAX_NOTIFY_WORDS: usize = 64;
/// The longest path of a Unix socket: `sun_path` has 108 bytes, the last one NUL.
pub const MAX_SOCKET_PATH: usize = 107;

/// Sections and sub-tables, in the order of the documentation.
pub const SECTIONS: &[&str] = &[
    "instance",
    "eal",
    "port",
    "link_pair",
    "interface",
    "route",
    "virtual_router",
    "l3",
    "ha",
    "ha.links",
    "ha.bandwidth",
    "lcores",
    "events",
    "metrics",
];
/// Sections that are written once for each item: `[[port]]`.
pub const REPEATED: &[&str] = &["port", "link_pair", "interface", "route", "virtual_router"];

const NAME: &str = "1 to 32 characters of a-z A-Z 0-9 . _ -";
const GROUP: &str = "the name of a group of the system: 1 to 32 characters of a-z A-Z 0-9 . _ -";
const PORT_NAME: &str = "the name of a [[port]]";
const ABSOLUTE: &str = "an absolute path";
const CORE_MAX: i64 = 1023;
/// The longest watchdog of any card: Silicom's 2^15 tenths of a second.
const WATCHDOG_MAX_MS: i64 = 3_276_800;
const PATHS: Kind = Kind::Choice {
    words: &["inline", "bypass", "disconnect", "tap"],
    default: None,
};

/// The spec of a dotted key.
#[must_use]
pub fn spec(key: &str) -> Option<&'static KeySpec> {
    KEYS.iter().find(|spec| spec.key == key)
}

const fn key(key: &'static str, kind: Kind, applies: Applies, help: &'static str) -> KeySpec {
    KeySpec {
        key,
        kind,
        required: false,
        applies,
        help,
    }
}

const fn need(key: &'static str, kind: Kind, applies: Applies, help: &'static str) -> KeySpec {
    KeySpec {
        key,
        kind,
        required: true,
        applies,
        help,
    }
}

const fn int(min: i64, max: i64, default: i64) -> Kind {
    Kind::Int {
        min,
        max,
        zero: None,
        default: Some(default),
    }
}

const fn int0(max: i64, zero: &'static str, default: i64) -> Kind {
    Kind::Int {
        min: 0,
        max,
        zero: Some(zero),
        default: Some(default),
    }
}

const fn flag(default: bool) -> Kind {
    Kind::Bool { default }
}

const fn text(accepted: &'static str) -> Kind {
    Kind::Text {
        accepted,
        default: None,
    }
}

const fn text_or(accepted: &'static str, default: &'static str) -> Kind {
    Kind::Text {
        accepted,
        default: Some(default),
    }
}

use Applies::{Live, Restart};

/// All keys, in the order of the documentation.
#[rustfmt::skip]
pub const KEYS: &[KeySpec] = &[
    need("instance.name", text(NAME), Restart, "Name of this instance, shown to operators"),
    need("instance.id", Kind::Int { min: 1, max: 65535, zero: None, default: None }, Restart,
        "Number of this instance, unique in its stack"),
    need("instance.stack", text(NAME), Restart,
        "Name of the stack: the instances that hear each other"),
    key("instance.control_socket", text_or("an absolute path of at most 107 bytes", "/run/twinline/NAME.sock"),
        Restart, "Unix socket of `twinline ctl`"),
    key("instance.control_group", text(GROUP), Restart,
        "Group whose members may use the control socket; absent: the engine's user and root alone"),
    key("instance.control_read_group", text(GROUP), Restart,
        "Group whose members may look, and change nothing, on a second socket, `control_socket` with `.ro` \
        behind it (then at most 104 bytes long)"),
    key("instance.state_file", text_or(ABSOLUTE, "/var/lib/twinline/NAME.state"), Restart,
        "Flap count and latches that survive a restart; the configurations that were in force are beside \
        it, in a folder of this name with `.commits` behind it"),

    key("eal.file_prefix", text_or("1 to 64 characters of a-z A-Z 0-9 . _ -", "twinline-NAME"), Restart,
        "Prefix of EAL's runtime and hugepage files, unique on the machine"),
    key("eal.memory_mb", int(16, 1_048_576, 256), Restart, "Memory that EAL takes, in MiB"),
    key("eal.huge", flag(true), Restart, "Use hugepages; false for labs and tests"),
    key("eal.huge_unlink", flag(true), Restart,
        "Remove hugepage files once mapped, so that a killed process leaves none"),
    key("eal.telemetry", flag(true), Restart, "DPDK's own telemetry socket"),
    key("eal.log_level", Kind::Choice { words: &["emergency", "alert", "critical", "error", "warning",
        "notice", "info", "debug"], default: Some("notice") }, Restart, "EAL's log level"),
    key("eal.extra", Kind::List { accepted: "an array of EAL options, each 1 to 256 characters, at most 64; \
        none that another key sets", max: 64 }, Restart, "Further EAL options, passed as they stand"),

    need("port.name", text(NAME), Restart, "Name of the port"),
    key("port.pci", text("a PCI address as 0000:03:00.0; exactly one of pci and vdev"), Restart,
        "NIC by PCI address"),
    key("port.vdev", text("a DPDK vdev as net_af_packet0,iface=lan0; exactly one of pci and vdev"),
        Restart, "Virtual device"),
    key("port.rx_descriptors", Kind::PowerOfTwo { min: 64, max: 8192, default: 1024 }, Restart,
        "Receive descriptors of each queue"),
    key("port.tx_descriptors", Kind::PowerOfTwo { min: 64, max: 8192, default: 1024 }, Restart,
        "Transmit descriptors of each queue"),
    key("port.kernel_interface", text("a network interface: 1 to 15 characters without blanks, / and :"),
        Restart, "Kernel interface from which carrier and admin state are taken"),
    key("port.mtu", Kind::Int { min: 68, max: 9600, zero: None, default: None }, Restart,
        "MTU in bytes; absent: as the device has it"),

    need("link_pair.name", text(NAME), Restart, "Name of the pair"),
    need("link_pair.lan", text(PORT_NAME), Restart, "Port on the LAN side"),
    need("link_pair.wan", text(PORT_NAME), Restart, "Port on the WAN side"),
    key("link_pair.bypass_card", Kind::Choice { words: &["none", "silicom", "intel", "intel-pmd"],
        default: Some("none") }, Restart,
        "Kind of the pair's bypass card; intel-pmd: through DPDK's ixgbe driver, which owns the port"),
    key("link_pair.bypass_device", text("a PCI address as 0000:03:00.0, of an even function (intel: function 0)"),
        Restart, "PCI function that commands the card; absent: the LAN port's `pci`"),
    key("link_pair.bypass_registers", text_or("\"sysfs\", \"vfio\", or \"socket:/absolute/path\" of at most \
        107 bytes", "\"sysfs\""), Restart,
        "How the card's registers are reached; socket: those of another process, as the lab's card model"),
    key("link_pair.bypass_watchdog_ms", int0(WATCHDOG_MAX_MS, "no watchdog", 2000), Restart,
        "Period of the card's watchdog; a card rounds it up to the next that it has"),
    key("link_pair.bypass_on_timeout", Kind::Choice { words: &["bypass", "disconnect", "tap"], default: None },
        Restart, "What the card does when its watchdog expires; absent: disconnect in active-passive \
        parallel, else bypass"),
    key("link_pair.bypass_on_power_off", PATHS, Restart,
        "What the card does when its machine loses power; absent: as the card has it"),
    key("link_pair.bypass_on_power_on", PATHS, Restart,
        "What the card does when its machine gets power; absent: as the card has it"),
    key("link_pair.bypass_power_off_verified", flag(false), Restart,
        "An operator has pulled the plug and seen what the wire does"),

    need("interface.name", text(NAME), Restart, "Name of the interface of layer 3"),
    need("interface.port", text("the name of a [[port]] that is in no link pair and is not ha.port"), Restart,
        "Its port; several interfaces share a port by their VLANs, at most one of them untagged"),
    key("interface.vlan", Kind::Int { min: 1, max: 4094, zero: None, default: None }, Restart,
        "Its VLAN on the port; absent: untagged"),
    need("interface.addresses", Kind::List { accepted: "an array of 1 to 16 unicast addresses with their \
        prefix length, as 192.0.2.2/24 or 2001:db8::2/64", max: MAX_ADDRESSES }, Restart,
        "Own addresses (not the virtual ones); the first of IPv4 is the primary one; IPv6 without a \
        link-local one: it is made from the port's MAC address"),
    key("interface.mtu", Kind::Int { min: 576, max: 9600, zero: None, default: None }, Restart,
        "Largest packet in bytes, at least 1280 where IPv6 is used, at most the port's `mtu`; absent: the \
        port's `mtu`, or 1500"),
    key("interface.kernel", text("a network interface: 1 to 15 characters without blanks, / and :"), Restart,
        "TAP device, made at start, that gets what is for the host; absent: the host gets nothing"),

    need("route.prefix", text("a network as 198.51.100.0/24 or 2001:db8:1::/48, no bits behind the prefix"),
        Restart, "Where the route leads to; 0.0.0.0/0 and ::/0 are the default"),
    need("route.via", text("a unicast address of the prefix's family, on a network of an interface, or \
        IPv6 link-local"), Restart, "Next hop"),
    key("route.interface", text("the name of an [[interface]]"), Restart,
        "Interface towards it; needed when `via` is link-local, else found by `via`"),

    need("virtual_router.name", text(NAME), Restart, "Name of the virtual router"),
    need("virtual_router.interface", text("the name of an [[interface]]"), Restart, "Its interface"),
    need("virtual_router.vrid", Kind::Int { min: 1, max: 255, zero: None, default: None }, Restart,
        "Its id, once for each interface and family"),
    key("virtual_router.version", int(2, 3, 3), Restart,
        "Version of VRRP: 3 (RFC 9568), or 2 (RFC 3768, IPv4 only) beside older routers"),
    need("virtual_router.addresses", Kind::List { accepted: "an array of 1 to 64 unicast addresses of one \
        family, over IPv6 a link-local one first", max: MAX_VIRTUAL_ADDRESSES }, Restart,
        "Virtual addresses, as the other routers have them"),
    key("virtual_router.priority", Kind::Int { min: 1, max: 255, zero: None, default: None }, Live,
        "The highest is Active; 255 when, and only when, the addresses are the interface's own; absent: 150 \
        with `ha.primary`, else 100"),
    key("virtual_router.interval_ms", int(10, 255_000, 1000), Restart,
        "Time between adverts: multiples of 10 up to 40950; in version 2 whole seconds, 1000 to 255000"),
    key("virtual_router.preempt", flag(true), Live,
        "A better priority takes over from a worse one (the owner of the addresses always does)"),
    key("virtual_router.preempt_delay_s", int(0, 86_400, 0), Live,
        "For how long the worse one has to be heard before"),
    key("virtual_router.accept", flag(true), Live,
        "The virtual addresses answer pings and reach the host while we are Active (accept mode)"),
    key("virtual_router.checksum", Kind::Choice { words: &["rfc9568", "pseudo-header", "any"],
        default: Some("any") }, Live, "Checksum of version 3 over IPv4: of the message alone, with a \
        pseudo-header, or either is taken and the RFC's is sent"),
    key("virtual_router.peers", Kind::List { accepted: "an array of unicast addresses of the family of \
        `addresses`, IPv6 link-local; empty = multicast", max: MAX_PEERS }, Restart,
        "Adverts go to these routers, and are taken from them only; empty: multicast"),
    key("virtual_router.announce_count", int(1, 255, 5), Live,
        "How often a new Active announces each address (gratuitous ARP, unsolicited neighbour advertisement)"),
    key("virtual_router.announce_every_ms", int(1, 60_000, 1000), Live, "Time between two of these"),

    key("l3.ip_forward", flag(true), Restart, "Packets are forwarded between interfaces"),
    key("l3.icmp_per_second", int0(1_000_000, "none", 1000), Restart,
        "ICMP and ICMPv6 messages that we send in a second at most"),
    key("l3.neighbours", int(16, 1_048_576, 4096), Restart,
        "Neighbours that are kept, of all interfaces together"),
    key("l3.resolve_queue", int(1, 64, 4), Restart,
        "Packets that wait for one neighbour to be resolved"),
    key("l3.neighbour_age_s", int(1, 86_400, 30), Restart,
        "How long a neighbour counts as reachable after it was heard"),

    key("ha.mode", Kind::Choice { words: &["standalone", "active-passive", "active-active"],
        default: Some("standalone") }, Restart, "HA mode"),
    key("ha.primary", flag(false), Restart, "This is the primary instance of its stack"),
    key("ha.port", text("the name of a [[port]] that is in no link pair and has no interface"), Restart,
        "Port that carries heartbeats only"),
    key("ha.udp_port", int(1, 65535, 11211), Restart, "UDP port of the heartbeats"),
    key("ha.address", text_or("a unicast IPv4 address", "169.254.ID"), Restart,
        "Own IPv4 address on the HA network; ID: the two bytes of `instance.id`"),
    key("ha.peers", Kind::List { accepted: "an array of unicast IPv4 addresses; empty = multicast",
        max: MAX_PEERS }, Restart, "Peers by address; empty: heartbeats go to the multicast group"),
    key("ha.multicast_group", text_or("an IPv4 multicast address, 224.0.0.0 to 239.255.255.255",
        "239.255.84.76"), Restart, "Group of the heartbeats when no peers are named"),
    key("ha.key_file", text(ABSOLUTE), Live,
        "File with the stack's key: 64 hexadecimal digits, readable by its owner only"),
    key("ha.next_key_file", text(ABSOLUTE), Live,
        "Second key that is accepted too, while keys are exchanged"),
    key("ha.insecure", flag(false), Restart,
        "Run without a key: anybody on the HA network can then take the role"),
    key("ha.in_band", flag(false), Restart,
        "Heartbeats go over the data ports as well: a second path (rule 12)"),
    key("ha.in_band_vlan", int0(4094, "untagged", 0), Restart,
        "VLAN of the heartbeats on the data ports, where these are trunks"),
    key("ha.topology", Kind::Choice { words: &["parallel", "series"], default: Some("parallel") },
        Restart, "Two paths of which switches pick one, or both instances on one wire"),
    key("ha.peer_check_interval_ms", int(1, 60_000, 100), Live, "Time between heartbeats"),
    key("ha.peer_failure_threshold", int(1, 255, 3), Live,
        "Missed heartbeats in a row after which the peer is UNHEALTHY"),
    key("ha.peer_recovery_threshold", int(1, 255, 3), Live,
        "Good heartbeats (or link polls) in a row for recovery"),
    key("ha.max_flaps", int0(1000, "no limit", 6), Live,
        "Exits from ACTIVE allowed in the window; the next one latches"),
    key("ha.flap_window_s", int(1, 86_400, 900), Live, "Window of the flap count"),
    key("ha.on_max_flaps", Kind::Choice { words: &["bypass", "disconnect", "tap"], default: None }, Live,
        "What the bypass card does when latched; absent: bypass in series, disconnect in parallel"),
    key("ha.preempt", flag(true), Live, "A recovered primary takes the role back"),
    key("ha.preempt_delay_s", int(0, 86_400, 60), Live,
        "How long it waits for that; doubles with each recent flap"),

    key("ha.links.interval_ms", int(1, 60_000, 100), Live, "Time between link polls"),
    key("ha.links.minimum_active", int0(MAX_PORTS as i64, "off", 0), Live,
        "Fewer links up than this: DOWN; each link pair, and each port with an interface of layer 3, is a link"),
    key("ha.links.propagate", flag(true), Live,
        "A pair with one port down has its other port taken down"),
    key("ha.links.settle_ms", int(0, 60_000, 3000), Live,
        "After a port was let up again, how long its missing carrier is not yet a failure"),

    key("ha.bandwidth.enabled", flag(false), Live, "Bandwidth monitoring"),
    key("ha.bandwidth.minimum_bps", Kind::Int { min: 1, max: i64::MAX, zero: None, default: Some(1024) },
        Live, "Least bandwidth in bits per second over the interval"),
    key("ha.bandwidth.interval_s", int(1, 3600, 10), Live, "Interval of the measurement"),

    key("lcores.main", int(0, CORE_MAX, 0), Restart, "Core of the management core"),
    key("lcores.workers", Kind::List { accepted: "an array of different core numbers, 0 to 1023; at \
        least one when there are link pairs or interfaces", max: 128 }, Restart,
        "Cores of the workers; link pairs, then ports with interfaces, are dealt to them in turn"),
    key("lcores.polling", Kind::Choice { words: &["busy", "adaptive"], default: Some("busy") }, Restart,
        "Workers spin always, or sleep up to 200 us when idle"),
    key("events.file", text(ABSOLUTE), Live,
        "Each event goes into this file as a line of JSON (docs/events.md); missing folders are made"),
    key("events.file_max_bytes", int(4096, 1 << 40, 10 << 20), Live,
        "A file of this size becomes FILE.1, that one FILE.2, and a new one is begun"),
    key("events.file_keep", int0(100, "a full file is removed", 5), Live,
        "Full files that are kept: FILE.1 to FILE.N"),
    key("events.syslog", Kind::Choice { words: &["off", "syslog", "journald"], default: Some("off") }, Live,
        "Events go to the system's log: as `syslog(3)` sends them (facility daemon), or to journald with fields"),
    key("events.syslog_socket", text_or("an absolute path of at most 107 bytes", "/dev/log or /run/systemd/journal/socket"), Live,
        "Datagram socket of the system's log"),
    key("events.notify", Kind::List { accepted: "the absolute path of a program, and its arguments: at most 64 strings", max: MAX_NOTIFY_WORDS }, Live,
        "A program that runs beside the engine and gets each event as a line of JSON on its standard input, in order"),

    key("metrics.address", text("an IP address and a port as 127.0.0.1:9469 or [::1]:9469"), Restart,
        "Where metrics are served over HTTP, for Prometheus; absent: nowhere"),
];

/// The documentation's tables of keys, in Markdown: docs/configuration.md contains this text.
#[must_use]
pub fn markdown() -> String {
    let mut out = String::new();
    for section in SECTIONS {
        let title = if REPEATED.contains(section) {
            format!("[[{section}]]")
        } else {
            format!("[{section}]")
        };
        out.push_str(&format!("### `{title}`\n\n"));
        out.push_str("| key | default | accepted | change | what it is |\n|---|---|---|---|---|\n");
        let of_section = KEYS
            .iter()
            .filter(|k| k.key.rsplit_once('.').is_some_and(|(s, _)| s == *section));
        for k in of_section {
            let default = match k.default_text().as_str() {
                word @ ("required" | "-") => word.to_owned(),
                value => format!("`{value}`"),
            };
            out.push_str(&format!(
                "| `{}` | {default} | {} | {} | {} |\n",
                k.key,
                k.accepted(),
                k.applies.as_str(),
                k.help
            ));
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_unique_and_in_a_known_section() {
        for (i, k) in KEYS.iter().enumerate() {
            let (section, _) = k.key.rsplit_once('.').unwrap();
            assert!(SECTIONS.contains(&section), "{}", k.key);
            assert!(
                KEYS[i + 1..].iter().all(|other| other.key != k.key),
                "{}",
                k.key
            );
            assert!(!k.accepted().is_empty() && !k.help.is_empty());
        }
    }

    #[test]
    fn defaults_are_accepted_values() {
        for k in KEYS {
            match k.kind {
                Kind::Int {
                    min,
                    max,
                    default: Some(d),
                    ..
                }
                | Kind::PowerOfTwo {
                    min,
                    max,
                    default: d,
                } => {
                    assert!((min..=max).contains(&d), "{}", k.key);
                }
                Kind::Choice {
                    words,
                    default: Some(word),
                } => {
                    assert!(words.contains(&word), "{}", k.key);
                }
                _ => {}
            }
        }
    }
}
