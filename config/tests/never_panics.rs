//! Whatever the file says: never a panic, every message names a line that exists, and what is
//! accepted survives a round trip.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests

use proptest::prelude::*;
use std::time::{Duration, Instant};
use twinline_config::{Config, schema};

const SEEDS: &[&str] = &[
    include_str!("../examples/pair-a.toml"),
    include_str!("../examples/lab-b.toml"),
    include_str!("../examples/standalone.toml"),
    CARDS,
    include_str!("../examples/l3.toml"),
    OWNERS,
];

/// Routers of both versions, some of them owners.
const OWNERS: &str = r#"[instance]
name = "a"
id = 1
stack = "s"
[[port]]
name = "p0"
vdev = "net_ring0"
mtu = 2000
[[interface]]
name = "i0"
port = "p0"
addresses = ["10.0.0.1/24", "fe80::1/64"]
[[interface]]
name = "i1"
port = "p0"
vlan = 7
mtu = 576
addresses = ["10.0.1.1/31", "10.0.2.1/32"]
[[virtual_router]]
name = "v4"
interface = "i0"
vrid = 255
version = 2
addresses = ["10.0.0.1"]
priority = 255
interval_ms = 255000
[[virtual_router]]
name = "v6"
interface = "i0"
vrid = 255
addresses = ["fe80::1"]
priority = 255
peers = ["fe80::2"]
[[route]]
prefix = "10.9.0.0/16"
via = "10.0.1.0"
[lcores]
workers = [1]
"#;

/// Pairs with cards of every kind.
const CARDS: &str = r#"[instance]
name = "a"
id = 1
stack = "s"
[[port]]
name = "lan0"
pci = "0000:03:00.0"
[[port]]
name = "wan0"
pci = "0000:03:00.1"
[[port]]
name = "lan1"
pci = "0000:04:00.0"
[[port]]
name = "wan1"
pci = "0000:04:00.1"
[[port]]
name = "lan2"
vdev = "net_ring0"
[[port]]
name = "wan2"
vdev = "net_ring1"
[[link_pair]]
name = "p0"
lan = "lan0"
wan = "wan0"
bypass_card = "silicom"
bypass_on_timeout = "tap"
bypass_on_power_off = "bypass"
bypass_on_power_on = "inline"
[[link_pair]]
name = "p1"
lan = "lan1"
wan = "wan1"
bypass_card = "intel-pmd"
bypass_watchdog_ms = 4000
bypass_on_power_off = "disconnect"
bypass_power_off_verified = true
[[link_pair]]
name = "p2"
lan = "lan2"
wan = "wan2"
bypass_card = "intel"
bypass_registers = "socket:/run/card"
bypass_watchdog_ms = 0
[lcores]
workers = [1]
"#;

/// Parses and checks what must hold for any text.
fn check(text: &str) -> Result<(), TestCaseError> {
    let lines = text.split('\n').count();
    match Config::parse(text, "f") {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                prop_assert!(warning.line.is_none_or(|l| (1..=lines).contains(&l)));
            }
            let again = loaded.config.to_toml().unwrap();
            let parsed = Config::parse(&again, "again");
            let parsed = parsed.map_err(|e| TestCaseError::fail(format!("{e}\n{again}")))?;
            prop_assert_eq!(&parsed.config, &loaded.config);
            prop_assert!(Config::diff(&loaded.config, &parsed.config).is_empty());
            prop_assert_eq!(loaded.config.digest_input(), parsed.config.digest_input());
        }
        Err(errors) => {
            prop_assert!(!errors.iter().as_slice().is_empty());
            for error in &errors {
                prop_assert!(
                    error.line.is_none_or(|l| (1..=lines).contains(&l)),
                    "{}",
                    error
                );
                prop_assert!(
                    !error.to_string().chars().any(char::is_control),
                    "{:?}",
                    error
                );
            }
        }
    }
    Ok(())
}

/// Values that look like something, for any key.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        (-2i64..70_000).prop_map(|n| n.to_string()),
        any::<bool>().prop_map(|b| b.to_string()),
        "[a-z0-9:._/,=-]{0,20}".prop_map(|s| format!("\"{s}\"")),
        prop::sample::select(vec![
            "[]",
            "[1, 2]",
            "[\"10.0.0.2\"]",
            "{}",
            "{ a = 1 }",
            "1.5",
            "nan",
            "1979-05-27",
            "\"active-passive\"",
            "\"active-active\"",
            "\"adaptive\"",
            "\"lan0\"",
            "\"10.0.0.1\"",
            "\"10.0.0.0/8\"",
            "\"::/0\"",
            "[\"10.0.0.1/24\", \"fe80::1/10\"]",
            "[\"fe80::10\", \"::1\"]",
            "[\"192.0.2.1\", \"192.0.2.1\"]",
            "255",
            "\"ha0\"",
            "\"/x\"",
            "\"none\"",
            "\"silicom\"",
            "\"intel\"",
            "\"intel-pmd\"",
            "\"0000:03:00.1\"",
            "\"0000:03:00.2\"",
            "\"vfio\"",
            "\"socket:/x\"",
            "\"socket:x\"",
            "\"inline\"",
            "\"bypass\"",
            "\"disconnect\"",
            "\"tap\"",
            "0x40",
            "[[]]",
            "''",
            "\"\\u0000\"",
            "99999999999999999999"
        ])
        .prop_map(str::to_owned),
    ]
}

/// One change to a list of lines.
#[derive(Debug, Clone)]
enum Mutation {
    Delete(prop::sample::Index),
    Duplicate(prop::sample::Index, prop::sample::Index),
    Value(prop::sample::Index, String),
    Key(prop::sample::Index, usize, String),
    Insert(prop::sample::Index, String),
    Cut(prop::sample::Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        at().prop_map(Mutation::Delete),
        (at(), at()).prop_map(|(from, to)| Mutation::Duplicate(from, to)),
        (at(), value()).prop_map(|(line, v)| Mutation::Value(line, v)),
        (at(), 0..schema::KEYS.len(), value()).prop_map(|(l, k, v)| Mutation::Key(l, k, v)),
        (at(), "[a-z\\[\\]\"'=#{}., \\\\0-9\u{e9}\u{0}]{0,12}")
            .prop_map(|(line, text)| Mutation::Insert(line, text)),
        at().prop_map(Mutation::Cut),
    ]
}

fn mutate(seed: &str, mutations: &[Mutation]) -> String {
    let mut lines: Vec<String> = seed.lines().map(str::to_owned).collect();
    for mutation in mutations {
        if lines.is_empty() {
            break;
        }
        match mutation {
            Mutation::Delete(at) => {
                lines.remove(at.index(lines.len()));
            }
            Mutation::Duplicate(from, to) => {
                let line = lines[from.index(lines.len())].clone();
                lines.insert(to.index(lines.len()), line);
            }
            Mutation::Value(at, value) => {
                let index = at.index(lines.len());
                let line = &mut lines[index];
                if let Some((key, _)) = line.clone().split_once('=') {
                    *line = format!("{key}= {value}");
                }
            }
            Mutation::Key(at, key, value) => {
                let last = schema::KEYS[*key].key.rsplit('.').next().unwrap();
                lines.insert(at.index(lines.len()), format!("{last} = {value}"));
            }
            Mutation::Insert(at, text) => {
                let index = at.index(lines.len());
                lines[index].push_str(text);
            }
            Mutation::Cut(at) => {
                let index = at.index(lines.len());
                let line = &mut lines[index];
                let half = line.chars().count() / 2;
                *line = line.chars().take(half).collect();
            }
        }
    }
    lines.join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..Default::default() })]

    #[test]
    fn random_text(text in "\\PC{0,200}") {
        check(&text)?;
    }

    #[test]
    fn random_toml_like_text(text in "([a-z_.\\[\\]\"'=#{}, \\n\\r\\t0-9-]|\u{feff}|\u{0}){0,300}") {
        check(&text)?;
    }

    #[test]
    fn mutated_files(
        seed in 0..SEEDS.len(),
        mutations in prop::collection::vec(mutation(), 1..5),
    ) {
        check(&mutate(SEEDS[seed], &mutations))?;
    }

    /// Any value for any key: refused on its own line, or accepted.
    #[test]
    fn any_value_for_any_key(key in 0..schema::KEYS.len(), value in value()) {
        let (section, word) = schema::KEYS[key].key.rsplit_once('.').unwrap();
        let header = if schema::REPEATED.contains(&section) {
            format!("[[{section}]]")
        } else {
            format!("[{section}]")
        };
        check(&format!("{header}\n{word} = {value}\n"))?;
    }
}

#[test]
fn the_seeds_are_good() {
    for seed in SEEDS {
        Config::parse(seed, "f").unwrap_or_else(|e| panic!("{e}"));
        check(seed).unwrap();
    }
}

#[test]
fn hostile_sizes_take_bounded_time() {
    let size = 1 << 20;
    let filled = |unit: &str| unit.repeat(size / unit.len());
    let many_keys: String = (0..90_000).map(|n| format!("max_flap{n}=1\n")).collect();
    let many_sections: String = (0..60_000).map(|n| format!("[h{n}]\nx=1\n")).collect();
    let texts = [
        filled("["),
        filled("[[port]]\n"),
        filled("a."),
        filled("x={"),
        filled("\""),
        filled("'''"),
        filled("#"),
        filled("\n"),
        format!("[lcores]\nworkers = [{}]", filled("1,")),
        filled("[[interface]]\naddresses=[\"10.0.0.1/8\"]\n"),
        filled("[[route]]\nprefix=\"::/0\"\n"),
        filled("[[virtual_router]]\naddresses=[\"10.0.0.1\"]\n"),
        format!("[ha]\npeers = [{}]", filled("[],")),
        format!("[ha]\n{}", &many_keys[..many_keys.len().min(size - 10)]),
        many_sections,
        format!("[instance]\nname = \"{}\"", "x".repeat(size - 100)),
    ];
    for text in &texts {
        let start = Instant::now();
        let refused = Config::parse(text, "f").is_err();
        assert!(refused);
        let took = start.elapsed();
        let head: String = text.chars().take(20).collect();
        // generous for a loaded machine with a debug build: quadratic work takes minutes
        assert!(took < Duration::from_secs(30), "{took:?} for {head:?}");
    }
}
