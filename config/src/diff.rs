//! What differs between two configurations, and what must not differ within a stack.

use crate::l3::VirtualRouter;
use crate::schema::{Applies, KEYS, spec};
use crate::types::{CardKind, Config, Device, Events, LinkPair};
use serde::Serialize;
use std::fmt::{self, Write};

/// A value that a reload would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The dotted key; of a port or a pair with its name: `port.lan0.mtu`.
    pub key: String,
    /// The value now; `-` when there is none.
    pub old: String,
    /// The value in the new file; `-` when there is none.
    pub new: String,
    /// When the change takes effect.
    pub applies: Applies,
}

impl Serialize for Applies {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let when = match self.applies {
            Applies::Live => "live",
            Applies::Restart => "needs a restart",
        };
        write!(f, "{}: {} -> {} ({when})", self.key, self.old, self.new)
    }
}

/// The changes as text, one line each; `no change` when there is none.
#[must_use]
pub fn render(changes: &[Change]) -> String {
    if changes.is_empty() {
        return "no change".into();
    }
    changes
        .iter()
        .map(Change::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

/// One value: the key shown, the key in the schema, the value as TOML.
struct Item {
    shown: String,
    schema: &'static str,
    value: String,
}

const ABSENT: &str = "-";

impl Config {
    /// What a reload from `old` to `new` would change, in the order of the schema.
    ///
    /// [`Applies`] comes from [`crate::schema::KEYS`], with two exceptions: going from a key to
    /// `ha.insecure` or back needs a restart, the key files included; and so does a virtual router
    /// whose priority comes or goes with it, or becomes the owner's or another's.
    #[must_use]
    pub fn diff(old: &Config, new: &Config) -> Vec<Change> {
        let (before, after) = (items(old), items(new));
        let security_changes = old.ha.insecure != new.ha.insecure
            || old.ha.key_file.is_some() != new.ha.key_file.is_some();
        let mut changes = Vec::new();
        let mut note = |item: &Item, old: &str, new: &str| {
            if old == new {
                return;
            }
            let key_file = matches!(item.schema, "ha.key_file" | "ha.next_key_file");
            let owner = VirtualRouter::OWNER.to_string();
            let other_router = item.schema.starts_with("virtual_router.")
                && [old, new].into_iter().any(|value| {
                    let owns = item.schema == "virtual_router.priority" && value == owner;
                    owns || value == ABSENT
                });
            let applies = match spec(item.schema) {
                Some(_) if key_file && security_changes => Applies::Restart,
                Some(_) if other_router => Applies::Restart,
                Some(spec) => spec.applies,
                None => Applies::Restart,
            };
            changes.push(Change {
                key: item.shown.clone(),
                old: old.to_owned(),
                new: new.to_owned(),
                applies,
            });
        };
        for item in &before {
            let new = after.iter().find(|other| other.shown == item.shown);
            note(item, &item.value, new.map_or(ABSENT, |other| &other.value));
        }
        for item in &after {
            if !before.iter().any(|other| other.shown == item.shown) {
                note(item, ABSENT, &item.value);
            }
        }
        let place = |key: &str| {
            let all = before.iter().chain(&after);
            let schema = all
                .into_iter()
                .find(|item| item.shown == key)
                .map(|item| item.schema);
            KEYS.iter()
                .position(|spec| Some(spec.key) == schema)
                .unwrap_or(0)
        };
        changes.sort_by_cached_key(|change| place(&change.key));
        changes
    }

    /// Canonical text of what must agree within a stack; the heartbeat carries a digest of it.
    ///
    /// Stack, mode, UDP port and every policy of `[ha]`, and the names of the link pairs in their
    /// order; with layer 3 also the names and VLANs of the interfaces in their order, and of the
    /// virtual routers what all routers on a network have to agree on. Not what may differ from instance to instance: `primary`, `port`, `address`, `peers`,
    /// `multicast_group`, key files, `insecure`.
    #[must_use]
    pub fn digest_input(&self) -> String {
        const OWN: &[&str] = &[
            "ha.primary",
            "ha.port",
            "ha.address",
            "ha.peers",
            "ha.multicast_group",
            "ha.key_file",
            "ha.next_key_file",
            "ha.insecure",
        ];
        // what is alike on both, by RFC 9568 or because the neighbours are shared
        const SHARED: &[&str] = &[
            "interface.vlan",
            "virtual_router.interface",
            "virtual_router.vrid",
            "virtual_router.version",
            "virtual_router.addresses",
            "virtual_router.interval_ms",
            "virtual_router.accept",
            "virtual_router.checksum",
        ];
        let mut out = String::from("twinline stack configuration 1\n");
        for item in items(self) {
            let policy = item.schema.starts_with("ha.") && !OWN.contains(&item.schema);
            // absent without layer 3: the digest is then what it was before there was any
            let names = matches!(item.shown.as_str(), "interface" | "virtual_router");
            let l3 = SHARED.contains(&item.schema) || names && item.value != "[]";
            if policy || l3 || item.shown == "link_pair" || item.schema == "instance.stack" {
                // writing to a String does not fail
                let _ = writeln!(out, "{}={}", item.shown, item.value);
            }
        }
        out
    }
}

/// All values in the order of the schema.
fn items(config: &Config) -> Vec<Item> {
    let mut out = Vec::new();
    let mut add = |schema: &'static str, value: String| {
        out.push(Item {
            shown: schema.to_owned(),
            schema,
            value,
        });
    };
    let instance = &config.instance;
    add("instance.name", quoted(&instance.name));
    add("instance.id", instance.id.to_string());
    add("instance.stack", quoted(&instance.stack));
    add(
        "instance.control_socket",
        quoted(instance.control_socket.display()),
    );
    let group = |name: &Option<String>| or_absent(name.as_ref().map(quoted));
    add("instance.control_group", group(&instance.control_group));
    add(
        "instance.control_read_group",
        group(&instance.control_read_group),
    );
    add("instance.state_file", quoted(instance.state_file.display()));
    let eal = &config.eal;
    add("eal.file_prefix", quoted(&eal.file_prefix));
    add("eal.memory_mb", eal.memory_mb.to_string());
    add("eal.huge", eal.huge.to_string());
    add("eal.huge_unlink", eal.huge_unlink.to_string());
    add("eal.telemetry", eal.telemetry.to_string());
    add("eal.log_level", quoted(&eal.log_level));
    add("eal.extra", list(eal.extra.iter().map(quoted)));
    let ha = &config.ha;
    add("ha.mode", word(ha.mode));
    add("ha.primary", ha.primary.to_string());
    add("ha.port", or_absent(ha.port.as_ref().map(quoted)));
    add("ha.udp_port", ha.udp_port.to_string());
    add("ha.address", quoted(ha.address));
    add("ha.peers", list(ha.peers.iter().map(quoted)));
    add(
        "ha.multicast_group",
        or_absent(ha.multicast_group.map(quoted)),
    );
    add(
        "ha.key_file",
        or_absent(ha.key_file.as_ref().map(|p| quoted(p.display()))),
    );
    add(
        "ha.next_key_file",
        or_absent(ha.next_key_file.as_ref().map(|p| quoted(p.display()))),
    );
    add("ha.insecure", ha.insecure.to_string());
    add("ha.in_band", ha.in_band.to_string());
    add("ha.in_band_vlan", ha.in_band_vlan.to_string());
    add("ha.topology", word(ha.topology));
    add(
        "ha.peer_check_interval_ms",
        ha.peer_check_interval_ms.to_string(),
    );
    add(
        "ha.peer_failure_threshold",
        ha.peer_failure_threshold.to_string(),
    );
    add(
        "ha.peer_recovery_threshold",
        ha.peer_recovery_threshold.to_string(),
    );
    add("ha.max_flaps", ha.max_flaps.to_string());
    add("ha.flap_window_s", ha.flap_window_s.to_string());
    add("ha.on_max_flaps", or_absent(ha.on_max_flaps.map(word)));
    add("ha.preempt", ha.preempt.to_string());
    add("ha.preempt_delay_s", ha.preempt_delay_s.to_string());
    add("ha.links.interval_ms", ha.links.interval_ms.to_string());
    add(
        "ha.links.minimum_active",
        ha.links.minimum_active.to_string(),
    );
    add("ha.links.propagate", ha.links.propagate.to_string());
    add("ha.links.settle_ms", ha.links.settle_ms.to_string());
    add("ha.bandwidth.enabled", ha.bandwidth.enabled.to_string());
    add(
        "ha.bandwidth.minimum_bps",
        ha.bandwidth.minimum_bps.to_string(),
    );
    add(
        "ha.bandwidth.interval_s",
        ha.bandwidth.interval_s.to_string(),
    );
    let lcores = &config.lcores;
    add("lcores.main", lcores.main.to_string());
    add("lcores.workers", list(lcores.workers.iter()));
    add("lcores.polling", word(lcores.polling));
    events(&config.events, &mut add);
    add(
        "metrics.address",
        or_absent(config.metrics.address.map(quoted)),
    );
    ports(config, &mut out);
    pairs(config, &mut out);
    layer_3(config, &mut out);
    out
}

fn events(events: &Events, add: &mut impl FnMut(&'static str, String)) {
    let path =
        |path: &Option<std::path::PathBuf>| or_absent(path.as_ref().map(|p| quoted(p.display())));
    add("events.file", path(&events.file));
    add("events.file_max_bytes", events.file_max_bytes.to_string());
    add("events.file_keep", events.file_keep.to_string());
    add("events.syslog", word(events.syslog));
    add("events.syslog_socket", path(&events.syslog_socket));
    add("events.notify", list(events.notify.iter().map(quoted)));
}

fn ports(config: &Config, out: &mut Vec<Item>) {
    let names = list(config.ports.iter().map(|p| quoted(&p.name)));
    out.push(Item {
        shown: "port".into(),
        schema: "port.name",
        value: names,
    });
    for port in &config.ports {
        let mut add = |schema: &'static str, value: String| {
            let shown = schema.replacen("port.", &format!("port.{}.", port.name), 1);
            out.push(Item {
                shown,
                schema,
                value,
            });
        };
        match &port.device {
            Device::Pci(address) => add("port.pci", quoted(address)),
            Device::Vdev(vdev) => add("port.vdev", quoted(vdev)),
        }
        add("port.rx_descriptors", port.rx_descriptors.to_string());
        add("port.tx_descriptors", port.tx_descriptors.to_string());
        add(
            "port.kernel_interface",
            or_absent(port.kernel_interface.as_ref().map(quoted)),
        );
        add("port.mtu", or_absent(port.mtu.map(|mtu| mtu.to_string())));
    }
}

fn pairs(config: &Config, out: &mut Vec<Item>) {
    let names = list(config.link_pairs.iter().map(|p| quoted(&p.name)));
    out.push(Item {
        shown: "link_pair".into(),
        schema: "link_pair.name",
        value: names,
    });
    for pair in &config.link_pairs {
        let mut add = |schema: &'static str, value: String| {
            let shown = schema.replacen("link_pair.", &format!("link_pair.{}.", pair.name), 1);
            out.push(Item {
                shown,
                schema,
                value,
            });
        };
        add("link_pair.lan", quoted(&pair.lan));
        add("link_pair.wan", quoted(&pair.wan));
        card(pair, &mut add);
    }
}

fn layer_3(config: &Config, out: &mut Vec<Item>) {
    let l3 = &config.l3;
    for (schema, value) in [
        ("l3.ip_forward", l3.ip_forward.to_string()),
        ("l3.icmp_per_second", l3.icmp_per_second.to_string()),
        ("l3.neighbours", l3.neighbours.to_string()),
        ("l3.resolve_queue", l3.resolve_queue.to_string()),
        ("l3.neighbour_age_s", l3.neighbour_age_s.to_string()),
    ] {
        out.push(Item {
            shown: schema.to_owned(),
            schema,
            value,
        });
    }
    out.push(Item {
        shown: "interface".into(),
        schema: "interface.name",
        value: list(config.interfaces.iter().map(|i| quoted(&i.name))),
    });
    for interface in &config.interfaces {
        items_of("interface", &interface.name, out, |add| {
            add("interface.port", quoted(&interface.port));
            add("interface.vlan", or_absent(interface.vlan.map(number)));
            let addresses = interface.addresses.iter().map(quoted);
            add("interface.addresses", list(addresses));
            add("interface.mtu", interface.mtu.to_string());
            let kernel = interface.kernel.as_ref().map(quoted);
            add("interface.kernel", or_absent(kernel));
        });
    }
    out.push(Item {
        shown: "route".into(),
        schema: "route.prefix",
        value: list(config.routes.iter().map(|r| quoted(r.prefix))),
    });
    for route in &config.routes {
        items_of("route", &route.prefix.to_string(), out, |add| {
            add("route.via", quoted(route.via));
            add("route.interface", quoted(&route.interface));
        });
    }
    out.push(Item {
        shown: "virtual_router".into(),
        schema: "virtual_router.name",
        value: list(config.virtual_routers.iter().map(|r| quoted(&r.name))),
    });
    for router in &config.virtual_routers {
        items_of("virtual_router", &router.name, out, |add| {
            virtual_router(router, add);
        });
    }
}

fn virtual_router(router: &VirtualRouter, add: &mut dyn FnMut(&'static str, String)) {
    add("virtual_router.interface", quoted(&router.interface));
    add("virtual_router.vrid", router.vrid.to_string());
    add("virtual_router.version", word(router.version));
    let addresses = list(router.addresses.iter().map(quoted));
    add("virtual_router.addresses", addresses);
    add("virtual_router.priority", router.priority.to_string());
    add("virtual_router.interval_ms", router.interval_ms.to_string());
    add("virtual_router.preempt", router.preempt.to_string());
    add(
        "virtual_router.preempt_delay_s",
        router.preempt_delay_s.to_string(),
    );
    add("virtual_router.accept", router.accept.to_string());
    add("virtual_router.checksum", word(router.checksum));
    let peers = list(router.peers.iter().map(quoted));
    add("virtual_router.peers", peers);
    add(
        "virtual_router.announce_count",
        router.announce_count.to_string(),
    );
    add(
        "virtual_router.announce_every_ms",
        router.announce_every_ms.to_string(),
    );
}

/// The items of one of the repeated `section`: their keys are shown with its name.
fn items_of(
    section: &str,
    name: &str,
    out: &mut Vec<Item>,
    fill: impl FnOnce(&mut dyn FnMut(&'static str, String)),
) {
    fill(&mut |schema, value| {
        let key = schema.strip_prefix(section).unwrap_or(schema);
        out.push(Item {
            shown: format!("{section}.{name}{key}"),
            schema,
            value,
        });
    });
}

fn number(value: u16) -> String {
    value.to_string()
}

fn card(pair: &LinkPair, add: &mut impl FnMut(&'static str, String)) {
    let Some(card) = &pair.bypass else {
        add("link_pair.bypass_card", quoted("none"));
        return;
    };
    add("link_pair.bypass_card", word(card.card));
    // keys that are not given with intel-pmd
    if card.card != CardKind::IntelPmd {
        add(
            "link_pair.bypass_device",
            or_absent(card.device.map(quoted)),
        );
        add("link_pair.bypass_registers", quoted(&card.registers));
    }
    add("link_pair.bypass_watchdog_ms", card.watchdog_ms.to_string());
    for (schema, path) in [
        ("link_pair.bypass_on_timeout", card.on_timeout),
        ("link_pair.bypass_on_power_off", card.on_power_off),
        ("link_pair.bypass_on_power_on", card.on_power_on),
    ] {
        add(schema, or_absent(path.map(word)));
    }
    add(
        "link_pair.bypass_power_off_verified",
        card.power_off_verified.to_string(),
    );
}

fn quoted(value: impl fmt::Display) -> String {
    format!("\"{value}\"")
}

fn or_absent(value: Option<String>) -> String {
    value.unwrap_or_else(|| ABSENT.into())
}

fn list(values: impl Iterator<Item = impl fmt::Display>) -> String {
    let values: Vec<String> = values.map(|v| v.to_string()).collect();
    format!("[{}]", values.join(", "))
}

/// The word of the file for a value of a choice.
fn word(value: impl Serialize) -> String {
    toml::Value::try_from(value).map_or_else(|_| "?".into(), |v| v.to_string())
}
