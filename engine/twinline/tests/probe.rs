//! `twinline bypass probe` on a pretended PCI tree.
#![allow(clippy::unwrap_used)] // helpers of tests count as tests

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

/// Exit code, standard output, standard error.
fn probe(sysfs: &TempDir, options: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_twinline"))
        .args(["bypass", "probe", "--sysfs"])
        .arg(sysfs.path())
        .args(options)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap();
    (code, text(output.stdout), text(output.stderr))
}

fn add(sysfs: &TempDir, address: &str, ids: [&str; 4]) -> PathBuf {
    let device = sysfs.path().join("bus/pci/devices").join(address);
    fs::create_dir_all(&device).unwrap();
    let names = ["vendor", "device", "subsystem_vendor", "subsystem_device"];
    for (name, id) in names.into_iter().zip(ids) {
        fs::write(device.join(name), format!("{id}\n")).unwrap();
    }
    device
}

#[test]
fn nothing_there_is_said_in_plain_words() {
    let sysfs = TempDir::new().unwrap();
    let (code, out, err) = probe(&sysfs, &[]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("PCI devices cannot be listed"), "{err}");

    add(
        &sysfs,
        "0000:00:03.0",
        ["0x1af4", "0x1041", "0x1af4", "0x1041"],
    );
    let (code, out, err) = probe(&sysfs, &[]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.starts_with("no bypass card was found on PCI"), "{out}");
    let (code, out, _) = probe(&sysfs, &["--json"]);
    assert_eq!((code, out.as_str()), (0, "[]\n"));
}

#[test]
fn a_card_that_cannot_be_reached_is_listed_with_the_reason() {
    let sysfs = TempDir::new().unwrap();
    let ids = ["0x8086", "0x155d", "0x8086", "0x0002"];
    let device = add(&sysfs, "0000:03:00.0", ids);
    add(&sysfs, "0000:03:00.1", ids);
    fs::write(device.join("numa_node"), "0\n").unwrap();
    let (code, out, _) = probe(&sysfs, &[]);
    assert_eq!(code, 1);
    let wanted = "\
0000:03:00.0 and 0000:03:00.1  Intel 82599 bypass
  pci             8086:155d, board 8086:0002, driver none, NUMA node 0
  not reached     0000:03:00.0 has no BAR 0
";
    assert_eq!(out, wanted);

    // Registers that are there, and nobody behind them.
    for address in ["0000:03:00.0", "0000:03:00.1"] {
        let bar = sysfs.path().join("bus/pci/devices").join(address);
        fs::write(bar.join("resource0"), vec![0; 4096]).unwrap();
    }
    let (code, out, _) = probe(&sysfs, &["--json"]);
    assert_eq!(code, 1);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json[0]["partner"], "0000:03:00.1");
    assert_eq!(json[0]["card"], "Intel 82599 bypass");
    assert_eq!(json[0]["error"], "the card did not answer within 1.056s");
    assert_eq!(json[0].get("path"), None);
}
