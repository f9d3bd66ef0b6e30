//! A card's pins share registers with everything else that a NIC does.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use twinline_bypass::model::silicom::{Model, Parameters};
use twinline_bypass::silicom::{Adapter, Board, Family};
use twinline_bypass::{Card, Function, Path, PowerEvent, Side};

use crate::rig::{Access, BOARDS, Entry, Recorder};

const REGISTERS: [u32; 4] = [0x00, 0x18, 0x20, 0x28];

fn bits(list: &[u32]) -> u32 {
    list.iter().fold(0, |mask, n| mask | 1 << n)
}

/// The bits that are the card's, from the facts by hand.
fn own(family: Family, function: Function, register: u32) -> u32 {
    use Function::{Master as F0, Slave as F1};
    let list: &[u32] = match (family, function, register) {
        (Family::Classic, F0, 0x18) => &[6, 7, 10, 11],
        (Family::Classic, F0, 0x00) => &[18, 22],
        (Family::Classic, F1, 0x18) => &[10, 11],
        (Family::Classic, F1, 0x00) => &[18, 22, 23],
        (Family::Fiber82575, F0, 0x00) => &[18, 19, 22, 23],
        (Family::Fiber82575, F0 | F1, 0x18) => &[6, 10],
        (Family::Fiber82575, F1, 0x00) => &[22, 23],
        (Family::I350, F0, 0x18) => &[6, 10],
        (Family::I350, F0, 0x00) => &[18, 19, 22, 23],
        (Family::I350, F1, 0x18) => &[10],
        (Family::I350, F1, 0x00) => &[19, 22, 23],
        (Family::X82598, _, 0x28) => &[1, 3],
        (Family::X82598, _, 0x20) => &[0, 8],
        (Family::X82599, F0, 0x28) => &[3],
        (Family::X82599, F1, 0x28) => &[1, 3],
        (Family::X82599, F0, 0x20) => &[3, 11],
        (Family::X82599, F1, 0x20) => &[3, 4, 11, 12],
        (Family::X540, F0, 0x20) => &[0, 1, 2, 8, 9, 10],
        (Family::X540, F1, 0x20) => &[1, 3, 8, 9, 10, 11],
        _ => &[],
    };
    bits(list)
}

/// Each write follows a read of the same register, and differs from it only in the card's bits.
fn check(log: &[Entry], board: Board) -> Result<usize, TestCaseError> {
    let mut writes = 0;
    for pair in log.windows(2) {
        let [(_, f0, r0, before), (_, function, register, access)] = *pair else {
            continue;
        };
        let Access::Write(value) = access else {
            continue;
        };
        writes += 1;
        let Access::Read(read) = before else {
            return Err(TestCaseError::fail("a write that follows a write"));
        };
        prop_assert_eq!((f0, r0), (function, register), "a write without a read");
        let foreign = (read ^ value) & !own(board.family, function, register);
        prop_assert_eq!(foreign, 0, "{:?} {:?} {:#x}", board, function, register);
        prop_assert_eq!(read ^ value == 0, false, "a write that changes nothing");
    }
    Ok(writes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Touch only your own bits, one read-modify-write per edge.
    #[test]
    fn bits_that_are_not_the_cards_are_never_changed(
        which in 0..BOARDS.len(),
        extension in 0..10u8,
        contents in prop::array::uniform8(0..u32::MAX),
    ) {
        let board = BOARDS[which];
        let model = Model::new(board, &Parameters::with_extension(extension));
        let places = [Function::Master, Function::Slave]
            .into_iter()
            .flat_map(|f| REGISTERS.map(|r| (f, r)));
        for ((function, register), value) in places.zip(contents) {
            model.poke(function, register, value);
        }
        let log = Arc::new(Mutex::new(Vec::new()));
        let recorder = Recorder { model: model.clone(), log: log.clone() };
        let mut card = Adapter::open(recorder, board, false).unwrap();
        for path in Path::ALL {
            let _ = card.set_path(path);
            let _ = card.set_policy(PowerEvent::WatchdogExpired, path);
        }
        let _ = card.set_policy(PowerEvent::PowerUp, Path::Inline);
        card.arm_watchdog(Duration::from_secs(1)).unwrap();
        for side in [Side::A, Side::B] {
            card.set_tx(side, false).unwrap();
            prop_assert!(!model.transmits(side));
            card.set_tx(side, true).unwrap();
        }
        card.set_path(Path::Inline).unwrap();
        card.kick().unwrap();
        prop_assert_eq!(card.observe().unwrap().path, Some(Path::Inline));
        prop_assert_eq!(model.path(), Path::Inline);
        let writes = check(&log.lock().unwrap(), board)?;
        prop_assert!(writes > 500, "the check saw {} writes", writes);
    }
}
