//! Moves the pins of a NIC that a Silicom board uses, one by one, through BAR 0 as sysfs gives it,
//! and checks that they read back and that no other bit changes. For QEMU's e1000e
//! (`tests/tests/qemu.rs`): on a card with relays this would command it.

use std::path::Path;
use std::process::ExitCode;

use twinline_bypass::access::sysfs::Bars;
use twinline_bypass::{CardError, Function, RegisterIo};

/// CTRL, CTRL_EXT: a pin's data bit, and its direction bit.
const PINS: [(&str, u32, u32, u32); 4] = [
    ("CTRL SDP0", 0x00, 1 << 18, 1 << 22),
    ("CTRL SDP1", 0x00, 1 << 19, 1 << 23),
    ("CTRL_EXT SDP6", 0x18, 1 << 6, 1 << 10),
    ("CTRL_EXT SDP7", 0x18, 1 << 7, 1 << 11),
];
const STATUS: u32 = 0x08;

fn main() -> ExitCode {
    let Some(address) = std::env::args().nth(1) else {
        println!("bar-pins: give the address of a PCI function");
        return ExitCode::from(2);
    };
    match run(&address) {
        Ok(moves) => {
            println!("bar-pins: {moves} moves, each read back, no other bit changed");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("bar-pins: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(address: &str) -> Result<u32, CardError> {
    let mut bars = Bars::open(Path::new("/sys"), address, None)?;
    // The lock: nobody else of ours gets it meanwhile.
    let second = Bars::open(Path::new("/sys"), address, None);
    if !matches!(second, Err(CardError::Busy(_))) {
        return Err(CardError::Access("a second mapping was not refused".into()));
    }
    if bars.read(Function::Master, STATUS)? == u32::MAX {
        return Err(CardError::Gone);
    }
    let mut moves = 0;
    for (name, register, data, direction) in PINS {
        for (mask, value) in [
            (direction, direction),
            (data, data),
            (data, 0),
            (data, data),
            (data | direction, 0),
        ] {
            let before = bars.read(Function::Master, register)?;
            let wanted = before & !mask | value;
            bars.write(Function::Master, register, wanted)?;
            let after = bars.read(Function::Master, register)?;
            if after != wanted {
                return Err(CardError::Access(format!(
                    "{name}: was {before:#010x}, wrote {wanted:#010x}, reads {after:#010x}"
                )));
            }
            moves += 1;
        }
    }
    Ok(moves)
}
