//! Registers of a pretended PCI tree: its BARs are files.
#![allow(clippy::unwrap_used)] // helpers of tests count as tests

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use twinline_bypass::access::sysfs::Bars;
use twinline_bypass::intel::{Adapter, Family};
use twinline_bypass::{CardError, Function, RegisterIo};

const MASTER: &str = "0000:03:00.0";
const SLAVE: &str = "0000:03:00.1";
const SIZE: u32 = 0x8000;

fn device(sysfs: &TempDir, address: &str) -> PathBuf {
    let device = sysfs.path().join("bus/pci/devices").join(address);
    fs::create_dir_all(&device).unwrap();
    fs::write(device.join("resource0"), vec![0; SIZE as usize]).unwrap();
    device
}

fn register(device: &Path, offset: usize) -> [u8; 4] {
    let bar = fs::read(device.join("resource0")).unwrap();
    bar[offset..offset + 4].try_into().unwrap()
}

fn refused(sysfs: &TempDir) -> String {
    Bars::open(sysfs.path(), MASTER, None)
        .unwrap_err()
        .to_string()
}

#[test]
fn both_functions_are_read_and_written_where_they_should_be() {
    let sysfs = TempDir::new().unwrap();
    let master = device(&sysfs, MASTER);
    let slave = device(&sysfs, SLAVE);
    let mut bars = Bars::open(sysfs.path(), MASTER, Some(SLAVE)).unwrap();
    bars.write(Function::Master, 0x20, 0x1234_5678).unwrap();
    bars.write(Function::Slave, 0x18, 0x9ABC_DEF0).unwrap();
    assert_eq!(register(&master, 0x20), [0x78, 0x56, 0x34, 0x12]);
    assert_eq!(register(&slave, 0x18), [0xF0, 0xDE, 0xBC, 0x9A]);
    assert_eq!(register(&slave, 0x20), [0; 4]);
    assert_eq!(bars.read(Function::Master, 0x20), Ok(0x1234_5678));
    // The last register is inside, the next one is not, nor is any in between.
    bars.write(Function::Master, SIZE - 4, u32::MAX).unwrap();
    assert_eq!(bars.read(Function::Master, SIZE - 4), Ok(u32::MAX));
    for offset in [SIZE, SIZE + 4, u32::MAX - 3, 1, 2, 0x22] {
        let read = bars.read(Function::Master, offset);
        assert!(matches!(read, Err(CardError::Range { .. })), "{offset:#x}");
        let write = bars.write(Function::Slave, offset, 1);
        assert!(matches!(write, Err(CardError::Range { .. })), "{offset:#x}");
    }
}

#[test]
fn a_function_that_is_not_mapped_says_so() {
    let sysfs = TempDir::new().unwrap();
    device(&sysfs, MASTER);
    let mut bars = Bars::open(sysfs.path(), MASTER, None).unwrap();
    assert!(matches!(
        bars.read(Function::Slave, 0),
        Err(CardError::Access(_))
    ));
    assert!(matches!(
        bars.write(Function::Slave, 0, 0),
        Err(CardError::Access(_))
    ));
}

#[test]
fn one_card_one_process() {
    let sysfs = TempDir::new().unwrap();
    device(&sysfs, MASTER);
    let first = Bars::open(sysfs.path(), MASTER, None).unwrap();
    let second = Bars::open(sysfs.path(), MASTER, None);
    assert!(matches!(second, Err(CardError::Busy(_))), "{second:?}");
    drop(first);
    assert!(Bars::open(sysfs.path(), MASTER, None).is_ok());
}

#[test]
fn what_is_not_there_or_does_not_answer_is_told_apart() {
    let sysfs = TempDir::new().unwrap();
    assert!(refused(&sysfs).contains("there is no PCI device 0000:03:00.0"));
    let master = device(&sysfs, MASTER);
    fs::write(master.join("power_state"), "D3hot\n").unwrap();
    assert!(refused(&sysfs).contains("asleep (D3hot)"));
    fs::write(master.join("power_state"), "D0\n").unwrap();
    // Command register: memory off, bus master on.
    fs::write(master.join("config"), [0x86, 0x80, 0x5D, 0x15, 0x04, 0]).unwrap();
    assert!(refused(&sysfs).contains("switched off"));
    fs::write(master.join("config"), [0x86, 0x80, 0x5D, 0x15, 0x06, 0]).unwrap();
    assert!(Bars::open(sysfs.path(), MASTER, None).is_ok());
    fs::write(master.join("resource0"), "").unwrap();
    assert!(refused(&sysfs).contains("cannot be mapped"));
    fs::remove_file(master.join("resource0")).unwrap();
    assert!(refused(&sysfs).contains("has no BAR 0"));
}

#[test]
fn a_device_of_all_ones_is_gone_and_a_silent_one_is_no_card() {
    let sysfs = TempDir::new().unwrap();
    let master = device(&sysfs, MASTER);
    let open = || {
        let bars = Bars::open(sysfs.path(), MASTER, None).unwrap();
        Adapter::open(bars, Family::X540, MASTER).unwrap_err()
    };
    // On the real clock: eight words of 132 ms.
    let begun = std::time::Instant::now();
    assert!(matches!(open(), CardError::Timeout(_)));
    assert!(begun.elapsed().as_millis() >= 8 * 132);
    fs::write(master.join("resource0"), vec![0xFF; SIZE as usize]).unwrap();
    assert_eq!(open(), CardError::Gone);
}
