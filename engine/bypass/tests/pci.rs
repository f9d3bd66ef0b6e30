//! Cards in a pretended PCI tree.
#![allow(clippy::unwrap_used)] // helpers of tests count as tests

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use tempfile::TempDir;
use twinline_bypass::intel::Family;
use twinline_bypass::model::intel::{Model, Params};
use twinline_bypass::model::silicom as silicom_model;
use twinline_bypass::pci::{Found, Ids, Kind, look, look_over, scan};
use twinline_bypass::silicom::{self, Board, Media};
use twinline_bypass::{CardError, Path};

/// 8086:1521 under 1374:03C0.
const BOARD: Option<Board> = Some(Board {
    family: silicom::Family::I350,
    media: Media::Copper,
});

fn add(sysfs: &TempDir, address: &str, ids: [u16; 4]) -> PathBuf {
    let device = sysfs.path().join("bus/pci/devices").join(address);
    fs::create_dir_all(&device).unwrap();
    let names = ["vendor", "device", "subsystem_vendor", "subsystem_device"];
    for (name, id) in names.into_iter().zip(ids) {
        fs::write(device.join(name), format!("0x{id:04x}\n")).unwrap();
    }
    fs::write(device.join("numa_node"), "-1\n").unwrap();
    device
}

fn machine() -> TempDir {
    let sysfs = TempDir::new().unwrap();
    add(&sysfs, "0000:00:03.0", [0x1AF4, 0x1041, 0x1AF4, 0x1041]);
    let first = add(&sysfs, "0000:03:00.0", [0x8086, 0x155D, 0x8086, 0x0002]);
    fs::write(first.join("numa_node"), "1\n").unwrap();
    symlink("../../../../bus/pci/drivers/ixgbe", first.join("driver")).unwrap();
    add(&sysfs, "0000:03:00.1", [0x8086, 0x155D, 0x8086, 0x0002]);
    add(&sysfs, "0000:05:00.0", [0x8086, 0x155C, 0x8086, 0x0001]);
    add(&sysfs, "0000:07:00.1", [0x8086, 0x155C, 0x8086, 0x0001]);
    // An ordinary 82599, and a board of a vendor's that uses the same subsystem ids by chance.
    add(&sysfs, "0000:09:00.0", [0x8086, 0x10FB, 0x8086, 0x0003]);
    add(&sysfs, "0000:0a:00.0", [0x14E4, 0x1657, 0x1374, 0x03C0]);
    for function in 0..4 {
        let address = format!("0000:0b:00.{function}");
        add(&sysfs, &address, [0x8086, 0x1521, 0x1374, 0x03C0]);
    }
    // One that is going away, and one whose ids are no numbers.
    fs::create_dir_all(sysfs.path().join("bus/pci/devices/0000:0c:00.0")).unwrap();
    let odd = add(&sysfs, "0000:0d:00.0", [0x8086, 0x155D, 0, 0]);
    fs::write(odd.join("vendor"), "what\n").unwrap();
    sysfs
}

#[test]
fn cards_are_found_as_pairs_of_functions() {
    let found = scan(machine().path()).unwrap();
    let pairs: Vec<_> = found
        .iter()
        .map(|f| (f.address.as_str(), f.partner.as_deref(), f.kind))
        .collect();
    let wanted = [
        (
            "0000:03:00.0",
            Some("0000:03:00.1"),
            Kind::Intel(Family::Intel82599),
        ),
        ("0000:05:00.0", None, Kind::Intel(Family::X540)),
        ("0000:07:00.1", None, Kind::Intel(Family::X540)),
        ("0000:0b:00.0", Some("0000:0b:00.1"), Kind::Silicom(BOARD)),
        ("0000:0b:00.2", Some("0000:0b:00.3"), Kind::Silicom(BOARD)),
    ];
    assert_eq!(pairs, wanted);
    let ids = Ids {
        vendor: 0x8086,
        device: 0x155D,
        subsystem_vendor: 0x8086,
        subsystem_device: 2,
    };
    assert_eq!(found[0].ids, ids);
    assert_eq!(found[0].numa, Some(1));
    assert_eq!(found[0].driver.as_deref(), Some("ixgbe"));
    assert_eq!((found[1].numa, found[1].driver.as_deref()), (None, None));
}

#[test]
fn a_machine_without_pci_says_so() {
    let sysfs = TempDir::new().unwrap();
    let error = scan(sysfs.path()).unwrap_err().to_string();
    assert!(error.starts_with("PCI devices cannot be listed"), "{error}");
}

fn first() -> (TempDir, Found) {
    let sysfs = machine();
    let found = scan(sysfs.path()).unwrap().remove(0);
    (sysfs, found)
}

#[test]
fn a_look_shows_the_card_and_changes_nothing() {
    let (_sysfs, found) = first();
    let model = Model::new(Params::default());
    let seen = look_over(&found, model.clone()).unwrap();
    assert_eq!(seen.name, "Intel 82599 bypass, firmware 5");
    assert_eq!(seen.observed.path, Some(Path::Inline));
    assert!(seen.capabilities.paths.has(Path::Bypass));
    assert_eq!((model.eeprom_writes(), model.foreign_writes()), (0, 0));
}

#[test]
fn a_look_at_a_silicom_board() {
    let all = scan(machine().path()).unwrap();
    let model = silicom_model::Model::new(BOARD.unwrap(), &silicom_model::Parameters::default());
    let seen = look_over(&all[3], model.clone()).unwrap();
    assert_eq!(seen.name, "Silicom 82580/I350, firmware a9");
    assert_eq!(seen.observed.path, Some(model.path()));
    assert_eq!(model.eeprom_writes(), 0);
}

#[test]
fn a_card_that_cannot_be_reached_says_why() {
    let (sysfs, found) = first();
    let look = |found: &Found| look(sysfs.path(), sysfs.path(), found).unwrap_err();
    assert!(look(&found).to_string().contains("has no BAR 0"));
    // Under vfio, vfio is tried as well.
    let vfio = Found {
        driver: Some("vfio-pci".into()),
        ..found
    };
    assert!(look(&vfio).to_string().contains("vfio is not there"));
    let all = scan(sysfs.path()).unwrap();
    let odd = look_over(&all[2], Model::new(Params::default()));
    assert_eq!(odd, Err(CardError::NotMaster("0000:07:00.1".into())));
    let unknown = Found {
        kind: Kind::Silicom(None),
        ..all[3].clone()
    };
    let unknown = look_over(&unknown, Model::new(Params::default()));
    assert!(matches!(unknown, Err(CardError::NotCapable(_))));
}
