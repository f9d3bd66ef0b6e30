//! Rule 24: a reload shows the difference and says what needs a restart; and the digest of what
//! must agree within a stack.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests

use twinline_config::{Applies, Config, render_diff, schema};

const BASE: &str = include_str!("../examples/pair-a.toml");

fn parse(text: &str) -> Config {
    Config::parse(text, "f")
        .unwrap_or_else(|e| panic!("{e}"))
        .config
}

/// BASE with the card that its comments show.
fn with_card() -> String {
    BASE.replace("bypass_card = \"none\"", "bypass_card = \"silicom\"")
        .replace("# bypass_", "bypass_")
}

/// BASE with a text replaced that must be there.
fn with(from: &str, to: &str) -> Config {
    assert!(BASE.contains(from), "{from}");
    parse(&BASE.replacen(from, to, 1))
}

fn diff(new: &Config) -> Vec<String> {
    Config::diff(&parse(BASE), new)
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn rule_24_no_change() {
    assert_eq!(diff(&parse(BASE)), [] as [&str; 0]);
    assert_eq!(render_diff(&[]), "no change");
}

/// Every key: a change of it shows once, under its name, and applies as the schema says.
#[rustfmt::skip]
const CHANGES: &[(&str, &str, &str)] = &[
    ("name = \"edge-a\" ", "name = \"edge-c\" ", "instance.name: \"edge-a\" -> \"edge-c\" (needs a restart)"),
    ("id = 1 ", "id = 3 ", "instance.id: 1 -> 3 (needs a restart)"),
    ("stack = \"edge\"", "stack = \"core\"", "instance.stack: \"edge\" -> \"core\" (needs a restart)"),
    ("control_socket = \"/run/twinline/edge-a.sock\"", "control_socket = \"/x\"", "instance.control_socket: \"/run/twinline/edge-a.sock\" -> \"/x\" (needs a restart)"),
    ("# control_group = \"twinline\" ", "control_group = \"ops\" ", "instance.control_group: - -> \"ops\" (needs a restart)"),
    ("# control_read_group = \"twinline-ro\" ", "control_read_group = \"noc\" ", "instance.control_read_group: - -> \"noc\" (needs a restart)"),
    ("state_file = \"/var/lib/twinline/edge-a.state\"", "state_file = \"/x\"", "instance.state_file: \"/var/lib/twinline/edge-a.state\" -> \"/x\" (needs a restart)"),
    ("file_prefix = \"twinline-edge-a\"", "file_prefix = \"t\"", "eal.file_prefix: \"twinline-edge-a\" -> \"t\" (needs a restart)"),
    ("memory_mb = 512", "memory_mb = 64", "eal.memory_mb: 512 -> 64 (needs a restart)"),
    ("huge = true ", "huge = false ", "eal.huge: true -> false (needs a restart)"),
    ("huge_unlink = true", "huge_unlink = false", "eal.huge_unlink: true -> false (needs a restart)"),
    ("telemetry = true", "telemetry = false", "eal.telemetry: true -> false (needs a restart)"),
    ("log_level = \"notice\"", "log_level = \"debug\"", "eal.log_level: \"notice\" -> \"debug\" (needs a restart)"),
    ("extra = []", "extra = [\"--x\"]", "eal.extra: [] -> [\"--x\"] (needs a restart)"),
    ("pci = \"0000:03:00.0\"", "vdev = \"net_null0\"", "port.lan0.pci: \"0000:03:00.0\" -> - (needs a restart)|port.lan0.vdev: - -> \"net_null0\" (needs a restart)"),
    ("rx_descriptors = 1024", "rx_descriptors = 512", "port.lan0.rx_descriptors: 1024 -> 512 (needs a restart)"),
    ("tx_descriptors = 1024", "tx_descriptors = 512", "port.lan0.tx_descriptors: 1024 -> 512 (needs a restart)"),
    ("# mtu = 1500 ", "mtu = 9000 ", "port.lan0.mtu: - -> 9000 (needs a restart)"),
    ("# kernel_interface = \"ha0\"", "kernel_interface = \"ha0\"", "port.ha0.kernel_interface: - -> \"ha0\" (needs a restart)"),
    ("lan = \"lan0\"\nwan = \"wan0\"", "lan = \"wan0\"\nwan = \"lan0\"", "link_pair.pair0.lan: \"lan0\" -> \"wan0\" (needs a restart)|link_pair.pair0.wan: \"wan0\" -> \"lan0\" (needs a restart)"),
    ("mode = \"active-passive\"", "mode = \"active-active\"", "ha.mode: \"active-passive\" -> \"active-active\" (needs a restart)"),
    ("primary = true", "primary = false", "ha.primary: true -> false (needs a restart)"),
    ("udp_port = 11211", "udp_port = 1", "ha.udp_port: 11211 -> 1 (needs a restart)"),
    ("address = \"169.254.0.1\" ", "address = \"10.0.0.1\" ", "ha.address: \"169.254.0.1\" -> \"10.0.0.1\" (needs a restart)"),
    ("multicast_group = \"239.255.84.76\"", "peers = [\"10.0.0.2\"]", "ha.peers: [] -> [\"10.0.0.2\"] (needs a restart)|ha.multicast_group: \"239.255.84.76\" -> - (needs a restart)"),
    ("key_file = \"/etc/twinline/edge.key\"", "key_file = \"/k\"", "ha.key_file: \"/etc/twinline/edge.key\" -> \"/k\" (live)"),
    ("# next_key_file", "next_key_file", "ha.next_key_file: - -> \"/etc/twinline/edge-next.key\" (live)"),
    ("in_band = false", "in_band = true", "ha.in_band: false -> true (needs a restart)"),
    ("in_band = false            # true: heartbeats go over the data ports as well, a second path\nin_band_vlan = 0", "in_band = true\nin_band_vlan = 7", "ha.in_band: false -> true (needs a restart)|ha.in_band_vlan: 0 -> 7 (needs a restart)"),
    ("topology = \"parallel\"", "topology = \"series\"", "ha.topology: \"parallel\" -> \"series\" (needs a restart)"),
    ("peer_check_interval_ms = 100", "peer_check_interval_ms = 50", "ha.peer_check_interval_ms: 100 -> 50 (live)"),
    ("peer_failure_threshold = 3", "peer_failure_threshold = 5", "ha.peer_failure_threshold: 3 -> 5 (live)"),
    ("peer_recovery_threshold = 3", "peer_recovery_threshold = 5", "ha.peer_recovery_threshold: 3 -> 5 (live)"),
    ("max_flaps = 6", "max_flaps = 0", "ha.max_flaps: 6 -> 0 (live)"),
    ("flap_window_s = 900", "flap_window_s = 60", "ha.flap_window_s: 900 -> 60 (live)"),
    ("# on_max_flaps", "on_max_flaps", "ha.on_max_flaps: - -> \"disconnect\" (live)"),
    ("preempt = true", "preempt = false", "ha.preempt: true -> false (live)"),
    ("preempt_delay_s = 60", "preempt_delay_s = 1", "ha.preempt_delay_s: 60 -> 1 (live)"),
    ("[ha.links]\ninterval_ms = 100", "[ha.links]\ninterval_ms = 10", "ha.links.interval_ms: 100 -> 10 (live)"),
    ("minimum_active = 1", "minimum_active = 0", "ha.links.minimum_active: 1 -> 0 (live)"),
    ("propagate = true", "propagate = false", "ha.links.propagate: true -> false (live)"),
    ("settle_ms = 3000", "settle_ms = 0", "ha.links.settle_ms: 3000 -> 0 (live)"),
    ("enabled = false", "enabled = true", "ha.bandwidth.enabled: false -> true (live)"),
    ("minimum_bps = 1024", "minimum_bps = 1", "ha.bandwidth.minimum_bps: 1024 -> 1 (live)"),
    ("interval_s = 10", "interval_s = 1", "ha.bandwidth.interval_s: 10 -> 1 (live)"),
    ("main = 0", "main = 2", "lcores.main: 0 -> 2 (needs a restart)"),
    ("workers = [1]", "workers = [3]", "lcores.workers: [1] -> [3] (needs a restart)"),
    ("polling = \"busy\"", "polling = \"adaptive\"", "lcores.polling: \"busy\" -> \"adaptive\" (needs a restart)"),
    ("# file = \"/var/log/twinline/edge-a.events\"", "file = \"/x\"", "events.file: - -> \"/x\" (live)"),
    ("file_max_bytes = 10485760", "file_max_bytes = 4096", "events.file_max_bytes: 10485760 -> 4096 (live)"),
    ("file_keep = 5", "file_keep = 0", "events.file_keep: 5 -> 0 (live)"),
    ("syslog = \"off\"", "syslog = \"journald\"", "events.syslog: \"off\" -> \"journald\" (live)"),
    ("# syslog_socket = \"/dev/log\"", "syslog_socket = \"/x\"", "events.syslog_socket: - -> \"/x\" (live)"),
    ("notify = []", "notify = [\"/x\", \"y\"]", "events.notify: [] -> [\"/x\", \"y\"] (live)"),
    ("# address = \"127.0.0.1:9469\"", "address = \"[::1]:9469\"", "metrics.address: - -> \"[::1]:9469\" (needs a restart)"),
];

#[test]
fn rule_24_each_change_is_shown_with_when_it_applies() {
    for (from, to, expected) in CHANGES {
        let expected: Vec<&str> = expected.split('|').collect();
        assert_eq!(diff(&with(from, to)), expected);
    }
}

/// The same of the keys of a card, in [`with_card`].
#[rustfmt::skip]
const CARD_CHANGES: &[(&str, &str, &str)] = &[
    ("bypass_card = \"silicom\"", "bypass_card = \"intel\"", "link_pair.pair0.bypass_card: \"silicom\" -> \"intel\" (needs a restart)"),
    ("bypass_device = \"0000:03:00.0\"", "bypass_device = \"0000:05:00.2\"", "link_pair.pair0.bypass_device: \"0000:03:00.0\" -> \"0000:05:00.2\" (needs a restart)"),
    ("bypass_registers = \"sysfs\"", "bypass_registers = \"socket:/x\"", "link_pair.pair0.bypass_registers: \"sysfs\" -> \"socket:/x\" (needs a restart)"),
    ("bypass_watchdog_ms = 2000", "bypass_watchdog_ms = 0", "link_pair.pair0.bypass_watchdog_ms: 2000 -> 0 (needs a restart)"),
    ("bypass_on_timeout = \"disconnect\"", "bypass_on_timeout = \"tap\"", "link_pair.pair0.bypass_on_timeout: \"disconnect\" -> \"tap\" (needs a restart)"),
    ("bypass_on_power_off = \"inline\"", "bypass_on_power_off = \"bypass\"", "link_pair.pair0.bypass_on_power_off: \"inline\" -> \"bypass\" (needs a restart)"),
    ("bypass_on_power_on = \"disconnect\"", "", "link_pair.pair0.bypass_on_power_on: \"disconnect\" -> - (needs a restart)"),
    ("bypass_power_off_verified = false", "bypass_power_off_verified = true", "link_pair.pair0.bypass_power_off_verified: false -> true (needs a restart)"),
];

#[test]
fn rule_24_each_change_of_a_card_is_shown_and_is_in_no_digest() {
    let base = with_card();
    for (from, to, expected) in CARD_CHANGES {
        assert!(base.contains(from), "{from}");
        let new = parse(&base.replacen(from, to, 1));
        let found: Vec<String> = Config::diff(&parse(&base), &new)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(found, [*expected]);
        assert_eq!(new.digest_input(), parse(BASE).digest_input());
    }
}

#[test]
fn rule_24_a_card_that_comes_or_goes_is_shown_with_its_keys() {
    assert_eq!(
        diff(&with(
            "bypass_card = \"none\"",
            "bypass_card = \"intel-pmd\""
        )),
        [
            "link_pair.pair0.bypass_card: \"none\" -> \"intel-pmd\" (needs a restart)",
            "link_pair.pair0.bypass_watchdog_ms: - -> 2000 (needs a restart)",
            "link_pair.pair0.bypass_power_off_verified: - -> false (needs a restart)",
        ]
    );
    let gone = Config::diff(&parse(&with_card()), &parse(BASE));
    assert_eq!(gone.len(), 8);
    assert!(gone[1..].iter().all(|change| change.new == "-"), "{gone:?}");
    // the device is the LAN port's unless it is given
    let base = with_card().replace("bypass_device", "# bypass_device");
    let moved = base
        .replace("0000:03:00.0", "0000:07:00.2")
        .replace("0000:03:00.1", "0000:07:00.3");
    let changes = Config::diff(&parse(&base), &parse(&moved));
    let keys: Vec<&str> = changes.iter().map(|c| c.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "port.lan0.pci",
            "port.wan0.pci",
            "link_pair.pair0.bypass_device"
        ]
    );
}

const L3: &str = include_str!("../examples/l3.toml");

/// The same of the keys of layer 3, in [`L3`]. The last: it is in the digest.
#[rustfmt::skip]
const L3_CHANGES: &[(&str, &str, &str, bool)] = &[
    ("ip_forward = true", "ip_forward = false", "l3.ip_forward: true -> false (needs a restart)", false),
    ("icmp_per_second = 1000", "icmp_per_second = 0", "l3.icmp_per_second: 1000 -> 0 (needs a restart)", false),
    ("neighbours = 4096", "neighbours = 16", "l3.neighbours: 4096 -> 16 (needs a restart)", false),
    ("resolve_queue = 4", "resolve_queue = 1", "l3.resolve_queue: 4 -> 1 (needs a restart)", false),
    ("neighbour_age_s = 30", "neighbour_age_s = 1", "l3.neighbour_age_s: 30 -> 1 (needs a restart)", false),
    ("name = \"wan0\"\nport = \"p1\"", "name = \"wan0\"\nport = \"p0\"", "interface.wan0.port: \"p1\" -> \"p0\" (needs a restart)|ha.links.minimum_active: 2 -> 1 (live)", true),
    ("vlan = 100 ", "vlan = 101 ", "interface.lan0.vlan: 100 -> 101 (needs a restart)", true),
    ("\"2001:db8:2::2/64\"", "\"2001:db8:2::3/64\"", "interface.wan0.addresses: [\"198.51.100.2/24\", \"2001:db8:2::2/64\"] -> [\"198.51.100.2/24\", \"2001:db8:2::3/64\"] (needs a restart)", false),
    ("mtu = 1500 ", "mtu = 1280 ", "interface.lan0.mtu: 1500 -> 1280 (needs a restart)", false),
    ("kernel = \"tw-lan0\"", "", "interface.lan0.kernel: \"tw-lan0\" -> - (needs a restart)", false),
    ("via = \"198.51.100.1\"", "via = \"198.51.100.9\"", "route.0.0.0.0/0.via: \"198.51.100.1\" -> \"198.51.100.9\" (needs a restart)", false),
    ("interface = \"wan0\"         #", "interface = \"lan0\"         #", "route.::/0.interface: \"wan0\" -> \"lan0\" (needs a restart)", false),
    ("prefix = \"::/0\"", "prefix = \"::/1\"", "route: [\"0.0.0.0/0\", \"::/0\"] -> [\"0.0.0.0/0\", \"::/1\"] (needs a restart)|route.::/0.via: \"fe80::1\" -> - (needs a restart)|route.::/1.via: - -> \"fe80::1\" (needs a restart)|route.::/0.interface: \"wan0\" -> - (needs a restart)|route.::/1.interface: - -> \"wan0\" (needs a restart)", false),
    ("interface = \"lan0\"\nvrid = 10\naddr", "interface = \"wan0\"\nvrid = 10\naddr", "virtual_router.gateway6.interface: \"lan0\" -> \"wan0\" (needs a restart)", true),
    ("vrid = 20", "vrid = 10", "virtual_router.uplink.vrid: 20 -> 10 (needs a restart)", true),
    ("version = 3 ", "version = 2 ", "virtual_router.gateway.version: 3 -> 2 (needs a restart)", true),
    ("[\"198.51.100.3\"]", "[\"198.51.100.4\"]", "virtual_router.uplink.addresses: [\"198.51.100.3\"] -> [\"198.51.100.4\"] (needs a restart)", true),
    ("# priority = 150", "priority = 200", "virtual_router.gateway.priority: 150 -> 200 (live)", false),
    ("interval_ms = 1000", "interval_ms = 10", "virtual_router.gateway.interval_ms: 1000 -> 10 (needs a restart)", true),
    ("preempt = true", "preempt = false", "virtual_router.gateway.preempt: true -> false (live)", false),
    ("preempt_delay_s = 0", "preempt_delay_s = 5", "virtual_router.gateway.preempt_delay_s: 0 -> 5 (live)", false),
    ("accept = true", "accept = false", "virtual_router.gateway.accept: true -> false (live)", true),
    ("checksum = \"any\"", "checksum = \"pseudo-header\"", "virtual_router.gateway.checksum: \"any\" -> \"pseudo-header\" (live)", true),
    ("peers = []", "peers = [\"192.0.2.3\"]", "virtual_router.gateway.peers: [] -> [\"192.0.2.3\"] (needs a restart)", false),
    ("announce_count = 5", "announce_count = 1", "virtual_router.gateway.announce_count: 5 -> 1 (live)", false),
    ("announce_every_ms = 1000", "announce_every_ms = 1", "virtual_router.gateway.announce_every_ms: 1000 -> 1 (live)", false),
];

#[test]
fn rule_24_each_change_of_layer_3_is_shown_and_the_digest_has_what_must_agree() {
    let base = parse(L3);
    for (from, to, expected, in_digest) in L3_CHANGES {
        assert!(L3.contains(from), "{from}");
        let mut text = L3.replacen(from, to, 1);
        if expected.contains("minimum_active") {
            text = text.replace("minimum_active = 2", "minimum_active = 1");
        }
        let new = parse(&text);
        let found: Vec<String> = Config::diff(&base, &new)
            .iter()
            .map(ToString::to_string)
            .collect();
        let expected: Vec<&str> = expected.split('|').collect();
        assert_eq!(found, expected);
        let changed = new.digest_input() != base.digest_input();
        assert_eq!(changed, *in_digest, "{expected:?}");
    }
}

#[test]
fn the_digest_without_layer_3_says_nothing_of_it() {
    for word in ["interface", "route", "l3"] {
        assert!(!parse(BASE).digest_input().contains(word), "{word}");
    }
    let renamed = L3.replace("\"lan0\"", "\"inside\"");
    assert_ne!(parse(&renamed).digest_input(), parse(L3).digest_input());
}

#[test]
fn a_priority_that_comes_or_goes_or_is_the_owners_needs_a_restart() {
    let text = L3.replace("\"active-passive\"", "\"active-active\"");
    let owner = text
        .replace("# priority = 150", "priority = 255")
        .replace("[\"192.0.2.1\"]", "[\"192.0.2.2\"]");
    let fewer = text
        .split_once("[[virtual_router]]\nname = \"uplink\"")
        .unwrap();
    let fewer = format!("{}{}", fewer.0, &fewer.1[fewer.1.find("[ha]").unwrap()..]);
    for (old, new, router) in [
        (&text, &owner, "gateway"),
        (&owner, &text, "gateway"),
        (&text, &fewer, "uplink"),
        (&fewer, &text, "uplink"),
    ] {
        let changes = Config::diff(&parse(old), &parse(new));
        let key = format!("virtual_router.{router}.priority");
        let priority = changes.iter().find(|c| c.key == key).unwrap();
        assert_eq!(priority.applies, Applies::Restart, "{priority}");
    }
}

#[test]
fn rule_24_the_tables_above_cover_every_key() {
    // these change together with others, or their items are named after them
    let elsewhere = [
        "port.name",
        "link_pair.name",
        "ha.port",
        "ha.insecure",
        "interface.name",
        "route.prefix",
        "virtual_router.name",
    ];
    for key in schema::KEYS.iter().filter(|k| !elsewhere.contains(&k.key)) {
        let (section, word) = key.key.rsplit_once('.').unwrap();
        let covered = CHANGES
            .iter()
            .chain(CARD_CHANGES)
            .map(|(_, _, e)| e)
            .chain(L3_CHANGES.iter().map(|(_, _, e, _)| e))
            .flat_map(|e| e.split('|'))
            .any(|line| {
                let shown = line.split(": ").next().unwrap();
                shown.starts_with(section) && shown.ends_with(&format!(".{word}"))
            });
        assert!(covered, "{}", key.key);
    }
}

#[test]
fn renamed_ports_and_pairs_need_a_restart() {
    let changes = Config::diff(&parse(BASE), &parse(&BASE.replace("\"ha0\"", "\"hb0\"")));
    assert!(changes.iter().all(|c| c.applies == Applies::Restart));
    let keys: Vec<&str> = changes.iter().map(|c| c.key.as_str()).collect();
    assert!(
        keys.contains(&"port") && keys.contains(&"ha.port"),
        "{keys:?}"
    );
    assert_eq!(
        diff(&with("name = \"pair0\"", "name = \"wire\""))[0],
        "link_pair: [\"pair0\"] -> [\"wire\"] (needs a restart)"
    );
}

#[test]
fn going_without_a_key_needs_a_restart() {
    let text = BASE
        .replace("key_file = \"/etc/twinline/edge.key\"\n", "")
        .replace("insecure = false", "insecure = true");
    assert_eq!(
        diff(&parse(&text)),
        [
            "ha.key_file: \"/etc/twinline/edge.key\" -> - (needs a restart)",
            "ha.insecure: false -> true (needs a restart)"
        ]
    );
}

#[test]
fn the_digest_covers_policy_and_nothing_of_ones_own() {
    let base = parse(BASE).digest_input();
    for (from, to, expected) in CHANGES {
        let changed = with(from, to).digest_input() != base;
        let key = expected.split(": ").next().unwrap();
        let own = [
            "ha.primary",
            "ha.address",
            "ha.peers",
            "ha.multicast_group",
            "ha.key_file",
            "ha.next_key_file",
        ];
        let policy = key == "instance.stack" || (key.starts_with("ha.") && !own.contains(&key));
        assert_eq!(changed, policy, "{key}");
    }
    assert_ne!(
        with("name = \"pair0\"", "name = \"wire\"").digest_input(),
        base
    );
    assert_eq!(
        parse(&BASE.replace("\"ha0\"", "\"hb0\"")).digest_input(),
        base
    );
}

#[test]
fn the_digest_does_not_say_whether_there_is_a_key() {
    let text = BASE
        .replace("key_file = \"/etc/twinline/edge.key\"\n", "")
        .replace("insecure = false", "insecure = true");
    assert_eq!(parse(&text).digest_input(), parse(BASE).digest_input());
}

#[test]
fn rule_14_what_the_card_does_when_latched() {
    use twinline_config::OnMaxFlaps::{Bypass, Disconnect, Tap};
    let series = ("topology = \"parallel\"", "topology = \"series\"");
    assert_eq!(parse(BASE).ha.latched_card(), Disconnect);
    assert_eq!(with(series.0, series.1).ha.latched_card(), Bypass);
    let tap = with("# on_max_flaps = \"disconnect\"", "on_max_flaps = \"tap\"");
    assert_eq!(tap.ha.latched_card(), Tap);
}

#[test]
fn rule_14_what_the_card_does_when_its_watchdog_expires() {
    use twinline_config::CardPath::{Bypass, Disconnect, Tap};
    let unset = with_card().replace("bypass_on_timeout", "# bypass_on_timeout");
    let path = |text: &str| {
        let config = parse(text);
        let card = config.link_pairs[0].bypass.as_ref().unwrap();
        card.timeout_path(&config.ha)
    };
    assert_eq!(path(&unset), Disconnect);
    assert_eq!(path(&unset.replace("\"parallel\"", "\"series\"")), Bypass);
    let modes = ["standalone", "active-active"];
    for mode in modes {
        let text = unset.replace("mode = \"active-passive\"", &format!("mode = \"{mode}\""));
        assert_eq!(path(&text), Bypass, "{mode}");
    }
    let tap = "bypass_on_timeout = \"tap\"";
    assert_eq!(
        path(&with_card().replace("bypass_on_timeout = \"disconnect\"", tap)),
        Tap
    );
}

#[test]
fn nothing_of_a_key_is_shown_but_its_path() {
    let toml = parse(BASE).to_toml().unwrap();
    assert!(toml.contains("key_file = \"/etc/twinline/edge.key\""));
}
