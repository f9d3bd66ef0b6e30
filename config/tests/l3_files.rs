//! Files of layer 3: bad ones and the exact messages that they give, and what good ones come to.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests

use twinline_config::{Checksum, Config, Version};

/// A valid file, of which the cases change lines. Line numbers are in the comments.
const GOOD: &str = r#"[instance]
name = "a"
id = 1
stack = "s"
[[port]]
name = "p0"
vdev = "net_ring0"
[[port]]
name = "p1"
vdev = "net_ring1"
[[port]]
name = "ha0"
vdev = "net_ring2"
[[interface]]
name = "lan"
port = "p0"
addresses = ["192.0.2.2/24", "2001:db8::2/64"]
[[interface]]
name = "wan"
port = "p1"
addresses = ["198.51.100.2/24"]
[[route]]
prefix = "0.0.0.0/0"
via = "198.51.100.1"
[[virtual_router]]
name = "gw"
interface = "lan"
vrid = 10
addresses = ["192.0.2.1"]
[[virtual_router]]
name = "gw6"
interface = "lan"
vrid = 10
addresses = ["fe80::10"]
[ha]
mode = "active-active"
port = "ha0"
key_file = "/k"
[ha.links]
minimum_active = 2
[lcores]
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

fn good(text: &str) -> Config {
    Config::parse(text, "f")
        .unwrap_or_else(|e| panic!("{e}\n{text}"))
        .config
}

#[test]
fn the_good_file_is_good() {
    assert_eq!(warnings(GOOD), [] as [&str; 0]);
}

/// One changed line; the beginnings of its messages, all of them.
#[rustfmt::skip]
const ONE_LINE: &[(usize, &str, &[&str])] = &[
    // [[interface]]
    (15, "", &["f:14: interface.name: is missing; accepted: 1 to 32 characters of a-z A-Z 0-9 . _ -",
        "f:27: virtual_router.interface = \"lan\": there is no such interface; accepted: one of wan",
        "f:32: virtual_router.interface = \"lan\": there is no such interface; accepted: one of wan"]),
    (15, "name = \"wan\"", &["f:19: interface.name = \"wan\": is used by another interface already, on line 15",
        "f:27: virtual_router.interface = \"lan\": there is no such interface; accepted: one of wan",
        "f:32: virtual_router.interface = \"lan\": there is no such interface; accepted: one of wan"]),
    (16, "port = \"p2\"", &["f:16: interface.port = \"p2\": there is no such port; accepted: one of ha0, p0, p1"]),
    (16, "port = \"ha0\"", &["f:37: ha.port = \"ha0\": has the interface lan; accepted: the name of a [[port]] that is in no link pair and has no interface"]),
    (16, "port = \"p1\"", &["f:20: interface.port = \"p1\": the port has an untagged interface already, on line 16: give interface.vlan",
        "f:40: ha.links.minimum_active = 2: is more than the link pairs and the ports with interfaces, of which there are 0 and 1; accepted: 0 to 1 (0 = off)"]),
    (16, "port = \"p1\"\nvlan = 0", &["f:17: interface.vlan = 0: is out of range; accepted: 1 to 4094",
        "f:41: ha.links.minimum_active = 2: is more than"]),
    (16, "port = \"p0\"\nvlan = 4095", &["f:17: interface.vlan = 4095: is out of range; accepted: 1 to 4094"]),
    (17, "", &["f:14: interface.addresses: is missing; accepted: an array of 1 to 16 unicast addresses with their prefix length, as 192.0.2.2/24 or 2001:db8::2/64"]),
    (17, "addresses = []", &["f:17: interface.addresses = []: is empty; accepted: an array of 1 to 16"]),
    (17, "addresses = [\"192.0.2.2\", 5]", &["f:17: interface.addresses = \"192.0.2.2\": has no /length; accepted: an array",
        "f:17: interface.addresses = 5: must be a string, not a whole number; accepted: an array"]),
    (17, "addresses = [\"192.0.2.2/33\"]", &["f:17: interface.addresses = \"192.0.2.2/33\": has a prefix length that is out of range; accepted:"]),
    (17, "addresses = [\"192.0.2.0/24\"]", &["f:17: interface.addresses = \"192.0.2.0/24\": is the first address of its network; accepted:"]),
    (17, "addresses = [\"192.0.2.255/24\"]", &["f:17: interface.addresses = \"192.0.2.255/24\": is the broadcast address of its network; accepted:"]),
    (17, "addresses = [\"192.0.2.2/24\", \"2001:db8::/64\"]", &["f:17: interface.addresses = \"2001:db8::/64\": is the first address of its network; accepted:"]),
    (17, "addresses = [\"224.0.0.18/24\", \"::1/128\", \"ff02::12/128\", \"::ffff:192.0.2.2/128\", \"1.2.3.4/0\"]", &[
        "f:17: interface.addresses = \"224.0.0.18/24\": is not unicast", "f:17: interface.addresses = \"::1/128\": is not unicast",
        "f:17: interface.addresses = \"ff02::12/128\": is not unicast", "f:17: interface.addresses = \"::ffff:192.0.2.2/128\": is not unicast",
        "f:17: interface.addresses = \"1.2.3.4/0\": has a prefix length of 0"]),
    (17, "addresses = [\"192.0.2.2/24\", \"192.0.2.2/24\"]", &["f:17: interface.addresses = \"192.0.2.2/24\": is an own address already, on line 17"]),
    (17, "addresses = [\"192.0.2.2/24\"]\nmtu = 575", &["f:18: interface.mtu = 575: is out of range; accepted: 576 to 9600"]),
    (17, "addresses = [\"192.0.2.2/24\"]\nmtu = 1279", &["f:18: interface.mtu = 1279: is too small for an interface with IPv6; accepted: 1280 to 9600"]),
    (17, "addresses = [\"192.0.2.2/24\"]\nkernel = \"a/b\"", &["f:18: interface.kernel = \"a/b\": is not an interface name; accepted: a network interface"]),
    (21, "addresses = [\"198.51.100.2/24\", \"192.0.2.130/25\"]", &["f:21: interface.addresses = \"192.0.2.130/25\": has addresses in common with 192.0.2.2/24 of the interface lan, on line 17"]),
    (21, "addresses = [\"198.51.100.2/24\", \"2001:db8::2/64\"]", &["f:21: interface.addresses = \"2001:db8::2/64\": is an own address already, on line 17"]),
    (21, "addresses = [\"198.51.100.2/24\"]\nmto = 5", &["f:22: interface.mto = 5: unknown key; did you mean interface.mtu?"]),
    (7, "vdev = \"net_ring0\"\nmtu = 1200", &["f:17: interface.port = \"p0\": the port's mtu is 1200, too small for an interface with IPv6; accepted: a port whose mtu is at least 1280"]),
    (10, "vdev = \"net_ring1\"\nmtu = 575", &["f:21: interface.port = \"p1\": the port's mtu is 575, too small for an interface; accepted: a port whose mtu is at least 576"]),
    // a port of a link pair
    (22, "[[link_pair]]\nname = \"w\"\nlan = \"p0\"\nwan = \"p1\"\n[[route]]", &["f:16: interface.port = \"p0\": is in the link pair w; accepted: the name of a [[port]] that is in no link pair and is not ha.port",
        "f:20: interface.port = \"p1\": is in the link pair w; accepted:"]),
    // [[route]]
    (23, "", &["f:22: route.prefix: is missing; accepted: a network as 198.51.100.0/24"]),
    (23, "prefix = \"10.0.0.1/8\"", &["f:23: route.prefix = \"10.0.0.1/8\": has bits behind the prefix; accepted: a network as"]),
    (23, "prefix = \"default\"", &["f:23: route.prefix = \"default\": has no /length; accepted: a network as"]),
    (23, "prefix = \"224.0.0.0/4\"", &["f:23: route.prefix = \"224.0.0.0/4\": is no network that packets are forwarded to; accepted:"]),
    (23, "prefix = \"127.0.0.0/8\"", &["f:23: route.prefix = \"127.0.0.0/8\": is no network that packets are forwarded to; accepted:"]),
    (23, "prefix = \"192.0.2.0/24\"", &["f:23: route.prefix = \"192.0.2.0/24\": is a network of the interface lan: it needs no route"]),
    (23, "prefix = \"192.0.2.1/32\"", &["f:23: route.prefix = \"192.0.2.1/32\": is an address of this instance: it needs no route"]),
    (23, "prefix = \"198.51.100.2/32\"", &["f:23: route.prefix = \"198.51.100.2/32\": is an address of this instance: it needs no route"]),
    (23, "prefix = \"192.0.2.128/25\"", &[]),
    (23, "prefix = \"::/0\"", &["f:24: route.via = \"198.51.100.1\": is not of the family of route.prefix ::/0"]),
    (24, "via = \"203.0.113.1\"", &["f:24: route.via = \"203.0.113.1\": is on no network of an interface; accepted: a unicast address of the prefix's family"]),
    (24, "via = \"192.0.2.9\"\ninterface = \"wan\"", &["f:24: route.via = \"192.0.2.9\": is on no network of the interface wan; accepted:"]),
    (24, "via = \"198.51.100.1\"\ninterface = \"won\"", &["f:25: route.interface = \"won\": there is no such interface; accepted: one of lan, wan"]),
    (24, "via = \"198.51.100.2\"", &["f:24: route.via = \"198.51.100.2\": is an own address of the interface wan"]),
    (24, "via = \"192.0.2.1\"", &["f:24: route.via = \"192.0.2.1\": is an address of the virtual router gw: packets would be sent to ourselves"]),
    (24, "via = \"255.255.255.255\"", &["f:24: route.via = \"255.255.255.255\": is not unicast; accepted:"]),
    (24, "via = \"198.51.100.1\"\n[[route]]\nprefix = \"0.0.0.0/0\"\nvia = \"198.51.100.9\"", &["f:26: route.prefix = \"0.0.0.0/0\": has a route already, on line 23"]),
    (24, "via = \"198.51.100.1\"\n[[route]]\nprefix = \"::/0\"\nvia = \"fe80::1\"", &["f:27: route.via = \"fe80::1\": is link-local: route.interface is needed"]),
    // [[virtual_router]]
    (26, "name = \"gw6\"", &["f:31: virtual_router.name = \"gw6\": is used by another virtual router already, on line 26"]),
    (27, "interface = \"p0\"", &["f:27: virtual_router.interface = \"p0\": there is no such interface; accepted: one of lan, wan"]),
    (28, "vrid = 0", &["f:28: virtual_router.vrid = 0: is out of range; accepted: 1 to 255"]),
    (28, "vrid = 256", &["f:28: virtual_router.vrid = 256: is out of range; accepted: 1 to 255"]),
    (28, "", &["f:25: virtual_router.vrid: is missing; accepted: 1 to 255"]),
    (34, "addresses = [\"192.0.2.9\"]", &["f:33: virtual_router.vrid = 10: is used by another virtual router with IPv4 on the interface lan already, on line 28"]),
    (28, "vrid = 10\nversion = 4", &["f:29: virtual_router.version = 4: is out of range; accepted: 2 to 3"]),
    (33, "vrid = 10\nversion = 2", &["f:34: virtual_router.version = 2: version 2 is for IPv4 only, and the addresses are IPv6"]),
    (29, "addresses = []", &["f:29: virtual_router.addresses = []: is empty; accepted: an array of 1 to 64"]),
    (29, "addresses = [\"192.0.2.1/24\"]", &["f:29: virtual_router.addresses = \"192.0.2.1/24\": is not an IP address; accepted: an array of 1 to 64"]),
    (29, "addresses = [\"192.0.2.1\", \"fe80::5\"]", &["f:29: virtual_router.addresses = \"fe80::5\": is not of the family of 192.0.2.1: IPv4 and IPv6 are two virtual routers, which may have one vrid"]),
    (29, "addresses = [\"192.0.2.1\", \"192.0.2.1\"]", &["f:29: virtual_router.addresses = \"192.0.2.1\": is in the list twice"]),
    (29, "addresses = [\"192.0.2.255\"]", &["f:29: virtual_router.addresses = \"192.0.2.255\": is the broadcast address of a network of the interface lan"]),
    (29, "addresses = [\"192.0.2.0\"]", &["f:29: virtual_router.addresses = \"192.0.2.0\": is the first address of a network of the interface lan"]),
    (29, "addresses = [\"192.0.2.2\"]", &["f:29: virtual_router.addresses = \"192.0.2.2\": 192.0.2.2 is an own address of the interface lan: only with virtual_router.priority = 255, and when all of them are"]),
    (34, "addresses = [\"2001:db8::1\", \"fe80::10\"]", &["f:34: virtual_router.addresses = \"2001:db8::1\": is not link-local; accepted: an array of 1 to 64 unicast addresses of one family, over IPv6 a link-local one first"]),
    (32, "interface = \"wan\"", &[]),
    (31, "name = \"gw5\"\ninterface = \"lan\"\nvrid = 11\naddresses = [\"192.0.2.1\"]\n[[virtual_router]]\nname = \"gw6\"", &["f:34: virtual_router.addresses = \"192.0.2.1\": is an address of another virtual router already, on line 29"]),
    (29, "addresses = [\"192.0.2.1\"]\npriority = 0", &["f:30: virtual_router.priority = 0: is out of range; accepted: 1 to 255"]),
    (29, "addresses = [\"192.0.2.1\"]\npriority = 255", &["f:30: virtual_router.priority = 255: is the owner's priority, and 192.0.2.1 is no own address of the interface lan; accepted: 1 to 254"]),
    (29, "addresses = [\"192.0.2.2\", \"192.0.2.1\"]\npriority = 255", &["f:30: virtual_router.priority = 255: is the owner's priority, and 192.0.2.1 is no own address of the interface lan; accepted: 1 to 254"]),
    (29, "addresses = [\"192.0.2.1\"]\ninterval_ms = 9", &["f:30: virtual_router.interval_ms = 9: is out of range; accepted: 10 to 255000"]),
    (29, "addresses = [\"192.0.2.1\"]\ninterval_ms = 15", &["f:30: virtual_router.interval_ms = 15: is not whole centiseconds; accepted: 10 to 40950, in steps of 10 with version 3"]),
    (29, "addresses = [\"192.0.2.1\"]\ninterval_ms = 40960", &["f:30: virtual_router.interval_ms = 40960: is out of range; accepted: 10 to 40950, in steps of 10 with version 3"]),
    (29, "addresses = [\"192.0.2.1\"]\ninterval_ms = 1500\nversion = 2", &["f:30: virtual_router.interval_ms = 1500: is not whole seconds; accepted: 1000 to 255000, in steps of 1000 with version 2"]),
    (29, "addresses = [\"192.0.2.1\"]\nchecksum = \"rfc956\"", &["f:30: virtual_router.checksum = \"rfc956\": unknown word; did you mean \"rfc9568\"?; accepted: \"rfc9568\", \"pseudo-header\", \"any\""]),
    (29, "addresses = [\"192.0.2.1\"]\npeers = [\"fe80::5\", \"192.0.2.2\", \"192.0.2.1\"]", &["f:30: virtual_router.peers = \"fe80::5\": is not of the family of virtual_router.addresses 192.0.2.1",
        "f:30: virtual_router.peers = \"192.0.2.1\": is one of virtual_router.addresses: a peer's own address is needed",
        "f:30: virtual_router.peers = \"192.0.2.2\": is an own address of the interface lan"]),
    (29, "addresses = [\"192.0.2.1\"]\npeers = [\"192.0.2.3\", \"192.0.2.3\", \"224.0.0.18\"]", &["f:30: virtual_router.peers = \"224.0.0.18\": is not unicast; accepted:",
        "f:30: virtual_router.peers = \"192.0.2.3\": is in the list twice"]),
    (29, "addresses = [\"192.0.2.1\"]\npeers = [\"203.0.113.3\"]", &["f:30: virtual_router.peers = \"203.0.113.3\": is on no network of the interface lan; accepted:"]),
    (34, "addresses = [\"fe80::10\"]\npeers = [\"2001:db8::3\"]", &["f:35: virtual_router.peers = \"2001:db8::3\": is not link-local; accepted:"]),
    (29, "addresses = [\"192.0.2.1\"]\nannounce_count = 0", &["f:30: virtual_router.announce_count = 0: is out of range; accepted: 1 to 255"]),
    (17, "addresses = [\"2001:db8::2/64\"]", &["f:27: virtual_router.interface = \"lan\": the interface lan has no IPv4 address, from which adverts would be sent"]),
    // [l3], and the rest of the file
    (22, "[l3]\nresolve_queue = 0\nneighbours = 15\nip_forward = 1\n[[route]]", &["f:23: l3.resolve_queue = 0: is out of range; accepted: 1 to 64",
        "f:24: l3.neighbours = 15: is out of range; accepted: 16 to 1048576", "f:25: l3.ip_forward = 1: must be a boolean, not a whole number; accepted: true or false"]),
    (40, "minimum_active = 3", &["f:40: ha.links.minimum_active = 3: is more than the link pairs and the ports with interfaces, of which there are 0 and 2; accepted: 0 to 2 (0 = off)"]),
    (42, "workers = []", &["f:42: lcores.workers: no worker, but there are interfaces to forward between; accepted: an array of core numbers, for example [1]"]),
    (22, "[[interfaces]]\nname = 1\n[[route]]", &["f:22: interfaces: unknown section; did you mean interface?"]),
    (38, "key_file = \"/k\"\nin_band = true", &["f:39: ha.in_band = true: there is no [[link_pair]] whose ports could carry heartbeats"]),
];

#[test]
fn one_changed_line_gives_exactly_its_messages() {
    let mut wrong = String::new();
    for (line, new, expected) in ONE_LINE {
        let text = with(*line, new);
        let found = match expected.is_empty() {
            true => warnings(&text),
            false => messages(&text),
        };
        let all = found.len() == expected.len()
            && found.iter().zip(*expected).all(|(f, e)| f.starts_with(e));
        if !all {
            wrong += &format!("line {line}: {new}\nfound {found:#?}\nwanted {expected:#?}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn an_owner_has_all_addresses_and_no_role_moves_them() {
    let owner = with(29, "addresses = [\"192.0.2.2\"]\npriority = 255");
    assert_eq!(warnings(&owner), [] as [&str; 0]);
    assert_eq!(good(&owner).virtual_routers[0].priority, 255);
    let passive = owner.replace("active-active", "active-passive");
    let found = messages(&passive);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with(
        "f:30: virtual_router.priority = 255: is the owner's priority, which never gives way;"
    ));
}

#[test]
fn priorities_that_are_not_given_are_the_instances() {
    assert_eq!(good(GOOD).virtual_routers[0].priority, 100);
    let primary = with(37, "port = \"ha0\"\nprimary = true");
    assert_eq!(good(&primary).virtual_routers[0].priority, 150);
    let given = with(29, "addresses = [\"192.0.2.1\"]\npriority = 7");
    assert_eq!(good(&given).virtual_routers[0].priority, 7);
    assert_eq!(good(&given).virtual_routers[1].priority, 100);
}

#[test]
fn version_2_has_whole_seconds_and_more_of_them() {
    let two = with(
        29,
        "addresses = [\"192.0.2.1\"]\nversion = 2\ninterval_ms = 255000",
    );
    let router = &good(&two).virtual_routers[0];
    assert_eq!(
        (router.version, router.checksum),
        (Version::V2, Checksum::Any)
    );
    assert_eq!(router.interval_centis(), 25_500);
}

#[test]
fn many_interfaces_on_one_port_by_vlan() {
    let tagged = with(20, "port = \"p0\"\nvlan = 7").replace("minimum_active = 2", "");
    let config = good(&tagged);
    assert_eq!(config.l3_ports().len(), 1);
    assert_eq!(config.counted_links(), 1);
    let again = tagged.replace(
        "[[route]]",
        "[[interface]]\nname = \"x\"\nport = \"p0\"\nvlan = 7\naddresses = [\"10.0.0.1/8\"]\n[[route]]",
    );
    assert_eq!(
        messages(&again),
        ["f:26: interface.vlan = 7: the port p0 has an interface on this VLAN already, on line 20"]
    );
}

#[test]
fn link_local_addresses_are_of_an_interface() {
    let text = GOOD
        .replace("\"2001:db8::2/64\"]", "\"fe80::2/64\"]")
        .replace(
            "\"198.51.100.2/24\"]",
            "\"198.51.100.2/24\", \"fe80::2/64\"]",
        );
    let config = good(&text);
    assert_eq!(
        config.interfaces[1].link_local().unwrap().to_string(),
        "fe80::2"
    );
    let other = text.replace(
        "[ha]",
        "[[virtual_router]]\nname = \"w6\"\ninterface = \"wan\"\nvrid = 1\naddresses = [\"fe80::10\"]\n[ha]",
    );
    assert_eq!(good(&other).virtual_routers.len(), 3);
}

#[test]
fn the_mtu_is_the_ports_unless_it_is_given() {
    let port = with(7, "vdev = \"net_ring0\"\nmtu = 9000");
    let config = good(&port);
    assert_eq!(config.interfaces[0].mtu, 9000);
    assert_eq!(config.interfaces[1].mtu, 1500);
    let more = port.replace("port = \"p0\"", "port = \"p0\"\nmtu = 9001");
    assert_eq!(
        messages(&more),
        ["f:18: interface.mtu = 9001: is more than the port's mtu; accepted: 1280 to 9000"]
    );
    // IPv4 alone may have less
    let small = with(20, "port = \"p1\"\nmtu = 576");
    assert_eq!(good(&small).interfaces[1].mtu, 576);
    let with_route = small.replace(
        "[[virtual_router]]\nname = \"gw\"",
        "[[route]]\nprefix = \"::/0\"\nvia = \"fe80::1\"\ninterface = \"wan\"\n[[virtual_router]]\nname = \"gw\"",
    );
    assert_eq!(
        messages(&with_route),
        [
            "f:21: interface.mtu = 576: is too small for an interface with IPv6; accepted: 1280 to 9600"
        ]
    );
}

#[test]
fn a_tap_device_has_a_name_of_its_own() {
    let text = with(
        7,
        "vdev = \"net_af_packet0,iface=veth0\"\nkernel_interface = \"veth0\"",
    );
    let text = text.replace("port = \"p1\"", "port = \"p1\"\nkernel = \"veth0\"");
    assert_eq!(
        messages(&text),
        [
            "f:22: interface.kernel = \"veth0\": is the kernel's interface of the port p0: a name of its own is needed"
        ]
    );
    let twice = GOOD.replace("addresses = [\"1", "kernel = \"t0\"\naddresses = [\"1");
    // of the virtual routers too, where there is no such key
    assert!(messages(&twice).contains(
        &"f:22: interface.kernel = \"t0\": is used by another interface already, on line 17".into()
    ));
}

#[test]
fn what_deserves_a_word() {
    let far = with(29, "addresses = [\"203.0.113.1\"]");
    assert_eq!(
        warnings(&far),
        [
            "f:29: virtual_router.addresses: 203.0.113.1 is on no network of the interface lan: hosts there would not ask for it"
        ]
    );
    let sum = with(
        29,
        "addresses = [\"192.0.2.1\"]\nversion = 2\nchecksum = \"rfc9568\"",
    );
    assert_eq!(
        warnings(&sum),
        ["f:31: virtual_router.checksum: is not used: version 2 has one rule only"]
    );
    let sum6 = with(
        34,
        "addresses = [\"fe80::10\"]\nchecksum = \"pseudo-header\"",
    );
    assert_eq!(
        warnings(&sum6),
        ["f:35: virtual_router.checksum: is not used: the addresses are IPv6"]
    );
    let idle = with(42, "workers = [1, 2, 3]");
    assert_eq!(
        warnings(&idle),
        ["f:42: lcores.workers: the worker on core 3 has no link pair or interface to carry"]
    );
}

#[test]
fn pairs_and_ports_are_dealt_to_the_workers_each_to_one() {
    let ports: String = (0..4)
        .map(|n| format!("[[port]]\nname = \"x{n}\"\nvdev = \"net_null{n}\"\n"))
        .collect();
    let pairs = "[[link_pair]]\nname = \"a\"\nlan = \"x0\"\nwan = \"x1\"\n\
        [[link_pair]]\nname = \"b\"\nlan = \"x2\"\nwan = \"x3\"\n\
        [[link_pair]]\nname = \"c\"\nlan = \"x4\"\nwan = \"x5\"\n";
    let more = "[[port]]\nname = \"x4\"\nvdev = \"net_null4\"\n[[port]]\nname = \"x5\"\nvdev = \"net_null5\"\n";
    let text = GOOD
        .replacen("[[port]]", &format!("{ports}{more}{pairs}[[port]]"), 1)
        .replace("workers = [1]", "workers = [4, 2]");
    let config = good(&text);
    let work = config.work();
    let of = |n: usize| {
        (
            work[n].core,
            work[n].link_pairs.clone(),
            work[n].l3_ports.clone(),
        )
    };
    assert_eq!(of(0), (4, vec![0, 2], vec![1]));
    assert_eq!(of(1), (2, vec![1], vec![0]));
    assert_eq!(config.assignment(), [(4, vec![0, 2]), (2, vec![1])]);
    assert_eq!(config.counted_links(), 5);
}

#[test]
fn active_passive_needs_a_pair_or_an_interface() {
    let text = GOOD.replace("active-active", "active-passive");
    assert_eq!(warnings(&text), [] as [&str; 0]);
    let start = text.find("[[interface]]").unwrap();
    let end = text.find("[ha]").unwrap();
    let none = format!("{}{}", &text[..start], &text[end..]).replace("minimum_active = 2", "");
    assert!(messages(&none).iter().any(|m| m.starts_with(
        "f:15: link_pair: there is none; accepted: at least one [[link_pair]] or [[interface]]"
    )));
    let no_router = text.find("[[virtual_router]]").unwrap();
    let alone = format!("{}{}", &text[..no_router], &text[end..]);
    assert_eq!(
        warnings(&alone),
        [
            "f:26: ha.mode: there is no [[link_pair]] and no [[virtual_router]]: nothing follows the role"
        ]
    );
}
