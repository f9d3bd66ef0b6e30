//! The examples are valid, and the annotated one names every key.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests

use std::path::{Path, PathBuf};
use twinline_config::{CardKind, CardPath, Config, Mode, OnMaxFlaps, Registers, schema};

fn examples() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .collect();
    files.sort();
    files
}

fn example(name: &str) -> Config {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(name);
    Config::load(path).unwrap_or_else(|e| panic!("{e}")).config
}

#[test]
fn every_example_loads_without_warnings() {
    let files = examples();
    assert_eq!(files.len(), 6, "{files:?}");
    for file in files {
        let loaded = Config::load(&file).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(loaded.warnings, [], "{}", file.display());
    }
}

#[test]
fn every_example_survives_a_round_trip() {
    for file in examples() {
        let config = Config::load(&file).unwrap().config;
        let text = config.to_toml().unwrap();
        let again = Config::parse(&text, "again.toml").unwrap_or_else(|e| panic!("{e}\n{text}"));
        assert_eq!(again.config, config, "{text}");
    }
}

/// Keys of the text, by section; commented ones (`# mtu = 1500`) too.
fn keys_named(text: &str) -> Vec<String> {
    let mut section = String::new();
    let mut keys = Vec::new();
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with('[') {
            let end = line.find(']').unwrap();
            section = line[..end].trim_start_matches('[').to_owned();
        } else if let Some((key, _)) = line.trim_start_matches("# ").split_once(" = ")
            && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        {
            keys.push(format!("{section}.{key}"));
        }
    }
    keys
}

#[test]
fn the_annotated_examples_name_every_key() {
    // layer 3 has an example of its own
    let in_l3 = |key: &str| {
        let sections = ["l3.", "interface.", "route.", "virtual_router."];
        sections.iter().any(|section| key.starts_with(section))
    };
    for name in ["pair-a.toml", "pair-b.toml", "l3.toml"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("examples")
            .join(name);
        let named = keys_named(&std::fs::read_to_string(path).unwrap());
        for key in schema::KEYS {
            assert!(
                in_l3(key.key) != (name == "l3.toml") || named.iter().any(|k| k == key.key),
                "{name} does not name {}",
                key.key
            );
        }
        for key in &named {
            assert!(
                schema::spec(key).is_some(),
                "{name} names {key}, which is not in the schema"
            );
        }
    }
}

/// An annotated example with the card that its comments show.
fn with_card(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(name);
    std::fs::read_to_string(path)
        .unwrap()
        .replace("bypass_card = \"none\"", "bypass_card = \"silicom\"")
        .replace("# bypass_", "bypass_")
}

#[test]
fn the_card_in_the_comments_of_the_annotated_examples_is_good() {
    for name in ["pair-a.toml", "pair-b.toml"] {
        assert_eq!(example(name).link_pairs[0].bypass, None);
        let loaded = Config::parse(&with_card(name), name).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(loaded.warnings, [], "{name}");
        let card = loaded.config.link_pairs[0].bypass.as_ref().unwrap();
        assert_eq!(card.card, CardKind::Silicom);
        assert_eq!(card.device.unwrap().to_string(), "0000:03:00.0");
        assert_eq!(card.registers, Registers::Sysfs);
        assert_eq!(card.watchdog().unwrap().as_millis(), 2000);
        assert_eq!(card.on_timeout, Some(CardPath::Disconnect));
        assert_eq!(card.on_power_off, Some(CardPath::Inline));
        assert_eq!(card.on_power_on, Some(CardPath::Disconnect));
        assert!(!card.power_off_verified);
        // what agrees without cards agrees with one on one side
        assert_eq!(
            loaded.config.digest_input(),
            example("pair-a.toml").digest_input()
        );
    }
}

#[test]
fn the_example_in_the_documentation_is_good() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let docs = std::fs::read_to_string(path).unwrap();
    let (_, section) = docs.split_once("## Bypass cards").unwrap();
    let (_, block) = section.split_once("```toml\n[[link_pair]]\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let pair = include_str!("../examples/pair-a.toml");
    let (before, after) = pair.split_once("[[link_pair]]\n").unwrap();
    let (_, after) = after.split_once("\n[ha]\n").unwrap();
    let text = format!("{before}[[link_pair]]\n{block}\n[ha]\n{after}");
    let loaded = Config::parse(&text, "docs").unwrap_or_else(|e| panic!("{e}\n{text}"));
    assert_eq!(loaded.warnings, []);
    let card = loaded.config.link_pairs[0].bypass.as_ref().unwrap();
    assert_eq!(card.watchdog_ms, 3200);
}

#[test]
fn what_the_example_of_layer_3_says() {
    let l3 = example("l3.toml");
    assert_eq!(l3.link_pairs, []);
    let lan = &l3.interfaces[0];
    assert_eq!((lan.port.as_str(), lan.vlan), ("p0", Some(100)));
    assert_eq!(lan.primary_v4().unwrap().to_string(), "192.0.2.2");
    assert_eq!(lan.link_local(), None);
    assert_eq!(l3.interfaces[1].mtu, 1500);
    assert_eq!(l3.routes[0].interface, "wan0");
    assert_eq!(l3.routes[1].via.to_string(), "fe80::1");
    let ports: Vec<&str> = l3.l3_ports().iter().map(|p| p.name.as_str()).collect();
    assert_eq!(ports, ["p0", "p1"]);
    assert_eq!(l3.counted_links(), 2);
    let [gateway, gateway6, uplink] = l3.virtual_routers.as_slice() else {
        panic!("three");
    };
    assert_eq!((gateway.version.number(), gateway.priority), (3, 150));
    assert_eq!(gateway.interval_centis(), 100);
    assert!(!gateway.is_ipv6() && gateway6.is_ipv6());
    assert_eq!(uplink.interface, "wan0");
    assert_eq!(l3.interface("wan0").unwrap().0, 1);
}

#[test]
fn the_two_of_a_stack_agree() {
    for (a, b) in [("pair-a.toml", "pair-b.toml"), ("lab-a.toml", "lab-b.toml")] {
        let (a, b) = (example(a), example(b));
        assert_eq!(a.digest_input(), b.digest_input());
        assert_ne!(a.instance.id, b.instance.id);
        assert!(a.ha.primary && !b.ha.primary);
    }
    assert_ne!(
        example("pair-a.toml").digest_input(),
        example("lab-a.toml").digest_input()
    );
}

#[test]
fn what_the_lab_file_says() {
    let lab = example("lab-a.toml");
    assert_eq!(lab.ha.mode, Mode::ActivePassive);
    assert_eq!(lab.ha.failure_window().as_millis(), 250);
    assert_eq!(lab.ha.address.to_string(), "169.254.0.1");
    assert_eq!(lab.ha_port().unwrap().device.dpdk_name(), "net_af_packet2");
    assert_eq!(lab.vdevs().len(), 3);
    assert!(lab.pci_allow().is_empty());
    assert_eq!(lab.assignment(), [(1, vec![0])]);
    assert_eq!(lab.ha.latched_card(), OnMaxFlaps::Disconnect);
    assert_eq!(lab.eal.file_prefix, "twinline-lab-a");
}
