//! Traces of the two lines, written by hand from the facts: what the driver puts on each family's
//! pins, edge by edge. Neither the driver's pin table nor the model's is used here.

use std::sync::{Arc, Mutex};

use twinline_bypass::model::silicom::{Model, Parameters};
use twinline_bypass::silicom::{Adapter, Board, Family};
use twinline_bypass::{Card, Function, Path};

use crate::rig::{Access, BOARDS, Entry, Recorder};

/// Function, register, data bit, and direction bit (1 = output) of a pin; without a direction it is
/// an open drain.
type Pin = (Function, u32, u32, Option<u32>);

/// MCLK and MDIO.
fn lines(family: Family) -> (Pin, Pin) {
    use Function::{Master as F0, Slave as F1};
    match family {
        Family::Classic => ((F0, 0x18, 7, Some(11)), (F0, 0x18, 6, Some(10))),
        Family::Fiber82575 => ((F0, 0x00, 19, Some(23)), (F0, 0x00, 18, Some(22))),
        Family::I350 => ((F0, 0x18, 6, Some(10)), (F0, 0x00, 18, Some(22))),
        Family::X82598 => ((F0, 0x28, 3, None), (F0, 0x28, 1, None)),
        Family::X82599 => ((F1, 0x20, 4, Some(12)), (F0, 0x28, 3, None)),
        Family::X540 => ((F0, 0x20, 2, Some(10)), (F0, 0x20, 0, Some(8))),
    }
}

/// C or D for clock or data, and 0, 1 or z (let go), at a microsecond.
type Edge = (u64, char, char);

/// `200 D1 C1, 300 C0` and so on.
fn trace(text: &str) -> Vec<Edge> {
    let moments = text.split(',').map(str::trim).filter(|m| !m.is_empty());
    moments
        .flat_map(|moment| {
            let mut words = moment.split_whitespace();
            let at: u64 = words.next().unwrap().parse().unwrap();
            words.map(move |w| (at, w.chars().next().unwrap(), w.chars().nth(1).unwrap()))
        })
        .collect()
}

/// What was seen on the lines, from `start` on, with the edges before it as what was there.
fn seen(log: &[Entry], family: Family, start: u64) -> Vec<Edge> {
    let (mclk, mdio) = lines(family);
    let mut levels = [('C', mclk, None), ('D', mdio, None)];
    let mut edges = Vec::new();
    for &(at, function, offset, access) in log {
        let Access::Write(value) = access else {
            continue;
        };
        for (name, (f, register, data, direction), level) in &mut levels {
            if (*f, *register) != (function, offset) {
                continue;
            }
            let bit = |n: u32| value >> n & 1 == 1;
            let now = match direction {
                Some(d) if !bit(*d) => 'z',
                _ if bit(*data) => '1',
                _ => '0',
            };
            if *level != Some(now) {
                *level = Some(now);
                let at = u64::try_from(at.as_micros()).unwrap();
                edges.push((at, *name, now));
            }
        }
    }
    let late = edges.into_iter().filter(|e| e.0 >= start);
    late.map(|(at, line, level)| (at - start, line, level))
        .collect()
}

/// An open drain is let go by a 1: the same level, and no edge when it was 1 before.
fn on_drain(edges: Vec<Edge>, family: Family) -> Vec<Edge> {
    if lines(family).1.3.is_some() {
        return edges;
    }
    let mut level = '0';
    edges
        .into_iter()
        .map(|(at, line, l)| (at, line, if l == 'z' { '1' } else { l }))
        .filter(|&(_, line, l)| line != 'D' || std::mem::replace(&mut level, l) != l)
        .collect()
}

/// The card's driver, and its accesses; inline, lines low.
fn recorded(board: Board) -> (Model, Adapter<Recorder>, Arc<Mutex<Vec<Entry>>>) {
    let model = Model::new(board, &Parameters::default());
    let log = Arc::new(Mutex::new(Vec::new()));
    let recorder = Recorder {
        model: model.clone(),
        log: log.clone(),
    };
    let mut adapter = Adapter::open(recorder, board, false).unwrap();
    adapter.set_path(Path::Inline).unwrap();
    (model, adapter, log)
}

fn micros(model: &Model) -> u64 {
    u64::try_from(model.now().as_micros()).unwrap()
}

/// Command 04 to register 10: 10, 10, 1010, 00000100.
const WRITE_10_04: &str = "
    200 D1 C1, 300 C0, 400 D0 C1, 500 C0,
    600 D1 C1, 700 C0, 800 D0 C1, 900 C0,
    1000 D1 C1, 1100 C0, 1200 D0 C1, 1300 C0, 1400 D1 C1, 1500 C0, 1600 D0 C1, 1700 C0,
    1800 C1, 1900 C0, 2000 C1, 2100 C0, 2200 C1, 2300 C0, 2400 C1, 2500 C0,
    2600 C1, 2700 C0, 2800 D1 C1, 2900 C0, 3000 D0 C1, 3100 C0, 3200 C1, 3300 C0";

/// The same with 0A: 10, 10, 1010, 00001010.
const WRITE_10_0A: &str = "
    3800 D1 C1, 3900 C0, 4000 D0 C1, 4100 C0,
    4200 D1 C1, 4300 C0, 4400 D0 C1, 4500 C0,
    4600 D1 C1, 4700 C0, 4800 D0 C1, 4900 C0, 5000 D1 C1, 5100 C0, 5200 D0 C1, 5300 C0,
    5400 C1, 5500 C0, 5600 C1, 5700 C0, 5800 C1, 5900 C0, 6000 C1, 6100 C0,
    6200 D1 C1, 6300 C0, 6400 D0 C1, 6500 C0, 6600 D1 C1, 6700 C0, 6800 D0 C1, 6900 C0";

/// The same with 02: 10, 10, 1010, 00000010.
const WRITE_10_02: &str = "
    7400 D1 C1, 7500 C0, 7600 D0 C1, 7700 C0,
    7800 D1 C1, 7900 C0, 8000 D0 C1, 8100 C0,
    8200 D1 C1, 8300 C0, 8400 D0 C1, 8500 C0, 8600 D1 C1, 8700 C0, 8800 D0 C1, 8900 C0,
    9000 C1, 9100 C0, 9200 C1, 9300 C0, 9400 C1, 9500 C0, 9600 C1, 9700 C0,
    9800 C1, 9900 C0, 10000 C1, 10100 C0, 10200 D1 C1, 10300 C0, 10400 D0 C1, 10500 C0";

/// Register 7 is read: 10, 01, 0111, then eight clocks with MDIO let go.
const READ_7: &str = "
    200 D1 C1, 300 C0, 400 D0 C1, 500 C0,
    600 C1, 700 C0, 800 D1 C1, 900 C0,
    1000 D0 C1, 1100 C0, 1200 D1 C1, 1300 C0, 1400 C1, 1500 C0, 1600 C1, 1700 C0,
    1800 Dz C1, 1900 C0, 2000 C1, 2100 C0, 2200 C1, 2300 C0, 2400 C1, 2500 C0,
    2600 C1, 2700 C0, 2800 C1, 2900 C0, 3000 C1, 3100 C0, 3200 C1, 3300 C0, 3400 C1,
    3500 D0 C0";

#[test]
fn a_kick_is_one_pulse_of_5_us_with_data_low() {
    for board in BOARDS {
        let (model, mut adapter, log) = recorded(board);
        let start = micros(&model);
        adapter.kick().unwrap();
        let edges = seen(&log.lock().unwrap(), board.family, start);
        assert_eq!(edges, trace("0 C1, 5 C0"), "{board:?}");
        assert_eq!(micros(&model) - start, 5);
    }
}

#[test]
fn a_write_is_16_bits_with_a_rest_before_and_after() {
    for board in BOARDS {
        let (model, mut adapter, log) = recorded(board);
        let start = micros(&model);
        adapter.disarm_watchdog().unwrap();
        let mut edges = seen(&log.lock().unwrap(), board.family, start);
        edges.retain(|e| e.0 < 3_600);
        assert_eq!(edges, trace(WRITE_10_04), "{board:?}");
    }
}

#[test]
fn bypass_is_set_by_04_0a_02_and_15_ms_of_quiet() {
    for board in BOARDS {
        let (model, mut adapter, log) = recorded(board);
        let start = micros(&model);
        adapter.set_path(Path::Bypass).unwrap();
        // Pins that do not tell bypass alone are followed by reads: not part of the command.
        let mut edges = seen(&log.lock().unwrap(), board.family, start);
        edges.retain(|e| e.0 < 25_800);
        let wanted = [WRITE_10_04, WRITE_10_0A, WRITE_10_02].map(trace).concat();
        assert_eq!(edges, wanted, "{board:?}");
    }
}

#[test]
fn the_signature_is_read_from_register_7() {
    for board in BOARDS {
        let model = Model::new(board, &Parameters::default());
        let log = Arc::new(Mutex::new(Vec::new()));
        let recorder = Recorder {
            model: model.clone(),
            log: log.clone(),
        };
        Adapter::probe(recorder, board).unwrap();
        // The version is read first, and that takes 3.7 ms.
        let mut edges = seen(&log.lock().unwrap(), board.family, 3_700);
        edges.retain(|e| e.0 < 3_700);
        let wanted = on_drain(trace(READ_7), board.family);
        assert_eq!(edges, wanted, "{board:?}");
    }
}
