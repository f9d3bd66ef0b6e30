//! Bad files and the exact messages that they give.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests

use twinline_config::{CardKind, Config, Registers};

/// A valid file, of which the cases change lines. Line numbers are in the comments.
const GOOD: &str = r#"[instance]
name = "a"
id = 1
stack = "s"
[eal]
memory_mb = 256
[[port]]
name = "lan0"
vdev = "net_ring0"
[[port]]
name = "wan0"
vdev = "net_ring1"
[[port]]
name = "ha0"
pci = "0000:03:00.0"
[[link_pair]]
name = "p"
lan = "lan0"
wan = "wan0"
[ha]
mode = "active-passive"
port = "ha0"
key_file = "/k"
[ha.links]
minimum_active = 1
[lcores]
main = 0
workers = [1]
"#;

/// GOOD with a line replaced (from 1); the new text may have several lines.
fn with(line: usize, new: &str) -> String {
    let mut lines: Vec<&str> = GOOD.lines().collect();
    lines[line - 1] = new;
    lines.join("\n")
}

fn messages(text: &str) -> Vec<String> {
    match Config::parse(text, "f") {
        Ok(loaded) => panic!("accepted: {:?}\n{text}", loaded.config),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

fn warnings(text: &str) -> Vec<String> {
    match Config::parse(text, "f") {
        Ok(loaded) => loaded.warnings.iter().map(ToString::to_string).collect(),
        Err(errors) => panic!("{errors}\n{text}"),
    }
}

#[test]
fn the_good_file_is_good() {
    assert_eq!(warnings(GOOD), [] as [&str; 0]);
}

/// One changed line, one message.
#[rustfmt::skip]
const ONE_LINE: &[(usize, &str, &str)] = &[
    // [instance]
    (2, "name = \"a b\"", "f:2: instance.name = \"a b\": has a character that is not accepted; accepted: 1 to 32 characters of a-z A-Z 0-9 . _ -"),
    (2, "name = \"\"", "f:2: instance.name = \"\": is empty; accepted: 1 to 32 characters of a-z A-Z 0-9 . _ -"),
    (2, "name = \"abcdefghijklmnopqrstuvwxyz1234567\"", "f:2: instance.name = \"abcdefghijklmnopqrstuvwxyz1234567\": is too long; accepted: 1 to 32 characters of a-z A-Z 0-9 . _ -"),
    (2, "", "f:1: instance.name: is missing; accepted: 1 to 32 characters of a-z A-Z 0-9 . _ -"),
    (3, "id = 0", "f:3: instance.id = 0: is out of range; accepted: 1 to 65535"),
    (3, "id = 65536", "f:3: instance.id = 65536: is out of range; accepted: 1 to 65535"),
    (3, "id = 0x1_0000", "f:3: instance.id = 0x1_0000: is out of range; accepted: 1 to 65535"),
    (3, "id = \"1\"", "f:3: instance.id = \"1\": must be a whole number, not a string; accepted: 1 to 65535"),
    (3, "id = 1.0", "f:3: instance.id = 1.0: must be a whole number, not a fraction; accepted: 1 to 65535"),
    (3, "id = 65535", "f:20: ha.address: instance.id 65535 has no default: 169.254.255.255 is a broadcast address; accepted: a unicast IPv4 address"),
    (4, "stack = 5", "f:4: instance.stack = 5: must be a string, not a whole number; accepted: 1 to 32 characters of a-z A-Z 0-9 . _ -"),
    (4, "stack = \"s\"\ncontrol_socket = \"run/x\"", "f:5: instance.control_socket = \"run/x\": is not absolute; accepted: an absolute path of at most 107 bytes"),
    (4, "stack = \"s\"\ncontrol_group = \"a b\"", "f:5: instance.control_group = \"a b\": has a character that is not accepted; accepted: the name of a group of the system: 1 to 32 characters of a-z A-Z 0-9 . _ -"),
    (4, "stack = \"s\"\ncontrol_socket = \"/x\"\ncontrol_read_group = \"g\"\nstate_file = \"/x.ro\"", "f:7: instance.state_file = \"/x.ro\": is the socket of instance.control_read_group: two different paths are needed"),
    (4, "stack = \"s\"\nstate_file = \"/var/\"", "f:5: instance.state_file = \"/var/\": is a directory, not a file; accepted: an absolute path"),
    (4, "stack = \"s\"\nstate_file = \"/x\"\ncontrol_socket = \"/x\"", "f:5: instance.state_file = \"/x\": is also instance.control_socket: two different paths are needed"),
    // [eal]
    (6, "memory_mb = 8", "f:6: eal.memory_mb = 8: is out of range; accepted: 16 to 1048576"),
    (6, "memory = 256", "f:6: eal.memory = 256: unknown key; did you mean eal.memory_mb?"),
    (6, "huge = \"no\"", "f:6: eal.huge = \"no\": must be a boolean, not a string; accepted: true or false"),
    (6, "log_level = \"warn\"", "f:6: eal.log_level = \"warn\": unknown word; did you mean \"warning\"?; accepted: \"emergency\", \"alert\", \"critical\", \"error\", \"warning\", \"notice\", \"info\", \"debug\""),
    (6, "extra = [\n  \"--iova-mode=va\",\n  \"--vdev=net_null0\",\n]", "f:8: eal.extra = \"--vdev=net_null0\": is set by port.vdev; accepted: an array of EAL options, each 1 to 256 characters, at most 64; none that another key sets"),
    (6, "extra = \"--x\"", "f:6: eal.extra = \"--x\": must be an array, not a string; accepted: an array of EAL options, each 1 to 256 characters, at most 64; none that another key sets"),
    // [[port]]
    (9, "vdev = \"ring 0\"", "f:9: port.vdev = \"ring 0\": the name before the first comma has only letters, digits, `_` and `-`; accepted: a DPDK vdev as net_af_packet0,iface=lan0; exactly one of pci and vdev"),
    (9, "", "f:7: port: names no device; accepted: exactly one of port.pci and port.vdev"),
    (9, "vdev = \"net_ring1,x=1\"", "f:12: port.vdev = \"net_ring1\": is used by another port already, on line 9"),
    (9, "pci = \"03:00.0\"", "f:15: port.pci = \"0000:03:00.0\": is used by another port already, on line 9"),
    (9, "pci = \"0000:03:00\"", "f:9: port.pci = \"0000:03:00\": not a PCI address; accepted: a PCI address as 0000:03:00.0; exactly one of pci and vdev"),
    (9, "vdev = \"net_ring0\"\npci = \"0000:04:00.0\"", "f:9: port.vdev = \"net_ring0\": port.pci is given too: exactly one of port.pci and port.vdev is needed"),
    (9, "vdev = \"net_ring0\"\nrx_descriptors = 1000", "f:10: port.rx_descriptors = 1000: is not a power of two; accepted: a power of two, 64 to 8192"),
    (9, "vdev = \"net_ring0\"\ntx_descriptors = 16384", "f:10: port.tx_descriptors = 16384: is out of range; accepted: a power of two, 64 to 8192"),
    (9, "vdev = \"net_ring0\"\nmtu = 67", "f:10: port.mtu = 67: is out of range; accepted: 68 to 9600"),
    (9, "vdev = \"net_ring0\"\nkernel_interface = \"a/b\"", "f:10: port.kernel_interface = \"a/b\": is not an interface name; accepted: a network interface: 1 to 15 characters without blanks, / and :"),
    (14, "name = \"ha0\"\n[[port]]\nname = \"ha0\"\nvdev = \"net_ring2\"\n[[port]]\nname = \"x\"", "f:16: port.name = \"ha0\": is used by another port already, on line 14|f:13: port: names no device; accepted: exactly one of port.pci and port.vdev"),
    // [[link_pair]]
    (18, "lan = \"lan1\"", "f:18: link_pair.lan = \"lan1\": there is no such port; accepted: one of ha0, lan0, wan0"),
    (18, "lan = \"wan0\"", "f:19: link_pair.wan = \"wan0\": is the port of the LAN side too: a pair joins two ports"),
    (18, "lan = \"ha0\"", "f:22: ha.port = \"ha0\": is in the link pair p; accepted: the name of a [[port]] that is in no link pair and has no interface"),
    (19, "wan = \"wan0\"\n[[link_pair]]\nname = \"q\"\nlan = \"lan0\"\nwan = \"wan0\"", "f:22: link_pair.lan = \"lan0\": is used by another pair already, on line 18|f:23: link_pair.wan = \"wan0\": is used by another pair already, on line 19"),
    // [ha]
    (21, "mode = \"active_pasive\"", "f:21: ha.mode = \"active_pasive\": unknown word; did you mean \"active-passive\"?; accepted: \"standalone\", \"active-passive\", \"active-active\""),
    (22, "", "f:20: ha.port: is missing: only \"standalone\" does without it; accepted: the name of a [[port]] that is in no link pair and has no interface"),
    (22, "port = \"ha1\"", "f:22: ha.port = \"ha1\": there is no such port; accepted: one of ha0, lan0, wan0"),
    (23, "", "f:20: ha.key_file: is missing; accepted: the absolute path of a key file, or ha.insecure = true to run without a key"),
    (23, "key_file = \"k\"", "f:23: ha.key_file = \"k\": is not absolute; accepted: an absolute path"),
    (23, "key_file = \"/k\"\ninsecure = true", "f:24: ha.insecure = true: ha.key_file is given too: remove one of them"),
    (23, "key_file = \"/k\"\nnext_key_file = \"/k\"", "f:24: ha.next_key_file = \"/k\": is the same file as ha.key_file"),
    (23, "insecure = true\nnext_key_file = \"/n\"", "f:24: ha.next_key_file = \"/n\": ha.key_file is missing: it holds the key in use"),
    (23, "key_file = \"/k\"\npeer_check_interval_ms = 0", "f:24: ha.peer_check_interval_ms = 0: is out of range; accepted: 1 to 60000"),
    (23, "key_file = \"/k\"\npeer_failure_threshold = 256", "f:24: ha.peer_failure_threshold = 256: is out of range; accepted: 1 to 255"),
    (23, "key_file = \"/k\"\npeer_recovery_threshold = 0", "f:24: ha.peer_recovery_threshold = 0: is out of range; accepted: 1 to 255"),
    (23, "key_file = \"/k\"\nmax_flaps = 1001", "f:24: ha.max_flaps = 1001: is out of range; accepted: 0 to 1000 (0 = no limit)"),
    (23, "key_file = \"/k\"\nflap_window_s = 86401", "f:24: ha.flap_window_s = 86401: is out of range; accepted: 1 to 86400"),
    (23, "key_file = \"/k\"\nudp_port = 0", "f:24: ha.udp_port = 0: is out of range; accepted: 1 to 65535"),
    (23, "key_file = \"/k\"\ntopology = \"serial\"", "f:24: ha.topology = \"serial\": unknown word; did you mean \"series\"?; accepted: \"parallel\", \"series\""),
    (23, "key_file = \"/k\"\non_max_flaps = \"open\"", "f:24: ha.on_max_flaps = \"open\": unknown word; accepted: \"bypass\", \"disconnect\", \"tap\""),
    (23, "key_file = \"/k\"\naddress = \"224.1.2.3\"", "f:24: ha.address = \"224.1.2.3\": is not unicast; accepted: a unicast IPv4 address"),
    (23, "key_file = \"/k\"\naddress = \"1.2.3\"", "f:24: ha.address = \"1.2.3\": is not an IPv4 address; accepted: a unicast IPv4 address"),
    (23, "key_file = \"/k\"\nmulticast_group = \"10.0.0.1\"", "f:24: ha.multicast_group = \"10.0.0.1\": is not multicast; accepted: an IPv4 multicast address, 224.0.0.0 to 239.255.255.255"),
    (23, "key_file = \"/k\"\npeers = [\"169.254.0.1\"]", "f:24: ha.peers = \"169.254.0.1\": is this instance's own ha.address"),
    (23, "key_file = \"/k\"\npeers = [\"10.0.0.2\",\n\"10.0.0.3\"]", "f:25: ha.peers = \"10.0.0.3\": is a second peer: an active-passive stack has two instances"),
    (23, "key_file = \"/k\"\npeers = [\"10.0.0.2\"]\nmulticast_group = \"239.1.1.1\"", "f:25: ha.multicast_group = \"239.1.1.1\": ha.peers names the peers: give either ha.peers or ha.multicast_group"),
    (23, "key_file = \"/k\"\ninband = true", "f:24: ha.inband = true: unknown key; did you mean ha.in_band?"),
    (23, "key_file = \"/k\"\nsecond_path = 1", "f:24: ha.second_path = 1: unknown key; accepted: mode, primary, port, udp_port, address, peers, multicast_group, key_file, next_key_file, insecure, in_band, in_band_vlan, topology, peer_check_interval_ms, peer_failure_threshold, peer_recovery_threshold, max_flaps, flap_window_s, on_max_flaps, preempt, preempt_delay_s, links, bandwidth"),
    (23, "key_file = \"/k\"\nin_band = true\nin_band_vlan = 4095", "f:25: ha.in_band_vlan = 4095: is out of range; accepted: 0 to 4094 (0 = untagged)"),
    (23, "key_file = \"/k\"\nin_band_vlan = 7", "f:24: ha.in_band_vlan = 7: ha.in_band is false: set it to true, or remove this key"),
    (23, "key_file = \"/k\"\nbandwidth.minimum_bps = 0", "f:24: ha.bandwidth.minimum_bps = 0: is out of range; accepted: a whole number, at least 1"),
    (23, "key_file = \"/k\"\nbandwidth = { interval_s = 3601 }", "f:24: ha.bandwidth.interval_s = 3601: is out of range; accepted: 1 to 3600"),
    (25, "minimum_active = 2", "f:25: ha.links.minimum_active = 2: is more than the link pairs, of which there are 1; accepted: 0 to 1 (0 = off)"),
    (25, "interval = 100", "f:25: ha.links.interval = 100: unknown key; did you mean ha.links.interval_ms?"),
    (25, "settle_ms = 60001", "f:25: ha.links.settle_ms = 60001: is out of range; accepted: 0 to 60000"),
    // [lcores]
    (27, "main = 1", "f:28: lcores.workers = 1: is lcores.main too: a busy worker would starve the management core; take another core, or lcores.polling = \"adaptive\""),
    (28, "workers = []", "f:28: lcores.workers: no worker, but there are link pairs to forward; accepted: an array of core numbers, for example [1]"),
    (28, "", "f:26: lcores.workers: no worker, but there are link pairs to forward; accepted: an array of core numbers, for example [1]"),
    (28, "workers = [1, 1]", "f:28: lcores.workers = 1: is in the list twice: each worker has its own core"),
    (28, "workers = [1, -1]", "f:28: lcores.workers = -1: is out of range; accepted: an array of different core numbers, 0 to 1023; at least one when there are link pairs or interfaces"),
    (28, "workers = [1]\nnice = 3\npooling = \"busy\"", "f:29: lcores.nice = 3: unknown key; accepted: main, workers, polling|f:30: lcores.pooling = \"busy\": unknown key; did you mean lcores.polling?"),
    // [metrics]
    (28, "workers = [1]\n[metrics]\naddress = \"localhost:9469\"", "f:30: metrics.address = \"localhost:9469\": is not an IP address with a port; accepted: an IP address and a port as 127.0.0.1:9469 or [::1]:9469"),
    (28, "workers = [1]\nmetrics.address = \"::1:9469\"", "f:29: lcores.metrics: unknown key; accepted: main, workers, polling"),
    (28, "workers = [1]\n[metrics]\naddress = \"[::]:0\"", "f:30: metrics.address = \"[::]:0\": has port 0; accepted: an IP address and a port as 127.0.0.1:9469 or [::1]:9469"),
    (28, "workers = [1]\n[metrics]\naddress = 9469", "f:30: metrics.address = 9469: must be a string, not a whole number; accepted: an IP address and a port as 127.0.0.1:9469 or [::1]:9469"),
    // the file
    (26, "[lcore]", "f:26: lcore: unknown section; did you mean lcores?|f: lcores.workers: no worker, but there are link pairs to forward; accepted: an array of core numbers, for example [1]"),
    (26, "[lcores", "f:26:8: not TOML: unclosed table, expected `]`"),
    (3, "id = 1\nid = 2", "f:4:1: not TOML: duplicate key"),
    // [events]
    (28, "workers = [1]\n[events]\nfile = \"x\"", "f:30: events.file = \"x\": is not absolute; accepted: an absolute path"),
    (28, "workers = [1]\n[events]\nfile = \"/var/lib/twinline/a.state\"", "f:30: events.file = \"/var/lib/twinline/a.state\": is also instance.state_file: two different paths are needed"),
    (28, "workers = [1]\n[events]\nfile_max_bytes = 4095", "f:30: events.file_max_bytes = 4095: is out of range; accepted: 4096 to 1099511627776"),
    (28, "workers = [1]\n[events]\nsyslog = \"journal\"", "f:30: events.syslog = \"journal\": unknown word; did you mean \"journald\"?; accepted: \"off\", \"syslog\", \"journald\""),
    (28, "workers = [1]\n[events]\nnotify = \"/bin/sh\"", "f:30: events.notify = \"/bin/sh\": must be an array, not a string; accepted: the absolute path of a program, and its arguments: at most 64 strings"),
    (28, "workers = [1]\n[events]\nnotify = [\"sh\"]", "f:30: events.notify = \"sh\": the program is not absolute; accepted: the absolute path of a program, and its arguments: at most 64 strings"),
];

#[test]
fn one_changed_line_gives_exactly_its_messages() {
    for (line, new, expected) in ONE_LINE {
        let mut found = messages(&with(*line, new));
        let mut expected: Vec<&str> = expected.split('|').collect();
        // order is tested below
        found.sort();
        expected.sort_unstable();
        assert_eq!(found, expected, "line {line}: {new}");
    }
}

#[test]
fn all_errors_come_at_once_and_by_line() {
    let text = "[instance]\nname = 1\nid = 0\nstack = \"s\"\n[eal]\nhuge = 3\nzzz = 1\n\
        [[port]]\nname = \"p\"\npci = \"x\"\n[lcores]\nmain = -1\n";
    let lines: Vec<Option<usize>> = Config::parse(text, "f")
        .unwrap_err()
        .iter()
        .map(|e| e.line)
        .collect();
    assert_eq!(lines, [2, 3, 6, 7, 10, 12].map(Some));
}

#[test]
fn wrong_shapes() {
    let text =
        "ha = []\nport = 5\nlink_pair = [1]\n[instance]\nname = \"a\"\nid = 1\nstack = \"s\"\n";
    assert_eq!(
        messages(text),
        [
            "f:1: ha: must be a section, not an array; accepted: [ha]",
            "f:2: port: must be repeated sections, not a whole number; accepted: [[port]], once for each",
            "f:3: link_pair = 1: must be a section, not a whole number; accepted: [[link_pair]], once for each",
        ]
    );
    let text = "[instance]\nname = \"a\"\nid = 1\nstack = \"s\"\n[port]\nname = \"x\"\n";
    assert_eq!(
        messages(text),
        ["f:5: port: must be repeated sections, not a section; accepted: [[port]], once for each"]
    );
}

#[test]
fn a_quoted_key_with_dots_is_not_a_path() {
    let text = with(23, "key_file = \"/k\"\n\"links.interval_ms\" = 5");
    let found = messages(&text);
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("f:24: ha.links.interval_ms = 5: unknown key; accepted:"));
}

#[test]
fn too_many_ports_and_pairs() {
    let mut text = String::from("[instance]\nname = \"a\"\nid = 1\nstack = \"s\"\n");
    for n in 0..33 {
        text.push_str(&format!(
            "[[port]]\nname = \"p{n}\"\nvdev = \"net_null{n}\"\n"
        ));
    }
    assert_eq!(
        messages(&text),
        ["f:101: port: there are 33; accepted: at most 32"]
    );
}

#[test]
fn two_devices_on_one_kernel_interface() {
    let text = with(
        9,
        "vdev = \"net_af_packet0,iface=x\"\nkernel_interface = \"x\"",
    )
    .replace("net_ring1", "net_af_xdp0,iface=x");
    assert_eq!(
        messages(&text),
        [
            "f:13: port.vdev = \"net_af_xdp0,iface=x\": the interface x is used by another port \
          already, on line 9"
        ]
    );
    let text = with(9, "vdev = \"net_ring0\"\nkernel_interface = \"x\"")
        .replace("\"net_ring1\"", "\"net_ring1\"\nkernel_interface = \"x\"");
    assert_eq!(
        messages(&text),
        ["f:14: port.kernel_interface = \"x\": is used by another port already, on line 10"]
    );
}

#[test]
fn an_active_passive_instance_needs_a_pair() {
    let text = "[instance]\nname = \"a\"\nid = 1\nstack = \"s\"\n[[port]]\nname = \"h\"\n\
        vdev = \"net_ring0\"\n[ha]\nmode = \"active-passive\"\nport = \"h\"\nkey_file = \"/k\"\n";
    assert_eq!(
        messages(text),
        [
            "f:9: link_pair: there is none; accepted: at least one [[link_pair]] or [[interface]] with ha.mode = \
          \"active-passive\""
        ]
    );
    assert_eq!(
        warnings(&text.replace("active-passive", "active-active")),
        [] as [&str; 0]
    );
}

#[test]
fn warnings_are_given_beside_a_valid_configuration() {
    #[rustfmt::skip]
    let cases: &[(usize, &str, &str)] = &[
        (23, "insecure = true", "f:23: ha.insecure: heartbeats are not authenticated: anybody on the HA network can take the role"),
        (23, "key_file = \"/k\"\non_max_flaps = \"bypass\"", "f:24: ha.on_max_flaps: joins the two cables: beside an active peer that is a loop in the parallel topology; absent means disconnect there"),
        (21, "mode = \"standalone\"", "f:22: ha.port: is not used: ha.mode is \"standalone\""),
        (28, "workers = [1, 2]", "f:28: lcores.workers: the worker on core 2 has no link pair or interface to carry"),
        (9, "vdev = \"net_af_packet0,iface=lan0\"", "f:9: port.vdev: the driver of net_af_packet0 reports its link as always up; set port.kernel_interface = \"lan0\" so that a lost carrier is seen"),
    ];
    for (line, new, expected) in cases {
        assert_eq!(warnings(&with(*line, new)), [*expected], "{new}");
    }
}

/// GOOD with its data ports on a card's two functions, and these keys of the card from line 20 on.
fn with_card(keys: &str) -> String {
    with(19, &format!("wan = \"wan0\"\n{keys}"))
        .replace("vdev = \"net_ring0\"", "pci = \"0000:05:00.0\"")
        .replace("vdev = \"net_ring1\"", "pci = \"0000:05:00.1\"")
}

/// GOOD with these keys of the card: its ports have no PCI address.
fn with_card_on_vdevs(keys: &str) -> String {
    with(19, &format!("wan = \"wan0\"\n{keys}"))
}

/// Keys of a card from line 20 on, and the messages that they give.
#[rustfmt::skip]
const CARDS: &[(&str, &str)] = &[
    ("bypass_card = \"silicon\"", "f:20: link_pair.bypass_card = \"silicon\": unknown word; did you mean \"silicom\"?; accepted: \"none\", \"silicom\", \"intel\", \"intel-pmd\""),
    ("bypass_crad = \"silicom\"", "f:20: link_pair.bypass_crad = \"silicom\": unknown key; did you mean link_pair.bypass_card?"),
    // nothing follows from an unknown card
    ("bypass_card = \"x\"\nbypass_watchdog_ms = 100\nbypass_device = \"0000:05:00.1\"", "f:20: link_pair.bypass_card = \"x\": unknown word; accepted: \"none\", \"silicom\", \"intel\", \"intel-pmd\""),
    // no card
    ("bypass_device = \"0000:05:00.0\"", "f:20: link_pair.bypass_device = \"0000:05:00.0\": the pair has no card: set link_pair.bypass_card to \"silicom\", \"intel\" or \"intel-pmd\", or remove this key"),
    ("bypass_card = \"none\"\nbypass_registers = \"sysfs\"", "f:21: link_pair.bypass_registers = \"sysfs\": the pair has no card: set link_pair.bypass_card to \"silicom\", \"intel\" or \"intel-pmd\", or remove this key"),
    ("bypass_watchdog_ms = 2000\nbypass_on_timeout = \"bypass\"", "f:20: link_pair.bypass_watchdog_ms = 2000: the pair has no card: set link_pair.bypass_card to \"silicom\", \"intel\" or \"intel-pmd\", or remove this key|f:21: link_pair.bypass_on_timeout = \"bypass\": the pair has no card: set link_pair.bypass_card to \"silicom\", \"intel\" or \"intel-pmd\", or remove this key"),
    ("bypass_on_power_off = \"bypass\"\nbypass_on_power_on = \"inline\"", "f:20: link_pair.bypass_on_power_off = \"bypass\": the pair has no card: set link_pair.bypass_card to \"silicom\", \"intel\" or \"intel-pmd\", or remove this key|f:21: link_pair.bypass_on_power_on = \"inline\": the pair has no card: set link_pair.bypass_card to \"silicom\", \"intel\" or \"intel-pmd\", or remove this key"),
    ("bypass_power_off_verified = false", "f:20: link_pair.bypass_power_off_verified = false: the pair has no card: set link_pair.bypass_card to \"silicom\", \"intel\" or \"intel-pmd\", or remove this key"),
    // values
    ("bypass_card = \"silicom\"\nbypass_device = \"05:00\"", "f:21: link_pair.bypass_device = \"05:00\": not a PCI address; accepted: a PCI address as 0000:03:00.0, of an even function (intel: function 0)"),
    ("bypass_card = \"silicom\"\nbypass_registers = \"mmap\"", "f:21: link_pair.bypass_registers = \"mmap\": is no way to a card's registers; accepted: \"sysfs\", \"vfio\", or \"socket:/absolute/path\" of at most 107 bytes"),
    ("bypass_card = \"silicom\"\nbypass_registers = \"socket:card\"", "f:21: link_pair.bypass_registers = \"socket:card\": is not absolute; accepted: \"sysfs\", \"vfio\", or \"socket:/absolute/path\" of at most 107 bytes"),
    ("bypass_card = \"silicom\"\nbypass_registers = \"socket:/run/twinline/a.sock\"", "f:21: link_pair.bypass_registers = \"socket:/run/twinline/a.sock\": is instance.control_socket: two different paths are needed"),
    ("bypass_card = \"silicom\"\nbypass_watchdog_ms = 3276801", "f:21: link_pair.bypass_watchdog_ms = 3276801: is out of range; accepted: 0 to 3276800 (0 = no watchdog)"),
    ("bypass_card = \"silicom\"\nbypass_watchdog_ms = -1", "f:21: link_pair.bypass_watchdog_ms = -1: is out of range; accepted: 0 to 3276800 (0 = no watchdog)"),
    ("bypass_card = \"silicom\"\nbypass_on_timeout = \"inline\"", "f:21: link_pair.bypass_on_timeout = \"inline\": unknown word; accepted: \"bypass\", \"disconnect\", \"tap\""),
    ("bypass_card = \"silicom\"\nbypass_on_power_off = \"off\"", "f:21: link_pair.bypass_on_power_off = \"off\": unknown word; accepted: \"inline\", \"bypass\", \"disconnect\", \"tap\""),
    ("bypass_card = \"silicom\"\nbypass_power_off_verified = \"yes\"", "f:21: link_pair.bypass_power_off_verified = \"yes\": must be a boolean, not a string; accepted: true or false"),
    // what no card of the kind can do
    ("bypass_card = \"silicom\"\nbypass_on_power_off = \"disconnect\"", "f:21: link_pair.bypass_on_power_off = \"disconnect\": a Silicom card without power is inline or in bypass; accepted: \"inline\", \"bypass\""),
    ("bypass_card = \"intel\"\nbypass_on_timeout = \"tap\"", "f:21: link_pair.bypass_on_timeout = \"tap\": the card is Intel's: it has no tap; accepted: \"bypass\", \"disconnect\""),
    ("bypass_card = \"intel-pmd\"\nbypass_on_power_on = \"tap\"", "f:21: link_pair.bypass_on_power_on = \"tap\": the card is Intel's: it has no tap; accepted: \"inline\", \"bypass\", \"disconnect\""),
    ("bypass_card = \"intel\"\nbypass_watchdog_ms = 32001", "f:21: link_pair.bypass_watchdog_ms = 32001: is longer than an Intel card's longest watchdog; accepted: 0 to 32000 (0 = no watchdog)"),
    // the function that commands the card
    ("bypass_card = \"silicom\"\nbypass_device = \"0000:05:00.3\"", "f:21: link_pair.bypass_device = \"0000:05:00.3\": is function 3: a pair's card is commanded through its even function; accepted: \"0000:05:00.2\""),
    ("bypass_card = \"intel\"\nbypass_device = \"0000:05:00.2\"", "f:21: link_pair.bypass_device = \"0000:05:00.2\": is function 2: an Intel card is commanded through its function 0; accepted: \"0000:05:00.0\""),
    // DPDK's driver
    ("bypass_card = \"intel-pmd\"\nbypass_device = \"0000:05:00.0\"\nbypass_registers = \"vfio\"", "f:21: link_pair.bypass_device = \"0000:05:00.0\": DPDK's driver reaches an \"intel-pmd\" card through the LAN port: remove this key, or set link_pair.bypass_card = \"intel\"|f:22: link_pair.bypass_registers = \"vfio\": DPDK's driver reaches an \"intel-pmd\" card through the LAN port: remove this key, or set link_pair.bypass_card = \"intel\""),
];

#[test]
fn each_fault_of_a_card_gives_exactly_its_messages() {
    for (keys, expected) in CARDS {
        let expected: Vec<&str> = expected.split('|').collect();
        assert_eq!(messages(&with_card(keys)), expected, "{keys}");
    }
}

#[test]
fn a_card_needs_a_device_that_commands_it() {
    let missing = "f:20: link_pair.bypass_device: is missing: the LAN port lan0 is not on pci; \
        accepted: a PCI address as 0000:03:00.0, of an even function (intel: function 0)";
    for keys in [
        "bypass_card = \"silicom\"",
        "bypass_card = \"intel\"\nbypass_watchdog_ms = 4000",
        "bypass_card = \"silicom\"\nbypass_registers = \"vfio\"",
    ] {
        assert_eq!(messages(&with_card_on_vdevs(keys)), [missing], "{keys}");
    }
    assert_eq!(
        messages(&with_card_on_vdevs("bypass_card = \"intel-pmd\"")),
        [
            "f:20: link_pair.bypass_card = \"intel-pmd\": the LAN port lan0 is not on pci: DPDK's \
          driver does not have the card; accepted: a LAN port with pci, or \"intel\" with \
          link_pair.bypass_device"
        ]
    );
    for good in [
        "bypass_card = \"silicom\"\nbypass_device = \"05:00.2\"",
        "bypass_card = \"silicom\"\nbypass_registers = \"socket:/run/card\"",
        "bypass_card = \"intel\"\nbypass_registers = \"socket:/run/card\"\nbypass_watchdog_ms = 4000",
    ] {
        assert_eq!(
            warnings(&with_card_on_vdevs(good)),
            [] as [&str; 0],
            "{good}"
        );
    }
    // no port, or no device of it: that alone is said
    let text = with_card("bypass_card = \"silicom\"").replace("lan = \"lan0\"", "lan = \"lan9\"");
    assert_eq!(messages(&text).len(), 1);
    let text = with_card("bypass_card = \"intel-pmd\"").replace("pci = \"0000:05:00.0\"", "");
    assert_eq!(messages(&text).len(), 1);
}

#[test]
fn a_lan_port_on_the_other_function_is_no_device() {
    let swapped = |keys: &str| {
        with_card(keys)
            .replace("lan = \"lan0\"", "lan = \"x\"")
            .replace("wan = \"wan0\"", "wan = \"lan0\"")
            .replace("lan = \"x\"", "lan = \"wan0\"")
    };
    assert_eq!(
        messages(&swapped("bypass_card = \"silicom\"")),
        [
            "f:20: link_pair.bypass_device: is missing, and the LAN port wan0 is 0000:05:00.1: a \
          pair's card is commanded through its even function; accepted: \"0000:05:00.0\""
        ]
    );
    assert_eq!(
        messages(&swapped("bypass_card = \"intel-pmd\"")),
        [
            "f:20: link_pair.bypass_card = \"intel-pmd\": the LAN port wan0 is 0000:05:00.1: DPDK's \
          driver commands the card on its function 0 only; accepted: a LAN port with pci = \
          \"0000:05:00.0\""
        ]
    );
    let given = "bypass_card = \"silicom\"\nbypass_device = \"0000:05:00.0\"";
    assert_eq!(warnings(&swapped(given)), [] as [&str; 0]);
}

#[test]
fn two_pairs_have_two_cards() {
    let pairs = |first: &str, second: &str| {
        with_card(first).replace(
            "[ha]\n",
            &format!(
                "[[port]]\nname = \"lan1\"\npci = \"0000:05:00.2\"\n\
                 [[port]]\nname = \"wan1\"\npci = \"0000:05:00.3\"\n\
                 [[link_pair]]\nname = \"q\"\nlan = \"lan1\"\nwan = \"wan1\"\n{second}\n[ha]\n"
            ),
        )
    };
    let card = "bypass_card = \"silicom\"";
    let on = |address: &str| format!("{card}\nbypass_device = \"{address}\"");
    assert_eq!(warnings(&pairs(card, card)), [] as [&str; 0]);
    assert_eq!(
        messages(&pairs(&on("0000:06:00.0"), &on("06:00.0"))),
        [
            "f:33: link_pair.bypass_device = \"06:00.0\": is used by another pair already, on line 21"
        ]
    );
    // with a default, on either side
    assert_eq!(
        messages(&pairs(card, &on("0000:05:00.0"))),
        [
            "f:32: link_pair.bypass_device = \"0000:05:00.0\": is used by another pair already, on \
          line 20"
        ]
    );
    assert_eq!(
        messages(&pairs(&on("0000:05:00.2"), card)),
        [
            "f:32: link_pair.bypass_device: is missing, and the LAN port's, 0000:05:00.2, is used by \
          another pair already, on line 21"
        ]
    );
    let socket = |path: &str| format!("{card}\nbypass_registers = \"socket:{path}\"");
    assert_eq!(
        messages(&pairs(&socket("/x"), &socket("/x"))),
        [
            "f:33: link_pair.bypass_registers = \"socket:/x\": is used by another pair already, on line 21"
        ]
    );
    assert_eq!(
        warnings(&pairs(&socket("/x"), &socket("/y"))),
        [] as [&str; 0]
    );
}

#[test]
fn a_latched_intel_card_has_no_tap() {
    let text = with_card("bypass_card = \"intel\"\nbypass_watchdog_ms = 4000")
        .replace("key_file", "on_max_flaps = \"tap\"\nkey_file");
    assert_eq!(
        messages(&text),
        [
            "f:25: ha.on_max_flaps = \"tap\": the link pair p has an Intel card: it has no tap; \
          accepted: \"bypass\", \"disconnect\""
        ]
    );
    let text = text.replace("\"intel\"", "\"silicom\"");
    assert_eq!(warnings(&text).len(), 1);
}

#[test]
fn cards_get_warnings() {
    const LOOP: &str =
        "joins the two cables: beside an active peer that is a loop in the parallel topology";
    const OPEN: &str = "leaves the wire open: in the series topology the peer is on the same wire, \
        which then carries nothing";
    let silicom = |keys: &str| with_card(&format!("bypass_card = \"silicom\"\n{keys}"));
    for path in ["bypass", "tap"] {
        let text = silicom(&format!("bypass_on_timeout = \"{path}\""));
        assert_eq!(
            warnings(&text),
            [format!(
                "f:21: link_pair.bypass_on_timeout: {LOOP}; absent means disconnect there"
            )]
        );
        // alone, and in series, that is what a card is for
        let series = text.replace("[ha]\n", "[ha]\ntopology = \"series\"\n");
        assert_eq!(warnings(&series), [] as [&str; 0]);
        let active = text.replace("active-passive", "active-active");
        assert_eq!(warnings(&active), [] as [&str; 0]);
    }
    assert_eq!(
        warnings(&silicom(
            "bypass_on_power_off = \"bypass\"\nbypass_on_power_on = \"tap\""
        )),
        [
            format!("f:21: link_pair.bypass_on_power_off: {LOOP}"),
            format!("f:22: link_pair.bypass_on_power_on: {LOOP}")
        ]
    );
    let open = silicom("bypass_on_timeout = \"disconnect\"\nbypass_on_power_off = \"inline\"");
    assert_eq!(warnings(&open), [] as [&str; 0]);
    assert_eq!(
        warnings(&open.replace("[ha]\n", "[ha]\ntopology = \"series\"\n")),
        [
            format!("f:21: link_pair.bypass_on_timeout: {OPEN}"),
            format!("f:22: link_pair.bypass_on_power_off: {OPEN}")
        ]
    );
    #[rustfmt::skip]
    let cases: &[(&str, &[&str])] = &[
        ("bypass_card = \"silicom\"\nbypass_watchdog_ms = 100", &[]),
        ("bypass_card = \"silicom\"\nbypass_watchdog_ms = 0\nbypass_on_timeout = \"disconnect\"", &[
            "f:21: link_pair.bypass_watchdog_ms: without a watchdog, a hung or killed engine leaves the card inline, and the wire carries nothing",
            "f:22: link_pair.bypass_on_timeout: is not used: bypass_watchdog_ms is 0",
        ]),
        ("bypass_card = \"intel\"\nbypass_watchdog_ms = 3999", &["f:21: link_pair.bypass_watchdog_ms: 3999 ms is short: a kick of an Intel card takes up to 1.6 s, and the watchdog may expire under a healthy engine; take 4000 or more"]),
        ("bypass_card = \"intel-pmd\"", &["f:20: link_pair.bypass_watchdog_ms: 2000 ms (the default) is short: a kick of an Intel card takes up to 1.6 s, and the watchdog may expire under a healthy engine; take 4000 or more"]),
        ("bypass_card = \"intel-pmd\"\nbypass_watchdog_ms = 32000", &[]),
        ("bypass_card = \"silicom\"\nbypass_device = \"0000:06:00.0\"", &[
            "f:21: link_pair.bypass_device: the card switches the cables of 0000:06:00.0 and 0000:06:00.1, but the LAN port lan0 is 0000:05:00.0",
            "f:21: link_pair.bypass_device: the card switches the cables of 0000:06:00.0 and 0000:06:00.1, but the WAN port wan0 is 0000:05:00.1",
        ]),
    ];
    for (keys, expected) in cases {
        assert_eq!(warnings(&with_card(keys)), *expected, "{keys}");
    }
    let apart = with_card("bypass_card = \"silicom\"").replace("0000:05:00.1", "0000:05:00.2");
    assert_eq!(
        warnings(&apart),
        [
            "f:20: link_pair.bypass_card: the card switches the cables of 0000:05:00.0 and \
          0000:05:00.1, but the WAN port wan0 is 0000:05:00.2"
        ]
    );
}

#[test]
fn the_defaults_of_a_card() {
    let card = |text: &str| {
        let config = Config::parse(text, "f").unwrap_or_else(|e| panic!("{e}"));
        config.config.link_pairs[0].bypass.clone().unwrap()
    };
    let silicom = card(&with_card("bypass_card = \"silicom\""));
    assert_eq!(silicom.card, CardKind::Silicom);
    assert_eq!(silicom.device.unwrap().to_string(), "0000:05:00.0");
    assert_eq!(silicom.registers, Registers::Sysfs);
    assert_eq!(silicom.watchdog_ms, 2000);
    assert_eq!(silicom.on_timeout, None);
    assert_eq!(silicom.on_power_off, None);
    assert_eq!(silicom.on_power_on, None);
    assert!(!silicom.power_off_verified);
    let pmd = card(&with_card("bypass_card = \"intel-pmd\""));
    assert_eq!(pmd.card, CardKind::IntelPmd);
    assert_eq!(pmd.device, silicom.device);
    let model = card(&with_card_on_vdevs(
        "bypass_card = \"silicom\"\nbypass_registers = \"socket:/run/card\"\nbypass_watchdog_ms = 0",
    ));
    assert_eq!(model.device, None);
    assert_eq!(model.registers, Registers::Socket("/run/card".into()));
    assert_eq!(model.watchdog(), None);
    let none = Config::parse(&with_card("bypass_card = \"none\""), "f").unwrap();
    assert_eq!(none.config.link_pairs[0].bypass, None);
}

#[test]
fn adaptive_polling_may_share_the_main_core() {
    let text = with(28, "workers = [0]\npolling = \"adaptive\"");
    assert_eq!(warnings(&text), [] as [&str; 0]);
}

#[test]
fn addresses_that_are_not_unicast() {
    for bad in [
        "0.0.0.0",
        "127.0.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
    ] {
        let found = messages(&with(
            23,
            &format!("key_file = \"/k\"\naddress = \"{bad}\""),
        ));
        let expected = format!(
            "f:24: ha.address = \"{bad}\": is not unicast; accepted: a unicast IPv4 address"
        );
        assert_eq!(found, [expected]);
    }
}

#[test]
fn the_socket_path_fits_its_field() {
    let path = |len: usize| {
        with(
            4,
            &format!(
                "stack = \"s\"\ncontrol_socket = \"/{}\"",
                "x".repeat(len - 1)
            ),
        )
    };
    assert_eq!(warnings(&path(107)), [] as [&str; 0]);
    assert!(messages(&path(108))[0].contains("is too long for a Unix socket"));
}

#[test]
fn values_are_shown_short_and_without_control_characters() {
    let long = "x".repeat(500);
    let found = messages(&with(2, &format!("name = \"{long}\"")));
    assert!(
        found[0].len() < 250 && found[0].contains("xxx...: is too long"),
        "{}",
        found[0]
    );
    let found = messages(&with(2, "name = \"\"\"a\n\tb\"\"\""));
    assert!(found[0].contains(r#""""a\n\tb""""#), "{}", found[0]);
}

#[test]
fn many_errors_are_cut() {
    let mut text = GOOD.to_owned();
    for n in 0..500 {
        text.push_str(&format!("zz{n} = {n}\n"));
    }
    let errors = Config::parse(&text, "f").unwrap_err();
    assert_eq!(errors.len(), 500);
    assert_eq!(errors.iter().count(), 100);
    assert!(errors.to_string().ends_with("\nand 400 more errors"));
}

#[test]
fn files_that_cannot_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let one = |path: &std::path::Path| Config::load(path).unwrap_err().to_string();
    let at = |name: &str| dir.path().join(name);
    assert_eq!(
        one(&at("none")),
        format!(
            "{}: cannot be read: no such file or directory",
            at("none").display()
        )
    );
    assert_eq!(
        one(dir.path()),
        format!("{}: is a directory, not a file", dir.path().display())
    );
    std::fs::write(at("latin1"), b"[instance]\nname = \"\xff\"\n").unwrap();
    assert_eq!(
        one(&at("latin1")),
        format!("{}:2: is not UTF-8 text", at("latin1").display())
    );
    std::fs::write(at("big"), vec![b'#'; (1 << 20) + 1]).unwrap();
    assert_eq!(
        one(&at("big")),
        format!("{}: is larger than 1048576 bytes", at("big").display())
    );
    std::fs::write(at("full"), vec![b'#'; 1 << 20]).unwrap();
    assert!(one(&at("full")).contains("instance.name: is missing"));
    let made = std::process::Command::new("mkfifo")
        .arg(at("fifo"))
        .status()
        .unwrap();
    assert!(made.success());
    assert_eq!(
        one(&at("fifo")),
        format!("{}: is not a regular file", at("fifo").display())
    );
}
