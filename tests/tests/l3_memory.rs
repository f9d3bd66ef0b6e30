//! `eal.memory_mb` that is too small for layer 3 is said before, by `twinline check`, and at the
//! start, with how much is needed; and that much is enough.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, not excepted"
)]

use std::process::Command;
use twinline_tests::engine;
use twinline_tests::l3::ours::{Interface, Plan};
use twinline_tests::l3::router::Vrrp;
use twinline_tests::l3::wires::Wires;
use twinline_tests::topology::Side;

fn plan(memory_mb: u64) -> Plan {
    let leg = |name| Interface {
        kernel: false,
        ..Plan::leg(Side::A, name)
    };
    Plan {
        memory_mb,
        interfaces: vec![leg("lan"), leg("wan")],
        ..Plan::alone(Side::A, &Vrrp::default())
    }
}

/// How much is needed, by what was said.
fn needed(said: &str) -> Option<u64> {
    let rest = said.split_once("at least ")?.1;
    let (number, rest) = rest.split_once(' ')?;
    rest.starts_with("are needed for frames and the forwarding tables of layer 3")
        .then(|| number.parse().ok())?
}

fn check(memory_mb: u64) -> String {
    let directory = tempfile::tempdir().unwrap();
    let text = plan(memory_mb).text(Side::A, "tl1x0", directory.path());
    let file = directory.path().join("a.toml");
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(engine::find(None).unwrap());
    let output = command.arg("check").arg(&file).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn too_little_memory_is_named_with_how_much_is_needed_and_that_suffices() {
    let said = check(48);
    let by_check = needed(&said).unwrap_or_else(|| panic!("check says {said:?}"));
    let refused = Wires::lay(&plan(48))
        .expect_err("48 MiB suffice")
        .to_string();
    assert_eq!(needed(&refused), Some(by_check), "the start says {refused}");
    assert_eq!(check(by_check), "");
    let wires = Wires::lay(&plan(by_check)).unwrap();
    wires.settle("active").unwrap();
}
